"""The quasi-harmonic approximation: free energies that are known in closed form, and the way from a plan to expansion and heat capacity."""

import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.calculator import Calculator, all_changes
from ase.units import _hplanck, _k
from command_line import run
from simulate_cases import QUARTZ, ZINC_OXIDE, ZNO, settings, spec

from constitutive.calibration import calibrate
from constitutive.elasticity import coupled_constants
from constitutive.errors import DataError, DependencyError
from constitutive.planning import make_plan
from constitutive.simulate import (
    PhononSettings,
    RelaxationSettings,
    SimulationSettings,
    quasi_harmonic,
    quasi_harmonic_in_field,
    read_calculator,
    simulate,
)
from constitutive.simulate.cells import GPA, atoms_of, strained, structure_of
from constitutive.simulate.phonons import Frequencies, frequencies
from constitutive.symmetry import quartz

COPPER = PhononSettings((200.0, 250.0, 300.0, 350.0, 400.0), shortest=4.5, mesh=1)  # a supercell too small to interpolate from


class Springs(Calculator):
    """A simple cubic lattice, k |u − u'|²/2 between nearest neighbours, k = k₀ (V/V₀)^(−2γ): three times ω² = (2k/m) Σ (1 − cos q a)."""

    implemented_properties = ["energy", "free_energy", "forces", "stress"]

    def __init__(self, gamma):
        super().__init__()
        self.gamma = gamma

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        count = len(self.atoms)
        each = round(count ** (1 / 3))
        s = self.atoms.get_scaled_positions(wrap=False) * each
        site = tuple((np.rint(s).astype(int) % each).T)
        u = np.zeros((each, each, each, 3))
        u[site] = (s - np.rint(s)) / each @ self.atoms.cell.array
        k = 5.0 * (self.atoms.get_volume() / count / 27.0) ** (-2 * self.gamma)
        forces = k * sum(np.roll(u, shift, axis) - u for axis in range(3) for shift in (1, -1))
        energy = -0.5 * np.sum(forces * u)
        self.results = {"energy": energy, "free_energy": energy, "forces": forces[site], "stress": np.zeros(6)}


def test_a_lattice_of_springs_has_its_free_energy_entropy_and_stress():
    cell = bulk("Cu", "sc", a=3.0)
    cell.calc = Springs(1.5)
    found = quasi_harmonic(cell, lambda atoms: None, PhononSettings((100.0, 300.0), shortest=6.0, mesh=2), (2, 2, 2))
    q = np.stack(np.meshgrid(*3 * [np.pi / 2 * np.arange(4)]), -1).reshape(-1, 3)[1:]  # of a mesh of 4 × 4 × 4, the first is 0
    stiffness = 2 * 5.0 * 1.602176634e-19 / 1e-20 * (1 - np.cos(q)).sum(1)
    omega = np.sqrt(stiffness / (cell.get_masses()[0] * 1.66053906660e-27))
    T = np.array([100.0, 300.0])
    x, kT = _hplanck * omega / (2 * np.pi) / (_k * T[:, None]), _k * T / 1.602176634e-19
    free = 3 * kT * np.sum(x / 2 + np.log1p(-np.exp(-x)), 1) / 64
    inner = 3 * kT * np.sum(x * (0.5 + 1 / np.expm1(x)), 1) / 64
    assert found.free_energy == pytest.approx(free, rel=1e-6)
    assert found.entropy * T == pytest.approx(inner - free, rel=1e-6)
    assert found.stress[:, 0, 0] == pytest.approx(-1.5 * inner / cell.get_volume() / GPA, rel=1e-3)  # Grüneisen's relation
    assert np.abs(found.stress - found.stress[:, :1, :1] * np.eye(3)).max() < 1e-6


def test_entropy_is_the_slope_of_the_free_energy():
    modes = Frequencies(np.array([0.3, 2.0, 15.0]), np.array([0.2, 0.5, 1.0]))
    T, h = np.array([5.0, 80.0, 900.0]), 1e-3
    slope = (modes.free_energy(T + h) - modes.free_energy(T - h)) / (2 * h)
    assert modes.entropy(T) == pytest.approx(-slope, rel=1e-6)


