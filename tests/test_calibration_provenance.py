"""What a card says of the samples of a law."""

import numpy as np
from ase.build import bulk
from simulate_cases import settings

from constitutive.calibration.provenance import data_of_card
from constitutive.data import StressStrainData
from constitutive.planning import make_plan
from constitutive.simulate import read_calculator, simulate
from constitutive.symmetry.operations import rotation


def test_a_card_says_how_and_in_which_frame_the_samples_were_made(tmp_path):
    turned = bulk("Cu", cubic=True, a=3.6)
    R = rotation((0.0, 0.0, 1.0), 30.0)
    turned.set_cell(turned.cell.array @ R.T, scale_atoms=True)
    found = simulate(make_plan(turned, 4, size=0.02), read_calculator("emt", {}), tmp_path / "run", settings())
    card = data_of_card(found.data)
    assert (card["code"], card["made_by"], card["ions"], card["samples"]) == ("emt", "constitutive simulate", "relaxed", 4)
    assert card["settings"]["calculator"] == {"name": "emt"}
    edges = np.array([card["frame"][name] for name in "abc"])
    np.testing.assert_allclose(np.abs(edges @ R), np.abs(np.round(edges @ R)), atol=1e-5)  # along the edges of the turned cube
    assert np.abs(edges - np.round(edges)).max() > 0.1


def test_of_bare_numbers_a_card_says_what_there_is():
    F = np.eye(3) + 0.01 * np.random.default_rng(0).normal(size=(3, 3, 3))
    given = {"F": F, "cauchy": 100 * (F + F.transpose(0, 2, 1) - 2 * np.eye(3)), "settings": {"grid": [1, 2], "cutoff": 30}}
    card = data_of_card(StressStrainData.from_document({"units": "GPa", **given}))
    assert card["settings"] == {"cutoff": 30}
    assert {"frame", "code", "made_by"}.isdisjoint(card)
