"""The result of a run in time: a named outcome with its reason, and the energies of its steps."""

from __future__ import annotations

from dataclasses import dataclass, field

from constitutive.errors import SolveError
from constitutive.fem.outcome import Outcome


@dataclass(frozen=True)
class TimeRecord:
    """State at the end of a time step.

    Attributes
    ----------
    time, step : float
        Seconds.
    iterations : int
        Newton iterations; 0 in explicit steps.
    kinetic, strain : float
        Kinetic energy and the laws' strain energy, in the law's unit times the mesh's length cubed.
    work : float
        Of dead loads and supports since the ``Dynamics`` was made.
    damped : float
        Dissipated by Rayleigh's damping since then.
    """

    time: float
    step: float
    iterations: int
    kinetic: float
    strain: float
    work: float
    damped: float

    @property
    def balance(self) -> float:
        """Kinetic and strain energy and what was damped, less the work: constant but for the scheme's own dissipation and error."""
        return self.kinetic + self.strain + self.damped - self.work


@dataclass(frozen=True)
class DynamicsResult:
    """How a run in time ended.

    Attributes
    ----------
    outcome : Outcome
    reason : str
        What happened, where, and what to try.
    time : float
        Seconds reached; the state is the solution there.
    records : tuple of TimeRecord
        Of every ``record_every`` steps.
    steps : int
        Time steps.
    cutbacks : int
        Steps that failed or erred too much and were tried again with a smaller size.
    """

    outcome: Outcome
    reason: str
    time: float
    records: tuple[TimeRecord, ...] = field(repr=False)
    steps: int
    cutbacks: int

    def require(self) -> DynamicsResult:
        """Give the result back if the end was reached.

        Returns
        -------
        DynamicsResult
            Itself.

        Raises
        ------
        SolveError
            It was not; the message is the reason.
        """
        if self.outcome is not Outcome.CONVERGED:
            raise SolveError(self.reason)
        return self
