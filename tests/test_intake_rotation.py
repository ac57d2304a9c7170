"""A lost rotation, with a second fault beside it; and what only looks like one."""

import numpy as np
import pytest
from intake_cases import SETS
from intake_faults import inject
from scipy.spatial.transform import Rotation

from constitutive.data import StressStrainData
from constitutive.intake import check


def load(name: str) -> StressStrainData:
    return StressStrainData.load(SETS / f"{name}.json")


def lost(data: StressStrainData) -> StressStrainData:
    """F turned at random, the stress as it was."""
    return data.replace(F=Rotation.random(len(data), random_state=3).as_matrix() @ data.F)


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("gallium_nitride", "component_order"),
        ("zinc_cadmium_telluride", "transposed_deformation_gradient"),
        ("copper", "wrong_group"),
        ("zinc_cadmium_telluride", "outliers"),
    ],
)
def test_a_fault_beside_a_lost_rotation_is_named(name, fault):
    good, rng = load(name), np.random.default_rng(2)
    late = fault in ("component_order", "transposed_deformation_gradient")
    spoiled = inject(lost(good), fault, rng) if late else lost(inject(good, fault, rng))
    found = [f.fault for f in check(spoiled).findings if f.certainty >= 0.5]
    assert set(found) == {"objectivity", fault}


def test_the_stress_of_the_reference_cell_is_in_the_energy_too():
    good = load("copper")
    S0 = np.array([[0.9, 0.2, 0], [0.2, -0.5, 0], [0, 0, 0.7]])
    S = good.stress("second_piola_kirchhoff") + S0
    sigma = good.replace(cauchy=None, second_piola_kirchhoff=S).stress("cauchy")
    spoiled = good.replace(cauchy=sigma, W=good.W + (good.green_lagrange_strain * S0).sum((1, 2)))
    assert [f.fault for f in check(lost(spoiled)).findings] == ["objectivity", "reference_stress"]
    assert [f.fault for f in check(lost(good)).findings] == ["objectivity"]  # control


def test_many_outliers_are_no_lost_rotation():
    """The principal stresses, judged by their median, follow in spite of them; so do their axes."""
    good = load("quartz").head(40)
    rng = np.random.default_rng(5)
    noise = rng.normal(size=(40, 3, 3)) * np.where(rng.random(40) < 0.3, 1.0, 0.01)[:, None, None]
    sigma = good.cauchy + (noise + noise.swapaxes(1, 2)) * np.sqrt((good.cauchy**2).mean())
    assert "objectivity" not in [f.fault for f in check(good.replace(cauchy=sigma)).findings if f.is_sure]
    assert check(lost(good)).findings[0].fault == "objectivity"  # control


def test_one_odd_sample_is_no_reason_to_doubt_a_group():
    good = load("silicon_bc8")
    spoiled = inject(good, "clamped_mixture", np.random.default_rng([0, 8]))
    assert [f.fault for f in check(spoiled).findings] == ["clamped_mixture"]
