"""Tables of coupled constants: what each is, and sizes that no crystal has in the unit asked for."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float

from constitutive.errors import MaterialError
from constitutive.laws.coupled import LinearCoupledLaw
from constitutive.symmetry import PointGroup
from constitutive.units import VACUUM_PERMITTIVITY

SHAPES = {"piezoelectric_e": (3, 6), "piezoelectric_d": (3, 6), "pyroelectric": (3,), "heat_capacity": ()}  # (3, 3) the others
# Name, unit, smallest and largest size of the largest entry, and what another size usually is. Largest known, about: d15 of relaxor
# ferroelectrics 5e3 pm/V, e 30 C/m², α 3e-4 /K, p 1e-2 C/m²/K near a transition, c 5e6 J/m³/K (Nye 1985, ch. IV, VII, X; Haussühl 2007).
SIZES: tuple[tuple[str, str, float, float, str], ...] = (
    ("piezoelectric_e", "C/m²", 1e-7, 100.0, "d in pC/N goes as piezoelectric_d=; µC/cm² are 0.01 C/m²"),
    ("piezoelectric_d", "pm/V, the same as pC/N", 1e-5, 3e4, "C/N and m/V are 1e12 pm/V; e in C/m² goes as piezoelectric_e="),
    ("permittivity", "relative to free space", 1.0, 1e6, "F/m are divided by 8.8542e-12"),
    ("permittivity_at_constant_stress", "relative to free space", 1.0, 1e6, "F/m are divided by 8.8542e-12"),
    ("thermal_expansion", "1/K", 1e-10, 5e-3, "10⁻⁶/K are 1e-6 /K"),
    ("pyroelectric", "C/m²/K", 1e-12, 0.05, "µC/m²/K are 1e-6 C/m²/K"),
    ("heat_capacity", "J/m³/K", 1e3, 1e8, "J/kg/K are multiplied by the density in kg/m³"),
)


def law_of_tables(
    group: PointGroup, stiffness: Float[np.ndarray, "6 6"], given: Mapping[str, object], *, temperature: float
) -> LinearCoupledLaw:
    """Linear law of tables, after their sizes and the stability of the dielectric were looked at.

    Parameters
    ----------
    group : PointGroup
        In the frame of the tables.
    stiffness : array (6, 6)
        GPa, at constant field.
    given : dict
        The other tables, by the names of :meth:`~constitutive.laws.coupled.LinearCoupledLaw.from_constants`; None where not given.
    temperature : float
        K, at which they hold.

    Returns
    -------
    LinearCoupledLaw

    Raises
    ------
    MaterialError
        A table has a size that no crystal has in its unit, has no symmetry of the group, or makes the dielectric unstable.
    """
    if not (np.isfinite(temperature) and temperature > 0):
        raise MaterialError(f"reference_temperature={temperature!r} found; kelvins above 0 are needed")
    tables = {name: _checked(name, unit, least, most, hint, given[name]) for name, unit, least, most, hint in SIZES if name in given}
    if tables.get("permittivity") is None and tables.get("permittivity_at_constant_stress") is None:
        if any(tables.get(name) is not None for name in ("piezoelectric_e", "piezoelectric_d", "pyroelectric")):
            raise MaterialError(
                "found constants of a dielectric but no permittivity: give permittivity= (at constant strain) or "
                "permittivity_at_constant_stress=, relative to free space"
            )
        tables["permittivity"] = np.eye(3)
    heat = tables.get("heat_capacity")
    law = LinearCoupledLaw.from_constants(
        group,
        stiffness=stiffness,
        piezoelectric_e=tables.get("piezoelectric_e"),
        piezoelectric_d=tables.get("piezoelectric_d"),
        permittivity=tables.get("permittivity"),
        permittivity_at_constant_stress=tables.get("permittivity_at_constant_stress"),
        thermal_expansion=tables.get("thermal_expansion"),
        pyroelectric=tables.get("pyroelectric"),
        heat_capacity=None if heat is None else float(heat),
        reference_temperature=temperature,
    )
    place = law.place("electric_field")
    lowest = 1 + float(np.linalg.eigvalsh(-law.matrix.numpy()[place, place])[0]) / VACUUM_PERMITTIVITY
    if lowest < 1 - 1e-9:
        raise MaterialError(
            f"found a permittivity at constant strain of {lowest:.4g} in one direction; needed at least 1, that of free space: is a "
            "permittivity at constant strain given as one at constant stress, or are e or d in another unit (e: C/m², d: pm/V = pC/N)?"
        )
    return law


def _checked(name: str, unit: str, least: float, most: float, hint: str, value: object) -> np.ndarray | None:
    """A table as an array, of the shape needed and of a size that crystals have."""
    if value is None:
        return None
    shape = SHAPES.get(name, (3, 3))
    try:
        array = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise MaterialError(f"{name}: found no numbers ({error}); needed a table of shape {shape} in {unit}") from error
    if array.shape != shape or not np.isfinite(array).all():
        found = f"shape {array.shape}" if array.shape != shape else "NaN or infinity"
        raise MaterialError(f"{name}: found {found}; needed finite numbers of shape {shape} in {unit}")
    size = float(np.abs(array).max())
    if size > most or 0 < size < least * (1 - 1e-9) or (size == 0 and name.startswith(("permittivity", "heat"))):
        raise MaterialError(f"{name}: the largest entry is {size:.4g}, as of no crystal in the unit needed, {unit}: {hint}")
    if name == "heat_capacity" and array < 0:
        raise MaterialError(f"{name}: {float(array):.4g} found; a heat capacity is positive")
    return array
