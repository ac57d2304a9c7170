"""What coupled laws cost in a finite-element run, beside the linear piezoelectric law written in UFL: ratios measured in one run.

./dev python benchmarks/piezo.py [--json] [--repeat N] [--cells N]

Right-handed quartz, turned, between two electrodes and pulled; hexahedra of degree 1, one rank, one thread, MUMPS for both, processor time:
    update / assembly   the law evaluated at all points (once for the residual, once for the Jacobian) over the assembly of both in UFL
    solve / native      a whole solve over the same with the UFL form
for the linear law at small and at finite strain, and for a network of 24 channels (144 orbit units under 32) with a linear part.
    kernel              gradient and second derivatives of 9 variables by compiled C over stress and tangent of the elastic law of as many
                        units (6 variables), both without a turn to the lab; and torch over compiled C
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable
from statistics import median

os.environ.setdefault("OMP_NUM_THREADS", "1")

import basix.ufl
import numpy as np
import torch
import ufl
from dolfinx import fem, mesh
from dolfinx.fem import petsc
from mpi4py import MPI

from constitutive import kernel
from constitutive.fem import Problem, UserMaterial, rotation_from_bunge
from constitutive.kernel.coupled import compile_coupled
from constitutive.laws.coupled import CoupledNetworkLaw, CoupledSumLaw, LinearCoupledLaw, elastic_law
from constitutive.symmetry import PointGroup
from constitutive.tensors.packing import tangent_from_mandel
from constitutive.units import VACUUM_PERMITTIVITY

TURN = rotation_from_bunge(np.array([30.0, 40.0, 20.0]))
UNIT = 1e3  # MPa in GPa
GROUP = PointGroup.from_symbol("32")


def quartz() -> LinearCoupledLaw:
    """Constants of IEEE Std 176-1978."""
    c11, c12, c13, c14, c33, c44, e11, e14 = 86.74, 6.99, 11.91, 17.91, 107.2, 57.94, 0.171, 0.0406
    C = np.diag([c11, c11, c33, c44, c44, (c11 - c12) / 2])
    C[0, 1] = C[1, 0] = c12
    C[:2, 2] = C[2, :2] = c13
    C[0, 3] = C[3, 0] = C[4, 5] = C[5, 4] = c14
    C[1, 3] = C[3, 1] = -c14
    e = np.array([[e11, -e11, 0, e14, 0, 0], [0, 0, 0, 0, -e14, -e11], [0] * 6])
    return LinearCoupledLaw.from_constants(GROUP, stiffness=C, piezoelectric_e=e, permittivity=np.diag([4.428, 4.428, 4.634]))


def with_network(channels: int = 24) -> CoupledSumLaw:
    """The linear law and a small network; its weights do not matter for the cost."""
    rng = np.random.default_rng(0)
    linear = quartz()
    parts = (rng.normal(size=(channels, 9)), rng.normal(size=channels), 1e-6 * rng.normal(size=channels))
    return CoupledSumLaw([linear, CoupledNetworkLaw(*parts, np.array([0.03, 2.0]), linear.variables, GROUP)])


class Body:
    """A cube of (u, φ) elements, φ in MV, lengths in mm; one face held and grounded, the other at a potential and pulled."""

    def __init__(self, cells: int) -> None:
        self.mesh = mesh.create_box(MPI.COMM_SELF, [[0, 0, 0], [1, 1, 1]], [cells] * 3, mesh.CellType.hexahedron)
        name = self.mesh.basix_cell().name
        elements = [basix.ufl.element("Lagrange", name, 1, shape=(3,)), basix.ufl.element("Lagrange", name, 1)]
        self.W = fem.functionspace(self.mesh, basix.ufl.mixed_element(elements))
        self.w = fem.Function(self.W)
        self.u, self.phi = ufl.split(self.w)
        self.v, self.q = ufl.TestFunctions(self.W)
        self.pull = 50.0 * self.v[2] * ufl.ds
        self.bcs = [self._held(0, 0.0, None), self._held(1, 0.0, 0.0), self._held(1, 1.0, 0.03)]

    def _held(self, part: int, place: float, value: float | None) -> fem.DirichletBC:
        space = self.W.sub(part)
        V, _ = space.collapse()
        dofs = fem.locate_dofs_geometrical((space, V), lambda x: np.isclose(x[2], place))
        if value is None:
            return fem.dirichletbc(fem.Function(V), dofs, space)
        return fem.dirichletbc(fem.Constant(self.mesh, value), dofs[0], space)

    def native(self, degree: int, *, finite: bool) -> ufl.Form:
        """The linear law in UFL, as the derivative of its energy."""
        law = quartz().rotated(TURN)
        M = law.hessian(torch.zeros(1, 9, dtype=torch.float64))[0].numpy()
        c = ufl.as_tensor((UNIT * tangent_from_mandel(M[:6, :6])).tolist())
        rows = M[6:, :6] / np.array([1, 1, 1, *[np.sqrt(2)] * 3])
        place = [[0, 5, 4], [5, 1, 3], [4, 3, 2]]
        e = ufl.as_tensor((-UNIT * rows[:, place]).tolist())
        chi = ufl.as_tensor((-UNIT * M[6:, 6:]).tolist())
        i, j, k, m = ufl.indices(4)
        H, E = ufl.grad(self.u), -ufl.grad(self.phi)
        eps = (H + H.T + H.T * H) / 2 if finite else ufl.sym(H)
        C, vacuum = ufl.Identity(3) + 2 * eps, UNIT * VACUUM_PERMITTIVITY
        free = ufl.sqrt(ufl.det(C)) * ufl.dot(E, ufl.inv(C) * E) if finite else ufl.dot(E, E)
        energy = (
            0.5 * c[i, j, k, m] * eps[i, j] * eps[k, m]
            - e[i, j, k] * E[i] * eps[j, k]
            - 0.5 * chi[i, j] * E[i] * E[j]
            - 0.5 * vacuum * free
        )
        dx = ufl.dx(metadata={"quadrature_degree": degree})
        return ufl.derivative(energy * dx, self.w, ufl.TestFunction(self.W))


def kernel_cost(points: int, repeat: int) -> dict[str, float]:
    """Compiled C of the coupled network beside that of its elastic part, and beside torch."""
    law = with_network(128)
    elastic = kernel.compile(elastic_law(law, np.array(GROUP.laue_rotations)))
    coupled = compile_coupled(law, ("strain", "electric_field"))
    x = np.random.default_rng(0).uniform(-0.01, 0.01, (points, 9))
    E, S, C = x[:, :6].copy(), np.empty((points, 6)), np.empty((points, 21))
    g, H, turn = np.empty((points, 9)), np.empty((points, 45)), coupled.pack_map(np.eye(3), np.zeros(6), 1.0)
    six = timed(lambda: elastic.evaluate(E, stress=S, tangent=C), repeat)
    nine = timed(lambda: coupled.evaluate(x, turn, gradient=g, hessian=H, vacuum=VACUUM_PERMITTIVITY), repeat)
    y = torch.from_numpy(x)

    def by_torch() -> None:
        law.gradient(y)
        law.hessian(y)

    return {"coupled / elastic": nine / six, "torch / C": timed(by_torch, repeat) / nine, "points per second": points / nine}


def timed(call: Callable[[], object], repeat: int) -> float:
    """Median processor time of several runs, after one that compiles: one thread, so that other jobs do not matter."""
    call()
    times = []
    for _ in range(repeat):
        start = time.process_time()
        call()
        times.append(time.process_time() - start)
    return median(times)


def solve_time(problem: Problem, body: Body, repeat: int) -> float:
    """Seconds of a whole solve from rest."""

    def solve() -> None:
        body.w.x.array[:] = 0
        problem.resume_at(0.0)
        problem.solve().require()

    return timed(solve, repeat)


def case(material: object, cells: int, repeat: int, *, finite: bool) -> dict[str, float]:
    """Figures of one law."""
    ours, theirs = Body(cells), Body(cells)
    options = {"phi": ours.phi, "length_unit": "mm", "potential_unit": "MV", "orientation": TURN}
    law = UserMaterial(ours.u, material, strain="finite" if finite else "small", **options)
    problem = Problem(law.residual(ours.v, ours.q) - ours.pull, law, bcs=ours.bcs)
    form = theirs.native(law.points.degree, finite=finite) - theirs.pull
    native = Problem(form, u=theirs.w, bcs=theirs.bcs, petsc_options={"pc_factor_mat_solver_type": "mumps"})
    residual, jacobian = native._residual, native._jacobian
    A, b = petsc.create_matrix(jacobian), fem.create_vector(residual)

    def assemble() -> None:
        A.zeroEntries()
        petsc.assemble_matrix(A, jacobian, theirs.bcs)
        A.assemble()
        fem.assemble_vector(b.array, residual)

    def update() -> None:
        law.forget()
        law.update(tangent=True)

    shares = {"update / assembly": timed(update, repeat) / timed(assemble, repeat)}
    return shares | {"solve / native": solve_time(problem, ours, repeat) / solve_time(native, theirs, repeat)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--cells", type=int, default=14)
    options = parser.parse_args()
    torch.set_num_threads(1)
    cases = {
        "linear, small strain": (quartz(), False),
        "linear, finite strain": (quartz(), True),
        "network, finite strain": (with_network(), True),
    }
    found = {name: case(law, options.cells, options.repeat, finite=finite) for name, (law, finite) in cases.items()}
    found["kernel, 768 units"] = kernel_cost(20_000, options.repeat)
    if options.json:
        print(json.dumps(found))
        return
    print(f"{'law':26s}{'update / assembly':>20s}{'solve / native':>18s}")
    for name, figures in found.items():
        if "solve / native" in figures:
            print(f"{name:26s}{figures['update / assembly']:20.2f}{figures['solve / native']:18.2f}")
        else:
            print(f"{name}: " + ", ".join(f"{key} {value:.3g}" for key, value in figures.items()))


if __name__ == "__main__":
    main()
