"""The report: complete, escaped, drawn without a complaint by a real browser from disk, and its 3D views turn."""

import base64
import fcntl
import hashlib
import html
import html.parser
import json
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import numpy as np
import plotly.graph_objects as go
import pytest
import torch
from browser import Page
from kept_fits import shared_folder

from constitutive.data import StressStrainData
from constitutive.elasticity import independent_places
from constitutive.elasticity.constants import name_of
from constitutive.fitting import Uncertainty
from constitutive.fitting.polynomial_basis import PolynomialBasis
from constitutive.fitting.uncertainty import LEVELS
from constitutive.material import Material
from constitutive.plots import Curve
from constitutive.report import gather, page
from constitutive.report.facts import constant_errors, constants, published, published_of, states
from constitutive.report.learning import sizes_of
from constitutive.report.markup import PACKED, nested, packed, render, short, table, tag, unpacked
from constitutive.report.sections import LAW, SECTIONS
from constitutive.symmetry import PointGroup
from constitutive.tensors.packing import from_mandel, to_mandel

HOSTILE = '</script><img src=x onerror="window.bitten=1"><b>&amp;\'"`${1}'
SURFACES = ("surface-youngs-modulus", "surface-shear-modulus", "surface-poisson-ratio")
COMPRESSIBILITY = ("surface-linear-compressibility-strained", "pole-figure-compressibility-strained")
STRAINED = (*(f"{name}-strained" for name in (*SURFACES, "pole-figure")), *COMPRESSIBILITY)
SOLIDS = ("crystal-cell", *SURFACES, *(name for name in STRAINED if name.startswith("surface")))


@pytest.fixture(scope="session")
def built(silicon_data: Path, tmp_path_factory: pytest.TempPathFactory, kept_calibrate: Callable) -> Path:
    """A folder with a material and its page, made once in a run: workers that share the run wait for the first."""
    folder = shared_folder(tmp_path_factory) / "shared-report"
    folder.mkdir(exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "report.html").exists():
            build(kept_calibrate, StressStrainData.load(silicon_data), folder)
    return folder


def build(kept_calibrate: Callable, data: StressStrainData, folder: Path) -> None:
    """A calibrated material and its page, with words in card, name and data that try to leave their place."""
    good = kept_calibrate(data, train=30)
    card = {**good.card, "provenance": {HOSTILE: [HOSTILE, 1.5, None]}}
    card["calibration"] = {**card["calibration"], "reason": HOSTILE, "notes": [HOSTILE]}
    material = Material(good.law, good.point_group, good.structure, HOSTILE, good.domain, card)
    material.save(folder / "material")
    hostile = data.model_copy(update={"paths": [{**row, "path": HOSTILE + row["path"]} for row in data.paths]})
    known = gather(material, hostile, learning_curve=False)
    n = np.array([8.0, 16.0])
    known.curves[LAW] = Curve(n, 0.1 / n, 0.05 / n, 0.2 / n)
    draft = folder / "draft.html"
    draft.write_text(page(known), encoding="utf-8")
    draft.replace(folder / "report.html")


@pytest.fixture(scope="module")
def written(built: Path) -> Path:
    return built / "report.html"


@pytest.fixture(scope="module")
def material(built: Path) -> Material:
    return Material.load(built / "material")


