"""Stress and strain measures: round trips, objectivity, derivatives against finite differences."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from constitutive import kinematics


def random_state(seed: int, n: int = 7) -> tuple[np.ndarray, np.ndarray]:
    """Deformation gradients with det F > 0 and symmetric stresses."""
    rng = np.random.default_rng(seed)
    F = np.eye(3) + 0.2 * rng.uniform(-1, 1, (n, 3, 3))
    S = rng.normal(size=(n, 3, 3))
    return F, S + S.swapaxes(-1, -2)


@given(st.integers(0, 10**6))
def test_determinant_matches_numpy_and_torch(seed: int) -> None:
    F, _ = random_state(seed)
    np.testing.assert_allclose(kinematics.determinant(F), np.linalg.det(F), rtol=1e-12)
    np.testing.assert_allclose(kinematics.determinant(torch.tensor(F)).numpy(), np.linalg.det(F), rtol=1e-12)


@given(st.integers(0, 10**6))
def test_stress_measures_round_trip(seed: int) -> None:
    F, S = random_state(seed)
    sigma = kinematics.cauchy_from_second_piola(F, S)
    P = kinematics.first_from_second_piola(F, S)
    np.testing.assert_allclose(kinematics.second_piola_from_cauchy(F, sigma), S, atol=1e-11)
    np.testing.assert_allclose(kinematics.second_from_first_piola(F, P), S, atol=1e-11)
    np.testing.assert_allclose(kinematics.first_piola_from_cauchy(F, sigma), P, atol=1e-11)
    np.testing.assert_allclose(kinematics.cauchy_from_first_piola(F, P), sigma, atol=1e-11)
    tau = sigma * np.linalg.det(F)[:, None, None]
    np.testing.assert_allclose(kinematics.second_piola_from_kirchhoff(F, tau), S, atol=1e-11)


def test_torch_and_numpy_agree() -> None:
    F, S = random_state(3)
    for function in (kinematics.cauchy_from_second_piola, kinematics.second_piola_from_cauchy, kinematics.first_piola_from_cauchy):
        np.testing.assert_allclose(function(torch.tensor(F), torch.tensor(S)).numpy(), function(F, S), atol=1e-13)


@given(st.integers(0, 10**6))
def test_strain_ignores_a_superposed_rotation(seed: int) -> None:
    F, _ = random_state(seed)
    Q = Rotation.random(random_state=seed).as_matrix()
    np.testing.assert_allclose(kinematics.green_lagrange_strain(Q @ F), kinematics.green_lagrange_strain(F), atol=1e-14)
    # control: a rotation of the reference does change the strain
    assert np.abs(kinematics.green_lagrange_strain(F @ Q) - kinematics.green_lagrange_strain(F)).max() > 1e-3


def test_small_strain_is_the_limit_of_green_lagrange() -> None:
    rng = np.random.default_rng(0)
    H = rng.normal(size=(3, 3))
    for h in (1e-3, 1e-4):
        F = np.eye(3) + h * H
        difference = kinematics.green_lagrange_strain(F) - kinematics.infinitesimal_strain(F)
        np.testing.assert_allclose(difference, h**2 * H.T @ H / 2, atol=1e-15)


@pytest.mark.parametrize("n", [1, 7])
def test_first_elasticity_against_finite_differences(n: int) -> None:
    """P = F S with S = c : E, c a random tangent with the symmetries of one."""
    rng = np.random.default_rng(5)
    F, _ = random_state(1, n)
    c = rng.normal(size=(3, 3, 3, 3))
    c = c + c.transpose(1, 0, 2, 3)
    c = c + c.transpose(0, 1, 3, 2)

    def first_piola(F: np.ndarray) -> np.ndarray:
        return F @ np.einsum("ijkl,...kl->...ij", c, kinematics.green_lagrange_strain(F))

    S = np.einsum("ijkl,...kl->...ij", c, kinematics.green_lagrange_strain(F))
    tangent = kinematics.first_elasticity(F, S, np.broadcast_to(c, (n, 3, 3, 3, 3)))
    h = 1e-6
    for k, L in np.ndindex(3, 3):
        step = np.zeros((3, 3))
        step[k, L] = h
        slope = (first_piola(F + step) - first_piola(F - step)) / (2 * h)
        np.testing.assert_allclose(tangent[..., k, L], slope, atol=1e-7)
    torch_tangent = kinematics.first_elasticity(torch.tensor(F), torch.tensor(S), torch.tensor(c).expand(n, 3, 3, 3, 3))
    np.testing.assert_allclose(torch_tangent.numpy(), tangent, atol=1e-12)


@pytest.mark.parametrize("exponent", [1.0, 0.5, 0.0, -1.0])
def test_seth_hill_strains(exponent: float) -> None:
    """Of stretches along the axes by their formula, and their derivative against differences, equal eigenvalues among them."""
    stretch = np.array([[1.1, 0.95, 1.02], [1.05, 1.05, 1.05], [0.9, 1.2, 1.2]])
    E = (np.einsum("ni,ij->nij", stretch**2, np.eye(3)) - np.eye(3)) / 2
    strain, slope = kinematics.seth_hill_strain(E, exponent)
    formula = np.log(stretch) if exponent == 0 else (stretch ** (2 * exponent) - 1) / (2 * exponent)
    assert np.abs(strain - np.einsum("ni,ij->nij", formula, np.eye(3))).max() < 1e-14
    step = np.random.default_rng(0).normal(size=(3, 3, 3))
    step = 1e-5 * (step + step.transpose(0, 2, 1))
    change = kinematics.seth_hill_strain(E + step, exponent)[0] - kinematics.seth_hill_strain(E - step, exponent)[0]
    assert np.abs(change / 2 - np.einsum("nijkl,nkl->nij", slope, step)).max() < 1e-12
    assert np.abs(slope - slope.transpose(0, 3, 4, 1, 2)).max() < 1e-14


def test_all_seth_hill_strains_agree_for_small_strains() -> None:
    E = 1e-6 * np.array([[[1.0, 0.3, 0.0], [0.3, -2.0, 0.5], [0.0, 0.5, 0.7]]])
    for exponent in (0.0, -1.0):
        assert np.abs(kinematics.seth_hill_strain(E, exponent)[0] - E).max() < 2e-11
        assert np.abs(kinematics.seth_hill_strain(1e4 * E, exponent)[0] - 1e4 * E).max() > 1e-4  # control: large ones don't
