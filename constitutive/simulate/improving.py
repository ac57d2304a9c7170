"""A law improved where it pays: the next strains by its posterior, computed, joined with its data, and calibrated again."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import final

import numpy as np

from constitutive.calibration import calibrate
from constitutive.data import StressStrainData, require_same_reference
from constitutive.data.plan import Plan
from constitutive.errors import DataError
from constitutive.material import Material
from constitutive.planning import NextStrains, Region, next_strains, stretch_of
from constitutive.readers.joining import joined
from constitutive.simulate.calculators import CalculatorSpec
from constitutive.simulate.cells import atoms_of, energy_of, stress_of
from constitutive.simulate.examination import examine
from constitutive.simulate.ions import force_constants
from constitutive.simulate.preparation import USUAL_FORCE, Prepared, Progress, SimulationSettings
from constitutive.simulate.reference import Reference
from constitutive.simulate.run import STEPS, Simulation, executor_of, simulate
from constitutive.simulate.sample import Job, Task
from constitutive.simulate.time_limit import calculator_made
from constitutive.symmetry import PointGroup
from constitutive.tensors.packing import to_mandel

SAME_STRESS, EXACT_STRESS = 0.02, 0.002  # relative difference at a strain of the data, above which the calculator is another one


@final
@dataclass(frozen=True, eq=False)
class Improvement:
    """A law with a batch more.

    Attributes
    ----------
    material
        Calibrated on all samples.
    data
        All samples.
    batch
        The strains that were added.
    simulation
        How they were computed.
    """

    material: Material
    data: StressStrainData
    batch: NextStrains
    simulation: Simulation


def plan_next(
    material: Material, data: StressStrainData, count: int, *, region: Region | None = None, seed: int = 0, progress: Progress | None = None
) -> tuple[Plan, NextStrains]:
    """The strains that would improve a law most, as a plan.

    Parameters
    ----------
    material : Material
        Calibrated.
    data : StressStrainData
        What it was calibrated on, with the reference structure.
    count : int
        How many strains.
    region : Region
        Where the law is to become better; by default where its samples lie.
    seed : int
        Of the candidates.
    progress : callable
        Called with what is being done and the fraction done.

    Returns
    -------
    plan : Plan
    batch : NextStrains
        The strains, and the deviation expected before and after.

    Raises
    ------
    DataError
        The data hold no structure or that of another crystal, or are not of strains alone at rest.
    MaterialError
        The material has no posterior, or the region too few strains.
    """
    if data.structure is None:
        raise DataError("improve: found data without a structure; needed the reference cell, to strain it")
    require_same_reference(data.structure, material.structure)
    given = {"at a temperature": data.temperature, "in electric fields": data.electric_field}
    if found := [name for name, value in given.items() if value is not None and np.any(np.asarray(value) != 0)]:
        raise DataError(f"improve: found data {' and '.join(found)}; needed samples of strains alone at rest, as the new ones will be")
    batch = next_strains(material, np.asarray(to_mandel(data.green_lagrange_strain)), count, region=region, seed=seed, progress=progress)
    plan = Plan(
        structure=data.structure,
        F=stretch_of(batch.x),
        point_group=PointGroup.from_structure(data.structure).symbol,
        size=float(np.linalg.norm(batch.x, axis=1).max()),
        seed=seed,
        name=data.name,
        settings={"improves": material.name, "samples_before": len(data)},
    )
    return plan, batch


def improve(
    material: Material,
    data: StressStrainData,
    count: int,
    calculator: CalculatorSpec,
    folder: str | os.PathLike[str],
    settings: SimulationSettings | None = None,
    *,
    region: Region | None = None,
    prepared: Prepared | None = None,
    seed: int = 0,
    effort: str = "full",
    progress: Progress | None = None,
) -> Improvement:
    """Compute the strains that improve a law most, and calibrate it again.

    Parameters
    ----------
    material : Material
        Calibrated.
    data : StressStrainData
        What it was calibrated on.
    count : int
        How many strains.
    calculator : CalculatorSpec
        That of the data: one of their strains is computed again to see it.
    folder : path
        Of the journal.
    settings : SimulationSettings
    region : Region
        Where the law is to become better; by default where its samples lie.
    prepared : Prepared
        Of the run that made the data; otherwise the reference is taken as the data have it.
    seed : int
        Of the candidates and of the calibration.
    effort : {"full", "quick"}
        Of the calibration.
    progress : callable
        Called with what is being done and the fraction done.

    Returns
    -------
    Improvement

    Raises
    ------
    DataError
        The calculator gives another stress than the data have, or the run fails.
    MaterialError
        The material has no posterior, or the region too few strains.
    """
    settings = settings or SimulationSettings()
    plan, batch = plan_next(material, data, count, region=region, seed=seed, progress=progress)
    if data.ions is not None and data.ions != settings.ions:
        raise DataError(f"improve: found data with {data.ions} ions, and {settings.ions} ones asked for; needed the same (--clamped)")
    own = prepared or prepared_from(data, calculator, settings, tolerance=tolerance_of(material))
    found = simulate(plan, calculator, folder, settings, prepared=own, progress=progress)
    together = joined([data, found.data])
    rule = material.card.get("residual_stress", {}).get("rule")
    law = calibrate(together, seed=seed, residual_stress=None if rule == "zero" else rule, effort=effort, progress=progress)
    return Improvement(law, together, batch, found)


def tolerance_of(material: Material) -> float:
    """By how much the stress of a calculator may differ from that of the data: less than the law errs, within limits.

    Parameters
    ----------
    material : Material
        Calibrated.

    Returns
    -------
    float
        Relative.
    """
    held_out = float(material.card.get("calibration", {}).get("held_out_error", SAME_STRESS))
    return float(np.clip(held_out, EXACT_STRESS, SAME_STRESS))


def prepared_from(
    data: StressStrainData, calculator: CalculatorSpec, settings: SimulationSettings, *, tolerance: float = SAME_STRESS
) -> Prepared:
    """The reference of a data set as it is, and the calculator examined on it.

    Parameters
    ----------
    data : StressStrainData
        With a structure.
    calculator : CalculatorSpec
    settings : SimulationSettings
    tolerance : float
        Relative difference of a stress, above which the calculator is another one.

    Returns
    -------
    Prepared

    Raises
    ------
    DataError
        The calculator gives another stress at a strain of the data than they have.
    """
    if data.structure is None:
        raise DataError("found data without a structure; needed the reference cell, to strain it")
    atoms = atoms_of(data.structure)
    group = PointGroup.from_structure(data.structure)
    with calculator_made(calculator, settings.time_limit) as atoms.calc:
        seen = examine(atoms, np.asarray(group.laue_rotations))
        hessian = force_constants(atoms) if settings.relaxation.look_for_instability else None
        bare = atoms.copy()
        reference = Reference(bare, group.symbol, stress_of(atoms), energy_of(atoms), hessian)
    size = float(np.linalg.norm(data.green_lagrange_strain, axis=(1, 2)).max())
    force = settings.force or max(USUAL_FORCE / 10, 3 * seen.force_noise)
    prepared = Prepared(reference, seen, force, 1e-2 * seen.stress_at(size), tuple(seen.warnings(size, settings.target)))
    _require_same_stress(data, calculator, settings, prepared, tolerance)
    return prepared


def _require_same_stress(
    data: StressStrainData, calculator: CalculatorSpec, settings: SimulationSettings, prepared: Prepared, tolerance: float
) -> None:
    given = data.stress("cauchy")
    number = int(np.argmax(np.linalg.norm(given, axis=(1, 2))))
    atoms = prepared.reference.atoms
    job = Job(
        calculator, atoms.cell.array, tuple(atoms.get_chemical_symbols()), atoms.get_scaled_positions(wrap=False), settings.ions,
        prepared.force, STEPS, prepared.reference.hessian, prepared.stress_scale,
    )  # fmt: skip
    with executor_of(job, settings) as executor:
        record = next(executor.run(iter([Task(number, data.F[number])])))
    if record["status"] != "done":
        raise DataError(f"improve: the calculator fails at sample {number} of the data: {record['reason']}")
    off = float(np.linalg.norm(np.asarray(record["cauchy"]) - given[number]) / np.linalg.norm(given[number]))
    noise = 9 * prepared.examination.noise_GPa / float(np.linalg.norm(given[number]))  # three deviations of nine components
    if off > tolerance + noise:
        raise DataError(
            f"improve: found a stress that differs by {100 * off:.2g} % from that of sample {number} of the data (within "
            f"{100 * (tolerance + noise):.2g} % would do for this law); needed the calculator that made them, with its settings and the "
            "same treatment of the ions"
        )
