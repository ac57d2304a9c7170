"""Materials: folders of plain data that cannot run anything, leave the folder or lie about their symmetry."""

import json
import os

import numpy as np
import pytest
import torch
import yaml
from pymatgen.core import Lattice, Structure
from safetensors.numpy import load_file, save_file

from constitutive.errors import DomainError, MaterialError
from constitutive.fitting import Uncertainty
from constitutive.fitting.polynomial_basis import PolynomialBasis
from constitutive.laws import Domain, LinearLaw, NetworkLaw, SeriesLaw, SumLaw
from constitutive.material import Material
from constitutive.symmetry import PointGroup
from constitutive.tensors.packing import mandel_matrix, to_mandel

C2 = {"C11": 165.6, "C12": 63.9, "C44": 79.5}


def silicon():
    return Structure.from_spacegroup("Fd-3m", Lattice.cubic(5.431), ["Si"], [[0, 0, 0]])


def a_material():
    group = PointGroup.from_structure(silicon())
    rng = np.random.default_rng(0)
    network = NetworkLaw(rng.normal(size=(3, 6)), rng.normal(size=3), rng.normal(size=3), 0.05, group.laue_rotations)
    linear = Material.from_constants(group, C2).law
    domain = Domain.of_strains(rng.uniform(-0.05, 0.05, (20, 6)), group.laue_rotations)
    return Material(SumLaw([linear, network]), group, silicon(), "silicon", domain, {"data": {"sha256": "0" * 64}})


@pytest.fixture
def folder(tmp_path):
    a_material().save(tmp_path / "silicon")
    return tmp_path / "silicon"


def strains():
    return torch.from_numpy(np.random.default_rng(1).uniform(-0.03, 0.03, (5, 6)))


def test_round_trip_is_exact(folder):
    first, again = a_material(), Material.load(folder)
    assert torch.equal(again.law.stress_mandel(strains()), first.law.stress_mandel(strains()))
    assert again.point_group == first.point_group
    assert again.structure == first.structure
    assert again.name == "silicon"
    assert again.card["data"]["sha256"] == "0" * 64
    assert np.array_equal(again.domain.metric, first.domain.metric)
    again.save(folder)
    assert torch.equal(Material.load(folder).law.stress_mandel(strains()), first.law.stress_mandel(strains()))
    assert sorted(os.listdir(folder)) == ["card.yaml", "law.safetensors", "structure.json"]


def test_without_structure_and_turned(tmp_path):
    R = PointGroup.from_symbol("32").frame
    turn = np.array([[0.6, -0.8, 0], [0.8, 0.6, 0], [0, 0, 1]]) @ R
    group = PointGroup.from_symbol("32")
    material = Material(SeriesLaw({2: np.arange(21.0), 3: np.ones(56)}, group.laue_rotations), group)
    for k, each in enumerate((material, material.rotated(turn), a_material().rotated(turn))):
        each.save(tmp_path / str(k))
        again = Material.load(tmp_path / str(k))
        assert torch.allclose(again.law.stress_mandel(strains()), each.law.stress_mandel(strains()), rtol=0, atol=1e-11)
        assert (again.structure is None) == (each.structure is None)


def edit(folder, **changes):
    card = yaml.safe_load((folder / "card.yaml").read_text())
    card.update(changes)
    (folder / "card.yaml").write_text(yaml.safe_dump({k: v for k, v in card.items() if v is not None}))


def edit_numbers(folder, **changes):
    """Other numbers, as a folder may hold them that was saved before cards had a checksum."""
    edit(folder, law_sha256=None)
    arrays = load_file(folder / "law.safetensors")
    arrays.update(changes)
    save_file({k: v for k, v in arrays.items() if v is not None}, folder / "law.safetensors")


@pytest.mark.parametrize("name", ["card.yaml", "law.safetensors"])
def test_missing_and_damaged_files(folder, name):
    (folder / name).write_bytes(b"\x00\xff{[")
    with pytest.raises(MaterialError, match=name):
        Material.load(folder)
    (folder / name).unlink()
    with pytest.raises(MaterialError, match="missing"):
        Material.load(folder)
    with pytest.raises(MaterialError, match="no such folder"):
        Material.load(folder / "nowhere")


