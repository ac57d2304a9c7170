"""Names of groups as users write them: Schoenflies, Hermann–Mauguin in any setting, space groups, limiting groups."""

import numpy as np
import pytest
import spglib

from constitutive.data import StressStrainData
from constitutive.errors import SymmetryError
from constitutive.intake.groups import candidate_groups, declared_group
from constitutive.symmetry import PointGroup, elements_in_words
from constitutive.symmetry import operations as ops
from constitutive.symmetry.space_groups import hall_number
from constitutive.symmetry.tables import LIMIT_GROUPS, POINT_GROUPS, SYMBOLS
from constitutive.tensors import elastic_constant_counts
from constitutive.tensors.polynomials import invariant_polynomials


@pytest.mark.parametrize("symbol", SYMBOLS)
def test_every_usual_name_of_a_point_group(symbol):
    entry = POINT_GROUPS[symbol]
    for name in (symbol, entry.full, entry.full.replace(" ", ""), entry.schoenflies, entry.schoenflies.lower()):
        group = PointGroup.from_symbol(name)
        assert group.symbol == symbol
        assert np.array_equal(group.frame, np.eye(3))


def test_every_space_group_by_symbol_and_number():
    for number in range(1, 231, 7):
        entry = spglib.get_spacegroup_type(hall_number(number))
        wanted = PointGroup.from_symbol(entry.pointgroup_international).symbol
        for name in (entry.international_short, entry.international_full, entry.schoenflies, number, f"No. {number}", f"#{number}"):
            assert PointGroup.from_symbol(name).symbol == wanted, name


@pytest.mark.parametrize(
    ("name", "same_as"),
    [
        ("P-31m", "-31m"), ("P-3m1", "-3m"), ("P312", "312"), ("P321", "32"), ("P31m", "31m"), ("R3m", "3m"), ("P-4m2", "-4m2"),
        ("I-42d", "-42m"), ("P-62m", "-62m"), ("P-6m2", "-6m2"), ("P 1 21/c 1", "2/m"), ("P6_3/mmc", "6/mmm"), ("Fd3m", "m-3m"),
    ],
)  # fmt: skip
def test_the_setting_of_a_space_group_is_kept(name, same_as):
    assert PointGroup.from_symbol(name) == PointGroup.from_symbol(same_as)


def test_other_settings_have_their_axes_where_the_symbol_puts_them():
    z, x = np.array([0.0, 0, 1]), np.array([1.0, 0, 0])
    for name, axis in (("P 1 1 2/b", z), ("112/m", z), ("P 1 1 2", z), ("Pmm2", z), ("P2mm", x), ("2mm", x), ("A 2 m m", x)):
        group = PointGroup.from_symbol(name)
        half_turn = next(R for R in group.operations if ops.label(R) == "2")
        assert abs(ops.axis(half_turn) @ axis) == pytest.approx(1), name


def test_ambiguous_text_is_the_point_group_and_numbers_are_space_groups():
    assert PointGroup.from_symbol("222").symbol == "222"
    assert PointGroup.from_symbol(222).symbol == PointGroup.from_symbol("No. 222").symbol == "m-3m"
    assert PointGroup.from_symbol("225").symbol == "m-3m"


@pytest.mark.parametrize("name", ["m3n", "Fd-4m", "231", "0", 0, "", "P", "53m", "Oh9", "isotrop"])
def test_names_that_are_none_are_refused_with_the_choice(name):
    with pytest.raises(SymmetryError, match=r"neither a point group nor a space group.*isotropic and transversely_isotropic"):
        PointGroup.from_symbol(name)


# ---- limiting groups


@pytest.mark.parametrize(("name", "order"), [("isotropic", 60), ("transversely_isotropic", 26), ("transversely isotropic", 26), ("Kh", 60)])
def test_limiting_groups_are_groups(name, order):
    group = PointGroup.from_symbol(name)
    assert group.is_limiting
    assert group.is_centrosymmetric
    assert not group.is_polar
    assert len(group.laue_rotations) == order
    assert ops.orthogonality_error(group.operations) < 1e-12
    assert ops.same_set(group.operations, ops.generate(group.operations[:9], 120))
    assert group.rotated(ops.rotation((1, 2, 3), 40.0)).symbol == group.symbol
    assert elements_in_words(group)
    with pytest.raises(SymmetryError, match="infinitely many subgroups"):
        group.subgroups()


def test_numbers_of_constants_of_limiting_groups():
    """Second order 2 and 5; third order of ∞/mm 9, one less than 6/mmm (Hearmon, Acta Cryst. 6 (1953) 331)."""
    assert elastic_constant_counts(PointGroup.from_symbol("isotropic"))[2] == 2
    counts = elastic_constant_counts(PointGroup.from_symbol("transversely_isotropic"))
    assert (counts[1], counts[2], counts[3]) == (2, 5, 9)


def invariant_under(rotations, turn, degree):
    """Whether every polynomial that is invariant under rotations is invariant under one further rotation."""
    own = invariant_polynomials(rotations, degree)
    turned = invariant_polynomials(turn @ rotations @ turn.T, degree)
    both = np.concatenate([own, turned])
    return np.linalg.matrix_rank(both, tol=1e-8) == len(own)


def test_polynomials_are_exactly_isotropic_as_far_as_is_said():
    across = PointGroup.from_symbol("transversely_isotropic").laue_rotations
    assert all(invariant_under(across, ops.rotation((0, 0, 1), 11.0), degree) for degree in range(1, 5))
    every = PointGroup.from_symbol("isotropic").laue_rotations
    turn = ops.rotation((1, 2, 3), 40.0)
    assert [invariant_under(every, turn, degree) for degree in (1, 2, 3)] == [True, True, False]
    hexagonal = PointGroup.from_symbol("6/mmm").laue_rotations  # control
    assert not invariant_under(hexagonal, ops.rotation((0, 0, 1), 11.0), 3)


@pytest.mark.parametrize("name", [*LIMIT_GROUPS, "Fd-3m", "D6h"])
def test_data_declare_groups_by_any_name(name):
    F = np.eye(3) + 0.01 * np.random.default_rng(0).normal(size=(8, 3, 3))
    data = StressStrainData(F=F, cauchy=np.zeros((8, 3, 3)), units="GPa", point_group=name)
    assert declared_group(data).symbol == PointGroup.from_symbol(name).laue_class
    assert declared_group(data) in candidate_groups(data)
