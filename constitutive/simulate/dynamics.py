"""Stresses at a temperature: averages of molecular dynamics at fixed cell (NVT, Langevin), with their standard errors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import numpy as np
from ase import Atoms, units
from ase.md.langevin import Langevin
from ase.md.velocitydistribution import MaxwellBoltzmannDistribution
from jaxtyping import Float

from constitutive.data.averages import error_of_mean
from constitutive.errors import DataError
from constitutive.simulate.cells import GPA, strained, structure_of
from constitutive.simulate.ions import Hessian, internal_coupling, stiffened
from constitutive.symmetry import PointGroup
from constitutive.tensors.packing import from_mandel, to_mandel
from constitutive.units import EV_PER_CUBIC_ANGSTROM

FRICTION = 0.01 / units.fs  # of the thermostat
EVERY = 2  # steps between two samples of the stress
ROUNDS = 3  # of the thermal expansion of the reference
ENOUGH = 1e-3  # GPa, of a stress without noise
LARGEST_MOVE = 0.03  # strain in one round


@final
@dataclass(frozen=True)
class DynamicsSettings:
    """How molecular dynamics is run.

    Attributes
    ----------
    temperature
        K.
    steps
        Of the average.
    equilibration
        Steps before it.
    timestep
        fs.
    shortest
        Smallest length of the supercell along each cell vector, Å.

    Raises
    ------
    DataError
        A number is not positive.
    """

    temperature: float
    steps: int = 2000
    equilibration: int = 500
    timestep: float = 2.0
    shortest: float = 10.0

    def __post_init__(self) -> None:
        for name in ("temperature", "steps", "equilibration", "timestep", "shortest"):
            if not (np.isfinite(value := getattr(self, name)) and value > 0):
                raise DataError(f"{name}: found {value}; needed a positive number")


@final
@dataclass(frozen=True, eq=False)
class ThermalStress:
    """A mean stress with its standard error.

    Attributes
    ----------
    mean
        Cauchy stress, kinetic part included, tension positive, GPa.
    error
        Standard error of each component, from the autocorrelation of the series, GPa.
    """

    mean: Float[np.ndarray, "3 3"]
    error: Float[np.ndarray, "3 3"]


def thermal_stress(atoms: Atoms, settings: DynamicsSettings, seed: int) -> ThermalStress:
    """Mean stress of a cell at a temperature.

    Parameters
    ----------
    atoms : Atoms
        A cell with a calculator; it is repeated to a supercell.
    settings : DynamicsSettings
    seed : int
        Of velocities and thermostat.

    Returns
    -------
    ThermalStress

    Raises
    ------
    DataError
        The crystal does not stay together: a stress is not finite.
    """
    rng = np.random.default_rng(seed)
    repeats = tuple(max(1, int(np.ceil(settings.shortest / length))) for length in atoms.cell.lengths())
    body = atoms.copy().repeat(repeats)
    body.calc = atoms.calc
    MaxwellBoltzmannDistribution(body, temperature_K=2 * settings.temperature, rng=rng)  # half of it goes into the potential
    series = []
    with Langevin(body, settings.timestep * units.fs, temperature_K=settings.temperature, friction=FRICTION, rng=rng, logfile=None) as run:
        run.run(settings.equilibration)
        for _ in range(max(10, settings.steps // EVERY)):
            run.run(EVERY)
            series.append(body.get_stress(voigt=False, include_ideal_gas=True) / GPA)
    stress = np.asarray(series)
    if not np.isfinite(stress).all():
        raise DataError(
            "molecular dynamics: found a stress that is not finite; needed a crystal that stays together; shorten the time step"
        )
    return ThermalStress(stress.mean(0), error_of_mean(stress))


def thermally_expanded(atoms: Atoms, hessian: Hessian | None, settings: DynamicsSettings, seed: int) -> tuple[Atoms, ThermalStress]:
    """The reference cell free of stress at a temperature, and the stress that is left with its error.

    Parameters
    ----------
    atoms : Atoms
        Relaxed at rest, with a calculator.
    hessian : array (3n, 3n)
        Force constants at Γ; None: the ions are taken as clamped in the stiffness.
    settings : DynamicsSettings
    seed : int
        Of velocities and thermostat.

    Returns
    -------
    atoms : Atoms
    stress : ThermalStress
    """
    return without_stress(atoms, hessian, lambda cell, number: thermal_stress(cell, settings, seed + number))


def without_stress(
    atoms: Atoms, hessian: Hessian | None, stress: Callable[[Atoms, int], ThermalStress], *, rounds: int = ROUNDS
) -> tuple[Atoms, ThermalStress]:
    """The cell at which a mean stress vanishes, and the stress that is left with its error.

    Each round strains the cell by −C⁻¹σ with the static stiffness C of relaxed ions and the mean stress σ, made symmetric under the group.

    Parameters
    ----------
    atoms : Atoms
        Relaxed at rest, with a calculator.
    hessian : array (3n, 3n)
        Force constants at Γ; None: the ions are taken as clamped in C.
    stress : callable
        Mean stress of a cell, and the number of the round.
    rounds : int
        Evaluations of the stress.

    Returns
    -------
    atoms : Atoms
    stress : ThermalStress
    """
    coupling, stiffness = internal_coupling(atoms)
    if hessian is not None:
        softening = coupling.T @ np.linalg.solve(stiffened(hessian), coupling) / atoms.get_volume() * EV_PER_CUBIC_ANGSTROM
        stiffness = stiffness - softening
    rotations = np.asarray(PointGroup.from_structure(structure_of(atoms)).laue_rotations)
    cell = atoms
    left = stress(cell, 0)
    for number in range(1, rounds):
        if float(np.abs(left.mean).max()) <= ENOUGH and not left.error.any():
            break
        mean = np.mean(rotations @ left.mean @ rotations.transpose(0, 2, 1), axis=0)
        e = np.asarray(from_mandel(-np.linalg.solve(stiffness, np.asarray(to_mandel(mean)))))
        e *= min(1.0, LARGEST_MOVE / max(float(np.linalg.norm(e)), 1e-12))
        cell = strained(cell, np.eye(3) + e)
        cell.calc = atoms.calc
        left = stress(cell, number)
    return cell, left
