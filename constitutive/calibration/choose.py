"""Which law: few candidates, judged by samples that they have not seen; then an ensemble of the best, distilled into one law."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import final

import numpy as np
import torch
from jaxtyping import Float

from constitutive.calibration.network import NetworkFit, Shape, fit_network
from constitutive.calibration.problem import Problem
from constitutive.calibration.series import SeriesFit, fit_series, series_choices
from constitutive.laws import Domain, Law

UNITS = 768  # |G|·H of the saved law at most
FOLDS = 4
MEMBERS = 6
RIDGES = (1e-6, 1e-5, 1e-4)

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
    """The chosen law and all trials."""

    law: Law
    trials: list[Trial]
    best: Trial
    baseline: Trial
    distilled_from: int
    notes: list[str] = field(default_factory=list)


def folds(n: int, count: int, seed: int) -> list[np.ndarray]:
    """Disjoint parts of the samples, of like size."""
    order = np.random.default_rng(seed).permutation(n)
    return [np.sort(part) for part in np.array_split(order, min(count, n)) if len(part)]


def candidate_shapes(problem: Problem) -> list[Shape]:
    """Networks worth trying for a group and a number of samples."""
    g = len(problem.rotations)
    degrees = tuple(d for d in (2, 3, 4) if (d,) and _columns(problem, d) <= 2 * len(problem)) or (2,)
    largest = max(UNITS // g, 1)
    sizes = sorted({max(min(UNITS // (4 * g), largest), 1), max(min(UNITS // (2 * g), largest), 1)})
    limit = max(int(5 * len(problem)) // 8, 2)  # parameters beyond the numbers to fit help nobody and cost time
    sizes = sorted({min(h, limit) for h in sizes})
    return [Shape(degrees, h, ridge) for h in sizes for ridge in RIDGES]


def _columns(problem: Problem, degree: int) -> int:
    from constitutive.tensors.polynomials import invariant_polynomials

    return len(invariant_polynomials(problem.rotations, degree))


def try_network(problem: Problem, shape: Shape, seed: int) -> Trial:
    """Cross-validate a network."""
    predicted = np.empty_like(problem.y)
    everything = np.arange(len(problem))
    for k, part in enumerate(folds(len(problem), FOLDS, seed)):
        fit = fit_network(problem.subset(np.setdiff1d(everything, part)), shape, seed + k)
        predicted[part] = fit.predict(problem.x[part])
    return Trial(shape.label, predicted, problem.relative_error(predicted), shape)


def try_series(problem: Problem, degrees: tuple[int, ...]) -> tuple[Trial, SeriesFit]:
    """Leave-one-out of a series, in closed form."""
    fit = fit_series(problem, degrees)
    label = Shape(degrees, 0, fit.ridge).label
    return Trial(label, fit.left_out, problem.relative_error(fit.left_out), None, degrees), fit


def baseline(problem: Problem, seed: int) -> Trial:
    """The unconstrained network, cross-validated likewise: what the same samples give without symmetry."""
    free = problem.ungrouped()
    channels = int(np.clip(6 * len(problem) // 16, 4, 48))
    trials = [try_network(free, Shape((), channels, ridge), seed) for ridge in (1e-5, 1e-4)]
    best = min(trials, key=lambda trial: trial.error)
    return Trial("network without symmetry", best.left_out, best.error, best.shape)


def choose(problem: Problem, domain: Domain, seed: int, progress: Progress) -> Choice:
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
    """
    series = [try_series(problem, degrees) for degrees in series_choices(problem)]
    shapes = candidate_shapes(problem)
    trials = [trial for trial, _ in series]
    for k, shape in enumerate(shapes):
        progress(f"cross-validating {shape.label}", 0.1 + 0.5 * k / len(shapes))
        trials.append(try_network(problem, shape, seed))
    best = min(trials, key=lambda trial: trial.error)
    progress("fitting the baseline without symmetry", 0.6)
    without = baseline(problem, seed)
    progress(f"fitting {best.label} to all samples", 0.7)
    if best.shape is None:
        law: Law = next(fit.law for trial, fit in series if trial is best)
        return Choice(law, trials, best, without, 1)
    members = [fit_network(problem, best.shape, seed + 100 + k) for k in range(MEMBERS)]
    progress(f"distilling {MEMBERS} networks into one", 0.85)
    return Choice(distil(problem, members, domain, seed).law(), trials, best, without, MEMBERS)


def distil(problem: Problem, members: list[NetworkFit], domain: Domain, seed: int) -> NetworkFit:
    """One network of at most 768 orbit units that follows the mean of several.

    It learns their mean at random strains of the domain beside the samples' own, where noise and chance of the members cancel.
    """
    rng = np.random.default_rng(seed + 7)
    extra = random_strains(domain, 3 * len(problem) + 100, rng)
    x = np.concatenate([problem.x, extra])
    y = np.mean([member.predict(x) for member in members], axis=0)
    norm = np.concatenate([problem.norm, np.broadcast_to(problem.norm.mean(axis=0), (len(extra), 6, 6))])
    teacher = Problem(x, y, norm, problem.rotations)
    H = max(UNITS // len(problem.rotations), 1)
    H = min(H, 48, sum(len(member.biases) for member in members))
    ratio = teacher.scale / members[0].features.scale
    nearest = min(members, key=lambda member: teacher.relative_error(member.predict(x)))
    others = [(w, b) for member in members if member is not nearest for w, b in zip(member.directions, member.biases, strict=True)]
    picked = rng.permutation(len(others))[: H - len(nearest.biases)]
    w = np.concatenate([nearest.directions, np.array([others[k][0] for k in picked]).reshape(-1, 6)]) * ratio
    b = np.concatenate([nearest.biases, np.array([others[k][1] for k in picked])])
    shape = Shape(nearest.features.degrees, len(b), 1e-9)
    return fit_network(teacher, shape, seed, start=(w, b))


def random_strains(domain: Domain, count: int, rng: np.random.Generator) -> Float[np.ndarray, "n 6"]:
    """Strains of random direction and uniform size in the domain's metric."""
    values, vectors = np.linalg.eigh(domain.metric)
    u = rng.normal(size=(count, 6))
    u *= (domain.radius * rng.uniform(size=count) / np.linalg.norm(u, axis=1))[:, None]
    return (u / np.sqrt(values)) @ vectors.T


def stress_of(law: Law, x: Float[np.ndarray, "n 6"]) -> Float[np.ndarray, "n 6"]:
    """Stress of a law (Mandel, GPa), from NumPy to NumPy."""
    return law.stress_mandel(torch.from_numpy(np.ascontiguousarray(x))).numpy()
