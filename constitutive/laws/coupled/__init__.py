"""Energies of several variables: strain, electric field or polarisation, temperature, and others, exact under the full point group.

Every law is a :class:`CoupledLaw`: ``energy``, ``gradient`` and ``hessian`` of packed points (n, k), the components of the variables one
after the other, in float64. For the strain and an electric field the energy is the electric enthalpy Ω without its free-space part, which
:func:`with_free_space` adds in closed form.
"""

from constitutive.laws.coupled.base import CoupledLaw, RotatedCoupledLaw, coupled_law_from_state
from constitutive.laws.coupled.elastic import elastic_law
from constitutive.laws.coupled.extended import ExtendedCoupledLaw
from constitutive.laws.coupled.free_space import FreeSpace, FreeSpaceLaw, free_space, with_free_space
from constitutive.laws.coupled.linear import LinearCoupledLaw
from constitutive.laws.coupled.network import CoupledNetworkLaw
from constitutive.laws.coupled.output import EquivariantOutput
from constitutive.laws.coupled.series import CoupledSeriesLaw
from constitutive.laws.coupled.sum import CoupledSumLaw
from constitutive.tensors.variables import (
    COMPOSITION,
    ELECTRIC_FIELD,
    MAGNETIC_FIELD,
    POLARIZATION,
    STRAIN,
    TEMPERATURE,
    VARIABLES,
    Variable,
    representation,
    variables_named,
)

__all__ = [
    "COMPOSITION",
    "ELECTRIC_FIELD",
    "MAGNETIC_FIELD",
    "POLARIZATION",
    "STRAIN",
    "TEMPERATURE",
    "VARIABLES",
    "CoupledLaw",
    "CoupledNetworkLaw",
    "CoupledSeriesLaw",
    "CoupledSumLaw",
    "EquivariantOutput",
    "ExtendedCoupledLaw",
    "FreeSpace",
    "FreeSpaceLaw",
    "LinearCoupledLaw",
    "RotatedCoupledLaw",
    "Variable",
    "coupled_law_from_state",
    "elastic_law",
    "free_space",
    "representation",
    "variables_named",
    "with_free_space",
]
