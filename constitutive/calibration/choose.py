"""Which law: candidates judged by samples that they have not seen; then an ensemble of the best, distilled into one law."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import final

import numpy as np
from jaxtyping import Float

from constitutive.calibration.contest import MANY, Contest, Progress, Trial, baseline, candidate_shapes, try_series
from constitutive.calibration.distil import distil
from constitutive.calibration.folds import FOLDS, folds, typical_error
from constitutive.calibration.network import NetworkFit, Shape, fit_network
from constitutive.calibration.series import fit_series
from constitutive.errors import CalibrationError
from constitutive.laws import Domain
from constitutive.laws.leave_one_out import series_choices
from constitutive.laws.problem import Problem

STARTS = (12, 4)  # random starts of each candidate, of few and of many samples ...
AS_GOOD = 1.2  # ... of which those within this factor of the lowest objective are averaged: the others sit in poor local minima
OWN_MEASURE = 2.0  # weight of a candidate of the Green–Lagrange strain beside those of the two other measures
ALIKE = (3.0, 2.0, 1.5, 1.0)  # candidates within such a factor of the best are averaged: the first whose mean is ...
NO_WORSE = 1.5  # ... within this factor of the best on the samples left out
LAWS = ("all", "series")


@final
@dataclass(frozen=True, eq=False)
class Choice:
    """The chosen law and all trials.

    Attributes
    ----------
    fit
        The law, as parameters.
    trials
        Every candidate that was tried on all samples.
    best
        The one chosen.
    baseline
        The network without symmetry.
    members
        The fits behind the law: more than one when it was distilled.
    mean_left_out
        Predictions for unseen samples by the mean of the better candidates (Mandel, GPa): what the distilled law is likely to reach.
    notes
        For the user.
    """

    fit: NetworkFit
    trials: list[Trial]
    best: Trial
    baseline: Trial
    members: list[NetworkFit]
    mean_left_out: Float[np.ndarray, "n 6"]
    notes: list[str] = field(default_factory=list)


def choose(problem: Problem, domain: Domain, seed: int, progress: Progress, *, laws: str = "all") -> Choice:
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

    Raises
    ------
    CalibrationError
        ``laws`` is neither.
    """
    if laws not in LAWS:
        raise CalibrationError(f"laws {laws!r} found; choose one of {', '.join(LAWS)}")
    series = [try_series(problem, degrees, seed) for degrees in series_choices(problem)]
    networks = Contest(problem, seed, progress).trials(candidate_shapes(problem)) if laws == "all" else []
    trials = sorted([*(trial for trial, _ in series), *networks], key=lambda trial: trial.error)
    progress("fitting the baseline without symmetry", 0.58)
    without = baseline(problem, seed, shapes=3 if laws == "all" else 1)
    if trials[0].shape is None:
        best = trials[0]
        fit = next(fit.fit for trial, fit in series if trial is best)
        others = [other.fit for trial, other in series if trial.error < 2 * best.error]
        return Choice(fit, trials, best, without, others, best.left_out)
    networks, best = _averaged(problem, networks, seed)
    members: list[NetworkFit] = []
    weights: list[float] = []
    for k, trial in enumerate(networks):
        progress(f"fitting {trial.label} to all samples", 0.62 + 0.25 * k / len(networks))
        fits = _better_starts(problem, trial.shape or Shape((2,), 1, 1e-4), seed + 100 * (k + 1))
        members += fits
        weights += [_weight(trial) / len(fits)] * len(fits)
    progress(f"distilling {len(members)} networks into one", 0.88)
    student, followers = distil(problem, members, weights, domain, seed)
    return Choice(student, [best, *trials], best, without, followers, best.left_out)


def _weight(trial: Trial) -> float:
    return OWN_MEASURE if trial.shape is None or trial.shape.measure == 1 else 1.0


def _averaged(problem: Problem, networks: list[Trial], seed: int) -> tuple[list[Trial], Trial]:
    """The candidates whose mean is taken, and that mean as a candidate."""
    parts = folds(problem, FOLDS, seed)
    for alike in ALIKE:
        kept = [trial for trial in networks if trial.error <= alike * networks[0].error]
        left_out = np.average([trial.left_out for trial in kept], axis=0, weights=[_weight(trial) for trial in kept])
        error = typical_error(problem, left_out, parts)
        if error <= NO_WORSE * networks[0].error:
            break
    label = f"mean of {len(kept)} kinds of network, distilled into one"
    return kept, Trial(label, left_out, error, kept[0].shape, kept[0].degrees)


def learning_curve(problem: Problem, best: Trial, seed: int) -> list[tuple[int, float]]:
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


def _better_starts(problem: Problem, shape: Shape, seed: int) -> list[NetworkFit]:
    """Fits from several random starts: on noisy data most are alike and their mean is better than any, on exact data few are good."""
    fits = [fit_network(problem, shape, seed + k) for k in range(STARTS[len(problem) >= MANY])]
    lowest = min(fit.objective for fit in fits)
    return [fit for fit in fits if fit.objective <= AS_GOOD * lowest]
