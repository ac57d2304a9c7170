r"""Linear layers between representations and functions on the group.

A hidden feature is a function on the group, one value for each element and channel, on which u acts by
:math:`(u f)(g) = f(u^{-1} g)`: the regular representation, which any pointwise activation leaves equivariant.

.. math::
    \text{lifting:}\quad f_c(g) = w_c \cdot D_{in}(g)^{-1} x + b_c, \qquad
    \text{convolution:}\quad f'_c(g) = \sum_{k, c'} V_{c c'}(k)\, f_{c'}(g k) + b_c, \qquad
    \text{projection:}\quad y = \frac{1}{|G|} \sum_g D_{out}(g)\, A f(g)

(Cohen & Welling 2016, *Group equivariant convolutional networks*, ICML, eqs. 10 and 11). Every equivariant linear map between these spaces
has this form.
"""

from __future__ import annotations

from typing import final

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from constitutive.equivariant.groups import FiniteGroup, Representation


@final
class Lifting(torch.nn.Module):
    """From a representation to functions on the group.

    Parameters
    ----------
    representation : Representation
        How the input transforms.
    channels : int
    bias : bool
    generator : torch.Generator, optional
        Of the initial weights.
    """

    inverse_matrices: Tensor

    def __init__(self, representation: Representation, channels: int, *, bias: bool = True, generator: torch.Generator | None = None):
        super().__init__()
        group = representation.group
        self.register_buffer("inverse_matrices", representation.tensor()[torch.from_numpy(group.inverse)])
        self.weight = torch.nn.Parameter(_normal((channels, representation.size), representation.size**-0.5, generator))
        self.bias = torch.nn.Parameter(_normal((channels,), 0.5, generator)) if bias else None

    def matrix(self) -> Float[Tensor, "g c d"]:
        """The linear map: rows w D(g)⁻¹.

        Returns
        -------
        tensor (g, c, d)
        """
        return torch.einsum("cd,gde->gce", self.weight, self.inverse_matrices)

    def forward(self, x: Float[Tensor, "n d"]) -> Float[Tensor, "n g c"]:
        """Lift inputs.

        Parameters
        ----------
        x : tensor (n, d)

        Returns
        -------
        tensor (n, g, c)
        """
        f = torch.einsum("gcd,nd->ngc", self.matrix(), x)
        return f if self.bias is None else f + self.bias


@final
class GroupConvolution(torch.nn.Module):
    """From functions on the group to functions on the group.

    Parameters
    ----------
    group : FiniteGroup
    channels_in, channels_out : int
    bias : bool
    generator : torch.Generator, optional
        Of the initial weights.
    """

    gather: Tensor

    def __init__(
        self, group: FiniteGroup, channels_in: int, channels_out: int, *, bias: bool = True, generator: torch.Generator | None = None
    ):
        super().__init__()
        self.register_buffer("gather", torch.from_numpy(np.array(group.table[group.inverse])))  # [g, h]: the number of g⁻¹ h
        self.weight = torch.nn.Parameter(_normal((group.order, channels_out, channels_in), (group.order * channels_in) ** -0.5, generator))
        self.bias = torch.nn.Parameter(_normal((channels_out,), 0.5, generator)) if bias else None

    def matrix(self) -> Float[Tensor, "g c h k"]:
        """The linear map: V(g⁻¹ h).

        Returns
        -------
        tensor (g, c_out, g, c_in)
        """
        return self.weight[self.gather].transpose(1, 2)

    def forward(self, f: Float[Tensor, "n g c"]) -> Float[Tensor, "n g k"]:
        """Convolve functions on the group.

        Parameters
        ----------
        f : tensor (n, g, c_in)

        Returns
        -------
        tensor (n, g, c_out)
        """
        M = self.matrix()
        size = M.shape[0] * M.shape[1]
        result = (f.flatten(1) @ M.reshape(size, -1).T).reshape(len(f), M.shape[0], M.shape[1])
        return result if self.bias is None else result + self.bias


@final
class Projection(torch.nn.Module):
    """From functions on the group to a representation; to invariants it is the mean over the group.

    Parameters
    ----------
    representation : Representation
        How the output transforms.
    channels : int
    generator : torch.Generator, optional
        Of the initial weights.
    """

    matrices: Tensor

    def __init__(self, representation: Representation, channels: int, *, generator: torch.Generator | None = None):
        super().__init__()
        self.register_buffer("matrices", representation.tensor())
        self.weight = torch.nn.Parameter(_normal((representation.size, channels), channels**-0.5, generator))

    def matrix(self) -> Float[Tensor, "d g c"]:
        """The linear map: D(g) A / |G|.

        Returns
        -------
        tensor (d, g, c)
        """
        return torch.einsum("gde,ec->dgc", self.matrices, self.weight) / len(self.matrices)

    def forward(self, f: Float[Tensor, "n g c"]) -> Float[Tensor, "n d"]:
        """Project functions on the group.

        Parameters
        ----------
        f : tensor (n, g, c)

        Returns
        -------
        tensor (n, d)
        """
        return torch.einsum("dgc,ngc->nd", self.matrix(), f)


def _normal(shape: tuple[int, ...], size: float, generator: torch.Generator | None) -> Tensor:
    return size * torch.randn(*shape, dtype=torch.float64, generator=generator)
