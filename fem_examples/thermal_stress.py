"""Stresses of quartz whose grains expand by 13.7 and 7.5 millionths per kelvin across and along their axes.

The claim: heated by 100 K without load, a sandwich of two orientations of quartz carries the stress of the theory of laminates (equal
strains in the plane, no stress across it, no force in all) away from its edges; in an aggregate of random grains the stresses of single
grains reach tens of MPa, and their mean vanishes. Its mean strain lies between the averages of equal stress and of equal strain of these
very grains.

    python fem_examples/thermal_stress.py [--out results/thermal]
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import ufl
from arguments import run
from bodies import colour_bar, held, show_view, tagged, view
from dolfinx import fem, mesh
from mpi4py import MPI
from quartz_tables import ALPHA, about_x, quartz, stiffness
from rich.console import Console
from rich.table import Table
from scipy.spatial.transform import Rotation

from constitutive.fem import Problem, UserMaterial
from constitutive.fem.pictures import Panel
from constitutive.plots.style import SEQUENTIAL, new_figure, styled
from constitutive.tensors.packing import mandel_matrix, stiffness_voigt_to_mandel, to_mandel

WARMER = 100.0  # K
ACROSS = about_x(90.0)  # the axis of the crystal across the normal of the layers
PLANE, NORMAL = [0, 1, 5], [2, 3, 4]  # Mandel components in the plane of layers along x and y, and across it
HEX = mesh.CellType.hexahedron
console = Console(highlight=False)


def main(out: Path = Path("results/thermal"), *, across: int = 8, cells: int = 10, grains: int = 20) -> dict[str, float]:
    """The sandwich beside the theory of laminates, and the aggregate; the figures that the test asserts."""
    figures = sandwich(across)
    figures |= aggregate(cells, grains, out)
    say(figures)
    return figures


class Heated:
    """A free body of quartz grains, warmer by 100 K."""

    def __init__(self, m: mesh.Mesh, tags: mesh.MeshTags, turns: dict[int, np.ndarray], degree: int) -> None:
        self.mesh, self.tags = m, tags
        self.V = fem.functionspace(m, ("Lagrange", degree, (3,)))
        self.u, v = fem.Function(self.V), ufl.TestFunction(self.V)
        theta = fem.Constant(m, WARMER)
        self.law = UserMaterial(self.u, quartz(thermal=True), T=theta, orientation=turns, cell_tags=tags, unit="MPa", strain="small")
        x = np.concatenate(m.comm.allgather(m.geometry.x[:, :3]))
        corner, points = x.min(axis=0), x.max(axis=0)
        at = lambda *where: lambda x: np.linalg.norm(x - np.array(where)[:, None], axis=0) < 1e-9  # noqa: E731 - one expression
        x0, y0, z0 = corner
        bcs = [held(self.V, k, at(x0, y0, z0)) for k in range(3)]
        bcs += [held(self.V, k, at(points[0], y0, z0)) for k in (1, 2)] + [held(self.V, 2, at(x0, points[1], z0))]
        Problem(self.law.residual(v), self.law, bcs=bcs).solve().require()
        self.law.update()

    def means(self, which: np.ndarray | slice = slice(None)) -> tuple[np.ndarray, np.ndarray]:
        """Averages of strain and stress (MPa) over some points of this rank, in Mandel components, over all ranks."""
        weights = self.law.points.weights()[which]
        strains = self.law.field("strain", "points").x.array.reshape(-1, 3, 3)[: self.law.points.count]
        parts = (np.asarray(to_mandel(strains))[which], self.law.point_values()[:, :6][which])
        volume = self.mesh.comm.allreduce(weights.sum())
        return tuple(self.mesh.comm.allreduce(weights @ part) / volume for part in parts)


# ---- two orientations ------------------------------------------------------------------------------------------------


def sandwich(across: int) -> dict[str, float]:
    """Layers A B B A of equal thickness: FE in the middle against the theory of laminates."""
    turns = {1: np.eye(3), 2: ACROSS}
    m = mesh.create_box(MPI.COMM_WORLD, [[-4.0, -4.0, 0.0], [4.0, 4.0, 1.0]], [across, across, 4], HEX)
    body = Heated(m, tagged(m, lambda x: 1 + (np.abs(x[:, 2] - 0.5) < 0.25)), turns, 2)
    middle = mesh.compute_midpoints(m, 3, np.arange(body.law.points.cells, dtype=np.int32))
    figures = {}
    for tag, name, expected in zip((1, 2), ("axis across the layers", "axis along them"), laminate([*turns.values()]), strict=True):
        near = (np.abs(middle[:, :2]).max(axis=1) < 1.01) & (body.tags.values[: len(middle)] == tag)
        stress = body.means(np.repeat(near, body.law.points.per_cell))[1]
        figures[f"stress along x, {name} (MPa)"] = float(stress[0])
        figures[f"the same by laminate theory, {name}"] = float(expected[0])
        figures[f"stress along y, {name} (MPa)"] = float(stress[1])
        figures[f"along y by laminate theory, {name}"] = float(expected[1])
    return figures


def laminate(turns: list[np.ndarray]) -> list[np.ndarray]:
    """Stresses (MPa, Mandel) of layers of equal thickness with equal strains in the plane and no stress across it."""
    reduced, free = [], []
    for R in turns:
        C, alpha = turned(R)
        coupling = C[np.ix_(PLANE, NORMAL)] @ np.linalg.inv(C[np.ix_(NORMAL, NORMAL)])
        reduced.append(C[np.ix_(PLANE, PLANE)] - coupling @ C[np.ix_(NORMAL, PLANE)])
        free.append(WARMER * alpha[PLANE])
    common = np.linalg.solve(sum(reduced), sum(Q @ e for Q, e in zip(reduced, free, strict=True)))
    return [1e3 * Q @ (common - e) for Q, e in zip(reduced, free, strict=True)]


def turned(R: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Stiffness (GPa) and expansion (1/K) of a turned grain, Mandel components."""
    D = mandel_matrix(R)
    return D @ stiffness_voigt_to_mandel(stiffness()) @ D.T, D @ np.asarray(to_mandel(ALPHA))


