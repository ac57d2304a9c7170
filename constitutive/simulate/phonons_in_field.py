r"""The quasi-harmonic approximation in an electric field: phonons about the ions at rest in it.

.. math::
    \Omega(E, E_0, T) = \frac{1}{V_0}\left(U - V_0\, E_0 \cdot P_0^{\text{static}} + F_{\text{vib}}\right), \qquad
    P_0 = -\frac{\partial \Omega}{\partial E_0} = P_0^{\text{static}} - \frac{1}{V_0} \frac{\partial F_{\text{vib}}}{\partial E_0}

without the free-space part. Fields E₀ = Fᵀe are held while the cell is strained, so that the stress is that at constant E₀. The derivatives
of F_vib by strain and field are central differences; the ions are at rest in the field at each of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np
from ase import Atoms
from jaxtyping import Float

from constitutive.errors import DataError
from constitutive.simulate.cells import GPA, strained
from constitutive.simulate.fields import FieldState, HoldsField
from constitutive.simulate.phonons import STRAIN, Frequencies, PhononSettings, frequencies
from constitutive.tensors.packing import from_mandel

FIELD = 0.1  # GV/m, of the differences of the free energy


@final
@dataclass(frozen=True, eq=False)
class QuasiHarmonicInField:
    """A strained cell in a field at several temperatures.

    Attributes
    ----------
    stress : array (t, 3, 3)
        Cauchy stress at constant E₀, GPa, without the free-space part.
    polarization : array (t, 3)
        P₀, C/m².
    enthalpy : array (t,)
        Free energy less the work of the field, eV a cell.
    entropy : array (t,)
        eV/K a cell.
    rest : FieldState
        The ions at rest.
    """

    stress: Float[np.ndarray, "t 3 3"]
    polarization: Float[np.ndarray, "t 3"]
    enthalpy: Float[np.ndarray, " t"]
    entropy: Float[np.ndarray, " t"]
    rest: FieldState


def quasi_harmonic_in_field(
    atoms: Atoms, reference: Atoms, field: Float[np.ndarray, "3"], settings: PhononSettings, repeats: tuple[int, int, int]
) -> QuasiHarmonicInField:
    """Stress, polarisation, entropy and free energy of a cell in a field at the temperatures of the settings.

    Parameters
    ----------
    atoms : Atoms
        The strained cell, with a calculator; its ions are relaxed in place.
    reference : Atoms
        The undeformed cell at rest without a field.
    field : array (3,)
        E₀, GV/m.
    settings : PhononSettings
    repeats : tuple of 3 int
        Of the cell in the supercell.

    Returns
    -------
    QuasiHarmonicInField

    Raises
    ------
    DataError
        The calculator computes no forces in a field, or the crystal is unstable.
    """
    calculator, temperatures = atoms.calc, np.asarray(settings.temperatures)
    if not isinstance(calculator, HoldsField):
        raise DataError("the calculator computes no forces in an electric field; needed lammps with charges, or methods "
                        "relax_in_field and hold_field")  # fmt: skip

    def moved(cell: Atoms, E0: Float[np.ndarray, "3"]) -> tuple[FieldState, Frequencies]:
        state = calculator.relax_in_field(cell, reference, field=E0)
        cell.positions = state.positions
        calculator.hold_field(np.linalg.solve(np.linalg.solve(reference.cell.array, cell.cell.array), E0))
        try:
            return state, frequencies(cell, settings, repeats, symmetric=False)
        finally:
            calculator.hold_field(None)

    def free(cell: Atoms, E0: Float[np.ndarray, "3"]) -> Float[np.ndarray, " t"]:
        cell.calc = calculator
        return moved(cell, E0)[1].free_energy(temperatures)

    rest, here = moved(atoms, field)
    by_strain, by_field = [], []
    for direction in np.asarray(from_mandel(np.eye(6))):
        up, down = (free(strained(atoms, np.eye(3) + sign * STRAIN * direction), field) for sign in (1, -1))
        by_strain.append((up - down) / (2 * STRAIN))
    for direction in np.eye(3):
        up, down = (free(atoms.copy(), field + sign * FIELD * direction) for sign in (1, -1))
        by_field.append((up - down) / (2 * FIELD))
    volume = reference.get_volume() * GPA
    static = rest.energy - volume * float(field @ rest.polarization)
    return QuasiHarmonicInField(
        rest.cauchy + np.asarray(from_mandel(np.array(by_strain).T)) / atoms.get_volume() / GPA,
        rest.polarization - np.array(by_field).T / volume,
        static + here.free_energy(temperatures),
        here.entropy(temperatures),
        rest,
    )
