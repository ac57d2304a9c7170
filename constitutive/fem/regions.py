"""Which law, orientation and stress-free reference holds at which cells."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from dolfinx import fem
from torch import Tensor

from constitutive import kernel
from constitutive.errors import SolveError
from constitutive.fem.orientations import check_rotations, rotation_from_quaternion
from constitutive.fem.points import PointLaw, reference_map
from constitutive.fem.quadrature import QuadraturePoints
from constitutive.kernel import CompiledKernel, KernelWarning
from constitutive.laws import BoundedLaw, Law

Cells = np.ndarray  # int32 numbers of cells of this rank
UNITS = {"GPa": 1.0, "MPa": 1e3, "kPa": 1e6, "Pa": 1e9}


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
    sources: tuple[Any, ...] = ()


def tensor_field(value: Any, points: QuadraturePoints, tags: np.ndarray | None, what: str, convert: Callable) -> TensorField:
    """Read what a user gives for a tensor on the mesh.

    Parameters
    ----------
    value
        One matrix or quaternion (or a scipy Rotation); {tag: one of these}; an array with one for each cell that the
        rank owns; a DOLFINx Constant, a Function with one value per cell (DG0), or one on the quadrature points.
    points : QuadraturePoints
        Where it is needed.
    tags : array of int, optional
        Tag of each cell.
    what : str
        Its name in messages.
    convert : callable
        Arrays (..., 3, 3), (..., 4) or (...) → checked (..., 3, 3).
    """
    if isinstance(value, fem.Constant):
        return TensorField(None, lambda cells: convert(np.asarray(value.value)), (value,))
    if isinstance(value, fem.Function):
        return _function_field(value, points, what, convert)
    if isinstance(value, Mapping):
        return _tagged_field(value, points, tags, what, convert)
    array = np.asarray(value.as_matrix() if hasattr(value, "as_matrix") else value, dtype=float)
    if array.shape in ((3, 3), (4,), ()):
        constant = convert(array)
        return TensorField(constant, lambda cells: constant)
    if array.shape[0] not in (points.cells, points.count):
        raise SolveError(
            f"{what} has shape {array.shape}: needed is one value, or one for each of the {points.cells} cells of this rank"
        )
    per_cell = array.shape[0] == points.cells
    return _array_field(convert(array), points, per_cell=per_cell)


def _array_field(array: np.ndarray, points: QuadraturePoints, *, per_cell: bool) -> TensorField:
    if per_cell:
        return TensorField(None, lambda cells: np.repeat(array[cells], points.per_cell, axis=0))
    by_cell = array.reshape(points.cells, points.per_cell, 3, 3)
    return TensorField(None, lambda cells: by_cell[cells].reshape(-1, 3, 3))


def _tagged_field(table: Mapping, points: QuadraturePoints, tags: np.ndarray | None, what: str, convert: Callable) -> TensorField:
    if tags is None:
        raise SolveError(f"{what} is given by tag: pass cell_tags too")
    missing = sorted({int(tag) for tag in np.unique(tags)} - set(table))
    if missing:
        raise SolveError(f"{what} has no entry for the cell tags {missing[:8]}")
    names = np.array(sorted(table))
    matrices = np.stack(
        [
            convert(np.asarray(table[name].as_matrix() if hasattr(table[name], "as_matrix") else table[name], float))
            for name in names
        ]
    )
    rows = np.searchsorted(names, tags)
    if len(set(rows)) == 1:
        return TensorField(matrices[rows[0]], lambda cells: matrices[rows[0]])
    return TensorField(None, lambda cells: np.repeat(matrices[rows[cells]], points.per_cell, axis=0))


def _function_field(function: Any, points: QuadraturePoints, what: str, convert: Callable) -> TensorField:
    space = function.function_space
    size = int(np.prod(function.ufl_shape, dtype=int))
    dofs = space.dofmap.list
    at_points = "uadrature" in type(space.ufl_element()).__name__ or "uadrature" in repr(space.ufl_element())
    if at_points and dofs.shape[1] != points.per_cell:
        raise SolveError(
            f"{what} has {dofs.shape[1]} values in a cell, the law has {points.per_cell} points: use law.points.space(…)"
        )
    if not at_points and dofs.shape[1] != 1:
        raise SolveError(f"{what} has {dofs.shape[1]} nodes in a cell: use a space ('DG', 0) or law.points.space(…)")
    shape = function.ufl_shape

    def at(cells: Cells) -> np.ndarray:
        values = convert(function.x.array.reshape(-1, size)[dofs[cells].ravel()].reshape(-1, *shape))
        return values if at_points else np.repeat(values, points.per_cell, axis=0)

    return TensorField(None, at, (function,))


def as_rotations(array: np.ndarray) -> np.ndarray:
    """Checked rotations from matrices (..., 3, 3) or quaternions (..., 4)."""
    if array.shape[-1] == 4 and array.shape[-2:] != (4, 4):
        return rotation_from_quaternion(array)
    if array.shape[-2:] != (3, 3):
        raise SolveError(f"an orientation of shape {array.shape}: give a matrix (3, 3) or a quaternion (w, x, y, z)")
    return check_rotations(array, "orientation")


def as_stretches(array: np.ndarray) -> np.ndarray:
    """Checked stress-free references F₀ from matrices (..., 3, 3) or isotropic stretches (...)."""
    F0 = array if array.shape[-2:] == (3, 3) else array[..., None, None] * np.eye(3)
    det = np.linalg.det(F0)
    if F0.shape[-2:] != (3, 3) or not np.isfinite(F0).all() or not (det > 0).all():
        raise SolveError(f"a stress-free reference F₀ needs a positive determinant, found {np.nanmin(det):.3g}; give 1 + ε, not ε")
    return F0


@dataclass
class Region:
    """Cells of one material.

    Attributes
    ----------
    law : Law
        The law, without its own policy outside the domain.
    domain : Domain or None
        Strains (crystal frame) for which it was made.
    cells : array of int32
        Sorted cells of this rank.
    material : Material or Law
        What the user gave.
    compiled : CompiledKernel or None
        The law as compiled C, where that was wanted and can be had.
    precision : {"double", "single"}
        In which it evaluates the network's part of the tangent.
    """

    law: Law
    domain: Any
    cells: Cells
    material: Any
    orientation: TensorField
    stress_free: TensorField | None
    unit: float
    finite: bool
    compiled: CompiledKernel | None = None
    precision: str = "double"
    _fixed: PointLaw | None = field(default=None, repr=False)

    @property
    def sources(self) -> tuple[Any, ...]:
        """The Functions and Constants that orientation and stress-free reference are read from."""
        return self.orientation.sources + (() if self.stress_free is None else self.stress_free.sources)

    @property
    def fixed(self) -> bool:
        """Whether all cells share one orientation and one stress-free reference that stay."""
        return self.orientation.constant is not None and (self.stress_free is None or self.stress_free.constant is not None)

    def at(self, cells: Cells) -> PointLaw:
        """The law as seen at the points of some cells."""
        if self._fixed is not None:
            return self._fixed
        R = self.orientation.at(cells)
        F0 = None if self.stress_free is None else self.stress_free.at(cells)
        lab = reference_map(R, F0, self.unit, finite=self.finite)
        law = PointLaw(self.law, lab, self.unit, compiled=self.compiled, precision=self.precision)
        if self.fixed:
            self._fixed = law.folded()
            return self._fixed
        return law

    def distance(self, x: Tensor) -> Tensor:
        """Size of crystal strains relative to the edge of the domain; 0 without a domain."""
        return self.domain.distance(x) if self.domain is not None else torch.zeros(len(x), dtype=torch.float64)

    def chunks(self, size: int) -> Iterator[Cells]:
        """Cells in batches."""
        for start in range(0, len(self.cells), size):
            yield self.cells[start : start + size]


def law_and_domain(material: Any) -> tuple[Law, Any]:
    """Law and domain of a Material or of a bare law."""
    law = material if isinstance(material, Law) else getattr(material, "law", material)  # a turned law holds another one
    if not hasattr(law, "stress_mandel"):
        raise SolveError(f"found {type(material).__name__} where a Material (Material.load(folder)) or a law was needed")
    domain = getattr(material, "domain", None)
    if isinstance(law, BoundedLaw):
        return law.law, domain if domain is not None else law.domain
    return law, domain


def make_regions(
    material: Any,
    orientation: Any,
    cell_tags: Any,
    stress_free: Any,
    points: QuadraturePoints,
    unit: float,
    *,
    extend: bool,
    finite: bool,
    native: bool = True,
    precision: str = "double",
) -> list[Region]:
    """Sort the cells of this rank by material, and compile the laws where ``native`` asks for it.

    Raises
    ------
    SolveError
        A tag has no material, or tags are needed and not given.
    """
    tags = None if cell_tags is None else tags_of_cells(cell_tags, points)
    parts, orientation = _parts(material, orientation)
    turn = tensor_field(np.eye(3) if orientation is None else orientation, points, tags, "orientation", as_rotations)
    free = None if stress_free is None else tensor_field(stress_free, points, tags, "eigenstrain", as_stretches)
    regions = []
    for one, names in parts:
        law, domain = law_and_domain(one)
        law = BoundedLaw(law, domain, "extend") if extend and domain is not None else law
        cells = np.arange(points.cells) if names is None else np.flatnonzero(np.isin(_given(tags), names))
        compiled = compiled_law(one, law, points.mesh.comm.rank) if native else None
        regions.append(Region(law, domain, cells.astype(np.int32), one, turn, free, unit, finite, compiled, precision))
    if sum(len(region.cells) for region in regions) != points.cells:
        missing = sorted({int(tag) for tag in np.unique(_given(tags))} - {name for _, names in parts for name in names or ()})
        raise SolveError(f"no material for the cell tags {missing[:8]}")
    return regions


def compiled_law(material: Any, law: Law, rank: int) -> CompiledKernel | None:
    """The law as compiled C; None where only torch can evaluate it (with one warning on rank 0), or where it is the user's own."""
    if not isinstance(law, Law):
        return None
    with warnings.catch_warnings():
        if rank:
            warnings.simplefilter("ignore", KernelWarning)
        found = kernel.compile(material, law=law)
    return found if isinstance(found, CompiledKernel) else None


