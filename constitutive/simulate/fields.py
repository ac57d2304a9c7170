r"""Charged ions and shells at rest in an electric field, or at a given polarisation, by Newton's method on their forces.

The energies of some Coulomb sums are not the integrals of their forces, so a line search by the energy stops early on soft modes. Here the
forces alone count:

.. math::
    f(x) + q\, F^{-T} E_0 = 0, \qquad P_0 = \frac{1}{V_0} \sum_i q_i\,(F^{-1} x_i - X_i)

With x the places of all particles and X those at rest in the undeformed cell, on one branch since x is followed and never folded back into
the cell. At given E₀ this is a minimum in x; at given P₀ the field is the multiplier of the constraint, which holds states that no
field can (inside the barrier between two wells). The work of the field does not depend on F at fixed F⁻¹x, so the stress at
constant E₀ is the virial of the internal energy alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol, final, runtime_checkable

import numpy as np
from ase import Atoms
from jaxtyping import Float

from constitutive.errors import DataError
from constitutive.simulate.cells import GPA
from constitutive.simulate.lammps_particles import Particles
from constitutive.units import CHARGE_PER_SQUARE_ANGSTROM

DISPLACEMENT = 2e-4  # Å, of the differences of forces
LARGEST_STEP = 0.1  # Å
STEPS, FRESH = 80, 25  # steps at most; after so many the force constants are computed anew
FORCE = 1e-7  # eV/Å left on a particle
ROUGH, STALLED = 2e-5, 10  # eV/Å: a force that so many steps did not lessen is rounding error, which is large where a shell is on its core
PARTS = (1, 2, 4)  # steps to a given polarisation, tried in this order
GAP = 1e-9  # C/m², of a given polarisation
VOLT = 0.1  # eV/Å of a charge e in 1 GV/m


@final
@dataclass(frozen=True, eq=False)
class FieldState:
    """Ions at rest in a field.

    Attributes
    ----------
    positions
        Of the atoms (cores), Å, not folded back.
    electric_field
        E₀, GV/m.
    polarization
        P₀, C/m².
    cauchy
        Stress of the internal energy, GPa.
    energy
        Internal energy U, eV, without the work of the field.
    force
        Largest force left on a particle, eV/Å.
    """

    positions: Float[np.ndarray, "n 3"]
    electric_field: Float[np.ndarray, "3"]
    polarization: Float[np.ndarray, "3"]
    cauchy: Float[np.ndarray, "3 3"]
    energy: float
    force: float


@runtime_checkable
class RelaxesInField(Protocol):
    """A calculator that relaxes ions in an electric field: LAMMPS with charges, or the user's own."""

    def relax_in_field(
        self,
        atoms: Atoms,
        reference: Atoms,
        *,
        field: Float[np.ndarray, "3"] | None = None,
        polarization: Float[np.ndarray, "3"] | None = None,
        clamped: bool = False,
    ) -> FieldState:
        """Ions at rest in a field E₀ (GV/m) or at a polarisation P₀ (C/m²).

        Parameters
        ----------
        atoms : Atoms
            The strained cell.
        reference : Atoms
            The undeformed cell at rest.
        field, polarization : array (3,)
            One of them.
        clamped : bool
            Keep the cores in place.

        Returns
        -------
        FieldState
        """


@runtime_checkable
class HoldsField(RelaxesInField, Protocol):
    """A calculator whose forces may hold those of a field too, so that phonons in it can be computed."""

    def hold_field(self, field: Float[np.ndarray, "3"] | None) -> None:
        """Put all later forces under a field, or under none again.

        Parameters
        ----------
        field : array (3,)
            e, GV/m, in space; None: none.
        """


