"""Runs: interrupted, killed, failing, hanging, on a full disk; nothing is computed twice and nothing lost."""

import json
import os
import signal
import subprocess
import sys
import time
import tracemalloc

import numpy as np
import pytest
from ase import Atoms
from command_line import run
from simulate_cases import HERE, settings, spec

from constitutive.data import StressStrainData
from constitutive.errors import DataError, DependencyError
from constitutive.kinematics import second_piola_from_cauchy
from constitutive.planning import make_plan
from constitutive.simulate import CalculatorSpec, SimulationSettings, prepare, prepared_before, run_folder_of, simulate
from constitutive.simulate.cells import structure_of
from constitutive.simulate.journal import RunFolder
from constitutive.simulate.preparation import identity_of

CUBE = Atoms("Po", cell=np.eye(3) * 3.6, pbc=True)


@pytest.fixture(scope="module")
def plan():
    return make_plan(CUBE, 8, size=0.06)


def numbers(folder):
    return [json.loads(line)["number"] for line in (folder / "journal.jsonl").read_text().splitlines()]


def volume(plan, number):
    return float(3.6**3 * np.linalg.det(plan.F[number]))


def saved(plan, tmp_path):
    plan.save(tmp_path / "plan.json")
    return tmp_path / "plan.json"


# -- the samples ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("workers", [0, 2])
def test_the_stresses_are_those_of_the_calculator_in_the_order_of_the_plan(plan, tmp_path, workers):
    found = simulate(plan, spec("spring"), tmp_path / "run", settings(workers=workers))
    E = plan.green_lagrange_strain
    S = 160.2176634 * (0.5 * np.trace(E, axis1=1, axis2=2)[:, None, None] * np.eye(3) + E)
    np.testing.assert_allclose(found.data.F, plan.F)
    np.testing.assert_allclose(second_piola_from_cauchy(plan.F, found.data.cauchy), S, atol=1e-6)
    np.testing.assert_allclose(found.data.W, 0.5 * np.einsum("nij,nij->n", S, E), atol=1e-6)
    assert (found.computed, found.failed, found.data.ions, found.data.point_group) == (8, {}, "relaxed", "m-3m")
    assert np.abs(second_piola_from_cauchy(plan.F, found.data.cauchy) - S[::-1]).max() > 0.1  # control: another order


def test_the_data_set_says_how_it_was_made(plan, tmp_path):
    found = simulate(plan, spec("spring"), tmp_path / "run", settings())
    found.data.save(tmp_path / "data.json")
    again = StressStrainData.load(tmp_path / "data.json", plausible=False)
    assert again.settings["calculator"]["name"] == "simulate_cases:spring"
    assert set(again.calculator_examination) >= {"noise_GPa", "objectivity", "symmetry_residual", "energy_against_stress"}
    assert again.plan_numbers == list(range(8))
    assert run_folder_of("a/data.json").name == "data.run"


def test_another_plan_of_the_crystal_takes_the_reference_of_an_earlier_run(plan, tmp_path):
    unseen = make_plan(CUBE, 4, size=0.06, seed=1)
    words = [saved(unseen, tmp_path), "--calculator", "simulate_cases:slow", "--set", "seconds=0", "--set", f"marks={tmp_path / 'marks'}"]
    words += ["--skip-stability", "--reference-of", tmp_path / "data.run", "-o", tmp_path / "unseen.json"]
    missing = run("simulate", *words, cwd=HERE)
    assert (missing.returncode, "found no run.json; needed the folder of an earlier run" in missing.stderr) == (2, True)
    first = simulate(plan, spec("slow", seconds=0, marks=str(tmp_path / "marks")), tmp_path / "data.run", settings())
    (tmp_path / "marks").unlink()
    done = run("simulate", *words, cwd=HERE)
    assert done.returncode == 0, done.stderr
    assert len((tmp_path / "marks").read_text().splitlines()) == 4  # control: no calculation but the samples
    found = StressStrainData.load(tmp_path / "unseen.json", plausible=False)
    assert found.structure == first.data.structure
    np.testing.assert_array_equal(found.F, unseen.F)


def test_a_plan_of_a_crystal_that_was_built_takes_the_reference_of_the_build(tmp_path):
    start = Atoms("Po", cell=np.eye(3) * 3.5, pbc=True)
    built = prepare(structure_of(start), 0.06, spec("spring"), tmp_path / "reference", settings())
    relaxed = built.reference.structure
    assert relaxed.lattice.a != pytest.approx(3.5, abs=1e-3)  # control
    assert prepared_before(tmp_path / "reference", relaxed, 0.06, spec("spring"), settings()).reference.structure == relaxed
    with pytest.raises(DataError, match="another crystal;"):
        prepared_before(tmp_path / "reference", structure_of(start), 0.06, spec("spring"), settings())
    with pytest.raises(DataError, match="another size of the strains;"):
        prepared_before(tmp_path / "reference", relaxed, 0.05, spec("spring"), settings())


