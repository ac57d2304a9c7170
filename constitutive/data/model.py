"""Stress-strain data: F with one stress measure, energies, the reference structure, provenance."""

from __future__ import annotations

import hashlib
import os
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import model_validator

from constitutive.compressed import plain_name, uncompressed
from constitutive.data import export, hdf5
from constitutive.data.checks import require_orientation
from constitutive.data.plan import KIND as PLAN_KIND
from constitutive.data.plausible import require_plausible
from constitutive.data.samples import Samples
from constitutive.data.schema import COUPLED, FIELD_UNITS, MEASURES, GroupContradictionError, Measure, structure_fields
from constitutive.data.storage import read_json, write_json
from constitutive.errors import ConstitutiveError, DataError
from constitutive.symmetry import read_structure

__all__ = ["FIELD_UNITS", "MEASURES", "GroupContradictionError", "Measure", "StressStrainData"]


class StressStrainData(Samples):
    """Samples of a crystal's stress under deformation. All stresses and energy densities are exposed in GPa.

    Attributes
    ----------
    F : ndarray (n, 3, 3)
        Deformation gradients against the reference cell, ``F[i, j] = dx_i/dX_j``; strained cell = ``lattice @ F.T``.
    cauchy, first_piola_kirchhoff, second_piola_kirchhoff : ndarray (n, 3, 3) or None
        The one stress measure that was given, tension positive, in GPa. `stress` converts to any measure.
    W : ndarray (n,) or None
        Strain energy per reference volume, in GPa.
    units : str or dict
        Unit of the stress and of W in the file ("GPa", "kbar", ...); a dict names them apart: ``{"stress": .., "W":
        ..}``.
    lattice, species, frac_coords
        The reference structure: rows of `lattice` are the lattice vectors in Å, in the frame of F and of the stress.
    point_group, space_group : str or None
        Declared symmetry of the crystal. A point group that contradicts the structure is an error.
    paths : list of dict
        Held-out states (``path``, ``param``, F, stress, W each). Never calibrated on; see `paths_data`.
    ions : {"relaxed", "clamped"} or None
        Whether the atoms of the strained cell were relaxed.
    temperature : float, ndarray (n,) or None
        In K, of all samples or of each.
    electric_field, polarization : ndarray (n, 3) or None
        Field (GV/m) and polarisation (C/m², without the free-space part, 0 in the reference state) of each sample.
    electric_frame : {"reference", "current"}
        Their configuration: E₀ = Fᵀe and P₀ = J F⁻¹ p, or e and p. See `reference_electric_field`, `reference_polarization`.
    entropy : ndarray (n,) or None
        Per reference volume (GPa/K).
    positions, forces : ndarray (n, atoms, 3) or None
        Fractional coordinates and forces (eV/Å) of the atoms in the strained cell.
    stress_weights, energy_weights : ndarray (n,) or None
        Weights of the samples in a fit; 1 where absent.
    settings, provenance : dict
        Code settings; where the data came from.

    Raises
    ------
    DataError
        Wrong shapes, NaN, det F <= 0, none or several stress measures, an unknown unit, a newer schema, or a point
        group that contradicts the structure.
    """

    @model_validator(mode="after")
    def _require_valid_paths(self) -> StressStrainData:
        self.paths_data()
        return self

    # --- files --------------------------------------------------------------------------------------------------------

    @classmethod
    def load(cls, path: str | os.PathLike[str], *, plausible: bool = True) -> StressStrainData:
        """Read a data set from our JSON or HDF5.

        Parameters
        ----------
        path : path
            A ``.json`` or ``.h5``/``.hdf5`` file, or one compressed by gzip, xz or bzip2.
        plausible : bool
            Refuse stresses whose sign or magnitude no crystal has (`require_plausible`). The intake check turns this
            off to
            name the fault in full.

        Returns
        -------
        StressStrainData

        Raises
        ------
        DataError
            The file is missing, damaged, too large, or not a valid data set.
        """
        with uncompressed(path) as plain:
            document = hdf5.read_document(plain) if hdf5.is_hdf5(plain) else read_json(plain)
        data = cls.from_document(document, source=str(path))
        if plausible:
            require_plausible(data)
        return data

    @classmethod
    def from_json(cls, path: str | os.PathLike[str]) -> StressStrainData:
        """Read our JSON; the same as `load` for a ``.json`` file.

        Parameters
        ----------
        path : path

        Returns
        -------
        StressStrainData
        """
        return cls.load(path)

    @classmethod
    def from_document(cls, document: dict[str, Any], *, source: str = "data") -> StressStrainData:
        """Validate the object of a JSON file.

        Parameters
        ----------
        document : dict
            Fields by name; numbers in the units that its ``units`` names.
        source : str
            Name of the file, put first in the message of an error.

        Returns
        -------
        StressStrainData

        Raises
        ------
        DataError
            A key, a shape, a unit or a value is not that of a data set.
        """
        if document.get("kind") == PLAN_KIND:
            raise DataError(
                f"{source}: found a plan, strains without stresses; needed a data set: `constitutive simulate PLAN` makes it, or "
                "`constitutive convert FOLDER` of the folder with the runs"
            )
        try:
            return cls(**document)
        except ConstitutiveError as error:
            kind = type(error) if isinstance(error, DataError) else DataError
            raise kind(f"{source}: {error}") from error
        except TypeError as error:  # a key that is no Python name
            raise DataError(f"{source}: found keys that are no field names ({error})") from error

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write JSON or, for ``.h5``/``.hdf5``, HDF5, atomically, in the unit that the data came in.

        Parameters
        ----------
        path : path
            Its suffix chooses the format.

        Raises
        ------
        DataError
            The file cannot be written; an old file is then unchanged. Or the suffix is that of a compression.
        """
        if plain_name(path) != Path(path).name:
            raise DataError(f"{path}: compressed files are read, not written; save to {plain_name(path)}, then compress it")
        if hdf5.is_hdf5(path):
            hdf5.write_documents(path, [self.to_document()])
        else:
            write_json(path, self.to_document())

    def to_document(self) -> dict[str, Any]:
        """The JSON object: numbers in the original units, unknown keys as they came, a unit for every field.

        Returns
        -------
        dict
        """
        factors = self._factors()
        document: dict[str, Any] = {}
        in_fields = self.electric_field is not None or self.polarization is not None
        for name, value in self._items():
            if value is None or (name in ("paths", "name") and not value) or (name == "electric_frame" and not in_fields):
                continue
            scaled = isinstance(value, np.ndarray) and factors.get(name, 1.0) != 1.0
            document[name] = value / factors[name] if scaled else value
        present = {name: unit for name, unit in FIELD_UNITS.items() if name in document}
        overridden = self.units if isinstance(self.units, dict) else {}
        document["field_units"] = {**present, **{k: v for k, v in overridden.items() if k in present}}
        return document

    # --- other data sets ----------------------------------------------------------------------------------------------

    def select(self, samples: Any) -> StressStrainData:
        """The given samples (indices, a slice or a mask); the paths and everything else stay.

        Unknown keys that are lists with one entry per sample are selected with them.

        Parameters
        ----------
        samples : int array, slice or bool array

        Returns
        -------
        StressStrainData
        """
        chosen = np.arange(len(self))[samples]
        update: dict[str, Any] = {}
        for name, value in self._items():
            if isinstance(value, np.ndarray) and name not in ("lattice", "frac_coords", "residual_stress"):
                update[name] = value[chosen]
            elif name in (self.model_extra or {}) and isinstance(value, list) and len(value) == len(self):
                update[name] = [value[i] for i in chosen]
        return self._with(update)

    def _with(self, update: dict[str, Any]) -> StressStrainData:
        """A copy with checked arrays replaced; cached properties are dropped."""
        copy = self.model_copy(update=update)
        for cached in ("structure", "crystal", "sha256"):
            copy.__dict__.pop(cached, None)
        return copy

    def replace(self, **changes: Any) -> StressStrainData:
        """A copy with some fields replaced, in GPa, Å and eV/Å, checked again for orientation, length and one measure.

        Parameters
        ----------
        **changes
            New values by field name; None clears a field.

        Returns
        -------
        StressStrainData

        Raises
        ------
        DataError
            The changed data are no valid data set.
        """
        copy = self._with(changes)
        copy._require_one_stress()
        copy._require_lengths()
        require_orientation(copy.F)
        return copy

    def head(self, n: int) -> StressStrainData:
        """The first `n` samples.

        Parameters
        ----------
        n : int
            How many, at least 1.

        Returns
        -------
        StressStrainData

        Raises
        ------
        DataError
            There are fewer samples, or ``n`` is below 1.
        """
        if not 1 <= n <= len(self):
            raise DataError(f"found {len(self)} samples, needed {n}; take 1 to {len(self)}")
        return self.select(slice(n))

    def with_structure(self, structure: Any) -> StressStrainData:
        """The same samples with another reference structure and no declared group.

        Parameters
        ----------
        structure : pymatgen Structure, ASE Atoms or path
            The undeformed cell, in the Cartesian frame of F.

        Returns
        -------
        StressStrainData
        """
        update = {**structure_fields(read_structure(structure)), "point_group": None, "space_group": None}
        return self._with(update)

    def with_point_group(self, symbol: str) -> StressStrainData:
        """The same data with a declared point group.

        Parameters
        ----------
        symbol : str
            Point group in standard axes, such as "m-3m".

        Returns
        -------
        StressStrainData

        Raises
        ------
        DataError
            The structure has another one.
        """
        copy = self._with({"point_group": symbol, "space_group": None})
        copy._require_group_of_structure()
        return copy

    def with_provenance(self, entries: dict[str, Any]) -> StressStrainData:
        """The same data with additional provenance.

        Parameters
        ----------
        entries : dict
            Added to the provenance; an entry of the same name is replaced.

        Returns
        -------
        StressStrainData
        """
        known = self.provenance if isinstance(self.provenance, dict) else {}
        return self._with({"provenance": {**known, **entries}})

    def paths_data(self) -> StressStrainData | None:
        """The held-out states of `paths` as a data set, in GPa; None where there are none.

        Returns
        -------
        StressStrainData or None

        Raises
        ------
        DataError
            A state lacks F or a stress, or the states use several stress measures.
        """
        if not self.paths:
            return None
        measures = {name for point in self.paths for name in MEASURES if name in point}
        if len(measures) != 1 or not all({"F", *measures} <= point.keys() for point in self.paths):
            raise DataError(f"paths: found measures {sorted(measures)}; needed F and the same one stress measure in every state")
        (measure,) = measures
        others = [name for name in ("W", *COUPLED) if all(point.get(name) is not None for point in self.paths)]
        fields = ["F", measure, *others]
        values: dict[str, Any] = {name: [point[name] for point in self.paths] for name in fields}
        try:
            return StressStrainData(
                **values, units=self.units, name=self.name, electric_frame=self.electric_frame, **self._reference_fields()
            )
        except DataError as error:
            raise DataError(f"paths: {error}") from error

    def with_paths(self, states: StressStrainData) -> StressStrainData:
        """The same samples with the held-out states replaced by others, one for each in `paths`.

        Parameters
        ----------
        states : StressStrainData
            As many states as ``paths`` has, in the same order.

        Returns
        -------
        StressStrainData
        """
        factors = states._factors()
        stress = getattr(states, states.measure) / factors[states.measure]
        kept = [{k: v for k, v in point.items() if k not in (*MEASURES, "W", "F")} for point in self.paths]
        for index, point in enumerate(kept):
            point |= {"F": states.F[index].tolist(), states.measure: stress[index].tolist()}
            if states.W is not None:
                point["W"] = float(states.W[index] / factors["W"])
        return self._with({"paths": kept})

    def to_pymatgen(self) -> Any:
        """The samples in pymatgen's types: see `constitutive.data.export.to_pymatgen`.

        Returns
        -------
        PymatgenData
            Reference structure, F, Cauchy stresses (GPa) and Green–Lagrange strains.
        """
        return export.to_pymatgen(self)

    def to_ase(self) -> list[Any]:
        """The strained cells as ASE Atoms: see `constitutive.data.export.to_ase`.

        Returns
        -------
        list of Atoms
        """
        return export.to_ase(self)

    def to_pandas(self) -> Any:
        """One row for each sample: see `constitutive.data.export.to_pandas`.

        Returns
        -------
        DataFrame
        """
        return export.to_pandas(self)

    def _reference_fields(self) -> dict[str, Any]:
        factor = self._factors()["lattice"]
        if self.lattice is None:
            return {}
        return {"lattice": self.lattice / factor, "species": self.species, "frac_coords": self.frac_coords}

    @cached_property
    def sha256(self) -> str:
        """Hash of the content: F, stress, W, fields, weights and reference structure, in GPa and Å as float64."""
        digest = hashlib.sha256()
        for name in ("F", *MEASURES, "W", "stress_weights", "energy_weights", "lattice", "frac_coords", *COUPLED):
            value = getattr(self, name)
            if isinstance(value, np.ndarray):
                digest.update(name.encode())
                digest.update(np.ascontiguousarray(value, dtype="<f8").tobytes())
        digest.update(repr((self.species, self.point_group)).encode())
        return digest.hexdigest()
