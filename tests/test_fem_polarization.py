"""Polarisation as an unknown: patches, exact tangents, viscous steps whose energy never rises, the lever rule, walls and their mesh."""

import functools
import warnings

import numpy as np
import polar_cases
import pytest
import ufl
from dolfinx import fem
from landau import ferroelectric
from piezo_cases import halves, quartz, quartz_elastic
from polar_cases import GRADIENT, TURN, Body
from scipy.optimize import brentq
from test_fem import on_ranks

from constitutive.errors import MaterialError, SolveError
from constitutive.fem import (
    Electrode,
    Insulator,
    Metal,
    PinnedWallsWarning,
    Problem,
    UserMaterial,
    ViscousFlow,
    derivative,
    gradient_tensor,
    strain_gradient_energy,
)
from constitutive.fem.gradient_energy import wall_stiffness
from constitutive.symmetry import PointGroup
from constitutive.units import VACUUM_PERMITTIVITY

CUBIC = PointGroup.from_symbol("m-3m")


@functools.cache
def here(case: str) -> dict:
    """Figures of a case in this process."""
    return polar_cases.CASES[case]()


def test_patches_of_displacement_potential_and_polarization() -> None:
    found = here("patch")
    assert found["small"] < 1e-13
    assert found["finite"] < 1e-11


@pytest.mark.parametrize("strain", ["small", "finite"])
@pytest.mark.parametrize("gradient", [2e-8, GRADIENT])
def test_the_tangent_is_the_derivative_of_the_residual(strain: str, gradient: object) -> None:
    """At a state without symmetry, of a turned crystal with a stress-free deformation; a wrong gradient coefficient is the control."""
    body = Body((2, 2, 2), (1.0, 1.0, 1.0), distort=0.1)
    free = np.diag([1.004, 0.997, 1.002])
    law = body.law(ferroelectric(), orientation=TURN, strain=strain, gradient=gradient, stress_free_deformation=free)
    rng = np.random.default_rng(1)
    sizes = fem.Function(body.W)
    for part, size in ((0, 0.01), (1, 0.3), (2, 0.3)):
        sizes.x.array[body.W.sub(part).collapse()[1]] = size
    at, step = (sizes.x.array * rng.normal(size=len(sizes.x.array)) for _ in range(2))
    residual = law.residual(*body.tests[:2], p=body.tests[2])
    R, J = fem.form(residual), fem.form(derivative(residual, law, body.w))

    def force(x: np.ndarray) -> np.ndarray:
        body.w.x.array[:] = x
        law.update(tangent=False)
        return fem.assemble_vector(R).array.copy()

    h = 1e-5
    slope = (force(at + h * step) - force(at - h * step)) / (2 * h)
    force(at)
    law.update(tangent=True)
    A = fem.assemble_matrix(J).to_dense()
    assert np.abs(A - A.T).max() < 1e-11 * np.abs(A).max()
    assert np.abs(A @ step - slope).max() < 1e-8 * np.abs(slope).max()
    energies = []
    for sign in (1, -1):
        body.w.x.array[:] = at + sign * h * step
        energies.append(law.total_energy())
    work = float(force(at) @ step)
    assert (energies[0] - energies[1]) / (2 * h) == pytest.approx(work, rel=1e-7)
    (trial, *_), du = ufl.TrialFunctions(body.W), ufl.TrialFunctions(body.W)
    assert law.jacobian(du, body.tests).arguments()
    assert trial.ufl_shape == (3,)


def test_energy_never_rises_along_viscous_steps() -> None:
    found = here("relaxation")
    energies, lost = np.array(found["energies"][1:]), np.array(found["dissipated"])
    assert len(energies) > 10
    falls = energies[:-1] - energies[1:]
    assert (falls >= lost[1:] - 1e-9).all()  # by what viscosity takes at least
    assert energies[-1] < energies[0] - 1
    assert found["total"] == pytest.approx(energies[-1], rel=1e-12)


