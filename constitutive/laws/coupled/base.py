r"""The base class of laws of several variables.

A law is one scalar :math:`\Omega(x)` per reference volume (GPa) of the packed components x of its variables, with its gradient and
Hessian written out in closed form. The strain is packed in Mandel components and every representation is orthogonal, so that the
gradient transforms as x does. All Maxwell relations hold because the Hessian is that of one scalar.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import ClassVar, final

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from constitutive.errors import MaterialError
from constitutive.laws.base import POINTS_AT_ONCE, numbers, under
from constitutive.plain import JsonObject
from constitutive.tensors.bases import GroupLike, operations_of
from constitutive.tensors.variables import Variable, representation, variables_named

_KINDS: dict[str, type[CoupledLaw]] = {}


class CoupledLaw(torch.nn.Module, ABC):
    """An energy of several variables with closed-form gradient and Hessian, exact under all operations of a point group.

    Parameters
    ----------
    variables : sequence of Variable or str
        In the order in which their components are packed.
    operations : PointGroup or array (g, 3, 3)
        All operations of the group, improper ones included, in the frame of the law.
    """

    kind: ClassVar[str] = ""
    operations: Tensor
    matrices: Tensor

    def __init__(self, variables: Sequence[Variable | str], operations: GroupLike):
        super().__init__()
        self.variables = variables_named(variables)
        group = np.array(operations_of(operations))
        self.register_buffer("operations", torch.from_numpy(group))
        self.register_buffer("matrices", torch.from_numpy(representation(self.variables, group)))

    def __init_subclass__(cls, **kwargs: object):
        super().__init_subclass__(**kwargs)
        if cls.kind:
            _KINDS[cls.kind] = cls

    # -- what a law writes out -------------------------------------------------------------------------------------

    @abstractmethod
    def energy_packed(self, x: Float[Tensor, "n k"]) -> Float[Tensor, " n"]:
        """Energy per reference volume (GPa).

        Parameters
        ----------
        x : tensor (n, k)
            Packed components of the variables.

        Returns
        -------
        tensor (n,)
            0 at x = 0.
        """

    @abstractmethod
    def gradient_packed(self, x: Float[Tensor, "n k"]) -> Float[Tensor, "n k"]:
        """Gradient of the energy.

        Parameters
        ----------
        x : tensor (n, k)
            Packed components of the variables.

        Returns
        -------
        tensor (n, k)
            GPa over the unit of each component.
        """

    @abstractmethod
    def hessian_packed(self, x: Float[Tensor, "n k"]) -> Float[Tensor, "n k k"]:
        """Second derivatives of the energy.

        Parameters
        ----------
        x : tensor (n, k)
            Packed components of the variables.

        Returns
        -------
        tensor (n, k, k)
            Symmetric; GPa over the units of both components.
        """

    @abstractmethod
    def derivative(self, x: Float[Tensor, " k"], order: int) -> Tensor:
        """Derivative of the energy of order 1 to 4 at one point, as an array with ``order`` axes of length k.

        Parameters
        ----------
        x : tensor (k,)
            Packed components of the variables.
        order : int
            1 to 4.

        Returns
        -------
        tensor (k,) * order
            Symmetric in its axes.
        """

    @abstractmethod
    def state(self) -> tuple[JsonObject, dict[str, np.ndarray]]:
        """Settings (plain YAML types) and named arrays that rebuild the law under ``from_state``.

        Returns
        -------
        settings : dict
            With the ``kind`` of the law and the names of its variables.
        arrays : dict of array
            By name, float64.
        """

    @classmethod
    @abstractmethod
    def from_state(cls, settings: JsonObject, arrays: dict[str, np.ndarray], operations: np.ndarray) -> CoupledLaw:
        """Rebuild a law from what ``state`` returned.

        Parameters
        ----------
        settings : dict
        arrays : dict of array
            As ``state`` returned them.
        operations : array (g, 3, 3)
            Of the group.

        Returns
        -------
        CoupledLaw

        Raises
        ------
        KeyError, ValueError, MaterialError
            A setting or an array is missing or misshapen.
        """

    def orbit_units(self) -> int:
        """Hidden units that one evaluation costs: |G|·H for a network, 0 for a polynomial.

        Returns
        -------
        int
        """
        return 0

    # -- what a user calls -----------------------------------------------------------------------------------------

    @property
    def size(self) -> int:
        """Number k of packed components."""
        return int(self.matrices.shape[1])

    def place(self, name: str) -> slice:
        """Where the components of a variable stand in a packed point.

        Parameters
        ----------
        name : str
            Of one of the law's variables.

        Returns
        -------
        slice

        Raises
        ------
        MaterialError
            The law has no variable of that name.
        """
        start = 0
        for variable in self.variables:
            if variable.name == name:
                return slice(start, start + variable.size)
            start += variable.size
        raise MaterialError(f"the law is a function of {', '.join(v.name for v in self.variables)}; it has no variable {name!r}")

    @final
    @torch.no_grad()
    def energy(self, x: Float[Tensor, "n k"]) -> Float[Tensor, " n"]:
        """Energy per reference volume (GPa) at packed points.

        Parameters
        ----------
        x : tensor (n, k)
            The components of the variables one after the other; a strain in Mandel components.

        Returns
        -------
        tensor (n,)
        """
        return self._in_chunks(self.energy_packed, x)

    @final
    @torch.no_grad()
    def gradient(self, x: Float[Tensor, "n k"]) -> Float[Tensor, "n k"]:
        """Gradient of the energy at packed points: for a strain S (GPa, Mandel), for a field −P₀ (C/m²), for a temperature −η (GPa/K).

        Parameters
        ----------
        x : tensor (n, k)
            The components of the variables one after the other; a strain in Mandel components.

        Returns
        -------
        tensor (n, k)
        """
        return self._in_chunks(self.gradient_packed, x)

    @final
    @torch.no_grad()
    def hessian(self, x: Float[Tensor, "n k"]) -> Float[Tensor, "n k k"]:
        """Second derivatives of the energy at packed points.

        Parameters
        ----------
        x : tensor (n, k)
            The components of the variables one after the other; a strain in Mandel components.

        Returns
        -------
        tensor (n, k, k)
            Symmetric.
        """
        return self._in_chunks(self.hessian_packed, x)

    @final
    def conjugates(self, x: Float[Tensor, "n k"]) -> dict[str, Float[Tensor, "n _"]]:
        """The physical quantities behind the gradient: stress, polarisation, entropy and so on, with their signs.

        Parameters
        ----------
        x : tensor (n, k)
            Packed points.

        Returns
        -------
        dict of tensor (n, components)
            By the names of the conjugates; a stress in Mandel components.
        """
        gradient = self.gradient(x)
        return {v.conjugate: v.sign * gradient[:, self.place(v.name)] for v in self.variables}

    @final
    def rotated(self, rotation: Float[np.ndarray, "3 3"]) -> RotatedCoupledLaw:
        """The law of the rotated crystal.

        Parameters
        ----------
        rotation : array (3, 3)
            Crystal → lab, proper or improper: a mirror makes the crystal of the other hand.

        Returns
        -------
        RotatedCoupledLaw
            Of variables in lab axes.
        """
        return RotatedCoupledLaw(self, rotation)

    @final
    def symmetry_residual(self, operations: GroupLike | None = None, seed: int = 0, size: float | Sequence[float] = 0.05) -> float:
        """Largest |∇Ω(D x) − D ∇Ω(x)| over 16 random points and all operations, for each variable relative to its largest gradient.

        Parameters
        ----------
        operations : PointGroup or array (g, 3, 3), optional
            The group to test; the law's own when not given.
        seed : int
            Of the random points.
        size : float or sequence of float
            Largest component of the random points, of each variable.

        Returns
        -------
        float
            Rounding error for a law that is exact under the group.
        """
        D = self.matrices if operations is None else torch.from_numpy(representation(self.variables, operations))
        width = np.concatenate([np.full(v.size, s) for v, s in zip(self.variables, self._one_each(size), strict=True)])
        x = torch.from_numpy(np.random.default_rng(seed).uniform(-1, 1, (16, self.size)) * width)
        direct = torch.einsum("gij,nj->gni", D, self.gradient(x))
        found = self.gradient(torch.einsum("gij,nj->gni", D, x).reshape(-1, self.size)).reshape(direct.shape)
        places = [self.place(v.name) for v in self.variables]
        return max(float((found - direct)[..., p].abs().max() / direct[..., p].abs().max().clamp_min(1e-300)) for p in places)

    def _one_each(self, size: float | Sequence[float]) -> list[float]:
        return [float(size)] * len(self.variables) if isinstance(size, int | float) else [float(s) for s in size]

    def _settings(self) -> JsonObject:
        return {"kind": self.kind, "variables": [v.as_plain() for v in self.variables]}

    @staticmethod
    def _in_chunks(function: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
        x = x.to(torch.float64)
        return torch.cat([function(part) for part in torch.split(x, POINTS_AT_ONCE)]) if len(x) > POINTS_AT_ONCE else function(x)


def coupled_law_from_state(settings: JsonObject, arrays: dict[str, np.ndarray], operations: np.ndarray) -> CoupledLaw:
    """Rebuild a law of any kind from its ``state``.

    Parameters
    ----------
    settings : dict
        With ``kind``.
    arrays : dict of array
        By name.
    operations : array (g, 3, 3)
        All operations of the group.

    Returns
    -------
    CoupledLaw

    Raises
    ------
    MaterialError
        The settings name no law of this toolkit, or lack what that law needs.
    """
    kind = settings.get("kind")
    if kind not in _KINDS:
        raise MaterialError(f"the material holds a coupled law of kind {kind!r}; this version has {', '.join(sorted(_KINDS))}")
    try:
        return _KINDS[kind].from_state(settings, arrays, operations)
    except (KeyError, ValueError, TypeError, IndexError, RuntimeError) as error:
        raise MaterialError(f"the parameters of the coupled {kind!r} law are incomplete or misshapen: {error}") from error


@final
class RotatedCoupledLaw(CoupledLaw):
    r"""Law of a crystal turned by R (crystal → lab): :math:`\Omega_{lab}(x) = \Omega(D(R)^T x)`.

    Parameters
    ----------
    law : CoupledLaw
        In crystal axes.
    rotation : array (3, 3)
        Orthogonal, proper or improper.

    Raises
    ------
    MaterialError
        The matrix is not orthogonal to 1e-10.
    """

    kind = "rotated"

    def __init__(self, law: CoupledLaw, rotation: Float[np.ndarray, "3 3"]):
        R = np.array(rotation, dtype=np.float64)
        error = float(np.abs(R @ R.T - np.eye(3)).max())
        if not error <= 1e-10:
            raise MaterialError(f"the orientation is not orthogonal: R Rᵀ differs from I by {error:.1e}; normalise its axes")
        super().__init__(law.variables, R @ law.operations.numpy() @ R.T)
        self.law = law
        self.register_buffer("rotation", torch.from_numpy(R))
        self.register_buffer("matrix", torch.from_numpy(representation(law.variables, R[None])[0]))

    def energy_packed(self, x: Float[Tensor, "n k"]) -> Float[Tensor, " n"]:
        """Energy (GPa)."""
        return self.law.energy_packed(x @ self.matrix)

    def gradient_packed(self, x: Float[Tensor, "n k"]) -> Float[Tensor, "n k"]:
        """Gradient."""
        return self.law.gradient_packed(x @ self.matrix) @ self.matrix.T

    def hessian_packed(self, x: Float[Tensor, "n k"]) -> Float[Tensor, "n k k"]:
        """Second derivatives."""
        return self.matrix @ self.law.hessian_packed(x @ self.matrix) @ self.matrix.T

    def derivative(self, x: Float[Tensor, " k"], order: int) -> Tensor:
        """Derivative of order 1 to 4 at one point."""
        result = self.law.derivative(x @ self.matrix, order)
        for _ in range(order):  # each turn of the loop rotates the first axis and moves it to the back
            result = torch.tensordot(result, self.matrix, dims=([0], [1]))
        return result

    def orbit_units(self) -> int:
        """Hidden units of the law that is turned."""
        return self.law.orbit_units()

    def state(self) -> tuple[JsonObject, dict[str, np.ndarray]]:
        """Settings and arrays for the material file."""
        settings, arrays = self.law.state()
        named = {f"law.{name}": array for name, array in arrays.items()}
        return {"kind": self.kind, "law": settings}, {**named, "rotation": numbers(self.rotation)}

    @classmethod
    def from_state(cls, settings: JsonObject, arrays: dict[str, np.ndarray], operations: np.ndarray) -> RotatedCoupledLaw:
        """Rebuild from ``state``; ``operations`` are those of the turned crystal."""
        R = arrays["rotation"].reshape(3, 3)
        return cls(coupled_law_from_state(settings["law"], under(arrays, "law."), R.T @ operations @ R), R)
