"""The law's own element matrix is the one that FFCx makes of the law's form, and is taken exactly where it is the whole Jacobian."""

import basix.ufl
import numpy as np
import pytest
import ufl
from dolfinx import fem, mesh
from dolfinx.fem import petsc
from fem_cases import COMM, HEX, TET, TURN, block, cell_tags, cubic, pulled
from test_fem import other_space

from constitutive import code_cache
from constitutive.fem import Problem, UserMaterial
from constitutive.fem.element_matrix import element_matrix_form, has_element_matrix

SPACES = {"Q1": (HEX, 1), "P1": (TET, 1), "Q2": (HEX, 2), "P2": (TET, 2)}


def curved() -> fem.FunctionSpace:
    """Tetrahedra with curved edges."""
    element = basix.ufl.element("Lagrange", "tetrahedron", 2, shape=(3,))
    flat = mesh.create_unit_cube(COMM, 1, 1, 1, TET)
    V = fem.functionspace(flat, element)
    x = fem.Function(V)
    x.interpolate(lambda y: y + 0.05 * np.sin(3 * y[[1, 2, 0]]))
    return fem.functionspace(mesh.create_mesh(COMM, cells=V.dofmap.list, x=x.x.array.reshape(-1, 3), e=element), ("Lagrange", 2, (3,)))


def space(name: str) -> fem.FunctionSpace:
    if name == "curved":
        return curved()
    return block(2, *SPACES[name]) if name in SPACES else other_space(name)


def law_on(V: fem.FunctionSpace, **options: object) -> UserMaterial:
    u = fem.Function(V)
    u.x.array[:] = 0.01 * np.random.default_rng(2).standard_normal(u.x.array.size)
    law = UserMaterial(u, cubic(), orientation=TURN, outside="warn", **options)
    law.update()
    return law


def difference(first: fem.Form, second: fem.Form) -> float:
    A, B = petsc.assemble_matrix(first), petsc.assemble_matrix(second)
    A.assemble()
    B.assemble()
    size = A.norm()
    A.axpy(-1.0, B)
    return A.norm() / size


def by_ffcx(law: UserMaterial) -> fem.Form:
    V = law.u.function_space
    return fem.form(law.jacobian(ufl.TrialFunction(V), ufl.TestFunction(V)))


@pytest.mark.parametrize(
    ("name", "strain"), [*((name, "finite") for name in (*SPACES, "curved", "prism1", "pyramid1", "tetrahedron3")), ("Q1", "small")]
)
def test_matrix_is_that_of_the_form(name: str, strain: str) -> None:
    law = law_on(space(name), strain=strain)
    own = element_matrix_form(law)
    assert own is not None
    assert difference(own, by_ffcx(law)) < 1e-13


def test_control_another_stress_is_seen() -> None:
    law = law_on(space("Q1"))
    own, native = element_matrix_form(law), by_ffcx(law)
    expected = petsc.assemble_matrix(native)
    expected.assemble()
    law.stress.x.array[:] *= 1.1
    found = petsc.assemble_matrix(own)
    found.assemble()
    found.axpy(-1.0, expected)
    assert found.norm() > 1e-6 * expected.norm()


def is_own(problem: Problem) -> bool:
    return hasattr(problem._jacobian, "kept")


def test_problems_take_it_where_the_law_is_the_whole_jacobian() -> None:
    V = space("Q1")
    u, v = fem.Function(V), ufl.TestFunction(V)
    law = UserMaterial(u, cubic(), orientation=TURN)
    weight = ufl.inner(ufl.as_vector([0.0, 0.0, -1.0]), v) * ufl.dx
    assert is_own(Problem(law.residual(v), law, bcs=pulled(V)))
    assert is_own(Problem(law.residual(v) - weight, law, bcs=pulled(V)))
    tags = cell_tags(V.mesh)
    parts = UserMaterial(u, {int(tag): cubic() for tag in np.unique(tags.values)}, cell_tags=tags)
    assert is_own(Problem(parts.residual(v), parts, bcs=pulled(V)))


def test_others_go_by_ffcx() -> None:
    V = space("Q1")
    u, v = fem.Function(V), ufl.TestFunction(V)
    law = UserMaterial(u, cubic(), orientation=TURN)
    foundation = ufl.inner(u, v) * ufl.ds
    for form in (law.residual(v) + foundation, 2 * law.residual(v), law.residual(v) + ufl.tr(ufl.grad(u)) * ufl.div(v) * ufl.dx):
        assert not is_own(Problem(form, law, bcs=pulled(V)))
    mine = law.jacobian(ufl.TrialFunction(V), v)
    assert not is_own(Problem(law.residual(v), law, bcs=pulled(V), jacobian=mine))
    old = fem.Function(V)
    middle = UserMaterial((u + old) / 2, cubic())
    assert not has_element_matrix(middle)
    plane = fem.Function(fem.functionspace(mesh.create_unit_square(COMM, 1, 1), ("Lagrange", 1, (2,))))
    assert not has_element_matrix(UserMaterial(plane, cubic(), plane="strain"))


def test_without_a_compiler_of_its_own_the_solution_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    def solution() -> tuple[np.ndarray, int]:
        V = space("Q1")
        u, v = fem.Function(V), ufl.TestFunction(V)
        law = UserMaterial(u, cubic(), orientation=TURN, kernel="torch")
        result = Problem(law.residual(v), law, bcs=pulled(V)).solve().require()
        return u.x.array.copy(), result.iterations

    def none(*_: object) -> None:
        raise code_cache.CompilerError("no compiler")

    own, iterations = solution()
    monkeypatch.setattr(code_cache, "load", none)
    other, same = solution()
    assert iterations == same
    np.testing.assert_allclose(own, other, atol=1e-13)
