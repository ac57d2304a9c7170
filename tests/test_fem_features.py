"""What the finite-element hook offers: kinematics, materials, steps, checkpoints, results, the user's own solvers."""

import importlib.util
import json
import signal
import subprocess
import sys
import threading
import warnings
from pathlib import Path
from types import SimpleNamespace

import dolfinx
import fem_cases
import numpy as np
import pytest
import torch
import ufl
from dolfinx import fem, mesh
from fem_cases import HEX, TET, TURN, block, cubic, isotropic, native_residual, pulled, stiffness_tensor
from mpi4py import MPI
from petsc4py import PETSc
from test_fem import HERE, derivative_error, on_ranks

from constitutive.errors import DataError, DependencyError, MaterialError, SolveError
from constitutive.fem import (
    Outcome,
    Problem,
    UserMaterial,
    attach,
    axial_force,
    derivative,
    external_operator,
    read_orientations,
    release_axial,
    rotation_from_bunge,
    rotation_from_quaternion,
    solve,
    write_fields,
)
from constitutive.fem.faults import Trouble
from constitutive.fem.newton import set_function_domain_error
from constitutive.laws import Domain
from constitutive.material import Material
from constitutive.symmetry import PointGroup
from constitutive.tensors.packing import to_mandel

COMM = MPI.COMM_SELF
NEWER = tuple(map(int, dolfinx.__version__.split(".")[:2])) >= (0, 10)


def square(degree: int = 1, components: int = 2, cell: mesh.CellType = mesh.CellType.triangle) -> fem.FunctionSpace:
    """Vector elements on a unit square."""
    return fem.functionspace(mesh.create_unit_square(COMM, 2, 2, cell), ("Lagrange", degree, (components,)))


def affine(u: fem.Function, A: np.ndarray) -> None:
    """Give a displacement a uniform gradient."""
    u.interpolate(lambda x: A @ x[: A.shape[1]])


def bounded(radius: float = 0.05) -> Material:
    """A material with a domain."""
    return Material(cubic(), PointGroup.from_symbol("m-3m"), name="test", domain=Domain(np.eye(6), radius))


# ---- kinematics --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("strain", ["finite", "small"])
@pytest.mark.parametrize(("plane", "components"), [("strain", 2), ("stress", 2), ("generalised_strain", 2), ("generalised_strain", 3)])
def test_plane_jacobians_are_derivatives(plane: str, components: int, strain: str) -> None:
    V = square(1, components)
    u, v, du = fem.Function(V), ufl.TestFunction(V), ufl.TrialFunction(V)
    axial = fem.Constant(V.mesh, 0.01) if plane == "generalised_strain" else None
    law = UserMaterial(u, cubic(), orientation=TURN, plane=plane, strain=strain, axial_strain=axial)
    assert derivative_error(law, law.jacobian(du, v)) < 2e-8


def test_plane_stress_of_a_turned_crystal_has_no_stress_out_of_the_plane() -> None:
    V = square()
    u = fem.Function(V)
    affine(u, np.array([[0.03, 0.01], [0.02, -0.01]]))
    law = UserMaterial(u, cubic(), orientation=TURN, plane="stress")
    assert not law.update()
    S = law.field("cauchy_stress").x.array.reshape(-1, 3, 3)
    assert np.abs(S[:, 2]).max() < 1e-9 * np.abs(S).max()
    E = law.field("strain").x.array.reshape(-1, 3, 3)
    assert np.abs(E[:, 2, :2]).max() > 1e-3  # the shears out of the plane that a turned crystal needs


def test_plane_stress_tangent_is_the_inverse_of_the_compliance_block() -> None:
    V = square()
    law = UserMaterial(fem.Function(V), cubic(), orientation=TURN, plane="stress", unit="GPa")
    law.update()
    C = cubic().rotated(TURN).tangent_mandel(torch.zeros(1, 6, dtype=torch.float64))[0].numpy()
    plane = [0, 1, 5]
    exact = np.linalg.inv(np.linalg.inv(C)[np.ix_(plane, plane)])
    np.testing.assert_allclose(law.tangent.x.array[:6], exact[np.triu_indices(3)], rtol=1e-12)
    only_c33 = C[np.ix_(plane, plane)] - np.outer(C[plane, 2], C[plane, 2]) / C[2, 2]
    assert np.abs(only_c33 - exact).max() > 0.01 * exact.max()  # control: C33 alone is not enough


def test_generalised_plane_strain_equals_a_block_in_3d() -> None:
    """Uniform in-plane gradient, shears with z and an axial stretch: the stress of the law at that deformation gradient."""
    V = square(1, 3)
    u = fem.Function(V)
    A = np.array([[0.02, 0.01], [0.0, -0.01], [0.03, 0.015]])
    affine(u, A)
    law = UserMaterial(u, cubic(), orientation=TURN, plane="generalised_strain", axial_strain=fem.Constant(V.mesh, 0.02), unit="GPa")
    law.update()
    F = np.eye(3)
    F[:, :2] += A
    F[2, 2] += 0.02
    P, _ = cubic().rotated(TURN)(F)
    np.testing.assert_allclose(law.field("first_piola_kirchhoff").x.array.reshape(-1, 3, 3)[0], P, rtol=1e-12, atol=1e-14)


