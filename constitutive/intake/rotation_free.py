r"""Readings in which the rotation of F has no bearing on the stress: evidence of the energy and the principal stresses alone.

The energy is a function of the strain, whatever became of the rotation: a series fitted to W gives a law, its linear term the stress
of the reference cell. That law's principal stresses (for the first Piola–Kirchhoff stress the singular values) do not depend on the
rotation either, and are compared with those of the file under each order of its components and each measure.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from constitutive.data import StressStrainData
from constitutive.fitting.polynomial_basis import REFERENCE_STRESS, LaueGroup, design
from constitutive.fitting.robust import RobustFit, belonging
from constitutive.intake.groups import candidate_groups
from constitutive.intake.hypotheses import STANDARD, SYMMETRIC, Hypothesis, deformation, deformations, order_map, order_maps
from constitutive.intake.search import penalty, stress_rows
from constitutive.kinematics import cauchy_from_second_piola, determinant, first_from_second_piola, green_lagrange_strain
from constitutive.tensors.packing import from_mandel, to_mandel

DOUBTFUL_RESIDUAL = 0.2  # residual of the best reading above which this is tested
AGREE = 0.35  # residual of the principal stresses, relative to that of the best reading
NO_BETTER = 3.0  # times the principal stresses' residual: up to there the axes follow too
FOLLOWS = 0.2  # residual of W, up to which it is a function of the strain
EXACT = 0.005  # residual of W below which no other group is tried
PRINCIPAL = 3  # principal stresses; they come in order, so that a turned sign turns the order
UNKNOWNS_PER_ENERGY = 0.6  # unknowns of the energy's series relative to the samples
LARGEST_DEGREE = 4
FEWEST_ENERGIES = 8


@dataclass(frozen=True)
class EnergyLaw:
    """The series of the energy alone, under one reading of F and one group.

    Attributes
    ----------
    residual : float
        Relative residual of W.
    stress : ndarray (n, 3, 3)
        Second Piola-Kirchhoff stress that belongs to it, in the unit of W.
    reference_stress : ndarray (6,)
        The same at E = 0, Mandel components.
    F : ndarray (n, 3, 3)
        Deformation gradients as read.
    x : ndarray (n, 6)
        Their Green-Lagrange strains, Mandel components.
    group : LaueGroup
        Whose invariants are the series.
    """

    residual: float
    stress: Float[np.ndarray, "n 3 3"]
    reference_stress: Float[np.ndarray, " 6"]
    F: Float[np.ndarray, "n 3 3"]
    x: Float[np.ndarray, "n 6"]
    group: LaueGroup


@dataclass(frozen=True)
class RotationFree:
    """The best reading without a rotation.

    Attributes
    ----------
    hypothesis : Hypothesis
        Deformation, measure, order and group.
    fit, coarse : RobustFit
        Its results for residual, unit, sign, reference stress and outliers, and the same with an energy series one degree shorter.
    gains : dict
        For each fault of the hypothesis, how many times larger a residual is without it.
    group : LaueGroup
        The group under which W follows the strain.
    x : ndarray (n, 6)
        The strains, Mandel components.
    """

    hypothesis: Hypothesis
    fit: RobustFit
    coarse: RobustFit
    gains: dict[str, float]
    group: LaueGroup
    x: Float[np.ndarray, "n 6"]


def lost_rotation(data: StressStrainData, group: LaueGroup, fit: RobustFit, named: Callable[[LaueGroup], str]) -> RotationFree | None:
    """The reading without a rotation, where it explains what the best one with a rotation does not; None elsewhere.

    Parameters
    ----------
    data : StressStrainData
        Distinct samples of one kind.
    group : LaueGroup
        The declared group.
    fit : RobustFit
        Of the best reading with a rotation.
    named : callable
        The name that readings give to a group.

    Returns
    -------
    RotationFree or None
    """
    if data.W is None or len(data) < FEWEST_ENERGIES or fit.residual < DOUBTFUL_RESIDUAL:
        return None
    base, law, gains = _energy_reading(data, group, named)
    if law.residual > FOLLOWS:
        return None
    found = sorted(_readings(data, base, law), key=lambda pair: pair[1] * penalty(pair[0]))
    best, apart = found[0]
    if apart > AGREE * fit.residual or _axes_follow(data, best, law, apart):
        return None
    gains |= _gains(found, base, best, apart)
    shorter = _energy_law(data, best.deformation, law.group, shorter=1)
    return RotationFree(best, _as_fit(data, best, law, fit), _as_fit(data, best, shorter, fit), gains, law.group, law.x)


def _energy_reading(
    data: StressStrainData, group: LaueGroup, named: Callable[[LaueGroup], str]
) -> tuple[Hypothesis, EnergyLaw, dict[str, float]]:
    """Which F and which group make W a function of the strain, and how much worse each is without."""
    own = {how: _energy_law(data, how, group) for how in deformations(data)}
    readings = [Hypothesis(how) for how in own]
    best = min(readings, key=lambda h: own[h.deformation].residual * penalty(h))
    law, gains = own[best.deformation], {}
    plain = own["given"].residual
    if law.residual > EXACT:
        for other in candidate_groups(data):
            for how in own:
                reading = Hypothesis(how, group=named(other))
                trial = _energy_law(data, how, other)
                if trial.residual * penalty(reading) < law.residual * penalty(best):
                    best, law = reading, trial
    for fault in best.faults:
        without = own[best.deformation].residual if fault == "wrong_group" else plain
        gains[fault] = without / max(law.residual, 1e-9)
    return best, law, gains


def _energy_law(data: StressStrainData, how: str, group: LaueGroup, *, shorter: int = 0) -> EnergyLaw:
    F = deformation(data, how)
    x = np.asarray(to_mandel(green_lagrange_strain(F)))
    scale = float(np.sqrt((x * x).sum(1).mean()))
    fitting = (d for d in range(LARGEST_DEGREE, 2, -1) if group.size(d) + 1 <= UNKNOWNS_PER_ENERGY * len(x))
    matrices = design(group, x, max(next(fitting, 2) - shorter, 2), scale)
    weights = 1.0 / ((x * x).sum(1) / scale**2 + 0.2)
    columns = np.concatenate([matrices.energy, np.ones((len(x), 1))], 1) * weights[:, None]
    W = np.zeros(len(x)) if data.W is None else data.W
    solution, _, rank, _ = np.linalg.lstsq(columns, W * weights, rcond=1e-9)
    rest = columns @ solution - W * weights
    freedom = max(len(x) - int(rank), 1) / len(x)
    spread = (W - np.average(W, weights=weights**2)) * weights
    residual = float(np.linalg.norm(rest)) / max(float(np.linalg.norm(spread)), 1e-300) / float(np.sqrt(freedom))
    S = np.asarray(from_mandel(matrices.stress @ solution[:-1]))
    return EnergyLaw(residual, S, solution[:REFERENCE_STRESS], F, x, group)


def _readings(data: StressStrainData, base: Hypothesis, law: EnergyLaw) -> list[tuple[Hypothesis, float]]:
    """Every order and measure, with the relative distance of the principal stresses from those of the law."""
    sigma = stress_rows(data)
    found: list[tuple[Hypothesis, float]] = []
    for measure in ("cauchy", "kirchhoff", "first_piola_kirchhoff"):
        named = "" if measure == data.measure else measure
        predicted = _principal_of_law(law, measure)
        found.append((replace(base, measure=named), _compared(predicted, _principal(sigma, measure))[1]))
        if measure == "first_piola_kirchhoff" or _is_skew(sigma):
            continue
        orders, maps = order_maps()
        values = _principal(np.einsum("mij,nj->mni", maps, sigma), measure)
        apart = np.array([_compared(predicted, some)[1] for some in values])
        found += [(replace(base, measure=named, order=orders[i]), float(apart[i])) for i in np.argsort(apart)[:40] if orders[i] != STANDARD]
    return found


def _is_skew(sigma: Float[np.ndarray, "n 9"]) -> bool:
    T = sigma.reshape(-1, 3, 3)
    return bool(np.abs(T - T.swapaxes(1, 2)).max() > SYMMETRIC * np.abs(T).max())


def _principal(sigma: Float[np.ndarray, "... 9"], measure: str) -> Float[np.ndarray, "... 3"]:
    T = sigma.reshape(*sigma.shape[:-1], 3, 3)
    if measure == "first_piola_kirchhoff":
        return np.linalg.svd(T, compute_uv=False)
    return np.linalg.eigvalsh((T + T.swapaxes(-1, -2)) / 2)


def _principal_of_law(law: EnergyLaw, measure: str) -> Float[np.ndarray, "n 3"]:
    if measure == "first_piola_kirchhoff":
        return _principal(first_from_second_piola(law.F, law.stress).reshape(-1, 9), measure)
    J = determinant(law.F)[:, None] if measure == "kirchhoff" else 1.0
    return J * _principal(cauchy_from_second_piola(law.F, law.stress).reshape(-1, 9), measure)


def _compared(predicted: Float[np.ndarray, "n k"], found: Float[np.ndarray, "n k"]) -> tuple[float, float, Float[np.ndarray, " n"]]:
    """Slope of stresses (principal or all nine) on the predicted ones, with its sign; relative distance from that line; each sample's."""
    results: list[tuple[float, float, np.ndarray]] = []
    for sign in (1, -1) if (found < 0).any() else (1,):
        values = found if sign > 0 else -found[:, ::-1] if found.shape[1] == PRINCIPAL else -found
        slope = _slope(predicted, values)
        rest = np.linalg.norm(values - slope * predicted, axis=1)
        size = np.linalg.norm(values, axis=1)
        deviations = rest / np.maximum(size + 0.3 * np.sqrt((size**2).mean()), 1e-300)
        results.append((sign * slope, float(np.median(deviations)), deviations))
    return min(results, key=lambda result: result[1])


