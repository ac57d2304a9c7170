"""Paths with limit points: arc length, displacement control, and branches, against analytic paths."""

import basix.ufl
import numpy as np
import pytest
import scipy.optimize
import scipy.special
import ufl
from dolfinx import fem, mesh
from fem_cases import COMM, HEX, cubic, facets_where, pulled_problem
from fem_modes_cases import isotropic

from constitutive.errors import SolveError
from constitutive.fem import AlongShape, ArcLength, Outcome, PointDisplacement, Problem, UserMaterial, buckling, critical_shape

PULL, SHEAR, SLOPE = 150.0, 2.0, 0.3  # GPa: C11 and C44 of a crystal that is too long along x, and so takes a slope
START = np.sqrt(SLOPE**2 - 2 * SHEAR * (1 + SLOPE**2) / PULL)  # at rest


def pressed(traction: float) -> Problem:
    """One cube in uniaxial strain under a dead traction on its top, by which St Venant–Kirchhoff has a limit at a stretch of 1/√3."""
    m = mesh.create_box(COMM, [[0, 0, 0], [1, 1, 1]], [1, 1, 1], HEX)
    V = fem.functionspace(m, ("Lagrange", 1, (3,)))
    u, v = fem.Function(V), ufl.TestFunction(V)
    bcs = []
    for k in range(3):
        sub, _ = V.sub(k).collapse()
        where = (lambda x: np.isclose(x[2], 0)) if k == 2 else (lambda x: np.isfinite(x[0]))
        bcs.append(fem.dirichletbc(fem.Function(sub), fem.locate_dofs_geometrical((V.sub(k), sub), where), V.sub(k)))
    law = UserMaterial(u, cubic(), unit="GPa")
    top = ufl.Measure("ds", m, subdomain_data=facets_where(m, {1: lambda x: np.isclose(x[2], 1)}))(1)
    return Problem(law.residual(v) + traction * v[2] * top, law, bcs=bcs)


def traction_at(stretch: np.ndarray) -> np.ndarray:
    """Dead traction of uniaxial strain, P = C11 λ (λ² − 1)/2, in compression positive."""
    return -153.4 * stretch * (stretch**2 - 1) / 2


def test_arc_length_goes_through_a_limit_point() -> None:
    limit = float(traction_at(np.array(1 / np.sqrt(3))))
    problem, path = pressed(limit * 1.2), []

    def note(record: object) -> None:
        path.append((1 + problem.u.x.array.min(), record.load * limit * 1.2))

    end = problem.solve(steps=10, control=ArcLength(until=lambda load: bool(problem.u.x.array.min() < -0.8), largest=1.0), on_step=note)
    assert end.outcome is Outcome.CONVERGED
    stretch, traction = np.array(path).T
    np.testing.assert_allclose(traction, traction_at(stretch), atol=1e-7 * limit)
    assert stretch.min() < 0.2
    assert traction.max() == pytest.approx(limit, rel=0.01)
    load_control = pressed(limit * 1.2).solve(steps=10, smallest_step=0.01)  # control: the load cannot pass its limit
    assert load_control.outcome is not Outcome.CONVERGED
    assert load_control.load < 1 / 1.2 + 1e-6


def snapping(traction: float) -> Problem:
    """A triangle whose corner at x = 1 slides along y, of a crystal too long along x: a shallow truss, which snaps to the other side."""
    corners = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0]])
    m = mesh.create_mesh(COMM, cells=np.array([[0, 1, 2]]), x=corners, e=basix.ufl.element("Lagrange", "triangle", 1, shape=(2,)))
    V = fem.functionspace(m, ("Lagrange", 1, (2,)))
    u, v = fem.Function(V), ufl.TestFunction(V)
    bcs = []
    for k in range(2):
        sub, _ = V.sub(k).collapse()
        where = (lambda x: np.isfinite(x[0])) if k == 0 else (lambda x: np.isclose(x[0], 0))
        bcs.append(fem.dirichletbc(fem.Function(sub), fem.locate_dofs_geometrical((V.sub(k), sub), where), V.sub(k)))
    free = np.diag([np.sqrt(1 + SLOPE**2), 1.0, 1.0])
    law = UserMaterial(u, cubic(PULL, 0.0, SHEAR), plane="strain", stress_free_deformation=free, unit="GPa")
    u.interpolate(lambda x: np.stack([0 * x[0], START * x[0]]))
    return Problem(law.residual(v) + 3 * traction * v[1] * ufl.dx, law, bcs=bcs)  # a third of a weight is the corner's


def snap_traction(slope: np.ndarray) -> np.ndarray:
    """Dead traction, downward positive: −dψ/dg of ψ = √q (C11 ((g² − s²)/q)²/8 + C44 g²/2q), q = 1 + s²: the energy of a shallow truss."""
    q = 1 + SLOPE**2
    return -np.sqrt(q) * (PULL * (slope**2 - SLOPE**2) * slope / (2 * q**2) + SHEAR * slope / q)


