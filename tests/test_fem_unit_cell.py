"""Periodic cells: laminates and checkerboards in closed form, consistent tangents, given stresses, symmetry of the effective law."""

import numpy as np
import pytest
import torch
from dolfinx import mesh
from fem_cases import COMM, HEX, TURN, cubic
from fem_unit_cell_cases import STRETCHED, deformed, grains, tagged
from test_fem import on_ranks

from constitutive.errors import SolveError
from constitutive.fem import UnitCell
from constitutive.intake import check

STIFF, SOFT = (250.0, 90.0, 80.0), (60.0, 30.0, 15.0)  # C11, C12, C44 of isotropic phases (GPa)


def test_one_crystal_is_its_own_effective_law() -> None:
    cell = UnitCell(mesh.create_box(COMM, [[0, 0, 0], [2, 1, 1.5]], [2, 1, 2], HEX), cubic(), orientation=TURN, unit="GPa")
    state = cell.solve(STRETCHED)
    P, A = cubic().rotated(TURN)(STRETCHED)
    np.testing.assert_allclose(state.P, P, atol=1e-10)
    np.testing.assert_allclose(state.tangent, A, atol=1e-9)
    E = (STRETCHED.T @ STRETCHED - np.eye(3)) / 2
    Ec = TURN.T @ E @ TURN
    mandel = np.array([*Ec.diagonal(), *(np.sqrt(2) * Ec[i, j] for i, j in ((1, 2), (0, 2), (0, 1)))])
    assert state.energy == pytest.approx(float(cubic().energy_mandel(torch.from_numpy(mandel)[None])[0]))
    assert np.abs(cell.fluctuation.x.array).max() < 1e-12


def test_laminate_in_closed_form() -> None:
    """Layers across x (Backus, J. Geophys. Res. 67 (1962) 4427), a quarter of the volume stiff."""
    m, tags = tagged((4, 1, 1), lambda x: x[0] > 0.75)
    A = UnitCell(m, {1: cubic(*SOFT), 2: cubic(*STIFF)}, cell_tags=tags, unit="GPa", strain="small").solve(np.eye(3)).tangent

    def mean(values: object) -> float:
        return 0.75 * values(*SOFT) + 0.25 * values(*STIFF)

    across = 1 / mean(lambda a, b, c: 1 / a)
    ratio = mean(lambda a, b, c: b / a)
    np.testing.assert_allclose(A[0, 0, 0, 0], across, rtol=1e-10)
    np.testing.assert_allclose(A[0, 0, 1, 1], ratio * across, rtol=1e-10)
    np.testing.assert_allclose(A[1, 1, 1, 1], mean(lambda a, b, c: a - b * b / a) + ratio**2 * across, rtol=1e-10)
    np.testing.assert_allclose(A[1, 1, 2, 2], mean(lambda a, b, c: b - b * b / a) + ratio**2 * across, rtol=1e-10)
    np.testing.assert_allclose(A[0, 1, 0, 1], 1 / mean(lambda a, b, c: 1 / c), rtol=1e-10)
    np.testing.assert_allclose(A[1, 2, 1, 2], mean(lambda a, b, c: c), rtol=1e-10)
    assert abs(A[0, 1, 0, 1] - A[1, 2, 1, 2]) > 5  # control: it is not isotropic


def test_checkerboard_in_shear_along_its_columns() -> None:
    """√(G₁G₂) (Dykhne, Sov. Phys. JETP 32 (1971) 63), from above; the error falls with the mesh, slowly, by the singular corners."""
    errors = []
    for n in (4, 8):
        m, tags = tagged((n, n, 1), lambda x: (x[0] > 0.5) != (x[1] > 0.5))
        cell = UnitCell(m, {1: cubic(*SOFT), 2: cubic(*STIFF)}, cell_tags=tags, unit="GPa", strain="small", degree=2)
        A = cell.solve(np.eye(3)).tangent
        assert A[0, 2, 0, 2] == pytest.approx(A[1, 2, 1, 2], rel=1e-9)
        errors.append(A[0, 2, 0, 2] / np.sqrt(SOFT[2] * STIFF[2]) - 1)
    assert 0 < errors[1] < 0.05
    assert errors[1] < 0.8 * errors[0]


