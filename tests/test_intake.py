"""The intake check: every fault named first in a good set, no finding on good sets, and "undecided" where nothing can be determined.

benchmarks/intake.py does the same for all sets, variants and pairs.
"""

import json
import shlex
from itertools import count

import numpy as np
import pytest
from intake_cases import SETS, invoke, named
from intake_faults import FIELD_INJECTORS, INJECTORS, inject, inject_pair

from constitutive.data import StressStrainData
from constitutive.errors import DataError
from constitutive.intake import FAULTS, IntakeError, check, check_file
from constitutive.intake.groups import candidate_groups, declared_group, laue_symbol
from constitutive.symmetry import PointGroup

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
    assert any("transposed F" in remark for remark in report.undecided)  # every F is symmetric: nothing decides it


def test_all_faults_are_tried():
    # test_intake_reference_cell.py, test_intake_samples.py, test_coupled_checks.py
    elsewhere = {"vacuum", "reference_cell", "pairing", "thermal_frames", *FIELD_INJECTORS}
    assert set(CASES) == set(INJECTORS) == set(FAULTS) - elsewhere


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


# --- undecided ---


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


def test_without_forces_a_mixture_is_undecided(sets):
    report = check(sets["quartz"].replace(forces=None, positions=None))
    assert any("neither forces nor positions" in remark for remark in report.undecided)


def test_too_few_samples(sets):
    report = check(sets["copper"].head(3))
    assert report.ok
    assert any("needed 4" in remark for remark in report.undecided)


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


def test_certain_faults_are_raised(sets):
    report = check(inject(sets["silicon"], "sign", np.random.default_rng(0)))
    with pytest.raises(IntakeError, match=r"sign: .*convert --sign pressure") as caught:
        report.require_sound()
    assert caught.value.finding is report.findings[0]
    assert isinstance(caught.value, DataError)
    report.require_sound(allowed=("sign",))
    check(sets["silicon"]).require_sound()


# --- the command line ---

CORRECTED = (
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


@pytest.mark.parametrize("fault", CORRECTED)
def test_the_proposed_option_corrects_it(sets, tmp_path, fault):
    spoiled = inject(sets["gallium_nitride"], fault, np.random.default_rng(next(_SEED)))
    bad, good = tmp_path / "bad.json", tmp_path / "good.json"
    spoiled.save(bad)
    result = invoke("check", bad, "--json")
    printed = json.loads(result.stdout)
    assert result.exit_code == 1
    assert not printed["ok"]
    assert printed["findings"][0]["fault"] == fault
    assert set(printed["findings"][0]) == {"fault", "certainty", "samples", "message", "mend"}
    corrected = invoke("convert", bad, "-o", good, "--json", *shlex.split(printed["findings"][0]["mend"]))
    assert corrected.exit_code == 0, corrected.output
    assert json.loads(corrected.stdout)["samples"] > 60
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
    assert [f.fault for f in report.findings] == ["pairing"]
    assert "shifted by one" in report.findings[0].message
    noise = np.random.default_rng(3).normal(size=(20, 3, 3))
    report = check(good.head(20).replace(cauchy=noise + noise.swapaxes(1, 2), W=None))
    assert not report.ok
    assert report.residual > 0.4


def test_calibrate_stops_on_a_certain_fault_unless_it_is_allowed(sets, tmp_path):
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


def test_a_reference_cell_by_columns_is_found(sets):
    good = sets["quartz"]
    (finding,) = check(good.replace(lattice=good.lattice.T.copy(), point_group=None)).findings
    assert (finding.fault, finding.mend) == ("transposed_cell", "--transpose-lattice")
