"""Finite-element problems that tests solve in this process and on several ranks: ``mpirun -n 2 python fem_cases.py
CASE [ARGUMENT …]``.

Each case returns figures that must not depend on the number of ranks.
"""

import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import basix.ufl
import numpy as np
import ufl
from dolfinx import fem, mesh
from mpi4py import MPI

from constitutive.errors import ConstitutiveError
from constitutive.fem import Problem, UserMaterial, rotation_from_bunge
from constitutive.fem.compat import interpolation_points
from constitutive.fem.pictures import Panel, draw, gathered
from constitutive.laws import Domain, LinearLaw
from constitutive.material import Material
from constitutive.symmetry import PointGroup
from constitutive.tensors.packing import tangent_from_mandel

COMM = MPI.COMM_SELF
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


def jacobian_error(
    residual: fem.Form, jacobian: fem.Form, law: UserMaterial | list[UserMaterial], u: fem.Function, step: float = 1e-6
) -> float:
    """Relative difference between a Jacobian along a direction and central differences of the form."""
    laws = law if isinstance(law, list) else [law]
    rng = np.random.default_rng(3)
    base, direction = 0.02 * rng.standard_normal(u.x.array.size), rng.standard_normal(u.x.array.size)

    def at(values: np.ndarray) -> np.ndarray:
        u.x.array[:] = values
        assert not any(law.update() for law in laws)
        return fem.assemble_vector(residual).array.copy()

    difference = (at(base + step * direction) - at(base - step * direction)) / (2 * step)
    at(base)
    exact = fem.assemble_matrix(jacobian).to_scipy() @ direction
    return float(np.linalg.norm(difference - exact) / np.linalg.norm(difference))


def moments(u: fem.Function) -> list[float]:
    """Sums over nodes of the displacement times low polynomials: numbers that know every part of it."""
    space = u.function_space
    owned, size = space.dofmap.index_map.size_local, space.dofmap.index_map_bs
    x, values = space.tabulate_dof_coordinates()[:owned], u.x.array[: owned * size].reshape(-1, size)
    weights = np.stack([np.ones(owned), x[:, 0] * x[:, 1], x[:, 1] ** 2, x[:, 0] ** 2])
    return list(space.mesh.comm.allreduce(weights @ values).ravel())


def square(degree: int = 1, components: int = 2, cell: mesh.CellType = mesh.CellType.triangle) -> fem.FunctionSpace:
    """Vector elements on a unit square."""
    return fem.functionspace(mesh.create_unit_square(COMM, 2, 2, cell), ("Lagrange", degree, (components,)))


def affine(u: fem.Function, A: np.ndarray) -> None:
    """Give a displacement a uniform gradient."""
    u.interpolate(lambda x: A @ x[: A.shape[1]])


def bounded(radius: float = 0.05) -> Material:
    """A material with a domain."""
    return Material(cubic(), PointGroup.from_symbol("m-3m"), name="test", domain=Domain(np.eye(6), radius))


def pulled_problem(shift: tuple[float, ...] = (0.1, 0.05, 0.02), **options: object) -> Problem:
    """A turned cubic block, pulled."""
    V = block(2, HEX, 1, COMM)
    u, v = fem.Function(V), ufl.TestFunction(V)
    law = UserMaterial(u, **({"material": cubic(), "orientation": TURN} | options))
    return Problem(law.residual(v), law, bcs=pulled(V, shift))


def cell_tags(m: mesh.Mesh) -> mesh.MeshTags:
    """Tag 1 below y = ½, tag 2 above, of all cells and ghosts."""
    count = m.topology.index_map(3).size_local + m.topology.index_map(3).num_ghosts
    cells = np.arange(count, dtype=np.int32)
    return mesh.meshtags(m, 3, cells, (1 + (mesh.compute_midpoints(m, 3, cells)[:, 1] > 0.5)).astype(np.int32))


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


