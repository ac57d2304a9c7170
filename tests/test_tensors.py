"""Tensors under point groups, against counts and tables that others published; each with a twin that must fail."""

import numpy as np
import pytest
import torch
from e3nn import o3
from e3nn.util.test import assert_equivariant
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from constitutive.errors import ConstitutiveError
from constitutive.symmetry import MagneticPointGroup, PointGroup, all_magnetic_groups
from constitutive.symmetry.tables import LAUE_CLASSES, SYMBOLS
from constitutive.tensors import (
    TENSORS,
    average,
    draw_pattern,
    elastic_constant_counts,
    equivariant_basis,
    from_mandel,
    independent_constants,
    invariant_basis,
    irreps_matrices,
    mandel_matrix,
    mandel_to_irreps,
    number_of_invariants,
    pairs_formula,
    pattern,
    project,
    property_tensor,
    stiffness_mandel_to_voigt,
    stiffness_voigt_to_mandel,
    strain_from_voigt,
    strain_to_voigt,
    stress_from_voigt,
    stress_to_voigt,
    tangent_from_mandel,
    tangent_to_mandel,
    tensor_basis,
    to_mandel,
    transform,
)

EXACT = 1e-12
GROUPS = {symbol: PointGroup.from_symbol(symbol) for symbol in SYMBOLS}
seeds = st.integers(0, 2**32 - 1)
symbols = st.sampled_from(SYMBOLS)


def rotation(seed: int) -> np.ndarray:
    return Rotation.from_quat(np.random.default_rng(seed).normal(size=4)).as_matrix()


def symmetric(seed: int, *batch: int) -> np.ndarray:
    T = np.random.default_rng(seed).normal(size=(*batch, 3, 3))
    return T + T.swapaxes(-1, -2)


def change(tensors: np.ndarray, group: object, **options: bool) -> float:
    """Largest change of tensors under the average over a group."""
    return float(np.abs(average(tensors, group, **options) - tensors).max(initial=0.0))


# ---- packing


@given(seeds, st.sampled_from([(), (1,), (4, 2)]))
def test_packing_goes_there_and_back(seed, batch):
    T = symmetric(seed, *batch)
    for there, back in ((to_mandel, from_mandel), (strain_to_voigt, strain_from_voigt), (stress_to_voigt, stress_from_voigt)):
        assert np.abs(back(there(T)) - T).max() < EXACT


@given(seeds)
def test_mandel_components_keep_products_and_turn_by_orthogonal_matrices(seed):
    S, E, R = symmetric(seed), symmetric(seed + 1), rotation(seed)
    assert to_mandel(S) @ to_mandel(E) == pytest.approx(np.sum(S * E), rel=EXACT)
    assert stress_to_voigt(S) @ strain_to_voigt(E) == pytest.approx(np.sum(S * E), rel=EXACT)
    D = mandel_matrix(R)
    assert np.abs(D @ D.T - np.eye(6)).max() < EXACT
    assert np.abs(to_mandel(R @ E @ R.T) - D @ to_mandel(E)).max() < 1e-11
    assert np.abs(mandel_matrix(-R) - D).max() < EXACT


def test_voigt_order_and_shear_factor():
    E = np.array([[1.0, 6, 5], [6, 2, 4], [5, 4, 3]])
    assert strain_to_voigt(E).tolist() == pytest.approx([1, 2, 3, 8, 10, 12])
    assert stress_to_voigt(E).tolist() == pytest.approx([1, 2, 3, 4, 5, 6])
    assert strain_to_voigt(E) @ strain_to_voigt(E) != pytest.approx(np.sum(E * E))  # control: engineering shear keeps no products


