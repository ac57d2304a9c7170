"""The mean of invariant kernel regressions, which a law learns from: weighted by samples left out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Float

from constitutive.calibration.effort import Effort
from constitutive.fitting.coupled_problem import CoupledProblem
from constitutive.fitting.kernel_regression import KERNELS, KernelFit, fit_kernel

MOST = 500  # samples of a regression, whose time grows with the cube of their number


@final
@dataclass(frozen=True, eq=False)
class Teacher:
    """Kernel regressions with their weights.

    Attributes
    ----------
    fits : tuple of KernelFit
    weights : array (fits,)
        Their sum is one.
    """

    fits: tuple[KernelFit, ...]
    weights: Float[np.ndarray, " f"]

    @property
    def problem(self) -> CoupledProblem:
        """Its samples."""
        return self.fits[0].problem

    def __call__(self, x: Float[np.ndarray, "m k"]) -> Float[np.ndarray, "m k"]:
        """Gradient at points, both over the scales."""
        return sum(w * fit.predict(x) for w, fit in zip(self.weights, self.fits, strict=True) if w) + np.zeros_like(x)

    @property
    def left_out(self) -> Float[np.ndarray, "n k"]:
        """Gradient of each sample, predicted without it."""
        return np.einsum("f,fnk->nk", self.weights, np.array([fit.left_out for fit in self.fits]))


def learn(problem: CoupledProblem, effort: Effort) -> Teacher:
    """Fit all kernels, and weigh them by their errors on samples left out.

    Parameters
    ----------
    problem : CoupledProblem
    effort : Effort
        Its threads share the fits.

    Returns
    -------
    Teacher
    """
    some = problem if len(problem) <= MOST else problem.subset(np.unique(np.linspace(0, len(problem) - 1, MOST).astype(int)))
    fits = tuple(effort.map(lambda kernel: fit_kernel(some, kernel), KERNELS))
    errors = [some.normed(fit.left_out - some.y).ravel() for fit in fits]
    apart = errors[1] - errors[0]
    share = float(np.clip((apart @ errors[1]) / max(float(apart @ apart), 1e-300), 0, 1))
    return Teacher(fits, np.array([share, 1 - share]))
