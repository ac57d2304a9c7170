"""A boundary-value problem with crystals in it, solved in load steps that shrink and grow as needed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import ufl
from dolfinx import default_scalar_type, fem

from constitutive.errors import SolveError
from constitutive.fem import checkpoint as checkpoints
from constitutive.fem.collective import agreed
from constitutive.fem.coupled_material import CoupledMaterial
from constitutive.fem.coupled_newton import CoupledNewton
from constitutive.fem.coverage import require_covered, with_shared_tags
from constitutive.fem.electrodes import Electrode
from constitutive.fem.element_matrix import compile_jacobian
from constitutive.fem.faults import Trouble
from constitutive.fem.load_steps import Loading, LoadSteps
from constitutive.fem.loads import with_load_factor
from constitutive.fem.matrix_free import MatrixFreeNewton
from constitutive.fem.newton import Newton, PetscOptions
from constitutive.fem.outcome import Outcome, SolveResult, StepRecord
from constitutive.fem.path_control import Control, control_named
from constitutive.fem.path_steps import PathSteps
from constitutive.fem.progress import Interrupt, Progress
from constitutive.fem.reactions import Where, reaction_force
from constitutive.fem.tangent import add_tangents
from constitutive.fem.user_material import UserMaterial

SOLVERS: dict[str, PetscOptions] = {
    "direct": {},
    "matrix_free": {},
    "amg": {"ksp_type": "cg", "ksp_rtol": 1e-8, "ksp_max_it": 500, "pc_type": "gamg", "pc_gamg_threshold": 0.01},
}


class Problem:
    """Find u such that the form vanishes for every test function.

    Parameters
    ----------
    form : ufl.Form
        ``law.residual(v)`` with the user's other terms. Terms that hold neither the unknown nor a law are dead
        loads: they grow with the load factor, like the Dirichlet values. Everything else counts in full from the start.
    law : UserMaterial or sequence, optional
        The laws in the form; none for a purely native form.
    u : dolfinx.fem.Function, optional
        The unknown, where it is not simply the law's displacement (a mixed Function, a native form).
    bcs : sequence of DirichletBC
        Boundary conditions.
    jacobian : ufl.Form, optional
        Derivative of the form without the laws' tangents (``law.material_jacobian``), where ``ufl.derivative`` is
        not to be used.
    load_factor : dolfinx.fem.Constant, optional
        A Constant in the form that the solve takes from 0 to 1; dead loads are then left as they are written.
    solver : {"direct", "amg", "matrix_free"}
        Linear solver: a factorisation; conjugate gradients with algebraic multigrid (PETSc's GAMG, which gets the rigid motions), for
        large meshes and stable states; or conjugate gradients with the tangent's action only (``constitutive.fem.matrix_free``), where
        the matrix would not fit.
    petsc_options : dict, optional
        Any options of SNES, KSP and PC, without prefix. The defaults are Newton with a line search and a direct solver.
    electrodes : sequence of Electrode, optional
        Surfaces and metal bodies of one potential, given or unknown.
    ties : sequence of int array, optional
        Groups of degrees of freedom that share one value, such as those of opposite sides of a periodic cell: see ``equal_where``.

    Attributes
    ----------
    load : float
        Part of the load reached so far.
    newton : Newton
        PETSc's objects and the callbacks.
    loading : Loading
        The loads and the path to them.

    Raises
    ------
    SolveError
        The pieces don't fit.
    """

    def __init__(
        self,
        form: ufl.Form,
        law: UserMaterial | Sequence[UserMaterial] | None = None,
        *,
        u: fem.Function | None = None,
        bcs: Sequence[fem.DirichletBC] = (),
        jacobian: ufl.Form | None = None,
        load_factor: fem.Constant | None = None,
        solver: str = "direct",
        petsc_options: PetscOptions | None = None,
        electrodes: Sequence[Electrode] = (),
        ties: Sequence[np.ndarray] = (),
    ) -> None:
        self.laws = [law] if isinstance(law, UserMaterial) else list(law or ())
        unknown = u if u is not None else _unknown_of(self.laws)
        if not isinstance(unknown, fem.Function):
            raise SolveError("the unknown is not a Function: pass u=, the Function that the form is to be solved for")
        self.u = unknown
        self.mesh = self.u.function_space.mesh
        self.bcs = list(bcs)
        self._own_factor = load_factor is not None
        self.load_factor = load_factor if load_factor is not None else fem.Constant(self.mesh, default_scalar_type(1.0))
        self.form = form if load_factor is not None else with_load_factor(form, self.u, self.laws, self.load_factor)
        require_covered(form, self.u, self.laws)
        self._electrodes, self._ties = list(electrodes), list(ties)
        if solver not in SOLVERS:
            raise SolveError(f"solver={solver!r}: it is one of {', '.join(map(repr, SOLVERS))}; petsc_options= takes any other")
        self._matrix_free = solver == "matrix_free"
        self._compile(jacobian, {**SOLVERS[solver], **(petsc_options or {})})

    def _compile(self, jacobian: ufl.Form | None, options: PetscOptions) -> None:
        du = ufl.TrialFunction(self.u.function_space)
        J = ufl.derivative(self.form, self.u, du) if jacobian is None else jacobian
        J = add_tangents(J, self.form, self.laws, self.u, du)
        self._residual = fem.form(with_shared_tags(self.form))
        own = jacobian is None and not self._matrix_free
        self._jacobian = compile_jacobian(J, self.form, self.laws, self.u) if own else fem.form(with_shared_tags(J))
        self.newton = self._make_newton(options, J)
        loaded = isinstance(self.newton, CoupledNewton) and self.newton.loaded
        dead = loaded or (not self._own_factor and self.load_factor in self.form.constants())
        self.loading = Loading(self.newton, self.load_factor, own=self._own_factor, dead=dead)

    def _make_newton(self, options: PetscOptions, tangent: ufl.Form) -> Newton:
        coupled = any(isinstance(law, CoupledMaterial) for law in self.laws) or bool(self._electrodes) or bool(self._ties)
        if self._matrix_free:
            if coupled:
                raise SolveError("solver='matrix_free' takes neither potentials nor ties: take solver='direct'")
            return MatrixFreeNewton(self._residual, self._jacobian, tangent, self.u, self.bcs, self.laws, options)
        if not coupled:
            return Newton(self._residual, self._jacobian, self.u, self.bcs, self.laws, options)
        return CoupledNewton(
            self._residual,
            self._jacobian,
            self.u,
            self.bcs,
            self.laws,
            options,
            electrodes=self._electrodes,
            ties=self._ties,
            factor=self.load_factor,
        )

    @property
    def load(self) -> float:
        """Part of the load reached so far, 0 to 1."""
        return self.loading.load

    # ---- solving ---------------------------------------------------------------------------------------------------------

    def solve(
        self,
        *,
        steps: int = 1,
        control: str | Control = "load",
        ramp: Callable[[float], None] | None = None,
        smallest_step: float = 1e-4,
        progress: bool = False,
        checkpoint: str | Path | None = None,
        checkpoint_every: int = 1,
        on_step: Callable[[StepRecord], None] | None = None,
    ) -> SolveResult:
        """Load from the present state to the full load.

        Parameters
        ----------
        steps : int
            Steps of equal size to begin with. A step that fails is taken back, state and all, and tried with half
            the size; steps that converge quickly grow again.
        control : {"load", "arc_length"}, ArcLength, PointDisplacement or AlongShape
            What is prescribed in a step: the load, or along paths with limit points the length of the step or a displacement, with
            the load as an unknown (``constitutive.fem.path_control``). The first step of an arc length is that of ``1/steps`` of the load.
        ramp : callable, optional
            Called with the load in (0, 1] before each step, to set the user's own Constants and Functions; boundary
            values and loads are then taken as they stand. Without it both grow in proportion.
        smallest_step : float
            Part of the load below which a failing step is given up.
        progress : bool
            Show a line on rank 0.
        checkpoint : path, optional
            Folder to write the state to after every ``checkpoint_every`` steps, when the user interrupts, and at the
            end.
        checkpoint_every : int
            Steps from one checkpoint to the next.
        on_step : callable, optional
            Called after each converged step, on all ranks.

        Returns
        -------
        SolveResult
            The outcome by name; ``.require()`` turns a failure into an exception.

        Raises
        ------
        SolveError
            ``steps`` or ``smallest_step`` is out of range, or the unknown cannot be written to a checkpoint. A solve that does not
            converge raises nothing: its outcome says so.
        """
        if steps < 1 or not 0 < smallest_step <= 1:
            raise SolveError(f"steps={steps}, smallest_step={smallest_step}: needed are at least 1 step and a part of the load in (0, 1]")
        if checkpoint is not None:
            checkpoints.require_cells_everywhere(self.u)
        run = self._steps(control_named(control), steps, ramp, smallest_step)
        comm = self.mesh.comm
        with Interrupt(self.newton) as interrupt, self._progress(enabled=progress) as line:
            self.newton.on_iteration = line.iteration
            while not run.done and run.trouble is None:
                record = run.step()
                if record is None:
                    continue
                line.step(record)
                if checkpoint is not None and (len(run.records) % checkpoint_every == 0 or run.done):
                    checkpoints.write(self.u, self.load, checkpoint)
                if on_step is not None:
                    agreed(comm, partial(on_step, record))
                if interrupt.seen(comm) and not run.done:
                    run.trouble = Trouble(Outcome.INTERRUPTED, "interrupted")
            if checkpoint is not None and run.trouble is not None:
                checkpoints.write(self.u, self.load, checkpoint)
        return run.result()

    def _progress(self, *, enabled: bool) -> Progress:
        space, dim = self.u.function_space, self.mesh.topology.dim
        cells, unknowns = self.mesh.topology.index_map(dim).size_global, space.dofmap.index_map.size_global * space.dofmap.index_map_bs
        size = f"{cells:,} cells, {unknowns:,} unknowns, {self.mesh.comm.size} ranks"
        return Progress(self.mesh.comm, lambda: self.load, enabled=enabled, size=size)

    def _steps(self, control: Control | None, steps: int, ramp: Callable[[float], None] | None, smallest: float) -> LoadSteps | PathSteps:
        if control is not None:
            if ramp is not None:
                raise SolveError("ramp= sets loads by a load that is prescribed; along a path the load is an unknown: leave ramp out")
            return PathSteps(self.loading, control, steps, smallest)
        self.loading.begin(ramp)
        return LoadSteps(self.loading, 1.0 / steps, smallest)

    def restart(self, checkpoint: str | Path) -> float:
        """Take the state of a checkpoint, written on any number of ranks; the next ``solve`` goes on from its load.

        Parameters
        ----------
        checkpoint : path
            Folder that ``solve(checkpoint=…)`` wrote.

        Returns
        -------
        float
            Part of the load reached there.

        Raises
        ------
        SolveError
            There is no usable checkpoint, or it belongs to another mesh or element.
        """
        self.resume_at(checkpoints.read(self.u, checkpoint))
        return self.load

    def resume_at(self, load: float) -> None:
        """Count a part of the load as reached: the displacement is the solution there.

        Parameters
        ----------
        load : float
            Between 0 and 1.
        """
        self.loading.resume_at(load)

    # ---- results ---------------------------------------------------------------------------------------------------------

    def reaction(self, where: Where, tag: int | None = None) -> np.ndarray:
        """Force that the support exerts on the body, component by component; see ``constitutive.fem.reactions``; collective.

        Parameters
        ----------
        where : MeshTags of facets, DirichletBC, array of facets, or callable
            The boundary.
        tag : int, optional
            Of the facets, where MeshTags are given.

        Returns
        -------
        array (components,)
            In the law's unit times the mesh's length squared (per thickness in the plane), the same on all ranks.
        """
        return reaction_force(self.newton, where, tag)

    def charge(self, electrode: Electrode) -> float:
        """Charge on an electrode in coulombs (C per metre of thickness in the plane); collective.

        Parameters
        ----------
        electrode : Electrode
            One of the problem's.

        Returns
        -------
        float
            −∫ D₀·N over its surface, N out of the solid; the same on all ranks.
        """
        return self._coupled_newton().charge(electrode)

    def potential(self, electrode: Electrode) -> float:
        """Potential of an electrode in volts, given or found; collective.

        Parameters
        ----------
        electrode : Electrode
            One of the problem's.

        Returns
        -------
        float
            The same on all ranks.
        """
        return self._coupled_newton().potential(electrode)

    def _coupled_newton(self) -> CoupledNewton:
        if not isinstance(self.newton, CoupledNewton):
            raise SolveError("the problem has no electrodes: give electrodes=[…] and a law with phi=")
        return self.newton


def _unknown_of(laws: Sequence[UserMaterial]) -> object:
    """The Function of the first law's displacement: itself, or the mixed one that it is a part of in a coupled law."""
    if not laws:
        return None
    if not isinstance(laws[0], CoupledMaterial):
        return laws[0].u
    found = ufl.algorithms.extract_coefficients(ufl.as_ufl(laws[0].u))
    return found[0] if len(found) == 1 else laws[0].u


def solve(
    form: ufl.Form,
    law: UserMaterial | Sequence[UserMaterial] | None = None,
    *,
    steps: int = 1,
    progress: bool = False,
    u: fem.Function | None = None,
    bcs: Sequence[fem.DirichletBC] = (),
    jacobian: ufl.Form | None = None,
    load_factor: fem.Constant | None = None,
    petsc_options: PetscOptions | None = None,
) -> SolveResult:
    """Set up a ``Problem`` and solve it in one call.

    Parameters
    ----------
    form, law, u, bcs, jacobian, load_factor, petsc_options
        See ``Problem``.
    steps, progress
        See ``Problem.solve``.

    Returns
    -------
    SolveResult
        The outcome by name; ``.require()`` turns a failure into an exception.
    """
    problem = Problem(form, law, u=u, bcs=bcs, jacobian=jacobian, load_factor=load_factor, petsc_options=petsc_options)
    return problem.solve(steps=steps, progress=progress)
