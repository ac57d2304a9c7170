r"""Linear maps between e3nn irreps that commute with a point group.

.. math:: A\, D_\mathrm{in}(g) = D_\mathrm{out}(g)\, A \quad \text{for all } g

span the weights of an equivariant layer (finite groups allow more of them than O(3) does). The matrices D(g) are found from
spherical harmonics at fixed points, to 1e-14 also where Euler angles lose half of the digits.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import torch
from e3nn import o3
from jaxtyping import Float
from torch import Tensor

from constitutive.tensors.bases import GroupLike, operations_of, sparse_rotation


@cache
def _points() -> Tensor:
    generator = torch.Generator().manual_seed(0)
    points = torch.randn(200, 3, generator=generator, dtype=torch.float64)
    return points / points.norm(dim=1, keepdim=True)


def irreps_matrices(group: GroupLike, irreps: str | o3.Irreps) -> Float[Tensor, "n dim dim"]:
    """Matrices D(g) of a group's operations on e3nn irreps, float64, orthogonal; improper operations take the parity into account.

    Parameters
    ----------
    group : PointGroup, or array (n, 3, 3)
    irreps : e3nn Irreps or str
        For instance ``"0e + 2e"`` for a strain, ``"1o"`` for an electric field.

    Returns
    -------
    tensor (n, dim, dim)
    """
    operations = torch.from_numpy(operations_of(group).copy())
    determinant = torch.sign(torch.linalg.det(operations))
    rotations = operations * determinant[:, None, None]
    blocks = []
    for multiplicity, irrep in o3.Irreps(irreps):
        factor = determinant if irrep.p == -1 else torch.ones_like(determinant)
        matrix = _wigner(irrep.l, rotations) * factor[:, None, None]
        blocks += [matrix] * multiplicity
    return torch.stack([torch.block_diag(*(block[k] for block in blocks)) for k in range(len(operations))])


def _wigner(degree: int, rotations: Tensor) -> Tensor:
    points = _points()
    here = o3.spherical_harmonics(degree, points, normalize=False)
    turned = o3.spherical_harmonics(degree, points @ rotations.swapaxes(1, 2), normalize=False)
    inverse = torch.linalg.pinv(here)
    return (inverse @ turned).swapaxes(1, 2)


def equivariant_basis(group: GroupLike, irreps_in: str | o3.Irreps, irreps_out: str | o3.Irreps) -> Float[Tensor, "n dim_out dim_in"]:
    """Orthonormal basis of the linear maps that commute with a point group.

    Parameters
    ----------
    group : PointGroup, or array (n, 3, 3)
    irreps_in, irreps_out : e3nn Irreps or str

    Returns
    -------
    Tensor (n, dim_out, dim_in), float64
        Each A obeys ``A @ D_in(g) = D_out(g) @ A`` to 1e-12; e3nn's own linear layer has one for each pair of equal irreps only.

    Examples
    --------
    >>> from constitutive.symmetry import PointGroup
    >>> equivariant_basis(PointGroup.from_symbol("-43m"), "1o", "0e + 2e").shape  # strain of a field: one constant
    torch.Size([1, 6, 3])
    """
    D_in, D_out = irreps_matrices(group, irreps_in).numpy(), irreps_matrices(group, irreps_out).numpy()
    size = D_out.shape[1] * D_in.shape[1]
    characters = np.trace(D_in, axis1=1, axis2=2) * np.trace(D_out, axis1=1, axis2=2)
    count = round(float(characters.mean()))
    if not count:
        return torch.zeros(0, D_out.shape[1], D_in.shape[1], dtype=torch.float64)
    trial = np.random.default_rng(0).normal(size=(min(count + 12, size), D_out.shape[1], D_in.shape[1]))
    for _ in range(2):
        trial = _commuting(trial, D_in, D_out)
        span = np.linalg.svd(trial.reshape(len(trial), -1), full_matrices=False)[2][:count]
        trial = span.reshape(count, D_out.shape[1], D_in.shape[1])
    return torch.from_numpy(sparse_rotation(span).reshape(trial.shape))


def _commuting(maps: np.ndarray, D_in: np.ndarray, D_out: np.ndarray) -> np.ndarray:
    total = np.zeros_like(maps)
    for a, b in zip(D_in, D_out, strict=True):
        total += b.T @ maps @ a
    return total / len(D_in)
