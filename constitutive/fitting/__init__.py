"""Regression shared by calibration and the intake check: problems, bases, solvers, predictions of samples left out, uncertainty."""

from constitutive.fitting.leave_one_out import SeriesFit, fit_and_leave_out, fit_series, series_choices
from constitutive.fitting.levenberg_marquardt import Minimum, levenberg_marquardt
from constitutive.fitting.polynomial_basis import PolynomialBasis
from constitutive.fitting.problem import FitProblem, problem_of
from constitutive.fitting.series_network import SeriesNetworkFit, Shape, fit_network
from constitutive.fitting.uncertainty import Uncertainty

__all__ = [
    "FitProblem",
    "Minimum",
    "PolynomialBasis",
    "SeriesFit",
    "SeriesNetworkFit",
    "Shape",
    "Uncertainty",
    "fit_and_leave_out",
    "fit_network",
    "fit_series",
    "levenberg_marquardt",
    "problem_of",
    "series_choices",
]
