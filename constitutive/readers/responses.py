"""Piezoelectric, dielectric and elastic tensors, and effective charges, from outputs of linear response.

- VASP ``OUTCAR`` (``LEPSILON``, ``LCALCEPS``, ``IBRION`` 5 to 8): permittivities, piezoelectric tensors and Born charges. VASP's columns
  of e, and rows and columns of the elastic moduli, are XX YY ZZ XY YZ ZX; here they are put in the IEEE order xx yy zz yz xz xy.
- Quantum ESPRESSO ``ph.x`` (``epsil``): electronic permittivity and effective charges.
- JSON documents of the Materials Project and pymatgen: ``piezo`` with ``total`` in VASP's order, ``dielectric`` with ``total``, ``ionic``
  and ``electronic``, ``elasticity``; or plain keys ``stiffness``, ``piezoelectric_e``, ``permittivity`` in the IEEE order.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import final

import numpy as np
from jaxtyping import Float

from constitutive.data.storage import read_text
from constitutive.errors import DataError
from constitutive.plain import JsonObject
from constitutive.readers.documents import load
from constitutive.units import BOHR, CHARGE_PER_SQUARE_ANGSTROM, pressure_factor

IEEE_OF_VASP = [0, 1, 2, 4, 5, 3]  # places of xx yy zz yz xz xy in XX YY ZZ XY YZ ZX
KBAR = pressure_factor("kbar")  # to GPa
RYDBERG_FIELD = 363.609  # GV/m: the unit of pw.x, in which e² = 2, not Ry/(e bohr)
NUMBER = r"[-+]?\d*\.?\d+(?:[eEdD][-+]?\d+)?"


@final
@dataclass(frozen=True, eq=False)
class Responses:
    """Linear responses of a crystal; None where the file does not hold them.

    Attributes
    ----------
    stiffness : array (6, 6)
        At constant field, ions relaxed, GPa, IEEE order.
    piezoelectric_e : array (3, 6)
        Ions relaxed where the file has their part, C/m², IEEE order.
    permittivity : array (3, 3)
        At constant strain, ions relaxed, relative to free space.
    permittivity_electronic : array (3, 3)
        Ions clamped.
    born_charges : array (n, 3, 3)
        Z*_ij = ∂(dipole i)/∂(displacement j), e; in the order of the atoms.
    notes : tuple of str
        What is missing.
    """

    stiffness: Float[np.ndarray, "6 6"] | None = None
    piezoelectric_e: Float[np.ndarray, "3 6"] | None = None
    permittivity: Float[np.ndarray, "3 3"] | None = None
    permittivity_electronic: Float[np.ndarray, "3 3"] | None = None
    born_charges: Float[np.ndarray, "n 3 3"] | None = None
    notes: tuple[str, ...] = ()

    def tables(self, stiffness: Float[np.ndarray, "6 6"] | None = None) -> dict[str, Float[np.ndarray, "_ _"] | None]:
        """The constants of a linear law, as arguments by name of ``laws.coupled.LinearCoupledLaw.from_constants(group, …)``.

        Parameters
        ----------
        stiffness : array (6, 6)
            GPa, IEEE order, where the file holds none.

        Returns
        -------
        dict of array
            ``stiffness`` (GPa), ``piezoelectric_e`` (C/m²), ``permittivity`` (relative), in the frame of the file.

        Raises
        ------
        DataError
            A stiffness or the permittivity of relaxed ions is missing.
        """
        C = self.stiffness if stiffness is None else stiffness
        if C is None or self.permittivity is None:
            missing = "stiffness" if C is None else "permittivity of relaxed ions"
            raise DataError(f"found no {missing}; needed both for a law of these constants" + "".join(f"; {note}" for note in self.notes))
        return {"stiffness": C, "piezoelectric_e": self.piezoelectric_e, "permittivity": self.permittivity}


def read_responses(path: str | Path) -> Responses:
    """Responses from an ``OUTCAR``, an output of ph.x, or a JSON document.

    Parameters
    ----------
    path : path

    Returns
    -------
    Responses

    Raises
    ------
    DataError
        The file is missing or of another kind, or a tensor in it is cut off.
    """
    file = Path(path)
    text = read_text(file)
    if text.lstrip()[:1] in ("{", "["):
        found = _of_document(file)
    elif "Program PHONON" in text:
        found = _of_phonon(text)
    elif "vasp" in text[:2000].lower() or "MACROSCOPIC STATIC DIELECTRIC" in text:
        found = _of_outcar(text)
    else:
        raise DataError(f"{file}: found no OUTCAR, output of ph.x or JSON document; needed one with responses")
    if all(value is None for name, value in vars(found).items() if name != "notes"):
        raise DataError(f"{file}: found no dielectric, piezoelectric or elastic tensor and no charges; was LEPSILON or epsil set?")
    return found


# -- VASP --------------------------------------------------------------------------------------------------------------------------


def _rows(lines: Sequence[str], count: int, width: int, what: str) -> Float[np.ndarray, "r c"]:
    """The last ``width`` numbers of the next lines that end with as many, past rules and headings."""
    found: list[list[float]] = []
    for line in lines:
        numbers = re.findall(rf"(?<![A-Za-z\d.]){NUMBER}", line)
        if len(numbers) >= width:
            found.append([float(value.replace("D", "E").replace("d", "e")) for value in numbers[-width:]])
        elif found:
            break
        if len(found) == count:
            return np.array(found)
    raise DataError(f"{what}: found {len(found)} of {count} rows; is the file cut off?")


def _tables(text: str, heading: str, count: int, width: int) -> list[np.ndarray]:
    """All tables under a heading (a regular expression)."""
    lines = text.splitlines()
    places = [k for k, line in enumerate(lines) if re.search(heading, line)]
    return [_rows(lines[k + 1 : k + 4 + 2 * count], count, width, lines[k].strip()) for k in places]


def _last(tables: list[np.ndarray]) -> np.ndarray | None:
    return tables[-1] if tables else None


def _of_outcar(text: str) -> Responses:
    electronic = _last(_tables(text, r"MACROSCOPIC STATIC DIELECTRIC TENSOR \(including", 3, 3))
    ionic = _last(_tables(text, r"MACROSCOPIC STATIC DIELECTRIC TENSOR IONIC", 3, 3))
    clamped = _last(_tables(text, r"PIEZOELECTRIC TENSOR (?!IONIC).*C/m\^2", 3, 6))
    relaxing = _last(_tables(text, r"PIEZOELECTRIC TENSOR IONIC.*C/m\^2", 3, 6))
    moduli = _last(_tables(text, r"TOTAL ELASTIC MODULI \(kBar\)", 6, 6))
    notes = []
    if electronic is not None and ionic is None:
        notes.append("only the response of clamped ions is in the file: set IBRION=8 (or 6) beside LEPSILON for that of the ions")
    e = None if clamped is None or (relaxing is None and ionic is None) else clamped + (0.0 if relaxing is None else relaxing)
    return Responses(
        None if moduli is None else KBAR * moduli[np.ix_(IEEE_OF_VASP, IEEE_OF_VASP)],
        None if e is None else e[:, IEEE_OF_VASP],
        None if electronic is None or ionic is None else electronic + ionic,
        electronic,
        _born_of_outcar(text),
        tuple(notes),
    )


def _born_of_outcar(text: str) -> Float[np.ndarray, "n 3 3"] | None:
    blocks = re.split(r"BORN EFFECTIVE CHARGES[^\n]*\n", text)
    if len(blocks) < 2:
        return None
    ions = re.findall(rf"ion\s+\d+\s*\n((?:\s+[123](?:\s+{NUMBER}){{3}}\s*\n){{3}})", blocks[-1] + "\n")
    if not ions:
        raise DataError("BORN EFFECTIVE CHARGES: found no table of an ion below; is the file cut off?")
    return np.array([_rows(block.splitlines(), 3, 3, "BORN EFFECTIVE CHARGES") for block in ions])


# -- Quantum ESPRESSO: linear response, and a finite field -------------------------------------------------------------------------


def _of_phonon(text: str) -> Responses:
    electronic = _last(_tables(text, r"Dielectric constant in cartesian axis", 3, 3))
    after = re.split(r"Effective charges \(d Force / dE\) in cartesian axis[^\n]*\n", text)
    charges = None
    if len(after) > 1:
        rows = re.findall(rf"E[xyz]\s+\(((?:\s+{NUMBER}){{3}})\s*\)", after[-1])
        if not rows or len(rows) % 3:
            raise DataError("Effective charges: found a number of rows that is not three for each atom; is the file cut off?")
        charges = np.array([[float(value) for value in row.split()] for row in rows]).reshape(-1, 3, 3)
    notes = ("ph.x writes the permittivity of clamped ions; dynmat.x adds that of the ions",) if electronic is not None else ()
    return Responses(None, None, None, electronic, charges, notes)


@final
@dataclass(frozen=True, eq=False)
class BerryPolarization:
    """Polarisation by Berry phases of one state, in the current configuration.

    Attributes
    ----------
    polarization : array (3,)
        C/m², known up to a quantum e a_i/V; electrons and ions together.
    electric_field : array (3,)
        GV/m.
    """

    polarization: Float[np.ndarray, "3"]
    electric_field: Float[np.ndarray, "3"]


def read_berry_polarization(path: str | Path) -> BerryPolarization:
    """Polarisation and field from an output of pw.x with ``lelfield``, or from an OUTCAR of VASP with ``LCALCPOL``.

    The dipoles are those of the last iteration: of pw.x in Rydberg units (e bohr √2), the field in units of 36.3609·10¹⁰ V/m; of VASP in
    "electrons Angst", whose charge is −e, or in newer versions "|e| Angst".

    Parameters
    ----------
    path : path

    Returns
    -------
    BerryPolarization

    Raises
    ------
    DataError
        The file has no dipoles on Cartesian axes, no field or no volume, or is one of VASP in a field.
    """
    text = read_text(Path(path))
    if "p[ion]=" in text or "p[elc]=" in text:
        return _berry_of_outcar(path, text)
    table = r"\s*\n((?:\s*[123]\s+\S+[ \t]*\n){3})"
    parts = {name: re.findall(f"{name} Dipole on Cartesian axes{table}", text) for name in ("Electronic", "Ionic")}
    volume = re.search(rf"unit-cell volume\s*=\s*({NUMBER})", text)
    field = re.search(rf"[Bb]erry phase electric field[^\n]*\n(?:[^\n]*\n)?((?:\s*{NUMBER}[ \t]*\n){{3}})", text)
    if not all(parts.values()) or volume is None or field is None:
        raise DataError(f"{path}: found no dipoles on Cartesian axes, field or volume; needed an output of pw.x with lelfield=.true.")
    dipoles = [[float(line.split()[1].replace("D", "E")) for line in part[-1].splitlines() if line.strip()] for part in parts.values()]
    P = np.sum(dipoles, axis=0) / np.sqrt(2) / float(volume[1]) / BOHR**2 * CHARGE_PER_SQUARE_ANGSTROM
    return BerryPolarization(P, RYDBERG_FIELD * np.array([float(value.replace("D", "E")) for value in field[1].split()]))


def _berry_of_outcar(path: str | Path, text: str) -> BerryPolarization:
    dipoles, sign = [], -1.0
    for name in ("ion", "elc"):
        found = re.findall(rf"dipole moment: *p\[{name}\]=\(\s*({NUMBER})\s+({NUMBER})\s+({NUMBER})\s*\)([^\n]*)", text)
        if not found:
            raise DataError(f"{path}: found no p[{name}]; needed both dipole moments of LCALCPOL=.TRUE.: is the file cut off?")
        dipoles.append([float(value) for value in found[-1][:3]])
        sign = 1.0 if "|e|" in found[-1][3] else -1.0
    volume = re.findall(rf"volume of cell\s*:\s*({NUMBER})", text)
    if not volume:
        raise DataError(f"{path}: found no volume of cell; needed a whole OUTCAR")
    field = re.findall(rf"EFIELD_PEAD\s*=\s*({NUMBER})\s+({NUMBER})\s+({NUMBER})", text)
    if field and any(float(value) != 0 for value in field[-1]):
        raise DataError(f"{path}: found EFIELD_PEAD = {' '.join(field[-1])}; needed a run without a field: the sign is not read")
    return BerryPolarization(sign * np.sum(dipoles, axis=0) / float(volume[-1]) * CHARGE_PER_SQUARE_ANGSTROM, np.zeros(3))


# -- documents ---------------------------------------------------------------------------------------------------------------------


def _of_document(path: Path) -> Responses:
    content = load(path)
    if isinstance(content, list) and len(content) == 1:
        content = content[0]
    if not isinstance(content, dict):
        raise DataError(f"{path}: found a JSON {type(content).__name__}; needed one document")
    dielectric, piezo, elastic = (_part(content, *names) for names in (("dielectric",), ("piezo", "piezoelectric"), ("elasticity",)))
    total, electronic, ionic = (_matrix(path, dielectric, name, (3, 3)) for name in ("total", "electronic", "ionic"))
    if total is None and electronic is not None and ionic is not None:
        total = electronic + ionic
    e = _matrix(path, piezo, "total", (3, 6))
    if e is None:
        e = _matrix(path, piezo, "piezoelectric_tensor", (3, 6))
    e = None if e is None else e[:, IEEE_OF_VASP]
    tensor = elastic.get("elastic_tensor")
    elastic = {"stiffness": tensor.get("raw") or tensor.get("ieee_format")} if isinstance(tensor, dict) else {"stiffness": tensor}
    stated = {name: _matrix(path, content, name, shape) for name, shape in PLAIN.items()}
    C = stated["stiffness"] if stated["stiffness"] is not None else _matrix(path, elastic, "stiffness", (6, 6))
    born = content.get("born_charges", dielectric.get("born_charges", content.get("bec")))
    charges = None if born is None else np.asarray(born, dtype=np.float64)
    if charges is not None and charges.shape[1:] != (3, 3):
        raise DataError(f"{path}: born_charges: found shape {charges.shape}; needed (n, 3, 3)")
    return Responses(
        C,
        stated["piezoelectric_e"] if stated["piezoelectric_e"] is not None else e,
        stated["permittivity"] if stated["permittivity"] is not None else total,
        stated["permittivity_electronic"] if stated["permittivity_electronic"] is not None else electronic,
        charges,
    )


PLAIN = {"stiffness": (6, 6), "piezoelectric_e": (3, 6), "permittivity": (3, 3), "permittivity_electronic": (3, 3)}


def _part(document: JsonObject, *names: str) -> JsonObject:
    """A part of a document: under its name, or the document itself where its fields stand at the top level."""
    for name in names:
        inner = document.get(name)
        if isinstance(inner, dict):
            return inner
        if isinstance(inner, list):
            return {"total": inner}
    own = {"dielectric": "electronic", "piezo": "e_ij_max", "elasticity": "elastic_tensor"}[names[0]]
    return document if own in document else {}


def _matrix(path: Path, document: JsonObject, name: str, shape: tuple[int, int]) -> np.ndarray | None:
    value = document.get(name)
    if value is None:
        return None
    try:
        array = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise DataError(f"{path}: {name}: found no numbers ({error}); needed shape {shape}") from error
    if array.shape != shape or not np.isfinite(array).all():
        raise DataError(f"{path}: {name}: found shape {array.shape}; needed finite numbers of shape {shape}")
    return array
