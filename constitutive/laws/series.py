"""Symmetry-adapted Taylor series of the strain energy."""

from __future__ import annotations

from typing import final

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from constitutive.laws.base import Law, numbers, require_unchanged, settled
from constitutive.plain import JsonObject
from constitutive.tensors.polynomials import (
    apolar_weights,
    differentiate,
    exponents,
    invariant_polynomials,
    monomials,
)


@final
class SeriesLaw(Law):
    r"""Energy :math:`\psi = \sum_d \sum_\alpha c_{d\alpha}\, x^\alpha`, each degree d projected on the group's invariants.

    Theory, eq. (8).

    Parameters
    ----------
    coefficients
        For each degree (power of the strain in ψ, 1 to 8) the coefficients over ``exponents(degree)`` in GPa.
        Degree 1 is the reference stress.
    rotations
        The group under which the law is exact.
    """

    kind = "series"

    def __init__(self, coefficients: dict[int, Float[np.ndarray, " terms"]], rotations: Float[np.ndarray, "g 3 3"]):
        super().__init__(rotations)
        self.orders = tuple(sorted(coefficients))
        group = np.asarray(rotations, dtype=np.float64)
        for degree in self.orders:
            basis = invariant_polynomials(group, degree)
            given = np.asarray(coefficients[degree], dtype=np.float64)
            row = torch.from_numpy(settled(_project(given, basis, degree), given))
            self.register_buffer(f"energy_{degree}", row)
            self.register_buffer(f"stress_{degree}", differentiate(row, degree))
            if degree >= 2:
                self.register_buffer(f"tangent_{degree}", differentiate(self._of("stress", degree), degree - 1))

    def _of(self, name: str, degree: int) -> Tensor:
        return self.get_buffer(f"{name}_{degree}")

    def energy_mandel(self, x: Float[Tensor, "n 6"]) -> Float[Tensor, " n"]:
        """Strain-energy density (GPa)."""
        values = monomials(x, max(self.orders, default=0))
        total = x.new_zeros(x.shape[0])
        for degree in self.orders:
            total = total + values[degree] @ self._of("energy", degree)
        return total

    def stress_mandel(self, x: Float[Tensor, "n 6"]) -> Float[Tensor, "n 6"]:
        """Second Piola–Kirchhoff stress (GPa)."""
        values = monomials(x, max(self.orders, default=1) - 1)
        total = x.new_zeros(x.shape[0], 6)
        for degree in self.orders:
            total = total + values[degree - 1] @ self._of("stress", degree).T
        return total

    def tangent_mandel(self, x: Float[Tensor, "n 6"]) -> Float[Tensor, "n 6 6"]:
        """Material tangent (GPa)."""
        values = monomials(x, max(max(self.orders, default=2) - 2, 0))
        total = x.new_zeros(x.shape[0], 36)
        for degree in self.orders:
            if degree >= 2:
                total = total + values[degree - 2] @ self._of("tangent", degree).reshape(36, -1).T
        return total.reshape(-1, 6, 6)

    def derivative_mandel(self, x: Float[Tensor, " 6"], order: int) -> Tensor:
        """Derivative of the energy of order 1 to 4 at one strain (GPa)."""
        total = x.new_zeros((6,) * order)
        values = monomials(x[None], max(self.orders, default=0))
        for degree in self.orders:
            if degree >= order:
                row = self._of("energy", degree)
                for k in range(order):
                    row = differentiate(row, degree - k)
                total = total + row @ values[degree - order][0]
        return total

    def state(self) -> tuple[JsonObject, dict[str, np.ndarray]]:
        """Settings and arrays for the material file."""
        arrays = {f"order_{d}": numbers(self._of("energy", d)) for d in self.orders}
        return {"kind": self.kind, "orders": list(self.orders)}, arrays

    @classmethod
    def from_state(cls, settings: JsonObject, arrays: dict[str, np.ndarray], rotations: np.ndarray) -> SeriesLaw:
        """Rebuild from ``state``.

        Parameters
        ----------
        settings : dict
            With the degrees.
        arrays : dict of array
            Coefficients of each degree, GPa.
        rotations : array (g, 3, 3)
            The group.

        Returns
        -------
        SeriesLaw

        Raises
        ------
        ValueError
            A degree is out of range.
        """
        orders = [int(d) for d in settings["orders"]]
        if any(not 1 <= d <= 8 for d in orders):
            raise ValueError(f"orders {orders} are not between 1 and 8")
        rows = {d: arrays[f"order_{d}"].reshape(len(exponents(d))) for d in orders}
        law = cls(rows, rotations)
        for d, row in rows.items():
            require_unchanged(numbers(law._of("energy", d)), row)
        return law


def _project(row: np.ndarray, basis: np.ndarray, degree: int) -> np.ndarray:
    return basis.T @ (basis @ (apolar_weights(degree) * row))
