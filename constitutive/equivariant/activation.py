"""Activations with their first two derivatives where these are written out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from constitutive.errors import MaterialError

Function = Callable[[Tensor], Tensor]


@final
@dataclass(frozen=True)
class Activation:
    """A function of one number, applied to every channel at every element of the group.

    Attributes
    ----------
    value
        The function.
    first, second
        Its derivatives, or None: a network then differentiates automatically.
    """

    value: Function
    first: Function | None = None
    second: Function | None = None

    @property
    def has_derivatives(self) -> bool:
        """Whether both derivatives are written out."""
        return self.first is not None and self.second is not None


def _root(z: Tensor) -> Tensor:
    return torch.rsqrt(z * z + 4)


_NAMED = {
    "squareplus": Activation(lambda z: 0.5 * (z + torch.sqrt(z * z + 4)), lambda z: 0.5 * (1 + z * _root(z)), lambda z: 2 * _root(z) ** 3),
    "softplus": Activation(torch.nn.functional.softplus, torch.sigmoid, lambda z: torch.sigmoid(z) * torch.sigmoid(-z)),
    "tanh": Activation(torch.tanh, lambda z: 1 - torch.tanh(z) ** 2, lambda z: -2 * torch.tanh(z) * (1 - torch.tanh(z) ** 2)),
    "sine": Activation(torch.sin, torch.cos, lambda z: -torch.sin(z)),
    "square": Activation(lambda z: z * z, lambda z: 2 * z, lambda z: torch.full_like(z, 2.0)),
    "gelu": Activation(torch.nn.functional.gelu),
    "silu": Activation(torch.nn.functional.silu),
}


def activation(given: str | Activation | Function) -> Activation:
    """An activation by name, or a function as one without written-out derivatives.

    Parameters
    ----------
    given : str, Activation or callable
        "squareplus", "softplus", "tanh", "sine" or "square" (with derivatives), "gelu" or "silu" (without), or any function of a tensor.

    Returns
    -------
    Activation

    Raises
    ------
    MaterialError
        No activation has that name.
    """
    if isinstance(given, Activation):
        return given
    if callable(given):
        return Activation(given)
    if given not in _NAMED:
        raise MaterialError(f"activation {given!r} found; one of {', '.join(_NAMED)} or a function is needed")
    return _NAMED[given]
