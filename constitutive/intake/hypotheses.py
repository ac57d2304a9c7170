"""What may have been done to a good data set: hypotheses, and the linear maps by which they act on the stress.

A hypothesis states how the numbers of the file become (E, S): which strain F means, which stress measure the numbers
are, in
which frame each sample's stress stands, and by which linear map of the nine components it was disordered. Unit and
sign follow
from the energy, the reference stress from the fit.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import permutations
from typing import Any

import numpy as np
from jaxtyping import Float

from constitutive.data import StressStrainData
from constitutive.data.corrections import corotational_frames, lammps_frames
from constitutive.kinematics import determinant, green_lagrange_strain
from constitutive.tensors.components import COMPONENTS, ORDERS
from constitutive.tensors.packing import VOIGT_PAIRS

STANDARD = tuple(range(6))
SYMMETRIC = 1e-6  # relative size of F − Fᵀ or of a rotation below which they cannot show anything
# Orders that programs write; these permutations are preferred to the other 719.
KNOWN_ORDERS = {
    ORDERS["VASP"]: "VASP's order",
    ORDERS["LAMMPS"]: "LAMMPS's order",
    "xx yy zz yz xy xz": "yz xy xz",
    "xx yy zz xz yz xy": "xz yz xy",
    ORDERS["upper triangle by rows"]: "upper triangle by rows",
    ORDERS["lower triangle by rows"]: "lower triangle by rows",
}


@dataclass(frozen=True)
class Hypothesis:
    """One way to read the file; the default is as the file states.

    Attributes
    ----------
    deformation : str
        "given", "transposed" (F) or "transposed_cell" (lattice vectors in columns).
    measure : str
        Stress measure; empty for the declared one.
    frame : str
        Of the stress: "lab", "lammps" or "corotational".
    order : tuple of int
        Component in each place of the file.
    rotation : tuple of float, optional
        Rotation vector (radians) from the frame of F to that of the stress.
    group : str
        Empty for the declared group.
    """

    deformation: str = "given"  # "given", "transposed", "transposed_cell"
    measure: str = ""  # "" = as declared
    frame: str = "lab"  # "lab", "lammps", "corotational"
    order: tuple[int, ...] = STANDARD
    rotation: tuple[float, ...] | None = None  # rotation vector from the frame of F to that of the stress
    group: str = ""  # "" = the declared group

    @property
    def faults(self) -> tuple[str, ...]:
        """Names of the faults that this reading implies, without unit and sign."""
        names = []
        if self.deformation == "transposed":
            names.append("transposed_deformation_gradient")
        if self.deformation == "transposed_cell":
            names.append("transposed_cell")
        if self.order != STANDARD:
            names.append("component_order")
        if self.frame == "lammps" or self.rotation is not None:
            names.append("stress_frame")
        if self.frame == "corotational":
            names.append("objectivity")
        if self.measure:
            names.append("stress_measure")
        if self.group:
            names.append("wrong_group")
        return tuple(names)

    def without(self, fault: str) -> Hypothesis:
        """The same reading without one fault.

        Parameters
        ----------
        fault : str

        Returns
        -------
        Hypothesis
        """
        undone: dict[str, dict[str, Any]] = {
            "transposed_deformation_gradient": {"deformation": "given"},
            "transposed_cell": {"deformation": "given"},
            "component_order": {"order": STANDARD},
            "stress_frame": {"frame": "lab" if self.frame == "lammps" else self.frame, "rotation": None},
            "objectivity": {"frame": "lab"},
            "stress_measure": {"measure": ""},
            "wrong_group": {"group": ""},
        }
        return replace(self, **undone[fault])


def order_text(order: tuple[int, ...]) -> str:
    """Names of the components in an order.

    Parameters
    ----------
    order : tuple of int

    Returns
    -------
    str
    """
    return " ".join(COMPONENTS[i] for i in order)


@lru_cache(maxsize=1)
def order_maps() -> tuple[tuple[tuple[int, ...], ...], Float[np.ndarray, "720 9 9"]]:
    """All orders of six components, and for each the map of the nine components that undoes it.

    Returns
    -------
    orders : tuple of tuple of int
    maps : array (720, 9, 9)
    """
    orders = tuple(permutations(range(6)))
    return orders, np.stack([order_map(order) for order in orders])


def order_map(order: tuple[int, ...]) -> Float[np.ndarray, "9 9"]:
    """L with true = L given: the number in slot k of the file belongs to component order[k].

    Parameters
    ----------
    order : tuple of int

    Returns
    -------
    array (9, 9)
    """
    L = np.zeros((9, 9))
    for k, component in enumerate(order):
        (i, j), (a, b) = VOIGT_PAIRS[component], VOIGT_PAIRS[k]
        for row in {3 * i + j, 3 * j + i}:
            L[row, 3 * a + b] += 0.5
            L[row, 3 * b + a] += 0.5
    return L


def rotation_map(Q: Float[np.ndarray, "3 3"]) -> Float[np.ndarray, "9 9"]:
    """L with vec(Qᵀ sigma Q) = L vec(sigma).

    Parameters
    ----------
    Q : array (3, 3)

    Returns
    -------
    array (9, 9)
    """
    return np.kron(Q.T, Q.T)


@dataclass(frozen=True)
class Reading:
    """Strains, and the matrices that take the nine numbers of each sample to nine components of S (six Mandel, three skew).

    Attributes
    ----------
    x : array (n, 6)
        Green–Lagrange strains, Mandel.
    to_second : array (n, 9, 9)
        From the numbers of the file to S, in their unit.
    """

    x: Float[np.ndarray, "n 6"]
    to_second: Float[np.ndarray, "n 9 9"]


def deformation(data: StressStrainData, how: str) -> Float[np.ndarray, "n 3 3"]:
    """F as one of the hypotheses reads it.

    Parameters
    ----------
    data : StressStrainData
    how : str
        "given", "transposed" or "transposed_cell".

    Returns
    -------
    array (n, 3, 3)
    """
    if how == "given":
        return data.F
    if how == "transposed" or data.lattice is None:
        return data.F.swapaxes(1, 2)
    A = data.lattice
    return (np.linalg.inv(A) @ data.F @ A).swapaxes(1, 2)


def frames(data: StressStrainData, F: Float[np.ndarray, "n 3 3"], how: str) -> Float[np.ndarray, "n 3 3"]:
    """Rotation from the lab into the frame of each sample's stress.

    Parameters
    ----------
    data : StressStrainData
    F : array (n, 3, 3)
        Deformation gradients under the reading.
    how : str
        "lab", "lammps" or "corotational".

    Returns
    -------
    array (n, 3, 3)
    """
    if how == "corotational":
        return corotational_frames(F)
    if how == "lammps" and data.lattice is not None:
        return lammps_frames(F, data.lattice)
    return np.broadcast_to(np.eye(3), F.shape)


@lru_cache(maxsize=1)
def _nine_basis() -> Float[np.ndarray, "9 9"]:
    """Orthonormal rows: six Mandel components, three of the skew part."""
    rows = np.zeros((9, 3, 3))
    for k, (i, j) in enumerate(VOIGT_PAIRS):
        rows[k, i, j] = rows[k, j, i] = 1.0 if i == j else np.sqrt(0.5)
    for k, (i, j) in enumerate(VOIGT_PAIRS[3:]):
        rows[6 + k, i, j], rows[6 + k, j, i] = np.sqrt(0.5), -np.sqrt(0.5)
    return rows.reshape(9, 9)


def reading(data: StressStrainData, how: str, measure: str, frame: str) -> Reading:
    """Strains and maps under one hypothesis of deformation, measure and frame.

    Parameters
    ----------
    data : StressStrainData
    how : str
        Of the deformation.
    measure : str
        Empty for the declared one.
    frame : str
        Of the stress.

    Returns
    -------
    Reading
    """
    F = deformation(data, how)
    Q = frames(data, F, frame)
    identity = np.broadcast_to(np.eye(3), F.shape)
    inverse = np.linalg.inv(F) @ Q.swapaxes(1, 2)
    left, right = {
        "cauchy": (inverse, inverse),
        "kirchhoff": (inverse, inverse),
        "first_piola_kirchhoff": (inverse, identity),
        "second_piola_kirchhoff": (identity, identity),
    }[measure or data.measure]
    J = determinant(F) if (measure or data.measure) == "cauchy" else np.ones(len(F))
    product = np.einsum("n,nij,nkl->nikjl", J, left, right).reshape(len(F), 9, 9)
    E = green_lagrange_strain(F).reshape(-1, 9)
    return Reading(E @ _nine_basis()[:6].T, _nine_basis() @ product)


def alternatives(data: StressStrainData) -> list[Hypothesis]:
    """The readings to be compared: every deformation, measure and frame that would change the numbers.

    Parameters
    ----------
    data : StressStrainData

    Returns
    -------
    list of Hypothesis
    """
    return [
        Hypothesis(how, "" if measure == data.measure else measure, frame)
        for how in deformations(data)
        for measure in ("cauchy", "kirchhoff", "first_piola_kirchhoff", "second_piola_kirchhoff")
        for frame in _frames_worth_trying(data)
        if frame == "lab" or measure in ("cauchy", "kirchhoff")
    ]


def deformations(data: StressStrainData) -> list[str]:
    """The readings of F that differ from each other.

    Parameters
    ----------
    data : StressStrainData

    Returns
    -------
    list of str
    """
    found = ["given"]
    scale = np.abs(data.F - np.eye(3)).max()
    if np.abs(data.F - data.F.swapaxes(1, 2)).max() > SYMMETRIC * max(scale, 1e-3):
        found.append("transposed")
    if data.lattice is not None:
        other = deformation(data, "transposed_cell")
        if min(np.abs(other - data.F).max(), np.abs(other - data.F.swapaxes(1, 2)).max()) > 1e-6:
            found.append("transposed_cell")
    return found


def _frames_worth_trying(data: StressStrainData) -> list[str]:
    found = ["lab"]
    for how in ("corotational", "lammps"):
        Q = frames(data, data.F, how)
        if np.abs(Q - np.eye(3)).max() > 1e-5:
            found.append(how)
    return found


def rotations_matter(data: StressStrainData) -> bool:
    """Whether some F contains a rotation, so that objectivity and transposition can show.

    Parameters
    ----------
    data : StressStrainData

    Returns
    -------
    bool
    """
    return bool(np.abs(corotational_frames(data.F) - np.eye(3)).max() > 1e-4)
