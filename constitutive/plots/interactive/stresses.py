"""Parity, errors by strain and paths on a screen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Float
from plotly.subplots import make_subplots

from constitutive.plots.interactive.theme import new_figure, plain, rgba, style_axes
from constitutive.plots.parity import rms_error, running_median
from constitutive.plots.paths import COMPONENTS, Path, StressOf
from constitutive.plots.style import INK, MUTED, colours
from constitutive.tensors.packing import stress_to_voigt

Stresses = Float[np.ndarray, "n 3 3"]
DASHES = ("solid", "dash", "dot", "dashdot")


def parity(reference: Stresses, predictions: Mapping[str, Stresses], *, quantity: str = "Cauchy stress", unit: str = "GPa") -> go.Figure:
    """Predicted against reference stress components, a panel for each law; see :func:`constitutive.plots.parity`."""
    tones = colours(list(predictions))
    errors = {plain(name): rms_error(reference, predicted) for name, predicted in predictions.items()}
    titles = [f"<b>{name}</b><br>rms error {error:.2g} {unit}" for name, error in errors.items()]
    figure = make_subplots(1, len(predictions), subplot_titles=titles, shared_yaxes=True, horizontal_spacing=0.03)
    figure.update_layout(new_figure(420).layout)
    x = stress_to_voigt(reference)
    ends = [float(x.min()), float(x.max())]
    margin = 0.08 * (ends[1] - ends[0])
    for column, (name, predicted) in enumerate(predictions.items(), start=1):
        y = stress_to_voigt(predicted)
        figure.add_scatter(x=ends, y=ends, mode="lines", line={"color": MUTED, "width": 1}, hoverinfo="skip", row=1, col=column)
        for k, component in enumerate(COMPONENTS):
            marker = {"color": tones[name], "symbol": "circle-open" if k < 3 else "x-thin-open", "size": 7}
            text = [f"sample {n}, {component}" for n in range(len(x))]
            figure.add_scatter(x=x[:, k], y=y[:, k], mode="markers", marker=marker, text=text, name="", row=1, col=column)
    limits = [ends[0] - margin, ends[1] + margin]
    figure.update_xaxes(title_text=f"reference ({unit})", range=limits)
    figure.update_yaxes(range=limits)
    figure.update_yaxes(title_text=f"predicted {quantity} ({unit})", col=1)
    figure.update_layout(showlegend=False, margin_t=60)
    return style_axes(figure)


def error_by_strain(
    strain: Float[np.ndarray, "n 3 3"], reference: Stresses, predictions: Mapping[str, Stresses], *, unit: str = "GPa"
) -> go.Figure:
    """Error of each sample against the size of its strain; see :func:`constitutive.plots.error_by_strain`."""
    tones = colours(list(predictions))
    figure = new_figure()
    size = np.linalg.norm(strain, axis=(1, 2))
    text = [f"sample {n}" for n in range(len(size))]
    for name, predicted in predictions.items():
        error = np.linalg.norm(predicted - reference, axis=(1, 2)).clip(1e-9)
        points = {"color": rgba(tones[name], 0.55), "size": 6}
        figure.add_scatter(x=size, y=error, mode="markers", marker=points, text=text, name=plain(name), showlegend=False)
        x, y = running_median(size, error)
        figure.add_scatter(x=x, y=y, mode="lines", line={"color": tones[name], "width": 2}, name=plain(name))
    figure.update_xaxes(title_text="size of the strain, |E|")
    figure.update_yaxes(title_text=f"|error of the stress| ({unit})", type="log", dtick=1)
    return style_axes(figure)


def paths(
    reference: Sequence[Path],
    laws: Mapping[str, StressOf],
    *,
    bands: Mapping[str, StressOf] | None = None,
    quantity: str = "Cauchy stress",
    unit: str = "GPa",
    xlabel: str = "path parameter",
) -> go.Figure:
    """Stress along paths with uncertainty bands; see :func:`constitutive.plots.paths`."""
    columns = min(len(reference), 2)
    rows = -(-len(reference) // columns)
    titles = [f"<b>{plain(path.name.replace('_', ' '))}</b>" for path in reference]
    figure = make_subplots(rows, columns, subplot_titles=titles, horizontal_spacing=0.1, vertical_spacing=0.32 / rows)
    figure.update_layout(new_figure(310 * rows + 60).layout)
    for k, path in enumerate(reference):
        _path_panel(figure, path, laws, bands or {}, k // columns + 1, k % columns + 1, first=k == 0)
    figure.update_xaxes(title_text=xlabel)
    figure.update_yaxes(title_text=f"{quantity} ({unit})", col=1)
    figure.update_layout(legend_y=-0.28 / rows, margin_t=60)
    return style_axes(figure)


def _path_panel(
    figure: go.Figure, path: Path, laws: Mapping[str, StressOf], bands: Mapping[str, StressOf], row: int, col: int, first: bool
) -> None:
    tones = colours(list(laws))
    t, F = path.dense()
    shown = path.components()
    place = {"row": row, "col": col}
    for order, (name, law) in enumerate(laws.items()):
        curves = stress_to_voigt(np.asarray(law(F)))[:, shown].T
        half = stress_to_voigt(np.asarray(bands[name](F)))[:, shown].T if name in bands else None
        line = {"color": tones[name], "width": 2.5 if order == 0 else 1.5, "dash": DASHES[order % 4]}
        for k, curve in enumerate(curves):
            if half is not None:
                x, y = np.r_[t, t[::-1]], np.r_[curve - half[k], (curve + half[k])[::-1]]
                fill = {"fill": "toself", "fillcolor": rgba(tones[name], 0.2), "line": {"width": 0}, "hoverinfo": "skip"}
                figure.add_scatter(x=x, y=y, mode="lines", showlegend=False, legendgroup=name, **fill, **place)
            shown_once = first and k == 0
            trace = {"mode": "lines", "line": line, "name": plain(name), "legendgroup": name, "showlegend": shown_once}
            figure.add_scatter(x=t, y=curve, hovertext=f"{plain(name)}, {COMPONENTS[shown[k]]}", **trace, **place)
    points = stress_to_voigt(path.stress)[:, shown]
    marker = {"color": "white", "size": 8, "line": {"color": INK, "width": 1.5}}
    for k, values in enumerate(points.T):
        trace = {"mode": "markers", "marker": marker, "name": "simulation", "legendgroup": "simulation"}
        trace |= {"showlegend": first and k == 0, "hovertext": f"simulation, {COMPONENTS[shown[k]]}"}
        figure.add_scatter(x=path.parameter, y=values, **trace, **place)
    low, high = min(float(points.min()), 0.0), max(float(points.max()), 0.0)
    for name, band in bands.items():
        middle, half = (stress_to_voigt(np.asarray(f(path.F)))[:, shown] for f in (laws[name], band))
        low, high = min(low, float((middle - half).min())), max(high, float((middle + half).max()))
    room = 0.25 * max(high - low, 1e-12)
    figure.update_yaxes(range=[low - room, high + room], **place)
