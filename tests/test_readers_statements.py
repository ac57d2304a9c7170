"""Units, signs and orders: every combination of what a file holds, what it states and what the user states is right or refused."""

import ase
import ase.io
import numpy as np
import pytest
import reader_oracle as oracle
from ase.calculators.singlepoint import SinglePointCalculator
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from reader_cases import GOLDEN

from constitutive.errors import ConstitutiveError, DataError
from constitutive.readers import ReadOptions, convert
from constitutive.units import pressure_factor

UNITS = ("GPa", "kbar", "bar", "eV/angstrom^3", "MPa")
SIGNS = ("pressure", "tension")
MAYBE_UNIT = st.sampled_from([None, *UNITS])
MAYBE_SIGN = st.sampled_from([None, *SIGNS])
MAYBE_ORDER = st.sampled_from([None, *oracle.ORDERS])
F, SIGMA = oracle.samples()


def written(folder, name, numbers, unit, order):
    """The file of a format, and whether the format states the unit, its default unit and sign, and whether it holds six numbers."""
    six = order is not None
    rows = [oracle.six(s, order) for s in numbers] if six else numbers
    texts = {
        "extxyz": ("x.xyz", lambda: oracle.extxyz(F, rows), None, "eV/angstrom^3", "tension"),
        "extxyz stated": ("x.xyz", lambda: oracle.extxyz(F, rows, entry=f" stress-unit={unit}"), unit, None, "tension"),
        "csv": ("x.csv", lambda: oracle.csv(F, numbers), None, None, "tension"),
        "csv stated": ("x.csv", lambda: oracle.csv(F, numbers, unit), unit, None, "tension"),
        "document": ("x.json", lambda: oracle.document(F, rows), None, None, None),
        "data set": ("x.json", lambda: oracle.data_set(F, numbers, unit), None, unit, "tension"),
        "fitsnap": ("x.json", lambda: oracle.fitsnap(F, numbers, None), None, "bar", "pressure"),
        "mlearn": ("x.json", lambda: oracle.mlearn(F, numbers, order), None, None, None),
    }
    file, text, stated, default, sign = texts[name]
    path = folder / file
    path.write_text(text())
    return path, stated, default, sign


def takes_order(name):
    return name not in ("csv", "csv stated", "fitsnap")


@settings(max_examples=150)
@given(
    name=st.sampled_from(["extxyz", "extxyz stated", "csv", "csv stated", "document", "data set", "fitsnap", "mlearn"]),
    unit=st.sampled_from(UNITS),
    sign=st.sampled_from(SIGNS),
    order=MAYBE_ORDER,
    said_unit=MAYBE_UNIT,
    said_sign=MAYBE_SIGN,
    said_order=MAYBE_ORDER,
)
def test_every_statement_is_right_or_refused(tmp_path_factory, name, unit, sign, order, said_unit, said_sign, said_order):
    """The oracle: numbers × unit × sign, by what the file states, else what the user states, else the default of the format."""
    six_possible = name in ("extxyz", "extxyz stated", "document", "mlearn")
    order = (order or "ASE") if name == "mlearn" else order if six_possible else None
    assume(said_order is None or order is None or said_order == order)  # a wrong order is not for the reader to find
    assume(said_order is None or order is not None or name in ("csv", "csv stated"))
    numbers = oracle.in_unit(SIGMA, unit, sign)
    folder = tmp_path_factory.mktemp("x")
    path, stated, default_unit, default_sign = written(folder, name, numbers, unit, order)
    used_unit, used_sign = stated or said_unit or default_unit, said_sign or default_sign
    contradiction = stated is not None and said_unit is not None and stated != said_unit
    refused = contradiction or used_unit is None or used_sign is None
    refused |= order is not None and said_order is None  # six numbers, and neither states the order
    refused |= said_order is not None and name in ("csv", "csv stated")
    options = ReadOptions(unit=said_unit, sign=said_sign, order=said_order)
    if refused:
        with pytest.raises(DataError) as caught:
            convert([path], options=options)
        assert "needed" in str(caught.value)
        return
    data = convert([path], options=options)
    expected = numbers * pressure_factor(used_unit) * (-1 if used_sign == "pressure" else 1)
    np.testing.assert_allclose(data.F, F, atol=1e-9)
    np.testing.assert_allclose(data.cauchy, expected, rtol=1e-6, atol=1e-9)
    if stated is None and said_unit is None and name not in ("data set",):
        assert any("unit" in text for text in data.provenance["assumed"])  # never silently
    right = (used_unit, used_sign) == (unit, sign)
    assert right == np.allclose(data.cauchy, SIGMA, atol=1e-6)


