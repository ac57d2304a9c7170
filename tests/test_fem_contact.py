"""Rigid obstacles: Hertz's line contact on isotropic and cubic half planes, tangents, moving obstacles."""

import numpy as np
import pytest
import ufl
from dolfinx import fem, mesh
from fem_cases import COMM, HEX, block, cubic, facets_where, isotropic, jacobian_error, mapped
from scipy.linalg import block_diag

from constitutive.errors import SolveError
from constitutive.fem import Cylinder, Plane, Problem, Sphere, UserMaterial, contact, contact_pressure, derivative, rotation_from_bunge

RADIUS = 20.0


def indented(crystal: object, R: np.ndarray, depth: float) -> tuple[float, float, float]:
    """Force per thickness, pressure at the middle and half width of contact of a cylinder pressed into half of a plane."""
    m = mesh.create_unit_square(COMM, 22, 16, mesh.CellType.quadrilateral)
    mapped(m, lambda x: np.column_stack([6 * x[:, 0] ** 2.2, -6 * (1 - x[:, 1]) ** 2.2]))
    V = fem.functionspace(m, ("Lagrange", 1, (2,)))
    u, v = fem.Function(V), ufl.TestFunction(V)
    law = UserMaterial(u, crystal, orientation=R, strain="small", plane="strain")
    top = ufl.Measure("ds", m, subdomain_data=facets_where(m, {1: lambda x: np.isclose(x[1], 0)}), metadata={"quadrature_degree": 6})(1)
    centre = fem.Constant(m, np.array([0.0, RADIUS]))
    roller = Sphere(centre, RADIUS)
    sub, _ = V.sub(0).collapse()
    bcs = [
        fem.dirichletbc(fem.Function(sub), fem.locate_dofs_geometrical((V.sub(0), sub), lambda x: np.isclose(x[0], 0)), V.sub(0)),
        fem.dirichletbc(np.zeros(2), fem.locate_dofs_geometrical(V, lambda x: np.isclose(x[1], -6)), V),
    ]
    problem = Problem(law.residual(v) + contact(u, v, roller, 2e7, top), law, bcs=bcs)

    def move(load: float) -> None:
        centre.value[1] = RADIUS - load * depth

    problem.solve(steps=2, ramp=move).require()
    pressure = contact_pressure(u, roller, 2e7)
    force = 2 * fem.assemble_scalar(fem.form(pressure * top))
    moment = 2 * fem.assemble_scalar(fem.form(pressure * ufl.SpatialCoordinate(m)[0] ** 2 * top))
    half = 2 * np.sqrt(moment / force)  # ∫ p x² = F a²/4 for Hertz's distribution
    return float(force), float(2 * force / (np.pi * half)), float(half)


def half_plane_modulus(crystal: object, R: np.ndarray) -> float:
    """E* by Lekhnitskii's roots of the reduced compliances of plane strain, 1/E* = ½ s₂₂ Im(−1/μ₁ − 1/μ₂), in MPa."""
    C = crystal.rotated(R).tangent_mandel(_zero())[0].detach().numpy() * 1e3
    S = np.linalg.inv(C)
    weights = block_diag(np.eye(3), np.sqrt(2) * np.eye(3))
    S = weights @ S @ weights
    reduced = S - np.outer(S[:, 2], S[2, :]) / S[2, 2]
    roots = np.roots([reduced[0, 0], 0, 2 * reduced[0, 1] + reduced[5, 5], 0, reduced[1, 1]])
    upper = roots[roots.imag > 1e-12] if (roots.imag > 1e-12).sum() == 2 else np.array([1j, 1j])
    return float(2 / (reduced[1, 1] * (-1 / upper).sum().imag))


def _zero() -> object:
    import torch

    return torch.zeros(1, 6, dtype=torch.float64)


@pytest.mark.parametrize("turn", [0.0, 45.0])
def test_hertz_on_a_cubic_half_plane(turn: float) -> None:
    """Half width √(4FR/πE*), E* along [100] and [110]; that of an isotropic body of the same C11 and C12 (control) does not fit."""
    copper, plain = cubic(168.4, 121.4, 75.4), cubic(168.4, 121.4, 23.5)
    R = rotation_from_bunge(np.array([turn, 0.0, 0.0]))
    force, _, half = indented(copper, R, 0.01)
    exact = np.sqrt(4 * force * RADIUS / (np.pi * half_plane_modulus(copper, R)))
    wrong = np.sqrt(4 * force * RADIUS / (np.pi * half_plane_modulus(plain, R)))
    assert half == pytest.approx(exact, rel=0.03)
    assert abs(half / wrong - 1) > 0.1


def test_hertz_on_an_isotropic_half_plane() -> None:
    steel, modulus = isotropic(210.0, 0.3), 210e3 / (1 - 0.3**2)
    assert half_plane_modulus(steel, np.eye(3)) == pytest.approx(modulus, rel=1e-6)
    force, middle, half = indented(steel, np.eye(3), 0.01)
    assert half == pytest.approx(np.sqrt(4 * force * RADIUS / (np.pi * modulus)), rel=0.03)
    assert middle == pytest.approx(np.sqrt(force * modulus / (np.pi * RADIUS)), rel=0.03)


@pytest.mark.parametrize(
    "obstacle", [Plane((0, 0, 0.8), (0.1, 0, -1)), Sphere((0.5, 0.5, 2.7), 2.0), Cylinder((0.5, 0, 2.7), (0, 2, 0), 2.0)]
)
def test_tangent_with_an_obstacle(obstacle: object) -> None:
    V = block(2, HEX, 1, COMM)
    u, v = fem.Function(V), ufl.TestFunction(V)
    law = UserMaterial(u, cubic())
    top = ufl.Measure("ds", V.mesh, subdomain_data=facets_where(V.mesh, {1: lambda x: np.isclose(x[2], 1)}))(1)
    form = law.residual(v) + contact(u, v, obstacle, 1e6, top)
    assert jacobian_error(fem.form(form), fem.form(derivative(form, law)), law, u) < 1e-6
    assert abs(fem.assemble_scalar(fem.form(contact_pressure(u, obstacle, 1e6) * top))) > 1


def test_what_is_no_obstacle_is_refused() -> None:
    u = fem.Function(block(1, HEX, 1, COMM))
    for penalty in (0.0, -1.0, np.nan):
        with pytest.raises(SolveError, match="penalty"):
            contact_pressure(u, Sphere((0, 0, 0), 1.0), penalty)
    with pytest.raises(SolveError, match="radius"):
        Sphere((0, 0, 0), -1.0)
    with pytest.raises(SolveError, match="radius"):
        Cylinder((0, 0, 0), (0, 0, 1), np.inf)
    with pytest.raises(SolveError, match="direction"):
        contact_pressure(u, Plane((0, 0, 0), (0, 0, 0)), 1.0)
