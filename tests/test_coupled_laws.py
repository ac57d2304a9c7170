"""Laws of several variables: exact derivatives and symmetry under improper operations too, counts of invariants, constants of quartz."""

import numpy as np
import pytest
import torch

from constitutive.errors import MaterialError
from constitutive.laws.coupled import (
    ELECTRIC_FIELD,
    STRAIN,
    TEMPERATURE,
    CoupledNetworkLaw,
    CoupledSeriesLaw,
    CoupledSumLaw,
    EquivariantOutput,
    LinearCoupledLaw,
    Variable,
    coupled_law_from_state,
    free_space,
    representation,
    with_free_space,
)
from constitutive.laws.coupled.series import invariants
from constitutive.symmetry import PointGroup
from constitutive.symmetry.tables import SYMBOLS
from constitutive.tensors.packing import from_mandel, mandel_matrix, stiffness_mandel_to_voigt
from constitutive.tensors.polynomials import apolar_weights, exponents, invariant_polynomials
from constitutive.tensors.variables import variables_named
from constitutive.units import VACUUM_PERMITTIVITY

PAIR = (STRAIN, ELECTRIC_FIELD)
SIZES = [0.03, 1.0]


def quartz(c14: float = 17.91, e11: float = 0.171, e14: float = 0.0406, group: str = "32") -> LinearCoupledLaw:
    """Right-handed quartz in IEEE 1978 axes, GPa, C/m² (Bechmann, Phys. Rev. 110 (1958) 1060)."""
    C = np.zeros((6, 6))
    C[:3, :3] = [[86.74, 6.99, 11.91], [6.99, 86.74, 11.91], [11.91, 11.91, 107.2]]
    C[3:, 3:] = np.diag([57.94, 57.94, (86.74 - 6.99) / 2])
    for i, j, value in ((0, 3, c14), (1, 3, -c14), (4, 5, c14)):
        C[i, j] = C[j, i] = value
    e = np.array([[e11, -e11, 0, e14, 0, 0], [0, 0, 0, 0, -e14, -e11], [0, 0, 0, 0, 0, 0]])
    return LinearCoupledLaw.from_constants(
        PointGroup.from_symbol(group), stiffness=C, piezoelectric_e=e, permittivity=np.diag([4.428, 4.428, 4.634])
    )


def network(group: np.ndarray, variables=PAIR, scales=(0.05, 1.0), seed: int = 0) -> CoupledNetworkLaw:
    rng = np.random.default_rng(seed)
    k = sum(v.size for v in variables)
    return CoupledNetworkLaw(rng.normal(size=(3, k)), rng.normal(size=3), rng.normal(size=3), np.array(scales), variables, group)


def points(n: int, k: int = 9) -> torch.Tensor:
    x = np.random.default_rng(1).uniform(-1, 1, (n, k)) * np.r_[np.full(6, 0.05), np.full(k - 6, 1.0)]
    return torch.from_numpy(x)


def everything(group: PointGroup) -> CoupledSumLaw:
    rng = np.random.default_rng(3)
    series = CoupledSeriesLaw({d: rng.normal(size=len(exponents(d, 9))) for d in (1, 2, 3, 4)}, PAIR, group)
    return CoupledSumLaw([network(group.operations), series])


@pytest.mark.parametrize(
    ("symbol", "counts"),
    [("m-3m", [1, 4, 9, 22]), ("-43m", [1, 5, 13, 33]), ("32", [2, 10, 31, 90]), ("-3m", [2, 8, 22, 58]), ("6mm", [3, 10, 26, 64])],
)
def test_number_of_invariants(symbol: str, counts: list[int]) -> None:
    group = PointGroup.from_symbol(symbol)
    bases = [invariants(PAIR, group, d) for d in (1, 2, 3, 4)]
    assert [len(b) for b in bases] == counts
    assert np.abs(bases[3] * apolar_weights(4, 9) @ bases[3].T - np.eye(counts[3])).max() < 1e-12


def test_strain_alone_gives_the_invariants_of_elasticity() -> None:
    group = PointGroup.from_symbol("32")
    for degree in (1, 2, 3):
        assert len(invariants((STRAIN,), group, degree)) == len(invariant_polynomials(group.proper_operations, degree))


