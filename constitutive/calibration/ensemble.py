"""The weighted mean of networks that predicts left-out samples best, and its error on samples to which none of them was fitted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np
import scipy.optimize
from jaxtyping import Float

from constitutive.calibration.candidates import Candidate, Progress
from constitutive.calibration.cross_validation import Split
from constitutive.calibration.effort import FULL, MANY, Effort
from constitutive.calibration.model_search import FittedNetwork, finish
from constitutive.fitting import FitProblem, fit_network

LEAST_WEIGHT = 1e-3  # below which a network is left out of the mean
ROUGH_MEAN = 0.01  # relative error of the mean from which on smoother networks are tried beside it


@final
@dataclass(frozen=True, eq=False)
class Ensemble:
    """A weighted mean of networks.

    Attributes
    ----------
    members, weights
        The networks, and how much each counts; the weights sum to one.
    candidates
        Those of them that were cross-validated, each as a candidate.
    mean
        The mean as a candidate.
    """

    members: list[FittedNetwork]
    weights: list[float]
    candidates: list[Candidate]
    mean: Candidate


def stack(problem: FitProblem, networks: list[FittedNetwork], effort: Effort = FULL) -> tuple[list[FittedNetwork], list[float]]:
    """The weighted mean of the networks that predicts left-out samples best; weights are positive and sum to one.

    Stacking (Breiman, *Machine Learning* 24 (1996) 49); theory, eq. (25). A penalty on the squares of the weights, the smaller the
    more samples there are, keeps few samples from choosing few networks.

    Parameters
    ----------
    problem : FitProblem
    networks : list of FittedNetwork
        With their predictions of left-out samples.
    effort : Effort
        Gives the penalty.

    Returns
    -------
    members : list of FittedNetwork
        Those with a weight.
    weights : list of float
    """
    errors = [problem.normed(network.left_out - problem.y) for network in networks]
    weights = _weights(errors, effort.spread_penalty / len(problem))
    order = [int(k) for k in np.argsort(-weights) if weights[k] > LEAST_WEIGHT]
    return [networks[k] for k in order], [float(weights[k]) for k in order]


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


def smoother(problem: FitProblem, split: Split, begun: list[FittedNetwork], members: list[FittedNetwork]) -> list[FittedNetwork]:
    """Of many samples the best fit of each ridge above that of the heaviest member of a mean; of few none.

    Where a few samples are outliers (another phase, a bifurcation), networks of small ridges bend to them without showing it to
    first order. Folds of few samples can't show it: with 50 they preferred smooth networks where these were worse by half.

    Parameters
    ----------
    problem : FitProblem
    split : Split
    begun : list of FittedNetwork
        All networks of the search.
    members : list of FittedNetwork
        Of the mean, the one of largest weight first.

    Returns
    -------
    list of FittedNetwork
    """
    if len(problem) < MANY or split.on_paths:
        return []
    ridges = sorted({network.shape.ridge for network in begun if network.shape.ridge > 1.1 * members[0].shape.ridge})
    return [next(network for network in begun if network.shape.ridge == ridge) for ridge in ridges]


def cross_validated(
    problem: FitProblem,
    split: Split,
    members: list[FittedNetwork],
    weights: list[float],
    others: list[FittedNetwork],
    seed: int,
    progress: Progress,
    effort: Effort = FULL,
) -> Ensemble:
    """Cross-validate the heaviest members, fitted again without each fold; where their mean errs much, weigh it against some others.

    The left-out predictions of :func:`constitutive.calibration.model_search.search` are to first order, and the best of many: they
    rank, but they are no measure of the error.

    Parameters
    ----------
    problem, split
        The samples, and how they are left out.
    members, weights
        The mean, the heaviest member first.
    others
        Networks tried beside the mean.
    seed
        Of the initial directions.
    progress
        Called with what is being done and the fraction done.
    effort
        How many members are cross-validated, and by how many threads.

    Returns
    -------
    Members and weights with those others that help.
    """
    tested = members[: effort.tested[len(problem) >= MANY]]
    predicted = _predictions(problem, split, tested, seed, progress, effort)
    mean = np.average(predicted, axis=0, weights=weights[: len(tested)])
    if others and split.error(problem, mean) > ROUGH_MEAN:
        tested = [*tested, *others]
        predicted += _predictions(problem, split, others, seed + 1000, progress, effort)
        rivals = [mean, *predicted[-len(others) :]]
        shares = _weights([problem.normed(rival - problem.y) for rival in rivals], 0.0)
        mean = np.average(rivals, axis=0, weights=shares)
        helping = [(other, float(share)) for other, share in zip(others, shares[1:], strict=True) if share > LEAST_WEIGHT]
        weights = [float(shares[0]) * weight for weight in weights] + [share for _, share in helping]
        members = [*members, *finish(problem, split, [other for other, _ in helping], progress, effort)]
    candidates = {
        network.shape: Candidate(network.shape.label, own, split.error(problem, own), network.shape, network.shape.degrees)
        for network, own in zip(tested, predicted, strict=True)
    }
    shape = tested[0].shape
    label = f"mean of {len(members)} networks, distilled into one"
    return Ensemble(members, weights, list(candidates.values()), Candidate(label, mean, split.error(problem, mean), shape, shape.degrees))


def _predictions(
    problem: FitProblem, split: Split, networks: list[FittedNetwork], seed: int, progress: Progress, effort: Effort
) -> list[Float[np.ndarray, "n 6"]]:
    """Predictions of each part of the samples by networks fitted without it; on paths they are there already."""
    if split.on_paths:
        return [network.left_out for network in networks]
    todo = [(j, k) for j in range(len(networks)) for k in range(len(split.folds))]
    found = [np.full_like(problem.y, np.nan) for _ in networks]
    many = len(problem) >= MANY
    steps = effort.last_steps[many] or effort.rungs[-1][many]

    def predict(task: tuple[int, int]) -> np.ndarray:
        j, k = task
        fit = fit_network(problem.without(split.folds[k]), networks[j].shape, seed + 50_000 + 100 * j + k, steps=steps)
        return fit.predict(problem.x[split.folds[k]])

    for done, ((j, k), prediction) in enumerate(zip(todo, effort.map(predict, todo), strict=True)):
        progress("cross-validating the mean", 0.65 + 0.2 * done / len(todo))
        found[j][split.folds[k]] = prediction
    return found
