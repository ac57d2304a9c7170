"""From a plan to a data set: the calculator examined, the reference relaxed, every strain computed, the samples collected."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal, TypeAlias, final

import numpy as np
from ase import Atoms

from constitutive.data import StressStrainData
from constitutive.data.plan import Plan
from constitutive.errors import DataError
from constitutive.plain import JsonObject
from constitutive.simulate.calculators import CalculatorSpec
from constitutive.simulate.cells import GPA, atoms_of, structure_of
from constitutive.simulate.examination import Examination, examine
from constitutive.simulate.executors import Dask, Executor, InProcess, Processes
from constitutive.simulate.ions import internal_coupling, tight_force
from constitutive.simulate.journal import RunFolder
from constitutive.simulate.reference import Reference, RelaxationSettings, relax_reference
from constitutive.simulate.sample import Job, Task
from constitutive.symmetry import PointGroup

Progress: TypeAlias = Callable[[str, float], None]
STRESS_ERROR = 1e-4  # of the typical stress, that the forces left on the ions may cause
USUAL_FORCE = 1e-3  # eV/Å, where the force constants were not computed
SECOND_STARTS = 10  # one strain in so many
STEPS = 200  # of a relaxation of ions


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
        Seconds for one sample.
    target
        Relative error that the law should reach, against which the noise of the calculator is judged.

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

    def __post_init__(self) -> None:
        for name in ("force", "time_limit", "target"):
            value = getattr(self, name)
            if value is not None and not (np.isfinite(value) and value > 0):
                raise DataError(f"{name}: found {value}; needed a positive number")
        if self.workers < 0:
            raise DataError(f"workers: found {self.workers}; needed 0 (in this process) or more")
        if self.scheduler is not None and self.workers:
            raise DataError("found workers and a scheduler; needed one of them: a dask cluster has its own workers")
        if self.time_limit is not None and not self.workers and self.scheduler is None:
            raise DataError("found a time limit without workers; needed --workers 1 or more: only a process of its own can be ended")


@final
@dataclass(frozen=True, eq=False)
class Simulation:
    """What a run gave.

    Attributes
    ----------
    data
        The samples, in the order of the plan.
    reference
        The relaxed crystal.
    examination
        Figures of the calculator.
    failed
        Reason by number of each strain without a result.
    several_minima
        Numbers of the strains at which two starts of the ions ended differently.
    notes
        What the user should know.
    computed
        Samples computed by this call; the others were found in the journal.
    """

    data: StressStrainData
    reference: Reference
    examination: Examination
    failed: dict[int, str]
    several_minima: list[int]
    notes: list[str]
    computed: int


@final
@dataclass(frozen=True, eq=False)
class _Prepared:
    reference: Reference
    examination: Examination
    force: float
    stress_scale: float
    notes: list[str]


def simulate(
    plan: Plan,
    calculator: CalculatorSpec,
    folder: str | os.PathLike[str],
    settings: SimulationSettings | None = None,
    *,
    progress: Progress | None = None,
    warn: Callable[[str], None] | None = None,
) -> Simulation:
    """Compute the stresses of a plan; a run that was interrupted goes on where it stopped.

    Parameters
    ----------
    plan : Plan
        Its reference cell is relaxed first; the strains then refer to the relaxed one.
    calculator : CalculatorSpec
        From `read_calculator`.
    folder : path
        Of the journal. The same plan, calculator and settings take up the run in it.
    settings : SimulationSettings
    progress : callable
        Called with what is being done and the fraction done.
    warn : callable
        Called, before the samples are computed, with what the user should know of the calculator.

    Returns
    -------
    Simulation

    Raises
    ------
    DataError
        Another run is at work in the folder or it belongs to another run, the reference cannot be relaxed or leaves its group, no
        sample has a result, or the disk is full.
    DependencyError
        The calculator's package is missing.
    """
    settings = settings or SimulationSettings()
    tell = progress or (lambda _what, _fraction: None)
    with RunFolder(folder, _identity(plan, calculator, settings)) as run:
        prepared = _prepared(run, plan, calculator, settings, tell)
        for note in prepared.notes:
            (warn or (lambda _note: None))(note)
        job = _job(prepared, calculator, settings)
        computed = _compute_missing(run, plan, job, settings, tell)
        return _collected(run, plan, calculator, settings, prepared, computed)


def _identity(plan: Plan, calculator: CalculatorSpec, settings: SimulationSettings) -> JsonObject:
    return {
        "plan": plan.to_document(),
        "calculator": {"name": calculator.name, "options": calculator.options},
        "relaxation": dict(asdict(settings.relaxation)),
        "ions": settings.ions,
        "force": settings.force,
    }


# -- before the samples --------------------------------------------------------------------------------------------------------


def _prepared(run: RunFolder, plan: Plan, calculator: CalculatorSpec, settings: SimulationSettings, tell: Progress) -> _Prepared:
    """Examination and reference, from the folder where they are there already."""
    atoms = atoms_of(plan.structure)
    kept_examination, kept_reference, kept_force = (run.kept(name) for name in ("examination", "reference", "ions"))
    with tempfile.TemporaryDirectory(prefix="constitutive-") as scratch:
        if not (kept_examination and kept_reference and kept_force):
            atoms.calc = calculator.make(scratch)
        if kept_examination is None:
            tell("examining the calculator", 0.0)
            rotations = np.asarray(PointGroup.from_structure(plan.structure).laue_rotations)
            kept_examination = examine(atoms, rotations, seed=plan.seed).as_dict()
            run.keep("examination", kept_examination)
        examination = Examination(**kept_examination)
        if kept_reference is None:
            tell("relaxing the reference", 0.0)
            found = relax_reference(atoms, settings.relaxation, noise=examination.noise_GPa, force_noise=examination.force_noise)
            kept_reference = found.as_dict()
            run.keep("reference", kept_reference)
        reference = Reference.from_dict(kept_reference)
        if kept_force is None:
            tell("choosing the force limit", 0.0)
            kept_force = _force(reference, atoms, examination, plan.size, settings)
            run.keep("ions", kept_force)
    notes = [*examination.warnings(plan.size, settings.target), *reference.notes]
    if kept_force["noise_limits"]:
        notes.append(f"ions are relaxed to {kept_force['force']:.2g} eV/Å only: the noise of the forces allows no less")
    return _Prepared(reference, examination, float(kept_force["force"]), float(kept_force["stress_scale_GPa"]), notes)


def _force(reference: Reference, atoms: Atoms, examination: Examination, size: float, settings: SimulationSettings) -> JsonObject:
    """The limit of the forces on the ions, and the typical stress of the plan."""
    typical = examination.typical_stress_GPa * size / 0.02
    wanted, why = settings.force, "stated"
    if wanted is None and reference.hessian is None:
        wanted, why = USUAL_FORCE, "usual; force constants were not computed"
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
    return {"force": force, "chosen": why, "stress_scale_GPa": 1e-2 * typical, "noise_limits": noisy}


def _job(prepared: _Prepared, calculator: CalculatorSpec, settings: SimulationSettings) -> Job:
    atoms = prepared.reference.atoms
    return Job(
        calculator, atoms.cell.array, tuple(atoms.get_chemical_symbols()), atoms.get_scaled_positions(wrap=False), settings.ions,
        prepared.force, STEPS, prepared.reference.hessian, prepared.stress_scale,
    )  # fmt: skip


# -- the samples ---------------------------------------------------------------------------------------------------------------


def _compute_missing(run: RunFolder, plan: Plan, job: Job, settings: SimulationSettings, tell: Progress) -> int:
    """Compute what the journal does not hold, each record on the disk before the next is taken; how many were computed."""
    finished = {int(record["number"]): record["status"] for record in run.records()}
    missing = [number for number in range(len(plan)) if finished.get(number) != "done"]
    failed, computed, began = 0, 0, time.monotonic()

    def tasks() -> Iterator[Task]:
        for number in missing:
            yield Task(number, plan.F[number], second_start=number % SECOND_STARTS == SECOND_STARTS // 2)

    if not missing:
        return 0
    tell(_line(len(plan) - len(missing), len(plan), 0, 0.0, 0), (len(plan) - len(missing)) / len(plan))
    with _executor(job, settings) as executor:
        for record in executor.run(tasks()):
            run.append(record)
            computed += 1
            failed += record["status"] != "done"
            done = len(plan) - len(missing) + computed
            tell(_line(done, len(plan), computed, time.monotonic() - began, failed), done / len(plan))
    return computed


def _line(done: int, total: int, computed: int, seconds: float, failed: int) -> str:
    """Progress with rate and remaining time."""
    text = f"{done}/{total} samples"
    if computed and seconds > 0:
        rate = computed / seconds
        text += f", {rate:.2g}/s, {_duration((total - done) / rate)} left"
    return text + (f", {failed} failed" if failed else "")


def _duration(seconds: float) -> str:
    """In the largest unit that fits.

    >>> _duration(5400)
    '1.5 h'
    """
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 1.5 * size:
            return f"{seconds / size:.2g} {unit}"
    return f"{seconds:.0f} s"


def _executor(job: Job, settings: SimulationSettings) -> Executor:
    if settings.scheduler is not None:
        return Dask(job, settings.scheduler, settings.time_limit)
    return Processes(job, settings.workers, settings.time_limit) if settings.workers else InProcess(job)


# -- after the samples ---------------------------------------------------------------------------------------------------------


def _collected(
    run: RunFolder, plan: Plan, calculator: CalculatorSpec, settings: SimulationSettings, prepared: _Prepared, computed: int
) -> Simulation:
    """The data set of the journal: the last record of each strain counts."""
    n, atoms = len(plan), len(prepared.reference.atoms)
    stress, energy, places = np.zeros((n, 3, 3)), np.zeros(n), np.zeros((n, atoms, 3))
    failed, several, done = {}, [], np.zeros(n, dtype=bool)
    for record in run.records():
        number = int(record["number"])
        if record["status"] != "done":
            failed[number] = str(record["reason"])
            continue
        failed.pop(number, None)
        done[number] = True
        stress[number], energy[number], places[number] = record["cauchy"], record["energy"], record["frac_coords"]
        if not record.get("second_start", {"agrees": True})["agrees"]:
            several.append(number)
    if not done.any():
        raise DataError(f"no sample has a result; sample 0: {failed.get(0, 'missing')}")
    data = _data(
        plan, calculator, settings, prepared, stress[done], energy[done], places[done], np.nonzero(done)[0], failed, sorted(set(several))
    )
    notes = list(prepared.notes)
    if several:
        notes.append(f"several minima of the ions at strains {sorted(set(several))}: two starts ended in different stresses")
    return Simulation(data, prepared.reference, prepared.examination, failed, sorted(set(several)), notes, computed)


def _data(
    plan: Plan, calculator: CalculatorSpec, settings: SimulationSettings, prepared: _Prepared, stress: np.ndarray, energy: np.ndarray,
    places: np.ndarray, numbers: np.ndarray, failed: dict[int, str], several: list[int],
) -> StressStrainData:  # fmt: skip
    reference = prepared.reference
    volume = reference.atoms.get_volume()
    return StressStrainData.from_document(
        {
            "name": plan.name,
            "code": calculator.name,
            "potential": _potential(calculator),
            "ions": settings.ions,
            "units": "GPa",
            "structure": structure_of(reference.atoms),
            "point_group": reference.point_group,
            "F": plan.F[numbers],
            "cauchy": stress,
            "W": (energy - reference.energy) / volume / GPA,
            "positions": places,
            "residual_stress": reference.stress if settings.relaxation.keep_residual_stress else None,
            "plan_numbers": numbers.tolist(),
            "settings": {
                "calculator": {"name": calculator.name, **calculator.options},
                "force_eV_per_angstrom": prepared.force,
                "reference_stress_GPa": reference.stress.tolist(),
                "unstable_modes_THz": [-mode.frequency for mode in reference.modes],
                "notes": prepared.notes,
                "failed_strains": {str(number): reason for number, reason in failed.items()},
                "several_minima": {"strains": several},
            },
            "calculator_examination": prepared.examination.as_dict(),
            "provenance": {"made by": "constitutive simulate", "plan": plan.settings | {"seed": plan.seed, "size": plan.size}},
        }
    )


def _potential(calculator: CalculatorSpec) -> str:
    words = [str(calculator.options[key]) for key in ("pair_style", "pair_coeff", "model") if key in calculator.options]
    return "; ".join(words) or calculator.name


def run_folder_of(output: str | os.PathLike[str]) -> Path:
    """The folder of the journal of a data file, beside it.

    Parameters
    ----------
    output : path
        Such as ``data.json``.

    Returns
    -------
    Path
        Such as ``data.run``.
    """
    return Path(output).with_suffix(".run")
