"""Which group the data agree with: one rule for check and calibrate."""

import numpy as np
import pytest

from constitutive import shipped
from constitutive.calibration import calibrate
from constitutive.data import StressStrainData
from constitutive.fitting.problem import problem_of
from constitutive.intake import IntakeError, check
from constitutive.intake.group_test import group_test
from constitutive.symmetry import PointGroup


def declared(data: StressStrainData, symbol: str) -> StressStrainData:
    """The data without their structure, under a symbol."""
    return data.replace(point_group=symbol, space_group=None, lattice=None, species=None, frac_coords=None, positions=None)


@pytest.fixture(scope="module")
def nitride() -> StressStrainData:
    return StressStrainData.load(shipped("gallium_nitride") / "data.json")


@pytest.mark.parametrize("symbol", ["m-3m", "m-3"])
def test_hexagonal_data_declared_cubic_are_found(nitride, symbol):
    report = check(declared(nitride, symbol))
    (finding,) = report.findings
    assert (finding.fault, finding.mend, report.largest_group) == ("wrong_group", "--point-group 6/mmm", "6/mmm")
    assert finding.is_sure
    assert check(declared(nitride, "6mm")).ok  # control


def test_calibrate_raises_the_finding_of_check(nitride):
    wrong = declared(nitride.head(60), "m-3m")
    with pytest.raises(IntakeError, match=r"wrong_group.*contradict the point group m-3m") as caught:
        calibrate(wrong, laws="series")
    assert caught.value.finding == check(wrong).findings[0]
    assert calibrate(wrong, laws="series", allow=("wrong_group",)).point_group.symbol == "m-3m"


@pytest.mark.parametrize(("name", "wrong"), [("coesite", "mmm"), ("quartz", "6/mmm"), ("silicon", "6/mmm"), ("magnesium", "m-3")])
def test_check_and_the_rule_agree(name, wrong):
    data = declared(StressStrainData.load(shipped(name) / "data.json").head(50), wrong)
    test = group_test(problem_of(data, np.array(PointGroup.from_symbol(wrong).laue_rotations)))
    assert test.contradicted
    assert [f.is_sure for f in check(data).findings if f.fault == "wrong_group"] == [True]


@pytest.mark.parametrize("samples", [10, 20, 50])
@pytest.mark.parametrize("name", ["gallium_nitride", "magnesium", "quartz", "silicon_sw", "coesite"])
def test_no_right_group_is_doubted_for_few_samples(name, samples):
    data = StressStrainData.load(shipped(name) / "data.json").head(samples)
    report = check(data)
    assert {f.fault for f in report.findings} <= {"coverage"}  # ten samples do not fix 32 third-order constants
    assert report.largest_group in ("", PointGroup.from_structure(data.structure).laue_class)


def test_a_group_in_other_axes_needs_a_structure():
    """A symbol stands for standard axes; turned data have the group, but no symbol can state it."""
    data = StressStrainData.load(shipped("quartz") / "data.json")
    standard = check(declared(data, "-3m"))
    R = np.array([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]])  # its twofold axes no longer along x
    stress = R @ getattr(data, data.measure) @ R.T
    turned = declared(data.replace(F=R @ data.F @ R.T, **{data.measure: stress}), "-3m")
    report = check(turned)
    assert {standard.ok, report.ok} == {True, False}
    (finding,) = (standard if report.ok else report).findings
    assert (finding.fault, finding.mend) == ("wrong_group", "--reference STRUCTURE")
    assert {standard.largest_group, report.largest_group} == {"-3m"}
