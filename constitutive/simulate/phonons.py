r"""Free energy, entropy and stress at temperatures by harmonic phonons in strained cells: the quasi-harmonic approximation.

In a cell with its ions at rest, frequencies ω of finite displacements give

.. math::
    F(E, T) = U(E) + \sum \frac{\hbar\omega}{2} + k T \ln\left(1 - e^{-\hbar\omega / k T}\right)

    \eta = -\frac{\partial F}{\partial T}, \qquad
    \sigma = \sigma_{\text{static}} + \frac{1}{V} \frac{\partial F_{\text{vib}}}{\partial \varepsilon}

(Born & Huang 1954, *Dynamical Theory of Crystal Lattices*, secs. 4 and 16). The last derivative is taken by central differences of six
small strains on top of F, in each of which the ions are relaxed anew. Electrons and anharmonic motion at fixed cell count for nothing here.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import numpy as np
from ase import Atoms, units
from jaxtyping import Float

from constitutive.errors import DataError, DependencyError
from constitutive.simulate.cells import GPA, forces_of, strained, stress_of
from constitutive.simulate.dynamics import ThermalStress, without_stress
from constitutive.simulate.ions import Hessian
from constitutive.tensors.packing import from_mandel

ROUNDS = 6  # of the expansion of the reference, at most
STRAIN = 2e-3  # of the differences of the free energy
HBAR_OMEGA = 1e12 * units._hplanck * units.J  # eV of 1 THz
GAMMA = 1e-9  # of a wave vector that is zero


@final
@dataclass(frozen=True)
class PhononSettings:
    """How phonons are computed.

    Attributes
    ----------
    temperatures
        K, in the order of the samples.
    shortest
        Smallest length of the supercell along each cell vector, Å.
    mesh
        Wave vectors along each axis, in multiples of those that fit the supercell: 1 takes these alone, without interpolation.
    displacement
        Of an atom, Å.

    Raises
    ------
    DataError
        A number is not positive, or a temperature is given twice.
    """

    temperatures: tuple[float, ...]
    shortest: float = 10.0
    mesh: int = 4
    displacement: float = 0.01

    def __post_init__(self) -> None:
        if not self.temperatures or len(set(self.temperatures)) < len(self.temperatures):
            raise DataError(f"temperatures: found {list(self.temperatures)}; needed one or several different ones, K")
        for name, value in [("temperature", t) for t in self.temperatures] + [
            (name, getattr(self, name)) for name in ("shortest", "mesh", "displacement")
        ]:
            if not (np.isfinite(value) and value > 0):
                raise DataError(f"{name}: found {value}; needed a positive number")

    def repeats(self, reference: Atoms) -> tuple[int, int, int]:
        """How often the cell is repeated in the supercell; the same at every strain.

        Parameters
        ----------
        reference : Atoms
            The undeformed cell.

        Returns
        -------
        tuple of 3 int
        """
        a, b, c = (max(1, int(np.ceil(self.shortest / length - 1e-6))) for length in reference.cell.lengths())
        return a, b, c


@final
@dataclass(frozen=True, eq=False)
class Frequencies:
    """Frequencies of a cell at a mesh of wave vectors.

    Attributes
    ----------
    terahertz : array (m,)
        All but the three of a common displacement of all atoms.
    weights : array (m,)
        Share of the mesh of each.
    """

    terahertz: Float[np.ndarray, " m"]
    weights: Float[np.ndarray, " m"]

    def free_energy(self, temperatures: Float[np.ndarray, " t"]) -> Float[np.ndarray, " t"]:
        """Of the motion of the ions, eV a cell.

        Parameters
        ----------
        temperatures : array (t,)
            K.

        Returns
        -------
        array (t,)
        """
        energy, kT = HBAR_OMEGA * self.terahertz, units.kB * temperatures[:, None]
        return np.asarray((energy / 2 + kT * np.log1p(-np.exp(-energy / kT))) @ self.weights)

    def entropy(self, temperatures: Float[np.ndarray, " t"]) -> Float[np.ndarray, " t"]:
        """−∂F/∂T, eV/K a cell.

        Parameters
        ----------
        temperatures : array (t,)
            K.

        Returns
        -------
        array (t,)
        """
        x = HBAR_OMEGA * self.terahertz / (units.kB * temperatures[:, None])
        return np.asarray(units.kB * (x * np.exp(-x) / -np.expm1(-x) - np.log1p(-np.exp(-x))) @ self.weights)


@final
@dataclass(frozen=True, eq=False)
class QuasiHarmonic:
    """A strained cell at several temperatures.

    Attributes
    ----------
    stress : array (t, 3, 3)
        Cauchy stress, GPa.
    free_energy : array (t,)
        Potential energy at rest and that of the motion, eV a cell.
    entropy : array (t,)
        eV/K a cell.
    """

    stress: Float[np.ndarray, "t 3 3"]
    free_energy: Float[np.ndarray, " t"]
    entropy: Float[np.ndarray, " t"]


def require_phonopy() -> None:
    """Import phonopy, before a calculator is made: LAMMPS may load another HDF5 library, beside which phonopy's h5py cannot be imported.

    Raises
    ------
    DependencyError
        It is not installed.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import phonopy  # noqa: F401  # deferred: an optional package
    except ImportError as error:
        raise DependencyError("the quasi-harmonic approximation needs phonopy: pip install 'constitutive[phonons]'") from error