@pytest.mark.parametrize("symbol", SYMBOLS)
def test_every_group_is_exact(symbol: str) -> None:
    group = PointGroup.from_symbol(symbol)
    rng = np.random.default_rng(3)
    series = CoupledSeriesLaw({d: rng.normal(size=len(exponents(d, 9))) for d in (2, 3)}, PAIR, group)
    law = CoupledSumLaw([network(group.operations), series])
    assert law.symmetry_residual(size=SIZES) < 1e-12
    polarization = law.conjugates(torch.zeros(1, 9, dtype=torch.float64) + torch.from_numpy(np.r_[points(1)[0, :6], 0, 0, 0]))[
        "polarization"
    ]
    assert (float(polarization.abs().max()) < 1e-13) == group.is_centrosymmetric  # the control: it is not small in the others


def test_wrong_groups_are_seen() -> None:
    """Controls: an imposed inversion, a wrong Laue class and the wrong hand."""
    law = quartz()
    assert law.symmetry_residual(size=SIZES) < 1e-14
    for wrong in ("-3m", "622"):
        assert law.symmetry_residual(PointGroup.from_symbol(wrong), size=SIZES) > 0.01
    other = law.rotated(np.diag([1.0, 1.0, -1.0]))
    assert other.symmetry_residual(size=SIZES) < 1e-14
    assert float((other.gradient(points(4)) - law.gradient(points(4))).abs().max()) > 0.01
    with pytest.raises(MaterialError, match="piezoelectric constants break the symmetry"):
        quartz(group="-3m")
    with pytest.raises(MaterialError, match="elastic constants break the symmetry"):
        quartz(group="622")


def test_constants_of_quartz() -> None:
    """d11 and d14 of Bechmann's e, and the stress at constant field."""
    law = quartz()
    M = law.matrix.numpy()
    d = -np.linalg.solve(M[:6, :6], M[:6, 6:])[:, 0] * 1e3
    assert d[0] == pytest.approx(2.307158, abs=1e-6)
    assert d[3] * np.sqrt(2) == pytest.approx(-0.725620, abs=1e-6)
    x = torch.zeros(1, 9, dtype=torch.float64)
    x[0, 0] = 0.001
    x[0, 6] = 0.5
    assert law.conjugates(x)["polarization"][0, 0].item() == pytest.approx(0.171e-3 + 0.5 * 3.428 * VACUUM_PERMITTIVITY, rel=1e-12)
    assert law.conjugates(x)["stress"][0, 0].item() == pytest.approx(86.74e-3 - 0.171 * 0.5, rel=1e-12)


def test_constants_in_two_forms_agree() -> None:
    law = quartz()
    M = law.matrix.numpy()
    C = np.asarray(stiffness_mandel_to_voigt(M[:6, :6]))
    e = -M[6:, :6] / np.r_[1, 1, 1, np.full(3, np.sqrt(2))]
    d = e @ np.linalg.inv(C)
    stress = -M[6:, 6:] / VACUUM_PERMITTIVITY + np.eye(3) + d @ e.T / VACUUM_PERMITTIVITY
    again = LinearCoupledLaw.from_constants(
        PointGroup.from_symbol("32"), stiffness=C, piezoelectric_d=1e3 * d, permittivity_at_constant_stress=stress
    )
    assert stress[0, 0] == pytest.approx(4.428 + 0.085789, abs=1e-6)  # 2 d11 e11 + d14 e14 over ε₀
    assert float((again.matrix - law.matrix).abs().max()) < 1e-12


def test_thermal_constants() -> None:
    group = PointGroup.from_symbol("6mm")
    C = np.diag([200.0, 200, 200, 50, 50, 75])
    C[:3, :3] += 50
    C[5, 5] = 100
    law = LinearCoupledLaw.from_constants(
        group,
        stiffness=C,
        permittivity=8 * np.eye(3),
        thermal_expansion=np.diag([4e-6, 4e-6, 3e-6]),
        pyroelectric=np.array([0, 0, -9e-6]),
        heat_capacity=2.8e6,
        reference_temperature=300.0,
    )
    x = torch.zeros(1, 10, dtype=torch.float64)
    x[0, :3] = torch.tensor([4e-5, 4e-5, 3e-5], dtype=torch.float64)
    x[0, 9] = 10.0
    found = law.conjugates(x)
    assert float(found["stress"].abs().max()) < 1e-15  # expands freely
    assert found["polarization"][0, 2].item() == pytest.approx(-9e-5)
    assert found["entropy"].item() == pytest.approx(2.8e-3 * 10 / 300 + float(-law.matrix[9, :6] @ x[0, :6]), rel=1e-12)
    with pytest.raises(MaterialError, match="pyroelectric coefficients break"):
        LinearCoupledLaw.from_constants(group, stiffness=C, permittivity=8 * np.eye(3), pyroelectric=np.array([1e-6, 0, 0]))


