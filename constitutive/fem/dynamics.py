r"""Motion in time: M ü + C u̇ + R(u, t) = 0 from the present state of a problem.

Implicit schemes (generalised α, of which HHT, Newmark and the mid-point rule are cases; see ``time_schemes``) solve each step by the
problem's own Newton method; the explicit one (``explicit``) needs residuals only. Unknowns without inertia, such as an electric potential,
are in equilibrium with the displacement at each instant (quasi-static electromagnetism), and circuits of electrodes follow by the
trapezoidal rule; both need an implicit scheme. Rayleigh's damping is :math:`C = c_M M + c_K K_0`
with the stiffness at the state in which the ``Dynamics`` is made.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TypeAlias

import numpy as np
from dolfinx import fem
from petsc4py import PETSc

from constitutive.errors import SolveError
from constitutive.fem import checkpoint as checkpoints
from constitutive.fem import time_schemes
from constitutive.fem.collective import agreed
from constitutive.fem.eigen import clear_supports
from constitutive.fem.faults import Trouble
from constitutive.fem.inertia import Density, density_field, mass_matrix
from constitutive.fem.linear_terms import LinearTerm, LinearTerms
from constitutive.fem.load_path import require_law
from constitutive.fem.outcome import ADVICE, Outcome
from constitutive.fem.problem import Problem
from constitutive.fem.progress import Interrupt
from constitutive.fem.time_outcome import DynamicsResult, TimeRecord
from constitutive.fem.time_schemes import TimeScheme
from constitutive.fem.time_steps import ExplicitSteps, ImplicitSteps, State, Stepper

Loads: TypeAlias = Callable[[float], None]
NAMED: dict[str, Callable[[float], TimeScheme]] = {
    "generalised_alpha": time_schemes.generalised_alpha,
    "hht": time_schemes.hht,
    "newmark": lambda _: time_schemes.newmark(),
    "midpoint": lambda _: time_schemes.midpoint(),
}
EXPLICIT = "explicit"
EXPLICIT_PART = 0.9  # of the stable step, by default
RE_ESTIMATE = 200  # explicit steps between estimates of the stable one


class Dynamics:
    """Motion of a problem's body from its present state.

    Parameters
    ----------
    problem : Problem
        Its dead loads act in full; ``loads`` of ``run`` changes the user's own Constants and Functions with time. Between runs in time
        it is not to be solved for statics.
    density : float, Constant or Function, optional
        In kg/m³ of the reference configuration; by default that of each crystal's structure.
    scheme : {"generalised_alpha", "hht", "newmark", "midpoint", "explicit"} or TimeScheme
        Newmark's is the average acceleration.
    spectral_radius : float
        Numerical damping of "generalised_alpha" (0 to 1) and "hht" (½ to 1): factor of the amplitude per step at high frequencies.
    rayleigh : (float, float)
        c_M in 1/s and c_K in s of the damping matrix c_M M + c_K K₀.
    length_unit : {"m", "cm", "mm", "um", "nm"}
        Of the mesh.
    unit : {"GPa", "MPa", "kPa", "Pa"}, optional
        Of stress, where the form has no law to state it.

    Attributes
    ----------
    velocity, acceleration : dolfinx.fem.Function
        In lengths of the mesh per second and second squared. Set the velocity before the first run for an initial one.
    time : float
        Seconds.

    Raises
    ------
    SolveError
        An option is not one of those above, or the density is not known.
    MaterialError
        No density is given and a material has no structure.
    """

    def __init__(
        self,
        problem: Problem,
        *,
        density: Density | None = None,
        scheme: str | TimeScheme = "generalised_alpha",
        spectral_radius: float = 0.8,
        rayleigh: tuple[float, float] = (0.0, 0.0),
        length_unit: str = "mm",
        unit: str | None = None,
    ) -> None:
        problem.newton.require_movable()
        self.problem, self.time = problem, 0.0
        self.velocity = fem.Function(problem.u.function_space, name="velocity")
        self.acceleration = fem.Function(problem.u.function_space, name="acceleration")
        self._state = State(problem.u, self.velocity, self.acceleration)
        explicit = scheme == EXPLICIT
        by_mass, by_stiffness = _checked_rayleigh(rayleigh, explicit=explicit)
        chosen = None if explicit else _scheme(scheme, spectral_radius)
        problem.load_factor.value = 1.0
        rho = density_field(problem, density, unit=unit, length_unit=length_unit)
        terms = _linear_terms(problem, mass_matrix(problem, rho), by_mass, by_stiffness)
        self._stepper: Stepper = ImplicitSteps(problem, terms, chosen) if chosen else ExplicitSteps(problem, terms, by_mass)
        self._work = self._damped = 0.0
        self._started = False

    def stable_step(self) -> float:
        """Largest stable step of the explicit scheme at the present state, by the tangent; collective.

        Returns
        -------
        float
            Seconds.

        Raises
        ------
        SolveError
            The scheme is implicit and stable at any step, or the law fails here.
        """
        if not isinstance(self._stepper, ExplicitSteps):
            raise SolveError(
                "only the explicit scheme has a largest stable step; choose that of an implicit one by the motion to be resolved"
            )
        return self._stepper.stable_step()

    def run(
        self,
        until: float,
        step: float | None = None,
        *,
        loads: Loads | None = None,
        tolerance: float | None = None,
        smallest_step: float | None = None,
        record_every: int = 1,
        checkpoint: str | Path | None = None,
        checkpoint_every: int = 10,
        on_step: Callable[[TimeRecord], None] | None = None,
    ) -> DynamicsResult:
        """Go on in time.

        Parameters
        ----------
        until : float
            Seconds at the end.
        step : float, optional
            Seconds of a step, at first where ``tolerance`` is given. The explicit scheme takes 0.9 of its stable step by default, estimated
            anew every 200 steps.
        loads : callable, optional
            Called with a time in seconds, to set the user's own Constants and Functions in loads and boundary values.
        tolerance : float, optional
            Accepted local error of the displacement in a step, relative to the largest displacement so far: steps are then cut and
            grow by it (Zienkiewicz & Xie, Earthq. Eng. Struct. Dyn. 20 (1991) 871, eq. 15). Implicit schemes only.
        smallest_step : float, optional
            Seconds below which a failing step is given up; 1e-4 of ``step`` by default.
        record_every : int
            Steps from one record of energies to the next.
        checkpoint : path, optional
            Folder for the state, after every ``checkpoint_every`` steps, at the end, and when the user interrupts.
        checkpoint_every : int
            Steps from one checkpoint to the next.
        on_step : callable, optional
            Called with each record, on all ranks.

        Returns
        -------
        DynamicsResult
            The outcome by name; ``.require()`` turns a failure into an exception.

        Raises
        ------
        SolveError
            A time, step or tolerance is not positive and finite, or the explicit step is above the stable one.
        """
        size = self._checked_step(until, step, tolerance)
        _require_counts(record_every=record_every, checkpoint_every=checkpoint_every)
        if checkpoint is not None:
            checkpoints.require_cells_everywhere(self.problem.u)
        run = _Run(self, until, size, smallest_step or 1e-4 * size, tolerance, _agreed_loads(self.problem, loads), fixed=step is not None)
        with Interrupt(self.problem.newton) as interrupt:
            run.start()
            while self.time < until and run.trouble is None:
                if not run.step():
                    continue
                if run.steps % record_every == 0 or self.time >= until:
                    record = self._record(run)
                    run.records.append(record)
                    if on_step is not None:
                        agreed(self.problem.mesh.comm, partial(on_step, record))
                if checkpoint is not None and (run.steps % checkpoint_every == 0 or self.time >= until):
                    self.write_checkpoint(checkpoint)
                if interrupt.seen(self.problem.mesh.comm) and self.time < until:
                    run.trouble = Trouble(Outcome.INTERRUPTED, "interrupted")
            if checkpoint is not None and run.trouble is not None:
                self.write_checkpoint(checkpoint)
        self._stepper.leave()
        return run.result()

    def _checked_step(self, until: float, step: float | None, tolerance: float | None) -> float:
        explicit = isinstance(self._stepper, ExplicitSteps)
        if not np.isfinite(until) or until <= self.time:
            raise SolveError(f"until={until}: it has to be finite and later than the present time, {self.time:g} s")
        for name, value in (("step", step), ("tolerance", tolerance)):
            if value is not None and not (np.isfinite(value) and value > 0):
                raise SolveError(f"{name}={value}: it has to be positive and finite")
        if explicit and tolerance is not None:
            raise SolveError("tolerance= controls the steps of implicit schemes; the explicit one goes by its stable step")
        if not explicit:
            if step is None:
                raise SolveError("an implicit scheme needs step=, in seconds: a twentieth of the shortest period to be resolved is usual")
            return step
        stable = self.stable_step()
        if step is not None and step > stable:
            raise SolveError(f"step={step:g} s is above the stable step of the explicit scheme, {stable:.3g} s: give less, or leave it out")
        return EXPLICIT_PART * stable if step is None else step

    def _record(self, run: _Run) -> TimeRecord:
        strain = sum(law.total_energy() for law in self.problem.laws)
        kinetic = self._stepper.kinetic_energy(self._state.v)
        return TimeRecord(self.time, run.size, run.iterations, kinetic, strain, self._work, self._damped)

    # ---- checkpoints -----------------------------------------------------------------------------------------------------

    def write_checkpoint(self, folder: str | Path) -> None:
        """Write displacement, velocity, acceleration and time; collective.

        Parameters
        ----------
        folder : path
            Made where it does not exist.

        Raises
        ------
        SolveError
            The folder cannot be written.
        """
        numbers = {"time": self.time, "work": self._work, "damped": self._damped}
        also = {"velocity": self.velocity, "acceleration": self.acceleration}
        checkpoints.write(self.problem.u, self.problem.load, folder, also, numbers)

    def restart(self, folder: str | Path) -> float:
        """Take the state of a checkpoint, written on any number of ranks; the next ``run`` goes on from its time.

        Parameters
        ----------
        folder : path
            That ``run(checkpoint=…)`` wrote.

        Returns
        -------
        float
            Seconds reached there.

        Raises
        ------
        SolveError
            There is no usable checkpoint, it belongs to another mesh or element, or it holds no velocities.
        """
        self.problem.resume_at(checkpoints.read(self.problem.u, folder))
        numbers = checkpoints.read_also({"velocity": self.velocity, "acceleration": self.acceleration}, folder)
        self.time, self._work, self._damped = numbers["time"], numbers["work"], numbers["damped"]
        self._started = True
        return self.time


class _Run:
    """The steps of one run."""

    def __init__(
        self, dynamics: Dynamics, until: float, size: float, smallest: float, tolerance: float | None, loads: Loads, *, fixed: bool
    ) -> None:
        self.dynamics, self.until, self.size, self.smallest = dynamics, until, size, smallest
        self.tolerance, self.loads, self.fixed, self.stepper = tolerance, loads, fixed, dynamics._stepper
        self.records: list[TimeRecord] = []
        self.steps = self.cutbacks = self.iterations = 0
        self.trouble: Trouble | None = None
        self._largest = 0.0  # norm of the displacement

    def start(self) -> None:
        """Set the loads of the present time and find the acceleration there, where it is not known."""
        dynamics = self.dynamics
        self.loads(dynamics.time)
        dynamics.problem.load_factor.value, dynamics.problem.newton.held_back = 1.0, None
        dynamics.problem.newton.boundary_values()  # electrodes take their potentials
        if not dynamics._started:
            self.stepper.begin(dynamics._state)
            dynamics._started = True

    def step(self) -> bool:
        """Try one step: whether it was taken."""
        dynamics, left = self.dynamics, self.until - self.dynamics.time
        if self.fixed is False and self.steps and self.steps % RE_ESTIMATE == 0 and isinstance(self.stepper, ExplicitSteps):
            self.size = EXPLICIT_PART * self.stepper.stable_step()
        size = left if left <= self.size * (1 + 1e-9) else min(self.size, left / 2 if left < 2 * self.size else self.size)
        before = dynamics._state.copy()
        taken = self.stepper.step(dynamics._state, dynamics.time, size, self.loads)
        if isinstance(taken, Trouble):
            dynamics._state.restore(before)
            self._cut_back(taken, size / 2)
            return False
        if self.tolerance is not None and not self._accurate(taken.error, size):
            dynamics._state.restore(before)
            self.stepper.leave()
            self.loads(dynamics.time)
            return False
        self.iterations, self.steps = taken.iterations, self.steps + 1
        dynamics.time = self.until if size == left else dynamics.time + size
        dynamics._work += taken.work
        dynamics._damped += taken.damped
        return True

    def _accurate(self, error: float, size: float) -> bool:
        """Whether a step's local error is accepted; the next step's size follows from it."""
        norm = self.stepper.norm(self.dynamics._state.u)
        self._largest = max(self._largest, norm)
        ratio = error / max(self.tolerance * self._largest, 1e-300)  # type: ignore[operator] # the caller looks
        if ratio > 1.0:
            self._cut_back(
                Trouble(Outcome.DIVERGED, "the local error in time is above its tolerance"), size * max(0.3, 0.9 * ratio ** (-1 / 3))
            )
            return False
        self.size = size * min(2.0, max(0.5, 0.9 * max(ratio, 1e-3) ** (-1 / 3)))
        return True

    def _cut_back(self, trouble: Trouble, size: float) -> None:
        if trouble.outcome in (Outcome.INTERRUPTED, Outcome.FAILED) or size < self.smallest or isinstance(self.stepper, ExplicitSteps):
            self.trouble = trouble
            return
        self.size, self.cutbacks = size, self.cutbacks + 1

    def result(self) -> DynamicsResult:
        """The result with its reason in words."""
        time = self.dynamics.time
        if self.trouble is None:
            return DynamicsResult(
                Outcome.CONVERGED, f"reached {time:g} s in {self.steps} steps", time, tuple(self.records), self.steps, self.cutbacks
            )
        outcome = self.trouble.outcome
        reason = f"{outcome.value} ({self.trouble.message}) after {time:g} s, next step {self.size:.2g} s; {ADVICE[outcome]}"
        return DynamicsResult(outcome, reason, time, tuple(self.records), self.steps, self.cutbacks)


def _agreed_loads(problem: Problem, loads: Loads | None) -> Loads:
    if loads is None:
        return lambda time: None
    return lambda time: agreed(problem.mesh.comm, partial(loads, time))


def _scheme(scheme: str | TimeScheme, spectral_radius: float) -> TimeScheme:
    if isinstance(scheme, TimeScheme):
        return scheme
    if scheme not in NAMED:
        raise SolveError(f"scheme={scheme!r}: it is one of {', '.join(map(repr, [*NAMED, EXPLICIT]))}, or a TimeScheme")
    return NAMED[scheme](spectral_radius)


def _checked_rayleigh(rayleigh: Sequence[float], *, explicit: bool) -> tuple[float, float]:
    if len(rayleigh) != 2 or not all(np.isfinite(value) and value >= 0 for value in rayleigh):
        raise SolveError(f"rayleigh={tuple(rayleigh)}: two numbers, zero or more: c_M in 1/s and c_K in s")
    if explicit and rayleigh[1]:
        raise SolveError(
            "damping by stiffness is not explicit (it would cut the stable step): give rayleigh=(c_M, 0), or an implicit scheme"
        )
    return float(rayleigh[0]), float(rayleigh[1])


def _require_counts(**counts: int) -> None:
    for name, value in counts.items():
        if value < 1:
            raise SolveError(f"{name}={value}: at least 1")


def _clear_without_mass(stiffness: PETSc.Mat, mass: PETSc.Mat) -> None:
    """No damping of unknowns without inertia."""
    first, _ = mass.getOwnershipRange()
    rows = first + np.flatnonzero(mass.getDiagonal().array == 0.0)
    stiffness.setOption(PETSc.Mat.Option.KEEP_NONZERO_PATTERN, True)
    stiffness.zeroRowsColumns(rows.astype(PETSc.IntType), 0.0)


def _linear_terms(problem: Problem, mass: PETSc.Mat, by_mass: float, by_stiffness: float) -> LinearTerms:
    """Mass and damping matrix, each whole and without supports."""
    newton = problem.newton
    damping = mass.copy()
    damping.scale(by_mass)
    if by_stiffness:
        require_law(problem.newton, tangent=True)
        stiffness = newton.assemble_whole_jacobian()
        _clear_without_mass(stiffness, mass)
        damping.axpy(by_stiffness, stiffness)
    terms = []
    for matrix in (mass, damping):
        reduced = matrix.copy()
        clear_supports(problem, reduced)
        terms.append(LinearTerm(0.0, matrix, reduced))
    return LinearTerms(terms)
