"""ASE: trajectories and extended XYZ."""

import ase.io
import numpy as np
import pytest
from ase import Atoms
from ase import units as ase_units
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.calculators.singlepoint import SinglePointCalculator
from reader_cases import strained_copper

from constitutive.errors import DataError
from constitutive.readers import convert


@pytest.fixture(scope="module")
def copper():
    return strained_copper()


@pytest.mark.parametrize("name", ["cu.traj", "cu.extxyz"])
def test_ase_files(copper, tmp_path, name):
    ase.io.write(tmp_path / name, copper)
    data = convert([tmp_path / name])
    assert len(data) == 6
    for k, atoms in enumerate(copper):
        np.testing.assert_allclose(data.cauchy[k], atoms.get_stress(voigt=False) / ase_units.GPa, atol=1e-6)
        np.testing.assert_allclose(data.lattice @ data.F[k].T, atoms.cell[:], atol=1e-7)
    energy = np.array([a.get_potential_energy() for a in copper])
    np.testing.assert_allclose(data.W, (energy - energy[0]) / copper[0].get_volume() / ase_units.GPa, atol=1e-7)
    assert data.forces.shape == (6, 4, 3)


@pytest.mark.parametrize("key", ["virial", "REF_virial", "REF_stress", "stress"])
def test_extxyz_names(copper, tmp_path, key):
    lines = []
    for atoms in copper:
        plain = Atoms(atoms.symbols, atoms.positions, cell=atoms.cell, pbc=True)
        sigma = atoms.get_stress(voigt=False)
        plain.info[key] = -sigma * atoms.get_volume() if "virial" in key else sigma
        plain.info["REF_energy"] = atoms.get_potential_energy()
        lines.append(plain)
    ase.io.write(tmp_path / "x.extxyz", lines, format="extxyz")
    data = convert([tmp_path / "x.extxyz"])
    np.testing.assert_allclose(data.cauchy[3], copper[3].get_stress(voigt=False) / ase_units.GPa, atol=1e-6)
    assert data.W[3] > 0


def test_extxyz_without_stress_in_one_frame(copper, tmp_path):
    plain = Atoms(copper[1].symbols, copper[1].positions, cell=copper[1].cell, pbc=True)
    ase.io.write(tmp_path / "x.extxyz", [copper[0], plain], format="extxyz")
    with pytest.raises(DataError, match="frame 1: found neither stress nor virial"):
        convert([tmp_path / "x.extxyz"])


def test_extxyz_with_contradicting_virial(copper, tmp_path):
    atoms = Atoms(copper[1].symbols, copper[1].positions, cell=copper[1].cell, pbc=True)
    atoms.info["REF_virial"] = copper[1].get_stress(voigt=False) * atoms.get_volume()  # the sign is wrong
    atoms.calc = SinglePointCalculator(atoms, stress=copper[1].get_stress())
    ase.io.write(tmp_path / "x.extxyz", atoms, format="extxyz")
    with pytest.raises(DataError, match="contradict"):
        convert([tmp_path / "x.extxyz"])


def test_another_crystal_is_refused(copper, tmp_path):
    other = bulk("Ag", cubic=True)
    other.calc = EMT()
    other.get_stress()
    ase.io.write(tmp_path / "x.traj", [copper[0], other])
    with pytest.raises(DataError, match="state 1: found atoms Ag4, needed Cu4"):
        convert([tmp_path / "x.traj"])


def test_conversion_against_a_reference(copper, tmp_path):
    ase.io.write(tmp_path / "ref.traj", copper[0])
    ase.io.write(tmp_path / "rest.traj", copper[1:])
    whole = tmp_path / "all.traj"
    ase.io.write(whole, copper)
    apart = convert([tmp_path / "rest.traj"], reference=tmp_path / "ref.traj")
    np.testing.assert_allclose(apart.F, convert([whole]).F[1:])
    np.testing.assert_allclose(apart.W, convert([whole]).W[1:])
