r"""Predictions of samples left out, without fitting again: in closed form for a series, to first order for a network.

The fit of a series is linear. With the singular value decomposition of its columns the ridge solution and its hat matrix H cost nothing
more for each ridge λ, and the error at sample n of the fit without it is :math:`(1 - H_{nn})^{-1} r_n`, where :math:`H_{nn}` is the 6×6
block of the sample (Golub, Heath & Wahba, Technometrics 21 (1979) 215, generalised from rows to blocks of rows); theory, eq. (24).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np
import scipy.linalg
from jaxtyping import Float

from constitutive.fitting.levenberg_marquardt import STEPS
from constitutive.fitting.polynomial_basis import PolynomialBasis
from constitutive.fitting.problem import FitProblem
from constitutive.fitting.series_network import SeriesNetworkFit, SeriesNetworkResidual, Shape
from constitutive.tensors.polynomials import invariant_counts

SERIES_RIDGES = tuple(10.0**k for k in range(-12, 1, 2))  # relative to the largest singular value, squared
PATH_RIDGES = tuple(10.0**k for k in range(-4, 1))  # where groups are left out: a path hardly excites the directions beside it
ROUNDING = 1e-9  # added to 1 − H, so that it can be inverted where a sample alone fixes a parameter


@final
@dataclass(frozen=True, eq=False)
class SeriesFit:
    """A series fitted to all samples, with its left-out predictions.

    Attributes
    ----------
    fit
        On all samples.
    left_out
        For each sample the stress S (Mandel, GPa) predicted without it.
    ridge
        The ridge chosen, relative to the largest singular value squared.
    """

    fit: SeriesNetworkFit
    left_out: Float[np.ndarray, "n 6"]
    ridge: float

    @property
    def degrees(self) -> tuple[int, ...]:
        """Powers of the strain in the energy."""
        return self.fit.basis.degrees


def fit_series(problem: FitProblem, degrees: tuple[int, ...], groups: list[np.ndarray] | None = None) -> SeriesFit:
    """Ridge fit of the series of some degrees, its ridge the best on samples left out.

    Parameters
    ----------
    problem
        The samples.
    degrees
        Powers of the strain in the energy, at least 2.
    groups
        Disjoint groups of all samples that are left out together; each sample alone when not given.

    Returns
    -------
    The fit with the left-out prediction of every sample.
    """
    basis = PolynomialBasis(problem.rotations, degrees, problem.scale)
    columns = design_matrix(problem, basis)
    n, _, k = columns.shape
    target = problem.normed(problem.y).ravel() / problem.unit
    U, s, Vt = np.linalg.svd(columns.reshape(6 * n, k), full_matrices=False)
    project = U.T @ target
    ridges = SERIES_RIDGES if groups is None else PATH_RIDGES
    trials = [ridge_trial(U, s, project, target, ridge, n, groups) for ridge in ridges]
    most = len(ridges)
    best = min(range(most), key=lambda k: float((trials[k][1] ** 2).sum()) * (1 - 1e-3 * k / most))
    filtered, errors = trials[best]
    coefficients = Vt.T @ (filtered / np.maximum(s, 1e-300) * project)
    predicted = problem.y - np.linalg.solve(problem.norm, errors[:, :, None] * problem.unit)[:, :, 0]
    misfit = float(np.linalg.norm(target - columns.reshape(6 * n, k) @ coefficients) / np.linalg.norm(target))
    none = np.zeros((0, 6)), np.zeros(0), np.zeros(0)
    fit = SeriesNetworkFit(*none, coefficients, basis, problem.group, problem.unit, misfit)
    return SeriesFit(fit, predicted, ridges[best])


def design_matrix(problem: FitProblem, basis: PolynomialBasis) -> Float[np.ndarray, "n 6 k"]:
    """Stress of each polynomial at the samples, in the norm of the fit.

    Parameters
    ----------
    problem : FitProblem
    basis : PolynomialBasis

    Returns
    -------
    array (n, 6, k)
        Columns Φ multiplied by the norm of each sample.
    """
    return np.einsum("nij,njk->nik", problem.norm, basis(problem.x))


def ridge_trial(
    U: np.ndarray, s: np.ndarray, project: np.ndarray, target: np.ndarray, ridge: float, n: int, groups: list[np.ndarray] | None = None
) -> tuple[np.ndarray, Float[np.ndarray, "n 6"]]:
    """Filter factors of one ridge, and each sample's error when left out.

    Parameters
    ----------
    U, s
        Left singular vectors and singular values of the columns.
    project
        Uᵀ times the target.
    target
        Stresses to fit, six a sample.
    ridge
        Relative to the largest singular value squared.
    n
        Number of samples.
    groups
        Samples left out together; each alone when not given.

    Returns
    -------
    s²/(s² + λ s₀²), and the errors (n, 6) in units of the target.
    """
    filtered = s**2 / (s**2 + ridge * s[0] ** 2)
    residual = target - U @ (filtered * project)
    rows = U.reshape(n, 6, -1)
    if groups is not None:
        errors = np.empty((n, 6))
        for group in groups:
            part = rows[group].reshape(6 * len(group), -1)
            complement = (1 + ROUNDING) * np.eye(len(part)) - (part * filtered) @ part.T
            errors[group] = np.linalg.solve(complement, residual.reshape(n, 6)[group].ravel()).reshape(-1, 6)
        return filtered, errors
    hat = np.einsum("nik,k,njk->nij", rows, filtered, rows)
    complement = (1 + ROUNDING) * np.eye(6) - hat
    return filtered, np.linalg.solve(complement, residual.reshape(n, 6, 1))[:, :, 0]


def series_choices(problem: FitProblem, highest: int = 6, share: float = 0.7) -> list[tuple[int, ...]]:
    """Degree sets 2…d whose columns stay below a share of the numbers to fit; always at least degree 2.

    Parameters
    ----------
    problem : FitProblem
    highest : int
        Largest degree considered.
    share : float
        Largest ratio of unknowns to stress components.

    Returns
    -------
    list of tuple
        (2,), (2, 3), (2, 3, 4), …
    """
    choices, columns, counts = [], 0, invariant_counts(problem.rotations, highest)
    for degree in range(2, highest + 1):
        columns += counts[degree]
        if degree > 2 and columns > share * 6 * len(problem):
            break
        choices.append(tuple(range(2, degree + 1)))
    return choices


def fit_and_leave_out(
    problem: FitProblem, shape: Shape, seed: int, groups: list[np.ndarray], *, steps: int = STEPS, start: SeriesNetworkFit | None = None
) -> tuple[SeriesNetworkFit, Float[np.ndarray, "n 6"]]:
    """Fit a series + network, and predict each group of samples without it, to first order.

    As for a linear fit with the Jacobian in the place of the columns: the error of a group left out is
    :math:`(1 - H_{gg})^{-1} r_g`, :math:`H = J (J^T J + α)^{-1} J^T` (Cook & Weisberg 1982, *Residuals and Influence in Regression*,
    ch. 5; as approximate cross-validation: Giordano et al., AISTATS 2019, arXiv:1806.00550); theory, eq. (24).

    Parameters
    ----------
    problem, shape, seed, steps
        As for :func:`fit_network`.
    groups
        Disjoint groups that make up all samples.
    start
        A fit of this shape to go on from.

    Returns
    -------
    The fit, and S (Mandel, GPa) of every sample predicted without its group.
    """
    equations = SeriesNetworkResidual(problem.in_seth_hill_strain(shape.strain_exponent), shape, None, seed)
    first = None if start is None else np.concatenate([start.directions.ravel(), start.biases, start.linear_parameters])
    minimum = equations.minimise(steps, first)
    theta = minimum.parameters
    residual, jacobian = equations.linearised(theta)
    errors = left_out_errors(jacobian, residual, equations.ridge, groups)
    predicted = problem.y + np.linalg.solve(problem.norm, errors[:, :, None] * problem.unit)[:, :, 0]
    return equations.fit(minimum), predicted


def left_out_errors(
    J: Float[np.ndarray, "m k"], residual: Float[np.ndarray, " m"], ridge: Float[np.ndarray, " k"], groups: list[np.ndarray]
) -> Float[np.ndarray, "n 6"]:
    """Errors of each group of samples by a fit without it, to first order: (1 − H)⁻¹ r in blocks of the hat matrix.

    Parameters
    ----------
    J, residual
        Jacobian and residual of all samples, six rows a sample.
    ridge
        Of each parameter.
    groups
        Numbers of the samples left out at a time.

    Returns
    -------
    array (n, 6)
        In the order of the samples, in the norm of the residual.
    """
    rest = residual.reshape(-1, 6)
    curvature = J.T @ J
    curvature[np.diag_indices_from(curvature)] += ridge
    lower = scipy.linalg.cholesky(curvature, lower=True, check_finite=False)
    rows = scipy.linalg.solve_triangular(lower, J.T, lower=True, check_finite=False).T.reshape(len(rest), 6, -1)
    if all(len(group) == 1 for group in groups):
        complement = (1 + ROUNDING) * np.eye(6) - rows @ rows.transpose(0, 2, 1)
        return np.linalg.solve(complement, rest[:, :, None])[:, :, 0]
    errors = np.empty_like(rest)
    for group in groups:
        part = rows[group].reshape(6 * len(group), -1)
        complement = (1 + ROUNDING) * np.eye(len(part)) - part @ part.T
        errors[group] = np.linalg.solve(complement, rest[group].ravel()).reshape(-1, 6)
    return errors
