"""Results of coupled solids at the quadrature points."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from constitutive.errors import SolveError
from constitutive.fem.coupled_kinematics import FIELD, STRAIN
from constitutive.fem.evaluation import Evaluation
from constitutive.fem.fields import PointState, Quantities
from constitutive.fem.material_point import LawAtPoints
from constitutive.fem.regions import Region
from constitutive.fem.tensor_fields import Cells
from constitutive.kinematics import determinant
from constitutive.laws.coupled import free_space
from constitutive.tensors.packing import from_mandel

GIGA = 1e9


class CoupledPointState(PointState):
    """What is known at a batch of points of coupled laws.

    Attributes
    ----------
    state : Tensor (n, w)
        Lab state: strain (Mandel), electric field (GV/m), temperature difference (K).
    x : Tensor (n, 6)
        Its strain.
    """

    def __init__(self, evaluation: Evaluation, region: Region, cells: Cells, law: LawAtPoints) -> None:
        super().__init__(evaluation, region, cells, law)
        self.state = self.x
        self.x = self.state[:, :STRAIN]

    @property
    def S(self) -> Float[Tensor, "n 3 3"]:
        """Second Piola–Kirchhoff stress, the stress at small strain; Maxwell's stress is part of it at finite strain."""
        return from_mandel(self.law.stress(self.state)[:, :STRAIN])

    def distance(self) -> Float[Tensor, " n"]:
        """Size of the crystal's strain relative to the edge of its domain.

        Returns
        -------
        tensor (n,)
        """
        return self.region.distance(self.law.crystal_strain(self.state))

    def reference_field(self) -> Float[Tensor, "n 3"]:
        """Electric field E₀ of the reference configuration (GV/m).

        Returns
        -------
        tensor (n, 3)
        """
        if self.state.shape[1] < STRAIN + FIELD:
            raise SolveError("there is no electric field: the law was made without phi=")
        return self.state[:, STRAIN : STRAIN + FIELD]

    def reference_displacement(self) -> Float[Tensor, "n 3"]:
        """Electric displacement D₀ of the reference configuration (C/m²).

        Returns
        -------
        tensor (n, 3)
        """
        self.reference_field()
        return -self.law.stress(self.state)[:, STRAIN : STRAIN + FIELD] / self.region.unit

    def electric_field(self) -> Float[Tensor, "n 3"]:
        """Electric field e = F⁻ᵀ E₀ in V/m.

        Returns
        -------
        tensor (n, 3)
        """
        field = self.reference_field()
        return GIGA * (torch.linalg.solve(self.F.transpose(-1, -2), field[..., None])[..., 0] if self.finite else field)

    def electric_displacement(self) -> Float[Tensor, "n 3"]:
        """Electric displacement d = F D₀/J in C/m².

        Returns
        -------
        tensor (n, 3)
        """
        return self._forward(self.reference_displacement())

    def polarization(self) -> Float[Tensor, "n 3"]:
        """Polarisation p = F P₀/J in C/m², without the free-space part of d.

        Returns
        -------
        tensor (n, 3)
        """
        places = getattr(self.evaluation.kinematics, "places", {})
        if getattr(self.region, "polar", False):
            return self._forward(self.state[:, places["polarization"]])
        vacuum = free_space(self.state[:, : STRAIN + FIELD], small_strain=not self.finite).gradient[:, STRAIN:]
        return self._forward(self.reference_displacement() + vacuum)

    def _forward(self, vector: Tensor) -> Tensor:
        if not self.finite:
            return vector
        F = self.F
        return torch.einsum("nij,nj->ni", F, vector) / determinant(F)[:, None]

    def temperature(self) -> Float[Tensor, " n"]:
        """Temperature less that of the reference (K).

        Returns
        -------
        tensor (n,)
        """
        places = getattr(self.evaluation.kinematics, "places", {})
        if "temperature" not in places:
            raise SolveError("there is no temperature: the law was made without T=")
        return self.state[:, -1]

    def entropy(self) -> Float[Tensor, " n"]:
        """Entropy per reference volume in J/(m³ K).

        Returns
        -------
        tensor (n,)
        """
        return -GIGA / self.region.unit * self.law.stress(self.state)[:, -1]

    @classmethod
    def quantities(cls) -> Quantities:
        """Results by name: the shape of each and how it is got from a state.

        Returns
        -------
        dict
        """
        mechanical = super().quantities()
        del mechanical["strain_energy_density"], mechanical["uncertainty"]
        return mechanical | {
            "crystal_strain": ((3, 3), lambda state: from_mandel(state.law.crystal_strain(state.state)[:, :STRAIN])),
            "strain_energy_density": ((), lambda state: state.law.energy(state.state)),
            "electric_field": ((3,), cls.electric_field),
            "electric_displacement": ((3,), cls.electric_displacement),
            "polarization": ((3,), cls.polarization),
            "temperature": ((), cls.temperature),
            "entropy": ((), cls.entropy),
        }
