"""Objectivity without a frame: the principal stresses do not depend on the rotation in F, their axes do."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from jaxtyping import Float

from constitutive.data import StressStrainData
from constitutive.intake.findings import Finding
from constitutive.intake.robust import RobustFit
from constitutive.intake.series import CONSTANTS, Group, design
from constitutive.kinematics import cauchy_from_second_piola
from constitutive.tensors.packing import from_mandel, to_mandel

POOR = 0.2  # residual of the best reading from which this question is asked
AGREE = 0.35  # residual of the principal stresses, relative to that of the best reading


def rotation_is_missing(data: StressStrainData, group: Group, fit: RobustFit) -> tuple[Finding, RobustFit] | None:
    """The finding that the rotation in F has nothing to do with that of the stress; None where it does, or nothing can be told.

    The energy alone gives a law of the strain; its principal Cauchy stresses are compared with those of the file, which a
    rotation of the sample does not change. The second part of the answer is `fit` with what this comparison says about unit
    and sign.
    """
    if data.W is None or fit.residual < POOR or data.measure != "cauchy":
        return None
    x = np.asarray(to_mandel(data.green_lagrange_strain))
    law = _law_of_energy(x, data.W, group)
    if law is None:
        return None
    stress, rest = law
    predicted = np.linalg.eigvalsh(cauchy_from_second_piola(data.F, np.asarray(from_mandel(stress))))
    slope, apart = min((_compared(predicted, sign * data.stress("cauchy"), sign) for sign in (1, -1)), key=lambda pair: pair[1])
    if rest > 0.2 or apart > AGREE * fit.residual:
        return None
    message = (
        f"found principal stresses that follow the strain (to {apart:.2g}) with axes that do not (residual {fit.residual:.2g}): the "
        "rotation in F is not the one in the stress; needed F and the stress of one and the same state; take both from the code's output"
    )
    stiffness = slope * float((stress * x).sum() / (x * x).sum())
    return Finding("objectivity", 0.92, (), message, ""), replace(fit, residual=apart, energy=rest, slope=1 / slope, stiffness=stiffness)


def _law_of_energy(x: Float[np.ndarray, "n 6"], W: Float[np.ndarray, " n"], group: Group) -> tuple[Float[np.ndarray, "n 6"], float] | None:
    """The second Piola-Kirchhoff stress that belongs to the energy, and how well the series follows that; None for few samples."""
    scale = float(np.sqrt((x * x).sum(1).mean()))
    degree = next((d for d in (4, 3, 2) if group.size(d) <= 0.7 * len(x)), 0)
    if degree == 0:
        return None
    matrices = design(group, x, degree, scale)
    B, D = matrices.energy[:, CONSTANTS:], matrices.stress[:, :, CONSTANTS:]
    weights = 1.0 / ((x * x).sum(1) / scale**2 + 0.2)
    coefficients = np.linalg.lstsq(B * weights[:, None], W * weights, rcond=1e-9)[0]
    rest = float(np.linalg.norm((B @ coefficients - W) * weights) / np.linalg.norm(W * weights))
    return D @ coefficients, rest


def _compared(predicted: Float[np.ndarray, "n 3"], sigma: Float[np.ndarray, "n 3 3"], sign: int) -> tuple[float, float]:
    """Slope of the principal stresses on the predicted ones, with its sign, and the relative distance from that line."""
    found = np.linalg.eigvalsh(sigma)
    slope = float((predicted * found).sum() / max(float((predicted**2).sum()), 1e-300))
    return sign * slope, float(np.linalg.norm(found - slope * predicted) / max(float(np.linalg.norm(found)), 1e-300))
