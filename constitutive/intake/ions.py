"""Clamped beside relaxed ions: by forces, by what the file declares, by positions, or by two parallel sets in one file."""

from __future__ import annotations

import numpy as np
import spglib
from jaxtyping import Bool, Float, Int

from constitutive.data import StressStrainData
from constitutive.data.averages import same_deformation
from constitutive.data.checks import where
from constitutive.intake.findings import Finding
from constitutive.intake.samples import contradicting, drop_option
from constitutive.tensors.packing import to_mandel
from constitutive.units import FORCE_UNITS

RELAXED_FORCE = 0.02  # eV/Å; DFT relaxations stop at about 0.01
CLAMPED_FORCE = 0.05
LARGEST_STRAIN_AT_REST = 1e-6
UNMOVED = 1e-7  # change of a fractional coordinate
FEWEST_PAIRS = 4  # pairs of one F with different stresses, from which a rule in them is looked for
STIFFER = 0.95  # share of the pairs whose stiffer sample has the higher energy too
IN_BLOCKS = 0.9  # share of the pairs whose stiffer sample is the first (or the second), from which all are taken so
LINEAR = 0.7  # residual of the difference of the pairs as a linear function of the strain; 0.1 to 0.55 in eight crystals
NEGATIVE = 0.25  # most negative eigenvalue of that function, relative to the largest; 0.2 at most in these
PROPORTIONAL = 0.25  # residual of the difference as a multiple of the stress, below which it is a scale; 0.35 to 0.96 in these


def clamped_mixture(data: StressStrainData) -> tuple[list[Finding], Bool[np.ndarray, " n"], str]:
    """Mixed or contradicting treatment of the ions: findings, which samples are clamped, and what cannot be determined.

    Parameters
    ----------
    data : StressStrainData

    Returns
    -------
    findings : list of Finding
    clamped : bool array (n,)
    undecided : str
    """
    clamped, how = _clamped(data)
    if clamped is None:
        unknown = "clamped or relaxed ions: the data hold neither forces nor positions, nor two sets of the same strains"
        return [], np.zeros(len(data), dtype=bool), unknown
    if clamped.all() and data.ions == "relaxed":
        message = "found forces on the ions in every sample, declared relaxed; needed one treatment; declare 'clamped' or relax"
        return [Finding("clamped_mixture", 0.95, tuple(range(len(data))), message, "--ions clamped")], clamped, ""
    if not clamped.any() or clamped.all():
        return [], clamped, ""
    samples = np.nonzero(clamped if clamped.mean() <= 0.5 else ~clamped)[0]
    kind = "clamped" if clamped.mean() <= 0.5 else "relaxed"
    message = f"found {kind} ions at samples {where(samples)} and the others not{how}; needed one treatment; drop these or recompute them"
    return [Finding("clamped_mixture", 0.97, tuple(int(i) for i in samples), message, drop_option(samples))], clamped, ""


def larger_kind(clamped: Bool[np.ndarray, " n"]) -> Bool[np.ndarray, " n"]:
    """The samples to go on with: those of the more frequent treatment, the relaxed ones of two equal sets.

    Parameters
    ----------
    clamped : bool array (n,)

    Returns
    -------
    bool array (n,)
    """
    return ~clamped if clamped.mean() <= 0.5 else clamped


def _clamped(data: StressStrainData) -> tuple[Bool[np.ndarray, " n"] | None, str]:
    """Which samples have clamped ions, and the evidence where it is not the ions themselves."""
    seen = unrelaxed(data)
    if seen is not None:
        return seen, ""
    if is_without_internal_freedom(data):
        return np.zeros(len(data), dtype=bool), ""
    stated = declared_clamped(data)
    if stated is not None:
        return stated, " (by the file's ions_by_sample)"
    return parallel_sets(data), " (the stiffer of two parallel sets of the same strains)"


def residual_forces(data: StressStrainData) -> Float[np.ndarray, " n"] | None:
    """Largest force on an atom of each sample, in eV/Å; None where the data have no forces.

    Parameters
    ----------
    data : StressStrainData

    Returns
    -------
    array (n,) or None
    """
    if data.forces is not None and data.forces.shape[1] > 0:
        return np.sqrt((data.forces**2).sum(2)).max(1)
    for name, factor in (("residual_force_norm", 1.0), ("residual_force_Ry_per_bohr", FORCE_UNITS["Ry/bohr"])):
        values = (data.model_extra or {}).get(name)
        if isinstance(values, list) and len(values) == len(data) and all(isinstance(v, (int, float)) for v in values):
            return np.abs(np.array(values, dtype=np.float64)) * factor
    return None


