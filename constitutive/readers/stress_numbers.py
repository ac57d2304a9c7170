"""Stress tensors from the six or nine numbers of a file, in GPa with tension positive."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from constitutive.errors import DataError
from constitutive.tensors.components import matrices_of
from constitutive.units import EV_PER_CUBIC_ANGSTROM, energy_factor


def tensor(values: object, order: str | None, where: str, what: str = "stress") -> Float[np.ndarray, "3 3"]:
    """The matrix of nine numbers, or of six in a stated order.

    Parameters
    ----------
    values : array-like
        Nine numbers, or six independent components.
    order : str or None
        Order of six components; None refuses six numbers.
    where, what : str
        Place and name for the message of an error.

    Raises
    ------
    DataError
        There are neither six nor nine numbers, six without a stated order, or something else than finite numbers.
    """
    try:
        array = np.array(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise DataError(f"{where}: found {what} {str(values)[:60]!r}; needed six or nine numbers") from error
    if not np.isfinite(array).all():
        raise DataError(f"{where}: found NaN or infinity in {what}; needed finite numbers; leave the frame out (--skip-failed)")
    if array.size == 9:
        return array.reshape(3, 3)
    if array.size != 6:
        raise DataError(f"{where}: found a {what} of {array.size} numbers; needed 9, or 6 in a stated order (--order)")
    if order is None:
        raise DataError(
            f"{where}: found a {what} of six numbers, whose order is not in the file; needed it by --order: "
            "ase (xx yy zz yz xz xy), vasp (xx yy zz xy yz xz), lammps (xx yy zz xy xz yz), or written out"
        )
    return matrices_of(array.reshape(1, 6), order)[0]


def from_virial(virial: Float[np.ndarray, "3 3"], volume: float, unit: str = "eV") -> Float[np.ndarray, "3 3"]:
    """Cauchy stress −virial/V in GPa from a virial in a unit of energy and a volume in Å³ (virial = −V sigma)."""
    return -virial * energy_factor(unit) / volume * EV_PER_CUBIC_ANGSTROM
