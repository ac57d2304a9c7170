"""The faults themselves, to measure the check by: each function spoils a good data set in one way."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from fitted_law import fitted_law
from numpy.random import Generator
from scipy.spatial.transform import Rotation

from constitutive.data import MEASURES, StressStrainData
from constitutive.data.corrections import corotational_frames, lammps_frames
from constitutive.data.electric import quanta
from constitutive.errors import DataError
from constitutive.intake.groups import declared_group, lattice_by_columns
from constitutive.intake.hypotheses import KNOWN_ORDERS
from constitutive.kinematics import cauchy_from_second_piola
from constitutive.tensors.components import matrices_of, parse_order, six_of

WRONG_GROUP = {"m-3m": "6/mmm", "m-3": "6/mmm", "6/mmm": "m-3m", "-3m": "m-3m", "4/mmm": "m-3m", "mmm": "m-3m", "2/m": "mmm"}
WRONG_GROUP |= {"4/m": "m-3m", "6/m": "m-3m", "-3": "m-3m", "-1": "2/m"}


def inject(data: StressStrainData, fault: str, rng: Generator) -> StressStrainData:
    """A copy of good data (Cauchy stress, F = R U, energies, forces) with one fault.

    Parameters
    ----------
    data : StressStrainData
        For ``clamped_mixture`` it has to hold ``clamped_cauchy``, ``clamped_W`` and ``clamped_forces``.
    fault : str
        One of the names of `FAULTS`.
    rng : Generator
        Chooses the variant.

    Raises
    ------
    DataError
        The data cannot show this fault.
    """
    if fault not in INJECTORS:
        raise DataError(f"found fault {fault!r}; needed one of {', '.join(INJECTORS)}")
    return INJECTORS[fault](data, rng)


def _stress(data: StressStrainData, sigma: np.ndarray) -> StressStrainData:
    return data.replace(**{**dict.fromkeys(MEASURES), "cauchy": sigma})


def _unit(data: StressStrainData, rng: Generator) -> StressStrainData:
    variant = rng.choice(["kbar", "MPa", "eV/angstrom^3", "W in eV per cell", "W in eV/angstrom^3"])
    factor = {"kbar": 10.0, "MPa": 1000.0, "eV/angstrom^3": 1 / 160.2176634}.get(variant)
    if factor is not None:
        return _stress(data, data.cauchy * factor)
    volume = data.reference_volume or 1.0
    if data.W is None:
        raise DataError("unit: found no W")
    return data.replace(W=data.W / 160.2176634 * (volume if "cell" in variant else 1.0))


def _sign(data: StressStrainData, _: Generator) -> StressStrainData:
    return _stress(data, -data.cauchy)


def _component_order(data: StressStrainData, rng: Generator) -> StressStrainData:
    orders = list(KNOWN_ORDERS)
    order = orders[rng.integers(len(orders))]
    return _stress(data, matrices_of(six_of(data.cauchy)[:, parse_order(order)]))


def _transposed_f(data: StressStrainData, _: Generator) -> StressStrainData:
    return data.replace(F=data.F.swapaxes(1, 2).copy())


def _transposed_cell(data: StressStrainData, rng: Generator) -> StressStrainData:
    """The strained cells read by columns, or the reference cell, or both."""
    if data.lattice is not None and rng.random() < 0.5:
        turned = data.replace(lattice=data.lattice.T.copy(), point_group=None)
        if lattice_by_columns(turned) is not None:  # else the symmetry does not show which way round it is
            return turned if rng.random() < 0.5 else _cells_by_columns(data).replace(lattice=turned.lattice, point_group=None)
    return _cells_by_columns(data)


def _cells_by_columns(data: StressStrainData) -> StressStrainData:
    A = np.eye(3) if data.lattice is None else data.lattice
    F = A @ data.F.swapaxes(1, 2) @ np.linalg.inv(A)
    if np.abs(F - data.F.swapaxes(1, 2)).max() < 1e-6:
        raise DataError("transposed cell: found a cell for which it is the same as a transposed F")
    return data.replace(F=F)


def _stress_frame(data: StressStrainData, rng: Generator) -> StressStrainData:
    if data.lattice is not None and rng.random() < 0.5:
        Q = lammps_frames(data.F, data.lattice)
    else:
        axis = rng.normal(size=3)
        Q = Rotation.from_rotvec(axis / np.linalg.norm(axis) * rng.uniform(0.2, 1.5)).as_matrix()
    return _stress(data, Q @ data.cauchy @ Q.swapaxes(-1, -2))


def _stress_measure(data: StressStrainData, rng: Generator) -> StressStrainData:
    return _stress(data, data.stress(str(rng.choice(["kirchhoff", "first_piola_kirchhoff", "second_piola_kirchhoff"]))))


def _reference_stress(data: StressStrainData, rng: Generator) -> StressStrainData:
    S = data.stress("second_piola_kirchhoff")
    S0 = rng.normal(size=(3, 3))
    S0 = (S0 + S0.T) / 2
    S0 *= rng.uniform(0.05, 0.15) * np.sqrt((S**2).sum((1, 2)).mean()) / np.linalg.norm(S0)
    if rng.random() < 0.3:
        return _stress(data, data.cauchy + S0)  # a Pulay stress: in the lab frame, and without energy
    W = data.W + (data.green_lagrange_strain * S0).sum((1, 2))
    return _stress(data, cauchy_from_second_piola(data.F, S + S0)).replace(W=W)


def _clamped_mixture(data: StressStrainData, rng: Generator) -> StressStrainData:
    extra: dict[str, Any] = data.model_extra or {}
    clamped, forces = np.array(extra["clamped_cauchy"]), np.array(extra["clamped_forces"])
    if np.abs(clamped - data.cauchy).max() < 1e-3 * np.abs(data.cauchy).max():
        raise DataError("clamped mixture: found a crystal without internal freedom")
    chosen = rng.random(len(data)) < rng.uniform(0.15, 0.4)
    pick = chosen[:, None, None]
    if data.W is None or data.forces is None:
        raise DataError("clamped mixture: found no W or no forces")
    W = np.where(chosen, np.array(extra["clamped_W"]), data.W)
    mixed = _stress(data, np.where(pick, clamped, data.cauchy))
    return mixed.replace(W=W, forces=np.where(pick, forces, data.forces), positions=None)


def _duplicates(data: StressStrainData, rng: Generator) -> StressStrainData:
    repeated = rng.choice(len(data), 4, replace=False)
    return data.select(rng.permutation(np.concatenate([np.arange(len(data)), repeated])))


def _outliers(data: StressStrainData, rng: Generator) -> StressStrainData:
    chosen = rng.choice(len(data), 4, replace=False)
    sigma = data.cauchy.copy()
    noise = rng.normal(size=(4, 3, 3))
    noise = (noise + noise.swapaxes(1, 2)) / 2
    size = np.linalg.norm(sigma[chosen], axis=(1, 2)) / np.linalg.norm(noise, axis=(1, 2))
    sigma[chosen] += noise * (rng.uniform(0.3, 0.8, 4) * size)[:, None, None]
    return _stress(data, sigma)


def _coverage(data: StressStrainData, _: Generator) -> StressStrainData:
    """Strains without shear: the samples are turned into what a fitted law gives for them."""
    E = data.green_lagrange_strain * np.eye(3)
    R = corotational_frames(data.F).swapaxes(1, 2)
    F = R @ (np.eye(3) * np.sqrt(1 + 2 * E.diagonal(axis1=1, axis2=2))[:, :, None])
    group = declared_group(data)
    if group is None:
        raise DataError("coverage: found no group")
    W, S = fitted_law(data, group)(E)
    return data.replace(F=F, W=W, cauchy=cauchy_from_second_piola(F, S), forces=None, positions=None)


def _wrong_group(data: StressStrainData, _: Generator) -> StressStrainData:
    group = declared_group(data)
    if group is None:
        raise DataError("wrong group: found no group")
    return data.replace(point_group=WRONG_GROUP[group.symbol], lattice=None, species=None, frac_coords=None, positions=None)


def _objectivity(data: StressStrainData, rng: Generator) -> StressStrainData:
    if rng.random() < 0.5:
        Q = corotational_frames(data.F)
        return _stress(data, Q @ data.cauchy @ Q.swapaxes(1, 2))
    return data.replace(F=Rotation.random(len(data), random_state=rng).as_matrix() @ data.F)


INJECTORS: dict[str, Callable[[StressStrainData, Generator], StressStrainData]] = {
    "unit": _unit,
    "sign": _sign,
    "component_order": _component_order,
    "transposed_deformation_gradient": _transposed_f,
    "transposed_cell": _transposed_cell,
    "stress_frame": _stress_frame,
    "stress_measure": _stress_measure,
    "reference_stress": _reference_stress,
    "clamped_mixture": _clamped_mixture,
    "duplicates": _duplicates,
    "outliers": _outliers,
    "coverage": _coverage,
    "wrong_group": _wrong_group,
    "objectivity": _objectivity,
}
# Pairs that are one fault, that contradict each other, or whose second fault hides what the first is about.
IMPOSSIBLE = {
    frozenset(pair)
    for pair in (
        ("transposed_deformation_gradient", "transposed_cell"),
        ("stress_frame", "objectivity"),
        ("wrong_group", "transposed_cell"),
        ("coverage", "wrong_group"),
        ("coverage", "clamped_mixture"),
    )
}
# The order in which a run, a reader and a user would commit them; first the structure goes, and with it what only it would show.
ORDER = (
    "wrong_group",
    "coverage",
    "clamped_mixture",
    "reference_stress",
    "outliers",
    "stress_measure",
    "objectivity",
    "stress_frame",
    "transposed_cell",
    "transposed_deformation_gradient",
    "sign",
    "unit",
    "component_order",
    "duplicates",
)


def inject_pair(data: StressStrainData, first: str, second: str, rng: Generator) -> StressStrainData:
    """Good data with two faults, in the order in which they would happen. Raises DataError where they exclude each other."""
    if frozenset((first, second)) in IMPOSSIBLE:
        raise DataError(f"{first} and {second} exclude each other")
    for fault in sorted((first, second), key=ORDER.index):
        data = inject(data, fault, rng)
    return data


# ---- of fields and polarisations --------------------------------------------------------------------------------------


def _polarization_sign(data: StressStrainData, rng: Generator) -> StressStrainData:
    name = rng.choice(["polarization", "electric_field"])
    return data.replace(**{name: -getattr(data, name)})


def _electric_unit(data: StressStrainData, rng: Generator) -> StressStrainData:
    name, factor = [("electric_field", 0.1), ("polarization", 100.0)][rng.integers(2)]
    return data.replace(**{name: factor * getattr(data, name)})


def _polarization_branch(data: StressStrainData, rng: Generator) -> StressStrainData:
    """Some samples moved by one or two quanta, in the configuration in which the polarisation is given."""
    P = data.reference_polarization.copy()
    for k in rng.choice(np.arange(1, len(data)), size=max(1, len(data) // 20), replace=False):
        P[k] += rng.choice([-1, 1]) * quanta(data.lattice)[rng.integers(3)]
    return data.replace(polarization=P, electric_field=data.reference_electric_field, electric_frame="reference")


def _electric_frame(data: StressStrainData, rng: Generator) -> StressStrainData:
    """Fields of the lab, of lattices turned by up to half a radian, stated as those of the reference."""
    angles = rng.uniform(-0.5, 0.5, len(data))
    F = np.array([[[np.cos(a), -np.sin(a), 0], [np.sin(a), np.cos(a), 0], [0, 0, 1]] for a in angles]) @ data.F
    field = np.einsum("nji,nj->ni", np.linalg.inv(F), data.reference_electric_field)
    P = np.einsum("nij,nj->ni", F, data.reference_polarization) / np.linalg.det(F)[:, None]
    second = data.stress("second_piola_kirchhoff")
    stress = {**dict.fromkeys(MEASURES), "second_piola_kirchhoff": second}
    return data.replace(F=F, **stress, electric_field=field, polarization=P, electric_frame="reference")


FIELD_INJECTORS: dict[str, Callable[[StressStrainData, Generator], StressStrainData]] = {
    "polarization_sign": _polarization_sign,
    "electric_unit": _electric_unit,
    "polarization_branch": _polarization_branch,
    "electric_frame": _electric_frame,
}
