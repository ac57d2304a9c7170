"""LAMMPS: text dumps with the cell, whose atoms carry their stress.

``compute stress/atom`` writes the negative of the per-atom pressure times the volume: its sum over V is the stress, tension positive.
The bounds in a dump enclose a restricted triclinic cell with the rows (lx 0 0), (xy ly 0), (xz yz lz) (LAMMPS documentation: dump,
compute stress/atom, Howto triclinic).
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
from jaxtyping import Float

from constitutive.errors import DataError
from constitutive.readers.frames import Frame
from constitutive.readers.guard import MAX_FRAMES, parsing, read_whole_text
from constitutive.readers.lammps_units import Style, style_of
from constitutive.readers.reading import Reading
from constitutive.readers.selection import frame_labels
from constitutive.tensors.components import ORDERS, matrices_of

Columns = dict[str, list[str]]


def restricted_cell(lx: float, ly: float, lz: float, xy: float, xz: float, yz: float) -> Float[np.ndarray, "3 3"]:
    """Rows of LAMMPS's restricted triclinic cell from its lengths and tilt factors."""
    return np.array([[lx, 0, 0], [xy, ly, 0], [xz, yz, lz]])


def read_dump(path: Path, reading: Reading) -> list[Frame]:
    """Every chosen frame of a text dump whose atoms carry their stress (``compute stress/atom``: six columns ``c_ID[1..6]``).

    The chemical symbols come from a column ``element`` or from the option `symbols`; the units from ``dump_modify units yes`` or the
    option `lammps_units`.

    Raises
    ------
    DataError
        A frame is incomplete, or lacks the stress.
    """
    text = read_whole_text(path, "dump of LAMMPS", reading.assume)
    with parsing(path, "dump of LAMMPS"):
        style = style_of(path, text, reading)
        reading.require_native(str(path), {"metal": "bar", "real": "atm"}.get(style.name, "GPa"), "tension")
        pieces = re.split(r"^ITEM: TIMESTEP\n", text, flags=re.MULTILINE)
        if len(pieces) > MAX_FRAMES:
            raise DataError(f"{path}: found {len(pieces)} frames, needed at most {MAX_FRAMES}")
        pieces = [piece for piece in pieces if re.match(r"\d+\n", piece)]
        if not pieces:
            raise DataError(f"{path}: found no frame; needed 'ITEM: TIMESTEP'; is it a text dump?")
        frames: list[Frame] = []
        for index, piece in enumerate(pieces):
            where = f"{path}: frame {index}"
            with reading.attempt(where):
                frame = _frame(path, index, piece, style, reading.options.symbols)
                if reading.selection.keeps(frame_labels(frame.cell, frame.species)):
                    frames.append(frame.checked(where))
        return frames


def dump_cells(path: Path) -> dict[int, Float[np.ndarray, "3 3"]]:
    """Cell of every timestep in a text dump, in its own unit of length."""
    text = read_whole_text(path, "dump of LAMMPS")
    with parsing(path, "dump of LAMMPS"):
        pieces = [piece for piece in re.split(r"^ITEM: TIMESTEP\n", text, flags=re.MULTILINE) if re.match(r"\d+\n", piece)]
        return {int(piece.split("\n", 1)[0]): _bounds(path, piece) for piece in pieces}


def _bounds(path: Path, piece: str) -> Float[np.ndarray, "3 3"]:
    found = re.search(r"^ITEM: BOX BOUNDS([^\n]*)\n((?:[^\n]+\n){3})", piece, re.MULTILINE)
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
    return restricted_cell(lx, ly, lz, xy, xz, yz)


def _frame(path: Path, index: int, piece: str, style: Style, symbols: tuple[str, ...]) -> Frame:
    box = _bounds(path, piece)  # in the dump's own unit of length
    counted = re.search(r"^ITEM: NUMBER OF ATOMS\n(\d+)", piece, re.MULTILINE)
    count = int(counted.group(1)) if counted else -1
    header, _, body = piece.partition("ITEM: ATOMS ")[2].partition("\n")
    names, rows = header.split(), [line.split() for line in body.splitlines() if line.strip()]
    if len(rows) != count or any(len(row) != len(names) for row in rows):
        raise DataError(f"{path}: frame {index}: found {len(rows)} whole atoms, needed {count}; is the dump cut off?")
    column = {name: [row[k] for row in rows] for k, name in enumerate(names)}
    order = np.argsort(np.array(column["id"], dtype=int)) if "id" in column else np.arange(count)
    stress = _summed_stress(path, column, box, style)
    positions = _columns(column, ("x", "y", "z")) if "x" in column else _columns(column, ("xu", "yu", "zu"))
    scaled = _columns(column, ("xs", "ys", "zs"))
    frac = scaled if scaled is not None else None if positions is None else positions @ np.linalg.inv(box)
    forces = _columns(column, ("fx", "fy", "fz"))
    energies = [np.array(v, dtype=np.float64) for k, v in column.items() if re.fullmatch(r"c_\w*(pe|energy)\w*", k)]
    return Frame(
        box * style.length,
        stress,
        _species(column, symbols, order),
        None if frac is None else frac[order],
        float(energies[0].sum()) * style.energy if energies else None,
        None if forces is None else forces[order] * style.force,
        code="LAMMPS",
        settings={"units": style.name},
    )


def _columns(column: Columns, names: tuple[str, ...]) -> Float[np.ndarray, "atoms 3"] | None:
    if not all(name in column for name in names):
        return None
    return np.stack([np.array(column[name], dtype=np.float64) for name in names], 1)


def _summed_stress(path: Path, column: Columns, box: Float[np.ndarray, "3 3"], style: Style) -> Float[np.ndarray, "3 3"]:
    stems = {m.group(1) for m in (re.fullmatch(r"(c_\w+)\[6\]", name) for name in column) if m}
    if len(stems) != 1:
        raise DataError(
            f"{path}: found {len(stems)} per-atom stresses (columns c_ID[1] to c_ID[6]); needed one, or the log beside the dump; use "
            "compute s all stress/atom NULL and dump c_s[*], or give log and dump together"
        )
    (stem,) = stems
    six = [np.array(column[f"{stem}[{k}]"], dtype=np.float64).sum() for k in range(1, 7)]
    return matrices_of(np.array([six]) * style.pressure / abs(np.linalg.det(box)), ORDERS["LAMMPS"])[0]


def _species(column: Columns, symbols: tuple[str, ...], order: np.ndarray) -> tuple[str, ...]:
    if "element" in column:
        return tuple(column["element"][i] for i in order)
    if symbols and "type" in column:
        types = [int(column["type"][i]) for i in order]
        if max(types) > len(symbols) or min(types) < 1:
            raise DataError(f"found atom type {max(types)}, needed a symbol for each; give --symbols for all types")
        return tuple(symbols[t - 1] for t in types)
    return ()
