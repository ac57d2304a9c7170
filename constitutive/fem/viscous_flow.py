r"""Viscous descent of an energy: Ginzburg–Landau equations in time and Kelvin–Voigt bodies, in steps along which the energy never rises.

With a viscosity β of some linear expression y of the unknown (the polarisation, the displacement gradient) the body follows
:math:`\beta\,\dot y = -\delta\Pi/\delta y`; whatever has no viscosity is in equilibrium at every time. A backward Euler step makes

.. math:: \Pi(x) + \frac{\beta}{2\Delta t} \int |y(x) - y(x_n)|^2

stationary. Where it is a minimum of all that has a viscosity, :math:`\Pi_{n+1} + \beta/(2\Delta t) \int |y - y_n|^2 \le \Pi_n`. Newton's
method may end elsewhere: a step that breaks this inequality is taken back and halved, and small steps have one solution. The potential
makes Π largest: with it Π is the enthalpy of the body, and with charges on electrodes that of body and sources (Su & Landis, J. Mech. Phys.
Solids 55 (2007) 280, for the finite elements).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import final

import numpy as np
import ufl
from dolfinx import default_scalar_type, fem
from mpi4py import MPI
from ufl.core.expr import Expr

from constitutive.errors import SolveError
from constitutive.fem.collective import agreed
from constitutive.fem.coupled_newton import CoupledNewton
from constitutive.fem.newton import PetscOptions
from constitutive.fem.problem import Problem

GROWTH, FEW, MANY = 1.5, 4, 8  # of a step, after few iterations of Newton's method; more than many halve the next one
ROUNDING = 1e-10  # of an energy, relative
SETTLING = 1e-3  # of the first step
SMALLEST = 1e-8  # of the first step, below which a descent is given up


@final
@dataclass(frozen=True)
class FlowRecord:
    """One step that was taken.

    Attributes
    ----------
    time, size : float
        At its end, and its length, in the unit of the viscosity.
    energy : float
        Π at its end, in the law's unit times the mesh's length cubed (squared in the plane).
    dissipated : float
        β/(2Δt) ∫ |Δy|², by which the energy has fallen at least.
    change : float
        Norm of Δy over that of y.
    iterations : int
        Newton's.
    settling : bool
        Whether what has no viscosity came to equilibrium in this step, after a start of the user's or a change of loads: the energy may
        rise.
    """

    time: float
    size: float
    energy: float
    dissipated: float
    change: float
    iterations: int
    settling: bool


@final
@dataclass(frozen=True)
class FlowResult:
    """How a descent ended.

    Attributes
    ----------
    outcome : {"at rest", "end of time", "steps used up", "step too small"}
    records : tuple of FlowRecord
    refused : int
        Steps that were taken back: Newton's method failed, or the energy would have risen.
    """

    outcome: str
    records: tuple[FlowRecord, ...]
    refused: int

    @property
    def energies(self) -> np.ndarray:
        """Energy at the end of every step."""
        return np.array([record.energy for record in self.records])

    def require(self) -> FlowResult:
        """Itself, where it came to rest or reached the end of the time.

        Returns
        -------
        FlowResult

        Raises
        ------
        SolveError
            It did not.
        """
        if self.outcome in ("steps used up", "step too small"):
            last = self.records[-1] if self.records else None
            where = "at its beginning" if last is None else f"at the time {last.time:.4g} with steps of {last.size:.2g}"
            raise SolveError(
                f"the descent ended {where}: {self.outcome}; give more steps, a longer time, or look for an energy without a lower bound"
            )
        return self


class ViscousFlow:
    """Viscous descent of the energy of a problem.

    Parameters
    ----------
    form : ufl.Form
        The residual δΠ without viscosity, as for ``Problem``: ``law.residual(v, q, p)`` and loads.
    law : UserMaterial or sequence
        The laws in the form.
    viscosities : sequence of (expression, expression, float)
        y, its variation and β: ``(P, p, 1.0)`` for a polarisation, ``(ufl.grad(u), ufl.grad(v), 1.0)`` for a Kelvin–Voigt body. y is linear
        in the unknown; β is in the law's unit times a unit of time over that of y squared.
    energy : ufl.Form, optional
        Energy of the terms of the form that belong to no law: potential of loads, energy of strain gradients.
    u, bcs, electrodes, ties, petsc_options
        As for ``Problem``.

    Attributes
    ----------
    problem : Problem
        With the viscous terms; its unknown holds the state.
    time : float
        Reached so far.

    Raises
    ------
    SolveError
        A viscosity is not positive, or the pieces do not fit.
    """

    def __init__(
        self,
        form: ufl.Form,
        law: object,
        *,
        viscosities: Sequence[tuple[Expr, Expr, float]],
        energy: ufl.Form | None = None,
        u: fem.Function | None = None,
        bcs: Sequence[fem.DirichletBC] = (),
        electrodes: Sequence[object] = (),
        ties: Sequence[np.ndarray] = (),
        petsc_options: PetscOptions | None = None,
    ) -> None:
        if not viscosities or any(not (np.isfinite(beta) and beta > 0) for _, _, beta in viscosities):
            raise SolveError(f"viscosities={[beta for *_, beta in viscosities]}: at least one is needed, each a positive number")
        unknown = u if u is not None else _unknown(viscosities[0][0])
        mesh = unknown.function_space.mesh
        self.before = fem.Function(unknown.function_space)
        self._slowness = fem.Constant(mesh, default_scalar_type(1.0))  # 1/Δt
        moved = [(y - ufl.replace(y, {unknown: self.before}), test, beta) for y, test, beta in viscosities]
        drag = sum(beta * self._slowness * ufl.inner(change, test) * ufl.dx for change, test, beta in moved)
        self._dissipation = fem.form(sum(beta / 2 * self._slowness * ufl.inner(change, change) * ufl.dx for change, _, beta in moved))
        self._changes = fem.form(sum(ufl.inner(change, change) * ufl.dx for change, *_ in moved))
        self._sizes = fem.form(sum(ufl.inner(y, y) * ufl.dx for y, *_ in viscosities))
        self._energy = None if energy is None else fem.form(energy)
        one = fem.Constant(mesh, default_scalar_type(1.0))  # loads stand in full
        self.problem = Problem(
            form + drag,
            law,  # type: ignore[arg-type]
            u=unknown,
            bcs=bcs,
            electrodes=electrodes,  # type: ignore[arg-type]
            ties=ties,
            load_factor=one,
            petsc_options=petsc_options,
        )
        self.unknown, self.comm, self.time = unknown, mesh.comm, 0.0
        self._last: np.ndarray | None = None

    def total_energy(self) -> float:
        """Π at the present state; collective.

        Returns
        -------
        float
            In the law's unit times the mesh's length cubed (squared in the plane).
        """
        own = 0.0 if self._energy is None else self._sum(self._energy)
        return sum((law.total_energy() for law in self.problem.laws), own) + self._of_sources()

    def _of_sources(self) -> float:
        """Q V of given charges, and −½ C (V − V_s)² of circuits."""
        newton = self.problem.newton
        if not isinstance(newton, CoupledNewton):
            return 0.0
        total = 0.0
        for found in newton.electrodes:
            if found.electrode.floating:
                V = newton.potential(found.electrode)
                charge, slope = found.charge_to_come(1.0, 0.0)
                total += (charge * V + slope * V**2 / 2) / (newton._coulombs * found.volts)
        return total

    def run(
        self,
        duration: float = np.inf,
        *,
        first_step: float,
        largest_step: float = np.inf,
        rest: float = 1e-6,
        most: int = 1000,
        on_step: Callable[[FlowRecord], None] | None = None,
    ) -> FlowResult:
        """Go down until nothing changes, or until a time; collective.

        Where the state, boundary values or potentials were changed since the last run, a step of a thousandth of the first brings all
        that has no viscosity to equilibrium before.

        Parameters
        ----------
        duration : float
            Time to go on.
        first_step, largest_step : float
            Lengths of steps. They grow while Newton's method converges quickly.
        rest : float
            Relative change of y in a step that is ten times the first, at which the body counts as at rest.
        most : int
            Steps.
        on_step : callable, optional
            Called after each step, on all ranks.

        Returns
        -------
        FlowResult

        Raises
        ------
        SolveError
            A number is not positive.
        """
        numbers = {"duration": duration, "first_step": first_step, "largest_step": largest_step, "rest": rest, "most": most}
        for name, value in numbers.items():
            if not value > 0:
                raise SolveError(f"{name}={value!r}: a positive number is needed")
        records: list[FlowRecord] = []
        size, refused, end = first_step, 0, self.time + duration
        energy = self.total_energy()
        if self._disturbed():
            record = self._step(SETTLING * first_step, energy, settling=True)
            if record is None:
                return FlowResult("step too small", (), 1)
            records.append(record)
            energy, self.time = record.energy, record.time
        while len(records) < most and self.time < end * (1 - 1e-12):
            size = min(size, largest_step, end - self.time)
            record = self._step(size, energy)
            if record is None:
                refused += 1
                size /= 2
                if size < SMALLEST * first_step:
                    return FlowResult("step too small", tuple(records), refused)
                continue
            records.append(record)
            energy, self.time = record.energy, record.time
            if on_step is not None:
                agreed(self.comm, partial(on_step, record))
            if record.change <= rest and size >= 10 * first_step:
                return FlowResult("at rest", tuple(records), refused)
            size *= GROWTH if record.iterations <= FEW else 0.5 if record.iterations > MANY else 1.0
        return FlowResult("end of time" if self.time >= end * (1 - 1e-12) else "steps used up", tuple(records), refused)

    def _disturbed(self) -> bool:
        """Whether the state is not that of the last step, or boundary values changed since then."""
        x = self.unknown.x.array
        mine = self._last is None or not np.array_equal(x, self._last) or not np.array_equal(self.problem.newton.boundary_values(), x)
        return bool(self.comm.allreduce(mine, op=MPI.LOR))

    def _step(self, size: float, energy: float, *, settling: bool = False) -> FlowRecord | None:
        """Take a step; None, with the state as it was, where it fails or the energy would rise."""
        x, newton = self.unknown.x.array, self.problem.newton
        self.before.x.array[:] = x
        snapshots = [law.snapshot() for law in self.problem.laws]
        self._slowness.value = 1 / size
        trouble, iterations, _ = newton.solve(newton.boundary_values(), 1.0)
        if trouble is None:
            new, dissipated = self.total_energy(), self._sum(self._dissipation)
            if np.isfinite(new) and (settling or new + dissipated <= energy + ROUNDING * max(abs(energy), abs(new))):
                change = np.sqrt(self._sum(self._changes) / max(self._sum(self._sizes), 1e-300))
                self._last = x.copy()
                return FlowRecord(self.time + size, size, new, dissipated, float(change), iterations, settling)
        x[:] = self.before.x.array
        for law, snapshot in zip(self.problem.laws, snapshots, strict=True):
            law.restore(snapshot)
        return None

    def _sum(self, form: fem.Form) -> float:
        return float(self.comm.allreduce(fem.assemble_scalar(form), op=MPI.SUM))


def strain_gradient_energy(u: fem.Function, modulus: float, length: float, *, penalty: float = 8.0) -> ufl.Form:
    r"""Energy :math:`\tfrac12 \mu \ell^2 \int |\nabla\nabla u|^2` of a displacement that is continuous, of degree 2 or more, on simplices.

    The slopes of such elements jump across facets: consistency and penalty terms there make the energy that of the interior penalty method,

    .. math::
        \mu\ell^2 \int \left( - \{\partial_{nn} u\}\cdot[\partial_n u] + \frac{\sigma}{2h} [\partial_n u]^2 \right) \mathrm{d}S

    (Engel et al., Comput. Methods Appl. Mech. Engrg 191 (2002) 3669); boundaries are free of double tractions. Isotropic, so invariant
    under every group.

    Parameters
    ----------
    u : Function
        The displacement.
    modulus : float
        μ, in the law's unit.
    length : float
        ℓ, in the mesh's unit; walls between wells are a few ℓ wide.
    penalty : float
        σ.

    Returns
    -------
    ufl.Form
        A number; ``ufl.derivative(form, u, v)`` is its part of the residual.

    Raises
    ------
    SolveError
        The elements are linear or no simplices, or a number is not positive.
    """
    if not all(np.isfinite(value) and value > 0 for value in (modulus, length, penalty)):
        raise SolveError(f"modulus={modulus!r}, length={length!r}, penalty={penalty!r}: positive numbers are needed")
    element = u.function_space.ufl_element()
    if element.embedded_superdegree < 2 or element.cell_type.name not in ("interval", "triangle", "tetrahedron"):
        raise SolveError("the energy of strain gradients needs a displacement of degree 2 or more on triangles or tetrahedra")
    mesh = u.function_space.mesh
    n, h = ufl.FacetNormal(mesh), ufl.avg(ufl.CellVolume(mesh) / ufl.FacetArea(mesh))
    slope = ufl.dot(ufl.grad(u)("+"), n("+")) + ufl.dot(ufl.grad(u)("-"), n("-"))
    i, j, k = ufl.indices(3)
    curvature = sum(ufl.as_vector(ufl.grad(ufl.grad(u))(side)[i, j, k] * n(side)[j] * n(side)[k], i) for side in ("+", "-")) / 2
    c, second = modulus * length**2, ufl.grad(ufl.grad(u))
    inside = c / 2 * ufl.inner(second, second) * ufl.dx
    return inside + c * (-ufl.inner(curvature, slope) + penalty / (2 * h) * ufl.inner(slope, slope)) * ufl.dS


def _unknown(expression: Expr) -> fem.Function:
    found = [c for c in ufl.algorithms.extract_coefficients(ufl.as_ufl(expression)) if isinstance(c, fem.Function)]
    if len(found) != 1:
        raise SolveError(f"the expression of the first viscosity holds {len(found)} Functions: give u=, the unknown")
    return found[0]
