"""``constitutive constants``."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from constitutive.cli.console import emit, out
from constitutive.cli.coupled import render_constants
from constitutive.cli.options import JsonOption, MaterialArgument, UnitOption, finite
from constitutive.errors import MaterialError
from constitutive.plain import JsonObject
from constitutive.show import StressScale

if TYPE_CHECKING:
    import numpy as np

    from constitutive.material import Material


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(constants)


def constants(
    folder: MaterialArgument,
    pressure: Annotated[
        float | None, typer.Option(help="Also the effective constants under this pressure.", metavar="GPA", callback=finite)
    ] = None,
    stability: Annotated[bool, typer.Option("--stability", help="Also a map of where the law loses strong ellipticity.")] = False,
    piezo: Annotated[
        bool, typer.Option("--piezo", help="Also piezoelectric, dielectric and thermal constants of a law with fields or temperatures.")
    ] = False,
    unit: UnitOption = None,
    as_json: JsonOption = False,
) -> None:
    """Elastic constants of a material of order 2, 3 and 4, from the law's exact derivatives at zero strain.

    In the data's Cartesian frame, Voigt order xx yy zz yz xz xy, by Brugger's definition (derivatives of the energy by the Green–Lagrange
    strain). Errors come from the samples and from the choice of law.

    Exit codes: 0 done, 2 the folder cannot be read.

    [bold]Examples[/]

      [dim]constitutive constants materials/silicon[/]
      [dim]constitutive constants materials/silicon --pressure 5 --json[/]
      [dim]constitutive constants results/lattice --unit kPa[/]
      [dim]constitutive constants quartz --piezo[/]
    """
    from constitutive.elasticity import (  # deferred: quick --help
        BLIND_SPOT,
        constants_table,
        constants_under_pressure,
        coupled_constants,
        quartz_setting,
        stability_map,
    )
    from constitutive.material import Material  # deferred: quick --help

    material = Material.load(folder)
    if piezo and material.coupled is None:
        raise MaterialError(f"{folder}: --piezo needs a law with fields or temperatures; this one is of the strain alone")
    payload: JsonObject = {"C_voigt_GPa": material.stiffness_voigt(), "definition": "brugger"}
    if material.elastic_law_held_at:
        payload["held_at"] = material.elastic_law_held_at
    payload["constants_GPa"] = {str(order): constants_table(material.law, order).as_dict() for order in (2, 3, 4)}
    payload["errors_GPa"] = _errors(material)
    if pressure is not None:
        state = constants_under_pressure(material.law, pressure)
        payload["under_pressure"] = {"pressure_GPa": pressure, "volume_ratio": state.volume_ratio, "B_voigt_GPa": state.constants}
    if stability:
        payload["ellipticity_lost_at"] = stability_map(material.law).as_dict()
        payload["note"] = BLIND_SPOT
    if piezo and material.coupled is not None:
        temperature = material.card.get("reference_temperature_K")
        found = coupled_constants(material.coupled, reference_temperature=temperature)
        payload["piezo"] = found.as_dict()
        setting = quartz_setting(material.point_group, found)
        if setting is not None:
            payload["quartz_setting"] = {**asdict(setting), "text": str(setting), "contradiction": _contradiction(setting.hand, material)}
        errors = material.card.get("coupled_constants_errors", {})
        payload["piezo_errors"] = {name: value for name, value in errors.items() if name != "elastic_GPa"}
    emit(as_json, payload, lambda: _render(payload, StressScale.of(float(abs(payload["C_voigt_GPa"]).max()), unit)))


def _contradiction(hand: str, material: Material) -> str:
    """Where the structure of a crystal of quartz is of the other hand than its constants say."""
    from constitutive.symmetry import find_symmetry  # deferred: quick --help

    if material.structure is None or material.structure.composition.reduced_formula != "SiO2":
        return ""
    own = {152: "left", 154: "right"}.get(find_symmetry(material.structure).space_group_number)
    if own in (None, hand):
        return ""
    return f"the structure of the material is {own}-handed, the signs are those of the other hand: constants or structure are wrong"


def _errors(material: Material) -> dict[str, dict[str, float | None]]:
    """Standard errors on the card (GPa); None where no strain determines the constant."""
    stated = material.card.get("constants_GPa", {})
    coupled = material.card.get("coupled_constants_errors", {})
    if "elastic_GPa" in coupled and not stated:
        return {order: {name: float(error) for name, error in table.items()} for order, table in coupled["elastic_GPa"].items()}
    if coupled.get("C_constant_field_GPa") is not None and not stated:
        table = coupled["C_constant_field_GPa"]
        return {"2": {f"C{i + 1}{j + 1}": float(table[i][j]) for i in range(6) for j in range(i, 6)}}
    return {order: {name: None if pair[1] is None else float(pair[1]) for name, pair in table.items()} for order, table in stated.items()}


def _render(payload: JsonObject, scale: StressScale) -> None:
    held = f" at {payload['held_at']}" if "held_at" in payload else ""
    out.print(f"Elastic constants C{held} ({scale.unit}), order xx yy zz yz xz xy")
    _matrix(payload["C_voigt_GPa"], scale)
    for order, table in payload["constants_GPa"].items():
        errors = payload["errors_GPa"].get(order, {})
        texts = [
            f"{name} not determined" if name in errors and errors[name] is None else _with_error(name, value, errors.get(name), scale)
            for name, value in table.items()
        ]
        out.print(f"order {order}: " + ", ".join(texts))
    if "under_pressure" in payload:
        state = payload["under_pressure"]
        pressure = StressScale.of(state["pressure_GPa"], scale.unit)
        out.print(f"effective constants under {pressure.text(state['pressure_GPa'])} {scale.unit} (V/V₀ = {state['volume_ratio']:.4f})")
        _matrix(state["B_voigt_GPa"], scale)
    if "ellipticity_lost_at" in payload:
        lost = {name: size for name, size in payload["ellipticity_lost_at"].items() if size is not None}
        out.print("strong ellipticity is lost at |E| = " + (", ".join(f"{s:.3f} ({n})" for n, s in lost.items()) or "nowhere looked at"))
        out.print(payload["note"])
    if "piezo" in payload:
        render_constants(payload["piezo"], payload["piezo_errors"])
    if "quartz_setting" in payload:
        out.print(f"signs: {payload['quartz_setting']['text']}", markup=False, soft_wrap=True)
        if payload["quartz_setting"]["contradiction"]:
            out.print("[yellow]note:[/] ", end="")
            out.print(payload["quartz_setting"]["contradiction"], markup=False, soft_wrap=True)


def _with_error(name: str, value: float, error: float | None, scale: StressScale) -> str:
    """A constant to the digits that its error leaves."""
    if error is None or not error > 0:
        return f"{name} {scale.text(value)}"
    digits = max(0, 1 - math.floor(math.log10(error * scale.factor)))
    return f"{name} {value * scale.factor:.{digits}f} ± {error * scale.factor:.{digits}f}"


def _matrix(C: np.ndarray, scale: StressScale) -> None:
    for row in C:
        out.print(" ".join(f"{scale.cell(float(value)):>9}" for value in row))
