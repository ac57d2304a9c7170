"""Cases that would leave a rank waiting: ``mpirun -n 2 python fem_parallel_cases.py CASE [ARGUMENT …]``."""

import faulthandler
import json
import sys
from collections.abc import Callable
from types import SimpleNamespace

import numpy as np
import ufl
from dolfinx import fem, mesh
from fem_cases import HEX, block, cubic, pulled
from mpi4py import MPI
from petsc4py import PETSc

from constitutive.fem import Problem, UserMaterial, attach, write_fields

COMM = MPI.COMM_WORLD
LAST = COMM.rank == COMM.size - 1


def parts() -> tuple[Problem, UserMaterial]:
    """A pulled block of eight cells."""
    V = block(2, HEX, 1)
    law = UserMaterial(fem.Function(V), cubic())
    return Problem(law.residual(ufl.TestFunction(V)), law, bcs=pulled(V)), law


def message(call: Callable[[], object]) -> list[str]:
    """What each rank is given when a call fails."""
    try:
        call()
        text = ""
    except Exception as error:  # noqa: BLE001 - any
        text = f"{type(error).__name__}: {error}"
    return COMM.allgather(text)


def one_cell(folder: str) -> dict[str, object]:
    """A body of one cell: all but one rank own no cell."""
    domain = mesh.create_box(COMM, [[0, 0, 0], [1, 1, 1]], [1, 1, 1], HEX)
    V = fem.functionspace(domain, ("Lagrange", 1, (3,)))
    u, v = fem.Function(V), ufl.TestFunction(V)
    law = UserMaterial(u, {1: cubic()}, cell_tags=mesh.meshtags(domain, 3, *cells_and_tags(domain)))
    problem = Problem(law.residual(v), law, bcs=pulled(V, (0.01, 0.0, 0.0)))
    result = problem.solve(steps=2).require()
    refused = message(lambda: problem.solve(checkpoint=f"{folder}/checkpoint")) if COMM.size > 1 else []
    law.field("cauchy_stress", "nodes")
    law.field("mises_stress", "cells")
    write_fields(f"{folder}/results.pvd", law)
    owned = COMM.allgather(law.points.cells)
    numbers = [*problem.reaction(problem.bcs[1]), law.total_energy()]
    return {"cells": owned, "steps": len(result.steps), "refused": refused, "numbers": numbers}


def cells_and_tags(domain: mesh.Mesh) -> tuple[np.ndarray, np.ndarray]:
    """All cells of a rank, tagged 1."""
    cells = np.arange(domain.topology.index_map(3).size_local, dtype=np.int32)
    return cells, np.ones(len(cells), np.int32)


def no_folder(path: str) -> dict[str, object]:
    """A checkpoint folder that cannot be made."""
    problem, _ = parts()
    return {"messages": message(lambda: problem.solve(checkpoint=path)), "load": problem.load}


def callbacks() -> dict[str, object]:
    """The user's functions raise on one rank: a callback, a ramp, an orientation that is read anew."""

    def trouble(_: object) -> None:
        if LAST:
            raise ValueError("on this rank only")

    found = {"on_step": message(lambda: parts()[0].solve(on_step=trouble)), "ramp": message(lambda: parts()[0].solve(ramp=trouble))}
    V = block(2, HEX, 1)
    u = fem.Function(V)
    orientation = fem.Function(fem.functionspace(V.mesh, ("DG", 0, (4,))))
    orientation.x.array[::4] = 1.0
    law = UserMaterial(u, cubic(), orientation=orientation)
    if LAST:
        orientation.x.array[:] = 3.0
    found["fields"] = message(law.total_energy)
    hooked = attach(SimpleNamespace(form=lambda x: None), law)
    x = PETSc.Vec().createMPI((V.dofmap.index_map.size_local * 3, None), comm=COMM)
    found["attached"] = message(lambda: hooked.form(x))
    return found


if __name__ == "__main__":
    faulthandler.dump_traceback_later(100, exit=True)
    outcome = {"one_cell": one_cell, "no_folder": no_folder, "callbacks": callbacks}[sys.argv[1]](*sys.argv[2:])
    if COMM.rank == 0:
        sys.stdout.write(json.dumps(outcome))
