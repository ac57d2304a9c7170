r"""Polyconvex strain energy of a crystal: convex and non-decreasing in its structural invariants, averaged over the group.

.. math::
    \psi = \frac{1}{|G|}\sum_{g \in G}\sum_h a_h\,\varphi\Big(\frac{\|F g L_h\|^2 - \|L_h\|^2}{2s} +
    \frac{\|\mathrm{cof}F\, g M_h\|^2 - \|M_h\|^2}{2s} + w_h\frac{J - 1}{s} + b_h\Big)
    + \kappa\Big(J + \frac1J - 2\Big)^2 + \tfrac12 (C - I):A_0 - t\,(J - 1) - \text{(value at } I)

with :math:`a_h, \kappa \ge 0`, a convex non-decreasing :math:`\varphi` and :math:`w_h` of any sign. :math:`\|F L\|^2 = C : LL^T` is a sum
of :math:`|F a_k|^2` over the columns of L, a convex function of F; :math:`\|\mathrm{cof}F\,M\|^2` is one of cof F. A convex
non-decreasing function of convex functions is convex, so ψ is a convex function of (F, cof F, J): polyconvex (Ball 1977, *Arch. Rational
Mech. Anal.* 63, 337), and so strongly elliptic at every F. Structural tensors: Schröder & Neff 2003, *Int. J. Solids Struct.* 40, 401;
networks: Klein, Fernández, Martin, Neff & Weeger 2022, *J. Mech. Phys. Solids* 159, 104703, whose growth term is the second one.

The last terms make S(0) = 0: with the stress S₀ of the sum at rest and its largest eigenvalue t, A₀ = t I − S₀ is positive semidefinite
and invariant under the group, and −t (J − 1) is linear in J, so that neither takes convexity away (Linden et al. 2023, *J. Mech. Phys.
Solids* 179, 105363, for transverse isotropy). For a cubic crystal A₀ = 0.
"""

from __future__ import annotations

from typing import final

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from constitutive.errors import MaterialError
from constitutive.laws.base import Law, numbers
from constitutive.laws.network import squareplus
from constitutive.plain import JsonObject
from constitutive.tensors.packing import from_mandel, mandel_matrix, to_mandel

_ROUNDING = 1e-12  # of the largest eigenvalue: how negative one may be for a tensor to count as positive semidefinite


