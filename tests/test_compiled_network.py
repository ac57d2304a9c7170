"""The compiled fit of a series + network against the same in NumPy; without a compiler NumPy takes over with a warning."""

import numpy as np
import pytest

from constitutive.code_cache import CompilerError
from constitutive.fitting import FitProblem, Shape, compiled_network, fit_network
from constitutive.fitting.compiled_network import SlowFitWarning, compiled
from constitutive.fitting.levenberg_marquardt import levenberg_marquardt
from constitutive.fitting.series_network import SeriesNetworkResidual
from constitutive.symmetry import PointGroup


def problem(symbol, n, *, normed=False):
    """Random strains with a smooth stress that is not quadratic."""
    rng = np.random.default_rng(n)
    x = 0.05 * rng.normal(size=(n, 6))
    y = 100 * x / (1 + 3 * np.abs(x)) + 20 * x[:, :3].sum(1, keepdims=True)
    norm = np.eye(6) + 0.3 * rng.normal(size=(n, 6, 6)) if normed else np.broadcast_to(np.eye(6), (n, 6, 6)).copy()
    return FitProblem(x, y, norm, np.array(PointGroup.from_symbol(symbol).laue_rotations))


CASES = [("m-3m", 13, (2, 3), 5, False), ("-1", 8, (2,), 3, False), ("2/m", 10, (), 4, True), ("6/mmm", 11, (2, 3, 4), 0, True)]


@pytest.fixture
def code():
    found = compiled()
    if found is None:
        pytest.fail("the test environment has a C compiler")
    return found


@pytest.mark.parametrize(("symbol", "n", "degrees", "channels", "normed"), CASES)
def test_residual_and_jacobian_agree_with_numpy(code, symbol, n, degrees, channels, normed):
    equations = SeriesNetworkResidual(problem(symbol, n, normed=normed), Shape(degrees, channels, 1e-5), None, 1)
    theta = np.random.default_rng(2).normal(size=len(equations.ridge))
    residual, jacobian = equations.linearised(theta)
    assert residual == pytest.approx(equations.residual(theta), abs=1e-12)
    assert jacobian == pytest.approx(equations.jacobian(theta), abs=1e-12)
    other = theta + 1e-3
    assert not np.allclose(jacobian, equations.jacobian(other), atol=1e-6) or not channels  # control: it depends on the parameters


@pytest.mark.parametrize(("symbol", "n", "degrees", "channels", "normed"), CASES)
def test_a_few_steps_agree_with_numpy(code, symbol, n, degrees, channels, normed):
    equations = SeriesNetworkResidual(problem(symbol, n, normed=normed), Shape(degrees, channels, 1e-3), None, 1)
    first = equations.start()
    own = equations.minimise(4, first)
    other = levenberg_marquardt(equations.residual, equations.jacobian, first, equations.ridge, steps=4)
    assert own.parameters == pytest.approx(other.parameters, abs=1e-6)
    assert (own.steps, own.converged) == (other.steps, other.converged)
    assert own.objective == pytest.approx(other.objective, rel=1e-9)


def test_a_fit_ends_where_the_slope_vanishes(code):
    equations = SeriesNetworkResidual(problem("m-3m", 13), Shape((2,), 2, 1e-2), None, 0)
    minimum = equations.minimise(500)
    residual, jacobian = equations.linearised(minimum.parameters)
    slope = jacobian.T @ residual + equations.ridge * minimum.parameters
    start = equations.start()
    residual, jacobian = equations.linearised(start)
    before = jacobian.T @ residual + equations.ridge * start
    assert minimum.converged
    assert np.linalg.norm(slope) < 1e-3 * np.linalg.norm(before)


def test_without_a_compiler_numpy_fits_and_says_so(code, monkeypatch):
    def refuse(*_args):
        raise CompilerError("no compiler")

    with_code = fit_network(problem("m-3m", 9), Shape((2,), 2, 1e-2), steps=3)
    monkeypatch.setattr(compiled_network, "load", refuse)
    compiled_network._compiled.cache_clear()
    try:
        with pytest.warns(SlowFitWarning, match="no compiler"):
            without = fit_network(problem("m-3m", 9), Shape((2,), 2, 1e-2), steps=3)
    finally:
        compiled_network._compiled.cache_clear()
    assert without.linear_parameters == pytest.approx(with_code.linear_parameters, abs=1e-9)
