"""What a law costs in a finite-element run, beside the same law written in UFL: ratios measured in one run.

./dev python benchmarks/fem.py [--json] [--repeat N] [--no-peers] [--memory] [--scaling] [--materials [NAME …]] [--without-avx512]

For each law (St Venant–Kirchhoff, a series of degree 5, a network of 768 orbit units, that in float32) and element, one rank, one thread:
    exchange / assembly   strain in and stress out, without a law, over the assembly of residual and Jacobian
    update / assembly     the law evaluated at all points (once for the residual, once for the Jacobian) over the assembly
    cost / native         (update + assembly) over the assembly of St Venant–Kirchhoff written in UFL
    solve / native        a whole solve with load steps over the same with the UFL form
Then the same network through the same hook by other means on Q1: torch's closed form, torch's autograd, e3nn layers under autograd, and JAX
where it is installed (through dolfinx-external-operator where that is installed too).
--materials measures the laws of the shipped crystals on Q1 instead, with tangents in double and in single precision; --without-avx512
compiles all laws as for a machine that has AVX2 only (the native form is FFCx's, for any machine, in both cases).
--memory adds the peak memory of a model with 10⁶ points, --scaling strong and weak scaling on 1 and 2 ranks (or `--ranks 1 2 4 8`).
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1")
sys.path.insert(0, str(Path(__file__).parent))

import numpy as np
import torch
import ufl
from dolfinx import fem, mesh
from dolfinx.fem import petsc
from mpi4py import MPI
from peers import CHUNK, peers

from constitutive import Material, code_cache
from constitutive.fem import Problem, UserMaterial, rotation_from_bunge
from constitutive.fem.element_matrix import element_matrix_form
from constitutive.fem.own_solver import external_operator
from constitutive.laws import Law, LinearLaw, NetworkLaw, SeriesLaw
from constitutive.library import shipped_names
from constitutive.symmetry import PointGroup
from constitutive.tensors.packing import tangent_from_mandel
from constitutive.tensors.polynomials import exponents

HEX, TET = mesh.CellType.hexahedron, mesh.CellType.tetrahedron
ELEMENTS = {"Q1": (HEX, 1, 16), "Q2": (HEX, 2, 8), "P1": (TET, 1, 18), "P2": (TET, 2, 10)}
SOLVES = {"Q1": 10, "Q2": 5, "P1": 10, "P2": 5}
TURN = rotation_from_bunge(np.array([30.0, 40.0, 20.0]))
SINGLE = "network of 768 units, float32 tangents"
COLUMNS = ("exchange_over_assembly", "update_over_assembly", "cost_over_native", "solve_over_native")


class FreeLaw(Law):
    """A law that costs nothing: what is left of an update is the exchange with DOLFINx."""

    def __init__(self) -> None:
        super().__init__(np.eye(3)[None])
        self.s, self.C = torch.zeros(20_000, 6, dtype=torch.float64), torch.zeros(20_000, 6, 6, dtype=torch.float64)

    def energy_mandel(self, x):
        return self.s[: len(x), 0]

    def stress_mandel(self, x):
        return self.s[: len(x)]

    def tangent_mandel(self, x):
        return self.C[: len(x)]

    def derivative_mandel(self, x, order):
        raise NotImplementedError

    def state(self):
        raise NotImplementedError

    @classmethod
    def from_state(cls, settings, arrays, rotations):
        raise NotImplementedError


def linear() -> LinearLaw:
    C = np.diag([153.4] * 3 + [74.3] * 3)
    C[:3, :3] += 56.9 * (1 - np.eye(3))
    return LinearLaw.from_voigt(C, np.eye(3)[None])


def laws() -> dict[str, Law]:
    rng = np.random.default_rng(0)
    rotations = PointGroup.from_symbol("m-3m").laue_rotations
    x = linear().stiffness.numpy()
    quadratic = np.zeros(len(exponents(2)))
    for row, powers in enumerate(exponents(2)):
        i, j = np.repeat(np.arange(6), powers)
        quadratic[row] = x[i, j] * (0.5 if i == j else 1.0)
    higher = {d: 10.0 ** (d - 2) * rng.standard_normal(len(exponents(d))) for d in (3, 4, 5)}
    network = NetworkLaw(rng.standard_normal((32, 6)), rng.standard_normal(32), 0.2 * np.abs(rng.standard_normal(32)), 0.05, rotations)
    series = SeriesLaw({2: quadratic, **higher}, rotations)
    return {"St Venant-Kirchhoff": linear(), "series of degree 5": series, "network of 768 units": network, SINGLE: network}


def space(name: str, n: int, comm: MPI.Comm = MPI.COMM_WORLD) -> fem.FunctionSpace:
    cell, degree, _ = ELEMENTS[name]
    return fem.functionspace(mesh.create_box(comm, [[0, 0, 0], [1, 1, 1]], [n, n, n], cell), ("Lagrange", degree, (3,)))


def native_form(u: fem.Function, v: Any, degree: int) -> Any:
    C = np.einsum("ai,bj,ck,dl,ijkl->abcd", *[TURN] * 4, 1e3 * tangent_from_mandel(linear().stiffness.numpy()), optimize=True)
    i, j, k, m = ufl.indices(4)
    H = ufl.grad(u)
    E = (H + H.T + H.T * H) / 2
    S = ufl.as_tensor(ufl.as_tensor(C)[i, j, k, m] * E[k, m], (i, j))
    return ufl.inner((ufl.Identity(3) + H) * S, ufl.grad(v)) * ufl.dx(metadata={"quadrature_degree": degree})


def best(function: Callable[[], Any], repeat: int) -> float:
    """Median seconds of a call, after one that warms up."""
    function()
    times = []
    for _ in range(repeat):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return median(times)


def assembly(residual: Any, jacobian: Any) -> Callable[[], None]:
    """Assembly of a residual and of a Jacobian, in UFL or compiled."""
    R, J = fem.form(residual), fem.form(jacobian)
    A, b = petsc.create_matrix(J), fem.assemble_vector(R).array

    def assemble() -> None:
        b[:] = 0
        fem.assemble_vector(b, R)
        A.zeroEntries()
        petsc.assemble_matrix(A, J)
        A.assemble()

    return assemble


def interleaved(functions: dict[str, Callable[[], Any]], repeat: int) -> dict[str, float]:
    """Processor seconds of several calls taken in turns, the least of each: another's work on the machine does not count."""
    for function in functions.values():
        function()
    times: dict[str, list[float]] = {name: [] for name in functions}
    for _ in range(repeat):
        for name, function in functions.items():
            start = time.process_time()
            function()
            times[name].append(time.process_time() - start)
    return {name: min(values) for name, values in times.items()}


