"""Calibration: the figures that must hold, the choice of law, uncertainty, anchors, and bad input recognised."""

import dataclasses

import numpy as np
import pytest
import torch

from constitutive import shipped
from constitutive.calibration import calibrate, evaluate
from constitutive.calibration.candidates import candidate_shapes
from constitutive.calibration.cleaning import require_enough
from constitutive.calibration.cross_validation import folds, groups_to_leave_out, split
from constitutive.calibration.distillation import distil, random_strains
from constitutive.calibration.ensemble import stack
from constitutive.calibration.model_search import FittedNetwork
from constitutive.data import StressStrainData
from constitutive.elasticity import ellipticity
from constitutive.errors import CalibrationError, DataError
from constitutive.fitting.leave_one_out import fit_and_leave_out, fit_series
from constitutive.fitting.problem import FitProblem, problem_of, seth_hill_mandel
from constitutive.fitting.series_network import SeriesNetworkResidual, Shape, fit_network
from constitutive.intake import IntakeError, check
from constitutive.intake.group_test import group_test
from constitutive.intake.mixed_reference import mixed_reference
from constitutive.kinematics import cauchy_from_second_piola, determinant
from constitutive.laws import Domain, NetworkLaw, SumLaw
from constitutive.material import Material
from constitutive.symmetry import PointGroup
from constitutive.tensors.packing import from_mandel

CUBIC = PointGroup.from_symbol("m-3m")
C2 = {"C11": 165.6, "C12": 63.9, "C44": 79.5}
C3 = {"C111": -795.0, "C112": -445.0, "C123": -75.0, "C144": 15.0, "C155": -310.0, "C456": -86.0}


def strains(n, size=0.06, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 6))
    return x * (size * rng.uniform(size=n) / np.linalg.norm(x, axis=1))[:, None]


def samples_of(law, n=14, *, seed=0, size=0.06, group="m-3m", measure="cauchy", unit="GPa", factor=1.0, stress=None):
    """A data set of a law."""
    E = from_mandel(strains(n, size, seed))
    values, vectors = np.linalg.eigh(np.eye(3) + 2 * E)
    F = np.einsum("nij,nj,nkj->nik", vectors, np.sqrt(values), vectors)
    S = law.stress(torch.from_numpy(E)).numpy() + (0 if stress is None else stress)
    given = cauchy_from_second_piola(F, S) if measure == "cauchy" else S if measure.startswith("second") else F @ S
    return StressStrainData(F=F, **{measure: given * factor}, units=unit, point_group=group)


def cubic_law():
    return Material.from_constants("m-3m", C2, C3).law


def curved_law(symbol="m-3m"):
    group = PointGroup.from_symbol(symbol).laue_rotations
    rng = np.random.default_rng(1)
    network = NetworkLaw(rng.normal(size=(3, 6)), rng.normal(size=3), rng.normal(size=3), 0.03, group)
    base = (
        Material.from_constants("m-3m", C2, C3).law
        if symbol == "m-3m"
        else Material.from_constants(symbol, np.diag([160.0] * 3 + [80.0] * 3)).law
    )
    return SumLaw([base, network])


@pytest.fixture(scope="module")
def silicon(silicon_data):
    data = StressStrainData.load(silicon_data)
    return data, calibrate(data)


def test_silicon_reaches_its_figures(silicon):
    data, material = silicon
    assert evaluate(material, data.paths_data()).cauchy_rmse_GPa <= 0.010
    C = material.stiffness_voigt()
    assert C[0, 0] == pytest.approx(153.4, rel=0.015)
    assert C[0, 1] == pytest.approx(56.9, rel=0.015)
    assert C[3, 3] == pytest.approx(74.3, rel=0.015)
    assert material.law.symmetry_residual(material.point_group.laue_rotations) <= 1e-12
    assert material.report.held_out_error < 0.15 * material.report.baseline_error  # what symmetry buys
    assert material.law.orbit_units() <= 768


