r"""The strains on which a law was calibrated, and its continuation outside.

The domain is the ellipsoid :math:`r^2 = x^T M x \le R^2` of strains in Mandel components, with M invariant under the group, so that
symmetry-equivalent strains are in or out together. Outside, ``extend`` continues the energy conservatively:

.. math::
    \psi_{ext}(x) = \psi\!\left(\rho(r)\, x / r\right) + \tfrac12 \kappa\, (r - R)_+^2, \qquad
    \rho(r) = R + L\, \frac{t}{\sqrt{1 + t^2}}, \quad t = (r - R)/L

with :math:`\rho(R) = R,\ \rho'(R) = 1,\ \rho''(R) = 0` and saturation at R + L. Stress and tangent are its exact derivatives.
(Continuing S by its Taylor terms at the boundary is no gradient: its tangent is asymmetric by percents.)
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import final

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from constitutive.errors import DomainError, MaterialError
from constitutive.laws.base import Law, law_from_state, numbers, under
from constitutive.plain import JsonObject
from constitutive.tensors.packing import mandel_matrix

POLICIES = ("raise", "warn", "extend")
EDGE = 1 + 1e-9  # relative distance up to which a strain is inside: rounding must not put the outermost sample outside


class OutsideDomainWarning(UserWarning):
    """A law was evaluated outside the strains it was calibrated on."""


@final
@dataclass(frozen=True)
class Domain:
    """Ellipsoid of strains on which a law was calibrated.

    Attributes
    ----------
    metric
        M, symmetric positive definite, invariant under the group, in Mandel components (dimensionless).
    radius
        R: strains with √(xᵀMx) ≤ R are inside.
    """

    metric: Float[np.ndarray, "6 6"]
    radius: float

    def __post_init__(self):
        M = np.asarray(self.metric, dtype=np.float64)
        fine = M.shape == (6, 6) and np.isfinite(M).all() and np.allclose(M, M.T) and np.linalg.eigvalsh(M)[0] > 0
        if not (fine and np.isfinite(self.radius) and self.radius > 0):
            raise MaterialError("the domain needs a symmetric positive definite 6×6 metric and a positive radius")

    @classmethod
    def of_strains(cls, x: Float[np.ndarray, "n 6"], rotations: Float[np.ndarray, "g 3 3"]) -> Domain:
        """Smallest ellipsoid shaped by the second moments of the strains and their images that holds all strains.

        Parameters
        ----------
        x
            Strains of the data in Mandel components.
        rotations
            The group.

        Returns
        -------
        Domain
        """
        D = np.asarray(mandel_matrix(np.asarray(rotations, dtype=np.float64)))
        moment = np.mean(D @ (x.T @ x / len(x)) @ D.transpose(0, 2, 1), axis=0)
        floor = 1e-3 * np.trace(moment) / 6 + 1e-12  # directions that the data never took stay nearly closed
        metric = np.linalg.inv(moment + floor * np.eye(6))
        metric = (metric + metric.T) / 2
        return cls(metric, float(np.sqrt(np.einsum("ni,ij,nj->n", x, metric, x).max())))

    def distance(self, x: Float[Tensor, "n 6"]) -> Float[Tensor, " n"]:
        """Size of each strain relative to the boundary: up to 1 inside, above 1 outside.

        Parameters
        ----------
        x : tensor (n, 6)
            Green–Lagrange strains, Mandel.

        Returns
        -------
        tensor (n,)
            √(xᵀMx)/R, dimensionless.
        """
        M = torch.as_tensor(self.metric)
        return torch.sqrt(((x @ M) * x).sum(-1)) / self.radius

    def contains(self, x: Float[np.ndarray, "n 6"]) -> Bool[np.ndarray, " n"]:
        """Which strains (Mandel) are inside, up to rounding.

        Parameters
        ----------
        x : array (n, 6)
            Green–Lagrange strains, Mandel.

        Returns
        -------
        bool array (n,)

        Examples
        --------
        >>> import numpy as np
        >>> Domain(np.eye(6), 0.1).contains(np.array([[0.1, 0, 0, 0, 0, 0], [0.1, 0.01, 0, 0, 0, 0]])).tolist()
        [True, False]
        """
        return (self.distance(torch.as_tensor(np.asarray(x, dtype=np.float64))) <= EDGE).numpy()

    def rotated(self, rotation: Float[np.ndarray, "3 3"]) -> Domain:
        """The domain of the crystal turned by ``rotation`` (crystal → lab).

        Parameters
        ----------
        rotation : array (3, 3)
            Crystal → lab.

        Returns
        -------
        Domain
            Of strains in lab axes.
        """
        D = np.asarray(mandel_matrix(np.asarray(rotation, dtype=np.float64)))
        return Domain(D @ self.metric @ D.T, self.radius)


@final
class BoundedLaw(Law):
    """A law with its domain and a policy for strains outside it; theory, eq. (12).

    Parameters
    ----------
    law
        The law inside.
    domain
        Where it holds.
    policy
        ``"raise"`` a DomainError, ``"warn"`` and evaluate as it is, or ``"extend"`` conservatively (with a warning).
    """

    kind = "bounded"

    def __init__(self, law: Law, domain: Domain, policy: str = "warn"):
        if policy not in POLICIES:
            raise MaterialError(f"the policy outside the domain is {policy!r}; choose one of {', '.join(POLICIES)}")
        super().__init__(law.rotations.numpy())
        self.law, self.domain, self.policy = law, domain, policy
        self.register_buffer("metric", torch.as_tensor(domain.metric))
        C = law.derivative_mandel(torch.zeros(6, dtype=torch.float64), 2)
        #: κ (GPa): the mean stiffness in units of the metric
        self.penalty = max(float(torch.trace(torch.linalg.solve(self.metric, C)) / 6), 0.0)
        self.reach = 0.1 * domain.radius  # L

    def outside(self, x: Float[Tensor, "n 6"]) -> Bool[Tensor, " n"]:
        """Which strains are outside the domain.

        Parameters
        ----------
        x : tensor (n, 6)
            Green–Lagrange strains, Mandel.

        Returns
        -------
        bool tensor (n,)
        """
        return self.domain.distance(x) > EDGE

    def _judge(self, x: Tensor) -> Tensor:
        outside = self.outside(x)
        if bool(outside.any()):
            worst = float(self.domain.distance(x).max())
            count = f"{int(outside.sum())} of {len(x)} strains are outside the domain of the law (up to {worst:.2f} of its radius)"
            if self.policy == "raise":
                raise DomainError(f"{count}; take smaller steps, calibrate on larger strains, or choose policy 'extend'")
            action = "the energy is extended conservatively" if self.policy == "extend" else "the law extrapolates"
            warnings.warn(f"{count}; {action}", OutsideDomainWarning, stacklevel=3)
        return outside

    def energy_mandel(self, x: Float[Tensor, "n 6"]) -> Float[Tensor, " n"]:
        """Strain-energy density (GPa)."""
        outside = self._judge(x)
        if self.policy != "extend" or not bool(outside.any()):
            return self.law.energy_mandel(x)
        f, _, _, r, _ = self._radial(x, outside)
        return self.law.energy_mandel(f[:, None] * x) + 0.5 * self.penalty * (r - self.domain.radius).clamp_min(0) ** 2

    def stress_mandel(self, x: Float[Tensor, "n 6"]) -> Float[Tensor, "n 6"]:
        """Second Piola–Kirchhoff stress (GPa)."""
        outside = self._judge(x)
        if self.policy != "extend" or not bool(outside.any()):
            return self.law.stress_mandel(x)
        f, df, _, r, n = self._radial(x, outside)
        S = self.law.stress_mandel(f[:, None] * x)
        pull = df * (x * S).sum(-1) + self.penalty * (r - self.domain.radius).clamp_min(0)
        return f[:, None] * S + pull[:, None] * n

    def tangent_mandel(self, x: Float[Tensor, "n 6"]) -> Float[Tensor, "n 6 6"]:
        """Material tangent (GPa)."""
        outside = self._judge(x)
        if self.policy != "extend" or not bool(outside.any()):
            return self.law.tangent_mandel(x)
        f, df, ddf, r, n = self._radial(x, outside)
        y = f[:, None] * x
        S, T = self.law.stress_mandel(y), self.law.tangent_mandel(y)
        J = f[:, None, None] * torch.eye(6, dtype=x.dtype) + df[:, None, None] * _outer(x, n)
        bend = (self.metric - _outer(n, n)) / r[:, None, None]  # Hessian of r
        work, over = (x * S).sum(-1), (r - self.domain.radius).clamp_min(0)
        normal = ddf * work + self.penalty * outside.to(x.dtype)  # a float times booleans is single precision
        along = df * work + self.penalty * over
        mixed = df[:, None, None] * (_outer(n, S) + _outer(S, n))
        return J.transpose(1, 2) @ T @ J + mixed + normal[:, None, None] * _outer(n, n) + along[:, None, None] * bend

    def _radial(self, x: Tensor, outside: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        return radial(x, outside, self.metric, self.domain.radius, self.reach)

    def derivative_mandel(self, x: Float[Tensor, " 6"], order: int) -> Tensor:
        """Derivative of the energy of order 1 to 4 at one strain inside the domain (GPa).

        Parameters
        ----------
        x : tensor (6,)
            Green–Lagrange strain, Mandel.
        order : int
            1 to 4.

        Returns
        -------
        tensor (6,) * order
            GPa.

        Raises
        ------
        DomainError
            The strain is outside the domain, whatever the policy.
        """
        if bool(self.outside(x[None])[0]):
            raise DomainError("higher derivatives are given inside the domain only; use the law without its domain to extrapolate")
        return self.law.derivative_mandel(x, order)

    def orbit_units(self) -> int:
        """Hidden units of the law inside."""
        return self.law.orbit_units()

    def state(self) -> tuple[JsonObject, dict[str, np.ndarray]]:
        """Settings and arrays for the material file."""
        settings, arrays = self.law.state()
        named = {f"law.{name}": array for name, array in arrays.items()}
        head = {"kind": self.kind, "policy": self.policy, "radius": self.domain.radius, "law": settings}
        return head, {**named, "metric": numbers(self.metric)}

    @classmethod
    def from_state(cls, settings: JsonObject, arrays: dict[str, np.ndarray], rotations: np.ndarray) -> BoundedLaw:
        """Rebuild from ``state``."""
        inner = under(arrays, "law.")
        domain = Domain(arrays["metric"].reshape(6, 6), float(settings["radius"]))
        return cls(law_from_state(settings["law"], inner, rotations), domain, settings["policy"])


def radial(x: Tensor, outside: Tensor, metric: Tensor, radius: float, reach: float) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """What draws strains outside a domain back to its edge; theory, eq. (12).

    Parameters
    ----------
    x : tensor (n, 6)
        Strains, Mandel.
    outside : bool tensor (n,)
        Which of them are outside.
    metric : tensor (6, 6)
    radius, reach : float
        R and L.

    Returns
    -------
    tuple of tensor
        Factor f = ρ/r with its two derivatives in r, r itself (n,), and n = ∂r/∂x (n, 6); f = 1 inside.
    """
    r = torch.sqrt(((x @ metric) * x).sum(-1)).clamp_min(1e-300)
    t = (r - radius).clamp_min(0) / reach
    q = 1 + t * t
    rho, rho1, rho2 = radius + reach * t * torch.rsqrt(q), q**-1.5, -3 * t * q**-2.5 / reach
    one, zero = torch.ones_like(r), torch.zeros_like(r)
    f = torch.where(outside, rho / r, one)
    df = torch.where(outside, rho1 / r - rho / r**2, zero)
    ddf = torch.where(outside, rho2 / r - 2 * rho1 / r**2 + 2 * rho / r**3, zero)
    return f, df, ddf, r, (x @ metric) / r[:, None]


def _outer(a: Tensor, b: Tensor) -> Tensor:
    return a[:, :, None] * b[:, None, :]
