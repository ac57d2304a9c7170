"""Standard errors of constants of several variables: against the truth of a known law, with noise, and where nothing determines them."""

import json

import numpy as np
import pytest
import torch
from command_line import run
from scipy.special import factorial
from test_coupled_calibration import GROUP, samples, true_law

from constitutive.calibration.coupled import calibrate_coupled
from constitutive.calibration.coupled_data import coupled_samples
from constitutive.calibration.coupled_errors import constant_errors, second_derivatives, third_derivatives
from constitutive.calibration.coupled_teacher import Teacher, learn
from constitutive.calibration.effort import Effort
from constitutive.data import StressStrainData
from constitutive.elasticity import coupled_constants
from constitutive.fitting.kernel_regression import KERNELS, left_out_with, without_parts
from constitutive.laws.coupled import CoupledSeriesLaw, LinearCoupledLaw
from constitutive.symmetry import PointGroup
from constitutive.tensors.packing import from_mandel, to_mandel
from constitutive.tensors.polynomials import exponents
from constitutive.tensors.variables import ELECTRIC_FIELD, STRAIN

PLAIN = ("C111", "C112", "C113", "C123", "C133", "C333")  # in Mandel components as in Voigt's
NAMES = {"C_constant_field_GPa": "C_constant_field", "e_C_per_m2": "e", "d_pm_per_V": "d"}


def law_of_derivatives(teacher: Teacher) -> CoupledSeriesLaw:
    """The polynomial of the second and third derivatives of the mean of the regressions."""
    rows = {}
    for degree, of in ((2, second_derivatives), (3, third_derivatives)):
        table = np.tensordot(teacher.weights, [of(fit) for fit in teacher.fits], 1)
        powers = exponents(degree, 9)
        places = np.array([np.repeat(np.arange(9), row) for row in powers])
        rows[degree] = table[tuple(places.T)] / np.prod(factorial(powers), axis=1)
    return CoupledSeriesLaw(rows, (STRAIN, ELECTRIC_FIELD), GROUP)


def regression(data: StressStrainData) -> tuple:
    """Constants and errors of the mean of the regressions itself."""
    teacher = learn(coupled_samples(data, (STRAIN, ELECTRIC_FIELD), GROUP).problem, Effort.of("quick"))
    law = law_of_derivatives(teacher)
    return teacher, law, constant_errors(teacher, law)


def size(values: object) -> float:
    return float(np.linalg.norm(np.asarray(values, dtype=np.float64)))


def test_errors_over_draws_are_those_to_the_truth() -> None:
    """Of five draws of 24 samples: the root of the mean square of the deviations from the truth, over that of the stated errors."""
    true, exact = coupled_constants(true_law()), true_law().derivative(torch.zeros(9, dtype=torch.float64), 3).numpy()[:6, :6, :6]
    found: dict[str, list] = {}
    third: list = []
    for seed in range(5):
        _, law, errors = regression(samples(24, seed))
        for name, attribute in NAMES.items():
            deviation = size(getattr(coupled_constants(law), attribute) - getattr(true, attribute))
            found.setdefault(name, []).append((deviation, size(errors[name])))
        own = law.derivative(torch.zeros(9, dtype=torch.float64), 3).numpy()
        places = {name: tuple(int(digit) - 1 for digit in name[1:]) for name in PLAIN}
        third.append([(own[place] - exact[place], errors["elastic_GPa"]["3"][name]) for name, place in places.items()])
    for name, pairs in found.items():
        deviation, stated = np.sqrt(np.mean(np.square(pairs), axis=0))
        assert 0.3 < deviation / stated < 2, (name, deviation / stated)
        assert stated < 0.05 * size(getattr(true, NAMES[name]))
    deviation, stated = np.sqrt(np.mean(np.square(third), axis=(0, 1)))
    assert 0.3 < deviation / stated < 2, (deviation, stated, np.abs(exact).max())
    assert stated < 0.5 * np.abs(exact).max()


