"""A composition as an order parameter: an invariant scalar in laws, in calibration and as an unknown of finite elements."""

import basix.ufl
import numpy as np
import polar_cases
import pytest
import torch
import ufl
from dolfinx import fem, mesh
from mpi4py import MPI
from piezo_cases import halves
from polar_cases import TURN, Alloy, binary

from constitutive.calibration import calibrate_energy
from constitutive.errors import SolveError
from constitutive.fem import Problem, UserMaterial, ViscousFlow, derivative
from constitutive.laws.coupled import LinearCoupledLaw, Variable, variables_named
from constitutive.symmetry import PointGroup
from constitutive.variants import find_wells

CUBIC = PointGroup.from_symbol("m-3m")
STRAIN, COMPOSITION = variables_named(("strain", "composition"))
STIFFNESS = np.diag([160.0, 160, 160, 140, 140, 140]) + np.pad(60.0 * (1 - np.eye(3)), (0, 3))  # Mandel
CURVATURE = 2.0  # GPa


def linear(expansion: float) -> LinearCoupledLaw:
    """½ (E − ηcI):C:(E − ηcI) + k c²/2."""
    free = expansion * np.array([1.0, 1, 1, 0, 0, 0])
    M = np.block([[STIFFNESS, -(STIFFNESS @ free)[:, None]], [-(STIFFNESS @ free)[None], CURVATURE + free @ STIFFNESS @ free]])
    return LinearCoupledLaw(M, (STRAIN, COMPOSITION), CUBIC)


def pulled(law: object, mean: float | None, stress: float = 2.0, *, orientation: object = np.eye(3)) -> tuple[np.ndarray, np.ndarray]:
    """Strain along x of two cells, held across, under a stress, with their compositions; ∂Ω/∂c is zero, or such that the mean is kept."""
    m = mesh.create_box(MPI.COMM_SELF, [[0.0] * 3, [2.0, 1, 1]], [2, 1, 1], mesh.CellType.hexahedron)
    scalar = basix.ufl.element("DG", "hexahedron", 0)
    W = fem.functionspace(m, basix.ufl.mixed_element([basix.ufl.element("Lagrange", "hexahedron", 1, shape=(3,)), scalar, scalar]))
    w, (v, s, p) = fem.Function(W), ufl.TestFunctions(W)
    u, c, mu = ufl.split(w)
    tags = halves(m, 0, 1.0)
    material = UserMaterial(u, law, order={"composition": c}, cell_tags=tags, orientation=orientation, strain="small", unit="GPa")
    kept = -(mu * s + (c - mean) * p) * ufl.dx if mean is not None else mu * p * ufl.dx
    bcs = []
    for k in range(3):
        space = W.sub(0).sub(k)
        face = fem.locate_dofs_geometrical((space, space.collapse()[0]), lambda x, k=k: np.isclose(x[0], 0) | (k > 0))[0]
        bcs.append(fem.dirichletbc(fem.Constant(m, 0.0), face, space))
    pull = stress * ufl.FacetNormal(m)[0] * v[0] * ufl.ds
    form = material.residual(v, order={"composition": s}) + kept - pull
    Problem(form, material, u=w, bcs=bcs, ties=[np.unique(W.sub(2).dofmap.list.ravel())]).solve().require()
    strain = material.field("strain").x.array.reshape(-1, 9)[:, 0]
    return strain[np.argsort(tags.values)], w.sub(1).collapse().x.array[np.argsort(tags.values)]


def test_a_bar_under_stress_takes_up_or_keeps_its_solute() -> None:
    """Held across, c = (μ + hσ)/k' with h = Bη/C11, B = C11 + 2 C12, k' = k + 3Bη² − B²η²/C11: μ = 0 in contact with a reservoir, and where
    the mean is kept two crystals exchange solute until μ is one number."""
    stress, expansions = 2.0, np.array([0.02, 0.05])
    B = 160.0 + 2 * 60
    growth = B * expansions / 160
    rigid = CURVATURE + 3 * B * expansions**2 - B**2 * expansions**2 / 160
    for mean in (None, 0.1):
        strain, c = pulled({1: linear(expansions[0]), 2: linear(expansions[1])}, mean, stress)
        mu = 0.0 if mean is None else (mean - stress * (growth / rigid).mean()) / (1 / rigid).mean()
        expected = (mu + growth * stress) / rigid
        assert c == pytest.approx(expected, rel=1e-9)
        assert strain == pytest.approx(stress / 160 + growth * expected, rel=1e-9)
    assert abs(c[1] - c[0]) > 0.01  # control: of equal crystals each keeps the mean
    assert c.mean() == pytest.approx(mean)


