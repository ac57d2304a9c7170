"""The task of `benchmarks/equivariant.py`, and its part for EMLP, which runs in an environment of its own.

    python3.11 -m venv emlp
    emlp/bin/pip install jax==0.4.13 jaxlib==0.4.13 "numpy<2" "scipy<1.13" six objax emlp
    ./dev python benchmarks/equivariant.py --emlp-python emlp/bin/python

The project's `dev` enters a container: name the folders of that Python in CONSTITUTIVE_BIND. It prints the rows of EMLP (emlp 1.0.3,
objax 1.8.0) as JSON. Nothing but NumPy is imported from outside that environment.
"""

import argparse
import json
import time

import numpy as np

RATE, UNSEEN = 5e-3, 1000


def data(count, seed):
    x = np.random.default_rng(seed).normal(size=(count, 4, 3))
    x /= np.linalg.norm(x, axis=2, keepdims=True)
    a, b, c, d = x.swapaxes(0, 1)
    return x.reshape(count, 12), np.einsum("ni,ni->n", np.cross(a, b), c) + np.einsum("ni,ni->n", a, d)


class EmlpPeer:
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
    given = parser.parse_args()
    print(json.dumps(measure(EmlpPeer, given.samples, given.seeds, given.steps)))


if __name__ == "__main__":
    main()