def updates(law: UserMaterial) -> Callable[[], None]:
    """What one Newton iteration asks of a law: the stress for the residual, the tangent for the Jacobian."""

    def update() -> None:
        law.forget()
        law.update(tangent=False)
        law.update(tangent=True)

    return update


def exchange(law: UserMaterial) -> Callable[[], None]:
    """Strain in and stress out, once."""

    def update() -> None:
        law.forget()
        law.update(tangent=False)

    return update


def row(element: str, name: str, material: Law, repeat: int) -> dict[str, Any]:
    V = space(element, ELEMENTS[element][2])
    u, v, du = fem.Function(V), ufl.TestFunction(V), ufl.TrialFunction(V)
    u.x.array[:] = 0.004 * np.random.default_rng(1).standard_normal(u.x.array.size) / ELEMENTS[element][2]
    precision = "single" if name == SINGLE else "double"
    law, free = UserMaterial(u, material, orientation=TURN, tangent_precision=precision), UserMaterial(u, FreeLaw(), kernel="torch")
    law.update()
    F = native_form(u, v, law.points.degree)
    kept = updates(law)
    if name == "St Venant-Kirchhoff":

        def kept() -> None:  # the tangent of a linear law is evaluated once in a solve
            law._seen = []
            law.update(tangent=False)
            law.update(tangent=True)

    timed = {
        "native": assembly(F, ufl.derivative(F, u, du)),
        "assembly": assembly(law.residual(v), element_matrix_form(law)),
        "update": kept,
        "exchange": exchange(free),
    }
    t = interleaved(timed, repeat)
    solves = solve_times(element, material, max(2, repeat // 3), precision)
    return {
        "law": name, "element": element, "points": law.points.count, "points_per_cell": law.points.per_cell,
        "exchange_over_assembly": t["exchange"] / t["assembly"], "update_over_assembly": t["update"] / t["assembly"],
        "assembly_over_native": t["assembly"] / t["native"], "cost_over_native": (t["update"] + t["assembly"]) / t["native"],
        "solve_over_native": solves["hook"] / solves["native"], "points_per_second": law.points.count / t["update"],
        "native_points_per_second": law.points.count / t["native"],
        "bytes_per_point_of_the_law": bytes_per_point(law),
        "iterations": solves["iterations"], "native_iterations": solves["native_iterations"],
        "seconds": {**t, "solve": solves["hook"], "native_solve": solves["native"]},
    }  # fmt: skip


def material_row(name: str, repeat: int) -> dict[str, Any]:
    """The law of a shipped crystal on Q1: (update + assembly) over native, with both kinds of tangents, and Newton's iterations."""
    material = Material.load(name)
    V = space("Q1", ELEMENTS["Q1"][2])
    u, v, du = fem.Function(V), ufl.TestFunction(V), ufl.TrialFunction(V)
    u.x.array[:] = 0.004 * np.random.default_rng(1).standard_normal(u.x.array.size) / ELEMENTS["Q1"][2]
    laws = {precision: UserMaterial(u, material.law, orientation=TURN, tangent_precision=precision) for precision in ("double", "single")}
    law = laws["double"]
    law.update()
    F = native_form(u, v, law.points.degree)
    timed = {"native": assembly(F, ufl.derivative(F, u, du)), "assembly": assembly(law.residual(v), element_matrix_form(law))}
    t = interleaved({**timed, **{precision: updates(each) for precision, each in laws.items()}}, repeat)
    solves = {precision: solve_times("Q1", material.law, 1, precision) for precision in laws}
    return {
        "material": name, "laue_class": material.point_group.laue_class, "units": material.law.orbit_units(),
        "cost_over_native": {precision: (t[precision] + t["assembly"]) / t["native"] for precision in laws},
        "assembly_over_native": t["assembly"] / t["native"], "points": law.points.count,
        "iterations": {**{precision: found["iterations"] for precision, found in solves.items()},
                       "native": solves["double"]["native_iterations"]}, "seconds": t,
    }  # fmt: skip


def materials(options: argparse.Namespace) -> dict[str, Any]:
    """The table of the shipped crystals."""
    if options.without_avx512:
        code_cache.FLAGS = (*code_cache.FLAGS, "-mno-avx512f", "-mprefer-vector-width=256")  # the key of a compiled module holds the flags
    rows: list[dict[str, Any]] = []
    for name in options.materials or shipped_names():
        rows.append(material_row(name, options.repeat))
        if not options.json:
            print_material(rows[-1], header=len(rows) == 1)
    if options.json:
        print(json.dumps(rows))
    return {"materials": rows}


def print_material(found: dict[str, Any], *, header: bool = False) -> None:
    if header:
        print("| crystal | Laue class | units | cost / native | with tangents in single precision | iterations: double, single, native |")
        print("|---" * 6 + "|")
    cost, steps = found["cost_over_native"], found["iterations"]
    print(f"| {found['material']} | {found['laue_class']} | {found['units']} | {cost['double']:.2f} | {cost['single']:.2f} "
          f"| {steps['double']}, {steps['single']}, {steps['native']} |", flush=True)  # fmt: skip


def bytes_per_point(law: UserMaterial) -> float:
    """What a law keeps at each point: stress, tangent and their ghosts."""
    return 8 * (law.stress.x.array.size + law.tangent.x.array.size) / max(law.points.count, 1)


def solve_times(element: str, material: Law, repeat: int, precision: str) -> dict[str, Any]:
    V = space(element, SOLVES[element])
    v = ufl.TestFunction(V)
    ends = [fem.locate_dofs_geometrical(V, lambda x, end=end: np.isclose(x[0], end)) for end in (0.0, 1.0)]
    bcs = [fem.dirichletbc(np.zeros(3), ends[0], V), fem.dirichletbc(np.array([0.03, 0.02, 0.0]), ends[1], V)]
    ours, theirs = fem.Function(V), fem.Function(V)
    law = UserMaterial(ours, material, orientation=TURN, tangent_precision=precision)
    problems = {
        "hook": Problem(law.residual(v), law, bcs=bcs),
        "native": Problem(native_form(theirs, v, law.points.degree), u=theirs, bcs=bcs),
    }
    iterations = {}

    def run(name: str) -> None:
        problem = problems[name]
        problem.u.x.array[:] = 0
        problem.resume_at(0.0)
        iterations[name] = problem.solve(steps=2).require().iterations

    seconds = interleaved({name: lambda name=name: run(name) for name in problems}, repeat)
    for problem in problems.values():
        problem.newton.destroy()
    return {**seconds, "iterations": iterations["hook"], "native_iterations": iterations["native"]}


def peer_row(name: str, material: Law, cells: int, repeat: int) -> dict[str, Any]:
    """The network by other means, on Q1 and fewer cells: what the hook pays for it."""
    V = space("Q1", cells)
    u, v, du = fem.Function(V), ufl.TestFunction(V), ufl.TrialFunction(V)
    u.x.array[:] = 0.004 * np.random.default_rng(1).standard_normal(u.x.array.size) / cells
    law = UserMaterial(u, material, orientation=TURN, kernel="torch", chunk=CHUNK)
    law.update()
    F = native_form(u, v, law.points.degree)
    forms = {"native": assembly(F, ufl.derivative(F, u, du)), "assembly": assembly(law.residual(v), element_matrix_form(law))}
    t = interleaved({**forms, "update": updates(law)}, repeat)
    return {
        "law": name, "element": "Q1", "points": law.points.count, "update_over_assembly": t["update"] / t["assembly"],
        "assembly_over_native": t["assembly"] / t["native"], "cost_over_native": (t["update"] + t["assembly"]) / t["native"],
        "points_per_second": law.points.count / t["update"], "seconds": t,
    }  # fmt: skip


def peer_rows(repeat: int) -> list[dict[str, Any]]:
    """Other ways to evaluate the network of 768 units."""
    network = laws()["network of 768 units"]
    rows = [peer_row("network: torch, closed form", network, 8, repeat)]
    for name, make in peers(network).items():  # type: ignore[arg-type] # it is a network
        rows.append(peer_row(f"network: {name}", make(), 3 if "e3nn" in name else 6, min(repeat, 2)))
        if "JAX" in name and (through := external_operator_row("Q1", min(repeat, 2), make(), f"{rows[-1]['law']}, external operator", 6)):
            rows.append(through)
    return rows


def add_peers(rows: list[dict[str, Any]], options: argparse.Namespace) -> None:
    """Rows of the other ways, with the ratio of their rate to ours."""
    if options.no_peers or "Q1" not in options.elements:
        return
    ours = next(r for r in rows if r["law"] == "network of 768 units")["points_per_second"]
    for found in peer_rows(options.repeat):
        rows.append({**found, "ours_over_theirs": ours / found["points_per_second"]})
        if not options.json:
            print_row(rows[-1])


def external_operator_row(
    element: str,
    repeat: int,
    material: Law | None = None,
    name: str = "St Venant-Kirchhoff (dolfinx-external-operator)",
    cells: int | None = None,
) -> dict[str, Any] | None:
    """The same law through dolfinx-external-operator, where that is installed."""
    if importlib.util.find_spec("dolfinx_external_operator") is None:
        return None
    from dolfinx_external_operator import evaluate_external_operators, evaluate_operands, replace_external_operators

    V = space(element, cells or ELEMENTS[element][2])
    u, v, du = fem.Function(V), ufl.TestFunction(V), ufl.TrialFunction(V)
    law = UserMaterial(u, linear() if material is None else material, orientation=TURN, kernel="c" if material is None else "torch")
    form = ufl.inner(external_operator(law), law.kinematics.variation(u, v)) * law.dx
    J = ufl.algorithms.expand_derivatives(ufl.derivative(form, u, du))
    (R, operators), (A, J_operators) = replace_external_operators(form), replace_external_operators(J)

    def update() -> None:
        operands = evaluate_operands(operators)
        evaluate_external_operators(operators, operands)
        operands = evaluate_operands(operators)
        evaluate_external_operators(operators, operands)
        evaluate_external_operators(J_operators, operands)

    F = native_form(u, v, law.points.degree)
    t = interleaved({"native": assembly(F, ufl.derivative(F, u, du)), "assembly": assembly(R, A), "update": update}, repeat)
    return {
        "law": name, "element": element, "points": law.points.count,
        "update_over_assembly": t["update"] / t["assembly"], "assembly_over_native": t["assembly"] / t["native"],
        "cost_over_native": (t["update"] + t["assembly"]) / t["native"], "points_per_second": law.points.count / t["update"], "seconds": t,
    }  # fmt: skip


def memory(element: str) -> dict[str, Any]:
    """Peak memory of a model with a million points: mesh, law, both forms assembled, the matrix; of this process."""
    n = {"Q1": 50, "P1": 55}[element]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    V = space(element, n)
    u, v = fem.Function(V), ufl.TestFunction(V)
    law = UserMaterial(u, laws()["network of 768 units"], orientation=TURN)
    law.update()
    assembly(law.residual(v), element_matrix_form(law))()
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {"element": element, "points": law.points.count, "bytes_per_point": 1024 * (after - before) / law.points.count,
            "bytes_per_point_of_the_law": bytes_per_point(law)}  # fmt: skip


def scaling(element: str, n: int) -> dict[str, Any]:
    """Seconds of update and assembly on the ranks of this run, of the clock and of the processor (each time the slowest rank's)."""
    comm = MPI.COMM_WORLD
    V = space(element, n)
    u, v = fem.Function(V), ufl.TestFunction(V)
    law = UserMaterial(u, laws()["network of 768 units"], orientation=TURN)
    timed = {"update": updates(law), "assembly": assembly(law.residual(v), element_matrix_form(law))}
    seconds = {}
    for name, function in timed.items():
        function()
        comm.Barrier()
        began = time.process_time()
        seconds[name] = comm.allreduce(best(function, 3), op=MPI.MAX)
        seconds[f"{name}_cpu"] = comm.allreduce((time.process_time() - began) / 4, op=MPI.MAX)
    points = comm.allreduce(law.points.count)
    return {"ranks": comm.size, "points": points, **seconds}


def in_new_process(arguments: list[str], ranks: int = 0) -> dict[str, Any]:
    launcher = ["mpirun", "-n", str(ranks)] if ranks else []
    result = subprocess.run([*launcher, sys.executable, __file__, *arguments], capture_output=True, text=True, check=True)
    return json.loads(result.stdout.strip().splitlines()[-1])


def main(arguments: list[str] | None = None) -> dict[str, Any]:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="one JSON object, nothing else")
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--elements", nargs="+", choices=ELEMENTS, default=list(ELEMENTS))
    parser.add_argument("--no-peers", action="store_true", help="without the network by other means")
    parser.add_argument("--memory", action="store_true", help="also the memory of 10⁶ points")
    parser.add_argument("--scaling", action="store_true", help="also strong and weak scaling")
    parser.add_argument("--ranks", nargs="+", type=int, default=[1, 2])
    parser.add_argument("--materials", nargs="*", metavar="NAME", help="the laws of shipped crystals instead; all where none is named")
    parser.add_argument("--without-avx512", action="store_true", help="with --materials: compile as for a machine that has AVX2 only")
    parser.add_argument("--only", nargs=2, metavar=("WHAT", "ARGUMENT"), help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    if options.materials is not None:
        return materials(options)
    if options.only:
        what, argument = options.only
        found = memory(argument) if what == "memory" else scaling("Q1", int(argument))
        if MPI.COMM_WORLD.rank == 0:
            print(json.dumps(found))
        return found
    report: dict[str, Any] = {"rows": []}
    for element in options.elements:
        for name, material in laws().items():
            report["rows"].append(row(element, name, material, options.repeat))
            if not options.json:
                print_row(report["rows"][-1], header=len(report["rows"]) == 1)
        other = external_operator_row(element, options.repeat)
        if other is not None:
            report["rows"].append(other)
            if not options.json:
                print_row(other)
    add_peers(report["rows"], options)
    if options.memory:
        report["memory"] = [in_new_process(["--only", "memory", element]) for element in ("Q1", "P1")]
    if options.scaling:
        strong = [in_new_process(["--only", "scaling", "24"], ranks) for ranks in options.ranks]
        weak = [in_new_process(["--only", "scaling", str(round(20 * ranks ** (1 / 3)))], ranks) for ranks in options.ranks]
        report["scaling"] = {"strong": strong, "weak": weak}
    print(json.dumps(report) if options.json else text(report))
    return report


def print_row(found: dict[str, Any], *, header: bool = False) -> None:
    if header:
        print(f"{'law':48s}{'':4s}" + "".join(f"{name.replace('_over_', ' / '):>20s}" for name in COLUMNS) + "   points/s  iterations")
    cells = "".join(f"{found[name]:20.3f}" if name in found else f"{'':20s}" for name in COLUMNS)
    iterations = f"{found['iterations']} ({found['native_iterations']} native)" if "iterations" in found else ""
    iterations = f"ours is {found['ours_over_theirs']:.0f} times as fast" if "ours_over_theirs" in found else iterations
    print(f"{found['law']:48s}{found['element']:4s}{cells}{found['points_per_second']:11.2e}  {iterations}", flush=True)


def text(report: dict[str, Any]) -> str:
    lines = []
    for found in report.get("memory", []):
        lines.append(f"memory {found['element']}: {found['points']} points, {found['bytes_per_point']:.0f} bytes per point in all, "
                     f"{found['bytes_per_point_of_the_law']:.0f} of them the law's")  # fmt: skip
    for kind, rows in report.get("scaling", {}).items():
        for found in rows:
            rate = found["points"] / (found["update"] + found["assembly"])
            lines.append(f"{kind} scaling, {found['ranks']} ranks, {found['points']} points: update {found['update']:.3f} s, "
                         f"assembly {found['assembly']:.3f} s (of the processor: {found['update_cpu']:.3f} and "
                         f"{found['assembly_cpu']:.3f} s), {rate:.3g} points/s")  # fmt: skip
    return "\n".join(lines)


if __name__ == "__main__":
    main()
