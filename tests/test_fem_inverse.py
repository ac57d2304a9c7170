"""Derivatives of solutions with respect to constants, orientations and stress-free deformations; constants from a field."""

import numpy as np
import pytest
import ufl
from dolfinx import fem, mesh
from fem_cases import COMM, HEX, TURN, block, cubic, facets_where, pulled

from constitutive.errors import SolveError
from constitutive.fem import MeasuredForce, Problem, UserMaterial, gradient, identify, rotation_from_bunge, sensitivities
from constitutive.laws import NetworkLaw, SumLaw
from constitutive.symmetry import PointGroup

CONSTANTS = np.array([153.4, 56.9, 74.3])
ANGLES = np.array([30.0, 40.0, 20.0])


def of_constants(values: np.ndarray) -> dict[str, object]:
    return {"material": cubic(*values), "orientation": TURN}


def of_orientation(values: np.ndarray) -> dict[str, object]:
    return {"material": cubic(), "orientation": rotation_from_bunge(values)}


def network(amplitudes: np.ndarray) -> SumLaw:
    """A cubic law and a network of three channels, whose amplitudes (output weights) are given."""
    rng = np.random.default_rng(0)
    rotations = np.asarray(PointGroup.from_symbol("m-3m").laue_rotations)
    return SumLaw([cubic(), NetworkLaw(2.0 * rng.standard_normal((3, 6)), rng.standard_normal(3), amplitudes, 0.1, rotations)])


def of_amplitudes(values: np.ndarray) -> dict[str, object]:
    return {"material": network(values), "orientation": TURN}


def of_stress_free_stretch(values: np.ndarray) -> dict[str, object]:
    return {
        "material": cubic(),
        "orientation": TURN,
        "stress_free_deformation": np.eye(3) + values.reshape(1, 1) * np.diag([1.0, 0.5, 0.0]),
    }


KINDS = {
    "constants": (of_constants, CONSTANTS),
    "orientation": (of_orientation, ANGLES),
    "network amplitudes": (of_amplitudes, np.array([0.6, -0.4, 0.5])),
    "stress-free deformation": (of_stress_free_stretch, np.array([0.01])),
}


class Case:
    """A block that is pulled and bent at finite strain, its law made from numbers."""

    def __init__(self, kind: str) -> None:
        self.options, self.values = KINDS[kind]
        V = block(2, HEX, 1, COMM)
        self.u, self.v = fem.Function(V), ufl.TestFunction(V)
        self.bcs = pulled(V)
        side = ufl.Measure("ds", V.mesh, subdomain_data=facets_where(V.mesh, {1: lambda x: np.isclose(x[1], 1)}))(1)
        self.load = ufl.inner(ufl.as_vector([0.0, 500.0, 2e3]), self.v) * side
        self.grip = fem.Function(V)
        self.grip.x.array[self.bcs[1].dof_indices()[0].reshape(-1, 3)[:, 0]] = 1.0

    def make(self, values: np.ndarray, kernel: str = "torch") -> UserMaterial:
        return UserMaterial(self.u, **self.options(values), kernel=kernel)

    def solved(self, values: np.ndarray) -> tuple[Problem, UserMaterial]:
        self.u.x.array[:] = 0.0
        law = self.make(values)
        problem = Problem(law.residual(self.v) - self.load, law, bcs=self.bcs, petsc_options={"snes_rtol": 1e-13, "snes_atol": 1e-11})
        problem.solve().require()
        return problem, law

    def functional(self, law: UserMaterial, what: str) -> ufl.Form:
        if what == "displacement":
            return (ufl.inner(self.u, self.u) + self.u[2]) * ufl.dx
        return law.residual(self.grip)  # the force at the pulled end along x


def value(form: ufl.Form) -> float:
    return float(fem.assemble_scalar(fem.form(form)))


@pytest.mark.parametrize("what", ["displacement", "force"])
@pytest.mark.parametrize("kind", KINDS)
def test_the_gradient_passes_the_test_of_taylor(kind: str, what: str) -> None:
    """What is left of J(m + h d) − J(m) − h ∇J·d falls with h²; with a gradient that errs by a percent (control) it does not."""
    case = Case(kind)
    problem, law = case.solved(case.values)
    J = value(case.functional(law, what))
    slope = gradient(problem, case.functional(law, what), law, case.make, case.values)
    direction = case.values * np.array([1.0, -0.5, 0.7])[: len(case.values)]
    sizes = (0.04, 0.02)
    left, wrong = [], []
    for h in sizes:
        _, other = case.solved(case.values + h * direction)
        change = value(case.functional(other, what)) - J
        left.append(abs(change - h * slope @ direction))
        wrong.append(abs(change - 1.2 * h * slope @ direction))
    assert np.log2(left[0] / left[1]) > 1.8
    assert np.log2(wrong[0] / wrong[1]) < 1.6


def test_sensitivities_are_differences_of_solutions_and_agree_with_the_adjoint() -> None:
    case = Case("constants")
    problem, law = case.solved(case.values)
    found = sensitivities(problem, law, case.make, case.values)
    functional = case.functional(law, "displacement")
    slope = gradient(problem, functional, law, case.make, case.values)
    w = ufl.TestFunction(case.u.function_space)
    dJ = fem.assemble_vector(fem.form(ufl.derivative(functional, case.u, w))).array
    np.testing.assert_allclose([dJ @ change.x.array for change in found], slope, rtol=1e-9)
    for k, change in enumerate(found):
        ends = []
        for sign in (1, -1):
            values = case.values.copy()
            values[k] += sign * 0.01
            case.solved(values)
            ends.append(case.u.x.array.copy())
        difference = (ends[0] - ends[1]) / 0.02
        np.testing.assert_allclose(change.x.array, difference, atol=1e-5 * np.abs(difference).max())


