"""The largest group that the data agree with, under the best reading of the file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float

from constitutive.data import StressStrainData
from constitutive.fitting.polynomial_basis import LaueGroup, determined_degree
from constitutive.fitting.robust import LEAST_RESIDUAL
from constitutive.intake.groups import candidate_groups
from constitutive.intake.hypotheses import Hypothesis
from constitutive.intake.reading_fit import plain_fit
from constitutive.tensors.packing import to_mandel

AGREES = 1.4  # residual relative to the best group's, up to which the data agree with a group
AGREEING_RESIDUALS = 1.2  # residual of a larger group relative to the declared one's, up to which they agree with it
DEGREE_OF_SMALLER = 4
HIGHEST_DEGREE = 6
NO_GROUP = 0.5
FEW_SAMPLES = 16  # samples below which a poor fit is no evidence about the group
NO_GROUP_OF_FEW = 0.05


@dataclass(frozen=True)
class GroupResiduals:
    """Residual of each candidate group, the largest group first.

    Attributes
    ----------
    groups : tuple of LaueGroup
        The candidates.
    residuals : ndarray (groups,)
        Relative residual of the series under each.
    samples : int
        How many samples were fitted.
    """

    groups: tuple[LaueGroup, ...]
    residuals: Float[np.ndarray, " groups"]
    samples: int

    def best(self) -> tuple[LaueGroup, float]:
        """The group of the least residual."""
        index = int(np.argmin(self.residuals))
        return self.groups[index], float(self.residuals[index])

    def of(self, group: LaueGroup) -> float:
        """Residual of one of the candidates."""
        return float(self.residuals[self.groups.index(group)])

    def largest(self, declared: LaueGroup | None, contradicted: Callable[[LaueGroup], bool]) -> LaueGroup | None:
        """The largest group with which the data agree; of several of one order the declared one. None where no group fits.

        Parameters
        ----------
        declared
            The declared group, unless the data contradict it.
        contradicted
            Whether the data contradict a group by the group test; only groups whose residual is small enough are tested.
        """
        reference = float(self.residuals.min())
        if reference > (NO_GROUP if self.samples >= FEW_SAMPLES else NO_GROUP_OF_FEW):
            return None
        limit = max(AGREES * reference, LEAST_RESIDUAL)
        pairs = zip(self.groups, self.residuals, strict=True)
        if declared is not None:
            limit = max(AGREEING_RESIDUALS * self.of(declared), LEAST_RESIDUAL)
            larger = (g for g, r in pairs if g.order > declared.order and r <= limit and not contradicted(g))
            return next(larger, declared)
        return next((g for g, r in pairs if r <= limit and not contradicted(g)), self.best()[0])

    def table(self) -> dict[str, float]:
        """The least residual of each Laue class."""
        table: dict[str, float] = {}
        for group, residual in zip(self.groups, self.residuals, strict=True):
            table[group.symbol] = min(float(residual), table.get(group.symbol, np.inf))
        return table


def group_residuals(data: StressStrainData, best: Hypothesis, kept: Bool[np.ndarray, " n"], declared: LaueGroup | None) -> GroupResiduals:
    """The residual under every candidate group.

    Parameters
    ----------
    data : StressStrainData
        Distinct samples of one kind.
    best : Hypothesis
        How they are to be read; its group is set aside.
    kept : ndarray of bool (n,)
        Samples that belong to the fit.
    declared : LaueGroup or None
        The declared group: only groups as large or larger are compared at high degree.
    """
    chosen = data.select(kept)
    reading = replace(best, group="")
    groups = candidate_groups(data)
    limits = [HIGHEST_DEGREE if declared is not None and group.order >= declared.order else DEGREE_OF_SMALLER for group in groups]
    x = to_mandel(chosen.green_lagrange_strain)
    degrees = [determined_degree(g, x, limit=limit, share=0.45) for g, limit in zip(groups, limits, strict=True)]
    fits = [plain_fit(chosen, reading, group, degree) for group, degree in zip(groups, degrees, strict=True)]
    return GroupResiduals(tuple(groups), np.array([fit.residual for fit in fits]), len(chosen))
