"""Calibration: residual stress, anchors, ellipticity, contradicted groups, outliers, weights and folds; bad input recognised."""

import dataclasses

import numpy as np
import pytest
import torch
from calibration_cases import C2, C3, CUBIC, cubic_law, curved_law, samples_of, strains

from constitutive import shipped
from constitutive.calibration import calibrate, evaluate
from constitutive.calibration.cleaning import require_enough
from constitutive.calibration.cross_validation import folds, groups_to_leave_out
from constitutive.calibration.ensemble import stack
from constitutive.calibration.model_search import FittedNetwork
from constitutive.data import StressStrainData
from constitutive.elasticity import ellipticity
from constitutive.errors import CalibrationError
from constitutive.fitting.leave_one_out import fit_and_leave_out, fit_series
from constitutive.fitting.problem import FitProblem, problem_of
from constitutive.fitting.series_network import Shape, fit_network
from constitutive.intake import IntakeError, check
from constitutive.intake.group_test import group_test
from constitutive.intake.mixed_reference import mixed_reference
from constitutive.material import Material
from constitutive.symmetry import PointGroup

# -- residual stress ------------------------------------------------------------------------------------------------------


def test_residual_stress_needs_a_word(tmp_path):
    law, pressure = cubic_law(), 0.4 * np.eye(3)
    data = samples_of(law, 14, stress=pressure)
    with pytest.raises(IntakeError, match="state whether to keep it") as raised:
        calibrate(data)
    assert check(data).findings[0] == raised.value.finding
    with pytest.raises(CalibrationError, match="give residual_stress='remove'"):
        calibrate(data, allow=("reference_stress",))
    kept = calibrate(data, residual_stress="keep", laws="series")
    removed = calibrate(data, residual_stress="remove", laws="series")
    assert np.abs(kept.reference_stress - pressure).max() < 1e-3
    zero = torch.zeros(3, 3, dtype=torch.float64)
    assert np.abs(kept.law.stress(zero).numpy() - pressure).max() < 1e-3
    assert np.abs(removed.law.stress(zero).numpy()).max() < 1e-12
    for material in (kept, removed):
        assert evaluate(material, data).second_piola_relative_error < 1e-3
        material.save(tmp_path / "m")
        assert evaluate(Material.load(tmp_path / "m"), data).second_piola_relative_error < 1e-3
    assert kept.stiffness_voigt()[0, 0] == pytest.approx(165.6, rel=1e-3)
    small = calibrate(samples_of(law, 14, stress=1e-4 * np.eye(3)), laws="series")
    assert np.abs(small.second_piola_kirchhoff(np.eye(3)[None])).max() < 1e-12


# -- what the user states ------------------------------------------------------------------------------------------------


def test_anchors_pull_towards_known_constants():
    data = samples_of(curved_law(), 8, size=0.04)
    plain = calibrate(data, laws="series")
    target = plain.stiffness_voigt()[0, 0] + 5.0
    firm = calibrate(data, anchors={"C11": (target, 1e-3)}, laws="series")
    weak = calibrate(data, anchors={"C11": (target, 1e3)}, laws="series")
    assert firm.stiffness_voigt()[0, 0] == pytest.approx(target, abs=0.2)
    assert weak.stiffness_voigt()[0, 0] == pytest.approx(plain.stiffness_voigt()[0, 0], abs=0.2)
    assert firm.law.symmetry_residual(CUBIC.laue_rotations) <= 1e-12
    for anchors in ({"K": (1, 1)}, {"C11": (1, 0)}, {"C11": 5}):
        with pytest.raises(CalibrationError, match="anchor"):
            calibrate(data, anchors=anchors, laws="series")


def test_ellipticity_is_kept_where_chosen():
    """A law that softens to instability at 6 % strain; the penalty keeps it elliptic at the price of the fit."""
    soft = Material.from_constants("m-3m", C2, {name: 6 * value for name, value in C3.items()}).law
    data = samples_of(soft, 24, size=0.1)
    F = data.F[np.argsort(-np.linalg.norm(data.green_lagrange_strain, axis=(1, 2)))[:12]]
    plain, kept = calibrate(data, laws="series"), calibrate(data, elliptic=True, laws="series")
    assert ellipticity(plain.law, F).minimum.min() < 0
    assert ellipticity(kept.law, F).minimum.min() > 0
    assert any("ellipticity in the domain" in note for note in kept.report.notes)


