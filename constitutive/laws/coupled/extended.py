r"""A coupled law continued outside its domain of strain, conservatively.

As :class:`constitutive.laws.BoundedLaw` does it, with the strain alone drawn back to the edge, :math:`y = f(r) E`, and the other variables
z as they are:

.. math::
    \Omega_{ext}(E, z) = \Omega(f E, z) + \tfrac12 \kappa (r - R)_+^2, \qquad
    \partial^2\Omega_{ext}/\partial E\,\partial z = (f I + f'\, n \otimes E)\, \Omega_{Ez}(f E, z)
"""

from __future__ import annotations

from typing import final

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from constitutive.laws.bounded import EDGE, Domain, radial
from constitutive.laws.coupled.base import CoupledLaw
from constitutive.tensors.variables import Variable

STRAINS = 6


@final
class ExtendedCoupledLaw:
    """Energy, gradient and second derivatives of a law of a strain and more, everywhere.

    Parameters
    ----------
    law : CoupledLaw
        Its first variable is the strain.
    domain : Domain
        Of strains, in the frame of the law.

    Attributes
    ----------
    variables : tuple of Variable
    penalty : float
        κ (GPa), the mean stiffness in units of the metric.
    """

    variables: tuple[Variable, ...]

    def __init__(self, law: CoupledLaw, domain: Domain) -> None:
        self.law, self.domain, self.variables = law, domain, law.variables
        self.metric = torch.as_tensor(domain.metric)
        C = law.hessian(torch.zeros(1, law.size, dtype=torch.float64))[0, :STRAINS, :STRAINS]
        self.penalty = max(float(torch.trace(torch.linalg.solve(self.metric, C)) / STRAINS), 0.0)

    def outside(self, x: Float[Tensor, "n k"]) -> Bool[Tensor, " n"]:
        """Which points have a strain outside the domain.

        Parameters
        ----------
        x : tensor (n, k)
            Packed points.

        Returns
        -------
        bool tensor (n,)
        """
        return self.domain.distance(x[:, :STRAINS]) > EDGE

    def _drawn(self, x: Tensor) -> tuple[Tensor, tuple[Tensor, Tensor, Tensor, Tensor, Tensor], Tensor, Tensor]:
        """The points at which the law is evaluated, the radial quantities, r − R, and which points are outside."""
        E, outside = x[:, :STRAINS], self.outside(x)
        parts = radial(E, outside, self.metric, self.domain.radius, 0.1 * self.domain.radius)
        over = torch.where(outside, (parts[3] - self.domain.radius).clamp_min(0), torch.zeros_like(parts[3]))
        return torch.cat([parts[0][:, None] * E, x[:, STRAINS:]], dim=1), parts, over, outside

    def energy(self, x: Float[Tensor, "n k"]) -> Float[Tensor, " n"]:
        """Energy per reference volume (GPa).

        Parameters
        ----------
        x : tensor (n, k)
            Packed points.

        Returns
        -------
        tensor (n,)
        """
        y, _, over, _ = self._drawn(x)
        return self.law.energy(y) + 0.5 * self.penalty * over**2

    def gradient(self, x: Float[Tensor, "n k"]) -> Float[Tensor, "n k"]:
        """Gradient.

        Parameters
        ----------
        x : tensor (n, k)
            Packed points.

        Returns
        -------
        tensor (n, k)
        """
        y, (f, df, _, _, n), over, _ = self._drawn(x)
        g = self.law.gradient(y)
        S = g[:, :STRAINS]
        pull = df * (x[:, :STRAINS] * S).sum(-1) + self.penalty * over
        return torch.cat([f[:, None] * S + pull[:, None] * n, g[:, STRAINS:]], dim=1)

    def hessian(self, x: Float[Tensor, "n k"]) -> Float[Tensor, "n k k"]:
        """Second derivatives.

        Parameters
        ----------
        x : tensor (n, k)
            Packed points.

        Returns
        -------
        tensor (n, k, k)
            Symmetric.
        """
        y, (f, df, ddf, r, n), over, outside = self._drawn(x)
        E, S = x[:, :STRAINS], self.law.gradient(y)[:, :STRAINS]
        H = self.law.hessian(y).clone()
        J = f[:, None, None] * torch.eye(STRAINS, dtype=x.dtype) + df[:, None, None] * E[:, :, None] * n[:, None, :]
        nn, nS = n[:, :, None] * n[:, None, :], n[:, :, None] * S[:, None, :]
        work = (E * S).sum(-1)
        normal, along = ddf * work + self.penalty * outside.to(x.dtype), df * work + self.penalty * over
        H[:, :STRAINS, :STRAINS] = (
            J.transpose(1, 2) @ H[:, :STRAINS, :STRAINS] @ J
            + df[:, None, None] * (nS + nS.transpose(1, 2))
            + normal[:, None, None] * nn
            + along[:, None, None] * (self.metric - nn) / r[:, None, None]
        )
        H[:, :STRAINS, STRAINS:] = J.transpose(1, 2) @ H[:, :STRAINS, STRAINS:]
        H[:, STRAINS:, :STRAINS] = H[:, :STRAINS, STRAINS:].transpose(1, 2)
        return H
