"""What may be expected of a law: stability in its domain, and how it does on data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from jaxtyping import Float

from constitutive.audit.model import Promise, not_measured
from constitutive.audit.physics import deformation_of
from constitutive.audit.stability import margin
from constitutive.errors import ConstitutiveError
from constitutive.material import Material
from constitutive.tensors.packing import from_mandel, to_mandel

if TYPE_CHECKING:
    from constitutive.data import StressStrainData

NO_DATA = "no data were given: pass the data set that the law was calibrated on"
BINS = 4
LEVELS = (0.5, 0.8, 0.9, 0.95)
LEAST_COVERAGE = 0.8  # of held-out stresses in 90 % intervals
WORSE = 3.0  # how much worse than in cross-validation a law may do on held-out states of its domain


def trust(material: Material, data: StressStrainData | None, samples: int, radius: float, rng: np.random.Generator) -> dict[str, Promise]:
    """Promises that depend on the domain and on data.

    Parameters
    ----------
    material : Material
    data : StressStrainData, optional
        What it was calibrated on, with held-out ``paths`` where it has them.
    samples : int
        Random strains of the domain.
    radius : float
        Norm of the largest strain where the material states no domain.
    rng : numpy Generator
    """
    return {
        "stability": _stability(material, samples, radius, rng),
        "data_symmetry": _data_symmetry(material, data),
        **_held_out(material, data),
    }


def strains_of_domain(material: Material, samples: int, radius: float, rng: np.random.Generator) -> Float[np.ndarray, "n 3 3"]:
    """Random strains inside the domain of a material, or of norms up to ``radius`` where it states none."""
    x = rng.normal(size=(samples, 6))
    x *= (rng.uniform(size=samples) ** (1 / 6) / np.linalg.norm(x, axis=1))[:, None]
    if material.domain is None:
        return from_mandel(radius * x)
    values, vectors = np.linalg.eigh(material.domain.metric)
    return from_mandel(material.domain.radius * (x / np.sqrt(values)) @ vectors.T)


def _stability(material: Material, samples: int, radius: float, rng: np.random.Generator) -> Promise:
    E = strains_of_domain(material, samples, radius, rng)
    values, _ = np.linalg.eigh(np.eye(3) + 2 * E)
    E = E[values[:, 0] > 0.05]
    found = margin(material.law, deformation_of(E))
    promised = bool(material.card.get("elliptic", False))
    return Promise(
        float(np.mean(found <= 0)),
        0.0 if promised else None,
        "share of strains of the domain where a plane wave has no real speed",
        "calibrate with the penalty on lost ellipticity, or keep the strains smaller",
        details={"weakest direction relative to rest": float(found.min()), "strains": len(E)},
    )


def _data_symmetry(material: Material, data: StressStrainData | None) -> Promise:
    meaning = "residual of a series of the group, against one of the subgroup that fits best"
    if data is None:
        return not_measured(meaning, NO_DATA)
    from constitutive.intake.group_test import NOTICEABLE, group_test
    from constitutive.laws.problem import problem_of

    try:
        test = group_test(problem_of(data, np.array(material.point_group.laue_rotations)))
    except ConstitutiveError as error:
        return not_measured(meaning, str(error))
    limit = NOTICEABLE if test.contradicted else max(NOTICEABLE, test.residual)
    return Promise(
        float(test.residual),
        float(limit),
        meaning,
        f"the data bear {test.subgroup} at most: look for a wrong frame or k-points that break the symmetry (constitutive check)",
        details={"best subgroup": test.subgroup, "its residual": float(test.subgroup_residual), "p": float(test.probability)},
    )


def _held_out(material: Material, data: StressStrainData | None) -> dict[str, Promise]:
    meanings = {
        "held_out": "relative error of S on held-out states inside the domain, by size of strain",
        "coverage": "share of held-out stresses outside the law's 90 % intervals, inside the domain",
        "outside_domain": "share of held-out states outside the domain of the law",
    }
    paths = None if data is None else data.paths_data()
    if data is None or paths is None:
        reason = NO_DATA if data is None else "the data hold no held-out states (paths)"
        return {name: not_measured(meaning, reason) for name, meaning in meanings.items()}
    from constitutive.calibration.reference import honoured

    E, S = paths.green_lagrange_strain, honoured(paths, material.card)
    T = material.law.stress(torch.from_numpy(E)).numpy()
    inside = inside_domain(material, E)
    stated = material.card.get("calibration", {}).get("held_out_error")
    return {
        "held_out": Promise(
            relative(T[inside], S[inside]),
            None if stated is None else WORSE * float(stated),
            meanings["held_out"],
            "the law does worse than its card says: calibrate on samples nearer to these states",
            details=errors_by_size(E[inside], S[inside], T[inside]),
        ),
        "coverage": _coverage(material, E[inside], T[inside] - S[inside], meanings["coverage"]),
        "outside_domain": Promise(float(np.mean(~inside)), None, meanings["outside_domain"], "", details=_which_outside(inside)),
    }


def _coverage(material: Material, E: np.ndarray, error: np.ndarray, meaning: str) -> Promise:
    """Intervals that hold too much are no broken promise, only wide; those that hold too little are."""
    if material.uncertainty is None:
        return not_measured(meaning, "the material knows no uncertainty of its stress")
    shares = {}
    for level in LEVELS:
        half = material.uncertainty.half_width(torch.from_numpy(E), level).numpy()
        shares[level] = float(np.mean(np.abs(error) <= half + 1e-12))
    details = {f"{100 * level:.0f} % intervals hold": share for level, share in shares.items()}
    advice = "the intervals are too narrow for these states: calibrate with samples nearer to them, or widen the intervals"
    return Promise(1 - shares[0.9], 1 - LEAST_COVERAGE, meaning, advice, details=details)


def inside_domain(material: Material, E: Float[np.ndarray, "n 3 3"]) -> np.ndarray:
    """Which strains are inside the domain; all where the material states none."""
    if material.domain is None:
        return np.ones(len(E), dtype=bool)
    x = torch.from_numpy(np.ascontiguousarray(to_mandel(E)))
    return (material.domain.distance(x) <= 1 + 1e-9).numpy()


def relative(found: Float[np.ndarray, "n 3 3"], reference: Float[np.ndarray, "n 3 3"]) -> float:
    """‖found − reference‖ / ‖reference‖, Frobenius over all samples."""
    return float(np.linalg.norm(found - reference) / max(float(np.linalg.norm(reference)), 1e-300))


def errors_by_size(E: Float[np.ndarray, "n 3 3"], S: Float[np.ndarray, "n 3 3"], T: Float[np.ndarray, "n 3 3"]) -> dict[str, float]:
    """Relative errors in groups of equal number, by the size of the strain."""
    size = np.linalg.norm(E, axis=(1, 2))
    groups = [g for g in np.array_split(np.argsort(size), min(BINS, max(1, len(size) // 3))) if len(g)]
    return {f"|E| {size[g].min():.3f}–{size[g].max():.3f}": relative(T[g], S[g]) for g in groups}


def _which_outside(inside: np.ndarray) -> dict[str, Any]:
    outside = np.flatnonzero(~inside)
    return {"states": outside[:20].tolist()} if len(outside) else {}
