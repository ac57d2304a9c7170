r"""Numbers of a law from measured displacements and forces of one test: least squares over solves, with error bars.

With measurements :math:`d_i` of standard errors :math:`\sigma_i` and :math:`J_{ik} = \sigma_i^{-1}\,\partial d_i/\partial m_k` (by
``sensitivities`` and ``gradient``) the numbers minimise :math:`\chi^2 = \sum_i (d_i - d_i(m))^2/\sigma_i^2` by Gauss–Newton steps; their
covariance is :math:`(J^T J)^{-1}` (Avril et al., Exp. Mech. 48 (2008) 381, on full-field methods). The singular vectors of J, its
columns scaled by sizes of the numbers, are the combinations that the test sees, each with its own error; those whose error is larger than a
number itself are not seen, and stay what they were at the start.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import ufl
from dolfinx import fem
from jaxtyping import Float
from mpi4py import MPI

from constitutive.errors import SolveError
from constitutive.fem.inverse import Make, gradient, sensitivities
from constitutive.fem.problem import Problem
from constitutive.fem.user_material import UserMaterial

LARGEST_ERROR = 1.0  # of a combination that counts as seen, relative to the sizes of the numbers
SETTLED = 1e-2  # of the error bars: a smaller step ends the iteration
ITERATIONS = 20


@dataclass(frozen=True)
class MeasuredForce:
    """A measured number that is a functional of the solution, such as the force on a grip.

    Attributes
    ----------
    functional : ufl.Form
        Of rank 0; ``law.residual(w)`` with a Function w that is 1 at the grip is the force there.
    value : float
        What was measured, in the unit of the functional.
    error : float
        Its standard error.
    """

    functional: ufl.Form
    value: float
    error: float


@dataclass(frozen=True)
class Identified:
    """Numbers of a law with their errors, and what the test could not see.

    Attributes
    ----------
    values : array (n,)
    errors : array (n,)
        Standard errors; infinite for a number in a combination that the test does not see.
    combinations : array (n, n)
        Rows are unit vectors over the numbers in units of their sizes, the best seen first.
    combination_errors : array (n,)
        Standard error of each, relative to the sizes.
    chi2 : float
        Sum of the squares of the misfits over their standard errors, divided by the measurements less the combinations seen: about 1
        where errors are what they are said to be and the law can describe the test.
    iterations : int
    """

    values: Float[np.ndarray, " n"]
    errors: Float[np.ndarray, " n"]
    combinations: Float[np.ndarray, "n n"]
    combination_errors: Float[np.ndarray, " n"]
    chi2: float
    iterations: int

    @property
    def unseen(self) -> Float[np.ndarray, "m n"]:
        """Combinations that the test does not see, one in a row."""
        return self.combinations[self.combination_errors > LARGEST_ERROR]


def identify(
    problem: Problem,
    law: UserMaterial,
    make: Make,
    start: Sequence[float] | np.ndarray,
    measured: fem.Function,
    error: float,
    *,
    where: np.ndarray | None = None,
    forces: Sequence[MeasuredForce] = (),
    scales: np.ndarray | None = None,
) -> Identified:
    """Numbers of a law for which the solution fits measured displacements and forces; collective.

    Parameters
    ----------
    problem : Problem
        The test: its loads and supports. Afterwards its law has the numbers found.
    law : UserMaterial
        The law in it whose numbers are sought.
    make : callable
        Gives a ``UserMaterial`` of the same displacement and options for numbers, as for ``sensitivities``.
    start : sequence of float or array (n,)
        First guess.
    measured : Function
        Displacements, in the space of the unknown.
    error : float
        Standard error of one component at one node, in the mesh's unit of length.
    where : int array, optional
        Local degrees of freedom that were measured; all that are free by default.
    forces : sequence of MeasuredForce
    scales : array (n,), optional
        Sizes of the numbers; by default those of the start, 1 for zeros.

    Returns
    -------
    Identified

    Raises
    ------
    SolveError
        Errors or shapes are not usable, a solve fails, or the iteration does not settle in 20 steps.
    """
    values = np.array(start, dtype=float)
    sizes = np.where(values == 0.0, 1.0, np.abs(values)) if scales is None else np.asarray(scales, dtype=float)
    free = np.setdiff1d(np.arange(problem.newton.owned), problem.newton.constrained) if where is None else np.asarray(where)
    free = free[free < problem.newton.owned]
    if not all(np.isfinite(e) and e > 0 for e in (error, *(force.error for force in forces))):
        raise SolveError("standard errors are positive and finite: of displacements in the unit of length, of forces in that of the form")
    if measured.x.array.size != problem.u.x.array.size:
        raise SolveError("measured= is a Function in the space of the unknown: interpolate the measured field into it")
    count = problem.mesh.comm.allreduce(len(free), op=MPI.SUM) + len(forces)
    before = np.inf
    for iteration in range(1, ITERATIONS + 1):
        _replace(law, make(values))
        problem.solve().require()
        J, misfit = _linearised(problem, law, make, values, sizes, (measured, error, free), forces)
        normal, slope, chi2 = _summed(problem, J, misfit)
        found = np.linalg.eigh(normal)
        squares, directions = found.eigenvalues[::-1], found.eigenvectors.T[::-1]
        deviations = 1 / np.sqrt(np.maximum(squares, 1e-300))
        seen = deviations <= LARGEST_ERROR
        if not seen.any():
            raise SolveError("the test sees none of the numbers: its displacements and forces change by less than their errors")
        step = sizes * (directions[seen].T @ ((directions[seen] @ slope) / squares[seen]))
        if (np.abs(directions[seen] @ (step / sizes)) <= SETTLED * deviations[seen]).all():
            variances = np.where(seen, deviations**2, np.inf)[:, None]
            errors = sizes * np.sqrt((directions**2 * variances).sum(axis=0, where=directions**2 > 1e-12))
            return Identified(values, errors, directions, deviations, chi2 / max(count - int(seen.sum()), 1), iteration)
        values = values + step * (0.5 if chi2 > 1.5 * before else 1.0)
        before = chi2
    raise SolveError(f"the numbers did not settle in {ITERATIONS} steps (χ² = {chi2:.3g}): start closer, or take smaller loads")


def _replace(law: UserMaterial, other: UserMaterial) -> None:
    """Give a law the regions of another of the same points."""
    law.regions = law.evaluation.regions = other.regions
    law.forget()


def _linearised(
    problem: Problem,
    law: UserMaterial,
    make: Make,
    values: np.ndarray,
    sizes: np.ndarray,
    field: tuple[fem.Function, float, np.ndarray],
    forces: Sequence[MeasuredForce],
) -> tuple[np.ndarray, np.ndarray]:
    """Slopes in the scaled numbers and misfits, both over the errors; those of forces on the first rank."""
    measured, error, free = field
    changes = sensitivities(problem, law, make, values, scales=sizes)
    rows = [np.column_stack([change.x.array[free] for change in changes]) * sizes / error]
    misfits = [(measured.x.array[free] - problem.u.x.array[free]) / error]
    comm = problem.mesh.comm
    for force in forces:
        slope = gradient(problem, force.functional, law, make, values, scales=sizes)
        value = comm.allreduce(fem.assemble_scalar(fem.form(force.functional)), op=MPI.SUM)
        if comm.rank == 0:
            rows.append((slope * sizes / force.error)[None])
            misfits.append(np.array([(force.value - value) / force.error]))
    return np.concatenate(rows), np.concatenate(misfits)


def _summed(problem: Problem, J: np.ndarray, misfit: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    comm = problem.mesh.comm
    parts = (J.T @ J, J.T @ misfit, np.array(misfit @ misfit))
    normal, slope, chi2 = (comm.allreduce(part, op=MPI.SUM) for part in parts)
    return normal, slope, float(chi2)
