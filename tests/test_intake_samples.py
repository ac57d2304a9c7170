"""Samples that are not what they seem: frames at a temperature, stresses of other samples, clamped ions without forces, path sets."""

import numpy as np
import pytest
from ase.build import bulk
from fitted_law import fitted_law
from intake_cases import invoke, named

from constitutive.data import StressStrainData
from constitutive.data.averages import averaged, error_of_mean
from constitutive.intake import IntakeError, check
from constitutive.intake.groups import declared_group
from constitutive.intake.ions import forces_vanish
from constitutive.kinematics import cauchy_from_second_piola


def strained(data, strains):
    """Symmetric strains of a crystal with the stresses that a law fitted to its data gives."""
    E = np.asarray(strains, dtype=float)
    values, axes = np.linalg.eigh(np.eye(3) + 2 * E)
    F = (axes * np.sqrt(values)[:, None, :]) @ axes.swapaxes(1, 2)
    W, S = fitted_law(data, declared_group(data))(E)
    bare = dict.fromkeys(("positions", "forces", "clamped_cauchy", "clamped_W", "clamped_forces"))
    return data.head(1).replace(F=F, W=W, cauchy=cauchy_from_second_piola(F, S), **bare)


def classical_paths(sizes=(0.005, 0.01, 0.02)):
    """Six modes with both signs, and volumes."""
    strains = [np.zeros((3, 3))]
    for i, j in ((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1)):
        for size in sizes:
            for sign in (1, -1):
                E = np.zeros((3, 3))
                E[i, j] = E[j, i] = sign * size
                strains.append(E)
    return strains + [e * np.eye(3) for e in (-0.02, -0.01, 0.01, 0.02)]


@pytest.mark.parametrize("name", ["copper", "gallium_nitride"])
def test_classical_paths_are_good(sets, name):
    data = strained(sets[name], classical_paths((0.01, 0.02)))
    assert check(data).findings == ()
    assert named(check(data.replace(cauchy=-data.cauchy))) == ["sign"]  # control


def test_energies_with_another_slope_do_not_hide_the_sign(sets):
    """Energies at fixed cutoff have a slope at zero strain that the stress does not have."""
    data = strained(sets["copper"], classical_paths())
    pulay = data.replace(W=data.W - 5.0 * np.trace(data.green_lagrange_strain, axis1=1, axis2=2))
    report = check(pulay)
    assert report.findings == ()
    assert any("slope of -5" in remark for remark in report.undecided)
    assert named(check(pulay.replace(cauchy=-data.cauchy)))[:1] == ["sign"]  # control


# --- stresses of other samples ---


def as_text(n):
    """The order of run_1 … run_n sorted as text."""
    return np.array(sorted(range(1, n + 1), key=str)) - 1


@pytest.mark.parametrize(("name", "n"), [("copper", 12), ("copper", 15), ("gallium_nitride", 40)])
def test_files_sorted_as_text_are_found(sets, name, n):
    good = sets[name].head(n)
    bad = good.replace(cauchy=good.cauchy[as_text(n)], W=None)
    report = check(bad)
    (finding,) = report.findings
    assert (finding.fault, finding.is_sure) == ("pairing", True)
    assert "run_10" in finding.message
    assert check(good).ok  # control
    with pytest.raises(IntakeError, match="pairing"):
        report.require_sound()


def test_any_order_is_found(sets):
    good = strained(sets["copper"], np.random.default_rng(0).normal(size=(15, 3, 3)) * 0.01)
    good = strained(sets["copper"], (good.green_lagrange_strain + good.green_lagrange_strain.swapaxes(1, 2)) / 2)
    order = np.random.default_rng(1).permutation(15)
    assert named(check(good.replace(cauchy=good.cauchy[order], W=None))) == ["pairing"]


def test_what_no_reading_explains_is_never_called_good(sets):
    noise = np.random.default_rng(0).normal(size=(12, 3, 3))
    report = check(sets["copper"].head(12).replace(cauchy=noise + noise.swapaxes(1, 2), W=None))
    assert not report.ok


# --- frames of one cell ---


def frames_at_temperature(good, cells=1, frames=30):
    rng = np.random.default_rng(4)
    noise = rng.normal(size=(cells * frames, 3, 3))
    which = np.repeat(np.arange(cells), frames)
    sigma = good.cauchy[which] + 0.3 * (noise + noise.swapaxes(1, 2))
    return good.select(which).replace(cauchy=sigma, W=None, positions=None, forces=None)


