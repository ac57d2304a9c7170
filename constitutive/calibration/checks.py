"""What makes a data set unfit for calibration: a group that it contradicts, too few samples, duplicated or wild samples."""

from __future__ import annotations

import numpy as np

from constitutive.errors import CalibrationError
from constitutive.fitting.leave_one_out import fit_series, series_choices
from constitutive.fitting.polynomial_basis import PolynomialBasis
from constitutive.fitting.problem import FitProblem
from constitutive.intake.group_test import GroupTest, group_test
from constitutive.intake.mixed_reference import mixed_reference

WILD = 15.0  # times the usual error at the same strain ...
GROSS = 0.15  # ... and this share of the stress: then a sample is wild
REWEIGHTINGS = 6
FEWEST = 3  # samples


def require_group(problem: FitProblem) -> GroupTest:
    """Refuse data that contradict the group.

    Raises
    ------
    IntakeError
        The group test rules the group out; ``.finding`` is what the intake check says of it.
    """
    test = group_test(problem)
    if test.contradicted:
        raise test.finding().error()
    return test


def require_one_reference(problem: FitProblem) -> None:
    """Refuse samples whose F refers to two reference cells.

    Raises
    ------
    IntakeError
        ``.finding`` names the samples of the other cell, and how it differs.
    """
    mixed = mixed_reference(problem)
    if mixed is not None:
        raise mixed.finding().error()


def require_enough(problem: FitProblem, *, constants: bool = True) -> None:
    """Refuse fewer samples than the second-order constants of the group need, unless told that these may stay open.

    Raises
    ------
    CalibrationError
        Fewer than three samples, or too few to fix the constants.
    """
    if len(problem) < FEWEST:
        raise CalibrationError(f"{len(problem)} samples found, at least {FEWEST} needed to calibrate and to judge a law")
    if problem.scale < 1e-7 or not problem.unit > 0:
        raise CalibrationError("the samples hold no strain or no stress; a law needs strained samples with their stress")
    if not constants:
        return
    features = PolynomialBasis(problem.rotations, (2,), problem.scale)
    needed = len(features.degree_of_column)
    A = np.einsum("nij,njk->nik", problem.norm, features(problem.x)).reshape(6 * len(problem), -1)
    rank = int(np.linalg.matrix_rank(A, tol=1e-6 * np.linalg.norm(A, 2)))
    if rank < needed:
        raise CalibrationError(
            f"the strains fix {rank} of the {needed} second-order constants of the group; add samples strained in other "
            "directions (random strains do)"
        )


def duplicates(problem: FitProblem) -> list[tuple[int, int]]:
    """Pairs of samples (first, second) with the same strain; the later one is dropped if the stress agrees."""
    order = np.lexsort(np.round(problem.x / problem.scale, 9).T)
    gaps = np.abs(np.diff(problem.x[order], axis=0)).max(axis=1) < 1e-9 * problem.scale
    return [(int(min(pair)), int(max(pair))) for pair in zip(order[:-1][gaps], order[1:][gaps], strict=True)]


def wild_samples(problem: FitProblem) -> list[tuple[int, float]]:
    """Samples that no law of the others explains, worst first, each with its error relative to the rms stress.

    A series is fitted with weights that fall with the error (Cauchy's loss, by iterated reweighting). Errors grow with the strain as
    those of a truncated series do, so each is judged against what is usual at its strain.
    """
    degrees = min(series_choices(problem, 4), key=lambda d: problem.relative_error(fit_series(problem, d).left_out))
    size = np.maximum(np.linalg.norm(problem.x, axis=1) / problem.scale, 0.1) ** 2
    weights = np.ones(len(problem))
    errors = np.zeros(len(problem))
    for _ in range(REWEIGHTINGS):
        fit = fit_series(problem.reweighted(weights), degrees)
        errors = np.linalg.norm(problem.normed(fit.left_out - problem.y), axis=1)
        usual = 1.4826 * float(np.median(errors / size))
        weights = np.maximum(1 / (1 + (errors / (3 * max(usual, 1e-12) * size)) ** 2), 1e-6)
    own = np.linalg.norm(problem.normed(problem.y), axis=1)
    typical = float(np.sqrt(np.mean(own**2)))
    far = (errors > WILD * usual * size) & (errors > GROSS * (own + typical))
    return [(int(k), float(errors[k] / typical)) for k in np.argsort(-errors) if far[k]]
