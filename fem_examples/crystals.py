"""The crystals of the examples: the symmetry-adapted series that fits a shipped data set best, in closed form and in a second."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from constitutive import Material, PointGroup, StressStrainData, shipped
from constitutive.laws import Domain, SeriesLaw
from constitutive.tensors.packing import mandel_matrix, stiffness_voigt_to_mandel, to_mandel
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


def crystal_to_lab(*, x: Sequence[float], y: Sequence[float]) -> np.ndarray:
    """Rotation that lays a cubic crystal's direction ``x`` along lab x and its direction ``y``, at right angles to it, along lab y."""
    first, second = (np.asarray(d, float) / np.linalg.norm(d) for d in (x, y))
    if abs(first @ second) > 1e-12:
        raise ValueError(f"{list(x)} and {list(y)} are not at right angles")
    return np.stack([first, second, np.cross(first, second)])


def lab_stiffness(material: Material, R: np.ndarray) -> np.ndarray:
    """Mandel stiffness (GPa) of a crystal that lies in the laboratory as R says."""
    D = mandel_matrix(R)
    return D @ stiffness_voigt_to_mandel(material.stiffness_voigt()) @ D.T
