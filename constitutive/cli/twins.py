"""``constitutive twins``."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from constitutive.cli.console import emit, err, out
from constitutive.cli.options import A_MATERIAL, JsonOption, SeedOption, given_folder
from constitutive.cli.wells import Folder, Plot, Starts, save_picture
from constitutive.errors import MaterialError

if TYPE_CHECKING:
    from constitutive.variants import Variants, WallTable


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(twins)


def twins(
    folder: Annotated[
        Path | None, typer.Argument(metavar="[DIR]", help=A_MATERIAL, callback=given_folder)
    ] = None,
    well: Annotated[int, typer.Option("--well", metavar="N", min=1, help="Which well, the deepest first.")] = 1,
    group: Annotated[str | None, typer.Option("--group", metavar="G", help="Point group of the parent phase, in standard axes.")] = None,
    subgroup: Annotated[str | None, typer.Option("--subgroup", metavar="H", help="Point group of a variant.")] = None,
    strain: Annotated[
        str | None, typer.Option("--strain", metavar="XX,YY,ZZ,YZ,XZ,XY", help="Green–Lagrange strain of a variant (tensor components).")
    ] = None,
    polarization: Annotated[str | None, typer.Option("--polarization", metavar="X,Y,Z", help="Polarisation of that variant.")] = None,
    starts: Starts = 60,
    seed: SeedOption = 0,
    plot: Plot = False,
    output: Folder = Path(),
    as_json: JsonOption = False,
) -> None:
    """Coherent walls between the variants of a well: twins by Hadamard's condition, planes, and which are neutral.

    Of a material's well, or of a transition given by two point groups and the strain of a variant.

    Exit codes: 0 done, 2 bad input, or the material has no such well.

    [bold]Examples[/]

      [dim]constitutive twins batio3 --plot[/]
      [dim]constitutive twins --group m-3m --subgroup 4mm --strain=-0.003,-0.003,0.01,0,0,0 --polarization 0,0,0.26[/]
    """
    from constitutive.variants import walls  # deferred: quick --help

    given = {"--group": group, "--subgroup": subgroup, "--strain": strain}
    if folder is not None and any(value is not None for value in (*given.values(), polarization)):
        raise MaterialError("give a material, or --group, --subgroup and --strain: not both")
    if folder is None:
        missing = [name for name, value in given.items() if value is None]
        if missing:
            raise MaterialError(f"{', '.join(missing)} missing: give a material, or --group, --subgroup and --strain of a variant")
        name, found = f"{group}_{subgroup}".replace("/", ""), _given_variants(str(group), str(subgroup), str(strain), polarization)
    else:
        name, found = _variants_of(folder, well, starts, seed)
    table = walls(found)
    picture = None
    if plot:
        from constitutive.plots import wall_stereogram  # deferred: quick --help

        picture = save_picture(wall_stereogram(table), output / f"twins_{name}.png")
    emit(as_json, {**table.as_dict(), "picture": picture}, lambda: _print_walls(table, picture))


def _variants_of(folder: Path, well: int, starts: int, seed: int) -> tuple[str, Variants]:
    from constitutive.material import Material  # deferred: quick --help

    material = Material.load(folder)
    with err.status("looking for wells …"):
        minima = material.wells(starts=starts, seed=seed).minima
    if well > len(minima):
        raise MaterialError(f"--well {well}: the energy has {len(minima)} kinds of wells; see constitutive wells {folder.name}")
    return material.name or folder.name, minima[well - 1].variants()


def _given_variants(group: str, subgroup: str, strain: str, polarization: str | None) -> Variants:
    import numpy as np

    from constitutive.variants import variants  # deferred: quick --help

    xx, yy, zz, yz, xz, xy = _numbers(strain, 6, "--strain")
    E = np.array([[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]])
    return variants(group, subgroup, E, None if polarization is None else np.array(_numbers(polarization, 3, "--polarization")))


def _numbers(text: str, count: int, option: str) -> list[float]:
    words = text.replace(",", " ").split()
    try:
        values = [float(word) for word in words]
    except ValueError:
        values = []
    if len(values) != count or not all(map(math.isfinite, values)):
        raise MaterialError(f"{option} {text!r} found; {count} finite numbers between commas are needed")
    return values


def _print_walls(found: WallTable, picture: str | None) -> None:
    from rich.table import Table

    v = found.variants
    head = f"{v.group.symbol} to {v.subgroup.symbol}: {len(v)} variants; walls by angle between polarisations"
    table = Table(title=head, title_justify="left", box=None, padding=(0, 2, 0, 0))
    for title in ("angle (°)", "plane", "type", "charge", "walls", "shear"):
        table.add_column(title, justify="right" if title in ("angle (°)", "walls", "shear") else "left")
    for row in found.rows():
        angle = "" if row["angle"] is None else str(row["angle"])
        table.add_row(angle, row["plane"], row["kind"], row["charge"], str(row["walls"]), f"{row['shear']:.5f}")
    out.print(table)
    out.print(f"pairs of one strain (any plane is a wall): {found.same_strain}; pairs that no wall joins: {found.incompatible}")
    out.print(f"largest residual of Hadamard's condition: {found.residual:.1e}")
    if picture:
        out.print(f"wrote {picture}")
