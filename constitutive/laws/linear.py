"""Linear law between S and E: St Venant–Kirchhoff with any anisotropy."""

from __future__ import annotations

from typing import final

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from constitutive.laws.base import Law, numbers, require_unchanged, settled
from constitutive.plain import JsonObject
from constitutive.tensors.packing import mandel_matrix, stiffness_voigt_to_mandel


@final
class LinearLaw(Law):
    r"""Energy :math:`\psi = S_0 \cdot x + \tfrac12 x \cdot C x` in Mandel components.

    Parameters
    ----------
    stiffness
        Second-order elastic constants in Mandel components (GPa); projected on the group's invariants.
    rotations
        The group under which the law is exact.
    reference_stress
        Stress at zero strain in Mandel components (GPa); projected likewise.
    """

    kind = "linear"

    def __init__(
        self,
        stiffness: Float[np.ndarray, "6 6"],
        rotations: Float[np.ndarray, "g 3 3"],
        reference_stress: Float[np.ndarray, " 6"] | None = None,
    ):
        super().__init__(rotations)
        D = np.asarray(mandel_matrix(np.asarray(rotations, dtype=np.float64)))
        C = np.mean(D @ stiffness @ D.transpose(0, 2, 1), axis=0)
        S0 = np.zeros(6) if reference_stress is None else np.mean(D @ reference_stress, axis=0)
        given = np.array(stiffness, dtype=np.float64)
        self.register_buffer("stiffness", torch.from_numpy(settled((C + C.T) / 2, given)))
        self.register_buffer("reference_stress", torch.from_numpy(S0))

    @classmethod
    def from_voigt(cls, C: Float[np.ndarray, "6 6"], rotations: Float[np.ndarray, "g 3 3"]) -> LinearLaw:
        """Law of a 6×6 Voigt matrix (GPa; order xx yy zz yz xz xy, engineering shear).

        Parameters
        ----------
        C : array (6, 6)
            Second-order elastic constants (GPa).
        rotations : array (g, 3, 3)
            Proper rotations of the group, in the frame of C.

        Returns
        -------
        LinearLaw
        """
        return cls(np.asarray(stiffness_voigt_to_mandel(np.asarray(C, dtype=np.float64))), rotations)

    def energy_mandel(self, x: Float[Tensor, "n 6"]) -> Float[Tensor, " n"]:
        """Strain-energy density (GPa)."""
        return x @ self.reference_stress + 0.5 * ((x @ self.stiffness) * x).sum(-1)

    def stress_mandel(self, x: Float[Tensor, "n 6"]) -> Float[Tensor, "n 6"]:
        """Second Piola–Kirchhoff stress (GPa)."""
        return self.reference_stress + x @ self.stiffness

    def tangent_mandel(self, x: Float[Tensor, "n 6"]) -> Float[Tensor, "n 6 6"]:
        """Material tangent (GPa)."""
        return self.stiffness.expand(x.shape[0], 6, 6)

    def derivative_mandel(self, x: Float[Tensor, " 6"], order: int) -> Tensor:
        """Derivative of the energy of order 1 to 4 at one strain (GPa)."""
        if order == 1:
            return self.stress_mandel(x[None])[0]
        return self.stiffness.clone() if order == 2 else x.new_zeros((6,) * order)

    def state(self) -> tuple[JsonObject, dict[str, np.ndarray]]:
        """Settings and arrays for the material file."""
        arrays = {"stiffness": numbers(self.stiffness), "reference_stress": numbers(self.reference_stress)}
        return {"kind": self.kind}, arrays

    @classmethod
    def from_state(cls, settings: JsonObject, arrays: dict[str, np.ndarray], rotations: np.ndarray) -> LinearLaw:
        """Rebuild from ``state``."""
        stiffness, stress = arrays["stiffness"].reshape(6, 6), arrays["reference_stress"].reshape(6)
        law = cls(stiffness, rotations, stress)
        require_unchanged(numbers(law.stiffness), stiffness)
        require_unchanged(numbers(law.reference_stress), stress)
        return law
