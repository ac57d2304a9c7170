"""Evaluation of a law from within the user's own solver.

A form with a law in it is an ordinary UFL form; all that any solver has to do besides is to call ``law.update()``
once the iterate is in the displacement and before it assembles. ``tangent.derivative`` gives the Jacobian that goes
with a form, ``attach`` puts the call into DOLFINx's own problems.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Protocol, TypeVar, runtime_checkable

import numpy as np
import ufl
from dolfinx import fem
from mpi4py import MPI
from petsc4py import PETSc

from constitutive.errors import DependencyError, SolveError
from constitutive.fem.faults import Trouble, agree_on_faults, evaluated
from constitutive.fem.newton import set_function_domain_error
from constitutive.fem.user_material import UserMaterial

try:  # it adds a type to UFL, which has to be in its tables before they are first used
    from dolfinx_external_operator import FEMExternalOperator
except ImportError:
    FEMExternalOperator = None


@runtime_checkable
class HasForm(Protocol):
    """A problem for the Newton solver of DOLFINx: its ``form`` is called at each iterate before anything is assembled.

    Attributes
    ----------
    form : callable
        Called with the vector of the iterate.
    """

    form: Callable[[PETSc.Vec], None]


@runtime_checkable
class HasSolver(Protocol):
    """A problem of DOLFINx 0.10 and newer, which owns a SNES.

    Attributes
    ----------
    solver : PETSc.SNES
    """

    solver: PETSc.SNES


P = TypeVar("P")


def attach(problem: P, law: UserMaterial | Sequence[UserMaterial], u: fem.Function | None = None) -> P:
    """Make one of DOLFINx's nonlinear problems evaluate the laws before it assembles.

    Parameters
    ----------
    problem
        ``dolfinx.fem.petsc.NonlinearProblem`` of any version (0.9: attach before the ``NewtonSolver`` is made; from
        0.10 on: one with SNES), or ``NewtonSolverNonlinearProblem``.
    law : UserMaterial or sequence
        Every law in the form.
    u : dolfinx.fem.Function, optional
        The unknown, where it is not simply the law's displacement.

    Returns
    -------
    The problem.

    Raises
    ------
    SolveError
        At once, where the object is none of these; later, on all ranks, where a law fails at an iterate of a Newton
        solver. SNES gets a function-domain error instead, which its line searches recover from.
    """
    laws = [law] if isinstance(law, UserMaterial) else list(law)
    u = laws[0].u if u is None else u
    if not isinstance(u, fem.Function):
        raise SolveError("the law's displacement is an expression: pass u=, the Function that the form is to be solved for")
    if isinstance(problem, HasForm):
        _attach_newton(problem, laws, u)
    elif isinstance(problem, HasSolver):
        _attach_snes(problem.solver, laws, u)
    else:
        raise SolveError(f"{type(problem).__name__} is no nonlinear problem of DOLFINx: call law.update() before you assemble")
    return problem


def _copy(x: PETSc.Vec, u: fem.Function) -> None:
    owned = u.function_space.dofmap.index_map.size_local * u.function_space.dofmap.index_map_bs
    u.x.array[:owned] = x.getArray(readonly=True)[:owned]
    u.x.scatter_forward()


def _update_all(laws: Sequence[UserMaterial], *, tangent: bool) -> Trouble | None:
    """Evaluate the laws and agree on what failed; an error on one rank becomes a failure on all; collective."""
    comm: MPI.Comm = laws[0].mesh.comm
    return agree_on_faults(comm, evaluated([partial(law.update, tangent=tangent) for law in laws], comm.rank))


def _attach_newton(problem: HasForm, laws: Sequence[UserMaterial], u: fem.Function) -> None:
    before = problem.form

    def form(x: PETSc.Vec) -> None:
        before(x)
        _copy(x, u)
        trouble = _update_all(laws, tangent=True)
        if trouble is not None:
            raise SolveError(f"{trouble.outcome.value} ({trouble.message}); take smaller steps")

    problem.form = form


def _attach_snes(snes: PETSc.SNES, laws: Sequence[UserMaterial], u: fem.Function) -> None:
    f, residual = snes.getFunction()
    A, P, jacobian = snes.getJacobian()

    def evaluate_residual(solver: PETSc.SNES, x: PETSc.Vec, b: PETSc.Vec) -> None:
        _copy(x, u)
        # the residual of DOLFINx lifts boundary values by the Jacobian form, so that it needs the tangent too
        if _update_all(laws, tangent=True) is not None:
            b.set(np.nan)
            set_function_domain_error(solver)
            return
        residual[0](solver, x, b, *residual[1], **residual[2])

    def evaluate_jacobian(solver: PETSc.SNES, x: PETSc.Vec, matrix: PETSc.Mat, preconditioner: PETSc.Mat) -> None:
        _copy(x, u)
        _update_all(laws, tangent=True)
        jacobian[0](solver, x, matrix, preconditioner, *jacobian[1], **jacobian[2])

    snes.setFunction(evaluate_residual, f)
    snes.setJacobian(evaluate_jacobian, A, P)


def external_operator(law: UserMaterial) -> ufl.core.external_operator.ExternalOperator:
    """The stress of a law as an operator of ``dolfinx-external-operator``, for use in that package's own way.

    Its operand is the strain (``law.kinematics.strain(u)``, written out so that derivatives reach it), its values are
    the active Mandel components of the stress; a residual is ``inner(operator, law.kinematics.variation(u, v)) * law.dx``.

    Parameters
    ----------
    law : UserMaterial

    Returns
    -------
    FEMExternalOperator
        Values in the law's unit.

    Raises
    ------
    DependencyError
        The package is not installed.
    SolveError
        The law is one of more than the strain.
    """
    if len(law.unknowns) > 1:
        raise SolveError("an external operator is one of the strain alone: for a coupled law call law.update() before you assemble")
    if FEMExternalOperator is None:
        raise DependencyError(
            "dolfinx-external-operator is not installed: `pip install dolfinx-external-operator` (DOLFINx 0.10 and newer)"
        )
    strain = ufl.algorithms.expand_derivatives(law.kinematics.strain(law.u))
    size = len(law.kinematics.active)

    def external(derivatives: tuple[int, ...]) -> Callable[[np.ndarray], np.ndarray]:
        if derivatives == (0,):
            return lambda values: law.evaluate(values, tangent=False).ravel()
        if derivatives == (1,):
            return lambda values: law.evaluate(values, tangent=True).ravel()
        raise SolveError(f"derivatives of order {derivatives} of a stress are not written out: the law gives the first")

    return FEMExternalOperator(strain, function_space=law.points.space((size,)), external_function=external, name="stress")
