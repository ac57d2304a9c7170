"""Orthogonal 3×3 matrices as crystallographic operations: labels, axes, closure, and the standard groups.

An operation of determinant −1 is read as a rotoinversion, as in the International Tables: −1 times a rotation; the label "m"
stands for -2. Everything here is NumPy.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import TypeAlias

import numpy as np
from jaxtyping import Float

from constitutive.errors import SymmetryError
from constitutive.symmetry.tables import LIMIT_GROUPS, POINT_GROUPS, TRANSVERSE_FOLD

Numbers: TypeAlias = Sequence[object] | np.ndarray  # an array, or (nested) lists of numbers
_ORDER_OF_TRACE = {3: 1, -1: 2, 0: 3, 1: 4, 2: 6}
MAX_ORDER = 48
SAME_OPERATION = 1e-2  # two operations closer than this are one: crystallographic ones differ by 0.5 and more


def rotation(axis: Numbers, degrees: float) -> Float[np.ndarray, "3 3"]:
    """Rotation about an axis by an angle in degrees, right-handed (Rodrigues).

    Parameters
    ----------
    axis : array (3,)
        Of any length.
    degrees : float

    Returns
    -------
    array (3, 3)
    """
    n = np.asarray(axis, dtype=float)
    n = n / np.linalg.norm(n)
    angle = np.deg2rad(degrees)
    K = np.array([[0, -n[2], n[1]], [n[2], 0, -n[0]], [-n[1], n[0], 0]])
    return np.cos(angle) * np.eye(3) + np.sin(angle) * K + (1 - np.cos(angle)) * np.outer(n, n)


def nearest_orthogonal(A: Float[np.ndarray, "*batch 3 3"]) -> Float[np.ndarray, "*batch 3 3"]:
    """Orthogonal factor of the polar decomposition: the orthogonal matrix nearest to A.

    Parameters
    ----------
    A : array (..., 3, 3)
        Not singular.

    Returns
    -------
    array (..., 3, 3)
        With the sign of the determinant of A.
    """
    U, _, Vt = np.linalg.svd(A)
    return U @ Vt


def orthogonality_error(R: Float[np.ndarray, "*batch 3 3"]) -> float:
    """Largest entry of |RᵀR − 1|.

    Parameters
    ----------
    R : array (..., 3, 3)

    Returns
    -------
    float
    """
    return float(np.abs(np.swapaxes(R, -1, -2) @ R - np.eye(3)).max())


def _orders(operations: np.ndarray) -> list[int]:
    traces = np.trace(operations, axis1=1, axis2=2) * np.sign(np.linalg.det(operations))
    nearest = np.round(traces)
    wrong = (np.abs(traces - nearest) > 0.05) | (nearest < -1) | (nearest > 3)
    if wrong.any():
        angle = np.degrees(np.arccos(np.clip((traces[wrong][0] - 1) / 2, -1, 1)))
        raise SymmetryError(
            f"an operation turns by {angle:.2f}°: crystals allow 0°, 60°, 90°, 120° and 180° only; "
            "pass the operations as Cartesian matrices of a crystallographic point group"
        )
    return [_ORDER_OF_TRACE[int(trace)] for trace in nearest]


def labels(operations: Float[np.ndarray, "n 3 3"]) -> list[str]:
    """Hermann–Mauguin labels of operations: 1, 2, 3, 4, 6, -1, m, -3, -4 or -6.

    Parameters
    ----------
    operations : array (n, 3, 3)

    Returns
    -------
    list of str
    """
    proper = np.linalg.det(operations) > 0
    improper_names = {order: "m" if order == 2 else f"-{order}" for order in _ORDER_OF_TRACE.values()}
    return [str(order) if p else improper_names[order] for order, p in zip(_orders(operations), proper, strict=True)]


def label(R: Float[np.ndarray, "3 3"]) -> str:
    """Hermann–Mauguin label of one operation: 1, 2, 3, 4, 6, -1, m, -3, -4 or -6.

    Parameters
    ----------
    R : array (3, 3)
        Orthogonal, Cartesian.

    Returns
    -------
    str
        "1", "2", "3", "4", "6", "-1", "m", "-3", "-4" or "-6".
    """
    return labels(R[None])[0]


def axis(R: Float[np.ndarray, "3 3"]) -> Float[np.ndarray, "3"]:
    """Unit vector along the axis of an operation (the normal of a mirror); zero for 1 and -1.

    Turned so that its rotation part is by a positive angle; two-fold axes and mirrors have their last non-zero component
    positive.

    Parameters
    ----------
    R : array (3, 3)
        Orthogonal, Cartesian.

    Returns
    -------
    array (3,)
    """
    P = R * np.sign(np.linalg.det(R))
    skew = np.array([P[2, 1] - P[1, 2], P[0, 2] - P[2, 0], P[1, 0] - P[0, 1]])
    length = np.sqrt(skew @ skew)
    if length > 0.1:
        return skew / length
    if np.trace(P) > 2.5:
        return np.zeros(3)
    square = (P + np.eye(3)) / 2  # n nᵀ of a half turn
    column = square[:, np.argmax(np.diag(square))]
    column = column / np.sqrt(column @ column)
    significant = column[np.abs(column) > 1e-6]
    return -column if significant[-1] < 0 else column


def element_matrices(name: str, direction: Numbers) -> list[np.ndarray]:
    """Generating matrices of one position of a Hermann–Mauguin symbol ("4/m", "-3", "m", …) along a direction.

    Parameters
    ----------
    name : str
        Part of a Hermann–Mauguin symbol: "4/m", "-3", "m".
    direction : (x, y, z)

    Returns
    -------
    list of array (3, 3)
    """
    matrices = []
    for part in name.split("/"):
        if part == "m":
            matrices.append(-rotation(direction, 180.0))
        else:
            turn = rotation(direction, 360.0 / abs(int(part)))
            matrices.append(turn if int(part) > 0 else -turn)
    return matrices


def contains(operations: Float[np.ndarray, "n 3 3"], R: Float[np.ndarray, "3 3"], tolerance: float = SAME_OPERATION) -> bool:
    """Whether R is among the operations, within a tolerance on the largest entry.

    Parameters
    ----------
    operations : array (n, 3, 3)
    R : array (3, 3)
    tolerance : float
        Largest difference of an entry.

    Returns
    -------
    bool
    """
    return bool((np.abs(operations - R).max(axis=(1, 2)) < tolerance).any())


def index_of(operations: Float[np.ndarray, "n 3 3"], R: Float[np.ndarray, "m 3 3"]) -> np.ndarray:
    """Index of each matrix of R among the operations; -1 where it is none of them.

    Parameters
    ----------
    operations : array (n, 3, 3)
    R : array (m, 3, 3)

    Returns
    -------
    int array (m,)
        −1 where an operation is not there.
    """
    distance = np.abs(operations[None] - R[:, None]).max(axis=(2, 3))
    return np.where(distance.min(axis=1) < SAME_OPERATION, distance.argmin(axis=1), -1)


def distinct(operations: Float[np.ndarray, "n 3 3"]) -> Float[np.ndarray, "m 3 3"]:
    """Drop operations that occurred before, keeping the order.

    Parameters
    ----------
    operations : array (n, 3, 3)

    Returns
    -------
    array (m, 3, 3)
    """
    same = np.abs(operations[None] - operations[:, None]).max(axis=(2, 3)) < SAME_OPERATION
    return operations[same.argmax(axis=1) == np.arange(len(operations))] if len(operations) else operations


def same_set(A: Float[np.ndarray, "n 3 3"], B: Float[np.ndarray, "m 3 3"]) -> bool:
    """Whether two sets of operations are the same set.

    Parameters
    ----------
    A, B : array (n, 3, 3)
        In any order.

    Returns
    -------
    bool
    """
    return len(A) == len(B) and bool((index_of(A, B) >= 0).all())


def generate(generators: Float[np.ndarray, "n 3 3"], most: int = MAX_ORDER) -> Float[np.ndarray, "m 3 3"]:
    """The finite group generated by some operations, identity first.

    Parameters
    ----------
    generators : array (n, 3, 3)
        Orthogonal, Cartesian.
    most : int
        Largest order that is accepted.

    Returns
    -------
    array (m, 3, 3)

    Raises
    ------
    SymmetryError
        More than ``most`` operations arise: the operations belong to no crystallographic point group.
    """
    group = np.eye(3)[None]
    frontier = group
    while len(frontier):
        products = (generators[:, None] @ frontier[None]).reshape(-1, 3, 3)
        fresh = products[index_of(group, products) < 0]
        frontier = distinct(fresh)
        group = np.concatenate([group, frontier])
        if len(group) > most:
            raise SymmetryError(
                f"the operations generate more than {most} others, no point group of a crystal has as many: "
                "they are inexact, or not given in one Cartesian frame"
            )
    return group


def _rounded(operations: np.ndarray) -> np.ndarray:
    """Snap entries to the numbers 0, ±1/2, ±√3/2, ±1 … that standard operations are made of."""
    exact = np.array([0.0, 0.5, np.sqrt(3) / 2, 1.0])
    nearest = exact[np.abs(np.abs(operations)[..., None] - exact).argmin(axis=-1)]
    snapped = np.where(operations < 0, -nearest, nearest) + 0.0
    return np.where(np.abs(snapped - operations) < 1e-9, snapped, operations)


def _limit_operations(symbol: str) -> np.ndarray:
    """The finite group that stands for a limiting group: see :data:`constitutive.symmetry.tables.LIMIT_GROUPS`."""
    if symbol == "isotropic":
        golden = (1 + np.sqrt(5)) / 2
        generators = [rotation((0, 1, golden), 72.0), rotation((1, 1, 1), 120.0), -np.eye(3)]
    else:
        generators = [rotation((0, 0, 1), 360.0 / TRANSVERSE_FOLD), rotation((1, 0, 0), 180.0), -np.eye(3)]
    operations = nearest_orthogonal(generate(np.array(generators), LIMIT_GROUPS[symbol].order))
    operations.setflags(write=False)
    return operations


@cache
def standard_operations(symbol: str) -> Float[np.ndarray, "n 3 3"]:
    """Operations of a point group in its standard axes, read-only, identity first.

    Parameters
    ----------
    symbol : str
        Short Hermann–Mauguin symbol, or the name of a limiting group.

    Returns
    -------
    array (n, 3, 3)
    """
    if symbol in LIMIT_GROUPS:
        return _limit_operations(symbol)
    entry = POINT_GROUPS[symbol]
    generators = [matrix for name, direction in entry.parts for matrix in element_matrices(name, direction)]
    operations = _rounded(generate(_rounded(np.array(generators))))
    operations.setflags(write=False)
    return operations


def histogram(operations: Float[np.ndarray, "n 3 3"]) -> tuple[tuple[str, int], ...]:
    """Numbers of operations by label: by these the 32 point groups are distinguished.

    Parameters
    ----------
    operations : array (n, 3, 3)

    Returns
    -------
    tuple of (label, number)
        Sorted by label.
    """
    names = labels(operations)
    return tuple(sorted((name, names.count(name)) for name in set(names)))


@cache
def _fingerprints() -> dict[tuple[tuple[str, int], ...], str]:
    return {histogram(standard_operations(symbol)): symbol for symbol in POINT_GROUPS}


def identify(operations: Float[np.ndarray, "n 3 3"]) -> str:
    """Short Hermann–Mauguin symbol of a closed set of operations.

    Parameters
    ----------
    operations : array (n, 3, 3)
        Orthogonal, Cartesian; in any orientation.

    Returns
    -------
    str
        One of the 32 symbols, such as "m-3m".

    Raises
    ------
    SymmetryError
        The set is none of the 32 crystallographic point groups.
    """
    symbol = _fingerprints().get(histogram(operations))
    if symbol is None:
        found = ", ".join(f"{count} × {name}" for name, count in histogram(operations))
        raise SymmetryError(f"the operations ({found}) are those of no crystallographic point group: complete the set")
    return symbol


def axes_by_label(operations: Float[np.ndarray, "n 3 3"]) -> list[tuple[str, np.ndarray]]:
    """Labels and axes of the operations that have an axis.

    Parameters
    ----------
    operations : array (n, 3, 3)

    Returns
    -------
    list of (label, array (3,))
        Unit vectors; the identity and the inversion are left out.
    """
    pairs = [(name, axis(R)) for name, R in zip(labels(operations), operations, strict=True)]
    return [(name, direction) for name, direction in pairs if np.any(direction)]


def _frame_of(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Right-handed orthonormal columns: along the first direction, in the plane of the second, and across."""
    across = np.cross(first, second)
    across /= np.linalg.norm(across)
    return np.stack([first, np.cross(across, first), across], axis=-1)


