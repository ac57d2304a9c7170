r"""Where a crystal is stable: the weakest direction of its acoustic tensor.

A material state is strongly elliptic where :math:`m \cdot Q(N)\, m > 0` for all m and N, with the acoustic tensor
:math:`Q_{ik}(N) = \partial P_{iJ} / \partial F_{kL}\, N_J N_L` (Ogden, *Non-linear Elastic Deformations*, 1984, ch. 6). Data of
one unit cell say nothing of slip, cleavage or phonons of short waves: those can come first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

from constitutive.elasticity.directional import half_sphere

if TYPE_CHECKING:
    from constitutive.laws import Law

DIRECTIONS = 150


def weakest(law: Law, F: Float[np.ndarray, "n 3 3"], directions: int = DIRECTIONS) -> Float[np.ndarray, " n"]:
    """Smallest eigenvalue (GPa) of the acoustic tensor over directions, at each deformation.

    Parameters
    ----------
    law
        Any law.
    F : (n, 3, 3)
        Deformation gradients.
    directions : int
        Normals N tried, spread evenly over the half sphere.
    """
    N = half_sphere(directions)
    found = np.empty(len(F))
    for part in np.array_split(np.arange(len(F)), max(1, len(F) // 250)):
        _, tangent = law(F[part])
        acoustic = np.einsum("niJkL,dJ,dL->ndik", tangent, N, N, optimize=True)
        found[part] = np.linalg.eigvalsh((acoustic + acoustic.swapaxes(-1, -2)) / 2)[..., 0].min(axis=1)
    return found


def margin(law: Law, F: Float[np.ndarray, "n 3 3"], directions: int = DIRECTIONS) -> Float[np.ndarray, " n"]:
    """The same relative to zero strain: 1 at rest, 0 where ellipticity is lost."""
    return weakest(law, F, directions) / weakest(law, np.eye(3)[None], directions)[0]
