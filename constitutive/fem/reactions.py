"""Forces that supports exert."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
from dolfinx import fem
from dolfinx.mesh import MeshTags
from mpi4py import MPI

from constitutive.errors import SolveError
from constitutive.fem.collective import agreed
from constitutive.fem.newton import Newton

Where: TypeAlias = MeshTags | fem.DirichletBC | np.ndarray | Callable[[np.ndarray], np.ndarray]


def reaction_force(newton: Newton, where: Where, tag: int | None = None) -> np.ndarray:
    """Sum of the residual over the degrees of freedom of a boundary: the force of the support on the body; collective.

    Parameters
    ----------
    newton : Newton
        Its residual is the virtual work of stresses less that of loads, so that at equilibrium only supported entries
        are not zero.
    where : MeshTags of facets, DirichletBC, array of facets, or callable
        The boundary: with MeshTags, its ``tag``; a callable marks points x (3, n).
    tag : int, optional
        Of the facets.

    Returns
    -------
    array (components,)
        Force in the law's unit times length squared (per thickness in the plane), the same on all ranks.

    Raises
    ------
    SolveError
        The unknown is no vector field with its components in blocks, or the law fails at the present state.
    """
    space = newton.u.function_space
    if len(newton.u.ufl_shape) != 1 or space.dofmap.index_map_bs != newton.u.ufl_shape[0]:
        raise SolveError("reactions need an unknown that is one vector field; assemble the residual of a mixed one by parts")
    size = space.dofmap.index_map_bs
    blocks, components = agreed(space.mesh.comm, lambda: _dofs(space, where, tag))
    if newton.update_laws(tangent=False) is not None:
        raise SolveError("reactions need a state at which the law can be evaluated, and it fails here; solve first")
    residual = newton.assemble_residual().copy().reshape(-1, size)
    total = np.zeros(size)
    owned = blocks < space.dofmap.index_map.size_local
    np.add.at(total, components[owned], residual[blocks[owned], components[owned]])
    return space.mesh.comm.allreduce(total, op=MPI.SUM)


def _dofs(space: fem.FunctionSpace, where: Where, tag: int | None) -> tuple[np.ndarray, np.ndarray]:
    """Blocks and components of the entries of a boundary."""
    size = space.dofmap.index_map_bs
    if isinstance(where, fem.DirichletBC):
        dofs = where.dof_indices()[0]
        return dofs // size, dofs % size
    if callable(where):
        blocks = fem.locate_dofs_geometrical(space, where)
    else:
        facets = where.find(tag) if isinstance(where, MeshTags) else np.asarray(where, dtype=np.int32)
        blocks = fem.locate_dofs_topological(space, space.mesh.topology.dim - 1, facets)
    return np.repeat(blocks, size), np.tile(np.arange(size), len(blocks))
