"""Materials that come with the toolkit: found by name, listed with what their cards state, and the figures are true."""

import json
import re
import shutil

import numpy as np
import pytest
from browser import Page
from command_line import run

from constitutive import ConstitutiveError, Material, StressStrainData, shipped
from constitutive.audit import audit
from constitutive.audit.library import library_figures
from constitutive.calibration.provenance import data_of_card
from constitutive.data.plan import Plan
from constitutive.errors import MaterialError
from constitutive.library import LibraryEntry, library, material_folder, shipped_names
from constitutive.report import facts
from constitutive.simulate import read_calculator
from constitutive.symmetry import PointGroup
from constitutive.symmetry.tables import SYMBOLS, SYSTEMS

DIFFERENCE = r"\b(C\d+) ([+−]\d+|0)\b(?! \()"  # "C11 −7": 7 % below the published constant
NUMBERS = ("unseen_error", "unconstrained_error", "linear_error")


def test_a_shipped_material_is_found_by_its_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert Material.load("copper").point_group.symbol == "m-3m"
    assert material_folder("copper") == shipped("copper")
    assert run("constants", "copper", cwd=tmp_path).returncode == 0


def test_a_folder_on_disk_comes_before_a_shipped_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(shipped("quartz"), tmp_path / "copper")
    assert Material.load("copper").point_group.symbol == "32"
    with pytest.raises(MaterialError, match=r"quartz: no such folder; .*, or one of those shipped: .*al2cu, al6fe, .*batio3"):
        Material.load("./quartz")  # a path, and no name


def test_an_unknown_name_is_answered_by_those_that_there_are():
    with pytest.raises(ConstitutiveError, match=r"'unobtainium' is shipped; there are: .*al2cu, al6fe, .*batio3, .*coesite, copper"):
        shipped("unobtainium")


def test_all_laue_classes_and_crystal_systems_ship():
    entries = library()
    assert len(entries) >= 16
    assert {entry.laue_class for entry in entries} == {PointGroup.from_symbol(symbol).laue_class for symbol in SYMBOLS}
    assert len({entry.crystal_system for entry in entries}) == len(SYSTEMS)


@pytest.mark.parametrize("entry", library(), ids=lambda entry: entry.name)
def test_each_card_agrees_with_its_files(entry: LibraryEntry):
    data = StressStrainData.load(shipped(entry.name) / "data.json")
    group = PointGroup.from_structure(data.structure)
    assert (group.symbol, group.laue_class, group.crystal_system) == (entry.point_group, entry.laue_class, entry.crystal_system)
    assert entry.samples == len(data)
    assert entry.source.startswith(data.model_extra["code"])
    assert entry.unseen_error < entry.unconstrained_error
    assert entry.unseen_error < entry.linear_error
    assert entry.about.endswith(".")
    material = Material.load(entry.name)
    assert material.name == entry.name
    assert material.card["data"] == data_of_card(data)  # code, potential, settings, frame and ions among them


@pytest.mark.parametrize("name", [name for name in shipped_names() if (shipped(name) / "plan.json").exists()])
def test_plan_and_calculator_that_ship_are_those_of_the_data(name):
    folder, spec = shipped(name), read_calculator(str(shipped(name) / "calc.yaml"))
    for plan, data in (("plan.json", "data.json"), ("plan_unseen.json", "unseen.json")):
        strains, found = Plan.load(folder / plan), StressStrainData.load(folder / data)
        np.testing.assert_allclose(found.F, strains.F[found.plan_numbers], atol=1e-12)
        assert len(found) > 0.95 * len(strains)
        used = json.dumps(found.settings["calculator"], sort_keys=True).replace("/usr/share/lammps/potentials/", "")  # found by name
        assert used == json.dumps({"name": spec.name, **spec.options}, sort_keys=True)


