"""The fit under one reading, with samples that do not belong left out: residuals, unit ratio, reference stress, outliers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from scipy.linalg import lstsq

from constitutive.data import StressStrainData
from constitutive.intake.hypotheses import Hypothesis, reading
from constitutive.intake.search import FLOOR, map_of, stress_rows
from constitutive.intake.series import CONSTANTS, Group, design, highest_degree

MOST_OUTLIERS = 0.3
FAR = 8.0  # times the median residual
STIFF = 0.12  # unknowns of the series that looks for outliers, relative to the number of stress components
POOR = 0.05  # residual from which another start is tried
MUCH_BETTER = 3.0
REWEIGHTINGS = 8
AGAIN = 0.25  # STIFF of that start: a better series shows the others clearer
VISIBLE = 0.05  # of the size of the sample's own stress


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
        Fitted second Piola-Kirchhoff stress at E = 0, Mandel components, in the unit of the file.
    stiffness : float
        sum S:E / sum E:E without the reference stress: negative where the sign is turned.
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


def robust_fit(data: StressStrainData, hypothesis: Hypothesis, group: Group, degree: int) -> RobustFit:
    """Fit the series under one reading, leaving out samples far from the rest, until the choice no longer changes."""
    read = reading(data, hypothesis.deformation, hypothesis.measure, hypothesis.frame)
    S9 = np.einsum("nai,ij,nj->na", read.to_second, map_of(hypothesis), stress_rows(data))
    low = min(degree, highest_degree(group, len(data), limit=4, share=STIFF))
    kept = np.ones(len(data), dtype=bool)
    for _ in range(12):  # a stiff series first: one with many unknowns bends to the outliers
        chosen = belonging(_fit(data, read.x, S9, group, low, kept).deviations)
        if (chosen == kept).all():
            break
        kept = chosen
    fit = _fit(data, read.x, S9, group, degree, kept)
    if not kept.all() and low < degree:
        kept = kept | belonging(fit.deviations)  # what the better series explains was only far for the stiff one
        fit = _fit(data, read.x, S9, group, degree, kept)
    return (
        fit
        if fit.residual < POOR
        else _start_again(data, read.x, S9, group, min(degree, highest_degree(group, len(data), share=AGAIN)), fit)
    )


def _start_again(
    data: StressStrainData, x: Float[np.ndarray, "n 6"], S9: Float[np.ndarray, "n 9"], group: Group, degree: int, fit: RobustFit
) -> RobustFit:
    """The fit from a start in which far samples weigh little (Cauchy's loss), where that is much better: many outliers bend the other."""
    share: np.ndarray = np.ones(len(data))
    everything = np.ones(len(data), dtype=bool)
    for _ in range(REWEIGHTINGS):
        deviations = _fit(data, x, S9, group, degree, everything, share).deviations
        share = 1 / np.sqrt(1 + (deviations / max(2 * float(np.median(deviations)), 1e-12)) ** 2)
    kept = belonging(deviations)
    other = _fit(data, x, S9, group, degree, kept)
    return other if other.residual * MUCH_BETTER < fit.residual else fit


def plain_fit(data: StressStrainData, hypothesis: Hypothesis, group: Group, degree: int) -> RobustFit:
    """The same fit with every sample kept: fast, for choosing among many groups."""
    read = reading(data, hypothesis.deformation, hypothesis.measure, hypothesis.frame)
    S9 = np.einsum("nai,ij,nj->na", read.to_second, map_of(hypothesis), stress_rows(data))
    return _fit(data, read.x, S9, group, degree, np.ones(len(data), dtype=bool))


def belonging(deviations: Float[np.ndarray, " n"]) -> Bool[np.ndarray, " n"]:
    """Samples that are not far from the rest; at least 70 % of them."""
    limit = max(FAR * float(np.median(deviations)), VISIBLE)
    chosen = deviations <= limit
    if chosen.mean() < 1 - MOST_OUTLIERS:
        chosen = deviations <= np.quantile(deviations, 1 - MOST_OUTLIERS)
    return chosen


def _fit(
    data: StressStrainData,
    x: Float[np.ndarray, "n 6"],
    S9: Float[np.ndarray, "n 9"],
    group: Group,
    degree: int,
    kept: Bool[np.ndarray, " n"],
    share: Float[np.ndarray, " n"] | None = None,
) -> RobustFit:
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
    energy, slope, own_energy = _energy(data, matrices.energy, coefficients, weights, kept)
    E = x[kept] - x[kept].mean(0)
    S = S9[kept][:, :6]
    stiffness = float((S * E).sum() / max((E * E).sum(), 1e-300))
    residual = max(float(np.hypot(stress, energy)), FLOOR)
    deviations = np.maximum(own, own_energy)
    return RobustFit(residual, stress, energy, slope, kept, deviations, coefficients[:CONSTANTS], stiffness, rms)


def _energy(
    data: StressStrainData,
    B: Float[np.ndarray, "n p"],
    coefficients: Float[np.ndarray, " p"],
    weights: Float[np.ndarray, " n"],
    kept: Bool[np.ndarray, " n"],
) -> tuple[float, float, Float[np.ndarray, " n"]]:
    """Residual of W against the energy that belongs to the stress, with free unit and offset; slope; each sample's part."""
    none = np.zeros(len(data))
    if data.W is None or kept.sum() < 4:
        return 0.0, float("nan"), none
    squared = weights * weights
    best = (np.inf, float("nan"), none)
    for first in (0, CONSTANTS):  # with and without the work of the reference stress
        predicted = B[:, first:] @ coefficients[first:]
        columns = np.stack([predicted, np.ones(len(predicted))], 1) * squared[:, None]
        a, b = np.linalg.lstsq(columns[kept], (squared * data.W)[kept], rcond=None)[0]
        rest = data.W - a * predicted - b
        spread = squared * (data.W - np.average(data.W[kept], weights=squared[kept] ** 2))
        residual = float(np.sqrt(((squared * rest)[kept] ** 2).sum() / max((spread[kept] ** 2).sum(), 1e-300)))
        if residual < best[0]:
            own = np.abs(rest) / (np.abs(data.W - b) + 0.5 * float(np.std(data.W[kept])) + 1e-300)
            best = (residual, float(a), own)
    return best
