r"""Series of invariant polynomials by ridge regression in closed form, judged by leaving one sample out in closed form.

With the singular value decomposition of the columns the ridge solution and its hat matrix H cost nothing more for each ridge λ, and
the error at sample n of the fit without it follows without refitting: :math:`(1 - H_{nn})^{-1} r_n`, where :math:`H_{nn}` is the 6×6
block of the sample (Golub, Heath & Wahba, Technometrics 21 (1979) 215, generalised from rows to blocks of rows).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Float

from constitutive.laws.features import SeriesFeatures
from constitutive.laws.problem import Problem

RIDGES = tuple(10.0**k for k in range(-12, 1, 2))  # relative to the largest singular value, squared


@final
@dataclass(frozen=True, eq=False)
class LeftOut:
    """A series fitted to all samples, with its left-out predictions.

    Attributes
    ----------
    features
        The columns.
    coefficients
        Of the columns, in units of the problem's stress.
    prediction
        For each sample the stress (Mandel, GPa) predicted without it.
    ridge
        The ridge chosen.
    misfit
        Relative error on the samples fitted.
    """

    features: SeriesFeatures
    coefficients: Float[np.ndarray, " k"]
    prediction: Float[np.ndarray, "n 6"]
    ridge: float
    misfit: float


def leave_one_out(problem: Problem, degrees: tuple[int, ...]) -> LeftOut:
    """Best ridge fit of the series of some degrees."""
    features = SeriesFeatures(problem.rotations, degrees, problem.scale)
    columns = np.einsum("nij,njk->nik", problem.norm, features(problem.x))
    n, _, k = columns.shape
    target = problem.measured(problem.y).ravel() / problem.unit
    U, s, Vt = np.linalg.svd(columns.reshape(6 * n, k), full_matrices=False)
    project = U.T @ target
    trials = [ridge_trial(U, s, project, target, ridge, n) for ridge in RIDGES]
    best = min(range(len(RIDGES)), key=lambda k: float((trials[k][1] ** 2).sum()) * (1 - 1e-3 * k / len(RIDGES)))
    filtered, errors = trials[best]
    coefficients = Vt.T @ (filtered / np.maximum(s, 1e-300) * project)
    predicted = problem.y - np.linalg.solve(problem.norm, errors[:, :, None] * problem.unit)[:, :, 0]
    misfit = float(np.linalg.norm(target - columns.reshape(6 * n, k) @ coefficients) / np.linalg.norm(target))
    return LeftOut(features, coefficients, predicted, RIDGES[best], misfit)


def ridge_trial(
    U: np.ndarray, s: np.ndarray, project: np.ndarray, target: np.ndarray, ridge: float, n: int
) -> tuple[np.ndarray, Float[np.ndarray, "n 6"]]:
    """Filter factors of one ridge, and each sample's error when left out (in units of the problem)."""
    filtered = s**2 / (s**2 + ridge * s[0] ** 2)
    residual = target - U @ (filtered * project)
    rows = U.reshape(n, 6, -1)
    hat = np.einsum("nik,k,njk->nij", rows, filtered, rows)
    rest = (1 + 1e-9) * np.eye(6) - hat
    return filtered, np.linalg.solve(rest, residual.reshape(n, 6, 1))[:, :, 0]


def series_choices(problem: Problem, highest: int = 6, share: float = 0.7) -> list[tuple[int, ...]]:
    """Degree sets 2…d whose columns stay below a share of the numbers to fit; always at least degree 2."""
    from constitutive.tensors.polynomials import invariant_polynomials

    choices, columns = [], 0
    for degree in range(2, highest + 1):
        columns += len(invariant_polynomials(problem.rotations, degree))
        if degree > 2 and columns > share * 6 * len(problem):
            break
        choices.append(tuple(range(2, degree + 1)))
    return choices
