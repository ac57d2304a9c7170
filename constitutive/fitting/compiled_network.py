"""The fit of a series + network in compiled code: many times as fast as in NumPy, the same to rounding.

``network_fit.c`` is compiled once for a machine and kept with the compiled laws. A fit runs on one thread without Python's lock, so that
fits in several threads use several cores; it calls no BLAS, and its result depends on nothing else that runs.
"""

from __future__ import annotations

import threading
import warnings
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import final

import numpy as np
from jaxtyping import Float

from constitutive.code_cache import Built, CompilerError, UnsafeCacheError, load
from constitutive.fitting.levenberg_marquardt import ATTEMPTS, FIRST_DAMPING, LEAST_DAMPING, PATIENCE, SMALL, Minimum

_loading = threading.Lock()


class SlowFitWarning(UserWarning):
    """Networks are fitted by NumPy where compiled code was wanted."""


def compiled(inputs: int = 6) -> Built | None:
    """The compiled module; None, with one warning, where there is no compiler or no safe cache.

    Parameters
    ----------
    inputs : int
        Components of a point, and of its gradient: 6 of a strain.

    Returns
    -------
    Built or None
    """
    with _loading:
        return _compiled(inputs)


@cache
def _compiled(inputs: int) -> Built | None:
    source = {name: (files("constitutive.fitting") / f"network_fit.{name}").read_text() for name in "hc"}
    try:
        defined = f"#define INPUTS {inputs}\n" if inputs != 6 else ""
        return load(defined + source["h"] + source["c"], source["h"])
    except (CompilerError, UnsafeCacheError) as error:
        warnings.warn(f"networks are fitted by NumPy, several times slower than by compiled code: {error}", SlowFitWarning, stacklevel=4)
        return None


@final
@dataclass(frozen=True, eq=False)
class NetworkEquations:
    """The arrays of one fit.

    Attributes
    ----------
    points
        Strains in Mandel components, or packed variables, in units of the scale.
    group
        Operations as matrices on their components.
    norm
        For each sample the matrix with which errors count; None for the identity.
    columns
        Gradient of each polynomial, in the norm of the fit.
    target
        Gradients to fit, in the norm of the fit.
    ridge
        Of every parameter: directions, biases, amplitudes, coefficients.
    channels
        Of the network.
    """

    points: Float[np.ndarray, "n d"]
    group: Float[np.ndarray, "g d d"]
    norm: Float[np.ndarray, "n d d"] | None
    columns: Float[np.ndarray, "m c"]
    target: Float[np.ndarray, " m"]
    ridge: Float[np.ndarray, " k"]
    channels: int

    def minimise(self, code: Built, start: Float[np.ndarray, " k"], steps: int) -> Minimum:
        """Levenberg–Marquardt by compiled code from given parameters, as :func:`levenberg_marquardt` does it.

        Parameters
        ----------
        code : Built
            Of :func:`compiled`.
        start : array (parameters,)
            Directions, biases, amplitudes, coefficients.
        steps : int
            Largest number of accepted steps.

        Returns
        -------
        Minimum
        """
        call = _Call(self, code, start, steps)
        code.lib.network_fit_minimise(call.fit)
        return Minimum(call.parameters, float(call.fit.objective), int(call.fit.taken), bool(call.fit.converged))

    def linearise(self, code: Built, parameters: Float[np.ndarray, " k"]) -> tuple[Float[np.ndarray, " m"], Float[np.ndarray, "m k"]]:
        """Residual and Jacobian by compiled code.

        Parameters
        ----------
        code : Built
            Of :func:`compiled`.
        parameters : array (parameters,)
            Directions, biases, amplitudes, coefficients.

        Returns
        -------
        array (n d,), array (n d, parameters)
        """
        call = _Call(self, code, parameters, 0)
        rest, slopes = np.empty(len(self.target)), np.empty((len(self.target), len(parameters)))
        code.lib.network_fit_linearise(call.fit, code.ffi.from_buffer("double *", rest), code.ffi.from_buffer("double *", slopes))
        return rest, slopes


class _Call:
    """The structure that the compiled code takes, with the arrays that it points to kept."""

    def __init__(self, equations: NetworkEquations, code: Built, start: np.ndarray, steps: int):
        self.parameters = np.array(start, dtype=np.float64)
        self.fit = fit = code.ffi.new("network_fit *")
        fit.samples, fit.rotations, fit.channels = len(equations.points), len(equations.group), equations.channels
        fit.coefficients, fit.steps = equations.columns.shape[1], steps
        fit.attempts, fit.patience, fit.small = ATTEMPTS, PATIENCE, SMALL
        fit.first_damping, fit.least_damping = FIRST_DAMPING, LEAST_DAMPING
        self.kept = {"parameters": self.parameters}
        for name in ("points", "group", "norm", "columns", "target", "ridge"):
            array = getattr(equations, name)
            if array is not None:
                self.kept[name] = np.ascontiguousarray(array, dtype=np.float64)
        for name, array in self.kept.items():
            setattr(fit, name, code.ffi.from_buffer("double *", array))
        self.kept["work"] = np.empty(code.lib.network_fit_work(fit))
        fit.work = code.ffi.from_buffer("double *", self.kept["work"])
