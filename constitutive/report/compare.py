"""Two materials side by side."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from constitutive.audit import random_strains
from constitutive.elasticity import DirectionalModuli, constants_table
from constitutive.material import Material
from constitutive.plain import JsonObject
from constitutive.report import facts

STRAINS_COMPARED = 200


@dataclass(frozen=True)
class Comparison:
    """Figures of two materials by name, and how far their laws are apart.

    Attributes
    ----------
    rows : dict
        Name of a figure, its unit in brackets, and the figure of each material (None where it has none).
    stress_difference : float or None
        ‖S_A − S_B‖ over the mean of ‖S_A‖ and ‖S_B‖ at random strains up to ``radius``, each law in the standard axes of its
        crystal; None where the two crystals are of different Laue classes.
    radius : float
        Norm of the largest of these strains.
    """

    rows: dict[str, tuple[object, object]]
    stress_difference: float | None
    radius: float

    def as_dict(self) -> JsonObject:
        """Plain data for ``--json``.

        Returns
        -------
        dict
            Figures of A and B by name, in the units of their names; the difference of the stress as a fraction.
        """
        rows = {name: {"A": a, "B": b} for name, (a, b) in self.rows.items()}
        return {"figures": rows, "stress_difference": self.stress_difference, "radius": self.radius}


def compare(first: Material, second: Material, *, radius: float = 0.03, seed: int = 0) -> Comparison:
    """Set two materials side by side.

    Parameters
    ----------
    first, second : Material
    radius : float
        Frobenius norm of the largest strain at which their stresses are compared.
    seed : int
        Of these strains.

    Returns
    -------
    Comparison
    """
    columns = [_figures(material) for material in (first, second)]
    names = list(dict.fromkeys([*columns[0], *columns[1]]))
    rows = {name: (columns[0].get(name), columns[1].get(name)) for name in names}
    return Comparison(rows, _difference(first, second, radius, seed), radius)


def _figures(material: Material) -> dict[str, object]:
    calibration = material.card.get("calibration", {})
    figures: dict[str, object] = {
        "name": material.name,
        "point group": material.point_group.symbol,
        "Laue class": material.point_group.laue_class,
        "law": calibration.get("chosen", type(material.law).__name__),
        "orbit units": material.law.orbit_units(),
        "samples": material.card.get("data", {}).get("samples"),
        "error on unseen samples": calibration.get("held_out_error"),
    }
    standard = material.law.rotated(np.asarray(material.point_group.frame).T)
    for order in (2, 3):
        table = constants_table(standard, order)
        figures |= {f"{name} (GPa)": value for name, value in zip(table.names, table.values, strict=True)}
    moduli = DirectionalModuli.from_law(standard, density=facts.density(material))
    a = moduli.averages
    figures |= {"bulk, Hill (GPa)": a.bulk_hill, "shear, Hill (GPa)": a.shear_hill, "E, Hill (GPa)": a.youngs_hill}
    figures |= {"Poisson's ratio, Hill": a.poisson_hill, "universal anisotropy": moduli.universal_anisotropy}
    low, high = moduli.extremes("youngs_modulus")
    figures |= {"smallest E (GPa)": low.value, "largest E (GPa)": high.value}
    if material.domain is not None:
        figures |= {f"domain, {line}": span[1] for line, span in facts.reach(material).items()}
    return figures


def _difference(first: Material, second: Material, radius: float, seed: int) -> float | None:
    if first.point_group.laue_class != second.point_group.laue_class:
        return None
    E = torch.from_numpy(random_strains(np.random.default_rng(seed), STRAINS_COMPARED, radius))
    stresses = [m.law.rotated(np.asarray(m.point_group.frame).T).stress(E).numpy() for m in (first, second)]
    sizes = [float(np.linalg.norm(S)) for S in stresses]
    return float(np.linalg.norm(stresses[0] - stresses[1]) / (sum(sizes) / 2))
