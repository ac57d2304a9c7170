"""Calculators under examination, and the reference crystal."""

import sys

import ase.io
import numpy as np
import pytest
import simulate_cases
from ase import Atoms
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.calculators.lammps import Prism
from ase.constraints import FixSymmetry
from ase.filters import FrechetCellFilter
from ase.optimize import BFGS

from constitutive.data.plan import Plan
from constitutive.errors import DataError
from constitutive.planning import write_inputs
from constitutive.readers import convert
from constitutive.readers.espresso_xml import read_xml
from constitutive.readers.reading import Reading
from constitutive.simulate import RelaxationSettings, examine, read_calculator, relax_reference
from constitutive.simulate.cells import GPA, atoms_of, strained, stress_of, structure_of
from constitutive.simulate.ions import (
    force_constants,
    internal_coupling,
    relax_ions,
    sites_fixed_by_inversion,
    tight_force,
    unstable_modes,
)
from constitutive.symmetry import PointGroup, quartz
from constitutive.tensors.packing import from_mandel, to_mandel

SIC = {"pair_style": "vashishta", "pair_coeff": ["* * SiC.vashishta Si C"]}
SI = {"pair_style": "sw", "pair_coeff": ["* * Si.sw Si"]}
SIO = {"pair_style": "vashishta", "pair_coeff": ["* * SiO.1990.vashishta Si O"]}


class Counting(EMT):
    """Counts its evaluations."""

    calls = 0

    def calculate(self, *arguments, **options):
        self.calls += 1
        super().calculate(*arguments, **options)


def made(name, **options):
    return read_calculator(name, options).make(".")


def with_calculator(atoms, calculator):
    atoms.calc = calculator
    return atoms


# -- LAMMPS --------------------------------------------------------------------------------------------------------------------


def test_lammps_forces_and_stress_are_derivatives_of_its_energy_in_any_orientation():
    Q = np.linalg.qr(np.random.default_rng(3).normal(size=(3, 3)))[0]
    Q *= np.linalg.det(Q)
    F = Q @ (np.eye(3) + np.array([[0.03, 0.02, -0.01], [0.02, -0.01, 0.015], [-0.01, 0.015, 0.02]]))
    calculator = made("lammps", **SIC)
    cell = with_calculator(strained(bulk("SiC", "zincblende", a=4.36), F), calculator)
    cell.positions[0] += [0.05, -0.02, 0.03]
    stress, forces, energy = cell.get_stress(voigt=False), cell.get_forces(), cell.get_potential_energy()
    h, e = 1e-4, np.array([[0.2, 0.5, -0.1], [0.5, -0.3, 0.4], [-0.1, 0.4, 0.1]])
    sides = [with_calculator(strained(cell, np.eye(3) + s * h * e), calculator).get_potential_energy() for s in (1, -1)]
    assert (sides[0] - sides[1]) / (2 * h) / cell.get_volume() == pytest.approx(np.sum(stress * e), rel=1e-5)
    moved = []
    for sign in (1, -1):
        other = cell.copy()
        other.positions[1, 0] += sign * h
        moved.append(with_calculator(other, calculator).get_potential_energy())
    assert -(moved[0] - moved[1]) / (2 * h) == pytest.approx(forces[1, 0], rel=1e-5)
    assert with_calculator(cell.copy(), made("lammps", **SIC)).get_potential_energy() == pytest.approx(energy, rel=1e-12)
    # control: the stress in LAMMPS's own frame is another
    assert np.abs(Prism(cell.cell.array).tensor2_to_ase(np.diag(np.diag(stress))) - stress).max() > 1e-3


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"pair_style": "sw", "pair_coeff": ["* * nosuch.sw Si"]}, "nosuch.sw"),
        ({"pair_style": "nosuch", "pair_coeff": ["* * Si.sw Si"]}, "nosuch"),
        ({**SIC, "pair_coeff": ["* * SiC.vashishta C C"]}, "found Si in the crystal"),
    ],
)
def test_what_lammps_refuses_is_said(options, said):
    with pytest.raises(DataError, match=said):
        with_calculator(bulk("Si"), made("lammps", **options)).get_potential_energy()


