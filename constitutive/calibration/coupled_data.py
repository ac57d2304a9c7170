"""From a data set to the problem of a law of several variables: which variables, their values and conjugates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Float

from constitutive.data import StressStrainData
from constitutive.data.electric import on_one_branch
from constitutive.errors import CalibrationError, DataError
from constitutive.fitting.coupled_problem import CoupledProblem
from constitutive.material import Material
from constitutive.symmetry import PointGroup
from constitutive.tensors.packing import to_mandel
from constitutive.tensors.variables import Variable, variables_named
from constitutive.units import ROOM_TEMPERATURE

KNOWN = ("strain", "electric_field", "polarization", "temperature")


@final
@dataclass(frozen=True, eq=False)
class CoupledSamples:
    """The samples of a data set as a problem.

    Attributes
    ----------
    problem : CoupledProblem
    reference_temperature : float or None
        From which temperatures are counted (K).
    notes : list of str
        For the user.
    """

    problem: CoupledProblem
    reference_temperature: float | None
    notes: list[str]


def variables_of(data: StressStrainData, wanted: str | Sequence[str] | None) -> tuple[Variable, ...] | None:
    """The variables of the law: those asked for, or those that vary in the data where there is one choice only.

    Parameters
    ----------
    data : StressStrainData
    wanted : str or sequence of str, optional
        "strain,electric_field", for instance.

    Returns
    -------
    tuple of Variable, or None
        None where the strain is the only one.

    Raises
    ------
    CalibrationError
        The data lack a variable, or both field and polarisation vary and none was asked for.
    DataError
        The samples are in fields or at temperatures that the variables asked for leave out.
    """
    varies = [name for name in KNOWN[1:] if _varies(getattr(data, name))]
    if wanted is None:
        if {"electric_field", "polarization"} <= set(varies):
            raise CalibrationError(
                "the data hold electric fields and polarisations, and the law can be a function of either: give variables="
                "('strain', 'electric_field') (--variables strain,electric_field), from which the polarisation follows, or "
                "('strain', 'polarization') (--variables strain,polarization), from which the field follows and which can hold wells"
            )
        names = ["strain", *varies]
    else:
        names = [name.strip() for name in wanted.split(",")] if isinstance(wanted, str) else list(wanted)
    unknown = [name for name in names if name not in KNOWN]
    if unknown or "strain" not in names:
        raise CalibrationError(f"variables {', '.join(names)} found; 'strain' is needed, and of {', '.join(KNOWN[1:])} those of the law")
    names = [name for name in KNOWN if name in names]
    for name in names[1:]:
        if not _varies(getattr(data, name)):
            raise CalibrationError(f"the variable {name} is asked for, but the data hold no {name} of their samples that varies")
    require_fields_known(data, names)
    return variables_named(names) if len(names) > 1 else None


def require_fields_known(data: StressStrainData, names: Sequence[str]) -> None:
    """Refuse samples in fields, or at temperatures, that a law of these variables leaves out: they would be taken for elastic ones.

    Parameters
    ----------
    data : StressStrainData
    names : sequence of str
        Of the law's variables.

    Raises
    ------
    DataError
        The data hold electric fields that are not zero, or several temperatures, and the law knows neither.
    """
    field = data.reference_electric_field
    if field is not None and field.any() and not {"electric_field", "polarization"} & set(names):
        largest = float(np.linalg.norm(field, axis=1).max())
        raise DataError(
            f"found samples in electric fields up to {largest:.3g} GV/m, and a law of {' and '.join(names)}, which leaves them out; needed "
            "samples at zero field, or variables=('strain', 'electric_field') (--variables strain,electric_field)"
        )
    if _varies(data.temperature) and "temperature" not in names:
        temperatures = np.asarray(data.temperature)
        raise DataError(
            f"found samples at {temperatures.min():g} to {temperatures.max():g} K, and a law of {' and '.join(names)}, which leaves the "
            "temperature out; needed samples of one temperature, or the variable temperature too (--variables strain,temperature)"
        )


def coupled_samples(data: StressStrainData, variables: tuple[Variable, ...], group: PointGroup) -> CoupledSamples:
    """The problem of a data set.

    Parameters
    ----------
    data : StressStrainData
    variables : tuple of Variable
        The strain first.
    group : PointGroup

    Returns
    -------
    CoupledSamples

    Raises
    ------
    CalibrationError
        Samples repeat with different values, or are too few.
    """
    notes: list[str] = []
    strain = np.asarray(to_mandel(data.green_lagrange_strain))
    field, polarization = data.reference_electric_field, data.reference_polarization
    given = "polarization" in [v.name for v in variables]  # of a crystal with wells it is no function of the field, and is taken as stated
    if polarization is not None and data.lattice is not None and not given:
        polarization, moved = on_one_branch(polarization, strain, field, data.lattice)
        if len(moved):
            shown = ", ".join(map(str, moved[:8])) + (" and more" if len(moved) > 8 else "")
            notes.append(f"the polarisation of samples {shown} was on another branch and was moved by quanta e a / V")
    reference = reference_temperature(data.temperature) if "temperature" in [v.name for v in variables] else None
    values = {
        "strain": strain,
        "stress": np.asarray(to_mandel(data.stress("second_piola_kirchhoff"))),
        "electric_field": field,
        "polarization": polarization,
        "temperature": None if reference is None else np.asarray(data.temperature)[:, None] - reference,
        "entropy": None if data.entropy is None else data.entropy[:, None],
    }
    inputs = [np.asarray(values[v.name]) for v in variables]
    problem = CoupledProblem.of(variables, np.array(group.operations), inputs, [values.get(v.conjugate) for v in variables])
    return CoupledSamples(_without_repetitions(problem, notes), reference, notes)


def reference_temperature(temperatures: Float[np.ndarray, " n"] | float | None) -> float:
    """The temperature from which others are counted: of the samples, the nearest to 298.15 K.

    Parameters
    ----------
    temperatures : array (n,) or float
        K.

    Returns
    -------
    float
        K.
    """
    values = np.atleast_1d(np.asarray(temperatures, dtype=np.float64))
    return float(values[np.abs(values - ROOM_TEMPERATURE).argmin()])


def material_inputs(material: Material, data: StressStrainData) -> dict[str, np.ndarray]:
    """Values of the variables of a material's coupled law, beside the strain, at the samples of a data set.

    Parameters
    ----------
    material : Material
    data : StressStrainData

    Returns
    -------
    dict of array
        By name, none for a law of the strain alone; a field that the data do not hold is left out, and counts as zero.

    Raises
    ------
    DataError
        The law is one of the polarisation, and the data hold none; or the data are in fields or at temperatures that the law leaves out.
    """
    names = [variable.name for variable in material.coupled.variables] if material.coupled is not None else ["strain"]
    require_fields_known(data, names)
    values = {
        "electric_field": data.reference_electric_field,
        "polarization": data.reference_polarization,
        "temperature": None if data.temperature is None else np.broadcast_to(data.temperature, len(data)),
    }
    if "polarization" in names and values["polarization"] is None:
        raise DataError("the law of the material is one of strain and polarisation, and the data hold no polarization of their samples")
    return {name: value for name in names if (value := values.get(name)) is not None}


def conjugates_of(data: StressStrainData) -> dict[str, Float[np.ndarray, "n _"] | None]:
    """What the data state that a law may predict, beside the stress.

    Parameters
    ----------
    data : StressStrainData

    Returns
    -------
    dict of array or None
        In the reference configuration: field (GV/m), polarisation (C/m²), entropy (GPa/K).
    """
    return {
        "electric_field": data.reference_electric_field,
        "polarization": data.reference_polarization,
        "entropy": None if data.entropy is None else data.entropy[:, None],
    }


def _varies(value: object) -> bool:
    return isinstance(value, np.ndarray) and bool(np.abs(value - value[0]).max() > 0)


def _without_repetitions(problem: CoupledProblem, notes: list[str]) -> CoupledProblem:
    """Each point once; a repeated one with another gradient is an error."""
    _, first, inverse = np.unique(problem.x.round(9), axis=0, return_index=True, return_inverse=True)
    keeper = first[inverse.ravel()]
    apart = np.abs(problem.normed(problem.y - problem.y[keeper])).max(1) > 0.05
    if apart.any():
        k = int(np.flatnonzero(apart)[0])
        raise CalibrationError(
            f"samples {keeper[k]} and {k} have the same {' and '.join(v.name for v in problem.variables)} but different conjugates; one of "
            "them is wrong, or a variable is missing"
        )
    if len(first) < len(problem):
        notes.append(f"{len(problem) - len(first)} samples repeat others and were left out")
    if len(first) < 5:
        raise CalibrationError(f"{len(first)} different samples found; at least 5 are needed, a few dozen make a good law")
    return problem.subset(np.sort(first))
