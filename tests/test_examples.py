"""The examples in docstrings run, and there are enough of them."""

import ast
import doctest
import importlib
from pathlib import Path

import import_graph
import pytest

PACKAGE = Path(__file__).resolve().parent.parent / "constitutive"
FEWEST_EXAMPLES = 30
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


def examples() -> list[tuple[str, str]]:
    """Modules and the names in them whose docstring holds an example; found without importing."""
    found = []
    for module, file in import_graph.modules_of(PACKAGE).items():
        tree = ast.parse(file.read_text(encoding="utf-8"))
        scopes = [("", tree), *((f"{c.name}.", c) for c in tree.body if isinstance(c, ast.ClassDef))]
        nodes = [("", tree), *((p + n.name, n) for p, s in scopes for n in s.body if isinstance(n, ast.FunctionDef | ast.ClassDef))]
        found += [(module, name) for name, node in nodes if ">>>" in (ast.get_docstring(node) or "")]
    return found


EXAMPLES = examples()


def test_there_are_enough_examples() -> None:
    assert len(EXAMPLES) >= FEWEST_EXAMPLES
    assert len({module.split(".")[1] for module, _ in EXAMPLES if "." in module}) >= 10


@pytest.mark.parametrize(("module", "name"), EXAMPLES, ids=[f"{module.partition('.')[2]}.{name}" for module, name in EXAMPLES])
def test_the_example_runs(module: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a folder of its own, with the names of its module."""
    monkeypatch.chdir(tmp_path)
    scope = vars(importlib.import_module(module))
    found: object = importlib.import_module(module)
    for part in filter(None, name.split(".")):
        found = getattr(found, part)
    text = found.__doc__ or ""
    test = doctest.DocTestParser().get_doctest(text, dict(scope), f"{module}.{name}", None, 0)
    assert test.examples
    output: list[str] = []
    result = doctest.DocTestRunner(optionflags=FLAGS).run(test, out=output.append)
    assert result.failed == 0, "".join(output)


def test_a_wrong_example_fails() -> None:
    """Control."""
    test = doctest.DocTestParser().get_doctest(">>> 1 + 1\n3\n", {}, "wrong", None, 0)
    assert doctest.DocTestRunner(optionflags=FLAGS).run(test, out=lambda _: None).failed == 1
