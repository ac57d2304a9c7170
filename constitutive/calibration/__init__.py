"""From data to a law: model choice by samples that the law has not seen, held-out figures, uncertainty."""

from constitutive.calibration.baselines import fit_linear, fit_unconstrained
from constitutive.calibration.calibrate import calibrate
from constitutive.calibration.energies import calibrate_energies, read_energies
from constitutive.calibration.report import CalibrationReport, Errors, evaluate

__all__ = ["CalibrationReport", "Errors", "calibrate", "calibrate_energies", "evaluate", "fit_linear", "fit_unconstrained", "read_energies"]
