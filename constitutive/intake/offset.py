"""A constant stress added in the lab frame: what basis-set errors (Pulay stress) or a forgotten barostat leave in every sample.

The physical stress of a strained reference cell turns with the crystal and is part of every fit; one that stays in the lab frame
follows from no energy, and is found by five columns of its own. (Its pressure follows from the energy p J, and stays with the fit.)
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float
from scipy.linalg import lstsq

from constitutive.data import StressStrainData
from constitutive.fitting.polynomial_basis import LaueGroup, design
from constitutive.fitting.robust import RobustFit
from constitutive.intake.findings import Finding
from constitutive.intake.hypotheses import Hypothesis, reading, rotations_matter
from constitutive.intake.search import map_of, stress_rows
from constitutive.tensors.components import six_text
from constitutive.tensors.packing import from_mandel

WORTH_A_LOOK = 0.005  # residual below which such a stress is negligible
CLEARER = 1.5  # how much the residual has to fall
FEWEST_SAMPLES = 16  # samples
SMALLEST_OFFSET = 0.01  # of the rms stress


def lab_offset(
    data: StressStrainData, best: Hypothesis, group: LaueGroup, degree: int, fit: RobustFit
) -> tuple[Finding, StressStrainData] | None:
    """The constant Cauchy stress in the data as a finding, and the data without it; None where there is none.

    Asked only where the measure is as declared, and the frame one and the same for all samples.
    """
    plain = best.frame == "lab" and not best.measure
    able = rotations_matter(data) and len(data) >= FEWEST_SAMPLES  # else it cannot be distinguished from the stress of the reference cell
    if not (plain and able) or data.measure != "cauchy" or not WORTH_A_LOOK < fit.residual < 0.5:
        return None
    sigma0, residual = _fitted(data, best, group, degree, fit.kept)
    ratio = float(np.linalg.norm(sigma0)) / fit.size
    if not SMALLEST_OFFSET < ratio < 1 or residual * CLEARER > fit.stress:
        return None
    message = (
        f"found the same shear stress ({six_text(sigma0)}) GPa (xx yy zz yz xz xy) added to every sample in the lab frame, "
        f"{100 * ratio:.2g} % of the rms stress; needed none; converge the stress (cutoff), or take it off"
    )
    finding = Finding("reference_stress", 0.95, (), message, "--remove-reference-stress lab")
    as_written = (np.linalg.pinv(map_of(best)) @ sigma0.reshape(9)).reshape(3, 3)  # disordered like the rest
    return finding, data.replace(cauchy=data.cauchy - as_written)


def _fitted(
    data: StressStrainData, best: Hypothesis, group: LaueGroup, degree: int, kept: Bool[np.ndarray, " n"]
) -> tuple[Float[np.ndarray, "3 3"], float]:
    read = reading(data, best.deformation, best.measure, best.frame)
    size = np.sqrt((read.x * read.x).sum(1))
    scale = float(np.sqrt((size * size).mean()))
    weights = (1.0 / (size / scale + 0.5))[:, None, None]
    traceless = np.linalg.svd(np.array([[1.0, 1, 1, 0, 0, 0]]))[2][1:]
    basis = np.asarray(from_mandel(traceless)).reshape(5, 9)
    offset = read.to_second[:, :6] @ basis.T
    columns = np.concatenate([design(group, read.x, degree, scale).stress, offset], 2) * weights
    S = np.einsum("nai,ij,nj->na", read.to_second, map_of(best), stress_rows(data))[:, :6, None] * weights
    rows, target = columns[kept].reshape(-1, columns.shape[2]), S[kept].reshape(-1)
    solution, _, rank, _ = lstsq(rows, target, cond=1e-9, lapack_driver="gelsy", check_finite=False)
    rest = target - rows @ solution
    freedom = max(len(rows) - int(rank), 1) / len(rows)
    residual = float(np.sqrt((rest @ rest) / (target @ target) / freedom))
    return np.asarray(from_mandel(solution[-5:] @ traceless)), residual
