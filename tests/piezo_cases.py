"""Piezoelectric solids that tests solve in this process and on several ranks: ``mpirun -n 2 python piezo_cases.py CASE``.

Quartz with the constants of IEEE Std 176-1978, right-handed; the expected figures are closed forms of these constants.
"""

import json
import sys
from collections.abc import Callable, Sequence

import basix.ufl
import numpy as np
import ufl
from dolfinx import fem, mesh
from mpi4py import MPI

from constitutive.fem import Electrode, Metal, Problem, UserMaterial, equal_where, modes, rotation_from_bunge
from constitutive.laws import LinearLaw
from constitutive.laws.coupled import LinearCoupledLaw
from constitutive.symmetry import PointGroup
from constitutive.units import VACUUM_PERMITTIVITY

COMM = MPI.COMM_SELF
TURN = rotation_from_bunge(np.array([30.0, 40.0, 20.0]))
HEX, TET = mesh.CellType.hexahedron, mesh.CellType.tetrahedron
VOIGT = ((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1))


def quartz_tables(
    c11: float = 86.74, c12: float = 6.99, c13: float = 11.91, c14: float = 17.91, c33: float = 107.2, c44: float = 57.94
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """C (GPa), e (C/m²) and ε^S/ε₀ of right-handed quartz, IEEE 1978."""
    e11, e14 = 0.171, 0.0406
    C = np.array(
        [
            [c11, c12, c13, c14, 0, 0],
            [c12, c11, c13, -c14, 0, 0],
            [c13, c13, c33, 0, 0, 0],
            [c14, -c14, 0, c44, 0, 0],
            [0, 0, 0, 0, c44, c14],
            [0, 0, 0, 0, c14, (c11 - c12) / 2],
        ]
    )
    e = np.array([[e11, -e11, 0, e14, 0, 0], [0, 0, 0, 0, -e14, -e11], [0] * 6])
    return C, e, np.diag([39.21, 39.21, 41.03]) * 1e-3 / VACUUM_PERMITTIVITY


def quartz(**constants: float) -> LinearCoupledLaw:
    """Linear law of right-handed quartz."""
    C, e, permittivity = quartz_tables(**constants)
    group = PointGroup.from_symbol("32")
    return LinearCoupledLaw.from_constants(group, stiffness=C, piezoelectric_e=e, permittivity=permittivity)


def tensors(C: np.ndarray, e: np.ndarray, permittivity: np.ndarray, R: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Constants as Cartesian tensors, turned by R: c (GPa), e (C/m²), ε (C/m² per GV/m)."""
    c4, e3 = np.zeros((3,) * 4), np.zeros((3,) * 3)
    for p, (i, j) in enumerate(VOIGT):
        e3[:, i, j] = e3[:, j, i] = e[:, p]
        for q, (k, m) in enumerate(VOIGT):
            c4[i, j, k, m] = c4[j, i, k, m] = c4[i, j, m, k] = c4[j, i, m, k] = C[p, q]
    turned = np.einsum("ia,jb,kc,ld,abcd->ijkl", R, R, R, R, c4, optimize=True)
    return turned, np.einsum("ia,jb,kc,abc->ijk", R, R, R, e3, optimize=True), VACUUM_PERMITTIVITY * R @ permittivity @ R.T


class Body:
    """A box of (u, φ) elements of a law."""

    def __init__(
        self,
        cells: Sequence[int],
        cell: mesh.CellType = HEX,
        degree: int = 1,
        size: Sequence[float] = (1.0, 1.0, 1.0),
        comm: MPI.Comm = COMM,
        distort: float = 0.0,
    ) -> None:
        self.size = size
        self.mesh = mesh.create_box(comm, [[0.0] * 3, list(size)], list(cells), cell)
        if distort:
            x = self.mesh.geometry.x
            bubble = np.prod(np.sin(np.pi * x / np.array(size)), axis=1)[:, None]
            x += distort * bubble * np.array([1.0, -0.7, 0.5])
        name = self.mesh.basix_cell().name
        vector, scalar = basix.ufl.element("Lagrange", name, degree, shape=(3,)), basix.ufl.element("Lagrange", name, degree)
        self.W = fem.functionspace(self.mesh, basix.ufl.mixed_element([vector, scalar]))
        self.w = fem.Function(self.W)
        self.u, self.phi = ufl.split(self.w)
        self.v, self.q = ufl.TestFunctions(self.W)

    def law(self, material: object, **options: object) -> UserMaterial:
        """The law of the body; lengths in mm, potentials in kV unless the options say otherwise."""
        return UserMaterial(self.u, material, phi=self.phi, **({"length_unit": "mm", "potential_unit": "kV"} | options))

    def on(self, axis: int, value: float) -> Callable[[np.ndarray], np.ndarray]:
        """Marks the points of a face."""
        return lambda x: np.isclose(x[axis], value)

    def everywhere(self, part: int, function: Callable[[np.ndarray], np.ndarray]) -> fem.DirichletBC:
        """Values of displacement (0) or potential (1) on the whole boundary."""
        V, _ = self.W.sub(part).collapse()
        self.mesh.topology.create_connectivity(2, 3)
        facets = mesh.exterior_facet_indices(self.mesh.topology)
        value = fem.Function(V)
        value.interpolate(function)
        return fem.dirichletbc(value, fem.locate_dofs_topological((self.W.sub(part), V), 2, facets), self.W.sub(part))

    def rigid(self) -> list[fem.DirichletBC]:
        """No rigid motion, and no force for it: three components at the origin, two at the end of x, one at the end of y."""
        a, b, _ = self.size
        points = {(0.0, 0, 0): (0, 1, 2), (a, 0, 0): (1, 2), (0, b, 0): (2,)}
        found = []
        for point, components in points.items():
            for k in components:
                space = self.W.sub(0).sub(k)
                V, _ = space.collapse()
                near = lambda x, p=point: np.linalg.norm(x - np.array(p)[:, None], axis=0) < 1e-9  # noqa: E731 - one expression
                found.append(fem.dirichletbc(fem.Function(V), fem.locate_dofs_geometrical((space, V), near), space))
        return found

    def held(self, axis: int, at: float = 0.0) -> fem.DirichletBC:
        """No displacement on a face."""
        space = self.W.sub(0)
        V, _ = space.collapse()
        return fem.dirichletbc(fem.Function(V), fem.locate_dofs_geometrical((space, V), self.on(axis, at)), space)

    def rollers(self) -> list[fem.DirichletBC]:
        """No displacement across the three faces at zero."""
        found = []
        for k in range(3):
            space = self.W.sub(0).sub(k)
            V, _ = space.collapse()
            found.append(fem.dirichletbc(fem.Function(V), fem.locate_dofs_geometrical((space, V), self.on(k, 0.0)), space))
        return found

    def mean(self, expression: object) -> float:
        """Volume average over all ranks."""
        local = fem.assemble_scalar(fem.form(expression * ufl.dx))
        return self.mesh.comm.allreduce(local) / float(np.prod(self.size))

    def moments(self) -> list[float]:
        """Integrals of all parts of the solution times low polynomials."""
        x = ufl.SpatialCoordinate(self.mesh)
        return [self.mean(self.w[k] * weight) for k in range(4) for weight in (1.0, x[0] * x[1], x[2])]


def patch(comm: MPI.Comm = COMM) -> dict[str, object]:
    """Distorted elements under an affine displacement and potential."""
    A = np.array([[0.04, 0.02, -0.01], [0.01, -0.03, 0.02], [0.0, 0.015, 0.02]])
    g = np.array([0.3, -0.2, 0.4])
    figures: dict[str, object] = {}
    for strain, elements in (("small", ((HEX, 1),)), ("finite", ((HEX, 1), (TET, 1)))):
        for cell, degree in elements:
            body = Body((3, 3, 3), cell, degree, comm=comm, distort=0.1)
            law = body.law(quartz(), orientation=TURN, strain=strain, potential_unit="MV")
            bcs = [body.everywhere(0, lambda x: A @ x), body.everywhere(1, lambda x: g @ x)]
            Problem(law.residual(body.v, body.q), law, bcs=bcs, petsc_options={"snes_rtol": 1e-15, "snes_atol": 1e-14}).solve()
            exact = fem.Function(body.W)
            exact.sub(0).interpolate(lambda x: A @ x)
            exact.sub(1).interpolate(lambda x: g @ x)
            error = comm.allreduce(float(np.abs(body.w.x.array - exact.x.array).max(initial=0)), op=MPI.MAX)
            figures[f"{strain} {cell.name}{degree}"] = error
    return figures


def native(body: Body, R: np.ndarray, degree: int, unit: float = 1e3) -> object:
    """Residual of the linear law written in UFL, small strain, in MPa with φ in MV on a mesh in mm."""
    c, e, k = tensors(*quartz_tables(), R)
    i, j, p, q = ufl.indices(4)
    dx = ufl.dx(metadata={"quadrature_degree": degree})
    c, e, k = (ufl.as_tensor((unit * part).tolist()) for part in (c, e, k))
    eps, E = ufl.sym(ufl.grad(body.u)), -ufl.grad(body.phi)
    S = ufl.as_tensor(c[i, j, p, q] * eps[p, q] - e[p, i, j] * E[p], (i, j))
    D = ufl.as_tensor(e[i, p, q] * eps[p, q] + k[i, j] * E[j], (i,))
    return (ufl.inner(S, ufl.grad(body.v)) + ufl.dot(D, ufl.grad(body.q))) * dx


def halves(m: mesh.Mesh, axis: int, place: float) -> mesh.MeshTags:
    """Tag 1 below a plane, tag 2 above it, of all cells and ghosts."""
    count = m.topology.index_map(3).size_local + m.topology.index_map(3).num_ghosts
    cells = np.arange(count, dtype=np.int32)
    return mesh.meshtags(m, 3, cells, (1 + (mesh.compute_midpoints(m, 3, cells)[:, axis] > place)).astype(np.int32))


def plate(comm: MPI.Comm = COMM) -> dict[str, object]:
    """A turned plate at finite strain between two electrodes, one of them in a circuit, under a traction."""
    body = Body((3, 3, 4), TET, comm=comm)
    law = body.law(quartz(), orientation=TURN, potential_unit="V")
    bottom, top = Electrode(body.on(2, 0.0), potential=0.0), Electrode(body.on(2, 1.0), capacitance=1e-13, source=2e5)
    load = 50.0 * body.v[0] * ufl.ds
    bcs = [body.held(axis=2)]
    problem = Problem(law.residual(body.v, body.q) - load, law, bcs=bcs, electrodes=[bottom, top])
    result = problem.solve(steps=2).require()
    charges = [1e6 * problem.charge(electrode) for electrode in (bottom, top)]
    numbers = [*body.moments(), problem.potential(top), *charges, law.total_energy()]
    return {"numbers": numbers, "charges": charges, "potential": problem.potential(top), "iterations": result.iterations}


class Strip:
    """A plate, uniform along two directions: its thickness along y (1 mm), all three displacements, the crystal turned by R."""

    def __init__(
        self,
        law: object,
        R: np.ndarray,
        *,
        shorted: bool,
        cells: int = 8,
        comm: MPI.Comm = COMM,
        circuit: dict[str, float] | None = None,
    ) -> None:
        m = mesh.create_rectangle(comm, [[0, 0], [0.1, 1.0]], [1, cells], mesh.CellType.quadrilateral)
        vector, scalar = basix.ufl.element("Lagrange", "quadrilateral", 3, shape=(3,)), basix.ufl.element("Lagrange", "quadrilateral", 3)
        self.W = fem.functionspace(m, basix.ufl.mixed_element([vector, scalar]))
        w, (v, q) = fem.Function(self.W), ufl.TestFunctions(self.W)
        u, phi = ufl.split(w)
        self.law = UserMaterial(u, law, phi=phi, length_unit="mm", orientation=R, strain="small", plane="generalised_strain")
        faces = [Electrode(lambda x, y=y: np.isclose(x[1], y), potential=0.0) for y in (0.0, 1.0)]
        if circuit is not None:
            faces[1], shorted = Electrode(lambda x: np.isclose(x[1], 1.0), **circuit), True
        parts = [self.W.sub(0).sub(k) for k in range(3)] + [self.W.sub(1)]
        ties = [group for part in parts for group in equal_where(part, lambda x: x[1])]
        self.problem = Problem(self.law.residual(v, q), self.law, electrodes=faces if shorted else faces[:1], ties=ties)

    def frequencies(self, count: int = 4, density: float = 2648.65) -> np.ndarray:
        """The lowest frequencies above zero in kHz: of this plate also the frequency constants in kHz mm."""
        found = modes(self.problem, 3 + count, density=density, length_unit="mm").frequencies
        assert np.abs(found[:3]).max() < 1e-5 * found[3]  # rigid motions along three directions
        return found[3:] / 1e3


def about_x(degrees: float) -> np.ndarray:
    """Rotation about x."""
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return np.array([[1, 0, 0], [0, c, -s], [0, s, c]])


def strip(comm: MPI.Comm = COMM) -> dict[str, object]:
    """Thickness modes of the AT cut, with ties across ranks, and a layered body with a metal and a floating electrode."""
    frequencies = Strip(quartz(), about_x(35.25), shorted=True, comm=comm).frequencies()
    body = Body((2, 2, 4), comm=comm)
    tags = halves(body.mesh, 2, 0.5)
    law = body.law({1: (quartz(), -TURN), 2: (Metal(quartz_elastic()), TURN)}, cell_tags=tags, strain="small", potential_unit="V")
    electrodes = [Electrode(body.on(2, 0.0), potential=50.0), Electrode(tags, 2, charge=1e-12)]
    problem = Problem(law.residual(body.v, body.q), law, bcs=[body.held(2)], electrodes=electrodes)
    problem.solve().require()
    reaction = [float(value) for value in problem.reaction(problem.bcs[0])]
    numbers = [problem.potential(electrodes[1]), *(1e12 * problem.charge(e) for e in electrodes), *body.moments()]
    return {"frequencies": list(frequencies), "numbers": numbers, "reaction": reaction}


def quartz_elastic() -> LinearLaw:
    """The elastic part of quartz."""
    return LinearLaw.from_voigt(quartz_tables()[0], PointGroup.from_symbol("32").laue_rotations)


X_CUT = np.array([[0, 1.0, 0], [1, 0, 0], [0, 0, -1]])  # the crystal's x along the plate's normal y


if __name__ == "__main__":
    outcome = {"patch": patch, "plate": plate, "strip": strip}[sys.argv[1]](MPI.COMM_WORLD)
    if MPI.COMM_WORLD.rank == 0:
        sys.stdout.write(json.dumps(outcome))
