"""Laws: exact derivatives, exact invariance, exact covariance; every check has a twin that must fail."""

import itertools
import warnings

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from constitutive.errors import DomainError, MaterialError
from constitutive.kinematics import green_lagrange_strain
from constitutive.laws import (
    BoundedLaw,
    Domain,
    LinearLaw,
    NetworkLaw,
    SeriesLaw,
    SumLaw,
    UnconstrainedNetworkLaw,
    law_from_state,
)
from constitutive.laws.bounded import OutsideDomainWarning
from constitutive.tensors.packing import from_mandel, mandel_matrix, mandel_to_irreps, to_mandel
from constitutive.tensors.polynomials import exponents, invariant_counts, invariant_polynomials, monomials, substitution


def about(axis, degrees):
    """Rotation matrix by Rodrigues' formula."""
    n = np.asarray(axis, float) / np.linalg.norm(axis)
    K = np.array([[0, -n[2], n[1]], [n[2], 0, -n[0]], [-n[1], n[0], 0]])
    t = np.radians(degrees)
    return np.eye(3) + np.sin(t) * K + (1 - np.cos(t)) * K @ K


def group(*generators):
    """All products of some rotations."""
    found = [np.eye(3)]
    for R in found:
        for G in generators:
            new = G @ R
            if not any(np.allclose(new, old, atol=1e-8) for old in found):
                found.append(new)
    return np.array(found)


X, Z, D111, D100 = (1, 0, 0), (0, 0, 1), (1, 1, 1), (1, 0, 0)
GROUPS = {
    "-1": group(),
    "2/m": group(about((0, 1, 0), 180)),
    "mmm": group(about(X, 180), about(Z, 180)),
    "4/m": group(about(Z, 90)),
    "4/mmm": group(about(Z, 90), about(X, 180)),
    "-3": group(about(Z, 120)),
    "-3m": group(about(Z, 120), about(X, 180)),
    "6/m": group(about(Z, 60)),
    "6/mmm": group(about(Z, 60), about(X, 180)),
    "m-3": group(about(X, 180), about(D111, 120)),
    "m-3m": group(about(X, 90), about(D111, 120)),
}
ORDERS = {"-1": 1, "2/m": 2, "mmm": 4, "4/m": 4, "4/mmm": 8, "-3": 3, "-3m": 6, "6/m": 6, "6/mmm": 12, "m-3": 12, "m-3m": 24}
CONSTANTS = {  # independent constants of order 1, 2, 3, 4
    "-1": (6, 21, 56, 126), "2/m": (4, 13, 32, 70), "mmm": (3, 9, 20, 42), "4/m": (2, 7, 16, 36), "4/mmm": (2, 6, 12, 25),
    "-3": (2, 7, 20, 42), "-3m": (2, 6, 14, 28), "6/m": (2, 5, 12, 24), "6/mmm": (2, 5, 10, 19), "m-3": (1, 3, 8, 14),
    "m-3m": (1, 3, 6, 11),
}  # fmt: skip
KINDS = ("linear", "series", "network", "sum", "rotated", "bounded")
SKEW = about((1, 2, 3), 35.0)


def a_law(kind, rotations, seed=0):
    """A random law of one kind, about 100 GPa stiff."""
    rng = np.random.default_rng(seed)
    if kind == "linear":
        A = rng.normal(size=(6, 6))
        return LinearLaw(100 * np.eye(6) + 10 * (A + A.T), rotations)
    if kind == "series":
        return SeriesLaw({d: 100 * rng.normal(size=len(exponents(d))) * 3**d for d in (2, 3, 4)}, rotations)
    if kind == "network":
        return NetworkLaw(rng.normal(size=(5, 6)), rng.normal(size=5), rng.normal(size=5), 0.05, rotations)
    if kind == "sum":
        return SumLaw([a_law("linear", rotations, seed), a_law("network", rotations, seed + 1)])
    if kind == "rotated":
        return a_law("sum", rotations, seed).rotated(SKEW)
    D = np.asarray(mandel_matrix(rotations))
    metric = np.mean(D @ np.diag([1, 2, 3, 4, 5, 6.0]) @ D.transpose(0, 2, 1), axis=0)
    return BoundedLaw(a_law("sum", rotations, seed), Domain(metric, 0.12), "extend")