def test_a_bar_free_along_z_contracts_as_poisson_says() -> None:
    V = square()
    u, v, axial = fem.Function(V), ufl.TestFunction(V), fem.Constant(V.mesh, 0.0)
    law = UserMaterial(u, isotropic(210.0, 0.3), plane="generalised_strain", axial_strain=axial, strain="small")
    ends = fem.Function(V)
    affine(ends, np.diag([0.01, -0.003]))
    problem = Problem(law.residual(v), law, bcs=[fem.dirichletbc(ends, fem_cases.on_boundary(V))])
    assert release_axial(problem, law) == pytest.approx(-0.003, rel=1e-6)
    assert abs(axial_force(law)) < 1e-4
    with pytest.raises(SolveError, match="generalised_strain"):
        release_axial(problem, UserMaterial(u, cubic(), plane="strain"))


def test_small_strain_equals_native_ufl() -> None:
    V = block(2, TET, 1, COMM)
    v, ours, theirs = ufl.TestFunction(V), fem.Function(V), fem.Function(V)
    law = UserMaterial(ours, cubic(), orientation=TURN, strain="small")
    result = solve(law.residual(v), law, bcs=pulled(V)).require()
    form = native_residual(theirs, v, stiffness_tensor(cubic(), TURN), 1, finite=False)
    solve(form, u=theirs, bcs=pulled(V)).require()
    np.testing.assert_allclose(ours.x.array, theirs.x.array, atol=1e-13)
    assert result.iterations == 1


@pytest.mark.parametrize(("cell", "degree", "count"), [(HEX, 1, 8), (TET, 1, 1), (HEX, 2, 27), (TET, 2, 4)])
def test_default_rule(cell: mesh.CellType, degree: int, count: int) -> None:
    assert UserMaterial(fem.Function(block(1, cell, degree, COMM)), cubic()).points.per_cell == count


def test_loads_keep_their_own_rule() -> None:
    """A load of degree 6 is integrated exactly beside the law's one point in a tetrahedron."""
    V = block(1, TET, 1, COMM)
    u, v, x = fem.Function(V), ufl.TestFunction(V), ufl.SpatialCoordinate(V.mesh)
    law = UserMaterial(u, cubic())
    law.update()
    load = x[0] ** 6 * v[2] * ufl.dx
    together = fem.assemble_vector(fem.form(law.residual(v) - load)).array
    np.testing.assert_allclose(together[2::3].sum(), -1 / 7, rtol=1e-12)


# ---- eigenstrain -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("strain", ["finite", "small"])
def test_a_free_body_takes_its_stress_free_shape(strain: str) -> None:
    V = block(2, HEX, 1, COMM)
    u, v = fem.Function(V), ufl.TestFunction(V)
    F0 = np.diag([1.02, 0.99, 1.01]) + np.array([[0, 0.01, 0], [0.01, 0, 0], [0, 0, 0]])
    law = UserMaterial(u, cubic(), orientation=TURN, stress_free_deformation=F0, strain=strain)
    exact = fem.Function(V)
    affine(exact, TURN @ F0 @ TURN.T - np.eye(3))
    held = fem.locate_dofs_geometrical(V, lambda x: np.isclose(x[0], 0))
    Problem(law.residual(v), law, bcs=[fem.dirichletbc(exact, held)]).solve().require()
    np.testing.assert_allclose(u.x.array, exact.x.array, atol=1e-10)
    assert np.abs(law.field("cauchy_stress").x.array).max() < 1e-5


def test_a_held_body_is_stressed_by_its_eigenstrain() -> None:
    """A clamped crystal that wants to grow by 1 %: S = −J₀ F₀⁻¹ S_c(E_c) F₀⁻ᵀ; energies per reference volume."""
    V = block(1, HEX, 1, COMM)
    law = UserMaterial(fem.Function(V), cubic(), stress_free_deformation=1.01, unit="GPa")
    assert not law.update()
    E = (1.01**-2 - 1) / 2
    pressure = (153.4 + 2 * 56.9) * E * 1.01**3 / 1.01**2
    np.testing.assert_allclose(law.stress.x.array[:3], pressure, rtol=1e-12)
    assert law.total_energy() == pytest.approx(1.5 * (153.4 + 2 * 56.9) * E**2 * 1.01**3, rel=1e-12)


def test_eigenstrain_may_be_a_function_that_changes() -> None:
    V = block(1, HEX, 1, COMM)
    u, v, du = fem.Function(V), ufl.TestFunction(V), ufl.TrialFunction(V)
    stretch = fem.Function(fem.functionspace(V.mesh, ("DG", 0)))
    stretch.x.array[:] = 1.0
    law = UserMaterial(u, cubic(), orientation=TURN, stress_free_deformation=stretch)
    law.update()
    assert np.abs(law.stress.x.array).max() == 0
    stretch.x.array[:] = 1.02
    law.update()
    assert np.abs(law.stress.x.array).max() > 100
    assert derivative_error(law, law.jacobian(du, v)) < 1e-8


# ---- materials and orientations -----------------------------------------------------------------------------------------


def cell_tags(m: mesh.Mesh) -> mesh.MeshTags:
    """Tag 1 below y = ½, tag 2 above, of all cells and ghosts."""
    count = m.topology.index_map(3).size_local + m.topology.index_map(3).num_ghosts
    cells = np.arange(count, dtype=np.int32)
    return mesh.meshtags(m, 3, cells, (1 + (mesh.compute_midpoints(m, 3, cells)[:, 1] > 0.5)).astype(np.int32))


QUATERNION = np.array([0.9, 0.3, -0.2, 0.1]) / np.linalg.norm([0.9, 0.3, -0.2, 0.1])


