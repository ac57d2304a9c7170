"""One law, a series plus a group-convolution network, that follows the mean of regressions: as small as its error allows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Float

from constitutive.calibration.coupled_teacher import Teacher
from constitutive.calibration.effort import Effort
from constitutive.errors import CalibrationError
from constitutive.fitting.coupled_problem import CoupledProblem
from constitutive.fitting.series_network import SeriesNetworkFit, SeriesNetworkResidual, Shape, network_stress
from constitutive.laws.coupled import CoupledLaw, CoupledNetworkLaw, CoupledSeriesLaw, CoupledSumLaw
from constitutive.tensors.polynomials import exponents

RIDGE = 1e-9  # the mean is without noise
POINTS, FRESH = 400, 300  # that the law learns from beside the samples, and on which it is compared
STARTS, FIRST_STEPS, STEPS, LAST_STEPS = 12, 12, 80, 120
SCREENED = 250  # points on which starts are compared
KEPT = 1  # starts that are refined
COLUMNS = 500  # most polynomials of a series
WIDTHS = ((4, 96), (5, 96), (5, 192), (4, 384), (5, 384), (4, 768))  # highest degree, orbit units: in the order of their cost
WIDEST = 40  # channels: more take minutes to fit, in groups of few operations
TOLERANCE, ENOUGH = 1.05, 1.15  # of the expected error: to the best of any width; to that of the mean, beyond which nothing wider is tried


@final
@dataclass(frozen=True, eq=False)
class Student:
    """A law that was tried.

    Attributes
    ----------
    fit : SeriesNetworkFit
    shape : Shape
    units : int
        Orbit units |G|·H.
    deviation : dict of float
        From the mean of the regressions, relative, for each conjugate, at points it did not learn from.
    error : float
        Expected on unseen points: that of the mean and the deviation, as squares.
    """

    fit: SeriesNetworkFit
    shape: Shape
    units: int
    deviation: dict[str, float]
    error: float

    @property
    def label(self) -> str:
        """For tables."""
        d = self.shape.degrees
        return f"series {d[0]}–{d[-1]} + network of {self.units} units" if self.units else f"series {d[0]}–{d[-1]}"


def predicted(fit: SeriesNetworkFit, x: Float[np.ndarray, "m k"]) -> Float[np.ndarray, "m k"]:
    """Gradient of a fit at points, both over the scales.

    Parameters
    ----------
    fit : SeriesNetworkFit
    x : array (m, k)

    Returns
    -------
    array (m, k)
    """
    network = network_stress(x, fit.group, fit.directions, fit.biases, fit.amplitudes)
    return fit.unit * (network + fit.basis(x) @ fit.coefficients)


def teach(
    teacher: Teacher,
    lowest: int,
    seed: int,
    effort: Effort,
    progress: Callable[[str, float], None],
    *,
    units: int | None = None,
) -> tuple[list[Student], Student]:
    """Laws of growing width that follow the mean of the regressions, until a wider one is no better; the last but one at the latest.

    Parameters
    ----------
    teacher : Teacher
    lowest : int
        Lowest degree of the series: 1 where the energy has a slope in the reference state.
    seed : int
    effort : Effort
        Its threads share the fits; "quick" tries less.
    progress : callable
        Called with what is being done and the fraction done.
    units : int, optional
        Orbit units, instead of the fewest.

    Raises
    ------
    CalibrationError
        Fewer orbit units than the group has operations.

    Returns
    -------
    list of Student
        All that were tried.
    Student
        The first of them, in the order of their cost, within 5 % of the best, minimised to the end.
    """
    problem = teacher.problem
    rng = np.random.default_rng(seed)
    x = np.concatenate([problem.x, cloud(problem, POINTS, rng)])
    lesson = problem.with_points(x, teacher(x))
    unseen = cloud(problem, FRESH, rng)
    test = problem.with_points(unseen, teacher(unseen))
    own = problem.relative_error(teacher.left_out)
    order, tried = len(problem.group), set()
    found: list[Student] = []
    widths = [(4, units), (5, units)] if units is not None else WIDTHS if effort.name == "full" else WIDTHS[:2]
    if units is not None and units < order:
        raise CalibrationError(
            f"units={units} found; the group has {order} operations, so that a network needs at least {order} orbit units"
        )
    for k, (degree, width) in enumerate(widths):
        degrees = _degrees(problem, lowest, degree)
        H = min(max(width // order, 2), WIDEST) if units is None else width // order
        if (degrees, H) in tried or (H * order > 1.5 * width and found):
            continue
        tried.add((degrees, H))
        progress(f"law of {H * order} orbit units", 0.3 + 0.65 * k / len(widths))
        fit = _fit(lesson, Shape(degrees, H, RIDGE), seed, effort)
        followed = predicted(fit, unseen)
        error = float(np.hypot(own, test.relative_error(followed)))
        found.append(Student(fit, Shape(degrees, H, RIDGE), H * order, test.relative_errors(followed), error))
        if found[-1].error <= ENOUGH * own:
            break
    best = min(student.error for student in found)
    place = next(k for k, student in enumerate(found) if student.error <= TOLERANCE * best)
    progress("the law chosen, to the end", 0.95)
    first = found[place]
    equations = SeriesNetworkResidual(lesson, first.shape, None, seed)
    start = np.concatenate([first.fit.directions.ravel(), first.fit.biases, first.fit.linear_parameters])
    fit = equations.fit(equations.minimise(LAST_STEPS if effort.name == "full" else STEPS, start))
    followed = predicted(fit, unseen)
    error = float(np.hypot(own, test.relative_error(followed)))
    found[place] = Student(fit, first.shape, first.units, test.relative_errors(followed), error)
    return found, found[place]


def _degrees(problem: CoupledProblem, lowest: int, highest: int) -> tuple[int, ...]:
    """Degrees of the series, fewer where there are too many polynomials."""
    degrees = tuple(range(lowest, highest + 1))
    while len(degrees) > 2 and len(problem.basis(degrees).degree_of_column) > COLUMNS:
        degrees = degrees[:-1]
    return degrees


def _fit(lesson: CoupledProblem, shape: Shape, seed: int, effort: Effort) -> SeriesNetworkFit:
    """The best of a dozen starts, ranked by their objective after a few steps."""
    equations = SeriesNetworkResidual(lesson, shape, None, seed)
    few = lesson.subset(np.unique(np.linspace(0, len(lesson) - 1, min(len(lesson), SCREENED)).astype(int)))

    def start(k: int) -> tuple[float, np.ndarray]:
        rng = np.random.default_rng((seed, k))
        own = (rng.normal(size=equations.w0.shape), rng.normal(size=equations.b0.shape))
        minimum = SeriesNetworkResidual(few, shape, own, seed).minimise(FIRST_STEPS)
        return minimum.objective, minimum.parameters

    starts = sorted(effort.map(start, range(STARTS if effort.name == "full" else STARTS // 3)), key=lambda found: found[0])
    ends = list(effort.map(lambda found: equations.minimise(STEPS, found[1]), starts[:KEPT]))
    return equations.fit(min(ends, key=lambda minimum: minimum.objective))


def cloud(problem: CoupledProblem, count: int, rng: np.random.Generator) -> Float[np.ndarray, "m k"]:
    """Points of the domain of the samples: their variables combined anew, and their neighbourhoods, turned by the group.

    Parameters
    ----------
    problem : CoupledProblem
    count : int
    rng : Generator

    Returns
    -------
    array (count, k)
    """
    n, k = problem.x.shape
    parts = []
    for variable in problem.variables:
        chosen_samples = rng.integers(n, size=count)
        parts.append(problem.x[chosen_samples][:, problem.place(variable.name)] * rng.uniform(0.6, 1.1, (count, 1)))
    near = problem.x[rng.integers(n, size=count)] + 0.25 * rng.normal(size=(count, k)) * problem.x.std(0)
    x = np.where(np.arange(count)[:, None] % 2 == 0, np.concatenate(parts, 1), near)
    return np.einsum("nij,nj->ni", problem.group[rng.integers(len(problem.group), size=count)], x)


def law_of(fit: SeriesNetworkFit, problem: CoupledProblem) -> CoupledLaw:
    """The law of a fit, in physical units.

    Parameters
    ----------
    fit : SeriesNetworkFit
    problem : CoupledProblem
        Gives the variables and their scales.

    Returns
    -------
    CoupledLaw
    """
    terms: list[CoupledLaw] = []
    rows, start = {}, 0
    for degree, basis in zip(fit.basis.degrees, fit.basis.energy, strict=True):
        powers = np.prod(problem.widths ** exponents(degree, len(problem.widths)), axis=1)
        rows[degree] = fit.unit * (fit.coefficients[start : start + len(basis)] @ basis) / powers
        start += len(basis)
    terms.append(CoupledSeriesLaw(rows, problem.variables, problem.operations))
    if len(fit.biases):
        network = (fit.directions, fit.biases, fit.amplitudes * fit.unit, problem.scales)
        terms.append(CoupledNetworkLaw(*network, problem.variables, problem.operations))
    return terms[0] if len(terms) == 1 else CoupledSumLaw(terms)