class Reader(html.parser.HTMLParser):
    """Elements, attributes and identities of a page."""

    def __init__(self):
        super().__init__()
        self.tags: list[tuple[str, dict]] = []
        self.open: list[str] = []

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in ("meta", "br", "img", "hr"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_the_page_is_well_formed_and_complete(written):
    text = written.read_text(encoding="utf-8")
    reader = Reader()
    reader.feed(text)
    assert not reader.open
    identities = [a["id"] for _, a in reader.tags if "id" in a]
    assert len(identities) == len(set(identities))
    links = [a["href"] for name, a in reader.tags if name == "a"]
    assert links
    assert {link[1:] for link in links} <= set(identities)
    figures = [a["id"] for name, a in reader.tags if name == "figure"]
    assert set(SOLIDS) < set(figures)
    assert {"learning-curve", "parity", "error-by-strain", "stress-paths", "elastic-constants", "pole-figure", "domain-reach"} < set(
        figures
    )
    assert {"sections-youngs-modulus", "stability-shear-xy"} < set(figures)
    assert {"pole-figure", *STRAINED} < set(figures)
    assert len([a for name, a in reader.tags if name == "section"]) == len(SECTIONS) - 1  # no piezoelectricity


def test_nothing_of_the_material_becomes_markup(written):
    reader = Reader()
    reader.feed(written.read_text(encoding="utf-8"))
    assert all("onerror" not in attributes for _, attributes in reader.tags)
    assert all(attributes.get("src") is None for _, attributes in reader.tags)
    kinds = [a.get("type") for name, a in reader.tags if name == "script"]
    assert kinds.count(None) == 1  # the page's own
    assert set(kinds) == {None, PACKED}


def test_the_page_may_run_only_its_own_scripts_and_request_nothing(written):
    text = written.read_text(encoding="utf-8")
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', text)[1].replace("&#x27;", "'")
    assert policy.startswith("default-src 'none'")
    plotly = unpacked(re.search(rf'<script type="{PACKED}" id="plotly">(.*?)</script>', text, re.DOTALL)[1])
    for script in (plotly, *re.findall(r"<script>(.*?)</script>", text, re.DOTALL)):
        digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in policy
    assert "unsafe-inline" not in policy.split("style-src")[0]


def figure_of(page: Path, identity: str) -> dict:
    text = page.read_text(encoding="utf-8")
    return json.loads(unpacked(re.search(rf'<figure id="{identity}".*?<script type="{PACKED}">(.*?)</script>', text, re.DOTALL)[1]))


def test_the_page_is_small(written):
    """Mail and repositories take it: Plotly once and compressed, long arrays with five digits."""
    assert written.stat().st_size < 3_000_000


def test_surfaces_at_finite_strain_are_those_of_the_strained_crystal(written, material):
    (_, rest), (_, strained), *_ = states(material).items()
    shown = {}
    for identity, moduli in (("surface-youngs-modulus", rest), ("surface-youngs-modulus-strained", strained)):
        surface = figure_of(written, identity)["data"][0]
        E, points = np.array(surface["surfacecolor"]), np.stack([np.array(surface[name]) for name in "xyz"], axis=-1)
        np.testing.assert_allclose(E.ravel(), moduli.youngs_modulus((points / E[..., None]).reshape(-1, 3)), rtol=1e-3)
        shown[identity] = (E, surface["cmin"], surface["cmax"])
    (at_rest, *scale), (stretched, *same) = shown.values()
    assert scale == same  # one scale for both
    assert np.abs(at_rest - stretched).max() > 1  # GPa


def test_figures_hold_what_was_measured(written, material):
    points = figure_of(written, "elastic-constants")["data"][0]
    assert points["y"] == ["C11", "C12", "C44"]
    values = np.array(points["x"])
    C = material.stiffness_voigt()
    np.testing.assert_allclose(values, [C[0, 0], C[0, 1], C[3, 3]])


def test_a_browser_draws_every_figure_and_the_solids_turn(written, tmp_path):
    with Page(900, 600) as browser:
        browser.open(written)
        browser.wait_for("report.drawn.length > 0", 120)
        assert browser.value("report.drawn[0]") == "crystal-cell"
        assert "stability-shear-xy" not in browser.value("report.drawn")  # far down the page: not before it is looked at
        browser.value("void report.prepareForPrinting().then(() => { report.prepared = true; })")
        browser.wait_for("report.prepared", 300)
        browser.wait_for("report.drawn.length + report.failed.length === report.total", 300)
        assert browser.value("report.failed") == []
        assert browser.value("report.total") >= 15
        assert not browser.value("window.bitten")
        for identity in browser.value("report.drawn"):
            drawn = f"document.querySelector('#{identity} .main-svg') !== null"
            assert browser.value(drawn), identity
        solids = browser.value("[...document.querySelectorAll('figure[data-figure=solid]')].map(figure => figure.id)")
        assert set(solids) == set(SOLIDS)
        for identity in solids:
            assert browser.value(f"document.querySelector('#{identity} .still').src.startsWith('data:image/png')"), identity
            assert turned(browser, identity), identity
            assert spread_of_pixels(browser, identity) > 10, identity
        assert browser.value("[...document.querySelectorAll('.scroll')].every(box => box.scrollWidth <= box.clientWidth + 1)")
        assert [text for text in browser.complaints() if "willReadFrequently" not in text] == []
        browser.pdf(tmp_path / "report.pdf")
        assert (tmp_path / "report.pdf").read_bytes().startswith(b"%PDF")


def turned(browser: Page, identity: str) -> bool:
    """Whether dragging a 3D view moves its camera; where two views stand side by side, both."""
    plot = f"document.querySelector('#{identity} .plot')"
    browser.value(f"{plot}.scrollIntoView({{block: 'center', behavior: 'instant'}})")
    eyes = f"JSON.stringify(Object.keys({plot}._fullLayout).filter(k => /^scene[0-9]*$/.test(k))"
    eyes += f".map(k => {plot}._fullLayout[k]._scene.getCamera().eye))"
    views = len(json.loads(browser.value(eyes)))
    box = browser.value(f"(r => [r.x + r.width * {0.42 if views == 1 else 0.22}, r.y + r.height / 2])({plot}.getBoundingClientRect())")
    before = json.loads(browser.value(eyes))
    browser.drag(*box, 60, 30)
    changed = " && ".join(
        f"JSON.stringify(JSON.parse({eyes})[{k}]) !== {json.dumps(json.dumps(eye, separators=(',', ':')))}" for k, eye in enumerate(before)
    )
    browser.wait_for(changed, 60)
    after = json.loads(browser.value(eyes))
    return all(one != other for one, other in zip(before, after, strict=True))


def spread_of_pixels(browser: Page, identity: str) -> float:
    """Standard deviation of the brightness of the still picture of a 3D view: a blank canvas has none."""
    return browser.value(
        f"""(async () => {{
            const image = document.querySelector('#{identity} .still');
            const canvas = document.createElement('canvas');
            [canvas.width, canvas.height] = [image.naturalWidth, image.naturalHeight];
            const context = canvas.getContext('2d', {{willReadFrequently: true}});
            context.drawImage(image, 0, 0);
            const values = context.getImageData(0, 0, canvas.width, canvas.height).data.filter((_, k) => k % 4 === 0);
            const mean = values.reduce((a, b) => a + b, 0) / values.length;
            return Math.sqrt(values.reduce((a, b) => a + (b - mean) ** 2, 0) / values.length);
        }})()"""
    )


def test_a_material_of_constants_alone_has_a_report_too(tmp_path):
    quartz = Material.from_constants(
        "32", {"C11": 86.74, "C12": 6.99, "C13": 11.91, "C14": -17.91, "C33": 107.2, "C44": 57.94}, name="quartz"
    )
    text = page(gather(quartz))
    assert "nothing was fitted to samples" in text
    assert "it was not calibrated on samples" in text
    assert 'id="accuracy"' not in text


SPACE_GROUPS = {"15": "2/m", "152": "32", "154": "32", "176": "6/m", "186": "6mm", "194": "6/mmm"}
SPACE_GROUPS |= {"148": "-3", "216": "-43m", "225": "m-3m", "227": "m-3m"}
SPACE_GROUPS |= {"2": "-1", "63": "mmm", "136": "4/mmm", "161": "3m", "140": "4/mmm", "221": "m-3m"}
CRYSTALS = json.loads((files("constitutive.report") / "published.json").read_text(encoding="utf-8"))["crystals"]


@pytest.mark.parametrize("crystal", CRYSTALS)
def test_every_published_constant_names_its_source_and_is_one_that_the_report_shows(crystal):
    group = PointGroup.from_symbol(SPACE_GROUPS[crystal.split()[1]])
    shown = {name_of(place) for order in (2, 3) for place in independent_places(np.asarray(group.laue_rotations), order)}
    for name, entry in CRYSTALS[crystal].items():
        assert re.fullmatch(r"(measured|computed) \((.* (19|20)\d\d|as quoted by .*)\)", name)
        assert entry["source"]
        assert entry["read_from"]
        assert set(entry["values"]) <= shown
        assert published_of(crystal)[name].values == entry["values"]
    assert published_of("Si 1") == {}


@pytest.mark.parametrize("name", ["kyanite", "al6fe"])
def test_published_constants_that_depend_on_axes_stand_beside_crystals_that_lie_so(name):
    material = Material.load(name)
    lattice, S = material.structure.lattice.matrix, material.structure
    assert [key.split()[0] for key in published(material)] == ["computed"]
    other = np.array([[0, 1, 0], [1, 0, 0], [0, 0, -1]])  # x and y exchanged: another choice of axes
    turned = type(S)(lattice @ other.T, S.species, S.frac_coords)
    swapped = replace(material, structure=turned, point_group=PointGroup.from_structure(turned))
    assert published(swapped) == {}


def test_constants_of_a_law_in_fields_have_the_intervals_of_its_card():
    material = Material.load("sic_field")
    tables = [constants(material, order) for order in (2, 3)]
    stated = material.card["coupled_constants_errors"]["elastic_GPa"]
    found = constant_errors(material, tables)
    assert found == pytest.approx([1.645 * stated[str(t.order)][name] for t in tables for name in t.names])
    turned = replace(material, point_group=material.point_group.rotated(np.array([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]])))
    assert constant_errors(turned, tables) is None  # the card states them in the axes of the data


