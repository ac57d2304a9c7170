"""Learning curves, constants, coverage, stability and domain on a screen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Float
from plotly.subplots import make_subplots

from constitutive.plots.interactive.theme import new_figure, plain, rgba, style, style_axes
from constitutive.plots.numbers import MINUS, Curve, constant_rows, log_ticks, sample_ticks, source_colours, stability_range
from constitutive.plots.style import BLUE, INK, MUTED, colours

SYMBOLS = ("circle", "square", "diamond", "triangle-up", "triangle-down")
OPEN_SYMBOLS = ("diamond-open", "square-open", "triangle-down-open", "x-open")


def learning_curve(curves: Mapping[str, Curve], *, error: str = "relative error of S") -> go.Figure:
    """Held-out error against the number of training samples.

    Parameters
    ----------
    curves, error
        As for :func:`constitutive.plots.learning_curve`.

    Returns
    -------
    plotly Figure
    """
    tones = colours(list(curves))
    figure = new_figure(420)
    for (name, curve), symbol in zip(curves.items(), SYMBOLS * 3, strict=False):
        x, y = np.r_[curve.samples, curve.samples[::-1]], np.r_[curve.low, curve.high[::-1]]
        fill = {"fill": "toself", "fillcolor": rgba(tones[name], 0.15), "line": {"width": 0}, "hoverinfo": "skip"}
        figure.add_scatter(x=x, y=y, mode="lines", showlegend=False, legendgroup=name, **fill)
        line = {"mode": "lines+markers", "line": {"color": tones[name], "width": 2.5}, "marker": {"symbol": symbol, "size": 9}}
        figure.add_scatter(x=curve.samples, y=curve.median, name=plain(name), legendgroup=name, **line)
    numbers = sample_ticks(curves)
    figure.update_xaxes(title_text="training samples", type="log", tickvals=numbers, ticktext=[str(n) for n in numbers])
    ends = min(float(curve.low.min()) for curve in curves.values()), max(float(curve.high.max()) for curve in curves.values())
    places, texts = log_ticks(*ends, percent=True)
    span = [float(np.log10(min(ends[0], places[0]) / 1.2)), float(np.log10(max(ends[1], places[-1]) * 1.2))]
    figure.update_yaxes(title_text=f"held-out {error}", type="log", tickvals=places, ticktext=texts, range=span)
    return style_axes(figure)


def elastic_constants(
    names: Sequence[str],
    values: Float[np.ndarray, " n"],
    errors: Float[np.ndarray, " n"] | None = None,
    *,
    published: Mapping[str, Mapping[str, float]] | None = None,
    unit: str = "GPa",
) -> go.Figure:
    """Elastic constants with error bars beside published ones.

    Parameters
    ----------
    names, values, errors, published, unit
        As for :func:`constitutive.plots.elastic_constants`.

    Returns
    -------
    plotly Figure
    """
    groups, tones = constant_rows(names, values, errors, published), source_colours(published)
    heights = [len(group.names) + 1.0 for group in groups]
    plot = 27 * sum(heights) + 62 * (len(groups) - 1)
    gap = 62 / plot if len(groups) > 1 else 0.0
    figure = make_subplots(len(groups), 1, row_heights=heights, vertical_spacing=gap)
    below = 78 + 22 * (1 + len(tones))
    legend = {"orientation": "v", "y": -62 / plot, "yanchor": "top", "x": 0}
    figure.update_layout(style(int(plot) + below + 20, margin={"l": 60, "r": 20, "t": 20, "b": below}, legend=legend))
    for row, group in enumerate(groups, start=1):
        bars = None if group.errors is None else {"array": group.errors, "thickness": 1.5, "width": 4}
        own = {"mode": "markers", "marker": {"color": BLUE, "size": 9}, "error_x": bars, "name": "this law", "showlegend": row == 1}
        figure.add_scatter(x=group.values, y=group.names, row=row, col=1, **own)
        for (source, (known, constants)), symbol in zip(group.published.items(), OPEN_SYMBOLS * 5, strict=False):
            marker = {"color": tones[source], "symbol": symbol, "size": 10, "line": {"width": 2}}
            first = row == min(k for k, other in enumerate(groups, start=1) if other.published[source][0] or k == len(groups))
            trace = {"mode": "markers", "marker": marker, "name": plain(source), "showlegend": first}
            figure.add_scatter(x=constants, y=known, row=row, col=1, **trace)
        order = {"categoryorder": "array", "categoryarray": group.names[::-1], "range": [-0.6, len(group.names) - 0.4]}
        figure.update_yaxes(type="category", **order, row=row, col=1)
        figure.update_xaxes(title_text=unit, row=row, col=1)
    return style_axes(figure)


def coverage(nominal: Float[np.ndarray, " n"], measured: Float[np.ndarray, " n"]) -> go.Figure:
    """Nominal against measured coverage of the intervals.

    Parameters
    ----------
    nominal, measured
        As for :func:`constitutive.plots.coverage`.

    Returns
    -------
    plotly Figure
    """
    figure = new_figure(showlegend=False)
    figure.add_scatter(x=[0, 1], y=[0, 1], mode="lines", line={"color": MUTED, "width": 1}, hoverinfo="skip")
    figure.add_scatter(x=nominal, y=measured, mode="lines+markers", line={"color": BLUE, "width": 2})
    figure.update_xaxes(title_text="nominal share inside", range=[0, 1.02])
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
    """Where in a plane of strains the crystal is stable.

    Parameters
    ----------
    x, y, margin, xlabel, ylabel, distance, samples
        As for :func:`constitutive.plots.stability_map`.

    Returns
    -------
    plotly Figure
    """
    figure = new_figure(460, showlegend=False, margin={"l": 60, "r": 20, "t": 34, "b": 120})
    top = stability_range(margin)
    title = {"text": "weakest acoustic stiffness / at rest", "side": "bottom"}
    bar = {"title": title, "orientation": "h", "x": 0.5, "y": -0.2, "yanchor": "top", "len": 1.0, "thickness": 12}
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
    """How far the domain of validity goes along named lines of strain.

    Parameters
    ----------
    reach
        As for :func:`constitutive.plots.domain`.

    Returns
    -------
    plotly Figure
    """
    figure = new_figure(30 * len(reach) + 100, showlegend=False)
    names = [plain(name) for name in reach]
    low, high = (100 * np.array([span[k] for span in reach.values()]) for k in (0, 1))
    bars = {"orientation": "h", "marker": {"color": rgba(BLUE, 0.75)}, "hovertemplate": "%{y}: %{text}<extra></extra>"}
    text = [f"{a:+.1f} … {b:+.1f} %".replace("-", MINUS) for a, b in zip(low, high, strict=True)]
    figure.add_bar(y=names, x=high - low, base=low, text=text, textposition="inside", insidetextanchor="middle", **bars)
    figure.update_yaxes(autorange="reversed")
    figure.update_xaxes(title_text="Green–Lagrange strain (%)", zeroline=True)
    return style_axes(figure)
