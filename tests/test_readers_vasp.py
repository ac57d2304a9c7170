"""VASP: files after the description in the VASP wiki, checked by ASE's own readers."""

import ase.io
import numpy as np
import pytest
from ase import units as ase_units
from reader_cases import GOLDEN, frames


def test_vasp_xml_against_ase():
    (ours,) = frames("vasprun.xml")
    theirs = ase.io.read(GOLDEN / "vasprun.xml", format="vasp-xml")
    np.testing.assert_allclose(ours.cell, theirs.cell[:], atol=1e-7)
    np.testing.assert_allclose(ours.stress, theirs.get_stress(voigt=False) / ase_units.GPa, atol=1e-5)
    np.testing.assert_allclose(ours.forces, theirs.get_forces(), atol=1e-7)
    assert ours.energy == pytest.approx(theirs.get_potential_energy(force_consistent=True), abs=1e-8)
    assert (ours.ions, ours.species, ours.code) == ("clamped", ("Si", "Si"), "VASP 6.3.2")


def test_vasp_outcar_against_ase_and_xml():
    (ours,), (xml,) = frames("OUTCAR"), frames("vasprun.xml")
    theirs = ase.io.read(GOLDEN / "OUTCAR", format="vasp-out")
    np.testing.assert_allclose(ours.cell, theirs.cell[:], atol=1e-7)
    np.testing.assert_allclose(ours.stress, theirs.get_stress(voigt=False) / ase_units.GPa, atol=1e-4)
    np.testing.assert_allclose(ours.stress, xml.stress, atol=1e-5)
    np.testing.assert_allclose(ours.forces, xml.forces, atol=1e-5)
    np.testing.assert_allclose(ours.frac, xml.frac, atol=1e-5)
    assert ours.energy == pytest.approx(xml.energy, abs=1e-8)
    shears = ours.stress[0, 1], ours.stress[1, 2], ours.stress[0, 2]
    assert len({round(abs(s), 3) for s in shears}) == 3  # control: an order of shears other than XY YZ ZX would show