def test_learning_curves_go_up_to_all_samples():
    assert sizes_of(55) == [8, 16, 32, 55]
    assert sizes_of(200) == [8, 16, 32, 64, 128, 200]
    assert sizes_of(66) == [8, 16, 32, 64]
    assert sizes_of(7) == []


def test_provenance_and_constants_are_given_in_words(written):
    text = written.read_text(encoding="utf-8")
    section = re.search(r'<section id="provenance">(.*?)</section>', text, re.DOTALL)[1]
    assert "constants GPa" not in section
    assert "3 of 3 constants of order 2" in section
    table = re.search(r'<section id="constants">.*?(<table.*?</table>)', text, re.DOTALL)[1]
    assert re.search(r'<tr><td>C<sub>11</sub></td>(<td class="number">[^<]+</td>){5}</tr>', table)


def test_published_constants_stand_beside_those_of_the_law(written):
    names = {trace.get("name") for trace in figure_of(written, "elastic-constants")["data"]}
    assert {html.escape(name) for name in published_of("Si 227")} < names
    text = written.read_text(encoding="utf-8")
    for entry in published_of("Si 227").values():
        assert html.escape(entry.source) in text
        assert html.escape(f"Read {entry.read_from}") in text  # first or second hand


def test_bands_of_the_cauchy_stress_are_those_of_sampled_laws():
    """Laws drawn from the posterior, each with its own S: the spread of F S Fᵀ / J is the band."""
    rng = np.random.default_rng(0)
    rotations = np.asarray(PointGroup.from_symbol("m-3m").laue_rotations)
    features = PolynomialBasis(rotations, (2, 3), 0.05)
    terms = sum(len(rows) for rows in features.energy)
    factor = rng.normal(size=(terms, terms))
    known = Uncertainty(np.zeros((0, 6)), np.zeros(0), features, factor, np.linspace(0.7, 2.6, len(LEVELS)))
    F = np.eye(3) + rng.uniform(-0.1, 0.1, (4, 3, 3))
    E = (F.swapaxes(1, 2) @ F - np.eye(3)) / 2
    parameters = factor @ rng.normal(size=(terms, 20_000))
    S = from_mandel(np.einsum("nik,ks->sni", known.columns(np.asarray(to_mandel(E))), parameters))
    sampled = (F @ S @ F.swapaxes(1, 2) / np.linalg.det(F)[:, None, None]).std(axis=0)
    half = known.half_width_cauchy(F, 0.9)
    np.testing.assert_allclose(half, known.multiple(0.9) * sampled, rtol=0.03)
    own = known.half_width(torch.from_numpy(E)).numpy()
    independent = np.sqrt(F**2 @ own**2 @ (F**2).swapaxes(1, 2)) / np.linalg.det(F)[:, None, None]
    assert np.abs(independent / half - 1).max() > 0.2  # the control


