"""Several samples at once through a calculator that evaluates many cells together, as machine-learned potentials do.

Each sample is computed by a thread of its own, by the same code as alone. Its calculator hands the cell over and waits; once every
thread waits, all cells are evaluated in one call. So the relaxations step together, and one that ends makes room for the next sample.
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, ClassVar, Protocol, final, runtime_checkable

from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes

from constitutive.errors import DataError
from constitutive.plain import JsonObject
from constitutive.simulate.cells import bare
from constitutive.simulate.sample import Job, Task, calculator_of, compute, forget_calculator

Results = dict[str, Any]


@runtime_checkable
class EvaluatesBatches(Protocol):
    """An ASE calculator that evaluates several cells in one call."""

    def evaluate_batch(self, cells: list[Atoms]) -> list[Results]:
        """The results of each cell as ASE's calculators keep them: ``energy`` (eV), ``forces`` (eV/Å), ``stress`` (eV/Å³)."""


@dataclass(eq=False)
class _Waiting:
    """A cell handed over, and what came of it."""

    atoms: Atoms
    results: Results | None = None
    error: Exception | None = None
    ended: bool = False


@final
@dataclass(eq=False)
class Gathering:
    """Where threads hand over their cells: they are evaluated together once all threads that take part wait.

    Attributes
    ----------
    calculator
        Evaluates them.
    sizes
        How many cells each call had.
    """

    calculator: EvaluatesBatches
    sizes: list[int] = field(default_factory=list)
    _members: int = 0
    _stopped: bool = False
    _waiting: list[_Waiting] = field(default_factory=list)
    _changed: threading.Condition = field(default_factory=threading.Condition)
    _evaluator: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1))  # one thread: each keeps the memory of its calls

    def join(self) -> None:
        """One more sample takes part: nothing is evaluated before it waits or leaves."""
        with self._changed:
            self._members += 1

    def leave(self) -> None:
        """A sample has ended."""
        with self._changed:
            self._members -= 1
            self._evaluate_where_all_wait()

    def stop(self) -> None:
        """Evaluate nothing more: whoever waits or comes is refused, so that threads end."""
        with self._changed:
            self._stopped = True
            for cell in self._waiting:
                cell.error, cell.ended = DataError("the run was stopped"), True
            self._waiting = []
            self._changed.notify_all()
        self._evaluator.shutdown()

    def evaluate(self, atoms: Atoms) -> Results:
        """The results of a cell, once all others wait too.

        Parameters
        ----------
        atoms : Atoms

        Returns
        -------
        dict
            As the calculator gives them.

        Raises
        ------
        Exception
            What the calculator raised for this very cell.
        DataError
            The run was stopped.
        """
        own = _Waiting(atoms)
        with self._changed:
            if self._stopped:
                raise DataError("the run was stopped")
            self._waiting.append(own)
            self._evaluate_where_all_wait()
            self._changed.wait_for(lambda: own.ended)
        if own.error is not None:
            raise own.error
        return own.results or {}

    def _evaluate_where_all_wait(self) -> None:
        if not self._waiting or len(self._waiting) < self._members:
            return
        cells, self._waiting = self._waiting, []
        self.sizes.append(len(cells))
        try:
            self._evaluate(cells)
        except Exception as error:  # noqa: BLE001 - calculators raise what they like
            self._one_by_one(cells, error)
        for cell in cells:
            cell.ended = True
        self._changed.notify_all()

    def _evaluate(self, cells: list[_Waiting]) -> None:
        found = self._evaluator.submit(self.calculator.evaluate_batch, [cell.atoms for cell in cells]).result()
        if len(found) != len(cells):
            raise DataError(f"evaluate_batch: found {len(found)} results of {len(cells)} cells; needed one of each, in their order")
        for cell, results in zip(cells, found, strict=True):
            cell.results = results

    def _one_by_one(self, cells: list[_Waiting], error: Exception) -> None:
        """The cells of a call that failed, so that only those that fail alone have an error."""
        for cell in cells:
            cell.error = error
            if len(cells) > 1:
                try:
                    self._evaluate([cell])
                    cell.error = None
                except Exception as own:  # noqa: BLE001 - as above
                    cell.error = own


@final
class OfABatch(Calculator):
    """The ASE calculator of one thread.

    Parameters
    ----------
    gathering : Gathering
        Where it hands its cells over.
    """

    implemented_properties: ClassVar[list[str]] = ["energy", "free_energy", "forces", "stress"]

    def __init__(self, gathering: Gathering):
        super().__init__()
        self.gathering = gathering

    def calculate(
        self, atoms: Atoms | None = None, properties: Sequence[str] = ("energy",), system_changes: Sequence[str] = all_changes
    ) -> None:
        """Energy, forces and stress.

        Parameters
        ----------
        atoms : Atoms
        properties : sequence of str
            All are computed.
        system_changes : list of str
            As ASE passes them.
        """
        super().calculate(atoms, properties, system_changes)
        found = self.gathering.evaluate(bare(self.atoms))
        self.results = {**found, "free_energy": found["energy"]}


@final
class InBatches(AbstractContextManager["InBatches"]):
    """Samples computed together in this process, so many at a time.

    Parameters
    ----------
    job : Job
        What the tasks share.
    size : int
        Samples at a time.

    Raises
    ------
    DataError
        The calculator evaluates one cell at a time only.
    """

    def __init__(self, job: Job, size: int):
        calculator = calculator_of(job.calculator)
        if not isinstance(calculator, EvaluatesBatches):
            raise DataError(
                f"--batch: the calculator {job.calculator.name} evaluates one cell at a time; needed chgnet, or a calculator with a method "
                "evaluate_batch; --workers N computes several samples in processes"
            )
        self.job, self.size, self.gathering = job, size, Gathering(calculator)
        self._pool = ThreadPoolExecutor(size)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.gathering.stop()
        self._pool.shutdown(cancel_futures=True)
        forget_calculator()

    def run(self, tasks: Iterator[Task]) -> Iterator[JsonObject]:
        """Compute tasks, so many at a time.

        Parameters
        ----------
        tasks : iterator of Task

        Yields
        ------
        dict
            As `compute` returns it, in the order in which they end.
        """
        flying: set[Future[JsonObject]] = set()
        with warnings.catch_warnings():  # threads would leave each other's filters behind
            for task in tasks:
                self.gathering.join()
                flying.add(self._pool.submit(self._compute, task))
                while len(flying) >= self.size:
                    ended, flying = wait(flying, return_when=FIRST_COMPLETED)
                    yield from (future.result() for future in ended)
            while flying:
                ended, flying = wait(flying, return_when=FIRST_COMPLETED)
                yield from (future.result() for future in ended)

    def _compute(self, task: Task) -> JsonObject:
        try:
            return compute(self.job, task, OfABatch(self.gathering))
        finally:
            self.gathering.leave()
