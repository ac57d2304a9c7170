"""Elasticity documents in JSON: atomate2's ElasticDocument and emmet's ElasticityDoc, written with pymatgen's tensors.

Both hold ``structure`` and ``fitting_data`` with ``deformations`` (F), ``cauchy_stresses`` and ``pk_stresses`` or
``second_pk_stresses`` in GPa, tension positive (atomate2, schemas/elastic.py; emmet-core, elasticity.py). Documents
of the first
atomate hold the same lists at top level.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from constitutive.data import StressStrainData
from constitutive.data.checks import as_float_array
from constitutive.data.storage import read_json
from constitutive.errors import DataError
from constitutive.readers.guard import parsing


def is_elasticity(document: dict[str, Any]) -> bool:
    """Whether a JSON object looks like an elasticity document."""
    inner = document.get("fitting_data")
    return "deformations" in (inner if isinstance(inner, dict) else document)


def read_elasticity(path: Path) -> StressStrainData:
    """The fitting data of an elasticity document, against its structure.

    Raises
    ------
    DataError
        The lists are missing, of unequal length, or no tensors; or the structure is missing.
    """
    document = read_json(path)
    data = document["fitting_data"] if isinstance(document.get("fitting_data"), dict) else document
    with parsing(path, "elasticity document"):
        F = _tensors(data.get("deformations"), f"{path}: deformations")
        measures = {
            "cauchy": data.get("cauchy_stresses"),
            "second_piola_kirchhoff": data.get("pk_stresses") or data.get("second_pk_stresses"),
        }
        given = {name: _tensors(value, f"{path}: {name}") for name, value in measures.items() if value}
        if not given:
            raise DataError(f"{path}: found no cauchy_stresses, pk_stresses or second_pk_stresses; needed one")
        name = next(iter(given))
        structure = document.get("structure") or document.get("initial_structure")
        if not isinstance(structure, dict):
            raise DataError(f"{path}: found no structure; needed the reference structure of the deformations")
        fields = {"F": F, name: given[name], "units": "GPa", "structure": structure, "ions": "relaxed"}
        return StressStrainData.from_document({**fields, **_conditions(document, data)}, source=str(path))


def _conditions(document: dict[str, Any], data: dict[str, Any]) -> dict[str, Any]:
    kept = ("material_id", "task_id", "fitting_method", "order", "eq_stress", "formula_pretty", "builder_meta")
    found = {key: document[key] for key in kept if document.get(key) is not None}
    if data.get("equilibrium_cauchy_stress") is not None:
        found["eq_stress"] = data["equilibrium_cauchy_stress"]
    return {"code": "atomate2 or emmet elasticity document", "settings": found}


def _tensors(value: Any, name: str) -> np.ndarray:
    if not isinstance(value, list) or not value:
        raise DataError(f"{name}: found {type(value).__name__}; needed a list of 3×3 matrices")
    plain = [_array_of(entry) for entry in value]
    return as_float_array(plain, name, (None, 3, 3))


def _array_of(entry: Any) -> Any:
    """Plain rows, or pymatgen's and monty's ``{"input_array": ...}`` and ``{"data": ...}``."""
    if isinstance(entry, dict):
        return entry.get("input_array", entry.get("data"))
    return entry
