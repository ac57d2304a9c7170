"""Classical strain paths: folds of modes, pooled errors, undetermined constants, ellipticity; laws that explain nothing."""

import dataclasses

import numpy as np
import pytest
import torch

from constitutive.audit.stability import stability
from constitutive.calibration import calibrate
from constitutive.calibration.cross_validation import folds, pooled_error, split, strain_modes
from constitutive.calibration.posterior import undetermined_constants
from constitutive.data import StressStrainData
from constitutive.elasticity import ellipticity
from constitutive.errors import CalibrationError
from constitutive.fitting import FitProblem, problem_of
from constitutive.intake import FAULTS
from constitutive.kinematics import cauchy_from_second_piola, green_lagrange_strain
from constitutive.laws import LinearLaw
from constitutive.material import Material
from constitutive.symmetry import PointGroup

C2 = {"C11": 320.0, "C12": 95.0, "C44": 145.0}
C3 = {"C111": -3900.0, "C112": -200.0, "C123": 90.0, "C144": 100.0, "C155": -700.0, "C456": 120.0}
STIFF = np.diag([650.0, 650, 450, 260, 260, 290])
STIFF[0, 1] = STIFF[1, 0] = 70
STIFF[:2, 2] = STIFF[2, :2] = 110


def sampled(law, F, group):
    F = np.asarray(F, dtype=np.float64)
    S = law.stress(torch.from_numpy(green_lagrange_strain(F))).numpy()
    return StressStrainData(F=F, cauchy=cauchy_from_second_piola(F, S), units="GPa", point_group=group)


def uniaxial(amount):
    return np.eye(3) + np.diag([amount, 0, 0])


def sheared(amount):
    return np.eye(3) + amount * np.array([[0, 0, 0], [0, 0, 1.0], [0, 0, 0]])


def cubic_paths():
    """One unstrained cell, a uniaxial mode of either sign, a shear mode of one sign."""
    F = [np.eye(3), *(uniaxial(t) for t in (-0.02, -0.01, 0.01, 0.02)), *(sheared(t) for t in (0.002, 0.006, 0.011, 0.015, 0.02))]
    return sampled(Material.from_constants("m-3m", C2, C3).law, F, "m-3m")


def hexagonal_paths():
    """Eight samples on two paths: five second-order constants determined, not all of third order."""
    law = Material.from_constants("6/mmm", STIFF).law
    tilted = np.array([[0, 0, 0], [0, 0, 0], [0, 1.0, 1.0]])
    F = [part for t in (-0.03, -0.06, 0.03, 0.06) for part in (uniaxial(t), np.eye(3) + t * tilted)]
    return sampled(law, F, "6/mmm")


def problem(data, symbol):
    return problem_of(data, np.array(PointGroup.from_symbol(symbol).laue_rotations))


def test_modes_join_signs_and_images_of_the_group():
    law = Material.from_constants("m-3m", C2).law
    along_y = np.eye(3) + np.diag([0, 0.015, 0])
    data = sampled(law, [uniaxial(0.01), uniaxial(-0.01), along_y, sheared(0.01), sheared(-0.02), sheared(0.02)], "m-3m")
    assert strain_modes(problem(data, "m-3m")).tolist() == [0, 0, 0, 1, 1, 1]
    free = dataclasses.replace(problem(data, "m-3m"), rotations=np.eye(3)[None])  # control: without the group y is a mode of its own
    assert len(set(strain_modes(free).tolist())) == 3


def test_every_fold_leaves_the_second_order_constants_determined():
    """Two modes: without the shear nothing is known of C44, so half of a mode is left out at a time."""
    cubic = problem(cubic_paths(), "m-3m")
    parts = folds(cubic, 4, 0)
    assert sorted(np.concatenate(parts)) == list(range(10))
    for part in parts:
        rest = cubic.without(part)
        assert np.abs(rest.x[:, 3:]).max() > 1e-3
        assert np.abs(rest.x[:, 0]).max() > 1e-3
    negative = {1, 2}
    assert any(negative <= {int(k) for k in part} for part in parts)  # of the mode with two signs one is left out whole


