"""The corrections that `constitutive convert` offers and the intake check proposes; each takes and returns a data set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from constitutive.data.averages import averaged
from constitutive.data.electric import on_one_branch
from constitutive.data.model import MEASURES, StressStrainData
from constitutive.errors import DataError
from constitutive.kinematics import cauchy_from_second_piola, second_piola_from_kirchhoff
from constitutive.tensors.components import matrices_of, six_of
from constitutive.tensors.packing import to_mandel
from constitutive.units import EV_PER_CUBIC_ANGSTROM, pressure_factor


def _given(data: StressStrainData) -> Float[np.ndarray, "n 3 3"]:
    return getattr(data, data.measure)


def _with_stress(data: StressStrainData, stress: Float[np.ndarray, "n 3 3"]) -> StressStrainData:
    return data.replace(**{data.measure: stress})


def reorder(data: StressStrainData, order: str) -> StressStrainData:
    """Read the six components of the stress, taken as xx yy zz yz xz xy, in the named order instead.

    Parameters
    ----------
    data : StressStrainData
    order : str
        Six names, or the order of a program (:func:`constitutive.tensors.components.parse_order`).

    Returns
    -------
    StressStrainData
    """
    return _with_stress(data, matrices_of(six_of(_given(data)), order))


def turn_sign(data: StressStrainData, *, energy: bool = False) -> StressStrainData:
    """The stress (or W) with its sign turned: pressure positive to tension positive.

    Parameters
    ----------
    data : StressStrainData
    energy : bool
        Turn the sign of W instead.

    Returns
    -------
    StressStrainData
    """
    if energy:
        return data if data.W is None else data.replace(W=-data.W)
    return _with_stress(data, -_given(data))


def rescale(data: StressStrainData, unit: str, *, energy: bool = False) -> StressStrainData:
    """Read the numbers of the stress (or of W) as being in another unit than the file states.

    Parameters
    ----------
    data : StressStrainData
    unit : str
        The right unit of the numbers.
    energy : bool
        Of W instead of the stress.

    Returns
    -------
    StressStrainData
    """
    units = data.units if isinstance(data.units, dict) else {"stress": data.units}
    name = "W" if energy else "stress"
    factor = _factor(data, unit, energy) / pressure_factor(units.get(name, units["stress"]))
    kept = {"W": units.get("W", units["stress"])} if data.W is not None else {}
    relabelled = {**units, **kept, name: "GPa" if unit in _EXTENSIVE else unit}
    if energy:
        return data if data.W is None else data.replace(W=data.W * factor, units=relabelled)
    return _with_stress(data, _given(data) * factor).replace(units=relabelled)


_EXTENSIVE = ("eV/cell", "eV/atom")


def _factor(data: StressStrainData, unit: str, energy: bool) -> float:
    """Factor to GPa, of an energy per cell or per atom too."""
    if not (energy and unit in _EXTENSIVE):
        return pressure_factor(unit)
    if data.reference_volume is None or data.species is None:
        raise DataError(f"{unit}: found no reference cell; needed its volume; give --structure")
    volume = data.reference_volume / (len(data.species) if unit == "eV/atom" else 1)
    return EV_PER_CUBIC_ANGSTROM / volume


def transpose_f(data: StressStrainData) -> StressStrainData:
    """F with rows and columns exchanged.

    Parameters
    ----------
    data : StressStrainData

    Returns
    -------
    StressStrainData
    """
    return data.replace(F=data.F.swapaxes(1, 2).copy())


def transpose_cell(data: StressStrainData) -> StressStrainData:
    """F of a file whose cells were read by columns instead of rows.

    With A the reference cell (rows), a strained cell A Fᵀ read as columns gave A Fᵀ A⁻¹ in place of F.

    Parameters
    ----------
    data : StressStrainData

    Returns
    -------
    StressStrainData

    Raises
    ------
    DataError
        There is no reference cell.
    """
    if data.lattice is None:
        raise DataError("transposed cell: found no reference cell; needed lattice, species and frac_coords, or --structure")
    A = data.lattice
    return data.replace(F=(np.linalg.inv(A) @ data.F @ A).swapaxes(1, 2).copy())


def transpose_lattice(data: StressStrainData) -> StressStrainData:
    """The reference cell with rows and columns exchanged; F stays.

    Parameters
    ----------
    data : StressStrainData

    Returns
    -------
    StressStrainData

    Raises
    ------
    DataError
        There is no reference cell.
    """
    if data.lattice is None:
        raise DataError("transposed lattice: found no reference cell; needed lattice, species and frac_coords, or --structure")
    return data.replace(lattice=data.lattice.T.copy())


def corotational_frames(F: Float[np.ndarray, "n 3 3"]) -> Float[np.ndarray, "n 3 3"]:
    """Rᵀ of the polar decomposition F = R U: turns lab vectors into the frame that goes with the crystal.

    Parameters
    ----------
    F : array (n, 3, 3)
        Deformation gradients.

    Returns
    -------
    array (n, 3, 3)
        Rotations Rᵀ: ``v_crystal = R.T @ v_lab``.
    """
    u, _, vt = np.linalg.svd(F)
    return (u @ vt).swapaxes(1, 2)


def lammps_frames(F: Float[np.ndarray, "n 3 3"], lattice: Float[np.ndarray, "3 3"]) -> Float[np.ndarray, "n 3 3"]:
    """Rotations Q that take lab vectors into the frame in which LAMMPS holds the cell: first vector along x, second in xy.

    Parameters
    ----------
    F : array (n, 3, 3)
        Deformation gradients.
    lattice : array (3, 3)
        Vectors of the reference cell in rows (Å).

    Returns
    -------
    array (n, 3, 3)
        Q with ``v_lammps = Q @ v_lab``.
    """
    q, r = np.linalg.qr((lattice @ F.swapaxes(1, 2)).swapaxes(1, 2))
    signs = np.sign(np.diagonal(r, axis1=1, axis2=2))
    Q = (q * signs[:, None, :]).swapaxes(1, 2)
    return Q * np.sign(np.linalg.det(lattice))  # a left-handed cell has no lower-triangular form with a rotation


def turn_frame(data: StressStrainData, frame: str) -> StressStrainData:
    """Turn the stress from the frame it was written in into the frame of F.

    Parameters
    ----------
    data : StressStrainData
    frame : str
        "lammps" (lower-triangular cell of each sample), "corotational" (turning with R of F = R U), or nine numbers: the rotation that took
        the frame of F into that of the stress, by rows.

    Returns
    -------
    StressStrainData

    Raises
    ------
    DataError
        The frame is unknown, is no rotation, or needs a reference cell that is not there.
    """
    Q = _frames(data, frame)
    stress = Q.swapaxes(-1, -2) @ _given(data)
    if data.measure == "cauchy" or np.ndim(Q) == 2:
        stress = stress @ Q
    return _with_stress(data, stress)


def _frames(data: StressStrainData, frame: str) -> Float[np.ndarray, "*n 3 3"]:
    if frame == "corotational":
        return corotational_frames(data.F)
    if frame == "lammps":
        if data.lattice is None:
            raise DataError("stress frame: found no reference cell; needed one for LAMMPS's frame (--structure)")
        return lammps_frames(data.F, data.lattice)
    try:
        Q = np.array([float(word) for word in frame.replace(",", " ").split()]).reshape(3, 3)
    except ValueError as error:
        raise DataError(f"stress frame: found {frame!r}; needed 'lammps', 'corotational' or nine numbers") from error
    if not np.allclose(Q @ Q.T, np.eye(3), atol=1e-3) or np.linalg.det(Q) < 0:
        raise DataError(f"stress frame: found nine numbers that are no rotation ({frame}); needed QᵀQ = I, det Q = 1")
    return Q


def relabel_measure(data: StressStrainData, measure: str) -> StressStrainData:
    """The same numbers as another stress measure ("kirchhoff" becomes Cauchy, divided by J).

    Parameters
    ----------
    data : StressStrainData
    measure : str
        The measure that the numbers are in.

    Returns
    -------
    StressStrainData

    Raises
    ------
    DataError
        The measure is unknown.
    """
    numbers, none = _given(data), dict.fromkeys(MEASURES)
    if measure == "kirchhoff":
        S = second_piola_from_kirchhoff(data.F, numbers)
        return data.replace(**{**none, "cauchy": cauchy_from_second_piola(data.F, S)})
    if measure not in MEASURES:
        raise DataError(f"measure: found {measure!r}; needed one of {', '.join((*MEASURES, 'kirchhoff'))}")
    return data.replace(**{**none, measure: numbers})


def drop(data: StressStrainData, samples: Sequence[int]) -> StressStrainData:
    """The data without some samples.

    Parameters
    ----------
    data : StressStrainData
    samples : sequence of int
        Sample numbers from 0.

    Returns
    -------
    StressStrainData

    Raises
    ------
    DataError
        A sample number is out of range, or nothing would be left.
    """
    bad = [i for i in samples if not 0 <= i < len(data)]
    if bad or len(set(samples)) >= len(data):
        raise DataError(f"drop: found samples {bad or list(samples)}; needed numbers from 0 to {len(data) - 1}, and not all of them")
    return data.select(np.setdiff1d(np.arange(len(data)), samples))


def remove_reference_stress(data: StressStrainData, S0: Float[np.ndarray, "3 3"], *, work: bool = True) -> StressStrainData:
    """Take a second Piola-Kirchhoff stress of the reference cell (GPa), and its energy S₀ : E, out of the data; the measure stays.

    With ``work=False`` W stays as it is: the stress was in no energy.

    Parameters
    ----------
    data : StressStrainData
    S0 : array (3, 3)
        The stress to remove, GPa, in the frame of the reference cell.
    work : bool
        Whether W holds the energy of this stress.

    Returns
    -------
    StressStrainData
    """
    S = data.stress("second_piola_kirchhoff") - S0
    lowered = data.replace(**{**dict.fromkeys(MEASURES), "second_piola_kirchhoff": S})
    stress = lowered.stress(data.measure)
    W = data.W if data.W is None or not work else data.W - (data.green_lagrange_strain * S0).sum((1, 2))
    return data.replace(**{data.measure: stress}, W=W)


def remove_constant_stress(data: StressStrainData, sigma0: Float[np.ndarray, "3 3"]) -> StressStrainData:
    """Take one Cauchy stress in the lab frame (GPa) off every sample; the measure and W stay.

    Parameters
    ----------
    data : StressStrainData
    sigma0 : array (3, 3)
        The stress to remove, GPa, tension positive.

    Returns
    -------
    StressStrainData
    """
    lowered = data.replace(**{**dict.fromkeys(MEASURES), "cauchy": data.stress("cauchy") - sigma0})
    return data.replace(**{data.measure: lowered.stress(data.measure)})


def unwrap_polarization(data: StressStrainData) -> StressStrainData:
    """Polarisations on one branch, followed from the sample nearest to the reference state; fields and polarisations of the reference.

    Parameters
    ----------
    data : StressStrainData

    Returns
    -------
    StressStrainData

    Raises
    ------
    DataError
        The data hold no polarisations or no cell.
    """
    P = data.reference_polarization
    if P is None or data.lattice is None:
        raise DataError("--unwrap-polarization: found no polarization or no cell; needed both: the quanta are e a/V of the cell")
    field = data.reference_electric_field
    moved, _ = on_one_branch(P, np.asarray(to_mandel(data.green_lagrange_strain)), field, data.lattice)
    return data.replace(polarization=moved, electric_field=field, electric_frame="reference")


@dataclass(frozen=True)
class Corrections:
    """The repairs of one call, in the order in which they are made.

    Attributes
    ----------
    ions : str or None
        Declare the ions "relaxed" or "clamped".
    transpose_lattice : bool
        Exchange rows and columns of the reference cell.
    transpose_cell, transpose_f : bool
        Exchange rows and columns of the cells that F was made from, of F.
    order : str or None
        Order of the stress components in the file.
    sign : str or None
        "pressure": the stress is positive in compression.
    energy_sign : bool
        Turn the sign of W.
    unit, energy_unit : str or None
        Unit that the numbers of the stress, of W are in.
    measure : str or None
        Stress measure that the numbers are.
    stress_frame : str or None
        "lammps", "corotational", or the nine numbers of a rotation.
    drop : tuple of int
        Samples to leave out.
    average : bool
        Average the samples of one F to one state, see `constitutive.data.averages.averaged`.
    unwrap_polarization : bool
        Bring the polarisations to one branch.
    """

    ions: str | None = None
    transpose_lattice: bool = False
    transpose_cell: bool = False
    transpose_f: bool = False
    order: str | None = None
    sign: str | None = None
    energy_sign: bool = False
    unit: str | None = None
    energy_unit: str | None = None
    measure: str | None = None
    stress_frame: str | None = None
    drop: tuple[int, ...] = ()
    average: bool = False
    unwrap_polarization: bool = False

    def apply(self, data: StressStrainData) -> StressStrainData:
        """The corrected data: the samples and the held-out paths alike, which come from one source.

        Parameters
        ----------
        data : StressStrainData

        Returns
        -------
        StressStrainData

        Raises
        ------
        DataError
            An option is unknown or cannot be applied to these data.
        """
        if self.sign not in (None, "pressure", "tension"):
            raise DataError(f"sign: found {self.sign!r}; needed 'pressure' (compression positive) or 'tension'")
        if self.ions not in (None, "relaxed", "clamped"):
            raise DataError(f"ions: found {self.ions!r}; needed 'relaxed' or 'clamped'")
        corrected = self._steps(data)
        held_out = data.paths_data()
        if held_out is not None:
            corrected = corrected.with_paths(self._steps(held_out))
        corrected = drop(corrected, self.drop) if self.drop else corrected
        corrected = unwrap_polarization(corrected) if self.unwrap_polarization else corrected
        corrected = averaged(corrected) if self.average else corrected
        return corrected.replace(ions=self.ions, ions_by_sample=None) if self.ions else corrected

    def _steps(self, data: StressStrainData) -> StressStrainData:
        data = transpose_lattice(data) if self.transpose_lattice else data
        data = transpose_cell(data) if self.transpose_cell else data
        data = transpose_f(data) if self.transpose_f else data
        data = reorder(data, self.order) if self.order else data
        data = turn_sign(data) if self.sign == "pressure" else data
        data = turn_sign(data, energy=True) if self.energy_sign else data
        data = rescale(data, self.unit) if self.unit else data
        data = rescale(data, self.energy_unit, energy=True) if self.energy_unit else data
        data = relabel_measure(data, self.measure) if self.measure else data
        return turn_frame(data, self.stress_frame) if self.stress_frame else data
