"""A network between two representations of a finite group."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple, TypeAlias, final

import numpy as np
import torch
from e3nn import o3
from jaxtyping import Float
from torch import Tensor

from constitutive.equivariant.activation import Activation, Function, activation
from constitutive.equivariant.groups import FiniteGroup, Representation
from constitutive.equivariant.layers import GroupConvolution, Lifting, Projection
from constitutive.errors import MaterialError
from constitutive.tensors.bases import GroupLike

Transforms: TypeAlias = "str | o3.Irreps | Representation | np.ndarray"


class Derivatives(NamedTuple):
    """A value with its first and second derivatives."""

    value: Float[Tensor, "n o"]
    first: Float[Tensor, "n o d"]
    second: Float[Tensor, "n o d d"]


@final
class EquivariantNetwork(torch.nn.Module):
    """A lifting, group convolutions with an activation between them, and a projection: y(D_in(g) x) = D_out(g) y(x), exactly.

    With one hidden layer and invariant output it is a universal approximator of continuous invariant functions of x (Yarotsky 2022,
    *Constr. Approx.* 55, 407), and the strain energy of :class:`~constitutive.laws.NetworkLaw` is such a network.

    Parameters
    ----------
    irreps_in : e3nn Irreps, str, Representation or array (g, d, d)
        How the input transforms.
    irreps_out : e3nn Irreps, str, Representation or array (g, d, d)
        How the output transforms; ``"3x0e"`` are three invariants.
    group : PointGroup, array (n, 3, 3), or FiniteGroup
        Under which the network is equivariant.
    channels : sequence of int
        Of each hidden layer.
    activation : str, Activation or callable
        Between the layers; see :func:`~constitutive.equivariant.activation`.
    seed : int
        Of the initial weights.

    Examples
    --------
    >>> import torch
    >>> from constitutive.symmetry import PointGroup
    >>> network = EquivariantNetwork("1o", "0e + 1o", PointGroup.from_symbol("-43m"), channels=(8, 8))
    >>> network(torch.ones(5, 3, dtype=torch.float64)).shape
    torch.Size([5, 4])
    """

    def __init__(
        self,
        irreps_in: Transforms,
        irreps_out: Transforms,
        group: GroupLike | FiniteGroup,
        *,
        channels: Sequence[int] = (16,),
        activation: str | Activation | Function = "squareplus",
        seed: int = 0,
    ):
        super().__init__()
        if not channels or min(channels) < 1:
            raise MaterialError(f"channels {tuple(channels)} found; at least one hidden layer of at least one channel is needed")
        self.group = group if isinstance(group, FiniteGroup) else FiniteGroup.from_point_group(group)
        self.input, self.output = (self.group.representation(given) for given in (irreps_in, irreps_out))
        self.activation = _activation(activation)
        random = torch.Generator().manual_seed(seed)
        self.lifting = Lifting(self.input, channels[0], generator=random)
        self.convolutions = torch.nn.ModuleList(GroupConvolution(self.group, a, b, generator=random) for a, b in pairwise(channels))
        self.projection = Projection(self.output, channels[-1], generator=random)

    def forward(self, x: Float[Tensor, "n d"]) -> Float[Tensor, "n o"]:
        """Evaluate the network.

        Parameters
        ----------
        x : tensor (n, d)
            float64 (the network's own type).

        Returns
        -------
        tensor (n, o)
        """
        f = self.activation.value(self.lifting(x))
        for convolution in self.convolutions:
            f = self.activation.value(convolution(f))
        return self.projection(f)

    def derivatives(self, x: Float[Tensor, "n d"]) -> Derivatives:
        """Value, first and second derivatives by the input.

        They are carried through the layers in closed form where the activation has its derivatives written out, and found by automatic
        differentiation otherwise.

        Parameters
        ----------
        x : tensor (n, d)

        Returns
        -------
        Derivatives
            ``value`` (n, o), ``first`` (n, o, d), ``second`` (n, o, d, d).
        """
        act = self.activation
        if act.first is None or act.second is None:
            return self._by_autograd(x)
        n, d = x.shape
        z = self.lifting(x).flatten(1)
        dz = self.lifting.matrix().reshape(1, -1, d).expand(n, -1, d)
        f, df, ddf = act.value(z), act.first(z)[..., None] * dz, act.second(z)[..., None, None] * dz[..., None] * dz[..., None, :]
        for convolution in self.convolutions:
            M = convolution.matrix()
            M = M.reshape(M.shape[0] * M.shape[1], -1)
            z = f @ M.T
            if convolution.bias is not None:
                z = z + convolution.bias.repeat(self.group.order)
            dz, ddz = torch.einsum("uv,nvi->nui", M, df), torch.einsum("uv,nvij->nuij", M, ddf)
            slope, bend = act.first(z), act.second(z)
            ddf = bend[..., None, None] * dz[..., None] * dz[..., None, :] + slope[..., None, None] * ddz
            f, df = act.value(z), slope[..., None] * dz
        A = self.projection.matrix().flatten(1)
        return Derivatives(f @ A.T, torch.einsum("ou,nui->noi", A, df), torch.einsum("ou,nuij->noij", A, ddf))

    def _by_autograd(self, x: Tensor) -> Derivatives:
        """Point by point: reverse over reverse."""
        first, second = [], []
        for point in x:
            first.append(torch.autograd.functional.jacobian(self._one, point))
            rows = [torch.autograd.functional.hessian(lambda p, k=k: self._one(p)[k], point) for k in range(self.output.size)]
            second.append(torch.stack(rows))
        empty = x.new_zeros(0, self.output.size, x.shape[1])
        J = torch.stack(first) if first else empty
        return Derivatives(self(x), J, torch.stack(second) if second else empty[..., None].expand(-1, -1, -1, x.shape[1]))

    def _one(self, point: Tensor) -> Tensor:
        return self(point[None])[0]

    def equivariance_error(self, x: Float[Tensor, "n d"]) -> float:
        """Largest |y(D_in(g) x) − D_out(g) y(x)| over all elements, relative to the largest |y|.

        Parameters
        ----------
        x : tensor (n, d)

        Returns
        -------
        float
            A few rounding errors.
        """
        with torch.no_grad():
            turned = torch.einsum("gij,nj->gni", self.input.tensor(), x)
            found = self(turned.reshape(-1, x.shape[1])).reshape(*turned.shape[:2], -1)
            direct = torch.einsum("gij,nj->gni", self.output.tensor(), self(x))
            return float((found - direct).abs().max() / direct.abs().max().clamp_min(1e-300))


_activation = activation  # the name of an argument above
