"""Load steps, faults and PETSc options."""

import fem_cases
import numpy as np
import pytest
import ufl
from dolfinx import fem, mesh
from fem_cases import (
    COMM,
    HEX,
    TET,
    affine,
    block,
    bounded,
    cubic,
    pulled,
    pulled_problem,
)
from petsc4py import PETSc

from constitutive.errors import SolveError
from constitutive.fem import (
    Outcome,
    Problem,
    UserMaterial,
    modes,
    rotation_from_bunge,
)
from constitutive.fem.faults import Trouble
from constitutive.fem.newton import set_function_domain_error

TURN = rotation_from_bunge(np.array([30.0, 40.0, 20.0]))


def test_steps_are_cut_and_grow_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Newton's method is made to fail for steps above 0.2 in the first half: they shrink there, and grow afterwards."""
    problem = pulled_problem()
    solve_step, states = problem.newton.solve, []

    def moody(target: np.ndarray, part: float, **how: object) -> object:
        size = part * (1 - problem.load)
        states.append(problem.u.x.array.copy())
        if problem.load < 0.5 and size > 0.2:
            problem.u.x.array[:] = np.nan
            return Trouble(Outcome.DIVERGED, "made to fail"), 0, ()
        return solve_step(target, part, **how)

    monkeypatch.setattr(problem.newton, "solve", moody)
    result = problem.solve(steps=2).require()
    np.testing.assert_allclose(np.diff([0.0, *(step.load for step in result.steps)]), [0.125] * 4 + [0.25] * 2)
    assert result.cutbacks == 5
    assert np.isfinite(states).all()


def test_an_inverted_element_is_named_and_the_state_is_that_of_the_last_step() -> None:
    problem = pulled_problem((-0.9, 0.5, 0.0))
    result = problem.solve(steps=1, smallest_step=0.02)
    assert result.outcome is Outcome.INVERTED
    assert "cell" in result.reason
    assert 0 < result.load < 1
    right = problem.bcs[1].dof_indices()[0]
    np.testing.assert_allclose(problem.u.x.array[right].reshape(-1, 3), result.load * np.array([[-0.9, 0.5, 0.0]] * 9), atol=1e-12)
    with pytest.raises(SolveError, match="of the load"):
        result.require()


def test_j_of_zero_or_less_is_found_with_its_place() -> None:
    V = block(2, HEX, 1, COMM)
    u = fem.Function(V)
    affine(u, np.diag([-1.2, 0.0, 0.0]))
    law = UserMaterial(u, cubic())
    faults = law.update()
    assert faults.inverted == 64
    assert "cell" in faults.worst
    assert "J = -0.2" in faults.worst
    assert np.isnan(law.stress.x.array).all()


def test_nan_in_the_displacement_is_found() -> None:
    law = UserMaterial(fem.Function(block(1, TET, 1, COMM)), cubic(), strain="small")
    law.u.x.array[0] = np.nan
    assert law.update().not_finite > 0


def test_stop_outside_the_domain() -> None:
    problem = pulled_problem(material=bounded(), outside="raise")
    result = problem.solve(steps=2, smallest_step=0.01)
    assert result.outcome is Outcome.OUTSIDE_DOMAIN
    assert "cell" in result.reason
    assert "calibrate on larger strains" in result.reason
    assert problem.laws[0].count_outside() == 0


def test_warn_outside_the_domain_counts_points() -> None:
    problem = pulled_problem(material=bounded(), outside="warn")
    result = problem.solve(steps=2).require()
    assert result.steps[-1].outside == 64
    assert "64 points are outside" in result.reason
    assert problem.laws[0].field("outside_domain").x.array.min() == 1


def test_extend_outside_the_domain_is_another_energy() -> None:
    problems = [pulled_problem(material=bounded(0.05), outside=outside) for outside in ("warn", "extend")]
    energies = []
    for problem in problems:
        problem.solve(steps=4).require()
        energies.append(problem.laws[0].total_energy())
    assert energies[1] != pytest.approx(energies[0], rel=1e-3)


