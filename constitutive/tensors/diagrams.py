"""Nye diagrams: the pattern of a property tensor as dots, joined where components are equal.

Heavy dot: a component that need not vanish. Joined dots are equal, an open one opposite; a cross is ½(c11 − c12) or another
combination, small grey dots are zeros; of a symmetric matrix the upper half is drawn (Nye, *Physical Properties of Crystals*,
1985, tables 8–9).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from constitutive.tensors.named import Pattern

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_COLOURS = ("#c2410c", "#1f5fbf", "#15803d", "#7e22ce", "#b45309", "#0e7490", "#be185d", "#4d7c0f")


def draw_pattern(axes: Axes, pattern: Pattern, *, title: str | None = None) -> None:
    """Draw the Nye diagram of a pattern with at most two packed indices.

    Parameters
    ----------
    axes : matplotlib Axes
    pattern : Pattern
    title : str, optional
        Above the diagram; the tensor's name and the number of constants unless given.
    """
    cells = {(p if len(p) == 2 else (0, *p)): terms for p, terms in pattern.entries.items()}
    rows, columns = (max(p[k] for p in cells) + 1 for k in (0, 1))
    families: dict[str, list[tuple[int, int]]] = {}
    for (i, j), terms in cells.items():
        if not terms:
            axes.scatter(j, -i, s=6, color="#b6bdc6", zorder=2)
        elif len(terms) == 1 and abs(abs(terms[0][0]) - 1) < 1e-9:
            families.setdefault(terms[0][1], []).append((i, j))
            face = _colour(pattern, terms[0][1]) if terms[0][0] > 0 else "white"
            axes.scatter(j, -i, s=70, facecolors=face, edgecolors=_colour(pattern, terms[0][1]), linewidths=1.6, zorder=4)
        else:
            axes.scatter(j, -i, s=60, marker="x", color="#1b1f24", linewidths=1.8, zorder=4)
    for name, places in families.items():
        for (i, j), (k, m) in _links(places):
            axes.plot([j, m], [-i, -k], color=_colour(pattern, name), linewidth=1.2, zorder=3)
    axes.set_xlim(-0.7, columns - 0.3)
    axes.set_ylim(-rows + 0.3, 0.7)
    axes.set_aspect("equal")
    axes.axis("off")
    count = len(pattern.independent)
    axes.set_anchor("N")
    axes.set_title(title or f"{pattern.tensor.name.removesuffix(' 2')}: {count or 'none'}", fontsize=10)


def _colour(pattern: Pattern, name: str) -> str:
    return _COLOURS[pattern.independent.index(name) % len(_COLOURS)]


def _links(places: list[tuple[int, int]]) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    """Shortest lines that join all places of a family (a minimum spanning tree)."""
    joined, left, links = places[:1], list(places[1:]), []
    while left:
        pairs = [(a, b) for a in joined for b in left]
        near = min(pairs, key=lambda pair: float(np.hypot(pair[0][0] - pair[1][0], pair[0][1] - pair[1][1])))
        links.append(near)
        joined.append(near[1])
        left.remove(near[1])
    return links