NATIVE = {
    "vasprun.xml": ({"kbar"}, "pressure"),
    "OUTCAR": ({"kbar"}, "pressure"),
    "si_1_scf.out": ({"kbar"}, "pressure"),
    "si_1_scf.xml": (set(), "pressure"),
    "si_metal.log": ({"bar"}, "pressure"),
    "si_metal.dump": ({"bar"}, "tension"),
}


@given(
    name=st.sampled_from(sorted(NATIVE)),
    unit=MAYBE_UNIT,
    sign=MAYBE_SIGN,
    extra=st.sampled_from(
        [
            {},
            {"order": "VASP"},
            {"strain": "small"},
            {"stress_key": "x"},
            {"energy_unit": "Ha"},
            {"lammps_units": "real"},
            {"lj": (1.0, 3.0)},
        ]
    ),
)
def test_a_format_that_fixes_its_unit_and_sign_refuses_others(name, unit, sign, extra):
    units, native_sign = NATIVE[name]
    good = (unit is None or unit in units) and (sign is None or sign == native_sign) and not extra
    options = ReadOptions(unit=unit, sign=sign, **extra)
    if good:
        plain = convert([GOLDEN / name])
        np.testing.assert_array_equal(convert([GOLDEN / name], options=options).cauchy, plain.cauchy)
    else:
        with pytest.raises(DataError, match="found"):
            convert([GOLDEN / name], options=options)


@pytest.mark.parametrize("unit", UNITS)
def test_a_trajectory_in_another_unit(tmp_path, unit):
    images = []
    for cell, sigma in zip(oracle.cells(F), oracle.in_unit(SIGMA, unit, "tension"), strict=True):
        atoms = ase.Atoms("Cu", cell=cell, pbc=True)
        atoms.calc = SinglePointCalculator(atoms, stress=np.array(oracle.six(sigma, "ASE")))
        images.append(atoms)
    ase.io.write(tmp_path / "x.traj", images)
    data = convert([tmp_path / "x.traj"], options=ReadOptions(unit=unit))
    np.testing.assert_allclose(data.cauchy, SIGMA, atol=1e-9)
    if unit != "eV/angstrom^3":  # control: the unit counts
        assert not np.allclose(convert([tmp_path / "x.traj"]).cauchy, SIGMA, atol=1e-3)


def test_numpy_arrays_of_six_need_their_order(tmp_path):
    np.savez(tmp_path / "x.npz", F=F, cauchy=np.array([oracle.six(s, "VASP") for s in SIGMA]), unit="GPa")
    np.testing.assert_allclose(convert([tmp_path / "x.npz"], options=ReadOptions(order="VASP")).cauchy, SIGMA)
    with pytest.raises(DataError, match="--order"):
        convert([tmp_path / "x.npz"])
    with pytest.raises(DataError, match="--unit kbar"):
        convert([tmp_path / "x.npz"], options=ReadOptions(order="VASP", unit="kbar"))


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"sign": "up"}, "sign"),
        ({"strain": "log"}, "strain"),
        ({"shear": "half"}, "shear"),
        ({"order": "xx yy"}, "order"),
        ({"unit": "stone"}, "unit"),
        ({"disorder": "ignore"}, "disorder"),
        ({"lj": (0.0, 1.0)}, "lj"),
        ({"where": ("Elastic",)}, "where"),
        ({"where": ("atoms<few",)}, "where"),
        ({"format": "yaml"}, "format"),
    ],
)
def test_values_that_mean_nothing_are_refused(options, named):
    with pytest.raises(ConstitutiveError, match=named):
        convert([GOLDEN / "si_metal.log"], options=ReadOptions(**options))
