"""The reference crystal: cell and ions relaxed under its group, then without it; its group found anew; stable at Γ or not."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, final

import numpy as np
from ase import Atoms
from ase.constraints import FixSymmetry
from ase.filters import FrechetCellFilter
from ase.optimize import BFGS
from ase.spacegroup.symmetrize import refine_symmetry
from jaxtyping import Float

from constitutive.errors import ConstitutiveError, DataError
from constitutive.plain import JsonObject
from constitutive.simulate.cells import GPA, energy_of, strained, stress_of, structure_of
from constitutive.simulate.ions import SOFTEST, Hessian, UnstableMode, force_constants, relax_ions, stiffened, unstable_modes
from constitutive.symmetry import PointGroup

if TYPE_CHECKING:
    from pymatgen.core import Structure

CHOICES = ("stop", "keep", "follow")
FREE_OF_STRESS = 1e-3  # GPa: 1 MPa
ROUNDS = 4  # of the relaxation, each with a fresh optimiser
KICK, KICK_STRAIN = 0.02, 2e-3  # Å and strain of the start without symmetry
ANOTHER = 1e-3  # eV an atom, from which a crystal of the same group is another one
ALONG_MODE = 0.1  # Å along an unstable mode
USUAL_STIFFNESS = 70.0  # eV/Å² of a position, ASE's
NOISES = 3.0  # multiples of the noise that a relaxation is not asked to go below


@final
@dataclass(frozen=True)
class RelaxationSettings:
    """How the reference is relaxed.

    Attributes
    ----------
    force
        Largest force on an ion, eV/Å.
    stress
        Largest component of the stress, GPa.
    steps
        Most steps of each of the four rounds.
    symprec
        Tolerance of the symmetry search, Å.
    keep_residual_stress
        Leave the cell as it is; only the ions are relaxed.
    if_unstable
        What to do where the crystal leaves its group: "stop", "keep" the symmetric crystal, or "follow" it to the other one.
    look_for_instability
        Relax once more without the group, and compute the force constants at Γ.
    seed
        Of the displacement that breaks the symmetry.

    Raises
    ------
    DataError
        A number is not positive, the choice unknown, or one without looking for an instability.
    """

    force: float = 1e-4
    stress: float = FREE_OF_STRESS
    steps: int = 300
    symprec: float = 0.01
    keep_residual_stress: bool = False
    if_unstable: str = "stop"
    look_for_instability: bool = True
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("force", "stress", "steps", "symprec"):
            if not (np.isfinite(value := getattr(self, name)) and value > 0):
                raise DataError(f"{name}: found {value}; needed a positive number")
        if self.if_unstable not in CHOICES:
            raise DataError(f"if_unstable: found {self.if_unstable!r}; needed one of {', '.join(CHOICES)}")
        if self.if_unstable != "stop" and not self.look_for_instability:
            raise DataError(f"found --if-unstable {self.if_unstable} with --skip-stability; needed one of them: none is looked for")


@final
@dataclass(frozen=True, eq=False)
class Reference:
    """The relaxed crystal.

    Attributes
    ----------
    atoms
        Cell and positions; no calculator.
    point_group
        Found after the relaxation.
    stress
        Cauchy stress that is left, GPa.
    energy
        eV.
    hessian
        Force constants at Γ (eV/Å²); None where they were not computed.
    modes
        Unstable modes at Γ, of the crystal before it was followed to another.
    notes
        What the user should know.
    """

    atoms: Atoms
    point_group: str
    stress: Float[np.ndarray, "3 3"]
    energy: float
    hessian: Hessian | None = None
    modes: tuple[UnstableMode, ...] = ()
    notes: tuple[str, ...] = field(default=())

    @property
    def structure(self) -> Structure:
        """As pymatgen's."""
        return structure_of(self.atoms)

    def as_dict(self) -> JsonObject:
        """Plain data, from which `from_dict` makes it again.

        Returns
        -------
        dict
        """
        return {
            "lattice": self.atoms.cell.array.tolist(),
            "species": self.atoms.get_chemical_symbols(),
            "frac_coords": self.atoms.get_scaled_positions(wrap=False).tolist(),
            "point_group": self.point_group,
            "stress_GPa": self.stress.tolist(),
            "energy_eV": self.energy,
            "force_constants": None if self.hessian is None else self.hessian.tolist(),
            "modes": [mode.as_dict() for mode in self.modes],
            "notes": list(self.notes),
        }

    @classmethod
    def from_dict(cls, document: JsonObject) -> Reference:
        """The reference that `as_dict` wrote.

        Parameters
        ----------
        document : dict

        Returns
        -------
        Reference

        Raises
        ------
        DataError
            The document is no reference.
        """
        try:
            atoms = Atoms(document["species"], cell=document["lattice"], scaled_positions=document["frac_coords"], pbc=True)
            modes = tuple(
                UnstableMode(-float(mode["frequency_THz"]), np.asarray(mode["displacement"]), dict(mode["atoms"]))
                for mode in document["modes"]
            )
            hessian = document["force_constants"]
            return cls(
                atoms,
                str(document["point_group"]),
                np.asarray(document["stress_GPa"], dtype=np.float64),
                float(document["energy_eV"]),
                None if hessian is None else np.asarray(hessian, dtype=np.float64),
                modes,
                tuple(document["notes"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(f"found a damaged reference ({type(error).__name__}: {error}); remove the folder of the run") from error


def relax_reference(
    atoms: Atoms,
    settings: RelaxationSettings | None = None,
    *,
    noise: float = 0.0,
    force_noise: float = 0.0,
    stiffness: float | None = None,
) -> Reference:
    """Relax a crystal under its group, then without it, and look for unstable modes at Γ.

    Parameters
    ----------
    atoms : Atoms
        With a calculator; unchanged.
    settings : RelaxationSettings
        Limits and choices.
    noise, force_noise : float
        Noise of a stress component (GPa) and of a force (eV/Å): what the relaxation is not asked to go below.
    stiffness : float
        Norm of the stress of a unit strain (GPa), from which the relaxation of the cell begins; None: the optimiser's own guess.

    Returns
    -------
    Reference

    Raises
    ------
    DataError
        The relaxation does not converge, or the crystal leaves its group and ``if_unstable`` is "stop".
    SymmetryError
        The crystal has no symmetry that can be found.
    """
    settings = settings or RelaxationSettings()
    limits = _Limits(max(settings.force, NOISES * force_noise), max(settings.stress, NOISES * noise), settings.steps)
    before = PointGroup.from_structure(structure_of(atoms), symprec=settings.symprec).symbol
    crystal = _relaxed(atoms, limits, settings, symmetric=True, begin=_Begin(None, stiffness))
    _require_relaxed(crystal, limits, settings)
    group = _group(crystal, settings)
    notes = [] if group == before else [f"the relaxed crystal has the point group {group}; before the relaxation it was {before}"]
    if limits.stress > settings.stress:
        notes.append(f"relaxed to a stress below {1e3 * limits.stress:.2g} MPa only: the noise of the calculator allows no less")
    if not settings.look_for_instability:
        return _reference(crystal, group, None, (), notes)
    hessian = force_constants(crystal, settings.symprec)
    modes = tuple(unstable_modes(crystal, hessian))
    begin = _Begin(None, None) if modes else _Begin(hessian, stiffness)  # force constants do not lead from a saddle to the nearest minimum
    free = _free(crystal, modes, limits, settings, begin)
    if free is None:
        if modes:
            notes.append(f"unstable at Γ: {modes[0].describe()}, although a relaxation without the group leads back")
        return _reference(crystal, group, hessian, modes, notes)
    left = _leaves(crystal, free, group, modes, settings)
    if settings.if_unstable == "stop":
        raise DataError(f"{left}; needed a stable crystal: choose --if-unstable follow (the other crystal) or keep (this one)")
    if settings.if_unstable == "keep":
        return _reference(crystal, group, hessian, modes, [*notes, f"{left}; kept as it is"])
    return _reference(free, _group(free, settings), force_constants(free, settings.symprec), modes, [*notes, f"{left}; followed"])


@dataclass(frozen=True)
class _Limits:
    force: float
    stress: float
    steps: int


@dataclass(frozen=True)
class _Begin:
    """What the optimiser is told of the second derivatives of the energy."""

    hessian: Hessian | None
    stiffness: float | None

    def of_cell(self, crystal: Atoms) -> Float[np.ndarray, "m m"] | None:
        """For the variables of `FrechetCellFilter`: positions, and n ln F of n atoms, where the energy has the curvature V C / n²."""
        n = len(crystal)
        if self.stiffness is None:
            return None
        H = np.diag(np.full(3 * n + 9, max(self.stiffness * GPA * crystal.get_volume() / n**2, SOFTEST)))
        H[: 3 * n, : 3 * n] = np.eye(3 * n) * USUAL_STIFFNESS if self.hessian is None else stiffened(self.hessian)
        return H


def _reference(atoms: Atoms, group: str, hessian: Hessian | None, modes: tuple[UnstableMode, ...], notes: list[str]) -> Reference:
    stress, energy = stress_of(atoms), energy_of(atoms)
    bare = atoms.copy()
    bare.set_constraint()
    return Reference(bare, group, stress, energy, hessian, modes, tuple(notes))


def _group(atoms: Atoms, settings: RelaxationSettings) -> str:
    return PointGroup.from_structure(structure_of(atoms), symprec=settings.symprec).symbol


def _relaxed(atoms: Atoms, limits: _Limits, settings: RelaxationSettings, *, symmetric: bool, begin: _Begin) -> Atoms:
    """Cell and ions relaxed, the group kept where asked."""
    crystal = atoms.copy()
    crystal.set_constraint()
    crystal.calc = atoms.calc
    if symmetric:
        if settings.keep_residual_stress:
            _refine_in_the_cell(crystal, settings.symprec)
        crystal.set_constraint(FixSymmetry(crystal, symprec=settings.symprec, adjust_cell=not settings.keep_residual_stress))
    if settings.keep_residual_stress:
        relax_ions(crystal, limits.force, limits.steps, hessian=begin.hessian)
    else:
        cell_force = limits.stress * GPA * crystal.get_volume() / len(crystal)  # FrechetCellFilter: virial per atom
        for _ in range(ROUNDS):
            _cell_steps(crystal, 0.5 * min(limits.force, cell_force), limits.steps, begin)
            if _within(crystal, limits):
                break
    crystal.set_constraint()
    return crystal


def _cell_steps(crystal: Atoms, fmax: float, steps: int, begin: _Begin) -> None:
    try:
        with BFGS(FrechetCellFilter(crystal), logfile=None) as run:
            run.H0 = run.H0 if (H := begin.of_cell(crystal)) is None else H
            run.run(fmax=fmax, steps=steps)
    except ConstitutiveError:
        raise
    except Exception as error:  # of matrices that are not finite, where stress and energy contradict each other
        raise DataError(
            f"the reference: its relaxation fails ({type(error).__name__}: {error}); needed stress and forces that are derivatives of the "
            "energy, in ASE's units and order"
        ) from error


def _refine_in_the_cell(crystal: Atoms, symprec: float) -> None:
    refine_symmetry(crystal, symprec, False)


def _within(crystal: Atoms, limits: _Limits) -> bool:
    force = float(np.linalg.norm(crystal.get_forces(), axis=1).max())
    return force <= limits.force and float(np.abs(stress_of(crystal)).max()) <= limits.stress


def _require_relaxed(crystal: Atoms, limits: _Limits, settings: RelaxationSettings) -> None:
    force = float(np.linalg.norm(crystal.get_forces(), axis=1).max())
    stress = float(np.abs(stress_of(crystal)).max())
    if not force <= limits.force:
        raise DataError(f"the reference: found a force of {force:.2g} eV/Å after relaxation; needed at most {limits.force:.2g}")
    if not settings.keep_residual_stress and not stress <= limits.stress:
        raise DataError(
            f"the reference: found a stress of {1e3 * stress:.2g} MPa after relaxation; needed at most {1e3 * limits.stress:.2g} MPa; "
            "keep it by --keep-residual-stress, or tighten the convergence of the calculator"
        )


def _free(crystal: Atoms, modes: tuple[UnstableMode, ...], limits: _Limits, settings: RelaxationSettings, begin: _Begin) -> Atoms | None:
    """The crystal relaxed from a start without symmetry, where it ends in another group or much lower in energy; else None."""
    rng = np.random.default_rng(settings.seed)
    A = rng.normal(size=(3, 3))
    start = strained(crystal, np.eye(3) + (0 if settings.keep_residual_stress else KICK_STRAIN) * (A + A.T) / 2)
    start.positions += KICK * rng.normal(size=start.positions.shape)
    if modes:
        start.positions += ALONG_MODE * np.sqrt(len(start)) * modes[0].displacement
    start.calc = crystal.calc
    free = _relaxed(start, limits, settings, symmetric=False, begin=begin)
    lower = energy_of(crystal) - energy_of(free)
    if not modes and (not _within(free, limits) or lower < 0):  # not converged further than rounding: no sign of another crystal
        return None
    same = _group(free, settings) == _group(crystal, settings) and lower < ANOTHER * len(crystal)
    return None if same else free


def _leaves(crystal: Atoms, free: Atoms, group: str, modes: tuple[UnstableMode, ...], settings: RelaxationSettings) -> str:
    lower = 1e3 * (energy_of(crystal) - energy_of(free)) / len(crystal)
    other = PointGroup.from_structure(structure_of(free), symprec=settings.symprec).symbol
    other = other if other != group else f"another crystal of {group}"
    why = f"; unstable at Γ: {modes[0].describe()}" if modes else ""
    return f"relaxed without its group, the crystal leaves {group} for {other}, {lower:.3g} meV an atom lower{why}"
