"""Faults of single samples and of the choice of strains: duplicates, mixed ions, what the strains cannot determine."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float, Int

from constitutive.data import StressStrainData
from constitutive.data.checks import where
from constitutive.intake.findings import Finding
from constitutive.intake.series import CONSTANTS, Group, design
from constitutive.tensors.polynomials import exponents

RELAXED_FORCE = 0.02  # eV/Å; DFT relaxations stop at about 0.01
CLAMPED_FORCE = 0.05
SAME_F = 1e-8
DETERMINED = 1e-2  # smallest singular value of the strains, relative to the largest

_VOIGT = ("11", "22", "33", "44", "55", "66")
_ENGINEERING = np.array([1, 1, 1, np.sqrt(2), np.sqrt(2), np.sqrt(2)])


def duplicates(data: StressStrainData) -> tuple[list[Finding], Bool[np.ndarray, " n"]]:
    """Samples with the same F, and which samples to keep (the first of each kind)."""
    _, first, inverse = np.unique(np.round(data.F / SAME_F).reshape(len(data), 9), axis=0, return_index=True, return_inverse=True)
    keep = np.zeros(len(data), dtype=bool)
    keep[first] = True
    if keep.all():
        return [], keep
    repeated = np.nonzero(~keep)[0]
    twin = first[inverse.ravel()[repeated]]
    stress = getattr(data, data.measure)
    size = float(np.sqrt((stress**2).sum((1, 2)).mean())) or 1.0
    apart = np.sqrt(((stress[repeated] - stress[twin]) ** 2).sum((1, 2))) / size
    contradicting = repeated[apart > 1e-3]
    what = f"the same F as samples {where(twin)}"
    if contradicting.size:
        what += f", with another stress at {where(contradicting)}"
    message = f"found samples {where(repeated)} with {what}; needed each state once; drop the repetitions"
    return [Finding("duplicates", 1.0, tuple(int(i) for i in repeated), message, _drop(repeated))], keep


def _drop(samples: Int[np.ndarray, " k"]) -> str:
    return "--drop " + ",".join(str(int(i)) for i in samples)


def residual_forces(data: StressStrainData) -> Float[np.ndarray, " n"] | None:
    """Largest force on an atom of each sample, in eV/Å; None where the data have no forces."""
    if data.forces is not None and data.forces.shape[1] > 0:
        return np.sqrt((data.forces**2).sum(2)).max(1)
    for name, factor in (("residual_force_norm", 1.0), ("residual_force_Ry_per_bohr", 25.711)):
        values = (data.model_extra or {}).get(name)
        if isinstance(values, list) and len(values) == len(data) and all(isinstance(v, (int, float)) for v in values):
            return np.abs(np.array(values, dtype=np.float64)) * factor
    return None


def unrelaxed(data: StressStrainData) -> Bool[np.ndarray, " n"] | None:
    """Which samples have clamped ions, by forces or else by positions; None where neither tells."""
    forces = residual_forces(data)
    if forces is not None:
        low = forces[forces <= RELAXED_FORCE]
        limit = max(CLAMPED_FORCE, 20 * float(np.median(low))) if low.size else CLAMPED_FORCE
        return forces > limit
    if data.positions is not None and data.frac_coords is not None and data.positions.shape[1] == len(data.frac_coords):
        shift = data.positions - data.frac_coords
        moved = np.abs(shift - np.round(shift)).max((1, 2))
        return moved < 1e-7 if (moved > 1e-4).any() else None
    return None


def clamped_mixture(data: StressStrainData) -> tuple[list[Finding], Bool[np.ndarray, " n"], str]:
    """Mixed or contradicting treatment of the ions: findings, the samples of the larger kind, and what cannot be told."""
    everything = np.ones(len(data), dtype=bool)
    clamped = unrelaxed(data)
    if clamped is None:
        return [], everything, "clamped or relaxed ions: the data hold neither forces nor positions"
    if clamped.all() and data.ions == "relaxed":
        message = "found forces on the ions in every sample, declared relaxed; needed one treatment; declare 'clamped' or relax"
        return [Finding("clamped_mixture", 0.95, tuple(range(len(data))), message, "--ions clamped")], everything, ""
    if not clamped.any() or clamped.all():
        return [], everything, ""
    odd = clamped if clamped.mean() <= 0.5 else ~clamped
    samples = np.nonzero(odd)[0]
    kind = "clamped" if clamped.mean() <= 0.5 else "relaxed"
    message = f"found {kind} ions at samples {where(samples)} and the others not; needed one treatment; drop these or recompute them"
    return [Finding("clamped_mixture", 0.97, tuple(int(i) for i in samples), message, _drop(samples))], ~odd, ""


def coverage(x: Float[np.ndarray, "n 6"], group: Group) -> list[Finding]:
    """Combinations of second-order constants, then of third-order ones, that the strains leave open."""
    scale = float(np.sqrt((x * x).sum(1).mean())) or 1.0
    for degree, certainty, what in ((2, 1.0, "second"), (3, 0.5, "third")):
        columns = design(group, x, degree, scale).stress
        start = CONSTANTS + (len(group.basis(2)) if degree == 3 else 0)
        block = columns[:, :, start:].reshape(6 * len(x), -1)
        _, singular, right = np.linalg.svd(block, full_matrices=True)
        singular = np.concatenate([singular, np.zeros(right.shape[0] - len(singular))])
        open_rows = right[singular < DETERMINED * max(float(singular[0]), 1e-300)]
        if len(open_rows):
            names = ", ".join(_constants(row @ group.basis(degree), degree) for row in open_rows[:4])
            message = (
                f"found {len(open_rows)} combination{'s' if len(open_rows) > 1 else ''} of {what}-order constants "
                "that no strain "
                f"determines ({names}); needed strains that excite them; add random strains in all six components"
            )
            return [Finding("coverage", certainty, (), message, "")]
    return []


def _constants(polynomial: Float[np.ndarray, " terms"], degree: int) -> str:
    """Names of the constants in a combination, the largest first."""
    table = exponents(degree)
    weights = np.abs(polynomial * np.prod(_ENGINEERING**table, 1))
    chosen = [k for k in np.argsort(-weights)[:4] if weights[k] > 0.3 * weights.max()]
    return " & ".join("C" + "".join(str(i + 1) * int(table[k][i]) for i in range(6)) for k in chosen)
