"""Quartz plates that vibrate in thickness: which cut a resonator needs, and why its temperature coefficient vanishes.

The claim: with the constants of IEEE Std 176-1978 the AT cut is (YXl) −35.25°; its slow thickness-shear mode has the frequency constant
1661.18 kHz mm (open) and 1655.95 (short-circuited), so a coupling factor of 0.0880, and with the temperature coefficients of Bechmann,
Ballato and Lukaszek (1962) the frequency changes by −0.81 ppm/K there and by none at −35.09°. The angle of the other sign is another
plate: its slowest mode has 2065 kHz mm, the one along x 2443, and that changes by +30 ppm/K.

    python fem_examples/quartz_resonator.py [--out results/resonator]
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import basix.ufl
import numpy as np
import ufl
from arguments import run
from dolfinx import fem, mesh
from mpi4py import MPI
from quartz_tables import ALPHA, DENSITY, about_x, quartz
from rich.console import Console
from rich.table import Table

from constitutive.fem import Electrode, Modes, Problem, UserMaterial, equal_where, modes
from constitutive.plots.style import BLUE, GREEN, MUTED, ORANGE, new_figure, styled

AT = -35.25  # degrees of rotation about X, from a Y plate, in the signs of IEEE 1978
THICKNESS = 1.0  # mm
WARMER = 1.0  # K, of the differences that give the temperature coefficient
console = Console(highlight=False)


def main(out: Path = Path("results/resonator"), *, angles: int = 37, cells: int = 6) -> dict[str, float]:
    """Frequency constants over the angle of the cut, and their change with temperature; the figures that the test asserts."""
    opened, shorted = Plate(AT, cells=cells), Plate(AT, cells=cells, shorted=True)
    series, parallel = opened.frequency(), shorted.frequency()
    X = np.pi / 2 * parallel / series
    figures = {
        "N of AT, open (kHz mm)": series,
        "N of AT, short (kHz mm)": parallel,
        "k of AT": float(np.sqrt(X / np.tan(X))),
        f"slowest N at {-AT} (kHz mm)": float(Plate(-AT, cells=cells).modes(1).frequencies[3]) / 1e3,
        f"N along x at {-AT} (kHz mm)": Plate(-AT, cells=cells).frequency(),
        "ppm/K at AT": change(AT, cells),
        f"ppm/K at {-AT}": change(-AT, cells),
        "angle of no change": zero_of_change(cells),
    }
    say(figures)
    turns = np.linspace(-90, 90, angles)
    constants = np.array([Plate(angle, cells=4).modes(3).frequencies[3:] / 1e3 for angle in turns])
    near = np.linspace(-36.5, -33.5, 7)
    changes = np.array([change(angle, 4) for angle in near])
    if MPI.COMM_WORLD.rank == 0:
        out.mkdir(parents=True, exist_ok=True)
        picture(turns, constants, near, changes, shorted).savefig(out / "resonator.png", dpi=200)
        console.print(f"written: {out / 'resonator.png'}")
    return figures


class Plate:
    """A rotated Y plate that is uniform along its faces: a strip across its thickness (y), with all three displacements and the potential.

    Nodes at equal heights share their values, so that one column of elements holds the infinite plate.
    """

    def __init__(self, angle: float, *, warmer: float = 0.0, shorted: bool = False, cells: int = 6) -> None:
        normal = about_x(angle) @ np.array([0.0, 1.0, 0.0])
        height = THICKNESS * (1 + warmer * normal @ ALPHA @ normal)
        self.density = DENSITY / (1 + warmer * np.trace(ALPHA))
        m = mesh.create_rectangle(MPI.COMM_SELF, [[0, 0], [0.1, height]], [1, cells], mesh.CellType.quadrilateral)
        parts = [basix.ufl.element("Lagrange", "quadrilateral", 3, shape=shape) for shape in ((3,), ())]
        self.W = fem.functionspace(m, basix.ufl.mixed_element(parts))
        w, (v, q) = fem.Function(self.W), ufl.TestFunctions(self.W)
        u, phi = ufl.split(w)
        crystal = {"orientation": about_x(-angle), "strain": "small", "plane": "generalised_strain"}
        law = UserMaterial(u, quartz(warmer), phi=phi, length_unit="mm", **crystal)
        faces = [Electrode(lambda x, y=y: np.isclose(x[1], y), potential=0.0) for y in (0.0, height)]
        scalars = [self.W.sub(0).sub(k) for k in range(3)] + [self.W.sub(1)]
        ties = [group for scalar in scalars for group in equal_where(scalar, lambda x: x[1])]
        self.problem = Problem(law.residual(v, q), law, electrodes=faces if shorted else faces[:1], ties=ties)

    def modes(self, count: int) -> Modes:
        """The three rigid motions and the lowest modes above them."""
        return modes(self.problem, 3 + count, density=self.density, length_unit="mm")

    def frequency(self) -> float:
        """Of the slowest mode that moves along x most, in kHz."""
        found = self.modes(4)
        for frequency, shape in zip(found.frequencies[3:], found.shapes[3:], strict=True):
            sizes = [float(np.abs(shape.sub(0).sub(k).collapse().x.array).max()) for k in range(3)]
            if sizes[0] == max(sizes):
                return float(frequency) / 1e3
        raise ValueError("no mode along x among the four lowest")


def change(angle: float, cells: int) -> float:
    """Relative change of the frequency with temperature, ppm/K."""
    colder, warmer = (Plate(angle, warmer=sign * WARMER, cells=cells).frequency() for sign in (-1, 1))
    return 1e6 * (warmer - colder) / (warmer + colder) / WARMER


def zero_of_change(cells: int) -> float:
    """Angle near the AT cut at which the frequency does not change with temperature: two steps of the secant."""
    a, b = -35.4, -34.9
    fa, fb = change(a, cells), change(b, cells)
    for _ in range(2):
        a, b, fa = b, b - fb * (b - a) / (fb - fa), fb
        fb = change(b, cells)
    return float(b)


def say(figures: dict[str, float]) -> None:
    table = Table(title="Rotated Y plates of quartz", title_justify="left", box=None, padding=(0, 3, 0, 0), show_header=False)
    for name, value in figures.items():
        table.add_row(name, f"{value:.4f}")
    if MPI.COMM_WORLD.rank == 0:
        console.print(table)


@styled
def picture(turns: np.ndarray, constants: np.ndarray, near: np.ndarray, changes: np.ndarray, plate: Plate) -> Any:
    """Frequency constants over the angle, the mode through the thickness, and the temperature coefficient near the AT cut."""
    figure = new_figure(9.0, 3.4)
    left, middle, right = figure.subplots(1, 3, width_ratios=(1.5, 0.8, 1.0))
    for k, colour in enumerate((BLUE, GREEN, ORANGE)):
        left.plot(turns, constants[:, k], "o-", ms=2.5, lw=1, color=colour)
    for angle, name in ((AT, "AT"), (-AT, "wrong sign")):
        left.axvline(angle, color=MUTED, lw=0.8)
        left.text(angle, constants.max(), f" {name}", color=MUTED, fontsize=7.5, va="top")
    left.set(xlabel="rotation about X (degrees), from a Y plate", ylabel="frequency constant (kHz mm)", title="Three modes of each plate")
    shape = plate.modes(1).shapes[3].sub(0).collapse()
    y = shape.function_space.tabulate_dof_coordinates()[:, 1]
    order = np.argsort(y)
    values = shape.x.array.reshape(-1, 3)[order] / np.abs(shape.x.array).max()
    for k, (name, colour, line) in enumerate((("x", BLUE, "-"), ("y", GREEN, "-"), ("z", ORANGE, (0, (4, 4))))):  # y and z coincide
        middle.plot(values[:, k], y[order] - y.mean(), color=colour, linestyle=line, label=f"along {name}")
    middle.set(xlabel="displacement", ylabel="height (mm)", title="AT: the slow mode")
    middle.legend(frameon=False, fontsize=7.5)
    right.plot(near, changes, "o-", ms=3, color=BLUE)
    right.axhline(0, color=MUTED, lw=0.8)
    right.axvline(AT, color=MUTED, lw=0.8)
    right.set(xlabel="rotation about X (degrees)", ylabel="change of frequency (ppm/K)", title="Temperature coefficient")
    figure.suptitle("Rotated Y plates of quartz: the sign of the angle tells the AT cut", fontweight="bold", x=0.01, ha="left")
    return figure


if __name__ == "__main__":
    run(main, __doc__)
