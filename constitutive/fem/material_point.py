r"""Laws at quadrature points: turned into the lab, with a stress-free reference, in plane stress.

With the orientation R (crystal → lab) and a stress-free reference F₀ in the crystal frame, the elastic strain of a
crystal is :math:`E_c = G (E - E_0) G^T` with :math:`G = F_0^{-T} R^T`, :math:`E_0 = \tfrac12 R (F_0^T F_0 - 1)
R^T`, and its stress, per unit volume of the reference configuration, is :math:`S = J_0\, G^T S_c\,
G` (multiplicative split F = F_e F₀; Lubarda, Appl. Mech. Rev. 57 (2004) 95). In Mandel components G acts by one 6×6
matrix A: :math:`x_c = A(x - x_0)`, :math:`S = J_0 A^T S_c`, :math:`C = J_0 A^T C_c A`.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from constitutive.fem.orientations import check_rotations
from constitutive.kernel import CompiledKernel, pack_map
from constitutive.laws import LinearLaw
from constitutive.tensors.packing import mandel_matrix, to_mandel

UPPER = {size: tuple(torch.triu_indices(size, size).unbind()) for size in (3, 5, 6)}
Precision = Literal["double", "single"]
PLANE_STRESS_ITERATIONS = 20
PLANE_STRESS_GOAL, PLANE_STRESS_TOLERANCE = 1e-14, 1e-11  # stress out of the plane over the stiffness: aimed at, accepted


@runtime_checkable
class StressLaw(Protocol):
    """What evaluates a crystal: a Law of this toolkit, or the user's own with the same three functions (GPa, Mandel components)."""

    def energy_mandel(self, x: Tensor) -> Tensor:
        """Strain-energy density (n,) at strains (n, 6).

        Parameters
        ----------
        x : tensor (n, 6)

        Returns
        -------
        tensor (n,)
            GPa.
        """

    def stress_mandel(self, x: Tensor) -> Tensor:
        """Second Piola–Kirchhoff stress (n, 6).

        Parameters
        ----------
        x : tensor (n, 6)

        Returns
        -------
        tensor (n, 6)
            GPa.
        """

    def tangent_mandel(self, x: Tensor) -> Tensor:
        """Material tangent (n, 6, 6).

        Parameters
        ----------
        x : tensor (n, 6)

        Returns
        -------
        tensor (n, 6, 6)
            GPa.
        """


@runtime_checkable
class LawAtPoints(Protocol):
    """What evaluates a batch of points in the lab: states of w numbers, a strain in Mandel components first."""

    @property
    def constant_tangent(self) -> bool:
        """Whether the tangent is the same at every state and point."""

    def crystal_strain(self, x: Tensor) -> Tensor:
        """State in the crystal's frame (n, k).

        Parameters
        ----------
        x : tensor (n, w)

        Returns
        -------
        tensor (n, k)
        """

    def energy(self, x: Tensor) -> Tensor:
        """Energy (n,) per reference volume.

        Parameters
        ----------
        x : tensor (n, w)

        Returns
        -------
        tensor (n,)
        """

    def stress(self, x: Tensor) -> Tensor:
        """Its gradient (n, w).

        Parameters
        ----------
        x : tensor (n, w)

        Returns
        -------
        tensor (n, w)
        """

    def tangent(self, x: Tensor) -> Tensor:
        """Its second derivatives (n, w, w).

        Parameters
        ----------
        x : tensor (n, w)

        Returns
        -------
        tensor (n, w, w)
        """

    def packed_tangent(self, x: Tensor, active: tuple[int, ...]) -> Tensor:
        """Upper triangle of the block of some numbers of the second derivatives.

        Parameters
        ----------
        x : tensor (n, w)
        active : tuple of int

        Returns
        -------
        tensor (n, m)
        """


