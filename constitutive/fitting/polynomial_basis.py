r"""Invariant polynomials of the strain as columns of a least-squares fit.

The energy is a series of the invariant polynomials :math:`I_{dk}` of degree d of a group,

.. math:: \psi(E) = \sum_d \sum_k c_{dk}\, I_{dk}(x), \qquad S = \partial\psi/\partial E,

with x the Mandel components of the Green–Lagrange strain: stress and energy are linear in the coefficients c; theory, eq. (8).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, final

import numpy as np
from jaxtyping import Float

from constitutive.tensors.polynomials import SIZE, differentiate, exponents, invariant_counts, invariant_polynomials, monomials

if TYPE_CHECKING:
    from constitutive.laws import SeriesLaw

CLOUD = 400  # random strains on which the columns of one degree are made orthonormal
REFERENCE_STRESS = 6  # columns of a free stress at zero strain
HIGHEST = 6  # degree up to which invariants are counted at once
PARALLEL = 0.02  # what is left of the columns of second order beside the others, below which they are parallel (random strains: 0.08)
NEGLIGIBLE = 1e-3  # part of the other columns, relative to their largest, that would need coefficients too large to be believed


@final
class PolynomialBasis:
    """Invariant polynomials of some degrees, scaled so that every column has a typical size of one.

    Parameters
    ----------
    rotations
        The group.
    degrees
        Powers of the strain in the energy.
    scale
        The strain that counts as one.
    polynomials
        For each degree the invariants as rows over the monomials; those of :func:`orthonormal_basis` when not given. (Which basis of a
        degree is taken is arbitrary: a material file holds its own.)
    variables
        Number of components of a point: 6 of a strain.
    """

    def __init__(
        self,
        rotations: Float[np.ndarray, "g 3 3"],
        degrees: tuple[int, ...],
        scale: float,
        polynomials: list[np.ndarray] | None = None,
        variables: int = SIZE,
    ):
        self.variables = variables
        self.rotations, self.degrees, self.scale = rotations, tuple(sorted(degrees)), scale
        #: for each degree the coefficients over the monomials
        self.energy = [orthonormal_basis(rotations, d) for d in self.degrees] if polynomials is None else polynomials
        self.gradient = [differentiate(b, d, variables) for d, b in zip(self.degrees, self.energy, strict=True)]

    @cached_property
    def degree_of_column(self) -> np.ndarray:
        """The degree behind each column."""
        return np.concatenate([[d] * len(b) for d, b in zip(self.degrees, self.energy, strict=True)] or [[]]).astype(int)

    def __call__(self, x: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "n d k"]:
        """Stress of each polynomial at strains (Mandel): combined by coefficients they are S in units of the fit; or gradients."""
        if not self.degrees:
            return np.zeros((len(x), self.variables, 0))
        values = monomials(x / self.scale, max(self.degrees) - 1)
        columns = [
            (slope.reshape(-1, slope.shape[2]) @ values[d - 1].T).reshape(len(slope), self.variables, len(x)).transpose(2, 1, 0)
            for d, slope in zip(self.degrees, self.gradient, strict=True)
        ]
        return np.concatenate(columns, axis=2)

    def energies(self, x: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "n k"]:
        """Energy of each polynomial, with the gradient that calling the basis returns.

        Parameters
        ----------
        x : array (n, d)
            Green–Lagrange strains, Mandel, or packed points.

        Returns
        -------
        array (n, k)
            In units of the fit.
        """
        if not self.degrees:
            return np.zeros((len(x), 0))
        values = monomials(x / self.scale, max(self.degrees))
        columns = [values[d] @ rows.T * self.scale for d, rows in zip(self.degrees, self.energy, strict=True)]
        return np.concatenate(columns, axis=1)

    def law(self, coefficients: Float[np.ndarray, " k"], unit: float) -> SeriesLaw:
        """The series law of column coefficients, stresses in units of ``unit`` GPa.

        Parameters
        ----------
        coefficients : array (k,)
            Of the columns, in units of ``unit``.
        unit : float
            The stress that counts as one, GPa.

        Returns
        -------
        SeriesLaw
        """
        from constitutive.laws import SeriesLaw  # deferred: torch takes 2 s to import, and a fit needs none

        rows, start = {}, 0
        for degree, basis in zip(self.degrees, self.energy, strict=True):
            part = coefficients[start : start + len(basis)]
            rows[degree] = unit * self.scale ** (1 - degree) * (part @ basis) if len(basis) else np.zeros(len(exponents(degree)))
            start += len(basis)
        return SeriesLaw(rows, self.rotations)


def orthonormal_basis(rotations: Float[np.ndarray, "g 3 3"], degree: int) -> Float[np.ndarray, "k terms"]:
    """Invariants of a degree whose gradients are orthonormal over a fixed cloud of strains of size 0 to 1.5.

    Parameters
    ----------
    rotations
        The group.
    degree
        Power of the strain.

    Returns
    -------
    One invariant a row, over the monomials of that degree.
    """
    group = np.ascontiguousarray(rotations, dtype=np.float64)
    return _orthonormal_basis(group.tobytes(), degree)


@lru_cache(maxsize=64)
def _orthonormal_basis(group: bytes, degree: int) -> np.ndarray:
    basis = invariant_polynomials(np.frombuffer(group, dtype=np.float64).reshape(-1, 3, 3), degree)
    rng = np.random.default_rng(0)
    cloud = rng.normal(size=(CLOUD, 6))
    cloud *= (1.5 * np.sqrt(rng.uniform(size=CLOUD)) / np.linalg.norm(cloud, axis=1))[:, None]
    return orthonormal_columns(basis, degree, cloud)


def orthonormal_columns(basis: Float[np.ndarray, "k terms"], degree: int, cloud: Float[np.ndarray, "c d"]) -> Float[np.ndarray, "k terms"]:
    """The same polynomials, combined so that their gradients are orthonormal over a cloud of points.

    Parameters
    ----------
    basis
        One polynomial a row, over the monomials of the degree.
    degree
        Theirs.
    cloud
        The points.

    Returns
    -------
    array (k, terms)
    """
    slope = differentiate(basis, degree, cloud.shape[1])
    values = monomials(cloud, degree - 1)[degree - 1]
    columns = (slope.reshape(-1, slope.shape[2]) @ values.T).reshape(len(basis), -1).T / np.sqrt(cloud.size)
    return np.linalg.inv(np.linalg.cholesky(columns.T @ columns)) @ basis


# -- a series with a free reference stress, as the intake check fits it to data of unknown convention -----------------------


@final
class LaueGroup:
    """Rotations of a Laue class with their invariant polynomials, each degree made once.

    Parameters
    ----------
    rotations
        The proper rotations, Cartesian.
    symbol
        Of the Laue class.
    """

    def __init__(self, rotations: Float[np.ndarray, "g 3 3"], symbol: str = "") -> None:
        self.rotations = np.asarray(rotations, dtype=np.float64)
        self.symbol = symbol
        self._bases: dict[int, np.ndarray] = {}
        self._counts: list[int] = []

    @property
    def order(self) -> int:
        """Number of rotations."""
        return len(self.rotations)

    def basis(self, degree: int) -> Float[np.ndarray, "k terms"]:
        """Invariants of one degree over the monomials.

        Parameters
        ----------
        degree : int
            Power of the strain.

        Returns
        -------
        array (k, terms)
            One invariant in each row, over ``exponents(degree)``.
        """
        if degree not in self._bases:
            if self.order == 1:
                self._bases[degree] = np.eye(len(exponents(degree)))
            else:
                self._bases[degree] = np.asarray(invariant_polynomials(self.rotations, degree))
        return self._bases[degree]

    def size(self, degree: int) -> int:
        """Number of unknowns of the series up to `degree`.

        Parameters
        ----------
        degree : int
            Highest power of the strain in the energy.

        Returns
        -------
        int
            Six for the reference stress, and one for each invariant.
        """
        if len(self._counts) <= degree:
            self._counts = invariant_counts(self.rotations, max(degree, HIGHEST))
        return REFERENCE_STRESS + sum(self._counts[2 : degree + 1])


@lru_cache(maxsize=1)
def trivial_group() -> LaueGroup:
    """The group of the identity: no symmetry is assumed.

    Returns
    -------
    LaueGroup
    """
    return LaueGroup(np.eye(3)[None], "-1")


def highest_degree(group: LaueGroup, samples: int, *, limit: int = 4, share: float = 0.5) -> int:
    """The highest degree up to `limit` whose unknowns number at most `share` of the stress components; at least 2.

    Parameters
    ----------
    group : LaueGroup
    samples : int
        Number of samples, each with six stress components.
    limit : int
        Largest degree considered.
    share : float
        Largest ratio of unknowns to stress components.

    Returns
    -------
    int
    """
    degree = limit
    while degree > 2 and group.size(degree) > share * 6 * samples:
        degree -= 1
    return degree


def determined_degree(group: LaueGroup, x: Float[np.ndarray, "n 6"], *, limit: int = 4, share: float = 0.5) -> int:
    """The `highest_degree` at which the strains separate the stress at rest and second-order constants from higher ones; at least 2.

    Strains of one size on each path (plus and minus one hundredth, say) cannot distinguish a linear from a cubic term of the stress: their
    columns are parallel, and a series with both has any constants of second order.

    Parameters
    ----------
    group
        Whose invariants are taken.
    x
        Green–Lagrange strains, Mandel.
    limit, share
        As of `highest_degree`.
    """
    degree = highest_degree(group, len(x), limit=limit, share=share)
    if degree == 2 or not x.any():
        return degree
    scale = float(np.sqrt((x * x).sum(1).mean()))
    columns = design(group, x, degree, scale).stress.reshape(6 * len(x), -1)
    first, higher = np.split(columns, [group.size(2)], axis=1)
    alone = float(np.linalg.svd(first, compute_uv=False)[-1])
    while degree > 2 and _smallest_beside(first, higher[:, : group.size(degree) - group.size(2)]) <= PARALLEL * alone:
        degree -= 1
    return degree


def _smallest_beside(columns: Float[np.ndarray, "m k"], others: Float[np.ndarray, "m p"]) -> float:
    """Smallest singular value of columns without their parts along the others."""
    left, singular, _ = np.linalg.svd(others, full_matrices=False)
    Q = left[:, singular > NEGLIGIBLE * max(float(singular[0]), 1e-300)]
    return float(np.linalg.svd(columns - Q @ (Q.T @ columns), compute_uv=False)[-1])


@final
@dataclass(frozen=True)
class Design:
    """Least-squares matrices of a series with a free reference stress: rows of the stress (n, 6, p) and of the energy (n, p).

    Attributes
    ----------
    stress : array (n, 6, p)
        Stress of each column at one, Mandel; the first six columns are s₀.
    energy : array (n, p)
        Energy of each column at one.
    """

    stress: Float[np.ndarray, "n 6 p"]
    energy: Float[np.ndarray, "n p"]


def design(group: LaueGroup, x: Float[np.ndarray, "n 6"], degree: int, scale: float) -> Design:
    r"""The matrices of :math:`\psi = s_0 \cdot x + \sum_{d=2}^D \sum_k c_{dk} I_{dk}(x)` at strains; s₀ is free in all six components.

    Parameters
    ----------
    group
        Whose invariants are taken.
    x
        Green–Lagrange strains, Mandel.
    degree
        D, at least 2.
    scale
        A typical strain, by which x is divided so that the columns are of one size.

    Returns
    -------
    Design
        Rows for the six stress components (Mandel) and for the energy; columns for s₀, then for the coefficients.
    """
    return _design(group, np.ascontiguousarray(x, dtype=np.float64).tobytes(), degree, scale)


@lru_cache(maxsize=8)
def _design(group: LaueGroup, strains: bytes, degree: int, scale: float) -> Design:
    """Kept for the next fit: the readings of a file share their strains, and a robust fit comes back to its own."""
    x = np.frombuffer(strains).reshape(-1, 6)
    degrees = tuple(range(2, degree + 1))
    basis = PolynomialBasis(group.rotations, degrees, scale, [group.basis(d) for d in degrees])
    constant = np.broadcast_to(np.eye(6), (len(x), 6, 6))
    found = Design(np.concatenate([constant, basis(x)], axis=2), np.concatenate([x, basis.energies(x)], axis=1))
    found.stress.setflags(write=False)
    found.energy.setflags(write=False)
    return found
