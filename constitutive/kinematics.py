r"""Deformation and stress measures, batched, for torch tensors and NumPy arrays alike.

Every function takes arrays of shape ``(..., 3, 3)``, returns the kind of array it was given, and keeps to closed forms:
``torch.linalg.det`` under ``vmap(hessian(...))`` is wrong in torch 2.6 to 2.14 without an error; a determinant written out is right.

With the deformation gradient :math:`F_{ij} = \partial x_i / \partial X_j`, :math:`J = \det F`:

.. math::
    C = F^T F, \quad E = (C - I)/2, \quad P = F S, \quad \tau = P F^T, \quad \sigma = \tau / J

(Holzapfel, *Nonlinear Solid Mechanics*, 2000, eqs. 2.63, 2.69, 3.61-3.67).
"""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np

Array = TypeVar("Array", bound=Any)  # a torch.Tensor or a numpy.ndarray: what goes in comes out


def determinant(F: Array) -> Array:
    """Determinant of 3×3 matrices, by the rule of Sarrus.

    Parameters
    ----------
    F : array (..., 3, 3)

    Returns
    -------
    array (...)
    """
    f = F  # the letter of the equations
    return (
        f[..., 0, 0] * (f[..., 1, 1] * f[..., 2, 2] - f[..., 1, 2] * f[..., 2, 1])
        - f[..., 0, 1] * (f[..., 1, 0] * f[..., 2, 2] - f[..., 1, 2] * f[..., 2, 0])
        + f[..., 0, 2] * (f[..., 1, 0] * f[..., 2, 1] - f[..., 1, 1] * f[..., 2, 0])
    )


def _identity_like(F):
    if isinstance(F, np.ndarray):
        return np.eye(3, dtype=F.dtype)
    return F.new_tensor(np.eye(3))


def _transpose(F):
    return F.swapaxes(-1, -2)


def inverse(F: Array) -> Array:
    """Inverse of 3×3 matrices, as the adjugate over the determinant.

    Parameters
    ----------
    F : array (..., 3, 3)

    Returns
    -------
    array (..., 3, 3)
    """
    rows = (F[..., 0, :], F[..., 1, :], F[..., 2, :])
    columns = [_cross(rows[1], rows[2]), _cross(rows[2], rows[0]), _cross(rows[0], rows[1])]
    stack = np.stack if isinstance(F, np.ndarray) else _torch_stack
    return stack(columns, -1) / determinant(F)[..., None, None]


def _torch_stack(tensors, dim):
    import torch

    return torch.stack(tensors, dim)


def _cross(a, b):
    if isinstance(a, np.ndarray):
        return np.cross(a, b)
    import torch

    return torch.linalg.cross(a, b)


def right_cauchy_green(F: Array) -> Array:
    """Right Cauchy–Green tensor C = FᵀF; theory, eq. (1).

    Parameters
    ----------
    F : array (..., 3, 3)
        Deformation gradient.

    Returns
    -------
    array (..., 3, 3)
        In axes of the reference configuration; dimensionless.
    """
    return _transpose(F) @ F


def green_lagrange_strain(F: Array) -> Array:
    """Green–Lagrange strain E = (FᵀF − I)/2; theory, eq. (1).

    Parameters
    ----------
    F : array (..., 3, 3)
        Deformation gradient.

    Returns
    -------
    array (..., 3, 3)
        In axes of the reference configuration; dimensionless.

    Examples
    --------
    >>> import numpy as np
    >>> green_lagrange_strain(np.diag([1.1, 1.0, 1.0])).round(3)
    array([[0.105, 0.   , 0.   ],
           [0.   , 0.   , 0.   ],
           [0.   , 0.   , 0.   ]])
    """
    return (right_cauchy_green(F) - _identity_like(F)) / 2


def infinitesimal_strain(F: Array) -> Array:
    """Small strain eps = sym(F − I).

    Parameters
    ----------
    F : array (..., 3, 3)
        Deformation gradient.

    Returns
    -------
    array (..., 3, 3)
        Dimensionless; it agrees with the Green–Lagrange strain to first order in F − I.
    """
    return (F + _transpose(F)) / 2 - _identity_like(F)


