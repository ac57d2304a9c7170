r"""Newton's method without a matrix: the action of the tangent on a displacement, assembled as a vector.

Conjugate gradients need :math:`K w` only, which is the form of the tangent with its trial function replaced by w: each product reads the
tangents at the points again and stores nothing. The preconditioner is the part of K in which components of the displacement do not couple
(Axelsson & Gustafsson, Int. J. Numer. Meth. Eng. 11 (1977) 1083: separate displacement components), one scalar matrix for each component, a
ninth of K in three dimensions, by algebraic multigrid; its quality depends on the material, not on the mesh.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import ufl
from dolfinx import fem, la
from dolfinx.fem import petsc as fem_petsc
from petsc4py import PETSc

from constitutive.errors import SolveError
from constitutive.fem.coverage import with_shared_tags
from constitutive.fem.newton import Newton, PetscOptions
from constitutive.fem.user_material import UserMaterial

KRYLOV_OPTIONS: PetscOptions = {"ksp_type": "cg", "ksp_rtol": 1e-8, "ksp_max_it": 1000}
COMPONENT_OPTIONS: PetscOptions = {"pc_type": "gamg", "pc_gamg_threshold": 0.01}


class MatrixFreeNewton(Newton):
    """One nonlinear system whose tangent is applied, never assembled.

    Parameters
    ----------
    residual, jacobian : dolfinx.fem.Form
        Compiled forms; the Jacobian serves to lift boundary values.
    tangent : ufl.Form
        The Jacobian in UFL.
    u, bcs, laws, options
        As of ``Newton``. The options choose the Krylov method; its preconditioner is the separate displacement components.

    Raises
    ------
    SolveError
        The unknown is not a displacement alone, or the options name a preconditioner.
    """

    def __init__(
        self,
        residual: fem.Form,
        jacobian: fem.Form,
        tangent: ufl.Form,
        u: fem.Function,
        bcs: Sequence[fem.DirichletBC],
        laws: Sequence[UserMaterial],
        options: PetscOptions,
    ) -> None:
        space = u.function_space
        size = space.dofmap.index_map_bs
        if len(u.ufl_shape) != 1 or size != u.ufl_shape[0]:
            raise SolveError("solver='matrix_free' is for a displacement that is the whole unknown; mixed unknowns need 'direct'")
        if "pc_type" in options:
            found = f"pc_type={options['pc_type']!r} needs a matrix"
            raise SolveError(f"solver='matrix_free' has its own preconditioner, {found}: take solver='amg'")
        self._w = fem.Function(space)
        self._action = fem.form(with_shared_tags(ufl.action(tangent, self._w)))
        self._product = la.vector(space.dofmap.index_map, size)
        self._components = SeparateComponents(tangent, u, bcs)
        super().__init__(residual, jacobian, u, bcs, laws, {**KRYLOV_OPTIONS, **options, "pc_type": "none"})

    def _make_matrix(self) -> PETSc.Mat:
        size = (self.owned, PETSc.DETERMINE)
        A = PETSc.Mat().createPython((size, size), context=self, comm=self.comm)
        A.setBlockSize(self.u.function_space.dofmap.index_map_bs)
        A.setUp()
        return A

    def _make_snes(self, options: PetscOptions) -> PETSc.SNES:
        snes = super()._make_snes(options)
        pc = snes.getKSP().getPC()
        pc.setType(PETSc.PC.Type.PYTHON)
        pc.setPythonContext(self._components)
        return snes

    def mult(self, _matrix: PETSc.Mat, x: PETSc.Vec, y: PETSc.Vec) -> None:
        """The product of the tangent with a vector, as PETSc calls it; rows and columns of supports are those of the identity.

        Parameters
        ----------
        x, y : PETSc.Vec
        """
        values, held = x.getArray(readonly=True), self.constrained_and_owned
        self._w.x.array[: self.owned] = values
        self._w.x.array[held] = 0.0
        self._w.x.scatter_forward()
        b = self._product
        b.array[:] = 0.0
        fem.assemble_vector(b.array, self._action)
        b.scatter_reverse(la.InsertMode.add)
        y.array[:] = b.array[: self.owned]
        y.array[held] = values[held]

    def multTranspose(self, matrix: PETSc.Mat, x: PETSc.Vec, y: PETSc.Vec) -> None:
        """The product with the transpose, the same for a symmetric tangent.

        Parameters
        ----------
        matrix : PETSc.Mat
        x, y : PETSc.Vec
        """
        self.mult(matrix, x, y)

    def assemble_jacobian(self) -> None:
        """Take the tangents at the points as they stand; the preconditioner is assembled anew before the next linear solve."""
        self._components.stale = True
        self.A.assemble()

    @property
    def pattern(self) -> PETSc.Mat:
        """There is none.

        Raises
        ------
        SolveError
            Always.
        """
        raise SolveError("solver='matrix_free' has no matrix: take solver='direct' or 'amg'")

    def require_plain(self, what: str) -> None:
        """Refuse what needs the assembled matrix.

        Parameters
        ----------
        what : str

        Raises
        ------
        SolveError
            Always.
        """
        self.require_matrix(what)

    def require_matrix(self, what: str) -> None:
        """Refuse what needs the assembled matrix.

        Parameters
        ----------
        what : str

        Raises
        ------
        SolveError
            Always.
        """
        raise SolveError(f"{what} needs the assembled tangent, which solver='matrix_free' does not make: take solver='direct' or 'amg'")

    def destroy(self) -> None:
        """Free PETSc's objects; collective."""
        super().destroy()
        self._components.destroy()


