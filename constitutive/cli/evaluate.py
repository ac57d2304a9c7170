"""``constitutive evaluate``."""

from __future__ import annotations

from typing import Annotated

import typer

from constitutive.cli.console import emit, err, out
from constitutive.cli.options import DataArgument, JsonOption, MaterialArgument, UnitOption
from constitutive.errors import DataError
from constitutive.show import StressScale


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(evaluate)


def evaluate(
    folder: MaterialArgument,
    data: DataArgument,
    paths: Annotated[bool, typer.Option("--paths", help="Judge by the held-out paths of the data, not its samples.")] = False,
    unit: UnitOption = None,
    as_json: JsonOption = False,
) -> None:
    """Compare a material with data: errors of S, P and the Cauchy stress, and of the polarisation, field and entropy of a coupled law.

    The data must stand in the material's reference cell and frame. A residual stress that the material removed is removed here too.

    Exit codes: 0 done, 2 the material or the data cannot be read, or they do not belong together.

    [bold]Examples[/]

      [dim]constitutive evaluate materials/silicon materials/silicon/data.json --paths[/]
      [dim]constitutive evaluate materials/copper materials/copper/unseen.json --json[/]
    """
    from constitutive.calibration import evaluate as judge  # deferred: quick --help
    from constitutive.data import StressStrainData  # deferred: quick --help
    from constitutive.material import Material  # deferred: quick --help

    samples: StressStrainData | None = StressStrainData.load(data)
    if paths and samples is not None:
        samples = samples.paths_data()
    if samples is None:
        raise DataError(f"{data}: holds no paths; leave --paths out to compare with its samples")
    states = samples
    errors = judge(Material.load(folder), states)

    def render() -> None:
        out.print(f"{errors.samples} samples")
        out.print(f"second Piola–Kirchhoff stress  {100 * errors.second_piola_relative_error:8.4f} %")
        out.print(f"first Piola–Kirchhoff stress   {100 * errors.first_piola_relative_error:8.4f} %")
        for name, error in errors.conjugates.items():
            out.print(f"{name.replace('_', ' '):<29}  {100 * error:8.4f} %")
        scale = StressScale.of(float(abs(states.stress("cauchy")).max()), unit)
        out.print(f"Cauchy stress, rms             {scale.text(errors.cauchy_rmse_GPa):>8} {scale.unit}")

    emit(as_json, errors.as_dict(), render)
    if errors.outside_domain:
        err.print(f"[yellow]note:[/] {errors.outside_domain} samples are outside the domain of the law: it extrapolates there")
