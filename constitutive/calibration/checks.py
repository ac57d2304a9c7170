"""What makes a data set unfit for calibration: a group that it contradicts, too few samples, duplicated or wild samples."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Float
from scipy.stats import f as f_distribution

from constitutive.calibration.features import SeriesFeatures
from constitutive.calibration.problem import Problem
from constitutive.errors import CalibrationError
from constitutive.intake.groups import laue_symbol, subgroups

SIGNIFICANCE = 1e-3  # of the F-test between a group and one of its subgroups
NOTICEABLE = 0.02  # residual relative to the rms stress below which the data are taken to bear the group
WILD = 8.0  # robust standard deviations
FEWEST = 3  # samples


@final
@dataclass(frozen=True)
class GroupTest:
    """The data against a group and its best subgroup.

    Attributes
    ----------
    residual
        Relative residual of the series under the group.
    subgroup
        Laue class of the subgroup that fits best.
    subgroup_residual
        Its residual.
    probability
        That a law of the group would give so large a ratio by chance (F-test).
    """

    residual: float
    subgroup: str
    subgroup_residual: float
    probability: float

    @property
    def contradicted(self) -> bool:
        """Whether the data rule the group out."""
        clearly_better = self.subgroup_residual < 0.7 * self.residual
        return bool(self.probability < SIGNIFICANCE and self.residual > NOTICEABLE and clearly_better)


def group_test(problem: Problem) -> GroupTest:
    """F-test of the series under the group against the same series under each of its maximal subgroups and none."""
    degree = _test_degree(problem)
    squares, columns = _series_squares(problem, problem.rotations, degree)
    total, rows = float((problem.measured(problem.y) ** 2).sum()), 6 * len(problem)
    best = GroupTest(np.sqrt(squares / total), laue_symbol(problem.rotations), np.sqrt(squares / total), 1.0)
    for rotations in _lower_groups(problem.rotations):
        lower, more = _series_squares(problem, rotations, degree)
        if more <= columns or more >= rows - 6:
            continue
        ratio = (squares - lower) / (more - columns) / max(lower / (rows - more), 1e-300)
        probability = float(f_distribution.sf(ratio, more - columns, rows - more))
        found = GroupTest(best.residual, laue_symbol(rotations), float(np.sqrt(lower / total)), probability)
        if (found.probability, found.subgroup_residual) < (best.probability, best.subgroup_residual):
            best = found
    return best


def require_group(problem: Problem, symbol: str) -> GroupTest:
    """Refuse data that contradict the group.

    Raises
    ------
    CalibrationError
        The F-test rules the group out and its residual is over 2 % of the rms stress.
    """
    test = group_test(problem)
    if test.contradicted:
        raise CalibrationError(
            f"the data contradict the point group {symbol}: a series exact under it misses {100 * test.residual:.1f} % of the "
            f"stress, under {test.subgroup} {100 * test.subgroup_residual:.1f} % (chance {test.probability:.0e}); check that the "
            "structure is that of the simulation and that F and the stress stand in its Cartesian frame, or give the right group"
        )
    return test


def require_enough(problem: Problem) -> None:
    """Refuse fewer samples than the second-order constants of the group need.

    Raises
    ------
    CalibrationError
        Fewer than three samples, or too few to fix the constants.
    """
    features = SeriesFeatures(problem.rotations, (2,), problem.scale if problem.scale > 0 else 1.0)
    needed = len(features.degree_of_column)
    if len(problem) < FEWEST:
        raise CalibrationError(f"{len(problem)} samples found, at least {FEWEST} needed to calibrate and to judge a law")
    if problem.scale < 1e-7 or problem.unit < 1e-9:
        raise CalibrationError("the samples hold no strain or no stress; a law needs strained samples with their stress")
    A = np.einsum("nij,njk->nik", problem.norm, features(problem.x)).reshape(6 * len(problem), -1)
    rank = int(np.linalg.matrix_rank(A, tol=1e-6 * np.linalg.norm(A, 2)))
    if rank < needed:
        raise CalibrationError(
            f"the strains fix {rank} of the {needed} second-order constants of the group; add samples strained in other "
            "directions (random strains do)"
        )


def duplicates(problem: Problem) -> list[tuple[int, int]]:
    """Pairs of samples (first, second) with the same strain; the later one is dropped if the stress agrees."""
    order = np.lexsort(np.round(problem.x / problem.scale, 9).T)
    gaps = np.abs(np.diff(problem.x[order], axis=0)).max(axis=1) < 1e-9 * problem.scale
    return [(int(min(pair)), int(max(pair))) for pair in zip(order[:-1][gaps], order[1:][gaps], strict=True)]


def wild_samples(errors: Float[np.ndarray, "n 6"], strain: Float[np.ndarray, " n"]) -> list[int]:
    """Samples whose left-out error stands far out from that of samples of like strain, worst first.

    Errors grow with the strain as a law's do, so each is compared with a robust line through log error over log strain.
    """
    size = np.log(np.maximum(np.linalg.norm(errors, axis=1), 1e-300))
    level = np.log(np.maximum(strain / strain.max(), 0.05))
    slope = 2.0  # errors of a series of degree d grow at least like the square of the strain
    rest = size - slope * level
    centre = np.median(rest)
    spread = 1.4826 * np.median(np.abs(rest - centre))
    far = (rest - centre) > WILD * max(spread, 0.2) / 2
    return [int(k) for k in np.argsort(-rest) if far[k]]


def _test_degree(problem: Problem) -> int:
    """The highest degree up to 4 whose series without symmetry leaves a third of the numbers free; else 2 under the group."""
    columns = np.cumsum([21, 56, 126])
    fitting = [d for d, c in zip((2, 3, 4), columns, strict=True) if c < 4 * len(problem)]
    return max(fitting, default=2)


def _series_squares(problem: Problem, rotations: np.ndarray, degree: int) -> tuple[float, int]:
    features = SeriesFeatures(rotations, tuple(range(2, degree + 1)), problem.scale)(problem.x)
    A = np.einsum("nij,njk->nik", problem.norm, features).reshape(6 * len(problem), -1)
    target = problem.measured(problem.y).ravel()
    solution, _, rank, _ = np.linalg.lstsq(A, target, rcond=1e-9)
    rest = target - A @ solution
    return float(rest @ rest), int(rank)


def _lower_groups(rotations: np.ndarray) -> list[np.ndarray]:
    """Distinct proper subgroups, largest of each class kept once in every orientation, the trivial one last."""
    products = np.einsum("aij,bjk->abik", rotations, rotations)
    table = np.abs(products[:, :, None] - rotations[None, None]).max((3, 4)).argmin(2)
    found = sorted(subgroups(table), key=lambda members: (-len(members), sorted(members)))
    proper = [m for m in found if len(m) < len(rotations)]
    maximal = [m for m in proper if not any(m < other for other in proper)]
    trivial = [m for m in proper if len(m) == 1]
    return [rotations[sorted(members)] for members in [*maximal, *trivial]]
