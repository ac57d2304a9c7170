"""Formats that fix unit and sign, beside those of test_readers_statements: every statement is right or refused; no format is left out."""

import json
from itertools import product

import numpy as np
import pytest
import reader_oracle as oracle
from ase import units
from ase_forms import FORMS
from reader_cases import GOLDEN, strained_copper
from test_readers_statements import NATIVE, SIGNS, UNITS

from constitutive.errors import DataError
from constitutive.readers import FORMATS, ReadOptions, convert, detect

F, SIGMA = oracle.samples()
STATEMENTS = list(product((None, *UNITS), (None, *SIGNS)))


def atomate2(numbers):
    return {"fitting_data": {"deformations": F.tolist(), "cauchy_stresses": numbers.tolist()}, "structure": oracle.STRUCTURE.as_dict()}


def tasks(numbers):
    entries = {str(k): {"deformation_matrix": f.tolist(), "stress": s.tolist()} for k, (f, s) in enumerate(zip(F, numbers, strict=True))}
    return {"deformation_tasks": entries, "optimized_structure": oracle.STRUCTURE.as_dict()}


DOCUMENTS = {"atomate2": (atomate2, "GPa", "tension"), "deformation_tasks": (tasks, "kbar", "pressure")}


def agrees(said_unit, said_sign, unit, sign):
    return said_unit in (None, unit) and said_sign in (None, sign)


@pytest.mark.parametrize("name", DOCUMENTS)
def test_elasticity_documents(name, tmp_path):
    made, unit, sign = DOCUMENTS[name]
    path = tmp_path / "x.json"
    path.write_text(json.dumps(made(oracle.in_unit(SIGMA, unit, sign))))
    for said_unit, said_sign in STATEMENTS:
        options = ReadOptions(unit=said_unit, sign=said_sign)
        if not agrees(said_unit, said_sign, unit, sign):
            with pytest.raises(DataError, match=r"leave --(unit|sign) out"):
                convert([path], options=options)
            continue
        np.testing.assert_allclose(convert([path], options=options).cauchy, SIGMA, atol=1e-9)


def test_what_an_elasticity_document_does_not_say_is_printed_as_assumed(tmp_path):
    (tmp_path / "x.json").write_text(json.dumps(atomate2(SIGMA)))
    (statement,) = convert([tmp_path / "x.json"]).provenance["assumed"]
    assert "cauchy_stresses in GPa, tension positive" in statement


def test_deformations_and_stresses_name_all_that_is_missing(tmp_path):
    path = tmp_path / "x.json"
    path.write_text(json.dumps({"deformations": F.tolist(), "stresses": SIGMA.tolist()}))
    with pytest.raises(DataError, match=r"without --unit and --sign and --structure; .*--unit kbar --sign pressure"):
        convert([path])
    options = ReadOptions(unit="GPa", sign="tension")
    with pytest.raises(DataError, match="without --structure"):
        convert([path], options=options)
    np.testing.assert_allclose(convert([path], reference=oracle.STRUCTURE, options=options).cauchy, SIGMA, atol=1e-9)


@pytest.mark.parametrize("name", FORMS)
def test_outputs_that_ase_reads(name, tmp_path):
    form, file = FORMS[name]
    atoms = strained_copper()[1]
    path = tmp_path / file
    path.write_text(form(atoms))
    for said_unit, said_sign in STATEMENTS:
        options = ReadOptions(format=f"ase:{name}", unit=said_unit, sign=said_sign)
        if not agrees(said_unit, said_sign, "eV/angstrom^3", "tension"):
            with pytest.raises(DataError, match=r"leave --(unit|sign) out"):
                convert([path], options=options)
            continue
        np.testing.assert_allclose(convert([path], options=options).cauchy[0], atoms.get_stress(voigt=False) / units.GPa, atol=3e-6)


def test_no_format_is_left_out():
    """By name: what the tests of statements write or read, as the readers detect it."""
    golden = {detect(GOLDEN / name) for name in NATIVE}
    written = {"extxyz", "csv", "elasticity", "json", "fitsnap", "mlearn", "traj", "numpy", "ase"}
    assert golden | written | {"hdf5"} == set(FORMATS)  # hdf5 holds the document of json: one reader