class SeparateComponents:
    """The preconditioner: the tangent's blocks of one component each, by algebraic multigrid.

    Parameters
    ----------
    tangent : ufl.Form
    u : Function
    bcs : sequence of DirichletBC

    Attributes
    ----------
    stale : bool
        The tangent has changed since the blocks were assembled.
    """

    def __init__(self, tangent: ufl.Form, u: fem.Function, bcs: Sequence[fem.DirichletBC]) -> None:
        self.stale = True
        self._size = u.function_space.dofmap.index_map_bs
        held = _held_entries(u, bcs)
        self._blocks = []
        scalar, places = u.function_space.sub(0).collapse()
        owned = scalar.dofmap.index_map.size_local
        self._places = np.asarray(places, dtype=np.int64)[:owned] // self._size  # node of each scalar unknown, in the order of the whole
        nodes = np.asarray(places, dtype=np.int64) // self._size
        p, q = ufl.TrialFunction(scalar), ufl.TestFunction(scalar)
        v, du = tangent.arguments()
        for component in range(self._size):
            unit = ufl.as_vector([float(k == component) for k in range(self._size)])
            form = fem.form(with_shared_tags(ufl.replace(tangent, {v: q * unit, du: p * unit})))
            zero = fem.Function(scalar)
            dofs = np.flatnonzero(held.reshape(-1, self._size)[nodes, component]).astype(np.int32)
            self._blocks.append(_Block(form, fem.dirichletbc(zero, dofs), f"component_{id(self):x}_{component}_"))

    def setUp(self, _pc: PETSc.PC) -> None:
        """Assemble the blocks where the tangent has changed, as PETSc calls it."""
        if self.stale:
            for block in self._blocks:
                block.assemble()
            self.stale = False

    def apply(self, _pc: PETSc.PC, x: PETSc.Vec, y: PETSc.Vec) -> None:
        """Apply one cycle of multigrid to each component, as PETSc calls it.

        Parameters
        ----------
        x, y : PETSc.Vec
        """
        given, found = x.getArray(readonly=True).reshape(-1, self._size), y.array.reshape(-1, self._size)
        for component, block in enumerate(self._blocks):
            found[self._places, component] = block.apply(given[self._places, component])

    def destroy(self) -> None:
        """Free PETSc's objects; collective."""
        for block in self._blocks:
            block.destroy()


class _Block:
    """A scalar matrix with its multigrid."""

    def __init__(self, form: fem.Form, bc: fem.DirichletBC, prefix: str) -> None:
        self.form, self.bc = form, bc
        self.A = fem_petsc.create_matrix(form)
        self.x, self.y = self.A.createVecRight(), self.A.createVecRight()
        self.pc = PETSc.PC().create(self.A.comm)
        self.pc.setOptionsPrefix(prefix)
        store = PETSc.Options()
        store.prefixPush(prefix)
        for name, value in COMPONENT_OPTIONS.items():
            store.setValue(name, value)
        self.pc.setFromOptions()
        for name in COMPONENT_OPTIONS:
            store.delValue(name)
        store.prefixPop()

    def assemble(self) -> None:
        self.A.zeroEntries()
        fem_petsc.assemble_matrix(self.A, self.form, [self.bc])
        self.A.assemble()
        self.pc.setOperators(self.A)
        self.pc.setUp()

    def apply(self, values: np.ndarray) -> np.ndarray:
        self.x.array[:] = values
        self.pc.apply(self.x, self.y)
        return self.y.getArray(readonly=True).copy()

    def destroy(self) -> None:
        for thing in (self.pc, self.A, self.x, self.y):
            thing.destroy()


def _held_entries(u: fem.Function, bcs: Sequence[fem.DirichletBC]) -> np.ndarray:
    """Which local degrees of freedom have a given value."""
    held = np.zeros(len(u.x.array), dtype=bool)
    for bc in bcs:
        held[bc.dof_indices()[0]] = True
    return held
