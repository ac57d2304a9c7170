r"""Frictionless contact with rigid obstacles by a penalty: a plane, a sphere, a cylinder. Contact of two deformable bodies is not here.

Where a point of the surface has moved into the obstacle, by the signed distance g(X + u) < 0, it is pushed out with

.. math:: p = \epsilon\,\langle -g\rangle, \qquad R_c(v) = -\int p\,\nabla g \cdot v\,\mathrm{d}A

per area of the reference configuration (Wriggers, Computational Contact Mechanics, 2nd ed., sec. 6.3.3). The penetration is p/ε; UFL
differentiates the form exactly.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias, runtime_checkable

import numpy as np
import ufl
from dolfinx import fem
from ufl.core.expr import Expr

from constitutive.errors import SolveError

Vector: TypeAlias = Sequence[float | int] | np.ndarray | fem.Constant


@runtime_checkable
class Obstacle(Protocol):
    """A rigid body, given by its distance."""

    def distance(self, x: Expr) -> Expr:
        """Signed distance of a place from the surface, negative inside.

        Parameters
        ----------
        x : UFL vector

        Returns
        -------
        UFL scalar
        """


@dataclass(frozen=True)
class Plane:
    """A half space.

    Attributes
    ----------
    point : vector or Constant
        On its surface; a Constant may move between steps.
    normal : vector
        Out of the obstacle.
    """

    point: Vector
    normal: Vector

    def distance(self, x: Expr) -> Expr:
        """Signed distance from the surface, negative inside.

        Parameters
        ----------
        x : UFL vector

        Returns
        -------
        UFL scalar
            In the mesh's unit of length.
        """
        n = ufl.as_vector(list(_unit(self.normal)))
        return ufl.dot(x - _vector(self.point), n)


@dataclass(frozen=True)
class Sphere:
    """A ball; in the plane a cylinder across it.

    Attributes
    ----------
    centre : vector or Constant
        A Constant may move between steps.
    radius : float or Constant
    """

    centre: Vector
    radius: float | fem.Constant

    def __post_init__(self) -> None:
        _require_radius(self.radius)

    def distance(self, x: Expr) -> Expr:
        """Signed distance from the surface, negative inside.

        Parameters
        ----------
        x : UFL vector

        Returns
        -------
        UFL scalar
            In the mesh's unit of length.
        """
        r = x - _vector(self.centre)
        return ufl.sqrt(ufl.dot(r, r)) - self.radius


@dataclass(frozen=True)
class Cylinder:
    """An endless cylinder in three dimensions.

    Attributes
    ----------
    point : vector or Constant
        On its axis; a Constant may move between steps.
    axis : vector
    radius : float or Constant
    """

    point: Vector
    axis: Vector
    radius: float | fem.Constant

    def __post_init__(self) -> None:
        _require_radius(self.radius)

    def distance(self, x: Expr) -> Expr:
        """Signed distance from the surface, negative inside.

        Parameters
        ----------
        x : UFL vector

        Returns
        -------
        UFL scalar
            In the mesh's unit of length.
        """
        a = ufl.as_vector(list(_unit(self.axis)))
        r = x - _vector(self.point)
        r = r - ufl.dot(r, a) * a
        return ufl.sqrt(ufl.dot(r, r)) - self.radius


def contact_pressure(u: Expr, obstacle: Obstacle, penalty: float | fem.Constant) -> Expr:
    """Pressure of an obstacle on the surface of a body, per reference area.

    Parameters
    ----------
    u : UFL vector
        Displacement.
    obstacle : Plane, Sphere or Cylinder
    penalty : float or Constant
        In the law's unit per length: the penetration is the pressure over it. Ten to a hundred times the stiffness over the size of an
        element is usual.

    Returns
    -------
    UFL scalar
        In the law's unit.

    Raises
    ------
    SolveError
        The penalty is not positive.
    """
    value = float(penalty.value) if isinstance(penalty, fem.Constant) else float(penalty)
    if not (np.isfinite(value) and value > 0):
        raise SolveError(f"penalty={value}: it has to be positive and finite, in the law's unit per length")
    x = ufl.SpatialCoordinate(ufl.domain.extract_unique_domain(ufl.as_ufl(u))) + u
    return penalty * ufl.max_value(-obstacle.distance(x), 0.0)


def contact(u: Expr, v: Expr, obstacle: Obstacle, penalty: float | fem.Constant, ds: ufl.Measure) -> ufl.Form:
    """Virtual work of contact, to be added to ``law.residual(v)``.

    Parameters
    ----------
    u, v : UFL vector
        Displacement and test function.
    obstacle : Plane, Sphere or Cylinder
    penalty : float or Constant
        See ``contact_pressure``.
    ds : ufl.Measure
        Of the part of the surface that may touch the obstacle.

    Returns
    -------
    ufl.Form

    Raises
    ------
    SolveError
        The penalty is not positive.
    """
    place = ufl.variable(ufl.SpatialCoordinate(ufl.domain.extract_unique_domain(ufl.as_ufl(u))) + u)
    normal = ufl.diff(obstacle.distance(place), place)
    return -contact_pressure(u, obstacle, penalty) * ufl.dot(normal, v) * ds


def _vector(value: Vector) -> Expr:
    return value if isinstance(value, fem.Constant) else ufl.as_vector([float(x) for x in np.asarray(value)])


def _unit(value: Vector) -> np.ndarray:
    direction = np.asarray(value.value if isinstance(value, fem.Constant) else value, dtype=float)
    length = np.linalg.norm(direction)
    if not (np.isfinite(length) and length > 0):
        raise SolveError(f"a direction of {direction.tolist()}: it needs a length that is finite and not zero")
    return direction / length


def _require_radius(radius: float | fem.Constant) -> None:
    value = float(radius.value) if isinstance(radius, fem.Constant) else float(radius)
    if not (np.isfinite(value) and value > 0):
        raise SolveError(f"radius={value}: it has to be positive and finite")
