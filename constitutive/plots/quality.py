"""Pictures of how good a law is: learning curves, constants beside published ones, coverage, stability, domain."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from constitutive.plots.numbers import MINUS, Curve, constant_rows, log_ticks, sample_ticks, source_colours, stability_range
from constitutive.plots.style import BLUE, DIVERGING, INK, MUTED, Figure, colours, new_figure, styled


@styled
def learning_curve(curves: Mapping[str, Curve], *, error: str = "relative error of S") -> Figure:
    """Held-out error against the number of training samples, median and range.

    Parameters
    ----------
    curves : mapping
        Name of each law and its curve.
    error : str
        Name of the error.

    Returns
    -------
    matplotlib Figure
    """
    figure = new_figure(3.5, 2.9)
    ax = figure.subplots()
    _draw_curves(ax, curves, list(curves))
    ax.set(xlabel="training samples", ylabel=f"held-out {error}")
    figure.legend(*ax.get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return figure


@styled
def learning_curves(panels: Mapping[str, Mapping[str, Curve]], *, error: str = "relative error of S") -> Figure:
    """Learning curves of several crystals side by side, the same laws in each.

    Parameters
    ----------
    panels : mapping
        Name of each crystal, and its curves as for `learning_curve`.
    error : str
        Name of the error.

    Returns
    -------
    matplotlib Figure
    """
    columns = min(len(panels), 4)
    rows = -(-len(panels) // columns)
    figure = new_figure(1.9 * columns + 0.3, 1.9 * rows + 0.6)
    axes = figure.subplots(rows, columns, squeeze=False)
    laws = list(dict.fromkeys(law for curves in panels.values() for law in curves))
    handles: dict[str, Artist] = {}
    for k, (ax, (title, curves)) in enumerate(zip(axes.flat, panels.items(), strict=False)):
        _draw_curves(ax, curves, laws)
        ax.set_title(title)
        ax.set_xlabel("training samples" if k + columns >= len(panels) else "")
        ax.set_ylabel(f"held-out {error}" if k % columns == 0 else "")
        handles |= {str(line.get_label()): line for line in ax.get_lines()}
    for ax in list(axes.flat)[len(panels) :]:
        ax.set_axis_off()
    figure.legend([handles[law] for law in laws], laws, loc="outside lower center", ncols=4)
    return figure


def _draw_curves(ax: Axes, curves: Mapping[str, Curve], laws: list[str]) -> None:
    """Median and range of each law on logarithmic axes; a law looks alike wherever the same laws are compared."""
    tones, markers = colours(laws), dict(zip(laws, "osD^v<>" * 3, strict=False))
    for name, curve in curves.items():
        ax.plot(curve.samples, curve.median, marker=markers[name], markersize=3.5, color=tones[name], label=name)
        ax.fill_between(curve.samples, curve.low, curve.high, color=tones[name], alpha=0.15, linewidth=0)
    ax.set(xscale="log", yscale="log")
    numbers = sample_ticks(curves)
    ax.set_xticks(numbers, [str(n) for n in numbers])
    places, texts = log_ticks(*ax.get_ylim(), percent=True)
    ax.set_yticks(places, texts)
    ax.set_xticks([], minor=True)
    ax.set_yticks([], minor=True)
    ax.grid(True, which="major")


@styled
def elastic_constants(
    names: Sequence[str],
    values: Float[np.ndarray, " n"],
    errors: Float[np.ndarray, " n"] | None = None,
    *,
    published: Mapping[str, Mapping[str, float]] | None = None,
    unit: str = "GPa",
) -> Figure:
    """Elastic constants with their error bars beside published values.

    Parameters
    ----------
    names : sequence
        "C11", "C112", …
    values, errors : (n,)
        Of the law, with the half-widths of their intervals.
    published : mapping, optional
        Source and its constants by name; a source need not have them all.
    unit : str
        Of all of them.

    Returns
    -------
    matplotlib Figure
    """
    groups, tones = constant_rows(names, values, errors, published), source_colours(published)
    figure = new_figure(3.6, 0.26 * len(names) + 0.6 * len(groups) + 0.2 + 0.16 * len(tones))
    axes = figure.subplots(len(groups), 1, squeeze=False, height_ratios=[len(group.names) + 0.6 for group in groups])[:, 0]
    for ax, group in zip(axes, groups, strict=True):
        rows = {name: len(group.names) - 1 - k for k, name in enumerate(group.names)}
        own = {"fmt": "o", "color": BLUE, "markersize": 4, "capsize": 2, "label": "this law"}
        ax.errorbar(group.values, list(rows.values()), xerr=group.errors, **own)
        for (source, (known, constants)), marker in zip(group.published.items(), "Dsv^x+" * 3, strict=False):
            (points,) = ax.plot(constants, [rows[name] - 0.2 for name in known], marker, color=tones[source])
            points.set(markersize=4, markerfacecolor="none", label=source)
        ax.set_yticks(list(rows.values()), list(rows))
        ax.set(ylim=(-0.6, len(group.names) - 0.4), xlabel=unit)
        ax.grid(True, axis="x")
    handles, labels = axes[0].get_legend_handles_labels()
    order = sorted(range(len(labels)), key=lambda k: labels[k] != "this law")
    figure.legend([handles[k] for k in order], [labels[k] for k in order], loc="outside lower center", ncols=1)
    return figure


@styled
def coverage(nominal: Float[np.ndarray, " n"], measured: Float[np.ndarray, " n"]) -> Figure:
    """Share of unseen stresses inside the intervals of the law against their nominal probability (both 0 to 1).

    Parameters
    ----------
    nominal : array (n,)
        Probabilities of the intervals.
    measured : array (n,)
        Share of stresses inside each.

    Returns
    -------
    matplotlib Figure
    """
    figure = new_figure(2.7, 2.5)
    ax = figure.subplots()
    ax.axline((0, 0), slope=1, color=MUTED, linewidth=0.8)
    ax.plot(nominal, measured, "o-", color=BLUE, markersize=3.5)
    ax.set(xlim=(0, 1), ylim=(0, 1), xlabel="nominal", ylabel="measured", title="coverage", aspect="equal")
    return figure


@styled
def stability_map(
    x: Float[np.ndarray, " a"],
    y: Float[np.ndarray, " b"],
    margin: Float[np.ndarray, "b a"],
    *,
    xlabel: str,
    ylabel: str,
    distance: Float[np.ndarray, "b a"] | None = None,
    samples: Float[np.ndarray, "n 2"] | None = None,
) -> Figure:
    """Where in a plane of strains the crystal is stable: its weakest direction's stiffness relative to that at rest.

    Parameters
    ----------
    x, y : (a,), (b,)
        Strains along the axes of the map.
    margin : (b, a)
        Smallest eigenvalue of the acoustic tensor over all directions, relative to zero strain; stable where positive.
    xlabel, ylabel : str
        Names of the axes.
    distance : (b, a), optional
        Distance from the centre of the domain of validity, 1 at its boundary.
    samples : (n, 2), optional
        Points of the plane to mark: the data.

    Returns
    -------
    matplotlib Figure
    """
    figure = new_figure(3.7, 3.0)
    ax = figure.subplots()
    top = stability_range(margin)
    filled = ax.contourf(x, y, margin.clip(-top, top), levels=np.linspace(-top, top, 25), cmap=f"{DIVERGING[:-2]}")
    if np.nanmin(margin) < 0 < np.nanmax(margin):
        ax.contour(x, y, margin, levels=[0.0], colors=INK, linewidths=1.4)
    if distance is not None and distance.min() < 1 < distance.max():
        ax.contour(x, y, distance, levels=[1.0], colors=INK, linewidths=1, linestyles="dashed")
    if samples is not None:
        ax.plot(samples[:, 0], samples[:, 1], ".", color=INK, markersize=2, alpha=0.6)
    ax.set(xlabel=xlabel, ylabel=ylabel, xlim=(x[0], x[-1]), ylim=(y[0], y[-1]))
    figure.colorbar(filled, ax=ax, ticks=MaxNLocator(5)).set_label("weakest acoustic stiffness / at rest")
    return figure


@styled
def domain(reach: Mapping[str, tuple[float, float]]) -> Figure:
    """How far the domain of validity goes along named lines of strain.

    Parameters
    ----------
    reach : mapping
        Name of each line ("stretch along x") and the smallest and largest strain on it.

    Returns
    -------
    matplotlib Figure
    """
    figure = new_figure(3.6, 0.26 * len(reach) + 0.7)
    ax = figure.subplots()
    rows = np.arange(len(reach))[::-1]
    low, high = (100 * np.array([span[k] for span in reach.values()]) for k in (0, 1))
    ax.barh(rows, high - low, left=low, height=0.45, color=BLUE, alpha=0.75)
    for row, left, right in zip(rows, low, high, strict=True):
        for end, side in ((left, -1), (right, 1)):
            text = ax.annotate(f"{end:+.1f}".replace("-", MINUS), (end, row), xytext=(3 * side, 0), textcoords="offset points")
            text.set(fontsize=6.5, ha="left" if side > 0 else "right", va="center")
    ax.axvline(0, color=INK, linewidth=0.6)
    ax.set_yticks(rows, list(reach))
    border = 0.24 * float(high.max() - low.min())
    ax.set(xlabel="Green–Lagrange strain (%)", xlim=(low.min() - border, high.max() + border))
    return figure
