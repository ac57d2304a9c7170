"""From samples to a material."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from jaxtyping import Float

from constitutive.calibration import checks
from constitutive.calibration.choose import Choice, choose, learning_curve
from constitutive.calibration.contest import Progress
from constitutive.calibration.outer import Outer, anchored, constants_with_errors, made_elliptic, rank_of_data, uncertainty_of
from constitutive.calibration.outliers import Standing, standing_of
from constitutive.calibration.reference import ReferenceStress, judge
from constitutive.calibration.report import CalibrationReport, evaluate
from constitutive.data import StressStrainData
from constitutive.errors import CalibrationError
from constitutive.fitting.problem import FitProblem, problem_of
from constitutive.intake import FAULTS, check
from constitutive.intake.findings import few_outliers
from constitutive.intake.samples import ANOTHER_STRESS
from constitutive.laws import Domain, Law, SeriesLaw, SumLaw
from constitutive.material import Material
from constitutive.symmetry import PointGroup
from constitutive.tensors.packing import from_mandel, to_mandel


def calibrate(
    data: StressStrainData,
    *,
    train: int | None = None,
    seed: int = 0,
    point_group: PointGroup | str | None = None,
    residual_stress: str | None = None,
    anchors: Mapping[str, Any] | None = None,
    elliptic: bool = False,
    laws: str = "all",
    allow: tuple[str, ...] = (),
    progress: Progress | None = None,
) -> Material:
    """Calibrate the law of a crystal on its samples; the held-out ``paths`` of the data are never looked at.

    Parameters
    ----------
    data
        Samples with the reference structure or a declared point group.
    train
        Use the first so many samples only.
    seed
        The same seed gives the same law, bit for bit on one machine.
    point_group
        For data without a structure: a symbol (standard axes) or a PointGroup in the frame of the data.
    residual_stress
        ``"keep"`` or ``"remove"``, needed where the data carry more than 1 % at zero strain.
    anchors
        Known elastic constants of order 2 or 3 beside the samples: name, then value and standard error (GPa), such as
        ``{"C11": (166, 1)}``; Brugger's definition.
    elliptic
        Penalise the loss of strong ellipticity within the domain.
    laws
        ``"all"`` candidates, or ``"series"`` only: polynomials in closed form, within a second.
    allow
        Faults of the intake check (``constitutive check``) that do not stop the calibration: "unit", "stress_frame", ….
    progress
        Called with what is being done and the fraction done.

    Returns
    -------
    Material, its ``report`` a CalibrationReport.

    Raises
    ------
    CalibrationError
        No group, too few samples, or a residual stress that nobody ruled on.
    IntakeError
        The intake check is sure of a fault that is not in `allow`, such as a group that the data contradict; ``.finding`` says
        which, and what mends it.
    """
    tell = progress or (lambda _what, _fraction: None)
    samples = data if train is None else data.head(train)
    group = group_of(samples, point_group)
    tell("checking the data", 0.0)
    declared = isinstance(point_group, str) and samples.structure is None
    told = ("reference_stress",) if residual_stress is not None else ()
    doubts = require_sound(samples.replace(point_group=point_group) if declared else samples, (*allow, *told))
    rotations = np.array(group.laue_rotations)
    reference = judge(samples, rotations, residual_stress)
    problem = problem_of(samples, rotations, reference.taken_off)
    checks.require_enough(problem, constants="coverage" not in allow)
    if "reference_stress" not in allow:
        checks.require_one_reference(problem)
    problem, kept, notes = _cleaned(problem, strict="duplicates" not in allow)
    problem, kept, notes = _tamed(problem, kept, [*doubts, *notes])
    if "wrong_group" not in allow:
        checks.require_group(problem)
    weights = None
    if laws == "all":
        standing = standing_of(problem, seed, tell)
        notes = [*notes, *_named(standing, kept)]
        problem, kept, weights = problem.subset(standing.kept), kept[standing.kept], standing.weights
    domain = Domain.of_strains(problem.x, rotations)
    choice = choose(problem, domain, seed, tell, laws=laws, weights=weights)
    tell("uncertainty and constants", 0.97)
    outer, more = _finished(Outer(choice.fit, problem), choice, domain, anchors, elliptic)
    law = _with_reference(outer.fit.law(), reference)
    posterior = uncertainty_of(outer, choice.best.left_out)
    card = _card(samples, reference, seed) | {
        "constants_GPa": constants_with_errors(outer, posterior, choice.members),
        "rank_of_data": rank_of_data(problem, choice.best.error),
    }
    material = Material(law, group, samples.structure, samples.name, domain, card, uncertainty=posterior)
    report = _report(material, samples, problem, choice, kept, [*notes, *more], learning_curve(problem, choice.best, seed))
    tell("done", 1.0)
    return replace(material, card={**card, "calibration": report.as_dict()}, report=report)


def _finished(outer: Outer, choice: Choice, domain: Domain, anchors: Mapping[str, Any] | None, elliptic: bool) -> tuple[Outer, list[str]]:
    """Anchors, then ellipticity, each by the linear half of the law."""
    notes = []
    if anchors:
        noise = choice.best.error * float(np.sqrt(np.mean(outer.problem.normed(outer.problem.y) ** 2))) / outer.fit.unit
        outer = Outer(anchored(outer, anchors, noise), outer.problem)
    if elliptic:
        before = outer.problem.relative_error(outer.fit.predict(outer.problem.x))
        fit, lowest = made_elliptic(outer, domain)
        after = outer.problem.relative_error(fit.predict(outer.problem.x))
        outer = Outer(fit, outer.problem)
        notes.append(
            f"ellipticity in the domain: smallest eigenvalue of the acoustic tensor {lowest:.3g} GPa; error on the samples "
            f"{100 * before:.2g} % before, {100 * after:.2g} % after"
        )
    return outer, notes


def require_sound(samples: StressStrainData, allow: tuple[str, ...] = ()) -> list[str]:
    """Stop on the first sure fault of the intake check that nobody allowed.

    Returns
    -------
    The other findings, for the user; without repeated and wild samples, which calibration names itself.

    Raises
    ------
    IntakeError
        With the finding itself as ``.finding``.
    CalibrationError
        A name in `allow` is no fault.
    """
    unknown = [name for name in allow if name not in FAULTS]
    if unknown:
        raise CalibrationError(f"allow: found {unknown[0]!r}; needed names among {', '.join(FAULTS)}")
    report = check(samples)
    report.require_sound(allowed=allow)
    others = [finding for finding in report.findings if finding.fault not in {"duplicates", "outliers"}]
    return [f"{'allowed' if finding.is_sure else 'perhaps'}: {finding.fault}: {finding.message}" for finding in others]


def group_of(data: StressStrainData, wish: PointGroup | str | None) -> PointGroup:
    """The group to calibrate under: of the structure, of the data's declaration, or as the user says.

    Raises
    ------
    CalibrationError
        There is none, or the user's contradicts the structure.
    """
    wanted = PointGroup.from_symbol(wish) if isinstance(wish, str) else wish
    if data.structure is not None:
        found = PointGroup.from_structure(data.structure)
        if wanted is not None and wanted.symbol != found.symbol:
            raise CalibrationError(
                f"the point group {wanted.symbol} was asked for, but the structure in the data has {found.symbol}; leave the option "
                "out, or drop the structure from the data to impose another group"
            )
        return found
    declared = None if data.point_group is None else PointGroup.from_symbol(data.point_group)
    if wanted is not None and declared is not None and wanted.symbol != declared.symbol:
        raise CalibrationError(f"the point group {wanted.symbol} was asked for, but the data declare {declared.symbol}; which is it?")
    chosen = wanted or declared
    if chosen is None:
        raise CalibrationError(
            "the data hold neither a structure nor a point group; say point_group='m-3m' (--point-group m-3m) in standard axes, "
            "or add lattice, species and frac_coords to the data"
        )
    return chosen


def _cleaned(problem: FitProblem, *, strict: bool) -> tuple[FitProblem, np.ndarray, list[str]]:
    """Drop repeated samples; name them."""
    pairs = checks.duplicates(problem)
    for first, second in pairs:
        if strict and np.abs(problem.y[first] - problem.y[second]).max() > ANOTHER_STRESS * problem.unit:
            raise CalibrationError(
                f"samples {first} and {second} have the same strain but different stresses; one of them is wrong, remove it"
            )
    dropped = sorted({second for _, second in pairs})
    kept = np.setdiff1d(np.arange(len(problem)), dropped)
    notes = [f"samples {dropped} repeat earlier ones and were left out"] if dropped else []
    return problem.subset(kept), kept, notes


def _tamed(problem: FitProblem, kept: np.ndarray, notes: list[str]) -> tuple[FitProblem, np.ndarray, list[str]]:
    """Leave out the wild samples and name them; many of them mean that something else is wrong."""
    wild = checks.wild_samples(problem)
    if not wild or not few_outliers(len(wild), len(problem)):
        return problem, kept, notes
    names = ", ".join(f"{kept[k]} (off by {100 * error:.0f} % of the rms stress)" for k, error in wild)
    note = f"wild samples were left out: {names}; check them (wrong sign or file, another phase, not converged)"
    rest = np.setdiff1d(np.arange(len(problem)), [k for k, _ in wild])
    return problem.subset(rest), kept[rest], [*notes, note]


def _named(standing: Standing, kept: np.ndarray) -> list[str]:
    """What to say of samples that the others speak against."""
    if not standing.outlying:
        return []
    names = ", ".join(f"{kept[k]} (with it the others are predicted {ratio:.2g} times worse)" for k, ratio in standing.outlying)
    return [f"samples out of line with the others were left out: {names}; check them (another phase, a bifurcation, not relaxed)"]


def _with_reference(law: Law, reference: ReferenceStress) -> Law:
    if reference.rule != "keep":
        return law
    constant = SeriesLaw({1: np.asarray(to_mandel(reference.stress))}, law.rotations.numpy())
    return SumLaw([law, constant])


def _card(samples: StressStrainData, reference: ReferenceStress, seed: int) -> dict[str, Any]:
    return {
        "data": {"name": samples.name, "sha256": samples.sha256, "samples": len(samples), "measure": samples.measure, "ions": samples.ions},
        "residual_stress": reference.card(),
        "seed": seed,
    }


def _report(
    material: Material,
    samples: StressStrainData,
    problem: FitProblem,
    choice: Choice,
    kept: np.ndarray,
    notes: list[str],
    curve: list[tuple[int, float]],
) -> CalibrationReport:
    errors = np.linalg.norm(problem.normed(choice.best.left_out - problem.y), axis=1)
    typical = np.linalg.norm(problem.normed(problem.y)) / np.sqrt(len(problem))
    worst = [(int(kept[k]), float(errors[k] / typical)) for k in np.argsort(-errors)[:5]]
    others = [trial for trial in choice.trials if trial is not choice.best]
    second = min(others, key=lambda trial: trial.error, default=choice.best)
    without = 100 * choice.baseline.error
    chance = ", a member of it that did better on these by chance" if second.shape and second.error < choice.best.error else ""
    reason = (
        f"it predicts samples that it has not seen to {100 * choice.best.error:.2g} %, "
        f"the best other candidate ({second.label}{chance}) to {100 * second.error:.2g} %, "
        f"a network without symmetry {without:.2g} %"
    )
    return CalibrationReport(
        chosen=choice.best.label,
        reason=reason,
        trials=[*choice.trials, choice.baseline],
        held_out_error=choice.best.error,
        baseline_error=choice.baseline.error,
        training=evaluate(material, samples),
        worst_samples=worst,
        learning_curve=curve,
        notes=[*notes, *choice.notes],
        left_out=(_tensors(choice.best.left_out), _tensors(problem.y)),
    )


def _tensors(x: Float[np.ndarray, "n 6"]) -> Float[np.ndarray, "n 3 3"]:
    return np.asarray(from_mandel(x))
