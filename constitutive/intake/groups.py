"""Which groups the data may have: Laue subgroups of the declared group, of the lattice, of cubic and hexagonal axes."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from jaxtyping import Float

from constitutive.data import StressStrainData
from constitutive.errors import SymmetryError
from constitutive.fitting.polynomial_basis import LaueGroup
from constitutive.symmetry import PointGroup
from constitutive.symmetry.operations import identify
from constitutive.symmetry.structures import Cell, cell_of_elements
from constitutive.symmetry.subgroups import subgroup_indices
from constitutive.symmetry.tables import LIMIT_GROUPS, POINT_GROUPS

_MADE: dict[bytes, LaueGroup] = {}


def group_of(rotations: Float[np.ndarray, "g 3 3"], symbol: str) -> LaueGroup:
    """The group with its invariants, made once in a process for each set of rotations.

    Parameters
    ----------
    rotations : array (g, 3, 3)
        Proper, Cartesian.
    symbol : str
        Of the Laue class.

    Returns
    -------
    LaueGroup
    """
    key = np.round(rotations, 9).tobytes()
    if key not in _MADE:
        if len(_MADE) > 256:
            _MADE.clear()
        _MADE[key] = LaueGroup(rotations, symbol)
    return _MADE[key]


def declared_group(data: StressStrainData) -> LaueGroup | None:
    """Laue group of the structure, or of the declared symbol in its standard axes; None where there is neither.

    Parameters
    ----------
    data : StressStrainData

    Returns
    -------
    LaueGroup or None
    """
    crystal = data.crystal
    if crystal is not None:
        found = _group_of_cell(crystal) if isinstance(crystal, Cell) else PointGroup.from_structure(crystal)
    elif data.point_group is not None:
        found = PointGroup.from_symbol(data.point_group)
    else:
        return None
    return group_of(found.laue_rotations, found.laue_class)


def _group_of_cell(cell: Cell) -> PointGroup:
    """Point group of a cell, found once for all selections of its samples."""
    return _group_of_arrays(cell.lattice.tobytes(), cell.names, cell.positions.tobytes(), cell.kinds.tobytes())


@lru_cache(maxsize=16)
def _group_of_arrays(lattice: bytes, names: tuple[str, ...], positions: bytes, kinds: bytes) -> PointGroup:
    numbers = np.frombuffer(kinds, dtype=np.int32)
    return PointGroup.from_structure(cell_of_elements(_rows(lattice), [names[k - 1] for k in numbers], _rows(positions)))


def _rows(numbers: bytes) -> Float[np.ndarray, "n 3"]:
    return np.frombuffer(numbers).reshape(-1, 3)


def group_option(data: StressStrainData, group: LaueGroup | None) -> str:
    """The option of `convert` that declares a group: its symbol for standard axes, else only a structure has its orientation.

    Parameters
    ----------
    data : StressStrainData
    group : LaueGroup, optional

    Returns
    -------
    str
    """
    standard = group is not None and _key(group.rotations) == _key(np.asarray(PointGroup.from_symbol(group.symbol).laue_rotations))
    return f"--point-group {group.symbol}" if group is not None and standard and data.lattice is None else "--reference STRUCTURE"


def lattice_by_columns(data: StressStrainData) -> StressStrainData | None:
    """The data with the reference cell transposed, where the structure is more symmetric so; None where it is not.

    Parameters
    ----------
    data : StressStrainData

    Returns
    -------
    StressStrainData or None
    """
    given = declared_group(data)
    if data.lattice is None or given is None or np.allclose(data.lattice, data.lattice.T):
        return None
    turned = data.replace(lattice=data.lattice.T.copy(), point_group=None)
    other = declared_group(turned)
    return turned if other is not None and other.order > given.order else None


def candidate_groups(data: StressStrainData) -> list[LaueGroup]:
    """All groups to be tried, the largest first, without repetition.

    Parameters
    ----------
    data : StressStrainData

    Returns
    -------
    list of LaueGroup
    """
    frames = [PointGroup.from_symbol("m-3m"), PointGroup.from_symbol("6/mmm")]
    turn = np.array([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]])
    frames.append(PointGroup.from_symbol("6/mmm").rotated(turn))
    if data.lattice is not None:
        frames.insert(0, PointGroup.from_structure(_bare_lattice(data.lattice)))
    declared = declared_group(data)
    parents = [np.asarray(frame.laue_rotations) for frame in frames]
    if declared is not None and declared.symbol not in LIMIT_GROUPS:  # the finite stand-in of a limiting group has no crystal's subgroups
        parents.insert(0, declared.rotations)
    found: dict[bytes, LaueGroup] = {} if declared is None else {_key(declared.rotations): declared}
    for parent in parents:
        for members in subgroup_indices(parent):
            rotations = parent[sorted(members)]
            key = _key(rotations)
            if key not in found:
                found[key] = group_of(rotations, laue_symbol(rotations))
    return sorted(found.values(), key=lambda group: -group.order)


_IRRATIONAL = np.sqrt(np.array([2.0, 3, 5, 7, 11, 13, 17, 19, 23]))  # distinguishes rotations by one number


def _key(rotations: Float[np.ndarray, "g 3 3"]) -> bytes:
    """The same bytes for the same rotations in any order."""
    return (np.round(np.sort(rotations.reshape(len(rotations), 9) @ _IRRATIONAL), 4) + 0.0).tobytes()


def _bare_lattice(lattice: Float[np.ndarray, "3 3"]) -> Cell | None:
    """One atom of any kind at every point of the lattice."""
    return cell_of_elements(lattice, ["H"], np.zeros((1, 3)))


def laue_symbol(rotations: Float[np.ndarray, "g 3 3"]) -> str:
    """Laue class of a group of rotations; the limiting group, or the order, of one that no crystal has.

    Parameters
    ----------
    rotations : array (g, 3, 3)

    Returns
    -------
    str
    """
    try:
        return POINT_GROUPS[identify(rotations)].laue
    except SymmetryError:
        return {entry.order // 2: name for name, entry in LIMIT_GROUPS.items()}.get(len(rotations), f"a group of order {len(rotations)}")
