"""The Jacobian is the derivative of the form with respect to the stress too: factors, weights and displacement expressions."""

import functools

import basix.ufl
import numpy as np
import pytest
import ufl
from dolfinx import fem, mesh
from fem_cases import COMM, HEX, TURN, block, cell_tags, cubic, jacobian_error, pulled, pulled_problem
from hypothesis import given, settings
from hypothesis import strategies as st

from constitutive.errors import SolveError
from constitutive.fem import Problem, UserMaterial, derivative
from constitutive.fem.coverage import with_shared_tags

PLAIN, MIDDLE, MIXED, LIVING = "factor", "displacement in the middle of a step", "part of a mixed function", "factor with the unknown"


@functools.cache
def form_of(kind: str, strain: str) -> tuple[ufl.Form, UserMaterial, fem.Function, fem.Constant, fem.Constant]:
    """A form of a kind, its law, its unknown, and the Constants c (in front) and a (weight of the unknown)."""
    domain = mesh.create_unit_square(COMM, 2, 2)
    c, a = fem.Constant(domain, 1.0), fem.Constant(domain, 1.0)
    options = {"orientation": TURN, "plane": "strain", "strain": strain, "unit": "GPa"}
    vector = basix.ufl.element("Lagrange", "triangle", 1, shape=(2,))
    if kind == MIXED:
        V = fem.functionspace(domain, basix.ufl.mixed_element([vector, basix.ufl.element("Lagrange", "triangle", 1)]))
        w = fem.Function(V)
        (u, p), (v, q) = ufl.split(w), ufl.TestFunctions(V)
        law = UserMaterial(a * u, cubic(), **options)
        return c * law.residual(v) + p * ufl.div(v) * ufl.dx + (p - ufl.div(u)) * q * ufl.dx, law, w, c, a
    V = fem.functionspace(domain, vector)
    u, old, v = fem.Function(V), fem.Function(V), ufl.TestFunction(V)
    old.x.array[:] = 0.02 * np.random.default_rng(5).standard_normal(old.x.array.size)
    law = UserMaterial((1 - a) * old + a * u if kind == MIDDLE else u, cubic(), **options)
    work = c * law.residual(v)
    if kind == LIVING:
        work = c * (1 + ufl.inner(u, u)) * ufl.inner(law.stress, law.kinematics.variation(u, v)) * law.dx
    return work - ufl.inner(ufl.as_vector([1.0, 2.0]), v) * ufl.dx, law, u, c, a


@functools.cache
def compiled(kind: str, strain: str) -> tuple[fem.Form, fem.Form]:
    form, law, u, _, _ = form_of(kind, strain)
    return fem.form(form), fem.form(derivative(form, law, u))


def error(kind: str, strain: str, c: float, a: float, jacobian: fem.Form | None = None) -> float:
    """Relative difference between the Jacobian along a direction and central differences of the form."""
    _, law, u, front, weight = form_of(kind, strain)
    residual, J = compiled(kind, strain)
    front.value, weight.value = c, a
    return jacobian_error(residual, jacobian or J, law, u)


factors = st.floats(0.01, 100).flatmap(lambda size: st.sampled_from([size, -size]))


@pytest.mark.parametrize("strain", ["finite", "small"])
@pytest.mark.parametrize("kind", [PLAIN, MIDDLE, MIXED, LIVING])
@settings(max_examples=12, deadline=None)
@given(c=factors, a=st.floats(0.1, 1.0))
def test_jacobian_is_the_derivative_of_the_form(kind: str, strain: str, c: float, a: float) -> None:
    assert error(kind, strain, c, a) < 1e-7


def test_control_a_tangent_without_the_factor_is_seen() -> None:
    form, law, u, _, _ = form_of(PLAIN, "finite")
    du, v = ufl.TrialFunction(u.function_space), form.arguments()[0]
    old = fem.form(ufl.derivative(form, u, du) + law.material_jacobian(du, v))
    assert error(PLAIN, "finite", 1.0, 1.0, old) < 1e-7
    assert error(PLAIN, "finite", -1.0, 1.0, old) > 0.1
    assert error(PLAIN, "finite", 0.1, 1.0, old) > 0.1


def test_problems_solve_scaled_forms_in_the_same_iterations() -> None:
    plain = pulled_problem()
    expected = plain.solve().require()
    for factor in (-1.0, 0.1):
        problem = pulled_problem()
        law, v = problem.laws[0], ufl.TestFunction(problem.u.function_space)
        found = Problem(factor * law.residual(v), law, bcs=problem.bcs).solve().require()
        assert found.iterations == expected.iterations
        np.testing.assert_allclose(problem.u.x.array, plain.u.x.array, atol=1e-12)