def first_from_second_piola(F: Array, S: Array) -> Array:
    """First Piola–Kirchhoff stress P = F S; theory, eq. (2).

    Parameters
    ----------
    F : array (..., 3, 3)
        Deformation gradient.
    S : array (..., 3, 3)
        Second Piola–Kirchhoff stress.

    Returns
    -------
    array (..., 3, 3)
        Force on a plane of the deformed body per area in the reference configuration, indexed ``[i, J]``, in the unit of S.

    Examples
    --------
    >>> import numpy as np
    >>> float(first_from_second_piola(np.diag([2.0, 1.0, 1.0]), np.diag([3.0, 0.0, 0.0]))[0, 0])
    6.0
    """
    return F @ S


def second_from_first_piola(F: Array, P: Array) -> Array:
    """Second Piola–Kirchhoff stress S = F⁻¹ P; theory, eq. (2).

    Parameters
    ----------
    F : array (..., 3, 3)
        Deformation gradient.
    P : array (..., 3, 3)
        First Piola–Kirchhoff stress, indexed ``[i, J]``.

    Returns
    -------
    array (..., 3, 3)
        In the unit of P.
    """
    return inverse(F) @ P


def cauchy_from_second_piola(F: Array, S: Array) -> Array:
    """Cauchy stress sigma = F S Fᵀ / J; theory, eq. (2).

    Parameters
    ----------
    F : array (..., 3, 3)
        Deformation gradient.
    S : array (..., 3, 3)
        Second Piola–Kirchhoff stress.

    Returns
    -------
    array (..., 3, 3)
        Tension positive, in axes of the deformed configuration, in the unit of S.

    Examples
    --------
    >>> import numpy as np
    >>> F, S = np.diag([2.0, 1.0, 1.0]), np.diag([3.0, 0.0, 0.0])
    >>> float(cauchy_from_second_piola(F, S)[0, 0])
    6.0
    """
    return F @ S @ _transpose(F) / determinant(F)[..., None, None]


def second_piola_from_cauchy(F: Array, sigma: Array) -> Array:
    """Second Piola–Kirchhoff stress S = J F⁻¹ sigma F⁻ᵀ; theory, eq. (2).

    Parameters
    ----------
    F : array (..., 3, 3)
        Deformation gradient.
    sigma : array (..., 3, 3)
        Cauchy stress, tension positive.

    Returns
    -------
    array (..., 3, 3)
        In the unit of sigma.
    """
    F_inverse = inverse(F)
    return determinant(F)[..., None, None] * (F_inverse @ sigma @ _transpose(F_inverse))


def first_piola_from_cauchy(F: Array, sigma: Array) -> Array:
    """First Piola–Kirchhoff stress P = J sigma F⁻ᵀ; theory, eq. (2).

    Parameters
    ----------
    F : array (..., 3, 3)
        Deformation gradient.
    sigma : array (..., 3, 3)
        Cauchy stress, tension positive.

    Returns
    -------
    array (..., 3, 3)
        Indexed ``[i, J]``, in the unit of sigma.
    """
    return determinant(F)[..., None, None] * (sigma @ _transpose(inverse(F)))


def cauchy_from_first_piola(F: Array, P: Array) -> Array:
    """Cauchy stress sigma = P Fᵀ / J; theory, eq. (2).

    Parameters
    ----------
    F : array (..., 3, 3)
        Deformation gradient.
    P : array (..., 3, 3)
        First Piola–Kirchhoff stress, indexed ``[i, J]``.

    Returns
    -------
    array (..., 3, 3)
        Tension positive, in the unit of P.
    """
    return P @ _transpose(F) / determinant(F)[..., None, None]


def second_piola_from_kirchhoff(F: Array, tau: Array) -> Array:
    """Second Piola–Kirchhoff stress S = F⁻¹ tau F⁻ᵀ; theory, eq. (2).

    Parameters
    ----------
    F : array (..., 3, 3)
        Deformation gradient.
    tau : array (..., 3, 3)
        Kirchhoff stress J sigma.

    Returns
    -------
    array (..., 3, 3)
        In the unit of tau.
    """
    F_inverse = inverse(F)
    return F_inverse @ tau @ _transpose(F_inverse)