@pytest.mark.parametrize("way", ["matrix", "by tag", "with the material", "per cell", "function per cell", "per point"])
def test_every_way_to_give_an_orientation(way: str) -> None:
    V = block(2, HEX, 1, COMM)
    u = fem.Function(V)
    u.x.array[:] = 0.02 * np.random.default_rng(1).standard_normal(u.x.array.size)
    expected = UserMaterial(u, cubic(), orientation=QUATERNION)
    expected.update()
    R, options, material = rotation_from_quaternion(QUATERNION), {}, cubic()
    if way in ("by tag", "with the material"):
        options["cell_tags"] = cell_tags(V.mesh)
    if way == "matrix":
        options["orientation"] = R
    elif way == "by tag":
        options["orientation"] = {1: R, 2: QUATERNION}
    elif way == "with the material":
        material = {1: (cubic(), R), 2: (cubic(), QUATERNION)}
    elif way == "per cell":
        options["orientation"] = np.tile(QUATERNION, (8, 1))
    else:
        at_points = fem.functionspace(V.mesh, ("DG", 0, (4,))) if way == "function per cell" else expected.points.space((4,))
        options["orientation"] = fem.Function(at_points)
        options["orientation"].x.array[:] = np.tile(QUATERNION, at_points.dofmap.index_map.size_local)
    law = UserMaterial(u, material, **options)
    assert not law.update()
    np.testing.assert_allclose(law.stress.x.array, expected.stress.x.array, rtol=1e-11, atol=1e-8)
    np.testing.assert_allclose(law.tangent.x.array, expected.tangent.x.array, rtol=1e-11, atol=1e-6)


def test_two_materials_equal_native_ufl() -> None:
    V = block(2, TET, 1, COMM)
    tags = cell_tags(V.mesh)
    v, ours, theirs = ufl.TestFunction(V), fem.Function(V), fem.Function(V)
    law = UserMaterial(ours, {1: (cubic(), TURN), 2: isotropic()}, cell_tags=tags)
    solve(law.residual(v), law, bcs=pulled(V)).require()
    forms = [native_residual(theirs, v, stiffness_tensor(*pair), 1) for pair in ((cubic(), TURN), (isotropic(), np.eye(3)))]
    where = [ufl.dx(subdomain_data=tags, subdomain_id=tag, metadata={"quadrature_degree": 1}) for tag in (1, 2)]
    form = sum(ufl.Form([form.integrals()[0].reconstruct(subdomain_id=tag, subdomain_data=dx.subdomain_data())])
               for form, dx, tag in zip(forms, where, (1, 2), strict=True))  # fmt: skip
    solve(form, u=theirs, bcs=pulled(V)).require()
    np.testing.assert_allclose(ours.x.array, theirs.x.array, atol=1e-13)


def test_compiled_forms_hold_no_law() -> None:
    """One compiled module serves every material, orientation and eigenstrain."""
    V = block(1, HEX, 1, COMM)
    v, du = ufl.TestFunction(V), ufl.TrialFunction(V)
    modules = []
    for options in ({"material": cubic()}, {"material": isotropic(), "orientation": TURN, "stress_free_deformation": 1.01}):
        law = UserMaterial(fem.Function(V), **options)
        modules.append([fem.form(form).module.__name__ for form in (law.residual(v), law.jacobian(du, v))])
    assert modules[0] == modules[1]


def test_chunks_do_not_change_anything() -> None:
    V = block(3, HEX, 1, COMM)
    u = fem.Function(V)
    u.x.array[:] = 0.02 * np.random.default_rng(1).standard_normal(u.x.array.size)
    laws = [UserMaterial(u, cubic(), orientation=TURN, chunk=chunk) for chunk in (1, 40, 10**6)]
    for law in laws:
        law.update()
        np.testing.assert_allclose(law.stress.x.array, laws[0].stress.x.array, rtol=1e-13, atol=1e-9)


def test_mixed_unknown() -> None:
    """The displacement as part of a mixed Function, beside a field of its own: the same displacement."""
    m = mesh.create_unit_square(COMM, 2, 2)
    parts = [fem.functionspace(m, ("Lagrange", 2, (2,))).ufl_element(), fem.functionspace(m, ("Lagrange", 1)).ufl_element()]
    import basix.ufl

    W = fem.functionspace(m, basix.ufl.mixed_element(parts))
    w, test = fem.Function(W), ufl.TestFunction(W)
    (u, p), (v, q) = ufl.split(w), ufl.split(test)
    law = UserMaterial(u, cubic(), plane="strain", orientation=TURN)
    sub, _ = W.sub(0).collapse()
    shift = fem.Function(sub)
    shift.interpolate(lambda x: np.stack([0.05 * x[0], 0.02 * x[0]]))
    ends = fem.locate_dofs_geometrical((W.sub(0), sub), lambda x: np.isclose(x[0] * (1 - x[0]), 0))
    form = law.residual(v) + (p - ufl.div(u)) * q * ufl.dx
    solve(form, law, u=w, bcs=[fem.dirichletbc(shift, ends, W.sub(0))]).require()
    alone = fem.Function(sub)
    v0 = ufl.TestFunction(sub)
    other = UserMaterial(alone, cubic(), plane="strain", orientation=TURN)
    dofs = fem.locate_dofs_geometrical(sub, lambda x: np.isclose(x[0] * (1 - x[0]), 0))
    solve(other.residual(v0), other, bcs=[fem.dirichletbc(shift, dofs)]).require()
    np.testing.assert_allclose(w.sub(0).collapse().x.array, alone.x.array, atol=1e-12)


