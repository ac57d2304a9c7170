r"""Schemes of time integration of M ü + C u̇ + R(u, t) = 0.

The implicit ones are members of one family (Chung & Hulbert, J. Appl. Mech. 60 (1993) 371):

.. math::
    M a_{n+1-\alpha_m} + C v_{n+1-\alpha_f} + R(u_{n+1-\alpha_f}, t_{n+1-\alpha_f}) = 0, \qquad
    x_{n+1-\alpha} = (1-\alpha) x_{n+1} + \alpha x_n

with Newmark's formulas for u and v. Forces are evaluated at the displacement in between, so that a law sees one state in a step.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from constitutive.errors import SolveError


@dataclass(frozen=True)
class TimeScheme:
    """A member of the generalised-α family.

    Attributes
    ----------
    alpha_m, alpha_f : float
        Weights of the old acceleration, and of the old displacement, velocity and load.
    beta, gamma : float
        Newmark's parameters.
    """

    alpha_m: float
    alpha_f: float
    beta: float
    gamma: float

    @property
    def spectral_radius(self) -> float:
        """Factor of the amplitude in a step much longer than the period: 1 without numerical damping, 0 with the most."""
        f, b, g = self.alpha_f, self.beta, self.gamma
        # the amplification matrix of (u, Δt v, Δt² a) as ωΔt → ∞: equilibrium makes u_{n+1-αf} vanish
        p = -f / (1 - f)  # u_{n+1} = p u_n
        acceleration = np.array([p - 1, -1.0, b - 0.5]) / b
        velocity = np.array([0.0, 1.0, 1 - g]) + g * acceleration
        return float(np.abs(np.linalg.eigvals(np.array([[p, 0.0, 0.0], velocity, acceleration]))).max())


def generalised_alpha(spectral_radius: float = 0.8) -> TimeScheme:
    """The generalised-α scheme with the least damping of low frequencies for a damping of high ones (Chung & Hulbert 1993, eqs 17, 18, 25).

    Parameters
    ----------
    spectral_radius : float
        Factor of the amplitude at high frequencies, 0 to 1.

    Returns
    -------
    TimeScheme
    """
    _require(0 <= spectral_radius <= 1, "spectral_radius", spectral_radius, "between 0 and 1")
    m, f = (2 * spectral_radius - 1) / (spectral_radius + 1), spectral_radius / (spectral_radius + 1)
    return TimeScheme(m, f, (1 - m + f) ** 2 / 4, 0.5 - m + f)


def hht(spectral_radius: float = 0.8) -> TimeScheme:
    """The scheme of Hilber, Hughes & Taylor (Earthq. Eng. Struct. Dyn. 5 (1977) 283), α = (1 − ρ)/(1 + ρ).

    Parameters
    ----------
    spectral_radius : float
        Factor of the amplitude at high frequencies, ½ to 1.

    Returns
    -------
    TimeScheme
    """
    _require(0.5 <= spectral_radius <= 1, "spectral_radius", spectral_radius, "between 0.5 and 1 for HHT")
    a = (1 - spectral_radius) / (1 + spectral_radius)
    return TimeScheme(0.0, a, (1 + a) ** 2 / 4, 0.5 + a)


def newmark(beta: float = 0.25, gamma: float = 0.5) -> TimeScheme:
    """Newmark's scheme; the defaults are the average acceleration, without numerical damping.

    Parameters
    ----------
    beta, gamma : float
        Unconditionally stable for 2β ≥ γ ≥ ½.

    Returns
    -------
    TimeScheme
    """
    _require(np.isfinite(gamma) and gamma >= 0.5, "gamma", gamma, "0.5 or more (below, the motion grows)")
    _require(np.isfinite(beta) and 2 * beta >= gamma, "beta", beta, "at least gamma/2 (unconditional stability)")
    return TimeScheme(0.0, 0.0, beta, gamma)


def midpoint() -> TimeScheme:
    """The mid-point rule, which keeps linear and angular momentum (Simo & Tarnow, ZAMP 43 (1992) 757): generalised-α with ρ = 1.

    Returns
    -------
    TimeScheme
    """
    return TimeScheme(0.5, 0.5, 0.25, 0.5)


def _require(good: bool, name: str, value: float, needed: str) -> None:
    if not good:
        raise SolveError(f"{name}={value:g}: it has to be {needed}")


@dataclass(frozen=True)
class StepCoefficients:
    """What a step of a scheme makes of the state before it.

    Attributes
    ----------
    scheme : TimeScheme
    step : float
        Seconds.
    """

    scheme: TimeScheme
    step: float

    @property
    def mass(self) -> float:
        """Coefficient of M times the displacement in between."""
        s = self.scheme
        return (1 - s.alpha_m) / (1 - s.alpha_f) / (s.beta * self.step**2)

    @property
    def damping(self) -> float:
        """Coefficient of C times the displacement in between."""
        return self.scheme.gamma / (self.scheme.beta * self.step)

    def new_acceleration(self, new: np.ndarray, u: np.ndarray, v: np.ndarray, a: np.ndarray) -> np.ndarray:
        """Newmark's acceleration at the end of the step.

        Parameters
        ----------
        new : array
            Displacement there.
        u, v, a : array
            State before the step.

        Returns
        -------
        array
        """
        beta = self.scheme.beta
        return (new - u - self.step * v) / (beta * self.step**2) - (0.5 - beta) / beta * a

    def new_velocity(self, v: np.ndarray, a: np.ndarray, new: np.ndarray) -> np.ndarray:
        """Newmark's velocity at the end of the step.

        Parameters
        ----------
        v, a : array
            Before the step.
        new : array
            Acceleration at its end.

        Returns
        -------
        array
        """
        return v + self.step * ((1 - self.scheme.gamma) * a + self.scheme.gamma * new)

    def between(self, new: np.ndarray, old: np.ndarray) -> np.ndarray:
        """Displacement or velocity at which forces are evaluated.

        Parameters
        ----------
        new, old : array
            At the end of the step and before it.

        Returns
        -------
        array
        """
        return (1 - self.scheme.alpha_f) * new + self.scheme.alpha_f * old

    def beyond(self, between: np.ndarray, old: np.ndarray) -> np.ndarray:
        """The new displacement from the one in between.

        Parameters
        ----------
        between, old : array

        Returns
        -------
        array
        """
        return (between - self.scheme.alpha_f * old) / (1 - self.scheme.alpha_f)

    def constant_parts(self, u: np.ndarray, v: np.ndarray, a: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Acceleration and velocity at which inertia and damping are taken, for a displacement of zero in between.

        Parameters
        ----------
        u, v, a : array
            State before the step.

        Returns
        -------
        acceleration, velocity : array
            M times the first and C times the second are constant forces of the step.
        """
        s = self.scheme
        end = self.beyond(np.zeros_like(u), u)
        acceleration = self.new_acceleration(end, u, v, a)
        velocity = self.new_velocity(v, a, acceleration)
        return (1 - s.alpha_m) * acceleration + s.alpha_m * a, self.between(velocity, v)
