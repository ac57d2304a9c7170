r"""A law as arrays, and functions of them for any array library: NumPy, torch, jax.

With x the strain in Mandel components of the arrays' axes,

.. math::
    \psi(x) = \sum_d c_d \cdot m_d(x) + \sum_n a_n [\varphi(w_n \cdot x + b_n) - \varphi(b_n) - \varphi'(b_n)\, w_n \cdot x]

where :math:`m_d` are the monomials of degree d and φ is the squareplus. With d = w·x, z = b + d, r = √(z² + 4) and
g = 1 − b(z + b)/(r_b(r + r_b))
the bracket is ½ d² g/(r + r_b), its derivative ½ d g/r: no difference of nearly equal numbers, so single precision is enough.
Outside the domain the energy may be continued as by :class:`constitutive.laws.BoundedLaw`. What a law does not have (units, a domain, a
continuation) has no arrays, and no operations in a graph; nothing branches on the strain.
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
    result: Arrays = {"basis": p.frame @ _mandel_rows(), "unit": np.array(subject.factor)}
    rows = {degree: row for degree, row in p.polynomial.items() if np.any(row)}
    for degree in range(1, max(rows, default=0) + 1):
        result[f"parent_{degree}"], result[f"variable_{degree}"] = _recipe(degree)
    for degree, row in rows.items():
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
    if not len(p.biases):
        return {}
    W = (p.weights[None] * p.signs[:, None, :]).reshape(-1, 6)
    b, a = np.tile(p.biases, len(p.signs)), np.tile(p.amplitudes, len(p.signs))
    return {"weights": W, "biases": b, "amplitudes": a, "products": (W[:, :, None] * W[:, None, :]).reshape(-1, 36)}


def _domain(p: Program, subject: Subject) -> Arrays:
    if p.domain is None:
        return {}
    result = {"metric": np.asarray(p.domain.metric), "limit": np.array((p.domain.radius * (1 + 1e-9)) ** 2)}
    if p.extension is not None:
        kappa, reach = p.extension
        result["extension"] = np.array([p.domain.radius, kappa, kappa / 2, reach])
    if subject.stops:
        result["refused"] = np.array(np.nan)
    return result


def evaluate(p: dict[str, Array], E: Array, xp: ModuleType | Any) -> tuple[Array, Array, Array, Array]:
    """Energy, S (3, 3), dS/dE (3, 3, 3, 3) and a flag (outside the domain) of strains E (..., 3, 3), by closed forms."""
    x = E.reshape(*E.shape[:-2], 9) @ p["basis"].T
    r2, outside = distance(p, x)
    psi, s, c = extended(p, x, r2, outside, xp) if "extension" in p else inside(p, x, xp)
    if "refused" in p:
        unit = xp.where(outside, p["refused"], 1 + 0 * r2)
        psi, s, c = psi * unit, s * unit[..., None], c * unit[..., None, None]
    basis = p["unit"] * p["basis"]
    return psi * p["unit"], (s @ basis).reshape(*E.shape), (p["basis"].T @ c @ basis).reshape(*E.shape, 3, 3), outside


def extended(p: dict[str, Array], x: Array, r2: Array, outside: Array, xp: ModuleType | Any) -> tuple[Array, Array, Array]:
    """The law with its continuation: energy, stress (6), tangent (6, 6)."""
    R, kappa, half, L = (p["extension"][k] for k in range(4))
    r = xp.sqrt(xp.where(outside, r2, R * R))
    n = (x @ p["metric"]) / r[..., None]
    over = xp.where(outside, r - R, 0 * r)
    t, q = over / L, 1 + (over / L) * (over / L)
    rho, rho1, rho2 = R + L * t / xp.sqrt(q), q**-1.5, -3 * t * q**-2.5 / L
    f = xp.where(outside, rho / r, 1 + 0 * r)
    f1 = xp.where(outside, rho1 / r - rho / (r * r), 0 * r)
    f2 = xp.where(outside, rho2 / r - 2 * rho1 / (r * r) + 2 * rho / (r * r * r), 0 * r)
    psi, s, c = inside(p, f[..., None] * x, xp)
    work, cx = (x * s).sum(-1), (c * x[..., None, :]).sum(-1)
    along, across = f1 * work + kappa * over, f2 * work + xp.where(outside, kappa + 0 * r, 0 * r) + f1 * f1 * (x * cx).sum(-1)
    mixed = n[..., :, None] * (f1[..., None] * (s + f[..., None] * cx))[..., None, :]
    both = n[..., :, None] * n[..., None, :]
    bend = (p["metric"] - both) * (along / r)[..., None, None]
    c = (f * f)[..., None, None] * c + mixed + xp.swapaxes(mixed, -1, -2) + across[..., None, None] * both + bend
    return psi + half * over * over, f[..., None] * s + along[..., None] * n, c


def inside(p: dict[str, Array], x: Array, xp: ModuleType | Any) -> tuple[Array, Array, Array]:
    """Energy, stress (6) and tangent (6, 6) without a continuation, in the arrays' axes."""
    psi, s, c = 0 * x[..., 0], 0 * x, 0 * (x[..., :, None] * x[..., None, :])
    if "weights" in p:
        d, g, r, rb = layer(p, x, xp)
        half = 0.5 * p["amplitudes"]
        psi, s = (d * d * g / (r + rb)) @ half, (d * g / r * half) @ p["weights"]
        c = ((4 * half / (r * r * r)) @ p["products"]).reshape(*x.shape, 6)
    m = monomials(p, x)
    for k in range(1, len(m)):
        if f"energy_{k}" in p:
            psi, s = psi + m[k] @ p[f"energy_{k}"], s + m[k - 1] @ p[f"stress_{k}"]
            c = c + (m[k - 2] @ p[f"tangent_{k}"]).reshape(*x.shape, 6) if k > 1 else c
    return psi, s, c


