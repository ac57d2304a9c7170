"""What makes a data set unfit for calibration: a group that it contradicts, too few samples, duplicated or wild samples."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import final

import numpy as np
from scipy.stats import f as f_distribution

from constitutive.calibration.problem import Problem
from constitutive.calibration.series import SeriesFit, fit_series, series_choices
from constitutive.errors import CalibrationError
from constitutive.intake.groups import laue_symbol, subgroups
from constitutive.laws.features import SeriesFeatures

SIGNIFICANCE = 1e-3  # of the F-test between a group and one of its subgroups
NOTICEABLE = 0.02  # residual relative to the rms stress below which the data are taken to bear the group
WILD = 15.0  # times the usual error at the same strain ...
GROSS = 0.15  # ... and this share of the stress: then a sample is wild
REWEIGHTINGS = 6
FEWEST = 3  # samples


@final
@dataclass(frozen=True)
class GroupTest:
    """The data against a group and its best subgroup.

    Attributes
    ----------
    residual
        Relative error of the best series under the group on samples left out.
    subgroup
        Laue class of the subgroup that fits best.
    subgroup_residual
        Its error.
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
    """The series under the group against the series under each of its maximal subgroups and under none.

    An F-test alone would blame the group for what a short series can't say, so the subgroup must also predict samples left out
    clearly better.
    """
    own = min((fit_series(problem, degrees) for degrees in series_choices(problem)), key=lambda fit: _error(problem, fit))
    residual = _error(problem, own)
    best = GroupTest(residual, laue_symbol(problem.rotations), residual, 1.0)
    if residual <= NOTICEABLE:
        return best
    for rotations in _lower_groups(problem.rotations):
        lower = replace(problem, rotations=rotations)
        fit = min((fit_series(lower, degrees) for degrees in series_choices(lower, 4)), key=lambda fit: _error(lower, fit))
        error = _error(lower, fit)
        if error < best.subgroup_residual:
            best = GroupTest(residual, laue_symbol(rotations), error, _chance(problem, lower, fit.degrees))
    return best


def _error(problem: Problem, fit: SeriesFit) -> float:
    return problem.relative_error(fit.left_out)


def _chance(problem: Problem, lower: Problem, degrees: tuple[int, ...]) -> float:
    """F-test of the group against the subgroup, both with the series of the same degrees."""
    squares, columns = _series_squares(problem, degrees)
    less, more = _series_squares(lower, degrees)
    rows = 6 * len(problem)
    if more <= columns or more >= rows - 6:
        return 1.0
    ratio = (squares - less) / (more - columns) / max(less / (rows - more), 1e-300)
    return float(f_distribution.sf(ratio, more - columns, rows - more))


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
            f"the data contradict the point group {symbol}: laws exact under it miss {100 * test.residual:.1f} % of the "
            f"stress of samples left out, under {test.subgroup} {100 * test.subgroup_residual:.1f} % (chance "
            f"{test.probability:.0e}); check that the structure is that of the simulation and that F and the stress stand in its "
            "Cartesian frame, or give the right group"
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
    if problem.scale < 1e-7 or not problem.unit > 0:
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


def wild_samples(problem: Problem) -> list[tuple[int, float]]:
    """Samples that no law of the others explains, worst first, each with its error relative to the rms stress.

    A series is fitted with weights that fall with the error (Cauchy's loss, by iterated reweighting). Errors grow with the strain as
    those of a truncated series do, so each is judged against what is usual at its strain.
    """
    degrees = min(series_choices(problem, 4), key=lambda d: _error(problem, fit_series(problem, d)))
    size = np.maximum(np.linalg.norm(problem.x, axis=1) / problem.scale, 0.1) ** 2
    weights = np.ones(len(problem))
    errors = np.zeros(len(problem))
    for _ in range(REWEIGHTINGS):
        fit = fit_series(problem.reweighted(weights), degrees)
        errors = np.linalg.norm(problem.measured(fit.left_out - problem.y), axis=1)
        usual = 1.4826 * float(np.median(errors / size))
        weights = np.maximum(1 / (1 + (errors / (3 * max(usual, 1e-12) * size)) ** 2), 1e-6)
    own = np.linalg.norm(problem.measured(problem.y), axis=1)
    typical = float(np.sqrt(np.mean(own**2)))
    far = (errors > WILD * usual * size) & (errors > GROSS * (own + typical))
    return [(int(k), float(errors[k] / typical)) for k in np.argsort(-errors) if far[k]]


def _series_squares(problem: Problem, degrees: tuple[int, ...]) -> tuple[float, int]:
    features = SeriesFeatures(problem.rotations, degrees, problem.scale)(problem.x)
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
