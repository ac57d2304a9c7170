"""The six components of a symmetric tensor: our order, and the orders that programs write.

>>> import numpy as np
>>> from constitutive.tensors.components import ORDERS, matrices_of, six_of
>>> vasp = np.array([[1.0, 2, 3, 12, 23, 31]])  # XX YY ZZ XY YZ ZX
>>> matrices_of(vasp, ORDERS["VASP"])[0]
array([[ 1., 12., 31.],
       [12.,  2., 23.],
       [31., 23.,  3.]])
>>> six_of(matrices_of(vasp, ORDERS["VASP"]))
array([[ 1.,  2.,  3., 23., 31., 12.]])
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float

from constitutive.errors import DataError
from constitutive.tensors.packing import VOIGT_PAIRS

COMPONENTS = ("xx", "yy", "zz", "yz", "xz", "xy")  # Voigt's order, ours
VOIGT = " ".join(COMPONENTS)
# Sources: VASP wiki, OUTCAR; LAMMPS manual, compute pressure; ASE, ase.stress; Abaqus, conventions (explicit solver: 11 22 33 12 23 13).
ORDERS: Mapping[str, str] = {
    "Voigt": VOIGT,
    "ASE": VOIGT,
    "VASP": "xx yy zz xy yz xz",
    "Abaqus/Explicit": "xx yy zz xy yz xz",
    "LAMMPS": "xx yy zz xy xz yz",
    "Abaqus": "xx yy zz xy xz yz",
    "MFront": "xx yy zz xy xz yz",
    "upper triangle by rows": "xx xy xz yy yz zz",
    "lower triangle by rows": "xx xy yy xz yz zz",
}


def parse_order(text: str) -> tuple[int, ...]:
    """Places of the named components in our order xx yy zz yz xz xy.

    Parameters
    ----------
    text : str
        Six names, such as "xx yy zz xy yz xz" ("zx" and "13" are as good as "xz"), or one of `ORDERS`.

    Returns
    -------
    tuple of int
        ``places[k]`` is the position in xx yy zz yz xz xy of the k-th component named.

    Raises
    ------
    DataError
        `text` does not name each of the six components once.
    """
    known = {name.lower(): order for name, order in ORDERS.items()}
    text = known.get(text.strip().lower(), text)
    digits = {"1": "x", "2": "y", "3": "z"}
    names = ["".join(sorted(digits.get(c, c) for c in word)) for word in text.lower().replace(",", " ").split()]
    if sorted(names) != sorted(COMPONENTS):
        raise DataError(
            f"order: found {text!r}, needed each of {VOIGT} once, in the order of the file, or the order of a program: {', '.join(ORDERS)}"
        )
    return tuple(COMPONENTS.index(name) for name in names)


def matrices_of(six: Float[np.ndarray, "n 6"], order: str = VOIGT) -> Float[np.ndarray, "n 3 3"]:
    """Symmetric matrices from six components in the named order (stress: no factor 2 in the shears).

    Parameters
    ----------
    six : ndarray (n, 6)
        Components of each tensor.
    order : str
        As `parse_order` reads it.

    Returns
    -------
    array (n, 3, 3)
        In the unit of the components.

    Raises
    ------
    DataError
        The order is unknown.
    """
    T = np.zeros((len(six), 3, 3))
    for column, place in enumerate(parse_order(order)):
        i, j = VOIGT_PAIRS[place]
        T[:, i, j] = T[:, j, i] = six[:, column]
    return T


def six_of(T: Float[np.ndarray, "n 3 3"]) -> Float[np.ndarray, "n 6"]:
    """Components xx yy zz yz xz xy of symmetric matrices (of the upper triangle).

    Parameters
    ----------
    T : array (n, 3, 3)

    Returns
    -------
    array (n, 6)
        In the unit of T; no factor in the shear components.
    """
    return np.stack([T[:, i, j] for i, j in VOIGT_PAIRS], 1)


def six_text(T: Float[np.ndarray, "3 3"]) -> str:
    """The components xx, yy, zz, yz, xz, xy for a message, to three digits.

    Parameters
    ----------
    T : array (3, 3)
        Symmetric.

    Returns
    -------
    str
        "1.2, 0, 0.3, 0, 0, 0".
    """
    return ", ".join(f"{T[i, j]:.3g}" for i, j in VOIGT_PAIRS)
