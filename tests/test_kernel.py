"""Compiled laws: the numbers of torch for every Laue class and kind, safe generation and cache, and a fallback that says why."""

import os
import re
import shutil
import stat
import subprocess
import sys
import threading
import warnings
from functools import lru_cache
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from constitutive import kernel
from constitutive.errors import DomainError, MaterialError
from constitutive.fitting import Uncertainty
from constitutive.fitting.polynomial_basis import PolynomialBasis
from constitutive.kernel import cache, compiling
from constitutive.kernel.flatten import UnsupportedLawError, choose_frame, program, representatives
from constitutive.kernel.source import Source, hexadecimal, printable
from constitutive.kinematics import green_lagrange_strain
from constitutive.laws import BoundedLaw, Domain, LinearLaw, NetworkLaw, SeriesLaw, SumLaw, UnconstrainedNetworkLaw
from constitutive.laws.bounded import OutsideDomainWarning
from constitutive.symmetry import PointGroup
from constitutive.symmetry.operations import rotation
from constitutive.tensors.packing import from_mandel, mandel_matrix, to_mandel
from constitutive.tensors.polynomials import exponents

LAUE = ("-1", "2/m", "mmm", "4/m", "4/mmm", "-3", "-3m", "6/m", "6/mmm", "m-3", "m-3m")
FOLDS = {"-1": 1, "2/m": 2, "mmm": 4, "4/m": 2, "4/mmm": 4, "-3": 1, "-3m": 2, "6/m": 2, "6/mmm": 4, "m-3": 4, "m-3m": 4}
SKEW = rotation((1.0, 2.0, 3.0), 35.0)
UPPER = np.triu_indices(6)
CHECKOUT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
MANY, EXAMPLES = 100_000, 5  # strains of the comparison with torch, and the batches that they come in
pytestmark = pytest.mark.filterwarnings("ignore::constitutive.laws.bounded.OutsideDomainWarning")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A cache of compiled laws for these tests."""
    return tmp_path_factory.mktemp("cache") / "kernels"


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


def compiled_law(law, folder, **options):
    result = kernel.compile(law, cache=folder, **options)
    assert result.information.kind == "c", result.information
    return result


# ---- the numbers of torch -------------------------------------------------------------------------------------------


@lru_cache
def all_of_it(symbol, folder):
    law = everything(group(symbol))
    return law, compiled_law(law, folder)


@pytest.mark.parametrize("symbol", LAUE)
@settings(max_examples=EXAMPLES)
@given(seed=st.integers(0, 2**32 - 1), size=st.floats(1e-3, 0.2))
def test_same_numbers_as_torch_for_each_laue_class(symbol, folder, seed, size):
    law, compiled = all_of_it(symbol, folder)
    assert len(compiled.program.signs) == FOLDS[symbol]
    x = strains(MANY // EXAMPLES, seed, size)
    assert error(by_kernel(compiled, x), by_torch(law, x)) <= 1e-12


@pytest.mark.parametrize("symbol", LAUE)
def test_twofold_axes_are_found_in_any_frame(symbol):
    law = network(group(symbol, rotation((0.3, -1.0, 0.7), 77.0)), np.random.default_rng(3))
    assert len(program(law).signs) == FOLDS[symbol]


@pytest.mark.parametrize("symbol", ["2/m", "6/mmm"])
def test_groups_in_axes_of_no_meaning(symbol, folder):
    law = everything(group(symbol, rotation((0.3, -1.0, 0.7), 77.0)), seed=3)
    x = strains(500)
    assert error(by_kernel(compiled_law(law, folder), x), by_torch(law, x)) <= 1e-12


@pytest.mark.parametrize("instructions", [(), ("-mavx2", "-mfma")] if " avx2 " in cache.processor() else [()])
def test_other_processors_give_the_same_numbers(instructions, folder, monkeypatch):
    """Fewer lanes, and no estimate of the reciprocal root: what machines without AVX-512 run."""
    flags = tuple(flag for flag in cache.FLAGS if flag != "-march=native") + instructions
    monkeypatch.setattr(cache, "FLAGS", flags)
    material, x = uncertain("m-3m"), strains(101)
    material.law = everything(group("m-3m"))
    found, expected = compiled_law(material, folder), by_torch(material.law, x)
    assert error(by_kernel(found, x), expected) <= 1e-12
    assert error(by_kernel(found, x, precision="single"), expected) <= 1e-5


def test_control_a_changed_coefficient_is_seen(folder):
    rng = np.random.default_rng(0)
    law = network(group("m-3m"), rng)
    other = NetworkLaw(law.directions.numpy(), law.biases.numpy(), law.amplitudes.numpy() * (1 + 1e-9), law.scale, group("m-3m"))
    assert error(by_kernel(compiled_law(law, folder), strains(64)), by_torch(other, strains(64))) > 1e-11


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


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_law(kind, folder):
    law = KINDS[kind](group("4/m"), np.random.default_rng(1))
    x = strains(300)
    expected = by_torch(law, x)
    scale = [np.abs(e).max() or 1.0 for e in expected]
    found = by_kernel(compiled_law(law, folder), x)
    assert max(float(np.abs(a - b).max() / s) for a, b, s in zip(found, expected, scale, strict=True)) <= 1e-12


@lru_cache
def one_of(seed, folder):
    law = everything(group(("-1", "-3m", "6/mmm", "m-3m")[seed]), seed)
    return law, compiled_law(law, folder)


@settings(max_examples=100)
@given(
    rows=st.lists(st.lists(st.floats(-0.3, 0.3), min_size=6, max_size=6), min_size=1, max_size=40),
    wanted=st.sets(st.sampled_from(["stress", "tangent", "energy"]), min_size=1),
    seed=st.integers(0, 3),
)
def test_any_batch_and_any_choice_of_answers(rows, wanted, seed, folder):
    """Batches of any length, answers in any combination: each the same as all of them by torch."""
    law, compiled = one_of(seed, folder)
    x = np.array(rows)
    sizes = {"stress": (len(x), 6), "tangent": (len(x), 21), "energy": (len(x),)}
    out = {name: np.empty(sizes[name]) for name in wanted}
    compiled.evaluate(x, **out)
    expected = dict(zip(("energy", "stress", "tangent"), by_torch(law, x), strict=True))
    scale = dict(zip(("energy", "stress", "tangent"), by_torch(law, strains(64)), strict=True))
    for name in wanted:
        size = max(np.abs(expected[name]).max(), 1e-2 * np.abs(scale[name]).max())
        assert np.abs(out[name] - expected[name]).max() <= 1e-12 * size


def test_symmetry_and_derivatives_of_compiled_code(folder):
    """What must hold of a law holds of its compiled form, by itself."""
    R = group("-3m")
    compiled = compiled_law(BoundedLaw(SumLaw([series(R, np.random.default_rng(0)), network(R, np.random.default_rng(1))]),
                                       a_domain(R), "extend"), folder)  # fmt: skip
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


# ---- measures, orientation, unit ------------------------------------------------------------------------------------


def test_deformation_gradients_and_first_piola(folder):
    law = everything(group("4/mmm"), policy="warn")
    F = np.eye(3) + np.random.default_rng(0).uniform(-0.08, 0.08, (257, 3, 3))
    P, dPdF = law(F)
    P_c, dPdF_c = compiled_law(law, folder)(F)
    assert error((P_c, dPdF_c), (P, dPdF)) <= 1e-12
    E = green_lagrange_strain(F)
    compiled = compiled_law(law, folder)
    expected = [function(torch.from_numpy(E)).numpy() for function in (law.energy, law.stress, law.tangent)]
    assert error((compiled.energy(E), compiled.stress(E), compiled.tangent(E)), expected) <= 1e-12
    transposed = compiled(np.ascontiguousarray(F.swapaxes(1, 2)))[0]
    assert np.abs(transposed - P).max() > 1e-3 * np.abs(P).max()  # control


def test_orientation_and_unit(folder):
    law = everything(group("m-3m"))
    R = rotation((2.0, -1.0, 0.5), 20.0)
    compiled = compiled_law(law, folder, orientation=R, unit="MPa")
    turned = law.rotated(R)
    x = strains(200)
    assert error(by_kernel(compiled, x), [1e3 * a for a in by_torch(turned, x)]) <= 1e-12
    assert compiled.built.path == compiled_law(law, folder).built.path  # one compiled function for all grains
    assert error(by_kernel(compiled_law(law, folder, orientation=R.T), x), by_torch(turned, x)) > 1e-3  # control


@pytest.mark.parametrize("choice", ["c", "torch"])
def test_a_map_for_each_point(choice, folder):
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
    compiled = kernel.compile(law, kernel=choice, cache=folder)
    assert error(by_kernel(compiled, x, point_map=kernel.pack_map(A, x0, w)), expected) <= 1e-12


def test_both_kernels_answer_alike(folder):
    law = everything(group("2/m"))
    F = np.eye(3) + np.random.default_rng(5).uniform(-0.08, 0.08, (65, 3, 3))
    R = rotation((1.0, 1.0, 0.0), 50.0)
    answers = []
    for choice in ("c", "torch"):
        one = kernel.compile(law, kernel=choice, orientation=R, unit="kPa", cache=folder)
        assert one.information.kind == choice
        out = [np.empty((65, 3, 3)), np.empty((65, 9, 9)), np.empty(65), np.empty(65), np.empty(65, dtype=bool)]
        count = one.evaluate(F, measure="F", stress=out[0], tangent=out[1], energy=out[2], distance=out[3], outside=out[4])
        assert count == out[4].sum()
        answers.append([a.astype(float) for a in out])
    assert 0 < answers[0][4].sum() < 65
    assert error(answers[0], answers[1]) <= 1e-12


# ---- domain, NaN, single precision, threads -------------------------------------------------------------------------


def test_domain_flag_and_policy(folder):
    R = group("m-3m")
    law = BoundedLaw(network(R, np.random.default_rng(0)), a_domain(R), "raise")
    x = strains(100, size=0.15)
    expected = law.domain.distance(torch.from_numpy(x)).numpy()
    distance, flag, S = np.empty(100), np.empty(100, dtype=bool), np.empty((100, 6))
    with pytest.raises(DomainError, match=r"of 100 strains are outside the domain"):
        compiled_law(law, folder).evaluate(x, stress=S, distance=distance, outside=flag)
    assert np.abs(distance - expected).max() <= 1e-14 * expected.max()
    assert (flag == (expected > 1)).all()
    warned = compiled_law(BoundedLaw(law.law, law.domain, "warn"), folder)
    with pytest.warns(OutsideDomainWarning, match="the law extrapolates"):
        warned.evaluate(x, stress=S)
    assert np.abs(S - law.law.stress_mandel(torch.from_numpy(x)).numpy()).max() <= 1e-12 * np.abs(S).max()


def test_domain_of_the_material(folder):
    """A material's domain is in the axes of its law, also where that is turned."""
    law = network(group("mmm"), np.random.default_rng(0)).rotated(SKEW)
    material = SimpleNamespace(law=law, domain=a_domain(group("mmm")).rotated(SKEW), name="x", point_group=None)
    x, distance = strains(50, size=0.15), np.empty(50)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # no policy, no word
        count = compiled_law(material, folder).evaluate(x, distance=distance)
    expected = material.domain.distance(torch.from_numpy(x)).numpy()
    assert count == (expected > 1).sum() > 0
    assert np.abs(distance - expected).max() <= 1e-13


