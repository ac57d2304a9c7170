"""Surfaces of the longitudinal piezoelectric response, of a crystal and its mirror image side by side."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from constitutive.elasticity import CoupledConstants
from constitutive.plots import shapes
from constitutive.plots.interactive.theme import plain, scene, style


def response_surface(crystals: Mapping[str, CoupledConstants], quantity: shapes.Response = "piezoelectric") -> go.Figure:
    """The surfaces whose distance from the origin along n is |d(n)| or |k(n)|, coloured by the value with its sign.

    Parameters
    ----------
    crystals : mapping
        Constants by name: a crystal, or a crystal and its mirror image.
    quantity : {"piezoelectric", "coupling"}
        d(n) in pm/V, or the coupling factor k(n).

    Returns
    -------
    plotly Figure
        One scene for each crystal, on one scale.
    """
    n = shapes.sphere(61)
    found, reach = shapes.responses(crystals, quantity, n)
    titles = [plain(name) for name in found]
    figure = make_subplots(1, len(found), specs=[[{"type": "scene"}] * len(found)], subplot_titles=titles, horizontal_spacing=0.01)
    figure.update_layout(style(430, margin={"l": 0, "r": 0, "t": 26, "b": 0}))
    bar = {"title": {"text": shapes.RESPONSES[quantity], "side": "top"}, "len": 0.7, "thickness": 14}
    scale = {"cmin": -reach, "cmax": reach, "colorscale": "RdBu", "reversescale": True, "colorbar": bar}
    light = {"ambient": 0.65, "diffuse": 0.6, "specular": 0.1, "roughness": 0.8}
    hover = "<br>".join(["n = (%{customdata[0]:.2f}, %{customdata[1]:.2f}, %{customdata[2]:.2f})", "%{surfacecolor:.4g}"])
    for column, (name, value) in enumerate(found.items(), start=1):
        x, y, z = np.moveaxis(n * np.abs(value)[..., None], -1, 0)
        label = {"name": plain(name), "hovertemplate": f"{hover}<extra></extra>", "showscale": column == 1}
        figure.add_surface(x=x, y=y, z=z, surfacecolor=value, customdata=n, lighting=light, **scale, **label, row=1, col=column)
    figure.update_scenes(scene(reach))
    figure.update_annotations(font={"size": 12.5})
    return figure
