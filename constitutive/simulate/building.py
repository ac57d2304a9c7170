"""From a crystal to its law: relax, find the group, plan, simulate, calibrate, and improve until the error is met or the budget spent.

Every step is kept in the folder: the same command goes on where it stopped, and computes nothing twice.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, final

import numpy as np

from constitutive.calibration import calibrate
from constitutive.data import StressStrainData
from constitutive.data.plan import Plan
from constitutive.errors import DataError
from constitutive.material import Material
from constitutive.material.storage import LAW
from constitutive.planning import Ball, expected_error, make_plan
from constitutive.readers.joining import joined
from constitutive.simulate.calculators import CalculatorSpec
from constitutive.simulate.improving import plan_next
from constitutive.simulate.journal import RunFolder
from constitutive.simulate.preparation import Prepared, Progress, SimulationSettings, identity_of, prepare
from constitutive.simulate.run import once, simulate
from constitutive.symmetry.structures import AnyStructure, has_moments, of_elements, read_structure

if TYPE_CHECKING:
    from pymatgen.core import Structure

Say = Callable[[str], None]
GROWTH = 0.5  # of the samples so far: the next batch
SMALLEST_BATCH = 6
LEAST_OF_LEFT_OUT = 0.5  # of the error at samples left out: the least that is expected over all strains


@final
@dataclass(frozen=True)
class BuildSettings:
    """How far a law is built.

    Attributes
    ----------
    target
        Relative error of the stress over the strains asked for, as the posterior expects it, at which it stops.
    budget
        Most samples.
    first
        Samples of the first plan.
    size
        Largest |E|.
    effort
        Of all calibrations: "full" or "quick", which takes more samples to the same error.
    seed
        Of all random choices.
    primitive
        Compute the primitive cell.
    simulation
        How samples are computed.

    Raises
    ------
    DataError
        A number is out of its range.
    """

    target: float = 0.01
    budget: int = 200
    first: int = 20
    size: float = 0.08
    effort: str = "full"
    seed: int = 0
    primitive: bool = True
    simulation: SimulationSettings = field(default_factory=SimulationSettings)

    def __post_init__(self) -> None:
        if not 0 < self.target < 1:
            raise DataError(f"target: found {self.target}; needed a relative error between 0 and 1")
        if not 4 <= self.first <= self.budget:
            raise DataError(
                f"found {self.first} samples to begin with and a budget of {self.budget}; needed 4 or more, and no more than the budget"
            )


@final
@dataclass(frozen=True, eq=False)
class Built:
    """What was built.

    Attributes
    ----------
    material
        The law.
    data
        Its samples.
    prepared
        Calculator and reference.
    steps
        Samples and expected error of each calibration.
    met
        Whether the target was met.
    """

    material: Material
    data: StressStrainData
    prepared: Prepared
    steps: tuple[tuple[int, float], ...]
    met: bool


def build(
    structure: AnyStructure,
    calculator: CalculatorSpec,
    folder: str | os.PathLike[str],
    settings: BuildSettings | None = None,
    *,
    say: Say | None = None,
    progress: Progress | None = None,
) -> Built:
    """Build the law of a crystal with a calculator.

    Parameters
    ----------
    structure : path, Structure or Atoms
        The crystal, not necessarily relaxed.
    calculator : CalculatorSpec
        From `read_calculator`.
    folder : path
        Of the material; the steps are kept in its folder ``build``.
    settings : BuildSettings
    say : callable
        Called with a line for each step.
    progress : callable
        Called with what is being done and the fraction done.

    Returns
    -------
    Built

    Raises
    ------
    DataError
        The crystal cannot be relaxed or leaves its group, no sample has a result, or the folder belongs to another build or material.
    CalibrationError
        No law can be calibrated.
    """
    settings = settings or BuildSettings()
    tell = say or (lambda _line: None)
    given = read_structure(structure)
    crystal = of_elements(given)
    crystal = primitive_of(crystal) if settings.primitive else crystal
    if has_moments(given):
        tell("the magnetic moments of the structure are left out, also in the search of the group: the calculator begins without them")
    work = Path(folder) / "build"
    simulation = replace(settings.simulation, target=settings.target)
    _require_own(Path(folder), work)
    with RunFolder(work, _identity(crystal, calculator, settings)):
        warn = once(tell)
        prepared = prepare(
            crystal, settings.size, calculator, work / "reference", simulation, seed=settings.seed, progress=progress, warn=warn
        )
        _tell_prepared(prepared, tell, warn)
        data, law = None, None
        steps: list[tuple[int, float]] = []
        while True:
            batch = work / f"batch_{len(steps):02d}"
            batch.mkdir(exist_ok=True)
            plan = _plan(batch, law, data, prepared, settings)
            tell(f"computing {len(plan)} strains, |E| up to {plan.size:.3g}" + (", the most useful by the law so far" if law else ""))
            found = simulate(plan, calculator, batch / "run", simulation, prepared=prepared, progress=progress)
            for number, reason in found.failed.items():
                tell(f"left out: strain {number}: {reason}")
            data = found.data if data is None else joined([data, found.data])
            law = _law(batch, data, settings, progress)
            steps.append((len(data), error_of(law, settings.size)))
            tell(f"{len(data)} samples: {_errors(law, settings)} (target {100 * settings.target:.2g} %)")
            if steps[-1][1] <= settings.target or len(data) + SMALLEST_BATCH > settings.budget:
                break
    met = steps[-1][1] <= settings.target
    law.save(folder)
    data.save(Path(folder) / "data.json")
    tell(f"{'target met' if met else 'budget spent'} with {len(data)} samples: {_errors(law, settings)}")
    return Built(law, data, prepared, tuple(steps), met)


def _require_own(folder: Path, work: Path) -> None:
    """Refuse to replace a material that is not a law of this build."""
    if not (folder / LAW).exists():
        return
    parameters = _parameters(folder)
    ours = (_parameters(path.parent) for path in work.glob(f"batch_*/law_*/{LAW}"))
    if not any(own.keys() == parameters.keys() and all(np.array_equal(own[k], parameters[k]) for k in own) for own in ours):
        raise DataError(f"{folder}: found a material that this build did not make; needed a new folder: it would be replaced")


def _parameters(folder: Path) -> dict[str, np.ndarray]:
    return {name: np.asarray(array) for name, array in Material.load(folder).law.state()[1].items()}


def error_of(material: Material, size: float) -> float:
    """The relative error of S that is expected of a law over all strains up to a size.

    That by the posterior, but no less than half of the error at samples left out, since a posterior of few samples can be far too sure.
    Samples that were planned lie mostly at the edge, and their error is larger than that over all strains: by 1.25 to 3.05 times in 80 %
    of 101 laws (docs/benchmarks.md).

    Parameters
    ----------
    material : Material
        Calibrated.
    size : float
        Largest |E|.

    Returns
    -------
    float
    """
    return max(expected_error(material, Ball(size)), LEAST_OF_LEFT_OUT * _left_out(material))


def _errors(law: Material, settings: BuildSettings) -> str:
    return f"expected error {100 * error_of(law, settings.size):.2g} %, at samples left out {100 * _left_out(law):.2g} %"


def _left_out(law: Material) -> float:
    return float(law.card["calibration"]["held_out_error"])


def primitive_of(structure: Structure) -> Structure:
    """The primitive cell, in the Cartesian frame of the structure.

    Parameters
    ----------
    structure : pymatgen Structure

    Returns
    -------
    pymatgen Structure
    """
    import spglib
    from pymatgen.core import Structure as Cell  # deferred: pymatgen takes a second to import

    names = sorted({site.species_string for site in structure})
    kinds = [names.index(site.species_string) for site in structure]
    found = spglib.standardize_cell(
        (structure.lattice.matrix, structure.frac_coords, kinds), to_primitive=True, no_idealize=True, symprec=0.01
    )
    if found is None or len(found[2]) >= len(structure):
        return structure
    lattice, places, numbers = found
    return Cell(lattice, [names[k] for k in numbers], places)


def _identity(crystal: Structure, calculator: CalculatorSpec, settings: BuildSettings) -> dict[str, object]:
    return {
        "lattice": np.asarray(crystal.lattice.matrix),
        "species": [site.species_string for site in crystal],
        "frac_coords": np.asarray(crystal.frac_coords),
        "size": settings.size,
        "first": settings.first,
        "seed": settings.seed,
        **identity_of(calculator, settings.simulation),
    }


def _tell_prepared(prepared: Prepared, tell: Say, warn: Say) -> None:
    lengths = prepared.reference.atoms.cell.cellpar()
    tell(
        f"relaxed: {len(prepared.reference.atoms)} atoms, {prepared.reference.point_group}, a, b, c "
        f"{lengths[0]:.4f} {lengths[1]:.4f} {lengths[2]:.4f} Å; noise of the stress {prepared.examination.noise_GPa:.1g} GPa"
    )
    for note in prepared.notes:
        warn(note)


def _plan(batch: Path, law: Material | None, data: StressStrainData | None, prepared: Prepared, settings: BuildSettings) -> Plan:
    """The plan of a batch: kept where it was made already."""
    path = batch / "plan.json"
    if path.exists():
        return Plan.load(path)
    if law is None or data is None:
        plan = make_plan(prepared.reference.structure, settings.first, size=settings.size, seed=settings.seed)
    else:
        count = min(max(SMALLEST_BATCH, round(GROWTH * len(data))), settings.budget - len(data))
        plan, _ = plan_next(law, data, count, seed=settings.seed + len(data))
    plan.save(path)
    return Plan.load(path)


def _law(batch: Path, data: StressStrainData, settings: BuildSettings, progress: Progress | None) -> Material:
    """The law of all samples so far; kept, by the effort that it took and by the samples: one that failed may be computed later."""
    kept = batch / f"law_{settings.effort}_{data.sha256[:12]}"
    if (kept / "card.yaml").exists():
        return Material.load(kept)
    law = calibrate(data, seed=settings.seed, effort=settings.effort, allow=("error",), progress=progress, residual_stress=_rule(settings))
    law.save(kept)
    return law


def _rule(settings: BuildSettings) -> str | None:
    return "keep" if settings.simulation.relaxation.keep_residual_stress else None
