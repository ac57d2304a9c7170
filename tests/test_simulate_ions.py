"""Where the relaxation of a sample's ions begins."""

import json

import numpy as np
import pytest
from ase.build import bulk
from command_line import run
from simulate_cases import settings

from constitutive.errors import DataError
from constitutive.planning import make_plan
from constitutive.simulate import SimulationSettings, prepared_before, read_calculator, simulate
from constitutive.simulate.ion_prediction import IonPrediction

HEXAGONAL = bulk("Cu", "hcp", a=2.56, c=4.18)  # its two ions move against each other under strain


def records(folder):
    return [json.loads(line) for line in (folder / "journal.jsonl").read_text().splitlines()]


# -- the polynomial ------------------------------------------------------------------------------------------------------------


def moved(F, sign=1.0):
    """A sample of ions at rest: displacements up to the second degree that the group of the hexagonal packing allows."""
    E = (F.T @ F - np.eye(3)) / 2
    x, y = E[0, 0] - E[1, 1], 2 * E[0, 1]
    u = sign * np.array([[y + 3 * y * E[2, 2], x + 3 * x * E[2, 2], 0.0]])
    cell = HEXAGONAL.cell.array
    places = HEXAGONAL.get_scaled_positions() + np.vstack([u, -u]) @ np.linalg.inv(cell)
    return {"frac_coords": places.tolist(), "steps": 3}


def test_displacements_of_other_strains_follow_from_few():
    plan = make_plan(HEXAGONAL, 40, size=0.05, seed=1)
    prediction = IonPrediction(HEXAGONAL, plan.size)
    errors = []
    for F in plan.F:
        start = prediction.start(F)
        actual = np.array(moved(F)["frac_coords"])
        if start is not None:
            errors.append(np.abs(start - actual).max())
        prediction.learn(F, moved(F))
    affine = max(np.abs(np.array(moved(F)["frac_coords"]) - HEXAGONAL.get_scaled_positions()).max() for F in plan.F)
    assert len(errors) > 30
    assert max(errors[-10:]) < 0.002 * affine


def test_nothing_is_predicted_before_predictions_have_held():
    plan = make_plan(HEXAGONAL, 20, size=0.05, seed=1)
    prediction = IonPrediction(HEXAGONAL, plan.size)
    for number, F in enumerate(plan.F):
        prediction.learn(F, moved(F, sign=(-1.0) ** number))  # ions that follow no rule
        assert prediction.start(F) is None


# -- runs ----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("workers", [0, 2])
def test_a_predicted_start_ends_in_the_same_stress_after_fewer_steps(tmp_path, workers):
    plan, emt = make_plan(HEXAGONAL, 30, size=0.04), read_calculator("emt", {})
    usual = simulate(plan, emt, tmp_path / "affine", settings(force=1e-4))
    quick = simulate(plan, emt, tmp_path / "predicted", settings(force=1e-4, workers=workers, ions_start="predicted"))
    np.testing.assert_allclose(quick.data.cauchy, usual.data.cauchy, atol=5e-4 * np.abs(usual.data.cauchy).max())
    steps = [sum(record["steps"] for record in records(tmp_path / name)) for name in ("predicted", "affine")]
    assert steps[0] < 0.7 * steps[1]
    assert any(record["number"] == 25 and record["second_start"]["agrees"] for record in records(tmp_path / "predicted"))


def test_a_run_goes_on_with_a_predicted_start(tmp_path):
    plan, emt = make_plan(HEXAGONAL, 30, size=0.04), read_calculator("emt", {})
    simulate(plan, emt, tmp_path / "run", settings(force=1e-4))
    kept = records(tmp_path / "run")
    (tmp_path / "run" / "journal.jsonl").write_text("".join(json.dumps(record) + "\n" for record in kept[:20]))
    found = simulate(plan, emt, tmp_path / "run", settings(force=1e-4, ions_start="predicted"))
    again = records(tmp_path / "run")
    assert found.computed == 10
    assert sum(record["steps"] for record in again[20:]) < 0.5 * sum(record["steps"] for record in kept[20:])


def test_samples_of_an_earlier_run_are_learned_from(tmp_path):
    emt, folder = read_calculator("emt", {}), tmp_path / "first"
    first, second = (make_plan(HEXAGONAL, count, size=0.04, seed=seed) for count, seed in ((20, 0), (6, 1)))
    simulate(first, emt, folder, settings(force=1e-4))
    with (folder / "journal.jsonl").open("a") as journal:
        journal.write('{"number": 3, "sta')  # a line that is being written
    prepared = prepared_before(folder, second.structure, second.size, emt, settings(force=1e-4))
    for name, earlier in (("alone", None), ("after", folder)):
        simulate(second, emt, tmp_path / name, settings(force=1e-4, ions_start="predicted"), prepared=prepared, earlier=earlier)
    steps = {name: sum(record["steps"] for record in records(tmp_path / name)) for name in ("alone", "after")}
    assert steps["after"] < 0.6 * steps["alone"]


def test_ions_that_do_not_relax_are_not_predicted(tmp_path):
    with pytest.raises(DataError, match="--predict-ions for ions that are not relaxed at rest"):
        SimulationSettings(ions="clamped", ions_start="predicted")
    plan = make_plan(HEXAGONAL, 4, size=0.02)
    plan.save(tmp_path / "plan.json")
    asked = ["simulate", str(tmp_path / "plan.json"), "--calculator", "emt", "-o", str(tmp_path / "data.json"), "--predict-ions"]
    refused = run(*asked, "--temperature", "300", "--method", "md")
    assert (refused.returncode, "--predict-ions for ions" in " ".join(refused.stderr.split())) == (2, True)
    assert not (tmp_path / "data.json").exists()