def _parts(material: Any, orientation: Any) -> tuple[list[tuple[Any, list[int] | None]], Any]:
    """Materials with their tags, one entry per material, and the orientations that came with them."""
    if not isinstance(material, Mapping):
        return [(material, None)], orientation
    paired = {int(tag): one if isinstance(one, tuple) else (one, None) for tag, one in material.items()}
    if orientation is None and any(R is not None for _, R in paired.values()):
        orientation = {tag: np.eye(3) if R is None else R for tag, (_, R) in paired.items()}
    merged: dict[int, tuple[Any, list[int]]] = {}
    for tag, (one, _) in paired.items():
        merged.setdefault(id(one), (one, []))[1].append(tag)
    return list(merged.values()), orientation


def _given(tags: np.ndarray | None) -> np.ndarray:
    if tags is None:
        raise SolveError("materials are given by tag: pass cell_tags too")
    return tags


def tags_of_cells(cell_tags: Any, points: QuadraturePoints) -> np.ndarray:
    """Tag of each cell that this rank owns, from MeshTags or an array.

    Raises
    ------
    SolveError
        A cell has no tag.
    """
    if isinstance(cell_tags, np.ndarray):
        tags = cell_tags[: points.cells]
        untagged = points.cells - len(tags)
    else:
        tags = np.full(points.cells, np.iinfo(np.int32).min, dtype=np.int64)
        owned = cell_tags.indices < points.cells
        tags[cell_tags.indices[owned]] = cell_tags.values[owned]
        untagged = int((tags == np.iinfo(np.int32).min).sum())
    if untagged:
        raise SolveError(f"{untagged} of {points.cells} cells of this rank have no tag: every cell needs a material")
    return tags