def test_rank_of_the_data_is_stated():
    law = cubic_law()
    E = np.zeros((6, 3, 3))
    E[:, 0, 0] = np.linspace(-0.04, 0.04, 6) + 0.001
    E[:, 1, 2] = E[:, 2, 1] = np.linspace(0.03, -0.02, 6)
    values, vectors = np.linalg.eigh(np.eye(3) + 2 * E)
    F = np.einsum("nij,nj,nkj->nik", vectors, np.sqrt(values), vectors)
    data = StressStrainData(F=F, second_piola_kirchhoff=law.stress(torch.from_numpy(E)).numpy(), units="GPa", point_group="m-3m")
    rank = calibrate(data, laws="series").card["rank_of_data"]
    assert rank["2"] == {"fixed": 3, "of": 3}
    assert rank["3"]["fixed"] < 6
    assert any("C123" in text or "C456" in text for text in rank["3"]["open"])


# -- bad input ------------------------------------------------------------------------------------------------------------


def test_a_group_that_the_data_contradict():
    tetragonal = Material.from_constants("4/mmm", {"C11": 160, "C12": 60, "C13": 40, "C33": 100, "C44": 50, "C66": 80}).law
    with pytest.raises(IntakeError, match=r"contradict the point group m-3m.*4/mmm") as caught:
        calibrate(samples_of(tetragonal, 20))
    assert caught.value.finding.fault == "wrong_group"
    assert calibrate(samples_of(tetragonal, 20), laws="series", allow=("wrong_group",)).point_group == CUBIC
    good = problem_of(samples_of(curved_law(), 20), CUBIC.laue_rotations)
    assert not group_test(good).contradicted


@pytest.mark.parametrize(("name", "wrong"), [("gallium_nitride", "m-3m"), ("quartz", "6/mmm"), ("coesite", "mmm")])
@pytest.mark.parametrize("samples", [30, 100])
def test_wrong_groups_of_real_data_are_recognised_and_right_ones_kept(name: str, wrong: str, samples: int):
    data = StressStrainData.load(shipped(name) / "data.json").head(samples)
    right = PointGroup.from_structure(data.structure)
    assert group_test(problem_of(data, PointGroup.from_symbol(wrong).laue_rotations)).contradicted
    assert not group_test(problem_of(data, right.laue_rotations)).contradicted


@pytest.mark.parametrize("samples", [10, 15, 20])
@pytest.mark.parametrize("name", ["gallium_nitride", "magnesium", "silicon_tersoff"])
def test_few_samples_are_no_reason_to_doubt_a_group(name: str, samples: int):
    data = StressStrainData.load(shipped(name) / "data.json").head(samples)
    group = PointGroup.from_structure(data.structure)
    assert not group_test(problem_of(data, group.laue_rotations)).contradicted


def test_the_group_has_to_come_from_somewhere():
    data = samples_of(cubic_law(), 8).replace(point_group=None)
    with pytest.raises(CalibrationError, match="neither a structure nor a point group"):
        calibrate(data)
    assert calibrate(data, point_group="m-3m", laws="series").point_group == CUBIC
    with pytest.raises(CalibrationError, match="correct the declaration"):
        calibrate(samples_of(cubic_law(), 8), point_group="6/mmm")


def test_a_structure_takes_precedence_over_an_option(silicon_data):
    with pytest.raises(CalibrationError, match="the structure in the data has m-3m"):
        calibrate(StressStrainData.load(silicon_data), point_group="4/mmm")


