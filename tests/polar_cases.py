"""Bodies with displacement, potential and polarisation as unknowns: here and on ranks: ``mpirun -n 2 python polar_cases.py CASE``."""

import json
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path

import basix.ufl
import numpy as np
import ufl
from dolfinx import fem, mesh
from mpi4py import MPI

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "fem_examples"))

from landau import ferroelectric, linear
from piezo_cases import quartz_elastic

from constitutive import Material
from constitutive.fem import Electrode, Insulator, PinnedWallsWarning, Problem, UserMaterial, ViscousFlow, equal_where, rotation_from_bunge
from constitutive.laws.coupled import CoupledSeriesLaw
from constitutive.symmetry import PointGroup

COMM = MPI.COMM_SELF
TURN = rotation_from_bunge(np.array([30.0, 40.0, 20.0]))
GRADIENT = {"G11": 4e-8, "G12": -1e-8, "G44": 2e-8}  # J m³/C²


class Body:
    """A box or a rectangle of elements of degree one for (u, φ, P); lengths in nm, potentials in V, stresses in GPa."""

    def __init__(self, cells: Sequence[int], size: Sequence[float], comm: MPI.Comm = COMM, distort: float = 0.0) -> None:
        d = len(cells)
        self.size, self.dimension = np.array(size, dtype=float), d
        make = mesh.create_box if d == 3 else mesh.create_rectangle
        shape = mesh.CellType.hexahedron if d == 3 else mesh.CellType.quadrilateral
        self.mesh = make(comm, [[0.0] * d, list(size)], list(cells), shape)
        if distort:
            x = self.mesh.geometry.x[:, :d]
            x += distort * np.prod(np.sin(np.pi * x / self.size), axis=1)[:, None] * np.array([1.0, -0.7, 0.5])[:d]
        name = self.mesh.basix_cell().name
        parts = [basix.ufl.element("Lagrange", name, 1, shape=s) for s in ((3,), (), (3,))]
        self.W = fem.functionspace(self.mesh, basix.ufl.mixed_element(parts))
        self.w = fem.Function(self.W)
        self.u, self.phi, self.P = ufl.split(self.w)
        self.tests = ufl.TestFunctions(self.W)

    def law(self, material: object, **options: object) -> UserMaterial:
        """The law of the body."""
        common: dict = {"phi": self.phi, "P": self.P, "length_unit": "nm", "potential_unit": "V", "unit": "GPa"}
        plane = {} if self.dimension == 3 else {"plane": "generalised_strain"}
        return UserMaterial(self.u, material, **(common | plane | options))

    def boundary(self, part: int, function: object) -> fem.DirichletBC:
        """Values of a part on the whole boundary."""
        V, _ = self.W.sub(part).collapse()
        self.mesh.topology.create_connectivity(self.dimension - 1, self.dimension)
        value = fem.Function(V)
        value.interpolate(function)
        facets = mesh.exterior_facet_indices(self.mesh.topology)
        dofs = fem.locate_dofs_topological((self.W.sub(part), V), self.dimension - 1, facets)
        return fem.dirichletbc(value, dofs, self.W.sub(part))

    def set(self, part: int, function: object) -> None:
        """Interpolate a part of the state."""
        self.w.sub(part).interpolate(function)
        self.w.x.scatter_forward()

    def mean(self, expression: object) -> float:
        """Average over all ranks."""
        return self.mesh.comm.allreduce(fem.assemble_scalar(fem.form(expression * ufl.dx))) / float(np.prod(self.size))


def patch(comm: MPI.Comm = COMM) -> dict[str, float]:
    """Distorted elements at an affine displacement, the potential of the field that belongs to it and to a uniform polarisation."""
    A = np.array([[0.01, 0.004, -0.002], [0.002, -0.006, 0.003], [0.0, 0.003, 0.005]])
    P = np.array([0.25, -0.1, 0.3])
    figures = {}
    for strain in ("small", "finite"):
        body = Body((3, 3, 3), (2.0, 2.0, 2.0), comm, distort=0.1)
        law = body.law(ferroelectric(), orientation=TURN, strain=strain, gradient=GRADIENT)
        field = field_of(A, P, strain)
        bcs = [body.boundary(0, lambda x: A @ x), body.boundary(1, lambda x, f=field: -f @ x)]
        bcs.append(body.boundary(2, lambda x: np.repeat(P[:, None], x.shape[1], 1)))
        Problem(law.residual(*body.tests[:2], p=body.tests[2]), law, bcs=bcs, petsc_options={"snes_rtol": 1e-14}).solve().require()
        exact = fem.Function(body.W)
        for part, values in ((0, lambda x: A @ x), (1, lambda x, f=field: -f @ x), (2, lambda x: np.repeat(P[:, None], x.shape[1], 1))):
            exact.sub(part).interpolate(values)
        figures[strain] = comm.allreduce(float(np.abs(body.w.x.array - exact.x.array).max(initial=0)), op=MPI.MAX)
    return figures


