r"""A law of any kind as three flat pieces that one C function can evaluate: a polynomial, a layer of units, a domain.

Each kind of law has a function that adds it to the pieces (:data:`PIECES`); turned terms are turned in their coefficients. A twofold axis
of the group along a coordinate axis acts on Mandel components by signs alone. With the subgroup of such signs, of 2ᵏ elements, each
monomial and each component has a class (how the signs act on it), and

- a coefficient of the polynomial is zero unless the classes agree;
- the 2ᵏ units that the signs make of one share their products: preactivations are a Hadamard transform of 2ᵏ partial sums, and the
  stress and tangent of all of them take one product for each entry, of the transformed activations.

So a frame is chosen in which as many twofold axes as possible lie along the axes: 4 signs where there are three, 2 for one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float

from constitutive.errors import MaterialError
from constitutive.laws import (
    BoundedLaw,
    Law,
    LinearLaw,
    NetworkLaw,
    RotatedLaw,
    SeriesLaw,
    SumLaw,
    UnconstrainedNetworkLaw,
)
from constitutive.laws.bounded import Domain
from constitutive.tensors.packing import mandel_matrix
from constitutive.tensors.polynomials import exponents, raising, substitution

MAX_DEGREE = 8
#: Signs of the shear components (yz, xz, xy) under the twofold rotations about x, y and z.
_AXIS_SIGNS = np.array([[1, 1, 1, 1, -1, -1], [1, 1, 1, -1, 1, -1], [1, 1, 1, -1, -1, 1]], dtype=float)


class UnsupportedLawError(MaterialError):
    """A law has no form that the generated code can hold; it is evaluated by torch instead."""


@dataclass
class Flat:
    """The pieces of a law in one frame.

    Attributes
    ----------
    polynomial : dict
        Degree → coefficients over ``exponents(degree)`` (GPa).
    weights, biases, amplitudes : arrays
        One row for each unit: ``a (φ(w·x + b) − φ(b) − φ'(b) w·x)``.
    """

    polynomial: dict[int, Float[np.ndarray, " terms"]] = field(default_factory=dict)
    weights: Float[np.ndarray, "units c"] = field(default_factory=lambda: np.zeros((0, 6)))
    biases: Float[np.ndarray, " units"] = field(default_factory=lambda: np.zeros(0))
    amplitudes: Float[np.ndarray, " units"] = field(default_factory=lambda: np.zeros(0))

    def add_polynomial(self, degree: int, row: np.ndarray) -> None:
        """Add the terms of one degree."""
        self.polynomial[degree] = self.polynomial.get(degree, 0.0) + row

    def add_units(self, weights: np.ndarray, biases: np.ndarray, amplitudes: np.ndarray) -> None:
        """Add hidden units."""
        self.weights = np.concatenate([self.weights, weights])
        self.biases = np.concatenate([self.biases, biases])
        self.amplitudes = np.concatenate([self.amplitudes, amplitudes])


@dataclass(frozen=True)
class Program:
    """What the generated code evaluates, in a frame that suits it.

    Attributes
    ----------
    frame : (c, c), six components, or more for laws of more variables
        Mandel matrix from the law's axes to the program's; the identity where those suit already.
    signs : (2ᵏ, 6)
        How the folded twofold rotations act on Mandel components; the first row is ones.
    polynomial, weights, biases, amplitudes
        As in :class:`Flat`; one row of the last three stands for 2ᵏ units.
    domain : Domain or None
        Where the law holds, in the program's axes.
    extension : tuple of float or None
        κ and L of the conservative extension, where the law has one.
    units : int
        Units before folding.
    """

    frame: Float[np.ndarray, "c c"]
    signs: Float[np.ndarray, "k c"]
    polynomial: dict[int, Float[np.ndarray, " terms"]]
    weights: Float[np.ndarray, "units c"]
    biases: Float[np.ndarray, " units"]
    amplitudes: Float[np.ndarray, " units"]
    domain: Domain | None
    extension: tuple[float, float] | None
    units: int

    @property
    def degree(self) -> int:
        """Highest degree of the polynomial."""
        return max(self.polynomial, default=0)


# ---- how each kind of law adds its terms, turned by the Mandel matrix D (law's axes → program's) ---------------------


def _add_linear(law: LinearLaw, D: np.ndarray, signs: np.ndarray, flat: Flat) -> None:
    flat.add_polynomial(1, D @ law.reference_stress.numpy())
    C = D @ law.stiffness.numpy() @ D.T
    row = np.zeros(len(exponents(2)))
    np.add.at(row, raising(1)[_first_positions()], C / 2)
    flat.add_polynomial(2, row)


def _first_positions() -> np.ndarray:
    """Position of each variable among the monomials of degree 1."""
    return np.argmax(exponents(1), axis=0)


def _add_series(law: SeriesLaw, D: np.ndarray, signs: np.ndarray, flat: Flat) -> None:
    for degree in law.orders:
        if degree > MAX_DEGREE:
            raise UnsupportedLawError(f"a series of degree {degree}: generated code goes to degree {MAX_DEGREE}")
        row = law.get_buffer(f"energy_{degree}").numpy()
        flat.add_polynomial(degree, row if is_identity(D) else row @ substitution(D.T[None], degree)[0])


def _add_network(law: NetworkLaw, D: np.ndarray, signs: np.ndarray, flat: Flat) -> None:
    channels = len(law.biases)
    group = np.asarray(mandel_matrix(law.rotations.numpy()))
    W = law.orbit_weights.numpy().reshape(len(group), channels, 6) @ D.T
    kept = representatives(D @ group @ D.T, signs)
    if len(signs) * len(kept) != len(group):
        raise UnsupportedLawError("the operations of the network's group do not form cosets of the folded twofold axes")
    b, a = law.biases.numpy(), law.amplitudes.numpy() / len(group)
    flat.add_units(W[kept].reshape(-1, 6), np.tile(b, len(kept)), np.tile(a, len(kept)))


def _add_unconstrained(law: UnconstrainedNetworkLaw, D: np.ndarray, signs: np.ndarray, flat: Flat) -> None:
    _add_network(law.network, D, signs, flat)


def _add_sum(law: SumLaw, D: np.ndarray, signs: np.ndarray, flat: Flat) -> None:
    for term in law.terms:
        add_pieces(term, D, signs, flat)


def _add_rotated(law: RotatedLaw, D: np.ndarray, signs: np.ndarray, flat: Flat) -> None:
    add_pieces(law.law, D @ law.matrix.numpy(), signs, flat)


#: Kind of law → how it adds its terms. A new kind of law needs an entry here, or is evaluated by torch.
PIECES: dict[str, Callable[..., None]] = {
    "linear": _add_linear,
    "series": _add_series,
    "network": _add_network,
    "unconstrained": _add_unconstrained,
    "sum": _add_sum,
    "rotated": _add_rotated,
}


def add_pieces(law: Law, D: Float[np.ndarray, "6 6"], signs: Float[np.ndarray, "k 6"], flat: Flat) -> None:
    """Add a law's terms, turned into the program's axes.

    Raises
    ------
    UnsupportedLawError
        The law is of a kind without an entry in :data:`PIECES`.
    """
    if law.kind not in PIECES:
        raise UnsupportedLawError(f"a law of kind {law.kind!r}: generated code exists for {', '.join(sorted(PIECES))} within one domain")
    PIECES[law.kind](law, D, signs, flat)


def leaves(law: Law, turn: np.ndarray) -> list[np.ndarray]:
    """Groups of the terms without parts, in the axes of the whole."""
    if isinstance(law, SumLaw):
        return [group for term in law.terms for group in leaves(term, turn)]
    if isinstance(law, RotatedLaw):
        return leaves(law.law, turn @ law.rotation.numpy())
    return [turn @ law.rotations.numpy() @ turn.T]


# ---- the frame -------------------------------------------------------------------------------------------------------


def is_identity(D: Float[np.ndarray, "m m"]) -> bool:
    """Whether a matrix turns nothing."""
    return bool(np.abs(D - np.eye(len(D))).max() < 1e-12)


def twofold_axes(rotations: Float[np.ndarray, "g 3 3"]) -> Float[np.ndarray, "axes 3"]:
    """Unit vectors along the twofold rotations (trace −1) of a group."""
    half_turns = [R for R in rotations if abs(np.trace(R) + 1) < 1e-8]
    return np.array([np.linalg.eigh((R + R.T) / 2)[1][:, -1] for R in half_turns]).reshape(-1, 3)


def _contains(group: np.ndarray, R: np.ndarray) -> bool:
    return bool(np.abs(group - R).max(axis=(1, 2)).min() < 1e-9)


def _half_turn(axis: np.ndarray) -> np.ndarray:
    return 2 * np.outer(axis, axis) - np.eye(3)


def choose_frame(groups: list[Float[np.ndarray, "g 3 3"]]) -> tuple[Float[np.ndarray, "3 3"], Float[np.ndarray, "k 6"]]:
    """Rotation to axes that twofold axes common to all groups lie along, and their signs.

    The law's own axes are kept where they do as well as any.
    """
    axes = [a for a in twofold_axes(groups[0]) if all(_contains(group, _half_turn(a)) for group in groups[1:])]
    best, most = np.eye(3), sum(np.abs(np.abs(a) - e).max() < 1e-9 for a in axes for e in np.eye(3))
    for first in axes:
        for second in axes:
            if most < 3 and abs(first @ second) < 1e-9:
                best, most = np.array([first, second, np.cross(first, second)]), 3
    if most == 0 and axes:
        best, most = _completed(axes[0]), 1
    along = [e for e in range(3) if any(np.abs(np.abs(best @ a) - np.eye(3)[e]).max() < 1e-9 for a in axes)]
    return best, np.vstack([np.ones(6), _AXIS_SIGNS[along if len(along) in (1, 3) else []]])


def _completed(axis: np.ndarray) -> np.ndarray:
    """Right-handed axes of which the last is given."""
    other = np.cross(axis, np.eye(3)[np.argmin(np.abs(axis))])
    other /= np.linalg.norm(other)
    return np.array([other, np.cross(axis, other), axis])


def representatives(matrices: Float[np.ndarray, "g c c"], signs: Float[np.ndarray, "k c"]) -> list[int]:
    """One operation of each coset g·{signs} of a group of Mandel matrices."""
    kept: list[int] = []
    covered = np.zeros(len(matrices), dtype=bool)
    for k, matrix in enumerate(matrices):
        if not covered[k]:
            kept.append(k)
            for row in signs:
                covered |= np.abs(matrices - matrix * row).max(axis=(1, 2)) < 1e-9
    return kept


# ---- a law as a program ----------------------------------------------------------------------------------------------


def _peel(law: Law) -> tuple[Law, np.ndarray, Domain | None, tuple[float, float] | None]:
    """The law inside rotations and a domain, the rotation from its axes to the outer ones, its domain in its own axes, κ and L."""
    turn, domain, extension = np.eye(3), None, None
    while isinstance(law, RotatedLaw | BoundedLaw):
        if isinstance(law, RotatedLaw):
            R = law.rotation.numpy()
            turn, domain = turn @ R, None if domain is None else domain.rotated(R.T)
        elif domain is not None:
            raise UnsupportedLawError("a domain inside a domain")
        else:
            domain = law.domain
            extension = (law.penalty, law.reach) if law.policy == "extend" else None
        law = law.law
    return law, turn, domain, extension


def program(law: Law, domain: Domain | None = None) -> Program:
    """Flatten a law.

    Parameters
    ----------
    law
        Any law of the kinds in :data:`PIECES`, turned or within one domain or both.
    domain
        Domain of the material in the law's own axes, where the law itself carries none.

    Returns
    -------
    Program
        In GPa, in the law's own axes.

    Raises
    ------
    UnsupportedLawError
        The law is of another make; torch evaluates it.
    MaterialError
        A coefficient is not finite.
    """
    inner, turn, own, extension = _peel(law)
    Q, signs = choose_frame(leaves(inner, np.eye(3)))
    D = np.asarray(mandel_matrix(Q))
    flat = Flat()
    add_pieces(inner, D, signs, flat)
    polynomial = {d: row for d, raw in sorted(flat.polynomial.items()) if np.any(row := cleaned(raw, signs, d))}
    if own is None and domain is not None:
        own = domain.rotated(turn.T)
    result = Program(
        frame=np.asarray(mandel_matrix(Q @ turn.T)),
        signs=signs,
        polynomial=polynomial,
        weights=flat.weights,
        biases=flat.biases,
        amplitudes=flat.amplitudes,
        domain=None if own is None else own.rotated(Q),
        extension=extension,
        units=len(signs) * len(flat.biases),
    )
    check_finite(result)
    return result


def cleaned(row: Float[np.ndarray, " terms"], signs: Float[np.ndarray, "k c"], degree: int) -> Float[np.ndarray, " terms"]:
    """Coefficients without those that the signs forbid (rounding of the projection put them there).

    Raises
    ------
    UnsupportedLawError
        A forbidden coefficient is larger than rounding: the law does not have the symmetry of its group.
    """
    parity = np.prod(np.where(exponents(degree, signs.shape[1])[None] % 2 == 1, signs[:, None, :], 1.0), axis=2)
    allowed = (parity > 0).all(axis=0)
    size = np.abs(row).max(initial=0.0)
    if np.abs(row[~allowed]).max(initial=0.0) > 1e-11 * size:
        raise UnsupportedLawError(f"terms of degree {degree} that the twofold axes of the law's group forbid")
    return np.where(allowed & (np.abs(row) > 1e-15 * size), row, 0.0)


def check_finite(result: Program) -> None:
    """Require finite coefficients.

    Raises
    ------
    MaterialError
        One is not.
    """
    arrays = [result.frame, result.weights, result.biases, result.amplitudes, *result.polynomial.values()]
    if not all(np.isfinite(array).all() for array in arrays):
        raise MaterialError("the law holds a parameter that is not finite; calibrate it again")
