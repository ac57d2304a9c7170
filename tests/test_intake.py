"""The intake check: every fault named first in a good set, no alarm on good sets, and "cannot tell" where nothing can be told.

benchmarks/intake.py does the same for all sets, variants and pairs.
"""

import json
import shlex
from itertools import count
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from constitutive.cli import app
from constitutive.data import StressStrainData
from constitutive.data.mend import remove_reference_stress
from constitutive.errors import DataError
from constitutive.intake import FAULTS, IntakeError, check, check_file, without_reference_stress
from constitutive.intake.groups import candidate_groups, declared_group, laue_symbol
from constitutive.intake.inject import INJECTORS, inject, inject_pair
from constitutive.symmetry import PointGroup

SETS = Path(__file__).parent / "data" / "intake"
LAUE_CLASSES = ("-1", "2/m", "mmm", "4/m", "4/mmm", "-3", "-3m", "6/m", "6/mmm", "m-3", "m-3m")
NAMES = sorted(path.stem for path in SETS.glob("*.json"))
LAUE = {
    "coesite": "2/m",
    "copper": "m-3m",
    "gallium_nitride": "6/mmm",
    "quartz": "-3m",
    "silicon": "m-3m",
    "silicon_bc8": "m-3",
    "zinc_cadmium_telluride": "mmm",
    "zirconium_copper": "4/mmm",
}
# One set for each fault; the benchmark takes all.
CASES = {
    "transposed_deformation_gradient": "quartz",
    "transposed_cell": "gallium_nitride",
    "component_order": "zirconium_copper",
    "stress_frame": "silicon_bc8",
    "objectivity": "zinc_cadmium_telluride",
    "stress_measure": "copper",
    "sign": "coesite",
    "unit": "gallium_nitride",
    "wrong_group": "quartz",
    "clamped_mixture": "silicon",
    "reference_stress": "zirconium_copper",
    "outliers": "silicon_bc8",
    "duplicates": "copper",
    "coverage": "zinc_cadmium_telluride",
}


@pytest.fixture(scope="module")
def sets():
    return {name: StressStrainData.load(SETS / f"{name}.json") for name in NAMES}


def named(report):
    return [finding.fault for finding in report.findings]


def test_the_sets_are_general(sets):
    assert set(LAUE) == set(NAMES)
    assert len(set(LAUE.values())) >= 5
    for data in sets.values():
        assert data.W is not None
        assert data.forces is not None
        assert np.abs(data.F - data.F.swapaxes(1, 2)).max() > 0.5  # F = R U with R far from the identity


@pytest.mark.parametrize("name", NAMES)
def test_no_alarm_on_good_sets(sets, name):
    report = check(sets[name])
    assert report.ok, report.findings
    assert report.sure_faults() == ()
    assert report.largest_group == report.declared_group == LAUE[name]


def test_no_alarm_on_the_dft_set(silicon_data):
    data = StressStrainData.load(silicon_data)
    for n in (8, 20, 55):
        report = check(data.head(n))
        assert report.ok, report.findings
    assert report.largest_group == "m-3m"
    assert any("transposed F" in remark for remark in report.undecided)  # every F is symmetric: nothing can be told


def test_all_faults_are_tried():
    assert set(CASES) == set(FAULTS) == set(INJECTORS)


@pytest.mark.parametrize("fault", CASES)
def test_each_fault_is_named_first(sets, fault):
    report = check(inject(sets[CASES[fault]], fault, np.random.default_rng(5)))
    assert named(report)[:1] == [fault]
    finding = report.findings[0]
    assert 0.5 < finding.certainty <= 1
    assert not report.ok
    if fault in ("clamped_mixture", "outliers", "duplicates"):
        assert 3 <= len(finding.samples) <= 40


PAIRS = [
    ("quartz", "unit", "component_order"),
    ("gallium_nitride", "transposed_deformation_gradient", "sign"),
    ("silicon_bc8", "stress_measure", "duplicates"),
    ("zirconium_copper", "clamped_mixture", "transposed_cell"),
]


@pytest.mark.parametrize(("name", "first", "second"), PAIRS)
def test_pairs_are_both_named(sets, name, first, second):
    report = check(inject_pair(sets[name], first, second, np.random.default_rng(2)))
    assert set(named(report)[:2]) == {first, second}


def test_samples_are_numbers_of_the_file(sets):
    good = sets["quartz"]
    sigma = good.cauchy.copy()
    sigma[[7, 40]] *= 1.6
    (finding,) = check(good.replace(cauchy=sigma)).findings
    assert (finding.fault, finding.samples) == ("outliers", (7, 40))
    repeated = check(good.select([*range(72), 3, 12])).findings
    assert [(f.fault, f.samples) for f in repeated] == [("duplicates", (72, 73))]


