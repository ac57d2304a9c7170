"""How Plotly's pictures look: the palette and type of the printed ones."""

from __future__ import annotations

import plotly.graph_objects as go

from constitutive.plain import JsonObject
from constitutive.plots.style import CYCLE, INK, MUTED, PAPER, RULE

FONT = "system-ui, 'Segoe UI', 'Helvetica Neue', Arial, 'DejaVu Sans', sans-serif"
AXIS = {
    "gridcolor": RULE,
    "zeroline": False,
    "linecolor": MUTED,
    "ticks": "outside",
    "tickcolor": MUTED,
    "ticklen": 4,
    "showline": True,
    "automargin": True,
    "exponentformat": "power",
    "title": {"standoff": 8, "font": {"size": 12.5}},
}
SCENE_AXIS = {"showbackground": False, "gridcolor": RULE, "zerolinecolor": RULE, "showspikes": False}


def new_figure(height: int = 380, **layout: object) -> go.Figure:
    """An empty figure in this style, as wide as its place and ``height`` pixels high.

    Parameters
    ----------
    height : int
        In pixels.
    layout
        More of Plotly's layout.
    """
    return go.Figure(layout=style(height, **layout))


def style(height: int, **layout: object) -> JsonObject:
    """Layout of a figure in this style; parameters as for :func:`new_figure`."""
    base = {
        "height": height,
        "font": {"family": FONT, "size": 12, "color": INK},
        "colorway": list(CYCLE),
        "paper_bgcolor": PAPER,
        "plot_bgcolor": PAPER,
        "margin": {"l": 60, "r": 20, "t": 36, "b": 50},
        "hoverlabel": {"font": {"family": FONT, "size": 12}},
        "legend": {"orientation": "h", "y": -0.18, "yanchor": "top", "x": 0, "font": {"size": 12}},
        "modebar": {"bgcolor": "rgba(0,0,0,0)", "color": RULE, "activecolor": INK},
    }
    return {**base, **layout}


def style_axes(figure: go.Figure) -> go.Figure:
    """Give all Cartesian axes of a figure this style, and its panel titles their size."""
    figure.update_xaxes(**AXIS)
    figure.update_yaxes(**AXIS)
    figure.update_annotations(font={"size": 12.5})
    return figure


def scene(reach: float) -> JsonObject:
    """A 3D scene of equal axes that holds a sphere of radius ``reach``."""
    axis = {**SCENE_AXIS, "range": [-1.05 * reach, 1.05 * reach], "tickfont": {"size": 11}, "nticks": 5}
    axes = {f"{name}axis": {**axis, "title": {"text": name}} for name in "xyz"}
    camera = {"eye": {"x": 1.2, "y": 0.9, "z": 0.7}, "projection": {"type": "orthographic"}}
    return {**axes, "aspectmode": "manual", "aspectratio": dict.fromkeys("xyz", 1.08), "camera": camera}


def plain(text: str) -> str:
    """Text that Plotly shows as it is: its own small markup would take a name like ``<b>`` for a tag."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def rgba(colour: str, alpha: float) -> str:
    """A ``#rrggbb`` colour with an opacity between 0 and 1."""
    red, green, blue = (int(colour[k : k + 2], 16) for k in (1, 3, 5))
    return f"rgba({red},{green},{blue},{alpha})"
