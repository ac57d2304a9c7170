"""The promises of a material, measured: exact physics, faithful use, and what may be expected of it on data."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from constitutive.audit.model import Audit, Promise
from constitutive.audit.physics import deformation_of, physics, random_strains
from constitutive.audit.stability import margin, strains_of_domain, weakest
from constitutive.audit.trust import trust
from constitutive.audit.use import use
from constitutive.material import Material

if TYPE_CHECKING:
    from constitutive.data import StressStrainData

__all__ = [
    "RADIUS",
    "SAMPLES",
    "Audit",
    "Promise",
    "audit",
    "deformation_of",
    "margin",
    "random_strains",
    "strains_of_domain",
    "weakest",
]

SAMPLES = 200
RADIUS = 0.05  # Frobenius norm of the largest strain at which the exact promises are audited


def audit(
    material: Material,
    data: StressStrainData | None = None,
    *,
    unseen: StressStrainData | None = None,
    samples: int = SAMPLES,
    radius: float = RADIUS,
    seed: int = 0,
) -> Audit:
    """Measure the promises of a material on seeded random strains.

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
        Exact: objectivity P(QF) = Q P(F); symmetry S(gEgᵀ) = g S(E) gᵀ for every operation of the material's point group, each
        generator told apart; reference stress S(0); tangent dP/dF against differences; conservation round closed strain
        cycles. In use: save and load, compiled kernel against torch. To trust: stability in the domain, symmetry of the data,
        errors and coverage on held-out states, what lies outside the domain.

    Raises
    ------
    DataError
        The unseen states stand in another reference cell or frame than the material.
    """
    rng = np.random.default_rng(seed)
    E = random_strains(rng, samples, radius)
    promises = {**physics(material, E, rng), **use(material, E), **trust(material, data, unseen, samples, radius, rng)}
    return Audit(promises, samples, radius)
