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
from constitutive.fem.electrodes import part_of
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
        The unknown is no vector field and has none as a part, or the law fails at the present state.
    """
    space = newton.u.function_space
    comm = space.mesh.comm
    part, entries = _displacement(newton)
    size = part.dofmap.index_map_bs
    found, components = agreed(comm, lambda: _dofs(part, entries, where, tag))
    if newton.update_laws(tangent=False) is not None:
        raise SolveError("reactions need a state at which the law can be evaluated, and it fails here; solve first")
    residual = newton.assemble_residual().copy()
    total = np.zeros(size)
    owned = found < newton.owned
    np.add.at(total, components[owned], residual[found[owned]])
    return comm.allreduce(total, op=MPI.SUM)


def _displacement(newton: Newton) -> tuple[fem.FunctionSpace, np.ndarray | None]:
    """Space of the displacement and, of a part of a mixed unknown, its entries in the whole."""
    u, space = newton.u, newton.u.function_space
    if len(u.ufl_shape) == 1 and space.dofmap.index_map_bs == u.ufl_shape[0]:
        return space, None
    parts = [part_of(u, law.u) for law in newton.laws]
    if not parts or parts[0] is None or parts[0] is space:
        raise SolveError("reactions need an unknown that is a vector field or has one as a part; assemble the residual by parts otherwise")
    part, entries = parts[0].collapse()
    return part, np.asarray(entries)


def _dofs(part: fem.FunctionSpace, entries: np.ndarray | None, where: Where, tag: int | None) -> tuple[np.ndarray, np.ndarray]:
    """Entries of a boundary in the unknown, and their components."""
    size = part.dofmap.index_map_bs
    if isinstance(where, fem.DirichletBC):
        dofs = where.dof_indices()[0]
        if entries is None:
            return dofs, dofs % size
        places = np.flatnonzero(np.isin(entries, dofs))
        return entries[places], places % size
    if callable(where):
        blocks = fem.locate_dofs_geometrical(part, where)
    else:
        facets = where.find(tag) if isinstance(where, MeshTags) else np.asarray(where, dtype=np.int32)
        blocks = fem.locate_dofs_topological(part, part.mesh.topology.dim - 1, facets)
    inside = (size * blocks[:, None] + np.arange(size)).ravel()
    return inside if entries is None else entries[inside], np.tile(np.arange(size), len(blocks))
