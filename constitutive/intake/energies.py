"""The zero of the energy, and energies whose slope at zero strain is not the stress there.

Energies of a code are known up to a constant; that of the undeformed cell follows from a fit where no run gives it. Energies of plane
waves at fixed cutoff have another slope than the stress (Pulay stress), which is no evidence on unit or sign.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from constitutive.data import StressStrainData
from constitutive.fitting.polynomial_basis import REFERENCE_STRESS, LaueGroup, design, trivial_group
from constitutive.fitting.robust import RobustFit
from constitutive.intake.groups import declared_group
from constitutive.intake.hypotheses import Hypothesis
from constitutive.intake.reading_fit import raw_samples
from constitutive.units import EV_PER_CUBIC_ANGSTROM

CELL_ENERGIES = "cell_energies_eV"  # unknown key of a data set: energy of each sample's cell
FEWEST_SAMPLES = 8  # samples
STRESS_FITS = 0.1  # residual of the stress up to which it determines the energy
OTHERWISE = 0.2  # residual of W from which a slope of its own is looked for
EXPLAINED = 0.1  # residual of W with it
SAME_SCALE = 0.15  # relative difference of energies from the work of the stress, up to which their zero is taken
DEGREE = 4


def with_energies(data: StressStrainData) -> StressStrainData:
    """The data with W against the lowest sample where they hold energies of cells but none of the undeformed one; else as they are.

    Parameters
    ----------
    data : StressStrainData

    Returns
    -------
    StressStrainData
    """
    energies = (data.model_extra or {}).get(CELL_ENERGIES)
    if data.W is not None or data.reference_volume is None or not isinstance(energies, list) or len(energies) != len(data):
        return data
    W = np.array(energies, dtype=np.float64) / data.reference_volume * EV_PER_CUBIC_ANGSTROM
    return data.replace(W=W - W.min()) if np.isfinite(W).all() else data


def with_energy_zero(data: StressStrainData) -> tuple[StressStrainData, str]:
    """W from energies of cells whose zero, the energy of the undeformed cell, is found by a fit to the stresses.

    Parameters
    ----------
    data : StressStrainData
        Without W, with the energies of the cells (eV) under the key ``cell_energies_eV``.

    Returns
    -------
    data : StressStrainData
        With W where that is found.
    remark : str
        How it was found, or why not; empty where there was nothing to do.
    """
    trial = with_energies(data)
    if trial is data:
        return data, ""
    group = declared_group(data) or trivial_group()
    reason = "without W: the energy of the undeformed cell is not given, and "
    advice = "; give the undeformed cell as an output with its energy (--reference)"
    if len(data) < FEWEST_SAMPLES or group.size(2) > 3 * len(data):
        return data, f"{reason}{len(data)} samples are too few to find it{advice}"
    slope, zero, residual, stress = _line(trial, group)
    if stress > STRESS_FITS or residual > OTHERWISE or abs(slope - 1) > SAME_SCALE:
        found = f"energies follow the stress to {residual:.2g} with a slope of {slope:.3g}"
        return data, f"{reason}a fit does not find it (the stress fits to {stress:.2g}, {found}; needed 0.2 and 1){advice}"
    energy = zero * (data.reference_volume or 0.0) / EV_PER_CUBIC_ANGSTROM
    energy += float(min((data.model_extra or {})[CELL_ENERGIES]))
    W = None if trial.W is None else trial.W - zero
    shifted = data.replace(W=W).with_provenance({"energy_at_rest": {"eV": energy, "source": "a series fitted to stresses and energies"}})
    return shifted, f"energy of the undeformed cell {energy:.6g} eV, by a fit (energies follow the stress to {residual:.2g})"


def _line(data: StressStrainData, group: LaueGroup) -> tuple[float, float, float, float]:
    """W = slope · (energy of the stress) + zero: slope, zero, relative residual, and the residual of the stress."""
    degree = DEGREE
    while degree > 2 and group.size(degree) > 0.45 * 6 * len(data):
        degree -= 1
    x, S = _strain_and_stress(data)
    A, B = _columns(group, x, degree)
    theta = np.linalg.lstsq(A, S.ravel(), rcond=1e-9)[0]
    predicted = B @ theta
    W = np.zeros(len(data)) if data.W is None else data.W
    slope, zero = np.linalg.lstsq(np.stack([predicted, np.ones(len(W))], 1), W, rcond=None)[0]
    residual = np.linalg.norm(W - slope * predicted - zero) / max(float(np.linalg.norm(W - W.mean())), 1e-300)
    stress = np.linalg.norm(A @ theta - S.ravel()) / max(float(np.linalg.norm(S)), 1e-300)
    return float(slope), float(zero), float(residual), float(stress)


def _strain_and_stress(data: StressStrainData) -> tuple[Float[np.ndarray, "n 6"], Float[np.ndarray, "n 6"]]:
    raw = raw_samples(data, Hypothesis())
    return raw.x, raw.stress[:, :6]


def _columns(group: LaueGroup, x: Float[np.ndarray, "n 6"], degree: int) -> tuple[np.ndarray, np.ndarray]:
    matrices = design(group, x, degree, float(np.sqrt((x * x).sum(1).mean())) or 1.0)
    return matrices.stress.reshape(6 * len(x), -1), matrices.energy


def without_own_slope(data: StressStrainData, group: LaueGroup, degree: int, fit: RobustFit) -> tuple[StressStrainData, str]:
    """The data with the linear part of W that is not in the stress taken off, where that explains W; else as they are.

    Parameters
    ----------
    data : StressStrainData
        Distinct samples.
    group, degree, fit
        Of the series fitted to the stress as the file states it.

    Returns
    -------
    data : StressStrainData
        W brought to the slope of the stress.
    remark : str
        What was found; empty where nothing was.
    """
    if data.W is None or len(data) < FEWEST_SAMPLES or fit.stress > STRESS_FITS or fit.energy < OTHERWISE:
        return data, ""
    x, S = _strain_and_stress(data)
    A, B = _columns(group, x, degree)
    kept = fit.kept
    theta = np.linalg.lstsq(A.reshape(len(x), 6, -1)[kept].reshape(-1, A.shape[1]), S[kept].ravel(), rcond=1e-9)[0]
    predicted, volume = B[:, REFERENCE_STRESS:] @ theta[REFERENCE_STRESS:], x[:, :3].sum(1)
    columns = np.stack([predicted, np.ones(len(x)), volume], 1)
    slope, zero, pressure = np.linalg.lstsq(columns, data.W, rcond=None)[0]
    rest = data.W - columns @ np.array([slope, zero, pressure])
    if slope == 0 or np.linalg.norm(rest) > EXPLAINED * np.linalg.norm(data.W - data.W.mean()):
        return data, ""
    stress = float(theta[:3].mean())
    remark = (
        f"unit by energy: W has a slope of {pressure / abs(slope):.3g} GPa at zero strain, the stress is {stress:.3g} GPa there (as of "
        "plane waves at fixed cutoff); W was taken without that slope"
    )
    return data.replace(W=data.W - (pressure - slope * stress) * volume), remark
