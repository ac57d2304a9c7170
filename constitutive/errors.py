"""The exceptions of the toolkit.

Every message says what was found, what was needed and what to do about it. ``recoverable`` states to a solver
whether a smaller step may help (a diverged load step) or not (a file of the wrong shape).
"""

from __future__ import annotations


class ConstitutiveError(Exception):
    """Base of every error that this toolkit raises on purpose.

    Attributes
    ----------
    recoverable : bool
        Whether the caller may cut the step (or shrink the request) and try again.
    """

    recoverable: bool = False


class SymmetryError(ConstitutiveError):
    """A structure, symbol or set of operations has no usable point group."""


class DataError(ConstitutiveError):
    """A file or array of simulation data is not what it has to be."""


class CalibrationError(ConstitutiveError):
    """A law cannot be calibrated on the data as given."""


class MaterialError(ConstitutiveError):
    """A material folder is damaged, unsafe or contradicts itself."""


class DomainError(ConstitutiveError):
    """A law was evaluated at strains outside its domain of validity."""

    recoverable = True


class SolveError(ConstitutiveError):
    """A finite-element solve ended without a solution."""

    recoverable = True


class DependencyError(ConstitutiveError, ImportError):
    """An optional package is needed here and is not installed."""


class SymmetryWarning(UserWarning):
    """A file states another symmetry than its atoms have, or contradicts itself."""
