r"""The linear half of a law: posterior, known constants, ellipticity.

For fixed directions the law is linear in its outer parameters θ (amplitudes and series coefficients). Stresses, elastic constants and
the acoustic tensor are then rows times θ, so that anchors and an ellipticity penalty are rows of one least-squares problem

.. math:: \min_\theta |\Phi\theta - y|^2 + \lambda |\theta - \theta_0|^2 + \sum_k \omega_k^2 (c_k \theta - \bar c_k)^2
          + \mu \sum_j (\delta - d_j \theta)_+^2

with θ₀ the fit without them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, final

import numpy as np
import torch
from jaxtyping import Float

from constitutive.calibration.distil import random_strains
from constitutive.elasticity import ellipticity
from constitutive.elasticity.constants import ENGINEERING, elastic_constants, independent_places, name_of, voigt_of_polynomial
from constitutive.errors import CalibrationError
from constitutive.fitting.polynomial_basis import PolynomialBasis
from constitutive.fitting.problem import FitProblem
from constitutive.fitting.series_network import SeriesNetworkFit
from constitutive.fitting.uncertainty import LEVELS, Uncertainty
from constitutive.laws import Domain, Law
from constitutive.tensors.packing import from_mandel, to_mandel

RIDGES = tuple(10.0**k for k in range(-9, 0))


@final
@dataclass(frozen=True, eq=False)
class Outer:
    """A fit seen as linear in its outer parameters."""

    fit: SeriesNetworkFit
    problem: FitProblem

    def columns(self, x: Float[np.ndarray, "n 6"]) -> Float[np.ndarray, "n 6 k"]:
        """Stress of each outer parameter at one, in units of the fit."""
        return self.fit.columns(x)

    @cached_property
    def design(self) -> Float[np.ndarray, "n 6 k"]:
        """Φ at the samples, in the norm of the fit."""
        return np.einsum("nij,njk->nik", self.problem.norm, self.columns(self.problem.x))

    @cached_property
    def unit_laws(self) -> list[Law]:
        """The law of each outer parameter at one (GPa)."""
        return [self.fit.with_linear_parameters(row).law() for row in np.eye(len(self.fit.linear_parameters))]

    def constants(self, order: int) -> tuple[list[str], Float[np.ndarray, "m k"]]:
        """Names of the independent constants of an order, and the rows (GPa) that give them from θ."""
        places = independent_places(self.problem.rotations, order)
        zero = torch.zeros(6, dtype=torch.float64)
        tables = [law.derivative_mandel(zero, order).numpy() for law in self.unit_laws]
        factors = [np.prod(ENGINEERING[list(place)]) for place in places]
        rows = [[table[place] / factor for table in tables] for place, factor in zip(places, factors, strict=True)]
        return [name_of(place) for place in places], np.array(rows).reshape(len(places), -1)

    def place_row(self, place: tuple[int, ...]) -> Float[np.ndarray, " k"]:
        """The row of one constant by its Voigt indices (from 0)."""
        zero = torch.zeros(6, dtype=torch.float64)
        factor = float(np.prod(ENGINEERING[list(place)]))
        return np.array([float(law.derivative_mandel(zero, len(place))[place]) / factor for law in self.unit_laws])

    def solve(self, rows: Float[np.ndarray, "m k"], targets: Float[np.ndarray, " m"], ridge: float) -> SeriesNetworkFit:
        """θ with further rows (already weighted) beside the data, held to the present θ by the ridge."""
        A = np.concatenate([self.design.reshape(-1, len(self.fit.linear_parameters)), rows])
        b = np.concatenate([self.problem.normed(self.problem.y).ravel() / self.fit.unit, targets])
        rest = b - A @ self.fit.linear_parameters
        change = np.linalg.solve(A.T @ A + ridge * np.eye(A.shape[1]), A.T @ rest)
        return self.fit.with_linear_parameters(self.fit.linear_parameters + change)


def anchored(outer: Outer, anchors: Mapping[str, Any], noise: float) -> SeriesNetworkFit:
    """Fit known constants beside the samples.

    Parameters
    ----------
    anchors
        Names such as ``"C11"`` or ``"C112"`` (Brugger) with value and standard error (GPa).
    noise
        Standard error of one stress component of the data, in units of the fit.

    Raises
    ------
    CalibrationError
        A name is no constant of order 2 or 3, or an error is not positive.
    """
    rows, targets = [], []
    for name, pair in anchors.items():
        place = _place(name)
        value, error = _pair(name, pair)
        weight = noise / error
        rows.append(weight * outer.place_row(place))
        targets.append(weight * value)
    return outer.solve(np.array(rows), np.array(targets), 1e-7)


def _place(name: str) -> tuple[int, ...]:
    digits = str(name).removeprefix("C")
    if len(digits) not in (2, 3) or any(d not in "123456" for d in digits):
        raise CalibrationError(f"anchor {name!r} found; names of second- or third-order constants such as C11 or C123 are needed")
    return tuple(int(d) - 1 for d in digits)


def _pair(name: str, pair: Any) -> tuple[float, float]:
    try:
        value, error = (float(number) for number in pair)
    except (TypeError, ValueError) as problem:
        raise CalibrationError(f"anchor {name}: {pair!r} found; value and standard error (GPa) are needed") from problem
    if not (np.isfinite(value) and np.isfinite(error) and error > 0):
        raise CalibrationError(f"anchor {name}: {pair!r} found; a finite value and a positive standard error (GPa) are needed")
    return value, error


def made_elliptic(outer: Outer, domain: Domain, *, margin: float = 0.02, rounds: int = 25, seed: int = 0) -> tuple[SeriesNetworkFit, float]:
    """Penalise the loss of strong ellipticity at random strains of the domain until there is none.

    Parameters
    ----------
    outer
        The fit to change.
    domain
        Where the law shall be elliptic.
    margin
        Wanted minimum of the acoustic tensor, relative to its minimum at zero strain.
    rounds
        Of finding violations and solving again; the penalty grows tenfold every five rounds.

    Returns
    -------
    The fit, and the smallest eigenvalue left among the strains that were looked at (GPa).
    """
    F = _stretches(domain, 200, seed)
    fit, unit = outer.fit, outer.fit.unit
    lowest = ellipticity(fit.law(), np.eye(3)[None]).minimum[0]
    wanted = margin * max(lowest, 0.01 * unit)
    rows: list[np.ndarray] = []
    found = ellipticity(fit.law(), F, directions=80)
    for k in range(rounds):
        bad = np.nonzero(found.minimum < wanted)[0]
        if not len(bad):
            break
        rows += [_acoustic_row(outer, F[j], found.direction[j], found.polarisation[j]) for j in bad[np.argsort(found.minimum[bad])][:40]]
        D = np.array(rows)
        active = D @ fit.linear_parameters < 2 * wanted
        weight = 10.0 ** (k // 5) * 0.3 / max(float(np.abs(D).max()), 1e-300)
        fit = outer.solve(weight * D[active], np.full(int(active.sum()), weight * 2 * wanted), 1e-7)
        found = ellipticity(fit.law(), F, directions=80)
    return fit, float(found.minimum.min())


def _stretches(domain: Domain, count: int, seed: int) -> Float[np.ndarray, "n 3 3"]:
    x = random_strains(domain, count, np.random.default_rng(seed), uniform_size=False)
    values, vectors = np.linalg.eigh(np.eye(3) + 2 * from_mandel(x))
    inside = values[:, 0] > 0.02
    roots = np.sqrt(values[inside])
    return np.einsum("nij,nj,nkj->nik", vectors[inside], roots, vectors[inside])


def _acoustic_row(outer: Outer, F: np.ndarray, N: np.ndarray, m: np.ndarray) -> np.ndarray:
    """m⊗N : dP/dF : m⊗N of each unit law: N·S N + v·(dS/dE) v with v the symmetric part of Fᵀm ⊗ N."""
    E = (F.T @ F - np.eye(3)) / 2
    x = torch.from_numpy(np.asarray(to_mandel(E))[None].copy())
    pulled = np.outer(F.T @ m, N)
    v = torch.from_numpy(np.asarray(to_mandel((pulled + pulled.T) / 2)).copy())
    n = torch.from_numpy(np.asarray(to_mandel(np.outer(N, N))).copy())
    return np.array([float(law.stress_mandel(x)[0] @ n + v @ law.tangent_mandel(x)[0] @ v) for law in outer.unit_laws])


def uncertainty_of(outer: Outer, left_out: Float[np.ndarray, "n 6"]) -> Uncertainty:
    """Posterior over θ with the ridge and the quantiles that the errors of left-out samples ask for.

    The variance of a left-out sample follows from the posterior with it, :math:`(1 - H)^{-1} H` with H its 6×6 block of the hat matrix.

    Parameters
    ----------
    outer
        The law.
    left_out
        Stresses (Mandel, GPa) of the samples predicted without them.
    """
    problem, fit = outer.problem, outer.fit
    n, _, k = outer.design.shape
    A = outer.design.reshape(6 * n, k)
    errors = problem.normed(left_out - problem.y)
    _, s, Vt = np.linalg.svd(A, full_matrices=False)
    best: tuple[float, np.ndarray, np.ndarray] | None = None
    for ridge in RIDGES:
        factor = Vt.T / np.sqrt(s**2 + ridge * s[0] ** 2)
        variance = _left_out_variance(outer.design, factor)
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
    left_out = np.linalg.solve((1 + 1e-9) * np.eye(6) - hat, hat)
    diagonal = np.einsum("nii->ni", left_out)
    return np.maximum(diagonal, 1e-12 * diagonal.max())


def constants_with_errors(outer: Outer, posterior: Uncertainty, spread: list[SeriesNetworkFit]) -> dict[str, dict[str, list[float]]]:
    """Independent constants of order 2, 3, 4: value and standard error from data (posterior) and model (spread of other fits)."""
    result = {}
    for order in (2, 3, 4):
        names, rows = outer.constants(order)
        values = rows @ outer.fit.linear_parameters
        data = np.sqrt(np.sum((rows / outer.fit.unit @ posterior.factor) ** 2, axis=1)) * posterior.multiple(0.68)
        different = [_constants_of(fit, outer, order, rows) - values for fit in spread]
        model = np.sqrt(np.mean(np.square(different), axis=0)) if different else np.zeros(len(values))
        errors = np.hypot(data, model)
        result[str(order)] = {name: [float(v), float(e)] for name, v, e in zip(names, values, errors, strict=True)}
    return result


def _constants_of(fit: SeriesNetworkFit, outer: Outer, order: int, rows: Float[np.ndarray, "m k"]) -> Float[np.ndarray, " m"]:
    """The constants of another fit: by the same rows where only its linear parameters differ."""
    if fit.directions is outer.fit.directions and fit.basis is outer.fit.basis:
        return rows @ fit.linear_parameters
    table = elastic_constants(fit.law(), order)
    return np.array([table[place] for place in independent_places(outer.problem.rotations, order)])


def rank_of_data(problem: FitProblem, noise: float) -> dict[str, dict[str, object]]:
    """Which combinations of constants the samples fix.

    A combination counts as fixed where its standard error, for stress errors of ``noise`` (relative to the rms stress), stays below
    half of the typical size of the terms of its order. Lower orders are fitted along.

    Returns
    -------
    For each order 2, 3, 4: the number fixed, the number there is, and the combinations left open by name.
    """
    features = PolynomialBasis(problem.rotations, (2, 3, 4), problem.scale)
    degree = features.degree_of_column
    A = np.einsum("nij,njk->nik", problem.norm, features(problem.x)).reshape(-1, len(degree))
    result: dict[str, dict[str, object]] = {}
    for order in (2, 3, 4):
        lower, own = A[:, degree < order], A[:, degree == order]
        if lower.shape[1]:
            own = own - lower @ np.linalg.lstsq(lower, own, rcond=1e-10)[0]
        _, s, Vt = np.linalg.svd(own, full_matrices=len(own) < own.shape[1])
        s = np.concatenate([s, np.zeros(own.shape[1] - len(s))])
        open_rows = Vt[s < 2 * max(noise, 1e-6)]
        result[str(order)] = {"fixed": int(own.shape[1] - len(open_rows)), "of": int(own.shape[1])}
        if len(open_rows):
            result[str(order)]["open"] = _open_names(features, order, open_rows)
    return result


def _open_names(features: PolynomialBasis, order: int, rows: np.ndarray) -> list[str]:
    """Each open combination by the constants that take part in it most."""
    places = independent_places(features.rotations, order)
    basis = features.energy[features.degrees.index(order)]
    texts = []
    for row in rows:
        table = voigt_of_polynomial(row @ basis, order)
        values = np.array([table[place] for place in places])
        top = np.argsort(-np.abs(values))[:4]
        largest = np.abs(values).max()
        texts.append(" ".join(f"{values[k] / largest:+.2f} {name_of(places[k])}" for k in top if abs(values[k]) > 0.05 * largest))
    return texts
