"""One sample: the ions relaxed in a strained cell, its stress and energy. This module runs in worker processes and imports little."""

from __future__ import annotations

import tempfile
import time
import warnings
from dataclasses import dataclass
from functools import cached_property
from typing import final

import numpy as np
from ase import Atoms
from ase.calculators.calculator import BaseCalculator
from jaxtyping import Float

from constitutive.errors import DataError
from constitutive.plain import JsonObject
from constitutive.simulate.calculators import CalculatorSpec
from constitutive.simulate.cells import GPA, energy_of, forces_of, strained, stress_of
from constitutive.simulate.dynamics import DynamicsSettings, thermal_stress
from constitutive.simulate.fields import RelaxesInField
from constitutive.simulate.ions import Hessian, relax_or_raise
from constitutive.simulate.phonons import PhononSettings, quasi_harmonic, require_phonopy
from constitutive.simulate.phonons_in_field import quasi_harmonic_in_field

SECOND_START = 0.1  # Å, displacement of the ions
SAME_STRESS = 1e-2  # relative difference of two stresses, above which two starts found two minima
ATTEMPTS = (("BFGS", 1), ("FIRE", 5))  # optimiser and multiple of the steps of each attempt


@final
@dataclass(frozen=True, eq=False)
class Job:
    """What all samples of a run share; it travels to every worker once.

    Attributes
    ----------
    calculator
        How each worker makes its own.
    lattice, symbols, frac_coords
        The reference cell.
    ions
        "relaxed" or "clamped".
    force
        Largest force left on an ion, eV/Å.
    steps
        Most steps of a relaxation.
    hessian
        Force constants of the reference, for the optimiser; None without.
    stress_scale
        A typical stress (GPa), to which the difference of two starts is compared.
    dynamics
        Average the stress of molecular dynamics instead of relaxing the ions; None: at rest.
    phonons
        Free energies of the quasi-harmonic approximation; None: at rest.
    """

    calculator: CalculatorSpec
    lattice: Float[np.ndarray, "3 3"]
    symbols: tuple[str, ...]
    frac_coords: Float[np.ndarray, "n 3"]
    ions: str
    force: float
    steps: int
    hessian: Hessian | None
    stress_scale: float
    dynamics: DynamicsSettings | None = None
    phonons: PhononSettings | None = None

    @cached_property
    def reference(self) -> Atoms:
        """The undeformed cell."""
        return Atoms(self.symbols, cell=self.lattice, scaled_positions=self.frac_coords, pbc=True)


@final
@dataclass(frozen=True, eq=False)
class Task:
    """One strained cell.

    Attributes
    ----------
    number
        Of the strain in the plan.
    F
        Deformation gradient.
    field, polarization
        E₀ (GV/m) or P₀ (C/m²) at which the ions are relaxed; None: without a field.
    second_start
        Relax once more from displaced ions.
    attempt
        Which settings to begin with; counted up when a worker was lost or too slow.
    start
        Fractional coordinates that the first attempt begins with; None: those of the reference.
    """

    number: int
    F: Float[np.ndarray, "3 3"]
    second_start: bool = False
    attempt: int = 0
    field: Float[np.ndarray, "3"] | None = None
    polarization: Float[np.ndarray, "3"] | None = None
    start: Float[np.ndarray, "n 3"] | None = None


def compute(job: Job, task: Task, calculator: BaseCalculator | None = None) -> JsonObject:
    """Stress and energy of one sample; a failure is a record too.

    Parameters
    ----------
    job : Job
    task : Task
    calculator : ase Calculator
        The one of this process when not given.

    Returns
    -------
    dict
        ``number``, ``status`` ("done" or "failed"); then ``cauchy`` (GPa), ``energy`` (eV), ``frac_coords``, ``force`` (eV/Å), ``steps``,
        ``seconds``, ``attempts``; or ``reason``. After a second start also ``second_start``. At a temperature ``cauchy`` and its standard
        error ``stress_error`` (GPa); by phonons ``cauchy``, ``energy`` and ``entropy`` (eV/K) with one entry a temperature. In a field
        also ``electric_field`` and ``polarization`` (by phonons one a temperature).
    """
    began, reasons = time.monotonic(), []
    for attempt in range(task.attempt, max(len(ATTEMPTS), task.attempt + 1)):
        optimizer, longer = ATTEMPTS[min(attempt, len(ATTEMPTS) - 1)]
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of optimisers and models, thousands of times the same
                place = task.start if attempt == 0 else None
                found = _once(job, task, calculator or calculator_of(job.calculator), optimizer, longer * job.steps, place)
        except Exception as error:  # noqa: BLE001 - calculators raise what they like; the sample is named with it
            if calculator is None:
                forget_calculator()  # a calculator that failed may be left in any state
            reasons.append(f"{type(error).__name__}: {error}"[:500])
            continue
        return {"number": task.number, "status": "done", **found, "attempts": attempt + 1, "seconds": time.monotonic() - began}
    return {"number": task.number, "status": "failed", "reason": "; then ".join(reasons), "seconds": time.monotonic() - began}


