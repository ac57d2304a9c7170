"""States of a crystal as readers give them: cell, stress, energy and forces, in Å, GPa (tension positive) and eV."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from jaxtyping import Float

from constitutive.data import StressStrainData
from constitutive.data.checks import as_float_array
from constitutive.data.reference_cell import first_frame_fault
from constitutive.errors import DataError
from constitutive.plain import JsonObject
from constitutive.units import EV_PER_CUBIC_ANGSTROM

Fields = JsonObject  # fields of a data set by name, validated where the set is made
_FRAME_NUMBER = re.compile(r"[:,]? ?(frame|state|image|step) \d+$")
SAME_CELL = 1e-5  # strain below which a frame is the reference cell


@dataclass(frozen=True)
class Frame:
    """One state of a crystal as a code wrote it.

    Attributes
    ----------
    cell : ndarray (3, 3)
        Lattice vectors in rows, Å.
    stress : ndarray (3, 3)
        Cauchy stress, GPa, tension positive, in the frame of `cell`.
    species : tuple of str
        Chemical symbols; empty where the file has none.
    frac : ndarray (atoms, 3) or None
        Fractional coordinates.
    energy : float or None
        Energy of the cell, eV.
    forces : ndarray (atoms, 3) or None
        eV/Å, in the frame of `cell`.
    ions : str or None
        "relaxed", "clamped", or None where the file does not state it.
    temperature : float or None
        K.
    code : str
        Program and version.
    electric_field, polarization : ndarray (3,) or None
        GV/m and C/m², in the current configuration and the frame of `cell`; the polarisation without the free-space part.
    settings : dict
        How it was computed, as far as the file states it.
    where : str
        File, and frame in it, for messages.
    """

    cell: Float[np.ndarray, "3 3"]
    stress: Float[np.ndarray, "3 3"]
    species: tuple[str, ...] = ()
    frac: Float[np.ndarray, "atoms 3"] | None = None
    energy: float | None = None
    forces: Float[np.ndarray, "atoms 3"] | None = None
    ions: str | None = None
    temperature: float | None = None
    code: str = ""
    settings: Fields = field(default_factory=dict)
    where: str = ""
    electric_field: Float[np.ndarray, "3"] | None = None
    polarization: Float[np.ndarray, "3"] | None = None

    def checked(self, where: str) -> Frame:
        """The frame with its place in the files, every number finite and every shape right. Raises DataError naming `where`."""
        cell = as_float_array(self.cell, f"{where}: cell", (3, 3))
        stress = as_float_array(self.stress, f"{where}: stress", (3, 3))
        if not abs(np.linalg.det(cell)) > 1e-6:
            raise DataError(f"{where}: found a cell of no volume; needed three independent lattice vectors")
        if np.abs(stress - stress.T).max() > 1e-3 * max(float(np.abs(stress).max()), 1e-3):
            raise DataError(f"{where}: found a Cauchy stress that is not symmetric; needed one; are the columns in order?")
        atoms = len(self.species) or (len(self.frac) if self.frac is not None else None)
        for name in ("frac", "forces"):
            if getattr(self, name) is not None:
                as_float_array(getattr(self, name), f"{where}: {name}", (atoms, 3))
        for name in ("electric_field", "polarization"):
            if getattr(self, name) is not None:
                as_float_array(getattr(self, name), f"{where}: {name}", (3,))
        if self.energy is not None and not np.isfinite(self.energy):
            raise DataError(f"{where}: found an energy of {self.energy}; needed a finite number")
        return replace(self, where=where)


@dataclass(frozen=True)
class Reference:
    """The reference cell, and its energy in eV where that is known."""

    cell: Float[np.ndarray, "3 3"]
    species: tuple[str, ...]
    frac: Float[np.ndarray, "atoms 3"] | None
    energy: float | None


def assemble(frames: Sequence[Frame], reference: Reference | None = None, *, name: str = "") -> StressStrainData:
    """Frames as a data set against a reference cell.

    Parameters
    ----------
    frames : sequence of Frame
        In the order of the files.
    reference : Reference or None
        The undeformed cell; None takes the first frame.
    name : str
        Name of the data set.

    Raises
    ------
    DataError
        There are no frames, or they are of different crystals, or turned inside out.
    """
    if not frames:
        raise DataError("found no state with a cell and a stress; needed at least one; is the output cut off?")
    first = frames[0]
    if reference is None:
        _require_undeformed(frames)
    base = reference or Reference(first.cell, first.species, first.frac, first.energy)
    _require_one_crystal(frames, base)
    inverse = np.linalg.inv(base.cell)
    F = np.stack([(inverse @ frame.cell).T for frame in frames])
    _require_orientation(frames, F)
    fields: Fields = {"F": F, "cauchy": np.stack([frame.stress for frame in frames]), "units": "GPa", "name": name}
    energy_0 = base.energy if base.energy is not None else _energy_at_rest(frames, F)
    if energy_0 is not None and all(frame.energy is not None for frame in frames):
        volume = abs(np.linalg.det(base.cell))
        energies = np.array([frame.energy for frame in frames], dtype=np.float64)
        fields["W"] = (energies - energy_0) / volume * EV_PER_CUBIC_ANGSTROM
    elif all(frame.energy is not None for frame in frames):
        fields["cell_energies_eV"] = [frame.energy for frame in frames]  # their zero is not known: a fit may find it
    if base.species and base.frac is not None:
        fields |= {"lattice": base.cell, "species": list(base.species), "frac_coords": base.frac}
    return StressStrainData(**fields, **_of_atoms(frames), **_conditions(frames))


def _require_undeformed(frames: Sequence[Frame]) -> None:
    """Refuse to take the first state for the undeformed cell where another one plainly is."""
    if not frames[0].species or any(frame.frac is None or frame.species != frames[0].species for frame in frames):
        return  # without the atoms there is no symmetry to compare (a dump of LAMMPS may name no elements)
    from pymatgen.core import Lattice, Structure  # deferred: pymatgen takes a second to import

    cells = [Structure(Lattice(frame.cell), frame.species, frame.frac) for frame in frames]
    fault = first_frame_fault(cells, np.stack([frame.stress for frame in frames]))
    if fault is None:
        return
    files = [_FRAME_NUMBER.sub("", frame.where) or "FILE" for frame in frames]
    file = files[fault.better]
    number = files[: fault.better].count(file)
    raise DataError(
        f"{frames[0].where or 'the first state'}: {fault.message}; needed the undeformed; give --reference {file}@{number} (that state) "
        f"or --reference {files[0]}@0 for the first"
    )


def _require_orientation(frames: Sequence[Frame], F: Float[np.ndarray, "n 3 3"]) -> None:
    """Name the file of a cell that is turned inside out against the reference."""
    bad = np.nonzero(~(np.linalg.det(F) > 0))[0]
    if bad.size:
        place = frames[bad[0]].where or f"state {bad[0]}"
        raise DataError(
            f"{place}: found det F = {np.linalg.det(F[bad[0]]):.4g} against the reference cell; needed det F > 0; "
            "check the order of the lattice vectors in the file and in --reference"
        )


def _energy_at_rest(frames: Sequence[Frame], F: Float[np.ndarray, "n 3 3"]) -> float | None:
    strain = np.abs(F.swapaxes(1, 2) @ F - np.eye(3)).max((1, 2))
    index = int(np.argmin(strain))
    return frames[index].energy if strain[index] < SAME_CELL else None


def _require_one_crystal(frames: Sequence[Frame], base: Reference) -> None:
    for index, frame in enumerate(frames):
        if frame.species and base.species and frame.species != base.species:
            raise DataError(
                f"{frame.where or 'the file'}: state {index}: found atoms {_formula(frame.species)}, needed "
                f"{_formula(base.species)} in the same order as the "
                "reference; convert one crystal at a time, with its own --reference (--where formula=... chooses frames)"
            )


def _formula(species: Sequence[str]) -> str:
    return " ".join(f"{s}{list(species).count(s)}" for s in dict.fromkeys(species))


def _of_atoms(frames: Sequence[Frame]) -> Fields:
    found: Fields = {}
    for name, attribute in (("forces", "forces"), ("positions", "frac")):
        values = [getattr(frame, attribute) for frame in frames]
        if all(value is not None for value in values) and len({np.shape(value) for value in values}) == 1:
            found[name] = np.stack(values)
    for name in ("electric_field", "polarization"):
        given = [getattr(frame, name) for frame in frames]
        if all(value is not None for value in given):
            found |= {name: np.stack(given), "electric_frame": "current"}
    return found


def _conditions(frames: Sequence[Frame]) -> Fields:
    found: Fields = {}
    for name in ("ions", "temperature"):
        values = {getattr(frame, name) for frame in frames}
        if len(values) == 1 and None not in values:
            found[name] = values.pop()
    temperatures = [frame.temperature for frame in frames if frame.temperature is not None]
    if "temperature" not in found and len(temperatures) == len(frames):
        found["temperature"] = float(np.mean(temperatures))
    kinds = [frame.ions for frame in frames]
    if "ions" not in found and any(kinds):
        found["ions_by_sample"] = kinds
    codes = dict.fromkeys(frame.code for frame in frames if frame.code)
    found["code"] = ", ".join(codes)
    settings: list[Fields] = [frame.settings for frame in frames]
    if settings[0]:
        found["settings"] = settings[0]
    differing = sorted({key for s in settings for key in s if s.get(key) != settings[0].get(key) and not _depends_on_strain(key, s[key])})
    if differing:
        found["settings_that_differ"] = differing
    return found


def _depends_on_strain(key: str, value: object) -> bool:
    """Whether a setting is the number of irreducible k-points, which symmetry lowers; a grid is a list."""
    return key == "kpoints" and isinstance(value, int)
