r"""Fit of a polyconvex law: squares in the place of all numbers that must not be negative, then Levenberg–Marquardt.

The weights of C and cof C are :math:`L L^T` and :math:`M M^T` with triangular L and M, amplitudes and growth are squares; every point of
the parameter space is a polyconvex law. The Jacobian is written out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np
import torch
from jaxtyping import Float

from constitutive.fitting.levenberg_marquardt import levenberg_marquardt
from constitutive.fitting.problem import FitProblem
from constitutive.laws.network import squareplus
from constitutive.laws.polyconvex import PolyconvexLaw, barrier, feature_slopes, features
from constitutive.tensors.packing import from_mandel, to_mandel

RIDGE = 1e-6  # of the mean square relative error, for each squared parameter
LEAST_GROWTH = 1e-4  # of the unit of stress: the energy must grow without bound as J → 0
STEPS = 150
_LOWER = np.tril_indices(3)
_PER_CHANNEL = 15  # 6 of L, 6 of M, w, b and the root of the amplitude


@final
@dataclass(frozen=True, eq=False)
class PolyconvexFit:
    """A fitted polyconvex law.

    Attributes
    ----------
    law
        The law, in GPa.
    residual
        Relative error on the samples fitted, in the norm of the problem.
    objective
        Of the minimisation: mean square relative error plus the ridge.
    """

    law: PolyconvexLaw
    residual: float
    objective: float

    def predict(self, x: Float[np.ndarray, "n 6"]) -> Float[np.ndarray, "n 6"]:
        """Second Piola–Kirchhoff stress (Mandel, GPa) of Green–Lagrange strains.

        Parameters
        ----------
        x : array (n, 6)
            Green–Lagrange strains, Mandel.

        Returns
        -------
        array (n, 6)
        """
        return self.law.stress_mandel(torch.from_numpy(np.ascontiguousarray(x))).numpy()


def fit_polyconvex(
    problem: FitProblem, channels: int, *, seed: int = 0, starts: int = 3, steps: int = STEPS, ridge: float = RIDGE
) -> PolyconvexFit:
    """Fit a polyconvex law from random starts; the lowest objective is kept.

    Parameters
    ----------
    problem : FitProblem
        Strains, stresses, norm and group.
    channels : int
        H.
    seed : int
        Of the starts; the same seed gives the same law.
    starts : int
        Random starts. All are followed for a fifth of the steps, the best one to the end.
    steps : int
        Largest number of steps.
    ridge : float
        Weight of the squares of the parameters.

    Returns
    -------
    PolyconvexFit

    Examples
    --------
    >>> import numpy as np
    >>> x = np.random.default_rng(0).uniform(-0.05, 0.05, (20, 6))
    >>> problem = FitProblem(x, 100 * x, np.broadcast_to(np.eye(6), (20, 6, 6)).copy(), np.eye(3)[None])  # S = 100 GPa E
    >>> fit_polyconvex(problem, 2, starts=1).residual < 0.05
    True
    """
    model = _Model(problem, channels)
    rng = np.random.default_rng(seed)
    alpha = np.full(model.size, ridge)

    def follow(start: np.ndarray, number: int) -> tuple[np.ndarray, float]:
        found = levenberg_marquardt(model.residual, model.jacobian, start, alpha, steps=number)
        return found.parameters, found.objective

    begun = [follow(model.start(rng), max(steps // 5, 1)) for _ in range(starts)]
    theta, objective = follow(min(begun, key=lambda pair: pair[1])[0], steps)
    law = model.law(theta)
    stress = law.stress_mandel(torch.from_numpy(problem.x)).numpy()
    return PolyconvexFit(law, problem.relative_error(stress), objective)


class _Model:
    """Residual and Jacobian of the stress in the free parameters."""

    def __init__(self, problem: FitProblem, channels: int):
        self.problem, self.channels = problem, channels
        self.scale, self.unit = problem.scale, problem.unit
        self.size = _PER_CHANNEL * channels + 1
        x = torch.from_numpy(problem.x)
        D = problem.group
        self.turn = np.zeros((len(D), 13, 13))
        self.turn[:, :6, :6] = self.turn[:, 6:12, 6:12] = D
        self.turn[:, 12, 12] = 1
        slopes = feature_slopes(x).numpy()
        self.y = np.einsum("ny,gyk->ngk", features(x).numpy() / self.scale, self.turn)
        self.P = np.einsum("nyi,gyk->ngik", slopes, self.turn)
        rest = feature_slopes(torch.zeros(1, 6, dtype=torch.float64)).numpy()[0]
        self.rest = np.einsum("yi,gyk->ik", rest, self.turn) / len(D)
        J = features(x).numpy()[:, 12] + 1
        self.volume = slopes[:, 12]  # dJ/dE
        self.barrier = barrier(torch.from_numpy(J), 1).numpy()[:, None] * self.volume
        self.weight = problem.norm / (self.unit * np.sqrt(6 * len(problem.x)))
        self.target = np.einsum("nij,nj->ni", self.weight, problem.y)

    def start(self, rng: np.random.Generator) -> np.ndarray:
        H = self.channels
        L, M = rng.normal(size=(2, H, 6)) * 0.7
        return np.concatenate(
            [L.ravel(), M.ravel(), rng.normal(size=H) * 2, rng.normal(size=H), np.full(H, H**-0.5) * rng.uniform(0.5, 1.5, H), [0.1]]
        )

    def _split(self, theta: np.ndarray) -> tuple[np.ndarray, ...]:
        H = self.channels
        L, M = (_triangular(theta[6 * H * k : 6 * H * (k + 1)].reshape(H, 6)) for k in (0, 1))
        w, b, root = theta[12 * H : 15 * H].reshape(3, H)
        return L, M, w, b, root

    def law(self, theta: np.ndarray) -> PolyconvexLaw:
        L, M, w, b, root = self._split(theta)
        growth = self.unit * (LEAST_GROWTH + float(theta[-1]) ** 2)
        amplitudes = root**2 * self.unit * self.scale
        return PolyconvexLaw(_square(L), _square(M), w, b, amplitudes, growth, self.scale, self.problem.rotations)

    def _parts(self, theta: np.ndarray):
        L, M, w, b, root = self._split(theta)
        m = np.concatenate([_square(L), _square(M), w[:, None]], 1)
        z = torch.from_numpy(self.y @ m.T + b)
        images = np.einsum("ngik,hk->nghi", self.P, m)
        rise, bend = (squareplus(z, order).numpy() / len(self.turn) for order in (1, 2))
        return L, M, b, root, m, images, rise, bend

    def residual(self, theta: np.ndarray) -> np.ndarray:
        _, _, b, root, m, images, rise, _ = self._parts(theta)
        a = root**2
        S = np.einsum("ngh,nghi->ni", rise * a, images, optimize=True)
        at_rest = (a * squareplus(torch.from_numpy(b), 1).numpy()) @ (m @ self.rest.T)
        largest = np.linalg.eigvalsh(np.asarray(from_mandel(at_rest)))[-1]
        S += largest * (_IDENTITY - self.volume) - at_rest + (LEAST_GROWTH + theta[-1] ** 2) * self.barrier
        S *= self.unit
        return (np.einsum("nij,nj->ni", self.weight, S) - self.target).ravel()

    def jacobian(self, theta: np.ndarray) -> np.ndarray:
        L, M, b, root, m, images, rise, bend = self._parts(theta)
        n, H, a = len(self.y), self.channels, root**2
        g = len(self.turn)
        by_m = np.matmul((rise * a).transpose(0, 2, 1), self.P.reshape(n, g, 78)).reshape(n, H, 6, 13)
        bent = (bend * a)[..., None] * images
        by_m += np.matmul(bent.reshape(n, g, 6 * H).transpose(0, 2, 1), self.y).reshape(n, H, 6, 13)
        by_b, by_a = bent.sum(1), (rise[..., None] * images).sum(1)
        slope, curve = (squareplus(torch.from_numpy(b), order).numpy() for order in (1, 2))
        rest_m = (a * slope)[:, None, None] * self.rest
        rest_image = m @ self.rest.T
        eigen = self._largest_eigenspace((a * slope) @ rest_image)
        for by, rest in ((by_m, rest_m), (by_b, (a * curve)[:, None] * rest_image), (by_a, slope[:, None] * rest_image)):
            by -= rest
            change = np.tensordot(rest, eigen, ([1], [0]))  # of the largest eigenvalue
            by += np.einsum("ni,h...->nhi...", _IDENTITY - self.volume, change)
        columns = [
            np.einsum("nhij,hkj->nihk", by_m[..., :6], _square_slope(L)).reshape(n, 6, -1),
            np.einsum("nhij,hkj->nihk", by_m[..., 6:12], _square_slope(M)).reshape(n, 6, -1),
            by_m[..., 12].transpose(0, 2, 1),
            by_b.transpose(0, 2, 1),
            (2 * root[:, None] * by_a).transpose(0, 2, 1),
            2 * theta[-1] * self.barrier[..., None],
        ]
        J = self.unit * np.concatenate(columns, 2)
        return np.einsum("nij,njk->nik", self.weight, J).reshape(6 * n, -1)

    @staticmethod
    def _largest_eigenspace(at_rest: np.ndarray) -> np.ndarray:
        """Derivative of the largest eigenvalue by the (invariant) tensor, Mandel."""
        values, vectors = np.linalg.eigh(np.asarray(from_mandel(at_rest)))
        chosen = vectors[:, values > values[-1] - 1e-9 * (1e-300 + np.abs(values).max())]
        return np.asarray(to_mandel(chosen @ chosen.T / chosen.shape[1]))


_IDENTITY = np.array([1.0, 1.0, 1.0, 0.0, 0.0, 0.0])


def _triangular(entries: np.ndarray) -> np.ndarray:
    L = np.zeros((len(entries), 3, 3))
    L[:, _LOWER[0], _LOWER[1]] = entries
    return L


def _square(L: np.ndarray) -> np.ndarray:
    """L Lᵀ in Mandel components."""
    return np.asarray(to_mandel(L @ L.transpose(0, 2, 1)))


def _square_slope(L: np.ndarray) -> np.ndarray:
    """Derivatives (h, 6, 6) of L Lᵀ (last axis, Mandel) by the entries of L."""
    result = np.zeros((len(L), 6, 6))
    for k, (i, j) in enumerate(zip(*_LOWER, strict=True)):
        dA = np.zeros_like(L)
        dA[:, i, :] = L[:, :, j]
        result[:, k] = to_mandel(dA + dA.transpose(0, 2, 1))
    return result
