r"""Laws from tables of elastic constants, with no samples.

.. math::
    \psi = \frac{1}{2} C_{IJ} e_I e_J + \frac{1}{6} C_{IJK} e_I e_J e_K, \qquad
    e = (E_{xx}, E_{yy}, E_{zz}, 2E_{yz}, 2E_{xz}, 2E_{xy})

with Brugger's constants (Brugger, Phys. Rev. 133 (1964) A1611): derivatives of the energy by the Green–Lagrange strain.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import permutations
from typing import Any

import numpy as np
from jaxtyping import Float

from constitutive.elasticity.constants import ENGINEERING, repetition, voigt_of_polynomial
from constitutive.errors import MaterialError
from constitutive.laws import SeriesLaw
from constitutive.tensors.polynomials import apolar_weights, exponents, invariant_polynomials

TOLERANCE = 0.01  # relative: a table's rounding, not another group


def law_from_constants(rotations: Float[np.ndarray, "g 3 3"], C2: Any, C3: Any = None) -> SeriesLaw:
    """Series law of second- and third-order constants (GPa).

    Parameters
    ----------
    rotations
        The group, in the frame of the constants.
    C2, C3
        Voigt arrays (6×6, 6×6×6) or mappings of names (``"C11"``, ``"C123"``) to values.

    Raises
    ------
    MaterialError
        A table contradicts the group or leaves some of its constants open.
    """
    tables = {2: C2} if C3 is None else {2: C2, 3: C3}
    return SeriesLaw({order: _coefficients(rotations, table, order) for order, table in tables.items()}, rotations)


def _coefficients(rotations: np.ndarray, table: Any, order: int) -> np.ndarray:
    basis = invariant_polynomials(np.asarray(rotations), order)
    if isinstance(table, Mapping):
        return _from_names(basis, table, order)
    array = np.asarray(table, dtype=np.float64)
    if array.shape != (6,) * order or not np.isfinite(array).all():
        raise MaterialError(f"constants of order {order}: finite numbers of shape {(6,) * order} needed, {array.shape} found")
    row = _from_voigt(array, order)
    weights = apolar_weights(order)
    projected = basis.T @ (basis @ (weights * row))
    _require_close(voigt_of_polynomial(projected, order), array, order)
    return projected


def _from_voigt(array: np.ndarray, order: int) -> np.ndarray:
    """Coefficients of ψ; the array is symmetrised over its indices."""
    symmetric = np.mean([array.transpose(p) for p in permutations(range(order))], axis=0)
    rows = []
    for powers in exponents(order):
        index = tuple(int(i) for i in np.repeat(np.arange(6), powers))
        rows.append(symmetric[index] * np.prod(ENGINEERING[list(index)]) / repetition(index))
    return np.array(rows)


def _from_names(basis: np.ndarray, table: Mapping[str, Any], order: int) -> np.ndarray:
    pattern = re.compile(rf"[Cc]?([1-6]{{{order}}})")
    rows, values = [], []
    arrays = np.array([voigt_of_polynomial(row, order) for row in basis])
    for name, value in table.items():
        match = pattern.fullmatch(str(name))
        if match is None:
            raise MaterialError(f"constants of order {order}: {name!r} found, names such as 'C{'1' * order}' needed")
        rows.append([array[tuple(int(i) - 1 for i in match[1])] for array in arrays])
        values.append(float(value))
    A, b = np.array(rows).reshape(-1, len(basis)), np.array(values)
    solution, _, rank, _ = np.linalg.lstsq(A, b, rcond=1e-9)
    if rank < len(basis):
        raise MaterialError(f"constants of order {order}: {rank} independent ones given, the group has {len(basis)}; add the missing ones")
    _require_close(A @ solution, b, order)
    return solution @ basis


def _require_close(found: np.ndarray, given: np.ndarray, order: int) -> None:
    error = np.abs(found - given).max() / max(np.abs(given).max(), 1e-300)
    if error > TOLERANCE:
        raise MaterialError(
            f"constants of order {order}: they break the symmetry of the group by {100 * error:.1f} % of the largest; "
            "check the axes (which way the group's axes point) and the table"
        )