def test_nothing_in_a_card_runs(folder, tmp_path):
    trace = tmp_path / "ran"
    (folder / "card.yaml").write_text(f"schema_version: !!python/object/apply:os.system ['touch {trace}']\n")
    with pytest.raises(MaterialError, match="tags and objects are refused"):
        Material.load(folder)
    assert not trace.exists()
    (folder / "card.yaml").write_text("a: &a [1, 2]\nb: [*a, *a]\nschema_version: 1\n")
    with pytest.raises(MaterialError, match="aliases"):
        Material.load(folder)
    (folder / "card.yaml").write_text("- a list\n")
    with pytest.raises(MaterialError, match="mapping"):
        Material.load(folder)


def test_pickle_is_no_law(folder):
    torch.save({"law": torch.zeros(3)}, folder / "law.safetensors")
    with pytest.raises(MaterialError, match="no safetensors file"):
        Material.load(folder)


def test_no_path_leaves_the_folder(folder, tmp_path):
    elsewhere = tmp_path / "law.safetensors"
    (folder / "law.safetensors").rename(elsewhere)
    (folder / "law.safetensors").symlink_to(elsewhere)
    with pytest.raises(MaterialError, match="leads out of the folder"):
        Material.load(folder)


def test_schema_and_contents_of_the_card(folder):
    for changes, message in (
        ({"schema_version": 99}, "schema_version 99"),
        ({"point_group": "m-3n"}, "m-3n"),
        ({"point_group": None}, "lacks 'point_group'"),
        ({"law": "network"}, "mapping"),
        ({"law": {"kind": "eval"}}, "kind 'eval'"),
        ({"law": {"kind": "sum"}}, "incomplete"),
        ({"domain_radius": -1.0}, "positive radius"),
        ({"domain_radius": "wide"}, "damaged"),
    ):
        a_material().save(folder)
        edit(folder, **changes)
        with pytest.raises(MaterialError, match=message):
            Material.load(folder)


def test_numbers_must_be_finite_and_shaped(folder):
    bad = np.zeros((3, 6))
    bad[0, 0] = np.nan
    for changes, message in (
        ({"law.term1.directions": bad}, "NaN"),
        ({"law.term1.directions": np.zeros((2, 6))}, "misshapen"),
        ({"law.term1.biases": np.zeros(3, dtype=np.float32)}, "float64 needed"),
        ({"law.term1.biases": None}, "incomplete"),
        ({"frame": np.eye(2)}, "frame"),
        ({"frame": 2 * np.eye(3)}, "rotation"),
    ):
        a_material().save(folder)
        edit_numbers(folder, **changes)
        with pytest.raises(MaterialError, match=message):
            Material.load(folder)


def flipped(folder):
    """The law with the leading bit of the mantissa of each coefficient flipped: whole, symmetric, and wrong."""
    arrays = load_file(folder / "law.safetensors")
    key = next(name for name in arrays if name.endswith("order_2"))
    bits = arrays[key].view(np.uint64).copy()
    bits[np.abs(arrays[key]) > 1e-6] ^= np.uint64(1 << 51)
    save_file({**arrays, key: bits.view(np.float64)}, folder / "law.safetensors")


def test_changed_numbers_are_refused(folder):
    flipped(folder)
    with pytest.raises(MaterialError, match=r"SHA-256 is .* changed or damaged"):
        Material.load(folder)
    edit(folder, law_sha256=None)
    assert Material.load(folder).stiffness_voigt()[0, 0] != pytest.approx(a_material().stiffness_voigt()[0, 0])  # control: else silent


def test_a_folder_without_checksum_still_loads(folder):
    edit(folder, law_sha256=None)
    assert torch.equal(Material.load(folder).law.stress_mandel(strains()), a_material().law.stress_mandel(strains()))
    Material.load(folder).save(folder)
    assert len(yaml.safe_load((folder / "card.yaml").read_text())["law_sha256"]) == 64


def test_the_law_must_have_the_symmetry_of_the_group(folder):
    arrays = load_file(folder / "law.safetensors")
    key = next(name for name in arrays if name.endswith("order_2"))
    spoiled = arrays[key].copy()
    spoiled[0] *= 1.01  # C11 but not C22 and C33
    edit_numbers(folder, **{key: spoiled})
    with pytest.raises(MaterialError, match="break the symmetry"):
        Material.load(folder)
    group = PointGroup.from_symbol("m-3m")
    with pytest.raises(MaterialError, match="breaks the symmetry m-3m"):
        Material(LinearLaw(np.diag([1.0, 2, 3, 4, 5, 6]), np.eye(3)[None]), group)