def test_line_searches_recover_from_a_domain_error() -> None:
    """Newton for log x = 0 from x = 3 leaves the domain at once; PETSc's line search comes back into it."""
    A = PETSc.Mat().createDense([1, 1], comm=COMM)
    A.setUp()
    f, x, seen = A.createVecLeft(), A.createVecRight(), []

    def residual(snes: PETSc.SNES, at: PETSc.Vec, b: PETSc.Vec) -> None:
        value = at.getArray(readonly=True)[0]
        seen.append(value)
        if value <= 0:
            b.set(np.nan)
            set_function_domain_error(snes)
        else:
            b.array[0] = np.log(value)

    def jacobian(snes: PETSc.SNES, at: PETSc.Vec, J: PETSc.Mat, P: PETSc.Mat) -> None:
        J.setValue(0, 0, 1 / at.getArray(readonly=True)[0])
        J.assemble()

    snes = PETSc.SNES().create(COMM)
    snes.setFunction(residual, f)
    snes.setJacobian(jacobian, A)
    snes.getKSP().setType("preonly")
    snes.getKSP().getPC().setType("lu")
    x.set(3.0)
    snes.solve(None, x)
    assert min(seen) < 0
    assert snes.getConvergedReason() > 0
    assert x.array[0] == pytest.approx(1.0)


def test_residuals_leave_the_tangent_alone() -> None:
    problem = pulled_problem()
    law, seen = problem.laws[0], []
    update = law.update

    def watched(*, tangent: bool = True) -> object:
        seen.append(tangent)
        return update(tangent=tangent)

    law.update = watched
    result = problem.solve()
    assert seen.count(True) == result.iterations


def test_petsc_options_reach_the_solvers() -> None:
    problem = pulled_problem()
    options = {"ksp_type": "cg", "pc_type": "gamg", "ksp_rtol": 1e-10, "snes_linesearch_type": "basic", "snes_rtol": 1e-11}
    other = Problem(problem.form, problem.laws[0], bcs=problem.bcs, petsc_options=options, load_factor=problem.load_factor)
    assert other.newton.snes.getKSP().getType() == "cg"
    assert other.newton.snes.getKSP().getPC().getType() == "gamg"
    assert other.newton.snes.getTolerances()[0] == 1e-11
    assert other.newton.A.getNearNullSpace().getVecs()
    other.solve().require()


def linear_iterations(n: int, cell: mesh.CellType, **options: object) -> tuple[int, np.ndarray]:
    """Iterations of the linear solver for a pulled block of small strain, and its displacement."""
    V = block(n, cell, 1, COMM)
    u, v = fem.Function(V), ufl.TestFunction(V)
    law = UserMaterial(u, cubic(), orientation=fem_cases.TURN, strain="small")
    problem = Problem(law.residual(v), law, bcs=pulled(V), **options)
    problem.solve().require()
    return problem.newton.snes.getKSP().getIterationNumber(), u.x.array


@pytest.mark.parametrize("cell", [HEX, TET])
def test_multigrid_takes_as_many_iterations_on_a_finer_mesh(cell: mesh.CellType) -> None:
    coarse, fine = (linear_iterations(n, cell, solver="amg") for n in (6, 12))
    assert fine[0] <= 1.5 * coarse[0] < 25
    np.testing.assert_allclose(coarse[1], linear_iterations(6, cell)[1], atol=1e-8)
    jacobi = {"ksp_type": "cg", "pc_type": "jacobi", "ksp_rtol": 1e-8}  # control: one level only
    assert linear_iterations(12, cell, petsc_options=jacobi)[0] > 4 * fine[0]
    with pytest.raises(SolveError, match="solver='multigrid'"):
        linear_iterations(1, cell, solver="multigrid")