def unrelaxed(data: StressStrainData) -> Bool[np.ndarray, " n"] | None:
    """Which samples have clamped ions, by forces or else by positions; None where neither decides.

    A sample whose forces are small for another reason than a relaxation goes with the others: they vanish by symmetry, or because the
    strain is small.

    Parameters
    ----------
    data : StressStrainData

    Returns
    -------
    bool array (n,) or None
    """
    forces = residual_forces(data)
    if forces is not None:
        low = forces[forces <= RELAXED_FORCE]
        limit = max(CLAMPED_FORCE, 20 * float(np.median(low))) if low.size else CLAMPED_FORCE
        clamped = forces > limit
        if not clamped.any() or clamped.all():
            return clamped
        open_ones = _undecided(data, forces, clamped)
        decided = clamped[~open_ones]
        return np.where(open_ones, decided.mean() > 0.5 or data.ions == "clamped", clamped)
    moved = _moved(data)
    if moved is None or not (moved > 1e-4).any():
        return None
    at_rest = np.linalg.norm(data.green_lagrange_strain, axis=(1, 2)) < LARGEST_STRAIN_AT_REST  # nothing moves its ions
    return (moved < UNMOVED) & ~at_rest


def _moved(data: StressStrainData) -> Float[np.ndarray, " n"] | None:
    """Largest change of a fractional coordinate of each sample, a shift of the whole crystal taken off; None without positions."""
    if data.positions is None or data.frac_coords is None or data.positions.shape[1] != len(data.frac_coords):
        return None
    shift = data.positions - data.frac_coords
    shift = shift - np.round(shift)
    return np.abs(shift - shift.mean(1, keepdims=True)).max((1, 2))


def _undecided(data: StressStrainData, forces: Float[np.ndarray, " n"], clamped: Bool[np.ndarray, " n"]) -> Bool[np.ndarray, " n"]:
    """Samples of small forces that clamped ions would have too: none by symmetry, or small ones in so small a strain."""
    strain = np.sqrt((data.green_lagrange_strain**2).sum((1, 2)))
    typical = float(np.median(forces[clamped] / np.maximum(strain[clamped], 1e-12)))
    small = ~clamped & (strain * typical < CLAMPED_FORCE)
    moved = _moved(data)
    for k in np.nonzero(~clamped & ~small)[0]:
        still = moved is None or moved[k] < UNMOVED
        small[k] = still and forces_vanish(data, data.F[k])
    return small


def forces_vanish(data: StressStrainData, F: Float[np.ndarray, "3 3"]) -> bool:
    """Whether symmetry leaves no force on any atom of the strained crystal with clamped ions.

    The operations that keep an atom of the strained cell in place leave the force on it unchanged; where they leave no vector unchanged,
    it is zero.

    Parameters
    ----------
    data : StressStrainData
    F : array (3, 3)
        Deformation gradient.

    Returns
    -------
    bool
    """
    if data.lattice is None or data.species is None or data.frac_coords is None:
        return False
    kinds = np.unique(data.species, return_inverse=True)[1]
    found = spglib.get_symmetry((data.lattice @ F.T, data.frac_coords, kinds), symprec=1e-4)
    if found is None:
        return False
    rotations, translations = found["rotations"], found["translations"]
    for place in data.frac_coords:
        moved = rotations @ place + translations - place
        keeping = np.abs(moved - np.round(moved)).max(1) < 1e-3
        if np.abs(rotations[keeping].mean(0)).max() > 1e-6:
            return False
    return True


def is_without_internal_freedom(data: StressStrainData) -> bool:
    """Whether every atom is a centre of inversion: strain keeps it one, so that clamped and relaxed ions are the same.

    Parameters
    ----------
    data : StressStrainData

    Returns
    -------
    bool
    """
    if data.frac_coords is None or data.species is None:
        return False
    frac, species = data.frac_coords, np.array(data.species)
    for centre in frac:
        images = 2 * centre - frac
        apart = images[:, None] - frac[None]
        same = (np.abs(apart - np.round(apart)).max(2) < 1e-4) & (species[:, None] == species[None])
        if not same.any(1).all():
            return False
    return True


def declared_clamped(data: StressStrainData) -> Bool[np.ndarray, " n"] | None:
    """Which samples the file declares clamped (``ions_by_sample``); None where it leaves a strained sample open.

    The unstrained cell is at rest either way, and goes with the others.

    Parameters
    ----------
    data : StressStrainData

    Returns
    -------
    bool array (n,) or None
    """
    values = (data.model_extra or {}).get("ions_by_sample")
    if not isinstance(values, list) or len(values) != len(data):
        return None
    strained = np.abs(data.green_lagrange_strain).max((1, 2)) > LARGEST_STRAIN_AT_REST
    known = np.array([value in ("clamped", "relaxed") for value in values])
    if not strained.any() or not known[strained].all():
        return None
    clamped = np.array([value == "clamped" for value in values])
    return np.where(strained, clamped, clamped[strained].mean() > 0.5)


