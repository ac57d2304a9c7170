"""A slender silicon fin under compression: the bend of the law moves the load at which it gives way.

A fin between smooth plates shortens evenly until a second equilibrium branches off: there the tangent of the whole body is singular
(Hill 1958). Euler's load π² E I/L² takes the modulus at no load; but at the strain of a stubby fin the crystal's tangent has changed
by its third-order constants. The critical shortening is known exactly: a small displacement p(y) sin kx, q(y) cos kx on top of the
homogeneous state obeys ordinary equations, A_iJkL u_k,LJ = 0 with no traction on the free faces, where A = ∂P/∂F of the law at that
stretch and k = π/L (Biot 1965; Hill and Hutchinson 1975 for this block). The claims: the shortening at which the tangent of the finite
elements is singular is the exact one to 0.1 %; silicon loaded along [100] buckles at another load than a crystal of the same
constants of second order alone (St Venant–Kirchhoff); and beyond that load the fin bends, as a slight push shows.

    python fem_examples/buckling.py [--out results/buckling]
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import ufl
from arguments import run
from bodies import gathered, gathered_cells, grid, held, triangles_of
from crystals import crystal_to_lab, fitted
from dolfinx import fem, mesh
from mpi4py import MPI
from rich.console import Console
from rich.table import Table
from scipy.linalg import expm
from scipy.optimize import brentq

from constitutive import Material
from constitutive.fem import Problem, UserMaterial, buckling
from constitutive.laws import Law, LinearLaw
from constitutive.plots.style import BLUE, MUTED, ORANGE, SEQUENTIAL, new_figure, styled
from constitutive.tensors.packing import stiffness_voigt_to_mandel

RATIOS = (4.0, 5.0, 7.0, 10.0, 14.0)  # length over thickness
SHOWN = 10.0  # the fin that is bent
PUSH = 1e-4  # GPa, across one end
R = crystal_to_lab(x=[1, 0, 0], y=[0, 1, 0])  # the load is along [100], the thickness along [010], the width (held) along [001]
SILICON, LINEAR = "silicon", "St Venant-Kirchhoff"
console = Console(highlight=False)


def main(
    out: Path = Path("results/buckling"), *, ratios: tuple[float, ...] = RATIOS, beyond: float = 2.0, steps: int = 16
) -> dict[str, float]:
    """Critical shortening of fins, and one fin beyond it; the figures that the test asserts."""
    material = fitted("silicon", (2, 3, 4, 5))
    stiffness = stiffness_voigt_to_mandel(material.stiffness_voigt())
    linear = Material(LinearLaw(stiffness, material.law.rotations.numpy()), material.point_group, material.structure, "linear")
    laws = {SILICON: material, LINEAR: linear}
    figures: dict[str, float] = {}
    for name, crystal in laws.items():
        for ratio in ratios:
            exact, stress = critical(crystal.law, ratio)
            found = 0.5 * np.pi**2 / 12 / ratio**2
            for _ in range(2):  # from half of Euler's shortening, then from near the load itself
                found = Fin(crystal, ratio).critical(0.97 * found)
            figures[f"critical shortening {name} {ratio:g}"] = exact
            figures[f"finite elements / exact {name} {ratio:g}"] = found / exact
            figures[f"critical stress / Euler {name} {ratio:g}"] = stress / euler_stress(material, ratio)
    history = Fin(material, SHOWN).bend(
        figures.get(f"critical shortening {SILICON} {SHOWN:g}", critical(material.law, SHOWN)[0]), beyond, steps
    )
    figures |= {"end before": history["before"], "end after": history["end"][-1]}
    say(figures, ratios)
    if MPI.COMM_WORLD.rank == 0:
        out.mkdir(parents=True, exist_ok=True)
        picture(laws, figures, ratios, history).savefig(out / "buckling.png", dpi=200)
        console.print(f"written: {out / 'buckling.png'}")
    return figures


# ---- theory --------------------------------------------------------------------------------------------------------------


def evenly_shortened(law: Law, shortening: float) -> tuple[np.ndarray, np.ndarray]:
    """P (GPa) and ∂P/∂F of the homogeneous state: shortened along x, free along y, held along z."""
    F = np.diag([1 - shortening, 1.0, 1.0])
    for _ in range(30):
        P, A = (np.asarray(part) for part in law(F))
        if abs(P[1, 1]) < 1e-13:
            break
        F[1, 1] -= P[1, 1] / A[1, 1, 1, 1]
    return P, A


def free_faces(law: Law, shortening: float, ratio: float) -> float:
    """Zero where a bent shape of half a wave along the fin leaves both faces free; thickness 1."""
    A = evenly_shortened(law, shortening)[1]
    k = np.pi / ratio
    # P12,2 + P11,1 = 0 and P21,1 + P22,2 = 0 for u = (p sin kx, q cos kx), state (p, q, p', q')
    system = np.zeros((4, 4))
    system[0, 2] = system[1, 3] = 1.0
    system[2] = np.array([k**2 * A[0, 0, 0, 0], 0, 0, k * (A[0, 0, 1, 1] + A[0, 1, 1, 0])]) / A[0, 1, 0, 1]
    system[3] = np.array([0, k**2 * A[1, 0, 1, 0], -k * (A[1, 0, 0, 1] + A[1, 1, 0, 0]), 0]) / A[1, 1, 1, 1]
    face = expm(system / 2)[:, [1, 2]]  # bending: p odd in y, q even
    shear = A[0, 1, 0, 1] * face[2] - k * A[0, 1, 1, 0] * face[1]
    normal = k * A[1, 1, 0, 0] * face[0] + A[1, 1, 1, 1] * face[3]
    return float(shear[0] * normal[1] - shear[1] * normal[0])


def critical(law: Law, ratio: float) -> tuple[float, float]:
    """Least shortening at which the fin can bend, and the nominal compressive stress there (GPa)."""
    euler = np.pi**2 / 12 / ratio**2
    steps = np.linspace(0.2, 2.0, 37) * euler
    values = [free_faces(law, s, ratio) for s in steps]
    first = next(i for i in range(len(steps) - 1) if values[i] * values[i + 1] < 0)
    shortening = brentq(lambda s: free_faces(law, s, ratio), steps[first], steps[first + 1], xtol=1e-14)
    return float(shortening), float(-evenly_shortened(law, shortening)[0][0, 0])


def euler_stress(material: Material, ratio: float) -> float:
    """π² E I/(L² h) with the modulus at no load of a plate held along z (GPa)."""
    C = material.stiffness_voigt()
    return float((C[0, 0] - C[0, 1] ** 2 / C[1, 1]) * np.pi**2 / 12 / ratio**2)


# ---- finite elements -------------------------------------------------------------------------------------------------------


class Fin:
    """A fin of thickness 1 between smooth plates at its ends, in plane strain; quadratic elements."""

    def __init__(self, material: Material, ratio: float) -> None:
        self.length = ratio
        self.mesh = grid([np.linspace(0, ratio, 3 * round(ratio) + 1), np.linspace(-0.5, 0.5, 4)])
        V = fem.functionspace(self.mesh, ("Lagrange", 2, (2,)))
        self.u, self.v = fem.Function(V), ufl.TestFunction(V)
        self.law = UserMaterial(self.u, material, orientation=R, unit="GPa", plane="strain")
        self.moved = fem.Constant(self.mesh, 0.0)
        middle = lambda x: np.isclose(x[0], ratio / 2) & np.isclose(x[1], 0)  # noqa: E731 - one expression
        plates = [held(V, 0, lambda x: np.isclose(x[0], 0)), held(V, 0, lambda x: np.isclose(x[0], ratio), self.moved)]
        self.bcs = [*plates, held(V, 1, middle)]

    def critical(self, shortening: float) -> float:
        """Shortening at which the tangent is singular, by the tangent and its change along the path at a smaller shortening."""
        self.moved.value = -shortening * self.length
        problem = Problem(self.law.residual(self.v), self.law, bcs=self.bcs)
        problem.solve().require()
        return shortening * float(buckling(problem).load_factors[0])

    def bend(self, critical: float, beyond: float, steps: int) -> dict[str, Any]:
        """Shorten by ``beyond`` times the critical value under a slight push across one end."""
        facets = mesh.locate_entities_boundary(self.mesh, 1, lambda x: np.isclose(x[0], 0))
        end = ufl.ds(
            domain=self.mesh, subdomain_data=mesh.meshtags(self.mesh, 1, np.sort(facets), np.ones(len(facets), np.int32)), subdomain_id=1
        )
        problem = Problem(self.law.residual(self.v) - PUSH * self.v[1] * end, self.law, bcs=self.bcs)
        path, moved, shapes = np.linspace(0, beyond, steps + 1)[1:], [], []
        for part in path:
            self.moved.value = -part * critical * self.length
            problem.solve(steps=1 if part < 0.8 else 2).require()
            x, u = gathered(self.u)
            moved.append(float(u[np.isclose(x[:, 0], 0) & np.isclose(x[:, 1], 0), 1][0]))
            shapes.append(self.shape(part))
        before = float(np.interp(0.75, path, moved))
        return {"path": path, "end": moved, "shapes": shapes, "before": before}

    def shape(self, part: float) -> dict[str, Any]:
        """Corners of the cells where they are now, and the stress along x there (GPa)."""
        corners = fem.Function(fem.functionspace(self.mesh, ("DG", 1, (2,))))
        corners.interpolate(self.u)
        x, u = gathered_cells(corners)
        stress = gathered_cells(self.law.field("cauchy_stress", ("DG", 1)))[1]
        return {"part": part, "x": x[:, :, :2] + u, "stress": stress[:, :, 0]}


# ---- what is shown ---------------------------------------------------------------------------------------------------------


def say(figures: dict[str, float], ratios: tuple[float, ...]) -> None:
    table = Table(title="Fins along [100]", title_justify="left", box=None, padding=(0, 3, 0, 0), header_style="dim")
    for column in ("length / thickness", "law", "critical shortening", "finite elements / exact", "stress / Euler"):
        table.add_column(column, no_wrap=column == "law")
    for ratio in ratios:
        for name in (SILICON, LINEAR):
            keys = ("critical shortening", "finite elements / exact", "critical stress / Euler")
            values = [figures[f"{key} {name} {ratio:g}"] for key in keys]
            table.add_row(f"{ratio:g}", name, f"{values[0]:.4%}", f"{values[1]:.6f}", f"{values[2]:.4f}")
    if MPI.COMM_WORLD.rank == 0:
        console.print(table)


@styled
def picture(laws: dict[str, Material], figures: dict[str, float], ratios: tuple[float, ...], history: dict[str, Any]) -> Any:
    """The fin on its way, its end's displacement, and the critical stress over slenderness."""
    from matplotlib.tri import Triangulation

    figure = new_figure(11.0, 4.0)
    left, middle, right = figure.subplots(1, 3, width_ratios=(1.25, 0.9, 1))
    chosen = [history["shapes"][k] for k in np.searchsorted(history["path"], (0.5, 1.0, 1.25, 2.0)).clip(max=len(history["path"]) - 1)]
    for row, shape in enumerate(chosen):
        x = shape["x"].reshape(-1, 2) - np.array([0.0, 2.6 * row])
        triangles = Triangulation(x[:, 0], x[:, 1], triangles_of(len(shape["x"])))
        image = left.tripcolor(triangles, shape["stress"].ravel(), shading="gouraud", cmap=SEQUENTIAL, vmin=-4, vmax=1)
        left.text(-0.4, -2.6 * row, f"{shape['part']:.3g}", ha="right", va="center")
    left.set_aspect("equal")
    left.set(xticks=[], yticks=[], xlim=(-1.6, SHOWN + 0.2))
    left.set_title("Shortened by … times the critical value")
    for side in left.spines.values():
        side.set_visible(False)
    figure.colorbar(image, ax=left, location="bottom", shrink=0.7, aspect=35).set_label("stress along the fin (GPa)")
    middle.plot([0, *history["path"]], [0, *np.abs(history["end"])], "o-", color=BLUE, ms=3.5)
    middle.axvline(1, color=MUTED, lw=0.8, ls="--")
    middle.text(0.97, 0.3, "tangent singular", rotation=90, ha="right", va="center", color=MUTED, fontsize=7.5)
    middle.set(xlabel="shortening / critical", ylabel="displacement of the end / thickness", xlim=(0, None), ylim=(0, None))
    middle.set_title("A slight push shows the branch")
    lengths = np.linspace(min(ratios), max(ratios), 25)
    for (name, crystal), colour, marker in zip(laws.items(), (BLUE, ORANGE), "oD", strict=True):
        exact = [critical(crystal.law, ratio) for ratio in lengths]
        stress = [value / euler_stress(laws[SILICON], ratio) for (_, value), ratio in zip(exact, lengths, strict=True)]
        right.plot(lengths, stress, color=colour, lw=1.2, label=f"{name}: exact")
        found = [figures[f"critical stress / Euler {name} {r:g}"] * figures[f"finite elements / exact {name} {r:g}"] for r in ratios]
        right.plot(ratios, found, marker, color=colour, label=f"{name}: finite elements")
    right.axhline(1, color=MUTED, lw=0.8, zorder=0)
    right.text(max(ratios), 1.002, "Euler", ha="right", color=MUTED, fontsize=7.5)
    right.set(xlabel="length / thickness", ylabel="critical stress / Euler's")
    right.set_title("The law's bend moves the load")
    right.legend()
    figure.suptitle("A silicon fin along [100] under compression", fontweight="bold", x=0.01, ha="left")
    return figure


if __name__ == "__main__":
    run(main, __doc__)
