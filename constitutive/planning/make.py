"""From a crystal to a plan."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from constitutive.data.plan import MOMENTS_LEFT_OUT, Plan
from constitutive.errors import DataError
from constitutive.kinematics import right_stretch
from constitutive.planning.regions import Ball, Region, sobol
from constitutive.planning.strains import strains_for_constants, strains_for_law
from constitutive.symmetry import PointGroup
from constitutive.symmetry.structures import AnyStructure, has_moments, of_elements, read_structure
from constitutive.symmetry.vacuum import periodicity
from constitutive.tensors.packing import from_mandel

SIZES = {"law": 0.08, 2: 0.005, 3: 0.02}  # largest |E| where none is stated


def make_plan(
    structure: AnyStructure,
    count: int | None = None,
    *,
    size: float | None = None,
    region: Region | None = None,
    constants: int | None = None,
    field: float | None = None,
    polarization: float | None = None,
    seed: int = 0,
    name: str = "",
    symprec: float = 0.01,
) -> Plan:
    """Strains of a crystal whose stresses are worth computing.

    Parameters
    ----------
    structure : path, Structure or Atoms
        The relaxed reference cell.
    count : int
        Number of strains, the reference included; 50 by default for a law, as few as suffice for constants.
    size : float
        Largest norm |E| of the Green–Lagrange strain; 0.08 for a law, 0.005 and 0.02 for constants of order 2 and 3.
    region : Region
        Instead of ``size``: a box, or strains that a solve visited.
    constants : {2, 3}
        Plan for the elastic constants of this order instead of a law.
    field : float
        Largest electric field |E₀| (GV/m): each strain but the first few has one, uniform in the volume of that ball.
    polarization : float
        Largest polarisation |P₀| (C/m²), instead of a field.
    seed : int
        Of the low-discrepancy points.
    name : str
        Of the data set; by default the chemical formula.
    symprec : float
        Tolerance of the symmetry search, Å.

    Returns
    -------
    Plan

    Raises
    ------
    DataError
        The size is not between 0 and 0.4, both a size and a region are given or a region for constants, the cell holds a slab, wire or
        molecule in vacuum, or so many strains can't do what is asked.
    SymmetryError
        The structure has no symmetry that can be found, or an element has several charges.

    Examples
    --------
    >>> from constitutive.symmetry import quartz
    >>> plan = make_plan(quartz("right"), constants=2)
    >>> plan.point_group, len(plan)
    ('32', 5)
    """
    given = read_structure(structure)
    crystal = of_elements(given)
    space = periodicity(crystal)
    if space.dimension < 3:
        raise DataError(f"plan: found a cell that is periodic in {space.dimension} directions only, with vacuum; needed a bulk crystal")
    group = PointGroup.from_structure(crystal, symprec=symprec)
    if size is not None and region is not None:
        raise DataError("plan: found a size and a region; needed one of them: the region states its own size")
    if region is not None and constants is not None:
        raise DataError("plan: found a region (--box, --visited) for constants; needed a size: their strains are pairs of one length")
    if constants not in (None, 2, 3):
        raise DataError(f"plan: found order {constants} of the constants; needed 2 or 3")
    for name_of, value in (("field", field), ("polarization", polarization)):
        if value is not None and not (np.isfinite(value) and value > 0):
            raise DataError(f"plan: found {name_of} {value}; needed a positive number")
    if (field is not None and polarization is not None) or (constants is not None and (field or polarization)):
        raise DataError("plan: found two of field, polarization and constants; needed one of them")
    largest = region.size if region is not None else (size if size is not None else SIZES[constants or "law"])
    where = region or Ball(largest)
    if constants is None:
        x = strains_for_law(group.laue_rotations, 50 if count is None else count, where, seed)
    else:
        x = strains_for_constants(group.laue_rotations, constants, largest, seed, count=None if count is None else count - 1)
    return Plan(
        structure=crystal,
        F=stretch_of(x),
        point_group=group.symbol,
        purpose="law" if constants is None else "constants",
        size=float(largest),
        seed=seed,
        name=name or crystal.composition.reduced_formula,
        settings=({} if constants is None else {"order": constants}) | ({MOMENTS_LEFT_OUT: True} if has_moments(given) else {}),
        electric_field=None if field is None else _vectors(len(x), field, seed),
        polarization=None if polarization is None else _vectors(len(x), polarization, seed),
    )


def _vectors(count: int, size: float, seed: int) -> Float[np.ndarray, "count 3"]:
    """Vectors uniform in the volume of a ball; those of the first strain, the reference, and of every eighth are zero."""
    from scipy.special import ndtri  # deferred: only plans of fields need it

    u = sobol(count, 4, seed + 2)
    normal = ndtri(u[:, :3])
    vectors = normal * (size * np.cbrt(u[:, 3]) / np.linalg.norm(normal, axis=1))[:, None]
    vectors[::8] = 0.0
    return np.asarray(vectors)


def stretch_of(x: Float[np.ndarray, "n 6"]) -> Float[np.ndarray, "n 3 3"]:
    """Symmetric deformation gradients F = √(I + 2E).

    Parameters
    ----------
    x
        Green–Lagrange strains, Mandel.

    Returns
    -------
    Stretches without rotation.

    Raises
    ------
    DataError
        A strain compresses a direction to nothing.
    """
    E = np.asarray(from_mandel(x))
    if np.linalg.eigvalsh(np.eye(3) + 2 * E).min() <= 0.1:
        raise DataError("plan: found a strain that compresses a direction below a third of its length; needed smaller strains")
    return right_stretch(E)
