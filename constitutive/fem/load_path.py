r"""The load path u(t) of a problem: R(u, t) = 0 with dead loads, a load factor and boundary values that grow with t.

Its tangent satisfies :math:`K u' = -\partial R/\partial t` with the rates of the boundary values at the supports.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from dolfinx import fem, la
from mpi4py import MPI

from constitutive.errors import SolveError
from constitutive.fem.faults import Trouble
from constitutive.fem.load_steps import Loading
from constitutive.fem.newton import Newton

FACTOR_STEP = 1e-3  # of the differences with respect to the load factor; dead loads are affine in it


@contextmanager
def at_load(loading: Loading) -> Iterator[None]:
    """Set the load factor to the present part of the load for a while.

    Parameters
    ----------
    loading : Loading

    Yields
    ------
    None

    Raises
    ------
    SolveError
        The problem's loads were changed between solves, so that it has no path from zero.
    """
    if not loading.from_zero:
        raise SolveError("the loads were changed between solves: path tangents need one path from zero load; make a new Problem")
    factor, before = loading.factor, float(loading.factor.value)
    factor.value = loading.load
    try:
        yield
    finally:
        factor.value = before


def require_law(newton: Newton, *, tangent: bool) -> None:
    """Evaluate the laws at the present state; collective.

    Parameters
    ----------
    newton : Newton
    tangent : bool
        Evaluate the tangents too.

    Raises
    ------
    SolveError
        A law fails here.
    """
    trouble: Trouble | None = newton.update_laws(tangent=tangent)
    if trouble is not None:
        raise SolveError(f"the law cannot be evaluated at the present state: {trouble.outcome.value} ({trouble.message})")


def load_rates(loading: Loading) -> tuple[np.ndarray, np.ndarray]:
    """Derivatives of the residual at fixed displacement and of the boundary values with respect to the load factor; collective.

    Parameters
    ----------
    loading : Loading

    Returns
    -------
    force : array
        Owned entries.
    values : array
        Local entries, zero where nothing is prescribed.
    """
    newton, factor = loading.newton, loading.factor
    present, residuals = float(factor.value), []
    for value in (present + FACTOR_STEP, present - FACTOR_STEP):
        factor.value = value
        require_law(newton, tangent=False)
        residuals.append(newton.assemble_residual()[: newton.owned].copy())
    factor.value = present
    require_law(newton, tangent=False)
    values = np.zeros_like(newton.u.x.array)
    held, ends = newton.constrained, newton.boundary_values()
    left = 1.0 - loading.load
    values[held] = ends[held] if left <= 0.0 else (ends[held] - newton.u.x.array[held]) / left
    return (residuals[0] - residuals[1]) / (2 * FACTOR_STEP), values


def path_tangent(loading: Loading) -> np.ndarray:
    """Derivative of the solution with respect to the load at the present state, at which the Jacobian is assembled; collective.

    Parameters
    ----------
    loading : Loading

    Returns
    -------
    array
        Local entries, ghosts included.

    Raises
    ------
    SolveError
        Nothing grows with the load, or the linear solve fails.
    """
    newton = loading.newton
    force, values = load_rates(loading)
    largest = max(np.abs(force).max(initial=0.0), np.abs(values).max(initial=0.0))
    if newton.comm.allreduce(float(largest), op=MPI.MAX) == 0.0:
        raise SolveError("nothing grows with the load: the problem has no dead load, load factor or boundary value that is not zero")
    return solve_linear(newton, -force, values)


def solve_linear(newton: Newton, force: np.ndarray, values: np.ndarray | None = None, *, transposed: bool = False) -> np.ndarray:
    """Solve K x = force with values of x at the supports, with the Jacobian as it is assembled; collective.

    Parameters
    ----------
    newton : Newton
        Its laws are evaluated where the Jacobian was assembled.
    force : array
        Owned entries.
    values : array, optional
        Local entries, of which those at supports count; zero by default.
    transposed : bool
        Solve with the transpose of K, and zero at supports.

    Returns
    -------
    array
        Local entries, ghosts included.

    Raises
    ------
    SolveError
        The linear solver fails.
    """
    b = fem.Function(newton.u.function_space)
    if values is not None:
        x0 = newton.boundary_values() - values
        fem.apply_lifting(b.x.array, [newton.jacobian], [newton.bcs], x0=[x0], alpha=1.0)
        b.x.scatter_reverse(la.InsertMode.add)
    b.x.array[: newton.owned] += force
    held = newton.constrained
    b.x.array[held] = 0.0
    ksp = newton.snes.getKSP()
    ksp.setOperators(newton.A)
    rhs, x = newton.A.createVecLeft(), newton.A.createVecRight()
    rhs.array[:] = newton.reduced_force(b.x.array[: newton.owned])
    if values is not None:
        mine = newton.constrained_and_owned
        rhs.array[mine] = newton.reduced_values(values[: newton.owned])[mine]
    (ksp.solveTranspose if transposed else ksp.solve)(rhs, x)
    failed = ksp.getConvergedReason() < 0 or not np.isfinite(x.array).all()
    b.x.array[: newton.owned] = newton.whole_values(x.array)
    b.x.scatter_forward()
    rhs.destroy()
    x.destroy()
    if newton.comm.allreduce(int(failed), op=MPI.MAX):
        raise SolveError(
            "the linear solver fails with the present stiffness: check that rigid motions are held, and the state for a limit load"
        )
    return b.x.array.copy()