def test_silicon_knows_what_it_does_not_know(silicon):
    data, material = silicon
    paths = data.paths_data()
    E = torch.from_numpy(paths.green_lagrange_strain)
    error = np.abs(material.second_piola_kirchhoff(paths.F) - paths.stress("second_piola_kirchhoff"))
    moving = np.abs(paths.stress("second_piola_kirchhoff")) > 1e-6  # components that symmetry keeps at zero are no test
    inside = error <= material.uncertainty.half_width(E, 0.9).numpy()
    assert inside[moving].mean() >= 0.8
    near, far = (material.uncertainty.half_width(s * torch.eye(3, dtype=torch.float64)).max() for s in (0.01, 0.1))
    assert far > 3 * near
    table = material.card["constants_GPa"]
    assert list(table["2"]) == ["C11", "C12", "C44"]
    assert len(table["3"]) == 6
    assert len(table["4"]) == 11
    for name, reference in (("C11", 153.4), ("C12", 56.9), ("C44", 74.3)):
        value, error = table["2"][name]
        assert 0 < error < 0.02 * value
        assert abs(value - reference) < 5 * error + 0.1
    assert material.card["rank_of_data"]["2"] == {"fixed": 3, "of": 3}


def test_report_says_why(silicon):
    _, material = silicon
    report = material.report
    assert "has not seen" in report.reason
    assert report.chosen in report.reason or report.chosen == report.candidates[0].label
    assert [n for n, _ in report.learning_curve] == sorted(n for n, _ in report.learning_curve)
    assert len(report.worst_samples) == 5
    assert report.as_dict()["candidates"]["network without symmetry"] == report.baseline_error


def test_saved_material_predicts_the_same(silicon, tmp_path):
    data, material = silicon
    material.save(tmp_path / "si")
    again = Material.load(tmp_path / "si")
    assert evaluate(again, data) == evaluate(material, data)
    E = torch.from_numpy(data.green_lagrange_strain)
    assert torch.equal(again.uncertainty.half_width(E), material.uncertainty.half_width(E))


def test_another_cell_or_frame_is_refused(silicon):
    data, material = silicon
    R = np.array([[0.6, -0.8, 0], [0.8, 0.6, 0], [0, 0, 1]])
    with pytest.raises(DataError, match="frame"):
        evaluate(material, data.replace(lattice=data.lattice @ R.T))
    with pytest.raises(DataError, match="another reference cell"):
        evaluate(material, data.replace(lattice=1.01 * data.lattice))


def test_the_same_seed_gives_the_same_law():
    data = samples_of(curved_law(), 12)
    first, second = calibrate(data, seed=3), calibrate(data, seed=3)
    x = torch.from_numpy(strains(5, seed=9))
    assert torch.equal(first.law.stress_mandel(x), second.law.stress_mandel(x))


@pytest.mark.parametrize("symbol", ["m-3m", "-3m"])
def test_a_network_is_found_again(symbol):
    """Samples of a known law: the calibrated one predicts others of it, better than without symmetry."""
    law = curved_law(symbol)
    material = calibrate(samples_of(law, 24, group=symbol))
    errors = evaluate(material, samples_of(law, 60, seed=5, size=0.05, group=symbol))
    assert errors.second_piola_relative_error < 0.02
    assert errors.second_piola_relative_error < 0.5 * material.report.baseline_error
    assert material.law.symmetry_residual(PointGroup.from_symbol(symbol).laue_rotations) <= 1e-12


def test_stress_in_pascal_and_large_strains():
    """P in Pa, |E| to 0.6, no structure: errors are measured in P."""
    law = curved_law()
    data = samples_of(law, 30, size=0.45, measure="first_piola_kirchhoff", unit="Pa", factor=1e9)
    problem = problem_of(data, CUBIC.laue_rotations)
    dS = np.random.default_rng(0).normal(size=(30, 6))
    assert np.linalg.norm(problem.normed(dS), axis=1) == pytest.approx(np.linalg.norm(data.F @ from_mandel(dS), axis=(1, 2)))
    material = calibrate(data)
    assert evaluate(material, data).first_piola_relative_error < 0.02
    small = problem_of(samples_of(law, 5), CUBIC.laue_rotations)  # control: small strains are fitted in S
    assert np.array_equal(small.normed(dS[:5]), dS[:5])


