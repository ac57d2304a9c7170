"""Generated crystals: one of any space group for tests and benchmarks, and a few well-known ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import spglib

from constitutive.errors import SymmetryError
from constitutive.symmetry.backend import look_up
from constitutive.symmetry.group import PointGroup
from constitutive.symmetry.space_groups import hall_number
from constitutive.symmetry.structures import Cell

if TYPE_CHECKING:
    from pymatgen.core import Structure

_VOLUME_PER_ATOM = 16.0  # Å³


@dataclass(frozen=True)
class RandomCrystal:
    """A crystal of a chosen space group with the operations that it was built from.

    Attributes
    ----------
    cell : Cell
        Primitive cell, its Cartesian frame that of the conventional one (a along x, b in the xy plane).
    point_group : PointGroup
        Built from the space group's operations, not found in the atoms.
    space_group_number : int
    """

    cell: Cell
    point_group: PointGroup
    space_group_number: int


def _random_lattice(system: str, rng: np.random.Generator) -> np.ndarray:
    """Rows of a conventional cell whose free lengths and angles are random, at least 8 % from accidental equality."""
    ratios = [1.0, rng.uniform(1.12, 1.28), rng.uniform(1.42, 1.6)]
    a, b, c = rng.permutation(ratios)
    alpha, beta, gamma = rng.uniform(70, 80), rng.uniform(98, 110), rng.uniform(82, 87)
    if system != "triclinic":
        alpha, gamma = 90.0, 90.0
    if system not in ("triclinic", "monoclinic"):
        beta = 90.0
    if system in ("tetragonal", "trigonal", "hexagonal", "cubic"):
        b = a
    if system in ("trigonal", "hexagonal"):
        gamma = 120.0
    if system == "cubic":
        c = a
    cosines, sine = np.cos(np.radians([alpha, beta, gamma])), np.sin(np.radians(gamma))
    third = np.array([cosines[1], (cosines[0] - cosines[1] * cosines[2]) / sine])
    top = np.sqrt(1 - third @ third)
    return np.array([[a, 0, 0], [b * cosines[2], b * sine, 0], [*(c * third), c * top]])


def _orbit(rotations: np.ndarray, translations: np.ndarray, point: np.ndarray) -> np.ndarray:
    images = (rotations @ point + translations) % 1.0
    separation = images[:, None] - images[None]
    same = np.abs(separation - np.round(separation)).max(axis=2) < 1e-6
    return images[same.argmax(axis=1) == np.arange(len(images))]


def _clearance(lattice: np.ndarray, rotations: np.ndarray, translations: np.ndarray, points: np.ndarray) -> float:
    """Smallest distance from one of the points to any other atom."""
    images = np.concatenate([rotations @ point + translations for point in points])
    shift = points[:, None] - images[None]
    distance = np.linalg.norm((shift - np.round(shift)) @ lattice, axis=-1)
    own = np.repeat(np.eye(len(points), dtype=bool), len(rotations), axis=1)
    is_self = own & (np.arange(len(images)) % len(rotations) == 0)[None]  # the identity comes first
    return float(np.where(is_self, np.inf, distance).min())


def _primitive(lattice: np.ndarray, rotations: np.ndarray, translations: np.ndarray) -> np.ndarray:
    """Primitive vectors (rows, fractional) of the lattice with the centring translations among the operations."""
    centring = translations[(rotations == np.eye(3, dtype=int)).all(axis=(1, 2))]
    candidates = np.concatenate([np.eye(3), centring[np.abs(centring).max(axis=1) > 0], centring - 1, centring - [1, 0, 0]])
    candidates = np.concatenate([candidates, centring - [0, 1, 0], centring - [0, 0, 1]])
    candidates = candidates[np.abs(candidates).max(axis=1) > 1e-9]
    candidates = candidates[np.argsort(np.linalg.norm(candidates @ lattice, axis=1), kind="stable")]
    best: list[np.ndarray] = []
    for vector in candidates:
        trial = np.array([*best, vector])
        if np.linalg.matrix_rank(trial) == len(trial):
            best.append(vector)
        if len(best) == 3:
            break
    basis = np.array(best)
    wanted = 1.0 / len(centring)
    if not np.isclose(abs(np.linalg.det(basis)), wanted):
        basis = _smallest_basis(candidates, wanted)
    return basis if np.linalg.det(basis) > 0 else -basis


def _smallest_basis(candidates: np.ndarray, volume: float) -> np.ndarray:
    for i in range(len(candidates)):
        for j in range(i):
            for k in range(j):
                trial = candidates[[i, j, k]]
                if np.isclose(abs(np.linalg.det(trial)), volume):
                    return trial
    raise SymmetryError("no primitive cell found: the centring translations are incomplete")


def random_crystal(space_group_number: int, seed: int = 0, *, species: int = 2) -> RandomCrystal:
    """A crystal of a space group: general positions of random points in a random lattice of the right metric.

    Parameters
    ----------
    space_group_number : int
        1–230.
    seed : int
        Another seed is another crystal.
    species : int
        Number of species, each on one general position; P1 takes a third.

    Returns
    -------
    RandomCrystal
        The cell (Å), its point group in the same frame, and the number of its space group.

    Raises
    ------
    SymmetryError
        There is no such space group.
    """
    hall = hall_number(space_group_number)
    database = look_up(spglib.get_symmetry_from_database, hall)
    rotations, translations = database["rotations"], database["translations"]
    name = str(look_up(spglib.get_spacegroup_type, hall).pointgroup_international)
    rng = np.random.default_rng([space_group_number, seed])
    group = PointGroup.from_symbol(name)
    lattice = _random_lattice(group.crystal_system, rng)
    species = max(species, 3) if space_group_number == 1 else species
    lattice *= (len(rotations) * species * _VOLUME_PER_ATOM / np.linalg.det(lattice)) ** (1 / 3)
    trials = [rng.random((species, 3)) for _ in range(30)]
    points = max(trials, key=lambda trial: _clearance(lattice, rotations, translations, trial))
    orbits = [_orbit(rotations, translations, point) for point in points]
    basis = _primitive(lattice, rotations, translations)
    positions, kinds = [], []
    for kind, orbit in enumerate(orbits, start=1):
        reduced = _unique((orbit @ np.linalg.inv(basis)) % 1.0)
        positions.append(reduced)
        kinds += [kind] * len(reduced)
    columns = lattice.T
    operations = columns @ np.unique(rotations, axis=0) @ np.linalg.inv(columns)
    numbers = np.array(kinds, dtype=np.int32)
    weights = np.array([14.0, 8.0, 13.0])[numbers - 1]
    cell = Cell(basis @ lattice, np.concatenate(positions), numbers, ("Si", "O", "Al")[:species], weights)
    return RandomCrystal(cell, PointGroup.from_operations(operations), space_group_number)


def _unique(positions: np.ndarray) -> np.ndarray:
    separation = positions[:, None] - positions[None]
    same = np.abs(separation - np.round(separation)).max(axis=2) < 1e-6
    return positions[same.argmax(axis=1) == np.arange(len(positions))]


def quartz(hand: str = "right") -> Structure:
    """Low quartz at room temperature: P3₂21 for the right hand, P3₁21 for the left.

    Kihara, Eur. J. Mineral. 2 (1990) 63, at 298 K: a = 4.9137 Å, c = 5.4047 Å, Si (0.4697, 0, 0), O (0.4133, 0.2672, 0.1188)
    with the origin of P3₂21 shifted by c/3. Right is the dextrorotatory hand (Glazer & Stadnicka, J. Appl. Cryst. 19 (1986) 108).

    Parameters
    ----------
    hand : {"right", "left"}

    Returns
    -------
    pymatgen Structure
        Conventional hexagonal cell, c along z (Å).

    Raises
    ------
    SymmetryError
        Another hand.
    """
    from pymatgen.core import Lattice, Structure

    if hand not in ("right", "left"):
        raise SymmetryError(f"hand {hand!r} is unknown; 'right' or 'left' are needed")
    right = Structure.from_spacegroup(
        "P3_221", Lattice.hexagonal(4.9137, 5.4047), ["Si", "O"], [[0.4697, 0.0, 2 / 3], [0.4133, 0.2672, 0.1188 + 2 / 3]]
    )
    if hand == "right":
        return right
    return Structure(right.lattice, right.species, -right.frac_coords)
