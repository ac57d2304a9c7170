r"""Variables of an energy: their transformation under the point group, their units, and what the energy's derivative by each of them is.

A variable is named by its irreps of O(3) in e3nn's notation: a strain is ``"0e + 2e"``, a polar vector ``"1o"``, an axial one ``"1e"``, a
scalar ``"0e"``. Its conjugate is ``sign`` times the derivative of the energy: :math:`S = \partial\Omega/\partial E`,
:math:`P_0 = -\partial\Omega/\partial E_0`, :math:`\eta = -\partial\Omega/\partial T` (Maugin 1988, *Continuum Mechanics of
Electromagnetic Solids*, sec. 4.7; IEEE Std 176-1987, sec. 2.2). GPa, GV/m and C/m² fit together without factors.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Float

from constitutive.errors import MaterialError
from constitutive.tensors.bases import GroupLike, operations_of
from constitutive.tensors.packing import mandel_matrix


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
    """

    name: str
    irreps: str
    unit: str
    conjugate: str
    conjugate_unit: str
    sign: int

    def __post_init__(self) -> None:
        if self.sign not in (-1, 1):
            raise MaterialError(f"variable {self.name!r}: sign {self.sign!r} found, +1 or −1 is needed")
        object.__setattr__(self, "irreps", " + ".join(part.strip() for part in self.irreps.split("+")))
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


def variables_named(names: Iterable[str | Variable]) -> tuple[Variable, ...]:
    """Variables by their names.

    Parameters
    ----------
    names : iterable of str or Variable
        Names of :data:`VARIABLES`; variables stand for themselves.

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
