"""What is wrong with a data set: unit, sign, order, frame, measure, group, and which option corrects it."""

from constitutive.intake.check import check
from constitutive.intake.files import check_file
from constitutive.intake.findings import FAULTS, SURE, Finding, IntakeError, IntakeReport
from constitutive.intake.reference_stress import Removal, without_reference_stress

__all__ = ["FAULTS", "SURE", "Finding", "IntakeError", "IntakeReport", "Removal", "check", "check_file", "without_reference_stress"]
