"""VASP: files of other versions and settings, and runs whose last step is no state of the crystal."""

import re

import numpy as np
import pytest
from reader_cases import GOLDEN

from constitutive.errors import DataError
from constitutive.readers import ReadOptions, convert

XML = (GOLDEN / "vasprun.xml").read_text()
OUTCAR = (GOLDEN / "OUTCAR").read_text()


@pytest.fixture
def plain():
    return convert([GOLDEN / "vasprun.xml"])


def same(path, plain, atol=1e-4):
    data = convert([path])
    np.testing.assert_allclose(data.cauchy, plain.cauchy, atol=atol)
    np.testing.assert_allclose(data.lattice, plain.lattice, atol=1e-6)
    return data


def test_parameters_that_overflow_their_field(tmp_path, plain):
    name = re.search(r'<i type="int" name="(\w+)">', XML)
    assert name is not None
    stars = re.sub(r"(<parameters>)", r'\1<separator name="general"><i type="int" name="KINTER">******</i></separator>', XML)
    (tmp_path / "vasprun.xml").write_text(stars)
    same(tmp_path / "vasprun.xml", plain)
    broken = re.sub(r'(<varray name="stress" >\s*<v>\s*)\S+', r"\1*********", XML)
    (tmp_path / "vasprun.xml").write_text(broken)
    with pytest.raises(DataError, match=str(tmp_path / "vasprun.xml")):  # control: a stress is no parameter
        convert([tmp_path / "vasprun.xml"])


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("NSW    =      0", "NSW    =     -1"),
        ("   VRHFIN =Si: s2p2\n", ""),
        ("   VRHFIN =Si: s2p2\n   TITEL  = PAW_PBE Si 05Jan2001\n", ""),
    ],
    ids=["static runs print NSW = -1", "species from TITEL", "species from POTCAR:"],
)
def test_outcar_of_other_settings(tmp_path, plain, old, new):
    assert old in OUTCAR
    (tmp_path / "OUTCAR").write_text(OUTCAR.replace(old, new))
    data = same(tmp_path / "OUTCAR", plain)
    assert (data.species, data.ions) == (["Si", "Si"], "clamped")


def test_outcar_with_forces_without_van_der_waals_beside(tmp_path, plain):
    head, _, tail = OUTCAR.partition("TOTAL-FORCE (eV/Angst)")
    lines = tail.split("\n")
    lines[0] += ",                   FORCE-w/o vdW (eV/Angst)"
    lines[2:4] = [f"{line}   9.000000   9.000000   9.000000" for line in lines[2:4]]
    (tmp_path / "OUTCAR").write_text(head + "TOTAL-FORCE (eV/Angst)" + "\n".join(lines))
    np.testing.assert_allclose(same(tmp_path / "OUTCAR", plain).forces, plain.forces, atol=1e-5)


def test_outcar_that_did_not_converge(tmp_path):
    (tmp_path / "OUTCAR").write_text(
        OUTCAR.replace("aborting loop because EDIFF is reached", "aborting loop EDIFF was not reached (unconverged)")
    )
    with pytest.raises(DataError, match="electronic loop"):
        convert([tmp_path / "OUTCAR"])


def steps_of(ibrion, strains, nsw=1, moved=0.0):
    """The golden file with one calculation for each strain of the cell (xx), and one more with a moved ion."""
    start, end = XML.index("<calculation>"), XML.index("</calculation>") + len("</calculation>")
    block = XML[start:end]
    row = re.search(
        r'<varray name="basis" >\s*<v>\s*(\S+)\s+(\S+)\s+(\S+)\s*</v>\s*<v>\s*(\S+)\s+(\S+)\s+(\S+)\s*</v>\s*<v>\s*(\S+)\s+(\S+)\s+(\S+)',
        block,
    )
    assert row is not None
    basis = np.array(row.groups(), dtype=float).reshape(3, 3)
    pieces = []
    for strain in strains:
        rows = "".join(f"<v> {a * (1 + strain):.9f} {b:.9f} {c:.9f} </v>\n" for a, b, c in basis)
        pieces.append(re.sub(r'(<varray name="basis" >).*?(</varray>)', rf"\1{rows}\2", block, count=1, flags=re.DOTALL))
    if moved:
        pieces.append(re.sub(r'(<varray name="positions" >\s*<v>\s*)(\S+)', lambda m: m[1] + f"{float(m[2]) + moved:.8f}", block, count=1))
    text = XML[:start] + "\n".join(pieces) + XML[end:]
    text = re.sub(r'(<i type="int" name="IBRION">)[^<]*', rf"\g<1> {ibrion}", text)
    return re.sub(r'(<i type="int" name="NSW">)[^<]*', rf"\g<1> {nsw}", text)


