"""Steps along a load path whose load is an unknown; see ``path_control``."""

from __future__ import annotations

import numpy as np
from mpi4py import MPI

from constitutive.errors import SolveError
from constitutive.fem.faults import Trouble
from constitutive.fem.load_path import load_rates, solve_linear
from constitutive.fem.load_steps import Loading, State
from constitutive.fem.outcome import ADVICE, Outcome, SolveResult, StepRecord
from constitutive.fem.path_control import AlongShape, ArcLength, Control, condition_of, stopped

ITERATIONS = 15  # of a step
WANTED = 5  # iterations of a step: the next one is longer after fewer
ACCURACY = 1e-9  # of the residual, relative to the largest force


class PathSteps:
    """The steps of one solve along a path.

    Parameters
    ----------
    loading : Loading
        At a state on the path from zero load.
    control : control
    steps : int
        The first step is that of 1/steps of the load or, with displacement control, of the way.
    smallest : float
        Part of the first step below which a failing step is given up.
    """

    def __init__(self, loading: Loading, control: Control, steps: int, smallest: float) -> None:
        if not loading.from_zero:
            raise SolveError("the loads were changed between solves: a path is one from zero load; make a new Problem")
        self.loading, self.newton, self.control, self.smallest = loading, loading.newton, control, smallest
        self.newton.require_plain("control of a path")
        self.condition, self.left = condition_of(control, self.newton)
        self.newton.held_back = None
        self.records: list[StepRecord] = []
        self.cutbacks = 0
        self.trouble: Trouble | None = None
        self.done = self.left == 0.0
        self._rates: tuple[np.ndarray, np.ndarray] | None = None
        self._last: np.ndarray | None = None  # displacement of the step before
        self._last_load = 0.0
        self._force = 0.0
        self._first = self.size = 0.0 if isinstance(control, ArcLength) else self.left / steps
        self._steps = steps

    def step(self) -> StepRecord | None:
        """Try one step: its record, or None where it failed and the state was restored; collective.

        Returns
        -------
        StepRecord or None
        """
        before, load = self.loading.state(), self.loading.load
        self._set_load(load)
        found = self._solve(before, load)
        if isinstance(found, Trouble):
            self.loading.take_back(before, load)
            self._cut_back(found)
            return None
        iterations, norms = found
        self._last, self._last_load = self.newton.u.x.array - before.u, self.loading.load - load
        if not isinstance(self.control, ArcLength):
            self.left -= self.size
        if isinstance(self.control, ArcLength) and self.control.until is None and self.loading.load >= 1.0:
            iterations += self._end_at_full_load(before, load)
        self._finish(iterations)
        laws = self.newton.laws
        worst, outside = max((law.worst_strain() for law in laws), default=0.0), sum(law.count_outside() for law in laws)
        record = StepRecord(self.loading.load, iterations, norms, worst, outside)
        self.records.append(record)
        return record

    def _finish(self, iterations: int) -> None:
        """Choose the next step, and find whether this was the last one."""
        control = self.control
        if not isinstance(control, ArcLength):
            self.done = abs(self.left) <= 1e-9 * abs(self._first)
            grown = self.size * (2.0 if iterations <= WANTED else 1.0)
            self.size = np.sign(self.left) * min(abs(grown), abs(self._first), abs(self.left))
            return
        self.done = stopped(self.newton, control.until, self.loading.load) if control.until else self.loading.load >= 1.0
        self.size = min(self.size * min(2.0, max(0.5, np.sqrt(WANTED / max(iterations, 1)))), control.largest * self._first)
        if not self.done and len(self.records) + 1 >= control.most_steps:
            self.trouble = Trouble(Outcome.STEPS, f"{control.most_steps} steps")

    def _set_load(self, load: float) -> None:
        self.loading.load = load
        self.loading.factor.value = load

    def _linearise(self) -> tuple[np.ndarray, np.ndarray] | Trouble:
        """Displacement that removes the residual, and the tangent of the path, at the present state."""
        newton = self.newton
        trouble = newton.update_laws(tangent=False)
        if trouble is not None:
            return trouble
        force, values = load_rates(self.loading)
        if self._rates is None:
            self._rates = (force, values)
        values = self._rates[1]  # boundary values grow in proportion
        trouble = newton.update_laws(tangent=True)
        if trouble is not None:
            return trouble
        residual = newton.assemble_residual()[: newton.owned].copy()
        self._force = max(self._force, self._norm(residual), self._norm(force) * abs(self.loading.load))
        residual[newton.constrained_and_owned] = 0.0
        self._norms.append(self._norm(residual))
        newton.assemble_jacobian()
        try:
            return solve_linear(newton, -residual), solve_linear(newton, -force, values)
        except SolveError as error:
            return Trouble(Outcome.LINEAR_SOLVER, str(error))

    def _norm(self, x: np.ndarray) -> float:
        return float(np.sqrt(self.newton.comm.allreduce(float(x @ x), op=MPI.SUM)))

    def _solve(self, before: State, load: float) -> tuple[int, tuple[float, ...]] | Trouble:
        """Predict along the path's tangent (a shape at first), and correct."""
        self._norms: list[float] = []
        linear = self._linearise()
        if isinstance(linear, Trouble):
            return linear
        tangent = linear[1]
        if isinstance(self.control, ArcLength) and not self._first:
            self._first = self.size = self.condition.size_of(tangent) / self._steps
            if not self._first:
                raise SolveError(
                    "nothing grows with the load: the problem has no dead load, load factor or boundary value that is not zero"
                )
        change, load_change = self._predict(tangent)
        for iteration in range(1, ITERATIONS + 1):
            self.newton.u.x.array[:] = before.u + change
            self._set_load(load + load_change)
            linear = self._linearise()
            if isinstance(linear, Trouble):
                return linear
            if self._norms[-1] <= ACCURACY * self._force and iteration > 1:
                return iteration, tuple(self._norms)
            corrected = change + linear[0]
            more = self.condition.load_change(corrected, linear[1], self.size, change)
            if more is None or not np.isfinite(more):
                return Trouble(Outcome.DIVERGED, "no load fulfils the condition on the step")
            change, load_change = corrected + more * linear[1], load_change + more
        return Trouble(Outcome.DIVERGED, f"{ITERATIONS} iterations")

    def _predict(self, tangent: np.ndarray) -> tuple[np.ndarray, float]:
        if isinstance(self.control, AlongShape):
            if self._last is None:
                return self.size * self.control.shape.x.array, 0.0
            part = self.size / self.condition.size_of(self._last)
            return part * self._last, part * self._last_load
        along = self.condition.size_of(tangent)
        part = self.size / along if along else 0.0
        if isinstance(self.control, ArcLength) and self._last is not None and self.condition.dot(tangent, self._last) < 0:
            part = -part
        return part * tangent, part

    def _end_at_full_load(self, before: State, load: float) -> int:
        """Go back to the whole load, which the last step passed, at fixed load; the state is left where that fails."""
        passed = self.loading.state(), self.loading.load
        part = (1.0 - load) / (self.loading.load - load)
        self.newton.u.x.array[:] = before.u + part * (self.newton.u.x.array - before.u)
        self._set_load(1.0)
        trouble, iterations, _ = self.newton.solve(self.newton.boundary_values(), 1.0)
        if trouble is not None:
            self.loading.take_back(*passed)
            self._set_load(passed[1])
        return iterations

    def _cut_back(self, trouble: Trouble) -> None:
        final = trouble.outcome in (Outcome.INTERRUPTED, Outcome.FAILED)
        if final or abs(self.size) / 2 < self.smallest * abs(self._first):
            self.trouble = trouble
            return
        self.size, self.cutbacks = self.size / 2, self.cutbacks + 1

    def result(self) -> SolveResult:
        """The result with its reason in words.

        Returns
        -------
        SolveResult
        """
        load = self.loading.load
        if self.trouble is None:
            reason = f"converged in {len(self.records)} steps, at {load:.6g} of the load"
            return SolveResult(Outcome.CONVERGED, reason, load, tuple(self.records), self.cutbacks)
        outcome = self.trouble.outcome
        reason = f"{outcome.value} ({self.trouble.message}) at {load:.4g} of the load; {ADVICE[outcome]}"
        return SolveResult(outcome, reason, load, tuple(self.records), self.cutbacks)
