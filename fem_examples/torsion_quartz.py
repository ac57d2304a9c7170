"""A bar of quartz cut along Y: stretched it shears, bent it twists, and the sign shows how the crystal lies.

In a trigonal crystal (32) the twofold axis X leaves the compliance S24, which couples a stretch along Y with a shear in the YZ plane;
cubic and hexagonal crystals have none in their standard axes. Pulled along Y the bar's sections shear by the same amount everywhere.
Bent, one half is pulled and the other pressed: the shear changes sign across the section, which is a twist. The state is uniform in
the first case and linear in x in the second, and both fulfil equilibrium and the stress-free sides exactly: no error of a beam theory.
The claim: a Y bar of a trigonal crystal under the stress σ shears by γ_yz = S24 σ; bent so that σ = k x, it twists by −½ S24 k per
length: the exact solution of pure bending with the coefficients S42 and S62 (Lekhnitskii, Theory of Elasticity of an Anisotropic Body,
1963, sec. 22). Turned by 180° about Z, the same crystal has the opposite S24, and the bar shears and twists the other way.

    python fem_examples/torsion_quartz.py [--out results/quartz]
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import ufl
from arguments import run
from bodies import colour_bar, of_one_size, show_view, view
from crystals import fitted
from dolfinx import fem, mesh
from mpi4py import MPI
from rich.console import Console
from rich.table import Table

from constitutive import Material
from constitutive.fem import Problem, UserMaterial
from constitutive.fem.pictures import Panel
from constitutive.plots.style import DIVERGING, new_figure, styled

LENGTH, WIDTH = 5.0, 1.0  # mm, along y and across
LIMITS = (-0.1, 0.1)  # MPa, of the colours
SMALL, LARGE = 1e-4, 3.0  # GPa: largest stress of a linear and of a finite load
TURNED = np.diag([-1.0, -1.0, 1.0])  # by 180° about Z
console = Console(highlight=False)


def main(out: Path = Path("results/quartz"), *, along: int = 10, across: int = 2) -> dict[str, float]:
    """Stretch and bend the bar in both settings of the crystal; the figures that the test asserts."""
    material = fitted("quartz")
    S = np.linalg.inv(material.stiffness_voigt())  # 1/GPa, the frame of the structure
    figures: dict[str, float] = {"S24 (1/TPa)": 1e3 * S[1, 3], "S22 (1/TPa)": 1e3 * S[1, 1]}
    bars = {}
    for name, R, sign in (("", np.eye(3), 1.0), (" turned", TURNED, -1.0)):
        stretched = Bar(material, R, along, across, "small").load("stretch", SMALL)
        figures[f"shear / (S24 σ){name}"] = stretched.shear() / (S[1, 3] * SMALL)
        figures[f"stretch / (S22 σ){name}"] = stretched.stretch() / (S[1, 1] * SMALL)
        bent = Bar(material, R, along, across, "small").load("bend", SMALL)
        slope = SMALL / (WIDTH / 2)
        figures[f"twist / (−½ S24 k){name}"] = bent.twist() / (-0.5 * S[1, 3] * slope)
        finite = Bar(material, R, along, across, "finite").load("bend", LARGE)
        figures[f"twist at {LARGE} GPa / linear{name}"] = finite.twist() / (-0.5 * S[1, 3] * LARGE / (WIDTH / 2))
        figures[f"points outside the domain{name}"] = finite.law.count_outside()
        bars[f"stretched{name}"], bars[f"bent{name}"] = stretched, bent
        figures[f"sign{name}"] = sign
    say(figures)
    pictures(bars, out)
    return figures


class Bar:
    """A square bar along y, loaded by tractions on its ends only; quadratic elements hold the exact solution of pure bending."""

    def __init__(self, material: Material, R: np.ndarray, along: int, across: int, strain: str) -> None:
        corners = [[-WIDTH / 2, -LENGTH / 2, -WIDTH / 2], [WIDTH / 2, LENGTH / 2, WIDTH / 2]]
        self.mesh = mesh.create_box(MPI.COMM_WORLD, corners, [across, along, across], mesh.CellType.hexahedron)
        self.V = fem.functionspace(self.mesh, ("Lagrange", 2, (3,)))
        self.u, self.v = fem.Function(self.V, name="displacement"), ufl.TestFunction(self.V)
        self.law = UserMaterial(self.u, material, orientation=R, unit="GPa", strain=strain)

    def load(self, kind: str, stress: float) -> Bar:
        """Tractions that make σ_yy = stress (``stretch``) or stress · x / (width/2) (``bend``)."""
        x, normal = ufl.SpatialCoordinate(self.mesh), ufl.FacetNormal(self.mesh)
        profile = stress if kind == "stretch" else stress * x[0] / (WIDTH / 2)
        work = profile * normal[1] * self.v[1] * self.ends()
        Problem(self.law.residual(self.v) - work, self.law, bcs=self.rigid()).solve(steps=1 if stress == SMALL else 4).require()
        return self

    def ends(self) -> Any:
        dim = self.mesh.topology.dim - 1
        facets = mesh.locate_entities_boundary(self.mesh, dim, lambda x: np.isclose(np.abs(x[1]), LENGTH / 2))
        tags = mesh.meshtags(self.mesh, dim, np.sort(facets), np.ones(len(facets), dtype=np.int32))
        return ufl.ds(domain=self.mesh, subdomain_data=tags, subdomain_id=1)

    def rigid(self) -> list[fem.DirichletBC]:
        """Six conditions at points of the middle section: no force comes of them."""
        half = WIDTH / 2
        points = {0: ((0, 0, 0), (0, 0, half)), 1: ((0, 0, 0), (0, 0, half), (half, 0, 0)), 2: ((0, 0, 0),)}
        bcs = []
        for component, places in points.items():
            sub, _ = self.V.sub(component).collapse()
            for place in places:
                near = lambda x, p=place: np.linalg.norm(x - np.array(p)[:, None], axis=0) < 1e-9  # noqa: E731 - one expression
                dofs = fem.locate_dofs_geometrical((self.V.sub(component), sub), near)
                bcs.append(fem.dirichletbc(fem.Function(sub), dofs, self.V.sub(component)))
        return bcs

    def _slope(self, value: Any, other: Any, *, across: bool) -> float:
        """Least-squares slope of a nodal quantity over another, all ranks."""
        rows = self.mesh.comm.allgather((np.asarray(value), np.asarray(other)))
        y, x = (np.concatenate(part) for part in zip(*rows, strict=True))
        return float(np.polyfit(x, y, 1)[0]) if across or len(x) else 0.0

    def _nodes(self) -> tuple[np.ndarray, np.ndarray]:
        owned = self.V.dofmap.index_map.size_local
        return self.V.tabulate_dof_coordinates()[:owned], self.u.x.array[: 3 * owned].reshape(-1, 3)

    def stretch(self) -> float:
        """ε_yy along the axis."""
        x, u = self._nodes()
        axis = np.hypot(x[:, 0], x[:, 2]) < 1e-9
        return self._slope(u[axis, 1], x[axis, 1], across=False)

    def shear(self) -> float:
        """γ_yz = ∂u_y/∂z + ∂u_z/∂y, from lines through the middle."""
        x, u = self._nodes()
        axis = np.hypot(x[:, 0], x[:, 2]) < 1e-9
        up = (np.abs(x[:, 0]) < 1e-9) & (np.abs(x[:, 1]) < 1e-9)
        return self._slope(u[axis, 2], x[axis, 1], across=False) + self._slope(u[up, 1], x[up, 2], across=True)

    def twist(self) -> float:
        """Rotation about y per length: from the edge lines x = 0, z = ± half and z = 0, x = ± half of every section."""
        x, u = self._nodes()
        half, rates = WIDTH / 2, []
        for sign in (1, -1):
            z_side = (np.abs(x[:, 0]) < 1e-9) & (np.abs(x[:, 2] - sign * half) < 1e-9)
            x_side = (np.abs(x[:, 2]) < 1e-9) & (np.abs(x[:, 0] - sign * half) < 1e-9)
            rates.append(self._slope(u[z_side, 0] * sign / half, x[z_side, 1], across=False))
            rates.append(-self._slope(u[x_side, 2] * sign / half, x[x_side, 1], across=False))
        return float(np.mean(rates))


def say(figures: dict[str, float]) -> None:
    table = Table(title="Quartz bar along Y", title_justify="left", box=None, padding=(0, 3, 0, 0), header_style="dim")
    for column in ("", "as it lies", "turned by 180° about Z"):
        table.add_column(column, justify="left" if not column else "right")
    for name in ("stretch / (S22 σ)", "shear / (S24 σ)", "twist / (−½ S24 k)", f"twist at {LARGE} GPa / linear"):
        table.add_row(name, f"{figures[name]:+.6f}", f"{figures[name + ' turned']:+.6f}")
    if MPI.COMM_WORLD.rank == 0:
        console.print(f"S24 = {figures['S24 (1/TPa)']:+.2f} / TPa in the frame of the structure")
        console.print(table)


def pictures(bars: dict[str, Bar], out: Path) -> None:
    """What the axes of the crystal add: half the difference between the two settings, which is shear alone and twist alone, magnified."""
    out.mkdir(parents=True, exist_ok=True)
    views = {}
    for kind, effect in (("stretched", "shears"), ("bent", "twists")):
        first, second = bars[kind], bars[f"{kind} turned"]
        for bar, other, name in ((first, second, "as it lies"), (second, first, "turned by 180° about Z")):
            added = fem.Function(bar.V)
            added.x.array[:] = (bar.u.x.array - other.u.x.array) / 2
            largest = bar.mesh.comm.allreduce(float(np.abs(added.x.array).max()), op=MPI.MAX)
            panel = Panel(added, axial_stress(bar), "", warp=0.35 / largest, limits=LIMITS, colours=DIVERGING)
            views[f"{kind}, it {effect}:\n{name}"] = view(panel, out, size=(640, 640), view=(1.0, -1.3, 0.7), zoom=0.88)
    if MPI.COMM_WORLD.rank == 0:
        picture(views).savefig(out / "quartz.png", dpi=200)
        console.print(f"written: {out / 'quartz.png'}")


@styled
def picture(views: dict[str, Any]) -> Any:
    figure = new_figure(11.0, 3.6)
    axes = figure.subplots(1, len(views))
    for axis, title, image in zip(axes, views, of_one_size(views.values()), strict=True):
        show_view(axis, image, title)
    colour_bar(figure, list(axes), "stress along the bar (MPa)", LIMITS, DIVERGING)
    title = "A quartz bar along Y: the part of its deformation that the crystal's axes add, magnified"
    figure.suptitle(title, fontweight="bold", x=0.01, ha="left")
    return figure


def axial_stress(bar: Bar) -> fem.Function:
    """σ_yy at the nodes, in MPa."""
    stress = bar.law.field("cauchy_stress", "nodes")
    scalar = fem.Function(fem.functionspace(bar.mesh, ("Lagrange", 1)))
    scalar.x.array[:] = 1e3 * stress.x.array.reshape(-1, 9)[:, 4]
    return scalar


if __name__ == "__main__":
    run(main, __doc__)
