"""Calibration on all samples of a large file: the subset, the normal equations, and what they are worth."""

import json

import numpy as np
import pytest
import torch
from command_line import run

from constitutive import Material, StressStrainData, calibrate, shipped
from constitutive.calibration import calibrate_large
from constitutive.calibration.streaming import NormalEquations, subset_by_leverage
from constitutive.data.large import open_large, write_chunks
from constitutive.kinematics import green_lagrange_strain, right_stretch

NOISE = 0.05  # GPa
SAMPLES = 6000


def copper(F, stress):
    structure = Material.load("copper").structure
    return StressStrainData(
        name="copper", units="GPa", lattice=structure.lattice.matrix, species=[site.species_string for site in structure],
        frac_coords=structure.frac_coords, F=F, second_piola_kirchhoff=stress,
    )  # fmt: skip


def states(count, seed):
    rng = np.random.default_rng(seed)
    A = rng.normal(size=(count, 3, 3))
    E = (A + A.transpose(0, 2, 1)) / 2
    E *= (0.05 * rng.uniform(size=count) / np.linalg.norm(E, axis=(1, 2)))[:, None, None]
    return right_stretch(E), Material.load("copper").law.stress(torch.from_numpy(E)).numpy()


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    """Samples of copper's law with noise; one in five hundred of them is nonsense."""
    F, S = states(SAMPLES, 0)
    rng = np.random.default_rng(1)
    noise = rng.normal(size=S.shape) * NOISE
    S = S + (noise + noise.transpose(0, 2, 1)) / 2
    S[::500] += np.array([[0, 60, 0], [60, 0, -40], [0, -40, 20]])
    path = tmp_path_factory.mktemp("large") / "copper.h5"
    write_chunks(path, (copper(F[k : k + 1500], S[k : k + 1500]) for k in range(0, SAMPLES, 1500)))
    return path


def error_of(material):
    F, S = states(500, 2)
    T = material.law.stress(torch.from_numpy(green_lagrange_strain(F))).numpy()
    return np.linalg.norm(T - S) / np.linalg.norm(S)


def test_all_samples_give_a_better_law_than_the_subset(file):
    with open_large(file) as source:
        subset = subset_by_leverage(source, 150)
    few = calibrate(subset, laws="series")
    many = calibrate_large(file, subset=150, laws="series")
    assert error_of(many) < 0.5 * error_of(few)
    (note,) = [note for note in many.report.notes if note.startswith("amplitudes and coefficients were fitted to")]
    assert "the directions of the network to" in note
    (gross,) = [note for note in many.report.notes if "not fitted to" in note]
    assert gross.startswith(f"{SAMPLES // 500} samples err more than 10 times")


def test_a_network_keeps_its_symmetry(file):
    many = calibrate_large(file, subset=60, effort="quick", units=48)
    assert many.law.symmetry_residual(many.point_group.laue_rotations) < 1e-12
    assert error_of(many) < 0.01


def test_leverage_draws_the_samples_that_determine_most(file):
    with open_large(file) as source:
        chosen, everything = subset_by_leverage(source, 200), source.all()
        again, other = subset_by_leverage(source, 200), subset_by_leverage(source, 200, seed=1)
    size = np.linalg.norm(chosen.green_lagrange_strain, axis=(1, 2))
    assert np.median(size) > 1.2 * np.median(np.linalg.norm(everything.green_lagrange_strain, axis=(1, 2)))
    assert (again.F == chosen.F).all()
    assert not np.array_equal(other.F, chosen.F)
    assert chosen.provenance["sampled"] == f"200 of {SAMPLES} samples by leverage, seed 0"


def test_normal_equations_give_the_error_of_any_parameters():
    rng = np.random.default_rng(0)
    design, target, theta = rng.normal(size=(40, 6, 5)), rng.normal(size=(40, 6)), rng.normal(size=5)
    sums = NormalEquations(np.zeros((5, 5)), np.zeros(5))
    for part in (slice(0, 15), slice(15, 40)):
        sums.add(design[part], target[part])
    expected = np.linalg.norm(design @ theta - target) / np.linalg.norm(target)
    assert sums.relative_error(theta) == pytest.approx(expected, rel=1e-12)
    assert sums.samples == 40


def test_a_small_file_is_calibrated_as_it_is(tmp_path):
    data = StressStrainData.load(shipped("silicon") / "data.json")
    data.save(tmp_path / "silicon.h5")
    few, same = calibrate(data, laws="series"), calibrate_large(tmp_path / "silicon.h5", laws="series")
    assert (few.stiffness_voigt() == same.stiffness_voigt()).all()


def test_the_command_takes_all_samples_of_a_large_file(file, tmp_path):
    done = run("calibrate", file, "--laws", "series", "--out", tmp_path / "copper", "--json")
    assert done.returncode == 0, done.stderr
    assert any(note.startswith("amplitudes and coefficients were fitted to 5,7") for note in json.loads(done.stdout)["notes"])