@final
@dataclass(eq=False)
class Ions:
    """Cores and shells of one cell.

    Attributes
    ----------
    particles
        Cores, then shells.
    charges
        Of all particles, e.
    cores
        Numbers of the atoms that have shells, in the order of these.
    kept
        Force constants by name, which one search leaves for the next.
    places
        Where the particles were left, Å.
    """

    particles: Particles
    charges: Float[np.ndarray, " m"]
    cores: tuple[int, ...]
    kept: dict[str, Float[np.ndarray, "m3 m3"]]
    places: Float[np.ndarray, "m 3"] = field(default_factory=lambda: np.zeros((0, 3)))

    @property
    def shells(self) -> bool:
        """Whether there are any."""
        return bool(self.cores)

    @property
    def atoms(self) -> int:
        """Number of cores."""
        return len(self.charges) - len(self.cores)

    def with_shells(self, positions: Float[np.ndarray, "n 3"], offsets: Float[np.ndarray, "s 3"]) -> Float[np.ndarray, "m 3"]:
        """Places of all particles.

        Parameters
        ----------
        positions : array (n, 3)
            Of the cores, Å.
        offsets : array (s, 3)
            Of the shells from their cores, Å.

        Returns
        -------
        array (m, 3)
        """
        return np.concatenate([positions, positions[list(self.cores)] + offsets])

    def on_atoms(self, forces: Float[np.ndarray, "m 3"]) -> Float[np.ndarray, "n 3"]:
        """Forces on atoms: those on cores and on their shells together.

        Parameters
        ----------
        forces : array (m, 3)
            On all particles, eV/Å.

        Returns
        -------
        array (n, 3)
        """
        total = forces[: self.atoms].copy()
        np.add.at(total, list(self.cores), forces[self.atoms :])
        return total

    def pushed(self, field: Float[np.ndarray, "3"] | None) -> Float[np.ndarray, "m 3"]:
        """Forces of a field on all particles.

        Parameters
        ----------
        field : array (3,)
            e, GV/m, in space; None: none.

        Returns
        -------
        array (m, 3)
            eV/Å.
        """
        return VOLT * np.outer(self.charges, np.zeros(3) if field is None else field)

    def relax_shells(
        self, positions: Float[np.ndarray, "n 3"], offsets: Float[np.ndarray, "s 3"], limit: float, push: Float[np.ndarray, "m 3"]
    ) -> np.ndarray:
        """Offsets of the shells at rest beside fixed cores.

        Parameters
        ----------
        positions : array (n, 3)
            Of the cores, Å.
        offsets : array (s, 3)
            Where the search starts.
        limit : float
            Force left, eV/Å.
        push : array (m, 3)
            Forces from outside on all particles, eV/Å.

        Returns
        -------
        array (s, 3)
            The particles are left there.
        """
        places = self.with_shells(positions, offsets)
        found, _, _ = _newton(self, places, _moving(self, clamped=True), push.ravel(), limit, "shells")
        return found[self.atoms :] - positions[list(self.cores)]

    def at_rest(self, positions: Float[np.ndarray, "n 3"]) -> Ions:
        """These particles at rest without a field, kept with their places.

        Parameters
        ----------
        positions : array (n, 3)
            Of the cores, Å.

        Returns
        -------
        Ions
        """
        start = self.with_shells(positions, np.zeros((len(self.cores), 3)))
        found, _, _ = _newton(self, start, _moving(self, clamped=False), np.zeros(start.size), FORCE, "all")
        return Ions(self.particles, self.charges, self.cores, self.kept, found)


def _moving(ions: Ions, *, clamped: bool) -> np.ndarray:
    """Which of the 3m coordinates move."""
    return np.repeat(np.arange(len(ions.charges)) >= (ions.atoms if clamped else 0), 3)


def _forces(ions: Ions, places: np.ndarray) -> Float[np.ndarray, " m3"]:
    ions.particles.place(places)
    forces = ions.particles.forces.ravel()
    if not np.isfinite(forces).all():
        raise DataError("the calculator returned forces that are not finite")
    return forces


def _constants(ions: Ions, places: np.ndarray, moving: np.ndarray) -> Float[np.ndarray, "k k"]:
    """−∂f/∂x of the coordinates that move, by central differences (eV/Å²)."""
    numbers = np.flatnonzero(moving)
    H = np.zeros((len(numbers), len(numbers)))
    for column, number in enumerate(numbers):
        step = np.zeros(places.size)
        step[number] = DISPLACEMENT
        d = step.reshape(places.shape)
        H[:, column] = -(_forces(ions, places + d) - _forces(ions, places - d))[moving] / (2 * DISPLACEMENT)
    return (H + H.T) / 2


