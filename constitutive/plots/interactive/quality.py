"""Learning curves, constants, coverage, stability and domain on a screen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Float
from plotly.subplots import make_subplots

from constitutive.plots.interactive.theme import new_figure, plain, rgba, style_axes
from constitutive.plots.quality import Curve
from constitutive.plots.style import BLUE, GREEN, INK, MUTED, ORANGE, PURPLE, colours


def learning_curve(curves: Mapping[str, Curve], *, error: str = "relative error of S") -> go.Figure:
    """Held-out error against the number of training samples; see :func:`constitutive.plots.learning_curve`."""
    tones = colours(list(curves))
    figure = new_figure()
    for name, curve in curves.items():
        x, y = np.r_[curve.samples, curve.samples[::-1]], np.r_[curve.low, curve.high[::-1]]
        fill = {"fill": "toself", "fillcolor": rgba(tones[name], 0.15), "line": {"width": 0}, "hoverinfo": "skip"}
        figure.add_scatter(x=x, y=y, mode="lines", showlegend=False, legendgroup=name, **fill)
        line = {"mode": "lines+markers", "line": {"color": tones[name], "width": 2}}
        figure.add_scatter(x=curve.samples, y=curve.median, name=plain(name), legendgroup=name, **line)
    ticks = sorted({int(n) for curve in curves.values() for n in curve.samples})
    figure.update_xaxes(title_text="training samples", type="log", tickvals=ticks, ticktext=[str(n) for n in ticks])
    figure.update_yaxes(title_text=f"held-out {error}", type="log", dtick=1)
    return style_axes(figure)


def elastic_constants(
    names: Sequence[str],
    values: Float[np.ndarray, " n"],
    errors: Float[np.ndarray, " n"] | None = None,
    *,
    published: Mapping[str, Mapping[str, float]] | None = None,
    unit: str = "GPa",
) -> go.Figure:
    """Elastic constants with error bars beside published ones; see :func:`constitutive.plots.elastic_constants`."""
    sources = published or {}
    tones = dict(zip(sources, (ORANGE, GREEN, PURPLE, MUTED) * 5, strict=False))
    lengths = sorted({len(name) for name in names})
    groups = [[k for k, name in enumerate(names) if len(name) == length] for length in lengths]
    heights = [len(group) + 1.0 for group in groups]
    figure = make_subplots(len(groups), 1, row_heights=heights, vertical_spacing=1.4 / (sum(heights) + 2))
    figure.update_layout(new_figure(int(30 * sum(heights)) + 110).layout)
    for row, group in enumerate(groups, start=1):
        chosen = [names[k] for k in group]
        bars = None if errors is None else {"array": errors[group], "thickness": 1.5, "width": 4}
        marker = {"color": BLUE, "size": 9}
        own = {"mode": "markers", "marker": marker, "error_x": bars, "name": "this law", "showlegend": row == 1}
        figure.add_scatter(x=values[group], y=chosen, row=row, col=1, **own)
        for (source, constants), symbol in zip(sources.items(), ("diamond", "square", "triangle-down", "x") * 5, strict=False):
            known = [name for name in chosen if name in constants]
            marker = {"color": tones[source], "symbol": f"{symbol}-open", "size": 9, "line": {"width": 1.5}}
            trace = {"mode": "markers", "marker": marker, "name": plain(source), "showlegend": row == 1}
            figure.add_scatter(x=[constants[name] for name in known], y=known, row=row, col=1, **trace)
        figure.update_yaxes(autorange="reversed", type="category", row=row, col=1)
    figure.update_xaxes(title_text=unit, row=len(groups), col=1)
    figure.update_layout(legend_y=-70 / figure.layout.height)
    return style_axes(figure)


def coverage(nominal: Float[np.ndarray, " n"], measured: Float[np.ndarray, " n"]) -> go.Figure:
    """Promised against measured coverage of the intervals; see :func:`constitutive.plots.coverage`."""
    figure = new_figure(showlegend=False)
    figure.add_scatter(x=[0, 1], y=[0, 1], mode="lines", line={"color": MUTED, "width": 1}, hoverinfo="skip")
    figure.add_scatter(x=nominal, y=measured, mode="lines+markers", line={"color": BLUE, "width": 2})
    figure.update_xaxes(title_text="promised share inside", range=[0, 1.02])
    figure.update_yaxes(title_text="measured share inside", range=[0, 1.02])
    return style_axes(figure)


def stability_map(
    x: Float[np.ndarray, " a"],
    y: Float[np.ndarray, " b"],
    margin: Float[np.ndarray, "b a"],
    *,
    xlabel: str,
    ylabel: str,
    distance: Float[np.ndarray, "b a"] | None = None,
    samples: Float[np.ndarray, "n 2"] | None = None,
) -> go.Figure:
    """Where in a plane of strains the crystal is stable; see :func:`constitutive.plots.stability_map`."""
    figure = new_figure(430, showlegend=False)
    top = max(1.0, float(np.nanmax(np.abs(margin))))
    bar = {"title": {"text": "weakest stiffness<br>relative to rest", "side": "top"}, "len": 0.8, "thickness": 14}
    scale = {"colorscale": "RdBu", "zmin": -top, "zmax": top, "colorbar": bar, "zsmooth": "best"}
    hover = f"{xlabel} %{{x:.3f}}<br>{ylabel} %{{y:.3f}}<br>%{{z:.3f}}<extra></extra>"
    figure.add_heatmap(x=x, y=y, z=margin, hovertemplate=hover, **scale)
    for level, values, dash in ((0.0, margin, "solid"), (1.0, distance, "dash")):
        if values is not None and np.nanmin(values) < level < np.nanmax(values):
            contours = {"start": level, "end": level, "size": 1, "coloring": "none"}
            line = {"color": INK, "width": 2, "dash": dash}
            figure.add_contour(x=x, y=y, z=values, contours=contours, line=line, showscale=False, hoverinfo="skip")
    if samples is not None:
        marker = {"color": INK, "size": 3, "opacity": 0.6}
        figure.add_scatter(x=samples[:, 0], y=samples[:, 1], mode="markers", marker=marker, hoverinfo="skip")
    figure.update_xaxes(title_text=xlabel, range=[x[0], x[-1]])
    figure.update_yaxes(title_text=ylabel, range=[y[0], y[-1]])
    return style_axes(figure)


def domain(reach: Mapping[str, tuple[float, float]]) -> go.Figure:
    """How far the domain of validity goes along named lines of strain; see :func:`constitutive.plots.domain`."""
    figure = new_figure(30 * len(reach) + 100, showlegend=False)
    names = [plain(name) for name in reach]
    low, high = (100 * np.array([span[k] for span in reach.values()]) for k in (0, 1))
    bars = {"orientation": "h", "marker": {"color": rgba(BLUE, 0.75)}, "hovertemplate": "%{y}: %{text}<extra></extra>"}
    text = [f"{a:+.1f} … {b:+.1f} %" for a, b in zip(low, high, strict=True)]
    figure.add_bar(y=names, x=high - low, base=low, text=text, textposition="inside", insidetextanchor="middle", **bars)
    figure.update_yaxes(autorange="reversed")
    figure.update_xaxes(title_text="Green–Lagrange strain (%)", zeroline=True)
    return style_axes(figure)
