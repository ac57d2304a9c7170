"""From samples in fields, at polarisations or temperatures to a material with a law of several variables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import final

import numpy as np
import torch
from jaxtyping import Float

from constitutive.calibration.candidates import Progress
from constitutive.calibration.coupled_data import CoupledSamples, coupled_samples
from constitutive.calibration.coupled_errors import constant_errors
from constitutive.calibration.coupled_student import Student, law_of, teach
from constitutive.calibration.coupled_teacher import Teacher, learn
from constitutive.calibration.effort import Effort
from constitutive.calibration.provenance import data_of_card
from constitutive.calibration.report import Errors, evaluate
from constitutive.data import StressStrainData
from constitutive.errors import CalibrationError
from constitutive.fitting.coupled_problem import CoupledProblem
from constitutive.laws import Domain
from constitutive.laws.coupled import CoupledLaw
from constitutive.material import Material
from constitutive.symmetry import PointGroup
from constitutive.tensors.packing import to_mandel
from constitutive.tensors.variables import Variable, variables_named

CERTAIN = 4.0  # a slope in the reference state counts where it exceeds so many times the error of samples left out


@final
@dataclass(frozen=True, eq=False)
class CoupledReport:
    """How a law of several variables was found.

    Attributes
    ----------
    chosen
        Label of the law.
    held_out_errors
        For each conjugate the relative error on samples left out: of the mean of the regressions that the law follows, and its deviation.
    regressions
        The kernels with their weights.
    laws
        Every law that was tried: label, orbit units, and deviation from the mean for each conjugate.
    training
        Errors of the law on the samples.
    notes
        Other remarks.
    """

    chosen: str
    held_out_errors: dict[str, float]
    regressions: dict[str, float]
    laws: list[Student]
    training: Errors | None = None
    notes: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, object]:
        """Plain types for JSON and the card.

        Returns
        -------
        dict
            Errors are fractions.
        """
        return {
            "chosen": self.chosen,
            "held_out_error": float(np.sqrt(np.mean(np.square(list(self.held_out_errors.values()))))),
            "held_out_errors": {f"{name}_relative_error": error for name, error in self.held_out_errors.items()},
            "regressions": self.regressions,
            "laws": [{"law": s.label, "orbit_units": s.units, "deviation": s.deviation} for s in self.laws],
            "training": None if self.training is None else self.training.as_dict(),
            "notes": self.notes,
        }


def calibrate_coupled(
    data: StressStrainData,
    variables: tuple[Variable, ...],
    group: PointGroup,
    *,
    seed: int = 0,
    effort: Effort,
    progress: Progress,
    units: int | None = None,
    notes: list[str] | None = None,
) -> Material:
    """Calibrate a law of several variables.

    Kernel regressions that are invariant under the group find the energy from few samples; a series plus a group-convolution network learns
    their mean at many points of the domain, as small as its error allows.

    Parameters
    ----------
    data : StressStrainData
    variables : tuple of Variable
        The strain first.
    group : PointGroup
        In the frame of the data.
    seed : int
        Of all random choices.
    effort : Effort
    progress : callable
        Called with what is being done and the fraction done.
    units : int, optional
        Orbit units of the law, instead of the fewest.
    notes : list of str, optional
        Of the intake check, for the report.

    Returns
    -------
    Material
        With a CoupledReport.
    """
    samples = coupled_samples(data, variables, group)
    progress("kernel regressions", 0.02)
    teacher = learn(samples.problem, effort)
    slope, remarks = _slope_of_reference(teacher)
    students, best = teach(teacher, 1 if slope else 2, seed, effort, progress, units=units)
    law = law_of(best.fit, samples.problem)
    domain = Domain.of_strains(np.asarray(to_mandel(data.green_lagrange_strain)), np.array(group.laue_rotations))
    progress("constants", 0.97)
    material = Material.from_coupled_law(
        law, group, name=data.name, structure=data.structure, domain=domain, card=_card(data, samples, law, seed)
    )
    own = teacher.problem.relative_errors(teacher.left_out)
    errors = {name: float(np.hypot(error, best.deviation[name])) for name, error in own.items()}
    weights = {str(f.kernel): float(w) for f, w in zip(teacher.fits, teacher.weights, strict=True)}
    report = CoupledReport(best.label, errors, weights, students, notes=[*(notes or []), *samples.notes, *remarks])
    report = replace(report, training=evaluate(material, data))
    uncertain = constant_errors(teacher, law, reference_temperature=samples.reference_temperature, seed=seed)
    progress("done", 1.0)
    card = {**material.card, "calibration": report.as_dict(), "coupled_constants_errors": uncertain}
    return replace(material, card=card, report=report)


@final
@dataclass(frozen=True, eq=False)
class EnergyFit:
    """An energy of any variables.

    Attributes
    ----------
    law : CoupledLaw
    report : CoupledReport
    """

    law: CoupledLaw
    report: CoupledReport


def calibrate_energy(
    variables: Sequence[Variable | str],
    group: PointGroup | str,
    values: Mapping[str, Float[np.ndarray, "n _"]],
    conjugates: Mapping[str, Float[np.ndarray, "n _"]],
    *,
    seed: int = 0,
    effort: str = "full",
    units: int | None = None,
) -> EnergyFit:
    """Calibrate an energy of any variables: order parameters of every kind, a concentration, a strain.

    Parameters
    ----------
    variables : sequence of Variable or str
        Such as ``(STRAIN, Variable.of_matrices("tilt", …))``.
    group : PointGroup or str
        In the frame of the values.
    values : mapping of array (n, components)
        Of each variable by name; a strain in Mandel components, counted from the state of the full symmetry.
    conjugates : mapping of array (n, components)
        ``sign`` times the derivative of the energy by the variables, by the names of the variables' conjugates ("stress", …); some may be
        missing.
    seed : int
    effort : {"full", "quick"}
    units : int, optional
        Orbit units of the law, instead of the fewest.

    Returns
    -------
    EnergyFit

    Raises
    ------
    CalibrationError
        Values are missing or of the wrong shape, or no conjugate is given.
    """
    found = variables_named(variables)
    crystal = PointGroup.from_symbol(group) if isinstance(group, str) else group
    unknown = [name for name in conjugates if name not in {v.conjugate for v in found}]
    if unknown:
        raise CalibrationError(f"conjugates {', '.join(unknown)} found; those of the variables are {', '.join(v.conjugate for v in found)}")
    count = len(next(iter(values.values()), ()))
    for name, size in [(v.name, v.size) for v in found] + [(v.conjugate, v.size) for v in found if v.conjugate in conjugates]:
        array = values.get(name, conjugates.get(name))
        if array is None or array.shape != (count, size) or not np.isfinite(array).all():
            shape = None if array is None else array.shape
            raise CalibrationError(f"{name}: finite numbers of shape {(count, size)} are needed, {shape} found")
    problem = CoupledProblem.of(
        found, np.array(crystal.operations), [values[v.name] for v in found], [conjugates.get(v.conjugate) for v in found]
    )
    tried = Effort.of(effort)
    teacher = learn(problem, tried)
    slope, remarks = _slope_of_reference(teacher)
    students, best = teach(teacher, 1 if slope else 2, seed, tried, lambda what, share: None, units=units)
    own = teacher.problem.relative_errors(teacher.left_out)
    errors = {name: float(np.hypot(error, best.deviation[name])) for name, error in own.items()}
    weights = {str(f.kernel): float(w) for f, w in zip(teacher.fits, teacher.weights, strict=True)}
    return EnergyFit(law_of(best.fit, problem), CoupledReport(best.label, errors, weights, students, notes=remarks))


def refuse_elastic_options(residual_stress: str | None, anchors: Mapping[str, object] | None, *, elliptic: bool, laws: str) -> None:
    """Require that no option was given that laws of the strain alone have.

    Parameters
    ----------
    residual_stress, anchors, elliptic, laws
        As of :func:`constitutive.calibration.calibrate`.

    Raises
    ------
    CalibrationError
        One was given.
    """
    given = {"residual_stress": residual_stress, "anchors": anchors, "elliptic": elliptic or None, "laws": None if laws == "all" else laws}
    wrong = [name for name, value in given.items() if value]
    if wrong:
        raise CalibrationError(
            f"{', '.join(wrong)}: laws of the strain alone have this option, laws of several variables not; leave it out, or leave the "
            "fields out of the data"
        )


def _slope_of_reference(teacher: Teacher) -> tuple[bool, list[str]]:
    """Whether stress, polarisation or entropy differ from zero in the reference state by more than the error of the samples."""
    problem = teacher.problem
    slope = teacher(np.zeros((1, problem.x.shape[1])))[0]
    errors = np.abs(teacher.left_out - problem.y)
    found = []
    for variable in problem.variables:
        place = problem.place(variable.name)
        typical = float(np.sqrt(np.median((errors[:, place] ** 2).sum(1))))
        if problem.weights[place].any() and float(np.linalg.norm(slope[place])) > CERTAIN * typical:
            found.append(variable.conjugate)
    if not found:
        return False, []
    return True, [f"the {' and the '.join(found)} in the reference state differ from zero beyond the error of the samples, and were kept"]


def _card(data: StressStrainData, samples: CoupledSamples, law: CoupledLaw, seed: int) -> dict[str, object]:
    card: dict[str, object] = {
        "data": data_of_card(data),
        "variables": [v.name for v in law.variables],
        "scales": {v.name: float(s) for v, s in zip(law.variables, samples.problem.scales, strict=True)},
        "seed": seed,
    }
    if samples.reference_temperature is not None:
        card["reference_temperature_K"] = samples.reference_temperature
    zero = law.conjugates(torch.zeros(1, law.size, dtype=torch.float64))
    if "polarization" in zero and bool(zero["polarization"].any()):
        card["spontaneous_polarization"] = zero["polarization"][0].tolist()
    return card
