"""A law turned in space."""

from __future__ import annotations

from typing import Any, final

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from constitutive.errors import MaterialError
from constitutive.laws.base import Law, law_from_state, numbers
from constitutive.tensors.packing import mandel_matrix


@final
class RotatedLaw(Law):
    r"""Law of a crystal turned by R (crystal → lab): :math:`\psi_{lab}(E) = \psi(R^T E R)`.

    Parameters
    ----------
    law
        The law in crystal axes.
    rotation
        Proper or improper orthogonal matrix.

    Raises
    ------
    MaterialError
        The matrix is not orthogonal to 1e-10.
    """

    kind = "rotated"

    def __init__(self, law: Law, rotation: Float[np.ndarray, "3 3"]):
        R = np.array(rotation, dtype=np.float64)
        error = float(np.abs(R @ R.T - np.eye(3)).max())
        if not error <= 1e-10:
            raise MaterialError(f"the orientation is not a rotation: R Rᵀ differs from I by {error:.1e}; normalise its axes")
        super().__init__(R @ law.rotations.numpy() @ R.T)
        self.law = law
        self.register_buffer("rotation", torch.from_numpy(R))
        self.register_buffer("matrix", torch.as_tensor(mandel_matrix(R)))

    def energy_mandel(self, x: Float[Tensor, "n 6"]) -> Float[Tensor, " n"]:
        """Strain-energy density (GPa)."""
        return self.law.energy_mandel(x @ self.matrix)

    def stress_mandel(self, x: Float[Tensor, "n 6"]) -> Float[Tensor, "n 6"]:
        """Second Piola–Kirchhoff stress (GPa)."""
        return self.law.stress_mandel(x @ self.matrix) @ self.matrix.T

    def tangent_mandel(self, x: Float[Tensor, "n 6"]) -> Float[Tensor, "n 6 6"]:
        """Material tangent (GPa)."""
        return self.matrix @ self.law.tangent_mandel(x @ self.matrix) @ self.matrix.T

    def derivative_mandel(self, x: Float[Tensor, " 6"], order: int) -> Tensor:
        """Derivative of the energy of order 1 to 4 at one strain (GPa)."""
        result = self.law.derivative_mandel(x @ self.matrix, order)
        for _ in range(order):  # each turn of the loop rotates the first axis and moves it to the back
            result = torch.tensordot(result, self.matrix, dims=([0], [1]))
        return result

    def orbit_units(self) -> int:
        """Hidden units of the law that is turned."""
        return self.law.orbit_units()

    def state(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """Settings and arrays for the material file."""
        settings, arrays = self.law.state()
        named = {f"law.{name}": array for name, array in arrays.items()}
        return {"kind": self.kind, "law": settings}, {**named, "rotation": numbers(self.rotation)}

    @classmethod
    def from_state(cls, settings: dict[str, Any], arrays: dict[str, np.ndarray], rotations: np.ndarray) -> RotatedLaw:
        """Rebuild from ``state``; ``rotations`` are those of the turned crystal."""
        R = arrays["rotation"].reshape(3, 3)
        inner = {name[4:]: array for name, array in arrays.items() if name.startswith("law.")}
        return cls(law_from_state(settings["law"], inner, R.T @ rotations @ R), R)