def test_too_few_samples():
    with pytest.raises(CalibrationError, match="at least 3"):
        calibrate(samples_of(cubic_law(), 2))
    tension = np.array([np.diag([1 + s, 1, 1]) for s in (-0.02, 0.01, 0.02, 0.03)])
    S = np.array([np.diag([s, 0.4 * s, 0.4 * s]) for s in (-3.0, 1.5, 3.0, 4.5)])
    data = StressStrainData(F=tension, second_piola_kirchhoff=S, units="GPa", point_group="m-3m")
    with pytest.raises(IntakeError, match=r"coverage: found 1 combination of second-order constants .*& C44\)") as raised:
        calibrate(data)
    assert check(data).findings == (raised.value.finding,)
    with pytest.raises(CalibrationError, match="fix 2 of the 3 second-order constants"):
        require_enough(problem_of(data, CUBIC.laue_rotations))
    anchored = calibrate(data, laws="series", allow=("coverage",), anchors={"C44": (79.6, 0.5)})
    assert anchored.card["constants_GPa"]["2"]["C44"][0] == pytest.approx(79.6, abs=1)
    assert any(note.startswith("allowed: coverage") for note in anchored.report.notes)


def test_repeated_samples_and_outliers_are_named():
    data = samples_of(curved_law(), 20)
    clean = calibrate(data, laws="series")
    twice = data.select([*range(20), 4])
    assert any("samples [20] repeat" in note for note in calibrate(twice, laws="series").report.notes)
    spoiled = np.array(data.cauchy)
    spoiled[7] = -spoiled[7]
    found = calibrate(data.replace(cauchy=spoiled), laws="series")
    assert any(note.startswith("outliers were left out: 7 ") for note in found.report.notes)
    assert not any("outliers" in note for note in clean.report.notes)
    test = samples_of(curved_law(), 40, seed=8, size=0.05)
    assert evaluate(found, test).second_piola_relative_error < 3 * evaluate(clean, test).second_piola_relative_error
    other = twice.replace(cauchy=np.concatenate([data.cauchy, 1.5 * data.cauchy[4:5]]))
    with pytest.raises(IntakeError, match=r"duplicates: found samples 20 .*with another stress at 20") as raised:
        calibrate(other)
    assert check(other).findings == (raised.value.finding,)
    assert any("samples [20] repeat" in note for note in calibrate(other, laws="series", allow=("duplicates",)).report.notes)


def test_many_outliers_are_a_certain_fault():
    """A few are left out by a robust loss; a fifth of the samples means that something else is wrong."""
    data = samples_of(curved_law(), 40)
    spoiled = np.array(data.cauchy)
    spoiled[::5] = -spoiled[::5]
    with pytest.raises(IntakeError, match="outliers: found samples") as raised:
        calibrate(data.replace(cauchy=spoiled), laws="series")
    assert raised.value.finding.samples == tuple(range(0, 40, 5))
    few = np.array(data.cauchy)
    few[::20] = -few[::20]
    (finding,) = check(data.replace(cauchy=few)).findings
    assert (finding.fault, finding.samples, finding.is_sure) == ("outliers", (0, 20), False)


@pytest.mark.parametrize("name", ["silicon_sw", "quartz"])
def test_two_reference_cells_in_one_set_are_distinguished(name: str):
    """Every third sample against a cell that is 1 % larger: named, with the strain; one cell is no fault."""
    data = StressStrainData.load(shipped(name) / "data.json").head(60)
    others = np.arange(60) % 3 == 0
    mixed = data.replace(F=np.where(others[:, None, None], data.F / 1.01, data.F))
    with pytest.raises(IntakeError, match="refers to another reference cell, strained against") as raised:
        calibrate(mixed, laws="series")
    assert raised.value.finding.samples == tuple(np.nonzero(others)[0])
    assert check(mixed).findings[0] == raised.value.finding
    problem = problem_of(mixed, np.array(PointGroup.from_structure(data.structure).laue_rotations))
    assert mixed_reference(problem).strain == pytest.approx(0.01 * np.eye(3), abs=0.002)
    assert mixed_reference(problem.subset(np.nonzero(~others)[0])) is None


def test_weights_count():
    data = samples_of(cubic_law(), 12)
    broken = np.array(data.cauchy)
    broken[5] *= 1.3
    weights = np.ones(12)
    weights[5] = 0.0
    problem = problem_of(data.replace(cauchy=broken, stress_weights=weights), CUBIC.laue_rotations)
    found = fit_series(problem, (2, 3)).fit.law().derivative_mandel(torch.zeros(6, dtype=torch.float64), 2)
    assert float(found[0, 0]) == pytest.approx(165.6, rel=1e-6)
    control = fit_series(dataclasses.replace(problem, norm=np.broadcast_to(np.eye(6), (12, 6, 6)).copy()), (2, 3))
    assert abs(float(control.fit.law().derivative_mandel(torch.zeros(6, dtype=torch.float64), 2)[0, 0]) - 165.6) > 0.1


