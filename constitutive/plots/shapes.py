"""Directions on spheres, circles and maps, and a crystal's quantities there: what both kinds of picture draw."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

import numpy as np
from jaxtyping import Float
from matplotlib.ticker import MaxNLocator

from constitutive.elasticity import CoupledConstants, longitudinal_coupling, longitudinal_piezoelectric
from constitutive.elasticity.directional import UNITS, DirectionalModuli, Quantity

TITLES: dict[str, str] = {
    "youngs_modulus": "Young's modulus E(n)",
    "shear_modulus": "shear modulus G(n, m)",
    "poisson_ratio": "Poisson's ratio ν(n, m)",
    "linear_compressibility": "linear compressibility β(n)",
}
SYMBOLS = {"youngs_modulus": "E", "shear_modulus": "G", "poisson_ratio": "ν", "linear_compressibility": "β"}
Response = Literal["piezoelectric", "coupling"]
RESPONSES = {"piezoelectric": "d (pm/V)", "coupling": "k"}
BEYOND_EQUATOR = 1.04  # how far a map goes beyond the equator, so that its rim can be cut at the equator
PLANES = {"xy": (0, 1), "xz": (0, 2), "yz": (1, 2)}


def label(quantity: Quantity) -> str:
    """Name of a quantity with its unit.

    Examples
    --------
    >>> label("youngs_modulus")
    "Young's modulus E(n) (GPa)"
    """
    unit = UNITS[quantity]
    return f"{TITLES[quantity]} ({unit})" if unit else TITLES[quantity]


def short(quantity: Quantity) -> str:
    """Symbol of a quantity with its unit, for scales: "E (GPa)"."""
    unit = UNITS[quantity]
    return f"{SYMBOLS[quantity]} ({unit})" if unit else SYMBOLS[quantity]


def responses(
    crystals: Mapping[str, CoupledConstants], quantity: Response, n: Float[np.ndarray, "*batch 3"]
) -> tuple[dict[str, Float[np.ndarray, "*batch"]], float]:
    """d(n) in pm/V or k(n) of each crystal, and the largest size of all, 1 where all vanish."""
    of = longitudinal_piezoelectric if quantity == "piezoelectric" else longitudinal_coupling
    found = {name: of(constants, n) for name, constants in crystals.items()}
    return found, max(float(np.abs(value).max()) for value in found.values()) or 1.0


def levels(low: float, high: float) -> list[float]:
    """Round numbers from at or below ``low`` to at or above ``high``: contours of a map."""
    if high - low <= 1e-9 * abs(high):
        return [low * 0.999, high * 1.001] if low > 0 else [low - 1e-9, high + 1e-9]
    return [float(level) for level in MaxNLocator(12, steps=[1, 2, 2.5, 5, 10]).tick_values(low, high)]


def sphere(points: int = 73) -> Float[np.ndarray, "theta phi 3"]:
    """Unit vectors on a grid of polar and azimuthal angles, closed at the seam and at both poles."""
    theta, phi = np.meshgrid(np.linspace(0, np.pi, points), np.linspace(0, 2 * np.pi, 2 * points - 1), indexing="ij")
    return np.stack([np.sin(theta) * np.cos(phi), np.sin(theta) * np.sin(phi), np.cos(theta)], axis=-1)


def circle(plane: str, points: int = 361) -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, "n 3"]]:
    """Angles (radians) from the first axis of a coordinate plane ("xy", "xz", "yz") and the unit vectors there."""
    first, second = PLANES[plane]
    angle = np.linspace(0, 2 * np.pi, points)
    n = np.zeros((points, 3))
    n[:, first], n[:, second] = np.cos(angle), np.sin(angle)
    return angle, n


def hemisphere_map(
    points: int = 161,
) -> tuple[Float[np.ndarray, " points"], Float[np.ndarray, "points points 3"]]:
    """Coordinates of a square map and the unit vector behind each point; NaN well outside the unit circle.

    The projection is Lambert's of equal area, scaled so that the equator is the unit circle; the map goes a little beyond it.
    """
    axis = np.linspace(-BEYOND_EQUATOR, BEYOND_EQUATOR, points)
    X, Y = np.meshgrid(axis, axis, indexing="xy")
    r2 = X * X + Y * Y
    with np.errstate(invalid="ignore"):
        z = np.where(r2 <= BEYOND_EQUATOR**2 + 0.1, 1 - r2, np.nan)
        factor = np.sqrt(1 + z)
    return axis, np.stack([X * factor, Y * factor, z], axis=-1)


def frame() -> Float[np.ndarray, "n 2"]:
    """Outline of what lies outside the unit circle of a map: a square with a round hole."""
    angle = np.linspace(0, 2 * np.pi, 241)
    ring = np.stack([np.cos(angle), np.sin(angle)], axis=-1)
    outer = 1.3 * np.array([[1, 0], [1, -1], [-1, -1], [-1, 1], [1, 1], [1, 0]])
    return np.concatenate([ring, outer])


def span(states: Iterable[DirectionalModuli], quantity: Quantity) -> tuple[float, float]:
    """Smallest and largest value of a quantity over all directions of some states: one scale for pictures to be compared.

    Parameters
    ----------
    states : iterable of DirectionalModuli
    quantity : str
        One of ``constitutive.elasticity.QUANTITIES``.

    Returns
    -------
    smallest, largest : float
        In the quantity's unit (``constitutive.elasticity.UNITS``).
    """
    ends = [moduli.extremes(quantity) for moduli in states]
    return min(low.value for low, _ in ends), max(high.value for _, high in ends)


def project(n: Float[np.ndarray, "*batch 3"]) -> Float[np.ndarray, "*batch 2"]:
    """Points of directions on the map of :func:`hemisphere_map`; a direction and its opposite are one point."""
    n = np.asarray(n, dtype=float) / np.linalg.norm(n, axis=-1, keepdims=True)
    n = np.where(n[..., 2:] < 0, -n, n)
    return n[..., :2] / np.sqrt(1 + n[..., 2:])


def widths(states: Iterable[str]) -> dict[str, float]:
    """Line width of each state: the first bold, the next thinner, so that colour is not the only distinction."""
    return {name: max(1.4, 3.0 - 0.8 * k) for k, name in enumerate(states)}


def values(moduli: DirectionalModuli, quantity: Quantity, n: Float[np.ndarray, "*batch 3"]) -> dict[str, np.ndarray]:
    """A quantity at directions: one array, or the smallest and the largest over the second direction.

    Directions with NaN give NaN.
    """
    flat = n.reshape(-1, 3)
    known = np.isfinite(flat).all(axis=-1)
    if quantity in ("youngs_modulus", "linear_compressibility"):
        found = {"": getattr(moduli, quantity)(flat[known])}
    else:
        both = moduli.shear_range(flat[known]) if quantity == "shear_modulus" else moduli.poisson_range(flat[known])
        found = {"largest": both[1], "smallest": both[0]}
    result = {}
    for name, known_values in found.items():
        full = np.full(len(flat), np.nan)
        full[known] = known_values
        result[name] = full.reshape(n.shape[:-1])
    return result
