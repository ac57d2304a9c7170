"""What a command must not import: the heavy packages take longer to import than the quick commands take to run."""

import subprocess
import sys
from pathlib import Path

import pytest
from imported import CODE, HEAVY

# each a process of its own, 1 to 3 s; what is named may be imported
CALLS = {
    "--help": ([], set()),
    "check": (["materials/silicon/data.json"], {"scipy", "ase"}),  # ase: van der Waals radii and chemical symbols only
    "symmetry": (["materials/silicon/structure.json"], {"scipy", "ase", "pymatgen"}),
    "convert": (["tests/data/readers/vasprun.xml", "-o"], {"scipy", "ase", "pymatgen"}),
}


@pytest.mark.parametrize("command", CALLS)
def test_a_quick_command_imports_nothing_heavy(command: str, checkout: Path, tmp_path: Path) -> None:
    words, allowed = CALLS[command]
    words = [*words, str(tmp_path / "data.json")] if "-o" in words else words
    done = subprocess.run([sys.executable, "-c", CODE, command, *words], cwd=checkout, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    imported = set(done.stderr.strip().splitlines()[-1].split())
    assert {"typer", "constitutive"} <= imported  # control: the modules were listed
    assert imported & {*HEAVY} <= allowed