@pytest.mark.parametrize(
    ("crystal", "size", "calculator", "chosen", "message"),
    [
        (Atoms("Po", cell=np.eye(3) * 3.7, pbc=True), 0.06, "spring", {}, "another crystal;"),
        (
            Atoms("Po2", cell=np.eye(3) * 3.6, scaled_positions=[[0, 0, 0], [0.5, 0.5, 0.5]], pbc=True),
            0.06,
            "spring",
            {},
            "another crystal;",
        ),
        (CUBE, 0.05, "spring", {}, "another size of the strains;"),
        (CUBE, 0.06, "raises", {}, "another calculator;"),
        (CUBE, 0.06, "spring", {"ions": "clamped"}, "another ions;"),
    ],
)
def test_the_reference_of_a_run_of_something_else_is_refused(plan, tmp_path, crystal, size, calculator, chosen, message):
    simulate(plan, spec("spring"), tmp_path / "run", settings())
    with pytest.raises(DataError, match=message):
        prepared_before(tmp_path / "run", structure_of(crystal), size, spec(calculator), settings(**chosen))
    assert prepared_before(tmp_path / "run", plan.structure, 0.06, spec("spring"), settings()).reference.point_group == "m-3m"  # control
    (tmp_path / "run" / "reference.json").unlink()
    with pytest.raises(DataError, match=r"found no reference\.json; needed a run whose reference is relaxed"):
        prepared_before(tmp_path / "run", plan.structure, 0.06, spec("spring"), settings())


# -- interrupted ---------------------------------------------------------------------------------------------------------------