@dataclass(frozen=True)
class ReferenceMap:
    """How one point's lab strain becomes the crystal's, for all points of a material or for each.

    Attributes
    ----------
    A : Tensor (..., 6, 6)
        Mandel matrix of G.
    x0 : Tensor (..., 6)
        Stress-free strain in the lab.
    weight : Tensor (...)
        J₀ times the unit: from the law's GPa per stress-free volume to the user's unit per reference volume.
    """

    A: Float[Tensor, "*points 6 6"]
    x0: Float[Tensor, "*points 6"]
    weight: Float[Tensor, "*points"]

    def strain(self, x: Float[Tensor, "n 6"]) -> Float[Tensor, "n 6"]:
        """Strain of the crystal, in its own axes.

        Parameters
        ----------
        x : tensor (n, 6)
            Strains in the lab, Mandel.

        Returns
        -------
        tensor (n, 6)
        """
        shifted = x - self.x0
        return shifted @ self.A.T if self.A.ndim == 2 else torch.einsum("nij,nj->ni", self.A, shifted)

    def stress(self, s: Float[Tensor, "n 6"]) -> Float[Tensor, "n 6"]:
        """Lab stress from the crystal's.

        Parameters
        ----------
        s : tensor (n, 6)
            In crystal axes, GPa, Mandel.

        Returns
        -------
        tensor (n, 6)
            In the user's unit, per reference volume.
        """
        turned = s @ self.A if self.A.ndim == 2 else torch.einsum("nji,nj->ni", self.A, s)
        return turned * self.weight[..., None]

    def tangent(self, C: Float[Tensor, "n 6 6"]) -> Float[Tensor, "n 6 6"]:
        """Lab tangent from the crystal's.

        Parameters
        ----------
        C : tensor (n, 6, 6)
            In crystal axes, GPa, Mandel.

        Returns
        -------
        tensor (n, 6, 6)
            In the user's unit.
        """
        return self.A.transpose(-1, -2) @ C @ self.A * self.weight[..., None, None]


def reference_map(R: np.ndarray, stress_free: np.ndarray | None, unit: float, *, finite: bool) -> ReferenceMap:
    """Build the map of an orientation and a stress-free reference, for one point or for a batch.

    Parameters
    ----------
    R : array (..., 3, 3)
        Crystal → lab.
    stress_free : array (..., 3, 3), optional
        F₀ in the crystal frame; at small strain ε₀ = sym F₀ − 1 is used.
    unit : float
        The user's unit in the law's (1,000 for MPa).
    finite : bool
        Whether strains are finite.

    Returns
    -------
    ReferenceMap
    """
    R = check_rotations(R, "orientation")
    F0 = np.eye(3) if stress_free is None else stress_free
    E0 = (F0.swapaxes(-1, -2) @ F0 - np.eye(3)) / 2 if finite else (F0 + F0.swapaxes(-1, -2)) / 2 - np.eye(3)
    G = np.linalg.inv(F0).swapaxes(-1, -2) @ R.swapaxes(-1, -2) if finite else R.swapaxes(-1, -2)
    weight = unit * (np.linalg.det(F0) if finite else np.ones(F0.shape[:-2]))
    A, x0 = mandel_matrix(G), to_mandel(R @ E0 @ R.swapaxes(-1, -2))
    batch = np.broadcast_shapes(A.shape[:-2], x0.shape[:-1], np.shape(weight))
    parts = ((A, (6, 6)), (x0, (6,)), (weight, ()))
    return ReferenceMap(*(torch.from_numpy(np.array(np.broadcast_to(part, batch + shape), dtype=float)) for part, shape in parts))


