"""VASP's ``vasprun.xml``, through pymatgen."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, cast
from xml.etree.ElementTree import Element, ElementTree

import numpy as np

from constitutive.errors import DataError
from constitutive.readers.frames import Fields, Frame
from constitutive.readers.guard import MAX_FRAMES, parse_xml, parsing
from constitutive.readers.reading import Reading
from constitutive.readers.vasp_steps import KBAR, Run, Step

if TYPE_CHECKING:
    from pymatgen.io.vasp.outputs import Vasprun

_SETTINGS = ("ENCUT", "ENMAX", "EDIFF", "ISMEAR", "SIGMA", "PREC", "GGA", "ISIF")


def read_vasprun(path: Path, reading: Reading) -> list[Frame]:
    """States of a VASP run.

    The last step of a static run or relaxation, every step of molecular dynamics, every strained cell of finite differences
    (IBRION = 6, ISIF = 3).

    Raises
    ------
    DataError
        The file is cut off, is no vasprun.xml, did not converge, or holds no stress.
    """
    root = parse_xml(path, "vasprun.xml")  # entities and DTDs are refused before pymatgen reads the file
    if root.tag != "modeling":
        raise DataError(f"{path}: found XML of <{root.tag}>, needed <modeling> of VASP")
    with parsing(path, "vasprun.xml"):
        return _run(path, _parsed(path, root)).frames(reading)


def _parsed(path: Path, root: Element) -> Vasprun:
    """The run as pymatgen reads it; parameters that overflowed their field (``KINTER ******``) are left out."""
    if b"**" not in path.read_bytes():
        return _vasprun(path)
    for block in root.iter():
        for child in list(block):
            if (
                child.tag in ("i", "v")
                and "**" in (child.text or "")
                and block.tag in ("incar", "parameters", "separator", "kpoints", "generation")
            ):
                block.remove(child)
    with tempfile.TemporaryDirectory(prefix="constitutive-") as folder:
        plain = Path(folder) / "vasprun.xml"
        ElementTree(root).write(plain, encoding="ISO-8859-1", xml_declaration=True)
        return _vasprun(plain)


def _vasprun(path: Path) -> Vasprun:
    from pymatgen.io.vasp.outputs import Vasprun

    return Vasprun(
        str(path),
        parse_dos=False,
        parse_eigen=False,
        parse_projected_eigen=False,
        parse_potcar_file=False,
        exception_on_bad_xml=True,
    )


def _run(path: Path, run: Vasprun) -> Run:
    raw = [cast(Mapping[str, object], step) for step in run.ionic_steps]
    if len(raw) > MAX_FRAMES:
        raise DataError(f"{path}: found {len(raw)} steps, needed at most {MAX_FRAMES}")
    if raw and not run.converged_electronic:
        raise DataError(f"{path}: found an electronic loop that did not converge; needed a converged run; increase NELM")
    parameters = run.parameters
    settings: Fields = {name: parameters[name] for name in _SETTINGS if name in parameters}
    settings["kpoints"] = [[float(k) for k in cast(tuple[float, ...], row)] for row in run.kpoints.kpts][:1]
    return Run(
        path,
        [_step(run, step) for step in raw],
        tuple(str(symbol) for symbol in run.atomic_symbols),
        int(parameters.get("IBRION", -1)),
        int(parameters.get("NSW", 0)),
        bool(run.converged_ionic),
        str(run.vasp_version),
        settings,
        float(parameters["TEBEG"]) if "TEBEG" in parameters else None,
    )


def _step(run: Vasprun, step: Mapping[str, object]) -> Step:
    structure = step["structure"]
    stress, forces, energy = step.get("stress"), step.get("forces"), step.get("e_fr_energy")
    return Step(
        np.array(structure.lattice.matrix),  # type: ignore[attr-defined]  # pymatgen types its steps as plain dicts
        np.array(structure.frac_coords),  # type: ignore[attr-defined]  # as above
        None if stress is None else np.array(stress, dtype=np.float64) * KBAR,
        float(cast(float, run.final_energy if energy is None else energy)),
        None if forces is None else np.array(forces, dtype=np.float64),
    )