def beam_lattice(F):
    """First Piola–Kirchhoff stress of beams along edges and diagonals of a cube, which buckle where they are squeezed, and of a filling."""
    P = 0.2 * ((determinant(F) - 1) * determinant(F))[:, None, None] * np.linalg.inv(F).swapaxes(1, 2)
    diagonals = np.array([(1, 1, 1), (1, -1, 1), (1, 1, -1), (-1, 1, 1)]) / np.sqrt(3)
    for n, k in [*((axis, 1.0) for axis in np.eye(3)), *((diagonal, 0.6) for diagonal in diagonals)]:
        Fn = F @ n
        u = np.linalg.norm(Fn, axis=1) - 1
        force = k * (0.15 * u + 0.85 * u / (1 + np.exp(-u / 0.06)))
        P = P + (force / (1 + u))[:, None, None] * Fn[:, :, None] * n
    return P


def test_laws_of_a_few_paths_of_large_strain_do_not_explode_between_them():
    """Uniaxial, biaxial, volumetric, planar strain and shear are given; combined ones are asked for, to |E| = 0.5."""
    t = np.linspace(0.1, 1, 5)
    paths = [(0.5, 0, 0), (-0.4, 0, 0), (0.3, 0.3, 0), (-0.35, -0.35, 0), (0.3, 0.3, 0.3), (-0.35, -0.35, -0.35), (0.4, -0.15, 0)]
    F = np.concatenate([np.eye(3) + t[:, None, None] * np.diag(path) for path in paths] + [np.eye(3) + t[:, None, None] * shear(0.5)])
    data = StressStrainData(F=F, first_piola_kirchhoff=1e3 * beam_lattice(F), units="Pa", point_group="m-3m")
    problem = problem_of(data, CUBIC.laue_rotations)
    assert split(problem, 0).far_apart
    assert not split(problem_of(samples_of(curved_law(), 20), CUBIC.laue_rotations), 0).far_apart  # control: random strains, small
    assert {shape.degrees for shape in candidate_shapes(problem, far_apart=True)} == {(), (2,)}
    law = calibrate(data).law
    for ends in (np.diag([0.3, 0.1, 0]), np.diag([0.3, -0.1, -0.1]) + shear(0.3), np.diag([-0.35, 0.0, 0.0]) + shear(-0.3)):
        asked = np.eye(3) + t[:, None, None] * ends
        wanted = 1e-6 * beam_lattice(asked)
        assert np.linalg.norm(law(asked)[0] - wanted) < 0.2 * np.linalg.norm(wanted)


def shear(amount):
    return amount * np.array([[0.0, 1, 0], [0, 0, 0], [0, 0, 0]])


def test_jacobian_of_the_network_by_differences():
    rng = np.random.default_rng(0)
    norm = rng.normal(size=(6, 6, 6))
    for each in (np.broadcast_to(np.eye(6), (6, 6, 6)).copy(), norm):
        problem = FitProblem(strains(6), rng.normal(size=(6, 6)), each, CUBIC.laue_rotations)
        state = SeriesNetworkResidual(problem, Shape((2, 3), 3, 1e-6), None, 0)
        theta = rng.normal(size=len(state.start()))
        J = state.jacobian(theta)
        slopes = [(state.residual(theta + 1e-6 * e) - state.residual(theta - 1e-6 * e)) / 2e-6 for e in np.eye(len(theta))]
        assert np.abs(J - np.array(slopes).T).max() < 1e-6 * np.abs(J).max()


def test_closed_form_of_leaving_one_out():
    """Against fitting again without each sample, at the same ridge scale."""
    problem = problem_of(samples_of(curved_law(), 12), CUBIC.laue_rotations)
    fit = fit_series(problem, (2, 3))
    for k in (0, 7):
        rest = problem.subset(np.setdiff1d(np.arange(12), [k]))
        columns = fit.fit.basis(rest.x).reshape(66, -1)
        whole = fit.fit.basis(problem.x).reshape(72, -1)
        ridge = fit.ridge * np.linalg.svd(whole, compute_uv=False)[0] ** 2
        theta = np.linalg.solve(columns.T @ columns + ridge * np.eye(columns.shape[1]), columns.T @ rest.y.ravel())
        assert fit.fit.basis(problem.x[k : k + 1])[0] @ theta == pytest.approx(fit.left_out[k], rel=1e-5, abs=1e-8)


