"""Elastic constants and what follows from them: constants with error bars, stability, directional moduli, sound."""

from constitutive.elasticity.directional import (
    QUANTITIES,
    UNITS,
    Averages,
    DirectionalModuli,
    Extreme,
    half_sphere,
    plane_axes,
    unit,
)

__all__ = ["QUANTITIES", "UNITS", "Averages", "DirectionalModuli", "Extreme", "half_sphere", "plane_axes", "unit"]