def test_a_run_killed_at_any_moment_goes_on_where_it_stopped(plan, tmp_path):
    marks, folder = tmp_path / "marks", tmp_path / "data.run"
    words = [
        sys.executable, "-m", "constitutive", "simulate", saved(plan, tmp_path), "--calculator", "simulate_cases:slow",
        "--set", "seconds=0.05", "--set", f"marks={marks}", "--skip-stability", "-o", tmp_path / "data.json",
    ]  # fmt: skip
    run = subprocess.Popen([str(word) for word in words], cwd=HERE, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    while not ((folder / "journal.jsonl").exists() and len(numbers(folder)) >= 2):
        assert run.poll() is None
        time.sleep(0.01)
    run.send_signal(signal.SIGKILL)
    run.wait()
    before = numbers(folder)
    marks.unlink()
    found = simulate(
        plan, spec("slow", seconds=0.0, marks=str(marks)), folder.with_name("other.run"), settings()
    )  # control: from the start
    assert found.computed == 8
    marks.unlink()
    again = subprocess.run([str(word) for word in words], cwd=HERE, capture_output=True, text=True, check=True)
    assert f"{8 - len(before)} computed now" in again.stdout
    assert sorted(numbers(folder)) == list(range(8))  # nothing twice, nothing lost
    volumes = {line.split()[1] for line in marks.read_text().splitlines()}
    assert not volumes & {f"{volume(plan, number):.12f}" for number in before}
    np.testing.assert_array_equal(StressStrainData.load(tmp_path / "data.json", plausible=False).F, plan.F)


def test_a_line_cut_off_by_a_crash_is_dropped(plan, tmp_path):
    simulate(plan, spec("spring"), tmp_path / "run", settings())
    journal = tmp_path / "run" / "journal.jsonl"
    whole = journal.read_bytes()
    journal.write_bytes(whole[:-20])
    assert simulate(plan, spec("spring"), tmp_path / "run", settings()).computed == 1
    assert journal.read_bytes().count(b"\n") == 8
    journal.write_bytes(b"x" + whole)
    with pytest.raises(DataError, match="line 1 is damaged"):
        simulate(plan, spec("spring"), tmp_path / "run", settings())


def test_two_runs_on_one_folder_and_other_settings_are_refused(plan, tmp_path):
    identity = {"plan": 1, "ions": "relaxed"}
    with RunFolder(tmp_path / "run", identity), pytest.raises(DataError, match="another run at work"):
        RunFolder(tmp_path / "run", identity)
    with RunFolder(tmp_path / "run", identity) as run:  # control: free again
        run.append({"number": 0})
    with pytest.raises(DataError, match="another ions"):
        RunFolder(tmp_path / "run", {"plan": 1, "ions": "clamped"})
    simulate(plan, spec("spring"), tmp_path / "second", settings())
    with pytest.raises(DataError, match="another force"):
        simulate(plan, spec("spring"), tmp_path / "second", settings(force=0.01))


def test_a_potential_file_that_was_edited_is_another_calculator(plan, tmp_path):
    potential = CalculatorSpec("lammps", {"pair_style": "sw", "pair_coeff": ["* * my.sw Po"]}, str(tmp_path))
    identities = []
    for text in ("1.0", "1.0", "1.1"):
        (tmp_path / "my.sw").write_text(text)
        identities.append(identity_of(potential, settings()))
    assert identities[0] == identities[1]
    assert identities[2]["potential"] != identities[0]["potential"]
    assert "potential" not in identity_of(spec("spring"), settings())


def test_a_run_of_an_older_version_goes_on_where_what_it_states_is_the_same(tmp_path):
    for folder, before in (("old", {"plan": 1}), ("new", {"plan": 1, "potential": {"my.sw": "ab"}})):
        with RunFolder(tmp_path / folder, before) as run:
            run.append({"number": 0})
    with RunFolder(tmp_path / "old", {"plan": 1, "potential": {"my.sw": "cd"}}) as run:
        assert len(list(run.records())) == 1
    with pytest.raises(DataError, match="another potential"):
        RunFolder(tmp_path / "new", {"plan": 1, "potential": {"my.sw": "cd"}})


def test_remarks_on_the_calculator_come_before_the_relaxation(tmp_path):
    said, larger = [], Atoms("Po", cell=np.eye(3) * 3.7, pbc=True)
    with pytest.raises(DataError, match="the reference"):  # the stress is not the derivative of the energy
        simulate(make_plan(larger, 4, size=0.02), spec("wrong_sign"), tmp_path / "run", settings(), warn=said.append)
    assert "derivative of the energy" in " ".join(said)
    assert len(said) == len(set(said))


def test_a_run_that_failed_before_its_first_result_leaves_the_folder_to_another(plan, tmp_path):
    with pytest.raises(DataError, match=r"the calculator returned no \w+ of \w+ \(RuntimeError: the SCF did not converge\); needed"):
        simulate(plan, spec("failing"), tmp_path / "run", settings())
    assert len(simulate(plan, spec("spring"), tmp_path / "run", settings()).data) == 8
    with pytest.raises(DataError, match="another calculator"):
        simulate(plan, spec("failing"), tmp_path / "run", settings())


def test_a_full_disk_is_said_and_what_was_written_stays(tmp_path):
    code = (
        "import resource, sys\nfrom constitutive.simulate.journal import RunFolder\nfrom constitutive.errors import DataError\n"
        f"run = RunFolder({str(tmp_path / 'run')!r}, {{'a': 1}})\nrun.append({{'number': 0}})\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (30, resource.RLIM_INFINITY))\n"
        "try:\n    run.append({'number': 1, 'text': 'x' * 100})\nexcept DataError as error:\n    print(error)\n"
        "print(list(run.records()))\n"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "free some space and run the same command again" in result.stdout
    assert "[{'number': 0}]" in result.stdout


# -- failing -------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("what", "said"), [("raise", "the SCF did not converge"), ("nan", "not finite")])
def test_a_sample_that_fails_is_tried_again_then_named_and_left_out(plan, tmp_path, what, said):
    once = simulate(plan, spec("marked", what=what, volume=volume(plan, 4), flag=str(tmp_path / "flag")), tmp_path / "once", settings())
    assert (once.failed, len(once.data)) == ({}, 8)
    always = spec("marked", what=what, volume=volume(plan, 4), flag="always")
    found = simulate(plan, always, tmp_path / "always", settings())
    assert said in found.failed[4]
    assert found.data.plan_numbers == [0, 1, 2, 3, 5, 6, 7]
    assert "4" in found.data.settings["failed_strains"]
    assert simulate(plan, always, tmp_path / "always", settings()).computed == 1  # the failed one only, tried once more


def test_a_worker_that_dies_loses_no_sample(plan, tmp_path):
    dying = spec("marked", what="die", volume=volume(plan, 3), flag=str(tmp_path / "flag"))
    found = simulate(plan, dying, tmp_path / "run", settings(workers=2))
    assert (tmp_path / "flag").exists()
    assert (found.failed, len(found.data)) == ({}, 8)
    dead = spec("marked", what="die", volume=volume(plan, 3), flag="always")
    found = simulate(plan, dead, tmp_path / "dead", settings(workers=1))
    assert list(found.failed) == [3]
    assert "the worker process was lost" in found.failed[3]


def test_a_calculator_that_hangs_is_ended_at_the_time_limit(plan, tmp_path):
    hanging = spec("marked", what="hang", volume=volume(plan, 5), flag="always")
    found = simulate(plan, hanging, tmp_path / "run", settings(time_limit=0.7))  # a process of its own without being asked for
    assert list(found.failed) == [5]
    assert "time limit of 0.7 s, in 2 attempts" in found.failed[5]
    with pytest.raises(DataError, match=r"time limit of 0\.3 s for one calculation of Po"):
        simulate(plan, spec("stuck"), tmp_path / "stuck", settings(time_limit=0.3))  # in the examination


def test_nothing_computed_is_an_error(plan, tmp_path):
    one = make_plan(CUBE, 4, size=0.02)
    broken = type(one)(structure=one.structure, F=one.F[1:2], point_group="m-3m", size=0.02)
    with pytest.raises(DataError, match=r"no sample has a result; sample 0: DataError: .*RuntimeError: the SCF"):
        simulate(broken, spec("marked", what="raise", volume=volume(one, 1), flag="always"), tmp_path / "run", settings())


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"workers": -1}, "workers"),
        ({"workers": 1, "scheduler": "tcp://x"}, "one of them"),
        ({"force": 0.0}, "force"),
        ({"target": float("nan")}, "target"),
    ],
)
def test_settings_that_cannot_be_meant_are_refused(options, said):
    with pytest.raises(DataError, match=said):
        SimulationSettings(**options)


