"""What a law is compared with: baselines, and errors against the number of samples."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import torch

from constitutive.calibration import calibrate, fit_linear, fit_unconstrained
from constitutive.calibration.residual_stress import stress_to_compare
from constitutive.data import StressStrainData
from constitutive.errors import CalibrationError
from constitutive.laws import Law
from constitutive.material import Material
from constitutive.plots import Curve
from constitutive.report.known import FREE, LAW, LINEAR, held_out_of
from constitutive.symmetry import PointGroup

SMALLEST_TRAINING_SET = 8
BUDGET = 150.0  # seconds
GROWTH = 2.0  # of the time from one number of samples to the next, twice as large
DRAWS = 2  # random choices of the samples for each size
LEAST_UNSEEN = 8


def baselines(material: Material, data: StressStrainData, seed: int) -> dict[str, Law]:
    """Linear elasticity and the network without symmetry, fitted to the same samples; what cannot be fitted is left out.

    Parameters
    ----------
    material : Material
        Its group is used where the data state none.
    data : StressStrainData
        The samples.
    seed : int
        Of folds and initial directions.

    Returns
    -------
    dict of Law
        By name.
    """
    found: dict[str, Law] = {}
    for name, fit in (
        (FREE, lambda: fit_unconstrained(data, seed=seed, point_group=_group(material, data))),
        (LINEAR, lambda: fit_linear(data, point_group=_group(material, data))),
    ):
        try:
            found[name] = fit()
        except CalibrationError:
            continue  # the section on accuracy then shows one curve less
    return found


def sizes_of(available: int) -> list[int]:
    """Numbers of samples to calibrate on: doubled from 8 up to all that there are."""
    sizes = [SMALLEST_TRAINING_SET * 2**k for k in range(20) if SMALLEST_TRAINING_SET * 2**k <= available]
    return [*sizes, available] if sizes and available > 1.15 * sizes[-1] else sizes


def curves(
    material: Material,
    data: StressStrainData,
    unseen: StressStrainData | None,
    others: dict[str, Law],
    seed: int,
    progress: Callable[[str, float], None],
) -> tuple[dict[str, Curve], str]:
    """Error of S on unseen states by the number of samples, of the law and of its baselines; and a remark for the caption.

    The states are the unseen ones or the held-out paths where there are any, and otherwise the samples not drawn. Laws of fewer samples are
    of quick calibrations. No larger number of samples is begun that would end later than ``BUDGET``, by the time that the one before took.

    Parameters
    ----------
    material : Material
    data : StressStrainData
        The samples to draw from.
    unseen : StressStrainData, optional
        States to judge by.
    others : dict of Law
        The baselines.
    seed : int
        Of the draws.
    progress : callable
        Called with a text and the part done, 0 to 1.

    Returns
    -------
    curves : dict of Curve
        By name; errors are fractions of the norm of S.
    note : str
        What was left out for time.
    """
    held_out = held_out_of(data, unseen)
    sizes = sizes_of(len(data) if held_out is not None else len(data) - LEAST_UNSEEN)
    errors: dict[int, list[dict[str, float]]] = {}
    if held_out is not None and sizes and _is_of(material, data):  # all samples: the material itself, no need to wait
        laws = {LAW: material.law, **others}
        errors[len(data)] = [{name: _error(law, held_out, material) for name, law in laws.items()}]
    began = time.monotonic()
    for step, n in enumerate(n for n in sizes if n not in errors):
        at = time.monotonic()
        for draw in range(DRAWS if n < len(data) else 1):  # there is one choice of all
            progress(f"learning curve: {n} samples, draw {draw + 1}", 0.25 + 0.45 * (step + draw / DRAWS) / len(sizes))
            errors.setdefault(n, []).append(_errors(material, data, held_out, n, seed + draw))
        now = time.monotonic()
        if now + GROWTH * (now - at) > began + BUDGET:
            break
    missing = [str(n) for n in sizes if n not in errors]
    note = "Laws of fewer samples are of quick calibrations." if len(errors) > 1 else ""
    note += f" Left out for time: {', '.join(missing)} samples." if missing else ""
    return _curves_of(errors), note.strip()


def _is_of(material: Material, data: StressStrainData) -> bool:
    """Whether a material was calibrated on all of these data."""
    stated = material.card.get("data", {})
    return bool(stated.get("sha256") == data.sha256 and stated.get("samples") == len(data))


def _curves_of(errors: dict[int, list[dict[str, float]]]) -> dict[str, Curve]:
    """Median and range by law, at the numbers of samples where every draw gave that law."""
    found = {}
    for name in dict.fromkeys(name for draws in errors.values() for draw in draws for name in draw):
        rows = {n: [draw[name] for draw in draws] for n, draws in sorted(errors.items()) if all(name in draw for draw in draws)}
        count = np.array(list(rows), dtype=float)
        median, low, high = (np.array([end(row) for row in rows.values()]) for end in (np.median, np.min, np.max))
        found[name] = Curve(count, median, low, high)
    return found


def _errors(material: Material, data: StressStrainData, held_out: StressStrainData | None, n: int, seed: int) -> dict[str, float]:
    order = np.random.default_rng(seed).permutation(len(data))
    chosen = data.select(np.sort(order[:n]))
    unseen = data.select(np.sort(order[n:])) if held_out is None else held_out
    rule = material.card.get("residual_stress", {}).get("rule")
    try:
        kept = None if rule == "zero" else rule
        law = calibrate(chosen, seed=seed, point_group=_group(material, data), residual_stress=kept, effort="quick").law
    except CalibrationError:
        return {}
    return {name: _error(other, unseen, material) for name, other in {LAW: law, **baselines(material, chosen, seed)}.items()}


def _error(law: Law, data: StressStrainData, material: Material) -> float:
    S = stress_to_compare(data, material.card)
    T = law.stress(torch.from_numpy(data.green_lagrange_strain)).numpy()
    return float(np.linalg.norm(T - S) / np.linalg.norm(S))


def _group(material: Material, data: StressStrainData) -> PointGroup | None:
    return None if data.structure is not None else material.point_group
