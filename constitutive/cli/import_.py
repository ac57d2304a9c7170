"""``constitutive import``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from constitutive.cli.console import emit, err, out
from constitutive.cli.options import JsonOption


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("import")(import_constants)


def import_constants(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Elastic constants: text, JSON or an Abaqus card.", show_default=False)],
    output: Annotated[Path, typer.Option("-o", "--out", help="Folder of the material to write.", metavar="DIR", show_default=False)],
    point_group: Annotated[
        str | None, typer.Option("--point-group", help="Point group in standard axes.", metavar="S", show_default=False)
    ] = None,
    structure: Annotated[
        Path | None, typer.Option("--structure", help="The crystal, in whose Cartesian axes the constants are.", show_default=False)
    ] = None,
    unit: Annotated[str | None, typer.Option(help="Unit of the numbers: GPa, MPa, kPa or Pa.", show_default=False)] = None,
    order: Annotated[
        str | None, typer.Option(help="Order of the components of a table, such as 'xx yy zz xy yz xz'.", show_default=False)
    ] = None,
    name: Annotated[str | None, typer.Option(help="Name of the material; by default the file's.", show_default=False)] = None,
    as_json: JsonOption = False,
) -> None:
    """Make a material of elastic constants from another program, with frame and group checked.

    It reads six rows of six numbers (ELATE's text), JSON of the Materials Project or pymatgen, and Abaqus's *ELASTIC cards. JSON with
    stiffness (GPa) and piezoelectric_e (C/m²) or piezoelectric_d (pm/V), permittivity (relative, constant strain) or
    permittivity_at_constant_stress, thermal_expansion (1/K), pyroelectric (C/m²/K), heat_capacity (J/m³/K) gives a piezoelectric material.

    Exit codes: 0 written, 2 refused (nothing written).

    [bold]Examples[/]

      [dim]constitutive import silicon.txt --point-group m-3m -o silicon[/]
      [dim]constitutive import quartz.inp --point-group 32 --unit MPa -o quartz[/]
      [dim]constitutive import quartz_constants.json --point-group 32 -o quartz[/]
    """
    from constitutive.export import read_constants  # deferred: torch takes seconds to import
    from constitutive.symmetry import read_structure  # deferred: quick --help

    crystal = None if structure is None else read_structure(structure)
    material, found = read_constants(
        file, point_group=point_group, structure=crystal, unit=unit, order=order, name=file.stem if name is None else name
    )
    material.save(output)

    beside = f" with {', '.join(sorted(found.tables))}" if found.tables else ""

    def render() -> None:
        out.print(f"wrote {output}: {material.point_group.symbol}, from {found.source}{beside}", markup=False, soft_wrap=True)

    payload = {"folder": str(output), "point_group": material.point_group.symbol, "kind": found.source, "assumed": list(found.assumed)}
    payload["tables"] = sorted(found.tables)
    emit(as_json, {**payload, "C_voigt_GPa": material.stiffness_voigt()}, render)
    for line in found.assumed:
        err.print(f"[yellow]assumed:[/] {line}")
