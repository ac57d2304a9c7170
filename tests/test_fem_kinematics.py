"""Strains in three dimensions and in the plane, rules of integration, and stress-free deformations."""

import fem_cases
import numpy as np
import pytest
import torch
import ufl
from dolfinx import fem, mesh
from fem_cases import (
    COMM,
    HEX,
    TET,
    TURN,
    affine,
    block,
    cubic,
    isotropic,
    native_residual,
    pulled,
    square,
    stiffness_tensor,
)
from test_fem import derivative_error

from constitutive.errors import SolveError
from constitutive.fem import (
    Problem,
    UserMaterial,
    axial_force,
    release_axial,
    solve,
)


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


@pytest.mark.parametrize("constant", [True, False])
def test_generalised_plane_strain_equals_a_block_in_3d(constant: bool) -> None:
    """Uniform in-plane gradient, shears with z and an axial stretch: the stress of the law at that deformation gradient."""
    V = square(1, 3)
    u = fem.Function(V)
    A = np.array([[0.02, 0.01], [0.0, -0.01], [0.03, 0.015]])
    affine(u, A)
    axial = fem.Constant(V.mesh, 0.02) if constant else 0.02
    law = UserMaterial(u, cubic(), orientation=TURN, plane="generalised_strain", axial_strain=axial, unit="GPa")
    law.update()
    F = np.eye(3)
    F[:, :2] += A
    F[2, 2] += 0.02
    P, _ = cubic().rotated(TURN)(F)
    np.testing.assert_allclose(law.field("first_piola_kirchhoff").x.array.reshape(-1, 3, 3)[0], P, rtol=1e-12, atol=1e-14)


def test_an_axial_stretch_that_no_law_would_see_is_refused() -> None:
    V = square()
    with pytest.raises(SolveError, match=r"axial_strain is Constant: give a number or a scalar dolfinx\.fem\.Constant"):
        UserMaterial(fem.Function(V), cubic(), plane="generalised_strain", axial_strain=fem.Constant(V.mesh, [0.01, 0.0]))


def test_a_bar_free_along_z_contracts_by_poissons_ratio() -> None:
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


# ---- stress-free deformation -------------------------------------------------------------------------------------------


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
    """A clamped crystal whose stress-free size is larger by 1 %: S = −J₀ F₀⁻¹ S_c(E_c) F₀⁻ᵀ; energies per reference volume."""
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
