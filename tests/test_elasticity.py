"""Elastic constants, constants under pressure, stability: against tables, analytic cases and differences."""

import numpy as np
import pytest
import torch

from constitutive.elasticity import (
    born_stable,
    constants_table,
    constants_under_pressure,
    elastic_constants,
    ellipticity,
    independent_places,
    stability_map,
)
from constitutive.errors import DomainError
from constitutive.kinematics import cauchy_from_second_piola, green_lagrange_strain
from constitutive.laws import LinearLaw, NetworkLaw, SumLaw
from constitutive.material import Material
from constitutive.symmetry import PointGroup
from constitutive.tensors.packing import stress_to_voigt

C2 = {"C11": 165.6, "C12": 63.9, "C44": 79.5}
C3 = {"C111": -795.0, "C112": -445.0, "C123": -75.0, "C144": 15.0, "C155": -310.0, "C456": -86.0}
COUNTS = {"-1": (21, 56, 126), "2/m": (13, 32, 70), "-3m": (6, 14, 28), "6/mmm": (5, 10, 19), "m-3": (3, 8, 14), "m-3m": (3, 6, 11)}


def silicon():
    return Material.from_constants("m-3m", C2, C3)


@pytest.mark.parametrize("symbol", COUNTS)
def test_counts_of_independent_constants(symbol):
    rotations = PointGroup.from_symbol(symbol).laue_rotations
    orders = (2, 3) if symbol == "-1" else (2, 3, 4)
    assert tuple(len(independent_places(rotations, d)) for d in orders) == COUNTS[symbol][: len(orders)]


def test_names_are_those_of_the_tables():
    law = silicon().law
    assert constants_table(law, 2).as_dict() == pytest.approx(C2)
    assert constants_table(law, 3).as_dict() == pytest.approx(C3)
    taylor = constants_table(law, 3, definition="taylor").as_dict()
    assert taylor["C111"] == pytest.approx(C3["C111"] / 6)
    assert taylor["C112"] == pytest.approx(C3["C112"] / 2)
    assert taylor["C123"] == pytest.approx(C3["C123"])
    with pytest.raises(ValueError, match="choose one of"):
        constants_table(law, 3, definition="birch")


def test_third_order_constants_are_derivatives_of_the_second():
    law, step = silicon().law, 1e-5
    E = np.zeros((3, 3))
    E[0, 0] = step
    slope = (elastic_constants(law, 2, at=E) - elastic_constants(law, 2, at=-E)) / (2 * step)
    assert slope[0, 0] == pytest.approx(C3["C111"], rel=1e-6)
    assert slope[1, 2] == pytest.approx(C3["C123"], rel=1e-6)
    assert slope[3, 3] == pytest.approx(C3["C144"], rel=1e-6)


def test_constants_under_pressure_by_differences():
    """B is the slope of Cauchy stress against a further small strain, counted from the compressed state."""
    law = silicon().law
    state = constants_under_pressure(law, 5.0)
    values, vectors = np.linalg.eigh(np.eye(3) + 2 * state.strain)
    U, step = (vectors * np.sqrt(values)) @ vectors.T, 1e-5
    columns = []
    for i, j in ((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1)):
        eps = np.zeros((3, 3))
        eps[i, j] += step / 2
        eps[j, i] += step / 2

        def cauchy(eps):
            F = ((np.eye(3) + eps) @ U)[None]
            S = law.stress(torch.from_numpy(green_lagrange_strain(F))).numpy()
            return stress_to_voigt(cauchy_from_second_piola(F, S))[0]

        columns.append((cauchy(eps) - cauchy(-eps)) / (2 * step))
    assert np.abs(np.array(columns).T - state.constants).max() < 1e-5 * state.constants.max()
    assert state.volume_ratio < 1
    E = torch.from_numpy(state.strain)
    sigma = cauchy_from_second_piola(U[None], law.stress(E[None]).numpy())[0]
    assert np.abs(sigma + 5.0 * np.eye(3)).max() < 1e-9
    plain = elastic_constants(law, 2, at=state.strain)  # control: the tangent alone is not what an experiment sees
    assert abs(plain[0, 0] - state.constants[0, 0]) > 1.0


