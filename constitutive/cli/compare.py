"""``constitutive compare``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from constitutive.cli.console import emit, err, out
from constitutive.cli.options import A_MATERIAL, JsonOption, given_folder, positive

if TYPE_CHECKING:
    from constitutive.report.compare import Comparison


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(compare)


def compare(
    first: Annotated[Path, typer.Argument(metavar="A", help=A_MATERIAL, show_default=False, callback=given_folder)],
    second: Annotated[Path, typer.Argument(metavar="B", help="Another.", show_default=False, callback=given_folder)],
    radius: Annotated[float, typer.Option(help="Norm of the largest strain at which the stresses are compared.", callback=positive)] = 0.03,
    as_json: JsonOption = False,
) -> None:
    """Set two materials side by side: symmetry, law, constants, moduli, domain, and how far their stresses are apart.

    Each law is taken in the standard axes of its crystal, so two data sets of one crystal in different frames compare.

    Exit codes: 0 done, 2 a folder cannot be read.

    [bold]Examples[/]

      [dim]constitutive compare materials/silicon materials/silicon_sw[/]
      [dim]constitutive compare results/a results/b --radius 0.05 --json[/]
    """
    from constitutive.material import Material  # deferred: quick --help
    from constitutive.report.compare import compare as set_side_by_side  # deferred: quick --help

    materials = Material.load(first), Material.load(second)
    with err.status("comparing …"):
        found = set_side_by_side(*materials, radius=radius)
    emit(as_json, found.as_dict(), lambda: _render(first, second, found))


def _render(first: Path, second: Path, found: Comparison) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, padding=(0, 2, 0, 0))
    for title, side in (("", "left"), (str(first), "right"), (str(second), "right"), ("difference", "right")):
        table.add_column(Text(title), justify=side)  # type: ignore[arg-type]  # rich types the two words as a Literal
    for name, (a, b) in found.rows.items():
        table.add_row(Text(name), Text(_text(a)), Text(_text(b)), _difference(a, b))
    out.print(table)
    if found.stress_difference is None:
        out.print("The crystals are of different Laue classes: their stresses are not compared.")
    else:
        out.print(f"Stresses up to |E| = {found.radius:g} differ by {100 * found.stress_difference:.3g} %.")


def _text(value: object) -> str:
    if value is None:
        return "–"
    return f"{value:.5g}" if isinstance(value, float) else str(value)


def _difference(a: object, b: object) -> str:
    if not (isinstance(a, float) and isinstance(b, float)) or a == 0:
        return ""
    return f"{100 * (b - a) / abs(a):+.1f} %"
