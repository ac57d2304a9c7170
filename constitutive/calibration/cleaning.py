"""What makes a data set unfit for calibration: faults, a contradicted group, too few samples; repeated samples and outliers dropped."""

from __future__ import annotations

import numpy as np

from constitutive.data import StressStrainData
from constitutive.errors import CalibrationError
from constitutive.fitting import FitProblem, PolynomialBasis, fit_series, series_choices
from constitutive.fitting.leave_one_out import design_matrix
from constitutive.intake import FAULTS, check
from constitutive.intake.findings import few_outliers
from constitutive.intake.group_test import GroupTest, group_test
from constitutive.intake.mixed_reference import mixed_reference
from constitutive.intake.samples import ANOTHER_STRESS
from constitutive.symmetry import PointGroup

FAR_OUT = 15.0  # times the usual error at the same strain ...
GROSS = 0.15  # ... and this share of the stress: then a sample is an outlier
REWEIGHTINGS = 6
FEWEST_TO_CALIBRATE = 3


def group_of(data: StressStrainData, wish: PointGroup | str | None) -> PointGroup:
    """The group to calibrate under: of the structure, of the data's declaration, or as given.

    Parameters
    ----------
    data : StressStrainData
    wish : PointGroup or str, optional
        The group given by the user; it has to agree with the structure or the declaration.

    Returns
    -------
    PointGroup
        In the Cartesian frame of the structure, or in standard axes where only a symbol is known.

    Raises
    ------
    CalibrationError
        There is none, or the user's contradicts the structure.
    """
    wanted = PointGroup.from_symbol(wish) if isinstance(wish, str) else wish
    if data.structure is not None:
        found = PointGroup.from_structure(data.structure)
        if wanted is not None and wanted.symbol != found.symbol:
            raise CalibrationError(
                f"the point group {wanted.symbol} was given, but the structure in the data has {found.symbol}; leave the option "
                "out, or drop the structure from the data to impose another group"
            )
        return found
    declared = None if data.point_group is None else PointGroup.from_symbol(data.point_group)
    if wanted is not None and declared is not None and wanted.symbol != declared.symbol:
        raise CalibrationError(
            f"the point group {wanted.symbol} was given, but the data declare {declared.symbol}; leave the option out, or correct the "
            "declaration in the data"
        )
    chosen = wanted or declared
    if chosen is None:
        raise CalibrationError(
            "the data hold neither a structure nor a point group; give point_group='m-3m' (--point-group m-3m) in standard axes, "
            "or add lattice, species and frac_coords to the data"
        )
    return chosen


def require_sound(samples: StressStrainData, allow: tuple[str, ...] = ()) -> list[str]:
    """Stop on the first certain fault of the intake check that is not allowed.

    Parameters
    ----------
    samples : StressStrainData
    allow : tuple of str
        Faults that the user accepts.

    Returns
    -------
    The other findings as notes; without repeated samples and outliers, which calibration names itself.

    Raises
    ------
    IntakeError
        With the finding itself as ``.finding``.
    CalibrationError
        A name in `allow` is no fault.
    """
    unknown = [name for name in allow if name not in (*FAULTS, "error")]
    if unknown:
        raise CalibrationError(f"allow: found {unknown[0]!r}; needed names among {', '.join((*FAULTS, 'error'))}")
    report = check(samples)
    report.require_sound(allowed=tuple(name for name in allow if name in FAULTS))
    others = [finding for finding in report.findings if finding.fault not in {"duplicates", "outliers"}]
    return [f"{'allowed' if finding.is_sure else 'perhaps'}: {finding.fault}: {finding.message}" for finding in others]


def cleaned(problem: FitProblem, allow: tuple[str, ...] = ()) -> tuple[FitProblem, list[str]]:
    """Require enough samples of one reference cell and of the group; drop repeated samples and the outliers of a robust fit.

    Parameters
    ----------
    problem
        The samples.
    allow
        Faults that do not stop the calibration.

    Returns
    -------
    The remaining samples, and a note for the user on each kind that was dropped.

    Raises
    ------
    CalibrationError
        Too few samples, or two of one strain with different stresses.
    IntakeError
        Two reference cells, or a group that the data contradict.
    """
    require_enough(problem, constants="coverage" not in allow)
    if "reference_stress" not in allow:
        require_one_reference(problem)
    problem, repeated = _without_duplicates(problem, strict="duplicates" not in allow)
    problem, outlying = _without_outliers(problem)
    if "wrong_group" not in allow:
        require_group(problem)
    return problem, [*repeated, *outlying]


