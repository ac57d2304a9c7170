"""Bulk crystals, slabs, wires and molecules distinguished, and neighbours found by the k-d tree against a plain count."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, fcc111, graphene, molecule, nanotube
from ase.spacegroup import crystal
from pymatgen.core import Lattice, Structure

from constitutive.errors import SymmetryError
from constitutive.symmetry import periodicity
from constitutive.symmetry.neighbours import neighbour_pairs


def graphite():
    return crystal(["C", "C"], [(0, 0, 0.25), (1 / 3, 2 / 3, 0.25)], spacegroup=194, cellpar=[2.46, 2.46, 6.71, 90, 90, 120])


def ice_like():
    """Separate water molecules 2.8 Å apart: a molecular crystal is a bulk crystal."""
    atoms = molecule("H2O")
    atoms.set_cell(np.diag([3.3, 3.1, 3.0]))
    atoms.pbc = True
    return atoms


def wire(vacuum):
    atoms = nanotube(4, 0, length=1, vacuum=vacuum)
    atoms.pbc = True
    return atoms


BULK = {
    "copper": bulk("Cu"),
    "caesium": bulk("Cs", "bcc", a=6.14),
    "xenon": bulk("Xe", "fcc", a=6.13),
    "graphite": graphite(),
    "strained graphite": graphite().copy(),
    "molecules": ice_like(),
    "silicon, large": bulk("Si", cubic=True).repeat(4),
    "zeolite-like pores": bulk("Si", cubic=True).repeat(3)[[k for k in range(216) if k not in range(60, 75)]],
}
BULK["strained graphite"].set_cell(graphite().cell.array @ np.diag([1, 1, 1.15]), scale_atoms=True)


@pytest.mark.parametrize("name", BULK)
def test_bulk_crystals(name):
    found = periodicity(BULK[name])
    assert found.is_bulk, found.sentence
    assert found.name == "bulk crystal"
    assert found.vacuum == ()


@pytest.mark.parametrize("vacuum", [4.0, 9.0])
@pytest.mark.parametrize("size", [(1, 1, 3), (3, 2, 4)])
def test_slabs(vacuum, size):
    slab = fcc111("Cu", size=size, vacuum=vacuum)
    slab.pbc = True
    for atoms in (slab, slab.repeat((1, 1, 2))):
        found = periodicity(atoms)
        assert (found.dimension, found.name) == (2, "slab")
        assert np.allclose(found.vacuum_directions, [[0, 0, 1]])
        assert found.vacuum[0] == pytest.approx(2 * vacuum, abs=1e-6)
        assert "Å of vacuum along [0 0 1]" in found.sentence


def test_a_slab_in_an_oblique_turned_cell_across_the_boundary():
    slab = fcc111("Cu", size=(1, 1, 3), vacuum=7.0)
    slab.positions[:, 2] += 9.0  # a part of the slab leaves the cell on top
    cell = slab.cell.array.copy()
    cell[2] += cell[0] - cell[1]
    slab.set_cell(cell)
    slab.rotate(40, (1, 2, 3), rotate_cell=True)
    slab.pbc = True
    normal = np.cross(slab.cell[0], slab.cell[1])
    found = periodicity(slab)
    assert found.dimension == 2
    assert abs(found.vacuum_directions[0] @ normal) == pytest.approx(np.linalg.norm(normal))
    assert found.vacuum[0] == pytest.approx(14.0, abs=1e-6)


def test_open_boundaries_and_layers():
    sheet = graphene(vacuum=8.0)
    assert not sheet.pbc[2]
    found = periodicity(sheet)
    assert (found.dimension, found.vacuum) == (2, (np.inf,))
    assert "open space" in found.sentence


def test_wires_and_molecules():
    found = periodicity(wire(6.0))
    assert (found.dimension, found.name) == (1, "wire")
    assert np.allclose(np.abs(found.periodic_directions), [[0, 0, 1]])
    assert min(found.vacuum) > 9
    water = molecule("H2O", vacuum=5.0)
    assert periodicity(water).dimension == 0
    water.pbc = True
    assert periodicity(water).dimension == 0
    assert periodicity(Atoms("He", positions=[[0, 0, 0]])).name == "molecule"


def test_control_thin_gaps_are_no_vacuum():
    for gap, dimension in ((1.5, 3), (6.0, 2)):
        slab = fcc111("Cu", size=(1, 1, 3), vacuum=gap)
        slab.pbc = True
        assert periodicity(slab).dimension == dimension


def test_structures_of_pymatgen_and_mixed_sites():
    alloy = Structure(Lattice.cubic(3.6), [{"Cu": 0.5, "Au": 0.5}, "Pd"], [[0, 0, 0], [0.5, 0.5, 0.5]])
    assert periodicity(alloy).is_bulk
    with pytest.raises(SymmetryError, match="no atoms"):
        periodicity(Atoms(cell=np.eye(3), pbc=True))


@pytest.mark.parametrize("seed", range(5))
def test_neighbours_are_those_of_a_plain_count(seed):
    rng = np.random.default_rng(seed)
    lattice, positions = np.diag([3.0, 4.0, 5.0]) + 0.8 * rng.normal(size=(3, 3)), 3 * rng.normal(size=(4, 3))
    pairs = neighbour_pairs(lattice, positions, 6.0)
    grid = np.stack(np.meshgrid(*[np.arange(-8, 9)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    wrapped = positions % 1.0
    vectors = (wrapped[None, :, None] + grid - wrapped[:, None, None]) @ lattice
    distance = np.linalg.norm(vectors, axis=-1)
    near = (distance < 6.0) & (distance > 1e-3)
    assert len(pairs.first) == near.sum()
    assert np.allclose(pairs.vector, (wrapped[pairs.second] + pairs.shift - wrapped[pairs.first]) @ lattice)
    order = np.argwhere(near)
    assert (np.column_stack([pairs.first, pairs.second]) == order[:, :2]).all()
    assert (pairs.shift == grid[order[:, 2]]).all()