def test_stress_and_tangent_are_derivatives() -> None:
    """Central differences of energy and stress at finite strain; the mean of the phases' tangents (Voigt) is another one."""
    cell, step = grains(COMM), 1e-5
    state = cell.solve(STRETCHED)
    rng = np.random.default_rng(2)
    direction = rng.standard_normal((3, 3))
    ends = [cell.solve(STRETCHED + sign * step * direction) for sign in (1, -1)]
    slope = (ends[0].P - ends[1].P) / (2 * step)
    exact = np.einsum("ijkl,kl->ij", state.tangent, direction)
    assert np.linalg.norm(slope - exact) < 1e-6 * np.linalg.norm(slope)
    assert (ends[0].energy - ends[1].energy) / (2 * step) == pytest.approx(float((state.P * direction).sum()), rel=1e-6)
    matrix = state.tangent.reshape(9, 9)
    np.testing.assert_allclose(matrix, matrix.T, atol=1e-9 * np.abs(matrix).max())
    assert np.abs(cell.fluctuation.x.array).max() > 1e-4


def test_given_stresses() -> None:
    """Uniaxial stress along x: Young's modulus of a crystal at small strain; at finite strain the free stresses vanish."""
    cell = UnitCell(mesh.create_box(COMM, [[0, 0, 0], [1, 1, 1]], [1, 1, 1], HEX), cubic(), unit="GPa", strain="small")
    free = np.array([[1.001, 0.0, 0.0], [0.0, np.nan, 0.0], [0.0, 0.0, np.nan]])
    young = 153.4 - 2 * 56.9**2 / (153.4 + 56.9)
    assert cell.solve(free).P[0, 0] == pytest.approx(1e-3 * young)
    polycrystal = grains(COMM)
    F = np.array([[1.03, np.nan, np.nan], [0.0, np.nan, np.nan], [0.0, 0.0, np.nan]])
    P = np.array([[0.0, 0.0, 0.0], [0.0, 0.2, 0.0], [0.0, 0.0, 0.0]])
    state = polycrystal.solve(F, P)
    free = np.isnan(F)
    np.testing.assert_allclose(state.P[free], P[free], atol=1e-5)
    assert state.F[0, 0] == 1.03
    assert state.P[0, 0] > 1


def test_equal_on_two_ranks() -> None:
    np.testing.assert_allclose(
        on_ranks(2, "deformed", script="fem_unit_cell_cases.py")["numbers"], deformed(COMM)["numbers"], rtol=1e-8, atol=1e-9
    )


def test_check_finds_the_symmetry_of_a_composite() -> None:
    """A cube of one phase in each cube of the other: m-3m, though neither the phases nor the mesh are told of it; a rod: 4/mmm."""
    rng = np.random.default_rng(7)
    strains = 0.03 * rng.uniform(-1, 1, (24, 3, 3))
    F = np.eye(3) + (strains + strains.transpose(0, 2, 1)) / 2
    groups = []
    for mark in (lambda x: np.abs(x - 0.5).max(axis=0) < 0.25, lambda x: np.abs(x[:2] - 0.5).max(axis=0) < 0.25):
        m, tags = tagged((4, 4, 4), mark)
        cell = UnitCell(m, {1: cubic(*SOFT), 2: cubic(*STIFF)}, cell_tags=tags, unit="MPa")
        data = cell.sample(F)
        assert len(data) == 24
        assert 0.01 < np.abs(data.first_piola_kirchhoff).max() < 10  # GPa
        groups.append(check(data).largest_group)
    assert groups == ["m-3m", "4/mmm"]


def test_what_is_no_cell_is_refused() -> None:
    with pytest.raises(SolveError, match="three dimensions"):
        UnitCell(mesh.create_unit_square(COMM, 1, 1), cubic())
    m = mesh.create_box(COMM, [[0, 0, 0], [1, 1, 1]], [1, 1, 1], HEX)
    with pytest.raises(SolveError, match="beyond its periods"):
        UnitCell(m, cubic(), vectors=np.diag([0.5, 1.0, 1.0]))
    crooked = mesh.create_box(COMM, [[0, 0, 0], [1, 1, 1]], [2, 2, 2], HEX)
    x = crooked.geometry.x
    x[(np.abs(x[:, 0] - 1) < 1e-9) & (np.abs(x[:, 1] - 0.5) < 1e-9) & (np.abs(x[:, 2] - 0.5) < 1e-9), 1] += 0.1
    with pytest.raises(SolveError, match="no partner"):
        UnitCell(crooked, cubic())
    cell = UnitCell(m, cubic())
    with pytest.raises(SolveError, match="rotation"):
        cell.solve(np.full((3, 3), np.nan))
    with pytest.raises(SolveError, match="finite stress"):
        cell.solve(np.diag([np.nan, 1.0, 1.0]), np.full((3, 3), np.nan))
    with pytest.raises(SolveError, match="shape"):
        cell.solve(np.ones(3))
