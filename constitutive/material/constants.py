r"""Laws from tables of elastic constants, with no samples.

.. math::
    \psi = \frac{1}{2} C_{IJ} e_I e_J + \frac{1}{6} C_{IJK} e_I e_J e_K, \qquad
    e = (E_{xx}, E_{yy}, E_{zz}, 2E_{yz}, 2E_{xz}, 2E_{xy})

with Brugger's constants (Brugger, Phys. Rev. 133 (1964) A1611): derivatives of the energy by the Green–Lagrange strain.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping, Sequence
from itertools import permutations, product
from typing import TypeAlias

import numpy as np
from jaxtyping import Float

from constitutive.elasticity import born_stable
from constitutive.elasticity.constants import ENGINEERING, name_of, repetition, voigt_of_polynomial
from constitutive.errors import DataError, MaterialError
from constitutive.laws import Law, SeriesLaw
from constitutive.tensors.polynomials import apolar_weights, exponents, invariant_polynomials
from constitutive.units import pressure_factor

Constants: TypeAlias = Mapping[str, object] | np.ndarray | Sequence[object]
TOLERANCE = 0.01  # of a constant by its symmetric partners: a table's rounding, not another group
NOISE = 1e-4  # of the largest constant: what may stand where the group forbids any
HARDEST = 600.0  # GPa, of bulk and shear moduli: diamond has 443 and 535 (McSkimin & Andreatch 1972)
VERY_HARD = 300.0  # GPa, of the bulk modulus: W has 310, Os 462; most solids in kbar are beyond it
SOFTEST = 12.0  # GPa, of the largest constant: diamond has 10.8 in Mbar
IDEALISED = 50.0  # bulk over shear modulus from which a table is of no crystal but of a nearly incompressible body, in any unit


class ConstantsWarning(UserWarning):
    """A table of elastic constants is unstable, or of another unit than GPa."""


def law_from_constants(
    rotations: Float[np.ndarray, "g 3 3"], C2: Constants, C3: Constants | None = None, *, unit: str | None = None
) -> SeriesLaw:
    """Series law of second- and third-order constants.

    Parameters
    ----------
    rotations : array (g, 3, 3)
        The group, in the frame of the constants.
    C2, C3 : array or mapping
        Voigt arrays (6×6, 6×6×6) or mappings of names (``"C11"``, ``"C123"``) to values.
    unit : str, optional
        Their unit; GPa by default.

    Returns
    -------
    SeriesLaw
        In GPa.

    Raises
    ------
    MaterialError
        A table contradicts the group, leaves some of its constants open, holds NaN, or is not in GPa.
    """
    tables = {2: C2} if C3 is None else {2: C2, 3: C3}
    try:
        factor = 1.0 if unit is None else pressure_factor(unit)
    except DataError as error:
        raise MaterialError(str(error)) from error
    rows = {order: _coefficients(rotations, table, order) * factor for order, table in tables.items()}
    if unit is None:
        _judge_size(rows[2])
    return SeriesLaw(rows, rotations)


def _judge_size(row: np.ndarray) -> None:
    """Refuse a table that is no solid's in GPa, and warn of one that is hardly any's: by its bulk and shear moduli (Voigt averages)."""
    C = voigt_of_polynomial(row, 2)
    normal, diagonal = float(C[:3, :3].sum()), float(np.trace(C[:3, :3]))
    bulk, shear = normal / 9, (diagonal - (normal - diagonal) / 2 + 3 * float(np.trace(C[3:, 3:]))) / 15
    found = f"the bulk modulus of the table is {bulk:.4g} GPa and its shear modulus {shear:.4g} GPa"
    if max(bulk, shear) > HARDEST and bulk < IDEALISED * abs(shear):
        raise MaterialError(
            f"{found}; those of diamond are 443 and 535: pass unit= the unit of the table ('Pa', 'MPa', 'kbar', ...; 'GPa' if that is "
            "meant)"
        )
    largest = float(np.abs(C).max())
    if bulk > VERY_HARD or 0 < largest < SOFTEST:
        kind = "few solids are so hard (W, Re, Os, Ir, WC, diamond)" if bulk > VERY_HARD else "as of a very soft crystal"
        units = "kbar" if bulk > VERY_HARD else "Mbar"
        warnings.warn(
            f"{found}, {kind}: if the table is in {units} or another unit, pass unit= that unit (unit='GPa' if GPa is meant)",
            ConstantsWarning,
            stacklevel=4,
        )


def warn_if_unstable(law: Law) -> None:
    """Warn where a crystal of such constants is unstable by Born's criterion.

    Parameters
    ----------
    law : Law
    """
    stable, values = born_stable(law)
    if not stable:
        warnings.warn(
            f"a crystal of these constants is unstable: the stiffness has the eigenvalue {values[0]:.4g} GPa (Born's criterion); check the "
            "table for swapped columns and signs",
            ConstantsWarning,
            stacklevel=3,
        )


def _coefficients(rotations: np.ndarray, table: Constants, order: int) -> np.ndarray:
    basis = invariant_polynomials(np.asarray(rotations), order)
    if isinstance(table, Mapping):
        return _from_names(basis, table, order)
    try:
        array = np.asarray(table, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise MaterialError(f"constants of order {order}: numbers of shape {(6,) * order} needed ({error})") from error
    if array.shape != (6,) * order:
        raise MaterialError(f"constants of order {order}: shape {(6,) * order} needed, {array.shape} found")
    if not np.isfinite(array).all():
        place = tuple(int(i) for i in np.argwhere(~np.isfinite(array))[0])
        raise MaterialError(f"constants of order {order}: {name_of(place)} is {_spelled(array[place])}; a number is needed")
    row = _from_voigt(array, order)
    weights = apolar_weights(order)
    projected = basis.T @ (basis @ (weights * row))
    places = list(product(range(6), repeat=order))
    _require_close(voigt_of_polynomial(projected, order), places, array.ravel(), _values_of(basis, places, order))
    return projected


def _spelled(value: float) -> str:
    return "NaN" if np.isnan(value) else f"{value:g}"


def _values_of(basis: np.ndarray, places: list[tuple[int, ...]], order: int) -> np.ndarray:
    """Constants at the places (rows) of each invariant (columns)."""
    arrays = [voigt_of_polynomial(row, order) for row in basis]
    return np.array([[array[place] for array in arrays] for place in places]).reshape(len(places), len(basis))


def _from_voigt(array: np.ndarray, order: int) -> np.ndarray:
    """Coefficients of ψ; the array is symmetrised over its indices."""
    symmetric = np.mean([array.transpose(p) for p in permutations(range(order))], axis=0)
    rows = []
    for powers in exponents(order):
        index = tuple(int(i) for i in np.repeat(np.arange(6), powers))
        rows.append(symmetric[index] * np.prod(ENGINEERING[list(index)]) / repetition(index))
    return np.array(rows)


def _from_names(basis: np.ndarray, table: Mapping[str, object], order: int) -> np.ndarray:
    pattern = re.compile(rf"[Cc]?([1-6]{{{order}}})")
    places, values = [], []
    for name, value in table.items():
        match = pattern.fullmatch(str(name))
        if match is None:
            raise MaterialError(f"constants of order {order}: {name!r} found, names such as 'C{'1' * order}' needed")
        places.append(tuple(int(i) - 1 for i in match[1]))
        values.append(_number(str(name), value))
    A, b = _values_of(basis, places, order), np.array(values)
    solution, _, rank, _ = np.linalg.lstsq(A, b, rcond=1e-9)
    if rank < len(basis):
        raise MaterialError(f"constants of order {order}: {rank} independent ones given, the group has {len(basis)}; add the missing ones")
    _require_close(voigt_of_polynomial(solution @ basis, order), places, b, A)
    return solution @ basis


def _number(name: str, value: object) -> float:
    try:
        number = float(value)  # type: ignore[arg-type] # what is no number raises
    except (TypeError, ValueError) as error:
        raise MaterialError(f"{name} is {value!r}; a number is needed") from error
    if not np.isfinite(number):
        raise MaterialError(f"{name} is {_spelled(number)}; a number is needed")
    return number


def _require_close(found: np.ndarray, places: list[tuple[int, ...]], given: np.ndarray, A: np.ndarray) -> None:
    """Each constant must be what its symmetric partners make it: the constants that the group ties it to.

    A table's last digit is its rounding; beyond that, one hundredth of the partners' size is allowed (their absolute values, weighted
    as in the least-squares fit of the group's invariants). Where the group forbids any value, noise of the largest is.
    """
    hat = np.abs(A @ np.linalg.pinv(A, rcond=1e-9))
    partners = hat @ np.abs(given)
    scale = np.where(hat.sum(axis=1) > 1e-9, TOLERANCE * partners, NOISE * np.abs(given).max())
    error = np.abs(np.array([found[place] for place in places]) - given)
    over = error - np.maximum(scale, 0.5000001 * last_digit(given))
    worst = int(over.argmax())
    if over[worst] > 0:
        tied = dict.fromkeys(f"{name_of(p)} = {v:g}" for p, v, h in zip(places, given, hat[worst], strict=True) if h > 1e-6)
        expected = found[places[worst]] if tied else 0.0
        why = f"it is tied to {', '.join(list(tied)[:6])}" if tied else "the group allows nothing else"
        raise MaterialError(
            f"constants of order {found.ndim}: they break the symmetry of the group: {name_of(places[worst])} = {given[worst]:g} given, "
            f"{expected:.4g} by symmetry ({why}); "
            "check the table, and the axes (which way the group's axes point)"
        )


def last_digit(values: Float[np.ndarray, " n"]) -> float:
    """Unit of the last decimal place that any of the numbers uses, 1 at most.

    >>> import numpy as np
    >>> last_digit(np.array([1060.0, 36.5])), last_digit(np.array([2.0]))
    (0.1, 1.0)

    Parameters
    ----------
    values : array (n,)

    Returns
    -------
    float
        At least 1e-9.
    """
    decimals = max(len(np.format_float_positional(value, trim="-").partition(".")[2]) for value in values)
    return float(10.0 ** -min(decimals, 9))
