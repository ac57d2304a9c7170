"""Compiled laws inside DOLFINx: the numbers and the Newton iterations of torch, whatever the strain, the plane or the orientation."""

import warnings

import numpy as np
import pytest
import ufl
from dolfinx import fem, mesh
from mpi4py import MPI

from constitutive.errors import SolveError
from constitutive.fem import Problem, UserMaterial, rotation_from_bunge
from constitutive.kernel import CompiledKernel, KernelWarning, compiling
from constitutive.laws import BoundedLaw, Domain, NetworkLaw, SeriesLaw, SumLaw
from constitutive.symmetry import PointGroup
from constitutive.tensors.polynomials import exponents

TURN = rotation_from_bunge(np.array([30.0, 40.0, 20.0]))
HEX, QUAD = mesh.CellType.hexahedron, mesh.CellType.quadrilateral


def a_law(symbol="-3m"):
    rng = np.random.default_rng(0)
    R = PointGroup.from_symbol(symbol).laue_rotations
    higher = {d: 30 * rng.normal(size=len(exponents(d))) for d in (3, 4)}
    quadratic = 60.0 * (exponents(2).max(axis=1) == 2)
    network = NetworkLaw(rng.normal(size=(3, 6)), rng.normal(size=3), 0.01 * np.abs(rng.normal(size=3)), 0.1, R)
    return SumLaw([SeriesLaw({2: quadratic, **higher}, R), network])


def domain(radius=0.2):
    return Domain(np.eye(6), radius)


def solid(n=3):
    return fem.functionspace(mesh.create_box(MPI.COMM_SELF, [[0, 0, 0], [1, 1, 1]], [n, n, n], HEX), ("Lagrange", 1, (3,)))


def plane(n=4):
    return fem.functionspace(mesh.create_rectangle(MPI.COMM_SELF, [[0, 0], [1, 1]], [n, n], QUAD), ("Lagrange", 1, (2,)))


def updated(V, law, **options):
    u = fem.Function(V)
    u.x.array[:] = 0.03 * np.random.default_rng(1).normal(size=u.x.array.size) / 3
    result = UserMaterial(u, law, **options)
    result.update()
    return result


def per_cell(V):
    cells = V.mesh.topology.index_map(V.mesh.topology.dim).size_local
    return rotation_from_bunge(np.random.default_rng(2).uniform(0, 180, (cells, 3)))


CASES = {
    "in the crystal's axes": (solid, {}),
    "turned": (solid, {"orientation": TURN}),
    "in GPa": (solid, {"orientation": TURN, "unit": "GPa"}),
    "turned cell by cell": (solid, {"orientation": per_cell}),
    "from a stress-free reference": (solid, {"orientation": TURN, "stress_free_deformation": np.diag([1.01, 0.99, 1.0])}),
    "at small strain": (solid, {"orientation": TURN, "strain": "small"}),
    "extended": (solid, {"orientation": TURN, "outside": "extend"}),
    "in plane strain": (plane, {"orientation": TURN, "plane": "strain"}),
    "in plane stress": (plane, {"orientation": TURN, "plane": "stress"}),
}


@pytest.mark.parametrize("name", CASES)
def test_compiled_code_gives_the_numbers_of_torch(name):
    space, options = CASES[name]
    V = space()
    options = {key: value(V) if callable(value) else value for key, value in options.items()}
    law = BoundedLaw(a_law(), domain(0.02), "warn")
    compiled, torch = (updated(V, law, kernel=kernel, **options) for kernel in ("c", "torch"))
    assert isinstance(compiled.regions[0].compiled, CompiledKernel)
    assert torch.regions[0].compiled is None
    for one, other in ((compiled.stress, torch.stress), (compiled.tangent, torch.tangent)):
        assert np.abs(one.x.array - other.x.array).max() <= 1e-12 * np.abs(other.x.array).max()
        assert np.abs(other.x.array).max() > 0
    for quantity in ("strain_energy_density", "cauchy_stress", "domain_distance"):
        one, other = (m.field(quantity).x.array for m in (compiled, torch))
        assert np.abs(one - other).max() <= 1e-11 * np.abs(other).max()


def test_compiled_code_is_the_default():
    assert isinstance(updated(solid(2), a_law()).regions[0].compiled, CompiledKernel)


def test_control_another_law_gives_other_numbers():
    one, other = updated(solid(2), a_law(), kernel="c"), updated(solid(2), a_law("2/m"), kernel="torch")
    assert np.abs(one.stress.x.array - other.stress.x.array).max() > 1e-6 * np.abs(other.stress.x.array).max()


def solved(kernel, **options):
    V = solid(3)
    u, v = fem.Function(V), ufl.TestFunction(V)
    ends = [fem.locate_dofs_geometrical(V, lambda x, end=end: np.isclose(x[0], end)) for end in (0.0, 1.0)]
    bcs = [fem.dirichletbc(np.zeros(3), ends[0], V), fem.dirichletbc(np.array([0.05, 0.02, 0.0]), ends[1], V)]
    law = UserMaterial(u, a_law(), orientation=TURN, kernel=kernel, **options)
    result = Problem(law.residual(v), law, bcs=bcs).solve(steps=2).require()
    return u.x.array.copy(), result.iterations


def test_solves_take_the_same_iterations():
    (u, iterations), (reference, expected) = solved("c"), solved("torch")
    assert iterations == expected
    assert np.abs(u - reference).max() <= 1e-12 * np.abs(reference).max()


def test_tangents_of_single_precision_cost_no_iteration():
    (u, iterations), (reference, expected) = solved("c", tangent_precision="single"), solved("c")
    assert abs(iterations - expected) <= 1
    assert np.abs(u - reference).max() <= 1e-8 * np.abs(reference).max()
    one, other = (updated(solid(2), a_law(), tangent_precision=p).tangent.x.array for p in ("single", "double"))
    assert 1e-12 < np.abs(one - other).max() / np.abs(other).max() < 1e-6


def test_without_a_compiler_torch_evaluates(monkeypatch):
    monkeypatch.setattr(compiling, "_said", set())
    V = solid(2)
    u = fem.Function(V)
    expected = updated(V, a_law(), kernel="torch").stress.x.array.copy()
    monkeypatch.setenv("CC", "no-such-compiler")
    with pytest.warns(KernelWarning, match="evaluated by torch"):
        law = UserMaterial(u, a_law())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        UserMaterial(u, a_law())  # said once
    u.x.array[:] = 0.03 * np.random.default_rng(1).normal(size=u.x.array.size) / 3
    law.update()
    assert (law.stress.x.array == expected).all()


def test_an_unknown_kernel_is_refused():
    with pytest.raises(SolveError, match="one of 'c', 'torch'"):
        UserMaterial(fem.Function(solid(1)), a_law(), kernel="fortran")
    with pytest.raises(SolveError, match="one of 'double', 'single'"):
        UserMaterial(fem.Function(solid(1)), a_law(), tangent_precision="half")
