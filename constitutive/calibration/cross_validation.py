"""Which samples are left out in turn, and the error of a law on them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Float, Int

from constitutive.fitting import FitProblem, PolynomialBasis, SeriesNetworkFit

FOLDS = 4
UNSTRAINED = 1e-6  # of the largest strain
DETERMINED = 1e-3  # smallest singular value of the strains, relative to the largest
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
        What is left out at a time where that needs no further fit: each sample, or each mode of strain where the samples lie on paths.
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
        """Relative error on samples left out: pooled over strain paths, else the geometric mean over folds.

        A fold of a path may hold no strain, or one that symmetry predicts exactly; the mean of its logarithm would hide all others.

        Parameters
        ----------
        problem : FitProblem
        left_out : array (n, 6)
            S predicted without each sample, Mandel (GPa).

        Returns
        -------
        float
        """
        return pooled_error(problem, left_out) if self.on_paths else typical_error(problem, left_out, self.folds)

    def score(self, problem: FitProblem, left_out: Float[np.ndarray, "n 6"]) -> float:
        """The same, with the geometric mean over samples instead of folds: it ranks predictions to first order.

        Parameters
        ----------
        problem : FitProblem
        left_out : array (n, 6)
            S predicted without each sample, Mandel (GPa).

        Returns
        -------
        float
        """
        return pooled_error(problem, left_out) if self.on_paths else typical_error(problem, left_out, self.groups)


def split(problem: FitProblem, seed: int) -> Split:
    """Choose the folds of a problem.

    Parameters
    ----------
    problem
        The samples.
    seed
        Of the random folds.

    Returns
    -------
    Split
    """
    paths = on_paths(problem)
    return Split(folds(problem, FOLDS, seed), groups_to_leave_out(problem), paths, paths and problem.is_large)


def folds(problem: FitProblem, count: int, seed: int) -> list[np.ndarray]:
    """Disjoint parts of the samples, of like size; samples of one mode of strain stay together.

    A sample between two neighbours of its path is no test of a law. Random strains hardly ever share a direction: their folds are random.
    Where the samples without some mode do not determine the second-order constants, the law without it does not contain them: then half a
    mode is left out at a time, its smaller or its larger amplitudes, those of either sign where the mode has two.

    Parameters
    ----------
    problem : FitProblem
    count : int
        Number of parts.
    seed : int
        Of the random choice.

    Returns
    -------
    list of int array
    """
    n = len(problem)
    rng = np.random.default_rng(seed)
    if not on_paths(problem):
        return [np.sort(part) for part in np.array_split(rng.permutation(n), min(count, n)) if len(part)]
    modes = groups_to_leave_out(problem)
    members = [modes[k] for k in rng.permutation(len(modes))]
    parts = _joined(members, count)
    if len(parts) > 1 and all(_determined(problem.without(part)) for part in parts):
        return parts
    halves = [_halves(problem, mode) for mode in members]
    each = max(count // 2, 1)
    lower, upper = ([pair[k] for pair in halves if len(pair[k])] for k in (0, 1))
    apart = [*_joined(lower, each), *_joined(upper, each)]
    better = len(apart) > 1 and _determined(problem) and all(_determined(problem.without(part)) for part in apart)
    return apart if better or len(parts) < 2 else parts


def _joined(groups: list[np.ndarray], count: int) -> list[np.ndarray]:
    """Groups joined into at most ``count`` parts of like size."""
    parts: list[list[int]] = [[] for _ in range(min(count, len(groups)))]
    for group in sorted(groups, key=len, reverse=True):
        min(parts, key=len).extend(int(k) for k in group)
    return [np.sort(np.array(part)) for part in parts]


def _halves(problem: FitProblem, mode: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The samples of a mode by their amplitude: the lower half and the upper."""
    head = problem.x[mode[np.argmax(np.linalg.norm(problem.x[mode], axis=1))]]
    products = np.einsum("gij,j,ni->ng", problem.group, head, problem.x[mode])
    nearest = np.argmax(np.abs(products), axis=1)
    order = mode[np.argsort(products[np.arange(len(mode)), nearest], kind="stable")]
    return order[: len(mode) // 2], order[len(mode) // 2 :]


def _determined(problem: FitProblem) -> bool:
    """Whether the strains determine the second-order constants of the group."""
    if not len(problem) or not problem.scale > 0:
        return False
    columns = PolynomialBasis(problem.rotations, (2,), problem.scale)(problem.x)
    values = np.linalg.svd(columns.reshape(6 * len(problem), -1), compute_uv=False)
    return bool(len(values) == columns.shape[2] and values[-1] > DETERMINED * values[0])


def groups_to_leave_out(problem: FitProblem) -> list[np.ndarray]:
    """Each sample, or each mode of strain where the samples lie on paths.

    Parameters
    ----------
    problem : FitProblem

    Returns
    -------
    list of int array
    """
    if not on_paths(problem):
        return list(np.arange(len(problem))[:, None])
    modes = strain_modes(problem)
    return [np.nonzero(modes == k)[0] for k in range(modes.max() + 1)]


def strain_modes(problem: FitProblem) -> Int[np.ndarray, " n"]:
    """Number of the mode that each sample belongs to: strains along one direction, to within 15 degrees.

    Small strains of either sign, and those that the group maps on each other, are one mode: one determines the other. The unstrained cell
    belongs to the first mode. Large strains (tension and compression differ) are distinguished by ``FitProblem.paths``.

    Parameters
    ----------
    problem : FitProblem

    Returns
    -------
    int array (n,)
    """
    if problem.is_large:
        return problem.paths
    size = np.linalg.norm(problem.x, axis=1)
    unit = problem.x / np.maximum(size, 1e-300)[:, None]
    heads: list[np.ndarray] = []
    modes = np.zeros(len(problem), dtype=np.int64)
    for k in np.argsort(-size, kind="stable"):
        if size[k] < UNSTRAINED * size.max():
            continue
        near = [j for j, images in enumerate(heads) if np.abs(images @ unit[k]).max() > np.cos(np.radians(15))]
        if not near:
            heads.append(problem.group @ unit[k])
        modes[k] = near[0] if near else len(heads) - 1
    return modes


def on_paths(problem: FitProblem) -> bool:
    """Whether the samples lie on few directions of strain.

    Parameters
    ----------
    problem : FitProblem

    Returns
    -------
    bool
    """
    return bool(problem.paths.max() + 1 <= PATHLIKE * len(problem))


def predicted_without(
    problem: FitProblem, parts: list[np.ndarray], fit: Callable[[FitProblem, int], SeriesNetworkFit]
) -> Float[np.ndarray, "n 6"]:
    """S (Mandel, GPa) of each part of the samples by a fit to the others; NaN elsewhere.

    Parameters
    ----------
    problem : FitProblem
    parts : list of int array
        Samples that are left out together.
    fit : callable
        Of the other samples and the number of the part.

    Returns
    -------
    array (n, 6)
    """
    found = np.full_like(problem.y, np.nan)
    for k, part in enumerate(parts):
        found[part] = fit(problem.without(part), k).predict(problem.x[part])
    return found


def pooled_error(problem: FitProblem, left_out: Float[np.ndarray, "n 6"]) -> float:
    """Relative error on the samples that have been predicted (the others are NaN): root of the mean square over all of them.

    Parameters
    ----------
    problem : FitProblem
    left_out : array (n, 6)
        S predicted without each sample, Mandel (GPa).

    Returns
    -------
    float
    """
    squares = np.mean(problem.normed(left_out - problem.y) ** 2, axis=1)
    return float(np.sqrt(np.nanmean(squares))) / problem.unit


def typical_error(problem: FitProblem, left_out: Float[np.ndarray, "n 6"], parts: list[np.ndarray]) -> float:
    """Relative error on samples left out: the geometric mean over parts, which one hard part can't decide.

    Parts that have not been predicted yet (NaN) don't count.

    Parameters
    ----------
    problem : FitProblem
    left_out : array (n, 6)
        S predicted without each sample, Mandel (GPa).
    parts : list of int array
        Over which the mean is taken.

    Returns
    -------
    float
    """
    squares = np.mean(problem.normed(left_out - problem.y) ** 2, axis=1)
    means = [squares[part].mean() for part in parts if np.isfinite(squares[part]).all()]
    return float(np.sqrt(np.exp(np.mean(np.log(np.maximum(means, 1e-300)))))) / problem.unit