def test_noise_and_fewer_samples_show() -> None:
    data = samples(24)
    rng = np.random.default_rng(1)
    noisy = data.second_piola_kirchhoff + from_mandel(0.05 * rng.normal(size=(24, 6)))
    wrong = StressStrainData(**{**data.to_document(), "second_piola_kirchhoff": noisy})
    more, quiet, loud = (regression(d)[2] for d in (samples(48), data, wrong))
    assert size(more["e_C_per_m2"]) < 0.5 * size(quiet["e_C_per_m2"])
    assert size(loud["C_constant_field_GPa"]) > 2 * size(quiet["C_constant_field_GPa"])


def test_errors_have_the_pattern_of_the_group() -> None:
    _, law, errors = regression(samples(24))
    e, constants = np.array(errors["e_C_per_m2"]), coupled_constants(law)
    zero = np.abs(constants.e) < 1e-9
    assert e[zero].max() < 1e-3 * e[~zero].min()
    assert np.isclose(e[0, 0], e[0, 1], rtol=1e-3)  # e12 = −e11
    assert "electrostriction_GPa_m2_per_GV2" not in errors
    assert errors["elastic_GPa"]["2"]["C11"] == pytest.approx(errors["C_constant_field_GPa"][0][0])
    assert errors["elastic_GPa"]["2"]["C44"] == pytest.approx(errors["C_constant_field_GPa"][3][3])


def test_what_is_not_given_is_not_determined() -> None:
    """Without polarisations the stress tells e and d, but no permittivity, and nothing that is computed from one."""
    data = samples(24)
    bare = StressStrainData(**{name: value for name, value in data.to_document().items() if name != "polarization"})
    _, _, errors = regression(bare)
    assert errors["permittivity_constant_strain"] is None
    assert errors["g_Vm_per_N"] is None
    assert errors["C_constant_displacement_GPa"] is None
    assert size(errors["e_C_per_m2"]) > 0
    assert size(errors["d_pm_per_V"]) > 0


def test_the_closed_form_of_missing_samples() -> None:
    """Factors without a part are those of a regression on the rest, with the same noise."""
    problem = coupled_samples(samples(12), (STRAIN, ELECTRIC_FIELD), GROUP).problem
    fit = left_out_with(problem, "rational", np.eye(9) / 3, 1e-6)
    rest = np.delete(np.arange(12), [3, 7])
    (found,) = without_parts(fit, [np.array([3, 7])])
    again = left_out_with(problem.subset(rest), "rational", np.eye(9) / 3, 1e-6)
    assert not found[[3, 7]].any()
    assert np.allclose(found[rest], again.factors, rtol=1e-3, atol=1e-3 * np.abs(again.factors).max())  # the noise counts by the mean
    assert not np.allclose(found[rest], fit.factors[rest], rtol=1e-3, atol=1e-3 * np.abs(again.factors).max())  # control


@pytest.mark.parametrize("kernel", KERNELS)
def test_second_derivatives_are_the_slope_of_the_gradient(kernel: str) -> None:
    problem = coupled_samples(samples(12), (STRAIN, ELECTRIC_FIELD), GROUP).problem
    fit = left_out_with(problem, kernel, np.eye(9) / 3, 1e-4)
    steps = 1e-3 * np.eye(9)
    y = fit.predict(np.concatenate([steps, -steps]))
    slope = (y[:9] - y[9:]) / 2e-3
    assert np.abs(fit.second_derivatives() - slope).max() < 1e-5 * np.abs(slope).max()


