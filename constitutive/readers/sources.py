"""Files to read: folders and patterns become lists of files in the order of their numbers, and each file gets its format."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Sequence
from pathlib import Path

from constitutive.compressed import head_of, plain_name, uncompressed
from constitutive.data.storage import require_file
from constitutive.errors import ConstitutiveError, DataError
from constitutive.readers import documents
from constitutive.readers.options import FORMATS

MAX_FILE_BYTES = 64 * 2**30
_SNIFF = 65536
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
_MARKS = (
    ("<modeling>", "vasprun"),
    ("qes:espresso", "espresso-xml"),
    ("Program PWSCF", "espresso"),
    ("ITEM: TIMESTEP", "lammps-dump"),
    ("Lattice=", "extxyz"),
    ("LAMMPS (", "lammps-log"),
)
_INPUTS = re.compile(r"(?i)^(poscar|contcar|incar|kpoints|potcar|outcar\.(?!gz|xz|bz2)|.*\.(in|cif|py|sh|png|pdf|md|yaml|upf))")


def expand(sources: Sequence[str | os.PathLike[str]]) -> list[Path]:
    """The files that `sources` stand for: themselves, the matches of a pattern, the outputs in a folder and below it.

    Matches and folders are sorted with numbers by their value: run_2 comes before run_10. Of a folder that holds ``vasprun.xml`` and
    ``OUTCAR`` of one run the former is taken.

    Raises
    ------
    DataError
        A pattern matches nothing, or a folder holds no file of a known format, or files of several.
    """
    files: list[Path] = []
    for source in sources:
        path = Path(source)
        if path.is_dir():
            files += _files_of_folder(path)
        elif not path.exists() and glob.has_magic(str(source)):
            matches = sorted((Path(name) for name in glob.glob(str(source), recursive=True)), key=_in_order)
            if not matches:
                raise DataError(f"{source}: found no file that matches; needed at least one; check the pattern and the folder")
            files += [file for match in matches for file in (_files_of_folder(match) if match.is_dir() else [match])]
        else:
            files.append(path)
    return files


def _in_order(path: Path) -> list[tuple[int, int, str]]:
    """Sort key: digits by their value, all else as text."""
    words = re.split(r"(\d+)", str(path))
    return [(0, int(word), "") if word.isdigit() else (1, 0, word) for word in words]


def _files_of_folder(folder: Path) -> list[Path]:
    chosen = outputs_in(folder)
    kinds = sorted(set(chosen.values()))
    if len(kinds) > 1:
        examples = ", ".join(f"{kind} ({next(p for p, k in chosen.items() if k == kind).relative_to(folder)})" for kind in kinds)
        raise DataError(f"{folder}: found files of several formats: {examples}; needed one; give a pattern such as '{folder}/*/NAME'")
    return list(chosen)


def outputs_in(folder: Path, *, without: Sequence[str] = ()) -> dict[Path, str]:
    """The outputs in a folder and below it with their formats; inputs, pictures and notes are passed over.

    Parameters
    ----------
    folder
        Where to look. Of ``vasprun.xml`` and ``OUTCAR`` of one run the former is taken.
    without
        Names of files that are inputs.

    Raises
    ------
    DataError
        There is no file of a known format.
    """
    found: dict[Path, str] = {}
    for path in sorted((p for p in folder.rglob("*") if p.is_file()), key=_in_order):
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if hidden or path.name in without or _INPUTS.match(plain_name(path)):
            continue
        try:
            found[path] = detect(path)
        except ConstitutiveError:
            continue  # inputs, pictures and notes lie beside the outputs
    with_xml = {path.parent for path, kind in found.items() if kind == "vasprun"}
    chosen = {path: kind for path, kind in found.items() if kind != "outcar" or path.parent not in with_xml}
    if not chosen:
        raise DataError(f"{folder}: found no file of a known format in this folder; needed one of {', '.join(FORMATS)}")
    return chosen


def detect(path: str | os.PathLike[str]) -> str:
    """The format of a file, compressed or not, by its name and its first bytes; no more of the content is read.

    Parameters
    ----------
    path : path

    Returns
    -------
    str
        One of `FORMATS`.

    Raises
    ------
    DataError
        The file is missing, empty, or of none of `FORMATS`.
    """
    file = require_file(path, MAX_FILE_BYTES)
    name = plain_name(file)
    suffix = Path(name).suffix.lower()
    if suffix in _SUFFIXES:
        return _SUFFIXES[suffix]
    head = head_of(file, _SNIFF).decode("utf-8", errors="replace").lstrip("\ufeff")
    if suffix == ".json" or head.lstrip().startswith(("{", "[{", "[\n")) or re.match(r"\s*#[^\n]*\n\s*\{", head):
        with uncompressed(file) as plain:
            return documents.kind_of(plain)
    for mark, kind in _MARKS:
        if mark in head:
            return kind
    if re.search(r"(?i)\blattice\s*=\s*[\"'{\[]", head):
        return "extxyz"
    if " vasp." in head[:200] or "POTCAR:" in head or name.upper().startswith("OUTCAR"):
        return "outcar"
    raise DataError(f"{path}: found no known format; needed one of {', '.join(FORMATS)}; say which by --format")


def short_names(paths: Sequence[Path]) -> list[str]:
    """Names of files for a record: the file's own, with its folder where several files share a name."""
    names = [path.name for path in paths]
    return [name if names.count(name) == 1 else "/".join(path.parts[-2:]) for path, name in zip(paths, names, strict=True)]
