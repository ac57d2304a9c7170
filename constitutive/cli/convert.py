"""``constitutive convert``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from constitutive.cli.console import emit, err, out
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
    format_name: Annotated[
        str | None, typer.Option("--format", help="Format of the sources; else found out. ase: any that ASE reads.")
    ] = None,
    lammps_units: Annotated[str | None, typer.Option(help="Unit style, as metal or real, where a LAMMPS file does not state it.")] = None,
    symbols: Annotated[str | None, typer.Option(help="Chemical symbols of LAMMPS's types, e.g. Si,O.")] = None,
    lj: Annotated[str | None, typer.Option(help="Energy (eV) and length (Å) of LAMMPS's units lj.", metavar="EV,ANGSTROM")] = None,
    unit: Annotated[str | None, typer.Option(help="Unit of the numbers of the stress in the file.")] = None,
    energy_unit: Annotated[str | None, typer.Option(help="Unit of the energies in the file; also eV/cell, eV/atom.")] = None,
    sign: Annotated[str | None, typer.Option(help="pressure: the stress is positive in compression; or tension.")] = None,
    energy_sign: Annotated[bool, typer.Option("--energy-sign", help="Turn the sign of W.")] = False,
    order: Annotated[str | None, typer.Option(help="Order of six components, e.g. 'xx yy zz xy yz xz', or ase, vasp, lammps.")] = None,
    stress_key: Annotated[str | None, typer.Option(help="Name of the stress or virial in extxyz, as dft_stress.")] = None,
    strain: Annotated[str | None, typer.Option(help="Strains of a table: green-lagrange, small or hencky.")] = None,
    shear: Annotated[str | None, typer.Option(help="Shear strains of a table: engineering or tensor.")] = None,
    where: Annotated[
        list[str] | None,
        typer.Option(help="Frames to take, as config_type=Elastic, formula=Cu, strain<0.1; repeatable.", metavar="CONDITION"),
    ] = None,
    disorder: Annotated[str, typer.Option(help="Partly occupied sites of the structure: refuse, or species (each its own).")] = "refuse",
    skip_failed: Annotated[bool, typer.Option("--skip-failed", help="Leave out what cannot be read, and list it.")] = False,
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
    average: Annotated[
        bool | None,
        typer.Option(
            "--average/--no-average",
            help="Average the frames of one cell, with the standard error of the stress; else done where a code wrote five or more.",
            show_default=False,
        ),
    ] = None,
    unwrap_polarization: Annotated[
        bool, typer.Option("--unwrap-polarization", help="Bring polarisations that differ by quanta e a/V to one branch.")
    ] = False,
    charges: Annotated[
        str | None,
        typer.Option(
            help="Polarisation of displaced ions, by charges as Si=4,O=-2 or by the Born charges of a file (OUTCAR, ph.x, JSON).",
            metavar="CHARGES", show_default=False,
        ),
    ] = None,
    allow: Annotated[
        list[str] | None, typer.Option("--allow", help="Accept what is else refused: vacuum, reference_cell.", show_default=False)
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Read the output of VASP, Quantum ESPRESSO, LAMMPS, ASE and others into one data set, with the corrections given.

    Sources are files (gz, xz and bz2 too), folders, or patterns in quotes. Each option is about the numbers in the file; one that
    contradicts the file is an error. What neither a file nor an option states is printed as assumed.

    Exit codes: 0 done, 1 written without runs of a plan's folder, which are named (with --skip-failed: 0), 2 a source cannot be read or an
    option does not fit it; the output is written whole or not at all.

    [bold]Examples[/]

      [dim]constitutive convert run*/vasprun.xml --reference POSCAR -o data.json[/]
      [dim]constitutive convert log.lammps --symbols Si --reference Si.cif -o data.json[/]
      [dim]constitutive convert train.xyz.gz --where config_type=Elastic --stress-key dft_stress -o data.json[/]
      [dim]constitutive convert table.csv --strain green-lagrange --unit GPa --structure Cu.cif -o data.json[/]
      [dim]constitutive convert data.json --sign pressure --unit kbar -o corrected.json[/]
    """
    from constitutive.data.corrections import Corrections  # deferred: quick --help
    from constitutive.data.reference_cell import require_usable_reference  # deferred: quick --help
    from constitutive.intake.energies import with_energy_zero  # deferred: quick --help
    from constitutive.readers import ReadOptions  # deferred: quick --help
    from constitutive.readers import convert as read  # deferred: quick --help

    if output.suffix.lower() not in (".json", ".h5", ".hdf5"):
        raise DataError(f"{output}: found the ending {output.suffix!r}; needed .json or .h5")
    options = ReadOptions(
        format=format_name,
        lammps_units=lammps_units,
        symbols=tuple((symbols or "").replace(",", " ").split()),
        unit=unit,
        sign=sign,
        order=order,
        energy_unit=energy_unit,
        stress_key=stress_key,
        strain=strain,
        shear=shear,
        lj=_lennard_jones(lj),
        where=tuple(where or ()),
        disorder=disorder,
        skip_failed=skip_failed,
    )
    data = read(sources, reference=reference, options=options)
    corrections = Corrections(
        ions=ions,
        transpose_lattice=transpose_lattice,
        transpose_cell=transpose_cell,
        transpose_f=transpose_f,
        energy_sign=energy_sign,
        measure=measure,
        stress_frame=stress_frame,
        drop=_numbers(drop),
        unwrap_polarization=unwrap_polarization,
    )
    data = _averaged(corrections.apply(data), average, sources)
    require_usable_reference(data, allow or ())
    data, energies = with_energy_zero(data)
    if energies:
        data = _assuming(data, energies)
    if charges is not None:
        data = _polarized(data, charges)
    if point_group is not None:
        data = data.with_point_group(point_group)
    if remove_reference_stress is not None:
        data = _without_stress(data, remove_reference_stress)
    if data.structure is not None and len(data.structure) == 0:
        raise DataError(f"{output}: found a reference structure without atoms; needed one; nothing was written")
    data.save(output)
    payload = _payload(output, data)
    emit(as_json, payload, lambda: _render(output, data))
    if payload["skipped"] and not skip_failed:
        raise typer.Exit(1)