# ---- orientation tables -------------------------------------------------------------------------------------------------


def test_bunge_angles_turn_sample_to_crystal() -> None:
    """Rows of Bunge's matrix are crystal axes in the sample; ours is its transpose."""
    p1, P, p2 = np.radians([30.0, 40.0, 20.0])
    z = lambda a: np.array([[np.cos(a), np.sin(a), 0], [-np.sin(a), np.cos(a), 0], [0, 0, 1]])  # noqa: E731 - passive turn
    x = np.array([[1, 0, 0], [0, np.cos(P), np.sin(P)], [0, -np.sin(P), np.cos(P)]])
    np.testing.assert_allclose(rotation_from_bunge(np.array([30.0, 40.0, 20.0])), (z(p2) @ x @ z(p1)).T, atol=1e-15)
    np.testing.assert_allclose(rotation_from_bunge(np.array([90.0, 0.0, 0.0])) @ [1, 0, 0], [0, 1, 0], atol=1e-15)


TABLES = {
    "mtex.csv": "phi1, Phi, phi2\n90, 0, 0\n30, 40, 20\n",
    "mtex_quaternion.txt": "id a b c d\n1 0.70710678 0 0 0.70710678\n2 {q}\n",
    "damask.txt": "# a comment\n1_qu 2_qu 3_qu 4_qu\n0.70710678 0 0 0.70710678\n{q}\n",
    "damask.yaml": "material:\n- constituents: [{{O: [0.70710678, 0, 0, 0.70710678], v: 1.0, phase: Cu}}]\n"
    "- constituents: [{{O: [{c}], v: 1.0}}]\n",
    "neper.ori": "90 0 0\n30 40 20\n",
}


@pytest.mark.parametrize("name", TABLES)
def test_tables_of_others_give_the_same_rotations(name: str, tmp_path: Path) -> None:
    from scipy.spatial.transform import Rotation

    R = rotation_from_bunge(np.array([[90.0, 0.0, 0.0], [30.0, 40.0, 20.0]]))
    x, y, z, w = Rotation.from_matrix(R[1]).as_quat()
    q = [f"{value:.10f}" for value in (w, x, y, z)]
    text = TABLES[name] if "{" not in TABLES[name] else TABLES[name].format(q=" ".join(q), c=", ".join(q))
    (tmp_path / name).write_text(text)
    table = read_orientations(tmp_path / name, columns="bunge" if name == "neper.ori" else None)
    assert list(table) == ([0, 1] if name == "damask.yaml" else [1, 2])  # as DAMASK counts
    np.testing.assert_allclose(np.stack(list(table.values())), R, atol=1e-7)
    if name == "neper.ori":
        turned = read_orientations(tmp_path / name, columns="bunge", passive=True, first=0)
        np.testing.assert_allclose(turned[1], R[1].T, atol=1e-12)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1 2 3\n", "has no header"),
        ("phi1 Phi phi2\n", "no rows"),
        ("a b c d\n1 1 0 0\n", "has norm 1.414"),
        ("alpha beta\n1 2\n", "names neither"),
        ("phi1 Phi phi2\n1 2 x\n", "a text"),
        ("id phi1 Phi phi2\n1 0 0 0\n1 0 0 0\n", "occurs twice"),
        ("phi1 Phi phi2\n" + "0.1 0.2 0.3\n" * 20, "radians"),
        ("phi1 Phi phi2\nnan 0 0\n", "not finite"),
        ("", "empty"),
    ],
)
def test_bad_tables_are_refused(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "table.txt").write_text(text)
    with pytest.raises(DataError, match=message):
        read_orientations(tmp_path / "table.txt")


@pytest.mark.parametrize(
    ("orientation", "message"),
    [
        (np.diag([1.0, 1.0, -1.0]), "left-handed"),
        (1.01 * np.eye(3), "not a rotation"),
        (np.array([1.0, 1.0, 0.0, 0.0]), "norm"),
        (np.eye(2), "shape"),
        ({1: np.eye(3)}, "cell_tags"),
    ],
)
def test_bad_orientations_are_refused(orientation: object, message: str) -> None:
    with pytest.raises((DataError, SolveError), match=message):
        UserMaterial(fem.Function(block(1, HEX, 1, COMM)), cubic(), orientation=orientation)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"unit": "psi"}, "GPa"),
        ({"plane": "stress"}, "leave plane out"),
        ({"strain": "large"}, "finite"),
        ({"outside": "ignore"}, "raise"),
        ({"material": {1: cubic()}}, "cell_tags"),
        ({"cell_tags": np.array([1])}, "no tag"),
        ({"material": 3}, "a Material"),
        ({"stress_free_deformation": 0.0}, "positive determinant"),
        ({"quadrature_degree": 99}, "degree"),
        ({"axial_strain": 1.0}, "generalised"),
    ],
)
def test_what_does_not_fit_is_refused(options: dict, message: str) -> None:
    with pytest.raises(SolveError, match=message):
        UserMaterial(fem.Function(block(2, HEX, 1, COMM)), **({"material": cubic()} | options))


def test_plane_mesh_needs_an_assumption() -> None:
    with pytest.raises(SolveError, match="say plane"):
        UserMaterial(fem.Function(square()), cubic())


# ---- solving -----------------------------------------------------------------------------------------------------------


def pulled_problem(shift: tuple[float, ...] = (0.1, 0.05, 0.02), **options: object) -> Problem:
    """A turned cubic block, pulled."""
    V = block(2, HEX, 1, COMM)
    u, v = fem.Function(V), ufl.TestFunction(V)
    law = UserMaterial(u, **({"material": cubic(), "orientation": TURN} | options))
    return Problem(law.residual(v), law, bcs=pulled(V, shift))


