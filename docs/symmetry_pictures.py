"""Makes the pictures of docs/symmetry.md: ./dev python docs/symmetry_pictures.py"""

from pathlib import Path

from matplotlib.figure import Figure

from constitutive.symmetry import PointGroup, draw_elements, draw_poles
from constitutive.symmetry.tables import SYMBOLS, SYSTEMS
from constitutive.tensors import draw_pattern, pattern

IMAGES = Path(__file__).resolve().parent / "images"


def all_groups(path):
    """The 32 point groups: general positions and elements, one row or two for each crystal system."""
    figure = Figure(figsize=(13.6, 13.2), layout="constrained")
    axes = figure.subplots(8, 8)
    for k, symbol in enumerate(SYMBOLS):
        group = PointGroup.from_symbol(symbol)
        left, right = axes.flat[2 * k], axes.flat[2 * k + 1]
        draw_poles(left, group)
        draw_elements(right, group)
        left.set_title("")
        laue = " (Laue)" if group.is_centrosymmetric else ""
        left.set_title(f"{symbol}{laue}", fontsize=11, fontweight="bold" if laue else "normal", loc="left")
        right.set_title("")
    figure.suptitle(f"The 32 point groups of the {len(SYSTEMS)} crystal systems; the 11 Laue classes in bold", fontsize=14)
    figure.savefig(path, dpi=80)


def group_against_laue_class(path):
    """Quartz: its point group 32 on top, its Laue class -3m below, with what each allows."""
    figure = Figure(figsize=(12.4, 7.0), layout="constrained")
    for row, symbol in zip(figure.subfigures(2, 1), ("32", "-3m"), strict=True):
        group = PointGroup.from_symbol(symbol)
        left, right, elastic, piezo = row.subplots(1, 4, width_ratios=[5, 5, 5, 5])
        draw_poles(left, group)
        draw_elements(right, group)
        draw_pattern(elastic, pattern(group, "elastic 2"), title="elastic: 6")
        draw_pattern(piezo, pattern(group, "piezoelectric"))
        which = "point group of quartz" if symbol == "32" else "its Laue class: inversion added"
        row.suptitle(f"{symbol}   {which}", fontsize=13)
    figure.savefig(path, dpi=90)


def lookalikes(path):
    """Same stiffness pattern, another third order: m-3 and m-3m; and a handed pair of names."""
    figure = Figure(figsize=(12.4, 3.6), layout="constrained")
    axes = figure.subplots(1, 4)
    for k, symbol in enumerate(("m-3", "m-3m")):
        group = PointGroup.from_symbol(symbol)
        draw_elements(axes[2 * k], group)
        third = len(pattern(group, "elastic 3").independent)
        axes[2 * k].set_title(symbol, fontsize=12)
        draw_pattern(axes[2 * k + 1], pattern(group, "elastic 2"), title=f"second order: 3   (third: {third})")
    figure.savefig(path, dpi=90)


if __name__ == "__main__":
    IMAGES.mkdir(exist_ok=True)
    all_groups(IMAGES / "symmetry_32_groups.png")
    group_against_laue_class(IMAGES / "symmetry_quartz.png")
    lookalikes(IMAGES / "symmetry_lookalikes.png")
