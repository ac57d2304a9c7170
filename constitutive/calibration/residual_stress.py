"""The stress that the crystal carries at zero strain: found, judged against the data, removed or kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Float

from constitutive.data import StressStrainData
from constitutive.errors import CalibrationError
from constitutive.fitting import FitProblem, PolynomialBasis, fit_series, problem_of, series_choices
from constitutive.fitting.leave_one_out import ridge_trial
from constitutive.plain import JsonObject
from constitutive.tensors.packing import from_mandel, mandel_matrix

NEGLIGIBLE = 0.01  # of the rms stress: set to zero without asking
CLEARLY = 0.7  # an intercept counts when it brings the error on left-out samples below this share
RULES = ("keep", "remove")
INTERCEPT_RIDGE = 1e-10  # relative to the largest singular value, squared


@final
@dataclass(frozen=True)
class ResidualStress:
    """What was done about the stress at zero strain.

    Attributes
    ----------
    rule
        ``"zero"`` (negligible: the law has none), ``"keep"`` or ``"remove"``.
    stress
        The residual stress of the data (GPa), invariant under the group.
    source
        Where it was read from.
    """

    rule: str
    stress: Float[np.ndarray, "3 3"]
    source: str

    @property
    def subtracted(self) -> Float[np.ndarray, "3 3"]:
        """What to subtract from S before fitting (GPa)."""
        return np.zeros((3, 3)) if self.rule == "zero" else self.stress

    def card(self) -> dict[str, object]:
        """For the material's card; :func:`constitutive.calibration.evaluate` follows it.

        Returns
        -------
        dict
            Stress in GPa.
        """
        return {"rule": self.rule, "stress_GPa": self.stress.tolist(), "source": self.source}


def find_residual_stress(data: StressStrainData, rotations: Float[np.ndarray, "g 3 3"], rule: str | None) -> ResidualStress:
    """Find the residual stress of a data set and apply the rule.

    Parameters
    ----------
    data
        The samples.
    rotations
        The group.
    rule
        Rule given by the user: ``"keep"``, ``"remove"`` or None.

    Returns
    -------
    ResidualStress

    Raises
    ------
    CalibrationError
        The residual stress is over 1 % of the rms stress and ``rule`` is None.
    """
    if rule is not None and rule not in RULES:
        raise CalibrationError(f"residual stress: {rule!r} found; give keep or remove")
    stress, source = _find(data, rotations)
    size = float(np.linalg.norm(stress))
    rms = float(np.sqrt(np.mean(np.sum(data.stress("second_piola_kirchhoff") ** 2, axis=(1, 2)))))
    if rule is not None:
        return ResidualStress(rule, stress, source)
    if size <= NEGLIGIBLE * rms:
        return ResidualStress("zero", stress, source)
    raise CalibrationError(
        f"the data carry a residual stress of {np.round(stress, 4).tolist()} GPa at zero strain ({source}), "
        f"{100 * size / rms:.1f} % of the rms stress, more than {100 * NEGLIGIBLE:.0f} %; it changes third-order constants: give "
        "residual_stress='remove' (--residual-stress remove) for a law with S(0) = 0, or 'keep' for one that carries it"
    )


def _find(data: StressStrainData, rotations: np.ndarray) -> tuple[np.ndarray, str]:
    if data.residual_stress is not None:
        return _invariant(data.residual_stress, rotations), "the data set's residual_stress"
    distance = np.linalg.norm(data.green_lagrange_strain, axis=(1, 2))
    nearest = int(np.argmin(distance))
    if distance[nearest] < 1e-9:
        return _invariant(data.stress("second_piola_kirchhoff")[nearest], rotations), f"the unstrained sample {nearest}"
    return _from_series(data, rotations), "a series fitted to the samples"


def _invariant(stress: np.ndarray, rotations: np.ndarray) -> np.ndarray:
    stress = (stress + stress.T) / 2
    return np.mean(rotations @ stress @ rotations.transpose(0, 2, 1), axis=0)


def _from_series(data: StressStrainData, rotations: np.ndarray) -> np.ndarray:
    """Intercept of the best series, zero unless it clearly reduces the error on left-out samples.

    A truncated series would use an intercept to reduce its own misfit, so it must predict left-out samples much better with it, and
    series of two lengths must agree on it.
    """
    problem = problem_of(data, rotations)
    constant = _constant_columns(rotations)
    lengths = [degrees for degrees in series_choices(problem, 6, 0.4) if len(degrees) > 1] or [(2,)]
    fits = [(_with_intercept(problem, degrees, constant), fit_series(problem, degrees)) for degrees in lengths]
    fits.sort(key=lambda pair: pair[0][0])
    (error, stress), plain = fits[0]
    if error > CLEARLY * problem.relative_error(plain.left_out):
        return np.zeros((3, 3))
    if len(fits) > 1 and np.linalg.norm(fits[1][0][1] - stress) > 0.5 * np.linalg.norm(stress):
        return np.zeros((3, 3))
    return from_mandel(stress)


def _with_intercept(problem: FitProblem, degrees: tuple[int, ...], constant: np.ndarray) -> tuple[float, np.ndarray]:
    """Left-out error (relative) and intercept (Mandel, GPa) of a series with a constant stress beside it."""
    own = PolynomialBasis(problem.rotations, degrees, problem.scale)(problem.x)
    columns = np.concatenate([np.broadcast_to(constant, (len(problem), *constant.shape)), own], axis=2)
    A = np.einsum("nij,njk->nik", problem.norm, columns).reshape(6 * len(problem), -1)
    target = problem.normed(problem.y).ravel()
    U, s, Vt = np.linalg.svd(A, full_matrices=False)
    filtered, left_out = ridge_trial(U, s, U.T @ target, target, INTERCEPT_RIDGE, len(problem))
    solution = Vt.T @ (filtered / np.maximum(s, 1e-300) * (U.T @ target))
    return float(np.linalg.norm(left_out) / np.linalg.norm(target)), constant @ solution[: constant.shape[1]]


def _constant_columns(rotations: np.ndarray) -> Float[np.ndarray, "6 k"]:
    """Invariant constant stresses (Mandel), orthonormal."""
    average = np.mean(np.asarray(mandel_matrix(rotations)), axis=0)
    values, vectors = np.linalg.eigh((average + average.T) / 2)
    return vectors[:, values > 0.5]


def stress_to_compare(data: StressStrainData, card: JsonObject) -> Float[np.ndarray, "n 3 3"]:
    """Second Piola–Kirchhoff stress of a data set to compare a law with, by the rule on its card (GPa).

    Parameters
    ----------
    data : StressStrainData
    card : dict
        Card of the law; its ``residual_stress`` says whether the stress at zero strain was removed before the fit.

    Returns
    -------
    array (n, 3, 3)
        GPa, less the removed stress where the rule is "remove".
    """
    S = data.stress("second_piola_kirchhoff")
    stated = card.get("residual_stress", {})
    return S - np.asarray(stated["stress_GPa"]) if stated.get("rule") == "remove" else S
