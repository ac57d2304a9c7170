"""What every command of the command line costs on a small real input: processor time, wall time, and the heavy packages it imports.

    ./dev python benchmarks/commands.py [--json FILE]

Each command is a process of its own, from the start of Python to its end, with one thread. Inputs: silicon by DFT (55 strained cells), its
material, and an output of VASP. Times include the import of the packages, which for many commands is most of them.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

from constitutive import Material, shipped
from constitutive.cli import COMMANDS

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))
from imported import CODE, HEAVY  # needs the path above

console = Console(highlight=False, width=140)


def inputs(folder):
    """The words of each command; files that it needs are written into a folder."""
    silicon, material = shipped("silicon") / "data.json", shipped("silicon")
    table = folder / "constants.txt"
    rows = Material.load(material).stiffness_voigt()
    table.write_text("\n".join(" ".join(f"{value:.4f}" for value in row) for row in rows) + "\n")
    options = folder / "options.json"
    options.write_text("{}")
    run = Path(__file__).resolve().parent.parent / "tests" / "data" / "readers" / "vasprun.xml"
    return {
        "--help": [],
        "new": [folder / "new"],
        "materials": [],
        "symmetry": [material / "structure.json"],
        "plan": [shipped("copper") / "structure.json", "-n", "10", "--size", "0.03", "-o", folder / "plan.json"],
        "simulate": [folder / "plan.json", "--calculator", "emt", "-o", folder / "simulated.json"],
        "convert": [run, "-o", folder / "data.json"],
        "check": [silicon],
        "calibrate": [silicon, "--train", "20", "--out", folder / "calibrated"],
        "build": [
            shipped("copper") / "structure.json",
            "--calculator",
            "emt",
            "--target",
            "2%",
            "--effort",
            "quick",
            "--size",
            "0.03",
            "--out",
            folder / "built",
        ],
        "improve": [folder / "built", "-n", "2", "--calculator", "emt", "--out", folder / "improved"],
        "evaluate": [material, silicon],
        "constants": [material],
        "wells": [material, "--starts", "4"],
        "twins": ["--group", "m-3m", "--subgroup", "4mm", "--strain=-0.003,-0.003,0.01,0,0,0", "--polarization", "0,0,0.26"],
        "import": [table, "--point-group", "m-3m", "-o", folder / "imported"],
        "export": [material, "--to", "umat", "-o", folder / "law.f90"],
        "audit": [material],
        "report": [material, "--no-learning-curve", "-o", folder / "report.html"],
        "compare": [material, shipped("silicon_sw")],
        "doctor": [],
        "cache": [],
    }


def measured(command, words):
    """Processor time and wall time of one call, and the heavy packages that it imported."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    began, used = time.perf_counter(), _children()
    done = subprocess.run([sys.executable, "-c", CODE, command, *map(str, words)], capture_output=True, text=True, env=environment)
    seconds, wall = _children() - used, time.perf_counter() - began
    if done.returncode not in (0, 1):
        raise RuntimeError(f"{command} ended with code {done.returncode}: {done.stderr}")
    imported = set(done.stderr.strip().splitlines()[-1].split())
    return {"processor_s": seconds, "wall_s": wall, "imports": [name for name in HEAVY if name in imported]}


def _children():
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, help="also write the figures into a file")
    parser.add_argument("--only", nargs="*", default=None, help="some commands only")
    arguments = parser.parse_args()
    figures = {}
    with tempfile.TemporaryDirectory() as name:
        calls = inputs(Path(name))
        assert set(calls) == {"--help", *COMMANDS}
        for command, words in calls.items():
            if arguments.only is None or command in arguments.only:
                figures[command] = measured(command, words)
                console.print(f"{command}: {figures[command]['processor_s']:.1f} s", style="dim")
    table = Table("command", "processor time (s)", "wall time (s)", "imports")
    for command, found in figures.items():
        table.add_row(command, f"{found['processor_s']:.1f}", f"{found['wall_s']:.1f}", " ".join(found["imports"]) or "-")
    console.print(table)
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
