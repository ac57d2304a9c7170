"""Symmetry elements and operations of a point group in words, as the command line and the reports print them."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from constitutive.symmetry import operations as ops
from constitutive.symmetry.elements import SymmetryElement, bracketed, direction_indices
from constitutive.symmetry.group import PointGroup

_NUMBERS = {1: "one", 2: "two", 3: "three", 4: "four", 6: "six", 9: "nine"}


def elements_in_words(group: PointGroup) -> list[str]:
    """One line for each kind of element and family of directions: ``"three 4-fold axes along [001], [100], [010], …"``.

    Parameters
    ----------
    group : PointGroup

    Returns
    -------
    list of str
    """
    if group.is_limiting:
        return ["every axis and plane" if group.symbol == "isotropic" else "every axis across [001], and rotations by any angle about it"]
    if group.order == 1:
        return ["no element besides the identity"]
    lines: list[str] = []
    for label, family in _families(group):
        first = family[0]
        if label == "-1":
            lines.append("centre of inversion")
            continue
        where = ", ".join(bracketed(e.indices) for e in family)
        noun = {"m": "mirror plane"}.get(label, "rotoinversion axis" if label.startswith("-") else "axis")
        many = len(family) > 1
        plural = noun.replace("axis", "axes").replace("plane", "planes") if many else noun
        order = "" if label == "m" else f"{first.rotoinversion if label.startswith('-') else first.rotation}-fold "
        count = f"{_NUMBERS.get(len(family), len(family))} " if many else ""
        relation = "perpendicular to" if label == "m" else "along"
        across = f" with {'mirror planes' if many else 'a mirror plane'} across" if first.mirror and "/" in label else ""
        polar = f" ({'polar' if not many else 'each polar'})" if first.polar else ""
        lines.append(f"{count}{order}{plural} {relation} {where}{across}{polar}")
    return lines


def _families(group: PointGroup) -> list[tuple[str, list[SymmetryElement]]]:
    """Elements of one label that operations of the group carry into each other."""
    families: list[tuple[str, list[SymmetryElement]]] = []
    for element in group.elements:
        for label, members in families:
            images = group.operations @ members[0].axis
            if label == element.label and (np.abs(np.abs(images @ element.axis) - 1) < 1e-6).any():
                members.append(element)
                break
        else:
            families.append((element.label, [element]))
    return families


def operation_in_words(group: PointGroup, R: Float[np.ndarray, "3 3"]) -> str:
    """One operation of a group in words: ``"rotation by 120° about [111]"``.

    Parameters
    ----------
    group : PointGroup
        Its frame gives the indices of the axis.
    R : array (3, 3)
        One of its operations, Cartesian.

    Returns
    -------
    str
    """
    local = group.frame.T @ R @ group.frame
    name, axis = ops.label(local), ops.axis(local)
    if name in ("1", "-1"):
        return {"1": "identity", "-1": "inversion"}[name]
    where = bracketed(direction_indices(axis, group.crystal_system))
    if name == "m":
        return f"mirror perpendicular to {where}"
    order = abs(int(name))
    kind = "rotation" if not name.startswith("-") else "rotoinversion"
    return f"{kind} by {360 // order}° about {where}"
