"""Candidates: which networks are tried, and the errors of a series on samples left out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Float

from constitutive.calibration.cross_validation import Split, predicted_without
from constitutive.calibration.effort import FULL, MANY, Effort
from constitutive.fitting import FitProblem, SeriesFit, Shape, fit_network, fit_series
from constitutive.tensors.polynomials import invariant_counts

UNITS = 768  # |G|·H of the saved law at most
CHANNELS = 48  # H at most: groups with few operations need no more, and time grows with its square
NETWORK_RIDGES = (1e-7, 1e-6, 1e-5, 1e-4, 1e-3)
FAR_SERIES = ((), (2,))  # for paths of large strain: what grows faster than the strain explodes where there is no sample
FAR_NETWORK_RIDGES = (1e-4, 3e-4, 1e-3, 3e-3)
AMPLITUDE_RIDGE_FACTORS = (1.0, 100.0)

Progress = Callable[[str, float], None]  # called with what is being done and the fraction done


@final
@dataclass(frozen=True, eq=False)
class Candidate:
    """One law and its predictions for samples that it had not seen.

    Attributes
    ----------
    label
        For tables.
    left_out
        Stress S (Mandel, GPa).
    error
        Relative, over all samples.
    shape
        Of the network, or None for a series.
    degrees
        Powers of the strain in the series.
    """

    label: str
    left_out: Float[np.ndarray, "n 6"]
    error: float
    shape: Shape | None
    degrees: tuple[int, ...] = ()


def candidate_shapes(problem: FitProblem, *, far_apart: bool, effort: Effort = FULL) -> list[Shape]:
    """Networks of the Green–Lagrange strain to be tried for a group and a number of samples: sizes, ridges, series.

    Parameters
    ----------
    problem
        The samples.
    far_apart
        Whether they lie on paths of large strain.
    effort
        How many ridges are tried, and how many kinds of networks on paths.

    Returns
    -------
    list of Shape
    """
    g, n = len(problem.rotations), len(problem)
    most = max(min(UNITS // g, CHANNELS, (6 * n) // 9), 1)  # more parameters than numbers to fit do not help
    sizes = sorted({max(most // 4, 1), max(most // 2, 1)}) if n < MANY or far_apart else [most]
    if far_apart:
        ridges, sizes = (FAR_NETWORK_RIDGES, sizes) if effort.thorough else (FAR_NETWORK_RIDGES[::2], sizes[-1:])
        return [Shape(degrees, h, ridge) for degrees in FAR_SERIES for h in sizes for ridge in ridges]
    counts = invariant_counts(problem.rotations, 5)
    possible = [d for d in (2, 3, 4, 5) if sum(counts[k] for k in range(2, d + 1)) <= 2 * n]
    highest = min(max(possible, default=2), 4)
    tops = {highest, max(highest - 1, 2), 5 if n >= MANY else highest} & {2, *possible}
    series = [tuple(range(2, top + 1)) for top in sorted(tops)]
    factors = AMPLITUDE_RIDGE_FACTORS if n < MANY else AMPLITUDE_RIDGE_FACTORS[:1]
    return [
        Shape(degrees, h, ridge, amplitude_ridge_factor=factor)
        for degrees in series
        for h in sizes
        for factor in factors
        for ridge in NETWORK_RIDGES[: effort.ridges]
    ]


def refitted(problem: FitProblem, shape: Shape, parts: list[np.ndarray], seed: int) -> Float[np.ndarray, "n 6"]:
    """Each part of the samples predicted by a network fitted to the others, from a start of its own.

    Parameters
    ----------
    problem : FitProblem
    shape : Shape
    parts : list of int array
        Samples that are left out together.
    seed : int
        Of the first start; one more for each part.

    Returns
    -------
    array (n, 6)
        S, Mandel (GPa).
    """
    return predicted_without(problem, parts, lambda rest, k: fit_network(rest, shape, seed + k))


def try_series(problem: FitProblem, degrees: tuple[int, ...], split: Split) -> tuple[Candidate, SeriesFit]:
    """A series, judged in closed form by leaving each sample out; each fold where the samples lie on paths.

    Parameters
    ----------
    problem
        The samples.
    degrees
        Powers of the strain in the energy.
    split
        How the samples are left out.

    Returns
    -------
    candidate : Candidate
    fit : SeriesFit
    """
    fit = fit_series(problem, degrees, split.folds if split.on_paths and len(split.folds) > 1 else None)
    label = Shape(degrees, 0, fit.ridge).label
    return Candidate(label, fit.left_out, split.error(problem, fit.left_out), None, degrees), fit
