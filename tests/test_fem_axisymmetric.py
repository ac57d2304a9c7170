"""Bodies of revolution: Lamé's tube, torsion, a solve in 3D, tangents, and crystals that are not invariant about the axis."""

import numpy as np
import pytest
import ufl
from dolfinx import fem, mesh
from fem_axisymmetric_cases import twisted
from fem_cases import COMM, HEX, TURN, facets_where, isotropic, jacobian_error, mapped
from test_fem import on_ranks

from constitutive import Material
from constitutive.errors import SolveError
from constitutive.fem import Problem, UserMaterial, derivative, mixed_volume_space, modes, volume_constraint
from constitutive.laws import LinearLaw

QUAD = mesh.CellType.quadrilateral
INNER, OUTER, LENGTH = 1.0, 2.0, 0.5


def hexagonal(c11: float = 160.0, c12: float = 90.0, c13: float = 66.0, c33: float = 181.0, c44: float = 46.0) -> LinearLaw:
    """A law of five constants, those of titanium by default (GPa), six-fold axis along z."""
    C = np.diag([c11, c11, c33, c44, c44, (c11 - c12) / 2])
    C[0, 1] = C[1, 0] = c12
    C[:2, 2] = C[2, :2] = c13
    return LinearLaw.from_voigt(C, np.eye(3)[None])


def section(n: int = 8, components: int = 2, inner: float = INNER, degree: int = 1) -> fem.FunctionSpace:
    m = mesh.create_rectangle(COMM, [[inner, 0.0], [OUTER, LENGTH]], [n, 2], QUAD)
    return fem.functionspace(m, ("Lagrange", degree, (components,)))


def held(V: fem.FunctionSpace, component: int, axis: int, at: float, value: float = 0.0) -> fem.DirichletBC:
    sub, _ = V.sub(component).collapse()
    given = fem.Function(sub)
    given.x.array[:] = value
    dofs = fem.locate_dofs_geometrical((V.sub(component), sub), lambda x: np.isclose(x[axis], at))
    return fem.dirichletbc(given, dofs, V.sub(component))


@pytest.mark.parametrize("components", [2, 3])
@pytest.mark.parametrize("strain", ["finite", "small"])
def test_jacobians_are_derivatives(strain: str, components: int) -> None:
    V = section(2, components)
    u, v, du = fem.Function(V), ufl.TestFunction(V), ufl.TrialFunction(V)
    law = UserMaterial(u, hexagonal(), plane="axisymmetric", strain=strain)
    assert jacobian_error(fem.form(law.residual(v)), fem.form(law.jacobian(du, v)), law, u) < 1e-8


def tube(law: LinearLaw, pressure: float, n: int, *, ends: str) -> tuple[np.ndarray, np.ndarray, UserMaterial, Problem]:
    """Radii and radial displacements of a tube under inner pressure (MPa), its ends held or free to move apart."""
    V = section(n, degree=2)
    u, v = fem.Function(V), ufl.TestFunction(V)
    material = UserMaterial(u, law, plane="axisymmetric", strain="small")
    inside = ufl.Measure("ds", V.mesh, subdomain_data=facets_where(V.mesh, {1: lambda x: np.isclose(x[0], INNER)}))(1)
    load = 2 * np.pi * ufl.SpatialCoordinate(V.mesh)[0] * pressure * v[0] * inside
    bcs = [held(V, 1, 1, 0.0)] + ([held(V, 1, 1, LENGTH)] if ends == "held" else [])
    problem = Problem(material.residual(v) - load, material, bcs=bcs)
    problem.solve().require()
    x = V.tabulate_dof_coordinates()[:, 0]
    return x, u.x.array.reshape(-1, 2)[:, 0], material, problem


def lame(C: np.ndarray, pressure: float, *, ends: str) -> tuple[float, float, float]:
    """A, B and the axial strain of u_r = A r + B/r in a tube of a material isotropic about its axis (Voigt stiffness)."""
    c11, c12, c13, c33 = C[0, 0], C[0, 1], C[0, 2], C[2, 2]
    rows = [[c11 + c12, -(c11 - c12) / r**2, c13] for r in (INNER, OUTER)]
    rows.append([0.0, 0.0, 1.0] if ends == "held" else [2 * c13, 0.0, c33])
    return tuple(np.linalg.solve(rows, [-pressure, 0.0, 0.0]))


