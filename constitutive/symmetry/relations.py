"""How two crystals' point groups relate: equal, one inside the other, or neither, and the variants of a transition between them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from constitutive.symmetry import operations as ops
from constitutive.symmetry.group import PointGroup
from constitutive.symmetry.standard_subgroups import normaliser, place_of, standard_subgroups


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
    """Relation of two point groups: equal, one in the other, or only after a turn.

    Parameters
    ----------
    first, second : PointGroup
        In one Cartesian frame.

    Returns
    -------
    Comparison
    """
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
    for members in standard_subgroups(large.symbol):
        if len(members) == small.order and place_of(large.symbol, members)[0] == small.symbol:
            place = large.frame @ place_of(large.symbol, members)[1]
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
