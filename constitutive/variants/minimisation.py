"""Many stationary points at a time: descent that may be confined to the states of one symmetry, and Newton's method."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Bool, Float

LARGEST_STEP = 0.2  # in units of the sizes of the variables
CONVERGED = 1e-10  # of the gradient relative to its typical size
FLOOR = 1e-9  # of curvatures, relative to the largest
ESCAPED = 3.0  # distance, in units of the sizes, beyond which a point is given up

Points = Float[np.ndarray, "n k"]


@final
@dataclass(frozen=True, eq=False)
class Landscape:
    """An energy of packed variables, measured in their sizes.

    Attributes
    ----------
    energy, gradient, hessian
        Functions of packed points (n, k).
    matrices
        The group's operations on packed points.
    sizes
        What counts as one, for each component.
    """

    energy: Callable[[Points], Float[np.ndarray, " n"]]
    gradient: Callable[[Points], Points]
    hessian: Callable[[Points], Float[np.ndarray, "n k k"]]
    matrices: Float[np.ndarray, "g k k"]
    sizes: Float[np.ndarray, " k"]

    def scaled(self, x: Points) -> tuple[Float[np.ndarray, " n"], Points, Float[np.ndarray, "n k k"]]:
        """Energy, gradient and Hessian by the scaled variables, all in GPa.

        Parameters
        ----------
        x : array (n, k)
            Packed points.

        Returns
        -------
        energy : array (n,)
        gradient : array (n, k)
        hessian : array (n, k, k)
        """
        s = self.sizes
        return self.energy(x), self.gradient(x) * s, self.hessian(x) * s[:, None] * s


def descend(
    landscape: Landscape, start: Points, fixed: Float[np.ndarray, "n k k"], *, steps: int = 200
) -> tuple[Points, Bool[np.ndarray, " n"]]:
    """Go down from each start, within the states that its projector leaves alone.

    A stationary point within the states of one symmetry is stationary among all (Palais 1979, *Commun. Math. Phys.* 69, 19); what is a
    minimum there may be a saddle. Steps are Newton's with the absolute values of the curvatures, at most as long as a radius
    that follows their success.

    Parameters
    ----------
    landscape : Landscape
    start : array (n, k)
        Packed points.
    fixed : array (n, k, k)
        Projectors on the invariant states, the identity where the descent is free.
    steps : int

    Returns
    -------
    points : array (n, k)
    converged : bool array (n,)
    """
    s = landscape.sizes
    P = fixed * s / s[:, None]  # on scaled points
    u = np.einsum("nij,nj->ni", P, start / s)
    radius: Float[np.ndarray, " n"] = np.full(len(u), LARGEST_STEP)
    energy, g, H = landscape.scaled(u * s)
    done = np.zeros(len(u), dtype=bool)
    typical = np.abs(H).max(initial=1e-300)
    for _ in range(steps):
        g = np.einsum("nij,ni->nj", P, g)
        done = np.abs(g).max(axis=1, initial=0.0) < CONVERGED * typical
        if (done | ~np.isfinite(energy)).all():
            break
        step = np.einsum("nij,nj->ni", P, _newton(g, H, absolute=True))
        length = np.linalg.norm(step, axis=1)
        step *= np.minimum(1, radius / np.maximum(length, 1e-300))[:, None]
        trial = np.where(done[:, None], u, u + step)
        found, gradient, hessian = landscape.scaled(trial * s)
        good = (found < energy) | ((length < 1e-5) & (found < energy + 1e-12 * typical))
        good &= (np.abs(trial).max(axis=1) < ESCAPED) & np.isfinite(found)
        radius = np.where(good, np.minimum(2 * radius, LARGEST_STEP), radius / 4)
        u[good], energy[good], g[good], H[good] = trial[good], found[good], gradient[good], hessian[good]
        if (radius < 1e-12).all():
            break
    return u * s, done


def newton(landscape: Landscape, start: Points, *, steps: int = 60) -> tuple[Points, Bool[np.ndarray, " n"]]:
    """Newton's method for a vanishing gradient: to the stationary point nearby, whatever its kind.

    Parameters
    ----------
    landscape : Landscape
    start : array (n, k)
    steps : int

    Returns
    -------
    points : array (n, k)
    converged : bool array (n,)
    """
    s = landscape.sizes
    u = start / s
    done = np.zeros(len(u), dtype=bool)
    for _ in range(steps):
        _, g, H = landscape.scaled(u * s)
        done = np.abs(g).max(axis=1, initial=0.0) < CONVERGED * np.abs(H).max(initial=1e-300)
        if done.all():
            break
        step = _newton(g, H, absolute=False)
        step *= np.minimum(1, 0.5 * LARGEST_STEP / np.maximum(np.linalg.norm(step, axis=1), 1e-300))[:, None]
        moved = u + np.where(done[:, None], 0, step)
        u = np.where(np.abs(moved).max(axis=1, keepdims=True) < ESCAPED, moved, u)
    return u * s, done


def _newton(g: np.ndarray, H: np.ndarray, *, absolute: bool) -> np.ndarray:
    values, vectors = np.linalg.eigh(np.nan_to_num((H + H.swapaxes(1, 2)) / 2))
    floor = FLOOR * np.abs(values).max(axis=1, keepdims=True) + 1e-300
    size = np.maximum(np.abs(values), floor)
    curvature = size if absolute else np.where(values < 0, -size, size)
    return -np.einsum("nij,nj->ni", vectors, np.einsum("nji,nj->ni", vectors, g) / curvature)
