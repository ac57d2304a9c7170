"""The runs of a plan: each result matched with its strain by the number of its folder; what is missing or failed is named."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from constitutive.data import StressStrainData
from constitutive.data.plan import PLAN_FILE, Plan, plan_in
from constitutive.errors import ConstitutiveError, DataError
from constitutive.kinematics import green_lagrange_strain
from constitutive.readers.frames import Frame, Reference, assemble
from constitutive.readers.reading import Reading
from constitutive.readers.sources import outputs_in

STRAIN_OFF = 2e-4  # |E − E planned| from which a result is that of another cell
NAMED_OUTPUTS = {"abinit": ("*.abo", "ase")}  # of programs whose output is read by ASE, which its content does not show

PROGRAMS = {
    "vasprun": "VASP", "outcar": "VASP", "espresso": "Quantum ESPRESSO", "espresso-xml": "Quantum ESPRESSO",
    "lammps-log": "LAMMPS", "lammps-dump": "LAMMPS", "extxyz": "ASE", "traj": "ASE",
}  # fmt: skip

ReadFrames = Callable[[Path, str], list[Frame]]


def read_planned(folder: Path, plan: Plan, reading: Reading, frames_of: ReadFrames) -> StressStrainData:
    """The results in the folders of a plan as one data set, in the order of the plan.

    Parameters
    ----------
    folder
        The folder that `plan.json` and the folders of the strains lie in.
    plan
        The plan.
    reading
        Options; missing and failed runs are noted in ``skipped``.
    frames_of
        Reads the states of a file of a given format.

    Raises
    ------
    DataError
        No run has a result, or they are of several programs.
    """
    frames: list[Frame] = []
    numbers: list[int] = []
    kinds: dict[str, str] = {}  # programs, with the first folder of each
    for number, strain in enumerate(plan.green_lagrange_strain):
        place = folder / plan.folder(number)
        try:
            frame, kind = _result(place, plan, strain, frames_of)
            kinds.setdefault(PROGRAMS.get(kind, kind), place.name)
            frames.append(frame)
            numbers.append(number)
        except ConstitutiveError as error:
            reading.skipped[place.name] = str(error).removeprefix(f"{place}: ")
    if not frames:
        name, reason = next(iter(reading.skipped.items()))
        raise DataError(f"{folder}: found no result of the {len(plan)} strains of {PLAN_FILE}; {name}: {reason}")
    if len(kinds) > 1:
        found = ", ".join(f"{program} ({place})" for program, place in kinds.items())
        raise DataError(f"{folder}: found outputs of several programs: {found}; needed one: their stresses make no law together")
    for name in _foreign(folder, plan):
        reading.skipped[name] = f"not of the plan of {len(plan)} strains"
    structure = plan.structure
    species = tuple(site.species_string for site in structure)
    base = Reference(np.asarray(structure.lattice.matrix), species, np.asarray(structure.frac_coords), None)
    data = assemble(frames, base, name=plan.name)
    if data.ions is None and not (data.model_extra or {}).get("ions_by_sample"):
        reading.assume("ions relaxed in each strained cell, as the plan's input files ask for")
        data = data.replace(ions="relaxed")
    return data.replace(source_by_sample=[frame.where for frame in frames], plan_numbers=numbers)


def plan_of(sources: list[Path]) -> tuple[Path, Plan] | None:
    """The plan behind a single folder, or None.

    Raises
    ------
    DataError
        Several folders hold plans, or one does among other sources.
    """
    plans = [(path, plan) for path in sources if path.is_dir() and (plan := plan_in(path)) is not None]
    if not plans or not plans[0][1].code:
        return None
    if len(sources) > 1:
        raise DataError(
            f"{plans[0][0]}: found the folder of a plan among {len(sources)} sources; needed it alone; convert one plan at a time"
        )
    return plans[0]


def _outputs(folder: Path, plan: Plan) -> dict[Path, str]:
    pattern, kind = NAMED_OUTPUTS.get(plan.code, ("", ""))
    if pattern and (named := sorted(folder.glob(pattern))):
        return dict.fromkeys(named, kind)
    try:
        return outputs_in(folder, without=plan.inputs)
    except DataError as error:
        raise DataError("missing: found no output; is the run still to come?") from error


def _foreign(folder: Path, plan: Plan) -> list[str]:
    """Folders named as those of strains that the plan does not hold."""
    own = {plan.folder(number) for number in range(len(plan))}
    return sorted(path.name for path in folder.glob("strain_*") if path.is_dir() and path.name not in own)


def _result(folder: Path, plan: Plan, strain: np.ndarray, frames_of: ReadFrames) -> tuple[Frame, str]:
    """The last state in the folder of a strain, if it is the planned one, and the format of its file."""
    if not folder.is_dir():
        raise DataError("missing: found no such folder; needed the run's")
    outputs = _outputs(folder, plan)
    kinds = sorted(set(outputs.values()))
    if kinds == ["lammps-dump", "lammps-log"]:
        outputs = {path: kind for path, kind in outputs.items() if kind == "lammps-log"}
    if "espresso-xml" in kinds and set(kinds) <= {"espresso", "espresso-xml"}:  # one run; the XML has all digits
        outputs = {min(path for path, kind in outputs.items() if kind == "espresso-xml"): "espresso-xml"}
    if len(outputs) > 1:
        raise DataError(f"failed: found {len(outputs)} outputs ({', '.join(path.name for path in outputs)}); needed one run in a folder")
    path, kind = next(iter(outputs.items()))
    frames = frames_of(path, kind)
    if not frames:
        raise DataError(f"failed: found no state with a stress in {path.name}; is the run cut off?")
    frame = frames[-1]
    planned = tuple(site.species_string for site in plan.structure)
    if frame.species and frame.species != planned:
        raise DataError(f"failed: found the atoms {' '.join(frame.species)}; needed those of the plan in its order: {' '.join(planned)}")
    found = green_lagrange_strain((np.linalg.inv(plan.structure.lattice.matrix) @ frame.cell).T)
    off = float(np.linalg.norm(found - strain))
    if not off < STRAIN_OFF:
        raise DataError(f"failed: found a cell whose strain differs from the planned one by {off:.2g}; needed the planned cell, kept fixed")
    return frame, kind
