"""Properties that hold by construction, to rounding error: objectivity, symmetry, conservation, the tangent."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float
from scipy.spatial.transform import Rotation

from constitutive.audit.model import Check
from constitutive.kinematics import right_stretch
from constitutive.material import Material
from constitutive.symmetry import operations

STEP = 1e-5  # of the central differences: errors of 1e-10 in curvature and 1e-11 in rounding, both far below the limit
EXACT, DIFFERENCES = 1e-12, 1e-6
NODES = 24  # of Gauss's rule on each side of a strain cycle
CYCLE = 1e-9  # relative to the work exchanged over a cycle
CYCLES = 40


def physics(material: Material, E: Float[np.ndarray, "n 3 3"], rng: np.random.Generator) -> dict[str, Check]:
    """Check the exact properties at given strains.

    Parameters
    ----------
    material : Material
    E : (n, 3, 3)
        Green–Lagrange strains.
    rng : numpy Generator
        Of the rotations and cycles.

    Returns
    -------
    dict
        By name, "objectivity", "symmetry", "reference_stress", "tangent" and "conservation", each with its relative error and its limit.
    """
    F = Rotation.random(len(E), random_state=rng).as_matrix() @ deformation_of(E)
    P, tangent = material.law(F)
    stress = float(np.abs(P).max())
    return {
        "objectivity": Check(
            _objectivity(material, F, P, rng) / stress,
            EXACT,
            "P(QF) against Q P(F), random rotations Q",
            "the law depends on more than C = FᵀF: report it as a bug",
        ),
        "symmetry": _symmetry(material, E),
        "reference_stress": Check(
            _reference_stress(material) / stress,
            EXACT,
            "S(0) against the reference stress on the card",
            "the law was changed after calibration: calibrate again",
        ),
        "tangent": Check(
            _tangent(material, F, tangent),
            DIFFERENCES,
            "dP/dF against central differences of P",
            "Newton's method would converge slowly: report it as a bug",
        ),
        "conservation": Check(
            _conservation(material, E, rng),
            CYCLE,
            "work over closed strain cycles, and ∫S:dE against ψ, relative to the work exchanged",
            "a closed cycle would gain energy: report it as a bug",
        ),
    }


def random_strains(rng: np.random.Generator, samples: int, radius: float) -> Float[np.ndarray, "n 3 3"]:
    """Symmetric tensors of random direction, with Frobenius norms uniform up to ``radius``.

    Parameters
    ----------
    rng : numpy Generator
    samples : int
        How many.
    radius : float
        Largest Frobenius norm (dimensionless strain).

    Returns
    -------
    array (samples, 3, 3)
    """
    A = rng.normal(size=(samples, 3, 3))
    E = (A + A.swapaxes(1, 2)) / 2
    return E * (radius * rng.uniform(size=samples) / np.linalg.norm(E, axis=(1, 2)))[:, None, None]


def deformation_of(E: Float[np.ndarray, "n 3 3"]) -> Float[np.ndarray, "n 3 3"]:
    """The stretch U = √(I + 2E) of Green–Lagrange strains.

    Parameters
    ----------
    E : array (n, 3, 3)
        Green–Lagrange strains, I + 2E positive definite.

    Returns
    -------
    array (n, 3, 3)
        Symmetric deformation gradients without rotation.
    """
    return right_stretch(E)


def stress_of(material: Material, E: Float[np.ndarray, "*batch 3 3"]) -> Float[np.ndarray, "*batch 3 3"]:
    """Second Piola–Kirchhoff stress (GPa), from NumPy to NumPy.

    Parameters
    ----------
    material : Material
    E : array (..., 3, 3)
        Green–Lagrange strains in the frame of the law.

    Returns
    -------
    array (..., 3, 3)
    """
    return material.law.stress(torch.from_numpy(np.ascontiguousarray(E))).numpy()


def _objectivity(material: Material, F: np.ndarray, P: np.ndarray, rng: np.random.Generator) -> float:
    Q = Rotation.random(len(F), random_state=rng).as_matrix()
    return float(np.abs(material.law(Q @ F)[0] - Q @ P).max())


def _symmetry(material: Material, E: np.ndarray) -> Check:
    """The largest residual over all operations, and that of each generator.

    Strain and stress are even, so an improper operation acts as the proper one that is its negative.
    """
    S = stress_of(material, E)
    scale = float(np.abs(S).max())

    def residual(g: np.ndarray) -> float:
        return float(np.abs(stress_of(material, g @ E @ g.T) - g @ S @ g.T).max()) / scale

    group = material.point_group
    worst = max(residual(g) for g in group.operations)
    generators = {name: residual(g) for name, g in zip(_generator_names(material), group.generators, strict=True)}
    return Check(
        worst,
        EXACT,
        f"S(gEgᵀ) against g S(E) gᵀ, all {group.order} operations of {group.symbol}",
        "the law's group is not the crystal's: calibrate again",
        details=generators,
    )


def _generator_names(material: Material) -> list[str]:
    """Each generator in words: "4 along (0, 0, 1)"."""
    names = []
    for g in material.point_group.generators:
        axis = ", ".join(f"{component:.3g}" for component in np.round(operations.axis(g), 3) + 0.0)
        label = operations.label(g)
        names.append(label if label in ("1", "-1") else f"{label} along ({axis})")
    return names


def _reference_stress(material: Material) -> float:
    return float(np.abs(stress_of(material, np.zeros((3, 3))) - material.reference_stress).max())


def _tangent(material: Material, F: np.ndarray, tangent: np.ndarray) -> float:
    worst = 0.0
    for k, L in np.ndindex(3, 3):
        step = np.zeros((3, 3))
        step[k, L] = STEP
        slope = (material.law(F + step)[0] - material.law(F - step)[0]) / (2 * STEP)
        worst = max(worst, float(np.abs(slope - tangent[..., k, L]).max()))
    return worst / float(np.abs(tangent).max())


def _conservation(material: Material, E: np.ndarray, rng: np.random.Generator) -> float:
    """Largest work over closed triangles of strains, and largest difference of the work along a side from that of ψ."""
    corners = E[rng.integers(len(E), size=(CYCLES, 3))]
    sides = np.roll(corners, -1, axis=1) - corners
    nodes, weights = np.polynomial.legendre.leggauss(NODES)
    t = (nodes + 1) / 2
    along = corners[:, :, None] + t[:, None, None] * sides[:, :, None]
    power = np.einsum("csnij,csij->csn", stress_of(material, along), sides)
    work = power @ weights / 2
    through = float((np.abs(power) @ weights / 2).sum(axis=1).max()) or 1.0
    energy = material.law.energy(torch.from_numpy(corners)).numpy()
    gained = np.roll(energy, -1, axis=1) - energy
    return float(max(np.abs(work.sum(axis=1)).max(), np.abs(work - gained).max())) / through
