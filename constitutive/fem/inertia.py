r"""Density and mass matrix of a problem, in units that belong to its stresses and lengths.

With stresses in a unit of U pascals and lengths in a unit of L metres, M ü + R(u) = 0 holds in seconds when the density is

.. math:: \hat\rho = \rho L^2 / U

(tonnes per cubic millimetre with MPa and millimetres): R is then in U L² newtons and M ü in the same unit.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import ufl
from dolfinx import fem
from dolfinx.fem import petsc as fem_petsc
from petsc4py import PETSc
from ufl.core.expr import Expr

from constitutive.errors import MaterialError, SolveError
from constitutive.fem import compat
from constitutive.fem.collective import agreed
from constitutive.fem.fields import METRES
from constitutive.fem.problem import Problem
from constitutive.fem.quadrature import function_degree
from constitutive.fem.user_material import UserMaterial
from constitutive.units import STRESS_UNITS

Density: TypeAlias = float | fem.Constant | fem.Function
PASCALS_PER_GPA = 1e9


def density_factor(unit: str, length_unit: str) -> float:
    """Density in the unit that belongs to stresses in ``unit`` and lengths in ``length_unit``, of 1 kg/m³.

    Parameters
    ----------
    unit : {"GPa", "MPa", "kPa", "Pa"}
        Of stress.
    length_unit : {"m", "cm", "mm", "um", "nm"}
        Of the mesh.

    Returns
    -------
    float
        In seconds squared times the unit of stress, per length squared, for 1 kg/m³.

    Raises
    ------
    SolveError
        A unit is not known.
    """
    if unit not in STRESS_UNITS:
        raise SolveError(f"unit={unit!r}: it is one of {', '.join(STRESS_UNITS)}")
    if length_unit not in METRES:
        raise SolveError(f"length_unit={length_unit!r}: it is one of {', '.join(METRES)}")
    return METRES[length_unit] ** 2 * STRESS_UNITS[unit] / PASCALS_PER_GPA


def unit_of(problem: Problem, unit: str | None) -> str:
    """Unit of stress of a problem: that of its laws, or the one given where it has none.

    Parameters
    ----------
    problem : Problem
    unit : str, optional

    Returns
    -------
    str

    Raises
    ------
    SolveError
        Laws have different units, another one is given, or there is no law and none is given.
    """
    units = {law.unit for law in problem.laws} | ({unit} if unit is not None else set())
    if not units:
        raise SolveError("a form without a law has no unit of its own: pass unit='MPa' (or GPa, kPa, Pa), that of its stresses")
    if len(units) > 1:
        raise SolveError(f"the laws and unit= have different units of stress, {', '.join(sorted(units))}: give all the same")
    return units.pop()


def crystal_density(laws: list[UserMaterial]) -> np.ndarray:
    """Density of each cell of this rank by the crystals' structures; NaN on cells without a law.

    Parameters
    ----------
    laws : list of UserMaterial

    Returns
    -------
    array (cells,)
        kg/m³.

    Raises
    ------
    MaterialError
        A material has no structure.
    """
    values = np.full(laws[0].points.cells if laws else 0, np.nan)
    for law in laws:
        for region in law.regions:
            if region.crystal.density is None:
                raise MaterialError(f"the density of {region.crystal.name!r} is not known, for it has no structure: pass density= in kg/m³")
            values[region.cells] = region.crystal.density
    return values


def density_field(problem: Problem, density: Density | None, *, unit: str | None, length_unit: str) -> Expr:
    """Density in the unit that belongs to a problem's stresses and lengths; collective.

    Parameters
    ----------
    problem : Problem
    density : float, Constant or Function, optional
        kg/m³; by the crystals' structures where it is not given.
    unit : str, optional
        Of stress, where the problem has no law.
    length_unit : str
        Of the mesh.

    Returns
    -------
    UFL expression

    Raises
    ------
    SolveError
        The density is not positive, or some cells have no law, so that none is known there.
    MaterialError
        A material has no structure.
    """
    factor = density_factor(unit_of(problem, unit), length_unit)
    if density is None:
        return _by_crystals(problem, factor)
    values = (
        density.x.array
        if isinstance(density, fem.Function)
        else np.asarray(density.value if isinstance(density, fem.Constant) else density)
    )

    def check() -> None:
        if not np.all(np.isfinite(values)) or not np.all(values > 0):
            raise SolveError(f"density={np.min(values, initial=np.inf):g}: it has to be positive and finite everywhere, in kg/m³")

    agreed(problem.mesh.comm, check)
    return factor * (fem.Constant(problem.mesh, float(density)) if isinstance(density, int | float) else density)


def _by_crystals(problem: Problem, factor: float) -> fem.Function:
    rho = fem.Function(fem.functionspace(problem.mesh, ("DG", 0)), name="density")

    def values() -> np.ndarray:
        found = crystal_density(problem.laws)
        bare = int(np.isnan(found).sum()) if problem.laws else 1
        if bare:
            raise SolveError(
                "some cells have no crystal, so that their density is not known: pass density= in kg/m³ (a number or a Function)"
            )
        return found

    rho.x.array[: problem.laws[0].points.cells if problem.laws else 0] = factor * agreed(problem.mesh.comm, values)
    rho.x.scatter_forward()
    return rho


def displacement_of(problem: Problem) -> Expr:
    """The displacement in a problem's unknown: the unknown itself, or the part of a mixed one that its laws take.

    Parameters
    ----------
    problem : Problem

    Returns
    -------
    UFL expression

    Raises
    ------
    SolveError
        The laws take an expression of the unknown (then its inertia is the user's own), or different parts of it.
    """
    u, laws = problem.u, problem.laws
    if len(u.ufl_shape) == 1 and u.ufl_shape[0] == problem.mesh.geometry.dim and u.function_space.dofmap.index_map_bs > 1:
        if any(law.u is not u for law in laws):
            raise SolveError("a law takes an expression of the unknown: the mass matrix and time steps here need the displacement itself")
        return u
    parts = {law.u for law in laws if u in ufl.algorithms.extract_coefficients(ufl.as_ufl(law.u))}
    if len(parts) != 1 or not _is_part(next(iter(parts))):
        raise SolveError("the unknown is neither a displacement nor a mixed Function of which the laws take one vector part")
    return parts.pop()


def _is_part(expression: Expr) -> bool:
    """Whether an expression holds plain entries of a Function only, as ``ufl.split`` makes them."""
    plain = (ufl.tensors.ListTensor, ufl.indexed.Indexed, ufl.core.multiindex.MultiIndex, fem.Function)
    return all(isinstance(node, plain) for node in ufl.corealg.traversal.unique_pre_traversal(expression))


def mass_form(problem: Problem, rho: Expr) -> ufl.Form:
    """Bilinear form of the mass matrix.

    Parameters
    ----------
    problem : Problem
    rho : UFL expression
        In the unit that belongs to the problem's (``density_field``).

    Returns
    -------
    ufl.Form
    """
    d, space = displacement_of(problem), problem.u.function_space
    du, v = ufl.TrialFunction(space), ufl.TestFunction(space)
    degree = 2 * function_degree(d) + 2 * (compat.geometry_degree(problem.mesh) - 1)
    parts = [part if d is problem.u else ufl.algorithms.expand_derivatives(ufl.derivative(d, problem.u, part)) for part in (du, v)]
    density = rho * ufl.inner(*parts)
    if any(law.kinematics.revolved for law in problem.laws):
        density, degree = problem.laws[0].kinematics.per_volume(density), degree + 1
    return density * ufl.dx(domain=problem.mesh, metadata={"quadrature_degree": degree})


def mass_matrix(problem: Problem, rho: Expr) -> PETSc.Mat:
    """Consistent mass matrix of a problem over all its degrees of freedom, supports included; collective.

    Parameters
    ----------
    problem : Problem
    rho : UFL expression
        As for ``mass_form``.

    Returns
    -------
    PETSc.Mat
        With the sparsity of the problem's Jacobian.
    """
    matrix = problem.newton.pattern.duplicate(copy=False)
    matrix.zeroEntries()
    fem_petsc.assemble_matrix(matrix, fem.form(mass_form(problem, rho)))
    matrix.assemble()
    return matrix
