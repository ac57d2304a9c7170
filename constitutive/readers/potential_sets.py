"""Training sets of interatomic potentials in JSON: FitSNAP's and mlearn's.

FitSNAP: one file holds ``{"Dataset": {"Data": [{"Lattice", "Positions", "AtomTypes", "Energy", "Forces", "Stress"}], "StressStyle",
...}}``, possibly after a line of comment. Its stress is LAMMPS's pressure tensor, positive in compression, in the unit that
``StressStyle`` names (FitSNAP documentation: Data). mlearn: a list of ``{"structure", "outputs": {"energy", "forces",
"virial_stress"}, ...}``; the published sets state neither order nor unit nor sign of the six numbers of ``virial_stress``.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import cast

import numpy as np
from jaxtyping import Float

from constitutive.data.checks import as_float_array
from constitutive.errors import DataError
from constitutive.plain import JsonObject as Json
from constitutive.readers import documents
from constitutive.readers.frames import Frame
from constitutive.readers.guard import parsing
from constitutive.readers.reading import Reading
from constitutive.readers.selection import frame_labels
from constitutive.readers.stress_numbers import tensor
from constitutive.units import pressure_factor

_STRESS_STYLES = {"bar": "bar", "kb": "kbar", "kbar": "kbar", "kilobar": "kbar", "gpa": "GPa", "mpa": "MPa", "pascal": "Pa", "pa": "Pa"}
_STYLES = {
    "EnergyStyle": ("electronvolt", "ev"),
    "LatticeStyle": ("angstrom",),
    "PositionsStyle": ("angstrom",),
    "ForcesStyle": ("electronvoltperangstrom",),
    "AtomTypeStyle": ("chemicalsymbol",),
}


def read_fitsnap(path: Path, reading: Reading) -> list[Frame]:
    """Every chosen configuration of a FitSNAP file.

    Raises
    ------
    DataError
        A style is unknown, or a configuration lacks its lattice, atoms or stress.
    """
    with parsing(path, "FitSNAP file"):
        content = documents.load(path)
        data = content.get("Dataset") if isinstance(content, dict) else None
        entries = data.get("Data") if isinstance(data, dict) else None
        if not isinstance(data, dict) or not isinstance(entries, list):
            raise DataError(f"{path}: found no Dataset with Data; needed FitSNAP's JSON")
        for style, known in _STYLES.items():
            if str(data.get(style, known[0])).lower() not in known:
                raise DataError(f"{path}: found {style} {data[style]!r}; needed {known[0]}")
        frames: list[Frame] = []
        for index, entry in enumerate(entries):
            with reading.attempt(f"{path}: configuration {index}"):
                frames += _configuration(cast(Json, entry), cast(Json, data), f"{path}: configuration {index}", reading)
        return frames


def _configuration(entry: Json, data: Json, where: str, reading: Reading) -> list[Frame]:
    missing = [key for key in ("Lattice", "Positions", "AtomTypes") if key not in entry]
    if missing:
        raise DataError(f"{where}: found no {', '.join(missing)}; needed a configuration with its cell and atoms")
    cell = as_float_array(entry["Lattice"], f"{where}: Lattice", (3, 3))
    species = tuple(str(symbol) for symbol in cast(list, entry["AtomTypes"]))
    plain = {key: value for key, value in data.items() if isinstance(value, (str, int, float))}
    if not reading.selection.keeps({**plain, **frame_labels(cell, species)}):
        return []
    if entry.get("Stress") is None:
        raise DataError(f"{where}: found no Stress; needed one in every configuration; leave the others out (--skip-failed)")
    style = data.get("StressStyle")
    stated = _STRESS_STYLES.get(str(style).lower(), str(style)) if style is not None else None
    unit = reading.unit_of(where, stated, "bar")
    if reading.options.sign is None:
        reading.assume("FitSNAP's stress is positive in compression, as LAMMPS's pressure (--sign tension says otherwise)")
    stress = tensor(entry["Stress"], reading.options.order, where, "Stress")
    positions = as_float_array(entry["Positions"], f"{where}: Positions", (None, 3))
    forces = None if entry.get("Forces") is None else as_float_array(entry["Forces"], f"{where}: Forces", (None, 3))
    energy = entry.get("Energy")
    frame = Frame(
        cell,
        reading.sign_of("pressure") * stress * pressure_factor(unit),
        species,
        positions @ np.linalg.inv(cell),
        None if energy is None else float(cast(float, energy)),
        forces,
        code="FitSNAP data",
    )
    return [frame.checked(where)]


def read_mlearn(path: Path, reading: Reading) -> list[Frame]:
    """Every chosen entry of an mlearn list, whose order, unit and sign the user states.

    Raises
    ------
    DataError
        An entry lacks its structure or stress, or a statement is missing.
    """
    with parsing(path, "mlearn set"):
        content = documents.load(path)
        entries = content if isinstance(content, list) else [content]
        options = reading.options
        stated = (("--order", options.order), ("--unit", options.unit), ("--sign", options.sign))
        missing = [flag for flag, value in stated if value is None]
        if missing:
            raise DataError(
                f"{path}: found virial_stress of six numbers without any convention in the file; needed {', '.join(missing)}; where they "
                "are VASP's: --order vasp --unit kbar --sign pressure; `constitutive check` finds a wrong statement"
            )
        frames: list[Frame] = []
        for index, entry in enumerate(entries):
            with reading.attempt(f"{path}: entry {index}"):
                frames += _entry(cast(Json, entry), f"{path}: entry {index}", reading)
        return frames


def _entry(entry: Json, where: str, reading: Reading) -> list[Frame]:
    outputs = entry.get("outputs")
    if not isinstance(outputs, Mapping) or not isinstance(entry.get("structure"), dict):
        raise DataError(f"{where}: found no structure with outputs; needed both")
    from pymatgen.core import Structure  # deferred: pymatgen takes a second to import

    structure = Structure.from_dict(cast(Json, entry["structure"]))
    if not structure.is_ordered:
        raise DataError(f"{where}: found partly occupied sites; needed an ordered structure")
    cell = np.array(structure.lattice.matrix)
    species = tuple(site.specie.symbol for site in structure)
    plain = {key: value for key, value in entry.items() if isinstance(value, (str, int, float))}
    if not reading.selection.keeps({**plain, **frame_labels(cell, species)}):
        return []
    if outputs.get("virial_stress") is None:
        raise DataError(f"{where}: found no virial_stress; needed one in every entry; leave the others out (--skip-failed)")
    sigma = tensor(outputs["virial_stress"], reading.options.order, where, "virial_stress")
    factor = reading.sign_of() * pressure_factor(reading.unit_of(where, None))
    energy, forces = outputs.get("energy"), outputs.get("forces")
    return [
        Frame(
            cell,
            factor * sigma,
            species,
            np.array(structure.frac_coords),
            None if energy is None else float(energy),
            _array(forces, f"{where}: forces"),
            code="mlearn set",
        ).checked(where)
    ]


def _array(values: object, name: str) -> Float[np.ndarray, "atoms 3"] | None:
    return None if values is None else as_float_array(values, name, (None, 3))
