"""Makes the pictures of the how-to pages on finite elements, from the pages' own code: ./dev python docs/howto_pictures.py [PAGE …]"""

import os
import re
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.collections import PolyCollection
from matplotlib.patches import Circle, Rectangle

from constitutive.plots.style import BLUE, INK, MUTED, ORANGE, SEQUENTIAL, new_figure, styled

DOCS = Path(__file__).resolve().parent
Names = dict[str, Any]


def run(page: str) -> Names:
    """The names that the Python blocks of a page leave behind."""
    text = (DOCS / "howto" / f"{page}.md").read_text(encoding="utf-8")
    names: Names = {"__name__": page}
    before = Path.cwd()
    with tempfile.TemporaryDirectory() as folder:
        for name in ("materials", "fem_examples"):
            (Path(folder) / name).symlink_to(DOCS.parent / name)
        os.chdir(folder)
        try:
            for block in re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
                exec(compile(block, page, "exec"), names)  # noqa: S102 - the page's own code
        finally:
            os.chdir(before)
    return names


def section(function: Any, component: Any = ...) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Places, triangles and values of a discontinuous linear Function on quadrilaterals."""
    V = function.function_space
    cells = V.dofmap.list
    size = V.dofmap.index_map_bs
    x = V.tabulate_dof_coordinates()[cells.ravel(), :2]
    values = function.x.array.reshape(-1, size)[cells.ravel()].reshape(-1, *function.ufl_shape)[(slice(None), *component)]
    triangles = (4 * np.arange(len(cells))[:, None, None] + np.array([[0, 1, 2], [1, 3, 2]])).reshape(-1, 3)
    return x, triangles, values


@styled
def axisymmetric(names: Names) -> Any:
    figure = new_figure(8.4, 4.2)
    left, right = figure.subplots(1, 2, width_ratios=(1.15, 1))
    x, triangles, hoop = section(names["stress"], (2, 2))
    for side in (-1, 1):
        for up in (-1, 1):
            image = left.tripcolor(side * x[:, 0], up * x[:, 1], triangles, hoop, shading="gouraud", cmap=SEQUENTIAL)
    left.set_aspect("equal")
    left.set_axis_off()
    left.set_title("Hoop stress under a pressure of 100 MPa")
    figure.colorbar(image, ax=left, shrink=0.8).set_label("MPa")
    tube = x[:, 1] < 0.06
    order = np.argsort(x[tube, 0])
    r = x[tube, 0][order]
    right.plot(r, hoop[tube][order], "o", color=BLUE, ms=4, label="finite elements, middle of the tube")
    fine = np.linspace(1, 1.4, 50)
    right.plot(fine, 100 / (1.4**2 - 1) * (1 + 1.4**2 / fine**2), color=ORANGE, label="Lamé's solution")
    right.axhline(0, color=MUTED, lw=0.7)
    right.set(xlabel="r", ylabel="hoop stress (MPa)", ylim=(0, None))
    right.legend(loc="lower left")
    figure.suptitle("A pressure vessel of titanium, by its section", fontweight="bold", x=0.01, ha="left")
    return figure


@styled
def size(_names: Names) -> Any:
    """The table of the page."""
    text = (DOCS / "howto" / "size.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\w+) \| (\S+)" + r" \| (\d+)" * 4 + r" \|$", text, re.MULTILINE)
    names = [f"{re.sub('([0-9])', '₂', name)} ({group})" for name, group, *_ in rows]
    counts = np.array([row[2:] for row in rows], dtype=float)
    place = np.arange(len(names))[::-1]
    figure = new_figure(7.6, 2.8)
    axes = figure.subplots(1, 2, sharey=True)
    for axis, goal, pair in zip(axes, ("1 %", "0.3 %"), (counts[:, :2], counts[:, 2:]), strict=True):
        axis.hlines(place, pair[:, 0], pair[:, 1], color=MUTED, lw=1.2, zorder=0)
        axis.plot(pair[:, 0], place, "o", color=BLUE, ms=6, label="planned, then improved")
        axis.plot(pair[:, 1], place, "s", color=ORANGE, ms=6, label="random, |E| uniform")
        axis.set(xlabel="samples", title=f"Samples for an error of {goal}", xlim=(0, None), ylim=(-0.6, len(names) - 0.4))
    axes[0].set_yticks(place, labels=names)
    axes[0].legend(loc="upper right")
    return figure


@styled
def parts(names: Names) -> Any:
    figure = new_figure(8.4, 3.6)
    upper, lower = figure.subplots(1, 2)
    mises = names["law"].field("mises_stress", ("DG", 1))
    x, triangles, stress = section(mises, ())
    die = x.reshape(-1, 4, 2)[:, :, 1].mean(axis=1) > 0.4
    image = upper.tripcolor(x[:, 0], x[:, 1], triangles[np.repeat(die, 2)], stress, shading="gouraud", cmap=SEQUENTIAL)
    figure.colorbar(image, ax=upper, location="bottom", shrink=0.9).set_label("Mises stress of the die (MPa)")
    cells = x.reshape(-1, 4, 2)[:, [0, 1, 3, 2]]
    hardened = names["hardened"].x.array.reshape(-1, 4).mean(axis=1)
    patches = PolyCollection(cells[~die], array=1e3 * hardened[~die], cmap=SEQUENTIAL)
    lower.add_collection(patches)
    figure.colorbar(patches, ax=lower, location="bottom", shrink=0.9).set_label("plastic strain of the pad (10⁻³)")
    for axis in (upper, lower):
        axis.add_patch(Rectangle((0, 0), 3, 1, fill=False, color=MUTED, lw=0.7))
        axis.axhline(0.4, xmin=0, xmax=1, color=MUTED, lw=0.7)
        axis.set_aspect("equal")
        axis.set(xlim=(-0.02, 3.02), ylim=(-0.02, 1.02))
        axis.set_axis_off()
    figure.suptitle("A silicon die on a copper pad, heated by 120 K (half)", fontweight="bold", x=0.01, ha="left")
    return figure


@styled
def inverse(names: Names) -> Any:
    figure = new_figure(9.6, 3.3)
    left, middle, right = figure.subplots(1, 3, width_ratios=(1.2, 1, 1))
    x = names["V"].tabulate_dof_coordinates()
    found, truth = names["found"], names["truth"]
    field = names["measured"].x.array.reshape(-1, 2)
    image = left.tricontourf(x[:, 0], x[:, 1], 1e3 * field[:, 0], levels=20, cmap=SEQUENTIAL)
    figure.colorbar(image, ax=left, location="bottom", shrink=0.9).set_label("measured displacement along x (10⁻³)")
    left.set_aspect("equal")
    left.set_axis_off()
    middle.errorbar(range(3), found.values / truth, 2 * found.errors / truth, fmt="o", color=BLUE, capsize=4)
    middle.axhline(1, color=MUTED, lw=0.7)
    middle.set(xticks=range(3), xticklabels=["C11", "C12", "C44"], xlim=(-0.5, 2.5), ylabel="found / true, two errors")
    right.bar(range(3), 100 * found.combination_errors, color=ORANGE)
    signs = [" ".join(f"{c:+.2f} {n}" for c, n in zip(row, ("C11", "C12", "C44"), strict=True)) for row in found.combinations]
    right.set(xticks=range(3), xticklabels=[sign.replace(" ", "\n", 5) for sign in signs], ylabel="error (%)", yscale="log")
    right.tick_params(axis="x", labelsize=7)
    right.set_title("Combinations that the test sees")
    figure.suptitle("Three constants from one field of a (011) plate", fontweight="bold", x=0.01, ha="left")
    return figure


@styled
def locking(names: Names) -> Any:
    figure = new_figure(8.4, 3.6)
    left, right = figure.subplots(1, 2, width_ratios=(1, 1.1))
    law, shift = names["membrane"]("Q1/P0", 16)
    stress = law.field("mises_stress", ("DG", 1))
    x, triangles, values = section(stress, ())
    V = shift.function_space
    nodes, moved = V.tabulate_dof_coordinates()[:, :2], shift.x.array.reshape(-1, 2)
    place = x + moved[np.argmin(((x[:, None] - nodes[None]) ** 2).sum(axis=2), axis=1)]
    image = left.tripcolor(place[:, 0], place[:, 1], triangles, values, shading="gouraud", cmap=SEQUENTIAL)
    figure.colorbar(image, ax=left, shrink=0.8).set_label("Mises stress (MPa)")
    left.set_aspect("equal")
    left.set_axis_off()
    for (kind, found), marker, colour in zip(names["deflection"].items(), "soD", (MUTED, BLUE, ORANGE), strict=True):
        right.plot((4, 8, 16), found, marker + "-", color=colour, label=kind)
    right.set(xlabel="elements along a side", ylabel="deflection of the corner (mm)", xticks=(4, 8, 16), ylim=(0, None))
    right.legend(loc="lower right")
    figure.suptitle("Cook's membrane at ν = 0.4999, small strain", fontweight="bold", x=0.01, ha="left")
    return figure


@styled
def contact(names: Names) -> Any:
    figure = new_figure(9.0, 3.5)
    left, right = figure.subplots(1, 2, width_ratios=(1.2, 1))
    x, triangles, stress = section(names["law"].field("mises_stress", ("DG", 1)), ())
    image = left.tripcolor(x[:, 0], x[:, 1], triangles, stress / 1e3, shading="gouraud", cmap=SEQUENTIAL)
    figure.colorbar(image, ax=left, shrink=0.8).set_label("Mises stress (GPa)")
    left.add_patch(Circle((0, float(names["centre"].value[1])), names["radius"], facecolor="#e8ebee", edgecolor=MUTED))
    left.set_aspect("equal")
    left.set(xlim=(-1.5, 1.5), ylim=(-1.5, 0.5))
    left.set_axis_off()
    u, V = names["u"], names["V"]
    top = np.isclose(V.tabulate_dof_coordinates()[:, 1], 0)
    along, down = V.tabulate_dof_coordinates()[top, 0], u.x.array.reshape(-1, 2)[top]
    depth = names["radius"] - np.hypot(along + down[:, 0], down[:, 1] - names["centre"].value[1])
    order = np.argsort(along)
    right.plot(along[order], names["penalty"] * np.maximum(depth[order], 0) / 1e3, "o", color=BLUE, ms=4, label="penalty × penetration")
    a, F = names["width"], names["force"]
    s = np.linspace(-a, a, 100)
    right.plot(s, 2 * F / (np.pi * a) * np.sqrt(1 - (s / a) ** 2) / 1e3, color=ORANGE, label="Hertz")
    right.set(xlabel="x (mm)", ylabel="pressure (GPa)", xlim=(-2 * a, 2 * a))
    right.legend(loc="upper right")
    figure.suptitle("A cylinder on silicon", fontweight="bold", x=0.01, ha="left")
    return figure


@styled
def dynamics(names: Names) -> Any:
    figure = new_figure(9.0, 3.4)
    left, right = figure.subplots(1, 2)
    period, rest = names["period"], names["at_rest"]
    for key, colour, label in (("free", BLUE, "generalised α, no damping"), ("damped", ORANGE, "Newmark, Rayleigh's damping")):
        left.plot(names[key][:, 0] / period, 1e3 * names[key][:, 1], color=colour, label=label)
    left.hlines(1e3 * rest, 0, 3.05, color=MUTED, lw=0.7)
    left.text(3.08, 1e3 * rest, "static", color=MUTED, va="center", fontsize=8)
    left.set_xlim(-0.1, 3.4)
    left.set(xlabel="time / lowest period", ylabel="deflection of the tip (µm)")
    left.legend(loc="upper center", bbox_to_anchor=(0.5, -0.18), ncols=2, fontsize=8)
    records = names["energies"]
    time = np.array([record.time for record in records]) / period
    for name, colour in (("kinetic", BLUE), ("strain", ORANGE), ("balance", MUTED)):
        right.plot(time, [1e6 * getattr(record, name) for record in records], color=colour, label=name)
    right.plot(time, [1e6 * record.work for record in records], color=INK, lw=0.9, ls="--", label="work of the load")
    right.set(xlabel="time / lowest period", ylabel="energy without damping (nJ per mm)")
    right.legend(loc="upper center", bbox_to_anchor=(0.5, -0.18), ncols=4, fontsize=8)
    figure.suptitle("A silicon cantilever, loaded at once", fontweight="bold", x=0.01, ha="left")
    return figure


@styled
def modes(names: Names) -> Any:
    figure = new_figure(9.0, 3.6)
    left, right = figure.subplots(1, 2, width_ratios=(1.15, 1))
    x = names["V"].tabulate_dof_coordinates()
    middle = np.flatnonzero(np.isclose(x[:, 1], names["height"] / 2))
    middle = middle[np.argsort(x[middle, 0])]
    for number, (shape, frequency) in enumerate(zip(names["at_rest"].shapes, names["at_rest"].frequencies, strict=True)):
        up = shape.x.array.reshape(-1, 2)[middle, 1]
        left.hlines(-2.4 * number, 0, 1, color=MUTED, lw=0.7)
        left.plot(x[middle, 0], up / up[np.abs(up).argmax()] - 2.4 * number, color=BLUE, lw=3)
        left.text(1.02, -2.4 * number, f"{frequency / 1e3:.0f} kHz", va="center")
    left.set(xlim=(0, 1.22))
    left.set_axis_off()
    left.set_title("Modes at rest")
    part = names["shortenings"] / names["critical"]
    right.plot(part, names["squares"], "o", color=BLUE, label="modes about the loaded state")
    right.plot(part, 1 - part, color=ORANGE, label="straight line to the buckling load")
    right.axhline(0, color=MUTED, lw=0.7)
    right.set(xlabel="shortening / that of buckling", ylabel="(lowest frequency / that at rest)²")
    right.legend()
    figure.suptitle("A clamped silicon bridge", fontweight="bold", x=0.01, ha="left")
    return figure


@styled
def paths(names: Names) -> Any:
    figure = new_figure(9.4, 4.0)
    left, right = figure.subplots(1, 2, width_ratios=(1.25, 1))
    rise, pressed, branch, stable = (names[key] for key in ("rise", "pressed", "branch", "stable"))
    left.plot(pressed[:, 0] / rise, pressed[:, 1], color=BLUE, lw=0.9, label="symmetric path, point control")
    left.plot(pressed[stable, 0] / rise, pressed[stable, 1], "o", color=BLUE, ms=4, label="its stable states")
    left.plot(names["path"][:, 0] / rise, names["path"][:, 1], "s", mfc="none", color=INK, ms=6, label="arc length")
    left.plot(branch[:, 0] / rise, branch[:, 1], color=ORANGE, lw=2, label="branch")
    left.axhline(0, color=MUTED, lw=0.7)
    left.set(xlabel="depth of the crown / rise", ylabel="pressure (MPa)", ylim=(-0.04, 0.4))
    left.legend(loc="upper left", bbox_to_anchor=(0.34, 1.0), fontsize=8)
    x = names["V"].tabulate_dof_coordinates()[:, :2]
    base = x[:, 1] - rise / 2 * (1 - np.cos(2 * np.pi * x[:, 0]))
    lower = np.flatnonzero(np.isclose(base, 0, atol=0.2 * names["height"]))
    lower = lower[np.argsort(x[lower, 0])]
    for key, colour, label in ((None, MUTED, "at rest"), ("symmetric", BLUE, "symmetric path"), ("tilted", ORANGE, "branch")):
        place = x[lower] + (names["shapes"][key].reshape(-1, 2)[lower] if key else 0)
        right.plot(place[:, 0], place[:, 1] / rise, color=colour, lw=4, solid_capstyle="butt", label=label)
    right.set(xlabel="x (mm)", ylabel="height / rise (enlarged)", title="Both paths near a depth of one rise", ylim=(-0.55, 1.1))
    right.legend(loc="upper right", fontsize=8)
    figure.suptitle("A shallow silicon arch snaps", fontweight="bold", x=0.01, ha="left")
    return figure


@styled
def solver(names: Names) -> Any:
    figure = new_figure(8.4, 3.4)
    left, right = figure.subplots(1, 2)
    steps = names["bent"].steps
    for step in (steps[0], steps[-1]):
        label = f"to {step.load:.2g} of the weight"
        left.semilogy(step.norms, "o-", ms=4, color=BLUE if step is steps[0] else ORANGE, label=label)
    left.set(xlabel="Newton iteration", ylabel="residual (force)", title="A strip that bends: the residual rises first")
    left.legend()
    growth = names["growth"]
    right.semilogx(list(growth), [max(counts) for counts in growth.values()], "s-", color=BLUE)
    right.set(xlabel="unknowns", ylabel="linear iterations", ylim=(0, None), title='solver="amg" under refinement')
    return figure


PICTURES: dict[str, Callable[[Names], Any]] = {
    "axisymmetric": axisymmetric,
    "contact": contact,
    "dynamics": dynamics,
    "inverse": inverse,
    "locking": locking,
    "modes": modes,
    "parts": parts,
    "paths": paths,
    "size": size,
    "solver": solver,
}


def main(pages: list[str]) -> None:
    """Make the pictures of the named pages, or of all."""
    for page in pages or PICTURES:
        path = DOCS / "images" / f"howto_{page}.png"
        PICTURES[page](run(page)).savefig(path, dpi=110)
        print(path.relative_to(DOCS.parent))


if __name__ == "__main__":
    main(sys.argv[1:])
