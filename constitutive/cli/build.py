"""``constitutive build``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from constitutive.cli.console import ProgressBar, emit, err, out
from constitutive.cli.options import JsonOption, SeedOption, percent, positive
from constitutive.cli.simulate import (
    BatchOption,
    CalculatorOption,
    ClampedOption,
    ForceOption,
    KeepStressOption,
    LookOption,
    SchedulerOption,
    SettingOption,
    TimeLimitOption,
    UnstableOption,
    WorkersOption,
    settings_of,
    spec_of,
)

if TYPE_CHECKING:
    from constitutive.simulate import Built


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(build)


def build(
    structure: Annotated[Path, typer.Argument(metavar="STRUCTURE", help="The crystal: CIF, POSCAR, …", show_default=False)],
    calculator: CalculatorOption,
    folder: Annotated[Path, typer.Option("-o", "--out", metavar="DIR", help="Folder to write the material to.", show_default=False)],
    option: SettingOption = None,
    target: Annotated[
        str, typer.Option(help="Expected error of the stress over all strains up to --size, at which it stops.", metavar="PERCENT")
    ] = "1%",
    budget: Annotated[int, typer.Option(help="Most samples.", metavar="N", min=4)] = 200,
    first: Annotated[int, typer.Option(help="Samples of the first plan.", metavar="N", min=4)] = 20,
    size: Annotated[float, typer.Option(help="Largest norm |E| of the strain.", callback=positive)] = 0.08,
    effort: Annotated[
        str, typer.Option(help="Of the calibrations; quick ones take more samples to the same error.", metavar="full|quick")
    ] = "full",
    conventional: Annotated[bool, typer.Option("--keep-cell", help="Compute the cell as given, not its primitive one.")] = False,
    workers: WorkersOption = 0,
    scheduler: SchedulerOption = None,
    time_limit: TimeLimitOption = None,
    batch: BatchOption = 1,
    force: ForceOption = None,
    clamped: ClampedOption = False,
    keep_residual_stress: KeepStressOption = False,
    if_unstable: UnstableOption = "stop",
    skip_stability: LookOption = False,
    seed: SeedOption = 0,
    as_json: JsonOption = False,
) -> None:
    """From a crystal to its law: relax, find the group, plan, simulate, calibrate, and improve until the error is met.

    Every step is kept in DIR/build: after a crash, the same command goes on where it stopped. It stops when the error that the law's
    posterior expects over all strains up to --size (no less than half of the error at samples left out) is below --target, or when
    --budget samples are computed.

    Exit codes: 0 target met, 1 written, the target not met within the budget, 2 refused.

    [bold]Examples[/]

      [dim]constitutive build LiNbO3.cif --calculator chgnet --target 1% --out linbo3[/]
      [dim]constitutive build Cu.cif --calculator emt --target 0.3% --budget 80 --out copper[/]
    """
    from constitutive.simulate import BuildSettings  # deferred: quick --help
    from constitutive.simulate import build as run  # deferred: quick --help

    wanted = percent(target)
    spec = spec_of(calculator, option)
    simulation = settings_of(
        workers=workers, scheduler=scheduler, time_limit=time_limit, batch=batch, force=force, clamped=clamped, target=wanted,
        keep_residual_stress=keep_residual_stress, if_unstable=if_unstable, skip_stability=skip_stability,
    )  # fmt: skip
    settings = BuildSettings(wanted, budget, first, size, effort, seed, not conventional, simulation)

    def say(line: str) -> None:
        err.print(line, markup=False, soft_wrap=True)

    with ProgressBar() as progress:
        found = run(structure, spec, folder, settings, say=say, progress=progress)
    emit(as_json, _payload(found, folder), lambda: _render(found, folder))
    if not found.met:
        raise typer.Exit(1)


def _payload(found: Built, folder: Path) -> dict[str, object]:
    return {
        "folder": str(folder),
        "point_group": found.material.point_group.symbol,
        "samples": len(found.data),
        "steps": [{"samples": samples, "expected_error": error} for samples, error in found.steps],
        "expected_error": found.steps[-1][1],
        "held_out_error": found.material.card["calibration"]["held_out_error"],
        "target_met": found.met,
        "examination": found.prepared.examination.as_dict(),
        "notes": list(found.prepared.notes),
        "C_voigt_GPa": found.material.stiffness_voigt(),
    }


def _render(found: Built, folder: Path) -> None:
    from rich.text import Text

    C = found.material.stiffness_voigt()
    out.print(Text(f"{found.material.name}, {found.material.point_group.symbol}: law of {len(found.data)} samples"))
    out.print(f"  C11 {C[0, 0]:.1f}, C12 {C[0, 1]:.1f}, C44 {C[3, 3]:.1f} GPa")
    out.print(Text(f"wrote {folder}; next: constitutive report {folder}"), soft_wrap=True)
