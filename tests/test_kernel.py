"""Compiled laws: the numbers of torch for every Laue class and kind, in every measure, orientation and unit."""

from functools import lru_cache

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from kernel_laws import (
    FOLDS,
    KINDS,
    LAUE,
    UPPER,
    a_domain,
    by_kernel,
    by_torch,
    compiled_law,
    error,
    everything,
    group,
    network,
    series,
    strains,
    uncertain,
)

from constitutive import code_cache as cache
from constitutive import kernel
from constitutive.kernel.flatten import program
from constitutive.kinematics import green_lagrange_strain
from constitutive.laws import BoundedLaw, NetworkLaw, SumLaw
from constitutive.symmetry.operations import rotation
from constitutive.tensors.packing import mandel_matrix

pytestmark = pytest.mark.filterwarnings("ignore::constitutive.laws.bounded.OutsideDomainWarning")


MANY, EXAMPLES = 20_000, 5  # strains of the comparison with torch, and the batches that they come in


@lru_cache
def all_of_it(symbol, kernels):
    law = everything(group(symbol))
    return law, compiled_law(law, kernels)


@pytest.mark.parametrize("symbol", LAUE)
@settings(max_examples=EXAMPLES)
@given(seed=st.integers(0, 2**32 - 1), size=st.floats(1e-3, 0.2))
def test_same_numbers_as_torch_for_each_laue_class(symbol, kernels, seed, size):
    law, compiled = all_of_it(symbol, kernels)
    assert len(compiled.program.signs) == FOLDS[symbol]
    x = strains(MANY // EXAMPLES, seed, size)
    assert error(by_kernel(compiled, x), by_torch(law, x)) <= 1e-12


@pytest.mark.parametrize("symbol", LAUE)
def test_twofold_axes_are_found_in_any_frame(symbol):
    law = network(group(symbol, rotation((0.3, -1.0, 0.7), 77.0)), np.random.default_rng(3))
    assert len(program(law).signs) == FOLDS[symbol]


@pytest.mark.parametrize("symbol", ["2/m", "6/mmm"])
def test_groups_in_axes_of_no_meaning(symbol, kernels):
    law = everything(group(symbol, rotation((0.3, -1.0, 0.7), 77.0)), seed=3)
    x = strains(500)
    assert error(by_kernel(compiled_law(law, kernels), x), by_torch(law, x)) <= 1e-12


@pytest.mark.parametrize("instructions", [(), ("-mavx2", "-mfma")] if " avx2 " in cache.processor() else [()])
def test_other_processors_give_the_same_numbers(instructions, kernels, monkeypatch):
    """Fewer lanes, and no estimate of the reciprocal root: what machines without AVX-512 run."""
    flags = tuple(flag for flag in cache.FLAGS if flag != "-march=native") + instructions
    monkeypatch.setattr(cache, "FLAGS", flags)
    law, x = everything(group("m-3m")), strains(101)
    found, expected = compiled_law(uncertain("m-3m"), kernels, law=law), by_torch(law, x)
    assert error(by_kernel(found, x), expected) <= 1e-12
    assert error(by_kernel(found, x, precision="single"), expected) <= 1e-5


def test_control_a_changed_coefficient_is_seen(kernels):
    rng = np.random.default_rng(0)
    law = network(group("m-3m"), rng)
    other = NetworkLaw(law.directions.numpy(), law.biases.numpy(), law.amplitudes.numpy() * (1 + 1e-9), law.scale, group("m-3m"))
    assert error(by_kernel(compiled_law(law, kernels), strains(64)), by_torch(other, strains(64))) > 1e-11


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_law(kind, kernels):
    law = KINDS[kind](group("4/m"), np.random.default_rng(1))
    x = strains(300)
    expected = by_torch(law, x)
    scale = [np.abs(e).max() or 1.0 for e in expected]
    found = by_kernel(compiled_law(law, kernels), x)
    assert max(float(np.abs(a - b).max() / s) for a, b, s in zip(found, expected, scale, strict=True)) <= 1e-12


@lru_cache
def one_of(seed, kernels):
    law = everything(group(("-1", "-3m", "6/mmm", "m-3m")[seed]), seed)
    return law, compiled_law(law, kernels)


@settings(max_examples=100)
@given(
    rows=st.lists(st.lists(st.floats(-0.3, 0.3), min_size=6, max_size=6), min_size=1, max_size=40),
    wanted=st.sets(st.sampled_from(["stress", "tangent", "energy"]), min_size=1),
    seed=st.integers(0, 3),
)
def test_any_batch_and_any_choice_of_results(rows, wanted, seed, kernels):
    """Batches of any length, answers in any combination: each the same as all of them by torch."""
    law, compiled = one_of(seed, kernels)
    x = np.array(rows)
    sizes = {"stress": (len(x), 6), "tangent": (len(x), 21), "energy": (len(x),)}
    out = {name: np.empty(sizes[name]) for name in wanted}
    compiled.evaluate(x, **out)
    expected = dict(zip(("energy", "stress", "tangent"), by_torch(law, x), strict=True))
    scale = dict(zip(("energy", "stress", "tangent"), by_torch(law, strains(64)), strict=True))
    for name in wanted:
        size = max(np.abs(expected[name]).max(), 1e-2 * np.abs(scale[name]).max())
        assert np.abs(out[name] - expected[name]).max() <= 1e-12 * size


def test_symmetry_and_derivatives_of_compiled_code(kernels):
    """What must hold of a law holds of its compiled form, by itself."""
    R = group("-3m")
    compiled = compiled_law(BoundedLaw(SumLaw([series(R, np.random.default_rng(0)), network(R, np.random.default_rng(1))]),
                                       a_domain(R), "extend"), kernels)  # fmt: skip
    x, step = strains(50, size=0.12), 1e-6
    psi, S, C = by_kernel(compiled, x)
    for matrix in np.asarray(mandel_matrix(R)):
        turned_psi, turned_S, _ = by_kernel(compiled, x @ matrix.T)
        assert np.abs(turned_psi - psi).max() <= 1e-12 * np.abs(psi).max()
        assert np.abs(turned_S - S @ matrix.T).max() <= 1e-12 * np.abs(S).max()
    wrong = np.asarray(mandel_matrix(rotation((0.0, 0.0, 1.0), 90.0)))
    assert np.abs(by_kernel(compiled, x @ wrong.T)[0] - psi).max() > 1e-3 * np.abs(psi).max()  # control: not of the group
    full = np.zeros((50, 6, 6))
    full[:, UPPER[0], UPPER[1]] = full[:, UPPER[1], UPPER[0]] = C
    for k, h in enumerate(step * np.eye(6)):
        (above, S_above, _), (below, S_below, _) = by_kernel(compiled, x + h), by_kernel(compiled, x - h)
        assert np.abs((above - below) / (2 * step) - S[:, k]).max() <= 1e-6 * np.abs(S).max()
        assert np.abs((S_above - S_below) / (2 * step) - full[:, k]).max() <= 1e-6 * np.abs(C).max()


def test_deformation_gradients_and_first_piola(kernels):
    law = everything(group("4/mmm"), policy="warn")
    F = np.eye(3) + np.random.default_rng(0).uniform(-0.08, 0.08, (257, 3, 3))
    P, dPdF = law(F)
    P_c, dPdF_c = compiled_law(law, kernels)(F)
    assert error((P_c, dPdF_c), (P, dPdF)) <= 1e-12
    E = green_lagrange_strain(F)
    compiled = compiled_law(law, kernels)
    expected = [function(torch.from_numpy(E)).numpy() for function in (law.energy, law.stress, law.tangent)]
    assert error((compiled.energy(E), compiled.stress(E), compiled.tangent(E)), expected) <= 1e-12
    transposed = compiled(np.ascontiguousarray(F.swapaxes(1, 2)))[0]
    assert np.abs(transposed - P).max() > 1e-3 * np.abs(P).max()  # control


def test_orientation_and_unit(kernels):
    law = everything(group("m-3m"))
    R = rotation((2.0, -1.0, 0.5), 20.0)
    compiled = compiled_law(law, kernels, orientation=R, unit="MPa")
    turned = law.rotated(R)
    x = strains(200)
    assert error(by_kernel(compiled, x), [1e3 * a for a in by_torch(turned, x)]) <= 1e-12
    assert compiled.built.path == compiled_law(law, kernels).built.path  # one compiled function for all grains
    assert error(by_kernel(compiled_law(law, kernels, orientation=R.T), x), by_torch(turned, x)) > 1e-3  # control


@pytest.mark.parametrize("choice", ["c", "torch"])
def test_a_map_for_each_point(choice, kernels):
    """Polycrystals and stress-free references: y = A (x − x₀), S = w Aᵀ s."""
    law = everything(group("mmm"))
    rng = np.random.default_rng(4)
    x, n = strains(77), 77
    A, x0, w = np.eye(6) + 0.1 * rng.normal(size=(n, 6, 6)), 0.01 * rng.normal(size=(n, 6)), rng.uniform(1, 2, n)
    y = np.einsum("nij,nj->ni", A, x - x0)
    psi, S, C = by_torch(law, y)
    full = np.zeros((n, 6, 6))
    full[:, UPPER[0], UPPER[1]] = full[:, UPPER[1], UPPER[0]] = C
    turned = (w[:, None, None] * A.transpose(0, 2, 1) @ full @ A)[:, UPPER[0], UPPER[1]]
    expected = (w * psi, w[:, None] * np.einsum("nji,nj->ni", A, S), turned)
    compiled = kernel.compile(law, kernel=choice, cache=kernels)
    assert error(by_kernel(compiled, x, point_map=kernel.pack_map(A, x0, w)), expected) <= 1e-12


def test_both_kernels_agree(kernels):
    law = everything(group("2/m"))
    F = np.eye(3) + np.random.default_rng(5).uniform(-0.08, 0.08, (65, 3, 3))
    R = rotation((1.0, 1.0, 0.0), 50.0)
    answers = []
    for choice in ("c", "torch"):
        one = kernel.compile(law, kernel=choice, orientation=R, unit="kPa", cache=kernels)
        assert one.information.kind == choice
        out = [np.empty((65, 3, 3)), np.empty((65, 9, 9)), np.empty(65), np.empty(65), np.empty(65, dtype=bool)]
        count = one.evaluate(F, measure="F", stress=out[0], tangent=out[1], energy=out[2], distance=out[3], outside=out[4])
        assert count == out[4].sum()
        answers.append([a.astype(float) for a in out])
    assert 0 < answers[0][4].sum() < 65
    assert error(answers[0], answers[1]) <= 1e-12
