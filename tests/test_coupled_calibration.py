"""Data with fields, regressions and laws of several variables: round trips, branches, accuracy on unseen states, controls."""

import json

import numpy as np
import pytest
import torch
from command_line import run

from constitutive.audit import audit
from constitutive.calibration import calibrate, evaluate
from constitutive.calibration.coupled_data import variables_of
from constitutive.data import StressStrainData
from constitutive.data.electric import quanta, reference_field, reference_polarization, unwrapped
from constitutive.elasticity import coupled_constants
from constitutive.errors import CalibrationError, DataError, MaterialError
from constitutive.export.formats import subject_of
from constitutive.export.subject import header
from constitutive.fitting import kernel_regression as kr
from constitutive.fitting.coupled_problem import CoupledProblem
from constitutive.fitting.kernel_regression import KERNELS, fit_kernel
from constitutive.intake import IntakeError
from constitutive.kinematics import determinant, right_stretch
from constitutive.laws.coupled import CoupledSeriesLaw, LinearCoupledLaw
from constitutive.material import Material
from constitutive.symmetry import PointGroup
from constitutive.tensors.packing import from_mandel, to_mandel
from constitutive.tensors.polynomials import exponents
from constitutive.tensors.variables import ELECTRIC_FIELD, STRAIN

GROUP = PointGroup.from_symbol("32")


def true_law(scale: float = 1.0) -> CoupledSeriesLaw:
    """Polynomial of degree 2 to 4 with coefficients of the size of a crystal's."""
    rng = np.random.default_rng(0)
    rows = {}
    for degree in (2, 3, 4):
        table = exponents(degree, 9)
        sizes = np.prod(np.r_[np.full(6, 0.03), np.full(3, 1.0)] ** table, axis=1)
        rows[degree] = scale * 0.02 * rng.normal(size=len(table)) / sizes * 0.4 ** (degree - 2)
    rows[2] = (
        rows[2] + np.where((exponents(2, 9)[:, :6] == 2).any(1), 60.0, 0.0) - np.where((exponents(2, 9)[:, 6:] == 2).any(1), 0.02, 0.0)
    )
    return CoupledSeriesLaw(rows, (STRAIN, ELECTRIC_FIELD), GROUP)


def samples(n: int, seed: int = 0, **other) -> StressStrainData:
    rng = np.random.default_rng(seed)
    E = from_mandel(rng.uniform(-0.03, 0.03, (n, 6)))
    field = rng.uniform(-1, 1, (n, 3))
    found = true_law().conjugates(torch.from_numpy(np.concatenate([to_mandel(E), field], 1)))
    S = from_mandel(found["stress"].numpy())
    values = {"F": right_stretch(E), "second_piola_kirchhoff": S, "units": "GPa", "point_group": "32", "electric_field": field}
    return StressStrainData(**{**values, "polarization": found["polarization"].numpy(), **other})


@pytest.fixture(scope="module")
def material() -> Material:
    return calibrate(samples(30), variables="strain,electric_field", effort="quick")


# ---- data -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", ["json", "h5"])
def test_files_keep_fields(tmp_path, suffix: str) -> None:
    units = {"stress": "kbar", "electric_field": "V/angstrom", "polarization": "uC/cm^2", "entropy": "J/m^3/K"}
    first = samples(4)
    data = first.replace(entropy=np.arange(4.0), temperature=np.array([290.0, 300, 310, 320]))
    stated = StressStrainData(**{**data.to_document(), "units": units, "field_units": None})
    stated.save(tmp_path / f"data.{suffix}")
    again = StressStrainData.load(tmp_path / f"data.{suffix}", plausible=False)
    assert again.electric_field == pytest.approx(10 * first.electric_field, rel=1e-14)
    assert again.polarization == pytest.approx(0.01 * first.polarization, rel=1e-14)
    assert again.entropy == pytest.approx(1e-9 * np.arange(4.0))
    assert again.temperature.tolist() == [290, 300, 310, 320]
    assert again.select(slice(2)).polarization.shape == (2, 3)
    assert again.sha256 == stated.sha256 != first.sha256


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"electric_field": np.zeros((4, 2))}, "electric_field: found shape"),
        ({"polarization": np.zeros((3, 3))}, "polarization: found 3 samples, needed 4"),
        ({"electric_field": np.full((4, 3), np.nan)}, "electric_field: found NaN"),
        ({"temperature": np.full(4, -20.0)}, "not °C"),
        ({"temperature": np.array([300.0, 310.0])}, "temperature: found 2 samples"),
        ({"electric_frame": "lab"}, "electric_frame"),
        ({"units": {"stress": "GPa", "electric_field": "volts"}}, "unknown unit of electric field"),
        ({"units": {"stress": "GPa", "polarization": "C"}}, "unknown unit of polarization"),
    ],
)
def test_wrong_fields_are_named(change: dict, message: str) -> None:
    with pytest.raises(DataError, match=message):
        samples(4, **change)


