"""Relaxation of the ions in a fixed cell, and the force constants at Γ that make it quick and show instabilities."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias, final

import numpy as np
from ase import Atoms
from ase.optimize import BFGS, FIRE, BFGSLineSearch
from ase.optimize.optimize import Optimizer
from ase.spacegroup.symmetrize import prep_symmetry
from jaxtyping import Float

from constitutive.errors import DataError
from constitutive.plain import JsonObject
from constitutive.simulate.cells import forces_of, strained, stress_of
from constitutive.units import EV_PER_CUBIC_ANGSTROM

Hessian: TypeAlias = Float[np.ndarray, "n3 n3"]
DISPLACEMENT = 0.01  # Å, of the differences
LARGEST_STEP = 0.1  # Å, of the optimiser
SOFTEST = 0.5  # eV/Å²: softer and unstable directions of the force constants start from this
THZ = 15.633302  # of √(eV/Å²/u), divided by 2π
UNSTABLE = 1e-3  # of the stiffest force constant, below which a negative one counts as an instability
OPTIMIZERS: dict[str, type[Optimizer]] = {"BFGS": BFGS, "FIRE": FIRE, "BFGSLineSearch": BFGSLineSearch}


@final
@dataclass(frozen=True)
class Relaxation:
    """How a relaxation ended.

    Attributes
    ----------
    converged
        Whether the forces are below the limit.
    steps
        Steps taken.
    force
        Largest force on an ion that is left, eV/Å.
    """

    converged: bool
    steps: int
    force: float


@final
@dataclass(frozen=True)
class UnstableMode:
    """A displacement of the ions at Γ that lowers the energy.

    Attributes
    ----------
    frequency
        Imaginary part of the frequency, THz.
    displacement
        Of the atoms (n, 3), of unit norm.
    atoms
        The species that move, with their share of the squared displacement.
    """

    frequency: float
    displacement: Float[np.ndarray, "n 3"]
    atoms: dict[str, float]

    def describe(self) -> str:
        """One line.

        Returns
        -------
        str
        """
        shares = ", ".join(f"{name} {100 * share:.0f} %" for name, share in self.atoms.items())
        return f"{self.frequency:.2f}i THz ({shares} of the displacement)"

    def as_dict(self) -> JsonObject:
        """Plain data.

        Returns
        -------
        dict
        """
        return {"frequency_THz": -self.frequency, "atoms": dict(self.atoms), "displacement": self.displacement.tolist()}


def relax_ions(atoms: Atoms, force: float, steps: int, *, hessian: Hessian | None = None, optimizer: str = "BFGS") -> Relaxation:
    """Move the ions of a fixed cell until no force exceeds a limit.

    Parameters
    ----------
    atoms : Atoms
        With a calculator; its positions are changed.
    force : float
        Largest force left on an ion, eV/Å.
    steps : int
        Most steps.
    hessian : array (3n, 3n)
        Force constants to begin with (eV/Å²): BFGS then needs a few steps only.
    optimizer : str
        "BFGS", "FIRE" or "BFGSLineSearch", ASE's.

    Returns
    -------
    Relaxation

    Raises
    ------
    DataError
        A force is not finite.
    """
    if float(np.linalg.norm(forces_of(atoms), axis=1).max()) <= force:
        return Relaxation(True, 0, float(np.linalg.norm(forces_of(atoms), axis=1).max()))
    with OPTIMIZERS[optimizer](atoms, logfile=None, maxstep=LARGEST_STEP) as run:
        if hessian is not None and isinstance(run, BFGS):
            run.H0 = stiffened(hessian)
        for _ in run.irun(fmax=force, steps=steps):
            forces_of(atoms)
        taken = int(run.nsteps)
    left = float(np.linalg.norm(forces_of(atoms), axis=1).max())
    return Relaxation(left <= force, taken, left)


def relax_or_raise(atoms: Atoms, force: float, steps: int, hessian: Hessian | None, optimizer: str = "BFGS") -> int:
    """Move the ions of a cell to rest, of which there may be one only; the steps taken.

    Parameters
    ----------
    atoms : Atoms
        With a calculator; its positions are changed.
    force : float
        Largest force left on an ion, eV/Å.
    steps : int
        Most steps.
    hessian : array (3n, 3n)
        Force constants to begin with.
    optimizer : str

    Returns
    -------
    int

    Raises
    ------
    DataError
        The forces do not fall below the limit.
    """
    if len(atoms) == 1:
        return 0
    end = relax_ions(atoms, force, steps, hessian=hessian, optimizer=optimizer)
    if not end.converged:
        raise DataError(f"a force of {end.force:.2g} eV/Å is left after {end.steps} steps of {optimizer}; needed {force:.2g}")
    return end.steps


def stiffened(hessian: Hessian) -> Hessian:
    """Force constants without soft directions: translations and unstable modes made as stiff as `SOFTEST`.

    Parameters
    ----------
    hessian : array (3n, 3n)
        eV/Å².

    Returns
    -------
    array (3n, 3n)
        Positive definite.
    """
    values, vectors = np.linalg.eigh(hessian)
    return np.asarray((vectors * np.maximum(np.abs(values), SOFTEST)) @ vectors.T)


def force_constants(atoms: Atoms, symprec: float = 0.01) -> Hessian:
    """Force constants at Γ by central differences of forces, for one atom of each orbit of the space group; the others by symmetry.

    Parameters
    ----------
    atoms : Atoms
        A reference cell with a calculator.
    symprec : float
        Tolerance of the symmetry search, Å.

    Returns
    -------
    array (3n, 3n)
        −∂f/∂u, eV/Å², symmetric, with the sum over atoms zero.
    """
    n = len(atoms)
    W, _, images = prep_symmetry(atoms, symprec, False)
    L = atoms.cell.array
    R = [L.T @ w @ np.linalg.inv(L.T) for w in W]
    blocks = np.full((n, n, 3, 3), np.nan)
    for a in range(n):
        if not np.isnan(blocks[0, a]).any():
            continue
        own = _columns(atoms, a)
        for rotation, image in zip(R, images, strict=True):
            order = np.asarray(image, dtype=int)
            blocks[order, order[a]] = rotation @ own @ rotation.T
    flat = blocks.transpose(0, 2, 1, 3).reshape(3 * n, 3 * n)
    flat = (flat + flat.T) / 2
    T = np.tile(np.eye(3), (n, 1)) / np.sqrt(n)
    free = np.eye(3 * n) - T @ T.T
    return np.asarray(free @ flat @ free)


def _columns(atoms: Atoms, a: int) -> Float[np.ndarray, "n 3 3"]:
    """−∂f_b/∂u_a for all atoms b: rows are components of the force on b, columns of the displacement of a."""
    moved = atoms.copy()
    moved.set_constraint()
    moved.calc = atoms.calc
    places = atoms.get_positions()
    found = np.zeros((len(atoms), 3, 3))
    for axis in range(3):
        for sign in (1.0, -1.0):
            shifted = places.copy()
            shifted[a, axis] += sign * DISPLACEMENT
            moved.set_positions(shifted)
            found[:, :, axis] -= sign * forces_of(moved) / (2 * DISPLACEMENT)
    return found


def unstable_modes(atoms: Atoms, hessian: Hessian) -> list[UnstableMode]:
    """Modes at Γ with an imaginary frequency.

    Parameters
    ----------
    atoms : Atoms
        The cell.
    hessian : array (3n, 3n)
        Its force constants, eV/Å².

    Returns
    -------
    list of UnstableMode
        The most unstable first.
    """
    mass = np.repeat(atoms.get_masses(), 3)
    values, vectors = np.linalg.eigh(hessian / np.sqrt(np.outer(mass, mass)))
    limit = UNSTABLE * float(np.abs(values).max(initial=0.0))
    modes = []
    for value, vector in zip(values, vectors.T, strict=True):
        if value >= -max(limit, 1e-12):
            break
        u = (vector / np.sqrt(mass)).reshape(-1, 3)
        u /= np.linalg.norm(u)
        share: dict[str, float] = {}
        for symbol, row in zip(atoms.get_chemical_symbols(), u, strict=True):
            share[symbol] = share.get(symbol, 0.0) + float(row @ row)
        modes.append(UnstableMode(float(np.sqrt(-value)) * THZ, u, share))
    return modes


def internal_coupling(atoms: Atoms, step: float = 1e-3) -> tuple[Float[np.ndarray, "n3 6"], Float[np.ndarray, "6 6"]]:
    """Forces and stresses of unit strains with clamped ions, by central differences.

    Parameters
    ----------
    atoms : Atoms
        A reference cell with a calculator.
    step : float
        Strain of the differences.

    Returns
    -------
    forces : array (3n, 6)
        eV/Å for each unit Mandel strain.
    stiffness : array (6, 6)
        Stress (Mandel, GPa) for each unit Mandel strain.

    Raises
    ------
    DataError
        The calculator returns numbers that are not finite.
    """
    root = np.sqrt(2.0)
    forces, stiffness = np.zeros((3 * len(atoms), 6)), np.zeros((6, 6))
    for column, (i, j) in enumerate(((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1))):
        e = np.zeros((3, 3))
        e[i, j] = e[j, i] = 1.0 if i == j else 1 / root
        for sign in (1.0, -1.0):
            cell = strained(atoms, np.eye(3) + sign * step * e)
            cell.calc = atoms.calc
            forces[:, column] += sign * forces_of(cell).ravel() / (2 * step)
            s = stress_of(cell)
            stiffness[:, column] += (
                sign * np.array([s[0, 0], s[1, 1], s[2, 2], root * s[1, 2], root * s[0, 2], root * s[0, 1]]) / (2 * step)
            )
    if not np.isfinite(stiffness).all():
        raise DataError("the calculator returned stresses that are not finite")
    return forces, stiffness


def tight_force(coupling: Float[np.ndarray, "n3 6"], hessian: Hessian, volume: float, error: float) -> float:
    """The largest force on an ion that leaves the stress within an error.

    Ions displaced by u = H⁻¹ f from equilibrium change the stress by Λᵀ H⁻¹ f / V, with Λ the forces of unit strains: a force of size f on
    every ion changes it by at most f √n |Λᵀ H⁻¹| / V.

    Parameters
    ----------
    coupling : array (3n, 6)
        Λ, eV/Å.
    hessian : array (3n, 3n)
        H, eV/Å².
    volume : float
        Å³.
    error : float
        GPa.

    Returns
    -------
    float
        eV/Å.
    """
    response = np.linalg.norm(coupling.T @ np.linalg.inv(stiffened(hessian)), 2) * np.sqrt(len(coupling) / 3) / volume
    return float(np.clip(error / max(response * EV_PER_CUBIC_ANGSTROM, 1e-12), 1e-5, 1e-2))
