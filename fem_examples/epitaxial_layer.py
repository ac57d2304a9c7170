"""A strained layer on silicon: what a misfit of one per cent does on a (001), a (110) and a (111) wafer.

A layer whose free crystal is larger by the misfit f, as silicon-germanium's is (f = 4.2 % × the part of germanium), grows in step with
the substrate. Held in its plane and free above, it carries the stress −M f. The biaxial modulus M follows from σ_n = 0:
(001) C11 + C12 − 2 C12²/C11; (111) 6 C44 (C11 + 2 C12)/(C11 + 2 C12 + 4 C44); on (110) two values, along [1-10] and [001]
(Brantley 1973; Nix 1989). At a free edge the stress vanishes, within a few thicknesses. A wafer that may bend does: Stoney (1909)
for thin layers, the theory of laminates for thick ones. The claims: the layer's stress is −M f to 1e-6 at a small misfit on each
wafer; at 4 % it is that of one point of the law, 5 to 9 % more than −M f; the bilayer's curvature is that of laminate theory to 0.1 %.
The layer has silicon's own law here, with another stress-free lattice: real Si₁₋ₓGeₓ is a few per cent softer.

    python fem_examples/epitaxial_layer.py [--out results/epitaxial]
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import ufl
from arguments import run
from bodies import gathered, gathered_cells, graded, grid, held, tagged, triangles_of
from crystals import crystal_to_lab, fitted, lab_stiffness
from dolfinx import fem
from mpi4py import MPI
from rich.console import Console
from rich.table import Table

from constitutive import Material
from constitutive.fem import Problem, UserMaterial
from constitutive.plots.style import BLUE, GREEN, MUTED, ORANGE, SEQUENTIAL, new_figure, styled

LAYER, SUBSTRATE = 1, 0  # tags
# name → crystal directions along x (in the wafer) and y (its normal); z = x × y
WAFERS = {"(001)": ([1, 1, 0], [0, 0, 1]), "(110)": ([1, -1, 0], [1, 1, 0]), "(111)": ([1, -1, 0], [1, 1, 1])}
SMALL, MISFITS = 1e-6, (0.01, 0.02, 0.03, 0.04)
MESA, DEPTH, REACH = 8.0, 6.0, 12.0  # width of the mesa, depth and width of the substrate, in thicknesses of the layer
console = Console(highlight=False)


def main(out: Path = Path("results/epitaxial"), *, fine: float = 0.125, misfits: tuple[float, ...] = MISFITS) -> dict[str, float]:
    """Continuous layer, bent bilayer and mesa on three wafers; the figures that the test asserts."""
    material = fitted("silicon", (2, 3, 4, 5))
    figures: dict[str, float] = {}
    curves, mesas = {}, {}
    for name, (x, y) in WAFERS.items():
        R = crystal_to_lab(x=x, y=y)
        M = biaxial_moduli(lab_stiffness(material, R))
        small = continuous(material, R, [SMALL])[0]
        stresses = continuous(material, R, misfits)
        points = [stress_at_a_point(material, R, f) for f in misfits]
        figures |= {f"M {name} along {axis}": float(value) for axis, value in zip("xz", M, strict=True)}
        figures |= {f"stress / (−M f) {name} along {axis}": small[k] / (-M[k] * SMALL) for k, axis in enumerate("xz")}
        figures[f"at {misfits[-1]:.0%} / (−M f) {name}"] = stresses[-1][0] / (-M[0] * misfits[-1])
        figures[f"worst difference from a point {name}"] = float(np.abs(np.array(stresses) - points).max())
        curvature, laminate = bend(material, R)
        figures[f"curvature / laminate {name}"] = curvature / laminate
        curves[name] = (np.array([0.0, *misfits]), np.array([np.zeros(2), *stresses]), M)
        mesas[name] = mesa(material, R, misfits[0], fine)
        figures[f"middle of the mesa / layer {name}"] = mesas[name]["middle"] / stresses[0][0]
    say(figures)
    if MPI.COMM_WORLD.rank == 0:
        out.mkdir(parents=True, exist_ok=True)
        picture(mesas, curves, misfits[0]).savefig(out / "epitaxial.png", dpi=200)
        console.print(f"written: {out / 'epitaxial.png'}")
    return figures


# ---- theory --------------------------------------------------------------------------------------------------------------


def biaxial_moduli(C: np.ndarray) -> np.ndarray:
    """M along x and z (GPa): stresses of equal unit strains in the plane, with no stress on the planes normal to y."""
    held_, free = [0, 2, 4], [1, 3, 5]
    plane = C[np.ix_(held_, held_)] - C[np.ix_(held_, free)] @ np.linalg.solve(C[np.ix_(free, free)], C[np.ix_(free, held_)])
    return (plane @ [1.0, 1.0, 0.0])[:2]


def stress_at_a_point(material: Material, R: np.ndarray, misfit: float) -> np.ndarray:
    """Cauchy stress along x and z (GPa) of the law alone, stretched in the plane by 1/(1 + f), free along y."""
    law = material.law.rotated(R)
    F = np.eye(3) / (1 + misfit)
    F[1, 1] = 1 + misfit
    for _ in range(20):
        P, A = (np.asarray(part) for part in law(F))
        if np.abs(P[:, 1]).max() < 1e-12:
            break
        F[:, 1] -= np.linalg.solve(A[:, 1, :, 1], P[:, 1])
    sigma = P @ F.T / np.linalg.det(F)
    return np.array([sigma[0, 0], sigma[2, 2]])


def laminate_curvature(C: np.ndarray, layer: float, substrate: float, misfit: float) -> float:
    """Curvature about z of a bilayer with ε_zz = 0, free otherwise (Jones, Mechanics of Composite Materials, 2nd ed., sec. 4.2)."""
    held_, free = [0, 2, 4], [1, 3, 5]
    Q = C[np.ix_(held_, held_)] - C[np.ix_(held_, free)] @ np.linalg.solve(C[np.ix_(free, free)], C[np.ix_(free, held_)])
    bottom, joint, top = -(substrate + layer) / 2, (substrate - layer) / 2, (substrate + layer) / 2
    A, D = (top - bottom), (top**3 - bottom**3) / 3
    # unknown: strain ε_x and shear γ_xz of the middle, curvature κ: ε_x(y) = ε − κ y; both crystals have one stiffness, so no B
    membrane, moment = (top - joint), (top**2 - joint**2) / 2
    K = np.array([[Q[0, 0] * A, Q[0, 2] * A, 0], [Q[2, 0] * A, Q[2, 2] * A, 0], [0, 0, Q[0, 0] * D]])
    pull = Q @ [misfit, misfit, 0.0]
    return float(np.linalg.solve(K, [pull[0] * membrane, pull[2] * membrane, -pull[0] * moment])[2])


# ---- finite elements -------------------------------------------------------------------------------------------------------


class Section:
    """The cross-section of a long stripe: generalised plane strain, all three displacements, layer and substrate in one law."""

    def __init__(self, material: Material, R: np.ndarray, axes: list[np.ndarray], keep: Any = None) -> None:
        self.mesh = grid(axes, keep)
        self.V = fem.functionspace(self.mesh, ("Lagrange", 2, (3,)))
        self.u, self.v = fem.Function(self.V), ufl.TestFunction(self.V)
        self.tags = tagged(self.mesh, lambda x: np.where(x[:, 1] > 0, LAYER, SUBSTRATE))
        self.misfit = fem.Constant(self.mesh, np.eye(3))
        self.laws = [
            UserMaterial(self.u, {tag: material}, orientation=R, cell_tags=self.tags, unit="GPa",
                         plane="generalised_strain", axial_strain=0.0, stress_free_deformation=free)
            for tag, free in ((LAYER, self.misfit), (SUBSTRATE, None))
        ]  # fmt: skip

    def solve(self, misfit: float, bcs: list[fem.DirichletBC], steps: int = 1) -> None:
        """Equilibrium of the layer with this misfit, from the present state."""
        self.misfit.value = (1 + misfit) * np.eye(3)
        form = self.laws[0].residual(self.v) + self.laws[1].residual(self.v)
        Problem(form, self.laws, bcs=bcs).solve(steps=steps).require()

    def stress(self) -> tuple[np.ndarray, np.ndarray]:
        """Cauchy stress (GPa) at the corners of each cell, the sum of both laws' fields: each is zero where the other holds."""
        fields = [gathered_cells(law.field("cauchy_stress", ("DG", 1))) for law in self.laws]
        x = fields[0][0]
        return x, sum(values for _, values in fields).reshape(*x.shape[:2], 3, 3)

    def displacement(self) -> np.ndarray:
        """Displacement at the corners of each cell."""
        corners = fem.Function(fem.functionspace(self.mesh, ("DG", 1, (3,))))
        corners.interpolate(self.u)
        return gathered_cells(corners)[1]


