"""Newton's method for forms with a law in them: PETSc's SNES, and callbacks that evaluate the law.

A residual evaluates the stress only, a Jacobian the tangent too. Boundary values move in the first iteration, which
is a full linear solve with the values' change lifted to the right-hand side; after it the iterates satisfy them
exactly, so that no later residual needs the tangent. Whatever fails on one rank is agreed on by all before anyone
leaves a callback.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from dolfinx import fem, la
from dolfinx.fem import petsc as fem_petsc
from mpi4py import MPI
from petsc4py import PETSc

from constitutive.fem.outcome import Outcome
from constitutive.fem.user_material import Faults, UserMaterial

DEFAULTS: dict[str, Any] = {
    "snes_type": "newtonls",
    "snes_linesearch_type": "bt",
    "snes_rtol": 1e-9,
    "snes_max_it": 25,
    "ksp_type": "preonly",
    "pc_type": "lu",
}
_KINDS = (Outcome.INVERTED, Outcome.NOT_FINITE, Outcome.OUTSIDE_DOMAIN)
RAISED = 4  # the kind of a rank that raised an error


@dataclass
class Trouble:
    """Why an evaluation failed, agreed on by all ranks."""

    outcome: Outcome
    message: str


class Newton:
    """One nonlinear system R(u) = 0 with Dirichlet values.

    Parameters
    ----------
    residual, jacobian : dolfinx.fem.Form
        Compiled forms.
    u : dolfinx.fem.Function
        The unknown.
    bcs : sequence of DirichletBC
        Their present values are what the next solve meets.
    laws : sequence of UserMaterial
        Updated before each assembly.
    options : dict
        PETSc options, without a prefix.
    """

    def __init__(
        self, residual: Any, jacobian: Any, u: Any, bcs: Sequence[Any], laws: Sequence[UserMaterial], options: dict[str, Any]
    ) -> None:
        self.residual, self.jacobian, self.u, self.bcs, self.laws = residual, jacobian, u, list(bcs), list(laws)
        self.comm = u.function_space.mesh.comm
        self.trouble: Trouble | None = None
        self.interrupted: Callable[[], bool] = lambda: False
        self.on_iteration: Callable[[int, float], None] = lambda iteration, norm: None
        self._largest_force = 0.0
        self._work = la.vector(u.function_space.dofmap.index_map, u.function_space.dofmap.index_map_bs)
        self._constrained = self._constrained_dofs()
        self.A = fem_petsc.create_matrix(jacobian)
        _attach_rigid_motions(self.A, u)
        self.snes = self._make_snes(options)
        self._tolerances = self.snes.getTolerances()

    # ---- set-up ----------------------------------------------------------------------------------------------------------

    def _constrained_dofs(self) -> np.ndarray:
        dofs = [bc.dof_indices()[0] for bc in self.bcs]
        return np.unique(np.concatenate(dofs)) if dofs else np.zeros(0, dtype=np.int32)

    @property
    def owned(self) -> int:
        """Degrees of freedom that this rank owns."""
        dofmap = self.u.function_space.dofmap
        return dofmap.index_map.size_local * dofmap.index_map_bs

    def _make_snes(self, options: dict[str, Any]) -> Any:
        snes = PETSc.SNES().create(self.comm)
        self._f, self._x = self.A.createVecLeft(), self.A.createVecRight()
        snes.setFunction(self._evaluate_residual, self._f)
        snes.setJacobian(self._evaluate_jacobian, self.A)
        snes.setMonitor(lambda _snes, iteration, norm: self._monitor(iteration, norm))
        prefix = f"constitutive_{id(self):x}_"
        snes.setOptionsPrefix(prefix)
        store = PETSc.Options()
        store.prefixPush(prefix)
        settings = {**DEFAULTS, **options}
        for name, value in settings.items():
            store.setValue(name, value)
        snes.setFromOptions()
        snes.getKSP().setFromOptions()
        if self.comm.size > 1 and settings["pc_type"] in ("lu", "cholesky") and "pc_factor_mat_solver_type" not in settings:
            snes.getKSP().getPC().setFactorSolverType("mumps")
        for name in settings:
            store.delValue(name)
        store.prefixPop()
        return snes

    def destroy(self) -> None:
        """Free PETSc's objects; collective."""
        for thing in (self.snes, self.A, self._f, self._x):
            thing.destroy()

    # ---- evaluation ------------------------------------------------------------------------------------------------------

    def _agree(self, fault: tuple[int, str, float]) -> Trouble | None:
        """What went wrong anywhere, and whether anybody wants to stop."""
        return agree(self.comm, fault, interrupted=self.interrupted())

    def update_laws(self, *, tangent: bool) -> Trouble | None:
        """Evaluate the laws on this rank and agree with the others on what failed."""
        fault = (0, "", 0.0)
        try:
            for law in self.laws:
                fault = max(fault, _code(law.update(tangent=tangent)), key=lambda entry: (entry[0], entry[2]))
        except Exception as error:  # noqa: BLE001 - raising here would hang the other ranks
            fault = (RAISED, f"{type(error).__name__} on rank {self.comm.rank}: {error}", 0.0)
        return self._agree(fault)

    def assemble_residual(self) -> np.ndarray:
        """R(u) with the laws as they stand, boundary rows included; owned entries are summed over ranks."""
        b = self._work
        b.array[:] = 0.0
        fem.assemble_vector(b.array, self.residual)
        b.scatter_reverse(la.InsertMode.add)
        return b.array

    def assemble_jacobian(self) -> None:
        """Assemble the matrix with the laws as they stand; boundary rows and columns are those of the identity."""
        self.A.zeroEntries()
        fem_petsc.assemble_matrix(self.A, self.jacobian, self.bcs)
        self.A.assemble()

    def _take(self, x: Any) -> None:
        self.u.x.array[: self.owned] = x.getArray(readonly=True)
        self.u.x.scatter_forward()

    def _evaluate_residual(self, snes: Any, x: Any, f: Any) -> None:
        self._take(x)
        trouble = self.update_laws(tangent=False)
        if trouble is not None:
            self.trouble = trouble
            f.set(np.nan)
            set_function_domain_error(snes)
            return
        self.trouble = None
        b = self.assemble_residual()
        b[self._constrained] = 0.0  # iterates satisfy the boundary values
        f.array[:] = b[: self.owned]

    def _evaluate_jacobian(self, snes: Any, x: Any, A: Any, P: Any) -> None:
        self._take(x)
        self.trouble = self.update_laws(tangent=True) or self.trouble
        self.assemble_jacobian()

    def _monitor(self, iteration: int, norm: float) -> None:
        self._norms.append(float(norm))
        self.on_iteration(iteration, float(norm))

    # ---- solving ---------------------------------------------------------------------------------------------------------

    def boundary_values(self) -> np.ndarray:
        """Present Dirichlet values in an array over all local degrees of freedom, the solution elsewhere."""
        values = self.u.x.array.copy()
        for bc in self.bcs:
            bc.set(values)
        return values

    def solve(self, target: np.ndarray, part: float) -> tuple[Trouble | None, int, tuple[float, ...]]:
        """Solve with the boundary values of ``target``.

        Parameters
        ----------
        target : array
            Values that the constrained entries have to take (other entries are ignored).
        part : float
            Part of the way from the present values to those of the boundary conditions that ``target`` is.

        Returns
        -------
        trouble, iterations, norms
            None where it converged; the iterations include the first, which moves the boundary.
        """
        self._norms: list[float] = []
        moved = self._move_boundary(target, part)
        if isinstance(moved, Trouble):
            return moved, 0, ()
        self._x.array[:] = self.u.x.array[: self.owned]
        rtol, atol, stol, most = self._tolerances
        self.snes.setTolerances(rtol=rtol, atol=max(atol, rtol * self._largest_force), stol=stol, max_it=most)
        self.snes.solve(None, self._x)
        self._take(self._x)
        reason = self.snes.getConvergedReason()
        iterations = self.snes.getIterationNumber() + int(moved)
        if reason > 0:
            return None, iterations, tuple(self._norms)
        return self._name(reason), iterations, tuple(self._norms)

    def _name(self, reason: int) -> Trouble:
        if self.trouble is not None:
            return self.trouble
        names = {value: name for name, value in vars(PETSc.SNES.ConvergedReason).items() if isinstance(value, int)}
        linear = reason == PETSc.SNES.ConvergedReason.DIVERGED_LINEAR_SOLVE
        return Trouble(Outcome.LINEAR_SOLVER if linear else Outcome.DIVERGED, f"PETSc says {names.get(reason, reason)}")

    def _move_boundary(self, target: np.ndarray, part: float) -> bool | Trouble:
        """Take the first Newton iteration, a linear solve that moves the boundary to its target; False where it is there."""
        trouble = self.update_laws(tangent=False)
        if trouble is not None:
            return trouble
        change = target[self._constrained] - self.u.x.array[self._constrained]
        still = not self._any(bool(change.any()))
        b = self.assemble_residual()
        force = self._norm(b)
        if not still:
            trouble = self.update_laws(tangent=True)
            if trouble is not None:
                return trouble
            self._lift(b, part)
            force = max(force, self._norm(b))
        self._largest_force = max(self._largest_force, force)
        return False if still else self._linear_step(b, target)

    def _lift(self, b: np.ndarray, part: float) -> None:
        b = self._work.array
        b[self.owned :] = 0.0
        fem.apply_lifting(b, [self.jacobian], [self.bcs], x0=[self.u.x.array], alpha=-part)
        self._work.scatter_reverse(la.InsertMode.add)
        b[self._constrained] = 0.0

    def _linear_step(self, b: np.ndarray, target: np.ndarray) -> bool | Trouble:
        self._norms.append(self._norm(b))
        self.assemble_jacobian()
        ksp = self.snes.getKSP()
        ksp.setOperators(self.A)
        self._f.array[:] = -b[: self.owned]
        ksp.solve(self._f, self._x)
        if ksp.getConvergedReason() < 0 or self._any(not np.isfinite(self._x.array).all()):
            return Trouble(Outcome.LINEAR_SOLVER, f"the linear solver stopped with reason {ksp.getConvergedReason()}")
        self.u.x.array[: self.owned] += self._x.array
        self.u.x.array[self._constrained] = target[self._constrained]
        self.u.x.scatter_forward()
        return True

    def _norm(self, b: np.ndarray) -> float:
        local = float(np.dot(b[: self.owned], b[: self.owned]))
        return float(np.sqrt(self.comm.allreduce(local, op=MPI.SUM)))

    def _any(self, here: bool) -> bool:
        return bool(self.comm.allreduce(int(here), op=MPI.MAX))


