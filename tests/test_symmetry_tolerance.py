"""The group against tolerance, and strained cells."""

import numpy as np
import pytest
from ase.build import bulk
from ase.spacegroup import crystal
from crystal_cases import EXACT, unimodular, with_basis
from pymatgen.core import Structure

from constitutive.errors import SymmetryError
from constitutive.symmetry import (
    cell_condition,
    find_symmetry,
    random_crystal,
    scan_tolerances,
)
from constitutive.symmetry import operations as ops


def test_the_scan_of_an_exact_crystal_is_one_plateau(rutile):
    scan = scan_tolerances(rutile)
    assert scan.plateau == (1e-5, 0.3)
    assert scan.steady
    assert {step.point_group for step in scan.steps} == {"4/mmm"}
    assert "well inside" in scan.sentence


def test_noise_is_seen_below_the_default():
    silicon = bulk("Si", cubic=True)
    silicon.rattle(1e-3, seed=1)
    scan = scan_tolerances(silicon)
    assert scan.point_group == "m-3m"
    assert not scan.steady
    assert "just below" in scan.sentence
    assert "noise" in scan.sentence


def test_pseudo_symmetry_is_seen_above_the_default():
    """Tetragonal BaTiO3 with its shifts cut to a fifth is cubic at 0.03 Å and more."""
    small = crystal(
        ["Ba", "Ti", "O", "O"],
        [(0, 0, 0), (0.5, 0.5, 0.504), (0.5, 0.5, -0.004), (0.5, 0, 0.497)],
        spacegroup=99,
        cellpar=[4.0, 4.0, 4.006, 90, 90, 90],
    )
    scan = scan_tolerances(small)
    assert scan.point_group == "4mm"
    assert "just above" in scan.sentence
    assert "pseudo-symmetry" in scan.sentence
    assert scan_tolerances(small, symprec=1e-3).steady  # control: far below the jump there is no remark


def test_tolerances_at_which_spglib_fails_are_left_out():
    close = Structure(np.eye(3) * 4, ["H", "H"], [[0, 0, 0], [0, 0, 0.05]])
    assert scan_tolerances(close).steps[-1].symprec < 0.3
    with pytest.raises(SymmetryError, match="closest atoms"):
        scan_tolerances(close, symprec=0.3)


@pytest.mark.parametrize("strain", [2e-4, 1e-3])
def test_a_strained_cell_is_recognised(strain):
    silicon = bulk("Si", cubic=True)
    silicon.set_cell(silicon.cell.array @ np.diag([1, 1, 1 + strain]), scale_atoms=True)
    report = find_symmetry(silicon)
    condition = cell_condition(report)
    assert report.point_group.symbol == "m-3m"
    assert condition.strained
    assert condition.orthogonality_error == pytest.approx(2 * strain, rel=0.05)
    assert condition.largest_strain == pytest.approx(2 / 3 * strain, rel=0.05)
    assert "4/mmm" in condition.sentence
    assert ops.orthogonality_error(report.point_group.operations) < EXACT  # those returned are exact all the same


@pytest.mark.parametrize("number", [1, 5, 62, 82, 152, 166, 176, 216, 227])
def test_an_exact_cell_is_called_exact(number):
    condition = cell_condition(find_symmetry(with_basis(random_crystal(number).cell, unimodular(number))))
    assert not condition.strained
    assert condition.closed
    assert condition.largest_strain < 1e-10