@pytest.mark.parametrize("ends", ["held", "free"])
@pytest.mark.parametrize("law", [isotropic(), hexagonal()], ids=["isotropic", "hexagonal"])
def test_a_tube_under_pressure(law: LinearLaw, ends: str) -> None:
    """Lamé's solution, u_r = A r + B/r, with the five constants of a hexagonal crystal; without the hoop strain (control) it is another."""
    C = 1e3 * _voigt(law)
    A, B, axial = lame(C, 100.0, ends=ends)
    r, u, material, problem = tube(law, 100.0, 8, ends=ends)
    np.testing.assert_allclose(u, A * r + B / r, rtol=1e-4)
    assert np.abs(u - A * r).max() > 0.1 * np.abs(u).max()
    stress = material.field("cauchy_stress", ("DG", 1))
    middle = stress.function_space.tabulate_dof_coordinates()[:, 0]
    hoop = stress.x.array.reshape(-1, 3, 3)[:, 2, 2]
    np.testing.assert_allclose(hoop, (C[0, 0] + C[0, 1]) * A + (C[0, 0] - C[0, 1]) * B / middle**2 + C[0, 2] * axial, rtol=0.02)
    along = problem.reaction(problem.bcs[0])[1]
    area = np.pi * (OUTER**2 - INNER**2)
    assert along == pytest.approx(-(2 * C[0, 2] * A + C[2, 2] * axial) * area, abs=1e-3 * C[0, 0] * abs(A) * area)
    work = 0.5 * 100.0 * 2 * np.pi * INNER * LENGTH * (A * INNER + B / INNER)
    assert material.total_energy() == pytest.approx(work, rel=1e-4)


def _voigt(law: LinearLaw) -> np.ndarray:
    C = law.stiffness.numpy().copy()
    C[3:, 3:] /= 2
    C[:3, 3:] /= np.sqrt(2)
    C[3:, :3] /= np.sqrt(2)
    return C


def test_torsion_of_a_rod() -> None:
    """Energy ½ C44 (π R⁴/2) φ² of a round rod twisted by φ over its length, exact in linear elements; at finite strain it also shortens."""
    V = section(4, 3, inner=0.0)
    u, v = fem.Function(V), ufl.TestFunction(V)
    twist = 0.01
    bcs = [held(V, 2, 1, 0.0), held(V, 1, 1, 0.0), held(V, 0, 0, 0.0), held(V, 2, 0, 0.0)]
    sub, _ = V.sub(2).collapse()
    given = fem.Function(sub)
    given.interpolate(lambda x: twist * x[0])
    bcs.append(fem.dirichletbc(given, fem.locate_dofs_geometrical((V.sub(2), sub), lambda x: np.isclose(x[1], LENGTH)), V.sub(2)))
    law = UserMaterial(u, hexagonal(), plane="axisymmetric", strain="small")
    Problem(law.residual(v), law, bcs=bcs).solve().require()
    exact = 0.5 * 46e3 * np.pi / 2 * OUTER**4 * twist**2 / LENGTH
    assert law.total_energy() == pytest.approx(exact, rel=1e-10)
    u.x.array[:] = 0
    finite = UserMaterial(u, hexagonal(), plane="axisymmetric")
    Problem(finite.residual(v), finite, bcs=bcs).solve().require()
    assert finite.total_energy() == pytest.approx(exact, rel=2e-3)
    rise = u.x.array.reshape(-1, 3)[np.isclose(V.tabulate_dof_coordinates()[:, 1], LENGTH), 1]
    assert np.abs(rise).max() > 1e-6


def barrel(law: LinearLaw, squeeze: float) -> tuple[float, float]:
    """Energy of a solid cylinder pressed between sticking plates, by its section and by a quarter of it in 3D (times 4)."""
    V = section(3, inner=0.0, degree=2)
    u, v = fem.Function(V), ufl.TestFunction(V)
    turned = UserMaterial(u, law, plane="axisymmetric")
    ends = [held(V, k, 1, at, value) for at in (0.0, LENGTH) for k, value in ((0, 0.0), (1, -squeeze if at else 0.0))]
    Problem(turned.residual(v), turned, bcs=[*ends, held(V, 0, 0, 0.0)]).solve(steps=2).require()

    m = mesh.create_box(COMM, [[0, 0, 0], [1, 1, 1]], [3, 8, 1], HEX)  # radius, angle, height
    r0 = 0.05  # a thin hole along the axis keeps the cells whole; its part of the volume is 6e-4

    def place(x: np.ndarray) -> np.ndarray:
        r, angle = r0 + (OUTER - r0) * x[:, 0], np.pi / 2 * x[:, 1]
        return np.column_stack([r * np.cos(angle), r * np.sin(angle), LENGTH * x[:, 2]])

    mapped(m, place)
    W = fem.functionspace(m, ("Lagrange", 2, (3,)))
    w, test = fem.Function(W), ufl.TestFunction(W)
    solid = UserMaterial(w, law)
    ends = [held(W, k, 2, at, value) for at in (0.0, LENGTH) for k, value in ((0, 0.0), (1, 0.0), (2, -squeeze if at else 0.0))]
    Problem(solid.residual(test), solid, bcs=[*ends, held(W, 0, 0, 0.0), held(W, 1, 1, 0.0)]).solve(steps=2).require()
    polygon = np.sin(np.pi / 16) / (np.pi / 16)  # area of 32 triangles over that of the circle
    return turned.total_energy(), 4 * solid.total_energy() / polygon


def test_a_barrel_as_in_three_dimensions() -> None:
    """A cylinder pressed by 10 % at finite strain."""
    section_energy, solid_energy = barrel(hexagonal(), 0.1 * LENGTH)
    assert section_energy == pytest.approx(solid_energy, rel=5e-3)


