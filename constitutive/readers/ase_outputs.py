"""Outputs of any code that ASE reads with a stress: CASTEP, FHI-aims, ABINIT, GPAW, ONETEP and others, by ``--format ase``.

ASE gives the stress in eV/Å³, tension positive, whatever the code wrote (ASE documentation: Units).
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

from constitutive.data.storage import require_file
from constitutive.errors import DataError
from constitutive.readers.atoms import chosen_frame
from constitutive.readers.frames import Frame
from constitutive.readers.guard import MAX_BYTES, MAX_FRAMES, parsing
from constitutive.readers.reading import Reading
from constitutive.units import BOHR

if TYPE_CHECKING:
    from ase import Atoms

# Formats of text output without code of their own inside; ASE's databases, pickles and restart files are not read.
OUTPUTS = (
    "abinit-gsr",
    "abinit-out",
    "aims-output",
    "castep-castep",
    "castep-geom",
    "castep-md",
    "dacapo-text",
    "espresso-out",
    "gpaw-out",
    "nwchem-out",
    "onetep-out",
    "qbox",
    "vasp-out",
    "vasp-xml",
    "cp2k-restart",
    "siesta-xv",
    "turbomole",
    "gaussian-out",
)


def read_ase(path: Path, reading: Reading) -> list[Frame]:
    """Every state with a stress in an output that ASE reads.

    Raises
    ------
    DataError
        ASE does not recognise the file, its format is not in `OUTPUTS`, or no state has a stress.
    """
    import ase.io  # deferred: 0.3 s to import, and most files are not read by ASE
    from ase.io.formats import filetype

    require_file(path, MAX_BYTES)
    reading.require_native(str(path), "eV/angstrom^3", "tension")
    with parsing(path, "output that ASE reads"):
        stated = (reading.options.format or "").partition(":")[2]
        name = stated or filetype(str(path), guess=True)
        if name not in OUTPUTS:
            raise DataError(f"{path}: found ASE's format {name!r}; needed one of {', '.join(OUTPUTS)}; say which by --format ase:NAME")
        images = ase.io.read(path, index=":", format=name)
        states = [image for image in (images if isinstance(images, list) else [images]) if isinstance(image, ase.Atoms)]
        if len(states) > MAX_FRAMES:
            raise DataError(f"{path}: found {len(states)} states, needed at most {MAX_FRAMES}")
        if name == "abinit-out":
            _set_cells_of_abinit(path, states)
        frames = _frames(path, states, name, reading)
        if len(frames) > 1:
            reading.assume(f"{path}: {len(frames)} states of one run, ions neither relaxed nor clamped; choose by --drop or --where")
        return frames


def _frames(path: Path, states: list[Atoms], name: str, reading: Reading) -> list[Frame]:
    with_stress = [state for state in states if "stress" in (getattr(state.calc, "results", None) or {})]
    if not with_stress:
        raise DataError(
            f"{path}: found {len(states)} states without a stress in ASE's {name}; needed the stress in the output; "
            "ask the code to compute it, or write its ASE calculator's results to a .traj or .extxyz file"
        )
    unit = "eV/angstrom^3"
    return [frame for index, state in enumerate(with_stress) for frame in chosen_frame(state, f"{path}: state {index}", reading, unit)]


def _set_cells_of_abinit(path: Path, states: list[Atoms]) -> None:
    """Give the states the cell that ABINIT prints: ASE takes ``rprim`` for it, in Å and without ``acell``."""
    cell = _cell_of_abinit(path)
    for state in states:
        state.set_cell(cell)  # the positions are printed in Å and stay


def _cell_of_abinit(path: Path) -> Float[np.ndarray, "3 3"]:
    """The lattice vectors (Å) of a run at one cell; ABINIT prints them in bohr as R(1), R(2), R(3).

    Raises
    ------
    DataError
        There are none, or those of several cells.
    """
    number = r"\s*([-+.\dEe]+)"
    rows = re.findall(rf"^ *R\([123]\)={3 * number}", path.read_text(errors="replace"), re.MULTILINE)
    if not rows or len(rows) % 3:
        raise DataError(f"{path}: found no lattice vectors R(1), R(2), R(3); needed ABINIT's main output; is it cut off?")
    cells = np.unique(np.array(rows, dtype=np.float64).reshape(-1, 9), axis=0)
    if len(cells) > 1:
        raise DataError(
            f"{path}: found {len(cells)} cells in one output of ABINIT; needed one data set at a fixed cell; run each on its own"
        )
    return cells[0].reshape(3, 3) * BOHR
