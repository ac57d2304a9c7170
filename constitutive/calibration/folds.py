"""Parts of the samples to leave out in turn, and what a law errs on them."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int

from constitutive.laws.problem import Problem

FOLDS = 4
PATHLIKE = 0.5  # fewer directions of strain than this share of the samples: they lie on paths


def folds(problem: Problem, count: int, seed: int) -> list[np.ndarray]:
    """Disjoint parts of the samples, of like size; samples along one path stay together.

    A sample between two neighbours of its path is no test of a law. Random strains hardly ever share a direction: their folds are random.
    """
    n = len(problem)
    paths = path_of_samples(problem.x)
    rng = np.random.default_rng(seed)
    if not on_paths(problem):
        return [np.sort(part) for part in np.array_split(rng.permutation(n), min(count, n)) if len(part)]
    members = [np.nonzero(paths == k)[0] for k in rng.permutation(paths.max() + 1)]
    parts: list[list[int]] = [[] for _ in range(min(count, len(members)))]
    for group in sorted(members, key=len, reverse=True):
        min(parts, key=len).extend(int(k) for k in group)
    return [np.sort(np.array(part)) for part in parts]


def groups_to_leave_out(problem: Problem) -> list[np.ndarray]:
    """What is left out at a time where that costs nothing: each sample, or each path where the samples lie on paths."""
    if not on_paths(problem):
        return list(np.arange(len(problem))[:, None])
    paths = path_of_samples(problem.x)
    return [np.nonzero(paths == k)[0] for k in range(paths.max() + 1)]


def on_paths(problem: Problem) -> bool:
    """Whether the samples lie on few directions of strain, so that a sample has neighbours on its path."""
    return bool(path_of_samples(problem.x).max() + 1 <= PATHLIKE * len(problem))


def path_of_samples(x: Float[np.ndarray, "n 6"]) -> Int[np.ndarray, " n"]:
    """Number of the path that each sample is on: strains of one direction, to within 15 degrees."""
    size = np.linalg.norm(x, axis=1)
    unit = x / np.maximum(size, 1e-300)[:, None]
    heads: list[np.ndarray] = []
    paths = np.zeros(len(x), dtype=np.int64)
    for k in np.argsort(-size):
        near = [j for j, head in enumerate(heads) if unit[k] @ head > np.cos(np.radians(15))]
        if not near:
            heads.append(unit[k])
        paths[k] = near[0] if near else len(heads) - 1
    return paths


def typical_error(problem: Problem, left_out: Float[np.ndarray, "n 6"], parts: list[np.ndarray]) -> float:
    """Relative error on samples left out: the geometric mean over folds, which one hard fold can't decide.

    Parts that have not been predicted yet (NaN) don't count.
    """
    squares = np.mean(problem.measured(left_out - problem.y) ** 2, axis=1)
    means = [squares[part].mean() for part in parts if np.isfinite(squares[part]).all()]
    return float(np.sqrt(np.exp(np.mean(np.log(np.maximum(means, 1e-300)))))) / problem.unit
