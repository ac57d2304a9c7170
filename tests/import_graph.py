"""The import graph of a package as its source states it: at the top of a module, inside functions and for types alike."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Import:
    """One import of a module of the same package."""

    module: str
    line: int
    deferred: bool


def modules_of(root: Path) -> dict[str, Path]:
    """Files of a package by the full name of their module."""
    found = {}
    for file in sorted(root.rglob("*.py")):
        parts = file.relative_to(root.parent).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = file
    return found


def imports_of(root: Path) -> dict[str, list[Import]]:
    """Imports of the package's own modules, by the module that imports.

    A name that a package's ``__init__`` loads when it is first used counts as an import of the module that defines it.
    """
    modules = modules_of(root)
    trees = {name: ast.parse(file.read_text(encoding="utf-8")) for name, file in modules.items()}
    lazy = {name for name, tree in trees.items() if modules[name].name == "__init__.py" and "lazy_names(" in ast.unparse(tree)}
    homes = {(package_of(m), name): m for m, tree in trees.items() if package_of(m) in lazy for name in _definitions(tree)}
    found: dict[str, list[Import]] = {}
    for name, tree in trees.items():
        deferred = {id(node) for f in ast.walk(tree) if isinstance(f, ast.FunctionDef | ast.AsyncFunctionDef) for node in ast.walk(f)}
        found[name] = [
            Import(target, node.lineno, id(node) in deferred)
            for node in ast.walk(tree)
            for target in _targets(node, modules, homes)
            if target != name
        ]
    return found


def package_of(module: str) -> str:
    return module.rpartition(".")[0]


def _definitions(tree: ast.Module) -> set[str]:
    names = {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    assigned = [t for node in tree.body if isinstance(node, ast.Assign) for t in node.targets]
    assigned += [node.target for node in tree.body if isinstance(node, ast.AnnAssign)]
    return names | {target.id for target in assigned if isinstance(target, ast.Name)}


def _targets(node: ast.AST, modules: dict[str, Path], homes: dict[tuple[str, str], str]) -> set[str]:
    if isinstance(node, ast.Import):
        return {alias.name for alias in node.names} & set(modules)
    if not isinstance(node, ast.ImportFrom) or node.module not in modules:
        return set()
    found = set()
    for alias in node.names:
        full = f"{node.module}.{alias.name}"
        found |= {full} if full in modules else {node.module, homes.get((node.module, alias.name), node.module)}
    return found


def cycles_of(graph: dict[str, set[str]]) -> list[list[str]]:
    """Strongly connected components of more than one module (Tarjan 1972)."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found = []

    def visit(v: str) -> None:
        index[v] = low[v] = len(index)
        stack.append(v)
        for w in graph.get(v, ()):
            if w not in index:
                visit(w)
            if w in stack:
                low[v] = min(low[v], low[w])
        if low[v] == index[v]:
            k = stack.index(v)
            component = stack[k:]
            del stack[k:]
            if len(component) > 1:
                found.append(sorted(component))

    for v in graph:
        if v not in index:
            visit(v)
    return found


def graph_of(root: Path) -> dict[str, set[str]]:
    """The modules that each module imports."""
    return {name: {entry.module for entry in entries} for name, entries in imports_of(root).items()}
