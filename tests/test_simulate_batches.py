"""Samples whose cells are evaluated together: the same as one by one, failures named, nothing computed twice."""

import json
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from command_line import run
from simulate_cases import HERE, settings, spec

from constitutive.data import StressStrainData
from constitutive.errors import DataError
from constitutive.planning import make_plan
from constitutive.simulate import SimulationSettings, simulate
from constitutive.simulate.batches import Gathering
from constitutive.simulate.cells import structure_of

FORCE = 1e-4


@pytest.fixture(scope="module")
def plan():
    return make_plan(structure_of(bulk("Cu", "hcp", a=2.54, c=4.15)), 12, size=0.04)  # two atoms that move against each other


@pytest.fixture(scope="module")
def alone(plan, tmp_path_factory):
    log = tmp_path_factory.mktemp("alone") / "log"
    return simulate(plan, spec("together", log=str(log)), log.parent / "run", settings(force=FORCE))


def sizes(log):
    return [int(line) for line in log.read_text().splitlines()]


def test_a_batch_gives_the_samples_of_one_by_one(plan, alone, tmp_path):
    log = tmp_path / "log"
    found = simulate(plan, spec("together", log=str(log)), tmp_path / "run", settings(force=FORCE, batch=4))
    np.testing.assert_allclose(found.data.F, alone.data.F)
    np.testing.assert_allclose(found.data.cauchy, alone.data.cauchy, atol=1e-9)
    np.testing.assert_allclose(found.data.residual_force_norm, alone.data.residual_force_norm, atol=1e-9)
    assert found.several_minima == alone.several_minima
    together = sizes(log)
    assert max(together) == 4  # never more, and most of the time as many
    assert np.mean(together) > 2.5


def test_a_cell_that_fails_harms_no_other_of_its_batch(plan, alone, tmp_path):
    cell = alone.reference.atoms.get_volume() * np.linalg.det(plan.F[7])
    found = simulate(plan, spec("together", log=str(tmp_path / "log"), volume=cell), tmp_path / "run", settings(force=FORCE, batch=4))
    assert list(found.failed) == [7]
    assert "RuntimeError: the SCF did not converge" in found.failed[7]
    rest = [k for k in range(12) if k != 7]
    np.testing.assert_allclose(found.data.cauchy, alone.data.cauchy[rest], atol=1e-9)


def test_killed_and_started_again_nothing_is_computed_twice(plan, alone, tmp_path):
    plan.save(tmp_path / "plan.json")
    words = ["simulate", tmp_path / "plan.json", "--calculator", "simulate_cases:together", "--set", f"log={tmp_path / 'log'}"]
    words = [str(word) for word in (*words, "--force", FORCE, "--skip-stability", "--batch", 3, "-o", tmp_path / "data.json")]
    process = subprocess.Popen([sys.executable, "-m", "constitutive", *words], cwd=HERE, stderr=subprocess.DEVNULL)
    journal = tmp_path / "data.run" / "journal.jsonl"
    for _ in range(600):
        if process.poll() is not None or (journal.exists() and journal.read_bytes().count(b"\n") >= 2):
            break
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    done = run(*words, cwd=HERE)
    assert done.returncode == 0, done.stderr
    numbers = [json.loads(line)["number"] for line in journal.read_text().splitlines()]
    assert sorted(numbers) == list(range(12))
    np.testing.assert_allclose(StressStrainData.load(tmp_path / "data.json").cauchy, alone.data.cauchy, atol=1e-9)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch": 0}, "batch: found 0"),
        ({"batch": 2, "workers": 2}, "a batch with workers, a scheduler or a time limit"),
        ({"batch": 2, "time_limit": 9.0}, "a batch with workers, a scheduler or a time limit"),
    ],
)
def test_settings_that_contradict_a_batch_are_refused(options, message):
    with pytest.raises(DataError, match=message):
        SimulationSettings(**options)


def test_a_calculator_of_one_cell_at_a_time_is_refused(tmp_path):
    cube = make_plan(Atoms("Po", cell=np.eye(3) * 3.6, pbc=True), 4, size=0.02)
    with pytest.raises(DataError, match="spring evaluates one cell at a time; needed chgnet"):
        simulate(cube, spec("spring"), tmp_path / "run", settings(batch=2))


def test_threads_that_wait_end_when_the_run_stops():
    class Never:
        def evaluate_batch(self, cells):
            raise AssertionError("nothing is evaluated")

    gathering, errors = Gathering(Never()), []

    def hand_over():
        try:
            gathering.evaluate(Atoms("Po"))
        except DataError as error:
            errors.append(str(error))

    gathering.join()
    gathering.join()  # of a second sample, which never comes
    thread = threading.Thread(target=hand_over)
    thread.start()
    gathering.stop()
    thread.join(5)
    assert not thread.is_alive()
    assert errors == ["the run was stopped"]
    with pytest.raises(DataError, match="stopped"):
        gathering.evaluate(Atoms("Po"))
