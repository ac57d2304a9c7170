"""LAMMPS: log files with the cell in the thermo output, or a tilt in the lines that state the box.

Pressure is positive in compression. A restricted triclinic cell has the rows (lx 0 0), (xy ly 0), (xz yz lz) (LAMMPS documentation:
thermo_style, units, Howto triclinic).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Float

from constitutive.errors import DataError
from constitutive.readers.frames import Fields, Frame
from constitutive.readers.guard import parsing, read_whole_text
from constitutive.readers.lammps_dump import dump_cells, restricted_cell
from constitutive.readers.lammps_units import Style, style_of
from constitutive.readers.reading import Reading
from constitutive.readers.selection import frame_labels

_BLOCK = re.compile(r"^(?: {0,3}Step\b[^\n]*)\n((?:[^\n]*\n)*?)Loop time of(?:[^\n]* with (\d+) atoms)?[^\n]*$", re.MULTILINE)
_STARTED = re.compile(r"^ {0,3}Step\b[^\n]*$", re.MULTILINE)
_LENGTHS = ("lx", "ly", "lz")
_TILTS = ("xy", "xz", "yz")
_PRESSURES = ("pxx", "pyy", "pzz", "pyz", "pxz", "pxy")
_NUMBER = r"([-+]?\d+\.?\d*(?:[eE][-+]?\d+)?)"
_BOX = re.compile(
    r"(general triclinic|triclinic general|triclinic|orthogonal) box = \(([^)]*)\) to \(([^)]*)\)"
    rf"(?: with tilt \({_NUMBER} {_NUMBER} {_NUMBER}\))?"
)
_CHANGES_TILT = re.compile(
    r"^[ \t]*fix[ \t]+\S+[ \t]+\S+[ \t]+(?:(?:deform|npt|nph|npt/\S+|nph/\S+|box/relax)\b[^\n]*\b(?:tri|xy|xz|yz)\b|nvt/sllod)",
    re.MULTILINE,
)
_ADVICE = "use thermo_style custom step temp pe lx ly lz xy xz yz pxx pyy pzz pxy pxz pyz"
_SAME_LENGTH = 1e-5  # relative: a box line has six digits


@dataclass(frozen=True)
class Row:
    """One thermo row with what its table is made of."""

    value: dict[str, float]
    place: int
    atoms: int | None
    minimised: bool


def read_log(path: Path, reading: Reading) -> list[Frame]:
    """The last thermo row of every run or minimisation in a log.

    Raises
    ------
    DataError
        The log is cut off, its thermo output lacks the lengths of the cell or the six pressures, the tilt of a triclinic cell is
        not to be found, or a row is damaged.
    """
    text = read_whole_text(path, "log of LAMMPS", reading.assume)
    if "Total wall time:" not in text:
        raise DataError(f"{path}: found no 'Total wall time' at the end; needed a finished run; is the log cut off?")
    with parsing(path, "log of LAMMPS"):
        style = style_of(path, text, reading)
        blocks = list(_BLOCK.finditer(text))
        if not blocks or len(blocks) != len(_STARTED.findall(text)):
            raise DataError(f"{path}: found {len(blocks)} complete thermo tables; needed all that were begun; is the log damaged?")
        frames: list[Frame] = []
        for index, block in enumerate(blocks):
            where = f"{path}: table {index}"
            with reading.attempt(where):
                row = _last_row(path, block, text)
                cell = _cell(path, row, text) * style.length
                if reading.selection.keeps({**_settings(text, style), **frame_labels(cell, ())}):
                    frames.append(_frame(row, cell, text, style, reading).checked(where))
        return frames


def _last_row(path: Path, block: re.Match[str], text: str) -> Row:
    names = block.group(0).splitlines()[0].lower().split()
    rows = [line.split() for line in block.group(1).splitlines() if re.match(r"^\s*\d+\s", line)]
    if not rows:
        raise DataError(f"{path}: found a thermo table without rows; needed one; is the log damaged?")
    return _row(path, names, rows[-1], block, text)


def _row(path: Path, names: list[str], words: list[str], block: re.Match[str], text: str) -> Row:
    if len(words) != len(names):
        raise DataError(f"{path}: found a thermo row of {len(words)} numbers, needed {len(names)}; is it damaged?")
    missing = [name for name in _PRESSURES if name not in names]
    if missing:
        raise DataError(f"{path}: found no {' '.join(missing)} in the thermo output; needed all pressures; {_ADVICE}")
    value = {name: float(word) for name, word in zip(names, words, strict=True)}
    minimised = bool(re.search(r"^\s*Minimization stats:", text[block.end() : block.end() + 600], re.MULTILINE))
    atoms = int(block.group(2)) if block.group(2) else None
    return Row(value, block.start(), atoms, minimised)


def _cell(path: Path, row: Row, text: str) -> Float[np.ndarray, "3 3"]:
    """The cell of a thermo row; the tilt of a triclinic one from the line that stated the box last before the table."""
    missing = [name for name in _LENGTHS if name not in row.value]
    if missing:
        raise DataError(f"{path}: found no {' '.join(missing)} in the thermo output; needed the cell; {_ADVICE}")
    lx, ly, lz = (row.value[name] for name in _LENGTHS)
    boxes = list(_BOX.finditer(text, 0, row.place))
    if any("general" in match.group(1) for match in boxes):
        raise DataError(
            f"{path}: found a general triclinic box, whose thermo output is that of a turned cell; needed a restricted one, or a dump"
        )
    if all(name in row.value for name in _TILTS):
        xy, xz, yz = (row.value[name] for name in _TILTS)
        return restricted_cell(lx, ly, lz, xy, xz, yz)
    return restricted_cell(lx, ly, lz, *_stated_tilt(path, boxes, [lx, ly, lz], text))


def _stated_tilt(path: Path, boxes: list[re.Match[str]], lengths: list[float], text: str) -> tuple[float, float, float]:
    needed = f"needed xy xz yz in the thermo output; {_ADVICE}"
    if not boxes:
        raise DataError(f"{path}: found no tilt in the thermo output and no line that states the box; {needed}")
    last = boxes[-1]
    if last.group(1) == "orthogonal":
        return (0.0, 0.0, 0.0)
    if _CHANGES_TILT.search(text):
        raise DataError(f"{path}: found a triclinic box whose tilt a fix changes during the run; {needed}")
    low, high = (np.array(group.split(), dtype=np.float64) for group in last.group(2, 3))
    if np.abs((high - low) / lengths - 1).max() > _SAME_LENGTH:
        raise DataError(
            f"{path}: found the lengths {lengths} in the thermo output, but a box of {(high - low).tolist()} in the line before it, so "
            f"that its tilt may have changed too; {needed}"
        )
    if last.group(4) is None:
        raise DataError(f"{path}: found a triclinic box without its tilt; {needed}")
    xy, xz, yz = (float(word) for word in last.group(4, 5, 6))
    return (xy, xz, yz)


def _frame(row: Row, cell: Float[np.ndarray, "3 3"], text: str, style: Style, reading: Reading) -> Frame:
    reading.require_native("the log", _unit_name(style), "pressure")
    value = row.value
    xx, yy, zz, yz, xz, xy = (-style.pressure * value[name] for name in _PRESSURES)
    energy = value.get("poteng", value.get("pe"))
    temperature = value.get("temp")
    version = re.search(r"^LAMMPS \(([^)]*)\)", text, re.MULTILINE)
    return Frame(
        cell,
        np.array([[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]]),
        energy=None if energy is None else _whole_energy(energy, row, text, style) * style.energy,
        ions="relaxed" if row.minimised else "clamped" if not temperature else None,
        temperature=temperature or None,
        code=f"LAMMPS ({version.group(1)})" if version else "LAMMPS",
        settings=_settings(text, style),
    )


def _unit_name(style: Style) -> str:
    return {"metal": "bar", "real": "atm", "si": "Pa", "electron": "Pa"}.get(style.name, "GPa")


def _whole_energy(energy: float, row: Row, text: str, style: Style) -> float:
    """The energy of the cell: thermo output is per atom in units lj, or after ``thermo_modify norm yes``."""
    stated = re.findall(r"^[ \t]*thermo_modify\b[^\n]*\bnorm[ \t]+(yes|no|on|off)", text[: row.place], re.MULTILINE)
    averaged = stated[-1] in ("yes", "on") if stated else style.averages_energy
    if averaged and row.atoms is None:
        raise DataError(
            "found an energy per atom without the number of atoms ('Loop time of ... with N atoms'); needed it; is the log damaged?"
        )
    return energy * (row.atoms or 1) if averaged else energy


def _settings(text: str, style: Style) -> Fields:
    found: Fields = {"units": style.name}
    for name in ("pair_style", "pair_coeff", "min_style"):
        lines = re.findall(rf"^\s*{name}\s+(.*)$", text, re.MULTILINE)
        if lines:
            found[name] = lines[-1].strip()
    return found


def join_log_and_dump(log: Path, dump: Path, reading: Reading) -> list[Frame]:
    """Pressures and energies of a log at the timesteps of a dump, which holds the cells.

    Raises
    ------
    DataError
        No row of the log is at a timestep of the dump, or one of the files is damaged.
    """
    text = read_whole_text(log, "log of LAMMPS", reading.assume)
    with parsing(log, "log of LAMMPS"):
        style = style_of(log, text, reading)
        cells = dump_cells(dump)
        frames: list[Frame] = []
        for block in _BLOCK.finditer(text):
            names = block.group(0).splitlines()[0].lower().split()
            for line in block.group(1).splitlines():
                words = line.split()
                if len(words) == len(names) and words[0].isdigit() and int(words[0]) in cells:
                    row = _row(log, names, words, block, text)
                    cell = cells[int(words[0])] * style.length
                    if reading.selection.keeps({**_settings(text, style), **frame_labels(cell, ())}):
                        frame = _frame(row, cell, text, style, reading)
                        frames.append(replace(frame, ions=None).checked(f"{log}: row {len(frames)}"))
        if not frames and not reading.selection.left_out:
            raise DataError(f"{log}: found no thermo row at a timestep of {dump}; needed the same steps in both")
        return frames
