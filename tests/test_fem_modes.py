"""Natural frequencies and buckling loads against beam, plate and bar theory, native UFL, dense matrices, and other numbers of ranks."""

import numpy as np
import pytest
import scipy.linalg
import ufl
from dolfinx import fem, mesh
from fem_cases import COMM, HEX, TURN, block, cubic, facets_where, native_residual, pulled, pulled_problem, stiffness_tensor
from fem_modes_cases import STEEL, column, isotropic, turned
from test_fem import on_ranks

from constitutive.errors import MaterialError, SolveError
from constitutive.fem import Problem, UserMaterial, buckling, modes
from constitutive.fem.inertia import density_factor
from constitutive.material import Material

E, RHO = 210e3, STEEL * 1e-12  # MPa and t/mm³


def test_euler_load_of_a_cantilever() -> None:
    """Euler's load with the flexibility in shear (Timoshenko & Gere, Theory of Elastic Stability, eq. 2-57: k = 5/6)."""
    found = buckling(column(isotropic(210, 0.0), COMM), 2)
    for load, width, height in zip(found.load_factors, (1.2, 1.0), (1.0, 1.2), strict=True):
        euler = np.pi**2 * E * width * height**3 / 12 / (4 * 20.0**2)
        exact = euler / (1 + euler / (E / 2 * width * height * 5 / 6)) / (width * height)
        assert load == pytest.approx(exact, rel=2e-3)
    assert found.residuals.max() < 1e-7
    assert np.abs(found.shapes[0].x.array).max() == pytest.approx(1.0)


def test_frequencies_of_a_cantilever() -> None:
    """Euler–Bernoulli's (βL = 1.8751, 4.6941): shear and rotary inertia lower the second by a percent."""
    found = modes(column(isotropic(210, 0.0), COMM), 4, density=STEEL).frequencies
    for pair, beta, close in ((found[:2], 1.87510407, 3e-3), (found[2:], 4.69409113, 2e-2)):
        exact = beta**2 * np.sqrt(E / RHO / 12) * np.array([1.0, 1.2]) / 20.0**2 / (2 * np.pi)
        np.testing.assert_allclose(pair, exact, rtol=close)
        assert (pair < exact).all()


def test_lowest_frequencies_of_a_plate() -> None:
    """Kirchhoff's simply supported plate, thickness a fiftieth: f = π/2 (m²/a² + n²/b²) √(D/ρh)."""
    a, b, h = 50.0, 40.0, 1.0
    m = mesh.create_box(COMM, [[0, 0, 0], [a, b, h]], [8, 7, 1], HEX)
    V = fem.functionspace(m, ("Lagrange", 2, (3,)))
    u, v = fem.Function(V), ufl.TestFunction(V)
    bcs = []
    for axis, length in ((0, a), (1, b)):
        for component in (1 - axis, 2):
            sub, _ = V.sub(component).collapse()
            dofs = fem.locate_dofs_geometrical((V.sub(component), sub), lambda x, k=axis, d=length: np.abs(x[k] - d / 2) > d / 2 - 1e-9)
            bcs.append(fem.dirichletbc(fem.Function(sub), dofs, V.sub(component)))
    law = UserMaterial(u, isotropic(210, 0.3))
    found = modes(Problem(law.residual(v), law, bcs=bcs), 3, density=STEEL).frequencies
    flexural = E * h**3 / 12 / (1 - 0.3**2)
    exact = [np.pi / 2 * ((k / a) ** 2 + (n / b) ** 2) * np.sqrt(flexural / RHO / h) for k, n in ((1, 1), (2, 1), (1, 2))]
    np.testing.assert_allclose(found[0], exact[0], rtol=0.005)
    np.testing.assert_allclose(found[1:], exact[1:], rtol=0.02)


