"""Polycrystals: grains with axes of their own, from one law calibrated on one crystal.

A grain whose axes are turned by R has the stiffness D C Dᵀ (D: R on Mandel vectors). Under displacements ε̄ x on the whole boundary the
mean strain is ε̄, and the mean stress defines the effective stiffness C*: ⟨σ⟩ = C* ε̄. By the principle of least energy, with
ε̄ as the trial strain of all grains, C* ≤ ⟨D C Dᵀ⟩ (Voigt 1887); by that of least complementary energy C* ≥ ⟨(D C Dᵀ)⁻¹⟩⁻¹ (Reuss 1929; Hill
1952), both for ε̄ : C* ε̄ at every ε̄. Cubic grains have one bulk modulus, which C* then has too; only shear has bounds that are apart.
The claim: the stiffness of an aggregate lies between these bounds of these very grains; stretched by 1 %, grains carry stresses that differ
as their moduli along the load do, but less, as neighbours share the load.

Three aggregates: random grains of copper (Voronoi cells); copper on a mesh that Neper wrote, two grains; and a measured map (EBSD) of a
zirconium alloy, five grains with points that were not indexed, under the law of magnesium, hexagonal too, as no law of zirconium ships.
Where mesh and map come from: fem_examples/data/README.md.

    python fem_examples/polycrystal.py [--out results/polycrystal]
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import ufl
from arguments import run
from bodies import colour_bar, show_view, view
from crystals import fitted
from dolfinx import fem, mesh
from mpi4py import MPI
from rich.console import Console
from rich.table import Table
from scipy.spatial.transform import Rotation

from constitutive import Material
from constitutive.fem import Problem, UserMaterial, read_grain_map, read_neper_mesh, read_orientations
from constitutive.fem.pictures import Panel
from constitutive.plots.style import BLUE, MUTED, SEQUENTIAL, new_figure, styled
from constitutive.tensors.packing import MANDEL_BASIS, mandel_matrix, stiffness_voigt_to_mandel

DATA = Path(__file__).resolve().parent / "data"
STRETCH = 0.01
Turns = dict[int, np.ndarray]
console = Console(highlight=False)


def main(out: Path = Path("results/polycrystal"), *, cells: int = 12, grains: int = 40, seed: int = 4) -> dict[str, Any]:
    """Effective stiffness, its bounds, and a stretched aggregate; the figures that the test asserts."""
    material = fitted("copper")
    m = mesh.create_box(MPI.COMM_WORLD, [[0, 0, 0], [1, 1, 1]], [cells] * 3, mesh.CellType.hexahedron)
    tags = voronoi(m, grains, seed)
    turns = dict(enumerate(Rotation.random(grains, random_state=seed).as_matrix()))
    stiffness = stiffness_voigt_to_mandel(material.stiffness_voigt())
    voigt, reuss = bounds(m, tags, turns, stiffness)
    effective = effective_stiffness(material, m, tags, turns)
    figures = {**moduli(effective, voigt, reuss), **margins(effective, voigt, reuss)}
    say(figures, "Voronoi cells, copper")
    out.mkdir(parents=True, exist_ok=True)
    others = [meshed_by_neper(material, out), measured(out)]
    for other in others:
        say(other.figures, other.title)
        figures[other.name] = other.figures
    aggregate = Aggregate(material, m, tags, turns, "finite")
    aggregate.pull(np.diag([STRETCH, 0, 0]), free=True)
    return figures | by_grain(aggregate, tags, turns, stiffness, out, others)


# ---- the aggregate -----------------------------------------------------------------------------------------------------


def voronoi(m: mesh.Mesh, grains: int, seed: int) -> mesh.MeshTags:
    """Tag each cell with the grain whose seed is nearest to it."""
    count = m.topology.index_map(3).size_local + m.topology.index_map(3).num_ghosts
    cells = np.arange(count, dtype=np.int32)
    seeds = np.random.default_rng(seed).random((grains, 3))
    middle = mesh.compute_midpoints(m, 3, cells)
    nearest = np.argmin(np.linalg.norm(middle[:, None] - seeds, axis=2), axis=1)
    return mesh.meshtags(m, 3, cells, nearest.astype(np.int32))


@dataclass(frozen=True)
class Read:
    """An aggregate that was read from files: its figures, and an image of its grains (None on ranks other than 0)."""

    name: str
    title: str
    figures: dict[str, float]
    image: np.ndarray | None
    limits: tuple[float, float]


def meshed_by_neper(material: Material, out: Path) -> Read:
    """Two grains on a mesh of Neper (quadratic tetrahedra) with the orientations that the file states."""
    path = DATA / "bicrystal.msh"
    m, tags = read_neper_mesh(path, MPI.COMM_WORLD)
    return looked_at("Neper", "Mesh of Neper, copper", material, m, tags, read_orientations(path), out, degree=2)


def measured(out: Path) -> Read:
    """A measured map, its grains extruded to columns."""
    material = Material.load("magnesium")
    grains = read_grain_map(DATA / "zircaloy.ctf", material, frame="oxford", crystal_axes="x||a*")
    m, tags = grains.grid.mesh(MPI.COMM_WORLD, thickness=1.0, layers=2)
    return looked_at("EBSD", "Map (EBSD) of a zirconium alloy, law of magnesium", material, m, tags, grains.orientations, out)


def looked_at(
    name: str, title: str, material: Material, m: mesh.Mesh, tags: mesh.MeshTags, turns: Turns, out: Path, *, degree: int = 1
) -> Read:
    """Effective stiffness and bounds of an aggregate, and its grains coloured by their moduli along x."""
    stiffness = stiffness_voigt_to_mandel(material.stiffness_voigt())
    voigt, reuss = bounds(m, tags, turns, stiffness)
    effective = effective_stiffness(material, m, tags, turns, degree=degree)
    young = young_along_x(turns, stiffness)
    modulus = cell_function(m, np.array([young[tag] for tag in tags.values]))
    limits = (min(young.values()), max(young.values()))
    u = fem.Function(fem.functionspace(m, ("Lagrange", 1, (3,))))
    image = view(Panel(u, modulus, "", colours="cividis", limits=limits), out, size=(1200, 800), zoom=0.8)
    figures = {"grains": len(turns), **moduli(effective, voigt, reuss), **margins(effective, voigt, reuss)}
    return Read(name, title, figures, image, limits)


def cell_function(m: mesh.Mesh, values: np.ndarray) -> fem.Function:
    """One value a cell, those of ghosts included."""
    function = fem.Function(fem.functionspace(m, ("DG", 0)))
    function.x.array[: len(values)] = values
    function.x.scatter_forward()
    return function


def young_along_x(turns: Turns, stiffness: np.ndarray) -> dict[int, float]:
    """Young's modulus (GPa) of each grain along x."""
    D = mandel_matrix(np.stack(list(turns.values())))
    return dict(zip(turns, (1 / (D @ np.linalg.inv(stiffness) @ D.swapaxes(1, 2))[:, 0, 0]).tolist(), strict=True))


