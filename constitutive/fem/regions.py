"""Which law, orientation and stress-free deformation holds at which cells."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias, TypeVar

import numpy as np
import torch
from dolfinx import fem
from dolfinx.mesh import MeshTags
from torch import Tensor

from constitutive import kernel
from constitutive.errors import SolveError
from constitutive.fem.axisymmetry import as_section_rotations, require_invariant
from constitutive.fem.material_point import LawAtPoints, PointLaw, Precision, StressLaw, reference_map
from constitutive.fem.quadrature import QuadraturePoints
from constitutive.fem.tensor_fields import (
    NO_TAG,
    Cells,
    Convert,
    TensorField,
    TensorInput,
    as_deformation_gradients,
    as_rotations,
    tensor_field,
)
from constitutive.fitting import Uncertainty
from constitutive.kernel import CompiledKernel, KernelWarning
from constitutive.laws import BoundedLaw, Domain, Law
from constitutive.material import Material

Crystal: TypeAlias = Material | StressLaw
TagsInput: TypeAlias = MeshTags | np.ndarray


@dataclass(frozen=True)
class CrystalData:
    """What the finite elements use of a Material or of a bare law.

    Attributes
    ----------
    law : StressLaw
        The law, without its own policy outside the domain.
    domain : Domain or None
        Strains (crystal frame) for which it was made.
    uncertainty : Uncertainty or None
        Error estimate of the stress.
    density : float or None
        Of the reference structure, in kg/m³.
    name : str
        For messages.
    given : Material, law or other
        What the user gave.
    """

    law: StressLaw
    domain: Domain | None
    uncertainty: Uncertainty | None
    density: float | None
    name: str
    given: object


class HeldVariablesWarning(UserWarning):
    """A law of fields or temperatures is used as one of the strain alone."""


def crystal_data(given: object) -> CrystalData:
    """Law, domain, uncertainty and density of a Material or of a bare law.

    Parameters
    ----------
    given : Material or Law

    Returns
    -------
    CrystalData

    Raises
    ------
    SolveError
        It is neither.
    """
    if isinstance(given, Material):
        law, domain = _without_policy(given.law, given.domain)
        density = None if given.structure is None else float(given.structure.density) * 1e3  # g/cm³ to kg/m³
        return CrystalData(law, domain, given.uncertainty, density, given.name, given)
    if isinstance(given, StressLaw):
        law, domain = _without_policy(given, None)
        return CrystalData(law, domain, None, None, type(given).__name__, given)
    raise SolveError(f"found {type(given).__name__} where a Material (Material.load(folder)) or a law was needed")


def _without_policy(law: StressLaw, domain: Domain | None) -> tuple[StressLaw, Domain | None]:
    if isinstance(law, BoundedLaw):
        return law.law, law.domain if domain is None else domain
    return law, domain


AnyRegion = TypeVar("AnyRegion", bound="Region")


@dataclass
class Region:
    """Cells of one material.

    Attributes
    ----------
    law : StressLaw
        The law, with its extension where that was chosen.
    crystal : CrystalData
        The material.
    cells : array of int32
        Sorted cells of this rank.
    orientation, stress_free : TensorField
        Crystal → lab, and F₀ in crystal axes (None: the crystal is free of stress in the reference configuration).
    unit : float
        The user's unit in GPa⁻¹ (1,000 for MPa).
    finite : bool
        Whether strains are finite.
    compiled : CompiledKernel or None
        The law as compiled C, where it was chosen and is available.
    precision : {"double", "single"}
        In which it evaluates the network's part of the tangent.
    """

    law: StressLaw
    crystal: CrystalData
    cells: Cells
    orientation: TensorField
    stress_free: TensorField | None
    unit: float
    finite: bool
    compiled: CompiledKernel | None = None
    precision: Precision = "double"
    _fixed: PointLaw | None = field(default=None, repr=False)

    @property
    def domain(self) -> Domain | None:
        """Strains (crystal frame) for which the law was made."""
        return self.crystal.domain

    @property
    def sources(self) -> tuple[fem.Function | fem.Constant, ...]:
        """The Functions and Constants that orientation and stress-free deformation are read from."""
        return self.orientation.sources + (() if self.stress_free is None else self.stress_free.sources)

    @property
    def fixed(self) -> bool:
        """Whether all cells share one orientation and one stress-free deformation that stay."""
        return self.orientation.constant is not None and (self.stress_free is None or self.stress_free.constant is not None)

    def at(self, cells: Cells) -> LawAtPoints:
        """The law at the points of some cells, with their orientations and stress-free deformations.

        Parameters
        ----------
        cells : int array
            Local cell numbers.

        Returns
        -------
        PointLaw
        """
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
        """Size of crystal strains relative to the edge of the domain; 0 without a domain.

        Parameters
        ----------
        x : tensor (n, 6)
            Strains in crystal axes, Mandel.

        Returns
        -------
        tensor (n,)
        """
        return self.domain.distance(x) if self.domain is not None else torch.zeros(len(x), dtype=torch.float64)

    def chunks(self, size: int) -> Iterator[Cells]:
        """Cells in batches.

        Parameters
        ----------
        size : int
            Cells in a batch.

        Yields
        ------
        int array
            Local cell numbers.
        """
        for start in range(0, len(self.cells), size):
            yield self.cells[start : start + size]


def make_regions(
    material: object,
    orientation: TensorInput | None,
    cell_tags: TagsInput | None,
    stress_free: TensorInput | None,
    points: QuadraturePoints,
    unit: float,
    *,
    extend: bool,
    finite: bool,
    native: bool = True,
    precision: Precision = "double",
    revolved: bool = False,
) -> list[Region]:
    """Sort the cells of this rank by material, and compile the laws where ``native`` is set.

    Parameters
    ----------
    material, orientation, cell_tags
        As for :class:`~constitutive.fem.UserMaterial`.
    stress_free
        Its ``stress_free_deformation``.
    points : QuadraturePoints
    unit : float
        The user's unit in GPa⁻¹ (1,000 for MPa).
    extend : bool
        Continue the energy outside the domain.
    finite : bool
        Whether strains are finite.
    native : bool
        Compile the laws.
    precision : {"double", "single"}
        Of a network's part of the tangent.
    revolved : bool
        The mesh is a section of a body of revolution, about which the laws have to be invariant.

    Returns
    -------
    list of Region

    Raises
    ------
    SolveError
        Tags are needed and not given, what was given is no material, or one is not invariant about the axis.
    """

    def make(given: object, cells: Cells, turn: TensorField, free: TensorField | None) -> Region:
        crystal = crystal_data(given)
        if isinstance(given, Material) and given.elastic_law_held_at:
            warnings.warn(
                f"{given.name or 'the material'} is a coupled law, of which the stress at {given.elastic_law_held_at} is used; "
                "give UserMaterial phi= or T= for the rest of it",
                HeldVariablesWarning,
                stacklevel=2,
            )
        law, domain = crystal.law, crystal.domain
        law = BoundedLaw(law, domain, "extend") if extend and domain is not None and isinstance(law, Law) else law
        compiled = compiled_law(crystal, law, points.mesh.comm.rank) if native else None
        if revolved:
            require_invariant(crystal.name, law, crystal.domain, cells, turn, free)
        return Region(law, crystal, cells, turn, free, unit, finite, compiled, precision)

    turned = as_section_rotations if revolved else as_rotations
    return sort_cells(material, orientation, cell_tags, stress_free, points, make, turned)


def sort_cells(
    material: object,
    orientation: TensorInput | None,
    cell_tags: TagsInput | None,
    stress_free: TensorInput | None,
    points: QuadraturePoints,
    make: Callable[[object, Cells, TensorField, TensorField | None], AnyRegion],
    as_orientations: Convert,
) -> list[AnyRegion]:
    """Sort the cells of this rank by material, one region for each.

    Parameters
    ----------
    material, orientation, cell_tags, stress_free
        As for ``make_regions``.
    points : QuadraturePoints
    make : callable
        Makes a region from a material, its cells, its orientation and its stress-free deformation.
    as_orientations : callable
        Checks orientations: see ``tensor_fields.as_rotations``.

    Returns
    -------
    list of Region

    Raises
    ------
    SolveError
        Tags are needed and not given.
    """
    parts, orientation = _parts(material, orientation)
    tags = None if cell_tags is None else _tags_with_law(cell_tags, points, parts)
    turn = tensor_field(np.eye(3) if orientation is None else orientation, points, tags, "orientation", as_orientations)
    free = None
    if stress_free is not None:
        free = tensor_field(stress_free, points, tags, "stress_free_deformation", as_deformation_gradients)
    regions = []
    for given, names in parts:
        cells = np.arange(points.cells) if names is None else np.flatnonzero(np.isin(_given(tags), names))
        regions.append(make(given, cells.astype(np.int32), turn, free))
    return regions


def compiled_law(crystal: CrystalData, law: StressLaw, rank: int) -> CompiledKernel | None:
    """The law as compiled C; None where only torch can evaluate it (with one warning on rank 0), or where it is the user's own.

    Parameters
    ----------
    crystal : CrystalData
    law : Law
        With its extension, if any.
    rank : int
        Rank 0 warns.

    Returns
    -------
    CompiledKernel or None
    """
    if not isinstance(law, Law):
        return None
    with warnings.catch_warnings():
        if rank:
            warnings.simplefilter("ignore", KernelWarning)
        found = kernel.compile(crystal.given if isinstance(crystal.given, Material) else law, law=law)
    return found if isinstance(found, CompiledKernel) else None


Part: TypeAlias = tuple[object, list[int] | None]


def _parts(material: object, orientation: TensorInput | None) -> tuple[list[Part], TensorInput | None]:
    """Materials with their tags, one entry per material, and the orientations that came with them."""
    if not isinstance(material, Mapping):
        return [(material, None)], orientation
    paired = {int(tag): one if isinstance(one, tuple) else (one, None) for tag, one in material.items()}
    if orientation is None and any(R is not None for _, R in paired.values()):
        orientation = {tag: np.eye(3) if R is None else R for tag, (_, R) in paired.items()}
    merged: dict[int, tuple[object, list[int]]] = {}
    for tag, (one, _) in paired.items():
        merged.setdefault(id(one), (one, []))[1].append(tag)
    return list(merged.values()), orientation


def _given(tags: np.ndarray | None) -> np.ndarray:
    if tags is None:
        raise SolveError("materials are given by tag: pass cell_tags too")
    return tags


def _tags_with_law(cell_tags: TagsInput, points: QuadraturePoints, parts: list[Part]) -> np.ndarray:
    """Tag of each cell; ``NO_TAG`` where materials are given by tag and there is none for this one."""
    tags = tags_of_cells(cell_tags, points)
    if parts[0][1] is not None:
        known = [tag for _, names in parts for tag in names or ()]
        return np.where(np.isin(tags, known), tags, NO_TAG)
    untagged = int((tags == NO_TAG).sum())
    if untagged:
        raise SolveError(f"{untagged} of {points.cells} cells of this rank have no tag: every cell needs one, or give {{tag: material}}")
    return tags


def tags_of_cells(cell_tags: TagsInput, points: QuadraturePoints) -> np.ndarray:
    """Tag of each cell that this rank owns, from MeshTags or an array; ``NO_TAG`` where there is none.

    Parameters
    ----------
    cell_tags : MeshTags or int array
    points : QuadraturePoints

    Returns
    -------
    int array (cells,)

    Raises
    ------
    SolveError
        An array has no entry for some of the cells, or the tags are not those of cells.
    """
    if isinstance(cell_tags, np.ndarray):
        if len(cell_tags) < points.cells:
            raise SolveError(f"{points.cells - len(cell_tags)} of {points.cells} cells of this rank have no tag in the array")
        return cell_tags[: points.cells].astype(np.int64)
    if cell_tags.dim != points.mesh.topology.dim:
        raise SolveError(f"the tags are of entities of dimension {cell_tags.dim}; tags of cells ({points.mesh.topology.dim}) are needed")
    tags = np.full(points.cells, NO_TAG, dtype=np.int64)
    owned = cell_tags.indices < points.cells
    tags[cell_tags.indices[owned]] = cell_tags.values[owned]
    return tags
