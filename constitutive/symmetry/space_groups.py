"""Names of the 230 space groups in the spellings that files use, and the point groups that they imply."""

from __future__ import annotations

import re
from functools import cache

import numpy as np
import spglib

from constitutive.errors import SymmetryError
from constitutive.symmetry.backend import call, look_up

HALL_NUMBERS = range(1, 531)
_NUMBER = re.compile(r"(?:space\s*group|it|no\.?|nr\.?|sg|#)\s*(\d{1,3})", re.IGNORECASE)


@cache
def hall_number(space_group_number: int) -> int:
    """Hall number of spglib's default setting of a space group (1–230).

    Parameters
    ----------
    space_group_number : int
        1 to 230.

    Returns
    -------
    int
        1 to 530.

    Raises
    ------
    SymmetryError
        There is no such space group.
    """
    settings = _first_settings()
    if space_group_number not in settings:
        raise SymmetryError(f"there is no space group {space_group_number}: their numbers run from 1 to 230")
    return settings[space_group_number]


@cache
def _first_settings() -> dict[int, int]:
    first: dict[int, int] = {}
    for number in HALL_NUMBERS:
        first.setdefault(int(look_up(spglib.get_spacegroup_type, number).number), number)
    return first


def _compact(name: str) -> str:
    return re.sub(r"[\s_'\"]", "", name).replace("−", "-").casefold()


@cache
def _settings_by_name() -> dict[str, int]:
    """Hall number of the first setting that has a name."""
    names: dict[str, int] = {}
    for hall in HALL_NUMBERS:
        entry = look_up(spglib.get_spacegroup_type, hall)
        spellings = [entry.international_short, entry.international_full, *str(entry.international).split("=")]
        spellings += [_without_ones(entry.international_full), _abbreviated(entry.international_full), entry.schoenflies]
        for spelling in spellings:
            names.setdefault(_compact(spelling), hall)
    return names


def _without_ones(full: str) -> str:
    """``P 1 2_1/c 1`` as ``P 2_1/c``."""
    lattice, *positions = full.split()
    return " ".join([lattice, *(p for p in positions if p != "1")]) if positions != ["1"] else full


def _abbreviated(full: str) -> str:
    """``P 2_1/b 2_1/n 2_1/m`` as ``P b n m``, ``F 4_1/d -3 2/m`` as ``F d -3 m``."""
    lattice, *positions = full.split()
    return " ".join([lattice, *(p.split("/")[-1] for p in positions)]) if len(positions) == 3 else full


def _setting(name: str | int) -> int | None:
    """Hall number behind a name or number of a space group."""
    text = str(name).strip()
    match = _NUMBER.fullmatch(text)
    digits = match[1] if match else text
    if digits.isdigit():
        return _first_settings().get(int(digits))
    plain = re.sub(r"(?<=\S)\s+[SZ]$|\s+[HR]$|\s*:.*$|\s*\(.*\)$", "", text)
    names = _settings_by_name()
    compact = _compact(plain)
    old_cubic = re.sub(r"^([pfi](?:[mnadci]|2/[a-z]|4_?\d?/[a-z]))3", r"\1-3", compact)  # Fm3m of older files
    return names.get(compact) or names.get(old_cubic)


def space_group_number(name: str | int) -> int | None:
    """Number of a space group in the International Tables, from one of its names.

    Parameters
    ----------
    name : str or int
        Hermann–Mauguin symbol, short or full, of any setting in spglib's database, blanks and underscores as one likes
        ("Fd-3m", "F d -3 m", "P 1 21/c 1", "Pbnm", "Fd3m", "R -3 m :H"), Schoenflies ("Oh^7"), or a number from 1 to 230.

    Returns
    -------
    int or None
        None where the name is not known.

    Examples
    --------
    >>> space_group_number("F d -3 m"), space_group_number("P 1 21/c 1"), space_group_number("Oh^5"), space_group_number("Pxyz")
    (227, 14, 225, None)
    """
    hall = _setting(name)
    return None if hall is None else int(look_up(spglib.get_spacegroup_type, hall).number)


def point_group_positions(name: str | int) -> tuple[str, ...] | None:
    """Positions of the point-group symbol of a space group, in the axes of its setting: ("1", "1", "2/m") for P 1 1 2/b.

    Screw axes become rotations, glide planes mirrors. None where the name is not known.

    Parameters
    ----------
    name : str or int
        Symbol in any usual spelling, or number.

    Returns
    -------
    tuple of str, or None
    """
    hall = _setting(name)
    if hall is None:
        return None
    _, *positions = str(look_up(spglib.get_spacegroup_type, hall).international_full).split()
    return tuple("/".join(re.sub(r"^[abcden]$", "m", part.split("_")[0]) for part in position.split("/")) for position in positions)


def number_of_operations(rotations: np.ndarray, translations: np.ndarray, lattice: np.ndarray) -> int | None:
    """Number of the space group that some operations make up, in fractions of a cell; None where they are no space group.

    Parameters
    ----------
    rotations : array (n, 3, 3)
    translations : array (n, 3)
    lattice : array (3, 3)
        Cell vectors in rows (Å).

    Returns
    -------
    int or None
        1 to 230.
    """
    exact = _lattice_of(rotations, lattice)
    found, _ = call(
        spglib.get_spacegroup_type_from_symmetry,
        np.asarray(np.round(rotations), dtype=np.intc),
        np.asarray(translations, dtype=float),
        lattice=exact,
        symprec=1e-3,
    )
    return int(found.number) if found is not None else None


def _lattice_of(rotations: np.ndarray, lattice: np.ndarray) -> np.ndarray:
    """The lattice (rows) nearest to a given one whose metric the rotations keep."""
    metric = allowed_metric(rotations, lattice)
    return np.linalg.cholesky(metric)


def allowed_metric(rotations: np.ndarray, lattice: np.ndarray) -> np.ndarray:
    """Mean over rotations (fractions of a cell) of the metric of a lattice: that of the nearest cell which they allow, Å².

    Parameters
    ----------
    rotations : array (n, 3, 3)
    lattice : array (3, 3)
        Cell vectors in rows (Å).

    Returns
    -------
    array (3, 3)
        Scalar products of the cell vectors, Å².
    """
    metric = lattice @ lattice.T
    return np.asarray(np.mean([W.T @ metric @ W for W in rotations], axis=0))