def test_pressure_derivatives_of_cubic_constants():
    """dB/dp at p = 0 from third-order constants: Thurston & Brugger, Phys. Rev. 133 (1964) A1604, Birch's relations."""
    law, p = silicon().law, 1e-3
    slope = (constants_under_pressure(law, p).constants - constants_under_pressure(law, -p).constants) / (2 * p)
    a = C2["C11"] + 2 * C2["C12"]
    assert slope[0, 0] == pytest.approx(-(C3["C111"] + 2 * C3["C112"] + 2 * C2["C11"] + 2 * C2["C12"]) / a, rel=1e-4)
    assert slope[0, 1] == pytest.approx(-(2 * C3["C112"] + C3["C123"] - C2["C11"] - C2["C12"]) / a, rel=1e-4)
    assert slope[3, 3] == pytest.approx(-(C3["C144"] + 2 * C3["C155"] + C2["C44"] + C2["C11"] + 2 * C2["C12"]) / a, rel=1e-4)


def test_no_equilibrium_is_said():
    with pytest.raises(DomainError, match="no equilibrium"):
        constants_under_pressure(LinearLaw(100 * np.eye(6), np.eye(3)[None]), 1e3)


def test_born():
    assert born_stable(silicon().law)[0]
    soft = LinearLaw.from_voigt(np.diag([100.0, 100, 100, 50, 50, -1]), np.eye(3)[None])
    assert not born_stable(soft)[0]


def test_ellipticity_of_an_isotropic_solid():
    """The acoustic tensor's eigenvalues are mu and lambda + 2 mu in every direction."""
    lam, mu = 60.0, 40.0
    C = np.diag([2 * mu] * 3 + [mu] * 3).astype(float)
    C[:3, :3] += lam
    law = LinearLaw.from_voigt(C, np.eye(3)[None])
    assert ellipticity(law, np.eye(3)[None]).minimum[0] == pytest.approx(mu)
    found = ellipticity(silicon().law, np.eye(3)[None])  # cubic: the softest shear is (C11 − C12)/2 along 110
    assert found.minimum[0] == pytest.approx((165.6 - 63.9) / 2, rel=1e-4)
    assert sorted(np.abs(found.direction[0])) == pytest.approx([0, np.sqrt(0.5), np.sqrt(0.5)], abs=0.02)


def test_st_venant_kirchhoff_fails_in_compression_at_the_stretch_of_theory():
    """Uniaxial S = C11 (λ²−1)/2 gives dP/dλ = C11 (3λ²−1)/2: zero at λ = 0.577, |E| = 1/3."""
    lam, mu = 0.0, 50.0
    C = np.diag([2 * mu] * 3 + [mu] * 3).astype(float)
    C[:3, :3] += lam
    law = LinearLaw.from_voigt(C, np.eye(3)[None])
    assert ellipticity(law, np.diag([0.59, 1, 1])[None]).minimum[0] > 0
    assert ellipticity(law, np.diag([0.56, 1, 1])[None]).minimum[0] < 0
    found = stability_map(law, limit=0.45, points=46, random=0).as_dict()
    assert found["compression x"] == pytest.approx(1 / 3, abs=0.01)
    assert found["tension x"] is None


def test_map_sees_a_concave_network():
    group = PointGroup.from_symbol("m-3m").laue_rotations
    rng = np.random.default_rng(0)
    concave = NetworkLaw(rng.normal(size=(4, 6)), 3 + rng.normal(size=4), -np.abs(rng.normal(size=4)), 0.02, group)
    bad = SumLaw([Material.from_constants("m-3m", C2).law, concave])
    assert min(stability_map(bad).critical) < min(stability_map(Material.from_constants("m-3m", C2).law).critical)
