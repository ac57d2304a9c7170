"""The notebook is the tutorial, is well formed, and runs; without DOLFINx it runs up to the solve."""

import importlib.util
import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from constitutive.errors import DependencyError


@pytest.fixture(scope="module")
def maker(checkout: Path) -> ModuleType:
    """The script that makes the notebook."""
    spec = importlib.util.spec_from_file_location("tutorial_notebook", checkout / "docs" / "tutorial_notebook.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def notebook(checkout: Path) -> dict:
    return json.loads((checkout / "docs" / "tutorial.ipynb").read_text(encoding="utf-8"))


def test_the_notebook_is_the_tutorial(maker: ModuleType, notebook: dict, checkout: Path) -> None:
    """Where this fails: ./dev python docs/tutorial_notebook.py."""
    assert notebook == maker.notebook((checkout / "docs" / "tutorial.md").read_text(encoding="utf-8"))


def test_the_notebook_is_well_formed(notebook: dict) -> None:
    """What nbformat's schema 4.5 asks of every cell."""
    assert (notebook["nbformat"], notebook["nbformat_minor"]) == (4, 5)
    identities = [cell["id"] for cell in notebook["cells"]]
    assert len(set(identities)) == len(identities)
    assert all(re.fullmatch(r"[a-zA-Z0-9-_]{1,64}", identity) for identity in identities)
    for cell in notebook["cells"]:
        needed = {"cell_type", "id", "metadata", "source"} | ({"outputs", "execution_count"} if cell["cell_type"] == "code" else set())
        assert set(cell) == needed
        assert all(line.endswith("\n") for line in cell["source"][:-1])
    assert sum(cell["cell_type"] == "code" for cell in notebook["cells"]) >= 10


class NoDolfinx:
    """An installation without DOLFINx."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        if name.partition(".")[0] in ("dolfinx", "ufl"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


def run(notebook: dict, names: dict) -> str:
    """Run the Python cells from top to bottom; the source of the first cell that needs DOLFINx and does not get it."""
    for number, cell in enumerate(notebook["cells"], start=1):
        source = "".join(cell["source"])
        if cell["cell_type"] == "code" and not source.startswith("!"):
            try:
                exec(compile(source, f"cell {number}", "exec"), names)  # the notebook's own code
            except (ModuleNotFoundError, DependencyError):
                return source
    return ""


def test_the_notebook_runs(notebook: dict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kept_calibrate: Callable) -> None:
    """In an empty folder, as after `pip install`."""
    monkeypatch.setattr("constitutive.calibration.calibrate", kept_calibrate)
    monkeypatch.chdir(tmp_path)
    names: dict = {"__name__": "notebook"}
    assert run(notebook, names) == ""
    assert names["problem"].load == 1.0


def test_without_dolfinx_it_runs_up_to_the_solve(
    notebook: dict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kept_calibrate: Callable
) -> None:
    monkeypatch.setattr("constitutive.calibration.calibrate", kept_calibrate)
    monkeypatch.chdir(tmp_path)
    for name in [name for name in sys.modules if name.partition(".")[0] in ("dolfinx", "ufl")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "meta_path", [NoDolfinx(), *sys.meta_path])
    names: dict = {"__name__": "notebook"}
    stopped = run(notebook, names)
    assert stopped.startswith("import ufl")
    assert "turned" in names  # the last result before it


def test_the_commands_of_the_notebook_find_their_files(notebook: dict) -> None:
    """Data by the package, the material by the cells before; the commands themselves run in the test of the page."""
    lines = [line.strip() for cell in notebook["cells"] for line in cell["source"] if line.startswith("!")]
    assert len(lines) >= 4
    assert all(line.startswith("!constitutive ") for line in lines)
    assert not any("materials/" in line for line in lines)
