"""How far a finite-element run scales: multigrid under refinement, a large polycrystal, the tangent without a matrix.

./dev python benchmarks/fem_scale.py [--json] [--only refinement polycrystal matrix_free paper] [--most N]

    refinement   a turned cubic block, solver="amg": unknowns, iterations of one linear solve, memory
    polycrystal  a copper polycrystal of linear tetrahedra, and one of hexahedra: memory per cell after each stage, and the solve
    matrix_free  the action of the tangent by assembly of a vector against the product with the assembled matrix, and whole solves by both
    paper        weak scaling to 1,000 ranks, computed from the costs of one rank measured here

Every figure comes from a process of its own; seconds are processor time. ``--most`` bounds the cells along an edge: the default needs 8 GB.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import ufl
from dolfinx import fem, mesh
from mpi4py import MPI
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

from constitutive import Material
from constitutive.fem import Problem, UserMaterial, rotation_from_bunge

HEX, TET = mesh.CellType.hexahedron, mesh.CellType.tetrahedron
COPPER = {"C11": 168.4, "C12": 121.4, "C44": 75.4}
TURN = rotation_from_bunge(np.array([20.0, 35.0, 50.0]))
GRAINS = 200


def peak() -> float:
    """Peak memory of this process in bytes."""
    return 1024.0 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


class Block:
    """A cube of copper, clamped at x = 0, its opposite face pulled and sheared."""

    def __init__(self, n: int, cell: mesh.CellType, *, grains: int = 0) -> None:
        self.start = peak()
        self.mesh = mesh.create_box(MPI.COMM_SELF, [[0, 0, 0], [1, 1, 1]], [n, n, n], cell)
        self.cells = self.mesh.topology.index_map(3).size_local
        self.V = fem.functionspace(self.mesh, ("Lagrange", 1, (3,)))
        self.unknowns = 3 * self.V.dofmap.index_map.size_local
        self.u, self.v = fem.Function(self.V), ufl.TestFunction(self.V)
        turns: Any = TURN
        tags = None
        if grains:
            tags = self.tags(grains)
            turns = dict(enumerate(Rotation.random(grains, random_state=1).as_matrix()))
        material = Material.from_constants("m-3m", COPPER)
        self.law = UserMaterial(self.u, material, orientation=turns, cell_tags=tags, unit="MPa", strain="finite")

    def tags(self, grains: int) -> mesh.MeshTags:
        """The grain whose seed is nearest."""
        cells = np.arange(self.cells, dtype=np.int32)
        seeds = cKDTree(np.random.default_rng(0).random((grains, 3)))
        nearest = seeds.query(mesh.compute_midpoints(self.mesh, 3, cells))[1]
        return mesh.meshtags(self.mesh, 3, cells, nearest.astype(np.int32))

    def supports(self) -> list[fem.DirichletBC]:
        bcs = []
        for x0, shift in ((0.0, (0.0, 0.0, 0.0)), (1.0, (1e-3, 5e-4, 0.0))):
            value = fem.Function(self.V)
            value.x.array.reshape(-1, 3)[:] = shift
            bcs.append(fem.dirichletbc(value, fem.locate_dofs_geometrical(self.V, lambda x, x0=x0: np.isclose(x[0], x0))))
        return bcs

    def problem(self, solver: str) -> Problem:
        return Problem(self.law.residual(self.v), self.law, bcs=self.supports(), solver=solver, petsc_options={"snes_rtol": 1e-6})


def solved(block: Block, problem: Problem) -> dict[str, Any]:
    """Newton's and the linear iterations of a solve, its seconds."""
    counts: list[int] = []
    ksp = problem.newton.snes.getKSP()
    ksp.setPostSolve(lambda _ksp, _b, _x: counts.append(_ksp.getIterationNumber()))
    began = time.process_time()
    result = problem.solve().require()
    return {"newton": result.iterations, "linear": counts, "solve_seconds": time.process_time() - began, "peak": peak() - block.start}


def refinement(n: int, cell: str, solver: str = "amg") -> dict[str, Any]:
    block = Block(n, TET if cell == "P1" else HEX)
    found = solved(block, block.problem(solver))
    return {"element": cell, "cells": block.cells, "unknowns": block.unknowns, "solver": solver, **found}


