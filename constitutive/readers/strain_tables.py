r"""Deformation gradients of a table that holds strains instead of F.

The table holds no rotation: F is the symmetric stretch U of the strain.

.. math::
    U = \sqrt{I + 2E}, \qquad U = I + \varepsilon, \qquad U = \exp H

for Green-Lagrange, small and Hencky (logarithmic) strain.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from constitutive.errors import DataError


def stretch_of(strain: Float[np.ndarray, "n 3 3"], measure: str, where: str) -> Float[np.ndarray, "n 3 3"]:
    """The symmetric stretch that has a strain.

    Parameters
    ----------
    strain
        Tensor components (shears not doubled).
    measure
        "green-lagrange", "small" or "hencky".
    where
        File, for messages.

    Raises
    ------
    DataError
        A strain is of no stretch (det U <= 0), or the measure is unknown.

    Examples
    --------
    >>> import numpy as np
    >>> stretch_of(np.diag([0.105, 0.0, 0.0])[None], "green-lagrange", "x.csv")[0].diagonal().round(3).tolist()
    [1.1, 1.0, 1.0]
    """
    values, vectors = np.linalg.eigh(strain)
    squared = 1 + 2 * values
    if measure == "green-lagrange":
        bad = ~(squared > 0).all(1)
        stretches = np.sqrt(np.maximum(squared, 0))
    elif measure == "small":
        bad, stretches = ~(1 + values > 0).all(1), 1 + values
    elif measure == "hencky":
        bad, stretches = np.zeros(len(values), dtype=bool), np.exp(values)
    else:
        raise DataError(f"strain: found {measure!r}; needed green-lagrange, small or hencky")
    if bad.any():
        row = int(np.argmax(bad))
        raise DataError(
            f"{where}: found a {measure} strain at sample {row} that leaves no positive length; needed a possible one; are they per cent?"
        )
    return vectors * stretches[:, None, :] @ vectors.swapaxes(1, 2)
