"""Strain energies of crystals with closed-form stress and tangent, exact under their group.

Every law is a :class:`Law`: ``energy``, ``stress`` and ``tangent`` of a Green–Lagrange strain, batched, float64, in GPa.
"""

import importlib
import warnings

from constitutive.laws.base import Law, RotatedLaw, law_from_state
from constitutive.laws.bounded import BoundedLaw, Domain
from constitutive.laws.linear import LinearLaw
from constitutive.laws.network import NetworkLaw, UnconstrainedNetworkLaw
from constitutive.laws.polyconvex import PolyconvexLaw
from constitutive.laws.series import SeriesLaw
from constitutive.laws.sum import SumLaw

__all__ = [
    "BoundedLaw",
    "Domain",
    "Law",
    "LinearLaw",
    "NetworkLaw",
    "PolyconvexLaw",
    "RotatedLaw",
    "SeriesLaw",
    "SumLaw",
    "UnconstrainedNetworkLaw",
    "law_from_state",
]


def __getattr__(name: str) -> object:
    """The former place of a class that moved to a higher layer."""
    if name != "Uncertainty":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    warnings.warn("constitutive.laws.Uncertainty is constitutive.fitting.Uncertainty now", DeprecationWarning, stacklevel=2)
    return importlib.import_module("constitutive.fitting").Uncertainty