def polycrystal(n: int, cell: str, solver: str = "amg") -> dict[str, Any]:
    """Memory per cell after each stage."""
    began = time.process_time()
    block = Block(n, TET if cell == "P1" else HEX, grains=GRAINS)
    stages = {"mesh and law": peak() - block.start}
    set_up = time.process_time() - began
    began = time.process_time()
    block.law.update(tangent=True)
    update = time.process_time() - began
    stages["stress and tangent at the points"] = peak() - block.start
    problem = block.problem(solver)
    began = time.process_time()
    problem.newton.assemble_residual()
    residual = time.process_time() - began
    stages["forms and residual"] = peak() - block.start
    began = time.process_time()
    problem.newton.assemble_jacobian()
    jacobian = time.process_time() - began
    stages["tangent"] = peak() - block.start
    found = {"element": cell, "cells": block.cells, "unknowns": block.unknowns, "grains": GRAINS, "solver": solver,
             "set_up_seconds": set_up, "update_seconds": update, "residual_seconds": residual, "jacobian_seconds": jacobian}  # fmt: skip
    found |= solved(block, problem)
    stages["solve"] = found["peak"]
    return {**found, "bytes_per_cell": {name: size / block.cells for name, size in stages.items()}}


def matrix_free(n: int, cell: str) -> dict[str, Any]:
    """One product with the tangent, by its action and with the assembled matrix: processor seconds, and bytes of the matrix."""
    block = Block(n, TET if cell == "P1" else HEX)
    free, assembled = block.problem("matrix_free").newton, block.problem("amg").newton
    block.law.update(tangent=True)
    began = time.process_time()
    assembled.assemble_jacobian()
    assembly = time.process_time() - began
    x, y = assembled.A.createVecRight(), assembled.A.createVecLeft()
    x.array[:] = np.random.default_rng(0).standard_normal(x.local_size)
    z = y.duplicate()
    seconds = {name: least(lambda A=A, out=out: A.mult(x, out)) for name, A, out in (("action", free.A, y), ("product", assembled.A, z))}
    info = assembled.A.getInfo()
    return {"element": cell, "cells": block.cells, "unknowns": block.unknowns, "assembly_seconds": assembly, **seconds,
            "difference": (y - z).norm() / z.norm(), "matrix_bytes": 12 * info["nz_used"],
            "point_bytes": 8 * block.law.tangent.x.array.size}  # fmt: skip


def least(function: Callable[[], Any], repeat: int = 5) -> float:
    times = []
    for _ in range(repeat):
        began = time.process_time()
        function()
        times.append(time.process_time() - began)
    return min(times)


# ---- weak scaling, computed ------------------------------------------------------------------------------------------

LATENCY, BANDWIDTH = 2e-6, 5e9  # seconds of a message, bytes a second of each rank: a common cluster network, assumed
NEIGHBOURS = 26
EXCHANGES = 6  # of ghost values on each level of a multigrid cycle: two smoothings before and after, residual, prolongation
REDUCTIONS = 3  # of an iteration of conjugate gradients


def paper(n: int, ranks: tuple[int, ...] = (1, 8, 64, 512, 1000)) -> dict[str, Any]:
    """Seconds of a load step of two Newton iterations on P ranks with n³ hexahedra each, from the costs of one rank measured here.

    A rank's own work is measured. An exchange of ghosts costs 26 messages and the bytes of one layer of nodes, halved in each direction on
    each coarser level; a reduction costs log₂ P messages; iterations grow by one for each factor of 16 in unknowns (measured: 14 to 16
    from 4·10³ to 10⁶). Ranks share nothing else; that memory bandwidth is shared on a node is not in the figures.
    """
    block = Block(n, HEX)
    problem = block.problem("amg")
    cost = {"update": least(lambda: (block.law.forget(), block.law.update(tangent=True))),
            "residual": least(problem.newton.assemble_residual), "tangent": least(problem.newton.assemble_jacobian, 3)}  # fmt: skip
    ksp = problem.newton.snes.getKSP()
    ksp.setOperators(problem.newton.A)
    ksp.setUp()
    x = problem.newton.A.createVecRight()
    b = x.duplicate()
    b.array[:] = np.random.default_rng(0).standard_normal(b.local_size)
    b.array[problem.newton.constrained] = 0.0
    began = time.process_time()
    ksp.solve(b, x)
    first = ksp.getIterationNumber()
    cost["iteration"] = (time.process_time() - began) / first
    ksp.getPC().reset()
    ksp.setOperators(problem.newton.A)
    cost["multigrid"] = least(lambda: (ksp.getPC().reset(), ksp.setOperators(problem.newton.A), ksp.setUp()), 2)
    levels = ksp.getPC().getMGLevels()
    rows = []
    for count in ranks:
        growth = np.log(count) / np.log(16)
        iterations = first + growth
        deep = levels + round(np.log(count) / np.log(8) / 2)  # a coarser level more for each factor of 64
        per_level = [NEIGHBOURS * LATENCY + 6 * 24 * (n / 2**k) ** 2 / BANDWIDTH for k in range(deep)]
        talk = 0.0 if count == 1 else EXCHANGES * sum(per_level) + REDUCTIONS * LATENCY * np.log2(count)
        own = 2 * (cost["update"] + 2 * cost["residual"] + cost["tangent"] + cost["multigrid"])
        total = own + 2 * iterations * (cost["iteration"] + talk)
        rows.append({"ranks": count, "unknowns": 3 * (n * count ** (1 / 3) + 1) ** 3, "iterations": iterations, "seconds": total})
    for row in rows:
        row["efficiency"] = rows[0]["seconds"] / row["seconds"]
    return {"cells": block.cells, "unknowns": block.unknowns, "levels": levels, "cost": cost, "rows": rows}


