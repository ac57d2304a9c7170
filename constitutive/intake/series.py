r"""A small symmetry-adapted series of the energy, as least squares: the yardstick of every hypothesis.

.. math:: \psi(E) = s_0 \cdot x + \sum_{d=2}^{D} \sum_k c_{dk}\, I_{dk}(x), \qquad S = \partial \psi / \partial E

with x the Mandel components of E and I the invariant polynomials of the group. The reference stress s₀ is free in all
six
components, so that a stress left in the reference cell is told apart from everything else.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from jaxtyping import Float

from constitutive.tensors.polynomials import differentiate, exponents, invariant_polynomials, monomials

CONSTANTS = 6  # free reference stress


class Group:
    """Rotations of a Laue class with the invariant polynomials that the series needs, made once per group."""

    def __init__(self, rotations: Float[np.ndarray, "g 3 3"], symbol: str = "") -> None:
        self.rotations = np.asarray(rotations, dtype=np.float64)
        self.symbol = symbol
        self._bases: dict[int, np.ndarray] = {}

    @property
    def order(self) -> int:
        """Number of rotations."""
        return len(self.rotations)

    def basis(self, degree: int) -> Float[np.ndarray, "k terms"]:
        """Invariants of one degree over the monomials."""
        if degree not in self._bases:
            if self.order == 1:
                self._bases[degree] = np.eye(len(exponents(degree)))
            else:
                self._bases[degree] = np.asarray(invariant_polynomials(self.rotations, degree))
        return self._bases[degree]

    def size(self, degree: int) -> int:
        """Number of unknowns of the series up to `degree`."""
        return CONSTANTS + sum(len(self.basis(d)) for d in range(2, degree + 1))


@lru_cache(maxsize=1)
def trivial_group() -> Group:
    """The group of the identity: nothing is assumed."""
    return Group(np.eye(3)[None], "-1")


def highest_degree(group: Group, samples: int, *, limit: int = 4, share: float = 0.5) -> int:
    """The highest degree up to `limit` whose unknowns number at most `share` of the stress components; at least 2."""
    degree = limit
    while degree > 2 and group.size(degree) > share * 6 * samples:
        degree -= 1
    return degree


@dataclass(frozen=True)
class Design:
    """Least-squares matrices of the series at given strains: stress rows (n, 6, p) and energy rows (n, p)."""

    stress: Float[np.ndarray, "n 6 p"]
    energy: Float[np.ndarray, "n p"]


def design(group: Group, x: Float[np.ndarray, "n 6"], degree: int, scale: float) -> Design:
    """The matrices at strains `x` (Mandel).

    Parameters
    ----------
    group : Group
        Whose invariants are taken.
    x : ndarray (n, 6)
        Green-Lagrange strains in Mandel components.
    degree : int
        Highest power of the strain in the energy, at least 2.
    scale : float
        A typical strain, by which `x` is divided so that the columns are of one size.
    """
    n = len(x)
    values = monomials(torch.tensor(x / scale), degree)
    stress = [np.broadcast_to(np.eye(6), (n, 6, 6))]
    energy = [x]
    for d in range(2, degree + 1):
        rows = torch.tensor(group.basis(d))
        slope = differentiate(rows, d)
        stress.append(torch.einsum("nt,kit->nik", values[d - 1], slope).numpy())
        energy.append((values[d] @ rows.T).numpy() * scale)
    return Design(np.concatenate(stress, 2), np.concatenate(energy, 1))
