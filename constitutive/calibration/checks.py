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

NOTICEABLE = 0.02  # residual relative to the rms stress below which the data are taken to bear the group
WILD = 15.0  # times the usual error at the same strain ...
GROSS = 0.15  # ... and this share of the stress: then a sample is wild
REWEIGHTINGS = 6
FEWEST = 3  # samples
AS_GOOD = 1.2  # a subgroup's error on samples left out, over the group's
SHARE = 1 / 4  # of the numbers to fit: more coefficients would follow anything
# Wrong groups on the shipped sets gave a probability of at most 0.35 to the power of the samples, right ones of 0.63 and more
PER_SAMPLE, BEYOND_CHANCE = 0.45, 1e-12


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
    samples
        How many there are.
    """

    residual: float
    subgroup: str
    subgroup_residual: float
    probability: float
    samples: int = 0

    @property
    def contradicted(self) -> bool:
        """Whether the data rule the group out.

        The residuals of a series that is too short depend on each other, and the F-test counts each as if it stood alone: a chance of
        one in a thousand is then nothing. So the subgroup must predict about as well, and the group be improbable for every sample.
        """
        as_good = self.subgroup_residual < AS_GOOD * self.residual
        improbable = self.probability < min(PER_SAMPLE**self.samples, BEYOND_CHANCE)
        return bool(self.residual > NOTICEABLE and as_good and improbable)


def group_test(problem: Problem) -> GroupTest:
    """The series under the group against the series under each of its subgroups; the one that speaks most against the group."""
    own = min((fit_series(problem, degrees) for degrees in series_choices(problem)), key=lambda fit: _error(problem, fit))
    residual = _error(problem, own)
    tests = [GroupTest(residual, laue_symbol(problem.rotations), residual, 1.0, len(problem))]
    for rotations in _lower_groups(problem.rotations) if residual > NOTICEABLE else ():
        lower = replace(problem, rotations=rotations)
        fit = min((fit_series(lower, degrees) for degrees in series_choices(lower, 4, SHARE)), key=lambda fit: _error(lower, fit))
        error, chance = _error(lower, fit), _chance(problem, lower, fit.degrees)
        tests.append(GroupTest(residual, laue_symbol(rotations), error, chance, len(problem)))
    return min(tests, key=lambda test: (not test.contradicted, test.subgroup_residual))


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
    """Distinct proper subgroups, in every orientation, the largest first and the trivial one last."""
    products = np.einsum("aij,bjk->abik", rotations, rotations)
    table = np.abs(products[:, :, None] - rotations[None, None]).max((3, 4)).argmin(2)
    found = sorted(subgroups(table), key=lambda members: (-len(members), sorted(members)))
    return [rotations[sorted(members)] for members in found if len(members) < len(rotations)]
