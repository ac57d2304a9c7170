"""Linear terms that a time step adds to a nonlinear system: multiples of constant matrices times the unknown, and a constant force."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from petsc4py import PETSc


@dataclass
class LinearTerm:
    """A constant matrix with a coefficient.

    Attributes
    ----------
    coefficient : float
        Multiplies the matrix; it may change between solves.
    matrix : PETSc.Mat
        Over all degrees of freedom.
    reduced : PETSc.Mat
        The same with rows and columns of supports zero, with the sparsity of the Jacobian.
    """

    coefficient: float
    matrix: PETSc.Mat
    reduced: PETSc.Mat


class LinearTerms:
    """The sum of linear terms and a constant force.

    Parameters
    ----------
    terms : sequence of LinearTerm
        At least one.
    """

    def __init__(self, terms: Sequence[LinearTerm]) -> None:
        self.terms = list(terms)
        self.constant = 0.0 * self.multiply(0, np.zeros(self.terms[0].matrix.getLocalSize()[1]))

    def multiply(self, which: int, x: np.ndarray) -> np.ndarray:
        """Product of one of the matrices, without its coefficient; collective.

        Parameters
        ----------
        which : int
            Number of the term.
        x : array
            Owned entries.

        Returns
        -------
        array
            Owned entries.
        """
        matrix = self.terms[which].matrix
        right, left = matrix.createVecRight(), matrix.createVecLeft()
        right.array[:] = x
        matrix.mult(right, left)
        found = left.array.copy()
        right.destroy()
        left.destroy()
        return found

    def times(self, x: np.ndarray) -> np.ndarray:
        """Product of the sum of all terms; collective.

        Parameters
        ----------
        x : array
            Owned entries.

        Returns
        -------
        array
            Owned entries.
        """
        return sum((term.coefficient * self.multiply(k, x) for k, term in enumerate(self.terms) if term.coefficient), np.zeros_like(x))

    def add_to(self, A: PETSc.Mat) -> None:
        """Add the terms to an assembled Jacobian; collective.

        Parameters
        ----------
        A : PETSc.Mat
        """
        for term in self.terms:
            if term.coefficient:
                A.axpy(term.coefficient, term.reduced, structure=PETSc.Mat.Structure.SAME_NONZERO_PATTERN)
