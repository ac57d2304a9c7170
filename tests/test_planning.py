"""Plans: where the strains lie, what they determine, and that no two are equal up to symmetry."""

import json

import numpy as np
import pytest
import torch
from pymatgen.core import Lattice, Structure

from constitutive import Material, shipped
from constitutive.data.plan import Plan
from constitutive.elasticity.constants import elastic_constants, independent_places
from constitutive.errors import DataError
from constitutive.fitting import PolynomialBasis
from constitutive.planning import Ball, Box, Visited, d_optimal, forecast, make_plan, read_visited, representative, stretch_of
from constitutive.planning.optimal_design import distinct
from constitutive.planning.representative import squared_distances
from constitutive.symmetry import PointGroup, quartz
from constitutive.tensors.packing import mandel_matrix, to_mandel


@pytest.fixture(scope="module")
def diamond():
    return Structure.from_spacegroup("Fd-3m", Lattice.cubic(5.431), ["Si"], [[0, 0, 0]])


def strains(plan):
    return np.asarray(to_mandel(plan.green_lagrange_strain))


@pytest.mark.parametrize("count", [5, 30])
def test_a_plan_for_a_law_holds_the_reference_small_strains_and_strains_near_the_edge(diamond, count):
    plan = make_plan(diamond, count, size=0.06)
    size = np.linalg.norm(strains(plan), axis=1)
    assert len(plan) == count
    assert plan.point_group == "m-3m"
    assert plan.name == "Si"
    assert size[0] < 1e-12
    assert (size < 0.06 + 1e-12).all()
    assert ((size > 0) & (size < 0.01)).sum() >= 2
    assert np.median(size[size > 0.01]) > 0.04  # uniform in volume: mostly near the edge
    np.testing.assert_allclose(plan.F, plan.F.transpose(0, 2, 1), atol=1e-14)  # stretches without rotation


def test_no_strain_stands_twice_up_to_symmetry(diamond):
    plan = make_plan(diamond, 20, size=0.1)
    x, group = strains(plan), np.asarray(mandel_matrix(PointGroup.from_symbol("m-3m").laue_rotations))
    images = np.einsum("gij,nj->ngi", group, x)
    distance = np.linalg.norm(images[:, :, None] - x[None, None], axis=3).min(axis=1)
    assert (distance + np.eye(len(x))).min() > 1e-4
    assert len(distinct(np.concatenate([x, x @ group[3].T]), group, 1e-6)) == len(x)  # control: images are found


