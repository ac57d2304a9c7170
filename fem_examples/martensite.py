"""A cubic crystal that turns tetragonal: from noise a clamped block becomes a laminate of two variants.

The claim: an energy of the strain alone may have wells. Below its transition the Landau energy of `landau.py` (Ericksen's form, of no
particular crystal) has three tetragonal ones. A block whose boundary holds the mean of two of them cannot take either as a whole: it
breaks up into bands of both, whose walls are normal to the predicted [110] or [1-10] (Hadamard's condition, `constitutive.variants.twins`),
with equal shares by the lever rule. The energy has a strain gradient of the length ℓ, which gives the walls their width, and a viscosity,
by which the body moves: in no step does the energy rise. From a start without noise nothing happens at all.

    python fem_examples/martensite.py [--out results/martensite]
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import ufl
from arguments import run
from dolfinx import fem, mesh
from landau import CUBIC, martensite
from mpi4py import MPI
from rich.console import Console
from rich.table import Table

from constitutive.fem import UserMaterial, ViscousFlow, strain_gradient_energy
from constitutive.plots.style import DIVERGING, new_figure, styled
from constitutive.variants import find_wells, twins

COLD = -2.0  # GPa: coefficient of e₂² + e₃², below the transition
LENGTH = 0.15  # nm: of the strain gradient, with the modulus below
MODULUS = 20.0  # GPa
TIMES = (0.05, 0.5, 2.0, 8.0, 60.0)
console = Console(highlight=False)


def main(out: Path = Path("results/martensite"), *, cells: int = 20, size: float = 11.0) -> dict[str, float]:
    """The laminate; the figures that the test asserts."""
    law = martensite(COLD)
    well = next(state for state in find_wells(law, CUBIC, starts=6).minima if state.subgroup.symbol == "4/mmm")
    found = well.variants()
    along = [int(np.argmax(np.abs(np.diag(strain)))) for strain in found.strains]
    U, V = (found.stretches[along.index(axis)] for axis in (0, 1))
    normals = [twin.normal for twin in twins(U, V)]
    block = Block(law, U, V, cells, size)
    still, _ = block.run(noise=0.0, times=TIMES[:1])
    energies, frames = block.run(noise=1e-3, times=TIMES)
    contrast = float(np.abs(found.strains[along.index(0)][0, 0] - found.strains[along.index(1)][0, 0]))
    share, angle, filled = block.laminate(normals, contrast)
    figures = {
        "variants": float(well.count),
        "predicted normals": float(len(normals)),
        "change of the energy without noise": abs(still[-1] - still[0]) / abs(energies[-1]),
        "steps": float(len(energies)),
        "largest rise of the energy": float(np.diff(energies).max()),
        "energy / energy of the wells": energies[-1] / (size**2 * well.energy),
        "energy / energy of the start": energies[-1] / energies[0] if energies[0] else np.inf,
        "share of the first variant": share,
        "share of the block that is in a well": filled,
        "angle of the walls to the predicted normals (degrees)": angle,
    }
    say(figures)
    if MPI.COMM_WORLD.rank == 0:
        out.mkdir(parents=True, exist_ok=True)
        picture(block, frames, contrast).savefig(out / "martensite.png", dpi=200)
        console.print(f"written: {out / 'martensite.png'}")
    return figures


class Block:
    """A square in the plane, quadratic triangles, the mean of two wells on its boundary and that of both along z."""

    def __init__(self, law: object, U: np.ndarray, V: np.ndarray, cells: int, size: float) -> None:
        self.size, self.cells = size, cells
        self.mesh = mesh.create_rectangle(
            MPI.COMM_WORLD, [[0.0, 0.0], [size, size]], [cells, cells], mesh.CellType.triangle, diagonal=mesh.DiagonalType.crossed
        )
        self.W = fem.functionspace(self.mesh, ("Lagrange", 2, (2,)))
        self.u, v = fem.Function(self.W), ufl.TestFunction(self.W)
        mean = (U + V) / 2
        self.law = UserMaterial(self.u, law, unit="GPa", plane="generalised_strain", axial_strain=float(mean[2, 2] - 1))
        gradient = strain_gradient_energy(self.u, MODULUS, LENGTH)
        edge = lambda x: np.isclose(x[0] * (size - x[0]), 0) | np.isclose(x[1] * (size - x[1]), 0)  # noqa: E731 - one expression
        self.mean = mean[:2, :2] - np.eye(2)
        held_value = fem.Function(self.W)
        held_value.interpolate(lambda x: self.mean @ x[:2])
        bcs = [fem.dirichletbc(held_value, fem.locate_dofs_geometrical(self.W, edge))]
        form = self.law.residual(v) + ufl.derivative(gradient, self.u, v)
        viscosity = [(ufl.grad(self.u), ufl.grad(v), 1.0)]
        self.flow = ViscousFlow(form, self.law, viscosities=viscosity, energy=gradient, bcs=bcs)

    def run(self, *, noise: float, times: tuple[float, ...]) -> tuple[list[float], list[np.ndarray]]:
        """Energies of all steps, and E_xx − E_yy on a grid at the times, from a uniform start with noise inside."""
        rng = np.random.default_rng(5)
        waves = [(rng.integers(1, 9, 2), rng.normal(size=2)) for _ in range(24)]

        def start(x: np.ndarray) -> np.ndarray:
            bumps = sum(a[:, None] * np.prod(np.sin(np.pi * k[:, None] * x[:2] / self.size), axis=0) for k, a in waves)
            return self.mean @ x[:2] + noise * self.size / 10 * bumps

        self.u.interpolate(start)
        self.flow.time, energies, frames = 0.0, [], []
        for time in times:
            result = self.flow.run(time - self.flow.time, first_step=0.02, rest=1e-5, most=150)
            energies += list(result.energies)
            frames.append(self.order())
        return energies, frames

    def order(self) -> np.ndarray:
        """E_xx − E_yy averaged over the squares of the grid, on all ranks."""
        E = self.law.field("strain", "cells")
        owned = self.mesh.topology.index_map(2).size_local
        place = mesh.compute_midpoints(self.mesh, 2, np.arange(owned, dtype=np.int32))[:, :2]
        values = E.x.array.reshape(-1, 9)[E.function_space.dofmap.list[:owned, 0]]
        total, count = np.zeros((self.cells, self.cells)), np.zeros((self.cells, self.cells))
        for x, part in self.mesh.comm.allgather((place, values[:, 0] - values[:, 4])):
            i, j = np.minimum((x * self.cells / self.size).astype(int), self.cells - 1).T
            np.add.at(total, (i, j), part)
            np.add.at(count, (i, j), 1)
        return total / count

    def laminate(self, normals: list[np.ndarray], contrast: float) -> tuple[float, float, float]:
        """Share of the first variant and angle of its walls to the nearer predicted normal, inside; and the part of the block in a well."""
        e = self.order()
        edge = max(2, self.cells // 6)
        inside = e[edge:-edge, edge:-edge]
        slope = np.stack(np.gradient(inside), axis=-1).reshape(-1, 2)
        main = np.linalg.eigh(slope.T @ slope)[1][:, 1]
        angles = [np.degrees(np.arccos(min(1.0, abs(main @ n[:2]) / np.linalg.norm(n[:2])))) for n in normals]
        return float((inside.mean() / contrast + 1) / 2), float(min(angles)), float((np.abs(inside) > contrast / 2).mean())


@styled
def picture(block: Block, frames: list[np.ndarray], contrast: float) -> Any:
    """The frames: red and blue are the two variants."""
    figure = new_figure(12.0, 2.9)
    axes = figure.subplots(1, len(frames))
    for axis, e, time in zip(np.atleast_1d(axes), frames, TIMES, strict=False):
        image = axis.imshow(
            e.T, origin="lower", extent=(0, block.size) * 2, cmap=DIVERGING, vmin=-contrast, vmax=contrast, interpolation="bilinear"
        )
        axis.set(title=f"time {time:g}", xticks=[], yticks=[])
        for side in axis.spines.values():
            side.set_visible(True)
    figure.colorbar(image, ax=axes, label="strain along x less that along y", shrink=0.9)
    figure.suptitle("Two variants of a martensite grow into a laminate", fontweight="bold", x=0.01, ha="left")
    return figure


def say(figures: dict[str, float]) -> None:
    table = Table(title="A martensite", title_justify="left", box=None, padding=(0, 3, 0, 0), show_header=False)
    for name, value in figures.items():
        table.add_row(name, f"{value:.4g}")
    if MPI.COMM_WORLD.rank == 0:
        console.print(table)


if __name__ == "__main__":
    run(main, __doc__)
