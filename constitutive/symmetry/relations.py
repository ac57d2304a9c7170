"""How point groups contain each other: subgroups, supergroups, cosets (the variants of a transition), and two crystals compared."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from jaxtyping import Float

from constitutive.errors import SymmetryError
from constitutive.symmetry import operations as ops
from constitutive.symmetry.group import PointGroup
from constitutive.symmetry.subgroups import subgroup_indices
from constitutive.symmetry.tables import POINT_GROUPS


@cache
def _subgroup_indices(symbol: str) -> tuple[frozenset[int], ...]:
    return subgroup_indices(ops.standard_operations(symbol))


@cache
def _standard_subgroup(symbol: str, members: frozenset[int]) -> tuple[str, np.ndarray]:
    """Symbol of a subgroup of a standard group, and the rotation from its own standard axes to its place."""
    part = ops.standard_operations(symbol)[sorted(members)]
    name = ops.identify(part)
    return name, ops.standard_frame(name, part)


@cache
def _maximal_indices(symbol: str) -> tuple[frozenset[int], ...]:
    proper = _subgroup_indices(symbol)[1:]
    return tuple(members for members in proper if not any(members < other for other in proper))


def subgroups(group: PointGroup) -> tuple[PointGroup, ...]:
    """All subgroups, each in its place, by falling order; the group itself first, 1 last.

    Subgroups of one symbol in different places (four of symbol 3m in -43m) are all listed.
    """
    return tuple(_taken(group, members) for members in _subgroup_indices(group.symbol))


def _taken(group: PointGroup, members: frozenset[int]) -> PointGroup:
    name, place = _standard_subgroup(group.symbol, members)
    return PointGroup.from_symbol(name, frame=group.frame @ place)


def maximal_subgroups(group: PointGroup) -> tuple[PointGroup, ...]:
    """Proper subgroups with no other between them and the group."""
    return tuple(_taken(group, members) for members in _maximal_indices(group.symbol))


def minimal_supergroups(group: PointGroup) -> tuple[PointGroup, ...]:
    """Point groups that contain this one in its place, with none between.

    Where a continuum of them exists (any mirror along a polar axis is as good), those whose axes are the group's standard ones
    stand for it.
    """
    return tuple(g for g in _supergroups(group) if _is_maximal_in(group, g))


def _is_maximal_in(group: PointGroup, larger: PointGroup) -> bool:
    members = frozenset(int(k) for k in ops.index_of(larger.operations, group.operations))
    return members in _maximal_indices(larger.symbol)


def _supergroups(group: PointGroup) -> list[PointGroup]:
    local = group.frame.T @ group.operations @ group.frame
    found: list[PointGroup] = []
    for symbol, entry in POINT_GROUPS.items():
        if entry.order % group.order or entry.order <= group.order:
            continue
        for Q in _placements(symbol, group.symbol):
            operations = Q @ ops.standard_operations(symbol) @ Q.T
            if (ops.index_of(operations, local) >= 0).all():
                candidate = PointGroup.from_symbol(symbol, frame=group.frame @ Q)
                if candidate not in found:
                    found.append(candidate)
    return found


@cache
def _placements(symbol: str, sub: str) -> tuple[np.ndarray, ...]:
    """Rotations that put one group's subgroups of a symbol where the standard group of that symbol is."""
    places = []
    for members in _subgroup_indices(symbol):
        if len(members) == POINT_GROUPS[sub].order and _standard_subgroup(symbol, members)[0] == sub:
            home = _standard_subgroup(symbol, members)[1].T
            places += [turn @ home for turn in normaliser(sub)]
    return tuple(places)


@cache
def normaliser(symbol: str) -> tuple[np.ndarray, ...]:
    """Rotations by crystallographic angles that carry a standard group into itself."""
    turns = [*ops.standard_operations("432"), *ops.standard_operations("622")]
    turns += [ops.rotation((0, 0, 1), 45.0), ops.rotation((0, 0, 1), 30.0)]
    group = ops.standard_operations(symbol)
    return tuple(Q for Q in turns if ops.same_set(group, Q @ group @ Q.T))