class Aggregate:
    """A body of grains under displacements on its boundary."""

    def __init__(self, material: Material, m: mesh.Mesh, tags: mesh.MeshTags, turns: Turns, strain: str, degree: int = 1) -> None:
        self.V = fem.functionspace(m, ("Lagrange", degree, (3,)))
        self.u, self.v = fem.Function(self.V), ufl.TestFunction(self.V)
        self.law = UserMaterial(self.u, material, orientation=turns, cell_tags=tags, unit="GPa", strain=strain)
        self.ends = fem.Function(self.V)

    def pull(self, gradient: np.ndarray, *, free: bool = False) -> None:
        """Move the whole boundary as a uniform gradient would, or only stretch along x between smooth plates (``free`` sides)."""
        self.ends.interpolate(lambda x: gradient @ x)
        Problem(self.law.residual(self.v), self.law, bcs=self.plates() if free else self.boundary()).solve().require()

    def boundary(self) -> list[fem.DirichletBC]:
        m = self.V.mesh
        m.topology.create_connectivity(2, 3)
        dofs = fem.locate_dofs_topological(self.V, 2, mesh.exterior_facet_indices(m.topology))
        return [fem.dirichletbc(self.ends, dofs)]

    def plates(self) -> list[fem.DirichletBC]:
        """Both x faces move along x; rigid motions are held on the faces y = 0 and z = 0, as by symmetry."""
        bcs = []
        for component, place in ((0, 0.0), (0, 1.0), (1, 0.0), (2, 0.0)):
            sub, _ = self.V.sub(component).collapse()
            value = fem.Function(sub)
            value.x.array[:] = STRETCH * place
            near = lambda x, c=component, p=place: np.isclose(x[c], p)  # noqa: E731 - one expression
            dofs = fem.locate_dofs_geometrical((self.V.sub(component), sub), near)
            bcs.append(fem.dirichletbc(value, dofs, self.V.sub(component)))
        return bcs

    def mean_stress(self) -> np.ndarray:
        """Volume average of the stress over all ranks (GPa)."""
        comm = self.V.mesh.comm
        weights = self.law.points.weights()
        stress = self.law.stress.x.array.reshape(-1, 6)[: len(weights)]
        return comm.allreduce(weights @ stress) / comm.allreduce(weights.sum())


