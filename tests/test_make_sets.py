"""The generator of sets gives the stresses of the random strains again, and of the shipped plans as near as their forces allow."""

import importlib.util

import numpy as np
import pytest
from calibration_cases import random_set

from constitutive.data import StressStrainData


@pytest.fixture(scope="module")
def generator(checkout):
    spec = importlib.util.spec_from_file_location("make_sets", checkout / "benchmarks" / "make_sets.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


SETS = {
    "silicon_sw": ("sw", "Si.sw", ["Si"]),
    "magnesium": ("eam/fs", "Mg_mm.eam.fs", ["Mg"]),
    "quartz": ("vashishta", "SiO.1990.vashishta", ["Si", "O"]),
}


@pytest.mark.parametrize("name", SETS)
def test_a_set_is_made_again(generator, name):
    style, file, elements = SETS[name]
    old = random_set(name, "unseen").head(2)
    made = generator.make(old.structure, old.F, style, generator.POTENTIALS / file, elements, name)
    given = old.stress("cauchy")
    assert np.abs(made.stress("cauchy") - given).max() <= 1e-6 * np.abs(given).max() + 1e-6
    # control: the opposite strain is far off
    other = generator.make(old.structure, np.linalg.inv(old.F), style, generator.POTENTIALS / file, elements, name)
    assert np.abs(other.stress("cauchy") - given).max() > 0.1 * np.abs(given).max()


@pytest.mark.parametrize("name", SETS)
def test_a_shipped_set_has_these_stresses(generator, checkout, name):
    style, file, elements = SETS[name]
    shipped = StressStrainData.load(checkout / "materials" / name / "data.json").select(slice(10, 12))
    made = generator.make(shipped.structure, shipped.F, style, generator.POTENTIALS / file, elements, name)
    given = shipped.stress("cauchy")
    assert np.abs(made.stress("cauchy") - given).max() <= 1e-3 * np.abs(given).max()


def test_random_deformations_are_stretches_of_the_given_size(generator):
    F = generator.random_deformations(300, 0.1, np.random.default_rng(0))
    E = (F.transpose(0, 2, 1) @ F - np.eye(3)) / 2
    size = np.linalg.norm(E, axis=(1, 2))
    assert np.abs(F - F.transpose(0, 2, 1)).max() < 1e-15
    assert size.max() <= 0.1 * (1 + 1e-12)
    assert np.mean(size < 0.05) == pytest.approx(0.5, abs=0.08)


def test_the_script_writes_both_files(generator, checkout, tmp_path, monkeypatch):
    from pymatgen.core import Lattice, Structure

    cell = Structure.from_spacegroup("Fd-3m", Lattice.cubic(5.43094978), ["Si"], [[0, 0, 0]])
    cell.to_file(str(tmp_path / "POSCAR"), fmt="poscar")
    words = f"{tmp_path}/POSCAR {tmp_path}/set --style sw --file Si.sw --elements Si --samples 5 --unseen 1".split()
    monkeypatch.setattr("sys.argv", ["make_sets.py", *words])
    generator.main()
    data, unseen = (StressStrainData.load(tmp_path / "set" / f"{part}.json") for part in ("data", "unseen"))
    assert (len(data.F), len(unseen.F)) == (5, 1)
    assert data.point_group == "m-3m"
    np.testing.assert_array_equal(data.F[0], np.eye(3))  # a plan begins with the reference
    assert not np.allclose(data.F[0], unseen.F[0])  # unseen strains are others
