"""Outliers found by case deletion: of another phase, beyond a bifurcation, from a relaxation that stopped elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Float, Int

from constitutive.calibration.candidates import Progress, candidate_shapes
from constitutive.calibration.cross_validation import on_paths
from constitutive.calibration.effort import FULL, MANY, Effort
from constitutive.fitting.leave_one_out import fit_and_leave_out
from constitutive.fitting.problem import FitProblem
from constitutive.fitting.series_network import SeriesNetworkFit, Shape

FEWEST_TO_JUDGE = 40  # samples below which chance decides
ROUGH_LAW = 0.01  # relative error of left-out samples: what stands out of laws that err by less is the crystal's own
DELETION_RIDGES = (1e-5, 1e-4)  # of the networks
FIRST, FURTHER = 100, 25  # steps of each fit, and those after a sample was taken out
SUSPECTS = 4  # samples tried at a time
MOST_OUTLIERS = 4  # samples taken out: of more, the weights take care
GAIN = 1.2  # logarithm of the gain that counts, times the root of the number of samples: chance gave up to 0.7
CAUCHY = 2.0  # distance at which a sample counts half


@final
@dataclass(frozen=True, eq=False)
class Outliers:
    """Samples found by case deletion, and the weights of the others.

    Attributes
    ----------
    outlying
        Samples to leave out, the worst first, each with the factor by which the left-out errors of the others are larger with it.
    kept
        The others, in their order.
    weights
        Of these, for their squared errors in a fit; None where all count alike.
    """

    outlying: list[tuple[int, float]]
    kept: Int[np.ndarray, " k"]
    weights: Float[np.ndarray, " k"] | None = None

    def notes(self, problem: FitProblem) -> list[str]:
        """A note for the user that names the samples left out.

        Parameters
        ----------
        problem : FitProblem
            Whose samples have been judged.

        Returns
        -------
        list of str
        """
        if not self.outlying:
            return []
        names = ", ".join(f"{problem.numbers[k]} (with it the others are predicted {ratio:.2g} times worse)" for k, ratio in self.outlying)
        return [f"outliers found by case deletion were left out: {names}; check them (another phase, a bifurcation, not relaxed)"]


def find_outliers(problem: FitProblem, seed: int, progress: Progress, effort: Effort = FULL) -> Outliers:
    """Find the samples without which networks predict the others far better; of many samples also weights by how far each is off.

    Series are too stiff to distinguish an outlier from a sharp turn of the law, and a network follows both. So samples are deleted one
    by one (case deletion: Cook & Weisberg 1982, *Residuals and Influence in Regression*, ch. 3), those first whose residuals are large
    for their leverage. An outlier of another phase spoils the predictions of its neighbours; a sharp turn of the law does not.

    Parameters
    ----------
    problem
        The samples.
    seed
        Of the directions from which networks start.
    progress
        Called with what is being done and the fraction done.
    effort
        How many threads share the fits.

    Returns
    -------
    Outliers
    """
    kept, outlying = np.arange(len(problem)), list[tuple[int, float]]()
    if len(problem) < FEWEST_TO_JUDGE or on_paths(problem):
        return Outliers(outlying, kept)
    networks = list(effort.map(lambda shape: _DeletionFit(problem, shape, seed, None, FIRST), _shapes(problem)))
    while min(network.error for network in networks) > ROUGH_LAW and len(outlying) < MOST_OUTLIERS:
        progress("looking for outliers", 0.05 * len(outlying) / MOST_OUTLIERS)
        further = list(effort.map(_DeletionFit.continued, networks))
        suspects = [int(k) for k in np.argsort(-_distances(networks))[:SUSPECTS]]
        deleted = list(effort.map(lambda task: task[0].without(task[1]), [(network, k) for k in suspects for network in networks]))
        without = {k: deleted[j * len(networks) : (j + 1) * len(networks)] for j, k in enumerate(suspects)}
        gains = {k: _gain(further, others, k) for k, others in without.items()}
        worst = max(gains, key=lambda k: gains[k])
        if np.log(gains[worst]) * np.sqrt(len(kept)) < GAIN:
            break
        outlying.append((int(kept[worst]), gains[worst]))
        kept, networks = np.delete(kept, worst), without[worst]
    if len(kept) < MANY or min(network.error for network in networks) < ROUGH_LAW:
        return Outliers(outlying, kept)
    first = _weights(networks)
    weights = _weights([network.continued(first) for network in networks])
    return Outliers(outlying, kept, weights / weights.max())


def _shapes(problem: FitProblem) -> list[Shape]:
    """The widest networks that would be tried, beside short series."""
    shapes = [
        shape
        for shape in candidate_shapes(problem, far_apart=False)
        if shape.ridge in DELETION_RIDGES and shape.amplitude_ridge_factor == 1 and max(shape.degrees) <= 4
    ]
    widest = max(shape.channels for shape in shapes)
    return [shape for shape in shapes if shape.channels == widest]


class _DeletionFit:
    """One network and its prediction of each sample left out."""

    def __init__(
        self,
        problem: FitProblem,
        shape: Shape,
        seed: int,
        start: SeriesNetworkFit | None,
        steps: int,
        weights: Float[np.ndarray, " n"] | None = None,
    ):
        self.problem, self.shape, self.seed = problem, shape, seed
        alone = list(np.arange(len(problem))[:, None])
        fitted = problem if weights is None else problem.reweighted(weights)
        self.fit, left_out = fit_and_leave_out(fitted, shape, seed, alone, steps=steps, start=start)
        self.errors = problem.normed(left_out - problem.y)
        self.residuals = problem.normed(self.fit.predict(problem.x) - problem.y)
        self.error = problem.relative_error(left_out)

    def continued(self, weights: Float[np.ndarray, " n"] | None = None) -> _DeletionFit:
        """The fit after further steps."""
        return _DeletionFit(self.problem, self.shape, self.seed, self.fit, FURTHER * (1 if weights is None else 2), weights)

    def without(self, k: int) -> _DeletionFit:
        """The fit after as many steps without one sample."""
        return _DeletionFit(self.problem.without(np.array([k])), self.shape, self.seed, self.fit, FURTHER)


def _distances(networks: list[_DeletionFit]) -> Float[np.ndarray, " n"]:
    """How far each sample is off for its leverage, relative to the median over samples (theory, eq. (26)); the median over networks."""
    squares = [np.maximum(np.einsum("ni,ni->n", network.residuals, network.errors), 1e-300) for network in networks]
    return np.median([np.sqrt(own / np.median(own)) for own in squares], axis=0)


def _weights(networks: list[_DeletionFit]) -> Float[np.ndarray, " n"]:
    """Cauchy's weights of the samples; theory, eq. (27)."""
    return 1 / (1 + (_distances(networks) / CAUCHY) ** 2)


def _gain(networks: list[_DeletionFit], without: list[_DeletionFit], k: int) -> float:
    """Geometric mean, over networks and samples, of the ratio of left-out errors with sample k to those without it."""
    logs = [[np.log(np.maximum(np.linalg.norm(one.errors, axis=1), 1e-300)) for one in part] for part in (networks, without)]
    return float(np.exp(np.mean([np.delete(own, k).mean() - other.mean() for own, other in zip(*logs, strict=True)])))
