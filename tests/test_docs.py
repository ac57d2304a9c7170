"""The documentation builds without a warning, its links lead somewhere, every block of code runs, and its tables are true."""

import contextlib
import doctest
import html.parser
import io
import json
import os
import re
import shlex
import subprocess
import sys
import warnings
from pathlib import Path
from urllib.parse import unquote, urlparse

import matplotlib as mpl
import pytest
import yaml
from command_line import run

from constitutive.cli import app

CHECKOUT = Path(__file__).resolve().parent.parent
PAGES = sorted(str(path.relative_to(CHECKOUT / "docs")) for path in (CHECKOUT / "docs").rglob("*.md"))
FENCE = re.compile(r"^```(\w+)[^\n]*\n(.*?)^```", re.MULTILINE | re.DOTALL)
RUN, SHOWN = ("python", "console"), ("json", "yaml", "text", "ini")


def blocks(page: str) -> list[tuple[str, str]]:
    return FENCE.findall((CHECKOUT / "docs" / page).read_text(encoding="utf-8"))


WITH_CODE = [page for page in PAGES if any(language in RUN for language, _ in blocks(page))]


# ---- the site ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built site; a warning of mkdocs (a page that is missing, a link to nowhere) fails the build."""
    folder = tmp_path_factory.mktemp("site")
    command = [str(Path(sys.executable).with_name("mkdocs")), "build", "--strict", "--quiet", "--site-dir", str(folder)]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


class Links(html.parser.HTMLParser):
    """Identities of a page, and all that it refers to."""

    def __init__(self, text: str):
        super().__init__()
        self.identities: set[str] = set()
        self.references: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        for key, value in attributes:
            if key in ("id", "name") and value:
                self.identities.add(value)
            if key in ("href", "src") and value and not (tag == "link" and ("rel", "canonical") in attributes):
                self.references.append(value)


def test_every_link_leads_somewhere(site):
    pages = {path: Links(path.read_text(encoding="utf-8")) for path in site.rglob("*.html")}
    assert len(pages) > 30
    broken = []
    for path, page in pages.items():
        if path.name == "404.html":
            continue
        for reference in page.references:
            url = urlparse(reference)
            if url.scheme in ("http", "https", "mailto", "data", "javascript") or url.netloc:
                continue
            target = (path.parent / unquote(url.path)).resolve() if url.path else path
            if not target.exists():
                broken.append(f"{path.name}: {reference}")
            elif url.fragment and target in pages and unquote(url.fragment) not in pages[target].identities:
                broken.append(f"{path.name}: {reference} (no such place on that page)")
    assert broken == []


def test_the_site_loads_nothing_from_elsewhere(site):
    """Scripts, styles, fonts and pictures are the site's own."""
    for path in site.rglob("*.html"):
        text = path.read_text(encoding="utf-8")
        loaded = re.findall(r"<(?:script|img|source)[^>]*\ssrc=[\"']?(https?:[^\"'\s>]+)", text)
        loaded += re.findall(r"<link[^>]*rel=[\"']?stylesheet[\"']?[^>]*href=[\"']?(https?:[^\"'\s>]+)", text)
        assert loaded == [], path.name


def test_the_reference_shows_every_public_name(site):
    for package in ("symmetry", "laws", "material", "calibration", "elasticity", "audit", "plots", "kernel", "intake"):
        text = (site / "reference" / f"{package}.html").read_text(encoding="utf-8")
        shown = {identity.rpartition(".")[2] for identity in re.findall(rf'id="(constitutive\.{package}\.[\w.]+)"', text)}
        module = __import__(f"constitutive.{package}", fromlist=["__all__"])
        functions = {name for name in module.__all__ if callable(getattr(module, name))}
        assert functions - shown == set(), package


def test_every_page_is_in_the_navigation():
    class Loader(yaml.SafeLoader):
        pass

    settings = yaml.load((CHECKOUT / "mkdocs.yml").read_text(), Loader=Loader)  # noqa: S506 - derived from the safe loader

    def leaves(entry):
        if isinstance(entry, str):
            return [entry]
        values = entry.values() if isinstance(entry, dict) else entry
        return [leaf for value in values for leaf in leaves(value)]

    assert sorted(leaves(settings["nav"])) == PAGES


