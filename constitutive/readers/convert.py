"""One entry to all readers: files of any known format as one data set."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from constitutive.compressed import plain_name, uncompressed
from constitutive.data import StressStrainData
from constitutive.data.corrections import Corrections
from constitutive.data.plan import PLAN_FILE, Plan
from constitutive.data.storage import require_file
from constitutive.errors import ConstitutiveError, DataError
from constitutive.readers import (
    ase_outputs,
    atoms,
    documents,
    espresso_text,
    espresso_xml,
    extxyz,
    lammps_dump,
    lammps_log,
    outcar,
    potential_sets,
    tables,
    vasprun,
)
from constitutive.readers.frames import Fields, Frame, Reference, assemble
from constitutive.readers.guard import MAX_BYTES
from constitutive.readers.joining import joined
from constitutive.readers.options import FORMATS, SETS, ReadOptions
from constitutive.readers.planned import plan_of, read_planned
from constitutive.readers.reading import Reading
from constitutive.readers.reference_cell import ordered, read_reference
from constitutive.readers.sources import MAX_FILE_BYTES, detect, expand, short_names
from constitutive.symmetry import read_structure
from constitutive.symmetry.structures import AnyStructure

_READERS: Mapping[str, Callable[[Path, Reading], list[Frame]]] = {
    "vasprun": vasprun.read_vasprun,
    "outcar": outcar.read_outcar,
    "espresso": espresso_text.read_output,
    "espresso-xml": espresso_xml.read_xml,
    "lammps-log": lammps_log.read_log,
    "lammps-dump": lammps_dump.read_dump,
    "extxyz": extxyz.read_extxyz,
    "traj": atoms.read_trajectory,
    "ase": ase_outputs.read_ase,
    "fitsnap": potential_sets.read_fitsnap,
    "mlearn": potential_sets.read_mlearn,
}


def read_frames(path: Path, format_name: str, options: ReadOptions | Reading) -> list[Frame]:
    """The states in the output of a code. Raises DataError for damaged files."""
    reading = options if isinstance(options, Reading) else Reading.of(options)
    with uncompressed(path) as plain:
        require_file(plain, MAX_BYTES)
        frames = _READERS[format_name](plain, reading)
        return [replace(frame, where=frame.where.replace(str(plain), str(path))) for frame in frames]


def read_set(path: Path, format_name: str, reading: Reading, structure: AnyStructure | None = None) -> StressStrainData:
    """A file that holds F itself. Raises DataError for damaged files."""
    with uncompressed(path) as plain:
        if format_name == "elasticity":
            return documents.read_elasticity(plain, reading, structure)
        if format_name == "csv":
            return tables.read_csv(plain, reading, structure)
        if format_name == "numpy":
            return tables.read_numpy(plain, reading, structure)
        options = reading.options
        data = StressStrainData.load(plain, plausible=False)
        statements = Corrections(order=options.order, sign=options.sign, unit=options.unit, energy_unit=options.energy_unit)
        return statements.apply(data)


def convert(
    sources: Sequence[str | os.PathLike[str]],
    *,
    reference: AnyStructure | None = None,
    options: ReadOptions | None = None,
    name: str = "",
) -> StressStrainData:
    """Read one or many files as one data set.

    Parameters
    ----------
    sources : sequence of paths
        Files, folders or patterns (``runs/*/vasprun.xml``) of one crystal, or the folder of a plan; compressed by gzip, xz or bzip2
        or not. A LAMMPS log without the cell is paired with a dump by the timestep.
    reference : path, structure or None
        The undeformed cell. None takes the first state of the first file (or, of a data set, its own).
    options : ReadOptions or None
        What the files do not state.
    name : str
        Name of the data set.

    Returns
    -------
    StressStrainData
        Stress in GPa (or in the unit of a data set), tension positive. Its provenance names the sources, what was assumed and what
        was left out.

    Raises
    ------
    ConstitutiveError
        A file is damaged, of no known format, or of another crystal, or an option contradicts a file.
    """
    reading = Reading.of(options)
    reading.options.require_valid()
    planned = plan_of([Path(source) for source in sources])
    if planned is not None:
        return _of_plan(*planned, reading, reference)
    paths = expand(sources)
    if not paths:
        raise DataError("found no source; needed at least one file")
    kinds = _kinds(paths, reading)
    if not kinds:
        raise DataError(f"found no file that can be read; {_first_failure(reading)}")
    reading.options.require_fitting([kind for _, kind in kinds])
    is_set = [kind in SETS for _, kind in kinds]
    if any(is_set) and not all(is_set):
        raise DataError(
            f"found data sets among the outputs of codes ({', '.join(kind for _, kind in kinds)}); needed one kind; convert them apart"
        )
    if all(is_set):
        return _with_notes(_of_sets(kinds, reading, reference), reading, {})
    data = _of_frames(kinds, reading, reference, name or Path(plain_name(paths[0])).stem)
    return _with_notes(data, reading, {"sources": short_names([path for path, _ in kinds]), "formats": sorted({kind for _, kind in kinds})})


def _of_plan(folder: Path, plan: Plan, reading: Reading, reference: AnyStructure | None) -> StressStrainData:
    if reference is not None:
        raise DataError(f"{folder}: found --reference beside a plan, which states its reference cell; leave --reference out")
    if plan.code == "lammps" and not reading.options.symbols:
        species = dict.fromkeys(site.species_string for site in plan.structure)
        reading = replace(reading, options=replace(reading.options, symbols=tuple(species)))
    data = read_planned(folder, plan, reading, lambda path, kind: read_frames(path, kind, reading))
    return _with_notes(data, reading, {"plan": str(folder / PLAN_FILE), "planned": len(plan)})


def _with_notes(data: StressStrainData, reading: Reading, entries: Fields) -> StressStrainData:
    notes: Fields = {"assumed": list(reading.assumed), "skipped": reading.skipped}
    if reading.selection.conditions:
        notes["selected"] = list(reading.options.where)
        notes["not_selected"] = reading.selection.left_out
    found = {**entries, **{key: value for key, value in notes.items() if value}}
    return data.with_provenance(found) if found else data


def _first_failure(reading: Reading) -> str:
    place, reason = next(iter(reading.skipped.items()))
    return f"{place}: {reason}"


def _kinds(paths: Sequence[Path], reading: Reading) -> list[tuple[Path, str]]:
    stated = (reading.options.format or "").partition(":")[0]
    if stated and stated not in FORMATS:
        raise DataError(f"format: found {reading.options.format!r}; needed one of {', '.join(FORMATS)}")
    kinds: list[tuple[Path, str]] = []
    for path in paths:
        with reading.attempt(str(path)):
            require_file(path, MAX_FILE_BYTES)
            kinds.append((path, stated or detect(path)))
    return kinds


def _of_frames(kinds: Sequence[tuple[Path, str]], reading: Reading, reference: AnyStructure | None, name: str) -> StressStrainData:
    base = None
    if reference is not None:
        quiet = Reading.of(replace(reading.options, where=(), skip_failed=False, stress_key=reading.options.stress_key))
        stated = reading.options.format
        base = read_reference(reference, reading.options.disorder, lambda path, kind: read_frames(path, kind, quiet), stated=stated)
    frames = _all_frames(kinds, reading)
    reading.selection.require_known()
    frames = _near(frames, base, reading)
    if not frames and reading.selection.left_out:
        seen = reading.selection.values_seen()
        raise DataError(f"where: found none of {reading.selection.frames} frames that meets {' and '.join(reading.options.where)}; {seen}")
    if not frames and reading.skipped:
        raise DataError(f"found no file or frame that can be read; {_first_failure(reading)}")
    data = assemble(frames, base, name=name)
    places = [frame.where for frame in frames]
    return data.replace(source_by_sample=places) if len(kinds) > 1 else data


def _near(frames: list[Frame], base: Reference | None, reading: Reading) -> list[Frame]:
    """The frames whose strain against the reference cell meets the conditions on ``strain``."""
    if not reading.selection.needs_strain:
        return frames
    if base is None:
        raise DataError("where: found a condition on strain without a reference cell; needed one; give --reference")
    inverse = np.linalg.inv(base.cell)
    return [frame for frame in frames if reading.selection.keeps_strain((inverse @ frame.cell).T)]


def _all_frames(kinds: Sequence[tuple[Path, str]], reading: Reading) -> list[Frame]:
    if sorted(kind for _, kind in kinds) == ["lammps-dump", "lammps-log"]:
        log, dump = (next(path for path, kind in kinds if kind == wanted) for wanted in ("lammps-log", "lammps-dump"))
        with uncompressed(log) as plain_log, uncompressed(dump) as plain_dump:
            return lammps_log.join_log_and_dump(plain_log, plain_dump, reading)
    frames: list[Frame] = []
    for path, kind in kinds:
        with reading.attempt(str(path)):
            frames += read_frames(path, kind, reading)
    return frames


def _of_sets(kinds: Sequence[tuple[Path, str]], reading: Reading, reference: AnyStructure | None) -> StressStrainData:
    structure = None
    if reference is not None:
        where = str(reference) if isinstance(reference, (str, Path)) else "the structure"
        structure = ordered(read_structure(reference), reading.options.disorder, where)
    sets: list[StressStrainData] = []
    for path, kind in kinds:
        with reading.attempt(str(path)):
            data = read_set(path, kind, reading, structure)
            sets.append(data if structure is None else data.with_structure(structure))
    if not sets:
        raise DataError(f"found no file that can be read; {_first_failure(reading)}")
    return sets[0] if len(sets) == 1 else joined(sets)


def read_any(
    path: str | os.PathLike[str], *, structure: AnyStructure | None = None, options: ReadOptions | None = None
) -> StressStrainData:
    """One file of any known format as a data set, its sign and unit not yet judged.

    Parameters
    ----------
    path : path
    structure : structure or path, optional
        Reference cell; it takes the place of the file's own.
    options : ReadOptions, optional
        What the file does not state.

    Returns
    -------
    StressStrainData

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
