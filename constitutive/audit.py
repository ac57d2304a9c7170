r"""The promises of a material, measured: what the physics demands must hold to rounding error, at strains of its domain."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from scipy.spatial.transform import Rotation

from constitutive.kinematics import green_lagrange_strain
from constitutive.material import Material

SAMPLES = 200
RADIUS = 0.05  # Frobenius norm of the largest strain audited where the material has no domain of its own
STEP = 1e-5  # of the central differences: errors of 1e-10 in curvature and 1e-11 in rounding, both far below the limit

# promise: limit, what was compared, what to do when it is broken
TERMS = {
    "objectivity": (1e-12, "P(QF) against Q P(F)", "the law sees more than C = FᵀF: report it as a bug"),
    "symmetry": (1e-12, "S(gEgᵀ) against g S(E) gᵀ, every g", "the law's group is not the crystal's: calibrate again"),
    "reference_stress": (1e-12, "S(0) against the stress the card states", "the law was changed: calibrate again"),
    "tangent": (1e-6, "dP/dF against central differences of P", "Newton would stall: report it as a bug"),
    "conservation": (1e-6, "P against central differences of ψ", "closed cycles would yield work: report it as a bug"),
}


@dataclass(frozen=True)
class Promise:
    """One property, as measured.

    Attributes
    ----------
    figure : float
        Largest residual, relative to the largest stress (or tangent) among the audited strains.
    limit : float
        What it may be.
    meaning : str
        What was compared with what.
    advice : str
        What to do when it does not hold.
    """

    figure: float
    limit: float
    meaning: str
    advice: str

    @property
    def kept(self) -> bool:
        """Whether the figure is within the limit (a NaN is not)."""
        return bool(self.figure <= self.limit)


@dataclass(frozen=True)
class Audit:
    """The promises of one material by name, in the order of their importance."""

    promises: dict[str, Promise]
    samples: int
    radius: float

    @property
    def passed(self) -> bool:
        """Whether every promise is kept."""
        return all(promise.kept for promise in self.promises.values())

    def as_dict(self) -> dict[str, Any]:
        """Figures by name, ``passed``, the limits, and what was sampled."""
        return {
            **{name: promise.figure for name, promise in self.promises.items()},
            "passed": self.passed,
            "limits": {name: promise.limit for name, promise in self.promises.items()},
            "samples": self.samples,
            "radius": self.radius,
        }


def audit(material: Material, *, samples: int = SAMPLES, radius: float = RADIUS, seed: int = 0) -> Audit:
    """Measure the promises of a material on seeded random strains.

    Parameters
    ----------
    material : Material
        What to audit.
    samples : int
        Number of random strains.
    radius : float
        Frobenius norm of the largest Green–Lagrange strain.
    seed : int
        Of the strains and rotations.

    Returns
    -------
    Audit
        Objectivity P(QF) = Q P(F); symmetry S(gEgᵀ) = g S(E) gᵀ for every operation of the material's point group; reference
        stress S(0); tangent dP/dF and conservation P = ∂ψ/∂F, both against central differences.
    """
    rng = np.random.default_rng(seed)
    E = random_strains(rng, samples, radius)
    F = Rotation.random(samples, random_state=rng).as_matrix() @ deformation_of(E)
    P, tangent = material.law(F)
    stress = np.abs(P).max()
    residuals = {
        "objectivity": _objectivity(material, F, P, rng) / stress,
        "symmetry": _symmetry(material, E),
        "reference_stress": _reference_stress(material) / stress,
        "tangent": _tangent(material, F, tangent),
        "conservation": _conservation(material, F, P) / stress,
    }
    promises = {name: Promise(float(residuals[name]), *terms) for name, terms in TERMS.items()}
    return Audit(promises, samples, radius)


def random_strains(rng: np.random.Generator, samples: int, radius: float) -> Float[np.ndarray, "n 3 3"]:
    """Symmetric tensors of random direction, with Frobenius norms uniform up to ``radius``."""
    A = rng.normal(size=(samples, 3, 3))
    E = (A + A.swapaxes(1, 2)) / 2
    return E * (radius * rng.uniform(size=samples) / np.linalg.norm(E, axis=(1, 2)))[:, None, None]


def deformation_of(E: Float[np.ndarray, "n 3 3"]) -> Float[np.ndarray, "n 3 3"]:
    """The stretch U = √(I + 2E) of Green–Lagrange strains."""
    values, vectors = np.linalg.eigh(np.eye(3) + 2 * E)
    return np.einsum("nik,nk,njk->nij", vectors, np.sqrt(values), vectors)


def _objectivity(material: Material, F: np.ndarray, P: np.ndarray, rng: np.random.Generator) -> float:
    Q = Rotation.random(len(F), random_state=rng).as_matrix()
    return float(np.abs(material.law(Q @ F)[0] - Q @ P).max())


def _symmetry(material: Material, E: np.ndarray) -> float:
    """Strain and stress are even, so an improper operation acts as the proper one that is its negative."""
    S = material.law.stress(torch.from_numpy(E)).numpy()
    worst = 0.0
    for g in material.point_group.operations:
        turned = material.law.stress(torch.from_numpy(g @ E @ g.T)).numpy()
        worst = max(worst, float(np.abs(turned - g @ S @ g.T).max()))
    return worst / float(np.abs(S).max())


def _reference_stress(material: Material) -> float:
    return float(np.abs(material.law.stress(torch.zeros(3, 3, dtype=torch.float64)).numpy() - material.reference_stress).max())


def _tangent(material: Material, F: np.ndarray, tangent: np.ndarray) -> float:
    worst = 0.0
    for k, L in np.ndindex(3, 3):
        ahead, behind = _neighbours(F, k, L)
        slope = (material.law(ahead)[0] - material.law(behind)[0]) / (2 * STEP)
        worst = max(worst, float(np.abs(slope - tangent[..., k, L]).max()))
    return worst / float(np.abs(tangent).max())


def _conservation(material: Material, F: np.ndarray, P: np.ndarray) -> float:
    def energy(F: np.ndarray) -> np.ndarray:
        return material.law.energy(torch.from_numpy(green_lagrange_strain(F))).numpy()

    worst = 0.0
    for i, J in np.ndindex(3, 3):
        ahead, behind = _neighbours(F, i, J)
        worst = max(worst, float(np.abs((energy(ahead) - energy(behind)) / (2 * STEP) - P[..., i, J]).max()))
    return worst


def _neighbours(F: np.ndarray, i: int, j: int) -> tuple[np.ndarray, np.ndarray]:
    step = np.zeros((3, 3))
    step[i, j] = STEP
    return F + step, F - step
