"""Dielectric, piezoelectric and elastic tensors and effective charges, in the forms of VASP, ph.x and the Materials Project.

The texts have the layout of the programs and numbers of our own; no run of VASP or ph.x stands behind them.
"""

import json

import numpy as np
import pytest
from ase import Atoms
from command_line import run

from constitutive.data import StressStrainData
from constitutive.data.electric import polarization_of_ions, unwrapped
from constitutive.elasticity import coupled_constants
from constitutive.errors import DataError
from constitutive.laws.coupled import LinearCoupledLaw
from constitutive.readers import read_berry_polarization, read_responses
from constitutive.simulate.cells import structure_of
from constitutive.symmetry import PointGroup

E = np.array([[0.171, -0.171, 0, 0.0406, 0, 0], [0, 0, 0, 0, -0.0406, -0.171], [0] * 6])  # quartz, xx yy zz yz xz xy
VASP = [0, 1, 2, 5, 3, 4]  # XX YY ZZ XY YZ ZX
C = np.array([
    [86.74, 6.99, 11.91, 17.91, 0, 0], [6.99, 86.74, 11.91, -17.91, 0, 0], [11.91, 11.91, 107.2, 0, 0, 0],
    [17.91, -17.91, 0, 57.94, 0, 0], [0, 0, 0, 0, 57.94, 17.91], [0, 0, 0, 0, 17.91, 39.875],
])  # fmt: skip
EPS = np.diag([4.428, 4.428, 4.634])
RULE = " " + "-" * 54 + "\n"


def rows(matrix, labels=("",) * 6):
    pairs = zip(labels, np.atleast_2d(matrix), strict=False)
    return "".join(f"  {label} " + " ".join(f"{v:12.5f}" for v in row) + "\n" for label, row in pairs)


def outcar(*, ions=True):
    text = " vasp.6.3.2 27Jun22 (build) complex\n\n"
    directions = ["XX", "YY", "ZZ", "XY", "YZ", "ZX"]
    moduli = 10 * C[np.ix_(VASP, VASP)]
    text += " TOTAL ELASTIC MODULI (kBar)\n Direction    XX   YY   ZZ   XY   YZ   ZX\n" + RULE + rows(moduli, directions) + RULE
    text += " MACROSCOPIC STATIC DIELECTRIC TENSOR (including local field effects in DFT)\n" + RULE + rows(np.eye(3) * 2.4) + RULE
    columns = "          XX          YY          ZZ          XY          YZ          ZX\n"
    field = " for field in x, y, z        (C/m^2)\n"
    text += " PIEZOELECTRIC TENSOR (including local field effects) " + field + columns + RULE + rows(0.25 * E[:, VASP], "xyz") + "\n"
    text += " BORN EFFECTIVE CHARGES (including local field effects) (in |e|, cummulative output)\n" + RULE
    for ion, charge in enumerate((3.0, -1.5, -1.5)):
        text += f" ion    {ion + 1}\n" + rows(charge * np.eye(3), "123")
    if ions:
        text += "\n MACROSCOPIC STATIC DIELECTRIC TENSOR IONIC CONTRIBUTION\n" + RULE + rows(EPS - 2.4 * np.eye(3)) + RULE
        text += " PIEZOELECTRIC TENSOR IONIC CONTR  " + field + columns + RULE + rows(0.75 * E[:, VASP], "xyz") + "\n"
    return text


PHONON = """     Program PHONON v.6.7MaX starts

          Dielectric constant in cartesian axis

          (       7.158033350       0.000000000       0.000000000 )
          (       0.000000000       7.158033350      -0.000000000 )
          (       0.000000000      -0.000000000       7.158033350 )

          Effective charges (d Force / dE) in cartesian axis without acoustic sum rule applied (asr)

           atom      1   Si Mean Z*:        2.69400
      Ex  (        2.69400        0.00000       -0.00000 )
      Ey  (        0.00000        2.69400       -0.00000 )
      Ez  (       -0.00000       -0.00000        2.69400 )
           atom      2   C  Mean Z*:       -2.72100
      Ex  (       -2.72100        0.00000       -0.00000 )
      Ey  (        0.00000       -2.72100        0.00000 )
      Ez  (        0.00000        0.00000       -2.72100 )
"""


def written(tmp_path, text, name="OUTCAR"):
    (tmp_path / name).write_text(text)
    return tmp_path / name


