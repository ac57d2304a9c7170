"""ASE's atoms and trajectories: stress in eV/Å³, tension positive; virial = −V sigma in eV; names with a prefix such as ``REF_`` too.

(ASE documentation: Units, extxyz; the names are those that MACE and nequip read.)
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, SupportsFloat

import numpy as np
from jaxtyping import Float

from constitutive.data.checks import as_float_array
from constitutive.data.storage import require_file
from constitutive.errors import DataError
from constitutive.readers.frames import Frame
from constitutive.readers.guard import MAX_BYTES, MAX_FRAMES, parsing
from constitutive.readers.options import ReadOptions
from constitutive.readers.reading import Reading
from constitutive.readers.selection import frame_labels
from constitutive.readers.stress_numbers import from_virial, tensor
from constitutive.tensors.components import ORDERS
from constitutive.units import ELECTRIC_FIELD_UNITS, ENERGY_UNITS, POLARIZATION_UNITS, energy_factor, pressure_factor

if TYPE_CHECKING:
    from ase import Atoms

_ULM = b"- of UlmASE-Trajectory"
_KEYS = ("stress", "REF_stress", "virial", "virials", "REF_virial", "REF_virials")
_SIMILAR = re.compile(r"(?i)stress|virial")
_UNIT_KEY = re.compile(r"(?i)^(?:ref[_-])?(stress|virials?|energy)[_-]?units?$")
_SAME = 0.01  # relative difference that rounding explains between two statements of one stress


@dataclass(frozen=True)
class Tensor:
    """A stress or a virial under its name, and the prefix that its energy and forces share."""

    key: str
    values: np.ndarray
    order: str | None = None  # of six components, where ASE itself holds them

    @property
    def is_virial(self) -> bool:
        """Whether it is minus the stress times the volume."""
        return "virial" in self.key.lower()

    @property
    def prefix(self) -> str:
        """What stands before "stress" or "virial" in the name."""
        return re.split(r"(?i)stress|virial", self.key)[0]


def read_trajectory(path: Path, reading: Reading) -> list[Frame]:
    """Every chosen image of an ASE trajectory. Old trajectories, which are pickles, are refused unread.

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
            frames: list[Frame] = []
            for index in range(len(images)):
                with reading.attempt(f"{path}: image {index}"):
                    frames += chosen_frame(images[index], f"{path}: image {index}", reading)
            return frames


def chosen_frame(atoms: Atoms, where: str, reading: Reading, unit: str | None = None) -> list[Frame]:
    """The frame of ASE's atoms as a list, empty where the conditions leave it out; `unit` is that of the stress where it is known.

    Raises
    ------
    DataError
        As `frame_of_atoms`.
    """
    labels = {**atoms.info, **frame_labels(np.array(atoms.cell[:]), atoms.get_chemical_symbols())}
    entries = atoms.info if unit is None else {**atoms.info, "stress-unit": unit}
    return [frame_of_atoms(atoms, where, reading, entries).checked(where)] if reading.selection.keeps(labels) else []


def frame_of_atoms(atoms: Atoms, where: str, reading: Reading, entries: Mapping[str, object] | None = None) -> Frame:
    """A frame from ASE's atoms with a stress.

    Parameters
    ----------
    atoms : Atoms
        With a cell (Å), and energy (eV) and forces (eV/Å) where there are any.
    where : str
        File and frame, for messages.
    reading : Reading
        The user's statements about unit, sign, order and names.
    entries : mapping or None
        Entries of the frame in place of ``atoms.info``.

    Raises
    ------
    DataError
        The atoms have no periodic cell, neither stress nor virial, or two that differ.
    """
    results = dict(getattr(atoms.calc, "results", None) or {})
    known = {**(atoms.info if entries is None else entries), **results}
    cell = np.array(atoms.cell[:], dtype=np.float64)
    if not np.all(atoms.pbc) or abs(np.linalg.det(cell)) < 1e-6:
        raise DataError(f"{where}: found no cell periodic in three directions; needed a crystal")
    tensors = [replace(t, order=ORDERS["ASE"]) if t.key in results else t for t in _tensors(known, where, reading.options)]
    chosen, sigma = tensors[0], _stress(tensors, known, abs(np.linalg.det(cell)), where, reading)
    forces = _forces(atoms, results, chosen)
    temperature = _number(known.get("temperature"))
    ions = known.get("ions")
    return Frame(
        cell,
        sigma,
        tuple(atoms.get_chemical_symbols()),
        np.array(atoms.get_scaled_positions(wrap=False)),
        _energy(known, chosen, len(atoms), where, reading),
        None if forces is None else np.array(forces, dtype=np.float64),
        ions=str(ions) if ions in ("relaxed", "clamped") else None,
        temperature=temperature,
        electric_field=_vector(known, "electric_field", ELECTRIC_FIELD_UNITS["V/angstrom"], where),
        polarization=_vector(known, "polarization", POLARIZATION_UNITS["e/angstrom^2"], where),
        code=_code(known, atoms),
    )


def _vector(known: Mapping[str, object], name: str, factor: float, where: str) -> np.ndarray | None:
    """A field (V/Å) or a polarisation (e/Å²) of the current configuration, in GV/m or C/m²."""
    value = known.get(name)
    if isinstance(value, str):
        try:
            value = [float(word) for word in value.replace(",", " ").split()]
        except ValueError as error:
            raise DataError(f"{where}: {name}: found {value!r}, needed three numbers") from error
    return None if value is None else factor * as_float_array(value, f"{where}: {name}", (3,))


