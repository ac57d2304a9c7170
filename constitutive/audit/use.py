"""A material in use: saved and loaded again, and compiled, it must give the same stress."""

from __future__ import annotations

import tempfile
import warnings

import numpy as np
import torch
from jaxtyping import Float

from constitutive import kernel
from constitutive.audit.model import Check, not_measured
from constitutive.audit.physics import stress_of
from constitutive.errors import ConstitutiveError
from constitutive.material import Material

KERNEL = 1e-12
SAVED = 1e-14  # a law projects its parameters on the group once more when loaded: rounding, no more


def use(material: Material, E: Float[np.ndarray, "n 3 3"]) -> dict[str, Check]:
    """Compare a law with itself after saving and loading, and in compiled code, at given strains.

    Parameters
    ----------
    material : Material
    E : (n, 3, 3)
        Green–Lagrange strains.

    Returns
    -------
    dict
        "save_load" and "kernel": the largest difference of the stress, relative to the largest stress.
    """
    S = stress_of(material, E)
    scale = float(np.abs(S).max())
    return {"save_load": _save_load(material, E, S, scale), "kernel": _kernel(material, E, S, scale)}


def _save_load(material: Material, E: np.ndarray, S: np.ndarray, scale: float) -> Check:
    meaning = "stress after saving and loading against before"
    advice = "the folder does not hold the whole law: report it as a bug"
    with tempfile.TemporaryDirectory(prefix="constitutive-audit-") as folder:
        try:
            material.save(folder)
            again = Material.load(folder)
        except ConstitutiveError as error:
            return Check(float("inf"), SAVED, meaning, advice, reason=str(error).replace(folder, "the folder"))
    return Check(float(np.abs(stress_of(again, E) - S).max()) / scale, SAVED, meaning, advice)


def _kernel(material: Material, E: np.ndarray, S: np.ndarray, scale: float) -> Check:
    meaning = "compiled C against torch: stress, and tangent relative to the largest"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", kernel.KernelWarning)
        try:
            built = kernel.compile(material)
        except ConstitutiveError as error:
            return not_measured(meaning, str(error))
    if built.information.kind != "c":
        return not_measured(meaning, f"no compiled code here: {built.information.reason}")
    tangent = material.law.tangent(torch.from_numpy(E)).numpy()
    parts = {
        "stress": float(np.abs(built.stress(E) - S).max()) / scale,
        "tangent": float(np.abs(built.tangent(E) - tangent).max() / np.abs(tangent).max()),
    }
    advice = "remove the cache of compiled laws (see constitutive doctor) and audit again; if it stays, report it as a bug"
    return Check(max(parts.values()), KERNEL, meaning, advice, details=parts)