@pytest.mark.parametrize("n", [1, 7])
def test_derivatives_are_exact(n: int) -> None:
    R = np.linalg.qr(np.random.default_rng(5).normal(size=(3, 3)))[0]
    law = with_free_space(everything(PointGroup.from_symbol("32"))).rotated(R)
    x, h, steps = points(n), 1e-6, 1e-6 * torch.eye(9, dtype=torch.float64)
    gradient = torch.stack([(law.energy(x + s) - law.energy(x - s)) / (2 * h) for s in steps], 1)
    hessian = torch.stack([(law.gradient(x + s) - law.gradient(x - s)) / (2 * h) for s in steps], 1)
    assert float((gradient - law.gradient(x)).abs().max()) < 1e-6
    assert float((hessian - law.hessian(x)).abs().max()) < 1e-5
    H = law.hessian(x)
    assert float((H - H.transpose(1, 2)).abs().max()) < 1e-12  # the Maxwell relations
    assert float((hessian - 1.001 * law.hessian(x)).abs().max()) > 1e-3  # control


def test_higher_derivatives() -> None:
    law = everything(PointGroup.from_symbol("-43m"))
    x, h = points(1)[0], 1e-5
    for order in (2, 3, 4):
        lower = torch.stack([law.derivative(x + h * s, order - 1) - law.derivative(x - h * s, order - 1) for s in torch.eye(9)]) / (2 * h)
        exact = law.derivative(x, order)
        assert float((lower - exact).abs().max()) < 1e-5 * float(exact.abs().max())
    assert torch.allclose(law.derivative(x, 2), law.hessian(x[None])[0])


def test_free_space_is_the_maxwell_stress() -> None:
    rng = np.random.default_rng(0)
    F = np.eye(3) + rng.uniform(-0.1, 0.1, (3, 3))
    field = rng.normal(size=3)
    E = (F.T @ F - np.eye(3)) / 2
    x = torch.zeros(1, 9, dtype=torch.float64)
    x[0, :6] = torch.from_numpy(np.asarray([E[0, 0], E[1, 1], E[2, 2], *(np.sqrt(2) * E[[1, 0, 0], [2, 2, 1]])]))
    x[0, 6:] = torch.from_numpy(F.T @ field)
    found = free_space(x)
    sigma = F @ from_mandel(found.gradient[0, :6]).numpy() @ F.T / np.linalg.det(F)
    maxwell = VACUUM_PERMITTIVITY * (np.outer(field, field) - field @ field / 2 * np.eye(3))
    assert np.abs(sigma - maxwell).max() < 1e-17
    displacement = F @ -found.gradient[0, 6:].numpy() / np.linalg.det(F)
    assert np.abs(displacement - VACUUM_PERMITTIVITY * field).max() < 1e-17
    small = free_space(x, small_strain=True)
    assert small.energy.item() == pytest.approx(-VACUUM_PERMITTIVITY / 2 * float((x[0, 6:] ** 2).sum()))
    assert float((small.gradient[0, :6]).abs().max()) == 0


def test_free_space_belongs_to_strain_and_field() -> None:
    group = PointGroup.from_symbol("32")
    law = with_free_space(network(group.operations, (ELECTRIC_FIELD, TEMPERATURE, STRAIN), (1.0, 100.0, 0.05)))
    x = points(2, 10)[:, [6, 7, 8, 9, 0, 1, 2, 3, 4, 5]]
    steps = 1e-6 * torch.eye(10, dtype=torch.float64)
    gradient = torch.stack([(law.energy(x + s) - law.energy(x - s)) / 2e-6 for s in steps], 1)
    assert float((gradient - law.gradient(x)).abs().max()) < 1e-8
    with pytest.raises(MaterialError, match="no electric_field"):
        with_free_space(network(group.operations, (STRAIN,), (0.05,)))


def test_saved_and_loaded() -> None:
    R = np.linalg.qr(np.random.default_rng(5).normal(size=(3, 3)))[0]
    law = with_free_space(CoupledSumLaw([*everything(PointGroup.from_symbol("32")).terms, quartz()])).rotated(R)
    again = coupled_law_from_state(*law.state(), law.operations.numpy())
    assert torch.allclose(again.gradient(points(3)), law.gradient(points(3)), atol=1e-13, rtol=0)
    settings, arrays = quartz().state()
    with pytest.raises(MaterialError, match="incomplete"):
        coupled_law_from_state(settings, {"slope": arrays["slope"]}, quartz().operations.numpy())
    with pytest.raises(MaterialError, match="break the symmetry"):
        coupled_law_from_state(settings, arrays, PointGroup.from_symbol("-3m").operations)
    with pytest.raises(MaterialError, match="of kind 'magic'"):
        coupled_law_from_state({"kind": "magic"}, {}, quartz().operations.numpy())


