"""Directions: unit vectors, planes across them, sets of them spread over the half sphere."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import TypeAlias

import numpy as np
from jaxtyping import Float, Num

from constitutive.errors import ConstitutiveError

Direction: TypeAlias = Num[np.ndarray, "*#batch 3"] | Sequence[float | int]  # of any length but 0


def unit(n: Direction) -> Float[np.ndarray, "*batch 3"]:
    """Vectors scaled to length 1.

    Parameters
    ----------
    n : array (..., 3)

    Returns
    -------
    array (..., 3)

    Raises
    ------
    ConstitutiveError
        A vector is zero or not finite.
    """
    n = np.asarray(n, dtype=np.float64)
    length = np.linalg.norm(n, axis=-1, keepdims=True)
    if not (np.isfinite(length).all() and (length > 0).all()):
        raise ConstitutiveError("a direction of length 0 or with a non-finite component was given; give non-zero vectors")
    return n / length


def plane_axes(n: Direction) -> tuple[Float[np.ndarray, "*batch 3"], Float[np.ndarray, "*batch 3"]]:
    """Two unit vectors u, v across the unit vectors n, with u × v = n.

    Parameters
    ----------
    n : array (..., 3)
        Unit vectors.

    Returns
    -------
    u, v : array (..., 3)
    """
    n = np.asarray(n, dtype=np.float64)
    helper = np.eye(3)[np.argmin(np.abs(n), axis=-1)]
    u = unit(np.cross(n, helper))
    return u, np.cross(n, u)


def half_sphere(number: int) -> Float[np.ndarray, "number 3"]:
    """Directions spread evenly over the upper half sphere (Fibonacci's spiral).

    Parameters
    ----------
    number : int
        How many.

    Returns
    -------
    array (number, 3)
        Unit vectors with z > 0; a pole and its opposite count once.
    """
    k = np.arange(number) + 0.5
    z = k / number
    angle = np.pi * (1 + np.sqrt(5)) * k
    radius = np.sqrt(1 - z * z)
    return np.stack([radius * np.cos(angle), radius * np.sin(angle), z], axis=-1)


def apart(n: Float[np.ndarray, "n 3"]) -> Num[np.ndarray, " k"]:
    """Positions of directions that are more than 15° from every better one chosen before (the list is sorted, best first).

    Parameters
    ----------
    n : array (n, 3)
        Unit vectors; the first 400 are compared.

    Returns
    -------
    int array (k,)
    """
    chosen = [0]
    for k, direction in enumerate(n[:400]):
        if np.abs(n[chosen] @ direction).max() < np.cos(np.radians(15)):
            chosen.append(k)
    return np.array(chosen)


def upward(n: Float[np.ndarray, "3"]) -> Float[np.ndarray, "3"]:
    """A direction or its opposite: that whose last non-zero component is positive.

    Parameters
    ----------
    n : array (3,)

    Returns
    -------
    array (3,)
    """
    significant = n[np.abs(n) > 1e-6]
    return -n if len(significant) and significant[-1] < 0 else n


def low_index() -> Float[np.ndarray, "13 3"]:
    """The axes, face diagonals and body diagonals of a cube, in this order.

    Returns
    -------
    array (13, 3)
        Unit vectors, one of each pair of opposites.
    """
    n = np.array(list(product((1.0, 0.0, -1.0), repeat=3)))
    n = np.array([v for v in n if v.any() and (upward(v) == v).all()])
    return unit(n[np.lexsort((-n.sum(axis=1), np.abs(n).sum(axis=1)))])


def ring(n: Float[np.ndarray, "3"]) -> Float[np.ndarray, "24 3"]:
    """Directions as far from z as n, 15° apart, from the xz plane on.

    Parameters
    ----------
    n : array (3,)
        Unit vector.

    Returns
    -------
    array (24, 3)
        Unit vectors.
    """
    around = np.radians(np.arange(0, 360, 15))
    radius = np.hypot(n[0], n[1])
    return np.stack([radius * np.cos(around), radius * np.sin(around), np.full_like(around, n[2])], axis=1)
