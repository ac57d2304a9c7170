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

STEPS = 300
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
    sparing
        Ridge of the amplitudes relative to that of all other parameters: above 1, more channels share the work.
    """

    degrees: tuple[int, ...]
    channels: int
    ridge: float
    measure: float = 1.0
    sparing: float = 1.0

    def ridges(self, coefficients: int) -> Float[np.ndarray, " k"]:
        """The ridge of every parameter: directions and biases, amplitudes, coefficients of the series."""
        others, amplitudes = np.full(7 * self.channels, self.ridge), np.full(self.channels, self.sparing * self.ridge)
        return np.concatenate([others, amplitudes, np.full(coefficients, self.ridge)])

    @property
    def label(self) -> str:
        """A short name for tables."""
        series = f"series {self.degrees[0]}–{self.degrees[-1]}" if self.degrees else ""
        sparing = f", {self.sparing:g}α for amplitudes" if self.sparing != 1 else ""
        network = f"network H={self.channels} α={self.ridge:g}{sparing}" if self.channels else ""
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
        return self._normed(network[:, :, None]).ravel() + self.columns @ c - self.target

    def jacobian(self, theta: np.ndarray) -> np.ndarray:
        w, b, a, _ = self.parts(theta)
        N = len(self.target)
        Jw, Jb, Ja = self._jacobian_parts(w, b, a)
        J = np.concatenate([Jw.reshape(len(self.x), 6, -1), Jb, Ja], axis=2)
        return np.concatenate([self._normed(J).reshape(N, -1), self.columns], axis=1)

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
    return _packed(state, shape, *_minimise(state, shape.ridges(state.K), steps))


def fit_and_leave_out(
    problem: Problem, shape: Shape, seed: int, groups: list[np.ndarray], *, steps: int = STEPS, start: NetworkFit | None = None
) -> tuple[NetworkFit, Float[np.ndarray, "n 6"]]:
    """Fit a series + network, and predict each group of samples without it, to first order.

    As for a linear fit with the Jacobian in the place of the columns: the error of a group left out is
    :math:`(1 - H_{gg})^{-1} r_g`, :math:`H = J (J^T J + α)^{-1} J^T` (Cook & Weisberg 1982, *Residuals and Influence in Regression*,
    ch. 5; as approximate cross-validation: Giordano et al., AISTATS 2019, arXiv:1806.00550); theory, eq. (24).

    Parameters
    ----------
    problem, shape, seed, steps
        As for :func:`fit_network`.
    groups
        Disjoint groups that make up all samples.
    start
        A fit of this shape to go on from.

    Returns
    -------
    The fit, and S (Mandel, GPa) of every sample predicted without its group.
    """
    state = _State(problem.in_measure(shape.measure), shape, None, seed)
    theta = None if start is None else np.concatenate([start.directions.ravel(), start.biases, start.outer])
    theta, objective = _minimise(state, shape.ridges(state.K), steps, theta)
    errors = _left_out_errors(state, theta, shape.ridges(state.K), groups)
    predicted = problem.y + np.linalg.solve(problem.norm, errors[:, :, None] * problem.unit)[:, :, 0]
    return _packed(state, shape, theta, objective), predicted


def _left_out_errors(state: _State, theta: np.ndarray, ridge: np.ndarray, groups: list[np.ndarray]) -> Float[np.ndarray, "n 6"]:
    J, residual = state.jacobian(theta), state.residual(theta).reshape(-1, 6)
    curvature = J.T @ J
    curvature[np.diag_indices_from(curvature)] += ridge
    lower = scipy.linalg.cholesky(curvature, lower=True, check_finite=False)
    rows = scipy.linalg.solve_triangular(lower, J.T, lower=True, check_finite=False).T.reshape(len(residual), 6, -1)
    errors = np.empty_like(residual)
    for group in groups:
        part = rows[group].reshape(6 * len(group), -1)
        rest = (1 + 1e-9) * np.eye(len(part)) - part @ part.T
        errors[group] = np.linalg.solve(rest, residual[group].ravel()).reshape(-1, 6)
    return errors


def _packed(state: _State, shape: Shape, theta: np.ndarray, objective: float) -> NetworkFit:
    w, b, a, c = state.parts(theta)
    error = float(np.linalg.norm(state.residual(theta)) / np.linalg.norm(state.target))
    return NetworkFit(w, b, a, c, state.features, state.group, state.problem.unit, error, objective, shape.measure)


def _minimise(state: _State, ridge: np.ndarray, steps: int, theta: np.ndarray | None = None) -> tuple[np.ndarray, float]:
    """Levenberg–Marquardt on |r|² + Σ ridge θ², its damping after Nielsen (1999, report IMM-REP-1999-05, DTU)."""
    theta = state.start() if theta is None else theta
    residual = state.residual(theta)
    damping, growth, idle = 1e-3, 2.0, 0
    value = residual @ residual + ridge @ theta**2
    for _ in range(steps):
        J = state.jacobian(theta)
        curvature, slope = J.T @ J, J.T @ residual + ridge * theta
        mean = np.trace(curvature) / len(theta)
        for _attempt in range(8):
            lifted = curvature.copy()
            lifted[np.diag_indices_from(lifted)] += ridge + damping * mean
            step = scipy.linalg.solve(lifted, slope, assume_a="pos", check_finite=False)
            trial = theta - step
            rest = state.residual(trial)
            new = rest @ rest + ridge @ trial**2
            if new < value:
                break
            damping, growth = damping * growth, 2 * growth
        else:
            break
        promised = step @ (damping * mean * step + slope)
        damping *= max(1 / 3, 1 - (2 * (value - new) / promised - 1) ** 3)
        idle = idle + 1 if new > (1 - 1e-4) * value else 0
        theta, residual, value, damping, growth = trial, rest, new, max(damping, 1e-14), 2.0
        if idle >= PATIENCE:
            break
    return theta, float(value)


def _network_stress(x: np.ndarray, group: np.ndarray, w: np.ndarray, b: np.ndarray, a: np.ndarray) -> np.ndarray:
    turned = np.einsum("gji,hj->ghi", group, w).reshape(-1, 6)
    z = x @ turned.T + np.tile(b, len(group))
    rise = 0.5 * z / np.sqrt(z * z + 4) - np.tile(0.5 * b / np.sqrt(b * b + 4), len(group))
    return (rise * np.tile(a / len(group), len(group))) @ turned
