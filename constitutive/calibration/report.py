"""What a calibration found, and how a law does on data."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, final

import numpy as np
from jaxtyping import Float

from constitutive.calibration.reference import honoured
from constitutive.data import StressStrainData, require_same_reference
from constitutive.errors import DataError
from constitutive.kinematics import cauchy_from_second_piola, first_from_second_piola

if TYPE_CHECKING:
    from constitutive.calibration.contest import Trial
    from constitutive.material import Material


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
    """

    samples: int
    second_piola_relative_error: float
    first_piola_relative_error: float
    cauchy_rmse_GPa: float
    outside_domain: int

    def as_dict(self) -> dict[str, Any]:
        """The figures by name."""
        return {
            "samples": self.samples,
            "second_piola_relative_error": self.second_piola_relative_error,
            "first_piola_relative_error": self.first_piola_relative_error,
            "cauchy_rmse_GPa": self.cauchy_rmse_GPa,
            "outside_domain": self.outside_domain,
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
    trials
        Relative error of every candidate on samples it had not seen.
    held_out_error
        That of the chosen law.
    baseline_error
        That of the network without symmetry.
    training
        Errors of the final law on the samples it was fitted to.
    worst_samples
        Index and relative error of the samples that it predicts worst when they are left out.
    learning_curve
        Samples and error on the others.
    notes
        What else the user should know: dropped duplicates, wild samples, the rank of the data.
    left_out
        Stresses (n, 3, 3), GPa, S: predicted without each sample, and given.
    """

    chosen: str
    reason: str
    trials: list[Trial]
    held_out_error: float
    baseline_error: float
    training: Errors
    worst_samples: list[tuple[int, float]]
    learning_curve: list[tuple[int, float]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    left_out: tuple[np.ndarray, np.ndarray] = (np.zeros((0, 3, 3)), np.zeros((0, 3, 3)))

    def as_dict(self) -> dict[str, Any]:
        """Plain types for JSON and the card."""
        return {
            "chosen": self.chosen,
            "reason": self.reason,
            "held_out_error": self.held_out_error,
            "baseline_error": self.baseline_error,
            "candidates": {trial.label: trial.error for trial in self.trials},
            "training": self.training.as_dict(),
            "worst_samples": [{"sample": k, "relative_error": error} for k, error in self.worst_samples],
            "learning_curve": [{"samples": n, "error": error} for n, error in self.learning_curve],
            "notes": self.notes,
        }


def evaluate(material: Material, data: StressStrainData) -> Errors:
    """Errors of a material on a data set in the same reference cell and frame.

    Raises
    ------
    DataError
        The data stand in another reference cell or frame, or declare another point group.
    """
    require_same_reference(data.structure, material.structure)
    _require_same_group(material, data)
    F, S = data.F, honoured(data, material.card)
    T = material.predict(F)
    return Errors(
        len(F),
        _relative(T - S, S),
        _relative(first_from_second_piola(F, T - S), first_from_second_piola(F, S)),
        float(np.sqrt(np.mean(cauchy_from_second_piola(F, T - S) ** 2))),
        count_outside(material, data),
    )


def count_outside(material: Material, data: StressStrainData) -> int:
    """Samples beyond the domain of the material; 0 where it states none."""
    if material.domain is None:
        return 0
    import torch

    from constitutive.tensors.packing import to_mandel

    x = torch.from_numpy(np.ascontiguousarray(to_mandel(data.green_lagrange_strain)))
    return int((material.domain.distance(x) > 1 + 1e-9).sum())


def _require_same_group(material: Material, data: StressStrainData) -> None:
    if data.structure is not None or data.point_group is None:
        return
    from constitutive.symmetry import PointGroup

    found = PointGroup.from_symbol(data.point_group).laue_class
    if found != material.point_group.laue_class:
        raise DataError(f"the data declare the Laue class {found}, the material has {material.point_group.laue_class}; wrong data set?")


def _relative(error: Float[np.ndarray, "..."], reference: Float[np.ndarray, "..."]) -> float:
    return float(np.linalg.norm(error)) / max(float(np.linalg.norm(reference)), 1e-300)
