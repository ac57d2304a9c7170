r"""Unknowns that share one value, and unknowns in units of their own: a congruent change of variables of a linear system.

With :math:`u = T y` the residual of y is :math:`T^T r` and its Jacobian :math:`T^T A T`, symmetric where A is. T scales each unknown,
and takes each group of tied unknowns from the one of them with the smallest number; the rows of the others become those of the identity.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from dolfinx import fem
from mpi4py import MPI
from petsc4py import PETSc

from constitutive.errors import SolveError

NONE = np.iinfo(np.int64).max


class Ties:
    """The change of variables u = T y of one function space; collective.

    Parameters
    ----------
    space : dolfinx.fem.FunctionSpace
        Of the unknown.
    scale : array
        One positive number for each local degree of freedom (ghosts included): u = scale · y.
    groups : sequence of int array
        Local degrees of freedom (ghosts included) that share one value; the same number of groups on all ranks, empty where a rank has
        none.
    fixed : int array
        Local degrees of freedom with given values: they may not be tied, and their rows stay those of the identity.

    Attributes
    ----------
    masters : list of int
        Local number of each group's independent unknown on the rank that owns it, −1 on the others.

    Raises
    ------
    SolveError
        Groups overlap, one is empty on all ranks, or one holds an unknown with a given value.
    """

    def __init__(self, space: fem.FunctionSpace, scale: np.ndarray, groups: Sequence[np.ndarray], fixed: np.ndarray) -> None:
        dofmap = space.dofmap
        self.comm: MPI.Comm = space.mesh.comm
        self.block = dofmap.index_map_bs
        self.owned = dofmap.index_map.size_local * self.block
        self.total = dofmap.index_map.size_global * self.block
        self.scale = np.array(scale, dtype=float)
        self._held = fixed[fixed < self.owned]
        local = np.arange(len(scale), dtype=np.int32)
        numbers = dofmap.index_map.local_to_global(local // self.block) * self.block + local % self.block
        self._check(groups, fixed)
        self.masters, self._slaves = [], np.zeros(0, dtype=np.int64)
        columns = numbers[: self.owned].copy()
        for group in groups:
            master = self.comm.allreduce(int(numbers[group].min(initial=NONE)), op=MPI.MIN)
            if master == NONE:
                raise SolveError("a group of tied unknowns is empty on all ranks: nothing lies where it was looked for")
            mine = group[group < self.owned]
            columns[mine] = master
            here = mine[numbers[mine] == master]
            self.masters.append(int(here[0]) if len(here) else -1)
            self._slaves = np.concatenate([self._slaves, mine[numbers[mine] != master]])
        self._plain = not groups and bool(self.comm.allreduce(bool((self.scale == 1.0).all()), op=MPI.LAND))
        self.T = self._matrix(numbers[: self.owned], columns) if groups else None
        self._vectors: tuple[PETSc.Vec, ...] = self.T.createVecs() if self.T is not None else ()

    def _check(self, groups: Sequence[np.ndarray], fixed: np.ndarray) -> None:
        together = np.concatenate([np.zeros(0, dtype=np.int64), *groups])
        twice = len(np.unique(together)) < len(together)
        given = bool(np.isin(together, fixed).any())
        if self.comm.allreduce(twice, op=MPI.LOR):
            raise SolveError("two groups of tied unknowns overlap: electrodes must not touch each other, and each is named once")
        if self.comm.allreduce(given, op=MPI.LOR):
            raise SolveError("a group of tied unknowns holds one whose value is given: an electrode has either a potential or a charge")

    def _matrix(self, rows: np.ndarray, columns: np.ndarray) -> PETSc.Mat:
        tied = rows != columns
        starts = np.concatenate([[0], np.cumsum(1 + tied)])
        indices, values = np.zeros(starts[-1], dtype=PETSc.IntType), np.zeros(starts[-1])
        indices[starts[:-1]], values[starts[:-1]] = columns, self.scale[: self.owned]
        indices[starts[1:][tied] - 1] = rows[tied]  # a zero that keeps the place on the diagonal
        T = PETSc.Mat().create(comm=self.comm)
        T.setSizes(((self.owned, self.total), (self.owned, self.total)))
        T.setType("aij")
        T.setPreallocationNNZ(2)
        T.setOption(PETSc.Mat.Option.IGNORE_ZERO_ENTRIES, False)
        T.setValuesCSR(starts.astype(PETSc.IntType), indices, values)
        T.assemble()
        return T

    def destroy(self) -> None:
        """Free PETSc's objects; collective."""
        for thing in (self.T, *self._vectors):
            if thing is not None:
                thing.destroy()

    def full(self, y: np.ndarray) -> np.ndarray:
        """Owned values of u.

        Parameters
        ----------
        y : array
            Owned independent values.

        Returns
        -------
        array
        """
        if self.T is None:
            return self.scale[: self.owned] * y
        source, result = self._vectors
        source.array[:] = y
        self.T.mult(source, result)
        return result.array.copy()

    def independent(self, u: np.ndarray) -> np.ndarray:
        """Owned independent values of u; zero for those that are tied to another.

        Parameters
        ----------
        u : array
            Owned values.

        Returns
        -------
        array
        """
        y = u / self.scale[: self.owned]
        y[self._slaves] = 0.0
        return y

    def force(self, r: np.ndarray) -> np.ndarray:
        """Owned residual of the independent unknowns.

        Parameters
        ----------
        r : array
            Owned residual of u.

        Returns
        -------
        array
        """
        if self.T is None:
            return self.scale[: self.owned] * r
        result, source = self._vectors
        source.array[:] = r
        self.T.multTranspose(source, result)
        return result.array.copy()

    def matrix(self, A: PETSc.Mat, into: PETSc.Mat | None = None, diagonal: float = 1.0) -> PETSc.Mat:
        """TᵀAT, with a number on the diagonal of the rows of tied and given unknowns.

        Parameters
        ----------
        A : PETSc.Mat
            Scaled in place where nothing is tied.
        into : PETSc.Mat, optional
            A former result, to be used again.
        diagonal : float
            Of those rows.

        Returns
        -------
        PETSc.Mat
        """
        if self._plain:
            return A
        if self.T is None:
            factors = A.createVecLeft()
            factors.array[:] = self.scale[: self.owned]
            A.diagonalScale(factors, factors)
            result = A
        else:
            result = A.PtAP(self.T) if into is None else A.PtAP(self.T, into)
        entries = result.getDiagonal()
        entries.array[self._slaves] = diagonal
        entries.array[self._held] = diagonal
        result.setDiagonal(entries)
        return result


