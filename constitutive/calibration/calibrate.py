"""From samples to a material."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from constitutive.calibration import cleaning
from constitutive.calibration.anchors import anchored
from constitutive.calibration.candidates import Progress
from constitutive.calibration.cleaning import group_of
from constitutive.calibration.coupled import calibrate_coupled, refuse_elastic_options
from constitutive.calibration.coupled_data import variables_of
from constitutive.calibration.cross_validation import split
from constitutive.calibration.effort import Effort
from constitutive.calibration.ellipticity import made_elliptic
from constitutive.calibration.linear_parameters import LinearParameters
from constitutive.calibration.outliers import find_outliers
from constitutive.calibration.polyconvex import select_polyconvex
from constitutive.calibration.posterior import constants_with_errors, rank_of_data, uncertainty_of, undetermined_constants
from constitutive.calibration.provenance import data_of_card
from constitutive.calibration.report import report_of
from constitutive.calibration.residual_stress import ResidualStress, find_residual_stress
from constitutive.calibration.selection import Selection, select
from constitutive.calibration.streaming import Pieces, refitted_on_all
from constitutive.data import StressStrainData
from constitutive.errors import CalibrationError
from constitutive.fitting import FitProblem, problem_of
from constitutive.laws import Domain, Law, SeriesLaw, SumLaw
from constitutive.material import Material
from constitutive.symmetry import PointGroup
from constitutive.tensors.packing import to_mandel

USELESS = 0.5  # relative error on samples left out


def calibrate(
    data: StressStrainData,
    *,
    train: int | None = None,
    seed: int = 0,
    point_group: PointGroup | str | None = None,
    residual_stress: str | None = None,
    anchors: Mapping[str, object] | None = None,
    elliptic: bool = False,
    polyconvex: bool = False,
    laws: str = "all",
    allow: tuple[str, ...] = (),
    progress: Progress | None = None,
    effort: str = "full",
    workers: int | None = None,
    units: int | None = None,
    variables: str | Sequence[str] | None = None,
    pieces: Pieces | None = None,
) -> Material:
    """Calibrate the law of a crystal on its samples; the held-out ``paths`` of the data are never looked at.

    In this order: clean the samples, remove or keep the residual stress, cross-validate the candidates, average the best networks, select
    the law, fit its linear parameters to all samples of a large file, impose anchors and ellipticity, and state its posterior.

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
    polyconvex
        A law that is polyconvex, and so strongly elliptic at every deformation, not only in the domain
        (:class:`~constitutive.laws.PolyconvexLaw`); in place of all other candidates. Such a law has one well.
    laws
        ``"all"`` candidates, or ``"series"`` only: polynomials in closed form, within a second.
    allow
        Faults of the intake check (``constitutive check``) that do not stop the calibration: "unit", "stress_frame", …; and "error" for a
        law that errs by more than 50 % on left-out samples.
    progress
        Called with what is being done and the fraction done.
    effort
        ``"full"``, or ``"quick"``: fewer networks and shorter fits, for loops over many calibrations.
    workers
        Threads that share the fits, all cores by default; the law does not depend on their number.
    units
        Orbit units |G|·H of a law with a network, instead of the fewest whose expected error is within 5 % of the best.
    variables
        Of the energy: ``"strain,electric_field"``, ``"strain,polarization"``, ``"strain,temperature"`` or more of them; those that vary in
        the data when not given.
    pieces
        Gives the pieces of a larger data set, of which ``data`` are a subset (:func:`constitutive.calibration.calibrate_large`): the law's
        amplitudes and coefficients are fitted to all of them.

    Returns
    -------
    The material; its ``report`` is a CalibrationReport.

    Raises
    ------
    CalibrationError
        No group, too few samples, or a residual stress with no rule for it; or data with several wells for a polyconvex law.
    IntakeError
        The intake check is certain of a fault that is not in `allow`, such as a group that the data contradict; ``.finding`` gives
        which, and the correction.
    """
    report_progress = progress or (lambda _what, _fraction: None)
    if polyconvex:
        _require_polyconvex_alone(elliptic=elliptic, anchors=anchors, laws=laws, residual_stress=residual_stress)
    chosen_effort = Effort.of(effort, workers)
    samples = data if train is None else data.head(train)
    group = group_of(samples, point_group)
    arguments = variables_of(samples, variables)
    if arguments is not None and polyconvex:
        raise CalibrationError("polyconvex: a law of the strain alone can be; leave the option out, or leave the fields out of the data")
    if arguments is not None:
        refuse_elastic_options(residual_stress, anchors, elliptic=elliptic, laws=laws)
        checked = samples.replace(point_group=point_group) if isinstance(point_group, str) and samples.structure is None else samples
        notes = cleaning.require_sound(checked, allow)
        return calibrate_coupled(
            samples, arguments, group, seed=seed, effort=chosen_effort, progress=report_progress, units=units, notes=notes
        )
    rotations = np.array(group.laue_rotations)

    report_progress("checking the data", 0.0)
    declared = isinstance(point_group, str) and samples.structure is None
    decided = ("reference_stress",) if residual_stress is not None else ()
    notes = cleaning.require_sound(samples.replace(point_group=point_group) if declared else samples, (*allow, *decided))
    residual = find_residual_stress(samples, rotations, residual_stress)
    problem = problem_of(samples, rotations, residual.subtracted)
    problem, more = cleaning.cleaned(problem, allow)
    notes += more

    if polyconvex:
        notes += [] if pieces is None else ["the polyconvex law is fitted to a subset of the samples, chosen by leverage"]
        return _polyconvex(samples, group, problem, residual, notes, seed, allow, report_progress, chosen_effort, units)
    weights = None
    if laws == "all":
        outliers = find_outliers(problem, seed, report_progress, chosen_effort)
        notes += outliers.notes(problem)
        problem, weights = problem.subset(outliers.kept), outliers.weights

    domain = Domain.of_strains(problem.x, rotations)
    parts = split(problem, seed)
    selection = select(problem, parts, domain, seed, report_progress, laws=laws, weights=weights, effort=chosen_effort, units=units)

    require_useful(selection.best.error, allow)

    parameters = LinearParameters(selection.fit, problem)
    if pieces is not None:
        report_progress("fitting to all samples", 0.95)
        parameters, more = refitted_on_all(parameters, selection.best.left_out, pieces, residual.subtracted)
        notes += more
    report_progress("uncertainty and constants", 0.97)
    parameters, more = constrained(parameters, selection, domain, anchors, elliptic=elliptic)
    posterior = uncertainty_of(parameters, selection.best.left_out)
    undetermined = undetermined_constants(problem, selection.best.error)
    card = _card(samples, residual, seed, elliptic=elliptic) | {
        "constants_GPa": constants_with_errors(parameters, posterior, selection.members, undetermined),
        "rank_of_data": rank_of_data(problem, selection.best.error),
    }
    law = _with_residual_stress(parameters.fit.law(), residual)
    material = Material(law, group, samples.structure, samples.name, domain, card, uncertainty=posterior)
    report = report_of(material, samples, problem, selection, [*notes, *more], seed)
    report_progress("done", 1.0)
    return replace(material, card={**card, "calibration": report.as_dict()}, report=report)


def _require_polyconvex_alone(*, elliptic: bool, anchors: Mapping[str, object] | None, laws: str, residual_stress: str | None) -> None:
    """Name the options that a polyconvex law cannot be combined with."""
    reasons = {
        "elliptic": "a polyconvex law is elliptic everywhere" if elliptic else "",
        "anchors": "anchors are imposed on linear parameters, which a polyconvex law has not" if anchors else "",
        "laws": "a polyconvex law takes the place of all candidates" if laws != "all" else "",
        "residual_stress": "a kept residual stress takes polyconvexity away" if residual_stress == "keep" else "",
    }
    for option, reason in reasons.items():
        if reason:
            raise CalibrationError(f"polyconvex and {option} found together: {reason}; give one of the two")


def _polyconvex(
    samples: StressStrainData,
    group: PointGroup,
    problem: FitProblem,
    residual: ResidualStress,
    notes: list[str],
    seed: int,
    allow: tuple[str, ...],
    progress: Progress,
    effort: Effort,
    units: int | None,
) -> Material:
    """The material of a polyconvex law."""
    domain = Domain.of_strains(problem.x, np.array(group.laue_rotations))
    selection = select_polyconvex(problem, split(problem, seed), seed, progress, effort=effort, units=units)
    require_useful(selection.best.error, allow)
    card = _card(samples, residual, seed, elliptic=True) | {
        "polyconvex": True,
        "constants_GPa": selection.constants,
        "rank_of_data": rank_of_data(problem, selection.best.error),
    }
    material = Material(selection.law, group, samples.structure, samples.name, domain, card)
    report = report_of(material, samples, problem, selection, notes, seed)
    progress("done", 1.0)
    return replace(material, card={**card, "calibration": report.as_dict()}, report=report)


def require_useful(error: float, allow: tuple[str, ...] = ()) -> None:
    """Refuse a law that explains less than half of the stress of left-out samples, unless "error" is allowed.

    Parameters
    ----------
    error : float
        Relative error of the stress on left-out samples.
    allow : tuple of str
        Faults that the user accepts.

    Raises
    ------
    CalibrationError
        The relative error exceeds 0.5.
    """
    if error > USELESS and "error" not in allow:
        raise CalibrationError(
            f"the best law has an error in the stress of left-out samples of {100 * error:.0f} %, more than {100 * USELESS:.0f} %: the "
            "stresses may belong to other samples (runs sorted as run_1, run_10, run_2), or the samples may be too few or too far apart; "
            "look at the data with `constitutive check`, or accept such a law by allow=('error',) (--allow error)"
        )


def constrained(
    parameters: LinearParameters,
    selection: Selection,
    domain: Domain,
    anchors: Mapping[str, object] | None,
    *,
    elliptic: bool,
) -> tuple[LinearParameters, list[str]]:
    """Impose anchors, then ellipticity, by the linear parameters of the law; with a note for the user.

    Parameters
    ----------
    parameters : LinearParameters
        The law chosen.
    selection : Selection
        Gives the noise of the data.
    domain : Domain
        Where the law is made elliptic.
    anchors : mapping, optional
        Names of constants with value and standard error (GPa).
    elliptic : bool
        Whether to impose ellipticity.

    Returns
    -------
    parameters : LinearParameters
    notes : list of str
    """
    notes: list[str] = []
    problem = parameters.problem
    if anchors:
        noise = selection.best.error * float(np.sqrt(np.mean(problem.normed(problem.y) ** 2))) / parameters.fit.unit
        parameters = LinearParameters(anchored(parameters, anchors, noise), problem)
    if elliptic:
        before = problem.relative_error(parameters.fit.predict(problem.x))
        fit, lowest = made_elliptic(parameters, domain)
        after = problem.relative_error(fit.predict(problem.x))
        parameters = LinearParameters(fit, problem)
        notes.append(
            f"ellipticity in the domain: smallest eigenvalue of the acoustic tensor {lowest:.3g} GPa; error on the samples "
            f"{100 * before:.2g} % before, {100 * after:.2g} % after"
        )
    return parameters, notes


def _with_residual_stress(law: Law, residual: ResidualStress) -> Law:
    if residual.rule != "keep":
        return law
    constant = SeriesLaw({1: np.asarray(to_mandel(residual.stress))}, law.rotations.numpy())
    return SumLaw([law, constant])


def _card(samples: StressStrainData, residual: ResidualStress, seed: int, *, elliptic: bool) -> dict[str, object]:
    card: dict[str, object] = {
        "data": data_of_card(samples),
        "residual_stress": residual.card(),
        "seed": seed,
    }
    return card | {"elliptic": True} if elliptic else card
