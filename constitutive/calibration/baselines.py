"""Laws to compare with: what the same samples give without a network, and without symmetry."""

from __future__ import annotations

import torch

from constitutive.calibration.calibrate import group_of
from constitutive.calibration.contest import baseline
from constitutive.calibration.reference import judge
from constitutive.data import StressStrainData
from constitutive.errors import CalibrationError
from constitutive.fitting.leave_one_out import fit_series
from constitutive.fitting.problem import FitProblem, problem_of
from constitutive.fitting.series_network import fit_network
from constitutive.laws import LinearLaw, UnconstrainedNetworkLaw
from constitutive.symmetry import PointGroup


def fit_linear(data: StressStrainData, *, point_group: PointGroup | str | None = None) -> LinearLaw:
    """The linear law S = 𝒞 : E under the crystal's group that fits the samples best (St Venant–Kirchhoff).

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

    Raises
    ------
    CalibrationError
        The data hold no group (it is needed only to judge their residual stress), or cross-validation chose no network.
    """
    problem = _problem(data, point_group)
    chosen = baseline(problem, seed)
    if chosen.shape is None:
        raise CalibrationError("no unconstrained network could be fitted: give more samples")
    return fit_network(problem.ungrouped(), chosen.shape, seed).baseline_law()


def _problem(data: StressStrainData, point_group: PointGroup | str | None) -> FitProblem:
    rotations = group_of(data, point_group).laue_rotations
    return problem_of(data, rotations, judge(data, rotations, None).taken_off)