# ---- the code -----------------------------------------------------------------------------------------------------------


def test_every_block_is_of_a_kind_that_is_run_or_only_shown():
    for page in PAGES:
        kinds = {language for language, _ in blocks(page)}
        assert kinds <= {*RUN, *SHOWN}, page


@pytest.mark.parametrize("page", WITH_CODE)
def test_the_code_of_a_page_runs(page, tmp_path, monkeypatch, kept_calibrate):
    """From top to bottom, in one folder, Python blocks in one namespace."""
    monkeypatch.setattr("constitutive.calibration.calibrate", kept_calibrate)
    for name, target in (("materials", "materials"), ("runs", "tests/data/readers"), ("fem_examples", "fem_examples")):
        (tmp_path / name).symlink_to(CHECKOUT / target)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    names: dict = {"__name__": page}
    with mpl.rc_context():
        for number, (language, text) in enumerate(blocks(page), start=1):
            if language == "console":
                run_console(text, f"{page}, block {number}")
            elif language == "python" and ">>>" in text:
                run_doctest(text, names, f"{page}, block {number}")
            elif language == "python":
                with contextlib.redirect_stdout(io.StringIO()):
                    exec(compile(text, f"{page}, block {number}", "exec"), names)  # the page's own code


def run_console(text: str, place: str) -> None:
    commands = [line[2:] for line in text.splitlines() if line.startswith("$ ")]
    assert commands, f"{place}: no line starts with '$ '"
    for command in commands:
        if re.fullmatch(r"constitutive (symmetry|convert|check|export|import) [\w ./=-]+", command):  # no shell needed: 2 to 4 s faster
            with warnings.catch_warnings():
                warnings.simplefilter("default")
                done = run(*shlex.split(command)[1:])
        else:
            done = subprocess.run(["bash", "-c", command], capture_output=True, text=True)
        assert done.returncode == 0, f"{place}: {command}\n{done.stdout}{done.stderr}"


def run_doctest(text: str, names: dict, place: str) -> None:
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    test = doctest.DocTestParser().get_doctest(text, names, place, place, 0)
    output = io.StringIO()
    result = doctest.DocTestRunner(optionflags=flags).run(test, out=output.write, clear_globs=False)
    assert result.failed == 0, output.getvalue()
    names.update(test.globs)


# ---- what the pages claim -----------------------------------------------------------------------------------------------


THEORY = re.compile(r"[Tt]heory, eq\. \((\d+)\)")


def test_docstrings_and_the_theory_page_agree_on_its_numbers():
    """Every number that a docstring names is on the page, and every equation of the page is named by a docstring."""
    page = (CHECKOUT / "docs" / "theory.md").read_text(encoding="utf-8")
    numbers = [int(number) for number in re.findall(r"^\| \((\d+)\) \|", page, re.MULTILINE)]
    assert numbers == list(range(1, len(numbers) + 1))
    named = set()
    for path in (CHECKOUT / "constitutive").rglob("*.py"):
        found = {int(number) for number in THEORY.findall(path.read_text(encoding="utf-8"))}
        assert found <= set(numbers), path
        named |= found
    assert named == set(numbers)


NAMED = {
    "kinematics.green_lagrange_strain": 1,
    "kinematics.cauchy_from_second_piola": 2,
    "kinematics.first_elasticity": 3,
    "laws.Law.stress": 4,
    "laws.Law.symmetry_residual": 6,
    "laws.SeriesLaw": 8,
    "laws.NetworkLaw": 9,
    "laws.NetworkLaw.stress_mandel": 10,
    "laws.NetworkLaw.tangent_mandel": 11,
    "laws.BoundedLaw": 12,
    "elasticity.elastic_constants": 13,
    "elasticity.DirectionalModuli.from_law": 14,
    "elasticity.DirectionalModuli.youngs_modulus": 15,
    "elasticity.DirectionalModuli.shear_modulus": 16,
    "elasticity.DirectionalModuli.poisson_ratio": 17,
    "elasticity.DirectionalModuli.linear_compressibility": 18,
    "elasticity.DirectionalModuli.sound_modes": 19,
    "elasticity.DirectionalModuli.universal_anisotropy": 20,
    "elasticity.ellipticity": 21,
    "fitting.Uncertainty.half_width_cauchy": 22,
}