def test_the_same_seed_gives_the_same_plan_and_another_one_does_not(diamond):
    first, again, other = (make_plan(diamond, 8, seed=seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first.F, again.F)
    assert not np.allclose(first.F, other.F)


def test_greedy_choice_beats_random_choices():
    rotations, rng = PointGroup.from_symbol("6/mmm").laue_rotations, np.random.default_rng(0)
    pool = Ball(0.1).draw(200, 0)
    rows = PolynomialBasis(rotations, (2, 3), 0.1)(pool)

    def information(numbers):
        A = rows[numbers].reshape(-1, rows.shape[2])
        return np.linalg.slogdet(1e-2 * np.eye(rows.shape[2]) + A.T @ A)[1]

    chosen = d_optimal(rows, 8)
    assert len(set(chosen.tolist())) == 8
    assert information(chosen) > max(information(rng.choice(200, 8, replace=False)) for _ in range(50))


def test_representative_strains_are_nearer_to_all_others_modulo_the_group_than_random_ones():
    group, points = np.asarray(mandel_matrix(PointGroup.from_symbol("4/mmm").laue_rotations)), Ball(0.1).draw(300, 0)
    given, rng = points[:2], np.random.default_rng(0)

    def spread(numbers):
        return squared_distances(points, np.concatenate([given, points[numbers]]), group).min(axis=1).mean()

    chosen = representative(points, 12, group, given=given, apart=0.02)
    assert len(set(chosen.tolist())) == 12
    assert spread(chosen) < 0.9 * min(spread(rng.choice(300, 12, replace=False)) for _ in range(50))
    assert spread(chosen) < spread(representative(points, 12, group[:1], given=given))  # control: without the group
    between = squared_distances(points[chosen], points[chosen], group) + np.eye(12)
    assert between.min() > 0.02**2
    turned = points[0] @ group[3].T
    assert squared_distances(points[:1], turned[None], group)[0, 0] < 1e-15
    assert len(representative(points[:5], 12, group, apart=0.02)) <= 5  # there are no more


def test_a_plan_reaches_the_edge_of_its_ball_also_in_a_crystal_without_symmetry():
    crystal = Structure(Lattice.from_parameters(4, 5, 6, 80, 95, 100), ["Si", "O", "C"], [[0, 0, 0], [0.3, 0.4, 0.55], [0.11, 0.7, 0.2]])
    plan = make_plan(crystal, 20, size=0.05)
    size = np.linalg.norm(strains(plan), axis=1)
    assert plan.point_group == "1"
    assert size.max() == pytest.approx(0.05, rel=0.01)
    assert np.quantile(size[3:], 0.5) == pytest.approx(0.05 * 0.5 ** (1 / 6), rel=0.01)  # as uniform in the volume


@pytest.mark.parametrize(("make", "order", "most"), [("diamond", 2, 3), ("quartz", 2, 5), ("diamond", 3, 13), ("quartz", 3, 41)])
def test_pairs_determine_the_constants(diamond, make, order, most):
    crystal = diamond if make == "diamond" else quartz("right")
    plan = make_plan(crystal, constants=order)
    expected = forecast(plan, PointGroup.from_structure(crystal))
    assert len(plan) <= most
    assert expected.open(order) == []
    E = strains(plan)[1:]
    assert min(np.linalg.norm(E + strain, axis=1).min() for strain in E) < 1e-12  # each with its opposite
    if order == 2:
        assert expected.open(3)  # control: so few strains leave constants of third order open


def test_planned_pairs_give_the_constants_of_third_order_of_a_known_law(diamond):
    """A law with all orders as the crystal: a series to degree 5 of the planned stresses has its third-order constants."""
    law = Material.load(shipped("copper")).law
    plan, rotations = make_plan(diamond, constants=3), PointGroup.from_symbol("m-3m").laue_rotations
    x = strains(plan)[1:]
    basis = PolynomialBasis(rotations, (2, 3, 4, 5), plan.size)
    stress = law.stress_mandel(torch.from_numpy(x)).numpy()

    def third_order(rows):
        A = basis(x[rows]).reshape(-1, len(basis.degree_of_column))
        found = basis.law(np.linalg.lstsq(A, stress[rows].ravel(), rcond=None)[0], 1.0)
        return np.array([elastic_constants(found, 3)[place] for place in independent_places(rotations, 3)])

    exact = np.array([elastic_constants(law, 3)[place] for place in independent_places(rotations, 3)])
    assert len(plan) <= 25
    np.testing.assert_allclose(third_order(np.arange(len(x))), exact, rtol=0.03, atol=2.0)
    assert np.abs(third_order(np.arange(len(x) // 4)) - exact).max() > 20  # control: one size, one sign


def test_expected_errors_are_those_of_repeated_fits(diamond):
    """Least squares with random stress errors, again and again, scatter as the forecast says."""
    plan, group = make_plan(diamond, 12, size=0.05), PointGroup.from_structure(diamond)
    expected = forecast(plan, group, noise=0.02)
    x, rng = strains(plan), np.random.default_rng(0)
    scale = float(np.sqrt((x**2).sum(1).mean()))
    basis = PolynomialBasis(group.laue_rotations, tuple(range(2, expected.degree + 1)), scale)
    A = basis(x).reshape(-1, len(basis.degree_of_column))
    found = []
    for _ in range(200):
        law = basis.law(np.linalg.lstsq(A, 0.02 * rng.normal(size=len(A)), rcond=None)[0], 1.0)
        found.append(law.derivative_mandel(torch.zeros(6, dtype=torch.float64), 2)[0, 0].item())
    assert np.std(found) == pytest.approx(expected.errors[2]["C11"], rel=0.15)


BOX = Box((0.05, 0.04, 0.03, 0.0, 0.01, 0.02))


@pytest.mark.parametrize(
    ("region", "share"),
    [
        (Ball(0.05), lambda x: np.linalg.norm(x, axis=1) / 0.05),
        (BOX, lambda x: np.abs(np.delete(x / (np.maximum(BOX.limits, 1e-9) * np.sqrt([1, 1, 1, 2, 2, 2])), 3, axis=1)).max(axis=1)),
    ],
    ids=["ball", "box"],
)
def test_strains_drawn_by_size_are_uniform_in_it(region, share):
    even = (np.arange(256) + 0.5) / 256
    assert np.abs(np.sort(share(region.draw_by_size(256, 2))) - even).max() < 0.04
    assert np.abs(np.sort(share(region.draw(256, 2))) - even).max() > 0.4  # control: uniform in the volume


def test_regions_draw_inside_themselves(tmp_path):
    box = Box((0.05, 0.04, 0.03, 0.0, 0.01, 0.02)).draw(64, 0)
    limits = np.array([0.05, 0.04, 0.03, 0.0, 0.01, 0.02]) * np.sqrt([1, 1, 1, 2, 2, 2])
    assert (np.abs(box) <= limits + 1e-12).all()
    assert np.abs(box).max(axis=0)[4] > 0.5 * limits[4]
    F = stretch_of(Ball(0.05).draw(10, 3))
    np.savez(tmp_path / "v.npz", F=F, weights=np.arange(10.0))
    seen = read_visited(tmp_path / "v.npz")
    drawn = seen.draw(100, 0)
    assert seen.size <= 0.05 + 1e-9
    assert all(np.abs(seen.x[1:] - x).sum(axis=1).min() < 1e-12 for x in drawn)  # the first has no weight


def test_visited_strains_are_planned(diamond):
    x = Ball(0.05).draw(200, 1) * np.array([1, 0.2, 0.2, 0.1, 0.1, 0.1])
    plan = make_plan(diamond, 10, region=Visited(x, np.ones(len(x))))
    far = strains(plan)[3:]
    assert max(np.abs(x - strain).sum(axis=1).min() for strain in far) < 1e-9


def test_a_plan_is_saved_whole(diamond, tmp_path):
    plan = make_plan(diamond, 6, seed=4, name="si")
    plan.save(tmp_path / "p.json")
    back = Plan.load(tmp_path / "p.json")
    np.testing.assert_array_equal(back.F, plan.F)
    assert (back.name, back.seed, back.point_group, back.size) == ("si", 4, "m-3m", plan.size)
    (tmp_path / "p.json").write_text('{"kind": "strain plan", "schema_version": 1, "F": []}')
    with pytest.raises(DataError, match="damaged plan"):
        Plan.load(tmp_path / "p.json")
    (tmp_path / "p.json").write_text('{"F": []}')
    with pytest.raises(DataError, match="needed 'strain plan'"):
        Plan.load(tmp_path / "p.json")


def test_a_plan_that_was_edited_by_hand_is_refused_where_it_contradicts_itself(diamond, tmp_path):
    document = make_plan(diamond, 4, size=0.05).to_document()
    far = [document["F"][0], np.diag([1.5, 1, 1]).tolist()]
    for change, said in (({"frac_coords": [[0, 0, 0]]}, "damaged"), ({"F": far}, "strain 1, beyond"), ({"size": -1}, "size -1")):
        (tmp_path / "p.json").write_text(json.dumps({**document, **change}))
        with pytest.raises(DataError, match=f"p.json: .*{said}"):
            Plan.load(tmp_path / "p.json")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"count": 2}, "at least 4"),
        ({"size": 0.0}, "above 0"),
        ({"size": float("nan")}, "above 0"),
        ({"size": 3.0}, "up to 0.4"),
        ({"size": 0.1, "region": Ball(0.1)}, "a size and a region"),
        ({"constants": 4}, "2 or 3"),
        ({"constants": 3, "count": 3}, "do not determine"),
    ],
)
def test_bad_requests_are_refused(diamond, options, message):
    with pytest.raises(DataError, match=message):
        make_plan(diamond, **options)


def test_a_slab_is_refused():
    slab = Structure(Lattice.orthorhombic(4, 4, 30), ["Cu", "Cu"], [[0, 0, 0.5], [0.5, 0.5, 0.56]])
    with pytest.raises(DataError, match="vacuum; needed a bulk crystal"):
        make_plan(slab)
