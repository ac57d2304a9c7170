"""Intake check and audit of coupled data and laws: signs, units, groups and stability, each with what must fail."""

from pathlib import Path

import numpy as np
import pytest
import torch
from intake_faults import FIELD_INJECTORS
from test_coupled_calibration import samples
from test_coupled_laws import PAIR, everything, quartz

from constitutive import __file__ as package
from constitutive.audit import audit
from constitutive.audit.coupled import coupled
from constitutive.data import StressStrainData
from constitutive.data.corrections import Corrections
from constitutive.elasticity import coupled_constants, quartz_setting
from constitutive.errors import DataError, MaterialError
from constitutive.intake import check
from constitutive.laws.coupled import CoupledSeriesLaw, LinearCoupledLaw
from constitutive.material import Material
from constitutive.symmetry import PointGroup
from constitutive.tensors.polynomials import exponents

MATERIALS = Path(package).parents[1] / "materials"


@pytest.fixture(scope="module")
def data():
    return samples(40)


def test_sound_data_have_no_finding(data) -> None:
    report = check(data)
    assert report.findings == ()
    assert report.largest_group == report.declared_group == "32"
    assert report.residuals["-3m"] > 10 * report.residuals["32"]  # control: an inversion is seen


@pytest.mark.parametrize(
    ("change", "fault", "text"),
    [
        (lambda d: d.replace(polarization=-d.polarization), "polarization_sign", "wrong sign"),
        (lambda d: d.replace(electric_field=0.1 * d.electric_field), "electric_unit", "V/angstrom"),
        (lambda d: d.replace(polarization=100 * d.polarization), "electric_unit", "uC/cm"),
        (lambda d: d.replace(point_group="-3m"), "wrong_group", "under its subgroup 32"),
        (lambda d: d.replace(point_group="622"), "wrong_group", "under its subgroup 32"),
    ],
)
def test_faults_of_fields_are_named(data, change, fault: str, text: str) -> None:
    found = {finding.fault: finding for finding in check(change(data)).findings}
    assert set(found) == {fault}
    assert text in found[fault].message
    assert found[fault].is_sure
    with pytest.raises(DataError, match=fault):
        check(change(data)).require_sound()


@pytest.mark.parametrize("stated", ["reference", "current"])
def test_the_frame_of_fields_is_named(data, stated: str) -> None:
    """Lattices turned by up to half a radian: fields of the lab are not those of the crystal."""
    angles = np.random.default_rng(3).uniform(-0.5, 0.5, len(data))
    R = np.array([[[np.cos(a), -np.sin(a), 0], [np.sin(a), np.cos(a), 0], [0, 0, 1]] for a in angles])
    turned = data.replace(F=R @ data.F)
    field, P = turned.electric_field, turned.polarization
    if stated == "reference":  # numbers of the current configuration
        F = turned.F
        field = np.einsum("nji,nj->ni", np.linalg.inv(F), field)
        P = np.einsum("nij,nj->ni", F, P) / np.linalg.det(F)[:, None]
    wrong = turned.replace(electric_field=field, polarization=P, electric_frame=stated)
    (finding,) = check(wrong).findings
    assert finding.fault == "electric_frame"
    assert f"state electric_frame: {'current' if stated == 'reference' else 'reference'}" in finding.message
    assert check(turned).findings == ()  # control


@pytest.fixture(scope="module")
def shipped() -> StressStrainData:
    return StressStrainData.load(MATERIALS / "quartz_right" / "data.json").head(40)


def test_shipped_data_have_no_finding(shipped) -> None:
    assert check(shipped).findings == ()


@pytest.mark.parametrize("fault", FIELD_INJECTORS)
def test_each_injected_fault_of_fields_is_named_first(shipped, fault: str) -> None:
    assert check(FIELD_INJECTORS[fault](shipped, np.random.default_rng(4))).findings[0].fault == fault


def test_samples_on_another_branch_are_named_and_mended(shipped) -> None:
    spoiled = FIELD_INJECTORS["polarization_branch"](shipped, np.random.default_rng(4))
    moved = np.nonzero(np.abs(spoiled.polarization - shipped.polarization).max(1) > 0.1)[0]
    (finding,) = check(spoiled).findings
    assert finding.samples == tuple(moved)
    assert finding.mend == "--unwrap-polarization"
    mended = Corrections(unwrap_polarization=True).apply(spoiled)
    assert mended.polarization == pytest.approx(shipped.polarization, abs=1e-9)
    with pytest.raises(DataError, match="no polarization or no cell"):
        Corrections(unwrap_polarization=True).apply(shipped.replace(polarization=None))


def test_a_subgroup_is_enlarged(data) -> None:
    assert check(data.replace(point_group="3")).largest_group == "32"