def test_species_are_needed_where_pair_coeff_does_not_name_them():
    with pytest.raises(DataError, match="species"):
        made("lammps", pair_style="lj/cut 8", pair_coeff="* * 0.01 3.4")
    argon = with_calculator(bulk("Ar", a=5.3), made("lammps", pair_style="lj/cut 8", pair_coeff="* * 0.01 3.4", species=["Ar"]))
    real = made("lammps", pair_style="lj/cut 8", pair_coeff=f"* * {0.01 * 23.060549} 3.4", species=["Ar"], units="real")
    assert with_calculator(argon.copy(), real).get_stress() == pytest.approx(argon.get_stress(), rel=1e-5, abs=1e-9)


# -- examination ---------------------------------------------------------------------------------------------------------------


def examined(calculator):
    atoms = with_calculator(bulk("Cu", a=3.59), calculator)
    return examine(atoms, np.asarray(PointGroup.from_structure(structure_of(atoms)).laue_rotations))


def test_a_sound_calculator_passes_the_examination():
    found = examined(EMT())
    assert max(found.noise_GPa, found.objectivity, found.symmetry_residual) < 1e-10
    assert found.energy_against_stress < 1e-6
    assert found.warnings(0.08, 0.001) == []


def test_noise_is_measured_and_judged_against_the_target(tmp_path):
    found = examined(simulate_cases.spec("noisy", size=0.1 * GPA).make(tmp_path))
    assert found.noise_GPa == pytest.approx(0.1, rel=0.5)
    assert any("too much for a target of 0.1 %" in note for note in found.warnings(0.08, 0.001))
    assert not any("target" in note for note in found.warnings(0.08, 0.5))


def test_a_stress_that_does_not_turn_and_is_no_derivative_is_found(tmp_path):
    found = examined(simulate_cases.spec("lopsided").make(tmp_path))
    said = " ".join(found.warnings(0.08))
    assert all(words in said for words in ("does not turn", "breaks the symmetry", "not the derivative of the energy"))


# -- reference -----------------------------------------------------------------------------------------------------------------


def test_quartz_is_relaxed_under_its_group_to_a_stress_below_a_megapascal():
    atoms = with_calculator(atoms_of(quartz("right")), made("lammps", **SIO))
    found = relax_reference(atoms)
    assert found.point_group == "32"
    assert np.abs(found.stress).max() < 1e-3
    assert found.modes == ()
    again = type(found).from_dict(found.as_dict())
    np.testing.assert_allclose(again.atoms.positions, found.atoms.positions, atol=1e-12)
    # control: LAMMPS-relaxed without our path, by ASE alone, is the same crystal
    other = with_calculator(atoms_of(quartz("right")), made("lammps", **SIO))
    other.set_constraint(FixSymmetry(other))
    with BFGS(FrechetCellFilter(other), logfile=None) as run:
        run.run(fmax=1e-5)
    assert other.get_volume() == pytest.approx(found.atoms.get_volume(), rel=1e-5)


def test_residual_stress_is_kept_where_asked():
    atoms = with_calculator(bulk("Si", a=5.5), made("lammps", **SI))
    found = relax_reference(atoms, RelaxationSettings(keep_residual_stress=True))
    np.testing.assert_allclose(found.atoms.cell.array, atoms.cell.array, atol=1e-12)
    assert abs(found.stress[0, 0]) > 1
    assert np.abs(relax_reference(atoms, RelaxationSettings(look_for_instability=False)).stress).max() < 1e-3  # control


def wurtzite():
    return with_calculator(bulk("CuAu", "wurtzite", a=3.5, c=5.6), EMT())


