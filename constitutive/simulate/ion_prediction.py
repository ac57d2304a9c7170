"""Where the ions of a strained crystal will rest, from the strains computed so far: a relaxation that starts there takes few steps."""

from __future__ import annotations

from functools import cache
from typing import final

import numpy as np
from ase import Atoms
from jaxtyping import Float
from scipy.special import factorial

from constitutive.plain import JsonObject
from constitutive.simulate.ions import space_group_images
from constitutive.tensors.packing import to_mandel
from constitutive.tensors.polynomials import exponents, monomials

DEGREES = (2, 3, 4)  # of the polynomials in strain, of which the one that has predicted best is taken
RIDGE = 1e-5  # of the fit, beside strains of the size of the plan
TRUSTED = 3  # samples in a row whose ions were found nearer to the prediction than half their displacement
MEMORY = 0.7  # weight of the errors so far beside that of the last sample


@final
class IonPrediction:
    """Displacements of the ions as polynomials of the strain, fitted to the relaxed samples and their images under the space group.

    A displacement in the lattice of the reference depends on the strain E alone, and an operation of the space group that turns the strain
    turns the displacements with it and exchanges the ions. Each sample counts with all its images. Of polynomials of several degrees that
    one is taken whose predictions of the last samples were best: a high degree needs more samples.

    A prediction is made only when it has proved itself: the last samples were nearer to what was predicted for them than half the way the
    ions went.

    Parameters
    ----------
    reference : Atoms
        The undeformed crystal.
    size : float
        Norm of the largest strain.
    """

    def __init__(self, reference: Atoms, size: float):
        self._lattice = reference.cell.array
        self._at_rest = reference.get_scaled_positions(wrap=False)
        images = space_group_images(reference)
        self._rotations, self._orders = np.array([R for R, _ in images]), [order for _, order in images]
        self._fits = [_Fit(degree, size, 3 * len(reference)) for degree in DEGREES]
        self._errors: np.ndarray = np.full(len(self._fits), np.inf)
        self._good = 0

    def learn(self, F: Float[np.ndarray, "3 3"], record: JsonObject) -> None:
        """Take up a relaxed sample; one whose ions took no step tells nothing that was not known.

        Parameters
        ----------
        F : array (3, 3)
            Its deformation gradient.
        record : dict
            As `constitutive.simulate.sample.compute` returns it, status "done".
        """
        if not record["steps"]:
            return
        u = self._displacements(np.asarray(record["frac_coords"], dtype=np.float64))
        E = (F.T @ F - np.eye(3)) / 2
        missed = np.array([float(np.linalg.norm(fit.at(E) - u.ravel())) for fit in self._fits])
        self._good = self._good + 1 if missed[np.argmin(self._errors)] < 0.5 * float(np.linalg.norm(u)) else 0
        self._errors = np.where(np.isinf(self._errors), missed, MEMORY * self._errors + (1 - MEMORY) * missed)
        turned = np.empty((len(self._rotations), *u.shape))
        for row, R, order in zip(turned, self._rotations, self._orders, strict=True):
            row[order] = u @ R.T
        strains = np.einsum("gij,jk,glk->gil", self._rotations, E, self._rotations)
        for fit in self._fits:
            fit.add(strains, turned.reshape(len(turned), -1))

    def start(self, F: Float[np.ndarray, "3 3"]) -> Float[np.ndarray, "n 3"] | None:
        """Fractional coordinates to begin a relaxation from.

        Parameters
        ----------
        F : array (3, 3)
            Deformation gradient.

        Returns
        -------
        array (n, 3) or None
            None until predictions have proved themselves.
        """
        if self._good < TRUSTED:
            return None
        u = self._fits[int(np.argmin(self._errors))].at((F.T @ F - np.eye(3)) / 2).reshape(-1, 3)
        return np.asarray(self._at_rest + u @ np.linalg.inv(self._lattice))

    def _displacements(self, frac_coords: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, "n 3"]:
        """From the affine places, in the undeformed lattice (Å), without the drift of all ions together."""
        u = (frac_coords - self._at_rest) @ self._lattice
        return np.asarray(u - u.mean(axis=0))


class _Fit:
    """A ridge regression of one degree: normal equations that grow with the samples."""

    def __init__(self, degree: int, size: float, outputs: int):
        self._size, self._degree = size, degree
        terms = self._features(np.zeros((1, 3, 3))).shape[1]
        self._gram, self._moments = np.zeros((terms, terms)), np.zeros((terms, outputs))

    def add(self, E: Float[np.ndarray, "g 3 3"], u: Float[np.ndarray, "g n3"]) -> None:
        phi = self._features(E)
        self._gram += phi.T @ phi / len(phi)
        self._moments += phi.T @ u / len(phi)

    def at(self, E: Float[np.ndarray, "3 3"]) -> Float[np.ndarray, " n3"]:
        weights = np.linalg.solve(self._gram + RIDGE * np.eye(len(self._gram)), self._moments)
        return np.asarray((self._features(E[None]) @ weights)[0])

    def _features(self, E: Float[np.ndarray, "g 3 3"]) -> Float[np.ndarray, "g terms"]:
        """Monomials of all degrees, weighted so that their scalar product is the sum of the powers of that of the strains."""
        powers = monomials(np.asarray(to_mandel(E)) / self._size, self._degree)
        return np.concatenate([_weights(d) * powers[d] for d in range(1, self._degree + 1)], axis=1)


@cache
def _weights(degree: int) -> Float[np.ndarray, " terms"]:
    """Square roots of the multinomial coefficients of the monomials of one degree."""
    return np.sqrt(factorial(degree) / np.prod(factorial(exponents(degree)), axis=1))