# ---- many orientations -----------------------------------------------------------------------------------------------


def aggregate(cells: int, grains: int, out: Path) -> dict[str, float]:
    """A cube of random grains (cells nearest to random points)."""
    seeds = np.random.default_rng(1).random((grains, 3))
    m = mesh.create_box(MPI.COMM_WORLD, [[0, 0, 0], [1, 1, 1]], [cells] * 3, HEX)
    tags = tagged(m, lambda x: np.linalg.norm(x[:, None] - seeds, axis=2).argmin(axis=1))
    turns = dict(enumerate(Rotation.random(grains, random_state=2).as_matrix()))
    body = Heated(m, tags, turns, 1)
    strain, stress = body.means()
    mises = body.law.field("mises_stress").x.array[: body.law.points.cells]
    counts = m.comm.allreduce(np.bincount(tags.values[: body.law.points.cells], minlength=grains))
    stiff, free = (np.array(part) for part in zip(*(turned(R) for R in turns.values()), strict=True))
    share = counts / counts.sum()
    equal_stress = share @ free
    equal_strain = np.linalg.solve(np.einsum("g,gij->ij", share, stiff), np.einsum("g,gij,gj->i", share, stiff, free))
    draw_aggregate(body, turns, out)
    return {
        "largest mean stress of the aggregate (MPa)": float(np.abs(stress).max()),
        "mean Mises stress in it (MPa)": float(m.comm.allreduce(mises.sum()) / counts.sum()),
        "largest Mises stress in it (MPa)": float(m.comm.allreduce(mises.max(initial=0.0), op=MPI.MAX)),
        "volumetric expansion (1e-6/K)": float(1e6 * strain[:3].sum() / WARMER),
        "the same at equal stress": float(1e6 * equal_stress[:3].sum()),
        "the same at equal strain": float(1e6 * equal_strain[:3].sum()),
    }


def draw_aggregate(body: Heated, turns: dict[int, np.ndarray], out: Path) -> None:
    """Grains by the inclination of their axes, and the Mises stress."""
    inclination = fem.Function(fem.functionspace(body.mesh, ("DG", 0)))
    angles = np.degrees(np.arccos(np.abs([R[2, 2] for R in turns.values()])))
    inclination.x.array[:] = angles[body.tags.values]
    mises = body.law.field("mises_stress")
    shown = {
        "angle of the crystal's axis to z (degrees)": (inclination, "cividis", "Grains of quartz"),
        "Mises stress (MPa)": (mises, SEQUENTIAL, f"Warmer by {WARMER:g} K, free"),
    }
    out.mkdir(parents=True, exist_ok=True)
    views, scales = [], []
    for field, colours, _ in shown.values():
        comm = field.function_space.mesh.comm
        scales.append((comm.allreduce(field.x.array.min(), MPI.MIN), comm.allreduce(field.x.array.max(), MPI.MAX)))
        views.append(view(Panel(body.u, field, "", warp=60.0, colours=colours, limits=scales[-1]), out, size=(1000, 1000), zoom=0.72))
    if MPI.COMM_WORLD.rank == 0:
        picture(views, scales, shown).savefig(out / "thermal.png", dpi=200)
        console.print(f"written: {out / 'thermal.png'}")


@styled
def picture(views: list[Any], scales: list[tuple[float, float]], shown: dict[str, tuple[Any, str, str]]) -> Any:
    """The grains and their stresses."""
    figure = new_figure(9.0, 4.6)
    for axis, image, limits, (label, (_, colours, title)) in zip(figure.subplots(1, 2), views, scales, shown.items(), strict=True):
        show_view(axis, image, title)
        colour_bar(figure, axis, label, limits, colours)
    title = "Grains that expand differently hold each other back; displacements magnified 60 times"
    figure.suptitle(title, fontweight="bold", x=0.01, ha="left")
    return figure


def say(figures: dict[str, float]) -> None:
    table = Table(title=f"Quartz, {WARMER:g} K warmer", title_justify="left", box=None, padding=(0, 3, 0, 0), show_header=False)
    for name, value in figures.items():
        table.add_row(name, f"{value:.3f}")
    if MPI.COMM_WORLD.rank == 0:
        console.print(table)


if __name__ == "__main__":
    run(main, __doc__)
