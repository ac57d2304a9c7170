"""Gradients of the invariant polynomials as columns of a linear fit."""

from __future__ import annotations

from functools import cached_property, lru_cache
from typing import final

import numpy as np
import torch
from jaxtyping import Float

from constitutive.laws import SeriesLaw
from constitutive.tensors.polynomials import differentiate, exponents, invariant_polynomials, monomials

CLOUD = 400  # random strains on which the columns of one degree are made orthonormal


@final
class SeriesFeatures:
    """Invariant polynomials of some degrees, scaled so that every column has a typical size of one.

    Parameters
    ----------
    rotations
        The group.
    degrees
        Powers of the strain in the energy.
    scale
        The strain that counts as one.
    basis
        The polynomials themselves, where a file holds them: which basis of a degree is taken is arbitrary.
    """

    def __init__(
        self,
        rotations: Float[np.ndarray, "g 3 3"],
        degrees: tuple[int, ...],
        scale: float,
        basis: list[np.ndarray] | None = None,
    ):
        self.rotations, self.degrees, self.scale = rotations, tuple(sorted(degrees)), scale
        #: coefficients over the monomials of each degree
        self.energy = [orthonormal_basis(rotations, d) for d in self.degrees] if basis is None else basis
        self.gradient = [differentiate(torch.tensor(b), d).numpy() for d, b in zip(self.degrees, self.energy, strict=True)]

    @cached_property
    def degree_of_column(self) -> np.ndarray:
        """The degree behind each column."""
        return np.concatenate([[d] * len(b) for d, b in zip(self.degrees, self.energy, strict=True)] or [[]]).astype(int)

    def __call__(self, x: Float[np.ndarray, "n 6"]) -> Float[np.ndarray, "n 6 k"]:
        """Stress columns at strains: their combination is S in units of the problem."""
        if not self.degrees:
            return np.zeros((len(x), 6, 0))
        values = monomials(torch.from_numpy(x / self.scale), max(self.degrees) - 1)
        columns = [
            (slope.reshape(-1, slope.shape[2]) @ values[d - 1].numpy().T).reshape(len(slope), 6, len(x)).transpose(2, 1, 0)
            for d, slope in zip(self.degrees, self.gradient, strict=True)
        ]
        return np.concatenate(columns, axis=2)

    def law(self, coefficients: Float[np.ndarray, " k"], unit: float) -> SeriesLaw:
        """The series law of column coefficients, stresses in units of ``unit`` GPa."""
        rows, start = {}, 0
        for degree, basis in zip(self.degrees, self.energy, strict=True):
            part = coefficients[start : start + len(basis)]
            rows[degree] = unit * self.scale ** (1 - degree) * (part @ basis) if len(basis) else np.zeros(len(exponents(degree)))
            start += len(basis)
        return SeriesLaw(rows, self.rotations)


def orthonormal_basis(rotations: Float[np.ndarray, "g 3 3"], degree: int) -> Float[np.ndarray, "k terms"]:
    """Invariants of a degree whose gradients are orthonormal over a fixed cloud of strains of size 0 to 1.5."""
    group = np.ascontiguousarray(rotations, dtype=np.float64)
    return _orthonormal_basis(group.tobytes(), degree)


@lru_cache(maxsize=64)
def _orthonormal_basis(group: bytes, degree: int) -> np.ndarray:
    basis = invariant_polynomials(np.frombuffer(group, dtype=np.float64).reshape(-1, 3, 3), degree)
    rng = np.random.default_rng(0)
    cloud = rng.normal(size=(CLOUD, 6))
    cloud *= (1.5 * np.sqrt(rng.uniform(size=CLOUD)) / np.linalg.norm(cloud, axis=1))[:, None]
    slope = differentiate(torch.tensor(basis), degree).numpy()
    values = monomials(torch.from_numpy(cloud), degree - 1)[degree - 1].numpy()
    columns = (slope.reshape(-1, slope.shape[2]) @ values.T).reshape(len(basis), -1).T / np.sqrt(6 * CLOUD)
    return np.linalg.inv(np.linalg.cholesky(columns.T @ columns)) @ basis


def network_columns(
    x: Float[np.ndarray, "n 6"],
    group: Float[np.ndarray, "g 6 6"],
    directions: Float[np.ndarray, "h 6"],
    biases: Float[np.ndarray, " h"],
) -> Float[np.ndarray, "n 6 h"]:
    """Stress of each channel of a group-convolution network at unit amplitude; strains in units of its scale."""
    turned = np.einsum("gji,hj->hgi", group, directions)
    z = np.einsum("hgi,ni->hng", turned, x) + biases[:, None, None]
    rise = 0.5 * z / np.sqrt(z * z + 4) - (0.5 * biases / np.sqrt(biases * biases + 4))[:, None, None]
    return np.matmul(rise, turned).transpose(1, 2, 0) / len(group)
