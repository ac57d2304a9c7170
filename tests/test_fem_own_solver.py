"""The law inside the user's own solver."""

import importlib.util
import warnings
from types import SimpleNamespace

import dolfinx
import numpy as np
import pytest
import ufl
from dolfinx import fem
from fem_cases import (
    COMM,
    pulled_problem,
)
from petsc4py import PETSc

from constitutive.errors import DependencyError, SolveError
from constitutive.fem import (
    UserMaterial,
    attach,
    derivative,
    external_operator,
)

NEWER = tuple(map(int, dolfinx.__version__.split(".")[:2])) >= (0, 10)


def own_problem() -> tuple[UserMaterial, object, list[fem.DirichletBC], np.ndarray]:
    """Law, form, boundary conditions and the answer."""
    problem = pulled_problem()
    problem.solve().require()
    answer = problem.u.x.array.copy()
    problem.u.x.array[:] = 0
    law = problem.laws[0]
    return law, law.residual(ufl.TestFunction(problem.u.function_space)), problem.bcs, answer


def test_bare_snes_callbacks() -> None:
    law, F, bcs, answer = own_problem()
    residual, jacobian = fem.form(F), fem.form(derivative(F, law))
    u = law.u
    from dolfinx.fem import petsc

    A = petsc.create_matrix(jacobian)
    b, x = A.createVecLeft(), A.createVecRight()
    for bc in bcs:
        bc.set(u.x.array)  # begin on the boundary values
    x.array[:] = u.x.array

    def evaluate_residual(snes: PETSc.SNES, at: PETSc.Vec, out: PETSc.Vec) -> None:
        u.x.array[:] = at.getArray(readonly=True)
        law.update(tangent=False)
        values = fem.assemble_vector(residual).array
        for bc in bcs:
            values[bc.dof_indices()[0]] = 0
        out.array[:] = values

    def evaluate_jacobian(snes: PETSc.SNES, at: PETSc.Vec, J: PETSc.Mat, P: PETSc.Mat) -> None:
        law.update()
        J.zeroEntries()
        petsc.assemble_matrix(J, jacobian, bcs)
        J.assemble()

    snes = PETSc.SNES().create(COMM)
    snes.setFunction(evaluate_residual, b)
    snes.setJacobian(evaluate_jacobian, A)
    snes.setTolerances(rtol=1e-10)
    snes.getKSP().setType("preonly")
    snes.getKSP().getPC().setType("lu")
    snes.solve(None, x)
    assert snes.getConvergedReason() > 0
    np.testing.assert_allclose(x.array, answer, atol=1e-10)


def test_newton_solver_of_dolfinx() -> None:
    from dolfinx.fem import petsc
    from dolfinx.nls.petsc import NewtonSolver

    law, F, bcs, answer = own_problem()
    kind = petsc.NewtonSolverNonlinearProblem if NEWER else petsc.NonlinearProblem
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*NewtonSolver", DeprecationWarning)  # from DOLFINx 0.10 on
        problem = attach(kind(F, law.u, bcs, derivative(F, law)), law)
        solver = NewtonSolver(COMM, problem)
    solver.rtol = 1e-10
    count, converged = solver.solve(law.u)
    assert converged
    assert count <= 5
    np.testing.assert_allclose(law.u.x.array, answer, atol=1e-10)


def test_a_failing_law_stops_the_newton_solver_of_dolfinx() -> None:
    problem = pulled_problem()
    law = problem.laws[0]
    law.u.x.array[0] = np.nan
    hooked = attach(SimpleNamespace(form=lambda x: None), law)
    x = problem.newton.A.createVecRight()
    x.set(np.nan)
    with pytest.raises(SolveError, match="not finite"):
        hooked.form(x)
    with pytest.raises(SolveError, match="no nonlinear problem"):
        attach(object(), law)


def test_nonlinear_problem_of_dolfinx() -> None:
    """From DOLFINx 0.10 on this is SNES; in 0.9 the Newton solver above takes it."""
    from dolfinx.fem import petsc

    law, F, bcs, answer = own_problem()
    options = {"petsc_options_prefix": "hooked_", "petsc_options": {"snes_rtol": 1e-10, "ksp_type": "preonly", "pc_type": "lu"}}
    problem = attach(petsc.NonlinearProblem(F, law.u, bcs=bcs, J=derivative(F, law), **(options if NEWER else {})), law)
    if NEWER:
        problem.solve()
        assert problem.solver.getConvergedReason() > 0
        np.testing.assert_allclose(law.u.x.array, answer, atol=1e-10)
    else:
        assert problem.form.__qualname__.startswith("_attach_newton")


def test_dolfinx_external_operator() -> None:
    """Its own evaluation gives the same residual and Jacobian; where it is not installed the error says how to get it."""
    law, F, _, _ = own_problem()
    if importlib.util.find_spec("dolfinx_external_operator") is None:
        with pytest.raises(DependencyError, match="pip install dolfinx-external-operator"):
            external_operator(law)
        return
    from dolfinx_external_operator import evaluate_external_operators, evaluate_operands, replace_external_operators

    u, space = law.u, law.u.function_space
    v, du = ufl.TestFunction(space), ufl.TrialFunction(space)
    u.x.array[:] = 0.02 * np.random.default_rng(1).standard_normal(u.x.array.size)
    stress = external_operator(law)
    form = ufl.inner(stress, law.kinematics.variation(u, v)) * law.dx
    J = ufl.algorithms.expand_derivatives(ufl.derivative(form, u, du))
    (replaced, operators), (J_replaced, J_operators) = replace_external_operators(form), replace_external_operators(J)
    operands = evaluate_operands(operators)
    evaluate_external_operators(operators, operands)
    evaluate_external_operators(J_operators, operands)
    law.update()
    ours, theirs = fem.assemble_vector(fem.form(F)).array, fem.assemble_vector(fem.form(replaced)).array
    np.testing.assert_allclose(theirs, ours, atol=1e-10 * np.abs(ours).max())
    matrices = [fem.assemble_matrix(fem.form(a)).to_dense() for a in (J_replaced, law.jacobian(du, v))]
    np.testing.assert_allclose(matrices[0], matrices[1], atol=1e-10 * np.abs(matrices[1]).max())
