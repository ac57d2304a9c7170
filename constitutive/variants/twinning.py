r"""Hadamard's condition between two wells, in closed form.

Two deformations meet coherently along a plane with the reference normal n if they differ by a rank-one tensor,

.. math:: Q U_i - U_j = a \otimes n .

With the eigenvalues :math:`\lambda_1 \le \lambda_2 \le \lambda_3` and eigenvectors e of :math:`C = U_j^{-1} U_i^2 U_j^{-1} \ne I` there is
a solution if and only if :math:`\lambda_2 = 1`, and then there are two (κ = ±1):

.. math::
    a = \rho\Big(\sqrt{\tfrac{\lambda_3(1-\lambda_1)}{\lambda_3-\lambda_1}}\,e_1
    + \kappa\sqrt{\tfrac{\lambda_1(\lambda_3-1)}{\lambda_3-\lambda_1}}\,e_3\Big),
    \quad n = \frac{1}{\rho}\,\frac{\sqrt{\lambda_3}-\sqrt{\lambda_1}}{\sqrt{\lambda_3-\lambda_1}}
    \big(-\sqrt{1-\lambda_1}\,U_j e_1 + \kappa\sqrt{\lambda_3-1}\,U_j e_3\big)

(Ball & James 1987, *Arch. Rational Mech. Anal.* 100, 13, proposition 4; Bhattacharya, *Microstructure of Martensite*, 2003, result 5.1).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Float

from constitutive.errors import MaterialError

SAME = 1e-12  # largest |C − I| of two equal strains
COMPATIBLE = 1e-8  # |λ₂ − 1| relative to λ₃ − λ₁


@final
@dataclass(frozen=True, eq=False)
class Twin:
    """One solution of Q U_i − U_j = a ⊗ n.

    Attributes
    ----------
    rotation
        Q, of the first variant against the second.
    shear
        a (dimensionless).
    normal
        n, the unit normal of the wall in the reference configuration; its largest component is positive.
    residual
        Largest entry of |Q U_i − U_j − a ⊗ n| and |QᵀQ − I|.
    """

    rotation: Float[np.ndarray, "3 3"]
    shear: Float[np.ndarray, "3"]
    normal: Float[np.ndarray, "3"]
    residual: float

    @property
    def angle(self) -> float:
        """Angle of Q in degrees: by how much the lattices of the two variants are turned against each other."""
        sine = np.linalg.norm(self.rotation - self.rotation.T) / np.sqrt(8)
        return float(np.degrees(np.arctan2(sine, (np.trace(self.rotation) - 1) / 2)))


def twins(first: Float[np.ndarray, "3 3"], second: Float[np.ndarray, "3 3"]) -> tuple[Twin, ...]:
    """The coherent walls between two stretches: solutions of Q U_i − U_j = a ⊗ n.

    Parameters
    ----------
    first : array (3, 3)
        U_i, symmetric and positive definite: the right stretch of one well.
    second : array (3, 3)
        U_j, of the other.

    Returns
    -------
    tuple of Twin
        Two; one where they coincide; none where the middle eigenvalue of U_j⁻¹ U_i² U_j⁻¹ is not 1, or the stretches are equal (then every
        plane is a wall, with a = 0).

    Raises
    ------
    MaterialError
        A stretch is not symmetric or not positive definite.

    Examples
    --------
    >>> import numpy as np
    >>> along_x, along_y = np.diag([1.02, 0.99, 0.99]), np.diag([0.99, 1.02, 0.99])  # two tetragonal variants
    >>> [twin.normal.round(3).tolist() for twin in twins(along_x, along_y)]
    [[0.707, 0.707, 0.0], [0.707, -0.707, 0.0]]
    """
    U, V = _stretch(first), _stretch(second)
    inverse = np.linalg.inv(V)
    C = inverse @ U @ U @ inverse
    if np.abs(C - np.eye(3)).max() <= SAME:
        return ()
    values, vectors = np.linalg.eigh((C + C.T) / 2)
    low, middle, high = (float(value) for value in values)
    if abs(middle - 1) > COMPATIBLE * (high - low) or low > 1 + SAME or high < 1 - SAME:
        return ()
    low, high = min(low, 1.0), max(high, 1.0)
    found = [_solution(U, V, low, high, vectors, kappa) for kappa in (1.0, -1.0)]
    if abs(found[0].normal @ found[1].normal) > 1 - 1e-12:
        return (found[0],)
    return tuple(sorted(found, key=lambda twin: tuple(-np.round(twin.normal, 9))))


def _solution(U: np.ndarray, V: np.ndarray, low: float, high: float, vectors: np.ndarray, kappa: float) -> Twin:
    span = high - low
    e1, e3 = vectors[:, 0], vectors[:, 2]
    a = np.sqrt(high * (1 - low) / span) * e1 + kappa * np.sqrt(low * (high - 1) / span) * e3
    n = (np.sqrt(high) - np.sqrt(low)) / np.sqrt(span) * V @ (-np.sqrt(1 - low) * e1 + kappa * np.sqrt(high - 1) * e3)
    size = np.linalg.norm(n) * np.sign(n[np.argmax(np.abs(n).round(9))])
    a, n = a * size, n / size
    left, _, right = np.linalg.svd((V + np.outer(a, n)) @ np.linalg.inv(U))
    Q = left @ right  # the rotation nearest to the quotient
    residual = max(np.abs(Q @ U - V - np.outer(a, n)).max(), np.abs(Q.T @ Q - np.eye(3)).max())
    return Twin(Q, a, n + 0.0, float(residual))


def _stretch(given: np.ndarray) -> np.ndarray:
    U = np.asarray(given, dtype=np.float64)
    if U.shape != (3, 3) or not np.isfinite(U).all() or np.abs(U - U.T).max() > 1e-12 * np.abs(U).max():
        raise MaterialError(f"a symmetric stretch U of shape (3, 3) is needed, {U.shape} or an asymmetric one was found; take U of F = R U")
    if np.linalg.eigvalsh(U)[0] <= 0:
        raise MaterialError("a stretch U with positive eigenvalues is needed; of a strain E take constitutive.kinematics.right_stretch(E)")
    return (U + U.T) / 2
