r"""Elastic constants of order 2, 3 and 4 from a law's exact derivatives, and the effective constants under pressure.

Two definitions are in use, with :math:`e = (E_{xx}, E_{yy}, E_{zz}, 2E_{yz}, 2E_{xz}, 2E_{xy})`:

- Brugger: :math:`C_{IJ\ldots} = \partial^n \psi / \partial e_I \partial e_J \ldots` at zero strain (Brugger, Phys. Rev. 133 (1964) A1611);
- Taylor: the coefficient of :math:`e_I e_J \ldots` in the power series of ψ, which is Brugger's constant over the product of the
  factorials of the repetitions: C11/2, C12, C111/6, C112/2, C123.

Derivatives are isothermal or adiabatic as the data are (static calculations at 0 K: both).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations_with_replacement, permutations
from math import factorial, prod
from typing import final

import numpy as np
import torch
from jaxtyping import Float, Int

from constitutive.errors import DomainError
from constitutive.laws import Law
from constitutive.show import facts
from constitutive.tensors.packing import (
    ROOT2,
    from_mandel,
    stiffness_mandel_to_voigt,
    tangent_to_mandel,
    to_mandel,
)
from constitutive.tensors.polynomials import exponents, invariant_polynomials

ENGINEERING = np.array([1, 1, 1, ROOT2, ROOT2, ROOT2])  # Voigt strain e = ENGINEERING · Mandel strain
DEFINITIONS = ("brugger", "taylor")


def elastic_constants(law: Law, order: int, *, at: Float[np.ndarray, "3 3"] | None = None) -> Float[np.ndarray, "..."]:
    """Brugger's constants of order 2, 3 or 4 (GPa) as a Voigt array with ``order`` axes of length 6; theory, eq. (13).

    Parameters
    ----------
    law
        Any law.
    order
        2, 3 or 4 (1 gives the reference stress).
    at
        Green–Lagrange strain to differentiate at; zero by default.

    Returns
    -------
    array (6,) * order
        GPa, in the crystal's Cartesian frame, Voigt order xx yy zz yz xz xy.

    Examples
    --------
    >>> from constitutive import Material
    >>> silicon = Material.from_constants("m-3m", {"C11": 165.7, "C12": 63.9, "C44": 79.6})
    >>> C = elastic_constants(silicon.law, 2)
    >>> C.shape, float(C[0, 0].round(1)), float(C[3, 3].round(1))
    ((6, 6), 165.7, 79.6)
    """
    x = np.zeros(6) if at is None else np.asarray(to_mandel(np.asarray(at, dtype=np.float64)))
    table = law.derivative_mandel(torch.from_numpy(x), order).numpy()
    for axis in range(order):
        table = table / ENGINEERING.reshape([6 if k == axis else 1 for k in range(order)])
    return table


@final
@dataclass(frozen=True)
class ConstantsTable:
    """Independent constants of one order.

    Attributes
    ----------
    order
        Power of the strain in ψ.
    names
        Such as ``"C111"``; every other constant follows from these by symmetry.
    values
        GPa.
    errors
        Standard errors (GPa), or None where unknown.
    definition
        ``"brugger"`` or ``"taylor"``.
    """

    order: int
    names: tuple[str, ...]
    values: tuple[float, ...]
    errors: tuple[float, ...] | None = None
    definition: str = "brugger"

    def as_dict(self) -> dict[str, float]:
        """Values by name.

        Returns
        -------
        dict
            GPa.
        """
        return dict(zip(self.names, self.values, strict=True))

    def _repr_html_(self) -> str:
        errors = self.errors or (None,) * len(self.names)
        shown = [f"{v:.5g}" + ("" if e is None else f" ± {e:.2g}") for v, e in zip(self.values, errors, strict=True)]
        return facts(f"Elastic constants of order {self.order} (GPa, {self.definition})", dict(zip(self.names, shown, strict=True)))


def independent_places(rotations: Float[np.ndarray, "g 3 3"], order: int) -> list[tuple[int, ...]]:
    """Voigt indices (from 0) of independent constants: the first ones, in lexicographic order, that fix all others.

    Parameters
    ----------
    rotations : array (g, 3, 3)
        Proper rotations of the group, in the crystal's Cartesian frame.
    order : int
        1 to 4.

    Returns
    -------
    list of tuple
        One tuple of ``order`` indices for each independent constant: (0, 1) is C12.
    """
    group = np.ascontiguousarray(rotations, dtype=np.float64)
    return list(_independent_places(group.tobytes(), order))


@lru_cache(maxsize=64)
def _independent_places(group: bytes, order: int) -> tuple[tuple[int, ...], ...]:
    rotations = np.frombuffer(group, dtype=np.float64).reshape(-1, 3, 3)
    rows = [voigt_of_polynomial(row, order) for row in invariant_polynomials(rotations, order)]
    tables = np.array([row / np.linalg.norm(row) for row in rows])
    chosen: list[tuple[int, ...]] = []
    matrix: np.ndarray = np.zeros((0, len(tables)))
    for place in combinations_with_replacement(range(6), order):
        candidate = np.vstack([matrix, [table[place] for table in tables]])
        if np.linalg.matrix_rank(candidate, tol=1e-7) > len(matrix):
            matrix = candidate
            chosen.append(place)
        if len(chosen) == len(tables):
            break
    return tuple(chosen)


def constants_table(law: Law, order: int, *, definition: str = "brugger") -> ConstantsTable:
    """The independent constants of a law at zero strain.

    Parameters
    ----------
    law : Law
    order : int
        2, 3 or 4.
    definition : {"brugger", "taylor"}
        Derivatives of the energy, eq. (13), or coefficients of its Taylor series (each constant divided by :func:`repetition`).

    Returns
    -------
    ConstantsTable
        GPa, in the law's frame.

    Raises
    ------
    ValueError
        The definition is neither ``"brugger"`` nor ``"taylor"``.
    """
    if definition not in DEFINITIONS:
        raise ValueError(f"definition {definition!r} found; choose one of {', '.join(DEFINITIONS)}")
    table = elastic_constants(law, order)
    places = independent_places(law.rotations.numpy(), order)
    factors = [repetition(place) if definition == "taylor" else 1 for place in places]
    values = tuple(float(table[place]) / factor for place, factor in zip(places, factors, strict=True))
    return ConstantsTable(order, tuple(name_of(place) for place in places), values, None, definition)


def name_of(place: tuple[int, ...]) -> str:
    """Name of a constant, such as C112 for (0, 0, 1).

    Parameters
    ----------
    place : tuple of int
        Voigt indices from 0.

    Returns
    -------
    str
    """
    return "C" + "".join(str(index + 1) for index in place)


def repetition(place: tuple[int, ...]) -> int:
    """Product of the factorials of how often each index occurs: Brugger's constant over Taylor's.

    Parameters
    ----------
    place : tuple of int
        Voigt indices.

    Returns
    -------
    int
        6 for C111, 2 for C112, 1 for C123.
    """
    return prod(factorial(count) for count in Counter(place).values())


def voigt_of_polynomial(row: Float[np.ndarray, " terms"], order: int) -> Float[np.ndarray, "..."]:
    """Voigt array of Brugger's constants of ψ = Σ row·x^α, over ``exponents(order)`` in Mandel components.

    Parameters
    ----------
    row : array (terms,)
        Coefficients of one degree, GPa.
    order : int
        Their degree.

    Returns
    -------
    array (6,) * order
        GPa.
    """
    term, repetitions, factors = _voigt_places(order)
    return row[term] * repetitions / factors


def constants_of_polynomials(
    polynomials: Float[np.ndarray, "k terms"], rotations: Float[np.ndarray, "g 3 3"], order: int
) -> Float[np.ndarray, "m k"]:
    """The independent constants of each of some energies: what a combination of the energies has is the same combination of the columns.

    Parameters
    ----------
    polynomials : array (k, terms)
        Each row the coefficients of one energy of degree ``order``, as for :func:`voigt_of_polynomial`, GPa.
    rotations : array (g, 3, 3)
        Proper rotations of the group.
    order : int
        Their degree.

    Returns
    -------
    array (m, k)
        GPa; rows in the order of :func:`independent_places`.
    """
    tables = [voigt_of_polynomial(row, order) for row in polynomials]
    places = independent_places(rotations, order)
    return np.array([[table[place] for table in tables] for place in places]).reshape(len(places), -1)


@lru_cache(maxsize=8)
def _voigt_places(order: int) -> tuple[Int[np.ndarray, "..."], Int[np.ndarray, "..."], Float[np.ndarray, "..."]]:
    """For each place of a Voigt array: its monomial, how often the place is repeated, and its product of factors of engineering shear."""
    term, repetitions, factors = np.zeros((6,) * order, dtype=np.int64), np.ones((6,) * order, dtype=np.int64), np.ones((6,) * order)
    for k, powers in enumerate(exponents(order)):
        index = tuple(int(i) for i in np.repeat(np.arange(6), powers))
        for place in set(permutations(index)):
            term[place], repetitions[place], factors[place] = k, repetition(index), np.prod(ENGINEERING[list(index)])
    return term, repetitions, factors


@final
@dataclass(frozen=True, eq=False)
class PressureState:
    """A crystal under hydrostatic pressure.

    Attributes
    ----------
    pressure
        GPa, positive in compression.
    strain
        Green–Lagrange strain from the reference.
    volume_ratio
        J = V/V₀.
    constants
        Wallace's effective constants B (GPa), Voigt 6×6: stress against strain counted from the compressed state.
    """

    pressure: float
    strain: Float[np.ndarray, "3 3"]
    volume_ratio: float
    constants: Float[np.ndarray, "6 6"]


def constants_under_pressure(law: Law, pressure: float, *, steps: int = 60) -> PressureState:
    r"""Equilibrium strain under a hydrostatic pressure, and the effective elastic constants there; theory, eq. (14).

    .. math:: B_{ijkl} = c_{ijkl} + \tfrac12 (\delta_{ik}\sigma_{jl} + \delta_{jk}\sigma_{il} + \delta_{il}\sigma_{jk}
              + \delta_{jl}\sigma_{ik}) - \delta_{kl}\sigma_{ij}, \quad \sigma = -p\,I

    with c the tangent pushed forward (Wallace, *Thermodynamics of Crystals*, 1972, eq. 2.24; Barron & Klein, Proc. Phys. Soc. 85
    (1965) 523). Under pressure B11 = c11 − p, B12 = c12 + p, B44 = c44 − p.

    Parameters
    ----------
    law : Law
    pressure : float
        GPa, compression positive; reached from zero in parts of at most 2 GPa.
    steps : int
        Most Newton steps in each part.

    Returns
    -------
    PressureState
        Strain, relative volume, and B as a 6×6 Voigt array (GPa).

    Raises
    ------
    DomainError
        No equilibrium is found: the law has lost stability before that pressure.
    """
    x = np.zeros(6)
    for part in np.linspace(0, pressure, 1 + max(1, int(np.ceil(abs(pressure) / 2)))):
        x = _equilibrium(law, float(part), x, steps)
    E = from_mandel(x)
    C = np.eye(3) + 2 * E
    J = float(np.sqrt(np.linalg.det(C)))
    U = _root(C)
    tangent = law.tangent(torch.from_numpy(E)).numpy()
    c = np.einsum("iI,jJ,kK,lL,IJKL->ijkl", U, U, U, U, tangent, optimize=True) / J
    return PressureState(pressure, E, J, stiffness_mandel_to_voigt(tangent_to_mandel(c + _stress_terms(-pressure * np.eye(3)))))


def _stress_terms(sigma: np.ndarray) -> np.ndarray:
    eye = np.eye(3)
    pairs = ("ik,jl->ijkl", "jk,il->ijkl", "il,jk->ijkl", "jl,ik->ijkl")
    return 0.5 * sum(np.einsum(p, eye, sigma) for p in pairs) - np.einsum("kl,ij->ijkl", eye, sigma)


def _equilibrium(law: Law, pressure: float, x: np.ndarray, steps: int) -> np.ndarray:
    for _ in range(steps):
        residual, slope = _pressure_residual(law, pressure, x)
        change = -np.linalg.solve(slope, residual)
        x = x + change * min(1.0, 0.03 / max(float(np.linalg.norm(change)), 1e-300))
        if not np.isfinite(x).all() or np.linalg.eigvalsh(np.eye(3) + 2 * from_mandel(x))[0] <= 0.01:
            break
        if np.linalg.norm(change) < 1e-12:
            return x
    raise DomainError(f"no equilibrium of the law under {pressure:g} GPa: it loses stability before; take a smaller pressure")


def _pressure_residual(law: Law, pressure: float, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """S + p J C⁻¹ in Mandel components, and its derivative by E."""
    C = np.eye(3) + 2 * from_mandel(x)
    J, inverse = np.sqrt(np.linalg.det(C)), np.linalg.inv(C)
    bar = to_mandel(inverse)
    product = np.einsum("ik,jl->ijkl", inverse, inverse)
    product = (product + product.transpose(0, 1, 3, 2)) / 2
    state = torch.from_numpy(x[None])
    residual = law.stress_mandel(state)[0].numpy() + pressure * J * bar
    slope = law.tangent_mandel(state)[0].numpy() + pressure * J * (np.outer(bar, bar) - 2 * tangent_to_mandel(product))
    return residual, slope


def _root(C: np.ndarray) -> np.ndarray:
    values, vectors = np.linalg.eigh(C)
    return (vectors * np.sqrt(values)) @ vectors.T
