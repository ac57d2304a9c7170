"""How a point group depends on the tolerance: the group found at tolerances from 1e-5 to 0.3 Å."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from constitutive.errors import SymmetryError
from constitutive.symmetry import operations as ops
from constitutive.symmetry.dataset import Dataset, SearchTooLongError, spglib_dataset
from constitutive.symmetry.detection import DEFAULT_SYMPREC, Detection
from constitutive.symmetry.structures import AnyStructure, Cell, read_cell
from constitutive.symmetry.tables import POINT_GROUPS, lookup

SYMPRECS = (1e-5, 3e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1, 3e-1)
MOST_COMPARISONS = 1e9  # of pairs of atoms, for a search at one tolerance: half a minute
_NEAR = 3.5  # a jump within this factor of the tolerance in use is near


class ToleranceStep(NamedTuple):
    """Symmetry at one tolerance (Å).

    Attributes
    ----------
    symprec : float
        Å.
    point_group : str
        Hermann–Mauguin symbol of the point group found.
    space_group : str
        Hermann–Mauguin symbol.
    space_group_number : int
        1 to 230.
    """

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
        By rising tolerance; tolerances at which spglib fails are left out, and those in ``unscanned``.
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
    unscanned : tuple of float
        Tolerances at which the search would take too long, Å.
    """

    steps: tuple[ToleranceStep, ...]
    symprec: float
    point_group: str
    plateau: tuple[float, float]
    sentence: str
    steady: bool
    unscanned: tuple[float, ...] = ()


def scan_tolerances(
    x: Detection | AnyStructure,
    *,
    symprec: float = DEFAULT_SYMPREC,
    symprecs: tuple[float, ...] = SYMPRECS,
    disorder: str = "refuse",
    progress: Callable[[str, float], None] | None = None,
) -> ToleranceScan:
    """Point group of a structure at tolerances from 1e-5 to 0.3 Å, its plateau, and a sentence on what to make of it.

    Between two tolerances with the same space group none other is tried: the jumps are found by bisection. A tolerance at which
    spglib would compare more than a thousand million pairs of atoms is left out, and the sentence says so.

    Parameters
    ----------
    x : pymatgen Structure, ASE Atoms, path of a structure file, or SymmetryReport
        A report at the tolerance in use saves one search.
    symprec : float
        Tolerance in use, Å; added to the scan.
    symprecs : tuple of float
        Tolerances of the scan, Å.
    disorder : {"refuse", "species"}
        What partly occupied sites are, as in :func:`find_symmetry`.
    progress : callable, optional
        Called with what is done next and the fraction done.

    Returns
    -------
    ToleranceScan

    Raises
    ------
    SymmetryError
        The structure cannot be read, or has no symmetry at the tolerance in use.

    Examples
    --------
    >>> from ase.build import bulk
    >>> scan_tolerances(bulk("Si")).plateau
    (1e-05, 0.3)
    """
    cell = x.cell if isinstance(x, Detection) else read_cell(x, disorder=disorder)
    tolerances = sorted({*symprecs, symprec})
    at = tolerances.index(symprec)
    known: dict[int, ToleranceStep | None] = {}
    unscanned: set[int] = set()
    if isinstance(x, Detection) and x.symprec == symprec:
        known[at] = ToleranceStep(symprec, ops.identify(x.operations), x.space_group, x.space_group_number)
    else:
        known[at] = _step(spglib_dataset(cell, symprec), symprec)
    for end in (0, len(tolerances) - 1):
        _bisect(cell, tolerances, min(at, end), max(at, end), known, unscanned, progress)
    steps = [step for _, step in sorted(known.items()) if step is not None]
    at = next(k for k, step in enumerate(steps) if step.symprec == symprec)
    low, high = _plateau(steps, at)
    below = steps[low - 1] if low else None
    above = steps[high + 1] if high + 1 < len(steps) else None
    sentence, steady = _sentence(steps[at], steps[low], steps[high], below, above)
    left_out = tuple(tolerances[k] for k in sorted(unscanned))
    if left_out:
        sentence += f" Not scanned, since the search among {len(cell.kinds)} atoms takes too long there: {_listed(left_out)} Å."
    plateau = (steps[low].symprec, steps[high].symprec)
    return ToleranceScan(tuple(steps), symprec, steps[at].point_group, plateau, sentence, steady, left_out)


def _step(dataset: Dataset, tolerance: float) -> ToleranceStep:
    found = lookup(str(dataset.pointgroup))
    name = found[0].symbol if found else str(dataset.pointgroup)
    return ToleranceStep(tolerance, name, str(dataset.international), int(dataset.number))


def _bisect(
    cell: Cell,
    tolerances: list[float],
    low: int,
    high: int,
    known: dict[int, ToleranceStep | None],
    unscanned: set[int],
    progress: Callable[[str, float], None] | None,
) -> None:
    """Find the steps from one index to another: all the same where the ends are, else halved.

    None where spglib finds no symmetry, or where the search would take too long.
    """
    for k in (low, high):
        if k not in known:
            if progress is not None:
                progress(f"symmetry at {tolerances[k]:g} Å", len(known) / len(tolerances))
            try:
                known[k] = _step(spglib_dataset(cell, tolerances[k], most_comparisons=MOST_COMPARISONS), tolerances[k])
            except SearchTooLongError:
                known[k] = None
                unscanned.add(k)
            except SymmetryError:
                known[k] = None
    first, last = known[low], known[high]
    if high - low < 2:
        return
    between = range(low + 1, high)
    if (None if first is None else first[1:], low in unscanned) == (None if last is None else last[1:], high in unscanned):
        known.update({k: None if first is None else first._replace(symprec=tolerances[k]) for k in between})
        unscanned.update(between if low in unscanned else ())
        return
    middle = (low + high) // 2
    _bisect(cell, tolerances, low, middle, known, unscanned, progress)
    _bisect(cell, tolerances, middle, high, known, unscanned, progress)


def _plateau(steps: list[ToleranceStep], at: int) -> tuple[int, int]:
    low = high = at
    while low and steps[low - 1].space_group_number == steps[at].space_group_number:
        low -= 1
    while high + 1 < len(steps) and steps[high + 1].space_group_number == steps[at].space_group_number:
        high += 1
    return low, high


def _listed(tolerances: tuple[float, ...]) -> str:
    """Tolerances as a list in words."""
    words = [f"{tolerance:g}" for tolerance in tolerances]
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


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
