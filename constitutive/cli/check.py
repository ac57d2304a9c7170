"""``constitutive check``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from constitutive.cli.console import emit, out
from constitutive.cli.options import JsonOption, StructureOption

if TYPE_CHECKING:
    from constitutive.intake import IntakeReport


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(check)


def check(
    data: Annotated[Path, typer.Argument(metavar="DATA", help="Data set (JSON, HDF5) or a code's output.", show_default=False)],
    structure: StructureOption = None,
    as_json: JsonOption = False,
) -> None:
    """Find what is wrong with a data set: unit, sign, component order, frames, measure, group, samples.

    Each finding gives its certainty, the samples concerned, and the option of `convert` that corrects it.
    Exit codes: 0 nothing found, 1 there is a finding, 2 the data cannot be read.

    [bold]Examples[/]

      [dim]constitutive check materials/silicon/data.json[/]
      [dim]constitutive check data.json --structure relaxed.cif --json[/]
    """
    from constitutive.intake import check_file  # deferred: quick --help

    report = check_file(data, structure=structure)
    emit(as_json, report.payload(), lambda: _render(data, report))
    if not report.ok:
        raise typer.Exit(1)


def _render(path: Path, report: IntakeReport) -> None:
    from rich.text import Text

    verdict = "[green]no fault found[/]" if report.ok else f"[red]{len(report.findings)} finding(s)[/]"
    out.print(Text(str(path)), verdict, f"residual {report.residual:.2g}", sep="  ")
    declared = f" (declared {report.declared_group})" if report.declared_group else ""
    out.print(f"  largest group that the data agree with: {report.largest_group or 'undecided'}{declared}")
    for finding in report.findings:
        out.print(f"  [bold]{finding.fault}[/] ({100 * finding.certainty:.0f} % certain)")
        out.print(Text(f"    {finding.message}"), soft_wrap=True)
        if finding.mend:
            out.print(Text(f"    correction: {finding.mend}"), soft_wrap=True)
    for remark in report.undecided:
        out.print(Text(f"  undecided: {remark}", style="dim"), soft_wrap=True)
