"""Quantum ESPRESSO: the XML of ``pw.x`` (``prefix.xml``, ``data-file-schema.xml``).

The stress is in Ha/bohr³ with pressure positive, energies in Ha, forces in Ha/bohr (qes.xsd, the XML schema of Quantum ESPRESSO).
"""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree.ElementTree import Element

import numpy as np
from jaxtyping import Float

from constitutive.errors import DataError
from constitutive.readers.espresso_text import plain_number
from constitutive.readers.frames import Fields, Frame
from constitutive.readers.guard import parse_xml, parsing
from constitutive.readers.reading import Reading
from constitutive.readers.selection import frame_labels
from constitutive.units import BOHR, HARTREE, pressure_factor

_RELAXATIONS = ("relax", "vc-relax")


def read_xml(path: Path, reading: Reading) -> list[Frame]:
    """The final state of a ``pw.x`` run, from its XML.

    Raises
    ------
    DataError
        The file is cut off, is no such XML, holds no stress, or is of dynamics, whose final cell is not that of the stress.
    """
    root = parse_xml(path, "XML of Quantum ESPRESSO")
    reading.require_native(str(path), "Ha/bohr^3", "pressure")
    with parsing(path, "XML of Quantum ESPRESSO"):
        frame = _frame(path, root).checked(str(path))
        return [frame] if reading.selection.keeps({**frame.settings, **frame_labels(frame.cell, frame.species)}) else []


def _frame(path: Path, root: Element) -> Frame:
    output = root.find("output")
    stress = None if output is None else output.find("stress")
    if output is None or stress is None:
        raise DataError(f"{path}: found no stress in <output>; needed one; set tstress = .true.")
    achieved = [e.text for e in root.iter("convergence_achieved")]
    if any((text or "").strip() != "true" for text in achieved[-1:]):
        raise DataError(f"{path}: found a run that did not converge; needed a converged one")
    mode = _mode(path, root)
    structure = _child(path, output, "atomic_structure")
    cell = np.stack([_vector(_child(path, structure, f"cell/a{i}")) for i in (1, 2, 3)]) * BOHR
    atoms = structure.findall("atomic_positions/atom")
    if len(atoms) != int(structure.get("nat", "-1")):
        raise DataError(f"{path}: found {len(atoms)} atoms, needed {structure.get('nat')}; is the file damaged?")
    positions = np.stack([_vector(atom) for atom in atoms]) * BOHR
    forces = output.find("forces")
    sigma = _vector(stress).reshape(3, 3).T * -pressure_factor("Ha/bohr^3")
    creator = root.find("general_info/creator")
    return Frame(
        cell,
        (sigma + sigma.T) / 2,
        tuple(re.sub(r"[^A-Za-z].*", "", atom.get("name", "")) for atom in atoms),
        positions @ np.linalg.inv(cell),
        float(output.findtext("total_energy/etot", "nan")) * HARTREE,
        None if forces is None else _vector(forces).reshape(-1, 3) * HARTREE / BOHR,
        "relaxed" if mode in _RELAXATIONS else "clamped",
        code=f"Quantum ESPRESSO {creator.get('VERSION') if creator is not None else ''} pw.x",
        settings=_settings(output),
    )


def _mode(path: Path, root: Element) -> str:
    """The kind of calculation; dynamics are refused, since the XML keeps the structure of the step after the last stress."""
    mode = (root.findtext("input/control_variables/calculation") or "").strip()
    ions = (root.findtext("input/ion_control/ion_dynamics") or "bfgs").strip()
    cells = (root.findtext("input/cell_control/cell_dynamics") or "bfgs").strip()
    damped = mode in _RELAXATIONS and (ions not in ("bfgs", "none") or cells not in ("bfgs", "none"))
    if mode in ("md", "vc-md") or damped:
        raise DataError(
            f"{path}: found {mode} by {ions if ions != 'bfgs' else cells or 'dynamics'}, whose XML has the last stress with the next step; "
            "needed the text output of pw.x, which holds every step"
        )
    return mode


def _child(path: Path, element: Element, name: str) -> Element:
    found = element.find(name)
    if found is None:
        raise DataError(f"{path}: found no <{name}> in <{element.tag}>; needed the whole XML of pw.x; is it damaged?")
    return found


def _vector(element: Element) -> Float[np.ndarray, " n"]:
    return np.array([float(word) for word in (element.text or "").split()])


def _settings(output: Element) -> Fields:
    names = {"functional": "dft/functional", "ecutwfc_Ha": "basis_set/ecutwfc", "ecutrho_Ha": "basis_set/ecutrho"}
    found = {key: output.findtext(place) for key, place in names.items()}
    return {key: plain_number(text.strip()) for key, text in found.items() if text}
