"""Tables with named columns: CSV, and NumPy's ``.npz`` and ``.npy`` with named fields (never pickles).

Columns: ``F11`` or ``Fxx`` ... ``F33``; one stress as ``sigma_xx``/``cauchy_xx``/``s_xx`` (Cauchy), ``P_xx`` (first
Piola-Kirchhoff,
nine) or ``S2_xx`` (second); ``W``. A unit stands in brackets after a name, ``sigma_xx [kbar]``, or is given by --unit.
"""

from __future__ import annotations

import csv
import io
import re
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from constitutive.data import StressStrainData
from constitutive.data.storage import require_file
from constitutive.errors import DataError
from constitutive.readers.guard import MAX_BYTES, parsing, read_whole_text

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
}
_NAME = re.compile(r"^([A-Za-z]+\d?)_?([123xyz])([123xyz])$")
_SYMMETRIC = ("cauchy", "second_piola_kirchhoff")


def read_csv(path: Path, *, unit: str | None = None, structure: Any = None) -> StressStrainData:
    """A CSV table with a header line; lines that begin with # are comments.

    Raises
    ------
    DataError
        A column is missing, unknown in part, or not numeric; a line has too few entries; the unit is not given.
    """
    text = read_whole_text(path, "CSV")
    with parsing(path, "CSV"):
        lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
        rows = list(csv.reader(io.StringIO("\n".join(lines)), delimiter=_delimiter(lines[0]), skipinitialspace=True))
        header, body = [name.strip() for name in rows[0]], rows[1:]
        short = [i for i, row in enumerate(body) if len(row) != len(header)]
        if short or not body:
            raise DataError(
                f"{path}: found {len(body)} rows, row {short[0] if short else 0} incomplete; needed {len(header)} entries in each"
            )
        columns = {name: np.array([row[k] for row in body], dtype=np.float64) for k, name in enumerate(header)}
        return _from_columns(path, columns, unit, structure)


def _delimiter(header: str) -> str:
    return ";" if header.count(";") > header.count(",") else "\t" if header.count("\t") > header.count(",") else ","


def read_numpy(path: Path, *, unit: str | None = None, structure: Any = None) -> StressStrainData:
    """A ``.npz`` with arrays F, one stress, W (or one array per column), or a ``.npy`` with named fields.

    Raises
    ------
    DataError
        The file holds pickled objects, unknown names, or no unit.
    """
    require_file(path, MAX_BYTES)
    with parsing(path, "NumPy file"):
        columns = _arrays(path)
        if unit is None and "unit" in columns:
            unit = str(columns.pop("unit"))
        whole = {k: v for k, v in columns.items() if k in ("F", "W", *_STEMS.values()) and v.ndim in (1, 3)}
        if "F" not in whole:
            return _from_columns(path, {k: v.astype(np.float64) for k, v in columns.items()}, unit, structure)
        return _build(path, whole, unit, structure)


def _arrays(path: Path) -> dict[str, np.ndarray]:
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


def _from_columns(path: Path, columns: dict[str, np.ndarray], unit: str | None, structure: Any) -> StressStrainData:
    fields: dict[str, dict[tuple[int, int], np.ndarray]] = {}
    units: set[str] = set() if unit is None else {unit}
    extra: dict[str, Any] = {}
    energy_unit = None
    for label, values in columns.items():
        name, _, bracket = label.partition("[")
        name, stated = name.strip(), bracket.rstrip("] ").strip()
        match = _NAME.match(name)
        field = _STEMS.get(match.group(1).lower()) if match else None
        if match and field:
            place = tuple("xyz".index(_AXES[axis]) for axis in match.groups()[1:])
            fields.setdefault(field, {})[place] = values  # type: ignore[index]  # two indices by the pattern
            if field != "F" and stated and unit is None:
                units.add(stated)
        elif name == "W":
            extra["W"] = values
            energy_unit = stated or None
        elif name in ("stress_weights", "energy_weights"):
            extra[name] = values
        else:
            extra[name] = values.tolist()
    if len(units) > 1:
        raise DataError(f"{path}: found the units {sorted(units)} for one stress; needed one")
    arrays = {field: _tensor(path, field, parts) for field, parts in fields.items()}
    return _build(path, {**arrays, **extra}, units.pop() if units else None, structure, energy_unit)


def _tensor(path: Path, field: str, parts: dict[tuple[int, int], np.ndarray]) -> np.ndarray:
    if field in _SYMMETRIC:
        parts = {**{(j, i): v for (i, j), v in parts.items()}, **parts}
    missing = [f"{field}_{'xyz'[i]}{'xyz'[j]}" for i in range(3) for j in range(3) if (i, j) not in parts]
    if missing:
        raise DataError(f"{path}: found no column {', '.join(missing)}; needed all components of {field}")
    n = len(next(iter(parts.values())))
    return np.stack([parts[i, j] for i in range(3) for j in range(3)], 1).reshape(n, 3, 3)


def _build(path: Path, fields: dict[str, Any], unit: str | None, structure: Any, energy_unit: str | None = None) -> StressStrainData:
    if unit is None:
        raise DataError(f"{path}: found no unit of the stress; needed one; write 'sigma_xx [GPa]' in the header or give --unit")
    units: Any = {"stress": unit, "W": energy_unit} if energy_unit else unit
    return StressStrainData.from_document({**fields, "units": units, "structure": structure}, source=str(path))
