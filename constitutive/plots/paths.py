"""Stress along held-out paths: what the simulation gave, what each law says, and how sure it is."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes

from constitutive.plots.style import INK, MUTED, Figure, colours, new_figure, styled
from constitutive.tensors.packing import VOIGT_PAIRS, stress_to_voigt

COMPONENTS = ("xx", "yy", "zz", "yz", "xz", "xy")
DENSE = 81  # points of a curve

StressOf = Callable[[Float[np.ndarray, "n 3 3"]], Float[np.ndarray, "n 3 3"]]


@dataclass(frozen=True)
class Path:
    """States of a crystal along one line of deformations.

    Attributes
    ----------
    name : str
        Title of its panel.
    parameter : (n,)
        Stretch, shear or any other coordinate, rising.
    F : (n, 3, 3)
        Deformation gradients.
    stress : (n, 3, 3)
        Stresses that the simulation gave.
    """

    name: str
    parameter: Float[np.ndarray, " n"]
    F: Float[np.ndarray, "n 3 3"]
    stress: Float[np.ndarray, "n 3 3"]

    def dense(self) -> tuple[Float[np.ndarray, " m"], Float[np.ndarray, "m 3 3"]]:
        """Many points on the path: its parameter, and F interpolated linearly between the states."""
        t = np.linspace(self.parameter[0], self.parameter[-1], DENSE)
        flat = self.F.reshape(len(self.F), 9)
        return t, np.stack([np.interp(t, self.parameter, column) for column in flat.T], -1).reshape(-1, 3, 3)

    def components(self) -> list[int]:
        """Voigt positions of the components that differ from zero and from each other: those worth a curve."""
        stress = stress_to_voigt(self.stress)
        scale = max(float(np.abs(stress).max()), 1e-300)
        kept: list[int] = []
        for k in np.flatnonzero(np.abs(stress).max(axis=0) > 0.01 * scale):
            if all(np.abs(stress[:, k] - stress[:, j]).max() > 0.01 * scale for j in kept):
                kept.append(int(k))
        return kept or [0]


def split_paths(
    names: Sequence[str],
    parameter: Float[np.ndarray, " n"],
    F: Float[np.ndarray, "n 3 3"],
    stress: Float[np.ndarray, "n 3 3"],
) -> list[Path]:
    """Paths from states that name the path they are on, in the order of first appearance, each sorted along itself."""
    found = []
    for name in dict.fromkeys(names):
        rows = np.array([k for k, other in enumerate(names) if other == name])
        rows = rows[np.argsort(np.asarray(parameter)[rows])]
        found.append(Path(name, np.asarray(parameter, dtype=float)[rows], F[rows], stress[rows]))
    return found


@styled
def paths(
    reference: Sequence[Path],
    laws: Mapping[str, StressOf],
    *,
    bands: Mapping[str, StressOf] | None = None,
    quantity: str = "Cauchy stress",
    unit: str = "GPa",
    xlabel: str = "path parameter",
    title: str = "",
) -> Figure:
    """Stress along paths: a panel for each path, with the simulation's states as circles and a curve for each law.

    Parameters
    ----------
    reference : sequence of Path
        States with their stresses, see :func:`split_paths`.
    laws : mapping
        Name of each law and a function from deformation gradients (n, 3, 3) to stresses (n, 3, 3); the first is drawn
        boldest.
    bands : mapping, optional
        For some of these names, a function from deformation gradients to half-widths of a band (n, 3, 3).
    quantity, unit, xlabel, title : str
        Names for the axes and the figure.

    Returns
    -------
    Figure
    """
    tones = colours(list(laws))
    columns = min(len(reference), 4)
    rows = -(-len(reference) // columns)
    figure = new_figure(max(2.35 * columns, 3.4), 2.3 * rows + 0.45)
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for ax, path in zip(axes, reference, strict=False):
        _path_panel(ax, path, laws, bands or {}, tones)
        ax.set_xlabel(xlabel)
    for ax in axes[::columns]:
        ax.set_ylabel(f"{quantity} ({unit})")
    for ax in axes[len(reference) :]:
        ax.set_axis_off()
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=min(len(labels), 5))
    figure.suptitle(title, fontsize=10, fontweight="bold", x=0.01, ha="left") if title else None
    return figure


def _path_panel(ax: Axes, path: Path, laws: Mapping[str, StressOf], bands: Mapping[str, StressOf], tones: Mapping[str, str]) -> None:
    t, F = path.dense()
    shown = path.components()
    ax.axhline(0, color=MUTED, linewidth=0.5)
    for order, (name, law) in enumerate(laws.items()):
        values = stress_to_voigt(np.asarray(law(F)))[:, shown]
        style = ("-", "--", ":", "-.")[order % 4]
        width, depth = (1.8 if order == 0 else 1.2), 4 - 0.1 * order
        lines = ax.plot(t, values, style, color=tones[name], linewidth=width, zorder=depth)
        lines[0].set_label(name)
        if name in bands:
            half = stress_to_voigt(np.asarray(bands[name](F)))[:, shown]
            for low, high in zip((values - half).T, (values + half).T, strict=True):
                ax.fill_between(t, low, high, color=tones[name], alpha=0.2, linewidth=0)
    points = stress_to_voigt(path.stress)[:, shown]
    circles = ax.plot(path.parameter, points, "o", color=INK, markerfacecolor="white", markersize=4.2, zorder=5)
    circles[0].set_label("simulation")
    _limit_to_reference(ax, points)
    _name_components(ax, path, points, shown)
    ax.set_title(path.name.replace("_", " "))


def _limit_to_reference(ax: Axes, points: np.ndarray) -> None:
    """Keep a baseline that shoots away from hiding the rest."""
    low, high = min(float(points.min()), 0.0), max(float(points.max()), 0.0)
    room = 0.25 * max(high - low, 1e-12)
    limits = ax.get_ylim()
    ax.set_ylim(max(limits[0], low - room), min(limits[1], high + room))


def _name_components(ax: Axes, path: Path, points: np.ndarray, shown: list[int]) -> None:
    """Names of the components beside the last state, each with those that are equal to it."""
    stress = stress_to_voigt(path.stress)
    scale = float(np.abs(stress).max())
    for column, k in enumerate(shown):
        same = [j for j in range(len(VOIGT_PAIRS)) if np.abs(stress[:, j] - stress[:, k]).max() <= 0.01 * scale]
        label, place = ", ".join(COMPONENTS[j] for j in same), (path.parameter[-1], points[-1, column])
        ax.annotate(label, place, xytext=(5, 0), textcoords="offset points", va="center", fontsize=7, color=INK)
