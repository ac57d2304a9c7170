"""Data at several temperatures: the samples of one of them, which are those of an elastic law."""

from __future__ import annotations

import numpy as np
from jaxtyping import Int

from constitutive.data import StressStrainData
from constitutive.units import ROOM_TEMPERATURE


def has_several_temperatures(data: StressStrainData) -> bool:
    """Whether the samples of a data set are at different temperatures.

    Parameters
    ----------
    data : StressStrainData

    Returns
    -------
    bool
    """
    return isinstance(data.temperature, np.ndarray) and float(np.ptp(data.temperature)) > 0


def samples_of_one_temperature(data: StressStrainData) -> tuple[Int[np.ndarray, " m"], float]:
    """The samples of the temperature that has most of them; of several such, of the nearest to 298.15 K.

    Parameters
    ----------
    data : StressStrainData

    Returns
    -------
    numbers : array (m,)
    temperature : float
        K.
    """
    temperatures, count = np.unique(np.asarray(data.temperature), return_counts=True)
    most = temperatures[count == count.max()]
    chosen = float(most[np.abs(most - ROOM_TEMPERATURE).argmin()])
    return np.nonzero(np.asarray(data.temperature) == chosen)[0], chosen
