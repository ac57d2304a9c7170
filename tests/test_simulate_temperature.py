"""Stresses at a temperature: exact for a harmonic crystal, with honest errors; and a data set made of them."""

import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.calculator import Calculator, all_changes
from command_line import run
from simulate_cases import settings, spec

from constitutive.errors import DataError
from constitutive.planning import make_plan
from constitutive.simulate import DynamicsSettings, simulate, thermal_stress
from constitutive.simulate.cells import GPA

KT = 8.617333262e-5 * 300  # eV


class Einstein(Calculator):
    """Atoms on springs whose stiffness falls with the volume: the mean stress at a temperature is known in closed form.

    U = Σ ½ k u², k = k₀ (V/V₀)^(−2γ): σ = −dF/dV = −3 N γ kT / V, of which N kT/V is the kinetic part of the virial.
    """

    implemented_properties = ["energy", "free_energy", "forces", "stress"]

    def __init__(self, sites, gamma):
        super().__init__()
        self.sites, self.gamma = sites, gamma

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        u = self.atoms.positions - self.sites
        k, volume = 5.0, self.atoms.get_volume()
        energy = 0.5 * k * np.sum(u**2)
        pressure = 2 * self.gamma * energy / volume - KT * len(u) / volume  # the kinetic part is put back by the dynamics
        self.results = {"energy": energy, "free_energy": energy, "forces": -k * u, "stress": -pressure * np.array([1, 1, 1, 0, 0, 0.0])}


def test_the_mean_stress_of_a_harmonic_crystal_is_that_of_statistical_mechanics():
    atoms = bulk("Cu", a=3.6, cubic=True).repeat(2)
    found = []
    for seed in range(4):
        atoms.calc = Einstein(atoms.positions.copy(), 1.5)
        found.append(thermal_stress(atoms, DynamicsSettings(300.0, steps=600, equilibration=150, timestep=4.0, shortest=1.0), seed))
    mean = np.mean([f.mean[0, 0] for f in found])
    error = np.sqrt(np.mean([f.error[0, 0] ** 2 for f in found]) / len(found))
    exact = -3 * 1.5 * len(atoms) * KT / atoms.get_volume() / GPA
    assert mean == pytest.approx(exact, abs=4 * error)
    assert error < 0.1 * abs(exact)
    assert abs(mean - exact / 1.5) > 4 * error  # control: another Grüneisen parameter


@pytest.fixture(scope="module")
def copper(tmp_path_factory):
    plan = make_plan(bulk("Cu", a=3.6), 4, size=0.03)
    thermal = DynamicsSettings(300.0, steps=40, equilibration=20, timestep=4.0, shortest=3.5)
    return simulate(plan, spec("emt"), tmp_path_factory.mktemp("run") / "run", settings(dynamics=thermal))


def test_a_data_set_at_a_temperature_has_errors_and_weights(copper):
    data = copper.data
    assert data.temperature == 300
    assert data.W is None
    assert np.asarray(data.stress_standard_error).shape == (4, 3, 3)
    assert data.stress_weights.mean() == pytest.approx(1)
    loose = int(np.argmax(np.mean(np.square(data.stress_standard_error), axis=(1, 2))))
    assert loose == int(np.argmin(data.stress_weights))
    assert any("at 300 K the cell is" in note for note in copper.notes)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--temperature", "300"], "needed both"),
        (["--method", "md"], "needed both"),
        (["--temperature", "300", "--method", "md", "--clamped"], "needed one of them"),
        (["--md-steps", "100", "--supercell", "8"], "--md-steps, --supercell at rest"),
        (["--temperature", "300", "--method", "md", "--q-mesh", "2"], "--q-mesh with --method md"),
    ],
)
def test_what_cannot_be_meant_is_refused(words, said, tmp_path):
    result = run("simulate", "plan.json", "--calculator", "emt", "-o", "data.json", *words, cwd=tmp_path)
    assert result.returncode == 2
    assert said in " ".join(result.stderr.split())


def test_settings_are_positive():
    with pytest.raises(DataError, match="temperature"):
        DynamicsSettings(-1.0)
