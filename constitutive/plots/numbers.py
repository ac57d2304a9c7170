"""The numbers behind the pictures, computed once and drawn by matplotlib and by Plotly."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from constitutive.plots.style import BLUE, GREEN, MUTED, ORANGE, PURPLE, RED, SKY
from constitutive.tensors.packing import stress_to_voigt

MINUS = "−"
SOURCE_COLOURS = (ORANGE, GREEN, PURPLE, MUTED)
COMPONENT_COLOURS = (BLUE, ORANGE, GREEN, PURPLE, SKY, RED)


@dataclass(frozen=True)
class Curve:
    """Error against the number of samples.

    Attributes
    ----------
    samples : (n,)
        Numbers of training samples.
    median, low, high : (n,)
        Median and range of the error over seeds or folds.
    """

    samples: Float[np.ndarray, " n"]
    median: Float[np.ndarray, " n"]
    low: Float[np.ndarray, " n"]
    high: Float[np.ndarray, " n"]


@dataclass(frozen=True)
class ConstantRows:
    """Elastic constants of one order: a panel.

    Attributes
    ----------
    names : list of str
    values : (n,)
    errors : (n,) or None
        Half-widths.
    published : dict
        Each source's names, of those that it has, and their values.
    """

    names: list[str]
    values: Float[np.ndarray, " n"]
    errors: Float[np.ndarray, " n"] | None
    published: dict[str, tuple[list[str], list[float]]]


def constant_rows(
    names: Sequence[str],
    values: Float[np.ndarray, " n"],
    errors: Float[np.ndarray, " n"] | None = None,
    published: Mapping[str, Mapping[str, float]] | None = None,
) -> list[ConstantRows]:
    """Constants in groups of one order each, with the values of each source."""
    groups = []
    for length in sorted({len(name) for name in names}):
        chosen = [k for k, name in enumerate(names) if len(name) == length]
        own = [names[k] for k in chosen]
        beside = {}
        for source, constants in (published or {}).items():
            known = [name for name in own if name in constants]
            beside[source] = (known, [constants[name] for name in known])
        groups.append(ConstantRows(own, values[chosen], None if errors is None else errors[chosen], beside))
    return groups


def source_colours(published: Mapping[str, object] | None) -> dict[str, str]:
    """A colour for each source of published values."""
    sources = list(published or {})
    return {source: SOURCE_COLOURS[k % len(SOURCE_COLOURS)] for k, source in enumerate(sources)}


def sample_ticks(curves: Mapping[str, Curve]) -> list[int]:
    """Numbers of samples of some curves; of two within 15 % only the larger, so that labels of a logarithmic axis stay apart."""
    found = sorted({int(n) for curve in curves.values() for n in curve.samples})
    return [n for n, following in zip(found, [*found[1:], 10**9], strict=True) if following > 1.15 * n]


def log_ticks(low: float, high: float, *, percent: bool = False) -> tuple[list[float], list[str]]:
    """Places and texts of the ticks of a logarithmic axis: decades, with 2 and 5 between where there are few of them.

    Examples
    --------
    >>> log_ticks(0.009, 0.11, percent=True)[1]
    ['1 %', '2 %', '5 %', '10 %']
    """
    first, last = int(np.floor(np.log10(low))), int(np.ceil(np.log10(high)))
    steps = (1, 2, 5) if np.log10(high / low) < 2 else (1,)
    places = [step * 10.0**k for k in range(first, last + 1) for step in steps]
    places = [place for place in places if low / 1.5 <= place <= 1.5 * high] or [low, high]
    return places, [f"{100 * place:.3g} %" if percent else f"{place:.3g}" for place in places]


@dataclass(frozen=True)
class ErrorCloud:
    """Errors of one law against the size of the strain, and their running median."""

    size: Float[np.ndarray, " n"]
    error: Float[np.ndarray, " n"]
    median_size: Float[np.ndarray, " m"]
    median_error: Float[np.ndarray, " m"]


def error_clouds(
    strain: Float[np.ndarray, "n 3 3"], reference: Float[np.ndarray, "n 3 3"], predictions: Mapping[str, Float[np.ndarray, "n 3 3"]]
) -> dict[str, ErrorCloud]:
    """Errors of each law by name: Frobenius norms, of strain and of stress."""
    size = np.linalg.norm(strain, axis=(1, 2))
    clouds = {}
    for name, predicted in predictions.items():
        error = np.linalg.norm(predicted - reference, axis=(1, 2)).clip(1e-9)
        clouds[name] = ErrorCloud(size, error, *running_median(size, error))
    return clouds


def running_median(
    x: Float[np.ndarray, " n"], y: Float[np.ndarray, " n"], bins: int = 8
) -> tuple[Float[np.ndarray, " bins"], Float[np.ndarray, " bins"]]:
    """Medians of x and of y in groups of equal number, in the order of x."""
    groups = np.array_split(np.argsort(x), min(bins, max(1, len(x) // 3)))
    return np.array([np.median(x[g]) for g in groups]), np.array([np.median(y[g]) for g in groups])


def rms_error(reference: Float[np.ndarray, "n 3 3"], predicted: Float[np.ndarray, "n 3 3"]) -> float:
    """Root of the mean square error over all samples and all nine components.

    Parameters
    ----------
    reference, predicted : array (n, 3, 3)
        Stresses in one unit.

    Returns
    -------
    float
        In that unit.
    """
    return float(np.sqrt(np.mean((predicted - reference) ** 2)))


def parity_limits(reference: Float[np.ndarray, "n 3 3"]) -> tuple[float, float]:
    """Common limits of both axes: those of the reference, so that a baseline with a large error does not set the scale."""
    components = stress_to_voigt(reference)
    low, high = float(components.min()), float(components.max())
    margin = 0.08 * max(high - low, 1e-12)
    return low - margin, high + margin


def stability_range(margin: Float[np.ndarray, "b a"]) -> float:
    """Where the scale of a map of stability ends either way: values far beyond must not dominate the colours."""
    return float(np.clip(np.nanmax(np.abs(margin)), 1.0, 1.5))


def apart(places: Sequence[float], least: float) -> list[float]:
    """Places moved as little as it takes to be ``least`` apart, in their order: where labels of curves stand."""
    order = np.argsort(places, kind="stable")
    clusters: list[tuple[float, int]] = []  # centre and number of the labels that stand together
    for k in order:
        clusters.append((float(places[k]), 1))
        while len(clusters) > 1 and clusters[-1][0] - clusters[-2][0] < least * (clusters[-1][1] + clusters[-2][1]) / 2:
            (b, n), (a, m) = clusters.pop(), clusters.pop()
            clusters.append(((a * m + b * n) / (m + n), m + n))
    moved = [centre + least * (i - (number - 1) / 2) for centre, number in clusters for i in range(number)]
    found = [0.0] * len(order)
    for k, place in zip(order, moved, strict=True):
        found[k] = place
    return found