def test_frames_of_one_cell_are_one_state(sets):
    report = check(frames_at_temperature(sets["copper"]))
    (finding,) = report.findings
    assert (finding.fault, finding.mend) == ("thermal_frames", "--average")
    assert "standard errors" in finding.message
    assert "kinetic" in finding.message
    assert len(finding.samples) == 30


def test_frames_are_averaged_with_their_standard_errors(sets, tmp_path):
    good = sets["copper"]
    many = frames_at_temperature(good, cells=8)
    assert named(check(many))[0] == "thermal_frames"
    many.save(tmp_path / "many.json")
    assert invoke("convert", tmp_path / "many.json", "--average", "-o", tmp_path / "one.json").exit_code == 0
    one = StressStrainData.load(tmp_path / "one.json")
    assert len(one) == 8
    errors = np.array(one.model_extra["stress_standard_error"])
    assert one.model_extra["frames"] == [30] * 8
    assert 0.03 < errors[errors > 0].mean() < 0.15
    assert (np.abs(one.cauchy - good.cauchy[:8]) < 5 * errors).all()
    assert "thermal_frames" not in named(check(one))


def series_in_time(kind, n, rng):
    """Many stationary series: independent, correlated over some 4 or 19 steps, and oscillating ones."""
    noise = rng.normal(size=(n + 300, 1000))
    first, second = {"independent": (0, 0), "short": (0.6, 0), "long": (0.9, 0), "oscillating": (1.115, -0.64)}[kind]
    x = np.zeros_like(noise)
    for t in range(2, len(x)):
        x[t] = first * x[t - 1] + second * x[t - 2] + noise[t]
    return x[300:]


@pytest.mark.parametrize("kind", ["independent", "short", "long", "oscillating"])
@pytest.mark.parametrize("n", [60, 200])
def test_the_standard_error_is_the_scatter_of_independent_series(kind, n):
    series = series_in_time(kind, n, np.random.default_rng(0))
    scatter = series.mean(0).std()
    assert np.sqrt(np.mean(error_of_mean(series) ** 2)) == pytest.approx(scatter, rel=0.2)
    if kind == "long":  # control: as if the frames were independent
        assert np.mean(series.std(0, ddof=1)) / np.sqrt(n) < 0.5 * scatter


def test_repetitions_are_no_frames(sets):
    """Control: the same state written twice is a duplicate."""
    good = sets["copper"].head(40)
    assert named(check(good.select([*range(40), *[3] * 6]))) == ["duplicates"]
    assert len(averaged(good)) == 40


# --- clamped ions whose forces vanish ---


def test_forces_vanish_by_symmetry():
    atoms = bulk("Si", "diamond", a=5.43)
    data = StressStrainData(
        F=np.eye(3)[None],
        cauchy=np.zeros((1, 3, 3)),
        units="GPa",
        lattice=atoms.cell[:],
        species=["Si", "Si"],
        frac_coords=atoms.get_scaled_positions(),
    )
    assert forces_vanish(data, np.diag([1.01, 1.0, 0.99]))
    assert not forces_vanish(data, np.array([[1.0, 0.01, 0], [0.01, 1, 0], [0, 0, 1]]))


@pytest.mark.parametrize("declared", ["clamped", None])
def test_clamped_ions_without_forces_are_no_mixture(sets, declared):
    good = sets["silicon"]
    paths = strained(good, classical_paths())
    shear = np.abs(paths.green_lagrange_strain[:, [1, 0, 0], [2, 2, 1]]).max(1)
    forces = np.zeros((len(paths), 2, 3))
    forces[:, 0, 0], forces[:, 1, 0] = 40 * shear, -40 * shear  # stretches along the cube axes leave none
    clamped = paths.replace(forces=forces, ions=declared)
    assert check(clamped).findings == ()
    assert named(check(clamped.replace(cauchy=-clamped.cauchy, W=None))) == ["sign"]  # the rest is still examined
    relaxed = np.where((np.arange(len(paths)) % 3 == 0)[:, None, None], 0.001, forces)
    assert "clamped_mixture" in named(check(paths.replace(forces=relaxed)))  # control: sheared and without forces


def test_samples_of_no_weight_are_not_judged(sets):
    good = sets["copper"]
    sigma = good.cauchy.copy()
    sigma[[3, 9]] *= 2
    weights = np.ones(len(good))
    weights[[3, 9]] = 0
    assert named(check(good.replace(cauchy=sigma, stress_weights=weights))) == []
    assert named(check(good.replace(cauchy=sigma))) == ["outliers"]  # control
