"""Regression shared by calibration and the intake check: problems, bases, solvers, predictions of samples left out, uncertainty.

Names are loaded when first used: the intake check needs no law, and so no torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from constitutive.fitting.levenberg_marquardt import Minimum, levenberg_marquardt  # at once: the module has the function's name
from constitutive.lazy import lazy_names

if TYPE_CHECKING:
    from constitutive.fitting.leave_one_out import SeriesFit, fit_and_leave_out, fit_series, series_choices
    from constitutive.fitting.polyconvex import PolyconvexFit, fit_polyconvex
    from constitutive.fitting.polynomial_basis import PolynomialBasis
    from constitutive.fitting.problem import FitProblem, problem_of
    from constitutive.fitting.series_network import SeriesNetworkFit, Shape, fit_network
    from constitutive.fitting.uncertainty import Uncertainty

__all__ = [
    "FitProblem",
    "Minimum",
    "PolyconvexFit",
    "PolynomialBasis",
    "SeriesFit",
    "SeriesNetworkFit",
    "Shape",
    "Uncertainty",
    "fit_and_leave_out",
    "fit_network",
    "fit_polyconvex",
    "fit_series",
    "levenberg_marquardt",
    "problem_of",
    "series_choices",
]
__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "constitutive.fitting.leave_one_out": ["SeriesFit", "fit_and_leave_out", "fit_series", "series_choices"],
        "constitutive.fitting.polyconvex": ["PolyconvexFit", "fit_polyconvex"],
        "constitutive.fitting.polynomial_basis": ["PolynomialBasis"],
        "constitutive.fitting.problem": ["FitProblem", "problem_of"],
        "constitutive.fitting.series_network": ["SeriesNetworkFit", "Shape", "fit_network"],
        "constitutive.fitting.uncertainty": ["Uncertainty"],
    },
)
