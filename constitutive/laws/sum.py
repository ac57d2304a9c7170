"""Sum of laws of one group."""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from constitutive.errors import MaterialError
from constitutive.laws.base import Law, law_from_state, state_of_terms, under
from constitutive.plain import JsonObject


@final
class SumLaw(Law):
    """Sum of the energies of its terms, all exact under the same group.

    Parameters
    ----------
    terms : sequence of Law
        At least one, all exact under the same rotations.
    """

    kind = "sum"

    def __init__(self, terms: Sequence[Law]):
        if not terms:
            raise MaterialError("a sum of laws needs at least one term")
        super().__init__(terms[0].rotations.numpy())
        self.terms = torch.nn.ModuleList(terms)

    def energy_mandel(self, x: Float[Tensor, "n 6"]) -> Float[Tensor, " n"]:
        """Strain-energy density (GPa)."""
        return torch.stack([term.energy_mandel(x) for term in self.terms]).sum(0)

    def stress_mandel(self, x: Float[Tensor, "n 6"]) -> Float[Tensor, "n 6"]:
        """Second Piola–Kirchhoff stress (GPa)."""
        return torch.stack([term.stress_mandel(x) for term in self.terms]).sum(0)

    def tangent_mandel(self, x: Float[Tensor, "n 6"]) -> Float[Tensor, "n 6 6"]:
        """Material tangent (GPa)."""
        return torch.stack([term.tangent_mandel(x) for term in self.terms]).sum(0)

    def derivative_mandel(self, x: Float[Tensor, " 6"], order: int) -> Tensor:
        """Derivative of the energy of order 1 to 4 at one strain (GPa)."""
        return torch.stack([term.derivative_mandel(x, order) for term in self.terms]).sum(0)

    def orbit_units(self) -> int:
        """Hidden units of all terms together."""
        return sum(term.orbit_units() for term in self.terms)

    def state(self) -> tuple[JsonObject, dict[str, np.ndarray]]:
        """Settings and arrays for the material file."""
        settings, arrays = state_of_terms([term.state() for term in self.terms])
        return {"kind": self.kind, "terms": settings}, arrays

    @classmethod
    def from_state(cls, settings: JsonObject, arrays: dict[str, np.ndarray], rotations: np.ndarray) -> SumLaw:
        """Rebuild from ``state``."""
        return cls([law_from_state(part, under(arrays, f"term{k}."), rotations) for k, part in enumerate(settings["terms"])])
