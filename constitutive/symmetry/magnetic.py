"""Magnetic point groups: operations with and without time reversal, from a structure with moments or by symbol.

A magnetic point group is colourless (no operation reverses time), grey (each operation occurs with and without; symbol G1′), or
black-white (half of the operations reverse time). There are 32 + 32 + 58 = 122 (Birss, *Symmetry and Magnetism*, 1966, table 5).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import spglib
from jaxtyping import Bool, Float

from constitutive.errors import SymmetryError
from constitutive.symmetry import operations as ops
from constitutive.symmetry.backend import call, look_up
from constitutive.symmetry.detection import DEFAULT_SYMPREC
from constitutive.symmetry.group import PointGroup
from constitutive.symmetry.operations import Numbers
from constitutive.symmetry.standard_subgroups import normaliser
from constitutive.symmetry.structures import AnyStructure, Cell, read_cell
from constitutive.symmetry.tables import SYMBOLS

SAME_MOMENT = 1e-2  # Bohr magnetons


@dataclass(frozen=True, eq=False)
class MagneticPointGroup:
    """A magnetic point group in a Cartesian frame; tensors take it like a :class:`PointGroup`.

    Attributes
    ----------
    symbol : str
        Hermann–Mauguin symbol with primes on what reverses time: ``"4/mm'm'"``; ``"m-3m1'"`` for a grey group.
    kind : str
        "colourless", "grey" or "black-white".
    operations : (n, 3, 3)
        Orthogonal matrices; a grey group lists each twice.
    time_reversal : (n,)
        Which of them reverse time.
    point_group : PointGroup
        The group with time reversal forgotten: what is seen by tensors that are even in time.
    unprimed : PointGroup
        The subgroup that does not reverse time.
    """

    symbol: str
    kind: str
    operations: Float[np.ndarray, "n 3 3"]
    time_reversal: Bool[np.ndarray, " n"]
    point_group: PointGroup
    unprimed: PointGroup

    @property
    def order(self) -> int:
        """Number of operations, those with time reversal counted as others."""
        return len(self.operations)

    @classmethod
    def from_groups(cls, point_group: PointGroup, unprimed: PointGroup, *, grey: bool = False) -> MagneticPointGroup:
        """Magnetic group of a point group and its subgroup that does not reverse time.

        Parameters
        ----------
        point_group : PointGroup
            All operations, time reversal disregarded.
        unprimed : PointGroup
            Operations that do not reverse time: the same group, or a subgroup of index 2, in the same frame.
        grey : bool
            Time reversal itself is an operation (paramagnets, and antiferromagnets with a translation that reverses the moments).

        Returns
        -------
        MagneticPointGroup

        Raises
        ------
        SymmetryError
            The subgroup has another index than 1 or 2.
        """
        if not unprimed.is_subgroup_of(point_group) or point_group.order // unprimed.order not in (1, 2):
            raise SymmetryError(f"{unprimed.symbol} is no subgroup of index 1 or 2 of {point_group.symbol} as they are oriented")
        operations, plain = point_group.operations, ops.index_of(unprimed.operations, point_group.operations) >= 0
        if grey:
            if point_group.order != unprimed.order:
                raise SymmetryError("a grey group has each operation with and without time reversal: give the same group twice")
            doubled = np.concatenate([operations, operations])
            reverses = np.repeat([False, True], len(operations))
            return cls(point_group.symbol + "1'", "grey", doubled, reverses, point_group, unprimed)
        kind = "colourless" if plain.all() else "black-white"
        return cls(_symbol(point_group, unprimed), kind, operations, ~plain, point_group, unprimed)

    def rotated(self, R: Float[np.ndarray, "3 3"]) -> MagneticPointGroup:
        """Group of the crystal after a rigid rotation R, moments turned with it.

        Parameters
        ----------
        R : array (3, 3)
            Proper rotation, Cartesian.

        Returns
        -------
        MagneticPointGroup
        """
        return self.from_groups(self.point_group.rotated(R), self.unprimed.rotated(R), grey=self.kind == "grey")

    def __repr__(self) -> str:
        return f"MagneticPointGroup({self.symbol!r}, {self.kind}, order {self.order})"


def black_white_groups(symbol: str) -> tuple[MagneticPointGroup, ...]:
    """The black-white groups of a point group in its standard axes, one of each symbol.

    Parameters
    ----------
    symbol : str
        Of one of the 32 point groups.

    Returns
    -------
    tuple of MagneticPointGroup
    """
    group = PointGroup.from_symbol(symbol)
    halves = [sub for sub in group.subgroups() if 2 * sub.order == group.order]
    found: dict[str, MagneticPointGroup] = {}
    for half in halves:
        magnetic = MagneticPointGroup.from_groups(group, half)
        found.setdefault(magnetic.symbol, magnetic)
    return tuple(found.values())


def all_magnetic_groups() -> tuple[MagneticPointGroup, ...]:
    """The 122 magnetic point groups in standard axes: colourless, grey, black-white.

    Returns
    -------
    tuple of MagneticPointGroup
        32 colourless, 32 grey and 58 black-white groups.
    """
    plain = [PointGroup.from_symbol(symbol) for symbol in SYMBOLS]
    colourless = [MagneticPointGroup.from_groups(g, g) for g in plain]
    grey = [MagneticPointGroup.from_groups(g, g, grey=True) for g in plain]
    return (*colourless, *grey, *(m for symbol in SYMBOLS for m in black_white_groups(symbol)))


def _symbol(group: PointGroup, unprimed: PointGroup) -> str:
    """Symbol with primes; of the equivalent choices of axes the one that the tables prefer."""
    if unprimed.order == group.order:
        return group.symbol
    choices = []
    for Q in normaliser(group.symbol):
        primes = tuple(tuple(_is_primed(unprimed, group.frame @ Q, m) for m in matrices) for _, matrices in _short_parts(group))
        choices.append(primes)
    ordered = sorted(set(choices))
    chosen = ordered[-1] if group.crystal_system == "orthorhombic" else ordered[0]
    return "".join(_primed(name, primes) for (name, _), primes in zip(_short_parts(group), chosen, strict=True))


def _is_primed(unprimed: PointGroup, turn: np.ndarray, matrix: np.ndarray) -> bool:
    return not ops.contains(unprimed.operations, turn @ matrix @ turn.T)


def _short_parts(group: PointGroup) -> list[tuple[str, list[np.ndarray]]]:
    """Positions of the short symbol and their generating matrices: "2/m" is "m" there, but in 2/m itself, and "4/m" in m-3m."""
    parts = []
    for name, direction in group.entry.parts:
        long = (name == "2/m" and group.symbol != "2/m") or (name == "4/m" and group.symbol == "m-3m")
        short = "m" if long else name
        parts.append((short, ops.element_matrices(short, direction)))
    return parts


def _primed(name: str, primes: tuple[bool, ...]) -> str:
    return "/".join(part + ("'" if prime else "") for part, prime in zip(name.split("/"), primes, strict=True))


def find_magnetic_group(
    x: AnyStructure, symprec: float = DEFAULT_SYMPREC, *, moments: Numbers | None = None, disorder: str = "refuse"
) -> MagneticPointGroup:
    """Magnetic point group of a structure with moments, in its Cartesian frame.

    Parameters
    ----------
    x : pymatgen Structure, ASE Atoms, or path of a structure file
    symprec : float
        Tolerance on positions in Å.
    moments : (n, 3) or (n,), optional
        Moments in Bohr magnetons, Cartesian; numbers mean moments along z. Without them those of the structure are used: the site
        property magmom (pymatgen) or the initial magnetic moments (ASE).
    disorder : {"refuse", "species"}

    Returns
    -------
    MagneticPointGroup

    Raises
    ------
    SymmetryError
        There are no moments, or spglib finds no magnetic symmetry.
    """
    cell = read_cell(x, disorder=disorder)
    vectors = _vectors(cell, moments)
    dataset = _magnetic_dataset(*_primitive(cell, vectors, symprec), symprec)
    standard_to_given = ops.nearest_orthogonal(np.asarray(dataset.std_rotation_matrix, dtype=float)).T
    columns = np.asarray(dataset.std_lattice, dtype=float).T
    database = look_up(spglib.get_magnetic_symmetry_from_database, int(dataset.uni_number), int(dataset.hall_number))
    fractional, reverses = np.asarray(database["rotations"]), np.asarray(database["time_reversals"], dtype=bool)
    operations = standard_to_given @ columns @ fractional @ np.linalg.inv(columns) @ standard_to_given.T
    whole = PointGroup.from_operations(ops.distinct(operations))
    unprimed = PointGroup.from_operations(ops.distinct(operations[~reverses]))
    grey = bool(reverses.any()) and unprimed.order == whole.order
    return MagneticPointGroup.from_groups(whole, unprimed, grey=grey)


def _vectors(cell: Cell, moments: Numbers | None) -> np.ndarray:
    given = cell.magnetic_moments if moments is None else np.asarray(moments, dtype=float)
    if given is None:
        raise SymmetryError(
            "the structure carries no magnetic moments: give moments=…, the site property magmom (pymatgen), or initial ones (ASE)"
        )
    if given.shape == (len(cell.positions),):
        given = np.stack([np.zeros_like(given), np.zeros_like(given), given], axis=1)
    if given.shape != (len(cell.positions), 3) or not np.isfinite(given).all():
        raise SymmetryError(f"moments of shape {given.shape} found; finite ones for {len(cell.positions)} sites are needed")
    return given


def _primitive(cell: Cell, moments: np.ndarray, symprec: float) -> tuple[tuple[np.ndarray, ...], np.ndarray]:
    """Magnetic primitive cell in the same frame: of a supercell spglib gives only the operations that map it to itself."""
    labelled = np.column_stack([cell.kinds, moments])
    same = (np.abs(labelled[:, None] - labelled[None]) < SAME_MOMENT).all(axis=2)
    first = same.argmax(axis=1)
    labelled_cell = (cell.lattice, cell.positions, first + 1)
    reduced, _ = call(spglib.standardize_cell, labelled_cell, to_primitive=True, no_idealize=True, symprec=symprec)
    if reduced is None:
        return cell.spglib, moments
    lattice, positions, labels = reduced
    return (lattice, positions, cell.kinds[labels - 1]), moments[labels - 1]


@runtime_checkable
class _MagneticDataset(Protocol):
    uni_number: int
    hall_number: int
    std_rotation_matrix: np.ndarray
    std_lattice: np.ndarray


def _magnetic_dataset(cell: tuple[np.ndarray, ...], moments: np.ndarray, symprec: float) -> _MagneticDataset:
    dataset, reason = call(spglib.get_magnetic_symmetry_dataset, (*cell, moments), is_axial=True, symprec=symprec)
    if dataset is None:
        raise SymmetryError(f"no magnetic symmetry found at symprec {symprec:g} Å (spglib: {reason}): try another symprec")
    return dataset
