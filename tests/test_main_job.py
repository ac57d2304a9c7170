"""The main job reaches its required figures, and draws its pictures."""

import importlib.util
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

LEARNED, UNCONSTRAINED, LINEAR = "learned law", "no symmetry", "linear law"


@pytest.fixture(scope="module")
def job(checkout: Path, tmp_path_factory: pytest.TempPathFactory, kept_calibrate: Callable) -> tuple[dict[str, float], Path]:
    """Figures and folder of one run on a coarse mesh."""
    spec = importlib.util.spec_from_file_location("silicon_block", checkout / "fem_examples" / "silicon_block.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.calibrate = kept_calibrate
    out = tmp_path_factory.mktemp("silicon")
    return module.main(out, cells=3), out


def test_unseen_paths_are_predicted(job: tuple[dict[str, float], Path]) -> None:
    figures, _ = job
    learned, unconstrained, linear = (figures[f"cauchy_rmse_GPa ({name})"] for name in (LEARNED, UNCONSTRAINED, LINEAR))
    assert learned <= 0.010
    assert learned < unconstrained < linear


@pytest.mark.parametrize(("name", "dft"), [("C11", 153.4), ("C12", 56.9), ("C44", 74.3)])
def test_elastic_constants_are_those_of_the_dft(job: tuple[dict[str, float], Path], name: str, dft: float) -> None:
    assert job[0][name] == pytest.approx(dft, rel=0.015)


def test_the_block_is_softer_than_by_linear_elasticity(job: tuple[dict[str, float], Path]) -> None:
    """Silicon softens under stretch (C111 < 0)."""
    assert 0.8 < job[0][f"pull_N ({LEARNED})"] / job[0]["pull_N (linear elasticity)"] < 0.97


@pytest.mark.parametrize("name", ["parity.png", "paths.png", "block.png"])
def test_pictures_are_drawn(job: tuple[dict[str, float], Path], name: str) -> None:
    with Image.open(job[1] / name) as picture:
        colours = picture.convert("RGB").resize((200, 80)).getcolors(maxcolors=20_000)
    assert colours is not None
    assert len(colours) > 50
