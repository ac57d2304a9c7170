"""Large cells: what is decided without a search by spglib, and that it is what spglib would find."""

from dataclasses import fields, replace

import numpy as np
import pytest
import spglib
from ase.build import bulk
from pymatgen.core import Structure

from constitutive.errors import SymmetryError
from constitutive.symmetry import dataset as search
from constitutive.symmetry import find_symmetry, quartz, random_crystal, read_cell, scan_tolerances, tolerance_scan
from constitutive.symmetry.operation_search import lattice_rotations, search_operations, surroundings
from constitutive.symmetry.translations import averaged, largest_displacement, pure_translations, spglib_overlays


def displaced(atoms, size, seed=0):
    moved = atoms.copy()
    moved.rattle(size, seed=seed)
    return read_cell(moved)


@pytest.fixture
def searched(monkeypatch):
    """Positions that spglib was given to search, call by call."""
    calls, original = [], spglib.get_symmetry_dataset

    def counted(cell, **options):
        calls.append(np.array(cell[1]))
        return original(cell, **options)

    monkeypatch.setattr(spglib, "get_symmetry_dataset", counted)
    return calls


def test_a_displaced_supercell_is_scanned_without_searching_it(searched):
    cell = displaced(bulk("Si", cubic=True).repeat((3, 3, 3)), 0.03, seed=9)
    scan = scan_tolerances(find_symmetry(cell))
    assert [step.space_group for step in scan.steps] == ["P1"] * 9 + ["Fd-3m"]
    assert scan.plateau == (1e-5, 0.1)
    assert scan.unscanned == ()
    assert len(searched) <= 6
    assert not any(np.array_equal(positions, cell.positions) for positions in searched)


def test_spglib_alone_finds_another_group_in_a_small_one():
    """Control: the rounded basis of the translations is wrong, and spglib lowers its tolerance."""
    cell = displaced(bulk("Cu").repeat((4, 4, 2)), 0.03, seed=3)
    assert not spglib_overlays(cell, pure_translations(cell, 0.3), 0.3)
    found = search.call(spglib.get_symmetry_dataset, cell.spglib, symprec=0.3)[0]
    assert found is None or found.number != 225


@pytest.mark.parametrize("seed", [2, 3, 5, 8])
def test_small_metal_supercells_keep_their_group_under_noise(seed):
    """spglib alone finds groups of lower symmetry in all of these but the first."""
    cell = displaced(bulk("Cu").repeat((4, 4, 2)), 0.03, seed)
    report = find_symmetry(cell, 0.3)
    assert report.space_group == "Fm-3m"
    assert len(report.centres) == 1


def test_translations_are_exact_and_the_average_has_them():
    atoms = bulk("NaCl", "rocksalt", a=5.64, cubic=True).repeat((3, 2, 2))
    cell = displaced(atoms, 0.02)
    found = pure_translations(cell, 0.2)
    assert len(found.images) == 48
    assert np.abs(found.shift * 12 - np.rint(found.shift * 12)).max() < 1e-12
    mean, exact = averaged(cell, found), read_cell(atoms)
    off = mean.positions - exact.positions
    off = (off - np.rint(off)) @ cell.lattice
    spread = np.stack([np.ptp(off[cell.kinds == kind], axis=0) for kind in (1, 2)])
    assert spread.max() < 1e-12  # each of the two atoms is off by one vector, the mean of its displacements
    assert largest_displacement(cell, found) < 0.1
    assert pure_translations(cell, 1e-3) is None  # control: below the noise there are none


def test_cells_that_spglib_overlays_are_left_to_it(searched):
    atoms = bulk("NaCl", "rocksalt", a=5.64, cubic=True).repeat((3, 2, 2))
    cell = displaced(atoms, 1e-3)
    assert spglib_overlays(cell, pure_translations(cell, 0.01), 0.01)
    assert find_symmetry(cell).space_group == "Fm-3m"
    assert len(searched) == 1
    assert np.array_equal(searched[0], cell.positions)


@pytest.mark.parametrize("seed", range(4))
def test_p1_by_elimination_is_what_spglib_finds(monkeypatch, seed):
    monkeypatch.setattr(search, "_MANY_ATOMS", 0)
    rng = np.random.default_rng(seed)
    crystal = random_crystal((1, 3, 62, 166)[seed]).cell
    cell = replace(crystal, positions=crystal.positions + 0.01 * rng.normal(size=crystal.positions.shape))
    ours, theirs = search.spglib_dataset(cell, 1e-3), search.call(spglib.get_symmetry_dataset, cell.spglib, symprec=1e-3)[0]
    assert type(ours) is not type(theirs)
    for field in fields(ours):
        assert np.array_equal(getattr(ours, field.name), getattr(theirs, field.name)), field.name


@pytest.mark.parametrize("number", [2, 19, 82, 152, 199, 221])
def test_operations_of_a_crystal_are_not_eliminated(number):
    crystal = random_crystal(number)
    found = search_operations(crystal.cell, 1e-3)
    order = len(search.call(spglib.get_symmetry, crystal.cell.spglib, symprec=1e-3)[0]["rotations"])
    assert found.complete
    assert found.left == order - 1


def test_a_vacancy_keeps_the_operations_of_its_site():
    atoms = bulk("Si", cubic=True).repeat((3, 3, 3))
    del atoms[100]
    cell = read_cell(atoms)
    found = search_operations(cell, 0.01)
    assert (found.left, found.complete, found.is_group) == (23, True, True)
    kinds = surroundings(cell, 0.01)
    assert sorted(np.bincount(kinds)) == [4, 211]
    assert find_symmetry(cell).point_group.symbol == "-43m"


def test_rotations_of_a_lattice_are_those_of_its_shape():
    assert [len(lattice_rotations(np.diag(shape), 1e-3)) for shape in ((4.0, 4.0, 4.0), (4.0, 4.0, 5.0), (4.0, 5.0, 6.0))] == [48, 16, 8]
    hexagonal = np.array([[3.0, 0, 0], [-1.5, 1.5 * np.sqrt(3), 0], [0, 0, 5.0]])
    skew = np.array([[1, 0, 0], [2, 1, 0], [0, -3, 1]]) @ hexagonal
    assert len(lattice_rotations(skew, 1e-3)) == 24
    assert (np.abs(np.linalg.det(lattice_rotations(skew, 1e-3))).round(9) == 1).all()


def test_atoms_closer_than_the_tolerance_are_still_refused(monkeypatch):
    monkeypatch.setattr(search, "_MANY_ATOMS", 0)
    close = Structure(np.diag([4.0, 5.0, 6.0]), ["H", "H", "He", "Li"], [[0, 0, 0], [0, 0, 0.04], [0.1, 0.3, 0.6], [0.4, 0.2, 0.3]])
    with pytest.raises(SymmetryError, match="closest atoms"):
        find_symmetry(close, 0.3)


def test_tolerances_at_which_the_search_is_too_long_are_named(monkeypatch):
    monkeypatch.setattr(search, "_MANY_ATOMS", 0)
    monkeypatch.setattr(tolerance_scan, "MOST_COMPARISONS", 0.0)
    scan = scan_tolerances(quartz())
    assert [step.symprec for step in scan.steps] == [0.01]
    assert scan.plateau == (0.01, 0.01)
    assert scan.unscanned == (1e-5, 3e-5, 1e-4, 3e-4, 1e-3, 3e-3, 3e-2, 1e-1, 3e-1)
    assert "Not scanned, since the search among 9 atoms takes too long there: 1e-05, 3e-05" in scan.sentence
