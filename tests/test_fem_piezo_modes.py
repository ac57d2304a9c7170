"""Thickness modes of quartz plates against closed forms."""

import numpy as np
import pytest
from piezo_cases import X_CUT, Strip, about_x, quartz
from test_fem import on_ranks

from constitutive.errors import SolveError
from constitutive.fem import Dynamics, buckling


@pytest.mark.parametrize(
    ("cut", "shorted", "expected"),
    [
        ("X", False, 2873.600),
        ("X", True, 2863.638),
        ("AT", False, 1661.177),
        ("AT", True, 1655.951),
        ("wrong sign", False, 2065.0),
    ],
)
def test_frequency_constants_of_plates(cut: str, shorted: bool, expected: float) -> None:
    """Open, D·n = 0, and short-circuited; the AT cut is (YXl) −35.25° in the signs of IEEE 1978, +35.25° is another plate."""
    R = {"X": X_CUT, "AT": about_x(35.25), "wrong sign": about_x(-35.25)}[cut]
    found = Strip(quartz(), R, shorted=shorted).frequencies()
    mode = np.abs(found - expected).argmin()
    assert found[mode] == pytest.approx(expected, abs=0.005 if cut != "wrong sign" else 0.05)
    assert mode == (2 if cut == "X" else 0)  # the slowest of the AT cut; the extensional one of the X cut


def test_coupling_factor_of_the_at_cut() -> None:
    """tan X = X/k² at the short-circuited resonance, X = π/2 · f_short/f_open (Tiersten 1969): k = 0.0880."""
    parallel, series = (Strip(quartz(), about_x(35.25), shorted=shorted).frequencies()[0] for shorted in (True, False))
    X = np.pi / 2 * parallel / series
    assert np.sqrt(X / np.tan(X)) == pytest.approx(0.0880, abs=5e-5)


def test_what_is_not_written_for_potentials_says_so() -> None:
    plate = Strip(quartz(), X_CUT, shorted=True)
    with pytest.raises(SolveError, match="motion in time"):
        Dynamics(plate.problem, density=2650.0)
    with pytest.raises(SolveError, match="the tangent of the load path"):
        buckling(plate.problem)


def test_ties_and_metals_on_two_ranks() -> None:
    one, two = (on_ranks(ranks, "strip", script="piezo_cases.py") for ranks in (1, 2))
    np.testing.assert_allclose(two["frequencies"], one["frequencies"], rtol=1e-8)
    np.testing.assert_allclose(two["numbers"], one["numbers"], rtol=1e-8, atol=1e-15)
    assert one["numbers"][2] == pytest.approx(1.0, rel=1e-9)  # pC, as given
    assert np.abs(one["reaction"]).max() < 1e-12  # no load: the support carries nothing in all
