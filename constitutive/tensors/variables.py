r"""Variables of an energy: their transformation under the point group, their units, and what the energy's derivative by each of them is.

A variable is named by its irreps of O(3) in e3nn's notation: a strain is ``"0e + 2e"``, a polar vector ``"1o"``, an axial one ``"1e"``, a
scalar ``"0e"``. Its conjugate is ``sign`` times the derivative of the energy: :math:`S = \partial\Omega/\partial E`,
:math:`P_0 = -\partial\Omega/\partial E_0`, :math:`\eta = -\partial\Omega/\partial T` (Maugin 1988, *Continuum Mechanics of
Electromagnetic Solids*, sec. 4.7; IEEE Std 176-1987, sec. 2.2). GPa, GV/m and C/m² fit together without factors.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, final

import numpy as np
from jaxtyping import Float

from constitutive.errors import MaterialError
from constitutive.plain import JsonObject
from constitutive.tensors.bases import GroupLike, operations_of
from constitutive.tensors.packing import mandel_matrix

GIVEN = "given"  # stands for irreps where a representation is given as matrices
SAME = 1e-6  # of an operation, and of products of matrices


@final
@dataclass(frozen=True)
class Representation:
    """Matrices of the operations of one group, as nested tuples: they compare and hash by value.

    Attributes
    ----------
    operations : tuple
        Orthogonal matrices 3×3.
    matrices : tuple
        For each operation its orthogonal matrix k×k.
    """

    operations: tuple[tuple[tuple[float, ...], ...], ...]
    matrices: tuple[tuple[tuple[float, ...], ...], ...]

    def of(self, operations: Float[np.ndarray, "g 3 3"], name: str) -> Float[np.ndarray, "g k k"]:
        """Matrices of some operations.

        Parameters
        ----------
        operations : array (g, 3, 3)
        name : str
            Of the variable, for messages.

        Returns
        -------
        array (g, k, k)

        Raises
        ------
        MaterialError
            An operation is none of the group's.
        """
        apart = np.abs(np.asarray(self.operations)[None] - np.asarray(operations)[:, None]).max(axis=(2, 3))
        if apart.min(axis=1).max(initial=0.0) > SAME:
            raise MaterialError(
                f"variable {name!r}: its representation has matrices of {len(self.operations)} operations, and one that is none of them "
                "was asked for; the law needs the group of the representation, in the same axes"
            )
        return np.asarray(self.matrices)[apart.argmin(axis=1)]


@final
@dataclass(frozen=True)
class Variable:
    """One argument of an energy.

    Attributes
    ----------
    name : str
        For instance ``"electric_field"``.
    irreps : str
        How it transforms, in e3nn's notation. A strain ``"0e + 2e"`` stands for six Mandel components.
    unit : str
        Of its components.
    conjugate : str
        Name of ``sign`` times the derivative of the energy by it.
    conjugate_unit : str
        GPa over ``unit``, in its usual form.
    sign : int
        +1 or −1.
    given : Representation or None
        Where the transformation is given as matrices (``Variable.of_matrices``) and ``irreps`` is ``"given"``.
    """

    name: str
    irreps: str
    unit: str
    conjugate: str
    conjugate_unit: str
    sign: int
    given: Representation | None = field(default=None, repr=False)

    @classmethod
    def of_matrices(
        cls,
        name: str,
        group: GroupLike,
        matrices: Float[np.ndarray, "g k k"],
        *,
        unit: str = "1",
        conjugate: str = "",
        conjugate_unit: str = "GPa",
        sign: int = 1,
    ) -> Variable:
        """A variable that transforms by given matrices: an order parameter of any kind.

        Parameters
        ----------
        name : str
        group : PointGroup or array (g, 3, 3)
            All operations, improper ones included.
        matrices : array (g, k, k)
            For each operation, in their order: orthogonal, and D(g) D(h) = D(g h).
        unit, conjugate, conjugate_unit : str
            Unit of its components; name and unit of ``sign`` times the energy's derivative, "force_on_NAME" where not given.
        sign : int
            +1 or −1.

        Returns
        -------
        Variable

        Raises
        ------
        MaterialError
            The matrices are not those of a representation of the group.

        Examples
        --------
        The alternating tilts of the octahedra of a perovskite turn as an axial vector does:

        >>> from constitutive.symmetry import PointGroup
        >>> cubic = PointGroup.from_symbol("m-3m")
        >>> signs = np.linalg.det(cubic.operations)[:, None, None]
        >>> tilt = Variable.of_matrices("tilt", cubic, signs * cubic.operations, unit="degree", conjugate_unit="GPa/degree")
        >>> axial = Variable("spin", "1e", "1", "field", "GPa", 1)
        >>> tilt.size, bool(np.allclose(tilt.matrices(cubic.operations), axial.matrices(cubic.operations)))
        (3, True)
        """
        g, D = np.asarray(operations_of(group), dtype=np.float64), np.asarray(matrices, dtype=np.float64)
        if D.ndim != 3 or len(D) != len(g) or D.shape[1] != D.shape[2] or not D.shape[1] or not np.isfinite(D).all():
            raise MaterialError(
                f"variable {name!r}: matrices of shape {D.shape} found; one k×k matrix for each of {len(g)} operations is needed"
            )
        if np.abs(D @ D.swapaxes(1, 2) - np.eye(D.shape[1])).max() > SAME:
            raise MaterialError(f"variable {name!r}: a matrix is not orthogonal; choose components in which all are")
        nested = [tuple(tuple(tuple(float(entry) for entry in row) for row in matrix) for matrix in array) for array in (g, D)]
        made = cls(name, GIVEN, unit, conjugate or f"force_on_{name}", conjugate_unit, sign, Representation(*nested))
        for k in range(len(g)):
            if np.abs(made.matrices(g[k] @ g) - D[k] @ D).max() > SAME:
                raise MaterialError(
                    f"variable {name!r}: the matrices of two operations multiply to another than that of their product: they are no "
                    "representation of the group, or not in the order of its operations"
                )
        return made

    def as_plain(self) -> str | JsonObject:
        """The name of a variable of the toolkit, or all that defines one of the user's: what :func:`variables_named` takes.

        Returns
        -------
        str or dict
            Plain types.
        """
        if VARIABLES.get(self.name) == self:
            return self.name
        plain: JsonObject = {key: getattr(self, key) for key in ("name", "irreps", "unit", "conjugate", "conjugate_unit", "sign")}
        if self.given is not None:
            plain["operations"] = np.asarray(self.given.operations).tolist()
            plain["matrices"] = np.asarray(self.given.matrices).tolist()
        return plain

    def __post_init__(self) -> None:
        if self.sign not in (-1, 1):
            raise MaterialError(f"variable {self.name!r}: sign {self.sign!r} found, +1 or −1 is needed")
        object.__setattr__(self, "irreps", " + ".join(part.strip() for part in self.irreps.split("+")))
        if (self.irreps == GIVEN) != (self.given is not None):
            raise MaterialError(f"variable {self.name!r}: irreps {GIVEN!r} stand for matrices; make it by Variable.of_matrices")
        self.matrices(np.eye(3)[None])  # names what is wrong with the irreps

    @property
    def is_strain(self) -> bool:
        """Whether its components are the six Mandel components of a symmetric tensor."""
        return self.irreps == "0e + 2e"

    @property
    def size(self) -> int:
        """Number of its components."""
        return int(self.matrices(np.eye(3)[None]).shape[1])

    def matrices(self, operations: Float[np.ndarray, "g 3 3"]) -> Float[np.ndarray, "g k k"]:
        """The operations as matrices on the components of this variable.

        Parameters
        ----------
        operations : array (g, 3, 3)
            Orthogonal, proper or improper.

        Returns
        -------
        array (g, k, k)
            Orthogonal.

        Raises
        ------
        MaterialError
            The irreps make no sense.
        """
        g = np.asarray(operations, dtype=np.float64)
        if self.given is not None:
            return self.given.of(g, self.name)
        sign = np.sign(np.linalg.det(g))[:, None, None]
        simple = {"1o": g, "1e": sign * g, "0e": np.ones((len(g), 1, 1)), "0o": sign}
        if self.is_strain:
            return np.asarray(mandel_matrix(g))
        if self.irreps in simple:
            return simple[self.irreps]
        from constitutive.tensors.equivariant import irreps_matrices  # deferred: e3nn is needed for irreps beyond these only

        try:
            return irreps_matrices(g, self.irreps).numpy()
        except (ValueError, AssertionError) as error:
            raise MaterialError(
                f"variable {self.name!r}: irreps {self.irreps!r} are not in e3nn's notation, as '0e + 2e' for a strain, '1o' for a polar "
                "vector, '1e' for an axial one and '0e' for a scalar are"
            ) from error


STRAIN = Variable("strain", "0e + 2e", "1", "stress", "GPa", 1)
ELECTRIC_FIELD = Variable("electric_field", "1o", "GV/m", "polarization", "C/m^2", -1)
POLARIZATION = Variable("polarization", "1o", "C/m^2", "electric_field", "GV/m", 1)
MAGNETIC_FIELD = Variable("magnetic_field", "1e", "T", "magnetization", "GA/m", -1)
TEMPERATURE = Variable("temperature", "0e", "K", "entropy", "GPa/K", -1)
COMPOSITION = Variable("composition", "0e", "1", "chemical_potential", "GPa", 1)
VARIABLES = {v.name: v for v in (STRAIN, ELECTRIC_FIELD, POLARIZATION, MAGNETIC_FIELD, TEMPERATURE, COMPOSITION)}


def variables_named(names: Iterable[str | Variable | Mapping[str, Any]]) -> tuple[Variable, ...]:
    """Variables by their names.

    Parameters
    ----------
    names : iterable of str, Variable or mapping
        Names of :data:`VARIABLES`; variables stand for themselves, and mappings are what ``Variable.as_plain`` gives.

    Returns
    -------
    tuple of Variable

    Raises
    ------
    MaterialError
        A name is unknown or stands twice, a variable and its conjugate are both there, or there is none.
    """
    found = []
    for name in names:
        if isinstance(name, Mapping):
            found.append(_from_plain(name))
            continue
        if not isinstance(name, Variable) and name not in VARIABLES:
            raise MaterialError(f"variable {name!r} is unknown; there are {', '.join(VARIABLES)}")
        found.append(name if isinstance(name, Variable) else VARIABLES[name])
    known = [v.name for v in found]
    if not known or len(set(known)) < len(known):
        raise MaterialError(f"variables {', '.join(known) or 'none'} found; at least one is needed, and each once")
    both = {v.name for v in found} & {v.conjugate for v in found}
    if both:
        raise MaterialError(f"an energy depends on a variable or on its conjugate, not on both: {' and '.join(sorted(both))}")
    return tuple(found)


def _from_plain(plain: Mapping[str, Any]) -> Variable:
    name, irreps, unit, conjugate, conjugate_unit = (str(plain[k]) for k in ("name", "irreps", "unit", "conjugate", "conjugate_unit"))
    sign = int(plain["sign"])
    if irreps != GIVEN:
        return Variable(name, irreps, unit, conjugate, conjugate_unit, sign)
    g, D = (np.asarray(plain[key], dtype=np.float64) for key in ("operations", "matrices"))
    return Variable.of_matrices(name, g, D, unit=unit, conjugate=conjugate, conjugate_unit=conjugate_unit, sign=sign)


def representation(variables: Sequence[Variable], operations: GroupLike) -> Float[np.ndarray, "g k k"]:
    """Block-diagonal orthogonal matrices D(g) of all operations on the packed components of the variables.

    Parameters
    ----------
    variables : sequence of Variable
    operations : PointGroup, or array (g, 3, 3)
        All operations, improper ones included.

    Returns
    -------
    array (g, k, k)

    Examples
    --------
    >>> from constitutive.symmetry import PointGroup
    >>> representation((STRAIN, ELECTRIC_FIELD), PointGroup.from_symbol("-43m")).shape
    (24, 9, 9)
    """
    group = operations_of(operations)
    blocks = [variable.matrices(group) for variable in variables]
    edges = np.cumsum([0, *(block.shape[1] for block in blocks)])
    D = np.zeros((len(group), edges[-1], edges[-1]))
    for block, start, end in zip(blocks, edges, edges[1:], strict=False):
        D[:, start:end, start:end] = block
    return D
