"""``constitutive doctor``."""

from __future__ import annotations

from dataclasses import asdict

import typer

from constitutive.cli.console import emit, out
from constitutive.cli.options import JsonOption
from constitutive.doctor import PACKAGES, Diagnosis, diagnose


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(doctor)


def doctor(as_json: JsonOption = False) -> None:
    """Print versions, the route of the set-up, threads, MPI, and what is missing.

    Exit codes: 0 all there, 1 something is missing.

    [bold]Examples[/]

      [dim]constitutive doctor[/]
      [dim]constitutive doctor --json[/]
    """
    found = diagnose()
    emit(as_json, asdict(found), lambda: _render(found))
    if not found.complete:
        raise typer.Exit(1)


def _render(found: Diagnosis) -> None:
    from rich.table import Table

    table = Table(title="constitutive doctor", title_justify="left", box=None, padding=(0, 2, 0, 0))
    for column in ("package", "version", "needed for"):
        table.add_column(column)
    for name, version in found.versions.items():
        table.add_row(name, version or "[red]missing[/]", PACKAGES.get(name, ""))
    out.print(table)
    threads = ", ".join(f"{name} {value or 'not set'}" for name, value in found.threads.items())
    places = (("route", found.route), ("threads", threads), ("MPI", found.mpi), ("compiler", found.compiler), ("kernel", found.kernel))
    for title, text in places:
        out.print(f"[bold]{title:9}[/] {text or '[red]none[/]'}")
    for name, advice in found.missing.items():
        out.print("[red]missing[/]   ", end="")
        out.print(f"{name}: {advice}", markup=False)
    if found.complete:
        out.print("[green]nothing is missing[/]")