def continuous(material: Material, R: np.ndarray, misfits: Any) -> list[np.ndarray]:
    """Stress along x and z (GPa) of a layer without an edge, at each misfit."""
    width, deep = 2.0, 2.0
    section = Section(material, R, [np.linspace(0, width, 3), np.array([-deep, -1.0, 0.0, 0.5, 1.0])])
    sides = lambda x: np.isclose(x[0], 0) | np.isclose(x[0], width)  # noqa: E731 - one expression
    bcs = [held(section.V, 0, sides), *(held(section.V, k, lambda x: np.isclose(x[1], -deep)) for k in range(3))]
    found = []
    for misfit in misfits:
        section.solve(misfit, bcs)
        x, sigma = section.stress()
        found.append(sigma[x.mean(axis=1)[:, 1] > 0].mean(axis=(0, 1))[[0, 2], [0, 2]])
    return found


def bend(material: Material, R: np.ndarray, layer: float = 1.0, substrate: float = 5.0, half: float = 30.0) -> tuple[float, float]:
    """Curvature of a free bilayer in its middle, and that of the theory of laminates."""
    axes = [np.linspace(-half, half, 41), np.array([-substrate, -0.5 * substrate, 0.0, layer])]
    section = Section(material, R, axes)
    at = lambda p: lambda x: np.isclose(x[0], p[0]) & np.isclose(x[1], p[1])  # noqa: E731 - one expression
    supports = [(0, (0.0, -substrate)), (1, (-half, -substrate)), (1, (half, -substrate)), (2, (0.0, -substrate))]
    section.solve(SMALL, [held(section.V, k, at(p)) for k, p in supports])
    x, u = gathered(section.u)
    line = np.isclose(x[:, 1], -substrate) & (np.abs(x[:, 0]) < half / 3)
    curvature = 2 * np.polyfit(x[line, 0], u[line, 1], 2)[0]
    return float(curvature), laminate_curvature(lab_stiffness(material, R), layer, substrate, SMALL)


