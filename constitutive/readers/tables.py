"""Tables with named columns: CSV, and NumPy's ``.npz`` and ``.npy`` with named fields (never pickles).

Columns: ``F11`` or ``Fxx`` ... ``F33``, or six strains ``e_xx`` ... ``g_xy`` with their measure; one stress as
``sigma_xx``/``cauchy_xx``/``s_xx`` (Cauchy), ``P_xx`` (first Piola-Kirchhoff, nine) or ``S2_xx`` (second); ``W``. A unit stands in
brackets after a name, ``sigma_xx [kbar]``, or is given by --unit.
"""

from __future__ import annotations

import re
import zipfile
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from jaxtyping import Float

from constitutive.data import StressStrainData
from constitutive.data.corrections import Corrections
from constitutive.data.storage import require_file
from constitutive.errors import DataError
from constitutive.readers.frames import Fields
from constitutive.readers.guard import MAX_BYTES, parsing, read_whole_text
from constitutive.readers.reading import Reading
from constitutive.readers.strain_tables import stretch_of
from constitutive.readers.stress_numbers import tensor
from constitutive.readers.table_text import split_table
from constitutive.symmetry.structures import AnyStructure

_AXES = {"1": "x", "2": "y", "3": "z", "x": "x", "y": "y", "z": "z"}
_STEMS = {
    "f": "F",
    "sigma": "cauchy",
    "cauchy": "cauchy",
    "s": "cauchy",
    "stress": "cauchy",
    "p": "first_piola_kirchhoff",
    "pk1": "first_piola_kirchhoff",
    "s2": "second_piola_kirchhoff",
    "pk2": "second_piola_kirchhoff",
    "e": "strain",
    "eps": "strain",
    "epsilon": "strain",
    "strain": "strain",
    "h": "strain",
    "g": "gamma",
    "gamma": "gamma",
}
_VOIGT = {"1": "xx", "2": "yy", "3": "zz", "4": "yz", "5": "xz", "6": "xy"}
_NAME = re.compile(r"^([A-Za-z]+?\d?)_?([123xyz])([123xyz])$")
_NUMBERED = re.compile(r"^([A-Za-z]+)_?([1-6])$")
_SYMMETRIC = ("cauchy", "second_piola_kirchhoff", "strain")
_STRESSES = ("cauchy", "first_piola_kirchhoff", "second_piola_kirchhoff")
Column = np.ndarray
Place = tuple[int, int]


@dataclass
class Table:
    """Columns of a table by the tensor and component that they are."""

    parts: dict[str, dict[Place, Column]] = field(default_factory=dict)
    units: dict[str, None] = field(default_factory=dict)
    energy_unit: str | None = None
    percent: bool = False
    others: Fields = field(default_factory=dict)


def read_csv(path: Path, reading: Reading, structure: AnyStructure | None = None) -> StressStrainData:
    """A table with a line of titles; lines that begin with # are comments.

    Raises
    ------
    DataError
        A column is missing, unknown in part, or not numeric; a line has too few entries; a unit, strain measure or kind of shear is
        not given.
    """
    text = read_whole_text(path, "CSV", reading.assume)
    with parsing(path, "CSV"):
        titles, rows = split_table(text, str(path))
        columns = {name: _column(path, name, [row[k] for row in rows]) for k, name in enumerate(titles)}
        return _from_columns(path, columns, reading, structure)


def _column(path: Path, name: str, entries: list[str]) -> Column:
    try:
        return np.array([entry.replace("D", "E").replace("d", "e") for entry in entries], dtype=np.float64)
    except ValueError as error:
        if _component(name) is None and name.partition("[")[0].strip() != "W":
            return np.array(entries)  # a note beside the numbers
        raise DataError(f"{path}: column {name}: {error}; needed numbers; is the file cut off or damaged?") from error


def read_numpy(path: Path, reading: Reading, structure: AnyStructure | None = None) -> StressStrainData:
    """A ``.npz`` with arrays F, one stress, W (or one array per column), or a ``.npy`` with named fields.

    Raises
    ------
    DataError
        The file holds pickled objects, unknown names, or no unit.
    """
    require_file(path, MAX_BYTES)
    with parsing(path, "NumPy file"):
        columns = _arrays(path)
        stated = str(columns.pop("unit")) if "unit" in columns else None
        whole: Fields = {k: v for k, v in columns.items() if k in ("F", "W", *_STRESSES) and v.ndim in (1, 2, 3)}
        if "F" not in whole:
            table = {k: v.astype(np.float64) for k, v in columns.items()}
            return _from_columns(path, table, reading, structure, stated)
        for name in _STRESSES:
            if name in whole and columns[name].ndim == 2:
                order = reading.options.order
                whole[name] = np.stack([tensor(row, order, f"{path}: {name} {k}", name) for k, row in enumerate(columns[name])])
        if reading.options.strain is not None:
            raise DataError(f"{path}: found F and --strain {reading.options.strain}; needed one of them; leave --strain out")
        return _build(path, whole, reading, structure, stated, None)


def _arrays(path: Path) -> dict[str, Column]:
    if path.suffix.lower() == ".npz":
        with zipfile.ZipFile(path) as archive:
            if sum(entry.file_size for entry in archive.infolist()) > 4 * MAX_BYTES:
                raise DataError(f"{path}: found more than {4 * MAX_BYTES / 2**20:.0f} MiB when unpacked; needed less; use HDF5")
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    array = np.load(path, allow_pickle=False)
    if array.dtype.names is None:
        raise DataError(f"{path}: found an array without named fields; needed names (F11, ..., sigma_xx, ..., W), or a .npz")
    return {name: array[name] for name in array.dtype.names}


