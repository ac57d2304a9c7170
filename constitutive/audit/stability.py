"""Where in its domain a law loses strong ellipticity, and how far it is from that, relative to rest."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float

from constitutive.audit.model import Check
from constitutive.audit.physics import deformation_of
from constitutive.elasticity import ellipticity
from constitutive.laws import Law
from constitutive.material import Material
from constitutive.tensors.packing import from_mandel, to_mandel

MAP_DIRECTIONS = 120
_AT_ONCE = 128
UNSTABLE = 0.5  # share of the way to the border of the domain that may be unstable, unless the law was calibrated to be elliptic
_HALVINGS = 7
_LEAST_STRETCH = 0.05  # square of the smallest principal stretch looked at


def weakest(law: Law, F: Float[np.ndarray, "n 3 3"], directions: int = MAP_DIRECTIONS) -> Float[np.ndarray, " n"]:
    """Smallest eigenvalue (GPa) of the acoustic tensor over all directions, at each deformation.

    Parameters
    ----------
    law
        Any law.
    F : (n, 3, 3)
        Deformation gradients.
    directions : int
        Normals tried before the worst is refined.

    Returns
    -------
    array (n,)
        GPa; the law is strongly elliptic where it is positive.
    """
    parts = np.array_split(np.arange(len(F)), max(1, -(-len(F) // _AT_ONCE)))
    return np.concatenate([ellipticity(law, F[part], directions=directions).minimum for part in parts])


def margin(law: Law, F: Float[np.ndarray, "n 3 3"], directions: int = MAP_DIRECTIONS) -> Float[np.ndarray, " n"]:
    """Smallest eigenvalue of the acoustic tensor relative to that at zero strain: 1 at rest, 0 where ellipticity is lost.

    Parameters
    ----------
    law : Law
    F : array (n, 3, 3)
        Deformation gradients.
    directions : int
        Normals tried before the worst is refined.

    Returns
    -------
    array (n,)
        Dimensionless.
    """
    return weakest(law, F, directions) / weakest(law, np.eye(3)[None], directions)[0]


def strains_of_domain(material: Material, samples: int, radius: float, rng: np.random.Generator) -> Float[np.ndarray, "n 3 3"]:
    """Random strains inside the domain of a material, or of norms up to ``radius`` where it states none.

    Parameters
    ----------
    material : Material
    samples : int
        How many.
    radius : float
        Largest Frobenius norm where the material states no domain.
    rng : numpy Generator

    Returns
    -------
    array (samples, 3, 3)
        Green–Lagrange strains in the frame of the law, uniform in the volume of the domain in six dimensions.
    """
    x = rng.normal(size=(samples, 6))
    x *= (rng.uniform(size=samples) ** (1 / 6) / np.linalg.norm(x, axis=1))[:, None]
    return _scaled(material, x, radius)


def border_of_domain(material: Material, samples: int, radius: float, rng: np.random.Generator) -> Float[np.ndarray, "n 3 3"]:
    """Strains on the border of the domain: either way along each Mandel component and the volume, and random ones.

    Parameters
    ----------
    material : Material
    samples : int
        Number of random strains.
    radius : float
        Frobenius norm where the material states no domain.
    rng : numpy Generator

    Returns
    -------
    array (n, 3, 3)
        Green–Lagrange strains in the frame of the law.
    """
    axes = np.concatenate([np.eye(6), [[1.0, 1.0, 1.0, 0.0, 0.0, 0.0]]])
    x = np.concatenate([axes, -axes, rng.normal(size=(samples, 6))])
    if material.domain is None:
        return _scaled(material, x / np.linalg.norm(x, axis=1)[:, None], radius)
    size = np.sqrt(np.einsum("ni,ij,nj->n", x, material.domain.metric, x)) / material.domain.radius
    return from_mandel(x / size[:, None])


def stability(material: Material, samples: int, radius: float, rng: np.random.Generator) -> Check:
    """How much of the way from rest to the border of the domain is not strongly elliptic, in the worst of many directions of strain.

    A law that was calibrated with the penalty on the loss of ellipticity has to be elliptic in the whole domain. Any other has to be
    elliptic at rest and half the way out: a real crystal may lose ellipticity beyond, and the details state where the law does.

    Parameters
    ----------
    material : Material
    samples : int
        Number of random directions of strain.
    radius : float
        Norm of the largest strain where the material states no domain.
    rng : numpy Generator

    Returns
    -------
    Check
        Its figure is 0 where the law is strongly elliptic all the way.
    """
    meaning = "share of the way from rest to the border of the domain that is not strongly elliptic, in the worst direction of strain"
    limit = 0.0 if material.card.get("elliptic", False) else UNSTABLE
    rest = float(weakest(material.law, np.eye(3)[None])[0])
    if not rest > 0:
        advice = "the law is not stable at rest, which no crystal is: check the data (constitutive check)"
        return Check(1.0, limit, meaning, advice, details={"smallest acoustic stiffness at rest (GPa)": rest})
    E, least = _losses(material, samples, radius, rng)
    details: dict[str, float | str] = {"smallest acoustic stiffness in the domain relative to rest": least / rest}
    if E is None:
        return Check(0.0, limit, meaning, "", details=details)
    found = _fraction(material, E, radius)
    size = f"|E| = {np.linalg.norm(E):.3f}"
    place = ", ".join(f"{value:+.3f}" for value in E[(0, 1, 2, 1, 0, 0), (0, 1, 2, 2, 2, 1)])
    details[f"lost first at {size}, E (xx, yy, zz, yz, xz, xy)"] = place
    advice = (
        f"ellipticity is lost from {size} on, {100 * found:.0f} % of the way to the border of the domain: a finite-element solution "
        "localises there and depends on the mesh. Keep the strains below it, or calibrate with --elliptic if the crystal is stable there"
    )
    return Check(1 - found, limit, meaning, advice, details=details)


def _losses(material: Material, samples: int, radius: float, rng: np.random.Generator) -> tuple[np.ndarray | None, float]:
    """The strain nearest to rest where ellipticity is lost (none: nowhere), and the smallest acoustic stiffness seen (GPa)."""
    inner = _possible(strains_of_domain(material, samples, radius, rng))
    ends = np.concatenate([inner, _possible(border_of_domain(material, samples, radius, rng))])
    found = weakest(material.law, deformation_of(ends))
    lost = ends[found <= 0]
    if not len(lost):
        return None, float(found.min())
    low, high = 0 * lost[:, 0, 0], 0 * lost[:, 0, 0] + 1
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        gone = weakest(material.law, deformation_of(middle[:, None, None] * lost)) <= 0
        low, high = np.where(gone, low, middle), np.where(gone, middle, high)
    first = high[:, None, None] * lost
    return first[np.argmin([_fraction(material, E, radius) for E in first])], float(found.min())


def _possible(E: Float[np.ndarray, "n 3 3"]) -> Float[np.ndarray, "m 3 3"]:
    """Strains that some deformation has, none of its stretches near zero."""
    return E[np.linalg.eigvalsh(np.eye(3) + 2 * E)[:, 0] > _LEAST_STRETCH]


def _fraction(material: Material, E: Float[np.ndarray, "3 3"], radius: float) -> float:
    """Distance of a strain from rest, 1 at the border of the domain."""
    if material.domain is None:
        return float(np.linalg.norm(E)) / radius
    x = torch.from_numpy(np.ascontiguousarray(to_mandel(E[None])))
    return min(1.0, float(material.domain.distance(x)[0]))


def _scaled(material: Material, x: Float[np.ndarray, "n 6"], radius: float) -> Float[np.ndarray, "n 3 3"]:
    """Points of the unit ball as strains of the domain."""
    if material.domain is None:
        return from_mandel(radius * x)
    values, vectors = np.linalg.eigh(material.domain.metric)
    return from_mandel(material.domain.radius * (x / np.sqrt(values)) @ vectors.T)
