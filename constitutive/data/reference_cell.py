"""Whether two data sets speak of the same reference cell in the same frame."""

from __future__ import annotations

from typing import Any

import numpy as np

from constitutive.errors import DataError


def require_same_reference(found: Any, needed: Any, *, tolerance: float = 1e-4) -> None:
    """Require that two structures (pymatgen) are one reference cell in one Cartesian frame.

    F, energy per volume and the components of the stress mean something else against another cell or in another frame.

    Parameters
    ----------
    found, needed : Structure or None
        With None on either side nothing can be compared, and nothing is refused.
    tolerance : float
        Largest difference of a lattice vector's component, relative to the longest vector.

    Raises
    ------
    DataError
        The lattice vectors or the composition differ.
    """
    if found is None or needed is None:
        return
    a, b = (np.asarray(s.lattice.matrix, dtype=np.float64) for s in (found, needed))
    difference = np.abs(a - b).max() / np.linalg.norm(b, axis=1).max()
    if difference > tolerance:
        rotated = np.allclose(a @ a.T, b @ b.T, atol=tolerance * np.abs(b @ b.T).max())
        what = "the same cell in another frame (rotated)" if rotated else "another reference cell"
        raise DataError(
            f"lattice: found {what}, rows {np.round(a, 4).tolist()} Å; needed {np.round(b, 4).tolist()} Å; "
            "give F and the stress against that cell and in its frame"
        )
    if sorted(site.species_string for site in found) != sorted(site.species_string for site in needed):
        raise DataError(f"species: found {found.composition}, needed {needed.composition}; this is another crystal")
