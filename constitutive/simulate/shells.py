"""Shells and angles of an interatomic model: what the options say, and the bonds between particles that they mean in a cell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import final

import numpy as np
from ase import Atoms
from ase.neighborlist import neighbor_list

from constitutive.errors import DataError
from constitutive.plain import Json
from constitutive.simulate.lammps_particles import Topology


@final
@dataclass(frozen=True)
class Shell:
    """A second charge of a species on a spring.

    Attributes
    ----------
    charge : float
        e.
    spring : float
        k₂ of k₂ r²/2 + k₄ r⁴/24, eV/Å².
    quartic : float
        k₄, eV/Å⁴.
    """

    charge: float
    spring: float
    quartic: float = 0.0

    @classmethod
    def of(cls, name: str, given: Mapping[str, Json]) -> Shell:
        """From the options of a species.

        Parameters
        ----------
        name : str
            The species.
        given : mapping
            ``charge`` and ``spring``; ``quartic`` where the spring stiffens.

        Returns
        -------
        Shell

        Raises
        ------
        DataError
            A number is missing or not finite, another is there, the spring is not positive, or the quartic term negative.
        """
        if unknown := sorted({*given} - {"charge", "spring", "quartic"}):
            raise DataError(f"lammps: shells: {name}: found {', '.join(unknown)}; needed charge, spring and, if any, quartic")
        charge, spring, quartic = _numbers(f"shells: {name}", {"quartic": 0.0, **given}, ("charge", "spring", "quartic"))
        if not spring > 0:
            raise DataError(f"lammps: shells: {name}: found a spring of {spring:g}; needed a positive one, eV/Å²")
        if quartic < 0:
            raise DataError(f"lammps: shells: {name}: found a quartic term of {quartic:g}; needed none or a positive one, eV/Å⁴")
        return cls(charge, spring, quartic)


@final
@dataclass(frozen=True)
class AngleTerm:
    """A harmonic term of the angle between two neighbours of a centre.

    Attributes
    ----------
    centre, ends : str
        Species.
    degrees, constant, distance : float
        θ₀, k of k (θ − θ₀)²/2 (eV), and the largest distance of a neighbour (Å).
    """

    centre: str
    ends: str
    degrees: float
    constant: float
    distance: float

    @classmethod
    def of(cls, given: Mapping[str, Json]) -> AngleTerm:
        """From the options of a term.

        Parameters
        ----------
        given : mapping
            ``centre``, ``ends``, ``degrees``, ``constant`` and ``distance``.

        Returns
        -------
        AngleTerm

        Raises
        ------
        DataError
            One is missing.
        """
        names = [given.get("centre"), given.get("ends")]
        if not all(isinstance(name, str) for name in names):
            raise DataError(f"lammps: angles: found {dict(given)}; needed `centre` and `ends`, chemical symbols")
        degrees, constant, distance = _numbers("angles", given, ("degrees", "constant", "distance"))
        return cls(str(names[0]), str(names[1]), degrees, constant, distance)


def _numbers(what: str, given: Mapping[str, Json], names: Sequence[str]) -> list[float]:
    found = []
    for name in names:
        value = given.get(name)
        if isinstance(value, bool) or not isinstance(value, int | float) or not np.isfinite(value):
            raise DataError(f"lammps: {what}: found {name} {value!r}; needed a number")
        found.append(float(value))
    return found


def topology_of(atoms: Atoms, shells: Mapping[str, Shell], angles: Sequence[AngleTerm]) -> Topology:
    """Springs between cores and shells, and angles between neighbours; shells are numbered after all cores.

    Parameters
    ----------
    atoms : Atoms
        The cores.
    shells : dict
        By species.
    angles : sequence of AngleTerm

    Returns
    -------
    Topology

    Raises
    ------
    DataError
        A neighbour is met twice: the cell is too small for its bonds.
    """
    symbols, names = atoms.get_chemical_symbols(), list(shells)
    cores = [k for k, symbol in enumerate(symbols) if symbol in shells]
    shell_of = {core: len(symbols) + k for k, core in enumerate(cores)}
    bonds = tuple((names.index(symbols[core]) + 1, core, shell_of[core]) for core in cores)
    rows = []
    for kind, term in enumerate(angles):
        first, second = neighbor_list("ij", atoms, {(term.centre, term.ends): term.distance})
        for centre in [k for k, symbol in enumerate(symbols) if symbol == term.centre]:
            near = [int(k) for k in second[first == centre] if symbols[k] == term.ends]
            if len(set(near)) < len(near):
                raise DataError("lammps: an angle meets the same atom twice; needed a larger cell")
            rows += [(kind + 1, shell_of.get(i, i), centre, shell_of.get(k, k)) for i, k in combinations(near, 2)]
    return Topology(bonds, tuple(rows))
