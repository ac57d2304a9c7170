"""A law on a part of the mesh beside native UFL: plasticity, thermal expansion; two kinematics; submeshes."""

import basix.ufl
import numpy as np
import pytest
import ufl
from dolfinx import fem, mesh
from fem_cases import COMM, HEX, TURN, cubic, isotropic, jacobian_error

from constitutive.errors import SolveError
from constitutive.fem import Problem, UserMaterial, derivative
from constitutive.fem.compat import interpolation_points
from constitutive.fem.coverage import with_shared_tags

YOUNG, SOFT, YIELD, HARDENING = 200e3, 70e3, 100.0, 5e3  # MPa: of the law, of the metal, and of the metal's flow
HALF = 1.0


class Bar:
    """A bar of two halves in series: the law in one, another material in the other; pulled along x, held across."""

    def __init__(self, n: int = 1) -> None:
        self.mesh = mesh.create_box(COMM, [[0, 0, 0], [2 * HALF, 1, 1]], [4, n, n], HEX)
        cells = np.arange(4 * n * n, dtype=np.int32)
        right = mesh.compute_midpoints(self.mesh, 3, cells)[:, 0] > HALF
        self.tags = mesh.meshtags(self.mesh, 3, cells, np.where(right, 2, 1).astype(np.int32))
        self.V = fem.functionspace(self.mesh, ("Lagrange", 1, (3,)))
        self.u, self.v = fem.Function(self.V, name="u"), ufl.TestFunction(self.V)
        self.end = fem.Constant(self.mesh, 0.0)
        self.dx = ufl.Measure("dx", self.mesh, subdomain_data=self.tags, metadata={"quadrature_degree": 2, "quadrature_scheme": "default"})
        self.bcs = [self.held(0, lambda x: np.isclose(x[0], 0)), *(self.held(k, lambda x: np.isfinite(x[0])) for k in (1, 2))]
        sub, _ = self.V.sub(0).collapse()
        self.far = fem.Function(sub)
        dofs = fem.locate_dofs_geometrical((self.V.sub(0), sub), lambda x: np.isclose(x[0], 2 * HALF))
        self.bcs.append(fem.dirichletbc(self.far, dofs, self.V.sub(0)))

    def held(self, component: int, where: object) -> fem.DirichletBC:
        sub, _ = self.V.sub(component).collapse()
        dofs = fem.locate_dofs_geometrical((self.V.sub(component), sub), where)
        return fem.dirichletbc(fem.Function(sub), dofs, self.V.sub(component))

    def law(self, **options: object) -> UserMaterial:
        return UserMaterial(self.u, {1: isotropic(YOUNG / 1e3, 0.0)}, cell_tags=self.tags, **({"strain": "small"} | options))


class Flow:
    """J2 plasticity with linear hardening at small strain, the radial return in UFL, Poisson's ratio zero."""

    def __init__(self, bar: Bar) -> None:
        element = basix.ufl.quadrature_element("hexahedron", value_shape=(), scheme="default", degree=2)
        tensors = basix.ufl.quadrature_element("hexahedron", value_shape=(3, 3), scheme="default", degree=2)
        self.plastic = fem.Function(fem.functionspace(bar.mesh, tensors), name="plastic_strain")
        self.hardened = fem.Function(fem.functionspace(bar.mesh, element), name="hardening")
        trial = SOFT * (ufl.sym(ufl.grad(bar.u)) - self.plastic)
        deviator = ufl.dev(trial)
        q = ufl.sqrt(1.5 * ufl.inner(deviator, deviator) + 1e-12)
        flow = ufl.max_value(q - YIELD - HARDENING * self.hardened, 0.0) / (1.5 * SOFT + HARDENING)
        direction = 1.5 * deviator / q
        self.stress = trial - SOFT * flow * direction
        points = interpolation_points(self.hardened.function_space)
        self.new = [fem.Expression(self.plastic + flow * direction, points), fem.Expression(self.hardened + flow, points)]

    def accept(self) -> None:
        values = [fem.Function(part.function_space) for part in (self.plastic, self.hardened)]
        for value, new in zip(values, self.new, strict=True):
            value.interpolate(new)
        self.plastic.x.array[:], self.hardened.x.array[:] = (value.x.array for value in values)


def test_plasticity_beside_a_law() -> None:
    """Uniaxial strain in series: elastic, then plastic, then unloaded to its permanent length, then on.

    With σ_x = E (ε − λ), σ_y = E λ/2 the flow is λ = (E ε − σ₀)/(1.5 E + H).
    """
    bar = Bar()
    law, metal = bar.law(), Flow(bar)
    form = law.residual(bar.v) + ufl.inner(metal.stress, ufl.grad(bar.v)) * bar.dx(2)
    problem = Problem(form, law, bcs=bar.bcs)

    def pull(length: float) -> float:
        bar.far.x.array[:] = length
        problem.resume_at(0.0)
        problem.solve(on_step=lambda _: metal.accept()).require()
        return float(problem.reaction(bar.bcs[3])[0])

    compliance = HALF / YOUNG + HALF / SOFT
    assert pull(50.0 * compliance) == pytest.approx(50.0, rel=1e-8)
    flowing = SOFT * (1 - SOFT / (1.5 * SOFT + HARDENING))
    beyond = YIELD * compliance + 30.0 * (HALF / YOUNG + HALF / flowing)
    assert pull(beyond) == pytest.approx(YIELD + 30.0, rel=1e-6)
    assert problem.newton.snes.getIterationNumber() <= 6
    permanent = 30.0 * (HALF / flowing - HALF / SOFT)
    assert pull(permanent) == pytest.approx(0.0, abs=1e-4)
    assert pull(beyond + 20.0 * (HALF / YOUNG + HALF / flowing)) == pytest.approx(YIELD + 50.0, rel=1e-6)
    assert law.field("cauchy_stress").x.array.reshape(-1, 9)[bar.tags.find(2)].any() == np.False_


