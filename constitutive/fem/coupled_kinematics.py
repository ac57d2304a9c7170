r"""Kinematics of coupled solids in UFL: strain, electric field and temperature at which a law is evaluated, and their variations.

The state is :math:`x = (E, E_0, \theta)` with the strain of :mod:`~constitutive.fem.strain_kinematics`, the electric field of
the reference configuration :math:`E_0 = -\partial\varphi/\partial X = F^T e` and the temperature :math:`\theta` less that of the
reference. With :math:`g = \partial\Omega/\partial x = (S, -D_0, -\eta)` the residual is
:math:`\int g\cdot\delta x` and its derivative :math:`\int \Delta x\cdot H\,\delta x + S\cdot\Delta\delta E`: E₀ and θ are linear
in the unknowns.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import ufl
from ufl.core.expr import Expr

from constitutive.errors import SolveError
from constitutive.fem.strain_kinematics import StrainKinematics

Parts: TypeAlias = tuple[Expr, ...] | list[Expr]  # displacement, and potential and temperature where the state has them
STRAIN, FIELD = 6, 3  # numbers of a state


@dataclass(frozen=True)
class CoupledKinematics(StrainKinematics):
    """The state at which a coupled law is evaluated: six strains, three electric fields, one temperature.

    Attributes
    ----------
    field_scale : float or None
        Electric field in GV/m of a slope of one unit of the potential per unit of length; None without a potential.
    thermal : bool
        Whether the state has a temperature.
    """

    field_scale: float | None = None
    thermal: bool = False

    @property
    def width(self) -> int:
        """Numbers of a state."""
        return STRAIN + FIELD * self.electric + self.thermal

    @property
    def electric(self) -> bool:
        """Whether the state has an electric field."""
        return self.field_scale is not None

    @property
    def active(self) -> tuple[int, ...]:
        """Numbers of a state that the unknowns change."""
        field = range(STRAIN, STRAIN + self.dimension) if self.electric else ()
        return (*self.strains, *field, *((self.width - 1,) if self.thermal else ()))

    def _split(self, parts: Parts) -> tuple[Expr, Expr | None, Expr | None]:
        """Displacement, potential and temperature; the latter two None where they are not among the parts."""
        most = 1 + self.electric + self.thermal
        if not 1 <= len(parts) <= most:
            raise SolveError(f"found {len(parts)} parts (displacement, potential, temperature) where 1 to {most} are needed")
        rest = list(parts[1:])
        potential = rest.pop(0) if self.electric and rest else None
        return parts[0], potential, rest[0] if rest else None

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

    def _state(self, strain: Expr, potential: Expr | None, temperature: Expr | None) -> Expr:
        parts = [*strain, *self.electric_field(potential)]
        if self.thermal:
            parts.append(ufl.as_ufl(0.0) if temperature is None else temperature)
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
        u, potential, temperature = self._split(unknowns)
        return self._state(super().strain(u), potential, temperature)

    def variation(self, unknowns: Parts, tests: Parts) -> Expr:
        """Active numbers of δx; parts of the directions that are left out are zero.

        Parameters
        ----------
        unknowns : sequence of UFL expressions
        tests : sequence of UFL expressions
            Directions of displacement, potential and temperature.

        Returns
        -------
        UFL expression (active numbers,)
        """
        v, w, s = self._split(tests)
        return self._state(super().variation(unknowns[0], v), w, s)

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
