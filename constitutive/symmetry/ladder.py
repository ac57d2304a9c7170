"""How far a point group may be trusted: the group at many tolerances, and a cell that is strained."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from constitutive.errors import SymmetryError
from constitutive.symmetry import operations as ops
from constitutive.symmetry.detection import DEFAULT_SYMPREC, SymmetryReport, find_symmetry, spglib_dataset
from constitutive.symmetry.structures import read_cell
from constitutive.symmetry.tables import POINT_GROUPS, lookup

SYMPRECS = (1e-5, 3e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1, 3e-1)
_NEAR = 3.5  # a jump within this factor of the tolerance in use is near
STRAINED = 1e-4


@dataclass(frozen=True)
class LadderStep:
    """Symmetry at one tolerance (Å)."""

    symprec: float
    point_group: str
    space_group: str
    space_group_number: int


@dataclass(frozen=True)
class SymmetryLadder:
    """Symmetry against tolerance.

    Attributes
    ----------
    steps : tuple of LadderStep
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

    steps: tuple[LadderStep, ...]
    symprec: float
    point_group: str
    plateau: tuple[float, float]
    sentence: str
    steady: bool


def symmetry_ladder(
    x: Any, *, symprec: float = DEFAULT_SYMPREC, symprecs: tuple[float, ...] = SYMPRECS, disorder: str = "refuse"
) -> SymmetryLadder:
    """Point group of a structure at tolerances from 1e-5 to 0.3 Å, its plateau, and a sentence on what to make of it.

    Parameters
    ----------
    x : pymatgen Structure, ASE Atoms, or path of a structure file
    symprec : float
        Tolerance in use, Å; added to the ladder.
    symprecs : tuple of float
        The rungs, Å.
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
        steps.append(LadderStep(tolerance, name, str(dataset.international), int(dataset.number)))
    at = next(k for k, step in enumerate(steps) if step.symprec == symprec)
    low, high = _plateau(steps, at)
    below = steps[low - 1] if low else None
    above = steps[high + 1] if high + 1 < len(steps) else None
    sentence, steady = _sentence(steps[at], steps[low], steps[high], below, above)
    return SymmetryLadder(tuple(steps), symprec, steps[at].point_group, (steps[low].symprec, steps[high].symprec), sentence, steady)


def _plateau(steps: list[LadderStep], at: int) -> tuple[int, int]:
    low = high = at
    while low and steps[low - 1].space_group_number == steps[at].space_group_number:
        low -= 1
    while high + 1 < len(steps) and steps[high + 1].space_group_number == steps[at].space_group_number:
        high += 1
    return low, high


def _named(step: LadderStep, other: LadderStep) -> str:
    return step.point_group if step.point_group != other.point_group else f"{step.point_group} ({step.space_group})"


def _sentence(here: LadderStep, low: LadderStep, high: LadderStep, below: LadderStep | None, above: LadderStep | None) -> tuple[str, bool]:
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


@dataclass(frozen=True)
class CellCondition:
    """How far a cell is from the exact lattice of its symmetry.

    Attributes
    ----------
    strain : (3, 3)
        Green–Lagrange strain of the given cell against the idealised one.
    largest_strain : float
        Largest principal value of it, by magnitude.
    orthogonality_error : float
        Largest entry of |RᵀR − 1| over the operations that spglib finds for the given cell, in Cartesian components.
    closed : bool
        Whether those operations are a group.
    strained : bool
        Whether strain or error exceed 1e-4.
    sentence : str
        What this means, in plain words.
    """

    strain: Float[np.ndarray, "3 3"]
    largest_strain: float
    orthogonality_error: float
    closed: bool
    strained: bool
    sentence: str


def cell_condition(report: SymmetryReport) -> CellCondition:
    """Strain of the given cell against the exact lattice of its symmetry, and whether its operations are sound.

    A strained or badly relaxed cell keeps its label within symprec, with operations that are not orthogonal: RᵀR ≠ 1.
    """
    C = report.deformation.T @ report.deformation
    strain = (C - np.eye(3)) / 2
    largest = float(np.abs(np.linalg.eigvalsh(strain)).max())
    error = ops.orthogonality_error(report.raw_operations)
    closed = _is_closed(report.raw_operations)
    strained = max(largest, error) > STRAINED or not closed
    return CellCondition(strain, largest, error, closed, strained, _condition_sentence(report, largest, error, closed, strained))


def _is_closed(operations: np.ndarray) -> bool:
    products = (operations[:, None] @ operations[None]).reshape(-1, 3, 3)
    near = np.abs(products[:, None] - operations[None]).max(axis=(2, 3)).min(axis=1)
    return bool((near < 0.1).all())


def _condition_sentence(report: SymmetryReport, largest: float, error: float, closed: bool, strained: bool) -> str:
    name = report.point_group.symbol
    if not strained:
        return f"The cell is that of {name} to {max(largest, error):.1e}."
    text = (
        f"The cell is strained by {100 * largest:.2g} % against an exact {name} lattice: it keeps the label {name} at symprec "
        f"{report.symprec:g} Å only within that tolerance, with operations off by {error:.1e} from orthogonal (RᵀR ≠ 1)"
    )
    if not closed:
        text += ", and they do not even form a group"
    strict = _stricter(report)
    if strict:
        text += f". At {strict.symprec:g} Å it is {strict.point_group.symbol}"
    return text + f". Relax it under {name}, or take the lower symmetry; the operations returned are the exact ones nearest to it."


def _stricter(report: SymmetryReport) -> SymmetryReport | None:
    """The symmetry at a tolerance 100 times smaller, where it is another one."""
    try:
        strict = find_symmetry(report.cell, report.symprec / 100)
    except SymmetryError:
        return None
    return strict if strict.point_group.symbol != report.point_group.symbol else None
