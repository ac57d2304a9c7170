"""Polyconvex laws: convex far outside the data, stress-free at rest, calibrated, saved, audited; data that they cannot follow."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from test_laws import GROUPS, difference_error, turned

from constitutive import Material, StressStrainData, calibrate
from constitutive.audit import audit
from constitutive.audit.polyconvexity import random_deformations
from constitutive.calibration.polyconvex import require_single_well
from constitutive.elasticity import ellipticity
from constitutive.errors import CalibrationError, MaterialError
from constitutive.fitting import FitProblem, fit_polyconvex
from constitutive.fitting.polyconvex import _Model
from constitutive.laws import NetworkLaw, PolyconvexLaw, SeriesLaw, law_from_state
from constitutive.tensors.packing import to_mandel
from constitutive.tensors.polynomials import exponents


def parts(rng, channels=4):
    L, M = rng.normal(size=(2, channels, 3, 3))
    squares = (np.asarray(to_mandel(A @ A.transpose(0, 2, 1))) for A in (L, M))
    return (*squares, rng.normal(size=channels), rng.normal(size=channels), rng.uniform(0, 1, channels))


def a_law(name="m-3m", seed=0):
    return PolyconvexLaw(*parts(np.random.default_rng(seed)), 0.5, 0.5, GROUPS[name])


def strains(n, size=0.2):
    return torch.from_numpy(np.random.default_rng(1).uniform(-size, size, (n, 6)))


@pytest.mark.parametrize("name", GROUPS)
def test_exact_symmetry_and_no_stress_at_rest(name):
    law, zero = a_law(name), torch.zeros(1, 6, dtype=torch.float64)
    assert max(turned(law, strains(7), R) for R in law.rotations.numpy()) <= 1e-12
    assert float(law.energy_mandel(zero).abs()) <= 1e-13
    assert float(law.stress_mandel(zero).abs().max()) <= 1e-13
    uncorrected = law.orbit_amplitudes @ law.orbit_weights[:, :3]
    assert float(uncorrected.abs().max()) > 0.1  # control: without the last terms there would be one
    if name != "-1":
        wrong = a_law("-1")
        assert max(turned(wrong, strains(7), R) for R in law.rotations.numpy()) > 1e-3  # control


@pytest.mark.parametrize("name", ["m-3m", "-3m", "-1"])
@pytest.mark.parametrize("batch", [1, 7])
def test_derivatives_are_those_of_the_energy(name, batch):
    law = a_law(name)
    stress, tangent, skew = difference_error(law, strains(batch))
    assert stress <= 1e-6
    assert tangent <= 1e-6
    assert skew <= 1e-12
    point = strains(1)[0]
    for order in (3, 4):
        exact = law.derivative_mandel(point, order)
        for k in range(6):
            h = torch.zeros(6, dtype=torch.float64)
            h[k] = 1e-5
            slope = (law.derivative_mandel(point + h, order - 1) - law.derivative_mandel(point - h, order - 1)) / 2e-5
            assert float((exact[..., k] - slope).abs().max() / exact.abs().max()) < 1e-6
    broken = a_law(name, seed=1)
    broken.tangent_mandel = law.tangent_mandel
    assert difference_error(broken, strains(batch))[1] > 1e-3  # control


@pytest.mark.parametrize("name", ["m-3m", "6/mmm", "4/m", "-1"])
def test_convex_and_elliptic_far_outside_any_data(name):
    rng = np.random.default_rng(2)
    law = a_law(name, seed=3)
    F, H = random_deformations(60, rng), rng.normal(size=(60, 3, 3))
    found = law.lifted_hessian(F, H, rng.uniform(0.05, 20, 60))
    assert np.linalg.eigvalsh(found).min() >= -1e-12 * np.linalg.eigvalsh(found).max()
    assert ellipticity(law, F, directions=80).minimum.min() > 0
    free = NetworkLaw(rng.normal(size=(4, 6)), rng.normal(size=4), rng.uniform(0, 1, 4), 0.5, GROUPS[name])  # convex in E, and yet:
    assert ellipticity(free, F, directions=80).minimum.min() < 0  # control


def test_the_lifted_hessian_is_the_second_derivative():
    law, rng = a_law("-3m"), np.random.default_rng(4)
    F, H, J = np.eye(3) + 0.2 * rng.normal(size=(3, 3)), rng.normal(size=(3, 3)), 1.3

    def energy(q):
        A, B = q[:9].reshape(3, 3), q[9:18].reshape(3, 3)
        y = np.concatenate([np.asarray(to_mandel((X.T @ X - np.eye(3)) / 2)) for X in (A, B)] + [[q[18] - 1]])
        z = law.orbit_weights.numpy() @ y + law.orbit_biases.numpy()
        value = (z + np.sqrt(z**2 + 4)) / 2 @ law.orbit_amplitudes.numpy() + y[:6] @ law.counter_stretch.numpy()
        return value - float(law.counter_volume) * (q[18] - 1) + law.growth * (q[18] + 1 / q[18] - 2) ** 2

    q, step = np.concatenate([F.ravel(), H.ravel(), [J]]), 1e-4
    exact = law.lifted_hessian(F[None], H[None], np.array([J]))[0]
    unit = step * np.eye(19)
    second = [[energy(q + a + b) - energy(q + a - b) - energy(q - a + b) + energy(q - a - b) for b in unit] for a in unit]
    found = np.array(second) / 4 / step**2
    assert np.abs(found - exact).max() < 1e-5 * np.abs(exact).max()


def test_the_energy_grows_without_bound_as_the_volume_vanishes():
    law = a_law()
    x = torch.tensor([[(s**2 - 1) / 2] * 3 + [0.0] * 3 for s in (0.3, 0.1, 0.03, 0.01)], dtype=torch.float64)
    energy = law.energy_mandel(x)
    J = torch.tensor([0.3, 0.1, 0.03, 0.01], dtype=torch.float64) ** 3
    assert bool((energy[1:] > 50 * energy[:-1]).all())
    assert float(energy[-1] * J[-1] ** 2) == pytest.approx(law.growth, rel=1e-3)
    assert bool(torch.isnan(law.energy_mandel(torch.tensor([[-0.6, 0, 0, 0, 0, 0]], dtype=torch.float64))).all())  # det C < 0


def test_saved_and_loaded_bit_for_bit_and_unsound_parameters_are_named():
    law = a_law("4/m")
    settings, arrays = law.state()
    again = law_from_state(settings, arrays, GROUPS["4/m"])
    assert torch.equal(again.stress_mandel(strains(5)), law.stress_mandel(strains(5)))
    for name, change in {"amplitudes": -1.0, "stretch": -5.0, "area": -5.0}.items():
        with pytest.raises(MaterialError, match="polyconvex law needs"):
            law_from_state(settings, {**arrays, name: arrays[name] + change}, GROUPS["4/m"])
    with pytest.raises(MaterialError, match="not negative"):
        law_from_state({**settings, "growth": float("nan")}, arrays, GROUPS["4/m"])
    with pytest.raises(MaterialError, match="not positive"):
        law_from_state({**settings, "scale": 0.0}, arrays, GROUPS["4/m"])


def problem_of_law(law, n=30, size=0.1, name="m-3m"):
    x = np.random.default_rng(5).uniform(-size, size, (n, 6))
    y = law.stress_mandel(torch.from_numpy(x)).numpy()
    return FitProblem(x, y, np.broadcast_to(np.eye(6), (n, 6, 6)).copy(), GROUPS[name])


@pytest.mark.parametrize("name", ["-3m", "m-3m", "-1"])
def test_the_jacobian_of_the_fit_is_exact(name):
    model = _Model(problem_of_law(a_law(name), 4, name=name), 2)
    theta = model.start(np.random.default_rng(0))
    steps = 1e-5 * np.eye(len(theta))
    found = np.stack([(model.residual(theta + h) - model.residual(theta - h)) / 2e-5 for h in steps], 1)
    exact = model.jacobian(theta)
    assert np.abs(found - exact).max() < 1e-7 * np.abs(exact).max()
    law = model.law(theta).stress_mandel(torch.from_numpy(model.problem.x)).numpy()
    assert np.abs(model.residual(theta).reshape(4, 6) * model.unit * np.sqrt(24) + model.problem.y - law).max() < 1e-12 * np.abs(law).max()


def test_a_fit_finds_a_polyconvex_energy():
    truth, other = a_law(), problem_of_law(a_law(), 40)
    found = fit_polyconvex(other, 4, seed=0, starts=2)
    fresh = strains(20, 0.1)
    error = (found.law.stress_mandel(fresh) - truth.stress_mandel(fresh)).norm() / truth.stress_mandel(fresh).norm()
    assert found.residual < 0.01
    assert float(error) < 0.01
    first, second = (fit_polyconvex(other, 2, starts=1, steps=5).predict(other.x) for _ in range(2))
    assert np.array_equal(first, second)


def double_well():
    """A cubic series whose energy falls again beyond a strain of 6 %: C11 - C12 soft, negative fourth order."""
    row = np.zeros(len(exponents(2)))
    first = [tuple(e) for e in exponents(2)]
    for place, value in {(2, 0, 0, 0, 0, 0): 50.0, (1, 1, 0, 0, 0, 0): 60.0, (0, 0, 0, 2, 0, 0): 40.0}.items():
        row[first.index(place)] = value
    fourth = np.zeros(len(exponents(4)))
    fourth[[tuple(e) for e in exponents(4)].index((4, 0, 0, 0, 0, 0))] = -2e4
    return SeriesLaw({2: row, 4: fourth}, GROUPS["m-3m"])


def test_data_of_several_wells_are_named_with_the_reason():
    problem = problem_of_law(double_well(), 60, 0.1)
    with pytest.raises(CalibrationError, match=r"stress points away from the reference \(sample \d+.*several wells.*wells\(\)"):
        require_single_well(problem)
    require_single_well(problem_of_law(double_well(), 60, 0.01))  # control: near the reference there is one well
    require_single_well(problem_of_law(a_law(), 60, 0.2))


@pytest.fixture(scope="module")
def silicon():
    data = StressStrainData.load("materials/silicon_sw/data.json")
    return data, calibrate(data, train=24, polyconvex=True, effort="quick", units=48)


def test_calibrated_and_audited(silicon, tmp_path):
    data, material = silicon
    assert isinstance(material.law, PolyconvexLaw)
    assert material.law.orbit_units() == 48
    assert material.report.held_out_error < 0.05
    assert "polyconvex by choice" in material.report.reason
    C11, C12, C44 = (material.card["constants_GPa"]["2"][name] for name in ("C11", "C12", "C44"))
    for (value, error), known in zip((C11, C12, C44), (151.4, 76.4, 56.4), strict=True):  # Stillinger–Weber silicon
        assert value == pytest.approx(known, rel=0.08)
        assert 0 < error < 10
    material.save(tmp_path / "m")
    found = audit(Material.load(tmp_path / "m"), data, samples=40)
    assert found.passed
    check = found.checks["polyconvexity"]
    assert check.figure == 0.0
    assert len(check.details) == 5
    assert all(value > 0 for value in check.details.values())
    assert found.checks["kernel"].standing == "not measured"  # evaluated by torch
    assert found.checks["stability"].limit == 0.0


def test_a_broken_law_breaks_the_certificate(silicon):
    _, material = silicon
    settings, arrays = material.law.state()
    law = PolyconvexLaw.from_state(settings, arrays, material.law.rotations.numpy())
    law.orbit_amplitudes[:] = -law.orbit_amplitudes.abs()  # control: after the check of its parameters
    broken = audit(replace(material, law=law), samples=10)
    assert broken.checks["polyconvexity"].standing == "broken"
    assert "polyconvexity" not in audit(Material.from_constants("m-3m", {"C11": 166, "C12": 64, "C44": 80}), samples=5).checks


def test_options_that_contradict_are_named(silicon):
    data, _ = silicon
    for option in ({"elliptic": True}, {"laws": "series"}, {"anchors": {"C11": (166, 1)}}, {"residual_stress": "keep"}):
        with pytest.raises(CalibrationError, match=f"polyconvex and {next(iter(option))}"):
            calibrate(data, polyconvex=True, **option)
    with pytest.raises(CalibrationError, match="at least 24"):
        calibrate(data, train=20, polyconvex=True, units=5)


def test_on_the_command_line(tmp_path):
    from command_line import run

    options = ("--train", "12", "--effort", "quick", "--units", "24", "--out", str(tmp_path / "m"))
    done = run("calibrate", "materials/silicon_sw/data.json", "--polyconvex", *options, "--json")
    assert done.returncode == 0, done.stderr
    assert Material.load(tmp_path / "m").card["polyconvex"] is True
    refused = run("calibrate", "materials/silicon_sw/data.json", "--polyconvex", "--elliptic", *options)
    assert refused.returncode == 2
    assert "polyconvex and elliptic" in refused.stderr


def test_in_finite_elements_by_torch(monkeypatch):
    """No generated code: kernels, and so finite elements, evaluate the law by torch with one warning."""
    from constitutive import kernel
    from constitutive.kernel import KernelWarning, compiling

    monkeypatch.setattr(compiling, "_said", set())  # another test may have had the warning
    law = a_law("4/m", seed=7)
    with pytest.warns(KernelWarning, match="evaluated by torch"):
        found = kernel.compile(law)
    F = np.eye(3) + 0.1 * np.random.default_rng(0).normal(size=(5, 3, 3))
    P, A = np.empty((5, 3, 3)), np.empty((5, 9, 9))
    assert found.evaluate(F, measure="F", stress=P, tangent=A) == 0
    wanted, slope = law(F)
    assert np.abs(P - wanted).max() < 1e-12 * np.abs(wanted).max()
    assert np.abs(A.reshape(5, 3, 3, 3, 3) - slope).max() < 1e-12 * np.abs(slope).max()