def test_variables() -> None:
    group = PointGroup.from_symbol("-43m")
    D = representation((STRAIN, ELECTRIC_FIELD, TEMPERATURE, Variable("b", "1e", "T", "m", "GA/m", -1)), group)
    assert np.abs(D @ D.transpose(0, 2, 1) - np.eye(13)).max() < 1e-14
    assert np.array_equal(D[:, :6, :6], np.asarray(mandel_matrix(group.operations)))
    assert np.array_equal(D[:, 6:9, 6:9], group.operations)
    sign = np.sign(np.linalg.det(group.operations))[:, None, None]
    assert np.array_equal(D[:, 10:, 10:], sign * group.operations)
    assert Variable("q", "2e + 1o", "1", "f", "GPa", 1).size == 8
    for wrong, message in (
        (("heat",), "unknown"),
        (("strain", "strain"), "each once"),
        (("electric_field", "polarization"), "not on both"),
    ):
        with pytest.raises(MaterialError, match=message):
            variables_named(wrong)
    with pytest.raises(MaterialError, match="not in e3nn's notation"):
        Variable("q", "nonsense", "1", "f", "GPa", 1)


def test_bad_constants_are_named() -> None:
    group = PointGroup.from_symbol("32")
    C = np.eye(6)
    with pytest.raises(MaterialError, match="one permittivity"):
        LinearCoupledLaw.from_constants(group, stiffness=C)
    with pytest.raises(MaterialError, match="both given"):
        LinearCoupledLaw.from_constants(
            group, stiffness=C, permittivity=np.eye(3), piezoelectric_e=np.zeros((3, 6)), piezoelectric_d=np.zeros((3, 6))
        )
    with pytest.raises(MaterialError, match="not symmetric"):
        LinearCoupledLaw.from_constants(group, stiffness=np.triu(np.ones((6, 6))), permittivity=np.eye(3))
    with pytest.raises(MaterialError, match="finite numbers of shape"):
        LinearCoupledLaw.from_constants(group, stiffness=C, permittivity=np.full((3, 3), np.nan))


@pytest.mark.parametrize(("irreps", "size"), [("0e + 2e", 6), ("1o", 3), ("1o + 3o", 10)])
def test_direct_outputs_are_equivariant(irreps: str, size: int) -> None:
    group, rng = PointGroup.from_symbol("-43m"), np.random.default_rng(0)
    out = EquivariantOutput(
        rng.normal(size=(4, 9)), rng.normal(size=4), rng.normal(size=(size, 4)), np.array([0.05, 1.0]), PAIR, irreps, group
    )
    x, D = points(5), torch.from_numpy(representation(PAIR, group))
    outer = torch.tensor(Variable("y", irreps, "1", "f", "1", 1).matrices(group.operations))
    assert max(float((out(x @ d.T) - out(x) @ o.T).abs().max()) for d, o in zip(D, outer, strict=True)) < 1e-12
    assert float((out(x @ -torch.eye(9, dtype=torch.float64)) + out(x)).abs().max()) > 1e-3  # control: no inversion in the group
    steps = 1e-6 * torch.eye(9, dtype=torch.float64)
    slopes = torch.stack([(out(x + s) - out(x - s)) / 2e-6 for s in steps], 2)
    assert float((slopes - out.jacobian(x)).abs().max()) < 1e-6


def test_a_dielectric_tensor_of_the_strain_is_fitted() -> None:
    """ε = 5 + 2 tr E + 3 E, cubic."""
    group, rng = PointGroup.from_symbol("m-3m"), np.random.default_rng(0)
    x = rng.uniform(-0.05, 0.05, (60, 6))
    y = 3 * x
    y[:, :3] += 5 + 2 * x[:, :3].sum(1, keepdims=True)
    out = EquivariantOutput.fitted(x[:40], y[:40], (STRAIN,), "0e + 2e", group, channels=10)
    assert np.abs(out(torch.from_numpy(x[40:])).numpy() - y[40:]).max() < 5e-3
    with pytest.raises(MaterialError, match="6 components in, 6 out"):
        EquivariantOutput(np.zeros((2, 5)), np.zeros(2), np.zeros((6, 2)), np.ones(1), (STRAIN,), "0e + 2e", group)
