"""Which law: few candidates, judged by samples that they have not seen; then an ensemble of the best, distilled into one law."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import final

import numpy as np
from jaxtyping import Float, Int

from constitutive.calibration.network import NetworkFit, Shape, fit_network
from constitutive.calibration.series import SeriesFit, fit_series
from constitutive.errors import CalibrationError
from constitutive.laws import Domain
from constitutive.laws.leave_one_out import series_choices
from constitutive.laws.problem import Problem
from constitutive.tensors.polynomials import invariant_polynomials

UNITS = 768  # |G|·H of the saved law at most
CHANNELS = 48  # H at most: groups with few operations need no more, and time grows with its square
FOLDS = 4
FIRST_ROUND = 2  # folds that every candidate is tried on
SEMIFINAL = 4  # candidates tried on the other folds
MANY = 100  # samples from which on time is spent on larger networks instead of more of them
FEW_AVERAGED, MANY_AVERAGED = 3, 2  # starts averaged for each left-out part, as the final law averages: one alone asks for more ridge
FEW_STARTS, MANY_STARTS = (24, 15), (12, 8)  # random starts of the final fit, and how many of the better ones are averaged
ALIKE = 1.5  # candidates within this factor of the best are averaged with it, by the inverse squares of their errors
CHEAP = 0.1  # a series with fewer coefficients than this share of the numbers to fit can do no harm: no shorter one is tried
MOST_ALIKE = 4
HANDICAP = 1.15  # on the error of a network beside a shorter series than the data allow: it wins more often by chance than by right
RIDGES = (1e-6, 1e-5, 1e-4, 1e-3)

PATHLIKE = 0.5  # fewer directions of strain than this share of the samples: they lie on paths
LAWS = ("all", "series")

Progress = Callable[[str, float], None]


@final
@dataclass(frozen=True, eq=False)
class Trial:
    """One candidate and its predictions for samples that it had not seen.

    Attributes
    ----------
    label
        For tables.
    left_out
        Stress (Mandel, GPa).
    error
        Relative, over all samples.
    shape
        Of the network, or None for a series.
    """

    label: str
    left_out: Float[np.ndarray, "n 6"]
    error: float
    shape: Shape | None
    degrees: tuple[int, ...] = ()


@final
@dataclass(frozen=True, eq=False)
class Choice:
    """The chosen law and all trials.

    Attributes
    ----------
    fit
        The law, as parameters.
    trials
        Every candidate that was tried on all samples.
    best
        The one chosen.
    baseline
        The network without symmetry.
    members
        The fits behind the law: more than one when it was distilled.
    mean_left_out
        Predictions for unseen samples by the mean of the better candidates (Mandel, GPa): what the distilled law is likely to reach.
    notes
        For the user.
    """

    fit: NetworkFit
    trials: list[Trial]
    best: Trial
    baseline: Trial
    members: list[NetworkFit]
    mean_left_out: Float[np.ndarray, "n 6"]
    notes: list[str] = field(default_factory=list)


def folds(problem: Problem, count: int, seed: int) -> list[np.ndarray]:
    """Disjoint parts of the samples, of like size; samples along one path stay together.

    A sample between two neighbours of its path is no test of a law. Random strains hardly ever share a direction: their folds are random.
    """
    n = len(problem)
    paths = path_of_samples(problem.x)
    rng = np.random.default_rng(seed)
    if paths.max() + 1 > PATHLIKE * n:
        return [np.sort(part) for part in np.array_split(rng.permutation(n), min(count, n)) if len(part)]
    members = [np.nonzero(paths == k)[0] for k in rng.permutation(paths.max() + 1)]
    parts: list[list[int]] = [[] for _ in range(min(count, len(members)))]
    for group in sorted(members, key=len, reverse=True):
        min(parts, key=len).extend(int(k) for k in group)
    return [np.sort(np.array(part)) for part in parts]


def path_of_samples(x: Float[np.ndarray, "n 6"]) -> Int[np.ndarray, " n"]:
    """Number of the path that each sample is on: strains of one direction, to within 15 degrees."""
    size = np.linalg.norm(x, axis=1)
    unit = x / np.maximum(size, 1e-300)[:, None]
    heads: list[np.ndarray] = []
    paths = np.zeros(len(x), dtype=np.int64)
    for k in np.argsort(-size):
        near = [j for j, head in enumerate(heads) if unit[k] @ head > np.cos(np.radians(15))]
        if not near:
            heads.append(unit[k])
        paths[k] = near[0] if near else len(heads) - 1
    return paths


def typical_error(problem: Problem, left_out: Float[np.ndarray, "n 6"], parts: list[np.ndarray]) -> float:
    """Relative error on samples left out: the geometric mean over folds, which one hard fold can't decide.

    Parts that have not been predicted yet (NaN) don't count.
    """
    squares = np.mean(problem.measured(left_out - problem.y) ** 2, axis=1)
    means = [squares[part].mean() for part in parts if np.isfinite(squares[part]).all()]
    return float(np.sqrt(np.exp(np.mean(np.log(np.maximum(means, 1e-300)))))) / problem.unit


def candidate_shapes(problem: Problem) -> list[Shape]:
    """Networks worth trying for a group and a number of samples: two sizes, four ridges, two series."""
    g, n = len(problem.rotations), len(problem)
    most = max(min(UNITS // g, CHANNELS, (6 * n) // 9), 1)  # parameters beyond the numbers to fit help nobody
    sizes = sorted({max(most // 2, 1), most}) if n >= MANY else sorted({max(most // 4, 1), max(most // 2, 1)})
    counts = {d: len(invariant_polynomials(problem.rotations, d)) for d in (2, 3, 4, 5)}
    room = [d for d in (2, 3, 4, 5) if sum(counts[k] for k in range(2, d + 1)) <= 2 * n]
    highest = min(max(room, default=2), 4)
    usual = tuple(range(2, highest + 1))
    shapes = [Shape(usual, h, ridge) for h in sizes for ridge in RIDGES]
    if highest > 2 and sum(counts[d] for d in usual) > CHEAP * 6 * n:
        lower = tuple(range(2, highest))
        shapes += [Shape(lower, h, ridge) for h in sizes for ridge in RIDGES[1:]]
    if 5 in room and highest == 4:
        shapes.append(Shape((2, 3, 4, 5), sizes[0], 1e-5))
    return shapes


@final
class _Contest:
    """Cross-validation in two rounds: all candidates on half of the folds, the better ones on the rest."""

    def __init__(self, problem: Problem, shapes: list[Shape], seed: int):
        self.problem, self.shapes, self.seed = problem, shapes, seed
        self.parts = folds(problem, FOLDS, seed)
        self.left_out = {shape: np.full_like(problem.y, np.nan) for shape in shapes}

    def run(self, shape: Shape, k: int) -> None:
        part = self.parts[k]
        rest = self.problem.subset(np.setdiff1d(np.arange(len(self.problem)), part))
        starts = range(FEW_AVERAGED if len(self.problem) < MANY else MANY_AVERAGED)
        fits = [fit_network(rest, shape, self.seed + 1000 * start + k) for start in starts]
        self.left_out[shape][part] = np.mean([fit.predict(self.problem.x[part]) for fit in fits], axis=0)

    def error(self, shape: Shape) -> float:
        """Relative error on the samples predicted so far."""
        return typical_error(self.problem, self.left_out[shape], self.parts)

    def trials(self, progress: Progress) -> list[Trial]:
        """The candidates of the second round, best first; a large network beside the longest series always takes part.

        In half of the folds chance may drop it; among many samples it has been the safest choice.
        """
        early = min(FIRST_ROUND, len(self.parts))
        total = len(self.shapes) * early + SEMIFINAL * (len(self.parts) - early)
        done = 0
        for shape in self.shapes:
            for k in range(early):
                progress(f"cross-validating {shape.label}", 0.05 + 0.5 * done / total)
                self.run(shape, k)
                done += 1
        longest = max(len(shape.degrees) for shape in self.shapes if shape.degrees[-1] <= 4)
        handicap = {shape: 1.0 if len(shape.degrees) >= longest else HANDICAP for shape in self.shapes}
        better = sorted(self.shapes, key=lambda shape: handicap[shape] * self.error(shape))[:SEMIFINAL]
        safe = [s for s in self.shapes if s.channels == max(t.channels for t in self.shapes) and s.degrees[-1] <= 4]
        safe = [min((s for s in safe if len(s.degrees) == longest), key=self.error)]
        better += [shape for shape in safe if shape not in better]
        for shape in better:
            for k in range(early, len(self.parts)):
                progress(f"cross-validating {shape.label}", 0.05 + 0.5 * done / total)
                self.run(shape, k)
                done += 1
        found = [Trial(shape.label, self.left_out[shape], self.error(shape), shape, shape.degrees) for shape in better]
        return sorted(found, key=lambda trial: trial.error * handicap[trial.shape or self.shapes[0]])


def try_network(problem: Problem, shape: Shape, seed: int, count: int = FOLDS) -> Trial:
    """Cross-validate one network."""
    contest = _Contest(problem, [shape], seed)
    for k in range(min(count, len(contest.parts))):
        contest.run(shape, k)
    return Trial(shape.label, contest.left_out[shape], contest.error(shape), shape, shape.degrees)


def try_series(problem: Problem, degrees: tuple[int, ...], seed: int) -> tuple[Trial, SeriesFit]:
    """A series, judged in closed form by leaving each sample out; by whole paths where the samples lie on paths."""
    fit = fit_series(problem, degrees)
    parts, left_out = folds(problem, FOLDS, seed), fit.left_out
    if path_of_samples(problem.x).max() + 1 <= PATHLIKE * len(problem) and len(parts) > 1:
        left_out = np.empty_like(problem.y)
        for part in parts:
            rest = problem.subset(np.setdiff1d(np.arange(len(problem)), part))
            left_out[part] = fit_series(rest, degrees).fit.predict(problem.x[part])
    error = typical_error(problem, left_out, parts)
    return Trial(Shape(degrees, 0, fit.ridge).label, left_out, error, None, degrees), fit


def baseline(problem: Problem, seed: int, *, shapes: int = 3) -> Trial:
    """The unconstrained network, cross-validated likewise: what the same samples give without symmetry."""
    free = problem.ungrouped()
    channels = int(np.clip(6 * len(problem) // 16, 4, 32))
    trials = [try_network(free, Shape((), channels, ridge), seed, FIRST_ROUND) for ridge in (1e-4, 1e-5, 1e-3)[:shapes]]
    best = min(trials, key=lambda trial: trial.error)
    return Trial("network without symmetry", best.left_out, best.error, best.shape)


def choose(problem: Problem, domain: Domain, seed: int, progress: Progress, *, laws: str = "all") -> Choice:
    """Try the candidates, take the best, fit it to all samples.

    Parameters
    ----------
    problem
        The training samples.
    domain
        Where the distilled law has to follow its teachers.
    seed
        Of folds and initial directions.
    progress
        Called with what is being done and the fraction done.
    laws
        ``"all"``, or ``"series"`` alone.

    Raises
    ------
    CalibrationError
        ``laws`` is neither.
    """
    series = [try_series(problem, degrees, seed) for degrees in series_choices(problem)]
    if laws not in LAWS:
        raise CalibrationError(f"laws {laws!r} found; choose one of {', '.join(LAWS)}")
    networks = _Contest(problem, candidate_shapes(problem), seed).trials(progress) if laws == "all" else []
    trials = sorted([*(trial for trial, _ in series), *networks], key=lambda trial: trial.error)
    best = trials[0]
    progress("fitting the baseline without symmetry", 0.58)
    without = baseline(problem, seed, shapes=3 if laws == "all" else 1)
    if best.shape is None:
        fit = next(fit.fit for trial, fit in series if trial is best)
        others = [other.fit for trial, other in series if trial.error < 2 * best.error]
        return Choice(fit, trials, best, without, others, best.left_out)
    alike = [trial for trial in networks if trial.error < ALIKE * best.error][:MOST_ALIKE]
    members: list[NetworkFit] = []
    weights: list[float] = []
    for k, trial in enumerate(alike):
        progress(f"fitting {trial.label} to all samples", 0.62 + 0.07 * k)
        fits = _better_starts(problem, trial.shape or Shape((2,), 1, 1e-4), seed + 100 * (k + 1), len(alike))
        members += fits
        weights += [trial.error**-2 / len(fits)] * len(fits)
    progress(f"distilling {len(members)} networks into one", 0.85)
    left_out = np.average([trial.left_out for trial in alike], axis=0, weights=[trial.error**-2 for trial in alike])
    return Choice(distil(problem, members, weights, domain, seed), trials, best, without, members, left_out)


def learning_curve(problem: Problem, best: Trial, seed: int) -> list[tuple[int, float]]:
    """Error of the chosen kind of law on the other samples when a quarter, a half, three quarters of the samples are given."""
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


def _better_starts(problem: Problem, shape: Shape, seed: int, share: int) -> list[NetworkFit]:
    """Fits from several random starts, those of the lower objective: the others sit in poor local minima."""
    starts, kept = FEW_STARTS if len(problem) < MANY else MANY_STARTS
    fits = [fit_network(problem, shape, seed + k) for k in range(starts // share)]
    return sorted(fits, key=lambda fit: fit.objective)[: max(kept // share, 1)]


def distil(problem: Problem, members: list[NetworkFit], weights: list[float], domain: Domain, seed: int) -> NetworkFit:
    """One network of at most 768 orbit units that follows the mean of several.

    It learns their mean at random strains of the domain beside the samples' own, where noise and chance of the members cancel
    (Hinton, Vinyals & Dean 2015, arXiv:1503.02531).
    """
    rng = np.random.default_rng(seed + 7)
    extra = random_strains(domain, 2 * len(problem) + 150, rng)
    x = np.concatenate([problem.x, extra])
    y = np.average([member.predict(x) for member in members], axis=0, weights=weights)
    norm = np.concatenate([problem.norm, np.broadcast_to(problem.norm.mean(axis=0), (len(extra), 6, 6))])
    teacher = Problem(x, y, norm, problem.rotations)
    nearest = min(members, key=lambda member: teacher.relative_error(member.predict(x)))
    H = min(UNITS // len(problem.rotations), CHANNELS, sum(len(member.biases) for member in members))
    others = [(w, b) for member in members if member is not nearest for w, b in zip(member.directions, member.biases, strict=True)]
    picked = rng.permutation(len(others))[: max(H - len(nearest.biases), 0)]
    w = np.concatenate([nearest.directions, np.array([others[k][0] for k in picked]).reshape(-1, 6)])
    b = np.concatenate([nearest.biases, np.array([others[k][1] for k in picked])])
    degrees = tuple(sorted({d for member in members for d in member.features.degrees}))
    start = (w * teacher.scale / nearest.features.scale, b)
    student = fit_network(teacher, Shape(degrees, len(b), 1e-9), seed, start=start)
    return student if student.residual < 0.5 * teacher.relative_error(nearest.predict(x)) else nearest


def random_strains(domain: Domain, count: int, rng: np.random.Generator, *, uniform_size: bool = True) -> Float[np.ndarray, "n 6"]:
    """Strains of random direction, their size in the domain's metric uniform, or (if not) more of them near its boundary."""
    values, vectors = np.linalg.eigh(domain.metric)
    u = rng.normal(size=(count, 6))
    size = rng.uniform(size=count) ** (1.0 if uniform_size else 1 / 3)
    u *= (domain.radius * size / np.linalg.norm(u, axis=1))[:, None]
    return (u / np.sqrt(values)) @ vectors.T
