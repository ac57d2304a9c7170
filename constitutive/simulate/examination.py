"""What a calculator is worth before anything is computed with it: noise, objectivity, symmetry, energy against stress.

All figures are taken from strained cells of the reference with clamped ions, so that no optimiser takes part.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import final

import numpy as np
from ase import Atoms
from jaxtyping import Float

from constitutive.plain import JsonObject
from constitutive.simulate.cells import GPA, energy_of, forces_of, strained, stress_of

STRAIN = 0.02  # of the cells that are looked at
STEP = 2e-3  # of the differences of the energy
TRANSLATIONS, ROTATIONS, IMAGES = 6, 2, 4
WRONG = 0.1  # relative deviation, from which on a stress is rather of another convention than inexact
ASE_STRESS = "its unit, sign or order another than ASE's (eV/Å³, tension positive, xx yy zz yz xz xy), or a cut-off far too low"
SPOILS = 1 / 3  # of the target error, above which the noise is said to spoil it


@final
@dataclass(frozen=True)
class Examination:
    """Measured properties of a calculator.

    Attributes
    ----------
    noise_GPa
        Standard deviation of a stress component over rigid translations, which leave the true stress unchanged.
    force_noise
        The same of a force component, eV/Å.
    energy_noise
        The same of the energy, eV.
    objectivity
        Relative deviation of the stress of a rotated cell from the rotated stress.
    symmetry_residual
        Relative deviation of the stress of an image of a strain under the point group from the image of the stress.
    energy_against_stress
        Relative deviation of the derivative of the energy along a strain from the work of the stress.
    energy_resolution
        What the noise of the energy alone makes of that figure.
    typical_stress_GPa
        Norm of the stress at a strain of 2 %.
    evaluations
        Calls of the calculator that it took.
    """

    noise_GPa: float
    force_noise: float
    energy_noise: float
    objectivity: float
    symmetry_residual: float
    energy_against_stress: float
    energy_resolution: float
    typical_stress_GPa: float
    evaluations: int

    def as_dict(self) -> JsonObject:
        """Plain data.

        Returns
        -------
        dict
        """
        return dict(asdict(self))

    def stress_at(self, size: float) -> float:
        """Norm of the stress at a strain of some size, by proportion.

        Parameters
        ----------
        size : float
            |E|.

        Returns
        -------
        float
            GPa.
        """
        return float(self.typical_stress_GPa * size / STRAIN)

    def noise_share(self, size: float) -> float:
        """Noise relative to the rms stress component of a plan of strains uniform in a ball.

        Parameters
        ----------
        size : float
            Largest |E| of the plan.

        Returns
        -------
        float
        """
        typical = self.stress_at(size * np.sqrt(6 / 8)) / 3  # rms |E| in six dimensions; nine components
        return float(self.noise_GPa / typical) if typical > 0 else float("inf")

    def warnings(self, size: float, target: float | None = None) -> list[str]:
        """What the user should know before the run.

        Parameters
        ----------
        size : float
            Largest |E| of the plan.
        target : float
            Relative error of the stress that the law should reach.

        Returns
        -------
        list of str
        """
        said = []
        share = self.noise_share(size)
        if target is not None and share > SPOILS * target:
            said.append(
                f"the noise of the stress, {self.noise_GPa:.2g} GPa, is {100 * share:.2g} % of the plan's typical stress: too much for "
                f"a target of {100 * target:.2g} %; compute in double precision, tighten the convergence or strain more"
            )
        limit = max(5 * share, 1e-3)
        energy_limit = max(limit, 3 * self.energy_resolution)
        for name, value, most in (
            ("the stress does not turn with the crystal", self.objectivity, limit),
            ("the stress breaks the symmetry of the crystal", self.symmetry_residual, limit),
            ("the stress is not the derivative of the energy", self.energy_against_stress, energy_limit),
        ):
            if value > most:
                cause = "a k-grid shifted, a cut-off low, a model not conservative" if value < WRONG else ASE_STRESS
                said.append(f"{name}: relative deviation {value:.2g}; is {cause}?")
        return said


def examine(atoms: Atoms, rotations: Float[np.ndarray, "g 3 3"], *, seed: int = 0) -> Examination:
    """Measure a calculator on the reference crystal.

    Parameters
    ----------
    atoms : Atoms
        The relaxed reference, with the calculator.
    rotations : array (g, 3, 3)
        Cartesian operations of its point group.
    seed : int
        Of the strain, translations and rotations.

    Returns
    -------
    Examination

    Raises
    ------
    DataError
        The calculator returns numbers that are not finite.
    """
    rng = np.random.default_rng(seed)
    F = _small_strain(rng)
    cell = strained(atoms, F)
    cell.calc = atoms.calc
    noise, force_noise, energy_noise, base = _translated(cell, rng)
    size = float(np.linalg.norm(base))
    objectivity = _objectivity(cell, base, rng)
    residual, images = _images(atoms, F, base, rotations)
    work = _work(atoms, F, base)
    resolution = (
        np.sqrt(130.0) * energy_noise / (12 * STEP) / cell.get_volume() / GPA / size
    )  # √(2·8² + 2·1²): the weights of the differences
    return Examination(
        noise_GPa=noise,
        force_noise=force_noise,
        energy_noise=energy_noise,
        objectivity=objectivity / size,
        symmetry_residual=residual / size,
        energy_against_stress=work,
        energy_resolution=float(resolution),
        typical_stress_GPa=size,
        evaluations=TRANSLATIONS + ROTATIONS + images + 4,
    )


def _small_strain(rng: np.random.Generator) -> Float[np.ndarray, "3 3"]:
    A = rng.normal(size=(3, 3))
    e = (A + A.T) / 2
    return np.asarray(np.eye(3) + STRAIN * e / np.linalg.norm(e))


def _translated(cell: Atoms, rng: np.random.Generator) -> tuple[float, float, float, Float[np.ndarray, "3 3"]]:
    """Standard deviations of stress, force and energy over rigid translations, and the mean stress."""
    places = cell.get_positions()
    stress, forces, energy = [], [], []
    for number in range(TRANSLATIONS):
        shift = 0.0 if number == 0 else rng.uniform(-1, 1, 3) @ cell.cell.array
        cell.set_positions(places + shift)
        stress.append(stress_of(cell))
        forces.append(forces_of(cell))
        energy.append(energy_of(cell))
    cell.set_positions(places)
    scatter = [float(np.sqrt(np.mean(np.var(values, axis=0, ddof=1)))) for values in (stress, forces, energy)]
    return scatter[0], scatter[1], scatter[2], np.mean(stress, axis=0)


def _objectivity(cell: Atoms, base: Float[np.ndarray, "3 3"], rng: np.random.Generator) -> float:
    worst = 0.0
    for _ in range(ROTATIONS):
        Q = np.linalg.qr(rng.normal(size=(3, 3)))[0]
        Q *= np.linalg.det(Q)
        turned = strained(cell, Q)
        turned.calc = cell.calc
        worst = max(worst, float(np.linalg.norm(stress_of(turned) - Q @ base @ Q.T)))
    return worst


def _images(atoms: Atoms, F: np.ndarray, base: np.ndarray, rotations: np.ndarray) -> tuple[float, int]:
    """Largest deviation over images of the strain under the group, and how many were looked at."""
    proper = [g * np.linalg.det(g) for g in rotations if np.linalg.norm(g * np.linalg.det(g) - np.eye(3)) > 1e-6]
    chosen = proper[:: max(1, len(proper) // IMAGES)][:IMAGES]
    worst = 0.0
    for g in chosen:
        image = strained(atoms, g @ F @ g.T)
        image.calc = atoms.calc
        worst = max(worst, float(np.linalg.norm(stress_of(image) - g @ base @ g.T)))
    return worst, len(chosen)


def _work(atoms: Atoms, F: np.ndarray, base: np.ndarray) -> float:
    """Relative deviation of dψ/dt from P : dF/dt along F(t) = (I + t e) F, by differences of fourth order."""
    e = (F - np.eye(3)) / STRAIN
    volume = atoms.get_volume() * np.linalg.det(F)

    def energy(t: float) -> float:
        cell = strained(atoms, (np.eye(3) + t * e) @ F)
        cell.calc = atoms.calc
        return energy_of(cell)

    slope = (8 * (energy(STEP) - energy(-STEP)) - (energy(2 * STEP) - energy(-2 * STEP))) / (12 * STEP) / volume / GPA
    return float(abs(slope - np.sum(base * e)) / np.linalg.norm(base))