def silicon_bar(unit: str, length: float) -> Problem:
    """A bar of silicon along [100] of a size in any unit of length, free to contract, held at one end along its axis."""
    m = mesh.create_box(COMM, [[0, 0, 0], [length, length / 40, length / 40]], [8, 1, 1], HEX)
    V = fem.functionspace(m, ("Lagrange", 2, (3,)))
    u, v = fem.Function(V), ufl.TestFunction(V)
    bcs = []
    for component in range(3):  # no lateral motion of the axis planes y = 0 and z = 0: the bar stretches only
        sub, _ = V.sub(component).collapse()
        dofs = fem.locate_dofs_geometrical((V.sub(component), sub), lambda x, k=component: np.isclose(x[k], 0))
        bcs.append(fem.dirichletbc(fem.Function(sub), dofs, V.sub(component)))
    law = UserMaterial(u, Material.load("materials/silicon"), unit=unit)
    return Problem(law.residual(v), law, bcs=bcs)


def test_density_of_the_crystal_and_units() -> None:
    """Longitudinal vibration of a thin bar, f = √(E₁₀₀/ρ)/4L, with the crystal's density; the same bar in metres and gigapascals."""
    material = Material.load("materials/silicon")
    C = material.law.tangent_mandel(_zero())[0].detach().numpy()
    young = 1e9 * (C[0, 0] - 2 * C[0, 1] ** 2 / (C[0, 0] + C[0, 1]))
    density = material.structure.density * 1e3
    assert 2200 < density < 2400
    exact = np.sqrt(young / density) / 4 / 0.02
    found = modes(silicon_bar("MPa", 20.0), 1).frequencies[0]
    assert found == pytest.approx(exact, rel=1e-3)
    assert modes(silicon_bar("GPa", 0.02), 1, length_unit="m").frequencies[0] == pytest.approx(found, rel=1e-9)
    assert modes(silicon_bar("MPa", 20.0), 1, density=density).frequencies[0] == pytest.approx(found, rel=1e-12)
    assert modes(silicon_bar("MPa", 20.0), 1, length_unit="m").frequencies[0] == pytest.approx(found / 1000)  # control: the unit counts
    assert density_factor("MPa", "mm") == pytest.approx(1e-12)  # kg/m³ in t/mm³


def _zero() -> object:
    import torch

    return torch.zeros(1, 6, dtype=torch.float64)


def test_a_free_body_has_six_rigid_motions() -> None:
    V = block(2, HEX, 1, COMM)
    u, v = fem.Function(V), ufl.TestFunction(V)
    law = UserMaterial(u, cubic(), orientation=TURN)
    found = modes(Problem(law.residual(v), law), 8, density=STEEL).frequencies
    assert np.abs(found[:6]).max() < 1e-4 * found[6]
    assert found[6] > 1e5


def test_modes_and_loads_equal_those_of_native_ufl() -> None:
    ours, theirs = turned(COMM), turned(COMM, native=True)
    np.testing.assert_allclose(ours["numbers"], theirs["numbers"], rtol=1e-8)
    assert max(ours["errors"]) < 1e-7
    rest, pressed = ours["numbers"][3:8], ours["numbers"][8:]
    assert pressed[0] < 0.9 * rest[0]  # control: the load counts


def test_modes_and_loads_equal_on_two_ranks() -> None:
    np.testing.assert_allclose(on_ranks(2, "turned", script="fem_modes_cases.py")["numbers"], turned(COMM)["numbers"], rtol=1e-8)


def test_modes_and_loads_equal_those_of_dense_matrices() -> None:
    """LAPACK's, with UFL's own derivative of the stiffness along the path's tangent."""
    problem = column(cubic(), COMM, size=(4.0, 1.0, 1.2), n=1, orientation=TURN)
    V, free = problem.u.function_space, np.setdiff1d(np.arange(problem.u.x.array.size), problem.newton.constrained)
    w, du, v = fem.Function(V), ufl.TrialFunction(V), ufl.TestFunction(V)
    F = native_residual(w, v, stiffness_tensor(cubic(), TURN), 4)
    K_form = ufl.derivative(F, w, du)

    def dense(form: ufl.Form) -> np.ndarray:
        return fem.assemble_matrix(fem.form(form)).to_dense()[np.ix_(free, free)]

    K, M = dense(K_form), dense(RHO * ufl.inner(du, v) * ufl.dx)
    direction = fem.Function(V)
    load = problem.newton.assemble_residual().copy()  # the dead load at u = 0
    direction.x.array[free] = np.linalg.solve(K, -load[free])
    change = dense(ufl.derivative(K_form, w, direction))
    values = scipy.linalg.eigh(-change, K, eigvals_only=True)
    np.testing.assert_allclose(buckling(problem, 2).load_factors, 1 / values[::-1][:2], rtol=1e-8)
    exact = np.sqrt(scipy.linalg.eigh(K, M, eigvals_only=True)[:4]) / (2 * np.pi)
    found = modes(problem, 4, density=STEEL)
    np.testing.assert_allclose(found.frequencies, exact, rtol=1e-9)
    phi = found.shapes[2].x.array[free]
    assert phi @ M @ phi == pytest.approx(1.0)
    away = modes(problem, 1, density=STEEL, shift=float(exact[2]) * 1.01)
    assert away.frequencies[0] == pytest.approx(exact[2])


