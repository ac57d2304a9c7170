"""Forces that supports exert."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from dolfinx import fem
from mpi4py import MPI

from constitutive.errors import SolveError

if TYPE_CHECKING:
    from constitutive.fem.problem import Problem
    from constitutive.fem.user_material import UserMaterial


def reaction_force(problem: Problem, where: Any, tag: int | None = None) -> np.ndarray:
    """Sum of the residual over the degrees of freedom of a boundary: the force of the support on the body.

    Parameters
    ----------
    problem : Problem
        Its form is the virtual work of stresses less that of loads, so that at equilibrium only supported entries
        are not zero.
    where : MeshTags of facets, DirichletBC, array of facets, or callable
        The boundary: with MeshTags, its ``tag``; a callable marks points x (3, n).

    Returns
    -------
    array (components,)
        Force in the law's unit times length squared (per thickness in the plane), the same on all ranks.

    Raises
    ------
    SolveError
        The unknown is no vector field with its components in blocks.
    """
    space = problem.u.function_space
    if len(problem.u.ufl_shape) != 1 or space.dofmap.index_map_bs != problem.u.ufl_shape[0]:
        raise SolveError("reactions need an unknown that is one vector field; assemble the residual of a mixed one by parts")
    size = space.dofmap.index_map_bs
    if problem.newton.update_laws(tangent=False) is not None:
        raise SolveError("reactions were asked for at a state where the law fails; solve first")
    residual = problem.newton.assemble_residual().copy().reshape(-1, size)
    total = np.zeros(size)
    blocks, components = _dofs(problem, where, tag)
    owned = blocks < space.dofmap.index_map.size_local
    np.add.at(total, components[owned], residual[blocks[owned], components[owned]])
    return problem.mesh.comm.allreduce(total, op=MPI.SUM)


def _dofs(problem: Problem, where: Any, tag: int | None) -> tuple[np.ndarray, np.ndarray]:
    """Blocks and components of the entries of a boundary."""
    space = problem.u.function_space
    size = space.dofmap.index_map_bs
    if hasattr(where, "dof_indices"):
        dofs = where.dof_indices()[0]
        return dofs // size, dofs % size
    if callable(where):
        blocks = fem.locate_dofs_geometrical(space, where)
    else:
        facets = where.find(tag) if hasattr(where, "find") else np.asarray(where, dtype=np.int32)
        blocks = fem.locate_dofs_topological(space, problem.mesh.topology.dim - 1, facets)
    return np.repeat(blocks, size), np.tile(np.arange(size), len(blocks))


def axial_force(law: UserMaterial) -> float:
    """Force along z on the section of a plane model: the integral of P_zz (σ_zz at small strain), over all ranks."""
    from constitutive.fem.fields import evaluate_points, integral

    return integral(law, evaluate_points(law, lambda state: state.first_piola()[:, 2, 2], 1))


def release_axial(problem: Problem, law: UserMaterial, *, force: float = 0.0, steps: int = 1, tolerance: float = 1e-8) -> float:
    """Solve generalised plane strain for the axial stretch at which the axial force has a value: by the secant method over whole solves.

    Parameters
    ----------
    problem, law : Problem, UserMaterial
        The law has plane="generalised_strain" and an ``axial_strain`` Constant, which is changed.
    force : float
        Force along z, in the law's unit times length squared.
    steps : int
        Load steps of the first solve.
    tolerance : float
        Accepted error of the force, relative to the axial stiffness times 1e-3 of stretch.

    Returns
    -------
    float
        The axial stretch H_zz, which the Constant holds.

    Raises
    ------
    SolveError
        The law has no axial stretch to release, or the secant method did not settle in 20 solves.
    """
    stretch = law.measure.axial
    if not isinstance(stretch, fem.Constant):
        raise SolveError("only plane='generalised_strain' with axial_strain=a Constant has an axial stretch to release")

    def miss(value: float) -> float:
        stretch.value = value
        problem.solve(steps=steps).require()
        return axial_force(law) - force

    old, new = float(stretch.value), float(stretch.value) + 1e-4
    at_old, at_new = miss(old), miss(new)
    scale = 1e-3 * abs(at_new - at_old) / 1e-4
    for _ in range(20):
        if abs(at_new) <= tolerance * scale:
            return new
        old, new, at_old = new, new - at_new * (new - old) / (at_new - at_old), at_new
        at_new = miss(new)
    raise SolveError(f"the axial force is still off by {at_new:.3g} after 20 solves; load in smaller parts")