def _polarized(data: StressStrainData, charges: str) -> StressStrainData:
    """The data with the polarisation of their ions."""
    import numpy as np

    from constitutive.data.electric import polarization_of_ions  # deferred: quick --help
    from constitutive.readers import read_responses  # deferred: quick --help

    if data.positions is None or data.lattice is None or data.species is None or data.frac_coords is None:
        raise DataError("--charges: found no positions of ions in the data, or no structure; needed both, as outputs of a code give them")
    if data.polarization is not None:
        raise DataError("--charges: the data hold polarisations already; needed data without")
    if "=" in charges:
        pairs = dict(word.partition("=")[::2] for word in charges.replace(",", " ").split())
        try:
            each = np.array([float(pairs[name]) for name in data.species])
        except (KeyError, ValueError) as error:
            raise DataError(f"--charges: found {charges!r}; needed a number for each species, as Si=4,O=-2 ({error})") from error
    else:
        born = read_responses(charges).born_charges
        if born is None or len(born) != len(data.species):
            raise DataError(f"--charges: found {0 if born is None else len(born)} Born charges in {charges}; needed {len(data.species)}")
        each = born
    total = np.abs(each.sum(0)).max()
    if total > 0.05 * np.abs(each).max():
        raise DataError(f"--charges: they add up to {total:.2g} e; needed zero, or P would depend on the choice of the origin")
    each = each - each.mean(0)
    found = polarization_of_ions(data.positions, data.frac_coords, data.lattice, each)
    return data.replace(polarization=found, electric_frame="reference")


def _averaged(data: StressStrainData, wanted: bool | None, sources: list[Path]) -> StressStrainData:
    """Frames at a temperature as one state for each cell, and that said; where the user does not say, those that a code wrote."""
    from constitutive.data.averages import averaged  # deferred: quick --help
    from constitutive.intake.repeated_states import repeated_states  # deferred: quick --help

    frames = repeated_states(data)
    if frames is None:
        return averaged(data) if wanted else data
    averages = wanted if wanted is not None else not any(_is_set(path) for path in sources)
    return _assuming(averaged(data) if averages else data, frames.statement(data, averages=averages))


def _is_set(source: Path) -> bool:
    """Whether a source is a data set, which is what its maker meant, and not the output of a code."""
    from constitutive.readers import detect  # deferred: quick --help
    from constitutive.readers.options import SETS  # deferred: quick --help

    return source.is_file() and detect(source) in SETS


def _assuming(data: StressStrainData, statement: str) -> StressStrainData:
    known = data.provenance if isinstance(data.provenance, dict) else {}
    return data.with_provenance({"assumed": [*known.get("assumed", []), statement]})


def _without_stress(data: StressStrainData, kind: str) -> StressStrainData:
    from constitutive.intake import without_reference_stress  # deferred: quick --help

    removal = without_reference_stress(data, kind)
    removed = {"kind": kind, "stress_GPa": removal.stress.tolist(), "source": removal.source}
    return removal.data.with_provenance({"removed_reference_stress": removed})


def _lennard_jones(text: str | None) -> tuple[float, float] | None:
    if text is None:
        return None
    try:
        energy, length = (float(word) for word in text.replace(",", " ").split())
    except ValueError as error:
        raise DataError(f"lj: found {text!r}; needed the energy in eV and the length in Å, as 0.0104,3.405") from error
    return energy, length


def _numbers(text: str | None) -> tuple[int, ...]:
    try:
        return tuple(int(word) for word in (text or "").replace(",", " ").split())
    except ValueError as error:
        raise DataError(f"drop: found {text!r}; needed sample numbers, as 3,7,11") from error


def _payload(output: Path, data: StressStrainData) -> dict[str, Any]:
    provenance = data.provenance if isinstance(data.provenance, dict) else {}
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
        "settings_that_differ": (data.model_extra or {}).get("settings_that_differ", []),
        "left_out": provenance.get("left_out"),
        "assumed": provenance.get("assumed", []),
        "skipped": provenance.get("skipped", {}),
        "not_selected": provenance.get("not_selected", 0),
    }


def _render(output: Path, data: StressStrainData) -> None:
    from rich.text import Text

    payload = _payload(output, data)
    provenance = data.provenance if isinstance(data.provenance, dict) else {}
    energy = "with W" if payload["energy"] else "without W"
    samples = f"{payload['samples']} sample" + ("s" if payload["samples"] != 1 else "")
    out.print(Text(f"{output}: {samples} of {payload['structure'] or 'a crystal'}, {payload['measure']} stress, {energy}"))
    for key in ("code", "ions", "temperature", "left_out"):
        if payload[key]:
            out.print(Text(f"  {key.replace('_', ' ')}: {payload[key]}"))
    if payload["settings_that_differ"]:
        out.print(Text(f"  settings that differ between the runs: {', '.join(payload['settings_that_differ'])}", style="yellow"))
    if payload["not_selected"]:
        out.print(Text(f"  selected: {' and '.join(provenance.get('selected', []))}; {payload['not_selected']} frames left out"))
    for statement in provenance.get("assumed", []):
        out.print(Text(f"  assumed: {statement}"))
    for place, reason in provenance.get("skipped", {}).items():
        err.print(Text(f"skipped {place}: {reason}"))
