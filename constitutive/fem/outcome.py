"""The result of a solve: a named outcome with its reason, and the history of its steps."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from constitutive.errors import SolveError


class Outcome(Enum):
    """How a solve ended."""

    CONVERGED = "converged"
    OUTSIDE_DOMAIN = "strains left the domain of a law that stops there (outside='raise')"
    INVERTED = "an element turned inside out (J ≤ 0) at every step size tried"
    NOT_FINITE = "a strain or stress was not finite at every step size tried"
    DIVERGED = "Newton's method found no solution at every step size tried"
    LINEAR_SOLVER = "the linear solver failed at every step size tried"
    STEPS = "the largest number of steps along the path was taken"
    INTERRUPTED = "stopped by the user"
    FAILED = "a rank raised an error"


ADVICE = {
    Outcome.OUTSIDE_DOMAIN: "calibrate on larger strains, load less, or pass outside='warn' (use the law as it is) or 'extend'",
    Outcome.INVERTED: "refine or smooth the mesh there, load in more steps, or look for a boundary condition that folds the body",
    Outcome.NOT_FINITE: "look at the loads and boundary values for NaN, and at the law's figures at this strain",
    Outcome.DIVERGED: "take more steps; where it buckles or softens they don't help; check that rigid motions are held",
    Outcome.LINEAR_SOLVER: "check that rigid motions are held; iterative solvers may need a better preconditioner or pc_type='lu'",
    Outcome.STEPS: "call solve again with ArcLength(most_steps=…), or take longer steps",
    Outcome.INTERRUPTED: "call solve again (or restart from the checkpoint) to go on",
    Outcome.FAILED: "remove the cause; the state is that of the last converged step",
}


@dataclass(frozen=True)
class StepRecord:
    """One converged load step.

    Attributes
    ----------
    load : float
        Part of the load reached, 0 to 1.
    iterations : int
        Newton iterations.
    norms : tuple of float
        Residual norms, one per iterate, in units of force.
    worst_strain : float
        Largest Frobenius norm of the strain at a point.
    outside : int
        Points outside the domain of their law.
    """

    load: float
    iterations: int
    norms: tuple[float, ...]
    worst_strain: float
    outside: int


@dataclass(frozen=True)
class SolveResult:
    """How a solve ended and how it got there.

    Attributes
    ----------
    outcome : Outcome
        The end, by name.
    reason : str
        What happened, where, and what to try.
    load : float
        Part of the load reached, 0 to 1; the displacement is the solution there.
    steps : tuple of StepRecord
        Converged steps.
    cutbacks : int
        Steps that failed and were tried again with half the size.
    """

    outcome: Outcome
    reason: str
    load: float
    steps: tuple[StepRecord, ...] = field(repr=False)
    cutbacks: int = 0

    @property
    def converged(self) -> bool:
        """Whether the whole load was reached."""
        return self.outcome is Outcome.CONVERGED

    @property
    def iterations(self) -> int:
        """Newton iterations of all converged steps."""
        return sum(step.iterations for step in self.steps)

    def require(self) -> SolveResult:
        """Give the result back if it converged.

        Returns
        -------
        SolveResult
            Itself.

        Raises
        ------
        SolveError
            It did not; the message is the reason.
        """
        if not self.converged:
            raise SolveError(self.reason)
        return self
