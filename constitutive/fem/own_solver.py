"""The hook inside the user's own solver.

A form with a law in it is an ordinary UFL form; all that any solver has to do besides is to call ``law.update()``
once the iterate is in the displacement and before it assembles. ``derivative`` gives the Jacobian that goes with a
form, ``attach`` puts the call into DOLFINx's own problems.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import ufl

from constitutive.errors import DependencyError, SolveError
from constitutive.fem.newton import agree_on_faults, set_function_domain_error
from constitutive.fem.user_material import Faults, UserMaterial

try:  # it adds a type to UFL, whose tables have to know it before they are first used
    from dolfinx_external_operator import FEMExternalOperator
except ImportError:
    FEMExternalOperator = None


def derivative(form: Any, law: UserMaterial | Sequence[UserMaterial], u: Any = None, du: Any = None) -> Any:
    """Jacobian of a form with laws in it: UFL's derivative of what UFL sees, and the laws' tangents.

    Parameters
    ----------
    form : ufl.Form
        A residual with ``law.residual(v)`` in it.
    law : UserMaterial or sequence
        Every law in the form.
    u : dolfinx.fem.Function, optional
        The unknown, where it is not simply the law's displacement.
    du : ufl.Argument, optional
        Direction; a trial function of the unknown's space where not given.
    """
    laws = [law] if isinstance(law, UserMaterial) else list(law)
    u = laws[0].u if u is None else u
    du = ufl.TrialFunction(u.function_space) if du is None else du
    (v,) = form.arguments()
    return add_tangents(ufl.derivative(form, u, du), laws, u, du, v)


def add_tangents(jacobian: Any, laws: Sequence[UserMaterial], u: Any, du: Any, v: Any) -> Any:
    """Add the laws' tangents to the derivative that UFL sees."""
    for law in laws:
        whole = law.u is u
        direction = du if whole else ufl.derivative(law.u, u, du)
        test = v if whole else ufl.derivative(law.u, u, v)
        jacobian = jacobian + law.material_jacobian(direction, test)
    return jacobian


def attach(problem: Any, law: UserMaterial | Sequence[UserMaterial], u: Any = None) -> Any:
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
    if hasattr(problem, "form"):
        _attach_newton(problem, laws, u)
    elif hasattr(problem, "solver"):
        _attach_snes(problem.solver, laws, u)
    else:
        raise SolveError(f"{type(problem).__name__} is no nonlinear problem of DOLFINx: call law.update() before you assemble")
    return problem


def _copy(x: Any, u: Any) -> None:
    owned = u.function_space.dofmap.index_map.size_local * u.function_space.dofmap.index_map_bs
    u.x.array[:owned] = x.getArray(readonly=True)[:owned]
    u.x.scatter_forward()


def _attach_newton(problem: Any, laws: Sequence[UserMaterial], u: Any) -> None:
    before = problem.form

    def form(x: Any) -> None:
        before(x)
        _copy(x, u)
        for law in laws:
            require_no_faults(law, law.update())

    problem.form = form


def _attach_snes(snes: Any, laws: Sequence[UserMaterial], u: Any) -> None:
    f, residual = snes.getFunction()
    A, P, jacobian = snes.getJacobian()

    def failed(*, tangent: bool) -> bool:
        faults = [law.update(tangent=tangent) for law in laws]
        return any(agree_on_faults(law.mesh.comm, fault) is not None for law, fault in zip(laws, faults, strict=True))

    def evaluate_residual(solver: Any, x: Any, b: Any) -> None:
        _copy(x, u)
        # the residual of DOLFINx lifts boundary values by the Jacobian form, so that it needs the tangent too
        if failed(tangent=True):
            b.set(np.nan)
            set_function_domain_error(solver)
            return
        residual[0](solver, x, b, *residual[1], **residual[2])

    def evaluate_jacobian(solver: Any, x: Any, matrix: Any, preconditioner: Any) -> None:
        _copy(x, u)
        failed(tangent=True)
        jacobian[0](solver, x, matrix, preconditioner, *jacobian[1], **jacobian[2])

    snes.setFunction(evaluate_residual, f)
    snes.setJacobian(evaluate_jacobian, A, P)


def require_no_faults(law: UserMaterial, faults: Faults) -> None:
    """Raise on all ranks where the law failed on any.

    Raises
    ------
    SolveError
        With the cell, point and strain of the worst point.
    """
    trouble = agree_on_faults(law.mesh.comm, faults)
    if trouble is not None:
        raise SolveError(f"{trouble.outcome.value} ({trouble.message}); take smaller steps")


def external_operator(law: UserMaterial) -> Any:
    """The stress of a law as an operator of ``dolfinx-external-operator``, for use in that package's own way.

    Its operand is the strain (``law.measure.strain(u)``, written out so that derivatives reach it), its values are
    the active Mandel components of the stress; a residual is ``inner(operator, law.measure.variation(u, v)) * law.dx``.

    Raises
    ------
    DependencyError
        The package is not installed.
    """
    if FEMExternalOperator is None:
        raise DependencyError(
            "dolfinx-external-operator is not installed: `pip install dolfinx-external-operator` (DOLFINx 0.10 and newer)"
        )
    strain = ufl.algorithms.expand_derivatives(law.measure.strain(law.u))
    size = len(law.measure.active)

    def external(derivatives: tuple[int, ...]) -> Any:
        if derivatives == (0,):
            return lambda values: law.evaluate(values, tangent=False).ravel()
        if derivatives == (1,):
            return lambda values: law.evaluate(values, tangent=True).ravel()
        raise SolveError(f"derivatives of order {derivatives} of a stress are not written out: the law gives the first")

    return FEMExternalOperator(strain, function_space=law.points.space((size,)), external_function=external, name="stress")
