"""Mixed elements against volumetric locking: Cook's membrane, patch test, tangent, and what is refused."""

import functools

import numpy as np
import pytest
import ufl
from dolfinx import fem, mesh
from fem_cases import COMM, HEX, TET, TURN, at_node, cubic, facets_where, isotropic, jacobian_error, mapped

from constitutive.errors import SolveError
from constitutive.fem import Problem, UserMaterial, derivative, mixed_volume_space, volume_constraint
from constitutive.fem.locking import LockingWarning

TRIANGLE, QUAD = mesh.CellType.triangle, mesh.CellType.quadrilateral


def mixed(m: mesh.Mesh, crystal: object, degree: int | None = None, **options: object) -> tuple[fem.Function, UserMaterial, ufl.Form]:
    """Unknown, law and form of a mixed element."""
    W = mixed_volume_space(m, degree)
    w, v = fem.Function(W), ufl.TestFunction(W)
    u, p, d = ufl.split(w)
    law = UserMaterial(u, crystal, dilatation=d, **options)
    return w, law, law.residual(v) + volume_constraint(law, p, v)


@functools.cache
def cook(cell: mesh.CellType, n: int, *, element: str = "mixed", degree: int | None = None, strain: str = "finite") -> float:
    """Vertical displacement (mm) of the upper corner of Cook's membrane, ν = 0.4999, in plane strain."""
    solid = cell in (HEX, TET)
    m = mesh.create_box(COMM, [[0, 0, 0], [1, 1, 1]], [n, n, 1], cell) if solid else mesh.create_unit_square(COMM, n, n, cell)

    def place(x: np.ndarray) -> np.ndarray:
        power = 1.6 if element == "mixed" and degree != 1 else 1.0  # finer at the singular corner
        along, across = x[:, 0] ** power, 1 - (1 - x[:, 1]) ** power
        plan = np.column_stack([48 * along, 44 * along + across * (44 - 28 * along)])
        return np.column_stack([plan, 48 / n * x[:, 2]]) if solid else plan

    mapped(m, place)
    end = ufl.Measure("ds", m, subdomain_data=facets_where(m, {1: lambda x: np.isclose(x[0], 48)}))(1)
    options = {"strain": strain} | ({} if solid else {"plane": "strain"})
    if element == "mixed":
        w, law, form = mixed(m, isotropic(0.240565, 0.4999), degree, **options)
        V = w.function_space.sub(0)
        v = ufl.TestFunction(w.function_space)
    else:
        V = fem.functionspace(m, ("Lagrange", degree, (m.geometry.dim,)))
        w, v = fem.Function(V), ufl.TestFunction(V)
        law = UserMaterial(w, isotropic(0.240565, 0.4999), **options)
        form = law.residual(v)
    bcs = [held(V, k, m) for k in range(m.geometry.dim)]
    Problem(form - 100 / 16 * v[1] * end, law, u=w, bcs=bcs).solve(steps=1).require()
    shown = w.sub(0).collapse() if element == "mixed" else w
    return at_node(shown, (48.0, 60.0, 0.0) if solid else (48.0, 60.0), 1)


def held(V: fem.FunctionSpace, component: int, m: mesh.Mesh) -> fem.DirichletBC:
    """A component held at x = 0; the third everywhere (plane strain)."""
    sub, _ = V.sub(component).collapse()
    where = (lambda x: np.isfinite(x[0])) if component == 2 else (lambda x: np.isclose(x[0], 0))
    return fem.dirichletbc(fem.Function(sub), fem.locate_dofs_geometrical((V.sub(component), sub), where), V.sub(component))


CONVERGED = 6.65  # mm: triangles of degree 4, free of locking, 6.647 with 20 × 20 × 2 and 6.662 with 40 × 40 × 2


def test_the_converged_value_by_elements_of_degree_4() -> None:
    assert cook(TRIANGLE, 10, element="displacement", degree=4) == pytest.approx(CONVERGED, rel=0.01)