def _component(label: str) -> tuple[str, Place] | None:
    """Tensor and component of a column by its title; None for another column."""
    name = label.partition("[")[0].partition("(")[0].strip()
    match = _NAME.match(name)
    if match and match.group(1).lower() in _STEMS:
        i, j = ("xyz".index(_AXES[axis]) for axis in match.groups()[1:])
        return _STEMS[match.group(1).lower()], (i, j)
    numbered = _NUMBERED.match(name)
    if numbered and _STEMS.get(numbered.group(1).lower()) in ("cauchy", "strain", "gamma"):
        i, j = ("xyz".index(axis) for axis in _VOIGT[numbered.group(2)])
        return _STEMS[numbered.group(1).lower()], (i, j)
    return None


def _sorted_columns(columns: dict[str, Column]) -> Table:
    table = Table()
    for label, values in columns.items():
        name, _, bracket = label.partition("[")
        name, stated = name.strip(), bracket.rstrip("] ").strip()
        component = _component(label)
        if component is not None:
            kind, place = component
            table.parts.setdefault(kind, {})[place] = values
            if stated and kind in _STRESSES:
                table.units.setdefault(stated)
            table.percent |= stated == "%" and kind in ("strain", "gamma")
        elif name == "W":
            table.others["W"], table.energy_unit = values, stated or None
        elif name in ("stress_weights", "energy_weights"):
            table.others[name] = values
        else:
            table.others[name] = values.tolist()
    return table


def _from_columns(
    path: Path, columns: dict[str, Column], reading: Reading, structure: AnyStructure | None, stated: str | None = None
) -> StressStrainData:
    table = _sorted_columns(columns)
    units = [*table.units, *([stated] if stated else [])]
    if len(set(units)) > 1:
        raise DataError(f"{path}: found the units {sorted(set(units))} for one stress; needed one")
    fields: Fields = {kind: _tensor(path, kind, parts) for kind, parts in table.parts.items() if kind not in ("strain", "gamma")}
    options = reading.options
    if "F" in fields and (options.strain is not None or options.shear is not None):
        raise DataError(f"{path}: found F and --strain or --shear; needed one of them; leave the option out")
    if "F" not in fields:
        fields["F"] = _deformation(path, table, reading)
    return _build(path, {**fields, **table.others}, reading, structure, units[0] if units else None, table.energy_unit)


def _deformation(path: Path, table: Table, reading: Reading) -> Float[np.ndarray, "n 3 3"]:
    """F of the strains of a table, by the options for strains."""
    normal, doubled = dict(table.parts.get("strain", {})), dict(table.parts.get("gamma", {}))
    if not normal:
        raise DataError(f"{path}: found no column F_xx (or F11) and no strains (e_xx); needed the nine components of F, or six strains")
    if reading.options.strain is None:
        raise DataError(
            f"{path}: found strains in place of F, of a measure not in the table; needed it by --strain: green-lagrange, small or hencky"
        )
    shears = [place for place in normal if place[0] != place[1]]
    if shears and doubled:
        raise DataError(f"{path}: found shear strains under two names (e and g); needed one; drop the wrong columns")
    if doubled and reading.options.shear == "tensor":
        raise DataError(
            f"{path}: found columns named gamma (engineering shear) and --shear tensor; needed one meaning; rename the columns "
            "or leave --shear out"
        )
    if shears and reading.options.shear is None:
        raise DataError(f"{path}: found shear strains, the tensor's or twice those; needed which by --shear: engineering (gamma) or tensor")
    half = 0.5 if doubled or reading.options.shear == "engineering" else 1.0
    both = {**{place: values for place, values in normal.items() if place[0] == place[1]}}
    both |= {place: half * values for place, values in (doubled or {p: normal[p] for p in shears}).items()}
    strain = _tensor(path, "strain", both) * (0.01 if table.percent else 1.0)
    kind = "none" if not (shears or doubled) else "engineering" if half < 1 else "of the tensor"
    reading.assume(f"{path}: {reading.options.strain} strain without rotation: F is the symmetric stretch; shears: {kind}")
    return stretch_of(strain, reading.options.strain, str(path))


def _tensor(path: Path, field_name: str, parts: dict[Place, Column]) -> Float[np.ndarray, "n 3 3"]:
    if field_name in _SYMMETRIC:
        parts = {**{(j, i): v for (i, j), v in parts.items()}, **parts}
    missing = [f"{field_name}_{'xyz'[i]}{'xyz'[j]}" for i in range(3) for j in range(3) if (i, j) not in parts]
    if missing:
        raise DataError(f"{path}: found no column {', '.join(missing)}; needed all components of {field_name}")
    n = len(next(iter(parts.values())))
    return np.stack([parts[i, j] for i in range(3) for j in range(3)], 1).reshape(n, 3, 3)


def _build(
    path: Path, fields: Fields, reading: Reading, structure: AnyStructure | None, stated: str | None, energy_unit: str | None
) -> StressStrainData:
    if stated is None and reading.options.unit is None:
        raise DataError(f"{path}: found no unit of the stress; needed one; write 'sigma_xx [GPa]' in the header or give --unit")
    unit = reading.unit_of(str(path), stated)
    given = reading.options.energy_unit
    if given is not None and energy_unit is not None and given != energy_unit:
        raise DataError(f"{path}: found W [{energy_unit}] and --energy-unit {given}; needed one; leave --energy-unit out")
    units = {"stress": unit, "W": energy_unit} if energy_unit else unit
    data = StressStrainData.from_document({**fields, "units": units, "structure": structure}, source=str(path))
    return Corrections(sign="pressure" if reading.options.sign == "pressure" else None, energy_unit=None if energy_unit else given).apply(
        data
    )