@given(seeds)
def test_stiffness_is_one_map_in_every_packing(seed):
    D = np.random.default_rng(seed).normal(size=(6, 6))
    E = symmetric(seed)
    full = np.einsum("ijkl,kl->ij", tangent_from_mandel(D), E)
    assert np.abs(to_mandel(full) - D @ to_mandel(E)).max() < 1e-11
    assert np.abs(tangent_to_mandel(tangent_from_mandel(D)) - D).max() < 1e-11
    C = stiffness_mandel_to_voigt(D)
    assert np.abs(stress_to_voigt(full) - C @ strain_to_voigt(E)).max() < 1e-11
    assert np.abs(stiffness_voigt_to_mandel(C) - D).max() < 1e-11


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_packing_keeps_torch_tensors_their_dtype_and_gradients(dtype):
    T = torch.tensor(symmetric(3, 5), dtype=dtype, requires_grad=True)
    x = to_mandel(T)
    assert x.dtype == dtype
    assert torch.allclose(from_mandel(x), T, atol=1e-6)
    (x**2).sum().backward()
    assert torch.allclose(T.grad, 2 * T, atol=1e-5)
    for function in (strain_to_voigt, stress_to_voigt, mandel_matrix):
        assert np.allclose(function(T).detach().numpy(), function(T.detach().numpy().astype(float)), atol=1e-5)


@given(seeds)
def test_mandel_and_irreps_are_one_representation(seed):
    Q, R = mandel_to_irreps(), rotation(seed)
    D = irreps_matrices(R[None], "0e + 2e")[0].numpy()
    assert np.abs(Q @ mandel_matrix(R) @ Q.T - D).max() < EXACT
    swapped = Q[[0, 2, 1, 3, 4, 5]]  # control: two components exchanged
    assert np.abs(swapped @ mandel_matrix(R) @ swapped.T - D).max() > 1e-3


# ---- formulas


@pytest.mark.parametrize(
    ("formula", "size"),
    [
        ("i", 3),
        ("ij", 9),
        ("ij=ji", 6),
        ("ij=-ji", 3),
        ("ijk=ikj", 18),
        ("ijk=-jik=-ikj", 1),
        ("ijkl=jikl=klij", 21),
        ("ij=ji=-ji", 0),
    ]
    + [(pairs_formula(3), 56), (pairs_formula(4), 126), ("ijkl=jikl=ijlk", 36)],
)
def test_index_symmetries_leave_the_known_number_of_components(formula, size):
    assert number_of_invariants(GROUPS["1"], formula) == size
    assert len(invariant_basis(GROUPS["1"], formula)) == size


def test_levi_civita_is_the_one_antisymmetric_tensor():
    (epsilon,) = invariant_basis(GROUPS["432"], "ijk=-jik=-ikj")
    assert epsilon[0, 1, 2] == pytest.approx(-epsilon[1, 0, 2])
    assert abs(epsilon[0, 1, 2]) == pytest.approx(1 / np.sqrt(6))


@pytest.mark.parametrize("formula", ["ij=jk", "-ij=ji", "iij", "ijklmnpqr", "i1"])
def test_a_formula_without_sense_is_refused(formula):
    with pytest.raises(ConstitutiveError, match="formula"):
        invariant_basis(GROUPS["1"], formula)


# ---- counts: Nye (1985), tables 9 and 10 (order 2); Fumi, Phys. Rev. 83 (1951) 1274 and 86 (1952) 561, Acta Cryst. A 43 (1987) 587
# (order 3, with the coefficients of Brugger, Phys. Rev. 133 (1964) A1611); Krishnamurty, Acta Cryst. 16 (1963) 839 (order 4)

ELASTIC = {
    "-1": (6, 21, 56, 126), "2/m": (4, 13, 32, 70), "mmm": (3, 9, 20, 42), "4/m": (2, 7, 16, 36), "4/mmm": (2, 6, 12, 25),
    "-3": (2, 7, 20, 42), "-3m": (2, 6, 14, 28), "6/m": (2, 5, 12, 24), "6/mmm": (2, 5, 10, 19), "m-3": (1, 3, 8, 14),
    "m-3m": (1, 3, 6, 11),
}  # fmt: skip

# Nye, Physical Properties of Crystals (1985), table 8
PIEZOELECTRIC = {
    "1": 18, "2": 8, "m": 10, "222": 3, "mm2": 5, "4": 4, "-4": 4, "422": 1, "4mm": 3, "-42m": 2, "3": 6, "32": 2, "3m": 4, "6": 4,
    "-6": 2, "622": 1, "6mm": 3, "-6m2": 1, "23": 1, "-43m": 1,
}  # fmt: skip

# Nye, table 15: 1 and 2 … of optical activity; the rest, by symmetry, have none
GYRATION = {"1": 6, "2": 4, "m": 2, "222": 3, "mm2": 1, "-42m": 1, "23": 1, "432": 1} | dict.fromkeys(
    ("4", "-4", "3", "32", "6", "422", "622"), 2
)

