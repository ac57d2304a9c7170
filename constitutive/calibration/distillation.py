"""Several laws into one that costs no more than one of them."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from constitutive.calibration.candidates import CHANNELS, UNITS
from constitutive.fitting.problem import FitProblem
from constitutive.fitting.series_network import SeriesNetworkFit, Shape, fit_network
from constitutive.laws import Domain
from constitutive.tensors.packing import from_mandel

STUDENT_DEGREES = (2, 3, 4)  # of the student's series, at least: what other strain measures make of lower degrees
STUDENT_RIDGE = 1e-9  # the mean is without noise
THINNEST = 0.5  # strains that squeeze C below this share of what the samples do are left out


def distil(
    problem: FitProblem, members: list[SeriesNetworkFit], weights: list[float], domain: Domain, seed: int
) -> tuple[SeriesNetworkFit, list[SeriesNetworkFit]]:
    """One network of at most 768 orbit units, of the Green–Lagrange strain, that follows the mean of several of any strain measure.

    It learns their mean at random strains of the domain beside the samples' own, where noise and chance of the members cancel
    (Hinton, Vinyals & Dean 2015, arXiv:1503.02531).

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

    Returns
    -------
    The distilled network, and its linear parameters if fitted to each member separately, for the spread of its constants.
    """
    rng = np.random.default_rng(seed + 7)
    extra = random_strains(domain, 2 * len(problem) + 150, rng)
    extra = extra[_thinnest(extra) > THINNEST * _thinnest(problem.x).min()]
    x = np.concatenate([problem.x, extra])
    taught = np.array([member.predict(x) for member in members])
    norm = np.concatenate([problem.norm, np.broadcast_to(problem.norm.mean(axis=0), (len(extra), 6, 6))])
    teacher = FitProblem(x, np.average(taught, axis=0, weights=weights), norm, problem.rotations)
    errors = [teacher.relative_error(y) for y in taught]
    nearest = int(np.argmin([error if member.strain_exponent == 1 else 10 + error for error, member in zip(errors, members, strict=True)]))
    student = _student(teacher, members, nearest, rng, seed)
    if members[nearest].strain_exponent == 1 and student.residual > 0.5 * errors[nearest]:
        student = members[nearest]
    return student, _followers(student, teacher, taught)


def _student(teacher: FitProblem, members: list[SeriesNetworkFit], nearest: int, rng: np.random.Generator, seed: int) -> SeriesNetworkFit:
    """Fit the one network, from the directions of the nearest member and some of the others'."""
    first = members[nearest]
    H = min(UNITS // len(teacher.rotations), CHANNELS, sum(len(member.biases) for member in members))
    others = [(w, b) for member in members if member is not first for w, b in zip(member.directions, member.biases, strict=True)]
    picked = rng.permutation(len(others))[: max(H - len(first.biases), 0)]
    w = np.concatenate([first.directions, np.array([others[k][0] for k in picked]).reshape(-1, 6)])
    b = np.concatenate([first.biases, np.array([others[k][1] for k in picked])])
    taught = {d for member in members for d in member.basis.degrees}
    short = max(taught, default=2) == 2 and all(
        member.strain_exponent == 1 for member in members
    )  # so that it will not explode beyond the samples
    degrees = tuple(sorted(taught if short else taught | {*STUDENT_DEGREES}))
    start = (w * teacher.scale / first.basis.scale, b)
    return fit_network(teacher, Shape(degrees, len(b), STUDENT_RIDGE), seed, start=start)


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
