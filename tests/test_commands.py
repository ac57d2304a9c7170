"""What the command line owes a person: examples in every help, options from a file, two materials side by side, a new project."""

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from command_line import run

import constitutive.cli
from constitutive.cli import app
from constitutive.cli.config import options_of
from constitutive.cli.console import emit
from constitutive.errors import ConstitutiveError
from constitutive.material import Material
from constitutive.report.compare import compare

COMMANDS = sorted(command.name or command.callback.__name__ for command in app.registered_commands)


@pytest.fixture(scope="module")
def cubic() -> Material:
    return Material.from_constants("m-3m", {"C11": 165.7, "C12": 63.9, "C44": 79.6}, name="silicon")


@pytest.mark.parametrize("name", COMMANDS)
def test_every_help_shows_examples_and_the_shared_options(name):
    done = run(name, "--help")
    assert done.returncode == 0
    text = " ".join(done.stdout.split())
    assert re.search(rf"Examples?:? .*constitutive {name}", text), text
    assert "--config" in text
    assert "--json" in text


# ---- wrong words ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["calibrat", "data.json"], "Did you mean 'calibrate'"),
        (["xyzzy"], "The commands are: new, materials, symmetry, plan, simulate, convert"),
        (["console"], "No such command 'console'"),  # a module of the command line, and no command
        (["here.json"], "constitutive check here.json"),
        (["folder"], "constitutive constants folder"),
        (["check"], "Missing argument 'DATA'"),
        (["check", "--nope", "here.json"], "No such option: --nope"),
        (["check", "not_there.json"], "not_there.json: found no such file"),
    ],
)
def test_wrong_words_get_one_message_that_helps(words, message, tmp_path):
    (tmp_path / "here.json").write_text("{}")
    (tmp_path / "folder").mkdir()
    done = run(*words, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    assert message in " ".join(re.sub(r"[│╭╮╰╯─]", " ", done.stderr).split())


def test_every_module_of_a_command_is_known():
    folder = Path(constitutive.cli.__file__).parent
    with_command = {file.stem for file in folder.glob("*.py") if "\ndef register(" in file.read_text(encoding="utf-8")}
    assert with_command == {constitutive.cli.MODULES.get(name, name) for name in constitutive.cli.COMMANDS}


def test_numbers_that_json_lacks_become_null(capsys):
    emit(True, {"a": float("nan"), "b": [np.inf, np.float64(1.5)]}, lambda: None)
    assert json.loads(capsys.readouterr().out) == {"a": None, "b": [None, 1.5]}


# ---- --config -------------------------------------------------------------------------------------------------------------


def test_options_come_from_a_file_and_are_echoed(cubic, tmp_path):
    cubic.save(tmp_path / "material")
    options = {"report": {"dir": str(tmp_path / "material"), "out": str(tmp_path / "page.html"), "seed": 5}}
    (tmp_path / "options.yaml").write_text(yaml.safe_dump(options))
    done = run("report", "--config", tmp_path / "options.yaml", "--seed", 7, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["report"] == str(tmp_path / "page.html")
    echoed = yaml.safe_load((tmp_path / "page.config.yaml").read_text())["report"]
    assert echoed["seed"] == 7  # the command line wins
    assert echoed["dir"] == str(tmp_path / "material")
    assert echoed["learning-curve"] is True


@pytest.mark.parametrize(
    ("text", "message"),
    [("nope: 1", "nope: no option of 'audit'"), ("- 1", "list found"), ("a: [", "cannot be read as YAML"), (None, "cannot be read")],
)
def test_a_bad_file_of_options_is_one_message(text, message, tmp_path):
    if text is not None:
        (tmp_path / "options.yaml").write_text(text)
    done = run("audit", "--config", tmp_path / "options.yaml")
    assert (done.returncode, done.stdout) == (2, "")
    assert message in " ".join(done.stderr.split())


def test_sections_flat_files_and_empty_ones(tmp_path):
    file = tmp_path / "o.yaml"
    for text, expected in (("seed: 1\npoint_group: m-3m", {"seed": 1, "point-group": "m-3m"}), ("", {}), ("other:\n  seed: 2", {})):
        file.write_text(text)
        assert options_of(file, "calibrate") == expected
    file.write_text("x" * (2 << 20))
    with pytest.raises(ConstitutiveError, match="a file of options is short"):
        options_of(file, "calibrate")


# ---- compare --------------------------------------------------------------------------------------------------------------


def test_a_material_does_not_differ_from_itself(cubic):
    found = compare(cubic, cubic)
    assert found.stress_difference == 0
    assert found.rows["C11 (GPa)"] == pytest.approx((165.7, 165.7))
    assert found.rows["Laue class"] == ("m-3m", "m-3m")


def test_the_same_crystal_turned_is_the_same_material(cubic):
    from scipy.spatial.transform import Rotation

    turned = cubic.rotated(Rotation.from_euler("xyz", [10, 20, 30], degrees=True).as_matrix())
    assert compare(cubic, turned).stress_difference < 1e-12


def test_different_crystals_are_distinguished(cubic):
    softer = Material.from_constants("m-3m", {"C11": 150.0, "C12": 63.9, "C44": 79.6})
    assert 0.01 < compare(cubic, softer).stress_difference < 0.1
    hexagonal = Material.from_constants("6/mmm", {"C11": 390.0, "C12": 145.0, "C13": 106.0, "C33": 398.0, "C44": 105.0})
    assert compare(cubic, hexagonal).stress_difference is None


def test_the_command_compares(cubic, tmp_path):
    cubic.save(tmp_path / "a")
    done = run("compare", tmp_path / "a", tmp_path / "a", "--json")
    payload = json.loads(done.stdout)
    assert set(payload) == {"figures", "stress_difference", "radius"}
    assert payload["figures"]["smallest E (GPa)"]["A"] == pytest.approx(130, abs=1)
    assert "differ by 0 %" in run("compare", tmp_path / "a", tmp_path / "a").stdout


# ---- new ------------------------------------------------------------------------------------------------------------------


def test_a_new_project_runs_as_it_is(tmp_path):
    made = run("new", tmp_path / "project", "--json")
    assert made.returncode == 0, made.stderr
    assert json.loads(made.stdout)["files"] == ["README.md", "data/example.json", "options.yaml", "solve.py"]
    options = yaml.safe_load((tmp_path / "project" / "options.yaml").read_text())
    options["calibrate"]["train"] = 12
    (tmp_path / "project" / "options.yaml").write_text(yaml.safe_dump(options))
    for command in ("calibrate", "audit"):
        done = run(command, "--config", "options.yaml", cwd=tmp_path / "project")
        assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "project" / "material" / "config.yaml").exists()
    solved = subprocess.run([sys.executable, "solve.py"], capture_output=True, text=True, cwd=tmp_path / "project")
    assert solved.returncode == 0, solved.stderr


def test_a_folder_that_is_there_is_left_alone(tmp_path):
    done = run("new", tmp_path)
    assert done.returncode == 2
    assert "exists already" in " ".join(done.stderr.split())
    assert list(tmp_path.iterdir()) == []
