"""How much a calibration computes, and on how many cores; results do not depend on the latter."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TypeVar, final

from constitutive.errors import CalibrationError

MANY = 100  # samples from which on time is spent on larger networks instead of more of them

Item = TypeVar("Item")
Result = TypeVar("Result")
Pair = tuple[int, int]  # of few and of many samples


@final
@dataclass(frozen=True)
class Effort:
    """How much a calibration computes.

    Attributes
    ----------
    name
        ``"full"`` or ``"quick"``.
    ridges
        So many are tried, the smallest first.
    thorough
        Whether paths of large strain, laws without symmetry and polyconvex laws are tried with all their sizes and ridges too.
    rungs
        Steps after which all networks, the better half of them, the better quarter, … have been fitted (successive halving: Jamieson &
        Talwalkar, AISTATS 2016, arXiv:1502.07943).
    better, more
        So many of the best shapes, each tried once, get so many further random starts.
    finished, last_steps
        So many of the best fits, among which the mean is sought, and the steps that each of them goes on for before.
    tested
        Members of the mean that are cross-validated.
    distilled_steps
        Of each network that learns from the mean.
    width_growth
        From one width of these networks to the next.
    spread_penalty
        On the squares of the weights in the mean, times the number of samples: shorter fits are ranked less well, and count more alike.
    workers
        Threads that share the fits. Each fit is whole and runs on one of them, so their number changes no result.
    """

    name: str
    ridges: int
    thorough: bool
    rungs: tuple[Pair, ...]
    better: Pair
    more: Pair
    finished: Pair
    last_steps: Pair
    tested: Pair
    distilled_steps: Pair
    width_growth: float
    spread_penalty: float
    workers: int = 1

    @classmethod
    def of(cls, name: str, workers: int | None = None) -> Effort:
        """An effort by its name, on all cores that this process may use or on so many.

        Parameters
        ----------
        name : str
            ``"full"`` or ``"quick"``.
        workers : int, optional
            Threads.

        Returns
        -------
        Effort

        Raises
        ------
        CalibrationError
            Another name, or a number of workers below one.
        """
        if name not in EFFORTS:
            raise CalibrationError(f"effort {name!r} found; choose one of {', '.join(EFFORTS)}")
        if workers is not None and workers < 1:
            raise CalibrationError(f"workers={workers} found; at least 1 is needed")
        return replace(EFFORTS[name], workers=available_cores() if workers is None else workers)

    def map(self, function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
        """The results of a function of independent items, in their order; several at a time.

        Parameters
        ----------
        function : callable
            Of one item.
        items : iterable
            Independent of each other.

        Yields
        ------
        object
            Of each item.
        """
        todo = list(items)
        if min(self.workers, len(todo)) < 2:
            yield from map(function, todo)
            return
        with ThreadPoolExecutor(min(self.workers, len(todo))) as pool:
            pending = [pool.submit(function, item) for item in todo]
            try:
                for future in pending:
                    yield future.result()
            finally:
                for future in pending:
                    future.cancel()


def available_cores() -> int:
    """Cores that this process may use.

    Returns
    -------
    int
    """
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


FULL = Effort("full", 5, True, ((25, 50), (75, 50)), (12, 6), (6, 2), (48, 16), (300, 300), (6, 3), (300, 300), 2**0.5, 150.0)
QUICK = Effort("quick", 4, False, ((30, 30), (60, 60)), (3, 2), (2, 1), (12, 4), (40, 120), (2, 1), (120, 120), 2.0, 800.0)
EFFORTS = {effort.name: effort for effort in (FULL, QUICK)}
