"""Quantum ESPRESSO: real runs of pw.x 6.7, text against XML against ASE."""

import json
import re

import ase.io
import numpy as np
import pytest
from ase import units as ase_units
from reader_cases import GOLDEN, frames

from constitutive.errors import DataError
from constitutive.readers import convert, read_any


@pytest.mark.parametrize("run", ["si_1_scf", "si_1_relax", "si_3_relax"])
def test_espresso_text_and_xml_agree(run):
    (text,), (xml,) = frames(f"{run}.out"), frames(f"{run}.xml")
    np.testing.assert_allclose(text.cell, xml.cell, atol=5e-6)
    np.testing.assert_allclose(text.stress, xml.stress, atol=6e-4)  # the text has two decimals of kbar
    np.testing.assert_allclose(text.forces, xml.forces, atol=5e-7)
    np.testing.assert_allclose(text.frac, xml.frac, atol=1e-6)
    assert text.energy == pytest.approx(xml.energy, abs=1e-6)
    assert text.species == xml.species == ("Si", "Si")
    assert text.ions == xml.ions == run.split("_")[-1].replace("scf", "clamped").replace("relax", "relaxed")


@pytest.mark.parametrize("run", ["si_0_scf", "si_1_scf"])
def test_espresso_against_ase(run):
    (ours,) = frames(f"{run}.out")
    theirs = ase.io.read(GOLDEN / f"{run}.out", format="espresso-out")
    np.testing.assert_allclose(ours.cell, theirs.cell[:], atol=1e-5)
    np.testing.assert_allclose(ours.stress, theirs.get_stress(voigt=False) / ase_units.GPa, atol=1e-3)
    np.testing.assert_allclose(ours.forces, theirs.get_forces(), atol=1e-5)
    assert ours.energy == pytest.approx(theirs.get_potential_energy(), abs=1e-3)  # ASE takes CODATA 2006
    assert np.trace(ours.stress) < 0  # control: the cell is compressed, the code prints a positive pressure


def test_espresso_deformations_are_those_of_the_input():
    data = convert([GOLDEN / f for f in ("si_0_scf.out", "si_1_relax.out", "si_3_relax.out")])
    made = np.array(json.loads((GOLDEN / "si_F.json").read_text())["F"])[[0, 1, 3]]
    np.testing.assert_allclose(data.F, made, atol=2e-6)
    assert np.abs(data.F - made.swapaxes(1, 2)).max() > 1e-3  # control: the transpose is another thing
    assert data.W[0] == 0
    assert (data.W[1:] > 0).all()
    assert data.model_extra["ions_by_sample"] == ["clamped", "relaxed", "relaxed"]
    assert "Quantum ESPRESSO 6.7" in data.model_extra["code"]
    assert data.settings["ecutwfc_Ry"] == 16


def test_an_unfinished_run_is_refused(tmp_path):
    text = (GOLDEN / "si_1_scf.out").read_text()
    cut = tmp_path / "cut.out"
    cut.write_text(text[: text.index("JOB DONE")] + "\n")
    with pytest.raises(DataError, match="JOB DONE"):
        read_any(cut)
    cut.write_text(text.replace("     convergence has been achieved", "     convergence NOT achieved"))
    with pytest.raises(DataError, match="NOT achieved"):
        read_any(cut)
    cut.write_text(re.sub(r"total   stress.*?\n\n", "", text, flags=re.S))
    with pytest.raises(DataError, match="tstress"):
        read_any(cut)