def field_of(A: np.ndarray, P: np.ndarray, strain: str) -> np.ndarray:
    """∂ψ/∂P in lab axes, of the law turned by TURN."""
    import torch

    from constitutive.tensors.packing import to_mandel

    E = (A + A.T + A.T @ A) / 2 if strain == "finite" else (A + A.T) / 2
    x = np.concatenate([np.asarray(to_mandel(TURN.T @ E @ TURN)), TURN.T @ P])
    return TURN @ ferroelectric().gradient(torch.from_numpy(x)[None])[0].numpy()[6:]


def relaxation(comm: MPI.Comm = COMM) -> dict[str, object]:
    """A clamped rectangle of the Landau energy, from a smooth start to rest."""
    body = Body((10, 6), (8.0, 5.0), comm)
    law = body.law(ferroelectric(), gradient=1e-8, strain="small")
    body.set(2, lambda x: 0.05 * np.stack([np.sin(x[0]) + 0.1, np.cos(0.7 * x[1]), np.sin(x[0] + x[1])]))
    bcs = [body.boundary(0, lambda x: np.zeros((3, x.shape[1]))), body.boundary(1, lambda x: np.zeros(x.shape[1]))]
    flow = ViscousFlow(law.residual(*body.tests[:2], p=body.tests[2]), law, viscosities=[(body.P, body.tests[2], 1.0)], bcs=bcs)
    start = flow.total_energy()
    result = flow.run(30.0, first_step=0.05)
    moments = [body.mean(body.w[k] ** 2) for k in range(7)] + [body.mean(body.w[k]) for k in (4, 5, 6)]
    return {
        "energies": [start, *map(float, result.energies)],
        "dissipated": [r.dissipated for r in result.records],
        "moments": moments,
        "refused": result.refused,
        "total": law.total_energy(),
    }


class Layer:
    """A layer of `batio3` along x, uniform across, between two of its wells that share a wall normal to x: P = (p, p, p) and (p, −p, −p).

    Its lateral lattice is that of both wells, its ends hold a mean shear, and are electrodes at zero.
    """

    def __init__(self, cells: int, length: float, gradient: float, comm: MPI.Comm = COMM) -> None:
        self.material = Material.load("batio3")
        (self.well,) = self.material.wells(starts=1).minima
        E, self.p = np.abs(self.well.strain), np.abs(self.well.polarization)
        C = 2 * E + np.eye(3)
        Fzz = np.sqrt(C[2, 2])
        Fzy = C[1, 2] / Fzz
        Fyy = np.sqrt(C[1, 1] - Fzy**2)
        self.shear = np.linalg.solve(np.array([[Fyy, Fzy], [0, Fzz]]), C[0, 1:])
        self.stretch = np.sqrt(C[0, 0] - self.shear @ self.shear) - 1
        self.length, self.cells = length, cells
        self.body = body = Body((cells, 1), (length, length / cells), comm)
        y = ufl.SpatialCoordinate(body.mesh)[1]
        u = body.u + ufl.as_vector([0.0, (Fyy - 1) * y, Fzy * y])
        self.law = UserMaterial(
            u, self.material, phi=body.phi, P=body.P, gradient=gradient, length_unit="nm", unit="GPa", plane="generalised_strain",
            axial_strain=Fzz - 1,
        )  # fmt: skip
        self.end = [fem.Constant(body.mesh, 0.0) for _ in range(2)]
        U, bcs = body.W.sub(0), []
        for k, x, value in ((0, 0.0, 0.0), (1, 0.0, 0.0), (2, 0.0, 0.0), (1, length, self.end[0]), (2, length, self.end[1])):
            V, _ = U.sub(k).collapse()
            dofs = fem.locate_dofs_geometrical((U.sub(k), V), lambda points, x=x: np.isclose(points[0], x))[0]
            constant = value if isinstance(value, fem.Constant) else fem.Constant(body.mesh, value)
            bcs.append(fem.dirichletbc(constant, dofs, U.sub(k)))
        ends = [Electrode(lambda points, x=x: np.isclose(points[0], x), potential=0.0) for x in (0.0, length)]
        parts = [body.W.sub(part).sub(k) for part in (0, 2) for k in range(3)] + [body.W.sub(1)]
        ties = [group for part in parts for group in equal_where(part, lambda points: points[0])]
        form = self.law.residual(*body.tests[:2], p=body.tests[2])
        self.flow = ViscousFlow(
            form, self.law, u=body.w, viscosities=[(body.P, body.tests[2], 1.0)], bcs=bcs, electrodes=ends, ties=ties
        )  # fmt: skip

    def relaxed(self, fraction: float, width: float = 1.0) -> dict[str, float]:
        """Started from halves, at the mean shear of a fraction of the first well."""
        x0, p, shear, stretch = self.length / 2, self.p, self.shear, self.stretch
        for k in range(2):
            self.end[k].value = shear[k] * self.length * (2 * fraction - 1)
        profile = lambda x: np.tanh((x0 - x[0]) / width)  # noqa: E731 - one expression
        self.body.w.x.array[:] = 0.0
        self.body.set(2, lambda x: np.stack([p[0] + 0 * x[0], p[1] * profile(x), p[2] * profile(x)]))
        bent = lambda x: np.where(x[0] < x0, x[0], 2 * x0 - x[0])  # noqa: E731 - one expression
        self.body.set(0, lambda x: np.stack([stretch * x[0], *(s * (bent(x) + (2 * fraction - 1) * x[0]) for s in shear)]))
        result = self.flow.run(first_step=0.05, rest=1e-5, most=200)
        area = self.length**2 / self.cells
        energy = result.energies[-1] / area - self.well.energy
        share = [(self.body.mean(self.body.P[k]) / p[k] + 1) / 2 for k in (1, 2)]
        rises = max(b - a for a, b in zip(result.energies, result.energies[1:], strict=False)) if len(result.records) > 1 else 0.0
        return {
            "share": float(np.mean(share)), "energy": float(energy), "rises": float(rises), "steps": len(result.records),
            "outcome": result.outcome, "refused": result.refused,
        }  # fmt: skip


