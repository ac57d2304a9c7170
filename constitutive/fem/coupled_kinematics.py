r"""Kinematics of coupled solids in UFL: the state at which a law is evaluated, and its variations.

The state is :math:`x = (E, E_0, P_0, q, \theta)` with the strain of :mod:`~constitutive.fem.strain_kinematics`, the electric field of
the reference configuration :math:`E_0 = -\partial\varphi/\partial X = F^T e`, the polarisation :math:`P_0 = J F^{-1} p` where it is an
unknown, further order parameters q in crystal components, and the temperature :math:`\theta` less that of the reference. With
:math:`g = \partial\Omega/\partial x` the residual is :math:`\int g\cdot\delta x` and its derivative
:math:`\int \Delta x\cdot H\,\delta x + S\cdot\Delta\delta E`: E₀, P₀, q and θ are linear in the unknowns.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import ufl
from ufl.core.expr import Expr

from constitutive.errors import SolveError
from constitutive.fem.strain_kinematics import StrainKinematics

Parts: TypeAlias = tuple[Expr, ...] | list[Expr]  # displacement, and potential, polarisation, order parameters, temperature as there are
STRAIN, FIELD = 6, 3  # numbers of a state


@dataclass(frozen=True)
class CoupledKinematics(StrainKinematics):
    """The state at which a coupled law is evaluated: strain, electric field, polarisation, order parameters, temperature.

    Attributes
    ----------
    field_scale : float or None
        Electric field in GV/m of a slope of one unit of the potential per unit of length; None without a potential.
    thermal : bool
        Whether the state has a temperature.
    polar : int
        Components of the polarisation that are unknowns; 0 where it is none.
    order : tuple of (str, int)
        Names and sizes of further order parameters.
    """

    field_scale: float | None = None
    thermal: bool = False
    polar: int = 0
    order: tuple[tuple[str, int], ...] = ()

    @property
    def width(self) -> int:
        """Numbers of a state."""
        return STRAIN + FIELD * self.electric + FIELD * bool(self.polar) + sum(size for _, size in self.order) + self.thermal

    @property
    def places(self) -> dict[str, slice]:
        """Where each variable stands in a state, by name; only those that the state has."""
        found, start = {}, 0
        sizes = {"strain": STRAIN, "electric_field": FIELD * self.electric, "polarization": FIELD * bool(self.polar)}
        for name, size in {**sizes, **dict(self.order), "temperature": int(self.thermal)}.items():
            if size:
                found[name] = slice(start, start + size)
            start += size
        return found

    @property
    def electric(self) -> bool:
        """Whether the state has an electric field."""
        return self.field_scale is not None

    @property
    def active(self) -> tuple[int, ...]:
        """Numbers of a state that the unknowns change."""
        field = range(STRAIN, STRAIN + self.dimension) if self.electric else ()
        first = self.places["polarization"].start if self.polar else 0
        rest = range(STRAIN + FIELD * (self.electric + bool(self.polar)), self.width)
        return (*self.strains, *field, *range(first, first + self.polar), *rest)

    def _split(self, parts: Parts) -> tuple[Expr, Expr | None, Expr | None, list[Expr | None]]:
        """Displacement, potential, polarisation and the others; None where they are not among the parts."""
        most = 1 + self.electric + bool(self.polar) + len(self.order) + self.thermal
        if not 1 <= len(parts) <= most:
            raise SolveError(
                f"found {len(parts)} parts (displacement, potential, polarisation, order parameters, temperature) where 1 to {most} are "
                "needed"
            )
        rest = list(parts[1:])
        potential = rest.pop(0) if self.electric and rest else None
        polarization = rest.pop(0) if self.polar and rest else None
        return parts[0], potential, polarization, [*rest, *[None] * (len(self.order) + self.thermal - len(rest))]

    def electric_field(self, potential: Expr | None) -> list[Expr]:
        """Components of E₀ in the plane or in space (GV/m); zero without a potential.

        Parameters
        ----------
        potential : UFL expression, optional

        Returns
        -------
        list of UFL expressions
        """
        if potential is None or self.field_scale is None:
            return [ufl.as_ufl(0.0)] * self.dimension if self.electric else []
        slope = ufl.grad(potential)
        return [-self.field_scale * slope[i] for i in range(self.dimension)]

    def _state(self, strain: Expr, potential: Expr | None, polarization: Expr | None, others: list[Expr | None]) -> Expr:
        parts = [*strain, *self.electric_field(potential)]
        parts += [ufl.as_ufl(0.0) if polarization is None else polarization[i] for i in range(self.polar)]
        for part, size in zip(others, [*(size for _, size in self.order), *[1] * self.thermal], strict=True):
            shape = () if part is None else ufl.as_ufl(part).ufl_shape
            parts += [ufl.as_ufl(0.0)] * size if part is None else [part[i] for i in range(size)] if shape else [part]
        return ufl.as_vector(parts)

    def strain(self, unknowns: Parts) -> Expr:
        """Active numbers of the state x.

        Parameters
        ----------
        unknowns : sequence of UFL expressions

        Returns
        -------
        UFL expression (active numbers,)
        """
        u, potential, polarization, others = self._split(unknowns)
        return self._state(super().strain(u), potential, polarization, others)

    def variation(self, unknowns: Parts, tests: Parts) -> Expr:
        """Active numbers of δx; parts of the directions that are left out are zero.

        Parameters
        ----------
        unknowns : sequence of UFL expressions
        tests : sequence of UFL expressions
            Directions of displacement, potential, polarisation, order parameters and temperature.

        Returns
        -------
        UFL expression (active numbers,)
        """
        v, potential, polarization, others = self._split(tests)
        return self._state(super().variation(unknowns[0], v), potential, polarization, others)

    def displacement_gradient(self, unknowns: Parts | Expr) -> Expr:
        """H = ∂u/∂X padded to 3×3.

        Parameters
        ----------
        unknowns : tuple of UFL expressions, or the displacement

        Returns
        -------
        UFL expression (3, 3)
        """
        return super().displacement_gradient(unknowns[0] if isinstance(unknowns, tuple) else unknowns)

    def volume_ratio(self, unknowns: Parts) -> Expr:
        """J = det F of the gradient on the mesh; 1 at small strain.

        Parameters
        ----------
        unknowns : sequence of UFL expressions

        Returns
        -------
        UFL expression
            Scalar.
        """
        return super().volume_ratio(unknowns[0])
