r"""Group-convolution network: a lifting convolution over the group, then invariant pooling.

.. math::
    \psi(E) = \frac{1}{|G|}\sum_{g \in G} \sum_h a_h\, \varphi(w_h \cdot D(g)\, x / s + b_h) - \text{(value and slope at 0)}

with x the strain in the irreps 0e + 2e of O(3), D(g) the Wigner matrices of the group and the squareplus
:math:`\varphi(z) = (z + \sqrt{z^2 + 4})/2` (Barron 2021, arXiv:2112.11687). For a finite group such sums are
dense in the continuous invariant functions (Yarotsky 2022, *Constructive Approximation* 55, sec. 2).
"""

from __future__ import annotations

from typing import final

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from constitutive.laws.base import Law, numbers
from constitutive.plain import JsonObject
from constitutive.tensors.packing import mandel_matrix, mandel_to_irreps


def squareplus(z: Tensor, order: int = 0) -> Tensor:
    """The activation (z + √(z² + 4))/2 or one of its first four derivatives; no exponential in any of them.

    Parameters
    ----------
    z : tensor
    order : int
        0 the value, 1 to 4 the derivative of that order.

    Returns
    -------
    tensor
        Of the shape of z.
    """
    q = z * z + 4
    if order == 0:
        return 0.5 * (z + torch.sqrt(q))
    if order == 1:
        return 0.5 * (1 + z * torch.rsqrt(q))
    if order == 2:
        return 2 * torch.rsqrt(q) / q
    if order == 3:
        return -6 * z * torch.rsqrt(q) / (q * q)
    return 24 * (z * z - 1) * torch.rsqrt(q) / q**3


@final
class NetworkLaw(Law):
    """One hidden layer of H channels, each carrying the regular representation of the group; theory, eq. (9).

    Parameters
    ----------
    directions
        Input weights w, in the irreps 0e + 2e.
    biases
        b, one for each channel.
    amplitudes
        a, in GPa.
    scale
        s: the strain that counts as one.
    rotations
        The group.
    """

    kind = "network"

    def __init__(
        self,
        directions: Float[np.ndarray, "h 6"],
        biases: Float[np.ndarray, " h"],
        amplitudes: Float[np.ndarray, " h"],
        scale: float,
        rotations: Float[np.ndarray, "g 3 3"],
    ):
        super().__init__(rotations)
        self.scale = float(scale)
        for name, array in (("directions", directions), ("biases", biases), ("amplitudes", amplitudes)):
            self.register_buffer(name, torch.from_numpy(np.array(array, dtype=np.float64)))
        group = torch.as_tensor(mandel_matrix(self.rotations.numpy()))
        W = torch.einsum("hi,ij,gjk->ghk", self.directions, change_of_basis(), group).reshape(-1, 6)
        b = self.biases.repeat(len(group))
        a = self.amplitudes.repeat(len(group)) / len(group)
        self.register_buffer("orbit_weights", W / self.scale)
        self.register_buffer("orbit_biases", b)
        self.register_buffer("orbit_amplitudes", a)
        slope = (a * squareplus(b, 1)) @ self.orbit_weights
        self.register_buffer("slope", slope)
        self.register_buffer("value", a @ squareplus(b))

    def _preactivation(self, x: Tensor) -> Tensor:
        return torch.addmm(self.orbit_biases, x, self.orbit_weights.T)

    def energy_mandel(self, x: Float[Tensor, "n 6"]) -> Float[Tensor, " n"]:
        """Strain-energy density (GPa)."""
        return squareplus(self._preactivation(x)) @ self.orbit_amplitudes - self.value - x @ self.slope

    def stress_mandel(self, x: Float[Tensor, "n 6"]) -> Float[Tensor, "n 6"]:
        """Second Piola–Kirchhoff stress (GPa); theory, eq. (10)."""
        rise = squareplus(self._preactivation(x), 1) - squareplus(self.orbit_biases, 1)
        return (rise * self.orbit_amplitudes) @ self.orbit_weights

    def tangent_mandel(self, x: Float[Tensor, "n 6"]) -> Float[Tensor, "n 6 6"]:
        """Material tangent (GPa); theory, eq. (11)."""
        curvature = squareplus(self._preactivation(x), 2) * self.orbit_amplitudes
        W = self.orbit_weights
        outer = (W[:, :, None] * W[:, None, :]).reshape(-1, 36)
        packed = (curvature @ outer).reshape(-1, 6, 6)
        return (packed + packed.transpose(1, 2)) / 2

    def derivative_mandel(self, x: Float[Tensor, " 6"], order: int) -> Tensor:
        """Derivative of the energy of order 1 to 4 at one strain (GPa)."""
        if order == 1:
            return self.stress_mandel(x[None])[0]
        weights = squareplus(self._preactivation(x[None])[0], order) * self.orbit_amplitudes
        W = self.orbit_weights
        letters = "ijkl"[:order]
        return torch.einsum(f"n,{','.join('n' + c for c in letters)}->{letters}", weights, *[W] * order)

    def orbit_units(self) -> int:
        """|G|·H."""
        return len(self.orbit_biases)

    def state(self) -> tuple[JsonObject, dict[str, np.ndarray]]:
        """Settings and arrays for the material file."""
        names = ("directions", "biases", "amplitudes")
        settings = {"kind": self.kind, "channels": len(self.biases), "scale": self.scale}
        return settings, {name: numbers(self.get_buffer(name)) for name in names}

    @classmethod
    def from_state(cls, settings: JsonObject, arrays: dict[str, np.ndarray], rotations: np.ndarray) -> NetworkLaw:
        """Rebuild from ``state``.

        Parameters
        ----------
        settings : dict
            With ``scale``.
        arrays : dict of array
            "directions", "biases" and "amplitudes".
        rotations : array (g, 3, 3)
            The group.

        Returns
        -------
        NetworkLaw

        Raises
        ------
        ValueError
            The scale is not positive.
        """
        H, scale = int(settings["channels"]), float(settings["scale"])
        if not scale > 0:
            raise ValueError(f"scale {scale} is not positive")
        flat = (arrays["biases"].reshape(H), arrays["amplitudes"].reshape(H))
        return cls(arrays["directions"].reshape(H, 6), *flat, scale, rotations)


