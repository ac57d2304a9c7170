"""Quantum ESPRESSO: the text output of ``pw.x``.

The stress is printed with pressure positive, in Ry/bohr³ and in kbar; energies are in Ry, forces in Ry/bohr (PWscf User's Guide). A
run prints, for each state: energy, forces, stress, and only then the cell and the positions of the *next* state.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float

from constitutive.errors import DataError
from constitutive.readers.frames import Fields, Frame
from constitutive.readers.guard import parsing, read_whole_text
from constitutive.readers.reading import Reading
from constitutive.readers.selection import frame_labels
from constitutive.units import BOHR, RYDBERG

_NUMBER = r"([-+]?\d+\.?\d*(?:[EeDd][-+]?\d+)?)"
_THREE = rf"\s*{_NUMBER}\s+{_NUMBER}\s+{_NUMBER}\s*"
_STRESS = re.compile(rf"total\s+stress\s+\(Ry/bohr\*\*3\)\s+\(kbar\)\s+P=\s*{_NUMBER}\s*\n((?:(?:\s*{_NUMBER}){{6}}\s*\n){{3}})")
_ENERGY = re.compile(rf"^!\s+total energy\s+=\s*{_NUMBER} Ry", re.MULTILINE)
_FORCE = re.compile(rf"^\s+atom\s+(\d+)\s+type\s+\d+\s+force =\s*{_NUMBER}\s+{_NUMBER}\s+{_NUMBER}", re.MULTILINE)
_POSITIONS = re.compile(
    r"^ATOMIC_POSITIONS[ ({]*(\w+)[^\n]*\n((?:[A-Za-z]{1,2}\d*\w*(?:\s+[-+\d.EeDd]+){3}(?:[ \t]+[01]){0,3}[ \t]*\n)+)", re.MULTILINE
)
_CELL = re.compile(rf"^CELL_PARAMETERS[ ({{]*(\w+)(?:\s*=\s*{_NUMBER})?[^\n]*\n((?:(?:\s*{_NUMBER}){{3}}[ \t]*\n){{3}})", re.MULTILINE)
_DYNAMICS = re.compile(r"Entering Dynamics|Damped Dynamics Calculation|Molecular Dynamics Calculation|Damped Cell-?\s*Dynamics")
_PRESSURE_SLACK = 0.02  # GPa: the pressure is printed with two decimals of kbar


@dataclass(frozen=True)
class Geometry:
    """Cell (Å) and fractional coordinates from a place of the output on."""

    cell: Float[np.ndarray, "3 3"]
    frac: Float[np.ndarray, "atoms 3"]


def read_output(path: Path, reading: Reading) -> list[Frame]:
    """States of a ``pw.x`` run from its text output: the final one, or every one of dynamics, damped dynamics included.

    Raises
    ------
    DataError
        The run did not finish, did not converge, or printed no stress.
    """
    text = read_whole_text(path, "pw.x output", reading.assume)
    if "JOB DONE." not in text:
        raise DataError(f"{path}: found no 'JOB DONE.' at the end; needed a finished run; is the output cut off?")
    if "convergence NOT achieved" in text:
        raise DataError(f"{path}: found 'convergence NOT achieved'; needed a converged run; increase electron_maxstep")
    reading.require_native(str(path), "kbar", "pressure", "Ry/bohr^3")
    with parsing(path, "pw.x output"):
        return _frames(path, text, reading)


def _frames(path: Path, text: str, reading: Reading) -> list[Frame]:
    stresses, energies = list(_STRESS.finditer(text)), list(_ENERGY.finditer(text))
    if not stresses or not energies:
        raise DataError(f"{path}: found {len(stresses)} stresses and {len(energies)} energies; needed both; set tstress = .true.")
    species, geometry_at = _geometries(path, text)
    dynamics = _DYNAMICS.search(text) is not None
    relaxed = "End of BFGS Geometry Optimization" in text or "bfgs converged" in text or "BFGS Geometry Optimization" in text
    if relaxed and not dynamics and "bfgs converged" not in text:
        raise DataError(f"{path}: found a relaxation that did not converge; needed 'bfgs converged'; continue the run")
    chosen = stresses if dynamics else stresses[-1:]
    ions = None if dynamics else "relaxed" if relaxed else "clamped"
    if dynamics:
        reading.assume(f"{path}: {len(chosen)} steps of dynamics, ions neither relaxed nor clamped")
    version = re.search(r"Program PWSCF v\.(\S+)", text)
    settings = _settings(text)
    frames = []
    for index, match in enumerate(chosen):
        where = f"{path}: step {index}" if dynamics else str(path)
        geometry = geometry_at(match.start())
        if not reading.selection.keeps({**settings, **frame_labels(geometry.cell, species)}):
            continue
        frame = Frame(
            geometry.cell,
            _stress(path, match),
            species,
            geometry.frac,
            _energy_before(energies, match.start()),
            _forces_before(text, match.start(), len(species)),
            ions,
            code=f"Quantum ESPRESSO {version.group(1) if version else ''} pw.x",
            settings=settings,
        )
        frames.append(frame.checked(where))
    return frames


def _stress(path: Path, match: re.Match[str]) -> Float[np.ndarray, "3 3"]:
    stress = _matrix(match.group(2), 6)[:, 3:] * -0.1
    if abs(float(match.group(1)) * -0.1 - np.trace(stress) / 3) > _PRESSURE_SLACK:
        raise DataError(f"{path}: found a stress whose trace is not its pressure; needed both; is the file damaged?")
    return stress


def _energy_before(energies: list[re.Match[str]], place: int) -> float | None:
    """The last energy before a place, in eV."""
    index = bisect_left([match.start() for match in energies], place) - 1
    return float(energies[index].group(1)) * RYDBERG if index >= 0 else None


def _forces_before(text: str, place: int, count: int) -> Float[np.ndarray, "atoms 3"] | None:
    """The last block of total forces before a place, in eV/Å; a block of contributions follows it only at high verbosity."""
    start = text.rfind("Forces acting on atoms", 0, place)
    found = _FORCE.findall(text[start:place])[:count] if start >= 0 else []
    if len(found) != count:
        return None
    return np.array([row[1:] for row in found], dtype=np.float64) * RYDBERG / BOHR


def _one(path: Path, text: str, pattern: str) -> str:
    found = re.search(pattern, text)
    if found is None:
        raise DataError(f"{path}: found nothing like {pattern.split(chr(92))[0]!r}; needed pw.x output; is it damaged?")
    return found.group(1)


def _matrix(text: str, columns: int) -> Float[np.ndarray, "n m"]:
    return np.array([float(word.replace("D", "E")) for word in text.split()]).reshape(-1, columns)


def _geometries(path: Path, text: str) -> tuple[tuple[str, ...], Callable[[int], Geometry]]:
    """The species, and a function from a place in the output to the geometry printed last before it."""
    alat = float(_one(path, text, rf"celldm\(1\)=\s*{_NUMBER}")) * BOHR
    axes = re.findall(rf"a\([123]\) = \({_THREE}\)", text)
    sites = re.findall(rf"^\s+\d+\s+([A-Z][A-Za-z]?)\w*\s+tau\(\s*\d+\) = \({_THREE}\)", text, re.MULTILINE)
    count = int(_one(path, text, r"number of atoms/cell\s+=\s*(\d+)"))
    if len(axes) < 3 or len(sites) < count:
        raise DataError(f"{path}: found {len(axes)} lattice vectors and {len(sites)} of {count} atoms; needed all; is it damaged?")
    cell = np.array(axes[:3], dtype=np.float64) * alat
    frac = np.array([site[1:] for site in sites[:count]], dtype=np.float64) * alat @ np.linalg.inv(cell)
    changes: list[tuple[int, Geometry]] = [(0, Geometry(cell, frac))]
    events = sorted([*_CELL.finditer(text), *_POSITIONS.finditer(text)], key=lambda match: match.start())
    for match in events:
        if match.re is _CELL:
            scale = float(match.group(2)) * BOHR if match.group(2) else alat
            cell = _matrix(match.group(3), 3) * _length(path, match.group(1), scale)
        else:
            frac = _positions(path, match, count, alat, cell)
        changes.append((match.start(), Geometry(cell, frac)))
    places = [place for place, _ in changes]
    species = tuple(site[0] for site in sites[:count])
    return species, lambda place: changes[max(bisect_left(places, place) - 1, 0)][1]


def _positions(path: Path, match: re.Match[str], count: int, alat: float, cell: Float[np.ndarray, "3 3"]) -> Float[np.ndarray, "atoms 3"]:
    unit, lines = match.groups()
    numbers = np.array([line.split()[1:4] for line in lines.strip().splitlines()], dtype=np.float64)
    if len(numbers) != count:
        raise DataError(f"{path}: found {len(numbers)} positions, needed {count}; is the output damaged?")
    return numbers if unit == "crystal" else numbers * _length(path, unit, alat) @ np.linalg.inv(cell)


def _length(path: Path, unit: str, alat: float) -> float:
    table = {"angstrom": 1.0, "bohr": BOHR, "alat": alat}
    if unit not in table:
        raise DataError(f"{path}: found lengths in {unit!r}; needed angstrom, bohr, alat or crystal")
    return table[unit]


def _settings(text: str) -> Fields:
    patterns = {
        "ecutwfc_Ry": rf"kinetic-energy cutoff\s+=\s*{_NUMBER}",
        "ecutrho_Ry": rf"charge density cutoff\s+=\s*{_NUMBER}",
        "kpoints": r"number of k points=\s*(\d+)",
        "functional": r"Exchange-correlation=\s*(\S+)",
    }
    found = {key: re.search(pattern, text) for key, pattern in patterns.items()}
    return {key: plain_number(match.group(1)) for key, match in found.items() if match}


def plain_number(word: str) -> float | int | str:
    """A word as the number that it is, or as text."""
    try:
        number = float(word)
    except ValueError:
        return word
    return int(number) if number.is_integer() and "." not in word else number
