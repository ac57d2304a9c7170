"""Where samples are computed: in this process, in processes on this machine (pebble), or on a dask cluster; all through one interface."""

from __future__ import annotations

import contextlib
import multiprocessing
import time
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import AbstractContextManager
from dataclasses import replace
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, TypeAlias, final, runtime_checkable

from constitutive.errors import DataError, DependencyError
from constitutive.plain import JsonObject
from constitutive.simulate.sample import ATTEMPTS, Job, Task, compute, forget_calculator

if TYPE_CHECKING:
    from distributed import Client

Submit: TypeAlias = Callable[[Task], None]
CONNECTION = 10.0  # seconds to find a scheduler


@runtime_checkable
class Executor(Protocol):
    """Computes tasks of one job; ``run`` yields records as they end, in any order."""

    def run(self, tasks: Iterator[Task]) -> Iterator[JsonObject]:
        """Records of the tasks."""

    def __enter__(self) -> Executor: ...

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None: ...


@final
class InProcess(AbstractContextManager["InProcess"]):
    """One task after the other, in this process.

    Parameters
    ----------
    job : Job
        What the tasks share.
    """

    def __init__(self, job: Job):
        self.job = job

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        forget_calculator()

    def run(self, tasks: Iterator[Task]) -> Iterator[JsonObject]:
        """Compute tasks.

        Parameters
        ----------
        tasks : iterator of Task

        Yields
        ------
        dict
            As `compute` returns it.
        """
        for task in tasks:
            yield compute(self.job, task)


_job: Job | None = None  # of a worker process


def _begin(job: Job) -> None:
    import os

    global _job  # one job for the life of a worker process
    _job = job
    os.environ.setdefault("OMP_NUM_THREADS", "1")


def _compute(task: Task) -> JsonObject:
    if _job is None:
        raise DataError("found a worker without a job; needed it to be started by Processes")
    return compute(_job, task)


@final
class Processes(AbstractContextManager["Processes"]):
    """Worker processes on this machine; one that dies or exceeds the time limit is replaced, and its task tried once more.

    Parameters
    ----------
    job : Job
        What the tasks share.
    workers : int
        Number of processes.
    time_limit : float
        Seconds for one task; None for no limit.
    """

    def __init__(self, job: Job, workers: int, time_limit: float | None = None):
        from pebble import ProcessPool  # deferred: only where processes are asked for

        self.workers, self.time_limit = workers, time_limit
        context = multiprocessing.get_context("spawn")  # a fork would copy threads of BLAS and torch
        self._pool = ProcessPool(max_workers=workers, context=context, initializer=_begin, initargs=(job,))

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if kind is None:
            self._pool.close()
        else:
            self._pool.stop()
        self._pool.join()

    def run(self, tasks: Iterator[Task]) -> Iterator[JsonObject]:
        """Compute tasks, a few in flight for each worker.

        Parameters
        ----------
        tasks : iterator of Task

        Yields
        ------
        dict
            As `compute` returns it; a task whose worker was lost or too slow twice is a failure.
        """
        flying: dict[Future[JsonObject], Task] = {}

        def submit(task: Task) -> None:
            flying[self._pool.schedule(_compute, args=(task,), timeout=self.time_limit)] = task

        for task in tasks:
            submit(task)
            while len(flying) >= 2 * self.workers:
                yield from self._ended(flying, submit)
        while flying:
            yield from self._ended(flying, submit)

    def _ended(self, flying: dict[Future[JsonObject], Task], submit: Submit) -> Iterator[JsonObject]:
        for future in wait(flying, return_when=FIRST_COMPLETED).done:
            task = flying.pop(future)
            try:
                yield future.result()
            except TimeoutError:
                yield from again(task, f"longer than the time limit of {self.time_limit:g} s", submit)
            except Exception as error:  # noqa: BLE001 - ProcessExpired and what can't be pickled; the sample is named with it
                yield from again(task, f"the worker process was lost ({type(error).__name__}: {error})", submit)


