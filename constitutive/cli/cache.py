"""``constitutive cache``."""

from __future__ import annotations

from typing import Annotated

import typer

from constitutive.cli.console import emit, out
from constitutive.cli.options import JsonOption


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(cache)


def cache(
    clear: Annotated[bool, typer.Option("--clear", help="Remove them; laws are compiled anew when they are next used.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Say how many compiled laws are kept, where, and how much they take; remove them.

    [bold]Examples[/]

      [dim]constitutive cache[/]
      [dim]constitutive cache --clear[/]
    """
    from constitutive import code_cache as kept  # deferred: each command imports what it needs, so that --help stays quick

    found = kept.clear() if clear else kept.usage()
    payload = {"folder": str(found.folder), "modules": found.modules, "bytes": found.size, "cleared": clear}
    text = f"{found.modules} compiled laws {'removed' if clear else 'kept'}, {found.size / 1e6:.1f} MB, {found.folder}"
    emit(as_json, payload, lambda: out.print(text, markup=False))