def lever(comm: MPI.Comm = COMM, fractions: Sequence[float] = (0.25, 0.65)) -> dict[str, dict]:
    """Shares and energies of a layer at several mean shears; cells of a third of a wall's width."""
    layer = Layer(160, 50.0, 8e-9, comm)
    return {str(fraction): layer.relaxed(fraction) for fraction in fractions}


def binary(a: float = 1.0, b: float = 2.0, expansion: float = 0.02) -> CoupledSeriesLaw:
    """½ (E − ηcI):C:(E − ηcI) − a c² + b c⁴ of a cubic binary: the composition c is an order parameter that no operation changes."""
    C11, C12, C44, c = 160.0, 60.0, 70.0, linear(*np.eye(7)[6])
    E = [linear(*np.eye(7)[k]).plus(*([c.times(-expansion)] if k < 3 else [])) for k in range(6)]
    total = (c * c).times(-a).plus((c * c * c * c).times(b))
    for j in range(6):
        total = total.plus((E[j] * E[j]).times(C11 / 2 if j < 3 else C44), *[(E[j] * E[k]).times(C12) for k in range(j) if j < 3])
    return CoupledSeriesLaw(total.rows(7), ("strain", "composition"), PointGroup.from_symbol("m-3m"))


class Alloy:
    """A strip along x of (u, c, μ), μ one number that keeps the mean composition; held across, its ends free. Lengths in nm, GPa."""

    def __init__(self, material: object, mean: float, cells: int, length: float, comm: MPI.Comm = COMM, **options: object) -> None:
        self.mesh = mesh.create_rectangle(comm, [[0.0, 0.0], [length, length / cells]], [cells, 1], mesh.CellType.quadrilateral)
        self.length, self.volume = length, length**2 / cells
        parts = [basix.ufl.element(*kind, shape=s) for kind, s in (
            (("Lagrange", "quadrilateral", 1), (2,)), (("Lagrange", "quadrilateral", 1), ()), (("DG", "quadrilateral", 0), ())
        )]  # fmt: skip
        self.W = fem.functionspace(self.mesh, basix.ufl.mixed_element(parts))
        self.w = fem.Function(self.W)
        self.u, self.c, self.mu = ufl.split(self.w)
        self.v, self.s, self.m = ufl.TestFunctions(self.W)
        self.law = UserMaterial(self.u, material, order={"composition": self.c}, unit="GPa", strain="small", plane="strain", **options)
        gradient = 0.5 * ufl.inner(ufl.grad(self.c), ufl.grad(self.c)) * ufl.dx  # GPa nm²
        kept = -(self.mu * self.s + (self.c - mean) * self.m) * ufl.dx
        form = self.law.residual(self.v, order={"composition": self.s}) + ufl.derivative(gradient, self.w, ufl.TestFunction(self.W)) + kept
        bcs = []
        for k, where in ((0, lambda x: np.isclose(x[0], 0)), (1, lambda x: np.full(x.shape[1], True))):
            space = self.W.sub(0).sub(k)
            dofs = fem.locate_dofs_geometrical((space, space.collapse()[0]), where)[0]
            bcs.append(fem.dirichletbc(fem.Constant(self.mesh, 0.0), dofs, space))
        one = np.unique(self.W.sub(2).dofmap.list.ravel())
        self.flow = ViscousFlow(form, self.law, viscosities=[(self.c, self.s, 1.0)], energy=gradient, bcs=bcs, ties=[one])

    def mean(self, expression: object) -> float:
        """Average over all ranks."""
        return self.mesh.comm.allreduce(fem.assemble_scalar(fem.form(expression * ufl.dx))) / self.volume