def _code(faults: Faults) -> tuple[int, str, float]:
    kind = 1 if faults.inverted else 2 if faults.not_finite else 3 if faults.outside else 0
    return kind, faults.worst, faults.badness


def agree_on_faults(comm: Any, faults: Faults) -> Trouble | None:
    """What went wrong at any point of any rank; collective."""
    return agree(comm, _code(faults))


def agree(comm: Any, fault: tuple[int, str, float], *, interrupted: bool = False) -> Trouble | None:
    """Reduce the ranks' faults (kind, text, badness) to the worst: the same answer on all of them."""
    worst = np.array([fault[0], float(interrupted)])
    comm.Allreduce(MPI.IN_PLACE, worst, op=MPI.MAX)
    if worst[1]:
        return Trouble(Outcome.INTERRUPTED, "interrupted")
    if not worst[0]:
        return None
    texts = comm.allgather((fault[0], fault[2], fault[1]))
    kind, _, text = max((entry for entry in texts if entry[0] == worst[0]), key=lambda entry: entry[1])
    return Trouble(Outcome.FAILED if kind == RAISED else _KINDS[kind - 1], text)


def set_function_domain_error(snes: Any) -> None:
    """Tell a SNES, on all ranks, that the residual is not defined at its iterate."""
    if hasattr(snes, "setFunctionDomainError"):
        snes.setFunctionDomainError()
        return
    library = ctypes.CDLL(PETSc.__file__)  # petsc4py up to 3.22 lacks the call, the PETSc it is linked to has it
    library.SNESSetFunctionDomainError.argtypes = [ctypes.c_void_p]
    library.SNESSetFunctionDomainError(ctypes.c_void_p(snes.handle))


def _attach_rigid_motions(A: Any, u: Any) -> None:
    """Give algebraic multigrid the rigid motions of a displacement that is the whole unknown."""
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


def _orthonormalise(vectors: list[Any]) -> None:
    for k, vector in enumerate(vectors):
        for other in vectors[:k]:
            vector.axpy(-vector.dot(other), other)
        vector.normalize()
