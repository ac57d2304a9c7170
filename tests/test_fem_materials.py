"""Materials and orientations of the finite elements: every way to give them, and what is refused."""

import warnings

import numpy as np
import pytest
import ufl
from dolfinx import fem, mesh
from fem_cases import (
    COMM,
    HEX,
    TET,
    TURN,
    block,
    cell_tags,
    cubic,
    isotropic,
    native_residual,
    pulled,
    square,
    stiffness_tensor,
)

from constitutive.errors import DataError, SolveError
from constitutive.fem import (
    Problem,
    UserMaterial,
    derivative,
    rotation_from_quaternion,
    solve,
)
from constitutive.fem.locking import LockingWarning

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


# ---- refused -----------------------------------------------------------------------------------------------------------


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
    with pytest.raises(SolveError, match="give plane"):
        UserMaterial(fem.Function(square()), cubic())


@pytest.mark.parametrize(
    ("options", "message"),
    [({"outside": "stop"}, "outside='raise'"), ({"stress_free": 1.01}, "stress_free_deformation=")],
)
def test_old_names_work_and_warn(options: dict, message: str) -> None:
    options = {"eigenstrain" if name == "stress_free" else name: value for name, value in options.items()}
    V = block(1, HEX, 1, COMM)
    with pytest.warns(DeprecationWarning, match=message):
        law = UserMaterial(fem.Function(V), cubic(), **options)
    if "eigenstrain" in options:
        new = UserMaterial(fem.Function(V), cubic(), stress_free_deformation=1.01)
        law.update()
        new.update()
        assert (law.stress.x.array == new.stress.x.array).all()
        with pytest.raises(SolveError, match="one of them"):
            UserMaterial(fem.Function(V), cubic(), stress_free_deformation=1.01, eigenstrain=1.01)
    else:
        assert law.outside == "raise"
        with pytest.warns(DeprecationWarning, match="kinematics"):
            assert law.measure is law.kinematics


# ---- laws on a part of the mesh ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("strain", ["finite", "small"])
def test_a_law_on_its_tags_and_the_users_own_form_on_the_others(strain: str) -> None:
    """The same as with a law on both parts; loads may be written with or without the tags."""
    V = block(2, HEX, 1, COMM)
    tags = cell_tags(V.mesh)
    v, joined, whole = ufl.TestFunction(V), fem.Function(V), fem.Function(V)
    law = UserMaterial(joined, {1: (cubic(), TURN)}, cell_tags=tags, strain=strain)
    native = native_residual(joined, v, stiffness_tensor(isotropic(), np.eye(3)), 2, finite=strain == "finite").integrals()[0]
    own = ufl.Form([native.reconstruct(subdomain_id=2, subdomain_data=tags)])
    load = 100.0 * v[2] * ufl.dx
    solve(law.residual(v) + own - load, law, bcs=pulled(V)).require()
    both = UserMaterial(whole, {1: (cubic(), TURN), 2: isotropic()}, cell_tags=tags, strain=strain)
    solve(both.residual(v) - load, both, bcs=pulled(V)).require()
    np.testing.assert_allclose(joined.x.array, whole.x.array, atol=1e-12)
    middle = mesh.compute_midpoints(V.mesh, 3, np.arange(8, dtype=np.int32))[:, 1]
    stress = law.field("mises_stress").x.array
    assert (stress[middle > 0.5] == 0).all()
    assert (stress[middle < 0.5] > 0).all()


def test_a_law_is_not_evaluated_where_it_does_not_hold() -> None:
    """Elements that are folded there are no fault of the law."""
    V = block(2, HEX, 1, COMM)
    u, tags = fem.Function(V), cell_tags(V.mesh)
    u.interpolate(lambda x: np.stack([0 * x[0], np.where(x[1] > 0.6, -3 * (x[1] - 0.5), 0), 0 * x[0]]))
    assert not UserMaterial(u, {1: cubic()}, cell_tags=tags).update()
    assert UserMaterial(u, {1: cubic(), 2: cubic()}, cell_tags=tags).update().inverted > 0


def test_cells_without_any_term_are_refused() -> None:
    """A forgotten material would leave a hole; so would a term on other cells, a load, or cells without a tag."""
    V = block(2, HEX, 1, COMM)
    u, v, tags = fem.Function(V), ufl.TestFunction(V), cell_tags(V.mesh)
    law = UserMaterial(u, {1: cubic()}, cell_tags=tags)
    dx = ufl.Measure("dx", V.mesh, subdomain_data=tags)
    soft = ufl.inner(ufl.grad(u), ufl.grad(v))
    for other in (0, v[2] * dx(2), soft * dx(1), soft * ufl.ds):
        form = law.residual(v) + other if other else law.residual(v)
        with pytest.raises(SolveError, match=r"no material for the cell tags \[2\] \(4 cells"):
            Problem(form, law, bcs=pulled(V))
        with pytest.raises(SolveError, match="add a term of your own"):
            derivative(form, law)
    Problem(law.residual(v) + soft * dx(2), law, bcs=pulled(V))
    Problem(law.residual(v) + 1e-6 * soft * ufl.dx, law, bcs=pulled(V))
    upper = UserMaterial(u, {2: cubic()}, cell_tags=tags)
    Problem(law.residual(v) + upper.residual(v), [law, upper], bcs=pulled(V))
    untagged = mesh.meshtags(V.mesh, 3, np.arange(3, dtype=np.int32), np.ones(3, dtype=np.int32))
    part = UserMaterial(u, {1: cubic()}, cell_tags=untagged)
    with pytest.raises(SolveError, match="no material for 5 cells, the first at"):
        Problem(part.residual(v), part, bcs=pulled(V))


# ---- locking -------------------------------------------------------------------------------------------------------------


def test_linear_elements_warn_where_they_lock() -> None:
    rubber = isotropic(1.0, 0.4999)
    with pytest.warns(LockingWarning, match="5000 times its shear modulus"):
        UserMaterial(fem.Function(block(1, HEX, 1, COMM)), rubber)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        UserMaterial(fem.Function(block(1, HEX, 2, COMM)), rubber)  # quadratic elements do not
        UserMaterial(fem.Function(square()), rubber, plane="stress")  # nor does plane stress, whose thickness is free
        UserMaterial(fem.Function(block(1, HEX, 1, COMM)), isotropic(1.0, 0.45))