def frequencies(atoms: Atoms, settings: PhononSettings, repeats: tuple[int, int, int], *, symmetric: bool = True) -> Frequencies:
    """Frequencies of a cell by finite displacements in a supercell; phonopy chooses them by symmetry and interpolates between wave vectors.

    Parameters
    ----------
    atoms : Atoms
        The cell with its ions at rest, with a calculator.
    settings : PhononSettings
    repeats : tuple of 3 int
        Of the cell in the supercell.
    symmetric : bool
        Whether forces have the symmetry of the places of the atoms; not in a field, which moves them by less than a tolerance.

    Returns
    -------
    Frequencies

    Raises
    ------
    DependencyError
        phonopy is not installed.
    DataError
        A frequency is imaginary: the crystal is no minimum there, and has no harmonic free energy.
    """
    require_phonopy()
    from phonopy import Phonopy  # deferred: an optional package
    from phonopy.structure.atoms import PhonopyAtoms  # deferred: as above

    places = atoms.get_scaled_positions(wrap=False)
    cell = PhonopyAtoms(symbols=atoms.get_chemical_symbols(), masses=atoms.get_masses(), cell=atoms.cell.array, scaled_positions=places)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of phonopy's own deprecations
        run = Phonopy(cell, np.diag(repeats), primitive_matrix=np.eye(3), is_symmetry=symmetric)
        run.generate_displacements(distance=settings.displacement, is_plusminus=True)
        run.produce_force_constants([_forces(atoms, moved) for moved in run.supercells_with_displacements], show_drift=False)
        run.symmetrize_force_constants()
        run.run_mesh([settings.mesh * n for n in repeats], is_gamma_center=True)
    return _without_translations(run.mesh.qpoints, run.mesh.frequencies, run.mesh.weights)


def _forces(atoms: Atoms, moved: object) -> Float[np.ndarray, "n 3"]:
    """Forces in a displaced supercell of phonopy."""
    body = Atoms(moved.symbols, cell=moved.cell, positions=moved.positions, pbc=True)  # type: ignore[attr-defined]  # phonopy's atoms
    body.calc = atoms.calc
    return forces_of(body)


def _without_translations(q: np.ndarray, found: np.ndarray, weights: np.ndarray) -> Frequencies:
    share = np.broadcast_to(weights[:, None] / weights.sum(), found.shape)
    kept = np.ones(found.shape, dtype=bool)
    for row in np.flatnonzero(np.abs(q).max(1) < GAMMA):
        kept[row, np.argsort(np.abs(found[row]))[:3]] = False
    lowest = np.unravel_index(np.argmin(np.where(kept, found, np.inf)), found.shape)
    if found[lowest] <= 0:
        raise DataError(
            f"found a frequency of {found[lowest]:.3g} THz (imaginary) at the wave vector {np.round(q[lowest[0]], 3).tolist()}; the "
            "quasi-harmonic approximation needs a crystal at a minimum of its energy: take smaller strains, a larger --supercell, "
            "--q-mesh 1, or --method md"
        )
    return Frequencies(found[kept], share[kept])


def quasi_harmonic(
    atoms: Atoms, relax: Callable[[Atoms], None], settings: PhononSettings, repeats: tuple[int, int, int]
) -> QuasiHarmonic:
    """Free energy, entropy and stress of a cell at the temperatures of the settings.

    Parameters
    ----------
    atoms : Atoms
        The cell, with a calculator; its ions are relaxed in place.
    relax : callable
        Moves the ions of a cell to rest.
    settings : PhononSettings
    repeats : tuple of 3 int
        Of the cell in the supercell.

    Returns
    -------
    QuasiHarmonic

    Raises
    ------
    DataError
        The crystal is unstable.
    """
    relax(atoms)
    temperatures = np.asarray(settings.temperatures)
    static, energy = stress_of(atoms), float(atoms.get_potential_energy())
    here = frequencies(atoms, settings, repeats)
    slope = []
    for direction in np.asarray(from_mandel(np.eye(6))):
        sides = []
        for sign in (1, -1):
            near = strained(atoms, np.eye(3) + sign * STRAIN * direction)
            near.calc = atoms.calc
            relax(near)
            sides.append(frequencies(near, settings, repeats).free_energy(temperatures))
        slope.append((sides[0] - sides[1]) / (2 * STRAIN))
    vibrating = np.asarray(from_mandel(np.array(slope).T)) / atoms.get_volume() / GPA
    return QuasiHarmonic(static + vibrating, energy + here.free_energy(temperatures), here.entropy(temperatures))


def expanded_by_phonons(
    atoms: Atoms, hessian: Hessian | None, relax: Callable[[Atoms], None], settings: PhononSettings, *, rounds: int = ROUNDS
) -> tuple[Atoms, ThermalStress]:
    """The reference cell free of stress at a temperature, and the stress that is left.

    Parameters
    ----------
    atoms : Atoms
        Relaxed at rest, with a calculator.
    hessian : array (3n, 3n)
        Force constants at Γ; None: the ions are taken as clamped in the stiffness.
    relax : callable
        Moves the ions of a cell to rest.
    settings : PhononSettings
        With one temperature.
    rounds : int
        1 leaves the cell as it is.

    Returns
    -------
    atoms : Atoms
    stress : ThermalStress
    """
    repeats = settings.repeats(atoms)

    def stress(cell: Atoms, _round: int) -> ThermalStress:
        return ThermalStress(quasi_harmonic(cell, relax, settings, repeats).stress[0], np.zeros((3, 3)))

    return without_stress(atoms, hessian, stress, rounds=rounds)