def _turn_onto(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Smallest rotation that takes the unit vector a to b."""
    cross = np.cross(a, b)
    if np.linalg.norm(cross) < 1e-14:
        return np.eye(3) if a @ b > 0 else rotation(np.eye(3)[np.argmin(np.abs(a))], 180.0)
    return rotation(cross, np.degrees(np.arctan2(np.linalg.norm(cross), a @ b)))


def _candidate_frames(standard: np.ndarray, operations: np.ndarray) -> list[np.ndarray]:
    anchors = axes_by_label(standard)
    if not anchors:
        return [np.eye(3)]
    targets = axes_by_label(operations)
    first_label, first = max(anchors, key=lambda pair: (int(pair[0].strip("-").replace("m", "2")), pair[1][2]))
    others = [pair for pair in anchors if np.linalg.norm(np.cross(pair[1], first)) > 1e-6]
    ends = [sign * n for name, n in targets if name == first_label for sign in (1, -1)]
    if not others:
        return [_turn_onto(first, end) for end in ends]
    second_label, second = others[0]
    inverse = _frame_of(first, second).T
    side = [sign * n for name, n in targets if name == second_label for sign in (1, -1)]
    return [_frame_of(u, v) @ inverse for u in ends for v in side if abs(u @ v - first @ second) < SAME_OPERATION]


def standard_frame(symbol: str, operations: Float[np.ndarray, "n 3 3"]) -> Float[np.ndarray, "3 3"]:
    """Rotation Q with ``operations = Q standard Qᵀ``: the one nearest to the identity.

    Parameters
    ----------
    symbol : str
        Of the group.
    operations : array (n, 3, 3)
        The same group in any orientation.

    Returns
    -------
    array (3, 3)

    Raises
    ------
    SymmetryError
        No rotation brings the standard group onto the operations.
    """
    standard = standard_operations(symbol)
    candidates = _candidate_frames(standard, operations)
    candidates.sort(key=lambda Q: (round(float(np.trace(Q)), 6), *np.round(Q.diagonal(), 6)), reverse=True)
    for Q in candidates:
        if (index_of(operations, Q @ standard @ Q.T) >= 0).all():
            return Q
    raise SymmetryError(f"the operations have the elements of {symbol} but not its geometry: they are inexact")
