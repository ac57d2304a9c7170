"""Subgroups of a set of operations, as sets of their indices."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int

from constitutive.symmetry import operations as ops


def multiplication_table(operations: Float[np.ndarray, "g 3 3"]) -> Int[np.ndarray, "g g"]:
    """Index of the product of each two operations of a group."""
    products = (operations[:, None] @ operations[None]).reshape(-1, 3, 3)
    return ops.index_of(operations, products).reshape(len(operations), -1)


def subgroup_indices(operations: Float[np.ndarray, "g 3 3"]) -> tuple[frozenset[int], ...]:
    """All subgroups of a group as sets of indices of its operations, by falling order: the group itself first, 1 last.

    Parameters
    ----------
    operations : array (g, 3, 3)
        Of the whole group.

    Returns
    -------
    tuple of frozenset of int
    """
    table = multiplication_table(operations)
    cyclic = {_closure(frozenset({k}), table) for k in range(len(operations))}
    found = set(cyclic)
    frontier = set(cyclic)
    while frontier:
        fresh = {_closure(a | b, table) for a in frontier for b in cyclic if not b <= a} - found
        found |= fresh
        frontier = fresh
    return tuple(sorted(found, key=lambda members: (-len(members), sorted(members))))


def _closure(members: frozenset[int], table: np.ndarray) -> frozenset[int]:
    while True:
        listed = sorted(members)
        larger = members | frozenset(int(k) for k in table[np.ix_(listed, listed)].ravel())
        if larger == members:
            return members
        members = larger
