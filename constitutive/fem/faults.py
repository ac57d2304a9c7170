"""What went wrong at the points of a rank, and the worst of it over all ranks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from mpi4py import MPI

from constitutive.fem.outcome import Outcome

_OUTCOMES = (Outcome.INVERTED, Outcome.NOT_FINITE, Outcome.OUTSIDE_DOMAIN, Outcome.FAILED)  # kinds 1 to 4


@dataclass
class Faults:
    """What went wrong at the points of this rank in an update.

    Attributes
    ----------
    inverted, not_finite, outside : int
        Points with J ≤ 0, with a strain or stress that is not finite, and outside the domain of a law whose policy
        is to fail there.
    worst : str
        Cell, point and strain of the worst of them.
    badness : float
        How bad that one is; 0 where nothing is wrong.
    error : str
        The error that the evaluation raised on this rank, in words; empty where there was none.
    """

    inverted: int = 0
    not_finite: int = 0
    outside: int = 0
    worst: str = ""
    badness: float = 0.0
    error: str = ""

    def __bool__(self) -> bool:
        return bool(self.inverted or self.not_finite or self.outside or self.error)

    @property
    def kind(self) -> int:
        """0 nothing, 1 inverted, 2 not finite, 3 outside the domain, 4 an error."""
        return 4 if self.error else 1 if self.inverted else 2 if self.not_finite else 3 if self.outside else 0


@dataclass(frozen=True)
class Trouble:
    """Why an evaluation or a step failed, the same on all ranks.

    Attributes
    ----------
    outcome : Outcome
    message : str
        What failed and where.
    """

    outcome: Outcome
    message: str


def evaluated(updates: Sequence[Callable[[], Faults]], rank: int) -> list[Faults]:
    """Faults of several updates; an error that one raises becomes a fault, so that this rank still takes part in the reduction.

    Parameters
    ----------
    updates : sequence of callable
        Each gives the faults of one law.
    rank : int
        For the message.

    Returns
    -------
    list of Faults
    """
    found = []
    for update in updates:
        try:
            found.append(update())
        except Exception as error:  # noqa: BLE001 - raising here would leave the other ranks waiting
            found.append(Faults(error=f"{type(error).__name__} on rank {rank}: {error}"))
    return found


def agree_on_faults(comm: MPI.Comm, faults: Sequence[Faults], *, interrupted: bool = False) -> Trouble | None:
    """Reduce faults and interrupts over the ranks to the worst; collective.

    Parameters
    ----------
    comm : MPI communicator
    faults : sequence of Faults
        Of this rank.
    interrupted : bool
        Whether this rank was interrupted.

    Returns
    -------
    Trouble or None
        None where nothing is wrong on any rank.
    """
    here = max(faults, key=lambda fault: (fault.kind, fault.badness), default=Faults())
    worst = np.array([here.kind, float(interrupted)])
    comm.Allreduce(MPI.IN_PLACE, worst, op=MPI.MAX)
    if worst[1]:
        return Trouble(Outcome.INTERRUPTED, "interrupted")
    if not worst[0]:
        return None
    texts = comm.allgather((here.kind, here.badness, here.error or here.worst))
    kind, _, text = max((entry for entry in texts if entry[0] == worst[0]), key=lambda entry: entry[1])
    return Trouble(_OUTCOMES[int(kind) - 1], text)
