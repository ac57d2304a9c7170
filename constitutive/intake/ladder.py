"""The largest group that the data bear, once they are read rightly."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float

from constitutive.data import StressStrainData
from constitutive.intake.groups import candidate_groups
from constitutive.intake.hypotheses import Hypothesis
from constitutive.intake.robust import robust_fit
from constitutive.intake.search import FLOOR
from constitutive.intake.series import Group, highest_degree

BORNE = 1.6  # residual relative to the best group's, up to which a group is borne
WRONG = 2.2  # residual relative to the best group's, from which the declared group is wrong
LADDER_DEGREE = 4
HOPELESS = 0.5
FEW = 16  # samples below which a poor fit says nothing about the group
HOPELESS_OF_FEW = 0.05


@dataclass(frozen=True)
class Ladder:
    """Residual of each candidate group, the largest group first.

    Attributes
    ----------
    groups : tuple of Group
        The candidates.
    residuals : ndarray (groups,)
        Relative residual of the series under each.
    samples : int
        How many samples were fitted.
    """

    groups: tuple[Group, ...]
    residuals: Float[np.ndarray, " groups"]
    samples: int

    def best(self) -> tuple[Group, float]:
        """The group of the least residual."""
        index = int(np.argmin(self.residuals))
        return self.groups[index], float(self.residuals[index])

    def of(self, group: Group) -> float:
        """Residual of one of the candidates."""
        return float(self.residuals[self.groups.index(group)])

    def largest(self, declared: Group | None) -> str:
        """Symbol of the largest group borne; of several of one order the declared one. Empty where no group fits."""
        reference = float(self.residuals.min())
        if reference > (HOPELESS if self.samples >= FEW else HOPELESS_OF_FEW):
            return ""
        limit = max(BORNE * reference, FLOOR)
        if declared is not None and declared in self.groups and self.of(declared) <= WRONG * reference:
            limit = max(limit, self.of(declared))
        return next(g.symbol for g, r in zip(self.groups, self.residuals, strict=True) if r <= limit)

    def table(self) -> dict[str, float]:
        """The least residual of each Laue class."""
        table: dict[str, float] = {}
        for group, residual in zip(self.groups, self.residuals, strict=True):
            table[group.symbol] = min(float(residual), table.get(group.symbol, np.inf))
        return table


def climb(data: StressStrainData, best: Hypothesis, kept: Bool[np.ndarray, " n"]) -> Ladder:
    """The residual under every candidate group.

    Parameters
    ----------
    data : StressStrainData
        Distinct samples of one kind.
    best : Hypothesis
        How they are to be read; its group is set aside.
    kept : ndarray of bool (n,)
        Samples that belong to the fit.
    """
    chosen = data.select(kept)
    reading = replace(best, group="")
    groups = candidate_groups(data)
    degrees = [highest_degree(group, len(chosen), limit=LADDER_DEGREE, share=0.45) for group in groups]
    fits = [robust_fit(chosen, reading, group, degree) for group, degree in zip(groups, degrees, strict=True)]
    return Ladder(tuple(groups), np.array([fit.residual for fit in fits]), len(chosen))