# -- several minima ------------------------------------------------------------------------------------------------------------


def test_two_starts_that_end_in_two_minima_are_flagged(tmp_path):
    crystal = Atoms("Po2", cell=np.eye(3) * 3.6, scaled_positions=[[0, 0, 0], [0.5, 0.5, 0.5]], pbc=True)
    double = make_plan(crystal, 12, size=0.04)
    found = simulate(double, spec("two_wells"), tmp_path / "run", settings(force=1e-4))
    assert found.several_minima
    assert set(found.several_minima) <= {5}
    assert any("several minima" in note for note in found.notes)
    single = simulate(double, spec("two_wells", barrier=0.0), tmp_path / "single", settings(force=1e-4))
    assert single.several_minima == []  # control


# -- many ----------------------------------------------------------------------------------------------------------------------


def test_memory_does_not_grow_with_the_number_of_strains(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "fsync", lambda _handle: None)  # the time of the disk is not what is tested
    peaks = []
    for count in (100, 800):
        F = np.eye(3) + 0.01 * np.random.default_rng(0).normal(size=(count, 3, 3))
        base = make_plan(CUBE, 4, size=0.02)
        many = type(base)(structure=base.structure, F=F @ F.transpose(0, 2, 1), point_group="m-3m", size=0.2)
        tracemalloc.start()
        simulate(many, spec("spring"), tmp_path / f"run{count}", settings())
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert (peaks[1] - peaks[0]) / 700 < 6000  # bytes a strain: the arrays of the data set and the document of the plan


# -- dask ----------------------------------------------------------------------------------------------------------------------


def test_a_dask_cluster_computes_the_same_and_a_killed_worker_loses_no_sample(plan, tmp_path):
    code = f"""
import os, signal, sys, threading, time, json
sys.path.insert(0, {HERE!r})
if __name__ == "__main__":
    from distributed import LocalCluster, Client
    import numpy as np
    from simulate_cases import settings, spec
    from constitutive.data.plan import Plan
    from constitutive.simulate import simulate
    from pathlib import Path
    plan = Plan.load({str(saved(plan, tmp_path))!r})
    folder, marks = Path({str(tmp_path / "run")!r}), {str(tmp_path / "marks")!r}
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None, silence_logs=50) as cluster:
        def kill():
            client = Client(cluster.scheduler_address, set_as_default=False)
            while not (folder / "journal.jsonl").exists() or not (folder / "journal.jsonl").read_text():
                time.sleep(0.01)
            pids = list(client.run(os.getpid).values())
            os.kill(pids[0], signal.SIGKILL)
            client.close()
        killer = threading.Thread(target=kill)
        killer.start()
        found = simulate(plan, spec("slow", seconds=0.1, marks=marks), folder, settings(scheduler=cluster.scheduler_address))
        killer.join()
    print(json.dumps([len(found.data), list(found.failed)]))
"""
    (tmp_path / "cluster.py").write_text(code)
    result = subprocess.run([sys.executable, str(tmp_path / "cluster.py")], capture_output=True, text=True, cwd=tmp_path, timeout=60)
    assert result.returncode == 0, result.stderr[-3000:]
    samples, failed = json.loads(result.stdout.splitlines()[-1])
    assert (samples, failed) == (8, [])
    assert sorted(numbers(tmp_path / "run")) == list(range(8))


def test_a_scheduler_that_is_not_there_and_a_missing_package_are_named(plan, tmp_path, monkeypatch):
    monkeypatch.setattr("constitutive.simulate.executors.CONNECTION", 0.3)
    with pytest.raises(DataError, match=r"no dask scheduler at tcp://127\.0\.0\.1:9"):
        simulate(plan, spec("spring"), tmp_path / "run", settings(scheduler="tcp://127.0.0.1:9"))
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(DependencyError, match=r"pip install 'constitutive\[dask\]'"):
        simulate(plan, spec("spring"), tmp_path / "run", settings(scheduler="tcp://127.0.0.1:9"))
