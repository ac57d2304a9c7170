"""Coupled laws as compiled C: energy, gradient and second derivatives beside torch, for all groups and sets of variables."""

import numpy as np
import pytest
import torch

from constitutive.kernel.coupled import compile_coupled, coupled_program
from constitutive.kernel.flatten import UnsupportedLawError
from constitutive.laws.coupled import (
    CoupledNetworkLaw,
    CoupledSeriesLaw,
    CoupledSumLaw,
    LinearCoupledLaw,
    free_space,
    variables_named,
    with_free_space,
)
from constitutive.symmetry import PointGroup
from constitutive.tensors.packing import mandel_matrix
from constitutive.tensors.polynomials import exponents
from constitutive.units import VACUUM_PERMITTIVITY

NAMES = ("strain", "electric_field", "temperature")
POLAR = ("strain", "polarization", "composition", "temperature")
VECTORS = ("electric_field", "polarization")
SKEW = np.linalg.qr(np.random.default_rng(5).normal(size=(3, 3)))[0]
SKEW = SKEW * np.linalg.det(SKEW)


def everything(group, names=NAMES, *, degree=3, channels=3, seed=0):
    """Linear part, series and network, with random numbers."""
    rng, variables = np.random.default_rng(seed), variables_named(names)
    k = sum(v.size for v in variables)
    M = rng.normal(size=(k, k))
    terms = [LinearCoupledLaw(M + M.T, variables, group, rng.normal(size=k))]
    terms.append(CoupledSeriesLaw({d: rng.normal(size=len(exponents(d, k))) for d in range(1, degree + 1)}, variables, group))
    sizes = rng.uniform(0.5, 2, len(variables))
    numbers = (rng.normal(size=(channels, k)), rng.normal(size=channels), rng.normal(size=channels))
    terms.append(CoupledNetworkLaw(*numbers, sizes, variables, group))
    return CoupledSumLaw(terms)


def places(names):
    """Where each variable stands in a row."""
    sizes = [{"strain": 6, "electric_field": 3, "polarization": 3}.get(name, 1) for name in names]
    edges = np.cumsum([0, *sizes])
    return {name: slice(a, b) for name, a, b in zip(names, edges, edges[1:], strict=False)}


