"""The energy–strain method: constants within their errors, an offset that does not count, strains that leave constants open."""

import json

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from constitutive.calibration import calibrate_energies, read_energies
from constitutive.cli import app
from constitutive.errors import CalibrationError, DataError
from constitutive.kinematics import green_lagrange_strain
from constitutive.material import Material

C2 = {"C11": 320.0, "C12": 95.0, "C44": 145.0}
C3 = {"C111": -3900.0, "C112": -200.0, "C123": 90.0, "C144": 100.0, "C155": -700.0, "C456": 120.0}
MODES = [np.diag([1.0, 0, 0]), np.diag([1.0, 1, 1]), np.diag([1.0, -1, 0]), np.array([[0, 0, 0], [0, 0, 1.0], [0, 0, 0]])]


def energies(noise=0.0, modes=MODES):
    F = np.array([np.eye(3) + t * mode for mode in modes for t in np.linspace(-0.02, 0.02, 9)])
    W = Material.from_constants("m-3m", C2, C3).law.energy(torch.from_numpy(green_lagrange_strain(F))).numpy()
    return F, W + noise * np.random.default_rng(0).normal(size=len(W))


def table(material):
    return material.card["constants_GPa"]["2"]


def test_exact_energies_give_the_constants_back():
    F, W = energies()
    material = calibrate_energies(F, W, "m-3m")
    for name, value in C2.items():
        assert table(material)[name][0] == pytest.approx(value, rel=2e-3)
    assert material.stiffness_voigt()[0, 0] == pytest.approx(table(material)["C11"][0], rel=1e-9)


def test_noise_stays_within_the_stated_errors():
    F, W = energies(noise=2e-4)
    for name, value in C2.items():
        found, error = table(calibrate_energies(F, W, "m-3m"))[name]
        assert 0.05 < error < 0.3 * value
        assert abs(found - value) < 4 * error


def test_a_constant_added_to_all_energies_does_not_count():
    F, W = energies()
    plain, shifted = (table(calibrate_energies(F, energy, "m-3m")) for energy in (W, W + 5000.0))
    assert shifted["C44"][0] == pytest.approx(plain["C44"][0], rel=1e-4)


def test_strains_that_leave_constants_open_are_refused():
    F, W = energies(modes=MODES[:3])
    with pytest.raises(CalibrationError, match="determine 2 of the 3 second-order constants"):
        calibrate_energies(F, W, "m-3m")
    with pytest.raises(CalibrationError, match="one finite number"):
        calibrate_energies(F, np.where(np.arange(len(W)) == 3, np.nan, W), "m-3m")


def test_energies_survive_saving(tmp_path):
    F, W = energies()
    material = calibrate_energies(F, W, "m-3m", name="oxide")
    material.save(tmp_path / "m")
    assert table(Material.load(tmp_path / "m")) == table(material)


def test_the_command_takes_a_file_of_energies(tmp_path):
    F, W = energies()
    document = {"F": F.tolist(), "W": (1000 * W).tolist(), "units": {"W": "MPa"}, "point_group": "m-3m", "schema_version": 1}
    path = tmp_path / "energies.json"
    path.write_text(json.dumps(document))
    result = CliRunner().invoke(app, ["calibrate", str(path), "--out", str(tmp_path / "m"), "--json"])
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["constants_GPa"]["2"]["C11"][0] == pytest.approx(320, rel=2e-3)
    path.write_text(json.dumps({key: value for key, value in document.items() if key != "units"}))
    with pytest.raises(DataError, match="energies W without units"):
        read_energies(path)
