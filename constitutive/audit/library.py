"""What the card of a shipped material states about its errors, beside laws that use less knowledge."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float

from constitutive.calibration import evaluate, fit_linear, fit_unconstrained
from constitutive.calibration.coupled_data import coupled_samples, material_inputs
from constitutive.calibration.coupled_teacher import learn
from constitutive.calibration.effort import Effort
from constitutive.calibration.residual_stress import stress_to_compare
from constitutive.data import StressStrainData
from constitutive.errors import DataError
from constitutive.kinematics import green_lagrange_strain
from constitutive.laws import Law
from constitutive.laws.coupled import CoupledLaw, CoupledSeriesLaw
from constitutive.laws.coupled.series import invariants
from constitutive.material import Material
from constitutive.plain import JsonObject
from constitutive.symmetry import PointGroup
from constitutive.tensors.packing import to_mandel
from constitutive.tensors.polynomials import exponents


def library_figures(
    material: Material, data: StressStrainData, unseen: StressStrainData | None, *, about: str = "", seed: int = 0
) -> JsonObject:
    """The part ``library`` of a card (:class:`constitutive.library.LibraryEntry`), its errors measured on unseen states.

    Parameters
    ----------
    material : Material
        The calibrated law, with its structure.
    data : StressStrainData
        The states on which it was calibrated.
    unseen : StressStrainData or None
        States that calibration did not use; None where the data hold none.
    about : str
        How far the source of the data is from the real crystal, in a sentence.
    seed : int
        Of the network without symmetry.

    Returns
    -------
    dict
        Plain types.

    Raises
    ------
    DataError
        The material has no structure.
    """
    if material.structure is None:
        raise DataError("a material of the library needs its reference structure; none found")
    errors: JsonObject = {"unseen_error": None, "unconstrained_error": None, "linear_error": None}
    if unseen is not None and material.coupled is not None:
        errors = _coupled_errors(material, material.coupled, data, unseen)
    elif unseen is not None:
        errors["unseen_error"] = evaluate(material, unseen).second_piola_relative_error
        S = stress_to_compare(unseen, material.card)
        errors["unconstrained_error"] = _error(fit_unconstrained(data, seed=seed), unseen.F, S)
        errors["linear_error"] = _error(fit_linear(data), unseen.F, S)
    extra = data.model_extra or {}
    return {
        "formula": material.structure.composition.reduced_formula,
        "crystal_system": material.point_group.crystal_system,
        "samples": len(data),
        "strain_size": float(np.linalg.norm(green_lagrange_strain(data.F), axis=(1, 2)).max()),
        **errors,
        "source": ", ".join(str(extra[key]) for key in ("code", "potential") if extra.get(key)),
        "about": about,
    }


def _error(law: Law, F: Float[np.ndarray, "n 3 3"], S: Float[np.ndarray, "n 3 3"]) -> float:
    T = law.stress(torch.from_numpy(green_lagrange_strain(F))).numpy()
    return float(np.linalg.norm(T - S) / np.linalg.norm(S))


def _coupled_errors(material: Material, law: CoupledLaw, data: StressStrainData, unseen: StressStrainData) -> JsonObject:
    """Errors of S on unseen states: of the law, of a kernel regression without symmetry, and of the best linear law under the group."""
    found = evaluate(material, unseen)
    others = {v.conjugate: found.conjugates[v.conjugate] for v in law.variables if not v.is_strain}
    inputs = material_inputs(material, unseen)
    strain = np.asarray(to_mandel(unseen.green_lagrange_strain))
    x = np.concatenate([strain if v.is_strain else inputs[v.name].reshape(len(unseen), -1) for v in law.variables], 1)
    S = np.asarray(to_mandel(unseen.stress("second_piola_kirchhoff")))
    problem = coupled_samples(data, law.variables, PointGroup.from_operations(np.eye(3)[None])).problem
    free = (learn(problem, Effort.of("quick"))(x / problem.widths) / problem.widths)[:, :6]
    samples = coupled_samples(data, law.variables, material.point_group).problem
    basis = invariants(law.variables, law.operations.numpy(), 2)
    laws = [CoupledSeriesLaw({2: row.reshape(len(exponents(2, law.size)))}, law.variables, law.operations.numpy()) for row in basis]
    at = torch.from_numpy(samples.x * samples.widths)
    weights = samples.weights * samples.widths
    A = np.stack([(term.gradient(at).numpy() * weights).ravel() for term in laws], 1)
    b = (samples.y * samples.weights).ravel()
    c = np.linalg.lstsq(A, b, rcond=None)[0]
    linear = sum(k * term.gradient(torch.from_numpy(x)).numpy()[:, :6] for k, term in zip(c, laws, strict=True))
    norm = float(np.linalg.norm(S))
    return {
        "unseen_error": found.second_piola_relative_error,
        "unconstrained_error": float(np.linalg.norm(free - S)) / norm,
        "linear_error": float(np.linalg.norm(linear - S)) / norm,
        "conjugate_errors": others,
    }
