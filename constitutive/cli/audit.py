"""``constitutive audit``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from constitutive.cli.console import emit, err, out
from constitutive.cli.options import DataOption, JsonOption, MaterialArgument, SeedOption, UnseenOption

if TYPE_CHECKING:
    from rich.table import Table

    from constitutive.audit import Audit, Check
    from constitutive.data import StressStrainData

COLOURS = {"kept": "green", "broken": "red", "noted": "cyan", "not measured": "yellow"}


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(audit)


def audit(
    folder: MaterialArgument,
    data: DataOption = None,
    unseen: UnseenOption = None,
    seed: SeedOption = 0,
    as_json: JsonOption = False,
) -> None:
    """Measure the properties that a material must have, and report those outside their limits.

    Exact properties (objectivity, symmetry under each generator, reference stress, tangent, work over closed cycles) at 200
    random strains, relative to the largest stress or tangent; the same law after saving and in compiled code; strong ellipticity
    in its domain; and, with data, their symmetry and the errors and coverage on held-out states.

    Exit codes: 0 all limits kept, 1 one is broken, 2 the folder or the data cannot be read.

    [bold]Examples[/]

      [dim]constitutive audit materials/silicon[/]
      [dim]constitutive audit results/silicon --data materials/silicon/data.json[/]
      [dim]constitutive audit results/silicon --json | jq .symmetry[/]
    """
    from constitutive.audit import audit as measure  # deferred: quick --help
    from constitutive.material import Material  # deferred: quick --help

    material = Material.load(folder)
    with err.status("measuring …"):
        found = measure(material, data_of(folder, data), unseen=unseen_of(folder, unseen), seed=seed)
    emit(as_json, found.as_dict(), lambda: _render(folder, found))
    if not found.passed:
        raise typer.Exit(1)


def data_of(folder: Path, given: Path | None) -> StressStrainData | None:
    """The data set given, or the one in the material's folder, or none."""
    from constitutive.data import StressStrainData  # deferred: quick --help

    found = given or next((path for path in (folder / "data.json", folder / "data.h5") if path.exists()), None)
    return None if found is None else StressStrainData.load(found)


def unseen_of(folder: Path, given: Path | None) -> StressStrainData | None:
    """The unseen states given, or those in the material's folder, or none."""
    from constitutive.data import StressStrainData  # deferred: quick --help

    beside = folder / "unseen.json"
    found = given or (beside if beside.exists() else None)
    return None if found is None else StressStrainData.load(found)


def _render(folder: Path, found: Audit) -> None:
    from rich.table import Table
    from rich.text import Text

    title = Text(f"Audit of {folder}: {found.samples} strains up to |E| = {found.radius:g}")
    table = Table(title=title, title_justify="left", box=None, padding=(0, 2, 0, 0))
    for column in ("property", "", "compared"):
        table.add_column(column)
    table.add_column("figure", justify="right")
    table.add_column("limit", justify="right")
    for name, check in found.checks.items():
        _add(table, name, check)
    out.print(table)
    for name, check in found.broken.items():
        out.print(f"[red]{name.replace('_', ' ')} is broken[/]: ", end="")
        out.print(check.advice, markup=False)


def _add(table: Table, name: str, check: Check) -> None:
    from rich.text import Text

    standing = Text(check.standing, style=COLOURS[check.standing])
    compared = Text(f"{check.meaning}{': ' + check.reason if check.reason else ''}")
    table.add_row(Text(name.replace("_", " "), style="bold"), standing, compared, number(check.figure), number(check.limit))
    for part, value in check.details.items():
        text = number(value) if isinstance(value, float) else str(value)
        table.add_row("", "", Text(f"  {part}", style="dim"), Text(text, style="dim"), "")


def number(value: float | None) -> str:
    """A figure of a table: short, and in powers of ten where it is small."""
    if value is None:
        return ""
    return f"{value:.3g}" if value == 0 or abs(value) >= 1e-3 else f"{value:.1e}"
