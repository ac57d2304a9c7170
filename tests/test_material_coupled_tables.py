"""Materials of tables of elastic, piezoelectric, dielectric and thermal constants, and tables in other units."""

import json

import numpy as np
import pytest
from command_line import run

from constitutive.elasticity import coupled_constants
from constitutive.errors import DataError, MaterialError
from constitutive.export import read_constants
from constitutive.material import Material

C = {"C11": 86.74, "C12": 6.99, "C13": 11.91, "C14": 17.91, "C33": 107.2, "C44": 57.94}
E = np.array([[0.171, -0.171, 0, 0.0406, 0, 0], [0, 0, 0, 0, -0.0406, -0.171], [0] * 6])
D = np.array([[2.3, -2.3, 0, -0.73, 0, 0], [0, 0, 0, 0, 0.73, -4.6], [0] * 6])  # pm/V
EPSILON = np.diag([4.428, 4.428, 4.634])
ALPHA = np.diag([13.7e-6, 13.7e-6, 7.5e-6])


def test_quartz_from_e_and_from_d(tmp_path) -> None:
    quartz = Material.from_constants("32", C, piezoelectric_e=E, permittivity=EPSILON, thermal_expansion=ALPHA, heat_capacity=1.96e6)
    found = coupled_constants(quartz.coupled, reference_temperature=298.15)
    assert found.d[0, [0, 3]] == pytest.approx([2.307158, -0.725620], abs=1e-6)
    assert found.thermal_expansion == pytest.approx(ALPHA, abs=1e-12)
    same = Material.from_constants(
        "32", C, piezoelectric_d=found.d.tolist(), permittivity_at_constant_stress=found.permittivity_constant_stress, unit="GPa"
    )
    again = coupled_constants(same.coupled)
    assert again.e == pytest.approx(E, abs=1e-12)
    assert again.permittivity_constant_strain == pytest.approx(EPSILON)
    quartz.save(tmp_path / "quartz")
    loaded = Material.load(tmp_path / "quartz")
    assert loaded.card["reference_temperature_K"] == 298.15
    assert coupled_constants(loaded.coupled).e == pytest.approx(found.e)
    pascals = Material.from_constants("32", {name: 1e9 * value for name, value in C.items()}, permittivity=EPSILON, unit="Pa")
    assert pascals.stiffness_voigt()[0, 0] == pytest.approx(86.74)


def test_thermal_expansion_alone_needs_no_permittivity() -> None:
    found = coupled_constants(Material.from_constants("32", C, thermal_expansion=ALPHA).coupled)
    assert found.thermal_expansion == pytest.approx(ALPHA)
    assert found.permittivity_constant_strain == pytest.approx(np.eye(3))


@pytest.mark.parametrize(
    ("tables", "message"),
    [
        ({"piezoelectric_d": 1e-12 * D, "permittivity": EPSILON}, "C/N and m/V are 1e12 pm/V"),
        ({"piezoelectric_e": 1e3 * E, "permittivity": EPSILON}, "pC/N goes as piezoelectric_d"),
        ({"piezoelectric_e": 1e-12 * E, "permittivity": EPSILON}, "pC/N goes as piezoelectric_d"),
        ({"piezoelectric_e": E, "permittivity": 8.854e-12 * EPSILON}, "F/m are divided"),
        ({"piezoelectric_e": E}, "no permittivity"),
        ({"piezoelectric_e": E, "piezoelectric_d": E, "permittivity": EPSILON}, "both given"),
        ({"piezoelectric_e": E[:, ::-1].copy(), "permittivity": EPSILON}, "piezoelectric constants break the symmetry"),
        ({"piezoelectric_e": E.T.copy(), "permittivity": EPSILON}, "shape"),
        ({"piezoelectric_e": np.full((3, 6), np.nan), "permittivity": EPSILON}, "NaN"),
        ({"permittivity": np.diag([4.4, 4.5, 0.2])}, "permittivit"),
        ({"piezoelectric_d": 100 * D, "permittivity_at_constant_stress": EPSILON}, "that of free space"),
        ({"thermal_expansion": 1e6 * ALPHA}, "10⁻⁶/K are"),
        ({"thermal_expansion": ALPHA, "heat_capacity": 740.0}, "density"),
        ({"thermal_expansion": ALPHA, "reference_temperature": -25.0}, "kelvins"),
        ({"permittivity": EPSILON, "C3": {"C111": -210.0}}, "third-order"),
    ],
)
def test_wrong_tables_are_named(tables: dict, message: str) -> None:
    if "C3" in tables:
        names = {"C111": -210.0, "C112": -345, "C113": 12, "C114": -163, "C123": -294, "C124": -15, "C133": -312, "C134": 2, "C144": -134}
        tables = {**tables, "C3": {**names, "C155": -200, "C222": -332, "C333": -815, "C344": -110, "C444": -276}}
    with pytest.raises(MaterialError, match=message):
        Material.from_constants("32", C, **tables)


def test_a_centre_of_inversion_forbids_piezoelectricity() -> None:
    with pytest.raises(MaterialError, match="break the symmetry"):
        Material.from_constants("-3m", C, piezoelectric_e=E, permittivity=EPSILON)


def stated(tmp_path, **other):
    stiffness = Material.from_constants("32", C).stiffness_voigt().tolist()
    path = tmp_path / "constants.json"
    path.write_text(json.dumps({"stiffness": stiffness, "piezoelectric_e": E.tolist(), "permittivity": EPSILON.tolist(), **other}))
    return path


def test_a_file_of_tables_is_imported(tmp_path) -> None:
    path = stated(tmp_path, thermal_expansion=ALPHA.tolist(), heat_capacity=1.96e6, reference_temperature=300.0, source="Bechmann 1958")
    result = run("import", str(path), "--point-group", "32", "--unit", "GPa", "-o", str(tmp_path / "quartz"), "--json", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout)["tables"] == [
        "heat_capacity", "permittivity", "piezoelectric_e", "reference_temperature", "thermal_expansion",
    ]  # fmt: skip
    material = Material.load(tmp_path / "quartz")
    found = coupled_constants(material.coupled, reference_temperature=material.card["reference_temperature_K"])
    assert material.card["reference_temperature_K"] == 300.0
    assert found.e == pytest.approx(E, abs=1e-12)
    assert found.thermal_expansion == pytest.approx(ALPHA, abs=1e-12)


def test_unknown_tables_and_another_order_are_refused(tmp_path) -> None:
    with pytest.raises(DataError, match="found piezo_d beside stiffness"):
        read_constants(stated(tmp_path, piezo_d=D.tolist()), point_group="32")
    with pytest.raises(DataError, match="found --order"):
        read_constants(stated(tmp_path), point_group="32", order="xx yy zz xy yz xz")


def test_tensors_in_the_axes_of_a_structure_need_it(tmp_path) -> None:
    path = tmp_path / "mp.json"
    stiffness = Material.from_constants("32", C).stiffness_voigt().tolist()
    path.write_text(json.dumps({"elastic_tensor": stiffness, "piezo": {"total": E[:, [0, 1, 2, 5, 3, 4]].tolist()}}))
    material, found = read_constants(path, point_group="32", unit="GPa")
    assert material.coupled is None
    assert "state --structure" in found.assumed[0]
