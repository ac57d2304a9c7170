"""Units of stress, energy density, force and length, as factors to GPa, eV/Å, Å.

Values: CODATA 2018 (Tiesinga et al., Rev. Mod. Phys. 93, 025010, 2021): e = 1.602176634e-19 C, a0 = 0.529177210903 Å,
Hartree = 27.211386245988 eV.
"""

from __future__ import annotations

from collections.abc import Mapping

from constitutive.errors import DataError

EV_PER_CUBIC_ANGSTROM = 160.2176634  # GPa
BOHR = 0.529177210903  # angstrom
HARTREE = 27.211386245988  # eV
RYDBERG = HARTREE / 2  # eV
VACUUM_PERMITTIVITY = 0.0088541878128  # C/m^2 per GV/m
CHARGE_PER_SQUARE_ANGSTROM = 16.02176634  # e/angstrom^2 in C/m^2
ROOM_TEMPERATURE = 298.15  # K, of reference states
KCAL_PER_MOL = 4184.0 / (6.02214076e23 * 1.602176634e-19)  # eV

PRESSURE_UNITS: Mapping[str, float] = {
    "GPa": 1.0,
    "MPa": 1e-3,
    "kPa": 1e-6,
    "Pa": 1e-9,
    "Mbar": 100.0,
    "kbar": 0.1,
    "bar": 1e-4,
    "atm": 1.01325e-4,
    "eV/angstrom^3": EV_PER_CUBIC_ANGSTROM,
    "Ha/bohr^3": HARTREE / BOHR**3 * EV_PER_CUBIC_ANGSTROM,
    "Ry/bohr^3": RYDBERG / BOHR**3 * EV_PER_CUBIC_ANGSTROM,
    "kcal/mol/angstrom^3": KCAL_PER_MOL * EV_PER_CUBIC_ANGSTROM,
    "J/m^3": 1e-9,
    "psi": 6.894757293168e-6,
}
STRESS_UNITS: Mapping[str, float] = {"GPa": 1.0, "MPa": 1e3, "kPa": 1e6, "Pa": 1e9}  # of results: how many are one GPa
FORCE_UNITS: Mapping[str, float] = {
    "eV/angstrom": 1.0,
    "Ry/bohr": RYDBERG / BOHR,
    "Ha/bohr": HARTREE / BOHR,
    "kcal/mol/angstrom": KCAL_PER_MOL,
}
ENERGY_UNITS: Mapping[str, float] = {"eV": 1.0, "Ry": RYDBERG, "Ha": HARTREE, "kcal/mol": KCAL_PER_MOL, "J": 1 / 1.602176634e-19}
ELECTRIC_FIELD_UNITS: Mapping[str, float] = {
    "GV/m": 1.0,
    "MV/m": 1e-3,
    "kV/mm": 1e-3,
    "MV/cm": 0.1,
    "kV/cm": 1e-4,
    "V/m": 1e-9,
    "V/nm": 1.0,
    "V/angstrom": 10.0,
    "Ha/(e bohr)": 10 * HARTREE / BOHR,
    "Ry/(e bohr)": 10 * RYDBERG / BOHR,
}
POLARIZATION_UNITS: Mapping[str, float] = {
    "C/m^2": 1.0,
    "uC/cm^2": 0.01,
    "e/angstrom^2": CHARGE_PER_SQUARE_ANGSTROM,
    "e/bohr^2": CHARGE_PER_SQUARE_ANGSTROM / BOHR**2,
}
ENTROPY_UNITS: Mapping[str, float] = {
    "GPa/K": 1.0,
    "MPa/K": 1e-3,
    "J/m^3/K": 1e-9,
    "meV/angstrom^3/K": 1e-3 * EV_PER_CUBIC_ANGSTROM,
    "eV/angstrom^3/K": EV_PER_CUBIC_ANGSTROM,
}
LENGTH_UNITS: Mapping[str, float] = {"angstrom": 1.0, "bohr": BOHR, "nm": 10.0, "m": 1e10}