@pytest.mark.parametrize("choice", ["c", "torch"])
def test_nan_in_nan_out_and_nowhere_else(choice, folder):
    law = everything(group("m-3m"))
    x = strains(40)
    x[7, 3] = np.nan
    found = by_kernel(kernel.compile(law, kernel=choice, cache=folder), x)
    others = np.arange(40) != 7
    for answer, expected in zip(found, by_torch(law, np.nan_to_num(x)), strict=True):
        assert np.isnan(answer[7]).all()
        assert np.abs(answer[others] - expected[others]).max() <= 1e-12 * np.abs(expected).max()


def test_single_precision_touches_the_tangent_only(folder):
    law = network(group("m-3m"), np.random.default_rng(0), 32)
    compiled, x = compiled_law(law, folder), strains(1000)
    psi, S, C = by_torch(law, x)
    psi_1, S_1, C_1 = by_kernel(compiled, x, precision="single")
    assert error((psi_1, S_1), (psi, S)) <= 1e-12
    assert 1e-9 < error((C_1,), (C,)) < 1e-5


def test_threads_share_a_batch_and_callers_share_a_kernel(folder):
    law = everything(group("m-3m"))
    x = strains(5000)
    expected = by_kernel(compiled_law(law, folder), x)
    shared = compiled_law(law, folder, threads=3)
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