def test_steps_are_cut_and_grow_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Newton's method is made to fail for steps above 0.2 in the first half: they shrink there, and grow afterwards."""
    problem = pulled_problem()
    solve_step, states = problem.newton.solve, []

    def moody(target: np.ndarray, part: float, **how: object) -> object:
        size = part * (1 - problem.load)
        states.append(problem.u.x.array.copy())
        if problem.load < 0.5 and size > 0.2:
            problem.u.x.array[:] = np.nan
            return Trouble(Outcome.DIVERGED, "made to fail"), 0, ()
        return solve_step(target, part, **how)

    monkeypatch.setattr(problem.newton, "solve", moody)
    result = problem.solve(steps=2).require()
    np.testing.assert_allclose(np.diff([0.0, *(step.load for step in result.steps)]), [0.125] * 4 + [0.25] * 2)
    assert result.cutbacks == 5
    assert np.isfinite(states).all()


def test_an_inverted_element_is_named_and_the_state_is_that_of_the_last_step() -> None:
    problem = pulled_problem((-0.9, 0.5, 0.0))
    result = problem.solve(steps=1, smallest_step=0.02)
    assert result.outcome is Outcome.INVERTED
    assert "cell" in result.reason
    assert 0 < result.load < 1
    right = problem.bcs[1].dof_indices()[0]
    np.testing.assert_allclose(problem.u.x.array[right].reshape(-1, 3), result.load * np.array([[-0.9, 0.5, 0.0]] * 9), atol=1e-12)
    with pytest.raises(SolveError, match="of the load"):
        result.require()


def test_j_of_zero_or_less_is_found_with_its_place() -> None:
    V = block(2, HEX, 1, COMM)
    u = fem.Function(V)
    affine(u, np.diag([-1.2, 0.0, 0.0]))
    law = UserMaterial(u, cubic())
    faults = law.update()
    assert faults.inverted == 64
    assert "cell" in faults.worst
    assert "J = -0.2" in faults.worst
    assert np.isnan(law.stress.x.array).all()


def test_nan_in_the_displacement_is_found() -> None:
    law = UserMaterial(fem.Function(block(1, TET, 1, COMM)), cubic(), strain="small")
    law.u.x.array[0] = np.nan
    assert law.update().not_finite > 0


def test_stop_outside_the_domain() -> None:
    problem = pulled_problem(material=bounded(), outside="raise")
    result = problem.solve(steps=2, smallest_step=0.01)
    assert result.outcome is Outcome.OUTSIDE_DOMAIN
    assert "cell" in result.reason
    assert "calibrate on larger strains" in result.reason
    assert problem.laws[0].count_outside() == 0


def test_warn_outside_the_domain_counts_points() -> None:
    problem = pulled_problem(material=bounded(), outside="warn")
    result = problem.solve(steps=2).require()
    assert result.steps[-1].outside == 64
    assert "64 points are outside" in result.reason
    assert problem.laws[0].field("outside_domain").x.array.min() == 1


def test_extend_outside_the_domain_is_another_energy() -> None:
    problems = [pulled_problem(material=bounded(0.05), outside=outside) for outside in ("warn", "extend")]
    energies = []
    for problem in problems:
        problem.solve(steps=4).require()
        energies.append(problem.laws[0].total_energy())
    assert energies[1] != pytest.approx(energies[0], rel=1e-3)


def test_line_searches_recover_from_a_domain_error() -> None:
    """Newton for log x = 0 from x = 3 leaves the domain at once; PETSc's line search comes back into it."""
    A = PETSc.Mat().createDense([1, 1], comm=COMM)
    A.setUp()
    f, x, seen = A.createVecLeft(), A.createVecRight(), []

    def residual(snes: PETSc.SNES, at: PETSc.Vec, b: PETSc.Vec) -> None:
        value = at.getArray(readonly=True)[0]
        seen.append(value)
        if value <= 0:
            b.set(np.nan)
            set_function_domain_error(snes)
        else:
            b.array[0] = np.log(value)

    def jacobian(snes: PETSc.SNES, at: PETSc.Vec, J: PETSc.Mat, P: PETSc.Mat) -> None:
        J.setValue(0, 0, 1 / at.getArray(readonly=True)[0])
        J.assemble()

    snes = PETSc.SNES().create(COMM)
    snes.setFunction(residual, f)
    snes.setJacobian(jacobian, A)
    snes.getKSP().setType("preonly")
    snes.getKSP().getPC().setType("lu")
    x.set(3.0)
    snes.solve(None, x)
    assert min(seen) < 0
    assert snes.getConvergedReason() > 0
    assert x.array[0] == pytest.approx(1.0)


def test_residuals_leave_the_tangent_alone() -> None:
    problem = pulled_problem()
    law, seen = problem.laws[0], []
    update = law.update

    def watched(*, tangent: bool = True) -> object:
        seen.append(tangent)
        return update(tangent=tangent)

    law.update = watched
    result = problem.solve()
    assert seen.count(True) == result.iterations


