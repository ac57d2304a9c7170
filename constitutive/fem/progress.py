"""The progress line of a running solve, and Ctrl-C."""

from __future__ import annotations

import resource
import signal
import sys
import threading
from collections.abc import Callable
from types import FrameType
from typing import TypeAlias

from mpi4py import MPI
from rich.console import Console
from rich.status import Status

from constitutive.fem.newton import Newton
from constitutive.fem.outcome import StepRecord

Handler: TypeAlias = Callable[[int, FrameType | None], object] | int | None


class Interrupt:
    """Ctrl-C ends a solve at a usable state; a second one ends the program.

    Only the main thread can listen to signals; elsewhere this does nothing.

    Parameters
    ----------
    newton : Newton
        Stopped at its next iteration.
    """

    def __init__(self, newton: Newton) -> None:
        self.newton, self._asked = newton, False
        self._old: Handler = None
        self._listening = threading.current_thread() is threading.main_thread()

    def __enter__(self) -> Interrupt:
        self._asked = False
        if self._listening:
            self._old = signal.signal(signal.SIGINT, self._note)
        self.newton.interrupted = lambda: self._asked
        return self

    def __exit__(self, *exception: object) -> None:
        self.newton.interrupted = lambda: False
        if self._listening:
            signal.signal(signal.SIGINT, self._old)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self._asked:
            raise KeyboardInterrupt
        self._asked = True

    def seen(self, comm: MPI.Comm) -> bool:
        """Whether any rank was interrupted; collective.

        Parameters
        ----------
        comm : MPI communicator

        Returns
        -------
        bool
        """
        return bool(comm.allreduce(int(self._asked), op=MPI.MAX))


class Progress:
    """One line on rank 0's standard error: step, iteration, norms, worst strain.

    Parameters
    ----------
    comm : MPI communicator
    load : callable
        Gives the part of the load reached.
    enabled : bool
        Without it nothing is shown.
    size : str
        Of the problem, shown first.
    """

    def __init__(self, comm: MPI.Comm, load: Callable[[], float], *, enabled: bool, size: str = "") -> None:
        self._load, self._comm, self._enabled = load, comm, enabled
        self._status: Status | None = None
        if enabled and comm.rank == 0:
            self._status = Status("starting", console=Console(stderr=True))
            if size:
                self._status.console.print(size, highlight=False, soft_wrap=True)
        self._steps, self._worst, self._first = 0, 0.0, 0.0

    def __enter__(self) -> Progress:
        if self._status is not None:
            self._status.start()
        return self

    def __exit__(self, *exception: object) -> None:
        if self._status is not None:
            self._status.stop()

    def iteration(self, iteration: int, norm: float) -> None:
        """Show a Newton iteration.

        Parameters
        ----------
        iteration : int
        norm : float
            Of the residual.
        """
        if self._status is None:
            return
        self._first = norm if iteration == 0 else self._first
        ratio = norm / self._first if self._first else 0.0
        self._status.update(
            f"step [bold]{self._steps + 1}[/]  load {self._load():5.1%}  iteration {iteration}  |R| {norm:.2e} (× {ratio:.0e})"
            f"  worst strain {self._worst:.2%}"
        )

    def step(self, record: StepRecord) -> None:
        """Print a converged step; collective.

        Parameters
        ----------
        record : StepRecord
        """
        self._steps, self._worst = self._steps + 1, record.worst_strain
        memory = self._comm.allreduce(peak_memory()) if self._enabled else 0.0
        if self._status is not None:
            outside = f", [yellow]{record.outside} points outside their domain[/]" if record.outside else ""
            self._status.console.print(
                f"step {self._steps:3d}  load {record.load:6.1%}  {record.iterations} iterations  "
                f"|R| {record.norms[-1] if record.norms else 0:.1e}"
                f"  worst strain {record.worst_strain:.2%}  memory {memory / 1e9:.2f} GB{outside}", highlight=False,
                soft_wrap=True,
            )  # fmt: skip


def peak_memory() -> float:
    """Peak memory of this process.

    Returns
    -------
    float
        Bytes.
    """
    unit = 1 if sys.platform == "darwin" else 1024  # of ru_maxrss
    return float(unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
