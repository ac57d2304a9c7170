r"""Constants of coupled crystals from the second and third derivatives of their energy.

With the second derivatives at a state, :math:`C^E = \Omega_{EE}`, :math:`e = -\Omega_{E_0 E}` and
:math:`\varepsilon^S = \varepsilon_0 - \Omega_{E_0 E_0}` (IEEE Std 176-1987, sec. 2.3):

.. math::
    d = e\, s^E, \quad \varepsilon^T = \varepsilon^S + e\, s^E e^T, \quad h = (\varepsilon^S)^{-1} e, \quad
    g = (\varepsilon^T)^{-1} d, \quad C^D = C^E + e^T (\varepsilon^S)^{-1} e

and with a temperature α = s β, :math:`p^T = p^S + e\,\alpha`, :math:`c^T = c^S + T\,\alpha\cdot\beta`,
:math:`C^{ad} = C + T\,\beta\beta^T / c^S` (Nye 1985, *Physical Properties of Crystals*, ch. X). A law of the polarisation is turned by its
Legendre transform: :math:`\chi = \psi_{PP}^{-1}`, :math:`e = -\chi\,\psi_{PE}`, :math:`C^E = \psi_{EE} - \psi_{EP}\,\chi\,\psi_{PE}`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
import torch
from jaxtyping import Float

from constitutive.errors import MaterialError
from constitutive.laws.coupled import CoupledLaw
from constitutive.plain import JsonObject
from constitutive.tensors.packing import ROOT2, stiffness_mandel_to_voigt
from constitutive.tensors.variables import Variable
from constitutive.units import VACUUM_PERMITTIVITY

VOIGT = np.array([1, 1, 1, ROOT2, ROOT2, ROOT2])  # Mandel over Voigt components of a stress; Voigt over Mandel of a strain
PICO = 1e3  # C/m² over GPa in pm/V


@final
@dataclass(frozen=True, eq=False)
class CoupledConstants:
    """Constants at one state, in the crystal's Cartesian frame and the IEEE order xx yy zz yz xz xy; None where the law has none.

    Attributes
    ----------
    C_constant_field, C_constant_displacement : array (6, 6)
        Stiffness at constant field (short circuit) and constant electric displacement (open circuit), GPa.
    s_constant_field, s_constant_displacement : array (6, 6)
        Compliances, 1/GPa.
    e, d, g, h : array (3, 6)
        Piezoelectric constants: e (C/m²), d (pm/V), g (V m/N), h (GV/m).
    permittivity_constant_strain, permittivity_constant_stress : array (3, 3)
        Relative to free space, free space included.
    electrostriction : array (6, 6)
        −∂³Ω/∂E∂E₀∂E₀ (GPa per (GV/m)²), without the Maxwell stress of free space: rows the stress, columns the pairs of field components.
    thermal_expansion : array (3, 3)
        α at constant stress and field (1/K).
    pyroelectric_constant_strain, pyroelectric_constant_stress : array (3,)
        C/m²/K: primary, and total for a homogeneous temperature.
    heat_capacity_constant_strain, heat_capacity_constant_stress : float
        J/m³/K, at constant field.
    C_adiabatic : array (6, 6)
        Stiffness at constant field and entropy, GPa.
    stable : bool
        Whether C at constant field and the permittivity at constant strain less that of free space are positive definite.
    """

    C_constant_field: Float[np.ndarray, "6 6"]
    s_constant_field: Float[np.ndarray, "6 6"]
    stable: bool
    C_constant_displacement: Float[np.ndarray, "6 6"] | None = None
    s_constant_displacement: Float[np.ndarray, "6 6"] | None = None
    e: Float[np.ndarray, "3 6"] | None = None
    d: Float[np.ndarray, "3 6"] | None = None
    g: Float[np.ndarray, "3 6"] | None = None
    h: Float[np.ndarray, "3 6"] | None = None
    permittivity_constant_strain: Float[np.ndarray, "3 3"] | None = None
    permittivity_constant_stress: Float[np.ndarray, "3 3"] | None = None
    electrostriction: Float[np.ndarray, "6 6"] | None = None
    thermal_expansion: Float[np.ndarray, "3 3"] | None = None
    pyroelectric_constant_strain: Float[np.ndarray, " 3"] | None = None
    pyroelectric_constant_stress: Float[np.ndarray, " 3"] | None = None
    heat_capacity_constant_strain: float | None = None
    heat_capacity_constant_stress: float | None = None
    C_adiabatic: Float[np.ndarray, "6 6"] | None = None

    def as_dict(self) -> JsonObject:
        """The constants by name with their units; those that the law does not have are left out.

        Returns
        -------
        dict
        """
        values = {f"{name}_{UNITS[name]}" if UNITS[name] else name: getattr(self, name) for name in UNITS}
        return {name: value for name, value in values.items() if value is not None} | {"stable": self.stable}


UNITS = {
    "C_constant_field": "GPa",
    "C_constant_displacement": "GPa",
    "s_constant_field": "per_GPa",
    "s_constant_displacement": "per_GPa",
    "e": "C_per_m2",
    "d": "pm_per_V",
    "g": "Vm_per_N",
    "h": "GV_per_m",
    "permittivity_constant_strain": "",
    "permittivity_constant_stress": "",
    "electrostriction": "GPa_m2_per_GV2",
    "thermal_expansion": "per_K",
    "pyroelectric_constant_strain": "C_per_m2K",
    "pyroelectric_constant_stress": "C_per_m2K",
    "heat_capacity_constant_strain": "J_per_m3K",
    "heat_capacity_constant_stress": "J_per_m3K",
    "C_adiabatic": "GPa",
}


def coupled_constants(
    law: CoupledLaw, x: Float[np.ndarray, " k"] | None = None, *, reference_temperature: float | None = None
) -> CoupledConstants:
    """Constants of a law of strain with a field or a polarisation, a temperature, or both.

    Parameters
    ----------
    law : CoupledLaw
        Without the free-space energy, which is added here.
    x : array (k,), optional
        The state, packed: a well of a ferroelectric, for instance. The reference state when not given.
    reference_temperature : float, optional
        K, for heat capacities and adiabatic constants.

    Returns
    -------
    CoupledConstants

    Raises
    ------
    MaterialError
        The law has no strain, or the state has another number of components.

    Examples
    --------
    >>> from constitutive.laws.coupled import LinearCoupledLaw
    >>> from constitutive.symmetry import PointGroup
    >>> C, e = np.diag([100.0, 100, 100, 50, 50, 50]), np.zeros((3, 6))
    >>> e[0, 3] = e[1, 4] = e[2, 5] = 0.5
    >>> group = PointGroup.from_symbol("-43m")
    >>> law = LinearCoupledLaw.from_constants(group, stiffness=C, piezoelectric_e=e, permittivity=5 * np.eye(3))
    >>> coupled_constants(law).d[0, 3].round(6)  # e14 / C44, pm/V
    np.float64(10.0)
    """
    point = torch.zeros(law.size, dtype=torch.float64) if x is None else torch.from_numpy(np.asarray(x, dtype=np.float64))
    if point.shape != (law.size,):
        raise MaterialError(f"a state of shape {tuple(point.shape)} found; the law has {law.size} components")
    third, second = law.derivative(point, 3).numpy(), law.derivative(point, 2).numpy()
    return constants_of_derivatives(law.variables, second, third, reference_temperature=reference_temperature)


def constants_of_derivatives(
    variables: Sequence[Variable],
    second: Float[np.ndarray, "k k"],
    third: Float[np.ndarray, "k k k"] | None = None,
    *,
    reference_temperature: float | None = None,
) -> CoupledConstants:
    """Constants from the derivatives of an energy without that of free space, in packed components.

    Parameters
    ----------
    variables : sequence of Variable
        The strain among them.
    second : array (k, k)
    third : array (k, k, k), optional
        For electrostriction.
    reference_temperature : float, optional
        K, for heat capacities and adiabatic constants.

    Returns
    -------
    CoupledConstants
    """
    M, places, start = second, {}, 0
    for variable in variables:
        places[variable.name] = slice(start, start + variable.size)
        start += variable.size
    strain, T = places["strain"], places.get("temperature")
    thermal = None if T is None else M[T, :][0]
    beta, heat = (None, None) if thermal is None or T is None else (-thermal[strain], -float(thermal[T][0]))
    if "polarization" in places:
        P = places["polarization"]
        chi = np.linalg.inv(M[P, P])
        C, e = M[strain, strain] - M[strain, P] @ chi @ M[P, strain], -chi @ M[P, strain]
        primary = None if thermal is None else -chi @ thermal[P]
        if beta is not None and thermal is not None:
            beta = beta + M[strain, P] @ chi @ thermal[P]
            heat = None if heat is None else heat + float(thermal[P] @ chi @ thermal[P])
        return _assembled(C, e, chi, None, beta, primary, heat, reference_temperature)
    if "electric_field" not in places:
        return _assembled(M[strain, strain], None, None, None, beta, None, heat, reference_temperature)
    F = places["electric_field"]
    primary = None if thermal is None else -thermal[F]
    cubic = None if third is None else -third[strain, F, F]
    return _assembled(M[strain, strain], -M[F, strain], -M[F, F], cubic, beta, primary, heat, reference_temperature)


def _assembled(
    C: np.ndarray,
    e: np.ndarray | None,
    chi: np.ndarray | None,
    third: np.ndarray | None,
    beta: np.ndarray | None,
    primary: np.ndarray | None,
    heat: float | None,
    temperature: float | None,
) -> CoupledConstants:
    """All constants from those at constant field, in Mandel components."""
    s = np.linalg.inv(C)
    found: dict[str, object] = {"C_constant_field": _voigt(C), "s_constant_field": VOIGT[:, None] * s * VOIGT}
    stable = bool(np.linalg.eigvalsh(C)[0] > 0)
    if e is not None and chi is not None:
        found |= _electric(C, s, e, chi)
        stable = stable and bool(np.linalg.eigvalsh(chi)[0] > 0)
    if third is not None:
        pairs = np.array([third[:, i, j] for i, j in ((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1))]).T
        found["electrostriction"] = pairs / VOIGT[:, None]
    if beta is not None:
        alpha = s @ beta
        found["thermal_expansion"] = _tensor(alpha)
        if primary is not None and e is not None:
            found |= {"pyroelectric_constant_strain": primary, "pyroelectric_constant_stress": primary + e @ alpha}
        if heat is not None and heat > 0 and temperature is not None:
            c = 1e9 * temperature * heat
            found |= {"heat_capacity_constant_strain": c, "heat_capacity_constant_stress": c + 1e9 * temperature * float(alpha @ beta)}
            found["C_adiabatic"] = _voigt(C + np.outer(beta, beta) / heat)
    return CoupledConstants(**found, stable=stable)  # type: ignore[arg-type]  # arrays by the names of the fields


def _electric(C: np.ndarray, s: np.ndarray, e: np.ndarray, chi: np.ndarray) -> dict[str, object]:
    free = chi + VACUUM_PERMITTIVITY * np.eye(3)
    d = e @ s
    stress = free + d @ e.T
    h, g = np.linalg.solve(free, e), np.linalg.solve(stress, d)
    open_circuit = C + e.T @ h
    return {
        "C_constant_displacement": _voigt(open_circuit),
        "s_constant_displacement": VOIGT[:, None] * np.linalg.inv(open_circuit) * VOIGT,
        "e": e / VOIGT,
        "d": PICO * d * VOIGT,
        "g": g * VOIGT,
        "h": h / VOIGT,
        "permittivity_constant_strain": free / VACUUM_PERMITTIVITY,
        "permittivity_constant_stress": stress / VACUUM_PERMITTIVITY,
    }


def _voigt(C: np.ndarray) -> Float[np.ndarray, "6 6"]:
    return np.asarray(stiffness_mandel_to_voigt(C))


def _tensor(mandel: np.ndarray) -> Float[np.ndarray, "3 3"]:
    a = mandel / VOIGT
    return np.array([[a[0], a[5], a[4]], [a[5], a[1], a[3]], [a[4], a[3], a[2]]])