# ---- markup -------------------------------------------------------------------------------------------------------------


def test_markup_escapes_every_text_and_attribute():
    element = tag("p", HOSTILE, [1, HOSTILE], title=HOSTILE, data_x=True, hidden=None)
    text = render(element)
    assert text.count("<") == 2
    reader = Reader()
    reader.feed(text)
    assert reader.tags == [("p", {"title": HOSTILE, "data-x": None})]


def test_data_in_a_script_cannot_close_it():
    text = render(packed(json.dumps({"name": HOSTILE})))
    assert text.count("<") == 2
    assert json.loads(unpacked(text.removeprefix(f'<script type="{PACKED}">').removesuffix("</script>")))["name"] == HOSTILE


def test_long_arrays_are_written_short():
    rng = np.random.default_rng(0)
    few, many = rng.normal(size=4), rng.normal(size=(30, 30))
    many[0, 0] = np.nan
    picture = go.Figure().add_scatter(x=few, y=few).add_heatmap(z=many)
    scatter, heatmap = short(json.loads(picture.to_json()))["data"]
    np.testing.assert_allclose(scatter["x"], few, rtol=1e-11)
    z = np.array(heatmap["z"], dtype=float)
    np.testing.assert_allclose(z, many, rtol=1e-4)
    assert np.abs(z - many).max(initial=0, where=np.isfinite(many)) > 1e-7  # the control: digits were left out
    assert heatmap["z"][0][0] is None


