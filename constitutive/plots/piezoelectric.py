"""Surfaces of the longitudinal piezoelectric response, of a crystal and its mirror image side by side."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import matplotlib as mpl
import numpy as np
from matplotlib.colors import Normalize
from mpl_toolkits.mplot3d import Axes3D

from constitutive.elasticity import CoupledConstants
from constitutive.plots import shapes
from constitutive.plots.style import DIVERGING, Figure, draw_surface, new_figure, styled


@styled
def response_surface(crystals: Mapping[str, CoupledConstants], quantity: shapes.Response = "piezoelectric") -> Figure:
    """The surfaces whose distance from the origin along n is |d(n)| or |k(n)|, coloured by the value with its sign.

    Parameters
    ----------
    crystals : mapping
        Constants by name: a crystal, or a crystal and its mirror image.
    quantity : {"piezoelectric", "coupling"}
        d(n) in pm/V, or the coupling factor k(n).

    Returns
    -------
    matplotlib Figure
        One panel for each crystal, on one scale.
    """
    n = shapes.sphere(61)
    found, reach = shapes.responses(crystals, quantity, n)
    figure = new_figure(3.0 * len(found) + 0.7, 3.0)
    norm = Normalize(-reach, reach)
    axes = [cast(Axes3D, figure.add_subplot(1, len(found), k + 1, projection="3d")) for k in range(len(found))]
    for ax, (name, value) in zip(axes, found.items(), strict=True):
        draw_surface(ax, n * np.abs(value)[..., None], mpl.colormaps[DIVERGING](norm(value)), reach)
        ax.set_title(name, fontweight="normal", loc="center")
    bar = figure.colorbar(mpl.cm.ScalarMappable(norm, DIVERGING), ax=axes, shrink=0.7, pad=0.1)
    bar.set_label(shapes.RESPONSES[quantity])
    return figure
