r"""A direct equivariant output: a dielectric tensor of the strain, a polarisability, any tensor that is no derivative of an energy.

.. math:: y(x) = \frac{1}{|G|} \sum_{g \in G} D_{out}(g)^T A\, \varphi(W D(g)\, x / s + b), \qquad y(D(g)\,x) = D_{out}(g)\, y(x)

A lifting convolution over the group, then equivariant pooling: :math:`D_{out}` belongs to the irreps of the output.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import final

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from constitutive.errors import MaterialError
from constitutive.laws.network import squareplus
from constitutive.tensors.bases import GroupLike, operations_of
from constitutive.tensors.variables import Variable, representation, variables_named

LEAST_RIDGE = 1e-14


@final
class EquivariantOutput(torch.nn.Module):
    """A function of several variables whose values transform as a given representation.

    Parameters
    ----------
    directions : array (h, k)
        Input weights W on the packed components over their scales.
    biases : array (h,)
        b.
    matrix : array (m, h)
        A, in the unit of the output.
    scales : array (variables,)
        s: for each variable the size that counts as one.
    variables : sequence of Variable or str
    irreps_out : str
        Of the output in e3nn's notation: "1o", "0e + 2e" (a symmetric tensor, then in Mandel components), "1o + 2o + 3o" …
    operations : PointGroup or array (g, 3, 3)
        All operations of the group.

    Raises
    ------
    MaterialError
        The shapes do not fit each other.
    """

    orbit_weights: Tensor
    orbit_biases: Tensor
    orbit_matrix: Tensor

    def __init__(
        self,
        directions: Float[np.ndarray, "h k"],
        biases: Float[np.ndarray, " h"],
        matrix: Float[np.ndarray, "m h"],
        scales: Float[np.ndarray, " v"],
        variables: Sequence[Variable | str],
        irreps_out: str,
        operations: GroupLike,
    ):
        super().__init__()
        self.variables = variables_named(variables)
        group = np.array(operations_of(operations))
        inner = representation(self.variables, group)
        outer = np.array(Variable("output", irreps_out, "1", "none", "1", 1).matrices(group))
        W, A = np.asarray(directions, dtype=np.float64), np.asarray(matrix, dtype=np.float64)
        if W.shape != (len(biases), inner.shape[1]) or A.shape != (outer.shape[1], len(biases)):
            raise MaterialError(f"directions {W.shape} and matrix {A.shape} found; {inner.shape[1]} components in, {outer.shape[1]} out")
        width = np.concatenate([np.full(v.size, s) for v, s in zip(self.variables, scales, strict=True)])
        order = len(group)
        self.register_buffer("orbit_weights", torch.from_numpy(np.einsum("hj,gjk->ghk", W, inner).reshape(-1, len(width)) / width))
        self.register_buffer("orbit_biases", torch.from_numpy(np.tile(np.asarray(biases, dtype=np.float64), order)))
        turned = np.einsum("gji,jh->igh", outer, A).reshape(outer.shape[1], -1) / order
        self.register_buffer("orbit_matrix", torch.from_numpy(turned))

    @classmethod
    def fitted(
        cls,
        x: Float[np.ndarray, "n k"],
        y: Float[np.ndarray, "n m"],
        variables: Sequence[Variable | str],
        irreps_out: str,
        operations: GroupLike,
        *,
        channels: int = 100,
        ridge: float = 1e-8,
        seed: int = 0,
    ) -> EquivariantOutput:
        """Random directions, and the matrix A that fits samples best (ridge regression).

        Parameters
        ----------
        x : array (n, k)
            Packed points.
        y : array (n, m)
            Values of the output.
        variables : sequence of Variable or str
        irreps_out : str
        operations : PointGroup or array (g, 3, 3)
        channels : int
            h.
        ridge : float
            Relative to the largest column.
        seed : int
            Of the directions.

        Returns
        -------
        EquivariantOutput
        """
        found, rng = variables_named(variables), np.random.default_rng(seed)
        edges = np.cumsum([0, *(v.size for v in found)])
        scales = np.array([np.sqrt((x[:, a:b] ** 2).sum(1).mean()) for a, b in pairwise(edges)])
        W, b = rng.normal(size=(channels, x.shape[1])), rng.normal(size=channels)
        size = y.shape[1]
        unit = np.eye(size * channels).reshape(-1, size, channels)
        points = torch.tensor(x, dtype=torch.float64)
        columns = np.stack([cls(W, b, one, scales, found, irreps_out, operations)(points).numpy().ravel() for one in unit], 1)
        U, s, Vt = np.linalg.svd(columns, full_matrices=False)
        solution = Vt.T @ (s / (s**2 + max(ridge, LEAST_RIDGE) ** 2 * s[0] ** 2) * (U.T @ y.ravel()))
        return cls(W, b, solution.reshape(size, channels), scales, found, irreps_out, operations)

    @torch.no_grad()
    def forward(self, x: Float[Tensor, "n k"]) -> Float[Tensor, "n m"]:
        """The output at packed points.

        Parameters
        ----------
        x : tensor (n, k)

        Returns
        -------
        tensor (n, m)
        """
        return squareplus(torch.addmm(self.orbit_biases, x, self.orbit_weights.T)) @ self.orbit_matrix.T

    @torch.no_grad()
    def jacobian(self, x: Float[Tensor, "n k"]) -> Float[Tensor, "n m k"]:
        """Derivative of the output by the packed components, in closed form.

        Parameters
        ----------
        x : tensor (n, k)

        Returns
        -------
        tensor (n, m, k)
        """
        rise = squareplus(torch.addmm(self.orbit_biases, x, self.orbit_weights.T), 1)
        return torch.einsum("nu,mu,uk->nmk", rise, self.orbit_matrix, self.orbit_weights)
