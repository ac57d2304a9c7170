"""Symmetry elements of a point group: axes, planes and the centre, with directions, in words."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from constitutive.symmetry import operations as ops

_HEXAGONAL = np.array([[1.0, 0.0, 0.0], [-0.5, np.sqrt(3) / 2, 0.0], [0.0, 0.0, 1.0]])  # rows a, b, c of unit length
_LARGEST_INDEX = 3


@dataclass(frozen=True)
class SymmetryElement:
    """One axis, plane or centre.

    Attributes
    ----------
    label : str
        Hermann–Mauguin symbol of all that lies along the axis: ``"4/m"``, ``"-3"``, ``"2"``, ``"m"``; ``"-1"`` for the centre.
    rotation : int
        Order of the proper axis (1 where there is none).
    rotoinversion : int
        Order of the rotoinversion axis: 1 for the centre, 2 for a mirror; 0 where there is none.
    mirror : bool
        Whether a mirror plane lies across the axis.
    axis : (3,)
        Unit vector in the group's Cartesian frame; zero for the centre.
    indices : (3,) of int
        Direction [uvw] in the conventional axes of the group; Cartesian ones are meant for cubic to triclinic groups, hexagonal
        a, b, c for trigonal and hexagonal ones.
    polar : bool
        Whether the two ends of the axis differ.
    words : str
        For instance ``"4-fold axis along [001], mirror plane across it"``.
    """

    label: str
    rotation: int
    rotoinversion: int
    mirror: bool
    axis: Float[np.ndarray, "3"]
    indices: tuple[int, int, int]
    polar: bool
    words: str


def symmetry_elements(operations: Float[np.ndarray, "n 3 3"], frame: Float[np.ndarray, "3 3"], system: str) -> tuple[SymmetryElement, ...]:
    """Elements of a point group: axes by falling order, then mirror planes, then the centre.

    Parameters
    ----------
    operations : (n, 3, 3)
        Cartesian operations of the group.
    frame : (3, 3)
        Rotation from the group's standard axes to the Cartesian frame.
    system : str
        Crystal system.

    Returns
    -------
    tuple of SymmetryElement
    """
    local = frame.T @ operations @ frame
    along: list[tuple[np.ndarray, list[str]]] = []
    for name, axis in ops.axes_by_label(local):
        axis = _preferred_sense(axis, system)
        names = next((names for n, names in along if abs(n @ axis) > 1 - 1e-6), None)
        if names is None:
            along.append((axis, [name]))
        else:
            names.append(name)
    elements = [_element(local, frame, system, axis, names) for axis, names in along]
    elements.sort(
        key=lambda e: (
            -e.rotation,
            -e.rotoinversion,
            sum(map(abs, e.indices)),
            sum(i < 0 for i in e.indices),
            [-i for i in e.indices],
        )
    )
    if ops.contains(local, -np.eye(3)):
        elements.append(SymmetryElement("-1", 1, 1, False, np.zeros(3), (0, 0, 0), False, "centre of inversion"))
    return tuple(elements)


def _preferred_sense(axis: np.ndarray, system: str) -> np.ndarray:
    """The one of ±axis with fewer negative indices, then with the first positive."""
    indices = direction_indices(axis, system)
    negative, positive = sum(i < 0 for i in indices), sum(i > 0 for i in indices)
    first = next(i for i in indices if i)
    return -axis if negative > positive or (negative == positive and first < 0) else axis


def _element(local: np.ndarray, frame: np.ndarray, system: str, axis: np.ndarray, names: list[str]) -> SymmetryElement:
    proper = max((int(n) for n in names if not n.startswith("-") and n != "m"), default=1)
    improper = max((2 if n == "m" else abs(int(n)) for n in names if n.startswith("-") or n == "m"), default=0)
    mirror = "m" in names
    label = _label(proper, improper, mirror)
    indices = direction_indices(axis, system)
    polar = not np.any(np.abs(local @ axis + axis).max(axis=1) < 1e-6)
    return SymmetryElement(label, proper, improper, mirror, frame @ axis, indices, polar, _words(label, proper, mirror, indices))


def _label(proper: int, improper: int, mirror: bool) -> str:
    if improper > proper and not (mirror and proper > 1 and improper == 2):
        return "m" if improper == 2 and proper == 1 else f"-{improper}"
    if mirror and proper in (2, 4, 6):
        return f"{proper}/m"
    return f"-{improper}" if improper == 3 else str(proper)


def direction_indices(axis: Float[np.ndarray, "3"], system: str) -> tuple[int, int, int]:
    """Smallest integers [uvw] along a direction of the standard axes; hexagonal axes for trigonal and hexagonal groups.

    Parameters
    ----------
    axis : array (3,)
        Cartesian, in the standard axes of the group.
    system : str
        Crystal system.

    Returns
    -------
    tuple of int
    """
    basis = _HEXAGONAL if system in ("trigonal", "hexagonal") else np.eye(3)
    fractions = np.linalg.solve(basis.T, axis)
    fractions = fractions / np.abs(fractions).max()
    for scale in range(1, _LARGEST_INDEX + 1):
        integers = np.round(fractions * scale)
        if np.abs(fractions * scale - integers).max() < 1e-4:
            break
    u, v, w = (int(i) for i in integers)
    return u, v, w


def bracketed(indices: tuple[int, int, int]) -> str:
    """Direction indices as text: [1-10].

    Parameters
    ----------
    indices : tuple of int

    Returns
    -------
    str
    """
    return "[" + "".join(str(i) for i in indices) + "]"


def _words(label: str, proper: int, mirror: bool, indices: tuple[int, int, int]) -> str:
    where = bracketed(indices)
    if label == "m":
        return f"mirror plane perpendicular to {where}"
    if label.startswith("-"):
        order = int(label[1:])
        equal_to = {3: "3-fold axis and centre", 4: "", 6: "3-fold axis and mirror plane across it"}[order]
        return f"{order}-fold rotoinversion axis along {where}" + (f" ({equal_to})" if equal_to else "")
    return f"{proper}-fold axis along {where}" + (", mirror plane across it" if mirror else "")
