"""Newton's method on ten problems: load steps, iterations and seconds of the default against the line searches of PETSc.

./dev python benchmarks/fem_solver.py [--json] [--problems NAME …] [--limit SECONDS]

    default   full steps, halved where J ≤ 0, not finite or outside a domain that raises; backtracking after two failed load steps
    basic     PETSc's full steps
    bt        backtracking on the residual (the default until November 2026)
    l2, cp    PETSc's searches for the least residual and for the critical point of the energy
    amg       the default with solver="amg": conjugate gradients with multigrid instead of a factorisation

Iterations are those of converged load steps; `linear` the mean iterations of a linear solve; `cut` counts load steps that failed and were
taken back. Seconds are processor time. A run ends at the limit, or at ten times the iterations of full steps.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable

import numpy as np
import ufl
from dolfinx import fem, mesh
from mpi4py import MPI

from constitutive import Material
from constitutive.fem import Problem, StepRecord, UserMaterial, rotation_from_bunge

HEX, QUAD = mesh.CellType.hexahedron, mesh.CellType.quadrilateral
SEARCHES = ("basic", "default", "bt", "l2", "cp", "amg")
SILICON = {"C11": 165.7, "C12": 63.9, "C44": 79.6}
SILICON_3 = {"C111": -795.0, "C112": -445.0, "C123": -75.0, "C144": 15.0, "C155": -310.0, "C456": -86.0}
SOFT = {"C11": 1.35e-5, "C12": 0.58e-5, "C44": 0.385e-5}  # GPa: the isotropic body of the DOLFINx tutorial
Setup = tuple[Callable[[dict[str, object]], Problem], int]


class Box:
    """A box or rectangle, clamped at x = 0, with a measure of its other end."""

    def __init__(self, size: tuple[float, ...], cells: tuple[int, ...], degree: int) -> None:
        dim = len(size)
        make = mesh.create_box if dim == 3 else mesh.create_rectangle
        self.mesh = make(MPI.COMM_WORLD, [[0.0] * dim, list(size)], list(cells), HEX if dim == 3 else QUAD)
        self.V = fem.functionspace(self.mesh, ("Lagrange", degree, (dim,)))
        self.size, self.dim, self.v = size, dim, ufl.TestFunction(self.V)
        facets = np.sort(mesh.locate_entities_boundary(self.mesh, dim - 1, lambda x: np.isclose(x[0], size[0])))
        tags = mesh.meshtags(self.mesh, dim - 1, facets, np.ones(len(facets), np.int32))
        self.end = ufl.Measure("ds", self.mesh, subdomain_data=tags)(1)

    def clamped(self, x0: float = 0.0, value: Callable[[np.ndarray], np.ndarray] | None = None) -> fem.DirichletBC:
        moved = fem.Function(self.V)
        if value is not None:
            moved.interpolate(value)
        return fem.dirichletbc(moved, fem.locate_dofs_geometrical(self.V, lambda x: np.isclose(x[0], x0)))

    def problem(
        self,
        material: Material,
        options: dict[str, object],
        *,
        load: tuple[float, ...] | None = None,
        moved: Callable[[np.ndarray], np.ndarray] | None = None,
        body: tuple[float, ...] | None = None,
        pressure: float = 0.0,
        **law: object,
    ) -> Problem:
        u = fem.Function(self.V)
        user = UserMaterial(u, material, **law)
        form = user.residual(self.v)
        factor = None
        if load is not None:
            form = form - ufl.inner(ufl.as_vector(load), self.v) * self.end
        if body is not None:
            form = form - ufl.inner(ufl.as_vector(body), self.v) * ufl.dx
        if pressure:
            factor = fem.Constant(self.mesh, 1.0)
            F = ufl.Identity(self.dim) + ufl.grad(u)
            normal = ufl.det(F) * ufl.inv(F).T * ufl.FacetNormal(self.mesh)
            top = mesh.locate_entities_boundary(self.mesh, self.dim - 1, lambda x: np.isclose(x[self.dim - 1], 0.0))
            tags = mesh.meshtags(self.mesh, self.dim - 1, np.sort(top), np.ones(len(top), np.int32))
            form = form + factor * pressure * ufl.inner(normal, self.v) * ufl.Measure("ds", self.mesh, subdomain_data=tags)(1)
        bcs = [self.clamped()] + ([self.clamped(self.size[0], moved)] if moved is not None else [])
        if options.get("solver") == "amg":
            return Problem(form, user, bcs=bcs, load_factor=factor, solver="amg")
        settings = {"pc_factor_mat_solver_type": "mumps", **options}
        return Problem(form, user, bcs=bcs, load_factor=factor, petsc_options=settings)


def silicon(*, third: bool = False) -> Material:
    return Material.from_constants("m-3m", SILICON, SILICON_3 if third else None)


def tutorial_beam() -> Setup:
    """The beam of the DOLFINx tutorial, bent by a dead load on its end."""
    box, soft = Box((20.0, 1.0, 1.0), (10, 2, 2), 2), Material.from_constants("m-3m", SOFT)
    return lambda options: box.problem(soft, options, load=(0.0, 0.0, -13.5), unit="Pa"), 9


def tip_displaced() -> Setup:
    """The same beam, its end moved across by a third of its length."""
    box, soft = Box((20.0, 1.0, 1.0), (10, 2, 2), 2), Material.from_constants("m-3m", SOFT)
    return lambda options: box.problem(soft, options, moved=lambda x: np.stack([-1.2 + 0 * x[0], 0 * x[0], 7 + 0 * x[0]]), unit="Pa"), 5


def thin_strip() -> Setup:
    """A silicon strip in plane strain, 50 times as long as thick."""
    box = Box((50.0, 1.0), (25, 1), 2)
    return lambda options: box.problem(silicon(), options, load=(0.0, 8.0), plane="strain"), 5


def heavy_strip() -> Setup:
    """A turned silicon strip that sags under its own weight."""
    box = Box((40.0, 1.0), (20, 1), 2)
    turn = rotation_from_bunge(np.array([20.0, 35.0, 50.0]))
    return lambda options: box.problem(silicon(), options, body=(0.0, -0.8), plane="strain", orientation=turn), 5


def column() -> Setup:
    """A column in plane strain, pushed beyond its buckling load with a small load across."""
    box = Box((20.0, 1.0), (20, 1), 2)
    return lambda options: box.problem(silicon(), options, load=(-140.0, 0.5), plane="strain"), 10


def compressed_block() -> Setup:
    """A cube pressed together by 20 %."""
    box = Box((1.0, 1.0, 1.0), (4, 4, 4), 1)
    return lambda options: box.problem(silicon(), options, moved=lambda x: np.stack([-0.2 + 0 * x[0], 0 * x[0], 0 * x[0]])), 4


def twisted_bar() -> Setup:
    """A bar twisted by 60° at once."""
    box, angle = Box((4.0, 1.0, 1.0), (8, 2, 2), 1), np.pi / 3

    def turned(x: np.ndarray) -> np.ndarray:
        y, z = x[1] - 0.5, x[2] - 0.5
        return np.stack([0 * y, y * np.cos(angle) - z * np.sin(angle) - y, y * np.sin(angle) + z * np.cos(angle) - z])

    return lambda options: box.problem(silicon(), options, moved=turned), 2


def sheared_third_order() -> Setup:
    """A block of third-order silicon sheared and stretched where its stiffness changes by a third."""
    box = Box((1.0, 1.0, 1.0), (4, 4, 4), 1)
    shift = lambda x: np.stack([0.05 + 0 * x[0], 0.12 + 0 * x[0], 0 * x[0]])  # noqa: E731 - one expression
    return lambda options: box.problem(silicon(third=True), options, moved=shift), 2


def membrane() -> Setup:
    """A thin plate in plane strain, held at both ends, under a pressure that follows it: bending turns into tension."""
    box = Box((20.0, 0.2), (20, 1), 2)
    held = lambda x: np.stack([0 * x[0], 0 * x[0]])  # noqa: E731 - one expression
    return lambda options: box.problem(silicon(), options, moved=held, pressure=200.0, plane="strain"), 4


def pulled_plane_stress() -> Setup:
    """A turned sheet in plane stress, pulled and sheared by 10 %."""
    box = Box((3.0, 1.0), (12, 4), 1)
    turn = rotation_from_bunge(np.array([20.0, 35.0, 50.0]))
    shift = lambda x: np.stack([0.3 + 0 * x[0], 0.2 + 0 * x[0]])  # noqa: E731 - one expression
    return lambda options: box.problem(silicon(), options, moved=shift, plane="stress", orientation=turn), 2


PROBLEMS = {
    function.__name__.replace("_", " "): function
    for function in (
        tutorial_beam,
        tip_displaced,
        thin_strip,
        heavy_strip,
        column,
        compressed_block,
        twisted_bar,
        sheared_third_order,
        membrane,
        pulled_plane_stress,
    )
}


class LimitError(Exception):
    """A run was given up."""


def run(setup: Callable[[], Setup], search: str, limit: float, most: float = np.inf) -> dict[str, object]:
    """Figures of one solve; the load reached where it ended early."""
    make, steps = setup()
    choices: dict[str, dict[str, object]] = {"default": {}, "amg": {"solver": "amg"}}
    problem = make(choices.get(search, {"snes_linesearch_type": search}))
    start, done, linear = time.process_time(), [], []
    problem.newton.snes.getKSP().setPostSolve(lambda ksp, _b, _x: linear.append(ksp.getIterationNumber()))

    def watch(record: StepRecord) -> None:
        done.append(record.iterations)
        if time.process_time() - start > limit or sum(done) > most:
            raise LimitError

    try:
        result = problem.solve(steps=steps, on_step=watch)
        outcome, cuts = result.outcome.name, result.cutbacks
    except LimitError:
        outcome, cuts = "LIMIT", 0
    seconds = time.process_time() - start
    moved = float(np.abs(problem.u.x.array).max())
    found = {"outcome": outcome, "load": problem.load, "steps": len(done), "iterations": sum(done), "cut": cuts}
    found["linear"] = float(np.mean(linear)) if linear else 0.0
    problem.newton.destroy()
    return {**found, "seconds": seconds, "displacement": moved}


def main(arguments: list[str] | None = None) -> dict[str, dict[str, dict[str, object]]]:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="one JSON object, nothing else")
    parser.add_argument("--problems", nargs="+", choices=list(PROBLEMS), default=list(PROBLEMS))
    parser.add_argument("--searches", nargs="+", choices=SEARCHES, default=list(SEARCHES))
    parser.add_argument("--limit", type=float, default=60.0, help="seconds of one run")
    options = parser.parse_args(arguments)
    table: dict[str, dict[str, dict[str, object]]] = {}
    for name in options.problems:
        table[name] = {}
        for search in options.searches:
            full = table[name].get("basic", {})
            most = 10 * int(full["iterations"]) if full.get("outcome") == "CONVERGED" else np.inf  # type: ignore[call-overload] # an int
            table[name][search] = run(PROBLEMS[name], search, options.limit, most)
            if not options.json and MPI.COMM_WORLD.rank == 0:
                print(text(name, search, table[name][search]), flush=True)
    if options.json:
        print(json.dumps(table))
    return table


def text(name: str, search: str, found: dict[str, object]) -> str:
    end = "" if found["outcome"] == "CONVERGED" else f"  {found['outcome']} at {found['load']:.4f} of the load"
    return (
        f"{name:22s}{search:9s}{found['steps']:4d} steps{found['iterations']:5d} iterations{found['cut']:4d} cut"
        f"{found['linear']:7.1f} linear"
        f"{found['seconds']:8.1f} s  |u| {found['displacement']:8.3f}{end}"
    )


if __name__ == "__main__":
    main()