# ---- the tables ------------------------------------------------------------------------------------------------------

MEASUREMENTS: dict[str, Callable[..., dict[str, Any]]] = {
    "refinement": refinement, "polycrystal": polycrystal, "matrix_free": matrix_free, "paper": paper
}  # fmt: skip
REFINEMENT = (10, 20, 40, 69)
LARGE = {"P1": 63, "Q1": 50}


def in_new_process(what: str, *arguments: Any) -> dict[str, Any]:
    call = [sys.executable, __file__, "--one", what, *map(str, arguments)]
    done = subprocess.run(call, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{what} {arguments} failed:\n{done.stderr[-2000:]}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def rows_of(kind: str, most: int) -> list[dict[str, Any]]:
    """The measurements of one kind, each in a process of its own."""
    if kind == "refinement":
        return [in_new_process(kind, n, "Q1", solver) for solver in ("amg", "matrix_free") for n in REFINEMENT if n <= most]
    if kind == "polycrystal":
        return [in_new_process(kind, min(n, most), cell, solver) for cell, n in LARGE.items() for solver in ("amg", "matrix_free")]
    if kind == "matrix_free":
        return [in_new_process(kind, min(30, most), cell) for cell in ("Q1", "P1")]
    return [in_new_process(kind, min(30, most))]


def text(kind: str, found: dict[str, Any]) -> str:
    if kind == "paper":
        lines = [f"{r['ranks']:6d} ranks {r['unknowns']:12.3g} unknowns {r['iterations']:6.1f} iterations {r['seconds']:8.2f} s "
                 f"{r['efficiency']:6.0%}" for r in found["rows"]]  # fmt: skip
        costs = ", ".join(f"{name} {value:.3f}" for name, value in found["cost"].items())
        return "\n".join([f"one rank, {found['unknowns']} unknowns, {found['levels']} levels, seconds: {costs}", *lines])
    if kind == "matrix_free":
        return (f"{found['element']} {found['unknowns']:9d} unknowns  assembly {found['assembly_seconds']:.2f} s  "
                f"product {found['product']:.4f} s  action {found['action']:.4f} s  "
                f"matrix {found['matrix_bytes'] / found['cells']:.0f} bytes a cell  "
                f"tangents at the points {found['point_bytes'] / found['cells']:.0f}  difference {found['difference']:.1e}")  # fmt: skip
    start = (f"{found['element']} {found['cells']:8d} cells {found['unknowns']:8d} unknowns  {found['solver']:12s} "
             f"linear {found['linear']}  {found['solve_seconds']:7.1f} s  peak {found['peak'] / 1e9:.2f} GB")  # fmt: skip
    stages = found.get("bytes_per_cell", {})
    return start + "".join(f"\n    {name:34s}{size:8.0f} bytes a cell" for name, size in stages.items())


def main(arguments: list[str] | None = None) -> dict[str, list[dict[str, Any]]]:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="one JSON object, nothing else")
    parser.add_argument("--only", nargs="+", choices=list(MEASUREMENTS), default=list(MEASUREMENTS))
    parser.add_argument("--most", type=int, default=69, help="cells along an edge at most")
    parser.add_argument("--one", nargs="+", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.one:
        what, size, *further = options.one
        print(json.dumps(MEASUREMENTS[what](int(size), *further)))
        return {}
    report: dict[str, list[dict[str, Any]]] = {}
    for kind in options.only:
        report[kind] = rows_of(kind, options.most)
        if not options.json:
            print("\n".join(text(kind, found) for found in report[kind]), flush=True)
    if options.json:
        print(json.dumps(report))
    return report


if __name__ == "__main__":
    main()
