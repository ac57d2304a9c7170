"""Sum of coupled laws of one group."""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from constitutive.errors import MaterialError
from constitutive.laws.base import state_of_terms, under
from constitutive.laws.coupled.base import CoupledLaw, coupled_law_from_state
from constitutive.plain import JsonObject


@final
class CoupledSumLaw(CoupledLaw):
    """Sum of the energies of its terms, all of the same variables and exact under the same group.

    Parameters
    ----------
    terms : sequence of CoupledLaw
        At least one.

    Raises
    ------
    MaterialError
        There is no term, or the terms have different variables.
    """

    kind = "sum"

    def __init__(self, terms: Sequence[CoupledLaw]):
        if not terms:
            raise MaterialError("a sum of laws needs at least one term")
        if any(term.variables != terms[0].variables for term in terms):
            found = "; ".join(", ".join(v.name for v in term.variables) for term in terms)
            raise MaterialError(f"the terms of a sum need the same variables in the same order; found {found}")
        super().__init__(terms[0].variables, terms[0].operations.numpy())
        self.terms = torch.nn.ModuleList(terms)

    def energy_packed(self, x: Float[Tensor, "n k"]) -> Float[Tensor, " n"]:
        """Energy (GPa)."""
        return torch.stack([term.energy_packed(x) for term in self.terms]).sum(0)

    def gradient_packed(self, x: Float[Tensor, "n k"]) -> Float[Tensor, "n k"]:
        """Gradient."""
        return torch.stack([term.gradient_packed(x) for term in self.terms]).sum(0)

    def hessian_packed(self, x: Float[Tensor, "n k"]) -> Float[Tensor, "n k k"]:
        """Second derivatives."""
        return torch.stack([term.hessian_packed(x) for term in self.terms]).sum(0)

    def derivative(self, x: Float[Tensor, " k"], order: int) -> Tensor:
        """Derivative of order 1 to 4 at one point."""
        return torch.stack([term.derivative(x, order) for term in self.terms]).sum(0)

    def orbit_units(self) -> int:
        """Hidden units of all terms together."""
        return sum(term.orbit_units() for term in self.terms)

    def state(self) -> tuple[JsonObject, dict[str, np.ndarray]]:
        """Settings and arrays for the material file."""
        settings, arrays = state_of_terms([term.state() for term in self.terms])
        return {"kind": self.kind, "terms": settings}, arrays

    @classmethod
    def from_state(cls, settings: JsonObject, arrays: dict[str, np.ndarray], operations: np.ndarray) -> CoupledSumLaw:
        """Rebuild from ``state``."""
        return cls([coupled_law_from_state(part, under(arrays, f"term{k}."), operations) for k, part in enumerate(settings["terms"])])
