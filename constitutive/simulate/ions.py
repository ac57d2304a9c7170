"""Relaxation of the ions in a fixed cell, and the force constants at Γ that make it quick and show instabilities."""

from __future__ import annotations

from collections.abc import Callable
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
from constitutive.tensors.packing import from_mandel, to_mandel
from constitutive.units import EV_PER_CUBIC_ANGSTROM

Hessian: TypeAlias = Float[np.ndarray, "n3 n3"]
Operation: TypeAlias = tuple[np.ndarray, np.ndarray]
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
    """Force constants at Γ by differences of forces; what symmetry and the sum rule give is not computed.

    One atom of each orbit of the space group is displaced, along directions whose images under its site symmetry span space, to both
    sides where no operation turns one into the other. A rigid translation costs no force: an atom that is alone in its orbit follows
    from the others. Rocksalt takes one calculation, a single atom none.

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
    operations = space_group_images(atoms, symprec)
    orbits = {a: {int(image[a]) for _, image in operations} for a in range(n)}
    alone = next((a for a in range(n) if len(orbits[a]) == 1), None)
    blocks = np.full((n, n, 3, 3), np.nan)
    for a in range(n):
        if a == alone or not np.isnan(blocks[0, a]).any():
            continue
        site = [(R, image) for R, image in operations if image[a] == a]
        slopes = _slopes(list(np.eye(3)), DISPLACEMENT, _forces_of_displaced(atoms, a), site, lambda u, R: R @ u, _turned)
        own = -slopes.transpose(1, 2, 0)  # rows: components of the force on b; columns: of the displacement of a
        for R, order in operations:
            blocks[order, order[a]] = R @ own @ R.T
    if alone is not None:
        others = [b for b in range(n) if b != alone]
        blocks[others, alone] = blocks[alone, others].transpose(0, 2, 1)
        blocks[alone, alone] = -blocks[others, alone].sum(axis=0)
    flat = blocks.transpose(0, 2, 1, 3).reshape(3 * n, 3 * n)
    flat = (flat + flat.T) / 2
    T = np.tile(np.eye(3), (n, 1)) / np.sqrt(n)
    free = np.eye(3 * n) - T @ T.T
    return np.asarray(free @ flat @ free)


def _forces_of_displaced(atoms: Atoms, a: int) -> Callable[[np.ndarray], np.ndarray]:
    def forces(u: np.ndarray) -> np.ndarray:
        moved = strained(atoms, np.eye(3))
        moved.calc = atoms.calc
        moved.positions[a] += u
        return forces_of(moved)

    return forces


def space_group_images(atoms: Atoms, symprec: float = 0.01) -> list[Operation]:
    """The space group: each Cartesian rotation, and the number of the atom that each atom is taken to.

    Parameters
    ----------
    atoms : Atoms
    symprec : float
        Tolerance of the symmetry search, Å.

    Returns
    -------
    list of (array (3, 3), array of int (n,))
    """
    W, _, images = prep_symmetry(atoms, symprec, False)
    L = atoms.cell.array
    return [(L.T @ w @ np.linalg.inv(L.T), np.asarray(image, dtype=int)) for w, image in zip(W, images, strict=True)]


def _turned(vectors: Float[np.ndarray, "n 3"], R: np.ndarray, order: np.ndarray) -> Float[np.ndarray, "n 3"]:
    """Vectors of the atoms after an operation."""
    turned = np.empty_like(vectors)
    turned[order] = vectors @ R.T
    return turned


def _slopes(
    directions: list[np.ndarray],
    step: float,
    respond: Callable[[np.ndarray], np.ndarray],
    operations: list[Operation],
    turn: Callable[[np.ndarray, np.ndarray], np.ndarray],
    turn_response: Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray],
) -> np.ndarray:
    """Derivatives of a response along directions, by central differences.

    A direction in the span of images of earlier ones is not computed, nor the other side of one that an operation turns round.
    """
    seen, found = np.zeros((0, directions[0].size)), []
    for u in directions:
        if np.linalg.matrix_rank(np.vstack([seen, u.ravel()]), tol=1e-3) == np.linalg.matrix_rank(seen, tol=1e-3):
            continue
        plus = respond(step * u)
        back = next((operation for operation in operations if np.allclose(turn(u, operation[0]), -u, atol=1e-3)), None)
        minus = respond(-step * u) if back is None else turn_response(plus, *back)
        slope = (plus - minus) / (2 * step)
        seen = np.vstack([seen, *(turn(u, R).ravel() for R, _ in operations)])
        found += [turn_response(slope, R, order) for R, order in operations]
    linear = np.linalg.pinv(seen) @ np.reshape(found, (len(seen), -1))
    return np.asarray(np.reshape(directions, (len(directions), -1)) @ linear).reshape(len(directions), *found[0].shape)


def sites_fixed_by_inversion(atoms: Atoms, symprec: float = 0.01) -> bool:
    """Whether every atom is an inversion centre of the crystal: then it is one of every strained crystal, and feels no force there.

    Parameters
    ----------
    atoms : Atoms
    symprec : float
        Tolerance of the symmetry search, Å.

    Returns
    -------
    bool
    """
    W, _, images = prep_symmetry(atoms, symprec, False)
    fixed = [image == np.arange(len(atoms)) for w, image in zip(W, np.asarray(images), strict=True) if (w == -np.eye(3)).all()]
    return bool(np.any(fixed, axis=0).all()) if fixed else False


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


def internal_coupling(
    atoms: Atoms, step: float = 1e-3, symprec: float = 0.01
) -> tuple[Float[np.ndarray, "n3 6"], Float[np.ndarray, "6 6"]]:
    """Forces and stresses of unit strains with clamped ions, by central differences of those strains that symmetry leaves.

    Parameters
    ----------
    atoms : Atoms
        A reference cell with a calculator.
    step : float
        Strain of the differences.
    symprec : float
        Tolerance of the symmetry search, Å.

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

    def forces_and_stress(e: np.ndarray) -> np.ndarray:
        cell = strained(atoms, np.eye(3) + e)
        cell.calc = atoms.calc
        return np.vstack([forces_of(cell), stress_of(cell)])

    def turned(both: np.ndarray, R: np.ndarray, order: np.ndarray) -> np.ndarray:
        return np.vstack([_turned(both[:-3], R, order), R @ both[-3:] @ R.T])

    strains = [np.asarray(from_mandel(row)) for row in np.eye(6)]
    slopes = _slopes(strains, step, forces_and_stress, space_group_images(atoms, symprec), lambda e, R: R @ e @ R.T, turned)
    return slopes[:, :-3].reshape(6, -1).T, np.asarray(to_mandel(slopes[:, -3:])).T


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
