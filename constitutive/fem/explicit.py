r"""Central differences in time with a lumped mass matrix, and the largest stable step.

.. math::
    v_{n+1/2} = v_n + \tfrac{\Delta t}{2} a_n, \quad u_{n+1} = u_n + \Delta t\, v_{n+1/2}, \quad
    m (a_{n+1} + c\, v_{n+1}) = -R(u_{n+1}), \quad v_{n+1} = v_{n+1/2} + \tfrac{\Delta t}{2} a_{n+1}

with Rayleigh's damping by mass, c, taken at the end of the step. It is stable for :math:`\Delta t < 2(\sqrt{1+\xi^2} - \xi)/\omega`,
ω the highest frequency and ξ = c/2ω (Belytschko, Liu & Moran, Nonlinear Finite Elements, 2nd ed., eq. 6.2.36).
"""

from __future__ import annotations

import numpy as np
from mpi4py import MPI
from petsc4py import PETSc

from constitutive.errors import SolveError
from constitutive.fem.eigen import SLEPc, make_solver, solve_pairs
from constitutive.fem.load_path import require_law
from constitutive.fem.problem import Problem


def lumped_mass(problem: Problem, mass: PETSc.Mat) -> np.ndarray:
    """Diagonal mass matrix: the consistent one's diagonal, scaled so that each component has the whole mass; collective.

    For linear elements it equals the sums of rows on undistorted cells; for those of higher degree, whose sums of rows are not positive, it
    stays so (Hinton, Rock & Zienkiewicz, Earthq. Eng. Struct. Dyn. 4 (1976) 245).

    Parameters
    ----------
    problem : Problem
    mass : PETSc.Mat
        Consistent, over all degrees of freedom.

    Returns
    -------
    array
        Owned entries.

    Raises
    ------
    SolveError
        A degree of freedom has no mass (a mixed unknown): it has no explicit equation of motion.
    """
    size, comm = problem.u.function_space.dofmap.index_map_bs, problem.mesh.comm
    diagonal = mass.getDiagonal().array.copy()
    if comm.allreduce(bool((diagonal <= 0).any()), op=MPI.LOR) or size == 1:
        raise SolveError("the explicit scheme needs a mass at every degree of freedom: an unknown that is a displacement")
    total, ones = np.zeros(size), mass.createVecRight()
    for component in range(size):
        ones.set(0.0)
        ones.array[component::size] = 1.0
        row = ones.duplicate()
        mass.mult(ones, row)
        total[component] = ones.dot(row)
    parts = comm.allreduce(diagonal.reshape(-1, size).sum(axis=0), op=MPI.SUM)
    return (diagonal.reshape(-1, size) * (total / parts)).ravel()


def stable_step(problem: Problem, lumped: np.ndarray, damping: float) -> float:
    """Largest stable step at the present state, by the highest frequency of the tangent with the lumped mass; collective.

    Parameters
    ----------
    problem : Problem
    lumped : array
        Owned entries of the diagonal mass matrix.
    damping : float
        Rayleigh's by mass, 1/s.

    Returns
    -------
    float
        Seconds.

    Raises
    ------
    SolveError
        The law fails here, or the eigensolver does not converge.
    """
    newton = problem.newton
    require_law(problem.newton, tangent=True)
    newton.assemble_jacobian()
    scale = newton.A.createVecRight()
    scale.array[:] = 1 / np.sqrt(lumped)
    scale.array[newton.constrained_and_owned] = 0.0
    scaled = newton.A.copy()
    scaled.diagonalScale(scale, scale)
    solver = make_solver(scaled, None, 1)
    solver.setWhichEigenpairs(SLEPc.EPS.Which.LARGEST_REAL)
    solver.setTolerances(1e-6, 1000)
    values, _, _ = solve_pairs(solver, problem.newton, 1)
    scaled.destroy()
    omega = float(np.sqrt(max(values[0], 0.0)))
    if omega == 0.0:
        raise SolveError("the body has no stiffness at this state, so that no step limits it: pass step=")
    ratio = damping / (2 * omega)
    return 2 * (np.sqrt(1 + ratio**2) - ratio) / omega