def test_current_configuration() -> None:
    rng = np.random.default_rng(0)
    F = np.eye(3) + rng.uniform(-0.1, 0.1, (5, 3, 3))
    field, p = rng.normal(size=(5, 3)), rng.normal(size=(5, 3))
    data = StressStrainData(
        F=F, cauchy=np.zeros((5, 3, 3)), units="GPa", electric_field=field, polarization=p, electric_frame="current", point_group="32"
    )
    assert data.reference_electric_field == pytest.approx(reference_field(F, field))
    work = np.einsum("ni,ni->n", data.reference_electric_field, data.reference_polarization)
    assert work == pytest.approx(determinant(F) * np.einsum("ni,ni->n", field, p))  # E₀·P₀ = J e·p
    same = data.replace(electric_frame="reference")
    assert not np.allclose(same.reference_polarization, data.reference_polarization)  # control
    assert reference_polarization(F, p) == pytest.approx(data.reference_polarization)


def test_extended_xyz_keeps_fields(tmp_path) -> None:
    from ase.io import write

    lattice = np.diag([4.0, 5.0, 6.0])
    data = samples(5).replace(point_group=None, lattice=lattice, species=["Si", "O"], frac_coords=np.array([[0.0, 0, 0], [0.4, 0.3, 0.2]]))
    write(tmp_path / "data.xyz", data.to_ase(), format="extxyz")
    write(tmp_path / "reference.xyz", data.replace(F=np.eye(3)[None].repeat(5, 0)).to_ase()[:1], format="extxyz")
    done = run("convert", tmp_path / "data.xyz", "--reference", tmp_path / "reference.xyz", "-o", tmp_path / "back.json")
    assert done.returncode == 0, done.stderr
    back = StressStrainData.load(tmp_path / "back.json", plausible=False)
    assert back.electric_frame == "current"
    assert back.reference_electric_field == pytest.approx(data.electric_field, abs=1e-6)
    assert back.reference_polarization == pytest.approx(data.polarization, abs=1e-6)
    assert not np.allclose(back.electric_field, data.electric_field, atol=1e-3)  # control: current and reference differ


def test_branches_are_followed() -> None:
    lattice = np.diag([4.0, 4.0, 4.0])
    points = np.linspace(0, 1, 30)[:, None] * np.array([1.0, 0.5])
    smooth = np.linspace(0, 1, 30)[:, None] * np.array([1.2, 0.0, -0.6])  # more than a quantum of 1.001 C/m²
    rows = np.rint(np.random.default_rng(0).uniform(-2, 2, (30, 3)))
    rows[0] = 0
    wrapped = smooth + rows @ quanta(lattice)
    found, moved = unwrapped(wrapped, points, lattice)
    assert found == pytest.approx(smooth, abs=1e-12)
    assert sorted(moved) == sorted(np.flatnonzero(rows.any(1)))
    far, _ = unwrapped(wrapped[[0, -1]], points[[0, -1]], lattice)  # control: without the path the branch is lost
    assert not np.allclose(far[1], smooth[-1])


# ---- regression -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kernel", KERNELS)
def test_regression_is_equivariant_and_a_gradient(kernel) -> None:
    data = samples(12)
    x = [np.asarray(to_mandel(data.green_lagrange_strain)), data.electric_field]
    y = [np.asarray(to_mandel(data.second_piola_kirchhoff)), data.polarization]
    problem = CoupledProblem.of((STRAIN, ELECTRIC_FIELD), GROUP.operations, x, y)
    fit = fit_kernel(problem, kernel)
    points = np.random.default_rng(0).normal(size=(3, 9)) * 0.5
    for D in problem.group:
        assert np.abs(fit.predict(points @ D.T) - fit.predict(points) @ D.T).max() < 1e-8 * np.abs(fit.predict(points)).max()
    steps = 1e-4 * np.eye(9)
    H = np.stack([(fit.predict(points + s) - fit.predict(points - s)) / 2e-4 for s in steps], 1)
    assert np.abs(H - H.transpose(0, 2, 1)).max() < 1e-5 * np.abs(H).max()
    assert problem.relative_error(fit.predict(problem.x)) < 0.02