@pytest.mark.parametrize(("cell", "n", "degree"), [(QUAD, 10, 2), (TRIANGLE, 10, 2), (HEX, 10, 2), (TET, 7, 2)])
def test_cooks_membrane_within_two_percent(cell: mesh.CellType, n: int, degree: int) -> None:
    assert cook(cell, n, degree=degree) == pytest.approx(CONVERGED, rel=0.02)


def test_mean_dilatation_within_two_percent() -> None:
    """Q1/P0 with 16 elements along a side, at small strain; at finite strain a law linear in E resists tr E instead of J − 1."""
    converged = cook(QUAD, 16, degree=2, strain="small")
    assert cook(QUAD, 16, degree=1, strain="small") == pytest.approx(converged, rel=0.02)


@pytest.mark.parametrize(("cell", "directions"), [(QUAD, 2), (HEX, 3)])
def test_the_change_of_volume_is_spread_over_the_directions_in_which_it_is_free(cell: mesh.CellType, directions: int) -> None:
    """Small strain, against the same quadrilaterals in UFL: hexahedra in plane strain, with three directions, are a little stiffer."""
    found = {n: mean_dilatation_in_ufl(4, n) for n in (2, 3)}
    assert cook(cell, 4, degree=1, strain="small") == pytest.approx(found[directions], rel=1e-8)
    assert found[3] == pytest.approx(0.977 * found[2], rel=1e-3)


def mean_dilatation_in_ufl(n: int, directions: int) -> float:
    """Cook's membrane by Q1/P0 on quadrilaterals, the change of volume less its own spread over so many directions."""
    m = mesh.create_unit_square(COMM, n, n, QUAD)
    mapped(m, lambda x: np.column_stack([48 * x[:, 0], 44 * x[:, 0] + x[:, 1] * (44 - 28 * x[:, 0])]))
    W = mixed_volume_space(m, 1)
    (u, p, d), (v, q, e) = ufl.TrialFunctions(W), ufl.TestFunctions(W)
    young, poisson = 240.565, 0.4999
    shear, lame = young / 2 / (1 + poisson), young * poisson / (1 + poisson) / (1 - 2 * poisson)

    def strain(u: ufl.core.expr.Expr, d: ufl.core.expr.Expr) -> ufl.core.expr.Expr:
        part = (d - ufl.div(u)) / directions
        across = part if directions == 3 else 0.0
        plane = ufl.sym(ufl.grad(u)) + part * ufl.Identity(2)
        return ufl.as_matrix([[plane[0, 0], plane[0, 1], 0.0], [plane[1, 0], plane[1, 1], 0.0], [0.0, 0.0, across]])

    dx = ufl.dx(metadata={"quadrature_degree": 2})
    end = ufl.Measure("ds", m, subdomain_data=facets_where(m, {1: lambda x: np.isclose(x[0], 48)}))(1)
    form = (2 * shear * ufl.inner(strain(u, d), strain(v, e)) + lame * d * e + p * (ufl.div(v) - e) + q * (ufl.div(u) - d)) * dx
    w = fem.Function(W)
    bcs = [held(W.sub(0), k, m) for k in range(2)]
    Problem(ufl.action(form, w) - 100 / 16 * v[1] * end, u=w, bcs=bcs).solve().require()
    return at_node(w.sub(0).collapse(), (48.0, 60.0), 1)


def test_linear_elements_converge_and_control_without_a_volume_of_their_own_they_lock() -> None:
    errors = [1 - cook(QUAD, n, degree=1) / CONVERGED for n in (8, 16)]
    assert 0 < errors[1] < 0.2
    assert errors[0] > 1.7 * errors[1]
    with pytest.warns(LockingWarning, match="mixed_volume_space"):
        assert cook(QUAD, 16, element="displacement", degree=1) < 0.4 * CONVERGED


