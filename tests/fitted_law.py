"""A law fitted to a data set, to make samples at strains that the set does not hold."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from constitutive.data import StressStrainData
from constitutive.fitting.polynomial_basis import REFERENCE_STRESS, LaueGroup, design
from constitutive.tensors.packing import from_mandel, to_mandel


def fitted_law(data: StressStrainData, group: LaueGroup, degree: int = 4) -> Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """A function E (n, 3, 3) -> W (n,), S (n, 3, 3) in GPa: the series of the group fitted to the stresses, without S(0)."""
    x = np.asarray(to_mandel(data.green_lagrange_strain))
    scale = float(np.sqrt((x * x).sum(1).mean()))
    target = np.asarray(to_mandel(data.stress("second_piola_kirchhoff"))).reshape(-1)
    columns = design(group, x, degree, scale).stress[:, :, REFERENCE_STRESS:].reshape(len(target), -1)
    coefficients = np.linalg.lstsq(columns, target, rcond=1e-9)[0]

    def law(E: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        matrices = design(group, np.asarray(to_mandel(E)), degree, scale)
        S = matrices.stress[:, :, REFERENCE_STRESS:] @ coefficients
        return matrices.energy[:, REFERENCE_STRESS:] @ coefficients, np.asarray(from_mandel(S))

    return law
