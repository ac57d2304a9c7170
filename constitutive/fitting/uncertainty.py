r"""How far the stress of a calibrated law may be off, at any strain.

For fixed directions the law is linear in its amplitudes and series coefficients θ. With a Gaussian posterior over them the
stress has the covariance :math:`\Phi(x)\, \Sigma\, \Phi(x)^T` (MacKay, Neural Computation 4 (1992) 415; Snoek et al., ICML 2015:
Bayesian last layer), which grows away from the samples. Since the law is only an approximation, the posterior is scaled: the
intervals are widened by the quantiles of the errors of samples left out, in units of the deviation predicted for them (Vovk et al.,
*Algorithmic Learning in a Random World*, 2005: conformal prediction), so that their coverage is a measured one.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import final

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from constitutive.fitting.polynomial_basis import PolynomialBasis
from constitutive.fitting.series_network import stress_columns
from constitutive.kinematics import cauchy_from_second_piola, green_lagrange_strain
from constitutive.plain import JsonObject
from constitutive.tensors.packing import from_mandel, mandel_matrix, to_mandel
from constitutive.tensors.polynomials import exponents, substitution

LEVELS = (0.5, 0.68, 0.8, 0.9, 0.95, 0.99)


@final
@dataclass(frozen=True, eq=False)
class Uncertainty:
    """Posterior over the linear parameters of a law, with measured quantiles.

    Attributes
    ----------
    directions, biases
        Of the network (Mandel, in units of the scale); empty for a series.
    basis
        The series' polynomials.
    factor
        L with Σ = L Lᵀ, in GPa.
    quantiles
        For each of ``LEVELS`` the multiple of the deviation that held that share of left-out errors.
    """

    directions: Float[np.ndarray, "h 6"]
    biases: Float[np.ndarray, " h"]
    basis: PolynomialBasis
    factor: Float[np.ndarray, "k r"]
    quantiles: Float[np.ndarray, " 6"]

    def __post_init__(self) -> None:
        object.__setattr__(self, "factor", np.ascontiguousarray(self.factor))  # as it is loaded: a product's bits depend on the layout

    @cached_property
    def _group(self) -> np.ndarray:
        return np.asarray(mandel_matrix(self.basis.rotations))

    def columns(self, x: Float[np.ndarray, "n 6"]) -> Float[np.ndarray, "n 6 k"]:
        """Φ: the stress of each linear parameter at one.

        Parameters
        ----------
        x : array (n, 6)
            Green–Lagrange strains, Mandel.

        Returns
        -------
        array (n, 6, k)
            Mandel components.
        """
        return stress_columns(self.basis, self._group, self.directions, self.biases, x)

    def deviation_mandel(self, x: Float[np.ndarray, "n 6"]) -> Float[np.ndarray, "n 6"]:
        """Standard deviation of each Mandel component of S (GPa), before the quantiles widen it.

        Parameters
        ----------
        x : array (n, 6)
            Green–Lagrange strains, Mandel.

        Returns
        -------
        array (n, 6)
        """
        return np.sqrt(np.sum((self.columns(x) @ self.factor) ** 2, axis=2))

    def multiple(self, level: float) -> float:
        """What to multiply the deviation by for an interval of a level.

        Parameters
        ----------
        level : float
            Probability, 0.5 to 0.99.

        Returns
        -------
        float
            Interpolated between the measured quantiles.
        """
        return float(np.interp(level, LEVELS, self.quantiles))

    def half_width(self, E: Float[Tensor, "*batch 3 3"], level: float = 0.9) -> Float[Tensor, "*batch 3 3"]:
        """Half the width of the interval that holds each component of S with the given probability (GPa).

        Parameters
        ----------
        E
            Green–Lagrange strains.
        level
            Probability, 0.5 to 0.99.

        Returns
        -------
        tensor (..., 3, 3)
            GPa.
        """
        E = torch.as_tensor(E, dtype=torch.float64)
        deviation = _size(self._modes(E.reshape(-1, 3, 3).numpy()))
        return torch.from_numpy(self.multiple(level) * deviation).reshape(E.shape)

    def half_width_cauchy(self, F: Float[np.ndarray, "n 3 3"], level: float = 0.9) -> Float[np.ndarray, "n 3 3"]:
        """Half the width of the interval that holds each component of the Cauchy stress with the given probability (GPa).

        At given F the Cauchy stress F S Fᵀ / J is linear in S: its covariance is that of S, carried over whole. The components
        of S are far from independent, and to add their half-widths as if they were would be wrong in either direction; theory, eq. (22).

        Parameters
        ----------
        F
            Deformation gradients.
        level
            Probability, 0.5 to 0.99.

        Returns
        -------
        array (n, 3, 3)
            GPa.
        """
        modes = cauchy_from_second_piola(F[:, None], self._modes(green_lagrange_strain(F)))
        return self.multiple(level) * _size(modes)

    def _modes(self, E: Float[np.ndarray, "n 3 3"]) -> Float[np.ndarray, "n r 3 3"]:
        """Stresses S (GPa) of the independent directions of the posterior, one deviation each."""
        spread = self.columns(np.asarray(to_mandel(E))) @ self.factor
        return np.asarray(from_mandel(np.ascontiguousarray(spread.transpose(0, 2, 1))))

    def rotated(self, rotation: Float[np.ndarray, "3 3"]) -> Uncertainty:
        """The uncertainty of the crystal turned by ``rotation`` (crystal → lab): the covariance of S turns with S.

        Parameters
        ----------
        rotation : array (3, 3)
            Crystal → lab.

        Returns
        -------
        Uncertainty
        """
        R = np.asarray(rotation, dtype=np.float64)
        D = np.asarray(mandel_matrix(R))
        own = self.basis
        polynomials = [rows @ substitution(D.T[None], d)[0] for d, rows in zip(own.degrees, own.energy, strict=True)]
        basis = PolynomialBasis(R @ own.rotations @ R.T, own.degrees, own.scale, polynomials)
        return Uncertainty(self.directions @ D.T, self.biases, basis, self.factor, self.quantiles)

    def state(self) -> tuple[JsonObject, dict[str, np.ndarray]]:
        """Settings and arrays for the material file.

        Returns
        -------
        settings : dict
            Plain types.
        arrays : dict of array
            By name.
        """
        arrays = {"directions": self.directions, "biases": self.biases, "factor": self.factor, "quantiles": self.quantiles}
        arrays |= {f"basis_{d}": row for d, row in zip(self.basis.degrees, self.basis.energy, strict=True)}
        return {"degrees": list(self.basis.degrees), "scale": float(self.basis.scale)}, arrays

    @classmethod
    def from_state(cls, settings: JsonObject, arrays: dict[str, np.ndarray], rotations: np.ndarray) -> Uncertainty:
        """Rebuild from ``state``.

        Parameters
        ----------
        settings, arrays : dict
            What ``state`` returned.
        rotations : array (g, 3, 3)
            The group of the law.

        Returns
        -------
        Uncertainty

        Raises
        ------
        ValueError, KeyError
            Something is missing or misshapen.
        """
        degrees, scale = tuple(int(d) for d in settings["degrees"]), float(settings["scale"])
        if not (scale > 0 and all(2 <= d <= 8 for d in degrees)):
            raise ValueError(f"an uncertainty of scale {scale} and degrees {degrees}")
        polynomials = [arrays[f"basis_{d}"].reshape(-1, len(exponents(d))) for d in degrees]
        H, K = len(arrays["biases"]), sum(len(row) for row in polynomials)
        factor = arrays["factor"].reshape(H + K, -1)
        basis = PolynomialBasis(rotations, degrees, scale, polynomials)
        return cls(arrays["directions"].reshape(H, 6), arrays["biases"], basis, factor, arrays["quantiles"].reshape(len(LEVELS)))


def _size(modes: Float[np.ndarray, "n r 3 3"]) -> Float[np.ndarray, "n 3 3"]:
    """Standard deviation of each component."""
    return np.sqrt(np.sum(modes**2, axis=1))
