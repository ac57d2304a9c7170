"""Speed and samples needed of networks of a finite group: ours, escnn and EMLP, and a network without symmetry, on one small task.

    ./dev python benchmarks/equivariant.py [--samples 50 200] [--seeds 3] [--steps 300] [--json FILE]

The task: an invariant of four unit vectors under the rotations of the cube (432), the triple product of three of them plus a scalar
product with the fourth. All are trained by Adam on the whole set and judged by the relative error on 1,000 others. escnn (PyPI: escnn
1.0.11) and EMLP (emlp 1.0.3) take part where they can be imported; they are no dependency of the toolkit. Times are processor time of one
step (value and gradient), in one run.
"""

import argparse
import json
import time
import warnings
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from constitutive.equivariant import EquivariantNetwork, FiniteGroup
from constitutive.symmetry import PointGroup

RATE, UNSEEN = 5e-3, 1000
out = Console(highlight=False, width=120)


def data(count, seed):
    x = np.random.default_rng(seed).normal(size=(count, 4, 3))
    x /= np.linalg.norm(x, axis=2, keepdims=True)
    a, b, c, d = x.swapaxes(0, 1)
    return x.reshape(count, 12), np.einsum("ni,ni->n", np.cross(a, b), c) + np.einsum("ni,ni->n", a, d)


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


class OfEmlp:
    """An objax module, trained by Adam, compiled by JAX."""

    def __init__(self, seed):
        import emlp.nn.objax as enn
        import objax
        from emlp.groups import Group
        from emlp.reps import Scalar, V

        class Cube(Group):
            def __init__(self):
                self.discrete_generators = np.array([[[0.0, -1, 0], [1, 0, 0], [0, 0, 1]], [[0.0, 0, 1], [1, 0, 0], [0, 1, 0]]])
                super().__init__()

        np.random.seed(seed)  # noqa: NPY002 (EMLP draws from it)
        objax.random.DEFAULT_GENERATOR.seed(seed)
        G = Cube()
        self.module = enn.EMLP(4 * V(G), Scalar(G), group=G, ch=128, num_layers=2)
        self.parameters = int(sum(v.size for v in self.module.vars().tensors()))
        adam, module = objax.optimizer.Adam(self.module.vars()), self.module
        gradient = objax.GradValues(lambda x, y: ((module(x)[:, 0] - y) ** 2).mean(), module.vars())

        def train(x, y):
            g, _ = gradient(x, y)
            adam(lr=RATE, grads=g)

        self.train = objax.Jit(train, gradient.vars() + adam.vars())
        self.forward = objax.Jit(module)

    def step(self, x, y):
        import jax.numpy as jnp

        self.train(jnp.asarray(x, dtype=jnp.float32), jnp.asarray(y, dtype=jnp.float32))

    def predict(self, x):
        import jax.numpy as jnp

        return np.asarray(self.forward(jnp.asarray(x, dtype=jnp.float32)))[:, 0].astype(float)


def peers(group):
    return {
        "constitutive.equivariant": lambda seed: ours(seed, group),
        "escnn": of_escnn,
        "EMLP": OfEmlp,
        "no symmetry": without_symmetry,
    }


def measure(make, sizes, seeds, steps):
    rows = []
    for n in sizes:
        errors, times = [], []
        for seed in range(seeds):
            (x, y), (u, v) = data(n, seed), data(UNSEEN, 1000)
            peer = make(seed)
            for _ in range(3):
                peer.step(x, y)  # compiles
            start = time.process_time()
            for _ in range(steps):
                peer.step(x, y)
            times.append((time.process_time() - start) / steps)
            errors.append(float(np.linalg.norm(peer.predict(u) - v) / np.linalg.norm(v)))
        rows.append({"samples": n, "errors": errors, "ms_per_step": 1e3 * float(np.median(times)), "parameters": peer.parameters})
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, nargs="+", default=[50, 200, 800])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=300)
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
