r"""Load paths with limit points: the load is an unknown beside the displacement, and a condition on the step closes the system.

Arc length (Crisfield, Comput. Struct. 13 (1981) 55): the displacement of a step has a given norm,

.. math:: \Delta u \cdot \Delta u = \ell^2

Displacement control: the part of the step along a vector c is given, c · Δu = ℓ; c picks a component at a point, or is a shape such
as the null vector of the stiffness at a bifurcation. In each iteration :math:`\delta u = -K^{-1} R + \delta t\, u'` with the tangent
of the path u', and δt follows from the condition.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from dolfinx import fem
from mpi4py import MPI

from constitutive.errors import SolveError
from constitutive.fem.collective import agreed
from constitutive.fem.newton import Newton

SAME_POINT = 1e-6  # of the mesh's extent: a node this close to a point is at it


@dataclass(frozen=True)
class ArcLength:
    """Steps of given length along the path, until the whole load is reached for the first time.

    Attributes
    ----------
    most_steps : int
        Steps after which the solve ends in any case.
    largest : float
        Largest step, in first steps; the first one is that of ``1/steps`` of the load.
    until : callable, optional
        Called with the load after each step, on all ranks; the solve ends where it gives True, and not at the whole load.
    """

    most_steps: int = 500
    largest: float = 4.0
    until: Callable[[float], bool] | None = None


@dataclass(frozen=True)
class PointDisplacement:
    """Displacement control of one point: a component goes from its present value to another one in equal steps, and the load follows.

    Attributes
    ----------
    point : tuple of float
        Of a node.
    component : int
    to : float
        Value at the end.
    """

    point: tuple[float, ...]
    component: int
    to: float


@dataclass(frozen=True)
class AlongShape:
    """Displacement control along a shape, such as the null vector of the stiffness at a bifurcation: the first step goes along it.

    Attributes
    ----------
    shape : Function
        Of the unknown's space, zero at supports (``critical_shape``).
    amplitude : float
        Part of the displacement along the shape at the end, in shapes.
    """

    shape: fem.Function
    amplitude: float


Control: TypeAlias = ArcLength | PointDisplacement | AlongShape


def control_named(control: str | Control) -> Control | None:
    """Control of a name; None for that of the load.

    Parameters
    ----------
    control : str or control

    Returns
    -------
    control or None

    Raises
    ------
    SolveError
        There is none of this name, or one of its numbers is out of range.
    """
    if control == "load":
        return None
    if control == "arc_length":
        return ArcLength()
    if isinstance(control, ArcLength):
        if control.most_steps < 1 or not (np.isfinite(control.largest) and control.largest >= 1):
            raise SolveError(f"ArcLength(most_steps={control.most_steps}, largest={control.largest}): at least 1 each")
        return control
    if isinstance(control, PointDisplacement | AlongShape):
        goal = control.to if isinstance(control, PointDisplacement) else control.amplitude
        if not np.isfinite(goal):
            raise SolveError(f"a displacement of {goal} cannot be reached: it has to be finite")
        return control
    raise SolveError(f"control={control!r}: it is 'load', 'arc_length', or an ArcLength, PointDisplacement or AlongShape")


class Condition:
    """The condition on a step: its length, or its part along a vector.

    Parameters
    ----------
    newton : Newton
    vector : array, optional
        Owned entries; without it the length is meant.
    """

    def __init__(self, newton: Newton, vector: np.ndarray | None = None) -> None:
        self.newton, self.vector = newton, vector

    def dot(self, a: np.ndarray, b: np.ndarray) -> float:
        """Product over all ranks; collective.

        Parameters
        ----------
        a, b : array
            Local entries, of which those that the rank owns count.

        Returns
        -------
        float
        """
        owned = self.newton.owned
        return float(self.newton.comm.allreduce(float(a[:owned] @ b[:owned]), op=MPI.SUM))

    def size_of(self, change: np.ndarray) -> float:
        """Size of a change of the displacement: its length, or its part along the vector; collective.

        Parameters
        ----------
        change : array
            Local entries.

        Returns
        -------
        float
        """
        return float(np.sqrt(self.dot(change, change))) if self.vector is None else self.dot(self.vector, change)

    def load_change(self, step: np.ndarray, tangent: np.ndarray, size: float, before: np.ndarray) -> float | None:
        """Change of the load that fulfils the condition; collective.

        Parameters
        ----------
        step : array
            Displacement of the step at the present load, corrected.
        tangent : array
            Derivative of the displacement with respect to the load.
        size : float
            Wanted.
        before : array
            Displacement of the step before the correction: of two solutions the one nearer to it is taken.

        Returns
        -------
        float or None
            None where there is no solution.
        """
        if self.vector is not None:
            slope = self.dot(self.vector, tangent)
            return (size - self.dot(self.vector, step)) / slope if slope else None
        a, b, c = self.dot(tangent, tangent), self.dot(tangent, step), self.dot(step, step) - size**2
        root = b * b - a * c
        if root < 0 or a == 0:
            return None
        along = [self.dot(step + change * tangent, before) for change in ((-b - np.sqrt(root)) / a, (-b + np.sqrt(root)) / a)]
        return (-b - np.sqrt(root)) / a if along[0] > along[1] else (-b + np.sqrt(root)) / a


def condition_of(control: Control, newton: Newton) -> tuple[Condition, float]:
    """Condition of a control, and how far along its vector the path goes; collective.

    Parameters
    ----------
    control : control
    newton : Newton

    Returns
    -------
    condition, distance
        The distance is infinite for an arc length.

    Raises
    ------
    SolveError
        The unknown is no displacement, there is no node at the point, or the shape belongs to another space.
    """
    size = newton.u.function_space.dofmap.index_map_bs
    if len(newton.u.ufl_shape) != 1 or size != newton.u.ufl_shape[0]:
        raise SolveError("control of a path needs an unknown that is one vector field, not a mixed one")
    if isinstance(control, ArcLength):
        return Condition(newton), np.inf
    if isinstance(control, PointDisplacement):
        vector = _component_at(newton, control.point, control.component)
        condition = Condition(newton, vector)
        return condition, control.to - condition.size_of(newton.u.x.array)
    if control.shape.x.array.shape != newton.u.x.array.shape:
        raise SolveError("the shape belongs to another space than the unknown")
    values = control.shape.x.array[: newton.owned].copy()
    condition = Condition(newton, values)
    condition.vector = values / condition.dot(values, values)
    return condition, control.amplitude


def _component_at(newton: Newton, point: tuple[float, ...], component: int) -> np.ndarray:
    space = newton.u.function_space
    size = space.dofmap.index_map_bs
    if not 0 <= component < size or len(point) != space.mesh.geometry.dim:
        raise SolveError(
            f"point {point}, component {component}: a point of {space.mesh.geometry.dim} coordinates, a component below {size}"
        )
    x = space.tabulate_dof_coordinates()[: newton.owned // size, : len(point)]
    off = np.linalg.norm(x - np.asarray(point), axis=1)
    extent = newton.comm.allreduce(float(np.ptp(x, axis=0).max(initial=0.0)) if len(x) else 0.0, op=MPI.MAX)
    found = np.flatnonzero(off < SAME_POINT * extent)
    if not newton.comm.allreduce(len(found), op=MPI.SUM):
        raise SolveError(f"no node at {point}: displacement control needs the place of a node")
    vector = np.zeros(newton.owned)
    vector[size * found[:1] + component] = 1.0
    return vector


def stopped(newton: Newton, until: Callable[[float], bool] | None, load: float) -> bool:
    """Whether the user's condition ends the solve; an error on one rank is one on all; collective.

    Parameters
    ----------
    newton : Newton
    until : callable, optional
    load : float

    Returns
    -------
    bool
    """
    if until is None:
        return False
    return bool(newton.comm.allreduce(int(agreed(newton.comm, lambda: bool(until(load)))), op=MPI.MAX))