def _updated(H: np.ndarray, dx: np.ndarray, change: np.ndarray) -> np.ndarray:
    """Force constants that take the last step to the last change of the forces: symmetric, of rank one (Nocedal & Wright 2006, (6.24))."""
    rest = change - H @ dx
    slope = float(rest @ dx)
    if np.abs(rest).max() < ROUGH or abs(slope) < 1e-8 * float(np.linalg.norm(rest) * np.linalg.norm(dx)):
        return H
    return np.asarray(H + np.outer(rest, rest) / slope)


def _newton(
    ions: Ions, places: np.ndarray, moving: np.ndarray, push: np.ndarray, limit: float, name: str,
    *, map_to_p: np.ndarray | None = None, target: np.ndarray | None = None,
    polarization_of: Callable[[np.ndarray], np.ndarray] | None = None,
) -> tuple[np.ndarray, np.ndarray, float]:  # fmt: skip
    """Places at which internal forces and ``push`` (eV/Å, flat) are in balance; with ``map_to_p`` the field that gives a polarisation.

    ``map_to_p`` (3, 3m) is ∂P₀/∂x in units in which its transpose times a field in eV/Å per unit is a force.
    """
    places = places.copy()
    free = bool(moving.all())
    T = np.tile(np.eye(3), (1, len(places)))[:, moving] if free else np.zeros((0, int(moving.sum())))
    held = target is not None
    field_found = np.zeros(3)
    H = ions.kept.get(name)
    before: np.ndarray | None = None
    dx: np.ndarray = np.zeros(len(push))
    H = _constants(ions, places, moving) if H is None or len(H) != moving.sum() else H
    left = np.inf
    best: tuple[float, np.ndarray, np.ndarray, int] = np.inf, places, field_found, 0  # with its number of steps
    for step in range(STEPS):
        f = (_forces(ions, places) + push)[moving]
        if held and map_to_p is not None:
            f = f + map_to_p[:, moving].T @ field_found
        if free:
            f = f - np.tile(f.reshape(-1, 3).mean(0), len(f) // 3)  # rounding of the sum of all forces
        gap = np.zeros(0) if target is None or polarization_of is None else target - polarization_of(places)
        left = float(np.abs(f).max(initial=0.0))
        if left <= limit and (not held or np.abs(gap).max() <= GAP):
            ions.kept.setdefault(name, H)
            return places, field_found, left
        if left < best[0] and (not held or np.abs(gap).max() <= GAP):
            best = left, places.copy(), field_found.copy(), step
        if best[0] <= ROUGH and step >= best[3] + STALLED:
            return best[1], best[2], best[0]
        internal = f - push[moving] - (map_to_p[:, moving].T @ field_found if held and map_to_p is not None else 0.0)
        if step and step % FRESH == 0:
            H = _constants(ions, places, moving)
        elif before is not None:
            H = _updated(H, dx, before - internal)
        before = internal
        A = map_to_p[:, moving] if held and map_to_p is not None else np.zeros((0, len(H)))
        matrix = np.block([
            [H, -A.T, T.T],
            [A, np.zeros((len(A), len(A) + len(T)))],
            [T, np.zeros((len(T), len(A) + len(T)))],
        ])  # fmt: skip
        move = np.linalg.solve(matrix, np.concatenate([f, gap, np.zeros(len(T))]))
        dx = move[: len(H)]
        dx *= min(1.0, LARGEST_STEP / max(float(np.abs(dx).max(initial=0.0)), 1e-30))
        if held:
            field_found += move[len(H) : len(H) + 3]
        flat = places.ravel()
        flat[moving] += dx
        places = flat.reshape(-1, 3)
    who = "shells" if name == "shells" else "ions"
    hint = "; a shell at rest on its core feels the rounding of coul/long/cs: leave out the force constants (--skip-stability)"
    raise DataError(
        f"a force of {left:.2g} eV/Å is left on the {who} after {STEPS} Newton steps; needed {limit:.2g}"
        + (hint if name == "shells" else "")
    )


def _held(
    ions: Ions, start: np.ndarray, moving: np.ndarray, name: str, push_of: np.ndarray, polarization_of: Callable[[np.ndarray], np.ndarray],
    polarization: np.ndarray, volume: float,
) -> tuple[np.ndarray, np.ndarray, float]:  # fmt: skip
    """Places, field and force left at a polarisation, reached at once or, where that fails, in steps.

    The ions are never free of the constraint: a ferroelectric would fall into a well.
    """
    scale = volume / CHARGE_PER_SQUARE_ANGSTROM  # P₀ in e Å
    failure: DataError | None = None
    for count in PARTS:
        places, multiplier, left = start, np.zeros(3), np.inf
        try:
            for part in range(1, count + 1):
                places, multiplier, left = _newton(
                    ions, places, moving, np.zeros(places.size), FORCE, name,
                    map_to_p=push_of, target=part / count * polarization * scale, polarization_of=lambda at: polarization_of(at) * scale,
                )  # fmt: skip
        except DataError as error:
            failure = failure or error
        else:
            return places, multiplier / VOLT, left
    raise failure or DataError("found no steps to a polarisation; needed one at least")


def relaxed_in_field(
    ions: Ions,
    positions: Float[np.ndarray, "n 3"],
    rest: Ions,
    *,
    field: Float[np.ndarray, "3"] | None = None,
    polarization: Float[np.ndarray, "3"] | None = None,
    clamped: bool = False,
) -> FieldState:
    """Ions at rest in a field, or at a polarisation.

    Parameters
    ----------
    ions : Ions
        Of the strained cell.
    positions : array (n, 3)
        Of its cores where the search starts, Å.
    rest : Ions
        Of the undeformed cell, at rest.
    field : array (3,)
        E₀, GV/m.
    polarization : array (3,)
        P₀, C/m²; one of the two is given.
    clamped : bool
        Keep the cores in place, so that only shells move.

    Returns
    -------
    FieldState

    Raises
    ------
    DataError
        Both or neither are given, the charges do not add up to zero, or the search does not converge.
    """
    if (field is None) == (polarization is None):
        raise DataError("ions in a field: needed a field or a polarisation, one of them")
    q = ions.charges
    if abs(q.sum()) > 1e-6 * np.abs(q).max():
        raise DataError(f"the charges of the cell add up to {q.sum():.3g} e; needed zero: look at `charges` and `shells`")
    reference, cell = rest.particles.cell, ions.particles.cell
    F = np.linalg.solve(reference, cell).T
    inverse, volume = np.linalg.inv(F), abs(np.linalg.det(reference))

    def polarization_of(places: np.ndarray) -> np.ndarray:
        return np.asarray(q @ (places @ inverse.T - rest.places)) / volume * CHARGE_PER_SQUARE_ANGSTROM

    moving = _moving(ions, clamped=clamped)
    if clamped and not moving.any():
        raise DataError("clamped ions without shells do not polarise; leave --clamped out")
    offsets = (rest.places[rest.atoms :] - rest.places[list(rest.cores)]) @ F.T
    places = ions.with_shells(positions, offsets)
    name = "shells" if clamped else "all"
    push_of = np.concatenate([charge * inverse for charge in q], axis=1)  # (3, 3m): its transpose takes E₀ to forces on q e, e = F⁻ᵀE₀
    E0: np.ndarray = np.zeros(3)
    left = np.inf
    if field is not None:
        for part in (0.0, 1.0):
            E0 = part * np.asarray(field, dtype=np.float64)
            places, _, left = _newton(ions, places, moving, VOLT * push_of.T @ E0, FORCE, name)
    else:
        places, E0, left = _held(ions, places, moving, name, push_of, polarization_of, np.asarray(polarization, dtype=np.float64), volume)
    _forces(ions, places)
    return FieldState(
        places[: ions.atoms], E0, polarization_of(places), ions.particles.stress / GPA, ions.particles.energy, left
    )