def compared(law, state, x, G=None, rest=None, weight=1.0, *, vacuum=0.0, finite=True, work=0.0):
    """Largest relative error of energy, gradient and second derivatives of compiled C against torch."""
    G, rest = np.eye(3) if G is None else G, np.zeros(6) if rest is None else rest
    kernel = compile_coupled(law, state)
    w = kernel.width
    energy, gradient, hessian = np.empty(len(x)), np.empty((len(x), w)), np.empty((len(x), w * (w + 1) // 2))
    out = {"energy": energy, "gradient": gradient, "hessian": hessian}
    kernel.evaluate(x, kernel.pack_map(G, rest, weight), **out, vacuum=vacuum, finite=finite, work=work)
    A = np.zeros((law.size, w))
    law_places, state_places = places([v.name for v in law.variables]), places(state)
    for name in state:
        if name in law_places:
            A[law_places[name], state_places[name]] = mandel_matrix(G) if name == "strain" else G if name in VECTORS else 1.0
    x0 = np.concatenate([rest, np.zeros(w - 6)])
    y = torch.from_numpy((x - x0) @ A.T)
    E, g, H = law.energy(y).numpy() * weight, law.gradient(y).numpy() @ A * weight, A.T @ law.hessian(y).numpy() @ A * weight
    if vacuum:
        free = free_space(torch.from_numpy(x[:, :9].copy()), small_strain=not finite)
        scale = vacuum / VACUUM_PERMITTIVITY
        E = E + scale * free.energy.numpy()
        g[:, :9] += scale * free.gradient.numpy()
        H[:, :9, :9] += scale * free.hessian.numpy()
    if work:
        E, pair = E - work * (x[:, 6:9] * x[:, 9:12]).sum(1), work * np.kron([[0, 1], [1, 0]], np.eye(3))
        g[:, 6:12] -= x[:, 6:12] @ pair
        H[:, 6:12, 6:12] -= pair
    rows, columns = np.triu_indices(w)
    pairs = ((energy, E), (gradient, g), (hessian, H[:, rows, columns]))
    return max(float(np.abs(a - b).max() / np.abs(b).max()) for a, b in pairs)


@pytest.mark.parametrize("symbol", ["1", "-1", "m", "32", "-3m", "6mm", "-43m", "m-3m", "mmm", "-4"])
def test_compiled_laws_are_those_of_torch_under_any_group(symbol):
    x = np.random.default_rng(1).uniform(-1, 1, (19, 10))
    assert compared(everything(PointGroup.from_symbol(symbol)), NAMES, x) < 1e-13


@pytest.mark.parametrize(
    ("names", "state"),
    [
        (NAMES[:2], NAMES[:2]),
        (NAMES[:2], NAMES[:1]),
        (NAMES, NAMES[:2]),
        (NAMES, (NAMES[0], NAMES[2])),
        ((NAMES[0], NAMES[2]), (NAMES[0], NAMES[2])),
        (POLAR[:2], POLAR[:2]),
        (POLAR, POLAR),
        (POLAR, (POLAR[0], POLAR[3])),
        (POLAR[:2], (NAMES[0], NAMES[1], POLAR[1])),
        (POLAR, (NAMES[0], NAMES[1], *POLAR[1:])),
        ((POLAR[0], POLAR[2]), (POLAR[0], POLAR[2])),
        (NAMES, (NAMES[0], NAMES[1], *POLAR[1:])),
        ((POLAR[0], POLAR[3]), POLAR),
    ],
)
def test_states_may_lack_variables_of_the_law(names, state):
    x = np.random.default_rng(2).uniform(-1, 1, (11, places(state)[state[-1]].stop))
    assert compared(everything(PointGroup.from_symbol("32"), names), state, x) < 1e-13


def test_orientations_stress_free_strains_units_and_free_space():
    law, rng = everything(PointGroup.from_symbol("32"), NAMES[:2]).rotated(SKEW), np.random.default_rng(3)
    x, mirror = rng.uniform(-0.2, 0.2, (17, 9)), np.diag([-1.0, 1, 1]) @ SKEW
    for G in (SKEW, mirror, SKEW @ np.diag([1.1, 0.9, 1.05])):
        assert compared(law, NAMES[:2], x, G, rng.uniform(-0.1, 0.1, 6), 7.0) < 1e-13
    for finite in (True, False):
        assert compared(law, NAMES[:2], x, SKEW, vacuum=1e3 * VACUUM_PERMITTIVITY, finite=finite) < 1e-13


def test_laws_of_the_polarisation_have_the_work_and_the_energy_of_the_field():
    law, rng = everything(PointGroup.from_symbol("m-3m"), POLAR[:2]).rotated(SKEW), np.random.default_rng(6)
    x, state = rng.uniform(-0.2, 0.2, (13, 12)), ("strain", "electric_field", "polarization")
    for finite in (True, False):
        assert compared(law, state, x, SKEW, weight=7.0, vacuum=1e3 * VACUUM_PERMITTIVITY, finite=finite, work=1e3) < 1e-13


def test_each_point_may_have_its_own_orientation_and_only_some_numbers_are_active():
    law, rng = everything(PointGroup.from_symbol("6mm"), NAMES[:2]), np.random.default_rng(4)
    kernel, x = compile_coupled(law, NAMES[:2]), rng.uniform(-0.3, 0.3, (21, 9))
    turns = np.linalg.qr(rng.normal(size=(21, 3, 3)))[0]
    maps = kernel.pack_map(turns, np.zeros((21, 6)), np.full(21, 2.0))
    active = (0, 1, 5, 6, 7)
    got = np.empty((21, 15))
    kernel.evaluate(x, maps, hessian=got, active=active)
    for k in range(21):
        one = np.empty((1, 15))
        kernel.evaluate(x[k : k + 1], maps[k], hessian=one, active=active)
        assert np.array_equal(one[0], got[k])
    with pytest.raises(ValueError, match="hessian"):
        kernel.evaluate(x, maps, hessian=np.empty((21, 45)), active=active)


def test_mirror_planes_and_the_inversion_fold_units():
    laws = {symbol: everything(PointGroup.from_symbol(symbol), NAMES[:2]) for symbol in ("1", "32", "6mm", "m-3m")}
    folds = {symbol: len(coupled_program(law).signs) for symbol, law in laws.items()}
    assert folds == {"1": 1, "32": 2, "6mm": 4, "m-3m": 8}


def test_laws_without_generated_code_are_named():
    law = everything(PointGroup.from_symbol("32"), NAMES[:2])
    with pytest.raises(UnsupportedLawError, match="with_free_space"):
        compile_coupled(with_free_space(law), NAMES[:2])
    with pytest.raises(UnsupportedLawError, match="in this order"):
        compile_coupled(everything(PointGroup.from_symbol("32"), ("strain", "temperature", "polarization")), ("strain",))
