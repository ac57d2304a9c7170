r"""Fit of a series of invariant polynomials plus a group-convolution network.

All parameters move together: directions w, biases b, amplitudes a and series coefficients c minimise

.. math:: \sum |T (S - y)|^2 / u^2 + \alpha \left(|w|^2 + |b|^2 + |a|^2 + |c|^2\right)

by Levenberg–Marquardt with the Jacobian written out (the network is one hidden layer). The linear parameters a, c start from their exact
solution for the random directions, and every Gauss–Newton step solves for them together with the rest, which is variable projection to
first order (Golub & Pereyra, SIAM J. Numer. Anal. 10 (1973) 413; Kaufman, BIT 15 (1975) 49).

The stress of the network in NumPy stands here once for every use: :func:`network_stress` for given amplitudes, :func:`network_columns` for
each channel at amplitude one, :func:`network_jacobian` for all parameters.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, final

import numpy as np
from jaxtyping import Float

from constitutive.fitting.compiled_network import NetworkEquations, compiled
from constitutive.fitting.coupled_problem import CoupledProblem
from constitutive.fitting.levenberg_marquardt import STEPS, Minimum, levenberg_marquardt
from constitutive.fitting.polynomial_basis import PolynomialBasis
from constitutive.fitting.problem import FitProblem, seth_hill_mandel
from constitutive.tensors.packing import mandel_to_irreps

if TYPE_CHECKING:
    from constitutive.laws import Law, UnconstrainedNetworkLaw


@final
@dataclass(frozen=True)
class Shape:
    """What kind of law is fitted.

    Attributes
    ----------
    degrees
        Powers of the strain in the series (2, 3, …); empty for a network without a series.
    channels
        H; 0 for a series without a network.
    ridge
        α: the larger, the smoother.
    strain_exponent
        Exponent of the Seth–Hill strain that it is a function of: 1 Green–Lagrange, 0 Hencky.
    amplitude_ridge_factor
        Ridge of the amplitudes relative to that of all other parameters: above 1, more channels share the work.
    """

    degrees: tuple[int, ...]
    channels: int
    ridge: float
    strain_exponent: float = 1.0
    amplitude_ridge_factor: float = 1.0

    def ridges(self, coefficients: int, inputs: int = 6) -> Float[np.ndarray, " k"]:
        """The ridge of every parameter: directions and biases, amplitudes, coefficients of the series.

        Parameters
        ----------
        coefficients : int
            Number of coefficients of the series.
        inputs : int
            Components d of a point.

        Returns
        -------
        array ((d + 2) × channels + coefficients,)
            Factors of the squared parameters in the objective, in its units of stress.
        """
        others, amplitudes = (
            np.full((inputs + 1) * self.channels, self.ridge),
            np.full(self.channels, self.amplitude_ridge_factor * self.ridge),
        )
        return np.concatenate([others, amplitudes, np.full(coefficients, self.ridge)])

    @property
    def label(self) -> str:
        """A short name for tables."""
        series = f"series {self.degrees[0]}–{self.degrees[-1]}" if self.degrees else ""
        factor = f", {self.amplitude_ridge_factor:g}α for amplitudes" if self.amplitude_ridge_factor != 1 else ""
        network = f"network H={self.channels} α={self.ridge:g}{factor}" if self.channels else ""
        strain = {1.0: "", 0.0: " in Hencky strain"}.get(self.strain_exponent, f" in Seth–Hill strain {self.strain_exponent:g}")
        return " + ".join(part for part in (series, network) if part) + strain


@final
@dataclass(frozen=True, eq=False)
class SeriesNetworkFit:
    """Parameters of a series plus network; either part may be empty.

    Attributes
    ----------
    directions, biases, amplitudes
        Of the network's channels: directions in Mandel components of strain / scale, amplitudes in units of ``unit``; empty for a series.
    coefficients
        Of the basis, in units of ``unit``.
    basis
        The polynomials of the series, their scale and group.
    group
        The rotations as matrices on Mandel components.
    unit
        The stress that counts as one (GPa).
    residual
        Relative error on the samples fitted.
    objective
        Of the minimisation.
    strain_exponent
        Of the Seth–Hill strain that the parameters act on; only those of the Green–Lagrange strain (1) make a ``law``.
    """

    directions: Float[np.ndarray, "h d"]
    biases: Float[np.ndarray, " h"]
    amplitudes: Float[np.ndarray, " h"]
    coefficients: Float[np.ndarray, " k"]
    basis: PolynomialBasis
    group: Float[np.ndarray, "g d d"]
    unit: float
    residual: float
    objective: float = 0.0
    strain_exponent: float = 1.0

    def columns(self, x: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "n d k"]:
        """The design matrix Φ: stress of each linear parameter at one, in units of ``unit``, at Green–Lagrange strains.

        Parameters
        ----------
        x : array (n, 6)
            Green–Lagrange strains, Mandel.

        Returns
        -------
        array (n, 6, k)
            Amplitudes first, then coefficients of the series.
        """
        return stress_columns(self.basis, self.group, self.directions, self.biases, x)

    def predict(self, x: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "n d"]:
        """Second Piola–Kirchhoff stress (Mandel, GPa) of Green–Lagrange strains.

        Parameters
        ----------
        x : array (n, 6)
            Green–Lagrange strains, Mandel.

        Returns
        -------
        array (n, 6)
        """
        if self.strain_exponent != 1:
            strain, slope = seth_hill_mandel(x, self.strain_exponent)
            return (self._conjugate(strain)[:, None] @ slope)[:, 0]
        return self._conjugate(x)

    def _conjugate(self, x: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "n d"]:
        """Stress conjugate to the strain of the fit."""
        network = network_stress(x / self.basis.scale, self.group, self.directions, self.biases, self.amplitudes)
        return self.unit * (network + self.basis(x) @ self.coefficients)

    @property
    def linear_parameters(self) -> Float[np.ndarray, " k"]:
        """The linear parameters: amplitudes, then series coefficients."""
        return np.concatenate([self.amplitudes, self.coefficients])

    def with_linear_parameters(self, linear: Float[np.ndarray, " k"]) -> SeriesNetworkFit:
        """The same directions and polynomials with other linear parameters.

        Parameters
        ----------
        linear : array (k,)
            Amplitudes, then coefficients of the series, in units of ``unit``.

        Returns
        -------
        SeriesNetworkFit
        """
        H = len(self.biases)
        return replace(self, amplitudes=linear[:H], coefficients=linear[H:])

    def law(self) -> Law:
        """The law with these parameters.

        Returns
        -------
        SeriesLaw, NetworkLaw or SumLaw
            In GPa.
        """
        from constitutive.laws import NetworkLaw, SumLaw  # deferred: torch takes 2 s to import, and a fit needs none

        terms: list[Law] = []
        if self.basis.degrees:
            terms.append(self.basis.law(self.coefficients, self.unit))
        if len(self.biases):
            w = self.directions @ mandel_to_irreps().T
            a = self.amplitudes * self.unit * self.basis.scale
            terms.append(NetworkLaw(w, self.biases, a, self.basis.scale, self.basis.rotations))
        return terms[0] if len(terms) == 1 else SumLaw(terms)

    def baseline_law(self) -> UnconstrainedNetworkLaw:
        """The network alone as a law without symmetry.

        Returns
        -------
        UnconstrainedNetworkLaw
            In GPa.
        """
        from constitutive.laws import UnconstrainedNetworkLaw  # deferred: as above

        w = self.directions @ mandel_to_irreps().T
        scale = self.basis.scale
        return UnconstrainedNetworkLaw(w, self.biases, self.amplitudes * self.unit * scale, scale)


def network_stress(
    x: Float[np.ndarray, "n d"],
    group: Float[np.ndarray, "g d d"],
    directions: Float[np.ndarray, "h d"],
    biases: Float[np.ndarray, " h"],
    amplitudes: Float[np.ndarray, " h"],
) -> Float[np.ndarray, "n d"]:
    """Stress of a group-convolution network; theory, eq. (10).

    Parameters
    ----------
    x
        Strains (Mandel) in units of the scale.
    group
        Rotations as matrices on Mandel components.
    directions, biases, amplitudes
        Of the channels; directions in Mandel components.

    Returns
    -------
    Mandel components in units of the amplitudes.
    """
    turned = np.einsum("gji,hj->ghi", group, directions).reshape(-1, x.shape[1])
    z = x @ turned.T + np.tile(biases, len(group))
    rise = 0.5 * z / np.sqrt(z * z + 4) - np.tile(_rest(biases), len(group))
    return (rise * np.tile(amplitudes / len(group), len(group))) @ turned


def network_columns(
    x: Float[np.ndarray, "n d"],
    group: Float[np.ndarray, "g d d"],
    directions: Float[np.ndarray, "h d"],
    biases: Float[np.ndarray, " h"],
) -> Float[np.ndarray, "n d h"]:
    """Stress of each channel at amplitude one.

    Parameters
    ----------
    x, group, directions, biases
        As for :func:`network_stress`.

    Returns
    -------
    array (n, d, h)
        Mandel components.
    """
    turned = np.einsum("gji,hj->hgi", group, directions)
    z = np.einsum("hgi,ni->hng", turned, x) + biases[:, None, None]
    rise = 0.5 * z / np.sqrt(z * z + 4) - _rest(biases)[:, None, None]
    return np.matmul(rise, turned).transpose(1, 2, 0) / len(group)


def network_jacobian(
    images: Float[np.ndarray, "n g d"],
    group: Float[np.ndarray, "g d d"],
    directions: Float[np.ndarray, "h d"],
    biases: Float[np.ndarray, " h"],
    amplitudes: Float[np.ndarray, " h"],
) -> tuple[Float[np.ndarray, "n d h d"], Float[np.ndarray, "n d h"], Float[np.ndarray, "n d h"]]:
    """Derivatives of the stress by directions, biases and amplitudes.

    Parameters
    ----------
    images : array (n, g, d)
        The strains turned by every rotation, over the scale.
    group, directions, biases, amplitudes
        As for :func:`network_stress`.

    Returns
    -------
    by_directions : array (n, d, h, d)
    by_biases, by_amplitudes : array (n, d, h)
    """
    n, g, d = images.shape
    H = len(biases)
    z = images @ directions.T + biases
    root = 1 / np.sqrt(z * z + 4)
    rise = 0.5 * z * root - _rest(biases)  # φ'(z) − φ'(b)
    bend = 2 * root**3
    turned = np.einsum("gji,hj->hgi", group, directions)
    by_amplitudes = np.matmul(rise.transpose(2, 0, 1), turned).transpose(1, 2, 0) / g
    change = bend - 2 / np.sqrt(biases * biases + 4) ** 3
    by_biases = np.matmul(change.transpose(2, 0, 1), turned).transpose(1, 2, 0) * (amplitudes / g)
    own = rise.transpose(0, 2, 1).reshape(n * H, g) @ group.transpose(0, 2, 1).reshape(g, d * d)
    spread = (bend.transpose(0, 2, 1)[:, :, None, :] * turned.transpose(0, 2, 1)).reshape(n, H * d, g)
    moved = np.matmul(spread, images).reshape(n, H, d, d)
    by_directions = (own.reshape(n, H, d, d) + moved) * (amplitudes / g)[None, :, None, None]
    return by_directions.transpose(0, 2, 1, 3), by_biases, by_amplitudes


def _rest(biases: np.ndarray) -> np.ndarray:
    """φ'(b) less one half: the slope of the activation at zero strain."""
    return 0.5 * biases / np.sqrt(biases * biases + 4)


