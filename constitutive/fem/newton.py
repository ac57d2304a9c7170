"""Newton's method for forms with a law in them: PETSc's SNES, and callbacks that evaluate the law.

A residual evaluates the stress only, a Jacobian the tangent too. Boundary values move in the first iteration, which
is a full linear solve with the values' change lifted to the right-hand side; after it the iterates satisfy them
exactly, so that no later residual needs the tangent. Whatever fails on one rank is agreed on by all before any rank
leaves a callback.

Unless the options choose a solver of PETSc, Newton steps are taken in full and halved only where their end has J ≤ 0, is not
finite or outside a domain that raises; a load step that fails so twice is tried with a backtracking line search too.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TypeAlias

import numpy as np
from dolfinx import fem, la
from dolfinx.fem import petsc as fem_petsc
from mpi4py import MPI
from petsc4py import PETSc

from constitutive.fem.faults import Trouble, agree_on_faults, evaluated
from constitutive.fem.linear_terms import LinearTerms
from constitutive.fem.outcome import Outcome
from constitutive.fem.rigid_motions import attach_rigid_motions
from constitutive.fem.user_material import UserMaterial

PetscOptions: TypeAlias = Mapping[str, str | int | float | bool | None]
DEFAULTS: PetscOptions = {
    "snes_type": "newtonls",
    "snes_rtol": 1e-9,
    "snes_max_it": 25,
    "ksp_type": "preonly",
    "pc_type": "lu",
}
FULL_STEPS: PetscOptions = {"snes_linesearch_type": "basic", "snes_divergence_tolerance": 1e12}
BACKTRACKING: PetscOptions = {"snes_linesearch_type": "bt"}
HALVINGS = 8  # of a Newton step that leads where the law fails


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
        self,
        residual: fem.Form,
        jacobian: fem.Form,
        u: fem.Function,
        bcs: Sequence[fem.DirichletBC],
        laws: Sequence[UserMaterial],
        options: PetscOptions,
    ) -> None:
        self.residual, self.jacobian, self.u, self.bcs, self.laws = residual, jacobian, u, list(bcs), list(laws)
        self.comm = u.function_space.mesh.comm
        self.trouble: Trouble | None = None
        self.interrupted: Callable[[], bool] = lambda: False
        self.on_iteration: Callable[[int, float], None] = lambda iteration, norm: None
        self.held_back: np.ndarray | None = None  # force (owned) that the load has not taken on yet, see load_steps
        self.linear: LinearTerms | None = None  # of a time step, see dynamics
        self._largest_force = 0.0
        self._work = la.vector(u.function_space.dofmap.index_map, u.function_space.dofmap.index_map_bs)
        self._constrained = self._constrained_dofs()
        self.A = self._make_matrix()
        attach_rigid_motions(self.A, u)
        self._options = {**DEFAULTS, **options}
        self._f, self._x = self.A.createVecLeft(), self.A.createVecRight()
        self._guarded = not {"snes_linesearch_type", "snes_type"} & set(options)
        self._backtracking: PETSc.SNES | None = None
        self.snes = self._make_snes({**FULL_STEPS, **self._options} if self._guarded else self._options)
        if self._guarded:
            self.snes.setLineSearchPreCheck(self._shorten)
        self._tolerances = self.snes.getTolerances()

    # ---- set-up ----------------------------------------------------------------------------------------------------------

    def _make_matrix(self) -> PETSc.Mat:
        return fem_petsc.create_matrix(self.jacobian)

    def _constrained_dofs(self) -> np.ndarray:
        dofs = [bc.dof_indices()[0] for bc in self.bcs]
        return np.unique(np.concatenate(dofs)) if dofs else np.zeros(0, dtype=np.int32)

    @property
    def constrained(self) -> np.ndarray:
        """Local degrees of freedom with Dirichlet values, ghosts included."""
        return self._constrained

    @property
    def constrained_and_owned(self) -> np.ndarray:
        """Degrees of freedom with Dirichlet values that this rank owns."""
        return self._constrained[self._constrained < self.owned]

    @property
    def owned(self) -> int:
        """Degrees of freedom that this rank owns."""
        dofmap = self.u.function_space.dofmap
        return dofmap.index_map.size_local * dofmap.index_map_bs

    def _make_snes(self, options: PetscOptions) -> PETSc.SNES:
        snes = PETSc.SNES().create(self.comm)
        snes.setFunction(self._evaluate_residual, self._f)
        snes.setJacobian(self._evaluate_jacobian, self.A)
        snes.setMonitor(lambda _snes, iteration, norm: self._monitor(iteration, norm))
        prefix = f"constitutive_{id(snes):x}_"
        snes.setOptionsPrefix(prefix)
        store = PETSc.Options()
        store.prefixPush(prefix)
        for name, value in options.items():
            store.setValue(name, value)
        snes.setFromOptions()
        snes.getKSP().setFromOptions()
        several = self.comm.size > 1 or (self.u.function_space.num_sub_spaces > 0 and self.u.function_space.dofmap.index_map_bs == 1)
        if several and options["pc_type"] in ("lu", "cholesky") and "pc_factor_mat_solver_type" not in options:
            snes.getKSP().getPC().setFactorSolverType("mumps")
        for name in options:
            store.delValue(name)
        store.prefixPop()
        return snes

    def destroy(self) -> None:
        """Free PETSc's objects; collective."""
        for thing in (self.snes, self._backtracking, self.A, self._f, self._x):
            if thing is not None:
                thing.destroy()

    # ---- evaluation ------------------------------------------------------------------------------------------------------

    def update_laws(self, *, tangent: bool) -> Trouble | None:
        """Evaluate the laws on this rank and agree with the others on what failed; collective.

        Parameters
        ----------
        tangent : bool
            Evaluate the tangents as well.

        Returns
        -------
        Trouble or None
            The same on all ranks; None where all points are well.
        """
        faults = evaluated([partial(law.update, tangent=tangent) for law in self.laws], self.comm.rank)
        return agree_on_faults(self.comm, faults, interrupted=self.interrupted())

    def assemble_residual(self) -> np.ndarray:
        """R(u) with the laws as they stand, boundary rows included; owned entries are summed over ranks.

        Returns
        -------
        array
            Local entries of the residual, in the law's unit times length squared.
        """
        b = self._work
        b.array[:] = 0.0
        fem.assemble_vector(b.array, self.residual)
        b.scatter_reverse(la.InsertMode.add)
        if self.held_back is not None:
            b.array[: self.owned] -= self.held_back
        if self.linear is not None:
            b.array[: self.owned] += self.linear.times(self.u.x.array[: self.owned]) + self.linear.constant
        return b.array

    def assemble_jacobian(self) -> None:
        """Assemble the matrix with the laws as they stand; boundary rows and columns are those of the identity."""
        self.A.zeroEntries()
        fem_petsc.assemble_matrix(self.A, self.jacobian, self.bcs)
        self.A.assemble()
        if self.linear is not None:
            self.linear.add_to(self.A)

    def assemble_whole_jacobian(self) -> PETSc.Mat:
        """The stiffness over all degrees of freedom, supports too, with the laws as they stand; collective.

        Returns
        -------
        PETSc.Mat
        """
        whole = self.pattern.duplicate(copy=False)
        fem_petsc.assemble_matrix(whole, self.jacobian)
        whole.assemble()
        return whole

    @property
    def pattern(self) -> PETSc.Mat:
        """A matrix with the sparsity of the assembled Jacobian over all degrees of freedom."""
        return self.A

    def of_solver(self, whole: PETSc.Mat) -> PETSc.Mat:
        """A symmetric matrix over all degrees of freedom as one of the solver's unknowns: the same here.

        Parameters
        ----------
        whole : PETSc.Mat
            Zero at supports.

        Returns
        -------
        PETSc.Mat
        """
        return whole

    def whole_values(self, x: np.ndarray) -> np.ndarray:
        """Owned values of all degrees of freedom of the solver's unknowns: the same here.

        Parameters
        ----------
        x : array
            Owned.

        Returns
        -------
        array
        """
        return x

    def reduced_force(self, force: np.ndarray) -> np.ndarray:
        """Owned force on the solver's unknowns of one on all degrees of freedom.

        Parameters
        ----------
        force : array
            Owned.

        Returns
        -------
        array
        """
        return self._force(force).copy()

    @property
    def potentials(self) -> list[tuple[fem.FunctionSpace, float]]:
        """Spaces of electric potentials in the unknown, each with the potential whose slope over a unit of length is 1 GV/m; none here."""
        return []

    def reduced_values(self, values: np.ndarray) -> np.ndarray:
        """Owned values of the solver's unknowns of those of all degrees of freedom.

        Parameters
        ----------
        values : array
            Owned.

        Returns
        -------
        array
        """
        return values

    def require_plain(self, what: str) -> None:
        """Require that the solver's unknowns are the degrees of freedom themselves.

        Parameters
        ----------
        what : str
            What needs it, for the message.
        """

    def require_movable(self) -> None:
        """Require that the body can move in time."""

    def require_matrix(self, what: str) -> None:
        """Require that the tangent is assembled as a matrix.

        Parameters
        ----------
        what : str
            What needs it, for the message.
        """

    def _set(self, values: np.ndarray) -> None:
        """Set the unknown to the solver's owned values."""
        self.u.x.array[: self.owned] = values
        self.u.x.scatter_forward()

    def _values(self) -> np.ndarray:
        """The solver's owned values of the unknown."""
        return self.u.x.array[: self.owned]

    def _force(self, b: np.ndarray) -> np.ndarray:
        """The solver's owned residual of an assembled one."""
        return b[: self.owned]

    def _take(self, x: PETSc.Vec) -> None:
        self._set(x.getArray(readonly=True))

    def _evaluate_residual(self, snes: PETSc.SNES, x: PETSc.Vec, f: PETSc.Vec) -> None:
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
        f.array[:] = self._force(b)

    def _evaluate_jacobian(self, snes: PETSc.SNES, x: PETSc.Vec, A: PETSc.Mat, P: PETSc.Mat) -> None:
        self._take(x)
        self.trouble = self.update_laws(tangent=True) or self.trouble
        self.assemble_jacobian()

    def _shorten(self, x: PETSc.Vec, step: PETSc.Vec) -> bool:
        """Halve a Newton step until the law can be evaluated at its end: J > 0, finite, and inside a domain that raises.

        Nothing else shortens it: in bending the residual of a full step rises by orders of magnitude before it falls, so that
        a search for less residual or less energy crawls.
        """
        start, change = x.getArray(readonly=True).copy(), step.getArray(readonly=True).copy()
        for halvings in range(HALVINGS + 1):
            self._set(start - 0.5**halvings * change)
            trouble = self._trouble_here()
            if trouble is None or trouble.outcome not in (Outcome.INVERTED, Outcome.NOT_FINITE, Outcome.OUTSIDE_DOMAIN):
                break
        if trouble is not None or not halvings:
            return False  # nowhere along the step: the evaluation that follows says so
        step.array[:] = 0.5**halvings * change
        return True

    def _trouble_here(self) -> Trouble | None:
        """What fails at the present iterate; a form without a law fails where its residual is not finite."""
        if self.laws:
            return self.update_laws(tangent=False)
        force = self._norm(self.assemble_residual())
        return None if np.isfinite(force) else Trouble(Outcome.NOT_FINITE, "the residual is not finite")

    def _monitor(self, iteration: int, norm: float) -> None:
        self._norms.append(float(norm))
        self.on_iteration(iteration, float(norm))

    # ---- solving ---------------------------------------------------------------------------------------------------------

    def boundary_values(self) -> np.ndarray:
        """Present Dirichlet values in an array over all local degrees of freedom, the solution elsewhere.

        Returns
        -------
        array
        """
        values = self.u.x.array.copy()
        for bc in self.bcs:
            bc.set(values)
        return values

    def may_backtrack(self, trouble: Trouble) -> bool:
        """Whether a backtracking line search is to be tried after a failed step.

        Parameters
        ----------
        trouble : Trouble
            Why the step failed.

        Returns
        -------
        bool
        """
        return self._guarded and trouble.outcome not in (Outcome.INTERRUPTED, Outcome.FAILED, Outcome.LINEAR_SOLVER)

    def _solver(self, *, backtracking: bool) -> PETSc.SNES:
        if not backtracking:
            return self.snes
        if self._backtracking is None:
            self._backtracking = self._make_snes({**self._options, **BACKTRACKING})
        return self._backtracking

    def solve(self, target: np.ndarray, part: float, *, backtracking: bool = False) -> tuple[Trouble | None, int, tuple[float, ...]]:
        """Solve with the boundary values of ``target``.

        Parameters
        ----------
        target : array
            Values that the constrained entries have to take (other entries are ignored).
        part : float
            Part of the way from the present values to those of the boundary conditions that ``target`` is.
        backtracking : bool
            Search along each step for less residual, instead of the full steps of the default.

        Returns
        -------
        trouble, iterations, norms
            None where it converged; the iterations include the first, which moves the boundary.
        """
        self._norms: list[float] = []
        moved = self._move_boundary(target, part)
        if isinstance(moved, Trouble):
            return moved, 0, ()
        self._x.array[:] = self._values()
        rtol, atol, stol, most = self._tolerances
        snes = self._solver(backtracking=backtracking)
        snes.setTolerances(rtol=rtol, atol=max(atol, rtol * self._largest_force), stol=stol, max_it=most)
        snes.solve(None, self._x)
        self._take(self._x)
        reason = snes.getConvergedReason()
        iterations = snes.getIterationNumber() + int(moved)
        if reason > 0:
            return None, iterations, tuple(self._norms)
        return self._name(reason), iterations, tuple(self._norms)

    def _name(self, reason: int) -> Trouble:
        if self.trouble is not None:
            return self.trouble
        names = {value: name for name, value in vars(PETSc.SNES.ConvergedReason).items() if isinstance(value, int)}
        linear = reason == PETSc.SNES.ConvergedReason.DIVERGED_LINEAR_SOLVE
        return Trouble(Outcome.LINEAR_SOLVER if linear else Outcome.DIVERGED, f"PETSc reports {names.get(reason, reason)}")

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
            self._lift(target, part)
            force = max(force, self._norm(b))
        self._largest_force = max(self._largest_force, force)
        return False if still else self._linear_step(b, target)

    def _lift(self, target: np.ndarray, part: float) -> None:
        """Add to the assembled residual what the boundary values' change brings."""
        b = self._work.array
        b[self.owned :] = 0.0
        fem.apply_lifting(b, [self.jacobian], [self.bcs], x0=[self.u.x.array], alpha=-part)
        self._work.scatter_reverse(la.InsertMode.add)
        if self.linear is not None:
            change, held = np.zeros(self.owned), self.constrained_and_owned
            change[held] = target[held] - self.u.x.array[held]
            b[: self.owned] += self.linear.times(change)
        b[self._constrained] = 0.0

    def _linear_step(self, b: np.ndarray, target: np.ndarray) -> bool | Trouble:
        self._norms.append(self._norm(b))
        self.assemble_jacobian()
        ksp = self.snes.getKSP()
        ksp.setOperators(self.A)
        self._f.array[:] = -self._force(b)
        ksp.solve(self._f, self._x)
        if ksp.getConvergedReason() < 0 or self._any(not np.isfinite(self._x.array).all()):
            return Trouble(Outcome.LINEAR_SOLVER, f"the linear solver stopped with reason {ksp.getConvergedReason()}")
        self._set(self._values() + self._x.array)
        self.u.x.array[self._constrained] = target[self._constrained]
        self.u.x.scatter_forward()
        return True

    def _norm(self, b: np.ndarray) -> float:
        force = self._force(b)
        local = float(np.dot(force, force))
        return float(np.sqrt(self.comm.allreduce(local, op=MPI.SUM)))

    def _any(self, here: bool) -> bool:
        return bool(self.comm.allreduce(int(here), op=MPI.MAX))


def set_function_domain_error(snes: PETSc.SNES) -> None:
    """Mark the residual as not defined at the iterate of a SNES; all ranks do it together.

    Parameters
    ----------
    snes : PETSc.SNES
    """
    if hasattr(snes, "setFunctionDomainError"):
        snes.setFunctionDomainError()
        return
    library = ctypes.CDLL(PETSc.__file__)  # petsc4py up to 3.22 lacks the call, the PETSc it is linked to has it
    library.SNESSetFunctionDomainError.argtypes = [ctypes.c_void_p]
    library.SNESSetFunctionDomainError(ctypes.c_void_p(snes.handle))
