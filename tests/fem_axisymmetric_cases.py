"""A body of revolution that tests solve in this process and on several ranks: ``mpirun -n 2 python fem_axisymmetric_cases.py CASE``."""

import json
import sys

import numpy as np
import ufl
from dolfinx import fem, mesh
from fem_cases import isotropic, moments
from mpi4py import MPI

from constitutive.fem import Problem, UserMaterial


def twisted(comm: MPI.Comm = MPI.COMM_WORLD) -> dict[str, object]:
    """A tube that is pulled and twisted, by its section."""
    m = mesh.create_rectangle(comm, [[1.0, 0.0], [2.0, 1.0]], [6, 4], mesh.CellType.quadrilateral)
    V = fem.functionspace(m, ("Lagrange", 1, (3,)))
    u, v = fem.Function(V), ufl.TestFunction(V)
    law = UserMaterial(u, isotropic(), plane="axisymmetric")
    ends = [fem.locate_dofs_geometrical(V, lambda x, end=end: np.isclose(x[1], end)) for end in (0.0, 1.0)]
    bcs = [fem.dirichletbc(np.zeros(3), ends[0], V), fem.dirichletbc(np.array([0.0, 0.05, 0.02]), ends[1], V)]
    problem = Problem(law.residual(v), law, bcs=bcs)
    problem.solve().require()
    return {"numbers": [*moments(u), law.total_energy(), *problem.reaction(bcs[1])]}


CASES = {"twisted": twisted}

if __name__ == "__main__":
    outcome = CASES[sys.argv[1]]()
    if MPI.COMM_WORLD.rank == 0:
        sys.stdout.write(json.dumps(outcome))