def test_fit_and_law_agree():
    problem = problem_of(samples_of(curved_law(), 12), CUBIC.laue_rotations)
    fit = fit_network(problem, Shape((2, 3), 3, 1e-6))
    found = fit.law().stress_mandel(torch.from_numpy(problem.x)).numpy()
    assert np.abs(found - fit.predict(problem.x)).max() < 1e-12 * np.abs(found).max()


def test_a_law_of_another_strain_measure_is_a_law_of_strain():
    """Data of a law that is quadratic in the Hencky strain: found exactly in that measure, not in Green–Lagrange's; symmetric in both."""
    rotations = np.array(CUBIC.laue_rotations)
    x = strains(20)
    hencky, slope = seth_hill_mandel(x, 0.0)
    S = (hencky[:, None] @ np.asarray(cubic_law().tangent_mandel(torch.zeros(1, 6, dtype=torch.float64)))[0] @ slope)[:, 0]
    problem = FitProblem(x, S, np.broadcast_to(np.eye(6), (20, 6, 6)).copy(), rotations)
    assert problem.in_seth_hill_strain(0.0).relative_error(problem.in_seth_hill_strain(0.0).y) == 0
    assert problem.in_seth_hill_strain(0.0).unit == pytest.approx(problem.unit, rel=1e-12)
    errors = [problem.relative_error(fit_network(problem, Shape((2,), 0, 1e-12, measure)).predict(x)) for measure in (0.0, 1.0)]
    assert errors[0] < 1e-6 < 1e-2 < errors[1]
    fit = fit_network(problem, Shape((2, 3), 3, 1e-6, -1.0))
    D = problem.group[5]
    assert np.abs(fit.predict(x @ D.T) - fit.predict(x) @ D.T).max() < 1e-12 * np.abs(S).max()


def test_several_laws_are_distilled_into_one():
    problem = problem_of(samples_of(curved_law(), 40), CUBIC.laue_rotations)
    domain = Domain.of_strains(problem.x, problem.rotations)
    members = [fit_network(problem, Shape((2, 3), 6, 1e-6, measure), seed) for measure in (1.0, 0.0) for seed in (0, 1)]
    student, followers = distil(problem, members, [1.0] * 4, domain, 0)
    x = random_strains(domain, 200, np.random.default_rng(3))
    mean = np.mean([member.predict(x) for member in members], axis=0)
    assert student.strain_exponent == 1
    assert len(student.biases) * len(problem.rotations) <= 768
    assert np.linalg.norm(student.predict(x) - mean) < 1e-3 * np.linalg.norm(mean)
    apart = [np.linalg.norm(followers[k].predict(x) - members[k].predict(x)) for k in range(4)]
    assert max(apart) < 1e-2 * np.linalg.norm(mean)


# -- residual stress ------------------------------------------------------------------------------------------------------


def test_residual_stress_needs_a_word(tmp_path):
    law, pressure = cubic_law(), 0.4 * np.eye(3)
    data = samples_of(law, 14, stress=pressure)
    with pytest.raises(IntakeError, match="say whether to keep it") as raised:
        calibrate(data)
    assert check(data).findings[0] == raised.value.finding
    with pytest.raises(CalibrationError, match="say residual_stress='remove'"):
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


# -- what the user knows --------------------------------------------------------------------------------------------------


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


def test_ellipticity_is_kept_when_asked():
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
    with pytest.raises(CalibrationError, match="which is it"):
        calibrate(samples_of(cubic_law(), 8), point_group="6/mmm")


def test_a_structure_is_believed_before_a_wish(silicon_data):
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
    told = calibrate(data, laws="series", allow=("coverage",), anchors={"C44": (79.6, 0.5)})
    assert told.card["constants_GPa"]["2"]["C44"][0] == pytest.approx(79.6, abs=1)
    assert any(note.startswith("allowed: coverage") for note in told.report.notes)


def test_repeated_and_wild_samples_are_named():
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
def test_two_reference_cells_in_one_set_are_told_apart(name: str):
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
    """A neighbour on the same path would tell the answer."""
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
