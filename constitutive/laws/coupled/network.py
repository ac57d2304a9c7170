r"""Group-convolution network of several variables: a lifting convolution over all operations of the group, then invariant pooling.

.. math::
    \Omega(x) = \frac{1}{|G|}\sum_{g \in G} \sum_h a_h\, \varphi(w_h \cdot D(g)\, x / s + b_h) - \text{(value and slope at 0)}

as :class:`constitutive.laws.NetworkLaw`, with the packed components of all variables for x, one scale s for each variable, and D(g)
block-diagonal over proper and improper operations.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from constitutive.laws.base import numbers
from constitutive.laws.coupled.base import CoupledLaw
from constitutive.laws.network import squareplus
from constitutive.plain import JsonObject
from constitutive.tensors.bases import GroupLike
from constitutive.tensors.variables import Variable, variables_named


@final
class CoupledNetworkLaw(CoupledLaw):
    """One hidden layer of H channels, each carrying the regular representation of the group.

    Parameters
    ----------
    directions : array (h, k)
        Input weights w on the packed components over their scales.
    biases : array (h,)
        b, one for each channel.
    amplitudes : array (h,)
        a, in GPa.
    scales : array (variables,)
        s: for each variable the size that counts as one, in its unit.
    variables : sequence of Variable or str
    operations : PointGroup or array (g, 3, 3)
        All operations of the group.
    """

    kind = "network"

    def __init__(
        self,
        directions: Float[np.ndarray, "h k"],
        biases: Float[np.ndarray, " h"],
        amplitudes: Float[np.ndarray, " h"],
        scales: Float[np.ndarray, " v"],
        variables: Sequence[Variable | str],
        operations: GroupLike,
    ):
        super().__init__(variables, operations)
        for name, array in (("directions", directions), ("biases", biases), ("amplitudes", amplitudes), ("scales", scales)):
            self.register_buffer(name, torch.from_numpy(np.array(array, dtype=np.float64)))
        if self.directions.shape != (len(self.biases), self.size) or len(self.scales) != len(self.variables):
            raise ValueError(
                f"directions {tuple(self.directions.shape)} and scales ({len(self.scales)},) do not fit {self.size} components"
            )
        if not bool((self.scales > 0).all()):
            raise ValueError(f"scales {self.scales.tolist()} are not positive")
        width = torch.cat([s.expand(v.size) for s, v in zip(self.scales, self.variables, strict=True)])
        order = len(self.matrices)
        W = torch.einsum("hj,gjk->ghk", self.directions, self.matrices).reshape(-1, self.size)
        self.register_buffer("orbit_weights", W / width)
        self.register_buffer("orbit_biases", self.biases.repeat(order))
        self.register_buffer("orbit_amplitudes", self.amplitudes.repeat(order) / order)
        self.register_buffer("slope", (self.orbit_amplitudes * squareplus(self.orbit_biases, 1)) @ self.orbit_weights)
        self.register_buffer("value", self.orbit_amplitudes @ squareplus(self.orbit_biases))

    def _preactivation(self, x: Tensor) -> Tensor:
        return torch.addmm(self.orbit_biases, x, self.orbit_weights.T)

    def energy_packed(self, x: Float[Tensor, "n k"]) -> Float[Tensor, " n"]:
        """Energy (GPa)."""
        return squareplus(self._preactivation(x)) @ self.orbit_amplitudes - self.value - x @ self.slope

    def gradient_packed(self, x: Float[Tensor, "n k"]) -> Float[Tensor, "n k"]:
        """Gradient."""
        rise = squareplus(self._preactivation(x), 1) - squareplus(self.orbit_biases, 1)
        return (rise * self.orbit_amplitudes) @ self.orbit_weights

    def hessian_packed(self, x: Float[Tensor, "n k"]) -> Float[Tensor, "n k k"]:
        """Second derivatives."""
        curvature = squareplus(self._preactivation(x), 2) * self.orbit_amplitudes
        W, k = self.orbit_weights, self.size
        packed = (curvature @ (W[:, :, None] * W[:, None, :]).reshape(-1, k * k)).reshape(-1, k, k)
        return (packed + packed.transpose(1, 2)) / 2

    def derivative(self, x: Float[Tensor, " k"], order: int) -> Tensor:
        """Derivative of order 1 to 4 at one point."""
        if order == 1:
            return self.gradient_packed(x[None])[0]
        weights = squareplus(self._preactivation(x[None])[0], order) * self.orbit_amplitudes
        letters = "ijkl"[:order]
        return torch.einsum(f"n,{','.join('n' + c for c in letters)}->{letters}", weights, *[self.orbit_weights] * order)

    def orbit_units(self) -> int:
        """|G|·H."""
        return len(self.orbit_biases)

    def state(self) -> tuple[JsonObject, dict[str, np.ndarray]]:
        """Settings and arrays for the material file."""
        names = ("directions", "biases", "amplitudes", "scales")
        return {**self._settings(), "channels": len(self.biases)}, {name: numbers(self.get_buffer(name)) for name in names}

    @classmethod
    def from_state(cls, settings: JsonObject, arrays: dict[str, np.ndarray], operations: np.ndarray) -> CoupledNetworkLaw:
        """Rebuild from ``state``."""
        H, variables = int(settings["channels"]), variables_named(settings["variables"])
        biases, amplitudes = arrays["biases"].reshape(H), arrays["amplitudes"].reshape(H)
        return cls(arrays["directions"].reshape(H, -1), biases, amplitudes, arrays["scales"].ravel(), variables, operations)
