r"""Levenberg–Marquardt for a ridge-regularised nonlinear least-squares problem.

.. math:: \min_\theta\; |r(\theta)|^2 + \sum_i \alpha_i \theta_i^2

Each step solves :math:`(J^T J + \alpha + \mu m) \delta = J^T r + \alpha \theta` with m the mean of the diagonal of JᵀJ; the damping μ
follows the ratio of the actual to the predicted reduction (Nielsen 1999, *Damping parameter in Marquardt's method*, report
IMM-REP-1999-05, DTU).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import numpy as np
import scipy.linalg
from jaxtyping import Float

STEPS = 300
PATIENCE = 12  # steps in a row that reduce the objective by less than SMALL of it
SMALL = 1e-4
FIRST_DAMPING, LEAST_DAMPING = 1e-3, 1e-14
ATTEMPTS = 8  # increases of the damping within one step

Vector = Float[np.ndarray, " k"]


@final
@dataclass(frozen=True, eq=False)
class Minimum:
    """Where the minimisation ended.

    Attributes
    ----------
    parameters
        θ.
    objective
        |r|² + Σ α θ² there.
    steps
        Accepted steps.
    converged
        Whether it stopped because no step, or ``PATIENCE`` small ones, reduced the objective; False when ``steps`` ran out.
    """

    parameters: Vector
    objective: float
    steps: int
    converged: bool


def levenberg_marquardt(
    residual: Callable[[Vector], Float[np.ndarray, " m"]],
    jacobian: Callable[[Vector], Float[np.ndarray, "m k"]],
    start: Vector,
    ridge: Vector,
    *,
    steps: int = STEPS,
) -> Minimum:
    """Minimise |r(θ)|² + Σ α θ² from a starting point.

    Parameters
    ----------
    residual
        r as a function of θ.
    jacobian
        ∂r/∂θ as a function of θ.
    start
        Initial θ.
    ridge
        α of each parameter.
    steps
        Largest number of accepted steps.

    Returns
    -------
    The last point, at which the objective is never larger than at the start.

    Examples
    --------
    >>> import numpy as np
    >>> data = np.array([1.0, 2.0, 4.0])  # 2**t at t = 0, 1, 2
    >>> t = np.arange(3.0)
    >>> r = lambda p: p[0] * np.exp(p[1] * t) - data
    >>> J = lambda p: np.stack([np.exp(p[1] * t), p[0] * t * np.exp(p[1] * t)], axis=1)
    >>> found = levenberg_marquardt(r, J, np.array([0.5, 0.1]), np.zeros(2))
    >>> [round(float(value), 6) for value in found.parameters], found.converged
    ([1.0, 0.693147], True)
    """
    theta, rest = start, residual(start)
    damping, growth, idle, taken = FIRST_DAMPING, 2.0, 0, 0
    value = rest @ rest + ridge @ theta**2
    for _ in range(steps):
        J = jacobian(theta)
        curvature, slope = J.T @ J, J.T @ rest + ridge * theta
        mean = np.trace(curvature) / len(theta)
        for _attempt in range(ATTEMPTS):
            damped = curvature.copy()
            damped[np.diag_indices_from(damped)] += ridge + damping * mean
            step = scipy.linalg.solve(damped, slope, assume_a="pos", check_finite=False)
            trial = theta - step
            trial_rest = residual(trial)
            new = trial_rest @ trial_rest + ridge @ trial**2
            if new < value:
                break
            damping, growth = damping * growth, 2 * growth
        else:
            return Minimum(theta, float(value), taken, True)
        predicted = step @ (damping * mean * step + slope)
        damping *= max(1 / 3, 1 - (2 * (value - new) / predicted - 1) ** 3)
        idle = idle + 1 if new > (1 - SMALL) * value else 0
        theta, rest, value, damping, growth, taken = trial, trial_rest, new, max(damping, LEAST_DAMPING), 2.0, taken + 1
        if idle >= PATIENCE:
            return Minimum(theta, float(value), taken, True)
    return Minimum(theta, float(value), taken, False)
