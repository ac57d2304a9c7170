"""Domains of a ferroelectric that grow from noise, and a poled block that switches under a field.

The claim: below its transition the symmetric state of a ferroelectric stays where it is until something breaks the symmetry. From noise
a block with held edges that carry no charge breaks up into variants; the walls between each pair are normal to the direction that
compatibility and neutrality predict: (P_i − P_j)·n = 0. The energy falls in every step. A poled block in a reversed field switches where
its single-domain state loses stability (the intrinsic coercive field), and traces the loop of that state. Its sides are free of charge,
which keeps P from turning.

The energy is a Landau polynomial of `landau.py` with six tetragonal wells, of no particular crystal; `materials/batio3` has a learned one.

    python fem_examples/ferroelectric.py [--out results/ferroelectric]
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import basix.ufl
import numpy as np
import torch
import ufl
from arguments import run
from dolfinx import fem, mesh
from landau import CUBIC, ferroelectric
from matplotlib import colormaps
from mpi4py import MPI
from rich.console import Console
from rich.table import Table

from constitutive.fem import Electrode, UserMaterial, ViscousFlow
from constitutive.plots.style import BLUE, ORANGE, RULE, new_figure, styled
from constitutive.units import VACUUM_PERMITTIVITY
from constitutive.variants import find_wells, walls

GRADIENT = 1e-9  # J m³/C²: 1 nm² of GPa over (C/m²)²
FRAMES = 5
LANDAU = {"b": -0.3, "a": 0.5, "d": 2.0, "q": 44.0, "C11": 800.0}  # six tetragonal wells, strains of 3 %
console = Console(highlight=False)


def main(out: Path = Path("results/ferroelectric"), *, cells: int = 36, size: float = 12.0, fields: int = 10) -> dict[str, float]:
    """Domains and loop; the figures that the test asserts."""
    law = ferroelectric(**LANDAU)
    (well,) = find_wells(law, CUBIC, starts=10).minima
    block = Block(law, cells, size)
    figures, frames = block.domains(np.linalg.norm(well.polarization))
    figures["energy / energy of the well"] = figures.pop("energy (GPa)") / well.energy
    figures["wells"] = float(well.count)
    figures["wall directions predicted"] = float(len({row["plane"] for row in walls(well.variants()).rows() if row["charge"] == "neutral"}))
    limit, single = single_domain(law)
    loop = Loop(law).trace(1.25 * limit, fields)
    coercive = crossing(loop)
    figures |= {"coercive field (GV/m)": coercive, "single-domain limit (GV/m)": limit, "coercive / limit": coercive / limit}
    remanent = float(np.interp(0.0, *loop[: 2 * fields][::-1].T))
    figures["remanent polarisation / well"] = remanent / float(np.linalg.norm(well.polarization))
    say(figures)
    if MPI.COMM_WORLD.rank == 0:
        out.mkdir(parents=True, exist_ok=True)
        picture(block, frames, loop, single, limit).savefig(out / "ferroelectric.png", dpi=200)
        console.print(f"written: {out / 'ferroelectric.png'}")
    return figures


class Block:
    """A block in the plane, its edges held and free of charge, so that no domain can fill it."""

    def __init__(self, law: object, cells: int, size: float) -> None:
        self.size, self.cells = size, cells
        self.mesh = mesh.create_rectangle(MPI.COMM_WORLD, [[0.0, 0.0], [size, size]], [cells, cells], mesh.CellType.quadrilateral)
        parts = [basix.ufl.element("Lagrange", "quadrilateral", 1, shape=s) for s in ((2,), (), (2,))]
        self.W = fem.functionspace(self.mesh, basix.ufl.mixed_element(parts))
        self.w = fem.Function(self.W)
        self.u, self.phi, self.P = ufl.split(self.w)
        self.v, self.q, self.p = ufl.TestFunctions(self.W)
        self.law = UserMaterial(
            self.u, law, phi=self.phi, P=self.P, gradient=GRADIENT, length_unit="nm", unit="GPa", strain="small", plane="strain"
        )  # fmt: skip

    def domains(self, P0: float) -> tuple[dict[str, float], list[np.ndarray]]:
        """From noise to rest."""
        edge = lambda x: (np.isclose(x[:2], 0) | np.isclose(x[:2], self.size)).any(axis=0)  # noqa: E731 - one expression
        corner = lambda x: np.isclose(x[:2], 0).all(axis=0)  # noqa: E731 - one expression
        bcs = []
        for space, where in ((self.W.sub(0).sub(0), edge), (self.W.sub(0).sub(1), edge), (self.W.sub(1), corner)):
            dofs = fem.locate_dofs_geometrical((space, space.collapse()[0]), where)[0]
            bcs.append(fem.dirichletbc(fem.Constant(self.mesh, 0.0), dofs, space))
        flow = ViscousFlow(
            self.law.residual(self.v, self.q, self.p), self.law, viscosities=[(self.P, self.p, 1.0)], bcs=bcs
        )  # fmt: skip
        self.w.sub(2).interpolate(lambda x: 0.02 * noise(x, self.size))
        frames, times = [], [1.0, 3.0, 5.0, 7.0, 400.0]
        energies: list[float] = []
        for time in times[:FRAMES]:
            result = flow.run(time - flow.time, first_step=0.1, rest=1e-4)
            energies += list(result.energies[1:] if not energies else result.energies)
            frames.append(self.values())
        found = self.wall_angles(P0)
        figures = {
            "steps": float(len(energies)),
            "largest rise of the energy": float(np.diff(energies).max()),
            "energy (GPa)": energies[-1] / self.size**2,
            "90° walls": float(len(found[90])),
            "largest angle of 90° walls to the predicted normal": max(found[90], default=0.0),
            "largest angle of 180° walls to the predicted normal": max(found[180], default=0.0),
        }
        return figures, frames

    def values(self) -> np.ndarray:
        """Polarisation at the nodes of a grid (cells + 1, cells + 1, 2), on all ranks."""
        P = self.w.sub(2).collapse()
        owned = P.function_space.dofmap.index_map.size_local
        x, values = P.function_space.tabulate_dof_coordinates()[:owned, :2], P.x.array.reshape(-1, 2)[:owned]
        grid = np.zeros((self.cells + 1, self.cells + 1, 2))
        for places, part in self.mesh.comm.allgather((x, values)):
            i, j = np.round(places * self.cells / self.size).astype(int).T
            grid[i, j] = part
        return grid

    def wall_angles(self, P0: float) -> dict[int, list[float]]:
        """Mean normal of each connected wall between a pair of variants, against the predicted one: angles in degrees, by the turn of P."""
        from scipy import ndimage

        P = self.values()
        label = np.argmax(np.stack([P[..., 0], P[..., 1], -P[..., 0], -P[..., 1]]), axis=0)
        label[np.linalg.norm(P, axis=2) < 0.3 * P0] = -1
        directions = np.array([[1, 0], [0, 1], [-1, 0], [0, -1]])
        dP = np.stack(np.gradient(P, axis=(0, 1)), axis=-1)
        found: dict[int, list[float]] = {90: [], 180: []}
        for a in range(4):
            for b in range(a):
                near = [ndimage.binary_dilation(label == k, iterations=4) for k in (a, b)]
                others = np.isin(label, [k for k in range(4) if k not in (a, b)])
                wall = near[0] & near[1] & ~ndimage.binary_dilation(others, iterations=3)
                pieces, count = ndimage.label(wall)
                jump = (directions[a] - directions[b]) / np.linalg.norm(directions[a] - directions[b])
                for piece in range(1, count + 1):
                    where = pieces == piece
                    if where.sum() < self.cells / 2:
                        continue
                    slope = np.einsum("i,nij->nj", jump, dP[where])
                    normal = np.linalg.eigh(slope.T @ slope)[1][:, 1]
                    turn = 180 if (a - b) % 2 == 0 else 90
                    found[turn].append(float(np.degrees(np.arcsin(min(1.0, abs(normal @ jump))))))
        return found


def noise(x: np.ndarray, size: float) -> np.ndarray:
    """Smooth random numbers of size one and mean zero, the same on any number of ranks."""
    rng, total = np.random.default_rng(7), np.zeros((2, x.shape[1]))
    for k in range(-4, 5):
        for m in range(-4, 5):
            phase, amplitude = rng.uniform(0, 2 * np.pi, 2), rng.normal(size=2) * bool(k or m)
            wave = 2 * np.pi * (k * x[0] + m * x[1]) / size
            total += amplitude[:, None] * np.cos(wave[None] + phase[:, None]) / 9
    return total


def single_domain(law: object) -> tuple[float, np.ndarray]:
    """Free of stress in a field along −z: the field at which the poled state loses stability, and (field, P) on the way there.

    The sides carry no charge: a turn of P meets the field −P/ε₀ of its own there.
    """
    point, states = np.zeros(9), []
    point[8] = 0.5
    sides = np.diag([0.0] * 6 + [1 / VACUUM_PERMITTIVITY] * 2 + [0.0])
    matrix = lambda x: law.hessian(torch.from_numpy(x)[None])[0].numpy() + sides  # noqa: E731 - one expression
    for field in np.linspace(0.4, -3.0, 3401):
        force = np.zeros(9)
        force[8] = field
        for _ in range(20):
            step = np.linalg.solve(matrix(point), law.gradient(torch.from_numpy(point)[None])[0].numpy() - force)
            point = point - step
            if np.abs(step).max() < 1e-12:
                break
        if np.linalg.eigvalsh(matrix(point))[0] <= 0 or point[8] < 0:
            return -field, np.array(states)
        states.append((field, point[8]))
    raise RuntimeError("the poled state is stable in every field tried")


class Loop:
    """A block between electrodes, free of stress, poled along z; the field goes down and up."""

    def __init__(self, law: object, height: float = 2.0) -> None:
        self.height = height
        m = mesh.create_box(MPI.COMM_WORLD, [[0.0] * 3, [height] * 3], [2, 2, 2], mesh.CellType.hexahedron)
        parts = [basix.ufl.element("Lagrange", "hexahedron", 1, shape=s) for s in ((3,), (), (3,))]
        self.W = fem.functionspace(m, basix.ufl.mixed_element(parts))
        self.w = fem.Function(self.W)
        u, phi, self.P = ufl.split(self.w)
        v, q, p = ufl.TestFunctions(self.W)
        self.law = UserMaterial(u, law, phi=phi, P=self.P, gradient=10 * GRADIENT, length_unit="nm", unit="GPa", strain="small")
        self.faces = [Electrode(lambda x, z=z: np.isclose(x[2], z), potential=0.0) for z in (0.0, height)]
        U, bcs = self.W.sub(0), []
        for k in range(3):
            dofs = fem.locate_dofs_geometrical((U.sub(k), U.sub(k).collapse()[0]), lambda x, k=k: np.isclose(x[k], 0))[0]
            bcs.append(fem.dirichletbc(fem.Constant(m, 0.0), dofs, U.sub(k)))
        form = self.law.residual(v, q, p)
        self.flow = ViscousFlow(form, self.law, viscosities=[(self.P, p, 1.0)], bcs=bcs, electrodes=self.faces)

    def trace(self, largest: float, count: int) -> np.ndarray:
        """(field, mean P along z) from +largest to −largest and back."""
        waves = lambda x: np.stack([np.sin(x[0] + 2 * x[1]), np.cos(x[2]), np.sin(x[0] * x[1])])  # noqa: E731 - one expression
        self.w.sub(2).interpolate(lambda x: 0.01 * waves(x) + np.array([[0.0], [0.0], [0.4]]))
        mean = fem.form(self.P[2] / self.height**3 * ufl.dx)
        down = np.linspace(largest, -largest, 2 * count)
        states = []
        for field in [*down, *down[::-1]]:
            self.faces[1].potential = -field * self.height  # V: GV/m times nm
            self.flow.run(200.0, first_step=0.2, rest=1e-4, most=60)
            states.append((field, self.w.function_space.mesh.comm.allreduce(fem.assemble_scalar(mean))))
        return np.array(states)


def crossing(loop: np.ndarray) -> float:
    """Half the distance of the fields at which P changes sign."""
    fields = []
    for part in (loop[: len(loop) // 2], loop[len(loop) // 2 :]):
        k = int(np.flatnonzero(np.diff(np.sign(part[:, 1])))[0])
        fields.append((part[k, 0] + part[k + 1, 0]) / 2)
    return float(abs(fields[0] - fields[1]) / 2)


@styled
def picture(block: Block, frames: list[np.ndarray], loop: np.ndarray, single: np.ndarray, limit: float) -> Any:
    """The frames, and the loop."""
    figure = new_figure(13.0, 2.9)
    axes = figure.subplots(1, len(frames) + 1, width_ratios=[1] * len(frames) + [1.25])
    for axis, P, text in zip(axes, frames, ("time 1", "time 3", "time 5", "time 7", "at rest"), strict=False):
        angle, size = np.arctan2(P[..., 1], P[..., 0]), np.linalg.norm(P, axis=2)
        colour = colormaps["twilight_shifted"]((angle / (2 * np.pi) + 0.5 + 0.125) % 1.0)
        colour[..., :3] = 1 - (1 - colour[..., :3]) * np.clip(size / size.max(), 0, 1)[..., None]
        axis.imshow(colour.transpose(1, 0, 2), origin="lower", extent=(0, block.size, 0, block.size), interpolation="bilinear")
        step = max(1, block.cells // 12)
        x = np.linspace(0, block.size, block.cells + 1)[step // 2 :: step]
        X, Y = np.meshgrid(x, x, indexing="ij")
        Q = P[step // 2 :: step, step // 2 :: step]
        axis.quiver(X, Y, Q[..., 0], Q[..., 1], color="white", scale=8, width=0.007, pivot="mid")
        axis.set(title=text, xticks=[], yticks=[])
        for side in axis.spines.values():
            side.set_visible(True)
    last = axes[-1]
    last.plot(*loop.T, "o-", ms=3, color=BLUE, label="block")
    for sign in (1, -1):
        last.plot(*(sign * single.T), color=RULE, lw=4, zorder=0, label="single domain" if sign > 0 else None)
        last.axvline(-sign * limit, color=ORANGE, ls="--", lw=1, label="limit of stability" if sign > 0 else None)
    last.set(xlabel="field (GV/m)", ylabel="polarisation (C/m²)", title="A poled block switches")
    last.legend(loc="center")
    figure.suptitle("A ferroelectric breaks up into domains; colours and arrows: polarisation", fontweight="bold", x=0.01, ha="left")
    return figure


def say(figures: dict[str, float]) -> None:
    table = Table(title="A ferroelectric", title_justify="left", box=None, padding=(0, 3, 0, 0), show_header=False)
    for name, value in figures.items():
        table.add_row(name, f"{value:.4g}")
    if MPI.COMM_WORLD.rank == 0:
        console.print(table)


if __name__ == "__main__":
    run(main, __doc__)
