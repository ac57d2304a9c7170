"""Rigid motions as the near null space of a stiffness matrix, which algebraic multigrid needs."""

from __future__ import annotations

import numpy as np
from dolfinx import fem
from petsc4py import PETSc


def attach_rigid_motions(A: PETSc.Mat, u: fem.Function) -> None:
    """Give algebraic multigrid the rigid motions of a displacement that is the whole unknown.

    Parameters
    ----------
    A : PETSc.Mat
        The Jacobian.
    u : Function
        The unknown.
    """
    space = u.function_space
    size, dimension = space.dofmap.index_map_bs, space.mesh.geometry.dim
    if size != dimension or len(u.ufl_shape) != 1 or u.ufl_shape[0] != dimension:
        return
    owned = space.dofmap.index_map.size_local
    x = space.tabulate_dof_coordinates()[:owned, :dimension]
    pairs = [(0, 1)] if dimension == 2 else [(0, 1), (1, 2), (2, 0)]
    modes = []
    for k in range(dimension + len(pairs)):
        values = np.zeros((owned, dimension))
        if k < dimension:
            values[:, k] = 1.0
        else:
            i, j = pairs[k - dimension]
            values[:, i], values[:, j] = -x[:, j], x[:, i]
        mode = A.createVecRight()
        mode.array[:] = values.ravel()
        modes.append(mode)
    _orthonormalise(modes)
    A.setNearNullSpace(PETSc.NullSpace().create(vectors=modes, comm=A.comm))


def _orthonormalise(vectors: list[PETSc.Vec]) -> None:
    for k, vector in enumerate(vectors):
        for other in vectors[:k]:
            vector.axpy(-vector.dot(other), other)
        vector.normalize()
