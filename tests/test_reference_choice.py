"""Which cell is the undeformed one: the first state where it may be, another cell of the crystal, the zero of its energy."""

import numpy as np
import pytest
from ase.build import bulk, make_supercell
from ase.calculators.emt import EMT
from ase.io import write
from intake_cases import invoke

from constitutive.data import StressStrainData, require_same_reference
from constitutive.data.reference_cell import same_crystal
from constitutive.errors import DataError
from constitutive.intake.energies import with_energy_zero
from constitutive.readers import convert

A0 = 3.5899  # Å, copper of EMT


def frames(n, size=0.02, cell=None, seed=0):
    """Strained copper by EMT, the unstrained cell last."""
    rng = np.random.default_rng(seed)
    reference = cell or bulk("Cu", a=A0, cubic=True)
    found = []
    for k in range(n):
        U = rng.normal(size=(3, 3)) * size * (k < n - 1)
        atoms = reference.copy()
        atoms.set_cell(atoms.cell[:] @ (np.eye(3) + (U + U.T) / 2), scale_atoms=True)
        atoms.calc = EMT()
        atoms.get_forces(), atoms.get_stress(), atoms.get_potential_energy()
        found.append(atoms)
    return found


@pytest.fixture(scope="module")
def copper():
    return frames(20)


def test_a_strained_first_frame_is_not_the_reference(copper, tmp_path):
    write(tmp_path / "cu.xyz", copper)
    with pytest.raises(DataError, match=r"state 19 is under .*--reference .*cu\.xyz@19"):
        convert([tmp_path / "cu.xyz"])
    made = invoke("convert", tmp_path / "cu.xyz", "--reference", f"{tmp_path / 'cu.xyz'}@19", "-o", tmp_path / "a.json")
    assert made.exit_code == 0, made.output
    data = StressStrainData.load(tmp_path / "a.json")
    np.testing.assert_allclose(data.F[19], np.eye(3), atol=1e-12)
    first = convert([tmp_path / "cu.xyz"], reference=tmp_path / "cu.xyz@0")  # who means the first may say so
    np.testing.assert_allclose(first.F[0], np.eye(3), atol=1e-12)
    write(tmp_path / "good.xyz", copper[::-1])
    np.testing.assert_allclose(convert([tmp_path / "good.xyz"]).F[0], np.eye(3), atol=1e-12)  # control
    with pytest.raises(DataError, match="found 20 states"):
        convert([tmp_path / "cu.xyz"], reference=tmp_path / "cu.xyz@20")


def test_the_first_of_some_volumes_is_not_the_reference(tmp_path):
    found = []
    for stretch in (0.97, 0.98, 0.99, 1.0, 1.01, 1.02):
        atoms = bulk("Cu", a=A0 * stretch, cubic=True)
        atoms.calc = EMT()
        atoms.get_forces(), atoms.get_stress()
        found.append(atoms)
    write(tmp_path / "v.xyz", found)
    with pytest.raises(DataError, match=r"v\.xyz@3"):
        convert([tmp_path / "v.xyz"])


# --- the zero of the energy ---


def test_the_energy_at_rest_is_found_by_a_fit(copper, tmp_path):
    write(tmp_path / "cu.xyz", copper[:-1])
    bulk("Cu", a=A0, cubic=True).write(tmp_path / "POSCAR", format="vasp", direct=True)
    data = convert([tmp_path / "cu.xyz"], reference=tmp_path / "POSCAR")
    assert data.W is None
    found, remark = with_energy_zero(data)
    assert "by a fit" in remark
    assert found.provenance["energy_at_rest"]["eV"] == pytest.approx(copper[-1].get_potential_energy(), abs=2e-3)
    printed = invoke("convert", tmp_path / "cu.xyz", "--reference", tmp_path / "POSCAR", "-o", tmp_path / "x.json")
    assert "energy of the undeformed cell" in " ".join(printed.output.split())
    assert StressStrainData.load(tmp_path / "x.json").W is not None


def test_why_the_energy_is_left_out_is_said(copper, tmp_path):
    write(tmp_path / "cu.xyz", copper[:4])
    bulk("Cu", a=A0, cubic=True).write(tmp_path / "POSCAR", format="vasp", direct=True)
    printed = invoke("convert", tmp_path / "cu.xyz", "--reference", tmp_path / "POSCAR", "-o", tmp_path / "x.json")
    assert "without W: the energy of the undeformed cell is not given" in " ".join(printed.output.split())
    data = convert([tmp_path / "cu.xyz"], reference=tmp_path / "POSCAR")
    scrambled = data.replace(cell_energies_eV=[1.0, -5.0, 3.0, 8.0])
    assert with_energy_zero(scrambled)[0].W is None


# --- one crystal in several cells ---


def cells(name="Cu"):
    structures = {"primitive": bulk("Cu", a=A0), "conventional": bulk("Cu", a=A0, cubic=True)}
    structures["supercell"] = make_supercell(structures["primitive"], [[1, 1, 0], [0, 2, 0], [0, 0, 2]])
    return structures


def as_structure(atoms):
    from pymatgen.io.ase import AseAtomsAdaptor

    return AseAtomsAdaptor.get_structure(atoms)


@pytest.mark.parametrize("one", ["primitive", "conventional", "supercell"])
@pytest.mark.parametrize("other", ["primitive", "conventional", "supercell"])
def test_cells_of_one_crystal_are_one_reference(one, other):
    require_same_reference(as_structure(cells()[one]), as_structure(cells()[other]))


def test_other_crystals_are_none():
    copper = as_structure(cells()["conventional"])
    larger, turned = cells()["primitive"], cells()["primitive"]
    larger.set_cell(larger.cell[:] * 1.002, scale_atoms=True)
    turned.rotate(20, "z", rotate_cell=True)
    nickel = bulk("Ni", a=A0)
    for atoms in (larger, turned, nickel, bulk("Cu", "bcc", a=A0, cubic=True)):
        with pytest.raises(DataError):
            require_same_reference(as_structure(atoms), copper)
    silicon, moved = bulk("Si", a=5.43), bulk("Si", a=5.43, cubic=True)
    assert same_crystal(as_structure(silicon), as_structure(moved))
    moved.positions[0] += [0.3, 0, 0]
    assert not same_crystal(as_structure(silicon), as_structure(moved))
    origin = bulk("Si", a=5.43, cubic=True)
    origin.translate([0.4, 0.1, 0.2])
    assert same_crystal(as_structure(silicon), as_structure(origin))


def test_sets_against_two_cells_are_joined(tmp_path):
    for name in ("primitive", "conventional"):
        write(tmp_path / f"{name}.xyz", frames(6, cell=cells()[name])[::-1])
        convert([tmp_path / f"{name}.xyz"]).save(tmp_path / f"{name}.json")
    both = convert([tmp_path / "primitive.json", tmp_path / "conventional.json"])
    assert len(both) == 12
    np.testing.assert_allclose(both.cauchy[:6], both.cauchy[6:], atol=1e-6)
