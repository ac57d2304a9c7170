r"""Samples whose deformation was measured from two different reference cells.

Where some of the samples took F from a cell that is strained by e against that of the others, their stress is off by nearly the same
:math:`s = \mathcal{C} : e` in all of them, and e, the difference of two relaxed cells of one crystal, has the crystal's symmetry. A series
with one such stress for some of the samples then fits, and a series without does not.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Bool, Float, Int

from constitutive.fitting.polynomial_basis import PolynomialBasis
from constitutive.fitting.problem import FitProblem
from constitutive.intake.findings import Finding
from constitutive.tensors.packing import from_mandel
from constitutive.tensors.polynomials import invariant_counts

DEGREES = ((2, 3), (2, 3, 4), (2, 3, 4, 5))  # of the series: those that the samples determine; strains near 10 % need high ones
FEWEST_SAMPLES = 12  # samples
UNKNOWNS_PER_STRESS = 1 / 3  # of the numbers to fit: more coefficients would follow anything
NOTICEABLE = 0.02  # misfit relative to the rms stress below which nothing is looked for
SMALLER_MISFIT = 3.0  # how much smaller the misfit has to be with two cells
FEWEST_APART = 3  # samples on either side
ASSIGNMENTS = 30
CERTAINTY_OF_TWO_CELLS = 0.95


@final
@dataclass(frozen=True)
class MixedReference:
    """Two reference cells among the samples.

    Attributes
    ----------
    others
        Which samples refer to the other cell: the fewer.
    strain
        Of their cell against that of the rest (Green–Lagrange).
    misfit, misfit_of_two
        Relative misfit of a series with one cell, and with two.
    """

    others: Bool[np.ndarray, " n"]
    strain: Float[np.ndarray, "3 3"]
    misfit: float
    misfit_of_two: float

    def finding(self, numbers: Int[np.ndarray, " n"] | None = None) -> Finding:
        """The finding of the intake check.

        Parameters
        ----------
        numbers : int array, optional
            Of the samples in the file; their positions when not given.

        Returns
        -------
        Finding
        """
        places = np.nonzero(self.others)[0] if numbers is None else np.asarray(numbers)[self.others]
        samples = tuple(int(k) for k in places)
        named = ", ".join(map(str, samples[:8])) + (", …" if len(samples) > 8 else "")
        stretch = ", ".join(f"{100 * value:+.2f}" for value in np.linalg.eigvalsh(self.strain))
        one, two = 100 * self.misfit, 100 * self.misfit_of_two
        message = (
            f"found {len(samples)} of {len(self.others)} samples ({named}) whose F refers to another reference cell, strained against "
            f"that of the rest by {stretch} % (principal values): with two cells a series misses the stress by {two:.2g} %, with one by "
            f"{one:.2g} %; needed F of every sample against one cell; convert all sources together, against the same --reference, or "
            "leave these samples out"
        )
        return Finding("reference_stress", CERTAINTY_OF_TWO_CELLS, samples, message, "--reference CELL")


def mixed_reference(problem: FitProblem) -> MixedReference | None:
    """Look for a second reference cell among the samples; None where one cell explains them as well.

    Parameters
    ----------
    problem
        Samples under their group.

    Returns
    -------
    MixedReference or None
        The samples of the second cell, and the strain between the two cells.
    """
    n = len(problem)
    if n < FEWEST_SAMPLES or problem.scale <= 0 or not problem.unit > 0:
        return None
    counts = invariant_counts(problem.rotations, DEGREES[-1][-1])
    possible = [degrees for degrees in DEGREES if sum(counts[d] for d in degrees) <= UNKNOWNS_PER_STRESS * 6 * n]
    found = [mixed for degrees in possible if (mixed := _by_series(problem, degrees)) is not None]
    return max(found, key=lambda mixed: mixed.misfit / mixed.misfit_of_two, default=None)


def _by_series(problem: FitProblem, degrees: tuple[int, ...]) -> MixedReference | None:
    """The same by a series of some degrees."""
    n = len(problem)
    features = PolynomialBasis(problem.rotations, degrees, problem.scale)
    columns = problem.norm @ features(problem.x)
    target = problem.normed(problem.y) / problem.unit
    residual = _residual(columns, target)
    misfit = _size(residual) / _size(target)
    if misfit < NOTICEABLE:
        return None
    values, vectors = np.linalg.eigh(problem.group.mean(axis=0))
    invariant = vectors[:, values > 0.5]  # stresses with the symmetry of the crystal
    offsets = problem.norm @ invariant
    trials = [_separated(columns, offsets, target, start) for start in _starts(residual, offsets)]
    best, others, theta = min(trials, key=lambda trial: trial[0])
    if best * SMALLER_MISFIT > misfit * _size(target) or min(others.sum(), n - others.sum()) < FEWEST_APART:
        return None
    k = columns.shape[2]
    strain = np.linalg.solve(_stiffness(features, theta[:k]), invariant @ theta[k:])
    few = others if others.sum() <= n / 2 else ~others
    sign = 1.0 if few is others else -1.0
    return MixedReference(few, sign * np.asarray(from_mandel(strain)), misfit, best / _size(target))


def _size(array: np.ndarray) -> float:
    return float(np.linalg.norm(array))


def _residual(columns: np.ndarray, target: np.ndarray) -> np.ndarray:
    flat = columns.reshape(-1, columns.shape[2])
    return target - (flat @ np.linalg.lstsq(flat, target.ravel(), rcond=1e-10)[0]).reshape(target.shape)


def _starts(residual: np.ndarray, offsets: np.ndarray) -> Iterator[Bool[np.ndarray, " n"]]:
    """First guesses: files joined one after the other, and halves by the misfit in the direction in which it varies most."""
    n = len(residual)
    for k in range(1, 10):
        yield np.arange(n) >= k * n // 10
    along = np.einsum("nik,ni->nk", offsets, residual)
    main = np.linalg.svd(along - along.mean(axis=0), full_matrices=False)[2][0]
    order = np.argsort(np.argsort(along @ main))
    for share in (0.15, 0.3, 0.5, 0.7, 0.85):
        yield order >= share * n


def _separated(
    columns: np.ndarray, offsets: np.ndarray, target: np.ndarray, start: Bool[np.ndarray, " n"]
) -> tuple[float, Bool[np.ndarray, " n"], Float[np.ndarray, " k"]]:
    """Fit and divide the samples in turn (Lloyd's rule): misfit, samples of the second cell, coefficients (their extra stress last)."""
    others = start
    for _ in range(ASSIGNMENTS):
        A = np.concatenate([columns, offsets * others[:, None, None]], axis=2)
        flat = A.reshape(-1, A.shape[2])
        theta = np.linalg.lstsq(flat, target.ravel(), rcond=1e-10)[0]
        residual = target - columns @ theta[: columns.shape[2]]
        apart = residual - offsets @ theta[columns.shape[2] :]
        moved = (apart**2).sum(axis=1) < (residual**2).sum(axis=1)
        if (moved == others).all():
            break
        others = moved
    return _size(np.where(others[:, None], apart, residual)), others, theta


def _stiffness(features: PolynomialBasis, theta: Float[np.ndarray, " k"]) -> Float[np.ndarray, "6 6"]:
    """Elastic constants of a series (in units of the problem's stress)."""
    step = 1e-6 * features.scale
    steps = step * np.eye(6)
    return (features(steps) - features(-steps)) @ theta / (2 * step)
