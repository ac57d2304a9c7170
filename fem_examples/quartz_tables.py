"""Right-handed quartz in the axes and signs of IEEE Std 176-1978, and how its constants change with temperature.

Constants of R. Bechmann, Phys. Rev. 110 (1958) 1060; first-order temperature coefficients of R. Bechmann, A. D. Ballato and T. J. Lukaszek,
Proc. IRE 50 (1962) 1812, in 1e-6/K, each for its own constant: c12 follows from c66 = (c11 − c12)/2.
"""

from __future__ import annotations

import numpy as np

from constitutive import PointGroup
from constitutive.laws.coupled import LinearCoupledLaw
from constitutive.units import VACUUM_PERMITTIVITY

CONSTANTS = {"c11": 86.74, "c66": 39.875, "c13": 11.91, "c14": 17.91, "c33": 107.2, "c44": 57.94}  # GPa, at constant field
CHANGE = {"c11": -48.5, "c66": 178.0, "c13": -550.0, "c14": 101.0, "c33": -160.0, "c44": -177.0}  # 1e-6/K
E11, E14 = 0.171, 0.0406  # C/m²
PERMITTIVITY = np.diag([39.21, 39.21, 41.03]) * 1e-3 / VACUUM_PERMITTIVITY  # of pF/m, relative to free space
ALPHA = np.diag([13.71e-6, 13.71e-6, 7.48e-6])  # 1/K
DENSITY = 2648.65  # kg/m³


def stiffness(warmer: float = 0.0) -> np.ndarray:
    """Elastic constants (GPa, Voigt) at a temperature difference in K."""
    c = {name: value * (1 + 1e-6 * CHANGE[name] * warmer) for name, value in CONSTANTS.items()}
    C = np.diag([c["c11"], c["c11"], c["c33"], c["c44"], c["c44"], c["c66"]])
    C[0, 1] = C[1, 0] = c["c11"] - 2 * c["c66"]
    C[:2, 2] = C[2, :2] = c["c13"]
    C[0, 3] = C[3, 0] = C[4, 5] = C[5, 4] = c["c14"]
    C[1, 3] = C[3, 1] = -c["c14"]
    return C


def quartz(warmer: float = 0.0, *, thermal: bool = False) -> LinearCoupledLaw:
    """Linear law at a temperature difference in K; ``thermal`` makes the temperature a variable."""
    e = np.array([[E11, -E11, 0, E14, 0, 0], [0, 0, 0, 0, -E14, -E11], [0] * 6])
    expansion = {"thermal_expansion": ALPHA} if thermal else {}
    return LinearCoupledLaw.from_constants(
        PointGroup.from_symbol("32"), stiffness=stiffness(warmer), piezoelectric_e=e, permittivity=PERMITTIVITY, **expansion
    )


def about_x(degrees: float) -> np.ndarray:
    """Rotation about x."""
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return np.array([[1, 0, 0], [0, c, -s], [0, s, c]])
