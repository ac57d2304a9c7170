"""``constitutive calibrate``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from constitutive.cli.console import ProgressBar, emit, err, out
from constitutive.cli.coupled import coupled_payload, render_coupled
from constitutive.cli.options import DataArgument, JsonOption, PointGroupOption, SeedOption, UnitOption
from constitutive.errors import CalibrationError
from constitutive.plain import JsonObject
from constitutive.show import StressScale

if TYPE_CHECKING:
    from constitutive.calibration.distillation import Width
    from constitutive.data import StressStrainData
    from constitutive.material import Material


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(calibrate)


def calibrate(
    data: DataArgument,
    folder: Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder to write the material to.", show_default=False)],
    train: Annotated[int | None, typer.Option(help="Use the first N samples only.", metavar="N", min=1)] = None,
    seed: SeedOption = 0,
    point_group: PointGroupOption = None,
    residual_stress: Annotated[str | None, typer.Option(help="What to do about a stress at zero strain.", metavar="keep|remove")] = None,
    anchor: Annotated[
        list[str] | None, typer.Option(help="A known constant with its error (GPa), such as C11=166±1; repeatable.", metavar="C=V±E")
    ] = None,
    elliptic: Annotated[bool, typer.Option("--elliptic", help="Penalise the loss of strong ellipticity in the domain.")] = False,
    polyconvex: Annotated[
        bool, typer.Option("--polyconvex", help="A law that is elliptic at every deformation, in place of all other candidates.")
    ] = False,
    allow: Annotated[
        list[str] | None,
        typer.Option(
            help="A fault of `check` that does not stop it, or `error`: a law that misses over 50 %; repeatable.",
            metavar="FAULT",
        ),
    ] = None,
    laws: Annotated[str, typer.Option(help="Candidates: all, or polynomials only.", metavar="all|series")] = "all",
    effort: Annotated[str, typer.Option(help="How much is tried: quick takes a fraction of the time.", metavar="full|quick")] = "full",
    workers: Annotated[
        int | None,
        typer.Option(help="Threads that share the fits; all cores by default. The law does not depend on it.", metavar="N", min=1),
    ] = None,
    units: Annotated[
        int | None, typer.Option(help="Orbit units of a network; by default the fewest within 5 % of the best error.", metavar="N", min=1)
    ] = None,
    variables: Annotated[
        str | None,
        typer.Option(
            help="Variables of the energy: strain with electric_field, polarization or temperature; else those that vary.",
            metavar="strain,electric_field",
            show_default=False,
        ),
    ] = None,
    unit: UnitOption = None,
    as_json: JsonOption = False,
) -> None:
    """Calibrate the law of a crystal on its samples and save it as a material.

    The candidates are judged by samples that they have not seen; the data's held-out paths are never looked at.

    Data with energies W and no stress give the constants of second order (the energy–strain method).

    `check` runs first and stops it on a certain fault. At least three samples; a few dozen make a good law.

    Exit codes: 0 done, 2 the data cannot be read, are faulty, contradict the group, or the best law misses more than 50 % of the
    stress of samples that it has not seen; nothing is written then.

    [bold]Examples[/]

      [dim]constitutive calibrate materials/silicon/data.json --out results/silicon[/]
      [dim]constitutive calibrate beams.json --point-group m-3m --out beams[/]
      [dim]constitutive calibrate data.json --anchor C11=166±1 --out si --json[/]
      [dim]constitutive calibrate quartz.json --variables strain,electric_field --out quartz[/]
    """
    from constitutive.calibration import calibrate as fit  # deferred: quick --help
    from constitutive.calibration import calibrate_large, read_energies  # deferred: quick --help
    from constitutive.data import load_bounded  # deferred: quick --help
    from constitutive.data.hdf5 import is_hdf5  # deferred: quick --help

    energies = read_energies(data)
    if energies is not None:
        _from_energies(energies, folder, point_group, unit, as_json=as_json)
        return
    options: dict[str, Any] = {
        "seed": seed,
        "point_group": point_group,
        "residual_stress": residual_stress,
        "anchors": _anchors(anchor or []),
        "elliptic": elliptic,
        "polyconvex": polyconvex,
        "laws": laws,
        "allow": tuple(allow or ()),
        "effort": effort,
        "workers": workers,
        "units": units,
        "variables": variables,
    }
    with ProgressBar() as progress:
        if is_hdf5(data) and train is None:
            material = calibrate_large(data, **options, progress=progress)
        else:
            samples = load_bounded(data, plausible=not set(allow or ()) - {"error"})
            material = fit(samples, train=train, **options, progress=progress)
    material.save(folder)
    if material.coupled is not None:
        emit(as_json, coupled_payload(material, folder), lambda: render_coupled(material, folder))
        return
    picture, stability = _picture(material, folder, unit), _strong_ellipticity(material)
    payload = {
        "folder": str(folder),
        "point_group": material.point_group.symbol,
        "laue_class": material.point_group.laue_class,
        "samples": material.card["data"]["samples"],
        "orbit_units": material.law.orbit_units(),
        "residual_stress": material.card["residual_stress"],
        "C_voigt_GPa": material.stiffness_voigt(),
        **material.report.as_dict(),
        "widths": [{**width.as_dict(), "cost_over_native": cost} for width, cost in _widths(material)],
        "strong_ellipticity": stability,
        "picture": str(picture),
    }
    if stability["lost_at_share"] > LARGE_LOSS:
        err.print(
            f"[yellow]warning:[/] the law loses strong ellipticity at {100 * stability['lost_at_share']:.0f} % of the strains of its "
            "domain: finite elements will localise there; calibrate with --elliptic, or add samples strained in other directions"
        )
    emit(as_json, payload, lambda: _render(material, stability, folder, picture, unit))


def _from_energies(data: StressStrainData, folder: Path, point_group: str | None, unit: str | None, *, as_json: bool) -> None:
    """The energy–strain method: constants of second order from energies alone."""
    from constitutive.calibration import calibrate_energies  # deferred: quick --help
    from constitutive.calibration.cleaning import group_of  # deferred: quick --help

    if data.W is None:
        raise CalibrationError("found no energies W; needed one for each sample")
    material = calibrate_energies(data.F, data.W, group_of(data, point_group), structure=data.structure, name=data.name)
    material.save(folder)
    payload = {
        "folder": str(folder),
        "point_group": material.point_group.symbol,
        "samples": len(data),
        "C_voigt_GPa": material.stiffness_voigt(),
        "constants_GPa": material.card["constants_GPa"],
        "energy_error_left_out": material.card["energy_error_left_out"],
    }

    def render() -> None:
        out.print(
            f"energies alone: constants of second order from {len(data)} samples; energies left out are missed by "
            f"{100 * material.card['energy_error_left_out']:.2g} %. Stresses determine more with fewer samples."
        )
        _render_constants(material, unit)
        out.print(f"wrote {folder}")

    emit(as_json, payload, render)


LARGE_LOSS = 0.1  # share of the strains of the domain
STRAINS_OF_THE_DOMAIN = 200  # of the domain, at which the acoustic tensor is looked at


def _strong_ellipticity(material: Material) -> JsonObject:
    """The smallest eigenvalue of the acoustic tensor (GPa) at rest and over strains of the domain; positive: strongly elliptic."""
    import numpy as np

    from constitutive.audit import deformation_of, strains_of_domain, weakest  # deferred: quick --help
    from constitutive.elasticity import BLIND_SPOT  # deferred: quick --help

    E = strains_of_domain(material, STRAINS_OF_THE_DOMAIN, 0.1, np.random.default_rng(0))
    E = E[np.linalg.eigvalsh(np.eye(3) + 2 * E)[:, 0] > 0.05]
    found = weakest(material.law, deformation_of(np.concatenate([np.zeros((1, 3, 3)), E])))
    return {
        "at_rest_GPa": float(found[0]),
        "smallest_GPa": float(found.min()),
        "lost_at_share": float(np.mean(found[1:] <= 0)),
        "strains": len(E),
        "note": BLIND_SPOT,
    }


def _anchors(texts: list[str]) -> dict[str, tuple[float, float]]:
    """Anchors such as ``C11=166±1`` (or ``C11=166+-1``)."""
    anchors = {}
    for text in texts:
        name, _, rest = text.partition("=")
        value, _, error = rest.replace("+-", "±").partition("±")
        try:
            anchors[name.strip()] = (float(value), float(error))
        except ValueError as problem:
            raise CalibrationError(f"anchor {text!r} found; write it as C11=166±1, value and standard error in GPa") from problem
    return anchors


def _picture(material: Material, folder: Path, unit: str | None) -> Path:
    """Given against predicted stress of the samples left out."""
    import numpy as np
    from matplotlib.figure import Figure

    left_out = [np.asarray(S, dtype=np.float64).reshape(-1, 9) for S in material.report.left_out]
    figure = Figure(figsize=(4.2, 4.0), layout="constrained")
    axes = figure.add_subplot()
    scale = StressScale.of(float(np.abs(left_out[1]).max()), unit)
    predicted, given = (S * scale.factor for S in left_out)
    limit = 1.05 * np.abs(given).max()
    axes.plot([-limit, limit], [-limit, limit], color="0.7", linewidth=1, zorder=0)
    for label, columns in (("normal", (0, 4, 8)), ("shear", (5, 2, 1))):
        axes.plot(given[:, columns].ravel(), predicted[:, columns].ravel(), ".", markersize=4, label=label)
    axes.set_xlabel(f"S of the data ({scale.unit})")
    axes.set_ylabel(f"S of the law, sample left out ({scale.unit})")
    axes.set_title(f"{material.name or 'material'}: {100 * material.report.held_out_error:.2g} % on unseen samples")
    axes.legend(frameon=False)
    axes.set_aspect("equal")
    path = folder / "parity.png"
    figure.savefig(path, dpi=160)
    return path


def _render(material: Material, stability: JsonObject, folder: Path, picture: Path, unit: str | None) -> None:
    from rich.table import Table

    report = material.report
    table = Table(title="Candidates, by samples they had not seen", title_justify="left", box=None, padding=(0, 2, 0, 0))
    table.add_column("law")
    table.add_column("error of S", justify="right")
    for candidate in sorted(report.candidates, key=lambda candidate: candidate.error):
        mark = "[bold]" if candidate.label == report.chosen else ""
        table.add_row(mark + candidate.label, f"{mark}{100 * candidate.error:.3g} %")
    out.print(table)
    out.print(f"chosen: [bold]{report.chosen}[/]: {report.reason}")
    _render_widths(material)
    if report.learning_curve:
        out.print(
            "learning curve (one fit of this kind; a calibration of as many samples errs less): "
            + ", ".join(f"{n} samples {100 * error:.2g} %" for n, error in report.learning_curve)
        )
    scale = StressScale.of(stability["at_rest_GPa"], unit)
    out.print(
        f"strong ellipticity: smallest eigenvalue of the acoustic tensor {scale.text(stability['smallest_GPa'], 3)} {scale.unit} over "
        f"{stability['strains']} strains of the domain, {scale.text(stability['at_rest_GPa'], 3)} {scale.unit} at rest; "
        f"lost at {100 * stability['lost_at_share']:.2g} % of them"
    )
    out.print(stability["note"])
    _render_constants(material, unit)
    worst = ", ".join(f"{k} ({100 * error:.2g} %)" for k, error in report.worst_samples)
    out.print(f"worst samples when left out: {worst}")
    for note in report.notes:
        out.print(f"[yellow]note:[/] {note}")
    out.print(f"wrote {folder} and {picture}")


def _widths(material: Material) -> list[tuple[Width, float]]:
    """The widths that were tried, each with about what a law of it costs in finite elements."""
    from constitutive.kernel import cost_over_native  # deferred: quick --help
    from constitutive.kernel.flatten import program  # deferred: quick --help

    widths = material.report.widths
    shared = len(program(material.law).signs) if widths else 1
    return [(width, cost_over_native(width.units, shared)) for width in widths]


def _render_widths(material: Material) -> None:
    """What a narrower or a wider law would be worth, and what it costs; the law's own width is marked."""
    from rich.table import Table

    widths = _widths(material)
    if not widths:
        return
    table = Table(title="Widths, by the error expected on unseen strains", title_justify="left", box=None, padding=(0, 2, 0, 0))
    for column in ("orbit units", "error of S", "deviation from the mean", "cost over native UFL"):
        table.add_column(column, justify="right")
    for width, cost in widths:
        mark = "[bold]" if width.units == material.law.orbit_units() else ""
        cells = (f"{width.units}", f"{100 * width.error:.3g} %", f"{100 * width.deviation:.2g} %", f"{cost:.2f}")
        table.add_row(*(mark + cell for cell in cells))
    out.print(table)
    out.print(
        "the fewest units within 5 % of the best error are taken, up to 96 within 3 % (--units N: others); "
        "cost: evaluation and assembly on Q1 hexahedra over a "
        "linear law in UFL, from figures measured for this kind of processor"
    )


def _render_constants(material: Material, unit: str | None) -> None:
    """Second- and third-order constants with their errors, and those that no strain determines."""
    scale = StressScale.of(float(abs(material.stiffness_voigt()).max()), unit)
    for order, table in material.card["constants_GPa"].items():
        known = [f"{name} {scale.text(v)} ± {scale.text(e, 2)}" for name, (v, e) in table.items() if e is not None]
        unknown = [name for name, (_, e) in table.items() if e is None]
        if order in ("2", "3"):
            out.print(f"constants of order {order} ({scale.unit}): " + (", ".join(known) or "none determined"))
        if unknown:
            out.print(f"not determined, order {order}: " + ", ".join(unknown))