def test_an_outcar_is_put_into_the_ieee_order_with_the_part_of_the_ions(tmp_path):
    found = read_responses(written(tmp_path, outcar()))
    assert found.piezoelectric_e == pytest.approx(E, abs=1e-5)
    assert found.stiffness == pytest.approx(C, abs=1e-5)
    assert found.permittivity == pytest.approx(EPS, abs=1e-5)
    assert found.permittivity_electronic == pytest.approx(2.4 * np.eye(3))
    assert found.born_charges[:, 0, 0] == pytest.approx([3.0, -1.5, -1.5])
    assert np.abs(found.piezoelectric_e - E[:, VASP]).max() > 0.1  # control: the columns as they stand are another crystal's
    law = LinearCoupledLaw.from_constants(PointGroup.from_symbol("32"), **found.tables())
    assert coupled_constants(law).d[0, 0] == pytest.approx(2.307, abs=1e-3)


def test_clamped_ions_alone_are_not_taken_for_the_whole(tmp_path):
    found = read_responses(written(tmp_path, outcar(ions=False)))
    assert found.permittivity is None
    assert found.piezoelectric_e is None
    with pytest.raises(DataError, match="set IBRION=8"):
        found.tables()


def test_what_is_cut_off_is_said(tmp_path):
    text = outcar()
    with pytest.raises(DataError, match="is the file cut off"):
        read_responses(written(tmp_path, text[: text.index("IONIC CONTRIBUTION") + 90]))


def test_an_output_of_ph_x(tmp_path):
    found = read_responses(written(tmp_path, PHONON, "ph.out"))
    assert found.permittivity_electronic == pytest.approx(7.15803335 * np.eye(3))
    assert found.born_charges == pytest.approx(np.array([2.694, -2.721])[:, None, None] * np.eye(3))
    assert "dynmat.x" in found.notes[0]


def test_documents_of_the_materials_project_and_plain_ones(tmp_path):
    document = {
        "piezo": {"total": E[:, VASP].tolist(), "e_ij_max": 0.17},
        "dielectric": {"total": EPS.tolist(), "ionic": (EPS - 2.4 * np.eye(3)).tolist(), "electronic": (2.4 * np.eye(3)).tolist()},
        "elasticity": {"elastic_tensor": {"raw": C.tolist(), "ieee_format": C.tolist()}},
    }
    plain = {"piezoelectric_e": E.tolist(), "permittivity": EPS.tolist(), "stiffness": C.tolist()}
    for content in (document, [document], plain):
        found = read_responses(written(tmp_path, json.dumps(content), "doc.json"))
        assert found.piezoelectric_e == pytest.approx(E)
        assert found.permittivity == pytest.approx(EPS)
        assert found.stiffness == pytest.approx(C)


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.txt", "nothing", "needed one with responses"),
        ("OUTCAR", " vasp.6.3.2\n", "was LEPSILON or epsil set"),
        ("a.json", '{"permittivity": [[1, 2], [3, 4]]}', r"permittivity: found shape \(2, 2\)"),
        ("a.json", "[1, 2]", "needed one document"),
        ("a.json", '{"born_charges": [1, -1]}', "born_charges: found shape"),
    ],
)
def test_other_files_are_refused(tmp_path, name, text, said):
    with pytest.raises(DataError, match=said):
        read_responses(written(tmp_path, text, name))


def test_the_dipoles_of_a_finite_field_become_a_polarisation(tmp_path):
    text = (
        "     unit-cell volume          =     141.6000 (a.u.)^3\n     Using Berry phase electric field\n     Direction:  3\n"
        "      0.0000000\n      0.0000000\n      0.0010000\n"
    )
    for scale in (9.0, 1.0):  # the last iteration counts
        text += f"Electronic Dipole on Cartesian axes\n   1  0.000000000\n   2  -0.1D-01\n   3  {0.2 * scale}\n"
        text += "Ionic Dipole on Cartesian axes\n   1  0.100000000\n   2  0.000000000\n   3  0.300000000\n"
    found = read_berry_polarization(written(tmp_path, text, "scf.out"))
    assert found.electric_field == pytest.approx([0, 0, 0.363609])
    e_bohr = 1.602176634e-19 / 0.529177210903e-10**2
    assert found.polarization == pytest.approx(np.array([0.1, -0.01, 0.5]) / np.sqrt(2) / 141.6 * e_bohr, rel=1e-9)
    with pytest.raises(DataError, match="lelfield"):
        read_berry_polarization(written(tmp_path, "Ionic Dipole", "scf.out"))


