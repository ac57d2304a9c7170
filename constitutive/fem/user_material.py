"""A calibrated crystal as the material of a DOLFINx form."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import ufl
from dolfinx import fem
from dolfinx.mesh import compute_midpoints

from constitutive.errors import SolveError
from constitutive.fem import fields
from constitutive.fem.measures import make_measure
from constitutive.fem.points import PointLaw, condensed, packed, plane_stress_strain
from constitutive.fem.quadrature import QuadraturePoints, default_degree
from constitutive.fem.regions import UNITS, Cells, Region, make_regions
from constitutive.laws.bounded import OutsideDomainWarning

EDGE = 1 + 1e-9  # distance from which a strain counts as outside its domain


@dataclass
class Faults:
    """What went wrong at the points of this rank in an update.

    Attributes
    ----------
    inverted, not_finite, outside : int
        Points with J ≤ 0, with a strain or stress that is not finite, and outside the domain of a law that is asked
        to stop there.
    worst : str
        Cell, point and strain of the worst of them.
    badness : float
        How bad that one is; 0 where nothing is wrong.
    """

    inverted: int = 0
    not_finite: int = 0
    outside: int = 0
    worst: str = ""
    badness: float = 0.0

    def __bool__(self) -> bool:
        return bool(self.inverted or self.not_finite or self.outside)


class UserMaterial:
    r"""The stress and tangent of calibrated crystals, as coefficients of forms.

    The residual is :math:`\int P : \nabla v = \int F S : \nabla v` in the reference configuration (finite strain) or
    :math:`\int \sigma : \varepsilon(v)` (small strain). S and its tangent live at the quadrature points; ``update``
    evaluates the laws there. The compiled forms hold no law: they are the same for every material.

    Parameters
    ----------
    u : dolfinx.fem.Function or UFL expression
        The displacement: a vector Function, or a vector part of a mixed one.
    material : Material, Law or dict
        One for the whole mesh, or {tag: material} or {tag: (material, orientation)} with ``cell_tags``.
    orientation : optional
        Crystal → lab: a rotation matrix (3, 3), a quaternion (w, x, y, z), {tag: either} (see
        ``read_orientations``), an array of either with one for each cell that the rank owns, or a Function with one
        per cell (``("DG", 0, (4,))``) or per point (``law.points.space((4,))``).
    cell_tags : dolfinx.mesh.MeshTags, optional
        Tags of all cells.
    unit : {"GPa", "MPa", "kPa", "Pa"}
        Unit of stress in the forms.
    strain : {"finite", "small"}
        Green–Lagrange and second Piola–Kirchhoff, or infinitesimal strain.
    plane : {"strain", "generalised_strain", "stress"}, optional
        What holds out of the plane of a plane mesh: u_z = 0; a uniform axial stretch (and u_z(x, y), where u has
        three components); no stress.
    axial_strain : dolfinx.fem.Constant, optional
        H_zz of generalised plane strain; may change between solves.
    eigenstrain : optional
        Stress-free reference F₀ in crystal axes (thermal expansion, misfit): a matrix, a stretch (1 + α ΔT), {tag:
        either}, an array per cell, a Constant or a Function (which may change between steps).
    quadrature_degree : int, optional
        Degree of the law's own rule; the default is right for the element (see ``default_degree``).
    outside : {"stop", "warn", "extend"}
        At strains outside a law's domain: fail the step and say where; use the law as it is and count; continue its
        energy conservatively.
    kernel : {"c", "torch"}
        What evaluates the laws: compiled C (torch where there is no compiler, with a warning), or torch.
    tangent_precision : {"double", "single"}
        "single" evaluates a network's part of the tangent faster (compiled C only); the stress, and so the solution, stays double.
    chunk : int
        Points evaluated at once: bounds the memory.

    Attributes
    ----------
    dx : ufl.Measure
        The law's own measure.
    stress : dolfinx.fem.Function
        Active Mandel components of S at the points, in the unit.
    points : QuadraturePoints
        The rule, its points and spaces on them.

    Raises
    ------
    SolveError
        The pieces don't fit each other; the message says which and what would.
    """

    def __init__(
        self,
        u: Any,
        material: Any,
        *,
        orientation: Any = None,
        cell_tags: Any = None,
        unit: str = "MPa",
        strain: str = "finite",
        plane: str | None = None,
        axial_strain: Any = None,
        eigenstrain: Any = None,
        quadrature_degree: int | None = None,
        outside: str = "warn",
        kernel: str = "c",
        tangent_precision: str = "double",
        chunk: int = 8192,
    ) -> None:
        if unit not in UNITS:
            raise SolveError(f"unit={unit!r}: it is one of {', '.join(UNITS)}")
        if outside not in ("stop", "warn", "extend"):
            raise SolveError(f"outside={outside!r}: it is 'stop', 'warn' or 'extend'")
        if kernel not in ("c", "torch"):
            raise SolveError(f"kernel={kernel!r}: it is 'c' (compiled) or 'torch'")
        if tangent_precision not in ("double", "single"):
            raise SolveError(f"tangent_precision={tangent_precision!r}: it is 'double' or 'single'")
        self.mesh = _mesh_of(u)
        self.u, self.unit, self.outside = u, unit, outside
        self.measure = make_measure(u, self.mesh, strain, plane, axial_strain)
        self.points = QuadraturePoints(self.mesh, quadrature_degree or default_degree(u, self.mesh))
        self.dx = self.points.dx
        self.cells_at_once = max(1, chunk // self.points.per_cell)
        options: dict[str, Any] = {"extend": outside == "extend", "finite": self.measure.finite, "native": kernel == "c"}
        options["precision"] = tangent_precision
        given = (material, orientation, cell_tags, eigenstrain, self.points, UNITS[unit])
        self.regions: list[Region] = agreed(self.mesh.comm, lambda: make_regions(*given, **options))
        size = len(self.measure.active)
        self._stress = self.points.function(size, "stress")
        self._tangent = self.points.function(size * (size + 1) // 2, "tangent")
        self._strain_at = self.points.expression(ufl.as_vector([*self.measure.strain(u), self.measure.volume_ratio(u)]))
        self._gradient_at = self.points.expression(self.measure.displacement_gradient(u))
        self._axial_at = self._axial_strain()
        self._thickness = np.zeros((self.points.count, len(self.measure.passive)))
        self._tangent_known = False
        self._watched = self._dependencies()
        self._seen: list[np.ndarray] = []
        self.faults = Faults()

    def _dependencies(self) -> list[Any]:
        """Functions and Constants that the stress depends on."""
        things = [thing for region in self.regions for thing in region.sources]
        axial = [self.measure.axial] if isinstance(self.measure.axial, fem.Constant) else []
        return [*ufl.algorithms.extract_coefficients(ufl.as_ufl(self.u)), *axial, *things]

    # ---- forms ---------------------------------------------------------------------------------------------------------

    @property
    def stress(self) -> Any:
        """Active Mandel components of S (σ at small strain) at the points."""
        return self._stress.function

    @property
    def tangent(self) -> Any:
        """Upper triangle of the active block of dS/dE in Mandel components at the points."""
        return self._tangent.function

    def residual(self, v: Any) -> Any:
        r"""Virtual work of the stress, :math:`\int S \cdot \delta E(v)`, on the whole mesh."""
        return ufl.inner(self.stress, self.measure.variation(self.u, v)) * self.dx

    def material_jacobian(self, du: Any, v: Any) -> Any:
        r"""Material part of the residual's derivative, :math:`\int \delta E(v)\cdot C\,\Delta E(du)`.

        It is what ``ufl.derivative`` of the residual cannot see.
        """
        size = len(self.measure.active)
        C = self.tangent
        place = {pair: k for k, pair in enumerate(zip(*np.triu_indices(size), strict=True))}
        matrix = ufl.as_matrix([[C[place[min(i, j), max(i, j)]] for j in range(size)] for i in range(size)])
        strain, test = self.measure.variation(self.u, du), self.measure.variation(self.u, v)
        return ufl.inner(ufl.dot(matrix, strain), test) * self.dx

    def jacobian(self, du: Any, v: Any) -> Any:
        """Derivative of the residual in the direction du: material and geometric part."""
        material = self.material_jacobian(du, v)
        if not self.measure.finite:
            return material
        return material + ufl.inner(self.stress, self.measure.second_variation(du, v)) * self.dx

    # ---- evaluation ----------------------------------------------------------------------------------------------------

    def update(self, *, tangent: bool = True) -> Faults:
        """Evaluate the laws at the present displacement: into ``stress`` and, where asked, ``tangent``.

        Touches this rank's cells only and communicates nothing. Where a point fails (J ≤ 0, not finite, outside a
        domain that stops), the stress becomes NaN, so that any solver rejects the iterate; the faults are returned
        and kept in ``faults``. At a displacement where the stress is known only what is missing is evaluated.
        """
        moved = self._moved() or bool(self.faults) or bool(self.measure.passive)
        if moved:
            self.faults = Faults()
        with quiet_torch(self.mesh.comm.size):
            for region in self.regions:
                known = self._tangent_known and region.at(region.cells[:0]).constant_tangent
                parts = {"stress": moved, "tangent": tangent and not known}
                for cells in region.chunks(self.cells_at_once) if any(parts.values()) else ():
                    self._update_chunk(region, cells, **parts)
        if tangent and all(region.fixed for region in self.regions):
            self._tangent_known = not self.faults and not self.measure.passive
        return self.faults

    def _moved(self) -> bool:
        """Whether anything that the stress depends on has changed since the last update."""
        now = [np.asarray(thing.x.array if isinstance(thing, fem.Function) else thing.value) for thing in self._watched]
        same = len(now) == len(self._seen) and all(np.array_equal(a, b) for a, b in zip(now, self._seen, strict=True))
        if not same:
            self._seen = [value.copy() for value in now]
        return not same

    def _update_chunk(self, region: Region, cells: Cells, *, stress: bool, tangent: bool) -> None:
        law, active = region.at(cells), self.measure.active
        x, J = self.strain_at(cells)
        if self.measure.passive:
            x, s, C = plane_stress_strain(law, x, self.measure.passive)
            self._keep_thickness(cells, x)
            packed_tangent = packed(condensed(C, active, self.measure.passive)) if tangent else None
        else:
            s = law.stress(x) if stress else None
            packed_tangent = law.packed_tangent(x, active) if tangent else None
        if s is not None:
            s = s if len(active) == 6 else s[:, list(active)]
            self._look_for_faults(region, law, cells, x, J, s)
            self._stress.write(cells, s.numpy())
        if packed_tangent is not None:
            self._tangent.write(cells, packed_tangent.numpy())

    def evaluate(self, strain: np.ndarray, *, tangent: bool) -> np.ndarray:
        """Stress, or tangent, at given strains: for frameworks that bring their own.

        Parameters
        ----------
        strain : array (cells, points per cell × active components)
            Active Mandel components at the points of all cells that the rank owns (and, ignored, of its ghosts).
        tangent : bool
            Give the active block of the tangent (cells, points, active, active), otherwise the stress (cells, points, active).
        """
        size = len(self.measure.active)
        values = strain.reshape(-1, self.points.per_cell, size)
        shape = (*values.shape, size) if tangent else values.shape
        result, active = np.zeros(shape), list(self.measure.active)
        if self.measure.passive:
            raise SolveError("plane stress has strains of its own to solve for: use update() instead")
        with quiet_torch(self.mesh.comm.size):
            for region in self.regions:
                for cells in region.chunks(self.cells_at_once):
                    law = region.at(cells)
                    x = torch.zeros(len(cells) * self.points.per_cell, 6, dtype=torch.float64)
                    x[:, active] = torch.from_numpy(values[cells].reshape(-1, size))
                    if self._axial_at is not None:
                        x[:, 2] = self._axial_at()
                    block = law.tangent(x)[:, active][:, :, active] if tangent else law.stress(x)[:, active]
                    result[cells] = block.numpy().reshape(len(cells), *shape[1:])
        return result

    def strain_at(self, cells: Cells) -> tuple[torch.Tensor, torch.Tensor]:
        """Lab strain (points, 6) in Mandel components and J (points,) at the points of some cells."""
        values = torch.from_numpy(self._strain_at(cells))
        active = self.measure.active
        if len(active) == 6:
            return values[:, :6], values[:, 6]
        x = torch.zeros(len(values), 6, dtype=torch.float64)
        x[:, list(active)] = values[:, :-1]
        if self.measure.passive:
            x[:, list(self.measure.passive)] = torch.from_numpy(
                self._thickness.reshape(self.points.cells, -1, 3)[cells].reshape(-1, 3)
            )
        elif self._axial_at is not None:
            x[:, 2] = self._axial_at()
        return x, values[:, -1]

    def gradient_at(self, cells: Cells) -> np.ndarray:
        """Displacement gradient H (points, 3, 3) at the points of some cells."""
        return self._gradient_at(cells).reshape(-1, 3, 3)

    def _axial_strain(self) -> Any:
        axial = self.measure.axial
        if not isinstance(axial, fem.Constant):
            return None
        return (lambda: float(axial.value) + float(axial.value) ** 2 / 2) if self.measure.finite else lambda: float(axial.value)

    def _keep_thickness(self, cells: Cells, x: torch.Tensor) -> None:
        values = torch.nan_to_num(x[:, list(self.measure.passive)], nan=0.0).numpy()
        self._thickness.reshape(self.points.cells, self.points.per_cell, -1)[cells] = values.reshape(
            len(cells), self.points.per_cell, -1
        )

    def _look_for_faults(
        self, region: Region, law: PointLaw, cells: Cells, x: torch.Tensor, J: torch.Tensor, s: torch.Tensor
    ) -> None:
        """Count the points that fail, keep the worst, and make their stress NaN."""
        distance = region.distance(law.crystal_strain(x)) if self.outside == "stop" and region.domain is not None else None
        if bool(torch.isfinite(s.sum())) and float(J.min()) > 0 and (distance is None or float(distance.max()) <= EDGE):
            return
        inverted = J <= 0
        broken = ~(torch.isfinite(s).all(dim=1) & torch.isfinite(J)) & ~inverted
        outside = torch.zeros_like(inverted) if distance is None else (distance > EDGE) & ~inverted & ~broken
        self.faults.inverted += int(inverted.sum())
        self.faults.not_finite += int(broken.sum())
        self.faults.outside += int(outside.sum())
        badness = torch.where(inverted | broken, 1e3 - torch.nan_to_num(J, nan=-1e3), 0.0)
        badness = badness if distance is None else torch.where(outside, distance, badness)
        s[inverted | broken | outside] = torch.nan
        if float(badness.max()) > self.faults.badness:
            k = int(badness.argmax())
            self.faults.badness = float(badness[k])
            self.faults.worst = self.describe_point(
                int(cells[k // self.points.per_cell]), k % self.points.per_cell, x[k], float(J[k])
            )

    def describe_point(self, cell: int, point: int, x: torch.Tensor, J: float) -> str:
        """Cell (number in the input, place), point and strain of one point in words."""
        number = self.mesh.topology.original_cell_index[cell]
        middle = compute_midpoints(self.mesh, self.mesh.topology.dim, np.array([cell], dtype=np.int32))[0]
        place = ", ".join(f"{x:.4g}" for x in middle[: self.mesh.geometry.dim])
        name = "E" if self.measure.finite else "strain"
        root2 = np.sqrt(2.0)
        strain = ", ".join(f"{float(value) / (1 if k < 3 else root2):.3g}" for k, value in enumerate(x))
        return f"cell {number} at ({place}), point {point}: {name} (xx yy zz yz xz xy) = ({strain}), J = {J:.3g}"

    # ---- state ---------------------------------------------------------------------------------------------------------

    def snapshot(self) -> np.ndarray:
        """What a failed step has to take back besides the displacement: the strains out of the plane."""
        return self._thickness.copy()

    def restore(self, snapshot: np.ndarray) -> None:
        """Take back to a snapshot."""
        self._thickness[:] = snapshot

    def forget(self) -> None:
        """Evaluate everything anew at the next update, for laws whose constants were changed by hand."""
        self._tangent_known, self._seen = False, []

    # ---- results -------------------------------------------------------------------------------------------------------

    def field(self, name: str, space: Any = "cells") -> Any:
        """A result as a Function; see ``constitutive.fem.fields.field``."""
        return fields.field(self, name, space)

    def total_energy(self) -> float:
        """Strain energy of the whole mesh, in the unit times the mesh's length cubed (per thickness in the plane)."""
        return fields.total_energy(self)

    def mass(self, length_unit: str = "mm") -> float:
        """Mass of the reference configuration in kg (kg per unit of thickness in the plane), by the crystals' densities."""
        return fields.mass(self, length_unit)

    def worst_strain(self) -> float:
        """Largest Frobenius norm of the strain at a point, over all ranks."""
        return fields.worst_strain(self)

    def count_outside(self) -> int:
        """Points outside the domain of their law, over all ranks."""
        return fields.count_outside(self)


