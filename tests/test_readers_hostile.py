"""Hostile and damaged files: refused with one kind of error, never half read."""

import contextlib
import json
import pickle
import zipfile
from pathlib import Path

import ase.io
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from reader_cases import GOLDEN, KINDS

from constitutive.data import StressStrainData
from constitutive.errors import ConstitutiveError, DataError
from constitutive.readers import ReadOptions, convert, detect, read_any
from constitutive.readers.guard import read_whole_text


@pytest.mark.parametrize("name", KINDS)
def test_formats_are_found_out(name):
    assert detect(GOLDEN / name) == KINDS[name]


MARK = Path(__file__).parent / "a-pickle-was-opened"


class Bomb:
    def __reduce__(self):
        return (Path.touch, (MARK,))


@pytest.mark.parametrize("name", ["x.npy", "x.npz", "x.traj", "x.json", "x.h5", "x.csv", "x.log"])
def test_pickles_are_not_opened(tmp_path, name):
    content = pickle.dumps(Bomb())
    if name == "x.npy":
        np.save(tmp_path / name, np.array([Bomb()], dtype=object), allow_pickle=True)
    elif name == "x.npz":
        np.savez(tmp_path / name, F=np.array([Bomb()], dtype=object))
    else:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(ConstitutiveError):
        read_any(tmp_path / name)
    assert not MARK.exists()


@pytest.mark.parametrize("name", ["vasprun.xml", "si_1_scf.xml"])
def test_entities_are_refused(tmp_path, name):
    text = (GOLDEN / name).read_text()
    head, _, rest = text.partition("?>")
    bomb = '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]>'
    outside = '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]>'
    for entity in (bomb, outside):
        (tmp_path / name).write_text(f"{head}?>{entity}{rest}")
        with pytest.raises(DataError):
            read_any(tmp_path / name)


def test_zip_bombs_are_refused(tmp_path):
    with (
        zipfile.ZipFile(tmp_path / "x.npz", "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("F.npy", "w", force_zip64=True) as file,
    ):
        block = b"\0" * 2**24
        for _ in range(70):
            file.write(block)
    with pytest.raises(DataError, match="unpacked"):
        read_any(tmp_path / "x.npz")


def test_unknown_formats_are_refused(tmp_path):
    (tmp_path / "x.bin").write_bytes(b"\x7fELF" + bytes(100))
    with pytest.raises(DataError, match="no known format"):
        read_any(tmp_path / "x.bin")
    with pytest.raises(DataError, match="needed one of"):
        convert([GOLDEN / "OUTCAR"], options=ReadOptions(format="yaml"))


@pytest.fixture(scope="module")
def made(silicon_data, tmp_path_factory):
    """Small files of the formats that have no golden file, by the format's name."""
    silicon = StressStrainData.load(silicon_data).head(3)
    folder = tmp_path_factory.mktemp("made")
    paths = {name: folder / f"x.{name}" for name in ("extxyz", "traj", "csv", "npz", "json")}
    for name in ("extxyz", "traj"):
        ase.io.write(paths[name], silicon.to_ase())
    silicon.to_pandas().to_csv(paths["csv"], index=False)
    np.savez(paths["npz"], F=silicon.F, cauchy=silicon.cauchy, unit="GPa")
    fitting = {"deformations": silicon.F.tolist(), "cauchy_stresses": silicon.cauchy.tolist()}
    paths["json"].write_text(json.dumps({"structure": silicon.structure.as_dict(), "fitting_data": fitting}))
    return {name: (path, path.read_bytes()) for name, path in paths.items()}


@given(name=st.sampled_from(["extxyz", "traj", "csv", "npz", "json"]), data=st.data())
def test_mangled_tables_and_trajectories_never_crash(made, name, data):
    path, whole = made[name]
    content = bytearray(whole)
    for _ in range(data.draw(st.integers(0, 4))):
        start = data.draw(st.integers(0, len(content) - 1))
        junk = data.draw(st.sampled_from([b"\0", b"NaN", b"1e999", b"-", b",", b"\n", b"\xff", b'"', b" "]))
        content[start : start + len(junk)] = junk
    cut = data.draw(st.integers(len(content) // 2, len(content)))
    path.write_bytes(content[:cut])
    read = None
    with contextlib.suppress(ConstitutiveError):
        read = read_any(path)
    if read is not None:
        assert np.isfinite(read.cauchy).all()
        whole_records = cut == len(content) or (name in ("csv", "extxyz") and bytes(content[:cut]).endswith(b"\n"))
        assert whole_records or len(read) == 3  # never a silent half


@given(name=st.sampled_from(sorted(KINDS)), fraction=st.floats(0.0, 0.98))
def test_truncated_files_are_refused(tmp_path_factory, name, fraction):
    """Anything but a clear error on a file cut within its last two hundredths would be a silent half."""
    content = (GOLDEN / name).read_bytes()
    path = tmp_path_factory.mktemp("cut") / name
    path.write_bytes(content[: int(fraction * len(content))])
    options = ReadOptions(format=KINDS[name], lammps_units="real" if "real" in name else None)
    if "dump" in name and _whole_frames(content, fraction):
        return  # a dump cut between two frames cannot be distinguished from a shorter one
    with pytest.raises(ConstitutiveError) as caught:
        convert([path], options=options)
    assert str(path) in str(caught.value)


def _whole_frames(content, fraction):
    cut = content[: int(fraction * len(content))]
    rest = content[len(cut) :]
    return bool(cut) and (rest.startswith(b"ITEM: TIMESTEP") or not rest)


@given(name=st.sampled_from(sorted(KINDS)), data=st.data())
def test_mangled_files_never_crash(tmp_path_factory, name, data):
    content = bytearray((GOLDEN / name).read_bytes())
    for _ in range(data.draw(st.integers(1, 6))):
        start = data.draw(st.integers(0, len(content) - 1))
        junk = data.draw(st.sampled_from([b"\0", b"NaN", b"1e999", b"-", b"<", b"\n", b"\xff", b"99999999999999999999", b" "]))
        content[start : start + len(junk)] = junk
    path = tmp_path_factory.mktemp("mangled") / name
    path.write_bytes(content)
    options = ReadOptions(format=KINDS[name], lammps_units="real" if "real" in name else None)
    with contextlib.suppress(ConstitutiveError):
        read = convert([path], options=options)
        assert np.isfinite(read.cauchy).all()


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        ("1 0.125\n2 0.250\n3 0.375", True),
        ("1 0.125\n2 0.250\n3 0.37", False),
        ("1 1.5e-10\n2 2.5e-11\n3 3.5e-12", True),
        ("1 1.5e-10\n2 2.5e-11\n3 3.5e-1", False),
        ("1 1.5e-10\n2 2.5e-11\n3 3.5", False),
        ("1 0.12345678901\n2 0.1234567890123\n3 0.123456789012", True),
        ("1 0.12345678901\n2 0.1234567890123\n3 0.123", False),
        ("1 12\n2 34\n3 5", False),
        ("1 12\n2 34\n3 56", True),
        ("1 1.5e-10\n2 2.123456789\n3 3.123456789\n4 4.123456789", True),
        ("a b\nc done", False),
        ("a b\nc d\ne b", True),
        ("1 2 3", False),
    ],
)
def test_a_last_line_without_an_end_is_whole_or_refused(tmp_path, text, whole):
    path = tmp_path / "x.txt"
    path.write_text(text)
    if whole:
        assert read_whole_text(path, "text") == text + "\n"
    else:
        with pytest.raises(DataError, match="without an end"):
            read_whole_text(path, "text")
