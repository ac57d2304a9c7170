"""Symmetry-exact constitutive laws of crystals, from simulation data to finite elements.

The path through the toolkit, each arrow one call: structure → :class:`PointGroup`; strains and stresses →
:class:`StressStrainData`; both → :func:`calibrate` → :class:`Material` → ``constitutive.fem.UserMaterial``.

Names are loaded when first used, so that importing the package (and every ``--help``) stays quick.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from constitutive.errors import ConstitutiveError
from constitutive.lazy import lazy_names
from constitutive.library import shipped

if TYPE_CHECKING:
    from constitutive.calibration.calibrate import calibrate
    from constitutive.data import StressStrainData
    from constitutive.material import Material
    from constitutive.symmetry import PointGroup

__version__ = "0.2.0"
__all__ = ["ConstitutiveError", "Material", "PointGroup", "StressStrainData", "calibrate", "shipped"]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "constitutive.symmetry": ["PointGroup"],
        "constitutive.data": ["StressStrainData"],
        "constitutive.calibration": ["calibrate"],
        "constitutive.material": ["Material"],
    },
)

