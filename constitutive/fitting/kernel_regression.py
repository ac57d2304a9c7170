r"""Regression of gradients by kernels that are invariant under the group: the best guess of smooth energies from few samples.

The energy is a Gaussian process with the covariance

.. math:: k(x, x') = \frac{1}{|G|} \sum_{g \in G} \kappa(x / \ell,\; D(g)\, x' / \ell)

whose second derivatives are the covariances of gradients (Rasmussen & Williams 2006, *Gaussian Processes for Machine Learning*, sec. 9.4;
invariant kernels: Haasdonk & Burkhardt, Machine Learning 68 (2007) 35). κ is :math:`e^{x \cdot x'}`, which holds polynomials of every
degree d with weight 1/d!, or the rational quadratic :math:`(1 + |x - x'|^2 / 2\nu)^{-\nu}`. One length ℓ for each variable, one for the
trace of the strain, and the ratio of noise to signal are the best on samples left out, which are predicted in closed form (Sundararajan &
Keerthi, Neural Computation 13 (2001) 1103).
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, final

import numpy as np
import scipy.linalg
from jaxtyping import Float, Int
from scipy.optimize import minimize

from constitutive.fitting.coupled_problem import CoupledProblem

Kernel = Literal["exponential", "rational"]
KERNELS: tuple[Kernel, ...] = ("exponential", "rational")
NU = 2.0  # of the rational quadratic
FEW, SOME = 40, 64  # samples by whose left-out errors the lengths are looked for on a grid, and minimised
EVALUATIONS, RUNS = 80, 1
STRAIN_LENGTHS, LENGTHS = (3.0, 8.0, 20.0), (0.7, 1.4, 3.0, 8.0, 20.0)
FIRST_NOISE, LEAST_NOISE = 1e-9, 1e-11


def _spread(n: int, most: int) -> Int[np.ndarray, " m"]:
    return np.unique(np.linspace(0, n - 1, min(n, most)).astype(int))


@final
@dataclass(frozen=True, eq=False)
class KernelFit:
    """A regression by an invariant kernel.

    Attributes
    ----------
    problem : CoupledProblem
        Its samples.
    kernel : str
        κ.
    lengths : array (k, k)
        Inverse lengths, in units of the scales: a symmetric matrix that commutes with the group.
    noise : float
        Ratio of the variances of noise and signal.
    factors : array (n, k)
        Solution of the linear system.
    left_out : array (n, k)
        y of each sample, predicted without it.
    """

    problem: CoupledProblem
    kernel: Kernel
    lengths: Float[np.ndarray, "k k"]
    noise: float
    factors: Float[np.ndarray, "n k"]
    left_out: Float[np.ndarray, "n k"]

    def predict(self, x: Float[np.ndarray, "m k"]) -> Float[np.ndarray, "m k"]:
        """The gradient at points.

        Parameters
        ----------
        x : array (m, k)
            Over the scales.

        Returns
        -------
        array (m, k)
            As y of the problem.
        """
        centres, slopes = self._images()
        parts = [
            self._predict(part @ self.lengths, centres, slopes) for part in np.array_split(x, max(1, len(x) * len(centres) // 2_000_000))
        ]
        return np.concatenate(parts) @ self.lengths / len(self.problem.group)

    def second_derivatives(self) -> Float[np.ndarray, "k k"]:
        """Second derivatives of the energy at the reference state x = 0, the slope of ``predict``, in closed form.

        Returns
        -------
        array (k, k)
            Of y over x of the problem.
        """
        b, s = self._images()
        k = b.shape[1]
        if self.kernel == "exponential":
            half = s.T @ b
        else:
            q = 1 + (b * b).sum(1) / (2 * NU)
            second, third = (NU + 1) / NU * q ** (-NU - 2), (NU + 1) * (NU + 2) / NU**2 * q ** (-NU - 3)
            along = (b * s).sum(1)
            half = (second[:, None] * s).T @ b + ((second @ along) * np.eye(k) - (third * along)[:, None].T * b.T @ b) / 2
        return self.lengths @ (half + half.T) @ self.lengths / len(self.problem.group)

    def third_derivatives(self) -> Float[np.ndarray, "k k k"]:
        """Third derivatives of the energy at the reference state x = 0, in closed form.

        Returns
        -------
        array (k, k, k)
            Of y over x twice of the problem.
        """
        b, s = self._images()
        if self.kernel == "exponential":
            found = _over_places(np.einsum("ni,nj,nk->ijk", s, b, b, optimize=True))
        else:
            q, along = 1 + (b * b).sum(1) / (2 * NU), (b * s).sum(1)
            second = (NU + 1) / NU * q ** (-NU - 2)
            third = (NU + 1) * (NU + 2) / NU**2 * q ** (-NU - 3)
            fourth = (NU + 1) * (NU + 2) * (NU + 3) / NU**3 * q ** (-NU - 4)
            found = _over_places(np.einsum("n,ni,nj,nk->ijk", third, s, b, b, optimize=True))
            found -= np.einsum("n,ni,nj,nk->ijk", fourth * along, b, b, b, optimize=True)
            found += _over_places(np.einsum("k,ij->kij", (third * along) @ b - second @ s, np.eye(b.shape[1])))
        return np.einsum("ijk,ia,jb,kc->abc", found, *[self.lengths] * 3, optimize=True) / len(self.problem.group)

    def _images(self) -> tuple[Float[np.ndarray, "m k"], Float[np.ndarray, "m k"]]:
        """Samples and factors, times the inverse lengths, under all operations of the group."""
        D, k = self.problem.group, self.problem.x.shape[1]
        b, s = (np.einsum("gij,nj->gni", D, v @ self.lengths).reshape(-1, k) for v in (self.problem.x, self.factors))
        return b, s

    def _predict(self, a: np.ndarray, b: np.ndarray, s: np.ndarray) -> np.ndarray:
        """Σ over centres of (∂²κ/∂a∂b) s."""
        if self.kernel == "exponential":
            e = np.exp(a @ b.T)
            return e @ s + (e * (a @ s.T)) @ b
        q = 1 + ((a * a).sum(1)[:, None] + (b * b).sum(1) - 2 * a @ b.T) / (2 * NU)
        first, second = q ** (-NU - 1), (NU + 1) / NU * q ** (-NU - 2)
        along = second * (a @ s.T - (b * s).sum(1))
        return first @ s - (along.sum(1)[:, None] * a - along @ b)


def _over_places(t: Float[np.ndarray, "k k k"]) -> Float[np.ndarray, "k k k"]:
    """Sum over the places of the first index of a tensor that is symmetric in the other two."""
    return t + t.transpose(1, 0, 2) + t.transpose(1, 2, 0)


def fit_kernel(problem: CoupledProblem, kernel: Kernel) -> KernelFit:
    """Fit by one kernel, its lengths and noise the best on samples left out.

    Parameters
    ----------
    problem : CoupledProblem
    kernel : {"exponential", "rational"}

    Returns
    -------
    KernelFit
    """
    few = problem.subset(_spread(len(problem), FEW))
    grid = itertools.product(*[STRAIN_LENGTHS if v.is_strain else LENGTHS for v in problem.variables])
    starts = [np.log([*lengths, 1.0, FIRST_NOISE]) for lengths in grid]
    starts.sort(key=lambda p: _left_out_error(few, kernel, p))
    some = problem.subset(_spread(len(problem), SOME))
    steps = np.diag([0.4] * len(problem.variables) + [0.3, 3.0])
    options = {"maxfev": EVALUATIONS, "xatol": 0.02, "fatol": 0.005}
    runs = [
        minimize(
            lambda p: _left_out_error(some, kernel, p),
            first,
            method="Nelder-Mead",
            options={**options, "initial_simplex": np.concatenate([first[None], first + steps])},
        )
        for first in starts[:RUNS]
    ]
    found = min(runs, key=lambda run: float(run.fun))
    lengths, noise = _split(problem, found.x)
    return left_out_with(problem, kernel, lengths, noise)


def left_out_with(problem: CoupledProblem, kernel: Kernel, lengths: Float[np.ndarray, "k k"], noise: float) -> KernelFit:
    """Fit by one kernel with given lengths and noise.

    Parameters
    ----------
    problem : CoupledProblem
    kernel : {"exponential", "rational"}
    lengths : array (k, k)
        Inverse lengths; commutes with the group.
    noise : float
        Ratio of the variances of noise and signal.

    Returns
    -------
    KernelFit
    """
    while True:
        try:
            factors, errors = _solve(problem, kernel, lengths, noise)
            return KernelFit(problem, kernel, lengths, noise, factors, problem.y - errors)
        except scipy.linalg.LinAlgError:  # rounding: more samples than those that the noise was chosen on
            noise *= 10


def without_parts(fit: KernelFit, parts: Sequence[Int[np.ndarray, " _"]]) -> list[Float[np.ndarray, "n k"]]:
    """Factors of the regressions that miss a part of the samples, of the same lengths and noise; zero at the samples that are missing.

    By the inverse of the whole system: with A = K⁻¹ and the missing part D, α − A_{:D} (A_DD)⁻¹ α_D.

    Parameters
    ----------
    fit : KernelFit
    parts : sequence of int array
        The samples that each misses.

    Returns
    -------
    list of array (n, k)
    """
    problem = fit.problem
    n, k = problem.x.shape
    factor = _factor(problem, fit.kernel, fit.lengths, fit.noise)
    solution = scipy.linalg.cho_solve(factor, problem.normed(problem.y).ravel(), check_finite=False)
    found = []
    for part in parts:
        rows = (k * np.asarray(part)[:, None] + np.arange(k)).ravel()
        columns = np.zeros((n * k, len(rows)))
        columns[rows, np.arange(len(rows))] = 1.0
        columns = scipy.linalg.cho_solve(factor, columns, overwrite_b=True, check_finite=False)
        rest = solution - columns @ np.linalg.solve(columns[rows], solution[rows])
        rest[rows] = 0.0
        found.append(rest.reshape(n, k) * problem.weights)
    return found


def _left_out_error(problem: CoupledProblem, kernel: Kernel, parameters: np.ndarray) -> float:
    """Mean over the conjugates of the logarithm of their square error when left out; large where the system cannot be solved."""
    try:
        errors = _solve(problem, kernel, *_split(problem, parameters))[1]
    except scipy.linalg.LinAlgError:
        return 100.0
    each = [float((errors[:, problem.place(v.name)] ** 2).sum()) for v in problem.variables if problem.weights[problem.place(v.name)].any()]
    return float(np.mean(np.log(each))) if np.isfinite(each).all() and min(each) > 0 else 100.0


def _split(problem: CoupledProblem, parameters: np.ndarray) -> tuple[np.ndarray, float]:
    """Inverse lengths as a matrix that commutes with the group, and the noise."""
    *each, ratio, noise = np.exp(np.clip(parameters, -40, 10))
    blocks = [np.eye(v.size) / length for v, length in zip(problem.variables, each, strict=True)]
    for variable, block in zip(problem.variables, blocks, strict=True):
        if variable.is_strain:
            block[:3, :3] += (ratio - 1) * block[0, 0] / 3  # the trace has a length of its own
    return scipy.linalg.block_diag(*blocks), max(float(noise), LEAST_NOISE)


def _solve(problem: CoupledProblem, kernel: Kernel, lengths: np.ndarray, noise: float) -> tuple[np.ndarray, np.ndarray]:
    """Factors of the kernels, and the errors of samples left out."""
    n, k = problem.x.shape
    factor = _factor(problem, kernel, lengths, noise)
    solution = scipy.linalg.cho_solve(factor, problem.normed(problem.y).ravel(), check_finite=False).reshape(n, k)
    inverse = scipy.linalg.lapack.dpotri(factor[0], lower=1)[0]
    blocks = np.stack([inverse[k * i : k * i + k, k * i : k * i + k] for i in range(n)])
    blocks = np.tril(blocks) + np.tril(blocks, -1).transpose(0, 2, 1)
    errors = np.linalg.solve(blocks, solution[:, :, None])[:, :, 0]
    return solution * problem.weights, errors / np.where(problem.weights == 0, 1, problem.weights)


def _factor(problem: CoupledProblem, kernel: Kernel, lengths: np.ndarray, noise: float) -> tuple[np.ndarray, bool]:
    """Cholesky factor of the covariances with noise, in the norm of the fit."""
    K = _covariance(problem, kernel, lengths)
    W = np.tile(problem.weights, len(problem))
    K *= W[:, None] * W
    K[np.diag_indices_from(K)] += noise * np.trace(K) / len(K) + (W == 0)
    return scipy.linalg.cho_factor(K, lower=True, overwrite_a=True, check_finite=False)


def _covariance(problem: CoupledProblem, kernel: Kernel, lengths: np.ndarray) -> Float[np.ndarray, "m m"]:
    """Covariances of all components of the gradients at the samples."""
    a = problem.x @ lengths
    n, k = a.shape
    total = np.zeros((n, k, n, k))
    for D in problem.group:
        b, c = a @ D.T, a @ D
        if kernel == "exponential":
            first = np.exp(a @ b.T)
            # first·(D_ij + b_mi c_nj): ∂κ/∂b = first a, turned back by D
            total += first[:, None, :, None] * D[None, :, None, :]
            total += (first[:, None, :] * b.T[None])[:, :, :, None] * c[:, None, None, :]
            continue
        r = a[:, :, None] - b.T[None]  # n k m
        q = 1 + (r * r).sum(1) / (2 * NU)
        first, second = q ** (-NU - 1), (NU + 1) / NU * q ** (-NU - 2)
        total += first[:, None, :, None] * D[None, :, None, :]
        turned = c[:, None, :] - a[None]  # r D
        total -= (second[:, None, :] * r)[:, :, :, None] * turned[:, None, :, :]
    total = np.tensordot(lengths / len(problem.group), total, (1, 1)).transpose(1, 0, 2, 3) @ lengths
    return total.reshape(n * k, n * k)
