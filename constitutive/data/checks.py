"""What an array of simulation data has to be: numbers, of the right shape, finite, with det F > 0."""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float

from constitutive.errors import DataError
from constitutive.kinematics import determinant

_SHOWN = 8


def where(indices: Any) -> str:
    """Sample numbers for a message: the first eight and how many more.

    Parameters
    ----------
    indices : int, or sequence of int

    Returns
    -------
    str
        "3, 5, 8" or "0, 1, 2, 3, 4, 5, 6, 7 and 12 more".
    """
    numbers = [int(i) for i in np.atleast_1d(indices)]
    shown = ", ".join(str(i) for i in numbers[:_SHOWN])
    return shown + (f" and {len(numbers) - _SHOWN} more" if len(numbers) > _SHOWN else "")


def as_float_array(value: Any, name: str, shape: tuple[int | None, ...]) -> Float[np.ndarray, "..."]:
    """`value` as a float64 array of `shape`, where None stands for any length.

    Parameters
    ----------
    value : array-like
    name : str
        Of the field, for messages.
    shape : tuple
        Length of each axis.

    Returns
    -------
    array
        A new float64 array.

    Raises
    ------
    DataError
        `value` is ragged, holds something else than numbers, has another shape, or NaN or infinity.
    """
    try:
        raw = np.asarray(value)
        if raw.dtype.kind not in "fiu":
            raise ValueError(f"dtype {raw.dtype}")
        array = raw.astype(np.float64)
    except (ValueError, TypeError, OverflowError) as error:
        raise DataError(f"{name}: found {_describe(value)}, needed an array of numbers of shape {_show(shape)}") from error
    if array.ndim != len(shape) or any(s is not None and s != a for s, a in zip(shape, array.shape, strict=True)):
        raise DataError(f"{name}: found shape {array.shape}, needed {_show(shape)}; {_advice(array.shape, shape)}")
    bad = ~np.isfinite(array)
    if bad.any():
        place = f"sample {where(np.unique(np.nonzero(bad)[0]))}" if array.ndim else "its value"
        raise DataError(f"{name}: found NaN or infinity at {place}; needed finite numbers; remove or recompute these samples")
    return array


def _describe(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return f"a list of {len(value)} that is ragged or holds more than numbers"
    return type(value).__name__


def _show(shape: tuple[int | None, ...]) -> str:
    return "(" + ", ".join("n" if s is None else str(s) for s in shape) + ("," if len(shape) == 1 else "") + ")"


def _advice(found: tuple[int, ...], needed: tuple[int | None, ...]) -> str:
    if len(needed) == 3 and found and found[-1] in (6, 9):
        return "write full 3×3 matrices; `constitutive convert --order` unpacks six components"
    return "give one entry per sample"


def require_orientation(F: Float[np.ndarray, "n 3 3"], name: str = "F") -> None:
    """Require det F > 0 in every sample.

    Parameters
    ----------
    F : array (n, 3, 3)
        Deformation gradients.
    name : str
        Of the field, for the message.

    Raises
    ------
    DataError
        A deformation gradient turns the crystal inside out, or flattens it.
    """
    J = determinant(F)
    bad = np.nonzero(~(J > 0))[0]
    if bad.size:
        raise DataError(
            f"{name}: found det F = {J[bad[0]]:.4g} at sample {where(bad)}; needed det F > 0; "
            "check the order of the lattice vectors and of the rows and columns of F"
        )
