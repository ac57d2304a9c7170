"""Properties of laws of several variables: symmetry under the point group, Maxwell's relations, odd constants, dielectric stability."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from constitutive.audit.model import Check, not_measured
from constitutive.laws.coupled import CoupledLaw, representation
from constitutive.material import Material
from constitutive.tensors.bases import number_of_invariants
from constitutive.units import VACUUM_PERMITTIVITY

EXACT, DIFFERENCES = 1e-12, 1e-6
STEP = 1e-5  # relative to the size of each variable
SIZES = {"strain": 0.03, "electric_field": 1.0, "polarization": 0.1, "temperature": 100.0, "composition": 0.1, "magnetic_field": 1.0}


def coupled(material: Material, samples: int, rng: np.random.Generator) -> dict[str, Check]:
    """Check the law of several variables of a material at random points.

    Parameters
    ----------
    material : Material
    samples : int
        Number of points.
    rng : numpy Generator
        Of the points.

    Returns
    -------
    dict
        By name, "coupled_symmetry", "maxwell", "odd_constants" and "dielectric_stability"; empty where the material has no such law.
    """
    law = material.coupled
    if law is None:
        return {}
    sizes = material.card.get("scales", {})
    width = np.concatenate([np.full(v.size, float(sizes.get(v.name, SIZES.get(v.name, 1.0)))) for v in law.variables])
    x = torch.from_numpy(rng.uniform(-1, 1, (samples, law.size)) * width)
    return {
        "coupled_symmetry": _symmetry(law, material.point_group.operations, x),
        "maxwell": _maxwell(law, x, torch.from_numpy(width)),
        "odd_constants": _odd_constants(material, law, torch.from_numpy(width)),
        "dielectric_stability": _dielectric(law, x),
    }


def _symmetry(law: CoupledLaw, operations: Float[np.ndarray, "g 3 3"], x: Float[Tensor, "n k"]) -> Check:
    D = torch.from_numpy(representation(law.variables, operations))
    direct = torch.einsum("gij,nj->gni", D, law.gradient(x))
    found = law.gradient(torch.einsum("gij,nj->gni", D, x).reshape(-1, law.size)).reshape(direct.shape)
    errors = {}
    for variable in law.variables:
        place = law.place(variable.name)
        errors[variable.conjugate] = float((found - direct)[..., place].abs().max() / direct[..., place].abs().max().clamp_min(1e-300))
    return Check(
        max(errors.values()),
        EXACT,
        f"gradient of the energy at D(g) x against D(g) times it, all {len(operations)} operations, improper ones too",
        "the law is that of another group or hand: calibrate again",
        errors,
    )


def _maxwell(law: CoupledLaw, x: Float[Tensor, "n k"], width: Float[Tensor, " k"]) -> Check:
    """Symmetry of the Hessian, and its columns against differences of the gradient; each in units of the variables' sizes."""
    scale = width[:, None] * width
    H = law.hessian(x) * scale
    steps = torch.diag(STEP * width)
    columns = torch.stack([(law.gradient(x + s) - law.gradient(x - s)) * width / (2 * STEP) for s in steps], 2)
    size = H.abs().max()
    asymmetry, differences = float((H - H.transpose(1, 2)).abs().max() / size), float((columns - H).abs().max() / size)
    return Check(
        max(asymmetry, differences * EXACT / DIFFERENCES),
        EXACT,
        "∂S/∂E₀ against −∂P₀/∂E and all other mixed derivatives of the law",
        "the law derives from no energy: report it as a bug",
        {"asymmetry": asymmetry, "differences of the gradient": differences},
    )


def _odd_constants(material: Material, law: CoupledLaw, width: Float[Tensor, " k"]) -> Check:
    """Piezoelectric constants at zero field where the group has none."""
    meaning = "piezoelectric constants at zero field, where the group allows none"
    polar = next((v for v in law.variables if v.irreps == "1o"), None)
    allowed = number_of_invariants(material.point_group, "ijk=ikj")
    if polar is None or allowed:
        reason = "the law has no polar vector" if polar is None else f"the group {material.point_group.symbol} allows {allowed}"
        return not_measured(meaning, reason)
    H = law.derivative(torch.zeros(law.size, dtype=torch.float64), 2) * width[:, None] * width
    odd = H[law.place(polar.name), law.place("strain")].abs().max()
    return Check(float(odd / H.abs().max()), EXACT, meaning, "the law has less symmetry than the group: calibrate again")


def _dielectric(law: CoupledLaw, x: Float[Tensor, "n k"]) -> Check:
    meaning = (
        "largest eigenvalue of ∂²Ω/∂E₀², free space included (C/m² per GV/m), over points of the domain; below 0 the dielectric is stable"
    )
    if "electric_field" not in {v.name for v in law.variables}:
        return not_measured(meaning, "the law is no function of an electric field")
    H = law.hessian(x)
    field, strain = law.place("electric_field"), law.place("strain")
    largest = torch.linalg.eigvalsh(H[:, field, field])[:, -1] - VACUUM_PERMITTIVITY
    stiffest = torch.linalg.eigvalsh(H[:, strain, strain])[:, 0]
    share = float(((largest < 0) & (stiffest > 0)).to(torch.float64).mean())
    return Check(
        float(largest.max()),
        0.0,
        meaning,
        "fields drive the law apart there: add samples at such fields and strains",
        {"share of points with signature (6+, 3−)": share},
    )
