"""Invariant tensors: counts against Nye and Fumi, bases, projection, handedness."""

import numpy as np
import pytest
from hypothesis import given
from tensor_cases import EXACT, GROUPS, PIEZOELECTRIC, change, rotation, seeds, symbols

from constitutive.errors import ConstitutiveError
from constitutive.symmetry import all_magnetic_groups
from constitutive.symmetry.tables import LAUE_CLASSES, SYMBOLS
from constitutive.tensors import (
    elastic_constant_counts,
    independent_constants,
    invariant_basis,
    number_of_invariants,
    pairs_formula,
    project,
    property_tensor,
    tensor_basis,
    transform,
)

# ---- counts: Nye (1985), tables 9 and 10 (order 2); Fumi, Phys. Rev. 83 (1951) 1274 and 86 (1952) 561, Acta Cryst. A 43 (1987) 587
# (order 3, with the coefficients of Brugger, Phys. Rev. 133 (1964) A1611); Krishnamurty, Acta Cryst. 16 (1963) 839 (order 4)

ELASTIC = {
    "-1": (6, 21, 56, 126), "2/m": (4, 13, 32, 70), "mmm": (3, 9, 20, 42), "4/m": (2, 7, 16, 36), "4/mmm": (2, 6, 12, 25),
    "-3": (2, 7, 20, 42), "-3m": (2, 6, 14, 28), "6/m": (2, 5, 12, 24), "6/mmm": (2, 5, 10, 19), "m-3": (1, 3, 8, 14),
    "m-3m": (1, 3, 6, 11),
}  # fmt: skip

# Nye, table 15: 1 and 2 … of optical activity; the rest, by symmetry, have none
GYRATION = {"1": 6, "2": 4, "m": 2, "222": 3, "mm2": 1, "-42m": 1, "23": 1, "432": 1} | dict.fromkeys(
    ("4", "-4", "3", "32", "6", "422", "622"), 2
)

# Nye, table 16
PHOTOELASTIC = dict(zip(LAUE_CLASSES, (36, 20, 12, 10, 7, 12, 8, 8, 6, 4, 3), strict=True))
THERMAL = {"triclinic": 6, "monoclinic": 4, "orthorhombic": 3, "tetragonal": 2, "trigonal": 2, "hexagonal": 2, "cubic": 1}


@pytest.mark.parametrize("symbol", SYMBOLS)
def test_published_numbers_of_constants(symbol):
    group = GROUPS[symbol]
    assert tuple(elastic_constant_counts(group).values()) == ELASTIC[group.laue_class]
    assert independent_constants(group, "piezoelectric") == PIEZOELECTRIC.get(symbol, 0)
    assert independent_constants(group, "gyration") == GYRATION.get(symbol, 0)
    for name in ("photoelastic", "electrostriction"):
        assert independent_constants(group, name) == PHOTOELASTIC[group.laue_class]
    for name in ("thermal expansion", "dielectric"):
        assert independent_constants(group, name) == THERMAL[group.crystal_system]
    polar = {"1": 3, "m": 2} | dict.fromkeys(("2", "mm2", "4", "4mm", "3", "3m", "6", "6mm"), 1)
    assert independent_constants(group, "pyroelectric") == polar.get(symbol, 0)


def test_third_order_distinguishes_groups_that_second_order_cannot():
    for low, high in (("m-3", "m-3m"), ("6/m", "6/mmm")):
        second = [elastic_constant_counts(GROUPS[s])[2] for s in (low, high)]
        third = [elastic_constant_counts(GROUPS[s])[3] for s in (low, high)]
        assert second[0] == second[1]
        assert third[0] > third[1]


def test_magnetic_groups_allow_what_birss_counts():
    """Birss (1966): of 122 groups 31 allow ferromagnetism, 58 the linear magnetoelectric effect, 66 piezomagnetism."""
    groups = all_magnetic_groups()
    assert len(groups) == 122
    ferromagnetic = sum(number_of_invariants(g, "i", "axial", time_odd=True) > 0 for g in groups)
    magnetoelectric = sum(independent_constants(g, "magnetoelectric") > 0 for g in groups)
    piezomagnetic = sum(independent_constants(g, "piezomagnetic") > 0 for g in groups)
    assert (ferromagnetic, magnetoelectric, piezomagnetic) == (31, 58, 66)
    assert all(independent_constants(g, "piezomagnetic") == 0 for g in groups if g.kind == "grey")


# ---- bases