@dataclass(frozen=True)
class PointLaw:
    """A law as seen by a batch of points: lab strains in, lab stresses in the user's unit out.

    Attributes
    ----------
    law : StressLaw
        Energy, stress and tangent in Mandel components of the crystal frame, in GPa.
    map : ReferenceMap or None
        The turn and the stress-free reference; None where the law's frame is the lab's.
    unit : float
        The user's unit in GPa⁻¹, where there is no map.
    lab : LinearLaw or None
        A linear law with map and unit worked into its constants, once for all.
    compiled : CompiledKernel or None
        The law as compiled C; without it torch evaluates.
    precision : {"double", "single"}
        In which compiled C evaluates the network's part of the tangent.
    """

    law: StressLaw
    map: ReferenceMap | None
    unit: float
    lab: LinearLaw | None = None
    compiled: CompiledKernel | None = None
    precision: Precision = "double"

    def folded(self) -> PointLaw:
        """The same with a linear law's turn worked into its constants.

        Returns
        -------
        PointLaw
            Itself where the law is not linear or its map is not a plain rotation.
        """
        if not isinstance(self.law, LinearLaw) or self.map is None or self.map.A.ndim > 2 or bool(self.map.x0.any()):
            return self
        A, weight = self.map.A.numpy(), float(self.map.weight)
        stiffness, stress = (a.numpy() for a in (self.law.stiffness, self.law.reference_stress))
        lab = LinearLaw(weight * A.T @ stiffness @ A, np.eye(3)[None], weight * A.T @ stress)
        return dataclasses.replace(self, lab=lab)

    @cached_property
    def packed_map(self) -> np.ndarray:
        """The map as compiled code takes it."""
        if self.map is None:
            return pack_map(np.eye(6), np.zeros(6), self.unit)
        return pack_map(self.map.A.numpy(), self.map.x0.numpy(), self.map.weight.numpy())

    def by_compiled_code(self, x: Float[Tensor, "n 6"], quantity: str, *shape: int) -> Tensor:
        """Energy, stress or tangent by compiled C.

        Parameters
        ----------
        x : tensor (n, 6)
            Strains in the lab, Mandel.
        quantity : str
            "energy", "stress", "tangent" or "uncertainty".
        *shape : int
            Shape of the quantity at one point.

        Returns
        -------
        tensor (n, *shape)
            In the user's unit.
        """
        out = np.empty((len(x), *shape))
        arguments = {quantity: out, "point_map": self.packed_map}
        self.compiled.evaluate(x.numpy(), precision=self.precision, **arguments)  # type: ignore[union-attr, arg-type] # callers look
        return torch.from_numpy(out)

    @property
    def constant_tangent(self) -> bool:
        """Whether the tangent is the same at every strain and point."""
        return isinstance(self.law, LinearLaw) and (self.map is None or self.map.A.ndim == 2)

    def crystal_strain(self, x: Float[Tensor, "n 6"]) -> Float[Tensor, "n 6"]:
        """Strain in the crystal frame, from the stress-free reference.

        Parameters
        ----------
        x : tensor (n, 6)
            Strains in the lab, Mandel.

        Returns
        -------
        tensor (n, 6)
        """
        return self.map.strain(x) if self.map else x

    def energy(self, x: Float[Tensor, "n 6"]) -> Float[Tensor, " n"]:
        """Energy per reference volume, in the user's unit.

        Parameters
        ----------
        x : tensor (n, 6)
            Strains in the lab, Mandel.

        Returns
        -------
        tensor (n,)
        """
        if self.compiled is not None:
            return self.by_compiled_code(x, "energy")
        return self.law.energy_mandel(self.crystal_strain(x)) * (self.map.weight if self.map else self.unit)

    def stress(self, x: Float[Tensor, "n 6"]) -> Float[Tensor, "n 6"]:
        """Stress in the lab, in the user's unit.

        Parameters
        ----------
        x : tensor (n, 6)
            Strains in the lab, Mandel.

        Returns
        -------
        tensor (n, 6)
        """
        if self.lab is not None:
            return self.lab.stress_mandel(x)
        if self.compiled is not None:
            return self.by_compiled_code(x, "stress", 6)
        s = self.law.stress_mandel(self.crystal_strain(x))
        return self.map.stress(s) if self.map else s * self.unit

    def tangent(self, x: Float[Tensor, "n 6"]) -> Float[Tensor, "n 6 6"]:
        """Tangent in the lab, in the user's unit.

        Parameters
        ----------
        x : tensor (n, 6)
            Strains in the lab, Mandel.

        Returns
        -------
        tensor (n, 6, 6)
        """
        if self.lab is not None:
            return self.lab.tangent_mandel(x)
        if self.compiled is not None:
            return self.by_compiled_code(x, "tangent", 6, 6)
        C = self.law.tangent_mandel(self.crystal_strain(x))
        return self.map.tangent(C) if self.map else C * self.unit

    def packed_tangent(self, x: Float[Tensor, "n 6"], active: tuple[int, ...]) -> Float[Tensor, "n m"]:
        """Upper triangle of the active block of the tangent: for a fixed map one matrix product turns, weighs and packs.

        Parameters
        ----------
        x : tensor (n, 6)
            Strains in the lab, Mandel.
        active : tuple of int
            Mandel positions of the block.

        Returns
        -------
        tensor (n, m)
            In the user's unit, m = a (a + 1)/2 for a positions.
        """
        a = list(active)
        if self.compiled is not None and self.lab is None and len(a) == 6:
            return self.by_compiled_code(x, "tangent", 21)
        if self.lab is None and self.compiled is None and self.map is not None and self.map.A.ndim == 2:
            return self.law.tangent_mandel(self.crystal_strain(x)).reshape(-1, 36) @ turn_and_pack(self.map, active)
        C = self.tangent(x)
        return packed(C if len(a) == 6 else C[:, a][:, :, a])