def energy(p: dict[str, Array], E: Array, xp: ModuleType | Any) -> Array:
    """The energy alone, for libraries that differentiate."""
    x = xp.asarray(E).reshape(*E.shape[:-2], 9) @ p["basis"].T
    r2, outside = distance(p, x)
    psi = 0 * r2
    if "extension" in p:
        R, _, half, L = p["extension"]
        r = xp.sqrt(xp.where(outside, r2, R * R))
        over = xp.where(outside, r - R, 0 * r)
        psi, x = half * over * over, x * xp.where(outside, (R + over / xp.sqrt(1 + (over / L) ** 2)) / r, 1 + 0 * r)[..., None]
    if "weights" in p:
        d, g, r, rb = layer(p, x, xp)
        psi = psi + (d * d * g / (r + rb)) @ (0.5 * p["amplitudes"])
    psi = psi + sum(m @ p[f"energy_{k}"] for k, m in enumerate(monomials(p, x)) if f"energy_{k}" in p)
    return psi * p["unit"] * (xp.where(outside, p["refused"], 1 + 0 * r2) if "refused" in p else 1)


def distance(p: dict[str, Array], x: Array) -> tuple[Array, Array]:
    """The square of the distance in the domain's metric, and whether it is outside; a law without a domain has no outside."""
    r2 = ((x @ p["metric"] if "metric" in p else x) * x).sum(-1)
    return r2, r2 > p["limit"] if "limit" in p else r2 < 0


def layer(p: dict[str, Array], x: Array, xp: ModuleType | Any) -> tuple[Array, Array, Array, Array]:
    """Of the hidden units d, g, r and r_b, as above."""
    b, d = p["biases"], x @ p["weights"].T
    z, rb = b + d, xp.sqrt(b * b + 4)
    r = xp.sqrt(z * z + 4)
    return d, 1 - b * (z + b) / (rb * (r + rb)), r, rb


def monomials(p: dict[str, Array], x: Array) -> list[Array]:
    """All monomials of x by degree, each one of the degree below times a variable."""
    m = [1 + 0 * x[..., :1]]
    while f"parent_{len(m)}" in p:
        m.append(m[-1][..., p[f"parent_{len(m)}"]] * x[..., p[f"variable_{len(m)}"]])
    return m


def source_text() -> str:
    """The energy and what it calls as they stand in a generated module, without annotations and docstrings."""
    parts = []
    for function in (energy, distance, layer, monomials):
        text = inspect.getsource(function)
        body = text[text.index('"""', text.index('"""') + 3) + 3 :].replace(", xp)", ")")
        names = [name for name in inspect.signature(function).parameters if name != "xp"]
        start = "@jax.jit\ndef energy(E, p=P):" if function is energy else f"def {function.__name__}({', '.join(names)}):"
        parts.append(start + body)
    return "\n\n".join(parts)
