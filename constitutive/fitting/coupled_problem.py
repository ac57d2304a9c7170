"""The data of a fit of several variables: packed points over their scales, gradients of the energy, the norm in which errors count."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import final

import numpy as np
from jaxtyping import Float, Int

from constitutive.errors import CalibrationError
from constitutive.fitting.polynomial_basis import PolynomialBasis, orthonormal_columns
from constitutive.tensors.polynomials import invariants_of_blocks
from constitutive.tensors.variables import Variable, representation


@final
@dataclass(frozen=True, eq=False)
class CoupledProblem:
    """Samples of the gradient of an energy of several variables.

    Points are in units of the ``scales``, gradients multiplied by them, so that both are gradients of one energy in GPa; each variable's
    conjugate counts by its relative error.

    Attributes
    ----------
    variables : tuple of Variable
    operations : array (g, 3, 3)
        All operations of the group.
    scales : array (variables,)
        The size of each variable that counts as one, in its unit.
    x : array (n, k)
        Packed components over the scales.
    y : array (n, k)
        Gradient of the energy times the scales, GPa.
    weights : array (k,)
        Factors of the errors of the components of y; 0 where a conjugate was not given.
    """

    variables: tuple[Variable, ...]
    operations: Float[np.ndarray, "g 3 3"]
    scales: Float[np.ndarray, " v"]
    x: Float[np.ndarray, "n k"]
    y: Float[np.ndarray, "n k"]
    weights: Float[np.ndarray, " k"]

    @classmethod
    def of(
        cls,
        variables: Sequence[Variable],
        operations: Float[np.ndarray, "g 3 3"],
        points: Sequence[Float[np.ndarray, "n _"]],
        conjugates: Sequence[Float[np.ndarray, "n _"] | None],
    ) -> CoupledProblem:
        """The problem of samples in physical units.

        Parameters
        ----------
        variables : sequence of Variable
        operations : array (g, 3, 3)
        points : sequence of array (n, components)
            Of each variable, in its unit; a strain in Mandel components.
        conjugates : sequence of array (n, components) or None
            Of each variable the conjugate (stress, polarisation, …), or None where it was not given.

        Returns
        -------
        CoupledProblem

        Raises
        ------
        CalibrationError
            A variable is the same in all samples where its conjugate is wanted, or no conjugate was given.
        """
        if all(given is None for given in conjugates):
            raise CalibrationError("no conjugate of a variable was given: nothing to fit")
        sizes = [float(np.sqrt((p**2).sum(1).mean())) for p in points]
        for variable, size in zip(variables, sizes, strict=True):
            if not size > 0:
                raise CalibrationError(f"the {variable.name} is zero in all samples: leave it out of the variables")
        y, weights = [], []
        entries = len(points[0]) * sum(p.shape[1] for p in points)
        for variable, point, given, size in zip(variables, points, conjugates, sizes, strict=True):
            gradient = np.zeros_like(point) if given is None else variable.sign * size * given
            norm = float(np.linalg.norm(gradient))
            y.append(gradient)
            weights.append(np.full(point.shape[1], np.sqrt(entries) / norm if norm > 0 else 0.0))
        x = np.concatenate([p / s for p, s in zip(points, sizes, strict=True)], 1)
        group = np.asarray(operations, dtype=np.float64)
        return cls(tuple(variables), group, np.array(sizes), x, np.concatenate(y, 1), np.concatenate(weights))

    @cached_property
    def group(self) -> Float[np.ndarray, "g k k"]:
        """The operations as matrices on the packed components."""
        return representation(self.variables, self.operations)

    @cached_property
    def widths(self) -> Float[np.ndarray, " k"]:
        """The scale of every component."""
        return np.concatenate([np.full(v.size, s) for v, s in zip(self.variables, self.scales, strict=True)])

    @cached_property
    def norm(self) -> Float[np.ndarray, "n k k"]:
        """For each sample the diagonal matrix with which errors count."""
        return np.broadcast_to(np.diag(self.weights), (len(self), len(self.weights), len(self.weights))).copy()

    @property
    def scale(self) -> float:
        """One: the points are in units of the scales already."""
        return 1.0

    @cached_property
    def unit(self) -> float:
        """Root of the mean square of the gradient in the norm of the fit."""
        return float(np.sqrt(np.mean(self.normed(self.y) ** 2)))

    def place(self, name: str) -> slice:
        """Where the components of a variable stand.

        Parameters
        ----------
        name : str

        Returns
        -------
        slice
        """
        start = 0
        for variable in self.variables:
            if variable.name == name:
                return slice(start, start + variable.size)
            start += variable.size
        raise KeyError(name)

    def normed(self, error: Float[np.ndarray, "n k"]) -> Float[np.ndarray, "n k"]:
        """An error of y in the norm of the fit.

        Parameters
        ----------
        error : array (n, k)

        Returns
        -------
        array (n, k)
        """
        return error * self.weights

    def relative_errors(self, prediction: Float[np.ndarray, "n k"]) -> dict[str, float]:
        """‖Δ‖/‖·‖ of each conjugate that was given.

        Parameters
        ----------
        prediction : array (n, k)
            Of y.

        Returns
        -------
        dict of float
            By the names of the conjugates.
        """
        found = {}
        for variable in self.variables:
            place = self.place(variable.name)
            if self.weights[place].any():
                found[variable.conjugate] = float(np.linalg.norm((prediction - self.y)[:, place]) / np.linalg.norm(self.y[:, place]))
        return found

    def relative_error(self, prediction: Float[np.ndarray, "n k"]) -> float:
        """‖Δ‖/‖y‖ of all conjugates in the norm of the fit: the root of the mean square of their relative errors.

        Parameters
        ----------
        prediction : array (n, k)
            Of y.

        Returns
        -------
        float
        """
        return float(np.linalg.norm(self.normed(prediction - self.y)) / np.linalg.norm(self.normed(self.y)))

    def subset(self, chosen: Int[np.ndarray, " m"]) -> CoupledProblem:
        """Some of the samples, with the same scales and weights.

        Parameters
        ----------
        chosen : int array (m,)

        Returns
        -------
        CoupledProblem
        """
        return replace(self, x=self.x[chosen], y=self.y[chosen])

    def with_points(self, x: Float[np.ndarray, "m k"], y: Float[np.ndarray, "m k"]) -> CoupledProblem:
        """Other samples with the same scales and weights.

        Parameters
        ----------
        x, y : array (m, k)
            Scaled as ours.

        Returns
        -------
        CoupledProblem
        """
        return replace(self, x=x, y=y)

    def in_seth_hill_strain(self, exponent: float) -> CoupledProblem:
        """Itself: laws of several variables are functions of the Green–Lagrange strain.

        Parameters
        ----------
        exponent : float
            1.

        Returns
        -------
        CoupledProblem

        Raises
        ------
        CalibrationError
            Another exponent.
        """
        if exponent != 1:
            raise CalibrationError(f"Seth–Hill exponent {exponent} found; laws of several variables need 1, the Green–Lagrange strain")
        return self

    def basis(self, degrees: tuple[int, ...]) -> PolynomialBasis:
        """The invariant polynomials of some degrees in all variables together.

        Parameters
        ----------
        degrees : tuple of int
            At least 1.

        Returns
        -------
        PolynomialBasis
        """
        blocks = [variable.matrices(self.operations) for variable in self.variables]
        cloud = self._cloud()
        rows = [orthonormal_columns(invariants_of_blocks(blocks, d), d, cloud) for d in sorted(degrees)]
        return PolynomialBasis(self.operations, degrees, 1.0, rows, self.x.shape[1])

    def _cloud(self) -> Float[np.ndarray, "c k"]:
        """Random points, each variable of size 0 to 1.5."""
        rng, parts = np.random.default_rng(0), []
        for variable in self.variables:
            direction = rng.normal(size=(CLOUD, variable.size))
            direction /= np.linalg.norm(direction, axis=1)[:, None]
            parts.append(1.5 * rng.uniform(size=(CLOUD, 1)) ** 0.5 * direction)
        return np.concatenate(parts, 1)

    def __len__(self) -> int:
        return len(self.x)


CLOUD = 600
