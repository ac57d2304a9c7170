"""What is wrong with a data set: unit, sign, order, frame, measure, group, and which option mends it."""

from constitutive.intake.check import check
from constitutive.intake.files import check_file
from constitutive.intake.findings import FAULTS, SURE, Finding, IntakeError, IntakeReport

__all__ = ["FAULTS", "SURE", "Finding", "IntakeError", "IntakeReport", "check", "check_file"]
