"""Sets on classical paths of strain: what few strains do not determine is no finding."""

import ase.io
import numpy as np
import pytest
from ase import units
from ase.build import bulk
from ase.calculators.emt import EMT
from intake_cases import invoke, named
from test_intake_samples import classical_paths, strained

from constitutive.data import StressStrainData
from constitutive.fitting.polynomial_basis import determined_degree, highest_degree
from constitutive.intake import check
from constitutive.intake.groups import declared_group
from constitutive.intake.repeated_states import repeated_states
from constitutive.tensors.packing import to_mandel


def one_step(size=0.01):
    """Six modes, one strain of either sign."""
    return classical_paths((size,))[1:13]


@pytest.mark.parametrize("name", ["silicon", "gallium_nitride"])
def test_one_strain_of_either_sign_on_each_path_is_good(sets, name):
    """A linear and a cubic term of the stress cannot be distinguished, and neither can stress measures."""
    report = check(strained(sets[name], one_step()))
    assert report.findings == ()
    assert any("stress at zero strain: not determined" in remark for remark in report.undecided)


def test_one_strain_of_either_sign_still_tells_the_sign(sets):
    data = strained(sets["silicon"], one_step())
    assert named(check(data.replace(cauchy=-data.cauchy)))[:1] == ["sign"]


def test_energies_of_a_short_series_are_compared_less_strictly(sets):
    """What the terms of third order add to W is no other unit (EMT gold: 1.18 times the prediction)."""
    data = strained(sets["silicon"], one_step())
    assert check(data.replace(W=1.15 * data.W)).findings == ()
    assert named(check(data.replace(W=10 * data.W))) == ["unit"]  # control


def test_the_degree_is_that_which_the_strains_determine(sets):
    data = strained(sets["copper"], one_step())
    group, x = declared_group(data), to_mandel(data.green_lagrange_strain)
    assert (highest_degree(group, len(x)), determined_degree(group, x)) == (4, 2)
    two_sizes = to_mandel(np.array(classical_paths((0.01, 0.02))))
    assert determined_degree(group, two_sizes) == 4
    everywhere = to_mandel(sets["copper"].green_lagrange_strain)
    assert determined_degree(group, everywhere, limit=6) == highest_degree(group, len(everywhere), limit=6) == 6


def test_the_unstrained_state_of_each_path_is_a_remark(sets):
    strains = classical_paths((0.01, 0.02))
    data = strained(sets["copper"], [*strains, np.zeros((3, 3)), np.zeros((3, 3))])
    report = check(data)
    assert report.findings == ()
    assert any("the unstrained state is in the data 3 times" in remark for remark in report.undecided)
    # controls: another stress in it, and another state twice
    sigma = data.cauchy.copy()
    sigma[-1] += np.diag([0.3, 0.0, 0.0])
    assert named(check(data.replace(cauchy=sigma)))[0] == "duplicates"
    assert named(check(data.select([*range(len(strains)), 3]))) == ["duplicates"]


def test_noise_of_the_unstrained_state_is_no_temperature(sets):
    strains = classical_paths((0.01, 0.02))
    data = strained(sets["copper"], [*strains, *[np.zeros((3, 3))] * 5])
    noise = np.random.default_rng(0).normal(size=data.cauchy.shape)
    size = np.sqrt((data.cauchy**2).sum((1, 2)).mean())
    noise = size * (noise + noise.swapaxes(1, 2))
    assert check(data.replace(cauchy=data.cauchy + 0.001 * noise)).findings == ()
    assert repeated_states(data.replace(cauchy=data.cauchy + 0.02 * noise)) is not None  # control


# --- frames at a temperature, as `convert` takes them ---


@pytest.fixture
def trajectory(tmp_path):
    """Frames of one cell of EMT copper with displaced atoms, and the mean of their stresses (GPa)."""
    rng, frames = np.random.default_rng(1), []
    for _ in range(8):
        atoms = bulk("Cu", cubic=True)
        atoms.positions += rng.normal(scale=0.05, size=atoms.positions.shape)
        atoms.calc = EMT()
        atoms.get_stress()
        frames.append(atoms)
    ase.io.write(tmp_path / "cu.traj", frames)
    return tmp_path / "cu.traj", np.mean([atoms.get_stress(voigt=False) for atoms in frames], 0) / units.GPa


def test_frames_of_a_code_are_averaged_and_that_is_said(trajectory, tmp_path):
    source, mean = trajectory
    result = invoke("convert", source, "-o", tmp_path / "mean.json")
    words = " ".join(result.output.split())
    assert "1 sample of Cu" in words
    assert "8 frames of 1 cell whose stresses differ, as at a temperature, were averaged" in words
    assert "standard errors of" in words
    assert "kinetic part" in words
    data = StressStrainData.load(tmp_path / "mean.json")
    np.testing.assert_allclose(data.cauchy, mean[None], atol=1e-6)
    assert data.model_extra["frames"] == [8]


def test_frames_are_kept_where_the_user_says_so(trajectory, tmp_path):
    result = invoke("convert", trajectory[0], "--no-average", "-o", tmp_path / "frames.json")
    assert "were kept (--average takes the mean)" in " ".join(result.output.split())
    assert len(StressStrainData.load(tmp_path / "frames.json")) == 8
    # a data set of ours is what its maker meant: it is averaged only where that is asked for
    again = invoke("convert", tmp_path / "frames.json", "-o", tmp_path / "again.json")
    assert "were kept" in " ".join(again.output.split())
    assert len(StressStrainData.load(tmp_path / "again.json")) == 8