def test_generated_code_keeps_no_state(folder):
    """No variable outlives a call, and nothing allocates."""
    source = kernel.generate(everything(group("m-3m"))).text
    assert not re.search(r"\b(malloc|calloc|realloc|free|alloca)\b", source)
    constants = [line for line in re.findall(r"^static .*=.*$", source, re.MULTILINE) if not re.search(r"\) *\{", line)]
    assert constants
    assert [line for line in constants if not line.startswith("static const ")] == []
    assert not re.search(r"^[ \t]+static ", source, re.MULTILINE)


def test_empty_batch_and_wrong_arrays(folder):
    compiled = compiled_law(linear(group("m-3m"), np.random.default_rng(0)), folder)
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
        kernel.compile("materials/silicon")


def uncertain(symbol, turn=None, seed=0):
    """A material whose stress is known to within something."""
    R, rng = group(symbol, turn), np.random.default_rng(seed)
    basis = PolynomialBasis(R, (2, 3), 0.07)
    outer = 4 + sum(len(rows) for rows in basis.energy)
    factor, quantiles = rng.normal(size=(outer, 7)), np.linspace(0.5, 3, 6)
    known = Uncertainty(rng.normal(size=(4, 6)), rng.normal(size=4), basis, factor, quantiles)
    return SimpleNamespace(law=network(R, rng), domain=None, name="u", point_group=None, uncertainty=known)


