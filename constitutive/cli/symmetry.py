"""``constitutive symmetry``: the point group of a structure, or two structures compared."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from constitutive.cli.console import emit, err, out
from constitutive.cli.options import JsonOption, positive
from constitutive.errors import SymmetryError
from constitutive.plain import JsonObject

if TYPE_CHECKING:
    import numpy as np
    from rich.console import RenderableType

    from constitutive.symmetry import Comparison, MagneticPointGroup, Periodicity, PointGroup, SymmetryReport, ToleranceScan

_PANEL_WIDTH = 104
_MANY_ATOMS = 400  # above, a search may take a second
_COUNTED = ("pyroelectric", "dielectric", "piezoelectric", "gyration", "photoelastic")


def register(app: typer.Typer) -> None:
    """Add the command to the app."""
    app.command("symmetry")(symmetry)


def symmetry(
    file: Annotated[Path, typer.Argument(help="Structure: CIF, POSCAR, extxyz, JSON, and what else ASE reads.")],
    other: Annotated[Path | None, typer.Argument(help="A second structure to compare with: subgroup relation, variants.")] = None,
    symprec: Annotated[float, typer.Option(help="Distance in Å within which atoms count as equivalent.", callback=positive)] = 0.01,
    disorder: Annotated[str, typer.Option(help="Partly occupied sites: refuse, or species (each its own).")] = "refuse",
    magnetic: Annotated[bool, typer.Option("--magnetic", help="Find the magnetic point group too, from the structure's moments.")] = False,
    sign_from: Annotated[
        Path | None, typer.Option(help="JSON array of a measured tensor (3×6, 6×6 or full, input frame): it fixes signs left open.")
    ] = None,
    plot: Annotated[bool, typer.Option("--plot", help="Write a picture: stereogram and component patterns.")] = False,
    output: Annotated[Path, typer.Option("--out", help="Folder of the picture.")] = Path(),
    as_json: JsonOption = False,
) -> None:
    """Point group, space group and what follows: constants per order, frames, how the result depends on the tolerance.

    With two structures: whether one point group is a subgroup of the other, and the variants of a transition between them.

    Exit codes: 0 done, 2 the structure cannot be read.

    [bold]Examples[/]

      [dim]constitutive symmetry quartz.cif --plot[/]
      [dim]constitutive symmetry POSCAR --symprec 0.05 --json[/]
      [dim]constitutive symmetry cubic.vasp tetragonal.vasp[/]
    """
    from constitutive.symmetry import find_symmetry, periodicity, read_cell, scan_tolerances  # deferred: quick --help

    progress = _Progress()
    cell = read_cell(file, disorder=disorder)
    if len(cell.positions) > _MANY_ATOMS:
        progress(f"symmetry of {len(cell.positions)} atoms", 0.0, at_once=True)
    report = find_symmetry(cell, symprec)
    if other is not None:
        second = find_symmetry(other, symprec, disorder=disorder)
        for path, found in ((file, report), (other, second)):
            for note in found.notes:
                _say(f"{path.name}: {note}")
        _compare(report, second, (file, other), as_json)
        return
    if sign_from is not None:
        report = replace(report, sign_from=_measured_tensor(sign_from))
    space = periodicity(report.cell)
    for note in (*report.notes, *(() if space.is_bulk else (space.sentence,))):
        _say(note)
    scan = scan_tolerances(report, symprec=symprec, progress=progress)
    group = _magnetic_group(report) if magnetic else None
    payload = _payload(report, scan, space)
    if group is not None:
        payload["magnetic_point_group"] = group.symbol
    picture = _write_picture(report, output / f"symmetry_{file.stem}.png") if plot else None
    emit(as_json, payload, lambda: out.print(_panel(file.name, report, scan, group)))
    if picture is not None:
        err.print(f"wrote {picture}", markup=False)


class _Progress:
    """Lines on stderr of what is done next, once a second has passed."""

    def __init__(self) -> None:
        self._start = time.monotonic()

    def __call__(self, what: str, fraction: float, *, at_once: bool = False) -> None:
        if at_once or time.monotonic() - self._start > 1.0:
            err.print(f"{100 * fraction:3.0f} % {what} …", style="dim", markup=False)


def _say(note: str) -> None:
    err.print("[yellow]note:[/] ", end="")
    err.print(note, markup=False, soft_wrap=True)


def _measured_tensor(path: Path) -> np.ndarray:
    import json

    import numpy as np

    try:
        return np.array(json.loads(path.read_text(encoding="utf-8")), dtype=float)
    except (OSError, ValueError, TypeError) as error:
        raise SymmetryError(f"{path}: no tensor in it ({error}); a JSON array of shape 3×6, 6×6, 3×3×3 or 3×3×3×3 is needed") from error


def _magnetic_group(report: SymmetryReport) -> MagneticPointGroup:
    from constitutive.symmetry import find_magnetic_group  # deferred: quick --help

    return find_magnetic_group(report.cell, report.symprec)


# ---- for programs


def _payload(report: SymmetryReport, scan: ToleranceScan, space: Periodicity) -> JsonObject:
    from constitutive.tensors import elastic_constant_counts  # deferred: quick --help

    group, frames, stated = report.point_group, report.frames, report.cell.stated
    return {
        "point_group": group.symbol,
        "laue_class": group.laue_class,
        "crystal_system": group.crystal_system,
        "space_group": report.space_group,
        "space_group_number": report.space_group_number,
        "order": group.order,
        "constants": {str(order): count for order, count in elastic_constant_counts(group).items()},
        "frames": {
            "input": frames.input,
            "conventional": frames.conventional,
            "ieee": frames.ieee,
            "conventional_cell": frames.conventional_cell,
            "open_choices": frames.open_choices,
            "decided_by": frames.decided_by,
        },
        "ladder": {
            "symprec": scan.symprec,
            "plateau": scan.plateau,
            "steady": scan.steady,
            "sentence": scan.sentence,
            "steps": [step._asdict() for step in scan.steps],
            "unscanned": scan.unscanned,
        },
        "generators": group.generators,
        "stated": None if stated is None else {"space_group": stated.symbol, "space_group_number": stated.number},
        "notes": report.notes,
        "periodicity": {"dimension": space.dimension, "name": space.name, "vacuum": space.vacuum},
    }


def _compare(first: SymmetryReport, second: SymmetryReport, files: tuple[Path, Path], as_json: bool) -> None:
    from constitutive.symmetry import compare  # deferred: quick --help

    comparison = compare(first.point_group, second.point_group)
    payload = {
        "first": _names(first),
        "second": _names(second),
        "relation": comparison.relation,
        "common_point_group": comparison.common.symbol,
        "turn": comparison.turn,
        "variants": comparison.variants,
        "sentence": comparison.sentence,
    }
    emit(as_json, payload, lambda: out.print(_comparison_panel(first, second, files, comparison)))


def _names(report: SymmetryReport) -> JsonObject:
    return {
        "point_group": report.point_group.symbol,
        "space_group": report.space_group,
        "space_group_number": report.space_group_number,
        "order": report.point_group.order,
    }


# ---- for people


def _panel(name: str, report: SymmetryReport, scan: ToleranceScan, magnetic: MagneticPointGroup | None) -> RenderableType:
    from rich.console import Group
    from rich.panel import Panel
    from rich.table import Table
    from rich.text import Text

    from constitutive.symmetry import cell_condition, elements_in_words  # deferred: quick --help

    group = report.point_group
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", justify="right", no_wrap=True)
    table.add_column()
    table.add_row(
        "point group", Text.assemble((group.symbol, "bold cyan"), f"   full {group.full_symbol}   Schoenflies {group.schoenflies}")
    )
    table.add_row("Laue class", f"{group.laue_class}   {group.crystal_system}   {group.order} operations, {_nature(report)}")
    if magnetic is not None:
        table.add_row("magnetic", Text.assemble((magnetic.symbol, "bold magenta"), f"   {magnetic.kind}, {magnetic.order} operations"))
    elif report.cell.magnetic_moments is not None and report.cell.magnetic_moments.any():
        table.add_row("magnetic", Text("the structure has moments; they are left out here (--magnetic takes them in)", style="yellow"))
    table.add_row("elements", Text("\n".join(elements_in_words(group))))
    table.add_row("constants", _constants(report))
    table.add_row("other tensors", _other_tensors(report))
    table.add_row("tolerance", _tolerances(scan))
    table.add_row("", Text(scan.sentence, style="" if scan.steady else "yellow"))
    if report.cell.stated is not None:
        table.add_row("stated", Text(f"the file states {report.cell.stated.name}", style="yellow" if report.disagreements else ""))
    condition = cell_condition(report)
    table.add_row("cell", Text(condition.sentence, style="yellow" if condition.strained else ""))
    table.add_row("frames", _frames(report))
    title = f"[bold]{_formula(report)}[/]   {report.space_group} (No. {report.space_group_number})"
    return Panel(Group(table), title=title, subtitle=Text(name, style="dim"), width=min(_PANEL_WIDTH, out.width), padding=(1, 1))


def _formula(report: SymmetryReport) -> str:
    from math import gcd

    kinds = report.cell.kinds[report.centres]
    counts = [int((kinds == k + 1).sum()) for k in range(len(report.cell.names))]
    common = gcd(*counts)
    return "".join(f"{name}{count // common if count > common else ''}" for name, count in zip(report.cell.names, counts, strict=True))


def _nature(report: SymmetryReport) -> str:
    from constitutive.symmetry import enantiomorph_number  # deferred: quick --help

    group = report.point_group
    if group.is_centrosymmetric:
        return "centrosymmetric (tensors of odd rank vanish)"
    words = ["not centrosymmetric"]
    if group.is_polar:
        words.append("polar")
    if group.is_chiral:
        other = enantiomorph_number(report.space_group_number)
        mirrored = f"the other hand is No. {other}" if other != report.space_group_number else "the other hand has the same space group"
        words.append(f"handed ({mirrored})")
    return ", ".join(words)


def _constants(report: SymmetryReport) -> str:
    from constitutive.tensors import elastic_constant_counts  # deferred: quick --help

    names = {1: "reference stress", 2: "second order", 3: "third", 4: "fourth"}
    counts = elastic_constant_counts(report.point_group)
    return "elastic: " + "   ".join(f"{names[order]} [bold]{count}[/]" for order, count in counts.items())


def _other_tensors(report: SymmetryReport) -> str:
    from constitutive.tensors import independent_constants  # deferred: quick --help

    return "   ".join(f"{name} [bold]{independent_constants(report.point_group, name)}[/]" for name in _COUNTED)


def _tolerances(scan: ToleranceScan) -> RenderableType:
    """The scan as ranges of tolerance, the one in use in bold."""
    from itertools import groupby

    from rich.text import Text

    text = Text()
    for (_, name, symbol), run in groupby(scan.steps, key=lambda s: (s.space_group_number, s.point_group, s.space_group)):
        steps = list(run)
        here = any(step.symprec == scan.symprec for step in steps)
        span = f"{steps[0].symprec:g} … {steps[-1].symprec:g} Å" if len(steps) > 1 else f"{steps[0].symprec:g} Å"
        mark = f"   ◀ symprec {scan.symprec:g} Å" if here else ""
        text.append(f"{name:<6} {symbol:<10} {span}{mark}\n", style="bold" if here else "dim")
    text.rstrip()
    return text


def _frames(report: SymmetryReport) -> str:
    frames = report.frames
    cell = frames.conventional_cell
    lengths = (cell**2).sum(axis=1) ** 0.5
    lines = ["axes in components of the input frame", _axes("conventional", frames.conventional), _axes("IEEE 176", frames.ieee)]
    lines.append("conventional cell a, b, c = " + ", ".join(f"{length:.4f}" for length in lengths) + " Å")
    if frames.open_choices > 1:
        by = {"bonds": "the bonds", "tensor": "the measured tensor"}[frames.decided_by]
        lines.append(f"lattice and group leave {frames.open_choices} senses of the axes open: {by} decided (docs/symmetry.md)")
    return "\n".join(lines)


def _axes(name: str, frame: np.ndarray) -> str:
    rows = ["(" + " ".join(f"{value + 0.0:7.4f}" for value in row) + ")" for row in frame.round(4)]
    return "\n".join(f"{name if k == 0 else '':<13}{letter} {row}" for k, (letter, row) in enumerate(zip("xyz", rows, strict=True)))


def _comparison_panel(first: SymmetryReport, second: SymmetryReport, files: tuple[Path, Path], comparison: Comparison) -> RenderableType:
    from rich.console import Group
    from rich.panel import Panel
    from rich.table import Table
    from rich.text import Text

    from constitutive.symmetry import operation_in_words  # deferred: quick --help

    table = Table(box=None, pad_edge=False)
    for heading in ("structure", "point group", "space group", "operations"):
        table.add_column(heading)
    for file, report in zip(files, (first, second), strict=True):
        group = report.point_group
        table.add_row(Text(file.name), group.symbol, f"{report.space_group} ({report.space_group_number})", str(group.order))
    lines: list[RenderableType] = [table, Text(), Text(comparison.sentence)]
    if comparison.relation in ("subgroup", "supergroup"):
        large, small = sorted((first.point_group, second.point_group), key=lambda g: -g.order)
        words = [operation_in_words(large, R) for R in large.cosets(small)]
        lines.append(Text("Variants, from the first by: " + "; ".join(words)))
    return Panel(Group(*lines), title="[bold]two structures compared[/]", width=min(_PANEL_WIDTH, out.width), padding=(1, 1))


# ---- the picture


def _write_picture(report: SymmetryReport, path: Path) -> Path:
    from matplotlib.figure import Figure

    from constitutive.symmetry import draw_elements, draw_poles  # deferred: quick --help
    from constitutive.tensors import draw_pattern, pattern  # deferred: quick --help

    group = report.point_group
    figure = Figure(figsize=(11.5, 8.6), layout="constrained")
    top, bottom = figure.subfigures(2, 1, height_ratios=[1.25, 1])
    left, right = top.subplots(1, 2)
    draw_poles(left, group)
    draw_elements(right, group)
    names = ("elastic 2", "piezoelectric", "dielectric", "photoelastic")
    for axes, name in zip(bottom.subplots(1, 4, width_ratios=[6, 6, 3, 6]), names, strict=True):
        draw_pattern(axes, pattern(_in_standard_axes(report), name))
    top.suptitle(f"{_formula(report)}   {report.space_group}   point group {group.symbol} (Laue class {group.laue_class})", fontsize=14)
    key = "joined dots: equal, open: opposite, ×: a combination, grey: zero; with the number of constants, in the standard axes"
    bottom.suptitle(key, fontsize=9, color="#59636e")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=140)
    return path


def _in_standard_axes(report: SymmetryReport) -> PointGroup:
    from constitutive.symmetry import PointGroup  # deferred: quick --help

    return PointGroup.from_symbol(report.point_group.symbol)
