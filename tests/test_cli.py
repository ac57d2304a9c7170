"""The command line: one JSON object on stdout, one message on stderr, exit codes, nothing written after an error."""

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from constitutive import StressStrainData, cli
from constitutive.material import Material

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> Run:
    """Call the command line in this process: exit code, stdout, stderr."""

    def call(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["constitutive", *map(str, arguments)])
        capsys.readouterr()
        try:
            cli.main()
            code = 0
        except SystemExit as end:
            code = int(end.code or 0)
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


@pytest.fixture(scope="module")
def material(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A material calibrated through the command line on the first 20 samples."""
    folder = tmp_path_factory.mktemp("cli") / "silicon"
    data = checkout / "materials" / "silicon" / "data.json"
    command = [sys.executable, "-m", "constitutive", "calibrate", data, "--out", folder, "--train", "20", "--json"]
    result = subprocess.run([str(word) for word in command], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout)["samples"] == 20
    return folder


@pytest.fixture
def document(silicon_data: Path) -> dict:
    """The silicon set as plain JSON, to be broken."""
    return json.loads(silicon_data.read_text())


# ---- what the commands say -------------------------------------------------------------------------------------------


def test_symmetry(run: Run, silicon_data: Path, tmp_path: Path) -> None:
    StressStrainData.load(silicon_data).structure.to_file(str(tmp_path / "POSCAR"), fmt="poscar")
    code, out, _ = run("symmetry", tmp_path / "POSCAR", "--json")
    found = json.loads(out)
    assert code == 0
    expected = {"point_group": "m-3m", "laue_class": "m-3m", "crystal_system": "cubic", "space_group": "Fd-3m"}
    expected |= {"space_group_number": 227, "order": 48, "constants": {"1": 1, "2": 3, "3": 6, "4": 11}}
    assert {name: found[name] for name in expected} == expected


def test_evaluate_agrees_with_the_definitions(run: Run, material: Path, silicon_data: Path) -> None:
    """Figures recomputed here from their definitions."""
    code, out, _ = run("evaluate", material, silicon_data, "--json")
    found = json.loads(out)
    data, law = StressStrainData.load(silicon_data), Material.load(material).law
    P, _ = law(data.F)
    S, sigma = np.linalg.inv(data.F) @ P, P @ data.F.swapaxes(1, 2) / np.linalg.det(data.F)[:, None, None]
    for name, predicted in (("second_piola", S), ("first_piola", P)):
        measure = f"{name}_kirchhoff"
        reference = data.stress(measure)
        error = np.linalg.norm(predicted - reference) / np.linalg.norm(reference)
        assert found[f"{name}_relative_error"] == pytest.approx(error, rel=1e-9)
    assert found["cauchy_rmse_GPa"] == pytest.approx(np.sqrt(np.mean((sigma - data.stress("cauchy")) ** 2)), rel=1e-9)
    assert (code, found["samples"]) == (0, 55)


def test_constants_are_the_curvature_at_zero(run: Run, material: Path) -> None:
    code, out, _ = run("constants", material, "--json")
    C = np.array(json.loads(out)["C_voigt_GPa"])
    law, h = Material.load(material).law, 1e-6
    for column, (i, j) in enumerate([(0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1)]):
        F = np.eye(3)
        F[i, j] += h / 2
        F[j, i] += h / 2
        slope = (law(F)[0] - law(np.linalg.inv(F))[0]) / (2 * h)
        # a normal strain h, or an engineering shear h = 2 eps
        np.testing.assert_allclose(C[:, column], slope[[0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1]], atol=2e-3)
    assert code == 0


def test_audit_passes(run: Run, material: Path) -> None:
    code, out, _ = run("audit", material, "--json")
    found = json.loads(out)
    assert code == 0
    assert found["passed"] is True
    assert max(found[name] for name in ("objectivity", "symmetry", "reference_stress")) <= 1e-12
    assert found["tangent"] <= 1e-6


def test_doctor(run: Run) -> None:
    code, out, _ = run("doctor", "--json")
    found = json.loads(out)
    assert code == 0
    assert found["missing"] == {}
    assert found["versions"]["torch"]


def test_without_json_a_person_gets_a_table(run: Run, material: Path) -> None:
    code, out, err = run("constants", material)
    assert (code, err) == (0, "")
    assert "GPa" in out


# ---- the JSON of the commands (report: test_report.py; the others: test_docs.py) -------------------------------------

NUMBER = (int, float)
MAYBE = (int, float, type(None))
SCHEMAS: dict[str, dict[str, type | tuple[type, ...]]] = {
    "symmetry": {
        "point_group": str,
        "laue_class": str,
        "crystal_system": str,
        "space_group": str,
        "space_group_number": int,
        "order": int,
        "constants": dict,
    },
    "check": {"ok": bool, "largest_group": str, "findings": list},
    "convert": {"written": str, "samples": int},
    "calibrate": {
        "folder": str,
        "point_group": str,
        "laue_class": str,
        "samples": int,
        "C_voigt_GPa": list,
        "chosen": str,
        "reason": str,
        "held_out_error": NUMBER,
        "baseline_error": MAYBE,
        "candidates": dict,
        "widths": list,
    },
    "evaluate": {
        "samples": int,
        "second_piola_relative_error": NUMBER,
        "first_piola_relative_error": NUMBER,
        "cauchy_rmse_GPa": NUMBER,
    },
    "doctor": {"versions": dict, "missing": dict},
    "cache": {"folder": str, "modules": int, "bytes": int, "cleared": bool},
}
FINDING = {"fault": str, "certainty": NUMBER, "samples": list, "message": str, "mend": (str, type(None))}


def agree(schema: dict, payload: dict, command: str) -> None:
    for key, kind in schema.items():
        assert isinstance(payload[key], kind), f"{command}: {key}"


@pytest.fixture
def calls(document: dict, silicon_data: Path, material: Path, tmp_path: Path) -> dict[str, list[object]]:
    """A short call of each command whose JSON has a schema."""
    StressStrainData.load(silicon_data).structure.to_file(str(tmp_path / "POSCAR"), fmt="poscar")
    (tmp_path / "inverted.json").write_text(json.dumps(broken(document, cauchy=(-np.array(document["cauchy"])).tolist(), paths=None)))
    return {
        "symmetry": [tmp_path / "POSCAR"],
        "check": [tmp_path / "inverted.json"],
        "convert": [silicon_data, "-o", tmp_path / "copy.json"],
        "calibrate": [silicon_data, "--out", tmp_path / "calibrated", "--train", "20", "--laws", "series"],
        "evaluate": [material, silicon_data],
        "doctor": [],
        "cache": [],
    }


@pytest.mark.parametrize("command", SCHEMAS)
def test_the_json_of_a_command_is_what_its_page_documents(run: Run, calls: dict[str, list[object]], checkout: Path, command: str) -> None:
    text = (checkout / "docs" / "cli.md").read_text(encoding="utf-8")
    row = re.search(rf"^\| `{command}[^`]*` \| (.*) \|$", text, re.MULTILINE)
    assert row is not None
    keys, _, inner = row[1].partition(": each ")
    assert set(re.findall(r"`(\w+)`", keys)) == set(SCHEMAS[command])
    code, out, _ = run(command, *calls[command], "--json")
    assert out.count("\n") == 1
    payload = json.loads(out)
    agree(SCHEMAS[command], payload, command)
    assert code == (1 if command == "check" else 0)
    if command == "check":
        assert set(re.findall(r"`(\w+)`", inner)) == set(FINDING)
        assert (payload["ok"], payload["findings"][0]["fault"]) == (False, "sign")
        for finding in payload["findings"]:
            agree(FINDING, finding, "check, a finding")
    if command == "calibrate":
        assert np.shape(payload["C_voigt_GPa"]) == (6, 6)
        assert payload["chosen"] in payload["candidates"]


# ---- what goes wrong -------------------------------------------------------------------------------------------------


def broken(document: dict, **changes: object) -> dict:
    return {key: value for key, value in {**document, **changes}.items() if value is not None}


FAULTS = {
    "shape": (lambda d: broken(d, cauchy=[row[:2] for row in d["cauchy"]]), "cauchy"),
    "lengths": (lambda d: broken(d, cauchy=d["cauchy"][:-1]), "55"),
    "nan": (lambda d: broken(d, F=[[[float("nan")] * 3] * 3, *d["F"][1:]]), "F"),
    "inverted": (lambda d: broken(d, F=[[[-1, 0, 0], [0, 1, 0], [0, 0, 1]], *d["F"][1:]]), "det F"),
    "two stresses": (lambda d: broken(d, first_piola_kirchhoff=d["cauchy"]), "exactly one"),
    "unknown unit": (lambda d: broken(d, units="furlong"), "furlong"),
    "implausible unit": (lambda d: broken(d, units="Pa"), "GPa"),
    "sign": (lambda d: broken(d, cauchy=(-np.array(d["cauchy"])).tolist()), "sign"),
    "group against structure": (lambda d: broken(d, point_group="6/mmm"), "6/mmm"),
    "no group": (lambda d: broken(d, lattice=None, species=None, frac_coords=None, point_group=None, space_group=None), "--point-group"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_bad_data_is_refused_and_nothing_is_written(run: Run, document: dict, tmp_path: Path, name: str) -> None:
    change, needle = FAULTS[name]
    file, out = tmp_path / "data.json", tmp_path / "out"
    file.write_text(json.dumps(change(document)))
    code, stdout, stderr = run("calibrate", file, "--out", out, "--json")
    assert code == 2
    assert stdout == ""
    assert needle in stderr
    assert "Traceback" not in stderr
    assert not out.exists()


def test_calibrate_reports_how_stable_the_law_is(run: Run, silicon_data: Path, tmp_path: Path) -> None:
    """The acoustic tensor's smallest eigenvalue beside the error, and what data of one cell cannot see."""
    arguments = ("calibrate", silicon_data, "--out", tmp_path / "si", "--train", "20", "--laws", "series")
    code, out, _ = run(*arguments, "--json")
    found = json.loads(out)
    assert code == 0
    stability, C = found["strong_ellipticity"], found["C_voigt_GPa"]
    assert stability["at_rest_GPa"] == pytest.approx((C[0][0] - C[0][1]) / 2, rel=1e-3)  # the slower shear along [110]
    assert stability["smallest_GPa"] < stability["at_rest_GPa"]
    assert (stability["smallest_GPa"] <= 0) == (stability["lost_at_share"] > 0)
    code, out, _ = run(*arguments)
    assert code == 0
    for words in ("acoustic tensor", f"{stability['smallest_GPa']:.3g} GPa", "slip", "cleavage", "phonons"):
        assert words in out


def test_a_group_that_the_data_contradict_is_refused(run: Run, checkout: Path, tmp_path: Path) -> None:
    """Hexagonal data called cubic; its structure taken away, so that only the stresses show it."""
    document = json.loads((checkout / "materials" / "gallium_nitride" / "data.json").read_text())
    file, out = tmp_path / "data.json", tmp_path / "out"
    changes = dict.fromkeys(("lattice", "species", "frac_coords", "point_group", "space_group"))
    file.write_text(json.dumps(broken(document, **changes)))
    code, _, stderr = run("calibrate", file, "--out", out, "--train", "60", "--point-group", "m-3m")
    assert code == 2
    assert "m-3m" in stderr
    assert not out.exists()


def test_data_in_another_frame_is_refused(run: Run, material: Path, document: dict, tmp_path: Path) -> None:
    R = np.array([[0.6, -0.8, 0], [0.8, 0.6, 0], [0, 0, 1]])
    turned = broken(document, lattice=(np.array(document["lattice"]) @ R.T).tolist(), paths=None)
    (tmp_path / "turned.json").write_text(json.dumps(turned))
    code, _, stderr = run("evaluate", material, tmp_path / "turned.json")
    assert code == 2
    assert "frame" in stderr


@pytest.mark.parametrize("command", ["symmetry", "evaluate", "constants", "audit", "calibrate"])
def test_a_missing_file_is_said_in_one_message(run: Run, material: Path, tmp_path: Path, command: str) -> None:
    absent = tmp_path / "absent.json"
    arguments = {"evaluate": [material, absent], "calibrate": [absent, "--out", tmp_path / "out"]}.get(command, [absent])
    code, stdout, stderr = run(command, *arguments)
    assert code == 2
    assert stdout == ""
    assert "absent.json" in stderr.replace("\n", "")
    assert not (tmp_path / "out").exists()


def test_help_waits_for_nothing_heavy() -> None:
    """Every command's help comes before torch, pymatgen and DOLFINx are imported."""
    code = (
        "import sys, constitutive.cli, typer; typer.main.get_command(constitutive.cli.app);"
        "print([name for name in ('torch', 'e3nn', 'pymatgen', 'dolfinx', 'matplotlib', 'scipy', 'spglib', 'ase') if name in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.stdout.strip() == "[]", result.stderr