def mapped(m: mesh.Mesh, place: Callable[[np.ndarray], np.ndarray]) -> mesh.Mesh:
    """Move the nodes of a mesh."""
    x = m.geometry.x
    x[:, : m.geometry.dim] = place(x[:, : m.geometry.dim].copy())
    return m


def on_boundary(V: fem.FunctionSpace) -> np.ndarray:
    """Entries on the whole boundary."""
    m = V.mesh
    m.topology.create_connectivity(m.topology.dim - 1, m.topology.dim)
    return fem.locate_dofs_topological(V, m.topology.dim - 1, mesh.exterior_facet_indices(m.topology))


def patch(comm: MPI.Comm = MPI.COMM_WORLD) -> dict[str, object]:
    """Distorted elements under an affine displacement: the solution is affine, the stress uniform."""
    A = np.array([[0.04, 0.02, -0.01], [0.01, -0.03, 0.02], [0.0, 0.015, 0.02]])
    figures: dict[str, object] = {}
    for cell, degree in ((HEX, 1), (TET, 1), (HEX, 2), (TET, 2)):
        V = block(3 if degree == 1 else 2, cell, degree, comm)
        bubble = lambda x: np.prod(np.sin(np.pi * x), axis=1)[:, None]  # noqa: E731 - one expression
        mapped(V.mesh, lambda x, b=bubble: x + 0.12 * b(x) * np.array([1.0, -0.7, 0.5]))
        u, v, exact = fem.Function(V), ufl.TestFunction(V), fem.Function(V)
        exact.interpolate(lambda x: A @ x)
        law = UserMaterial(u, cubic(), orientation=TURN)
        Problem(law.residual(v), law, bcs=[fem.dirichletbc(exact, on_boundary(V))]).solve().require()
        stress = law.field("cauchy_stress").x.array.reshape(-1, 9)[: V.mesh.topology.index_map(3).size_local]
        P, _ = cubic().rotated(TURN)(np.eye(3) + A)
        sigma = 1e3 * P @ (np.eye(3) + A).T / np.linalg.det(np.eye(3) + A)
        size = np.abs(sigma).max()
        figures[f"{cell.name}{degree}"] = {
            "difference": comm.allreduce(np.abs(u.x.array - exact.x.array).max(initial=0) / 0.04, op=MPI.MAX),
            "stress": comm.allreduce(np.abs(stress - sigma.ravel()).max(initial=0) / size, op=MPI.MAX),
            "numbers": [*moments(u), law.total_energy()],
        }
    return figures


def manufactured(comm: MPI.Comm = MPI.COMM_WORLD) -> dict[str, object]:
    """Errors in L2 of a smooth solution at finite strain, plane strain of a turned crystal, on two meshes."""
    figures: dict[str, object] = {}
    for degree, sizes in ((1, (12, 24)), (2, (6, 12))):
        errors = [manufactured_error(n, degree, comm) for n in sizes]
        figures[f"P{degree}"] = {"errors": errors, "order": float(np.log2(errors[0] / errors[1])), "numbers": errors}
    return figures


