"""Arrays of a batch: their layouts, checked before compiled code reads them, and maps from lab strains to a crystal's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float

from constitutive.errors import MaterialError
from constitutive.tensors.packing import mandel_matrix

Measure = Literal["E", "F"]


def pack_map(
    A: Float[np.ndarray, "*n 6 6"], x0: Float[np.ndarray, "*n 6"], weight: float | Float[np.ndarray, "*n"]
) -> Float[np.ndarray, "*n 43"]:
    """Map from lab strains to a crystal's as ``evaluate`` takes it: y = A (x − x₀), S = w Aᵀ s(y), C = w Aᵀ c(y) A.

    Parameters
    ----------
    A
        Mandel matrices, of the crystal's rotation for instance.
    x0
        Stress-free strain in the lab.
    weight
        Scalar or (n,): the unit (and volume ratio) in which stress, tangent and energy are given, from GPa.

    Returns
    -------
    array (43,) or (n, 43)
        A row by row, x₀, w.
    """
    weight = np.asarray(weight, dtype=np.float64)
    return np.ascontiguousarray(np.concatenate([A.reshape(*A.shape[:-2], 36), x0, weight[..., None]], axis=-1))


def orientation_map(rotation: Float[np.ndarray, "*n 3 3"], unit: float = 1.0) -> Float[np.ndarray, "*n 43"]:
    """Map of a crystal turned by a rotation (crystal → lab), or of one for each point.

    Parameters
    ----------
    rotation : array (3, 3) or (n, 3, 3)
        Crystal → lab.
    unit : float
        Stress unit of the caller in GPa⁻¹: 1000 for MPa.

    Returns
    -------
    array (43,) or (n, 43)
        6×6 Mandel matrix lab → crystal, six components of a strain offset (zero), and the unit.
    """
    A = np.asarray(mandel_matrix(np.swapaxes(np.asarray(rotation, dtype=np.float64), -1, -2)))
    return pack_map(A, np.zeros(A.shape[:-1]), np.full(A.shape[:-2], unit))


@dataclass(frozen=True)
class Request:
    """Arrays of one evaluation, checked.

    Attributes
    ----------
    strain, measure
        The strains, and what arrays of 3×3 tensors hold.
    stress, tangent, energy, distance
        Where the results go; None for those that are not computed.
    map : array or None
        (43,), or (n, 43).
    uncertainty : array or None
        Where the uncertainty goes.
    """

    strain: np.ndarray
    measure: Measure
    stress: np.ndarray | None
    tangent: np.ndarray | None
    energy: np.ndarray | None
    distance: np.ndarray | None
    map: np.ndarray | None
    uncertainty: np.ndarray | None = None

    def part(self, rows: slice) -> Request:
        """Some of the points."""
        arrays = (self.stress, self.tangent, self.energy, self.distance, self.uncertainty)
        stress, tangent, energy, distance, uncertainty = (None if a is None else a[rows] for a in arrays)
        point_map = self.map if self.map is None or self.map.ndim == 1 else self.map[rows]
        return Request(self.strain[rows], self.measure, stress, tangent, energy, distance, point_map, uncertainty)

    @property
    def first_piola(self) -> bool:
        """Whether 3×3 stresses are P."""
        return self.measure == "F"


def _check(name: str, array: np.ndarray | None, shapes: tuple[tuple[int, ...], ...]) -> None:
    if array is None:
        return
    fine = isinstance(array, np.ndarray) and array.dtype == np.float64 and array.flags.c_contiguous and array.flags.aligned
    if not fine or array.shape not in shapes:
        found = f"{array.dtype} {array.shape}" if isinstance(array, np.ndarray) else type(array).__name__
        wanted = " or ".join(map(str, shapes))
        raise MaterialError(f"{name}: found {found}; needed is a C-contiguous float64 array of shape {wanted}")


def _check_rows(strain: np.ndarray, n: int) -> None:
    """Rows of 6 may have more numbers between them."""
    spaced = isinstance(strain, np.ndarray) and strain.dtype == np.float64 and strain.shape == (n, 6) and strain.flags.aligned
    if not (spaced and strain.strides[1] == 8 and strain.strides[0] % 8 == 0 and strain.strides[0] >= 48):
        _check("strain", strain, ((n, 6), (n, 3, 3)))


def checked(request: Request) -> Request:
    """Give a request back once all its arrays have the dtype, layout and shape that compiled code reads.

    Raises
    ------
    MaterialError
        One has not; the message says what was needed.
    """
    n = len(request.strain) if np.ndim(request.strain) else -1
    if request.measure not in ("E", "F"):
        raise MaterialError(f"measure={request.measure!r}: it is 'E' or 'F'")
    tensors = request.measure == "F"
    if tensors:
        _check("strain", request.strain, ((n, 3, 3),))
    else:
        _check_rows(request.strain, n)
    _check("stress", request.stress, ((n, 6), (n, 3, 3)))
    _check("tangent", request.tangent, ((n, 21), (n, 6, 6), *(((n, 9, 9), (n, 3, 3, 3, 3)) if tensors else ())))
    _check("energy", request.energy, ((n,),))
    _check("distance", request.distance, ((n,),))
    _check("uncertainty", request.uncertainty, ((n,),))
    _check("map", request.map, ((43,), (n, 43)))
    return request
