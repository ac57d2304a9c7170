"""Orientations by Miller indices, and wafer cuts: rotations crystal → lab."""

from __future__ import annotations

import re
from typing import TypeAlias

import numpy as np
from jaxtyping import Float

from constitutive.errors import SymmetryError
from constitutive.symmetry import operations as ops
from constitutive.symmetry.operations import Numbers
from constitutive.symmetry.report import SymmetryReport, find_symmetry
from constitutive.symmetry.structures import AnyStructure

Indices: TypeAlias = str | Numbers

_PERPENDICULAR = 1e-3  # radian


def from_miller(
    crystal: SymmetryReport | AnyStructure | np.ndarray | None = None,
    *,
    x: Indices | None = None,
    y: Indices | None = None,
    z: Indices | None = None,
) -> Float[np.ndarray, "3 3"]:
    """Orientation (crystal → lab) that puts crystal directions along lab axes: ``v_lab = R @ v_crystal``.

    Parameters
    ----------
    crystal : SymmetryReport, structure, file, or (3, 3) array of cell vectors in rows, optional
        What the indices refer to: the conventional cell of a report or structure, or the cell given. Without one: cubic axes.
    x, y, z : indices, exactly two of them
        What lies along that lab axis: ``[1, 1, 0]`` or ``"[110]"`` a lattice direction, ``"(110)"`` the normal of a plane. Four
        indices (Miller–Bravais) are for hexagonal axes.

    Returns
    -------
    array (3, 3)

    Raises
    ------
    SymmetryError
        Not two axes, indices that make no sense, or directions that are not perpendicular.

    Examples
    --------
    >>> R = from_miller(x=[1, 1, 0], z=[0, 0, 1])
    >>> (R @ [1, 1, 0]).round(6).tolist()
    [1.414214, 0.0, 0.0]
    """
    given = {name: value for name, value in (("x", x), ("y", y), ("z", z)) if value is not None}
    if len(given) != 2:
        raise SymmetryError(f"{len(given)} axes were given; exactly two of x, y and z are needed, the third follows")
    cell = _cell_of(crystal)
    directions = {name: _unit(value, cell) for name, value in given.items()}
    (first, u), (second, v) = directions.items()
    angle = np.arccos(np.clip(u @ v, -1, 1))
    if abs(angle - np.pi / 2) > _PERPENDICULAR:
        raise SymmetryError(
            f"{first} along {given[first]} and {second} along {given[second]} enclose {np.degrees(angle):.3f}°; 90° are needed: "
            "choose a direction inside the plane, or call wafer(...), which projects it"
        )
    return ops.nearest_orthogonal(_rows(directions))


def wafer(crystal: SymmetryReport | AnyStructure | np.ndarray | None = None, *, plane: Indices, flat: Indices) -> Float[np.ndarray, "3 3"]:
    """Orientation (crystal → lab) of a wafer: its normal along lab z, a direction in it along lab x.

    Parameters
    ----------
    crystal
        As for :func:`from_miller`.
    plane : indices
        Surface, ``"(001)"`` or [0, 0, 1]: three bare indices mean a plane here.
    flat : indices
        Direction along x, projected into the surface: ``"[110]"``, or ``"(110)"`` for the normal of the flat's plane.

    Returns
    -------
    array (3, 3)
        ``v_lab = R @ v_crystal``.

    Raises
    ------
    SymmetryError
        Indices that make no sense, or a flat along the normal.

    Examples
    --------
    >>> R = wafer(plane="(111)", flat="[1-10]")
    >>> (R @ [1, 1, 1]).round(6).tolist()
    [0.0, 0.0, 1.732051]
    """
    cell = _cell_of(crystal)
    normal = _unit(plane, cell, plane_by_default=True)
    along = _unit(flat, cell)
    along = along - (along @ normal) * normal
    if np.linalg.norm(along) < _PERPENDICULAR:
        raise SymmetryError(f"the flat {flat} is along the normal of {plane}: name a direction inside the surface")
    return _rows({"x": along / np.linalg.norm(along), "z": normal})


