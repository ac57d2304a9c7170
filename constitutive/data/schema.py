"""The fields of a data set, and what they have to be."""

from __future__ import annotations

import os
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from constitutive.data.checks import as_float_array, require_orientation
from constitutive.data.storage import SCHEMA_VERSION
from constitutive.errors import DataError
from constitutive.symmetry.structures import Cell, cell_of_elements
from constitutive.units import electric_field_factor, entropy_factor, force_factor, length_factor, polarization_factor, pressure_factor

if TYPE_CHECKING:
    from pymatgen.core import Structure

Measure = Literal["cauchy", "first_piola_kirchhoff", "second_piola_kirchhoff"]
COUPLED = ("electric_field", "polarization", "temperature", "entropy")  # with one entry for each sample
MEASURES: tuple[Measure, ...] = ("cauchy", "first_piola_kirchhoff", "second_piola_kirchhoff")
FIELD_UNITS = {
    "F": "1",
    "lattice": "angstrom",
    "frac_coords": "1",
    "positions": "1 (fractions of the strained cell)",
    "forces": "eV/angstrom",
    "temperature": "K",
    "electric_field": "GV/m",
    "polarization": "C/m^2",
    "entropy": "GPa/K",
    "stress_weights": "1",
    "energy_weights": "1",
}


def _array(name: str, *shape: int | None) -> Any:
    return BeforeValidator(lambda value: value if value is None else as_float_array(value, name, shape))


def _stress_field(name: str) -> Any:
    return Annotated[np.ndarray | None, _array(name, None, 3, 3)]


def _temperature() -> Any:
    def checked(value: Any) -> Any:
        if value is None:
            return None
        array = as_float_array(value, "temperature", (None,) if np.ndim(value) else ())
        if (array < 0).any():
            raise DataError(f"temperature: found {float(array.min()):g}; needed K, absolute, not °C")
        return array if array.ndim else float(array)

    return BeforeValidator(checked)


class GroupContradictionError(DataError):
    """The declared point group is not that of the structure."""