def right_stretch(E: np.ndarray) -> np.ndarray:
    r"""The stretch :math:`U = \sqrt{I + 2E}` of Green–Lagrange strains: the deformation gradient without rotation.

    Parameters
    ----------
    E : array (n, 3, 3)
        I + 2E has to be positive definite.

    Returns
    -------
    array (n, 3, 3)
        Symmetric.

    Examples
    --------
    >>> right_stretch(np.diag([0.105, 0.0, 0.0])[None])[0].diagonal().round(3).tolist()
    [1.1, 1.0, 1.0]
    """
    values, vectors = np.linalg.eigh(np.eye(3) + 2 * E)
    return np.einsum("nij,nj,nkj->nik", vectors, np.sqrt(values), vectors)


def seth_hill_strain(E: np.ndarray, exponent: float) -> tuple[np.ndarray, np.ndarray]:
    r"""Seth–Hill strain of Green–Lagrange strains, and its derivative.

    .. math:: H_m = (C^m - I) / 2m, \quad H_0 = \tfrac12 \ln C, \quad
              \frac{\partial H}{\partial E} = \sum_{ab} \theta_{ab}\, n_a \otimes n_b \otimes n_a \otimes n_b, \quad
              \theta_{ab} = \frac{h(c_a) - h(c_b)}{(c_a - c_b)/2}

    over the eigenvalues and eigenvectors of C = I + 2E, with the limit h'(c) · 2 where they coincide (Hill, *Adv. Appl. Mech.* 18 (1979) 1;
    Hoger, *Int. J. Solids Struct.* 23 (1987) 1645): m = 1 Green–Lagrange, ½ Biot, 0 Hencky; theory, eq. (23).

    Parameters
    ----------
    E : array (n, 3, 3)
        C has to be positive.
    exponent
        m.

    Returns
    -------
    The strain (n, 3, 3), and its derivative (n, 3, 3, 3, 3) with major and minor symmetry.
    """
    values, n = np.linalg.eigh(E)
    c = 1 + 2 * values
    h = np.log(c) / 2 if exponent == 0 else (c**exponent - 1) / (2 * exponent)
    slope = c ** (exponent - 1)
    gap = values[:, :, None] - values[:, None]
    near = np.abs(gap) < 1e-6
    mean = (slope[:, :, None] + slope[:, None]) / 2
    theta = np.where(near, mean, (h[:, :, None] - h[:, None]) / np.where(near, 1, gap))
    strain = np.einsum("nia,na,nja->nij", n, h, n)
    pairs = n[:, :, None, :, None] * n[:, None, :, None, :]  # n i j a b
    derivative = np.einsum("nijab,nab,nklab->nijkl", pairs, theta, pairs, optimize=True)
    return strain, (derivative + derivative.swapaxes(1, 2)) / 2


def first_elasticity(F: Array, S: Array, material_tangent: Array) -> Array:
    r"""First elasticity tensor dP/dF from the material tangent dS/dE.

    .. math:: \partial P_{iJ} / \partial F_{kL} = \delta_{ik} S_{JL} + F_{iI} F_{kK}\, (\partial S / \partial E)_{IJKL}

    (Bonet & Wood, *Nonlinear Continuum Mechanics for Finite Element Analysis*, 2008, eq. 6.12; theory, eq. (3)).

    Parameters
    ----------
    F : array (..., 3, 3)
        Deformation gradient.
    S : array (..., 3, 3)
        Second Piola–Kirchhoff stress.
    material_tangent : array (..., 3, 3, 3, 3)
        dS/dE, with both minor symmetries, in the unit of S.

    Returns
    -------
    array (..., 3, 3, 3, 3), indexed ``[i, J, k, L]``, in the unit of S.
    """
    if isinstance(F, np.ndarray):
        einsum = np.einsum
    else:
        import torch

        einsum = torch.einsum
    # two products of two factors: NumPy's einsum with three factors falls back to a slow loop
    half = einsum("...iI,...IJKL->...iJKL", F, material_tangent)
    push_forward = einsum("...kK,...iJKL->...iJkL", F, half)
    return push_forward + einsum("ik,...JL->...iJkL", _identity_like(F), S)
