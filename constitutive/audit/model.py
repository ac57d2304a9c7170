"""What an audit says: promises with their figures and limits."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

STANDING = ("kept", "broken", "noted", "not measured")


@dataclass(frozen=True)
class Promise:
    """One property, as measured.

    Attributes
    ----------
    figure : float or None
        What was measured; None where it could not be (``reason`` says why).
    limit : float or None
        What it may be; None where the figure is told without a promise.
    meaning : str
        What was compared with what.
    advice : str
        What to do when it does not hold.
    details : dict
        Parts of the figure by name: each generator, each size of strain.
    reason : str
        Why there is no figure.
    """

    figure: float | None
    limit: float | None
    meaning: str
    advice: str
    details: dict[str, Any] = field(default_factory=dict)
    reason: str = ""

    @property
    def standing(self) -> str:
        """``kept``, ``broken`` (a NaN is), ``noted`` where nothing is promised, or ``not measured``."""
        if self.figure is None:
            return "not measured"
        if self.limit is None:
            return "noted"
        return "kept" if self.figure <= self.limit else "broken"

    @property
    def kept(self) -> bool:
        """Whether the promise is not broken."""
        return self.standing != "broken"


def not_measured(meaning: str, reason: str) -> Promise:
    """A promise without a figure."""
    return Promise(None, None, meaning, "", reason=reason)


@dataclass(frozen=True)
class Audit:
    """The promises of one material by name, in the order of their importance.

    Attributes
    ----------
    promises : dict
        By name.
    samples : int
        Random strains audited.
    radius : float
        Frobenius norm of the largest of them.
    """

    promises: dict[str, Promise]
    samples: int
    radius: float

    @property
    def passed(self) -> bool:
        """Whether no promise is broken."""
        return all(promise.kept for promise in self.promises.values())

    @property
    def broken(self) -> dict[str, Promise]:
        """The promises that do not hold."""
        return {name: promise for name, promise in self.promises.items() if not promise.kept}

    def as_dict(self) -> dict[str, Any]:
        """Figures by name, ``passed``, and for each promise its limit, standing, details and the reason of a missing figure."""
        return {
            **{name: _finite(promise.figure) for name, promise in self.promises.items()},
            "passed": self.passed,
            "standing": {name: promise.standing for name, promise in self.promises.items()},
            "limits": {name: promise.limit for name, promise in self.promises.items()},
            "details": {name: promise.details for name, promise in self.promises.items() if promise.details},
            "reasons": {name: promise.reason for name, promise in self.promises.items() if promise.reason},
            "advice": {name: promise.advice for name, promise in self.broken.items()},
            "samples": self.samples,
            "radius": self.radius,
        }


def _finite(figure: float | None) -> float | None:
    """JSON has no NaN and no infinity; the standing says that such a figure breaks the promise."""
    return figure if figure is not None and abs(figure) < float("inf") else None