def turn_and_pack(turn: ReferenceMap, active: tuple[int, ...]) -> Float[Tensor, "36 m"]:
    """Matrix from the 36 entries of a crystal's tangent to the upper triangle of the lab's active block.

    Parameters
    ----------
    turn : ReferenceMap
        One map for all points.
    active : tuple of int
        Mandel positions of the block.

    Returns
    -------
    tensor (36, m)
    """
    A = turn.A[:, list(active)]
    rows, columns = UPPER[len(active)]
    return torch.einsum("km,lm->klm", A[:, rows], A[:, columns]).reshape(36, -1) * turn.weight


def plane_stress_strain(
    law: LawAtPoints, x: Float[Tensor, "n w"], passive: tuple[int, ...]
) -> tuple[Float[Tensor, "n w"], Float[Tensor, "n w"], Float[Tensor, "n w w"]]:
    """Solve the passive strains so that their stresses vanish: Newton's method at all points at once.

    A turned crystal couples all three components out of the plane with the plane: solving C33 alone errs by percents.

    Parameters
    ----------
    law : LawAtPoints
    x : tensor (n, w)
        Strains in the lab, Mandel, and what else the law takes; the passive ones are the start.
    passive : tuple of int
        Mandel positions of the components out of the plane.

    Returns
    -------
    strain, stress, tangent
        At the solution; NaN at points where 20 iterations did not bring the stress below 1e-11 of the stiffness.
    """
    index = list(passive)
    x = x.clone()
    best, before = x, torch.full_like(x[:, 0], torch.inf)
    for _ in range(PLANE_STRESS_ITERATIONS):
        s, C = law.stress(x), law.tangent(x)
        stiffness = C.diagonal(dim1=-2, dim2=-1).abs().amax(dim=-1)
        left = s[:, index].abs().amax(dim=-1) / stiffness
        rounded = (left <= PLANE_STRESS_TOLERANCE) & (left > 0.5 * before)  # Newton's method gains nothing more
        if bool((rounded | (left <= PLANE_STRESS_GOAL)).all()):
            return x, s, C
        better = left < before
        step = torch.linalg.solve_ex(C[:, index][:, :, index], s[:, index])[0].nan_to_num(0.0).clamp(-0.05, 0.05)
        newton = x.clone()
        newton[:, index] -= step
        halved = (best + x) / 2  # the last step went too far
        best, before = torch.where(better[:, None], x, best), torch.where(better, left, before)
        x = torch.where((better | rounded)[:, None], newton, halved)
    bad = ~(left <= PLANE_STRESS_TOLERANCE)
    return x, torch.where(bad[:, None], torch.nan, s), torch.where(bad[:, None, None], torch.nan, C)


def condensed(C: Float[Tensor, "n w w"], active: tuple[int, ...], passive: tuple[int, ...]) -> Float[Tensor, "n a a"]:
    """Tangent of the active stresses when the passive ones are held at zero (static condensation).

    Parameters
    ----------
    C : tensor (n, w, w)
        Tangents, Mandel.
    active, passive : tuple of int
        Mandel positions.

    Returns
    -------
    tensor (n, a, a)
        In the unit of C.
    """
    a, p = list(active), list(passive)
    coupling = torch.linalg.solve_ex(C[:, p][:, :, p], C[:, p][:, :, a])[0]
    return C[:, a][:, :, a] - C[:, a][:, :, p] @ coupling


def packed(C: Float[Tensor, "n a a"]) -> Float[Tensor, "n m"]:
    """Upper triangle of symmetric matrices, row by row: 21 numbers of a 6×6 matrix.

    Parameters
    ----------
    C : tensor (n, a, a)
        Symmetric.

    Returns
    -------
    tensor (n, m)
        m = a (a + 1)/2.
    """
    size = C.shape[-1]
    rows, columns = UPPER[size] if size in UPPER else tuple(torch.triu_indices(size, size).unbind())
    return C[:, rows, columns]
