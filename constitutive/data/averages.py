"""Samples of one cell averaged to one state, with the standard error of its stress."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int

from constitutive.data.model import StressStrainData

SAME_F = 1e-8
WINDOW = 5  # correlation times after which a longer sum brings noise only
LONGEST = 1 / 3  # of the series: a longer correlation time can't be told from it
CORRECTIONS = 20  # of the variance of the mean


def same_deformation(F: Float[np.ndarray, "n 3 3"]) -> Int[np.ndarray, " n"]:
    """A number for each sample, the same for the same F.

    Parameters
    ----------
    F : array (n, 3, 3)
        Deformation gradients, rounded to multiples of 1e-8 before they are compared.

    Returns
    -------
    int array (n,)
        Labels from 0.
    """
    rounded = np.round(F / SAME_F).reshape(len(F), 9)
    return np.unique(rounded, axis=0, return_inverse=True)[1].ravel()


def error_of_mean(values: Float[np.ndarray, "n ..."]) -> Float[np.ndarray, "..."]:
    """Standard error of the mean of a series in time, from its autocorrelation.

    √(τ γ(0)/n) with τ = 1 + 2 Σ γ(k)/γ(0) up to the first lag k ≥ 5 τ(k)/2, at least 1. The autocovariances γ(k) of a short series are
    too small by the variance of its mean, which is added to them (U. Wolff, Comput. Phys. Commun. 156 (2004) 143).

    >>> import numpy as np
    >>> float(error_of_mean(np.array([1.0, 3.0, 1.0, 3.0])).round(3))
    0.707

    Parameters
    ----------
    values : array (n, ...)
        The series along its first axis, in the order of time, at least two entries.

    Returns
    -------
    array (...)
        In the unit of the values.
    """
    n = len(values)
    x = np.reshape(values - values.mean(0), (n, -1))
    transform = np.fft.rfft(x, 2 * n, axis=0)
    covariance = np.fft.irfft(np.abs(transform) ** 2, 2 * n, axis=0)[:n] / n
    errors = [_error(one) if one[0] > 0 else 0.0 for one in covariance.T]
    return np.reshape(np.array(errors), values.shape[1:])


def _error(covariance: Float[np.ndarray, " n"]) -> float:
    """Of one series: the variance of its mean, found by iteration, corrects the autocovariances that it comes from."""
    n = len(covariance)
    times = 1 + 2 * np.cumsum(covariance[1:]) / covariance[0]
    ends = np.nonzero(np.arange(1, n) >= WINDOW * np.maximum(times, 1) / 2)[0]
    window = int(ends[0]) + 1 if len(ends) else n - 1
    time, variance, of_mean = 1.0, covariance[0] * n / (n - 1), 0.0
    for _ in range(CORRECTIONS):
        of_mean = variance * time / n
        variance = covariance[0] + of_mean
        time = min(max(1 + 2 * float(np.sum(covariance[1 : window + 1] + of_mean)) / variance, 1.0), n * LONGEST)
    return float(np.sqrt(variance * time / n)) if time > 1 else float(np.sqrt(covariance[0] / (n - 1)))


def averaged(data: StressStrainData) -> StressStrainData:
    """One sample for each F: mean stress and W, without positions and forces; standard errors under ``stress_standard_error`` (GPa).

    Parameters
    ----------
    data : StressStrainData
        Frames in their order in time.

    Returns
    -------
    StressStrainData
        States in the order in which they first occur, weighted as before; ``frames`` says how many were averaged.
    """
    label = same_deformation(data.F)
    first = np.sort(np.unique(label, return_index=True)[1])
    members = [np.nonzero(label == label[k])[0] for k in first]
    stress = getattr(data, data.measure)
    errors = [error_of_mean(stress[m]).tolist() if len(m) > 1 else np.zeros((3, 3)).tolist() for m in members]
    extra = {"stress_standard_error": errors, "frames": [len(m) for m in members]}
    W = None if data.W is None else np.array([data.W[m].mean() for m in members])
    mean = np.stack([stress[m].mean(0) for m in members])
    one = data.select(first).replace(**{data.measure: mean}, W=W, positions=None, forces=None, **extra)
    return one.with_provenance({"averaged": f"{len(data)} frames to {len(first)} states"})
