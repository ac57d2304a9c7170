r"""A law as arrays, and one function of them for any array library: NumPy, torch, jax.

With x the strain in Mandel components of the arrays' axes,

.. math::
    \psi(x) = \sum_d c_d \cdot m_d(x) + \sum_n a_n [\varphi(w_n \cdot x + b_n) - \varphi(b_n) - \varphi'(b_n)\, w_n \cdot x]

where :math:`m_d` are the monomials of degree d and φ is the squareplus. With d = w·x, z = b + d, r = √(z² + 4) and
g = 1 − b(z + b)/(r_b(r + r_b))
the bracket is ½ d² g/(r + r_b), its derivative ½ d g/r: no difference of nearly equal numbers, so single precision is enough.
Outside the domain the energy may be continued as by :class:`constitutive.laws.BoundedLaw`, without branches.
"""

from __future__ import annotations

import inspect
from types import ModuleType
from typing import Any, TypeAlias

import numpy as np
import torch

from constitutive.export.subject import Subject
from constitutive.kernel.flatten import Program
from constitutive.tensors.packing import VOIGT_PAIRS
from constitutive.tensors.polynomials import differentiate, exponents, raising

Arrays: TypeAlias = dict[str, np.ndarray]
Array: TypeAlias = Any  # of NumPy, torch or jax: the function below is written for all three


def arrays(subject: Subject) -> Arrays:
    """The numbers of a law: ``basis`` (6, 9) from E to x, coefficients by degree, units, domain, unit factor.

    Raises
    ------
    ExportError
        The law has no such form.
    """
    p = subject.program
    result: Arrays = {"basis": p.frame @ _mandel_rows(), "unit": np.array([subject.factor])}
    top = max(p.degree, 2)
    for degree in range(1, top + 1):
        result[f"parent_{degree}"], result[f"variable_{degree}"] = _recipe(degree)
        row = p.polynomial.get(degree, np.zeros(len(exponents(degree))))
        gradient = differentiate(torch.from_numpy(np.ascontiguousarray(row)), degree)
        result[f"energy_{degree}"] = row
        result[f"stress_{degree}"] = gradient.numpy().T
        if degree > 1:
            result[f"tangent_{degree}"] = differentiate(gradient, degree - 1).numpy().reshape(36, -1).T
    return {**result, **_units(p), **_domain(p, subject)}


def _mandel_rows() -> np.ndarray:
    rows = np.zeros((6, 9))
    for k, (i, j) in enumerate(VOIGT_PAIRS):
        rows[k, 3 * i + j] += 1.0 if i == j else np.sqrt(0.5)
        if i != j:
            rows[k, 3 * j + i] += np.sqrt(0.5)
    return rows


def _recipe(degree: int) -> tuple[np.ndarray, np.ndarray]:
    """For each monomial one of the degree below, and the variable that multiplies it."""
    parent, variable = np.zeros(len(exponents(degree)), dtype=np.int64), np.zeros(len(exponents(degree)), dtype=np.int64)
    for k, targets in enumerate(raising(degree - 1)):
        parent[targets], variable[targets] = k, np.arange(6)
    return parent, variable


def _units(p: Program) -> Arrays:
    signs = p.signs
    W = (p.weights[None] * signs[:, None, :]).reshape(-1, 6)
    b, a = np.tile(p.biases, len(signs)), np.tile(p.amplitudes, len(signs))
    if not len(b):
        W, b, a = np.zeros((1, 6)), np.zeros(1), np.zeros(1)
    return {"weights": W, "biases": b, "amplitudes": a, "products": (W[:, :, None] * W[:, None, :]).reshape(-1, 36)}


def _domain(p: Program, subject: Subject) -> Arrays:
    metric = np.eye(6) if p.domain is None else np.asarray(p.domain.metric)
    radius = 1e15 if p.domain is None else p.domain.radius
    kappa, reach = p.extension or (0.0, 1.0)
    kinds = [float(p.extension is not None), float(subject.stops)]  # continued outside; refused outside
    limit = (radius * (1 + 1e-9)) ** 2
    return {"metric": metric, "domain": np.array([radius, kappa, kappa / 2, reach, *kinds, limit])}


