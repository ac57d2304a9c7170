"""``constitutive audit``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from constitutive.cli.console import JsonOption, emit, out

if TYPE_CHECKING:
    from constitutive.audit import Audit


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(audit)


def audit(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of a material.", show_default=False)],
    as_json: JsonOption = False,
) -> None:
    """Measure what a material promises: objectivity, symmetry, reference stress, tangent, conservation.

    Each figure is the largest residual over 200 seeded strains, relative to the largest stress or tangent.
    Exit code 1 when a promise is broken.

    [dim]Example:[/]  constitutive audit materials/silicon
    """
    from constitutive.audit import audit as measure
    from constitutive.material import Material

    found = measure(Material.load(folder))
    emit(as_json, found.as_dict(), lambda: _render(folder, found))
    if not found.passed:
        raise typer.Exit(1)


def _render(folder: Path, found: Audit) -> None:
    from rich.table import Table
    from rich.text import Text

    title = Text(f"Audit of {folder}: {found.samples} strains up to |E| = {found.radius:g}")
    table = Table(title=title, title_justify="left", box=None, padding=(0, 2, 0, 0))
    for column in ("promise", "figure", "limit", "", "compared"):
        table.add_column(column, justify="right" if column in ("figure", "limit") else "left")
    for name, promise in found.promises.items():
        verdict = "[green]kept[/]" if promise.kept else "[red]broken[/]"
        table.add_row(name.replace("_", " "), f"{promise.figure:.1e}", f"{promise.limit:.0e}", verdict, promise.meaning)
    out.print(table)
    for name, promise in found.promises.items():
        if not promise.kept:
            out.print(f"[red]{name.replace('_', ' ')}[/]: {promise.advice}")
