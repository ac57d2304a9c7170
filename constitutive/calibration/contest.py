"""Candidates and their trial: cross-validation in rounds, each with fewer candidates and more of the samples."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import final

import numpy as np
from jaxtyping import Float

from constitutive.calibration.folds import FOLDS, PATHLIKE, folds, path_of_samples, typical_error
from constitutive.calibration.network import Shape, fit_network
from constitutive.calibration.series import SeriesFit, fit_series
from constitutive.laws.problem import Problem
from constitutive.tensors.polynomials import invariant_polynomials

UNITS = 768  # |G|·H of the saved law at most
CHANNELS = 48  # H at most: groups with few operations need no more, and time grows with its square
EARLY = 2  # folds of the first rounds
MANY = 100  # samples from which on time is spent on larger networks instead of more of them
RIDGES = (1e-7, 1e-6, 1e-5, 1e-4, 1e-3)
MEASURES = (1.0, 0.0, -1.0)  # exponents of Seth–Hill strains: pair forces are smoother functions of some than of others
FINALISTS = (3, 2)  # candidates of each family that are tried on all folds, of few and of many samples
CHOSEN = (2, 1)  # so many of which stay

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


def candidate_shapes(problem: Problem) -> list[Shape]:
    """Networks of the Green–Lagrange strain worth trying for a group and a number of samples: sizes, ridges, series."""
    g, n = len(problem.rotations), len(problem)
    most = max(min(UNITS // g, CHANNELS, (6 * n) // 9), 1)  # parameters beyond the numbers to fit help nobody
    sizes = sorted({max(most // 4, 1), max(most // 2, 1)}) if n < MANY else [most]
    counts = {d: len(invariant_polynomials(problem.rotations, d)) for d in (2, 3, 4, 5)}
    room = [d for d in (2, 3, 4, 5) if sum(counts[k] for k in range(2, d + 1)) <= 2 * n]
    highest = min(max(room, default=2), 4)
    tops = {highest, highest - 1, 5 if n >= MANY else highest} & {2, *room}
    tops = {highest, max(highest - 1, 2), 5 if n >= MANY else highest} & {2, *room}
    series = [tuple(range(2, top + 1)) for top in sorted(tops)]
    return [Shape(degrees, h, ridge) for degrees in series for h in sizes for ridge in RIDGES]


@final
class Contest:
    """Cross-validation in rounds.

    Parameters
    ----------
    problem
        The samples.
    seed
        Of folds and starts.
    progress
        Told what is tried, and the share done of what the first round promised.
    """

    def __init__(self, problem: Problem, seed: int, progress: Progress):
        self.problem, self.seed, self.progress = problem, seed, progress
        self.parts = folds(problem, FOLDS, seed)
        self.predictions: dict[tuple[Shape, int], list[Float[np.ndarray, "k 6"]]] = {}
        self.done, self.expected = 0, 1

    def run(self, shape: Shape, parts: Iterable[int], starts: int = 1) -> None:
        """Predict some of the left-out parts from so many starts, where that was not done already."""
        for k in parts:
            found = self.predictions.setdefault((shape, k), [])
            for start in range(len(found), starts):
                self.progress(f"cross-validating {shape.label}", 0.05 + 0.5 * min(self.done / self.expected, 1.0))
                rest = self.problem.subset(np.setdiff1d(np.arange(len(self.problem)), self.parts[k]))
                fit = fit_network(rest, shape, self.seed + 1000 * start + k)
                found.append(fit.predict(self.problem.x[self.parts[k]]))
                self.done += 1

    def left_out(self, shape: Shape) -> Float[np.ndarray, "n 6"]:
        """Predictions so far; NaN where there is none."""
        found = np.full_like(self.problem.y, np.nan)
        for k, part in enumerate(self.parts):
            if (shape, k) in self.predictions:
                found[part] = np.mean(self.predictions[shape, k], axis=0)
        return found

    def error(self, shape: Shape) -> float:
        """Relative error on the samples predicted so far."""
        return typical_error(self.problem, self.left_out(shape), self.parts)

    def trials(self, shapes: list[Shape]) -> list[Trial]:
        """The better candidates of each family, best first; a family has one strain measure and one series.

        First the Green–Lagrange strain on some of the folds, then other strain measures near the best ridge of each series; then the
        better ones of each family on all folds. Families err in different ways where the samples end, which folds can't tell: their
        mean is safer than any of them.
        """
        many = len(self.problem) >= MANY
        early, every = range(min(EARLY, len(self.parts))), range(len(self.parts))
        self.expected = 6 * len(shapes)
        for shape in shapes:
            self.run(shape, early)
        turned = self.neighbours(shapes)
        for shape in turned:
            self.run(shape, early)
        left = self.best_of_families([*shapes, *turned], FINALISTS[many])
        for shape in left:
            self.run(shape, every)
        left = self.best_of_families(left, CHOSEN[many])
        for shape in left:
            self.run(shape, every, starts=1 if many else 2)
        found = [Trial(shape.label, self.left_out(shape), self.error(shape), shape, shape.degrees) for shape in left]
        return sorted(found, key=lambda trial: trial.error)

    def best_of_families(self, shapes: Iterable[Shape], count: int) -> list[Shape]:
        """The candidates of the smallest errors within each family."""
        families: dict[tuple[float, tuple[int, ...]], list[Shape]] = {}
        for shape in sorted(shapes, key=self.error):
            families.setdefault((shape.measure, shape.degrees), []).append(shape)
        return [shape for family in families.values() for shape in family[:count]]

    def neighbours(self, shapes: list[Shape]) -> list[Shape]:
        """The same networks of other strain measures, at the ridge that was best for each and at those beside it."""
        found = []
        for degrees, channels in sorted({(shape.degrees, shape.channels) for shape in shapes}):
            alike = [shape for shape in shapes if (shape.degrees, shape.channels) == (degrees, channels)]
            best = min(alike, key=self.error)
            near = [shape for shape in alike if 0.09 < shape.ridge / best.ridge < 11]
            found += [replace(shape, measure=measure) for measure in MEASURES if measure != 1 for shape in near]
        return found


def try_network(problem: Problem, shape: Shape, seed: int) -> Trial:
    """Cross-validate one network, on some of the folds."""
    contest = Contest(problem, seed, lambda _what, _share: None)
    contest.run(shape, range(min(EARLY, len(contest.parts))))
    return Trial(shape.label, contest.left_out(shape), contest.error(shape), shape, shape.degrees)


def try_series(problem: Problem, degrees: tuple[int, ...], seed: int) -> tuple[Trial, SeriesFit]:
    """A series, judged in closed form by leaving each sample out; by whole paths where the samples lie on paths."""
    fit = fit_series(problem, degrees)
    parts, left_out = folds(problem, FOLDS, seed), fit.left_out
    if path_of_samples(problem.x).max() + 1 <= PATHLIKE * len(problem) and len(parts) > 1:
        left_out = np.empty_like(problem.y)
        for part in parts:
            rest = problem.subset(np.setdiff1d(np.arange(len(problem)), part))
            left_out[part] = fit_series(rest, degrees).fit.predict(problem.x[part])
    error = typical_error(problem, left_out, parts)
    return Trial(Shape(degrees, 0, fit.ridge).label, left_out, error, None, degrees), fit


def baseline(problem: Problem, seed: int, *, shapes: int = 3) -> Trial:
    """The unconstrained network, cross-validated likewise: what the same samples give without symmetry."""
    free = problem.ungrouped()
    channels = int(np.clip(6 * len(problem) // 16, 4, 32))
    trials = [try_network(free, Shape((), channels, ridge), seed) for ridge in (1e-4, 1e-5, 1e-3)[:shapes]]
    best = min(trials, key=lambda trial: trial.error)
    return Trial("network without symmetry", best.left_out, best.error, best.shape)
