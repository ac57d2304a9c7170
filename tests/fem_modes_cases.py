"""Modes and buckling loads that tests compute in this process and on several ranks: ``mpirun -n 2 python fem_modes_cases.py CASE``."""

import json
import sys

import numpy as np
import ufl
from dolfinx import fem, mesh
from fem_cases import HEX, TURN, cubic, facets_where, native_residual, stiffness_tensor
from mpi4py import MPI

from constitutive.fem import Problem, UserMaterial, buckling, modes
from constitutive.laws import LinearLaw

STEEL = 7850.0  # kg/m³


def isotropic(young: float, poisson: float) -> LinearLaw:
    """Isotropic law, from Young's modulus in GPa."""
    shear, lame = young / 2 / (1 + poisson), young * poisson / (1 + poisson) / (1 - 2 * poisson)
    return cubic(lame + 2 * shear, lame, shear)


def column(
    law: object, comm: MPI.Comm, *, size: tuple[float, ...] = (20.0, 1.0, 1.2), n: int = 10, force: float = 1.0, **options: object
) -> Problem:
    """A cantilever of degree 2 along x, pressed by a dead traction on its end; ``native=True`` is St Venant–Kirchhoff in UFL."""
    m = mesh.create_box(comm, [[0, 0, 0], list(size)], [n, 1, 1], HEX)
    V = fem.functionspace(m, ("Lagrange", 2, (3,)))
    u, v = fem.Function(V), ufl.TestFunction(V)
    tags = facets_where(m, {1: lambda x: np.isclose(x[0], size[0])})
    held = [fem.dirichletbc(np.zeros(3), fem.locate_dofs_geometrical(V, lambda x: np.isclose(x[0], 0)), V)]
    load = fem.Constant(m, force) * v[0] * ufl.ds(subdomain_data=tags, subdomain_id=1)
    if options.pop("native", False):
        return Problem(native_residual(u, v, stiffness_tensor(law, options["orientation"]), 4) + load, u=u, bcs=held)
    user = UserMaterial(u, law, **options)
    return Problem(user.residual(v) + load, user, bcs=held)


def turned(comm: MPI.Comm = MPI.COMM_WORLD, *, native: bool = False) -> dict[str, object]:
    """A turned cubic crystal at rest, under load, and its buckling loads."""
    problem = column(cubic(), comm, size=(8.0, 1.0, 1.2), n=4, force=400.0, orientation=TURN, native=native)
    unit = {"unit": "MPa"} if native else {}
    loads = buckling(problem, 3)
    at_rest = modes(problem, 5, density=STEEL, **unit)
    problem.solve(steps=2).require()
    pressed = modes(problem, 5, density=STEEL, **unit)
    errors = [loads.residuals.max(), at_rest.residuals.max(), pressed.residuals.max()]
    return {"numbers": [*loads.load_factors, *at_rest.frequencies, *pressed.frequencies], "errors": errors}


CASES = {"turned": turned}

if __name__ == "__main__":
    outcome = CASES[sys.argv[1]]()
    if MPI.COMM_WORLD.rank == 0:
        sys.stdout.write(json.dumps(outcome))