def test_nearly_incompressible_tube() -> None:
    """Lamé's solution at ν = 0.4999 with a volume of its own; the tangent is exact."""
    m = section(8).mesh
    W = mixed_volume_space(m)
    w, test = fem.Function(W), ufl.TestFunction(W)
    u, p, d = ufl.split(w)
    law = isotropic(0.3, 0.4999)
    soft = UserMaterial(u, law, plane="axisymmetric", dilatation=d, strain="small")
    bcs = [held(W.sub(0), 1, 1, at) for at in (0.0, LENGTH)]
    inside = ufl.Measure("ds", m, subdomain_data=facets_where(m, {1: lambda x: np.isclose(x[0], INNER)}))(1)
    load = 2 * np.pi * ufl.SpatialCoordinate(m)[0] * test[0] * inside
    Problem(soft.residual(test) + volume_constraint(soft, p, test) - load, soft, u=w, bcs=bcs).solve().require()
    A, B, _ = lame(1e3 * _voigt(law), 1.0, ends="held")
    found = w.sub(0).collapse()
    r = found.function_space.tabulate_dof_coordinates()[:, 0]
    np.testing.assert_allclose(found.x.array.reshape(-1, 2)[:, 0], A * r + B / r, rtol=0.01)
    finite = UserMaterial(u, law, plane="axisymmetric", dilatation=d)
    form = finite.residual(test) + volume_constraint(finite, p, test)
    assert jacobian_error(fem.form(form), fem.form(derivative(form, finite, w)), finite, w) < 1e-7


def test_mass_thermal_expansion_and_modes() -> None:
    """Volume of revolution; a heated free tube has no stress; its lowest mode moves it along the axis, at no frequency."""
    V = section(4)
    u, v = fem.Function(V), ufl.TestFunction(V)
    silver = Material.from_constants("6/mmm", {"C11": 160.0, "C12": 90.0, "C13": 66.0, "C33": 181.0, "C44": 46.0})
    free = np.diag([1.002, 1.002, 1.005])  # across and along the six-fold axis
    law = UserMaterial(u, silver, plane="axisymmetric", stress_free_deformation=free)
    problem = Problem(law.residual(v), law, bcs=[held(V, 1, 1, 0.0)])
    problem.solve().require()
    x = V.tabulate_dof_coordinates()
    np.testing.assert_allclose(u.x.array.reshape(-1, 2), np.column_stack([0.002 * x[:, 0], 0.005 * x[:, 1]]), atol=1e-9)
    assert np.abs(law.field("cauchy_stress").x.array).max() < 1e-4
    ring = UserMaterial(u, isotropic(210.0, 0.0), plane="axisymmetric", strain="small")
    u.x.array[:] = 0
    breathing = modes(Problem(ring.residual(v), ring, bcs=[held(V, 1, 1, 0.0)]), 1, density=7800.0, length_unit="m")
    speed = np.sqrt(210e9 / 7800)
    assert breathing.frequencies[0] == pytest.approx(speed / (2 * np.pi * 1.4), rel=0.1)  # a ring of mean radius 1.5 breathes at c/R


def test_equal_on_two_ranks() -> None:
    several = on_ranks(2, "twisted", script="fem_axisymmetric_cases.py")["numbers"]
    np.testing.assert_allclose(several, twisted(COMM)["numbers"], rtol=1e-10, atol=1e-9)


def test_what_is_not_invariant_is_refused() -> None:
    V = section(2)
    u = fem.Function(V)
    for name in ("copper", "magnesium"):
        material = Material.load(f"materials/{name}")
        with pytest.raises(SolveError, match=r"stresses differ by .* %"):
            UserMaterial(u, material, plane="axisymmetric")
    magnesium = LinearLaw.from_voigt(Material.load("materials/magnesium").stiffness_voigt(), np.eye(3)[None])
    UserMaterial(u, magnesium, plane="axisymmetric")
    UserMaterial(u, magnesium, plane="axisymmetric", orientation=_about_z(0.3))
    with pytest.raises(SolveError, match="not invariant about its axis"):
        UserMaterial(u, magnesium, plane="axisymmetric", orientation=TURN)
    UserMaterial(u, isotropic(), plane="axisymmetric", orientation=TURN)
    with pytest.raises(SolveError, match="stress-free deformation is not invariant"):
        UserMaterial(u, isotropic(), plane="axisymmetric", stress_free_deformation=np.diag([1.01, 1.0, 1.0]))
    turning = fem.Constant(V.mesh, np.eye(3))
    with pytest.raises(SolveError, match="may cease"):
        UserMaterial(u, isotropic(), plane="axisymmetric", orientation=turning)
    left = mesh.create_rectangle(COMM, [[-1.0, 0.0], [1.0, 1.0]], [2, 2], QUAD)
    with pytest.raises(SolveError, match="x ≥ 0"):
        UserMaterial(fem.Function(fem.functionspace(left, ("Lagrange", 1, (2,)))), isotropic(), plane="axisymmetric")
    T = fem.Function(fem.functionspace(V.mesh, ("Lagrange", 1)))
    with pytest.raises(SolveError, match="laws of strain alone"):
        UserMaterial(u, isotropic(), T=T, plane="axisymmetric")


def _about_z(angle: float) -> np.ndarray:
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])
