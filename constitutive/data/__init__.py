"""Stress-strain data of crystals: schema, units, provenance, files."""

from constitutive.data.checks import as_float_array
from constitutive.data.model import MEASURES, GroupContradictionError, StressStrainData
from constitutive.data.plausible import require_plausible
from constitutive.data.reference import require_same_reference

__all__ = [
    "MEASURES",
    "GroupContradictionError",
    "StressStrainData",
    "as_float_array",
    "require_plausible",
    "require_same_reference",
]