@pytest.mark.parametrize("name", NAMED)
def test_a_formula_of_the_theory_page_is_named_where_it_is_evaluated(name):
    package, _, rest = name.partition(".")
    found = __import__(f"constitutive.{package}", fromlist=["__doc__"])
    for part in rest.split("."):
        found = getattr(found, part)
    assert str(NAMED[name]) in THEORY.findall(found.__doc__)


def test_the_command_line_page_has_every_command():
    text = (CHECKOUT / "docs" / "cli.md").read_text(encoding="utf-8")
    commands = {command.name or command.callback.__name__ for command in app.registered_commands}
    documented = set(re.findall(r"^\| `(\w+)[^`]*` \| `", text, re.MULTILINE))
    assert documented == commands


def test_the_documented_json_keys_are_there(tmp_path):
    from constitutive.material import Material

    text = (CHECKOUT / "docs" / "cli.md").read_text(encoding="utf-8")
    Material.from_constants("m-3m", {"C11": 165.7, "C12": 63.9, "C44": 79.6}).save(tmp_path / "m")
    m = str(tmp_path / "m")
    calls = {"audit": [m], "constants": [m], "compare": [m, m], "new": [str(tmp_path / "p")]}
    for command, arguments in calls.items():
        row = re.search(rf"^\| `{command}[^`]*` \| (.*) \|$", text, re.MULTILINE)[1]
        documented_keys = set(re.findall(r"`(\w+)`", row)) - {"A", "B"}
        done = run(command, *arguments, "--json")
        assert documented_keys <= set(json.loads(done.stdout)), command


def test_the_benchmarks_page_claims_only_what_was_recorded():
    """A script with figures has them on the page that its row names; one without says so, and the arithmetic of the tables is right."""
    text = (CHECKOUT / "docs" / "benchmarks.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `(benchmarks/\w+\.py)` .* \| ([^|]+) \|$", text, re.MULTILINE))
    scripts = [
        path
        for path in (CHECKOUT / "benchmarks").glob("*.py")
        if not path.stem.endswith("_sets") and '__name__ == "__main__"' in path.read_text(encoding="utf-8")
    ]
    assert set(rows) == {f"benchmarks/{path.name}" for path in scripts}
    for script, place in rows.items():
        if place == "none recorded":
            assert text.count(script) == 2, script  # its name and its command
            continue
        page, _, section = re.search(r"\(([\w.]*)(#?)([\w-]*)\)", place).groups()
        if page:
            assert script in (CHECKOUT / "docs" / page).read_text(encoding="utf-8"), script
        else:
            assert f"## {section.replace('-', ' ').capitalize()}\n" in text, script
    rates = re.findall(r"^\S.*? +(\d+\.\d\d) .* (\d+\.\d\d) +(\d+)%$", text, re.MULTILINE)
    assert rates
    for rate, limit, share in rates:
        assert abs(100 * float(rate) / float(limit) - float(share)) < 1, (rate, limit)


def test_every_example_has_its_place_in_the_gallery():
    text = (CHECKOUT / "docs" / "gallery.md").read_text(encoding="utf-8")
    examples = [path.name for path in (CHECKOUT / "fem_examples").glob("*.py") if "def main(" in path.read_text(encoding="utf-8")]
    for name in examples:
        assert f"fem_examples/{name}" in text


def test_the_papers_of_the_project_are_in_order():
    cff = yaml.safe_load((CHECKOUT / "CITATION.cff").read_text(encoding="utf-8"))
    project = (CHECKOUT / "pyproject.toml").read_text(encoding="utf-8")
    assert f'version = "{cff["version"]}"' in project
    assert cff["license"] == "MIT"
    changes = (CHECKOUT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert "## [Unreleased]" in changes
    assert "Numerics" in changes
    contributing = (CHECKOUT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    for words in ("make test", "Adding a law", "Adding a reader", "Adding an example"):
        assert words in contributing
    for file in re.findall(r"`((?:docs|tests|benchmarks|fem_examples|constitutive)/[\w/.]+)`", contributing):
        assert "NAME" in file or (CHECKOUT / file).exists(), file
