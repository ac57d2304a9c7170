"""Series laws by ridge regression in closed form, chosen by leaving one sample out in closed form."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Float

from constitutive.calibration.network import NetworkFit
from constitutive.laws.leave_one_out import leave_one_out
from constitutive.laws.problem import Problem


@final
@dataclass(frozen=True, eq=False)
class SeriesFit:
    """A fitted series with its left-out predictions.

    Attributes
    ----------
    fit
        On all samples.
    left_out
        For each sample the stress (Mandel, GPa) predicted without it.
    ridge
        The ridge chosen.
    degrees
        The powers of the strain.
    """

    fit: NetworkFit
    left_out: Float[np.ndarray, "n 6"]
    ridge: float
    degrees: tuple[int, ...]


def fit_series(problem: Problem, degrees: tuple[int, ...]) -> SeriesFit:
    """Best ridge fit of the series of some degrees."""
    found = leave_one_out(problem, degrees)
    none = np.zeros((0, 6)), np.zeros(0), np.zeros(0)
    fit = NetworkFit(*none, found.coefficients, found.features, problem.group, problem.unit, found.misfit)
    return SeriesFit(fit, found.prediction, found.ridge, found.features.degrees)
