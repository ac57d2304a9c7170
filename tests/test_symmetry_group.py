"""The point group as an object: symbols, elements, subgroups, comparison."""

import numpy as np
import pytest
from crystal_cases import EXACT, MIRROR, rotation, seeds, symbols
from hypothesis import given

from constitutive.errors import SymmetryError
from constitutive.symmetry import (
    PointGroup,
    compare,
    elements_in_words,
    operation_in_words,
)
from constitutive.symmetry import operations as ops
from constitutive.symmetry.tables import LAUE_CLASSES, POINT_GROUPS, SYMBOLS, SYSTEMS


@pytest.mark.parametrize("symbol", SYMBOLS)
def test_names_and_operations_of_the_32_groups(symbol):
    group, entry = PointGroup.from_symbol(symbol), POINT_GROUPS[symbol]
    assert len(group.operations) == group.order == entry.order
    assert ops.orthogonality_error(group.operations) < EXACT
    assert ops.same_set(ops.generate(group.generators), group.operations)
    for name in (entry.full, entry.full.replace(" ", ""), entry.schoenflies, entry.schoenflies.upper()):
        assert PointGroup.from_symbol(name) == group
    assert group.laue_group.symbol == group.laue_class == entry.laue
    assert group.is_centrosymmetric == (symbol in LAUE_CLASSES)
    assert len(group.laue_rotations) == POINT_GROUPS[entry.laue].order // 2
    assert group.crystal_system in SYSTEMS
    assert all(line for line in elements_in_words(group))
    assert all(operation_in_words(group, R) for R in group.operations)


def test_known_orders_chirality_and_polarity():
    groups = [PointGroup.from_symbol(s) for s in SYMBOLS]
    assert sum(g.is_centrosymmetric for g in groups) == 11
    assert [g.symbol for g in groups if g.is_chiral] == ["1", "2", "222", "4", "422", "3", "32", "6", "622", "23", "432"]
    assert [g.symbol for g in groups if g.is_polar] == ["1", "2", "m", "mm2", "4", "4mm", "3", "3m", "6", "6mm"]
    assert max(len(g.laue_rotations) for g in groups) == 24


@given(symbols, seeds)
def test_a_group_is_found_again_after_any_rotation(symbol, seed):
    R, group = rotation(seed), PointGroup.from_symbol(symbol)
    turned = PointGroup.from_operations(R @ group.operations @ R.T)
    assert turned == group.rotated(R)
    assert ops.orthogonality_error(turned.operations) < EXACT
    assert np.abs(turned.frame @ ops.standard_operations(symbol) @ turned.frame.T - turned.operations).max() < EXACT
    noisy = PointGroup.from_operations(R @ group.operations @ R.T + 1e-5 * np.random.default_rng(seed).normal(size=(group.order, 3, 3)))
    assert noisy.symbol == symbol


def test_second_settings():
    assert PointGroup.from_symbol("-4m2") == PointGroup.from_symbol("-42m").rotated(ops.rotation((0, 0, 1), 45.0))
    assert PointGroup.from_symbol("-62m") != PointGroup.from_symbol("-6m2")
    assert PointGroup.from_symbol("321") == PointGroup.from_symbol("32") != PointGroup.from_symbol("312")
    assert PointGroup.from_symbol("m3\u0305m") == PointGroup.from_symbol("m3m") == PointGroup.from_symbol("m-3m")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: PointGroup.from_symbol("5m"), "the 32 point groups are"),
        (lambda: PointGroup.from_operations([2 * np.eye(3)]), "not orthogonal"),
        (lambda: PointGroup.from_operations(np.eye(3)), "shape"),
        (lambda: PointGroup.from_operations([ops.rotation((0, 0, 1), 72.0)]), "72"),
        (lambda: PointGroup.from_operations([ops.rotation((0, 0, 1), 90.0), ops.rotation((1, 0, 0.1), 90.0)]), "more than 48|allow"),
        (lambda: PointGroup.from_symbol("4").rotated(MIRROR), "proper rotation"),
    ],
)
def test_what_is_no_group_is_refused(call, message):
    with pytest.raises(SymmetryError, match=message):
        call()


def test_elements_in_words():
    words = elements_in_words(PointGroup.from_symbol("m-3m"))
    assert words[0] == "three 4-fold axes along [100], [010], [001] with mirror planes across"
    assert words[-1] == "centre of inversion"
    group = PointGroup.from_symbol("32")
    assert group.elements[0].words == "3-fold axis along [001]"
    assert [e.label for e in PointGroup.from_symbol("-43m").elements].count("3") == 4
    turned = PointGroup.from_symbol("m-3m").rotated(rotation(1))
    assert elements_in_words(turned) == words  # indices belong to the crystal, not to the frame
    assert operation_in_words(group, group.operations[0]) == "identity"


# International Tables A, figure 10.1.3.2 (maximal subgroups and minimal supergroups of the point groups)
MAXIMAL = {
    "m-3m": {"432", "-43m", "m-3", "4/mmm", "-3m"}, "6/mmm": {"622", "6mm", "-6m2", "6/m", "-3m", "mmm"},
    "4/mmm": {"422", "4mm", "-42m", "4/m", "mmm"}, "432": {"23", "422", "32"}, "-43m": {"23", "-42m", "3m"}, "m-3": {"23", "mmm", "-3"},
    "-6m2": {"-6", "32", "3m", "mm2"}, "23": {"222", "3"}, "-42m": {"-4", "222", "mm2"}, "-3m": {"-3", "32", "3m", "2/m"},
    "mmm": {"222", "mm2", "2/m"}, "mm2": {"m", "2"}, "-4": {"2"}, "1": set(),
}  # fmt: skip


