r"""The energy–strain method: second-order elastic constants from energies alone.

.. math:: \psi(E) = \psi_0 + s \cdot x + \sum_{d=2}^{D} \sum_k c_{dk} I_{dk}(x)

is linear in its unknowns: an offset, the invariant stress at rest, and the coefficients of the invariant polynomials up to degree D, which
is chosen by leaving each sample out. Only the constants of second order are kept (S = 𝒞 : E): energies determine higher ones poorly.
"""

from __future__ import annotations

from os import PathLike
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

from constitutive.data import StressStrainData
from constitutive.data.hdf5 import is_hdf5
from constitutive.data.storage import read_json
from constitutive.elasticity.constants import independent_places, name_of, voigt_of_polynomial
from constitutive.errors import CalibrationError, DataError
from constitutive.fitting import PolynomialBasis
from constitutive.kinematics import green_lagrange_strain
from constitutive.laws import Domain, LinearLaw
from constitutive.material import Material
from constitutive.symmetry import PointGroup
from constitutive.tensors.packing import to_mandel

if TYPE_CHECKING:
    from pymatgen.core import Structure

STRESSES = ("cauchy", "first_piola_kirchhoff", "second_piola_kirchhoff")
LARGEST_DEGREE = 4  # degree of the series
SPARE = 1.5  # samples for each unknown at least
DETERMINED_BY_ENERGY = 1e-3  # smallest singular value of the second-order columns, relative to the largest


def calibrate_energies(
    deformation_gradient: Float[np.ndarray, "n 3 3"],
    strain_energy_density: Float[np.ndarray, " n"],
    point_group: PointGroup | str,
    *,
    structure: Structure | None = None,
    name: str = "",
) -> Material:
    """Second-order constants of a crystal from the energies of strained cells, with standard errors.

    Parameters
    ----------
    deformation_gradient
        F of each sample against the relaxed cell.
    strain_energy_density
        Energy over the volume of the relaxed cell (GPa); a constant added to all of them does not count.
    point_group
        In the frame of F, or a symbol (then in its standard axes).
    structure
        The reference structure, where it is known.
    name
        Of the material.

    Returns
    -------
    A material with the linear law S = 𝒞 : E; its card states the constants with errors and the relative misfit of the energy on samples
    left out.

    Raises
    ------
    CalibrationError
        Too few samples, or strains that leave second-order constants open, which are named.
    """
    group = PointGroup.from_symbol(point_group) if isinstance(point_group, str) else point_group
    rotations = np.array(group.laue_rotations)
    x = np.asarray(to_mandel(green_lagrange_strain(np.asarray(deformation_gradient, dtype=np.float64))))
    W = np.asarray(strain_energy_density, dtype=np.float64)
    if W.shape != (len(x),) or not np.isfinite(W).all():
        raise CalibrationError(f"energies: found shape {W.shape}; needed one finite number (GPa) for each of the {len(x)} samples")
    scale = float(np.sqrt((x**2).sum(1).mean()))
    if not scale > 1e-7:
        raise CalibrationError("energies: found no strain; needed strained cells")
    _require_determined(x, rotations, scale)
    fits = [fit for degree in range(2, LARGEST_DEGREE + 1) if (fit := _fit(x, W, rotations, scale, degree)) is not None]
    if not fits:
        raise CalibrationError(f"energies: found {len(x)} samples; needed at least {SPARE:g} for each unknown: add strained cells")
    best = min(fits, key=lambda fit: fit.left_out)
    others = [fit.values for fit in fits if fit.left_out < 2 * best.left_out]
    model = np.sqrt(np.mean([(values - best.values) ** 2 for values in others], axis=0))
    errors = np.hypot(best.errors, model)
    names = [name_of(place) for place in independent_places(rotations, 2)]
    card: dict[str, object] = {
        "source": "energies alone: constants of second order",
        "data": {"name": name, "samples": len(x)},
        "constants_GPa": {"2": {key: [float(v), float(e)] for key, v, e in zip(names, best.values, errors, strict=True)}},
        "energy_error_left_out": float(best.left_out),
    }
    return Material(LinearLaw.from_voigt(best.stiffness, rotations), group, structure, name, Domain.of_strains(x, rotations), card)


def read_energies(path: str | PathLike[str]) -> StressStrainData | None:
    """The samples of a JSON data file that holds F and W but no stress; None for any other file.

    Their stress is zero and means nothing: hand ``F``, ``W`` and the group to :func:`calibrate_energies`.

    Parameters
    ----------
    path : path
        A file of any format; only JSON is opened.

    Returns
    -------
    StressStrainData or None

    Raises
    ------
    DataError
        The file holds energies alone, and F, W, the units or the structure are damaged.
    """
    if is_hdf5(path):
        return None
    document = read_json(path)
    if "W" not in document or "F" not in document or any(document.get(name) is not None for name in STRESSES):
        return None
    units = document.get("units")
    if units is None:
        raise DataError(f'{path}: found energies W without units; needed units, such as {{"W": "GPa"}} or {{"W": "eV/angstrom^3"}}')
    units = {"stress": "GPa", **units} if isinstance(units, dict) else {"stress": units, "W": units}
    F = np.asarray(document["F"], dtype=np.float64)
    return StressStrainData(**{**document, "units": units, "cauchy": np.zeros(F.shape)})


class _Fit:
    """A series of one degree: second-order constants, their standard errors, and the relative error on energies left out."""

    def __init__(self, columns: np.ndarray, W: np.ndarray, tables: list[np.ndarray], places: list[tuple[int, ...]], first: int):
        n, k = columns.shape
        inverse = np.linalg.pinv(columns)
        theta = inverse @ W
        rest = W - columns @ theta
        leverage = np.minimum(np.einsum("nk,kn->n", columns, inverse), 1 - 1e-9)
        self.left_out = float(np.linalg.norm(rest / (1 - leverage)) / max(float(np.linalg.norm(W - W.mean())), 1e-300))
        variance = float(rest @ rest) / max(n - k, 1)
        rows = np.array([[table[place] for table in tables] for place in places])
        own = slice(first, first + len(tables))
        self.values = rows @ theta[own]
        self.errors = np.sqrt(variance * np.sum((rows @ inverse[own]) ** 2, axis=1))
        self.stiffness = np.einsum("k,kij->ij", theta[own], np.array(tables))


def _fit(x: np.ndarray, W: np.ndarray, rotations: np.ndarray, scale: float, degree: int) -> _Fit | None:
    """The series up to a degree; None where it has too many unknowns."""
    basis = PolynomialBasis(rotations, tuple(range(1, degree + 1)), scale)
    columns = np.concatenate([np.ones((len(x), 1)), basis.energies(x)], axis=1)
    if columns.shape[1] * SPARE > len(x):
        return None
    linear = len(basis.energy[0])
    tables = [voigt_of_polynomial(row, 2) / scale for row in basis.energy[1]]
    return _Fit(columns, W, tables, independent_places(rotations, 2), 1 + linear)


def _require_determined(x: np.ndarray, rotations: np.ndarray, scale: float) -> None:
    columns = PolynomialBasis(rotations, (2,), scale).energies(x)
    values = np.linalg.svd(columns, compute_uv=False)
    rank = int((values > DETERMINED_BY_ENERGY * values[0]).sum())
    if rank < columns.shape[1]:
        raise CalibrationError(
            f"energies: the strains determine {rank} of the {columns.shape[1]} second-order constants of the group; add cells strained in "
            "other directions"
        )
