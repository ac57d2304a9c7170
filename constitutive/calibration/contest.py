"""Candidates: which networks are tried, what series and the network without symmetry make of samples left out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Float

from constitutive.calibration.folds import FOLDS, far_apart, folds, on_paths, predicted_without, typical_error
from constitutive.fitting.leave_one_out import SeriesFit, fit_series
from constitutive.fitting.problem import FitProblem
from constitutive.fitting.series_network import Shape, fit_network
from constitutive.tensors.polynomials import invariant_polynomials

UNITS = 768  # |G|·H of the saved law at most
CHANNELS = 48  # H at most: groups with few operations need no more, and time grows with its square
EARLY = 2  # folds on which the network without symmetry is judged
MANY = 100  # samples from which on time is spent on larger networks instead of more of them
RIDGES = (1e-7, 1e-6, 1e-5, 1e-4, 1e-3)
FAR_SERIES = ((), (2,))  # for paths of large strain: what grows faster than the strain explodes where there is no sample
FAR_RIDGES = (1e-4, 3e-4, 1e-3, 3e-3)
SPARING = (1.0, 100.0)  # ridge of the amplitudes relative to the others

Progress = Callable[[str, float], None]


@final
@dataclass(frozen=True, eq=False)
class Trial:
    """One candidate and its predictions for samples that it had not seen.

    Attributes
    ----------
    label
        For tables.
    left_out
        Stress (Mandel, GPa).
    error
        Relative, over all samples.
    shape
        Of the network, or None for a series.
    """

    label: str
    left_out: Float[np.ndarray, "n 6"]
    error: float
    shape: Shape | None
    degrees: tuple[int, ...] = ()


def candidate_shapes(problem: FitProblem) -> list[Shape]:
    """Networks of the Green–Lagrange strain worth trying for a group and a number of samples: sizes, ridges, series."""
    g, n = len(problem.rotations), len(problem)
    most = max(min(UNITS // g, CHANNELS, (6 * n) // 9), 1)  # parameters beyond the numbers to fit help nobody
    far = far_apart(problem)
    sizes = sorted({max(most // 4, 1), max(most // 2, 1)}) if n < MANY or far else [most]
    if far:
        return [Shape(degrees, h, ridge) for degrees in FAR_SERIES for h in sizes for ridge in FAR_RIDGES]
    counts = {d: len(invariant_polynomials(problem.rotations, d)) for d in (2, 3, 4, 5)}
    room = [d for d in (2, 3, 4, 5) if sum(counts[k] for k in range(2, d + 1)) <= 2 * n]
    highest = min(max(room, default=2), 4)
    tops = {highest, max(highest - 1, 2), 5 if n >= MANY else highest} & {2, *room}
    series = [tuple(range(2, top + 1)) for top in sorted(tops)]
    sparing = SPARING if n < MANY else SPARING[:1]
    return [Shape(degrees, h, ridge, amplitude_ridge_factor=s) for degrees in series for h in sizes for s in sparing for ridge in RIDGES]


def try_network(problem: FitProblem, shape: Shape, seed: int) -> Trial:
    """Cross-validate one network, on some of the folds."""
    parts = folds(problem, FOLDS, seed)
    left_out = refitted(problem, shape, parts[:EARLY], seed)
    return Trial(shape.label, left_out, typical_error(problem, left_out, parts), shape, shape.degrees)


def refitted(problem: FitProblem, shape: Shape, parts: list[np.ndarray], seed: int) -> Float[np.ndarray, "n 6"]:
    """Each part of the samples predicted by a network fitted to the others, from a start of its own."""
    return predicted_without(problem, parts, lambda rest, k: fit_network(rest, shape, seed + k))


def try_series(problem: FitProblem, degrees: tuple[int, ...], seed: int) -> tuple[Trial, SeriesFit]:
    """A series, judged in closed form by leaving each sample out; by whole paths where the samples lie on paths."""
    fit = fit_series(problem, degrees)
    parts, left_out = folds(problem, FOLDS, seed), fit.left_out
    if on_paths(problem) and len(parts) > 1:
        left_out = predicted_without(problem, parts, lambda rest, _: fit_series(rest, degrees).fit)
    error = typical_error(problem, left_out, parts)
    return Trial(Shape(degrees, 0, fit.ridge).label, left_out, error, None, degrees), fit


def baseline(problem: FitProblem, seed: int, *, shapes: int = 3) -> Trial:
    """The unconstrained network, cross-validated likewise: what the same samples give without symmetry."""
    free = problem.ungrouped()
    channels = int(np.clip(6 * len(problem) // 16, 4, 32))
    trials = [try_network(free, Shape((), channels, ridge), seed) for ridge in (1e-4, 1e-5, 1e-3)[:shapes]]
    best = min(trials, key=lambda trial: trial.error)
    return Trial("network without symmetry", best.left_out, best.error, best.shape)