@pytest.mark.parametrize(("symbol", "turn"), [("m-3m", None), ("-3m", SKEW), ("-1", None)])
def test_uncertainty_at_every_point(symbol, turn, folder):
    material, x = uncertain(symbol, turn), strains(100)
    found = np.empty(100)
    compiled = compiled_law(material, folder, unit="MPa", orientation=SKEW)
    assert compiled.source.spread is not None
    compiled.evaluate(x, uncertainty=found, level=0.8)
    crystal = torch.from_numpy(np.asarray(from_mandel(x @ np.asarray(mandel_matrix(SKEW)))))
    expected = 1e3 * torch.linalg.matrix_norm(material.uncertainty.half_width(crystal, 0.8)).numpy()
    assert np.abs(found - expected).max() <= 1e-12 * expected.max()
    by_torch_kernel = np.empty(100)
    kernel.compile(material, kernel="torch", unit="MPa", orientation=SKEW).evaluate(x, uncertainty=by_torch_kernel, level=0.8)
    assert np.abs(by_torch_kernel - expected).max() <= 1e-12 * expected.max()
    other = uncertain(symbol, turn, seed=1).uncertainty.half_width(crystal, 0.8)
    assert np.abs(1e3 * torch.linalg.matrix_norm(other).numpy() - expected).max() > 1e-3 * expected.max()  # control


def test_uncertainty_of_another_group_or_none(folder):
    """Another group than the law's: NumPy takes over. None: it is said."""
    material, x, found = uncertain("m-3m"), strains(50), np.empty(50)
    material.uncertainty = uncertain("2/m", SKEW).uncertainty
    compiled = compiled_law(material, folder)
    assert compiled.source.spread is None
    compiled.evaluate(x, uncertainty=found)
    expected = torch.linalg.matrix_norm(material.uncertainty.half_width(torch.from_numpy(np.asarray(from_mandel(x)))))
    assert np.abs(found - expected.numpy()).max() <= 1e-12 * float(expected.max())
    with pytest.raises(MaterialError, match="carries no uncertainty"):
        compiled_law(material.law, folder).evaluate(x, uncertainty=found)


