r"""Bond moments: numbers that distinguish frames between which lattice and point group do not decide.

For a crystal seen in a frame, the moments of degree n are means over its atoms i and their neighbours j, u being the unit vector of
the bond,

.. math::
    M_{ab\dots} = \frac1W \sum_i \sum_j Z_i^{p} Z_j f(r_{ij})\, u_a u_b \dots,
    \qquad f(r) = (1 - r^2/r_c^2)^3, \quad r_c = 3 (V/N)^{1/3}

with W the sum of the weights, p = 1 for even degrees and p = 2 for odd ones (with p = 1 the two ends of a bond cancel). They
depend on neither the choice of cell nor the origin, and a turned crystal in a frame turned with it has the same ones. Where they
all vanish, as the odd ones do in crystals of one species, the mean cube of each atom's own moment decides.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations_with_replacement

import numpy as np
from jaxtyping import Float, Int

from constitutive.symmetry.neighbours import neighbour_pairs
from constitutive.symmetry.structures import Cell

HARMONIC_DEGREES = (4, 6, 2, 3, 1, 5)
CUBED_DEGREES = (2, 4, 1, 3)
DIFFERENT = 1e-5  # moments are between −1 and 1; what differs by less does not decide
_REACH = 3.0


@dataclass(frozen=True)
class Bonds:
    """Bonds of a crystal out to a cutoff.

    Attributes
    ----------
    centre : (m,)
        Which atom each bond starts from.
    direction : (m, 3)
        Unit vectors in the structure's Cartesian frame.
    even, odd : (m,)
        Weights of the bonds for even and odd degrees.
    atoms : int
        Number of atoms that bonds start from.
    """

    centre: np.ndarray
    direction: Float[np.ndarray, "m 3"]
    even: Float[np.ndarray, " m"]
    odd: Float[np.ndarray, " m"]
    atoms: int


def find_bonds(cell: Cell, centres: Int[np.ndarray, " k"] | None = None) -> Bonds:
    """Bonds from some atoms to all their neighbours within the cutoff.

    Parameters
    ----------
    cell : Cell
    centres : (k,), optional
        Indices of the atoms; all atoms unless given.

    Returns
    -------
    Bonds
    """
    centres = np.arange(len(cell.positions)) if centres is None else centres
    cutoff = _REACH * (cell.volume / len(cell.positions)) ** (1 / 3)
    pairs = neighbour_pairs(cell.lattice, cell.positions, cutoff, centres=centres)
    squared = (pairs.vector**2).sum(axis=1)
    own = cell.weights[pairs.first]
    weight = (1 - squared / cutoff**2) ** 3 * cell.weights[pairs.second] * own
    row = np.searchsorted(centres, pairs.first)  # the centres are sorted
    return Bonds(row, pairs.vector / np.sqrt(squared)[:, None], weight, weight * own, len(centres))


def _indices(degree: int) -> list[tuple[int, ...]]:
    """Different components of a symmetric tensor in the order xxxx, xxxy, xxxz, xxyy."""
    return list(combinations_with_replacement(range(3), degree))


def _turn(tensors: np.ndarray, R: np.ndarray, degree: int) -> np.ndarray:
    flat = tensors.reshape(-1, 3**degree)
    for _ in range(degree):
        flat = (flat.reshape(-1, 3 ** (degree - 1), 3) @ R.T).swapaxes(1, 2).reshape(-1, 3**degree)
    return flat.reshape(tensors.shape)


def atom_moments(bonds: Bonds, degree: int) -> Float[np.ndarray, "atoms ..."]:
    """Moment tensors of each atom, divided by the sum of all weights.

    Parameters
    ----------
    bonds : Bonds
    degree : int
        Number of direction cosines in each product.

    Returns
    -------
    array (atoms, 3, …, 3)
        Dimensionless, Cartesian.
    """
    weight = bonds.odd if degree % 2 else bonds.even
    place = {index: k for k, index in enumerate(_indices(degree))}
    columns = np.zeros((bonds.atoms, len(place)))
    for index, k in place.items():
        term = weight * np.prod(bonds.direction[:, list(index)], axis=1)
        columns[:, k] = np.bincount(bonds.centre, term, bonds.atoms) / weight.sum()
    every = [place[tuple(sorted(index))] for index in np.ndindex(*(3,) * degree)]
    return columns[:, every].reshape(bonds.atoms, *(3,) * degree)


def _linear_features(bonds: Bonds, frames: list[np.ndarray], operations: np.ndarray, degree: int) -> np.ndarray:
    tensor = atom_moments(bonds, degree).sum(axis=0)
    tensor = np.mean([_turn(tensor, g, degree) for g in operations], axis=0)  # noise must not distinguish equal frames
    chosen = tuple(np.array(_indices(degree)).T)
    return np.stack([_turn(tensor, frame, degree)[chosen] for frame in frames])


def _cubed_features(bonds: Bonds, frames: list[np.ndarray], operations: np.ndarray, degree: int) -> np.ndarray:
    tensors = atom_moments(bonds, degree) * bonds.atoms
    chosen = np.array(_indices(degree)).T
    rows = []
    for frame in frames:
        images = [(_turn(tensors, frame @ g, degree)[:, *chosen] ** 3).mean(axis=0) for g in operations]
        rows.append(np.mean(images, axis=0))
    return np.stack(rows)


def best_frames(bonds: Bonds, frames: list[np.ndarray], operations: Float[np.ndarray, "n 3 3"]) -> list[int]:
    """The frames in which the bonds have the smallest even and the largest odd moments.

    Degrees 4, 6, 2, 3, 1, 5, then the cubes are compared, component after component (xxxx, xxxy, … for even degrees; zzz, yzz, …
    for odd ones); the first that differs decides. So C14 of quartz comes out positive in either hand, as in IEEE Std 176-1978,
    and the z axis of wurtzite runs from the heavier atom to its lighter neighbour along it, as from Ga to N. More than one frame
    is left only where the point group makes them equal.

    Parameters
    ----------
    bonds : Bonds
    frames : list of array (3, 3)
        Rows are the axes, in the components of the bonds.
    operations : array (n, 3, 3)
        Of the point group, over which moments are averaged.

    Returns
    -------
    list of int
        Positions in ``frames``.
    """
    left = np.arange(len(frames))
    stages = [(_linear_features, degree) for degree in HARMONIC_DEGREES] + [(_cubed_features, degree) for degree in CUBED_DEGREES]
    for features, degree in stages:
        if len(left) == 1:
            break
        table = features(bonds, [frames[k] for k in left], operations, degree)
        table = table[:, ::-1] if degree % 2 else -table
        for column in range(table.shape[1]):
            keep = table[:, column] > table[:, column].max() - DIFFERENT
            table, left = table[keep], left[keep]
    return left.tolist()
