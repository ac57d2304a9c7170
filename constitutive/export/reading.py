"""Elastic constants from other programs: a 6×6 text, ELATE, Materials Project or pymatgen JSON, an Abaqus card."""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from jaxtyping import Float

from constitutive.errors import ConstitutiveError, DataError, MaterialError
from constitutive.export.coupled_reading import coupled_tables
from constitutive.material import Material
from constitutive.plain import Json, JsonObject
from constitutive.symmetry import PointGroup
from constitutive.tensors.components import ORDERS, VOIGT, parse_order
from constitutive.tensors.packing import stiffness_mandel_to_voigt, tangent_to_mandel
from constitutive.units import STRESS_UNITS

LARGEST = 4 << 20  # bytes of a file of constants
PLAUSIBLE = (0.05, 5000.0)  # GPa, the largest entry of a stiffness: below foams, above diamond


@dataclass(frozen=True)
class Imported:
    """Constants as a file holds them.

    Attributes
    ----------
    stiffness
        6×6 in GPa, Voigt order xx yy zz yz xz xy.
    assumed
        What the file did not state and was taken as usual, one sentence each.
    source
        Kind of file.
    tables
        Piezoelectric, dielectric and thermal constants, as arguments of ``Material.from_constants``.
    """

    stiffness: Float[np.ndarray, "6 6"]
    assumed: tuple[str, ...]
    source: str
    tables: JsonObject = field(default_factory=dict)


def read_constants(
    path: str | os.PathLike[str],
    *,
    point_group: str | PointGroup | None = None,
    structure: object = None,
    frame: Float[np.ndarray, "3 3"] | None = None,
    unit: str | None = None,
    order: str | None = None,
    name: str = "",
) -> tuple[Material, Imported]:
    """Material of the elastic constants in a file.

    Parameters
    ----------
    path : path
        Text of 6×6 (or 21) numbers such as ELATE's, JSON of the Materials Project or of pymatgen, or an Abaqus card;
        JSON with ``stiffness`` and other tables by the names of ``Material.from_constants`` gives a law with fields and temperature.
    point_group : str or PointGroup, optional
        The crystal's group, a symbol in its standard axes; needed without a structure.
    structure : Structure, optional
        The crystal whose Cartesian axes are those of the constants; its group is found.
    frame : (3, 3), optional
        Rotation from the group's standard axes to those of the constants.
    unit : {"GPa", "MPa", "kPa", "Pa"}, optional
        Unit of the numbers; GPa where the kind of file has that by convention, and needed for an Abaqus card.
    order : str, optional
        Order of the components of a text, such as "xx yy zz xy yz xz"; "xx yy zz yz xz xy" by default.
    name : str
        Of the material.

    Returns
    -------
    material : Material
        Its law has exactly the group's symmetry.
    found : Imported
        What was read, and what was assumed.

    Raises
    ------
    DataError
        The file is none of these, or holds numbers that are no stiffness.
    MaterialError
        The constants contradict the group in that frame.
    """
    found = _read(Path(path), unit, order, structure is not None)
    group = _group(point_group, structure, frame)
    _require_stiffness(found.stiffness, Path(path))
    try:
        stated = None if unit is None else "GPa"  # the stiffness is in GPa by then; what is stated is not judged
        material = Material.from_constants(group, found.stiffness, name=name, structure=structure, unit=stated, **found.tables)
    except ConstitutiveError as error:
        raise MaterialError(f"{path}: {error}{_hint(found.stiffness, group)}") from error
    material.card["imported"] = {"file": Path(path).name, "kind": found.source, "assumed": list(found.assumed)}
    return material, found


def _group(point_group: str | PointGroup | None, structure: object, frame: np.ndarray | None) -> PointGroup:
    if isinstance(point_group, PointGroup):
        return point_group
    if structure is not None:
        own = PointGroup.from_structure(structure)
        if point_group is not None and PointGroup.from_symbol(point_group).symbol != own.symbol:
            raise MaterialError(f"the structure has the point group {own.symbol}, {point_group} was stated; leave one of them out")
        return own
    if point_group is None:
        raise MaterialError("the point group of the constants is needed: state --point-group (in standard axes) or --structure")
    return PointGroup.from_symbol(point_group, frame=frame)


