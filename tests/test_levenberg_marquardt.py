"""Levenberg–Marquardt: known minima, the ridge, a start at the minimum, too few steps."""

import itertools

import numpy as np
import pytest

from constitutive.fitting import levenberg_marquardt


def rosenbrock(p):
    return np.array([10 * (p[1] - p[0] ** 2), 1 - p[0]])


def slope(p):
    return np.array([[-20 * p[0], 10.0], [-1.0, 0.0]])


def test_a_curved_valley_is_followed_to_its_end():
    found = levenberg_marquardt(rosenbrock, slope, np.array([-1.2, 1.0]), np.zeros(2))
    assert found.parameters == pytest.approx([1, 1], abs=1e-6)
    assert found.objective < 1e-12
    assert found.converged


def test_a_wrong_jacobian_does_not_reach_it():
    """Control: with the sign of one row turned the minimum is missed."""
    wrong = levenberg_marquardt(rosenbrock, lambda p: slope(p) * [[1.0], [-1.0]], np.array([-1.2, 1.0]), np.zeros(2))
    assert wrong.objective > 1e-3


def test_a_linear_problem_with_ridge_has_its_closed_form():
    rng = np.random.default_rng(0)
    A, b, ridge = rng.normal(size=(12, 4)), rng.normal(size=12), np.array([0.1, 1.0, 10.0, 0.0])
    found = levenberg_marquardt(lambda p: A @ p - b, lambda _: A, np.zeros(4), ridge)
    exact = np.linalg.solve(A.T @ A + np.diag(ridge), A.T @ b)
    assert found.parameters == pytest.approx(exact, abs=1e-6)
    assert found.objective == pytest.approx(np.sum((A @ exact - b) ** 2) + ridge @ exact**2, rel=1e-9)


def test_the_objective_never_rises_and_steps_are_counted():
    start = np.array([-1.2, 1.0])
    values = [levenberg_marquardt(rosenbrock, slope, start, np.zeros(2), steps=n).objective for n in range(6)]
    assert values[0] == pytest.approx(float(np.sum(rosenbrock(start) ** 2)))
    assert all(after <= before for before, after in itertools.pairwise(values))
    few = levenberg_marquardt(rosenbrock, slope, start, np.zeros(2), steps=3)
    assert (few.steps, few.converged) == (3, False)


def test_at_the_minimum_nothing_moves():
    found = levenberg_marquardt(rosenbrock, slope, np.ones(2), np.zeros(2))
    assert found.converged
    assert found.steps == 0
    assert np.array_equal(found.parameters, np.ones(2))