def _without_duplicates(problem: FitProblem, *, strict: bool) -> tuple[FitProblem, list[str]]:
    pairs = duplicates(problem)
    for first, second in pairs:
        if strict and np.abs(problem.y[first] - problem.y[second]).max() > ANOTHER_STRESS * problem.unit:
            raise CalibrationError(
                f"samples {problem.numbers[first]} and {problem.numbers[second]} have the same strain but different stresses; one of them "
                "is wrong, remove it"
            )
    dropped = sorted({second for _, second in pairs})
    notes = [f"samples {problem.numbers[dropped].tolist()} repeat earlier ones and were left out"] if dropped else []
    return problem.without(np.array(dropped, dtype=np.int64)), notes


def _without_outliers(problem: FitProblem) -> tuple[FitProblem, list[str]]:
    """Many outliers mean that something else is wrong: then all samples are kept."""
    found = outliers(problem)
    if not found or not few_outliers(len(found), len(problem)):
        return problem, []
    names = ", ".join(f"{problem.numbers[k]} (off by {100 * error:.0f} % of the rms stress)" for k, error in found)
    note = f"outliers were left out: {names}; check them (wrong sign or file, another phase, not converged)"
    return problem.without(np.array([k for k, _ in found])), [note]


def require_group(problem: FitProblem) -> GroupTest:
    """Refuse data that contradict the group.

    Parameters
    ----------
    problem : FitProblem

    Returns
    -------
    GroupTest

    Raises
    ------
    IntakeError
        The group test rules the group out; ``.finding`` is the finding of the intake check.
    """
    test = group_test(problem)
    if test.contradicted:
        raise test.finding().error()
    return test


def require_one_reference(problem: FitProblem) -> None:
    """Refuse samples whose F refers to two reference cells.

    Parameters
    ----------
    problem : FitProblem

    Raises
    ------
    IntakeError
        ``.finding`` names the samples of the other cell, and how it differs.
    """
    mixed = mixed_reference(problem)
    if mixed is not None:
        raise mixed.finding().error()


def require_enough(problem: FitProblem, *, constants: bool = True) -> None:
    """Refuse fewer samples than the second-order constants of the group need, unless these may stay open (``constants=False``).

    Parameters
    ----------
    problem : FitProblem
    constants : bool
        Whether the samples have to determine all second-order constants.

    Raises
    ------
    CalibrationError
        Fewer than three samples, or too few to fix the constants.
    """
    if len(problem) < FEWEST_TO_CALIBRATE:
        raise CalibrationError(f"{len(problem)} samples found, at least {FEWEST_TO_CALIBRATE} needed to calibrate and to judge a law")
    if problem.scale < 1e-7 or not problem.unit > 0:
        raise CalibrationError("the samples hold no strain or no stress; a law needs strained samples with their stress")
    if not constants:
        return
    basis = PolynomialBasis(problem.rotations, (2,), problem.scale)
    needed = len(basis.degree_of_column)
    A = design_matrix(problem, basis).reshape(6 * len(problem), -1)
    rank = int(np.linalg.matrix_rank(A, tol=1e-6 * np.linalg.norm(A, 2)))
    if rank < needed:
        raise CalibrationError(
            f"the strains fix {rank} of the {needed} second-order constants of the group; add samples strained in other "
            "directions (random strains do)"
        )


def duplicates(problem: FitProblem) -> list[tuple[int, int]]:
    """Pairs of samples (first, second) with the same strain; the later one is dropped if the stress agrees.

    Parameters
    ----------
    problem : FitProblem

    Returns
    -------
    list of (int, int)
    """
    order = np.lexsort(np.round(problem.x / problem.scale, 9).T)
    gaps = np.abs(np.diff(problem.x[order], axis=0)).max(axis=1) < 1e-9 * problem.scale
    return [(int(min(pair)), int(max(pair))) for pair in zip(order[:-1][gaps], order[1:][gaps], strict=True)]


def outliers(problem: FitProblem) -> list[tuple[int, float]]:
    """Samples that no law of the others explains, worst first, each with its error relative to the rms stress.

    A series is fitted with weights that fall with the error (Cauchy's loss, by iterated reweighting). Errors grow with the strain as
    those of a truncated series do, so each is judged against what is usual at its strain.

    Parameters
    ----------
    problem : FitProblem

    Returns
    -------
    list of (int, float)
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
    far = (errors > FAR_OUT * usual * size) & (errors > GROSS * (own + typical))
    return [(int(k), float(errors[k] / typical)) for k in np.argsort(-errors) if far[k]]
