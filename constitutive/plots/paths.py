"""Stress along held-out paths: the simulation, each law, and its interval."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from matplotlib.artist import Artist
from matplotlib.axes import Axes

from constitutive.plots.numbers import COMPONENT_COLOURS, apart
from constitutive.plots.style import INK, MUTED, Figure, colours, new_figure, styled
from constitutive.tensors.components import COMPONENTS
from constitutive.tensors.packing import stress_to_voigt

COMPONENT_MARKERS = ("o", "s", "D", "^", "v", "P")
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
    simulated : bool
        Whether there was a simulation; without one the stresses are a law's own and no states are drawn.
    """

    name: str
    parameter: Float[np.ndarray, " n"]
    F: Float[np.ndarray, "n 3 3"]
    stress: Float[np.ndarray, "n 3 3"]
    simulated: bool = True

    @property
    def title(self) -> str:
        """The name for people: "uniaxial100" is "uniaxial 100"."""
        return re.sub(r"(?<=[a-z])(?=\d)", " ", self.name.replace("_", " "))

    @property
    def coordinate(self) -> str:
        """What the parameter is, as F shows it: a stretch, a shear, a strain."""
        t = np.asarray(self.parameter)[:, None]
        E = (self.F.swapaxes(1, 2) @ self.F - np.eye(3)) / 2
        stretches = np.linalg.svd(self.F, compute_uv=False)
        off = [self.F[:, i, j] for i in range(3) for j in range(3) if i != j]
        for name, found in (
            ("stretch λ", stretches),
            ("shear γ", np.stack(off, axis=1)),
            ("Green–Lagrange strain E", E.reshape(-1, 9)),
        ):
            if (np.abs(found - t) < 1e-6).any(axis=1).all():
                return name
        return "path parameter"

    def dense(self) -> tuple[Float[np.ndarray, " m"], Float[np.ndarray, "m 3 3"]]:
        """Many points on the path: its parameter, and F interpolated linearly between the states.

        Returns
        -------
        parameter : array (m,)
            In the unit of the path's own parameter.
        F : array (m, 3, 3)
        """
        t = np.linspace(self.parameter[0], self.parameter[-1], DENSE)
        flat = self.F.reshape(len(self.F), 9)
        return t, np.stack([np.interp(t, self.parameter, column) for column in flat.T], -1).reshape(-1, 3, 3)

    def components(self) -> list[int]:
        """Voigt positions of the components that differ from zero and from each other: those that are drawn.

        Returns
        -------
        list of int
            0 to 5 for xx yy zz yz xz xy; at least one.
        """
        stress = stress_to_voigt(self.stress)
        scale = max(float(np.abs(stress).max()), 1e-300)
        kept: list[int] = []
        for k in np.flatnonzero(np.abs(stress).max(axis=0) > 0.01 * scale):
            if all(np.abs(stress[:, k] - stress[:, j]).max() > 0.01 * scale for j in kept):
                kept.append(int(k))
        return kept or [0]

    def label(self, component: int) -> str:
        """Name of a component with those that are equal to it: "yy, zz".

        Parameters
        ----------
        component : int
            Voigt position, 0 to 5.

        Returns
        -------
        str
        """
        stress = stress_to_voigt(self.stress)
        scale = float(np.abs(stress).max())
        same = [j for j in range(len(COMPONENTS)) if np.abs(stress[:, j] - stress[:, component]).max() <= 0.01 * scale]
        return ", ".join(COMPONENTS[j] for j in same)


@dataclass(frozen=True)
class PathCurves:
    """What the panel of a path shows: curves of each law for each component that is drawn.

    Attributes
    ----------
    t : (m,)
        Points of the curves.
    components : list of int
        Voigt positions.
    values, halves : dict
        By law: stresses (k, m), and the half-widths of its band where it has one.
    states : (k, n)
        Of the simulation.
    limits : (float, float)
        Of the stress axis, so that a baseline with a large error does not set the scale.
    labels : list of (float, str)
        Where the name of each component stands at the end of its curve.
    """

    t: Float[np.ndarray, " m"]
    components: list[int]
    values: dict[str, Float[np.ndarray, "k m"]]
    halves: dict[str, Float[np.ndarray, "k m"]]
    states: Float[np.ndarray, "k n"]
    limits: tuple[float, float]
    labels: list[tuple[float, str]]


def path_curves(path: Path, laws: Mapping[str, StressOf], bands: Mapping[str, StressOf]) -> PathCurves:
    """The numbers of a path's panel."""
    t, F = path.dense()
    shown = path.components()
    values = {name: stress_to_voigt(np.asarray(law(F)))[:, shown].T for name, law in laws.items()}
    halves = {name: stress_to_voigt(np.asarray(band(F)))[:, shown].T for name, band in bands.items()}
    states = stress_to_voigt(path.stress)[:, shown].T
    edges = [edge for name, half in halves.items() for edge in (values[name] - half, values[name] + half)]
    low, high = (float(end([end(part) for part in (states, 0.0 * states, *edges)])) for end in (np.min, np.max))
    border = 0.12 * max(high - low, 1e-12)
    limits = (low - border, high + border)
    places = apart(states[:, -1].tolist(), 0.085 * (limits[1] - limits[0]))
    return PathCurves(t, shown, values, halves, states, limits, [(y, path.label(k)) for y, k in zip(places, shown, strict=True)])