def test_two_ranks_give_the_same() -> None:
    several = on_ranks(2, "patch", "relaxation", "beside", "alloy", "lever", "pinned", script="polar_cases.py")
    assert max(several["patch"].values()) < 1e-11
    one, two = here("relaxation"), several["relaxation"]
    assert len(one["energies"]) == len(two["energies"])
    np.testing.assert_allclose(two["energies"], one["energies"], rtol=1e-7)
    np.testing.assert_allclose(two["moments"], one["moments"], rtol=1e-6, atol=1e-9)
    energies = np.array(two["energies"][1:])
    assert (energies[:-1] - energies[1:] >= np.array(two["dissipated"])[1:] - 1e-9).all()  # it never rises on two ranks either
    for label, values in here("beside").items():
        assert several["beside"][label] == pytest.approx(values, rel=1e-6, abs=1e-9), label
    for name in ("lever", "alloy"):
        for key, figures in several[name].items():
            assert figures.keys() == here(name)[key].keys()
            for label, value in here(name)[key].items():
                assert figures[label] == (value if isinstance(value, str) else pytest.approx(value, rel=1e-6, abs=1e-9)), label
    check_lever(several["lever"])
    assert several["pinned"] == here("pinned")


def check_lever(found: dict[str, dict]) -> None:
    """Shares within 0.04 and one energy (Maxwell's line), reached without a rise."""
    for fraction, figures in found.items():
        assert figures["share"] == pytest.approx(float(fraction), abs=0.04)
        assert figures["rises"] <= 1e-9
        assert figures["outcome"] == "at rest"
    energies = [figures["energy"] for figures in found.values()]
    assert energies[1] == pytest.approx(energies[0], rel=1e-3)
    assert 0 < energies[0] < 0.02  # GPa above the well: of one wall in 50 nm


def test_a_layer_of_barium_titanate_follows_the_lever_rule() -> None:
    """Two of its 3m variants under a mean shear, always started from halves."""
    check_lever(here("lever"))


def test_a_coarse_mesh_is_said_to_pin_walls() -> None:
    """√(G/|ψ_PP|) with ψ_PP = −1 GPa m⁴/C² at P = 0 and G = 1e-9 J m³/C²: 1 nm."""
    coarse = Body((4, 4), (2.0, 2.0))
    with pytest.warns(PinnedWallsWarning, match=r"1 wide .* cells up to 0.5: .* cells of at most 0.333"):
        coarse.law(ferroelectric(), gradient=1e-9)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fine = Body((6, 6), (2.0, 2.0))
        fine.law(ferroelectric(), gradient=1e-9)
        coarse.law(ferroelectric(a=-0.5), gradient=1e-9)  # control: no wells, no walls


def test_an_insulator_or_a_metal_beside_a_ferroelectric() -> None:
    """Clamped layers in series, shorted: D = ε₀ E_f + P is ε E_i of the insulator, ∂ψ/∂P = E_f, and E_f + E_i = 0 for equal thicknesses.

    Beside a metal no field is left, and P is that of the well at zero strain. The polarisation ends at the interface, at its full value.
    """
    law, relative = ferroelectric(), 400.0
    slope = lambda P: 4 * (1.0 + 1.5) * P**3 - 2 * 0.5 * P  # noqa: E731 - ∂ψ/∂P of `landau.ferroelectric` along an axis, no strain
    series = lambda P: slope(P) + P / (VACUUM_PERMITTIVITY * (1 + relative))  # noqa: E731 - one expression
    inside = brentq(series, 0.1, 0.6) if series(0.1) < 0 else 0.0
    assert 0.1 < inside < 0.4  # less than that of the well: its own field opposes it
    for second, expected in ((Insulator(quartz_elastic(), relative), inside), (Metal(quartz_elastic()), brentq(slope, 0.1, 0.6))):
        body = Body((1, 1, 4), (1.0, 1.0, 2.0))
        tags = halves(body.mesh, 2, 1.0)
        both = body.law({1: law, 2: second}, cell_tags=tags, strain="small", gradient=1e-6)
        clamped = body.boundary(0, lambda x: np.zeros((3, x.shape[1])))
        metal = isinstance(second, Metal)
        top = Electrode(tags, 2, potential=0.0) if metal else Electrode(lambda x: np.isclose(x[2], 2), potential=0.0)
        ends = [Electrode(lambda x: np.isclose(x[2], 0), potential=0.0), top]
        inner = fem.dirichletbc(fem.Constant(body.mesh, 0.0), *_component(body, 0, 2))
        body.set(2, lambda x: np.stack([0 * x[0], 0 * x[0], 0.4 + 0 * x[0]]))
        problem = Problem(both.residual(*body.tests[:2], p=body.tests[2]), both, bcs=[clamped, inner], electrodes=ends)
        problem.solve().require()
        P = body.w.sub(2).collapse()
        values, z = P.x.array.reshape(-1, 3), P.function_space.tabulate_dof_coordinates()[:, 2]
        assert values[z < 1.01, 2] == pytest.approx(expected, rel=1e-9)
        assert np.array_equal(values[z > 1.01], np.zeros_like(values[z > 1.01]))
        found = both.field("polarization").x.array.reshape(-1, 3)[tags.values == 2, 2]
        chi = relative - 1
        assert found == pytest.approx(0.0 if metal else expected * chi / (2 + chi), abs=1e-9)


