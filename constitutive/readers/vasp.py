"""VASP: ``vasprun.xml`` and OUTCAR, through pymatgen.

VASP writes the stress in kbar with pressure positive, in OUTCAR in the order XX YY ZZ XY YZ ZX; energies in eV,
forces in
eV/Å (VASP wiki: vasprun.xml, OUTCAR).
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np

from constitutive.errors import DataError
from constitutive.readers.frames import Frame
from constitutive.readers.guard import MAX_FRAMES, parse_xml, parsing, read_whole_text
from constitutive.tensors.components import ORDERS, matrices_of

KBAR = -0.1  # to GPa, tension positive
_STATIC, _MD = -1, 0
_N = r"\s*([-+]?\d+\.\d+)"


def read_vasprun(path: Path) -> list[Frame]:
    """States of a VASP run: the last one of a static run or relaxation with fixed cell, every step of molecular dynamics.

    Raises
    ------
    DataError
        The file is cut off, is no vasprun.xml, did not converge electronically, or holds no stress.
    """
    root = parse_xml(path, "vasprun.xml")  # entities and DTDs are refused before pymatgen sees the file
    if root.tag != "modeling":
        raise DataError(f"{path}: found XML of <{root.tag}>, needed <modeling> of VASP")
    from pymatgen.io.vasp.outputs import Vasprun

    with parsing(path, "vasprun.xml"):
        run = Vasprun(
            str(path),
            parse_dos=False,
            parse_eigen=False,
            parse_projected_eigen=False,
            parse_potcar_file=False,
            exception_on_bad_xml=True,
        )
        steps = run.ionic_steps
        if not steps or "stress" not in steps[-1]:
            raise DataError(f"{path}: found no stress in the last step; needed one; set ISIF >= 2")
        if len(steps) > MAX_FRAMES:
            raise DataError(f"{path}: found {len(steps)} steps, needed at most {MAX_FRAMES}")
        if not run.converged_electronic:
            raise DataError(f"{path}: found an electronic loop that did not converge; needed a converged run; increase NELM")
        dynamics = int(run.parameters.get("IBRION", _STATIC)) == _MD and int(run.parameters.get("NSW", 0)) > 0
        chosen = [step for step in steps if "stress" in step] if dynamics else steps[-1:]
        return [_frame_of_step(run, step, dynamics).checked(f"{path}: step {i}") for i, step in enumerate(chosen)]


def _frame_of_step(run: Any, step: dict[str, Any], dynamics: bool) -> Frame:
    structure = step["structure"]
    parameters = run.parameters
    names = ("ENCUT", "ENMAX", "EDIFF", "ISMEAR", "SIGMA", "PREC", "GGA", "ISIF")
    moved = int(parameters.get("NSW", 0)) > 0 and int(parameters.get("IBRION", _STATIC)) > _MD
    if moved and not run.converged_ionic:
        raise DataError("found a relaxation that did not converge; needed a converged one; continue the run (NSW)")
    settings: dict[str, Any] = {name: parameters[name] for name in names if name in parameters}
    settings["kpoints"] = [list(map(float, k)) for k in run.kpoints.kpts][:1]
    return Frame(
        np.array(structure.lattice.matrix),
        np.array(step["stress"], dtype=np.float64) * KBAR,
        tuple(str(site.specie.symbol) for site in structure),
        np.array(structure.frac_coords),
        float(step.get("e_fr_energy", run.final_energy)),
        np.array(step["forces"], dtype=np.float64) if "forces" in step else None,
        None if dynamics else "relaxed" if moved else "clamped",
        float(parameters["TEBEG"]) if dynamics and "TEBEG" in parameters else None,
        f"VASP {run.vasp_version}",
        settings,
    )


def read_outcar(path: Path) -> list[Frame]:
    """The final state of a VASP run, from its OUTCAR.

    Raises
    ------
    DataError
        The run did not finish or converge, or there is no stress.
    """
    text = read_whole_text(path, "OUTCAR")
    if "General timing and accounting informations" not in text:
        raise DataError(f"{path}: found no timing at the end; needed a finished run; is the OUTCAR cut off?")
    with parsing(path, "OUTCAR"):
        return [_frame_of_outcar(path, text).checked(str(path))]


def _frame_of_outcar(path: Path, text: str) -> Frame:
    found = _patterns(path)
    for name, what in (
        ("stress", "stress ('in kB'); set ISIF >= 2"),
        ("energy", "energy (TOTEN)"),
        ("species", "species (VRHFIN)"),
    ):
        if not found.get(name):
            raise DataError(f"{path}: found no {what}; needed the whole OUTCAR of a finished run")
    stress = np.array([found["stress"][-1]], dtype=np.float64) * KBAR
    counts = [int(word) for word in found["counts"][-1][0].split()]
    symbols = [row[0] for row in found["species"]][: len(counts)]
    species = tuple(s for s, n in zip(symbols, counts, strict=True) for _ in range(n))
    cell = _last_cell(path, text)
    positions, forces = _last_positions(path, text, len(species))
    moved = int(found["nsw"][-1][0]) > 0 and int(found["ibrion"][-1][0]) > _MD
    if moved and "reached required accuracy - stopping structural energy minimisation" not in text:
        raise DataError(f"{path}: found a relaxation that did not converge; needed 'reached required accuracy'; continue the run")
    return Frame(
        cell,
        matrices_of(stress, ORDERS["VASP"])[0],
        species,
        positions @ np.linalg.inv(cell),
        float(found["energy"][-1][0]),
        forces,
        "relaxed" if moved else "clamped",
        code="VASP " + (found["version"][0][0] if found.get("version") else ""),
        settings={"ENCUT": float(found["encut"][-1][0])} if found.get("encut") else {},
    )


def _patterns(path: Path) -> dict[str, list[list[str]]]:
    """What pymatgen's pattern reader finds in an OUTCAR."""
    from pymatgen.io.vasp.outputs import Outcar

    reader = Outcar.__new__(Outcar)  # its constructor reads magnetisation, charges and more that a small run lacks
    reader.filename, reader.data = str(path), {}
    reader.read_pattern(
        {
            "stress": r"in kB" + r"\s+([-+]?\d+\.\d+)" * 6,
            "energy": r"free  energy   TOTEN\s+=\s*([-+]?\d+\.\d+) eV",
            "species": r"VRHFIN =\s*([A-Z][a-z]?)\s*:",
            "counts": r"ions per type =((?:\s+\d+)+)",
            "nsw": r"NSW\s+=\s*(\d+)",
            "ibrion": r"IBRION =\s*([-+]?\d+)",
            "encut": r"ENCUT\s+=\s*(\d+\.\d+) eV",
            "version": r"^\s*vasp\.(\S+)",
        }
    )
    return reader.data


def _last_cell(path: Path, text: str) -> np.ndarray:
    blocks = re.findall(rf"direct lattice vectors[^\n]*\n((?:(?:{_N}){{6}}[^\n]*\n){{3}})", text)
    if not blocks:
        raise DataError(f"{path}: found no 'direct lattice vectors'; needed the cell; is the OUTCAR damaged?")
    return np.array([line.split()[:3] for line in blocks[-1][0].strip().splitlines()], dtype=np.float64)


def _last_positions(path: Path, text: str, count: int) -> tuple[np.ndarray, np.ndarray]:
    start = text.rfind("TOTAL-FORCE (eV/Angst)")
    rows = re.findall(r"^" + r"\s+([-+]?\d+\.\d+)" * 6 + r"\s*$", text[start:], re.M)[:count] if start >= 0 else []
    if len(rows) != count:
        raise DataError(f"{path}: found {len(rows)} positions with forces, needed {count}; is the OUTCAR damaged?")
    numbers = np.array(rows, dtype=np.float64)
    return numbers[:, :3], numbers[:, 3:]
