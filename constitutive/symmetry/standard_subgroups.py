"""Subgroups and supergroups of the standard point groups, as indices and rotations.

Everything is worked out once for the group in its standard axes. A place is a rotation from the standard axes of a group to where it
lies in (or around) another one. :class:`constitutive.symmetry.group.PointGroup` turns these into oriented groups.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from jaxtyping import Float

from constitutive.symmetry import operations as ops
from constitutive.symmetry.subgroups import subgroup_indices
from constitutive.symmetry.tables import POINT_GROUPS

Members = frozenset[int]  # indices among the operations of a standard group


@cache
def standard_subgroups(symbol: str) -> tuple[Members, ...]:
    """All subgroups of a standard group as sets of indices of its operations, by falling order.

    Parameters
    ----------
    symbol : str
        Of one of the 32 point groups.

    Returns
    -------
    tuple of frozenset of int
    """
    return subgroup_indices(ops.standard_operations(symbol))


@cache
def maximal_indices(symbol: str) -> tuple[Members, ...]:
    """Proper subgroups of a standard group with no other subgroup between, as sets of indices.

    Parameters
    ----------
    symbol : str
        Of one of the 32 point groups.

    Returns
    -------
    tuple of frozenset of int
    """
    proper = standard_subgroups(symbol)[1:]
    return tuple(members for members in proper if not any(members < other for other in proper))


@cache
def place_of(symbol: str, members: Members) -> tuple[str, Float[np.ndarray, "3 3"]]:
    """Symbol of a subgroup of a standard group, and the rotation from its own standard axes to its place.

    Parameters
    ----------
    symbol : str
        Of the standard group.
    members : frozenset of int
        Indices of the subgroup's operations.

    Returns
    -------
    symbol : str
    rotation : array (3, 3)
    """
    part = ops.standard_operations(symbol)[sorted(members)]
    name = ops.identify(part)
    return name, ops.standard_frame(name, part)


@cache
def normaliser(symbol: str) -> tuple[Float[np.ndarray, "3 3"], ...]:
    """Rotations by crystallographic angles that carry a standard group into itself.

    Parameters
    ----------
    symbol : str
        Of one of the 32 point groups.

    Returns
    -------
    tuple of array (3, 3)
    """
    turns = [*ops.standard_operations("432"), *ops.standard_operations("622")]
    turns += [ops.rotation((0, 0, 1), 45.0), ops.rotation((0, 0, 1), 30.0)]
    group = ops.standard_operations(symbol)
    return tuple(Q for Q in turns if ops.same_set(group, Q @ group @ Q.T))


@cache
def supergroup_places(symbol: str) -> tuple[tuple[str, Float[np.ndarray, "3 3"]], ...]:
    """Symbols and places of the standard groups that contain a standard group with no other between.

    Where a continuum of them exists (any mirror along a polar axis is as good), those whose axes are the group's standard ones
    stand for it.

    Parameters
    ----------
    symbol : str
        Of one of the 32 point groups.

    Returns
    -------
    tuple of (symbol, array (3, 3))
        The rotation is that from the supergroup's standard axes to its orientation.
    """
    local = ops.standard_operations(symbol)
    found: list[tuple[str, np.ndarray]] = []
    kept: list[np.ndarray] = []
    for name, entry in POINT_GROUPS.items():
        if entry.order % len(local) or entry.order <= len(local):
            continue
        for Q in _placements(name, symbol):
            operations = Q @ ops.standard_operations(name) @ Q.T
            at = ops.index_of(operations, local)
            if (at < 0).any() or any(ops.same_set(operations, other) for other in kept):
                continue
            kept.append(operations)
            if frozenset(at.tolist()) in maximal_indices(name):
                found.append((name, Q))
    return tuple(found)


@cache
def _placements(symbol: str, sub: str) -> tuple[np.ndarray, ...]:
    """Rotations that put one group's subgroups of a symbol where the standard group of that symbol is."""
    places = []
    for members in standard_subgroups(symbol):
        if len(members) == POINT_GROUPS[sub].order and place_of(symbol, members)[0] == sub:
            inverse = place_of(symbol, members)[1].T
            places += [turn @ inverse for turn in normaliser(sub)]
    return tuple(places)
