"""What the README says is true: its Python runs, its files exist."""

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from pymatgen.core import Lattice, Structure


def test_the_python_example_runs(
    checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture, kept_calibrate: Callable
) -> None:
    monkeypatch.setattr("constitutive.calibration.calibrate", kept_calibrate)
    block = re.search(r"run by tests/test_readme.py -->\n```python\n(.*?)```", (checkout / "README.md").read_text(), re.DOTALL)
    assert block is not None
    lines = block[1].strip().splitlines()
    assert len(lines) <= 15
    monkeypatch.chdir(tmp_path)
    Structure.from_spacegroup("Fd-3m", Lattice.cubic(5.43), ["Si"], [[0, 0, 0]]).to_file("POSCAR", fmt="poscar")
    names: dict = {}
    exec(compile(block[1], "README.md", "exec"), names)  # the README's own code
    assert capsys.readouterr().out.startswith("m-3m m-3m 48")
    assert (tmp_path / "silicon" / "card.yaml").exists()
    assert np.shape(names["P"]) == (3, 3)
    assert np.shape(names["dPdF"]) == (3, 3, 3, 3)


def test_the_files_that_it_names_exist(checkout: Path) -> None:
    text = (checkout / "README.md").read_text()
    for link in re.findall(r"\]\(([^)#:]+)\)", text):
        assert (checkout / link).exists(), link