def manufactured_error(n: int, degree: int, comm: MPI.Comm) -> float:
    """Error in L2 on n × n squares of two triangles."""
    m = mesh.create_unit_square(comm, n, n)
    V = fem.functionspace(m, ("Lagrange", degree, (2,)))
    u, v, x = fem.Function(V), ufl.TestFunction(V), ufl.SpatialCoordinate(m)
    exact = 0.05 * ufl.as_vector([ufl.sin(2 * x[0] + x[1]), ufl.cos(x[0] - 2 * x[1])])
    law = UserMaterial(u, cubic(), orientation=TURN, plane="strain")
    H = ufl.as_matrix([[*ufl.grad(exact)[i, :], 0] for i in range(2)] + [[0, 0, 0]])
    E = (H + H.T + H.T * H) / 2
    i, j, k, q = ufl.indices(4)
    S = ufl.as_tensor(ufl.as_tensor(stiffness_tensor(cubic(), TURN))[i, j, k, q] * E[k, q], (i, j))
    P = (ufl.Identity(3) + H) * S
    work = sum(P[a, b] * ufl.grad(v)[a, b] for a in range(2) for b in range(2)) * ufl.dx(metadata={"quadrature_degree": 8})
    ends = fem.Function(V)
    ends.interpolate(fem.Expression(exact, interpolation_points(V)))
    factor = fem.Constant(m, 1.0)
    bcs = [fem.dirichletbc(ends, on_boundary(V))]
    Problem(law.residual(v) - factor * work, law, bcs=bcs, load_factor=factor).solve(steps=1).require()
    error = fem.form(ufl.inner(u - exact, u - exact) * ufl.dx(metadata={"quadrature_degree": 8}))
    return float(np.sqrt(comm.allreduce(fem.assemble_scalar(error))))


def ellipses(r: np.ndarray, angle: np.ndarray) -> np.ndarray:
    """Plan of NAFEMS LE1 and LE10: from the inner ellipse (2, 1) at r = 0 to the outer one (3.25, 2.75) at r = 1."""
    return np.column_stack([(2 + 1.25 * r) * np.cos(angle), (1 + 1.75 * r) * np.sin(angle)])


def curved(comm: MPI.Comm, sizes: tuple[int, ...], place: Callable[[np.ndarray], np.ndarray]) -> mesh.Mesh:
    """Structured quadrilaterals or hexahedra with quadratic sides, mapped from the unit square or cube."""
    cell = {2: basix.CellType.quadrilateral, 3: basix.CellType.hexahedron}[len(sizes)]
    element = basix.ufl.element("Lagrange", cell.name, 2, shape=(len(sizes),))
    nodes = [2 * n + 1 for n in sizes]
    x = np.stack(np.meshgrid(*(np.linspace(0, 1, n) for n in nodes), indexing="ij"), axis=-1).reshape(-1, len(sizes))
    offsets = np.rint(2 * basix.create_element(basix.ElementFamily.P, cell, 2).points).astype(int)
    corners = 2 * np.stack(np.meshgrid(*(np.arange(n) for n in sizes), indexing="ij"), axis=-1).reshape(-1, 1, len(sizes))
    cells = np.ravel_multi_index(tuple(np.moveaxis(corners + offsets, -1, 0)), nodes).astype(np.int64)
    if comm.rank:
        cells, x = cells[:0], x[:0]
    return mesh.create_mesh(comm, cells=cells, x=place(x), e=element)


def facets_where(m: mesh.Mesh, marks: dict[int, Callable]) -> mesh.MeshTags:
    """Tags of boundary facets whose midpoints are marked."""
    dim = m.topology.dim - 1
    m.topology.create_connectivity(dim, dim + 1)
    boundary = mesh.exterior_facet_indices(m.topology)
    middle = mesh.compute_midpoints(m, dim, boundary).T
    tags = np.zeros(len(boundary), dtype=np.int32)
    for tag, mark in marks.items():
        tags[mark(middle)] = tag
    return mesh.meshtags(m, dim, boundary, tags)


def on_outer_ellipse(x: np.ndarray) -> np.ndarray:
    """Facets whose vertices' mean is near the outer ellipse (chords lie inside it)."""
    return (x[0] / 3.25) ** 2 + (x[1] / 2.75) ** 2 > 0.96


def at_node(function: fem.Function, place: tuple[float, ...], component: int) -> float:
    """A component of a Function at the node at a place, on all ranks."""
    space = function.function_space
    size = space.dofmap.index_map_bs
    x = space.tabulate_dof_coordinates()[: space.dofmap.index_map.size_local, : len(place)]
    found = np.flatnonzero(np.linalg.norm(x - np.array(place), axis=1) < 1e-8)
    values = function.x.array.reshape(-1, size)[found, component]
    return float(next(part[0] for part in space.mesh.comm.allgather(list(values)) if part))