# ---- hostile input --------------------------------------------------------------------------------------------------

HOSTILE = [
    '*/ int main(void) { return system("id"); } /*',
    'silicon\n#include "/etc/passwd"',
    "??/\n*/ #define double float",
    "\\\n%s{0}${HOME}`id`",
    "Кремний \u202e \u0000 é",
    "a" * 10_000,
]


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_stay_in_the_comment(name, folder):
    law = linear(group("m-3m"), np.random.default_rng(0))
    material = SimpleNamespace(law=law, domain=None, name=name, point_group=SimpleNamespace(laue_class=name))
    plain = kernel.generate(law)
    source = kernel.generate(material)
    head, _, body = source.text.partition("*/")
    assert re.fullmatch(r"[A-Za-z0-9 ._+-]{1,80}", re.search(r"Law: (.*)", head)[1])
    assert body == plain.text.partition("*/")[2]  # nothing of it reaches the code
    assert head.count("\n") == plain.text.partition("*/")[0].count("\n")
    assert error(by_kernel(compiled_law(material, folder), strains(9)), by_torch(law, strains(9))) <= 1e-12


@given(st.text(max_size=200))
def test_any_name_becomes_printable(text):
    assert re.fullmatch(r"[A-Za-z0-9 ._+-]{1,80}", printable(text))


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_numbers_are_hexadecimal_floats(value):
    assert re.fullmatch(r"-?0x[01]\.[0-9a-f]+p[+-]\d+", hexadecimal(value))
    assert float.fromhex(hexadecimal(value)) == value


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_parameter_that_is_not_finite_is_refused(value):
    law = network(group("m-3m"), np.random.default_rng(0))
    law.amplitudes[0] = value
    with pytest.raises(MaterialError, match="not finite"):
        kernel.generate(law)


def test_head_comment_says_what_it_is(folder):
    law = everything(group("6/mmm"))
    material = SimpleNamespace(law=law, domain=None, name="magnesium by EAM", point_group=PointGroup.from_symbol("6/mmm"))
    source = kernel.generate(material)
    head = source.text.partition("*/")[0]
    for words in ("Law: magnesium by EAM", "Group: 6/mmm", f"Hash: {source.digest}", "psi(x) = ", "phi(z) = "):
        assert words in head


# ---- the cache ------------------------------------------------------------------------------------------------------


def test_a_second_call_compiles_nothing(tmp_path, monkeypatch):
    law = linear(group("m-3m"), np.random.default_rng(0))
    first = compiled_law(law, tmp_path / "k")
    assert first.built.fresh
    monkeypatch.setattr(cache, "_build", lambda *a: pytest.fail("compiled again"))
    assert not compiled_law(law, tmp_path / "k").built.fresh
    mode = stat.S_IMODE((tmp_path / "k").stat().st_mode)
    assert mode == 0o700
    left = {entry.name for entry in (tmp_path / "k").iterdir()}
    assert left == {first.built.path.parent.name, f"{first.built.path.parent.name}.lock"}


def test_a_change_of_source_compiler_or_processor_is_another_entry(monkeypatch):
    compiler, newer = cache.Compiler("/usr/bin/cc", "1"), cache.Compiler("/usr/bin/cc", "2")
    names = {cache.entry_name("a", compiler), cache.entry_name("b", compiler), cache.entry_name("a", newer)}
    monkeypatch.setattr(cache, "processor", lambda: "another machine on the same home folder")
    names.add(cache.entry_name("a", compiler))
    assert len(names) == 4


ANSWER = "long answer(void) { return 42; }\n"
DECLARED = "long answer(void);"


