"""Data sets as objects of other libraries: pymatgen's tensors, ASE's atoms, a pandas table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from constitutive.data.samples import Samples
from constitutive.errors import DataError
from constitutive.kinematics import determinant
from constitutive.tensors.components import COMPONENTS, six_of
from constitutive.units import ELECTRIC_FIELD_UNITS, EV_PER_CUBIC_ANGSTROM, POLARIZATION_UNITS

if TYPE_CHECKING:
    import pandas as pd
    from pymatgen.core import Structure


@dataclass(frozen=True)
class PymatgenData:
    """A data set in pymatgen's types.

    Attributes
    ----------
    structure : Structure or None
        The reference structure.
    deformations : list of pymatgen.analysis.elasticity.Deformation
        F of every sample, as ``Deformation.apply_to_structure`` means it.
    stresses : list of pymatgen.analysis.elasticity.Stress
        Cauchy stress in GPa, tension positive.
    strains : list of pymatgen.analysis.elasticity.Strain
        Green-Lagrange strain.
    """

    structure: Any
    deformations: list[Any]
    stresses: list[Any]
    strains: list[Any]


def to_pymatgen(data: Samples) -> PymatgenData:
    """The samples as pymatgen's Deformation, Stress and Strain, for ``ElasticTensor.from_pseudoinverse`` and its like.

    Parameters
    ----------
    data : StressStrainData

    Returns
    -------
    PymatgenData
        Stresses in GPa.
    """
    from pymatgen.analysis.elasticity import Deformation, Strain, Stress

    return PymatgenData(
        data.structure,
        [Deformation(F) for F in data.F],
        [Stress(sigma) for sigma in data.stress("cauchy")],
        [Strain(E) for E in data.green_lagrange_strain],
    )


def _require_structure(data: Samples) -> Structure:
    if data.structure is None:
        raise DataError("found no reference structure; needed one for the atoms; give lattice, species and frac_coords")
    return data.structure


def to_ase(data: Samples) -> list[Any]:
    """The strained cells as ASE Atoms, with stress (eV/Å³, tension positive), energy and forces where the data have them.

    Electric fields (V/Å) and polarisations (e/Å²) of the current configuration stand in ``info``. The energy is W times the reference
    volume in eV, 0 at F = I. Without positions in the data the atoms follow F.

    Parameters
    ----------
    data : StressStrainData

    Returns
    -------
    list of ase.Atoms
        With a SinglePointCalculator each.

    Raises
    ------
    DataError
        There is no reference structure.
    """
    from ase import Atoms
    from ase.calculators.singlepoint import SinglePointCalculator

    structure = _require_structure(data)
    symbols = [site.specie.symbol for site in structure]
    base, volume = np.array(structure.lattice.matrix), abs(structure.lattice.volume)
    frac = data.positions if data.positions is not None else [structure.frac_coords] * len(data)
    electric = _current_fields(data)
    images = []
    for k, sigma in enumerate(data.stress("cauchy") / EV_PER_CUBIC_ANGSTROM):
        atoms = Atoms(symbols, cell=base @ data.F[k].T, scaled_positions=frac[k], pbc=True)
        results: dict[str, Any] = {"stress": six_of(sigma[None])[0]}
        if data.W is not None:
            results["energy"] = float(data.W[k]) * volume / EV_PER_CUBIC_ANGSTROM
        if data.forces is not None:
            results["forces"] = data.forces[k]
        atoms.calc = SinglePointCalculator(atoms, **results)
        atoms.info |= {name: values[k] for name, values in electric.items()}
        images.append(atoms)
    return images


def _current_fields(data: Samples) -> dict[str, np.ndarray]:
    """Field (V/Å) and polarisation (e/Å²) in the current configuration: e = F⁻ᵀE₀, p = F P₀/J."""
    found: dict[str, np.ndarray] = {}
    field, polarization = data.reference_electric_field, data.reference_polarization
    if field is not None:
        found["electric_field"] = np.linalg.solve(data.F.swapaxes(1, 2), field[:, :, None])[:, :, 0] / ELECTRIC_FIELD_UNITS["V/angstrom"]
    if polarization is not None:
        current = np.einsum("nij,nj->ni", data.F, polarization) / determinant(data.F)[:, None]
        found["polarization"] = current / POLARIZATION_UNITS["e/angstrom^2"]
    return found


def to_pandas(data: Samples) -> pd.DataFrame:
    """One row for each sample: F11 ... F33, the Cauchy stress and W with their unit in the name, weights where given.

    Written by ``to_csv(index=False)`` it is a table that `constitutive convert` reads.

    Parameters
    ----------
    data : StressStrainData

    Returns
    -------
    DataFrame
        Stress and W in GPa.
    """
    import pandas as pd

    columns: dict[str, Any] = {f"F{i + 1}{j + 1}": data.F[:, i, j] for i in range(3) for j in range(3)}
    sigma = six_of(data.stress("cauchy"))
    columns |= {f"sigma_{name} [GPa]": sigma[:, k] for k, name in enumerate(COMPONENTS)}
    if data.W is not None:
        columns["W [GPa]"] = data.W
    for name in ("stress_weights", "energy_weights"):
        if getattr(data, name) is not None:
            columns[name] = getattr(data, name)
    return pd.DataFrame(columns)
