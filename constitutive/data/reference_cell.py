"""The reference cell of a data set: whether it is a bulk crystal, of the size of the samples' cells, and that of another data set."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from pymatgen.core import Structure

from constitutive.data.samples import Samples
from constitutive.data.units import BOHR
from constitutive.errors import ConstitutiveError, DataError
from constitutive.symmetry.vacuum import periodicity

OTHER_SIZE = 0.08  # mean Hencky strain of all samples from which the reference is looked at
APART = 3.0  # how many times their own spread all samples have to lie away from the reference
IN_BOHR = 0.06  # relative distance from the ratio of bohr and angstrom within which it is recognised
STRAINED = 0.01  # the same for a strain of any kind, from which the reference is called strained
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
    """What is wrong with the reference cell, as far as structure and deformation gradients tell; nothing is fitted.

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
    if data.structure is None:
        return None
    try:
        found = periodicity(data.structure)
    except ConstitutiveError:  # dummy atoms: nothing can be said of the distances between them
        return None
    if found.is_bulk:
        return None
    message = (
        f"found {found.sentence}; needed a bulk crystal; a stress per length of a layer (N/m) or a force of a wire is "
        "another law, which this toolkit does not fit"
    )
    return ReferenceFault("vacuum", message)


def hencky_strain(F: Float[np.ndarray, "n 3 3"]) -> Float[np.ndarray, "n 3 3"]:
    """Hencky strain ln U = ½ ln(FᵀF) of each sample."""
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
    if not (around and size > STRAINED and size > 1.5 * spread and np.linalg.norm(strain, axis=1).min() > STRAINED):
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
        The lattice vectors or the composition differ.
    """
    if found is None or needed is None:
        return
    a, b = (np.asarray(s.lattice.matrix, dtype=np.float64) for s in (found, needed))
    difference = np.abs(a - b).max() / np.linalg.norm(b, axis=1).max()
    if difference > tolerance:
        rotated = np.allclose(a @ a.T, b @ b.T, atol=tolerance * np.abs(b @ b.T).max())
        what = "the same cell in another frame (rotated)" if rotated else "another reference cell"
        raise DataError(
            f"lattice: found {what}, rows {np.round(a, 4).tolist()} Å; needed {np.round(b, 4).tolist()} Å; "
            "give F and the stress against that cell and in its frame"
        )
    if sorted(site.species_string for site in found) != sorted(site.species_string for site in needed):
        raise DataError(f"species: found {found.composition}, needed {needed.composition}; this is another crystal")