def swap(path, content):
    """Other content in a new file: this process has the old one mapped."""
    path.unlink()
    path.write_bytes(content)
    path.chmod(0o700)


TAMPERED = {
    "truncated": lambda module: swap(module, module.read_bytes()[: module.stat().st_size // 2]),
    "empty": lambda module: swap(module, b""),
    "changed": lambda module: swap(module, module.read_bytes()[:-1] + b"\x01"),
    "writable by others": lambda module: module.chmod(0o777),
    "no hash": lambda module: (module.parent / "sha256").unlink(),
    "a link": lambda module: (module.rename(module.with_name("other")), module.symlink_to("other")),
    "a file where the entry was": lambda module: (shutil.rmtree(module.parent), module.parent.write_text("")),
}


@pytest.mark.parametrize("how", TAMPERED)
def test_a_tampered_entry_is_rebuilt(how, tmp_path):
    first = cache.load(ANSWER, DECLARED, tmp_path / "k")
    assert first.fresh
    assert first.lib.answer() == 42
    TAMPERED[how](first.path)
    again = cache.load(ANSWER, DECLARED, tmp_path / "k")
    assert (again.fresh, again.path, again.lib.answer()) == (True, first.path, 42)
    assert not cache.load(ANSWER, DECLARED, tmp_path / "k").fresh


def test_an_entry_that_is_no_module_is_rebuilt(tmp_path):
    """Hash and all; in a process of its own, for a module that is loaded stays loaded."""
    entry = tmp_path / "k" / cache.entry_name(ANSWER, cache.find_compiler())
    entry.mkdir(parents=True, mode=0o700)
    (tmp_path / "k").chmod(0o700)
    module = cache.module_of(entry)
    module.write_bytes(b"#!/bin/sh\n")
    (entry / "sha256").write_text(cache._hash(module))
    for path in (module, entry / "sha256", entry):
        path.chmod(0o700)
    assert cache.whole(entry)
    found = cache.load(ANSWER, DECLARED, tmp_path / "k")
    assert (found.fresh, found.lib.answer()) == (True, 42)


def test_an_open_folder_is_closed_and_emptied(tmp_path):
    folder = tmp_path / "k"
    folder.mkdir()
    (folder / "planted").mkdir()
    (folder / "file").write_text("")
    folder.chmod(0o777)
    cache.check_folder(folder)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert list(folder.iterdir()) == []


def test_a_folder_of_someone_else_is_not_used(tmp_path, monkeypatch):
    real = tmp_path / "real"
    real.mkdir()
    (tmp_path / "link").symlink_to(real)
    with pytest.raises(cache.UnsafeCacheError, match="a link"):
        cache.check_folder(tmp_path / "link")
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    with pytest.raises(cache.UnsafeCacheError, match="belongs to user"):
        cache.check_folder(real)
    monkeypatch.setattr(compiling, "_said", set())
    with pytest.warns(kernel.KernelWarning, match="evaluated by torch"):
        assert kernel.compile(linear(group("m-3m"), np.random.default_rng(0)), cache=real).information.kind == "torch"


def test_processes_that_compile_at_once_agree(tmp_path):
    """As the ranks of an MPI run do: one compiles, all load, and nothing is left over."""
    script = (
        f"from constitutive.kernel import cache; from pathlib import Path\n"
        f"one = cache.load({ANSWER!r}, {DECLARED!r}, Path({str(tmp_path / 'k')!r}))\n"
        "print(one.path, one.fresh, one.lib.answer())"
    )
    command = [sys.executable, "-W", "ignore", "-c", script]
    ranks = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=CHECKOUT) for _ in range(3)]
    answers = [rank.communicate(timeout=300)[0].split() for rank in ranks]
    assert [rank.returncode for rank in ranks] == [0, 0, 0]
    assert sorted(a[1] for a in answers) == ["False", "False", "True"]
    assert len({(a[0], a[2]) for a in answers}) == 1
    assert len(list((tmp_path / "k").iterdir())) == 2  # the entry and its lock


# ---- where there is no compiler -------------------------------------------------------------------------------------


