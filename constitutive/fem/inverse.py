r"""Derivatives of a solution with respect to the numbers of its law: constants, orientations, stress-free deformations, amplitudes.

With R(u, m) = 0, the stiffness K and the derivative of the residual at fixed displacement,
:math:`\partial R/\partial m_k = \int \partial S/\partial m_k \cdot \delta E`,

.. math::
    \frac{du}{dm_k} = -K^{-1}\frac{\partial R}{\partial m_k}, \qquad
    \frac{dJ}{dm_k} = \frac{\partial J}{\partial m_k} - \lambda\cdot\frac{\partial R}{\partial m_k}, \quad
    K^T\lambda = \frac{\partial J}{\partial u}

The first is one solve for each number, the second one solve for all (Michaleris, Tortorelli & Vidal, Int. J. Numer. Methods Eng. 37
(1994) 2471). Derivatives of the stress are central differences of the law at the quadrature points, exact where the stress is linear in
the number; nothing is compiled for them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
import ufl
from dolfinx import fem, la
from mpi4py import MPI

from constitutive.errors import SolveError
from constitutive.fem.coverage import with_shared_tags
from constitutive.fem.load_path import require_law, solve_linear
from constitutive.fem.problem import Problem
from constitutive.fem.tangent import add_tangents
from constitutive.fem.user_material import UserMaterial

STEP = 1e-4  # of the differences, relative to a number's size or given scale
Make: TypeAlias = Callable[[np.ndarray], UserMaterial]


def sensitivities(
    problem: Problem, law: UserMaterial, make: Make, values: np.ndarray, *, scales: np.ndarray | None = None
) -> list[fem.Function]:
    """Derivatives of the solution with respect to the numbers of a law; collective.

    Parameters
    ----------
    problem : Problem
        Solved.
    law : UserMaterial
        One of its laws.
    make : callable
        Gives a ``UserMaterial`` of the same displacement and options for numbers; take ``kernel="torch"``, which compiles nothing.
    values : array (n,)
        The numbers of the law as it is.
    scales : array (n,), optional
        Sizes of changes that matter; by default those of the values, 1 for zeros.

    Returns
    -------
    list of Function
        du/dm_k, zero at supports.

    Raises
    ------
    SolveError
        The law fails here, what ``make`` gives is another kind of law, or the problem has ties or potentials.
    """
    newton = problem.newton
    newton.require_plain("the sensitivity of the solution")
    changes = _stress_changes(law, make, values, scales)
    _linearise(problem)
    form = _through_stress(problem.form, law, changes)
    found = []
    for k in range(len(values)):
        changes.select(k)
        change = fem.Function(problem.u.function_space, name=f"sensitivity_{k + 1}")
        change.x.array[:] = solve_linear(newton, -_assembled(form, newton.owned))
        found.append(change)
    return found


def gradient(
    problem: Problem, functional: ufl.Form, law: UserMaterial, make: Make, values: np.ndarray, *, scales: np.ndarray | None = None
) -> np.ndarray:
    """Derivative of a functional of the solution with respect to the numbers of a law, by one adjoint solve; collective.

    Parameters
    ----------
    problem : Problem
        Solved.
    functional : ufl.Form
        Of rank 0: a function of the unknown and of the law's stress. The force on a support is ``law.residual(w)`` with w a Function
        that is 1 there.
    law, make, values, scales
        As for ``sensitivities``.

    Returns
    -------
    array (n,)
        The same on all ranks.

    Raises
    ------
    SolveError
        The functional is not a number, the law fails here, what ``make`` gives is another kind of law, or the problem has ties or
        potentials.
    """
    newton = problem.newton
    newton.require_plain("the gradient of a functional")
    if functional.arguments():
        raise SolveError("the functional is a form without test functions, a number: put Functions where it has them")
    changes = _stress_changes(law, make, values, scales)
    _linearise(problem)
    v = ufl.TestFunction(problem.u.function_space)
    slope = add_tangents(ufl.derivative(functional, problem.u, v), functional, problem.laws, problem.u, v)
    adjoint = fem.Function(problem.u.function_space, name="adjoint")
    adjoint.x.array[:] = solve_linear(newton, _assembled(fem.form(with_shared_tags(slope)), newton.owned), transposed=True)
    (test,) = problem.form.arguments()
    residual = fem.form(with_shared_tags(ufl.replace(ufl.derivative(problem.form, law.stress, changes.present), {test: adjoint})))
    direct = None
    if law.stress in functional.coefficients():
        direct = fem.form(with_shared_tags(ufl.derivative(functional, law.stress, changes.present)))
    found = np.zeros(len(values))
    for k in range(len(values)):
        changes.select(k)
        found[k] = -fem.assemble_scalar(residual) + (0.0 if direct is None else fem.assemble_scalar(direct))
    return np.asarray(newton.comm.allreduce(found, op=MPI.SUM))


class _StressChanges:
    """Derivatives of the stress at the points, one of which is in a Function that forms hold."""

    def __init__(self, law: UserMaterial, derivatives: list[np.ndarray]) -> None:
        self.present = fem.Function(law.stress.function_space)
        self._derivatives = derivatives

    def select(self, k: int) -> None:
        self.present.x.array[:] = self._derivatives[k]


def _stress_changes(law: UserMaterial, make: Make, values: np.ndarray, scales: np.ndarray | None) -> _StressChanges:
    values = np.asarray(values, dtype=float)
    sizes = np.where(values == 0.0, 1.0, np.abs(values)) if scales is None else np.asarray(scales, dtype=float)
    if values.ndim != 1 or sizes.shape != values.shape or not np.isfinite(values).all() or not (np.isfinite(sizes) & (sizes > 0)).all():
        raise SolveError("values and scales are finite numbers in one row each, scales positive")
    _require_same(law, _stress(law, make, values))
    derivatives = []
    for k, size in enumerate(STEP * sizes):
        ends = []
        for sign in (1.0, -1.0):
            varied = values.copy()
            varied[k] += sign * size
            ends.append(_stress(law, make, varied))
        derivatives.append((ends[0] - ends[1]) / (2 * size))
    return _StressChanges(law, derivatives)


def _stress(law: UserMaterial, make: Make, values: np.ndarray) -> np.ndarray:
    other = make(values)
    if other.u is not law.u or other.kinematics != law.kinematics or other.points.degree != law.points.degree or other.unit != law.unit:
        raise SolveError("make(values) gives a UserMaterial of the same displacement, strain, plane, unit and quadrature degree as the law")
    other.restore(law.snapshot())
    other.update(tangent=False)
    return np.asarray(other.stress.x.array.copy())


def _require_same(law: UserMaterial, found: np.ndarray) -> None:
    law.update(tangent=False)
    stress = law.stress.x.array
    comm = law.mesh.comm
    off = comm.allreduce(float(np.abs(found - stress).max(initial=0.0)), op=MPI.MAX)
    size = comm.allreduce(float(np.abs(stress).max(initial=0.0)), op=MPI.MAX)
    if not off <= 1e-6 * size:
        raise SolveError(f"make(values) gives another stress than the law has (off by {off:.3g} of {size:.3g}): values are not its numbers")


def _linearise(problem: Problem) -> None:
    require_law(problem.newton, tangent=True)
    problem.newton.assemble_jacobian()


def _through_stress(form: ufl.Form, law: UserMaterial, changes: _StressChanges) -> fem.Form:
    return fem.form(with_shared_tags(ufl.derivative(form, law.stress, changes.present)))


def _assembled(form: fem.Form, owned: int) -> np.ndarray:
    b = fem.assemble_vector(form)
    b.scatter_reverse(la.InsertMode.add)
    return b.array[:owned].copy()