@pytest.mark.parametrize("cell", [HEX, TET])
def test_the_action_of_the_tangent_solves_as_the_matrix_does(cell: mesh.CellType) -> None:
    """One component is free at the end, so that the components' matrices have supports of their own."""
    V = block(4, cell, 1, COMM)
    v = ufl.TestFunction(V)
    sub, _ = V.sub(0).collapse()
    moved = fem.Function(sub)
    moved.x.array[:] = 0.05
    end = fem.locate_dofs_geometrical((V.sub(0), sub), lambda x: np.isclose(x[0], 1))
    bcs = [pulled(V)[0], fem.dirichletbc(moved, end, V.sub(0))]
    found, problems = {}, {}
    for solver in ("direct", "matrix_free"):
        u = fem.Function(V)
        law = UserMaterial(u, cubic(), orientation=TURN)
        problems[solver] = Problem(law.residual(v), law, bcs=bcs, solver=solver)
        result = problems[solver].solve(steps=2).require()
        found[solver] = (u.x.array.copy(), result.iterations)
    np.testing.assert_allclose(found["matrix_free"][0], found["direct"][0], atol=1e-9)
    assert found["matrix_free"][1] == found["direct"][1]
    free, assembled = problems["matrix_free"].newton, problems["direct"].newton
    for problem in problems.values():
        problem.u.x.array[:] = found["direct"][0]
        problem.newton.update_laws(tangent=True)
        problem.newton.assemble_jacobian()
    x, y, z = (assembled.A.createVecRight() for _ in range(3))
    x.array[:] = np.random.default_rng(0).standard_normal(x.local_size)
    free.A.mult(x, y)
    assembled.A.mult(x, z)
    np.testing.assert_allclose(y.array, z.array, atol=1e-12 * np.abs(z.array).max())
    problems["direct"].newton.laws[0].tangent.x.array[:] *= 1.01  # control: the product reads the tangents anew
    problems["matrix_free"].newton.laws[0].tangent.x.array[:] *= 1.01
    free.A.mult(x, y)
    assert np.abs(y.array - z.array).max() > 1e-3 * np.abs(z.array).max()


def test_what_needs_a_matrix_says_so() -> None:
    V = block(2, HEX, 1, COMM)
    u, v = fem.Function(V), ufl.TestFunction(V)
    law = UserMaterial(u, cubic())
    problem = Problem(law.residual(v), law, bcs=pulled(V), solver="matrix_free")
    with pytest.raises(SolveError, match=r"matrix.*take solver='direct' or 'amg'"):
        modes(problem, 2, density=1.0)
    with pytest.raises(SolveError, match="control of a path"):
        problem.solve(control="arc_length")
    with pytest.raises(SolveError, match="needs a matrix"):
        Problem(law.residual(v), law, bcs=pulled(V), solver="matrix_free", petsc_options={"pc_type": "lu"})
    with pytest.raises(SolveError, match="neither potentials nor ties"):
        Problem(law.residual(v), law, bcs=pulled(V), solver="matrix_free", ties=[np.array([0, 3])])


def test_loads_grow_with_the_load_factor_and_springs_do_not() -> None:
    V = block(2, HEX, 1, COMM)
    u, v = fem.Function(V), ufl.TestFunction(V)
    law = UserMaterial(u, cubic(), strain="small")
    pull, spring = fem.Constant(V.mesh, np.array([100.0, 0.0, 0.0])), fem.Constant(V.mesh, 1e3)
    form = law.residual(v) - ufl.inner(pull, v) * ufl.dx + spring * ufl.inner(u, v) * ufl.ds
    ends = []
    problem = Problem(form, law, bcs=pulled(V)[:1])
    problem.solve(steps=4, on_step=lambda record: ends.append(u.x.array.copy())).require()
    for k, end in enumerate(ends):
        np.testing.assert_allclose(end, (k + 1) / 4 * ends[-1], atol=1e-12 * np.abs(ends[-1]).max())


def test_ramp_sets_the_users_own_loads() -> None:
    V = block(2, HEX, 1, COMM)
    u, v, pull = fem.Function(V), ufl.TestFunction(V), fem.Constant(V.mesh, np.zeros(3))
    law = UserMaterial(u, cubic(), strain="small")
    problem = Problem(law.residual(v) - ufl.inner(pull, v) * ufl.dx, law, bcs=pulled(V)[:1])
    tops = []

    def there_and_back(load: float) -> None:
        pull.value[0] = 100 * np.sin(np.pi * load)

    problem.solve(steps=4, ramp=there_and_back, on_step=lambda record: tops.append(np.abs(u.x.array).max())).require()
    np.testing.assert_allclose(np.array(tops) / tops[1], [np.sqrt(0.5), 1, np.sqrt(0.5), 0], atol=1e-12)


