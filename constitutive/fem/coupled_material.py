"""A coupled crystal (electric, thermal) as the material of a DOLFINx form."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import ClassVar, cast

import numpy as np
import torch
import ufl
from dolfinx import fem
from dolfinx.mesh import Mesh
from torch import Tensor
from ufl.core.expr import Expr

from constitutive.errors import SolveError
from constitutive.fem.collective import agreed
from constitutive.fem.coupled_fields import CoupledPointState
from constitutive.fem.coupled_kinematics import STRAIN, CoupledKinematics
from constitutive.fem.coupled_regions import CoupledRegion, make_coupled_regions
from constitutive.fem.evaluation import Evaluation
from constitutive.fem.fields import METRES, PointState
from constitutive.fem.gradient_energy import GradientEnergy, GradientInput
from constitutive.fem.locking import warn_of_locking
from constitutive.fem.quadrature import QuadraturePoints, default_degree, function_degree
from constitutive.fem.regions import TagsInput, tags_of_cells
from constitutive.fem.strain_kinematics import make_kinematics
from constitutive.fem.tensor_fields import Cells, TensorInput
from constitutive.fem.user_material import OUTSIDE, UserMaterial, check_choices, mesh_of
from constitutive.units import STRESS_UNITS

VOLTS = {"V": 1.0, "mV": 1e-3, "kV": 1e3, "MV": 1e6, "GV": 1e9}
GIGA = 1e9


class CoupledEvaluation(Evaluation):
    """The laws of a mesh and the states (strain, electric field, polarisation, temperature) at which they are evaluated."""

    @property
    def width(self) -> int:
        """Numbers of a state."""
        return self.kinematics.width if isinstance(self.kinematics, CoupledKinematics) else STRAIN

    def strain_at(self, cells: Cells) -> tuple[Tensor, Tensor]:
        """Lab state (points, w) and J (points,) at the points of some cells.

        Parameters
        ----------
        cells : int array
            Local cell numbers.

        Returns
        -------
        state : tensor (points, w)
        J : tensor (points,)
        """
        values = torch.from_numpy(self._strain_at(cells))
        kin = self.kinematics
        if len(kin.active) == self.width:
            return values[:, :-1], values[:, -1]
        x = torch.zeros(len(values), self.width, dtype=torch.float64)
        x[:, list(kin.active)] = values[:, :-1]
        axial = self.axial_strain()
        if kin.passive:
            x[:, list(kin.passive)] = torch.from_numpy(self.thickness.reshape(self.points.cells, -1, 3)[cells].reshape(-1, 3))
        elif axial is not None:
            x[:, 2] = axial
        return x, values[:, -1]

    def describe_point(self, cell: int, point: int, x: Tensor, J: float) -> str:
        """Cell, place, point and state of one point in words.

        Parameters
        ----------
        cell : int
            Local number.
        point : int
            Number in the cell.
        x : tensor (w,)
            State.
        J : float
            det F.

        Returns
        -------
        str
        """
        rest = ", ".join(f"{float(value):.3g}" for value in x[6:])
        return f"{super().describe_point(cell, point, x[:6], J)}, electric field (GV/m), polarisation (C/m²) and temperature ({rest})"


class CoupledMaterial(UserMaterial, coupled=True):
    r"""Stress, electric displacement and entropy of coupled crystals, as coefficients of forms.

    ``UserMaterial(u, …, phi=…, P=…, order=…, T=…)`` makes it. The residual is that of the stationary :math:`\Pi = \int \Omega(E, E_0,
    \theta)` for given θ, :math:`\int S\cdot\delta E - D_0\cdot\delta E_0` with :math:`E_0 = -\nabla_X\varphi`; the free-space energy of
    the field is part of Ω and exact. The Jacobian is symmetric and indefinite.

    With a polarisation P₀ among the unknowns the law is ψ(E, P₀), and Π the integral of :math:`\psi - E_0\cdot P_0` and the free-space
    energy of the field, plus :math:`\tfrac12 \nabla P_0\cdot G\,\nabla P_0` where ``gradient`` is given. Where ∂Π/∂P₀ vanishes,
    E₀ = ∂ψ/∂P₀ less the force of the gradient; boundaries are free (G∇P₀ N = 0) unless values are given.

    Where a region's law has no polarisation (an insulator, a metal, a law of the field), P₀ is no unknown there: it is free at the
    interface and zero beyond.

    Units: E₀ is φ over length. With ``length_unit`` and ``potential_unit`` (volts) named, every field is in GV/m inside, where GPa, GV/m
    and C/m² fit without factors; charges are read out in coulombs. ``Problem`` scales the rows and columns of φ, so that neither the choice
    of a unit nor the smallness of charges beside forces matters for convergence. In your own solver a potential in the unit that
    makes E₀ of order one is best: V for a mesh in nm, kV in µm, MV in mm, GV in m.

    Parameters
    ----------
    u : UFL expression
        The displacement, a part of the mixed unknown: ``u, phi = ufl.split(w)``.
    material : CoupledLaw, Material, Insulator, Metal or dict
        As for ``UserMaterial``. A strain energy alone says nothing of the field: wrap it in ``Insulator`` or ``Metal``.
    phi : UFL expression, optional
        The electric potential.
    P : UFL expression, optional
        The polarisation P₀ of the reference configuration (C/m²), a vector of three components or, in the plane, of two.
    gradient : float, mapping or array, optional
        Coefficients of its gradient in J m³/C², see ``gradient_tensor``; {tag: coefficients} where materials differ. Needs ``length_unit``.
    order : mapping, optional
        {name of a variable of the law: its unknown}, for order parameters other than the polarisation, such as a composition: a scalar,
        or a vector of as many components as the variable has, in the crystal's own components (not turned). Their gradients, and what
        conserves them, are terms of the user's form.
    T : UFL expression, optional
        The temperature less that of the reference (K): a part of the unknown, or a given Function or Constant.
    length_unit, potential_unit : str
        The mesh's unit of length, and that of φ.
    orientation, cell_tags, unit, strain, plane, axial_strain, stress_free_deformation, quadrature_degree, outside
        As for ``UserMaterial``. An orientation may be improper (det R = −1): the crystal of the other hand. With "extend" strains outside
        the domain are drawn back to its edge, fields and temperatures are not.
    chunk : int
        Points evaluated at once; 2,048 keep torch's arrays within the cache.
    kernel, tangent_precision, eigenstrain
        As for ``UserMaterial``, in double precision; insulators, metals and laws of your own are evaluated by torch.

    Attributes
    ----------
    unknowns : tuple of UFL expression
        Displacement, potential, polarisation, order parameters and temperature, as far as they are given.
    gradient_energy : GradientEnergy or None
        The energy of the gradient of the polarisation.

    Raises
    ------
    SolveError
        The pieces don't fit each other; the message says which and what would.
    """

    point_state: ClassVar[type[PointState]] = CoupledPointState

    def __init__(
        self,
        u: Expr,
        material: object,
        *,
        phi: Expr | None = None,
        P: Expr | None = None,
        gradient: GradientInput | None = None,
        order: Mapping[str, Expr] | None = None,
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
        chunk: int = 2048,
        eigenstrain: TensorInput | None = None,
    ) -> None:
        check_choices(unit=(unit, STRESS_UNITS), outside=(outside, OUTSIDE), kernel=(kernel, ("c", "torch")))
        check_choices(tangent_precision=(tangent_precision, ("double",)))
        if eigenstrain is not None:
            raise SolveError("eigenstrain= is an old name: give stress_free_deformation=")
        self.mesh = mesh_of(u)
        self.u, self.phi, self.P, self.T, self.unit, self.outside = u, phi, P, T, unit, outside
        self.order = dict(order or {})
        self.unknowns = tuple(part for part in (u, phi, P, *self.order.values(), T) if part is not None)
        _require_scalars(phi=phi, T=T)
        polar, sizes = _components(P, self.mesh), _order_sizes(self.order)
        check_choices(length_unit=(length_unit or "mm", METRES), potential_unit=(potential_unit or "V", VOLTS))
        scale = None if phi is None else _field_scale(length_unit, potential_unit)
        self.length = METRES.get(length_unit or "", math.nan)
        self.volts = VOLTS[potential_unit or "V"]
        if plane == "axisymmetric":
            raise SolveError("plane='axisymmetric' is for laws of strain alone: give a mesh in 3D, or plane strain")
        mechanical = make_kinematics(u, self.mesh, strain, plane, axial_strain)
        kinematics = CoupledKinematics(**vars(mechanical), field_scale=scale, thermal=T is not None, polar=polar, order=sizes)
        self.kinematics = kinematics
        self.points = QuadraturePoints(self.mesh, quadrature_degree or _default_degree(self.unknowns, T, self.mesh))
        self.dx = self.points.dx

        def regions() -> list[CoupledRegion]:
            return make_coupled_regions(
                material, orientation, cell_tags, stress_free_deformation, self.points, STRESS_UNITS[unit], kinematics,
                native=kernel == "c", extend=outside == "extend",
            )  # fmt: skip

        self.regions = list(agreed(self.mesh.comm, regions))
        warn_of_locking(self.mesh.comm, self.regions, function_degree(u), volumetric=plane != "stress")
        self._tags = None if cell_tags is None else tags_of_cells(cell_tags, self.points)
        self.gradient_energy = self._gradient_energy(gradient)
        self.evaluation = CoupledEvaluation(self.mesh, self.unknowns, self.kinematics, self.points, self.regions, chunk)
        self._allocate()

    def _gradient_energy(self, coefficients: GradientInput | None) -> GradientEnergy | None:
        if coefficients is None:
            return None
        if self.P is None or not math.isfinite(self.length):
            raise SolveError("gradient= is of the polarisation: give P= and length_unit= of the mesh too")
        factor = STRESS_UNITS[self.unit] / GIGA / self.length**2
        P, regions, tags = self.P, cast("list[CoupledRegion]", self.regions), self._tags
        found = agreed(self.mesh.comm, lambda: GradientEnergy(P, coefficients, regions, self.points, tags, factor))
        found.warn_of_pinning()
        return found

    # ---- forms ---------------------------------------------------------------------------------------------------------

    def residual(
        self, v: Expr, w: Expr | None = None, p: Expr | None = None, *, order: Mapping[str, Expr] | None = None
    ) -> ufl.Form:
        r"""Virtual work :math:`\int S\cdot\delta E(v) + D_0\cdot\nabla w`, and of the polarisation :math:`\delta\Pi(p)`.

        Parameters
        ----------
        v : UFL expression
            Test function of the displacement.
        w : UFL expression, optional
            Test function of the potential.
        p : UFL expression, optional
            Test function of the polarisation.
        order : mapping, optional
            {name: test function} of the order parameters; all of them, unless they are given functions.

        Returns
        -------
        ufl.Form
            In the law's unit times the mesh's length cubed (over the unit of the potential, for w).
        """
        given = [("phi", self.phi, w), ("P", self.P, p)]
        if any(part is not None and test is None for _, part, test in given):
            names = ", ".join(["v", *(test for (_, part, _), test in zip(given, ("w", "p=p"), strict=True) if part is not None)])
            raise SolveError(f"the residual of a law with {' and '.join(n for n, part, _ in given if part is not None)} needs the test "
                             f"functions of all: law.residual({names})")
        others = dict(order or {})
        if others and set(others) != set(self.order):
            needed = ", ".join(self.order) or "none"
            raise SolveError(f"the residual has test functions of {', '.join(others)}: needed are those of {needed}")
        tests = [v, *(test for _, part, test in given if part is not None and test is not None)]
        tests += [others[name] for name in self.order if others]
        work = ufl.inner(self.stress, self.kinematics.variation(self.unknowns, tests))
        if self.gradient_energy is not None and p is not None:
            work = work + self.gradient_energy.variation(p)
        return work * self.dx

    def material_jacobian(self, du: Sequence[Expr], v: Sequence[Expr]) -> ufl.Form:
        r"""Material part of the residual's derivative, :math:`\int \delta x\cdot H\,\Delta x`.

        Parameters
        ----------
        du, v : sequence of UFL expression
            Trial and test functions of displacement, potential, polarisation, order parameters and temperature; those left out are zero.

        Returns
        -------
        ufl.Form
        """
        increment = self._stress_of(self.kinematics.variation(self.unknowns, du))
        return ufl.inner(increment, self.kinematics.variation(self.unknowns, v)) * self.dx

    def jacobian(self, du: Sequence[Expr], v: Sequence[Expr]) -> ufl.Form:
        """Derivative of the residual in the directions du: material and geometric part.

        Parameters
        ----------
        du, v : sequence of UFL expression
            Trial and test functions of displacement, potential, polarisation, order parameters and temperature.

        Returns
        -------
        ufl.Form
        """
        material = self.material_jacobian(du, v)
        if self.gradient_energy is not None:
            place = self.unknowns.index(self.P)
            if place < min(len(du), len(v)):
                material = material + self.gradient_energy.second_variation(du[place], v[place]) * self.dx
        if not self.kinematics.finite:
            return material
        second = self.kinematics.second_variation(du[0], v[0])
        stress = ufl.as_vector([self.stress[k] for k in range(second.ufl_shape[0])])
        return material + ufl.inner(stress, second) * self.dx

    def stress_increment(self, u: fem.Function, du: Expr) -> Expr:
        """Active numbers of H dx, the change of (S, −D₀, −η) when the unknown u changes by du.

        Parameters
        ----------
        u : Function
            The mixed unknown, or one of its parts where others are given.
        du : UFL expression
            Its change.

        Returns
        -------
        UFL expression
            In the law's unit.
        """
        change = ufl.derivative(self.kinematics.strain(self.unknowns), u, du)
        return self._stress_of(ufl.algorithms.expand_derivatives(change))

    @property
    def entropy(self) -> Expr:
        """Entropy η per reference volume at the points (the law's unit over K), for equations of heat."""
        if self.T is None:
            raise SolveError("the entropy needs a temperature: give T=")
        return -self.stress[len(self.kinematics.active) - 1]

    # ---- evaluation ----------------------------------------------------------------------------------------------------

    def total_energy(self) -> float:
        """Integral of Ω over all cells with a law, with the energy of the gradient of the polarisation; collective.

        Returns
        -------
        float
            In the law's unit times the mesh's length cubed (per thickness in the plane), the same on all ranks.
        """
        return super().total_energy() + (0.0 if self.gradient_energy is None else self.gradient_energy.total())

    def point_values(self) -> np.ndarray:
        """Active numbers of (S, −D₀, −η) at the points of this rank, as ``update`` left them.

        Returns
        -------
        array (points, a)
            In the law's unit.
        """
        return self._stress.read()

    def evaluate(self, strain: np.ndarray, *, tangent: bool) -> np.ndarray:
        """Not written for coupled laws: call ``update``.

        Parameters
        ----------
        strain : array
        tangent : bool

        Returns
        -------
        array

        Raises
        ------
        SolveError
            Always.
        """
        raise SolveError("a coupled law has no external operator: call law.update() before you assemble")

    # ---- units ---------------------------------------------------------------------------------------------------------

    @property
    def coulombs(self) -> float:
        """Charge, in coulombs, of one unit of the residual's rows of the potential (C/m of thickness in the plane)."""
        pascals = GIGA / STRESS_UNITS[self.unit]
        return pascals * self.length**self.mesh.geometry.dim / self.volts

    @property
    def balanced_potential(self) -> float:
        """The potential, in its unit, whose slope over a unit of length is 1 GV/m: it balances the equations of charge and of force."""
        return GIGA * self.length / self.volts


def _field_scale(length_unit: str | None, potential_unit: str | None) -> float:
    """Electric field in GV/m of one unit of the potential over one unit of length."""
    if length_unit is None:
        raise SolveError(
            f"phi is given, and an electric field is potential over length: pass length_unit= of the mesh, one of {', '.join(METRES)} "
            "(and potential_unit= where phi is not in volts)"
        )
    return VOLTS[potential_unit or "V"] / METRES[length_unit] / GIGA


def _components(P: Expr | None, mesh: Mesh) -> int:
    """Components of the polarisation; 0 where it is no unknown."""
    if P is None:
        return 0
    shape = ufl.as_ufl(P).ufl_shape
    allowed = (3,) if mesh.geometry.dim == 3 else (2, 3)
    if len(shape) != 1 or shape[0] not in allowed:
        raise SolveError(f"P has shape {shape}: a vector of {' or '.join(map(str, allowed))} components is needed, a part of ufl.split(w)")
    return int(shape[0])


def _order_sizes(order: Mapping[str, Expr]) -> tuple[tuple[str, int], ...]:
    """Names and sizes of order parameters."""
    own = {"strain": "u", "electric_field": "phi", "polarization": "P", "temperature": "T"}
    found = []
    for name, part in order.items():
        shape = ufl.as_ufl(part).ufl_shape
        if name in own:
            raise SolveError(f"order={{{name!r}: …}}: give {own[name]}= for this variable")
        if len(shape) > 1:
            raise SolveError(f"order={{{name!r}: …}} has shape {shape}: a scalar or a vector is needed, a part of ufl.split(w)")
        found.append((name, int(shape[0]) if shape else 1))
    return tuple(found)


def _require_scalars(**parts: Expr | None) -> None:
    for name, part in parts.items():
        if part is not None and ufl.as_ufl(part).ufl_shape:
            raise SolveError(f"{name} has shape {ufl.as_ufl(part).ufl_shape}: a scalar is needed, such as a part of ufl.split(w)")


def _default_degree(unknowns: Sequence[Expr], T: Expr | None, mesh: Mesh) -> int:
    """The element's usual rule; one that is exact for the square of the temperature where there is one."""
    degree = max(default_degree(part, mesh) for part in unknowns if ufl.algorithms.extract_coefficients(ufl.as_ufl(part)))
    if T is None or not ufl.algorithms.extract_coefficients(ufl.as_ufl(T)):
        return degree
    return max(degree, 2 * function_degree(T))
