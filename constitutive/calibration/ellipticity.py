"""Strong ellipticity of a law within its domain: measured, and imposed by a penalty."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float

from constitutive.calibration.distillation import random_strains
from constitutive.calibration.linear_parameters import LinearParameters
from constitutive.elasticity import ellipticity
from constitutive.fitting import SeriesNetworkFit
from constitutive.kinematics import right_stretch
from constitutive.laws import Domain, Law
from constitutive.tensors.packing import from_mandel, to_mandel

LOOKED_AT = 100  # strains


def loses_ellipticity(law: Law, x: Float[np.ndarray, "n 6"]) -> bool:
    """Whether a law is not strongly elliptic at rest or at some of the given strains (Mandel); of many strains 100 are looked at.

    Parameters
    ----------
    law : Law
    x : array (n, 6)
        Green–Lagrange strains, Mandel.

    Returns
    -------
    bool
    """
    chosen = x[np.unique(np.linspace(0, len(x) - 1, min(len(x), LOOKED_AT)).astype(int))]
    F = _right_stretch(np.concatenate([np.zeros((1, 6)), chosen]))
    return bool(ellipticity(law, F, directions=80).minimum.min() <= 0)


def made_elliptic(
    parameters: LinearParameters, domain: Domain, *, margin: float = 0.02, rounds: int = 25, seed: int = 0
) -> tuple[SeriesNetworkFit, float]:
    """Penalise the loss of strong ellipticity at random strains of the domain until there is none.

    Parameters
    ----------
    parameters
        The fit to change.
    domain
        Where the law is made elliptic.
    margin
        Required minimum of the acoustic tensor, relative to its minimum at zero strain.
    rounds
        Of finding violations and solving again; the penalty grows tenfold every five rounds.
    seed
        Of the random strains.

    Returns
    -------
    The fit, and the smallest eigenvalue left among the strains that were looked at (GPa).
    """
    F = _stretches(domain, 200, seed)
    fit, unit = parameters.fit, parameters.fit.unit
    lowest = ellipticity(fit.law(), np.eye(3)[None]).minimum[0]
    wanted = margin * max(lowest, 0.01 * unit)
    rows: list[np.ndarray] = []
    found = ellipticity(fit.law(), F, directions=80)
    for k in range(rounds):
        bad = np.nonzero(found.minimum < wanted)[0]
        if not len(bad):
            break
        rows += [
            _acoustic_row(parameters, F[j], found.direction[j], found.polarisation[j]) for j in bad[np.argsort(found.minimum[bad])][:40]
        ]
        D = np.array(rows)
        active = D @ fit.linear_parameters < 2 * wanted
        weight = 10.0 ** (k // 5) * 0.3 / max(float(np.abs(D).max()), 1e-300)
        fit = parameters.solve(weight * D[active], np.full(int(active.sum()), weight * 2 * wanted), 1e-7)
        found = ellipticity(fit.law(), F, directions=80)
    return fit, float(found.minimum.min())


def _stretches(domain: Domain, count: int, seed: int) -> Float[np.ndarray, "n 3 3"]:
    x = random_strains(domain, count, np.random.default_rng(seed), uniform_size=False)
    return _right_stretch(x)


def _right_stretch(x: Float[np.ndarray, "n 6"]) -> Float[np.ndarray, "m 3 3"]:
    """U of strains; those that squeeze some fibre to nothing are left out."""
    E = np.asarray(from_mandel(x))
    return right_stretch(E[np.linalg.eigvalsh(np.eye(3) + 2 * E)[:, 0] > 0.02])


def _acoustic_row(parameters: LinearParameters, F: np.ndarray, N: np.ndarray, m: np.ndarray) -> np.ndarray:
    """m⊗N : dP/dF : m⊗N of each unit law: N·S N + v·(dS/dE) v with v the symmetric part of Fᵀm ⊗ N."""
    E = (F.T @ F - np.eye(3)) / 2
    x = torch.from_numpy(np.asarray(to_mandel(E))[None].copy())
    pulled = np.outer(F.T @ m, N)
    v = torch.from_numpy(np.asarray(to_mandel((pulled + pulled.T) / 2)).copy())
    n = torch.from_numpy(np.asarray(to_mandel(np.outer(N, N))).copy())
    return np.array([float(law.stress_mandel(x)[0] @ n + v @ law.tangent_mandel(x)[0] @ v) for law in parameters.unit_laws])
