"""The reference cell of a data set: whether it is a bulk crystal, of the size of the samples' cells, and that of another data set."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

from constitutive.data.samples import Samples
from constitutive.errors import ConstitutiveError, DataError
from constitutive.symmetry import PointGroup
from constitutive.symmetry.vacuum import periodicity
from constitutive.units import BOHR

if TYPE_CHECKING:
    from pymatgen.core import Structure

OTHER_SIZE = 0.08  # mean Hencky strain of all samples from which the reference is looked at
APART = 3.0  # how many times their own spread all samples have to lie away from the reference
IN_BOHR = 0.06  # relative distance from the ratio of bohr and angstrom within which it is recognised
STRAIN_OF_REFERENCE = 0.01  # the same for a strain of any kind, from which the reference is called strained
AT_REST = 0.2  # stress of the first state relative to the rms stress, from which another reference is looked for
LESS_STRESS = 0.35  # of the first state's stress that another has to have
PRIMITIVE = 0.01  # Å
SAME_ATOM = 0.05  # Å
FEWEST_AROUND = 6  # samples, that lie around another cell in at least three directions


@dataclass(frozen=True)
class ReferenceFault:
    """What is wrong with a reference cell.

    Attributes
    ----------
    fault : str
        "vacuum" (no bulk crystal) or "reference_cell" (of another size than the samples' cells, or strained against all of them).
    message : str
        What was found, what was needed, what to do.
    """

    fault: str
    message: str


def reference_faults(data: Samples) -> tuple[ReferenceFault, ...]:
    """What is wrong with the reference cell, as far as structure and deformation gradients show it; nothing is fitted.

    Parameters
    ----------
    data : StressStrainData
        As read.

    Returns
    -------
    tuple of ReferenceFault
        Empty for a bulk crystal among whose strained cells the reference lies.
    """
    found = (_vacuum(data), _of_another_size(data.F) or _strained(data.F))
    return tuple(fault for fault in found if fault is not None)


def require_usable_reference(data: Samples, allow: Collection[str] = ()) -> None:
    """Refuse data whose reference cell is no bulk crystal, or cannot be the undeformed cell of the samples.

    Parameters
    ----------
    data : StressStrainData
        As read.
    allow : collection of str
        Faults to accept: "vacuum", "reference_cell".

    Raises
    ------
    DataError
        With what was found and what to do.
    """
    for fault in reference_faults(data):
        if fault.fault not in allow:
            raise DataError(f"{fault.fault}: {fault.message}; if that is meant, --allow {fault.fault}")


def _vacuum(data: Samples) -> ReferenceFault | None:
    if data.crystal is None:
        return None
    try:
        found = periodicity(data.crystal)
    except ConstitutiveError:  # dummy atoms: distances between them have no meaning
        return None
    if found.is_bulk:
        return None
    message = (
        f"found {found.sentence}; needed a bulk crystal; a stress per length of a layer (N/m) or a force of a wire is "
        "another law, which this toolkit does not fit"
    )
    return ReferenceFault("vacuum", message)


def hencky_strain(F: Float[np.ndarray, "n 3 3"]) -> Float[np.ndarray, "n 3 3"]:
    """Hencky strain ln U = ½ ln(FᵀF) of each sample.

    Parameters
    ----------
    F : array (n, 3, 3)
        Deformation gradients.

    Returns
    -------
    array (n, 3, 3)
        In axes of the reference configuration; dimensionless.
    """
    squares, axes = np.linalg.eigh(F.swapaxes(1, 2) @ F)
    return (axes * (0.5 * np.log(squares))[:, None, :]) @ axes.swapaxes(1, 2)


def _of_another_size(F: Float[np.ndarray, "n 3 3"]) -> ReferenceFault | None:
    """A reference cell that is larger or smaller than the cells of all samples, as one in bohr is."""
    lengths = np.log(np.linalg.det(F)) / 3
    mean, spread = float(lengths.mean()), float(lengths.std())
    if not (np.abs(lengths).min() > OTHER_SIZE and abs(mean) > APART * spread):
        return None
    ratio = float(np.exp(-mean))  # of the reference to the samples
    if abs(ratio * BOHR - 1) < IN_BOHR:
        why = "its lengths are probably in bohr and were read as Å; give it in Å"
    elif abs(ratio / BOHR - 1) < IN_BOHR:
        why = "the samples' cells are probably in bohr and were read as Å, or the reference was converted twice; give both in Å"
    else:
        why = "it is another crystal, another cell of the crystal, or one at another pressure; give the undeformed cell by --reference"
    message = f"found a reference cell {ratio:.3g} times as large (in length) as the cells of all {len(F)} samples; needed one size; {why}"
    return ReferenceFault("reference_cell", message)


def _strained(F: Float[np.ndarray, "n 3 3"]) -> ReferenceFault | None:
    """A reference cell that is strained against the cells of all samples: they lie around another cell."""
    if len(F) < FEWEST_AROUND:
        return None
    strain = hencky_strain(F).reshape(-1, 9)
    mean = strain.mean(0)
    rest = strain - mean
    spread = float(np.sqrt((rest**2).sum(1).mean()))
    size = float(np.linalg.norm(mean))
    directions = np.linalg.svd(rest, compute_uv=False)
    around = len(directions) > 2 and directions[2] > 0.1 * directions[0] > 0
    if not (around and size > STRAIN_OF_REFERENCE and size > 1.5 * spread and np.linalg.norm(strain, axis=1).min() > STRAIN_OF_REFERENCE):
        return None
    stretches = ", ".join(f"{100 * value:+.2f}" for value in np.linalg.eigvalsh(mean.reshape(3, 3)))
    message = (
        f"found {len(F)} samples that all lie around a cell strained by {stretches} % (principal values) against the reference; needed the "
        "undeformed cell for the reference; give it by --reference"
    )
    return ReferenceFault("reference_cell", message)


def require_same_reference(found: Structure | None, needed: Structure | None, *, tolerance: float = 1e-4) -> None:
    """Require that two structures (pymatgen) are one reference cell in one Cartesian frame.

    F, energy per volume and the components of the stress mean something else against another cell or in another frame.

    Parameters
    ----------
    found, needed : Structure or None
        With None on either side nothing can be compared, and nothing is refused.
    tolerance : float
        Largest difference of a lattice vector's component, relative to the longest vector.

    Raises
    ------
    DataError
        The lattices or the compositions differ; another cell of the same crystal in the same frame is the same reference.
    """
    if found is None or needed is None:
        return
    a, b = (np.asarray(s.lattice.matrix, dtype=np.float64) for s in (found, needed))
    difference = np.abs(a - b).max() / np.linalg.norm(b, axis=1).max()
    if difference > tolerance:
        if same_crystal(found, needed, tolerance=tolerance):
            return
        rotated = np.allclose(a @ a.T, b @ b.T, atol=tolerance * np.abs(b @ b.T).max())
        what = "the same cell in another frame (rotated)" if rotated else "another reference cell"
        raise DataError(
            f"lattice: found {what}, rows {np.round(a, 4).tolist()} Å; needed {np.round(b, 4).tolist()} Å, or another cell of that "
            "crystal in the same frame; give F and the stress against that cell and in its frame"
        )
    if sorted(site.species_string for site in found) != sorted(site.species_string for site in needed):
        raise DataError(f"species: found {found.composition}, needed {needed.composition}; this is another crystal")


def same_crystal(one: Structure, other: Structure, *, tolerance: float = 1e-4) -> bool:
    """Whether two cells (primitive, conventional, supercell) describe one crystal in one Cartesian frame.

    F and the Cauchy stress belong to the crystal: they do not depend on the cell that describes it.

    Parameters
    ----------
    one, other : Structure
        The cells; the origin may differ.
    tolerance : float
        Largest difference of a lattice vector's component, relative to the longest vector of the primitive cells.

    Returns
    -------
    bool
    """
    if one.composition.reduced_formula != other.composition.reduced_formula:
        return False
    a, b = (s.get_primitive_structure(tolerance=PRIMITIVE) for s in (one, other))
    if len(a) != len(b):
        return False
    A, B = (np.asarray(s.lattice.matrix, dtype=np.float64) for s in (a, b))
    steps = A @ np.linalg.inv(B)
    size = np.linalg.norm(B, axis=1).max()
    if np.abs(np.round(steps) @ B - A).max() > tolerance * size or abs(abs(np.linalg.det(np.round(steps))) - 1) > 1e-6:
        return False
    return _same_atoms(a, b, np.linalg.inv(B))


def _same_atoms(a: Structure, b: Structure, inverse: Float[np.ndarray, "3 3"]) -> bool:
    """Whether the atoms of two primitive cells of one lattice are the same but for a shift of all."""
    kinds_a, kinds_b = ([site.species_string for site in s] for s in (a, b))
    if sorted(kinds_a) != sorted(kinds_b):
        return False
    places_a, places_b = np.asarray(a.cart_coords) @ inverse, np.asarray(b.cart_coords) @ inverse
    rarest = min(set(kinds_a), key=lambda kind: (kinds_a.count(kind), kind))
    start = places_a[kinds_a.index(rarest)]
    apart = np.array([k != rarest for k in kinds_b])
    other_kind = np.array(kinds_a)[:, None] != np.array(kinds_b)[None]
    for shift in places_b[~apart] - start:
        away = places_a[:, None] + shift - places_b[None]
        distance = np.linalg.norm((away - np.round(away)) @ np.linalg.inv(inverse), axis=2)
        if (np.where(other_kind, np.inf, distance).min(1) < SAME_ATOM).all():
            return True
    return False


@dataclass(frozen=True)
class FirstFrame:
    """Why the first state of some outputs is not taken for the undeformed cell.

    Attributes
    ----------
    better : int
        The state to take: of the least stress among those of the highest symmetry.
    message : str
        What was found.
    """

    better: int
    message: str


def first_frame_fault(frames: Sequence[Structure], stresses: Float[np.ndarray, "n 3 3"]) -> FirstFrame | None:
    """Whether another state is plainly the undeformed cell rather than the first: with much less stress, and as symmetric or more.

    Parameters
    ----------
    frames : sequence of Structure
        The states in their order.
    stresses : ndarray (n, 3, 3)
        Their stresses, GPa.

    Returns
    -------
    FirstFrame or None
        The number of that state and a message; None where the first state may well be the undeformed cell.
    """
    size = np.linalg.norm(stresses, axis=(1, 2))
    rms = float(np.sqrt((size**2).mean()))
    if len(frames) < 2 or size[0] < AT_REST * rms:
        return None
    least = int(np.argmin(size))
    if size[least] > LESS_STRESS * size[0] or not (first := _order(frames[0])):
        return None
    best = _order(frames[least])
    if best < first:
        return None
    message = (
        f"found no --reference, and the first state under {size[0]:.3g} GPa ({first} symmetry operations), where state {least} is under "
        f"{size[least]:.3g} GPa ({best})"
    )
    return FirstFrame(least, message)


def _order(structure: Structure) -> int:
    """Number of operations of a structure's point group; 0 where it cannot be found."""
    try:
        return len(PointGroup.from_structure(structure).operations)
    except ConstitutiveError:
        return 0
