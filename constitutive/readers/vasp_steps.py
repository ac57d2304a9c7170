"""Ionic steps of a VASP run, and which of them are states of the crystal.

VASP writes the stress in kbar with pressure positive; energies in eV, forces in eV/Å (VASP wiki: IBRION, vasprun.xml, OUTCAR).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float

from constitutive.errors import DataError
from constitutive.readers.frames import SAME_CELL, Fields, Frame
from constitutive.readers.reading import Reading
from constitutive.readers.selection import frame_labels
from constitutive.units import pressure_factor

KBAR = -pressure_factor("kbar")  # to GPa, tension positive
_STATIC, _DYNAMICS = -1, 0
_RELAXATIONS = (1, 2, 3)
_DIFFERENCES = (5, 6, 7, 8)
_MOVED = 1e-5  # fractional coordinates: an ion displaced on purpose moves by more


@dataclass(frozen=True)
class Step:
    """One ionic step: cell (Å), fractional coordinates, stress (GPa, tension positive), energy (eV), forces (eV/Å)."""

    cell: Float[np.ndarray, "3 3"]
    frac: Float[np.ndarray, "atoms 3"]
    stress: Float[np.ndarray, "3 3"] | None
    energy: float | None
    forces: Float[np.ndarray, "atoms 3"] | None


@dataclass(frozen=True)
class Run:
    """A VASP run: its steps, how its ions moved, and its own description."""

    path: Path
    steps: Sequence[Step]
    species: tuple[str, ...]
    ibrion: int
    nsw: int
    converged: bool
    version: str
    settings: Fields
    temperature: float | None = None

    @property
    def is_dynamics(self) -> bool:
        """Whether the ions followed molecular dynamics."""
        return self.ibrion == _DYNAMICS and self.nsw > 0

    @property
    def is_finite_differences(self) -> bool:
        """Whether VASP strained the cell and displaced the ions itself (IBRION = 5 to 8)."""
        return self.ibrion in _DIFFERENCES and (self.nsw > 0 or len(self.steps) > 1)

    def frames(self, reading: Reading) -> list[Frame]:
        """The states of the crystal among the steps: the last one, or all of dynamics, or the strained cells of finite differences.

        Raises
        ------
        DataError
            The run did not converge, moved its ions in a way that leaves no state, or has no stress.
        """
        path = self.path
        reading.require_native(str(path), "kbar", "pressure")
        if not self.steps or self.steps[-1].stress is None:
            raise DataError(f"{path}: found no stress in the last step; needed one; set ISIF >= 2")
        if self.is_finite_differences:
            chosen, ions = self._strained_cells(reading), "clamped"
        elif self.is_dynamics:
            chosen, ions = [step for step in self.steps if step.stress is not None], None
            reading.assume(
                f"{path}: {len(chosen)} steps of molecular dynamics, ions neither relaxed nor clamped; stress without its kinetic part"
            )
        else:
            chosen, ions = [self.steps[-1]], self._ions()
        labels = {**self.settings, **frame_labels(chosen[0].cell, self.species)}
        kept = [step for step in chosen if reading.selection.keeps({**labels, **frame_labels(step.cell, self.species)})]
        return [self._frame(step, ions).checked(f"{path}: step {index}" if len(kept) > 1 else str(path)) for index, step in enumerate(kept)]

    def _ions(self) -> str:
        if self.nsw <= 0 or self.ibrion == _STATIC:
            return "clamped"
        if self.ibrion not in _RELAXATIONS:
            raise DataError(f"{self.path}: found IBRION = {self.ibrion}; needed a static run (-1), a relaxation (1, 2, 3) or dynamics (0)")
        if self.nsw > 1 and not self.converged:
            raise DataError(f"{self.path}: found a relaxation that did not converge; needed a converged one; continue the run (NSW)")
        return "relaxed" if self.nsw > 1 else "clamped"

    def _strained_cells(self, reading: Reading) -> list[Step]:
        """Of a run with finite differences the cells with undisplaced ions, each once."""
        first = self.steps[0]
        cells: list[Step] = []
        for step in self.steps:
            shift = step.frac - first.frac
            still = np.abs(shift - np.round(shift)).max() < _MOVED
            known = any(np.abs(np.linalg.inv(other.cell) @ step.cell - np.eye(3)).max() < SAME_CELL for other in cells)
            if still and not known and step.stress is not None:
                cells.append(step)
        if len(cells) < 2:
            raise DataError(
                f"{self.path}: found IBRION = {self.ibrion}, finite differences of the ions in one cell ({len(self.steps)} steps); needed "
                "strained cells: ISIF = 3 with IBRION = 6, or one run for each strain with IBRION = -1 or 2"
            )
        reading.assume(
            f"{self.path}: IBRION = {self.ibrion}: {len(cells)} cells with clamped ions as samples, "
            f"{len(self.steps) - len(cells)} steps with displaced ions left out"
        )
        return cells

    def _frame(self, step: Step, ions: str | None) -> Frame:
        if step.stress is None:
            raise DataError(f"{self.path}: found a step without stress; needed one; set ISIF >= 2")
        return Frame(
            step.cell,
            step.stress,
            self.species,
            step.frac,
            step.energy,
            step.forces,
            ions,
            self.temperature if self.is_dynamics else None,
            f"VASP {self.version}",
            self.settings,
        )
