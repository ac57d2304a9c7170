"""Compiled laws in use: domains, NaN, single precision, threads, uncertainty, and arrays that are refused."""

import dataclasses
import platform
import re
import threading
import warnings

import numpy as np
import pytest
import torch
from kernel_laws import (
    SKEW,
    a_domain,
    by_kernel,
    by_torch,
    compiled_law,
    error,
    everything,
    group,
    linear,
    material_of,
    network,
    strains,
    uncertain,
)

from constitutive import code_cache, kernel
from constitutive.errors import DomainError, MaterialError
from constitutive.kernel.compiling import law_of
from constitutive.laws import BoundedLaw
from constitutive.laws.bounded import OutsideDomainWarning
from constitutive.tensors.packing import from_mandel, mandel_matrix

pytestmark = pytest.mark.filterwarnings("ignore::constitutive.laws.bounded.OutsideDomainWarning")


def test_domain_flag_and_policy(kernels):
    R = group("m-3m")
    law = BoundedLaw(network(R, np.random.default_rng(0)), a_domain(R), "raise")
    x = strains(100, size=0.15)
    expected = law.domain.distance(torch.from_numpy(x)).numpy()
    distance, flag, S = np.empty(100), np.empty(100, dtype=bool), np.empty((100, 6))
    with pytest.raises(DomainError, match=r"of 100 strains are outside the domain"):
        compiled_law(law, kernels).evaluate(x, stress=S, distance=distance, outside=flag)
    assert np.abs(distance - expected).max() <= 1e-14 * expected.max()
    assert (flag == (expected > 1)).all()
    warned = compiled_law(BoundedLaw(law.law, law.domain, "warn"), kernels)
    with pytest.warns(OutsideDomainWarning, match="the law extrapolates"):
        warned.evaluate(x, stress=S)
    assert np.abs(S - law.law.stress_mandel(torch.from_numpy(x)).numpy()).max() <= 1e-12 * np.abs(S).max()


def test_domain_of_the_material(kernels):
    """A material's domain is in the axes of its law, also where that is turned."""
    law = network(group("mmm"), np.random.default_rng(0)).rotated(SKEW)
    material = material_of(law, "mmm", SKEW, domain=a_domain(group("mmm")).rotated(SKEW))
    x, distance = strains(50, size=0.15), np.empty(50)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # no policy, no word
        count = compiled_law(material, kernels).evaluate(x, distance=distance)
    expected = material.domain.distance(torch.from_numpy(x)).numpy()
    assert count == (expected > 1).sum() > 0
    assert np.abs(distance - expected).max() <= 1e-13


@pytest.mark.parametrize("choice", ["c", "torch"])
def test_nan_in_nan_out_and_nowhere_else(choice, kernels):
    law = everything(group("m-3m"))
    x = strains(40)
    x[7, 3] = np.nan
    found = by_kernel(kernel.compile(law, kernel=choice, cache=kernels), x)
    others = np.arange(40) != 7
    for answer, expected in zip(found, by_torch(law, np.nan_to_num(x)), strict=True):
        assert np.isnan(answer[7]).all()
        assert np.abs(answer[others] - expected[others]).max() <= 1e-12 * np.abs(expected).max()


def test_single_precision_touches_the_tangent_only(kernels):
    law = network(group("m-3m"), np.random.default_rng(0), 32)
    compiled, x = compiled_law(law, kernels), strains(1000)
    psi, S, C = by_torch(law, x)
    psi_1, S_1, C_1 = by_kernel(compiled, x, precision="single")
    assert error((psi_1, S_1), (psi, S)) <= 1e-12
    assert 1e-9 < error((C_1,), (C,)) < 1e-5


@pytest.mark.parametrize("flag", ["-mno-avx512f", "-mno-avx"])
@pytest.mark.parametrize("count", [1, 5, 1003])
def test_narrower_registers_give_the_same_law(flag, count, kernels, monkeypatch):
    """As on a machine with AVX2 or SSE2 only, where two blocks share a vector of single precision; a flag of x86, unknown elsewhere."""
    if platform.machine() != "x86_64":
        flag = "-O3"
    monkeypatch.setattr(code_cache, "FLAGS", (*code_cache.FLAGS, flag))
    R = group("m-3m")
    law = everything(R)
    compiled, x = compiled_law(law, kernels), strains(count, size=0.15)
    expected = by_torch(law, x)
    assert error(by_kernel(compiled, x), expected) <= 1e-12
    psi, S, C = by_kernel(compiled, x, precision="single")
    assert error((psi, S), expected[:2]) <= 1e-12
    assert error((C,), expected[2:]) < 1e-5