@pytest.mark.parametrize("ibrion", [5, 6, 7, 8])
def test_finite_differences_give_their_strained_cells(tmp_path, ibrion):
    path = tmp_path / "vasprun.xml"
    path.write_text(steps_of(ibrion, [0, 0, 0.01, -0.01], moved=0.003))
    data = convert([path])
    np.testing.assert_allclose(data.F[:, 0, 0], [1, 1.01, 0.99], atol=1e-6)
    assert data.ions == "clamped"
    assert f"IBRION = {ibrion}" in data.provenance["assumed"][0]
    path.write_text(steps_of(ibrion, [0, 0], moved=0.003))
    with pytest.raises(DataError, match=f"{path}: found IBRION = {ibrion}, finite differences of the ions in one cell"):
        convert([path])


def test_other_runs_by_their_kind(tmp_path):
    path = tmp_path / "vasprun.xml"
    path.write_text(steps_of(0, [0, 0.01], nsw=2))
    dynamics = convert([path])
    assert (len(dynamics), dynamics.ions) == (2, None)
    path.write_text(steps_of(2, [0, 0.01], nsw=5))
    assert (len(convert([path])), convert([path]).ions) == (1, "relaxed")
    path.write_text(steps_of(2, [0, 0.01], nsw=2))
    with pytest.raises(DataError, match="relaxation that did not converge"):
        convert([path])
    path.write_text(steps_of(44, [0, 0.01], nsw=5))
    with pytest.raises(DataError, match="found IBRION = 44"):
        convert([path])


def test_a_failed_run_is_named_or_left_out(tmp_path):
    for k in range(12):
        (tmp_path / f"run_{k}").mkdir()
        (tmp_path / f"run_{k}" / "vasprun.xml").write_text(steps_of(-1, [0.001 * k]) if k != 2 else steps_of(2, [0, 0.01], nsw=2))
        (tmp_path / f"run_{k}" / "OUTCAR").write_text(OUTCAR)  # of the same run: taken once
    with pytest.raises(DataError, match=r"run_2/vasprun.xml: found a relaxation that did not converge"):
        convert([tmp_path])
    data = convert([tmp_path], options=ReadOptions(skip_failed=True))
    assert [place.split("/")[-2] for place in data.model_extra["source_by_sample"]] == [f"run_{k}" for k in range(12) if k != 2]
    np.testing.assert_allclose(data.F[:, 0, 0], [1 + 0.001 * k for k in range(12) if k != 2], atol=1e-7)
    assert list(data.provenance["skipped"]) == [str(tmp_path / "run_2" / "vasprun.xml")]
    pattern = convert([tmp_path / "run_*" / "vasprun.xml"], options=ReadOptions(skip_failed=True))
    np.testing.assert_array_equal(pattern.F, data.F)
    with pytest.raises(DataError, match="no file that matches"):
        convert([tmp_path / "walk_*" / "vasprun.xml"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="no file of a known format"):
        convert([tmp_path / "empty"])
    with pytest.raises(DataError, match=r"no file or frame that can be read.*did not converge"):
        convert([tmp_path / "run_2" / "vasprun.xml"], options=ReadOptions(skip_failed=True))
