"""Which public functions, classes and methods lack a section of a NumPy docstring; from the source alone, without an import."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

SECTION = re.compile(r"^(\w+)\n-{3,}$", re.MULTILINE)
FIELDS, RESULT = {"Parameters", "Attributes"}, {"Returns", "Yields"}
NO_RESULT = (None, "None", "NoReturn")


def sections(node: ast.FunctionDef | ast.ClassDef) -> set[str]:
    return set(SECTION.findall(ast.get_docstring(node) or ""))


def described(node: ast.FunctionDef) -> set[str]:
    """Names in the section Parameters, several of them on one line parted by commas."""
    section = re.search(r"^Parameters\n-{3,}\n(.*?)(?=^\w+\n-{3,}$|\Z)", ast.get_docstring(node) or "", re.MULTILINE | re.DOTALL)
    heads = re.findall(r"^[^\s].*$", section[1], re.MULTILINE) if section else []
    return {name.strip().lstrip("*") for head in heads for name in head.split(" : ")[0].split(",")}


def missing_of_function(node: ast.FunctionDef) -> set[str]:
    """Sections that the signature and the body require; a property returns what its first line says."""
    found, missing = sections(node), set()
    arguments = {a.arg for a in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)} - {"self", "cls"}
    if arguments and "Parameters" not in found:
        missing.add("Parameters")
    starred = {a.arg for a in (node.args.vararg, node.args.kwarg) if a}
    if "Parameters" in found and not arguments <= described(node) <= arguments | starred:
        missing.add(f"names {sorted(arguments ^ described(node) - starred)}")
    is_property = any("property" in ast.unparse(decorator) for decorator in node.decorator_list)
    if (node.returns and ast.unparse(node.returns)) not in NO_RESULT and not RESULT & found and not is_property:
        missing.add("Returns")
    if any(isinstance(part, ast.Raise) for part in ast.walk(node)) and "Raises" not in found and not is_property:
        missing.add("Raises")
    return missing


def methods(node: ast.ClassDef) -> dict[str, ast.FunctionDef]:
    return {part.name: part for part in node.body if isinstance(part, ast.FunctionDef)}


class Sources:
    """Definitions of a package by their full names."""

    def __init__(self, package: Path) -> None:
        self.trees = {self._name(path, package): ast.parse(path.read_text(encoding="utf-8")) for path in sorted(package.rglob("*.py"))}
        self.packages = {self._name(path, package) for path in package.rglob("__init__.py")}

    @staticmethod
    def _name(path: Path, package: Path) -> str:
        return ".".join(path.relative_to(package.parent).with_suffix("").parts).removesuffix(".__init__")

    def find(self, module: str, name: str) -> ast.FunctionDef | ast.ClassDef | None:
        """A definition, followed through imports and names loaded on first use; None for a constant."""
        for node in ast.walk(self.trees[module]):
            if isinstance(node, ast.ImportFrom) and node.module in self.trees and name in (alias.name for alias in node.names):
                return self.find(node.module, name)
            if isinstance(node, ast.Dict):
                for key, names in zip(node.keys, node.values, strict=True):
                    lazy = isinstance(names, ast.List) and name in (getattr(entry, "value", None) for entry in names.elts)
                    if lazy and isinstance(key, ast.Constant):
                        return self.find(key.value if key.value in self.trees else f"{module}.{key.value}", name)
        definitions = [n for n in self.trees[module].body if isinstance(n, ast.FunctionDef | ast.ClassDef) and n.name == name]
        return definitions[-1] if definitions else None

    def public(self, module: str) -> list[str]:
        """Names in the ``__all__`` of a package, also where it is the sum of its lists of names loaded on first use."""
        for node in self.trees[module].body:
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
                source = self.trees[module] if isinstance(node.value, ast.Call) else node.value
                lists = [part for part in ast.walk(source) if isinstance(part, ast.List)]
                return [str(ast.literal_eval(entry)) for part in lists for entry in part.elts if isinstance(entry, ast.Constant)]
        return []

    def missing_of_class(self, module: str, node: ast.ClassDef) -> Iterator[tuple[str, set[str]]]:
        """Of a class and of its public methods; one that overrides a method of a base is documented there."""
        own = methods(node)
        is_made_of_values = (
            any(isinstance(part, ast.AnnAssign) for part in node.body) or len(own["__init__"].args.args if "__init__" in own else ()) > 1
        )
        if is_made_of_values and not FIELDS & sections(node):
            yield node.name, {"Parameters or Attributes"}
        bases = [found for base in node.bases if isinstance(found := self.find(module, ast.unparse(base)), ast.ClassDef)]
        inherited = {name for base in bases for name in methods(base)}
        for name, method in own.items():
            if not name.startswith("_") and name not in inherited:
                yield f"{node.name}.{name}", missing_of_function(method)

    def missing(self) -> dict[str, set[str]]:
        """What the public names of all packages lack, by name."""
        found: dict[str, set[str]] = {}
        for module in sorted(self.packages):
            for name in self.public(module):
                node = self.find(module, name)
                if isinstance(node, ast.ClassDef):
                    found |= {f"{module}: {part}": missing for part, missing in self.missing_of_class(module, node)}
                elif node is not None:
                    found[f"{module}: {name}"] = missing_of_function(node)
        return {name: missing for name, missing in found.items() if missing}
