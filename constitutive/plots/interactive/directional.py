"""Surfaces, sections and pole figures of directional moduli on a screen."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from constitutive.elasticity.directional import UNITS, DirectionalModuli, Quantity
from constitutive.plots import shapes
from constitutive.plots.interactive.theme import new_figure, plain, scene
from constitutive.plots.style import INK, RULE, SEQUENTIAL, colours


def surface(moduli: DirectionalModuli, quantity: Quantity = "youngs_modulus", *, span: tuple[float, float] | None = None) -> go.Figure:
    """The surface of a quantity, to turn by hand; see :func:`constitutive.plots.surface`.

    The largest over the second direction is drawn translucent around the smallest.
    """
    n = shapes.sphere(55)
    found = shapes.values(moduli, quantity, n)
    low, high = span or (_least(_least(v) for v in found.values()), _most(_most(v) for v in found.values()))
    reach = max(abs(low), abs(high))
    figure = new_figure(400, margin={"l": 0, "r": 0, "t": 10, "b": 0})
    bar = {"title": {"text": UNITS[quantity], "side": "top"}, "len": 0.7, "thickness": 14}
    for name, value in found.items():
        x, y, z = np.moveaxis(n * value[..., None], -1, 0)
        hover = "<br>".join(["n = (%{customdata[0]:.2f}, %{customdata[1]:.2f}, %{customdata[2]:.2f})", "%{surfacecolor:.4g}"])
        figure.add_surface(
            x=x,
            y=y,
            z=z,
            surfacecolor=value,
            customdata=n,
            cmin=low,
            cmax=high,
            colorscale=SEQUENTIAL.capitalize(),
            colorbar=bar,
            showscale=name != "largest",
            opacity=0.35 if name == "largest" else 1.0,
            name=name,
            hovertemplate=f"{hover}<extra>{name}</extra>",
            lighting={"ambient": 0.65, "diffuse": 0.6, "specular": 0.1, "roughness": 0.8},
        )
    figure.update_layout(scene=scene(reach))
    return figure


def sections(states: Mapping[str, DirectionalModuli], quantity: Quantity = "youngs_modulus") -> go.Figure:
    """Sections through the three coordinate planes; see :func:`constitutive.plots.sections`."""
    tones = colours(list(states))
    titles = [f"{plane} plane" for plane in shapes.PLANES]
    polar = [[{"type": "polar"}] * 3]
    figure = make_subplots(1, 3, specs=polar, subplot_titles=titles, horizontal_spacing=0.07)
    figure.update_layout(new_figure(360, margin={"l": 40, "r": 40, "t": 60, "b": 40}).layout)
    smallest = largest = 0.0
    for column, plane in enumerate(shapes.PLANES, start=1):
        angle, n = shapes.circle(plane, 181)
        for name, moduli in states.items():
            for which, value in shapes.values(moduli, quantity, n).items():
                smallest, largest = min(smallest, float(value.min())), max(largest, float(value.max()))
                line = {"color": tones[name], "width": 2, "dash": "dash" if which == "smallest" else "solid"}
                title = plain(" ".join(filter(None, (name, which))))
                trace = {"mode": "lines", "line": line, "name": title, "legendgroup": title, "showlegend": column == 1}
                figure.add_scatterpolar(r=value, theta=np.degrees(angle), row=1, col=column, **trace)
        axis: dict[str, Any] = {"gridcolor": RULE, "linecolor": RULE}
        ticks = {"tickvals": [0, 90], "ticktext": list(plane), "direction": "counterclockwise"}
        radial = {**axis, "angle": 45, "tickangle": 45, "nticks": 4, "tickfont": {"size": 10}}
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
    """A quantity over all directions in Lambert's equal-area projection; see :func:`constitutive.plots.pole_figure`."""
    axis, n = shapes.hemisphere_map(121)
    value = next(iter(shapes.values(moduli, quantity, n).values()))
    figure = new_figure(400, margin={"l": 10, "r": 10, "t": 20, "b": 20}, showlegend=False)
    hover = f"{shapes.TITLES[quantity]} = %{{z:.4g}} {UNITS[quantity]}<extra></extra>"
    levels = None if span is None or span[1] == span[0] else {"start": span[0], "end": span[1], "size": (span[1] - span[0]) / 14}
    figure.add_contour(
        x=axis,
        y=axis,
        z=value,
        colorscale=SEQUENTIAL.capitalize(),
        line={"width": 0.5, "color": "rgba(255,255,255,0.7)"},
        hovertemplate=hover,
        contours=levels,
        colorbar={"title": {"text": UNITS[quantity], "side": "top"}, "len": 0.7, "thickness": 14},
    )
    ring = np.linspace(0, 2 * np.pi, 181)
    circle = {"mode": "lines", "line": {"color": INK, "width": 1.2}, "hoverinfo": "skip"}
    figure.add_scatter(x=np.cos(ring), y=np.sin(ring), **circle)
    for extreme, word in zip(moduli.extremes(quantity), ("smallest", "largest"), strict=True):
        x, y = shapes.project(extreme.direction)
        symbol = "triangle-down" if word == "smallest" else "triangle-up"
        marker = {"symbol": symbol, "size": 12, "color": "white", "line": {"color": INK, "width": 1.5}}
        text = f"{word}: {extreme.value:.4g} {UNITS[quantity]}"
        figure.add_scatter(x=[x], y=[y], mode="markers", marker=marker, hovertext=text, hoverinfo="text", cliponaxis=False)
    for name, vector in {"x": np.eye(3)[0], "y": np.eye(3)[1], **(directions or {})}.items():
        x, y = shapes.project(np.asarray(vector))
        figure.add_annotation(x=1.06 * x, y=1.06 * y, text=plain(name), showarrow=False)
    hidden = {"visible": False, "range": [-1.15, 1.15]}
    figure.update_xaxes(**hidden)
    figure.update_yaxes(**hidden, scaleanchor="x")
    return figure


def _least(values: Any) -> float:
    return float(np.min(values if isinstance(values, np.ndarray) else list(values)))


def _most(values: Any) -> float:
    return float(np.max(values if isinstance(values, np.ndarray) else list(values)))
