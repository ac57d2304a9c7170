"""Which strains a plan holds: an even spread for a law, pairs of opposite strains for elastic constants."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from constitutive.errors import DataError
from constitutive.fitting import PolynomialBasis
from constitutive.planning.optimal_design import d_optimal, distinct
from constitutive.planning.regions import Ball, Region
from constitutive.planning.representative import representative
from constitutive.tensors.packing import mandel_matrix

SMALL, SMALL_SIZE = 2, 0.15  # strains near the reference, and their size over the region's: they fix the constants of second order
POOL, POINTS_EACH = 1024, 4  # points that represent the region, and at least so many for each strain
MOST_REPRESENTED = 300  # strains; more are points of the low-discrepancy sequence itself
APART = 0.02 * SMALL_SIZE  # of the region's size: closer strains, up to symmetry, count as one
MOST_PAIRS = 120  # of directions, where no number is stated
PAIR_CANDIDATES = 256  # directions among which pairs are chosen
DETERMINED = 0.1  # smallest singular value of the design, relative to the largest, from which on constants count as determined
RESOLVED = 1e-3  # the same for the next higher degree, whose coefficients are fitted along
AMPLITUDES = {2: (1.0,), 3: (1.0, 0.5)}  # of the pairs, in units of the size: two separate the fifth order from the third


def strains_for_law(rotations: Float[np.ndarray, "g 3 3"], count: int, region: Region, seed: int) -> Float[np.ndarray, "count 6"]:
    """Strains for a law in a region: the reference, two small ones, and strains spread evenly through its volume modulo the group.

    Most of a volume of six dimensions is near its edge, and so are most of these strains. In a ball they reach to the edge, as a law
    extrapolates beyond its samples.

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
    size, rest = region.size, count - 1 - SMALL
    group = np.asarray(mandel_matrix(rotations))
    near = region.draw(8 * SMALL, seed + 1)
    near *= (SMALL_SIZE * size / np.maximum(np.linalg.norm(near, axis=1), 1e-12))[:, None]
    fixed = np.concatenate([np.zeros((1, 6)), near[distinct(near, group, APART * size)][:SMALL]])
    if rest <= MOST_REPRESENTED:
        points = region.draw(max(POOL, POINTS_EACH * rest), seed)
        far = points[representative(points, rest, group, given=fixed, apart=APART * size)]
        far = region.filled(far) if isinstance(region, Ball) else far
    else:
        points = np.concatenate([fixed, region.draw(2 * rest, seed)])
        far = points[distinct(points, group, APART * size)][len(fixed) :]
    found = np.concatenate([fixed, far])
    if len(found) < count:
        raise DataError(f"plan: found {len(found)} different strains in the region; needed {count}; ask for fewer or widen the region")
    return found[:count]


def strains_for_constants(
    rotations: Float[np.ndarray, "g 3 3"], order: int, size: float, seed: int, *, count: int | None = None
) -> Float[np.ndarray, "n 6"]:
    """The reference, and as few pairs ±E as determine the elastic constants of an order.

    The difference of a pair's stresses holds the even orders of the constants, the sum the odd ones. Constants of third order are taken at
    two sizes, so that those of fifth order can be distinguished.

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
    most = MOST_PAIRS if count is None else count // runs
    numbers = range(1, most + 1) if count is None else range(most, most + 1)
    pairs = _Pairs(rotations, order, directions)
    chosen = next((best for number in numbers if number and (best := pairs.best(number)) is not None), None)
    if chosen is None:
        asked = f"{most * runs + 1} strains" if count is None else f"{count + 1} strains (-n), the reference included,"
        raise DataError(f"plan: found that {asked} do not determine the constants of order {order}; needed more, or no number")
    E = directions[chosen]
    return np.concatenate([np.zeros((1, 6)), *(sign * part * E for part in amplitudes for sign in (1.0, -1.0))])


class _Pairs:
    """Directions whose pairs of opposite strains determine the constants of an order.

    The difference of a pair's stresses holds the even degrees of the energy, the sum the odd ones: they are determined apart, each with
    the next higher degree of its kind beside it where there are two sizes.
    """

    def __init__(self, rotations: np.ndarray, order: int, directions: np.ndarray):
        degrees, unit = range(2, order + 1), directions / np.linalg.norm(directions[0])
        self.own = [PolynomialBasis(rotations, (d,), 1.0)(unit) for d in degrees]
        self.next = [PolynomialBasis(rotations, (d + 2,), 1.0)(unit) for d in degrees]
        self.amplitudes = AMPLITUDES[order]

    def best(self, number: int) -> np.ndarray | None:
        """So many directions, or None where they do not determine the coefficients."""
        columns = np.concatenate(self.own, axis=2)
        starts = [np.array([k]) for k in range(len(columns))] if number == 1 else [d_optimal(columns, number, ridge=1e-6)]
        worst = [min(self._conditioning(k, chosen) for k in range(len(self.own))) for chosen in starts]
        best = int(np.argmax(worst))
        return starts[best] if worst[best] > DETERMINED else None

    def _conditioning(self, kind: int, chosen: np.ndarray) -> float:
        """Smallest singular value relative to the largest, of what the next higher degree cannot imitate; 0 where that is open itself."""
        own = self._rows(self.own[kind][chosen], kind + 1)
        if len(self.amplitudes) > 1:
            higher = self._rows(self.next[kind][chosen], kind + 3)
            if _ratio(higher) < RESOLVED:
                return 0.0
            own = own - higher @ np.linalg.lstsq(higher, own, rcond=1e-10)[0]
        return _ratio(own)

    def _rows(self, columns: np.ndarray, power: int) -> np.ndarray:
        """Stresses at all sizes: those of degree d grow as the strain's power d − 1."""
        return np.concatenate([columns.reshape(-1, columns.shape[2]) * size**power for size in self.amplitudes])


def _ratio(rows: np.ndarray) -> float:
    s = np.linalg.svd(rows, compute_uv=False)
    return float(s[-1] / s[0]) if len(s) == rows.shape[1] and s[0] > 1e-9 else 0.0


def _simple_directions() -> np.ndarray:
    """Single components, and sums of two of them."""
    unit = np.eye(6)
    pairs = [unit[i] + sign * unit[j] for i in range(6) for j in range(i + 1, 6) for sign in (1.0, -1.0)]
    return np.concatenate([unit, np.array(pairs)])
