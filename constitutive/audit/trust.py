"""Where a law may be used: stability in its domain, symmetry of its data, errors on held-out states."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float

from constitutive.audit.model import Check, not_measured
from constitutive.audit.stability import stability
from constitutive.calibration.coupled_data import material_inputs
from constitutive.calibration.residual_stress import stress_to_compare
from constitutive.data import StressStrainData, require_same_reference
from constitutive.errors import ConstitutiveError
from constitutive.fitting.problem import problem_of
from constitutive.intake.group_test import NOTICEABLE, group_test
from constitutive.material import Material
from constitutive.tensors.packing import to_mandel

NO_DATA = "no data were given: pass the data set that the law was calibrated on"
BINS = 4
AUDITED_LEVELS = (0.5, 0.8, 0.9, 0.95)
LEAST_COVERAGE = 0.8  # of held-out stresses in 90 % intervals
WORSE = 3.0  # how much worse than in cross-validation a law may do on held-out states of its domain


def trust(
    material: Material,
    data: StressStrainData | None,
    unseen: StressStrainData | None,
    samples: int,
    radius: float,
    rng: np.random.Generator,
) -> dict[str, Check]:
    """Checks that depend on the domain and on data.

    Parameters
    ----------
    material : Material
    data : StressStrainData, optional
        What it was calibrated on, with its held-out ``paths`` if it has any.
    unseen : StressStrainData, optional
        States that the law was not calibrated on; they are used instead of the paths.
    samples : int
        Random strains of the domain.
    radius : float
        Norm of the largest strain where the material states no domain.
    rng : numpy Generator

    Returns
    -------
    dict
        By name: "stability", "data_symmetry", and the errors and coverage on held-out states; a check that lacks its data gives the reason.
    """
    return {
        "stability": stability(material, samples, radius, rng),
        "data_symmetry": _data_symmetry(material, data),
        **_held_out(material, data, unseen),
    }


def _data_symmetry(material: Material, data: StressStrainData | None) -> Check:
    meaning = "residual of a series of the group, against one of the subgroup that fits best"
    if data is None:
        return not_measured(meaning, NO_DATA)
    if material.coupled is not None:
        return not_measured(meaning, "the data stand in fields: `constitutive check` tells their group")
    try:
        test = group_test(problem_of(data, np.array(material.point_group.laue_rotations)))
    except ConstitutiveError as error:
        return not_measured(meaning, str(error))
    limit = NOTICEABLE if test.contradicted else max(NOTICEABLE, test.residual)
    return Check(
        float(test.residual),
        float(limit),
        meaning,
        f"the data have the symmetry {test.subgroup} at most: the frame is wrong, or the k-points break the symmetry (constitutive check)",
        details={"best subgroup": test.subgroup, "its residual": float(test.subgroup_residual), "p": float(test.probability)},
    )


def _held_out(material: Material, data: StressStrainData | None, unseen: StressStrainData | None) -> dict[str, Check]:
    meanings = {
        "held_out": "relative error of S on held-out states inside the domain, by size of strain",
        "coverage": "share of held-out stresses outside the law's 90 % intervals, inside the domain",
        "outside_domain": "share of held-out states outside the domain of the law, where it extrapolates (no limit)",
    }
    held_out = unseen if unseen is not None or data is None else data.paths_data()
    if held_out is None:
        reason = NO_DATA if data is None else "the data hold no held-out states (paths), and no unseen ones were given"
        return {name: not_measured(meaning, reason) for name, meaning in meanings.items()}
    require_same_reference(held_out.structure, material.structure)
    E, S = held_out.green_lagrange_strain, stress_to_compare(held_out, material.card)
    T = _predicted(material, held_out)
    inside = inside_domain(material, E)
    outside = Check(float(np.mean(~inside)), None, meanings["outside_domain"], "", details=_outside(inside, S, T))
    if not inside.any():
        reason = "every held-out state lies outside the domain of the law"
        return {**{name: not_measured(meanings[name], reason) for name in ("held_out", "coverage")}, "outside_domain": outside}
    found = material.card.get("calibration", {})
    stated = found.get("held_out_errors", {}).get("stress_relative_error", found.get("held_out_error"))
    return {
        "held_out": Check(
            relative(T[inside], S[inside]),
            None if stated is None else WORSE * float(stated),
            meanings["held_out"],
            "the error is larger than the card states: calibrate on samples nearer to these states",
            details=errors_by_size(E[inside], S[inside], T[inside]),
        ),
        "coverage": _coverage(material, E[inside], T[inside] - S[inside], meanings["coverage"]),
        "outside_domain": outside,
    }


def _predicted(material: Material, states: StressStrainData) -> Float[np.ndarray, "n 3 3"]:
    """S at the strains of the states, and at their fields where the law is one of them."""
    inputs = material_inputs(material, states)
    if material.coupled is None:
        return material.law.stress(torch.from_numpy(states.green_lagrange_strain)).numpy()
    return material.response(states.F, **inputs)["stress"]


def _coverage(material: Material, E: np.ndarray, error: np.ndarray, meaning: str) -> Check:
    """Only under-coverage fails: intervals that are too wide break no limit."""
    if material.uncertainty is None:
        return not_measured(meaning, "the material holds no uncertainty of its stress")
    shares = {}
    for level in AUDITED_LEVELS:
        half = material.uncertainty.half_width(torch.from_numpy(E), level).numpy()
        shares[level] = float(np.mean(np.abs(error) <= half + 1e-12))
    details = {f"{100 * level:.0f} % intervals hold": share for level, share in shares.items()}
    advice = "the intervals are too narrow for these states: calibrate with samples nearer to them, or widen the intervals"
    return Check(1 - shares[0.9], 1 - LEAST_COVERAGE, meaning, advice, details=details)


def inside_domain(material: Material, E: Float[np.ndarray, "n 3 3"]) -> np.ndarray:
    """Which strains are inside the domain; all where the material states none.

    Parameters
    ----------
    material : Material
    E : array (n, 3, 3)
        Green–Lagrange strains in the frame of the law.

    Returns
    -------
    bool array (n,)
    """
    if material.domain is None:
        return np.ones(len(E), dtype=bool)
    return material.domain.contains(np.asarray(to_mandel(E)))


def relative(found: Float[np.ndarray, "n 3 3"], reference: Float[np.ndarray, "n 3 3"]) -> float:
    """‖found − reference‖ / ‖reference‖, Frobenius over all samples.

    Parameters
    ----------
    found, reference : array (n, 3, 3)
        Stresses in one unit.

    Returns
    -------
    float
    """
    return float(np.linalg.norm(found - reference) / max(float(np.linalg.norm(reference)), 1e-300))


def errors_by_size(E: Float[np.ndarray, "n 3 3"], S: Float[np.ndarray, "n 3 3"], T: Float[np.ndarray, "n 3 3"]) -> dict[str, float]:
    """Relative errors in groups of equal number, by the size of the strain.

    Parameters
    ----------
    E : array (n, 3, 3)
        Green–Lagrange strains.
    S : array (n, 3, 3)
        Reference stresses.
    T : array (n, 3, 3)
        Stresses of the law, in the same unit.

    Returns
    -------
    dict
        Relative error by a text with the range of |E|.
    """
    size = np.linalg.norm(E, axis=(1, 2))
    groups = [g for g in np.array_split(np.argsort(size), min(BINS, max(1, len(size) // 3))) if len(g)]
    return {f"|E| {size[g].min():.3f}–{size[g].max():.3f}": relative(T[g], S[g]) for g in groups}


def _outside(inside: np.ndarray, S: np.ndarray, T: np.ndarray) -> dict[str, float | str]:
    """Which states lie outside, and how well the law does there."""
    outside = np.flatnonzero(~inside)
    if not len(outside):
        return {}
    return {
        "states": ", ".join(map(str, outside[:20])) + (" …" if len(outside) > 20 else ""),
        "error of S there": relative(T[~inside], S[~inside]),
    }
