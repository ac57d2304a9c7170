"""Faults of single samples and of the choice of strains: duplicates, what the strains cannot determine."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float, Int

from constitutive.data import StressStrainData
from constitutive.data.averages import same_deformation
from constitutive.data.checks import where
from constitutive.fitting.polynomial_basis import REFERENCE_STRESS, LaueGroup, design
from constitutive.intake.findings import HARMLESS, Finding
from constitutive.tensors.polynomials import exponents

SAME_STRESS = 1e-3  # of the rms stress
ANOTHER_STRESS = 0.02  # of the rms stress: more than noise
SMALLEST_SPREAD = 1e-2  # smallest singular value of the strains, relative to the largest
UNSTRAINED = 1e-7  # largest component of E

_VOIGT = ("11", "22", "33", "44", "55", "66")
_ENGINEERING = np.array([1, 1, 1, np.sqrt(2), np.sqrt(2), np.sqrt(2)])


def contradicting(
    data: StressStrainData, some: Int[np.ndarray, " k"], others: Int[np.ndarray, " k"], limit: float = SAME_STRESS
) -> Bool[np.ndarray, " k"]:
    """Whether the stresses of two samples differ by more than a share of the rms stress, for each pair."""
    stress = getattr(data, data.measure)
    size = float(np.sqrt((stress**2).sum((1, 2)).mean())) or 1.0
    return np.sqrt(((stress[some] - stress[others]) ** 2).sum((1, 2))) / size > limit


def duplicates(data: StressStrainData, kind: Bool[np.ndarray, " n"]) -> tuple[list[Finding], list[str], Bool[np.ndarray, " n"]]:
    """Samples with the same F and of the same kind: findings, remarks, and which samples to keep (the first of each).

    A repetition with the same stress is harmless: calibration leaves it out. The unstrained state, which every path of strain holds, is
    worth a remark only. Two stresses of one state are a certain fault.
    """
    label = 2 * same_deformation(data.F) + kind
    _, first, inverse = np.unique(label, return_index=True, return_inverse=True)
    keep = np.zeros(len(data), dtype=bool)
    keep[first] = True
    repeated = np.nonzero(~keep)[0]
    original = first[inverse[repeated]]
    at_rest = _unstrained(data)[repeated] & ~contradicting(data, repeated, original, ANOTHER_STRESS)
    remarks = []
    if at_rest.any():
        remarks.append(f"the unstrained state is in the data {int(at_rest.sum()) + 1} times, as in a set on paths; one is used")
    repeated, original = repeated[~at_rest], original[~at_rest]
    return ([_repetition(data, repeated, original)] if repeated.size else []), remarks, keep


def _unstrained(data: StressStrainData) -> Bool[np.ndarray, " n"]:
    return np.abs(data.green_lagrange_strain).max((1, 2)) < UNSTRAINED


def _repetition(data: StressStrainData, repeated: Int[np.ndarray, " k"], original: Int[np.ndarray, " k"]) -> Finding:
    other = repeated[contradicting(data, repeated, original)]
    what = f"the same F as samples {where(original)}"
    if other.size:
        what += f", with another stress at {where(other)}"
    message = f"found samples {where(repeated)} with {what}; needed each state once; drop the repetitions"
    certainty = 1.0 if contradicting(data, repeated, original, ANOTHER_STRESS).any() else HARMLESS
    return Finding("duplicates", certainty, tuple(int(i) for i in repeated), message, drop_option(repeated))


def drop_option(samples: Int[np.ndarray, " k"]) -> str:
    """The option of `convert` that leaves samples out."""
    return "--drop " + ",".join(str(int(i)) for i in samples)


def coverage(x: Float[np.ndarray, "n 6"], group: LaueGroup) -> tuple[list[Finding], list[str]]:
    """Combinations of second-order constants that the strains leave open, a fault; and of third-order ones, as a remark.

    Most sets do not determine all third-order constants (strains of one mode at a time leave C123 and C456 of a cubic crystal open), and a
    law of their own strains is none the worse for that.
    """
    second = _open_combinations(x, group, 2)
    if second:
        message = f"found {second}; needed strains that excite them; add random strains in all six components"
        return [Finding("coverage", 1.0, (), message, "")], []
    third = _open_combinations(x, group, 3)
    return [], [f"third-order constants: {third}"] if third else []


def _open_combinations(x: Float[np.ndarray, "n 6"], group: LaueGroup, degree: int) -> str:
    """What the strains leave open of the constants of one degree, for a message; empty where they determine all."""
    scale = float(np.sqrt((x * x).sum(1).mean())) or 1.0
    columns = design(group, x, degree, scale).stress
    start = REFERENCE_STRESS + (len(group.basis(2)) if degree == 3 else 0)
    block = columns[:, :, start:].reshape(6 * len(x), -1)
    _, singular, right = np.linalg.svd(block, full_matrices=True)
    singular = np.concatenate([singular, np.zeros(right.shape[0] - len(singular))])
    open_rows = right[singular < SMALLEST_SPREAD * max(float(singular[0]), 1e-300)]
    if not len(open_rows):
        return ""
    names = ", ".join(_constants(row @ group.basis(degree), degree) for row in open_rows[:4])
    order = {2: "second", 3: "third"}[degree]
    return f"{len(open_rows)} combination{'s' if len(open_rows) > 1 else ''} of {order}-order constants that no strain determines ({names})"


def _constants(polynomial: Float[np.ndarray, " terms"], degree: int) -> str:
    """Names of the constants in a combination, the largest first."""
    table = exponents(degree)
    weights = np.abs(polynomial * np.prod(_ENGINEERING**table, 1))
    chosen = [k for k in np.argsort(-weights)[:4] if weights[k] > 0.3 * weights.max()]
    return " & ".join("C" + "".join(str(i + 1) * int(table[k][i]) for i in range(6)) for k in chosen)
