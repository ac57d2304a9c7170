"""Predicted against reference stress: parity, the distribution of errors, errors by strain."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes

from constitutive.plots.numbers import error_clouds, log_ticks, parity_limits, rms_error
from constitutive.plots.style import INK, MUTED, RULE, Figure, colours, new_figure, styled
from constitutive.tensors.packing import stress_to_voigt

Stresses = Float[np.ndarray, "n 3 3"]


@styled
def parity(
    reference: Stresses,
    predictions: Mapping[str, Stresses],
    *,
    quantity: str = "Cauchy stress",
    unit: str = "GPa",
    title: str = "",
) -> Figure:
    """Predicted against reference stress components, a panel for each law, and the distribution of their errors.

    Parameters
    ----------
    reference : (n, 3, 3)
        Stresses that the simulation gave.
    predictions : mapping
        Name of each law and its stresses at the same strains; the first is drawn in the law's colour.
    quantity, unit : str
        Names for the axes.
    title : str
        Above the figure.

    Returns
    -------
    Figure
        Each panel states the root of the mean square error over all samples and all nine components.
    """
    tones = colours(list(predictions))
    figure = new_figure(2.05 * (len(predictions) + 1) + 0.5, 2.65)
    axes = figure.subplots(1, len(predictions) + 1)
    limits = parity_limits(reference)
    for k, (ax, (name, predicted)) in enumerate(zip(axes, predictions.items(), strict=False)):
        _parity_panel(ax, reference, predicted, name, tones[name], unit)
        ax.set(xlim=limits, ylim=limits, xlabel=f"reference ({unit})", aspect="equal")
        ax.set_ylabel(f"predicted {quantity} ({unit})" if k == 0 else "")
        ax.tick_params(labelleft=k == 0)
    axes[0].legend(loc="lower right", handletextpad=0.1, borderaxespad=0.2)
    _error_distribution(axes[-1], reference, predictions, tones, unit)
    figure.suptitle(title, fontsize=10, fontweight="bold", x=0.01, ha="left") if title else None
    return figure


def _parity_panel(ax: Axes, reference: np.ndarray, predicted: np.ndarray, name: str, tone: str, unit: str) -> None:
    x, y = stress_to_voigt(reference), stress_to_voigt(predicted)
    ax.axline((0, 0), slope=1, color=MUTED, linewidth=0.8, zorder=1)
    for label, marker, which in (("normal", "o", slice(0, 3)), ("shear", "x", slice(3, 6))):
        (points,) = ax.plot(x[:, which].ravel(), y[:, which].ravel(), marker, color=tone, label=label, alpha=0.85)
        points.set(markersize=3.5, markerfacecolor="none", markeredgewidth=0.8)
    ax.set_title(name, color=tone)
    error = f"rms error\n{rms_error(reference, predicted):.2g} {unit}"
    ax.text(0.05, 0.95, error, transform=ax.transAxes, va="top", fontsize=7.5, color=INK)


def _error_distribution(
    ax: Axes, reference: np.ndarray, predictions: Mapping[str, np.ndarray], tones: Mapping[str, str], unit: str
) -> None:
    """Share of the components whose error is below a bound: the curve further left is better."""
    floor = 1e-6 * max(float(np.abs(reference).max()), 1e-12)
    for name, predicted in predictions.items():
        errors = np.sort(np.abs(stress_to_voigt(predicted - reference)).ravel()).clip(floor)
        ax.step(errors, 100 * np.arange(1, len(errors) + 1) / len(errors), where="post", color=tones[name], label=name)
    ax.set(xscale="log", ylim=(0, 100), xlabel=f"|error| ({unit})", ylabel="components below (%)", title="errors")
    ax.set_xlim(left=max(ax.get_xlim()[0], 1e-5 * float(np.abs(reference).max())))
    ax.grid(True, axis="both")
    ax.set_box_aspect(1)


@styled
def error_by_strain(
    strain: Float[np.ndarray, "n 3 3"],
    reference: Stresses,
    predictions: Mapping[str, Stresses],
    *,
    unit: str = "GPa",
) -> Figure:
    """Error of each sample against the size of its strain, on logarithmic axes, with a running median.

    Parameters
    ----------
    strain : (n, 3, 3)
        Green–Lagrange strains.
    reference : (n, 3, 3)
        Stresses that the simulation gave.
    predictions : mapping
        Name of each law and its stresses.
    unit : str
        Of the stresses.

    Returns
    -------
    matplotlib Figure
    """
    tones = colours(list(predictions))
    figure = new_figure(3.5, 3.0)
    ax = figure.subplots()
    clouds = error_clouds(strain, reference, predictions)
    for (name, cloud), marker in zip(clouds.items(), "osD^v<>" * 3, strict=False):
        ax.plot(cloud.size, cloud.error, marker, color=tones[name], markersize=3, markerfacecolor="none", alpha=0.6)
        ax.plot(cloud.median_size, cloud.median_error, color=tones[name], label=name)
    ax.set(yscale="log", xlabel="size of the strain, |E|", ylabel=f"|error of the stress| ({unit})")
    ticks, texts = log_ticks(*ax.get_ylim())
    ax.set_yticks(ticks, texts)
    ax.set_yticks([], minor=True)
    ax.grid(True, color=RULE)
    figure.legend(*ax.get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return figure
