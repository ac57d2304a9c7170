"""Networks of many shapes from many random starts, ranked by their predictions of samples left out."""

from __future__ import annotations

from dataclasses import dataclass, replace
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
    """Begin to fit networks of many shapes from random directions, more of the better shapes.

    The Green–Lagrange strain comes first, then the other strain measures near the best ridge of each series and size; on paths of large
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
    better, more, steps = (values[many] for values in (effort.better, effort.more, effort.first_steps))
    groups = split.folds if split.on_paths else split.groups
    own = candidate_shapes(problem, far_apart=split.far_apart, effort=effort)
    found: list[FittedNetwork] = []
    expected = 3 * len(own) + better * more

    def fit(task: tuple[Shape, int]) -> FittedNetwork:
        shape, start = task
        attempt = _fit_without_paths if split.on_paths else fit_and_leave_out
        made, left_out = attempt(problem, shape, seed + 1000 * start, groups, steps=steps)
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
    return sorted(found, key=lambda network: network.score)


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
    if split.on_paths:
        return chosen

    def go_on(network: FittedNetwork) -> FittedNetwork:
        made, left_out = fit_and_leave_out(problem, network.shape, 0, split.groups, steps=effort.last_steps[many], start=network.fit)
        return FittedNetwork(network.shape, made, left_out, split.score(problem, left_out))

    done = []
    for network in effort.map(go_on, chosen):
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
        chosen += [replace(shape, strain_exponent=exponent) for exponent in STRAIN_EXPONENTS if exponent != 1 for shape in near]
    return chosen


def _kind(shape: Shape) -> tuple[tuple[int, ...], int, float]:
    return shape.degrees, shape.channels, shape.amplitude_ridge_factor
