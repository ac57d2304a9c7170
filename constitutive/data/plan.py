"""A plan: the strains at which a crystal's stress is to be computed, as a small JSON file.

The file holds ``kind`` ("strain plan"), the reference cell (``lattice``, ``species``, ``frac_coords``), ``point_group``, the deformation
gradients ``F``, ``purpose``, ``size`` and ``seed``; ``electric_field`` or ``polarization`` where ions are to be relaxed so; ``code`` and
``inputs`` where input files of a program were written beside it.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, final

import numpy as np
from jaxtyping import Float

from constitutive import kinematics
from constitutive.data.checks import as_float_array
from constitutive.data.storage import read_json, write_json
from constitutive.errors import DataError
from constitutive.plain import JsonObject

if TYPE_CHECKING:
    from pymatgen.core import Structure

KIND = "strain plan"
PLAN_FILE = "plan.json"
PLAN_VERSION = 1
ROUNDING = 1e-6  # relative, of a strain at the edge
PURPOSES = ("law", "constants")
MOMENTS_LEFT_OUT = "magnetic_moments_left_out"  # among the settings


@final
@dataclass(frozen=True, eq=False)
class Plan:
    """Deformation gradients of a reference cell, numbered from 0.

    Attributes
    ----------
    structure : pymatgen Structure
        The reference cell; its rows are the lattice vectors in Å, in the frame of F.
    F : ndarray (n, 3, 3)
        Deformation gradients: strained cell = ``lattice @ F.T``.
    point_group : str
        Symbol of the crystal's point group.
    electric_field : ndarray (n, 3), optional
        E₀ = Fᵀe of each state (GV/m).
    polarization : ndarray (n, 3), optional
        P₀ = J F⁻¹ p of each state (C/m²), instead of a field: the field that holds it is then found.
    purpose : {"law", "constants"}
        What the strains were chosen for.
    size : float
        Largest norm |E| of the Green–Lagrange strains asked for; 0 where none is stated.
    seed : int
        Of the random choices.
    name : str
        Name of the data set that the runs become.
    code : str
        Program whose input files lie beside the plan; empty without.
    inputs : tuple of str
        Names of these files, in the folder of each strain.
    settings : dict
        Options of the plan and of the input files, for the record.

    Raises
    ------
    DataError
        Wrong shapes, NaN, det F <= 0, a strain beyond the size, an unknown purpose, or a field and a polarisation.
    """

    structure: Structure
    F: Float[np.ndarray, "n 3 3"]
    point_group: str
    purpose: str = "law"
    size: float = 0.0
    seed: int = 0
    name: str = ""
    code: str = ""
    inputs: tuple[str, ...] = ()
    settings: JsonObject = field(default_factory=dict)
    electric_field: Float[np.ndarray, "n 3"] | None = None
    polarization: Float[np.ndarray, "n 3"] | None = None

    def __post_init__(self) -> None:
        F = as_float_array(self.F, "plan: F", (None, 3, 3))
        if len(F) == 0 or kinematics.determinant(F).min() <= 0:
            raise DataError("plan: found no strain or one with det F <= 0; needed at least one deformation of positive volume")
        if self.purpose not in PURPOSES:
            raise DataError(f"plan: found purpose {self.purpose!r}; needed one of {', '.join(PURPOSES)}")
        object.__setattr__(self, "F", F)
        if not (np.isfinite(self.size) and self.size >= 0):
            raise DataError(f"plan: found size {self.size}; needed the largest |E|, or 0 where none is stated")
        lengths = np.linalg.norm(kinematics.green_lagrange_strain(F), axis=(1, 2))
        if self.size and lengths.max() > self.size * (1 + ROUNDING):
            number = int(lengths.argmax())
            raise DataError(
                f"plan: found |E| = {lengths[number]:.4g} at strain {number}, beyond the plan's size of {self.size:.4g}; needed "
                "strains within it; was F edited? then state their size"
            )
        if self.electric_field is not None and self.polarization is not None:
            raise DataError("plan: found fields and polarisations; needed one of them: the other follows")
        for name in ("electric_field", "polarization"):
            value = getattr(self, name)
            if value is not None:
                object.__setattr__(self, name, as_float_array(value, f"plan: {name}", (len(F), 3)))

    def __len__(self) -> int:
        """Number of strains."""
        return len(self.F)

    @property
    def green_lagrange_strain(self) -> Float[np.ndarray, "n 3 3"]:
        """E = (FᵀF − I)/2 of each state."""
        return kinematics.green_lagrange_strain(self.F)

    @property
    def notes(self) -> tuple[str, ...]:
        """What the user should know before the runs."""
        said = (
            "The structure states magnetic moments, which a plan leaves out, also in the search of the group: state them where the "
            "stresses are computed (VASP: ISPIN, MAGMOM; Quantum ESPRESSO: nspin, starting_magnetization), or the crystal is not magnetic."
        )
        return (said,) if self.settings.get(MOMENTS_LEFT_OUT) else ()

    def cell(self, number: int) -> Float[np.ndarray, "3 3"]:
        """Lattice vectors of a strained cell.

        Parameters
        ----------
        number
            Of the strain.

        Returns
        -------
        Rows, Å.
        """
        return np.asarray(self.structure.lattice.matrix @ self.F[number].T)

    def folder(self, number: int) -> str:
        """Name of the folder of a strain among the input files.

        Parameters
        ----------
        number
            Of the strain.

        Returns
        -------
        Such as ``strain_007``.
        """
        return f"strain_{number:0{max(3, len(str(len(self) - 1)))}d}"

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the plan as JSON, whole or not at all.

        Parameters
        ----------
        path
            The file to make or to replace.

        Raises
        ------
        DataError
            The file cannot be written.
        """
        write_json(path, self.to_document())

    def to_document(self) -> JsonObject:
        """The JSON object of the plan's file.

        Returns
        -------
        As in the description of this module.
        """
        document: JsonObject = {
            "kind": KIND,
            "schema_version": PLAN_VERSION,
            "name": self.name,
            "purpose": self.purpose,
            "size": self.size,
            "seed": self.seed,
            "point_group": self.point_group,
            "lattice": self.structure.lattice.matrix.tolist(),
            "species": [site.species_string for site in self.structure],
            "frac_coords": self.structure.frac_coords.tolist(),
            "settings": dict(self.settings),
            "F": self.F.tolist(),
        }
        document |= {name: value.tolist() for name in ("electric_field", "polarization") if (value := getattr(self, name)) is not None}
        return {**document, "code": self.code, "inputs": list(self.inputs)} if self.code else document

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Plan:
        """Read a plan's file.

        Parameters
        ----------
        path
            The file.

        Returns
        -------
        The plan.

        Raises
        ------
        DataError
            The file is missing, damaged, newer than this version, or no plan.
        """
        from pymatgen.core import Structure  # deferred: pymatgen takes a second to import

        try:
            document = read_json(path)
        except DataError as error:
            raise DataError(f"{error}; needed a plan, as `constitutive plan STRUCTURE -o PLAN` writes it") from error
        if document.get("kind") != KIND:
            raise DataError(f"{path}: found kind {document.get('kind')!r}; needed {KIND!r}, as `constitutive plan` writes it")
        if document.get("schema_version") != PLAN_VERSION:
            raise DataError(f"{path}: found schema version {document.get('schema_version')!r}; needed {PLAN_VERSION}; use a newer version")
        try:
            structure = Structure(document["lattice"], document["species"], document["frac_coords"])
            return cls(
                structure=structure,
                F=np.asarray(document["F"], dtype=np.float64),
                point_group=str(document["point_group"]),
                purpose=str(document.get("purpose", "law")),
                size=float(document.get("size", 0.0)),
                seed=int(document.get("seed", 0)),
                name=str(document.get("name", "")),
                code=str(document.get("code", "")),
                inputs=tuple(str(name) for name in document.get("inputs", ())),
                settings=dict(document.get("settings", {})),
                electric_field=_vectors(document, "electric_field"),
                polarization=_vectors(document, "polarization"),
            )
        except DataError as error:
            raise DataError(f"{path}: {error}") from error
        except Exception as error:  # numpy and pymatgen raise what they like
            raise DataError(f"{path}: found a damaged plan ({type(error).__name__}: {error}); make it again") from error


def _vectors(document: JsonObject, name: str) -> Float[np.ndarray, "n 3"] | None:
    return None if document.get(name) is None else np.asarray(document[name], dtype=np.float64)


def plan_in(folder: Path) -> Plan | None:
    """The plan whose input files a folder holds, or None where it holds none.

    Parameters
    ----------
    folder : Path

    Returns
    -------
    Plan or None

    Raises
    ------
    DataError
        There is a damaged plan.
    """
    path = folder / PLAN_FILE
    return Plan.load(path) if folder.is_dir() and path.is_file() else None
