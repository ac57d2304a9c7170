r"""Strains spread evenly through a region modulo a point group: the medoids of many points uniform in its volume.

The distance of two strains is the smallest over the images of one of them, :math:`d(x, y) = \min_{g \in G} |x - D(g)\,y|`: strains that
symmetry maps onto each other count as one. Sought are the n points with the smallest mean over the region of :math:`d^2` to the nearest one
(k-medoids: Kaufman & Rousseeuw, Finding Groups in Data, 1990, ch. 2), first one after the other with the largest drop of that mean, then by
moving each to the middle of the points that are nearest to it.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float, Int

SWEEPS = 4  # of moving each point to the middle of its own
CHUNK = 64  # points whose images are compared at a time


def representative(
    x: Float[np.ndarray, "n 6"],
    count: int,
    group: Float[np.ndarray, "g 6 6"],
    *,
    given: Float[np.ndarray, "m 6"] | None = None,
    apart: float = 0.0,
) -> Int[np.ndarray, " k"]:
    """Numbers of points that represent all of them.

    Parameters
    ----------
    x
        Points of the region (strains, Mandel), each as often as its weight says.
    count
        How many are wanted.
    group
        The rotations on Mandel components.
    given
        Points that are there anyway.
    apart
        Smallest distance of two points chosen, and to those given.

    Returns
    -------
    In the order of their gain; fewer than ``count`` where so many that differ cannot be found.

    Examples
    --------
    >>> import numpy as np
    >>> line = np.zeros((6, 6)); line[:, 0] = [-1.1, -1.0, -0.9, 0.8, 1.0, 1.3]
    >>> sorted(representative(line, 2, np.eye(6)[None]).tolist())
    [1, 4]
    """
    d2 = squared_distances(x, x, group)
    nearest = np.full(len(x), np.inf)
    if given is not None and len(given):
        nearest = squared_distances(x, given, group).min(axis=1)
    free = nearest > apart**2
    chosen = _greedy(d2, nearest, free, count, apart)
    return _moved(d2, nearest, free, chosen, apart)


def squared_distances(
    x: Float[np.ndarray, "n 6"], y: Float[np.ndarray, "m 6"], group: Float[np.ndarray, "g 6 6"]
) -> Float[np.ndarray, "n m"]:
    """Squares of the distances of strains modulo a group.

    Parameters
    ----------
    x, y
        Strains, Mandel.
    group
        The rotations on Mandel components.

    Returns
    -------
    array (n, m)
    """
    found = np.empty((len(x), len(y)))
    for start in range(0, len(y), CHUNK):
        part = y[start : start + CHUNK]
        images = np.einsum("gij,nj->ngi", group, part).reshape(-1, 6)
        products = (x @ images.T).reshape(len(x), len(part), len(group)).max(axis=2)  # an image has the norm of its strain
        found[:, start : start + CHUNK] = (x**2).sum(1)[:, None] + (part**2).sum(1) - 2 * products
    return np.maximum(found, 0.0)


def _greedy(d2: np.ndarray, nearest: np.ndarray, free: Bool[np.ndarray, " n"], count: int, apart: float) -> Int[np.ndarray, " k"]:
    """One after the other with the largest drop of the mean square distance."""
    chosen: list[int] = []
    free = free.copy()
    for _ in range(count):
        if not free.any():
            break
        nothing_yet = not np.isfinite(nearest).all()
        gain = -d2.sum(axis=0) if nothing_yet else np.maximum(nearest[:, None] - d2, 0.0).sum(axis=0)
        best = int(np.where(free, gain, -np.inf).argmax())
        chosen.append(best)
        nearest = np.minimum(nearest, d2[:, best])
        free &= d2[:, best] > apart**2
    return np.array(chosen, dtype=np.int64)


def _moved(
    d2: np.ndarray, given: np.ndarray, free: Bool[np.ndarray, " n"], chosen: Int[np.ndarray, " k"], apart: float
) -> Int[np.ndarray, " k"]:
    """Each point moved to the middle of the points nearest to it, as long as no two come too near to each other."""
    chosen = chosen.copy()
    for _ in range(SWEEPS):
        own = d2[:, chosen].argmin(axis=1)
        near = d2[:, chosen].min(axis=1) < given
        for k in range(len(chosen)):
            members = near & (own == k)
            if not members.any():
                continue
            others = np.delete(chosen, k)
            allowed = free & members & (d2[:, others] > apart**2).all(axis=1)
            if allowed.any():
                chosen[k] = int(np.where(allowed, d2[members].sum(axis=0), np.inf).argmin())
    return chosen