def test_what_is_missing_is_named(data) -> None:
    report = check(data.replace(polarization=None))
    assert report.findings == ()
    assert "fields and polarisations together" in report.undecided[0]


def test_audit_of_quartz() -> None:
    found = audit(Material.from_coupled_law(quartz(), "32"), samples=20)
    names = ("coupled_symmetry", "maxwell", "odd_constants", "dielectric_stability")
    assert [found.checks[name].standing for name in names] == ["kept", "kept", "not measured", "kept"]
    assert found.checks["dielectric_stability"].details["share of points with signature (6+, 3−)"] == 1.0


@pytest.mark.parametrize("symbol", ["432", "m-3m", "-3m"])
def test_forbidden_constants(symbol: str) -> None:
    law = everything(PointGroup.from_symbol(symbol))
    stiff = LinearCoupledLaw(np.diag(np.r_[np.full(6, 100.0), np.full(3, -1.0)]), PAIR, law.operations.numpy())
    material = Material.from_coupled_law(type(law)([*law.terms, stiff]), symbol)
    checks = coupled(material, 10, np.random.default_rng(0))
    assert checks["odd_constants"].standing == checks["coupled_symmetry"].standing == checks["maxwell"].standing == "kept"


def test_broken_laws_fail(monkeypatch) -> None:
    """Controls: a permittivity below zero, a tangent that is no Hessian, a gradient of less symmetry."""
    group = PointGroup.from_symbol("m-3m")
    table = exponents(2, 9)
    row = np.where((table[:, :6] == 2).any(1), 50.0, 0.0) + np.where((table[:, 6:] == 2).any(1), 0.5, 0.0)
    wrong = Material.from_coupled_law(CoupledSeriesLaw({2: row}, PAIR, group), group)
    assert coupled(wrong, 10, np.random.default_rng(0))["dielectric_stability"].standing == "broken"
    material = Material.from_coupled_law(quartz(), "32")
    monkeypatch.setattr(
        LinearCoupledLaw, "hessian_packed", lambda self, x: (self.matrix + 0.1 * torch.triu(self.matrix)).expand(len(x), 9, 9)
    )
    assert coupled(material, 10, np.random.default_rng(0))["maxwell"].standing == "broken"
    monkeypatch.setattr(LinearCoupledLaw, "gradient_packed", lambda self, x: x @ self.matrix + 1e-6)
    assert coupled(material, 10, np.random.default_rng(0))["coupled_symmetry"].standing == "broken"


TURN, MIRROR = np.diag([-1.0, -1.0, 1.0]), np.diag([-1.0, 1.0, 1.0])


@pytest.mark.parametrize(
    ("R", "hand", "standard"),
    [
        (np.eye(3), "right", "IEEE 176-1978"),
        (TURN, "right", "IRE 1949"),
        (MIRROR, "left", "IEEE 176-1978"),
        (TURN @ MIRROR, "left", "IRE 1949"),
    ],
)
def test_the_axes_of_quartz_are_named_by_signs(R, hand: str, standard: str) -> None:
    found = quartz_setting(PointGroup.from_symbol("32"), coupled_constants(quartz().rotated(R)))
    assert (found.hand, found.standard) == (hand, standard)
    assert f"{hand}-handed crystal in the axes of {standard}" in str(found)


def test_other_groups_and_axes_have_no_setting_of_quartz() -> None:
    constants = coupled_constants(quartz())
    assert quartz_setting(PointGroup.from_symbol("3m"), constants) is None
    turned = PointGroup.from_symbol("32", frame=np.array([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]]))
    assert quartz_setting(turned, constants) is None


def test_a_wrong_hand_a_wrong_laue_class_and_an_inversion_fail() -> None:
    """Controls: the law of right-handed quartz in materials of other groups, and of its mirror image."""
    law = quartz()
    x = np.random.default_rng(2).uniform(-1, 1, (30, 9)) * np.r_[np.full(6, 0.03), np.ones(3)]
    right = law.gradient(torch.from_numpy(x))
    left = law.rotated(MIRROR).gradient(torch.from_numpy(x))  # the same crystal system, Laue class and group, the other hand
    assert float((left - right).norm() / right.norm()) > 0.1
    for symbol in ("-3m", "622", "312"):
        group = PointGroup.from_symbol(symbol)
        assert law.symmetry_residual(group.operations, size=[0.03, 1.0]) > 1e-3
        with pytest.raises(MaterialError, match="breaks the symmetry"):
            Material.from_coupled_law(law, group)
    assert law.symmetry_residual(PointGroup.from_symbol("32").operations, size=[0.03, 1.0]) < 1e-12
