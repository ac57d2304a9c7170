"""Ions relaxed in electric fields and at given polarisations, with rigid charges and with shells."""

import ctypes
import json
from dataclasses import replace

import numpy as np
import pytest
from ase import Atoms
from simulate_cases import QUARTZ, ZINC_OXIDE, ZNO, settings

from constitutive import shipped
from constitutive.data import StressStrainData
from constitutive.data.plan import Plan
from constitutive.errors import DataError
from constitutive.kinematics import right_stretch
from constitutive.planning import make_plan
from constitutive.simulate import CalculatorSpec, RelaxationSettings, SimulationSettings, read_calculator, simulate
from constitutive.simulate.cells import atoms_of, strained
from constitutive.symmetry import quartz
from constitutive.units import VACUUM_PERMITTIVITY


@pytest.fixture(scope="module")
def zno():
    calculator = read_calculator("lammps", ZINC_OXIDE).make(".")
    start = calculator.relax_in_field(ZNO, ZNO, field=np.zeros(3))
    rest = ZNO.copy()
    rest.positions = start.positions

    def state(E=np.zeros((3, 3)), **options):
        cell = strained(rest, right_stretch(np.asarray(E)[None])[0])
        return calculator.relax_in_field(cell, rest, **options)

    return state


def both_sides(state, strain, field):
    """∂P₀/∂E33 and −∂S/∂E₀3 by central differences."""
    zero, E = np.zeros(3), np.diag([0, 0, strain])
    by_strain = (state(E, field=zero).polarization - state(-E, field=zero).polarization) / (2 * strain)
    up, down = (state(field=np.array([0, 0, s * field])) for s in (1, -1))
    return by_strain, -(up.cauchy - down.cauchy) / (2 * field)


def test_the_two_sides_of_maxwells_relation_agree_and_make_the_piezoelectric_constants_of_zinc_oxide(zno):
    by_strain, by_field = both_sides(zno, 2e-4, 0.01)
    assert by_strain[2] == pytest.approx(by_field[2, 2], rel=1e-5)
    assert by_strain[2] == pytest.approx(1.36, abs=0.02)  # e33 of the model; measured 1.0 to 1.2
    assert by_field[0, 0] == pytest.approx(-0.53, abs=0.02)
    assert np.abs(by_strain[:2]).max() < 1e-6  # 6mm


def test_a_polarisation_that_is_held_gives_back_its_field(zno):
    E, field = np.array([[0.01, 0.005, 0], [0.005, -0.01, 0.002], [0, 0.002, 0.01]]), np.array([1.0, -0.5, 0.7])
    given = zno(E, field=field)
    held = zno(E, polarization=given.polarization)
    assert held.electric_field == pytest.approx(field, abs=1e-6)
    assert held.cauchy == pytest.approx(given.cauchy, abs=1e-6)
    assert held.energy == pytest.approx(given.energy, abs=1e-7)


def test_the_polarisation_of_rigid_ions_is_that_of_their_displacements(zno):
    given = zno(field=np.array([0.0, 0, 1.0]))
    rest = zno(field=np.zeros(3))
    moved = np.array([2, 2, -2, -2]) @ (given.positions - rest.positions)
    assert given.polarization == pytest.approx(moved / ZNO.get_volume() * 16.02176634, abs=1e-9)


def test_shells_give_quartz_its_permittivity_and_clamped_ions_less(request):
    calculator = read_calculator("lammps", QUARTZ).make(".")
    crystal = atoms_of(quartz("right"))
    rest = crystal.copy()
    rest.positions = calculator.relax_in_field(crystal, crystal, field=np.zeros(3)).positions
    figures = []
    for clamped in (False, True):
        up, down = (calculator.relax_in_field(rest, rest, field=np.array([s * 0.02, 0, 0]), clamped=clamped) for s in (1, -1))
        figures.append(1 + (up.polarization[0] - down.polarization[0]) / 0.04 / VACUUM_PERMITTIVITY)
        if not clamped:
            assert -(up.cauchy - down.cauchy)[0, 0] / 0.04 > 0.1  # e11 of the right hand is positive
    assert 4.0 < figures[0] < 5.5 and 1.9 < figures[1] < 2.4  # noqa: PT018 - the two belong together
    rest.calc = calculator  # forces and stress with relaxed shells are the derivatives of the energy
    force, h = rest.get_forces()[0, 0], 1e-3
    energies = []
    for sign in (1, -1):
        moved = rest.copy()
        moved.positions[0, 0] += sign * h
        moved.calc = calculator
        energies.append(moved.get_potential_energy())
    assert -(energies[0] - energies[1]) / (2 * h) == pytest.approx(force, abs=2e-3)


