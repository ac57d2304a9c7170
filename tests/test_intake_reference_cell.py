"""The reference cell: no bulk crystal, of another size, strained; its stress where the samples do not determine it."""

import numpy as np
import pytest
from ase.build import bulk, fcc111
from intake_cases import invoke, named

from constitutive.data import StressStrainData
from constitutive.data.reference_cell import reference_faults, require_usable_reference
from constitutive.errors import DataError
from constitutive.intake import check, without_reference_stress

BOHR = 0.529177


def random_strains(n, size, seed=0):
    U = np.random.default_rng(seed).normal(size=(n, 3, 3)) * size
    return np.eye(3) + (U + U.swapaxes(1, 2)) / 2


def of_atoms(atoms, F, stiffness=150.0):
    """Samples of a cell under an isotropic law."""
    E = (F.swapaxes(1, 2) @ F - np.eye(3)) / 2
    S = stiffness * E + 0.5 * stiffness * np.trace(E, axis1=1, axis2=2)[:, None, None] * np.eye(3)
    fields = {"lattice": atoms.cell[:], "species": atoms.get_chemical_symbols(), "frac_coords": atoms.get_scaled_positions()}
    return StressStrainData(F=F, second_piola_kirchhoff=S, units="GPa", **fields)


@pytest.mark.parametrize("in_plane", [False, True])
def test_a_slab_is_named(in_plane, tmp_path):
    F = random_strains(25, 0.02)
    if in_plane:
        F[:, 2, :] = F[:, :, 2] = np.eye(3)[2]
    data = of_atoms(fcc111("Cu", (1, 1, 3), vacuum=9.0), F, stiffness=40.0)
    report = check(data)
    assert report.findings[0].fault == "vacuum"
    assert report.findings[0].is_sure
    assert "slab" in report.findings[0].message
    assert "coverage" not in named(report)  # a slab is not to be strained out of its plane
    with pytest.raises(DataError, match=r"vacuum: found a slab.*--allow vacuum"):
        require_usable_reference(data)
    require_usable_reference(data, ("vacuum",))
    data.save(tmp_path / "slab.json")
    refused = invoke("convert", tmp_path / "slab.json", "-o", tmp_path / "x.json")
    assert refused.exit_code != 0
    assert not (tmp_path / "x.json").exists()
    assert invoke("convert", tmp_path / "slab.json", "-o", tmp_path / "x.json", "--allow", "vacuum").exit_code == 0
    made = invoke("calibrate", tmp_path / "slab.json", "--laws", "series", "--out", tmp_path / "made")
    assert made.exit_code != 0


def test_bulk_crystals_have_no_vacuum(sets):
    for data in sets.values():
        assert reference_faults(data) == ()


@pytest.mark.parametrize(("ratio", "word"), [(1 / BOHR, "bohr"), (BOHR, "bohr"), (2.0, "another cell"), (0.7, "another cell")])
def test_a_reference_of_another_size_is_named(ratio, word):
    atoms = bulk("Cu", cubic=True)
    F = random_strains(20, 0.02)
    atoms.set_cell(atoms.cell[:] * ratio, scale_atoms=True)
    (fault,) = reference_faults(of_atoms(atoms, F / ratio))
    assert fault.fault == "reference_cell"
    assert word in fault.message
    report = check(of_atoms(atoms, F / ratio))
    assert named(report) == ["reference_cell"]


def test_a_strained_reference_is_named():
    atoms = bulk("Cu", cubic=True)
    F = random_strains(30, 0.01)
    (fault,) = reference_faults(of_atoms(atoms, F @ np.linalg.inv(np.diag([1.05, 0.98, 1.02]))))
    assert "strained by" in fault.message
    assert reference_faults(of_atoms(atoms, F)) == ()  # control


def test_volumes_and_pressures_are_no_other_reference():
    atoms = bulk("Cu", cubic=True)
    volumes = np.linspace(0.8, 1.1, 12)[:, None, None] ** (1 / 3) * np.eye(3)
    compressed = np.linspace(0.6, 0.95, 12)[:, None, None] ** (1 / 3) * np.eye(3)
    one_path = np.stack([np.diag([1 + e, 1, 1]) for e in np.linspace(0.05, 0.06, 8)])
    for F in (volumes, compressed, one_path):
        assert reference_faults(of_atoms(atoms, F)) == ()


def far_from_rest(n=14):
    """Compressed cells, a little more or less, and stretched along x: none near the unstrained one."""
    rng = np.random.default_rng(2)
    return np.stack([np.diag([0.96 + a, 0.96 + b, 0.96 + b]) for a, b in rng.uniform(-0.004, 0.004, (n, 2))])


def test_a_stress_at_rest_that_nothing_determines_is_not_named(sets, tmp_path):
    """Samples far from the unstrained cell on one side: an extrapolation is no finding and no correction."""
    data = of_atoms(bulk("Cu", cubic=True), far_from_rest())
    noise = np.random.default_rng(0).normal(size=data.F.shape) * 0.2
    noisy = data.replace(second_piola_kirchhoff=data.second_piola_kirchhoff + noise + noise.swapaxes(1, 2))
    report = check(noisy)
    assert "reference_stress" not in named(report)
    assert any("stress at zero strain" in remark for remark in report.undecided)
    with pytest.raises(DataError, match=r"reference stress: .*(known to|determined by no|clear of its error)"):
        without_reference_stress(noisy)
    noisy.save(tmp_path / "x.json")
    result = invoke("convert", tmp_path / "x.json", "--remove-reference-stress", "crystal", "-o", tmp_path / "y.json")
    assert result.exit_code != 0
    assert not (tmp_path / "y.json").exists()


def test_a_determined_stress_states_its_error(sets):
    good = sets["copper"]
    S = good.stress("second_piola_kirchhoff") + np.diag([0.6, 0.6, 0.6])
    report = check(good.replace(cauchy=None, second_piola_kirchhoff=S, W=None))
    (finding,) = report.findings
    assert finding.fault == "reference_stress"
    assert "known to" in finding.message


# --- units taken for others ---


@pytest.mark.parametrize("unit", ["kbar", "GPa"])
@pytest.mark.parametrize("energy", [True, False])
def test_a_unit_taken_for_that_of_ase_is_named(sets, tmp_path, unit, energy):
    from constitutive.units import EV_PER_CUBIC_ANGSTROM, pressure_factor

    good = sets["copper"]
    wrong = good.cauchy / pressure_factor(unit) * EV_PER_CUBIC_ANGSTROM
    spoiled = good.replace(cauchy=wrong, W=good.W if energy else None).with_provenance({"formats": ["extxyz"]})
    (finding,) = check(spoiled).findings
    assert finding.fault == "unit"
    assert f"{unit} taken for eV/angstrom^3 (convert the source again with --unit" in finding.message or not energy
    if energy:
        spoiled.save(tmp_path / "bad.json")
        number = finding.mend.split("'")[1]
        assert invoke("convert", tmp_path / "bad.json", "--unit", number, "-o", tmp_path / "good.json").exit_code == 0
        corrected = StressStrainData.load(tmp_path / "good.json")
        np.testing.assert_allclose(corrected.cauchy, good.cauchy, rtol=1e-6, atol=1e-9)
