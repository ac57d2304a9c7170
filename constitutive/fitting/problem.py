"""The data of a fit: strains and stresses in Mandel components, the norm in which errors count, and the group."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import final

import numpy as np
from jaxtyping import Float, Int

from constitutive.data import StressStrainData
from constitutive.fitting.polynomial_basis import PolynomialBasis
from constitutive.kinematics import determinant, seth_hill_strain
from constitutive.tensors.packing import MANDEL_BASIS, from_mandel, mandel_matrix, tangent_to_mandel, to_mandel

LARGE_STRAIN = 0.2  # beyond this |E| errors are measured in the stress that the data give, and series stay short


@final
@dataclass(frozen=True, eq=False)
class FitProblem:
    """Samples of S(E) with the norm in which their errors count.

    Attributes
    ----------
    x
        Green–Lagrange strains, Mandel.
    y
        Second Piola–Kirchhoff stresses less the reference stress, Mandel, GPa.
    norm
        For each sample the matrix T with which an error of S counts as |T dS|: the identity, or the map to P or sigma.
    rotations
        The group.
    numbers
        Of the samples in the data set from which the problem was made; subsets keep them.
    """

    x: Float[np.ndarray, "n 6"]
    y: Float[np.ndarray, "n 6"]
    norm: Float[np.ndarray, "n 6 6"]
    rotations: Float[np.ndarray, "g 3 3"]
    numbers: Int[np.ndarray, " n"] = field(default_factory=lambda: np.zeros(0, dtype=np.int64))

    def __post_init__(self) -> None:
        if len(self.numbers) != len(self.x):
            object.__setattr__(self, "numbers", np.arange(len(self.x)))

    @cached_property
    def group(self) -> Float[np.ndarray, "g 6 6"]:
        """The rotations as matrices on Mandel components."""
        return np.asarray(mandel_matrix(self.rotations))

    @cached_property
    def scale(self) -> float:
        """Root of the mean square of the strains' norms: the strain that counts as one."""
        return float(np.sqrt((self.x**2).sum(1).mean()))

    @cached_property
    def is_large(self) -> bool:
        """Whether the strains go beyond what polynomials of them can follow."""
        return is_large(self.x)

    @cached_property
    def unit(self) -> float:
        """Root of the mean square of the stress components in the norm of the fit (GPa)."""
        return float(np.sqrt(np.mean(self.normed(self.y) ** 2)))

    @cached_property
    def paths(self) -> Int[np.ndarray, " n"]:
        """Number of the path that each sample is on: strains of one direction, to within 15 degrees."""
        size = np.linalg.norm(self.x, axis=1)
        unit = self.x / np.maximum(size, 1e-300)[:, None]
        heads: list[np.ndarray] = []
        paths = np.zeros(len(self), dtype=np.int64)
        for k in np.argsort(-size):
            near = [j for j, head in enumerate(heads) if unit[k] @ head > np.cos(np.radians(15))]
            if not near:
                heads.append(unit[k])
            paths[k] = near[0] if near else len(heads) - 1
        return paths

    def basis(self, degrees: tuple[int, ...]) -> PolynomialBasis:
        """The invariant polynomials of some degrees, at the scale of the strains.

        Parameters
        ----------
        degrees : tuple of int
            Powers of the strain in the energy.

        Returns
        -------
        PolynomialBasis
        """
        return PolynomialBasis(self.rotations, degrees, self.scale)

    def normed(self, error: Float[np.ndarray, "n 6"]) -> Float[np.ndarray, "n 6"]:
        """An error of S in the norm of the fit.

        Parameters
        ----------
        error : array (n, 6)
            Of S, Mandel (GPa).

        Returns
        -------
        array (n, 6)
            T dS of each sample.
        """
        return np.einsum("nij,nj->ni", self.norm, error)

    def relative_error(self, prediction: Float[np.ndarray, "n 6"]) -> float:
        """‖prediction − y‖/‖y‖ over all samples, in the norm of the fit.

        Parameters
        ----------
        prediction : array (n, 6)
            S, Mandel (GPa).

        Returns
        -------
        float
        """
        return float(np.linalg.norm(self.normed(prediction - self.y)) / np.linalg.norm(self.normed(self.y)))

    def subset(self, chosen: Int[np.ndarray, " k"]) -> FitProblem:
        """Some of the samples.

        Parameters
        ----------
        chosen : int array (k,)
            Positions in this problem.

        Returns
        -------
        FitProblem
        """
        return replace(self, x=self.x[chosen], y=self.y[chosen], norm=self.norm[chosen], numbers=self.numbers[chosen])

    def without(self, left_out: Int[np.ndarray, " k"]) -> FitProblem:
        """All other samples.

        Parameters
        ----------
        left_out : int array (k,)
            Positions in this problem.

        Returns
        -------
        FitProblem
        """
        return self.subset(np.setdiff1d(np.arange(len(self)), left_out))

    def reweighted(self, weights: Float[np.ndarray, " n"]) -> FitProblem:
        """The same samples with other weights .

        Parameters
        ----------
        weights : array (n,)
            Factors of the squared errors, not negative.

        Returns
        -------
        FitProblem
        """
        return replace(self, norm=self.norm * np.sqrt(np.maximum(weights, 1e-12))[:, None, None])

    def in_seth_hill_strain(self, exponent: float) -> FitProblem:
        """The same samples with another Seth–Hill strain as x, the stress conjugate to it as y, errors in the same norm; theory, eq. (23).

        Parameters
        ----------
        exponent : float
            m: 1 Green–Lagrange, 0 Hencky.

        Returns
        -------
        FitProblem
        """
        if exponent == 1:
            return self
        x, slope = seth_hill_mandel(self.x, exponent)
        y = np.linalg.solve(slope, self.y[:, :, None])[:, :, 0]
        return replace(self, x=x, y=y, norm=self.norm @ slope)

    def ungrouped(self) -> FitProblem:
        """The same samples without symmetry.

        Returns
        -------
        FitProblem
            With the identity as its group.
        """
        return replace(self, rotations=np.eye(3)[None])

    def __len__(self) -> int:
        return len(self.x)