def _require_stiffness(C: np.ndarray, path: Path) -> None:
    if not np.isfinite(C).all():
        raise DataError(f"{path}: a constant is NaN or infinite; needed are finite numbers")
    size = np.abs(C).max()
    asymmetry = np.abs(C - C.T).max()
    if asymmetry > 0.01 * size:
        raise DataError(f"{path}: the table is not symmetric (by {asymmetry:.3g} GPa of {size:.3g}); it is no stiffness matrix")
    if not PLAUSIBLE[0] <= size <= PLAUSIBLE[1]:
        raise DataError(f"{path}: the largest constant is {size:.3g} GPa; state the unit of the file by --unit (GPa, MPa, kPa, Pa)")
    lowest = np.linalg.eigvalsh((C + C.T) / 2)[0]
    if lowest <= 0:
        raise DataError(
            f"{path}: the crystal would be unstable (lowest eigenvalue {lowest:.3g} GPa); is the table a compliance, or in another order "
            f"of components (--order)?"
        )


def _hint(C: np.ndarray, group: PointGroup) -> str:
    """Another order of components under which the table has the group's symmetry."""
    for name, text in ORDERS.items():
        place = np.argsort(parse_order(text))
        if text == VOIGT or "triangle" in name:
            continue
        try:
            Material.from_constants(group, C[np.ix_(place, place)])
        except ConstitutiveError:
            continue
        return f"; in the order {text} ({name}) they would fit: state --order '{text}'"
    return "; or state where the group's axes point (--structure)"


# ---- kinds of files -----------------------------------------------------------------------------------------------------


def _read(path: Path, unit: str | None, order: str | None, with_structure: bool) -> Imported:
    if unit is not None and unit not in STRESS_UNITS:
        raise DataError(f"unit {unit!r} found; needed one of {', '.join(STRESS_UNITS)}")
    try:
        if path.stat().st_size > LARGEST:
            raise DataError(f"{path}: larger than 4 MiB; a file of elastic constants was needed")
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read as text ({error})") from error
    if text.lstrip()[:1] in "[{" and text.strip():
        return _json(path, text, unit, order, with_structure)
    if re.search(r"^\s*\*\s*elastic", text, re.IGNORECASE | re.MULTILINE):
        return _abaqus(path, text, unit, order)
    return _text(path, text, unit, order)


def _scaled(C: np.ndarray, unit: str | None, convention: str) -> tuple[np.ndarray, tuple[str, ...]]:
    assumed = () if unit is not None else (f"the unit is GPa, as {convention} has it",)
    return C / STRESS_UNITS[unit or "GPa"], assumed


def _text(path: Path, text: str, unit: str | None, order: str | None) -> Imported:
    rows: list[list[float]] = []
    for number, line in enumerate(text.splitlines(), 1):
        body = re.split(r"[#!%]|//", line)[0].replace(",", " ").replace(";", " ").replace("|", " ")
        words = re.sub(r"[\[\]()]", " ", body).split()
        try:
            rows.append([float(word.replace("d", "e").replace("D", "e")) for word in words])
        except ValueError as error:
            raise DataError(
                f"{path}, line {number}: {line.strip()[:60]!r} found; needed are six rows of six numbers (or 6, 5, … 1)"
            ) from error
    rows = [row for row in rows if row]
    lengths = [len(row) for row in rows]
    if lengths == [6] * 6:
        C = np.array(rows)
        lower, upper = np.abs(np.tril(C, -1)).max(), np.abs(np.triu(C, 1)).max()
        if (lower == 0) != (upper == 0):  # one triangle, the other of zeros
            C = C + C.T - np.diag(np.diag(C))
    elif lengths == [6, 5, 4, 3, 2, 1]:
        C = np.zeros((6, 6))
        for i, row in enumerate(rows):
            C[i, i:] = C[i:, i] = row
    else:
        raise DataError(f"{path}: rows of {lengths[:8]} numbers found; needed are six of six, or 6, 5, 4, 3, 2, 1 (upper triangle)")
    C, assumed = _scaled(C, unit, "a text of constants")
    if order is None:
        assumed += (f"the components are in the order {VOIGT}",)
    place = np.argsort(parse_order(order or VOIGT))
    return Imported(C[np.ix_(place, place)], assumed, "6×6 text")