def test_what_is_said_of_left_out_samples_is_right_to_first_order():
    """Beside fits that go on without each sample; the residuals with it are the control."""
    problem = problem_of(samples_of(curved_law(), 30), CUBIC.laue_rotations)
    shape, groups = Shape((2, 3), 4, 1e-3), groups_to_leave_out(problem)
    fit, left_out = fit_and_leave_out(problem, shape, 0, groups, steps=3000)
    again = np.empty_like(left_out)
    for k in range(30):
        rest = problem.subset(np.setdiff1d(np.arange(30), [k]))
        scale = dataclasses.replace(fit, directions=fit.directions * rest.scale / problem.scale)
        whole = list(np.arange(29)[:, None])
        again[k] = fit_and_leave_out(rest, shape, 0, whole, steps=3000, start=scale)[0].predict(problem.x[k : k + 1])
    said, true, with_it = (np.linalg.norm(predicted - problem.y) for predicted in (left_out, again, fit.predict(problem.x)))
    assert said == pytest.approx(true, rel=0.25)
    assert with_it < 0.65 * true


def test_the_mean_prefers_what_predicts_left_out_samples():
    """Two networks that err in opposite ways, and a bad one: the mean of the two is chosen."""
    problem = problem_of(samples_of(cubic_law(), 40), CUBIC.laue_rotations)
    fit = fit_network(problem, Shape((2,), 1, 1e-4))
    error = np.random.default_rng(0).normal(size=problem.y.shape)
    kinds = [FittedNetwork(Shape((2,), 1, 1e-4), fit, problem.y + by * error, abs(by)) for by in (0.1, -0.1, 5.0)]
    members, weights = stack(problem, kinds)
    assert [member.score for member in members[:2]] == [0.1, 0.1]
    assert weights[:2] == pytest.approx([0.5, 0.5], abs=0.02)
    assert sum(weights[2:]) < 0.01


def test_samples_of_one_path_stay_in_one_fold():
    """A neighbour on the same path would determine the answer."""
    directions = strains(6, size=1.0, seed=4)
    x = np.concatenate([np.linspace(0.01, 0.05, 8)[:, None] * d / np.linalg.norm(d) for d in directions])
    problem = FitProblem(x, np.ones_like(x), np.broadcast_to(np.eye(6), (48, 6, 6)).copy(), CUBIC.laue_rotations)
    assert sorted(len(group) for group in groups_to_leave_out(problem)) == [8] * 6
    for part in folds(problem, 4, seed=0):
        assert len(part) % 8 == 0
        assert {int(k) // 8 for k in part} == {int(k) // 8 for k in part[::8]}
    loose = FitProblem(strains(48), np.ones((48, 6)), problem.norm, CUBIC.laue_rotations)  # control: random strains
    assert sorted(np.concatenate(folds(loose, 4, seed=0))) == list(range(48))
    assert sorted(len(part) for part in folds(loose, 4, seed=0)) == [12] * 4


def test_soft_lattices_without_structure_are_read(tmp_path):
    data = samples_of(cubic_law(), 10, measure="first_piola_kirchhoff", unit="Pa", factor=1e3)
    data.save(tmp_path / "beams.json")
    assert len(StressStrainData.load(tmp_path / "beams.json")) == 10


def test_an_isotropic_material_is_calibrated_under_its_limiting_group():
    """Samples of an isotropic law: two constants of second order under ∞∞m, five under ∞/mm; the same stiffness."""
    C = np.diag([260.0] * 3 + [80.0] * 3)
    C[:3, :3] += 100 * (1 - np.eye(3))
    isotropic = PointGroup.from_symbol("isotropic")
    data = samples_of(Material.from_constants(isotropic, C).law, 24, group="isotropic")
    for group, count in (("isotropic", 2), ("transversely_isotropic", 5)):
        material = calibrate(data.replace(point_group=group), laws="series")
        assert len(material.card["constants_GPa"]["2"]) == count
        assert material.stiffness_voigt() == pytest.approx(C, abs=1e-6)
