"""Twins in closed form, variants by cosets, walls of ferroelectrics against the published ones."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from constitutive.errors import MaterialError, SymmetryError
from constitutive.kinematics import right_stretch
from constitutive.symmetry import PointGroup
from constitutive.variants import twins, variants, walls

CUBIC = PointGroup.from_symbol("m-3m")


def axial(axis, along, across):
    n = np.asarray(axis, float) / np.linalg.norm(axis)
    return across * np.eye(3) + (along - across) * np.outer(n, n)


def stabiliser(P):
    """The subgroup of m-3m that leaves a polarisation alone."""
    return PointGroup.from_operations(CUBIC.operations[np.abs(CUBIC.operations @ P - P).max(axis=1) < 1e-9])


ORTHORHOMBIC = np.diag([0.0035, 0.0035, -0.002]) + 0.0016 * (np.eye(3)[[1, 0, 2]] - np.diag([0, 0, 1]))
PHASES = {
    "4mm": (np.array([0, 0, 0.26]), axial([0, 0, 1], 0.010, -0.003)),
    "3m": (np.array([1, 1, 1]) * 0.157, axial([1, 1, 1], 0.007, 0.002)),
    "mm2": (np.array([1, 1, 0]) * 0.2, ORTHORHOMBIC),
}


def phase(name):
    P, E = PHASES[name]
    return walls(variants(CUBIC, stabiliser(P), E, P))


@given(seed=st.integers(0, 99), size=st.sampled_from([1e-4, 0.01, 0.3]))
def test_hadamards_condition_holds_to_rounding(seed, size):
    rng = np.random.default_rng(seed)
    A = size * rng.normal(size=(3, 3))
    U = np.eye(3) + (A + A.T) / 2
    if np.linalg.eigvalsh(U)[0] < 0.1:
        return
    axis = rng.normal(size=3)
    R = Rotation.from_rotvec(np.pi * axis / np.linalg.norm(axis)).as_matrix()
    V = R @ U @ R.T
    V = (V + V.T) / 2  # related by a half turn: always twins (Bhattacharya 2003, result 5.2)
    found = twins(U, V)
    assert len(found) == 2
    for twin in found:
        assert twin.residual <= 1e-13
        assert np.abs(twin.rotation @ U - V - np.outer(twin.shear, twin.normal)).max() <= 1e-13
        assert np.linalg.det(twin.rotation) == pytest.approx(1, abs=1e-12)
        assert np.linalg.norm(twin.normal) == pytest.approx(1, abs=1e-13)
    n = axis / np.linalg.norm(axis)
    assert max(abs(twin.normal @ n) for twin in found) == pytest.approx(1, abs=1e-6)  # type I: normal along the half turn's axis


def test_stretches_without_a_coherent_wall():
    assert twins(np.diag([1.1, 1.0, 1.0]), np.eye(3))[0].normal.tolist() == [1, 0, 0]  # one solution: a simple stretch
    assert twins(np.diag([1.1, 1.1, 1.0]), np.eye(3)) == ()  # middle eigenvalue not 1
    assert twins(np.diag([1.1, 1.0, 0.9]), np.diag([1.1, 1.0, 0.9])) == ()  # the same
    assert len(twins(np.diag([1.1, 1.0, 0.9]), np.eye(3))) == 2
    assert twins(np.diag([1.1, 1.01, 0.9]), np.eye(3)) == ()  # control


def test_the_habit_of_a_known_twin():
    """Tetragonal variants along x and y: plane {110}, rotation by the difference of their angles (Bhattacharya 2003, sec. 5.3)."""
    c, a = 1.02, 0.99
    twin = twins(np.diag([c, a, a]), np.diag([a, c, a]))[0]
    assert twin.angle == pytest.approx(np.degrees(np.arccos(2 * a * c / (a**2 + c**2))), abs=1e-9)
    assert np.linalg.norm(twin.shear) == pytest.approx(np.sqrt(2) * (c**2 - a**2) / np.sqrt(a**2 + c**2), abs=1e-12)


@pytest.mark.parametrize("bad", [np.array([[1, 0.1, 0], [0, 1, 0], [0, 0, 1.0]]), np.diag([1, 1, -1.0]), np.full((3, 3), np.nan)])
def test_what_is_no_stretch_is_named(bad):
    with pytest.raises(MaterialError, match="stretch U"):
        twins(bad, np.eye(3))


@pytest.mark.parametrize(("name", "count", "same"), [("4mm", 6, 3), ("3m", 8, 4), ("mm2", 12, 6)])
def test_variants_are_the_cosets(name, count, same):
    table = phase(name)
    found = table.variants
    assert len(found) == count == CUBIC.order // found.subgroup.order
    assert table.same_strain == same  # 180° pairs
    assert table.incompatible == 0
    assert table.residual <= 1e-13
    assert len({tuple(np.round(P, 9)) for P in found.polarizations}) == count
    for g, E, U in zip(found.operations, found.strains, found.stretches, strict=True):
        assert np.abs(E - g @ found.strains[0] @ g.T).max() < 1e-15
        assert np.abs(U - right_stretch(E[None])[0]).max() < 1e-14


PUBLISHED = {  # Marton, Rychetsky & Hlinka 2010, Phys. Rev. B 82, 144125, table I: angle and plane of neutral walls
    "4mm": {(90, "{110}")},
    "3m": {(71, "{110}"), (109, "{100}")},
    "mm2": {(90, "{100}"), (120, "{110}"), (60, "irrational")},
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_neutral_walls_are_the_published_ones(name):
    rows = phase(name).rows()
    neutral = {(row["angle"], row["plane"].split()[0]) for row in rows if row["charge"] == "neutral"}
    assert neutral == PUBLISHED[name]
    charged = {(row["angle"], row["plane"].split()[0]) for row in rows if row["charge"] == "charged"}
    assert {angle for angle, _ in charged} == {angle for angle, _ in neutral}  # each has a charged reciprocal twin
    kinds = {row["kind"] for row in rows}
    assert kinds == ({"compound", "type I", "type II"} if name == "mm2" else {"compound"})
    turned = variants(CUBIC, stabiliser(PHASES[name][0]), PHASES[name][1])
    assert all(row["charge"] == "" for row in walls(turned).rows())  # control: no polarisation, no charge


def test_the_irrational_wall_turns_with_the_strain():
    """The S wall of an orthorhombic ferroelectric depends on the strain, the {110} wall does not."""
    P, E = PHASES["mm2"]
    planes = [
        {row["plane"] for row in walls(variants(CUBIC, stabiliser(P), E + change, P)).rows()} for change in (0, np.diag([0, 0, 0.002]))
    ]
    assert "{110}" in planes[0] & planes[1]
    assert len(planes[0] ^ planes[1]) == 2


def test_what_is_not_invariant_under_the_subgroup_is_named():
    P, E = PHASES["4mm"]
    with pytest.raises(SymmetryError, match="strain differs"):
        variants("m-3m", "4mm", axial([1, 0, 0], 0.01, -0.003))
    with pytest.raises(SymmetryError, match="polarisation differs"):
        variants("m-3m", "4mm", E, P[::-1])
    with pytest.raises(SymmetryError, match="no subgroup"):
        variants("4mm", "m-3m", 0 * E)


def test_as_plain_data_and_html():
    table = phase("3m")
    found = table.as_dict()
    assert found["group"] == "m-3m"
    assert found["variants"] == 8
    assert sum(row["walls"] for row in found["walls"]) == len(table.walls) == 48
    assert "{110}" in table._repr_html_()


def test_other_crystal_systems():
    """Ferroelastic 6/mmm → mmm: three strain states, walls on planes of the hexagon."""
    E = np.diag([0.01, -0.01, 0.002])
    found = walls(variants("6/mmm", "mmm", E))
    assert len(found.variants) == 3
    assert found.residual <= 1e-13
    assert {row["kind"] for row in found.rows()} == {"compound"}


def test_the_stereogram_shows_every_family():
    from constitutive.plots import wall_stereogram

    labels = {text.get_text() for text in wall_stereogram(phase("3m")).axes[0].get_legend().get_texts()}
    assert labels == {"71° {110}, neutral", "71° {100}, charged", "109° {100}, neutral", "109° {110}, charged"}