def ieee_cut(notation: str, *angles: float) -> Float[np.ndarray, "3 3"]:
    """Orientation of a rotated plate in the notation of IEEE Std 176: ``ieee_cut("YXl", -35.25)`` is the AT cut of quartz.

    Parameters
    ----------
    notation : str
        Thickness axis, length axis, then up to three edges that the plate is turned about: t (thickness), l (length), w (width).
    angles : float
        One angle in degrees for each edge, positive as a right-handed screw.

    Returns
    -------
    (3, 3)
        From the crystal's IEEE frame to the plate: x along length, y along width, z along thickness.

    Raises
    ------
    SymmetryError
        Notation and angles do not fit.
    """
    match = re.fullmatch(r"([XYZ])([XYZ])([tlw]{0,3})", notation.strip("()"))
    if match is None or match[1] == match[2] or len(match[3]) != len(angles):
        raise SymmetryError(
            f"cut {notation!r} with {len(angles)} angles: two different axes of X, Y, Z and one of t, l, w for each angle are "
            "needed, as in ieee_cut('YXwl', 22.4, -33.9)"
        )
    thickness, length = (np.eye(3)["XYZ".index(letter)] for letter in match.groups()[:2])
    edges = {"t": thickness, "l": length, "w": np.cross(thickness, length)}
    for edge, angle in zip(match[3], angles, strict=True):
        turn = ops.rotation(edges[edge], angle)
        edges = {name: turn @ vector for name, vector in edges.items()}
    return _rows({"x": edges["l"], "z": edges["t"]})


def _rows(directions: dict[str, np.ndarray]) -> np.ndarray:
    if "x" not in directions:
        directions["x"] = np.cross(directions["y"], directions["z"])
    elif "y" not in directions:
        directions["y"] = np.cross(directions["z"], directions["x"])
    if "y" not in directions:
        directions["y"] = np.cross(directions["z"], directions["x"])
    if "z" not in directions:
        directions["z"] = np.cross(directions["x"], directions["y"])
    return np.stack([directions["x"], directions["y"], directions["z"]])


def _cell_of(crystal: SymmetryReport | AnyStructure | np.ndarray | None) -> np.ndarray:
    if crystal is None:
        return np.eye(3)
    if isinstance(crystal, SymmetryReport):
        return crystal.frames.conventional_cell
    if isinstance(crystal, np.ndarray | list | tuple):
        cell = np.asarray(crystal, dtype=float)
        if cell.shape != (3, 3) or abs(np.linalg.det(cell)) < 1e-9:
            raise SymmetryError(f"cell vectors of shape {cell.shape} found; three independent rows are needed")
        return cell
    return find_symmetry(crystal).frames.conventional_cell


def _unit(value: Indices, cell: np.ndarray, *, plane_by_default: bool = False) -> np.ndarray:
    indices, is_plane = _parse(value, plane_by_default)
    if len(indices) == 4:
        h, k, i, last = indices
        if abs(h + k + i) > 1e-9:
            raise SymmetryError(f"Miller–Bravais indices {value}: the first three add up to {h + k + i:g}, 0 is needed")
        indices = np.array([h, k, last]) if is_plane else np.array([h - i, k - i, last])
    vector = np.linalg.inv(cell) @ indices if is_plane else indices @ cell
    return vector / np.linalg.norm(vector)


def _parse(value: Indices, plane_by_default: bool) -> tuple[np.ndarray, bool]:
    is_plane = plane_by_default
    if isinstance(value, str):
        text = value.strip()
        is_plane = text.startswith("(") or (plane_by_default and not text.startswith("["))
        inner = text.strip("[]()<>{} ")
        numbers = re.split(r"[\s,]+", inner) if re.search(r"[\s,]", inner) else re.findall(r"-?\d", inner)
    else:
        numbers = list(value)
    try:
        indices = np.array([float(n) for n in numbers])
    except ValueError:
        indices = np.zeros(0)
    if len(indices) not in (3, 4) or not np.any(indices):
        raise SymmetryError(
            f"indices {value!r} are not understood: three (or four hexagonal) ones are needed, as [1, 1, 0], '[1-10]' or '(111)'"
        )
    return indices, is_plane
