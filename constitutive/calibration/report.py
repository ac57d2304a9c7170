"""The result of a calibration, and the errors of a law on data."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from typing import final

import numpy as np
from jaxtyping import Float

from constitutive.calibration.candidates import Candidate
from constitutive.calibration.coupled_data import conjugates_of, material_inputs
from constitutive.calibration.distillation import Width
from constitutive.calibration.polyconvex import PolyconvexSelection
from constitutive.calibration.residual_stress import stress_to_compare
from constitutive.calibration.selection import Selection, learning_curve
from constitutive.data import StressStrainData, require_same_reference
from constitutive.errors import DataError
from constitutive.fitting import FitProblem
from constitutive.kinematics import cauchy_from_second_piola, first_from_second_piola
from constitutive.material import Material
from constitutive.symmetry import PointGroup
from constitutive.tensors.packing import from_mandel, to_mandel

LearningCurve = list[tuple[int, float]]


@final
@dataclass(frozen=True)
class Errors:
    """Errors of a law on a data set.

    Attributes
    ----------
    samples
        How many.
    second_piola_relative_error, first_piola_relative_error
        ‖ΔS‖/‖S‖ and ‖ΔP‖/‖P‖, Frobenius over all samples.
    cauchy_rmse_GPa
        Root of the mean square of Δσ over samples and all nine components.
    outside_domain
        Samples beyond the domain of the law.
    conjugates
        Relative errors of what else a coupled law predicts: polarisation, electric field, entropy.
    """

    samples: int
    second_piola_relative_error: float
    first_piola_relative_error: float
    cauchy_rmse_GPa: float
    outside_domain: int
    conjugates: dict[str, float] = field(default_factory=dict)

    def as_dict(self) -> dict[str, object]:
        """The figures by name.

        Returns
        -------
        dict
            Relative errors as fractions, the error of the Cauchy stress in GPa, counts as integers.
        """
        return {
            "samples": self.samples,
            "second_piola_relative_error": self.second_piola_relative_error,
            "first_piola_relative_error": self.first_piola_relative_error,
            "cauchy_rmse_GPa": self.cauchy_rmse_GPa,
            "outside_domain": self.outside_domain,
            **{f"{name}_relative_error": error for name, error in self.conjugates.items()},
        }


@final
@dataclass(frozen=True, eq=False)
class CalibrationReport:
    """How the law was chosen.

    Attributes
    ----------
    chosen
        Label of the chosen law.
    reason
        Why, in a sentence.
    candidates
        Every law that was tried, with its relative error on samples that it had not seen; the network without symmetry last.
    held_out_error
        That of the chosen law.
    baseline_error
        That of the network without symmetry.
    training
        Errors of the final law on the samples it was fitted to.
    worst_samples
        Index and relative error of the samples that it predicts worst when they are left out.
    learning_curve
        Numbers of samples, and the error on the others of the best single candidate refitted to so many. One network from one start: the
        mean of networks that calibration makes of as many samples errs less.
    notes
        Other remarks: dropped duplicates and outliers, the rank of the data.
    left_out
        Stresses (n, 3, 3), GPa, S: predicted without each sample, and given.
    widths
        Of the distilled laws that were tried: orbit units, and the errors expected of them; empty where no network was chosen.
    """

    chosen: str
    reason: str
    candidates: list[Candidate]
    held_out_error: float
    baseline_error: float
    training: Errors
    worst_samples: list[tuple[int, float]]
    learning_curve: LearningCurve = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    left_out: tuple[np.ndarray, np.ndarray] = (np.zeros((0, 3, 3)), np.zeros((0, 3, 3)))
    widths: list[Width] = field(default_factory=list)

    @property
    def trials(self) -> list[Candidate]:
        """Former name of ``candidates``."""
        warnings.warn("CalibrationReport.trials is called candidates now", DeprecationWarning, stacklevel=2)
        return self.candidates

    def as_dict(self) -> dict[str, object]:
        """Plain types for JSON and the card.

        Returns
        -------
        dict
            Errors are fractions of the norm of the stress.
        """
        return {
            "chosen": self.chosen,
            "reason": self.reason,
            "held_out_error": self.held_out_error,
            "baseline_error": self.baseline_error,
            "candidates": {candidate.label: candidate.error for candidate in self.candidates},
            "training": self.training.as_dict(),
            "worst_samples": [{"sample": k, "relative_error": error} for k, error in self.worst_samples],
            "learning_curve": [{"samples": n, "error": error} for n, error in self.learning_curve],
            "notes": self.notes,
            "widths": [width.as_dict() for width in self.widths],
        }


def report_of(
    material: Material,
    samples: StressStrainData,
    problem: FitProblem,
    selection: Selection | PolyconvexSelection,
    notes: list[str],
    seed: int,
) -> CalibrationReport:
    """The report of a calibration.

    Parameters
    ----------
    material
        The result.
    samples
        All samples given.
    problem
        Those that were fitted.
    selection
        How the law was chosen.
    notes
        For the user.
    seed
        Of the learning curve.

    Returns
    -------
    CalibrationReport
    """
    best = selection.best
    errors = np.linalg.norm(problem.normed(best.left_out - problem.y), axis=1)
    typical = np.linalg.norm(problem.normed(problem.y)) / np.sqrt(len(problem))
    worst = [(int(problem.numbers[k]), float(errors[k] / typical)) for k in np.argsort(-errors)[:5]]
    return CalibrationReport(
        chosen=best.label,
        reason=selection.reason if isinstance(selection, PolyconvexSelection) else _reason(selection),
        candidates=[*selection.candidates, selection.baseline],
        held_out_error=best.error,
        baseline_error=selection.baseline.error,
        training=evaluate(material, samples),
        worst_samples=worst,
        learning_curve=[] if isinstance(selection, PolyconvexSelection) else learning_curve(problem, best, seed),
        notes=[*notes, *([] if isinstance(selection, PolyconvexSelection) else selection.notes)],
        left_out=(np.asarray(from_mandel(best.left_out)), np.asarray(from_mandel(problem.y))),
        widths=[] if isinstance(selection, PolyconvexSelection) else selection.widths,
    )


def _reason(selection: Selection) -> str:
    best = selection.best
    others = [candidate for candidate in selection.candidates if candidate is not best]
    second = min(others, key=lambda candidate: candidate.error, default=best)
    without = 100 * selection.baseline.error
    chance = ", a member of it that did better on these by chance" if second.shape and second.error < best.error else ""
    return (
        f"it predicts samples that it has not seen to {100 * best.error:.2g} %, "
        f"the best other candidate ({second.label}{chance}) to {100 * second.error:.2g} %, "
        f"a network without symmetry {without:.2g} %"
    )


def evaluate(material: Material, data: StressStrainData) -> Errors:
    """Errors of a material on a data set in the same reference cell and frame.

    Parameters
    ----------
    material
        The law with its residual stress rule and domain.
    data
        Samples; a residual stress that was removed in calibration is removed here too.

    Returns
    -------
    Relative errors of S and P, root mean square error of the Cauchy stress (GPa), and the samples outside the domain.

    Raises
    ------
    DataError
        The data stand in another reference cell or frame, declare another point group, or are in fields or at temperatures that the law
        leaves out.
    """
    require_same_reference(data.structure, material.structure)
    _require_same_group(material, data)
    F, S = data.F, stress_to_compare(data, material.card)
    others: dict[str, float] = {}
    inputs = material_inputs(material, data)
    if material.coupled is None:
        T = material.second_piola_kirchhoff(F)
    else:
        found = material.response(F, **inputs)
        T = found.pop("stress")
        given = conjugates_of(data)
        others = {name: _relative(found[name] - value, value) for name, value in given.items() if value is not None and name in found}
    return Errors(
        len(F),
        _relative(T - S, S),
        _relative(first_from_second_piola(F, T - S), first_from_second_piola(F, S)),
        float(np.sqrt(np.mean(cauchy_from_second_piola(F, T - S) ** 2))),
        count_outside(material, data),
        others,
    )


def count_outside(material: Material, data: StressStrainData) -> int:
    """Samples beyond the domain of the material; 0 where it states none.

    Parameters
    ----------
    material : Material
    data : StressStrainData

    Returns
    -------
    int
    """
    if material.domain is None:
        return 0
    return int((~material.domain.contains(np.asarray(to_mandel(data.green_lagrange_strain)))).sum())


def _require_same_group(material: Material, data: StressStrainData) -> None:
    if data.structure is not None or data.point_group is None:
        return
    found = PointGroup.from_symbol(data.point_group).laue_class
    if found != material.point_group.laue_class:
        raise DataError(
            f"the data declare the Laue class {found}, the material has {material.point_group.laue_class}; give the data of this crystal"
        )


def _relative(error: Float[np.ndarray, "..."], reference: Float[np.ndarray, "..."]) -> float:
    return float(np.linalg.norm(error)) / max(float(np.linalg.norm(reference)), 1e-300)
