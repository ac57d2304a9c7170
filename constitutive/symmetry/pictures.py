"""Stereograms of point groups: poles of a general direction, and the symmetry elements, as in the International Tables.

The projection is stereographic (equal angle), seen down the z axis of the group's standard axes, x to the right and y up. Full
dots are poles above the page, rings below. Lens, triangle, square and hexagon are 2-, 3-, 4- and 6-fold axes; open symbols with the
smaller one inside are rotoinversion axes; heavy lines and a heavy circle are mirror planes; a small ring in the middle is the
centre.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

from constitutive.symmetry.elements import SymmetryElement
from constitutive.symmetry.group import PointGroup

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, MIRROR, POLE = "#1b1f24", "#1f5fbf", "#c2410c"
_GENERAL = np.array([0.86, 0.33, 0.46])  # far from every axis and plane of the standard groups
_SIZE = 0.085  # radius of a symbol, the circle's being 1


def project(directions: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, "n 2"]:
    """Stereographic projection of unit vectors; those below the page are seen from the other side.

    Parameters
    ----------
    directions : array (n, 3)
        Unit vectors.

    Returns
    -------
    array (n, 2)
        Inside the unit circle.
    """
    return directions[:, :2] / (1 + np.abs(directions[:, 2:]))


def stereogram(group: PointGroup) -> Figure:
    """Figure with the poles of a general direction on the left and the symmetry elements on the right.

    Parameters
    ----------
    group : PointGroup
        Drawn in its standard axes, z upwards.

    Returns
    -------
    matplotlib Figure
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8.4, 4.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    draw_poles(left, group)
    draw_elements(right, group)
    figure.suptitle(f"{group.symbol}   ({group.schoenflies}, {group.crystal_system}, Laue class {group.laue_class})", fontsize=13)
    return figure


def draw_poles(axes: Axes, group: PointGroup) -> None:
    """Poles of one general direction and its images: dots above the page, rings below.

    Parameters
    ----------
    axes : matplotlib Axes
        Drawn into.
    group : PointGroup
        Drawn in its standard axes.
    """
    _prepare(axes, group)
    _draw_planes(axes, _standard(group), faint=True)
    direction = _GENERAL / np.linalg.norm(_GENERAL)
    images = group.frame.T @ group.operations @ group.frame @ direction
    points, above = project(images), images[:, 2] > 0
    for point, is_above in zip(points, above, strict=True):
        face, radius = (POLE, 0.028) if is_above else ("white", 0.058)
        _disc(axes, point, radius, facecolor=face, edgecolor=POLE, linewidth=1.3, zorder=5 if is_above else 4, gid="pole")
    axes.set_title(f"{group.order} equivalent directions", fontsize=10)


def draw_elements(axes: Axes, group: PointGroup) -> None:
    """Draw axes, mirror planes and centre of a group in stereographic projection.

    Parameters
    ----------
    axes : matplotlib Axes
        Drawn into.
    group : PointGroup
        Drawn in its standard axes.
    """
    _prepare(axes, group)
    elements = _standard(group)
    _draw_planes(axes, elements)
    for element, axis in elements:
        if element.label not in ("m", "-1"):
            _draw_axis(axes, element, axis)
    if group.is_centrosymmetric:
        _disc(axes, np.zeros(2), 0.026, facecolor="white", edgecolor=INK, linewidth=1.1, zorder=9)
    axes.set_title("symmetry elements", fontsize=10)


def _disc(axes: Axes, centre: np.ndarray, radius: float, **style: object) -> None:
    from matplotlib.patches import Circle

    axes.add_patch(Circle((float(centre[0]), float(centre[1])), radius, **style))


def _standard(group: PointGroup) -> list[tuple[SymmetryElement, np.ndarray]]:
    return [(element, group.frame.T @ element.axis) for element in group.elements]


