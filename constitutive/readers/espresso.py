"""Quantum ESPRESSO: the output of ``pw.x`` and its XML (``prefix.xml``, ``data-file-schema.xml``).

Both write the stress with pressure positive: the text in kbar (and Ry/bohr³), the XML in Ha/bohr³. Energies are in Ry
and
Ha, forces in Ry/bohr and Ha/bohr (PWscf User's Guide; qes.xsd, the XML schema of Quantum ESPRESSO).
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from constitutive.data.units import BOHR, HARTREE, RYDBERG, pressure_factor
from constitutive.errors import DataError
from constitutive.readers.frames import Frame
from constitutive.readers.guard import parse_xml, parsing, read_whole_text

_NUMBER = r"([-+]?\d+\.?\d*(?:[EeDd][-+]?\d+)?)"
_THREE = rf"\s*{_NUMBER}\s+{_NUMBER}\s+{_NUMBER}\s*"
_STRESS = re.compile(rf"total\s+stress\s+\(Ry/bohr\*\*3\)\s+\(kbar\)\s+P=\s*{_NUMBER}\s*\n((?:(?:\s*{_NUMBER}){{6}}\s*\n){{3}})")
_ENERGY = re.compile(rf"^!\s+total energy\s+=\s*{_NUMBER} Ry", re.M)
_FORCE = re.compile(rf"^\s+atom\s+(\d+)\s+type\s+\d+\s+force =\s*{_NUMBER}\s+{_NUMBER}\s+{_NUMBER}", re.M)
_POSITIONS = re.compile(r"^ATOMIC_POSITIONS[ ({]*(\w+)[^\n]*\n((?:[A-Za-z]{1,2}\d*\w*(?:\s+[-+\d.EeDd]+){3,6}[ \t]*\n)+)", re.M)
_CELL = re.compile(rf"^CELL_PARAMETERS[ ({{]*(\w+)(?:\s*=\s*{_NUMBER})?[^\n]*\n((?:(?:\s*{_NUMBER}){{3}}[ \t]*\n){{3}})", re.M)


def read_output(path: Path) -> list[Frame]:
    """The final state of a ``pw.x`` run, from its text output.

    Raises
    ------
    DataError
        The run did not finish, did not converge, or printed no stress.
    """
    text = read_whole_text(path, "pw.x output")
    if "JOB DONE." not in text:
        raise DataError(f"{path}: found no 'JOB DONE.' at the end; needed a finished run; is the output cut off?")
    if "convergence NOT achieved" in text:
        raise DataError(f"{path}: found 'convergence NOT achieved'; needed a converged run; increase electron_maxstep")
    with parsing(path, "pw.x output"):
        return [_frame_of_output(path, text).checked(str(path))]


def _frame_of_output(path: Path, text: str) -> Frame:
    stresses = list(_STRESS.finditer(text))
    energies = _ENERGY.findall(text)
    if not stresses or not energies:
        raise DataError(f"{path}: found {len(stresses)} stresses and {len(energies)} energies; needed both; set tstress = .true.")
    stress = _matrix(stresses[-1].group(2), 6)[:, 3:] * -0.1
    if abs(float(stresses[-1].group(1)) * -0.1 - np.trace(stress) / 3) > 0.02:
        raise DataError(f"{path}: found a stress whose trace is not its pressure; needed both; is the file damaged?")
    alat = float(_one(path, text, rf"celldm\(1\)=\s*{_NUMBER}")) * BOHR
    cell, frac, species = _geometry(path, text, alat)
    relaxed = "End of BFGS Geometry Optimization" in text or "bfgs converged" in text
    energy = float(energies[-1]) * RYDBERG
    forces = _forces(text, len(species))
    if relaxed and "bfgs converged" not in text:
        raise DataError(f"{path}: found a relaxation that did not converge; needed 'bfgs converged'; continue the run")
    version = re.search(r"Program PWSCF v\.(\S+)", text)
    settings = _settings(text)
    return Frame(
        cell,
        stress,
        species,
        frac,
        energy,
        forces,
        "relaxed" if relaxed else "clamped",
        code=f"Quantum ESPRESSO {version.group(1) if version else ''} pw.x",
        settings=settings,
    )


def _one(path: Path, text: str, pattern: str) -> str:
    found = re.search(pattern, text)
    if found is None:
        raise DataError(f"{path}: found nothing like {pattern.split(chr(92))[0]!r}; needed pw.x output; is it damaged?")
    return found.group(1)


def _matrix(text: str, columns: int) -> Float[np.ndarray, "n m"]:
    return np.array([float(word.replace("D", "E")) for word in text.split()]).reshape(-1, columns)


def _geometry(path: Path, text: str, alat: float) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    axes = re.findall(rf"a\([123]\) = \({_THREE}\)", text)
    sites = re.findall(rf"^\s+\d+\s+([A-Z][A-Za-z]?)\w*\s+tau\(\s*\d+\) = \({_THREE}\)", text, re.M)
    count = int(_one(path, text, r"number of atoms/cell\s+=\s*(\d+)"))
    if len(axes) < 3 or len(sites) < count:
        raise DataError(f"{path}: found {len(axes)} lattice vectors and {len(sites)} of {count} atoms; needed all; is it damaged?")
    cell = np.array(axes[:3], dtype=np.float64) * alat
    first = np.array([site[1:] for site in sites[:count]], dtype=np.float64) * alat
    species = tuple(site[0] for site in sites[:count])
    changed = _CELL.findall(text)
    if changed:
        unit, scale, rows = changed[-1][0], changed[-1][1], changed[-1][2]
        cell = _matrix(rows, 3) * _length(path, unit, float(scale) * BOHR if scale else alat)
    frac = first @ np.linalg.inv(np.array(axes[:3], dtype=np.float64) * alat)
    moved = _POSITIONS.findall(text)
    if moved:
        unit, lines = moved[-1]
        numbers = np.array([line.split()[1:4] for line in lines.strip().splitlines()], dtype=np.float64)
        if len(numbers) != count:
            raise DataError(f"{path}: found {len(numbers)} positions, needed {count}; is the output damaged?")
        frac = numbers if unit == "crystal" else numbers * _length(path, unit, alat) @ np.linalg.inv(cell)
    return cell, frac, species


def _length(path: Path, unit: str, alat: float) -> float:
    table = {"angstrom": 1.0, "bohr": BOHR, "alat": alat}
    if unit not in table:
        raise DataError(f"{path}: found lengths in {unit!r}; needed angstrom, bohr, alat or crystal")
    return table[unit]


def _forces(text: str, count: int) -> np.ndarray | None:
    """The last block of total forces; a block of contributions follows it only at high verbosity."""
    start = text.rfind("Forces acting on atoms")
    found = _FORCE.findall(text[start:])[:count] if start >= 0 else []
    if len(found) != count:
        return None
    return np.array([row[1:] for row in found], dtype=np.float64) * RYDBERG / BOHR


def _settings(text: str) -> dict:
    patterns = {
        "ecutwfc_Ry": rf"kinetic-energy cutoff\s+=\s*{_NUMBER}",
        "ecutrho_Ry": rf"charge density cutoff\s+=\s*{_NUMBER}",
        "kpoints": r"number of k points=\s*(\d+)",
        "functional": r"Exchange-correlation=\s*(\S+)",
    }
    found = {key: re.search(pattern, text) for key, pattern in patterns.items()}
    return {key: _plain(match.group(1)) for key, match in found.items() if match}


def _plain(word: str) -> float | int | str:
    try:
        number = float(word)
    except ValueError:
        return word
    return int(number) if number.is_integer() and "." not in word else number


def read_xml(path: Path) -> list[Frame]:
    """The final state of a ``pw.x`` run, from its XML.

    Raises
    ------
    DataError
        The file is cut off, is no such XML, or holds no stress.
    """
    root = parse_xml(path, "XML of Quantum ESPRESSO")
    with parsing(path, "XML of Quantum ESPRESSO"):
        return [_frame_of_xml(path, root).checked(str(path))]


def _frame_of_xml(path: Path, root: Any) -> Frame:
    output = root.find("output")
    stress = None if output is None else output.find("stress")
    if output is None or stress is None:
        raise DataError(f"{path}: found no stress in <output>; needed one; set tstress = .true.")
    achieved = [e.text for e in root.iter("convergence_achieved")]
    if any((text or "").strip() != "true" for text in achieved[-1:]):
        raise DataError(f"{path}: found a run that did not converge; needed a converged one")
    structure = output.find("atomic_structure")
    cell = np.stack([_vector(structure.find(f"cell/a{i}")) for i in (1, 2, 3)]) * BOHR
    atoms = structure.findall("atomic_positions/atom")
    if len(atoms) != int(structure.get("nat")):
        raise DataError(f"{path}: found {len(atoms)} atoms, needed {structure.get('nat')}; is the file damaged?")
    positions = np.stack([_vector(atom) for atom in atoms]) * BOHR
    forces = output.find("forces")
    sigma = _vector(stress).reshape(3, 3).T * -pressure_factor("Ha/bohr^3")
    creator = root.find("general_info/creator")
    mode = (root.findtext("input/control_variables/calculation") or "").strip()
    return Frame(
        cell,
        (sigma + sigma.T) / 2,
        tuple(re.sub(r"[^A-Za-z].*", "", atom.get("name", "")) for atom in atoms),
        positions @ np.linalg.inv(cell),
        float(output.findtext("total_energy/etot")) * HARTREE,
        None if forces is None else _vector(forces).reshape(-1, 3) * HARTREE / BOHR,
        "relaxed" if mode in ("relax", "vc-relax") else "clamped",
        code=f"Quantum ESPRESSO {creator.get('VERSION') if creator is not None else ''} pw.x",
        settings=_settings_of_xml(output),
    )


def _vector(element: Any) -> np.ndarray:
    return np.array([float(word) for word in element.text.split()])


def _settings_of_xml(output: Any) -> dict:
    names = {"functional": "dft/functional", "ecutwfc_Ha": "basis_set/ecutwfc", "ecutrho_Ha": "basis_set/ecutrho"}
    found = {key: output.findtext(place) for key, place in names.items()}
    return {key: _plain(text.strip()) for key, text in found.items() if text}
