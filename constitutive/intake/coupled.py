r"""Intake check of data with fields: do stress and polarisation follow from one energy, with which sign and unit, and under which group.

An energy Ω(E, E₀) makes :math:`\partial S / \partial E_0 = -\partial P_0 / \partial E` (Maxwell's relation; Nye 1985, ch. X). The left side
is found from the stresses alone, the right from the polarisations alone, both by invariant kernel regressions; the slope of one against the
other is 1, −1 where a sign is wrong, and a ratio of units where a unit is. The groups are told apart by samples left out: of the 32, since
odd tensors see improper operations.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Float

from constitutive.data import StressStrainData
from constitutive.data.electric import on_one_branch, quanta
from constitutive.fitting.coupled_problem import CoupledProblem
from constitutive.fitting.kernel_regression import Kernel, left_out_with
from constitutive.intake.findings import HARMLESS, Finding, IntakeReport, in_order
from constitutive.symmetry import PointGroup
from constitutive.tensors.packing import to_mandel
from constitutive.tensors.variables import ELECTRIC_FIELD, POLARIZATION, STRAIN, Variable
from constitutive.units import ELECTRIC_FIELD_UNITS, POLARIZATION_UNITS

MOST = 60  # samples looked at
FEWEST = 8
LENGTHS: tuple[tuple[Kernel, float, float], ...] = (("exponential", 3.3, 8.0), ("rational", 8.0, 1.4), ("rational", 20.0, 20.0))
NOISE = 1e-7
SCATTER = 0.35  # of one side of Maxwell's relation about the other, above which neither sign nor unit is told
CLOSE = 0.2  # of a slope about 1, −1 or a ratio of units
WORSE = 1.6  # error under a larger group relative to that under a smaller, above which the data contradict the larger
CONTRADICTED = 2.0
FRAME_BETTER = 3.0  # ratio of errors above which the other configuration of field and polarisation is the right one
POOR = 0.05  # error under the declared group above which each subgroup is judged by its own best kernel


def has_fields(data: StressStrainData) -> bool:
    """Whether the samples of a data set stand in fields or have polarisations that vary.

    Parameters
    ----------
    data : StressStrainData

    Returns
    -------
    bool
    """
    return any(value is not None and float(np.ptp(value, axis=0).max()) > 0 for value in (data.electric_field, data.polarization))


def check_fields(data: StressStrainData) -> IntakeReport:
    """Check the fields and polarisations of a data set against its stresses.

    Parameters
    ----------
    data : StressStrainData
        With a field or a polarisation for each sample.

    Returns
    -------
    IntakeReport
        Its groups are point groups, not Laue classes.
    """
    group = _group(data)
    declared = "" if group is None else group.symbol
    pair = data.reference_electric_field, data.reference_polarization
    if group is None or pair[0] is None or pair[1] is None or len(data) < FEWEST:
        missing = "a point group" if group is None else f"{FEWEST} samples" if len(data) < FEWEST else "fields and polarisations together"
        return IntakeReport((), "", declared, 0.0, {}, (f"sign, unit and group of the fields: they need {missing}",))
    few = np.unique(np.linspace(0, len(data) - 1, min(len(data), MOST)).astype(int))
    part = data.select(few)
    problem, chosen = _best_problem(part, group)
    jumps, data = _branch_jumps(data, group, few, _separate_error(problem, chosen))
    if jumps:
        part = data.select(few)
        problem, chosen = _best_problem(part, group)
    error = _error(problem, chosen)
    other = _other_frame(part, group, _separate_error(problem, chosen))
    if other is not None:
        return IntakeReport((*jumps, other), declared, declared, error, {declared: error}, ())
    findings, undecided = _maxwell(problem, chosen)
    residuals = {declared: error}
    largest = declared
    if not findings:
        largest, more, wrong = _groups(part, problem, chosen, group, error)
        residuals |= more
        findings += wrong
    return IntakeReport(in_order([*jumps, *findings]), largest, declared, error, residuals, tuple(undecided))


def _group(data: StressStrainData) -> PointGroup | None:
    if data.crystal is not None:
        return PointGroup.from_structure(data.crystal)
    return None if data.point_group is None else PointGroup.from_symbol(data.point_group)


Setting = tuple[Kernel, float, float]


def _best_problem(data: StressStrainData, group: PointGroup) -> tuple[CoupledProblem, Setting]:
    """With the field or the polarisation for a variable, and the kernel: what predicts samples left out best."""
    strain, stress = np.asarray(to_mandel(data.green_lagrange_strain)), np.asarray(to_mandel(data.stress("second_piola_kirchhoff")))
    sides: list[tuple[Variable, np.ndarray | None, np.ndarray | None]] = [
        (ELECTRIC_FIELD, data.reference_electric_field, data.reference_polarization),
        (POLARIZATION, data.reference_polarization, data.reference_electric_field),
    ]
    trials = []
    for variable, value, conjugate in sides:
        if value is None or not value.any():
            continue
        problem = CoupledProblem.of((STRAIN, variable), np.array(group.operations), [strain, value], [stress, conjugate])
        trials += [(_separate_error(problem, setting), problem, setting) for setting in LENGTHS]
    best = min(trials, key=lambda trial: trial[0])
    return best[1], best[2]


def _branch_jumps(
    data: StressStrainData, group: PointGroup, few: np.ndarray, error: float
) -> tuple[list[Finding], StressStrainData]:
    """Samples whose polarisation is off by quanta, where the others then predict them much better, and the data without the jumps."""
    P = data.reference_polarization
    if P is None or data.lattice is None:
        return [], data
    strain, field = np.asarray(to_mandel(data.green_lagrange_strain)), data.reference_electric_field
    whole, moved = on_one_branch(P, strain, field, data.lattice)
    mended = data.replace(polarization=whole, electric_field=field, electric_frame="reference")
    if not len(moved) or _separate_error(*_best_problem(mended.select(few), group)) * FRAME_BETTER > error:
        return [], data
    quantum = float(np.linalg.norm(quanta(data.lattice), axis=1).max())
    message = (
        f"found polarisations of {len(moved)} samples on another branch, off by quanta e a/V (up to {quantum:.3g} C/m²) from the samples "
        "beside them; needed one branch; a law of strain and field moves them by itself"
    )
    return [Finding("polarization_branch", HARMLESS, tuple(int(k) for k in moved), message, "--unwrap-polarization")], mended


def _other_frame(data: StressStrainData, group: PointGroup, error: float) -> Finding | None:
    """A finding where samples left out are predicted much better with field and polarisation read in the other configuration."""
    other = "current" if data.electric_frame == "reference" else "reference"
    turned = _separate_error(*_best_problem(data.replace(electric_frame=other), group))
    if turned * FRAME_BETTER > error:
        return None
    message = (
        f"found fields and polarisations that fit the stresses to {turned:.2%} in the {other} configuration and to {error:.2%} in the "
        f"{data.electric_frame} one, as stated; needed the one in which they were computed; state electric_frame: {other}"
    )
    return Finding("electric_frame", 0.95, (), message, "")


def _lengths(problem: CoupledProblem, setting: Setting) -> Float[np.ndarray, "k k"]:
    return np.diag(np.concatenate([np.full(v.size, 1 / (setting[1] if v.is_strain else setting[2])) for v in problem.variables]))


def _error(problem: CoupledProblem, setting: Setting) -> float:
    """Relative error of samples left out, of stress and field together."""
    fit = left_out_with(problem, setting[0], _lengths(problem, setting), NOISE)
    return problem.relative_error(fit.left_out)


def _separate_error(problem: CoupledProblem, setting: Setting) -> float:
    """The same with stress and field each for itself, so that a wrong sign or unit does not count."""
    return float(np.mean([_error(_only(problem, v.name), setting) for v in problem.variables]))


def _only(problem: CoupledProblem, name: str) -> CoupledProblem:
    """The problem with the conjugate of one variable alone."""
    weights = np.zeros_like(problem.weights)
    weights[problem.place(name)] = problem.weights[problem.place(name)]
    return replace(problem, weights=weights)


def _maxwell(problem: CoupledProblem, setting: Setting) -> tuple[list[Finding], list[str]]:
    """Mixed derivatives from the stresses against those from the fields."""
    electric = problem.variables[1]
    points = np.concatenate([np.zeros((1, problem.x.shape[1])), 0.4 * problem.x[:8]])
    sides = []
    for name, by in (("strain", electric.name), (electric.name, "strain")):
        fit = left_out_with(_only(problem, name), setting[0], _lengths(problem, setting), NOISE)
        steps = np.eye(points.shape[1])[problem.place(by)] * 1e-3
        rows = np.stack([(fit.predict(points + s) - fit.predict(points - s))[:, problem.place(name)] / 2e-3 for s in steps], 2)
        sides.append(rows if name == "strain" else rows.transpose(0, 2, 1))
    left, right = (side.ravel() for side in sides)
    slope = float(left @ right / max(float(right @ right), 1e-300))
    rest = float(np.linalg.norm(left - slope * right) / max(float(np.linalg.norm(left)), 1e-300))
    values = (
        f"∂S/∂{'E₀' if electric is ELECTRIC_FIELD else 'P₀'} is {slope:.3g} times what the {electric.conjugate} gives, scatter {rest:.0%}"
    )
    if rest > SCATTER:
        return [], [f"sign and unit of the fields: Maxwell's relation does not show ({values})"]
    if abs(slope - 1) < CLOSE:
        return [], []
    if abs(slope + 1) < CLOSE:
        message = f"found a wrong sign: {values}; needed fields and polarisations of one sign convention; change the sign of one of them"
        return [Finding("polarization_sign", 0.97, (), message, "")], []
    unit = _unit(abs(slope))
    message = (
        f"found {values}; needed 1: the field, the polarisation or the stress is in another unit{unit}; state it in units of the data: "
        "{'stress': 'GPa', 'electric_field': 'V/angstrom', 'polarization': 'uC/cm^2'}, for instance"
    )
    return [Finding("electric_unit", 0.95, (), message, "")], []


def _unit(slope: float) -> str:
    """Units whose ratio to GV/m or C/m² is the slope, or its inverse."""
    names = [
        f"{quantity} in {name}"
        for quantity, table in (("a field", ELECTRIC_FIELD_UNITS), ("a polarisation", POLARIZATION_UNITS))
        for name, factor in table.items()
        if factor != 1 and min(abs(slope * factor - 1), abs(slope / factor - 1)) < CLOSE
    ]
    return f" ({' or '.join(names)}, perhaps)" if names else ""


def _groups(
    data: StressStrainData, problem: CoupledProblem, setting: Setting, group: PointGroup, error: float
) -> tuple[str, dict[str, float], list[Finding]]:
    """The largest group that the data agree with, from the declared one upwards; smaller ones where they contradict it."""
    errors: dict[str, float] = {}

    def error_under(other: PointGroup) -> float:
        found = _error(replace(problem, operations=np.array(other.operations)), setting)
        errors[other.symbol] = min(found, errors.get(other.symbol, np.inf))
        return found

    def error_at_best(other: PointGroup) -> float:  # where the variable and the kernel were chosen under a group that may be wrong
        errors[other.symbol] = _error(*_best_problem(data, other))
        return errors[other.symbol]

    judged = error_at_best if error > POOR else error_under
    smaller = [(judged(other), other) for other in group.maximal_subgroups()] if group.order > 1 else []
    best = min(smaller, key=lambda pair: pair[0], default=None)
    if best is not None and best[0] * CONTRADICTED < error:
        message = (
            f"found that samples left out are missed by {error:.2%} under {group.symbol} and by {best[0]:.2%} under its subgroup "
            f"{best[1].symbol}; needed the crystal's own group; check the point group, the hand and the axes of the data"
        )
        return best[1].symbol, errors, [Finding("wrong_group", 0.95, (), message, f"--point-group {best[1].symbol}")]
    largest, reached = group, error
    while True:
        larger = [(error_under(other), other) for other in _supergroups(largest)]
        fitting = [pair for pair in larger if pair[0] <= WORSE * reached]
        if not fitting:
            return largest.symbol, errors, []
        reached, largest = min(fitting, key=lambda pair: (-pair[1].order, pair[0]))


def _supergroups(group: PointGroup) -> Sequence[PointGroup]:
    return () if group.symbol in ("m-3m", "6/mmm") else group.minimal_supergroups()
