"""Several laws into one that costs no more than it has to."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import final

import numpy as np
from jaxtyping import Float

from constitutive.calibration.candidates import CHANNELS, UNITS
from constitutive.errors import CalibrationError
from constitutive.fitting.levenberg_marquardt import STEPS
from constitutive.fitting.problem import FitProblem
from constitutive.fitting.series_network import SeriesNetworkFit, Shape, fit_network
from constitutive.laws import Domain
from constitutive.tensors.packing import from_mandel

STUDENT_DEGREES = (2, 3, 4)  # of the student's series, at least: what other strain measures make of lower degrees
CHEAP_DEGREE = 5  # with three twofold axes at right angles it costs as much as 51 units (benchmarks/kernel.py) and saves hundreds
STUDENT_RIDGE = 1e-9  # the mean is without noise
THINNEST = 0.5  # strains that squeeze C below this share of what the samples do are left out
TOLERANCE = 1.05  # expected error of the law kept, relative to the best of any width
CLOSE = 1.03  # the same among laws that cost alike
CHEAP = 96  # orbit units up to which a narrower law saves nothing that a finite-element run would show
NARROWEST = 8  # channels that are tried first, fewer where these have more units than that
GROWTH = 2**0.5  # of the channels, from one width to the next
PLATEAU = 0.99  # error of two wider laws, relative to the best narrower one, from which on none is tried
FINE = 1.5  # growth below which widths between the law that is taken and the next narrower one are tried too
BISECTION = 1 / 8  # of a width: how near
FRESH = 150  # strains that no student learns from, on which they are compared with their teacher


@final
@dataclass(frozen=True)
class Width:
    """What a law of some width costs and is worth.

    Attributes
    ----------
    units
        Orbit units |G|·H: time in finite elements grows with their number.
    deviation
        From the mean of networks, relative, at strains of the domain that it did not learn from.
    error
        Expected relative error on strains that were never seen: that of the mean, measured on samples left out, and the deviation,
        added as squares.
    """

    units: int
    deviation: float
    error: float

    def as_dict(self) -> dict[str, float | int]:
        """The figures by name.

        Returns
        -------
        dict
            ``units``, ``deviation``, ``error``.
        """
        return {"units": self.units, "deviation": self.deviation, "error": self.error}


@final
@dataclass(frozen=True, eq=False)
class Distilled:
    """The one law, and what was tried on the way to it.

    Attributes
    ----------
    student
        The law.
    followers
        Its linear parameters if fitted to each member separately, for the spread of its constants.
    widths
        All widths that were tried, in order.
    """

    student: SeriesNetworkFit
    followers: list[SeriesNetworkFit]
    widths: list[Width] = field(default_factory=list)


def distil(
    problem: FitProblem,
    members: list[SeriesNetworkFit],
    weights: list[float],
    domain: Domain,
    seed: int,
    *,
    error: float = 0.0,
    units: int | None = None,
    steps: int = STEPS,
    growth: float = GROWTH,
) -> Distilled:
    """One network of the Green–Lagrange strain that follows the mean of several of any strain measure, as narrow as the error allows.

    It learns their mean at random strains of the domain beside the samples' own, where noise and chance of the members cancel
    (Hinton, Vinyals & Dean 2015, arXiv:1503.02531). Widths grow step by step until the expected error is within 5 % of that of
    the mean, or two steps bring nothing; widths between the last two are then tried to an eighth of a width. The narrowest within 5 %
    of the best is taken; of laws up to 96 units, which all cost alike, within 3 %.

    Parameters
    ----------
    problem
        The samples.
    members, weights
        The laws, and how much each counts.
    domain
        Where the one has to follow them.
    seed
        Of the strains, and of the directions that it starts from.
    error
        Of the mean on samples left out, relative.
    units
        Orbit units |G|·H of the law, instead of the narrowest.
    steps
        Of each fit.
    growth
        Of the widths, from one to the next.

    Returns
    -------
    The law with its widths.

    Raises
    ------
    CalibrationError
        Fewer units than the group has operations.
    """
    rng = np.random.default_rng(seed + 7)
    teacher, taught, fresh, wanted = _lesson(problem, members, weights, domain, rng)
    errors = [teacher.relative_error(y) for y in taught]
    nearest = int(np.argmin([own if member.strain_exponent == 1 else 10 + own for own, member in zip(errors, members, strict=True)]))
    others = [k for k in range(len(members)) if k != nearest]
    w, b = _start(members, [nearest, *others], rng)
    degrees = _degrees(members, problem.rotations)
    tried: list[tuple[SeriesNetworkFit, Width]] = []

    def attempt(channels: int) -> Width:
        start = (w[:channels] * teacher.scale / members[nearest].basis.scale, b[:channels])
        student = fit_network(teacher, Shape(degrees, channels, STUDENT_RIDGE), seed, start=start, steps=steps)
        tried.append((student, _width(problem, student, fresh, wanted, error)))
        return tried[-1][1]

    for channels in _channels(len(problem.rotations), len(b), units, growth):
        width = attempt(channels)
        if width.error <= (CLOSE if width.units < CHEAP else TOLERANCE) * error or _no_better([each for _, each in tried]):
            break
    if units is None and members[nearest].strain_exponent == 1:
        tried.append((members[nearest], _width(problem, members[nearest], fresh, wanted, error)))
    if growth < FINE:
        _bisect(tried, attempt)
    student = _narrowest(tried)
    return Distilled(student, _followers(student, teacher, taught), [width for _, width in tried])


def _no_better(widths: list[Width]) -> bool:
    """Whether the last two widths have brought nothing."""
    errors = [width.error for width in widths]
    return len(errors) > 2 and min(errors[-2:]) > PLATEAU * min(errors[:-2])


def _bisect(tried: list[tuple[SeriesNetworkFit, Width]], attempt: Callable[[int], Width]) -> None:
    """Try widths between the law that would be taken and the next narrower one, to an eighth of a width."""
    enough = TOLERANCE * min(width.error for _, width in tried)
    high = len(_narrowest(tried).biases)
    low = max((len(law.biases) for law, _ in tried if len(law.biases) < high), default=high)
    while high - low > max(high * BISECTION, 1):
        middle = (low + high) // 2
        low, high = (low, middle) if attempt(middle).error <= enough else (middle, high)


def _narrowest(tried: list[tuple[SeriesNetworkFit, Width]]) -> SeriesNetworkFit:
    """The narrowest law whose expected error is within the tolerance of the best; of those that cost alike, within a smaller one."""
    best = min(width.error for _, width in tried)
    near = [pair for pair in tried if pair[1].error <= TOLERANCE * best]
    cheap = [pair for pair in near if pair[1].units <= CHEAP and pair[1].error <= CLOSE * best]
    return min(cheap or near, key=lambda pair: pair[1].units)[0]


def _channels(order: int, most: int, units: int | None, growth: float) -> list[int]:
    """Numbers of channels to try, growing; the one that was asked for, if so."""
    if units is not None:
        if units < order:
            raise CalibrationError(f"units={units} found; the group has {order} operations: at least so many units are needed")
        return [min(units // order, most)]
    widest = min(UNITS // order, CHANNELS, most)
    first = max(min(NARROWEST, CHEAP // order), 1)
    ladder = {round(first * growth**k) for k in range(20)}
    return [*sorted(h for h in ladder if h < widest), widest]


def _lesson(
    problem: FitProblem, members: list[SeriesNetworkFit], weights: list[float], domain: Domain, rng: np.random.Generator
) -> tuple[FitProblem, Float[np.ndarray, "m n 6"], Float[np.ndarray, "f 6"], Float[np.ndarray, "f 6"]]:
    """The mean of the members as a problem to fit, each member's stresses there, and fresh strains with the mean's stresses."""
    drawn = random_strains(domain, 2 * len(problem) + 150 + FRESH, rng)
    count = len(drawn) - FRESH
    kept = _thinnest(drawn) > THINNEST * _thinnest(problem.x).min()
    extra, fresh = drawn[:count][kept[:count]], drawn[count:][kept[count:]]
    x = np.concatenate([problem.x, extra])
    predicted = np.array([member.predict(np.concatenate([x, fresh])) for member in members])
    mean = np.average(predicted, axis=0, weights=weights)
    norm = np.concatenate([problem.norm, np.broadcast_to(problem.norm.mean(axis=0), (len(extra), 6, 6))])
    teacher = FitProblem(x, mean[: len(x)], norm, problem.rotations)
    return teacher, predicted[:, : len(x)], fresh, mean[len(x) :]


def _width(
    problem: FitProblem, law: SeriesNetworkFit, x: Float[np.ndarray, "f 6"], wanted: Float[np.ndarray, "f 6"], error: float
) -> Width:
    """What a law is worth: its deviation from the mean's stresses at fresh strains (0 where there are none), in the samples' mean norm."""
    T = problem.norm.mean(axis=0)
    size = float(np.linalg.norm(wanted @ T.T)) if len(x) else 0.0
    deviation = float(np.linalg.norm((law.predict(x) - wanted) @ T.T)) / size if size > 0 else 0.0
    return Width(len(problem.rotations) * len(law.biases), deviation, float(np.hypot(error, deviation)))


def _start(
    members: list[SeriesNetworkFit], order: list[int], rng: np.random.Generator
) -> tuple[Float[np.ndarray, "h 6"], Float[np.ndarray, " h"]]:
    """Directions and biases to start from: those of the nearest member, the largest first, then the others' at random."""
    first = members[order[0]]
    largest = np.argsort(-np.abs(first.amplitudes) * np.sum(first.directions**2, axis=1), kind="stable")
    others = [(w, b) for k in order[1:] for w, b in zip(members[k].directions, members[k].biases, strict=True)]
    picked = rng.permutation(len(others))
    w = np.concatenate([first.directions[largest], np.array([others[k][0] for k in picked]).reshape(-1, 6)])
    return w, np.concatenate([first.biases[largest], np.array([others[k][1] for k in picked])])


