"""The architecture: style, types, layers, no import cycles, and nothing in a test run that silently does not run."""

import ast
import re
import subprocess
import sys
import tokenize
from pathlib import Path

import docstrings
import import_graph
import pytest

CHECKS = {
    "style": ["ruff", "check", "--output-format", "concise", "."],
    "types": ["mypy", "--no-error-summary"],
    "layers": ["lint-imports", "--no-cache"],
}
REASON = re.compile(r"#.*\bdeferred: \w+")
LONGEST_TEST_FILE = 400  # lines
MOST_ANY = 150


@pytest.fixture(scope="module")
def package(checkout: Path) -> Path:
    return checkout / "constitutive"


@pytest.mark.parametrize("name", CHECKS)
def test_static_checks(name: str, checkout: Path) -> None:
    command = [str(Path(sys.executable).with_name(CHECKS[name][0])), *CHECKS[name][1:]]
    result = subprocess.run(command, cwd=checkout, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout[-6000:] + result.stderr[-2000:]


# ---- layers ---------------------------------------------------------------------------------------------------------


def layers(checkout: Path) -> set[str]:
    found = re.search(r"layers = \[(.*?)\n\]", (checkout / "pyproject.toml").read_text(), re.DOTALL)
    assert found is not None
    return set(re.findall(r"constitutive\.(\w+)", found[1]))


def members(package: Path) -> set[str]:
    """Packages and modules directly under a package."""
    entries = {entry.stem for entry in package.iterdir() if entry.suffix == ".py" or (entry / "__init__.py").exists()}
    return entries - {"__init__", "__main__"}


def test_layers_are_really_checked(tmp_path: Path) -> None:
    """Control: an upward import is found."""
    package = tmp_path / "constitutive"
    package.mkdir()
    for module in ("errors", "material", "cli"):
        (package / f"{module}.py").write_text("")
    (package / "__init__.py").write_text("")
    (package / "errors.py").write_text("import constitutive.material\n")
    contract = '[tool.importlinter]\nroot_package = "constitutive"\n'
    contract += '[[tool.importlinter.contracts]]\nname = "down"\ntype = "layers"\n'
    (tmp_path / "pyproject.toml").write_text(contract + 'layers = ["constitutive.material", "constitutive.errors"]\n')
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert result.returncode != 0
    assert "BROKEN" in result.stdout


def test_the_layers_name_every_package_and_no_other(checkout: Path, package: Path) -> None:
    """A package that the contract does not name could import anything; a name without a package checks nothing."""
    assert members(package) == layers(checkout)


def test_every_package_has_its_line(checkout: Path, package: Path) -> None:
    """``ls constitutive`` can be read with the tables of CONTRIBUTING.md and docs/design.md."""
    for page in ("CONTRIBUTING.md", "docs/design.md"):
        rows = [line for line in (checkout / page).read_text(encoding="utf-8").splitlines() if line.startswith("| ")]
        named = set(re.findall(r"`(\w+)`", " ".join("|".join(row.split("|")[:3]) for row in rows)))
        assert members(package) <= named, page


# ---- the import graph -----------------------------------------------------------------------------------------------


def test_no_import_cycles(package: Path) -> None:
    """Neither between packages nor inside one; imports inside functions and for types count."""
    assert import_graph.cycles_of(import_graph.graph_of(package)) == []


@pytest.mark.parametrize(
    "text",
    ["import tiny.a\n", "from tiny.a import x\n", "def f():\n    from tiny import a\n", "if TYPE_CHECKING:\n    from tiny.a import x\n"],
)
def test_every_kind_of_cycle_is_found(text: str, tmp_path: Path) -> None:
    """Control: at the top of a module, by name, inside a function, for types."""
    package = tmp_path / "tiny"
    package.mkdir()
    for name, content in {"__init__": "", "a": "from tiny.b import y\nx = 1\n", "b": f"{text}y = 2\n"}.items():
        (package / f"{name}.py").write_text(content)
    assert import_graph.cycles_of(import_graph.graph_of(package)) == [["tiny.a", "tiny.b"]]


def test_a_cycle_through_names_loaded_on_first_use_is_found(tmp_path: Path) -> None:
    package = tmp_path / "tiny"
    package.mkdir()
    lazy = 'from x import lazy_names\n__getattr__, __dir__ = lazy_names(__name__, {"tiny.a": ["A"]})\n'
    for name, content in {"__init__": lazy, "a": "import tiny.b\nclass A: ...\n", "b": "from tiny import A\n"}.items():
        (package / f"{name}.py").write_text(content)
    assert import_graph.cycles_of(import_graph.graph_of(package)) == [["tiny.a", "tiny.b"]]


def test_a_deferred_import_of_our_own_has_a_reason(package: Path) -> None:
    """Every import of this package inside a function says why on its line: ``# deferred: torch takes 2 s to import``."""
    files = import_graph.modules_of(package)
    bare = []
    for module, entries in import_graph.imports_of(package).items():
        lines = files[module].read_text(encoding="utf-8").splitlines()
        bare += [f"{files[module]}:{entry.line}" for entry in entries if entry.deferred and not REASON.search(lines[entry.line - 1])]
    assert sorted(set(bare)) == []


# ---- source ---------------------------------------------------------------------------------------------------------


def words_of_code(path: Path) -> list[str]:
    """Names and keywords of a file, without comments and text."""
    with tokenize.open(path) as file:
        return [token.string for token in tokenize.generate_tokens(file.readline) if token.type == tokenize.NAME]


def test_any_is_rare(package: Path) -> None:
    """``Any`` switches the type checker off: most values have a type that can be named."""
    found = {path: words_of_code(path).count("Any") for path in import_graph.modules_of(package).values()}
    worst = sorted(found.items(), key=lambda item: -item[1])[:12]
    assert sum(found.values()) < MOST_ANY, "\n".join(f"{path}: {count}" for path, count in worst)


def test_every_public_function_has_types(package: Path) -> None:
    """Ruff asks for docstrings; here: every argument of a public function has a type."""
    for file in import_graph.modules_of(package).values():
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
                arguments = [a for a in node.args.args + node.args.kwonlyargs if a.arg not in ("self", "cls")]
                bare = [a.arg for a in arguments if a.annotation is None]
                assert not bare, f"{file}:{node.lineno} {node.name}: no type for {bare}"


def test_public_names_have_numpy_docstrings(package: Path) -> None:
    """Everything in the ``__all__`` of a package says what it takes, gives and raises."""
    sources = docstrings.Sources(package)
    assert sum(sources.find(module, name) is not None for module in sources.packages for name in sources.public(module)) > 200
    assert sources.missing() == {}


def test_a_docstring_without_its_sections_is_found(tmp_path: Path) -> None:
    """Control: a function, a class, and a method of it; not the method that overrides a documented one, nor what is not public."""
    package = tmp_path / "bare"
    package.mkdir()
    (package / "__init__.py").write_text(
        "from bare.laws import State\nNAMES = {'laws': ['Fixed', 'half', 'twice']}\n__all__ = ['Fixed', 'State', 'half', 'twice']\n"
    )
    (package / "laws.py").write_text(
        "@dataclass\nclass State:\n    'A state.'\n    x: float\n    def grown(self, by: float) -> float:\n        'Larger.'\n"
        "class Fixed(State):\n    'It does not grow.'\n    def grown(self, by: float) -> float:\n        'The same.'\n"
        "def half(x: float) -> float:\n    'Half.'\n    if x < 0:\n        raise ValueError\n"
        "def twice(x: float) -> None:\n    '''Twice.\n\n    Parameters\n    ----------\n    y : float\n    '''\n"
        "def hidden(x: float) -> float:\n    'Not public.'\n"
    )
    both = {"Parameters", "Returns"}
    found = {"State": {"Parameters or Attributes"}, "State.grown": both, "half": {*both, "Raises"}, "twice": {"names ['x', 'y']"}}
    assert docstrings.Sources(package).missing() == {f"bare: {name}": missing for name, missing in found.items()}


def test_no_host_of_packages_is_named(checkout: Path) -> None:
    """Set-up uses the package sources of the host: a mirror written down here would be wrong for some users."""
    for name in ("dev", "Makefile", "README.md", "CONTRIBUTING.md", "pyproject.toml"):
        assert not re.search(r"https?://[\w.]*(debian|pypi|ubuntu|mirror)", (checkout / name).read_text(encoding="utf-8")), name


# ---- tests ----------------------------------------------------------------------------------------------------------


def test_no_test_is_skipped_or_silenced(checkout: Path) -> None:
    marks = re.compile(r"pytest\.skip\(|mark\.skip|mark\.xfail|importorskip")
    for file in (checkout / "tests").rglob("*.py"):
        lines = [line for line in file.read_text().splitlines() if marks.search(line) and "re.compile" not in line]
        assert not lines, f"{file.name}: {lines}"


def test_files_of_tests_are_short(checkout: Path) -> None:
    """Split by subject, a file of tests can be found by its name."""
    long = {file.name: len(file.read_text(encoding="utf-8").splitlines()) for file in (checkout / "tests").glob("*.py")}
    assert {name: lines for name, lines in long.items() if lines >= LONGEST_TEST_FILE} == {}