def test_compositions_are_learned_and_used() -> None:
    """From stresses and chemical potentials at random states; the learned law then solves two turned cells as the exact one does."""
    exact, rng = binary(), np.random.default_rng(0)
    E = torch.from_numpy(np.column_stack([0.03 * rng.uniform(-1, 1, (60, 6)), rng.uniform(-0.6, 0.6, 60)]))
    g = exact.gradient(E).numpy()
    values = {"strain": E[:24, :6].numpy(), "composition": E[:24, 6:].numpy()}
    found = calibrate_energy(
        (STRAIN, COMPOSITION), CUBIC, values, {"stress": g[:24, :6], "chemical_potential": g[:24, 6:]}, effort="quick", units=48
    ).law
    learned = found.gradient(E[24:]).detach().numpy()
    for part in (slice(0, 6), slice(6, 7)):
        assert np.linalg.norm(learned[:, part] - g[24:, part]) < 0.02 * np.linalg.norm(g[24:, part])
    wells = find_wells(binary(), CUBIC, starts=4).minima
    assert {state.count for state in wells} == {1}  # no operation changes a composition
    one, other = (pulled({1: law, 2: law}, 0.45, 0.5, orientation=TURN) for law in (exact, found))
    assert other[0] == pytest.approx(one[0], rel=0.02)


def test_two_phases_share_a_strip_by_the_lever_rule() -> None:
    """Held across and free along x, strains add M η² c² to the energy −a c² + b c⁴, M = C11 + C12 − 2 C12²/C11: wells at ±√(a'/2b)."""
    a = 1.0 - (160 + 60 - 2 * 60**2 / 160) * 0.02**2
    well = np.sqrt(a / 4)
    found = polar_cases.alloy()
    for mean, figures in ((float(mean), figures) for mean, figures in found.items()):
        assert figures["outcome"] == "at rest"
        assert figures["mean"] == pytest.approx(mean, rel=1e-9)
        assert figures["share"] == pytest.approx((mean + well) / (2 * well), abs=0.04)
        assert figures["stretch"] == pytest.approx(0.02 * mean * (1 + 2 * 60 / 160), rel=1e-9)
        assert figures["mu"] == pytest.approx(0.0, abs=1e-5)  # of equal wells
        energies = np.array(figures["energies"])
        assert (np.diff(energies[1:]) <= 1e-9).all()
    one, two = (figures["energies"][-1] for figures in found.values())
    assert one == pytest.approx(two, rel=1e-6)  # Maxwell's line


def test_the_tangent_with_a_composition_is_the_derivative() -> None:
    rng, strip = np.random.default_rng(0), Alloy(binary(), 0.0, 4, 2.0, orientation=TURN)
    for kernel in ("c", "torch"):
        law = UserMaterial(strip.u, binary(), order={"composition": strip.c}, unit="GPa", plane="strain", orientation=TURN, kernel=kernel)
        residual = law.residual(strip.v, order={"composition": strip.s})
        R, J = fem.form(residual), fem.form(derivative(residual, law, strip.w))
        base, step = 0.05 * rng.standard_normal(strip.w.x.array.size), rng.standard_normal(strip.w.x.array.size)

        def at(values: np.ndarray, R: fem.Form = R, law: UserMaterial = law) -> np.ndarray:
            strip.w.x.array[:] = values
            assert not law.update()
            return fem.assemble_vector(R).array.copy()

        slope = (at(base + 1e-6 * step) - at(base - 1e-6 * step)) / 2e-6
        at(base)
        A = fem.assemble_matrix(J).to_dense()
        assert np.abs(A @ step - slope).max() < 1e-7 * np.abs(slope).max()
        assert np.abs(A - A.T).max() < 1e-12 * np.abs(A).max()


def test_order_parameters_that_do_not_fit_are_named() -> None:
    strip = Alloy(binary(), 0.0, 2, 1.0)
    options = {"unit": "GPa", "strain": "small", "plane": "strain"}
    with pytest.raises(SolveError, match=r"others are unknowns by order=\{'composition'"):
        UserMaterial(strip.u, binary(), T=strip.c, **options)
    with pytest.raises(SolveError, match=r"leave order=\{'tilt': …\} out or give a law of tilt"):
        UserMaterial(strip.u, binary(), order={"composition": strip.c, "tilt": strip.mu}, **options)
    with pytest.raises(SolveError, match="2 components, and the law's composition 1"):
        UserMaterial(strip.u, binary(), order={"composition": strip.u}, **options)
    with pytest.raises(SolveError, match="give T= for this variable"):
        UserMaterial(strip.u, binary(), order={"temperature": strip.c}, **options)
    with pytest.raises(SolveError, match="needed are those of composition"):
        strip.law.residual(strip.v, order={"tilt": strip.s})
    with pytest.raises(SolveError, match="there is no temperature"):
        strip.law.field("temperature")
    tilt = Variable.of_matrices("tilt", CUBIC, np.linalg.det(CUBIC.operations)[:, None, None] * CUBIC.operations)
    assert tilt.size == 3
    with pytest.raises(SolveError, match="viscosities"):
        ViscousFlow(strip.law.residual(strip.v, order={"composition": strip.s}), strip.law, viscosities=[])
