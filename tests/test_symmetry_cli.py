"""The command `constitutive symmetry`, its pictures and its page in the documentation."""

import doctest
import json
import re
import subprocess
import sys

import numpy as np
import pytest
from ase.spacegroup import crystal
from crystal_cases import elastic, iron
from typer.testing import CliRunner

from constitutive.cli import app
from constitutive.errors import SymmetryError
from constitutive.symmetry import (
    PointGroup,
    read_cell,
    stereogram,
)
from constitutive.symmetry import operations as ops
from constitutive.symmetry.tables import SYMBOLS

# ---- pictures


@pytest.mark.parametrize("symbol", SYMBOLS)
def test_stereograms_show_the_elements(symbol, tmp_path):
    group = PointGroup.from_symbol(symbol)
    poles, elements = stereogram(group).axes
    points = sum(patch.get_gid() == "pole" for patch in poles.patches)
    assert points == group.order
    heavy = [line for line in elements.lines if line.get_linewidth() > 1.5]
    assert len(heavy) == sum(e.mirror for e in group.elements)
    if symbol in ("m-3m", "-42m", "32"):
        stereogram(group).savefig(tmp_path / "s.png")
        assert (tmp_path / "s.png").stat().st_size > 10_000


# ---- command line


def run(*arguments):
    result = CliRunner().invoke(app, ["symmetry", *map(str, arguments)], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result


def test_json_has_the_documented_keys(quartz_file):
    answer = json.loads(run(quartz_file, "--json").stdout)
    assert set(answer) == {
        "point_group", "laue_class", "crystal_system", "space_group", "space_group_number", "order", "constants",
        "frames", "ladder", "generators", "stated", "notes", "periodicity",
    }  # fmt: skip
    assert [answer[k] for k in ("point_group", "laue_class", "crystal_system", "order")] == ["32", "-3m", "trigonal", 6]
    assert (answer["space_group"], answer["space_group_number"]) == ("P3_221", 154)
    assert answer["constants"] == {"1": 2, "2": 6, "3": 14, "4": 28}
    assert PointGroup.from_operations(answer["generators"]).symbol == "32"
    assert {"input", "conventional", "ieee"} <= set(answer["frames"])
    assert answer["ladder"]["steps"][0]["symprec"] == 1e-5


def test_the_panel_shows_what_was_found(quartz_file):
    text = run(quartz_file).stdout
    for piece in ("P3_221", "32", "-3m", "3-fold axis along [001]", "second order 6", "IEEE 176", "handed", "well inside"):
        assert piece in text


def test_a_measured_tensor_fixes_the_signs(quartz_file, tmp_path):
    tensor = tmp_path / "stiffness.json"
    frames = {}
    for C14 in (18.0, -18.0):
        tensor.write_text(json.dumps(elastic(C14).tolist()))
        frames[C14] = json.loads(run(quartz_file, "--sign-from", tensor, "--json").stdout)["frames"]
        assert frames[C14]["decided_by"] == "tensor"
    rest = np.array(frames[18.0]["ieee"]) @ np.array(frames[-18.0]["ieee"]).T
    assert not ops.contains(PointGroup.from_symbol("32").operations, rest)
    assert "the measured tensor decided" in " ".join(run(quartz_file, "--sign-from", tensor).stdout.replace("│", " ").split())
    tensor.write_text("no numbers")
    with pytest.raises(SymmetryError, match="no tensor in it"):
        run(quartz_file, "--sign-from", tensor)


def test_the_picture_is_written(quartz_file, tmp_path):
    run(quartz_file, "--plot", "--out", tmp_path / "pictures", "--json")
    assert (tmp_path / "pictures" / "symmetry_quartz.png").stat().st_size > 30_000


def test_magnetic_on_request(tmp_path):
    atoms = iron([2.2, 2.2])
    path = tmp_path / "iron.extxyz"
    atoms.write(path)
    assert json.loads(run(path, "--magnetic", "--json").stdout)["magnetic_point_group"] == "4/mm'm'"
    assert "black-white" in run(path, "--magnetic").stdout
    assert "the structure has moments" in run(path).stdout


def test_two_structures_are_compared(tmp_path):
    cubic, tetragonal = tmp_path / "cubic.vasp", tmp_path / "tetragonal.vasp"
    crystal(["Ba", "Ti", "O"], [(0, 0, 0), (0.5, 0.5, 0.5), (0.5, 0.5, 0)], spacegroup=221, cellpar=[4.0, 4, 4, 90, 90, 90]).write(cubic)
    sites = [(0, 0, 0), (0.5, 0.5, 0.52), (0.5, 0.5, -0.02), (0.5, 0, 0.485)]
    crystal(["Ba", "Ti", "O", "O"], sites, spacegroup=99, cellpar=[3.99, 3.99, 4.03, 90, 90, 90]).write(tetragonal)
    answer = json.loads(run(cubic, tetragonal, "--json").stdout)
    assert (answer["relation"], answer["variants"], answer["common_point_group"]) == ("supergroup", 6, "4mm")
    text = " ".join(run(cubic, tetragonal).stdout.replace("│", " ").split())
    assert "a transition m-3m → 4mm has 6 variants" in text
    assert "rotation by 90° about" in text


def test_bad_files_end_with_one_message_and_code_2(tmp_path):
    command = [sys.executable, "-m", "constitutive", "symmetry", str(tmp_path / "none.cif"), "--json"]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 2
    assert result.stdout == ""
    assert "does not exist" in result.stderr


def test_the_command_stays_quick_by_importing_neither_torch_nor_e3nn(quartz_file):
    code = (
        "import sys; from typer.testing import CliRunner; from constitutive.cli import app; "
        f"r = CliRunner().invoke(app, ['symmetry', {str(quartz_file)!r}, '--json']); assert r.exit_code == 0, r.output; "
        "print(sorted({'torch', 'e3nn', 'matplotlib', 'dolfinx'} & set(sys.modules)))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def test_cells_are_read_once(rutile):
    cell = read_cell(rutile)
    assert read_cell(cell) is cell
    assert cell.names == ("Ti", "O")
    assert cell.weights.tolist() == [22.0, 22.0, 8.0, 8.0, 8.0, 8.0]


# ---- the page and the examples


def test_the_page_of_the_docs_is_right(checkout):
    results = doctest.testfile(str(checkout / "docs" / "symmetry.md"), module_relative=False, optionflags=doctest.ELLIPSIS)
    assert results.attempted > 10
    assert results.failed == 0


def test_the_pictures_of_the_page_are_there(checkout):
    page = (checkout / "docs" / "symmetry.md").read_text()
    pictures = re.findall(r"!\[[^]]*\]\((images/[^)]+)\)", page)
    assert len(pictures) == 3
    assert all((checkout / "docs" / picture).is_file() for picture in pictures)
