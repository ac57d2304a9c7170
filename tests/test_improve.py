"""The next strains by a law's posterior, and laws built from a crystal to a target."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from ase.build import bulk
from ase.io import write
from calibration_cases import curved_law, samples_of, strains
from command_line import run

from constitutive import Material, calibrate, shipped
from constitutive.data import StressStrainData
from constitutive.data.plan import Plan
from constitutive.errors import DataError, MaterialError
from constitutive.laws import Domain
from constitutive.planning import Ball, Visited, expected_error, next_strains
from constitutive.planning.next_strains import _greedy
from constitutive.simulate import BuildSettings, build, improve, plan_next, read_calculator
from constitutive.simulate.building import error_of, primitive_of
from constitutive.simulate.improving import tolerance_of
from constitutive.symmetry import PointGroup
from constitutive.symmetry.structures import read_structure
from constitutive.tensors.packing import mandel_matrix, to_mandel

EMT = read_calculator("emt")


@pytest.fixture(scope="module")
def law():
    data = samples_of(curved_law(), 20)
    return calibrate(data, effort="quick"), np.asarray(to_mandel(data.green_lagrange_strain))


def test_the_expected_drop_is_that_of_the_posterior_with_the_new_samples():
    rng = np.random.default_rng(0)
    R, M = rng.normal(size=(40, 6, 9)), np.eye(9) / 6
    chosen, before, after = _greedy(R, M, 3)
    rows = R[chosen].reshape(-1, 9)
    assert before == pytest.approx(9 / 6)
    assert after == pytest.approx(np.trace(np.linalg.inv(np.eye(9) + rows.T @ rows)) / 6)
    first = [np.trace(np.linalg.inv(np.eye(9) + r.T @ r)) for r in R]
    assert chosen[0] == int(np.argmin(first))  # by trying all


def test_the_next_strains_are_in_the_region_new_and_different_up_to_symmetry(law):
    material, computed = law
    found = next_strains(material, computed, 6)
    size = np.linalg.norm(computed, axis=1).max()
    assert np.linalg.norm(found.x, axis=1).max() <= size * (1 + 1e-9)
    assert found.after < found.before
    group = np.asarray(mandel_matrix(PointGroup.from_symbol("m-3m").laue_rotations))
    others = np.concatenate([computed, found.x])
    for k, x in enumerate(found.x, start=len(computed)):
        distance = np.linalg.norm(np.einsum("gij,j->gi", group, x)[:, None] - np.delete(others, k, 0)[None], axis=2).min()
        assert distance > 0.019 * size
    random = next_strains(material, computed, 6, seed=3)
    assert not np.allclose(random.x, found.x)


def test_a_larger_region_is_where_the_new_strains_lie(law):
    material, computed = law
    far = next_strains(material, computed, 5, region=Ball(0.09))
    assert np.linalg.norm(far.x, axis=1).min() > np.linalg.norm(computed, axis=1).max() * 0.9
    visited = Visited(strains(30, size=0.02, seed=5), np.ones(30))
    near = next_strains(material, computed, 4, region=visited)
    assert np.linalg.norm(near.x, axis=1).max() <= 0.02
    with pytest.raises(MaterialError, match="needed 40"):
        next_strains(material, computed, 40, region=visited)


def test_strains_of_little_volume_are_taken_where_most_of_the_body_is_strained_alike(law):
    material, computed = law
    x = np.concatenate([np.tile(strains(1, size=0.02, seed=5), (300, 1)), strains(30, size=0.09, seed=6)])
    found = next_strains(material, computed, 12, region=Visited(x, np.r_[np.ones(300), np.full(30, 1e-9)]))
    assert len(found.x) == 12


def test_the_domain_of_the_next_samples_holds_what_a_solve_visited(law):
    material, computed = law
    rotations = PointGroup.from_symbol("m-3m").laue_rotations
    visited = Visited(strains(200, size=0.09, seed=6), np.ones(200))
    batch = next_strains(material, computed, 8, region=visited)
    before = Domain.of_strains(computed, rotations).contains(visited.x)
    assert before.mean() < 0.9  # control
    assert Domain.of_strains(np.concatenate([computed, batch.x]), rotations).contains(visited.x).all()
    assert batch.after < batch.before


def test_the_expected_error_is_near_the_true_one(law):
    """Where samples are rare, errors at samples left out are larger than over the region: the posterior's are not."""
    truth, ratios = curved_law(), []
    for seed in range(3):
        data = samples_of(truth, 20, seed=seed)
        material = calibrate(data, seed=seed)
        x = Ball(0.06).draw(256, 5)
        exact, found = (one.stress_mandel(torch.from_numpy(x)).numpy() for one in (truth, material.law))
        ratios.append(expected_error(material, Ball(0.06)) / (np.linalg.norm(found - exact) / np.linalg.norm(exact)))
    assert 0.5 < np.median(ratios) < 2
    far, near = (expected_error(law[0], Ball(size)) for size in (0.09, 0.05))
    assert far > 1.2 * near


