"""The symmetry that a CIF states (symbol, number, operations), and where it contradicts itself, its cell or its atoms."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import spglib

from constitutive.symmetry.backend import look_up
from constitutive.symmetry.space_groups import allowed_metric, hall_number, number_of_operations, space_group_number
from constitutive.symmetry.tables import POINT_GROUPS, lookup

_SYMBOLS = ("_space_group_name_h-m_alt", "_symmetry_space_group_name_h-m", "_space_group_name_h-m", "_symmetry_space_group_name_h_m")
_NUMBERS = ("_space_group_it_number", "_symmetry_int_tables_number")
_SAME_LENGTH = 1e-3  # relative: cells are written with four digits and more
_SAME_ANGLE = 0.05  # degrees


@dataclass(frozen=True)
class StatedSymmetry:
    """The symmetry that a file states.

    Attributes
    ----------
    symbol : str
        Hermann–Mauguin symbol as it stands in the file; empty where there is none.
    number : int or None
        Number of the space group, from the file or from the symbol.
    listed_number : int or None
        Number of the space group that the listed operations make up.
    contradictions : tuple of str
        Where the file contradicts itself.
    """

    symbol: str
    number: int | None
    listed_number: int | None
    contradictions: tuple[str, ...]

    @property
    def name(self) -> str:
        """Symbol and number, as the messages give them."""
        if self.symbol:
            return f"{self.symbol} (No. {self.number})" if self.number else self.symbol
        return space_group_name(self.number) if self.number else "no space group"


def space_group_name(number: int) -> str:
    """Short symbol and number of a space group: ``"Fd-3m (No. 227)"``.

    Parameters
    ----------
    number : int
        1 to 230.

    Returns
    -------
    str
    """
    return f"{_entry(number)[0]} (No. {number})"


def _entry(number: int) -> tuple[str, str]:
    """Short symbol of a space group, and of its point group."""
    entry = look_up(spglib.get_spacegroup_type, hall_number(number))
    point_group = lookup(str(entry.pointgroup_international))
    return str(entry.international_short), point_group[0].symbol if point_group else str(entry.pointgroup_international)


def _first(block: Mapping[str, object], keys: tuple[str, ...]) -> str:
    lowered = {key.lower().rstrip("_"): value for key, value in block.items()}
    found = [str(lowered[key]).strip().strip("'\"") for key in keys if key in lowered]
    return next((text for text in found if text not in ("", "?", ".")), "")


def stated_symmetry(
    block: Mapping[str, object], rotations: np.ndarray, translations: np.ndarray, lattice: np.ndarray
) -> StatedSymmetry | None:
    """Symmetry stated by a block of a CIF; None where it states none.

    Parameters
    ----------
    block : mapping
        Values of the block by their names.
    rotations, translations : (n, 3, 3), (n, 3)
        The operations that the file lists, in fractions of its cell.
    lattice : (3, 3)
        Rows are the cell vectors, Å.

    Returns
    -------
    StatedSymmetry or None
    """
    symbol, written = _first(block, _SYMBOLS), _first(block, _NUMBERS)
    by_symbol = space_group_number(symbol) if symbol else None
    by_number = int(written) if written.isdigit() and 1 <= int(written) <= 230 else None
    number = by_symbol or by_number
    if number is None and len(rotations) <= 1:
        return None
    listed = number_of_operations(rotations, translations, lattice)
    notes = []
    if by_symbol and by_number and by_symbol != by_number:
        notes.append(f"the file states {symbol}, which is No. {by_symbol}, and the number {by_number}, {_entry(by_number)[0]}")
    notes += _against_operations(symbol, number, listed, len(rotations))
    notes += _against_cell(symbol, number or listed, rotations, lattice)
    return StatedSymmetry(symbol, number, listed, tuple(notes))


def _against_operations(symbol: str, number: int | None, listed: int | None, count: int) -> list[str]:
    if number is None or listed == number:
        return []
    name = f"{symbol or _entry(number)[0]} (No. {number})"
    if listed is None:
        return [f"the file states {name}, but the {count} operations that it lists are no space group: some are wrong or missing"]
    text = f"the file states {name}, but the {count} operations that it lists are those of {space_group_name(listed)}"
    wanted, found = _entry(number)[0][0], _entry(listed)[0][0]
    if wanted != found:
        text += f", with the lattice {found} instead of the stated centring {wanted}: atoms are missing or doubled"
    return [text + "; the atoms are those that the listed operations make"]


def _against_cell(symbol: str, number: int | None, rotations: np.ndarray, lattice: np.ndarray) -> list[str]:
    """Edges and angles of the cell that the operations make equal or right, and that are not."""
    given, exact = lattice @ lattice.T, allowed_metric(rotations, lattice)
    lengths, ideal = np.sqrt(np.diag(given)), np.sqrt(np.diag(exact))
    pairs = ((1, 2, "alpha"), (0, 2, "beta"), (0, 1, "gamma"))
    angles = [_angle(given, i, j) for i, j, _ in pairs]
    wanted = [_angle(exact, i, j) for i, j, _ in pairs]
    off = [f"{x} = {lengths[k]:.4f} Å" for k, x in enumerate("abc") if abs(lengths[k] / ideal[k] - 1) > _SAME_LENGTH / 2]
    off += [f"{pairs[k][2]} = {angles[k]:.3f}°" for k in range(3) if abs(angles[k] - wanted[k]) > _SAME_ANGLE]
    if not off:
        return []
    name = symbol or (space_group_name(number) if number else "the stated operations")
    return [f"the cell has {', '.join(off)}, which {name} does not allow: a cell parameter is mistyped, or the symmetry is lower"]


def _angle(metric: np.ndarray, i: int, j: int) -> float:
    return float(np.degrees(np.arccos(np.clip(metric[i, j] / np.sqrt(metric[i, i] * metric[j, j]), -1, 1))))


def disagreement(stated: StatedSymmetry, number: int, point_group: str, symprec: float) -> str:
    """A sentence where the space group found in the atoms is another one than the file states; empty where they agree.

    Parameters
    ----------
    stated : StatedSymmetry
    number : int
        Number of the space group found.
    point_group : str
        Symbol of the point group found.
    symprec : float
        Tolerance at which it was found, Å.

    Returns
    -------
    str
    """
    wanted = stated.number or stated.listed_number
    if wanted is None or wanted == number or wanted == 1:  # a file in P1 lists all atoms and states nothing
        return ""
    expected = _entry(wanted)[1]
    head = f"the file states {stated.name}, point group {expected}; the atoms have {space_group_name(number)}, point group {point_group}"
    if POINT_GROUPS[point_group].order > POINT_GROUPS[expected].order:
        return f"{head}, at symprec {symprec:g} Å: a higher symmetry, which a smaller --symprec may remove"
    if POINT_GROUPS[point_group].order < POINT_GROUPS[expected].order:
        return f"{head}, at symprec {symprec:g} Å: a law has more constants then; check cell and coordinates"
    return f"{head}, at symprec {symprec:g} Å"