def test_a_step_in_the_middle_converges_at_once_for_a_linear_body() -> None:
    V = block(1, HEX, 1, COMM)
    old, new, v = fem.Function(V), fem.Function(V), ufl.TestFunction(V)
    law = UserMaterial(0.5 * old + 0.5 * new, cubic(), strain="small")
    form = 1e-3 * ufl.inner(new - old, v) * ufl.dx + 0.5 * law.residual(v) - ufl.inner(ufl.as_vector([0, 0, 1.0]), v) * ufl.dx
    assert Problem(form, law, u=new, bcs=pulled(V)[:1]).solve().require().iterations == 1
    with pytest.raises(SolveError, match="pass u="):
        derivative(form, law)
    with pytest.raises(SolveError, match="pass u="):
        Problem(form, law)


# ---- parts of a mesh ---------------------------------------------------------------------------------------------------


@functools.cache
def joined(law_on_the_rest: bool) -> tuple[ufl.Form, list[UserMaterial], fem.Function, list[fem.Constant]]:
    """A law in front of c at (1 − a) old + a u on half of a square; on the rest a native rubber, or a second law of small strain at u."""
    domain = mesh.create_unit_square(COMM, 2, 2)
    count = domain.topology.index_map(2).size_local
    cells = np.arange(count, dtype=np.int32)
    tags = mesh.meshtags(domain, 2, cells, (1 + (mesh.compute_midpoints(domain, 2, cells)[:, 1] > 0.5)).astype(np.int32))
    V = fem.functionspace(domain, ("Lagrange", 1, (2,)))
    u, old, v = fem.Function(V), fem.Function(V), ufl.TestFunction(V)
    old.x.array[:] = 0.02 * np.random.default_rng(5).standard_normal(old.x.array.size)
    c, d, a = (fem.Constant(domain, 1.0) for _ in range(3))
    laws = [UserMaterial((1 - a) * old + a * u, {1: cubic()}, cell_tags=tags, orientation=TURN, plane="strain", unit="GPa")]
    form = c * laws[0].residual(v)
    if law_on_the_rest:
        laws.append(UserMaterial(u, {2: cubic(80.0, 30.0, 20.0)}, cell_tags=tags, plane="strain", strain="small", unit="GPa"))
        form += d * laws[1].residual(v)
    else:
        F = ufl.variable(ufl.Identity(2) + ufl.grad(u))
        rubber = ufl.diff(20 * (ufl.tr(F.T * F) - 2) - 40 * ufl.ln(ufl.det(F)) + 30 * ufl.ln(ufl.det(F)) ** 2, F)
        form += d * ufl.inner(rubber, ufl.grad(v)) * ufl.Measure("dx", domain, subdomain_data=tags)(2)
    return form, laws, u, [c, d, a]


@functools.cache
def compiled_joined(law_on_the_rest: bool) -> tuple[fem.Form, fem.Form]:
    form, laws, u, _ = joined(law_on_the_rest)
    return fem.form(with_shared_tags(form)), fem.form(derivative(form, laws, u))


@pytest.mark.parametrize("law_on_the_rest", [False, True])
@settings(max_examples=12, deadline=None)
@given(c=factors, d=factors, a=st.floats(0.1, 1.0))
def test_jacobian_of_a_law_on_a_part_beside_a_native_form_or_another_law(law_on_the_rest: bool, c: float, d: float, a: float) -> None:
    _, laws, u, constants = joined(law_on_the_rest)
    for constant, value in zip(constants, (c, d, a), strict=True):
        constant.value = value
    assert jacobian_error(*compiled_joined(law_on_the_rest), laws, u) < 1e-7


def test_control_a_jacobian_without_the_second_law_is_seen() -> None:
    form, laws, u, constants = joined(True)
    for constant in constants:
        constant.value = 1.0
    one = fem.form(derivative(form, laws, u) - with_shared_tags(laws[1].jacobian(ufl.TrialFunction(u.function_space), form.arguments()[0])))
    assert jacobian_error(compiled_joined(True)[0], one, laws, u) > 0.01


def test_two_kinematics_in_one_body_converge_quadratically() -> None:
    """The tangent is exact where a law of finite strain and one of small strain share the nodes of an interface."""
    V = block(2, HEX, 1, COMM)
    u, v, tags = fem.Function(V), ufl.TestFunction(V), cell_tags(V.mesh)
    laws = [
        UserMaterial(u, {1: cubic()}, cell_tags=tags, orientation=TURN),
        UserMaterial(u, {2: cubic(80.0, 30.0, 20.0)}, cell_tags=tags, strain="small"),
    ]
    result = Problem(sum((law.residual(v) for law in laws[1:]), laws[0].residual(v)), laws, bcs=pulled(V)).solve().require()
    norms = np.array(result.steps[0].norms)
    drops = np.log(norms[2:] / norms[0]) / np.log(norms[1:-1] / norms[0])
    assert drops[norms[2:] > 1e-12 * norms[0]].min() > 1.5
