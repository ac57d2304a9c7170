"""The series fitted to a file's samples under one reading of its conventions."""

from __future__ import annotations

import numpy as np

from constitutive.data import StressStrainData
from constitutive.fitting.polynomial_basis import LaueGroup
from constitutive.fitting.robust import RawSamples, RobustFit, plain_series_fit, robust_series_fit
from constitutive.intake.hypotheses import Hypothesis, reading
from constitutive.intake.search import map_of, stress_rows


def raw_samples(data: StressStrainData, hypothesis: Hypothesis) -> RawSamples:
    """Strain, stress and energy of a file's samples as a hypothesis reads them.

    Parameters
    ----------
    data : StressStrainData
    hypothesis : Hypothesis

    Returns
    -------
    RawSamples
        In the unit of the data.
    """
    read = reading(data, hypothesis.deformation, hypothesis.measure, hypothesis.frame)
    return RawSamples(read.x, np.einsum("nai,ij,nj->na", read.to_second, map_of(hypothesis), stress_rows(data)), data.W)


def robust_fit(data: StressStrainData, hypothesis: Hypothesis, group: LaueGroup, degree: int) -> RobustFit:
    """The series under one reading, outliers left out.

    Parameters
    ----------
    data : StressStrainData
    hypothesis : Hypothesis
    group : LaueGroup
    degree : int
        Highest power of the strain in the energy.

    Returns
    -------
    RobustFit
    """
    return robust_series_fit(raw_samples(data, hypothesis), group, degree)


def plain_fit(data: StressStrainData, hypothesis: Hypothesis, group: LaueGroup, degree: int) -> RobustFit:
    """The series under one reading, every sample kept.

    Parameters
    ----------
    data : StressStrainData
    hypothesis : Hypothesis
    group : LaueGroup
    degree : int
        Highest power of the strain in the energy.

    Returns
    -------
    RobustFit
    """
    return plain_series_fit(raw_samples(data, hypothesis), group, degree)
