"""The usual ways to bring a learned law into a finite-element code, as laws with the interface of ours: to be timed beside them.

``AutogradLaw``   the same network, its energy only; stress and tangent by torch's vmap(jacrev(grad))
``E3nnLaw``       e3nn tensor products and a gate on 0e + 2e; stress and tangent by torch's autograd
``CompiledLaw``   another of these by torch.compile, where that finds torch's C++ headers (Debian: libtorch-dev)
``JaxLaw``        the same network in JAX: jit(vmap(grad)), jit(vmap(hessian)), as users of dolfinx-external-operator write it
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from functools import cache, partial

import numpy as np
import torch
from torch import Tensor

from constitutive.laws import Law, NetworkLaw

CHUNK = 512  # points at once at which they are fastest: larger temporaries cost page faults


class Peer(Law):
    """A law given by its energy, evaluated some other way."""

    def __init__(self, rotations: np.ndarray | None = None) -> None:
        super().__init__(np.eye(3)[None] if rotations is None else rotations)

    def energy_mandel(self, x):
        raise NotImplementedError

    def stress_mandel(self, x):
        raise NotImplementedError

    def tangent_mandel(self, x):
        raise NotImplementedError

    def derivative_mandel(self, x, order):
        raise NotImplementedError

    def state(self):
        raise NotImplementedError

    @classmethod
    def from_state(cls, settings, arrays, rotations):
        raise NotImplementedError


class AutogradLaw(Peer):
    """Energy by hand, the rest by torch.func."""

    def __init__(self, law: NetworkLaw) -> None:
        super().__init__(law.rotations.numpy())
        W, b, a = law.orbit_weights, law.orbit_biases, law.orbit_amplitudes
        slope, value = law.slope, law.value

        def energy(x: Tensor) -> Tensor:
            z = W @ x + b
            return a @ ((z + torch.sqrt(z * z + 4)) / 2) - value - slope @ x

        self.psi = torch.func.vmap(energy)
        self.gradient = torch.func.vmap(torch.func.grad(energy))
        self.hessian = torch.func.vmap(torch.func.jacrev(torch.func.grad(energy)))

    def energy_mandel(self, x):
        return self.psi(x)

    def stress_mandel(self, x):
        return self.gradient(x).detach()

    def tangent_mandel(self, x):
        return torch.cat([self.hessian(part).detach() for part in torch.split(x, 64)])


class CompiledLaw(Peer):
    """Stress and tangent of another law by torch's own compiler, one program per size of batch."""

    def __init__(self, law: NetworkLaw | AutogradLaw) -> None:
        super().__init__(law.rotations.numpy())
        closed = isinstance(law, NetworkLaw)
        self.energy_mandel = law.energy_mandel
        self.gradient = torch.compile(law.stress_mandel if closed else law.gradient, dynamic=False)
        self.hessian = torch.compile(law.tangent_mandel if closed else law.hessian, dynamic=False)

    def stress_mandel(self, x):
        return self.gradient(x).detach()

    def tangent_mandel(self, x):
        return self.hessian(x).detach()


@cache
def torch_compiles() -> bool:
    """Whether torch.compile makes code here: it takes a compiler and torch's C++ headers."""
    try:
        return torch.compile(lambda x: torch.sqrt(x + 1))(torch.ones(64, dtype=torch.float64)).shape == (64,)
    except Exception:  # noqa: BLE001 - whatever its back end raises, there is no such row
        return False


class E3nnLaw(Peer):
    """Two tensor products and a gate: SO(3)-equivariant layers, as they come."""

    def __init__(self, scalars: int = 32, tensors: int = 16) -> None:
        super().__init__()
        from e3nn import nn, o3

        from constitutive.tensors.packing import mandel_to_irreps

        torch.manual_seed(0)
        previous = torch.get_default_dtype()
        torch.set_default_dtype(torch.float64)  # e3nn builds its constants in this type
        irreps = o3.Irreps("0e + 2e")
        silu = torch.nn.functional.silu
        self.gate = nn.Gate(f"{scalars}x0e", [silu], f"{tensors}x0e", [torch.sigmoid], f"{tensors}x2e")
        self.first = o3.FullyConnectedTensorProduct(irreps, irreps, self.gate.irreps_in)
        self.second = o3.FullyConnectedTensorProduct(self.gate.irreps_out, self.gate.irreps_out, "0e")
        torch.set_default_dtype(previous)
        self.Q = torch.as_tensor(mandel_to_irreps()) / 0.05

    def energy_mandel(self, x):
        y = x @ self.Q.T
        features = self.gate(self.first(y, y))
        return self.second(features, features)[:, 0]

    def stress_mandel(self, x):
        with torch.enable_grad():
            x = x.detach().requires_grad_()
            return torch.autograd.grad(self.energy_mandel(x).sum(), x)[0]

    def tangent_mandel(self, x):
        with torch.enable_grad():
            x = x.detach().requires_grad_()
            slope = torch.autograd.grad(self.energy_mandel(x).sum(), x, create_graph=True)[0]
            rows = [torch.autograd.grad(slope[:, i].sum(), x, retain_graph=i < 5)[0] for i in range(6)]
        return torch.stack(rows, dim=1)


class JaxLaw(Peer):
    """The same network in JAX, on one core, in double precision."""

    def __init__(self, law: NetworkLaw) -> None:
        super().__init__(law.rotations.numpy())
        import jax
        import jax.numpy as jnp

        jax.config.update("jax_enable_x64", True)
        W, b, a, slope = (jnp.asarray(t.numpy()) for t in (law.orbit_weights, law.orbit_biases, law.orbit_amplitudes, law.slope))
        value = float(law.value)

        def energy(x):
            z = W @ x + b
            return a @ ((z + jnp.sqrt(z * z + 4)) / 2) - value - slope @ x

        self.functions = [jax.jit(jax.vmap(f)) for f in (energy, jax.grad(energy), jax.jacfwd(jax.grad(energy)))]

    def _call(self, k: int, x: Tensor) -> Tensor:
        return torch.from_numpy(np.array(self.functions[k](x.numpy())))

    def energy_mandel(self, x):
        return self._call(0, x)

    def stress_mandel(self, x):
        return self._call(1, x)

    def tangent_mandel(self, x):
        return self._call(2, x)


def peers(network: NetworkLaw) -> dict[str, Callable[[], Law]]:
    """What can be had here, by name."""
    found: dict[str, Callable[[], Law]] = {
        "torch autograd, vmap(jacrev(grad))": partial(AutogradLaw, network),
        "e3nn layers under autograd": E3nnLaw,
    }
    if torch_compiles():
        found["torch.compile, closed form"] = partial(CompiledLaw, network)
        found["torch.compile, vmap(jacrev(grad))"] = lambda: CompiledLaw(AutogradLaw(network))
    if importlib.util.find_spec("jax") is not None:
        found["JAX, jit(vmap(jacfwd(grad)))"] = partial(JaxLaw, network)
    return found
