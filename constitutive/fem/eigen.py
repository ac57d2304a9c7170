"""Symmetric eigenvalue problems of a stiffness matrix, by SLEPc."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeAlias

import numpy as np
from dolfinx import fem
from petsc4py import PETSc

from constitutive.errors import DependencyError, SolveError
from constitutive.fem.load_path import at_load, require_law
from constitutive.fem.newton import Newton
from constitutive.fem.problem import Problem

try:
    from slepc4py import SLEPc
except ImportError:
    SLEPc = None

Pairs: TypeAlias = tuple[np.ndarray, list[fem.Function], np.ndarray]
SYMMETRIC = 1e-9  # relative asymmetry of a stiffness that counts as none
TOLERANCE = 1e-12  # of eigenvalues, relative
WORST = 1e-6  # relative error of a pair that is accepted


@contextmanager
def stiffness(problem: Problem) -> Iterator[PETSc.Mat]:
    """Assemble the stiffness at the present state, with identity rows and columns at supports, and require its symmetry; collective.

    Parameters
    ----------
    problem : Problem

    Yields
    ------
    PETSc.Mat
        The problem's own Jacobian.

    Raises
    ------
    SolveError
        A law fails here, or the stiffness is not symmetric.
    """
    problem.newton.require_matrix("modes and buckling")
    with at_load(problem.loading):
        require_law(problem.newton, tangent=True)
        problem.newton.assemble_jacobian()
        _require_symmetry(problem.newton.A)
        yield problem.newton.A


def _require_symmetry(A: PETSc.Mat) -> None:
    x, y = A.createVecRight(), A.createVecRight()
    begin, end = x.getOwnershipRange()
    for vector, frequency in ((x, 0.7), (y, 1.3)):
        vector.array[:] = np.cos(frequency * np.arange(begin, end) ** 1.1)
    Ax, Ay = A.createVecLeft(), A.createVecLeft()
    A.mult(x, Ax)
    A.mult(y, Ay)
    off, size = abs(y.dot(Ax) - x.dot(Ay)), Ax.norm() * y.norm() + Ay.norm() * x.norm()
    for vector in (x, y, Ax, Ay):
        vector.destroy()
    if off > SYMMETRIC * size:
        raise SolveError(
            f"the stiffness is not symmetric ({off / size:.1e}), as with loads that follow the body: modes and buckling are "
            "those of conservative loads here"
        )


def make_solver(A: PETSc.Mat, B: PETSc.Mat | None, n: int) -> SLEPc.EPS:
    """Prepare a solver of A x = λ B x with B positive (semi-)definite; factors are Cholesky's by MUMPS where PETSc has it.

    Parameters
    ----------
    A, B : PETSc.Mat
    n : int
        Pairs wanted.

    Returns
    -------
    SLEPc.EPS

    Raises
    ------
    DependencyError
        slepc4py is missing.
    """
    if SLEPc is None:
        raise DependencyError("eigenvalues need slepc4py: `apt install python3-slepc4py`, or `conda install -c conda-forge slepc4py`")
    solver = SLEPc.EPS().create(A.comm)
    solver.setOperators(A, B)
    solver.setProblemType(SLEPc.EPS.ProblemType.HEP if B is None else SLEPc.EPS.ProblemType.GHEP)
    solver.setDimensions(n, min(A.getSize()[0], max(2 * n + 10, 20)))
    solver.setTolerances(TOLERANCE, 300)
    ksp = solver.getST().getKSP()
    ksp.setType("preonly")
    ksp.getPC().setType("lu")
    if PETSc.Sys.hasExternalPackage("mumps"):
        ksp.getPC().setFactorSolverType("mumps")
    return solver


def solve_pairs(solver: SLEPc.EPS, newton: Newton, n: int) -> Pairs:
    """Solve for eigenpairs in the solver's order, and destroy the solver; collective.

    Parameters
    ----------
    solver : SLEPc.EPS
    newton : Newton
        Gives the space of the vectors.
    n : int
        Pairs wanted.

    Returns
    -------
    values, vectors, errors
        Relative errors of the residuals, as SLEPc computes them.

    Raises
    ------
    SolveError
        Fewer pairs converged, or the factorisation failed.
    """
    try:
        solver.solve()
    except PETSc.Error as error:
        solver.destroy()
        raise SolveError(
            f"the eigensolver failed (PETSc error {error.ierr}): check that rigid motions are held and the state is stable"
        ) from error
    found = solver.getConverged()
    if found < n:
        solver.destroy()
        raise SolveError(f"{found} of {n} eigenvalues converged: ask for fewer, or refine the mesh")
    values, vectors, errors = np.zeros(found), [], np.zeros(found)
    space, owned = newton.u.function_space, newton.owned
    x = solver.getOperators()[0].createVecRight()
    for k in range(found):
        values[k] = solver.getEigenpair(k, x).real
        errors[k] = solver.computeError(k)
        vector = fem.Function(space, name=f"mode_{k + 1}")
        vector.x.array[:owned] = newton.whole_values(x.array)
        vector.x.scatter_forward()
        vectors.append(vector)
    x.destroy()
    solver.destroy()
    return values, vectors, errors


def clear_supports(problem: Problem, matrix: PETSc.Mat, diagonal: float = 0.0) -> None:
    """Set rows and columns of supports to zero, their diagonal to a value; collective.

    Parameters
    ----------
    problem : Problem
    matrix : PETSc.Mat
    diagonal : float
    """
    held = problem.newton.constrained_and_owned
    size = problem.u.function_space.dofmap.index_map.local_range[0] * problem.u.function_space.dofmap.index_map_bs
    matrix.setOption(PETSc.Mat.Option.KEEP_NONZERO_PATTERN, True)
    matrix.zeroRowsColumns((held + size).astype(PETSc.IntType), diagonal)