def test_a_crystal_that_leaves_its_group_stops_the_run_and_names_the_other_group_and_the_mode():
    # the unstable modes are degenerate: rounding decides which combination is followed, and to which group
    with pytest.raises(DataError, match=r"leaves 6/mmm for (mmm|-3m).*unstable at Γ: \d\.\d+i THz \(Cu 5\d %.*--if-unstable"):
        relax_reference(wurtzite())


def test_it_can_be_kept_or_followed():
    kept = relax_reference(wurtzite(), RelaxationSettings(if_unstable="keep"))
    followed = relax_reference(wurtzite(), RelaxationSettings(if_unstable="follow"))
    assert kept.point_group == "6/mmm"
    assert followed.point_group in ("mmm", "-3m")
    assert followed.energy < kept.energy - 0.1
    assert "before the relaxation it was 6mm" in kept.notes[0]
    with pytest.raises(DataError, match="if_unstable"):
        RelaxationSettings(if_unstable="go")


def test_a_calculator_without_a_minimum_is_named():
    atoms = with_calculator(bulk("Cu", a=3.59), EMT())
    with pytest.raises(DataError, match="after relaxation; needed at most"):
        relax_reference(atoms, RelaxationSettings(stress=1e-9, steps=1, look_for_instability=False))


# -- ions ----------------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def relaxed_quartz():
    found = relax_reference(with_calculator(atoms_of(quartz("right")), made("lammps", **SIO)))
    return with_calculator(found.atoms.copy(), made("lammps", **SIO)), found.hessian


def test_force_constants_by_symmetry_are_those_of_all_displacements(relaxed_quartz):
    atoms, hessian = relaxed_quartz
    H, places = np.zeros((27, 27)), atoms.get_positions()
    for column in range(27):
        for sign in (1, -1):
            shifted = places.ravel().copy()
            shifted[column] += sign * 0.01
            other = with_calculator(atoms.copy(), atoms.calc)
            other.set_positions(shifted.reshape(-1, 3))
            H[:, column] -= sign * other.get_forces().ravel() / 0.02
    np.testing.assert_allclose(hessian, (H + H.T) / 2, atol=2e-3 * np.abs(H).max())
    assert np.abs(force_constants(with_calculator(bulk("Cu", a=3.59), EMT()))).max() < 1e-9  # one atom has none


def test_forces_and_stresses_of_strains_by_symmetry_are_those_of_all_strains(relaxed_quartz):
    atoms, _ = relaxed_quartz
    forces, stiffness = internal_coupling(atoms)
    for column, e in enumerate(np.asarray(from_mandel(np.eye(6)))):
        plus, minus = (with_calculator(strained(atoms, np.eye(3) + sign * 1e-3 * e), atoms.calc) for sign in (1, -1))
        slope = (plus.get_forces() - minus.get_forces()).ravel() / 2e-3
        np.testing.assert_allclose(forces[:, column], slope, atol=2e-3 * np.abs(forces).max())
        slope = np.asarray(to_mandel((stress_of(plus) - stress_of(minus)) / 2e-3))
        np.testing.assert_allclose(stiffness[:, column], slope, atol=2e-3 * np.abs(stiffness).max())


def test_what_symmetry_gives_is_not_computed():
    atoms = with_calculator(bulk("CuAu", "cesiumchloride", a=3.1), Counting())
    hessian = force_constants(atoms)
    assert atoms.calc.calls == 1  # one displacement to one side; the other atom by the sum rule
    np.testing.assert_allclose(hessian, np.kron([[1, -1], [-1, 1]], hessian[0, 0] * np.eye(3)), atol=1e-8)
    internal_coupling(atoms)
    assert atoms.calc.calls == 1 + 3  # ε11 to both sides, ε23 to one
    low = with_calculator(strained(atoms, np.eye(3) + [[0, 0.02, 0], [0.01, 0, 0.03], [0, 0, 0.04]]), Counting())
    force_constants(low)
    assert low.calc.calls == 3  # control: an inversion centre is left
    internal_coupling(low)
    assert low.calc.calls == 3 + 12


