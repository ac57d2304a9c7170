"""A crystal's cell with its symmetry elements, in a view that can be turned."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import plotly.graph_objects as go

from constitutive.plots.crystal import AXIS_COLOURS, MIRROR_COLOUR, CellView, atom_style, axis_order, disc, view
from constitutive.plots.interactive.theme import new_figure, plain, scene
from constitutive.plots.style import INK, MUTED
from constitutive.symmetry import PointGroup, SymmetryElement

if TYPE_CHECKING:
    from pymatgen.core import Structure

MIRRORS_SHOWN = 6  # mirror planes shown at first; more would hide the atoms
SYMBOLS = {2: "circle", 3: "diamond", 4: "square", 6: "cross"}


def crystal(structure: Structure, group: PointGroup | None = None, *, mirrors: bool | None = None) -> go.Figure:
    """The conventional cell with atoms and symmetry elements.

    Axes and mirror planes are switched in the legend; by default the mirror planes are shown at first where there are few.

    Parameters
    ----------
    structure, group, mirrors
        As for :func:`constitutive.plots.crystal`.

    Returns
    -------
    plotly Figure
    """
    cell = view(structure)
    group = group or PointGroup.from_structure(structure)
    legend = {"x": 1.0, "xanchor": "left", "y": 0.93, "font": {"size": 13}, "yanchor": "top", "orientation": "v", "itemsizing": "constant"}
    figure = new_figure(520, margin={"l": 0, "r": 150, "t": 10, "b": 0}, legend=legend)
    _draw_cell(figure, cell)
    for order in sorted({axis_order(e) for e in group.elements} - {0}, reverse=True):
        _draw_axes(figure, [e for e in group.elements if axis_order(e) == order], order, cell.reach)
    planes = [e for e in group.elements if e.mirror]
    _draw_mirrors(figure, planes, 0.95 * cell.reach, len(planes) <= MIRRORS_SHOWN if mirrors is None else mirrors)
    hidden = {"visible": False}
    reach = 1.2 * cell.reach
    space = scene(reach)
    figure.update_layout(scene={**space, **{f"{name}axis": {**space[f"{name}axis"], **hidden} for name in "xyz"}})
    camera = {"eye": {"x": 1.15, "y": 0.6, "z": 0.5}, "projection": {"type": "orthographic"}}
    figure.update_layout(scene_aspectratio=dict.fromkeys("xyz", 2.1), scene_camera=camera)
    return figure


def _draw_cell(figure: go.Figure, cell: CellView) -> None:
    for lines, colour, width in ((cell.edges, MUTED, 3), (cell.bonds, "#b9bfc6", 7)):
        x, y, z = np.concatenate([lines, np.full((len(lines), 1, 3), np.nan)], axis=1).reshape(-1, 3).T
        line = {"color": colour, "width": width}
        figure.add_scatter3d(x=x, y=y, z=z, mode="lines", line=line, hoverinfo="skip", showlegend=False)
    corner = -cell.vectors.sum(axis=0) / 2
    x, y, z = (corner + 1.2 * cell.vectors).T
    figure.add_scatter3d(
        x=x, y=y, z=z, mode="text", text=list("abc"), hoverinfo="skip", showlegend=False, textfont={"color": INK, "size": 15}
    )
    for kind in cell.kinds:
        colour, radius = atom_style(kind)
        marker = {"color": colour, "size": 17 * radius, "opacity": 1.0, "line": {"color": INK, "width": 1}}
        x, y, z = cell.of(kind).T
        figure.add_scatter3d(x=x, y=y, z=z, mode="markers", marker=marker, name=plain(kind))


def _draw_axes(figure: go.Figure, elements: list[SymmetryElement], order: int, reach: float) -> None:
    ends = np.array([(-1.15 * reach * e.axis, 1.15 * reach * e.axis, np.full(3, np.nan)) for e in elements]).reshape(-1, 3)
    words = [word for e in elements for word in (plain(e.words), plain(e.words), "")]
    name = f"{order}-fold axis" if len(elements) == 1 else f"{order}-fold axes ({len(elements)})"
    style = {"line": {"color": AXIS_COLOURS[order], "width": 4}, "marker": {"size": 6, "symbol": SYMBOLS[order]}}
    x, y, z = ends.T
    figure.add_scatter3d(x=x, y=y, z=z, mode="lines+markers", hovertext=words, hoverinfo="text", name=name, **style)


def _draw_mirrors(figure: go.Figure, elements: list[SymmetryElement], radius: float, shown: bool) -> None:
    title = "mirror plane" if len(elements) == 1 else f"mirror planes ({len(elements)})"
    for k, element in enumerate(elements):
        rim = disc(element.axis, radius)
        x, y, z = np.vstack([np.zeros(3), rim]).T
        fan = np.arange(1, len(rim))
        figure.add_mesh3d(
            x=x,
            y=y,
            z=z,
            i=np.zeros(len(fan), dtype=int),
            j=fan,
            k=fan + 1,
            color=MIRROR_COLOUR,
            opacity=0.13,
            name=title,
            legendgroup="mirrors",
            showlegend=k == 0,
            visible=True if shown else "legendonly",
            hovertext=plain(element.words),
            hoverinfo="text",
        )
