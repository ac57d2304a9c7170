"""Calculators by name, from a file, or from a function of the user's."""

import sys

import pytest
import simulate_cases

from constitutive.errors import DataError, DependencyError
from constitutive.simulate import CALCULATORS, read_calculator

SIC = {"pair_style": "vashishta", "pair_coeff": ["* * SiC.vashishta Si C"]}
SI = {"pair_style": "sw", "pair_coeff": ["* * Si.sw Si"]}


def test_a_yaml_file_names_a_calculator_and_its_options(tmp_path):
    (tmp_path / "calc.yaml").write_text("calculator: lammps\npair_style: vashishta\npair_coeff: ['* * SiC.vashishta Si C']\n")
    spec = read_calculator(str(tmp_path / "calc.yaml"), {"units": "metal"})
    assert (spec.name, spec.folder) == ("lammps", str(tmp_path))
    assert spec.options == {**SIC, "units": "metal"}
    assert spec.make(tmp_path).species == ["Si", "C"]


@pytest.mark.parametrize(
    ("text", "said"),
    [("emtt", "needed one of lammps"), ("missing.yaml", "no readable YAML"), ("emt:", "needed one of"), (":make", "needed one of")],
)
def test_what_is_no_calculator_is_refused(text, said):
    with pytest.raises(DataError, match=said):
        read_calculator(text)


@pytest.mark.parametrize(
    ("content", "said"), [("[1]", "no key"), ("calculator: nonsense", "found calculator 'nonsense'"), ("a: [", "no readable")]
)
def test_what_is_no_calculator_file_is_refused(tmp_path, content, said):
    (tmp_path / "calc.yml").write_text(content)
    with pytest.raises(DataError, match=said):
        read_calculator(str(tmp_path / "calc.yml"))


MODULES = {"chgnet": "chgnet", "mace": "mace", "mattersim": "mattersim", "sevennet": "sevenn", "orb": "orb_models", "nequip": "nequip"}


@pytest.mark.parametrize("name", MODULES)
def test_a_missing_package_is_answered_by_the_line_that_installs_it(name, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, MODULES[name], None)
    options = {"model": "x"} if name == "nequip" else {}
    with pytest.raises(DependencyError, match=f"calculator {name}.*get it by: pip install"):
        read_calculator(name, options).make(tmp_path)


def test_options_that_a_calculator_needs_are_named(tmp_path):
    with pytest.raises(DataError, match="found no pair_style and no pair_coeff; needed in a YAML file"):
        read_calculator("lammps").make(tmp_path)
    with pytest.raises(DataError, match="found no model"):
        read_calculator("nequip").make(tmp_path)


def test_options_that_a_calculator_does_not_take_are_named(tmp_path):
    for name, options, said in (
        ("lammps", {**SI, "stile": 1}, "the option stile; needed one of angles"),
        ("emt", {"asap_cutof": True}, "the option asap_cutof; needed one of asap_cutoff"),  # ASE takes it and does nothing
        ("espresso", {"kpt": [4, 4, 4]}, "the option kpt; needed one of"),
        ("espresso", {"input_data": {"ecutroh": 300}}, "ecutroh in input_data; needed the namelists"),
        ("espresso", {"input_data": {"sytem": {"ecutwfc": 30}}}, "sytem in input_data; needed the namelists"),
    ):
        with pytest.raises(DataError, match=said):
            read_calculator(name, options).make(tmp_path)
    taken = {"input_data": {"ecutwfc": 30, "SYSTEM": {"nspin": 2}, "starting_magnetization(1)": 0.5}, "kpts": [2, 2, 2]}
    assert read_calculator("espresso", taken).make(tmp_path)


def test_a_function_of_the_users_makes_a_calculator(tmp_path):
    spec = simulate_cases.spec("spring")
    assert spec.own_code
    assert not read_calculator("emt").own_code
    assert spec.make(tmp_path).implemented_properties
    for function, said in (
        ("nothing", "found a int returned"),
        ("absent", "cannot be imported"),
        ("unlicensed", "RuntimeError: no licence"),
        ("made_class", "found the class Spring returned"),
    ):
        with pytest.raises(DataError, match=said):
            simulate_cases.spec(function).make(tmp_path)


def test_registered_calculators_are_those_of_the_documentation(checkout):
    text = (checkout / "docs" / "howto" / "simulate.md").read_text()
    assert all(f"`{name}`" in text for name in CALCULATORS)