def _abaqus(path: Path, text: str, unit: str | None, order: str | None) -> Imported:
    if order is not None:
        raise DataError(f"{path}: an Abaqus card has its own order of components; leave --order out")
    own = re.search(r"^\*\*\s*Units:.* in (GPa|MPa|kPa|Pa)\b", text, re.MULTILINE)
    if unit is None and own is None:
        raise DataError(f"{path}: an Abaqus card states no unit; state --unit (GPa, MPa, kPa, Pa)")
    lines = iter(text.splitlines())
    kind = ""
    values: list[float] = []
    for line in lines:
        if re.match(r"\s*\*\s*elastic\b", line, re.IGNORECASE):
            if kind:
                raise DataError(f"{path}: holds several *ELASTIC cards; keep the one of the crystal")
            stated = re.search(r"type\s*=\s*(\w+)", line, re.IGNORECASE)
            kind = (stated[1] if stated else "ISOTROPIC").upper()
        elif line.lstrip().startswith("*"):
            if kind and values and not line.lstrip().startswith("**"):
                break
        elif kind:
            values += [float(word) for word in line.replace(",", " ").split()]
    C = np.zeros((6, 6))
    if kind.startswith("ANISO") and len(values) in (21, 22):
        pairs = [(a, b) for b in range(6) for a in range(b + 1)]
    elif kind.startswith("ORTHO") and len(values) in (9, 10):
        pairs = [(0, 0), (0, 1), (1, 1), (0, 2), (1, 2), (2, 2), (3, 3), (4, 4), (5, 5)]
    else:
        raise DataError(
            f"{path}: *ELASTIC, TYPE={kind} with {len(values)} numbers; needed is ANISOTROPIC (21) or ORTHOTROPIC (9) at one temperature"
        )
    for (a, b), value in zip(pairs, values, strict=False):
        C[a, b] = C[b, a] = value
    place = np.argsort(parse_order(ORDERS["Abaqus"]))
    assumed = () if unit is not None else (f"the unit is {own[1]}, as the card's comment states",) if own else ()
    return Imported(C[np.ix_(place, place)] / STRESS_UNITS[unit or (own[1] if own else "GPa")], assumed, f"Abaqus *ELASTIC, TYPE={kind}")


def _json(path: Path, text: str, unit: str | None, order: str | None, with_structure: bool) -> Imported:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: no valid JSON ({str(error)[:80]})") from error
    table, source, assumed = _table_of(path, document, with_structure)
    try:
        C = np.array(table, dtype=np.float64)
    except (ValueError, TypeError) as error:
        raise DataError(f"{path}: the elastic tensor is no table of numbers") from error
    if C.shape == (3, 3, 3, 3):
        C = stiffness_mandel_to_voigt(np.asarray(tangent_to_mandel(C)))
    if C.shape != (6, 6):
        raise DataError(f"{path}: an elastic tensor of shape {C.shape} found; needed 6×6 (or 3×3×3×3)")
    C, unit_note = _scaled(C, unit, source)
    place = np.argsort(parse_order(order or VOIGT))
    tables, left = coupled_tables(path, document, with_structure=with_structure)
    if tables and order is not None:
        raise DataError(f"{path}: found --order beside piezoelectric or other tables; needed all in the order {VOIGT}")
    return Imported(C[np.ix_(place, place)], assumed + unit_note + left, source, tables)


def _table_of(path: Path, document: Json, with_structure: bool) -> tuple[Json, str, tuple[str, ...]]:
    if isinstance(document, list) and len(document) == 6:
        return document, "a JSON table", ()
    if isinstance(document, list):
        if len(document) != 1:
            raise DataError(f"{path}: {len(document)} entries found; needed the document of one crystal")
        document = document[0]
    if not isinstance(document, dict):
        raise DataError(f"{path}: {type(document).__name__} found; needed a document with an elastic tensor")
    return _of_document(path, document, with_structure)


def _of_document(path: Path, document: JsonObject, with_structure: bool) -> tuple[Json, str, tuple[str, ...]]:
    if "stiffness" in document:
        return document["stiffness"], "tables of constants", ()
    if "input_array" in document:
        return document["input_array"], "pymatgen's ElasticTensor", ()
    for outer in ("elasticity", "data", "response"):
        if isinstance(document.get(outer), dict) and "elastic_tensor" in document[outer]:
            document = document[outer]
    tensor = document.get("elastic_tensor", document.get("elastic_tensor_original"))
    if isinstance(tensor, dict):
        wanted = "raw" if with_structure else "ieee_format"
        if tensor.get(wanted) is None:
            raise DataError(
                f"{path}: the tensor holds {', '.join(tensor)}; needed {wanted} ({'with' if with_structure else 'without'} a structure)"
            )
        axes = "the structure's axes" if with_structure else "the axes of the IEEE standard, which are taken as the group's standard axes"
        return tensor[wanted], "the Materials Project", (f"the constants ({wanted}) are in {axes}",)
    if tensor is None:
        raise DataError(
            f"{path}: holds the keys {', '.join(list(document)[:8])}; needed elastic_tensor (Materials Project), input_array (pymatgen) or "
            "stiffness"
        )
    return tensor, "the Materials Project", ()