@dataclass(frozen=True)
class PathErrors:
    """Errors of a law along a path, component by component, with its band.

    Attributes
    ----------
    t : (m,)
        Points of the bands.
    components : list of int
        Voigt positions of the components that are drawn.
    halves : (k, m)
        Half-widths of the band.
    errors : (k, n)
        Simulation minus law at the states.
    """

    t: Float[np.ndarray, " m"]
    components: list[int]
    halves: Float[np.ndarray, "k m"]
    errors: Float[np.ndarray, "k n"]


def errors_along(path: Path, law: StressOf, band: StressOf) -> PathErrors:
    """The numbers of a panel of errors."""
    t, F = path.dense()
    shown = path.components()
    halves = stress_to_voigt(np.asarray(band(F)))[:, shown].T
    errors = stress_to_voigt(path.stress - np.asarray(law(path.F)))[:, shown].T
    return PathErrors(t, shown, halves, errors)


def split_paths(
    names: Sequence[str],
    parameter: Float[np.ndarray, " n"],
    F: Float[np.ndarray, "n 3 3"],
    stress: Float[np.ndarray, "n 3 3"],
) -> list[Path]:
    """Paths from states that name the path they are on, in the order of first appearance, each sorted along itself.

    Parameters
    ----------
    names : sequence of str
        Path of each state.
    parameter : array (n,)
        Position of each state along its path.
    F : array (n, 3, 3)
        Deformation gradients.
    stress : array (n, 3, 3)
        Their stresses, in any one unit and measure.

    Returns
    -------
    list of Path
    """
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
    xlabel: str = "",
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
        Names for the axes and the figure; without ``xlabel`` each panel names its parameter.

    Returns
    -------
    Figure
    """
    tones = colours(list(laws))
    figure, axes = _panels(len(reference))
    for ax, path in zip(axes, reference, strict=True):
        _path_panel(ax, path, laws, bands or {}, tones)
        _name(ax, path, xlabel)
    axes[0].set_ylabel(f"{quantity} ({unit})")
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=min(len(labels), 5))
    figure.suptitle(title, fontsize=10, fontweight="bold", x=0.01, ha="left") if title else None
    return figure


@styled
def path_errors(
    reference: Sequence[Path], law: StressOf, band: StressOf, *, quantity: str = "simulation − law", unit: str = "GPa"
) -> Figure:
    """Errors of a law along paths on their own scale, each component beside the band that the law gives it.

    Parameters
    ----------
    reference : sequence of Path
        States with their stresses.
    law, band : callable
        From deformation gradients (n, 3, 3) to stresses, and to half-widths of their intervals.
    quantity, unit : str
        Names for the axis.

    Returns
    -------
    matplotlib Figure
    """
    figure, axes = _panels(len(reference))
    handles: dict[str, Artist] = {}
    for ax, path in zip(axes, reference, strict=True):
        found = errors_along(path, law, band)
        ax.axhline(0, color=MUTED, linewidth=0.5)
        for k, half, error in zip(found.components, found.halves, found.errors, strict=True):
            tone = COMPONENT_COLOURS[k]
            ax.fill_between(found.t, -half, half, color=tone, alpha=0.16, linewidth=0)
            ax.plot(found.t, np.array([-half, half]).T, color=tone, linewidth=0.6, alpha=0.7)
            (points,) = ax.plot(path.parameter, error, COMPONENT_MARKERS[k], color=tone, markerfacecolor="white", markersize=4.2, zorder=5)
            handles.setdefault(COMPONENTS[k], points)
        _name(ax, path, "")
    axes[0].set_ylabel(f"{quantity} ({unit})")
    figure.legend(list(handles.values()), list(handles), loc="outside lower center", ncols=6)
    return figure


def _panels(number: int) -> tuple[Figure, list[Axes]]:
    columns = min(number, 4)
    rows = -(-number // columns)
    figure = new_figure(max(2.35 * columns, 3.4), 2.3 * rows + 0.45)
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for ax in axes[number:]:
        ax.set_axis_off()
    return figure, list(axes[:number])


def _name(ax: Axes, path: Path, xlabel: str) -> None:
    ax.set_title(path.title)
    ax.set_xlabel(xlabel or path.coordinate)


def _path_panel(ax: Axes, path: Path, laws: Mapping[str, StressOf], bands: Mapping[str, StressOf], tones: Mapping[str, str]) -> None:
    found = path_curves(path, laws, bands)
    ax.axhline(0, color=MUTED, linewidth=0.5)
    for order, (name, values) in enumerate(found.values.items()):
        width, depth = (1.8 if order == 0 else 1.2), 4 - 0.1 * order
        lines = ax.plot(found.t, values.T, ("-", "--", ":", "-.")[order % 4], color=tones[name], linewidth=width, zorder=depth)
        lines[0].set_label(name)
        for curve, half in zip(values, found.halves.get(name, ()), strict=False):
            ax.fill_between(found.t, curve - half, curve + half, color=tones[name], alpha=0.2, linewidth=0)
    if path.simulated:
        circles = ax.plot(path.parameter, found.states.T, "o", color=INK, markerfacecolor="white", markersize=4.2, zorder=5)
        circles[0].set_label("simulation")
    ax.set_ylim(*found.limits)
    for place, label in found.labels:
        ax.annotate(label, (found.t[-1], place), xytext=(5, 0), textcoords="offset points", va="center", fontsize=7, color=INK)
