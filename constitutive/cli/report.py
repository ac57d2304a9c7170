"""``constitutive report``."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Annotated

import typer

from constitutive.cli.audit import data_of, unseen_of
from constitutive.cli.console import ProgressBar, emit, out
from constitutive.cli.options import DataOption, JsonOption, MaterialArgument, SeedOption, UnseenOption
from constitutive.files import write_text


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(report)


def report(
    folder: MaterialArgument,
    output: Annotated[Path, typer.Option("--out", "-o", metavar="FILE", help="HTML file to write.")] = Path("report.html"),
    data: DataOption = None,
    unseen: UnseenOption = None,
    learning_curve: Annotated[bool, typer.Option(help="Calibrate again on fewer samples, for the learning curve.")] = True,
    seed: SeedOption = 0,
    as_json: JsonOption = False,
) -> None:
    """Write one HTML page about a material: it opens from disk, needs no network, and its figures can be turned.

    The crystal with its symmetry elements, provenance, the law and why it was chosen, learning curve, parity and errors,
    stress along paths, elastic constants beside published ones, moduli by direction at rest and at finite strain,
    stability, domain of validity, and the audit. Print it from the browser.

    Exit codes: 0 written, 2 the folder or the data cannot be read.

    [bold]Examples[/]

      [dim]constitutive report materials/silicon -o silicon.html[/]
      [dim]constitutive report results/silicon --data materials/silicon/data.json --no-learning-curve[/]
    """
    from constitutive.material import Material  # deferred: quick --help
    from constitutive.report import report as write  # deferred: quick --help

    material = Material.load(folder)
    with ProgressBar() as progress:
        samples, others = data_of(folder, data), unseen_of(folder, unseen)
        page = write(material, samples, unseen=others, learning_curve=learning_curve, seed=seed, progress=progress)
    with contextlib.suppress(OSError):  # write_text raises the error
        output.parent.mkdir(parents=True, exist_ok=True)
    write_text(output, page)
    size = len(page.encode())
    emit(as_json, {"report": str(output), "bytes": size}, lambda: out.print(f"wrote {output} ({size / 1e6:.1f} MB)"))