def test_samples_left_out_are_predicted_in_closed_form() -> None:
    data = samples(10)
    x = [np.asarray(to_mandel(data.green_lagrange_strain)), data.electric_field]
    y = [np.asarray(to_mandel(data.second_piola_kirchhoff)), data.polarization]
    problem = CoupledProblem.of((STRAIN, ELECTRIC_FIELD), GROUP.operations, x, y)
    lengths = np.eye(9) / 4
    _, errors = kr._solve(problem, "exponential", lengths, 1e-6)
    K = kr._covariance(problem, "exponential", lengths)
    weight = np.tile(problem.weights, 10)
    noise = 1e-6 * np.trace(K * weight[:, None] * weight) / 90
    rest = problem.subset(np.arange(1, 10))
    W = weight[9:]
    inner = kr._covariance(rest, "exponential", lengths) * W[:, None] * W + noise * np.eye(81)
    factors = np.linalg.solve(inner, rest.normed(rest.y).ravel()).reshape(9, 9) * problem.weights
    fit = kr.KernelFit(rest, "exponential", lengths, noise, factors, rest.y)
    assert problem.y[0] - errors[0] == pytest.approx(fit.predict(problem.x[:1])[0], rel=1e-6)


# ---- calibration ----------------------------------------------------------------------------------------------------


def test_a_law_is_found(material: Material) -> None:
    unseen = samples(40, seed=1)
    errors = evaluate(material, unseen)
    assert errors.second_piola_relative_error < 0.01
    assert errors.conjugates["polarization"] < 0.03
    assert material.coupled.symmetry_residual(size=[0.03, 1.0]) < 1e-12
    imposed = samples(30).replace(point_group="-3m")
    with pytest.raises(IntakeError, match="wrong_group"):
        calibrate(imposed, variables="strain,electric_field", effort="quick")
    wrong = calibrate(imposed, variables="strain,electric_field", effort="quick", allow=("wrong_group",))
    missed = evaluate(wrong, unseen.replace(point_group="-3m")).conjugates["polarization"]
    assert missed > 10 * errors.conjugates["polarization"]  # control: an imposed inversion


def test_the_audit_judges_stresses_in_their_fields(material: Material) -> None:
    found = audit(material, unseen=samples(30, seed=1), samples=10)
    assert found.checks["held_out"].standing == "kept"
    assert found.checks["held_out"].figure < 0.01
    still = samples(30, seed=1).replace(electric_field=None)  # control: without the fields the stresses are missed
    assert audit(material, unseen=still, samples=10).checks["held_out"].figure > 0.02


def test_saved_and_loaded(material: Material, tmp_path) -> None:
    material.save(tmp_path / "m")
    again = Material.load(tmp_path / "m")
    data = samples(5, seed=2)
    one, two = (m.response(data.F, electric_field=data.electric_field) for m in (material, again))
    assert all(np.array_equal(one[name], two[name]) for name in ("stress", "polarization"))
    assert again.second_piola_kirchhoff(data.F) == pytest.approx(again.response(data.F)["stress"], abs=1e-9)
    R = np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))[0]
    R *= np.sign(np.linalg.det(R))
    turned = again.rotated(R).response(R @ data.F @ R.T, electric_field=data.electric_field @ R.T)
    assert turned["polarization"] == pytest.approx(one["polarization"] @ R.T, abs=1e-12)
    with pytest.raises(MaterialError, match="law is a function of strain, electric_field"):
        again.response(data.F, polarization=np.zeros((5, 3)))
    with pytest.raises(MaterialError, match="finite numbers of shape"):
        again.response(data.F, electric_field=np.full((5, 3), np.nan))


def test_variables_are_found_or_asked_for() -> None:
    data = samples(6)
    with pytest.raises(CalibrationError, match=r"--variables strain,electric_field"):
        variables_of(data, None)
    assert [v.name for v in variables_of(data.replace(polarization=None), None)] == ["strain", "electric_field"]
    assert variables_of(data.replace(polarization=None, electric_field=None), None) is None
    warm = data.replace(polarization=None, electric_field=None, temperature=np.linspace(100, 300, 6))
    assert [v.name for v in variables_of(warm, None)] == ["strain", "temperature"]
    for wrong, message in (
        ("strain,heat", "found"),
        ("electric_field", "'strain' is needed"),
        ("strain,temperature", "hold no temperature"),
    ):
        with pytest.raises(CalibrationError, match=message):
            variables_of(data, wrong)
    with pytest.raises(CalibrationError, match="elliptic"):
        calibrate(data, variables="strain,electric_field", elliptic=True)


