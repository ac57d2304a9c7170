r"""Stresses that belong to other samples: files sorted as text (run_1, run_10, run_2), lists that are shifted, or any order.

A permutation changes neither the mean squares of pressure and shear nor those of the strains, so that an isotropic stiffness follows from
their ratios. From it, stresses are assigned to strains (linear sum assignment), a series is fitted to the pairs, and both are repeated
until the pairs stay.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Float, Int
from scipy.linalg import lstsq

from constitutive.fitting.polynomial_basis import LaueGroup, design, determined_degree
from constitutive.intake.findings import Finding

DOUBTFUL_RESIDUAL = 0.25  # residual of the best reading from which the pairs are doubted
FITS = 0.1  # residual under other pairs, below which these are accepted
SMALLER_RESIDUAL = 5.0  # times the residual as paired
FEWEST_SAMPLES = 6  # samples
UNKNOWNS_PER_STRESS = 0.35  # unknowns of the series, relative to the stress components
ASSIGNMENTS = 30
CERTAINTY_OF_PERMUTATION = 0.97


@final
@dataclass(frozen=True)
class Pairing:
    """Another order of the stresses.

    Attributes
    ----------
    order
        For each sample the number of the sample whose stress is its own.
    how
        What the order is, for a message.
    residual, given
        Relative residual of the series with that order, and as the file pairs them.
    """

    order: Int[np.ndarray, " n"]
    how: str
    residual: float
    given: float

    def finding(self, numbers: Int[np.ndarray, " n"]) -> Finding:
        """The finding of the check.

        Parameters
        ----------
        numbers : int array
            Of the samples in the file.

        Returns
        -------
        Finding
        """
        moved = np.nonzero(self.order != np.arange(len(self.order)))[0]
        shown = ", ".join(f"{numbers[k]} ← {numbers[self.order[k]]}" for k in moved[:6]) + (", …" if len(moved) > 6 else "")
        message = (
            f"found stresses of other samples at {len(moved)} of {len(numbers)} samples: {self.how} (sample ← where its stress "
            f"stands: {shown}) a series fits them to {self.residual:.2g}, as paired to {self.given:.2g}; needed F and the stress of one "
            "run in one sample; pair them by name, not by the order of a list"
        )
        return Finding("pairing", CERTAINTY_OF_PERMUTATION, tuple(int(numbers[k]) for k in moved), message, "")


def other_pairing(x: Float[np.ndarray, "n 6"], S: Float[np.ndarray, "n n 6"], group: LaueGroup) -> Pairing | None:
    """The order of the stresses under which a series fits, where it does not as given; None where no order is found.

    Parameters
    ----------
    x
        Green–Lagrange strains, Mandel.
    S
        Second Piola–Kirchhoff stress of each sample (first index) with the stress of each (second), Mandel, in any unit.
    group
        The group of the series.

    Returns
    -------
    Pairing or None
    """
    n = len(x)
    if n < FEWEST_SAMPLES or not S.any() or not x.any():
        return None
    degree = determined_degree(group, x, limit=3, share=UNKNOWNS_PER_STRESS)
    if group.size(degree) > UNKNOWNS_PER_STRESS * 6 * n:
        return None
    every = np.arange(n)
    given = _fitted(x, S[every, every], group, degree)[0]
    if given < DOUBTFUL_RESIDUAL:
        return None
    for how, order in _usual_orders(n):
        residual = _fitted(x, S[every, order], group, degree)[0]
        if residual < FITS and residual * SMALLER_RESIDUAL < given:
            return Pairing(order, how, residual, given)
    residual, order = _assigned(x, S, group, degree)
    if residual < FITS / 2 and residual * SMALLER_RESIDUAL < given:
        return Pairing(order, "in another order", residual, given)
    return None


def _usual_orders(n: int) -> Iterator[tuple[str, Int[np.ndarray, " n"]]]:
    """Orders that scripts make: sorted as text, reversed, shifted by one."""
    for first in (1, 0):
        text = np.array(sorted(range(first, n + first), key=str)) - first
        for order in (text, np.argsort(text)):
            yield "in the order of names sorted as text (run_1, run_10, run_2)", order
    yield "in reverse order", np.arange(n)[::-1].copy()
    for step in (1, -1):
        yield "shifted by one", np.roll(np.arange(n), step)


def _fitted(x: np.ndarray, S: np.ndarray, group: LaueGroup, degree: int) -> tuple[float, np.ndarray]:
    """Relative residual, degrees of freedom taken into account, and the fitted stresses."""
    scale = float(np.sqrt((x * x).sum(1).mean()))
    columns = design(group, x, degree, scale).stress
    A = columns.reshape(6 * len(x), -1)
    solution, _, rank, _ = lstsq(A, S.reshape(-1), cond=1e-9, lapack_driver="gelsy", check_finite=False)
    fit = (A @ solution).reshape(S.shape)
    freedom = max(A.shape[0] - int(rank), 1) / A.shape[0]
    return float(np.linalg.norm(S - fit) / np.linalg.norm(S) / np.sqrt(freedom)), fit


def _assigned(x: np.ndarray, S: np.ndarray, group: LaueGroup, degree: int) -> tuple[float, np.ndarray]:
    """Assign and fit in turn, from an isotropic stiffness of either sign."""
    from scipy.optimize import linear_sum_assignment  # deferred: SciPy's optimisers take 0.3 s to import

    every = np.arange(len(x))
    best = (np.inf, every)
    for sign in (1.0, -1.0):
        predicted, order = sign * _isotropic(x, S[every, every]), every
        for degree_now in (2, degree):
            for _ in range(ASSIGNMENTS):
                cost = ((predicted[:, None] - S) ** 2).sum(2)
                fresh = linear_sum_assignment(cost)[1]
                residual, predicted = _fitted(x, S[every, fresh], group, degree_now)
                if (fresh == order).all():
                    break
                order = fresh
        best = min(best, (residual, order), key=lambda pair: pair[0])
    return best


def _isotropic(x: np.ndarray, S: np.ndarray) -> np.ndarray:
    """Stress of an isotropic stiffness with the mean squares of pressure and shear that the samples have, in any order."""
    mean = np.array([1.0, 1, 1, 0, 0, 0]) / np.sqrt(3)
    centred_x, centred_S = x - x.mean(0), S - S.mean(0)
    pressure_x, pressure_S = centred_x @ mean, centred_S @ mean
    shear_x, shear_S = centred_x - np.outer(pressure_x, mean), centred_S - np.outer(pressure_S, mean)
    bulk, shear = _ratio(pressure_S, pressure_x), _ratio(shear_S, shear_x)
    return bulk * np.outer(x @ mean, mean) + shear * (x - np.outer(x @ mean, mean)) + S.mean(0)


def _ratio(stress: np.ndarray, strain: np.ndarray) -> float:
    size = float(np.linalg.norm(strain))
    return float(np.linalg.norm(stress)) / size if size > 1e-9 else 0.0
