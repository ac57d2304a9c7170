"""Surfaces, sections and pole figures of directional moduli on a screen."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from constitutive.elasticity.directional import UNITS, DirectionalModuli, Quantity
from constitutive.plots import shapes
from constitutive.plots.interactive.theme import new_figure, plain, scene, style
from constitutive.plots.style import INK, PAPER, RULE, SEQUENTIAL, colours


def surface(moduli: DirectionalModuli, quantity: Quantity = "youngs_modulus", *, span: tuple[float, float] | None = None) -> go.Figure:
    """The surface of a quantity, which can be turned with the mouse.

    Where a second direction matters, two views show the largest and the smallest over it.

    Parameters
    ----------
    moduli, quantity, span
        As for :func:`constitutive.plots.surface`.

    Returns
    -------
    plotly Figure
    """
    n = shapes.sphere(41)
    found = shapes.values(moduli, quantity, n)
    low, high = span or (_least(_least(v) for v in found.values()), _most(_most(v) for v in found.values()))
    titles = [f"{name} over m" for name in found] if len(found) > 1 else None
    figure = make_subplots(1, len(found), specs=[[{"type": "scene"}] * len(found)], subplot_titles=titles, horizontal_spacing=0.01)
    figure.update_layout(style(430, margin={"l": 0, "r": 0, "t": 26, "b": 0}))
    bar = {"title": {"text": shapes.short(quantity), "side": "top"}, "len": 0.7, "thickness": 14}
    scale = {"cmin": low, "cmax": high, "colorscale": SEQUENTIAL.capitalize(), "colorbar": bar}
    light = {"ambient": 0.65, "diffuse": 0.6, "specular": 0.1, "roughness": 0.8}
    hover = "<br>".join(["n = (%{customdata[0]:.2f}, %{customdata[1]:.2f}, %{customdata[2]:.2f})", "%{surfacecolor:.4g}"])
    for column, (name, value) in enumerate(found.items(), start=1):
        x, y, z = np.moveaxis(n * value[..., None], -1, 0)
        label = {"name": name, "hovertemplate": f"{hover}<extra>{name}</extra>", "showscale": column == 1}
        place = {"row": 1, "col": column}
        figure.add_surface(x=x, y=y, z=z, surfacecolor=value, customdata=n, lighting=light, **scale, **label, **place)
    figure.update_scenes(scene(max(abs(low), abs(high))))
    figure.update_annotations(font={"size": 12.5})
    return figure


def sections(states: Mapping[str, DirectionalModuli], quantity: Quantity = "youngs_modulus") -> go.Figure:
    """Sections through the three coordinate planes.

    Parameters
    ----------
    states, quantity
        As for :func:`constitutive.plots.sections`.

    Returns
    -------
    plotly Figure
    """
    tones, widths = colours(list(states)), shapes.widths(states)
    titles = [f"{shapes.short(quantity)}, {plane} plane" for plane in shapes.PLANES]
    polar = [[{"type": "polar"}] * 3]
    figure = make_subplots(1, 3, specs=polar, subplot_titles=titles, horizontal_spacing=0.09)
    figure.update_layout(style(380, margin={"l": 30, "r": 30, "t": 64, "b": 56}))
    figure.update_layout(legend_y=-0.12)
    smallest = largest = 0.0
    for column, plane in enumerate(shapes.PLANES, start=1):
        angle, n = shapes.circle(plane, 181)
        for name, moduli in states.items():
            for which, value in shapes.values(moduli, quantity, n).items():
                smallest, largest = min(smallest, float(value.min())), max(largest, float(value.max()))
                line = {"color": tones[name], "width": widths[name], "dash": "dash" if which == "smallest" else "solid"}
                title = plain(", ".join(filter(None, (name, which))))
                trace = {"mode": "lines", "line": line, "name": title, "legendgroup": title, "showlegend": column == 1}
                figure.add_scatterpolar(r=value, theta=np.degrees(angle), row=1, col=column, **trace)
        axis = {"gridcolor": RULE, "linecolor": RULE}
        ticks = {"tickvals": [0, 90], "ticktext": list(plane), "direction": "counterclockwise"}
        radial = {**axis, "angle": 45, "tickangle": 45, "nticks": 4, "tickfont": {"size": 11}}
        name = "polar" if column == 1 else f"polar{column}"
        figure.update_layout({name: {"angularaxis": {**axis, **ticks}, "radialaxis": radial, "bgcolor": "white"}})
    figure.update_polars(radialaxis_range=[min(0.0, 1.05 * smallest), 1.05 * largest])
    figure.update_annotations(font={"size": 12.5}, yshift=14)
    return figure


def pole_figure(
    moduli: DirectionalModuli,
    quantity: Quantity = "youngs_modulus",
    *,
    directions: Mapping[str, np.ndarray] | None = None,
    span: tuple[float, float] | None = None,
) -> go.Figure:
    """A quantity over all directions in Lambert's equal-area projection.

    Parameters
    ----------
    moduli, quantity, directions, span
        As for :func:`constitutive.plots.pole_figure`.

    Returns
    -------
    plotly Figure
    """
    axis, n = shapes.hemisphere_map(81)
    value = next(iter(shapes.values(moduli, quantity, n).values()))
    figure = new_figure(430, margin={"l": 10, "r": 10, "t": 26, "b": 10}, showlegend=False)
    hover = f"{shapes.TITLES[quantity]} = %{{z:.4g}} {UNITS[quantity]}<extra></extra>"
    levels = shapes.levels(*(span or (float(np.nanmin(value)), float(np.nanmax(value)))))
    bar = {"title": {"text": shapes.short(quantity), "side": "top"}, "len": 0.7, "thickness": 14, "tickvals": levels[1:-1:2]}
    figure.add_contour(
        x=axis,
        y=axis,
        z=value,
        colorscale=SEQUENTIAL.capitalize(),
        line={"width": 0.7, "color": "rgba(255,255,255,0.7)"},
        hovertemplate=hover,
        contours={"start": levels[1], "end": levels[-2], "size": levels[1] - levels[0]},
        zmin=levels[0],
        zmax=levels[-1],
        colorbar=bar,
    )
    outside = {"fill": "toself", "fillcolor": PAPER, "line": {"width": 0}, "mode": "lines", "hoverinfo": "skip"}
    figure.add_scatter(x=shapes.frame()[:, 0], y=shapes.frame()[:, 1], **outside)
    ring = np.linspace(0, 2 * np.pi, 181)
    circle = {"mode": "lines", "line": {"color": INK, "width": 1.5}, "hoverinfo": "skip"}
    figure.add_scatter(x=np.cos(ring), y=np.sin(ring), **circle)
    for extreme, word in zip(moduli.extremes(quantity), ("smallest", "largest"), strict=True):
        x, y = shapes.project(extreme.direction)
        symbol = "triangle-down" if word == "smallest" else "triangle-up"
        marker = {"symbol": symbol, "size": 12, "color": "white", "line": {"color": INK, "width": 1.5}}
        text = f"{word}: {extreme.value:.4g} {UNITS[quantity]}"
        figure.add_scatter(x=[x], y=[y], mode="markers", marker=marker, hovertext=text, hoverinfo="text", cliponaxis=False)
    for name, vector in {"x": np.eye(3)[0], "y": np.eye(3)[1], **(directions or {})}.items():
        x, y = shapes.project(np.asarray(vector))
        figure.add_annotation(x=1.11 * x, y=1.11 * y, text=plain(name), showarrow=False, font={"size": 14})
    hidden = {"visible": False, "range": [-1.16, 1.16]}
    figure.update_xaxes(**hidden)
    figure.update_yaxes(**hidden, scaleanchor="x")
    return figure


def _least(values: np.ndarray | Iterable[float]) -> float:
    return float(np.min(values if isinstance(values, np.ndarray) else list(values)))


def _most(values: np.ndarray | Iterable[float]) -> float:
    return float(np.max(values if isinstance(values, np.ndarray) else list(values)))
