"""The point group of a crystal as an object: exact Cartesian operations and what follows from them."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from jaxtyping import Float

from constitutive.errors import SymmetryError, SymmetryWarning
from constitutive.show import facts
from constitutive.symmetry import operations as ops
from constitutive.symmetry.elements import SymmetryElement, symmetry_elements
from constitutive.symmetry.operations import Numbers
from constitutive.symmetry.standard_subgroups import Members, maximal_indices, place_of, standard_subgroups, supergroup_places
from constitutive.symmetry.structures import AnyStructure
from constitutive.symmetry.tables import LIMIT_GROUPS, SYMBOLS, GroupEntry, directions_of, entry_of, lookup, positions_of

ROUNDING, TILT_OF_NOISE = 1e-14, 1e-11  # rad: of matrices alone, and of the axes of a relaxed cell
_POLAR = {"1", "2", "m", "mm2", "4", "4mm", "3", "3m", "6", "6mm"}


@dataclass(frozen=True, eq=False)
class PointGroup:
    """One of the 32 crystallographic point groups, oriented in a Cartesian frame.

    Make one by :meth:`from_structure`, :meth:`from_symbol` or :meth:`from_operations`.

    Attributes
    ----------
    symbol : str
        Short Hermann–Mauguin symbol, for instance ``"m-3m"``.
    frame : (3, 3)
        Rotation from the group's standard axes (:mod:`constitutive.symmetry.tables`) to the Cartesian frame in use:
        ``operations = frame @ standard @ frame.T``.
    operations : (order, 3, 3)
        Orthogonal matrices, identity first, read-only.

    Examples
    --------
    >>> group = PointGroup.from_symbol("-43m")
    >>> group.order, group.laue_class, group.crystal_system, group.is_centrosymmetric
    (24, 'm-3m', 'cubic', False)
    """

    symbol: str
    frame: Float[np.ndarray, "3 3"]
    operations: Float[np.ndarray, "order 3 3"]

    # ---- where groups come from

    @classmethod
    def from_symbol(cls, symbol: str | int, *, frame: Float[np.ndarray, "3 3"] | None = None) -> PointGroup:
        """Point group by the name of a point group or a space group, in its standard axes: z along c, x along a, monoclinic axis along y.

        Parameters
        ----------
        symbol : str or int
            A point group: short or full Hermann–Mauguin ("m-3m", "4/m -3 2/m") or Schoenflies ("Oh"), in any setting ("-4m2", "31m",
            "2mm", "112/m"). A space group: "Fd-3m", "P 1 21/c 1", "Oh^7", a number as int, or as text ("225", "No. 62"); text that is
            a point group too ("222", "32") means the point group. A limiting group: "isotropic" or "transversely_isotropic" (axis
            along z), see :attr:`is_limiting`.
        frame : (3, 3), optional
            Rotation from the standard axes to the frame in use.

        Returns
        -------
        PointGroup

        Raises
        ------
        SymmetryError
            No group has that symbol, or the frame is not a rotation.

        Examples
        --------
        >>> [PointGroup.from_symbol(name).symbol for name in ("Oh", "4/m -3 2/m", "F d -3 m", "225", "D3d", "P21/c")]
        ['m-3m', 'm-3m', 'm-3m', 'm-3m', '-3m', '2/m']
        """
        Q = _checked_rotation(np.eye(3) if frame is None else frame)
        found = lookup(symbol) if isinstance(symbol, str) else None
        if found is not None:
            entry, turn = found
            return cls._placed(entry.symbol, Q @ ops.rotation((0, 0, 1), turn))
        positions = _positions(symbol)
        if positions is None:
            raise SymmetryError(
                f"{symbol!r} is neither a point group nor a space group; the 32 point groups are: {' '.join(SYMBOLS)}; space groups are "
                f"named as in the International Tables (Fd-3m, 225), and limiting groups {' and '.join(LIMIT_GROUPS)}"
            )
        matrices = [np.eye(3)]
        for name, direction in zip(positions, directions_of(positions), strict=True):
            matrices += ops.element_matrices(name, direction)
        group = cls.from_operations(np.array(matrices))
        return cls._placed(group.symbol, Q @ group.frame)

    @classmethod
    def from_operations(cls, operations: Numbers, *, tolerance: float = 1e-3) -> PointGroup:
        """Point group of Cartesian operations; generators suffice.

        Parameters
        ----------
        operations : (n, 3, 3)
            Orthogonal matrices to within ``tolerance``; the group kept is exact, nearest to them.
        tolerance : float
            Largest entry of ``|RᵀR − 1|`` that is accepted.

        Returns
        -------
        PointGroup
            In the frame of the operations.

        Raises
        ------
        SymmetryError
            The matrices are not orthogonal, or generate no crystallographic point group.
        """
        given = np.asarray(operations, dtype=float)
        if given.ndim != 3 or given.shape[1:] != (3, 3) or not np.isfinite(given).all():
            raise SymmetryError(f"operations of shape {given.shape} found; finite numbers of shape (n, 3, 3) are needed")
        error = max((ops.orthogonality_error(R) for R in given), default=0.0)
        if error > tolerance:
            raise SymmetryError(
                f"the operations are not orthogonal: |RᵀR − 1| reaches {error:.2g}, more than {tolerance:.2g}; "
                "fractional matrices must be turned to Cartesian ones, and a strained cell relaxed first"
            )
        return _of_exact_operations(ops.nearest_orthogonal(given).tobytes())

    @classmethod
    def from_structure(cls, x: AnyStructure, symprec: float = 0.01, *, disorder: str = "refuse") -> PointGroup:
        """Point group of a crystal, in the Cartesian frame of the structure given.

        Parameters
        ----------
        x : pymatgen Structure, ASE Atoms, or path of a structure file
        symprec : float
            Largest distance in Å between atoms that count as equivalent.
        disorder : {"refuse", "species"}
            Partly occupied sites are an error, or each distinct occupation counts as a species of its own.

        Returns
        -------
        PointGroup

        Raises
        ------
        SymmetryError
            The file, the structure or its symmetry cannot be made out.

        Warns
        -----
        SymmetryWarning
            The file states another symmetry than its atoms have, or contradicts itself.
        """
        from constitutive.symmetry.detection import detect, disagreements  # deferred: spglib is needed for structures only

        found = detect(x, symprec, disorder=disorder)
        if sentences := disagreements(found):
            warnings.warn("; ".join(sentences), SymmetryWarning, stacklevel=2)
        return cls.from_operations(found.operations)

    @classmethod
    def _placed(cls, symbol: str, frame: np.ndarray) -> PointGroup:
        operations = frame @ ops.standard_operations(symbol) @ frame.T
        if np.array_equal(frame, np.eye(3)):
            operations = ops.standard_operations(symbol).copy()
        frame = frame.copy()
        frame.setflags(write=False)
        operations.setflags(write=False)
        return cls(symbol, frame, operations)

    def rotated(self, R: Float[np.ndarray, "3 3"]) -> PointGroup:
        """Group of the crystal after a rigid rotation R: operations R g Rᵀ.

        Parameters
        ----------
        R : array (3, 3)
            Proper rotation, Cartesian.

        Returns
        -------
        PointGroup

        Raises
        ------
        SymmetryError
            R is not a proper rotation.
        """
        return self._placed(self.symbol, _checked_rotation(R) @ self.frame)

    # ---- names

    @property
    def entry(self) -> GroupEntry:
        """The group's line in the table of the 32."""
        return entry_of(self.symbol)

    @property
    def full_symbol(self) -> str:
        """Full Hermann–Mauguin symbol, its positions parted by spaces: ``"4/m -3 2/m"``."""
        return self.entry.full

    @property
    def schoenflies(self) -> str:
        """Schoenflies symbol: ``"Oh"``."""
        return self.entry.schoenflies

    @property
    def laue_class(self) -> str:
        """Symbol of the group with inversion added: the symmetry of strain energies and of diffraction."""
        return self.entry.laue

    @property
    def crystal_system(self) -> str:
        """Crystal system: triclinic, monoclinic, orthorhombic, tetragonal, trigonal, hexagonal or cubic."""
        return self.entry.system

    @property
    def order(self) -> int:
        """Number of operations."""
        return self.entry.order

    # ---- parts

    @cached_property
    def proper_operations(self) -> Float[np.ndarray, "n 3 3"]:
        """Rotations of the group itself (determinant +1)."""
        return _frozen(self.operations[np.linalg.det(self.operations) > 0])

    @cached_property
    def laue_rotations(self) -> Float[np.ndarray, "n 3 3"]:
        """Rotations of the Laue class, at most 24: the symmetry of a strain energy, strain being even under inversion."""
        return self.laue_group.proper_operations

    @cached_property
    def laue_group(self) -> PointGroup:
        """The group with inversion added."""
        if self.is_centrosymmetric:
            return self
        return self.from_operations(np.concatenate([self.operations, -self.operations]))

    @cached_property
    def generators(self) -> Float[np.ndarray, "n 3 3"]:
        """A few operations that generate all others: those of the positions of the Hermann–Mauguin symbol."""
        if self.is_limiting:
            return self.operations
        matrices = [m for name, direction in self.entry.parts for m in ops.element_matrices(name, direction)]
        kept: list[np.ndarray] = []
        reached = np.eye(3)[None]
        for matrix in matrices:
            if not ops.contains(reached, matrix):
                kept.append(matrix)
                reached = ops.generate(np.array(kept))
        turned = self.frame @ np.array(kept).reshape(-1, 3, 3) @ self.frame.T
        return _frozen(self.operations[ops.index_of(self.operations, turned)])

    @cached_property
    def elements(self) -> tuple[SymmetryElement, ...]:
        """Axes, mirror planes and centre of the group, each with its direction and in words; none are listed for a limiting group."""
        if self.is_limiting:
            return ()
        return symmetry_elements(self.operations, self.frame, self.crystal_system)

    # ---- properties

    @property
    def is_limiting(self) -> bool:
        """Whether the group is a limiting (Curie) group, isotropic ∞∞m or transversely isotropic ∞/mm, which a finite one stands for.

        The operations listed are those of a 13-fold axis with two-fold axes across it (∞/mm), and of the icosahedral group (∞∞m). With
        the first, every polynomial in the strain up to degree 6 is exactly transversely isotropic. With the second, constants of
        second order are exactly isotropic (λ and μ); from third order on one anisotropic harmonic of degree 6 is left, which the data
        determine: it vanishes as far as they are isotropic.
        """
        return self.symbol in LIMIT_GROUPS

    @property
    def is_centrosymmetric(self) -> bool:
        """Whether inversion is an operation; odd polar tensors (piezoelectricity) then vanish."""
        return self.symbol == self.laue_class

    @property
    def is_chiral(self) -> bool:
        """Whether the group has rotations only, so that left- and right-handed crystals differ (11 groups)."""
        return len(self.proper_operations) == self.order

    @property
    def is_polar(self) -> bool:
        """Whether a vector is invariant under the group (10 groups: pyroelectricity is allowed)."""
        return self.symbol in _POLAR

    # ---- acting

    def equivalent_directions(self, direction: Numbers) -> Float[np.ndarray, "n 3"]:
        """Distinct images of a Cartesian direction (or any vector) under the group, itself first.

        Parameters
        ----------
        direction : array (3,)
            Cartesian, of any length.

        Returns
        -------
        array (n, 3)
            Of the same length; n divides the order of the group.
        """
        vector = np.asarray(direction, dtype=float)
        return _distinct(self.operations @ vector)

    def equivalent_strains(self, strain: Numbers) -> Float[np.ndarray, "n 3 3"]:
        """Distinct images g E gᵀ of a strain (or any second-rank tensor) under the group, itself first.

        Parameters
        ----------
        strain : array (3, 3)
            Cartesian, in the frame of the group.

        Returns
        -------
        array (n, 3, 3)
        """
        E = np.asarray(strain, dtype=float)
        return _distinct(self.operations @ E @ self.operations.swapaxes(1, 2))

    # ---- subgroups and supergroups

    def is_subgroup_of(self, other: PointGroup) -> bool:
        """Whether every operation, in its Cartesian place, is one of the other group's.

        Parameters
        ----------
        other : PointGroup
            In the same Cartesian frame.

        Returns
        -------
        bool
        """
        return bool((ops.index_of(other.operations, self.operations) >= 0).all())

    def subgroups(self) -> tuple[PointGroup, ...]:
        """All subgroups in their orientations, the largest (the group itself) first.

        Returns
        -------
        tuple of PointGroup

        Raises
        ------
        SymmetryError
            The group is a limiting one, which has infinitely many.
        """
        return tuple(self._subgroup(members) for members in standard_subgroups(self._crystallographic))

    def maximal_subgroups(self) -> tuple[PointGroup, ...]:
        """Proper subgroups that lie in no other proper subgroup.

        Returns
        -------
        tuple of PointGroup

        Raises
        ------
        SymmetryError
            The group is a limiting one.
        """
        return tuple(self._subgroup(members) for members in maximal_indices(self._crystallographic))

    @property
    def _crystallographic(self) -> str:
        if self.is_limiting:
            raise SymmetryError(f"{self.symbol} has infinitely many subgroups: take those of a crystal's point group")
        return self.symbol

    def _subgroup(self, members: Members) -> PointGroup:
        name, place = place_of(self.symbol, members)
        return self.from_symbol(name, frame=self.frame @ place)

    def minimal_supergroups(self) -> tuple[PointGroup, ...]:
        """Point groups that contain this one with no other between them, in their orientations.

        Returns
        -------
        tuple of PointGroup

        Raises
        ------
        SymmetryError
            The group is a limiting one.
        """
        return tuple(self.from_symbol(name, frame=self.frame @ place) for name, place in supergroup_places(self._crystallographic))

    def cosets(self, subgroup: PointGroup) -> Float[np.ndarray, "n 3 3"]:
        """One operation for each variant of a transition from this group to a subgroup: the heads of the left cosets g H.

        Parameters
        ----------
        subgroup : PointGroup
            One of this group's subgroups, in its place.

        Returns
        -------
        (n, 3, 3)
            Operations that carry the first variant into each of the others; n is the ratio of the orders. The identity comes first;
            rotations by small angles are preferred to others.

        Raises
        ------
        SymmetryError
            The other group is no subgroup of this one in its place.

        Examples
        --------
        >>> cubic = PointGroup.from_symbol("m-3m")
        >>> len(cubic.cosets(PointGroup.from_symbol("4mm")))
        6
        """
        if not subgroup.is_subgroup_of(self):
            raise SymmetryError(
                f"{subgroup.symbol} is no subgroup of {self.symbol} as the two are oriented: turn one by PointGroup.rotated, or take "
                f"one of {self.symbol}'s own subgroups()"
            )
        left = set(range(self.order))
        preferred = sorted(left, key=lambda k: (np.linalg.det(self.operations[k]) < 0, -round(float(np.trace(self.operations[k])), 6), k))
        heads = []
        while left:
            head = next(k for k in preferred if k in left)
            members = ops.index_of(self.operations, self.operations[head] @ subgroup.operations)
            left -= set(members.tolist())
            heads.append(head)
        return self.operations[heads]

    # ---- equality

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, PointGroup):
            return NotImplemented
        return self.symbol == other.symbol and ops.same_set(self.operations, other.operations)

    def __hash__(self) -> int:
        return hash(self.symbol)

    def __repr__(self) -> str:
        return f"PointGroup({self.symbol!r}, order {self.order}, Laue class {self.laue_class!r})"

    def _repr_html_(self) -> str:
        names = f"{self.full_symbol}; {self.schoenflies}"
        rows = {"Laue class": self.laue_class, "crystal system": self.crystal_system, "operations": self.order}
        elements = {"elements": "; ".join(element.words for element in self.elements)}
        return facts(f"Point group {self.symbol} ({names})", {**rows, **elements})