def cosets(group: PointGroup, subgroup: PointGroup) -> Float[np.ndarray, "n 3 3"]:
    """One operation of each left coset g H: carries the first variant of a transition G → H into the others.

    The identity comes first; rotations by small angles are preferred to others.

    Raises
    ------
    SymmetryError
        The other group is no subgroup of this one in its place.
    """
    if not subgroup.is_subgroup_of(group):
        raise SymmetryError(
            f"{subgroup.symbol} is no subgroup of {group.symbol} as the two are oriented: turn one by PointGroup.rotated, or take "
            f"one of {group.symbol}'s own subgroups()"
        )
    left = set(range(group.order))
    gentle = sorted(left, key=lambda k: (np.linalg.det(group.operations[k]) < 0, -round(float(np.trace(group.operations[k])), 6), k))
    heads = []
    while left:
        head = next(k for k in gentle if k in left)
        members = ops.index_of(group.operations, group.operations[head] @ subgroup.operations)
        left -= set(members.tolist())
        heads.append(head)
    return group.operations[heads]


@dataclass(frozen=True)
class Comparison:
    """Two point groups, in one Cartesian frame.

    Attributes
    ----------
    first, second : PointGroup
    common : PointGroup
        Operations that both have.
    relation : str
        "equal", "subgroup" (the first is one of the second's), "supergroup", "conjugate" (equal or contained after a turn), or
        "none".
    turn : (3, 3)
        Rotation of the second crystal after which the relation holds; the identity where none is needed.
    variants : int
        Number of variants of a transition from the larger to the smaller group (1 where there is none).
    sentence : str
    """

    first: PointGroup
    second: PointGroup
    common: PointGroup
    relation: str
    turn: Float[np.ndarray, "3 3"]
    variants: int
    sentence: str


def compare(first: PointGroup, second: PointGroup) -> Comparison:
    """Relation of two point groups: equal, one in the other, or only after a turn."""
    in_both = first.operations[ops.index_of(second.operations, first.operations) >= 0]
    common = PointGroup.from_operations(in_both)
    turn = np.eye(3)
    relation = _relation(first, second)
    if relation == "none":
        turn = next((Q for Q in _turns_between(first, second)), turn)
        turned = _relation(first, second.rotated(turn))
        relation = "conjugate" if turned != "none" else "none"
    large, small = (first, second) if first.order >= second.order else (second, first)
    variants = large.order // small.order if relation != "none" else 1
    return Comparison(
        first, second, common, relation, turn, variants, _comparison_sentence(first, second, common, relation, variants, turn)
    )


def _relation(first: PointGroup, second: PointGroup) -> str:
    if first == second:
        return "equal"
    if first.is_subgroup_of(second):
        return "subgroup"
    return "supergroup" if second.is_subgroup_of(first) else "none"


def _turns_between(first: PointGroup, second: PointGroup) -> list[np.ndarray]:
    """Rotations of the second crystal that put one group inside the other, smallest angle first."""
    large, small = (first, second) if first.order >= second.order else (second, first)
    if large.order % small.order:
        return []
    turns = []
    for members in _subgroup_indices(large.symbol):
        if len(members) == small.order and _standard_subgroup(large.symbol, members)[0] == small.symbol:
            place = _taken(large, members).frame
            for Q in normaliser(small.symbol):
                onto = place @ Q @ small.frame.T  # carries the small group into the large one
                turns.append(onto if small is second else onto.T)
    return sorted(turns, key=lambda Q: -round(float(np.trace(Q)), 9))


def _comparison_sentence(first: PointGroup, second: PointGroup, common: PointGroup, relation: str, variants: int, turn: np.ndarray) -> str:
    a, b = first.symbol, second.symbol
    large, small = (a, b) if first.order >= second.order else (b, a)
    if relation == "equal":
        return f"Both crystals have the point group {a}, in the same orientation."
    if relation in ("subgroup", "supergroup"):
        return f"{small} is a subgroup of {large} of index {variants}: a transition {large} → {small} has {variants} variants."
    if relation == "conjugate":
        angle = np.degrees(np.arccos(np.clip((np.trace(turn) - 1) / 2, -1, 1)))
        how = f"once the second crystal is turned by {angle:.2f}°; as given they share {common.symbol}"
        if a == b:
            return f"Both crystals have the point group {a}, in orientations that agree {how}."
        return f"{small} is a subgroup of {large} of index {variants} ({variants} variants of a transition), {how}."
    return f"Neither {a} nor {b} is a subgroup of the other: no variants relate them; as oriented they share {common.symbol}."
