"""The house is in order: style, types, layers, and nothing in a test run that silently does not run."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

CHECKS = {
    "style": ["ruff", "check", "--output-format", "concise", "."],
    "types": ["mypy", "--no-error-summary"],
    "layers": ["lint-imports", "--no-cache"],
}


@pytest.mark.parametrize("name", CHECKS)
def test_static_checks(name: str, checkout: Path) -> None:
    command = [str(Path(sys.executable).with_name(CHECKS[name][0])), *CHECKS[name][1:]]
    result = subprocess.run(command, cwd=checkout, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout[-6000:] + result.stderr[-2000:]


def test_layers_are_really_checked(checkout: Path, tmp_path: Path) -> None:
    """Control: an upward import is found."""
    package = tmp_path / "constitutive"
    package.mkdir()
    for room in ("errors", "material", "cli"):
        (package / f"{room}.py").write_text("")
    (package / "__init__.py").write_text("")
    (package / "errors.py").write_text("import constitutive.material\n")
    contract = '[tool.importlinter]\nroot_package = "constitutive"\n'
    contract += '[[tool.importlinter.contracts]]\nname = "down"\ntype = "layers"\n'
    (tmp_path / "pyproject.toml").write_text(contract + 'layers = ["constitutive.material", "constitutive.errors"]\n')
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert result.returncode != 0
    assert "BROKEN" in result.stdout


def test_every_room_is_in_the_layers(checkout: Path) -> None:
    """A room that the contract does not name could import anything."""
    layers = re.search(r"layers = \[(.*?)\n\]", (checkout / "pyproject.toml").read_text(), re.DOTALL)
    assert layers is not None
    named = set(re.findall(r"constitutive\.(\w+)", layers[1]))
    package = checkout / "constitutive"
    rooms = {entry.stem for entry in package.iterdir() if entry.suffix == ".py" or (entry / "__init__.py").exists()}
    assert rooms - {"__init__", "__main__"} <= named


def test_no_test_is_skipped_or_silenced(checkout: Path) -> None:
    marks = re.compile(r"pytest\.skip\(|mark\.skip|mark\.xfail|importorskip")
    for file in (checkout / "tests").rglob("*.py"):
        lines = [line for line in file.read_text().splitlines() if marks.search(line) and "re.compile" not in line]
        assert not lines, f"{file.name}: {lines}"


def test_every_public_function_has_a_docstring_and_types(checkout: Path) -> None:
    """Ruff asks for docstrings; here: every argument of a public function has a type."""
    for file in (checkout / "constitutive").rglob("*.py"):
        if "materials" in file.parts:
            continue
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
                arguments = [a for a in node.args.args + node.args.kwonlyargs if a.arg not in ("self", "cls")]
                bare = [a.arg for a in arguments if a.annotation is None]
                assert not bare, f"{file.relative_to(checkout)}:{node.lineno} {node.name}: no type for {bare}"
