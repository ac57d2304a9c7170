"""Options that are numbers, or hold numbers: what is none that can be meant is refused, with the option and the value named."""

import inspect
import types
import typing

import pytest
from intake_cases import invoke

from constitutive.cli import app

NUMBERS = ("nan", "inf", "-inf", "-1", "0", "1e999", "x")
MEANT = {  # what may be said: a pressure can be a tension or nothing, a seed can be 0
    ("constants", "pressure"): ("-1", "0"),
    ("calibrate", "seed"): ("0",),
    ("audit", "seed"): ("0",),
    ("report", "seed"): ("0",),
    ("plan", "seed"): ("0",),
    ("simulate", "workers"): ("0",),  # in this process
    ("improve", "workers"): ("0",),
    ("build", "workers"): ("0",),
    ("improve", "seed"): ("0",),
    ("wells", "seed"): ("0",),
    ("twins", "seed"): ("0",),
    ("build", "seed"): ("0",),
}


def numeric_options():
    """Command and option of every int and float that the real command line takes."""
    for command in app.registered_commands:
        hints = typing.get_type_hints(command.callback)
        for name in inspect.signature(command.callback).parameters:
            kinds = typing.get_args(hints[name]) if isinstance(hints[name], types.UnionType) else (hints[name],)
            if {int, float} & set(kinds):
                yield command.name or command.callback.__name__.rstrip("_"), name


CASES = list(numeric_options())


def source(command, checkout):
    silicon = checkout / "materials" / "silicon"
    words = {"symmetry": [silicon / "structure.json"], "compare": [silicon, silicon], "calibrate": [silicon / "data.json", "--out", "x"]}
    return words.get(command, [silicon])


def test_the_parser_has_the_options_that_are_tried():
    assert {("constants", "pressure"), ("compare", "radius"), ("symmetry", "symprec"), ("calibrate", "train")} <= set(CASES)
    assert set(MEANT) <= set(CASES)


@pytest.mark.parametrize(("command", "option"), CASES)
def test_a_number_that_cannot_be_meant_is_refused(command, option, checkout, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for value in NUMBERS:
        if value in MEANT.get((command, option), ()):
            continue
        result = invoke(command, *source(command, checkout), f"--{option}", value)
        words = " ".join(result.output.split())
        assert result.exit_code == 2, (value, words)
        assert f"--{option}" in words, value
        assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("option", "values"),
    {
        "unit": ("nan GPa", "-5 GPa", "0 GPa", "inf GPa"),
        "energy-unit": ("nan eV", "-1 eV/cell"),
        "lj": ("nan,3.4", "0.01,-3", "0,3", "0.01"),
        "drop": ("-1", "1.5", "nan", "10000"),
        "stress-frame": ("nan,0,0,0,1,0,0,0,1", "2,0,0,0,1,0,0,0,1", "1,0,0"),
        "where": ("strain<nan", "strain<x", "strain"),
    }.items(),
)
def test_numbers_inside_options_of_convert(option, values, checkout, tmp_path):
    for value in values:
        result = invoke("convert", checkout / "materials" / "silicon" / "data.json", f"--{option}={value}", "-o", tmp_path / "x.json")
        text = f"{result.output}{result.exception or ''}"
        assert result.exit_code != 0, (value, text)
        assert type(result.exception).__name__ in ("SystemExit", "DataError"), (value, repr(result.exception))
        assert not (tmp_path / "x.json").exists(), value
