"""What several ranks have to do together: agree on errors, so that none of them waits for one that has stopped."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable, Iterator
from typing import TypeVar

import torch
from mpi4py import MPI

from constitutive.errors import SolveError
from constitutive.laws.bounded import OutsideDomainWarning

T = TypeVar("T")


def agreed(comm: MPI.Comm, make: Callable[[], T]) -> T:
    """Result of a computation that each rank does alone; an error on one rank becomes an error on all; collective.

    Parameters
    ----------
    comm : MPI.Comm
        The ranks.
    make : callable
        The computation. It must not communicate.

    Returns
    -------
    object
        What ``make`` returned on this rank.

    Raises
    ------
    SolveError
        Another rank failed: its rank, kind of error and message. The rank that failed raises its own error.
    """
    error: Exception | None = None
    result: T
    try:
        result = make()
    except Exception as caught:  # noqa: BLE001 - it is raised again below, on every rank
        error = caught
    text = None if error is None else f"{type(error).__name__} on rank {comm.rank}: {error}"
    texts = [found for found in comm.allgather(text) if found is not None]
    if error is not None:
        raise error
    if texts:
        raise SolveError(f"another rank failed: {texts[0]}")
    return result


def on_first_rank(comm: MPI.Comm, make: Callable[[], T]) -> T:
    """Result of a computation on rank 0, given to all; its error is raised on all; collective.

    Parameters
    ----------
    comm : MPI communicator
    make : callable
        The computation. It must not communicate.

    Returns
    -------
    object
        What ``make`` returned on rank 0.

    Raises
    ------
    SolveError
        Rank 0 failed (on the others; rank 0 raises its own error).
    """
    return comm.bcast(agreed(comm, lambda: make() if comm.rank == 0 else None), root=0)


@contextlib.contextmanager
def quiet_torch(ranks: int) -> Iterator[None]:
    """Evaluate without gradients, on one thread where there are several ranks, and leave domain warnings to the solver.

    Parameters
    ----------
    ranks : int
        Number of ranks.

    Yields
    ------
    None
    """
    threads = torch.get_num_threads()
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore", OutsideDomainWarning)
        if ranks > 1 and threads > 1:
            torch.set_num_threads(1)
        try:
            yield
        finally:
            if torch.get_num_threads() != threads:
                torch.set_num_threads(threads)
