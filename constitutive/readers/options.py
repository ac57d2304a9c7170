"""Statements of a user on files that lack them, and the formats to which each statement applies."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields

from constitutive.errors import DataError
from constitutive.tensors.components import parse_order
from constitutive.units import pressure_factor

FORMATS = (
    "json",
    "hdf5",
    "elasticity",
    "vasprun",
    "outcar",
    "espresso",
    "espresso-xml",
    "lammps-log",
    "lammps-dump",
    "extxyz",
    "traj",
    "ase",
    "fitsnap",
    "mlearn",
    "csv",
    "numpy",
)
SETS = ("json", "hdf5", "elasticity", "csv", "numpy")
FRAMES = tuple(name for name in FORMATS if name not in SETS)
_TAKEN_BY: dict[str, tuple[str, ...]] = {
    "lammps_units": ("lammps-log", "lammps-dump"),
    "symbols": ("lammps-log", "lammps-dump"),
    "lj": ("lammps-log", "lammps-dump"),
    "order": ("json", "hdf5", "elasticity", "extxyz", "mlearn", "fitsnap", "numpy"),
    "energy_unit": ("json", "hdf5", "extxyz", "traj", "csv", "numpy"),
    "stress_key": ("extxyz", "traj"),
    "strain": ("csv", "numpy"),
    "shear": ("csv", "numpy"),
    "where": FRAMES,
}
_CHOICES = {
    "sign": ("pressure", "tension"),
    "strain": ("green-lagrange", "small", "hencky"),
    "shear": ("engineering", "tensor"),
    "disorder": ("refuse", "species"),
}


@dataclass(frozen=True)
class ReadOptions:
    """Statements on what files lack. Every statement is about the numbers in the file; one that contradicts the file is an error.

    Attributes
    ----------
    format : str or None
        One of `FORMATS`, or "ase:NAME" with ASE's name of a format; None finds it out.
    lammps_units : str or None
        LAMMPS's unit style, for dumps and logs that do not state it.
    symbols : tuple of str
        Chemical symbols of the types of a LAMMPS dump.
    unit : str or None
        Unit of the stress.
    sign : str or None
        "pressure" (the stress is positive in compression) or "tension".
    order : str or None
        Order of six components, as "xx yy zz xy yz xz" or the name of a program: ASE, VASP, LAMMPS, ....
    energy_unit : str or None
        Unit of the energies, or of W in tables and data sets; "/atom" may follow a unit of energy.
    stress_key : str or None
        Name of the stress, or of the virial, among several entries of an extended XYZ file or trajectory.
    strain : str or None
        Measure of the strains of a table that holds no F: "green-lagrange", "small" or "hencky".
    shear : str or None
        "engineering" (twice the tensor's component) or "tensor", of the shear strains of such a table.
    lj : tuple of float or None
        Energy (eV) and length (Å) of the Lennard-Jones units of LAMMPS's ``units lj``.
    where : tuple of str
        Conditions that a frame has to meet, as "config_type=Elastic", "formula=Cu", "strain<0.1".
    disorder : str
        "refuse" partly occupied sites of a reference structure, or take each occupation as a "species" of its own.
    skip_failed : bool
        Leave files and frames that cannot be read out, and list them in the provenance.
    """

    format: str | None = None
    lammps_units: str | None = None
    symbols: tuple[str, ...] = ()
    unit: str | None = None
    sign: str | None = None
    order: str | None = None
    energy_unit: str | None = None
    stress_key: str | None = None
    strain: str | None = None
    shear: str | None = None
    lj: tuple[float, float] | None = None
    where: tuple[str, ...] = ()
    disorder: str = "refuse"
    skip_failed: bool = False

    def require_valid(self) -> None:
        """Refuse a value that no format has.

        Raises
        ------
        DataError
            An option has an unknown value; the message names both.
        """
        for name, choices in _CHOICES.items():
            value = getattr(self, name)
            if value is not None and value not in choices:
                raise DataError(f"{name}: found {value!r}; needed one of {', '.join(choices)}")
        if self.order is not None:
            parse_order(self.order)
        if self.unit is not None and _energy_like(self.unit) is None:
            pressure_factor(self.unit)
        if self.lj is not None and not all(math.isfinite(value) and value > 0 for value in self.lj):
            raise DataError(f"lj: found {self.lj}; needed a positive energy in eV and a positive length in Å")

    def require_fitting(self, kinds: Sequence[str]) -> None:
        """Refuse an option that none of the formats of the sources takes.

        Parameters
        ----------
        kinds : sequence of str
            Formats of the sources.

        Raises
        ------
        DataError
            An option applies to none of these formats; the message names it.
        """
        for option in fields(self):
            taken = _TAKEN_BY.get(option.name)
            if taken is None or not getattr(self, option.name) or not kinds or any(kind in taken for kind in kinds):
                continue
            flag = "--" + option.name.replace("_", "-")
            why = "their stress has nine named components" if option.name == "order" else "it does not apply to them"
            raise DataError(
                f"found {flag} with sources of the format {', '.join(sorted(set(kinds)))}; needed one of {', '.join(taken)}; "
                f"leave {flag} out ({why}), or correct the written data file in a second step"
            )


def _energy_like(unit: str) -> str | None:
    """A unit of energy, which a virial may be given in; None for anything else."""
    return unit if unit.strip().lower() in ("ev", "ry", "ha", "hartree", "rydberg", "kcal/mol", "j") else None
