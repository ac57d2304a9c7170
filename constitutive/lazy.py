"""Names of a package that are imported when they are first used, so that ``import constitutive`` and every ``--help`` stay quick."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any


def lazy_names(package: str, modules: Mapping[str, Sequence[str]]) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """The functions ``__getattr__`` and ``__dir__`` of a package that imports its names when they are first used (PEP 562).

    Parameters
    ----------
    package : str
        The package's ``__name__``.
    modules : mapping
        Full name of each module, and the names that the package offers from it.

    Returns
    -------
    getattr, dir : callable
        To be assigned to ``__getattr__`` and ``__dir__`` of the package.

    Raises
    ------
    AttributeError
        Raised by the returned ``__getattr__`` for a name that the package does not have.
    """
    module_of = {name: module for module, names in modules.items() for name in names}

    def get(name: str) -> Any:
        if name not in module_of:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(importlib.import_module(module_of[name]), name)

    def names() -> list[str]:
        return sorted({*vars(sys.modules[package]), *module_of})

    return get, names