def _positions(symbol: str | int) -> tuple[str, ...] | None:
    from constitutive.symmetry.space_groups import point_group_positions  # deferred: spglib is needed for names of space groups only

    return (positions_of(symbol) if isinstance(symbol, str) else None) or point_group_positions(symbol)


@lru_cache(maxsize=64)
def _of_exact_operations(operations: bytes) -> PointGroup:
    """The group that orthogonal matrices generate: a data set asks for that of its structure again and again."""
    group = ops.generate(np.frombuffer(operations).reshape(-1, 3, 3))
    symbol = ops.identify(group)
    return PointGroup._placed(symbol, _without_noise(ops.standard_frame(symbol, group)))


def _without_noise(frame: np.ndarray) -> np.ndarray:
    """A frame along the axes, where it is tilted by no more than the noise of a relaxed cell; rounding alone does no harm."""
    along = np.round(frame)
    return along if ROUNDING < np.abs(frame - along).max() < TILT_OF_NOISE else frame


def _checked_rotation(R: Numbers) -> np.ndarray:
    matrix = np.asarray(R, dtype=float)
    if matrix.shape != (3, 3) or not np.isfinite(matrix).all():
        raise SymmetryError(f"a rotation of shape (3, 3) is needed, {matrix.shape} or non-finite numbers were found")
    error = ops.orthogonality_error(matrix)
    if error > 1e-6 or np.linalg.det(matrix) < 0:
        raise SymmetryError(f"not a proper rotation: |RᵀR − 1| = {error:.2g}, det R = {np.linalg.det(matrix):.3g}; 0 and +1 are needed")
    return ops.nearest_orthogonal(matrix)


def _frozen(array: np.ndarray) -> np.ndarray:
    array = array.copy()
    array.setflags(write=False)
    return array


def _distinct(images: np.ndarray) -> np.ndarray:
    """Drop repeated images, keeping the order."""
    flat = images.reshape(len(images), -1)
    scale = max(float(np.abs(flat).max()), 1e-300)
    same = np.abs(flat[:, None] - flat[None]).max(axis=2) < 1e-9 * scale
    return images[same.argmax(axis=1) == np.arange(len(flat))]
