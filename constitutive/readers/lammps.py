"""LAMMPS: log files with the cell in the thermo output, and text dumps with the cell, in ``units metal`` or ``real``.

Pressure is positive in compression: bar in metal, atm in real; energies are in eV or kcal/mol, forces in eV/Å or
kcal/mol/Å.
``compute stress/atom`` writes the negative of the per-atom pressure times the volume: its sum over V is the stress,
tension
positive. A restricted triclinic cell has the rows (lx 0 0), (xy ly 0), (xz yz lz); the bounds in a dump enclose it
(LAMMPS documentation: thermo_style, units, compute stress/atom, Howto triclinic).
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from constitutive.data.units import KCAL_PER_MOL, pressure_factor
from constitutive.errors import DataError
from constitutive.readers.frames import Frame
from constitutive.readers.guard import MAX_FRAMES, parsing, read_whole_text
from constitutive.tensors.components import ORDERS, matrices_of

PRESSURE = {"metal": pressure_factor("bar"), "real": pressure_factor("atm")}
ENERGY = {"metal": 1.0, "real": KCAL_PER_MOL}
_BLOCK = re.compile(r"^(?: {0,3}Step\b[^\n]*)\n((?:[^\n]*\n)*?)Loop time of", re.M)
_STARTED = re.compile(r"^ {0,3}Step\b[^\n]*$", re.M)
_CELL = ("lx", "ly", "lz")
_PRESSURES = ("pxx", "pyy", "pzz", "pyz", "pxz", "pxy")


def unit_style(path: Path, text: str, given: str | None = None) -> str:
    """The unit style: as given, or from the ``units`` command or the line "Unit style" of the log.

    Raises
    ------
    DataError
        It is not to be found, or neither metal nor real.
    """
    found = re.findall(r"^\s*(?:units\s+|Unit style\s*:\s*)(\w+)", text, re.M)
    style = given or (found[-1] if found else "")
    if style not in PRESSURE:
        raise DataError(f"{path}: found units {style!r}; needed 'metal' or 'real'; say which by --lammps-units")
    return style


def read_log(path: Path, *, units: str | None = None) -> list[Frame]:
    """The last thermo row of every run or minimisation in a log.

    Raises
    ------
    DataError
        The log is cut off, its thermo output lacks the cell (lx ly lz) or the six pressures, or a row is damaged.
    """
    text = read_whole_text(path, "log of LAMMPS")
    if "Total wall time:" not in text:
        raise DataError(f"{path}: found no 'Total wall time' at the end; needed a finished run; is the log cut off?")
    with parsing(path, "log of LAMMPS"):
        style = unit_style(path, text, units)
        blocks = list(_BLOCK.finditer(text))
        if not blocks or len(blocks) != len(_STARTED.findall(text)):
            raise DataError(f"{path}: found {len(blocks)} complete thermo tables; needed all that were begun; is the log damaged?")
        return [_frame_of_row(path, block, text, style).checked(f"{path}: table {i}") for i, block in enumerate(blocks)]


def _frame_of_row(path: Path, block: re.Match, text: str, style: str) -> Frame:
    names = [word.lower() for word in block.group(0).splitlines()[0].split()]
    rows = [line.split() for line in block.group(1).splitlines() if re.match(r"^\s*\d+\s", line)]
    missing = [name for name in (*_CELL, *_PRESSURES) if name not in names]
    if missing:
        raise DataError(
            f"{path}: found no {' '.join(missing)} in the thermo output; needed the cell and all pressures; use "
            "thermo_style custom step temp pe lx ly lz xy xz yz pxx pyy pzz pxy pxz pyz"
        )
    if not rows or len(rows[-1]) != len(names):
        raise DataError(f"{path}: found a thermo row of {len(rows[-1]) if rows else 0} numbers, needed {len(names)}; is it damaged?")
    value = {name: float(word) for name, word in zip(names, rows[-1], strict=True)}
    cell = _cell(*(value[n] for n in _CELL), *(value.get(n, 0.0) for n in ("xy", "xz", "yz")))
    xx, yy, zz, yz, xz, xy = (-PRESSURE[style] * value[name] for name in _PRESSURES)
    energy = value.get("poteng", value.get("pe"))
    minimised = bool(re.search(r"^\s*Minimization stats:", text[block.end() : block.end() + 600], re.M))
    temperature = value.get("temp")
    version = re.search(r"^LAMMPS \(([^)]*)\)", text, re.M)
    return Frame(
        cell,
        np.array([[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]]),
        energy=None if energy is None else energy * ENERGY[style],
        ions="relaxed" if minimised else "clamped" if not temperature else None,
        temperature=temperature or None,
        code=f"LAMMPS ({version.group(1)})" if version else "LAMMPS",
        settings=_settings(text, style),
    )


def _settings(text: str, style: str) -> dict[str, Any]:
    found: dict[str, Any] = {"units": style}
    for name in ("pair_style", "pair_coeff", "min_style"):
        lines = re.findall(rf"^\s*{name}\s+(.*)$", text, re.M)
        if lines:
            found[name] = lines[-1].strip()
    return found


def _cell(lx: float, ly: float, lz: float, xy: float, xz: float, yz: float) -> np.ndarray:
    return np.array([[lx, 0, 0], [xy, ly, 0], [xz, yz, lz]])


def read_dump(path: Path, *, units: str | None = None, symbols: tuple[str, ...] = ()) -> list[Frame]:
    """Every frame of a text dump whose atoms carry their stress (``compute stress/atom``: six columns ``c_ID[1..6]``).

    Parameters
    ----------
    units : str
        "metal" or "real"; a dump says it only where ``dump_modify units yes`` was given.
    symbols : tuple of str
        Chemical symbols of the types 1, 2, ..., where the dump has no column ``element``.

    Raises
    ------
    DataError
        A frame is incomplete, or lacks the stress.
    """
    text = read_whole_text(path, "dump of LAMMPS")
    with parsing(path, "dump of LAMMPS"):
        stated = re.search(r"ITEM: UNITS\n(\w+)", text)
        style = unit_style(path, "", units or (stated.group(1) if stated else None))
        pieces = re.split(r"^ITEM: TIMESTEP\n", text, flags=re.M)
        if len(pieces) > MAX_FRAMES:
            raise DataError(f"{path}: found {len(pieces)} frames, needed at most {MAX_FRAMES}")
        pieces = [piece for piece in pieces if re.match(r"\d+\n", piece)]
        if not pieces:
            raise DataError(f"{path}: found no frame; needed 'ITEM: TIMESTEP'; is it a text dump?")
        return [_frame_of_dump(path, i, p, style, symbols).checked(f"{path}: frame {i}") for i, p in enumerate(pieces)]


def dump_cells(path: Path) -> dict[int, np.ndarray]:
    """Cell of every timestep in a text dump."""
    text = read_whole_text(path, "dump of LAMMPS")
    with parsing(path, "dump of LAMMPS"):
        pieces = [piece for piece in re.split(r"^ITEM: TIMESTEP\n", text, flags=re.M) if re.match(r"\d+\n", piece)]
        return {int(piece.split("\n", 1)[0]): _bounds(path, piece) for piece in pieces}


def _bounds(path: Path, piece: str) -> np.ndarray:
    found = re.search(r"^ITEM: BOX BOUNDS([^\n]*)\n((?:[^\n]+\n){3})", piece, re.M)
    if found is None:
        raise DataError(f"{path}: found no whole 'ITEM: BOX BOUNDS'; needed the cell in every frame")
    numbers = np.array([line.split() for line in found.group(2).splitlines()], dtype=np.float64)
    if "abc origin" in found.group(1):
        return numbers[:, :3]
    xy, xz, yz = numbers[:, 2] if numbers.shape[1] == 3 else np.zeros(3)
    low, high = numbers[:, 0].copy(), numbers[:, 1].copy()
    low -= [min(0, xy, xz, xy + xz), min(0, yz), 0]
    high -= [max(0, xy, xz, xy + xz), max(0, yz), 0]
    lx, ly, lz = high - low
    return _cell(lx, ly, lz, xy, xz, yz)


def _frame_of_dump(path: Path, index: int, piece: str, style: str, symbols: tuple[str, ...]) -> Frame:
    cell = _bounds(path, piece)
    counted = re.search(r"^ITEM: NUMBER OF ATOMS\n(\d+)", piece, re.M)
    count = int(counted.group(1)) if counted else -1
    header, _, body = piece.partition("ITEM: ATOMS ")[2].partition("\n")
    names, rows = header.split(), [line.split() for line in body.splitlines() if line.strip()]
    if len(rows) != count or any(len(row) != len(names) for row in rows):
        raise DataError(f"{path}: frame {index}: found {len(rows)} whole atoms, needed {count}; is the dump cut off?")
    column = {name: [row[k] for row in rows] for k, name in enumerate(names)}
    order = np.argsort(np.array(column["id"], dtype=int)) if "id" in column else np.arange(count)
    stress = _summed_stress(path, column, cell, style)
    positions = _columns(column, ("x", "y", "z")) if "x" in column else _columns(column, ("xu", "yu", "zu"))
    scaled = _columns(column, ("xs", "ys", "zs"))
    frac = scaled if scaled is not None else None if positions is None else positions @ np.linalg.inv(cell)
    forces = _columns(column, ("fx", "fy", "fz"))
    energies = [np.array(v, dtype=np.float64) for k, v in column.items() if re.fullmatch(r"c_\w*(pe|energy)\w*", k)]
    return Frame(
        cell,
        stress,
        _species(column, symbols, order),
        None if frac is None else frac[order],
        float(energies[0].sum()) * ENERGY[style] if energies else None,
        None if forces is None else forces[order] * ENERGY[style],
        code="LAMMPS",
        settings={"units": style},
    )


def _columns(column: dict[str, list[str]], names: tuple[str, ...]) -> np.ndarray | None:
    if not all(name in column for name in names):
        return None
    return np.stack([np.array(column[name], dtype=np.float64) for name in names], 1)


def _summed_stress(path: Path, column: dict[str, list[str]], cell: np.ndarray, style: str) -> np.ndarray:
    stems = {m.group(1) for m in (re.fullmatch(r"(c_\w+)\[6\]", name) for name in column) if m}
    if len(stems) != 1:
        raise DataError(
            f"{path}: found {len(stems)} per-atom stresses (columns c_ID[1] to c_ID[6]); needed one, or the log "
            "beside the dump; use "
            "compute s all stress/atom NULL and dump c_s[*], or give log and dump together"
        )
    (stem,) = stems
    six = [np.array(column[f"{stem}[{k}]"], dtype=np.float64).sum() for k in range(1, 7)]
    stress = np.array([six]) * PRESSURE[style] / abs(np.linalg.det(cell))
    return matrices_of(stress, ORDERS["LAMMPS"])[0]


def _species(column: dict[str, list[str]], symbols: tuple[str, ...], order: np.ndarray) -> tuple[str, ...]:
    if "element" in column:
        return tuple(column["element"][i] for i in order)
    if symbols and "type" in column:
        types = [int(column["type"][i]) for i in order]
        if max(types) > len(symbols) or min(types) < 1:
            raise DataError(f"found atom type {max(types)}, needed a symbol for each; give --symbols for all types")
        return tuple(symbols[t - 1] for t in types)
    return ()


def join_log_and_dump(log: Path, dump: Path, *, units: str | None = None) -> list[Frame]:
    """Pressures and energies of a log at the timesteps of a dump, which holds the cells.

    Raises
    ------
    DataError
        No row of the log is at a timestep of the dump, or one of the files is damaged.
    """
    text = read_whole_text(log, "log of LAMMPS")
    with parsing(log, "log of LAMMPS"):
        style = unit_style(log, text, units)
        cells = dump_cells(dump)
        frames = []
        for block in _BLOCK.finditer(text):
            names = [word.lower() for word in block.group(0).splitlines()[0].split()]
            for line in block.group(1).splitlines():
                words = line.split()
                if len(words) == len(names) and words[0].isdigit() and int(words[0]) in cells:
                    frames.append(_joined(log, names, line, cells[int(words[0])], text, style))
        if not frames:
            raise DataError(f"{log}: found no thermo row at a timestep of {dump}; needed the same steps in both")
        return [frame.checked(f"{log}: row {i}") for i, frame in enumerate(frames)]


def _joined(log: Path, names: list[str], line: str, cell: np.ndarray, text: str, style: str) -> Frame:
    header = " ".join(["Step", *names[1:], "lx", "ly", "lz"])
    fake = _BLOCK.match(f"{header}\n{line} 1 1 1\nLoop time of")
    if fake is None:
        raise DataError(f"{log}: found a damaged thermo row {line!r}")
    return replace(_frame_of_row(log, fake, text, style), cell=cell, ions=None)
