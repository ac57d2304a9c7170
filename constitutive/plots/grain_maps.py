"""Maps of grains in the colours of an inverse pole figure: which crystal direction points along an axis of the sample.

The direction is taken into the triangle of the crystal's Laue class by the symmetry operations and written in that triangle's three
corners; the parts are red, green and blue, scaled so that the largest is 1, as EDAX's key is. Classes without mirror planes in the key
(m-3, 4/m, 6/m, -3) share the colours of the class that has them, 2/m and -1 those of mmm.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

import numpy as np
from jaxtyping import Float, Int
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.tri import Triangulation

from constitutive.errors import ConstitutiveError
from constitutive.plots.style import INK, Figure, new_figure, styled
from constitutive.symmetry import PointGroup

_KEY = {"m-3": "m-3m", "4/m": "4/mmm", "6/m": "6/mmm", "-3": "-3m", "2/m": "mmm", "-1": "mmm"}
_C30, _S30 = np.sqrt(0.75), 0.5
_CORNERS: dict[str, tuple[tuple[tuple[float, float, float], str], ...]] = {
    "m-3m": (((0, 0, 1), "001"), ((1, 0, 1), "101"), ((1, 1, 1), "111")),
    "4/mmm": (((0, 0, 1), "001"), ((1, 0, 0), "100"), ((1, 1, 0), "110")),
    "6/mmm": (((0, 0, 1), "0001"), ((1, 0, 0), r"2$\bar{1}\bar{1}$0"), ((_C30, _S30, 0), r"10$\bar{1}$0")),
    "-3m": (((0, 0, 1), "0001"), ((_C30, -_S30, 0), r"1$\bar{1}$00"), ((_C30, _S30, 0), r"10$\bar{1}$0")),
    "mmm": (((0, 0, 1), "001"), ((1, 0, 0), "100"), ((0, 1, 0), "010")),
}
_AXES = {"x": (1.0, 0.0, 0.0), "y": (0.0, 1.0, 0.0), "z": (0.0, 0.0, 1.0)}
FINE = 60  # triangles along an edge of the key


@cache
def _operations(key: str) -> np.ndarray:
    return PointGroup.from_symbol(key).laue_rotations


def _sector(key: str) -> tuple[np.ndarray, np.ndarray]:
    """Corners of the triangle as unit rows, and inward normals of its sides."""
    corners = np.array([corner for corner, _ in _CORNERS[key]], dtype=float)
    corners /= np.linalg.norm(corners, axis=1, keepdims=True)
    normals = np.stack([np.cross(corners[(k + 1) % 3], corners[(k + 2) % 3]) for k in range(3)])
    return corners, normals * np.sign(np.linalg.det(corners))


def _colours_in_sector(directions: np.ndarray, key: str) -> np.ndarray:
    corners, _ = _sector(key)
    parts = np.clip(directions @ np.linalg.inv(corners), 0, None)
    return np.sqrt(parts / parts.max(axis=-1, keepdims=True))


def _direction(direction: str | Float[np.ndarray, "3"]) -> np.ndarray:
    if isinstance(direction, str):
        if direction not in _AXES:
            raise ConstitutiveError(f"direction={direction!r}: needed 'x', 'y', 'z' or a vector of the sample")
        return np.array(_AXES[direction])
    d = np.asarray(direction, dtype=float)
    if d.shape != (3,) or not np.isfinite(d).all() or not np.linalg.norm(d) > 0:
        raise ConstitutiveError(f"direction={direction!r}: needed is a vector of three finite numbers, not zero")
    return d / np.linalg.norm(d)


def inverse_pole_figure_colours(
    orientations: Float[np.ndarray, "*batch 3 3"], group: PointGroup, direction: str | Float[np.ndarray, "3"] = "z"
) -> Float[np.ndarray, "*batch 3"]:
    """Colours of the crystal directions that point along an axis of the sample.

    Parameters
    ----------
    orientations : array (..., 3, 3)
        Crystal → sample.
    group : PointGroup
        Of the crystal, in its own axes.
    direction : {"x", "y", "z"} or array (3,)
        In the sample.

    Returns
    -------
    array (..., 3)
        Red, green and blue from 0 to 1; white where an orientation is not finite.

    Raises
    ------
    ConstitutiveError
        The direction is none.
    """
    key = _KEY.get(group.laue_class, group.laue_class)
    flat = orientations.reshape(-1, 3, 3)
    there = np.isfinite(flat).all(axis=(1, 2))
    crystal = _direction(direction) @ flat[there] @ group.frame  # Rᵀ d, in the axes of the class's standard setting
    images = np.einsum("gij,nj->ngi", _operations(key), crystal)
    images = np.concatenate([images, -images], axis=1)
    _, normals = _sector(key)
    best = (images @ normals.T).min(axis=-1).argmax(axis=1)
    colours = np.ones((len(flat), 3))
    colours[there] = _colours_in_sector(images[np.arange(len(images)), best], key)
    return colours.reshape(*orientations.shape[:-2], 3)


@styled
def plot_grain_map(
    tags: Int[np.ndarray, "nx ny"],
    orientations: Mapping[int, Float[np.ndarray, "3 3"]],
    group: PointGroup,
    *,
    spacing: float = 1.0,
    unit: str = "µm",
    direction: str = "z",
    title: str = "",
) -> Figure:
    """A map of grains in inverse-pole-figure colours, with their boundaries and the key.

    Parameters
    ----------
    tags : array (nx, ny)
        Grain of each point; y points down.
    orientations : dict
        Grain → crystal → sample.
    group : PointGroup
        Of the crystal.
    spacing : float
        Distance of points.
    unit : str
        Of it.
    direction : {"x", "y", "z"}
        Of the sample.
    title : str

    Returns
    -------
    Figure
    """
    names = sorted(orientations)
    colours = inverse_pole_figure_colours(np.stack([orientations[k] for k in names]), group, direction)
    picture = colours[np.searchsorted(names, tags)]
    width = 5.2
    height = float(np.clip(0.72 * width * tags.shape[1] / tags.shape[0] + 0.8, 2.2, 6.0))
    figure = new_figure(width, height)
    left, right = figure.subplots(1, 2, width_ratios=(1, 0.3))
    show_grains(left, picture, tags, spacing)
    left.set(xlabel=f"x ({unit})", ylabel=f"y ({unit})")
    left.set_title(title or f"{len(names)} grains")
    draw_key(right, group)
    right.set_title(f"along {direction}", fontsize=8)
    return figure


def show_grains(axis: Axes, picture: Float[np.ndarray, "nx ny 3"], tags: Int[np.ndarray, "nx ny"], spacing: float) -> None:
    """Draw coloured points with the boundaries of their grains.

    Parameters
    ----------
    axis : Axes
    picture : array (nx, ny, 3)
    tags : array (nx, ny)
    spacing : float
        Distance of points.
    """
    nx, ny = tags.shape
    axis.imshow(picture.swapaxes(0, 1), extent=(0, nx * spacing, ny * spacing, 0), interpolation="nearest")
    lines = []
    for i, j in zip(*np.nonzero(tags[:-1] != tags[1:]), strict=True):
        lines.append([((i + 1) * spacing, j * spacing), ((i + 1) * spacing, (j + 1) * spacing)])
    for i, j in zip(*np.nonzero(tags[:, :-1] != tags[:, 1:]), strict=True):
        lines.append([(i * spacing, (j + 1) * spacing), ((i + 1) * spacing, (j + 1) * spacing)])
    axis.add_collection(LineCollection(lines, colors=INK, linewidths=0.7, capstyle="projecting"))


def draw_key(axis: Axes, group: PointGroup) -> None:
    """Draw the triangle of a crystal's Laue class in its colours, in stereographic projection.

    Parameters
    ----------
    axis : Axes
    group : PointGroup
    """
    key = _KEY.get(group.laue_class, group.laue_class)
    corners, _ = _sector(key)
    part = [(i, j, FINE - i - j) for i in range(FINE + 1) for j in range(FINE + 1 - i)]
    directions = np.array(part, dtype=float) @ corners
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    place = directions[:, :2] / (1 + directions[:, 2:])
    triangles = Triangulation(place[:, 0], place[:, 1])
    middle = directions[triangles.triangles].mean(axis=1)
    triangles.set_mask(np.linalg.norm(np.ptp(place[triangles.triangles], axis=1), axis=1) > 4 / FINE)
    colours = _colours_in_sector(middle / np.linalg.norm(middle, axis=1, keepdims=True), key)[~triangles.mask]
    faces = place[triangles.triangles[~triangles.mask]]
    axis.add_collection(PolyCollection(faces, facecolors=colours, edgecolors=colours, linewidths=0.3))
    names = [name for _, name in _CORNERS[key]]
    middle_of_all = place.mean(axis=0)
    for corner, name in zip(corners, names, strict=True):
        at = corner[:2] / (1 + corner[2])
        out = (at - middle_of_all) / np.linalg.norm(at - middle_of_all)
        axis.annotate(name, at, xytext=9 * out, textcoords="offset points", ha="center", va="center", fontsize=7.5)
    axis.set_aspect("equal")
    axis.autoscale_view()
    axis.margins(0.25)
    axis.set_axis_off()
