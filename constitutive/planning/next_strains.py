r"""The next strains worth computing, by the posterior of a law.

With :math:`R(x) = \Phi(x) L / \sigma` the deviations of the stress at strain x in units of the error of a sample, a new sample changes the
posterior from :math:`\Sigma` to :math:`\Sigma - \Sigma R^T (I + R \Sigma R^T)^{-1} R \Sigma`, whatever its stress turns out to be. The next
strain is the one with the largest drop of the mean variance over the domain,
:math:`\operatorname{tr}[(I + R \Sigma R^T)^{-1} R \Sigma M \Sigma R^T]` with :math:`M` the mean of :math:`R^T R` over the domain (Cohn,
Ghahramani & Jordan, J. Artif. Intell. Res. 4 (1996) 129); then the posterior is updated and the one after is chosen. In the mean, strains
of all sizes count alike: uniform in the volume of six dimensions, nearly all would lie at the edge. The features are invariants of the
group, so that two strains that symmetry maps onto each other count as one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import numpy as np
import torch
from jaxtyping import Float

from constitutive.errors import MaterialError
from constitutive.fitting import Uncertainty
from constitutive.laws import Domain
from constitutive.material import Material
from constitutive.planning.optimal_design import distinct
from constitutive.planning.regions import Ball, Region, Visited
from constitutive.tensors.packing import mandel_matrix

CANDIDATES, PROBES = 512, 512  # strains to choose from, strains of the domain over which the variance is averaged
FARTHER = 1.02  # than visited: how far out the outermost strains of a solve are planned
APART = 0.02  # of the region's size: closer strains, up to symmetry, count as one


@final
@dataclass(frozen=True, eq=False)
class NextStrains:
    """A batch of strains, and what it is expected to do.

    Attributes
    ----------
    x
        Green–Lagrange strains, Mandel.
    before, after
        Half-width (GPa) of the interval that holds a stress component with probability 0.68, root mean square over the region with
        strains of all sizes alike, before the batch and as expected after it.
    """

    x: Float[np.ndarray, "n 6"]
    before: float
    after: float


def next_strains(
    material: Material, computed: Float[np.ndarray, "m 6"], count: int, *, region: Region | None = None, seed: int = 0,
    progress: Callable[[str, float], None] | None = None,
) -> NextStrains:  # fmt: skip
    """Strains whose stresses reduce the expected error of a law most.

    Parameters
    ----------
    material : Material
        Calibrated, with its posterior.
    computed : array (m, 6)
        Strains (Mandel) of the samples that it was calibrated on.
    count : int
        How many.
    region : Region
        Where the law is to become better: a ball or a box, or strains that a solve visited; by default the ball of the samples.
        Where visited strains lie outside the domain of the samples, the batch holds the outermost of them.
    seed : int
        Of the candidates.
    progress : callable
        Called with what is being done and the fraction done.

    Returns
    -------
    NextStrains

    Raises
    ------
    MaterialError
        The material states no posterior, or the region holds too few strains that are not computed yet.
    """
    posterior = _posterior(material)
    where = region or Ball(float(np.linalg.norm(computed, axis=1).max()))
    group = np.asarray(mandel_matrix(material.point_group.laue_rotations))
    candidates = _candidates(where, computed, group, count, seed)
    scale = _error_of_a_sample(posterior, computed)
    R = posterior.columns(candidates) @ posterior.factor / scale
    probes = posterior.columns(where.draw_by_size(PROBES, seed + 1)) @ posterior.factor / scale
    M = np.einsum("nik,nil->kl", probes, probes, optimize=True) / (6 * len(probes))
    chosen, before, after = _greedy(R, M, count, progress)
    batch = candidates[chosen]
    if isinstance(where, Visited):
        batch, replaced = _reaching(batch, computed, where, material.point_group.laue_rotations)
        after = _variance_after(posterior.columns(batch) @ posterior.factor / scale, M) if replaced else after
    width = scale * posterior.multiple(0.68)
    return NextStrains(batch, width * float(np.sqrt(before)), width * float(np.sqrt(after)))


def expected_error(material: Material, region: Region, *, seed: int = 0) -> float:
    """Relative error of the stress that the posterior of a law expects over a region.

    The root mean square half-width of the intervals that hold a stress component with probability 0.68, over that of the stress
    components. Errors at samples left out judge a plan's samples, most of which lie where the law was least known; this one is weighted
    as the region is.

    Parameters
    ----------
    material : Material
        Calibrated, with its posterior.
    region : Region
        A ball, a box or strains that a solve visited.
    seed : int
        Of the strains at which it is evaluated.

    Returns
    -------
    float

    Raises
    ------
    MaterialError
        The material states no posterior.
    """
    x = region.draw(PROBES, seed)
    posterior = _posterior(material)
    deviation = np.sqrt(np.mean((posterior.columns(x) @ posterior.factor) ** 2) * posterior.factor.shape[1])
    stress = material.law.stress_mandel(torch.from_numpy(x)).numpy()
    return float(posterior.multiple(0.68) * deviation / np.sqrt(np.mean(stress**2)))


def _posterior(material: Material) -> Uncertainty:
    if material.uncertainty is None:
        kind = "a law with fields or temperatures" if material.coupled is not None else "a material without a posterior"
        raise MaterialError(f"found {kind}; needed a law of the strain that `calibrate` made, not one from constants alone")
    return material.uncertainty


def _candidates(where: Region, computed: np.ndarray, group: np.ndarray, count: int, seed: int) -> Float[np.ndarray, "n 6"]:
    """Strains of the region that are neither computed nor equal to each other up to symmetry."""
    drawn = where.draw(max(CANDIDATES, 8 * count), seed)
    if isinstance(where, Visited):
        drawn = np.unique(drawn, axis=0)
    found = _apart(computed, drawn, group, where)
    if len(found) < count and isinstance(where, Visited):  # most of the volume is strained alike: of all that was visited, then
        found = _apart(computed, np.concatenate([drawn, np.unique(where.x, axis=0)]), group, where)
    if len(found) < count:
        raise MaterialError(
            f"found {len(found)} strains in the region that are not computed yet; needed {count}; ask for fewer (-n) or widen the region"
        )
    return found


def _apart(
    computed: Float[np.ndarray, "m 6"], candidates: Float[np.ndarray, "k 6"], group: np.ndarray, where: Region
) -> Float[np.ndarray, "n 6"]:
    """The candidates that are neither close to computed strains nor to each other, up to symmetry."""
    together = np.concatenate([computed, candidates])
    kept = distinct(together, group, APART * where.size)
    return np.asarray(together[kept[kept >= len(computed)]])


def _reaching(
    batch: Float[np.ndarray, "n 6"], computed: Float[np.ndarray, "m 6"], visited: Visited, rotations: Float[np.ndarray, "g 3 3"]
) -> tuple[Float[np.ndarray, "n 6"], int]:
    """The batch with its last strains replaced by the outermost visited ones until the domain of all samples holds what was visited.

    They are planned a little farther out: the improved law moves the strains of the next solve. Returned with how many were replaced.
    """
    batch, most = batch.copy(), (len(batch) + 1) // 2
    for replaced in range(most):
        distance = Domain.of_strains(np.concatenate([computed, batch]), rotations).distance(torch.from_numpy(visited.x))
        outermost = int(distance.argmax())
        if float(distance[outermost]) <= 1:
            return batch, replaced
        batch[-1 - replaced] = FARTHER * visited.x[outermost]
    return batch, most


def _variance_after(rows: Float[np.ndarray, "n 6 k"], M: Float[np.ndarray, "k k"]) -> float:
    """Mean variance with the samples of these rows added."""
    R = rows.reshape(-1, rows.shape[2])
    return float(np.trace(np.linalg.solve(np.eye(len(M)) + R.T @ R, M)))


def _error_of_a_sample(posterior: Uncertainty, computed: Float[np.ndarray, "m 6"]) -> float:
    """σ: the posterior with errors σ of the samples has the mean trace σ² k over its own samples, with k its rank."""
    rows = posterior.columns(computed) @ posterior.factor
    return float(np.sqrt(np.sum(rows**2) / rows.shape[2])) or 1.0


def _greedy(
    R: Float[np.ndarray, "n 6 k"], M: Float[np.ndarray, "k k"], count: int, progress: Callable[[str, float], None] | None = None
) -> tuple[list[int], float, float]:
    """Numbers of the strains, and the mean variance before and after."""
    V = R.copy()  # R Σ, kept up to date by corrections of rank 6
    across = R.transpose(0, 2, 1)
    before = mean = float(np.trace(M))
    chosen: list[int] = []
    free = np.ones(len(R), dtype=bool)
    for number in range(count):
        if progress is not None:
            progress(f"choosing strains, {number + 1}/{count}", number / count)
        K = np.eye(6) + V @ across
        drop = np.einsum("nii->n", np.linalg.solve(K, V @ M @ V.transpose(0, 2, 1)))
        best = int(np.where(free, drop, -np.inf).argmax())
        chosen.append(best)
        free[best] = False
        mean -= float(drop[best])
        own = np.linalg.solve(K[best], V[best])
        V = V - V @ across[best] @ own
    return chosen, before, max(mean, 0.0)
