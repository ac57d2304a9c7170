"""Forces that supports exert."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from dolfinx import fem
from mpi4py import MPI

from constitutive.errors import SolveError

if TYPE_CHECKING:
    from constitutive.fem.problem import Problem


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
