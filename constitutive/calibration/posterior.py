"""Posterior over the linear parameters of a law; elastic constants with errors, and which of them the samples determine."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float

from constitutive.calibration.linear_parameters import LinearParameters
from constitutive.elasticity.constants import constants_of_polynomials, elastic_constants, independent_places, name_of, voigt_of_polynomial
from constitutive.fitting import FitProblem, PolynomialBasis, SeriesNetworkFit, Uncertainty
from constitutive.fitting.leave_one_out import ROUNDING, design_matrix
from constitutive.fitting.uncertainty import LEVELS

POSTERIOR_RIDGES = tuple(10.0**k for k in range(-9, 0))  # relative to the largest singular value, squared


def uncertainty_of(parameters: LinearParameters, left_out: Float[np.ndarray, "n 6"]) -> Uncertainty:
    """Posterior over θ with the ridge and the quantiles that the errors of left-out samples determine.

    The variance of a left-out sample follows from the posterior with it, :math:`(1 - H)^{-1} H` with H its 6×6 block of the hat matrix.

    Parameters
    ----------
    parameters
        The law.
    left_out
        Stresses (Mandel, GPa) of the samples predicted without them.

    Returns
    -------
    Uncertainty
    """
    problem, fit = parameters.problem, parameters.fit
    n, _, k = parameters.design.shape
    A = parameters.design.reshape(6 * n, k)
    errors = problem.normed(left_out - problem.y)
    _, s, Vt = np.linalg.svd(A, full_matrices=False)
    best: tuple[float, np.ndarray, np.ndarray] | None = None
    for ridge in POSTERIOR_RIDGES:
        factor = Vt.T / np.sqrt(s**2 + ridge * s[0] ** 2)
        variance = _left_out_variance(parameters.design, factor)
        size = np.mean(errors**2 / variance)
        score = 0.5 * np.mean(np.log(variance * size))
        if best is None or score < best[0]:
            best = (score, factor * np.sqrt(size), np.abs(errors) / np.sqrt(variance * size))
    _, factor, ratios = best if best is not None else (0.0, np.zeros((k, 1)), np.ones(1))
    quantiles = np.quantile(ratios, LEVELS)
    return Uncertainty(fit.directions, fit.biases, fit.basis, factor, quantiles)


def _left_out_variance(design: np.ndarray, factor: np.ndarray) -> Float[np.ndarray, "n 6"]:
    rows = design @ factor
    hat = rows @ rows.transpose(0, 2, 1)
    left_out = np.linalg.solve((1 + ROUNDING) * np.eye(6) - hat, hat)
    diagonal = np.einsum("nii->ni", left_out)
    return np.maximum(diagonal, 1e-12 * diagonal.max())


def constants_with_errors(
    parameters: LinearParameters, posterior: Uncertainty, spread: list[SeriesNetworkFit], undetermined: Mapping[str, list[str]]
) -> dict[str, dict[str, list[float | None]]]:
    """Independent constants of order 2, 3, 4 (GPa): value and standard error.

    Parameters
    ----------
    parameters
        The law.
    posterior
        The part of the error that stems from the samples.
    spread
        Other fits: their root mean square difference is the part that stems from the choice of law.
    undetermined
        Names by order that the samples do not determine: their error is None, and their value is the law's extrapolation.

    Returns
    -------
    dict
        By order ("2", "3", "4"), then by name.
    """
    result = {}
    for order in (2, 3, 4):
        names, rows = parameters.constants(order)
        values = rows @ parameters.fit.linear_parameters
        data = np.sqrt(np.sum((rows / parameters.fit.unit @ posterior.factor) ** 2, axis=1)) * posterior.multiple(0.68)
        different = [_constants_of(fit, parameters, order, rows) - values for fit in spread]
        model = np.sqrt(np.mean(np.square(different), axis=0)) if different else np.zeros(len(values))
        errors = np.hypot(data, model)
        unknown = undetermined.get(str(order), []) if np.any(rows) else names  # a law without terms of this order determines none
        result[str(order)] = {
            name: [float(v), None if name in unknown else float(e)] for name, v, e in zip(names, values, errors, strict=True)
        }
    return result


def _constants_of(
    fit: SeriesNetworkFit, parameters: LinearParameters, order: int, rows: Float[np.ndarray, "m k"]
) -> Float[np.ndarray, " m"]:
    """The constants of another fit: by the same rows where only its linear parameters differ."""
    if fit.directions is parameters.fit.directions and fit.basis is parameters.fit.basis:
        return rows @ fit.linear_parameters
    table = elastic_constants(fit.law(), order)
    return np.array([table[place] for place in independent_places(parameters.problem.rotations, order)])


def rank_of_data(problem: FitProblem, noise: float) -> dict[str, dict[str, object]]:
    """Which combinations of constants the samples fix.

    A combination counts as fixed where its standard error, for stress errors of ``noise`` (relative to the rms stress), stays below
    half of the typical size of the terms of its order. Lower orders are fitted along.

    Parameters
    ----------
    problem : FitProblem
    noise : float
        Relative error of the stress.

    Returns
    -------
    For each order 2, 3, 4: the number fixed, the number there is, and the combinations left open by name.
    """
    basis = _basis(problem)
    result: dict[str, dict[str, object]] = {}
    for order in (2, 3, 4):
        s, Vt = _singular(problem, basis, order)
        open_rows = Vt[s < 2 * max(noise, 1e-6)]
        result[str(order)] = {"fixed": int(len(s) - len(open_rows)), "of": len(s)}
        if len(open_rows):
            result[str(order)]["open"] = _open_names(basis, order, open_rows)
    return result


def undetermined_constants(problem: FitProblem, noise: float) -> dict[str, list[str]]:
    """Names of the constants of order 2, 3, 4 that the samples do not determine; orders without any are absent.

    The rule is that of :func:`rank_of_data`, for single constants: the standard error, for stress errors of ``noise`` (relative to the rms
    stress), exceeds half of the constant's typical size.

    Parameters
    ----------
    problem
        The samples.
    noise
        Relative error of the stress.

    Returns
    -------
    dict
        Names by order.
    """
    basis = _basis(problem)
    result = {}
    for order in (2, 3, 4):
        s, Vt = _singular(problem, basis, order)
        places = independent_places(basis.rotations, order)
        rows = constants_of_polynomials(basis.energy[basis.degrees.index(order)], basis.rotations, order)
        errors = max(noise, 1e-6) * np.linalg.norm(rows @ Vt.T / np.maximum(s, 1e-12), axis=1)
        unknown = [name_of(place) for place, row, error in zip(places, rows, errors, strict=True) if error > 0.5 * np.linalg.norm(row)]
        if unknown:
            result[str(order)] = unknown
    return result


def _basis(problem: FitProblem) -> PolynomialBasis:
    return PolynomialBasis(problem.rotations, (2, 3, 4), problem.scale)


def _singular(problem: FitProblem, basis: PolynomialBasis, order: int) -> tuple[np.ndarray, np.ndarray]:
    """Singular values and right vectors of the columns of an order, lower orders fitted along."""
    degree = basis.degree_of_column
    A = design_matrix(problem, basis).reshape(-1, len(degree))
    lower, own = A[:, degree < order], A[:, degree == order]
    if lower.shape[1]:
        own = own - lower @ np.linalg.lstsq(lower, own, rcond=1e-10)[0]
    _, s, Vt = np.linalg.svd(own, full_matrices=len(own) < own.shape[1])
    return np.concatenate([s, np.zeros(own.shape[1] - len(s))]), Vt


def _open_names(basis: PolynomialBasis, order: int, rows: np.ndarray) -> list[str]:
    """Each open combination by the constants that take part in it most."""
    places = independent_places(basis.rotations, order)
    polynomials = basis.energy[basis.degrees.index(order)]
    texts = []
    for row in rows:
        table = voigt_of_polynomial(row @ polynomials, order)
        values = np.array([table[place] for place in places])
        top = np.argsort(-np.abs(values))[:4]
        largest = np.abs(values).max()
        texts.append(" ".join(f"{values[k] / largest:+.2f} {name_of(places[k])}" for k in top if abs(values[k]) > 0.05 * largest))
    return texts
