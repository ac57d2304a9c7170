"""Which samples are left out in turn, and the error of a law on them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Float

from constitutive.fitting import FitProblem, SeriesNetworkFit

FOLDS = 4
PATHLIKE = 0.5  # fewer directions of strain than this share of the samples: they lie on paths


@final
@dataclass(frozen=True, eq=False)
class Split:
    """How the samples of a problem are left out; made once for a calibration.

    Attributes
    ----------
    folds
        Disjoint parts of the samples, of like size.
    groups
        What is left out at a time where that needs no further fit: each sample, or each path where the samples lie on paths.
    on_paths
        Whether the samples lie on few directions of strain, so that a sample has neighbours on its path.
    far_apart
        Whether these are paths of large strain: between them and beyond them polynomials go astray.
    """

    folds: list[np.ndarray]
    groups: list[np.ndarray]
    on_paths: bool
    far_apart: bool

    def error(self, problem: FitProblem, left_out: Float[np.ndarray, "n 6"]) -> float:
        """Relative error on samples left out, fold by fold; see :func:`typical_error`."""
        return typical_error(problem, left_out, self.folds)


def split(problem: FitProblem, seed: int) -> Split:
    """Choose the folds of a problem.

    Parameters
    ----------
    problem
        The samples.
    seed
        Of the random folds.
    """
    paths = on_paths(problem)
    return Split(folds(problem, FOLDS, seed), groups_to_leave_out(problem), paths, paths and problem.is_large)


def folds(problem: FitProblem, count: int, seed: int) -> list[np.ndarray]:
    """Disjoint parts of the samples, of like size; samples along one path stay together.

    A sample between two neighbours of its path is no test of a law. Random strains hardly ever share a direction: their folds are random.
    """
    n, paths = len(problem), problem.paths
    rng = np.random.default_rng(seed)
    if not on_paths(problem):
        return [np.sort(part) for part in np.array_split(rng.permutation(n), min(count, n)) if len(part)]
    members = [np.nonzero(paths == k)[0] for k in rng.permutation(paths.max() + 1)]
    parts: list[list[int]] = [[] for _ in range(min(count, len(members)))]
    for group in sorted(members, key=len, reverse=True):
        min(parts, key=len).extend(int(k) for k in group)
    return [np.sort(np.array(part)) for part in parts]


def groups_to_leave_out(problem: FitProblem) -> list[np.ndarray]:
    """Each sample, or each path where the samples lie on paths."""
    if not on_paths(problem):
        return list(np.arange(len(problem))[:, None])
    return [np.nonzero(problem.paths == k)[0] for k in range(problem.paths.max() + 1)]


def on_paths(problem: FitProblem) -> bool:
    """Whether the samples lie on few directions of strain."""
    return bool(problem.paths.max() + 1 <= PATHLIKE * len(problem))


def predicted_without(
    problem: FitProblem, parts: list[np.ndarray], fit: Callable[[FitProblem, int], SeriesNetworkFit]
) -> Float[np.ndarray, "n 6"]:
    """S (Mandel, GPa) of each part of the samples by what ``fit(the others, number of the part)`` makes of the others; NaN elsewhere."""
    found = np.full_like(problem.y, np.nan)
    for k, part in enumerate(parts):
        found[part] = fit(problem.without(part), k).predict(problem.x[part])
    return found


def typical_error(problem: FitProblem, left_out: Float[np.ndarray, "n 6"], parts: list[np.ndarray]) -> float:
    """Relative error on samples left out: the geometric mean over parts, which one hard part can't decide.

    Parts that have not been predicted yet (NaN) don't count.
    """
    squares = np.mean(problem.normed(left_out - problem.y) ** 2, axis=1)
    means = [squares[part].mean() for part in parts if np.isfinite(squares[part]).all()]
    return float(np.sqrt(np.exp(np.mean(np.log(np.maximum(means, 1e-300)))))) / problem.unit
