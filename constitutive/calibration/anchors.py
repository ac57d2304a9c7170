"""Known elastic constants as observations beside the samples."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from constitutive.calibration.linear_parameters import LinearParameters
from constitutive.errors import CalibrationError
from constitutive.fitting import SeriesNetworkFit

ANCHOR_RIDGE = 1e-7  # towards the fit without anchors


def anchored(parameters: LinearParameters, anchors: Mapping[str, object], noise: float) -> SeriesNetworkFit:
    """Fit known constants beside the samples.

    Parameters
    ----------
    parameters
        The law as a function of its linear parameters.
    anchors
        Names such as ``"C11"`` or ``"C112"`` (Brugger) with value and standard error (GPa).
    noise
        Standard error of one stress component of the data, in units of the fit.

    Returns
    -------
    SeriesNetworkFit

    Raises
    ------
    CalibrationError
        A name is no constant of order 2 or 3, or an error is not positive.
    """
    rows, targets = [], []
    for name, pair in anchors.items():
        place = _place(name)
        value, error = _pair(name, pair)
        weight = noise / error
        rows.append(weight * parameters.place_row(place))
        targets.append(weight * value)
    return parameters.solve(np.array(rows), np.array(targets), ANCHOR_RIDGE)


def _place(name: str) -> tuple[int, ...]:
    digits = str(name).removeprefix("C")
    if len(digits) not in (2, 3) or any(d not in "123456" for d in digits):
        raise CalibrationError(f"anchor {name!r} found; names of second- or third-order constants such as C11 or C123 are needed")
    return tuple(int(d) - 1 for d in digits)


def _pair(name: str, pair: object) -> tuple[float, float]:
    try:
        value, error = (float(number) for number in pair)  # type: ignore[attr-defined]  # what is no pair is refused below
    except (TypeError, ValueError) as problem:
        raise CalibrationError(f"anchor {name}: {pair!r} found; value and standard error (GPa) are needed") from problem
    if not (np.isfinite(value) and np.isfinite(error) and error > 0):
        raise CalibrationError(f"anchor {name}: {pair!r} found; a finite value and a positive standard error (GPa) are needed")
    return value, error
