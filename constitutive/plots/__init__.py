"""Pictures of laws and data, as functions that return a figure.

The functions of this package draw with matplotlib, for papers; those of :mod:`constitutive.plots.interactive`, under
the same names, with Plotly, for screens.
"""

from constitutive.plots.crystal import crystal
from constitutive.plots.directional import pole_figure, sections, surface
from constitutive.plots.grain_maps import draw_key, inverse_pole_figure_colours, plot_grain_map, show_grains
from constitutive.plots.numbers import Curve, rms_error
from constitutive.plots.parity import error_by_strain, parity
from constitutive.plots.paths import Path, path_errors, paths, split_paths
from constitutive.plots.piezoelectric import response_surface
from constitutive.plots.quality import coverage, domain, elastic_constants, learning_curve, learning_curves, stability_map
from constitutive.plots.shapes import span
from constitutive.plots.style import Figure, styled
from constitutive.plots.walls import wall_stereogram
from constitutive.plots.wells import well_levels

__all__ = [
    "Curve",
    "Figure",
    "Path",
    "coverage",
    "crystal",
    "domain",
    "draw_key",
    "elastic_constants",
    "error_by_strain",
    "inverse_pole_figure_colours",
    "learning_curve",
    "learning_curves",
    "parity",
    "path_errors",
    "paths",
    "plot_grain_map",
    "pole_figure",
    "response_surface",
    "rms_error",
    "sections",
    "show_grains",
    "span",
    "split_paths",
    "stability_map",
    "styled",
    "surface",
    "wall_stereogram",
    "well_levels",
]
