"""What a card says of the samples that a law was calibrated on."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from pymatgen.core import Structure

from constitutive.data import StressStrainData
from constitutive.errors import SymmetryError
from constitutive.plain import Json, JsonObject
from constitutive.symmetry import crystal_frames, find_symmetry

STATED = ("code", "potential")


def data_of_card(data: StressStrainData) -> JsonObject:
    """The part ``data`` of a card: where the samples come from, in which frame, and with which ions.

    Parameters
    ----------
    data : StressStrainData

    Returns
    -------
    dict
        ``name``, ``sha256``, ``samples``, ``measure`` and ``ions``; where the data state them ``code``, ``potential``, ``settings`` (of the
        calculator, or what the data have as such in words and numbers), ``made_by`` and ``frame``: the directions of the edges a, b and c
        of the conventional cell in the coordinates of the data.
    """
    card: JsonObject = {
        "name": data.name, "sha256": data.sha256, "samples": len(data), "measure": data.measure, "ions": data.ions,
        **{key: value for key, value in (data.model_extra or {}).items() if key in STATED and isinstance(value, str)},
    }  # fmt: skip
    if settings := _settings(data.settings):
        card["settings"] = settings
    if isinstance(data.provenance, Mapping) and isinstance(data.provenance.get("made by"), str):
        card["made_by"] = data.provenance["made by"]
    if data.structure is not None and (frame := _frame(data.structure)):
        card["frame"] = frame
    return card


def _settings(stated: Json) -> JsonObject:
    """Those of the calculator and the limit of the forces; of data from elsewhere what is said in a word, a number or a sentence."""
    if not isinstance(stated, Mapping):
        return {}
    if "calculator" in stated:
        return {key: stated[key] for key in ("calculator", "force_eV_per_angstrom") if key in stated}
    return {str(key): value for key, value in stated.items() if isinstance(value, str | int | float)}


def _frame(structure: Structure) -> JsonObject:
    try:
        cell = crystal_frames(find_symmetry(structure)).conventional_cell
    except SymmetryError:
        return {}
    along = np.round(cell / np.linalg.norm(cell, axis=1, keepdims=True), 6) + 0.0
    return dict(zip("abc", along.tolist(), strict=True))
