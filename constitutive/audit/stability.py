"""How far a law is from losing strong ellipticity, relative to rest."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

from constitutive.elasticity import ellipticity

if TYPE_CHECKING:
    from constitutive.laws import Law

DIRECTIONS = 120
_AT_ONCE = 128


def weakest(law: Law, F: Float[np.ndarray, "n 3 3"], directions: int = DIRECTIONS) -> Float[np.ndarray, " n"]:
    """Smallest eigenvalue (GPa) of the acoustic tensor over all directions, at each deformation.

    Parameters
    ----------
    law
        Any law.
    F : (n, 3, 3)
        Deformation gradients.
    directions : int
        Normals tried before the worst is refined.
    """
    parts = np.array_split(np.arange(len(F)), max(1, -(-len(F) // _AT_ONCE)))
    return np.concatenate([ellipticity(law, F[part], directions=directions).minimum for part in parts])


def margin(law: Law, F: Float[np.ndarray, "n 3 3"], directions: int = DIRECTIONS) -> Float[np.ndarray, " n"]:
    """The same relative to zero strain: 1 at rest, 0 where ellipticity is lost."""
    return weakest(law, F, directions) / weakest(law, np.eye(3)[None], directions)[0]