def without(groups: Sequence[np.ndarray], held: np.ndarray, comm: MPI.Comm) -> list[np.ndarray]:
    """Groups of which some unknown is neither given nor on an electrode; collective.

    Parameters
    ----------
    groups : sequence of int array
        Local degrees of freedom.
    held : int array
        Those that are given or on electrodes.
    comm : MPI communicator

    Returns
    -------
    list of int array
    """
    free = np.array([not np.isin(group, held).all() for group in groups], dtype=np.int8)
    comm.Allreduce(MPI.IN_PLACE, free, op=MPI.MAX)
    return [np.asarray(group) for group, some in zip(groups, free, strict=True) if some]


def equal_where(space: fem.FunctionSpace, key: Callable[[np.ndarray], np.ndarray], decimals: int = 9) -> list[np.ndarray]:
    """Groups of unknowns of a scalar space whose places have equal keys; collective.

    A plate that is uniform along x and z has equal values at equal y: ``equal_where(W.sub(1), lambda x: x[1])``.

    Parameters
    ----------
    space : dolfinx.fem.FunctionSpace
        A scalar space or a scalar part of a mixed one, such as ``W.sub(0).sub(2)``.
    key : callable
        Of points x (3, n); gives one number for each.
    decimals : int
        To which keys are compared.

    Returns
    -------
    list of int array
        Local degrees of freedom of the whole space, ghosts included; for ``Problem(ties=…)``. The same number of groups on all ranks.

    Raises
    ------
    SolveError
        The space is not scalar.
    """
    collapsed, dofs = space.collapse() if space.component() else (space, None)
    if collapsed.dofmap.index_map_bs != 1 or collapsed.num_sub_spaces:
        raise SolveError("values are compared one by one: give a scalar part of the space, such as W.sub(0).sub(2)")
    numbers = np.arange(len(collapsed.tabulate_dof_coordinates())) if dofs is None else np.asarray(dofs)
    keys = np.round(np.asarray(key(collapsed.tabulate_dof_coordinates().T), dtype=float), decimals) + 0.0
    every = np.unique(np.concatenate(space.mesh.comm.allgather(np.unique(keys))))
    return [numbers[keys == value].astype(np.int64) for value in every]
