"""``constitutive constants``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from constitutive.cli.console import JsonOption, emit, out


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(constants)


def constants(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of a material.", show_default=False)],
    as_json: JsonOption = False,
) -> None:
    """Elastic constants of a material: ∂²ψ/∂E² at zero strain, from the law's exact derivatives.

    In the data's Cartesian frame, Voigt order xx yy zz yz xz xy.

    [dim]Example:[/]  constitutive constants materials/silicon
    """
    from constitutive.material import Material

    C = Material.load(folder).stiffness_voigt()

    def render() -> None:
        out.print("Elastic constants C (GPa), order xx yy zz yz xz xy")
        for row in C.round(3) + 0.0:  # rounded before the sum: no minus sign before a zero
            out.print(" ".join(f"{value:9.3f}" for value in row))

    emit(as_json, {"C_voigt_GPa": C}, render)