_SPELLINGS = {
    "å": "angstrom",
    "ang": "angstrom",
    "a": "angstrom",
    "hartree": "ha",
    "rydberg": "ry",
    "a0": "bohr",
    "kb": "kbar",
}


def _canonical(unit: str) -> str:
    text = unit.strip().lower().replace("³", "^3").replace("**", "^").replace(" ", "")
    parts = [part.removesuffix("^3") for part in text.split("/")]
    exponents = ["^3" if part.endswith("^3") else "" for part in text.split("/")]
    return "/".join(_SPELLINGS.get(p, p) + e for p, e in zip(parts, exponents, strict=True))


def _factor(unit: object, table: Mapping[str, float], quantity: str) -> float:
    known = {_canonical(name): value for name, value in table.items()}
    if isinstance(unit, str):
        if unit in table:  # exact spelling first: "MPa" and "mPa" differ
            return table[unit]
        key = _canonical(unit)
        if key in known and unit.strip()[:1] != "m":
            return known[key]
    raise DataError(f"unknown unit of {quantity}: {unit!r}; needed one of {', '.join(table)}; set 'units' to the unit the numbers are in")


def pressure_factor(unit: object) -> float:
    """Factor from `unit` to GPa.

    Parameters
    ----------
    unit : str
        A name of `PRESSURE_UNITS`, or one of its common spellings (``"eV/Å^3"``, ``"eV/A**3"``), with a number before it or none:
        ``"0.0006241509 GPa"``.

    Returns
    -------
    float

    Raises
    ------
    DataError
        The unit is not a known pressure.
    """
    if isinstance(unit, str) and len(words := unit.split()) == 2:
        try:
            number = float(words[0])
        except ValueError:
            number = float("nan")
        if 0 < number < float("inf"):
            return number * _factor(words[1], PRESSURE_UNITS, "stress or energy density")
    return _factor(unit, PRESSURE_UNITS, "stress or energy density")


def force_factor(unit: object) -> float:
    """Factor from `unit` to eV/Å.

    Parameters
    ----------
    unit : str
        A name of `FORCE_UNITS`, such as "eV/angstrom" or "Ry/bohr".

    Returns
    -------
    float

    Raises
    ------
    DataError
        The unit is unknown.
    """
    return _factor(unit, FORCE_UNITS, "force")


def length_factor(unit: object) -> float:
    """Factor from `unit` to Å.

    Parameters
    ----------
    unit : str
        A name of `LENGTH_UNITS`, such as "bohr".

    Returns
    -------
    float

    Raises
    ------
    DataError
        The unit is unknown.
    """
    return _factor(unit, LENGTH_UNITS, "length")


def energy_factor(unit: object) -> float:
    """Factor from `unit` to eV.

    Parameters
    ----------
    unit : str
        A name of `ENERGY_UNITS`, such as "eV" or "kcal/mol".

    Returns
    -------
    float

    Raises
    ------
    DataError
        The unit is unknown.
    """
    return _factor(unit, ENERGY_UNITS, "energy")


def electric_field_factor(unit: object) -> float:
    """Factor from `unit` to GV/m.

    Parameters
    ----------
    unit : str
        A name of `ELECTRIC_FIELD_UNITS`, such as "V/angstrom".

    Returns
    -------
    float

    Raises
    ------
    DataError
        The unit is unknown.
    """
    return _factor(unit, ELECTRIC_FIELD_UNITS, "electric field")


def polarization_factor(unit: object) -> float:
    """Factor from `unit` to C/m².

    Parameters
    ----------
    unit : str
        A name of `POLARIZATION_UNITS`, such as "uC/cm^2".

    Returns
    -------
    float

    Raises
    ------
    DataError
        The unit is unknown.
    """
    return _factor(unit, POLARIZATION_UNITS, "polarization")


def entropy_factor(unit: object) -> float:
    """Factor from `unit` to GPa/K.

    Parameters
    ----------
    unit : str
        A name of `ENTROPY_UNITS`, such as "J/m^3/K".

    Returns
    -------
    float

    Raises
    ------
    DataError
        The unit is unknown.
    """
    return _factor(unit, ENTROPY_UNITS, "entropy")
