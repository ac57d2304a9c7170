"""Before the samples: the calculator examined, the reference relaxed, and the force limit of the ions chosen."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias, final

import numpy as np
from ase import Atoms

from constitutive.data.storage import read_json
from constitutive.errors import DataError
from constitutive.plain import JsonObject, plain
from constitutive.simulate.calculators import CalculatorSpec
from constitutive.simulate.cells import atoms_of
from constitutive.simulate.dynamics import DynamicsSettings, thermally_expanded
from constitutive.simulate.examination import Examination, examine
from constitutive.simulate.ions import internal_coupling, relax_or_raise, sites_fixed_by_inversion, tight_force
from constitutive.simulate.journal import RUN_FILE, RunFolder, stated_in
from constitutive.simulate.phonons import ROUNDS, PhononSettings, expanded_by_phonons, require_phonopy
from constitutive.simulate.reference import Reference, RelaxationSettings, relax_reference
from constitutive.simulate.time_limit import calculator_made
from constitutive.symmetry import PointGroup
from constitutive.units import ROOM_TEMPERATURE

if TYPE_CHECKING:
    from pymatgen.core import Structure

Progress: TypeAlias = Callable[[str, float], None]
Warn: TypeAlias = Callable[[str], None]
KEPT = ("examination", "reference", "ions")  # in the folder of a run
STRESS_ERROR = 1e-4  # of the typical stress, that the forces left on the ions may cause
USUAL_FORCE = 1e-3  # eV/Å, where the force constants were not computed
NOISES = 3.0  # multiples of the noise of a force that ions are not relaxed below
AGREES = 1e-2  # of the typical stress, above which a scatter of two starts of the ions counts


@final
@dataclass(frozen=True)
class SimulationSettings:
    """How a plan is computed.

    Attributes
    ----------
    relaxation
        Of the reference.
    ions
        "relaxed" in every strained cell, or "clamped" at their affine places.
    force
        Largest force left on an ion, eV/Å; None: chosen so that the error of the stress stays below 1e-4 of the typical one.
    workers
        Processes on this machine; 0 computes in this process.
    scheduler
        Address of a dask scheduler, instead of processes.
    time_limit
        Seconds for one sample, and for one calculation of the examination and the relaxation. Both then run in a process of their own,
        which can be ended.
    target
        Relative error that the law should reach, against which the noise of the calculator is judged.
    dynamics
        Stresses at a temperature, by molecular dynamics; None: at rest.
    phonons
        Stresses, entropies and free energies at temperatures, by phonons; None: at rest.
    batch
        Samples whose cells a machine-learned potential evaluates together, in this process.
    ions_start
        Where the relaxation of the ions of a sample begins: at their "affine" places, or where the samples so far have them "predicted".
        That saves most calculations of a density functional; the rest found is the same within the limit of the forces.

    Raises
    ------
    DataError
        A number is not positive, or two choices contradict each other.
    """

    relaxation: RelaxationSettings = field(default_factory=RelaxationSettings)
    ions: Literal["relaxed", "clamped"] = "relaxed"
    force: float | None = None
    workers: int = 0
    scheduler: str | None = None
    time_limit: float | None = None
    target: float | None = None
    dynamics: DynamicsSettings | None = None
    phonons: PhononSettings | None = None
    batch: int = 1
    ions_start: Literal["affine", "predicted"] = "affine"

    def __post_init__(self) -> None:
        for name in ("force", "time_limit", "target"):
            value = getattr(self, name)
            if value is not None and not (np.isfinite(value) and value > 0):
                raise DataError(f"{name}: found {value}; needed a positive number")
        if self.workers < 0:
            raise DataError(f"workers: found {self.workers}; needed 0 (in this process) or more")
        if self.scheduler is not None and self.workers:
            raise DataError("found workers and a scheduler; needed one of them: a dask cluster has its own workers")
        if self.batch < 1:
            raise DataError(f"batch: found {self.batch}; needed 1 (one cell at a time) or more")
        if self.batch > 1 and (self.workers or self.scheduler is not None or self.time_limit is not None):
            raise DataError("found a batch with workers, a scheduler or a time limit; needed one: a batch is computed in this process")
        if self.dynamics is not None and self.phonons is not None:
            raise DataError("found molecular dynamics and phonons; needed one of them")
        if self.ions == "clamped" and self.force is not None:
            raise DataError("found clamped ions with a limit of their forces (--force); needed one of them: clamped ions are not relaxed")
        if self.ions_start == "predicted" and (self.ions == "clamped" or self.dynamics is not None or self.phonons is not None):
            raise DataError("found --predict-ions for ions that are not relaxed at rest; needed relaxed ions, without a temperature")
        if self.ions == "clamped" and (self.dynamics is not None or self.phonons is not None):
            raise DataError("found clamped ions at a temperature; needed one of them: ions move at a temperature")


@final
@dataclass(frozen=True, eq=False)
class Prepared:
    """What is known before the samples are computed.

    Attributes
    ----------
    reference
        The relaxed crystal.
    examination
        Figures of the calculator.
    force
        Largest force left on an ion, eV/Å.
    stress_scale
        The typical stress of the strains, GPa.
    notes
        What the user should know.
    """

    reference: Reference
    examination: Examination
    force: float
    stress_scale: float
    notes: tuple[str, ...]


def identity_of(calculator: CalculatorSpec, settings: SimulationSettings) -> JsonObject:
    """What of calculator and settings the numbers depend on.

    Parameters
    ----------
    calculator : CalculatorSpec
    settings : SimulationSettings

    Returns
    -------
    dict
        Plain data.
    """
    return {
        "calculator": {"name": calculator.name, "options": calculator.options},
        **({"potential": files} if (files := calculator.files()) else {}),
        "relaxation": dict(asdict(settings.relaxation)),
        "ions": settings.ions,
        "force": settings.force,
        **({} if settings.dynamics is None else {"dynamics": dict(asdict(settings.dynamics))}),
        **({} if settings.phonons is None else {"phonons": json.loads(json.dumps(asdict(settings.phonons)))}),  # lists for tuples
    }


def prepare(
    structure: Structure,
    size: float,
    calculator: CalculatorSpec,
    folder: str | os.PathLike[str],
    settings: SimulationSettings | None = None,
    *,
    seed: int = 0,
    progress: Progress | None = None,
    warn: Warn | None = None,
) -> Prepared:
    """Examine a calculator and relax a crystal with it; kept in a folder, so that it is done once.

    Parameters
    ----------
    structure : pymatgen Structure
        The crystal.
    size : float
        Largest |E| of the strains that will be computed.
    calculator : CalculatorSpec
    folder : path
        Where the results are kept.
    settings : SimulationSettings
    seed : int
        Of the strained cell of the examination.
    progress : callable
        Called with what is being done and the fraction done.
    warn : callable
        Called, before the relaxation, with what the user should know of the calculator.

    Returns
    -------
    Prepared

    Raises
    ------
    DataError
        The crystal cannot be relaxed or leaves its group, or the folder belongs to another run.
    DependencyError
        The calculator's package is missing.
    """
    settings = settings or SimulationSettings()
    atoms = atoms_of(structure)
    crystal = {
        "lattice": atoms.cell.array,
        "symbols": atoms.get_chemical_symbols(),
        "positions": atoms.positions,
        "size": size,
        "seed": seed,
    }
    with RunFolder(folder, {"crystal": crystal, **identity_of(calculator, settings)}) as run:
        return prepared_in(run, structure, size, calculator, settings, seed=seed, progress=progress, warn=warn)


def prepared_in(
    run: RunFolder, structure: Structure, size: float, calculator: CalculatorSpec, settings: SimulationSettings, *, seed: int,
    progress: Progress | None = None, warn: Warn | None = None,
) -> Prepared:  # fmt: skip
    """As `prepare`, in a folder that is open.

    Parameters
    ----------
    run : RunFolder
    structure : pymatgen Structure
    size : float
    calculator : CalculatorSpec
    settings : SimulationSettings
    seed : int
    progress, warn : callable

    Returns
    -------
    Prepared
    """
    tell = progress or (lambda _what, _fraction: None)
    atoms = atoms_of(structure)
    if settings.phonons is not None:
        require_phonopy()
    examined, relaxed, limit = (run.kept(name) for name in KEPT)
    with contextlib.ExitStack() as stack:
        if not (examined and relaxed and limit):
            atoms.calc = stack.enter_context(calculator_made(calculator, settings.time_limit))
        if examined is None:
            tell("examining the calculator", 0.0)
            rotations = np.asarray(PointGroup.from_structure(structure).laue_rotations)
            examined = examine(atoms, rotations, seed=seed).as_dict()
            run.keep("examination", examined)
        examination = Examination(**examined)
        say = warn or (lambda _said: None)
        for said in examination.warnings(size, settings.target):
            say(said)
        if relaxed is None:
            tell("relaxing the reference", 0.0)
            found = relax_reference(
                atoms, settings.relaxation, noise=examination.noise_GPa, force_noise=examination.force_noise,
                stiffness=examination.stress_at(1.0),
            )  # fmt: skip
            if settings.dynamics is not None or settings.phonons is not None:
                tell("thermal expansion of the reference", 0.0)
                found = _at_temperature(found, atoms, settings, seed, max(settings.relaxation.force, NOISES * examination.force_noise))
            relaxed = found.as_dict()
            run.keep("reference", relaxed)
        reference = Reference.from_dict(relaxed)
        if limit is None:
            tell("choosing the force limit", 0.0)
            limit = _force(reference, atoms, examination, size, settings)
            run.keep("ions", limit)
    return _prepared(examined, relaxed, limit, size, settings)


def prepared_before(
    folder: str | os.PathLike[str], structure: Structure, size: float, calculator: CalculatorSpec, settings: SimulationSettings
) -> Prepared:
    """What an earlier run of another plan found: the same crystal is not relaxed twice.

    Parameters
    ----------
    folder : path
        Of that run.
    structure : pymatgen Structure
        The crystal, as it was before the relaxation.
    size : float
        Largest |E| of the strains that will be computed.
    calculator : CalculatorSpec
    settings : SimulationSettings

    Returns
    -------
    Prepared

    Raises
    ------
    DataError
        There is no such run, its reference is not finished, or it has another crystal, calculator, size or settings.
    """
    path = Path(folder)
    if not (path / RUN_FILE).exists():
        such = "data.run beside data.json, or DIR/build/reference"
        raise DataError(f"{path}: found no {RUN_FILE}; needed the folder of an earlier run, such as {such}")
    before = read_json(path / RUN_FILE)
    atoms = atoms_of(structure)
    wanted = stated_in(before, json.loads(json.dumps(plain(identity_of(calculator, settings)))))
    differs = [key for key in sorted({*wanted, *before} - {"plan", "digest", "reference", "crystal"}) if before.get(key) != wanted.get(key)]
    plan: JsonObject = before.get("plan") or _plan_of_build(path, before)
    cell = [plan.get(name, []) for name in ("lattice", "species", "frac_coords")]
    now = (atoms.cell.array.tolist(), atoms.get_chemical_symbols(), np.asarray(structure.frac_coords).tolist())
    same = all(isinstance(a, list) and np.shape(a) == np.shape(b) for a, b in zip(cell, now, strict=True)) and cell[1] == now[1]
    if not (same and np.allclose(cell[0], now[0], atol=1e-9) and np.allclose(cell[2], now[2], atol=1e-9)):
        differs.append("crystal")
    if plan.get("size") != size:
        differs.append("size of the strains")
    if differs:
        raise DataError(f"{path}: found a run with another {', '.join(differs)}; needed one of the same, to take its reference")
    kept = [path / f"{name}.json" for name in KEPT]
    if missing := [file.name for file in kept if not file.exists()]:
        raise DataError(f"{path}: found no {', '.join(missing)}; needed a run whose reference is relaxed: let it come to its first sample")
    examined, relaxed, limit = (read_json(file) for file in kept)
    return _prepared(examined, relaxed, limit, size, settings)


def _plan_of_build(folder: Path, run: JsonObject) -> JsonObject:
    """What the plans of a `build` have in common, from its reference: its run holds the crystal before the relaxation."""
    file = folder / "reference.json"
    relaxed = read_json(file) if file.exists() else {}
    return {**relaxed, "size": run.get("crystal", {}).get("size")}


def _prepared(examined: JsonObject, relaxed: JsonObject, limit: JsonObject, size: float, settings: SimulationSettings) -> Prepared:
    examination, reference = Examination(**examined), Reference.from_dict(relaxed)
    notes = [*examination.warnings(size, settings.target), *reference.notes]
    if limit["noise_limits"]:
        notes.append(f"ions are relaxed to {limit['force']:.2g} eV/Å only: the noise of the forces allows no less")
    return Prepared(reference, examination, float(limit["force"]), float(limit["stress_scale_GPa"]), tuple(notes))


def _at_temperature(reference: Reference, atoms: Atoms, settings: SimulationSettings, seed: int, force: float) -> Reference:
    """The reference at a temperature: its cell free of the mean stress within the error of the average, or kept and its stress stated."""
    crystal, keep = reference.atoms.copy(), settings.relaxation.keep_residual_stress
    crystal.calc = atoms.calc
    if settings.phonons is not None:
        temperature = nearest_to_room(settings.phonons.temperatures)
        one = replace(settings.phonons, temperatures=(temperature,))

        def relax(cell: Atoms) -> None:
            relax_or_raise(cell, force, settings.relaxation.steps, reference.hessian)

        expanded, left = expanded_by_phonons(crystal, reference.hessian, relax, one, rounds=1 if keep else ROUNDS)
    elif settings.dynamics is not None and not keep:
        temperature = settings.dynamics.temperature
        expanded, left = thermally_expanded(crystal, reference.hessian, settings.dynamics, seed)
    else:
        return reference
    growth = (expanded.get_volume() / reference.atoms.get_volume()) ** (1 / 3) - 1
    bare = expanded.copy()
    error = f", with a standard error of {left.error.max():.2g} GPa" if left.error.any() else ""
    stress = f"{np.abs(left.mean).max():.2g} GPa{error}"
    note = f"at {temperature:g} K the cell is {100 * growth:.3g} % longer than at rest; the stress left is {stress}"
    return replace(reference, atoms=bare, stress=left.mean, notes=(*reference.notes, note))


def nearest_to_room(temperatures: Sequence[float]) -> float:
    """Of some temperatures that of the reference state.

    Parameters
    ----------
    temperatures : sequence of float
        K.

    Returns
    -------
    float
        The nearest to 298.15 K.
    """
    return min(temperatures, key=lambda t: abs(t - ROOM_TEMPERATURE))


def _force(reference: Reference, atoms: Atoms, examination: Examination, size: float, settings: SimulationSettings) -> JsonObject:
    """The limit of the forces on the ions, and the typical stress of the plan."""
    typical = examination.stress_at(size)
    wanted, why = settings.force, "stated"
    if wanted is None and reference.hessian is None:
        wanted, why = USUAL_FORCE, "usual; force constants were not computed"
    if wanted is None and sites_fixed_by_inversion(reference.atoms, settings.relaxation.symprec):
        wanted, why = USUAL_FORCE, "usual; every ion is an inversion centre, so strains put no force on it"
    if wanted is None and reference.hessian is not None:
        crystal = reference.atoms.copy()
        crystal.calc = atoms.calc
        coupling, stiffness = internal_coupling(crystal)
        typical = float(np.linalg.norm(stiffness)) / np.sqrt(6) * size
        wanted = tight_force(coupling, reference.hessian, crystal.get_volume(), STRESS_ERROR * typical)
        why = f"leaves an error of the stress below {STRESS_ERROR:g} of the typical {typical:.3g} GPa, by the force constants at Γ"
    limit = wanted if wanted is not None else USUAL_FORCE
    noisy = 3 * examination.force_noise > limit
    force = 3 * examination.force_noise if noisy else limit
    return {"force": force, "chosen": why, "stress_scale_GPa": AGREES * typical, "noise_limits": noisy}