def _slope(predicted: Float[np.ndarray, "n k"], found: Float[np.ndarray, "n k"]) -> float:
    """Of the samples' own slopes the median: a few samples that do not belong change nothing."""
    own = (predicted * found).sum(1) / np.maximum((predicted**2).sum(1), 1e-300)
    return float(np.median(own))


def _axes_follow(data: StressStrainData, best: Hypothesis, law: EnergyLaw, apart: float) -> bool:
    """Whether the stresses with their axes are as near to the law as the principal ones: then a few samples are off, no rotation lost."""
    measure = best.measure or data.measure
    of_law = first_from_second_piola if measure == "first_piola_kirchhoff" else cauchy_from_second_piola
    predicted = of_law(law.F, law.stress) * (determinant(law.F)[:, None, None] if measure == "kirchhoff" else 1.0)
    found = stress_rows(data) @ _map(best).T
    rest = _compared(predicted.reshape(-1, 9), found)[1]
    return rest < NO_BETTER * apart


def _map(best: Hypothesis) -> Float[np.ndarray, "9 9"]:
    return order_map(best.order) if best.order != STANDARD else np.eye(9)


def _gains(found: list[tuple[Hypothesis, float]], base: Hypothesis, best: Hypothesis, apart: float) -> dict[str, float]:
    distance = dict(found)
    gains = {}
    for fault in best.faults:
        if fault not in base.faults:
            gains[fault] = distance.get(best.without(fault), distance[base]) / max(apart, 1e-9)
    return gains


def _as_fit(data: StressStrainData, best: Hypothesis, law: EnergyLaw, fit: RobustFit) -> RobustFit:
    """The result of the comparison as a fit: of the samples in the unit of the file."""
    measure = best.measure or data.measure
    found = _principal(stress_rows(data) @ _map(best).T, measure)
    slope, apart, deviations = _compared(_principal_of_law(law, measure), found)
    kept = belonging(deviations)
    S = np.asarray(to_mandel(law.stress)) - law.reference_stress
    stiffness = slope * float((S * law.x).sum() / (law.x * law.x).sum())
    size = abs(slope) * float(np.sqrt((np.asarray(to_mandel(law.stress)) ** 2).sum(1).mean()))
    return replace(
        fit,
        residual=max(apart, law.residual),
        stress=apart,
        energy=law.residual,
        slope=1 / slope,
        kept=kept,
        deviations=deviations,
        reference_stress=slope * law.reference_stress,
        stiffness=stiffness,
        size=size,
    )