def stress_columns(
    basis: PolynomialBasis,
    group: Float[np.ndarray, "g d d"],
    directions: Float[np.ndarray, "h d"],
    biases: Float[np.ndarray, " h"],
    x: Float[np.ndarray, "n d"],
) -> Float[np.ndarray, "n d k"]:
    """The design matrix Φ at strains x: the stress of each linear parameter (amplitudes, then series coefficients) at one.

    Parameters
    ----------
    basis : PolynomialBasis
        Of the series; its scale is also that of the network.
    group, directions, biases
        As for :func:`network_stress`.
    x : array (n, 6)
        Strains, Mandel.

    Returns
    -------
    array (n, 6, k)
    """
    return np.concatenate([network_columns(x / basis.scale, group, directions, biases), basis(x)], axis=2)


class SeriesNetworkResidual:
    """Residual and Jacobian of one fit as functions of all its parameters θ = (w, b, a, c).

    Parameters
    ----------
    problem : FitProblem or CoupledProblem
        Its x and y in the strain measure of the shape.
    shape : Shape
    start : (directions, biases), optional
        Initial ones, Mandel over the scale; random ones when None.
    seed : int
        Of the random ones.
    """

    def __init__(self, problem: FitProblem | CoupledProblem, shape: Shape, start: tuple[np.ndarray, np.ndarray] | None, seed: int):
        rng = np.random.default_rng(seed)
        H = shape.channels
        self.problem, self.shape, self.H = problem, shape, H
        self.basis = problem.basis(shape.degrees)
        self.inputs = problem.x.shape[1]
        self.group, self.norm = problem.group, problem.norm
        self.x = problem.x / problem.scale
        self.target = problem.normed(problem.y).ravel() / problem.unit
        self.plain = bool((problem.norm == np.eye(self.inputs)).all())
        self.columns = self._normed(self.basis(problem.x)).reshape(len(self.target), -1)
        self.ridge = shape.ridges(self.columns.shape[1], self.inputs)
        self.w0: np.ndarray
        self.b0: np.ndarray
        self.w0, self.b0 = start or (rng.normal(size=(H, self.inputs)), rng.normal(size=H))

    def _normed(self, array: np.ndarray) -> np.ndarray:
        return array if self.plain else np.matmul(self.norm, array.reshape(len(array), self.inputs, -1)).reshape(array.shape)

    def start(self) -> np.ndarray:
        """Given directions with the amplitudes and coefficients that fit best.

        Returns
        -------
        array (parameters,)
        """
        columns = network_columns(self.x, self.group, self.w0, self.b0)
        A = np.concatenate([self._normed(columns).reshape(len(self.target), self.H), self.columns], axis=1)
        linear = np.linalg.solve(A.T @ A + 1e-4 * np.eye(A.shape[1]), A.T @ self.target)
        return np.concatenate([self.w0.ravel(), self.b0, linear])

    def parts(self, theta: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Directions, biases, amplitudes and series coefficients.

        Parameters
        ----------
        theta : array (parameters,)

        Returns
        -------
        directions, biases, amplitudes, coefficients : array
        """
        H, d = self.H, self.inputs
        return theta[: d * H].reshape(H, d), theta[d * H : (d + 1) * H], theta[(d + 1) * H : (d + 2) * H], theta[(d + 2) * H :]

    def residual(self, theta: np.ndarray) -> np.ndarray:
        """Predicted less given stress, in the norm of the fit and units of the problem.

        Parameters
        ----------
        theta : array (parameters,)

        Returns
        -------
        array (n d,)
        """
        w, b, a, c = self.parts(theta)
        network = network_stress(self.x, self.group, w, b, a) if self.H else np.zeros_like(self.x)
        return self._normed(network[:, :, None]).ravel() + self.columns @ c - self.target

    def jacobian(self, theta: np.ndarray) -> np.ndarray:
        """Derivative of the residual by all parameters.

        Parameters
        ----------
        theta : array (parameters,)

        Returns
        -------
        array (n d, parameters)
        """
        w, b, a, _ = self.parts(theta)
        N = len(self.target)
        images = np.einsum("gij,nj->ngi", self.group, self.x)
        Jw, Jb, Ja = network_jacobian(images, self.group, w, b, a)
        J = np.concatenate([Jw.reshape(len(self.x), self.inputs, -1), Jb, Ja], axis=2)
        return np.concatenate([self._normed(J).reshape(N, -1), self.columns], axis=1)

    def minimise(self, steps: int, start: np.ndarray | None = None) -> Minimum:
        """Levenberg–Marquardt from given parameters, or from the initial directions.

        Parameters
        ----------
        steps : int
            Most steps.
        start : array (parameters,), optional
            Where to start.

        Returns
        -------
        Minimum
        """
        first = self.start() if start is None else start
        code = compiled(self.inputs)
        if code is None:
            return levenberg_marquardt(self.residual, self.jacobian, first, self.ridge, steps=steps)
        return self._equations.minimise(code, first, steps)

    def linearised(self, theta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Residual and Jacobian by compiled code, or by NumPy where there is none.

        Parameters
        ----------
        theta : array (parameters,)

        Returns
        -------
        array (n d,), array (n d, parameters)
        """
        code = compiled(self.inputs)
        return (self.residual(theta), self.jacobian(theta)) if code is None else self._equations.linearise(code, theta)

    @property
    def _equations(self) -> NetworkEquations:
        norm = None if self.plain else self.norm
        return NetworkEquations(self.x, self.group, norm, self.columns, self.target, self.ridge, self.H)

    def fit(self, minimum: Minimum) -> SeriesNetworkFit:
        """The parameters found, as a fit.

        Parameters
        ----------
        minimum : Minimum
            Its parameters are taken.

        Returns
        -------
        SeriesNetworkFit
        """
        w, b, a, c = self.parts(minimum.parameters)
        error = float(np.linalg.norm(self.residual(minimum.parameters)) / np.linalg.norm(self.target))
        return SeriesNetworkFit(w, b, a, c, self.basis, self.group, self.problem.unit, error, minimum.objective, self.shape.strain_exponent)


def fit_network(
    problem: FitProblem,
    shape: Shape,
    seed: int = 0,
    *,
    steps: int = STEPS,
    start: tuple[np.ndarray, np.ndarray] | None = None,
) -> SeriesNetworkFit:
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

    Returns
    -------
    SeriesNetworkFit
    """
    equations = SeriesNetworkResidual(problem.in_seth_hill_strain(shape.strain_exponent), shape, start, seed)
    return equations.fit(equations.minimise(steps))
