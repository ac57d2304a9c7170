"""One step in time, implicit or explicit: the new state, the work done and what was damped."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from dolfinx import fem
from mpi4py import MPI
from petsc4py import PETSc

from constitutive.errors import SolveError
from constitutive.fem.circuits import Circuits
from constitutive.fem.explicit import lumped_mass, stable_step
from constitutive.fem.faults import Trouble
from constitutive.fem.linear_terms import LinearTerms
from constitutive.fem.load_path import require_law
from constitutive.fem.outcome import Outcome
from constitutive.fem.problem import Problem
from constitutive.fem.time_schemes import StepCoefficients, TimeScheme

HOLDING = 1e10  # multiple of the stiffness by which the mass holds a displacement


class State:
    """Displacement, velocity and acceleration: owned entries of three Functions.

    Parameters
    ----------
    u, v, a : Function
    """

    def __init__(self, u: fem.Function, v: fem.Function, a: fem.Function) -> None:
        self.functions = (u, v, a)
        self.owned = u.function_space.dofmap.index_map.size_local * u.function_space.dofmap.index_map_bs

    @property
    def u(self) -> np.ndarray:
        """Displacement."""
        return self.functions[0].x.array[: self.owned]

    @property
    def v(self) -> np.ndarray:
        """Velocity."""
        return self.functions[1].x.array[: self.owned]

    @property
    def a(self) -> np.ndarray:
        """Acceleration."""
        return self.functions[2].x.array[: self.owned]

    def copy(self) -> tuple[np.ndarray, ...]:
        """Copies of all three.

        Returns
        -------
        tuple of array
        """
        return self.u.copy(), self.v.copy(), self.a.copy()

    def restore(self, values: tuple[np.ndarray, ...]) -> None:
        """Set all three, and their ghosts; collective.

        Parameters
        ----------
        values : tuple of array
        """
        for function, value in zip(self.functions, values, strict=True):
            function.x.array[: self.owned] = value
            function.x.scatter_forward()


@dataclass(frozen=True)
class Taken:
    """A step that was taken.

    Attributes
    ----------
    iterations : int
        Newton's.
    work, damped : float
        Work of dead loads and supports in the step, and energy dissipated by damping.
    error : float
        Norm of the local error of the displacement.
    """

    iterations: int
    work: float
    damped: float
    error: float


class Stepper(Protocol):
    """What makes time steps."""

    def begin(self, state: State) -> None:
        """Find the initial acceleration; collective.

        Parameters
        ----------
        state : State
            Changed in place.
        """

    def step(self, state: State, time: float, size: float, loads: Callable[[float], None]) -> Taken | Trouble:
        """Take a step; collective.

        Parameters
        ----------
        state : State
            Changed in place, also by a step that fails.
        time, size : float
            Seconds.
        loads : callable
            Sets the loads of a time.

        Returns
        -------
        Taken or Trouble
        """

    def kinetic_energy(self, v: np.ndarray) -> float:
        """Kinetic energy; collective.

        Parameters
        ----------
        v : array
            Velocity, owned entries.

        Returns
        -------
        float
        """

    def norm(self, x: np.ndarray) -> float:
        """Euclidean norm over all ranks; collective.

        Parameters
        ----------
        x : array
            Owned entries.

        Returns
        -------
        float
        """

    def leave(self) -> None:
        """Leave the problem as it was for statics."""


class _Steps:
    """What implicit and explicit steps share: mass and damping matrix, dead loads, sums over ranks."""

    def __init__(self, problem: Problem, terms: LinearTerms) -> None:
        self.problem, self.newton, self.terms = problem, problem.newton, terms
        self.held = self.newton.constrained_and_owned
        self._dead = problem.load_factor in problem.form.constants()

    def dot(self, x: np.ndarray, y: np.ndarray) -> float:
        return float(self.newton.comm.allreduce(float(x @ y), op=MPI.SUM))

    def norm(self, x: np.ndarray) -> float:
        return float(np.sqrt(self.dot(x, x)))

    def leave(self) -> None:
        self.newton.linear = None

    def forces(self) -> tuple[np.ndarray, np.ndarray]:
        """The residual at the present displacement without inertia, and the part of it that dead loads make; owned entries."""
        linear, self.newton.linear = self.newton.linear, None
        whole, factor = self.newton.assemble_residual()[: self.newton.owned].copy(), self.problem.load_factor
        dead = np.zeros_like(whole)
        if self._dead:
            factor.value = 0.0
            dead = whole - self.newton.assemble_residual()[: self.newton.owned]
            factor.value = 1.0
        self.newton.linear = linear
        return whole, dead

    def acting(self, dead: np.ndarray, balance: np.ndarray) -> np.ndarray:
        """Forces that do work on the body: dead loads, and those of supports, which the equation of motion leaves there."""
        force = -dead
        force[self.held] += balance[self.held]
        return force


class ImplicitSteps(_Steps):
    """Steps of a scheme of the generalised-α family.

    Parameters
    ----------
    problem : Problem
    terms : LinearTerms
        Mass and damping matrix.
    scheme : TimeScheme
    """

    def __init__(self, problem: Problem, terms: LinearTerms, scheme: TimeScheme) -> None:
        super().__init__(problem, terms)
        self.scheme = scheme
        self.without_mass = terms.terms[0].matrix.getDiagonal().array == 0.0
        self._without_mass_anywhere = bool(self.newton.comm.allreduce(bool(self.without_mass.any()), op=MPI.LOR))
        self.circuits = Circuits(None)
        self._acting: np.ndarray | None = None  # at the end of the step before

    def leave(self) -> None:
        """Forget the forces, which belong to the loads of this run."""
        super().leave()
        self._acting = None

    def _acting_at_the_end(self, state: State) -> np.ndarray | Trouble:
        trouble = self.newton.update_laws(tangent=False)
        if trouble is not None:
            return trouble
        whole, dead = self.forces()
        return self.acting(dead, whole + self.terms.multiply(0, state.a) + self.terms.multiply(1, state.v))

    def begin(self, state: State) -> None:
        """Bring unknowns without mass to equilibrium, and solve M a = −R − C v; supports and unknowns without mass have none."""
        if self._without_mass_anywhere:
            self._balance(state)
            self.circuits = Circuits(self.newton)
        require_law(self.problem.newton, tangent=False)
        whole, _ = self.forces()
        force = -whole - self.terms.multiply(1, state.v)
        matrix = self.newton.of_solver(self.terms.terms[0].reduced.copy())
        force = self.newton.reduced_force(force)
        diagonal = matrix.getDiagonal()
        empty = diagonal.array == 0.0
        diagonal.array[:] += empty
        matrix.setDiagonal(diagonal)
        force[empty] = 0.0
        ksp = PETSc.KSP().create(matrix.comm)
        ksp.setOperators(matrix)
        ksp.setType("cg")
        ksp.getPC().setType("jacobi")
        ksp.setTolerances(rtol=1e-13, max_it=1000)
        b, x = matrix.createVecLeft(), matrix.createVecRight()
        b.array[:] = force
        ksp.solve(b, x)
        if ksp.getConvergedReason() < 0:
            raise SolveError("the initial acceleration was not found: the mass matrix is not positive definite")
        state.restore((state.u.copy(), state.v.copy(), self.newton.whole_values(x.array)))
        for thing in (ksp, matrix, b, x):
            thing.destroy()

    def _balance(self, state: State) -> None:
        """Solve for the unknowns without mass at the present displacement, which a large multiple of M holds."""
        newton, terms, (u, v, a) = self.newton, self.terms, state.copy()
        require_law(newton, tangent=True)
        newton.linear = None
        newton.assemble_jacobian()
        traces = np.array([terms.terms[0].matrix.getDiagonal().array.sum(), np.abs(newton.A.getDiagonal().array[~self.without_mass]).sum()])
        mass, stiff = newton.comm.allreduce(traces, op=MPI.SUM)
        terms.terms[0].coefficient, terms.terms[1].coefficient = HOLDING * stiff / mass, 0.0
        terms.constant = -terms.terms[0].coefficient * terms.multiply(0, u)
        newton.linear = terms
        trouble, *_ = newton.solve(newton.boundary_values(), 1.0)
        newton.linear = None
        if trouble is not None:
            raise SolveError(f"the unknowns without inertia were not found at the beginning: {trouble.message}")
        state.restore((np.where(self.without_mass, state.u, u), v, a))

    def step(self, state: State, time: float, size: float, loads: Callable[[float], None]) -> Taken | Trouble:
        """Solve for the displacement in between, and go beyond it to the end of the step."""
        coefficients, (u, v, a) = StepCoefficients(self.scheme, size), state.copy()
        inertia, damping = coefficients.constant_parts(u, v, a)
        newton, terms = self.newton, self.terms
        before = self._acting if self._acting is not None else self._acting_at_the_end(state)
        if isinstance(before, Trouble):
            return before
        terms.terms[0].coefficient, terms.terms[1].coefficient = coefficients.mass, coefficients.damping
        terms.constant = terms.multiply(0, inertia) + terms.multiply(1, damping)
        loads(time + size)
        ends = newton.boundary_values()[: newton.owned]
        self.circuits.prepare(size, self.scheme.alpha_f)
        loads(time + (1 - self.scheme.alpha_f) * size)
        newton.linear = terms
        state.restore((coefficients.between(u + size * v + size**2 / 2 * a, u), v, a))
        target = newton.u.x.array.copy()
        new = fem.Function(newton.u.function_space)
        new.x.array[: newton.owned] = coefficients.between(ends, u)
        new.x.scatter_forward()
        target[newton.constrained] = new.x.array[newton.constrained]
        trouble, iterations, _ = newton.solve(target, 1.0)
        newton.linear = None
        if trouble is not None:
            return trouble
        end = coefficients.beyond(state.u.copy(), u)
        acceleration = coefficients.new_acceleration(end, u, v, a)
        velocity = coefficients.new_velocity(v, a, acceleration)
        velocity[self.without_mass] = acceleration[self.without_mass] = 0.0
        state.restore((end, velocity, acceleration))
        loads(time + size)
        self.circuits.accept()
        after = self._acting_at_the_end(state)
        if isinstance(after, Trouble):
            return after
        self._acting = after
        damped = self.dot(terms.multiply(1, (v + state.v) / 2), end - u)
        error = abs(self.scheme.beta - 1 / 6) * size**2 * self.norm(acceleration - a)
        return Taken(iterations, self.dot((before + after) / 2, end - u), damped, error)

    def kinetic_energy(self, v: np.ndarray) -> float:
        """½ vᵀMv."""
        return 0.5 * self.dot(v, self.terms.multiply(0, v))


class ExplicitSteps(_Steps):
    """Steps by central differences with a lumped mass.

    Parameters
    ----------
    problem : Problem
    terms : LinearTerms
        Mass and damping matrix; the latter is a multiple of the former.
    damping : float
        That multiple, 1/s.
    """

    def __init__(self, problem: Problem, terms: LinearTerms, damping: float) -> None:
        super().__init__(problem, terms)
        self.damping, self.mass = damping, lumped_mass(problem, terms.terms[0].matrix)
        self._force: tuple[np.ndarray, np.ndarray] | None = None
        self._half: np.ndarray | None = None  # velocity of supports in the middle of the step before

    def stable_step(self) -> float:
        """Largest stable step at the present state; collective."""
        return stable_step(self.problem, self.mass, self.damping)

    def begin(self, state: State) -> None:
        """The acceleration of the present force."""
        require_law(self.problem.newton, tangent=False)
        force, _ = self.forces()
        a = -force / self.mass - self.damping * state.v
        a[self.held] = 0.0
        state.restore((state.u.copy(), state.v.copy(), a))

    def step(self, state: State, time: float, size: float, loads: Callable[[float], None]) -> Taken | Trouble:
        """Move with the velocity in the middle of the step, and take the force at its end."""
        u, v, a = state.copy()
        old = self._force if self._force is not None else self.forces()
        middle = v + size / 2 * a
        loads(time + size)
        end = u + size * middle
        ends = self.newton.boundary_values()[: self.newton.owned]
        end[self.held] = ends[self.held]
        middle[self.held] = (end[self.held] - u[self.held]) / size
        state.restore((end, v, a))
        trouble = self.newton.update_laws(tangent=False)
        if trouble is not None:
            return trouble
        force, dead = self.forces()
        velocity = (middle - size / 2 * force / self.mass) / (1 + size / 2 * self.damping)
        acceleration = -force / self.mass - self.damping * velocity
        half = v[self.held] if self._half is None else self._half
        velocity[self.held] = 1.5 * middle[self.held] - 0.5 * half  # of second order, and without the oscillation of 2 v_{n+1/2} - v_n
        acceleration[self.held] = (middle[self.held] - half) / size
        if not np.isfinite(self.norm(velocity)):
            return Trouble(Outcome.NOT_FINITE, "the velocity is not finite: take a smaller step")
        state.restore((end, velocity, acceleration))
        change = end - u
        damped = self.damping * self.mass * (v + velocity) / 2
        reaction = (old[0] + force) / 2 + self.mass * (velocity - v) / size + damped
        work = self.dot(self.acting((old[1] + dead) / 2, reaction), change)
        self._force, self._half = (force, dead), middle[self.held]
        return Taken(0, work, self.dot(damped, change), 0.0)

    def leave(self) -> None:
        """Forget the force, which belongs to the loads of this run."""
        super().leave()
        self._force = self._half = None

    def kinetic_energy(self, v: np.ndarray) -> float:
        """½ Σ m v²."""
        return 0.5 * self.dot(v, self.mass * v)
