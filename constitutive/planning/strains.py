"""Which strains a plan holds: mixtures for a law, pairs of opposite strains for elastic constants."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from constitutive.errors import DataError
from constitutive.fitting import PolynomialBasis
from constitutive.planning.optimal_design import d_optimal, distinct
from constitutive.planning.regions import Ball, Region
from constitutive.tensors.packing import mandel_matrix

POOL = 1024  # candidates of the D-optimal choice
SMALL_SHARE, SMALL_SIZE = 0.1, 0.15  # of the strains, and of the region's size: they fix the constants of second order
UNIFORM_SHARE = 0.5  # of the others; the rest is D-optimal
APART = 0.02  # of the region's size: closer strains, up to symmetry, count as one
DEGREES = (2, 3, 4, 5)  # of the series whose coefficients the D-optimal strains determine
PAIR_CANDIDATES = 256  # directions among which pairs are chosen
DETERMINED = {2: 0.1, 3: 0.2}  # smallest singular value of the design, relative to the largest, from which on constants count as determined
AMPLITUDES = {2: (1.0,), 3: (1.0, 0.5)}  # of the pairs, in units of the size: two separate the fifth order from the third


def strains_for_law(rotations: Float[np.ndarray, "g 3 3"], count: int, region: Region, seed: int) -> Float[np.ndarray, "count 6"]:
    """Strains for a law in a region: the reference, a few small ones, then half uniform in volume and half D-optimal.

    Parameters
    ----------
    rotations
        The group.
    count
        Number of strains, at least 4.
    region
        Where they lie.
    seed
        Of the low-discrepancy points.

    Returns
    -------
    Green–Lagrange strains, Mandel; the first is zero, and no two are equal up to symmetry.

    Raises
    ------
    DataError
        Fewer than 4 strains are asked for, or the region holds too few different ones.
    """
    if count < 4:
        raise DataError(f"plan: found {count} strains asked for; needed at least 4 for a law")
    small = max(2, round(SMALL_SHARE * count))
    uniform = round(UNIFORM_SHARE * (count - 1 - small))
    size = region.size
    group = np.asarray(mandel_matrix(rotations))
    near = region.draw(4 * small, seed + 1)
    near *= (SMALL_SIZE * size / np.maximum(np.linalg.norm(near, axis=1), 1e-12))[:, None]
    far = region.draw(2 * uniform + POOL, seed)
    fixed = np.concatenate([np.zeros((1, 6)), near[distinct(near, group, APART * SMALL_SIZE * size)][:small]])
    chosen = np.concatenate([fixed, far[: 2 * uniform]])
    chosen = chosen[distinct(chosen, group, APART * SMALL_SIZE * size)]
    chosen = chosen[: len(fixed) + uniform]
    pool = far[2 * uniform :]
    basis = PolynomialBasis(rotations, DEGREES, size)
    ranked = pool[d_optimal(basis(pool), min(2 * count, len(pool)), given=basis(chosen))]
    found = np.concatenate([chosen, ranked])
    found = found[distinct(found, group, APART * SMALL_SIZE * size)]
    if len(found) < count:
        raise DataError(f"plan: found {len(found)} different strains in the region; needed {count}; ask for fewer or widen the region")
    return found[:count]


def strains_for_constants(
    rotations: Float[np.ndarray, "g 3 3"], order: int, size: float, seed: int, *, count: int | None = None
) -> Float[np.ndarray, "n 6"]:
    """The reference, and as few pairs ±E as determine the elastic constants of an order.

    The difference of a pair's stresses holds the even orders of the constants, the sum the odd ones. Constants of third order are taken at
    two sizes, so that those of fifth order can be told apart.

    Parameters
    ----------
    rotations
        The group.
    order
        2 or 3.
    size
        Largest |E|.
    seed
        Of the directions.
    count
        Largest number of strains beside the reference; by default as few as suffice.

    Raises
    ------
    DataError
        The order is neither, or the strains allowed do not determine the constants.
    """
    if order not in AMPLITUDES:
        raise DataError(f"plan: found order {order} of the constants; needed 2 or 3")
    amplitudes = AMPLITUDES[order]
    runs = 2 * len(amplitudes)
    directions = np.concatenate([_simple_directions(), Ball(1e-1).draw(PAIR_CANDIDATES, seed)])
    directions *= (size / np.linalg.norm(directions, axis=1))[:, None]
    design = [PolynomialBasis(rotations, (d,), size)(directions) for d in range(2, order + 1)]
    most = len(directions) if count is None else count // runs
    for pairs in range(1, most + 1):
        chosen = _best_pairs(design, pairs, DETERMINED[order])
        if count is None and chosen is not None:
            break
    else:
        chosen = _best_pairs(design, most, DETERMINED[order]) if most else None
    if chosen is None:
        raise DataError(f"plan: found that {count} strains do not determine the constants of order {order}; needed more (-n)")
    E = directions[chosen]
    return np.concatenate([np.zeros((1, 6)), *(sign * part * E for part in amplitudes for sign in (1.0, -1.0))])


def _best_pairs(design: list[np.ndarray], pairs: int, least: float) -> np.ndarray | None:
    """Directions that determine the coefficients of each degree apart, or None where so many do not."""
    columns = np.concatenate(design, axis=2)
    starts = range(len(columns)) if pairs == 1 else (None,)
    best, value = None, 0.0
    for start in starts:
        chosen = d_optimal(columns, pairs, ridge=1e-6) if start is None else np.array([start])
        worst = min(_conditioning(part[chosen]) for part in design)
        if worst > value:
            best, value = chosen, worst
    return best if value > least else None


def _conditioning(rows: np.ndarray) -> float:
    s = np.linalg.svd(rows.reshape(-1, rows.shape[2]), compute_uv=False)
    return float(s[-1] / s[0]) if len(s) == rows.shape[2] and s[0] > 0 else 0.0


def _simple_directions() -> np.ndarray:
    """Single components, and sums of two of them."""
    unit = np.eye(6)
    pairs = [unit[i] + sign * unit[j] for i in range(6) for j in range(i + 1, 6) for sign in (1.0, -1.0)]
    return np.concatenate([unit, np.array(pairs)])
