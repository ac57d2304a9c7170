"""ASE trajectories and extxyz: stress in eV/Å³, tension positive; virial = −V sigma in eV; names with the prefix ``REF_`` too.

(ASE documentation: Units, extxyz; the names are those that MACE and nequip read.)
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from constitutive.data.storage import require_file
from constitutive.data.units import EV_PER_CUBIC_ANGSTROM
from constitutive.errors import DataError
from constitutive.readers.frames import Frame
from constitutive.readers.guard import MAX_BYTES, MAX_FRAMES, parsing, read_whole_text
from constitutive.tensors.components import ORDERS, matrices_of

_ULM = b"- of UlmASE-Trajectory"


def read_extxyz(path: Path) -> list[Frame]:
    """Every frame of an extended XYZ file.

    Raises
    ------
    DataError
        A frame is incomplete, has no periodic cell, or no stress or virial.
    """
    import ase.io

    text = read_whole_text(path, "extxyz")
    if text.count("Lattice=") == 0:
        raise DataError(f"{path}: found no Lattice= in the comment lines; needed extended XYZ with the cell")
    with parsing(path, "extxyz"):
        frames = ase.io.read(path, index=":", format="extxyz")
        return [frame_of_atoms(a, f"{path}: frame {i}").checked(f"{path}: frame {i}") for i, a in enumerate(frames)]


def read_trajectory(path: Path) -> list[Frame]:
    """Every image of an ASE trajectory. Old trajectories, which are pickles, are refused unread.

    Raises
    ------
    DataError
        The file is no trajectory of ASE's present format, is cut off, or an image has no stress.
    """
    from ase.io.trajectory import TrajectoryReader

    require_file(path, MAX_BYTES)
    with path.open("rb") as file:  # ASE leaves a file open that it cannot read: it gets ours
        if file.read(len(_ULM)) != _ULM:
            raise DataError(f"{path}: found no ASE trajectory of the present format; needed one; old ones are pickles and are not read")
        file.seek(0)
        with parsing(path, "ASE trajectory"):
            images = TrajectoryReader(file)
            if len(images) > MAX_FRAMES:
                raise DataError(f"{path}: found {len(images)} images, needed at most {MAX_FRAMES}")
            return [frame_of_atoms(images[i], f"{path}: image {i}").checked(f"{path}: image {i}") for i in range(len(images))]


def frame_of_atoms(atoms: Any, where: str) -> Frame:
    """A frame from an ASE Atoms with a stress.

    Raises
    ------
    DataError
        The atoms have no periodic cell, or neither stress nor virial.
    """
    results = dict(getattr(atoms.calc, "results", None) or {})
    known = {**atoms.info, **results}
    cell = np.array(atoms.cell[:], dtype=np.float64)
    if not np.all(atoms.pbc) or abs(np.linalg.det(cell)) < 1e-6:
        raise DataError(f"{where}: found no cell periodic in three directions; needed a crystal")
    forces = results.get("forces", atoms.arrays.get("REF_forces", atoms.arrays.get("forces")))
    energy = _first(known, ("energy", "REF_energy", "free_energy"))
    return Frame(
        cell,
        _stress(known, abs(np.linalg.det(cell)), where),
        tuple(atoms.get_chemical_symbols()),
        np.array(atoms.get_scaled_positions(wrap=False)),
        None if energy is None else float(energy),
        None if forces is None else np.array(forces, dtype=np.float64),
        ions=known.get("ions") if known.get("ions") in ("relaxed", "clamped") else None,
        temperature=float(known["temperature"]) if isinstance(known.get("temperature"), (int, float)) else None,
        code=str(known.get("code", getattr(atoms.calc, "name", None) or "ASE")),
    )


def _first(known: dict[str, Any], names: tuple[str, ...]) -> Any:
    return next((known[name] for name in names if name in known), None)


def _stress(known: dict[str, Any], volume: float, where: str) -> np.ndarray:
    stress = _first(known, ("stress", "REF_stress"))
    virial = _first(known, ("virial", "REF_virial"))
    if stress is None and virial is None:
        raise DataError(f"{where}: found neither stress nor virial; needed one in every frame (stress=, virial=, REF_stress=, REF_virial=)")
    if stress is None:
        return -_full(virial, where) / volume * EV_PER_CUBIC_ANGSTROM
    sigma = _full(stress, where) * EV_PER_CUBIC_ANGSTROM
    if virial is not None:
        other = -_full(virial, where) / volume * EV_PER_CUBIC_ANGSTROM
        if np.abs(sigma - other).max() > 0.01 * max(float(np.abs(sigma).max()), 0.1):
            raise DataError(f"{where}: found stress and virial that contradict each other; needed virial = -V stress; drop the wrong one")
    return sigma


def _full(values: Any, where: str) -> np.ndarray:
    array = np.array(values, dtype=np.float64)
    if array.size == 9:
        return array.reshape(3, 3)
    if array.size == 6:
        return matrices_of(array.reshape(1, 6), ORDERS["ASE"])[0]
    raise DataError(f"{where}: found a stress of {array.size} numbers; needed 9, or 6 in ASE's order xx yy zz yz xz xy")
