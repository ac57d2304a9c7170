r"""Natural frequencies at rest and under load, and critical loads, by SLEPc.

With the stiffness K at the present state of a problem (the derivative of its residual, stresses included) and the mass matrix M,
modes satisfy :math:`K \phi = \omega^2 M \phi`. They are found by shift-invert: K − σM is factored, with σ a little below zero, so
that bodies that are free to move have their rigid motions at zero frequency.

Along the load path u(t) the stiffness is :math:`K(t_0 + \lambda) = K + \lambda K' + \dots`, with K' its derivative along the path's
tangent: displacement, loads and boundary values. The body buckles near :math:`t_0 + \lambda` with :math:`(K + \lambda K')\phi = 0`,
solved as :math:`-K'\phi = \mu K\phi`, :math:`\mu = 1/\lambda`; K is factored. At rest this is linear buckling (Bathe, Finite Element
Procedures, 2nd ed., sec. 6.8.2), here with the change of the stiffness by displacements as well as by stresses; from a state closer
to the critical load it is closer to the exact one. With an electric potential K is indefinite: a voltage may be the load, and the body
buckles where the tangent of displacement and potential together is singular.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from dolfinx import fem
from mpi4py import MPI
from petsc4py import PETSc

from constitutive.errors import SolveError
from constitutive.fem.coupled_newton import CoupledNewton
from constitutive.fem.eigen import Pairs, SLEPc, clear_supports, make_solver, solve_pairs, stiffness
from constitutive.fem.electrodes import part_of
from constitutive.fem.inertia import Density, density_field, displacement_of, mass_matrix
from constitutive.fem.load_path import path_tangent, require_law
from constitutive.fem.problem import Problem

BELOW_ZERO = 1e-2  # of the shift, in units of an estimate of the lowest eigenvalue of a held body
LARGEST_STEP = 1e-3  # strain of the differences that give the change of the stiffness along the path
ABOVE = 1.05  # the shift for an indefinite stiffness, of the largest 1/λ
NEGLIGIBLE = 1e-10  # of the largest 1/λ


@dataclass(frozen=True)
class Modes:
    r"""Natural modes about a state.

    Attributes
    ----------
    frequencies : array (n,)
        In hertz, in increasing order. A negative one is that of a motion which grows by exp(2π|f|t): the state is unstable.
    shapes : tuple of Function
        Mode shapes, zero at supports, with :math:`\phi^T M \phi = 1`.
    residuals : array (n,)
        Relative error of each pair, |Kφ − ω²Mφ| in SLEPc's norm.
    """

    frequencies: np.ndarray
    shapes: tuple[fem.Function, ...] = field(repr=False)
    residuals: np.ndarray = field(repr=False)


@dataclass(frozen=True)
class Buckling:
    """Loads at which a body buckles.

    Attributes
    ----------
    load_factors : array (n,)
        Parts of the full load, in increasing order; all above the present load.
    shapes : tuple of Function
        Shapes, with the largest component 1.
    residuals : array (n,)
        Relative error of each pair.
    """

    load_factors: np.ndarray
    shapes: tuple[fem.Function, ...] = field(repr=False)
    residuals: np.ndarray = field(repr=False)


def modes(
    problem: Problem,
    n: int,
    *,
    density: Density | None = None,
    length_unit: str = "mm",
    unit: str | None = None,
    shift: float | None = None,
) -> Modes:
    """Natural frequencies and mode shapes about the present state of a problem; collective.

    Before ``problem.solve`` these are the modes of the undeformed body, after it those under the load (prestressed). Supports are held.

    Parameters
    ----------
    problem : Problem
    n : int
        Number of modes, the lowest.
    density : float, Constant or Function, optional
        In kg/m³ of the reference configuration; by default that of each crystal's structure.
    length_unit : {"m", "cm", "mm", "um", "nm"}
        Of the mesh.
    unit : {"GPa", "MPa", "kPa", "Pa"}, optional
        Of stress, where the form has no law to state it.
    shift : float, optional
        Frequency in hertz about which modes are sought, instead of the lowest.

    Returns
    -------
    Modes

    Raises
    ------
    SolveError
        The law fails at this state, the stiffness is not symmetric (loads that follow the body), there are fewer modes, or the eigensolver
        fails.
    MaterialError
        No density is given and a material has no structure.
    """
    _check_number(problem, n)
    if shift is not None and not (np.isfinite(shift) and shift >= 0):
        raise SolveError(f"shift={shift}: it is a frequency in hertz, zero or more")
    M = mass_matrix(problem, density_field(problem, density, unit=unit, length_unit=length_unit))
    clear_supports(problem, M)
    M = problem.newton.of_solver(M)
    with stiffness(problem) as K:
        solver = make_solver(K, M, n)
        solver.setTarget(-_below_zero(problem.mesh.geometry.dim, K, M) if shift is None else (2 * np.pi * shift) ** 2)
        solver.setWhichEigenpairs(SLEPc.EPS.Which.TARGET_MAGNITUDE)
        solver.getST().setType("sinvert")
        values, shapes, residuals = solve_pairs(solver, problem.newton, n)
    M.destroy()
    order = np.argsort(values[:n])
    frequencies = np.sign(values) * np.sqrt(np.abs(values)) / (2 * np.pi)
    return Modes(frequencies[order], tuple(shapes[k] for k in order), residuals[order])


def _below_zero(dimension: int, K: PETSc.Mat, M: PETSc.Mat) -> float:
    """Part of an estimate of the lowest eigenvalue of a body held somewhere: (c/L)², with c/h from the traces and h/L from their number."""
    k, m = K.getDiagonal(), M.getDiagonal()
    moving = m.array > 0  # neither supports nor potentials
    parts = np.array([k.array[moving].sum(), m.array.sum(), moving.sum()])
    trace_k, trace_m, free = K.comm.tompi4py().allreduce(parts, op=MPI.SUM)
    return float(BELOW_ZERO * abs(trace_k) / trace_m * free ** (-2 / dimension))


def buckling(problem: Problem, n: int = 1) -> Buckling:
    """Loads at which a body buckles, by the stiffness and its change along the load path at the present state; collective.

    Before ``problem.solve`` this is linear buckling under the problem's loads and boundary values. After a solve of a smaller load the
    estimate includes the deformation so far.

    Parameters
    ----------
    problem : Problem
    n : int
        Number of loads, the lowest above the present one.

    Returns
    -------
    Buckling

    Raises
    ------
    SolveError
        There is no load, none of this direction buckles the body, it has buckled already, the stiffness is not symmetric, or the
        eigensolver fails.
    """
    _check_number(problem, n)
    with stiffness(problem) as K:
        change = _minus_change(problem, path_tangent(problem.loading))
        clear_supports(problem, change)
        if isinstance(problem.newton, CoupledNewton):
            values, shapes, residuals = _of_indefinite(problem, change, K, n)
        else:
            solver = make_solver(change, K, n)
            solver.setWhichEigenpairs(SLEPc.EPS.Which.LARGEST_REAL)
            values, shapes, residuals = solve_pairs(solver, problem.newton, 1)
        change.destroy()
    good = [k for k in np.argsort(-values) if values[k] > NEGLIGIBLE * np.abs(values).max()][:n]
    if not good:
        raise SolveError("no load in this direction buckles the body; change the sign of the loads for the other direction")
    for k in good:
        _scale_to_one(shapes[k])
    return Buckling(problem.load + 1 / values[good], tuple(shapes[k] for k in good), residuals[good])


def critical_shape(problem: Problem) -> fem.Function:
    """Shape in which the present state is nearest to losing its stability: the null vector of the stiffness at a bifurcation; collective.

    Parameters
    ----------
    problem : Problem
        At a state near the bifurcation.

    Returns
    -------
    Function
        With the largest component 1, zero at supports.

    Raises
    ------
    SolveError
        The stiffness is not symmetric, or the eigensolver fails.
    """
    problem.newton.require_plain("the critical shape")
    M = mass_matrix(problem, fem.Constant(problem.mesh, 1.0))
    clear_supports(problem, M)
    with stiffness(problem) as K:
        solver = make_solver(K, M, 1)
        solver.setTarget(0.0)
        solver.setWhichEigenpairs(SLEPc.EPS.Which.TARGET_MAGNITUDE)
        solver.getST().setType("sinvert")
        _, shapes, _ = solve_pairs(solver, problem.newton, 1)
    M.destroy()
    _scale_to_one(shapes[0])
    return shapes[0]


def _minus_change(problem: Problem, tangent: np.ndarray) -> PETSc.Mat:
    """Minus the derivative of the stiffness along the path, by central differences; the problem's Jacobian is left at the present state."""
    newton, u, factor = problem.newton, problem.u, problem.load_factor
    present, load = u.x.array.copy(), float(factor.value)
    step = LARGEST_STEP / _largest_gradient(problem, tangent)
    behind = newton.A.duplicate(copy=False)
    for sign in (-1.0, 1.0, 0.0):
        u.x.array[:] = present + sign * step * tangent
        factor.value = load + sign * step
        require_law(problem.newton, tangent=True)
        newton.assemble_jacobian()
        if sign:
            behind.axpy(-sign / (2 * step), newton.A, structure=PETSc.Mat.Structure.SAME_NONZERO_PATTERN)
    return behind


