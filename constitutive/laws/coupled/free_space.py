r"""The free-space part of the electric enthalpy, in closed form.

.. math::
    \omega_0 = -\tfrac12 \varepsilon_0 J\, E_0 \cdot C^{-1} E_0, \qquad
    S_0 = \varepsilon_0 J \left[a \otimes a - \tfrac12 (E_0 \cdot a)\, C^{-1}\right], \qquad
    D_0 = \varepsilon_0 J a, \qquad a = C^{-1} E_0

with C = I + 2E, J = √det C. Pushed forward, S₀ is the Maxwell stress ε₀ (e ⊗ e − ½ e² I) (Dorfmann & Ogden,
*Acta Mechanica* 174 (2005) 167).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property, partial
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
from constitutive.tensors.packing import ROOT2, VOIGT_PAIRS, from_mandel, to_mandel
from constitutive.units import VACUUM_PERMITTIVITY

INDICES = tuple(torch.tensor(index) for index in zip(*VOIGT_PAIRS, strict=True))  # rows and columns of Mandel components
SHEARS = torch.tensor([1.0 if i == j else ROOT2 for i, j in VOIGT_PAIRS], dtype=torch.float64)


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
    second : callable
        Makes the Hessian.
    """

    energy: Float[Tensor, " n"]
    gradient: Float[Tensor, "n 9"]
    second: Callable[[], Float[Tensor, "n 9 9"]] = field(repr=False)

    @cached_property
    def hessian(self) -> Float[Tensor, "n 9 9"]:
        """Second derivatives, symmetric; made when they are first asked for."""
        return self.second()


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
    E0 = x[:, 6:9]
    C = 2 * from_mandel(x[:, :6]) + x.new_tensor(np.eye(3))
    J, K = torch.sqrt(determinant(C)), inverse(C)
    a = torch.einsum("nij,nj->ni", K, E0)
    q = (E0 * a).sum(1)
    scale = VACUUM_PERMITTIVITY * J
    S = scale[:, None, None] * (a[:, :, None] * a[:, None, :] - 0.5 * q[:, None, None] * K)
    gradient = torch.cat([to_mandel(S), -scale[:, None] * a], 1)
    return FreeSpace(-0.5 * scale * q, gradient, partial(_hessian, scale, K, a, q))


def _hessian(scale: Tensor, K: Tensor, a: Tensor, q: Tensor) -> Float[Tensor, "n 9 9"]:
    r"""Second derivatives, all in Mandel components, with :math:`A = a \otimes a` and ⊙ the symmetrised products of two tensors.

    By strain twice: :math:`\varepsilon_0 J\,[A \otimes K + K \otimes A - \tfrac12 q\,K \otimes K - 4\,K \odot A + q\,K \odot K]`.
    """
    i, j = INDICES
    K, a = K.permute(1, 2, 0).contiguous(), a.T.contiguous()  # points last: components are then rows, which copy fast
    A = a[:, None] * a
    root = SHEARS.to(a)[:, None]
    k, m = root * K[i, j], root * A[i, j]
    mk = m[:, None] * k
    hessian = a.new_empty(9, 9, a.shape[1])
    hessian[:6, :6] = mk + mk.transpose(0, 1) - 0.5 * q * (k[:, None] * k) + 0.5 * q * _products(K, K) - _products(K, A) - _products(A, K)
    hessian[6:, :6] = root * (K[:, i] * a[j] + K[:, j] * a[i]) - a[:, None] * k
    hessian[:6, 6:] = hessian[6:, :6].transpose(0, 1)
    hessian[6:, 6:] = -K
    return (scale * hessian).permute(2, 0, 1).contiguous()


def _products(K: Float[Tensor, "3 3 n"], A: Float[Tensor, "3 3 n"]) -> Float[Tensor, "6 6 n"]:
    """Mandel components of K_ik A_jl + K_il A_jk."""
    i, j = (index[:, None] for index in INDICES)
    k, m = INDICES
    roots = SHEARS.to(K)[:, None, None] * SHEARS.to(K)[:, None]
    return roots * (K[i, k] * A[j, m] + K[i, m] * A[j, k])


def _linear(x: Tensor) -> FreeSpace:
    E0 = x[:, 6:9]
    gradient = torch.cat([torch.zeros_like(x[:, :6]), -VACUUM_PERMITTIVITY * E0], 1)

    def second() -> Tensor:
        hessian = x.new_zeros(len(x), 9, 9)
        hessian[:, 6:, 6:] = -VACUUM_PERMITTIVITY * x.new_tensor(np.eye(3))
        return hessian

    return FreeSpace(-0.5 * VACUUM_PERMITTIVITY * (E0 * E0).sum(1), gradient, second)


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
