"""The variants of a transition from a group to a subgroup: images of one well under the cosets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Float

from constitutive.errors import SymmetryError
from constitutive.kinematics import right_stretch
from constitutive.symmetry import PointGroup

INVARIANT = 1e-6  # of the largest component: how far a strain or polarisation may be from invariance under the subgroup


@final
@dataclass(frozen=True, eq=False)
class Variants:
    """Equivalent wells.

    Attributes
    ----------
    group, subgroup
        Of the parent phase, and of the first variant.
    operations
        One operation of the parent group for each variant, the identity first: it carries the first variant into this one.
    strains
        Green–Lagrange strains from the parent phase.
    stretches
        Right stretches U of these.
    polarizations
        Reference polarisations, or None.
    """

    group: PointGroup
    subgroup: PointGroup
    operations: Float[np.ndarray, "n 3 3"]
    strains: Float[np.ndarray, "n 3 3"]
    stretches: Float[np.ndarray, "n 3 3"]
    polarizations: Float[np.ndarray, "n 3"] | None

    def __len__(self) -> int:
        return len(self.operations)


def variants(
    group: PointGroup | str,
    subgroup: PointGroup | str,
    strain: Float[np.ndarray, "3 3"],
    polarization: Float[np.ndarray, "3"] | None = None,
) -> Variants:
    """All variants of a transition from a group to a subgroup: one for each left coset g H.

    Parameters
    ----------
    group : PointGroup or str
        Of the parent phase.
    subgroup : PointGroup or str
        Of the first variant, in its place within the group.
    strain : array (3, 3)
        Green–Lagrange strain of the first variant from the parent phase.
    polarization : array (3,), optional
        Of the first variant, in any unit.

    Returns
    -------
    Variants

    Raises
    ------
    SymmetryError
        The subgroup is none of the group in its place, or strain or polarisation are not invariant under it.

    Examples
    --------
    >>> import numpy as np
    >>> len(variants("m-3m", "4mm", np.diag([-0.003, -0.003, 0.01]), np.array([0, 0, 0.26])))
    6
    """
    parent, child = (PointGroup.from_symbol(g) if isinstance(g, str) else g for g in (group, subgroup))
    E = np.array(strain, dtype=np.float64)
    P = None if polarization is None else np.array(polarization, dtype=np.float64)
    H = child.operations
    E = _invariant("strain", E, H @ E @ H.swapaxes(1, 2), child)
    if P is not None:
        P = _invariant("polarisation", P, H @ P, child)
    heads = parent.cosets(child)
    strains = heads @ E @ heads.swapaxes(1, 2)
    strains = (strains + strains.swapaxes(1, 2)) / 2
    return Variants(
        parent, child, heads, strains, heads @ right_stretch(E[None])[0] @ heads.swapaxes(1, 2), None if P is None else heads @ P
    )


def _invariant(what: str, given: np.ndarray, images: np.ndarray, group: PointGroup) -> np.ndarray:
    """The mean of the images, which have to be equal to rounding of a well that was found numerically."""
    error = float(np.abs(images - given).max())
    if error > INVARIANT * float(np.abs(given).max(initial=1e-300)):
        raise SymmetryError(
            f"the {what} differs from its images under {group.symbol} by {error:.2g}: it is not that of a variant with this point group in "
            "this place; turn the subgroup (PointGroup.from_symbol(…, frame=R), or one of group.subgroups())"
        )
    return images.mean(axis=0)
