"""The pictures of :mod:`constitutive.plots` with Plotly: they rotate, zoom and show values under the pointer."""

from constitutive.plots.interactive.crystal import crystal
from constitutive.plots.interactive.directional import pole_figure, sections, surface
from constitutive.plots.interactive.piezoelectric import response_surface
from constitutive.plots.interactive.quality import coverage, domain, elastic_constants, learning_curve, stability_map
from constitutive.plots.interactive.stresses import error_by_strain, parity, path_errors, paths

__all__ = [
    "coverage",
    "crystal",
    "domain",
    "elastic_constants",
    "error_by_strain",
    "learning_curve",
    "parity",
    "path_errors",
    "paths",
    "pole_figure",
    "response_surface",
    "sections",
    "stability_map",
    "surface",
]