@pytest.mark.parametrize("symbol", SYMBOLS)
@pytest.mark.parametrize("name", ["piezoelectric", "gyration", "elastic 2", "elastic 3", "photoelastic"])
def test_bases_are_orthonormal_invariant_and_complete(symbol, name):
    group, tensor = GROUPS[symbol].rotated(rotation(7)), property_tensor(name)
    basis = tensor_basis(group, name)
    assert len(basis) == independent_constants(group, name)
    flat = basis.reshape(len(basis), 3 ** (basis.ndim - 1))
    assert np.abs(flat @ flat.T - np.eye(len(flat))).max(initial=0.0) < EXACT
    assert change(basis, group, parity=tensor.parity) < EXACT
    rank = basis.ndim - 1
    trial = np.random.default_rng(1).normal(size=(1, *(3,) * rank))
    kept = project(trial[0], group, tensor.formula, tensor.parity).tensor.ravel()
    assert np.abs(kept - (kept @ flat.T) @ flat).max() < EXACT  # the oracle's projection lies in the span


def test_a_basis_of_the_wrong_group_fails_the_same_test():
    assert change(invariant_basis(GROUPS["m-3"], pairs_formula(3)), GROUPS["m-3m"]) > 1e-2
    assert change(invariant_basis(GROUPS["-43m"], "ijk=ikj"), GROUPS["432"]) > 1e-2
    assert change(invariant_basis(GROUPS["32"], "ijk=ikj"), GROUPS["32"].rotated(rotation(2))) > 1e-2


@pytest.mark.parametrize(("symbol", "count"), [("m-3m", 11), ("6/mmm", 19), ("-3", 42)])
def test_rank_eight_is_exact(symbol, count):
    basis = invariant_basis(GROUPS[symbol], pairs_formula(4))
    assert len(basis) == count
    assert change(basis, GROUPS[symbol]) < EXACT


def test_rank_eight_without_index_symmetry():
    basis = invariant_basis(GROUPS["m-3m"], "ijklmnpq")
    assert len(basis) == number_of_invariants(GROUPS["m-3m"], "ijklmnpq") == 274
    assert change(basis[:5], GROUPS["m-3m"]) < EXACT


def test_bases_are_cached_and_read_only():
    first = invariant_basis(GROUPS["mmm"], "ij=ji")
    assert invariant_basis(GROUPS["mmm"], "ij = ji") is first
    with pytest.raises(ValueError, match="read-only"):
        first[0, 0, 0] = 1.0


@given(symbols, seeds)
def test_turning_the_group_turns_its_tensors(symbol, seed):
    R = rotation(seed)
    turned = transform(invariant_basis(GROUPS[symbol], "ijkl=jikl=klij"), R, rank=4)
    assert change(turned, GROUPS[symbol].rotated(R)) < EXACT


@given(symbols, seeds)
def test_projection_is_a_projection_and_reports_the_residual(symbol, seed):
    T = np.random.default_rng(seed).normal(size=(3, 3, 3))
    once = project(T, GROUPS[symbol], "ijk=ikj")
    twice = project(once.tensor, GROUPS[symbol], "ijk=ikj")
    assert np.abs(twice.residual).max() < EXACT
    assert np.linalg.norm(T) ** 2 == pytest.approx(np.linalg.norm(once.tensor) ** 2 + np.linalg.norm(once.residual) ** 2)
    assert once.relative_residual == pytest.approx(np.linalg.norm(once.residual) / np.linalg.norm(T))


def test_projection_sees_a_wrong_symmetry():
    silicon = invariant_basis(GROUPS["m-3m"], pairs_formula(2)).sum(axis=0)
    assert project(silicon, GROUPS["m-3m"]).relative_residual < EXACT
    assert project(silicon, GROUPS["6/mmm"]).relative_residual > 0.05


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: invariant_basis(2 * np.eye(3)[None], "ij"), "orthogonal"),
        (lambda: invariant_basis(np.eye(3), "ij"), "shape"),
        (lambda: invariant_basis(GROUPS["4"].operations[:2], "ij=ji"), "not among"),
        (lambda: project(np.ones((3, 2)), GROUPS["1"]), "shape"),
        (lambda: project(np.full((3, 3), np.nan), GROUPS["1"]), "finite"),
        (lambda: project(np.ones((3, 3)), GROUPS["1"], "ijk"), "rank"),
        (lambda: property_tensor("flexoelectric"), "there are"),
    ],
)
def test_bad_input_is_refused_with_a_reason(call, message):
    with pytest.raises(ConstitutiveError, match=message):
        call()


# ---- handedness


def test_inversion_reverses_odd_tensors_and_keeps_even_ones():
    inversion = -np.eye(3)
    for name in ("piezoelectric", "elastic 2", "gyration", "dielectric", "elastic 3"):
        tensor = property_tensor(name)
        basis = tensor_basis(GROUPS["32"], name)
        axial = np.linalg.det(inversion) if tensor.parity == "axial" else 1.0
        assert np.abs(axial * transform(basis, inversion, rank=basis.ndim - 1) - tensor.sign_under_inversion * basis).max() < EXACT
    assert property_tensor("piezoelectric").sign_under_inversion == -1
    assert property_tensor("gyration").sign_under_inversion == -1
    assert property_tensor("elastic 2").sign_under_inversion == 1