def test_an_exact_fold_does_not_hide_the_others():
    cubic = problem(cubic_paths(), "m-3m")
    left_out = 1.2 * cubic.y
    left_out[0] = cubic.y[0]
    assert split(cubic, 0).error(cubic, left_out) == pytest.approx(0.2, rel=1e-6)
    assert pooled_error(cubic, left_out) == pytest.approx(0.2, rel=1e-6)


def test_constants_of_cubic_paths():
    material = calibrate(cubic_paths(), laws="series")
    second, third = material.card["constants_GPa"]["2"], material.card["constants_GPa"]["3"]
    for name, value in C2.items():
        found, error = second[name]
        assert found == pytest.approx(value, rel=0.01)
        assert 0 < error < 0.2 * value
    assert {name for name, (_, error) in third.items() if error is None} == {"C123", "C456"}
    assert 0.005 < material.report.held_out_error < 0.5


def test_two_paths_of_a_hexagonal_crystal_stay_elliptic():
    data = hexagonal_paths()
    material = calibrate(data, laws="series", allow=("error",))
    assert ellipticity(material.law, data.F).minimum.min() > 0
    for name, value in (("C11", 650), ("C12", 70), ("C13", 110), ("C33", 450), ("C44", 260)):
        assert material.card["constants_GPa"]["2"][name][0] == pytest.approx(value, rel=0.05)
    for value, error in material.card["constants_GPa"]["3"].values():
        assert error is None or abs(value) < 1e4
    unknown = undetermined_constants(problem(data, "6/mmm"), 0.05)
    assert "C122" in unknown["3"]
    assert "2" not in unknown


def test_random_strains_determine_all_constants():
    """Control of the same rule."""
    rng = np.random.default_rng(0)
    F = np.eye(3) + 0.03 * rng.normal(size=(40, 3, 3))
    data = sampled(Material.from_constants("m-3m", C2, C3).law, F, "m-3m")
    assert "3" not in undetermined_constants(problem(data, "m-3m"), 0.001)


def test_a_law_that_explains_nothing_is_refused():
    """Stresses without any relation to the strains; control: those that belong to them."""
    rng = np.random.default_rng(1)
    F = np.eye(3) + 0.02 * rng.normal(size=(20, 3, 3))
    data = sampled(LinearLaw.from_voigt(STIFF, PointGroup.from_symbol("6/mmm").laue_rotations), F, "6/mmm")
    noise = rng.normal(size=(20, 3, 3))
    spoiled = data.replace(cauchy=noise + noise.swapaxes(1, 2))
    with pytest.raises(CalibrationError, match=r"an error in the stress of left-out samples of \d+ %, more than 50 %"):
        calibrate(spoiled, laws="series", allow=tuple(FAULTS), residual_stress="remove")
    assert calibrate(data, laws="series").report.held_out_error < 0.05


def test_samples_keep_their_numbers():
    cubic = problem(cubic_paths(), "m-3m")
    assert cubic.without(np.array([0, 2])).subset(np.array([1, 3])).numbers.tolist() == [3, 5]
    assert FitProblem(cubic.x, cubic.y, cubic.norm, cubic.rotations).numbers.tolist() == list(range(10))


def test_the_card_states_that_ellipticity_was_imposed_and_the_audit_is_strict():
    data = cubic_paths()
    imposed, plain = (calibrate(data, laws="series", elliptic=elliptic) for elliptic in (True, False))
    assert imposed.card["elliptic"] is True
    assert "elliptic" not in plain.card
    limits = [stability(material, 5, 0.02, np.random.default_rng(0)).limit for material in (imposed, plain)]
    assert limits[0] == 0
    assert limits[1] > 0