@pytest.fixture(scope="module")
def copper(tmp_path_factory):
    plan = make_plan(bulk("Cu", a=3.6), 6, size=0.01)
    return simulate(plan, spec("emt"), tmp_path_factory.mktemp("run") / "run", settings(phonons=COPPER))


def test_a_data_set_holds_each_strain_at_each_temperature(copper):
    data = copper.data
    assert data.temperature.tolist() == 6 * [200.0, 250.0, 300.0, 350.0, 400.0]
    assert data.F[0] == pytest.approx(data.F[4])
    assert (np.diff(data.entropy.reshape(6, 5), axis=1) > 0).all()
    assert np.abs(copper.reference.stress).max() < 2e-3  # free of stress at 300 K, the nearest to room temperature
    assert any("at 300 K the cell is" in note for note in copper.notes)


def test_copper_expands_and_takes_up_heat(copper):
    material = calibrate(copper.data, variables="strain,temperature", effort="quick", seed=0)
    constants = coupled_constants(material.coupled, reference_temperature=300.0)
    rest = np.nonzero(np.abs(copper.data.F - np.eye(3)).max((1, 2)) < 1e-9)[0]
    entropy, classical = copper.data.entropy[rest], 3 * _k * 1e30 / copper.reference.atoms.get_volume()
    slope = 300.0 * 1e9 * (entropy[3] - entropy[1]) / 100.0
    assert 0.9 < slope / (7 / 8 * classical) < 1  # Dulong and Petit, of the 21 modes of eight wave vectors that are no translation
    assert constants.heat_capacity_constant_strain == pytest.approx(slope, rel=0.05)
    assert 15e-6 < constants.thermal_expansion[0, 0] < 25e-6  # measured 16.5e-6
    assert constants.heat_capacity_constant_stress > constants.heat_capacity_constant_strain


def test_an_unstable_crystal_is_refused():
    cell = bulk("Cu", "sc", a=2.3)
    cell.calc = spec("emt").make(".")
    with pytest.raises(DataError, match="imaginary"):
        frequencies(cell, PhononSettings((300.0,), shortest=4.0, mesh=1), (2, 2, 2))


def test_a_missing_package_is_answered_by_the_line_that_installs_it(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "phonopy", None)
    with pytest.raises(DependencyError, match=r"pip install 'constitutive\[phonons\]'"):
        frequencies(bulk("Cu", a=3.6), COPPER, (2, 2, 2))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--temperature", "300,300", "--method", "qha"], "needed one or several different ones"),
        (["--temperature", "300,-1", "--method", "qha"], "needed positive numbers"),
        (["--temperature", "100,300", "--method", "md"], "needed one temperature"),
        (["--temperature", "300", "--method", "qha", "--clamped"], "needed one of them"),
        (["--temperature", "300", "--method", "phonons"], "needed md"),
    ],
)
def test_what_cannot_be_meant_is_refused(words, said, tmp_path):
    result = run("simulate", "plan.json", "--calculator", "emt", "-o", "data.json", *words, cwd=tmp_path)
    assert result.returncode == 2
    assert said in " ".join(result.stderr.split())


# -- in a field ----------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def zinc_oxide():
    """The cell at rest by a potential of charges, with its calculator."""
    calculator = read_calculator("lammps", ZINC_OXIDE).make(".")
    rest = ZNO.copy()
    rest.positions = calculator.relax_in_field(ZNO, ZNO, field=np.zeros(3)).positions
    rest.calc = calculator
    return rest


ONE_CELL = PhononSettings((290.0, 300.0, 310.0), shortest=3.0, mesh=1)