def test_structure_and_group_must_agree(folder):
    other = Structure.from_spacegroup("P6_3/mmc", Lattice.hexagonal(3.2, 5.2), ["Mg"], [[1 / 3, 2 / 3, 0.25]])
    document = {
        "lattice": other.lattice.matrix.tolist(),
        "species": ["Mg", "Mg"],
        "frac_coords": other.frac_coords.tolist(),
    }
    (folder / "structure.json").write_text(json.dumps(document))
    with pytest.raises(MaterialError, match="different crystals"):
        Material.load(folder)
    (folder / "structure.json").write_text('{"@module": "os", "@class": "system", "lattice": "x"}')
    with pytest.raises(MaterialError, match="needs lattice"):
        Material.load(folder)


def test_residual_stress_of_the_card_is_that_of_the_law(folder):
    edit(folder, residual_stress={"rule": "keep", "stress_GPa": np.eye(3).tolist()})
    with pytest.raises(MaterialError, match="residual stress that the card states"):
        Material.load(folder)


def test_domain_policies():
    material = a_material()
    far = torch.full((1, 6), 0.2, dtype=torch.float64)
    with pytest.raises(DomainError):
        material.bounded("raise").stress_mandel(far)
    with pytest.raises(MaterialError, match="no domain"):
        Material.from_constants("m-3m", C2).bounded()


def an_uncertainty(group):
    """Of a law with two channels and the invariants of degree 2 and 3."""
    rng = np.random.default_rng(5)
    features = PolynomialBasis(group.laue_rotations, (2, 3), 0.05)
    factor = rng.normal(size=(2 + len(features.degree_of_column), 3))
    return Uncertainty(rng.normal(size=(2, 6)), rng.normal(size=2), features, factor, np.linspace(0.7, 3, 6))


@pytest.mark.parametrize("symbol", ["m-3m", "32", "2/m"])
def test_uncertainty_turns_with_the_crystal(symbol, tmp_path):
    """The covariance of S is a tensor: turned along, it is that of the turned crystal, and stays so on disk."""
    group = PointGroup.from_symbol(symbol)
    law = SeriesLaw({2: np.ones(21)}, group.laue_rotations)
    material = Material(law, group, uncertainty=an_uncertainty(group))
    turn = np.array([[0.48, -0.8, 0.36], [0.64, 0.6, 0.48], [-0.6, 0, 0.8]])
    lab, D = material.rotated(turn), np.asarray(mandel_matrix(turn))
    x = np.random.default_rng(3).normal(size=(5, 6)) * 0.02

    def covariance(uncertainty, x):
        spread = uncertainty.columns(x) @ uncertainty.factor
        return spread @ spread.transpose(0, 2, 1)

    expected = D @ covariance(material.uncertainty, x) @ D.T
    assert np.abs(covariance(lab.uncertainty, x @ D.T) - expected).max() <= 1e-11 * np.abs(expected).max()
    assert np.abs(covariance(material.uncertainty, x @ D.T) - expected).max() > 0.01 * np.abs(expected).max()  # control: not turned
    lab.save(tmp_path)
    again = Material.load(tmp_path)
    assert np.allclose(covariance(again.uncertainty, x @ D.T), expected, rtol=0, atol=1e-10 * np.abs(expected).max())
    assert material.rotated(turn).rotated(turn.T).uncertainty.deviation_mandel(x) == pytest.approx(
        material.uncertainty.deviation_mandel(x), rel=1e-10
    )


def test_rotated_material_is_covariant():
    material = a_material()
    turn = np.array([[0.6, -0.8, 0], [0.8, 0.6, 0], [0, 0, 1]])
    lab = material.rotated(turn)
    E = np.random.default_rng(3).normal(size=(3, 3)) * 0.01
    E = E + E.T
    S = material.law.stress(torch.from_numpy(E)).numpy()
    turned = lab.law.stress(torch.from_numpy(turn @ E @ turn.T)).numpy()
    assert np.abs(turned - turn @ S @ turn.T).max() <= 1e-12 * np.abs(S).max()
    assert PointGroup.from_structure(lab.structure) == lab.point_group
    x = torch.from_numpy(np.ascontiguousarray(to_mandel(np.array([E]))))
    y = torch.from_numpy(np.ascontiguousarray(to_mandel(turn @ np.array([E]) @ turn.T)))
    assert torch.allclose(lab.domain.distance(y), material.domain.distance(x))
