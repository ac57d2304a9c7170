"""Stress-strain data of crystals: schema, units, provenance, files."""

from constitutive.data.checks import as_float_array
from constitutive.data.large import LargeData, load_bounded, open_large
from constitutive.data.model import MEASURES, GroupContradictionError, StressStrainData
from constitutive.data.plausible import require_plausible
from constitutive.data.reference_cell import require_same_reference

__all__ = [
    "MEASURES",
    "GroupContradictionError",
    "LargeData",
    "StressStrainData",
    "as_float_array",
    "load_bounded",
    "open_large",
    "require_plausible",
    "require_same_reference",
]
