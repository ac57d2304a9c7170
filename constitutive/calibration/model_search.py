"""Networks of many shapes from many random starts, ranked by their predictions of samples left out."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import partial
from typing import final

import numpy as np
from jaxtyping import Float

from constitutive.calibration.candidates import Progress, candidate_shapes
from constitutive.calibration.cross_validation import Split, predicted_without
from constitutive.calibration.effort import FULL, MANY, Effort
from constitutive.fitting import FitProblem, SeriesNetworkFit, Shape, fit_and_leave_out, fit_network

STRAIN_EXPONENTS = (1.0, 0.0, -1.0)  # of Seth–Hill strains: pair forces are smoother functions of some than of others


@final
@dataclass(frozen=True, eq=False)
class FittedNetwork:
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
        Relative error of these: the geometric mean over samples, or pooled over paths.
    """

    shape: Shape
    fit: SeriesNetworkFit
    left_out: Float[np.ndarray, "n 6"]
    score: float


def search(problem: FitProblem, split: Split, seed: int, progress: Progress, effort: Effort = FULL) -> list[FittedNetwork]:
    """Begin to fit networks of many shapes from random directions, more of the better shapes; let the better of them go on.

    The Green–Lagrange strain comes first, then the other strain measures, near the best ridge of each series and size; on paths of large
    strain it alone.

    Parameters
    ----------
    problem
        The samples.
    split
        How they are left out.
    seed
        Of the initial directions.
    progress
        Called with what is being done and the fraction done.
    effort
        How many networks, how many steps, and how many threads.

    Returns
    -------
    Networks, the best first, none of them fitted to the end.
    """
    many = len(problem) >= MANY
    better, more = (values[many] for values in (effort.better, effort.more))
    steps = [rung[many] for rung in effort.rungs][-1 if split.on_paths else 0 :]
    groups = split.folds if split.on_paths else split.groups
    own = candidate_shapes(problem, far_apart=split.far_apart, effort=effort)
    found: list[FittedNetwork] = []
    expected = 3 * len(own) + better * more

    def fit(task: tuple[Shape, int]) -> FittedNetwork:
        shape, start = task
        attempt = _fit_without_paths if split.on_paths else fit_and_leave_out
        made, left_out = attempt(problem, shape, seed + 1000 * start, groups, steps=steps[0])
        return FittedNetwork(shape, made, left_out, split.score(problem, left_out))

    def fit_all(tasks: list[tuple[Shape, int]]) -> None:
        for network in effort.map(fit, tasks):
            found.append(network)
            progress(f"fitting {network.shape.label}", 0.05 + 0.25 * min(len(found) / expected, 1.0))

    fit_all([(shape, 0) for shape in own])
    fit_all([(shape, 0) for shape in ([] if split.far_apart else _neighbours(own, found))])
    best = dict.fromkeys(network.shape for network in sorted(found, key=lambda network: network.score))
    again = list(best)[: 0 if split.on_paths and not split.far_apart else better]
    fit_all([(shape, start) for shape in again for start in range(1, 1 + more)])
    return raced(problem, split, found, steps, progress, effort)


def raced(
    problem: FitProblem, split: Split, begun: list[FittedNetwork], steps: list[int], progress: Progress, effort: Effort = FULL
) -> list[FittedNetwork]:
    """Let the better half of the networks of each ridge go on from one number of steps to the next; leave the others out.

    The error on samples left out ranks networks of one ridge; how far a ridge carries beyond the samples it does not show, so that all
    ridges stay in the mean.

    Parameters
    ----------
    problem : FitProblem
    split : Split
    begun : list of FittedNetwork
        After the first number of steps.
    steps : list of int
        Rising.
    progress : callable
        Called with what is being done and the fraction done.
    effort : Effort
        How many threads.

    Returns
    -------
    list of FittedNetwork
        Those that are left, the best first.
    """
    running = sorted(begun, key=lambda network: network.score)
    for before, after in itertools.pairwise(dict.fromkeys(steps)):
        alike = [[n for n in running if n.shape.ridge == ridge] for ridge in dict.fromkeys(n.shape.ridge for n in running)]
        better = [network for networks in alike for network in networks[: -(-len(networks) // 2)]]
        progress(f"fitting the better {len(better)} of {len(begun)} networks on", 0.3)
        further = effort.map(partial(_further, problem, split, steps=after - before), better)
        running = sorted(further, key=lambda network: network.score)
    return running


def _further(problem: FitProblem, split: Split, network: FittedNetwork, *, steps: int) -> FittedNetwork:
    """A network after so many further steps."""
    made, left_out = fit_and_leave_out(problem, network.shape, 0, split.groups, steps=steps, start=network.fit)
    return FittedNetwork(network.shape, made, left_out, split.score(problem, left_out))


def _fit_without_paths(
    problem: FitProblem, shape: Shape, seed: int, parts: list[np.ndarray], *, steps: int
) -> tuple[SeriesNetworkFit, Float[np.ndarray, "n 6"]]:
    """Fit a network, and predict each part of the samples by another fit: a path left out is too far for a prediction to first order."""
    left_out = predicted_without(problem, parts, lambda rest, _: fit_network(rest, shape, seed, steps=steps))
    return fit_network(problem, shape, seed, steps=steps), left_out


def finish(problem: FitProblem, split: Split, begun: list[FittedNetwork], progress: Progress, effort: Effort = FULL) -> list[FittedNetwork]:
    """Fit the first of these networks to the end, in their order; not on paths, beyond which long fits err most.

    Parameters
    ----------
    problem : FitProblem
    split : Split
    begun : list of FittedNetwork
        In the order of their scores.
    progress : callable
        Called with what is being done and the fraction done.
    effort : Effort
        How many, for how many steps, on how many threads.

    Returns
    -------
    list of FittedNetwork
    """
    many = len(problem) >= MANY
    chosen = begun[: effort.finished[many]]
    if split.on_paths or not effort.last_steps[many]:
        return chosen
    done = []
    for network in effort.map(partial(_further, problem, split, steps=effort.last_steps[many]), chosen):
        done.append(network)
        progress(f"finishing {network.shape.label}", 0.3 + 0.35 * len(done) / len(chosen))
    return done


def _neighbours(shapes: list[Shape], found: list[FittedNetwork]) -> list[Shape]:
    """The same networks of other strain measures, at the ridge that was best for each kind and at those beside it."""
    chosen = []
    for kind in sorted({_kind(shape) for shape in shapes}):
        alike = [network for network in found if _kind(network.shape) == kind]
        best = min(alike, key=lambda network: network.score).shape.ridge
        near = dict.fromkeys(network.shape for network in alike if 0.09 < network.shape.ridge / best < 11)
        chosen += _of_other_strains(near)
    return chosen


def _of_other_strains(shapes: Iterable[Shape]) -> list[Shape]:
    """The same networks of the other strain measures."""
    return [replace(shape, strain_exponent=exponent) for exponent in STRAIN_EXPONENTS if exponent != 1 for shape in shapes]


def _kind(shape: Shape) -> tuple[tuple[int, ...], int, float]:
    return shape.degrees, shape.channels, shape.amplitude_ridge_factor