def test_charges_and_places_of_ions_become_a_polarisation_on_the_command_line(tmp_path):
    cell = Atoms("ZnO", cell=[[3, 0, 0], [1, 3, 0], [0, 0, 4]], scaled_positions=[[0, 0, 0], [0.5, 0.5, 0.5]], pbc=True)
    F = np.array([np.eye(3), np.diag([1.01, 1, 1]), np.eye(3)])
    places = np.array([[[0, 0, 0], [0.5, 0.5, 0.5]], [[0, 0, 0.01], [0.5, 0.5, 0.5]], [[0.99, 0, 0], [0.5, 0.5, 0.5]]])
    data = StressStrainData(name="a", F=F, cauchy=np.zeros((3, 3, 3)), units="GPa", structure=structure_of(cell), positions=places)
    data.save(tmp_path / "a.json")
    done = run("convert", "a.json", "--charges", "Zn=2,O=-2", "-o", "b.json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    P = StressStrainData.load(tmp_path / "b.json").polarization
    quantum = 16.02176634 / 36
    assert pytest.approx(2 * quantum * np.array([[0, 0, 0], [0, 0, 0.04], [-0.03, 0, 0]]), abs=1e-12) == P
    assert P[1:] == pytest.approx(polarization_of_ions(places, places[0], cell.cell.array, np.array([2.0, -2.0]))[1:])
    for charges, said in (("Zn=2", "a number for each species"), ("Zn=2,O=-1", "add up to")):
        refused = run("convert", "a.json", "--charges", charges, "-o", "c.json", cwd=tmp_path)
        assert refused.returncode == 2
        assert said in " ".join(refused.stderr.split())


def outcar_of_berry_phases(ionic, electronic, unit="electrons", field="") -> str:
    """The lines of LCALCPOL in VASP's layout."""
    row = "({:14.5f}{:14.5f}{:14.5f} )"
    return (
        f" vasp.6.4.2\n  volume of cell :      {VOLUME:.4f}\n{field}"
        f"            Ionic dipole moment: p[ion]={row.format(*ionic)} {unit} Angst\n\n"
        f" Total electronic dipole moment: p[elc]={row.format(*electronic)} {unit} Angst\n"
    )


VOLUME = 64.0
CUBE = np.eye(3) * 4.0


@pytest.mark.parametrize("unit", ["electrons", "|e|"])
def test_berry_phases_of_vasp(tmp_path, unit) -> None:
    sign = -1 if unit == "electrons" else 1
    found = read_berry_polarization(written(tmp_path, outcar_of_berry_phases([0, 0, sign * 0.75], [0, 0.1, sign * 0.25], unit), "OUTCAR"))
    assert found.polarization[2] == pytest.approx(1.0 / VOLUME * 16.02176634)
    assert found.electric_field.tolist() == [0, 0, 0]


def test_polarisations_along_a_path_of_berry_phases_are_unwrapped(tmp_path) -> None:
    """A dipole that grows by 0.5 e Å a step, folded into one quantum e a = 4 e Å by the phases."""
    path = np.arange(12)
    folded = (0.5 * path + 2.0) % 4.0 - 2.0
    outputs = [outcar_of_berry_phases([0, 0, z], [0, 0, 0], "|e|") for z in folded]
    P = np.array([read_berry_polarization(written(tmp_path, text, "OUTCAR")).polarization for text in outputs])
    whole, moved = unwrapped(P, path[:, None] / 11.0, CUBE)
    assert whole[:, 2] == pytest.approx(0.5 * path / VOLUME * 16.02176634, abs=1e-6)
    assert len(moved) > 0


def test_berry_phases_that_are_cut_off_or_in_a_field_are_refused(tmp_path) -> None:
    whole = outcar_of_berry_phases([0, 0, 1], [0, 0, 0])
    with pytest.raises(DataError, match=r"found no p\[elc\]"):
        read_berry_polarization(written(tmp_path, whole.split("\n Total")[0], "OUTCAR"))
    with pytest.raises(DataError, match="no volume of cell"):
        read_berry_polarization(written(tmp_path, whole.replace("volume of cell", "volume"), "OUTCAR"))
    in_field = outcar_of_berry_phases([0, 0, 1], [0] * 3, field=" EFIELD_PEAD = 0.0 0.0 0.01\n")
    with pytest.raises(DataError, match="EFIELD_PEAD"):
        read_berry_polarization(written(tmp_path, in_field, "OUTCAR"))