def seth_hill_mandel(x: Float[np.ndarray, "n 6"], exponent: float) -> tuple[Float[np.ndarray, "n 6"], Float[np.ndarray, "n 6 6"]]:
    """Seth–Hill strains of Green–Lagrange strains, and their derivatives, in Mandel components.

    Parameters
    ----------
    x : array (n, 6)
        Green–Lagrange strains, Mandel.
    exponent : float
        m of :func:`constitutive.kinematics.seth_hill_strain`; theory, eq. (23).

    Returns
    -------
    strain : array (n, 6)
        H_m, Mandel.
    derivative : array (n, 6, 6)
        ∂H/∂E on Mandel components, symmetric.
    """
    strain, slope = seth_hill_strain(np.asarray(from_mandel(x)), exponent)
    return np.asarray(to_mandel(strain)), np.asarray(tangent_to_mandel(slope))


def problem_of(
    data: StressStrainData,
    rotations: Float[np.ndarray, "g 3 3"],
    reference_stress: Float[np.ndarray, "3 3"] | None = None,
    *,
    large: bool | None = None,
) -> FitProblem:
    """The least-squares problem of a data set.

    Parameters
    ----------
    data
        Samples; their ``stress_weights`` count.
    rotations
        The group.
    reference_stress
        Subtracted from S (GPa).
    large
        Whether strains are large; by default whether one of these is. A piece of a larger set takes the answer of the whole.

    Returns
    -------
    Strains and stresses in Mandel components, numbered as in the data. Small strains are fitted in S, large ones (|E| > 0.2) in the
    stress that the data give.
    """
    x = np.asarray(to_mandel(data.green_lagrange_strain))
    S = data.stress("second_piola_kirchhoff")
    y = np.asarray(to_mandel(S if reference_stress is None else S - reference_stress))
    norm = stress_norm(data.F, data.measure if (is_large(x) if large is None else large) else "second_piola_kirchhoff")
    problem = FitProblem(x, y, norm, np.array(rotations, dtype=np.float64))
    return problem if data.stress_weights is None else problem.reweighted(data.stress_weights)


def is_large(x: Float[np.ndarray, "n 6"]) -> bool:
    """Whether the norm of some strain (Mandel) exceeds `LARGE_STRAIN`.

    Parameters
    ----------
    x : array (n, 6)
        Green–Lagrange strains.

    Returns
    -------
    bool
    """
    return bool(np.linalg.norm(x, axis=1).max() > LARGE_STRAIN)


def stress_norm(F: Float[np.ndarray, "n 3 3"], measure: str) -> Float[np.ndarray, "n 6 6"]:
    """Matrices T with |T dS| = |dP| or |dsigma| (Frobenius) for the error dS of S at given F.

    Parameters
    ----------
    F : array (n, 3, 3)
        Deformation gradients.
    measure : str
        "second_piola_kirchhoff", "first_piola_kirchhoff" or "cauchy".

    Returns
    -------
    array (n, 6, 6)
        On Mandel components of dS.
    """
    if measure == "second_piola_kirchhoff":
        return np.broadcast_to(np.eye(6), (len(F), 6, 6)).copy()
    images = F[:, None] @ MANDEL_BASIS  # of the six basis tensors
    if measure == "cauchy":
        images = images @ F.swapaxes(1, 2)[:, None] / determinant(F)[:, None, None, None]
    gram = np.einsum("naij,nbij->nab", images, images)
    return np.linalg.cholesky(gram).swapaxes(1, 2)