def _prepare(axes: Axes, group: PointGroup) -> None:
    from matplotlib.patches import Circle

    axes.set_aspect("equal")
    axes.set_xlim(-1.24, 1.24)
    axes.set_ylim(-1.24, 1.24)
    axes.axis("off")
    axes.add_patch(Circle((0, 0), 1, fill=False, color="#8a929c", linewidth=0.9, zorder=1))
    names = {"hexagonal": ("a", ""), "trigonal": ("a", "")}.get(group.crystal_system, ("x", "y"))
    for name, place in zip(names, ((1.19, 0), (0, 1.19)), strict=True):
        axes.text(*place, name, ha="center", va="center", fontsize=9, color="#59636e", style="italic")
    if group.crystal_system in ("hexagonal", "trigonal"):
        axes.text(-0.595, 1.031, "b", ha="center", va="center", fontsize=9, color="#59636e", style="italic")


def _draw_planes(axes: Axes, elements: list[tuple[SymmetryElement, np.ndarray]], *, faint: bool = False) -> None:
    width, opacity = (1.0, 0.35) if faint else (2.0, 1.0)
    for element, normal in elements:
        if element.mirror:
            axes.plot(*_great_circle(normal).T, zorder=2, solid_capstyle="round", color=MIRROR, linewidth=width, alpha=opacity)
        elif not faint and element.rotation == 2 and abs(normal[2]) < 1e-6:  # thin line along a horizontal axis guides the eye
            end = normal[:2]
            axes.plot([-end[0], end[0]], [-end[1], end[1]], color="#b6bdc6", linewidth=0.7, zorder=1, linestyle=(0, (4, 3)))


def _great_circle(normal: np.ndarray) -> np.ndarray:
    """Upper half of the great circle across a normal; the whole one where it is the rim."""
    across = np.cross(normal, [0.0, 0.0, 1.0])
    if np.linalg.norm(across) < 1e-9:
        angle = np.linspace(0, 2 * np.pi, 361)
        return np.stack([np.cos(angle), np.sin(angle)], axis=1)
    across = across / np.linalg.norm(across)
    up = np.cross(across, normal)
    up = up if up[2] > 0 else -up
    angle = np.linspace(0, np.pi, 181)[:, None]
    points = np.cos(angle) * across + np.sin(angle) * up
    return points[:, :2] / (1 + points[:, 2:])


def _draw_axis(axes: Axes, element: SymmetryElement, axis: np.ndarray) -> None:
    upper = axis if axis[2] > -1e-6 else -axis
    ends = [upper] if abs(axis[2]) > 1e-6 else [axis, -axis]
    for end in ends:
        place = project(end[None])[0]
        _draw_symbol(axes, element, place, np.arctan2(place[1], place[0]) if np.linalg.norm(place) > 1e-6 else np.pi / 2)


def _draw_symbol(axes: Axes, element: SymmetryElement, place: np.ndarray, angle: float) -> None:
    from matplotlib.patches import Polygon

    outer = max(element.rotation, element.rotoinversion)
    hollow = element.label in ("-3", "-4", "-6")
    axes.add_patch(
        Polygon(
            place + _outline(outer, angle),
            closed=True,
            facecolor="white" if hollow else INK,
            edgecolor=INK,
            linewidth=1.1,
            zorder=7,
        )
    )
    inner = {"-4": 2, "-6": 3}.get(element.label)
    if inner:
        axes.add_patch(Polygon(place + 0.72 * _outline(inner, angle), closed=True, facecolor=INK, edgecolor=INK, linewidth=0.4, zorder=8))
    if element.label == "-3":
        axes.add_patch(Polygon(place + _outline(3, angle), closed=True, facecolor=INK, edgecolor=INK, linewidth=1.1, zorder=7))
        _disc(axes, place, 0.022, facecolor="white", edgecolor="white", linewidth=0.5, zorder=8)


def _outline(order: int, angle: float) -> np.ndarray:
    """Outline of an axis symbol: a lens, or a regular polygon with a corner towards the rim."""
    if order == 2:
        t = np.linspace(-1, 1, 25)
        bulge = 0.42 * (1 - t**2)
        shape = 1.25 * _SIZE * np.concatenate([np.stack([t, bulge], axis=1), np.stack([t, -bulge], axis=1)[::-1]])
    else:
        corners = np.arange(order) * 2 * np.pi / order + (np.pi / 4 if order == 4 else 0)
        shape = {3: 1.15, 4: 1.12, 6: 1.1}[order] * _SIZE * np.stack([np.cos(corners), np.sin(corners)], axis=1)
    c, s = np.cos(angle), np.sin(angle)
    return shape @ np.array([[c, s], [-s, c]])
