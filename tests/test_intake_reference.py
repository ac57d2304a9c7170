"""The stress of the reference cell, and one that stays in the lab frame."""

import shlex

import numpy as np
import pytest
from intake_cases import invoke, named
from intake_faults import inject

from constitutive.data import StressStrainData
from constitutive.data.corrections import remove_reference_stress
from constitutive.errors import DataError
from constitutive.intake import check, without_reference_stress


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
    with pytest.raises(DataError, match="determined by no strain"):
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
    corrected = StressStrainData.load(out)
    np.testing.assert_allclose(corrected.provenance["removed_reference_stress"]["stress_GPa"], pulay, atol=0.05)
    assert np.abs(corrected.cauchy - good.cauchy).max() < 0.05
    np.testing.assert_array_equal(corrected.W, good.W)
    assert check(corrected).ok
    assert np.abs(remove_reference_stress(spoiled, pulay).cauchy - good.cauchy).max() > 0.5  # control: not a stress of the crystal