def strains(n, size=0.08, seed=1):
    return torch.from_numpy(np.random.default_rng(seed).uniform(-size, size, (n, 6)))


def turned(law, x, R):
    """|S(R E Rᵀ) − R S(E) Rᵀ| relative to the largest stress, and the same for the energy."""
    D = torch.as_tensor(mandel_matrix(R))
    S, T = law.stress_mandel(x), law.stress_mandel(x @ D.T)
    psi = law.energy_mandel(x)
    energy = (law.energy_mandel(x @ D.T) - psi).abs().max() / psi.abs().max()
    return max(float((T - S @ D.T).abs().max() / S.abs().max()), float(energy))


def difference_error(law, x, step=1e-5):
    """Largest error of stress and tangent against central differences, relative."""
    dS, dpsi = [], []
    for k in range(6):
        h = torch.zeros(6, dtype=torch.float64)
        h[k] = step
        dpsi.append((law.energy_mandel(x + h) - law.energy_mandel(x - h)) / (2 * step))
        dS.append((law.stress_mandel(x + h) - law.stress_mandel(x - h)) / (2 * step))
    S, C = law.stress_mandel(x), law.tangent_mandel(x)
    stress = (torch.stack(dpsi, -1) - S).abs().max() / S.abs().max()
    tangent = (torch.stack(dS, -1) - C).abs().max() / C.abs().max()
    return float(stress), float(tangent), float((C - C.transpose(1, 2)).abs().max() / C.abs().max())


@pytest.mark.parametrize("name", GROUPS)
def test_groups_and_counts(name):
    assert len(GROUPS[name]) == ORDERS[name]
    assert tuple(len(invariant_polynomials(GROUPS[name], d)) for d in (1, 2, 3, 4)) == CONSTANTS[name]
    assert tuple(invariant_counts(GROUPS[name], 4)[1:]) == CONSTANTS[name]


@given(seed=st.integers(0, 99), degree=st.integers(1, 4))
def test_substitution_is_the_change_of_variables(seed, degree):
    x = strains(3, 1.0, seed)
    D = np.asarray(mandel_matrix(SKEW))
    left = monomials(x @ torch.from_numpy(D).T, degree)[degree]
    right = monomials(x, degree)[degree] @ torch.from_numpy(substitution(D[None], degree)[0]).T
    assert torch.allclose(left, right, atol=1e-13)