def _degrees(members: list[SeriesNetworkFit], rotations: Float[np.ndarray, "g 3 3"]) -> tuple[int, ...]:
    """Degrees of the student's series; short where the members' are, so that it will not explode beyond the samples.

    One degree more than they need where twofold axes make it cheap: it takes the place of many units.
    """
    taught = {d for member in members for d in member.basis.degrees}
    short = max(taught, default=2) == 2 and all(member.strain_exponent == 1 for member in members)
    if short:
        return tuple(sorted(taught))
    return tuple(sorted(taught | {*STUDENT_DEGREES} | ({CHEAP_DEGREE} if _three_twofold_axes(rotations) else set())))


def _three_twofold_axes(rotations: Float[np.ndarray, "g 3 3"]) -> bool:
    """Whether three twofold axes are at right angles: the product of the half-turns about two of them is that about the third."""
    half_turns = [R for R in rotations if abs(np.trace(R) + 1) < 1e-8]
    return any(abs(np.trace(A @ B) + 1) < 1e-8 for A, B in itertools.combinations(half_turns, 2))


def _followers(student: SeriesNetworkFit, teacher: FitProblem, taught: Float[np.ndarray, "m n 6"]) -> list[SeriesNetworkFit]:
    """The student with the linear parameters that follow each member best."""
    A = (teacher.norm @ student.columns(teacher.x)).reshape(6 * len(teacher), -1)
    errors = np.stack([teacher.normed(y - student.predict(teacher.x)).ravel() for y in taught], axis=1) / student.unit
    changes = np.linalg.solve(A.T @ A + 1e-7 * np.eye(A.shape[1]), A.T @ errors)
    return [student.with_linear_parameters(student.linear_parameters + change) for change in changes.T]


def _thinnest(x: Float[np.ndarray, "n 6"]) -> Float[np.ndarray, " n"]:
    """Smallest eigenvalue of C."""
    return 1 + 2 * np.linalg.eigvalsh(np.asarray(from_mandel(x)))[:, 0]


def random_strains(domain: Domain, count: int, rng: np.random.Generator, *, uniform_size: bool = True) -> Float[np.ndarray, "n 6"]:
    """Strains of random direction, their size in the domain's metric uniform, or (if not) more of them near its boundary.

    Parameters
    ----------
    domain : Domain
    count : int
        How many.
    rng : numpy Generator
    uniform_size : bool
        Whether the size is uniform, or strains near the boundary are more frequent.

    Returns
    -------
    array (count, 6)
        Mandel.
    """
    values, vectors = np.linalg.eigh(domain.metric)
    u = rng.normal(size=(count, 6))
    size = rng.uniform(size=count) ** (1.0 if uniform_size else 1 / 3)
    u *= (domain.radius * size / np.linalg.norm(u, axis=1))[:, None]
    return (u / np.sqrt(values)) @ vectors.T
