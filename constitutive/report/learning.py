"""What a law is compared with: baselines, and errors against the number of samples."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from constitutive.errors import CalibrationError
from constitutive.plots import Curve
from constitutive.report.sections import FREE, LAW, LINEAR

if TYPE_CHECKING:
    from constitutive.data import StressStrainData
    from constitutive.material import Material

SIZES = (8, 16, 32, 64)
DRAWS = 2  # random choices of the samples for each size
LEAST_UNSEEN = 8


def baselines(material: Material, data: StressStrainData, seed: int) -> dict[str, Any]:
    """Linear elasticity and the network without symmetry, fitted to the same samples; what cannot be fitted is left out."""
    from constitutive.calibration import fit_linear, fit_unconstrained

    found: dict[str, Any] = {}
    for name, fit in (
        (FREE, lambda: fit_unconstrained(data, seed=seed, point_group=_group(material, data))),
        (LINEAR, lambda: fit_linear(data, point_group=_group(material, data))),
    ):
        try:
            found[name] = fit()
        except CalibrationError:
            continue  # the section on accuracy then shows one curve less
    return found


def curves(material: Material, data: StressStrainData, seed: int, tell: Callable[[str, float], None]) -> dict[str, Curve]:
    """Error of S on unseen states by the number of samples, of the law and of its baselines.

    The states are the held-out paths where there are any, and otherwise the samples not drawn.
    """
    sizes = [n for n in SIZES if n <= len(data) - LEAST_UNSEEN]
    errors: dict[str, list[list[float]]] = {}
    for step, n in enumerate(sizes):
        for draw in range(DRAWS):
            tell(f"learning curve: {n} samples, draw {draw + 1} of {DRAWS}", 0.25 + 0.45 * (step + draw / DRAWS) / len(sizes))
            for name, error in _errors(material, data, n, seed + draw).items():
                rows = errors.setdefault(name, [[] for _ in sizes])
                rows[step].append(error)
    complete = {name: np.array(rows) for name, rows in errors.items() if all(len(row) == DRAWS for row in rows)}
    count = np.array(sizes, dtype=float)
    return {name: Curve(count, np.median(e, axis=1), e.min(axis=1), e.max(axis=1)) for name, e in complete.items()}


def _errors(material: Material, data: StressStrainData, n: int, seed: int) -> dict[str, float]:
    from constitutive.calibration import calibrate

    order = np.random.default_rng(seed).permutation(len(data))
    chosen, rest = data.select(np.sort(order[:n])), data.select(np.sort(order[n:]))
    held_out = data.paths_data()
    unseen = rest if held_out is None else held_out
    rule = material.card.get("residual_stress", {}).get("rule")
    try:
        law = calibrate(chosen, seed=seed, point_group=_group(material, data), residual_stress=None if rule == "zero" else rule).law
    except CalibrationError:
        return {}
    return {name: _error(other, unseen, material) for name, other in {LAW: law, **baselines(material, chosen, seed)}.items()}


def _error(law: Any, data: StressStrainData, material: Material) -> float:
    from constitutive.calibration.reference import honoured

    S = honoured(data, material.card)
    T = law.stress(torch.from_numpy(data.green_lagrange_strain)).numpy()
    return float(np.linalg.norm(T - S) / np.linalg.norm(S))


def _group(material: Material, data: StressStrainData) -> Any:
    return None if data.structure is not None else material.point_group