@pytest.mark.parametrize("how", ["arc_length", "point"])
def test_snap_through_against_the_analytic_path(how: str) -> None:
    problem, path = snapping(1.0), []

    def note(record: object) -> None:
        path.append((problem.u.x.array.reshape(-1, 2)[:, 1][np.abs(problem.u.x.array.reshape(-1, 2)[:, 1]).argmax()], record.load))

    if how == "point":
        control = PointDisplacement((1.0, 0.0), 1, -0.4)
    else:
        control = ArcLength(until=lambda load: bool(problem.u.x.array.min() < -0.35), largest=1.5)
    problem.solve(steps=20, control=control, on_step=note).require()
    slope, load = np.array(path).T
    np.testing.assert_allclose(load, snap_traction(slope), atol=1e-6)
    if how == "point":
        np.testing.assert_allclose(slope, np.linspace(START, -0.4, 21)[1:], atol=1e-12)
    assert load[slope > 0].max() > 0.3
    assert load[(slope < 0) & (slope > -START)].min() < -0.3  # beyond the flat state the load pulls
    assert load[-1] > load[slope > 0].max()


def test_the_whole_load_is_the_end_by_default() -> None:
    ours, theirs = pulled_problem(), pulled_problem()
    found = ours.solve(steps=3, control="arc_length").require()
    theirs.solve().require()
    assert found.load == 1.0
    np.testing.assert_allclose(ours.u.x.array, theirs.u.x.array, atol=1e-9)
    few = pulled_problem().solve(steps=10, control=ArcLength(most_steps=2, largest=1.0))
    assert few.outcome is Outcome.STEPS
    assert 0.1 < few.load < 0.3


def test_a_straight_column_branches_into_the_elastica() -> None:
    """Load over Euler's, (2K(k)/π)², and deflection over length, 2k/K(k) (Timoshenko & Gere, Theory of Elastic Stability, sec. 2.7)."""
    length = 40.0
    m = mesh.create_rectangle(COMM, [[0.0, 0.0], [length, 1.0]], [10, 1], mesh.CellType.quadrilateral)
    V = fem.functionspace(m, ("Lagrange", 2, (2,)))
    u, v = fem.Function(V), ufl.TestFunction(V)
    law = UserMaterial(u, isotropic(210, 0.0), plane="strain")
    end = ufl.Measure("ds", m, subdomain_data=facets_where(m, {1: lambda x: np.isclose(x[0], length)}))(1)
    held = fem.dirichletbc(np.zeros(2), fem.locate_dofs_geometrical(V, lambda x: np.isclose(x[0], 0)), V)
    euler = np.pi**2 * 210e3 / 12 / (4 * length**2)
    problem = Problem(law.residual(v) + euler * 1.02 * v[0] * end, law, bcs=[held])
    critical = buckling(problem).load_factors[0]
    assert critical == pytest.approx(1 / 1.02, rel=3e-3)
    problem.solve(steps=1).require()
    assert np.abs(u.x.array.reshape(-1, 2)[:, 1]).max() < 1e-6  # beyond the critical load the straight column is still a solution
    shape = critical_shape(problem)
    tip = float(np.abs(shape.x.array).max())
    path = []

    def note(record: object) -> None:
        path.append((np.abs(u.x.array.reshape(-1, 2)[:, 1]).max() / length, record.load / critical))

    problem.solve(steps=4, control=AlongShape(shape, 12.0 / tip), on_step=note).require()
    for deflection, load in path:
        k = scipy.optimize.brentq(lambda k, d=deflection: 2 * k / scipy.special.ellipk(k * k) - d, 1e-6, 0.8)
        assert load == pytest.approx((2 * scipy.special.ellipk(k * k) / np.pi) ** 2, rel=3e-3)
    assert path[-1][0] > 0.28
    assert path[-1][1] > 1.02


def test_what_cannot_be_controlled_is_refused() -> None:
    problem = pulled_problem()
    for control, said in (
        ("arc", "control='arc'"),
        (ArcLength(most_steps=0), "at least 1"),
        (PointDisplacement((0.5, 0.5, 0.4), 0, 0.1), "no node"),
        (PointDisplacement((0.5, 0.5, 0.5), 3, 0.1), "component"),
        (PointDisplacement((0.5, 0.5, 0.5), 0, np.nan), "finite"),
        (AlongShape(problem.u, np.inf), "finite"),
    ):
        with pytest.raises(SolveError, match=said):
            problem.solve(control=control)
    with pytest.raises(SolveError, match="leave ramp out"):
        problem.solve(control="arc_length", ramp=lambda load: None)
    free = np.setdiff1d(np.arange(problem.u.x.array.size), problem.newton.constrained)
    tied = Problem(problem.form, problem.laws[0], bcs=problem.bcs, ties=[free[:6:3]], load_factor=problem.load_factor)
    for action in (lambda: tied.solve(control="arc_length"), lambda: critical_shape(tied)):
        with pytest.raises(SolveError, match="ties is not there yet"):
            action()
    problem.solve().require()
    problem.solve().require()
    with pytest.raises(SolveError, match="changed between solves"):
        problem.solve(control="arc_length")
