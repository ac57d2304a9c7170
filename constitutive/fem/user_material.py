"""A calibrated crystal as the material of a DOLFINx form."""

from __future__ import annotations

import warnings
from collections.abc import Collection
from typing import ClassVar

import numpy as np
import torch
import ufl
from dolfinx import fem
from dolfinx.mesh import Mesh
from ufl.core.expr import Expr

from constitutive.errors import SolveError
from constitutive.fem import fields
from constitutive.fem.collective import agreed, quiet_torch
from constitutive.fem.evaluation import Evaluation
from constitutive.fem.faults import Faults
from constitutive.fem.fields import SpaceInput
from constitutive.fem.locking import warn_of_locking
from constitutive.fem.material_point import condensed, packed, plane_stress_strain
from constitutive.fem.quadrature import QuadraturePoints, default_degree, function_degree
from constitutive.fem.regions import Region, TagsInput, make_regions, tags_of_cells
from constitutive.fem.strain_kinematics import StrainKinematics, make_kinematics
from constitutive.fem.tensor_fields import NO_TAG, Cells, TensorInput
from constitutive.units import STRESS_UNITS

OUTSIDE = ("raise", "warn", "extend")  # the policies of laws.BoundedLaw


class UserMaterial:
    r"""The stress and tangent of calibrated crystals, as coefficients of forms.

    The residual is :math:`\int P : \nabla v = \int F S : \nabla v` in the reference configuration (finite strain) or
    :math:`\int \sigma : \varepsilon(v)` (small strain). S and its tangent live at the quadrature points; ``update``
    evaluates the laws there. The compiled forms hold no law: they are the same for every material.

    Parameters
    ----------
    u : dolfinx.fem.Function or UFL expression
        The displacement: a vector Function, a vector part of a mixed one, or an expression such as (1 − a) u_old + a u.
    material : Material, Law or dict
        One for the whole mesh, or {tag: material} or {tag: (material, orientation)} with ``cell_tags``. On cells whose tag
        has no material the stress is zero and nothing is evaluated: the form needs another term there (see ``cells_with_law``).
    phi : UFL expression, optional
        The electric potential, a part of the mixed unknown; see ``CoupledMaterial``, which is made where phi, P, order or T is given.
    P : UFL expression, optional
        The polarisation (C/m²), a part of the mixed unknown, of a law of strain and polarisation.
    gradient : float, mapping or array, optional
        Coefficients of the energy of its gradient in J m³/C², such as ``{"G11": 51e-11, "G12": -2e-11, "G44": 2e-11}``.
    order : mapping, optional
        {name: unknown} of other order parameters of the law, such as a composition.
    T : UFL expression, optional
        The temperature less that of the reference (K): a part of the unknown, or a given Function or Constant.
    length_unit : {"m", "cm", "mm", "um", "nm"}, optional
        The mesh's unit of length; needed with phi, for the electric field.
    potential_unit : {"V", "mV", "kV", "MV", "GV"}, optional
        Unit of phi; volts by default.
    orientation : optional
        Crystal → lab: a rotation matrix (3, 3), a quaternion (w, x, y, z), {tag: either} (see
        ``read_orientations``), an array of either with one for each cell that the rank owns, or a Function with one
        per cell (``("DG", 0, (4,))``) or per point (``law.points.space((4,))``).
    cell_tags : dolfinx.mesh.MeshTags, optional
        Tags of the cells; an array has one for each cell that the rank owns.
    unit : {"GPa", "MPa", "kPa", "Pa"}
        Unit of stress in the forms.
    strain : {"finite", "small"}
        Green–Lagrange and second Piola–Kirchhoff, or infinitesimal strain.
    plane : {"strain", "generalised_strain", "stress", "axisymmetric"}, optional
        What holds out of the plane of a plane mesh: u_z = 0; a uniform axial stretch (and u_z(x, y), where u has
        three components); no stress; a body of revolution about x = 0, of crystals invariant about the axis (see ``axisymmetry``). Then
        the mesh's axes are r and z, a third component of u points along r × z, round the axis, tensors have components along r, z and
        r × z, integrals are those over the whole body, and ``orientation`` is that of the crystal to axes whose third one is the axis of
        revolution.
    axial_strain : dolfinx.fem.Constant or float, optional
        H_zz of generalised plane strain; a Constant may change between solves.
    stress_free_deformation : optional
        Deformation gradient F₀ that takes the reference configuration to the stress-free one, in crystal axes (thermal
        expansion, misfit): a matrix, a stretch (1 + α ΔT), {tag: either}, an array per cell, a Constant or a Function
        (which may change between steps). At small strain ε₀ = sym F₀ − 1.
    dilatation : UFL scalar, optional
        The change of volume as an unknown of its own, a scalar part of the mixed Function whose vector part is u: against locking, see
        ``mixed_volume_space``.
    quadrature_degree : int, optional
        Degree of the law's own rule; the default is right for the element (see ``default_degree``).
    outside : {"raise", "warn", "extend"}
        At strains outside a law's domain, as in ``laws.BoundedLaw``: fail the step and say where; use the law as it is
        and count the points; continue its energy conservatively.
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

    point_state: ClassVar[type[fields.PointState]] = fields.PointState
    _coupled: ClassVar[type[UserMaterial] | None] = None

    def __init_subclass__(cls, *, coupled: bool = False) -> None:
        super().__init_subclass__()
        if coupled:
            UserMaterial._coupled = cls

    def __new__(cls, *args: object, **options: object) -> UserMaterial:
        """Make a ``CoupledMaterial`` where an electric potential, a polarisation, an order parameter or a temperature is given."""
        coupled = any(options.get(name) is not None for name in ("phi", "P", "T", "order"))
        kind = cls._coupled if coupled and cls is UserMaterial and cls._coupled is not None else cls
        return object.__new__(kind)

    def __init__(
        self,
        u: Expr,
        material: object,
        *,
        phi: Expr | None = None,
        P: Expr | None = None,
        gradient: object = None,
        order: object = None,
        T: Expr | None = None,
        length_unit: str | None = None,
        potential_unit: str | None = None,
        orientation: TensorInput | None = None,
        cell_tags: TagsInput | None = None,
        unit: str = "MPa",
        strain: str = "finite",
        plane: str | None = None,
        axial_strain: fem.Constant | float | None = None,
        stress_free_deformation: TensorInput | None = None,
        quadrature_degree: int | None = None,
        outside: str = "warn",
        kernel: str = "c",
        tangent_precision: str = "double",
        chunk: int = 8192,
        eigenstrain: TensorInput | None = None,
        dilatation: Expr | None = None,
    ) -> None:
        outside = _renamed_policy(outside)
        check_choices(unit=(unit, STRESS_UNITS), outside=(outside, OUTSIDE), kernel=(kernel, ("c", "torch")))
        check_choices(tangent_precision=(tangent_precision, ("double", "single")))
        stress_free = _renamed_eigenstrain(stress_free_deformation, eigenstrain)
        if any(option is not None for option in (phi, P, T, potential_unit, length_unit, gradient, order)):
            raise SolveError(
                "length_unit, potential_unit and gradient belong to a law with a potential or a polarisation: give phi= or P= too"
            )
        self.mesh = mesh_of(u)
        self.u, self.unit, self.outside = u, unit, outside
        self.unknowns: tuple[Expr, ...] = (u,)
        self.kinematics = make_kinematics(u, self.mesh, strain, plane, axial_strain, dilatation)
        self.points = QuadraturePoints(self.mesh, quadrature_degree or default_degree(u, self.mesh))
        self.dx = self.points.dx

        def regions() -> list[Region]:
            return make_regions(
                material,
                orientation,
                cell_tags,
                stress_free,
                self.points,
                STRESS_UNITS[unit],
                extend=outside == "extend",
                finite=self.kinematics.finite,
                native=kernel == "c",
                precision="single" if tangent_precision == "single" else "double",
                revolved=self.kinematics.revolved,
            )

        self.regions = agreed(self.mesh.comm, regions)
        degree = function_degree(u)
        warn_of_locking(self.mesh.comm, self.regions, degree, volumetric=plane != "stress" and dilatation is None)
        self._tags = None if cell_tags is None else tags_of_cells(cell_tags, self.points)
        self.evaluation = Evaluation(self.mesh, u, self.kinematics, self.points, self.regions, chunk)
        self._allocate()

    def _allocate(self) -> None:
        """Make the coefficients at the points, and forget everything."""
        size = len(self.kinematics.active)
        self._stress = self.points.function(size, "stress")
        self._tangent = self.points.function(size * (size + 1) // 2, "tangent")
        self._tangent_known = False
        self._watched = self._dependencies()
        self._seen: list[np.ndarray] = []
        self.faults = Faults()

    @property
    def measure(self) -> StrainKinematics:
        """Deprecated name of ``kinematics``."""
        warnings.warn("UserMaterial.measure is now UserMaterial.kinematics", DeprecationWarning, stacklevel=2)
        return self.kinematics

    @property
    def cells_with_law(self) -> np.ndarray:
        """Cells of this rank on which a law holds; on the others the stress is zero."""
        return np.sort(np.concatenate([region.cells for region in self.regions]))

    def tags_without_law(self, cells: np.ndarray) -> set[int]:
        """Tags of the marked cells of this rank, as far as they have any.

        Parameters
        ----------
        cells : int array
            Local cell numbers.

        Returns
        -------
        set of int
        """
        if self._tags is None:
            return set()
        return {int(tag) for tag in self._tags[cells]} - {NO_TAG}

    def _dependencies(self) -> list[fem.Function | fem.Constant]:
        """Functions and Constants that the stress depends on."""
        things = [thing for region in self.regions for thing in region.sources]
        axial = [self.kinematics.axial] if isinstance(self.kinematics.axial, fem.Constant) else []
        found: list[fem.Function | fem.Constant] = []
        for unknown in map(ufl.as_ufl, self.unknowns):
            found += [*ufl.algorithms.extract_coefficients(unknown), *ufl.algorithms.analysis.extract_constants(unknown)]
        return [*found, *axial, *things]

    # ---- forms ---------------------------------------------------------------------------------------------------------

    @property
    def stress(self) -> fem.Function:
        """Active Mandel components of S (σ at small strain) at the points, in the unit; zero on cells without a law."""
        return self._stress.function

    @property
    def tangent(self) -> fem.Function:
        """Upper triangle of the active block of dS/dE in Mandel components at the points."""
        return self._tangent.function

    def residual(self, v: Expr) -> ufl.Form:
        r"""Virtual work of the stress, :math:`\int S \cdot \delta E(v)`, on all cells that have a law.

        Parameters
        ----------
        v : UFL expression
            Test function, or the displacement part of a mixed one; with a dilatation the whole mixed test function.

        Returns
        -------
        ufl.Form
            In the law's unit times the mesh's length cubed.
        """
        if self.kinematics.dilatation is not None:
            (unknown,) = ufl.algorithms.extract_coefficients(self.u)
            variation = ufl.algorithms.expand_derivatives(ufl.derivative(self.kinematics.strain(self.u), unknown, v))
            return self.kinematics.per_volume(ufl.inner(self.stress, variation)) * self.dx
        return self.kinematics.per_volume(ufl.inner(self.stress, self.kinematics.variation(self.u, v))) * self.dx

    def material_jacobian(self, du: Expr, v: Expr) -> ufl.Form:
        r"""Material part of the residual's derivative, :math:`\int \delta E(v)\cdot C\,\Delta E(du)`.

        ``ufl.derivative`` of the residual does not contain it.

        Parameters
        ----------
        du, v : UFL expression
            Trial and test function.

        Returns
        -------
        ufl.Form
        """
        increment = self._stress_of(self.kinematics.variation(self.u, du))
        return self.kinematics.per_volume(ufl.inner(increment, self.kinematics.variation(self.u, v))) * self.dx

    def stress_increment(self, u: fem.Function, du: Expr) -> Expr:
        """Active Mandel components of C dE, the change of the stress when the unknown u changes by du.

        Parameters
        ----------
        u : Function
            The unknown: the law's displacement, or a mixed Function that contains it.
        du : UFL expression
            Its change.

        Returns
        -------
        UFL expression
            In the law's unit.
        """
        if self.u is u:
            return self._stress_of(self.kinematics.variation(u, du))
        return self._stress_of(ufl.algorithms.expand_derivatives(ufl.derivative(self.kinematics.strain(self.u), u, du)))

    def _stress_of(self, strain: Expr) -> Expr:
        """C times a strain, active Mandel components."""
        size, C = len(self.kinematics.active), self.tangent
        place = {pair: k for k, pair in enumerate(zip(*np.triu_indices(size), strict=True))}
        matrix = ufl.as_matrix([[C[place[min(i, j), max(i, j)]] for j in range(size)] for i in range(size)])
        return ufl.dot(matrix, strain)

    def jacobian(self, du: Expr, v: Expr) -> ufl.Form:
        """Derivative of the residual in the direction du: material and geometric part.

        Parameters
        ----------
        du, v : UFL expression
            Trial and test function.

        Returns
        -------
        ufl.Form
        """
        material = self.material_jacobian(du, v)
        if not self.kinematics.finite:
            return material
        return material + self.kinematics.per_volume(ufl.inner(self.stress, self.kinematics.second_variation(du, v))) * self.dx

    # ---- evaluation ----------------------------------------------------------------------------------------------------

    def update(self, *, tangent: bool = True) -> Faults:
        """Evaluate the laws at the present displacement: into ``stress`` and, where chosen, ``tangent``.

        Evaluates this rank's cells only, without communication. Where a point fails (J ≤ 0, not finite, outside its
        domain where ``outside="raise"``), the stress becomes NaN, so that any solver rejects the iterate; the faults are returned
        and kept in ``faults``. At a displacement where the stress is known only what is missing is evaluated.

        Parameters
        ----------
        tangent : bool
            Evaluate the tangent as well.

        Returns
        -------
        Faults
            Points of this rank at which the law cannot be evaluated, by cause; empty where all is well.

        Raises
        ------
        Exception
            Whatever a law raises; the stored stress then counts as unknown.
        """
        moved = self._moved() or bool(self.faults) or bool(self.kinematics.passive)
        if moved:
            self.faults = Faults()
        try:
            self._update(moved=moved, tangent=tangent)
        except Exception:
            self.forget()
            raise
        if tangent and all(region.fixed for region in self.regions):
            self._tangent_known = not self.faults and not self.kinematics.passive
        return self.faults

    def _update(self, *, moved: bool, tangent: bool) -> None:
        with quiet_torch(self.mesh.comm.size):
            for region in self.regions:
                known = self._tangent_known and region.at(region.cells[:0]).constant_tangent
                parts = {"stress": moved, "tangent": tangent and not known}
                for cells in region.chunks(self.evaluation.cells_at_once) if any(parts.values()) else ():
                    self._update_chunk(region, cells, **parts)

    def _moved(self) -> bool:
        """Whether anything that the stress depends on has changed since the last update."""
        now = [np.asarray(thing.x.array if isinstance(thing, fem.Function) else thing.value) for thing in self._watched]
        same = len(now) == len(self._seen) and all(np.array_equal(a, b) for a, b in zip(now, self._seen, strict=True))
        if not same:
            self._seen = [value.copy() for value in now]
        return not same

    def _update_chunk(self, region: Region, cells: Cells, *, stress: bool, tangent: bool) -> None:
        law, active = region.at(cells), self.kinematics.active
        x, J = self.evaluation.strain_at(cells)
        if self.kinematics.passive:
            x, s, C = plane_stress_strain(law, x, self.kinematics.passive)
            self.evaluation.keep_thickness(cells, x)
            packed_tangent = packed(condensed(C, active, self.kinematics.passive)) if tangent else None
        else:
            s = law.stress(x) if stress else None
            packed_tangent = law.packed_tangent(x, active) if tangent else None
        if s is not None:
            s = s if len(active) == s.shape[1] else s[:, list(active)]
            self.evaluation.find_faults(self.faults, region, law, cells, x, J, s, domain=self.outside == "raise")
            self._stress.write(cells, s.numpy())
        if packed_tangent is not None:
            self._tangent.write(cells, packed_tangent.numpy())

    def evaluate(self, strain: np.ndarray, *, tangent: bool) -> np.ndarray:
        """Stress, or tangent, at given strains, for frameworks that interpolate the strain themselves.

        Parameters
        ----------
        strain : array (cells, points per cell × active components)
            Active Mandel components at the points of all cells that the rank owns (and, ignored, of its ghosts).
        tangent : bool
            Give the active block of the tangent (cells, points, active, active), otherwise the stress (cells, points, active).

        Returns
        -------
        array
            In the law's unit.

        Raises
        ------
        SolveError
            The model is one of plane stress, whose strain out of the plane only ``update`` finds.
        """
        size = len(self.kinematics.active)
        values = strain.reshape(-1, self.points.per_cell, size)
        shape = (*values.shape, size) if tangent else values.shape
        result, active = np.zeros(shape), list(self.kinematics.active)
        if self.kinematics.passive:
            raise SolveError("plane stress has strains of its own to solve for: use update() instead")
        axial = self.evaluation.axial_strain()
        with quiet_torch(self.mesh.comm.size):
            for _, cells, law in self.evaluation.batches():
                x = torch.zeros(len(cells) * self.points.per_cell, 6, dtype=torch.float64)
                x[:, active] = torch.from_numpy(values[cells].reshape(-1, size))
                if axial is not None:
                    x[:, 2] = axial
                block = law.tangent(x)[:, active][:, :, active] if tangent else law.stress(x)[:, active]
                result[cells] = block.numpy().reshape(len(cells), *shape[1:])
        return result

    # ---- state ---------------------------------------------------------------------------------------------------------

    def snapshot(self) -> np.ndarray:
        """Copy of the state besides the displacement (the strains out of the plane), to be restored after a failed step.

        Returns
        -------
        array
            Dimensionless.
        """
        return self.evaluation.thickness.copy()

    def restore(self, snapshot: np.ndarray) -> None:
        """Restore the strains out of the plane.

        Parameters
        ----------
        snapshot : array
            What ``snapshot`` returned.
        """
        self.evaluation.thickness[:] = snapshot

    def forget(self) -> None:
        """Evaluate everything anew at the next update, for laws whose constants were changed by hand."""
        self._tangent_known, self._seen = False, []

    # ---- results -------------------------------------------------------------------------------------------------------

    def field(self, name: str, space: SpaceInput = "cells") -> fem.Function:
        """A result as a DOLFINx Function of the name; collective.

        Parameters
        ----------
        name : str
            "cauchy_stress", "first_piola_kirchhoff", "second_piola_kirchhoff", "mises_stress", "strain",
            "crystal_strain", "deformation_gradient", "strain_energy_density", "domain_distance", "outside_domain",
            "uncertainty" or "strain_norm"; stresses in the law's unit, as 3×3 tensors in the lab. Strains are
            Green–Lagrange, infinitesimal where the law is. Cells without a law have zero.
        space : "cells", "points", "nodes" or (family, degree)
            Averages over cells; values at the quadrature points; L2 projection on continuous elements of the geometry's
            degree, or on a Lagrange space such as ("Lagrange", 2) or ("DG", 1).

        Returns
        -------
        dolfinx.fem.Function
            A new one at each call.

        Raises
        ------
        SolveError
            No such result.
        MaterialError
            A material has no such estimate.
        """
        return fields.field(self.evaluation, name, space, self.point_state)

    def total_energy(self) -> float:
        """Strain energy of all cells with a law; collective.

        Returns
        -------
        float
            In the law's unit times the mesh's length cubed (per thickness in the plane), the same on all ranks.
        """
        return fields.total_energy(self.evaluation, self.point_state)

    def mass(self, length_unit: str = "mm") -> float:
        """Mass of the reference configuration in kg (kg per unit of thickness in the plane), by the crystals' densities; collective.

        Parameters
        ----------
        length_unit : {"m", "cm", "mm", "um", "nm"}
            The mesh's unit of length.

        Returns
        -------
        float
            The same on all ranks.

        Raises
        ------
        MaterialError
            A material has no structure, so no density.
        """
        return fields.mass(self.evaluation, length_unit)

    def worst_strain(self) -> float:
        """Largest Frobenius norm of the strain at a point, over all ranks; collective.

        Returns
        -------
        float
            Dimensionless.
        """
        return fields.worst_strain(self.evaluation, self.point_state)

    def count_outside(self) -> int:
        """Points outside the domain of their law, over all ranks; collective.

        Returns
        -------
        int
        """
        return fields.count_outside(self.evaluation, self.point_state)


def check_choices(**choices: tuple[str, Collection[str]]) -> None:
    """Require options to be among their choices.

    Parameters
    ----------
    **choices : (str, collection of str)
        Value and choices of each option.

    Raises
    ------
    SolveError
        One is not.
    """
    for name, (value, allowed) in choices.items():
        if value not in allowed:
            raise SolveError(f"{name}={value!r}: it is one of {', '.join(map(repr, allowed))}")


def _renamed_policy(outside: str) -> str:
    if outside != "stop":
        return outside
    warnings.warn("outside='stop' is now outside='raise', as in laws.BoundedLaw", DeprecationWarning, stacklevel=3)
    return "raise"


def _renamed_eigenstrain(stress_free: TensorInput | None, eigenstrain: TensorInput | None) -> TensorInput | None:
    if eigenstrain is None:
        return stress_free
    if stress_free is not None:
        raise SolveError("eigenstrain= is the old name of stress_free_deformation=: give one of them")
    warnings.warn("eigenstrain= takes a deformation gradient and is now stress_free_deformation=", DeprecationWarning, stacklevel=3)
    return eigenstrain


def mesh_of(u: Expr) -> Mesh:
    """Mesh of the Functions in a displacement.

    Parameters
    ----------
    u : UFL expression

    Returns
    -------
    Mesh

    Raises
    ------
    SolveError
        It holds no Function.
    """
    functions = [c for c in ufl.algorithms.extract_coefficients(ufl.as_ufl(u)) if isinstance(c, fem.Function)]
    if not functions:
        raise SolveError(f"the displacement is {type(u).__name__}: give a Function or a part of one")
    return functions[0].function_space.mesh
