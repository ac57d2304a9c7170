"""How much a calibration computes: threads change nothing, a quick one is of use, and the law is as narrow as the error allows."""

import threading
import time

import numpy as np
import pytest
import torch
from calibration_cases import CUBIC, curved_law, samples_of

from constitutive.calibration import calibrate
from constitutive.calibration.cross_validation import split
from constitutive.calibration.distillation import TOLERANCE, distil, random_strains
from constitutive.calibration.effort import EFFORTS, Effort, available_cores
from constitutive.calibration.model_search import FittedNetwork, raced
from constitutive.errors import CalibrationError
from constitutive.fitting import Shape, fit_and_leave_out, fit_network, problem_of
from constitutive.laws import Domain


@pytest.fixture(scope="module")
def data():
    return samples_of(curved_law(), 24)


@pytest.fixture(scope="module")
def quick(data):
    """One quick calibration on two threads, and how far it had come when each call of progress was made."""
    fractions = []
    return calibrate(data, effort="quick", workers=2, progress=lambda _what, fraction: fractions.append(fraction)), fractions


def test_the_law_does_not_depend_on_the_number_of_threads(data, quick):
    alone = calibrate(data, effort="quick", workers=1)
    for name, array in alone.law.state()[1].items():
        assert np.array_equal(array, quick[0].law.state()[1][name]), name
    assert alone.report.as_dict() == quick[0].report.as_dict()
    other = calibrate(data, effort="quick", seed=1)  # control: it does depend on the seed
    assert other.report.as_dict() != alone.report.as_dict()


def test_a_quick_calibration_predicts_unseen_strains(quick):
    E = torch.from_numpy(samples_of(curved_law(), 50, seed=9).green_lagrange_strain)
    wanted = curved_law().stress(E).numpy()
    assert np.linalg.norm(quick[0].law.stress(E).numpy() - wanted) < 0.02 * np.linalg.norm(wanted)
    assert quick[0].law.symmetry_residual(CUBIC.laue_rotations) < 1e-12


def test_the_better_half_of_the_networks_of_each_ridge_goes_on(data):
    problem = problem_of(data, CUBIC.laue_rotations)
    parts = split(problem, 0)

    def begun(shape, start):
        fit, left_out = fit_and_leave_out(problem, shape, start, parts.groups, steps=3)
        return FittedNetwork(shape, fit, left_out, parts.score(problem, left_out))

    networks = [begun(Shape((2,), 3, ridge), start) for ridge in (1e-6, 1e-3) for start in range(4)]
    left = raced(problem, parts, networks, [3, 8, 20], lambda _what, _fraction: None)
    assert sorted(network.shape.ridge for network in left) == [1e-6, 1e-3]  # a quarter of each
    assert all(network.fit.objective < min(n.fit.objective for n in networks if n.shape == network.shape) for network in left)
    unchanged = raced(problem, parts, networks, [3, 3], lambda _what, _fraction: None)
    assert unchanged == sorted(networks, key=lambda network: network.score)  # control: no further steps, no race


def test_progress_only_grows(quick):
    assert quick[1] == sorted(quick[1])
    assert quick[1][-1] == 1.0


@pytest.mark.parametrize(("options", "message"), [({"effort": "little"}, "full, quick"), ({"workers": 0}, "at least 1")])
def test_an_unknown_effort_is_named(data, options, message):
    with pytest.raises(CalibrationError, match=message):
        calibrate(data, **options)


def test_results_come_in_order_and_several_at_a_time():
    seen = set()

    def slow_first(k):
        seen.add(threading.get_ident())
        time.sleep(0.05 if k == 0 else 0.0)
        return k * k

    assert list(Effort.of("full", 3).map(slow_first, range(6))) == [0, 1, 4, 9, 16, 25]
    assert len(seen) > 1
    assert Effort.of("quick").workers == available_cores() >= 1
    assert list(EFFORTS) == ["full", "quick"]


def test_the_fault_of_one_item_ends_the_others():
    done = []

    def fail(k):
        if k == 1:
            raise ValueError("of this item")
        time.sleep(0.01)
        done.append(k)

    with pytest.raises(ValueError, match="of this item"):
        list(Effort.of("full", 2).map(fail, range(200)))
    assert len(done) < 100


@pytest.fixture(scope="module")
def lesson():
    """Samples, two networks of 6 channels fitted to them, and their domain."""
    problem = problem_of(samples_of(curved_law(), 30), CUBIC.laue_rotations)
    members = [fit_network(problem, Shape((2, 3), 6, 1e-6), seed) for seed in (0, 1)]
    return problem, members, Domain.of_strains(problem.x, problem.rotations)


def test_the_narrowest_law_within_the_tolerance_is_taken(lesson):
    problem, members, domain = lesson
    rough, fine = (distil(problem, members, [0.5, 0.5], domain, 0, error=error) for error in (0.5, 1e-4))
    assert len(rough.student.biases) == 4 < len(fine.student.biases)  # 96 units: fewer save nothing
    for found in (rough, fine):
        best = min(width.error for width in found.widths)
        own = next(width for width in found.widths if width.units == 24 * len(found.student.biases))
        assert own.error <= TOLERANCE * best
    x = random_strains(domain, 100, np.random.default_rng(5))
    mean = (members[0].predict(x) + members[1].predict(x)) / 2
    deviation = np.linalg.norm(fine.student.predict(x) - mean) / np.linalg.norm(mean)
    stated = next(width.deviation for width in fine.widths if width.units == 24 * len(fine.student.biases))
    assert 0.3 * stated < deviation < 3 * stated


def test_units_that_are_asked_for_are_taken(lesson):
    problem, members, domain = lesson
    assert len(distil(problem, members, [0.5, 0.5], domain, 0, units=100).student.biases) == 4
    with pytest.raises(CalibrationError, match="24 operations"):
        distil(problem, members, [0.5, 0.5], domain, 0, units=23)
