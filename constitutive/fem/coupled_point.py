r"""Coupled laws at quadrature points: turned into the lab, with a stress-free reference, and with the field's free-space energy.

The state in the lab is :math:`x = (E, E_0, P_0, q, \theta)`, see :mod:`~constitutive.fem.coupled_kinematics`. With the orientation R
(crystal → lab; improper for a crystal of the other hand) and a stress-free reference F₀, :math:`G = F_0^{-T} R^T` takes the strain and the
field to the crystal's, :math:`E_c = G (E - E_0^{free}) G^T` and :math:`E_{0c} = G E_0` (the field of a configuration is :math:`F^T e`),
and the polarisation :math:`J F^{-1} p` to :math:`P_{0c} = G^{-T} P_0/J_0`; other order parameters q are in crystal components. So
:math:`x_c = A (x - x_0)` with one block matrix A, the gradient is :math:`J_0 A^T g_c` and the Hessian :math:`J_0 A^T H_c A`. The free-space
energy is isotropic and belongs to the whole deformation: it is added in the lab (Dorfmann & Ogden, Acta Mechanica 174 (2005) 167), and so
is :math:`-E_0\cdot P_0` of a law of strain and polarisation, which is the same in every configuration.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from constitutive.fem.coupled_kinematics import FIELD, STRAIN, CoupledKinematics
from constitutive.kernel.coupled import CoupledKernel
from constitutive.laws.coupled import ExtendedCoupledLaw, FreeSpace, LinearCoupledLaw, Variable, free_space
from constitutive.tensors.packing import mandel_matrix, to_mandel
from constitutive.units import VACUUM_PERMITTIVITY

KNOWN = ("strain", "electric_field", "polarization", "temperature")  # the others are order parameters


@runtime_checkable
class EnergyLaw(Protocol):
    """What evaluates a coupled crystal: a CoupledLaw of this toolkit, or the user's own with the same variables and functions.

    Attributes
    ----------
    variables : tuple of Variable
        In the order in which their components are packed.
    """

    variables: tuple[Variable, ...]

    def energy(self, x: Tensor) -> Tensor:
        """Energy (n,) at packed points (n, k), without free space.

        Parameters
        ----------
        x : tensor (n, k)

        Returns
        -------
        tensor (n,)
            GPa.
        """

    def gradient(self, x: Tensor) -> Tensor:
        """Gradient (n, k): S (GPa, Mandel), −P₀ (C/m²), −η (GPa/K).

        Parameters
        ----------
        x : tensor (n, k)

        Returns
        -------
        tensor (n, k)
        """

    def hessian(self, x: Tensor) -> Tensor:
        """Second derivatives (n, k, k).

        Parameters
        ----------
        x : tensor (n, k)

        Returns
        -------
        tensor (n, k, k)
        """


@dataclass(frozen=True)
class StateMap:
    """How a lab state becomes the packed point of a crystal's law, for all points of a material or for each.

    Attributes
    ----------
    A : Tensor (..., k, w)
        From the w numbers of the lab's state to the k of the law.
    x0 : Tensor (..., w)
        Stress-free state in the lab.
    weight : Tensor (...)
        J₀ times the unit: from the law's GPa per stress-free volume to the user's unit per reference volume.
    G : Tensor (..., 3, 3)
        Of which A is made.
    """

    A: Float[Tensor, "*points k w"]
    x0: Float[Tensor, "*points w"]
    weight: Float[Tensor, "*points"]
    G: Float[Tensor, "*points 3 3"]

    def point(self, x: Float[Tensor, "n w"]) -> Float[Tensor, "n k"]:
        """Packed points of the law.

        Parameters
        ----------
        x : tensor (n, w)
            States in the lab.

        Returns
        -------
        tensor (n, k)
        """
        shifted = x - self.x0
        return shifted @ self.A.T if self.A.ndim == 2 else torch.einsum("nij,nj->ni", self.A, shifted)

    def gradient(self, g: Float[Tensor, "n k"]) -> Float[Tensor, "n w"]:
        """Lab gradient from the law's.

        Parameters
        ----------
        g : tensor (n, k)

        Returns
        -------
        tensor (n, w)
            In the user's unit.
        """
        turned = g @ self.A if self.A.ndim == 2 else torch.einsum("nji,nj->ni", self.A, g)
        return turned * self.weight[..., None]

    def hessian(self, H: Float[Tensor, "n k k"]) -> Float[Tensor, "n w w"]:
        """Lab Hessian from the law's.

        Parameters
        ----------
        H : tensor (n, k, k)

        Returns
        -------
        tensor (n, w, w)
            In the user's unit.
        """
        return self.A.transpose(-1, -2) @ H @ self.A * self.weight[..., None, None]


def state_map(
    R: np.ndarray,
    stress_free: np.ndarray | None,
    law: EnergyLaw,
    unit: float,
    kinematics: CoupledKinematics,
) -> StateMap:
    """Build the map of an orientation and a stress-free reference, for one point or for a batch.

    Variables of the law that the state lacks stay zero: a law of strain and field without a potential is short-circuited, one of a
    temperature without a temperature stays at that of the reference.

    Parameters
    ----------
    R : array (..., 3, 3)
        Crystal → lab, orthogonal.
    stress_free : array (..., 3, 3), optional
        F₀ in the crystal frame; at small strain ε₀ = sym F₀ − 1 is used.
    law : EnergyLaw
    unit : float
        The user's unit in the law's (1,000 for MPa).
    kinematics : CoupledKinematics
        What the state holds.

    Returns
    -------
    StateMap
    """
    finite, width = kinematics.finite, kinematics.width
    F0 = np.eye(3) if stress_free is None else stress_free
    E0 = (F0.swapaxes(-1, -2) @ F0 - np.eye(3)) / 2 if finite else (F0 + F0.swapaxes(-1, -2)) / 2 - np.eye(3)
    G = np.linalg.inv(F0).swapaxes(-1, -2) @ R.swapaxes(-1, -2) if finite else R.swapaxes(-1, -2)
    J0 = np.linalg.det(F0)[..., None, None] if finite else 1.0
    blocks = {
        "strain": mandel_matrix(G),
        "electric_field": G,
        "polarization": np.linalg.inv(G).swapaxes(-1, -2) / J0,
        "temperature": np.ones((*G.shape[:-2], 1, 1)),
    }
    A = np.zeros((*G.shape[:-2], sum(v.size for v in law.variables), width))
    start = 0
    for variable in law.variables:
        if variable.name in kinematics.places:
            block = blocks.get(variable.name, np.eye(variable.size))  # order parameters stay in crystal components
            A[..., start : start + variable.size, kinematics.places[variable.name]] = block
        start += variable.size
    free = to_mandel(R @ E0 @ R.swapaxes(-1, -2))
    x0 = np.zeros((*free.shape[:-1], width))
    x0[..., :STRAIN] = free
    weight = unit * (np.linalg.det(F0) if finite else np.ones(F0.shape[:-2]))
    batch = np.broadcast_shapes(A.shape[:-2], x0.shape[:-1], np.shape(weight))
    parts = ((A, A.shape[-2:]), (x0, (width,)), (weight, ()), (G, (3, 3)))
    return StateMap(*(torch.from_numpy(np.array(np.broadcast_to(part, batch + shape), dtype=float)) for part, shape in parts))


@dataclass(frozen=True)
class CoupledPointLaw:
    """A coupled law as seen by a batch of points: lab states in, their conjugate quantities in the user's unit out.

    Attributes
    ----------
    law : EnergyLaw
        In the crystal's frame and GPa, without free space.
    map : StateMap
        The turn and the stress-free reference.
    unit : float
        The user's unit in GPa⁻¹.
    electric, finite : bool
        Whether states have a field, and strains are finite.
    compiled : CoupledKernel or None
        The law as compiled C; without it torch evaluates.
    polar : bool
        Whether the law is one of the polarisation, and states have one.
    """

    law: EnergyLaw
    map: StateMap
    unit: float
    electric: bool
    finite: bool
    compiled: CoupledKernel | None = None
    polar: bool = False

    @cached_property
    def packed_map(self) -> np.ndarray:
        """The map as compiled code takes it."""
        G, rest, weight = self.map.G.numpy(), self.map.x0[..., :STRAIN].numpy(), self.map.weight.numpy()
        vector = None if not self.polar else np.linalg.inv(G).swapaxes(-1, -2) * (self.unit / weight)[..., None, None]
        return self.compiled.pack_map(G, rest, weight, vector)  # type: ignore[union-attr]  # callers look

    def _by_compiled_code(self, x: Tensor, quantity: str, *shape: int, active: tuple[int, ...] | None = None) -> Tensor:
        """Energy, gradient or packed Hessian by compiled C, free space included."""
        out = np.empty((len(x), *shape))
        arguments = {quantity: out}
        vacuum, work = (self.unit * VACUUM_PERMITTIVITY, self.unit * self.polar) if self.electric else (0.0, 0.0)
        states = x.numpy()
        states = states if states.strides[1] == 8 else np.ascontiguousarray(states)
        options = {"active": active, "vacuum": vacuum, "finite": self.finite, "work": work}
        self.compiled.evaluate(states, self.packed_map, **options, **arguments)  # type: ignore[union-attr,arg-type]  # as above
        found = torch.from_numpy(out)
        if isinstance(self.law, ExtendedCoupledLaw):
            self._extend(found, x, quantity, active)
        return found

    def _extend(self, found: Tensor, x: Tensor, quantity: str, active: tuple[int, ...] | None) -> None:
        """Put what the extension gives where strains are outside the domain; those points are rare, and torch evaluates them."""
        outside = torch.nonzero(self.law.outside(self.map.point(x)))[:, 0]  # type: ignore[attr-defined]  # an extended law
        if not len(outside):
            return
        maps = [part[outside] if batched else part for part, batched in self._map_parts]
        slow = dataclasses.replace(self, map=StateMap(*maps), compiled=None)
        values = {"energy": slow.energy, "gradient": slow.stress}
        if quantity in values:
            found[outside] = values[quantity](x[outside])
        else:
            numbers = tuple(range(x.shape[1])) if active is None else active
            found[outside] = slow.packed_tangent(x[outside], numbers)

    @property
    def _map_parts(self) -> list[tuple[Tensor, bool]]:
        own = self.map.A.ndim == 3
        return [(part, own) for part in (self.map.A, self.map.x0, self.map.weight, self.map.G)]

    @property
    def linear(self) -> bool:
        """Whether the gradient is linear in the state with one matrix for all points: a linear law at small strain, turned in one way."""
        return self.constant_law and not (self.finite and self.electric)

    @property
    def constant_law(self) -> bool:
        """Whether the law's own Hessian is the same at every point."""
        return isinstance(self.law, LinearCoupledLaw) and self.map.A.ndim == 2

    @property
    def constant_tangent(self) -> bool:
        """Whether the Hessian is the same at every state and point."""
        return self.linear

    @cached_property
    def _law_matrix(self) -> Float[Tensor, "w w"]:
        """Hessian of a linear law in the lab, without free space."""
        return self.map.hessian(self.law.hessian(torch.zeros(1, self.map.A.shape[0], dtype=torch.float64)))[0]

    @cached_property
    def _law_slope(self) -> Float[Tensor, " w"]:
        """Gradient of a linear law in the lab at x = 0, without free space."""
        zero = torch.zeros(1, self.map.A.shape[1], dtype=torch.float64)
        return self.map.gradient(self.law.gradient(self.map.point(zero)))[0]

    @cached_property
    def _matrix(self) -> Float[Tensor, "w w"]:
        """Hessian where it is constant, with free space."""
        return self._with_free_hessian(self._law_matrix[None], torch.zeros(1, self.map.A.shape[1], dtype=torch.float64))[0]

    def _free(self, x: Tensor) -> FreeSpace:
        return free_space(x[:, : STRAIN + FIELD], small_strain=not self.finite)

    def _pair(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Field and polarisation of a state that has both."""
        return x[:, STRAIN : STRAIN + FIELD], x[:, STRAIN + FIELD : STRAIN + 2 * FIELD]

    def _with_free_hessian(self, H: Tensor, x: Tensor) -> Tensor:
        if not self.electric:
            return H
        H = H.expand(len(x), *H.shape[1:]).clone()
        H[:, : STRAIN + FIELD, : STRAIN + FIELD] += self.unit * self._free(x).hessian
        if self.polar:
            k = torch.arange(STRAIN, STRAIN + FIELD)
            H[:, k, k + FIELD] -= self.unit
            H[:, k + FIELD, k] -= self.unit
        return H

    def crystal_strain(self, x: Float[Tensor, "n w"]) -> Float[Tensor, "n k"]:
        """Packed points of the law in the crystal's frame.

        Parameters
        ----------
        x : tensor (n, w)
            States in the lab.

        Returns
        -------
        tensor (n, k)
        """
        return self.map.point(x)

    def energy(self, x: Float[Tensor, "n w"]) -> Float[Tensor, " n"]:
        """Ω per reference volume, free space included, in the user's unit.

        Parameters
        ----------
        x : tensor (n, w)
            States in the lab.

        Returns
        -------
        tensor (n,)
        """
        if self.compiled is not None:
            return self._by_compiled_code(x, "energy")
        energy = self.law.energy(self.map.point(x)) * self.map.weight
        if not self.electric:
            return energy
        energy = energy + self.unit * self._free(x).energy
        if self.polar:
            field, polarization = self._pair(x)
            energy = energy - self.unit * (field * polarization).sum(1)
        return energy

    def stress(self, x: Float[Tensor, "n w"]) -> Float[Tensor, "n w"]:
        """Conjugate quantities ∂Ω/∂x in the lab: (S, −D₀, −η), and with a polarisation (S, −D₀, ∂ψ/∂P₀ − E₀, −η).

        Parameters
        ----------
        x : tensor (n, w)
            States in the lab.

        Returns
        -------
        tensor (n, w)
            The user's unit; −D₀ in this unit per GV/m.
        """
        if self.linear:
            return self._law_slope + x @ self._matrix
        if self.compiled is not None:
            return self._by_compiled_code(x, "gradient", x.shape[1])
        g = self._law_slope + x @ self._law_matrix if self.constant_law else self.map.gradient(self.law.gradient(self.map.point(x)))
        if self.electric:
            g[:, : STRAIN + FIELD] += self.unit * self._free(x).gradient
            if self.polar:
                field, polarization = self._pair(x)
                g[:, STRAIN : STRAIN + FIELD] -= self.unit * polarization
                g[:, STRAIN + FIELD : STRAIN + 2 * FIELD] -= self.unit * field
        return g

    def tangent(self, x: Float[Tensor, "n w"]) -> Float[Tensor, "n w w"]:
        """Hessian ∂²Ω/∂x² in the lab.

        Parameters
        ----------
        x : tensor (n, w)
            States in the lab.

        Returns
        -------
        tensor (n, w, w)
            In the user's unit.
        """
        if self.linear:
            return self._matrix.expand(len(x), *self._matrix.shape)
        if self.compiled is not None:
            w = x.shape[1]
            rows, columns = torch.triu_indices(w, w)
            H = x.new_empty(len(x), w, w)
            H[:, rows, columns] = self._by_compiled_code(x, "hessian", w * (w + 1) // 2)
            H[:, columns, rows] = H[:, rows, columns]
            return H
        H = self._law_matrix[None] if self.constant_law else self.map.hessian(self.law.hessian(self.map.point(x)))
        return self._with_free_hessian(H.expand(len(x), *H.shape[1:]), x)

    def packed_tangent(self, x: Float[Tensor, "n w"], active: tuple[int, ...]) -> Float[Tensor, "n m"]:
        """Upper triangle of the active block of the Hessian.

        Parameters
        ----------
        x : tensor (n, w)
            States in the lab.
        active : tuple of int
            Numbers of the state in the block.

        Returns
        -------
        tensor (n, m)
            m = a (a + 1)/2 for a numbers.
        """
        if self.compiled is not None and not self.linear:
            return self._by_compiled_code(x, "hessian", len(active) * (len(active) + 1) // 2, active=active)
        a = torch.tensor(active)
        rows, columns = torch.triu_indices(len(active), len(active))
        return self.tangent(x)[:, a[rows], a[columns]]
