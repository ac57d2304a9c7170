"""``constitutive convert``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from constitutive.cli.console import emit, out
from constitutive.cli.options import JsonOption, PointGroupOption
from constitutive.errors import DataError

if TYPE_CHECKING:
    from constitutive.data import StressStrainData


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(convert)


def convert(
    sources: Annotated[list[Path], typer.Argument(metavar="SOURCE…", help="Outputs of a code, or a data set.", show_default=False)],
    output: Annotated[Path, typer.Option("-o", "--out", metavar="DATA", help="File to write: .json or .h5.")],
    reference: Annotated[
        Path | None,
        typer.Option("--reference", "--structure", help="Undeformed cell: a structure or an output; else the first state."),
    ] = None,
    format_name: Annotated[str | None, typer.Option("--format", help="Format of the sources; else found out.")] = None,
    lammps_units: Annotated[str | None, typer.Option(help="metal or real, where a LAMMPS file does not say.")] = None,
    symbols: Annotated[str | None, typer.Option(help="Chemical symbols of LAMMPS's types, e.g. Si,O.")] = None,
    unit: Annotated[str | None, typer.Option(help="Unit that the stress is in.")] = None,
    energy_unit: Annotated[str | None, typer.Option(help="Unit that W is in; also eV/cell, eV/atom.")] = None,
    sign: Annotated[str | None, typer.Option(help="pressure: the stress is positive in compression.")] = None,
    energy_sign: Annotated[bool, typer.Option("--energy-sign", help="Turn the sign of W.")] = False,
    order: Annotated[str | None, typer.Option(help="Order of the six components, e.g. 'xx yy zz xy yz xz'.")] = None,
    transpose_f: Annotated[bool, typer.Option("--transpose-f", help="F was stored by columns.")] = False,
    transpose_lattice: Annotated[bool, typer.Option("--transpose-lattice", help="The reference cell was stored by columns.")] = False,
    transpose_cell: Annotated[bool, typer.Option("--transpose-cell", help="The cells were read by columns.")] = False,
    stress_frame: Annotated[str | None, typer.Option(help="lammps, corotational, or nine numbers of a rotation.")] = None,
    measure: Annotated[str | None, typer.Option(help="Stress measure that the numbers are.")] = None,
    remove_reference_stress: Annotated[
        str | None, typer.Option(help="Take off the stress at zero strain: crystal (turns with it) or lab (one Cauchy stress).")
    ] = None,
    ions: Annotated[str | None, typer.Option(help="relaxed or clamped.")] = None,
    point_group: PointGroupOption = None,
    drop: Annotated[str | None, typer.Option(help="Sample numbers to leave out, e.g. 3,7.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Read the output of VASP, Quantum ESPRESSO, LAMMPS, ASE and others into one data set, mending what is said to be wrong.

    Exit codes: 0 done, 2 a source cannot be read or an option does not fit it; the output is written whole or not at all.

    [bold]Examples[/]

      [dim]constitutive convert run*/vasprun.xml --reference POSCAR -o data.json[/]
      [dim]constitutive convert log.lammps --symbols Si --reference Si.cif -o data.json[/]
      [dim]constitutive convert data.json --sign pressure --unit kbar -o mended.json[/]
    """
    from constitutive.data.corrections import Corrections  # deferred: quick --help
    from constitutive.readers import ReadOptions, detect  # deferred: quick --help
    from constitutive.readers import convert as read  # deferred: quick --help

    if output.suffix.lower() not in (".json", ".h5", ".hdf5"):
        raise DataError(f"{output}: found the ending {output.suffix!r}; needed .json or .h5")
    table = all((format_name or detect(path)) in ("csv", "numpy") for path in sources)
    options = ReadOptions(format_name, lammps_units, tuple((symbols or "").replace(",", " ").split()), unit if table else None)
    data = read(sources, reference=reference, options=options)
    mend = Corrections(
        ions=ions,
        transpose_lattice=transpose_lattice,
        transpose_cell=transpose_cell,
        transpose_f=transpose_f,
        order=order,
        sign=sign,
        energy_sign=energy_sign,
        unit=None if table else unit,
        energy_unit=energy_unit,
        measure=measure,
        stress_frame=stress_frame,
        drop=_numbers(drop),
    )
    data = mend.apply(data)
    if point_group is not None:
        data = data.with_point_group(point_group)
    if remove_reference_stress is not None:
        data = _without_stress(data, remove_reference_stress)
    data.save(output)
    emit(as_json, _payload(output, data), lambda: _render(output, data))


def _without_stress(data: StressStrainData, kind: str) -> StressStrainData:
    from constitutive.intake import without_reference_stress  # deferred: quick --help

    removal = without_reference_stress(data, kind)
    told = {"kind": kind, "stress_GPa": removal.stress.tolist(), "source": removal.source}
    return removal.data.with_provenance({"removed_reference_stress": told})


def _numbers(text: str | None) -> tuple[int, ...]:
    try:
        return tuple(int(word) for word in (text or "").replace(",", " ").split())
    except ValueError as error:
        raise DataError(f"drop: found {text!r}; needed sample numbers, as 3,7,11") from error


def _payload(output: Path, data: StressStrainData) -> dict:
    return {
        "written": str(output),
        "samples": len(data),
        "measure": data.measure,
        "units": data.units,
        "energy": data.W is not None,
        "structure": data.structure.composition.reduced_formula if data.structure is not None else None,
        "point_group": data.point_group,
        "ions": data.ions,
        "temperature": data.temperature,
        "code": (data.model_extra or {}).get("code"),
        "left_out": data.provenance.get("left_out") if isinstance(data.provenance, dict) else None,
    }


def _render(output: Path, data: StressStrainData) -> None:
    from rich.text import Text

    told = _payload(output, data)
    energy = "with W" if told["energy"] else "without W"
    out.print(Text(f"{output}: {told['samples']} samples of {told['structure'] or 'a crystal'}, {told['measure']} stress, {energy}"))
    for key in ("code", "ions", "temperature", "left_out"):
        if told[key]:
            out.print(Text(f"  {key.replace('_', ' ')}: {told[key]}"))