def nafems_le1(comm: MPI.Comm = MPI.COMM_WORLD) -> dict[str, object]:
    """Elliptic membrane: plane stress, outward pressure of 10 MPa on the outer edge, σ_yy at D is 92.7 MPa."""
    m = curved(comm, (8, 10), lambda x: ellipses(x[:, 0], x[:, 1] * np.pi / 2))
    tags = facets_where(m, {1: on_outer_ellipse})
    V = fem.functionspace(m, ("Lagrange", 2, (2,)))
    u, v, normal = fem.Function(V), ufl.TestFunction(V), ufl.FacetNormal(m)
    law = UserMaterial(u, isotropic(), strain="small", plane="stress", unit="MPa")
    bcs = [symmetry(V, k) for k in range(2)]
    load = 10.0 * ufl.dot(normal, v) * ufl.ds(subdomain_data=tags, subdomain_id=1)
    Problem(law.residual(v) - load, law, bcs=bcs).solve().require()
    stress = at_node(law.field("cauchy_stress", ("Lagrange", 2)), (2.0, 0.0), 4)
    return {"stress": stress, "numbers": [stress, law.total_energy(), *moments(u)]}


def symmetry(V: fem.FunctionSpace, component: int) -> fem.DirichletBC:
    """No displacement across the plane where a coordinate is zero."""
    sub, _ = V.sub(component).collapse()
    dofs = fem.locate_dofs_geometrical((V.sub(component), sub), lambda x: np.isclose(x[component], 0))
    return fem.dirichletbc(fem.Function(sub), dofs, V.sub(component))


def nafems_le10(comm: MPI.Comm = MPI.COMM_WORLD) -> dict[str, object]:
    """Thick plate: pressure of 1 MPa on top, σ_yy at D on top is −5.38 MPa."""
    m = curved(comm, (4, 7, 4), lambda x: np.column_stack([ellipses(x[:, 0] ** 1.5, x[:, 1] * np.pi / 2), 0.6 * x[:, 2]]))
    tags = facets_where(m, {1: lambda x: np.isclose(x[2], 0.6), 2: on_outer_ellipse})
    V = fem.functionspace(m, ("Lagrange", 2, (3,)))
    u, v = fem.Function(V), ufl.TestFunction(V)
    law = UserMaterial(u, isotropic(), strain="small")
    bcs = [symmetry(V, k) for k in range(2)]
    outer = tags.find(2)
    for component in range(3):
        sub, _ = V.sub(component).collapse()
        dofs = fem.locate_dofs_topological((V.sub(component), sub), 2, outer)
        if component == 2:  # the middle line of the outer face only
            x = sub.tabulate_dof_coordinates()[dofs[1]]
            dofs = [part[np.isclose(x[:, 2], 0.3)] for part in dofs]
        bcs.append(fem.dirichletbc(fem.Function(sub), dofs, V.sub(component)))
    load = -1.0 * v[2] * ufl.ds(subdomain_data=tags, subdomain_id=1)
    Problem(law.residual(v) - load, law, bcs=bcs).solve().require()
    stress = at_node(law.field("cauchy_stress", ("Lagrange", 2)), (2.0, 0.0, 0.6), 4)
    return {"stress": stress, "numbers": [stress, law.total_energy(), *moments(u)]}


class Broken:
    """A law that raises an error on the last rank at its fourth stress."""

    def __init__(self) -> None:
        self.inner, self.calls = cubic(), 0
        self.tangent_mandel, self.energy_mandel = self.inner.tangent_mandel, self.inner.energy_mandel

    def stress_mandel(self, x: object) -> object:
        """Stress, a few times."""
        self.calls += 1
        if self.calls > 3 and MPI.COMM_WORLD.rank == MPI.COMM_WORLD.size - 1:
            raise ValueError("no stress today")
        return self.inner.stress_mandel(x)


