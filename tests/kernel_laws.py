"""Laws of all kinds and groups, and their numbers by torch and by compiled C, for the tests of the kernel."""

import numpy as np
import torch

from constitutive import kernel
from constitutive.fitting import Uncertainty
from constitutive.fitting.polynomial_basis import PolynomialBasis
from constitutive.laws import BoundedLaw, Domain, LinearLaw, NetworkLaw, SeriesLaw, SumLaw, UnconstrainedNetworkLaw
from constitutive.material import Material
from constitutive.symmetry import PointGroup
from constitutive.symmetry.operations import rotation
from constitutive.tensors.packing import mandel_matrix
from constitutive.tensors.polynomials import exponents

LAUE = ("-1", "2/m", "mmm", "4/m", "4/mmm", "-3", "-3m", "6/m", "6/mmm", "m-3", "m-3m")
FOLDS = {"-1": 1, "2/m": 2, "mmm": 4, "4/m": 2, "4/mmm": 4, "-3": 1, "-3m": 2, "6/m": 2, "6/mmm": 4, "m-3": 4, "m-3m": 4}
SKEW = rotation((1.0, 2.0, 3.0), 35.0)
UPPER = np.triu_indices(6)


def group(symbol, turn=None):
    R = PointGroup.from_symbol(symbol).laue_rotations
    return R if turn is None else turn @ R @ turn.T


def linear(rotations, rng):
    A = rng.normal(size=(6, 6))
    return LinearLaw(100 * np.eye(6) + 10 * (A + A.T), rotations, rng.normal(size=6))


def series(rotations, rng, degrees=(2, 3, 4, 5)):
    return SeriesLaw({d: 100 * rng.normal(size=len(exponents(d))) * 3**d for d in degrees}, rotations)


def network(rotations, rng, channels=5):
    return NetworkLaw(rng.normal(size=(channels, 6)), rng.normal(size=channels), 0.1 * rng.normal(size=channels), 0.05, rotations)


def a_domain(rotations, radius=0.2):
    D = np.asarray(mandel_matrix(rotations))
    return Domain(np.mean(D @ np.diag([1, 2, 3, 4, 5, 6.0]) @ D.transpose(0, 2, 1), axis=0), radius)


def everything(rotations, seed=0, policy="extend"):
    """A law with all that generated code holds: linear, series and network, in a domain, turned."""
    rng = np.random.default_rng(seed)
    inner = SumLaw([linear(rotations, rng), series(rotations, rng), network(rotations, rng)])
    return BoundedLaw(inner, a_domain(rotations), policy).rotated(SKEW)


def strains(n, seed=0, size=0.08):
    return np.random.default_rng(seed).uniform(-size, size, (n, 6))


def by_torch(law, x):
    """ψ, S, C (upper triangle) by the law itself."""
    X = torch.from_numpy(x)
    parts = [(law.energy_mandel(p), law.stress_mandel(p), law.tangent_mandel(p)) for p in torch.split(X, 1024)]
    psi, S, C = (torch.cat(part).numpy() for part in zip(*parts, strict=True))
    return psi, S, C[:, UPPER[0], UPPER[1]]


def by_kernel(compiled, x, **options):
    n = len(x)
    psi, S, C = np.full(n, np.nan), np.full((n, 6), np.nan), np.full((n, 21), np.nan)
    compiled.evaluate(x, stress=S, tangent=C, energy=psi, **options)
    return psi, S, C


def error(found, expected):
    return max(float(np.abs(a - b).max() / np.abs(b).max()) for a, b in zip(found, expected, strict=True))


def compiled_law(material, folder, **options):
    result = kernel.compile(material, cache=folder, **options)
    assert result.information.kind == "c", result.information
    return result


KINDS = {
    "linear": lambda R, rng: linear(R, rng),
    "series of degree 6": lambda R, rng: series(R, rng, (1, 3, 6)),
    "series of degree 2": lambda R, rng: series(R, rng, (2,)),
    "stress only": lambda R, rng: series(R, rng, (1,)),
    "network": lambda R, rng: network(R, rng, 40),
    "unconstrained": lambda R, rng: UnconstrainedNetworkLaw(rng.normal(size=(37, 6)), *rng.normal(size=(2, 37)), 0.05),
    "sum of two networks": lambda R, rng: SumLaw([network(R, rng), network(R, rng), linear(R, rng)]),
    "sum with a turned term": lambda R, rng: SumLaw([network(R, rng), series(R, rng).rotated(SKEW)]),
    "turned within a domain": lambda R, rng: BoundedLaw(network(R, rng).rotated(SKEW), a_domain(SKEW @ R @ SKEW.T), "extend"),
}


def material_of(law, symbol, turn=None, name="", domain=None, uncertainty=None):
    """A material around a law of a group in some frame."""
    point_group = PointGroup.from_symbol(symbol)
    return Material(law, point_group if turn is None else point_group.rotated(turn), None, name, domain, uncertainty=uncertainty)


def uncertain(symbol, turn=None, seed=0):
    """A material whose stress is known to within something."""
    R, rng = group(symbol, turn), np.random.default_rng(seed)
    basis = PolynomialBasis(R, (2, 3), 0.07)
    columns = 4 + sum(len(rows) for rows in basis.energy)
    factor, quantiles = rng.normal(size=(columns, 7)), np.linspace(0.5, 3, 6)
    known = Uncertainty(rng.normal(size=(4, 6)), rng.normal(size=4), basis, factor, quantiles)
    return material_of(network(R, rng), symbol, turn, "u", uncertainty=known)
