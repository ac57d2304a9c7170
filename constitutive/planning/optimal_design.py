r"""D-optimal choice of strains: those whose stresses together determine the coefficients of a series best.

With :math:`\Phi_i` the six rows of the design matrix of strain i (its stress per coefficient, :class:`PolynomialBasis`) and
:math:`A = \lambda I + \sum_i \Phi_i^T \Phi_i` the information of the strains chosen, the next strain is the one with the largest gain
:math:`\log\det(I + \Phi_i A^{-1} \Phi_i^T)` (Atkinson, Donev & Tobias, Optimum Experimental Designs, 2007, sect. 12). The features are
invariants of the group, so that two strains that symmetry maps onto each other count as one.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int

RIDGE = 1e-2  # λ: columns have a typical size of one


def d_optimal(
    candidates: Float[np.ndarray, "n 6 k"],
    count: int,
    *,
    given: Float[np.ndarray, "m 6 k"] | None = None,
    ridge: float = RIDGE,
) -> Int[np.ndarray, " count"]:
    """Numbers of the strains with the largest gain of information, one after the other; none is taken twice.

    Parameters
    ----------
    candidates
        Design matrices of the strains to choose from.
    count
        How many to choose; at most as many as there are candidates.
    given
        Design matrices of strains that are measured anyway.
    ridge
        λ, the information before any strain.

    Returns
    -------
    In the order of the choice.

    Examples
    --------
    >>> import numpy as np
    >>> bars = np.zeros((3, 6, 2)); bars[0, 0, 0] = bars[1, 0, 1] = 1.0; bars[2, 0] = 0.1
    >>> sorted(d_optimal(bars, 2).tolist())
    [0, 1]
    """
    n, _, k = candidates.shape
    A = ridge * np.eye(k)
    if given is not None and len(given):
        rows = given.reshape(-1, k)
        A = A + rows.T @ rows
    inverse = np.linalg.inv(A)
    V = candidates @ inverse  # (n, 6, k), kept up to date by rank-6 corrections
    across = candidates.transpose(0, 2, 1)
    free = np.ones(n, dtype=bool)
    chosen = []
    for _ in range(min(count, n)):
        K = np.eye(6) + V @ across
        gain = np.where(free, np.linalg.slogdet(K)[1], -np.inf)
        best = int(gain.argmax())
        chosen.append(best)
        free[best] = False
        step = np.linalg.solve(K[best], V[best])
        V = V - V @ across[best] @ step
    return np.array(chosen, dtype=np.int64)


def distinct(x: Float[np.ndarray, "n 6"], group: Float[np.ndarray, "g 6 6"], apart: float) -> Int[np.ndarray, " k"]:
    """Numbers of strains (Mandel) of which no two are closer than ``apart``, in any of their symmetric images; the first ones stay.

    Parameters
    ----------
    x
        Strains.
    group
        The rotations on Mandel components.
    apart
        Smallest distance |E₁ − g E₂ gᵀ|.
    """
    kept: list[int] = []
    images = np.zeros((0, 6))
    for number, strain in enumerate(x):
        if len(images) and np.linalg.norm(images - strain, axis=1).min() < apart:
            continue
        kept.append(number)
        images = np.concatenate([images, group @ strain])
    return np.array(kept, dtype=np.int64)