def _of_indefinite(problem: Problem, change: PETSc.Mat, K: PETSc.Mat, n: int) -> Pairs:
    """Pairs of −K' φ = μ K φ with an indefinite K, as a potential makes it; the largest μ > 0 are among them, where there are any.

    They are those of the largest size of either sign; where fewer than n of these are positive, those nearest to a shift above all.
    """
    solver = make_solver(change, K, n)
    solver.setProblemType(SLEPc.EPS.ProblemType.GNHEP)
    solver.setWhichEigenpairs(SLEPc.EPS.Which.LARGEST_MAGNITUDE)
    pairs = solve_pairs(solver, problem.newton, n)
    if (pairs[0] > 0).sum() >= n:
        return pairs
    largest = float(np.abs(pairs[0]).max())
    solver = make_solver(change, K, n)
    solver.setProblemType(SLEPc.EPS.ProblemType.GNHEP)
    solver.setTarget(ABOVE * largest)
    solver.setWhichEigenpairs(SLEPc.EPS.Which.TARGET_MAGNITUDE)
    solver.getST().setType("sinvert")
    solver.setConvergenceTest(SLEPc.EPS.Conv.ABS)
    solver.setTolerances(NEGLIGIBLE * largest, 100)
    try:
        return solve_pairs(solver, problem.newton, 1)
    except SolveError:  # nothing above zero to which it would converge
        return pairs


