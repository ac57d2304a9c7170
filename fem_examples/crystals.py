"""The crystals of the examples: the symmetry-adapted series that fits a shipped data set best, in closed form and in a second."""

from __future__ import annotations

import numpy as np
import torch

from constitutive import Material, PointGroup, StressStrainData, shipped
from constitutive.laws import Domain, SeriesLaw
from constitutive.tensors.packing import to_mandel
from constitutive.tensors.polynomials import invariant_polynomials


def fitted(name: str, degrees: tuple[int, ...] = (2, 3, 4)) -> Material:
    """Least squares of the second Piola–Kirchhoff stress over the invariant polynomials of some degrees in E."""
    data = StressStrainData.load(shipped(name) / "data.json")
    group = PointGroup.from_structure(data.structure)
    rotations = np.asarray(group.laue_rotations)
    x = np.asarray(to_mandel(data.green_lagrange_strain))
    y = np.asarray(to_mandel(data.stress("second_piola_kirchhoff")))
    rows = [(degree, row) for degree in degrees for row in np.asarray(invariant_polynomials(rotations, degree))]
    strains = torch.from_numpy(x)
    columns = [SeriesLaw({degree: row}, rotations).stress_mandel(strains).numpy().ravel() for degree, row in rows]
    coefficients = np.linalg.lstsq(np.column_stack(columns), y.ravel(), rcond=None)[0]
    total = {d: sum(c * row for c, (degree, row) in zip(coefficients, rows, strict=True) if degree == d) for d in degrees}
    return Material(SeriesLaw(total, rotations), group, data.structure, name, Domain.of_strains(x, rotations))
