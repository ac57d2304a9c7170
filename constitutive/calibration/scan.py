"""Many networks, ranked by what they say of samples left out, and the mean of some that predicts these best."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import final

import numpy as np
import scipy.optimize
from jaxtyping import Float

from constitutive.calibration.contest import MANY, Progress, Trial, candidate_shapes, refitted
from constitutive.calibration.folds import FOLDS, far_apart, folds, groups_to_leave_out, on_paths, predicted_without, typical_error
from constitutive.fitting.leave_one_out import fit_and_leave_out
from constitutive.fitting.problem import FitProblem
from constitutive.fitting.series_network import SeriesNetworkFit, Shape, fit_network

STRAIN_EXPONENTS = (1.0, 0.0, -1.0)  # exponents of Seth–Hill strains: pair forces are smoother functions of some than of others
FIRST_STEPS = (75, 50)  # of each fit before the better ones go on, of few and of many samples
BETTER = (12, 6)  # the best shapes, each tried once, get ...
MORE = (6, 2)  # ... so many further random starts
FINISHED = (48, 16)  # the best fits go on to the end; among them the mean is sought
SPREAD = 150.0  # penalty on the squares of the weights, times the number of samples
LEAST = 1e-3  # weight below which a fit is left out of the mean
TESTED = (6, 3)  # members of the mean that are cross-validated
ROUGH = 0.01  # relative error of the mean from which on smoother networks are tried beside it


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
        Stress (Mandel, GPa) of each sample predicted without it, to first order; by fits without it where samples lie on paths.
    score
        Relative error of these: the geometric mean over samples, or over folds of paths.
    """

    shape: Shape
    fit: SeriesNetworkFit
    left_out: Float[np.ndarray, "n 6"]
    score: float


def scan(problem: FitProblem, seed: int, progress: Progress) -> list[Candidate]:
    """Begin to fit networks of many shapes from random directions, more of the better shapes; the best first.

    The Green–Lagrange strain comes first, then the other strain measures near the best ridge of each series and size; on paths of large
    strain it alone.
    """
    many = len(problem) >= MANY
    better, more, steps = (values[many] for values in (BETTER, MORE, FIRST_STEPS))
    paths, far = on_paths(problem), far_apart(problem)
    groups = folds(problem, FOLDS, seed) if paths else groups_to_leave_out(problem)
    found: list[Candidate] = []
    own = candidate_shapes(problem)
    expected = 3 * len(own) + better * more

    def fit(shape: Shape, start: int) -> None:
        progress(f"fitting {shape.label}", 0.05 + 0.25 * min(len(found) / expected, 1.0))
        attempt = _fit_without_paths if paths else fit_and_leave_out
        made, left_out = attempt(problem, shape, seed + 1000 * start, groups, steps=steps)
        found.append(Candidate(shape, made, left_out, typical_error(problem, left_out, groups)))

    for shape in own:
        fit(shape, 0)
    for shape in () if far else _neighbours(own, found):
        fit(shape, 0)
    best = dict.fromkeys(candidate.shape for candidate in sorted(found, key=lambda candidate: candidate.score))
    for shape in list(best)[: 0 if paths and not far else better]:
        for start in range(1, 1 + more):
            fit(shape, start)
    return sorted(found, key=lambda candidate: candidate.score)


def _fit_without_paths(
    problem: FitProblem, shape: Shape, seed: int, parts: list[np.ndarray], *, steps: int
) -> tuple[SeriesNetworkFit, Float[np.ndarray, "n 6"]]:
    """Fit a network, and predict each part of the samples by another fit: a whole path left out is beyond what the first order tells."""
    left_out = predicted_without(problem, parts, lambda rest, _: fit_network(rest, shape, seed, steps=steps))
    return fit_network(problem, shape, seed, steps=steps), left_out


def finish(problem: FitProblem, begun: list[Candidate], progress: Progress) -> list[Candidate]:
    """Go on with the first of these fits to the end, in their order; not on paths, beyond which long fits stray."""
    groups = groups_to_leave_out(problem)
    chosen = begun[: FINISHED[len(problem) >= MANY]]
    if on_paths(problem):
        return chosen
    done = []
    for k, candidate in enumerate(chosen):
        progress(f"finishing {candidate.shape.label}", 0.3 + 0.35 * k / len(chosen))
        made, left_out = fit_and_leave_out(problem, candidate.shape, 0, groups, start=candidate.fit)
        done.append(Candidate(candidate.shape, made, left_out, typical_error(problem, left_out, groups)))
    return done


def _neighbours(shapes: list[Shape], found: list[Candidate]) -> list[Shape]:
    """The same networks of other strain measures, at the ridge that was best for each kind and at those beside it."""
    chosen = []
    for kind in sorted({_kind(shape) for shape in shapes}):
        alike = [candidate for candidate in found if _kind(candidate.shape) == kind]
        best = min(alike, key=lambda candidate: candidate.score).shape.ridge
        near = dict.fromkeys(candidate.shape for candidate in alike if 0.09 < candidate.shape.ridge / best < 11)
        chosen += [replace(shape, strain_exponent=exponent) for exponent in STRAIN_EXPONENTS if exponent != 1 for shape in near]
    return chosen


