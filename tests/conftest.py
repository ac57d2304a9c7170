"""Settings of the test run: one thread, a deterministic hypothesis, no network, no window."""

import atexit
import json
import os
import shutil
import tempfile
from collections.abc import Callable

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("MPLBACKEND", "Agg")

from pathlib import Path

if "XDG_CONFIG_HOME" not in os.environ:  # FFCx compiles by -O1 in half the time, in workers and on ranks too
    os.environ["XDG_CONFIG_HOME"] = tempfile.mkdtemp(prefix="constitutive-tests-")
    atexit.register(shutil.rmtree, os.environ["XDG_CONFIG_HOME"], ignore_errors=True)
    options = Path(os.environ["XDG_CONFIG_HOME"]) / "dolfinx" / "dolfinx_jit_options.json"
    options.parent.mkdir()
    options.write_text(json.dumps({"cffi_extra_compile_args": ["-O1", "-g0"], "timeout": 120}))  # a form that another worker compiles

import first_calls
import pytest
from hypothesis import HealthCheck, settings

# CalculiX itself is built by `make test-calculix` only
collect_ignore = [] if os.environ.get("CONSTITUTIVE_CCX") else ["test_export_calculix.py"]

settings.register_profile("project", deadline=None, derandomize=True, max_examples=25, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("project")


def pytest_runtest_setup() -> None:
    first_calls.start_test()


@pytest.fixture(scope="session")
def checkout() -> Path:
    """The folder of the checkout."""
    return Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def silicon_data(checkout: Path) -> Path:
    """The DFT silicon set that the main job calibrates on."""
    return checkout / "materials" / "silicon" / "data.json"


@pytest.fixture(scope="module")
def document(silicon_data: Path) -> dict:
    """The DFT silicon set as plain JSON."""
    return json.loads(silicon_data.read_text())


@pytest.fixture(scope="module")
def silicon(silicon_data: Path):
    """The DFT silicon set."""
    from constitutive.data import StressStrainData  # not before pytest has put its type checks on the package

    return StressStrainData.load(silicon_data)


@pytest.fixture(scope="session")
def kernels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The cache of compiled laws that the tests of the kernel share."""
    return tmp_path_factory.mktemp("cache") / "kernels"


@pytest.fixture(scope="session")
def sets(checkout: Path) -> dict:
    """The good sets of the intake check's tests, by name."""
    from constitutive.data import StressStrainData  # not before pytest has put its type checks on the package

    return {path.stem: StressStrainData.load(path) for path in sorted((checkout / "tests" / "data" / "intake").glob("*.json"))}


@pytest.fixture(scope="session")
def kept_calibrate(tmp_path_factory: pytest.TempPathFactory) -> Callable:
    """The function ``calibrate``; what another test has asked for already is not made again."""
    from kept_fits import keeping, shared_folder  # not before pytest has put its type checks on the package

    return keeping(shared_folder(tmp_path_factory) / "kept-fits")


@pytest.fixture
def rutile():
    """Rutile, space group 136, as ASE Atoms."""
    from ase.spacegroup import crystal

    return crystal(["Ti", "O"], [(0, 0, 0), (0.305, 0.305, 0)], spacegroup=136, cellpar=[4.594, 4.594, 2.959, 90, 90, 90])


@pytest.fixture
def quartz_file(tmp_path: Path) -> Path:
    """Right-handed quartz as a CIF."""
    from constitutive.symmetry import quartz  # not before pytest has put its type checks on the package

    path = tmp_path / "quartz.cif"
    quartz("right").to(filename=str(path))
    return path
