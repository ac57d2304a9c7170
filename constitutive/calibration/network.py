r"""Levenberg–Marquardt for series + group-convolution network.

All parameters move together: directions w, biases b, amplitudes a and series coefficients c minimise

.. math:: \sum |T (S - y)|^2 / u^2 + \alpha \left(|w|^2 + |b|^2 + |a|^2 + |c|^2\right)

whose Jacobian is written out (the network is one hidden layer). The linear parameters start from their exact solution for
the random directions, and every Gauss–Newton step solves for them together with the rest, which is variable projection to first order
(Golub & Pereyra, SIAM J. Numer. Anal. 10 (1973) 413; Kaufman, BIT 15 (1975) 49).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import final

import numpy as np
import scipy.linalg
from jaxtyping import Float

from constitutive.laws import Law, NetworkLaw, SumLaw, UnconstrainedNetworkLaw
from constitutive.laws.features import SeriesFeatures
from constitutive.laws.network import change_of_basis
from constitutive.laws.problem import Problem, strain_in_measure

STEPS = 100
PATIENCE = 12  # steps in a row that gain less than 1e-4 of the objective


@final
@dataclass(frozen=True)
class Shape:
    """What kind of law is fitted.

    Attributes
    ----------
    degrees
        Powers of the strain in the series (2, 3, …); empty for a lone network.
    channels
        H; 0 for a lone series.
    ridge
        α: the larger, the smoother.
    measure
        Exponent of the Seth–Hill strain that it is a function of: 1 Green–Lagrange, 0 Hencky.
    """

    degrees: tuple[int, ...]
    channels: int
    ridge: float
    measure: float = 1.0

    @property
    def label(self) -> str:
        """A short name for tables."""
        series = f"series {self.degrees[0]}–{self.degrees[-1]}" if self.degrees else ""
        network = f"network H={self.channels} α={self.ridge:g}" if self.channels else ""
        strain = {1.0: "", 0.0: " in Hencky strain"}.get(self.measure, f" in Seth–Hill strain {self.measure:g}")
        return " + ".join(part for part in (series, network) if part) + strain


@final
@dataclass(frozen=True, eq=False)
class NetworkFit:
    """Fitted parameters, in units of the problem (strain / scale, stress / unit), directions in Mandel components.

    ``measure`` is the exponent of the Seth–Hill strain that they act on; only those of the Green–Lagrange strain (1) make a ``law``.
    """

    directions: Float[np.ndarray, "h 6"]
    biases: Float[np.ndarray, " h"]
    amplitudes: Float[np.ndarray, " h"]
    coefficients: Float[np.ndarray, " k"]
    features: SeriesFeatures
    group: Float[np.ndarray, "g 6 6"]
    unit: float
    residual: float
    objective: float = 0.0
    measure: float = 1.0

    def predict(self, x: Float[np.ndarray, "n 6"]) -> Float[np.ndarray, "n 6"]:
        """Second Piola–Kirchhoff stress (Mandel, GPa) of Green–Lagrange strains."""
        if self.measure != 1:
            strain, slope = strain_in_measure(x, self.measure)
            return (self._conjugate(strain)[:, None] @ slope)[:, 0]
        return self._conjugate(x)

    def _conjugate(self, x: Float[np.ndarray, "n 6"]) -> Float[np.ndarray, "n 6"]:
        """Stress conjugate to the strain measure of the fit."""
        network = _network_stress(x / self.features.scale, self.group, self.directions, self.biases, self.amplitudes)
        return self.unit * (network + self.features(x) @ self.coefficients)

    @property
    def outer(self) -> Float[np.ndarray, " k"]:
        """The linear parameters: amplitudes, then series coefficients."""
        return np.concatenate([self.amplitudes, self.coefficients])

    def with_outer(self, outer: Float[np.ndarray, " k"]) -> NetworkFit:
        """The same directions and polynomials with other linear parameters."""
        H = len(self.biases)
        return replace(self, amplitudes=outer[:H], coefficients=outer[H:])

    def law(self) -> Law:
        """The law with these parameters."""
        terms: list[Law] = []
        if self.features.degrees:
            terms.append(self.features.law(self.coefficients, self.unit))
        if len(self.biases):
            w = self.directions @ change_of_basis().numpy().T
            a = self.amplitudes * self.unit * self.features.scale
            terms.append(NetworkLaw(w, self.biases, a, self.features.scale, self.features.rotations))
        return terms[0] if len(terms) == 1 else SumLaw(terms)

    def baseline_law(self) -> UnconstrainedNetworkLaw:
        """The network alone as a law without symmetry."""
        w = self.directions @ change_of_basis().numpy().T
        scale = self.features.scale
        return UnconstrainedNetworkLaw(w, self.biases, self.amplitudes * self.unit * scale, scale)


class _State:
    """Residual, Jacobian and packing of one fit."""

    def __init__(self, problem: Problem, shape: Shape, start: tuple[np.ndarray, np.ndarray] | None, seed: int):
        rng = np.random.default_rng(seed)
        H = shape.channels
        self.problem, self.H = problem, H
        self.features = SeriesFeatures(problem.rotations, shape.degrees, problem.scale)
        self.group, self.norm = problem.group, problem.norm
        self.x = problem.x / problem.scale
        self.images = np.einsum("gij,nj->ngi", self.group, self.x)
        self.target = problem.measured(problem.y).ravel() / problem.unit
        self.share = problem.energy_weight
        self.energies: np.ndarray = np.zeros(0)
        if self.share and problem.energy is not None:
            self.energies = self.share * problem.energy / (problem.unit * problem.scale)
            self.energy_columns = self.share * self.features.energies(problem.x)
        self.plain = bool((problem.norm == np.eye(6)).all())
        self.columns = self._normed(self.features(problem.x)).reshape(len(self.target), -1)
        self.K = self.columns.shape[1]
        self.w0: np.ndarray
        self.b0: np.ndarray
        self.w0, self.b0 = start or (rng.normal(size=(H, 6)), rng.normal(size=H))

    def _normed(self, array: np.ndarray) -> np.ndarray:
        return array if self.plain else np.matmul(self.norm, array.reshape(len(array), 6, -1)).reshape(array.shape)

    def start(self) -> np.ndarray:
        """Given directions with the amplitudes and coefficients that fit best."""
        columns = self._jacobian_parts(self.w0, self.b0, np.ones(self.H))[2]
        A = np.concatenate([self._normed(columns).reshape(len(self.target), self.H), self.columns], axis=1)
        linear = np.linalg.solve(A.T @ A + 1e-4 * np.eye(A.shape[1]), A.T @ self.target)
        return np.concatenate([self.w0.ravel(), self.b0, linear])

    def parts(self, theta: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        H = self.H
        return theta[: 6 * H].reshape(H, 6), theta[6 * H : 7 * H], theta[7 * H : 8 * H], theta[8 * H :]

    def residual(self, theta: np.ndarray) -> np.ndarray:
        w, b, a, c = self.parts(theta)
        network = _network_stress(self.x, self.group, w, b, a) if self.H else np.zeros_like(self.x)
        stress = self._normed(network[:, :, None]).ravel() + self.columns @ c - self.target
        if not len(self.energies):
            return stress
        return np.concatenate([stress, self._energy_terms(w, b, a)[0] + self.energy_columns @ c - self.energies])

    def jacobian(self, theta: np.ndarray) -> np.ndarray:
        w, b, a, _ = self.parts(theta)
        N = len(self.target)
        Jw, Jb, Ja = self._jacobian_parts(w, b, a)
        J = np.concatenate([Jw.reshape(len(self.x), 6, -1), Jb, Ja], axis=2)
        stress = np.concatenate([self._normed(J).reshape(N, -1), self.columns], axis=1)
        if not len(self.energies):
            return stress
        rows = np.concatenate([self._energy_terms(w, b, a)[1], self.energy_columns], axis=1)
        return np.concatenate([stress, rows])

    def _energy_terms(self, w: np.ndarray, b: np.ndarray, a: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Weighted energies of the network (n,) and their derivatives by w, b and a (n, 8H)."""
        linear = self.images @ w.T  # n g h
        z = linear + b
        root, root0 = np.sqrt(z * z + 4), np.sqrt(b * b + 4)
        slope0 = 0.5 * (1 + b / root0)
        rise = 0.5 * (z / root - b / root0)
        value = 0.5 * (z + root) - 0.5 * (b + root0) - slope0 * linear
        g = len(self.group)
        by_a = value.sum(axis=1) / g
        by_b = (rise - (2 / root0**3) * linear).sum(axis=1) * (a / g)
        by_w = np.matmul(rise.transpose(0, 2, 1), self.images) * (a / g)[:, None]
        energy = self.share * (by_a @ a)
        return energy, self.share * np.concatenate([by_w.reshape(len(z), -1), by_b, by_a], axis=1)

    def _jacobian_parts(self, w: np.ndarray, b: np.ndarray, a: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Derivatives of the network's stress by w (n, 6, H, 6), b and a (n, 6, H)."""
        n, g, H = len(self.x), len(self.group), len(b)
        z = self.images @ w.T + b
        root = 1 / np.sqrt(z * z + 4)
        rise = 0.5 * z * root - 0.5 * b / np.sqrt(b * b + 4)  # φ'(z) − φ'(b)
        bend = 2 * root**3
        turned = np.einsum("gji,hj->hgi", self.group, w)
        Ja = np.matmul(rise.transpose(2, 0, 1), turned).transpose(1, 2, 0) / g
        Jb = np.matmul((bend - 2 / np.sqrt(b * b + 4) ** 3).transpose(2, 0, 1), turned).transpose(1, 2, 0) * (a / g)
        own = rise.transpose(0, 2, 1).reshape(n * H, g) @ self.group.transpose(0, 2, 1).reshape(g, 36)
        spread = (bend.transpose(0, 2, 1)[:, :, None, :] * turned.transpose(0, 2, 1)).reshape(n, H * 6, g)
        moved = np.matmul(spread, self.images).reshape(n, H, 6, 6)
        Jw = (own.reshape(n, H, 6, 6) + moved) * (a / g)[None, :, None, None]
        return Jw.transpose(0, 2, 1, 3), Jb, Ja


def fit_network(
    problem: Problem,
    shape: Shape,
    seed: int = 0,
    *,
    steps: int = STEPS,
    start: tuple[np.ndarray, np.ndarray] | None = None,
) -> NetworkFit:
    """Fit a series + network.

    Parameters
    ----------
    problem
        The samples.
    shape
        Degrees, channels, ridge and strain measure.
    seed
        Of the initial directions.
    steps
        Largest number of Gauss–Newton steps.
    start
        Initial directions (Mandel, in units of the scale) and biases instead of random ones.
    """
    state = _State(problem.in_measure(shape.measure), shape, start, seed)
    theta, objective = _minimise(state, shape.ridge, steps)
    w, b, a, c = state.parts(theta)
    error = float(np.linalg.norm(state.residual(theta)) / np.linalg.norm(state.target))
    return NetworkFit(w, b, a, c, state.features, state.group, problem.unit, error, objective, shape.measure)


def _minimise(state: _State, ridge: float, steps: int) -> tuple[np.ndarray, float]:
    """Levenberg–Marquardt on |r|² + ridge |θ|²."""
    theta = state.start()
    residual = state.residual(theta)
    damping, idle = 1e-3, 0
    value = residual @ residual + ridge * theta @ theta
    for _ in range(steps):
        J = state.jacobian(theta)
        curvature, slope = J.T @ J, J.T @ residual + ridge * theta
        mean = np.trace(curvature) / len(theta)
        for _attempt in range(8):
            lifted = curvature.copy()
            lifted[np.diag_indices_from(lifted)] += ridge + damping * mean
            trial = theta - scipy.linalg.solve(lifted, slope, assume_a="pos", check_finite=False)
            rest = state.residual(trial)
            new = rest @ rest + ridge * trial @ trial
            if new < value:
                break
            damping *= 4
        else:
            break
        idle = idle + 1 if new > (1 - 1e-4) * value else 0
        theta, residual, value, damping = trial, rest, new, max(damping / 5, 1e-14)
        if idle >= PATIENCE:
            break
    return theta, float(value)


def _network_stress(x: np.ndarray, group: np.ndarray, w: np.ndarray, b: np.ndarray, a: np.ndarray) -> np.ndarray:
    turned = np.einsum("gji,hj->ghi", group, w).reshape(-1, 6)
    z = x @ turned.T + np.tile(b, len(group))
    rise = 0.5 * z / np.sqrt(z * z + 4) - np.tile(0.5 * b / np.sqrt(b * b + 4), len(group))
    return (rise * np.tile(a / len(group), len(group))) @ turned
