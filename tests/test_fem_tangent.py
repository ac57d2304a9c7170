"""The Jacobian is the derivative of the form with respect to the stress too: factors, weights and displacement expressions."""

import functools

import basix.ufl
import numpy as np
import pytest
import ufl
from dolfinx import fem, mesh
from fem_cases import COMM, HEX, TURN, block, cubic, jacobian_error, pulled, pulled_problem
from hypothesis import given, settings
from hypothesis import strategies as st

from constitutive.errors import SolveError
from constitutive.fem import Problem, UserMaterial, derivative

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
