"""LAMMPS: real runs in metal and real units, log against dump against ASE."""

import ase.io
import numpy as np
import pytest
from ase import Atoms
from ase import units as ase_units
from reader_cases import GOLDEN, REAL, frames

from constitutive.errors import DataError
from constitutive.readers import ReadOptions, convert
from constitutive.readers.convert import read_frames


@pytest.mark.parametrize(("stem", "options"), [("si_metal", ReadOptions()), ("ar_real", REAL)])
def test_lammps_log_and_dump_agree(stem, options):
    log, dump = frames(f"{stem}.log", options), frames(f"{stem}.dump", options)
    assert len(log) == len(dump) > 1
    for one, other in zip(log, dump, strict=True):
        np.testing.assert_allclose(one.cell, other.cell, atol=2e-5)
        np.testing.assert_allclose(one.stress, other.stress, atol=2e-6)
        assert one.energy == pytest.approx(other.energy, abs=1e-6)


def test_lammps_joined_is_the_log():
    joined = convert([GOLDEN / "si_metal.log", GOLDEN / "si_metal.dump"])
    alone = convert([GOLDEN / "si_metal.log"])
    assert len(joined) >= len(alone)
    for F, stress in zip(alone.F, alone.cauchy, strict=True):
        match = np.abs(joined.F - F).max((1, 2)) < 1e-5
        assert np.abs(joined.cauchy[match] - stress).max((1, 2)).min() < 1e-9


def test_lammps_stress_against_ase_potential():
    """The argon cell computed again by ASE's own Lennard-Jones."""
    from ase.calculators.lj import LennardJones

    frame = frames("ar_real.dump", REAL)[-1]
    atoms = Atoms("Ar4", cell=frame.cell, scaled_positions=frame.frac, pbc=True)
    atoms.calc = LennardJones(epsilon=0.238 * ase_units.kcal / ase_units.mol, sigma=3.405, rc=12.0, smooth=False)
    np.testing.assert_allclose(frame.stress, atoms.get_stress(voigt=False) / ase_units.GPa, atol=2e-5)
    metal = read_frames(GOLDEN / "ar_real.dump", "lammps-dump", ReadOptions(lammps_units="metal"))[-1]
    assert np.abs(metal.stress - frame.stress).max() > 1e-4  # control: bar is not atm


def test_lammps_dump_against_ase():
    ours = frames("si_metal.dump")
    theirs = ase.io.read(GOLDEN / "si_metal.dump", index=":", format="lammps-dump-text")
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a.cell, b.cell[:], atol=1e-9)
        np.testing.assert_allclose(a.forces, b.get_forces(), atol=1e-9)


def test_lammps_units_are_required():
    with pytest.raises(DataError, match="lammps-units"):
        convert([GOLDEN / "ar_real.dump"])


def test_lammps_log_without_cell(tmp_path):
    text = (GOLDEN / "si_metal.log").read_text().replace("Lx", "c1")
    (tmp_path / "x.log").write_text(text)
    with pytest.raises(DataError, match="no lx in the thermo output"):
        convert([tmp_path / "x.log"])
