r"""A law as a linear function of some of its parameters.

For fixed directions the law is linear in its parameters θ (amplitudes and series coefficients). Stresses, elastic constants and
the acoustic tensor are then rows times θ, so that anchors and an ellipticity penalty are rows of one least-squares problem

.. math:: \min_\theta |\Phi\theta - y|^2 + \lambda |\theta - \theta_0|^2 + \sum_k \omega_k^2 (c_k \theta - \bar c_k)^2
          + \mu \sum_j (\delta - d_j \theta)_+^2

with θ₀ the fit without them.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import final

import numpy as np
import torch
from jaxtyping import Float

from constitutive.elasticity.constants import ENGINEERING, independent_places, name_of, voigt_of_polynomial
from constitutive.fitting import FitProblem, SeriesNetworkFit
from constitutive.laws import Law
from constitutive.laws.network import squareplus


@final
@dataclass(frozen=True, eq=False)
class LinearParameters:
    """A fit seen as linear in its amplitudes and series coefficients θ.

    Attributes
    ----------
    fit
        The fit.
    problem
        The samples that it was fitted to.
    """

    fit: SeriesNetworkFit
    problem: FitProblem

    def columns(self, x: Float[np.ndarray, "n 6"]) -> Float[np.ndarray, "n 6 k"]:
        """Φ: the stress of each parameter at one, in units of the fit.

        Parameters
        ----------
        x : array (n, 6)
            Green–Lagrange strains, Mandel.

        Returns
        -------
        array (n, 6, k)
        """
        return self.fit.columns(x)

    @cached_property
    def design(self) -> Float[np.ndarray, "n 6 k"]:
        """Φ at the samples, in the norm of the fit."""
        return np.einsum("nij,njk->nik", self.problem.norm, self.columns(self.problem.x))

    @cached_property
    def unit_laws(self) -> list[Law]:
        """The law of each parameter at one (GPa)."""
        return [self.fit.with_linear_parameters(row).law() for row in np.eye(len(self.fit.linear_parameters))]

    def constants(self, order: int) -> tuple[list[str], Float[np.ndarray, "m k"]]:
        """Names of the independent constants of an order, and the rows (GPa) that give them from θ.

        Parameters
        ----------
        order : int
            2, 3 or 4.

        Returns
        -------
        names : list of str
        rows : array (m, k)
        """
        places = independent_places(self.problem.rotations, order)
        return [name_of(place) for place in places], self._rows_of(places, order)

    def _rows_of(self, places: list[tuple[int, ...]], order: int) -> Float[np.ndarray, "m k"]:
        """Constants (GPa) of each parameter at one: of the activations' derivatives at rest, and of the polynomials of that degree."""
        fit, indices = self.fit, np.array(places).reshape(len(places), order)
        turned = np.einsum("gji,hj->hgi", fit.group, fit.directions)
        slopes = squareplus(torch.from_numpy(fit.biases), order).numpy()
        channels = np.prod(turned[:, :, indices], axis=3).mean(axis=1).T * slopes / np.prod(ENGINEERING[indices], axis=1)[:, None]
        series = np.zeros((len(places), len(fit.coefficients)))
        if order in fit.basis.degrees:
            polynomials = fit.basis.energy[fit.basis.degrees.index(order)]
            tables = [voigt_of_polynomial(row, order) for row in polynomials]
            series[:, fit.basis.degree_of_column == order] = np.array([[table[place] for table in tables] for place in places])
        return fit.unit * fit.basis.scale ** (1 - order) * np.concatenate([channels, series], axis=1)

    def place_row(self, place: tuple[int, ...]) -> Float[np.ndarray, " k"]:
        """The row of one constant by its Voigt indices (from 0).

        Parameters
        ----------
        place : tuple of int
            One index for each order.

        Returns
        -------
        array (k,)
            GPa for each parameter at one.
        """
        return self._rows_of([place], len(place))[0]

    def solve(self, rows: Float[np.ndarray, "m k"], targets: Float[np.ndarray, " m"], ridge: float) -> SeriesNetworkFit:
        """θ with further rows (already weighted) beside the data, held to the present θ by the ridge.

        Parameters
        ----------
        rows : array (m, k)
            Weighted.
        targets : array (m,)
            Of these rows.
        ridge : float
            Towards the present θ.

        Returns
        -------
        SeriesNetworkFit
        """
        A = np.concatenate([self.design.reshape(-1, len(self.fit.linear_parameters)), rows])
        b = np.concatenate([self.problem.normed(self.problem.y).ravel() / self.fit.unit, targets])
        rest = b - A @ self.fit.linear_parameters
        change = np.linalg.solve(A.T @ A + ridge * np.eye(A.shape[1]), A.T @ rest)
        return self.fit.with_linear_parameters(self.fit.linear_parameters + change)
