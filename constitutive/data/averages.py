"""Samples of one cell averaged to one state, with the standard error of its stress."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int

from constitutive.data.model import StressStrainData

SAME_F = 1e-8
FEWEST_BLOCKS = 5


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


def block_error(values: Float[np.ndarray, "n ..."]) -> Float[np.ndarray, "..."]:
    """Standard error of the mean of a series in time, the largest over blocks of 1, 2, 4, … frames.

    H. Flyvbjerg, H. G. Petersen, J. Chem. Phys. 91 (1989) 461: blocks longer than the correlation time are independent.

    >>> import numpy as np
    >>> float(block_error(np.array([1.0, 3.0, 1.0, 3.0])).round(3))
    0.577

    Parameters
    ----------
    values : array (n, ...)
        The series along its first axis, in the order of time, at least two entries.

    Returns
    -------
    array (...)
        In the unit of the values.
    """
    best = values.std(0, ddof=1) / np.sqrt(len(values))
    blocks = values
    while len(blocks) // 2 >= FEWEST_BLOCKS:
        even = blocks[: len(blocks) // 2 * 2]
        blocks = (even[0::2] + even[1::2]) / 2
        best = np.maximum(best, blocks.std(0, ddof=1) / np.sqrt(len(blocks)))
    return np.asarray(best)


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
    errors = [block_error(stress[m]).tolist() if len(m) > 1 else np.zeros((3, 3)).tolist() for m in members]
    extra = {"stress_standard_error": errors, "frames": [len(m) for m in members]}
    W = None if data.W is None else np.array([data.W[m].mean() for m in members])
    mean = np.stack([stress[m].mean(0) for m in members])
    one = data.select(first).replace(**{data.measure: mean}, W=W, positions=None, forces=None, **extra)
    return one.with_provenance({"averaged": f"{len(data)} frames to {len(first)} states"})