def test_petsc_options_reach_the_solvers() -> None:
    problem = pulled_problem()
    options = {"ksp_type": "cg", "pc_type": "gamg", "ksp_rtol": 1e-10, "snes_linesearch_type": "basic", "snes_rtol": 1e-11}
    other = Problem(problem.form, problem.laws[0], bcs=problem.bcs, petsc_options=options, load_factor=problem.load_factor)
    assert other.newton.snes.getKSP().getType() == "cg"
    assert other.newton.snes.getKSP().getPC().getType() == "gamg"
    assert other.newton.snes.getTolerances()[0] == 1e-11
    assert other.newton.A.getNearNullSpace().getVecs()
    other.solve().require()


def test_loads_grow_with_the_load_factor_and_springs_do_not() -> None:
    V = block(2, HEX, 1, COMM)
    u, v = fem.Function(V), ufl.TestFunction(V)
    law = UserMaterial(u, cubic(), strain="small")
    pull, spring = fem.Constant(V.mesh, np.array([100.0, 0.0, 0.0])), fem.Constant(V.mesh, 1e3)
    form = law.residual(v) - ufl.inner(pull, v) * ufl.dx + spring * ufl.inner(u, v) * ufl.ds
    ends = []
    problem = Problem(form, law, bcs=pulled(V)[:1])
    problem.solve(steps=4, on_step=lambda record: ends.append(u.x.array.copy())).require()
    for k, end in enumerate(ends):
        np.testing.assert_allclose(end, (k + 1) / 4 * ends[-1], atol=1e-12 * np.abs(ends[-1]).max())


def test_ramp_sets_the_users_own_loads() -> None:
    V = block(2, HEX, 1, COMM)
    u, v, pull = fem.Function(V), ufl.TestFunction(V), fem.Constant(V.mesh, np.zeros(3))
    law = UserMaterial(u, cubic(), strain="small")
    problem = Problem(law.residual(v) - ufl.inner(pull, v) * ufl.dx, law, bcs=pulled(V)[:1])
    tops = []

    def there_and_back(load: float) -> None:
        pull.value[0] = 100 * np.sin(np.pi * load)

    problem.solve(steps=4, ramp=there_and_back, on_step=lambda record: tops.append(np.abs(u.x.array).max())).require()
    np.testing.assert_allclose(np.array(tops) / tops[1], [np.sqrt(0.5), 1, np.sqrt(0.5), 0], atol=1e-12)


def test_solving_again_moves_on_from_the_present_state() -> None:
    problem = pulled_problem()
    problem.solve(steps=2).require()
    first = problem.u.x.array.copy()
    assert problem.solve().require().iterations <= 1
    np.testing.assert_allclose(problem.u.x.array, first, atol=1e-13)


def test_one_failing_rank_does_not_hang_the_others() -> None:
    """Neither inside the solver nor while the law is set up."""
    figures = on_ranks(2, "failing_rank", timeout=150)
    assert figures["outcomes"] == ["FAILED", "FAILED"]
    assert "ValueError on rank 1: no stress today" in figures["reason"]
    first, second = figures["messages"]
    assert "not a rotation" in second
    assert "another rank failed" in first


# ---- checkpoints --------------------------------------------------------------------------------------------------------


def test_killed_on_two_ranks_and_restarted_on_three_and_one(tmp_path: Path) -> None:
    whole = fem_cases.loaded(str(tmp_path / "whole"), "whole", COMM)
    command = ["mpirun", "-n", "2", sys.executable, str(HERE / "fem_cases.py"), "loaded", str(tmp_path / "cut"), "kill"]
    killed = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert killed.returncode != 0
    assert json.loads((tmp_path / "cut" / "latest.json").read_text())["load"] == pytest.approx(0.4)
    subprocess.run(["cp", "-r", str(tmp_path / "cut"), str(tmp_path / "copy")], check=True)
    for figures in (
        on_ranks(3, "loaded", str(tmp_path / "cut"), "restart"),
        fem_cases.loaded(str(tmp_path / "copy"), "restart", COMM),
    ):
        assert figures["start"] == pytest.approx(0.4)
        np.testing.assert_allclose(figures["numbers"], whole["numbers"], rtol=1e-10, atol=1e-12)


def test_control_c_leaves_a_checkpoint_to_go_on_from(tmp_path: Path) -> None:
    stopped = on_ranks(2, "loaded", str(tmp_path), "interrupt")
    assert stopped["outcome"] == "INTERRUPTED"
    assert 0.4 <= stopped["load"] < 1
    figures = fem_cases.loaded(str(tmp_path), "restart", COMM)
    assert figures["start"] == stopped["load"]
    assert figures["outcome"] == "CONVERGED"


def test_checkpoints_of_another_problem_are_refused(tmp_path: Path) -> None:
    problem = pulled_problem()
    with pytest.raises(SolveError, match="no checkpoint"):
        problem.restart(tmp_path / "nothing")
    problem.solve(checkpoint=tmp_path).require()
    V = block(3, HEX, 1, COMM)
    u, v = fem.Function(V), ufl.TestFunction(V)
    law = UserMaterial(u, cubic())
    with pytest.raises(SolveError, match="unknowns"):
        Problem(law.residual(v), law, bcs=pulled(V)).restart(tmp_path)
    moved = pulled_problem()
    moved.mesh.geometry.x[:] += 0.1
    with pytest.raises(SolveError, match="another mesh"):
        moved.restart(tmp_path)


def test_control_c_works_only_in_the_main_thread() -> None:
    before = signal.getsignal(signal.SIGINT)  # ignored where the tests run in the background of a shell
    outcomes = []
    thread = threading.Thread(target=lambda: outcomes.append(pulled_problem().solve().outcome))
    thread.start()
    thread.join()
    assert outcomes == [Outcome.CONVERGED]
    assert signal.getsignal(signal.SIGINT) is before


