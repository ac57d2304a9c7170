"""LAMMPS: the tilt of a triclinic cell, unit styles, energies per atom. Real runs (LAMMPS 4 Feb 2025)."""

import numpy as np
import pytest
from ase import Atoms
from ase import units as ase_units
from ase.calculators.lj import LennardJones
from reader_cases import GOLDEN, frames

from constitutive.errors import DataError
from constitutive.readers import ReadOptions, convert
from constitutive.readers.lammps_units import Style

ELASTIC = (GOLDEN / "si_elastic.log").read_text()
TILT = np.array([[0.01, 0, 0], [0, 0, 0.01], [0, -0.01, 0]])


def changed(tmp_path, old, new):
    assert old in ELASTIC
    (tmp_path / "log.lammps").write_text(ELASTIC.replace(old, new))
    return tmp_path / "log.lammps"


def test_the_tilt_comes_from_the_line_that_states_the_box():
    """The thermo output has lx ly lz but no xy xz yz, as in LAMMPS's own example ELASTIC."""
    data = convert([GOLDEN / "si_elastic.log"])
    made = np.zeros((4, 3, 3)) + np.eye(3)
    made[1, 0, 0], made[2, 1, 2], made[3, 0, 1] = 1.01, 0.01, -0.01
    np.testing.assert_allclose(data.F, made, atol=1e-6)
    C44 = data.cauchy[2, 1, 2] / 0.01
    assert pytest.approx(56.4, abs=0.6) == C44  # Stillinger-Weber silicon, relaxed: 56.4 GPa (Balamane 1992)
    assert data.cauchy[3, 0, 1] == pytest.approx(-data.cauchy[2, 1, 2], rel=1e-3)  # control: not F = I with a stress
    assert data.ions is None
    assert set(data.model_extra["ions_by_sample"]) == {"clamped", "relaxed"}


def test_a_tilt_that_is_nowhere_is_refused(tmp_path):
    path = tmp_path / "log.lammps"
    path.write_text("\n".join(line for line in ELASTIC.splitlines() if "triclinic box" not in line) + "\n")
    with pytest.raises(DataError, match=r"found no tilt in the thermo output and no line that states the box.*xy xz yz"):
        convert([path])
    fixed = changed(tmp_path, "run 0\n", "fix d all deform 1 xy erate 0.01\nrun 0\n")
    with pytest.raises(DataError, match="a fix changes"):
        convert([fixed])
    moved = changed(tmp_path, "(5.431 5.431 5.431) with tilt (0 0 0.05431)", "(5.5 5.431 5.431) with tilt (0 0 0.05431)")
    with pytest.raises(DataError, match="tilt may have changed"):
        convert([moved])
    general = changed(tmp_path, "Created triclinic box", "Created general triclinic box")
    with pytest.raises(DataError, match="general triclinic"):
        convert([general])


def test_an_orthogonal_box_has_no_tilt(tmp_path):
    text = ELASTIC[: ELASTIC.index("change_box all yz")] + "Total wall time: 0:00:00\n"
    path = tmp_path / "log.lammps"
    path.write_text(text.replace("triclinic box", "orthogonal box").replace(" with tilt (0 0 0)", ""))
    np.testing.assert_allclose(convert([path]).F[1], np.diag([1.01, 1, 1]), atol=1e-9)


def test_the_units_of_the_log_count():
    for given in ("metal", "si"):
        with pytest.raises(DataError, match=f"'units real' in the file and --lammps-units {given}"):
            convert([GOLDEN / "ar_real.log"], options=ReadOptions(lammps_units=given))
    stated = convert([GOLDEN / "ar_real.log"], options=ReadOptions(lammps_units="real"))  # control
    np.testing.assert_array_equal(stated.cauchy, convert([GOLDEN / "ar_real.log"]).cauchy)
    with pytest.raises(DataError, match="'units metal' in the file"):
        convert([GOLDEN / "si_metal.dump"], options=ReadOptions(lammps_units="real"))


def test_lennard_jones_units_against_ase():
    """Energies of units lj are per atom; argon's energy and length give GPa."""
    epsilon, sigma = 0.0104, 3.405
    with pytest.raises(DataError, match="--lj"):
        convert([GOLDEN / "lj.log"])
    with pytest.raises(DataError, match="leave --lj out"):
        convert([GOLDEN / "si_metal.log"], options=ReadOptions(lj=(epsilon, sigma)))
    options = ReadOptions(lj=(epsilon, sigma))
    data = convert([GOLDEN / "lj.log"], options=options)
    basis = np.array([[0, 0, 0], [0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5]])
    energies = []
    for k, frame in enumerate(frames("lj.log", options)):
        atoms = Atoms("Ar4", cell=frame.cell, scaled_positions=basis, pbc=True)
        atoms.calc = LennardJones(epsilon=epsilon, sigma=sigma, rc=2.5 * sigma, smooth=False)
        np.testing.assert_allclose(data.cauchy[k], atoms.get_stress(voigt=False) / ase_units.GPa, atol=1e-5)
        atoms.calc.parameters["rc"] = 2.5 * sigma
        energies.append(frame.energy)
    assert data.F[1, 0, 1] == pytest.approx(0.02, abs=1e-6)
    assert energies[0] == pytest.approx(-7.7615881 * 4 * epsilon, rel=1e-9)


def test_unit_styles_agree_on_one_pressure():
    """1 bar and 1 eV in every style (LAMMPS manual, units)."""
    numbers = {"metal": (1.0, 1.0), "real": (1 / 1.01325, 23.0605), "si": (1e5, 1.602177e-19), "cgs": (1e6, 1.602177e-12)}
    numbers |= {"electron": (1e5, 1 / 27.211386), "micro": (1e2, 1.602177e-4), "nano": (0.1, 160.2177)}
    for name, (pressure, energy) in numbers.items():
        style = Style.named(name)
        assert pressure * style.pressure == pytest.approx(1e-4, rel=1e-6)
        assert energy * style.energy == pytest.approx(1.0, rel=1e-4)
    with pytest.raises(DataError, match="stone"):
        Style.named("stone")