def failing_rank() -> dict[str, object]:
    """One rank raises inside the solver: every rank gets the same named outcome."""
    V = block(3, HEX, 1)
    u, v = fem.Function(V), ufl.TestFunction(V)
    law = UserMaterial(u, Broken())
    result = Problem(law.residual(v), law, bcs=pulled(V)).solve(steps=2)
    outcomes = MPI.COMM_WORLD.allgather(result.outcome.name)
    return {"outcomes": outcomes, "reason": result.reason, "messages": failing_setup(V)}


def failing_setup(V: fem.FunctionSpace) -> list[str]:
    """One rank finds a bad orientation: every rank gets an error."""
    points = V.mesh.topology.index_map(3).size_local
    R = np.tile(np.eye(3), (points, 1, 1)) * (2 if MPI.COMM_WORLD.rank else 1)
    try:
        UserMaterial(fem.Function(V), cubic(), orientation=R)
        text = ""
    except ConstitutiveError as error:
        text = str(error)
    return MPI.COMM_WORLD.allgather(text)


def loaded(folder: str, what: str, comm: MPI.Comm = MPI.COMM_WORLD) -> dict[str, object]:
    """A pulled block with checkpoints: the whole way, stopped on the way, killed on the way, or restarted."""
    V = block(4, HEX, 1, comm)
    u, v = fem.Function(V), ufl.TestFunction(V)
    law = UserMaterial(u, cubic(), orientation=TURN)
    problem = Problem(law.residual(v), law, bcs=pulled(V))

    def end(record: object) -> None:
        if record.load >= 0.4 and what == "kill" and comm.rank == comm.size - 1:
            os.kill(os.getpid(), signal.SIGKILL)
        if record.load >= 0.4 and what == "interrupt" and comm.rank == comm.size - 1:
            os.kill(os.getpid(), signal.SIGINT)

    start = problem.restart(folder) if what == "restart" else 0.0
    result = problem.solve(steps=5, checkpoint=folder, on_step=end)
    return {"start": start, "outcome": result.outcome.name, "load": result.load, "numbers": [*moments(u), law.total_energy()]}


def picture(path: str) -> dict[str, object]:
    """Draw a block that lies on several ranks."""
    V = block(4, HEX, 1)
    u = fem.Function(V)
    u.interpolate(lambda x: 0.1 * x)
    panel = Panel(u, UserMaterial(u, cubic()).field("mises_stress"), "Mises stress (MPa)")
    draw(path, panel, size=(400, 300))
    grid = gathered(panel)
    return {} if grid is None else {"cells": grid.n_cells, "points": grid.n_points}


def hole(comm: MPI.Comm = MPI.COMM_WORLD) -> dict[str, object]:
    """Stress at the edge of a hole in a (001) cubic plate under a small load along [100] and [110]."""
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "fem_examples"))
    from hole_in_plate import Plate

    turns = [rotation_from_bunge(np.array([-angle, 0.0, 0.0])) for angle in (0.0, 45.0)]
    K = [Plate(cubic(), R, 12, 10, comm).stretch(1e-5, steps=1)["K"] for R in turns]
    return {"K": K, "numbers": K}


FIGURES = {"hook": hook, "patch": patch, "manufactured": manufactured, "le1": nafems_le1, "le10": nafems_le10, "hole": hole}
CASES: dict[str, Callable[..., dict[str, object]]] = {**FIGURES, "failing_rank": failing_rank, "loaded": loaded, "picture": picture}
CASES["all"] = lambda: {name: case() for name, case in FIGURES.items()}

if __name__ == "__main__":
    outcome = CASES[sys.argv[1]](*sys.argv[2:])
    if MPI.COMM_WORLD.rank == 0:
        sys.stdout.write(json.dumps(outcome))