def evaluate(p: dict[str, Array], E: Array, xp: ModuleType | Any) -> tuple[Array, Array, Array, Array]:
    """Energy, S (3, 3), dS/dE (3, 3, 3, 3) and a flag (outside the domain) of strains E (..., 3, 3)."""
    R, kappa, half, L, extends, stops, limit = (p["domain"][k] for k in range(7))
    x = E.reshape(*E.shape[:-2], 9) @ p["basis"].T
    n = x @ p["metric"]
    r2 = (n * x).sum(-1)
    outside = r2 > limit
    r = xp.sqrt(xp.where(r2 > 1e-36, r2, 1e-36 + 0 * r2))
    n = n / r[..., None]
    over = xp.where(outside, r - R, 0 * r) * extends
    t, q = over / L, 1 + (over / L) * (over / L)
    rho, rho1, rho2 = R + L * t / xp.sqrt(q), q**-1.5, -3 * t * q**-2.5 / L
    continued = outside & (extends > 0)
    f = xp.where(continued, rho / r, 1 + 0 * r)
    f1 = xp.where(continued, rho1 / r - rho / (r * r), 0 * r)
    f2 = xp.where(continued, rho2 / r - 2 * rho1 / (r * r) + 2 * rho / (r * r * r), 0 * r)
    psi, s, c = inside(p, f[..., None] * x, xp)
    c = c.reshape(*c.shape[:-1], 6, 6)
    work, cx = (x * s).sum(-1), (c * x[..., None, :]).sum(-1)
    along, across = f1 * work + kappa * over, f2 * work + xp.where(outside, kappa + 0 * r, 0 * r) + f1 * f1 * (x * cx).sum(-1)
    mixed = n[..., :, None] * (f1[..., None] * (s + f[..., None] * cx))[..., None, :]
    both = n[..., :, None] * n[..., None, :]
    bend = (p["metric"] - both) * (along / r)[..., None, None]
    c = (f * f)[..., None, None] * c + mixed + xp.swapaxes(mixed, -1, -2) + across[..., None, None] * both + bend
    unit = p["unit"][0] * xp.where(outside & (stops > 0), float("nan") + 0 * r, 1 + 0 * r)
    S = (f[..., None] * s + along[..., None] * n) @ p["basis"]
    C = p["basis"].T @ c @ p["basis"]
    energy = (psi + half * over * over) * unit
    return energy, S.reshape(*E.shape) * unit[..., None, None], C.reshape(*E.shape, 3, 3) * unit[..., None, None, None, None], outside


def inside(p: dict[str, Array], x: Array, xp: ModuleType | Any) -> tuple[Array, Array, Array]:
    """Energy, stress (6) and tangent (36) without a domain, in the arrays' axes."""
    b, half = p["biases"], 0.5 * p["amplitudes"]
    d = x @ p["weights"].T
    z, rb = b + d, xp.sqrt(b * b + 4)
    r = xp.sqrt(z * z + 4)
    g = 1 - b * (z + b) / (rb * (r + rb))
    psi, s, c = (d * d * g / (r + rb)) @ half, (d * g / r * half) @ p["weights"], (4 * half / (r * r * r)) @ p["products"]
    m = [1 + 0 * x[..., :1]]
    for k in range(1, sum(name.startswith("parent") for name in p) + 1):
        m.append(m[-1][..., p[f"parent_{k}"]] * x[..., p[f"variable_{k}"]])
        psi, s = psi + m[k] @ p[f"energy_{k}"], s + m[k - 1] @ p[f"stress_{k}"]
        c = c + (m[k - 2] @ p[f"tangent_{k}"] if k > 1 else 0)
    return psi, s, c


def source_text() -> str:
    """The two functions above as they stand in a generated module, without annotations."""
    lines = []
    for function in (evaluate, inside):
        text = inspect.getsource(function)
        body = text[text.index('"""') :]
        lines.append(
            f"def {function.__name__}(p, E, xp=xp):\n    {body}" if function is evaluate else f"def inside(p, x, xp=xp):\n    {body}"
        )
    return "\n\n".join(lines)