# ---- results ------------------------------------------------------------------------------------------------------------


def test_reactions_balance_the_loads() -> None:
    V = block(2, HEX, 1, COMM)
    u, v = fem.Function(V), ufl.TestFunction(V)
    law = UserMaterial(u, cubic(), orientation=TURN)
    pull = fem.Constant(V.mesh, np.array([300.0, -100.0, 50.0]))
    held = pulled(V)[:1]
    problem = Problem(law.residual(v) - ufl.inner(pull, v) * ufl.dx, law, bcs=held)
    problem.solve(steps=2).require()
    tags = fem_cases.facets_where(V.mesh, {7: lambda x: np.isclose(x[0], 0)})
    for where in ((held[0],), (tags, 7), (tags.find(7),), (lambda x: np.isclose(x[0], 0),)):
        np.testing.assert_allclose(problem.reaction(*where), [-300, 100, -50], rtol=1e-8)


def test_energy_is_the_work_of_a_linear_body() -> None:
    problem = pulled_problem(strain="small")
    problem.solve().require()
    work = 0.5 * problem.reaction(problem.bcs[1]) @ [0.1, 0.05, 0.02]
    assert problem.laws[0].total_energy() == pytest.approx(work, rel=1e-10)


def test_mass_comes_from_the_structure() -> None:
    from pymatgen.core import Lattice, Structure

    silicon = Structure.from_spacegroup("Fd-3m", Lattice.cubic(5.431), ["Si"], [[0, 0, 0]])
    material = Material(cubic(), PointGroup.from_symbol("m-3m"), silicon, "Si")
    law = UserMaterial(fem.Function(block(1, HEX, 1, COMM)), material)
    assert law.mass("cm") == pytest.approx(2.329e-3, rel=1e-3)
    with pytest.raises(SolveError, match="length_unit"):
        law.mass("inch")
    with pytest.raises(MaterialError, match="no structure"):
        UserMaterial(fem.Function(block(1, HEX, 1, COMM)), cubic()).mass()


@pytest.mark.parametrize("space", ["cells", "points", "nodes", ("DG", 1)])
def test_fields_of_a_uniform_state(space: object) -> None:
    V = block(2, TET, 2, COMM)
    u = fem.Function(V)
    A = np.array([[0.04, 0.02, -0.01], [0.01, -0.03, 0.02], [0.0, 0.015, 0.02]])
    affine(u, A)
    law = UserMaterial(u, bounded(0.01), orientation=TURN, unit="GPa")
    F = np.eye(3) + A
    P, _ = cubic().rotated(TURN)(F)
    sigma, E = P @ F.T / np.linalg.det(F), (F.T @ F - np.eye(3)) / 2
    deviator = sigma - np.trace(sigma) / 3 * np.eye(3)
    expected = {
        "cauchy_stress": sigma, "first_piola_kirchhoff": P, "second_piola_kirchhoff": np.linalg.solve(F, P), "strain": E,
        "mises_stress": np.sqrt(1.5 * (deviator**2).sum()), "crystal_strain": TURN.T @ E @ TURN, "deformation_gradient": F,
        "outside_domain": 1.0, "strain_norm": np.linalg.norm(E), "domain_distance": np.linalg.norm(E) / 0.01,
    }  # fmt: skip
    for name, value in expected.items():
        rows = law.field(name, space).x.array.reshape(-1, np.size(value))
        np.testing.assert_allclose(rows, np.tile(np.ravel(value), (len(rows), 1)), rtol=1e-8, atol=1e-10, err_msg=name)
    x = torch.from_numpy(to_mandel(TURN.T @ E @ TURN))[None]
    assert law.field("strain_energy_density").x.array[0] == pytest.approx(float(cubic().energy_mandel(x)), rel=1e-12)
    with pytest.raises(SolveError, match="no field named"):
        law.field("temperature")
    with pytest.raises(MaterialError, match="no uncertainty"):
        law.field("uncertainty")


def test_uncertainty_is_the_materials() -> None:
    V = block(1, HEX, 1, COMM)
    law = UserMaterial(fem.Function(V), cubic(), unit="MPa", kernel="torch")
    width = 0.5 * torch.diag_embed(torch.tensor([1.0, 0.0, 0.0], dtype=torch.float64))
    estimate = SimpleNamespace(half_width=lambda E: width + 0 * E)
    law.regions[0].crystal = SimpleNamespace(uncertainty=estimate)
    assert law.field("uncertainty").x.array[0] == pytest.approx(500.0)


@pytest.mark.parametrize("name", ["out.pvd", "out.bp"])
def test_files_for_paraview(name: str, tmp_path: Path) -> None:
    problem = pulled_problem()
    problem.solve().require()
    path = write_fields(tmp_path / "results" / name, problem.laws[0], ["cauchy_stress", "mises_stress", "strain_energy_density"])
    assert path.exists()
    with pytest.raises(SolveError, match="written to"):
        write_fields(tmp_path / "out.txt", problem.laws[0])


def test_a_picture_drawn_on_two_ranks_shows_the_whole_mesh(tmp_path: Path) -> None:
    figures = on_ranks(2, "picture", str(tmp_path / "block.png"))
    assert figures["cells"] == 64
    assert (tmp_path / "block.png").stat().st_size > 10_000


# ---- the user's own solver ----------------------------------------------------------------------------------------------