def test_solving_again_moves_on_from_the_present_state() -> None:
    problem = pulled_problem()
    problem.solve(steps=2).require()
    first = problem.u.x.array.copy()
    assert problem.solve().require().iterations <= 1
    np.testing.assert_allclose(problem.u.x.array, first, atol=1e-13)


# ---- Newton's method ---------------------------------------------------------------------------------------------------


def strip(length: int = 20, force: float = 50.0, **options: object) -> Problem:
    """A thin strip in plane strain, bent far."""
    m = mesh.create_rectangle(COMM, [[0.0, 0.0], [float(length), 1.0]], [length // 2, 1], mesh.CellType.quadrilateral)
    V = fem.functionspace(m, ("Lagrange", 2, (2,)))
    u, v = fem.Function(V), ufl.TestFunction(V)
    law = UserMaterial(u, cubic(), plane="strain")
    tags = fem_cases.facets_where(m, {1: lambda x: np.isclose(x[0], length)})
    load = force * v[1] * ufl.ds(subdomain_data=tags, subdomain_id=1)
    held = fem.dirichletbc(np.zeros(2), fem.locate_dofs_geometrical(V, lambda x: np.isclose(x[0], 0)), V)
    return Problem(law.residual(v) - load, law, bcs=[held], **options)


def test_bending_takes_no_more_iterations_than_full_steps() -> None:
    """Twice those of PETSc's full steps at the most; backtracking on the residual would need a hundred times as many."""
    ours, full = strip(), strip(petsc_options={"snes_linesearch_type": "basic"})
    found, expected = ours.solve(steps=3).require(), full.solve(steps=3).require()
    assert np.abs(ours.u.x.array).max() > 3
    np.testing.assert_allclose(ours.u.x.array, full.u.x.array, atol=1e-6)
    assert found.iterations <= 2 * expected.iterations
    assert found.cutbacks <= expected.cutbacks


def test_control_backtracking_on_the_residual_crawls_in_bending() -> None:
    problem = strip(petsc_options={"snes_linesearch_type": "bt"})
    seen: list[float] = []

    class EnoughError(Exception):
        pass

    def watch(record: object) -> None:
        seen.append(problem.load)
        if len(seen) == 2:
            raise EnoughError

    with pytest.raises(EnoughError):
        problem.solve(steps=3, on_step=watch)
    assert seen[-1] < 0.1


def test_a_step_that_would_fold_an_element_is_halved_instead_of_the_load() -> None:
    """PETSc's full steps fail at J ≤ 0 in a strip of 50 times its thickness, and the load steps are cut."""
    ours, full = strip(50, 8.0), strip(50, 8.0, petsc_options={"snes_linesearch_type": "basic"})
    found, expected = ours.solve(steps=5).require(), full.solve(steps=5).require()
    np.testing.assert_allclose(ours.u.x.array, full.u.x.array, atol=1e-5)
    assert found.cutbacks == 0
    assert expected.cutbacks > 0
    assert found.iterations < expected.iterations


def test_a_load_step_that_fails_twice_is_tried_with_backtracking(monkeypatch: pytest.MonkeyPatch) -> None:
    problem = pulled_problem()
    solve_step, tried = problem.newton.solve, []

    def moody(target: np.ndarray, part: float, *, backtracking: bool = False) -> object:
        tried.append(backtracking)
        if not backtracking:
            problem.u.x.array[:] = np.nan
            return Trouble(Outcome.DIVERGED, "made to fail"), 0, ()
        return solve_step(target, part, backtracking=True)

    monkeypatch.setattr(problem.newton, "solve", moody)
    result = problem.solve(steps=1).require()
    assert tried == [False, False, True, False, False, True][: len(tried)]
    assert result.cutbacks >= 1
    expected = pulled_problem()
    expected.solve().require()
    np.testing.assert_allclose(problem.u.x.array, expected.u.x.array, atol=1e-9)