@pytest.mark.parametrize("symbol", MAXIMAL)
def test_maximal_subgroups_are_those_of_the_tables(symbol):
    assert {g.symbol for g in PointGroup.from_symbol(symbol).maximal_subgroups()} == MAXIMAL[symbol]


def test_minimal_supergroups_are_those_of_the_tables():
    above = {s: {g.symbol for g in PointGroup.from_symbol(s).minimal_supergroups()} for s in ("mmm", "32", "4mm", "23", "m-3m", "-3", "3m")}
    assert above == {
        "mmm": {"4/mmm", "6/mmm", "m-3"}, "32": {"-3m", "622", "-6m2", "432"}, "4mm": {"4/mmm"}, "23": {"m-3", "432", "-43m"},
        "m-3m": set(),
        "-3": {"-3m", "6/m", "m-3"}, "3m": {"-3m", "6mm", "-6m2", "-43m"},
    }  # fmt: skip


def test_numbers_of_subgroups():
    """Subgroups of the largest point groups: 98 of Oh, 54 of D6h, 35 of D4h, 30 of Td and O, 26 of Th, 10 of T, 16 of D2h."""
    counts = {"m-3m": 98, "6/mmm": 54, "4/mmm": 35, "-43m": 30, "432": 30, "m-3": 26, "23": 10, "mmm": 16}
    for symbol, count in counts.items():
        group = PointGroup.from_symbol(symbol)
        found = group.subgroups()
        assert len(found) == count
        assert found[0] == group
        assert all(sub.is_subgroup_of(group) for sub in found)


@given(symbols, seeds)
def test_cosets_tile_the_group(symbol, seed):
    group = PointGroup.from_symbol(symbol).rotated(rotation(seed))
    subgroups = group.subgroups()
    sub = subgroups[seed % len(subgroups)]
    heads = group.cosets(sub)
    assert len(heads) * sub.order == group.order
    products = (heads[:, None] @ sub.operations[None]).reshape(-1, 3, 3)
    assert ops.same_set(products, group.operations)
    assert np.abs(heads[0] - np.eye(3)).max() < 1e-9


def test_variants_of_known_transitions():
    """m-3m → 4mm (BaTiO3) 6, → mm2 12, → 3m 8; 4/mmm → mmm 2; 6/mmm → mmm 3 (Janovec, Czech. J. Phys. B 22 (1972) 974)."""
    for high, low, count in (("m-3m", "4mm", 6), ("m-3m", "mm2", 12), ("m-3m", "3m", 8), ("4/mmm", "mmm", 2), ("6/mmm", "mmm", 3)):
        group = PointGroup.from_symbol(high)
        sub = next(g for g in group.subgroups() if g.symbol == low)
        assert len(group.cosets(sub)) == count
    with pytest.raises(SymmetryError, match="no subgroup"):
        PointGroup.from_symbol("432").cosets(PointGroup.from_symbol("-4"))


@given(symbols, seeds)
def test_equivalent_directions_and_strains_are_orbits(symbol, seed):
    group = PointGroup.from_symbol(symbol)
    direction = np.random.default_rng(seed).normal(size=3)
    assert len(group.equivalent_directions(direction)) == group.order
    strain = np.outer(direction, direction) + np.diag([0.1, 0.2, 0.3])
    assert len(group.equivalent_strains(strain)) == len(group.laue_rotations)
    assert group.order % len(group.equivalent_directions([0, 0, 1])) == 0


def test_families_of_directions_and_strains():
    cubic = PointGroup.from_symbol("m-3m")
    assert [len(cubic.equivalent_directions(d)) for d in ([1, 0, 0], [1, 1, 0], [1, 1, 1], [2, 1, 0], [3, 2, 1])] == [6, 12, 8, 24, 48]
    assert len(cubic.equivalent_strains(np.diag([1, 0, 0]))) == 3
    assert len(PointGroup.from_symbol("-43m").equivalent_directions([1, 1, 1])) == 4


def test_comparisons():
    cubic, tetragonal, hexagonal = (PointGroup.from_symbol(s) for s in ("m-3m", "4mm", "6mm"))
    assert (compare(tetragonal, cubic).relation, compare(tetragonal, cubic).variants) == ("subgroup", 6)
    assert compare(cubic, tetragonal).relation == "supergroup"
    assert compare(cubic, cubic).relation == "equal"
    assert (compare(cubic, hexagonal).relation, compare(cubic, hexagonal).variants) == ("none", 1)
    turned = cubic.rotated(rotation(3))
    both = compare(turned, cubic)
    assert both.relation == "conjugate"
    assert cubic.rotated(both.turn) == turned
    trigonal = compare(PointGroup.from_symbol("-3m"), cubic)
    assert trigonal.relation == "conjugate"
    assert PointGroup.from_symbol("-3m").is_subgroup_of(cubic.rotated(trigonal.turn))
