"""Finite-element problems that tests solve in this process and on several ranks: ``mpirun -n 2 python fem_cases.py
CASE [ARGUMENT …]``.

Each case returns figures that must not depend on the number of ranks.
"""

import json
import sys
from collections.abc import Callable

import numpy as np
import ufl
from dolfinx import fem, mesh
from mpi4py import MPI

from constitutive.fem import Problem, UserMaterial, rotation_from_bunge
from constitutive.laws import LinearLaw
from constitutive.tensors.packing import tangent_from_mandel

TURN = rotation_from_bunge(np.array([30.0, 40.0, 20.0]))
HEX, TET = mesh.CellType.hexahedron, mesh.CellType.tetrahedron


def cubic(c11: float = 153.4, c12: float = 56.9, c44: float = 74.3) -> LinearLaw:
    """Cubic St Venant–Kirchhoff law, crystal axes along x, y, z."""
    C = np.diag([c11] * 3 + [c44] * 3)
    C[:3, :3] += c12 * (1 - np.eye(3))
    return LinearLaw.from_voigt(C, np.eye(3)[None])


def isotropic(young: float = 210.0, poisson: float = 0.3) -> LinearLaw:
    """Isotropic law from Young's modulus (GPa) and Poisson's ratio."""
    shear = young / 2 / (1 + poisson)
    lame = young * poisson / (1 + poisson) / (1 - 2 * poisson)
    return cubic(lame + 2 * shear, lame, shear)


def stiffness_tensor(law: LinearLaw, R: np.ndarray, unit: float = 1e3) -> np.ndarray:
    """3×3×3×3 stiffness of a turned law, in MPa."""
    C = tangent_from_mandel(law.stiffness.numpy()) * unit
    return np.einsum("ai,bj,ck,dl,ijkl->abcd", R, R, R, R, C, optimize=True)


def native_residual(u: fem.Function, v: object, C: np.ndarray, degree: int, *, finite: bool = True) -> object:
    """St Venant–Kirchhoff written in UFL."""
    i, j, k, m = ufl.indices(4)
    grad = ufl.grad(u)
    F = ufl.Identity(3) + grad
    E = (grad + grad.T + grad.T * grad) / 2 if finite else ufl.sym(grad)
    S = ufl.as_tensor(ufl.as_tensor(C)[i, j, k, m] * E[k, m], (i, j))
    dx = ufl.dx(metadata={"quadrature_degree": degree})
    return ufl.inner(F * S if finite else S, ufl.grad(v)) * dx


def block(n: int, cell: mesh.CellType, degree: int, comm: MPI.Comm = MPI.COMM_WORLD) -> fem.FunctionSpace:
    """Vector elements on a unit cube."""
    return fem.functionspace(mesh.create_box(comm, [[0, 0, 0], [1, 1, 1]], [n, n, n], cell), ("Lagrange", degree, (3,)))


def pulled(V: fem.FunctionSpace, shift: tuple[float, ...] = (0.1, 0.05, 0.02)) -> list[fem.DirichletBC]:
    """Clamped at x = 0, moved at x = 1."""
    ends = [fem.locate_dofs_geometrical(V, lambda x, end=end: np.isclose(x[0], end)) for end in (0.0, 1.0)]
    return [fem.dirichletbc(np.zeros(3), ends[0], V), fem.dirichletbc(np.array(shift), ends[1], V)]


def moments(u: fem.Function) -> list[float]:
    """Sums over nodes of the displacement times low polynomials: numbers that know every part of it."""
    space = u.function_space
    owned, size = space.dofmap.index_map.size_local, space.dofmap.index_map_bs
    x, values = space.tabulate_dof_coordinates()[:owned], u.x.array[: owned * size].reshape(-1, size)
    weights = np.stack([np.ones(owned), x[:, 0] * x[:, 1], x[:, 1] ** 2, x[:, 0] ** 2])
    return list(space.mesh.comm.allreduce(weights @ values).ravel())


def hook(comm: MPI.Comm = MPI.COMM_WORLD) -> dict[str, object]:
    """A turned cubic crystal through the hook and in native UFL, on all elements."""
    figures: dict[str, object] = {}
    for cell, degree in ((HEX, 1), (TET, 1), (HEX, 2), (TET, 2)):
        V = block(3 if degree == 1 else 2, cell, degree, comm)
        v, load = ufl.TestFunction(V), fem.Constant(V.mesh, np.array([0.0, 50.0, -100.0]))
        ours, theirs = fem.Function(V), fem.Function(V)
        law = UserMaterial(ours, cubic(), orientation=TURN, unit="MPa")
        problem = Problem(law.residual(v) - ufl.inner(load, v) * ufl.dx, law, bcs=pulled(V))
        result = problem.solve(steps=2).require()
        form = native_residual(theirs, v, stiffness_tensor(cubic(), TURN), law.points.degree) - ufl.inner(load, v) * ufl.dx
        native = Problem(form, u=theirs, bcs=pulled(V)).solve(steps=2).require()
        off = comm.allreduce(float(np.abs(ours.x.array - theirs.x.array).max(initial=0)), op=MPI.MAX)
        size = comm.allreduce(float(np.abs(theirs.x.array).max(initial=0)), op=MPI.MAX)
        figures[f"{cell.name}{degree}"] = {
            "difference": off / size,
            "iterations": [step.iterations for step in result.steps],
            "native_iterations": [step.iterations for step in native.steps],
            "norms": result.steps[-1].norms,
            "numbers": [*moments(ours), *problem.reaction(problem.bcs[1]), law.total_energy(), result.steps[-1].worst_strain],
        }
    return figures


CASES: dict[str, Callable[..., dict[str, object]]] = {"hook": hook}

if __name__ == "__main__":
    outcome = CASES[sys.argv[1]](*sys.argv[2:])
    if MPI.COMM_WORLD.rank == 0:
        sys.stdout.write(json.dumps(outcome))
