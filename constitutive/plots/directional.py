"""Pictures of directional moduli: surfaces, sections, pole figures (after ELATE: Gaillac, Pullumbi & Coudert 2016)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import matplotlib as mpl
import numpy as np
from matplotlib.colors import Normalize
from matplotlib.patches import Circle
from matplotlib.patheffects import withStroke
from matplotlib.projections.polar import PolarAxes
from matplotlib.ticker import MaxNLocator
from mpl_toolkits.mplot3d import Axes3D

from constitutive.elasticity.directional import DirectionalModuli, Quantity
from constitutive.plots import shapes
from constitutive.plots.style import INK, MUTED, RULE, SEQUENTIAL, Figure, colours, draw_surface, new_figure, styled


@styled
def surface(moduli: DirectionalModuli, quantity: Quantity = "youngs_modulus", *, span: tuple[float, float] | None = None) -> Figure:
    """The surface whose distance from the origin along n is the quantity, coloured by it.

    Where a second direction matters, two panels show the smallest and the largest over it; a negative value is drawn
    opposite to n.

    Parameters
    ----------
    moduli : DirectionalModuli
    quantity : str
        One of ``constitutive.elasticity.QUANTITIES``.
    span : (float, float), optional
        Ends of the scale, in the quantity's unit; its own smallest and largest value when not given. Surfaces of two states are
        compared on one scale: ``constitutive.plots.span``.

    Returns
    -------
    matplotlib Figure
    """
    n = shapes.sphere(61)
    found = shapes.values(moduli, quantity, n)
    figure = new_figure(3.0 * len(found) + 0.7, 3.0)
    low, high = span or (min(float(v.min()) for v in found.values()), max(float(v.max()) for v in found.values()))
    norm = Normalize(low, high)
    shades = mpl.colormaps[SEQUENTIAL]
    reach = max(abs(low), abs(high))
    axes = [cast(Axes3D, figure.add_subplot(1, len(found), k + 1, projection="3d")) for k in range(len(found))]
    for ax, (name, value) in zip(axes, found.items(), strict=True):
        draw_surface(ax, n * value[..., None], shades(norm(value)), reach)
        ax.set_title(f"{name} over m" if name else "", fontweight="normal", loc="center")
    bar = figure.colorbar(mpl.cm.ScalarMappable(norm, SEQUENTIAL), ax=axes, shrink=0.7, pad=0.1)
    bar.set_label(shapes.label(quantity))
    return figure


@styled
def sections(states: Mapping[str, DirectionalModuli], quantity: Quantity = "youngs_modulus") -> Figure:
    """Sections of the surface of a quantity through the three coordinate planes, a curve for each state of the crystal.

    Parameters
    ----------
    states : mapping
        Name of each state ("no strain", "5 % along x") and its moduli.
    quantity : str
        One of ``constitutive.elasticity.QUANTITIES``; where a second direction matters, the largest over it is drawn
        solid and the smallest dashed.

    Returns
    -------
    matplotlib Figure
    """
    tones, widths = colours(list(states)), shapes.widths(states)
    figure = new_figure(7.0, 3.0)
    axes = [cast(PolarAxes, figure.add_subplot(1, 3, k + 1, projection="polar")) for k in range(3)]
    for ax, plane in zip(axes, shapes.PLANES, strict=True):
        angle, n = shapes.circle(plane)
        for name, moduli in states.items():
            for which, value in shapes.values(moduli, quantity, n).items():
                (line,) = ax.plot(angle, value, "--" if which == "smallest" else "-", color=tones[name], linewidth=0.7 * widths[name])
                line.set_label(", ".join(filter(None, (name, which))))
        ax.set_title(f"{shapes.short(quantity)}, {plane} plane", loc="center", pad=9, fontweight="normal")
        ax.set_thetagrids(range(0, 360, 45), [plane[0], "", plane[1], "", "", "", "", ""])
    low, high = min(ax.get_ylim()[0] for ax in axes), max(ax.get_ylim()[1] for ax in axes)
    for ax in axes:
        ax.set_ylim(min(0.0, low), high)
        ax.tick_params(labelsize=6.5, pad=0)
        ax.yaxis.set_major_locator(MaxNLocator(3, prune="both"))
        ax.set_rlabel_position(45)
        ax.grid(color=RULE)
        ax.spines["polar"].set_color(RULE)
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=min(len(labels), 4))
    return figure


@styled
def pole_figure(
    moduli: DirectionalModuli,
    quantity: Quantity = "youngs_modulus",
    *,
    directions: Mapping[str, np.ndarray] | None = None,
    span: tuple[float, float] | None = None,
) -> Figure:
    """A quantity over all directions of the upper half sphere, in Lambert's equal-area projection along z.

    Parameters
    ----------
    moduli : DirectionalModuli
    quantity : str
        One of ``constitutive.elasticity.QUANTITIES``; of two directions, the largest over the second is shown.
    directions : mapping, optional
        Labels and Cartesian vectors of directions to mark.
    span : (float, float), optional
        Ends of the scale, in the quantity's unit, where two states are to be compared.

    Returns
    -------
    matplotlib Figure
    """
    axis, n = shapes.hemisphere_map(241)
    value = next(iter(shapes.values(moduli, quantity, n).values()))
    figure = new_figure(3.7, 3.1)
    ax = figure.subplots()
    low, high = span or (float(np.nanmin(value)), float(np.nanmax(value)))
    levels = shapes.levels(low, high)
    filled = ax.contourf(axis, axis, value, levels=levels, cmap=SEQUENTIAL, extend="both")
    lines = ax.contour(axis, axis, value, levels=levels[1:-1], colors="white", linewidths=0.5, alpha=0.7)
    rim = Circle((0, 0), 1, facecolor="none", edgecolor=INK, linewidth=0.9, transform=ax.transData)
    ax.add_patch(rim)
    for drawn in (filled, lines):
        drawn.set_clip_path(rim)
    for extreme, marker in zip(moduli.extremes(quantity), "v^", strict=True):
        ax.plot(*shapes.project(extreme.direction), marker, color="white", markeredgecolor=INK, markersize=6, clip_on=False)
    for name, vector in {"x": np.eye(3)[0], "y": np.eye(3)[1], **(directions or {})}.items():
        x, y = shapes.project(np.asarray(vector))
        halo = [withStroke(linewidth=1.5, foreground="white")]
        text = ax.annotate(name, (x, y), xytext=(12 * x, 12 * y), textcoords="offset points", ha="center", va="center")
        text.set(fontsize=7.5, path_effects=halo)
    ax.set_axis_off()
    ax.set(aspect="equal", xlim=(-1.12, 1.12), ylim=(-1.12, 1.12))
    figure.colorbar(filled, ax=ax, shrink=0.75, pad=0.06, extendfrac=0, ticks=levels[::2]).set_label(shapes.label(quantity))
    ax.text(0, -1.2, "▽ smallest   △ largest", ha="center", fontsize=7, color=MUTED)
    return figure