def test_ions_at_inversion_centres_stay_at_rest_in_every_strained_cell():
    F = np.eye(3) + [[0, 0.02, 0], [0.01, 0, 0.03], [0, 0, 0.04]]
    ordered, close_packed = bulk("CuAu", "cesiumchloride", a=3.1), bulk("Cu", "hcp", a=2.56, c=4.1)
    assert sites_fixed_by_inversion(ordered)
    assert np.abs(with_calculator(strained(ordered, F), EMT()).get_forces()).max() < 1e-9
    assert not sites_fixed_by_inversion(close_packed)
    assert np.abs(with_calculator(strained(close_packed, F), EMT()).get_forces()).max() > 1e-2


def test_known_force_constants_and_stiffness_shorten_the_relaxation_without_the_group():
    calls = {}
    for stiffness in (None, 200.0):
        atoms = with_calculator(bulk("CuAu", "cesiumchloride", a=3.1), Counting())
        found = relax_reference(atoms, stiffness=stiffness)
        assert found.point_group == "m-3m"
        calls[stiffness] = atoms.calc.calls
    assert calls[200.0] < 0.75 * calls[None]


def test_force_constants_make_the_relaxation_of_ions_quick(relaxed_quartz):
    atoms, hessian = relaxed_quartz
    F = np.eye(3) + np.array([[0.02, 0.01, 0], [0.01, -0.02, 0.01], [0, 0.01, 0.01]])
    quick, plain = (with_calculator(strained(atoms, F), atoms.calc) for _ in range(2))
    first, second = relax_ions(quick, 1e-4, 200, hessian=hessian), relax_ions(plain, 1e-4, 200)
    assert first.converged
    assert first.steps < 0.6 * second.steps
    np.testing.assert_allclose(stress_of(quick), stress_of(plain), atol=5e-3)


def test_the_force_limit_keeps_the_stress_within_the_error_asked_for(relaxed_quartz):
    atoms, hessian = relaxed_quartz
    coupling, _ = internal_coupling(atoms)
    limit = tight_force(coupling, hessian, atoms.get_volume(), 1e-3)
    F = np.eye(3) + 0.02 * np.diag([1.0, -1.0, 0.5])
    exact, loose = (with_calculator(strained(atoms, F), atoms.calc) for _ in range(2))
    relax_ions(exact, 1e-6, 500, hessian=hessian)
    relax_ions(loose, limit, 500, hessian=hessian)
    assert np.linalg.norm(stress_of(loose) - stress_of(exact)) < 1e-3
    assert tight_force(coupling, hessian, atoms.get_volume(), 1e-2) > 5 * limit


def test_an_unstable_mode_is_that_of_the_force_constants():
    atoms = Atoms("H2", cell=np.eye(3) * 3, positions=[[0, 0, 0], [1.5, 1.5, 1.5]], pbc=True)
    u = np.array([1, 0, 0, -1, 0, 0]) / np.sqrt(2)
    (mode,) = unstable_modes(atoms, np.asarray(-1.0 * np.outer(u, u)) + 0.5 * np.outer(np.roll(u, 1), np.roll(u, 1)))
    assert mode.frequency == pytest.approx(15.633302 / np.sqrt(1.008), rel=1e-3)
    assert abs(mode.displacement.ravel() @ u) == pytest.approx(1)
    assert unstable_modes(atoms, np.eye(6)) == []  # control