def test_nested_data_and_tables():
    text = render(nested({"a_b": {"c": [1.0, 1e-20]}, "d": None, "e": [HOSTILE]}))
    assert "a b" in text
    assert "1, 0" in text
    assert "not stated" in text
    assert "<img" not in text
    assert '<td class="number">2</td>' in render(table(("x", "y"), [(1, 2)], numbers=1))


def test_the_command_writes_the_page_whole_or_not_at_all(checkout, tmp_path):
    material = Material.from_constants("m-3m", {"C11": 170.0, "C12": 65.0, "C44": 80.0}, name="made up")
    material.save(tmp_path / "material")
    command = [str(Path(sys.executable).with_name("constitutive")), "report", str(tmp_path / "material"), "--json", "-o"]
    done = subprocess.run([*command, str(tmp_path / "out" / "r.html")], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    payload = json.loads(done.stdout)
    documented = re.search(r"^\| `report DIR` \| (.*) \|$", (checkout / "docs" / "cli.md").read_text(encoding="utf-8"), re.MULTILINE)[1]
    assert set(re.findall(r"`(\w+)`", documented)) == set(payload) == {"report", "bytes"}
    assert payload["report"] == str(tmp_path / "out" / "r.html")
    assert payload["bytes"] == (tmp_path / "out" / "r.html").stat().st_size
    (tmp_path / "blocked").write_text("a file where a folder is needed")
    failed = subprocess.run([*command, str(tmp_path / "blocked" / "r.html")], capture_output=True, text=True)
    assert (failed.returncode, failed.stdout) == (2, "")
    assert "cannot be written" in failed.stderr
