"""Elastic constants and what follows from them: constants with error bars, stability, directional moduli, sound."""

from constitutive.elasticity.constants import (
    ConstantsTable,
    PressureState,
    constants_table,
    constants_under_pressure,
    elastic_constants,
    independent_places,
)
from constitutive.elasticity.coupled import CoupledConstants, coupled_constants
from constitutive.elasticity.directional import (
    QUANTITIES,
    UNITS,
    Averages,
    DirectionalModuli,
    Extreme,
)
from constitutive.elasticity.directions import half_sphere, plane_axes, unit
from constitutive.elasticity.piezoelectric import QuartzSetting, longitudinal_coupling, longitudinal_piezoelectric, quartz_setting
from constitutive.elasticity.stability import BLIND_SPOT, Ellipticity, StabilityMap, born_stable, ellipticity, stability_map

__all__ = [
    "BLIND_SPOT",
    "QUANTITIES",
    "UNITS",
    "Averages",
    "ConstantsTable",
    "CoupledConstants",
    "DirectionalModuli",
    "Ellipticity",
    "Extreme",
    "PressureState",
    "QuartzSetting",
    "StabilityMap",
    "born_stable",
    "constants_table",
    "constants_under_pressure",
    "coupled_constants",
    "elastic_constants",
    "ellipticity",
    "half_sphere",
    "independent_places",
    "longitudinal_coupling",
    "longitudinal_piezoelectric",
    "plane_axes",
    "quartz_setting",
    "stability_map",
    "unit",
]
