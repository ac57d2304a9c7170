"""Which groups the data may bear: Laue subgroups of the declared group, of the lattice, of cubic and hexagonal axes."""

from __future__ import annotations

from functools import lru_cache
from itertools import combinations

import numpy as np
from jaxtyping import Float, Int

from constitutive.data import StressStrainData
from constitutive.intake.series import Group
from constitutive.symmetry import PointGroup

_MADE: dict[bytes, Group] = {}


def group_of(rotations: Float[np.ndarray, "g 3 3"], symbol: str) -> Group:
    """The group with its invariants, made once in a process for each set of rotations."""
    key = np.round(rotations, 9).tobytes()
    if key not in _MADE:
        if len(_MADE) > 256:
            _MADE.clear()
        _MADE[key] = Group(rotations, symbol)
    return _MADE[key]


def declared_group(data: StressStrainData) -> Group | None:
    """Laue group of the structure, or of the declared symbol in its standard axes; None where there is neither."""
    if data.structure is not None:
        found = PointGroup.from_structure(data.structure)
    elif data.point_group is not None:
        found = PointGroup.from_symbol(data.point_group)
    else:
        return None
    return group_of(found.laue_rotations, found.laue_class)


def group_option(data: StressStrainData, group: Group | None) -> str:
    """The option of `convert` that declares a group: its symbol for standard axes, else only a structure has its orientation."""
    standard = group is not None and _key(group.rotations) == _key(np.asarray(PointGroup.from_symbol(group.symbol).laue_rotations))
    return f"--point-group {group.symbol}" if group is not None and standard and data.lattice is None else "--reference STRUCTURE"


def lattice_by_columns(data: StressStrainData) -> StressStrainData | None:
    """The data with the reference cell transposed, where the structure is more symmetric so; None where it is not."""
    given = declared_group(data)
    if data.lattice is None or given is None or np.allclose(data.lattice, data.lattice.T):
        return None
    turned = data.replace(lattice=data.lattice.T.copy(), point_group=None)
    other = declared_group(turned)
    return turned if other is not None and other.order > given.order else None


def candidate_groups(data: StressStrainData) -> list[Group]:
    """All groups worth trying, the largest first, without repetition."""
    frames = [PointGroup.from_symbol("m-3m"), PointGroup.from_symbol("6/mmm")]
    turn = np.array([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]])
    frames.append(PointGroup.from_symbol("6/mmm").rotated(turn))
    if data.structure is not None:
        frames.insert(0, PointGroup.from_structure(_bare_lattice(data)))
    declared = declared_group(data)
    parents = [np.asarray(frame.laue_rotations) for frame in frames]
    parents = ([declared.rotations] if declared is not None else []) + parents
    found: dict[bytes, Group] = {} if declared is None else {_key(declared.rotations): declared}
    for parent in parents:
        for members in subgroups(multiplication_table(parent)):
            rotations = parent[list(members)]
            key = _key(rotations)
            if key not in found:
                found[key] = group_of(rotations, laue_symbol(rotations))
    return sorted(found.values(), key=lambda group: -group.order)


_IRRATIONAL = np.sqrt(np.array([2.0, 3, 5, 7, 11, 13, 17, 19, 23]))  # tells rotations apart by one number


def _key(rotations: Float[np.ndarray, "g 3 3"]) -> bytes:
    """The same bytes for the same rotations in any order."""
    return (np.round(np.sort(rotations.reshape(len(rotations), 9) @ _IRRATIONAL), 4) + 0.0).tobytes()


def _bare_lattice(data: StressStrainData):
    from pymatgen.core import Lattice, Structure

    return Structure(Lattice(data.lattice), ["X"], [[0, 0, 0]])


@lru_cache(maxsize=1024)
def _symbol_of_orders(orders: tuple[tuple[int, int], ...]) -> str:
    table = {
        ((1, 1),): "-1",
        ((1, 1), (2, 1)): "2/m",
        ((1, 1), (2, 3)): "mmm",
        ((1, 1), (2, 1), (4, 2)): "4/m",
        ((1, 1), (2, 5), (4, 2)): "4/mmm",
        ((1, 1), (3, 2)): "-3",
        ((1, 1), (2, 3), (3, 2)): "-3m",
        ((1, 1), (2, 1), (3, 2), (6, 2)): "6/m",
        ((1, 1), (2, 7), (3, 2), (6, 2)): "6/mmm",
        ((1, 1), (2, 3), (3, 8)): "m-3",
        ((1, 1), (2, 9), (3, 8), (4, 6)): "m-3m",
    }
    return table.get(orders, "")


def laue_symbol(rotations: Float[np.ndarray, "g 3 3"]) -> str:
    """Laue class of a group of rotations, by how many there are of each order (these counts tell the 11 classes apart)."""
    angles = np.arccos(np.clip((np.trace(rotations, axis1=1, axis2=2) - 1) / 2, -1, 1))
    orders = np.where(angles < 1e-6, 1, np.round(2 * np.pi / np.maximum(angles, 1e-6)))
    values, counts = np.unique(orders.astype(int), return_counts=True)
    return _symbol_of_orders(tuple((int(v), int(c)) for v, c in zip(values, counts, strict=True)))


def multiplication_table(rotations: Float[np.ndarray, "g 3 3"]) -> Int[np.ndarray, "g g"]:
    """Multiplication table of a group of rotations."""
    products = np.einsum("aij,bjk->abik", rotations, rotations)
    distance = np.abs(products[:, :, None] - rotations[None, None]).max((3, 4))
    return distance.argmin(2)


def subgroups(table: Int[np.ndarray, "g g"]) -> set[frozenset[int]]:
    """All subgroups generated by up to two elements; of a group of rotations of a lattice these are all subgroups."""
    found: set[frozenset[int]] = set()
    for pair in [(i, i) for i in range(len(table))] + list(combinations(range(len(table)), 2)):
        members = set(pair)
        while True:
            grown = members | {int(table[a, b]) for a in members for b in members}
            if grown == members:
                break
            members = grown
        found.add(frozenset(members))
    return found