def _mesh_of(u: Any) -> Any:
    space = getattr(u, "function_space", None)
    if space is not None:
        return space.mesh
    functions = [c for c in ufl.algorithms.extract_coefficients(ufl.as_ufl(u)) if isinstance(c, fem.Function)]
    if not functions:
        raise SolveError(f"the displacement is {type(u).__name__}: give a Function or a part of one")
    return functions[0].function_space.mesh


def agreed(comm: Any, make: Any) -> Any:
    """Result of a local computation, or the same error on all ranks where one rank failed."""
    error: Exception | None = None
    result = None
    try:
        result = make()
    except Exception as caught:  # noqa: BLE001 - it is raised again below, on every rank
        error = caught
    texts = [text for text in comm.allgather(None if error is None else str(error)) if text is not None]
    if error is not None:
        raise error
    if texts:
        raise SolveError(f"another rank failed: {texts[0]}")
    return result


@contextlib.contextmanager
def quiet_torch(ranks: int) -> Iterator[None]:
    """Evaluate without gradients, on one thread where there are several ranks, and leave domain warnings to the solver."""
    threads = torch.get_num_threads()
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore", OutsideDomainWarning)
        if ranks > 1 and threads > 1:
            torch.set_num_threads(1)
        try:
            yield
        finally:
            if torch.get_num_threads() != threads:
                torch.set_num_threads(threads)
