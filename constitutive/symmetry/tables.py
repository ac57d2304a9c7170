"""The 32 crystallographic point groups: names, families and standard axes.

Symbols, Laue classes and the directions behind each position of a Hermann–Mauguin symbol follow the International Tables for
Crystallography A (2016), tables 2.1.3.1, 3.2.1.4 and 10.1 of the older edition. Standard axes are Cartesian: z along c, x along a;
monoclinic groups have their axis along y (= b), the three-fold and six-fold ones take hexagonal axes with the second
position of the symbol along a (32 = 321, 3m = 3m1, -3m = -3m1).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

X, Y, Z = (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)
XY, XYZ = (1.0, 1.0, 0.0), (1.0, 1.0, 1.0)

SYSTEMS = ("triclinic", "monoclinic", "orthorhombic", "tetragonal", "trigonal", "hexagonal", "cubic")
LAUE_CLASSES = ("-1", "2/m", "mmm", "4/m", "4/mmm", "-3", "-3m", "6/m", "6/mmm", "m-3", "m-3m")


@dataclass(frozen=True)
class GroupEntry:
    """One line of the table of point groups.

    Attributes
    ----------
    symbol, full, schoenflies : str
        Short and full Hermann–Mauguin symbol, Schoenflies symbol.
    laue, system : str
        Laue class and crystal system.
    order : int
        Number of operations.
    parts : tuple of (label, direction)
        The positions of the symbol: an element (``"4/m"``, ``"-3"``, ``"m"``) and its standard Cartesian direction.
    """

    symbol: str
    full: str
    schoenflies: str
    laue: str
    system: str
    order: int
    parts: tuple[tuple[str, tuple[float, float, float]], ...]


def _entry(line: str, *directions: tuple[float, float, float]) -> GroupEntry:
    symbol, full, schoenflies, laue, system, order = (field.strip() for field in line.split("|"))
    parts = tuple(zip(full.split(), directions, strict=True))
    return GroupEntry(symbol, full, schoenflies, laue, system, int(order), parts)


_ENTRIES = (
    _entry("1    | 1           | C1  | -1    | triclinic    | 1 ", Z),
    _entry("-1   | -1          | Ci  | -1    | triclinic    | 2 ", Z),
    _entry("2    | 2           | C2  | 2/m   | monoclinic   | 2 ", Y),
    _entry("m    | m           | Cs  | 2/m   | monoclinic   | 2 ", Y),
    _entry("2/m  | 2/m         | C2h | 2/m   | monoclinic   | 4 ", Y),
    _entry("222  | 2 2 2       | D2  | mmm   | orthorhombic | 4 ", X, Y, Z),
    _entry("mm2  | m m 2       | C2v | mmm   | orthorhombic | 4 ", X, Y, Z),
    _entry("mmm  | 2/m 2/m 2/m | D2h | mmm   | orthorhombic | 8 ", X, Y, Z),
    _entry("4    | 4           | C4  | 4/m   | tetragonal   | 4 ", Z),
    _entry("-4   | -4          | S4  | 4/m   | tetragonal   | 4 ", Z),
    _entry("4/m  | 4/m         | C4h | 4/m   | tetragonal   | 8 ", Z),
    _entry("422  | 4 2 2       | D4  | 4/mmm | tetragonal   | 8 ", Z, X, XY),
    _entry("4mm  | 4 m m       | C4v | 4/mmm | tetragonal   | 8 ", Z, X, XY),
    _entry("-42m | -4 2 m      | D2d | 4/mmm | tetragonal   | 8 ", Z, X, XY),
    _entry("4/mmm| 4/m 2/m 2/m | D4h | 4/mmm | tetragonal   | 16", Z, X, XY),
    _entry("3    | 3           | C3  | -3    | trigonal     | 3 ", Z),
    _entry("-3   | -3          | S6  | -3    | trigonal     | 6 ", Z),
    _entry("32   | 3 2         | D3  | -3m   | trigonal     | 6 ", Z, X),
    _entry("3m   | 3 m         | C3v | -3m   | trigonal     | 6 ", Z, X),
    _entry("-3m  | -3 2/m      | D3d | -3m   | trigonal     | 12", Z, X),
    _entry("6    | 6           | C6  | 6/m   | hexagonal    | 6 ", Z),
    _entry("-6   | -6          | C3h | 6/m   | hexagonal    | 6 ", Z),
    _entry("6/m  | 6/m         | C6h | 6/m   | hexagonal    | 12", Z),
    _entry("622  | 6 2 2       | D6  | 6/mmm | hexagonal    | 12", Z, X, Y),
    _entry("6mm  | 6 m m       | C6v | 6/mmm | hexagonal    | 12", Z, X, Y),
    _entry("-6m2 | -6 m 2      | D3h | 6/mmm | hexagonal    | 12", Z, X, Y),
    _entry("6/mmm| 6/m 2/m 2/m | D6h | 6/mmm | hexagonal    | 24", Z, X, Y),
    _entry("23   | 2 3         | T   | m-3   | cubic        | 12", Z, XYZ),
    _entry("m-3  | 2/m -3      | Th  | m-3   | cubic        | 24", Z, XYZ),
    _entry("432  | 4 3 2       | O   | m-3m  | cubic        | 24", Z, XYZ, XY),
    _entry("-43m | -4 3 m      | Td  | m-3m  | cubic        | 24", Z, XYZ, XY),
    _entry("m-3m | 4/m -3 2/m  | Oh  | m-3m  | cubic        | 48", Z, XYZ, XY),
)

_POSITIONS = re.compile(r"(-?[1246](?:/m)?|m)" * 3)


def positions_of(symbol: str) -> tuple[str, ...] | None:
    """Positions of a monoclinic or orthorhombic symbol in another setting ("2mm", "112/m"); None for other text.

    Parameters
    ----------
    symbol : str

    Returns
    -------
    tuple of str, or None
    """
    match = _POSITIONS.fullmatch(symbol.replace(" ", "").replace("_", ""))
    return None if match is None else match.groups()


def directions_of(positions: tuple[str, ...]) -> tuple[tuple[float, float, float], ...]:
    """Cartesian directions of the positions of a Hermann–Mauguin symbol, in standard axes (International Tables A, 2.1.3.1).

    Parameters
    ----------
    positions : tuple of str
        Parts of the symbol: ("4/m", "m", "m").

    Returns
    -------
    tuple of (x, y, z)
    """
    if len(positions) == 1 and positions[0] in ("2", "m", "2/m"):
        return (Y,)
    if len(positions) > 1 and positions[1].strip("-") == "3":
        return (Z, XYZ, XY)[: len(positions)]
    if positions[0][-1:] in "346" or positions[0][:1] in "46" or positions[0][1:2] in ("4", "6"):
        return (Z, X, XY if "4" in positions[0] else Y)[: len(positions)]
    return (X, Y, Z) if len(positions) == 3 else (Z,)


POINT_GROUPS: dict[str, GroupEntry] = {entry.symbol: entry for entry in _ENTRIES}
SYMBOLS = tuple(POINT_GROUPS)

# Limiting (Curie) groups. A law is made invariant under a finite set of rotations, so a finite group stands for the continuous one:
# 13-fold for ∞/mm, with which every polynomial energy up to degree 6 in the strain is exactly transversely isotropic (degree d holds
# harmonics up to 2d about the axis, the first that a 13-fold axis lets pass is the 13th); the icosahedral group for ∞∞m, with which
# constants of second order are exactly isotropic, while from degree 3 on one harmonic of order 6 and more is left to the data.
LIMIT_GROUPS: dict[str, GroupEntry] = {
    "isotropic": GroupEntry("isotropic", "∞/m ∞/m", "Kh", "isotropic", "isotropic", 120, ()),
    "transversely_isotropic": GroupEntry(
        "transversely_isotropic", "∞/m 2/m", "D∞h", "transversely_isotropic", "transversely isotropic", 52, ()
    ),
}
TRANSVERSE_FOLD = 13
_LIMIT_NAMES = {"isotropic": "isotropic", "∞∞m": "isotropic", "kh": "isotropic"} | dict.fromkeys(
    ("transverselyisotropic", "transversely-isotropic", "∞/mm", "d∞h", "dinfh"), "transversely_isotropic"
)


def entry_of(symbol: str) -> GroupEntry:
    """Line of the table of a point group or a limiting group, by its symbol.

    Parameters
    ----------
    symbol : str
        Short Hermann–Mauguin symbol, or the name of a limiting group.

    Returns
    -------
    GroupEntry
    """
    return POINT_GROUPS[symbol] if symbol in POINT_GROUPS else LIMIT_GROUPS[symbol]


# other names of the same groups: the symbol and the turn about z (degrees) from the standard axes to the setting named
ALTERNATIVES: dict[str, tuple[str, float]] = {
    "-4m2": ("-42m", 45.0),
    "-62m": ("-6m2", 30.0),
    "312": ("32", 30.0),
    "31m": ("3m", 30.0),
    "-31m": ("-3m", 30.0),
    "321": ("32", 0.0),
    "3m1": ("3m", 0.0),
    "-3m1": ("-3m", 0.0),
    "m3": ("m-3", 0.0),
    "m3m": ("m-3m", 0.0),
    "C1h": ("m", 0.0),
    "C3i": ("-3", 0.0),
    "V": ("222", 0.0),
    "Vh": ("mmm", 0.0),
    "Vd": ("-42m", 0.0),
    "S2": ("-1", 0.0),
}


def lookup(symbol: str) -> tuple[GroupEntry, float] | None:
    """Entry and turn about z (degrees) of a point-group symbol in any usual spelling, or None.

    Short and full Hermann–Mauguin, Schoenflies, the second settings (-4m2, -62m, 312, 31m, -31m), overlined digits and the limiting
    groups are known.

    Parameters
    ----------
    symbol : str

    Returns
    -------
    (GroupEntry, float), or None
    """
    for overline in ("\u0304", "\u0305"):
        while overline in symbol:
            at = symbol.index(overline)
            symbol = symbol[: at - 1] + "-" + symbol[at - 1] + symbol[at + 1 :]
    compact = symbol.replace(" ", "").replace("_", "").replace("−", "-")
    if compact.lower() in _LIMIT_NAMES:
        return LIMIT_GROUPS[_LIMIT_NAMES[compact.lower()]], 0.0
    for entry in _ENTRIES:
        if compact in (entry.symbol, entry.full.replace(" ", "")) or compact.lower() == entry.schoenflies.lower():
            return entry, 0.0
    name = compact if compact in ALTERNATIVES else compact.capitalize()
    if name not in ALTERNATIVES:
        return None
    base, turn = ALTERNATIVES[name]
    return POINT_GROUPS[base], turn
