"""Symmetry-adapted Taylor series of an energy of several variables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from constitutive.laws.base import numbers, require_unchanged, settled
from constitutive.laws.coupled.base import CoupledLaw
from constitutive.plain import JsonObject
from constitutive.tensors.bases import GroupLike, operations_of
from constitutive.tensors.polynomials import apolar_weights, differentiate, exponents, invariants_of_blocks, monomials
from constitutive.tensors.variables import Variable, variables_named

HIGHEST_DEGREE = 6


def invariants(variables: Sequence[Variable], operations: GroupLike, degree: int) -> Float[np.ndarray, "invariants terms"]:
    """Orthonormal basis of the invariant polynomials of one degree in all variables together.

    Parameters
    ----------
    variables : sequence of Variable
    operations : PointGroup or array (g, 3, 3)
        The whole group.
    degree : int
        At least 1.

    Returns
    -------
    array (invariants, terms)
        Coefficients over ``exponents(degree, k)``; each row is of one degree in each variable.
    """
    group = operations_of(operations)
    return invariants_of_blocks([variable.matrices(group) for variable in variables], degree)


@final
class CoupledSeriesLaw(CoupledLaw):
    r"""Energy :math:`\Omega = \sum_d \sum_\alpha c_{d\alpha}\, x^\alpha`, each degree d projected on the group's invariants.

    Parameters
    ----------
    coefficients : dict of int to array
        For each degree (1 to 6) the coefficients over ``exponents(degree, k)``, in GPa over the units of the components. Degree 1 holds the
        stress, polarisation and entropy at x = 0 that the group allows.
    variables : sequence of Variable or str
    operations : PointGroup or array (g, 3, 3)
        All operations of the group.
    """

    kind = "series"

    def __init__(self, coefficients: dict[int, Float[np.ndarray, " terms"]], variables: Sequence[Variable | str], operations: GroupLike):
        super().__init__(variables, operations)
        self.orders = tuple(sorted(coefficients))
        if any(not 1 <= d <= HIGHEST_DEGREE for d in self.orders):
            raise ValueError(f"degrees {list(self.orders)} are not between 1 and {HIGHEST_DEGREE}")
        k = self.size
        for degree in self.orders:
            basis = invariants(self.variables, self.operations.numpy(), degree)
            given = np.asarray(coefficients[degree], dtype=np.float64).reshape(len(exponents(degree, k)))
            projected = basis.T @ (basis @ (apolar_weights(degree, k) * given))
            row = torch.from_numpy(settled(projected, given))
            self.register_buffer(f"energy_{degree}", row)
            self.register_buffer(f"gradient_{degree}", differentiate(row, degree, k))
            if degree >= 2:
                self.register_buffer(f"hessian_{degree}", differentiate(self._of("gradient", degree), degree - 1, k))

    def _of(self, name: str, degree: int) -> Tensor:
        return self.get_buffer(f"{name}_{degree}")

    def energy_packed(self, x: Float[Tensor, "n k"]) -> Float[Tensor, " n"]:
        """Energy (GPa)."""
        values = monomials(x, max(self.orders, default=0))
        total = x.new_zeros(len(x))
        for degree in self.orders:
            total = total + values[degree] @ self._of("energy", degree)
        return total

    def gradient_packed(self, x: Float[Tensor, "n k"]) -> Float[Tensor, "n k"]:
        """Gradient."""
        values = monomials(x, max(self.orders, default=1) - 1)
        total = torch.zeros_like(x)
        for degree in self.orders:
            total = total + values[degree - 1] @ self._of("gradient", degree).T
        return total

    def hessian_packed(self, x: Float[Tensor, "n k"]) -> Float[Tensor, "n k k"]:
        """Second derivatives."""
        k = self.size
        values = monomials(x, max(max(self.orders, default=2) - 2, 0))
        total = x.new_zeros(len(x), k * k)
        for degree in self.orders:
            if degree >= 2:
                total = total + values[degree - 2] @ self._of("hessian", degree).reshape(k * k, -1).T
        return total.reshape(-1, k, k)

    def derivative(self, x: Float[Tensor, " k"], order: int) -> Tensor:
        """Derivative of order 1 to 4 at one point."""
        total = x.new_zeros((self.size,) * order)
        values = monomials(x[None], max(self.orders, default=0))
        for degree in self.orders:
            if degree >= order:
                row = self._of("energy", degree)
                for k in range(order):
                    row = differentiate(row, degree - k, self.size)
                total = total + row @ values[degree - order][0]
        return total

    def state(self) -> tuple[JsonObject, dict[str, np.ndarray]]:
        """Settings and arrays for the material file."""
        arrays = {f"order_{d}": numbers(self._of("energy", d)) for d in self.orders}
        return {**self._settings(), "orders": list(self.orders)}, arrays

    @classmethod
    def from_state(cls, settings: JsonObject, arrays: dict[str, np.ndarray], operations: np.ndarray) -> CoupledSeriesLaw:
        """Rebuild from ``state``."""
        orders = [int(d) for d in settings["orders"]]
        variables = variables_named(settings["variables"])
        law = cls({d: arrays[f"order_{d}"].ravel() for d in orders}, variables, operations)
        for d in orders:
            require_unchanged(numbers(law._of("energy", d)), arrays[f"order_{d}"].ravel())
        return law