def effective_stiffness(material: Material, m: mesh.Mesh, tags: mesh.MeshTags, turns: Turns, *, degree: int = 1) -> np.ndarray:
    """Mandel stiffness (GPa) from six uniform strains of the boundary."""
    size = 1e-6
    aggregate = Aggregate(material, m, tags, turns, "small", degree)
    columns = []
    for basis in MANDEL_BASIS:
        aggregate.pull(size * basis)
        aggregate.law.update(tangent=False)
        columns.append(aggregate.mean_stress() / size)
    return np.column_stack(columns)


def bounds(m: mesh.Mesh, tags: mesh.MeshTags, turns: Turns, stiffness: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Voigt's and Reuss's stiffness of these very grains."""
    owned = m.topology.index_map(3).size_local
    cells = fem.assemble_vector(fem.form(ufl.TestFunction(fem.functionspace(m, ("DG", 0))) * ufl.dx)).array[:owned]
    sums = np.bincount(tags.values[:owned], weights=cells, minlength=max(turns) + 1)
    volumes = m.comm.allreduce(sums)[list(turns)]
    share = volumes / volumes.sum()
    D = mandel_matrix(np.stack(list(turns.values())))
    turned = D @ stiffness @ D.swapaxes(1, 2)
    return np.einsum("g,gij->ij", share, turned), np.linalg.inv(np.einsum("g,gij->ij", share, np.linalg.inv(turned)))


# ---- figures -----------------------------------------------------------------------------------------------------------


def bulk_and_shear(C: np.ndarray) -> tuple[float, float]:
    """Isotropic parts of a Mandel stiffness."""
    one = np.array([1.0, 1, 1, 0, 0, 0]) / np.sqrt(3)
    bulk = one @ C @ one / 3
    return float(bulk), float((np.trace(C) - 3 * bulk) / 10)


def moduli(effective: np.ndarray, voigt: np.ndarray, reuss: np.ndarray) -> dict[str, float]:
    names = {"effective": effective, "Voigt": voigt, "Reuss": reuss}
    figures = {}
    for name, C in names.items():
        K, G = bulk_and_shear(C)
        figures |= {f"K {name}": K, f"G {name}": G, f"E {name}": 9 * K * G / (3 * K + G)}
    return figures


def margins(effective: np.ndarray, voigt: np.ndarray, reuss: np.ndarray) -> dict[str, float]:
    """Smallest eigenvalue of Voigt − effective and of effective − Reuss: neither may be negative."""
    C = (effective + effective.T) / 2
    return {
        "asymmetry": float(np.abs(effective - effective.T).max() / np.abs(effective).max()),
        "below Voigt": float(np.linalg.eigvalsh(voigt - C).min()),
        "above Reuss": float(np.linalg.eigvalsh(C - reuss).min()),
    }


def say(figures: dict[str, Any], title: str) -> None:
    table = Table(title=f"{title} (GPa)", title_justify="left", box=None, padding=(0, 3, 0, 0), header_style="dim")
    for column in ("", "Reuss", "aggregate", "Voigt"):
        table.add_column(column, justify="left" if not column else "right")
    for modulus, name in (("K", "bulk modulus"), ("G", "shear modulus"), ("E", "Young's modulus")):
        table.add_row(name, *(f"{figures[f'{modulus} {which}']:.1f}" for which in ("Reuss", "effective", "Voigt")))
    if MPI.COMM_WORLD.rank == 0:
        console.print(table)


def by_grain(
    aggregate: Aggregate, tags: mesh.MeshTags, turns: Turns, stiffness: np.ndarray, out: Path, others: list[Read]
) -> dict[str, Any]:
    """Mean stress of each grain beside its modulus along the load, and pictures."""
    m = aggregate.V.mesh
    owned = m.topology.index_map(3).size_local
    stress = aggregate.law.field("cauchy_stress")
    along = stress.x.array.reshape(-1, 9)[:owned, 0]
    sums = m.comm.allreduce(np.bincount(tags.values[:owned], weights=along, minlength=len(turns)))
    counts = m.comm.allreduce(np.bincount(tags.values[:owned], minlength=len(turns)))
    mean = sums / np.maximum(counts, 1)
    young = np.array(list(young_along_x(turns, stiffness).values()))
    some = counts > 0
    scalar, modulus = cell_function(m, 1e3 * along), cell_function(m, young[tags.values])
    scales = {name: (float(values.min()), float(values.max())) for name, values in (("E", young[some]), ("stress", 1e3 * mean[some]))}
    views = [
        view(Panel(aggregate.u, modulus, "", warp=4.0, colours="cividis", limits=scales["E"]), out, size=(1000, 1000), zoom=0.72),
        view(Panel(aggregate.u, scalar, "", warp=4.0, limits=scales["stress"]), out, size=(1000, 1000), zoom=0.72),
    ]
    if m.comm.rank == 0:
        picture(views, scales, young[some], 1e3 * mean[some], counts[some], others).savefig(out / "polycrystal.png", dpi=200)
        console.print(f"written: {out / 'polycrystal.png'}")
    correlation = float(np.corrcoef(young[some], mean[some])[0, 1])
    grain = {str(tag): float(mean[tag]) for tag in np.flatnonzero(some)}
    return {"correlation": correlation, "stress of the grains": grain, "mean stress": float(np.average(mean[some], weights=counts[some]))}


@styled
def picture(
    views: list[Any],
    scales: dict[str, tuple[float, float]],
    young: np.ndarray,
    stress: np.ndarray,
    size: np.ndarray,
    others: list[Read],
) -> Any:
    """The grains, their stresses, and the stress of each grain over its modulus along the load; below, the aggregates read from files."""
    figure = new_figure(11.0, 7.4)
    upper, lower = figure.subfigures(2, 1, height_ratios=(4.2, 3.0))
    left, middle, right = upper.subplots(1, 3, width_ratios=(1, 1, 1.15))
    for axis, other in zip(lower.subplots(1, 2, width_ratios=(1, 2)), others, strict=True):
        show_view(axis, other.image, f"{other.title}\n{between(other.figures)}")
        colour_bar(lower, axis, "Young's modulus along x (GPa)", other.limits, "cividis")
    show_view(left, views[0], "Grains")
    colour_bar(upper, left, "Young's modulus of the grain along the load (GPa)", scales["E"], "cividis")
    show_view(middle, views[1], f"Stretched by {STRETCH:.0%}")
    colour_bar(upper, middle, "Cauchy stress along the load (MPa)", scales["stress"], SEQUENTIAL)
    right.scatter(young, stress, s=12 + 180 * size / size.max(), color=BLUE, alpha=0.65, lw=0)
    right.plot([young.min(), young.max()], 1e3 * STRETCH * np.array([young.min(), young.max()]), color=MUTED, lw=1)
    right.text(young.max(), 1e3 * STRETCH * young.max(), "a grain alone: E × 1 %  ", ha="right", color=MUTED, fontsize=7.5)
    right.set(xlabel="Young's modulus of the grain along the load (GPa)", ylabel="mean stress of the grain (MPa)")
    right.set_title("Neighbours share the load")
    upper.suptitle(f"A copper polycrystal of {len(young)} grains", fontweight="bold", x=0.01, ha="left")
    lower.suptitle("Grains from files", fontweight="bold", x=0.01, ha="left")
    return figure


def between(figures: dict[str, float]) -> str:
    """The shear modulus with its bounds."""
    return f"G {figures['G effective']:.2f} GPa (Reuss {figures['G Reuss']:.2f}, Voigt {figures['G Voigt']:.2f})"


if __name__ == "__main__":
    run(main, __doc__)
