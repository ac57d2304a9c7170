r"""The free-space part of the electric enthalpy, in closed form.

.. math::
    \omega_0 = -\tfrac12 \varepsilon_0 J\, E_0 \cdot C^{-1} E_0, \qquad
    S_0 = \varepsilon_0 J \left[a \otimes a - \tfrac12 (E_0 \cdot a)\, C^{-1}\right], \qquad
    D_0 = \varepsilon_0 J a, \qquad a = C^{-1} E_0

with C = I + 2E, J = √det C. Pushed forward, S₀ is the Maxwell stress ε₀ (e ⊗ e − ½ e² I) (Dorfmann & Ogden,
*Acta Mechanica* 174 (2005) 167).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from constitutive.errors import MaterialError
from constitutive.kinematics import determinant, inverse
from constitutive.laws.base import under
from constitutive.laws.coupled.base import CoupledLaw, coupled_law_from_state
from constitutive.plain import JsonObject
from constitutive.tensors.packing import MANDEL_BASIS, from_mandel, tangent_to_mandel, to_mandel
from constitutive.units import VACUUM_PERMITTIVITY


@final
@dataclass(frozen=True, eq=False)
class FreeSpace:
    """The free-space energy with its derivatives.

    Attributes
    ----------
    energy : tensor (n,)
        GPa.
    gradient : tensor (n, 9)
        By the strain (Mandel, GPa) and the reference field (C/m²): S₀ and −D₀.
    hessian : tensor (n, 9, 9)
        Symmetric.
    """

    energy: Float[Tensor, " n"]
    gradient: Float[Tensor, "n 9"]
    hessian: Float[Tensor, "n 9 9"]


def free_space(x: Float[Tensor, "n 9"], *, small_strain: bool = False) -> FreeSpace:
    """Energy −½ ε₀ J E₀·C⁻¹E₀ of the field in the volume of the body, its gradient and Hessian.

    Parameters
    ----------
    x : tensor (n, 9)
        Green–Lagrange strain in Mandel components, then the reference field E₀ = Fᵀe (GV/m).
    small_strain : bool
        The form −½ ε₀ |E₀|² of small strain, which the strain does not enter.

    Returns
    -------
    FreeSpace

    Examples
    --------
    >>> x = torch.zeros(1, 9, dtype=torch.float64)
    >>> x[0, 8] = 1.0  # 1 GV/m along z
    >>> free_space(x).gradient[0, 8].item() == -VACUUM_PERMITTIVITY
    True
    """
    x = x.to(torch.float64)
    if small_strain:
        return _linear(x)
    field = x[:, 6:9]
    C = 2 * from_mandel(x[:, :6]) + x.new_tensor(np.eye(3))
    J, K = torch.sqrt(determinant(C)), inverse(C)
    a = torch.einsum("nij,nj->ni", K, field)
    q = (field * a).sum(1)
    scale = VACUUM_PERMITTIVITY * J
    aa = a[:, :, None] * a[:, None, :]
    S = scale[:, None, None] * (aa - 0.5 * q[:, None, None] * K)
    gradient = torch.cat([to_mandel(S), -scale[:, None] * a], 1)
    hessian = x.new_zeros(len(x), 9, 9)
    hessian[:, :6, :6] = tangent_to_mandel(scale[:, None, None, None, None] * _strain_block(K, a, aa, q))
    mixed = _mandel_rows(a[:, :, None, None] * K[:, None] - torch.einsum("nik,nl->nikl", K, a) - torch.einsum("nil,nk->nikl", K, a))
    hessian[:, 6:, :6] = -scale[:, None, None] * mixed
    hessian[:, :6, 6:] = hessian[:, 6:, :6].transpose(1, 2)
    hessian[:, 6:, 6:] = -scale[:, None, None] * K
    return FreeSpace(-0.5 * scale * q, gradient, hessian)


def _strain_block(K: Tensor, a: Tensor, aa: Tensor, q: Tensor) -> Float[Tensor, "n 3 3 3 3"]:
    """∂S₀/∂E over ε₀ J, without its minor symmetrisation."""
    half = 0.5 * q[:, None, None, None, None]
    volume = torch.einsum("nij,nkl->nijkl", aa, K) + torch.einsum("nij,nkl->nijkl", K, aa) - half * torch.einsum("nij,nkl->nijkl", K, K)
    bend = torch.einsum("nik,nj,nl->nijkl", K, a, a) + torch.einsum("njk,ni,nl->nijkl", K, a, a)
    bend = bend + bend.transpose(3, 4)
    twist = torch.einsum("nik,njl->nijkl", K, K)
    return volume - bend + half * (twist + twist.transpose(3, 4))


def _mandel_rows(T: Float[Tensor, "n 3 3 3"]) -> Float[Tensor, "n 3 6"]:
    """Mandel components of the last two axes."""
    return torch.einsum("nikl,akl->nia", T, T.new_tensor(MANDEL_BASIS))


def _linear(x: Tensor) -> FreeSpace:
    field = x[:, 6:9]
    gradient = torch.cat([torch.zeros_like(x[:, :6]), -VACUUM_PERMITTIVITY * field], 1)
    hessian = x.new_zeros(len(x), 9, 9)
    hessian[:, 6:, 6:] = -VACUUM_PERMITTIVITY * x.new_tensor(np.eye(3))
    return FreeSpace(-0.5 * VACUUM_PERMITTIVITY * (field * field).sum(1), gradient, hessian)


def with_free_space(law: CoupledLaw, *, small_strain: bool = False) -> FreeSpaceLaw:
    """The law with the free-space energy added, so that its derivative by the field is −D₀ instead of −P₀.

    Parameters
    ----------
    law : CoupledLaw
        Of a strain, an electric field and perhaps more.
    small_strain : bool
        Add the form of small strain.

    Returns
    -------
    FreeSpaceLaw

    Raises
    ------
    MaterialError
        The law is no function of both a strain and an electric field.
    """
    return FreeSpaceLaw(law, small_strain=small_strain)


@final
class FreeSpaceLaw(CoupledLaw):
    """A law plus the free-space energy of its field.

    Parameters
    ----------
    law : CoupledLaw
        Of a strain and an electric field, and perhaps more variables.
    small_strain : bool
        Whether the free-space energy is that of small strain.
    """

    kind = "with_free_space"

    def __init__(self, law: CoupledLaw, *, small_strain: bool = False):
        missing = {"strain", "electric_field"} - {v.name for v in law.variables}
        if missing:
            raise MaterialError(
                f"the free-space energy is one of strain and electric field; the law has no {' and no '.join(sorted(missing))}"
            )
        super().__init__(law.variables, law.operations.numpy())
        self.law, self.small_strain = law, small_strain
        places = [*range(self.size)[law.place("strain")], *range(self.size)[law.place("electric_field")]]
        self.register_buffer("places", torch.tensor(places))

    def _free(self, x: Tensor) -> FreeSpace:
        return free_space(x[:, self.places], small_strain=self.small_strain)

    def energy_packed(self, x: Float[Tensor, "n k"]) -> Float[Tensor, " n"]:
        """Energy (GPa)."""
        return self.law.energy_packed(x) + self._free(x).energy

    def gradient_packed(self, x: Float[Tensor, "n k"]) -> Float[Tensor, "n k"]:
        """Gradient: by the field −D₀."""
        return self.law.gradient_packed(x).index_add(1, self.places, self._free(x).gradient)

    def hessian_packed(self, x: Float[Tensor, "n k"]) -> Float[Tensor, "n k k"]:
        """Second derivatives."""
        result = self.law.hessian_packed(x).clone()
        result[:, self.places[:, None], self.places] += self._free(x).hessian
        return result

    def derivative(self, x: Float[Tensor, " k"], order: int) -> Tensor:
        """Derivative of order 1 or 2 at one point."""
        if order == 1:
            return self.gradient_packed(x[None])[0]
        if order == 2:
            return self.hessian_packed(x[None])[0]
        raise MaterialError(f"derivatives of order {order} of the free-space energy are not written out: take those of the law without it")

    def orbit_units(self) -> int:
        """Hidden units of the law."""
        return self.law.orbit_units()

    def state(self) -> tuple[JsonObject, dict[str, np.ndarray]]:
        """Settings and arrays for the material file."""
        settings, arrays = self.law.state()
        return {"kind": self.kind, "small_strain": self.small_strain, "law": settings}, {f"law.{n}": np.array(a) for n, a in arrays.items()}

    @classmethod
    def from_state(cls, settings: JsonObject, arrays: dict[str, np.ndarray], operations: np.ndarray) -> FreeSpaceLaw:
        """Rebuild from ``state``."""
        return cls(coupled_law_from_state(settings["law"], under(arrays, "law."), operations), small_strain=bool(settings["small_strain"]))
