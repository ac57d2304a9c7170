"""One entry to all readers: which format a file has, and many files as one data set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from constitutive.data import MEASURES, StressStrainData
from constitutive.data.storage import read_json, require_file
from constitutive.errors import ConstitutiveError, DataError
from constitutive.readers import atoms, documents, espresso, lammps, tables, vasp
from constitutive.readers.frames import Frame, Reference, assemble
from constitutive.readers.guard import MAX_BYTES

FORMATS = (
    "json",
    "hdf5",
    "elasticity",
    "vasprun",
    "outcar",
    "espresso",
    "espresso-xml",
    "lammps-log",
    "lammps-dump",
    "extxyz",
    "traj",
    "csv",
    "numpy",
)
_SETS = ("json", "hdf5", "elasticity", "csv", "numpy")
_SUFFIXES = {
    ".h5": "hdf5",
    ".hdf5": "hdf5",
    ".traj": "traj",
    ".extxyz": "extxyz",
    ".xyz": "extxyz",
    ".csv": "csv",
    ".tsv": "csv",
    ".npz": "numpy",
    ".npy": "numpy",
    ".lammpstrj": "lammps-dump",
}
_WEIGHTS = ("stress_weights", "energy_weights")
_SNIFF = 65536


@dataclass(frozen=True)
class ReadOptions:
    """What the files do not say.

    Attributes
    ----------
    format : str or None
        One of `FORMATS`; None finds it out.
    lammps_units : str or None
        "metal" or "real", for dumps and logs that do not say.
    symbols : tuple of str
        Chemical symbols of the types of a LAMMPS dump.
    unit : str or None
        Unit of the stress of tables that do not say.
    """

    format: str | None = None
    lammps_units: str | None = None
    symbols: tuple[str, ...] = ()
    unit: str | None = None


def detect(path: Path) -> str:
    """The format of a file, by its name and its first bytes; the content is not trusted further than that.

    Raises
    ------
    DataError
        The file is missing, empty, or of none of `FORMATS`.
    """
    file = require_file(path, 64 * 2**30)
    suffix = file.suffix.lower()
    if suffix in _SUFFIXES:
        return _SUFFIXES[suffix]
    with file.open("rb") as stream:
        head = stream.read(_SNIFF).decode("utf-8", errors="replace")
    if suffix == ".json" or head.lstrip().startswith("{"):
        return "elasticity" if documents.is_elasticity(read_json(file)) else "json"
    marks = (
        ("<modeling>", "vasprun"),
        ("qes:espresso", "espresso-xml"),
        ("Program PWSCF", "espresso"),
        ("ITEM: TIMESTEP", "lammps-dump"),
        ("Lattice=", "extxyz"),
        ("LAMMPS (", "lammps-log"),
    )
    for mark, name in marks:
        if mark in head:
            return name
    if " vasp." in head[:200] or "POTCAR:" in head or file.name.upper().startswith("OUTCAR"):
        return "outcar"
    raise DataError(f"{path}: found no known format; needed one of {', '.join(FORMATS)}; say which by --format")


def read_frames(path: Path, format_name: str, options: ReadOptions) -> list[Frame]:
    """The states in the output of a code. Raises DataError for damaged files."""
    require_file(path, MAX_BYTES)
    if format_name == "lammps-log":
        return lammps.read_log(path, units=options.lammps_units)
    if format_name == "lammps-dump":
        return lammps.read_dump(path, units=options.lammps_units, symbols=options.symbols)
    readers = {
        "vasprun": vasp.read_vasprun,
        "outcar": vasp.read_outcar,
        "espresso": espresso.read_output,
        "espresso-xml": espresso.read_xml,
        "extxyz": atoms.read_extxyz,
        "traj": atoms.read_trajectory,
    }
    return readers[format_name](path)


def read_set(path: Path, format_name: str, options: ReadOptions, structure: Any = None) -> StressStrainData:
    """A file that holds F itself. Raises DataError for damaged files."""
    if format_name == "elasticity":
        return documents.read_elasticity(path)
    if format_name == "csv":
        return tables.read_csv(path, unit=options.unit, structure=structure)
    if format_name == "numpy":
        return tables.read_numpy(path, unit=options.unit, structure=structure)
    return StressStrainData.load(path, plausible=False)


def read_reference(source: Any, options: ReadOptions) -> Reference:
    """The reference cell from a code's output (then with its energy), a structure file, or a structure object.

    Raises
    ------
    ConstitutiveError
        There is no structure in it.
    """
    if isinstance(source, (str, Path)):
        try:
            name = detect(Path(source))
        except DataError:
            name = ""
        if name and name not in _SETS:
            frame = read_frames(Path(source), name, options)[0]
            return Reference(frame.cell, frame.species, frame.frac, frame.energy)
    from constitutive.symmetry import read_structure

    structure = read_structure(source)
    species = tuple(site.species_string for site in structure)
    return Reference(np.array(structure.lattice.matrix), species, np.array(structure.frac_coords), None)


def convert(
    sources: Sequence[str | Path], *, reference: Any = None, options: ReadOptions | None = None, name: str = ""
) -> StressStrainData:
    """Read one or many files as one data set.

    Parameters
    ----------
    sources : sequence of paths
        Of one crystal. A LAMMPS log without the cell is paired with a dump by the timestep.
    reference : path, structure or None
        The undeformed cell. None takes the first state of the first file (or, of a data set, its own).
    options : ReadOptions or None
        What the files do not say.
    name : str
        Name of the data set.

    Raises
    ------
    ConstitutiveError
        A file is damaged, of no known format, or of another crystal.
    """
    options = options or ReadOptions()
    paths = [Path(source) for source in sources]
    if not paths:
        raise DataError("found no source; needed at least one file")
    kinds = [_kind(path, options) for path in paths]
    if all(kind in _SETS for kind in kinds):
        return _join_sets(paths, kinds, options, reference)
    if any(kind in _SETS for kind in kinds):
        raise DataError(f"found data sets among the outputs of codes ({', '.join(kinds)}); needed one kind; convert them apart")
    base = None if reference is None else read_reference(reference, options)
    data = assemble(_all_frames(paths, kinds, options), base, name=name or paths[0].stem)
    return data.with_provenance({"sources": [path.name for path in paths], "formats": sorted(set(kinds))})


def _kind(path: Path, options: ReadOptions) -> str:
    require_file(path, 64 * 2**30)
    if options.format is None:
        return detect(path)
    if options.format not in FORMATS:
        raise DataError(f"format: found {options.format!r}; needed one of {', '.join(FORMATS)}")
    return options.format


def _all_frames(paths: list[Path], kinds: list[str], options: ReadOptions) -> list[Frame]:
    if sorted(kinds) == ["lammps-dump", "lammps-log"]:
        log, dump = (paths[kinds.index(kind)] for kind in ("lammps-log", "lammps-dump"))
        return lammps.join_log_and_dump(log, dump, units=options.lammps_units)
    return [frame for path, kind in zip(paths, kinds, strict=True) for frame in read_frames(path, kind, options)]


def _join_sets(paths: list[Path], kinds: list[str], options: ReadOptions, reference: Any) -> StressStrainData:
    structure = None
    if reference is not None:
        from constitutive.symmetry import read_structure

        structure = read_structure(reference)
    sets = [read_set(path, kind, options, structure) for path, kind in zip(paths, kinds, strict=True)]
    if structure is not None:
        sets = [data.with_structure(structure) for data in sets]
    return sets[0] if len(sets) == 1 else joined(sets)


def joined(sets: Sequence[StressStrainData]) -> StressStrainData:
    """Data sets of one crystal and one measure, against one reference cell, as one.

    Raises
    ------
    DataError
        They differ in the reference cell or in the measure.
    """
    from constitutive.data import require_same_reference

    first = sets[0]
    for other in sets[1:]:
        require_same_reference(other.structure, first.structure)
        if other.measure != first.measure:
            raise DataError(f"found stresses as {first.measure} and {other.measure}; needed one measure; convert them apart")
    fields: dict[str, Any] = {}
    partial = []
    for key in ("F", *MEASURES, "W", "forces", "positions", *_WEIGHTS):
        values = [np.ones(len(data)) if key in _WEIGHTS and _weighted(sets, key, data) else getattr(data, key) for data in sets]
        whole = all(value is not None for value in values)
        fields[key] = np.concatenate(values) if whole else None
        partial += [] if whole or all(value is None for value in values) else [key]
    data = first.replace(**fields, **_joined_extras(sets), **_joined_ions(sets), paths=[p for data in sets for p in data.paths])
    return data.with_provenance({"left_out": f"{', '.join(partial)}: not in all sources"}) if partial else data


def _joined_extras(sets: Sequence[StressStrainData]) -> dict[str, Any]:
    """Unknown entries that go with the samples: of all sets one after the other, or none where a set lacks them."""
    found: dict[str, Any] = {}
    for key in dict.fromkeys(key for data in sets for key in data.model_extra or {} if key != "ions_by_sample"):
        values = [(data.model_extra or {}).get(key) for data in sets]
        ours = [isinstance(value, list) and len(value) == len(data) for value, data in zip(values, sets, strict=True)]
        if any(ours):
            found[key] = [entry for value in values for entry in value or []] if all(ours) else None
    return found


def _weighted(sets: Sequence[StressStrainData], key: str, data: StressStrainData) -> bool:
    """Whether a set without weights stands beside one that has them: its samples then weigh one."""
    return getattr(data, key) is None and any(getattr(other, key) is not None for other in sets)


def _joined_ions(sets: Sequence[StressStrainData]) -> dict[str, Any]:
    """One treatment of the ions for all, or that of each sample where they differ."""
    by_sample: list[str | None] = []
    for data in sets:
        stated = (data.model_extra or {}).get("ions_by_sample")
        told = isinstance(stated, list) and len(stated) == len(data) and data.ions is None
        by_sample += list(stated or []) if told else [data.ions] * len(data)
    if len(set(by_sample)) == 1:
        return {"ions": by_sample[0], "ions_by_sample": None}
    return {"ions": None, "ions_by_sample": by_sample}


def read_any(path: str | Path, *, structure: Any = None, options: ReadOptions | None = None) -> StressStrainData:
    """One file of any known format as a data set, its sign and unit not yet judged.

    Raises
    ------
    ConstitutiveError
        The file is damaged or of no known format.
    """
    try:
        return convert([path], reference=structure, options=options)
    except ConstitutiveError as error:
        if str(path) in str(error):
            raise
        raise type(error)(f"{path}: {error}") from error
