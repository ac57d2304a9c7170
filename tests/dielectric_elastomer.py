"""An ideal dielectric elastomer: neo-Hookean and nearly incompressible, with one permittivity in the current configuration."""

import numpy as np
import torch
from torch import Tensor

from constitutive.kinematics import determinant, inverse
from constitutive.laws.coupled import ELECTRIC_FIELD, STRAIN, free_space
from constitutive.tensors.packing import from_mandel, tangent_to_mandel, to_mandel


class IdealElastomer:
    """ψ = μ/2 (tr C − 3 − 2 ln J) + λ/2 (J − 1)², and ε_r − 1 times the energy of free space (GPa)."""

    variables = (STRAIN, ELECTRIC_FIELD)

    def __init__(self, shear: float, bulk: float, relative_permittivity: float) -> None:
        self.mu, self.lam, self.chi = shear, bulk, relative_permittivity - 1.0

    @staticmethod
    def _parts(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        C = 2 * from_mandel(x[:, :6]) + torch.eye(3, dtype=torch.float64)
        return C, torch.sqrt(determinant(C)), inverse(C)

    def energy(self, x: Tensor) -> Tensor:
        C, J, _ = self._parts(x)
        trace = C.diagonal(dim1=-2, dim2=-1).sum(-1)
        return self.mu / 2 * (trace - 3 - 2 * torch.log(J)) + self.lam / 2 * (J - 1) ** 2 + self.chi * free_space(x).energy

    def gradient(self, x: Tensor) -> Tensor:
        _, J, K = self._parts(x)
        S = self.mu * (torch.eye(3, dtype=torch.float64) - K) + (self.lam * J * (J - 1))[:, None, None] * K
        return torch.cat([to_mandel(S), torch.zeros_like(x[:, 6:])], dim=1) + self.chi * free_space(x).gradient

    def hessian(self, x: Tensor) -> Tensor:
        _, J, K = self._parts(x)
        twist = torch.einsum("nik,njl->nijkl", K, K) + torch.einsum("nil,njk->nijkl", K, K)
        both = torch.einsum("nij,nkl->nijkl", K, K)
        weight = lambda a: a[:, None, None, None, None]  # noqa: E731 - one expression
        H = self.chi * free_space(x).hessian
        block = weight(self.mu - self.lam * J * (J - 1)) * twist + weight(self.lam * J * (2 * J - 1)) * both
        H[:, :6, :6] += tangent_to_mandel(block)
        return H


def equibiaxial(stretch: np.ndarray, shear: float, permittivity: float) -> tuple[np.ndarray, np.ndarray]:
    """Nominal field and displacement, E₀² = μ/ε (λ⁻² − λ⁻⁸) and D₀ = ε λ⁴ E₀ (Zhao & Suo, Appl. Phys. Lett. 91 (2007) 061921)."""
    field = np.sqrt(shear / permittivity * (stretch**-2.0 - stretch**-8.0))
    return field, permittivity * stretch**4 * field
