"""Where the ions of a strained crystal will rest, from the strains computed so far: a relaxation that starts there takes few steps."""

from __future__ import annotations

from itertools import combinations_with_replacement
from math import factorial
from typing import final

import numpy as np
from ase import Atoms
from jaxtyping import Float

from constitutive.plain import JsonObject
from constitutive.simulate.ions import space_group_images
from constitutive.tensors.packing import to_mandel

DEGREE = 3  # of the polynomial in strain
RIDGE = 1e-5  # of the fit, beside strains of the size of the plan
TRUSTED = 3  # samples in a row whose ions were found nearer to the prediction than half their displacement


@final
class IonPrediction:
    """Displacements of the ions as a polynomial of the strain, fitted to the relaxed samples and their images under the space group.

    A displacement in the lattice of the reference depends on the strain E alone, and an operation of the space group that turns the strain
    turns the displacements with it and exchanges the ions. Each sample counts with all its images.

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
        self._images = space_group_images(reference)
        self._size = size
        self._powers = _monomials(6, DEGREE)
        terms = len(self._powers)
        self._gram = np.zeros((terms, terms))
        self._moments = np.zeros((terms, 3 * len(reference)))
        self._good = 0

    def learn(self, F: Float[np.ndarray, "3 3"], record: JsonObject) -> None:
        """Take up a relaxed sample.

        Parameters
        ----------
        F : array (3, 3)
            Its deformation gradient.
        record : dict
            As `constitutive.simulate.sample.compute` returns it, status "done".
        """
        u = self._displacements(np.asarray(record["frac_coords"], dtype=np.float64))
        E = (F.T @ F - np.eye(3)) / 2
        missed = float(np.linalg.norm(self._predict(E) - u))
        self._good = self._good + 1 if missed < 0.5 * float(np.linalg.norm(u)) else 0
        for R, order in self._images:
            turned = np.empty_like(u)
            turned[order] = u @ R.T
            phi = self._features(R @ E @ R.T)
            self._gram += np.outer(phi, phi) / len(self._images)
            self._moments += np.outer(phi, turned.ravel()) / len(self._images)

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
        u = self._predict((F.T @ F - np.eye(3)) / 2)
        return np.asarray(self._at_rest + u @ np.linalg.inv(self._lattice))

    def _displacements(self, frac_coords: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, "n 3"]:
        """From the affine places, in the undeformed lattice (Å), without the drift of all ions together."""
        u = (frac_coords - self._at_rest) @ self._lattice
        return np.asarray(u - u.mean(axis=0))

    def _predict(self, E: Float[np.ndarray, "3 3"]) -> Float[np.ndarray, "n 3"]:
        weights = np.linalg.solve(self._gram + RIDGE * np.eye(len(self._gram)), self._moments)
        return np.asarray((self._features(E) @ weights).reshape(-1, 3))

    def _features(self, E: Float[np.ndarray, "3 3"]) -> Float[np.ndarray, " terms"]:
        """All monomials up to the third degree, weighted so that their scalar product is that of the strains to these powers."""
        e = np.asarray(to_mandel(E)) / self._size
        return np.array([weight * np.prod(e[list(powers)]) for powers, weight in self._powers])


def _monomials(n: int, degree: int) -> list[tuple[tuple[int, ...], float]]:
    """Indices of the factors of each monomial, with the square root of its multinomial coefficient."""
    found = []
    for d in range(1, degree + 1):
        for powers in combinations_with_replacement(range(n), d):
            count = factorial(d)
            for index in set(powers):
                count //= factorial(powers.count(index))
            found.append((powers, float(np.sqrt(count))))
    return found