def test_contradicting_duplicates_are_said_to_contradict(sets):
    good = sets["copper"].select([*range(40), 5])
    sigma = good.cauchy.copy()
    sigma[40] *= 1.05
    assert "another stress at 40" in check(good.replace(cauchy=sigma)).findings[0].message


# --- cannot tell ---


def test_symmetric_f_cannot_show_a_transposition(silicon_data):
    data = StressStrainData.load(silicon_data)
    assert check(inject(data, "transposed_deformation_gradient", np.random.default_rng(0))).ok


def test_without_energy_the_unit_is_judged_by_magnitude_only(sets):
    bare = sets["gallium_nitride"].replace(W=None)
    report = check(bare)
    assert report.ok
    assert any("no W" in remark for remark in report.undecided)
    report = check(bare.replace(cauchy=bare.cauchy / 160.2))
    assert named(report)[:1] == ["unit"]
    assert named(check(bare.replace(cauchy=-bare.cauchy)))[:1] == ["sign"]


def test_without_forces_a_mixture_cannot_be_told(sets):
    report = check(sets["quartz"].replace(forces=None, positions=None))
    assert any("neither forces nor positions" in remark for remark in report.undecided)


def test_too_few_samples(sets):
    report = check(sets["copper"].head(3))
    assert report.ok
    assert any("needed 4" in remark for remark in report.undecided)


# --- clamped beside relaxed ions, without forces ---


def parallel(good, relaxed, clamped):
    """Relaxed and clamped samples of one crystal in one file, in any order, without forces and positions."""
    extra = good.model_extra
    spoiled = good.replace(cauchy=np.array(extra["clamped_cauchy"]), W=np.array(extra["clamped_W"]))
    parts = good.select(relaxed), spoiled.select(clamped)
    fields = {name: np.concatenate([getattr(part, name) for part in parts]) for name in ("F", "cauchy", "W")}
    fields |= dict.fromkeys(("clamped_cauchy", "clamped_W", "clamped_forces", "forces", "positions"))
    return good.replace(**fields, ions=None)


@pytest.mark.parametrize("name", ["quartz", "silicon", "silicon_bc8", "zinc_cadmium_telluride", "gallium_nitride", "coesite"])
def test_two_parallel_sets_are_a_mixture(sets, name):
    good = sets[name].head(72)
    both = parallel(good, slice(None), slice(None)).select(np.random.default_rng(4).permutation(144))
    clamped = np.nonzero(np.random.default_rng(4).permutation(144) >= 72)[0]
    for data in (both, both.replace(W=None), both.replace(W=None, cauchy=-both.cauchy)):
        findings = {finding.fault: finding for finding in check(data).findings}
        assert findings["clamped_mixture"].samples == tuple(clamped)
        assert findings.keys() <= {"clamped_mixture", "sign"}
    assert findings.keys() == {"clamped_mixture", "sign"}


@pytest.mark.parametrize("seed", [1, 2])
def test_parallel_sets_do_not_hide_another_order(sets, seed):
    """A disorder turns the work of a few differences; what is kept must still be one set, in which the order shows."""
    both = parallel(sets["quartz"].head(40), slice(None), slice(None))
    report = check(inject(both, "component_order", np.random.default_rng(seed)))
    assert named(report)[:1] == ["component_order"]
    assert report.findings[1].samples == tuple(range(40, 80))


def test_a_few_strains_twice_are_enough(sets, tmp_path):
    """Twelve of forty strains also with clamped ions; dropping what the finding names mends the set."""
    data = parallel(sets["quartz"].head(40), slice(None), slice(12))
    (finding,) = check(data).findings
    assert (finding.fault, finding.samples) == ("clamped_mixture", tuple(range(40, 52)))
    data.save(tmp_path / "bad.json")
    mended = invoke("convert", tmp_path / "bad.json", "-o", tmp_path / "good.json", *shlex.split(finding.mend))
    assert mended.exit_code == 0, mended.output
    assert check_file(tmp_path / "good.json").ok


