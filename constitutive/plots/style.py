"""How every picture of this toolkit looks: one palette, one type size, no global state.

A figure is made under :func:`styled`, is independent of pyplot and shows itself in Jupyter. Colours are distinguishable by
readers with any colour vision (Okabe & Ito 2008, darkened for thin lines on white), and never carry a meaning alone:
markers or line styles repeat it.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

import matplotlib as mpl
import numpy as np
from cycler import cycler
from jaxtyping import Float
from matplotlib import figure
from matplotlib.ticker import MaxNLocator
from mpl_toolkits.mplot3d import Axes3D

INK, MUTED, RULE, PAPER = "#1b1f24", "#5b6570", "#c9ced4", "#ffffff"
BLUE, ORANGE, GREEN, PURPLE, RED, SKY = "#0a5ca8", "#d55e00", "#00805d", "#9a4f96", "#b3261e", "#4ba3d9"
CYCLE = (BLUE, ORANGE, GREEN, PURPLE, SKY, RED)

SEQUENTIAL = "viridis"
DIVERGING = "RdBu_r"

RC: dict[str, object] = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 8.5,
    "mathtext.fontset": "dejavusans",
    "axes.titlesize": 9,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelsize": 8.5,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.prop_cycle": cycler(color=CYCLE),
    "text.color": INK,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.labelsize": 7.5,
    "ytick.labelsize": 7.5,
    "xtick.major.width": 0.7,
    "ytick.major.width": 0.7,
    "xtick.major.size": 3,
    "ytick.major.size": 3,
    "grid.color": RULE,
    "grid.linewidth": 0.5,
    "lines.linewidth": 1.5,
    "lines.markersize": 4.5,
    "legend.frameon": False,
    "legend.fontsize": 7.5,
    "legend.handlelength": 1.8,
    "figure.dpi": 120,
    "savefig.dpi": 300,
    "figure.facecolor": PAPER,
    "pdf.fonttype": 42,
    "svg.fonttype": "none",
    "svg.hashsalt": "constitutive",
}

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


class Figure(figure.Figure):
    """A matplotlib figure that shows itself in Jupyter without pyplot."""

    def _repr_png_(self) -> bytes:
        buffer = io.BytesIO()
        with mpl.rc_context(RC):
            self.savefig(buffer, format="png", dpi=160)
        return buffer.getvalue()


def styled(draw: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """Run a drawing function under this style, leaving matplotlib's settings as they were.

    Parameters
    ----------
    draw : callable
        Makes a figure.

    Returns
    -------
    callable
        With the same arguments and result.
    """

    @wraps(draw)
    def wrapped(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
        with mpl.rc_context(RC):
            return draw(*args, **kwargs)

    return wrapped


def new_figure(width: float, height: float) -> Figure:
    """An empty figure with a layout that fits its labels; width and height in inches (a column is 3.4, a page 7)."""
    return Figure(figsize=(width, height), layout="constrained")


def draw_surface(ax: Axes3D, points: Float[np.ndarray, "a b 3"], shades: Float[np.ndarray, "a b 4"], reach: float) -> None:
    """A closed surface about the origin, its facets in given colours (RGBA), in axes from −reach to reach."""
    x, y, z = np.moveaxis(points, -1, 0)
    ax.plot_surface(x, y, z, facecolors=shades, rcount=len(x), ccount=x.shape[1], linewidth=0, shade=True, antialiased=False)
    ax.set(xlim=(-reach, reach), ylim=(-reach, reach), zlim=(-reach, reach), xlabel="x", ylabel="y", zlabel="z")
    ax.set_box_aspect((1, 1, 1), zoom=0.88)
    ax.tick_params(pad=-2, labelsize=6.5)
    for axis in (ax.xaxis, ax.yaxis, ax.zaxis):
        axis.labelpad = -5
        axis.set_major_locator(MaxNLocator(4))
        axis.set_pane_color((1, 1, 1, 0))


def colours(names: list[str]) -> dict[str, str]:
    """Colour of each named curve: the law first in blue; a baseline named linear or unconstrained always in its own."""
    fixed = {"linear": ORANGE, "unconstrained": MUTED, "without symmetry": MUTED, "no symmetry": MUTED}
    own = {name: next((c for word, c in fixed.items() if word in name.lower()), None) for name in names}
    free = (c for c in CYCLE if c != ORANGE)
    return {name: colour or next(free, MUTED) for name, colour in own.items()}
