r"""What a plan determines: standard errors of the elastic constants for a given error of the stresses, before any is computed.

The stresses of the plan are linear in the coefficients c of a series, :math:`S = \Phi c`; for independent errors of size :math:`\sigma` the
covariance of c is :math:`\sigma^2 (\Phi^T \Phi)^{-1}`, and constants are linear in c.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Float

from constitutive.data.plan import Plan
from constitutive.elasticity.constants import constants_of_polynomials, independent_places, name_of
from constitutive.fitting import PolynomialBasis
from constitutive.symmetry import PointGroup
from constitutive.tensors.packing import mandel_matrix, to_mandel

HIGHEST_DEGREE = 5  # of the series fitted along
SHARE_OF_DATA = 0.7  # coefficients relative to the stress components that determine them
OPEN = 1e-8  # smallest singular value, relative to the largest, of a combination that the strains determine


@final
@dataclass(frozen=True)
class Forecast:
    """What the stresses of a plan will determine.

    Attributes
    ----------
    noise
        Standard error of each stress component that was assumed, GPa.
    errors
        For order 2 and 3 the independent constants with their expected standard errors in GPa; None where the plan leaves one open.
    degree
        Degree of the series that was fitted along.
    images
        Number of different strains that symmetry makes of the plan's.
    """

    noise: float
    errors: dict[int, dict[str, float | None]]
    degree: int
    images: int

    def open(self, order: int) -> list[str]:
        """Names of the constants of an order that the plan leaves open.

        Parameters
        ----------
        order
            2 or 3.

        Returns
        -------
        Names such as "C144".
        """
        return [name for name, error in self.errors[order].items() if error is None]


def forecast(plan: Plan, group: PointGroup, noise: float = 0.01) -> Forecast:
    """Expected standard errors of the elastic constants of a plan.

    Parameters
    ----------
    plan
        The strains.
    group
        The crystal's point group, in the frame of the plan.
    noise
        Standard error of each stress component, GPa.

    Returns
    -------
    Errors by constant; None where no strain of the plan determines one.
    """
    rotations = group.laue_rotations
    x = np.asarray(to_mandel(plan.green_lagrange_strain))
    scale = float(np.sqrt((x**2).sum(1).mean())) or 1.0
    degree = HIGHEST_DEGREE
    while degree > 2 and _columns(rotations, degree, scale) > SHARE_OF_DATA * 6 * len(x):
        degree -= 1
    basis = PolynomialBasis(rotations, tuple(range(2, degree + 1)), scale)
    errors = {order: _errors(basis, basis(x), order, noise) for order in (2, 3)}
    return Forecast(noise, errors, degree, _images(x, rotations))


def _columns(rotations: np.ndarray, degree: int, scale: float) -> int:
    return len(PolynomialBasis(rotations, tuple(range(2, degree + 1)), scale).degree_of_column)


def _errors(basis: PolynomialBasis, design: Float[np.ndarray, "n 6 k"], order: int, noise: float) -> dict[str, float | None]:
    names = [name_of(place) for place in independent_places(basis.rotations, order)]
    if order not in basis.degrees:
        return dict.fromkeys(names)
    _, s, Vt = np.linalg.svd(design.reshape(-1, design.shape[2]), full_matrices=True)
    s = np.concatenate([s, np.zeros(len(Vt) - len(s))])
    known = s > OPEN * s[0]
    rows = _constants_rows(basis, order) @ Vt.T
    size = np.linalg.norm(rows, axis=1)
    values = noise * np.linalg.norm(rows[:, known] / s[known], axis=1)
    lost = np.linalg.norm(rows[:, ~known], axis=1) > 1e-6 * size
    return {name: None if gone else float(value) for name, value, gone in zip(names, values, lost, strict=True)}


def _constants_rows(basis: PolynomialBasis, order: int) -> Float[np.ndarray, "m k"]:
    """Each constant (GPa) as a combination of the coefficients of the columns (GPa)."""
    own = constants_of_polynomials(basis.energy[basis.degrees.index(order)], basis.rotations, order)
    rows = np.zeros((len(own), len(basis.degree_of_column)))
    rows[:, basis.degree_of_column == order] = own
    return rows * basis.scale ** (1 - order)


def _images(x: Float[np.ndarray, "n 6"], rotations: np.ndarray) -> int:
    """Different strains among the images of all strains under the group."""
    images = np.einsum("gij,nj->ngi", np.asarray(mandel_matrix(rotations)), x)
    return sum(len(np.unique(np.round(part, 9), axis=0)) for part in images)