def test_a_plan_of_fields_becomes_data_with_polarisations(tmp_path):
    from constitutive.simulate.cells import structure_of

    plan = make_plan(structure_of(ZNO), 9, size=0.02, field=1.0)
    plan.save(tmp_path / "plan.json")
    plan = Plan.load(tmp_path / "plan.json")
    assert np.linalg.norm(plan.electric_field, axis=1).max() <= 1.0
    assert not plan.electric_field[0].any()
    assert not plan.electric_field[8].any()
    quick = SimulationSettings(RelaxationSettings(look_for_instability=False))
    found = simulate(plan, CalculatorSpec("lammps", ZINC_OXIDE), tmp_path / "run", quick)
    assert found.data.electric_field == pytest.approx(plan.electric_field)
    assert np.abs(found.data.polarization[0]).max() < 1e-6
    assert np.abs(found.data.polarization[1:8]).max() > 0.01
    found.data.save(tmp_path / "data.json")
    assert StressStrainData.load(tmp_path / "data.json").polarization == pytest.approx(found.data.polarization)
    held = make_plan(structure_of(ZNO), 5, size=0.02, polarization=0.05)
    assert "polarization" in held.to_document()
    again = simulate(held, CalculatorSpec("lammps", ZINC_OXIDE), tmp_path / "held", quick)
    assert again.data.polarization == pytest.approx(held.polarization, abs=1e-8)
    assert np.abs(again.data.electric_field[1:]).max() > 0.1


def test_a_ferroelectric_is_held_at_polarisations_between_its_wells(tmp_path):
    """Barium titanate, whose cubic cell is unstable: its shells hang on springs that stiffen, and no state is free to fall into a well."""
    shipped_plan, given = Plan.load(shipped("batio3") / "plan.json"), StressStrainData.load(shipped("batio3") / "data.json")
    some = [0, 3, 163]  # to the last one a search by half the polarisation does not converge
    plan = replace(shipped_plan, F=shipped_plan.F[some], polarization=shipped_plan.polarization[some])
    found = simulate(plan, read_calculator(str(shipped("batio3") / "calc.yaml")), tmp_path / "run", settings()).data
    assert np.abs(found.cauchy - given.cauchy[some]).max() < 1e-6
    assert np.abs(found.electric_field - given.electric_field[some]).max() < 1e-6
    assert np.abs(given.electric_field[some]).max() > 0.5


def test_what_memory_held_before_does_not_matter():
    """LAMMPS's Ewald sums in a skewed cell read memory that they did not initialise: here it holds no numbers."""
    libc, size = ctypes.CDLL(None), 3 << 20
    libc.malloc.restype, libc.malloc.argtypes, libc.free.argtypes = ctypes.c_void_p, [ctypes.c_size_t], [ctypes.c_void_p]
    libc.mallopt(-3, 1 << 25)  # M_MMAP_THRESHOLD: from the heap, where freed memory is taken again
    blocks = [libc.malloc(size) for _ in range(60)]
    for block in blocks:
        ctypes.memset(block, 0xFF, size)
    for block in blocks:
        libc.free(block)
    data = StressStrainData.load(shipped("quartz_right") / "data.json")
    reference = Atoms(data.species, cell=data.lattice, scaled_positions=data.frac_coords, pbc=True)
    calculator = read_calculator(str(shipped("quartz_right") / "calc.yaml")).make(".")
    state = calculator.relax_in_field(strained(reference, data.F[1]), reference, field=data.electric_field[1])
    assert state.cauchy == pytest.approx(data.cauchy[1], abs=1e-4)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"charges": None}, "found no charges"),
        ({"charges": {"Zn": 2.0, "O": -1.0}}, "add up to 2 e"),
        ({"charges": {"Zn": 2.0}}, "found no charge of O"),
    ],
)
def test_charges_are_needed(options, said):
    calculator = read_calculator("lammps", ZINC_OXIDE | options).make(".")
    with pytest.raises(DataError, match=said):
        calculator.relax_in_field(ZNO, ZNO, field=np.zeros(3))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"shells": {"O": {"charge": -2.0}}}, "shells: O: found spring None"),
        ({"shells": {"O": {"charge": -2.0, "spring": -1.0}}}, "needed a positive one"),
        ({"shells": {"O": {"charge": -2.0, "spring": 1.0, "quartic": -1.0}}}, "needed none or a positive one"),
        ({"shells": {"O": {"charge": -2.0, "spring": 1.0, "k4": 500.0}}}, "found k4; needed charge, spring and, if any, quartic"),
        ({"shells": {"N": {"charge": -2.0, "spring": 1.0}}}, "need charges of all species"),
        ({"angles": [{"centre": "Si"}]}, "needed `centre` and `ends`"),
    ],
)
def test_shells_and_angles_that_lack_something_are_refused(options, said):
    with pytest.raises(DataError, match=said):
        read_calculator("lammps", QUARTZ | options).make(".")


def test_plans_that_contradict_themselves_are_refused():
    crystal = quartz("right")
    with pytest.raises(DataError, match="needed one of them"):
        make_plan(crystal, 8, field=1.0, polarization=0.1)
    with pytest.raises(DataError, match="needed one of them"):
        make_plan(crystal, constants=2, field=1.0)
    with pytest.raises(DataError, match="found field -1"):
        make_plan(crystal, 8, field=-1.0)


def test_a_calculator_without_fields_says_so(tmp_path):
    import simulate_cases

    from constitutive.simulate.cells import structure_of

    crystal = structure_of(Atoms("Cu", cell=np.eye(3) * 3.6, pbc=True))
    plan = make_plan(crystal, 4, size=0.02, field=1.0)
    with pytest.raises(DataError, match="relaxes no ions in an electric field"):
        simulate(plan, simulate_cases.spec("spring"), tmp_path / "run", simulate_cases.settings())
    assert json.dumps(plan.to_document())
