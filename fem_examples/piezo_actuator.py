"""A quartz strip on silicon that bends under a voltage, in both hands, up to large rotations.

The claim: a layer of quartz, its X axis across the layer and its Y axis along the strip, strains along the strip by −d11 E; bonded to an
electrode of silicon it bends by Timoshenko's curvature of a bimetal (J. Opt. Soc. Am. 11 (1925) 233) with that strain. The crystal of the
other hand, the mirror image with the same elastic constants, bends as far the other way. At large voltages the strip is an arc of that
curvature.

    python fem_examples/piezo_actuator.py [--out results/actuator]
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import basix.ufl
import numpy as np
import ufl
from arguments import run
from bodies import colour_bar, grid, held, of_one_size, show_view, tagged, view
from crystals import fitted
from dolfinx import fem
from mpi4py import MPI
from quartz_tables import E11, E14, quartz, stiffness
from rich.console import Console
from rich.table import Table

from constitutive.fem import Electrode, Metal, Problem, UserMaterial
from constitutive.fem.pictures import Panel
from constitutive.plots.style import SEQUENTIAL, new_figure, styled

LENGTH, WIDTH = 40.0, 0.3  # mm, along x and across (y)
QUARTZ, SILICON = 0.1, 0.1  # mm: thickness of the layers
SMALL, LARGE = 10.0, 20e3  # V
LAID = np.array([[0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [1.0, 0.0, 0.0]])  # crystal Y, Z, X along lab x, y, z
MIRROR = np.diag([-1.0, 1.0, 1.0])  # the other hand: the image in the plane across X
HANDS = {"right": LAID, "left": LAID @ MIRROR}
console = Console(highlight=False)


def main(out: Path = Path("results/actuator"), *, along: int = 24) -> dict[str, float]:
    """Bend both strips a little and a lot; the figures that the test asserts."""
    silicon = fitted("silicon", (2,))
    figures = {f"deflection by theory at {SMALL:g} V (µm)": 1e3 * LENGTH**2 / 2 * curvature(silicon, SMALL)}
    for hand, R in HANDS.items():
        little = Strip(silicon, R, along).bend(SMALL, "small", steps=1)
        figures[f"deflection / theory, {hand}"] = little.deflection() / (LENGTH**2 / 2 * curvature(silicon, SMALL))
        strip = Strip(silicon, R, along).bend(LARGE, "finite", steps=2)
        bend = curvature(silicon, LARGE)
        figures[f"deflection at {LARGE / 1e3:g} kV (mm), {hand}"] = strip.deflection()
        figures[f"deflection / arc at {LARGE / 1e3:g} kV, {hand}"] = strip.deflection() * bend / (1 - np.cos(bend * LENGTH))
        figures[f"turn of the end (degrees), {hand}"] = float(np.degrees(strip.turn()))
    say(figures)
    pictures(silicon, out)
    return figures


def pictures(silicon: Any, out: Path) -> None:
    """A short, wide piece of both strips, the displacement magnified."""
    out.mkdir(parents=True, exist_ok=True)
    limits, views = (0.0, LARGE / 1e3), {}
    for hand, R in HANDS.items():
        piece = Strip(silicon, R, 8, length=8.0, width=1.2).bend(LARGE, "small", steps=1)
        panel = Panel(piece.displacement(), piece.potential(), "", warp=12.0, limits=limits)
        views[hand] = view(panel, out, size=(1000, 700), view=(0.5, -1.0, 0.35), zoom=1.1)
    if MPI.COMM_WORLD.rank == 0:
        picture(views, limits).savefig(out / "actuator.png", dpi=200)
        console.print(f"written: {out / 'actuator.png'}")


@styled
def picture(views: dict[str, np.ndarray | None], limits: tuple[float, float]) -> Any:
    """Both hands side by side."""
    figure = new_figure(11.0, 3.6)
    axes = figure.subplots(1, 2)
    for axis, hand, image in zip(axes, views, of_one_size(views.values()), strict=True):
        show_view(axis, image, f"{hand}-handed quartz on silicon")
    colour_bar(figure, axes, "electric potential (kV); displacements magnified 12 times", limits, SEQUENTIAL)
    title = f"The same strip and {limits[1]:g} kV: the hand of the quartz decides which way it bends"
    figure.suptitle(title, fontweight="bold", x=0.01, ha="left")
    return figure


def curvature(silicon: Any, volts: float) -> float:
    """Timoshenko's curvature (1/mm, towards +z) of the bilayer, from the free strain of the quartz and Young's moduli along the strip."""
    compliance = np.linalg.inv(stiffness())
    d11 = (np.array([E11, -E11, 0, E14, 0, 0]) @ compliance)[0]  # 1/(GV/m)
    strain = d11 * volts / (QUARTZ * 1e6)  # the field points down, against X: Y lengthens by d11 |E|
    young = 1 / compliance[1, 1], 1 / np.linalg.inv(silicon.stiffness_voigt())[0, 0]
    m, n, h = QUARTZ / SILICON, young[0] / young[1], QUARTZ + SILICON
    return float(-6 * strain * (1 + m) ** 2 / (h * (3 * (1 + m) ** 2 + (1 + m * n) * (m**2 + 1 / (m * n)))))


class Strip:
    """Silicon below, quartz above, clamped at x = 0 without force across; elements of degree 2."""

    def __init__(self, silicon: Any, R: np.ndarray, along: int, *, length: float = LENGTH, width: float = WIDTH) -> None:
        self.length, self.width = length, width
        levels = np.array([-SILICON, 0.0, QUARTZ])
        self.mesh = grid([np.linspace(0, length, along + 1), np.array([0.0, width]), levels], comm=MPI.COMM_WORLD)
        parts = [basix.ufl.element("Lagrange", "hexahedron", 2, shape=shape) for shape in ((3,), ())]
        self.W = fem.functionspace(self.mesh, basix.ufl.mixed_element(parts))
        self.w = fem.Function(self.W)
        self.tags = tagged(self.mesh, lambda x: 1 + (x[:, 2] < 0))
        self.materials = {1: (quartz(), R), 2: (Metal(silicon), np.eye(3))}

    def bend(self, volts: float, strain: str, *, steps: int) -> Strip:
        """Ground the silicon, and put the upper face at a potential: the field points down, against the crystal's X of the right hand."""
        (u, phi), (v, q) = ufl.split(self.w), ufl.TestFunctions(self.W)
        self.law = UserMaterial(u, self.materials, phi=phi, length_unit="mm", cell_tags=self.tags, strain=strain)
        electrodes = [
            Electrode(self.tags, 2, potential=0.0, name="silicon"),
            Electrode(lambda x: np.isclose(x[2], QUARTZ), potential=volts, name="upper face"),
        ]
        U = self.W.sub(0)
        supports = [
            held(U, 0, lambda x: np.isclose(x[0], 0)),
            held(U, 1, lambda x: np.isclose(x[1], 0) & np.isclose(x[0], 0)),
            held(U, 2, lambda x: np.isclose(x[2], 0) & np.isclose(x[0], 0) & np.isclose(x[1], 0)),
        ]
        supports.append(held(U, 2, lambda x: np.isclose(x[2], 0) & np.isclose(x[0], 0) & np.isclose(x[1], self.width)))
        Problem(self.law.residual(v, q), self.law, bcs=supports, electrodes=electrodes).solve(steps=steps).require()
        return self

    def displacement(self) -> fem.Function:
        """As a Function of its own."""
        found = fem.Function(fem.functionspace(self.mesh, ("Lagrange", 2, (3,))))
        found.interpolate(self.w.sub(0).collapse())
        return found

    def potential(self) -> fem.Function:
        """At the vertices, in kV."""
        values = fem.Function(fem.functionspace(self.mesh, ("Lagrange", 1)))
        values.interpolate(self.w.sub(1).collapse())
        values.x.array[:] /= 1e3
        return values

    def _end(self) -> tuple[np.ndarray, np.ndarray]:
        """Height and displacement of the nodes at the end, over all ranks."""
        u = self.displacement()
        owned = u.function_space.dofmap.index_map.size_local
        x = u.function_space.tabulate_dof_coordinates()[:owned]
        end = np.isclose(x[:, 0], self.length)
        parts = self.mesh.comm.allgather((x[end, 2], u.x.array[: 3 * owned].reshape(-1, 3)[end]))
        heights, moved = (np.concatenate(part) for part in zip(*parts, strict=True))
        return heights, moved

    def deflection(self) -> float:
        """Of the middle of the end, along z (mm)."""
        heights, moved = self._end()
        return float(moved[np.abs(heights) < 1e-9, 2].mean())

    def turn(self) -> float:
        """Rotation of the end, upwards positive."""
        heights, moved = self._end()
        top, bottom = (moved[np.isclose(heights, z)].mean(axis=0) for z in (QUARTZ, -SILICON))
        return float(np.arcsin((bottom[0] - top[0]) / (QUARTZ + SILICON)))


def say(figures: dict[str, float]) -> None:
    table = Table(title="Quartz on silicon", title_justify="left", box=None, padding=(0, 3, 0, 0), show_header=False)
    for name, value in figures.items():
        table.add_row(name, f"{value:+.4f}")
    if MPI.COMM_WORLD.rank == 0:
        console.print(table)


if __name__ == "__main__":
    run(main, __doc__)
