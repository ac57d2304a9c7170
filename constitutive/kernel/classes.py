r"""Classes of Mandel components under the folded signs, and the entries of stress and tangent in each.

With the subgroup of 2ᵏ signs (see :mod:`constitutive.kernel.flatten`) every component has a class :math:`\chi`: which of the
generating signs change it. Classes multiply by exclusive or, so that the entry ij of the tangent is of class
:math:`\chi(i) \oplus \chi(j)`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

UPPER = tuple((i, j) for i in range(6) for j in range(i, 6))


def upper(components: int) -> tuple[tuple[int, int], ...]:
    """Entries of an upper triangle, row by row."""
    return tuple((i, j) for i in range(components) for j in range(i, components))


WIDEST = 13  # sums at once: two vectors each and the operands fill 32 registers


@dataclass(frozen=True)
class Classes:
    """What the generated functions sum together.

    Attributes
    ----------
    of : tuple of int
        Class of each component: six Mandel components of a strain, and those of other variables after them.
    fold : int
        Number of signs, and so of classes: 1, 2, 4 or 8.
    stress : list
        Components of each class.
    tangent_parts : list
        Classes with the entries of the upper triangle of the tangent that are summed at once.
    """

    of: tuple[int, ...]
    fold: int
    stress: list[list[int]]
    tangent_parts: list[tuple[int, list[int]]]

    @classmethod
    def of_signs(cls, signs: Float[np.ndarray, "k n"]) -> Classes:
        """Classes under a group of signs; its first row is ones, those of numbers 1, 2 and 4 generate the rest."""
        generators = signs[[k for k in (1, 2, 4) if k < len(signs)]]
        of = tuple(int(sum((row[i] < 0) << k for k, row in enumerate(generators))) for i in range(signs.shape[1]))
        fold = len(signs)
        stress = [[i for i in range(len(of)) if of[i] == c] for c in range(fold)]
        tangent = [[k for k, (i, j) in enumerate(upper(len(of))) if of[i] ^ of[j] == c] for c in range(fold)]
        return cls(of, fold, stress, _parts(tangent))


def _parts(tangent: list[list[int]]) -> list[tuple[int, list[int]]]:
    """Entries of each class in parts that fit into the registers."""
    parts = []
    for c, entries in enumerate(tangent):
        count = -(-len(entries) // WIDEST)
        parts += [(c, [int(k) for k in part]) for part in np.array_split(entries, count)] if count else []
    return parts
