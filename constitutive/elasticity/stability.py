r"""Where a law is stable: Born's criterion, strong ellipticity, and a map of where it is lost.

Strong ellipticity at F: the acoustic tensor :math:`A_{ik}(N) = N_J N_L\, \partial P_{iJ}/\partial F_{kL}` is positive definite for
every direction N (Ogden, *Non-linear Elastic Deformations*, 1984, sec. 6.2.7): where it fails, bands form and a finite-element
answer depends on the mesh.

What data of one unit cell do not contain: slip, cleavage across many cells, and phonons away from the zone centre. A crystal may
fail by these before its law loses ellipticity.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Float

from constitutive.elasticity.constants import elastic_constants
from constitutive.elasticity.directions import half_sphere
from constitutive.laws import Law
from constitutive.tensors.packing import stiffness_voigt_to_mandel

BLIND_SPOT = (
    "one unit cell can't show slip, cleavage or phonons away from the zone centre: the crystal may fail by these before its law does"
)
ACOUSTIC_DIRECTIONS = 400


def born_stable(law: Law) -> tuple[bool, Float[np.ndarray, " 6"]]:
    """Born's criterion at zero strain: all six eigenvalues of C (GPa, Mandel) positive (Born & Huang 1954, sec. 11).

    Parameters
    ----------
    law : Law

    Returns
    -------
    stable : bool
    eigenvalues : array (6,)
        GPa, rising.
    """
    values = np.linalg.eigvalsh(stiffness_voigt_to_mandel(elastic_constants(law, 2)))
    return bool(values[0] > 0), values


@final
@dataclass(frozen=True, eq=False)
class Ellipticity:
    """Strong ellipticity at some states.

    Attributes
    ----------
    minimum
        Smallest eigenvalue of the acoustic tensor over directions (GPa); positive: elliptic.
    direction
        The direction N (reference frame) where it is reached.
    polarisation
        The eigenvector.
    """

    minimum: Float[np.ndarray, " n"]
    direction: Float[np.ndarray, "n 3"]
    polarisation: Float[np.ndarray, "n 3"]


def ellipticity(law: Law, F: Float[np.ndarray, "n 3 3"], *, directions: int = ACOUSTIC_DIRECTIONS) -> Ellipticity:
    """Smallest eigenvalue of the acoustic tensor over directions at deformation gradients; theory, eq. (21).

    Parameters
    ----------
    law
        Any law.
    F
        Deformation gradients.
    directions
        How many directions of the half sphere are looked at before the worst is refined.

    Returns
    -------
    Ellipticity
        For each F the smallest eigenvalue (GPa), the normal N in the reference configuration, and the polarisation m.
    """
    _, tangent = law(np.asarray(F, dtype=np.float64))
    N = np.asarray(half_sphere(directions))
    values, vectors = np.linalg.eigh(_acoustic(tangent, N[None]))
    worst = values[..., 0].argmin(axis=1)
    best_N = N[worst]
    best, vector = _take(values, vectors, worst)
    rng = np.random.default_rng(0)
    for size in (0.1, 0.03, 0.01, 0.003):  # a shrinking search around the worst direction
        trial = best_N[:, None] + size * rng.normal(size=(1, 40, 3))
        trial /= np.linalg.norm(trial, axis=2, keepdims=True)
        values, vectors = np.linalg.eigh(_acoustic(tangent, trial))
        worst = values[..., 0].argmin(axis=1)
        found, found_vector = _take(values, vectors, worst)
        better = found < best
        best = np.where(better, found, best)
        best_N = np.where(better[:, None], trial[np.arange(len(trial)), worst], best_N)
        vector = np.where(better[:, None], found_vector, vector)
    return Ellipticity(best, best_N, vector)


def _acoustic(tangent: np.ndarray, N: np.ndarray) -> np.ndarray:
    N = np.broadcast_to(N, (len(tangent), *N.shape[1:]))
    A = np.einsum("nmJ,niJkL,nmL->nmik", N, tangent, N, optimize=True)
    return (A + A.swapaxes(-1, -2)) / 2


def _take(values: np.ndarray, vectors: np.ndarray, worst: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    rows = np.arange(len(values))
    return values[rows, worst, 0], vectors[rows, worst, :, 0]


@final
@dataclass(frozen=True, eq=False)
class StabilityMap:
    """How far a law stays strongly elliptic along some strain paths.

    Attributes
    ----------
    names
        Of the paths.
    paths
        The unit strains (Frobenius norm 1) that are scaled up.
    critical
        Size |E| at which ellipticity is lost; ``limit`` where it is not.
    limit
        How far was looked.
    """

    names: tuple[str, ...]
    paths: Float[np.ndarray, "p 3 3"]
    critical: Float[np.ndarray, " p"]
    limit: float

    def as_dict(self) -> dict[str, float | None]:
        """Critical |E| by path; None where the law stays elliptic up to the limit.

        Returns
        -------
        dict
            Frobenius norms of the Green–Lagrange strain.
        """
        return {n: (float(c) if c < self.limit else None) for n, c in zip(self.names, self.critical, strict=True)}


def stability_map(law: Law, *, limit: float = 0.15, points: int = 31, random: int = 8, seed: int = 0) -> StabilityMap:
    """Where a law loses strong ellipticity along tension, compression, shear, hydrostatic and random strains.

    Parameters
    ----------
    law : Law
    limit : float
        Largest Frobenius norm of the strain that is tried.
    points : int
        Strains on each path.
    random : int
        Number of paths in random directions, besides the named ones.
    seed : int
        Of the random directions.

    Returns
    -------
    StabilityMap
    """
    names, paths = _paths(random, seed)
    sizes = np.linspace(0, limit, points)[1:]
    critical = np.full(len(paths), float(limit))
    for k, direction in enumerate(paths):
        E = sizes[:, None, None] * direction
        C = np.eye(3) + 2 * E
        values, vectors = np.linalg.eigh(C)
        inside = values[:, 0] > 0.02
        U = np.einsum("nij,nj,nkj->nik", vectors, np.sqrt(np.maximum(values, 1e-12)), vectors)
        lowest = ellipticity(law, U[inside], directions=120).minimum
        lost = np.nonzero(lowest <= 0)[0]
        if len(lost):
            critical[k] = _crossing(sizes, lowest, int(lost[0]))
    return StabilityMap(names, paths, critical, limit)


def _crossing(sizes: np.ndarray, lowest: np.ndarray, k: int) -> float:
    if k == 0:
        return float(sizes[0])
    part = lowest[k - 1] / (lowest[k - 1] - lowest[k])
    return float(sizes[k - 1] + part * (sizes[k] - sizes[k - 1]))


def _paths(random: int, seed: int) -> tuple[tuple[str, ...], np.ndarray]:
    named = {}
    for axis, letter in enumerate("xyz"):
        E = np.zeros((3, 3))
        E[axis, axis] = 1
        named[f"tension {letter}"], named[f"compression {letter}"] = E, -E
    for (i, j), name in (((1, 2), "yz"), ((0, 2), "xz"), ((0, 1), "xy")):
        E = np.zeros((3, 3))
        E[i, j] = E[j, i] = np.sqrt(0.5)
        named[f"shear {name}"] = E
    named["expansion"], named["hydrostatic compression"] = np.eye(3) / np.sqrt(3), -np.eye(3) / np.sqrt(3)
    rng = np.random.default_rng(seed)
    for k in range(random):
        A = rng.normal(size=(3, 3))
        named[f"random {k + 1}"] = (A + A.T) / np.linalg.norm(A + A.T)
    return tuple(named), np.array(list(named.values()))