def parallel_sets(data: StressStrainData) -> Bool[np.ndarray, " n"] | None:
    r"""Which samples are the clamped ones of strains that are present twice, clamped and relaxed; None where this is not seen.

    Relaxing the ions lowers the energy, and takes a positive semidefinite part off the stiffness:
    :math:`S_c - S_r = \Delta C : E` with :math:`\Delta C = \Lambda^T K^{-1} \Lambda`, K the force constants and Λ the internal
    strain of the ions (X. Wu, D. Vanderbilt, D. R. Hamann, Phys. Rev. B 72, 035105, 2005). A difference without such a rule is an
    outlier or a plain contradiction; one in proportion to the stress is a matter of units.

    Parameters
    ----------
    data : StressStrainData

    Returns
    -------
    bool array (n,) or None
    """
    one, two = _pairs(data)
    if contradicting(data, two, one).sum() < max(FEWEST_PAIRS, len(one) / 4):
        return None
    E = data.green_lagrange_strain
    S = data.stress("second_piola_kirchhoff")
    S = S * np.sign((S * E).sum())
    work = ((S[two] - S[one]) * E[one]).sum((1, 2))
    second = _in_blocks(work >= 0)
    stiffer, softer = np.where(second, two, one), np.where(second, one, two)
    x, difference = np.asarray(to_mandel(E[softer])), np.asarray(to_mandel(S[stiffer] - S[softer]))
    if not _is_relaxation(x, difference, np.asarray(to_mandel(S[softer]))) or not _costs_energy(data, stiffer, softer):
        return None
    clamped = np.zeros(len(data), dtype=bool)
    clamped[stiffer] = True
    return clamped


def _in_blocks(second: Bool[np.ndarray, " k"]) -> Bool[np.ndarray, " k"]:
    """The same choice for all pairs, where nearly all agree: one set stands before the other, and a disorder misleads a few."""
    share = float(second.mean()) if len(second) else 0.5
    return np.full(len(second), share > 0.5) if abs(share - 0.5) >= IN_BLOCKS - 0.5 else second


def _pairs(data: StressStrainData) -> tuple[Int[np.ndarray, " k"], Int[np.ndarray, " k"]]:
    """First and second sample of each F that is present exactly twice."""
    label = same_deformation(data.F)
    twice = np.nonzero(np.bincount(label) == 2)[0]
    members = np.argsort(label, kind="stable")
    members = members[np.isin(label[members], twice)].reshape(-1, 2)
    return members[:, 0], members[:, 1]


def _is_relaxation(x: Float[np.ndarray, "k 6"], difference: Float[np.ndarray, "k 6"], stress: Float[np.ndarray, "k 6"]) -> bool:
    """Whether the differences are a symmetric, positive semidefinite function of the strain, and no multiple of the stress."""
    factor = (difference * stress).sum() / max((stress * stress).sum(), 1e-300)
    size = float(np.linalg.norm(difference))
    if np.linalg.norm(difference - factor * stress) < PROPORTIONAL * size:
        return False
    rows, columns = np.triu_indices(6)
    units = np.zeros((21, 6, 6))
    units[np.arange(21), rows, columns] = units[np.arange(21), columns, rows] = 1.0
    A = np.einsum("kij,nj->nik", units, x).reshape(-1, 21)
    solution, _, rank, _ = np.linalg.lstsq(A, difference.ravel(), rcond=1e-6)
    free = A.shape[0] - int(rank)
    rest = float(np.linalg.norm(difference.ravel() - A @ solution)) * np.sqrt(A.shape[0] / max(free, 1))
    eigenvalues = np.linalg.eigvalsh(np.einsum("k,kij->ij", solution, units))
    return bool(free > 0 and rest < LINEAR * size and eigenvalues[0] > -NEGATIVE * eigenvalues[-1])


def _costs_energy(data: StressStrainData, stiffer: Int[np.ndarray, " k"], softer: Int[np.ndarray, " k"]) -> bool:
    """Whether the stiffer sample of a pair has the higher energy, where energies are known."""
    if data.W is None:
        return True
    size = (data.green_lagrange_strain[softer] ** 2).sum((1, 2))
    turned = float(np.sign((data.W[softer] * size).sum())) or 1.0
    above = (data.W[stiffer] - data.W[softer]) * turned
    return bool((above > -1e-3 * float(np.abs(data.W).mean())).mean() >= STIFFER)
