r"""3×3 tensors to and from Mandel, Voigt and e3nn components, for torch tensors and NumPy arrays alike.

Inside the toolkit strains and stresses are 3×3 tensors or Mandel vectors

.. math:: \hat T = (T_{xx}, T_{yy}, T_{zz}, \sqrt2\, T_{yz}, \sqrt2\, T_{xz}, \sqrt2\, T_{xy})

whose scalar product is the double contraction of the tensors, so that rotations act by orthogonal matrices (Mandel 1965;
Cowin & Mehrabadi, Q. J. Mech. Appl. Math. 43 (1990) 15). Voigt vectors, with engineering shear in the strain only, appear at the
borders; strain and stress have separate functions there so that the factor 2 can't be confused. What goes in decides what comes
out: a torch tensor stays one, of its dtype and device, and gradients pass; nothing here imports torch.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from jaxtyping import Float

Array: TypeAlias = Any  # a torch.Tensor or a numpy.ndarray: what goes in comes out

ROOT2 = float(np.sqrt(2.0))
VOIGT_PAIRS = ((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1))  # xx yy zz yz xz xy


def _mandel_basis() -> np.ndarray:
    basis = np.zeros((6, 3, 3))
    for row, (i, j) in zip(basis, VOIGT_PAIRS, strict=True):
        row[i, j] = row[j, i] = 1.0 if i == j else 1.0 / ROOT2
    basis.setflags(write=False)
    return basis


MANDEL_BASIS = _mandel_basis()  # the six orthonormal symmetric tensors behind the components
_MANDEL_FROM_VOIGT_STRAIN = np.array([1, 1, 1, 1 / ROOT2, 1 / ROOT2, 1 / ROOT2])


def like(constant: np.ndarray, array: Array) -> Array:
    """Give a constant in the kind, dtype and device of an array.

    Parameters
    ----------
    constant : ndarray
        The numbers.
    array : ndarray or tensor
        Of NumPy or torch.

    Returns
    -------
    ndarray or tensor
        Of the kind of ``array``.
    """
    if isinstance(array, np.ndarray):
        return constant.astype(np.result_type(array.dtype, np.float32), copy=False)
    return array.new_tensor(constant)


def to_mandel(T: Float[Array, "*batch 3 3"]) -> Float[Array, "*batch 6"]:
    """Mandel components of symmetric tensors (the symmetric part is taken), xx yy zz √2·yz √2·xz √2·xy.

    Parameters
    ----------
    T : array (..., 3, 3)
        NumPy or torch.

    Returns
    -------
    array (..., 6)
        In the unit of T. The scalar product of two such vectors is the double contraction of the tensors.
    """
    columns = like(MANDEL_BASIS.reshape(6, 9).T, T)
    return T.reshape(*T.shape[:-2], 9) @ columns


def from_mandel(x: Float[Array, "*batch 6"]) -> Float[Array, "*batch 3 3"]:
    """Symmetric tensors from their Mandel components.

    Parameters
    ----------
    x : array (..., 6)
        xx yy zz √2·yz √2·xz √2·xy.

    Returns
    -------
    array (..., 3, 3)
        In the unit of x.
    """
    rows = like(MANDEL_BASIS.reshape(6, 9), x)
    return (x @ rows).reshape(*x.shape[:-1], 3, 3)


def mandel_matrix(R: Float[Array, "*batch 3 3"]) -> Float[Array, "*batch 6 6"]:
    """Matrices D(R) with ``to_mandel(R T Rᵀ) = D(R) to_mandel(T)``, orthogonal where R is.

    Parameters
    ----------
    R : array (..., 3, 3)
        Orthogonal matrices, proper or not: the sign of R cancels.

    Returns
    -------
    array (..., 6, 6)
    """
    basis = like(MANDEL_BASIS, R)
    turned = R[..., None, :, :] @ basis @ R.swapaxes(-1, -2)[..., None, :, :]  # row b: R B_b Rᵀ
    return to_mandel(turned).swapaxes(-1, -2)


def strain_to_voigt(E: Float[Array, "*batch 3 3"]) -> Float[Array, "*batch 6"]:
    """Voigt strain (xx, yy, zz, 2yz, 2xz, 2xy): engineering shear.

    Parameters
    ----------
    E : array (..., 3, 3)
        Strain tensors (the symmetric part is taken).

    Returns
    -------
    array (..., 6)
        Dimensionless.
    """
    return to_mandel(E) / like(_MANDEL_FROM_VOIGT_STRAIN, E)


def strain_from_voigt(e: Float[Array, "*batch 6"]) -> Float[Array, "*batch 3 3"]:
    """Strain tensors from Voigt components with engineering shear.

    Parameters
    ----------
    e : array (..., 6)
        xx yy zz 2·yz 2·xz 2·xy.

    Returns
    -------
    array (..., 3, 3)
        Dimensionless.
    """
    return from_mandel(e * like(_MANDEL_FROM_VOIGT_STRAIN, e))


def stress_to_voigt(S: Float[Array, "*batch 3 3"]) -> Float[Array, "*batch 6"]:
    """Voigt stress (xx, yy, zz, yz, xz, xy), without a factor in the shear.

    Parameters
    ----------
    S : array (..., 3, 3)
        Stress tensors (the symmetric part is taken).

    Returns
    -------
    array (..., 6)
        In the unit of S.
    """
    return to_mandel(S) * like(_MANDEL_FROM_VOIGT_STRAIN, S)


def stress_from_voigt(s: Float[Array, "*batch 6"]) -> Float[Array, "*batch 3 3"]:
    """Stress tensors from Voigt components.

    Parameters
    ----------
    s : array (..., 6)
        xx yy zz yz xz xy.

    Returns
    -------
    array (..., 3, 3)
        In the unit of s.
    """
    return from_mandel(s / like(_MANDEL_FROM_VOIGT_STRAIN, s))


def stiffness_mandel_to_voigt(C: Float[Array, "*batch 6 6"]) -> Float[Array, "*batch 6 6"]:
    """Voigt stiffness (S = C e with engineering shear) from the Mandel matrix.

    Parameters
    ----------
    C : array (..., 6, 6)
        On Mandel components.

    Returns
    -------
    array (..., 6, 6)
        In the unit of C.
    """
    scale = like(_MANDEL_FROM_VOIGT_STRAIN, C)
    return scale[:, None] * C * scale


def stiffness_voigt_to_mandel(C: Float[Array, "*batch 6 6"]) -> Float[Array, "*batch 6 6"]:
    """Mandel matrix of a Voigt stiffness.

    Parameters
    ----------
    C : array (..., 6, 6)
        Maps engineering strains to stresses, order xx yy zz yz xz xy.

    Returns
    -------
    array (..., 6, 6)
        In the unit of C; its eigenvalues are those of the tensor.
    """
    scale = like(_MANDEL_FROM_VOIGT_STRAIN, C)
    return C / scale[:, None] / scale


def tangent_to_mandel(C: Float[Array, "*batch 3 3 3 3"]) -> Float[Array, "*batch 6 6"]:
    """Mandel matrix of a fourth-rank tensor with both minor symmetries (their symmetric part is taken).

    Parameters
    ----------
    C : array (..., 3, 3, 3, 3)
        Stiffness, dS/dE for instance.

    Returns
    -------
    array (..., 6, 6)
        In the unit of C.
    """
    columns = like(MANDEL_BASIS.reshape(6, 9).T, C)
    return columns.swapaxes(0, 1) @ C.reshape(*C.shape[:-4], 9, 9) @ columns


def tangent_from_mandel(D: Float[Array, "*batch 6 6"]) -> Float[Array, "*batch 3 3 3 3"]:
    """Fourth-rank tensor from its Mandel matrix.

    Parameters
    ----------
    D : array (..., 6, 6)
        On Mandel components.

    Returns
    -------
    array (..., 3, 3, 3, 3)
        With both minor symmetries, in the unit of D.
    """
    rows = like(MANDEL_BASIS.reshape(6, 9), D)
    return (rows.swapaxes(0, 1) @ D @ rows).reshape(*D.shape[:-2], 3, 3, 3, 3)


def mandel_to_irreps() -> Float[np.ndarray, "6 6"]:
    """Orthogonal matrix Q that turns Mandel components into e3nn's ``"0e + 2e"``: ``irreps = Q @ mandel``.

    e3nn orders the components of l = 2 as xz, xy, 2yy − xx − zz, yz, zz − xx (its polar axis is y).

    Returns
    -------
    array (6, 6)
    """
    Q = np.zeros((6, 6))
    Q[0, :3] = 1 / np.sqrt(3.0)
    Q[1, 4] = Q[2, 5] = Q[4, 3] = 1.0
    Q[3, :3] = np.array([-1.0, 2.0, -1.0]) / np.sqrt(6.0)
    Q[5, :3] = np.array([-1.0, 0.0, 1.0]) / ROOT2
    return Q
