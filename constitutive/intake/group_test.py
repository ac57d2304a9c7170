"""Whether data contradict a point group: the series under the group against the series under each of its subgroups."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import final

import numpy as np
from jaxtyping import Float
from scipy.special import fdtrc

from constitutive.data import StressStrainData
from constitutive.fitting.leave_one_out import SeriesFit, fit_series, series_choices
from constitutive.fitting.polynomial_basis import PolynomialBasis
from constitutive.fitting.problem import FitProblem, is_large, stress_norm
from constitutive.fitting.robust import RobustFit
from constitutive.intake.findings import Finding
from constitutive.intake.groups import laue_symbol
from constitutive.intake.hypotheses import Hypothesis, deformation, reading
from constitutive.intake.search import map_of, stress_rows
from constitutive.symmetry.subgroups import subgroup_indices

NOTICEABLE = 0.02  # residual relative to the rms stress below which the data are taken to agree with the group
AS_GOOD = 1.2  # a subgroup's error on samples left out, over the group's
UNKNOWNS_PER_STRESS = 1 / 4  # of the numbers to fit: more coefficients would follow anything
# Wrong groups on the shipped sets gave a probability of at most 0.35 to the power of the samples, right ones of 0.63 and more
PER_SAMPLE, BEYOND_CHANCE = 0.45, 1e-12
WORST = 20  # one sample in so many, those that the group misses most, is no ground to doubt it
CERTAINTY_OF_WRONG_GROUP = 0.98


@final
@dataclass(frozen=True)
class GroupTest:
    """The data against a group and its best subgroup.

    Attributes
    ----------
    group
        Laue class of the group.
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

    group: str
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

    def finding(self, option: str = "") -> Finding:
        """The finding of a contradiction, with the option of `convert` that gives the right group.

        Parameters
        ----------
        option : str
            Option of ``constitutive convert`` that states the right group.

        Returns
        -------
        Finding
        """
        message = (
            f"found data that contradict the point group {self.group}: laws exact under it miss {100 * self.residual:.1f} % of the "
            f"stress of samples left out, under {self.subgroup} {100 * self.subgroup_residual:.1f} % (chance {self.probability:.0e}); "
            "needed data that agree with it; check that the structure is that of the simulation and that F and the stress stand in its "
            "Cartesian frame, or give the right group"
        )
        return Finding("wrong_group", CERTAINTY_OF_WRONG_GROUP, (), message, option)


def group_test(problem: FitProblem) -> GroupTest:
    """The series under the group against the series under each of its subgroups; the one with the strongest evidence against the group.

    One bad sample may be all that a subgroup fits better. So a contradiction has to stand without the samples that the group misses most.

    Parameters
    ----------
    problem : FitProblem
        Samples under the group to be tested, in GPa.

    Returns
    -------
    GroupTest
    """
    own = _best(problem, series_choices(problem))
    residual, group = _error(problem, own), laue_symbol(problem.rotations)
    tests = [GroupTest(group, residual, group, residual, 1.0, len(problem))]
    errors = np.linalg.norm(problem.normed(own.left_out - problem.y), axis=1)
    rest = problem.subset(np.sort(np.argsort(-errors, kind="stable")[-(-len(problem) // WORST) :]))
    for rotations in _lower_groups(problem.rotations) if residual > NOTICEABLE else ():
        lower = replace(problem, rotations=rotations)
        fit = _best(lower, series_choices(lower, 4, UNKNOWNS_PER_STRESS))
        degrees = fit.degrees
        test = GroupTest(group, residual, laue_symbol(rotations), _error(lower, fit), _chance(problem, lower, degrees), len(problem))
        if test.contradicted:
            chance = _chance(rest, replace(rest, rotations=rotations), degrees)
            left = _error(rest, fit_series(rest, own.degrees))
            test = replace(test, probability=max(test.probability, chance if left > NOTICEABLE else 1.0))
        tests.append(test)
    return min(tests, key=lambda test: (not test.contradicted, test.subgroup_residual))


def _best(problem: FitProblem, choices: list[tuple[int, ...]]) -> SeriesFit:
    return min((fit_series(problem, degrees) for degrees in choices), key=lambda fit: _error(problem, fit))


def _error(problem: FitProblem, fit: SeriesFit) -> float:
    return problem.relative_error(fit.left_out)


def _chance(problem: FitProblem, lower: FitProblem, degrees: tuple[int, ...]) -> float:
    """F-test of the group against the subgroup, both with the series of the same degrees."""
    squares, columns = _series_squares(problem, degrees)
    less, more = _series_squares(lower, degrees)
    rows = 6 * len(problem)
    if more <= columns or more >= rows - 6:
        return 1.0
    ratio = (squares - less) / (more - columns) / max(less / (rows - more), 1e-300)
    return float(fdtrc(more - columns, rows - more, ratio))


def _series_squares(problem: FitProblem, degrees: tuple[int, ...]) -> tuple[float, int]:
    features = PolynomialBasis(problem.rotations, degrees, problem.scale)(problem.x)
    A = np.einsum("nij,njk->nik", problem.norm, features).reshape(6 * len(problem), -1)
    target = problem.normed(problem.y).ravel()
    solution, _, rank, _ = np.linalg.lstsq(A, target, rcond=1e-9)
    rest = target - A @ solution
    return float(rest @ rest), int(rank)


def _lower_groups(rotations: np.ndarray) -> list[np.ndarray]:
    """Distinct proper subgroups, in every orientation, the largest first and the trivial one last."""
    return [rotations[sorted(members)] for members in subgroup_indices(rotations)[1:]]


def problem_read(
    data: StressStrainData, hypothesis: Hypothesis, fit: RobustFit, rotations: Float[np.ndarray, "g 3 3"], *, offset: bool
) -> FitProblem:
    """The samples that belong to a fit, read under its hypothesis, as a problem under a group.

    Parameters
    ----------
    data
        As in the file.
    hypothesis
        How they are to be read.
    fit
        The fit under that reading: which samples it kept, and the stress at zero strain.
    rotations
        The group to be tested.
    offset
        Whether that stress is taken off.

    Returns
    -------
    FitProblem
    """
    read = reading(data, hypothesis.deformation, hypothesis.measure, hypothesis.frame)
    S = np.einsum("nai,ij,nj->na", read.to_second[:, :6], map_of(hypothesis), stress_rows(data))
    y = S - fit.reference_stress if offset else S
    measure = (hypothesis.measure or data.measure) if is_large(read.x) else "second_piola_kirchhoff"
    norm = stress_norm(deformation(data, hypothesis.deformation), "cauchy" if measure == "kirchhoff" else measure)
    return FitProblem(read.x, y, norm, rotations).subset(np.nonzero(fit.kept)[0])
