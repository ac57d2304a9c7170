"""LAMMPS through its Python library, as an ASE calculator: energy, forces and the stress of a cell in any orientation.

One instance serves all positions in one cell. A species may have a shell (Dick & Overhauser, Phys. Rev. 112 (1958) 90): a second charge on
a spring, which relaxes at every position of the cores, so that the calculator is one of atoms. With charges it also relaxes ions
in an electric field or at a given polarisation.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import final

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes
from ase.data import atomic_masses, atomic_numbers
from jaxtyping import Float

from constitutive.errors import DataError
from constitutive.plain import Json
from constitutive.simulate.fields import FieldState, Ions, relaxed_in_field
from constitutive.simulate.lammps_particles import Kinds, Particles
from constitutive.simulate.shells import AngleTerm, Shell, topology_of

POTENTIAL_FOLDERS = ("/usr/share/lammps/potentials", "/usr/local/share/lammps/potentials")
UNITS = ("metal", "real", "si", "cgs", "electron")
SHELL_MASS = 0.1  # u: of no account at rest, and LAMMPS wants one
SHELL_FORCE = 1e-9  # eV/Å left on shells


@final
class LammpsLibrary(Calculator):
    """An interatomic potential of LAMMPS.

    Parameters
    ----------
    pair_style : str
        Such as ``"sw"`` or ``"lj/cut 8.5"``.
    pair_coeff : str or list of str
        The arguments of each ``pair_coeff`` command, such as ``"* * SiC.vashishta Si C"``; a potential file is looked for in the folder
        of the YAML file, the current one, ``$LAMMPS_POTENTIALS`` and LAMMPS's own.
    species : list of str
        Chemical symbol of each atom type, in order; read from the end of the first ``pair_coeff`` where it names them.
    units : str
        LAMMPS's unit style, "metal" by default.
    charges : dict
        Charge of each species (e), of the core where it has a shell. Needed for electric fields.
    commands : list of str
        More commands, run after ``pair_coeff`` (``kspace_style ewald 1e-8``).
    shells : dict
        For each species with a shell {"charge": e, "spring": k₂ in eV/Å², "quartic": k₄ in eV/Å⁴}, of the energy k₂ r²/2 + k₄ r⁴/24; k₄ may
        be left out. The types of the shells follow those of the species, in the order given here.
    angles : list of dict
        Harmonic terms k (θ − θ₀)²/2 of neighbours: {"centre": "Si", "ends": "O", "degrees": θ₀, "constant": k in eV, "distance": Å},
        between the shells of the ends where they have any.
    base : str
        The folder that relative names of files start from.

    Raises
    ------
    DataError
        The species of the types are not known, a file is missing, a shell or angle lacks a number, or LAMMPS refuses a command.
    """

    implemented_properties = ["energy", "free_energy", "forces", "stress"]

    def __init__(
        self,
        *,
        pair_style: str,
        pair_coeff: str | Sequence[str],
        species: Sequence[str] | None = None,
        units: str = "metal",
        charges: dict[str, Json] | None = None,
        commands: Sequence[str] = (),
        shells: Mapping[str, Mapping[str, Json]] | None = None,
        angles: Sequence[Mapping[str, Json]] = (),
        base: str = ".",
    ):
        super().__init__()
        if units not in UNITS:
            raise DataError(f"lammps: found units {units!r}; needed one of {', '.join(UNITS)}")
        lines = [pair_coeff] if isinstance(pair_coeff, str) else list(pair_coeff)
        self.species = list(species) if species is not None else species_of(lines)
        self.charges, self.units = charges, units
        self.shells = {name: Shell.of(name, given) for name, given in (shells or {}).items()}
        self.angles = [AngleTerm.of(given) for given in angles]
        if self.shells and (units != "metal" or charges is None or not set(self.shells) <= set(self.species)):
            raise DataError(f"lammps: shells {sorted(self.shells)} need charges of all species {self.species} and units metal")
        located_lines = [f"pair_coeff {' '.join(located(word, base) for word in line.split())}" for line in lines]
        self._setup = [f"pair_style {pair_style}", *located_lines, *self._styles(), *commands]
        self._particles: Particles | None = None
        self._offsets = np.zeros((0, 3))  # of the shells from their cores
        self._kept: dict[str, np.ndarray] = {}  # force constants that searches leave for the next
        self._symbols: list[str] = []
        self._left: dict[tuple[str, ...], tuple[np.ndarray, dict[str, np.ndarray]]] = {}  # of other crystals: a cell and its supercell
        self._rest: tuple[bytes, Ions] | None = None
        self._field: Float[np.ndarray, "3"] | None = None

    def _styles(self) -> list[str]:
        stiffen = any(shell.quartic for shell in self.shells.values())  # bond_style class2 is in another package of LAMMPS than harmonic
        springs = [
            f"bond_coeff {k + 1} 0.0 {shell.spring / 2:.16g} 0.0 {shell.quartic / 24:.16g}" if stiffen
            else f"bond_coeff {k + 1} {shell.spring / 2:.16g} 0.0"
            for k, shell in enumerate(self.shells.values())
        ]  # fmt: skip
        bends = [f"angle_coeff {k + 1} {angle.constant / 2:.16g} {angle.degrees:.16g}" for k, angle in enumerate(self.angles)]
        return [
            *([f"bond_style {'class2' if stiffen else 'harmonic'}", *springs, "special_bonds coul 0 0 0"] if springs else []),
            *(["angle_style harmonic", *bends] if bends else []),
        ]

    def calculate(
        self, atoms: Atoms | None = None, properties: Sequence[str] = ("energy",), system_changes: Sequence[str] = all_changes
    ) -> None:
        """Energy (eV), forces (eV/Å) and stress (eV/Å³, tension positive, xx yy zz yz xz xy), kept in ``results``.

        Parameters
        ----------
        atoms : Atoms
            The cell.
        properties, system_changes : list of str
            As ASE calls it; all properties are computed.

        Raises
        ------
        DataError
            LAMMPS reports an error, or the potential has other species.
        """
        super().calculate(atoms, properties, system_changes)
        here = self.atoms
        try:
            ions = self._ions(here)
            push = ions.pushed(self._field)
            if ions.shells:
                self._offsets = ions.relax_shells(here.positions, self._offsets, SHELL_FORCE, push)
            else:
                ions.particles.place(here.positions)
            forces = ions.on_atoms(ions.particles.forces + push)
            stress, energy = ions.particles.stress, ions.particles.energy
        except DataError:
            self.close()
            raise
        except Exception as error:  # LAMMPS raises bare Exception and MPIAbortException
            self.close()
            raise DataError(f"lammps: {str(error).strip()}; look at pair_style, pair_coeff and the species {self.species}") from error
        self.results = {"energy": energy, "free_energy": energy, "forces": forces, "stress": _voigt(stress)}

    def relax_in_field(
        self,
        atoms: Atoms,
        reference: Atoms,
        *,
        field: Float[np.ndarray, "3"] | None = None,
        polarization: Float[np.ndarray, "3"] | None = None,
        clamped: bool = False,
    ) -> FieldState:
        """Ions (or, where they are clamped, shells alone) at rest in an electric field or at a given polarisation, by their forces.

        Parameters
        ----------
        atoms : Atoms
            The strained cell, with the ions where the search starts.
        reference : Atoms
            The undeformed cell at rest, where the polarisation is zero.
        field : array (3,)
            E₀ = Fᵀe (GV/m).
        polarization : array (3,)
            P₀ = J F⁻¹ p (C/m²), instead of the field: it becomes the field that holds it.
        clamped : bool
            Keep the cores in place.

        Returns
        -------
        FieldState

        Raises
        ------
        DataError
            The potential has no charges, or the search does not converge.
        """
        if self.charges is None:
            raise DataError("lammps: found no charges; needed `charges: {Si: 4.0, O: -2.0}` for ions in an electric field")
        key = reference.cell.array.tobytes() + reference.positions.tobytes()
        if self._rest is None or self._rest[0] != key:
            start = self._ions(reference.copy())
            self._rest = (key, start.at_rest(reference.positions))
        ions = self._ions(atoms)
        return relaxed_in_field(ions, atoms.positions, self._rest[1], field=field, polarization=polarization, clamped=clamped)

    def hold_field(self, field: Float[np.ndarray, "3"] | None) -> None:
        """Put all later forces under a field, or under none again; energy and stress stay those of the crystal alone.

        Parameters
        ----------
        field : array (3,)
            e, GV/m, in space; None: none.
        """
        self._field = field
        self.reset()

    def close(self) -> None:
        """End the LAMMPS instance; the next calculation starts another."""
        if self._particles is not None:
            self._particles.close()
            self._particles = None

    def __del__(self) -> None:
        if "_particles" in self.__dict__:  # not where the options were refused
            self.close()

    def _ions(self, atoms: Atoms) -> Ions:
        """The particles of a cell, in a LAMMPS instance of their own where the cell has changed."""
        symbols = atoms.get_chemical_symbols()
        missing = sorted(set(symbols) - set(self.species))
        if missing:
            raise DataError(f"lammps: found {', '.join(missing)} in the crystal; needed the species of the potential, {self.species}")
        cores = [k for k, symbol in enumerate(symbols) if symbol in self.shells]
        names = list(self.shells)
        types = [self.species.index(s) + 1 for s in symbols] + [len(self.species) + 1 + names.index(symbols[k]) for k in cores]
        same = self._particles is not None and symbols == self._symbols and np.array_equal(atoms.cell.array, self._particles.cell)
        if not same or self._particles is None:
            self.close()
            if symbols != self._symbols:
                self._left[tuple(self._symbols)] = self._offsets, self._kept
                self._offsets, self._kept = self._left.get(tuple(symbols), (np.zeros((len(cores), 3)), {}))
            self._symbols = symbols
            topology = topology_of(atoms, self.shells, self.angles)
            self._particles = Particles(atoms.cell.array.copy(), types, self._kinds(), topology)
        charges = np.array(self._kinds().charges or [0.0] * len(types))[np.array(types) - 1]
        return Ions(self._particles, charges, tuple(cores), self._kept)

    def _kinds(self) -> Kinds:
        masses = [float(atomic_masses[atomic_numbers.get(symbol, 1)]) for symbol in self.species]
        charges = None
        if self.charges is not None:
            absent = [symbol for symbol in self.species if symbol not in self.charges]
            if absent:
                raise DataError(f"lammps: found no charge of {', '.join(absent)}; needed one of each species")
            charges = [float(self.charges[symbol]) for symbol in self.species] + [shell.charge for shell in self.shells.values()]
        return Kinds(masses + [SHELL_MASS] * len(self.shells), charges, self._setup, self.units)


def _voigt(stress: Float[np.ndarray, "3 3"]) -> Float[np.ndarray, "6"]:
    return stress[[0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1]]


def species_of(lines: Sequence[str]) -> list[str]:
    """Chemical symbols at the end of the first ``pair_coeff``.

    Parameters
    ----------
    lines : list of str
        Arguments of each ``pair_coeff``.

    Returns
    -------
    list of str
        In the order of the atom types.

    Raises
    ------
    DataError
        It does not end with symbols.

    Examples
    --------
    >>> species_of(["* * SiC.vashishta Si C"])
    ['Si', 'C']
    """
    words = lines[0].split() if lines else []
    symbols: list[str] = []
    for word in reversed(words[2:]):
        if word not in atomic_numbers or word == "X":
            break
        symbols.insert(0, word)
    if not symbols:
        raise DataError(
            f"lammps: found no chemical symbols at the end of pair_coeff {lines}; state them by `species: [Si, C]`, in order of type"
        )
    return symbols


def located(word: str, base: str) -> str:
    """The full path of a potential file, or the word as it is where there is no such file.

    Parameters
    ----------
    word : str
        A word of a ``pair_coeff`` command.
    base : str
        The first folder that is looked in.

    Returns
    -------
    str
    """
    folders = [base, ".", os.environ.get("LAMMPS_POTENTIALS", ""), *POTENTIAL_FOLDERS]
    found = next((path for folder in folders if folder and (path := Path(folder) / word).is_file()), None)
    return str(found.resolve()) if found is not None else word