def _code(known: Mapping[str, object], atoms: Atoms) -> str:
    name = str(known.get("code", getattr(atoms.calc, "name", None) or "ASE"))
    return "ASE" if name == "unknown" else name


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (str, SupportsFloat)):
        return None
    try:
        return float(value)
    except ValueError:
        return None


def _stress(
    tensors: Sequence[Tensor], known: Mapping[str, object], volume: float, where: str, reading: Reading
) -> Float[np.ndarray, "3 3"]:
    stated = {
        match.group(1).lower().replace("virials", "virial"): str(value) for key, value in known.items() if (match := _UNIT_KEY.match(key))
    }
    values = [_cauchy(entry, volume, where, reading, stated) for entry in tensors]
    for entry, sigma in zip(tensors[1:], values[1:], strict=True):
        if np.abs(sigma - values[0]).max() > _SAME * max(float(np.abs(values[0]).max()), 0.1):
            raise DataError(
                f"{where}: found {tensors[0].key} and {entry.key} that contradict each other (virial = -V stress); "
                f"needed one; say which by --stress-key"
            )
    return values[0]


def _tensors(known: Mapping[str, object], where: str, options: ReadOptions) -> list[Tensor]:
    """The entry that the user names, or all of the names that are known."""
    key = options.stress_key
    if key is not None:
        if known.get(key) is None:
            raise DataError(f"{where}: found no {key!r}; needed the stress under that name; found {_similar(known)}")
        return [Tensor(key, np.asarray(known[key]))]
    found = [Tensor(name, np.asarray(known[name])) for name in _KEYS if known.get(name) is not None]
    if not found:
        similar = _similar(known)
        advice = f"found {similar}; say which by --stress-key NAME" if similar != "none like it" else "compute the stress"
        raise DataError(f"{where}: found neither stress nor virial; needed one in every frame ({', '.join(_KEYS)}); {advice}")
    return found


def _similar(known: Mapping[str, object]) -> str:
    names = [key for key, value in known.items() if _SIMILAR.search(key) and not _UNIT_KEY.match(key) and np.asarray(value).size in (6, 9)]
    return ", ".join(names) or "none like it"


def _cauchy(entry: Tensor, volume: float, where: str, reading: Reading, stated: Mapping[str, str]) -> Float[np.ndarray, "3 3"]:
    values = tensor(entry.values, entry.order or reading.options.order, where, entry.key)
    if entry.is_virial:
        return from_virial(values, volume, _virial_unit(where, reading, stated.get("virial"))) * reading.sign_of()
    if "stress" not in entry.key.lower():
        reading.assume(f"{entry.key} is a stress, not a virial (its name states neither)")
    unit = reading.unit_of(where, stated.get("stress"), "eV/angstrom^3")
    return values * pressure_factor(unit) * reading.sign_of()


def _virial_unit(where: str, reading: Reading, stated: str | None) -> str:
    given = reading.options.unit
    if given is not None and given.strip() not in ENERGY_UNITS:
        raise DataError(
            f"{where}: found a virial and --unit {given}, a unit of stress; needed a unit of energy ({', '.join(ENERGY_UNITS)}), "
            "for virial = -V stress; leave --unit out where the virial is in eV"
        )
    if given is not None and stated is not None and abs(energy_factor(given) / energy_factor(stated) - 1) > 1e-6:
        raise DataError(f"{where}: found the unit {stated} of the virial in the file and --unit {given}; needed one")
    if given is None and stated is None:
        reading.assume("virial in eV (its unit is in no file; give another by --unit)")
    return stated or given or "eV"


def _energy(known: Mapping[str, object], chosen: Tensor, atoms: int, where: str, reading: Reading) -> float | None:
    """The energy of the cell in eV: the one with the prefix of the stress, else the only one there is."""
    names = [name for name in (f"{chosen.prefix}energy", "energy", "REF_energy", "free_energy") if _number(known.get(name)) is not None]
    if not names:
        return None
    others = [name for name in names if name in ("energy", "REF_energy")]
    if names[0] != f"{chosen.prefix}energy" and len(others) > 1:
        reading.assume(f"no energy: found {' and '.join(others)}, and {chosen.key} is not assigned to one of them")
        return None
    value = _number(known[names[0]])
    stated = next((str(v) for k, v in known.items() if (m := _UNIT_KEY.match(k)) and m.group(1).lower() == "energy"), None)
    return None if value is None else value * _energy_factor(reading.options.energy_unit, stated, atoms, where)


def _energy_factor(given: str | None, stated: str | None, atoms: int, where: str) -> float:
    factors = [_per_cell(unit, atoms, where) for unit in (stated, given) if unit is not None]
    if len(factors) == 2 and abs(factors[0] / factors[1] - 1) > 1e-6:
        raise DataError(f"{where}: found the energy unit {stated} in the file and --energy-unit {given}; needed one")
    return factors[0] if factors else 1.0


def _per_cell(unit: str, atoms: int, where: str) -> float:
    name = unit.strip()
    base = name.removesuffix("/atom").removesuffix("/cell")
    try:
        return energy_factor(base) * (atoms if name.endswith("/atom") else 1)
    except DataError as error:
        raise DataError(f"{where}: {error}; '/atom' may follow the unit of an energy") from error


def _forces(atoms: Atoms, results: Mapping[str, object], chosen: Tensor) -> object:
    for name in (f"{chosen.prefix}forces", f"{chosen.prefix}force"):
        if chosen.prefix and name in atoms.arrays:
            return atoms.arrays[name]
    if "forces" in results:
        return results["forces"]
    return atoms.arrays.get("REF_forces", atoms.arrays.get("forces"))