# Nye, table 16
PHOTOELASTIC = dict(zip(LAUE_CLASSES, (36, 20, 12, 10, 7, 12, 8, 8, 6, 4, 3), strict=True))
THERMAL = {"triclinic": 6, "monoclinic": 4, "orthorhombic": 3, "tetragonal": 2, "trigonal": 2, "hexagonal": 2, "cubic": 1}


@pytest.mark.parametrize("symbol", SYMBOLS)
def test_published_numbers_of_constants(symbol):
    group = GROUPS[symbol]
    assert tuple(elastic_constant_counts(group).values()) == ELASTIC[group.laue_class]
    assert independent_constants(group, "piezoelectric") == PIEZOELECTRIC.get(symbol, 0)
    assert independent_constants(group, "gyration") == GYRATION.get(symbol, 0)
    for name in ("photoelastic", "electrostriction"):
        assert independent_constants(group, name) == PHOTOELASTIC[group.laue_class]
    for name in ("thermal expansion", "dielectric"):
        assert independent_constants(group, name) == THERMAL[group.crystal_system]
    polar = {"1": 3, "m": 2} | dict.fromkeys(("2", "mm2", "4", "4mm", "3", "3m", "6", "6mm"), 1)
    assert independent_constants(group, "pyroelectric") == polar.get(symbol, 0)


def test_third_order_tells_what_second_order_cannot():
    for low, high in (("m-3", "m-3m"), ("6/m", "6/mmm")):
        second = [elastic_constant_counts(GROUPS[s])[2] for s in (low, high)]
        third = [elastic_constant_counts(GROUPS[s])[3] for s in (low, high)]
        assert second[0] == second[1]
        assert third[0] > third[1]


def test_magnetic_groups_allow_what_birss_counts():
    """Birss (1966): of 122 groups 31 allow ferromagnetism, 58 the linear magnetoelectric effect, 66 piezomagnetism."""
    groups = all_magnetic_groups()
    assert len(groups) == 122
    ferromagnetic = sum(number_of_invariants(g, "i", "axial", time_odd=True) > 0 for g in groups)
    magnetoelectric = sum(independent_constants(g, "magnetoelectric") > 0 for g in groups)
    piezomagnetic = sum(independent_constants(g, "piezomagnetic") > 0 for g in groups)
    assert (ferromagnetic, magnetoelectric, piezomagnetic) == (31, 58, 66)
    assert all(independent_constants(g, "piezomagnetic") == 0 for g in groups if g.kind == "grey")


# ---- bases


@pytest.mark.parametrize("symbol", SYMBOLS)
@pytest.mark.parametrize("name", ["piezoelectric", "gyration", "elastic 2", "elastic 3", "photoelastic"])
def test_bases_are_orthonormal_invariant_and_complete(symbol, name):
    group, tensor = GROUPS[symbol].rotated(rotation(7)), property_tensor(name)
    basis = tensor_basis(group, name)
    assert len(basis) == independent_constants(group, name)
    flat = basis.reshape(len(basis), 3 ** (basis.ndim - 1))
    assert np.abs(flat @ flat.T - np.eye(len(flat))).max(initial=0.0) < EXACT
    assert change(basis, group, parity=tensor.parity) < EXACT
    rank = basis.ndim - 1
    trial = np.random.default_rng(1).normal(size=(1, *(3,) * rank))
    kept = project(trial[0], group, tensor.formula, tensor.parity).tensor.ravel()
    assert np.abs(kept - (kept @ flat.T) @ flat).max() < EXACT  # the oracle's projection lies in the span


def test_a_basis_of_the_wrong_group_fails_the_same_test():
    assert change(invariant_basis(GROUPS["m-3"], pairs_formula(3)), GROUPS["m-3m"]) > 1e-2
    assert change(invariant_basis(GROUPS["-43m"], "ijk=ikj"), GROUPS["432"]) > 1e-2
    assert change(invariant_basis(GROUPS["32"], "ijk=ikj"), GROUPS["32"].rotated(rotation(2))) > 1e-2


@pytest.mark.parametrize(("symbol", "count"), [("m-3m", 11), ("6/mmm", 19), ("-3", 42)])
def test_rank_eight_is_exact(symbol, count):
    basis = invariant_basis(GROUPS[symbol], pairs_formula(4))
    assert len(basis) == count
    assert change(basis, GROUPS[symbol]) < EXACT


