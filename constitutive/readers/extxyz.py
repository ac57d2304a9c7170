"""Extended XYZ files: the stress or virial in the comment line of each frame, by the names that MACE, nequip, QUIP and dpdata use.

``stress`` is in eV/Å³ and tension positive, ``virial`` = −V sigma in eV, unless the line (``stress-unit=``) or the user says
otherwise; names with the prefix ``REF_`` and the plural are taken as well, others by `--stress-key` (ASE documentation: Units,
extxyz; MACE documentation: data keys).
"""

from __future__ import annotations

import io
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from constitutive.errors import DataError
from constitutive.readers.atoms import frame_of_atoms
from constitutive.readers.frames import Frame
from constitutive.readers.guard import MAX_FRAMES, parsing, read_whole_text
from constitutive.readers.reading import Reading
from constitutive.readers.selection import frame_labels

if TYPE_CHECKING:
    from ase import Atoms

_ENTRY = re.compile(r"""([A-Za-z_][\w:./-]*)\s*=\s*("(?:[^"\\]|\\.)*"|'[^']*'|\{[^}]*\}|\[[^=]*\]|[^\s"'{\[]\S*)""")
_TENSOR_NAME = re.compile(r"(?i)(?:^|_)(?:stress(?:es)?|virials?)(?:_|$)")
_NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[EeDd][-+]?\d+)?|[-+]?(?:nan|inf)\w*", re.IGNORECASE)
_WORD = re.compile(r"(?i)\b(?:T|F|true|false|_JSON)\b")


@dataclass(frozen=True)
class Block:
    """One frame as text: the entries of its comment line, and its lines of atoms."""

    entries: dict[str, str]
    atoms: str
    count: int


def read_extxyz(path: Path, reading: Reading) -> list[Frame]:
    """Every chosen frame of an extended XYZ file.

    Raises
    ------
    DataError
        A frame is incomplete, has no periodic cell, no stress or virial, several that differ, or six numbers without an order.
    """
    text = read_whole_text(path, "extxyz", reading.assume)
    with parsing(path, "extxyz"):
        blocks = _blocks(path, text)
        if not any(_named(block.entries, "Lattice") for block in blocks):
            raise DataError(f"{path}: found no Lattice= in the comment lines; needed extended XYZ with the cell")
        frames: list[Frame] = []
        for index, block in enumerate(blocks):
            with reading.attempt(f"{path}: frame {index}"):
                frames += _frame(block, f"{path}: frame {index}", reading)
        return frames


def _frame(block: Block, where: str, reading: Reading) -> list[Frame]:
    with parsing(Path(where), "frame of extxyz"):
        known: dict[str, object] = {key: value.strip("\"'") for key, value in block.entries.items()}
        numbers = {key: _numbers(value, where) for key, value in block.entries.items() if _TENSOR_NAME.search(key)}
        if reading.options.stress_key in block.entries:
            numbers[reading.options.stress_key] = _numbers(block.entries[reading.options.stress_key], where)
        tensors = {key: values for key, values in numbers.items() if values is not None}
        atoms = _atoms(block, tensors)
        if not reading.selection.keeps({**_labels(known, tensors), **frame_labels(np.array(atoms.cell[:]), atoms.get_chemical_symbols())}):
            return []
        return [frame_of_atoms(atoms, where, reading, {**known, **tensors}).checked(where)]


def _labels(known: dict[str, object], tensors: dict[str, np.ndarray]) -> dict[str, object]:
    return {key: value for key, value in known.items() if key not in tensors and key.lower() not in ("lattice", "properties")}


def _blocks(path: Path, text: str) -> list[Block]:
    lines = text.split("\n")
    blocks: list[Block] = []
    start = 0
    while start < len(lines) and any(line.strip() for line in lines[start:]):
        if not lines[start].strip():
            start += 1
            continue
        if not re.fullmatch(r"\s*\d+\s*", lines[start]):
            raise DataError(f"{path}: found {lines[start][:40]!r} at line {start + 1}; needed the number of atoms of a frame")
        count = int(lines[start])
        rows = lines[start + 2 : start + 2 + count]
        if len(rows) < count or start + 1 >= len(lines) or any(not row.strip() for row in rows):
            found = sum(bool(row.strip()) for row in rows)
            raise DataError(f"{path}: frame {len(blocks)}: found {found} atoms, needed {count}; is the file cut off?")
        blocks.append(Block(_entries(lines[start + 1]), "\n".join(rows), count))
        if len(blocks) > MAX_FRAMES:
            raise DataError(f"{path}: found more than {MAX_FRAMES} frames; needed fewer")
        start += 2 + count
    return blocks


def _entries(comment: str) -> dict[str, str]:
    """Entries of a comment line, with or without blanks around the equal signs."""
    return {match.group(1): match.group(2) for match in _ENTRY.finditer(comment)}


def _named(entries: dict[str, str], name: str) -> str | None:
    """The value of an entry, whatever the case of its name."""
    return next((value for key, value in entries.items() if key.lower() == name.lower()), None)


def _numbers(value: str, where: str) -> np.ndarray | None:
    """Numbers of an entry; None where it holds words, such as a unit."""
    body = value.strip("\"'{}[]")
    found = _NUMBER.findall(body)
    rest = _NUMBER.sub("", body)
    if re.search(r"[A-Za-z]", _WORD.sub("", rest)) or not found:
        return None
    return np.array([float(word.replace("D", "E").replace("d", "e")) for word in found])


def _atoms(block: Block, tensors: dict[str, np.ndarray]) -> Atoms:
    """ASE's atoms of a frame, without the tensors, which ASE reads in nine numbers only."""
    import ase.io  # deferred: 0.3 s to import, and most files are not read by ASE

    kept = {("Lattice" if key.lower() == "lattice" else key): value for key, value in block.entries.items() if key not in tensors}
    comment = " ".join(f"{key}={value}" for key, value in kept.items())
    atoms = ase.io.read(io.StringIO(f"{block.count}\n{comment}\n{block.atoms}\n"), index=0, format="extxyz")
    if not isinstance(atoms, ase.Atoms):
        raise DataError("found no atoms; needed a frame of extended XYZ")
    return atoms