def test_fields_and_temperatures_are_not_taken_for_elastic_stresses() -> None:
    """Samples in fields, judged or learned by a law that leaves the fields out, would only look inaccurate."""
    data = samples(6)
    with pytest.raises(DataError, match=r"samples in electric fields up to .* GV/m, and a law of strain, which leaves them out"):
        calibrate(data, variables="strain", effort="quick")
    warm = data.replace(polarization=None, electric_field=None, temperature=np.linspace(100, 300, 6))
    with pytest.raises(DataError, match=r"samples at 100 to 300 K, and a law of strain, which leaves the temperature out"):
        variables_of(warm, "strain")
    assert variables_of(data.replace(electric_field=0 * data.electric_field), "strain") is None  # control: a field of zero is none
    assert variables_of(warm.replace(temperature=300.0), "strain") is None
    elastic = Material.from_constants("32", {"C11": 86.7, "C12": 7.0, "C13": 11.9, "C14": 17.9, "C33": 107.2, "C44": 57.9})
    with pytest.raises(DataError, match="leaves them out"):
        evaluate(elastic, data)


def test_the_elastic_part_of_a_coupled_law_says_at_what_it_is_held(material: Material) -> None:
    assert material.elastic_law_held_at == "zero electric field"
    assert Material.from_constants("m-3m", {"C11": 167.0, "C12": 65.0, "C44": 80.0}).elastic_law_held_at == ""
    assert "Held at:     zero electric field" in "\n".join(header(subject_of(material, "c", None, None, "double", None)))



def test_temperature_gives_thermal_expansion() -> None:
    group, rng = PointGroup.from_symbol("m-3m"), np.random.default_rng(0)
    C = np.diag([160.0, 160, 160, 80, 80, 80]) + np.pad(np.full((3, 3), 60.0) - 60 * np.eye(3), (0, 3))
    law = LinearCoupledLaw.from_constants(group, stiffness=C, permittivity=np.eye(3), thermal_expansion=1e-5 * np.eye(3))
    E, T = from_mandel(rng.uniform(-0.01, 0.01, (16, 6))), rng.uniform(200, 400, 16)
    reference = T[np.abs(T - 298.15).argmin()]
    x = np.concatenate([to_mandel(E), np.zeros((16, 3)), (T - reference)[:, None]], 1)
    S = from_mandel(law.conjugates(torch.from_numpy(x))["stress"].numpy())
    data = StressStrainData(F=right_stretch(E), second_piola_kirchhoff=S, units="GPa", point_group="m-3m", temperature=T)
    found = calibrate(data, effort="quick")
    assert found.card["variables"] == ["strain", "temperature"]
    assert found.card["reference_temperature_K"] == pytest.approx(reference)
    alpha = coupled_constants(found.coupled).thermal_expansion
    assert alpha == pytest.approx(1e-5 * np.eye(3), rel=0.02, abs=1e-8)
    hot = found.response(np.eye(3)[None], temperature=reference + 100.0)["stress"][0]
    assert hot == pytest.approx(-1e-3 * C[:3, :3].sum(1)[0] * np.eye(3), rel=0.02, abs=1e-6)


def test_material_of_constants_needs_its_own_law() -> None:
    C = np.diag([100.0, 100, 100, 50, 50, 50])
    law = LinearCoupledLaw.from_constants(PointGroup.from_symbol("m-3m"), stiffness=C, permittivity=5 * np.eye(3))
    crystal = Material.from_coupled_law(law, "m-3m")
    assert crystal.stiffness_voigt() == pytest.approx(C)
    with pytest.raises(MaterialError, match="breaks the symmetry"):
        Material.from_coupled_law(true_law(), GROUP.rotated(np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]])))


def test_command_line(tmp_path) -> None:
    samples(20).save(tmp_path / "data.json")
    samples(20, seed=1).save(tmp_path / "unseen.json")
    folder = str(tmp_path / "m")
    failed = run("calibrate", str(tmp_path / "data.json"), "--out", folder)
    assert failed.returncode == 2
    options = ("--variables", "strain,electric_field", "--effort", "quick", "--json")
    done = run("calibrate", str(tmp_path / "data.json"), "--out", folder, *options)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["variables"] == ["strain", "electric_field"]
    judged = json.loads(run("evaluate", folder, str(tmp_path / "unseen.json"), "--json").stdout)
    assert judged["polarization_relative_error"] < 0.1
    assert "second_piola_relative_error" in judged
