"""``constitutive export``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from constitutive.cli.console import emit, err, out
from constitutive.cli.options import A_MATERIAL, JsonOption, given_folder
from constitutive.errors import ConstitutiveError


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(export)


def export(
    folder: Annotated[Path | None, typer.Argument(metavar="DIR", help=A_MATERIAL, show_default=False, callback=given_folder)] = None,
    to: Annotated[
        str | None, typer.Option("--to", help="Format of the output; --list shows them.", metavar="FORMAT", show_default=False)
    ] = None,
    output: Annotated[Path | None, typer.Option("-o", "--out", help="File or folder to write.", metavar="PATH", show_default=False)] = None,
    unit: Annotated[
        str | None, typer.Option(help="Unit of stress: GPa, MPa, kPa or Pa; each format has a usual one.", show_default=False)
    ] = None,
    outside: Annotated[
        str | None,
        typer.Option(
            help="At strains outside the domain: warn (the law as it is), extend (its energy is continued) or stop.", show_default=False
        ),
    ] = None,
    precision: Annotated[str, typer.Option(help="double or single (onnx and torch).")] = "double",
    name: Annotated[str | None, typer.Option(help="Identifier in code; by default the material's name.", show_default=False)] = None,
    listed: Annotated[bool, typer.Option("--list", help="List the formats: what each gives and needs.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Write a material as code or tables that other programs take.

    Each output states material, group, frame, units, domain, held-out error and hash. What a format cannot hold is refused.

    Exit codes: 0 written, 2 refused or bad input (nothing written).

    [bold]Examples[/]

      [dim]constitutive export --list[/]
      [dim]constitutive export materials/silicon --to umat -o silicon_umat.f90[/]
      [dim]constitutive export materials/quartz --to onnx --precision single -o quartz.onnx[/]
    """
    from constitutive.export import FORMATS  # deferred: torch takes seconds to import
    from constitutive.export import export as write  # deferred: quick --help
    from constitutive.material import Material  # deferred: quick --help

    if listed:
        rows = {
            f.name: {"gives": f.gives, "needs": f.needs, "holds": f.holds, "unit": f.unit, "units": list(f.units)} for f in FORMATS.values()
        }
        emit(as_json, rows, lambda: _table(rows))
        return
    if folder is None or to is None or output is None:
        raise ConstitutiveError("needed: the folder of a material, --to FORMAT and -o PATH (or --list)")
    material = Material.load(folder)
    files = write(material, to, output, unit=unit, outside=outside, precision=precision, name=name)

    def render() -> None:
        for file in files:
            out.print(str(file), markup=False, soft_wrap=True)

    emit(as_json, {"format": to, "files": [str(file) for file in files]}, render)
    if material.elastic_law_held_at:
        err.print(f"[yellow]note:[/] the stress at {material.elastic_law_held_at} is exported: formats hold laws of the strain alone")
    if FORMATS[to].holds == "constants":
        err.print("[yellow]note:[/] elastic constants of second order only: exact to first order in the strain")


def _table(rows: dict[str, dict[str, object]]) -> None:
    for name, row in rows.items():
        out.print(f"{name:15} {row['gives']}", markup=False, soft_wrap=True)
        out.print(f"{'':15} needs {row['needs']}; stress in {row['unit']} by default", markup=False, soft_wrap=True)