def mesa(material: Material, R: np.ndarray, misfit: float, fine: float) -> dict[str, Any]:
    """A stripe of the layer with two free edges on a deep substrate: its stress along x."""
    to_edge = graded(MESA / 2, 0, fine, 1.0)[::-1]
    right = np.concatenate([to_edge, graded(MESA / 2, REACH, fine, 1.0)[1:]])
    x = np.concatenate([-right[:0:-1], right])
    y = np.concatenate([graded(0, -DEPTH, fine, 1.0)[::-1], np.linspace(0, 1, 1 + round(1 / (2 * fine)))[1:]])
    keep = lambda middle: (middle[:, 1] < 0) | (np.abs(middle[:, 0]) < MESA / 2)  # noqa: E731 - one expression
    section = Section(material, R, [x, y], keep)
    section.solve(misfit, [held(section.V, k, lambda p: np.isclose(p[1], -DEPTH)) for k in range(3)])
    corners, sigma = section.stress()
    place = corners.mean(axis=1)
    middle = (np.abs(place[:, 0]) < 1.0) & (place[:, 1] > 0.0)
    return {"x": corners, "u": section.displacement(), "sigma": sigma[:, :, 0, 0], "middle": float(sigma[middle][:, :, 0, 0].mean())}


# ---- what is shown ---------------------------------------------------------------------------------------------------------


