"""Which law: candidates ranked by their errors on left-out samples; then an ensemble of the best, distilled into one law."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import final

import numpy as np
from jaxtyping import Float

from constitutive.calibration.baselines import best_without_symmetry
from constitutive.calibration.candidates import Candidate, Progress, try_series
from constitutive.calibration.cross_validation import Split
from constitutive.calibration.distillation import Width, distil
from constitutive.calibration.effort import FULL, MANY, Effort
from constitutive.calibration.ellipticity import loses_ellipticity
from constitutive.calibration.ensemble import Ensemble, cross_validated, smoother, stack
from constitutive.calibration.model_search import finish, search
from constitutive.errors import CalibrationError
from constitutive.fitting import FitProblem, SeriesFit, SeriesNetworkFit, fit_network, fit_series, series_choices
from constitutive.laws import Domain

LAWS = ("all", "series")
LITTLE_MORE = 3.0  # error of an elliptic law relative to one that is not, up to which it is preferred
FAR_DEGREE = 3  # of the longest series on paths of large strain


@final
@dataclass(frozen=True, eq=False)
class Selection:
    """The chosen law and all candidates.

    Attributes
    ----------
    fit
        The law, as parameters.
    candidates
        Every candidate that was cross-validated, the best first.
    best
        The one chosen.
    baseline
        The network without symmetry.
    members
        The fits behind the law: more than one when it was distilled.
    notes
        For the user.
    widths
        Of the laws that were distilled, in order; empty where none was.
    """

    fit: SeriesNetworkFit
    candidates: list[Candidate]
    best: Candidate
    baseline: Candidate
    members: list[SeriesNetworkFit]
    notes: list[str] = field(default_factory=list)
    widths: list[Width] = field(default_factory=list)


def select(
    problem: FitProblem,
    split: Split,
    domain: Domain,
    seed: int,
    progress: Progress,
    *,
    laws: str = "all",
    weights: Float[np.ndarray, " n"] | None = None,
    effort: Effort = FULL,
    units: int | None = None,
) -> Selection:
    """Try the candidates, take the best, fit it to all samples.

    Parameters
    ----------
    problem
        The training samples.
    split
        How they are left out.
    domain
        Strains at which the distilled law is fitted to the ensemble.
    seed
        Of the initial directions.
    progress
        Called with what is being done and the fraction done.
    laws
        ``"all"``, or ``"series"`` alone.
    weights
        Of the samples in the fits of networks; errors are stated with all samples counting alike.
    effort
        How much is tried, on how many threads.
    units
        Orbit units of a law with a network, instead of the fewest that do.

    Returns
    -------
    Selection

    Raises
    ------
    CalibrationError
        ``laws`` is neither, or ``units`` are fewer than the operations of the group.
    """
    if laws not in LAWS:
        raise CalibrationError(f"laws {laws!r} found; choose one of {', '.join(LAWS)}")
    series = series_candidates(problem, split, networks=laws == "all")
    fitted = problem if weights is None else problem.reweighted(weights)
    ensemble = network_ensemble(problem, fitted, split, seed, progress, effort) if laws == "all" else None
    progress("fitting the baseline without symmetry", 0.86)
    without = best_without_symmetry(problem, split, seed, shapes=3 if laws == "all" and effort.thorough else 1, effort=effort)
    candidates = [candidate for candidate, _ in series]
    if ensemble is not None:
        candidates += [*ensemble.candidates, ensemble.mean]
    candidates = sorted(candidates, key=lambda candidate: candidate.error)
    best, _ = min(series, key=lambda pair: pair[0].error)
    if ensemble is None or best.error <= ensemble.mean.error:
        return _of_series(problem, split, series, best, candidates, without)
    progress(f"distilling {len(ensemble.members)} networks into one", 0.9)
    steps = effort.distilled_steps[len(problem) >= MANY]
    fits, error = [member.fit for member in ensemble.members], ensemble.mean.error
    growth = effort.width_growth
    distilled = distil(problem, fits, ensemble.weights, domain, seed, error=error, units=units, steps=steps, growth=growth)
    if split.on_paths and loses_ellipticity(distilled.student.law(), problem.x) and _elliptic(problem, series, ensemble.mean):
        return _of_series(problem, split, series, ensemble.mean, candidates, without)
    return Selection(distilled.student, candidates, ensemble.mean, without, distilled.followers, widths=distilled.widths)


def _of_series(
    problem: FitProblem,
    split: Split,
    series: list[tuple[Candidate, SeriesFit]],
    best: Candidate,
    candidates: list[Candidate],
    without: Candidate,
) -> Selection:
    """The best series; on paths the best that keeps strong ellipticity at its own samples, where one does and errs little more."""
    chosen, notes = best, list[str]()
    fits = {candidate.label: fit for candidate, fit in series}
    if split.on_paths and (best.label not in fits or loses_ellipticity(fits[best.label].fit.law(), problem.x)):
        others = _elliptic(problem, series, best)
        if others:
            chosen = others[0]
            notes.append(f"{best.label} ({100 * best.error:.2g} %) loses strong ellipticity at strains of the samples and was not chosen")
    near = [other.fit for candidate, other in series if candidate.error < 2 * chosen.error]
    return Selection(fits[chosen.label].fit, candidates, chosen, without, near, notes)


def _elliptic(problem: FitProblem, series: list[tuple[Candidate, SeriesFit]], best: Candidate) -> list[Candidate]:
    """Series that are strongly elliptic at the samples and err little more than the best candidate, the best first."""
    near = [(candidate, fit) for candidate, fit in series if candidate is not best and candidate.error < LITTLE_MORE * best.error]
    kept = [candidate for candidate, fit in near if not loses_ellipticity(fit.fit.law(), problem.x)]
    return sorted(kept, key=lambda candidate: candidate.error)


def series_candidates(problem: FitProblem, split: Split, *, networks: bool) -> list[tuple[Candidate, SeriesFit]]:
    """Series of every length that the samples determine; short ones beside networks on paths of large strain.

    Parameters
    ----------
    problem : FitProblem
    split : Split
    networks : bool
        Whether networks are candidates as well.

    Returns
    -------
    list of (Candidate, SeriesFit)
    """
    choices = series_choices(problem, FAR_DEGREE) if split.far_apart and networks else series_choices(problem)
    return [try_series(problem, degrees, split) for degrees in choices]


def network_ensemble(
    problem: FitProblem, fitted: FitProblem, split: Split, seed: int, progress: Progress, effort: Effort = FULL
) -> Ensemble:
    """Search, finish, average and cross-validate networks.

    Parameters
    ----------
    problem
        The samples, all counting alike: on these errors are stated.
    fitted
        The same samples with the weights of the fits.
    split, seed, progress, effort
        As for :func:`select`.

    Returns
    -------
    Ensemble
    """
    begun = search(fitted, split, seed, progress, effort)
    members, weights = stack(fitted, finish(fitted, split, begun, progress, effort), effort)
    found = cross_validated(fitted, split, members, weights, smoother(fitted, split, begun, members), seed, progress, effort)
    judged = [unweighted(problem, split, candidate) for candidate in (*found.candidates, found.mean)]
    return replace(found, candidates=judged[:-1], mean=judged[-1])


def unweighted(problem: FitProblem, split: Split, candidate: Candidate) -> Candidate:
    """A candidate with its error over all samples counting alike.

    Parameters
    ----------
    problem : FitProblem
        All samples, counting alike.
    split : Split
    candidate : Candidate

    Returns
    -------
    Candidate
    """
    return replace(candidate, error=split.error(problem, candidate.left_out))


def learning_curve(problem: FitProblem, best: Candidate, seed: int) -> list[tuple[int, float]]:
    """Error on the other samples of one law of the chosen kind, fitted to a quarter, a half, three quarters of the samples.

    It is one fit from one start, no mean of networks: it shows how fast the error falls, not what calibration reaches.

    Parameters
    ----------
    problem : FitProblem
    best : Candidate
        Whose kind is fitted.
    seed : int
        Of the order of the samples.

    Returns
    -------
    list of (samples, error)
    """
    order = np.random.default_rng(seed + 3).permutation(len(problem))
    curve = []
    for share in (0.25, 0.5, 0.75):
        count = round(share * len(problem))
        part, rest = problem.subset(order[:count]), problem.subset(order[count:])
        if count < 3 or not len(rest):
            continue
        fit = fit_series(part, best.degrees).fit if best.shape is None else fit_network(part, best.shape, seed)
        curve.append((count, rest.relative_error(fit.predict(rest.x))))
    return curve