def test_rank_eight_without_index_symmetry():
    basis = invariant_basis(GROUPS["m-3m"], "ijklmnpq")
    assert len(basis) == number_of_invariants(GROUPS["m-3m"], "ijklmnpq") == 274
    assert change(basis[:5], GROUPS["m-3m"]) < EXACT


def test_bases_are_cached_and_read_only():
    first = invariant_basis(GROUPS["mmm"], "ij=ji")
    assert invariant_basis(GROUPS["mmm"], "ij = ji") is first
    with pytest.raises(ValueError, match="read-only"):
        first[0, 0, 0] = 1.0


@given(symbols, seeds)
def test_turning_the_group_turns_its_tensors(symbol, seed):
    R = rotation(seed)
    turned = transform(invariant_basis(GROUPS[symbol], "ijkl=jikl=klij"), R, rank=4)
    assert change(turned, GROUPS[symbol].rotated(R)) < EXACT


@given(symbols, seeds)
def test_projection_is_a_projection_and_reports_the_residual(symbol, seed):
    T = np.random.default_rng(seed).normal(size=(3, 3, 3))
    once = project(T, GROUPS[symbol], "ijk=ikj")
    twice = project(once.tensor, GROUPS[symbol], "ijk=ikj")
    assert np.abs(twice.residual).max() < EXACT
    assert np.linalg.norm(T) ** 2 == pytest.approx(np.linalg.norm(once.tensor) ** 2 + np.linalg.norm(once.residual) ** 2)
    assert once.relative_residual == pytest.approx(np.linalg.norm(once.residual) / np.linalg.norm(T))


def test_projection_sees_a_wrong_symmetry():
    silicon = invariant_basis(GROUPS["m-3m"], pairs_formula(2)).sum(axis=0)
    assert project(silicon, GROUPS["m-3m"]).relative_residual < EXACT
    assert project(silicon, GROUPS["6/mmm"]).relative_residual > 0.05


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: invariant_basis(2 * np.eye(3)[None], "ij"), "orthogonal"),
        (lambda: invariant_basis(np.eye(3), "ij"), "shape"),
        (lambda: invariant_basis(GROUPS["4"].operations[:2], "ij=ji"), "not among"),
        (lambda: project(np.ones((3, 2)), GROUPS["1"]), "shape"),
        (lambda: project(np.full((3, 3), np.nan), GROUPS["1"]), "finite"),
        (lambda: project(np.ones((3, 3)), GROUPS["1"], "ijk"), "rank"),
        (lambda: property_tensor("flexoelectric"), "there are"),
    ],
)
def test_bad_input_is_refused_with_a_reason(call, message):
    with pytest.raises(ConstitutiveError, match=message):
        call()


# ---- handedness


def test_inversion_reverses_odd_tensors_and_keeps_even_ones():
    inversion = -np.eye(3)
    for name in ("piezoelectric", "elastic 2", "gyration", "dielectric", "elastic 3"):
        tensor = property_tensor(name)
        basis = tensor_basis(GROUPS["32"], name)
        axial = np.linalg.det(inversion) if tensor.parity == "axial" else 1.0
        assert np.abs(axial * transform(basis, inversion, rank=basis.ndim - 1) - tensor.sign_under_inversion * basis).max() < EXACT
    assert property_tensor("piezoelectric").sign_under_inversion == -1
    assert property_tensor("gyration").sign_under_inversion == -1
    assert property_tensor("elastic 2").sign_under_inversion == 1


# ---- patterns, against the printed tables


def test_patterns_are_those_of_the_textbooks():
    """Nye, tables 8 and 9; Landolt–Börnstein III/11."""
    quartz = pattern(GROUPS["32"], "elastic").text().split("\n")
    assert [line.split() for line in quartz] == [
        ["c11", "c12", "c13", "c14", "·", "·"],
        ["c11", "c13", "−c14", "·", "·"],
        ["c33", "·", "·", "·"],
        ["c44", "·", "·"],
        ["c44", "c14"],
        ["(c11−c12)/2"],
    ]
    lithium_niobate = [line.split() for line in pattern(GROUPS["3m"], "piezoelectric").text().split("\n")]
    assert lithium_niobate == [
        ["·", "·", "·", "·", "e15", "−e22"],
        ["−e22", "e22", "·", "e15", "·", "·"],
        ["e31", "e31", "e33", "·", "·", "·"],
    ]
    quartz_piezo = [line.split() for line in pattern(GROUPS["32"], "piezoelectric").text().split("\n")]
    assert quartz_piezo[:2] == [["e11", "−e11", "·", "e14", "·", "·"], ["·", "·", "·", "·", "−e14", "−e11"]]
    assert lithium_niobate != quartz_piezo  # control: another group, another pattern


