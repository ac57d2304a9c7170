"""From data to a law: model choice by left-out samples, errors on held-out states, uncertainty."""

from constitutive.calibration.baselines import fit_linear, fit_unconstrained
from constitutive.calibration.calibrate import calibrate
from constitutive.calibration.coupled import EnergyFit, calibrate_energy
from constitutive.calibration.energies import calibrate_energies, read_energies
from constitutive.calibration.large import calibrate_large
from constitutive.calibration.report import CalibrationReport, Errors, evaluate

__all__ = [
    "CalibrationReport",
    "EnergyFit",
    "Errors",
    "calibrate",
    "calibrate_energies",
    "calibrate_energy",
    "calibrate_large",
    "evaluate",
    "fit_linear",
    "fit_unconstrained",
    "read_energies",
]
