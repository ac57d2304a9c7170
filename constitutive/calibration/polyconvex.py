"""Calibration of a polyconvex law: data that no such law can follow are refused, the width is chosen by samples left out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Float

from constitutive.calibration.baselines import best_without_symmetry
from constitutive.calibration.candidates import Candidate, Progress
from constitutive.calibration.cross_validation import Split
from constitutive.calibration.effort import FULL, MANY, Effort
from constitutive.calibration.selection import series_candidates
from constitutive.elasticity import constants_table
from constitutive.errors import CalibrationError
from constitutive.fitting import FitProblem
from constitutive.fitting.polyconvex import PolyconvexFit, fit_polyconvex
from constitutive.laws import PolyconvexLaw

WIDTHS = (4, 8)
MANY_WIDTHS = (4, 8, 16)  # from 100 samples on
STARTS = 4
BACKWARDS = 0.02  # S:E below this share of -|S||E| counts as stress that points away from the reference
NOTICEABLE = 0.05  # of the root mean square stress: smaller ones are noise


@final
@dataclass(frozen=True, eq=False)
class PolyconvexSelection:
    """The polyconvex law that predicts left-out samples best, and what was tried beside it.

    Attributes
    ----------
    law
        Fitted to all samples.
    best
        The candidate chosen.
    candidates
        Polyconvex laws of all widths, and the series without the constraint for comparison, the best first.
    baseline
        The network without symmetry.
    constants
        By order ("2", "3", "4") and name: value and standard error (GPa), the error by the jackknife over the folds.
    """

    law: PolyconvexLaw
    best: Candidate
    candidates: list[Candidate]
    baseline: Candidate
    constants: dict[str, dict[str, list[float | None]]]

    @property
    def reason(self) -> str:
        """Why it was chosen, and what polyconvexity costs, in a sentence."""
        free = min((c for c in self.candidates if c.degrees), key=lambda c: c.error)
        return (
            f"polyconvex by choice; it predicts samples that it has not seen to {100 * self.best.error:.2g} %, the best series without "
            f"that constraint ({free.label}) to {100 * free.error:.2g} %, a network without symmetry {100 * self.baseline.error:.2g} %"
        )


def require_single_well(problem: FitProblem) -> None:
    """Refuse data whose energy has another state below the reference, which no polyconvex law with S(0) = 0 follows.

    Along the way from rest to a strain E the energy changes by S:E per unit of the way. Where S:E is negative, the energy falls as the
    crystal is strained further: there is another well, or the reference is no minimum.

    Parameters
    ----------
    problem : FitProblem

    Raises
    ------
    CalibrationError
        At some samples the stress points away from the reference.
    """
    size = np.linalg.norm(problem.x, axis=1) * np.linalg.norm(problem.y, axis=1)
    share = np.sum(problem.x * problem.y, axis=1) / np.maximum(size, 1e-300)
    large = np.sqrt(np.mean(problem.y**2, axis=1)) > NOTICEABLE * np.sqrt(np.mean(problem.y**2))
    bad = np.nonzero((share < -BACKWARDS) & large)[0]
    if len(bad):
        worst = bad[np.argmin(share[bad])]
        raise CalibrationError(
            f"at {len(bad)} of {len(problem)} samples the stress points away from the reference (sample {problem.numbers[worst]}: "
            f"S:E = {share[worst]:.2f} |S||E|), so that the energy falls on the way there: it has several wells, or the reference is "
            "unstable. A polyconvex law has neither: calibrate without polyconvex=True (--polyconvex), and look at material.wells()"
        )


def select_polyconvex(
    problem: FitProblem, parts: Split, seed: int, progress: Progress, *, effort: Effort = FULL, units: int | None = None
) -> PolyconvexSelection:
    """Cross-validate polyconvex laws of some widths, take the best, fit it to all samples.

    Parameters
    ----------
    problem
        The training samples.
    parts
        How they are left out.
    seed
        Of the random starts.
    progress
        Called with what is being done and the fraction done.
    effort
        How many threads share the fits; a quick one tries one width.
    units
        Orbit units |G|·H instead of the width that is chosen.

    Returns
    -------
    PolyconvexSelection

    Raises
    ------
    CalibrationError
        The data have several wells, or ``units`` are fewer than the operations of the group.
    """
    require_single_well(problem)
    widths = _widths(problem, effort, units)
    fits: dict[str, list[PolyconvexFit]] = {}
    candidates = []
    for number, H in enumerate(widths):
        progress(f"polyconvex laws of {H} channels", 0.1 + 0.7 * number / len(widths))
        candidate, members = _cross_validated(problem, parts, H, seed, effort)
        candidates.append(candidate)
        fits[candidate.label] = members
    best = min(candidates, key=lambda candidate: candidate.error)
    progress("fitting the law to all samples", 0.85)
    law = fit_polyconvex(problem, _channels(best), seed=seed, starts=STARTS + 2).law
    without = best_without_symmetry(problem, parts, seed, shapes=1, effort=effort)
    series = [candidate for candidate, _ in series_candidates(problem, parts, networks=False)]
    ranked = sorted([*candidates, *series], key=lambda candidate: candidate.error)
    return PolyconvexSelection(law, best, ranked, without, _constants(law, [fit.law for fit in fits[best.label]]))


def _widths(problem: FitProblem, effort: Effort, units: int | None) -> tuple[int, ...]:
    group = len(problem.rotations)
    if units is not None:
        if units < group:
            raise CalibrationError(f"units {units} found; at least {group} are needed: one channel has as many as the group has rotations")
        return (units // group,)
    widths = MANY_WIDTHS if len(problem) >= MANY else WIDTHS
    return widths if effort.thorough else widths[:1]


def _channels(candidate: Candidate) -> int:
    return int(candidate.label.split()[1])


def _cross_validated(problem: FitProblem, parts: Split, H: int, seed: int, effort: Effort) -> tuple[Candidate, list[PolyconvexFit]]:
    left_out = np.full_like(problem.y, np.nan)
    members = list(effort.map(lambda part: fit_polyconvex(problem.without(part), H, seed=seed, starts=STARTS), parts.folds))
    for part, fit in zip(parts.folds, members, strict=True):
        left_out[part] = fit.predict(problem.x[part])
    return Candidate(f"polyconvex, {H} channels", left_out, parts.error(problem, left_out), None), members


def _constants(law: PolyconvexLaw, without: list[PolyconvexLaw]) -> dict[str, dict[str, list[float | None]]]:
    """Values of the law, and the jackknife's standard errors from the laws of the samples without each fold."""
    result: dict[str, dict[str, list[float | None]]] = {}
    for order in (2, 3, 4):
        table = constants_table(law, order)
        others = np.array([constants_table(other, order).values for other in without])
        errors = _jackknife(others)
        result[str(order)] = {
            name: [float(value), float(error)] for name, value, error in zip(table.names, table.values, errors, strict=True)
        }
    return result


def _jackknife(values: Float[np.ndarray, "k m"]) -> Float[np.ndarray, " m"]:
    k = len(values)
    return np.sqrt((k - 1) / k * np.sum((values - values.mean(axis=0)) ** 2, axis=0))