def test_the_state_buckles_where_the_estimate_from_it_says() -> None:
    """Near the critical load the straight column loses stability there, and the estimate at rest errs by its strain."""
    problem = column(isotropic(210, 0.0), COMM, size=(10.0, 1.0, 1.2), n=5, force=1000.0)
    at_rest = buckling(problem).load_factors[0]
    stage = column(isotropic(210, 0.0), COMM, size=(10.0, 1.0, 1.2), n=5, force=1000.0 * 0.95 * at_rest)
    stage.solve(steps=1).require()
    near = buckling(stage).load_factors[0] * 0.95 * at_rest
    assert near == pytest.approx(at_rest, rel=0.02)
    frequencies = []
    for part in (0.9995, 1.0005):
        problem = column(isotropic(210, 0.0), COMM, size=(10.0, 1.0, 1.2), n=5, force=1000.0 * part * near)
        problem.solve(steps=2).require()
        frequencies.append(modes(problem, 1, density=STEEL).frequencies[0])
    assert frequencies[1] < 0 < frequencies[0]
    with pytest.raises(SolveError, match="stable"):
        buckling(problem)


def test_what_has_no_modes_or_loads_is_said() -> None:
    problem = pulled_problem()
    with pytest.raises(MaterialError, match="pass density= in kg/m³"):
        modes(problem, 1)
    for wrong in (-1.0, 0.0, np.nan, np.inf):
        with pytest.raises(SolveError, match="positive and finite"):
            modes(problem, 1, density=wrong)
    with pytest.raises(SolveError, match="between 1 and"):
        modes(problem, 0, density=STEEL)
    with pytest.raises(SolveError, match="length_unit"):
        modes(problem, 1, density=STEEL, length_unit="inch")
    with pytest.raises(SolveError, match="different units"):
        modes(problem, 1, density=STEEL, unit="GPa")
    with pytest.raises(SolveError, match="shift"):
        modes(problem, 1, density=STEEL, shift=-1.0)
    with pytest.raises(SolveError, match="no load in this direction"):
        buckling(column(isotropic(210, 0.0), COMM, size=(4.0, 1.0, 1.2), n=1, force=-1.0))
    with pytest.raises(SolveError, match="nothing grows with the load"):
        buckling(Problem(problem.laws[0].residual(ufl.TestFunction(problem.u.function_space)), problem.laws[0], bcs=problem.bcs[:1]))


def test_a_load_that_follows_the_body_has_no_symmetric_stiffness() -> None:
    V = block(1, HEX, 1, COMM)
    u, v = fem.Function(V), ufl.TestFunction(V)
    law = UserMaterial(u, cubic())
    F = ufl.Identity(3) + ufl.grad(u)
    top = ufl.Measure("ds", V.mesh, subdomain_data=facets_where(V.mesh, {1: lambda x: np.isclose(x[2], 1)}))
    pressure = 1e3 * ufl.inner(ufl.det(F) * ufl.inv(F).T * ufl.FacetNormal(V.mesh), v) * top(1)
    problem = Problem(law.residual(v) + pressure, law, bcs=pulled(V)[:1])
    with pytest.raises(SolveError, match="not symmetric"):
        modes(problem, 1, density=STEEL)
