r"""Standard errors of the constants of a law of several variables.

The block jackknife (Efron & Tibshirani 1993, *An Introduction to the Bootstrap*, ch. 11; Künsch, Ann. Stat. 17 (1989) 1217) over the
samples of the regressions that the law follows: with θ_k the constants without the k-th of K blocks,

.. math:: \sigma^2 = \frac{K - 1}{K} \sum_k (\theta_k - \bar\theta)^2 + (\theta_{\text{law}} - \theta)^2 + w_1 w_2 (\theta_1 - \theta_2)^2

where the second term is the deviation of the law from the mean of the regressions, and the third that of the two kernels from each other.
Constants that no sample determines, such as the permittivity where no polarisation was given, have no error.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Float

from constitutive.calibration.coupled_teacher import Teacher
from constitutive.elasticity.constants import ENGINEERING, independent_places, name_of
from constitutive.elasticity.coupled import UNITS, CoupledConstants, constants_of_derivatives, coupled_constants
from constitutive.fitting.coupled_problem import CoupledProblem
from constitutive.fitting.kernel_regression import KernelFit, without_parts
from constitutive.laws.coupled import CoupledLaw
from constitutive.plain import JsonObject

BLOCKS = 20
PROBE = 0.1  # by which a derivative that no sample determines is changed, to see which constants depend on it


def constant_errors(teacher: Teacher, law: CoupledLaw, *, reference_temperature: float | None = None, seed: int = 0) -> JsonObject:
    """Standard errors of the constants of a law in its reference state.

    Parameters
    ----------
    teacher : Teacher
        The regressions that the law follows.
    law : CoupledLaw
    reference_temperature : float, optional
        K, for heat capacities and adiabatic constants.
    seed : int
        Of the division into blocks.

    Returns
    -------
    dict
        By the names of :meth:`~constitutive.elasticity.CoupledConstants.as_dict`, in their shapes and units; None where no sample
        determines a constant. Electrostriction, a third derivative, has no entry. "elastic_GPa" holds those of the elastic constants where
        the other variables are zero, by order ("2", "3") and name.
    """
    problem = teacher.problem

    def constants(second: Float[np.ndarray, "k k"]) -> CoupledConstants:
        return constants_of_derivatives(problem.variables, second, reference_temperature=reference_temperature)

    order = np.random.default_rng(seed).permutation(len(problem))
    parts = [part for part in np.array_split(order, min(BLOCKS, len(problem))) if len(part)]
    without = [[replace(fit, factors=f) for f in without_parts(fit, parts)] for fit in teacher.fits]
    each = [[second_derivatives(fit) for fit in fits] for fits in without]
    whole = [second_derivatives(fit) for fit in teacher.fits]
    mean = np.tensordot(teacher.weights, whole, 1)
    found, own = constants(mean), coupled_constants(law, reference_temperature=reference_temperature)
    kernels = [constants(second) for second in whole]
    jackknife = [constants(second) for second in np.tensordot(teacher.weights, each, 1)]
    unknown = _undetermined(problem, mean, constants)
    errors: JsonObject = {}
    for name, unit in UNITS.items():
        values = [getattr(c, name) for c in (found, own, *kernels, *jackknife)]
        if name == "electrostriction" or getattr(own, name) is None:
            continue
        label = f"{name}_{unit}" if unit else name
        if name in unknown or any(value is None for value in values):
            errors[label] = None
            continue
        errors[label] = _standard_error(teacher, np.array(values)).tolist()
    return errors | {"elastic_GPa": _elastic_errors(teacher, without, law)}


def _standard_error(teacher: Teacher, values: Float[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
    """σ of the values of the mean, of the law, of the two kernels, and of the means that miss a block, in this order."""
    centre, followed, first, second, *deleted = values
    spread = (len(deleted) - 1) * np.var(deleted, axis=0)
    apart = float(np.prod(teacher.weights)) * (first - second) ** 2
    return np.asarray(np.sqrt(spread + (followed - centre) ** 2 + apart))


def _elastic_errors(teacher: Teacher, without: list[list[KernelFit]], law: CoupledLaw) -> JsonObject:
    """Standard errors of the independent elastic constants of order 2 and 3 at zero of the other variables (GPa)."""
    problem, strain = teacher.problem, law.place("strain")
    rotations = np.linalg.det(problem.operations)[:, None, None] * problem.operations
    zero = torch.zeros(law.size, dtype=torch.float64)
    errors: JsonObject = {}
    for order, derivatives in ((2, second_derivatives), (3, third_derivatives)):
        places = independent_places(rotations, order)
        index, scale = tuple(np.transpose(places)), np.prod(ENGINEERING[np.array(places)], axis=1)

        def constants(table: np.ndarray, order: int = order, index: tuple = index, scale: np.ndarray = scale) -> np.ndarray:
            return table[(strain,) * order][index] / scale

        kernels = [constants(derivatives(fit)) for fit in teacher.fits]
        own = constants(law.derivative(zero, order).numpy())
        deleted = [[constants(derivatives(fit)) for fit in fits] for fits in without]
        weights = teacher.weights
        values = [np.tensordot(weights, kernels, 1), own, *kernels, *np.tensordot(weights, deleted, 1)]
        sigma = _standard_error(teacher, np.array(values))
        errors[str(order)] = {name_of(place): float(value) for place, value in zip(places, sigma, strict=True)}
    return errors


def second_derivatives(fit: KernelFit) -> Float[np.ndarray, "k k"]:
    """Second derivatives of the energy of a regression at the reference state, in physical units.

    Parameters
    ----------
    fit : KernelFit

    Returns
    -------
    array (k, k)
    """
    return fit.second_derivatives() / np.outer(fit.problem.widths, fit.problem.widths)


def third_derivatives(fit: KernelFit) -> Float[np.ndarray, "k k k"]:
    """Third derivatives of the energy of a regression at the reference state, in physical units.

    Parameters
    ----------
    fit : KernelFit

    Returns
    -------
    array (k, k, k)
    """
    w = fit.problem.widths
    return fit.third_derivatives() / (w[:, None, None] * w[:, None] * w)


def _undetermined(
    problem: CoupledProblem, second: Float[np.ndarray, "k k"], constants: Callable[[Float[np.ndarray, "k k"]], CoupledConstants]
) -> set[str]:
    """Names of the constants that depend on a derivative by two variables neither of whose conjugates was given."""
    open_ = problem.weights == 0
    if not open_.any():
        return set()
    widths = np.outer(problem.widths, problem.widths)
    probe = np.where(np.outer(open_, open_), PROBE * float(np.abs(second * widths).max()) / widths, 0.0)
    diagonal = np.diag(np.diag(probe))
    names = set()
    for changed in (second + probe, second - diagonal, second + diagonal):
        one, two = constants(second), constants(changed)
        for name in UNITS:
            a, b = getattr(one, name), getattr(two, name)
            if (a is None) != (b is None) or (a is not None and not np.allclose(a, b, rtol=1e-9, atol=0)):
                names.add(name)
    return names