def say(figures: dict[str, float]) -> None:
    table = Table(title="A layer in step with its substrate", title_justify="left", box=None, padding=(0, 3, 0, 0), header_style="dim")
    for column in ("", *WAFERS):
        table.add_column(column, justify="left" if not column else "right")
    rows = {
        "M along x (GPa)": "M {} along x", "M along z (GPa)": "M {} along z", "stress / (−M f), small misfit": "stress / (−M f) {} along x",
        "the same at the largest misfit": next(key for key in figures if key.startswith("at ")).replace("(001)", "{}"),
        "curvature of a bilayer / laminate theory": "curvature / laminate {}",
        "middle of the mesa / layer": "middle of the mesa / layer {}",
    }  # fmt: skip
    for label, key in rows.items():
        table.add_row(label, *(f"{figures[key.format(name)]:.5g}" for name in WAFERS))
    if MPI.COMM_WORLD.rank == 0:
        console.print(table)


@styled
def picture(mesas: dict[str, dict[str, Any]], curves: dict[str, Any], misfit: float) -> Any:
    """The mesa on each wafer, magnified, and the layer's stress over its misfit."""
    figure = new_figure(11.0, 4.4)
    grid_ = figure.add_gridspec(3, 2, width_ratios=(1.35, 1))
    limits = (-2.0, 0.5)
    axes = [figure.add_subplot(grid_[row, 0]) for row in range(3)]
    for axis, (name, state) in zip(axes, mesas.items(), strict=True):
        image = draw_mesa(axis, state, limits)
        axis.set_title(f"{name}: −{-state['middle']:.2f} GPa in the middle")
    bar = figure.colorbar(image, ax=axes, location="bottom", shrink=0.6, aspect=45, pad=0.02)
    bar.set_label("stress along x (GPa); displacements magnified 8 times")
    right = figure.add_subplot(grid_[:, 1])
    for (name, (f, stress, M)), colour in zip(curves.items(), (BLUE, ORANGE, GREEN), strict=True):
        along = " along [1-10]" if name == "(110)" else ""
        right.plot(100 * f, -stress[:, 0], "o-", color=colour, label=f"{name}: M = {M[0]:.0f} GPa{along}")
        right.plot(100 * f, M[0] * f, ":", color=colour, lw=1)
        if name == "(110)":
            right.plot(100 * f, -stress[:, 1], "s--", color=colour, ms=3.5, label=f"{name}: M = {M[1]:.0f} GPa along [001]")
            right.plot(100 * f, M[1] * f, ":", color=colour, lw=1)
    right.plot([], [], ":", color=MUTED, lw=1, label="M f, linear elasticity")
    right.set(xlabel="misfit (%)", ylabel="compressive stress of the layer (GPa)", xlim=(0, None), ylim=(0, None))
    right.set_title("Without an edge: stress over misfit")
    right.legend()
    figure.suptitle(f"A layer with {misfit:.0%} misfit on silicon: the wafer's face sets its stress", fontweight="bold", x=0.01, ha="left")
    return figure


def draw_mesa(axis: Any, state: dict[str, Any], limits: tuple[float, float], magnified: float = 8.0) -> Any:
    from matplotlib.tri import Triangulation

    x = (state["x"] + magnified * state["u"]).reshape(-1, 3)
    triangles = Triangulation(x[:, 0], x[:, 1], triangles_of(len(state["x"])))
    image = axis.tripcolor(triangles, state["sigma"].ravel(), shading="gouraud", cmap=SEQUENTIAL, vmin=limits[0], vmax=limits[1])
    axis.set_aspect("equal")
    axis.set(xlim=(-9, 9), ylim=(-3.2, 1.9), xticks=[], yticks=[])
    for side in axis.spines.values():
        side.set_visible(False)
    return image


if __name__ == "__main__":
    run(main, __doc__)
