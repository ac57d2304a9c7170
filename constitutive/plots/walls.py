"""Stereogram of the walls between variants."""

from __future__ import annotations

from matplotlib.patches import Circle

from constitutive.plots.style import MUTED, RULE, Figure, colours, new_figure, styled
from constitutive.symmetry.pictures import project
from constitutive.variants import WallTable


@styled
def wall_stereogram(table: WallTable) -> Figure:
    """Poles of the normals of all walls, in stereographic projection down the z axis of the parent phase.

    One colour for each angle between the polarisations and each type of plane; full dots are neutral walls, rings charged ones, and all are
    full where no polarisations are known. Normals below the page are shown at the opposite pole: a plane has both.

    Parameters
    ----------
    table : WallTable
        Of :func:`constitutive.variants.walls`.

    Returns
    -------
    matplotlib Figure
    """
    figure = new_figure(4.6, 3.4)
    axes = figure.add_subplot()
    axes.set_aspect("equal")
    axes.axis("off")
    axes.set(xlim=(-1.25, 1.25), ylim=(-1.25, 1.25))
    axes.add_patch(Circle((0, 0), 1, fill=False, color=RULE, linewidth=0.9))
    for name, right, up in (("x", 1.17, 0.0), ("y", 0.0, 1.17)):
        axes.text(right, up, name, ha="center", va="center", color=MUTED, style="italic")
    frame = table.variants.group.frame
    families = sorted({_family(wall.angle, wall.plane) for wall in table.walls})
    for family, colour in colours(families).items():
        members = [wall for wall in table.walls if _family(wall.angle, wall.plane) == family]
        for full in (True, False):
            normals = [frame.T @ wall.twin.normal for wall in members if (wall.charge is None or wall.is_neutral) is full]
            points = [project((n if n[2] > -1e-9 else -n)[None])[0] for n in normals]
            points += [-p for p, n in zip(points, normals, strict=True) if abs(n[2]) < 1e-9]
            if points:
                x, y = zip(*points, strict=True)
                what = "" if members[0].charge is None else ", neutral" if full else ", charged"
                face = colour if full else "none"
                axes.scatter(x, y, s=26 if full else 70, facecolor=face, edgecolor=colour, linewidth=1.2, label=family + what, zorder=3)
    if families:
        axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False, fontsize=7)
    found = table.variants
    axes.set_title(f"{found.group.symbol} → {found.subgroup.symbol}: walls of {len(found)} variants")
    return figure


def _family(angle: float | None, plane: str) -> str:
    return plane if angle is None else f"{round(angle)}° {plane}"
