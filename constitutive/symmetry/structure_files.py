"""Structure files: CIF, POSCAR, extxyz, JSON and what else ASE reads, compressed or not."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from constitutive.compressed import uncompressed
from constitutive.errors import ConstitutiveError, SymmetryError

if TYPE_CHECKING:
    from ase import Atoms
    from pymatgen.core import Structure

FORMATS = "CIF, POSCAR/CONTCAR, extxyz, JSON (pymatgen, or lattice/species/frac_coords), and whatever ASE reads; also gz, xz, bz2"


def read_file(path: Path) -> Structure | Atoms:
    """Structure or Atoms of a file, whichever its reader makes.

    Parameters
    ----------
    path : Path
        CIF, POSCAR, extxyz, JSON and what else ASE reads, compressed or not; or the folder of a material.

    Returns
    -------
    pymatgen Structure or ASE Atoms

    Raises
    ------
    SymmetryError
        The file is missing, of no known format, or holds no structure.
    """
    if (path / "structure.json").is_file():  # the folder of a material
        path = path / "structure.json"
    if not path.is_file():
        raise SymmetryError(f"no structure file {path}: {'it is a folder' if path.is_dir() else 'it does not exist'}")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # pymatgen reports rounded coordinates; the scan of tolerances shows their effect
            with uncompressed(path) as plain:
                return _parse(plain)
    except ConstitutiveError:
        raise
    except Exception as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise SymmetryError(f"{path} could not be read as a structure ({reason}); known formats: {FORMATS}") from error


def _parse(path: Path) -> Structure | Atoms:
    name = path.name.lower()
    if name.endswith(".json"):
        return _from_json(path)
    if name.endswith((".cif", ".mcif")):
        return _from_cif(path)
    if any(word in name for word in ("poscar", "contcar")) or name.endswith(".vasp"):
        from pymatgen.core import Structure

        return Structure.from_str(path.read_text(), fmt="poscar")
    import ase.io

    return ase.io.read(path)


def _from_cif(path: Path) -> Structure:
    from pymatgen.io.cif import CifParser

    structures = CifParser(path).parse_structures(primitive=False)
    if not structures:
        raise SymmetryError(f"{path} holds no structure that could be made out")
    return structures[0]


def _from_json(path: Path) -> Structure:
    from pymatgen.core import Lattice, Structure

    content = json.loads(path.read_text())
    nested = content.get("structure") if isinstance(content, dict) else None
    content = nested if isinstance(nested, dict) else content
    if not isinstance(content, dict) or "lattice" not in content:
        raise SymmetryError(f"{path} holds no structure: the keys lattice, species and frac_coords are needed")
    if "sites" in content:
        return Structure.from_dict(content)
    return Structure(Lattice(content["lattice"]), content["species"], content["frac_coords"])