def test_without_a_field_both_ways_agree(zinc_oxide):
    cell, again = zinc_oxide.copy(), strained(zinc_oxide, np.diag([1.0, 1.0, 1.004]))
    cell.calc = again.calc = zinc_oxide.calc
    zero = quasi_harmonic_in_field(again, zinc_oxide, np.zeros(3), ONE_CELL, (1, 1, 1))

    def relax(body):
        body.positions = zinc_oxide.calc.relax_in_field(body, zinc_oxide, field=np.zeros(3)).positions

    cell.set_cell(again.cell, scale_atoms=True)
    usual = quasi_harmonic(cell, relax, ONE_CELL, (1, 1, 1))
    assert zero.stress == pytest.approx(usual.stress, abs=5e-4)  # one without the symmetry of the forces
    assert zero.enthalpy == pytest.approx(usual.free_energy, abs=5e-5)
    assert zero.entropy == pytest.approx(usual.entropy, rel=1e-3)
    slope = (zero.polarization[2] - zero.polarization[0]) / 20.0
    assert np.abs(slope[:2]).max() < 1e-9  # 6mm: along z alone
    along, h = np.array([0.0, 0.0, 1.0]), 0.1
    entropies = []
    for sign in (1, -1):
        body = strained(zinc_oxide, np.diag([1.0, 1.0, 1.004]))
        body.calc = zinc_oxide.calc
        state = body.calc.relax_in_field(body, zinc_oxide, field=sign * h * along)
        body.positions = state.positions
        entropies.append(frequencies(body, ONE_CELL, (1, 1, 1), symmetric=False).entropy(np.array([300.0]))[0])
    by_field = (entropies[0] - entropies[1]) / (2 * h) / zinc_oxide.get_volume() / GPA
    assert slope[2] == pytest.approx(by_field, rel=0.02)  # Maxwell: ∂P₀/∂T = ∂η/∂E₀


def test_forces_of_a_held_field_vanish_where_the_ions_rest_in_it():
    """Cores and shells of a strained cell: the field in space is F⁻ᵀ E₀."""
    calculator = read_calculator("lammps", QUARTZ).make(".")
    crystal = atoms_of(quartz())
    F, E0 = np.array([[1.01, 0.02, 0.0], [0.0, 0.99, 0.01], [0.0, 0.0, 1.005]]), np.array([1.0, -0.5, 0.8])
    cell = strained(crystal, F)
    cell.positions = calculator.relax_in_field(cell, crystal, field=E0).positions
    cell.calc = calculator
    calculator.hold_field(np.linalg.inv(F).T @ E0)
    assert np.abs(cell.get_forces()).max() < 1e-5
    calculator.hold_field(None)
    assert np.abs(cell.get_forces()).max() > 0.05


def test_a_plan_of_fields_gives_samples_in_fields_at_temperatures(zinc_oxide, tmp_path):
    plan = make_plan(structure_of(zinc_oxide), 4, size=0.01, field=0.5)
    few = PhononSettings((250.0, 300.0), shortest=3.0, mesh=1)
    at_rest = RelaxationSettings(look_for_instability=False, keep_residual_stress=True)
    chosen = SimulationSettings(at_rest, phonons=few)
    data = simulate(plan, read_calculator("lammps", ZINC_OXIDE), tmp_path / "run", chosen).data
    assert data.polarization.shape == (8, 3)
    assert data.temperature.tolist() == [250.0, 300.0] * 4
    assert data.electric_field == pytest.approx(np.repeat(plan.electric_field, 2, axis=0))
    assert np.abs(data.polarization[::2] - data.polarization[1::2]).max() > 1e-6  # of the temperature


def test_what_has_no_forces_in_a_field_is_refused(tmp_path):
    gallium_arsenide = bulk("GaAs", "zincblende", a=5.65)
    held = make_plan(structure_of(gallium_arsenide), 4, size=0.01, polarization=0.1)
    with pytest.raises(DataError, match="needed strains, or strains and electric fields"):
        simulate(held, spec("emt"), tmp_path / "run", settings(phonons=COPPER))
    cell = bulk("Cu", a=3.6)
    cell.calc = spec("emt").make(".")
    with pytest.raises(DataError, match="hold_field"):
        quasi_harmonic_in_field(cell, bulk("Cu", a=3.6), np.zeros(3), COPPER, (2, 2, 2))