def test_without_a_compiler_torch_evaluates_after_one_warning(tmp_path, monkeypatch):
    monkeypatch.setenv("CC", "no-such-compiler")
    monkeypatch.setattr(compiling, "_said", set())
    law = everything(group("m-3m"))
    with pytest.warns(kernel.KernelWarning, match="no-such-compiler.*install gcc or clang"):
        first = kernel.compile(law, cache=tmp_path / "k")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        kernel.compile(law, cache=tmp_path / "k")
    assert first.information.kind == "torch"
    assert error(by_kernel(first, strains(20)), by_torch(law, strains(20))) <= 1e-12
    assert kernel.which().kind == "torch"
    assert "no-such-compiler" in kernel.which().reason


def test_a_compiler_that_refuses_is_reported(tmp_path, monkeypatch):
    broken = tmp_path / "cc"
    broken.write_text('#!/bin/sh\n[ "$1" = --version ] && echo broken 1.0 && exit 0\necho "no room" >&2\nexit 1\n')
    broken.chmod(0o700)
    monkeypatch.setenv("CC", str(broken))
    with pytest.raises(cache.CompilerError, match="no room"):
        cache.load(ANSWER, DECLARED, tmp_path / "k")
    assert not [p for p in (tmp_path / "k").iterdir() if p.suffix != ".lock"]  # nothing half-made


def test_which_says_the_compiler():
    found = kernel.which()
    assert found.kind == "c"
    assert found.path is not None


def test_a_law_of_another_make_is_evaluated_by_torch(folder, monkeypatch):
    R = group("m-3m")
    inner = BoundedLaw(linear(R, np.random.default_rng(0)), a_domain(R), "extend")
    for law in (SumLaw([inner, linear(R, np.random.default_rng(1))]), BoundedLaw(inner, a_domain(R, 0.3), "extend")):
        with pytest.raises(UnsupportedLawError):
            program(law)
        monkeypatch.setattr(compiling, "_said", set())
        with pytest.warns(kernel.KernelWarning):
            found = kernel.compile(law, cache=folder)
        assert found.information.kind == "torch"
        assert error(by_kernel(found, strains(20)), by_torch(law, strains(20))) <= 1e-12


def test_a_law_that_breaks_its_group_is_not_folded():
    """Terms that the group forbids are no rounding: they are refused, not dropped."""
    law = series(group("mmm"), np.random.default_rng(0))
    law.get_buffer("energy_3")[:] = 1.0
    with pytest.raises(UnsupportedLawError, match="forbid"):
        program(law)


# ---- the frame ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("symbol", LAUE)
def test_cosets_cover_the_group_once(symbol):
    R = group(symbol)
    Q, signs = choose_frame([R])
    matrices = np.asarray(mandel_matrix(Q @ R @ Q.T))
    kept = representatives(matrices, signs)
    images = np.array([matrices[k] * row for k in kept for row in signs])
    distance = np.abs(images[:, None] - matrices[None]).max(axis=(2, 3))
    assert sorted(distance.argmin(axis=1)) == list(range(len(R)))
    assert distance.min(axis=1).max() < 1e-12


def test_axes_of_standard_settings_are_kept():
    """No turn where the axes suit already."""
    for symbol in LAUE:
        assert (choose_frame([group(symbol)])[0] == np.eye(3)).all()


def test_source_is_the_same_for_the_same_law():
    one, two = (Source(program(everything(group("m-3m")))).text for _ in range(2))
    assert one == two
    assert Source(program(everything(group("m-3m"), seed=1))).digest != Source(program(everything(group("m-3m")))).digest


def test_mandel_and_tensors_are_one_strain(folder):
    compiled = compiled_law(everything(group("m-3m")), folder)
    x = strains(33)
    S, T = np.empty((33, 6)), np.empty((33, 3, 3))
    compiled.evaluate(x, stress=S)
    compiled.evaluate(np.ascontiguousarray(from_mandel(x)), stress=T)
    assert np.abs(np.asarray(to_mandel(T)) - S).max() <= 1e-13 * np.abs(S).max()