def test_third_order_relations_of_the_tables():
    """Fumi (1952, 1987), Landolt–Börnstein III/29a, class 3̄m: the fourteen constants and the combinations printed there."""
    trigonal = pattern(GROUPS["-3m"], "elastic 3")
    assert trigonal.independent == tuple(f"C{k}" for k in (111, 112, 113, 114, 123, 124, 133, 134, 144, 155, 222, 333, 344, 444))
    lines = trigonal.text().split("\n")
    assert "C122 = C111+C112−C222" in lines
    assert "C156 = 1/2 C114+3/2 C124" in lines
    assert "C256 = (C114−C124)/2" in lines
    assert "C455 = −C444" in lines
    assert "C111 = C222 = C333" in pattern(GROUPS["m-3m"], "elastic_3").text()


@pytest.mark.parametrize("name", TENSORS)
@pytest.mark.parametrize("symbol", ["1", "-4", "32", "6/m", "-6m2", "23"])
def test_a_pattern_reproduces_the_tensors_of_its_group(name, symbol):
    found = pattern(GROUPS[symbol], name)
    assert len(found.independent) == independent_constants(GROUPS[symbol], name)
    for label in found.independent:
        position = tuple(int(c) - 1 for c in label[len(found.tensor.letter) :])
        assert found.entries[position] == ((1.0, label),)
    assert found.text()
    assert found.latex().startswith("\\begin")


def test_a_pattern_holds_for_random_tensors_of_the_group():
    basis = tensor_basis(GROUPS["-3"], "elastic 2")
    C = stress_to_voigt(stress_to_voigt(np.einsum("a,aijkl->klij", [1.0, -2, 3, 0.5, 1.5, 2.5, -0.7], basis)).T.reshape(6, 3, 3))
    values = {f"c{i + 1}{j + 1}": C[i, j] for i in range(6) for j in range(6)}
    for (i, j), terms in pattern(GROUPS["-3"], "elastic 2").entries.items():
        assert C[i, j] == pytest.approx(sum(c * values[label] for c, label in terms), abs=1e-10)


def test_latex_of_a_pattern():
    text = pattern(GROUPS["6mm"], "elastic").latex()
    assert r"\tfrac{1}{2}(c_{11}-c_{12})" in text
    assert r"\begin{aligned}" in pattern(GROUPS["m-3m"], "elastic 3").latex()


def test_a_turned_group_prints_numbers():
    assert "c" in pattern(GROUPS["m-3m"].rotated(rotation(4)), "elastic").text()


def test_nye_diagrams_are_drawn():
    from matplotlib.figure import Figure

    axes = Figure().subplots(1, 2)
    for ax, (symbol, name) in zip(axes, [("32", "elastic"), ("mm2", "pyroelectric")], strict=True):
        draw_pattern(ax, pattern(GROUPS[symbol], name))
        assert ax.collections
    assert axes[0].lines
    assert "6" in axes[0].get_title()


# ---- e3nn


@pytest.mark.parametrize("symbol", ["-43m", "32", "6/mmm", "-6m2", "2/m"])
@pytest.mark.parametrize(("irreps_in", "irreps_out"), [("1o", "0e + 2e"), ("0e + 2e", "0e + 2e"), ("2x1o + 3e", "1o + 1e + 4e")])
def test_equivariant_maps_commute_with_the_group(symbol, irreps_in, irreps_out):
    group = GROUPS[symbol]
    maps = equivariant_basis(group, irreps_in, irreps_out)
    D_in, D_out = irreps_matrices(group, irreps_in), irreps_matrices(group, irreps_out)
    for a, b in zip(D_in, D_out, strict=True):
        assert float((maps @ a - b @ maps).abs().max() if len(maps) else 0.0) < EXACT
    flat = maps.reshape(len(maps), maps.shape[1] * maps.shape[2])
    assert torch.allclose(flat @ flat.T, torch.eye(len(maps), dtype=torch.float64), atol=EXACT)