def test_a_material_without_a_posterior_is_refused(law):
    plain = Material.from_constants("m-3m", {"C11": 165.6, "C12": 63.9, "C44": 79.5})
    with pytest.raises(MaterialError, match="without a posterior"):
        next_strains(plain, law[1], 3)
    with pytest.raises(MaterialError, match="without a posterior"):
        expected_error(plain, Ball(0.05))


def test_data_without_a_structure_cannot_be_strained(law):
    with pytest.raises(DataError, match="without a structure"):
        plan_next(law[0], samples_of(curved_law(), 20), 3)


def test_data_of_other_conditions_or_of_another_crystal_are_refused(law):
    material, data = law[0], samples_of(curved_law(), 8)
    cell = {"lattice": np.eye(3) * 4.0, "species": ["Cu"], "frac_coords": np.zeros((1, 3))}
    data = data.replace(**cell)
    assert len(plan_next(material, data, 2)[0]) == 2
    with pytest.raises(DataError, match="data at a temperature"):
        plan_next(material, data.replace(temperature=300.0), 2)
    with pytest.raises(DataError, match="clamped ions, and relaxed ones"):
        improve(material, data.replace(ions="clamped"), 2, EMT, "unused")
    other = Material.load(shipped("copper"))
    with pytest.raises(DataError, match="another reference cell"):
        plan_next(other, data, 2)


def test_how_near_a_calculator_must_come_follows_from_the_error_of_the_law(law):
    for error, tolerance in ((1e-5, 0.002), (0.01, 0.01), (0.2, 0.02)):
        card = {**law[0].card, "calibration": {"held_out_error": error}}
        assert tolerance_of(replace(law[0], card=card)) == tolerance


def test_the_primitive_cell_stays_in_the_frame():
    cube = read_structure(bulk("Cu", cubic=True))
    small = primitive_of(cube)
    assert len(small) == 1
    lattice = small.lattice.matrix @ np.linalg.inv(cube.lattice.matrix)
    np.testing.assert_allclose(2 * lattice, np.round(2 * lattice), atol=1e-9)  # vectors of the cubic lattice, not turned
    assert len(primitive_of(small)) == 1


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    folder = tmp_path_factory.mktemp("build")
    lines = []
    settings = BuildSettings(target=0.01, first=10, budget=40, size=0.05, effort="quick")
    found = build(bulk("Cu", cubic=True, a=3.6), EMT, folder / "copper", settings, say=lines.append)
    return found, folder / "copper", lines, settings


def test_a_law_is_built_until_the_target_is_met(built):
    found, folder, lines, settings = built
    assert found.met
    assert found.steps[-1][1] == error_of(found.material, 0.05) <= settings.target
    assert [samples for samples, _ in found.steps] == sorted(samples for samples, _ in found.steps)
    assert found.steps[-1][0] <= settings.budget
    assert "relaxed: 1 atoms, m-3m" in lines[0]
    assert "target met" in lines[-1]
    assert len(StressStrainData.load(folder / "data.json")) == len(found.data)
    C = Material.load(folder).stiffness_voigt()
    assert C[0, 0] == pytest.approx(172.6, rel=0.03)  # by differences of EMT's stress


def test_a_posterior_that_is_too_sure_does_not_end_a_build(built):
    material, small = built[0].material, built[0].material.uncertainty
    left_out = material.card["calibration"]["held_out_error"]
    sure = replace(material, uncertainty=replace(small, factor=1e-3 * small.factor))
    assert expected_error(sure, Ball(0.05)) < 0.01 * left_out  # control
    assert error_of(sure, 0.05) == 0.5 * left_out


def test_a_build_goes_on_where_it_stopped_and_meets_a_harder_target(built, monkeypatch):
    found, folder, _, settings = built
    again = build(bulk("Cu", cubic=True, a=3.6), EMT, folder, settings)
    assert again.steps == found.steps
    np.testing.assert_array_equal(again.data.F, found.data.F)
    laws = sorted(path.name for path in (folder / "build" / "batch_00").glob("law_*"))
    assert len(laws) == 1  # the law that was kept was taken
    with pytest.raises(DataError, match="another size"):
        build(bulk("Cu", cubic=True, a=3.6), EMT, folder, BuildSettings(target=0.01, first=10, budget=40, size=0.06))


def test_a_build_replaces_no_material_of_another(built, tmp_path):
    law, settings = built[0].material, built[3]
    law.save(tmp_path / "mine")
    with pytest.raises(DataError, match="a material that this build did not make"):
        build(bulk("Cu", cubic=True, a=3.6), EMT, tmp_path / "mine", settings)
    assert not (tmp_path / "mine" / "build").exists()


@pytest.mark.parametrize("options", [{"target": 0.0}, {"target": float("nan")}, {"first": 3}, {"first": 30, "budget": 20}])
def test_settings_of_a_build_that_cannot_be_meant_are_refused(options):
    with pytest.raises(DataError, match="needed"):
        BuildSettings(**options)


