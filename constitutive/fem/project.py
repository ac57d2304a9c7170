"""Values at quadrature points carried to other spaces."""

from __future__ import annotations

import numpy as np
import ufl
from dolfinx import fem, la
from dolfinx.fem import petsc as fem_petsc
from petsc4py import PETSc

from constitutive.fem.quadrature import QuadraturePoints


def cell_average(points: QuadraturePoints, values: np.ndarray, shape: tuple[int, ...], name: str) -> fem.Function:
    """Volume average over each cell, as a Function with one value per cell.

    Parameters
    ----------
    points : QuadraturePoints
    values : array (points of this rank, size)
        Values at the points.
    shape : tuple
        Of one value: () for a scalar.
    name : str
        Of the Function.

    Returns
    -------
    Function
        In the unit of the values.
    """
    space = fem.functionspace(points.mesh, ("DG", 0, shape) if shape else ("DG", 0))
    result = fem.Function(space, name=name)
    size = values.shape[1]
    weights = points.weights().reshape(points.cells, points.per_cell, 1)
    by_cell = values.reshape(points.cells, points.per_cell, size)
    averages = (by_cell * weights).sum(axis=1) / weights.sum(axis=1)
    result.x.array.reshape(-1, size)[space.dofmap.list[: points.cells].ravel()] = averages
    result.x.scatter_forward()
    return result


def project(at_points: fem.Function, points: QuadraturePoints, element: tuple, name: str) -> fem.Function:
    """L2 projection of a quadrature Function on a Lagrange space (family, degree), component by component.

    Parameters
    ----------
    at_points : Function
        On the quadrature points.
    points : QuadraturePoints
    element : (family, degree)
    name : str
        Of the Function.

    Returns
    -------
    Function
        In the unit of the values.
    """
    shape = at_points.ufl_shape
    mesh = points.mesh
    scalar = fem.functionspace(mesh, (element[0], element[1]))
    target = fem.Function(fem.functionspace(mesh, (*element[:2], shape) if shape else element[:2]), name=name)
    trial, test = ufl.TrialFunction(scalar), ufl.TestFunction(scalar)
    A = fem_petsc.assemble_matrix(fem.form(trial * test * ufl.dx(domain=mesh)))
    A.assemble()
    solver = _mass_solver(A)
    component = fem.Function(points.space(()))
    load = fem.form(component * test * points.dx)
    size = int(np.prod(shape, dtype=int))
    source, order = at_points.x.array.reshape(-1, size), component.x.array
    for k in range(size):
        order[:] = source[:, k]
        target.x.array.reshape(-1, size)[:, k] = _solve(solver, load, scalar)
    solver.destroy()
    A.destroy()
    return target


def _mass_solver(A: PETSc.Mat) -> PETSc.KSP:
    solver = PETSc.KSP().create(A.comm)
    solver.setOperators(A)
    solver.setType("cg")
    solver.getPC().setType("jacobi")
    solver.setTolerances(rtol=1e-12, atol=1e-300, max_it=10_000)
    return solver


def _solve(solver: PETSc.KSP, load: fem.Form, space: fem.FunctionSpace) -> np.ndarray:
    right = fem.Function(space)
    fem.assemble_vector(right.x.array, load)
    right.x.scatter_reverse(la.InsertMode.add)
    A = solver.getOperators()[0]
    b, x = A.createVecLeft(), A.createVecRight()
    owned = b.getLocalSize()
    b.array[:] = right.x.array[:owned]
    solver.solve(b, x)
    right.x.array[:owned] = x.array
    right.x.scatter_forward()
    return right.x.array
