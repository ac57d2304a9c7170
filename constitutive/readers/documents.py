"""JSON documents of other programs: what they are, and those of elasticity workflows as data sets.

atomate2's ElasticDocument and emmet's ElasticityDoc hold ``structure`` and ``fitting_data`` with ``deformations`` (F),
``cauchy_stresses`` and ``pk_stresses`` or ``second_pk_stresses`` in GPa, tension positive (atomate2, schemas/elastic.py; emmet-core,
elasticity.py). Documents of the first atomate hold the same lists at top level, those of third order ``deformation_tasks`` with
``deformation_matrix`` and VASP's stress (kbar, pressure positive).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import cast

import numpy as np
from jaxtyping import Float

from constitutive.data import StressStrainData
from constitutive.data.checks import as_float_array
from constitutive.data.storage import read_text
from constitutive.errors import DataError
from constitutive.plain import JsonObject as Json
from constitutive.readers.guard import parsing
from constitutive.readers.reading import Reading
from constitutive.readers.stress_numbers import tensor
from constitutive.symmetry.structures import AnyStructure

_WRAPPERS = ("output", "elasticity", "data", "elasticity_third_order")
_CONSTANTS = ("elastic_tensor", "elastic_tensor_original", "c_ijkl", "raw", "ieee_format", "C_ij", "elastic_constants")
_STRUCTURES = ("structure", "optimized_structure", "initial_structure", "final_structure")
_STATED = {"cauchy_stresses": "cauchy", "pk_stresses": "second_piola_kirchhoff", "second_pk_stresses": "second_piola_kirchhoff"}


def load(path: Path) -> object:
    """The content of a JSON file, which may begin with lines of comment (#), as FitSNAP's do.

    Raises
    ------
    DataError
        The file is missing, too large, or no JSON.
    """
    text = read_text(path).lstrip("\ufeff")
    body = re.sub(r"\A(?:\s*#[^\n]*\n)+", "", text)
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: found no valid JSON ({error}); needed a JSON document; is the file cut off?") from error


def kind_of(path: Path) -> str:
    """The format of a JSON file: "elasticity", "fitsnap", "mlearn", or "json" for a data set of ours.

    Raises
    ------
    DataError
        The file is no JSON, or a list of something unknown.
    """
    content = load(path)
    if isinstance(content, list):
        first = content[0] if content else None
        if isinstance(first, dict) and isinstance(first.get("outputs"), dict) and "structure" in first:
            return "mlearn"
        if isinstance(first, dict) and len(content) == 1:
            return "elasticity"
        raise DataError(f"{path}: found a list of {len(content)} entries of an unknown kind; needed one document, or mlearn's list")
    if not isinstance(content, dict):
        raise DataError(f"{path}: found a JSON {type(content).__name__}, needed an object with F and one stress")
    if "F" in content and "units" in content:
        return "json"
    if isinstance(content.get("Dataset"), dict):
        return "fitsnap"
    if isinstance(content.get("outputs"), dict) and "structure" in content:
        return "mlearn"
    return "elasticity" if is_elasticity(content) else "json"


def is_elasticity(document: Json) -> bool:
    """Whether a JSON object looks like a document of an elasticity workflow, with samples or with constants only."""
    inner = _fitting_data(document)
    return any(key in inner for key in ("deformations", "deformation_tasks", "strains")) or _constants(document) is not None


def _unwrapped(document: Json) -> Json:
    """The object that holds the samples: a document may stand inside another."""
    for key in _WRAPPERS:
        inner = document.get(key)
        if isinstance(inner, dict) and not any(name in document for name in ("deformations", "fitting_data", "deformation_tasks", "F")):
            return {**{k: v for k, v in document.items() if k in _STRUCTURES}, **_unwrapped(cast(Json, inner))}
    return document


def _fitting_data(document: Json) -> Json:
    whole = _unwrapped(document)
    inner = whole.get("fitting_data")
    return cast(Json, inner) if isinstance(inner, dict) else whole


def _constants(document: Json) -> object:
    """The 6×6 table of a document that holds one."""
    whole = _unwrapped(document)
    for key in _CONSTANTS:
        table = whole.get(key)
        table = table.get("raw") or table.get("ieee_format") if isinstance(table, dict) else table
        if isinstance(table, list) and np.shape(table) == (6, 6):
            return table
    return None


def read_elasticity(path: Path, reading: Reading, structure: AnyStructure | None = None) -> StressStrainData:
    """The samples of an elasticity document, against its structure or a given one.

    Raises
    ------
    DataError
        There are constants but no samples, lists are missing, of unequal length, or no tensors, the structure is missing, or a
        statement about unit and sign is missing or contradicts the document.
    """
    with parsing(path, "elasticity document"):
        content = load(path)
        document = cast(Json, content[0] if isinstance(content, list) and len(content) == 1 else content)
        data, whole = _fitting_data(document), _unwrapped(document)
        reference = (
            structure if structure is not None else next((whole[key] for key in _STRUCTURES if isinstance(whole.get(key), dict)), None)
        )
        if "deformation_tasks" in data:
            fields = _of_tasks(path, data, reading)
        elif "deformations" in data:
            fields = _of_lists(path, data, reading, reference)
        else:
            raise DataError(f"{path}: {_no_samples(document, data)}")
        if reference is None:
            raise DataError(f"{path}: found no structure; needed the reference structure of the deformations; give it by --structure")
        code = "elasticity document of atomate, atomate2 or emmet"
        return StressStrainData.from_document(
            {**fields, "structure": reference, "code": code, "settings": _settings(whole, data)}, source=str(path)
        )


def _no_samples(document: Json, data: Json) -> str:
    table = _constants(document)
    if table is None:
        return "found strains without deformations; needed deformation gradients F"
    C = np.array(table, dtype=np.float64)
    return (
        f"found elastic constants (C11 {C[0, 0]:.4g}, C12 {C[0, 1]:.4g}, C44 {C[3, 3]:.4g} GPa) but no pairs of strain and stress; "
        "needed samples to calibrate on; for a law from constants use Material.from_constants(structure, C)"
    )


def _of_lists(path: Path, data: Json, reading: Reading, structure: object) -> Json:
    """Deformations beside stresses: in GPa and tension positive under the names of atomate2, else as the options state."""
    F = _tensors(data.get("deformations"), f"{path}: deformations", None)
    order = reading.options.order
    for key, name in _STATED.items():
        if data.get(key):
            reading.require_native(str(path), "GPa", "tension")
            reading.assume(f"{path.name}: {key} in GPa, tension positive, as atomate2 and emmet write them (the file says neither)")
            return {"F": F, name: _tensors(data[key], f"{path}: {key}", order), "units": "GPa", "ions": "relaxed"}
    if not data.get("stresses"):
        raise DataError(f"{path}: found no {', '.join((*_STATED, 'stresses'))}; needed one list of stresses")
    given = {"--unit": reading.options.unit, "--sign": reading.options.sign, "--structure": structure}
    missing = [flag for flag, value in given.items() if value is None]
    if missing:
        raise DataError(
            f"{path}: found deformations and stresses without {' and '.join(missing)}; needed all of --structure FILE (the undeformed "
            "cell), --unit and --sign: for VASP's numbers --unit kbar --sign pressure, for GPa with tension positive --unit GPa --sign "
            "tension"
        )
    sigma = reading.sign_of() * _tensors(data["stresses"], f"{path}: stresses", order)
    reading.assume("stresses are Cauchy stresses (--measure says otherwise)")
    return {"F": F, "cauchy": sigma, "units": reading.unit_of(str(path), None)}


def _of_tasks(path: Path, data: Json, reading: Reading) -> Json:
    """The tasks of the first atomate: VASP's stress in kbar, pressure positive."""
    tasks = data["deformation_tasks"]
    entries = list(tasks.values()) if isinstance(tasks, dict) else list(cast(Iterable[object], tasks))
    whole = [cast(Json, task) for task in entries if isinstance(task, dict) and task.get("stress") is not None]
    if not whole:
        raise DataError(f"{path}: found no stress in any of {len(entries)} deformation tasks; needed at least one")
    reading.require_native(str(path), "kbar", "pressure")
    F = _tensors([task.get("deformation_matrix") for task in whole], f"{path}: deformation_matrix", None)
    sigma = _tensors([task["stress"] for task in whole], f"{path}: stress", reading.options.order)
    if len(whole) < len(entries):
        reading.assume(f"{len(entries) - len(whole)} of {len(entries)} deformation tasks hold no stress: left out")
    return {"F": F, "cauchy": -sigma, "units": "kbar", "ions": "relaxed"}


def _settings(document: Json, data: Json) -> Json:
    kept = ("material_id", "task_id", "fitting_method", "order", "eq_stress", "formula_pretty", "builder_meta")
    found = {key: document[key] for key in kept if document.get(key) is not None}
    if data.get("equilibrium_cauchy_stress") is not None:
        found["eq_stress"] = data["equilibrium_cauchy_stress"]
    return found


def _tensors(value: object, name: str, order: str | None) -> Float[np.ndarray, "n 3 3"]:
    if not isinstance(value, list) or not value:
        raise DataError(f"{name}: found {type(value).__name__}; needed a list of 3×3 matrices")
    plain = [_plain(entry) for entry in value]
    if all(np.size(cast(list, entry)) == 6 for entry in plain):
        plain = [tensor(entry, order, f"{name} {index}").tolist() for index, entry in enumerate(plain)]
    return as_float_array(plain, name, (None, 3, 3))


def _plain(entry: object) -> object:
    """Plain rows, or pymatgen's and monty's ``{"input_array": ...}`` and ``{"data": ...}``."""
    return entry.get("input_array", entry.get("data")) if isinstance(entry, dict) else entry
