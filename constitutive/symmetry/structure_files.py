"""Structure files: CIF, POSCAR, extxyz, JSON and what else ASE reads, compressed or not."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from constitutive.compressed import uncompressed
from constitutive.errors import ConstitutiveError, SymmetryError
from constitutive.symmetry.cif import read_cif
from constitutive.symmetry.stated import StatedSymmetry

if TYPE_CHECKING:
    from ase import Atoms
    from pymatgen.core import Structure

FORMATS = "CIF, POSCAR/CONTCAR, extxyz, JSON (pymatgen, or lattice/species/frac_coords), and whatever ASE reads; also gz, xz, bz2"


class StructureFile(NamedTuple):
    """What a structure file holds.

    Attributes
    ----------
    structure : pymatgen Structure or ASE Atoms
        Whichever the reader makes.
    notes : tuple of str
        Remarks of the reader.
    stated : StatedSymmetry or None
        The symmetry that the file states (CIF).
    """

    structure: Structure | Atoms
    notes: tuple[str, ...] = ()
    stated: StatedSymmetry | None = None


def read_file(path: Path) -> StructureFile:
    """Structure of a file.

    Parameters
    ----------
    path : Path
        CIF, POSCAR, extxyz, JSON and what else ASE reads, compressed or not; or the folder of a material.

    Returns
    -------
    StructureFile

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
            warnings.simplefilter("ignore")  # a CIF's are passed on in the notes
            with uncompressed(path) as plain:
                return _parse(plain)
    except ConstitutiveError:
        raise
    except Exception as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise SymmetryError(f"{path} could not be read as a structure ({reason}); known formats: {FORMATS}") from error


def _parse(path: Path) -> StructureFile:
    name = path.name.lower()
    if name.endswith(".json"):
        return StructureFile(_from_json(path))
    if name.endswith((".cif", ".mcif")):
        return StructureFile(*read_cif(path))
    if any(word in name for word in ("poscar", "contcar")) or name.endswith(".vasp"):
        from pymatgen.core import Structure

        return StructureFile(Structure.from_str(path.read_text(), fmt="poscar"))
    import ase.io

    return StructureFile(ase.io.read(path))


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