@final
class PolyconvexLaw(Law):
    """One hidden layer of H channels, convex in (F, cof F, det F), averaged over the group; eq. (1) of the page on polyconvex laws.

    Parameters
    ----------
    stretch : array (h, 6)
        L Lᵀ of each channel in Mandel components, positive semidefinite: weights of C.
    area : array (h, 6)
        M Mᵀ of each channel, likewise: weights of cof C.
    volume : array (h,)
        w, the weights of J, of any sign.
    biases : array (h,)
        b.
    amplitudes : array (h,)
        a in GPa, not negative.
    growth : float
        κ in GPa, not negative: the energy of J → 0.
    scale : float
        s, the strain that counts as one.
    rotations : array (g, 3, 3)
        The group.

    Raises
    ------
    MaterialError
        An amplitude or the growth is negative, or a weight of C or cof C is not positive semidefinite: the law would not be convex.
    """

    kind = "polyconvex"

    def __init__(
        self,
        stretch: Float[np.ndarray, "h 6"],
        area: Float[np.ndarray, "h 6"],
        volume: Float[np.ndarray, " h"],
        biases: Float[np.ndarray, " h"],
        amplitudes: Float[np.ndarray, " h"],
        growth: float,
        scale: float,
        rotations: Float[np.ndarray, "g 3 3"],
    ):
        super().__init__(rotations)
        self.growth, self.scale = float(growth), float(scale)
        given = {"stretch": stretch, "area": area, "volume": volume, "biases": biases, "amplitudes": amplitudes}
        for name, array in given.items():
            self.register_buffer(name, torch.from_numpy(np.array(array, dtype=np.float64)))
        self._require_convex()
        D = torch.as_tensor(mandel_matrix(self.rotations.numpy()))
        count, channels = len(D), len(self.biases)
        parts = [torch.einsum("hi,gij->ghj", self.get_buffer(name), D) for name in ("stretch", "area")]
        parts.append(self.volume.expand(count, channels)[..., None])
        self.register_buffer("orbit_weights", torch.cat(parts, -1).reshape(-1, 13) / self.scale)
        self.register_buffer("orbit_biases", self.biases.repeat(count))
        self.register_buffer("orbit_amplitudes", self.amplitudes.repeat(count) / count)
        rest = torch.zeros(1, 6, dtype=torch.float64)
        identity = _identity()
        stress = (self.orbit_amplitudes * squareplus(self.orbit_biases, 1)) @ self.orbit_weights @ feature_slopes(rest)[0]
        stress = (D @ stress).mean(0)
        largest = torch.linalg.eigvalsh(from_mandel(stress))[-1]
        self.register_buffer("counter_volume", largest)
        self.register_buffer("counter_stretch", largest * identity - stress)
        self.register_buffer("value", self.orbit_amplitudes @ squareplus(self.orbit_biases))

    def _require_convex(self) -> None:
        """Require parameters with which the energy is polyconvex."""
        if not (self.growth >= 0 and bool((self.amplitudes >= 0).all())):
            raise MaterialError("a polyconvex law needs amplitudes and a growth that are not negative; fit it again (fit_polyconvex)")
        for name in ("stretch", "area"):
            values = torch.linalg.eigvalsh(from_mandel(self.get_buffer(name)))
            if len(values) and not bool((values[:, 0] >= -_ROUNDING * values[:, -1].abs().clamp_min(1e-300)).all()):
                raise MaterialError(
                    f"a polyconvex law needs positive semidefinite weights ({name}); smallest eigenvalue {values.min():.2g}"
                )

    def energy_mandel(self, x: Float[Tensor, "n 6"]) -> Float[Tensor, " n"]:
        """Strain-energy density (GPa); NaN where det C ≤ 0, which no deformation has."""
        y = features(x)
        J = y[:, 12] + 1
        energy = squareplus(y @ self.orbit_weights.T + self.orbit_biases) @ self.orbit_amplitudes - self.value
        return energy + x @ self.counter_stretch - self.counter_volume * y[:, 12] + self.growth * barrier(J)

    def _slope_of_features(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """∂ψ/∂y and the pre-activations."""
        y = features(x)
        z = y @ self.orbit_weights.T + self.orbit_biases
        slope = (squareplus(z, 1) * self.orbit_amplitudes) @ self.orbit_weights
        volume = self.growth * barrier(y[:, 12] + 1, 1) - self.counter_volume
        return torch.cat([slope[:, :12], slope[:, 12:] + volume[:, None]], 1), z

    def stress_mandel(self, x: Float[Tensor, "n 6"]) -> Float[Tensor, "n 6"]:
        """Second Piola–Kirchhoff stress (GPa); eq. (3) of the page on polyconvex laws."""
        slope, _ = self._slope_of_features(x)
        return torch.einsum("ny,nyi->ni", slope, feature_slopes(x)) + self.counter_stretch

    def tangent_mandel(self, x: Float[Tensor, "n 6"]) -> Float[Tensor, "n 6 6"]:
        """Material tangent (GPa); eq. (4) of the page on polyconvex laws."""
        slope, z = self._slope_of_features(x)
        M = self.orbit_weights
        outer = (M[:, :, None] * M[:, None, :]).reshape(-1, 169)
        curvature = ((squareplus(z, 2) * self.orbit_amplitudes) @ outer).reshape(-1, 13, 13)
        C = _identity() + 2 * x
        cof = _cofactor(C)
        J = torch.sqrt(_determinant(C))
        curvature[:, 12, 12] += self.growth * barrier(J, 2)
        Y = feature_slopes(x)
        K = _third()
        bent = 2 * torch.einsum("ni,ijk->njk", slope[:, 6:12], K)
        J = J[:, None, None]
        volume = 2 * torch.einsum("ijk,nk->nij", K, C) / J - cof[:, :, None] * cof[:, None, :] / J**3
        tangent = Y.transpose(1, 2) @ curvature @ Y + bent + slope[:, 12, None, None] * volume
        return (tangent + tangent.transpose(1, 2)) / 2

    def derivative_mandel(self, x: Float[Tensor, " 6"], order: int) -> Tensor:
        """Derivative of the energy of order 1 to 4 at one strain (GPa), by the chain rule for higher derivatives."""
        if order <= 2:
            return self.stress_mandel(x[None])[0] if order == 1 else self.tangent_mandel(x[None])[0]
        y = features(x[None])[0]
        z = self.orbit_weights @ y + self.orbit_biases
        outer = [self._outer_derivative(z, y[12] + 1, k) for k in range(1, order + 1)]
        return compose(outer, _feature_derivatives(x, order), order)

    def _outer_derivative(self, z: Tensor, J: Tensor, order: int) -> Tensor:
        """Derivative of ψ by the features, of one order."""
        letters = "ijkl"[:order]
        weights = squareplus(z, order) * self.orbit_amplitudes
        result = torch.einsum(f"u,{','.join('u' + c for c in letters)}->{letters}", weights, *[self.orbit_weights] * order)
        result[(12,) * order] += self.growth * barrier(J, order)
        if order == 1:
            result[12] -= self.counter_volume
        return result

    def orbit_units(self) -> int:
        """|G|·H."""
        return len(self.orbit_biases)

    def lifted_hessian(
        self, F: Float[np.ndarray, "n 3 3"], cofactor: Float[np.ndarray, "n 3 3"], J: Float[np.ndarray, " n"]
    ) -> Float[np.ndarray, "n 19 19"]:
        """Hessian (GPa) of the energy as a function of F, cof F and J as if they were independent; eq. (5) of the page on polyconvex laws.

        Parameters
        ----------
        F : array (n, 3, 3)
            Deformation gradients, or any matrices.
        cofactor : array (n, 3, 3)
            Any matrices in the place of cof F.
        J : array (n,)
            Any positive numbers in the place of det F.

        Returns
        -------
        array (n, 19, 19)
            Positive semidefinite: that is polyconvexity. Rows 0–8 belong to F, 9–17 to cof F, 18 to J.
        """
        first, second, volume = (torch.as_tensor(np.asarray(part, dtype=np.float64)) for part in (F, cofactor, J))
        A, B = (from_mandel(self.orbit_weights[:, part]) for part in (slice(0, 6), slice(6, 12)))
        identity = torch.eye(3, dtype=torch.float64)
        y = torch.cat([_half_square(first), _half_square(second), volume[:, None] - 1], 1)
        z = y @ self.orbit_weights.T + self.orbit_biases
        FA, HB = (torch.einsum("nij,ujk->nuik", X, W).flatten(2) for X, W in ((first, A), (second, B)))
        gradient = torch.cat([FA, HB, self.orbit_weights[:, 12].expand(len(z), -1)[..., None]], 2)
        bend = squareplus(z, 2) * self.orbit_amplitudes
        result = torch.einsum("nu,nui,nuj->nij", bend, gradient, gradient)
        rise = squareplus(z, 1) * self.orbit_amplitudes
        of_F = torch.einsum("nu,uij->nij", rise, A) + from_mandel(self.counter_stretch)
        of_cofactor = torch.einsum("nu,uij->nij", rise, B)
        for block, start in ((of_F, 0), (of_cofactor, 9)):
            result[:, start : start + 9, start : start + 9] += torch.einsum("ik,njl->nijkl", identity, block).reshape(-1, 9, 9)
        result[:, 18, 18] += self.growth * barrier(volume, 2)
        return result.numpy()

    def state(self) -> tuple[JsonObject, dict[str, np.ndarray]]:
        """Settings and arrays for the material file."""
        names = ("stretch", "area", "volume", "biases", "amplitudes")
        settings = {"kind": self.kind, "channels": len(self.biases), "scale": self.scale, "growth": self.growth}
        return settings, {name: numbers(self.get_buffer(name)) for name in names}

    @classmethod
    def from_state(cls, settings: JsonObject, arrays: dict[str, np.ndarray], rotations: np.ndarray) -> PolyconvexLaw:
        """Rebuild from ``state``.

        Parameters
        ----------
        settings : dict
            With ``channels``, ``scale`` and ``growth``.
        arrays : dict of array
            "stretch", "area", "volume", "biases" and "amplitudes".
        rotations : array (g, 3, 3)
            The group.

        Returns
        -------
        PolyconvexLaw

        Raises
        ------
        ValueError
            The scale is not positive.
        MaterialError
            The parameters are those of no convex function.
        """
        H, scale = int(settings["channels"]), float(settings["scale"])
        if not scale > 0:
            raise ValueError(f"scale {scale} is not positive")
        stretch, area = (arrays[name].reshape(H, 6) for name in ("stretch", "area"))
        volume, biases, amplitudes = (arrays[name].reshape(H) for name in ("volume", "biases", "amplitudes"))
        return cls(stretch, area, volume, biases, amplitudes, float(settings["growth"]), scale, rotations)


def _identity() -> Tensor:
    """I in Mandel components."""
    return torch.tensor([1.0, 1.0, 1.0, 0.0, 0.0, 0.0], dtype=torch.float64)


def _third() -> Tensor:
    """Third derivatives of det C by the Mandel components of C: K with cof C = ½ K C C and det C = ⅙ K C C C."""
    K = torch.zeros(6, 6, 6, dtype=torch.float64)
    root = 2.0**-0.5
    for (i, j, k), value in {(0, 1, 2): 1.0, (0, 3, 3): -1.0, (1, 4, 4): -1.0, (2, 5, 5): -1.0, (3, 4, 5): root}.items():
        for a, b, c in ((i, j, k), (i, k, j), (j, i, k), (j, k, i), (k, i, j), (k, j, i)):
            K[a, b, c] = value
    return K


def _cofactor(C: Tensor) -> Tensor:
    a, b, c, p, q, r = C.unbind(1)
    root = 2.0**-0.5
    return torch.stack(
        [b * c - p * p / 2, a * c - q * q / 2, a * b - r * r / 2, root * q * r - a * p, root * p * r - b * q, root * p * q - c * r], 1
    )


def _determinant(C: Tensor) -> Tensor:
    return (C * _cofactor(C)).sum(1) / 3


def features(x: Float[Tensor, "n 6"]) -> Float[Tensor, "n 13"]:
    """(C − I)/2, (cof C − I)/2 and J − 1: all zero at rest.

    Parameters
    ----------
    x : tensor (n, 6)
        Green–Lagrange strains, Mandel.

    Returns
    -------
    tensor (n, 13)
        NaN in the last column where det C ≤ 0.
    """
    C = _identity() + 2 * x
    cof = _cofactor(C)
    J = torch.sqrt((C * cof).sum(1) / 3)
    return torch.cat([x, (cof - _identity()) / 2, J[:, None] - 1], 1)


def feature_slopes(x: Float[Tensor, "n 6"]) -> Float[Tensor, "n 13 6"]:
    """Derivatives of the features by the strain: I, ∂cof C/∂C and cof C/J.

    Parameters
    ----------
    x : tensor (n, 6)
        Green–Lagrange strains, Mandel.

    Returns
    -------
    tensor (n, 13, 6)
    """
    C = _identity() + 2 * x
    cof = _cofactor(C)
    J = torch.sqrt((C * cof).sum(1) / 3)
    same = torch.eye(6, dtype=torch.float64).expand(len(x), 6, 6)
    return torch.cat([same, torch.einsum("ijk,nk->nij", _third(), C), (cof / J[:, None])[:, None]], 1)


def _half_square(X: Tensor) -> Tensor:
    """(XᵀX − I)/2 in Mandel components."""
    return to_mandel((X.transpose(1, 2) @ X - torch.eye(3, dtype=torch.float64)) / 2)


def barrier(J: Tensor, order: int = 0) -> Tensor:
    """(J + 1/J − 2)², or one of its first four derivatives: convex, infinite at J → 0, flat to third order at J = 1.

    Parameters
    ----------
    J : tensor
        Determinants of F, positive.
    order : int
        0 the value, 1 to 4 the derivative of that order.

    Returns
    -------
    tensor
        Of the shape of J.
    """
    g = J + 1 / J - 2
    if order == 0:
        return g * g
    if order == 1:
        return 2 * g * (1 - J**-2)
    if order == 2:
        return 2 * (1 - J**-2) ** 2 + 4 * g * J**-3
    return 24 * (J - 1) * J**-5 if order == 3 else (120 - 96 * J) * J**-6


def compose(outer: list[Tensor], inner: list[Tensor], order: int) -> Tensor:
    """Derivative of order 3 or 4 of f(y(x)) from those of f and of y (Faà di Bruno's formula).

    Parameters
    ----------
    outer : list of tensor (m,), (m, m), ...
        Derivatives of f by y of order 1, 2, ... at y(x).
    inner : list of tensor (m, 6), (m, 6, 6), ...
        Derivatives of y by x of order 1, 2, ...
    order : int
        3 or 4.

    Returns
    -------
    tensor (6,) * order
        Symmetric in its axes.
    """
    if order == 3:
        total = torch.einsum("abc,ai,bj,ck->ijk", outer[2], inner[0], inner[0], inner[0])
        part = torch.einsum("ab,aij,bk->ijk", outer[1], inner[1], inner[0])
        total = total + part + part.permute(0, 2, 1) + part.permute(2, 0, 1)
        return total + torch.einsum("a,aijk->ijk", outer[0], inner[2])
    total = torch.einsum("abcd,ai,bj,ck,dl->ijkl", outer[3], inner[0], inner[0], inner[0], inner[0])
    one = torch.einsum("abc,aij,bk,cl->ijkl", outer[2], inner[1], inner[0], inner[0])
    for order_of_axes in ((0, 1, 2, 3), (0, 2, 1, 3), (0, 2, 3, 1), (2, 0, 1, 3), (2, 0, 3, 1), (2, 3, 0, 1)):
        total = total + one.permute(order_of_axes)
    two = torch.einsum("ab,aij,bkl->ijkl", outer[1], inner[1], inner[1])
    total = total + two + two.permute(0, 2, 1, 3) + two.permute(0, 2, 3, 1)
    three = torch.einsum("ab,aijk,bl->ijkl", outer[1], inner[2], inner[0])
    total = total + three + three.permute(0, 1, 3, 2) + three.permute(0, 3, 1, 2) + three.permute(3, 0, 1, 2)
    return total + torch.einsum("a,aijkl->ijkl", outer[0], inner[3])


def _feature_derivatives(x: Tensor, order: int) -> list[Tensor]:
    """Derivatives of the features by the strain, of order 1 to ``order``."""
    C, K = _identity() + 2 * x, _third()
    cof = _cofactor(C[None])[0]
    D = (C * cof).sum() / 3
    of_determinant = [
        2 * cof[None],
        4 * torch.einsum("ijk,k->ij", K, C)[None],
        8 * K[None],
        torch.zeros(1, 6, 6, 6, 6, dtype=torch.float64),
    ]
    root = [0.5 * D**-0.5, -0.25 * D**-1.5, 0.375 * D**-2.5, -0.9375 * D**-3.5]
    outer = [value.reshape((1,) * k) for k, value in enumerate(root, 1)]
    first, second = of_determinant[0][0], of_determinant[1][0]
    volume = [root[0] * first, root[0] * second + root[1] * first[:, None] * first[None]]
    volume += [compose(outer, of_determinant, k) for k in range(3, order + 1)]
    linear = torch.eye(6, dtype=torch.float64)
    result = [torch.cat([linear, torch.einsum("ijk,k->ij", K, C), volume[0][None]])]
    result.append(torch.cat([torch.zeros(6, 6, 6, dtype=torch.float64), 2 * K, volume[1][None]]))
    result += [torch.cat([torch.zeros((12,) + (6,) * k, dtype=torch.float64), volume[k - 1][None]]) for k in range(3, order + 1)]
    return result
