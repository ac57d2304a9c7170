"""From a plan to a data set: the calculator examined, the reference relaxed, every strain computed, the samples collected."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import numpy as np

from constitutive.data import StressStrainData
from constitutive.data.plan import Plan
from constitutive.errors import DataError
from constitutive.plain import JsonObject
from constitutive.simulate.batches import InBatches
from constitutive.simulate.calculators import CalculatorSpec
from constitutive.simulate.cells import GPA, structure_of
from constitutive.simulate.dynamics import DynamicsSettings
from constitutive.simulate.examination import Examination
from constitutive.simulate.executors import Dask, Executor, InProcess, Processes
from constitutive.simulate.ion_prediction import IonPrediction
from constitutive.simulate.journal import RunFolder, digest, samples_of
from constitutive.simulate.preparation import Prepared, Progress, SimulationSettings, Warn, identity_of, prepared_in
from constitutive.simulate.reference import Reference
from constitutive.simulate.sample import Job, Task

SECOND_STARTS = 10  # one strain in so many
STEPS = 200  # of a relaxation of ions


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


def simulate(
    plan: Plan,
    calculator: CalculatorSpec,
    folder: str | os.PathLike[str],
    settings: SimulationSettings | None = None,
    *,
    prepared: Prepared | None = None,
    earlier: str | os.PathLike[str] | None = None,
    progress: Progress | None = None,
    warn: Warn | None = None,
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
    prepared : Prepared
        The examined calculator and the relaxed reference, from `prepare`; otherwise both are found first.
    earlier : path
        Folder of a run of other strains of the same crystal with the same calculator: its samples count where ions are predicted.
    progress : callable
        Called with what is being done and the fraction done.
    warn : callable
        Called with what the user should know of the calculator, before the relaxation, and of the reference, before the samples.

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
    if settings.phonons is not None and plan.polarization is not None:
        raise DataError("found a plan of polarisations with phonons; needed strains, or strains and electric fields (plan --field)")
    if settings.ions_start == "predicted" and (plan.electric_field is not None or plan.polarization is not None):
        raise DataError("found a predicted start of the ions (--predict-ions) with electric fields or polarisations; needed strains alone")
    tell = progress or (lambda _what, _fraction: None)
    with RunFolder(folder, _identity(plan, calculator, settings, prepared)) as run:
        say = once(warn)
        prepared = prepared or prepared_in(
            run, plan.structure, plan.size, calculator, settings, seed=plan.seed, progress=tell, warn=say
        )
        for note in prepared.notes:
            say(note)
        job = _job(prepared, calculator, settings)
        computed = _compute_missing(run, plan, job, settings, earlier, tell)
        return _collected(run, plan, calculator, settings, prepared, computed)


def _identity(plan: Plan, calculator: CalculatorSpec, settings: SimulationSettings, prepared: Prepared | None) -> JsonObject:
    given = {} if prepared is None else {"reference": digest(prepared.reference.as_dict())}
    return {"plan": plan.to_document(), **identity_of(calculator, settings), **given}


def _job(prepared: Prepared, calculator: CalculatorSpec, settings: SimulationSettings) -> Job:
    atoms = prepared.reference.atoms
    return Job(
        calculator, atoms.cell.array, tuple(atoms.get_chemical_symbols()), atoms.get_scaled_positions(wrap=False), settings.ions,
        prepared.force, STEPS, prepared.reference.hessian, prepared.stress_scale, settings.dynamics, settings.phonons,
    )  # fmt: skip


# -- the samples ---------------------------------------------------------------------------------------------------------------


def _compute_missing(
    run: RunFolder, plan: Plan, job: Job, settings: SimulationSettings, earlier: str | os.PathLike[str] | None, tell: Progress
) -> int:
    """Compute what the journal does not hold, each record on the disk before the next is taken; how many were computed."""
    prediction = IonPrediction(job.reference, plan.size) if settings.ions_start == "predicted" else None
    if prediction is not None and earlier is not None:
        for F, record in samples_of(earlier):
            prediction.learn(np.asarray(F), record)
    finished = {}
    for record in run.records():
        finished[int(record["number"])] = record["status"]
        _learn(prediction, plan, record)
    missing = [number for number in range(len(plan)) if finished.get(number) != "done"]
    failed, computed, began = 0, 0, time.monotonic()

    def tasks() -> Iterator[Task]:
        for number in missing:
            second = number % SECOND_STARTS == SECOND_STARTS // 2
            field, polarization = (None if a is None else a[number] for a in (plan.electric_field, plan.polarization))
            start = None if prediction is None else prediction.start(plan.F[number])
            yield Task(number, plan.F[number], second_start=second, field=field, polarization=polarization, start=start)

    if not missing:
        return 0
    tell(_line(len(plan) - len(missing), len(plan), 0, 0.0, 0), (len(plan) - len(missing)) / len(plan))
    with executor_of(job, settings) as executor:
        for record in executor.run(tasks()):
            run.append(record)
            _learn(prediction, plan, record)
            computed += 1
            failed += record["status"] != "done"
            done = len(plan) - len(missing) + computed
            tell(_line(done, len(plan), computed, time.monotonic() - began, failed), done / len(plan))
    return computed


def _learn(prediction: IonPrediction | None, plan: Plan, record: JsonObject) -> None:
    if prediction is not None and record["status"] == "done":
        prediction.learn(plan.F[int(record["number"])], record)


def _line(done: int, total: int, computed: int, seconds: float, failed: int) -> str:
    """Progress with rate and remaining time."""
    text = f"{done}/{total} samples"
    if computed and seconds > 0:
        rate = computed / seconds
        text += f", {rate:.2g}/s, {_duration((total - done) / rate)} left"
    return text + (f", {failed} failed" if failed else "")


def _duration(seconds: float) -> str:
    """In the largest unit that fits.

    >>> _duration(5400.0)
    '1.5 h'
    """
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 1.5 * size:
            return f"{seconds / size:.2g} {unit}"
    return f"{seconds:.0f} s"


def executor_of(job: Job, settings: SimulationSettings) -> Executor:
    """Where the samples of a job are computed, as the settings say.

    Parameters
    ----------
    job : Job
    settings : SimulationSettings

    Returns
    -------
    Executor
    """
    if settings.scheduler is not None:
        return Dask(job, settings.scheduler, settings.time_limit)
    if settings.batch > 1:
        return InBatches(job, settings.batch)
    if settings.workers or settings.time_limit is not None:  # only a process of its own can be ended
        return Processes(job, max(settings.workers, 1), settings.time_limit)
    return InProcess(job)


# -- after the samples ---------------------------------------------------------------------------------------------------------


def _collected(
    run: RunFolder, plan: Plan, calculator: CalculatorSpec, settings: SimulationSettings, prepared: Prepared, computed: int
) -> Simulation:
    """The data set of the journal: the last record of each strain counts."""
    n, atoms = len(plan), len(prepared.reference.atoms)
    stress, energy, places, force = np.zeros((n, 3, 3)), np.zeros(n), np.zeros((n, atoms, 3)), np.zeros(n)
    error = np.zeros((n, 3, 3))
    vectors = {"electric_field": np.zeros((n, 3)), "polarization": np.zeros((n, 3))}
    by_phonons: dict[int, JsonObject] = {}  # by the number of the strain
    failed, several, done = {}, [], np.zeros(n, dtype=bool)
    for record in run.records():
        number = int(record["number"])
        if record["status"] != "done":
            failed[number] = str(record["reason"])
            continue
        failed.pop(number, None)
        done[number] = True
        if settings.phonons is not None:
            by_phonons[number] = record
            continue
        stress[number] = record["cauchy"]
        if settings.dynamics is not None:
            error[number] = record["stress_error"]
            continue
        for name, rows in vectors.items():
            rows[number] = record.get(name, rows[number])
        energy[number], places[number], force[number] = record["energy"], record["frac_coords"], record["force"]
        if not record.get("second_start", {"agrees": True})["agrees"]:
            several.append(number)
    if not done.any():
        raise DataError(f"no sample has a result; sample 0: {failed.get(0, 'missing')}")
    columns = {"cauchy": stress, "energy": energy, "positions": places, "force": force, "error": error, **vectors, "phonons": by_phonons}
    data = _data(plan, calculator, settings, prepared, columns, np.nonzero(done)[0], failed, sorted(set(several)))
    notes = list(prepared.notes)
    if several:
        notes.append(f"several minima of the ions at strains {sorted(set(several))}: two starts ended in different stresses")
    return Simulation(data, prepared.reference, prepared.examination, failed, sorted(set(several)), notes, computed)


def _data(
    plan: Plan, calculator: CalculatorSpec, settings: SimulationSettings, prepared: Prepared, columns: dict[str, Any],
    numbers: np.ndarray, failed: dict[int, str], several: list[int],
) -> StressStrainData:  # fmt: skip
    """The samples of these numbers, with how they were made."""
    reference = prepared.reference
    own: dict[str, Any] = {"F": plan.F[numbers], "cauchy": columns["cauchy"][numbers], "plan_numbers": numbers.tolist()}
    if settings.phonons is not None:
        own = _quasi_harmonic([columns["phonons"][number] for number in numbers], plan, reference, settings.phonons.temperatures)
    else:
        own |= _at_rest(columns, numbers, reference) if settings.dynamics is None else _thermal(columns, numbers, settings.dynamics)
    if settings.phonons is None and (plan.electric_field is not None or plan.polarization is not None):
        own |= {name: columns[name][numbers] for name in ("electric_field", "polarization")}
        own["electric_enthalpy" if plan.polarization is None else "internal_energy"] = np.asarray(own.pop("W")).tolist()
    return StressStrainData.from_document(
        {
            "name": plan.name,
            "code": calculator.name,
            "potential": _potential(calculator),
            "ions": settings.ions,
            "units": "GPa",
            "structure": structure_of(reference.atoms),
            "point_group": reference.point_group,
            **own,
            "residual_stress": reference.stress if settings.relaxation.keep_residual_stress else None,
            "settings": {
                "calculator": {"name": calculator.name, **calculator.options},
                "force_eV_per_angstrom": prepared.force,
                "reference_stress_GPa": reference.stress.tolist(),
                "unstable_modes_THz": [-mode.frequency for mode in reference.modes],
                "notes": list(prepared.notes),
                "failed_strains": {str(number): reason for number, reason in failed.items()},
                "several_minima": {"strains": several},
            },
            "calculator_examination": prepared.examination.as_dict(),
            "provenance": {"made by": "constitutive simulate", "plan": plan.settings | {"seed": plan.seed, "size": plan.size}},
        }
    )


def _at_rest(columns: dict[str, np.ndarray], numbers: np.ndarray, reference: Reference) -> dict[str, object]:
    """Energies and ions."""
    return {
        "W": (columns["energy"][numbers] - reference.energy) / reference.atoms.get_volume() / GPA,
        "positions": columns["positions"][numbers],
        "residual_force_norm": columns["force"][numbers].tolist(),
    }


def _thermal(columns: dict[str, np.ndarray], numbers: np.ndarray, dynamics: DynamicsSettings) -> dict[str, object]:
    """The temperature, and weights by the inverse square of the standard errors, with a mean of one."""
    error = columns["error"][numbers]
    weight = 1 / np.maximum(np.mean(error**2, axis=(1, 2)), 1e-18)
    return {
        "temperature": dynamics.temperature,
        "stress_weights": weight / weight.mean(),
        "stress_standard_error": error.tolist(),
    }


def _quasi_harmonic(records: list[JsonObject], plan: Plan, reference: Reference, temperatures: tuple[float, ...]) -> dict[str, Any]:
    """One sample for each strain and temperature: all temperatures of a strain, then the next strain."""
    numbers = np.repeat([int(record["number"]) for record in records], len(temperatures))
    per_volume = 1 / (reference.atoms.get_volume() * GPA)  # eV a cell to GPa
    several = np.tile(temperatures, len(records))
    energy = (np.concatenate([record["energy"] for record in records]) - reference.energy) * per_volume
    in_field = plan.electric_field is not None
    fields = {
        "electric_field": plan.electric_field[numbers],
        "polarization": np.concatenate([record["polarization"] for record in records]),
    } if plan.electric_field is not None else {}  # fmt: skip
    return {
        "F": plan.F[numbers],
        "cauchy": np.concatenate([record["cauchy"] for record in records]),
        "temperature": several if len(temperatures) > 1 else temperatures[0],
        "entropy": np.concatenate([record["entropy"] for record in records]) * per_volume,
        "free_electric_enthalpy_GPa" if in_field else "free_energy_GPa": energy.tolist(),
        "positions": np.repeat([record["frac_coords"] for record in records], len(temperatures), axis=0),
        "plan_numbers": numbers.tolist(),
        **fields,
    }


def _potential(calculator: CalculatorSpec) -> str:
    given = [calculator.options[key] for key in ("pair_style", "pair_coeff", "model") if key in calculator.options]
    lines = [line for option in given for line in (option if isinstance(option, list) else [option])]
    words = (" ".join(Path(word).name if Path(word).is_absolute() else word for word in str(line).split()) for line in lines)
    return "; ".join(words) or calculator.name


def once(warn: Warn | None) -> Warn:
    """A function that passes each remark on the first time only.

    Parameters
    ----------
    warn : callable
        None: remarks are dropped.

    Returns
    -------
    callable
    """
    said: set[str] = set()

    def say(note: str) -> None:
        if warn is not None and note not in said:
            said.add(note)
            warn(note)

    return say


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
