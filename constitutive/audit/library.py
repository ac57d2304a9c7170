"""What the card of a shipped material states about its errors, beside laws that use less knowledge."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float

from constitutive.calibration import evaluate, fit_linear, fit_unconstrained
from constitutive.calibration.residual_stress import stress_to_compare
from constitutive.data import StressStrainData
from constitutive.errors import DataError
from constitutive.kinematics import green_lagrange_strain
from constitutive.laws import Law
from constitutive.material import Material
from constitutive.plain import JsonObject


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
    errors: dict[str, float | None] = {"unseen_error": None, "unconstrained_error": None, "linear_error": None}
    if unseen is not None:
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
