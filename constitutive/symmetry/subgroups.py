"""Subgroups of a set of operations, as sets of their indices."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int

from constitutive.symmetry import operations as ops


def multiplication_table(operations: Float[np.ndarray, "g 3 3"]) -> Int[np.ndarray, "g g"]:
    """Index of the product of each two operations of a group.

    Parameters
    ----------
    operations : array (g, 3, 3)
        The whole group.

    Returns
    -------
    int array (g, g)
        ``table[a, b]`` is the index of operation a times operation b.
    """
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
    table: list[list[int]] = [[int(k) for k in row] for row in multiplication_table(operations)]
    identity = next(k for k in range(len(table)) if table[k][k] == k)
    cyclic = {_generated((k,), table, identity): k for k in range(len(table))}
    generators: dict[frozenset[int], tuple[int, ...]] = {members: (k,) for members, k in cyclic.items()}
    frontier = set(cyclic)
    while frontier:
        fresh = {}
        for a in frontier:
            for k in (k for b, k in cyclic.items() if not b <= a):
                fresh[_generated((*generators[a], k), table, identity)] = (*generators[a], k)
        frontier = fresh.keys() - generators.keys()
        generators |= {members: fresh[members] for members in frontier}
    return tuple(sorted(generators, key=lambda members: (-len(members), sorted(members))))


def _generated(generators: tuple[int, ...], table: list[list[int]], identity: int) -> frozenset[int]:
    """The group that some operations generate: all products, in a finite group, of generators alone."""
    reached, frontier = {identity}, [identity]
    while frontier:
        frontier = list({table[k][g] for k in frontier for g in generators} - reached)
        reached.update(frontier)
    return frozenset(reached)
