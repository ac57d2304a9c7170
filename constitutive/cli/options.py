"""Options that several commands share, each declared once."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated

import typer

from constitutive.errors import DataError
from constitutive.library import material_folder
from constitutive.units import STRESS_UNITS

A_MATERIAL = "Folder of a material, or the name of a shipped one."


def given_folder(given: Path | None) -> Path | None:
    """Callback of an argument: the folder on disk, or that of the shipped material of that name."""
    return None if given is None else material_folder(given)


MaterialArgument = Annotated[Path, typer.Argument(metavar="DIR", help=A_MATERIAL, show_default=False, callback=given_folder)]
DataArgument = Annotated[Path, typer.Argument(metavar="DATA", help="Stress-strain data (.json, .h5).", show_default=False)]

DataOption = Annotated[
    Path | None, typer.Option("--data", help="Data set it was calibrated on; by default DIR/data.json, if it exists.", show_default=False)
]
UnseenOption = Annotated[
    Path | None,
    typer.Option(
        "--unseen",
        help="States it was not calibrated on; by default DIR/unseen.json, if it exists, else the held-out paths of the data.",
        show_default=False,
    ),
]
StructureOption = Annotated[
    Path | None, typer.Option("--structure", help="Reference structure, where the data hold none or a wrong one.", show_default=False)
]
PointGroupOption = Annotated[
    str | None, typer.Option("--point-group", help="Point group of data without a structure, in standard axes.", metavar="S")
]
SeedOption = Annotated[
    int, typer.Option("--seed", help="Seed of all random choices: the same seed gives the same result.", metavar="K", min=0, max=2**32 - 1)
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout and nothing else there.")]


def finite(value: float | None) -> float | None:
    """Callback of an option: a number that is neither NaN nor infinite."""
    if value is not None and not math.isfinite(value):
        raise typer.BadParameter(f"{value} found; a finite number needed")
    return value


def positive(value: float | None) -> float | None:
    """Callback of an option: a finite number above zero."""
    if value is not None and not (math.isfinite(value) and value > 0):
        raise typer.BadParameter(f"{value} found; a finite number above 0 needed")
    return value


def require_other_file(command: str, source: Path, output: Path) -> None:
    """Refuse to write a result over the file that it is made of.

    Raises
    ------
    DataError
        Both are one file.
    """
    if output.exists() and source.exists() and output.samefile(source):
        raise DataError(f"{command}: found {output} as input and output; needed another file to write: the input would be lost")


def percent(text: str) -> float:
    """A share that is written with its sign, so that 0.01 cannot mean 1 %.

    Raises
    ------
    DataError
        The sign is missing, or it is not a number of per cent between 0 and 100.

    Examples
    --------
    >>> percent("0.5%")
    0.005
    """
    needed = "needed per cent between 0 and 100 with the sign, such as 1%"
    number = text.strip()
    try:
        value = float(number.removesuffix("%")) / 100
    except ValueError as error:
        raise DataError(f"--target: found {text!r}; {needed}") from error
    if not number.endswith("%"):
        raise DataError(f"--target: found {text!r}: {value:.3g} or {100 * value:.3g} of the stress? {needed}")
    if not 0 < value < 1:
        raise DataError(f"--target: found {text!r}; {needed}")
    return value


def _known_unit(unit: str | None) -> str | None:
    if unit is not None and unit not in STRESS_UNITS:
        raise typer.BadParameter(f"{unit!r} found; one of {', '.join(STRESS_UNITS)} needed")
    return unit


UnitOption = Annotated[
    str | None,
    typer.Option(
        "--unit",
        help="Unit of the printed numbers: GPa, MPa, kPa or Pa; else one that leaves digits. --json stays in GPa.",
        callback=_known_unit,
        metavar="U",
    ),
]