@pytest.mark.parametrize("strain", ["finite", "small"])
@pytest.mark.parametrize(("cell", "degree"), [(HEX, 1), (HEX, 2), (TET, 2), (QUAD, 1), (TRIANGLE, 2)])
def test_tangent_and_patch(cell: mesh.CellType, degree: int, strain: str) -> None:
    """The Jacobian is the form's derivative; an affine displacement of the boundary is that of the inside of a turned crystal."""
    solid = cell in (HEX, TET)
    m = mesh.create_box(COMM, [[0, 0, 0], [1, 1, 1]], [2, 2, 2], cell) if solid else mesh.create_unit_square(COMM, 2, 2, cell)
    options = {"orientation": TURN, "strain": strain} | ({} if solid else {"plane": "strain"})
    w, law, form = mixed(m, cubic(), degree, **options)
    jacobian = fem.form(derivative(form, law, w))
    assert jacobian_error(fem.form(form), jacobian, law, w) < 1e-7
    matrix = fem.assemble_matrix(jacobian).to_scipy()
    assert abs(matrix - matrix.T).max() < 1e-12 * abs(matrix).max()
    size = m.geometry.dim
    A = np.array([[0.04, 0.02, -0.01], [0.01, -0.03, 0.02], [0.0, 0.015, 0.02]])[:size, :size]
    V, _ = w.function_space.sub(0).collapse()
    exact = fem.Function(V)
    exact.interpolate(lambda x: A @ x[:size])
    m.topology.create_connectivity(size - 1, size)
    dofs = fem.locate_dofs_topological((w.function_space.sub(0), V), size - 1, mesh.exterior_facet_indices(m.topology))
    w.x.array[:] = 0.0
    Problem(form, law, u=w, bcs=[fem.dirichletbc(exact, dofs, w.function_space.sub(0))]).solve().require()
    np.testing.assert_allclose(w.sub(0).collapse().x.array, exact.x.array, atol=1e-12)
    volume = np.linalg.det(np.eye(size) + A) - 1 if strain == "finite" else np.trace(A)
    if degree == 1 or cell in (TET, TRIANGLE):  # point values
        np.testing.assert_allclose(w.sub(2).collapse().x.array, volume, atol=1e-12)
    plain = fem.Function(V)
    plain.x.array[:] = exact.x.array
    other = UserMaterial(plain, cubic(), **options)
    for name in ("cauchy_stress", "deformation_gradient"):
        np.testing.assert_allclose(law.field(name).x.array, other.field(name).x.array, atol=1e-8)


def test_what_does_not_fit_is_refused() -> None:
    m = mesh.create_unit_square(COMM, 1, 1)
    V = fem.functionspace(m, ("Lagrange", 1, (2,)))
    u, d = fem.Function(V), fem.Function(fem.functionspace(m, ("DG", 0)))
    with pytest.raises(SolveError, match="part of the mixed Function"):
        UserMaterial(u, cubic(), plane="strain", dilatation=d)
    W = mixed_volume_space(m)
    parts = ufl.split(fem.Function(W))
    with pytest.raises(SolveError, match="plane='stress'"):
        UserMaterial(parts[0], cubic(), plane="stress", dilatation=parts[2])
    with pytest.raises(SolveError, match="no dilatation of its own"):
        volume_constraint(UserMaterial(u, cubic(), plane="strain"), parts[1], ufl.TestFunction(W))
    with pytest.raises(SolveError, match="no mixed element of degree 1"):
        mixed_volume_space(m, 1)
    prisms = mesh.create_box(COMM, [[0, 0, 0], [1, 1, 1]], [1, 1, 1], mesh.CellType.prism)
    with pytest.raises(SolveError, match="prism"):
        mixed_volume_space(prisms)
    law = UserMaterial(parts[0], cubic(), plane="strain", dilatation=parts[2])
    with pytest.raises(SolveError, match=r"use law.residual"):
        law.jacobian(ufl.TrialFunction(W), ufl.TestFunction(W))