def test_tangent_while_the_metal_flows() -> None:
    """Differences of a form with flowing metal, a finite-strain law of any factor, and neither beyond the other's cells."""
    bar = Bar()
    metal = Flow(bar)
    law = bar.law(strain="finite", orientation=TURN)
    form = 1.3 * law.residual(bar.v) + ufl.inner(metal.stress, ufl.grad(bar.v)) * bar.dx(2)
    assert jacobian_error(fem.form(with_shared_tags(form)), fem.form(derivative(form, law)), law, bar.u) < 1e-6
    assert law.total_energy() > 0


def test_thermal_expansion_beside_a_law() -> None:
    """Two halves heated between walls: −ΔT Σ αL / Σ L/E; the law's own expansion by its stress-free stretch."""
    bar, heating = Bar(), 80.0
    stretch = fem.Constant(bar.mesh, 1.0)
    law = bar.law(stress_free_deformation=stretch)
    T = fem.Constant(bar.mesh, 0.0)
    strain = ufl.sym(ufl.grad(bar.u)) - 23e-6 * T * ufl.Identity(3)
    problem = Problem(law.residual(bar.v) + SOFT * ufl.inner(strain, ufl.grad(bar.v)) * bar.dx(2), law, bcs=bar.bcs)

    def heat(load: float) -> None:
        T.value, stretch.value = load * heating, 1 + 5e-6 * load * heating

    problem.solve(steps=2, ramp=heat).require()
    exact = -heating * (5e-6 + 23e-6) * HALF / (HALF / YOUNG + HALF / SOFT)
    assert problem.reaction(bar.bcs[3])[0] == pytest.approx(exact, rel=1e-8)


@pytest.mark.parametrize("first", ["finite", "small"])
def test_two_laws_of_different_kinematics(first: str) -> None:
    """A St Venant–Kirchhoff half and a half of small strain in series carry one force: E (1 + e)(e + e²/2) and E e."""
    bar = Bar()
    other = "small" if first == "finite" else "finite"
    left = UserMaterial(bar.u, {1: isotropic(YOUNG / 1e3, 0.0)}, cell_tags=bar.tags, strain=first)
    right = UserMaterial(bar.u, {2: isotropic(SOFT / 1e3, 0.0)}, cell_tags=bar.tags, strain=other)
    form = left.residual(bar.v) + right.residual(bar.v)
    bar.far.x.array[:] = 0.1
    problem = Problem(form, [left, right], bcs=bar.bcs)
    problem.solve().require()
    force = problem.reaction(bar.bcs[3])[0]
    along = bar.V.tabulate_dof_coordinates()[:, 0]
    ends = {k: float(bar.u.x.array.reshape(-1, 3)[np.isclose(along, k), 0].mean()) for k in (HALF, 2 * HALF)}
    for strain, modulus, e in ((first, YOUNG, ends[HALF]), (other, SOFT, ends[2 * HALF] - ends[HALF])):
        assert force == pytest.approx(modulus * (e if strain == "small" else (1 + e) * (e + e**2 / 2)), rel=1e-8)


def pulled(V: fem.FunctionSpace, end: float) -> list[fem.DirichletBC]:
    where = [fem.locate_dofs_geometrical(V, lambda x, at=at: np.isclose(x[0], at)) for at in (0.0, end)]
    return [fem.dirichletbc(np.zeros(3), where[0], V), fem.dirichletbc(np.array([0.05, 0.02, 0.0]), where[1], V)]


def test_a_law_on_a_submesh() -> None:
    """A body of its own on a submesh is solved as the same part of the whole mesh is."""
    bar = Bar(2)
    law = UserMaterial(bar.u, {1: (cubic(), TURN), 2: (cubic(), TURN)}, cell_tags=bar.tags)
    Problem(law.residual(bar.v), law, bcs=pulled(bar.V, 2 * HALF)).solve().require()
    part, cells, _, _ = mesh.create_submesh(bar.mesh, 3, bar.tags.find(2))
    V = fem.functionspace(part, ("Lagrange", 1, (3,)))
    w, test, given = fem.Function(V), ufl.TestFunction(V), fem.Function(V)
    given.interpolate(bar.u, cells0=np.asarray(cells, dtype=np.int32), cells1=np.arange(len(cells), dtype=np.int32))
    part.topology.create_connectivity(2, 3)
    ends = fem.locate_dofs_topological(V, 2, mesh.exterior_facet_indices(part.topology))
    own = UserMaterial(w, cubic(), orientation=TURN)
    Problem(own.residual(test), own, bcs=[fem.dirichletbc(given, ends)]).solve().require()
    assert own.total_energy() > 0
    whole = UserMaterial(bar.u, {2: (cubic(), TURN)}, cell_tags=bar.tags)
    np.testing.assert_allclose(w.x.array, given.x.array, atol=1e-9)
    assert own.total_energy() == pytest.approx(whole.total_energy(), rel=1e-9)


def test_a_law_and_an_unknown_on_different_meshes_are_refused() -> None:
    bar = Bar()
    part = mesh.create_submesh(bar.mesh, 3, bar.tags.find(2))[0]
    w = fem.Function(fem.functionspace(part, ("Lagrange", 1, (3,))))
    law = UserMaterial(w, cubic())
    with pytest.raises(SolveError, match="another mesh"):
        Problem(law.residual(bar.v), law, u=bar.u, bcs=bar.bcs)
    with pytest.raises(SolveError, match="another mesh"):
        derivative(law.residual(bar.v), law, bar.u)
