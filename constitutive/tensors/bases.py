r"""Tensors that are invariant under a point group: how many there are, an orthonormal basis of them, and projection on them.

A tensor of rank r belongs to the group G when, for every operation g of it,

.. math:: T_{i_1 \dots i_r} = s(g)\, g_{i_1 j_1} \cdots g_{i_r j_r}\, T_{j_1 \dots j_r}

with s = 1 for polar tensors, det g for axial ones, and a further −1 for operations with time reversal where the tensor is odd in
time (Nye, *Physical Properties of Crystals*, 1985, ch. I and app. B; Birss, *Symmetry and Magnetism*, 1966). The number of
independent components is the mean of the characters over the group, the basis spans the image of the group average.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias

import numpy as np
from jaxtyping import Float

from constitutive.errors import ConstitutiveError
from constitutive.tensors.formulas import IndexSymmetry, parse


class HasOperations(Protocol):
    """A point group, or anything else with the operations of one."""

    @property
    def operations(self) -> np.ndarray:
        """Orthogonal matrices (n, 3, 3)."""
        ...


if TYPE_CHECKING:
    GroupLike: TypeAlias = HasOperations | np.ndarray
else:
    GroupLike = object  # what is passed is checked by operations_of, with a message for users

Parity = Literal["polar", "axial"]
_CACHE: OrderedDict[tuple[bytes, bytes, str], np.ndarray] = OrderedDict()
_CACHE_SIZE = 256
_OVERSAMPLING = 12


@dataclass(frozen=True)
class Projection:
    """A measured tensor and the nearest one that has the symmetry.

    Attributes
    ----------
    tensor : (3, …, 3)
        The part that has the symmetry, in the unit of the measured tensor.
    residual : (3, …, 3)
        What was taken away.
    relative_residual : float
        Frobenius norm of the residual over that of the measured tensor.
    """

    tensor: Float[np.ndarray, "..."]
    residual: Float[np.ndarray, "..."]
    relative_residual: float


def operations_of(group: GroupLike) -> Float[np.ndarray, "n 3 3"]:
    """Operations of a point group, or an array of them, as float64.

    Parameters
    ----------
    group : PointGroup, MagneticPointGroup, or array (n, 3, 3)

    Returns
    -------
    array (n, 3, 3)

    Raises
    ------
    ConstitutiveError
        The array is not (n, 3, 3) or not orthogonal to 1e-6.
    """
    operations = np.asarray(getattr(group, "operations", group), dtype=float)
    if operations.ndim != 3 or operations.shape[1:] != (3, 3) or not len(operations):
        raise ConstitutiveError(f"operations of shape {operations.shape} found, (n, 3, 3) are needed")
    error = float(np.abs(operations.swapaxes(1, 2) @ operations - np.eye(3)).max())
    if not error < 1e-6:
        raise ConstitutiveError(f"operations must be orthogonal matrices; |RᵀR − 1| reaches {error:.2g}")
    return operations


def signs(group: GroupLike, parity: Parity, time_odd: bool) -> Float[np.ndarray, " n"]:
    """The factor s(g) of each operation.

    Parameters
    ----------
    group : PointGroup, MagneticPointGroup, or array (n, 3, 3)
    parity : {"polar", "axial"}
    time_odd : bool
        The tensor changes sign under time reversal.

    Returns
    -------
    array (n,)
        +1 or −1.

    Raises
    ------
    ConstitutiveError
        The parity is neither ``"polar"`` nor ``"axial"``.
    """
    if parity not in ("polar", "axial"):
        raise ConstitutiveError(f"parity {parity!r} is unknown; 'polar' or 'axial' are needed")
    operations = operations_of(group)
    factor = np.sign(np.linalg.det(operations)) if parity == "axial" else np.ones(len(operations))
    if time_odd:
        factor = factor * np.where(np.asarray(getattr(group, "time_reversal", np.zeros(len(operations)))), -1.0, 1.0)
    return factor


def transform(tensors: Float[np.ndarray, "..."], R: Float[np.ndarray, "3 3"], *, rank: int) -> Float[np.ndarray, "..."]:
    """Turn polar tensors, their last ``rank`` axes being indices, by one matrix: each index contracted with R.

    Parameters
    ----------
    tensors : array (..., 3, …, 3)
    R : array (3, 3)
        Orthogonal matrix; improper ones act as on polar tensors.
    rank : int
        Number of indices.

    Returns
    -------
    array
        Of the same shape: ``R_ia R_jb … T_ab…``.
    """
    batch = tensors.shape[: tensors.ndim - rank]
    flat = tensors.reshape(-1, 3**rank)
    for _ in range(rank):  # contract the last index, put it first: after `rank` rounds every index is turned and in place
        flat = flat.reshape(-1, 3 ** max(rank - 1, 0), 3) @ R.T
        flat = flat.swapaxes(1, 2).reshape(-1, 3**rank)
    return flat.reshape(*batch, *(3,) * rank)


def number_of_invariants(group: GroupLike, formula: str, parity: Parity = "polar", *, time_odd: bool = False) -> int:
    """Number of independent components, from the characters of the group only.

    The mean over the group and over the index permutations of s(g) · sign · ∏ tr(g^length), the product over the cycles of the
    permutation (Fumi 1952; Jahn, Acta Cryst. 2 (1949) 30).

    Parameters
    ----------
    group : PointGroup, MagneticPointGroup, or array (n, 3, 3)
    formula : str
        Index symmetry, such as ``"ijkl=jikl=klij"``.
    parity : {"polar", "axial"}
        Axial tensors change sign under improper operations besides.
    time_odd : bool
        The tensor changes sign under time reversal.

    Returns
    -------
    int
    """
    operations, factor = operations_of(group), signs(group, parity, time_odd)
    symmetry = parse(formula)
    if not symmetry.permutations:
        return 0
    power, traces = np.broadcast_to(np.eye(3), operations.shape), []
    for _ in range(symmetry.rank):
        power = power @ operations
        traces.append(np.trace(power, axis1=1, axis2=2))
    total = np.zeros(len(operations))
    for lengths, count in symmetry.cycle_types().items():
        total += count * np.prod([traces[length - 1] for length in lengths], axis=0) if lengths else count
    return round(float((factor * total).mean()) / len(symmetry.permutations))


def average(
    tensors: Float[np.ndarray, "n ..."], group: GroupLike, parity: Parity = "polar", *, time_odd: bool = False
) -> Float[np.ndarray, "n ..."]:
    """Mean over the group of the images of tensors (their first axis counts them), the projection on the invariant tensors.

    Parameters
    ----------
    tensors : array (n, 3, …, 3)
    group : PointGroup, MagneticPointGroup, or array (g, 3, 3)
    parity : {"polar", "axial"}
        Axial tensors change sign under improper operations besides.
    time_odd : bool
        The tensors change sign under time reversal.

    Returns
    -------
    array (n, 3, …, 3)
    """
    factor = signs(group, parity, time_odd)
    rank = tensors.ndim - 1
    images = [s * transform(tensors, R, rank=rank) for s, R in zip(factor, operations_of(group), strict=True)]
    return np.mean(images, axis=0)


def _multiplication_table(operations: np.ndarray) -> np.ndarray:
    """Index of each product a·b among the operations.

    Raises
    ------
    ConstitutiveError
        A product is not among them: the set is no group.
    """
    products = operations[:, None] @ operations[None]
    distance = np.abs(products[:, :, None] - operations).max(axis=(-1, -2))
    if distance.min(axis=2).max() > 1e-6:
        a, b = np.unravel_index(distance.min(axis=2).argmax(), distance.shape[:2])
        raise ConstitutiveError(
            f"the product of operations {a} and {b} is not among the {len(operations)} given: the whole group is needed, "
            "as PointGroup.from_operations(generators).operations gives it"
        )
    return distance.argmin(axis=2)


def _chain(group: GroupLike, factor: np.ndarray) -> list[list[tuple[np.ndarray, float]]]:
    """Coset representatives of a chain of subgroups up to the group: their means, one after the other, are the mean over the group.

    Averages over 2·2·3·2·2 instead of 48 images. Operations may repeat with another sign (grey magnetic groups): then all are used.
    """
    operations = operations_of(group)
    table = _multiplication_table(operations)
    if len(np.unique(table[:, 0])) < len(operations):
        return [list(zip(operations, factor, strict=True))]
    identity = int(np.abs(operations - np.eye(3)).max(axis=(1, 2)).argmin())
    reached, steps = [identity], []
    while len(reached) < len(operations):
        generator = next(k for k in range(len(operations)) if k not in reached)
        larger = _closure({*reached, generator}, table)
        left, cosets = set(larger), []
        while left:
            head = identity if identity in left else min(left)
            cosets.append((operations[head], float(factor[head])))
            left -= set(table[head, reached].tolist())
        steps.append(cosets)
        reached = sorted(larger)
    return steps


def _closure(members: set[int], table: np.ndarray) -> set[int]:
    group = members
    while True:
        list_of = sorted(group)
        products = {int(k) for k in table[np.ix_(list_of, list_of)].ravel()}
        if products <= group:
            return group
        group = group | products


def _averaged(coordinates: np.ndarray, symmetry: IndexSymmetry, chain: list[list[tuple[np.ndarray, float]]]) -> np.ndarray:
    for cosets in chain:
        tensors = symmetry.expand(coordinates).reshape(-1, *(3,) * symmetry.rank)
        total = sum(s * transform(tensors, R, rank=symmetry.rank) for R, s in cosets) / len(cosets)
        coordinates = symmetry.reduce(np.asarray(total).reshape(len(coordinates), -1))
    return coordinates


def sparse_rotation(basis: np.ndarray) -> np.ndarray:
    """Another orthonormal basis of the same space, made of images of unit vectors, largest first: few entries, not random.

    Parameters
    ----------
    basis : array (k, n)
        Orthonormal rows.

    Returns
    -------
    array (k, n)
        Orthonormal rows.
    """
    projector = basis.T @ basis
    remaining = projector.diagonal().copy()
    chosen = np.zeros_like(basis)
    for k in range(len(basis)):
        pivot = int(np.flatnonzero(remaining > remaining.max() - 1e-6)[0])
        column = projector[pivot] - (chosen[:k].T @ chosen[:k, pivot])
        column -= chosen[:k].T @ (chosen[:k] @ column)
        chosen[k] = column / np.linalg.norm(column)
        remaining = remaining - chosen[k] ** 2
    return chosen


def _basis_coordinates(group: GroupLike, symmetry: IndexSymmetry, factor: np.ndarray, count: int) -> np.ndarray:
    if count == symmetry.size:
        return np.eye(count)
    if count == 0:
        return np.zeros((0, symmetry.size))
    chain = _chain(group, factor)
    trial = np.random.default_rng(0).normal(size=(min(count + _OVERSAMPLING, symmetry.size), symmetry.size))
    span = np.linalg.svd(_averaged(trial, symmetry, chain), full_matrices=False)[2][:count]
    span = np.linalg.svd(_averaged(span, symmetry, chain), full_matrices=False)[2]
    return sparse_rotation(span) if symmetry.size <= 1000 else span


def invariant_basis(group: GroupLike, formula: str, parity: Parity = "polar", *, time_odd: bool = False) -> Float[np.ndarray, "n ..."]:
    """Orthonormal basis of the tensors that are invariant under a point group.

    Parameters
    ----------
    group : PointGroup, or array (n, 3, 3)
        The whole group: its operations as orthogonal matrices.
    formula : str
        Indices and their symmetry in e3nn's notation: ``"ij=ji"``, ``"ijkl=jikl=klij"``, ``"ijk=ikj"``; rank 8 at most.
    parity : {"polar", "axial"}
        Axial tensors take a further factor det g.
    time_odd : bool
        Whether the tensor changes sign under time reversal (magnetic groups).

    Returns
    -------
    array (n, 3, …, 3), read-only and cached
        ``einsum("a...,b...->ab", basis, basis)`` is the identity; each is invariant to 1e-12.

    Raises
    ------
    ConstitutiveError
        A formula that makes no sense, or operations that are not orthogonal matrices.

    Examples
    --------
    >>> from constitutive.symmetry import PointGroup
    >>> len(invariant_basis(PointGroup.from_symbol("m-3m"), "ijkl=jikl=klij"))
    3
    """
    factor = signs(group, parity, time_odd)
    key = (operations_of(group).tobytes(), factor.tobytes(), formula.replace(" ", ""))
    if key not in _CACHE:
        symmetry = parse(key[2])
        count = number_of_invariants(group, key[2], parity, time_odd=time_odd)
        coordinates = _basis_coordinates(group, symmetry, factor, count)
        basis = symmetry.expand(coordinates).reshape(count, *(3,) * symmetry.rank)
        basis.setflags(write=False)
        _CACHE[key] = basis
        if len(_CACHE) > _CACHE_SIZE:
            _CACHE.popitem(last=False)
    _CACHE.move_to_end(key)
    return _CACHE[key]


def project(
    tensor: Float[np.ndarray, "..."], group: GroupLike, formula: str | None = None, parity: Parity = "polar", *, time_odd: bool = False
) -> Projection:
    """Nearest tensor that has the symmetry of a group, and what is left over.

    Parameters
    ----------
    tensor : (3, …, 3)
        Measured tensor, rank 8 at most.
    group : PointGroup, or array (n, 3, 3)
    formula : str, optional
        Index symmetry to impose as well.
    parity : {"polar", "axial"}
    time_odd : bool

    Returns
    -------
    Projection
        The symmetric part, the rest, and the norm of the rest relative to that of the tensor.

    Raises
    ------
    ConstitutiveError
        The tensor has another shape than (3, …, 3), or is not finite.
    """
    T = np.asarray(tensor, dtype=float)
    if T.shape != (3,) * T.ndim or not np.isfinite(T).all():
        raise ConstitutiveError(f"a finite tensor of shape (3, …, 3) is needed, {T.shape} was found")
    kept = average(T[None], group, parity, time_odd=time_odd)[0]
    if formula is not None:
        symmetry = parse(formula)
        if symmetry.rank != T.ndim:
            raise ConstitutiveError(f"formula {formula!r} is of rank {symmetry.rank}, the tensor of rank {T.ndim}")
        kept = symmetry.expand(symmetry.reduce(kept.reshape(1, -1))).reshape(T.shape)
    size = float(np.linalg.norm(T.ravel()))
    residual = T - kept
    return Projection(kept, residual, float(np.linalg.norm(residual.ravel())) / size if size else 0.0)
