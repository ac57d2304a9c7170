"""Index symmetries of Cartesian tensors in e3nn's notation: ``"ijkl=jikl=klij"``, ``"ij=-ji"``, ``"ijk"``.

The first term names the indices; each further one, with its sign, is an equal component. The signed permutations they
generate cut the 3ʳ components into orbits; the normalised orbits are an orthonormal basis of the tensors with that symmetry, so
that a tensor of rank 8 with the symmetry of fourth-order elasticity is 126 numbers.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import lru_cache
from itertools import product

import numpy as np
from jaxtyping import Float, Int

from constitutive.errors import ConstitutiveError

MAX_RANK = 8
Permutation = tuple[int, ...]


@dataclass(frozen=True)
class IndexSymmetry:
    """A parsed formula.

    Attributes
    ----------
    formula : str
    rank : int
    permutations : tuple of (permutation, sign)
        The whole group: component ``T[i[p[0]], i[p[1]], …] = sign T[i]``.
    orbit : (3^rank,)
        Number of each component's orbit among the independent components; -1 where the symmetry makes it zero.
    weight : (3^rank,)
        Entry of the normalised orbit tensor at each component.
    """

    formula: str
    rank: int
    permutations: tuple[tuple[Permutation, int], ...]
    orbit: Int[np.ndarray, " components"]
    weight: Float[np.ndarray, " components"]

    @property
    def size(self) -> int:
        """Number of independent components without any point group."""
        return int(self.orbit.max(initial=-1)) + 1

    def reduce(self, tensors: Float[np.ndarray, "n components"]) -> Float[np.ndarray, "n size"]:
        """Coordinates, in the orthonormal orbit basis, of flattened tensors (their symmetric part).

        Parameters
        ----------
        tensors : array (n, 3**rank)

        Returns
        -------
        array (n, size)
        """
        order = np.argsort(self.orbit, kind="stable")
        order = order[np.searchsorted(self.orbit[order], 0) :]
        starts = np.searchsorted(self.orbit[order], np.arange(self.size))
        if not self.size:
            return np.zeros((len(tensors), 0))
        return np.add.reduceat(tensors[:, order] * self.weight[order], starts, axis=1)

    def expand(self, coordinates: Float[np.ndarray, "n size"]) -> Float[np.ndarray, "n components"]:
        """Flattened tensors from their coordinates.

        Parameters
        ----------
        coordinates : array (n, size)

        Returns
        -------
        array (n, 3**rank)
        """
        padded = np.concatenate([coordinates, np.zeros((len(coordinates), 1))], axis=1)
        return padded[:, self.orbit] * self.weight

    def cycle_types(self) -> dict[tuple[int, ...], int]:
        """Signed number of permutations of each cycle type.

        Returns
        -------
        dict
            Sum of the signs of the permutations by the lengths of their cycles.
        """
        counts: Counter[tuple[int, ...]] = Counter()
        for permutation, sign in self.permutations:
            counts[_cycle_type(permutation)] += sign
        return dict(counts)


def _cycle_type(permutation: Permutation) -> tuple[int, ...]:
    seen: set[int] = set()
    lengths = []
    for start in range(len(permutation)):
        length, at = 0, start
        while at not in seen:
            seen.add(at)
            length, at = length + 1, permutation[at]
        if length:
            lengths.append(length)
    return tuple(sorted(lengths))


def _terms(formula: str) -> list[tuple[str, int]]:
    terms = []
    for term in formula.replace(" ", "").split("="):
        sign = -1 if term.startswith("-") else 1
        terms.append((term.lstrip("+-"), sign))
    indices = terms[0][0]
    if terms[0][1] < 0 or len(set(indices)) != len(indices) or len(indices) > MAX_RANK or not (indices + "i").isalpha():
        raise ConstitutiveError(
            f"formula {formula!r}: the first term must name up to {MAX_RANK} different indices without a sign, as in 'ijk=ikj'"
        )
    wrong = [name for name, _ in terms if sorted(name) != sorted(indices)]
    if wrong:
        raise ConstitutiveError(f"formula {formula!r}: {wrong[0]!r} is no rearrangement of {indices!r}")
    return terms


def _generated(generators: list[tuple[Permutation, int]], rank: int) -> dict[Permutation, int]:
    identity = tuple(range(rank))
    group = {identity: 1}
    frontier = [identity]
    while frontier:
        fresh = []
        for p in frontier:
            for q, sign in generators:
                composed = tuple(p[k] for k in q)
                if composed not in group:
                    group[composed] = group[p] * sign
                    fresh.append(composed)
                elif group[composed] != group[p] * sign:
                    return {}  # a permutation with both signs: every component is zero
        frontier = fresh
    return group


@lru_cache(maxsize=128)
def parse(formula: str) -> IndexSymmetry:
    """Index symmetry of a formula; cached.

    Parameters
    ----------
    formula : str
        Equal rearrangements of one set of letters, each with an optional minus sign: ``"ij=-ji"``.

    Returns
    -------
    IndexSymmetry

    Raises
    ------
    ConstitutiveError
        A term is no rearrangement of the first one, or the rank is above 8.
    """
    terms = _terms(formula)
    indices = terms[0][0]
    rank = len(indices)
    generators = [(tuple(indices.index(c) for c in name), sign) for name, sign in terms[1:]]
    group = _generated(generators, rank)
    orbit, weight = _orbits(group, rank)
    return IndexSymmetry(formula, rank, tuple(group.items()), orbit, weight)


def _orbits(group: dict[Permutation, int], rank: int) -> tuple[np.ndarray, np.ndarray]:
    components = np.array(list(product(range(3), repeat=rank)), dtype=np.int64).reshape(3**rank, rank)
    place = 3 ** np.arange(rank)[::-1]
    leader = np.arange(3**rank)
    sign_of = np.ones(3**rank, dtype=np.int64)
    vanishing = np.full(3**rank, not group)
    for permutation, sign in group.items():
        image = components[:, list(permutation)] @ place
        if sign < 0:
            vanishing |= image == np.arange(3**rank)
        better = image < leader
        leader = np.where(better, image, leader)
        sign_of = np.where(better, sign, sign_of)
    vanishing = vanishing[leader] | vanishing
    labels, orbit, count = np.unique(np.where(vanishing, -1, leader), return_inverse=True, return_counts=True)
    weight = np.where(vanishing, 0.0, sign_of / np.sqrt(count[orbit]))
    return orbit - int(labels[0] == -1), weight


def pairs_formula(pairs: int) -> str:
    """Formula of a tensor that is symmetric within each pair of indices and between the pairs: elasticity of order ``pairs``.

    Parameters
    ----------
    pairs : int
        1 to 4; 2 for the stiffness, 3 for third-order constants.

    Returns
    -------
    str
        ``"ijkl=jikl=klij"`` for 2.
    """
    letters = "ijklmnpq"[: 2 * pairs]
    blocks = [letters[2 * k : 2 * k + 2] for k in range(pairs)]
    terms = [letters, letters[1] + letters[0] + letters[2:]]
    for k in range(pairs - 1):
        swapped = [*blocks[:k], blocks[k + 1], blocks[k], *blocks[k + 2 :]]
        terms.append("".join(swapped))
    return "=".join(terms)
