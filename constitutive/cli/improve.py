"""``constitutive improve``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from constitutive.cli.audit import data_of
from constitutive.cli.console import ProgressBar, emit, out
from constitutive.cli.options import DataOption, JsonOption, MaterialArgument, SeedOption, positive
from constitutive.cli.simulate import (
    BatchOption,
    ClampedOption,
    ForceOption,
    SchedulerOption,
    SettingOption,
    TimeLimitOption,
    WorkersOption,
    say_left_out,
    settings_of,
    spec_of,
)
from constitutive.errors import DataError

if TYPE_CHECKING:
    from constitutive.data import StressStrainData
    from constitutive.material import Material
    from constitutive.planning import NextStrains, Region
    from constitutive.simulate import CalculatorSpec, SimulationSettings


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(improve)


def improve(
    folder: MaterialArgument,
    inputs: Annotated[
        Path | None, typer.Argument(metavar="[FOLDER]", help="New folder for the input files of --to.", show_default=False)
    ] = None,
    count: Annotated[int, typer.Option("-n", help="Number of strains.", metavar="N", min=1)] = 20,
    calculator: Annotated[
        str | None,
        typer.Option("--calculator", help="Compute them: a name, a YAML file or module:function.", metavar="CALC", show_default=False),
    ] = None,
    option: SettingOption = None,
    to: Annotated[str | None, typer.Option("--to", help="Write input files instead, as constitutive plan does.", metavar="CODE")] = None,
    plan: Annotated[Path | None, typer.Option(help="Write the strains as a plan (JSON).", metavar="PLAN", show_default=False)] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--out",
            help="Folder of the improved material and all its data; by default that of the law.",
            metavar="DIR",
            show_default=False,
        ),
    ] = None,
    data: DataOption = None,
    visited: Annotated[
        Path | None, typer.Option(help="An .npz file with the strains that a solve visited: improve the law there.", metavar="NPZ")
    ] = None,
    size: Annotated[
        float | None, typer.Option(help="Largest |E|; by default that of the samples.", callback=positive, show_default=False)
    ] = None,
    workers: WorkersOption = 0,
    scheduler: SchedulerOption = None,
    time_limit: TimeLimitOption = None,
    batch: BatchOption = 1,
    force: ForceOption = None,
    clamped: ClampedOption = False,
    effort: Annotated[str, typer.Option(help="Of the calibration.", metavar="full|quick")] = "full",
    seed: SeedOption = 0,
    as_json: JsonOption = False,
) -> None:
    """Choose the strains that would improve a law most, and compute them or write their input files.

    The posterior of the law says which: each strain is the one with the largest expected drop of the mean variance over the domain,
    or over the strains that a finite-element solve visited. With --calculator they are computed, joined with the data, and the law is
    calibrated again: in the folder of the law, or in another one with --out.

    Exit codes: 0 written, 1 written without some samples, which are named, 2 refused (nothing written; finished samples are kept).

    [bold]Examples[/]

      [dim]constitutive improve linbo3 -n 20 --calculator chgnet[/]
      [dim]constitutive improve copper -n 20 --calculator calc.yaml --out copper_better[/]
      [dim]constitutive improve linbo3 runs2 -n 20 --to vasp[/]
      [dim]constitutive improve silicon --visited strains.npz --plan next.json[/]
    """
    from constitutive.material import Material  # deferred: quick --help
    from constitutive.planning import write_inputs  # deferred: quick --help
    from constitutive.simulate import plan_next  # deferred: quick --help

    _require_one_way(calculator, to, inputs, plan, output)
    if calculator is None:
        _refuse_computing(
            set=bool(option), workers=bool(workers), scheduler=scheduler is not None, time_limit=time_limit is not None,
            batch=batch != 1, force=force is not None, clamped=clamped,
        )  # fmt: skip
    material, samples = Material.load(folder), data_of(folder, data)
    if samples is None:
        raise DataError(f"improve: found no data.json in {folder}; needed the data that the law was calibrated on: --data DATA")
    region = _region(visited, size)
    if calculator is not None:
        settings = settings_of(
            workers=workers, scheduler=scheduler, time_limit=time_limit, batch=batch, force=force, clamped=clamped, target=None,
            keep_residual_stress=False, if_unstable="stop", skip_stability=False,
        )  # fmt: skip
        target = output or _own_folder(folder)
        _compute(material, samples, count, spec_of(calculator, option), settings, target, region, seed, effort, as_json=as_json)
        return
    if to is not None and samples.ions == "clamped":
        raise DataError("improve: found data with clamped ions and --to; needed --plan, then simulate --clamped: input files relax ions")
    with ProgressBar() as progress:
        made, strains = plan_next(material, samples, count, region=region, seed=seed, progress=progress)
    if to is not None and inputs is not None:
        made = write_inputs(made, to, inputs)
    if plan is not None:
        made.save(plan)
    written = [str(path) for path in (plan, inputs) if path is not None]
    payload = {"written": written, "samples": len(made), "size": made.size, **_expected(strains)}
    emit(as_json, payload, lambda: _render_plan(strains, written))


def _require_one_way(calculator: str | None, to: str | None, inputs: Path | None, plan: Path | None, output: Path | None) -> None:
    if (to is None) != (inputs is None):
        raise DataError("improve: found --to without a folder or a folder without --to; needed both, as in: improve DIR runs2 --to vasp")
    if calculator is None and to is None and plan is None:
        raise DataError("improve: found neither --calculator nor --to nor --plan; needed one of them: nothing would be written")
    if calculator is not None and (to is not None or plan is not None):
        raise DataError("improve: found --calculator with --to or --plan; needed one of them: the strains are either computed or written")
    if calculator is None and output is not None:
        raise DataError("improve: found --out without --calculator; needed both: --out is the improved material")


def _own_folder(folder: Path) -> Path:
    """The folder of a law, which the improved one replaces; not that of a material that ships."""
    from constitutive.library import shipped, shipped_names  # deferred: quick --help

    name = folder.resolve().name
    if name in shipped_names() and folder.resolve() == shipped(name).resolve():
        raise DataError(f"improve: found {name}, a material that ships; needed --out DIR for the improved one, as in: --out {name}_better")
    return folder


def _refuse_computing(**given: bool) -> None:
    """Refuse options of a calculation where nothing is computed."""
    found = ", ".join(f"--{name.replace('_', '-')}" for name, is_given in given.items() if is_given)
    if found:
        raise DataError(f"improve: found {found} without --calculator; needed --calculator, or leave them out: nothing would be computed")


def _region(visited: Path | None, size: float | None) -> Region | None:
    from constitutive.planning import Ball, read_visited  # deferred: quick --help

    if visited is not None and size is not None:
        raise DataError("improve: found --visited and --size; needed one of them")
    if visited is not None:
        return read_visited(visited)
    return None if size is None else Ball(size)


def _compute(
    material: Material, samples: StressStrainData, count: int, spec: CalculatorSpec, settings: SimulationSettings, output: Path,
    region: Region | None, seed: int, effort: str, *, as_json: bool,
) -> None:  # fmt: skip
    from constitutive.simulate import improve as run  # deferred: quick --help
    from constitutive.simulate import run_folder_of  # deferred: quick --help

    with ProgressBar() as progress:
        found = run(
            material, samples, count, spec, run_folder_of(output / f"improves_{len(samples)}.json"), settings,
            region=region, seed=seed, effort=effort, progress=progress,
        )  # fmt: skip
    output.mkdir(parents=True, exist_ok=True)
    found.data.save(output / "data.json")  # first: an older law can be improved with more data, not a newer one with less
    found.material.save(output)
    before, after = (float(m.card.get("calibration", {}).get("held_out_error", float("nan"))) for m in (material, found.material))
    payload = {
        "written": [str(output)], "samples": len(found.data), "held_out_error_before": before, "held_out_error": after,
        "failed": {str(number): reason for number, reason in found.simulation.failed.items()}, **_expected(found.batch),
    }  # fmt: skip

    def render() -> None:
        out.print(f"{len(found.data)} samples: error at samples left out {100 * after:.2g} % (before {100 * before:.2g} %)")
        _render_plan(found.batch, [str(output)])
        say_left_out(found.simulation)

    emit(as_json, payload, render)
    if found.simulation.failed:
        raise typer.Exit(1)


def _expected(batch: NextStrains) -> dict[str, float]:
    return {"deviation_before_GPa": batch.before, "deviation_expected_GPa": batch.after}


def _render_plan(batch: NextStrains, written: list[str]) -> None:
    out.print(
        f"{len(batch.x)} strains: uncertainty of a stress component {batch.before:.2g} GPa before, {batch.after:.2g} GPa expected after"
    )
    for path in written:
        out.print(f"wrote {path}", markup=False, soft_wrap=True)
