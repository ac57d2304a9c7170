"""Levels of the stationary states of an energy."""

from __future__ import annotations

import numpy as np

from constitutive.plots.style import BLUE, MUTED, ORANGE, RED, Figure, new_figure, styled
from constitutive.variants import Wells

COLOURS = {"minimum": BLUE, "saddle": ORANGE, "maximum": RED, "flat": MUTED}


@styled
def well_levels(found: Wells) -> Figure:
    """Energy of each stationary state over its distance from the state of full symmetry, with its subgroup and number of variants.

    Parameters
    ----------
    found : Wells
        Of :func:`constitutive.variants.find_wells`.

    Returns
    -------
    matplotlib Figure
    """
    figure = new_figure(4.2, 3.0)
    axes = figure.add_subplot()
    name = "strain" if all(state.polarization is None for state in found.states) else "polarization"
    for kind in COLOURS:
        states = [state for state in found.states if state.kind == kind]
        if states:
            x = [float(np.linalg.norm(state.values.get(name, state.point))) for state in states]
            axes.plot(x, [state.energy for state in states], "_", ms=26, mew=2.5, color=COLOURS[kind], label=kind)
            for place, state in zip(x, states, strict=True):
                text = f"{state.subgroup.symbol}\n{state.count} variant{'s' if state.count > 1 else ''}"
                axes.annotate(text, (place, state.energy), xytext=(0, 6), textcoords="offset points", ha="center", fontsize=7.5)
    axes.margins(0.18, 0.2)
    axes.set(xlabel="|P| (C/m²)" if name == "polarization" else "|E|", ylabel="energy (GPa)")
    axes.legend(loc="lower left")
    return figure
