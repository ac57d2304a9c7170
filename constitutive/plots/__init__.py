"""Pictures of laws and data, as functions that return a figure.

The functions of this package draw with matplotlib, for papers; those of :mod:`constitutive.plots.interactive`, under
the same names, with Plotly, for screens.
"""

from constitutive.plots.crystal import crystal
from constitutive.plots.directional import pole_figure, sections, surface
from constitutive.plots.parity import error_by_strain, parity, rms_error
from constitutive.plots.paths import Path, paths, split_paths
from constitutive.plots.quality import Curve, coverage, domain, elastic_constants, learning_curve, stability_map
from constitutive.plots.shapes import span
from constitutive.plots.style import Figure, styled

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
    "parity",
    "paths",
    "pole_figure",
    "rms_error",
    "sections",
    "span",
    "split_paths",
    "stability_map",
    "styled",
    "surface",
]
