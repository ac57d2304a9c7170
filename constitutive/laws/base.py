r"""The base class of all laws.

A law is a strain-energy density :math:`\psi(E)` per reference volume of the Green–Lagrange strain. Its stress
:math:`S = \partial\psi/\partial E` (second Piola–Kirchhoff) and tangent :math:`\partial S/\partial E` are written out in closed
form in Mandel components, where the double contraction of tensors is the scalar product of vectors, so that one function
is the gradient of the other with no factor in between.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar, final

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from constitutive.errors import MaterialError
from constitutive.kinematics import first_elasticity, first_from_second_piola, green_lagrange_strain
from constitutive.plain import JsonObject
from constitutive.tensors.packing import from_mandel, mandel_matrix, tangent_from_mandel, to_mandel

POINTS_AT_ONCE = 1024  # memory stays flat, and temporaries small enough to be used again (5 times as fast as 8192)

_KINDS: dict[str, type[Law]] = {}


class Law(torch.nn.Module, ABC):
    """A strain-energy density with closed-form stress and tangent, in GPa; theory, eq. (7).

    Parameters
    ----------
    rotations
        The proper rotations under which the law is exact: crystal frame, Cartesian, the whole group.
    """

    kind: ClassVar[str] = ""
    rotations: Tensor

    def __init__(self, rotations: Float[np.ndarray, "g 3 3"]):
        super().__init__()
        self.register_buffer("rotations", torch.as_tensor(np.array(rotations, dtype=np.float64)))

    def __init_subclass__(cls, **kwargs: object):
        super().__init_subclass__(**kwargs)
        if cls.kind:
            _KINDS[cls.kind] = cls

    # -- what a law writes out, in Mandel components ------------------------------------------------------------

    @abstractmethod
    def energy_mandel(self, x: Float[Tensor, "n 6"]) -> Float[Tensor, " n"]:
        """Strain-energy density (GPa) at strains in Mandel components.

        Parameters
        ----------
        x : tensor (n, 6)
            Green–Lagrange strains in the law's frame, xx yy zz √2·yz √2·xz √2·xy.

        Returns
        -------
        tensor (n,)
            GPa, per reference volume; 0 at zero strain.
        """

    @abstractmethod
    def stress_mandel(self, x: Float[Tensor, "n 6"]) -> Float[Tensor, "n 6"]:
        """Second Piola–Kirchhoff stress (GPa) in Mandel components: the gradient of the energy.

        Parameters
        ----------
        x : tensor (n, 6)
            Green–Lagrange strains in the law's frame, xx yy zz √2·yz √2·xz √2·xy.

        Returns
        -------
        tensor (n, 6)
            GPa, in the same order with the same factors.
        """

    @abstractmethod
    def tangent_mandel(self, x: Float[Tensor, "n 6"]) -> Float[Tensor, "n 6 6"]:
        """Material tangent dS/dE (GPa) in Mandel components: the Hessian of the energy.

        Parameters
        ----------
        x : tensor (n, 6)
            Green–Lagrange strains in the law's frame, xx yy zz √2·yz √2·xz √2·xy.

        Returns
        -------
        tensor (n, 6, 6)
            GPa; symmetric.
        """

    @abstractmethod
    def derivative_mandel(self, x: Float[Tensor, " 6"], order: int) -> Tensor:
        """Derivative of the energy of order 1 to 4 at one strain, as an array with ``order`` axes of length 6 (GPa).

        Parameters
        ----------
        x : tensor (6,)
            Green–Lagrange strain in Mandel components.
        order : int
            1 the stress, 2 the tangent, 3 and 4 the constants of third and fourth order.

        Returns
        -------
        tensor (6,) * order
            GPa; symmetric in its axes.
        """

    @abstractmethod
    def state(self) -> tuple[JsonObject, dict[str, np.ndarray]]:
        """Settings (plain YAML types) and named arrays that rebuild the law under ``from_state``.

        Returns
        -------
        settings : dict
            With the ``kind`` of the law.
        arrays : dict of array
            By name, float64.
        """

    @classmethod
    @abstractmethod
    def from_state(cls, settings: JsonObject, arrays: dict[str, np.ndarray], rotations: np.ndarray) -> Law:
        """Rebuild a law from what ``state`` returned.

        Parameters
        ----------
        settings : dict
        arrays : dict of array
            As ``state`` returned them.
        rotations : array (g, 3, 3)
            Proper rotations of the group.

        Returns
        -------
        Law

        Raises
        ------
        KeyError, ValueError, MaterialError
            A setting or an array is missing or misshapen.
        """

    # -- what a user calls --------------------------------------------------------------------------------------

    @final
    @torch.no_grad()
    def energy(self, E: Float[Tensor, "*batch 3 3"]) -> Float[Tensor, "*batch"]:
        """Strain-energy density (GPa, per reference volume) of Green–Lagrange strains; theory, eq. (5).

        Parameters
        ----------
        E : tensor (..., 3, 3)
            Symmetric, in the law's frame.

        Returns
        -------
        tensor (...)
            GPa.
        """
        return self._in_chunks(self.energy_mandel, E).reshape(E.shape[:-2])

    @final
    @torch.no_grad()
    def stress(self, E: Float[Tensor, "*batch 3 3"]) -> Float[Tensor, "*batch 3 3"]:
        """Second Piola–Kirchhoff stress S = ∂ψ/∂E (GPa) of Green–Lagrange strains; theory, eq. (4).

        Parameters
        ----------
        E : tensor (..., 3, 3)
            Symmetric, in the law's frame.

        Returns
        -------
        tensor (..., 3, 3)
            GPa, in the law's frame.
        """
        return from_mandel(self._in_chunks(self.stress_mandel, E)).reshape(E.shape)

    @final
    @torch.no_grad()
    def tangent(self, E: Float[Tensor, "*batch 3 3"]) -> Float[Tensor, "*batch 3 3 3 3"]:
        """Material tangent dS/dE (GPa) of Green–Lagrange strains, with major and minor symmetry; theory, eq. (4).

        Parameters
        ----------
        E : tensor (..., 3, 3)
            Symmetric, in the law's frame.

        Returns
        -------
        tensor (..., 3, 3, 3, 3)
            GPa.
        """
        return tangent_from_mandel(self._in_chunks(self.tangent_mandel, E)).reshape(*E.shape, 3, 3)

    @final
    def first_piola_kirchhoff(self, deformation_gradient: Float[np.ndarray, "*batch 3 3"]) -> Float[np.ndarray, "*batch 3 3"]:
        """First Piola–Kirchhoff stress P = F S (GPa) at deformation gradients; theory, eq. (2).

        Parameters
        ----------
        deformation_gradient : array (..., 3, 3)
            F, with det F > 0, in the law's frame.

        Returns
        -------
        array (..., 3, 3)
            GPa, indexed ``[i, J]``.

        Examples
        --------
        >>> import numpy as np
        >>> from constitutive.laws import LinearLaw
        >>> law = LinearLaw(100 * np.eye(6), np.eye(3)[None])  # S = 100 GPa E
        >>> law.first_piola_kirchhoff(np.diag([1.1, 1, 1]))[0, 0].round(3)  # 1.1 × 100 × (1.1² − 1)/2
        np.float64(11.55)
        """
        F = np.asarray(deformation_gradient, dtype=np.float64)
        return first_from_second_piola(F, self.stress(torch.from_numpy(green_lagrange_strain(F))).numpy())

    @final
    def forward(
        self, deformation_gradient: Float[np.ndarray, "*batch 3 3"]
    ) -> tuple[Float[np.ndarray, "*batch 3 3"], Float[np.ndarray, "*batch 3 3 3 3"]]:
        """Called by ``law(F)``: first Piola–Kirchhoff stress P and first elasticity dP/dF (GPa), from NumPy to NumPy; theory, eq. (3).

        Parameters
        ----------
        deformation_gradient : array (..., 3, 3)
            F, with det F > 0, in the law's frame.

        Returns
        -------
        P : array (..., 3, 3)
            GPa, indexed ``[i, J]``.
        dPdF : array (..., 3, 3, 3, 3)
            GPa, indexed ``[i, J, k, L]``.
        """
        F = np.asarray(deformation_gradient, dtype=np.float64)
        E = torch.from_numpy(green_lagrange_strain(F))
        S, dSdE = self.stress(E).numpy(), self.tangent(E).numpy()
        return first_from_second_piola(F, S), first_elasticity(F, S, dSdE)

    @final
    def rotated(self, rotation: Float[np.ndarray, "3 3"]) -> Law:
        """The law of the rotated crystal.

        Parameters
        ----------
        rotation : array (3, 3)
            Crystal → lab: ``v_lab = rotation @ v_crystal``.

        Returns
        -------
        Law
            Of strains and stresses in lab axes.
        """
        return RotatedLaw(self, rotation)

    @final
    def symmetry_residual(self, rotations: np.ndarray | None = None, seed: int = 0, size: float = 0.05) -> float:
        """Largest |S(RERᵀ) − R S(E) Rᵀ| over 16 random strains and all rotations, relative to the largest stress; theory, eq. (6).

        Parameters
        ----------
        rotations : array (g, 3, 3), optional
            The group to test; the law's own when not given.
        seed : int
            Of the random strains.
        size : float
            Largest component of the random strains.

        Returns
        -------
        float
            Rounding error (about 1e-14) for a law that is exact under the group.
        """
        group = self.rotations.numpy() if rotations is None else np.asarray(rotations)
        x = torch.from_numpy(np.random.default_rng(seed).uniform(-size, size, (16, 6)))
        D = torch.as_tensor(mandel_matrix(group))
        turned = torch.einsum("gij,nj->gni", D, x)
        direct = torch.einsum("gij,nj->gni", D, self.stress_mandel(x))
        found = self.stress_mandel(turned.reshape(-1, 6)).reshape(turned.shape)
        return float((found - direct).abs().max() / direct.abs().max().clamp_min(1e-300))

    def orbit_units(self) -> int:
        """Hidden units that one evaluation costs: |G|·H for a network, 0 for a polynomial.

        Returns
        -------
        int
        """
        return 0

    @staticmethod
    def _in_chunks(function, E: Tensor) -> Tensor:
        x = to_mandel(E.reshape(-1, 3, 3).to(torch.float64))
        return torch.cat([function(part) for part in torch.split(x, POINTS_AT_ONCE)]) if len(x) else function(x)


def law_from_state(settings: JsonObject, arrays: dict[str, np.ndarray], rotations: np.ndarray) -> Law:
    """Rebuild a law of any kind from its ``state``.

    Parameters
    ----------
    settings : dict
        With ``kind``.
    arrays : dict of array
        By name.
    rotations : array (g, 3, 3)
        Proper rotations of the group.

    Returns
    -------
    Law

    Raises
    ------
    MaterialError
        The settings name no law of this toolkit, or lack what that law needs.
    """
    kind = settings.get("kind")
    if kind not in _KINDS:
        raise MaterialError(f"the material holds a law of kind {kind!r}; this version has {', '.join(sorted(_KINDS))}")
    try:
        return _KINDS[kind].from_state(settings, arrays, rotations)
    except (KeyError, ValueError, TypeError, IndexError, RuntimeError) as error:
        raise MaterialError(f"the parameters of the {kind!r} law are incomplete or misshapen: {error}") from error


def numbers(array: Tensor) -> np.ndarray:
    """A contiguous float64 NumPy copy, as the material files hold them.

    Parameters
    ----------
    array : tensor
        Of any shape, with or without a gradient.

    Returns
    -------
    array
    """
    return np.ascontiguousarray(array.detach().numpy(), dtype=np.float64)


def under(arrays: dict[str, np.ndarray], prefix: str) -> dict[str, np.ndarray]:
    """The arrays whose names begin with a prefix, by the rest of their names.

    Parameters
    ----------
    arrays : dict of array
    prefix : str
        "law." for the arrays of a law inside another.

    Returns
    -------
    dict of array
    """
    return {name[len(prefix) :]: array for name, array in arrays.items() if name.startswith(prefix)}


def state_of_terms(states: list[tuple[JsonObject, dict[str, np.ndarray]]]) -> tuple[list[JsonObject], dict[str, np.ndarray]]:
    """The states of the terms of a sum as one: their settings, and their arrays under "term0.", "term1." and so on (see :func:`under`).

    Parameters
    ----------
    states : list
        What ``state`` of each term returned.

    Returns
    -------
    settings : list of dict
    arrays : dict of array
    """
    arrays = {f"term{k}.{name}": a for k, (_, group) in enumerate(states) for name, a in group.items()}
    return [settings for settings, _ in states], arrays


def require_unchanged(projected: np.ndarray, given: np.ndarray) -> None:
    """Require that parameters from a file were invariant already, so that projecting them changed nothing.

    Parameters
    ----------
    projected, given : array
        Parameters after and before the projection on the group's invariants (GPa).

    Raises
    ------
    ValueError
        They break the group's symmetry.
    """
    error = float(np.abs(projected - given).max(initial=0.0))
    if not error <= 1e-9 * float(np.abs(given).max(initial=0.0)):
        raise ValueError(f"they break the symmetry of the group by {error:.1e} GPa")


def settled(projected: np.ndarray, given: np.ndarray) -> np.ndarray:
    """The given parameters where projecting them changed nothing but rounding, so that a saved law loads bit for bit.

    Parameters
    ----------
    projected, given : array
        Parameters after and before the projection on the group's invariants (GPa).

    Returns
    -------
    array
        A copy of one of them.
    """
    unchanged = np.abs(projected - given).max(initial=0.0) <= 1e-13 * np.abs(given).max(initial=0.0)
    return np.array(given if unchanged else projected)


@final
class RotatedLaw(Law):
    r"""Law of a crystal turned by R (crystal → lab): :math:`\psi_{lab}(E) = \psi(R^T E R)`.

    Parameters
    ----------
    law
        The law in crystal axes.
    rotation
        Proper or improper orthogonal matrix.

    Raises
    ------
    MaterialError
        The matrix is not orthogonal to 1e-10.
    """

    kind = "rotated"

    def __init__(self, law: Law, rotation: Float[np.ndarray, "3 3"]):
        R = np.array(rotation, dtype=np.float64)
        error = float(np.abs(R @ R.T - np.eye(3)).max())
        if not error <= 1e-10:
            raise MaterialError(f"the orientation is not a rotation: R Rᵀ differs from I by {error:.1e}; normalise its axes")
        super().__init__(R @ law.rotations.numpy() @ R.T)
        self.law = law
        self.register_buffer("rotation", torch.from_numpy(R))
        self.register_buffer("matrix", torch.as_tensor(mandel_matrix(R)))

    def energy_mandel(self, x: Float[Tensor, "n 6"]) -> Float[Tensor, " n"]:
        """Strain-energy density (GPa)."""
        return self.law.energy_mandel(x @ self.matrix)

    def stress_mandel(self, x: Float[Tensor, "n 6"]) -> Float[Tensor, "n 6"]:
        """Second Piola–Kirchhoff stress (GPa)."""
        return self.law.stress_mandel(x @ self.matrix) @ self.matrix.T

    def tangent_mandel(self, x: Float[Tensor, "n 6"]) -> Float[Tensor, "n 6 6"]:
        """Material tangent (GPa)."""
        return self.matrix @ self.law.tangent_mandel(x @ self.matrix) @ self.matrix.T

    def derivative_mandel(self, x: Float[Tensor, " 6"], order: int) -> Tensor:
        """Derivative of the energy of order 1 to 4 at one strain (GPa)."""
        result = self.law.derivative_mandel(x @ self.matrix, order)
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
    def from_state(cls, settings: JsonObject, arrays: dict[str, np.ndarray], rotations: np.ndarray) -> RotatedLaw:
        """Rebuild from ``state``; ``rotations`` are those of the turned crystal."""
        R = arrays["rotation"].reshape(3, 3)
        return cls(law_from_state(settings["law"], under(arrays, "law."), R.T @ rotations @ R), R)