def _largest_gradient(problem: Problem, tangent: np.ndarray) -> float:
    """Largest gradient that a change of the unknown brings, of displacements or of the potential in GV/m, by differences within cells."""
    space = problem.u.function_space
    size = space.dofmap.index_map_bs
    moved = part_of(problem.u, displacement_of(problem)) if space.num_sub_spaces and size == 1 else None
    parts = [(space, 1.0)] if moved is None else [(moved.sub(k), 1.0) for k in range(moved.num_sub_spaces)]
    parts += problem.newton.potentials
    dofs = space.dofmap.list
    values = [tangent.reshape(-1, size)[part.dofmap.list] / unit for part, unit in parts]
    spans = [(value.max(axis=1) - value.min(axis=1)).max(axis=1) for value in values] if len(dofs) else [np.zeros(1)]
    span = np.max(spans, axis=0)
    cells = np.arange(len(dofs), dtype=np.int32)
    h = problem.mesh.h(problem.mesh.topology.dim, cells) if len(dofs) else np.ones(1)
    return max(float(problem.mesh.comm.allreduce(float((span / h).max()), op=MPI.MAX)), 1e-300)


def _scale_to_one(shape: fem.Function) -> None:
    values = shape.x.array
    here = float(values[np.abs(values).argmax()]) if len(values) else 0.0
    extremes = shape.function_space.mesh.comm.allgather(here)
    values /= max(extremes, key=abs)


def _free(problem: Problem) -> int:
    newton = problem.newton
    return int(newton.comm.allreduce(newton.owned - len(newton.constrained_and_owned), op=MPI.SUM))


def _check_number(problem: Problem, n: int) -> None:
    free = _free(problem)
    if not 1 <= n <= free:
        raise SolveError(f"n={n}: it is between 1 and {free}, the number of free unknowns")
