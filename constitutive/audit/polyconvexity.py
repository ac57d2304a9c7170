"""Certificate of polyconvexity: Hessians of the convex function of (F, cof F, det F), and ellipticity far outside the data."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from scipy.spatial.transform import Rotation

from constitutive.audit.model import Check
from constitutive.audit.stability import weakest
from constitutive.laws import Law, PolyconvexLaw, RotatedLaw
from constitutive.material import Material

SMALLEST_STRETCH, LARGEST_STRETCH = 0.3, 3.0  # far outside the data of any crystal
ROUNDING = 1e-10  # of the largest eigenvalue


def polyconvexity(material: Material, samples: int, rng: np.random.Generator) -> dict[str, Check]:
    """The certificate of a polyconvex law; nothing for other laws.

    Polyconvexity is shown by the Hessian of ψ as a function of F, cof F and J taken as independent: it must have no negative eigenvalue
    at any triple. Strong ellipticity follows, and is measured beside it at random F with principal stretches between 0.3 and 3.

    Parameters
    ----------
    material : Material
    samples : int
        Random triples, and random deformation gradients.
    rng : numpy Generator

    Returns
    -------
    dict
        By name, "polyconvexity": the most negative eigenvalue found, relative to the largest, 0 where there is none.
    """
    law = _inner(material.law)
    if not isinstance(law, PolyconvexLaw):
        return {}
    F, other = random_deformations(samples, rng), random_deformations(samples, rng)
    J = np.exp(rng.uniform(np.log(SMALLEST_STRETCH**3), np.log(LARGEST_STRETCH**3), samples))
    H = law.lifted_hessian(F, other, J)
    blocks = {"F": H[:, :9, :9], "cof F": H[:, 9:18, 9:18], "J": H[:, 18:, 18:], "F, cof F and J together": H}
    lowest = {name: float(np.linalg.eigvalsh(block).min()) for name, block in blocks.items()}
    acoustic = float(weakest(material.law, F).min())
    largest = float(np.linalg.eigvalsh(H).max())
    details: dict[str, float | str] = {f"smallest eigenvalue of the Hessian in {name} (GPa)": value for name, value in lowest.items()}
    details[f"smallest acoustic stiffness at stretches of {SMALLEST_STRETCH} to {LARGEST_STRETCH} (GPa)"] = acoustic
    found = max(0.0, -min(*lowest.values(), acoustic) / largest)
    meaning = "most negative eigenvalue of the Hessian in (F, cof F, J), or of the acoustic tensor, over the largest; far outside the data"
    return {"polyconvexity": Check(found, ROUNDING, meaning, "the law was changed after calibration: calibrate again", details=details)}


def random_deformations(samples: int, rng: np.random.Generator) -> Float[np.ndarray, "n 3 3"]:
    """Deformation gradients with principal stretches between 0.3 and 3 along random axes, and random rotations.

    Parameters
    ----------
    samples : int
        How many.
    rng : numpy Generator

    Returns
    -------
    array (samples, 3, 3)
        With positive determinants.
    """
    stretches = np.exp(rng.uniform(np.log(SMALLEST_STRETCH), np.log(LARGEST_STRETCH), (samples, 3)))
    left, right = (Rotation.random(samples, random_state=rng).as_matrix() for _ in range(2))
    return left @ (stretches[:, :, None] * right)


def _inner(law: Law) -> Law:
    """The law inside a rotation."""
    while isinstance(law, RotatedLaw):
        law = law.law
    return law
