"""Least-squares fit of a series with a free reference stress that leaves outliers out: residuals, unit of the energy, outliers.

It takes arrays, before any convention of the data is taken for granted: nine rows of S, whose last three are its antisymmetric part
(zero under the right reading).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Bool, Float
from scipy.linalg import lstsq

from constitutive.fitting.polynomial_basis import REFERENCE_STRESS, LaueGroup, design, highest_degree

LEAST_RESIDUAL = 1e-6  # residuals below this are rounding
MOST_OUTLIERS = 0.3
FAR = 8.0  # times the median residual
STIFF = 0.12  # unknowns of the series that looks for outliers, relative to the number of stress components
RESTART_RESIDUAL = 0.05  # residual from which another start is tried
MUCH_BETTER = 3.0
REWEIGHTINGS = 8
AGAIN = 0.25  # STIFF of that start: a better series shows the others clearer
VISIBLE = 0.05  # of the size of the sample's own stress


@final
@dataclass(frozen=True)
class RobustFit:
    """Outcome of a fit.

    Attributes
    ----------
    residual, stress, energy : float
        Relative residual in all, of the stress, and of W (0 without W), over the samples kept.
    slope : float
        W in the file over the energy that belongs to the stress; nan without W.
    kept : ndarray of bool (n,)
        Samples that belong to the fit.
    deviations : ndarray (n,)
        Each sample's residual over the size of its stress (or of its W).
    reference_stress : ndarray (6,)
        Fitted second Piola–Kirchhoff stress at E = 0, Mandel components, in the unit of the file.
    stiffness : float
        Σ S:E / Σ E:E without the reference stress: negative where the sign is turned.
    size : float
        Root mean square over the samples of the norm of S.
    """

    residual: float
    stress: float
    energy: float
    slope: float
    kept: Bool[np.ndarray, " n"]
    deviations: Float[np.ndarray, " n"]
    reference_stress: Float[np.ndarray, " 6"]
    stiffness: float
    size: float


@final
@dataclass(frozen=True, eq=False)
class RawSamples:
    """Strain, stress and energy of samples under one reading of their conventions.

    Attributes
    ----------
    x
        Green–Lagrange strains, Mandel.
    stress
        Second Piola–Kirchhoff stress: six Mandel components, then the three of its antisymmetric part; in the unit of the file.
    energy
        Strain energy per volume in the unit of the file, or None.
    """

    x: Float[np.ndarray, "n 6"]
    stress: Float[np.ndarray, "n 9"]
    energy: Float[np.ndarray, " n"] | None

    def __len__(self) -> int:
        return len(self.x)


def robust_series_fit(samples: RawSamples, group: LaueGroup, degree: int) -> RobustFit:
    """Fit the series, leaving out samples far from the rest, until the choice no longer changes.

    Parameters
    ----------
    samples
        Under one reading.
    group
        The group of the series.
    degree
        Highest power of the strain in the energy.

    Returns
    -------
    RobustFit
    """
    low = min(degree, highest_degree(group, len(samples), limit=4, share=STIFF))
    kept = np.ones(len(samples), dtype=bool)
    for _ in range(12):  # a stiff series first: one with many unknowns bends to the outliers
        chosen = belonging(_fit(samples, group, low, kept).deviations)
        if (chosen == kept).all():
            break
        kept = chosen
    fit = _fit(samples, group, degree, kept)
    if not kept.all() and low < degree:
        kept = kept | belonging(fit.deviations)  # what the better series explains was only far for the stiff one
        fit = _fit(samples, group, degree, kept)
    if fit.residual < RESTART_RESIDUAL:
        return fit
    return _start_again(samples, group, min(degree, highest_degree(group, len(samples), share=AGAIN)), fit)


def _start_again(samples: RawSamples, group: LaueGroup, degree: int, fit: RobustFit) -> RobustFit:
    """The fit from a start in which far samples weigh little (Cauchy's loss), where that is much better: many outliers bend the other."""
    share: np.ndarray = np.ones(len(samples))
    everything = np.ones(len(samples), dtype=bool)
    for _ in range(REWEIGHTINGS):
        deviations = _fit(samples, group, degree, everything, share).deviations
        share = 1 / np.sqrt(1 + (deviations / max(2 * float(np.median(deviations)), 1e-12)) ** 2)
    kept = belonging(deviations)
    other = _fit(samples, group, degree, kept)
    return other if other.residual * MUCH_BETTER < fit.residual else fit


def plain_series_fit(samples: RawSamples, group: LaueGroup, degree: int) -> RobustFit:
    """The same fit with every sample kept: fast, for choosing among many groups.

    Parameters
    ----------
    samples : RawSamples
    group : LaueGroup
    degree : int
        Highest power of the strain in the energy.

    Returns
    -------
    RobustFit
    """
    return _fit(samples, group, degree, np.ones(len(samples), dtype=bool))


def belonging(deviations: Float[np.ndarray, " n"]) -> Bool[np.ndarray, " n"]:
    """Samples that are not far from the rest; at least 70 % of them.

    Parameters
    ----------
    deviations : array (n,)
        Residual of each sample over the size of its stress.

    Returns
    -------
    bool array (n,)
    """
    limit = max(FAR * float(np.median(deviations)), VISIBLE)
    chosen = deviations <= limit
    if chosen.mean() < 1 - MOST_OUTLIERS:
        chosen = deviations <= np.quantile(deviations, 1 - MOST_OUTLIERS)
    return chosen


def _fit(
    samples: RawSamples,
    group: LaueGroup,
    degree: int,
    kept: Bool[np.ndarray, " n"],
    share: Float[np.ndarray, " n"] | None = None,
) -> RobustFit:
    x, S9 = samples.x, samples.stress
    size = np.sqrt((x * x).sum(1))
    scale = float(np.sqrt((size * size).mean())) or 1.0
    weights = (1.0 if share is None else share) / (size / scale + 0.5)
    matrices = design(group, x, degree, scale)
    p = matrices.stress.shape[2]
    rows = (matrices.stress * weights[:, None, None])[kept].reshape(-1, p)
    target = (S9[:, :6] * weights[:, None])[kept].reshape(-1)
    solution = lstsq(rows, target, cond=1e-9, lapack_driver="gelsy", check_finite=False)
    coefficients = np.asarray(solution[0])
    rest = np.concatenate([S9[:, :6] - matrices.stress @ coefficients, S9[:, 6:]], 1)
    freedom = max(len(rows) - int(solution[2]), 1) / len(rows)
    rms = float(np.sqrt((S9[kept] ** 2).sum(1).mean())) or 1.0
    weighted = weights[:, None]
    stress = float(np.sqrt(((rest * weighted)[kept] ** 2).sum() / max(((S9 * weighted)[kept] ** 2).sum(), 1e-300) / freedom))
    own = np.sqrt((rest**2).sum(1)) / (np.sqrt((S9**2).sum(1)) + 0.3 * rms)
    energy, slope, own_energy = _energy(samples, matrices.energy, coefficients, weights, kept)
    E = x[kept] - x[kept].mean(0)
    S = S9[kept][:, :6]
    stiffness = float((S * E).sum() / max((E * E).sum(), 1e-300))
    residual = max(float(np.hypot(stress, energy)), LEAST_RESIDUAL)
    deviations = np.maximum(own, own_energy)
    return RobustFit(residual, stress, energy, slope, kept, deviations, coefficients[:REFERENCE_STRESS], stiffness, rms)


def _energy(
    samples: RawSamples,
    B: Float[np.ndarray, "n p"],
    coefficients: Float[np.ndarray, " p"],
    weights: Float[np.ndarray, " n"],
    kept: Bool[np.ndarray, " n"],
) -> tuple[float, float, Float[np.ndarray, " n"]]:
    """Residual of W against the energy that belongs to the stress, with free unit and offset; slope; each sample's part."""
    none, W = np.zeros(len(samples)), samples.energy
    if W is None or kept.sum() < 4:
        return 0.0, float("nan"), none
    squared = weights * weights
    best = (np.inf, float("nan"), none)
    spread = squared * (W - np.average(W[kept], weights=squared[kept] ** 2))
    size, half = max((spread[kept] ** 2).sum(), 1e-300), 0.5 * float(np.std(W[kept]))
    for first in (0, REFERENCE_STRESS):  # with and without the work of the reference stress
        predicted = B[:, first:] @ coefficients[first:]
        columns = np.stack([predicted, np.ones(len(predicted))], 1) * squared[:, None]
        a, b = np.linalg.lstsq(columns[kept], (squared * W)[kept], rcond=None)[0]
        rest = W - a * predicted - b
        residual = float(np.sqrt(((squared * rest)[kept] ** 2).sum() / size))
        if residual < best[0]:
            own = np.abs(rest) / (np.abs(W - b) + half + 1e-300)
            best = (residual, float(a), own)
    return best


def reference_stress_error(samples: RawSamples, group: LaueGroup, degree: int, fit: RobustFit) -> float:
    """Standard error of the fitted stress at zero strain (its norm), in the unit of the file; infinite where no strain determines it.

    Parameters
    ----------
    samples
        That the fit was made of.
    group, degree
        Of its series.
    fit
        The fit: which samples it kept, and its residual.

    Returns
    -------
    float
        In the unit of the file's stress.
    """
    size = np.sqrt((samples.x**2).sum(1))
    scale = float(np.sqrt((size * size).mean())) or 1.0
    weights = 1.0 / (size / scale + 0.5)
    A = (design(group, samples.x, degree, scale).stress * weights[:, None, None])[fit.kept]
    A = A.reshape(-1, A.shape[2])
    _, singular, right = np.linalg.svd(A, full_matrices=True)
    singular = np.concatenate([singular, np.zeros(len(right) - len(singular))])
    determined = singular > 1e-9 * singular[0]
    if np.abs(right[~determined][:, :REFERENCE_STRESS]).max(initial=0.0) > 1e-6:
        return float("inf")
    target = (samples.stress[:, :6] * weights[:, None])[fit.kept]
    deviation = fit.stress * float(np.sqrt((target**2).mean()))  # of one weighted component, degrees of freedom taken into account
    spread = right[determined][:, :REFERENCE_STRESS] / singular[determined][:, None]
    return deviation * float(np.sqrt((spread**2).sum()))
