"""Which law: candidates judged by samples that they have not seen; then an ensemble of the best, distilled into one law."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import final

import numpy as np
from jaxtyping import Float

from constitutive.calibration.contest import Progress, Trial, baseline, try_series
from constitutive.calibration.distil import distil
from constitutive.calibration.folds import FOLDS, far_apart, folds, typical_error
from constitutive.calibration.scan import Candidate, finish, held_out, scan, smoother, stack
from constitutive.errors import CalibrationError
from constitutive.fitting.leave_one_out import fit_series, series_choices
from constitutive.fitting.problem import FitProblem
from constitutive.fitting.series_network import SeriesNetworkFit, fit_network
from constitutive.laws import Domain

LAWS = ("all", "series")
FAR_DEGREE = 3  # of the longest series on paths of large strain


@final
@dataclass(frozen=True, eq=False)
class Choice:
    """The chosen law and all trials.

    Attributes
    ----------
    fit
        The law, as parameters.
    trials
        Every candidate that was cross-validated, the best first.
    best
        The one chosen.
    baseline
        The network without symmetry.
    members
        The fits behind the law: more than one when it was distilled.
    notes
        For the user.
    """

    fit: SeriesNetworkFit
    trials: list[Trial]
    best: Trial
    baseline: Trial
    members: list[SeriesNetworkFit]
    notes: list[str] = field(default_factory=list)


def choose(
    problem: FitProblem,
    domain: Domain,
    seed: int,
    progress: Progress,
    *,
    laws: str = "all",
    weights: Float[np.ndarray, " n"] | None = None,
) -> Choice:
    """Try the candidates, take the best, fit it to all samples.

    Parameters
    ----------
    problem
        The training samples.
    domain
        Where the distilled law has to follow its teachers.
    seed
        Of folds and initial directions.
    progress
        Called with what is being done and the fraction done.
    laws
        ``"all"``, or ``"series"`` alone.
    weights
        Of the samples in the fits of networks; what is said of errors counts them all alike.

    Raises
    ------
    CalibrationError
        ``laws`` is neither.
    """
    if laws not in LAWS:
        raise CalibrationError(f"laws {laws!r} found; choose one of {', '.join(LAWS)}")
    choices = series_choices(problem, FAR_DEGREE) if far_apart(problem) and laws == "all" else series_choices(problem)
    series = [try_series(problem, degrees, seed) for degrees in choices]
    best, others = min(series, key=lambda pair: pair[0].error), [trial for trial, _ in series]
    mean: Trial | None = None
    members: list[Candidate] = []
    shares: list[float] = []
    networks: list[Trial] = []
    if laws == "all":
        fitted = problem if weights is None else problem.reweighted(weights)
        begun = scan(fitted, seed, progress)
        members, shares = stack(fitted, finish(fitted, begun, progress))
        members, shares, networks, mean = held_out(fitted, members, shares, smoother(fitted, begun, members), seed, progress)
        *networks, mean = (_judged(problem, trial, seed) for trial in (*networks, mean))
    progress("fitting the baseline without symmetry", 0.86)
    without = baseline(problem, seed, shapes=3 if laws == "all" else 1)
    trials = sorted([*others, *networks, *([mean] if mean else [])], key=lambda trial: trial.error)
    if mean is None or best[0].error <= mean.error:
        near = [fit.fit for trial, fit in series if trial.error < 2 * best[0].error]
        return Choice(best[1].fit, trials, best[0], without, near)
    progress(f"distilling {len(members)} networks into one", 0.9)
    student, followers = distil(problem, [member.fit for member in members], shares, domain, seed)
    return Choice(student, trials, mean, without, followers)


def _judged(problem: FitProblem, trial: Trial, seed: int) -> Trial:
    """The error of a trial with all samples counting alike."""
    return replace(trial, error=typical_error(problem, trial.left_out, folds(problem, FOLDS, seed)))


def learning_curve(problem: FitProblem, best: Trial, seed: int) -> list[tuple[int, float]]:
    """Error of the chosen kind of law on the other samples when a quarter, a half, three quarters of the samples are given."""
    order = np.random.default_rng(seed + 3).permutation(len(problem))
    curve = []
    for share in (0.25, 0.5, 0.75):
        count = round(share * len(problem))
        part, rest = problem.subset(order[:count]), problem.subset(order[count:])
        if count < 3 or not len(rest):
            continue
        fit = fit_series(part, best.degrees).fit if best.shape is None else fit_network(part, best.shape, seed)
        curve.append((count, rest.relative_error(fit.predict(rest.x))))
    return curve
