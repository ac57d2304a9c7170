r"""Calibration on millions of samples: a subset chosen by leverage for what is not linear, all samples for what is.

The subset is drawn without repetition with probabilities that grow with the leverage of a sample in a series,
:math:`\ell_i = \operatorname{tr}\Phi_i (\Phi^T\Phi)^{-1}\Phi_i^T` (Mahoney 2011, *Foundations and Trends in Machine Learning* 3, sec. 4;
the draw of Efraimidis & Spirakis 2006, *Information Processing Letters* 97). The amplitudes and series coefficients :math:`\theta` of the
law calibrated on it are then fitted again to all samples, from the normal equations summed over pieces of the file:

.. math:: (\Phi^T\Phi + \lambda)\,(\theta - \theta_0) = \Phi^T (y - \Phi\theta_0)

with the :math:`\lambda` whose :math:`\theta` has the smallest error on samples that enter neither sum.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float

from constitutive.calibration.cleaning import group_of
from constitutive.calibration.linear_parameters import LinearParameters
from constitutive.data import StressStrainData
from constitutive.data.large import LargeData
from constitutive.fitting import PolynomialBasis, problem_of
from constitutive.symmetry import PointGroup
from constitutive.tensors.packing import to_mandel

PIECE = 2048  # samples at once: 6 × 300 numbers of a design matrix each take 30 MB
HELD_OUT = 20  # one sample of so many enters no fit
RIDGES = tuple(10.0**k for k in range(-14, 1))  # of λ, relative to the mean diagonal of ΦᵀΦ
GROSS = 10  # times the largest error of a sample left out: errors beyond are gross
LEVERAGE_DEGREES = (2, 3, 4)  # of the series in which leverages are measured

Pieces = Callable[[], Iterator[StressStrainData]]


def subset_by_leverage(source: LargeData, count: int, *, seed: int = 0, point_group: PointGroup | str | None = None) -> StressStrainData:
    """Samples of a large file, those that determine a series best drawn most.

    Parameters
    ----------
    source : LargeData
        Read twice, in pieces; memory holds one piece and one number for each sample.
    count : int
        How many; all where there are fewer.
    seed : int
        Of the draw.
    point_group : PointGroup or str, optional
        For data without a structure.

    Returns
    -------
    StressStrainData
        In the order of the file; its provenance records the choice.

    Raises
    ------
    DataError
        Samples are damaged.
    CalibrationError
        There is no group.
    """
    if count >= len(source):
        return source.all()
    first = source.head(1)
    rotations = np.array(group_of(first, point_group).laue_rotations)
    basis = PolynomialBasis(rotations, LEVERAGE_DEGREES, problem_of(source.head(min(PIECE, len(source))), rotations).scale)

    def designs() -> Iterator[Float[np.ndarray, "n 6 k"]]:
        return (basis(np.asarray(to_mandel(piece.green_lagrange_strain))) for piece in source.chunks(PIECE))

    rows = len(basis.degree_of_column)
    gram = np.zeros((rows, rows))
    for design in designs():
        gram += np.einsum("nik,nil->kl", design, design, optimize=True)
    inverse = np.linalg.pinv(gram, rcond=1e-12, hermitian=True)
    leverage = np.concatenate([np.einsum("nik,nik->n", design @ inverse, design) for design in designs()])
    draws = np.log(np.random.default_rng(seed).uniform(size=len(leverage))) / np.maximum(leverage, 1e-300)
    chosen = np.sort(np.argsort(draws)[-count:])
    return source.read(chosen).with_provenance({"sampled": f"{count} of {len(source)} samples by leverage, seed {seed}"})


@dataclass
class NormalEquations:
    """Sums over samples from which the error of any θ follows.

    Attributes
    ----------
    gram : array (k, k)
        ΦᵀΦ.
    moment : array (k,)
        Φᵀy.
    square : float
        yᵀy.
    samples : int
        How many entered.
    """

    gram: Float[np.ndarray, "k k"]
    moment: Float[np.ndarray, " k"]
    square: float = 0.0
    samples: int = 0

    def add(self, design: Float[np.ndarray, "n 6 k"], target: Float[np.ndarray, "n 6"]) -> None:
        """Add samples.

        Parameters
        ----------
        design : array (n, 6, k)
        target : array (n, 6)
        """
        rows = design.reshape(-1, design.shape[2])
        self.gram += rows.T @ rows
        self.moment += rows.T @ target.ravel()
        self.square += float(np.sum(target**2))
        self.samples += len(target)

    def relative_error(self, theta: Float[np.ndarray, " k"]) -> float:
        """‖Φθ − y‖/‖y‖.

        Parameters
        ----------
        theta : array (k,)

        Returns
        -------
        float
        """
        error = theta @ self.gram @ theta - 2 * theta @ self.moment + self.square
        return float(np.sqrt(max(error, 0.0) / max(self.square, 1e-300)))


@dataclass
class Streamed:
    """All samples of a file as normal equations.

    Attributes
    ----------
    fitted, held_out : NormalEquations
        The two parts of the samples.
    gross : int
        Samples left out of both for an error far beyond those of the subset.
    """

    fitted: NormalEquations
    held_out: NormalEquations
    gross: int = field(default=0)


def streamed(
    parameters: LinearParameters, left_out: Float[np.ndarray, "n 6"], pieces: Pieces, reference_stress: Float[np.ndarray, "3 3"] | None
) -> Streamed:
    """Sum the normal equations of a law's linear parameters over all pieces.

    Parameters
    ----------
    parameters : LinearParameters
        The law calibrated on a subset.
    left_out : array (n, 6)
        Stresses (Mandel, GPa) of the samples of the subset, each predicted without it: the measure of a gross error.
    pieces : callable
        Gives the pieces of the data.
    reference_stress : array (3, 3) or None
        Subtracted from S (GPa).

    Returns
    -------
    Streamed
    """
    fit, problem = parameters.fit, parameters.problem
    limit = GROSS * float(np.linalg.norm(problem.normed(left_out - problem.y), axis=1).max()) / fit.unit
    k = len(fit.linear_parameters)
    sums = Streamed(NormalEquations(np.zeros((k, k)), np.zeros(k)), NormalEquations(np.zeros((k, k)), np.zeros(k)))
    seen = 0
    for piece in pieces():
        part = problem_of(piece, problem.rotations, reference_stress, large=problem.is_large)
        design = np.einsum("nij,njk->nik", part.norm, fit.columns(part.x))
        target = part.normed(part.y) / fit.unit
        sound = np.linalg.norm(design @ fit.linear_parameters - target, axis=1) <= limit
        aside = (np.arange(seen, seen + len(part)) % HELD_OUT == 0) & sound
        sums.held_out.add(design[aside], target[aside])
        sums.fitted.add(design[sound & ~aside], target[sound & ~aside])
        sums.gross += int((~sound).sum())
        seen += len(part)
    return sums


def refitted_on_all(
    parameters: LinearParameters, left_out: Float[np.ndarray, "n 6"], pieces: Pieces, reference_stress: Float[np.ndarray, "3 3"] | None
) -> tuple[LinearParameters, list[str]]:
    """The law with its linear parameters fitted to all samples of a file; unchanged where that does not lower the held-out error.

    Parameters
    ----------
    parameters : LinearParameters
        The law calibrated on a subset.
    left_out : array (n, 6)
        As for :func:`streamed`.
    pieces : callable
        Gives the pieces of the data.
    reference_stress : array (3, 3) or None
        Subtracted from S (GPa).

    Returns
    -------
    parameters : LinearParameters
    notes : list of str
        Samples, and errors before and after.
    """
    sums = streamed(parameters, left_out, pieces, reference_stress)
    fit, problem, before = parameters.fit, parameters.problem, parameters.fit.linear_parameters
    rest = sums.fitted.moment - sums.fitted.gram @ before
    unit = float(np.trace(sums.fitted.gram)) / len(before)
    candidates = [before + np.linalg.solve(sums.fitted.gram + ridge * unit * np.eye(len(before)), rest) for ridge in RIDGES]
    best = min([before, *candidates], key=sums.held_out.relative_error)
    notes = [
        f"amplitudes and coefficients were fitted to {sums.fitted.samples:,} samples, the directions of the network to {len(problem):,} of "
        f"them; error on {sums.held_out.samples:,} further samples {100 * sums.held_out.relative_error(before):.3g} % before, "
        f"{100 * sums.held_out.relative_error(best):.3g} % after"
    ]
    if sums.gross:
        notes.append(f"{sums.gross:,} samples err more than {GROSS} times as much as any sample left out of the subset: not fitted to")
    return LinearParameters(fit.with_linear_parameters(best), problem), notes
