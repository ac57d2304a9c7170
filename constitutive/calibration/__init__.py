"""From data to a law: model choice by left-out samples, errors on held-out states, uncertainty."""

from constitutive.calibration.baselines import fit_linear, fit_unconstrained
from constitutive.calibration.calibrate import calibrate
from constitutive.calibration.energies import calibrate_energies, read_energies
from constitutive.calibration.report import CalibrationReport, Errors, evaluate

__all__ = ["CalibrationReport", "Errors", "calibrate", "calibrate_energies", "evaluate", "fit_linear", "fit_unconstrained", "read_energies"]
