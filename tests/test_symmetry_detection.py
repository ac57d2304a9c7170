"""Point groups of structures in all 230 space groups, whatever the cell; each with a control that must fail."""

import numpy as np
import pytest
from ase.build import bulk
from crystal_cases import EXACT, MIRROR, as_structure, rotation, unimodular, with_basis
from pymatgen.core import Structure

from constitutive.symmetry import (
    PointGroup,
    enantiomorph_number,
    find_symmetry,
    random_crystal,
)
from constitutive.symmetry import operations as ops


@pytest.mark.parametrize("number", range(1, 231))
def test_every_space_group_in_every_cell(number):
    """As is, in a 1×1×2 supercell and in another basis, each turned; and in a mirrored, left-handed cell."""
    made = random_crystal(number)
    R = rotation(number)
    wanted = made.point_group.rotated(R)
    for M in (np.eye(3, dtype=int), np.diag([1, 1, 2]), unimodular(number)):
        found = find_symmetry(with_basis(made.cell, M, matrix=R))
        operations = found.point_group.operations
        assert (found.point_group.symbol, found.space_group_number) == (wanted.symbol, number)
        assert np.abs(operations[:, None] - wanted.operations[None]).max(axis=(2, 3)).min(axis=1).max() < 1e-8
        assert ops.orthogonality_error(operations) < EXACT
        assert ops.same_set(operations, ops.generate(found.point_group.generators))
    mirrored = find_symmetry(as_structure(with_basis(made.cell, unimodular(number + 1), matrix=R @ MIRROR)))
    image = R @ MIRROR @ made.point_group.operations @ MIRROR @ R.T
    assert mirrored.point_group == PointGroup.from_operations(image)
    assert mirrored.space_group_number == enantiomorph_number(number)


def test_the_operations_that_spglib_lists_for_a_cell_fail_the_same_test():
    """Control: silicon in a 1×1×2 cell keeps 16 of its 48 operations in spglib's own list, ours all."""
    silicon = bulk("Si").repeat((1, 1, 2))
    report = find_symmetry(silicon)
    assert report.point_group.symbol == "m-3m"
    assert len(report.raw_operations) < 48
    with pytest.raises(AssertionError):
        assert ops.same_set(report.raw_operations, report.point_group.operations)


def test_a_left_handed_cell_is_the_same_crystal():
    made = random_crystal(152).cell
    swapped = Structure(made.lattice[[1, 0, 2]], [made.names[k - 1] for k in made.kinds], made.positions[:, [1, 0, 2]])
    assert np.linalg.det(swapped.lattice.matrix) < 0
    assert find_symmetry(swapped).point_group == find_symmetry(as_structure(made)).point_group
    assert find_symmetry(swapped).space_group_number == 152
