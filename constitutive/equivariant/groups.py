"""Finite groups of matrices and their representations."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import permutations
from typing import final

import numpy as np
import torch
from e3nn import o3
from jaxtyping import Float, Int
from torch import Tensor

from constitutive.errors import SymmetryError
from constitutive.tensors.bases import GroupLike, operations_of
from constitutive.tensors.equivariant import irreps_matrices

EQUAL = 1e-8  # largest difference of two matrices that are one element
EXACT = 1e-10  # how far a representation may be from a homomorphism
_LARGEST = 4096


@final
@dataclass(frozen=True, eq=False)
class FiniteGroup:
    """A finite group of distinct matrices.

    Make one by :meth:`from_matrices`, :meth:`from_point_group`, :meth:`symmetric`, :meth:`cyclic` or the product ``G * H``.

    Attributes
    ----------
    matrices
        One for each element, the identity first: a faithful representation.
    table
        ``table[a, b]`` is the number of the product of elements a and b.
    inverse
        Number of the inverse of each element.
    is_spatial
        Whether the matrices are operations of the point group of three-dimensional space, so that e3nn irreps apply.
    """

    matrices: Float[np.ndarray, "g d d"]
    table: Int[np.ndarray, "g g"]
    inverse: Int[np.ndarray, " g"]
    is_spatial: bool = False

    @classmethod
    def from_matrices(cls, matrices: Float[np.ndarray, "n d d"], *, spatial: bool = False) -> FiniteGroup:
        """The group that some matrices generate.

        Parameters
        ----------
        matrices : array (n, d, d)
            Generators, or all elements.
        spatial : bool
            Whether they are 3 × 3 orthogonal operations of space.

        Returns
        -------
        FiniteGroup

        Raises
        ------
        SymmetryError
            The matrices are not square or finite, or generate more than 4096 elements.

        Examples
        --------
        >>> import numpy as np
        >>> FiniteGroup.from_matrices(np.array([[[0.0, -1.0], [1.0, 0.0]]])).order  # a quarter turn
        4
        """
        given = np.asarray(matrices, dtype=np.float64)
        if given.ndim != 3 or given.shape[1] != given.shape[2] or not np.isfinite(given).all():
            raise SymmetryError(f"matrices of shape (n, d, d) with finite entries are needed, shape {given.shape} was found")
        if spatial and given.shape[1] != 3:
            raise SymmetryError(f"spatial operations are 3 × 3 matrices, {given.shape[1]} × {given.shape[2]} were found")
        elements = _generated(given)
        places = {_key(element): k for k, element in enumerate(elements)}
        products = (elements[:, None] @ elements[None]).reshape(-1, *elements.shape[1:])
        try:
            table = np.array([places[_key(product)] for product in products]).reshape(len(elements), -1)
        except KeyError:
            raise SymmetryError("the matrices form no finite group to rounding; give exact ones") from None
        return cls(elements, table, np.argmax(table == 0, axis=1), spatial)

    @classmethod
    def from_point_group(cls, group: GroupLike) -> FiniteGroup:
        """A crystal's point group, improper operations included.

        Parameters
        ----------
        group : PointGroup or array (n, 3, 3)

        Returns
        -------
        FiniteGroup
        """
        return cls.from_matrices(np.array(operations_of(group)), spatial=True)

    @classmethod
    def symmetric(cls, n: int) -> FiniteGroup:
        """All permutations of n things, as n × n matrices.

        Parameters
        ----------
        n : int
            1 to 6.

        Returns
        -------
        FiniteGroup

        Raises
        ------
        SymmetryError
            n is out of range.
        """
        if not 1 <= n <= 6:
            raise SymmetryError(f"n = {n} found: permutation groups of 1 to 6 things are enumerated; give generators of a subgroup instead")
        return cls.from_matrices(np.eye(n)[list(permutations(range(n)))].swapaxes(1, 2))

    @classmethod
    def cyclic(cls, n: int) -> FiniteGroup:
        """Rotations of the plane by multiples of 360°/n.

        Parameters
        ----------
        n : int
            At least 1.

        Returns
        -------
        FiniteGroup

        Raises
        ------
        SymmetryError
            n is below 1.
        """
        if n < 1:
            raise SymmetryError(f"n = {n} found: a cyclic group has at least one element")
        t = 2 * np.pi * np.arange(n) / n
        return cls.from_matrices(np.stack([[np.cos(t), -np.sin(t)], [np.sin(t), np.cos(t)]]).transpose(2, 0, 1).round(15))

    def __mul__(self, other: FiniteGroup) -> FiniteGroup:
        """The direct product, by block-diagonal matrices; its elements are pairs (a, b) in the order a·|H| + b."""
        p, q = self.matrices.shape[1], other.matrices.shape[1]
        pairs = np.zeros((self.order * other.order, p + q, p + q))
        pairs[:, :p, :p] = self.matrices.repeat(other.order, axis=0)
        pairs[:, p:, p:] = np.tile(other.matrices, (self.order, 1, 1))
        table = self.table[:, None, :, None] * other.order + other.table[None, :, None, :]
        inverse = self.inverse[:, None] * other.order + other.inverse
        return FiniteGroup(pairs, table.reshape(len(pairs), -1), inverse.ravel())

    @property
    def order(self) -> int:
        """Number of elements."""
        return len(self.matrices)

    # ---- representations

    def trivial(self, multiplicity: int = 1) -> Representation:
        """Numbers that no element changes.

        Parameters
        ----------
        multiplicity : int

        Returns
        -------
        Representation
        """
        return Representation(self, np.broadcast_to(np.eye(multiplicity), (self.order, multiplicity, multiplicity)))

    def natural(self, multiplicity: int = 1) -> Representation:
        """Vectors on which the group's own matrices act.

        Parameters
        ----------
        multiplicity : int
            Number of vectors, one after the other.

        Returns
        -------
        Representation
        """
        return Representation(self, np.stack([np.kron(np.eye(multiplicity), matrix) for matrix in self.matrices]))

    def regular(self) -> Representation:
        """Functions on the group: (g f)(h) = f(g⁻¹ h).

        Returns
        -------
        Representation
        """
        return Representation(self, np.eye(self.order)[self.table].swapaxes(1, 2))

    def irreps(self, irreps: str | o3.Irreps) -> Representation:
        """Restriction of e3nn irreps of O(3) to the group.

        Parameters
        ----------
        irreps : e3nn Irreps or str
            For instance ``"4x1o"`` for four polar vectors.

        Returns
        -------
        Representation

        Raises
        ------
        SymmetryError
            The group is not one of operations of space.
        """
        if not self.is_spatial:
            raise SymmetryError(
                "irreps of O(3) need a group of operations of space (FiniteGroup.from_point_group); give a Representation of this group"
            )
        return Representation(self, irreps_matrices(self.matrices, irreps).numpy())

    def representation(self, given: str | o3.Irreps | Representation | Float[np.ndarray, "g d d"]) -> Representation:
        """Irreps, matrices or a representation as a representation of this group.

        Parameters
        ----------
        given : e3nn Irreps, str, Representation or array (g, d, d)
            Matrices stand in the order of the elements.

        Returns
        -------
        Representation

        Raises
        ------
        SymmetryError
            The matrices are those of another group, or no representation.
        """
        if isinstance(given, Representation):
            if given.group is not self:
                raise SymmetryError("the representation is one of another group object; make it from this one")
            return given
        return self.irreps(given) if isinstance(given, str | o3.Irreps) else Representation(self, np.asarray(given, dtype=np.float64))


@final
@dataclass(frozen=True, eq=False)
class Representation:
    """Matrices D(g) with D(g) D(h) = D(g h).

    Attributes
    ----------
    group
    matrices
        In the order of the group's elements.

    Raises
    ------
    SymmetryError
        The matrices are no representation of the group.
    """

    group: FiniteGroup
    matrices: Float[np.ndarray, "g d d"]

    def __post_init__(self) -> None:
        D, table = np.array(self.matrices, dtype=np.float64), self.group.table
        if D.ndim != 3 or D.shape[0] != self.group.order or D.shape[1] != D.shape[2]:
            raise SymmetryError(f"a representation has a square matrix for each of the {self.group.order} elements; shape {D.shape} found")
        some = np.unique(np.linspace(0, self.group.order - 1, 16).astype(int))  # enough to find a wrong order or convention
        error = max(np.abs(D[a] @ D - D[table[a]]).max(initial=0.0) for a in some)
        if not error <= EXACT:
            raise SymmetryError(
                f"the matrices are no representation of the group: D(g) D(h) differs from D(g h) by {error:.1e}; they must stand in "
                "the order of group.matrices"
            )
        D.setflags(write=False)
        object.__setattr__(self, "matrices", D)

    @property
    def size(self) -> int:
        """Number of components."""
        return self.matrices.shape[1]

    def __add__(self, other: Representation) -> Representation:
        """The direct sum: components of one after those of the other."""
        p, q = self.size, other.size
        both = np.zeros((self.group.order, p + q, p + q))
        both[:, :p, :p], both[:, p:, p:] = self.matrices, other.matrices
        return Representation(self.group, both)

    def __matmul__(self, other: Representation) -> Representation:
        """The tensor product."""
        return Representation(self.group, np.stack([np.kron(a, b) for a, b in zip(self.matrices, other.matrices, strict=True)]))

    def tensor(self) -> Tensor:
        """The matrices for torch, float64.

        Returns
        -------
        tensor (g, d, d)
        """
        return torch.from_numpy(np.array(self.matrices))


def _key(matrix: np.ndarray) -> bytes:
    return (np.round(matrix, 6) + 0.0).tobytes()


def _generated(generators: np.ndarray) -> np.ndarray:
    identity = np.eye(generators.shape[1])
    found = {_key(identity): identity}
    for matrix in generators:
        found.setdefault(_key(matrix), matrix)
    frontier = list(found.values())
    while frontier:
        fresh: dict[bytes, np.ndarray] = {}
        for a in frontier:
            for b in generators:
                product = a @ b
                key = _key(product)
                if key not in found:
                    fresh[key] = found[key] = product
        if len(found) > _LARGEST:
            raise SymmetryError(f"the matrices generate more than {_LARGEST} elements: they form no small finite group")
        frontier = list(fresh.values())
    return np.array(list(found.values()))
