r"""Load steps: the path from the present loads to the full ones, in steps that shrink and grow as needed.

The first solve multiplies dead loads by the load t and moves Dirichlet values in proportion. A later one begins at a state
u₀ that is in equilibrium with other loads. With the full loads its residual is :math:`R(u_0) = r_0`, and the path is

.. math:: R(u) = (1 - t)\,r_0, \qquad 0 \le t \le 1.

For dead loads this is their change in proportion, since :math:`r_0` is then the old load less the new one; loads that
follow the body and stress-free deformations that were changed between solves are taken on in the same way.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from dolfinx import fem

from constitutive.fem.collective import agreed
from constitutive.fem.faults import Trouble
from constitutive.fem.newton import Newton
from constitutive.fem.outcome import ADVICE, Outcome, SolveResult, StepRecord

FEW_ITERATIONS = 6  # a step that needs no more may be followed by a larger one
Ramp = Callable[[float], None]


@dataclass(frozen=True)
class State:
    """The state that is restored after a failed step.

    Attributes
    ----------
    u : array
        Local entries of the unknown.
    laws : tuple of array
        Snapshot of each law.
    """

    u: np.ndarray
    laws: tuple[np.ndarray, ...]


class Loading:
    """The loads of a problem, and the part of them that is reached.

    Parameters
    ----------
    newton : Newton
        The system.
    factor : dolfinx.fem.Constant
        Multiplies the dead loads, or is the user's own.
    own : bool
        Whether the factor is the user's own, so that dead loads are left as they are written.
    dead : bool
        Whether the form has dead loads that the factor multiplies.
    """

    def __init__(self, newton: Newton, factor: fem.Constant, *, own: bool, dead: bool) -> None:
        self.newton, self.factor, self.own, self.dead = newton, factor, own, dead
        self.load = 0.0
        self._reached_before = False
        self._ramp: Ramp | None = None
        self._by_factor = True
        self._start = 0.0  # load at which the unbalanced force was measured
        self._unbalanced: np.ndarray | None = None
        self._dead_start: np.ndarray | None = None  # dead loads at the start and at the end of the path
        self._dead_end: np.ndarray | None = None

    @property
    def from_zero(self) -> bool:
        """Whether the loads reached are a part of the present ones, on the path from zero."""
        return self._ramp is None and (self._by_factor or (self.load == 0.0 and not self._reached_before))

    def state(self) -> State:
        """Copy of the present state.

        Returns
        -------
        State
        """
        return State(self.newton.u.x.array.copy(), tuple(law.snapshot() for law in self.newton.laws))

    def take_back(self, state: State, load: float) -> None:
        """Restore a state and its loads.

        Parameters
        ----------
        state : State
        load : float
            Part of the load of that state.
        """
        self.newton.u.x.array[:] = state.u
        for law, snapshot in zip(self.newton.laws, state.laws, strict=True):
            law.restore(snapshot)
        self.set_load(load)

    def resume_at(self, load: float) -> None:
        """Count a part of the load as reached: the displacement is the solution there.

        Parameters
        ----------
        load : float
            0 to 1.
        """
        self.load, self._reached_before = load, load >= 1.0
        self._dead_start = self._dead_end = self.newton.held_back = None

    def begin(self, ramp: Ramp | None) -> None:
        """Begin a path at the present state, which is in equilibrium with the loads reached; collective.

        Parameters
        ----------
        ramp : callable, optional
            The user's own, called with the load in (0, 1].
        """
        reached = self._present_dead_load()
        if self.load >= 1.0:
            self.load, self._reached_before = 0.0, True
        fresh = self.load == 0.0 and not self._reached_before
        self._ramp, self._start, self._unbalanced = ramp, self.load, None
        self.newton.held_back = None
        self._by_factor = ramp is None and (fresh or (self.own and self.load > 0.0))
        self.factor.value = 1.0
        needed = self.dead or not self._by_factor
        if ramp is not None or not needed or self.newton.update_laws(tangent=False) is not None:
            return  # a law that fails here fails again in the first step, which then says so
        full = self.newton.assemble_residual()[: self.newton.owned].copy()
        end = self._dead_load(full)
        start = np.zeros_like(end) if fresh else self.load * end if reached is None else reached
        self._dead_start, self._dead_end = start, end
        if not self._by_factor:
            held = self.newton.constrained_and_owned
            full[held] = (end - start)[held]  # supports carry the dead loads of their own nodes
            self._unbalanced = full

    def _dead_load(self, full: np.ndarray) -> np.ndarray:
        """What the factor multiplies in the residual: the residual is affine in it."""
        if not self.dead:
            return np.zeros_like(full)
        self.factor.value = 0.0
        without = self.newton.assemble_residual()[: self.newton.owned].copy()
        self.factor.value = 1.0
        return full - without

    def _present_dead_load(self) -> np.ndarray | None:
        if self._dead_start is None or self._dead_end is None:
            return None
        part = (self.load - self._start) / (1.0 - self._start)
        return self._dead_start + part * (self._dead_end - self._dead_start)

    def set_load(self, load: float) -> None:
        """Set the loads of a part of the way; an error in the user's ramp is raised on all ranks; collective.

        Parameters
        ----------
        load : float
            In (0, 1].
        """
        ramp = self._ramp
        if ramp is not None:
            agreed(self.newton.comm, lambda: ramp(load))
        self.factor.value = load if self._by_factor else 1.0
        left = (1.0 - load) / (1.0 - self._start)
        self.newton.held_back = None if self._unbalanced is None or left <= 0.0 else left * self._unbalanced

    def target(self, state: State, load: float) -> tuple[np.ndarray, float]:
        """Boundary values of a load, and the part of the way from the present ones to the full ones that they are.

        Parameters
        ----------
        state : State
            The present one.
        load : float
            To be reached.

        Returns
        -------
        values : array
            Over all local degrees of freedom.
        part : float
            In (0, 1].
        """
        end = self.newton.boundary_values()
        part = 1.0 if self._ramp is not None else (load - self.load) / (1.0 - self.load)
        return (state.u + part * (end - state.u) if part < 1.0 else end), part


class LoadSteps:
    """The steps of one solve.

    Parameters
    ----------
    loading : Loading
        Begun at the present state.
    size : float
        Of the first step, and the largest.
    smallest : float
        Part of the load below which a failing step is given up.
    """

    def __init__(self, loading: Loading, size: float, smallest: float) -> None:
        self.loading, self.size, self.largest, self.smallest = loading, size, size, smallest
        self.records: list[StepRecord] = []
        self.cutbacks = 0
        self.trouble: Trouble | None = None
        self._failed_before = False

    @property
    def done(self) -> bool:
        """Whether the whole load is reached."""
        return self.loading.load >= 1.0

    def step(self) -> StepRecord | None:
        """Try one step: its record, or None where it failed and the state was restored.

        Returns
        -------
        StepRecord or None
        """
        loading, newton = self.loading, self.loading.newton
        before = loading.state()
        load = min(1.0, loading.load + self.size)
        load = 1.0 if 1.0 - load < 1e-9 else load
        loading.set_load(load)
        target, part = loading.target(before, load)
        trouble, iterations, norms = newton.solve(target, part)
        if trouble is not None and self._failed_before and newton.may_backtrack(trouble):
            loading.take_back(before, load)
            trouble, iterations, norms = newton.solve(target, part, backtracking=True)
        self._failed_before = trouble is not None
        if trouble is not None:
            loading.take_back(before, loading.load)
            self._cut_back(trouble)
            return None
        loading.load = load
        record = StepRecord(load, iterations, norms, *self._strains())
        self.records.append(record)
        if iterations <= FEW_ITERATIONS:
            self.size = min(2 * self.size, self.largest)
        return record

    def _strains(self) -> tuple[float, int]:
        laws = self.loading.newton.laws
        worst = max((law.worst_strain() for law in laws), default=0.0)
        return worst, sum(law.count_outside() for law in laws)

    def _cut_back(self, trouble: Trouble) -> None:
        final = trouble.outcome in (Outcome.INTERRUPTED, Outcome.FAILED)
        if final or self.size / 2 < self.smallest:
            self.trouble = trouble
            return
        self.size /= 2
        self.cutbacks += 1

    def result(self) -> SolveResult:
        """The result with its reason in words.

        Returns
        -------
        SolveResult
        """
        outcome = Outcome.CONVERGED if self.trouble is None else self.trouble.outcome
        return SolveResult(outcome, self._reason(outcome), self.loading.load, tuple(self.records), self.cutbacks)

    def _reason(self, outcome: Outcome) -> str:
        if self.trouble is None:
            outside = self.records[-1].outside if self.records else 0
            note = f"; {outside} points are outside the domain of their law: see field('outside_domain')" if outside else ""
            return f"converged in {len(self.records)} steps{note}"
        place = f" ({self.trouble.message})" if self.trouble.message and outcome is not Outcome.INTERRUPTED else ""
        return f"{outcome.value}{place} at {self.loading.load:.4g} of the load, next step {self.size:.2g}; {ADVICE[outcome]}"