def own_problem() -> tuple[UserMaterial, object, list[fem.DirichletBC], np.ndarray]:
    """Law, form, boundary conditions and the answer."""
    problem = pulled_problem()
    problem.solve().require()
    answer = problem.u.x.array.copy()
    problem.u.x.array[:] = 0
    law = problem.laws[0]
    return law, law.residual(ufl.TestFunction(problem.u.function_space)), problem.bcs, answer


def test_bare_snes_callbacks() -> None:
    law, F, bcs, answer = own_problem()
    residual, jacobian = fem.form(F), fem.form(derivative(F, law))
    u = law.u
    from dolfinx.fem import petsc

    A = petsc.create_matrix(jacobian)
    b, x = A.createVecLeft(), A.createVecRight()
    for bc in bcs:
        bc.set(u.x.array)  # begin on the boundary values
    x.array[:] = u.x.array

    def evaluate_residual(snes: PETSc.SNES, at: PETSc.Vec, out: PETSc.Vec) -> None:
        u.x.array[:] = at.getArray(readonly=True)
        law.update(tangent=False)
        values = fem.assemble_vector(residual).array
        for bc in bcs:
            values[bc.dof_indices()[0]] = 0
        out.array[:] = values

    def evaluate_jacobian(snes: PETSc.SNES, at: PETSc.Vec, J: PETSc.Mat, P: PETSc.Mat) -> None:
        law.update()
        J.zeroEntries()
        petsc.assemble_matrix(J, jacobian, bcs)
        J.assemble()

    snes = PETSc.SNES().create(COMM)
    snes.setFunction(evaluate_residual, b)
    snes.setJacobian(evaluate_jacobian, A)
    snes.setTolerances(rtol=1e-10)
    snes.getKSP().setType("preonly")
    snes.getKSP().getPC().setType("lu")
    snes.solve(None, x)
    assert snes.getConvergedReason() > 0
    np.testing.assert_allclose(x.array, answer, atol=1e-10)


def test_newton_solver_of_dolfinx() -> None:
    from dolfinx.fem import petsc
    from dolfinx.nls.petsc import NewtonSolver

    law, F, bcs, answer = own_problem()
    kind = petsc.NewtonSolverNonlinearProblem if NEWER else petsc.NonlinearProblem
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*NewtonSolver", DeprecationWarning)  # from DOLFINx 0.10 on
        problem = attach(kind(F, law.u, bcs, derivative(F, law)), law)
        solver = NewtonSolver(COMM, problem)
    solver.rtol = 1e-10
    count, converged = solver.solve(law.u)
    assert converged
    assert count <= 5
    np.testing.assert_allclose(law.u.x.array, answer, atol=1e-10)


def test_a_failing_law_stops_the_newton_solver_of_dolfinx() -> None:
    problem = pulled_problem()
    law = problem.laws[0]
    law.u.x.array[0] = np.nan
    hooked = attach(SimpleNamespace(form=lambda x: None), law)
    x = problem.newton.A.createVecRight()
    x.set(np.nan)
    with pytest.raises(SolveError, match="not finite"):
        hooked.form(x)
    with pytest.raises(SolveError, match="no nonlinear problem"):
        attach(object(), law)


def test_nonlinear_problem_of_dolfinx() -> None:
    """From DOLFINx 0.10 on this is SNES; in 0.9 the Newton solver above takes it."""
    from dolfinx.fem import petsc

    law, F, bcs, answer = own_problem()
    options = {"petsc_options_prefix": "hooked_", "petsc_options": {"snes_rtol": 1e-10, "ksp_type": "preonly", "pc_type": "lu"}}
    problem = attach(petsc.NonlinearProblem(F, law.u, bcs=bcs, J=derivative(F, law), **(options if NEWER else {})), law)
    if NEWER:
        problem.solve()
        assert problem.solver.getConvergedReason() > 0
        np.testing.assert_allclose(law.u.x.array, answer, atol=1e-10)
    else:
        assert problem.form.__qualname__.startswith("_attach_newton")


def test_dolfinx_external_operator() -> None:
    """Its own evaluation gives the same residual and Jacobian; where it is not installed the error says how to get it."""
    law, F, _, _ = own_problem()
    if importlib.util.find_spec("dolfinx_external_operator") is None:
        with pytest.raises(DependencyError, match="pip install dolfinx-external-operator"):
            external_operator(law)
        return
    from dolfinx_external_operator import evaluate_external_operators, evaluate_operands, replace_external_operators

    u, space = law.u, law.u.function_space
    v, du = ufl.TestFunction(space), ufl.TrialFunction(space)
    u.x.array[:] = 0.02 * np.random.default_rng(1).standard_normal(u.x.array.size)
    stress = external_operator(law)
    form = ufl.inner(stress, law.kinematics.variation(u, v)) * law.dx
    J = ufl.algorithms.expand_derivatives(ufl.derivative(form, u, du))
    (replaced, operators), (J_replaced, J_operators) = replace_external_operators(form), replace_external_operators(J)
    operands = evaluate_operands(operators)
    evaluate_external_operators(operators, operands)
    evaluate_external_operators(J_operators, operands)
    law.update()
    ours, theirs = fem.assemble_vector(fem.form(F)).array, fem.assemble_vector(fem.form(replaced)).array
    np.testing.assert_allclose(theirs, ours, atol=1e-10 * np.abs(ours).max())
    matrices = [fem.assemble_matrix(fem.form(a)).to_dense() for a in (J_replaced, law.jacobian(du, v))]
    np.testing.assert_allclose(matrices[0], matrices[1], atol=1e-10 * np.abs(matrices[1]).max())