# -- Quantum ESPRESSO ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def pw(tmp_path_factory, checkout):
    """A stand-in for pw.x that leaves the files of a real run (MgO, 6.7MaX)."""
    folder = tmp_path_factory.mktemp("pw")
    golden = checkout / "tests" / "data" / "simulate"
    script = folder / "pw.x"
    script.write_text(
        f"#!{sys.executable}\nimport pathlib, shutil, sys\nassert 'tstress' in pathlib.Path(sys.argv[2]).read_text()\n"
        f"pathlib.Path('pwscf.save').mkdir(exist_ok=True)\nshutil.copy({str(golden / 'mgo.xml')!r}, 'pwscf.save/data-file-schema.xml')\n"
        f"print(open({str(golden / 'mgo_pw.out')!r}).read())\n"
    )
    script.chmod(0o755)
    return script, golden


def test_the_stress_of_pw_is_that_of_its_xml_with_all_digits(pw, tmp_path):
    script, golden = pw
    calculator = read_calculator("espresso", {"command": str(script), "pseudopotentials": {"Mg": "Mg.upf", "O": "O.upf"}}).make(tmp_path)
    (frame,) = read_xml(golden / "mgo.xml", Reading())
    atoms = Atoms("MgO", cell=frame.cell, scaled_positions=frame.frac, pbc=True, calculator=calculator)
    np.testing.assert_allclose(stress_of(atoms), frame.stress, atol=1e-12)
    assert atoms.get_potential_energy() == pytest.approx(frame.energy, abs=1e-9)
    text = ase.io.read(golden / "mgo_pw.out", format="espresso-out").get_stress(voigt=False) / GPA
    assert 1e-6 < np.abs(text - frame.stress).max() < 1e-3  # control: the text output has fewer digits


def test_pw_begins_with_the_density_of_its_last_run_where_only_ions_moved(pw, tmp_path):
    script, golden = pw
    options = {"command": str(script), "pseudopotentials": {"Mg": "Mg.upf", "O": "O.upf"}}
    calculator = read_calculator("espresso", options).make(tmp_path)
    (frame,) = read_xml(golden / "mgo.xml", Reading())
    atoms = Atoms("MgO", cell=frame.cell, scaled_positions=frame.frac, pbc=True)

    def begins(moved, cell, calculator=calculator):
        other = atoms.copy()
        other.positions[0] += moved
        other.set_cell(atoms.cell.array * cell, scale_atoms=True)
        other.calc = calculator
        stress_of(other)
        (tmp_path / "pwscf.save" / "charge-density.dat").touch()
        return next((line.split()[-1] for line in (tmp_path / "espresso.pwi").read_text().splitlines() if "startingpot" in line), None)

    assert begins(0.00, 1.00) is None
    assert begins(0.01, 1.00) == "'file'"
    assert begins(0.01, 1.01) is None  # the density of another cell
    assert begins(0.02, 1.01) == "'file'"
    (tmp_path / "pwscf.save" / "charge-density.dat").unlink()
    assert begins(0.03, 1.01) is None
    stated = read_calculator("espresso", {**options, "input_data": {"startingpot": "atomic"}}).make(tmp_path)
    assert [begins(moved, 1.0, stated) for moved in (0.0, 0.01)] == ["'atomic'", "'atomic'"]


def test_runs_of_pw_in_a_plans_folder_are_read_once(pw, tmp_path):
    golden = pw[1]
    (frame,) = read_xml(golden / "mgo.xml", Reading())
    crystal = structure_of(Atoms("MgO", cell=frame.cell, scaled_positions=frame.frac, pbc=True))
    plan = write_inputs(Plan(structure=crystal, F=np.eye(3)[None], point_group="-1"), "espresso", tmp_path / "runs")
    place = tmp_path / "runs" / plan.folder(0)
    (place / "out" / "strain.save").mkdir(parents=True)
    for name in ("out/strain.xml", "out/strain.save/data-file-schema.xml"):
        (place / name).write_bytes((golden / "mgo.xml").read_bytes())
    (place / "pw.out").write_bytes((golden / "mgo_pw.out").read_bytes())
    np.testing.assert_allclose(convert([tmp_path / "runs"]).cauchy[0], frame.stress, atol=1e-12)
