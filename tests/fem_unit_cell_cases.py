"""Periodic cells that tests solve in this process and on several ranks: ``mpirun -n 2 python fem_unit_cell_cases.py CASE``."""

import json
import sys

import numpy as np
from dolfinx import mesh
from fem_cases import HEX, TURN, cubic
from mpi4py import MPI

from constitutive.fem import UnitCell, rotation_from_bunge

OTHER = rotation_from_bunge(np.array([70.0, 20.0, 5.0]))
STRETCHED = np.array([[1.04, 0.03, -0.01], [0.0, 0.98, 0.02], [0.0, 0.01, 1.02]])


def tagged(n: tuple[int, int, int], mark: object, comm: MPI.Comm = MPI.COMM_SELF) -> tuple[mesh.Mesh, mesh.MeshTags]:
    """A unit cube of hexahedra with the tag 2 where cells are marked by their midpoints, 1 elsewhere."""
    m = mesh.create_box(comm, [[0, 0, 0], [1, 1, 1]], list(n), HEX)
    count = m.topology.index_map(3).size_local + m.topology.index_map(3).num_ghosts
    cells = np.arange(count, dtype=np.int32)
    middle = mesh.compute_midpoints(m, 3, cells)
    return m, mesh.meshtags(m, 3, cells, np.where(mark(middle.T), 2, 1).astype(np.int32))


def grains(comm: MPI.Comm = MPI.COMM_WORLD) -> UnitCell:
    """Two grains of a cubic crystal at finite strain."""
    m, tags = tagged((3, 2, 2), lambda x: x[0] + 0.4 * x[1] > 0.75, comm)
    return UnitCell(m, {1: (cubic(), TURN), 2: (cubic(), OTHER)}, cell_tags=tags, unit="GPa")


def deformed(comm: MPI.Comm = MPI.COMM_WORLD) -> dict[str, object]:
    """Effective stress, energy and tangent of the grains."""
    state = grains(comm).solve(STRETCHED)
    return {"numbers": [*state.P.ravel(), state.energy, *state.tangent.ravel()]}


CASES = {"deformed": deformed}

if __name__ == "__main__":
    outcome = CASES[sys.argv[1]]()
    if MPI.COMM_WORLD.rank == 0:
        sys.stdout.write(json.dumps(outcome))