def change_of_basis() -> Float[Tensor, "6 6"]:
    """Orthogonal matrix from Mandel components to the e3nn irreps 0e + 2e.

    Returns
    -------
    tensor (6, 6)
        Q of :func:`constitutive.tensors.mandel_to_irreps`, float64.
    """
    return torch.as_tensor(mandel_to_irreps())


@final
class UnconstrainedNetworkLaw(Law):
    """The same network without its group: the baseline that shows what symmetry buys.

    Parameters
    ----------
    directions : array (h, 6)
        Input weights w, in the irreps 0e + 2e.
    biases : array (h,)
        b, one for each channel.
    amplitudes : array (h,)
        a, in GPa.
    scale : float
        s: the strain that counts as one.
    """

    kind = "unconstrained"

    def __init__(
        self,
        directions: Float[np.ndarray, "h 6"],
        biases: Float[np.ndarray, " h"],
        amplitudes: Float[np.ndarray, " h"],
        scale: float,
    ):
        super().__init__(np.eye(3)[None])
        self.network = NetworkLaw(directions, biases, amplitudes, scale, np.eye(3)[None])

    def energy_mandel(self, x: Float[Tensor, "n 6"]) -> Float[Tensor, " n"]:
        """Strain-energy density (GPa)."""
        return self.network.energy_mandel(x)

    def stress_mandel(self, x: Float[Tensor, "n 6"]) -> Float[Tensor, "n 6"]:
        """Second Piola–Kirchhoff stress (GPa)."""
        return self.network.stress_mandel(x)

    def tangent_mandel(self, x: Float[Tensor, "n 6"]) -> Float[Tensor, "n 6 6"]:
        """Material tangent (GPa)."""
        return self.network.tangent_mandel(x)

    def derivative_mandel(self, x: Float[Tensor, " 6"], order: int) -> Tensor:
        """Derivative of the energy of order 1 to 4 at one strain (GPa)."""
        return self.network.derivative_mandel(x, order)

    def orbit_units(self) -> int:
        """H."""
        return self.network.orbit_units()

    def state(self) -> tuple[JsonObject, dict[str, np.ndarray]]:
        """Settings and arrays for the material file."""
        settings, arrays = self.network.state()
        return {**settings, "kind": self.kind}, arrays

    @classmethod
    def from_state(cls, settings: JsonObject, arrays: dict[str, np.ndarray], rotations: np.ndarray) -> UnconstrainedNetworkLaw:
        """Rebuild from ``state``."""
        network = NetworkLaw.from_state(settings, arrays, np.eye(3)[None])
        w, b, a = (numbers(network.get_buffer(name)) for name in ("directions", "biases", "amplitudes"))
        return cls(w, b, a, network.scale)
