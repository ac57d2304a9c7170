"""Networks of finite groups: exact equivariance, exact derivatives, and two tasks outside mechanics."""

import numpy as np
import pytest
import torch
from equivariant_cases import accuracy, molecules, pictures, square_group, train
from hypothesis import given
from hypothesis import strategies as st

from constitutive.equivariant import EquivariantNetwork, FiniteGroup, GroupConvolution, Representation, activation
from constitutive.errors import MaterialError, SymmetryError
from constitutive.laws import NetworkLaw
from constitutive.symmetry import PointGroup
from constitutive.symmetry.tables import SYMBOLS
from constitutive.tensors.packing import mandel_to_irreps


def points(n, d, seed=0):
    return torch.randn(n, d, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("symbol", SYMBOLS)
def test_equivariant_to_rounding_under_all_point_groups(symbol):
    group = PointGroup.from_symbol(symbol)
    network = EquivariantNetwork("0o + 1o + 2e", "0o + 1e + 2o", group, channels=(3, 4))
    x = points(4, 9)
    assert network.equivariance_error(x) <= 1e-12
    free = EquivariantNetwork("0o + 1o + 2e", "0o + 1e + 2o", PointGroup.from_symbol("1"), channels=(3, 4))
    D, out = (network.group.irreps(irreps).tensor() for irreps in ("0o + 1o + 2e", "0o + 1e + 2o"))
    if group.order > 1:  # control: a network without the symmetry
        assert float((free(x @ D[1].T) - free(x) @ out[1].T).detach().abs().max()) > 1e-3


@given(seed=st.integers(0, 20), name=st.sampled_from(["S4", "C5", "S3 x 222", "regular"]))
def test_permutations_rotations_of_the_plane_and_products(seed, name):
    if name == "S4":
        group = FiniteGroup.symmetric(4)
        D = group.natural(2) + group.trivial(1)
    elif name == "C5":
        group = FiniteGroup.cyclic(5)
        D = group.natural()
    elif name == "regular":
        group = FiniteGroup.symmetric(3)
        D = group.regular()
    else:
        group = FiniteGroup.symmetric(3) * FiniteGroup.from_point_group(PointGroup.from_symbol("222"))
        D = Representation(group, np.stack([np.kron(g[:3, :3], g[3:, 3:]) for g in group.matrices]))  # three vectors, permuted and turned
    network = EquivariantNetwork(D, D, group, channels=(2, 2), seed=seed)
    assert network.equivariance_error(points(3, D.size, seed)) <= 1e-12
    if name != "regular":
        assert group.order == {"S4": 24, "C5": 5, "S3 x 222": 24}[name]


@pytest.mark.parametrize("name", ["squareplus", "softplus", "tanh", "sine", "square", "silu"])
@pytest.mark.parametrize("channels", [(3,), (2, 3)])
def test_first_and_second_derivatives(name, channels):
    network = EquivariantNetwork("1o", "0e + 1o", PointGroup.from_symbol("-42m"), channels=channels, activation=name)
    x = points(2, 3)
    assert activation(name).has_derivatives == (name != "silu")
    with torch.no_grad() if name != "silu" else torch.enable_grad():
        found = network.derivatives(x)
    automatic = network._by_autograd(x)
    for a, b in zip(found, automatic, strict=True):
        assert a.shape == b.shape
        assert torch.allclose(a, b, rtol=0, atol=1e-13)
    h = 1e-5 * torch.eye(3, dtype=torch.float64)
    with torch.no_grad():
        slope = torch.stack([(network(x + e) - network(x - e)) / 2e-5 for e in h], -1)
    assert torch.allclose(found.first, slope, atol=1e-8)
    assert network.derivatives(x[:0]).second.shape == (0, 4, 3, 3)


def test_the_strain_energy_of_a_crystal_is_a_special_case():
    group = PointGroup.from_symbol("-3m")
    rng = np.random.default_rng(0)
    law = NetworkLaw(rng.normal(size=(5, 6)), rng.normal(size=5), rng.normal(size=5), 1.0, group.laue_rotations)
    rotations = FiniteGroup.from_point_group(group.laue_rotations)
    network = EquivariantNetwork("0e + 2e", "0e", rotations, channels=(5,))
    with torch.no_grad():
        network.lifting.weight[:], network.lifting.bias[:], network.projection.weight[:] = law.directions, law.biases, law.amplitudes[None]
    x = points(7, 6)
    Q = torch.from_numpy(np.array(mandel_to_irreps()))
    found, zero = network.derivatives(x @ Q.T), network.derivatives(0 * x[:1])
    with torch.no_grad():
        stress = (found.first - zero.first)[:, 0] @ Q
    assert torch.allclose(stress, law.stress_mandel(x), atol=1e-12)
    assert torch.allclose(Q.T @ found.second[:, 0].detach() @ Q, law.tangent_mandel(x), atol=1e-12)


def test_enantiomers_need_a_group_without_mirrors():
    """Invariants under a group with mirrors are equal for both hands; under its rotations they tell them."""
    x, hand = molecules(150, 0)
    unseen, truth = molecules(300, 1)
    found = {}
    for symbol in ("m-3m", "432"):
        network = EquivariantNetwork("4x1o", "2x0e", PointGroup.from_symbol(symbol), channels=(6, 6))
        found[symbol] = accuracy(train(network, x, hand), unseen, truth)
        if symbol == "m-3m":
            with torch.no_grad():
                assert torch.allclose(network(unseen[:300]), network(unseen[300:]), atol=1e-9)  # a mirror maps one hand to the other
    assert found["m-3m"] == pytest.approx(0.5, abs=0.05)
    assert found["432"] >= 0.99


def test_pictures_in_orientations_that_were_never_shown():
    group, D = square_group()
    x, label = pictures(320, 0, upright=True)
    unseen, truth = pictures(400, 1, upright=False)
    network = EquivariantNetwork(D, group.trivial(8), group, channels=(16,), activation="tanh")
    assert accuracy(train(network, x, label), unseen, truth) >= 0.98
    one = FiniteGroup.from_matrices(np.eye(2)[None])
    free = EquivariantNetwork(np.eye(25)[None], one.trivial(8), one, channels=(128,), activation="tanh")  # control: no symmetry
    assert accuracy(train(free, x, label), *pictures(400, 1, upright=True)) >= 0.98
    assert accuracy(free, unseen, truth) < 0.5


def test_the_convolution_runs_the_right_way():
    group = FiniteGroup.symmetric(3)
    layer = GroupConvolution(group, 2, 2)
    f = points(1, 12).reshape(1, 6, 2)
    shift = group.table[group.inverse[3]]  # (u f)(g) = f(u⁻¹ g)
    wrong = group.table[:, 3]  # control: f(g u)
    with torch.no_grad():
        assert torch.allclose(layer(f[:, shift]), layer(f)[:, shift], atol=1e-14)
        assert not torch.allclose(layer(f[:, wrong]), layer(f)[:, wrong], atol=1e-3)


def test_what_cannot_be_meant_is_named():
    group = FiniteGroup.symmetric(3)
    with pytest.raises(SymmetryError, match="group of operations of space"):
        group.irreps("1o")
    with pytest.raises(SymmetryError, match="no representation"):
        group.representation(group.natural().matrices[::-1])
    with pytest.raises(SymmetryError, match="a square matrix for each of the 6"):
        group.representation(np.eye(3)[None])
    with pytest.raises(SymmetryError, match="another group object"):
        group.representation(FiniteGroup.symmetric(3).natural())
    with pytest.raises(SymmetryError, match="more than 4096"):
        FiniteGroup.from_matrices(np.array([[[1.0, 1.0], [0.0, 1.0]]]))  # a shear has no finite order
    with pytest.raises(SymmetryError, match="3 × 3"):
        FiniteGroup.from_matrices(np.eye(2)[None], spatial=True)
    for n in (0, 7):
        with pytest.raises(SymmetryError, match=f"n = {n}"):
            FiniteGroup.symmetric(n)
    with pytest.raises(SymmetryError, match="n = 0"):
        FiniteGroup.cyclic(0)
    with pytest.raises(MaterialError, match="relu6"):
        activation("relu6")
    for channels in ((), (3, 0)):
        with pytest.raises(MaterialError, match="at least one"):
            EquivariantNetwork("1o", "0e", PointGroup.from_symbol("1"), channels=channels)


def test_the_same_seed_gives_the_same_network():
    networks = [EquivariantNetwork("1o", "0e", PointGroup.from_symbol("4"), channels=(3, 2), seed=s) for s in (1, 1, 2)]
    a, b, c = (network(points(2, 3)) for network in networks)
    assert torch.equal(a, b)
    assert not torch.allclose(a, c)
    assert networks[0](points(2, 3).float().double()).dtype == torch.float64
    again = EquivariantNetwork("1o", "0e", PointGroup.from_symbol("4"), channels=(3, 2), seed=9)
    again.load_state_dict(networks[0].state_dict())
    assert torch.equal(again(points(2, 3)), a)


def test_equal_channels_stay_equal_and_random_ones_learn():
    """Exchanging channels is a symmetry of the network: the gradient at equal channels has it too, and no training leaves it."""
    x, hand = molecules(100, 0)
    found = {}
    for start in ("equal", "random"):
        network = EquivariantNetwork("4x1o", "2x0e", PointGroup.from_symbol("432"), channels=(6,))
        if start == "equal":
            with torch.no_grad():
                network.lifting.weight[:] = network.lifting.weight[0]
                network.lifting.bias[:] = network.lifting.bias[0]
                network.projection.weight[:] = network.projection.weight[:, :1]
        train(network, x, hand)
        spread = (network.lifting.weight - network.lifting.weight[0]).detach().abs().max()
        found[start] = float(spread), accuracy(network, x, hand)
    assert found["equal"][0] < 1e-9
    assert found["random"][0] > 0.1
    assert found["random"][1] > found["equal"][1] + 0.05
