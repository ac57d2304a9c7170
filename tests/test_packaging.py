"""The wheel holds the package, its materials and nothing that needs DOLFINx to be imported."""

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def wheel(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built as pip builds it, without the network."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    result = subprocess.run(command, cwd=checkout, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    (built,) = folder.glob("*.whl")
    return built


def test_materials_ship_inside_the_wheel(wheel: Path, checkout: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    for folder in (checkout / "materials").iterdir():
        assert f"constitutive/materials/{folder.name}/data.json" in names
    assert "constitutive/py.typed" in names
    assert not [name for name in names if name.startswith(("tests/", "results/"))]


def test_the_wheel_works_on_its_own(wheel: Path, tmp_path: Path) -> None:
    """Installed elsewhere, it finds its materials; without DOLFINx everything but ``constitutive.fem`` is there."""
    zipfile.ZipFile(wheel).extractall(tmp_path)
    code = """
import sys
class NoDolfinx:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("dolfinx", "petsc4py", "mpi4py"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, NoDolfinx())
import constitutive
from constitutive import Material, StressStrainData, calibrate, shipped
assert constitutive.__file__.startswith(sys.path[0]), constitutive.__file__
data = StressStrainData.load(shipped("silicon") / "data.json")
assert Material.load("silicon").point_group.symbol == "m-3m"
print(data.structure.composition.reduced_formula)
try:
    import constitutive.fem
except ImportError as error:
    print(type(error).__name__, error)
"""
    run = tmp_path / "run.py"
    run.write_text(f"import sys\nsys.path.insert(0, {str(tmp_path)!r})\n{code}")
    result = subprocess.run([sys.executable, str(run)], cwd=tmp_path, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith("Si\nDependencyError constitutive.fem needs DOLFINx")
    assert "conda" in result.stdout
    listed = subprocess.run(
        [sys.executable, "-m", "constitutive", "materials", "--json"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert listed.returncode == 0, listed.stderr
    names = [row["name"] for row in json.loads(listed.stdout)]
    assert names == sorted(path.name for path in (tmp_path / "constitutive" / "materials").iterdir())
