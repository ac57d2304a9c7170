"""A 3×3 tensor that a user gives for the mesh: one, one per tag, per cell or per point."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol, TypeAlias, runtime_checkable

import numpy as np
from dolfinx import fem

from constitutive.errors import SolveError
from constitutive.fem.orientations import check_rotations, rotation_from_quaternion
from constitutive.fem.quadrature import QuadraturePoints

Cells: TypeAlias = np.ndarray  # int32 numbers of cells of this rank
Convert: TypeAlias = Callable[[np.ndarray], np.ndarray]


@runtime_checkable
class RotationLike(Protocol):
    """A rotation of another package, such as scipy's."""

    def as_matrix(self) -> np.ndarray:
        """Matrix of the rotation.

        Returns
        -------
        array (3, 3) or (n, 3, 3)
        """


Tensor3: TypeAlias = np.ndarray | RotationLike | float | list | tuple  # one tensor, or one per cell
TensorInput: TypeAlias = Tensor3 | Mapping[int, Tensor3] | fem.Constant | fem.Function


@dataclass
class TensorField:
    """A 3×3 tensor for all cells, for each cell or for each point; read again at each call where it can change.

    Attributes
    ----------
    constant : array (3, 3) or None
        The value, where it is one and stays.
    at : callable
        Cells → (3, 3), (points, 3, 3).
    sources : tuple
        The Functions and Constants that it reads.
    """

    constant: np.ndarray | None
    at: Callable[[Cells], np.ndarray]
    sources: tuple[fem.Function | fem.Constant, ...] = ()


def tensor_field(value: TensorInput, points: QuadraturePoints, tags: np.ndarray | None, what: str, convert: Convert) -> TensorField:
    """Read what a user gives for a tensor on the mesh.

    Parameters
    ----------
    value
        One matrix or quaternion (or a scipy Rotation); {tag: one of these}; an array with one for each cell that the
        rank owns; a DOLFINx Constant, a Function with one value per cell (DG0), or one on the quadrature points.
    points : QuadraturePoints
        Where it is needed.
    tags : array of int, optional
        Tag of each cell; cells that no law covers have ``NO_TAG``.
    what : str
        Its name in messages.
    convert : callable
        Arrays (..., 3, 3), (..., 4) or (...) → checked (..., 3, 3).

    Returns
    -------
    TensorField

    Raises
    ------
    SolveError
        A tag is missing, or an array or a Function has another shape.
    """
    if isinstance(value, fem.Constant):
        return TensorField(None, lambda cells: convert(np.asarray(value.value)), (value,))
    if isinstance(value, fem.Function):
        return _function_field(value, points, what, convert)
    if isinstance(value, Mapping):
        return _tagged_field(value, points, tags, what, convert)
    array = _as_array(value)
    if array.shape in ((3, 3), (4,), ()):
        constant = convert(array)
        return TensorField(constant, lambda cells: constant)
    if array.shape[0] not in (points.cells, points.count):
        raise SolveError(f"{what} has shape {array.shape}: needed is one value, or one for each of the {points.cells} cells of this rank")
    per_cell = array.shape[0] == points.cells
    return _array_field(convert(array), points, per_cell=per_cell)


NO_TAG = np.iinfo(np.int32).min  # of a cell that no law covers


def _as_array(value: Tensor3) -> np.ndarray:
    return np.asarray(value.as_matrix() if isinstance(value, RotationLike) else value, dtype=float)


def _array_field(array: np.ndarray, points: QuadraturePoints, *, per_cell: bool) -> TensorField:
    if per_cell:
        return TensorField(None, lambda cells: np.repeat(array[cells], points.per_cell, axis=0))
    by_cell = array.reshape(points.cells, points.per_cell, 3, 3)
    return TensorField(None, lambda cells: by_cell[cells].reshape(-1, 3, 3))


def _tagged_field(
    table: Mapping[int, Tensor3], points: QuadraturePoints, tags: np.ndarray | None, what: str, convert: Convert
) -> TensorField:
    if tags is None:
        raise SolveError(f"{what} is given by tag: pass cell_tags too")
    missing = sorted({int(tag) for tag in np.unique(tags)} - {NO_TAG} - set(table))
    if missing:
        raise SolveError(f"{what} has no entry for the cell tags {missing[:8]}")
    names = np.array(sorted(table))
    matrices = np.stack([convert(_as_array(table[name])) for name in names])
    rows = np.minimum(np.searchsorted(names, tags), len(names) - 1)  # of cells without a law: any, it is not used
    covered = set(rows[tags != NO_TAG])
    if len(covered) == 1:
        only = matrices[covered.pop()]
        return TensorField(only, lambda cells: only)
    return TensorField(None, lambda cells: np.repeat(matrices[rows[cells]], points.per_cell, axis=0))


def _function_field(function: fem.Function, points: QuadraturePoints, what: str, convert: Convert) -> TensorField:
    space = function.function_space
    size = int(np.prod(function.ufl_shape, dtype=int))
    dofs = space.dofmap.list
    at_points = "uadrature" in type(space.ufl_element()).__name__ or "uadrature" in repr(space.ufl_element())
    if at_points and dofs.shape[1] != points.per_cell:
        raise SolveError(f"{what} has {dofs.shape[1]} values in a cell, the law has {points.per_cell} points: use law.points.space(…)")
    if not at_points and dofs.shape[1] != 1:
        raise SolveError(f"{what} has {dofs.shape[1]} nodes in a cell: use a space ('DG', 0) or law.points.space(…)")
    shape = function.ufl_shape

    def at(cells: Cells) -> np.ndarray:
        values = convert(function.x.array.reshape(-1, size)[dofs[cells].ravel()].reshape(-1, *shape))
        return values if at_points else np.repeat(values, points.per_cell, axis=0)

    return TensorField(None, at, (function,))


def as_rotations(array: np.ndarray) -> np.ndarray:
    """Checked rotations from matrices (..., 3, 3) or quaternions (..., 4).

    Parameters
    ----------
    array : array (..., 3, 3) or (..., 4)

    Returns
    -------
    array (..., 3, 3)

    Raises
    ------
    SolveError
        Another shape.
    DataError
        A matrix is no proper rotation, or a quaternion is not of norm 1.
    """
    if array.shape[-1:] == (4,):
        return rotation_from_quaternion(array)
    if array.shape[-2:] != (3, 3):
        raise SolveError(f"an orientation of shape {array.shape}: give a matrix (3, 3) or a quaternion (w, x, y, z)")
    return check_rotations(array, "orientation")


def as_deformation_gradients(array: np.ndarray) -> np.ndarray:
    """Checked stress-free deformation gradients F₀ from matrices (..., 3, 3) or isotropic stretches (...).

    Parameters
    ----------
    array : array (..., 3, 3) or (...)
        Dimensionless; 1 is no deformation.

    Returns
    -------
    array (..., 3, 3)

    Raises
    ------
    SolveError
        One is not finite or its determinant is not positive.
    """
    F0 = array if array.shape[-2:] == (3, 3) else array[..., None, None] * np.eye(3)
    det = np.linalg.det(F0)
    if F0.shape[-2:] != (3, 3) or not np.isfinite(F0).all() or not (det > 0).all():
        raise SolveError(
            f"a stress-free deformation gradient F₀ needs a positive determinant, found {np.nanmin(det):.3g}; give 1 + ε, not ε"
        )
    return F0
