r"""Piezoelectric response along a direction: what a thin rod or plate cut along n would show.

.. math::
    d(n) = n_i\, d_{ijk}\, n_j n_k, \qquad k(n) = \frac{d(n)}{\sqrt{\varepsilon^T(n)\, s^E(n)}}

with :math:`\varepsilon^T(n) = n\cdot\varepsilon^T n` and :math:`s^E(n) = s_{ijkl} n_i n_j n_k n_l` (IEEE Std 176-1987, sec. 3). Both change
their sign with n, and from a crystal to its mirror image: k² is the share of the work that becomes electric in a rod pulled along n with
electrodes at its ends.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Float

from constitutive.elasticity.coupled import PICO, CoupledConstants
from constitutive.errors import MaterialError
from constitutive.symmetry import PointGroup
from constitutive.units import VACUUM_PERMITTIVITY

AXES = 1e-6  # of an operation, and of a constant relative to the largest
QUANTITIES = ("piezoelectric", "coupling")


def _pairs(n: Float[np.ndarray, "*m 3"]) -> Float[np.ndarray, "*m 6"]:
    """n_j n_k in the order xx yy zz yz xz xy."""
    x, y, z = n[..., 0], n[..., 1], n[..., 2]
    return np.stack([x * x, y * y, z * z, y * z, x * z, x * y], -1)


def longitudinal_piezoelectric(constants: CoupledConstants, n: Float[np.ndarray, "*m 3"]) -> Float[np.ndarray, "*m"]:
    """Strain along n for a field along n, d(n).

    Parameters
    ----------
    constants : CoupledConstants
    n : array (..., 3)
        Unit vectors.

    Returns
    -------
    array (...)
        pm/V, signed.

    Raises
    ------
    MaterialError
        The law has no piezoelectric constants.

    Examples
    --------
    >>> from constitutive.elasticity import coupled_constants
    >>> from constitutive.laws.coupled import LinearCoupledLaw
    >>> from constitutive.symmetry import PointGroup
    >>> C, e = np.diag([100.0, 100, 100, 50, 50, 50]), np.zeros((3, 6))
    >>> e[0, 3] = e[1, 4] = e[2, 5] = 0.5
    >>> law = LinearCoupledLaw.from_constants(PointGroup.from_symbol("-43m"), stiffness=C, piezoelectric_e=e, permittivity=5 * np.eye(3))
    >>> longitudinal_piezoelectric(coupled_constants(law), np.ones(3) / np.sqrt(3)).round(6)  # d14/√3
    np.float64(5.773503)
    """
    if constants.d is None:
        raise MaterialError("the law has no piezoelectric constants: it is no function of an electric field or a polarisation")
    return np.asarray(np.einsum("...i,ip,...p->...", n, constants.d, _pairs(n)))


def longitudinal_coupling(constants: CoupledConstants, n: Float[np.ndarray, "*m 3"]) -> Float[np.ndarray, "*m"]:
    """Longitudinal coupling factor k(n), with the sign of d(n).

    Parameters
    ----------
    constants : CoupledConstants
    n : array (..., 3)
        Unit vectors.

    Returns
    -------
    array (...)
        Between −1 and 1.

    Raises
    ------
    MaterialError
        The law has no piezoelectric constants.
    """
    d, permittivity = longitudinal_piezoelectric(constants, n) / PICO, np.asarray(constants.permittivity_constant_stress)
    pairs = _pairs(n)
    epsilon = VACUUM_PERMITTIVITY * np.einsum("...i,ij,...j->...", n, permittivity, n)
    return np.asarray(d / np.sqrt(epsilon * np.einsum("...p,pq,...q->...", pairs, constants.s_constant_field, pairs)))


@final
@dataclass(frozen=True)
class QuartzSetting:
    """What the signs of c14 and e11 say of a crystal of quartz and of its axes.

    Attributes
    ----------
    c14, e11 : int
        Their signs.
    hand : str
        "right" or "left".
    standard : str
        Whose axes these are: "IEEE 176-1978" or "IRE 1949".
    """

    c14: int
    e11: int
    hand: str
    standard: str

    def __str__(self) -> str:
        signs = f"c14 {'+' if self.c14 > 0 else '−'}, e11 {'+' if self.e11 > 0 else '−'}"
        return f"{signs}: in quartz the signs of a {self.hand}-handed crystal in the axes of {self.standard}"


def quartz_setting(group: PointGroup, constants: CoupledConstants) -> QuartzSetting | None:
    """The hand of a quartz crystal and the standard of its axes, by the signs of c14 and e11.

    With z along the three-fold and x along a two-fold axis, a turn by 180° about z changes both signs (the standards of 1949 and 1978
    differ by it), and a mirror changes that of e11.

    Parameters
    ----------
    group : PointGroup
        In the frame of the constants.
    constants : CoupledConstants

    Returns
    -------
    QuartzSetting or None
        None for a group other than 32, other axes, or constants that are zero.
    """
    e, C = constants.e, constants.C_constant_field
    two_fold = np.diag([1.0, -1.0, -1.0])
    if group.symbol != "32" or e is None or np.abs(np.asarray(group.operations) - two_fold).max((1, 2)).min() > AXES:
        return None
    if abs(C[0, 3]) < AXES * abs(C).max() or abs(e[0, 0]) < AXES * abs(e).max():
        return None
    c14, e11 = (1 if value > 0 else -1 for value in (C[0, 3], e[0, 0]))
    return QuartzSetting(c14, e11, "right" if c14 == e11 else "left", "IEEE 176-1978" if c14 > 0 else "IRE 1949")
