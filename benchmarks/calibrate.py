"""How long a calibration takes, and how much its law errs, by set and number of samples.

    ./dev python benchmarks/calibrate.py [--sets silicon_carbide …] [--sizes 50 200] [--seeds 1] [--workers 1 2] [--efforts full quick]
                                         [--against CHECKOUT] [--json FILE]

Each calibration is a process of its own that has imported the package before the clocks start; the law learns from the first N samples of
benchmarks/data/random_strains/<set> and is compared with unseen strains: ‖ΔS‖/‖S‖. These are random strains, |E| uniform up to 0.10
(the shipped sets follow plans). With --against each is followed by the same one with the code of another checkout, so that both meet the
same load; processor time is the fairer clock where others use the machine.
"""

import argparse
import itertools
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

CHECKOUT = Path(__file__).resolve().parent.parent
RANDOM = CHECKOUT / "benchmarks" / "data" / "random_strains"
out = Console(highlight=False, width=130)
WORKER = """
import inspect, json, lzma, sys, tempfile, time
from constitutive.calibration import calibrate, evaluate
from constitutive.data import StressStrainData
folder, n, seed, options = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), json.loads(sys.argv[4])
def load(part):
    with lzma.open(f"{folder}/{part}.json.xz") as packed, tempfile.NamedTemporaryFile(suffix=".json") as plain:
        plain.write(packed.read())
        plain.flush()
        return StressStrainData.load(plain.name)
data, unseen = load("data"), load("unseen")
try:
    from constitutive.fitting.compiled_network import compiled
    compiled()
except ImportError:
    pass
known = inspect.signature(calibrate).parameters
wall, cpu = time.perf_counter(), time.process_time()
material = calibrate(data, train=n, seed=seed, **{name: value for name, value in options.items() if name in known})
found = {"wall_s": time.perf_counter() - wall, "cpu_s": time.process_time() - cpu}
found |= {"error": evaluate(material, unseen).second_piola_relative_error, "units": material.law.orbit_units()}
print(json.dumps(found | {"held_out_error": material.report.held_out_error, "widths": material.report.as_dict().get("widths", [])}))
"""


def sets():
    return sorted(folder.name for folder in RANDOM.iterdir())


def timed(checkout, name, n, seed, options):
    """One calibration with the code of a checkout, on one BLAS thread."""
    arguments = [str(RANDOM / name), str(n), str(seed), json.dumps(options)]
    environment = {**os.environ, "PYTHONPATH": str(checkout), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-W", "ignore", "-c", WORKER, *arguments]  # -c takes the package of the folder that it starts in
    done = subprocess.run(command, cwd=checkout, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{name}, N = {n}, {checkout}:\n{done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def measure(options):
    """All runs, each as a record."""
    cases = itertools.product(options.sets, options.sizes, range(options.seeds), options.efforts, options.workers)
    for name, n, seed, effort, workers in cases:
        record = {"set": name, "samples": n, "seed": seed, "effort": effort, "workers": workers}
        record |= timed(CHECKOUT, name, n, seed, {"effort": effort, "workers": workers})
        if options.against:
            record["before"] = timed(options.against.resolve(), name, n, seed, {})
        yield record


def table(records):
    grid = Table(box=None, padding=(0, 2, 0, 0))
    for column in (
        "set",
        "N",
        "effort",
        "workers",
        "wall, s",
        "processor, s",
        "error, %",
        "units",
        "before: wall, s",
        "processor, s",
        "error, %",
        "units",
    ):
        grid.add_column(column, justify="left" if column in ("set", "effort") else "right")
    rows = {}
    for record in records:
        rows.setdefault(tuple(record[k] for k in ("set", "samples", "effort", "workers")), []).append(record)
    for (name, n, effort, workers), found in rows.items():
        grid.add_row(name, str(n), effort, str(workers), *figures(found), *figures([r["before"] for r in found if "before" in r]))
    out.print(grid)


def figures(records):
    """Medians over seeds; of the error also the range."""
    if not records:
        return ["", "", "", ""]
    wall, cpu, error, units = (np.array([record[key] for record in records]) for key in ("wall_s", "cpu_s", "error", "units"))
    spread = f" ({100 * error.min():.2g}–{100 * error.max():.2g})" if len(error) > 1 else ""
    return [f"{np.median(wall):.1f}", f"{np.median(cpu):.1f}", f"{100 * np.median(error):.3g}{spread}", f"{np.median(units):.0f}"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", nargs="+", default=sets(), choices=sets())
    parser.add_argument("--sizes", nargs="+", type=int, default=[50])
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--workers", nargs="+", type=int, default=[2])
    parser.add_argument("--efforts", nargs="+", default=["full"], choices=["full", "quick"])
    parser.add_argument("--against", type=Path, metavar="CHECKOUT", help="the code of another checkout, after each run")
    parser.add_argument("--json", type=Path, help="write all records there, after each run")
    options = parser.parse_args()
    records = []
    for record in measure(options):
        records.append(record)
        print(json.dumps({key: value for key, value in record.items() if key != "widths"}), file=sys.stderr)
        if options.json:
            options.json.write_text(json.dumps(records, indent=1))
    table(records)


if __name__ == "__main__":
    main()
