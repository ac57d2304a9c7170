r"""Electric fields and polarisations of samples: reference and current configuration, and the branch of the polarisation.

With e and p in the current configuration, :math:`E_0 = F^T e` and :math:`P_0 = J F^{-1} p` (Dorfmann & Ogden, *Acta Mechanica* 174 (2005)
167). A polarisation by Berry phases or by charges is known up to a quantum :math:`e\, a_i / V` (King-Smith & Vanderbilt, Phys. Rev. B 47
(1993) 1651); in the reference configuration the quanta are those of the reference cell at every strain.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int

from constitutive.kinematics import determinant, inverse
from constitutive.units import CHARGE_PER_SQUARE_ANGSTROM

ROUNDING = 1e-6


def reference_field(F: Float[np.ndarray, "n 3 3"], field: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, "n 3"]:
    """E₀ = Fᵀe.

    Parameters
    ----------
    F : array (n, 3, 3)
    field : array (n, 3)
        e, in the current configuration (GV/m).

    Returns
    -------
    array (n, 3)
        GV/m.
    """
    return np.einsum("nji,nj->ni", F, field)


def reference_polarization(F: Float[np.ndarray, "n 3 3"], polarization: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, "n 3"]:
    """P₀ = J F⁻¹ p.

    Parameters
    ----------
    F : array (n, 3, 3)
    polarization : array (n, 3)
        p, in the current configuration (C/m²).

    Returns
    -------
    array (n, 3)
        C/m², per reference volume.
    """
    return determinant(F)[:, None] * np.einsum("nij,nj->ni", inverse(F), polarization)


def quanta(lattice: Float[np.ndarray, "3 3"]) -> Float[np.ndarray, "3 3"]:
    """Rows e a_i / V₀: what the reference polarisation is known up to (C/m²).

    Parameters
    ----------
    lattice : array (3, 3)
        Rows of the reference cell, Å.

    Returns
    -------
    array (3, 3)
    """
    return CHARGE_PER_SQUARE_ANGSTROM * lattice / abs(np.linalg.det(lattice))


def unwrapped(
    polarization: Float[np.ndarray, "n 3"], points: Float[np.ndarray, "n k"], lattice: Float[np.ndarray, "3 3"]
) -> tuple[Float[np.ndarray, "n 3"], Int[np.ndarray, " m"]]:
    """Reference polarisations on one branch, followed from the sample nearest to the reference state.

    Each sample in turn, the nearest to those done first, is moved by the quanta that bring it nearest to its nearest neighbour among them.

    Parameters
    ----------
    polarization : array (n, 3)
        P₀ (C/m²).
    points : array (n, k)
        Where the samples lie: strains and fields, each in units of its typical size.
    lattice : array (3, 3)
        Rows of the reference cell, Å.

    Returns
    -------
    array (n, 3)
        C/m², the first sample on the branch of the smallest polarisation.
    int array (m,)
        Samples that were moved.
    """
    found, rows = polarization.copy(), quanta(lattice)
    n = len(found)
    distance, neighbour = np.linalg.norm(points, axis=1), np.full(n, -1)
    left = np.ones(n, dtype=bool)
    for _ in range(n):
        k = int(np.where(left, distance, np.inf).argmin())
        target = np.zeros(3) if neighbour[k] < 0 else found[neighbour[k]]
        found[k] += np.rint((target - found[k]) @ np.linalg.inv(rows)) @ rows
        left[k] = False
        to_k = np.linalg.norm(points - points[k], axis=1)
        nearer = left & ((to_k < distance) | (neighbour < 0))
        distance[nearer], neighbour[nearer] = to_k[nearer], k
    return found, np.nonzero(np.abs(found - polarization).max(1) > ROUNDING * np.abs(rows).max())[0]


def on_one_branch(
    polarization: Float[np.ndarray, "n 3"],
    strain: Float[np.ndarray, "n 6"],
    field: Float[np.ndarray, "n 3"] | None,
    lattice: Float[np.ndarray, "3 3"],
) -> tuple[Float[np.ndarray, "n 3"], Int[np.ndarray, " m"]]:
    """Reference polarisations of the samples of a data set on one branch, by :func:`unwrapped` with strains and fields over their largest.

    Parameters
    ----------
    polarization : array (n, 3)
        P₀ (C/m²).
    strain : array (n, 6)
        Mandel components.
    field : array (n, 3), optional
        E₀.
    lattice : array (3, 3)
        Rows of the reference cell, Å.

    Returns
    -------
    array (n, 3)
        C/m².
    int array (m,)
        Samples that were moved.
    """
    points = [value / max(float(np.linalg.norm(value, axis=1).max()), 1e-300) for value in (strain, field) if value is not None]
    return unwrapped(polarization, np.concatenate(points, 1), lattice)


def polarization_of_ions(
    positions: Float[np.ndarray, "n m 3"],
    reference: Float[np.ndarray, "m 3"],
    lattice: Float[np.ndarray, "3 3"],
    charges: Float[np.ndarray, "m 3 3"] | Float[np.ndarray, " m"],
) -> Float[np.ndarray, "n 3"]:
    r"""Reference polarisation of displaced ions, :math:`P_0 = \frac{1}{V_0}\sum_i Z_i\, h_0^T (s_i - s_i^{ref})`.

    With rigid charges it is exact; with Born charges it is the part of the ions, to first order.

    Parameters
    ----------
    positions : array (n, m, 3)
        s, in fractions of the strained cells; each ion is taken nearest to its place in the reference.
    reference : array (m, 3)
        In fractions of the reference cell.
    lattice : array (3, 3)
        Rows of the reference cell h₀, Å.
    charges : array (m,) or (m, 3, 3)
        e; Born charges as ∂(dipole i)/∂(displacement j).

    Returns
    -------
    array (n, 3)
        C/m², 0 in the reference; a common displacement of all ions counts for nothing where the charges add up to zero.
    """
    moved = positions - reference
    moved = (moved - np.rint(moved)) @ lattice
    Z = charges[:, None, None] * np.eye(3) if charges.ndim == 1 else charges
    return np.asarray(np.einsum("mij,nmj->ni", Z, moved) / abs(np.linalg.det(lattice)) * CHARGE_PER_SQUARE_ANGSTROM)
