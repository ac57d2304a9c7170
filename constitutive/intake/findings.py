"""Findings of the intake check in the order of importance, and the report that holds them."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from constitutive.errors import DataError

# In the order of importance: what makes every number wrong comes first, what costs a little accuracy last.
FAULTS = (
    "vacuum",
    "reference_cell",
    "pairing",
    "thermal_frames",
    "transposed_deformation_gradient",
    "transposed_cell",
    "component_order",
    "stress_frame",
    "objectivity",
    "stress_measure",
    "sign",
    "unit",
    "polarization_branch",
    "polarization_sign",
    "electric_unit",
    "electric_frame",
    "wrong_group",
    "clamped_mixture",
    "reference_stress",
    "outliers",
    "duplicates",
    "coverage",
)
SURE = 0.9
HARMLESS = 0.8  # highest certainty of a fault that calibration corrects by itself
FEW_OUTLIERS = 0.1  # share of outliers up to which a robust loss suffices


def few_outliers(outliers: int, samples: int) -> bool:
    """Whether so many outliers are few enough for a robust loss: a tenth, or one.

    Parameters
    ----------
    outliers : int
        Number of outliers found.
    samples : int
        Number of all samples.

    Returns
    -------
    bool
    """
    return outliers <= max(1, FEW_OUTLIERS * samples)


@dataclass(frozen=True)
class Finding:
    """One fault of a data set.

    Attributes
    ----------
    fault : str
        One of `FAULTS`.
    certainty : float
        0 to 1, that a law of these data would be wrong; from `SURE` on, calibration stops. Below it are uncertain findings, and
        what calibration corrects by itself: a repeated sample, a few outliers.
    samples : tuple of int
        The samples concerned; empty where all are.
    message : str
        What was found, what was needed, what to do.
    mend : str
        The option of `constitutive convert` (or `calibrate`) that corrects it; empty where none does.
    """

    fault: str
    certainty: float
    samples: tuple[int, ...]
    message: str
    mend: str

    @property
    def is_sure(self) -> bool:
        """Whether calibration has to stop."""
        return self.certainty >= SURE

    def error(self) -> DataError:
        """The finding as the exception that `calibrate` raises; it carries the finding as ``.finding``.

        Returns
        -------
        IntakeError
        """
        advice = f"; correct it by `constitutive convert {self.mend}`" if self.mend.startswith("--") else ""
        raised = IntakeError(f"{self.fault}: {self.message}{advice}")
        raised.finding = self
        return raised


class IntakeError(DataError):
    """A certain fault of a data set, given as `finding`.

    Attributes
    ----------
    finding : Finding
        The fault, with its samples, message and correction.
    """

    finding: Finding


@dataclass(frozen=True)
class IntakeReport:
    """Result of the check of a data set.

    Attributes
    ----------
    findings : tuple of Finding
        In the order of importance.
    largest_group : str
        The largest Laue class that the data agree with, among the groups of the reference lattice and of cubic and
        hexagonal axes; of a point group, strains determine the Laue class only. Empty where the data do not decide.
    declared_group : str
        Laue class of the structure or of the declared point group; empty where there is none.
    residual : float
        Relative residual of the symmetry-adapted series after all corrections (stress and, where given, energy).
    residuals : dict
        Relative residual under each candidate Laue class that was tried.
    undecided : tuple of str
        What the check could not decide, and why.
    """

    findings: tuple[Finding, ...]
    largest_group: str
    declared_group: str
    residual: float
    residuals: dict[str, float] = field(default_factory=dict)
    undecided: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """No finding at all."""
        return not self.findings

    def sure_faults(self, *, allowed: tuple[str, ...] = ()) -> tuple[Finding, ...]:
        """The findings on which calibration stops, without those that the user allowed by name.

        Parameters
        ----------
        allowed : tuple of str
            Names of faults to pass over.

        Returns
        -------
        tuple of Finding
        """
        return tuple(f for f in self.findings if f.is_sure and f.fault not in allowed)

    def require_sound(self, *, allowed: tuple[str, ...] = ()) -> None:
        """Raise the first certain fault.

        Parameters
        ----------
        allowed : tuple of str
            Names of faults to pass over.

        Raises
        ------
        IntakeError
            The first of `sure_faults`; its message counts the others.
        """
        faults = self.sure_faults(allowed=allowed)
        if not faults:
            return
        raised = faults[0].error()
        if len(faults) > 1:
            raised.args = (f"{raised.args[0]} (and {', '.join(f.fault for f in faults[1:])})",)
        raise raised

    def payload(self) -> dict[str, Any]:
        """The JSON object of ``constitutive check --json``.

        Returns
        -------
        dict
            Plain types; residuals are fractions of the norm of the stress.
        """
        return {
            "ok": self.ok,
            "largest_group": self.largest_group,
            "declared_group": self.declared_group,
            "residual": self.residual,
            "residuals": self.residuals,
            "findings": [{**asdict(f), "samples": list(f.samples)} for f in self.findings],
            "undecided": list(self.undecided),
        }


def in_order(findings: list[Finding]) -> tuple[Finding, ...]:
    """Findings in the order of importance: the certain ones first, then by `FAULTS`, then by certainty.

    Parameters
    ----------
    findings : list of Finding

    Returns
    -------
    tuple of Finding
    """
    return tuple(sorted(findings, key=lambda f: (not f.is_sure, FAULTS.index(f.fault), -f.certainty)))