def alloy(comm: MPI.Comm = COMM) -> dict[str, object]:
    """Two phases from a step in the middle, at two mean compositions."""
    found = {}
    for mean in (-0.2, 0.1):
        strip = Alloy(binary(), mean, 48, 24.0, comm)
        strip.w.sub(1).interpolate(lambda x, mean=mean: mean + 0.3 * np.tanh(12.0 - x[0]))
        result = strip.flow.run(first_step=0.2, rest=1e-6)
        left = strip.mean(ufl.conditional(ufl.gt(strip.c, 0), 1.0, 0.0))
        found[str(mean)] = {
            "mean": strip.mean(strip.c), "share": left, "mu": strip.mean(strip.mu), "outcome": result.outcome,
            "energies": [float(e) for e in result.energies], "settling": [r.settling for r in result.records],
            "moment": strip.mean(strip.c**2), "stretch": strip.mean(ufl.grad(strip.u)[0, 0]),
        }  # fmt: skip
    return found


def pinned(comm: MPI.Comm = COMM) -> dict[str, list[str]]:
    """What is said of a mesh whose cells are half as wide as a wall."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        Body((4, 4), (2.0, 2.0), comm).law(ferroelectric(), gradient=1e-9)
    return {"said": [str(found.message) for found in caught if issubclass(found.category, PinnedWallsWarning)]}


def beside(comm: MPI.Comm = COMM) -> dict[str, list[float]]:
    """A poled ferroelectric between layers of an insulator: where the polarisation ends no rank may go on with it."""
    body = Body((6, 6), (3.0, 3.0), comm)
    cells = np.arange(body.mesh.topology.index_map(2).size_local + body.mesh.topology.index_map(2).num_ghosts, dtype=np.int32)
    middle = np.abs(mesh.compute_midpoints(body.mesh, 2, cells)[:, 1] - 1.5) < 1
    tags = mesh.meshtags(body.mesh, 2, cells, (1 + ~middle).astype(np.int32))
    law = body.law({1: ferroelectric(), 2: Insulator(quartz_elastic(), 400.0)}, cell_tags=tags, gradient=1e-8, strain="small")
    body.set(2, lambda x: np.stack([0.3 + 0 * x[0], 0.2 + 0.05 * np.sin(x[0]), 0 * x[0]]))
    bcs = [body.boundary(0, lambda x: np.zeros((3, x.shape[1]))), body.boundary(1, lambda x: np.zeros(x.shape[1]))]
    form = law.residual(*body.tests[:2], p=body.tests[2])
    flow = ViscousFlow(form, law, viscosities=[(body.P, body.tests[2], 1.0)], bcs=bcs)
    flow.run(5.0, first_step=0.1)
    return {"moments": [body.mean(body.w[k] ** 2) for k in range(7)], "energy": [law.total_energy()]}


CASES = {"patch": patch, "relaxation": relaxation, "beside": beside, "alloy": alloy, "lever": lever, "pinned": pinned}

if __name__ == "__main__":
    found = {name: CASES[name](MPI.COMM_WORLD) for name in sys.argv[1:] or CASES}
    if MPI.COMM_WORLD.rank == 0:
        sys.stdout.write(json.dumps(found))