def test_threads_share_a_batch_and_callers_share_a_kernel(kernels):
    law = everything(group("m-3m"))
    x = strains(5000)
    expected = by_kernel(compiled_law(law, kernels), x)
    shared = compiled_law(law, kernels, threads=3)
    results = [None] * 4

    def work(k):
        results[k] = by_kernel(shared, x)

    workers = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    for found in results:
        assert all((a == b).all() for a, b in zip(found, expected, strict=True))


def test_generated_code_keeps_no_state(kernels):
    """No variable outlives a call, and nothing allocates."""
    source = kernel.generate(everything(group("m-3m"))).text
    assert not re.search(r"\b(malloc|calloc|realloc|free|alloca)\b", source)
    constants = [line for line in re.findall(r"^static .*=.*$", source, re.MULTILINE) if not re.search(r"\) *\{", line)]
    assert constants
    assert [line for line in constants if not line.startswith("static const ")] == []
    assert not re.search(r"^[ \t]+static ", source, re.MULTILINE)


def test_empty_batch_and_wrong_arrays(kernels):
    compiled = compiled_law(linear(group("m-3m"), np.random.default_rng(0)), kernels)
    assert compiled.evaluate(np.empty((0, 6)), stress=np.empty((0, 6))) == 0
    x = strains(4)
    for bad, what in [
        ({"strain": x.astype(np.float32)}, "strain"),
        ({"strain": x[:, ::-1]}, "strain"),
        ({"strain": x[:, :5].copy()}, "strain"),
        ({"strain": x, "stress": np.empty((3, 6))}, "stress"),
        ({"strain": x, "tangent": np.empty((4, 9, 9))}, "tangent"),
        ({"strain": x, "energy": np.empty((4, 1))}, "energy"),
        ({"strain": x, "point_map": np.empty((4, 42))}, "map"),
    ]:
        with pytest.raises(MaterialError, match=what):
            compiled.evaluate(bad.pop("strain"), **bad)
    with pytest.raises(MaterialError, match="units are"):
        kernel.compile(compiled.law, unit="bar")
    with pytest.raises(MaterialError, match="a Material"):
        law_of("materials/silicon")


@pytest.mark.parametrize(("symbol", "turn"), [("m-3m", None), ("-3m", SKEW), ("-1", None)])
def test_uncertainty_at_every_point(symbol, turn, kernels):
    material, x = uncertain(symbol, turn), strains(100)
    found = np.empty(100)
    compiled = compiled_law(material, kernels, unit="MPa", orientation=SKEW)
    assert compiled.source.uncertainty is not None
    compiled.evaluate(x, uncertainty=found, level=0.8)
    crystal = torch.from_numpy(np.asarray(from_mandel(x @ np.asarray(mandel_matrix(SKEW)))))
    expected = 1e3 * torch.linalg.matrix_norm(material.uncertainty.half_width(crystal, 0.8)).numpy()
    assert np.abs(found - expected).max() <= 1e-12 * expected.max()
    by_torch_kernel = np.empty(100)
    kernel.compile(material, kernel="torch", unit="MPa", orientation=SKEW).evaluate(x, uncertainty=by_torch_kernel, level=0.8)
    assert np.abs(by_torch_kernel - expected).max() <= 1e-12 * expected.max()
    other = uncertain(symbol, turn, seed=1).uncertainty.half_width(crystal, 0.8)
    assert np.abs(1e3 * torch.linalg.matrix_norm(other).numpy() - expected).max() > 1e-3 * expected.max()  # control


def test_uncertainty_of_another_group_or_none(kernels):
    """Another group than the law's: NumPy takes over. None: it is said."""
    material, x, found = uncertain("m-3m"), strains(50), np.empty(50)
    material = dataclasses.replace(material, uncertainty=uncertain("2/m", SKEW).uncertainty)
    compiled = compiled_law(material, kernels)
    assert compiled.source.uncertainty is None
    compiled.evaluate(x, uncertainty=found)
    expected = torch.linalg.matrix_norm(material.uncertainty.half_width(torch.from_numpy(np.asarray(from_mandel(x)))))
    assert np.abs(found - expected.numpy()).max() <= 1e-12 * float(expected.max())
    with pytest.raises(MaterialError, match="carries no uncertainty"):
        compiled_law(material.law, kernels).evaluate(x, uncertainty=found)