@pytest.mark.parametrize("other", ["noise", "scale", "three outliers", "equal", "softer and higher"])
def test_strains_twice_for_another_reason_are_no_mixture(sets, other):
    """Controls: what differs without the rule of a relaxation stays a contradicting duplicate."""
    good = sets["quartz"].head(40)
    both = parallel(good, slice(None), slice(None))
    rng = np.random.default_rng(8)
    noise = rng.normal(size=(40, 3, 3))
    sigma, W = good.cauchy.copy(), good.W.copy()
    if other == "noise":
        sigma += 0.2 * np.abs(sigma).max((1, 2), keepdims=True) * (noise + noise.swapaxes(1, 2))
    elif other == "scale":
        sigma, W = 1.4 * sigma, 1.4 * W
    elif other == "three outliers":
        sigma[[3, 9, 20]] *= 1.5
    elif other == "softer and higher":
        sigma, W = np.array(good.model_extra["clamped_cauchy"]), 0.7 * W
    data = both.replace(cauchy=np.concatenate([good.cauchy, sigma]), W=np.concatenate([good.W, W]))
    assert named(check(data))[:1] == ["duplicates"]
    assert "clamped_mixture" not in named(check(data))


def test_crystals_without_internal_freedom_have_no_mixture(sets):
    good = sets["copper"].replace(forces=None, positions=None, ions=None)
    report = check(good.replace(ions_by_sample=["clamped", "relaxed"] * (len(good) // 2)))
    assert report.ok
    quartz = sets["quartz"].replace(forces=None, positions=None, ions=None)
    mixed = check(quartz.replace(ions_by_sample=["clamped", "relaxed"] * 36))
    assert named(mixed)[:1] == ["clamped_mixture"]  # control


def test_declared_treatments_are_compared(sets, tmp_path):
    """A clamped and a relaxed set, each declared, joined by `convert`; the unstrained cell counts for neither."""
    good = sets["quartz"]
    bare = parallel(good, slice(None), slice(0))
    clamped = parallel(good, slice(0), slice(None)).select(slice(40, 52))
    at_rest = bare.head(1).replace(F=np.eye(3)[None], cauchy=np.zeros((1, 3, 3)), W=np.zeros(1), ions="clamped")
    bare.head(40).replace(ions="relaxed").save(tmp_path / "relaxed.json")
    clamped.replace(ions="clamped").save(tmp_path / "clamped.json")
    at_rest.save(tmp_path / "rest.json")
    sources = [tmp_path / f"{name}.json" for name in ("rest", "relaxed", "clamped")]
    assert invoke("convert", *sources, "-o", tmp_path / "both.json").exit_code == 0
    (finding,) = check_file(tmp_path / "both.json").findings
    assert (finding.fault, finding.samples) == ("clamped_mixture", tuple(range(41, 53)))
    assert "ions_by_sample" in finding.message
    assert invoke("convert", *sources[:2], "-o", tmp_path / "one.json").exit_code == 0
    assert check_file(tmp_path / "one.json").ok  # control: the reference cell alone is no mixture


# --- groups ---


def test_candidate_groups(sets):
    groups = candidate_groups(sets["gallium_nitride"])
    assert {group.symbol for group in groups} == set(LAUE_CLASSES)
    assert [group.order for group in groups] == sorted((group.order for group in groups), reverse=True)
    for symbol in LAUE_CLASSES:
        assert laue_symbol(np.array(PointGroup.from_symbol(symbol).laue_rotations)) == symbol


def test_the_residual_of_groups_above_the_true_one_is_larger(sets):
    """Control: what makes a group borne is the residual, which is large for every group that is not a subgroup."""
    report = check(sets["quartz"])
    assert report.residuals["-3m"] < 0.5 * report.residuals["6/mmm"]
    assert report.residuals["-3m"] < 0.1 * report.residuals["m-3m"]


def test_declared_group_without_structure(sets):
    good = sets["copper"].replace(lattice=None, species=None, frac_coords=None, positions=None)
    assert declared_group(good).symbol == "m-3m"
    assert check(good).ok


# --- findings as calibrate sees them ---


def test_sure_faults_are_raised(sets):
    report = check(inject(sets["silicon"], "sign", np.random.default_rng(0)))
    with pytest.raises(IntakeError, match=r"sign: .*convert --sign pressure") as caught:
        report.require_sound()
    assert caught.value.finding is report.findings[0]
    assert isinstance(caught.value, DataError)
    report.require_sound(allowed=("sign",))
    check(sets["silicon"]).require_sound()


# --- the command line ---

RUN = CliRunner()
MENDED = (
    "unit",
    "sign",
    "component_order",
    "transposed_deformation_gradient",
    "transposed_cell",
    "stress_frame",
    "stress_measure",
    "duplicates",
    "outliers",
    "reference_stress",
)
_SEED = count(11)


def invoke(*arguments):
    return RUN.invoke(app, [str(a) for a in arguments])


@pytest.mark.parametrize("fault", MENDED)
def test_the_proposed_option_mends_it(sets, tmp_path, fault):
    spoiled = inject(sets["gallium_nitride"], fault, np.random.default_rng(next(_SEED)))
    bad, good = tmp_path / "bad.json", tmp_path / "good.json"
    spoiled.save(bad)
    result = invoke("check", bad, "--json")
    told = json.loads(result.stdout)
    assert result.exit_code == 1
    assert not told["ok"]
    assert told["findings"][0]["fault"] == fault
    assert set(told["findings"][0]) == {"fault", "certainty", "samples", "message", "mend"}
    mended = invoke("convert", bad, "-o", good, "--json", *shlex.split(told["findings"][0]["mend"]))
    assert mended.exit_code == 0, mended.output
    assert json.loads(mended.stdout)["samples"] > 60
    again = json.loads(invoke("check", good, "--json").stdout)
    assert again["ok"], again["findings"]
    assert again["largest_group"] == "6/mmm"


def test_check_prints_for_people(silicon_data):
    result = invoke("check", silicon_data)
    assert result.exit_code == 0
    assert "no fault found" in result.stdout
    assert "m-3m" in result.stdout


def test_check_with_another_structure(sets, tmp_path):
    path = tmp_path / "x.json"
    sets["quartz"].save(path)
    wrong = tmp_path / "POSCAR"
    sets["copper"].structure.to(str(wrong), fmt="poscar")
    report = check_file(path, structure=wrong)
    assert report.declared_group == "m-3m"
    assert named(report)[:1] == ["wrong_group"]


def test_a_contradicting_group_is_a_finding_of_check(silicon_data, tmp_path):
    document = json.loads(silicon_data.read_text())
    (tmp_path / "x.json").write_text(json.dumps({**document, "point_group": "6/mmm"}))
    report = check_file(tmp_path / "x.json")
    assert report.findings[0].fault == "wrong_group"
    assert report.findings[0].mend == "--point-group m-3m"


def test_unreadable_files_are_errors(tmp_path):
    (tmp_path / "x.json").write_text("{")
    with pytest.raises(DataError):
        check_file(tmp_path / "x.json")


def test_data_without_rhyme_are_not_ok(sets):
    """Stresses paired with the wrong samples fit no reading, and that is said."""
    good = sets["copper"]
    report = check(good.replace(cauchy=np.roll(good.cauchy, 1, axis=0)))
    assert not report.ok
    assert report.residual > 0.4
    assert "no energy" in report.findings[0].message or "axes" in report.findings[0].message


def test_calibrate_stops_on_a_sure_fault_unless_told_otherwise(sets, tmp_path):
    from constitutive.calibration import calibrate
    from constitutive.errors import CalibrationError

    spoiled = inject(sets["copper"], "component_order", np.random.default_rng(0))
    with pytest.raises(IntakeError, match="component_order") as caught:
        calibrate(spoiled, laws="series")
    assert caught.value.finding == check(spoiled).findings[0]
    with pytest.raises(CalibrationError, match=r"no fault|needed names"):
        calibrate(spoiled, allow=("nonsense",))
    turned = sets["copper"].replace(W=-sets["copper"].W)  # the stress is right: the user may say so
    with pytest.raises(IntakeError, match="sign"):
        calibrate(turned, laws="series")
    assert calibrate(turned, laws="series", allow=("sign",)).point_group.symbol == "m-3m"
    spoiled.save(tmp_path / "bad.json")
    result = invoke("calibrate", tmp_path / "bad.json", "--out", tmp_path / "made")
    assert result.exit_code != 0
    assert not (tmp_path / "made").exists()


def test_a_stress_in_the_lab_frame_is_found(sets):
    """A Pulay stress does not turn with the crystal; found beside a disorder of the components too."""
    good = sets["gallium_nitride"]
    size = np.sqrt((good.cauchy**2).sum((1, 2)).mean())
    pulay = size * np.array([[0.1, 0.05, 0.02], [0.05, -0.08, 0.0], [0.02, 0.0, 0.03]])
    spoiled = good.replace(cauchy=good.cauchy + pulay)
    (finding,) = check(spoiled).findings
    assert (finding.fault, finding.samples) == ("reference_stress", ())
    both = check(inject(spoiled, "component_order", np.random.default_rng(1)))
    assert named(both) == ["component_order", "reference_stress"]


def test_a_reference_cell_by_columns_is_found(sets):
    good = sets["quartz"]
    (finding,) = check(good.replace(lattice=good.lattice.T.copy(), point_group=None)).findings
    assert (finding.fault, finding.mend) == ("transposed_cell", "--transpose-lattice")


# --- the stress of the reference cell ---


def prestressed(good, *, work=True):
    """Good data with a stress of its reference cell, and with its energy or without."""
    S0 = np.array([[0.6, 0.1, 0.0], [0.1, -0.4, 0.2], [0.0, 0.2, 0.5]])
    W = good.W + work * (good.green_lagrange_strain * S0).sum((1, 2))
    S = good.stress("second_piola_kirchhoff") + S0
    second = good.replace(cauchy=None, second_piola_kirchhoff=S, W=W)
    return S0, good.replace(cauchy=second.stress("cauchy"), W=W)


@pytest.mark.parametrize("work", [True, False])
def test_the_reference_stress_is_taken_off_by_a_fit(sets, work):
    good = sets["gallium_nitride"]
    S0, spoiled = prestressed(good, work=work)
    assert named(check(spoiled)) == ["reference_stress"]
    removal = without_reference_stress(spoiled)
    np.testing.assert_allclose(removal.stress, S0, atol=0.02)
    assert removal.data.measure == "cauchy"
    assert np.abs(removal.data.cauchy - good.cauchy).max() < 0.05
    assert np.abs(spoiled.cauchy - good.cauchy).max() > 0.5  # control
    assert np.abs(removal.data.W - good.W).max() < 0.1 * np.abs((good.green_lagrange_strain * S0).sum((1, 2))).max()
    assert check(removal.data).ok
    with pytest.raises(DataError, match="clear of its error"):
        without_reference_stress(good)


def test_an_unstrained_sample_fixes_the_reference_stress(sets):
    """Three samples, too few for any fit; held-out states lose the same stress, and a stated one no longer holds."""
    good = sets["gallium_nitride"].head(3)
    F = good.F.copy()
    F[1] = np.linalg.qr(F[1])[0] * np.sign(np.linalg.det(np.linalg.qr(F[1])[0]))  # turned, but not strained
    S0, spoiled = prestressed(good.replace(F=F, cauchy=good.cauchy * np.array([1.0, 0, 1])[:, None, None]))
    spoiled = spoiled.with_provenance({}).replace(residual_stress=np.eye(3))
    point = {"F": F[0].tolist(), "cauchy": spoiled.cauchy[0].tolist(), "W": float(spoiled.W[0])}
    spoiled = spoiled.replace(paths=[point])
    removal = without_reference_stress(spoiled)
    assert removal.source == "the unstrained sample 1"
    np.testing.assert_allclose(removal.stress, S0, atol=1e-6)
    np.testing.assert_allclose(removal.data.cauchy[[0, 2]], good.cauchy[[0, 2]], atol=1e-6)
    np.testing.assert_allclose(removal.data.cauchy[1], 0, atol=1e-6)
    np.testing.assert_allclose(removal.data.paths_data().cauchy[0], good.cauchy[0], atol=1e-6)
    assert removal.data.residual_stress is None
    with pytest.raises(DataError, match="clear of its error"):
        without_reference_stress(spoiled.select([0, 2]))  # control: two strained samples fix nothing
    with pytest.raises(DataError, match="crystal, lab"):
        without_reference_stress(spoiled, "cauchy")


def test_a_stress_in_the_lab_frame_is_taken_off(sets, tmp_path):
    good = sets["gallium_nitride"]
    pulay = np.array([[0.9, 0.4, 0.2], [0.4, -0.8, 0.0], [0.2, 0.0, 0.5]])
    spoiled = good.replace(cauchy=good.cauchy + pulay)
    finding = check(spoiled).findings[0]
    assert finding.mend == "--remove-reference-stress lab"
    assert "turns" not in finding.message
    spoiled.save(tmp_path / "bad.json")
    out = tmp_path / "good.json"
    assert invoke("convert", tmp_path / "bad.json", "-o", out, *shlex.split(finding.mend)).exit_code == 0
    mended = StressStrainData.load(out)
    np.testing.assert_allclose(mended.provenance["removed_reference_stress"]["stress_GPa"], pulay, atol=0.05)
    assert np.abs(mended.cauchy - good.cauchy).max() < 0.05
    np.testing.assert_array_equal(mended.W, good.W)
    assert check(mended).ok
    assert np.abs(remove_reference_stress(spoiled, pulay).cauchy - good.cauchy).max() > 0.5  # control: not a stress of the crystal
