"""A boundary-value problem with crystals in it, solved in load steps that shrink and grow as needed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import ufl
from dolfinx import default_scalar_type, fem

from constitutive.errors import SolveError
from constitutive.fem import checkpoint as checkpoints
from constitutive.fem.newton import Newton, Trouble
from constitutive.fem.outcome import ADVICE, Outcome, SolveResult, StepRecord
from constitutive.fem.own_solver import add_tangents
from constitutive.fem.progress import Interrupt, Progress
from constitutive.fem.reactions import reaction_force
from constitutive.fem.user_material import UserMaterial

FEW_ITERATIONS = 6  # a step that needs no more may be followed by a larger one


@dataclass(frozen=True)
class State:
    """What a failed step takes back."""

    u: np.ndarray
    laws: tuple[np.ndarray, ...]


class Problem:
    """Find u such that the form vanishes for every test function.

    Parameters
    ----------
    form : ufl.Form
        ``law.residual(v)`` with the user's other terms. Terms that hold neither the unknown nor a law are dead
        loads: they grow with the load factor, like the Dirichlet values. Everything else counts in full from the start.
    law : UserMaterial or sequence, optional
        The laws in the form; none for a purely native form.
    u : dolfinx.fem.Function, optional
        The unknown, where it is not simply the law's displacement (a mixed Function, a native form).
    bcs : sequence of DirichletBC
        Boundary conditions.
    jacobian : ufl.Form, optional
        Derivative of the form without the laws' tangents (``law.material_jacobian``), where ``ufl.derivative`` is
        not to be used.
    load_factor : dolfinx.fem.Constant, optional
        A Constant in the form that the solve takes from 0 to 1; dead loads are then left as they are written.
    petsc_options : dict, optional
        Any options of SNES, KSP and PC, without prefix. The defaults are Newton with a line search and a direct solver.

    Attributes
    ----------
    load : float
        Part of the load reached so far.
    newton : Newton
        PETSc's objects and the callbacks.

    Raises
    ------
    SolveError
        The pieces don't fit.
    """

    def __init__(
        self,
        form: Any,
        law: UserMaterial | Sequence[UserMaterial] | None = None,
        *,
        u: Any = None,
        bcs: Sequence[Any] = (),
        jacobian: Any = None,
        load_factor: Any = None,
        petsc_options: dict[str, Any] | None = None,
    ) -> None:
        self.laws = [law] if isinstance(law, UserMaterial) else list(law or ())
        self.u: Any = u if u is not None else (self.laws[0].u if self.laws else None)
        if not isinstance(self.u, fem.Function):
            raise SolveError("the unknown is not a Function: pass u=, the Function that the form is to be solved for")
        self.mesh = self.u.function_space.mesh
        self.bcs = list(bcs)
        self.load_factor = load_factor if load_factor is not None else fem.Constant(self.mesh, default_scalar_type(1.0))
        self.form = form if load_factor is not None else with_load_factor(form, self.u, self.laws, self.load_factor)
        self.load = 0.0
        self._solved_before = False
        self._compile(jacobian, petsc_options or {})

    def _compile(self, jacobian: Any, options: dict[str, Any]) -> None:
        space = self.u.function_space
        du, (v,) = ufl.TrialFunction(space), self.form.arguments()
        J = ufl.derivative(self.form, self.u, du) if jacobian is None else jacobian
        J = add_tangents(J, self.laws, self.u, du, v)
        self._residual = fem.form(self.form)
        self._jacobian = fem.form(J)
        self.newton = Newton(self._residual, self._jacobian, self.u, self.bcs, self.laws, options)

    # ---- solving ---------------------------------------------------------------------------------------------------------

    def solve(
        self,
        *,
        steps: int = 1,
        ramp: Callable[[float], None] | None = None,
        smallest_step: float = 1e-4,
        progress: bool = False,
        checkpoint: str | Path | None = None,
        checkpoint_every: int = 1,
        on_step: Callable[[StepRecord], None] | None = None,
    ) -> SolveResult:
        """Load from the present state to the full load.

        Parameters
        ----------
        steps : int
            Steps of equal size to begin with. A step that fails is taken back, state and all, and tried with half
            the size; steps that converge quickly grow again.
        ramp : callable, optional
            Called with the load in (0, 1] before each step, to set the user's own Constants and Functions; boundary
            values and loads are then taken as they stand. Without it both grow in proportion.
        smallest_step : float
            Part of the load below which a failing step is given up.
        progress : bool
            Show a line on rank 0.
        checkpoint : path, optional
            Folder to write the state to after every ``checkpoint_every`` steps, when the user interrupts, and at the
            end.
        on_step : callable, optional
            Called after each converged step, on all ranks.

        Returns
        -------
        SolveResult
            The outcome by name; ``.require()`` turns a failure into an exception.
        """
        if steps < 1 or not 0 < smallest_step <= 1:
            raise SolveError(
                f"steps={steps}, smallest_step={smallest_step}: needed are at least 1 step and a part of the load in (0, 1]"
            )
        if self.load >= 1.0:
            self.load = 0.0
        run = _Run(self, 1.0 / steps, ramp)
        with Interrupt(self.newton) as interrupt, Progress(self, enabled=progress) as line:
            self.newton.on_iteration = line.iteration
            while self.load < 1.0 and run.trouble is None:
                record = run.step(smallest_step)
                if record is None:
                    continue
                line.step(record, run.size)
                if checkpoint is not None and (len(run.records) % checkpoint_every == 0 or self.load >= 1.0):
                    checkpoints.write(self, checkpoint)
                if on_step is not None:
                    on_step(record)
                if interrupt.seen(self.mesh.comm) and self.load < 1.0:
                    run.trouble = Trouble(Outcome.INTERRUPTED, "interrupted")
            if checkpoint is not None and run.trouble is not None:
                checkpoints.write(self, checkpoint)
        self._solved_before = self.load >= 1.0 or self._solved_before
        return run.result()

    def restart(self, checkpoint: str | Path) -> float:
        """Take the state of a checkpoint, written on any number of ranks; the next ``solve`` goes on from its load.

        Returns
        -------
        float
            Part of the load reached there.

        Raises
        ------
        SolveError
            There is no usable checkpoint, or it belongs to another mesh or element.
        """
        return checkpoints.read(self, checkpoint)

    def resume_at(self, load: float) -> None:
        """Count a part of the load as reached: the displacement is the solution there."""
        self.load = load
        self._solved_before = load >= 1.0

    # ---- results ---------------------------------------------------------------------------------------------------------

    def reaction(self, where: Any, tag: int | None = None) -> np.ndarray:
        """Force that the support exerts on the body, component by component; see ``constitutive.fem.reactions``."""
        return reaction_force(self, where, tag)

    def state(self) -> State:
        """Copy of the present state."""
        return State(self.u.x.array.copy(), tuple(law.snapshot() for law in self.laws))

    def take_back(self, state: State) -> None:
        """Take back to a state."""
        self.u.x.array[:] = state.u
        for law, snapshot in zip(self.laws, state.laws, strict=True):
            law.restore(snapshot)

    def set_load(self, load: float, ramp: Callable[[float], None] | None) -> None:
        """Set the loads of a part of the way."""
        if ramp is not None:
            ramp(load)
        self.load_factor.value = load if not self._solved_before and ramp is None else 1.0


class _Run:
    """The steps of one solve."""

    def __init__(self, problem: Problem, size: float, ramp: Callable[[float], None] | None) -> None:
        self.problem, self.size, self.largest, self.ramp = problem, size, size, ramp
        self.records: list[StepRecord] = []
        self.cutbacks = 0
        self.trouble: Trouble | None = None

    def step(self, smallest: float) -> StepRecord | None:
        """Try one step: its record, or None after taking it back."""
        problem = self.problem
        before, from_load = problem.state(), problem.load
        load = min(1.0, from_load + self.size)
        load = 1.0 if 1.0 - load < 1e-9 else load
        problem.set_load(load, self.ramp)
        end = problem.newton.boundary_values()
        part = 1.0 if self.ramp is not None else (load - from_load) / (1.0 - from_load)
        target = before.u + part * (end - before.u) if part < 1.0 else end
        trouble, iterations, norms = problem.newton.solve(target, part)
        if trouble is not None:
            problem.take_back(before)
            problem.set_load(from_load, self.ramp)
            self._cut_back(trouble, smallest)
            return None
        problem.load = load
        record = StepRecord(load, iterations, norms, *_strains(problem))
        self.records.append(record)
        if iterations <= FEW_ITERATIONS:
            self.size = min(2 * self.size, self.largest)
        return record

    def _cut_back(self, trouble: Trouble, smallest: float) -> None:
        final = trouble.outcome in (Outcome.INTERRUPTED, Outcome.FAILED)
        if final or self.size / 2 < smallest:
            self.trouble = trouble
            return
        self.size /= 2
        self.cutbacks += 1

    def result(self) -> SolveResult:
        """Put the outcome into words."""
        outcome = Outcome.CONVERGED if self.trouble is None else self.trouble.outcome
        reason = self._reason(outcome)
        return SolveResult(outcome, reason, self.problem.load, tuple(self.records), self.cutbacks)

    def _reason(self, outcome: Outcome) -> str:
        if self.trouble is None:
            outside = self.records[-1].outside if self.records else 0
            note = f"; {outside} points are outside the domain of their law: see field('outside_domain')" if outside else ""
            return f"converged in {len(self.records)} steps{note}"
        place = f" ({self.trouble.message})" if self.trouble.message and outcome is not Outcome.INTERRUPTED else ""
        return f"{outcome.value}{place} at {self.problem.load:.4g} of the load, next step {self.size:.2g}; {ADVICE[outcome]}"


def _strains(problem: Problem) -> tuple[float, int]:
    worst = max((law.worst_strain() for law in problem.laws), default=0.0)
    return worst, sum(law.count_outside() for law in problem.laws)


def with_load_factor(form: Any, u: Any, laws: Sequence[UserMaterial], factor: Any) -> Any:
    """Multiply the dead loads of a form: the terms that hold neither the unknown nor a law's stress."""
    living = {u, *(law.stress for law in laws)}
    pieces = []
    for integral in form.integrals():
        parts = _terms(integral.integrand())
        dead = [part for part in parts if not living & set(ufl.algorithms.extract_coefficients(part))]
        if dead:
            rest = [part for part in parts if not any(part is other for other in dead)]
            total = factor * sum(dead[1:], dead[0])
            integral = integral.reconstruct(integrand=sum(rest, total))
        pieces.append(integral)
    return ufl.Form(pieces)


def _terms(integrand: Any) -> list[Any]:
    if isinstance(integrand, ufl.algebra.Sum):
        return [term for operand in integrand.ufl_operands for term in _terms(operand)]
    return [integrand]


def solve(
    form: Any, law: UserMaterial | Sequence[UserMaterial] | None = None, *, steps: int = 1, progress: bool = False, **options: Any
) -> SolveResult:
    """Set up a ``Problem`` and solve it in one call.

    Parameters
    ----------
    form, law
        See ``Problem``.
    steps, progress
        See ``Problem.solve``.
    **options
        Of ``Problem``: ``u``, ``bcs``, ``jacobian``, ``load_factor``, ``petsc_options``.
    """
    return Problem(form, law, **options).solve(steps=steps, progress=progress)