@given(name=st.sampled_from(list(GROUPS)), kind=st.sampled_from(KINDS), seed=st.integers(0, 9))
def test_law_is_exact_under_its_group(name, kind, seed):
    law = a_law(kind, GROUPS[name], seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", OutsideDomainWarning)
        worst = max(turned(law, strains(8), R) for R in law.rotations.numpy())
        assert worst <= 1e-12
        if kind != "linear":  # a law of 6/mmm is linear-isotropic about its axis: only higher orders see the difference
            assert turned(law, strains(8), about((3, 1, 2), 50)) > 1e-3  # control: not in the group


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("batch", [1, 7])
def test_stress_and_tangent_are_derivatives(kind, batch):
    law = a_law(kind, GROUPS["-3m"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", OutsideDomainWarning)
        stress, tangent, skew = difference_error(law, strains(batch))
        assert stress <= 1e-6
        assert tangent <= 1e-6
        assert skew <= 1e-12
        broken = SumLaw([law, a_law("linear", GROUPS["-3m"])])
        broken.tangent_mandel = law.tangent_mandel  # control: one term is missing
        assert difference_error(broken, strains(batch))[1] > 1e-3


@pytest.mark.parametrize("kind", KINDS)
def test_energy_and_stress_vanish_at_the_reference(kind):
    law, zero = a_law(kind, GROUPS["m-3m"]), torch.zeros(1, 6, dtype=torch.float64)
    assert float(law.energy_mandel(zero).abs()) <= 1e-12
    assert float(law.stress_mandel(zero).abs().max()) <= 1e-12
    kept = SumLaw([law, SeriesLaw({1: np.ones(6)}, GROUPS["m-3m"])])
    assert float(kept.stress_mandel(zero).abs().max()) > 0.5  # control: a residual stress is kept


def test_wrong_group_fails_where_the_right_one_passes():
    law = a_law("network", GROUPS["-3m"])
    assert law.symmetry_residual() <= 1e-12
    assert law.symmetry_residual(GROUPS["6/mmm"]) > 1e-3


def test_hexagonal_third_order_is_not_isotropic_about_the_axis():
    """C111 ≠ C222 in 6/mmm: features up to l = 4 would miss it."""
    law = a_law("series", GROUPS["6/mmm"])
    third = law.derivative_mandel(torch.zeros(6, dtype=torch.float64), 3)
    assert abs(float(third[0, 0, 0] - third[1, 1, 1])) > 1.0


@pytest.mark.parametrize("kind", ["series", "network", "sum", "rotated"])
def test_higher_derivatives_by_differences(kind):
    law, x = a_law(kind, GROUPS["4/m"]), strains(1)[0]
    for order, lower in ((3, 2), (4, 3)):
        for k in range(6):
            h = torch.zeros(6, dtype=torch.float64)
            h[k] = 1e-5
            slope = (law.derivative_mandel(x + h, lower) - law.derivative_mandel(x - h, lower)) / 2e-5
            exact = law.derivative_mandel(x, order)
            assert float((exact[..., k] - slope).abs().max() / exact.abs().max()) < 1e-6
    assert torch.allclose(law.derivative_mandel(x, 2), law.tangent_mandel(x[None])[0])


@given(name=st.sampled_from(list(GROUPS)), kind=st.sampled_from(("linear", "series", "network", "sum")))
def test_turning_the_law_turns_its_stress(name, kind):
    law, x = a_law(kind, GROUPS[name]), strains(4)
    D = torch.as_tensor(mandel_matrix(SKEW))
    S, T = law.stress_mandel(x @ D) @ D.T, D @ law.tangent_mandel(x @ D) @ D.T
    lab = law.rotated(SKEW)
    assert torch.allclose(lab.stress_mandel(x), S, rtol=0, atol=1e-12 * float(S.abs().max()))
    assert torch.allclose(lab.tangent_mandel(x), T, rtol=0, atol=1e-12 * float(T.abs().max()))
    assert lab.symmetry_residual() <= 1e-12
    back = lab.rotated(SKEW.T)
    assert torch.allclose(back.stress_mandel(x), law.stress_mandel(x), atol=1e-11)
    other = law.rotated(SKEW.T)  # control: lab → crystal is the other way round
    assert float((other.stress_mandel(x) - S).abs().max()) > 1e-6 * float(S.abs().max())


def test_an_orientation_must_be_a_rotation():
    with pytest.raises(MaterialError, match="not a rotation"):
        a_law("linear", GROUPS["-1"]).rotated(1.01 * np.eye(3))


def test_first_piola_is_objective_and_consistent():
    law, rng = a_law("sum", GROUPS["m-3m"]), np.random.default_rng(0)
    F = np.eye(3) + 0.05 * rng.normal(size=(4, 3, 3))
    P, A = law(F)
    assert P.shape == (4, 3, 3)
    assert A.shape == (4, 3, 3, 3, 3)
    P2, _ = law(SKEW @ F)
    assert np.abs(P2 - SKEW @ P).max() <= 1e-12 * np.abs(P).max()
    for k in range(3):
        for L in range(3):
            h = np.zeros((3, 3))
            h[k, L] = 1e-6
            slope = (law(F + h)[0] - law(F - h)[0]) / 2e-6
            assert np.abs(slope - A[..., k, L]).max() <= 1e-6 * np.abs(A).max()


def test_public_functions_take_any_batch():
    law = a_law("sum", GROUPS["mmm"])
    F = np.eye(3) + 0.02 * np.random.default_rng(0).normal(size=(2, 5, 3, 3))
    E = torch.from_numpy(green_lagrange_strain(F))
    assert law.energy(E).shape == (2, 5)
    assert torch.allclose(law.stress(E), from_mandel(law.stress_mandel(to_mandel(E).reshape(-1, 6))).reshape(2, 5, 3, 3))
    assert law.tangent(E[0, 0]).shape == (3, 3, 3, 3)
    assert law.energy(E[:0]).shape == (0, 5)


def test_directions_are_e3nn_irreps_under_wigner_matrices():
    from e3nn import o3

    R = about((1, 2, 3), 77.0)
    wigner = o3.Irreps("0e+2e").D_from_matrix(torch.from_numpy(R)).numpy()
    Q = mandel_to_irreps()
    assert np.abs(Q @ mandel_matrix(R) @ Q.T - wigner).max() < 1e-6
    assert np.abs(Q.T @ mandel_matrix(R) @ Q - wigner).max() > 1e-2  # control: the basis turned the wrong way


def test_the_pooled_sum_runs_over_the_group():
    """The orbit matrix against a plain loop over g and h with autograd: an oracle that shares no code."""
    rotations, rng = GROUPS["4/mmm"], np.random.default_rng(3)
    w, b, a = rng.normal(size=(3, 6)), rng.normal(size=3), rng.normal(size=3)
    law, x = NetworkLaw(w, b, a, 0.1, rotations), strains(1)[0].requires_grad_()

    def energy(x):
        total = 0.0
        for R, (wh, bh, ah) in itertools.product(rotations, zip(w, b, a, strict=True)):
            e = to_mandel(torch.from_numpy(R) @ from_mandel(x) @ torch.from_numpy(R.T))
            z = torch.from_numpy(wh @ mandel_to_irreps()) @ e / 0.1 + bh
            total = total + ah / len(rotations) * (z + torch.sqrt(z**2 + 4)) / 2
        return total

    zero = torch.zeros(6, dtype=torch.float64, requires_grad=True)
    slope = torch.autograd.grad(energy(zero), zero)[0]
    expected = torch.autograd.grad(energy(x), x)[0] - slope
    assert torch.allclose(law.stress_mandel(x[None].detach())[0], expected, atol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_state_rebuilds_the_law(kind):
    law, x = a_law(kind, GROUPS["m-3"]), strains(5, 0.02)
    settings, arrays = law.state()
    again = law_from_state(settings, arrays, law.rotations.numpy())
    assert torch.allclose(again.stress_mandel(x), law.stress_mandel(x), rtol=0, atol=1e-12)
    with pytest.raises(MaterialError, match="incomplete or misshapen"):
        law_from_state(settings, {}, law.rotations.numpy())
    with pytest.raises(MaterialError, match="a law of kind"):
        law_from_state({"kind": "os.system"}, arrays, law.rotations.numpy())


def test_baseline_has_no_symmetry():
    rng = np.random.default_rng(0)
    law = UnconstrainedNetworkLaw(rng.normal(size=(8, 6)), rng.normal(size=8), rng.normal(size=8), 0.1)
    assert law.symmetry_residual(GROUPS["m-3m"]) > 1e-2
    assert law.orbit_units() == 8
    assert a_law("network", GROUPS["m-3m"]).orbit_units() == 5 * 24


def test_outside_the_domain():
    domain = Domain(np.eye(6), 0.05)
    inside, outside = 0.02 * torch.eye(6, dtype=torch.float64), 0.2 * torch.eye(6, dtype=torch.float64)
    law = a_law("sum", GROUPS["m-3m"])
    for policy in ("raise", "warn", "extend"):
        bounded = BoundedLaw(law, domain, policy)
        assert torch.equal(bounded.stress_mandel(inside), law.stress_mandel(inside))
    with pytest.raises(DomainError, match="6 of 6 strains are outside"):
        BoundedLaw(law, domain, "raise").stress_mandel(outside)
    with pytest.warns(OutsideDomainWarning, match="extrapolates"):
        assert torch.equal(BoundedLaw(law, domain, "warn").stress_mandel(outside), law.stress_mandel(outside))
    with pytest.warns(OutsideDomainWarning, match="extended"):
        far = BoundedLaw(law, domain, "extend").tangent_mandel(1e3 * outside)
    assert torch.isfinite(far).all()
    with pytest.raises(MaterialError, match="choose one of"):
        BoundedLaw(law, domain, "ignore")


def test_domain_of_strains_is_invariant():
    x = strains(20).numpy()
    domain = Domain.of_strains(x, GROUPS["-3m"])
    for R in GROUPS["-3m"]:
        assert np.abs(mandel_matrix(R) @ domain.metric @ mandel_matrix(R).T - domain.metric).max() < 1e-9 * domain.metric.max()
    distance = domain.distance(torch.from_numpy(x))
    assert float(distance.max()) == pytest.approx(1)
