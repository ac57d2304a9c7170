"""VASP's OUTCAR: stress in kbar, pressure positive, in the order XX YY ZZ XY YZ ZX (VASP wiki: OUTCAR)."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
from jaxtyping import Float

from constitutive.errors import DataError
from constitutive.readers.frames import Fields, Frame
from constitutive.readers.guard import parsing, read_whole_text
from constitutive.readers.reading import Reading
from constitutive.readers.vasp_steps import KBAR, Run, Step
from constitutive.tensors.components import ORDERS, matrices_of

_NUMBER = r"[ \t]*([-+]?\d+\.\d+)"
_STRESS = re.compile(rf"in kB{_NUMBER * 6}")
_CELL = re.compile(rf"direct lattice vectors[^\n]*\n((?:(?:{_NUMBER}){{6}}[^\n]*\n){{3}})")
_ENERGY = re.compile(r"free  energy   TOTEN\s+=\s*([-+]?\d+\.\d+) eV")
_FORCES = "TOTAL-FORCE (eV/Angst)"
_ROW = re.compile(rf"^{_NUMBER * 6}(?:{_NUMBER})*[ \t]*$", re.MULTILINE)


def read_outcar(path: Path, reading: Reading) -> list[Frame]:
    """States of a VASP run from its OUTCAR: the last step of a static run or relaxation, every step of molecular dynamics.

    Raises
    ------
    DataError
        The run did not finish or converge, or there is no stress.
    """
    text = read_whole_text(path, "OUTCAR", reading.assume)
    if "General timing and accounting informations" not in text:
        raise DataError(f"{path}: found no timing at the end; needed a finished run; is the OUTCAR cut off?")
    if re.search(r"aborting loop EDIFF was not reached|EDIFF was not reached \(unconverged\)", text):
        raise DataError(f"{path}: found an electronic loop that did not converge; needed a converged run; increase NELM")
    with parsing(path, "OUTCAR"):
        return _run(path, text).frames(reading)


def _run(path: Path, text: str) -> Run:
    species = _species(path, text)
    version = re.search(r"^\s*vasp\.(\S+)", text, re.MULTILINE)
    cutoff = re.findall(r"ENCUT\s+=\s*(\d+\.\d+) eV", text)
    settings: Fields = {"ENCUT": float(cutoff[-1])} if cutoff else {}
    temperature = re.search(r"TEBEG\s*=\s*([\d.]+)", text)
    return Run(
        path,
        _steps(path, text, len(species)),
        species,
        _integer(path, text, "IBRION"),
        _integer(path, text, "NSW"),
        "reached required accuracy - stopping structural energy minimisation" in text,
        version.group(1) if version else "",
        settings,
        float(temperature.group(1)) if temperature else None,
    )


def _integer(path: Path, text: str, name: str) -> int:
    found = re.findall(rf"^\s*{name}\s*=\s*([-+]?\d+)", text, re.MULTILINE)
    if not found:
        raise DataError(f"{path}: found no {name}; needed the whole OUTCAR of a finished run")
    return int(found[-1])


def _species(path: Path, text: str) -> tuple[str, ...]:
    """One symbol for each ion, from VRHFIN, TITEL or the lines POTCAR: at the top, whichever the file has."""
    counts = re.findall(r"ions per type =((?:\s+\d+)+)", text)
    if not counts:
        raise DataError(f"{path}: found no 'ions per type'; needed the whole OUTCAR of a finished run")
    numbers = [int(word) for word in counts[-1].split()]
    lists = (
        re.findall(r"VRHFIN =\s*([A-Z][a-z]?)\s*:", text),
        re.findall(r"TITEL\s*=\s*\S+\s+([A-Z][a-z]?)(?=[\s_])", text),
        re.findall(r"POTCAR:\s+\S+\s+([A-Z][a-z]?)(?=[\s_])", text),
    )
    symbols = next((found for found in lists if len(found) >= len(numbers)), None)
    if symbols is None:
        raise DataError(f"{path}: found no species for {len(numbers)} kinds of ions; needed VRHFIN, TITEL or POTCAR: lines in the OUTCAR")
    return tuple(symbol for symbol, count in zip(symbols[: len(numbers)], numbers, strict=True) for _ in range(count))


def _steps(path: Path, text: str, count: int) -> list[Step]:
    """One step for each stress; its cell and positions follow it, and so does its energy."""
    if re.search(r"in kB[^\n]*\*\*", text):
        raise DataError(f"{path}: found a stress too large for its field (****); needed numbers; read vasprun.xml instead")
    starts = [match.start() for match in _STRESS.finditer(text)]
    if not starts:
        raise DataError(f"{path}: found no stress ('in kB'); needed the whole OUTCAR of a finished run; set ISIF >= 2")
    pieces = [text[start:end] for start, end in zip(starts, [*starts[1:], len(text)], strict=True)]
    energies = [[float(word) for word in _ENERGY.findall(piece)] for piece in pieces]
    if not energies[-1]:
        raise DataError(f"{path}: found no energy (TOTEN); needed the whole OUTCAR of a finished run")
    cell = _first_cell(text[: starts[0]], None)
    steps = []
    for piece, energy in zip(pieces, energies, strict=True):
        cell = _first_cell(piece, cell)
        if cell is None:
            raise DataError(f"{path}: found no 'direct lattice vectors'; needed the cell; is the OUTCAR damaged?")
        positions, forces = _positions(path, piece, count)
        frac = positions @ np.linalg.inv(cell)
        steps.append(Step(cell, frac, _stress(piece), energy[0] if energy else None, forces))
    return steps


def _stress(piece: str) -> Float[np.ndarray, "3 3"]:
    match = _STRESS.match(piece)
    if match is None:
        raise DataError("found no stress of six numbers after 'in kB'; needed one; is the OUTCAR damaged?")
    return matrices_of(np.array([match.groups()], dtype=np.float64) * KBAR, ORDERS["VASP"])[0]


def _first_cell(piece: str, before: Float[np.ndarray, "3 3"] | None) -> Float[np.ndarray, "3 3"] | None:
    """The first cell in a part of the file; where it prints none, that before it."""
    match = _CELL.search(piece)
    if match is None:
        return before
    rows = [re.findall(_NUMBER, line)[:3] for line in match.group(1).strip("\n").split("\n")]
    return np.array(rows, dtype=np.float64)


def _positions(path: Path, piece: str, count: int) -> tuple[Float[np.ndarray, "atoms 3"], Float[np.ndarray, "atoms 3"]]:
    """Cartesian positions and total forces; columns after them (``FORCE-w/o vdW``) are left out."""
    start = piece.find(_FORCES)
    body = piece[start:] if start >= 0 else ""
    rows = [re.findall(_NUMBER, match.group(0))[:6] for match in _ROW.finditer(body)][:count]
    if len(rows) != count:
        raise DataError(f"{path}: found {len(rows)} positions with forces, needed {count}; is the OUTCAR damaged?")
    numbers = np.array(rows, dtype=np.float64)
    return numbers[:, :3], numbers[:, 3:]
