"""Pictures of laws and data, as functions that return a figure.

The functions of this package draw with matplotlib, for papers; those of :mod:`constitutive.plots.interactive`, under
the same names, with Plotly, for screens.
"""

from constitutive.plots.parity import error_by_strain, parity, rms_error
from constitutive.plots.paths import Path, paths, split_paths
from constitutive.plots.style import Figure, styled

__all__ = ["Figure", "Path", "error_by_strain", "parity", "paths", "rms_error", "split_paths", "styled"]