def plate() -> tuple[Problem, fem.Function, object]:
    """A (011) plate in plane stress, notched by its grip, pulled by a known traction."""
    m = mesh.create_rectangle(COMM, [[0.0, 0.0], [2.0, 1.0]], [8, 4], mesh.CellType.quadrilateral)
    V = fem.functionspace(m, ("Lagrange", 1, (2,)))
    u, v = fem.Function(V), ufl.TestFunction(V)
    s = np.sqrt(0.5)
    R = np.array([[1.0, 0.0, 0.0], [0.0, s, -s], [0.0, s, s]])  # z along [011]

    def make(values: np.ndarray) -> UserMaterial:
        return UserMaterial(u, cubic(*values), orientation=R, plane="stress", strain="small", kernel="torch")

    law = make(CONSTANTS)
    end = ufl.Measure("ds", m, subdomain_data=facets_where(m, {1: lambda x: np.isclose(x[0], 2) & (x[1] > 0.5)}))(1)
    held = fem.dirichletbc(np.zeros(2), fem.locate_dofs_geometrical(V, lambda x: np.isclose(x[0], 0)), V)
    load = 300.0 * v[0] * end
    return Problem(law.residual(v) - load, law, bcs=[held]), u, make


def test_constants_of_a_plate_from_its_displacements() -> None:
    """C11, C12 and C44 of a (011) plate from one noisy field lie within three error bars; what is seen worst is a combination."""
    problem, u, make = plate()
    problem.solve().require()
    sigma = 1e-3 * np.abs(u.x.array).max()
    measured = fem.Function(u.function_space)
    measured.x.array[:] = u.x.array + sigma * np.random.default_rng(4).standard_normal(u.x.array.size)
    start = CONSTANTS * np.array([1.15, 0.9, 0.9])
    found = identify(problem, problem.laws[0], make, start, measured, sigma)
    assert (np.abs(found.values - CONSTANTS) < 3 * found.errors).all()
    assert (found.errors < 0.1 * CONSTANTS).all()
    assert 0.6 < found.chi2 < 1.5
    assert found.combination_errors[-1] > 3 * found.combination_errors[0]
    assert np.abs(found.combinations[-1]).max() < 0.999  # no single constant
    assert len(found.unseen) == 0
    assert np.abs(start - CONSTANTS).max() > 3 * found.errors.max()  # control: the start is not the answer


def test_a_test_of_given_displacements_needs_a_force() -> None:
    """Held and moved ends fix the field up to one factor of all constants, which only a force sees."""
    problem, u, make = plate()
    V = u.function_space
    moved = fem.dirichletbc(np.array([0.01, 0.004]), fem.locate_dofs_geometrical(V, lambda x: np.isclose(x[0], 2)), V)
    law = problem.laws[0]
    pulled = Problem(law.residual(ufl.TestFunction(V)), law, bcs=[problem.bcs[0], moved])
    pulled.solve().require()
    sigma = 1e-3 * np.abs(u.x.array).max()
    measured = fem.Function(V)
    measured.x.array[:] = u.x.array + sigma * np.random.default_rng(5).standard_normal(u.x.array.size)
    grip = fem.Function(V)
    grip.x.array[moved.dof_indices()[0][::2]] = 1.0
    force = value(law.residual(grip))
    start = 1.1 * CONSTANTS
    blind = identify(pulled, law, make, start, measured, sigma)
    (factor,) = blind.unseen
    assert abs(factor @ np.ones(3)) / np.sqrt(3) > 0.99
    assert np.isinf(blind.errors).all()
    seeing = identify(pulled, law, make, start, measured, sigma, forces=[MeasuredForce(law.residual(grip), 1.002 * force, 0.002 * force)])
    assert len(seeing.unseen) == 0
    assert (np.abs(seeing.values - CONSTANTS) < 3 * seeing.errors).all()
    with pytest.raises(SolveError, match="standard errors"):
        identify(pulled, law, make, start, measured, 0.0)
    with pytest.raises(SolveError, match="space of the unknown"):
        identify(pulled, law, make, start, fem.Function(fem.functionspace(V.mesh, ("DG", 0))), sigma)


def test_numbers_that_are_not_the_laws_are_refused() -> None:
    case = Case("constants")
    problem, law = case.solved(case.values)
    with pytest.raises(SolveError, match="another stress than the law has"):
        sensitivities(problem, law, case.make, 1.1 * case.values)
    with pytest.raises(SolveError, match="finite numbers"):
        sensitivities(problem, law, case.make, np.array([np.nan, 1.0, 1.0]))
    with pytest.raises(SolveError, match="finite numbers"):
        sensitivities(problem, law, case.make, case.values, scales=np.zeros(3))
    with pytest.raises(SolveError, match="without test functions"):
        gradient(problem, law.residual(case.v), law, case.make, case.values)
    with pytest.raises(SolveError, match="same displacement"):
        sensitivities(problem, law, lambda values: UserMaterial(case.u, cubic(), strain="small", kernel="torch"), case.values)
