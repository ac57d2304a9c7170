"""Unit styles of LAMMPS as factors to GPa, eV and Å (LAMMPS documentation: units).

>>> from constitutive.readers.lammps_units import Style
>>> round(Style.named("real").pressure, 10)  # atmospheres
0.000101325
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from constitutive.errors import DataError
from constitutive.readers.reading import Reading
from constitutive.units import BOHR, EV_PER_CUBIC_ANGSTROM, HARTREE, KCAL_PER_MOL, energy_factor, pressure_factor

_PA, _JOULE = pressure_factor("Pa"), energy_factor("J")


@dataclass(frozen=True)
class Style:
    """One unit style: factors of pressure to GPa, of energy to eV, of length to Å."""

    name: str
    pressure: float
    energy: float
    length: float

    @classmethod
    def named(cls, name: str, lj: tuple[float, float] | None = None) -> Style:
        """The style of LAMMPS's ``units`` command; ``lj`` needs its energy (eV) and length (Å). Raises DataError for an unknown one."""
        if name == "lj":
            if lj is None:
                raise DataError(
                    "found units lj, which have no GPa; needed the energy (eV) and length (Å) of the potential by --lj, as 0.0104,3.405"
                )
            energy, length = lj
            return cls(name, energy / length**3 * EV_PER_CUBIC_ANGSTROM, energy, length)
        if name not in _STYLES:
            raise DataError(f"found units {name!r}; needed one of {', '.join((*_STYLES, 'lj'))}; say which by --lammps-units")
        return cls(name, *_STYLES[name])

    @property
    def force(self) -> float:
        """Factor of a force to eV/Å; of style "electron" Ha/bohr, which is energy by length in every style but micro and nano."""
        return self.energy / self.length

    @property
    def averages_energy(self) -> bool:
        """Whether thermo output is per atom by default (``thermo_modify norm``)."""
        return self.name == "lj"


_STYLES: Mapping[str, tuple[float, float, float]] = {
    "metal": (pressure_factor("bar"), 1.0, 1.0),
    "real": (pressure_factor("atm"), KCAL_PER_MOL, 1.0),
    "si": (_PA, _JOULE, 1e10),
    "cgs": (0.1 * _PA, 1e-7 * _JOULE, 1e8),
    "electron": (_PA, HARTREE, BOHR),
    "micro": (1e3 * _PA, 1e-15 * _JOULE, 1e4),
    "nano": (1e6 * _PA, 1e-21 * _JOULE, 10.0),
}


def style_of(path: Path, text: str, reading: Reading) -> Style:
    """The unit style that a log or dump states, or that the user states where it does not.

    Raises
    ------
    DataError
        Neither file nor user states the style, the file states several, or file and user contradict each other.
    """
    stated = set(re.findall(r"^[ \t]*(?:units[ \t]+|Unit style[ \t]*:[ \t]*|ITEM: UNITS\n)(\w+)", text, re.MULTILINE))
    given = reading.options.lammps_units
    if len(stated) > 1:
        raise DataError(f"{path}: found the units {' and '.join(sorted(stated))} in one file; needed one; give one run at a time")
    if stated and given is not None and {given} != stated:
        raise DataError(f"{path}: found 'units {min(stated)}' in the file and --lammps-units {given}; needed one; leave --lammps-units out")
    name = min(stated) if stated else given
    if name is None:
        raise DataError(f"{path}: found no units; needed LAMMPS's unit style; say which by --lammps-units")
    try:
        style = Style.named(name, reading.options.lj)
    except DataError as error:
        raise DataError(f"{path}: {error}") from error
    if reading.options.lj is not None and name != "lj":
        raise DataError(f"{path}: found --lj with units {name}; needed units lj; leave --lj out")
    return style