def _component(body: Body, part: int, component: int) -> tuple:
    """All dofs of one component of a part, and their space."""
    space = body.W.sub(part).sub(component)
    return space.dofmap.list.ravel(), space


def test_gradient_tensors_are_invariant() -> None:
    G = gradient_tensor({"G11": 4.0, "G12": -1.0, "G44": 2.0}, CUBIC.operations)
    assert G[0, 0, 0, 0] == pytest.approx(4.0)
    assert G[0, 0, 1, 1] == pytest.approx(-1.0)
    assert G[0, 1, 0, 1] == pytest.approx(2.0)
    assert wall_stiffness(G) == pytest.approx(2.0)  # P across a cube edge; (G11 − G12)/2 = 2.5 across a diagonal
    four = PointGroup.from_symbol("4mm")
    names = {"G11": 3.0, "G12": 1.0, "G13": 0.5, "G33": 2.0, "G44": 1.0, "G66": 1.5}
    assert gradient_tensor(names, four.operations)[2, 2, 2, 2] == pytest.approx(2)
    turned = np.einsum("ia,jb,kc,ld,abcd->ijkl", TURN, TURN, TURN, TURN, G)
    with pytest.raises(SolveError, match="not invariant under the group"):
        gradient_tensor(turned, CUBIC.operations)
    with pytest.raises(MaterialError):
        gradient_tensor({"G11": 3.0, "G12": -1.0}, CUBIC.operations)  # G44 is free
    cases = ((-1.0, "positive along every direction"), (np.nan, "is needed"), ({"C11": 1.0}, "names C11"), (np.eye(3), "shape"))
    for wrong, words in cases:
        with pytest.raises(SolveError, match=words):
            gradient_tensor(wrong, CUBIC.operations)


def test_pieces_that_do_not_fit_are_named() -> None:
    body = Body((1, 1, 1), (1.0, 1.0, 1.0))
    with pytest.raises(SolveError, match="P is given, and the law is a function of strain, electric_field only"):
        body.law(quartz())
    with pytest.raises(SolveError, match="its polarisation is an unknown too"):
        UserMaterial(body.u, ferroelectric(), phi=body.phi, length_unit="nm")
    with pytest.raises(SolveError, match="P is given, and the law is a function of strain, electric_field only"):
        body.law(Insulator(quartz_elastic(), 4.0))
    with pytest.raises(SolveError, match="P has shape"):
        body.law(ferroelectric(), P=body.phi)
    with pytest.raises(SolveError, match=r"law.residual\(v, w, p=p\)"):
        body.law(ferroelectric()).residual(*body.tests[:2])
    with pytest.raises(SolveError, match="length_unit="):
        UserMaterial(body.u, ferroelectric(), P=body.P, gradient=1e-9)
    law = body.law(ferroelectric())
    form = law.residual(*body.tests[:2], p=body.tests[2])
    with pytest.raises(SolveError, match="viscosities"):
        ViscousFlow(form, law, viscosities=[(body.P, body.tests[2], -1.0)])
    with pytest.raises(SolveError, match=r"first_step=0\.0"):
        ViscousFlow(form, law, viscosities=[(body.P, body.tests[2], 1.0)]).run(first_step=0.0)
    linear = fem.Function(fem.functionspace(body.mesh, ("Lagrange", 1, (3,))))
    with pytest.raises(SolveError, match="degree 2 or more on triangles"):
        strain_gradient_energy(linear, 1.0, 1.0)
