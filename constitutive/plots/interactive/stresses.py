"""Parity, errors by strain and paths on a screen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Float
from plotly.subplots import make_subplots

from constitutive.plots.interactive.theme import new_figure, plain, rgba, style, style_axes
from constitutive.plots.numbers import COMPONENT_COLOURS, error_clouds, log_ticks, parity_limits, rms_error
from constitutive.plots.paths import Path, StressOf, errors_along, path_curves
from constitutive.plots.style import INK, MUTED, colours
from constitutive.tensors.components import COMPONENTS
from constitutive.tensors.packing import stress_to_voigt

Stresses = Float[np.ndarray, "n 3 3"]
SYMBOLS = ("circle", "square", "diamond", "triangle-up", "triangle-down")
COMPONENT_SYMBOLS = ("circle", "square", "diamond", "triangle-up", "triangle-down", "cross")
DASHES = ("solid", "dash", "dot", "dashdot")


def parity(reference: Stresses, predictions: Mapping[str, Stresses], *, quantity: str = "Cauchy stress", unit: str = "GPa") -> go.Figure:
    """Predicted against reference stress components, a panel for each law.

    Parameters
    ----------
    reference, predictions, quantity, unit
        As for :func:`constitutive.plots.parity`.

    Returns
    -------
    plotly Figure
    """
    tones = colours(list(predictions))
    errors = {plain(name): rms_error(reference, predicted) for name, predicted in predictions.items()}
    titles = [f"<b>{name}</b><br>rms error {error:.2g} {unit}" for name, error in errors.items()]
    figure = make_subplots(1, len(predictions), subplot_titles=titles, shared_yaxes=True, horizontal_spacing=0.03)
    figure.update_layout(style(420))
    x, limits = stress_to_voigt(reference), list(parity_limits(reference))
    for column, (name, predicted) in enumerate(predictions.items(), start=1):
        y = stress_to_voigt(predicted)
        figure.add_scatter(x=limits, y=limits, mode="lines", line={"color": MUTED, "width": 1}, hoverinfo="skip", row=1, col=column)
        for k, component in enumerate(COMPONENTS):
            marker = {"color": tones[name], "symbol": "circle-open" if k < 3 else "x-thin-open", "size": 7}
            text = [f"sample {n}, {component}" for n in range(len(x))]
            figure.add_scatter(x=x[:, k], y=y[:, k], mode="markers", marker=marker, text=text, name="", row=1, col=column)
    figure.update_xaxes(title_text=f"reference ({unit})", range=limits)
    figure.update_yaxes(range=limits)
    figure.update_yaxes(title_text=f"predicted {quantity} ({unit})", col=1)
    figure.update_layout(showlegend=False, margin_t=60)
    return style_axes(figure)


def error_by_strain(
    strain: Float[np.ndarray, "n 3 3"], reference: Stresses, predictions: Mapping[str, Stresses], *, unit: str = "GPa"
) -> go.Figure:
    """Error of each sample against the size of its strain.

    Parameters
    ----------
    strain, reference, predictions, unit
        As for :func:`constitutive.plots.error_by_strain`.

    Returns
    -------
    plotly Figure
    """
    tones = colours(list(predictions))
    figure = new_figure(420)
    text = [f"sample {n}" for n in range(len(strain))]
    clouds = error_clouds(strain, reference, predictions)
    for (name, cloud), symbol in zip(clouds.items(), SYMBOLS * 3, strict=False):
        marker = {"color": rgba(tones[name], 0.55), "size": 7, "symbol": symbol}
        points = {"mode": "markers", "marker": marker, "text": text, "showlegend": False, "legendgroup": name}
        figure.add_scatter(x=cloud.size, y=cloud.error, name=plain(name), **points)
        line = {"mode": "lines", "line": {"color": tones[name], "width": 2.5}, "legendgroup": name}
        figure.add_scatter(x=cloud.median_size, y=cloud.median_error, name=plain(name), **line)
    ends = min(float(cloud.error.min()) for cloud in clouds.values()), max(float(cloud.error.max()) for cloud in clouds.values())
    places, texts = log_ticks(*ends)
    figure.update_xaxes(title_text="size of the strain, |E|", rangemode="tozero")
    figure.update_yaxes(title_text=f"|error of the stress| ({unit})", type="log", tickvals=places, ticktext=texts)
    return style_axes(figure)


def paths(
    reference: Sequence[Path],
    laws: Mapping[str, StressOf],
    *,
    bands: Mapping[str, StressOf] | None = None,
    quantity: str = "Cauchy stress",
    unit: str = "GPa",
    xlabel: str = "",
) -> go.Figure:
    """Stress along paths with uncertainty bands.

    Parameters
    ----------
    reference, laws, bands, quantity, unit, xlabel
        As for :func:`constitutive.plots.paths`.

    Returns
    -------
    plotly Figure
    """
    figure, places = _panels(reference, f"{quantity} ({unit})")
    for path, place in zip(reference, places, strict=True):
        _path_panel(figure, path, laws, bands or {}, place, first=place is places[0])
        figure.update_xaxes(title_text=xlabel or path.coordinate, **place)
    return style_axes(figure)


def path_errors(
    reference: Sequence[Path], law: StressOf, band: StressOf, *, quantity: str = "simulation − law", unit: str = "GPa"
) -> go.Figure:
    """Errors of a law along paths with its bands.

    Parameters
    ----------
    reference, law, band, quantity, unit
        As for :func:`constitutive.plots.path_errors`.

    Returns
    -------
    plotly Figure
    """
    figure, places = _panels(reference, f"{quantity} ({unit})")
    seen: set[int] = set()
    for path, place in zip(reference, places, strict=True):
        found = errors_along(path, law, band)
        for k, half, error in zip(found.components, found.halves, found.errors, strict=True):
            tone, group = COMPONENT_COLOURS[k], {"legendgroup": COMPONENTS[k]}
            x, y = np.r_[found.t, found.t[::-1]], np.r_[-half, half[::-1]]
            line = {"width": 1, "color": rgba(tone, 0.6)}
            fill = {"fill": "toself", "fillcolor": rgba(tone, 0.14), "line": line, "hoverinfo": "skip", "showlegend": False}
            figure.add_scatter(x=x, y=y, mode="lines", **fill, **group, **place)
            marker = {"color": "white", "size": 9, "symbol": COMPONENT_SYMBOLS[k], "line": {"color": tone, "width": 2}}
            trace = {"mode": "markers", "marker": marker, "name": COMPONENTS[k], "showlegend": k not in seen}
            figure.add_scatter(x=path.parameter, y=error, **trace, **group, **place)
            seen.add(k)
        figure.update_xaxes(title_text=path.coordinate, **place)
    return style_axes(figure)


def _panels(reference: Sequence[Path], ylabel: str) -> tuple[go.Figure, list[dict[str, int]]]:
    """An empty panel for each path, two in a row, and the places of the panels."""
    columns = min(len(reference), 2)
    rows = -(-len(reference) // columns)
    titles = [f"<b>{plain(path.title)}</b>" for path in reference]
    plot = 240 * rows + 80 * (rows - 1)
    gap = 80 / plot if rows > 1 else 0.0
    figure = make_subplots(rows, columns, subplot_titles=titles, horizontal_spacing=0.12, vertical_spacing=gap)
    margin = {"l": 60, "r": 48, "t": 36, "b": 84}
    figure.update_layout(style(plot + 120, margin=margin))
    figure.update_layout(legend_y=-52 / plot)
    places = [{"row": k // columns + 1, "col": k % columns + 1} for k in range(len(reference))]
    for place in places[::columns]:
        figure.update_yaxes(title_text=ylabel, **place)
    return figure, places


def _path_panel(
    figure: go.Figure, path: Path, laws: Mapping[str, StressOf], bands: Mapping[str, StressOf], place: dict[str, int], first: bool
) -> None:
    tones = colours(list(laws))
    found = path_curves(path, laws, bands)
    for order, (name, curves) in enumerate(found.values.items()):
        line = {"color": tones[name], "width": 2.5 if order == 0 else 1.8, "dash": DASHES[order % 4]}
        for curve, half in zip(curves, found.halves.get(name, ()), strict=False):
            x, y = np.r_[found.t, found.t[::-1]], np.r_[curve - half, (curve + half)[::-1]]
            fill = {"fill": "toself", "fillcolor": rgba(tones[name], 0.25), "line": {"width": 0}, "hoverinfo": "skip"}
            figure.add_scatter(x=x, y=y, mode="lines", showlegend=False, legendgroup=name, **fill, **place)
        for k, curve in zip(found.components, curves, strict=True):
            shown_once = first and k == found.components[0]
            trace = {"mode": "lines", "line": line, "name": plain(name), "legendgroup": name, "showlegend": shown_once}
            figure.add_scatter(x=found.t, y=curve, hovertext=f"{plain(name)}, {COMPONENTS[k]}", **trace, **place)
    marker = {"color": "white", "size": 8, "line": {"color": INK, "width": 1.5}}
    for k, values in zip(found.components, found.states if path.simulated else (), strict=False):
        trace = {"mode": "markers", "marker": marker, "name": "simulation", "legendgroup": "simulation"}
        trace |= {"showlegend": first and k == found.components[0], "hovertext": f"simulation, {COMPONENTS[k]}"}
        figure.add_scatter(x=path.parameter, y=values, **trace, **place)
    span = float(found.t[-1] - found.t[0])
    for y, label in found.labels:
        note = {"showarrow": False, "xanchor": "left", "yanchor": "middle", "xshift": 7, "font": {"color": INK}}
        figure.add_annotation(x=found.t[-1], y=y, text=label, **note, **place)
    figure.update_xaxes(range=[found.t[0] - 0.04 * span, found.t[-1] + 0.16 * span], **place)
    figure.update_yaxes(range=list(found.limits), **place)