def equivariance_error(function, irreps_in: str, irreps_out: str, operations: np.ndarray) -> float:
    """What e3nn's ``assert_equivariant`` measures, over the operations of a finite group: f(D x) against D f(x)."""
    x = torch.randn(8, o3.Irreps(irreps_in).dim, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    D_in, D_out = irreps_matrices(operations, irreps_in), irreps_matrices(operations, irreps_out)
    return max(float((function(x @ a.T) - function(x) @ b.T).abs().max()) for a, b in zip(D_in, D_out, strict=True))


def test_a_layer_of_equivariant_maps_is_equivariant_under_its_group_only():
    group = GROUPS["-43m"]
    weight = (torch.arange(1, 4, dtype=torch.float64)[:, None, None] * equivariant_basis(group, "0e + 2e", "0e + 2e")).sum(0)

    def layer(x):
        return x @ weight.T

    assert equivariance_error(layer, "0e + 2e", "0e + 2e", group.operations) < EXACT
    assert equivariance_error(layer, "0e + 2e", "0e + 2e", GROUPS["6/mmm"].operations) > 1e-2  # control
    piezo = equivariant_basis(group, "1o", "0e + 2e")[0]
    assert equivariance_error(lambda x: x @ piezo.T, "1o", "0e + 2e", group.operations) < EXACT
    assert equivariance_error(lambda x: x @ piezo.T, "1o", "0e + 2e", GROUPS["m-3m"].operations) > 1e-2  # control: inversion


def test_e3nns_own_check_takes_isotropic_maps_and_refuses_cubic_ones():
    """``assert_equivariant`` asks for all of O(3): the isotropic maps are among ours for every group, the cubic ones fail it."""
    isotropic = o3.Linear("0e + 2e", "0e + 2e", shared_weights=True, internal_weights=True)
    assert_equivariant(isotropic, irreps_in=["0e + 2e"], irreps_out=["0e + 2e"], tolerance=1e-4)
    weight = isotropic(torch.eye(6)).detach().double().T
    maps = equivariant_basis(GROUPS["m-3m"], "0e + 2e", "0e + 2e").reshape(3, 36)
    assert float((weight.reshape(36) - (maps @ weight.reshape(36)) @ maps).abs().max()) < 1e-5

    def cubic(x):
        return x @ maps[2].reshape(6, 6).to(x.dtype).T + x @ maps[1].reshape(6, 6).to(x.dtype).T

    with pytest.raises(AssertionError, match=r"equivariance|Largest|failed"):
        assert_equivariant(cubic, irreps_in=["0e + 2e"], irreps_out=["0e + 2e"], tolerance=1e-4)


def test_linear_maps_agree_with_cartesian_tensors():
    """Maps vector → symmetric tensor are the piezoelectric tensors, in number for each group."""
    for symbol, group in GROUPS.items():
        assert len(equivariant_basis(group, "1o", "0e + 2e")) == PIEZOELECTRIC.get(symbol, 0)


@given(seeds, st.integers(0, 6))
def test_irreps_matrices_agree_with_e3nn(seed, degree):
    R = torch.from_numpy(rotation(seed))
    ours = irreps_matrices(R.numpy()[None], f"{degree}e")[0]
    theirs = o3.Irreps(f"{degree}e").D_from_matrix(R)
    assert float((ours - theirs).abs().max()) < 1e-5  # e3nn's constants and Euler angles are not exact
    assert float((ours @ ours.T - torch.eye(2 * degree + 1, dtype=torch.float64)).abs().max()) < EXACT


def test_tensors_of_a_magnetic_group():
    whole, half = GROUPS["4/mmm"], next(g for g in GROUPS["4/mmm"].subgroups() if g.symbol == "4/m")
    iron = MagneticPointGroup.from_groups(whole, half)
    assert iron.symbol == "4/mm'm'"
    (moment,) = invariant_basis(iron, "i", "axial", time_odd=True)
    assert np.abs(np.abs(moment) - [0, 0, 1]).max() < EXACT
    assert number_of_invariants(whole, "i", "axial", time_odd=True) == 0  # control: without time reversal none is left
