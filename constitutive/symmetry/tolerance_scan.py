"""How far a point group may be trusted: the group found at tolerances from 1e-5 to 0.3 Å."""

from __future__ import annotations

from dataclasses import dataclass

from constitutive.errors import SymmetryError
from constitutive.symmetry.detection import DEFAULT_SYMPREC, spglib_dataset
from constitutive.symmetry.structures import AnyStructure, read_cell
from constitutive.symmetry.tables import POINT_GROUPS, lookup

SYMPRECS = (1e-5, 3e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1, 3e-1)
_NEAR = 3.5  # a jump within this factor of the tolerance in use is near


@dataclass(frozen=True)
class ToleranceStep:
    """Symmetry at one tolerance (Å)."""

    symprec: float
    point_group: str
    space_group: str
    space_group_number: int


@dataclass(frozen=True)
class ToleranceScan:
    """Symmetry against tolerance.

    Attributes
    ----------
    steps : tuple of ToleranceStep
        By rising tolerance; tolerances at which spglib fails are left out.
    symprec : float
        The tolerance in use, Å.
    point_group : str
        The group there.
    plateau : (float, float)
        Smallest and largest tolerance around it with the same space group, Å.
    sentence : str
        What this means, in plain words.
    steady : bool
        Whether no jump lies near the tolerance in use.
    """

    steps: tuple[ToleranceStep, ...]
    symprec: float
    point_group: str
    plateau: tuple[float, float]
    sentence: str
    steady: bool


def scan_tolerances(
    x: AnyStructure, *, symprec: float = DEFAULT_SYMPREC, symprecs: tuple[float, ...] = SYMPRECS, disorder: str = "refuse"
) -> ToleranceScan:
    """Point group of a structure at tolerances from 1e-5 to 0.3 Å, its plateau, and a sentence on what to make of it.

    Parameters
    ----------
    x : pymatgen Structure, ASE Atoms, or path of a structure file
    symprec : float
        Tolerance in use, Å; added to the scan.
    symprecs : tuple of float
        Tolerances of the scan, Å.
    disorder : {"refuse", "species"}

    Raises
    ------
    SymmetryError
        The structure cannot be read, or has no symmetry at the tolerance in use.
    """
    cell = read_cell(x, disorder=disorder)
    steps = []
    for tolerance in sorted({*symprecs, symprec}):
        try:
            dataset = spglib_dataset(cell, tolerance)
        except SymmetryError:
            if tolerance == symprec:
                raise
            continue
        found = lookup(str(dataset.pointgroup))
        name = found[0].symbol if found else str(dataset.pointgroup)
        steps.append(ToleranceStep(tolerance, name, str(dataset.international), int(dataset.number)))
    at = next(k for k, step in enumerate(steps) if step.symprec == symprec)
    low, high = _plateau(steps, at)
    below = steps[low - 1] if low else None
    above = steps[high + 1] if high + 1 < len(steps) else None
    sentence, steady = _sentence(steps[at], steps[low], steps[high], below, above)
    return ToleranceScan(tuple(steps), symprec, steps[at].point_group, (steps[low].symprec, steps[high].symprec), sentence, steady)


def _plateau(steps: list[ToleranceStep], at: int) -> tuple[int, int]:
    low = high = at
    while low and steps[low - 1].space_group_number == steps[at].space_group_number:
        low -= 1
    while high + 1 < len(steps) and steps[high + 1].space_group_number == steps[at].space_group_number:
        high += 1
    return low, high


def _named(step: ToleranceStep, other: ToleranceStep) -> str:
    return step.point_group if step.point_group != other.point_group else f"{step.point_group} ({step.space_group})"


def _sentence(
    here: ToleranceStep, low: ToleranceStep, high: ToleranceStep, below: ToleranceStep | None, above: ToleranceStep | None
) -> tuple[str, bool]:
    parts = []
    if below is not None and low.symprec < _NEAR * below.symprec and here.symprec < _NEAR * low.symprec:
        parts.append(
            f"just below, at {below.symprec:g} Å, only {_named(below, here)} is left: the coordinates or the cell are off the "
            f"exact {here.point_group} ones by about as much (noise, few decimals, or a small true distortion)"
        )
    if above is not None and high.symprec < _NEAR * here.symprec:
        rises = POINT_GROUPS[above.point_group].order > POINT_GROUPS[here.point_group].order
        what = (
            "pseudo-symmetry: noise of that size hides it, or the crystal is a small distortion of it"
            if rises
            else "beyond it atoms are confused"
        )
        parts.append(f"just above, at {above.symprec:g} Å, {_named(above, here)} is found ({what})")
    span = f"{here.point_group} holds from {low.symprec:g} to {high.symprec:g} Å"
    if parts:
        return f"{span}, and {here.symprec:g} Å sits near a jump: {'; '.join(parts)}. Check which of them is meant.", False
    trend = f"; below, {_named(below, here)} is found" if below is not None else ""
    trend += f"; above, {_named(above, here)}" if above is not None else ""
    return f"{span}{trend}: {here.symprec:g} Å is well inside.", True
