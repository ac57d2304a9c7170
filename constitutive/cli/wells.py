"""``constitutive wells``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from constitutive.cli.console import emit, err, out
from constitutive.cli.options import JsonOption, MaterialArgument, SeedOption

if TYPE_CHECKING:
    from constitutive.plots import Figure
    from constitutive.variants import Wells

Plot = Annotated[bool, typer.Option("--plot", help="Write a picture.")]
Folder = Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder of the picture.")]
Starts = Annotated[int, typer.Option("--starts", help="Random starts without symmetry.", metavar="N", min=1)]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(wells)


def wells(
    folder: MaterialArgument,
    starts: Starts = 60,
    seed: SeedOption = 0,
    plot: Plot = False,
    output: Folder = Path(),
    as_json: JsonOption = False,
) -> None:
    """Wells and saddles of a material's energy: subgroup, variants, depth, spontaneous strain and polarisation.

    One of each set of equivalent states; energies per volume of the reference state, and per its cell where the structure is known.

    Exit codes: 0 done, 2 the material cannot be read.

    [bold]Examples[/]

      [dim]constitutive wells batio3[/]
      [dim]constitutive wells batio3 --plot --out pictures[/]
      [dim]constitutive wells batio3 --json[/]
    """
    from constitutive.material import Material  # deferred: quick --help

    material = Material.load(folder)
    with err.status("looking for wells …"):
        found = material.wells(starts=starts, seed=seed)
    volume = None if material.structure is None else float(material.structure.volume)
    picture = None
    if plot:
        from constitutive.plots import well_levels  # deferred: quick --help

        picture = save_picture(well_levels(found), output / f"wells_{material.name or folder.name}.png")
    payload = {"material": material.name, "cell_A3": volume, **found.as_dict(), "picture": picture}
    emit(as_json, payload, lambda: _print_wells(found, volume, picture))


def save_picture(figure: Figure, path: Path) -> str:
    """Write a figure, and its folder where there is none.

    Parameters
    ----------
    figure : matplotlib Figure
    path : Path

    Returns
    -------
    str
        The path.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=160)
    return str(path)


def _print_wells(found: Wells, volume: float | None, picture: str | None) -> None:
    from rich.table import Table

    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column("state")
    table.add_column("group")
    depths = ["energy (GPa)", *(["meV/cell"] if volume else [])]
    for title in ("variants", *depths, "falls along", "|P| (C/m²)", "strain xx yy zz yz xz xy (%)"):
        table.add_column(title, justify="right", no_wrap=True)
    for state in found.states:
        cell = [f"{state.energy * volume / 160.2176634 * 1e3:.1f}"] if volume else []
        P = state.polarization
        size = "" if P is None else f"{float((P @ P) ** 0.5):.4f}"
        E = state.strain if "strain" in state.values else None
        six = "" if E is None else " ".join(f"{100 * E[i, j] + 0.0:.2f}" for i, j in ((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1)))
        table.add_row(
            state.kind, state.subgroup.symbol, str(state.count), f"{state.energy:.5f}", *cell, str(state.negative_modes), size, six
        )  # fmt: skip
    out.print(table)
    out.print(found.sentence)
    if picture:
        out.print(f"wrote {picture}")
