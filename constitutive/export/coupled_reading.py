"""Piezoelectric, dielectric and thermal constants beside elastic ones in a JSON file, as arguments of ``Material.from_constants``."""

from __future__ import annotations

from pathlib import Path

from constitutive.errors import DataError
from constitutive.plain import Json, JsonObject
from constitutive.readers.responses import read_responses

TABLES = (
    "piezoelectric_e",
    "piezoelectric_d",
    "permittivity",
    "permittivity_at_constant_stress",
    "thermal_expansion",
    "pyroelectric",
    "heat_capacity",
    "reference_temperature",
)
DOCUMENTS = ("dielectric", "piezo", "piezoelectric")  # parts of documents of the Materials Project and pymatgen
WORDS = ("stiffness", "name", "source", "comment", "note", "point_group")


def coupled_tables(path: Path, document: Json, *, with_structure: bool) -> tuple[JsonObject, tuple[str, ...]]:
    """The other constants of a document that holds a stiffness.

    Parameters
    ----------
    path : Path
        Of the file.
    document : dict or list
        Its content. Plain keys are those of :meth:`~constitutive.material.Material.from_constants`, in their units and the order
        xx yy zz yz xz xy, beside ``stiffness``; parts ``piezo`` and ``dielectric`` are in VASP's order and the structure's axes.
    with_structure : bool
        Whether the structure is given.

    Returns
    -------
    tables : dict
        Arguments by name.
    notes : tuple of str
        What was left out.

    Raises
    ------
    DataError
        A key of a plain document is none of these, or tensors stand in the axes of a structure that was not given.
    """
    if not isinstance(document, dict):
        return {}, ()
    if "stiffness" in document:
        unknown = [key for key in document if key not in (*TABLES, *WORDS)]
        if unknown:
            raise DataError(f"{path}: found {', '.join(unknown)} beside stiffness; needed of {', '.join(TABLES)} those that are known")
        return {key: document[key] for key in TABLES if document.get(key) is not None}, ()
    if not any(key in document for key in DOCUMENTS):
        return {}, ()
    if not with_structure:
        return {}, ("piezo and dielectric tensors are in the axes of the structure, and were left out: state --structure",)
    found = read_responses(path)
    tables: JsonObject = {"piezoelectric_e": found.piezoelectric_e, "permittivity": found.permittivity}
    if found.permittivity is None and found.piezoelectric_e is not None:
        return {}, ("a piezoelectric tensor without a permittivity of relaxed ions was left out",)
    return {name: value for name, value in tables.items() if value is not None}, ()
