"""Taking the stress of the reference cell out of a data set: the correction of the finding ``reference_stress``."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from constitutive.data import StressStrainData
from constitutive.data.corrections import remove_constant_stress, remove_reference_stress
from constitutive.errors import DataError
from constitutive.fitting.polynomial_basis import LaueGroup, determined_degree, highest_degree, trivial_group
from constitutive.fitting.robust import RobustFit, reference_stress_error
from constitutive.intake.diagnosis import LARGEST_ERROR, reference_findings
from constitutive.intake.groups import declared_group
from constitutive.intake.hypotheses import Hypothesis
from constitutive.intake.offset import lab_offset
from constitutive.intake.reading_fit import raw_samples, robust_fit
from constitutive.tensors.packing import from_mandel, to_mandel

KINDS = ("crystal", "lab")
LARGEST_STRAIN_AT_REST = 1e-6
MOST_SAMPLES = 160  # samples fitted; of more, an even choice
UNKNOWNS_PER_STRESS = 0.5  # unknowns of the shortest series relative to the stress components, above which no fit fixes anything
FEWEST_ENERGIES = 8  # samples with W, from which it is judged whether W holds the work of the stress


@dataclass(frozen=True)
class Removal:
    """A data set without the stress of its reference cell.

    Attributes
    ----------
    data : StressStrainData
        The corrected data, in the measure that they had.
    stress : ndarray (3, 3)
        What was taken off, in GPa.
    source : str
        Where it was read from.
    """

    data: StressStrainData
    stress: Float[np.ndarray, "3 3"]
    source: str


def without_reference_stress(data: StressStrainData, kind: str = "crystal") -> Removal:
    """Take the stress at zero strain off every sample: that of an unstrained sample, or else of a fit that fixes it.

    Parameters
    ----------
    data : StressStrainData
        With no other fault.
    kind : str
        "crystal": a second Piola-Kirchhoff stress S₀ that turns with the crystal, and its work S₀ : E from W where W holds it.
        "lab": one and the same Cauchy stress in every sample (a Pulay stress), which is in no energy.

    Returns
    -------
    Removal
        The corrected data, the stress removed (GPa), and how it was determined.

    Raises
    ------
    DataError
        The kind is unknown, or the data hold no unstrained sample and the fit finds no such stress that is clear of its error.
    """
    if kind not in KINDS:
        raise DataError(f"reference stress: found {kind!r}; needed one of {', '.join(KINDS)}")
    rest = np.nonzero(np.abs(data.green_lagrange_strain).max((1, 2)) < LARGEST_STRAIN_AT_REST)[0]
    measure = "cauchy" if kind == "lab" else "second_piola_kirchhoff"
    if rest.size:
        stress, source = data.stress(measure)[rest].mean(0), f"the unstrained sample {rest[0]}"
    else:
        stress = _lab_stress(data) if kind == "lab" else _crystal_stress(data)
        source = "a series fitted to the samples"
    stress = (stress + stress.T) / 2
    return Removal(_taken_off(data, stress, kind), stress, source)


def _taken_off(data: StressStrainData, stress: Float[np.ndarray, "3 3"], kind: str) -> StressStrainData:
    """The samples and the held-out states without the stress; a stated residual stress no longer holds."""
    held_out = data.paths_data()
    if kind == "lab":
        corrected = remove_constant_stress(data, stress)
        others = None if held_out is None else remove_constant_stress(held_out, stress)
    else:
        work = _holds_work(data, stress)
        corrected = remove_reference_stress(data, stress, work=work)
        others = None if held_out is None else remove_reference_stress(held_out, stress, work=work)
    corrected = corrected.replace(residual_stress=None)
    return corrected if others is None else corrected.with_paths(others)


def _fit(data: StressStrainData, *, lower: int = 0) -> tuple[RobustFit, LaueGroup, int]:
    group = declared_group(data) or trivial_group()
    degree = max(determined_degree(group, to_mandel(data.green_lagrange_strain), limit=6, share=0.45) - lower, 2)
    return robust_fit(data, Hypothesis(), group, degree), group, degree


def _chosen(data: StressStrainData) -> StressStrainData:
    return data if len(data) <= MOST_SAMPLES else data.select(np.linspace(0, len(data) - 1, MOST_SAMPLES).astype(int))


def _crystal_stress(data: StressStrainData) -> Float[np.ndarray, "3 3"]:
    chosen = _chosen(data)
    fit, group, degree = _fit(chosen)
    fixed = group.size(2) <= UNKNOWNS_PER_STRESS * 6 * len(chosen)
    most = max(degree, highest_degree(group, len(chosen), limit=6, share=0.45))  # what the fit leaves out for being undetermined, too
    error = reference_stress_error(raw_samples(chosen, Hypothesis()), group, most, fit)
    if error > LARGEST_ERROR * fit.size:
        known = f"known to {error:.2g} GPa" if np.isfinite(error) else "determined by no strain"
        raise DataError(
            f"reference stress: found no unstrained sample, and by a fit a stress at F = I that is {known}, of {fit.size:.2g} GPa rms; "
            f"needed an error below {100 * LARGEST_ERROR:.0f} %; add the unstrained cell"
        )
    if not fixed or not reference_findings(fit, _fit(chosen, lower=1)[0], error):
        raise DataError(
            f"reference stress: found no unstrained sample, and by a fit (residual {fit.residual:.2g}) no stress at F = I that is "
            f"clear of its error ({error:.2g} GPa); needed one of the two; correct the other faults first, or add the unstrained cell"
        )
    return np.asarray(from_mandel(fit.reference_stress))


def _lab_stress(data: StressStrainData) -> Float[np.ndarray, "3 3"]:
    """The shear part by the columns of its own, the pressure by the fit that is left."""
    chosen = _chosen(data)
    fit, group, degree = _fit(chosen)
    found = lab_offset(chosen, Hypothesis(), group, degree, fit)
    if found is None:
        raise DataError(
            "reference stress: found no unstrained sample, and by a fit no stress that stays in the lab frame; needed one of the two, "
            "and F with rotations; try 'crystal', or add the unstrained cell"
        )
    rest = found[1]
    shear = (chosen.cauchy - rest.cauchy)[0] if chosen.cauchy is not None and rest.cauchy is not None else np.zeros((3, 3))
    fit = _fit(rest)[0]
    left = np.asarray(from_mandel(fit.reference_stress))
    pressure = np.trace(left) / 3 if reference_findings(fit, _fit(rest, lower=1)[0]) else 0.0
    return shear + pressure * np.eye(3)


def _holds_work(data: StressStrainData, stress: Float[np.ndarray, "3 3"]) -> bool:
    """Whether W contains the work of the stress: what is left of W fits the rest of the stress better without it."""
    if data.W is None or len(data) < FEWEST_ENERGIES:
        return True
    chosen = _chosen(data)
    with_work, without = (_fit(remove_reference_stress(chosen, stress, work=work))[0].energy for work in (True, False))
    return with_work <= without
