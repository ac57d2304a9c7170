"""The audit: a good material keeps every limit, and each kind of damage breaks the limit of its property."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from calibration_cases import cubic_law, samples_of
from command_line import run

from constitutive.audit import audit, deformation_of, margin, random_strains, strains_of_domain, weakest
from constitutive.audit.model import Check
from constitutive.audit.stability import UNSTABLE
from constitutive.calibration import calibrate
from constitutive.data import StressStrainData
from constitutive.laws import Domain, Law, LinearLaw, SeriesLaw
from constitutive.material import Material
from constitutive.symmetry import PointGroup
from constitutive.tensors.packing import to_mandel

EXACT = ("objectivity", "symmetry", "reference_stress", "tangent", "conservation", "save_load")


@pytest.fixture(scope="module")
def data(silicon_data: Path) -> StressStrainData:
    return StressStrainData.load(silicon_data)


@pytest.fixture(scope="module")
def calibrated(data: StressStrainData, kept_calibrate: Callable) -> Material:
    return kept_calibrate(data, train=30)


def stiff() -> np.ndarray:
    C = np.diag([105.0] * 3 + [80.0] * 3)
    C[:3, :3] += 65.0
    return C


@pytest.fixture
def linear() -> Material:
    return Material.from_constants("m-3m", {"C11": 170.0, "C12": 65.0, "C44": 80.0})


class Damaged(Law):
    """A law with one property spoilt, as a mistake in the code would spoil it."""

    def __init__(self, law: Law, fault: str):
        super().__init__(law.rotations.numpy())
        self.law, self.fault = law, fault

    def energy_mandel(self, x):
        return self.law.energy_mandel(x)

    def stress_mandel(self, x):
        S = self.law.stress_mandel(x)
        if self.fault == "conservation":  # keeps symmetry and objectivity, but is no gradient
            return S * (1 + (x * x).sum(-1, keepdim=True))
        if self.fault == "reference_stress":
            return S + torch.tensor([1e-3, 1e-3, 1e-3, 0, 0, 0], dtype=x.dtype)
        if self.fault == "symmetry":
            return S * torch.tensor([1 + 1e-9, 1, 1, 1, 1, 1], dtype=x.dtype)
        return S

    def tangent_mandel(self, x):
        C = self.law.tangent_mandel(x)
        return C * (1 + 1e-4) if self.fault == "tangent" else C

    def derivative_mandel(self, x, order):
        return self.law.derivative_mandel(x, order)

    def state(self):
        return self.law.state()

    @classmethod
    def from_state(cls, settings, arrays, rotations):
        raise NotImplementedError


def damaged(material: Material, fault: str) -> Material:
    result = replace(material)
    object.__setattr__(result, "law", Damaged(material.law, fault))  # a Material itself refuses such a law
    return result


def test_a_calibrated_material_keeps_every_limit(calibrated, data):
    found = audit(calibrated, data)
    assert found.passed, found.broken
    assert {found.checks[name].standing for name in EXACT} == {"kept"}
    assert found.checks["objectivity"].figure <= 1e-12
    assert found.checks["tangent"].figure <= 1e-6
    assert found.checks["data_symmetry"].standing == "kept"
    assert found.checks["held_out"].standing == "kept"
    assert len(found.checks["held_out"].details) == 4
    assert set(found.checks["symmetry"].details) == {"4 along (0, 0, 1)", "m along (0, 0, 1)", "-3 along (0.577, 0.577, 0.577)"}


@pytest.mark.parametrize("fault", ["conservation", "reference_stress", "symmetry", "tangent"])
def test_each_damage_breaks_its_limit(linear, fault):
    assert audit(linear, samples=20).passed
    found = audit(damaged(linear, fault), samples=20)
    assert fault in found.broken
    assert not found.passed
    if fault in ("symmetry", "tangent"):
        assert set(found.broken) <= {fault, "conservation", "save_load", "kernel"}


def test_a_folder_that_does_not_hold_the_law_is_found(linear):
    found = audit(damaged(linear, "conservation"), samples=20)
    assert "save_load" in found.broken


def test_a_law_of_a_wrong_group_is_found(data):
    """Control: the same fit under a tetragonal group, judged as cubic."""
    tetragonal = calibrate(data.select(slice(0, 30)).model_copy(update=_without_structure("4/mmm")))
    found = audit(Material(tetragonal.law, tetragonal.point_group), samples=40)
    assert found.checks["symmetry"].standing == "kept"
    cubic = replace(tetragonal)
    object.__setattr__(cubic, "point_group", PointGroup.from_symbol("m-3m"))
    judged = audit(cubic, samples=40)
    assert judged.checks["symmetry"].standing == "broken"
    details = judged.checks["symmetry"].details
    assert details["-3 along (0.577, 0.577, 0.577)"] > 1e-5 > 1e-12 > details["4 along (0, 0, 1)"]


def _without_structure(symbol: str) -> dict:
    return {"lattice": None, "species": None, "frac_coords": None, "point_group": symbol, "residual_stress": None}


def test_without_data_it_reports_what_it_could_not_measure(linear):
    found = audit(linear, samples=10).as_dict()
    assert found["data_symmetry"] is None
    assert "no data were given" in found["reasons"]["data_symmetry"]
    assert found["passed"] is True
    json.dumps(found, allow_nan=False)


def test_stability_is_measured_from_rest_to_the_border_of_the_domain():
    """St Venant–Kirchhoff under pressure, E = e I: (C11 − C12)/2 · (1 + 2e) + (C11 + 2 C12) e vanishes at e = −52.5/405."""
    group = PointGroup.from_symbol("m-3m")
    law = LinearLaw.from_voigt(stiff(), group.laue_rotations)
    wide, narrow = (Material(law, group, domain=Domain(np.eye(6), reach)) for reach in (0.25, 0.1))
    found = audit(wide, samples=60).checks["stability"]
    assert (found.standing, found.limit) == ("kept", 0.5)
    assert 1 - np.sqrt(3) * (52.5 / 405) / 0.25 - 1 / 128 < found.figure < 0.5
    assert any(text.startswith("lost first at |E| = 0.") for text in found.details)
    assert audit(narrow, samples=60).checks["stability"].figure == 0
    strict = audit(replace(wide, card={"elliptic": True}), samples=60)
    assert "stability" in strict.broken
    assert "--elliptic" in strict.broken["stability"].advice
    too_wide = audit(Material(law, group, domain=Domain(np.eye(6), 0.6)), samples=60)
    assert "stability" in too_wide.broken


def test_a_law_that_is_not_stable_at_rest_is_found():
    C = stiff()
    C[3:, 3:] *= -1
    group = PointGroup.from_symbol("m-3m")
    found = audit(Material(LinearLaw.from_voigt(C, group.laue_rotations), group), samples=20)
    assert found.broken["stability"].figure == 1
    assert "at rest" in found.broken["stability"].advice


def test_loss_of_ellipticity_where_it_can_be_computed_by_hand():
    """Uniaxial strain λ along x of St Venant–Kirchhoff: A_1111 = (3 λ² − 1)/2 · C11 vanishes at λ = 1/√3 = 0.577."""
    law = LinearLaw.from_voigt(stiff(), PointGroup.from_symbol("m-3m").laue_rotations)
    stretches = np.array([1.0, 0.59, 0.56])
    F = np.stack([np.diag([s, 1.0, 1.0]) for s in stretches])
    _, A = law(F)
    np.testing.assert_allclose(A[:, 0, 0, 0, 0], (3 * stretches**2 - 1) / 2 * 170.0)
    found = margin(law, F)
    assert found[0] == pytest.approx(1.0)
    assert found[2] < 0
    assert weakest(law, F[:1])[0] == pytest.approx(52.5, rel=1e-3)  # the slower shear along [110]: (C11 − C12)/2


def test_strains_of_a_domain_are_inside_it():
    metric = np.diag([1.0, 4.0, 4.0, 1.0, 9.0, 1.0])
    law = SeriesLaw({2: np.zeros(21)}, np.eye(3)[None])
    material = Material(law, PointGroup.from_symbol("1"), domain=Domain(metric, 0.2))
    E = strains_of_domain(material, 500, 0.05, np.random.default_rng(0))
    from constitutive.tensors import to_mandel

    distance = material.domain.distance(torch.from_numpy(np.asarray(to_mandel(E))))
    assert 0.9 < float(distance.max()) <= 1


def test_random_strains_and_their_stretches():
    E = random_strains(np.random.default_rng(0), 50, 0.05)
    assert np.linalg.norm(E, axis=(1, 2)).max() <= 0.05
    U = deformation_of(E)
    np.testing.assert_allclose((U @ U - np.eye(3)) / 2, E, atol=1e-15)


def test_a_figure_that_is_no_number_breaks_its_limit():
    check = Check(float("nan"), 1.0, "", "")
    assert check.standing == "broken"


def test_unseen_states_count_instead_of_paths(calibrated, data):
    others = data.select(slice(30, 55))
    found = audit(calibrated, data, unseen=others, samples=20).checks
    assert found["held_out"].standing == found["coverage"].standing == "kept"
    T = calibrated.law.stress(torch.from_numpy(others.green_lagrange_strain)).numpy()
    S = others.stress("second_piola_kirchhoff")
    inside = calibrated.domain.distance(torch.from_numpy(np.asarray(to_mandel(others.green_lagrange_strain)))).numpy() <= 1
    assert found["held_out"].figure == pytest.approx(np.linalg.norm((T - S)[inside]) / np.linalg.norm(S[inside]), rel=1e-3)
    assert found["outside_domain"].figure == pytest.approx(np.mean(~inside))


def test_the_command_names_the_limit_that_a_spoilt_folder_breaks(calibrated, data, tmp_path):
    """On disk, as a user meets it: exit code 1, the name of the property, and what to do."""
    stated = {**calibrated.card["calibration"], "held_out_error": 1e-7}
    boast = replace(calibrated, card={**calibrated.card, "calibration": stated})
    law = LinearLaw.from_voigt(stiff(), calibrated.law.rotations.numpy())
    spoilt = {
        "held_out": boast,
        "stability": Material(law, calibrated.point_group, domain=Domain(np.eye(6), 0.45), card={"elliptic": True}),
    }
    for name, material in spoilt.items():
        folder = tmp_path / name
        material.save(folder)
        data.save(folder / "data.json")
        done = run("audit", folder, "--json")
        assert done.returncode == 1, done.stderr
        payload = json.loads(done.stdout)
        assert payload["standing"][name] == "broken"
        assert payload["advice"][name]
        assert not payload["passed"]
    printed = run("audit", folder)
    assert printed.returncode == 1
    assert "stability is broken" in printed.stdout


def test_the_command_exits_by_the_outcome(linear, tmp_path):
    linear.save(tmp_path / "good")
    done = run("audit", tmp_path / "good", "--json")
    assert done.returncode == 0, done.stderr
    payload = json.loads(done.stdout)
    assert {"objectivity", "symmetry", "reference_stress", "tangent", "passed"} <= set(payload)
    missing = run("audit", tmp_path / "nowhere")
    assert (missing.returncode, missing.stdout) == (2, "")
    assert "nowhere: no such" in missing.stderr


def test_a_law_calibrated_to_be_elliptic_is_held_to_the_strict_limit():
    data = samples_of(cubic_law(), 14)
    limits = {asked: audit(calibrate(data, elliptic=asked, laws="series"), samples=20).checks["stability"].limit for asked in (True, False)}
    assert limits == {True: 0.0, False: UNSTABLE}
