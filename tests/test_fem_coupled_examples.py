"""Each example of a coupled solid holds its claim."""

from pathlib import Path

import piezo_actuator
import pytest
import quartz_resonator
import thermal_stress
from test_fem_examples import png


def test_quartz_resonator(tmp_path: Path) -> None:
    """Bechmann, Ballato and Lukaszek's coefficients give the AT cut its sign and its zero; the other sign is the control."""
    figures = quartz_resonator.main(tmp_path, angles=5, cells=6)
    assert figures["N of AT, open (kHz mm)"] == pytest.approx(1661.177, abs=0.005)
    assert figures["N of AT, short (kHz mm)"] == pytest.approx(1655.951, abs=0.005)
    assert figures["k of AT"] == pytest.approx(0.0880, abs=1e-4)
    assert figures["slowest N at 35.25 (kHz mm)"] == pytest.approx(2065.0, abs=0.05)
    assert figures["ppm/K at AT"] == pytest.approx(-0.81, abs=0.01)
    assert figures["angle of no change"] == pytest.approx(-35.09, abs=0.005)
    assert figures["ppm/K at 35.25"] == pytest.approx(29.7, abs=0.1)
    assert png(tmp_path / "resonator.png")


def test_piezo_actuator(tmp_path: Path) -> None:
    """The other hand bends the other way."""
    figures = piezo_actuator.main(tmp_path, along=10)
    right, left = (figures[f"deflection / theory, {hand}"] for hand in ("right", "left"))
    assert right == pytest.approx(1, abs=0.02)
    assert left == pytest.approx(-right, rel=1e-6)
    for hand, sign in (("right", 1), ("left", -1)):
        assert figures[f"deflection / arc at 20 kV, {hand}"] == pytest.approx(sign, abs=0.025)
        assert figures[f"turn of the end (degrees), {hand}"] == pytest.approx(-7.8 * sign, abs=0.2)
    assert png(tmp_path / "actuator.png")


def test_thermal_stress(tmp_path: Path) -> None:
    figures = thermal_stress.main(tmp_path, across=8, cells=6, grains=12)
    for layer in ("axis across the layers", "axis along them"):
        for axis, theory in (("x", "the same by laminate theory"), ("y", "along y by laminate theory")):
            found, expected = figures[f"stress along {axis}, {layer} (MPa)"], figures[f"{theory}, {layer}"]
            assert found == pytest.approx(expected, abs=0.03 + 0.002 * abs(expected))
    assert abs(figures["along y by laminate theory, axis along them"]) > 20  # control: grains of one orientation have none
    assert figures["largest mean stress of the aggregate (MPa)"] < 1e-6
    assert figures["the same at equal strain"] < figures["volumetric expansion (1e-6/K)"] < figures["the same at equal stress"]
    assert figures["largest Mises stress in it (MPa)"] > 2 * figures["mean Mises stress in it (MPa)"] > 20
    assert png(tmp_path / "thermal.png")
