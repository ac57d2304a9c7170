"""Strain energies of crystals with closed-form stress and tangent, exact under their group.

Every law is a :class:`Law`: ``energy``, ``stress`` and ``tangent`` of a Green–Lagrange strain, batched, float64, in GPa.
"""

from constitutive.laws.base import Law, law_from_state
from constitutive.laws.bounded import BoundedLaw, Domain
from constitutive.laws.linear import LinearLaw
from constitutive.laws.network import NetworkLaw, UnconstrainedNetworkLaw
from constitutive.laws.rotated import RotatedLaw
from constitutive.laws.series import SeriesLaw
from constitutive.laws.sum import SumLaw
from constitutive.laws.uncertainty import Uncertainty

__all__ = [
    "BoundedLaw",
    "Domain",
    "Law",
    "LinearLaw",
    "NetworkLaw",
    "RotatedLaw",
    "SeriesLaw",
    "SumLaw",
    "Uncertainty",
    "UnconstrainedNetworkLaw",
    "law_from_state",
]