def again(task: Task, reason: str, submit: Submit) -> Iterator[JsonObject]:
    """Hand a task out once more with the next settings; after the last attempt a record of its failure.

    Parameters
    ----------
    task : Task
    reason : str
        Why it ended.
    submit : callable
        Hands a task out.

    Yields
    ------
    dict
        At most one record.
    """
    if task.attempt + 1 < len(ATTEMPTS):
        submit(replace(task, attempt=task.attempt + 1))
    else:
        yield {"number": task.number, "status": "failed", "reason": f"{reason}, in {task.attempt + 1} attempts"}


@final
class Dask(AbstractContextManager["Dask"]):
    """Workers of a dask cluster; a worker that is lost loses no task.

    Parameters
    ----------
    job : Job
        What the tasks share; it is sent with every task, so that a lost worker takes nothing with it that others need.
    scheduler : str
        Address, such as ``tcp://127.0.0.1:8786``.
    time_limit : float
        Seconds for one task; None for no limit. A worker that exceeds it is restarted, which needs a nanny (dask's default).

    Raises
    ------
    DependencyError
        dask.distributed is not installed.
    DataError
        There is no scheduler at the address.
    """

    def __init__(self, job: Job, scheduler: str, time_limit: float | None = None):
        try:
            from distributed import Client  # deferred: an optional package
        except ModuleNotFoundError as error:
            raise DependencyError(
                f"--scheduler: the package {error.name} is not installed; get it by: pip install 'constitutive[dask]'"
            ) from error
        try:
            self._client: Client = Client(scheduler, timeout=CONNECTION, set_as_default=False)
        except (OSError, ValueError) as error:
            raise DataError(f"--scheduler: found no dask scheduler at {scheduler} ({error}); start one by `dask scheduler`") from error
        self.time_limit = time_limit
        self.job = job

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._client.close()

    def run(self, tasks: Iterator[Task]) -> Iterator[JsonObject]:
        """Compute tasks, as many in flight as the cluster has threads.

        Parameters
        ----------
        tasks : iterator of Task

        Yields
        ------
        dict
            As `compute` returns it.
        """
        flying: dict[object, tuple[Task, float]] = {}

        def submit(task: Task) -> None:
            key = f"sample-{task.number}-{task.attempt}"
            flying[self._client.submit(compute, self.job, task, key=key, pure=False)] = (task, time.monotonic())

        for task in tasks:
            submit(task)
            while len(flying) >= max(1, sum(self._client.nthreads().values())):
                yield from self._ended(flying, submit)
        while flying:
            yield from self._ended(flying, submit)

    def _ended(self, flying: dict[object, tuple[Task, float]], submit: Submit) -> Iterator[JsonObject]:
        from distributed import TimeoutError as NotYet  # deferred: an optional package
        from distributed import wait as wait_for

        done = set()
        with contextlib.suppress(NotYet), self._client.as_current():
            done = wait_for(list(flying), timeout=1.0, return_when="FIRST_COMPLETED").done
        for future in done:
            task, _ = flying.pop(future)
            error = future.exception()
            if error is None:
                yield future.result()
            else:
                yield from again(task, f"the task was lost ({type(error).__name__}: {error})", submit)
        if self.time_limit is not None:
            yield from self._too_slow(flying, submit)

    def _too_slow(self, flying: dict[object, tuple[Task, float]], submit: Submit) -> Iterator[JsonObject]:
        limit = self.time_limit or float("inf")
        late = [future for future, (_, began) in flying.items() if time.monotonic() - began > limit]
        if not late:
            return
        keys = {future.key for future in late}  # type: ignore[attr-defined]  # of the optional package
        busy = [worker for worker, running in self._client.processing().items() if keys & {str(key) for key in running}]
        for future in late:
            future.cancel()  # type: ignore[attr-defined]  # as above
        self._client.restart_workers(busy, timeout=CONNECTION, raise_for_error=False)
        for future in late:
            task, _ = flying.pop(future)
            yield from again(task, f"longer than the time limit of {limit:g} s", submit)
        for future, (task, _) in list(flying.items()):  # those that shared a restarted worker start anew
            flying[future] = (task, time.monotonic())