@pytest.mark.parametrize("kernel", KERNELS)
def test_third_derivatives_are_the_second_differences_of_the_gradient(kernel: str) -> None:
    problem = coupled_samples(samples(12), (STRAIN, ELECTRIC_FIELD), GROUP).problem
    fit = left_out_with(problem, kernel, np.eye(9) / 3, 1e-4)
    third = fit.third_derivatives()
    rng = np.random.default_rng(0)
    for direction in rng.normal(size=(5, 9)) / 3:
        y = fit.predict(1e-2 * direction * np.array([[1], [0], [-1.0]]))
        differences = (y[0] - 2 * y[1] + y[2]) / 1e-4
        assert np.abs(third @ direction @ direction - differences).max() < 1e-3 * np.abs(differences).max()
    assert np.abs(third - third.transpose(2, 0, 1)).max() < 1e-9 * np.abs(third).max()


def test_thermal_constants_with_errors_in_the_command(tmp_path) -> None:
    """Samples of a law with temperature: expansion, pyroelectric and heat constants within their errors, adiabatic beside isothermal."""
    group = PointGroup.from_symbol("6mm")
    C, e = np.diag([200.0, 200, 200, 50, 50, 75]), np.zeros((3, 6))
    C[:3, :3] += 50 * (1 - np.eye(3))
    e[2, :3], e[0, 4], e[1, 3] = [-0.5, -0.5, 1.2], -0.4, -0.4
    tables = {"thermal_expansion": np.diag([4e-6, 4e-6, 3e-6]), "pyroelectric": np.array([0, 0, -9e-6]), "heat_capacity": 2.8e6}
    true = LinearCoupledLaw.from_constants(
        group, stiffness=C, piezoelectric_e=e, permittivity=8 * np.eye(3), reference_temperature=300.0, **tables
    )
    rng = np.random.default_rng(0)
    E, field, T = from_mandel(rng.uniform(-0.01, 0.01, (25, 6))), rng.uniform(-0.3, 0.3, (25, 3)), rng.uniform(-100, 100, 25)
    T[0] = 0.0
    y = true.conjugates(torch.from_numpy(np.concatenate([to_mandel(E), field, T[:, None]], 1)))
    data = StressStrainData(
        F=np.linalg.cholesky(np.eye(3) + 2 * E).swapaxes(1, 2),
        second_piola_kirchhoff=from_mandel(y["stress"].numpy()),
        polarization=y["polarization"].numpy(),
        entropy=y["entropy"].numpy().ravel(),
        units="GPa",
        point_group="6mm",
        electric_field=field,
        temperature=300 + T,
    )
    found = calibrate_coupled(data, true.variables, group, effort=Effort.of("quick"), progress=lambda what, share: None)
    found.save(tmp_path / "polar")
    done = run("constants", tmp_path / "polar", "--piezo", "--json")
    assert done.returncode == 0, done.stderr
    payload = json.loads(done.stdout)
    T = found.card["reference_temperature_K"]  # of a sample, near 300 K: c = T ∂η/∂T
    exact = coupled_constants(true, reference_temperature=T).as_dict()
    thermal = [name for name in exact if name.startswith(("thermal", "pyro", "heat", "C_adiabatic"))]
    assert len(thermal) == 6
    for name in thermal:
        value, stated = np.array(payload["piezo"][name]), np.array(payload["piezo_errors"][name])
        assert np.linalg.norm(value - exact[name]) < 1e-5 * np.linalg.norm(exact[name]), name
        assert np.linalg.norm(value - exact[name]) < 4 * np.linalg.norm(stated) + 1e-8 * np.linalg.norm(exact[name]), name
    assert payload["piezo"]["heat_capacity_constant_stress_J_per_m3K"] > payload["piezo"]["heat_capacity_constant_strain_J_per_m3K"]
    assert payload["piezo"]["C_adiabatic_GPa"][0][0] > payload["C_voigt_GPa"][0][0]
    assert payload["errors_GPa"]["2"]["C11"] >= 0
    assert set(payload["errors_GPa"]["3"]) == set(payload["constants_GPa"]["3"])
    assert set(payload["piezo_errors"]) <= set(payload["piezo"])
    shown = run("constants", tmp_path / "polar", "--piezo")
    assert shown.stdout.count("standard errors") >= 10