def _once(
    job: Job, task: Task, calculator: BaseCalculator, optimizer: str, steps: int, start: Float[np.ndarray, "n 3"] | None
) -> JsonObject:
    atoms = strained(job.reference, task.F)
    if start is not None:
        atoms.set_scaled_positions(start)
    if job.phonons is not None:
        require_phonopy()
    atoms.calc = calculator
    if job.dynamics is not None:
        thermal = thermal_stress(atoms, job.dynamics, seed=1000 + task.number)
        return {"cauchy": thermal.mean.tolist(), "stress_error": thermal.error.tolist()}
    if job.phonons is not None and task.field is not None:
        return _by_phonons_in_field(job, job.phonons, task.field, atoms)
    if job.phonons is not None:
        return _by_phonons(job, job.phonons, atoms, optimizer, steps)
    if task.field is not None or task.polarization is not None:
        return _in_field(job, task, atoms)
    result = _relaxed(job, atoms, optimizer, steps)
    if task.second_start and job.ions == "relaxed" and len(atoms) > 1:
        again = strained(job.reference, task.F)
        again.calc = atoms.calc
        again.positions += SECOND_START * np.random.default_rng(task.number).uniform(-1, 1, again.positions.shape)
        other = _relaxed(job, again, optimizer, steps)
        difference = float(np.linalg.norm(np.subtract(other["cauchy"], result["cauchy"])))
        size = max(float(np.linalg.norm(result["cauchy"])), job.stress_scale)
        result["second_start"] = {
            "energy": other["energy"], "difference_GPa": difference, "agrees": difference <= SAME_STRESS * size,
        }  # fmt: skip
    return result


def _by_phonons(job: Job, phonons: PhononSettings, atoms: Atoms, optimizer: str, steps: int) -> JsonObject:
    def relax(cell: Atoms) -> None:
        relax_or_raise(cell, job.force, steps, job.hessian, optimizer)

    found = quasi_harmonic(atoms, relax, phonons, phonons.repeats(job.reference))
    return {
        "cauchy": found.stress.tolist(),
        "energy": found.free_energy.tolist(),
        "entropy": found.entropy.tolist(),
        "frac_coords": np.linalg.solve(atoms.cell.array.T, atoms.positions.T).T.tolist(),
        "force": float(np.linalg.norm(forces_of(atoms), axis=1).max()),
    }


def _by_phonons_in_field(job: Job, phonons: PhononSettings, field: Float[np.ndarray, "3"], atoms: Atoms) -> JsonObject:
    found = quasi_harmonic_in_field(atoms, job.reference, field, phonons, phonons.repeats(job.reference))
    return {
        "cauchy": found.stress.tolist(),
        "energy": found.enthalpy.tolist(),
        "entropy": found.entropy.tolist(),
        "frac_coords": np.linalg.solve(atoms.cell.array.T, atoms.positions.T).T.tolist(),
        "force": found.rest.force,
        "electric_field": field.tolist(),
        "polarization": found.polarization.tolist(),
    }


def _in_field(job: Job, task: Task, atoms: Atoms) -> JsonObject:
    calculator = atoms.calc
    if not isinstance(calculator, RelaxesInField):
        raise DataError(
            f"the calculator {job.calculator.name} relaxes no ions in an electric field; needed lammps with charges, or one with a method "
            "relax_in_field"
        )
    state = calculator.relax_in_field(
        atoms, job.reference, field=task.field, polarization=task.polarization, clamped=job.ions == "clamped"
    )
    work = float(state.electric_field @ state.polarization) * abs(np.linalg.det(job.lattice)) * GPA
    return {
        "cauchy": state.cauchy.tolist(),
        "energy": state.energy - (work if task.polarization is None else 0.0),
        "frac_coords": np.linalg.solve(atoms.cell.array.T, state.positions.T).T.tolist(),
        "force": state.force,
        "steps": 0,
        "electric_field": state.electric_field.tolist(),
        "polarization": state.polarization.tolist(),
    }


def _relaxed(job: Job, atoms: Atoms, optimizer: str, steps: int) -> JsonObject:
    taken = relax_or_raise(atoms, job.force, steps, job.hessian, optimizer) if job.ions == "relaxed" else 0
    return {
        "cauchy": stress_of(atoms).tolist(),
        "energy": energy_of(atoms),
        "frac_coords": np.linalg.solve(atoms.cell.array.T, atoms.positions.T).T.tolist(),
        "force": float(np.linalg.norm(forces_of(atoms), axis=1).max()),
        "steps": taken,
    }


_made: dict[str, tuple[BaseCalculator, tempfile.TemporaryDirectory[str]]] = {}


def calculator_of(spec: CalculatorSpec) -> BaseCalculator:
    """The calculator of this process, made once: a model takes seconds to load.

    Parameters
    ----------
    spec : CalculatorSpec

    Returns
    -------
    ase Calculator
    """
    if repr(spec) not in _made:
        forget_calculator()
        scratch = tempfile.TemporaryDirectory(prefix="constitutive-")
        _made[repr(spec)] = (spec.make(scratch.name), scratch)
    return _made[repr(spec)][0]


def forget_calculator() -> None:
    """Drop the calculator of this process and its scratch folder."""
    for _, scratch in _made.values():
        scratch.cleanup()
    _made.clear()
