"""Calibration: the figures that must hold, the same law from the same seed, fits, and the distilled mean."""

import numpy as np
import pytest
import torch
from calibration_cases import CUBIC, cubic_law, curved_law, samples_of, strains

from constitutive.calibration import calibrate, evaluate
from constitutive.calibration.candidates import candidate_shapes
from constitutive.calibration.cross_validation import split
from constitutive.calibration.distillation import distil, random_strains
from constitutive.data import StressStrainData
from constitutive.errors import DataError
from constitutive.fitting.leave_one_out import fit_series
from constitutive.fitting.problem import FitProblem, problem_of, seth_hill_mandel
from constitutive.fitting.series_network import SeriesNetworkResidual, Shape, fit_network
from constitutive.kinematics import determinant
from constitutive.laws import Domain
from constitutive.material import Material
from constitutive.symmetry import PointGroup
from constitutive.tensors.packing import from_mandel


@pytest.fixture(scope="module")
def silicon(silicon_data, kept_calibrate):
    data = StressStrainData.load(silicon_data)
    return data, kept_calibrate(data)


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


def test_silicon_states_its_uncertainty(silicon):
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


def test_report_gives_the_reason(silicon):
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
    distilled = distil(problem, members, [1.0] * 4, domain, 0)
    student, followers = distilled.student, distilled.followers
    x = random_strains(domain, 200, np.random.default_rng(3))
    mean = np.mean([member.predict(x) for member in members], axis=0)
    assert student.strain_exponent == 1
    assert len(student.biases) * len(problem.rotations) <= 768
    assert np.linalg.norm(student.predict(x) - mean) < 1e-3 * np.linalg.norm(mean)
    apart = [np.linalg.norm(followers[k].predict(x) - members[k].predict(x)) for k in range(4)]
    assert max(apart) < 1e-2 * np.linalg.norm(mean)
