"""An audit of a material: exact properties, saved and compiled forms, stability, and errors on data, each measured against a limit."""

from __future__ import annotations

import warnings

import numpy as np

from constitutive.audit.coupled import coupled
from constitutive.audit.model import Audit, Check
from constitutive.audit.physics import deformation_of, physics, random_strains
from constitutive.audit.polyconvexity import polyconvexity
from constitutive.audit.stability import margin, strains_of_domain, weakest
from constitutive.audit.trust import trust
from constitutive.audit.use import use
from constitutive.data import StressStrainData
from constitutive.material import Material

__all__ = [
    "RADIUS",
    "SAMPLES",
    "Audit",
    "Check",
    "audit",
    "deformation_of",
    "margin",
    "random_strains",
    "strains_of_domain",
    "weakest",
]

SAMPLES = 200
RADIUS = 0.05  # Frobenius norm of the largest strain at which the exact properties are audited


def audit(
    material: Material,
    data: StressStrainData | None = None,
    *,
    unseen: StressStrainData | None = None,
    samples: int = SAMPLES,
    radius: float = RADIUS,
    seed: int = 0,
) -> Audit:
    """Measure the properties that a material must have, on seeded random strains.

    Parameters
    ----------
    material : Material
        What to audit.
    data : StressStrainData, optional
        The data that it was calibrated on: for the symmetry of the data and the errors on their held-out ``paths``.
    unseen : StressStrainData, optional
        States that the law has not seen, in the same reference cell and frame; they count instead of the ``paths``.
    samples : int
        Number of random strains.
    radius : float
        Frobenius norm of the largest Green–Lagrange strain.
    seed : int
        Of the strains and rotations.

    Returns
    -------
    Audit
        Exact properties: objectivity P(QF) = Q P(F); symmetry S(gEgᵀ) = g S(E) gᵀ for every operation of the material's point
        group, with a figure for each generator; reference stress S(0); tangent dP/dF against differences; work over closed strain
        cycles. In use: saved and loaded, compiled against torch. Limits of the law: strong ellipticity in the domain, symmetry of
        the data, errors and coverage of the intervals on held-out states, share of them outside the domain. Of a coupled law:
        symmetry under the whole point group, Maxwell's relations, constants that the group forbids, dielectric stability. Of a
        polyconvex law its certificate, "polyconvexity".

    Raises
    ------
    DataError
        The unseen states have another reference cell or frame than the material.

    Examples
    --------
    >>> from constitutive import Material
    >>> silicon = Material.from_constants("m-3m", {"C11": 165.7, "C12": 63.9, "C44": 79.6})
    >>> found = audit(silicon, samples=20)
    >>> found.passed, found.checks["symmetry"].standing
    (True, 'kept')
    """
    rng = np.random.default_rng(seed)
    E = random_strains(rng, samples, radius)
    found = {**physics(material, E, rng), **use(material, E), **trust(material, data, unseen, samples, radius, rng)}
    checks = {**found, **coupled(material, samples, rng), **polyconvexity(material, samples, np.random.default_rng(seed + 1))}
    return Audit(checks, samples, radius)


def __getattr__(name: str) -> object:
    if name == "Promise":  # its name before
        warnings.warn("constitutive.audit.Promise is called Check now", DeprecationWarning, stacklevel=2)
        return Check
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
