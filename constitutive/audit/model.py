"""The result of an audit: properties of a material, each with its figure and its limit."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field

from constitutive.plain import JsonObject

STANDING = ("kept", "broken", "noted", "not measured")


@dataclass(frozen=True)
class Check:
    """One property of a material, as measured.

    Attributes
    ----------
    figure : float or None
        What was measured; None where it could not be (``reason`` says why).
    limit : float or None
        The largest figure allowed; None where the figure is only stated.
    meaning : str
        What was compared with what.
    advice : str
        What to do when it does not hold.
    details : mapping
        Parts of the figure by name: each generator, each size of strain.
    reason : str
        Why there is no figure.
    """

    figure: float | None
    limit: float | None
    meaning: str
    advice: str
    details: Mapping[str, float | str] = field(default_factory=dict)
    reason: str = ""

    @property
    def standing(self) -> str:
        """``kept`` or ``broken`` (the limit; NaN breaks it), ``noted`` where there is no limit, or ``not measured``."""
        if self.figure is None:
            return "not measured"
        if self.limit is None:
            return "noted"
        return "kept" if self.figure <= self.limit else "broken"

    @property
    def kept(self) -> bool:
        """Whether the limit is not broken."""
        return self.standing != "broken"


def not_measured(meaning: str, reason: str) -> Check:
    """A property without a figure.

    Parameters
    ----------
    meaning : str
        What would be measured.
    reason : str
        Why it was not.

    Returns
    -------
    Check
    """
    return Check(None, None, meaning, "", reason=reason)


@dataclass(frozen=True)
class Audit:
    """The checks of one material by name, in the order of their importance.

    Attributes
    ----------
    checks : dict
        By name.
    samples : int
        Random strains audited.
    radius : float
        Frobenius norm of the largest of them.
    """

    checks: dict[str, Check]
    samples: int
    radius: float

    @property
    def passed(self) -> bool:
        """Whether no limit is broken."""
        return all(check.kept for check in self.checks.values())

    @property
    def broken(self) -> dict[str, Check]:
        """The checks whose limit is broken."""
        return {name: check for name, check in self.checks.items() if not check.kept}

    @property
    def promises(self) -> dict[str, Check]:
        """The checks, by their old name."""
        warnings.warn("Audit.promises is called Audit.checks now", DeprecationWarning, stacklevel=2)
        return self.checks

    def as_dict(self) -> JsonObject:
        """Figures by name, ``passed``, and for each check its limit, standing, details and the reason of a missing figure.

        Returns
        -------
        dict
            Plain types; a figure that was not measured or is not finite is None.
        """
        return {
            **{name: _finite(check.figure) for name, check in self.checks.items()},
            "passed": self.passed,
            "standing": {name: check.standing for name, check in self.checks.items()},
            "limits": {name: check.limit for name, check in self.checks.items()},
            "details": {name: check.details for name, check in self.checks.items() if check.details},
            "reasons": {name: check.reason for name, check in self.checks.items() if check.reason},
            "advice": {name: check.advice for name, check in self.broken.items()},
            "samples": self.samples,
            "radius": self.radius,
        }


def _finite(figure: float | None) -> float | None:
    """JSON has no NaN and no infinity; the standing shows that such a figure breaks its limit."""
    return figure if figure is not None and abs(figure) < float("inf") else None
