"""Many networks, ranked by what they say of samples left out, and the mean of some that predicts these best."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import final

import numpy as np
import scipy.optimize
from jaxtyping import Float

from constitutive.calibration.contest import MANY, Progress, Trial, candidate_shapes
from constitutive.calibration.folds import FOLDS, folds, groups_to_leave_out, typical_error
from constitutive.calibration.network import NetworkFit, Shape, fit_and_leave_out, fit_network
from constitutive.laws.problem import Problem

MEASURES = (1.0, 0.0, -1.0)  # exponents of Seth–Hill strains: pair forces are smoother functions of some than of others
FIRST_STEPS = (75, 50)  # of each fit before the better ones go on, of few and of many samples
BETTER = (12, 6)  # the best shapes, each tried once, get ...
MORE = (6, 2)  # ... so many further random starts
FINISHED = (48, 16)  # the best fits go on to the end; among them the mean is sought
SPREAD = 150.0  # penalty on the squares of the weights, times the number of samples
LEAST = 1e-3  # weight below which a fit is left out of the mean
TESTED = (6, 3)  # members of the mean that are cross-validated


@final
@dataclass(frozen=True, eq=False)
class Candidate:
    """One fitted network.

    Attributes
    ----------
    shape
        Its kind.
    fit
        On all samples.
    left_out
        Stress (Mandel, GPa) of each sample predicted without it, to first order.
    score
        Relative error of these: the geometric mean over samples.
    """

    shape: Shape
    fit: NetworkFit
    left_out: Float[np.ndarray, "n 6"]
    score: float


def scan(problem: Problem, seed: int, progress: Progress) -> list[Candidate]:
    """Fit networks of many shapes from random directions, more of the better shapes, and finish the best of them.

    The Green–Lagrange strain comes first, then the other strain measures near the best ridge of each series and size.

    Returns
    -------
    The finished fits, the best first.
    """
    many = len(problem) >= MANY
    better, more, finished, steps = (values[many] for values in (BETTER, MORE, FINISHED, FIRST_STEPS))
    groups = groups_to_leave_out(problem)
    found: list[Candidate] = []
    own = candidate_shapes(problem)
    expected = 3 * len(own) + better * more

    def fit(shape: Shape, start: int) -> None:
        progress(f"fitting {shape.label}", 0.05 + 0.25 * min(len(found) / expected, 1.0))
        made, left_out = fit_and_leave_out(problem, shape, seed + 1000 * start, groups, steps=steps)
        found.append(Candidate(shape, made, left_out, typical_error(problem, left_out, groups)))

    for shape in own:
        fit(shape, 0)
    for shape in _neighbours(own, found):
        fit(shape, 0)
    best = dict.fromkeys(candidate.shape for candidate in sorted(found, key=lambda candidate: candidate.score))
    for shape in list(best)[:better]:
        for start in range(1, 1 + more):
            fit(shape, start)
    best_fits = sorted(found, key=lambda candidate: candidate.score)[:finished]
    done = []
    for k, begun in enumerate(best_fits):
        progress(f"finishing {begun.shape.label}", 0.3 + 0.35 * k / len(best_fits))
        made, left_out = fit_and_leave_out(problem, begun.shape, seed, groups, start=begun.fit)
        done.append(Candidate(begun.shape, made, left_out, typical_error(problem, left_out, groups)))
    return sorted(done, key=lambda candidate: candidate.score)


def _neighbours(shapes: list[Shape], found: list[Candidate]) -> list[Shape]:
    """The same networks of other strain measures, at the ridge that was best for each kind and at those beside it."""
    chosen = []
    for kind in sorted({_kind(shape) for shape in shapes}):
        alike = [candidate for candidate in found if _kind(candidate.shape) == kind]
        best = min(alike, key=lambda candidate: candidate.score).shape.ridge
        near = dict.fromkeys(candidate.shape for candidate in alike if 0.09 < candidate.shape.ridge / best < 11)
        chosen += [replace(shape, measure=measure) for measure in MEASURES if measure != 1 for shape in near]
    return chosen


def _kind(shape: Shape) -> tuple[tuple[int, ...], int, float]:
    return shape.degrees, shape.channels, shape.sparing


def stack(problem: Problem, candidates: list[Candidate]) -> tuple[list[Candidate], list[float]]:
    """The weighted mean of the candidates that predicts left-out samples best; weights are positive and sum to one.

    Stacking (Breiman, *Machine Learning* 24 (1996) 49); theory, eq. (25). A penalty on the squares of the weights, the smaller the
    more samples there are, keeps few samples from choosing few networks.
    """
    errors = np.array([problem.measured(candidate.left_out - problem.y).ravel() for candidate in candidates]).T
    errors /= np.sqrt(np.mean(errors**2, axis=0).min())
    spread = np.sqrt(SPREAD / len(problem) * len(errors)) * np.eye(len(candidates))
    together = 1e4 * np.sqrt(len(errors))  # makes the sum one
    rows = np.concatenate([errors, spread, np.full((1, len(candidates)), together)])
    target = np.zeros(len(rows))
    target[-1] = together
    weights = scipy.optimize.nnls(rows, target)[0]
    weights /= weights.sum()
    order = [int(k) for k in np.argsort(-weights) if weights[k] > LEAST]
    return [candidates[k] for k in order], [float(weights[k]) for k in order]


def held_out(problem: Problem, members: list[Candidate], weights: list[float], seed: int, progress: Progress) -> tuple[list[Trial], Trial]:
    """Cross-validate the heaviest members, fitted again without each fold, and their mean.

    What :func:`scan` says of left-out samples is to first order, and the best of many: it ranks, but it is no measure of the error.
    """
    many = len(problem) >= MANY
    tested, parts = members[: TESTED[many]], folds(problem, FOLDS, seed)
    predicted = np.empty((len(tested), *problem.y.shape))
    for k, part in enumerate(parts):
        progress("cross-validating the mean", 0.65 + 0.2 * k / len(parts))
        rest = problem.subset(np.setdiff1d(np.arange(len(problem)), part))
        for j, member in enumerate(tested):
            predicted[j, part] = fit_network(rest, member.shape, seed + 50_000 + 100 * j + k).predict(problem.x[part])
    mean = np.average(predicted, axis=0, weights=weights[: len(tested)])
    trials = {
        member.shape: Trial(member.shape.label, own, typical_error(problem, own, parts), member.shape, member.shape.degrees)
        for member, own in zip(tested, predicted, strict=True)
    }
    label = f"mean of {len(members)} networks, distilled into one"
    return list(trials.values()), Trial(label, mean, typical_error(problem, mean, parts), tested[0].shape, tested[0].shape.degrees)
