"""In how many directions a structure is periodic: bulk, slab or layer, wire or chain, molecule.

Atoms are joined where they are nearer than the sum of their van der Waals radii (Alvarez, *Dalton Trans.* 42 (2013) 8617) and 2 Å. The
periodicity of a joined part is the rank of the lattice vectors that its closed paths add up to (Larsen et al., *Phys. Rev. Materials*
3 (2019) 034003, whose bonds are covalent; the wider distance here joins the layers of graphite and the molecules of ice, and leaves
open only gaps that no force crosses). A structure of lower periodicity has vacuum in its cell: its stress, being per volume of the
cell, depends on the vacuum.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from constitutive.errors import SymmetryError
from constitutive.symmetry.neighbours import Pairs, neighbour_pairs
from constitutive.symmetry.structures import AnyStructure, atom_arrays

GAP = 2.0  # Å beyond the sum of the van der Waals radii
_UNKNOWN_RADIUS = 2.4  # Å, for elements without a tabulated one
NAMES = ("molecule", "wire", "slab", "bulk crystal")


@dataclass(frozen=True)
class Periodicity:
    """Directions in which a structure is periodic, and the vacuum across the others.

    Attributes
    ----------
    dimension : int
        3 bulk crystal, 2 slab or layer, 1 wire or chain, 0 molecules.
    periodic_directions : (dimension, 3)
        Orthonormal Cartesian vectors that span the periodic directions.
    vacuum_directions : (3 − dimension, 3)
        Orthonormal Cartesian vectors across them: the normal of a slab.
    vacuum : tuple of float
        Widest gap without atoms along each vacuum direction, Å; infinite where the cell is not repeated.
    """

    dimension: int
    periodic_directions: Float[np.ndarray, "k 3"]
    vacuum_directions: Float[np.ndarray, "v 3"]
    vacuum: tuple[float, ...]

    @property
    def is_bulk(self) -> bool:
        """Whether the structure is a crystal in three dimensions."""
        return self.dimension == 3

    @property
    def name(self) -> str:
        """One of "bulk crystal", "slab", "wire" and "molecule"."""
        return NAMES[self.dimension]

    @property
    def sentence(self) -> str:
        """What was found, and what follows for stresses."""
        if self.is_bulk:
            return "a bulk crystal, periodic in three directions"
        widths = " and ".join("open space" if np.isinf(gap) else f"{gap:.1f} Å of vacuum" for gap in self.vacuum)
        across = ", ".join("[" + " ".join(f"{x + 0.0:.3g}" for x in np.round(axis, 3)) + "]" for axis in self.vacuum_directions)
        kind = {2: "a slab or layer, periodic in two directions", 1: "a wire or chain, periodic in one direction", 0: "separate molecules"}
        return (
            f"{kind[self.dimension]}, with {widths} along {across}: stresses per volume of the cell depend on the vacuum, "
            "and constants of a bulk crystal don't describe it"
        )


def periodicity(x: AnyStructure) -> Periodicity:
    """Whether a structure is a bulk crystal, a slab, a wire or a molecule.

    Parameters
    ----------
    x : Cell, pymatgen Structure, ASE Atoms, or path of a structure file
        Atoms may have pbc set along some cell vectors only.

    Returns
    -------
    Periodicity

    Raises
    ------
    SymmetryError
        The structure cannot be read, or has no atoms.

    Examples
    --------
    >>> from ase.build import bulk, fcc111
    >>> periodicity(bulk("Cu")).dimension
    3
    >>> slab = periodicity(fcc111("Cu", size=(1, 1, 3), vacuum=8.0))
    >>> slab.name, slab.vacuum_directions.round(3).tolist()
    ('slab', [[0.0, 0.0, 1.0]])
    """
    lattice, positions, numbers, periodic = atom_arrays(x)
    if not len(positions):
        raise SymmetryError("the structure has no atoms: one at least is needed")
    radii = _radii(numbers)
    pairs = neighbour_pairs(lattice, positions, 2 * float(radii.max()) + GAP, periodic=periodic)
    joined = (pairs.vector**2).sum(axis=1) < (radii[pairs.first] + radii[pairs.second] + GAP) ** 2
    pairs = Pairs(*(column[joined] for column in pairs))
    vectors = _periods(pairs, len(positions)) @ lattice
    along = _span(vectors)
    across = _complement(along, lattice)
    gaps = tuple(_gap(positions, lattice[list(periodic)], lattice, normal) for normal in across)
    return Periodicity(len(along), along, across, gaps)


def _radii(numbers: np.ndarray) -> np.ndarray:
    from ase.data.vdw_alvarez import vdw_radii  # deferred: ASE is read only where it is needed

    known = np.nan_to_num(np.asarray(vdw_radii, dtype=float), nan=_UNKNOWN_RADIUS)
    return np.array([known[n] if 0 < n < len(known) else _UNKNOWN_RADIUS for n in numbers])


def _periods(pairs: Pairs, atoms: int) -> np.ndarray:
    """Lattice vectors (integers) by which closed paths through joined atoms lead on, of the part with the largest rank."""
    from scipy.sparse import coo_matrix  # deferred: SciPy's sparse matrices take 0.2 s to import
    from scipy.sparse.csgraph import connected_components

    if not len(pairs.first):
        return np.zeros((0, 3))
    graph = coo_matrix((np.ones(len(pairs.first)), (pairs.first, pairs.second)), shape=(atoms, atoms)).tocsr()
    _, part = connected_components(graph, directed=False)
    cell = _cell_of_each_atom(pairs, atoms)
    loops = cell[pairs.first] + pairs.shift - cell[pairs.second]
    ranked = [(np.linalg.matrix_rank(own), own) for own in _by_part(loops, part[pairs.first])]
    return max(ranked, key=lambda pair: pair[0])[1]


def _by_part(loops: np.ndarray, part: np.ndarray) -> list[np.ndarray]:
    return [np.unique(loops[part == k], axis=0) for k in np.unique(part)]


def _cell_of_each_atom(pairs: Pairs, atoms: int) -> np.ndarray:
    """Cell of each atom when its part is unrolled from one of its atoms, layer of neighbours after layer."""
    cell, seen = np.zeros((atoms, 3), dtype=int), np.zeros(atoms, dtype=bool)
    while not seen.all():
        seen[np.flatnonzero(~seen)[0]] = True
        while True:
            step = np.flatnonzero(seen[pairs.first] & ~seen[pairs.second])
            if not len(step):
                break
            reached, at = np.unique(pairs.second[step], return_index=True)
            cell[reached] = cell[pairs.first[step[at]]] + pairs.shift[step[at]]
            seen[reached] = True
    return cell


def _span(vectors: np.ndarray) -> np.ndarray:
    """Orthonormal rows that span some vectors."""
    if not np.any(vectors):
        return np.zeros((0, 3))
    _, sizes, rows = np.linalg.svd(vectors, full_matrices=False)
    return _tidy(rows[sizes > 1e-6 * sizes[0]])


def _complement(along: np.ndarray, lattice: np.ndarray) -> np.ndarray:
    """Orthonormal rows across the periodic directions: near the cell vectors where a choice is open."""
    rest = np.eye(3) - along.T @ along
    chosen: list[np.ndarray] = []
    for vector in [*lattice, *np.eye(3)]:
        left = rest @ vector
        for done in chosen:
            left = left - (left @ done) * done
        if len(chosen) < 3 - len(along) and np.linalg.norm(left) > 1e-3 * np.linalg.norm(vector):
            chosen.append(left / np.linalg.norm(left))
    return _tidy(np.array(chosen).reshape(-1, 3))


def _tidy(rows: np.ndarray) -> np.ndarray:
    """Rows with their largest component positive, zeros without rounding."""
    signs = np.sign(rows[np.arange(len(rows)), np.abs(rows).argmax(axis=1)])
    tidy = rows * signs[:, None]
    tidy[np.abs(tidy) < 1e-12] = 0.0
    return tidy


def _gap(positions: np.ndarray, repeats: np.ndarray, lattice: np.ndarray, normal: np.ndarray) -> float:
    """Widest gap between atoms along a direction across the periodic ones, Å; infinite where nothing repeats along it."""
    steps = np.abs(repeats @ normal)
    steps = steps[steps > 1e-6]
    if not len(steps):
        return float("inf")
    heights = np.sort((positions @ lattice @ normal) % steps.min())
    return float(np.diff(np.append(heights, heights[0] + steps.min())).max())
