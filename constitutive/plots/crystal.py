"""The conventional cell of a crystal with its atoms and the symmetry elements of its point group."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations, product
from typing import TYPE_CHECKING, cast

import numpy as np
from jaxtyping import Float
from mpl_toolkits.mplot3d import Axes3D

from constitutive.elasticity.directions import plane_axes
from constitutive.plots.style import GREEN, INK, MUTED, ORANGE, PURPLE, RED, RULE, SKY, Figure, new_figure, styled
from constitutive.symmetry import PointGroup, SymmetryElement, find_symmetry

if TYPE_CHECKING:
    from pymatgen.core import Structure

AXIS_COLOURS = {2: SKY, 3: GREEN, 4: ORANGE, 6: PURPLE}
MIRROR_COLOUR = RED
AXIS_SYMBOLS = {2: "|", 3: "^", 4: "s", 6: "H"}
_MAX_ATOMS = 4000  # drawn; a larger cell is drawn without some


@dataclass(frozen=True)
class CellView:
    """What a picture of a crystal shows, in Å, the cell centred at the origin.

    Attributes
    ----------
    edges : (12, 2, 3)
        Ends of the edges of the conventional cell.
    vectors : (3, 3)
        Rows are its vectors a, b, c.
    atoms : (n, 3)
        All atoms in the cell, those on its faces repeated.
    species : list of str
        Of each atom.
    reach : float
        Radius of a sphere around all of it.
    """

    edges: Float[np.ndarray, "12 2 3"]
    vectors: Float[np.ndarray, "3 3"]
    atoms: Float[np.ndarray, "n 3"]
    species: list[str]
    reach: float

    @property
    def bonds(self) -> Float[np.ndarray, "m 2 3"]:
        """Ends of lines between atoms closer than 1.15 times the sum of their covalent radii."""
        from scipy.spatial import cKDTree

        radii = np.array([atom_style(name)[1] for name in self.species])
        pairs = cKDTree(self.atoms).query_pairs(2.3 * float(radii.max()), output_type="ndarray")
        length = np.linalg.norm(self.atoms[pairs[:, 0]] - self.atoms[pairs[:, 1]], axis=1)
        return self.atoms[pairs[length < 1.15 * radii[pairs].sum(axis=1)]]

    @property
    def kinds(self) -> list[str]:
        """Distinct species, in the order of first appearance."""
        return list(dict.fromkeys(self.species))

    def of(self, kind: str) -> Float[np.ndarray, "k 3"]:
        """Atoms of one species."""
        return self.atoms[[name == kind for name in self.species]]


def view(structure: Structure) -> CellView:
    """The conventional cell of a structure, in the structure's own Cartesian frame."""
    vectors = find_symmetry(structure).conventional
    inverse = np.linalg.inv(vectors)
    lattice = np.asarray(structure.lattice.matrix)
    corners = np.array(list(product((0, 1), repeat=3))) @ vectors @ np.linalg.inv(lattice)
    low, high = np.floor(corners.min(axis=0)) - 1, np.ceil(corners.max(axis=0)) + 1
    spans = [range(int(a), int(b)) for a, b in zip(low, high, strict=True)]
    shifts = np.array(list(product(*spans)), dtype=float) @ lattice
    images = (np.asarray(structure.cart_coords)[:, None] + shifts).reshape(-1, 3)
    names = np.repeat([site.species_string for site in structure], len(shifts))
    fractions = images @ inverse
    inside = ((fractions > -1e-3) & (fractions < 1 + 1e-3)).all(axis=1)
    atoms, species = images[inside][:_MAX_ATOMS], names[inside][:_MAX_ATOMS]
    corners = np.array(list(product((0.0, 1.0), repeat=3)))
    pairs = [(p, q) for p, q in combinations(corners, 2) if np.abs(p - q).sum() == 1]
    centre = vectors.sum(axis=0) / 2
    reach = float(np.linalg.norm(corners @ vectors - centre, axis=1).max())
    return CellView(np.array(pairs) @ vectors - centre, vectors, atoms - centre, [str(name) for name in species], reach)


def axis_order(element: SymmetryElement) -> int:
    """Order that an axis is drawn as: of its rotation, or of its rotoinversion where the element has no rotation; 0 for none."""
    if element.rotation > 1:
        return int(element.rotation)
    return int(element.rotoinversion) if element.rotoinversion > 2 else 0


def disc(normal: Float[np.ndarray, "3"], radius: float, points: int = 49) -> Float[np.ndarray, "points 3"]:
    """Points on a circle across a normal."""
    u, v = plane_axes(np.asarray(normal, dtype=float))
    angle = np.linspace(0, 2 * np.pi, points)[:, None]
    return radius * (np.cos(angle) * u + np.sin(angle) * v)


def atom_style(kind: str) -> tuple[str, float]:
    """Colour (Jmol's) and covalent radius in Å of a species; what is no element is grey."""
    from ase.data import atomic_numbers, covalent_radii
    from ase.data.colors import jmol_colors
    from matplotlib.colors import to_hex

    symbol = "".join(letter for letter in kind if letter.isalpha())
    number = atomic_numbers.get(symbol, atomic_numbers.get(symbol[:2], 0))
    return (to_hex(jmol_colors[number]), float(covalent_radii[number])) if number else (MUTED, 1.0)


@styled
def crystal(structure: Structure, group: PointGroup | None = None, *, mirrors: bool | None = None) -> Figure:
    """The conventional cell with its atoms and symmetry axes, and mirror planes where chosen.

    Parameters
    ----------
    structure : pymatgen Structure
    group : PointGroup, optional
        Found from the structure when not given.
    mirrors : bool, optional
        Draw the mirror planes as discs; by default not.

    Returns
    -------
    matplotlib Figure
    """
    cell = view(structure)
    group = group or PointGroup.from_structure(structure)
    figure = new_figure(4.2, 3.6)
    ax = cast(Axes3D, figure.add_subplot(projection="3d"))
    for edge in cell.edges:
        ax.plot(*edge.T, color=MUTED, linewidth=0.8)
    for bond in cell.bonds:
        ax.plot(*bond.T, color=RULE, linewidth=2.2)
    for kind in cell.kinds:
        colour, radius = atom_style(kind)
        ax.scatter(*cell.of(kind).T, s=55 * radius**2, color=colour, edgecolors=INK, linewidths=0.4, label=kind, depthshade=False)
    seen: set[int] = set()
    for element in group.elements:
        order = axis_order(element)
        if order:
            ends = 1.15 * cell.reach * np.array([-element.axis, element.axis])
            label = None if order in seen else f"{order}-fold axes"
            ax.plot(*ends.T, color=AXIS_COLOURS[order], linewidth=1.1, marker=AXIS_SYMBOLS[order], markersize=4, label=label)
            seen.add(order)
        if mirrors and element.mirror:
            label = None if 0 in seen else "mirror planes"
            ax.plot(*disc(element.axis, 0.9 * cell.reach).T, color=MIRROR_COLOUR, linewidth=0.7, alpha=0.7, label=label)
            seen.add(0)
    ax.set(xlim=(-cell.reach, cell.reach), ylim=(-cell.reach, cell.reach), zlim=(-cell.reach, cell.reach))
    ax.set_box_aspect((1, 1, 1), zoom=1.5)
    ax.set_axis_off()
    figure.legend(loc="outside right upper")
    return figure