# -- commands ------------------------------------------------------------------------------------------------------------------


FAILS_WHEN_STRETCHED = """
from ase.calculators.emt import EMT

class Fails(EMT):
    def calculate(self, atoms=None, properties=("energy",), system_changes=()):
        if atoms.get_volume() > 11.96:  # Å³, 3 % above that at rest
            raise RuntimeError("the SCF did not converge")
        super().calculate(atoms, list(properties), list(system_changes))

def make():
    return Fails()
"""


def test_build_and_improve_on_the_command_line(tmp_path):
    write(tmp_path / "Cu.cif", bulk("Cu", cubic=True, a=3.6))
    words = (
        "build",
        "Cu.cif",
        "--calculator",
        "emt",
        "--target",
        "50%",
        "--first",
        8,
        "--size",
        0.04,
        "--effort",
        "quick",
        "-o",
        "copper",
        "--json",
    )
    made = run(*words, cwd=tmp_path)
    assert made.returncode == 0, made.stderr
    payload = json.loads(made.stdout)
    assert (payload["point_group"], payload["samples"], payload["target_met"]) == ("m-3m", 8, True)
    better = run("improve", "copper", "-n", 3, "--calculator", "emt", "--effort", "quick", "-o", "better", "--json", cwd=tmp_path)
    assert better.returncode == 0, better.stderr
    found = json.loads(better.stdout)
    assert (found["samples"], found["failed"]) == (11, {})
    assert found["deviation_expected_GPa"] < found["deviation_before_GPa"]
    again = run("improve", "better", "-n", 3, "--calculator", "emt", "--effort", "quick", "--json", cwd=tmp_path)  # in its own folder
    assert again.returncode == 0, again.stderr
    assert len(StressStrainData.load(tmp_path / "better" / "data.json")) == json.loads(again.stdout)["samples"] == 14
    np.savez(tmp_path / "visited.npz", F=np.eye(3) + 0.01 * np.random.default_rng(0).normal(size=(40, 3, 3)))
    planned = run("improve", "copper", "runs2", "-n", 4, "--to", "vasp", "--plan", "next.json", "--visited", "visited.npz", cwd=tmp_path)
    assert planned.returncode == 0, planned.stderr
    assert len(Plan.load(tmp_path / "next.json")) == 4
    assert (tmp_path / "runs2" / "strain_003" / "POSCAR").exists()
    other = run("improve", "copper", "-n", 3, "--calculator", "lammps", "--set", "pair_style=eam/alloy", "--set",
                "pair_coeff=* * Cu_mishin1.eam.alloy Cu", "-o", "wrong", cwd=tmp_path)  # fmt: skip
    assert other.returncode == 2
    assert "needed the calculator that made them" in " ".join(other.stderr.split())
    assert not (tmp_path / "wrong" / "card.yaml").exists()
    (tmp_path / "fails.py").write_text(FAILS_WHEN_STRETCHED)
    part = run("improve", "copper", "-n", 6, "--calculator", "fails:make", "--effort", "quick", "-o", "part", cwd=tmp_path)
    assert part.returncode == 1, part.stderr
    assert "left out: strain" in part.stdout
    assert 8 < len(StressStrainData.load(tmp_path / "part" / "data.json")) < 14


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["improve", "silicon"], "nothing would be written"),
        (["improve", "silicon", "--to", "vasp"], "needed both"),
        (["improve", "silicon", "--calculator", "emt"], "needed --out DIR for the improved one"),
        (["improve", "silicon", "--plan", "x.json", "-o", "y"], "needed both: --out"),
        (["improve", "silicon", "--calculator", "emt", "--plan", "x.json", "-o", "y"], "either computed or written"),
        (["improve", "silicon", "--plan", "x.json", "--visited", "v.npz", "--size", "0.1"], "needed one of them"),
        (["build", "x.cif", "--calculator", "emt", "--target", "nan%", "-o", "y"], "between 0 and 100"),
        (["build", "x.cif", "--calculator", "emt", "--target", "much", "-o", "y"], "needed per cent"),
        (["build", "x.cif", "--calculator", "emt", "--target", "0.01", "-o", "y"], "with the sign"),
        (["build", "x.cif", "--calculator", "emt", "--first", "30", "--budget", "20", "-o", "y"], "no more than the budget"),
        (["simulate", "plan.json", "--calculator", "emt", "--set", "x", "-o", "d.json"], "KEY=VALUE"),
        (["simulate", "plan.json", "--calculator", "emt", "-o", "d.txt"], "ends in .json"),
    ],
)
def test_what_cannot_be_meant_is_refused(words, said, tmp_path):
    (tmp_path / "silicon").symlink_to(shipped("silicon"))
    result = run(*words, cwd=tmp_path)
    assert result.returncode == 2
    assert said in " ".join(result.stderr.split())
