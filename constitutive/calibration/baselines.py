"""Laws to compare with: the same samples without a network, and without symmetry."""

from __future__ import annotations

import numpy as np
import torch

from constitutive.calibration.candidates import Candidate, refitted
from constitutive.calibration.cleaning import group_of
from constitutive.calibration.cross_validation import Split, split
from constitutive.calibration.effort import FULL, Effort
from constitutive.calibration.residual_stress import find_residual_stress
from constitutive.data import StressStrainData
from constitutive.errors import CalibrationError
from constitutive.fitting import FitProblem, Shape, fit_network, fit_series, problem_of
from constitutive.laws import LinearLaw, UnconstrainedNetworkLaw
from constitutive.symmetry import PointGroup

EARLY_FOLDS = 2  # folds on which the network without symmetry is judged
BASELINE_RIDGES = (1e-4, 1e-5, 1e-3)


def fit_linear(data: StressStrainData, *, point_group: PointGroup | str | None = None) -> LinearLaw:
    """The linear law S = 𝒞 : E under the crystal's group that fits the samples best (St Venant–Kirchhoff).

    Parameters
    ----------
    data
        The samples.
    point_group
        For data without a structure: a symbol (standard axes) or a PointGroup in the frame of the data.

    Returns
    -------
    LinearLaw
        Constants in GPa, in the frame of the data.

    Raises
    ------
    CalibrationError
        There is no group to fit under.
    """
    problem = _problem(data, point_group)
    fit = fit_series(problem, (2,))
    return LinearLaw(fit.fit.law().derivative_mandel(torch.zeros(6, dtype=torch.float64), 2).numpy(), problem.rotations)


def fit_unconstrained(data: StressStrainData, *, seed: int = 0, point_group: PointGroup | str | None = None) -> UnconstrainedNetworkLaw:
    """The network without symmetry, its size and ridge chosen by cross-validation on the same samples.

    Parameters
    ----------
    data
        The samples.
    seed
        Of folds and initial directions.
    point_group
        As for :func:`fit_linear`.

    Returns
    -------
    UnconstrainedNetworkLaw

    Raises
    ------
    CalibrationError
        The data hold no group (it is needed only to judge their residual stress), or cross-validation chose no network.
    """
    problem = _problem(data, point_group)
    chosen = best_without_symmetry(problem, split(problem, seed), seed)
    if chosen.shape is None:
        raise CalibrationError("no unconstrained network could be fitted: give more samples")
    return fit_network(problem.ungrouped(), chosen.shape, seed).baseline_law()


def best_without_symmetry(problem: FitProblem, parts: Split, seed: int, *, shapes: int = 3, effort: Effort = FULL) -> Candidate:
    """The network without symmetry that predicts left-out samples best, of some ridges.

    Parameters
    ----------
    problem
        The samples.
    parts
        How they are left out.
    seed
        Of the initial directions.
    shapes
        How many ridges are tried.
    effort
        How many threads share the fits.

    Returns
    -------
    Candidate
    """
    free = problem.ungrouped()
    channels = int(np.clip(6 * len(problem) // 16, 4, 32))
    ridges = BASELINE_RIDGES[:shapes]
    candidates = list(effort.map(lambda ridge: _cross_validated(free, Shape((), channels, ridge), parts, seed), ridges))
    best = min(candidates, key=lambda candidate: candidate.error)
    return Candidate("network without symmetry", best.left_out, best.error, best.shape)


def _cross_validated(problem: FitProblem, shape: Shape, parts: Split, seed: int) -> Candidate:
    """Cross-validate one network, on some of the folds."""
    left_out = refitted(problem, shape, parts.folds[:EARLY_FOLDS], seed)
    return Candidate(shape.label, left_out, parts.error(problem, left_out), shape, shape.degrees)


def _problem(data: StressStrainData, point_group: PointGroup | str | None) -> FitProblem:
    rotations = np.array(group_of(data, point_group).laue_rotations)
    return problem_of(data, rotations, find_residual_stress(data, rotations, None).subtracted)