class _Document(BaseModel):
    """Common behaviour: unknown keys kept, immutable, one message of ours for what pydantic refuses."""

    model_config = ConfigDict(extra="allow", frozen=True, arbitrary_types_allowed=True, protected_namespaces=())

    def __init__(self, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(str(part) for part in first["loc"]) or "the data set"
            raise DataError(
                f"{place}: {first['msg'].lower()} (found {_short(first.get('input'))}); see docs for the fields of a data file"
            ) from error


def _short(value: Any) -> str:
    text = f"{type(value).__name__} with {len(value)} entries" if isinstance(value, (dict, list)) else repr(value)
    return text if len(text) < 80 else text[:77] + "..."


class Schema(_Document):
    """Fields and validation of `StressStrainData`, which documents them."""

    schema_version: int = SCHEMA_VERSION
    name: str = ""
    F: Annotated[np.ndarray, _array("F", None, 3, 3)]
    cauchy: _stress_field("cauchy") = None  # type: ignore[valid-type]  # an Annotated made by a function
    first_piola_kirchhoff: _stress_field("first_piola_kirchhoff") = None  # type: ignore[valid-type]  # as above
    second_piola_kirchhoff: _stress_field("second_piola_kirchhoff") = None  # type: ignore[valid-type]  # as above
    W: Annotated[np.ndarray | None, _array("W", None)] = None
    units: str | dict[str, str]
    lattice: Annotated[np.ndarray | None, _array("lattice", 3, 3)] = None
    species: list[str] | None = None
    frac_coords: Annotated[np.ndarray | None, _array("frac_coords", None, 3)] = None
    point_group: str | None = None
    space_group: str | int | None = None
    residual_stress: Annotated[np.ndarray | None, _array("residual_stress", 3, 3)] = None
    paths: list[dict[str, Any]] = Field(default_factory=list)
    ions: Literal["relaxed", "clamped"] | None = None
    temperature: Annotated[float | np.ndarray | None, _temperature()] = None
    electric_field: Annotated[np.ndarray | None, _array("electric_field", None, 3)] = None
    polarization: Annotated[np.ndarray | None, _array("polarization", None, 3)] = None
    electric_frame: Literal["reference", "current"] = "reference"
    entropy: Annotated[np.ndarray | None, _array("entropy", None)] = None
    positions: Annotated[np.ndarray | None, _array("positions", None, None, 3)] = None
    forces: Annotated[np.ndarray | None, _array("forces", None, None, 3)] = None
    stress_weights: Annotated[np.ndarray | None, _array("stress_weights", None)] = None
    energy_weights: Annotated[np.ndarray | None, _array("energy_weights", None)] = None
    settings: Any = None
    provenance: Any = None

    # --- construction -------------------------------------------------------------------------------------------------

    @model_validator(mode="before")
    @classmethod
    def _unpack_structure(cls, values: Any) -> Any:
        """Accept ``structure=`` (anything `read_structure` takes) in place of lattice, species and frac_coords."""
        if not isinstance(values, dict) or values.get("structure") is None:
            return values
        structure = _structure_object(values["structure"])
        rest = {key: value for key, value in values.items() if key != "structure"}
        if isinstance(rest.get("units"), dict):  # the object's lattice is in Å
            rest["units"] = {key: unit for key, unit in rest["units"].items() if key != "lattice"}
        return {**rest, **structure_fields(structure)}

    @model_validator(mode="after")
    def _require_consistent(self) -> Schema:
        if not 1 <= self.schema_version <= SCHEMA_VERSION:
            raise DataError(f"schema_version: found {self.schema_version}, needed 1 to {SCHEMA_VERSION}; install a newer constitutive")
        self._require_one_stress()
        self._require_lengths()
        require_orientation(self.F)
        self._require_structure_whole()
        self._apply_units()
        self._require_group_of_structure()
        return self

    def _require_one_stress(self) -> None:
        given = [name for name in MEASURES if getattr(self, name) is not None]
        if len(given) != 1:
            found = " and ".join(given) or "no stress"
            raise DataError(f"found {found}; needed exactly one of {', '.join(MEASURES)}; keep the measure that the code wrote")
        if len(self.F) == 0:
            raise DataError("F: found no samples, needed at least one; is the file cut off?")

    def _require_lengths(self) -> None:
        n = len(self.F)
        for name in (*MEASURES, "W", "positions", "forces", "stress_weights", "energy_weights", *COUPLED):
            value = getattr(self, name)
            if isinstance(value, np.ndarray) and len(value) != n:
                raise DataError(f"{name}: found {len(value)} samples, needed {n} as in F; is one of the lists cut off?")
        for name in ("stress_weights", "energy_weights"):
            value = getattr(self, name)
            if value is not None and (value < 0).any():
                raise DataError(f"{name}: found a negative weight at sample {int(np.argmin(value))}; needed weights >= 0")

    def _require_structure_whole(self) -> None:
        parts = {"lattice": self.lattice, "species": self.species, "frac_coords": self.frac_coords}
        missing = [name for name, part in parts.items() if part is None]
        if missing and len(missing) < 3:
            raise DataError(f"{', '.join(missing)}: missing; needed lattice, species and frac_coords together, or none of them")
        if self.species is not None and self.frac_coords is not None and len(self.species) != len(self.frac_coords):
            raise DataError(f"species: found {len(self.species)}, needed one per atom in frac_coords ({len(self.frac_coords)})")
        if self.lattice is not None and not abs(np.linalg.det(self.lattice)) > 1e-6:
            raise DataError("lattice: found vectors in one plane; needed three independent rows in Å")

    def _apply_units(self) -> None:
        for name, factor in self._factors().items():
            value = getattr(self, name)
            if value is not None and factor != 1.0:
                object.__setattr__(self, name, value * factor)

    def _factors(self) -> dict[str, float]:
        """Factor of every field with a unit of the user's choice to ours: GPa, Å, eV/Å, GV/m, C/m², GPa/K."""
        units = self.units if isinstance(self.units, dict) else {"stress": self.units}
        optional = ("W", "lattice", "forces", "electric_field", "polarization", "entropy")
        if set(units) - {"stress", *optional} or "stress" not in units:
            raise DataError(f"units: found {sorted(units)}; needed 'stress', and optionally {', '.join(map(repr, optional))}")
        stress = pressure_factor(units["stress"])
        return {
            **dict.fromkeys((*MEASURES, "residual_stress"), stress),
            "W": pressure_factor(units.get("W", units["stress"])),
            "lattice": length_factor(units.get("lattice", "angstrom")),
            "forces": force_factor(units.get("forces", "eV/angstrom")),
            "electric_field": electric_field_factor(units.get("electric_field", "GV/m")),
            "polarization": polarization_factor(units.get("polarization", "C/m^2")),
            "entropy": entropy_factor(units.get("entropy", "GPa/K")),
        }

    def _require_group_of_structure(self) -> None:
        if self.point_group is None:
            return
        from constitutive.symmetry import PointGroup  # deferred: most data state no group

        declared = PointGroup.from_symbol(self.point_group)
        if self.crystal is None:
            return
        found = PointGroup.from_structure(self.crystal)
        if found.symbol != declared.symbol:
            raise GroupContradictionError(
                f"point_group: found {declared.symbol!r} declared, but the structure (lattice, species, "
                f"frac_coords) has {found.symbol!r}; "
                "needed one crystal; correct the structure or drop point_group"
            )

    def _items(self) -> list[tuple[str, Any]]:
        """Fields and unknown keys, without what was computed and cached."""
        fields = [(name, getattr(self, name)) for name in type(self).model_fields]
        return fields + list((self.model_extra or {}).items())

    @cached_property
    def structure(self) -> Structure | None:
        """The reference structure as pymatgen's, or None where the file has none."""
        if self.lattice is None:
            return None
        from pymatgen.core import Lattice, Structure  # deferred: pymatgen takes a second to import

        try:
            return Structure(Lattice(self.lattice), self.species, self.frac_coords)
        except (ValueError, KeyError, AttributeError) as error:
            raise DataError(f"species: found {self.species}, which pymatgen refuses ({error}); needed chemical symbols") from error

    @cached_property
    def crystal(self) -> Cell | Structure | None:
        """The reference structure for `constitutive.symmetry`: arrays, made without pymatgen, where all species are elements."""
        if self.lattice is None or self.species is None or self.frac_coords is None:
            return None
        return cell_of_elements(self.lattice, self.species, self.frac_coords) or self.structure


def _structure_object(value: Any) -> Structure:
    """A Structure from an object or a pymatgen dict.

    Never from a path: a data file must not make us open another file.
    """
    from pymatgen.core import Structure  # deferred: pymatgen takes a second to import

    from constitutive.symmetry import read_structure  # deferred: as above

    if isinstance(value, dict):
        try:
            return Structure.from_dict(value)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise DataError(
                f"structure: found a dict that is no pymatgen structure ({error}); needed lattice, species and frac_coords"
            ) from error
    if isinstance(value, (str, bytes, os.PathLike)):
        raise DataError(f"structure: found {_short(value)}; needed a structure object; read a file by read_structure first")
    return read_structure(value)


def structure_fields(structure: Structure) -> dict[str, Any]:
    """A structure as the fields lattice, species and frac_coords.

    Parameters
    ----------
    structure : pymatgen Structure

    Returns
    -------
    dict
        Lattice in Å.
    """
    return {
        "lattice": np.array(structure.lattice.matrix, dtype=np.float64),
        "species": [site.species_string for site in structure],
        "frac_coords": np.array(structure.frac_coords, dtype=np.float64),
    }
