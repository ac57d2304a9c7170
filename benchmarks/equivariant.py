"""Speed and samples needed of networks of a finite group: ours, escnn and EMLP, and a network without symmetry, on one small task.

    ./dev python benchmarks/equivariant.py [--samples 50 200] [--seeds 3] [--steps 300] [--emlp-python PYTHON] [--json FILE]

The task: an invariant of four unit vectors under the rotations of the cube (432), the triple product of three of them plus a scalar
product with the fourth. All are trained by Adam on the whole set and judged by the relative error on 1,000 others. escnn (PyPI: escnn
1.0.11) takes part where it can be imported. EMLP (emlp 1.0.3) needs releases of JAX that do not run beside the toolkit: its part of the run
is done by the Python of another environment, see `benchmarks/equivariant_emlp.py`. Neither is a dependency of the toolkit. Times are
processor time of one step (value and gradient), in one run.
"""

import argparse
import json
import os
import subprocess
import warnings
from pathlib import Path

import numpy as np
import torch
from equivariant_emlp import RATE, measure
from rich.console import Console
from rich.table import Table

from constitutive.equivariant import EquivariantNetwork, FiniteGroup
from constitutive.symmetry import PointGroup

out = Console(highlight=False, width=120)


class TorchPeer:
    """A torch module, trained by Adam."""

    def __init__(self, module, dtype):
        self.module, self.dtype = module.to(dtype), dtype
        self.optimiser = torch.optim.Adam(self.module.parameters(), RATE)
        self.parameters = sum(p.numel() for p in self.module.parameters())

    def step(self, x, y):
        x, y = (torch.as_tensor(v, dtype=self.dtype) for v in (x, y))
        self.optimiser.zero_grad()
        ((self.module(x)[:, 0] - y) ** 2).mean().backward()
        self.optimiser.step()

    def predict(self, x):
        with torch.no_grad():
            return self.module.eval()(torch.as_tensor(x, dtype=self.dtype))[:, 0].double().numpy()


def ours(seed, group):
    network = EquivariantNetwork("4x1o", "0e", group, channels=(16, 8), activation="silu", seed=seed)
    return TorchPeer(network, torch.float64)


def without_symmetry(seed):
    torch.manual_seed(seed)
    layers = [torch.nn.Linear(12, 96), torch.nn.SiLU(), torch.nn.Linear(96, 48), torch.nn.SiLU(), torch.nn.Linear(48, 1)]
    return TorchPeer(torch.nn.Sequential(*layers), torch.float64)


def of_escnn(seed):
    from escnn import group, gspaces, nn

    torch.manual_seed(seed)
    G = group.octa_group()
    space = gspaces.no_base_space(G)
    vector = G.standard_representation
    types = [nn.FieldType(space, [r] * n) for r, n in ((vector, 4), (G.regular_representation, 16), (G.regular_representation, 8))]
    types.append(nn.FieldType(space, [G.trivial_representation]))
    layers = [
        nn.Linear(types[0], types[1]),
        nn.ELU(types[1]),
        nn.Linear(types[1], types[2]),
        nn.ELU(types[2]),
        nn.Linear(types[2], types[3]),
    ]
    body = torch.nn.Sequential(*layers)

    class Wrapped(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.body = body

        def forward(self, x):
            return self.body(nn.GeometricTensor(x, types[0])).tensor

    return TorchPeer(Wrapped(), torch.float32)


def peers(group):
    return {
        "constitutive.equivariant": lambda seed: ours(seed, group),
        "escnn": of_escnn,
        "no symmetry": without_symmetry,
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, nargs="+", default=[50, 200, 800])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--emlp-python", type=Path, help="Python of an environment that has emlp, objax and jax")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    found = {}
    for name, make in peers(FiniteGroup.from_point_group(PointGroup.from_symbol("432"))).items():
        try:
            found[name] = measure(make, given.samples, given.seeds, given.steps)
        except ImportError as error:
            out.print(f"{name}: not installed ({error})")
    if given.emlp_python:
        task = [str(v) for v in ("--samples", *given.samples, "--seeds", given.seeds, "--steps", given.steps)]
        command = [given.emlp_python, Path(__file__).with_name("equivariant_emlp.py"), *task]
        environment = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "PYTHONHOME")}
        found["EMLP"] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout)
    table = Table("network", "parameters", "samples", "error, unseen (median, range)", "ms a step", box=None, padding=(0, 2, 0, 0))
    for name, rows in found.items():
        for row in rows:
            errors = [100 * e for e in row["errors"]]
            text = f"{np.median(errors):.1f} % ({min(errors):.1f} to {max(errors):.1f})"
            table.add_row(name, str(row["parameters"]), str(row["samples"]), text, f"{row['ms_per_step']:.2f}")
    out.print(table)
    if given.json:
        given.json.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