@pytest.mark.parametrize("entry", [entry for entry in library() if re.search(DIFFERENCE, entry.about)], ids=lambda entry: entry.name)
def test_the_distance_to_the_real_crystal_is_that_of_the_law(entry: LibraryEntry):
    """Percentages in the sentence of a card, beside the published constants of its report."""
    stated = dict(re.findall(DIFFERENCE, entry.about))
    material = Material.load(entry.name)
    tables = [facts.constants(material, order) for order in (2, 3)]
    found = {name: value for table in tables for name, value in zip(table.names, table.values, strict=True)}
    published = {name: value for table in facts.published(material).values() for name, value in table.values.items()}
    ratios = {name: 100 * (found[name] / published[name] - 1) for name in stated}
    assert {name: int(text.replace("−", "-")) for name, text in stated.items()} == pytest.approx(ratios, abs=1)


def test_the_errors_on_a_card_can_be_measured_again():
    (entry,) = [entry for entry in library() if entry.name == "copper"]
    folder = shipped("copper")
    data, unseen = (StressStrainData.load(folder / name) for name in ("data.json", "unseen.json"))
    found = library_figures(Material.load(folder), data, unseen, about=entry.about)
    assert [found[name] for name in NUMBERS] == pytest.approx([getattr(entry, name) for name in NUMBERS], rel=1e-2)
    assert {key: found[key] for key in ("formula", "samples", "source", "about", "crystal_system")} == {
        key: getattr(entry, key) for key in ("formula", "samples", "source", "about", "crystal_system")
    }
    assert np.isclose(found["strain_size"], entry.strain_size)
    assert library_figures(Material.load(folder), data, None)["unseen_error"] is None


def test_cards_hold_the_audits():
    stated = {name: Material.load(name).card.get("audit") for name in shipped_names()}
    found = {name: entry for name, entry in stated.items() if entry is not None}
    assert len(found) >= 26
    for name, entry in found.items():
        broken = {check for check, standing in entry["standing"].items() if standing == "broken"}
        assert entry["passed"] == (not broken), name
        for check in ("objectivity", "symmetry", "reference_stress", "tangent", "conservation", "save_load"):
            assert entry["standing"][check] == "kept", (name, check)
    folder = shipped("copper")
    data, unseen = (StressStrainData.load(folder / file) for file in ("data.json", "unseen.json"))
    again = audit(Material.load(folder), data, unseen=unseen).as_dict()
    assert again["standing"] == found["copper"]["standing"]
    for check in ("stability", "data_symmetry", "held_out", "coverage"):
        assert again[check] == pytest.approx(found["copper"]["figures"][check], rel=1e-2)


def test_the_command_lists_them():
    listed = json.loads(run("materials", "--json").stdout)
    assert [row["name"] for row in listed] == shipped_names()
    keys = ["name", "point_group", "laue_class", "crystal_system", "samples", "unseen_error", "unconstrained_error", "linear_error"]
    assert all(list(row) == [*keys, "strain_size", "source"] for row in listed)
    lines = run("materials").stdout.splitlines()
    assert all(any(line.startswith(name) for line in lines) for name in shipped_names())
    assert max(map(len, lines)) <= 80


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["show"], "a name is needed, such as: constitutive materials show quartz"),
        (["show", "unobtainium"], "no material named 'unobtainium'"),
        (["list", "quartz"], "did you mean 'constitutive materials show quartz'"),
    ],
)
def test_wrong_words_of_the_command_get_advice(words, message, tmp_path):
    done = run("materials", *words, cwd=tmp_path)
    assert done.returncode == 2
    assert message in " ".join(done.stderr.split())
    assert not list(tmp_path.iterdir())


def test_the_report_of_one_opens_in_a_browser(tmp_path):
    done = run("materials", "show", "quartz", "--json", "--no-browser", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    with Page(900, 600) as browser:
        browser.open(tmp_path / json.loads(done.stdout)["report"])
        browser.wait_for("report.drawn.length > 0", 120)
        assert browser.value("report.failed") == []
        assert "quartz" in browser.value("document.querySelector('h1').textContent")
        assert "Thurston, McSkimin & Andreatch 1966" in browser.value("document.body.textContent")  # measured beside the law's
        assert [text for text in browser.complaints() if not text.startswith("Canvas2D")] == []  # a hint about speed
