"""What ``calibrate`` and ``constants`` print of laws of several variables."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from constitutive.cli.console import out
from constitutive.plain import JsonObject

if TYPE_CHECKING:
    from constitutive.material import Material


def coupled_payload(material: Material, folder: Path) -> JsonObject:
    """The JSON of a calibration of several variables.

    Parameters
    ----------
    material : Material
        With a coupled law and its report.
    folder : Path
        Where it was saved.

    Returns
    -------
    dict
    """
    return {
        "folder": str(folder),
        "point_group": material.point_group.symbol,
        "laue_class": material.point_group.laue_class,
        "variables": material.card["variables"],
        "samples": material.card["data"]["samples"],
        "orbit_units": material.coupled.orbit_units() if material.coupled is not None else 0,
        "C_voigt_GPa": material.stiffness_voigt(),
        **material.report.as_dict(),
    }


def render_coupled(material: Material, folder: Path) -> None:
    """Print a calibration of several variables.

    Parameters
    ----------
    material : Material
        With a coupled law and its report.
    folder : Path
        Where it was saved.
    """
    from rich.table import Table

    report = material.report
    names = list(report.held_out_errors)
    table = Table(title="Laws, by their deviation from the mean of the regressions", title_justify="left", box=None, padding=(0, 2, 0, 0))
    table.add_column("law")
    for name in names:
        table.add_column(name.replace("_", " "), justify="right")
    for law in report.laws:
        mark = "[bold]" if law.label == report.chosen else ""
        table.add_row(mark + law.label, *(f"{mark}{100 * law.deviation[name]:.3g} %" for name in names))
    out.print(table)
    shown = ", ".join(f"{name.replace('_', ' ')} {100 * error:.2g} %" for name, error in report.held_out_errors.items())
    out.print(f"chosen: [bold]{report.chosen}[/]; expected errors on unseen samples: {shown}")
    for note in report.notes:
        out.print(f"[yellow]note:[/] {note}")
    out.print(f"wrote {folder}")


TITLES = {
    "C_constant_displacement_GPa": "C at constant displacement (GPa)",
    "e_C_per_m2": "e (C/m²)",
    "d_pm_per_V": "d (pm/V)",
    "g_Vm_per_N": "g (V m/N)",
    "h_GV_per_m": "h (GV/m)",
    "permittivity_constant_strain": "permittivity at constant strain (ε₀)",
    "permittivity_constant_stress": "permittivity at constant stress (ε₀)",
    "electrostriction_GPa_m2_per_GV2": "electrostriction −∂³Ω/∂E∂E₀² (GPa/(GV/m)²)",
    "thermal_expansion_per_K": "thermal expansion (1/K)",
    "pyroelectric_constant_strain_C_per_m2K": "pyroelectric, constant strain (C/m²/K)",
    "pyroelectric_constant_stress_C_per_m2K": "pyroelectric, constant stress (C/m²/K)",
    "heat_capacity_constant_strain_J_per_m3K": "heat capacity, constant strain (J/m³/K)",
    "heat_capacity_constant_stress_J_per_m3K": "heat capacity, constant stress (J/m³/K)",
    "C_adiabatic_GPa": "C, adiabatic (GPa)",
}


def render_constants(constants: JsonObject, errors: JsonObject) -> None:
    """Print the constants of a coupled law, order xx yy zz yz xz xy, and below each table the standard errors of its entries.

    Parameters
    ----------
    constants : dict
        As ``CoupledConstants.as_dict`` gives them.
    errors : dict
        Standard errors by the same names, None where no sample determines a constant; empty for a law of stated constants.
    """
    for name, title in TITLES.items():
        if name not in constants:
            continue
        out.print(title)
        _rows(constants[name])
        if name in errors and errors[name] is None:
            out.print("[yellow]not determined[/] by the samples: they do not state what this constant is a derivative of")
        elif name in errors:
            out.print("standard errors")
            _rows(errors[name], digits=2)
    if not constants["stable"]:
        out.print("[yellow]note:[/] the state is unstable: stiffness or susceptibility is not positive definite there")


def _rows(values: object, digits: int = 5) -> None:
    import numpy as np

    rows = np.atleast_2d(np.asarray(values, dtype=np.float64))
    small = 1e-9 * float(np.abs(rows).max())
    for row in rows:
        out.print(" ".join(f"{0.0 if abs(v) < small else v:>11.{digits}g}" for v in row))
