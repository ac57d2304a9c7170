"""Pictures of laws and data, as functions that return a figure.

The functions of this package draw with matplotlib, for papers; those of :mod:`constitutive.plots.interactive`, under
the same names, with Plotly, for screens.
"""

from constitutive.plots.crystal import crystal
from constitutive.plots.directional import pole_figure, sections, surface
from constitutive.plots.numbers import Curve, rms_error
from constitutive.plots.parity import error_by_strain, parity
from constitutive.plots.paths import Path, path_errors, paths, split_paths
from constitutive.plots.quality import coverage, domain, elastic_constants, learning_curve, learning_curves, stability_map
from constitutive.plots.shapes import span
from constitutive.plots.style import Figure, styled
from constitutive.plots.walls import wall_stereogram

__all__ = [
    "Curve",
    "Figure",
    "Path",
    "coverage",
    "crystal",
    "domain",
    "elastic_constants",
    "error_by_strain",
    "learning_curve",
    "learning_curves",
    "parity",
    "path_errors",
    "paths",
    "pole_figure",
    "rms_error",
    "sections",
    "span",
    "split_paths",
    "stability_map",
    "styled",
    "surface",
    "wall_stereogram",
]