def _kind(shape: Shape) -> tuple[tuple[int, ...], int, float]:
    return shape.degrees, shape.channels, shape.amplitude_ridge_factor


def stack(problem: FitProblem, candidates: list[Candidate]) -> tuple[list[Candidate], list[float]]:
    """The weighted mean of the candidates that predicts left-out samples best; weights are positive and sum to one.

    Stacking (Breiman, *Machine Learning* 24 (1996) 49); theory, eq. (25). A penalty on the squares of the weights, the smaller the
    more samples there are, keeps few samples from choosing few networks.
    """
    errors = [problem.normed(candidate.left_out - problem.y) for candidate in candidates]
    weights = _weights(errors, SPREAD / len(problem))
    order = [int(k) for k in np.argsort(-weights) if weights[k] > LEAST]
    return [candidates[k] for k in order], [float(weights[k]) for k in order]


def _weights(errors: list[Float[np.ndarray, "n 6"]], spread: float) -> Float[np.ndarray, " k"]:
    """Positive weights of sum one for the smallest mean of errors, with a penalty on their squares."""
    columns = np.array([error.ravel() for error in errors]).T
    columns /= np.sqrt(np.mean(columns**2, axis=0).min())
    n, k = columns.shape
    together = 1e4 * np.sqrt(n)  # makes the sum one
    rows = np.concatenate([columns, np.sqrt(spread * n) * np.eye(k), np.full((1, k), together)])
    target = np.zeros(len(rows))
    target[-1] = together
    weights = scipy.optimize.nnls(rows, target)[0]
    return weights / weights.sum()


def smoother(problem: FitProblem, begun: list[Candidate], members: list[Candidate]) -> list[Candidate]:
    """Of many samples the best fit of each ridge above that of the heaviest member of a mean; of few none.

    Where a few samples are out of line (another phase, a bifurcation), networks of small ridges bend to them without showing it to
    first order. Folds of few samples can't tell: with 50 they preferred smooth networks where these were worse by half.
    """
    if len(problem) < MANY or on_paths(problem):
        return []
    ridges = sorted({candidate.shape.ridge for candidate in begun if candidate.shape.ridge > 1.1 * members[0].shape.ridge})
    return [next(candidate for candidate in begun if candidate.shape.ridge == ridge) for ridge in ridges]


def held_out(
    problem: FitProblem, members: list[Candidate], weights: list[float], others: list[Candidate], seed: int, progress: Progress
) -> tuple[list[Candidate], list[float], list[Trial], Trial]:
    """Cross-validate the heaviest members, fitted again without each fold; where their mean errs much, weigh it against some others.

    What :func:`scan` says of left-out samples is to first order, and the best of many: it ranks, but it is no measure of the error.

    Returns
    -------
    Members and weights with those others that help; a trial of each that was cross-validated; the mean of all as a trial.
    """
    parts = folds(problem, FOLDS, seed)
    tested = members[: TESTED[len(problem) >= MANY]]
    predicted = _cross_validated(problem, tested, parts, seed, progress)
    mean = np.average(predicted, axis=0, weights=weights[: len(tested)])
    if others and typical_error(problem, mean, parts) > ROUGH:
        tested = [*tested, *others]
        predicted += _cross_validated(problem, others, parts, seed + 1000, progress)
        rivals = [mean, *predicted[-len(others) :]]
        shares = _weights([problem.normed(rival - problem.y) for rival in rivals], 0.0)
        mean = np.average(rivals, axis=0, weights=shares)
        helping = [(other, float(share)) for other, share in zip(others, shares[1:], strict=True) if share > LEAST]
        weights = [float(shares[0]) * weight for weight in weights] + [share for _, share in helping]
        members = [*members, *finish(problem, [other for other, _ in helping], progress)]
    trials = {
        candidate.shape: Trial(candidate.shape.label, own, typical_error(problem, own, parts), candidate.shape, candidate.shape.degrees)
        for candidate, own in zip(tested, predicted, strict=True)
    }
    shape = tested[0].shape
    label = f"mean of {len(members)} networks, distilled into one"
    return members, weights, list(trials.values()), Trial(label, mean, typical_error(problem, mean, parts), shape, shape.degrees)


def _cross_validated(
    problem: FitProblem, candidates: list[Candidate], parts: list[np.ndarray], seed: int, progress: Progress
) -> list[Float[np.ndarray, "n 6"]]:
    """Predictions of each part of the samples by networks fitted without it; on paths they are there already."""
    if on_paths(problem):
        return [candidate.left_out for candidate in candidates]
    found = []
    for j, candidate in enumerate(candidates):
        progress("cross-validating the mean", 0.65 + 0.2 * j / len(candidates))
        found.append(refitted(problem, candidate.shape, parts, seed + 50_000 + 100 * j))
    return found
