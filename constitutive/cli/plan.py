"""``constitutive plan``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from constitutive.cli.console import emit, out, say_note
from constitutive.cli.options import JsonOption, SeedOption, positive, require_other_file
from constitutive.errors import DataError

if TYPE_CHECKING:
    from constitutive.planning import Forecast, Plan, Region


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(plan)


def plan(
    structure: Annotated[Path, typer.Argument(metavar="STRUCTURE", help="The relaxed crystal: CIF, POSCAR, …", show_default=False)],
    folder: Annotated[
        Path | None, typer.Argument(metavar="[FOLDER]", help="New folder for the input files of --to.", show_default=False)
    ] = None,
    output: Annotated[Path | None, typer.Option("-o", "--out", help="Write the plan as JSON.", metavar="PLAN", show_default=False)] = None,
    count: Annotated[
        int | None,
        typer.Option("-n", help="Number of strains, the reference included; 50, or as few as constants need.", metavar="N", min=2),
    ] = None,
    size: Annotated[
        float | None, typer.Option(help="Largest norm |E| of the strain; 0.08, for constants 0.005 or 0.02.", callback=positive)
    ] = None,
    box: Annotated[str | None, typer.Option(help="Instead of --size: largest |E_ij| of xx,yy,zz,yz,xz,xy.", metavar="SIX")] = None,
    visited: Annotated[
        Path | None, typer.Option(help="Instead of --size: an .npz file with the F (n,3,3) that a solve visited.", metavar="NPZ")
    ] = None,
    purpose: Annotated[str, typer.Option("--for", help="For a law, or for elastic constants only.", metavar="law|constants")] = "law",
    order: Annotated[
        int | None,
        typer.Option(help="Of the constants, with --for constants: 2 (the default) or 3.", min=2, max=3, show_default=False),
    ] = None,
    field: Annotated[
        float | None,
        typer.Option(help="Largest electric field |E₀| of the samples, GV/m.", callback=positive, show_default=False, metavar="GV/m"),
    ] = None,
    polarization: Annotated[
        float | None,
        typer.Option(help="Instead of --field: largest |P₀| at which ions are held, C/m².", callback=positive, show_default=False),
    ] = None,
    to: Annotated[
        str | None, typer.Option("--to", help="Write input files: vasp, espresso, lammps, abinit, cp2k or extxyz.", metavar="CODE")
    ] = None,
    kspacing: Annotated[
        float | None,
        typer.Option(
            help="Largest distance of k-points in the input files, 1/Å (with 2π); by default 0.15.", show_default=False, callback=positive
        ),
    ] = None,
    cutoff: Annotated[
        float | None, typer.Option(help="Cut-off of plane waves in the input files, eV.", show_default=False, callback=positive)
    ] = None,
    noise: Annotated[
        float, typer.Option(help="Standard error of a computed stress, GPa, for the expected errors.", callback=positive)
    ] = 0.01,
    seed: SeedOption = 0,
    as_json: JsonOption = False,
) -> None:
    """Choose the strains at which a crystal's stress should be computed, before any of it is.

    For a law: the reference cell, two small strains, and strains spread evenly through the volume, none twice up to symmetry.
    --for constants: as few pairs of opposite strains as determine those of the --order. Printed: which constants the plan
    determines, and how well for a given --noise of the stresses.

    Exit codes: 0 written, 2 refused (nothing written).

    [bold]Examples[/]

      [dim]constitutive plan POSCAR -n 50 --size 0.08 --to vasp runs[/]
      [dim]constitutive plan POSCAR --for constants -o plan.json[/]
      [dim]constitutive plan quartz.cif -n 200 --field 2 -o plan.json[/]
      [dim]constitutive convert runs -o data.json[/]
    """
    from constitutive.planning import InputOptions, forecast, make_plan, write_inputs  # deferred: torch takes seconds to import
    from constitutive.symmetry import PointGroup  # deferred: quick --help

    if output is None and to is None:
        raise DataError("plan: found neither -o PLAN nor --to CODE FOLDER; needed one of them: nothing would be written")
    if (to is None) != (folder is None):
        raise DataError("plan: found --to without a folder or a folder without --to; needed both, as in --to vasp runs")
    if output is not None:
        require_other_file("plan", structure, output)
    if to is None and (kspacing is not None or cutoff is not None):
        raise DataError("plan: found --kspacing or --cutoff without --to; needed --to CODE FOLDER: they are for the input files")
    constants = _constants(purpose, order)
    made = make_plan(
        structure, count, size=size, region=_region(box, visited), constants=constants, field=field, polarization=polarization, seed=seed
    )
    if to is not None and (field or polarization):
        raise DataError("plan: found --to with --field or --polarization; needed -o PLAN for constitutive simulate, which relaxes ions so")
    options = InputOptions(kspacing=kspacing, cutoff=cutoff)
    if to is not None and folder is not None:
        made = write_inputs(made, to, folder, options)
    if output is not None:
        made.save(output)
    expected = forecast(made, PointGroup.from_structure(made.structure), noise)
    orders = (2,) if constants == 2 else (2, 3)
    for note in made.notes:
        say_note(note)
    emit(as_json, _payload(made, expected, output, folder), lambda: _render(made, expected, orders, output, folder, count))


def _constants(purpose: str, order: int | None) -> int | None:
    """The order of the constants that are planned for; None for a law."""
    if purpose not in ("law", "constants"):
        raise DataError(f"--for: found {purpose!r}; needed law or constants")
    if purpose == "law" and order is not None:
        raise DataError(f"plan: found --order {order} for a law; needed --for constants with it")
    return (order or 2) if purpose == "constants" else None


def _region(box: str | None, visited: Path | None) -> Region | None:
    from constitutive.planning import Box, read_visited  # deferred: quick --help

    if box is not None and visited is not None:
        raise DataError("plan: found --box and --visited; needed one of them")
    if visited is not None:
        return read_visited(visited)
    if box is None:
        return None
    try:
        limits = [float(word) for word in box.replace(",", " ").split()]
    except ValueError as error:
        raise DataError(f"--box: found {box!r}; needed six numbers, as 0.05,0.05,0.05,0.02,0.02,0.02") from error
    if len(limits) != 6:
        raise DataError(f"--box: found {len(limits)} numbers; needed six, for xx,yy,zz,yz,xz,xy")
    return Box((limits[0], limits[1], limits[2], limits[3], limits[4], limits[5]))


def _payload(plan: Plan, expected: Forecast, output: Path | None, folder: Path | None) -> dict[str, object]:
    return {
        "written": [str(path) for path in (output, folder) if path is not None],
        "name": plan.name,
        "point_group": plan.point_group,
        "samples": len(plan),
        "purpose": plan.purpose,
        "size": plan.size,
        "images": expected.images,
        "noise_GPa": expected.noise,
        "expected_errors_GPa": {str(order): errors for order, errors in expected.errors.items()},
    }


def _render(
    plan: Plan, expected: Forecast, orders: tuple[int, ...], output: Path | None, folder: Path | None, asked: int | None
) -> None:
    from rich.table import Table
    from rich.text import Text

    what = "for a law" if plan.purpose == "law" else "for elastic constants"
    out.print(Text(f"{plan.name}, {plan.point_group}: {len(plan)} strains {what}, |E| up to {plan.size:.3g}"))
    if asked is not None and asked > len(plan):
        out.print(f"  {asked} were asked for: strains for constants come in whole sets of pairs")
    out.print(f"  symmetry makes {expected.images} different strains of them: {expected.images - len(plan)} runs saved")
    table = Table(title=f"expected standard errors (GPa) for stresses known to {expected.noise:g} GPa", title_justify="left", box=None)
    table.add_column("order", justify="right")
    table.add_column("constants")
    for order in orders:
        known = [f"{name} ±{error:.2g}" for name, error in expected.errors[order].items() if error is not None]
        table.add_row(str(order), Text("  ".join(known) or "none"))
        if unknown := expected.open(order):
            table.add_row("", Text("not determined: " + " ".join(unknown), style="yellow"))
    out.print(table)
    for path in (output, folder):
        if path is not None:
            out.print(Text(f"wrote {path}"), soft_wrap=True)
    if folder is not None:
        out.print(
            Text(f"next: run the program in each folder (see {folder / 'README.md'}), then: constitutive convert {folder} -o data.json"),
            soft_wrap=True,
        )
