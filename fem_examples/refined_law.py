"""A law refined where a solve needs it: a plate of copper with a hole, loaded until the edge of the hole leaves the law's domain.

A law is made of 20 planned strains up to |E| = 0.025, computed with ASE's EMT potential. Under load the edge of the hole reaches
0.039: there the law is used beyond its samples, and its error bar is wide. The strains that the solve visited are written, 15 of
them are chosen by the posterior of the law, computed and added, and the same plate is solved again: `constitutive plan`, `simulate`,
`calibrate` and `improve --visited`, here called from Python.
The claims: the second solve stays inside the domain of its law; its error bar at the edge of the hole is less than a third; and the
true error, against EMT itself at the largest strains of the second solve, is less than half.

    python fem_examples/refined_law.py [--out results/refined]
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import ufl
from arguments import run
from ase.build import bulk
from ase.calculators.emt import EMT
from bodies import gathered
from dolfinx import fem
from hole_in_plate import HALF_WIDTH, RADIUS, held, quarter
from mpi4py import MPI
from rich.console import Console

from constitutive import Material, StressStrainData, calibrate
from constitutive.fem import Problem, UserMaterial, write_visited
from constitutive.fem.collective import on_first_rank
from constitutive.kinematics import second_piola_from_cauchy
from constitutive.planning import make_plan, read_visited, stretch_of
from constitutive.plots.style import BLUE, MUTED, ORANGE, new_figure, styled
from constitutive.simulate import improve, read_calculator, simulate
from constitutive.simulate.cells import atoms_of, strained, stress_of

FIRST, MORE = 20, 15  # strains of the first law, and those added
SIZE, STRETCH = 0.025, 0.014  # |E| of the first law; stretch of the plate
CHECKED = 60  # strains of the second solve at which EMT is asked
console = Console(highlight=False)


def main(out: Path = Path("results/refined"), *, around: int = 16, outward: int = 14, checked: int = CHECKED) -> dict[str, float]:
    """Solve, refine, solve again; the figures that the test asserts."""
    comm = MPI.COMM_WORLD
    with tempfile.TemporaryDirectory(prefix="refined-") as own:
        folder = Path(on_first_rank(comm, lambda: own))
        on_first_rank(comm, lambda: first_law(folder))
        before = solved(Material.load(folder / "first"), around, outward)
        write_visited(folder / "visited.npz", before["law"])
        on_first_rank(comm, lambda: refined_law(folder))
        after = solved(Material.load(folder / "refined"), around, outward)
        write_visited(folder / "visited_again.npz", after["law"])
        figures = {f"{name}, {when}": x for when, state in (("before", before), ("after", after)) for name, x in state["figures"].items()}
        figures |= on_first_rank(comm, lambda: true_errors(folder, checked))
        comm.barrier()  # nobody reads in the folder of the first rank any more
    if comm.rank == 0:
        out.mkdir(parents=True, exist_ok=True)
        for name, value in figures.items():
            console.print(f"{name}: {value:.4g}")
        picture(before, after, figures).savefig(out / "refined.png", dpi=200)
        console.print(f"written: {out / 'refined.png'}")
    return figures


# ---- the laws ----------------------------------------------------------------------------------------------------------


def first_law(folder: Path) -> None:
    """A plan, its stresses, and their law."""
    plan = make_plan(bulk("Cu", cubic=True, a=3.6), FIRST, size=SIZE)
    data = simulate(plan, read_calculator("emt"), folder / "first.run").data
    data.save(folder / "first.json")
    calibrate(data, effort="quick").save(folder / "first")


def refined_law(folder: Path) -> None:
    """Strains that the solve visited, chosen by the posterior, computed, and added."""
    material, data = Material.load(folder / "first"), StressStrainData.load(folder / "first.json")
    region = read_visited(folder / "visited.npz")
    found = improve(material, data, MORE, read_calculator("emt"), folder / "more.run", region=region, effort="quick")
    found.material.save(folder / "refined")


def true_errors(folder: Path, count: int) -> dict[str, float]:
    """Relative error of S of both laws against EMT, at some of the largest strains that the second solve visited."""
    x = read_visited(folder / "visited_again.npz").x
    largest = np.argsort(-np.linalg.norm(x, axis=1), kind="stable")[: 10 * count : 10]
    F = stretch_of(x[largest])
    structure = StressStrainData.load(folder / "first.json").structure
    if structure is None:
        raise ValueError("first.json: found no structure; needed the reference cell that simulate writes")
    stress = []
    for one in F:
        cell = strained(atoms_of(structure), one)
        cell.calc = EMT()
        stress.append(stress_of(cell))
    exact = second_piola_from_cauchy(F, np.array(stress))
    errors = {}
    for when, name in (("before", "first"), ("after", "refined")):
        off = Material.load(folder / name).second_piola_kirchhoff(F) - exact
        errors[f"true error, {when}"] = float(np.linalg.norm(off) / np.linalg.norm(exact))
    return errors


# ---- the plate ---------------------------------------------------------------------------------------------------------


def solved(material: Material, around: int, outward: int) -> dict[str, Any]:
    """A quarter of the plate under load in plane strain, and what is asked of its law."""
    V = fem.functionspace(quarter(around, outward), ("Lagrange", 2, (2,)))
    u, v = fem.Function(V), ufl.TestFunction(V)
    law = UserMaterial(u, material, plane="strain", unit="GPa", outside="warn")
    bcs = [held(V, 0, 0.0), held(V, 1, 0.0), held(V, 0, HALF_WIDTH, STRETCH * HALF_WIDTH)]
    Problem(law.residual(v), law, bcs=bcs).solve(steps=4).require()
    (x, bar), (_, strain), (_, stress) = (
        gathered(law.field(name, ("Lagrange", 2))) for name in ("uncertainty", "strain_norm", "cauchy_stress")
    )
    edge = np.abs(np.hypot(x[:, 0], x[:, 1]) - RADIUS) < 1e-6
    angle = np.degrees(np.arctan2(x[edge, 1], x[edge, 0]))
    order = np.argsort(angle)
    figures = {
        "points outside": float(law.count_outside()),
        "largest strain": law.worst_strain(),
        "error bar at the edge (GPa)": float(bar[edge].max()),
        "error bar at the edge over the stress": float(bar[edge].max() / np.linalg.norm(stress[edge], axis=1).max()),
    }
    return {
        "law": law, "figures": figures, "angle": angle[order], "bar": bar[edge, 0][order],
        "hoop": (stress[edge, 0] + stress[edge, 4])[order], "strain": strain[edge, 0][order],
    }  # fmt: skip


# ---- picture -----------------------------------------------------------------------------------------------------------


@styled
def picture(before: dict[str, Any], after: dict[str, Any], figures: dict[str, float]) -> Any:
    """Strain, stress and error bar along the edge of the hole."""
    figure = new_figure(9.6, 3.4)
    left, middle, right = figure.subplots(1, 3)
    left.plot(before["angle"], 1e3 * before["strain"], "-", color=ORANGE, label="first solve")
    left.plot(after["angle"], 1e3 * after["strain"], "--", color=BLUE, label="second solve")
    left.axhline(1e3 * SIZE, color=MUTED, lw=0.8)
    left.text(1, 1e3 * SIZE + 0.4, "|E| of the first samples", color=MUTED, fontsize=7.5)
    left.set(title="Strain at the edge of the hole", ylabel="|E| (10⁻³)")
    left.legend(loc="lower right")
    for state, colour, line, name in ((before, ORANGE, "-", "20 samples"), (after, BLUE, "--", "and 15 where it is used")):
        middle.plot(state["angle"], state["hoop"], line, color=colour, label=name)
        right.semilogy(state["angle"], 1e3 * state["bar"], line, color=colour, label=name)
    middle.set(title="Stress along the edge", ylabel="GPa")
    middle.legend(loc="lower right")
    right.set(title="Error bar of the law (90 %)", ylabel="MPa", ylim=(0.02, 20))
    right.legend(loc="upper left")
    for axis in (left, middle, right):
        axis.set(xlabel="angle from the load (degrees)", xticks=range(0, 91, 30))
    outside = (f"{figures[f'points outside, {when}']:.0f}" for when in ("before", "after"))
    figure.suptitle(
        "A law refined where a solve uses it: points outside its domain {}, then {}".format(*outside), fontweight="bold", x=0.01, ha="left"
    )
    return figure


if __name__ == "__main__":
    run(main, __doc__)
