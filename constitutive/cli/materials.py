"""``constitutive materials``."""

from __future__ import annotations

import webbrowser
from pathlib import Path
from typing import Annotated, Literal

import typer

from constitutive.cli.console import emit, err, out
from constitutive.cli.options import JsonOption
from constitutive.errors import ConstitutiveError
from constitutive.files import write_text
from constitutive.library import LibraryEntry, library, shipped


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(materials)


def materials(
    action: Annotated[
        Literal["list", "show"], typer.Argument(metavar="[list|show]", help="list them, or show the report of one.", show_default=False)
    ] = "list",
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="Name of a shipped material.", show_default=False)] = None,
    output: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="FILE", help="HTML file of the report; by default NAME.html here.", show_default=False),
    ] = None,
    browser: Annotated[bool, typer.Option(help="Open the report in the browser.")] = True,
    as_json: JsonOption = False,
) -> None:
    """List the materials that come with the toolkit, or show the report of one.

    Errors are of the second Piola–Kirchhoff stress on states that calibration did not use: of the law, of a network without
    symmetry and of linear elasticity on the same samples. Every command takes such a name in place of a folder.

    Exit codes: 0 done, 2 no such material, or the report cannot be written.

    [bold]Examples[/]

      [dim]constitutive materials[/]
      [dim]constitutive materials --json[/]
      [dim]constitutive materials show quartz[/]
      [dim]constitutive materials show quartz --no-browser -o quartz.html[/]
    """
    if action == "show":
        _show(name, output, browser, as_json)
        return
    if name is not None or output is not None:
        raise ConstitutiveError(
            f"'materials list' takes neither a name nor --out; did you mean 'constitutive materials show {name or 'NAME'}'?"
        )
    entries = library()
    emit(as_json, [entry.as_dict() for entry in entries], lambda: _table(entries))


def _show(name: str | None, output: Path | None, browser: bool, as_json: bool) -> None:
    if name is None:
        raise ConstitutiveError("a name is needed, such as: constitutive materials show quartz")
    folder = shipped(name)
    from constitutive.cli.audit import data_of, unseen_of  # deferred: quick --help
    from constitutive.material import Material  # deferred: quick --help
    from constitutive.report import report as write  # deferred: quick --help

    page = output or Path(f"{name}.html")
    with err.status("writing the report …"):
        text = write(Material.load(folder), data_of(folder, None), unseen=unseen_of(folder, None), learning_curve=False)
    write_text(page, text)
    opened = browser and not as_json and webbrowser.open(page.resolve().as_uri())
    emit(
        as_json, {"report": str(page), "bytes": len(text.encode())}, lambda: out.print(f"wrote {page}{' and opened it' if opened else ''}")
    )


def _table(entries: list[LibraryEntry]) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, padding=(0, 2, 0, 0))
    for title in ("material", "crystal", "group", "system"):
        table.add_column(title, no_wrap=True)
    for title in ("N", "error", "without\nsymmetry", "linear"):
        table.add_column(title, justify="right", no_wrap=True)
    for e in entries:
        words = (Text(text) for text in (e.name, e.formula, e.point_group, e.crystal_system))
        table.add_row(*words, str(e.samples), *map(_percent, (e.unseen_error, e.unconstrained_error, e.linear_error)))
    out.print(table)
    out.print("\nN: samples; error: of the second Piola–Kirchhoff stress on unseen states, and of two laws with less knowledge.")
    out.print("constitutive materials show NAME opens a report; every command takes NAME for a folder.")


def _percent(value: float | None) -> str:
    return "" if value is None else f"{100 * value:.2g} %"
