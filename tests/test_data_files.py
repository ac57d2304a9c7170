"""Data sets in JSON and HDF5 files: written whole or not at all, read in pieces, refused where damaged."""

import bz2
import contextlib
import errno
import gzip
import lzma
import os

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from constitutive.data import StressStrainData
from constitutive.data.large import load_bounded, open_large, write_chunks
from constitutive.errors import ConstitutiveError, DataError


@pytest.fixture(scope="module")
def small_document(document):
    names = ("F", "cauchy", "W", "residual_force_Ry_per_bohr", "frac_relaxed")
    return {**document, **{name: document[name][:3] for name in names}, "paths": document["paths"][:2]}


# --- files ---


@pytest.mark.parametrize("name", ["copy.json", "copy.h5"])
def test_save_and_load(silicon, tmp_path, name):
    silicon.save(tmp_path / name)
    copied = StressStrainData.load(tmp_path / name)
    assert copied.sha256 == silicon.sha256
    assert copied.paths == silicon.paths
    assert copied.model_extra["check"] == silicon.model_extra["check"]
    assert copied.schema_version == 1
    units = copied.to_document()["field_units"]
    assert {"F", "lattice", "frac_coords"} <= units.keys()


@pytest.mark.parametrize(("suffix", "module"), [(".gz", gzip), (".xz", lzma), (".bz2", bz2)])
def test_a_compressed_file_is_read_as_it_is(silicon, tmp_path, suffix, module):
    for name in ("data.json", "data.h5"):
        silicon.save(tmp_path / name)
        packed = tmp_path / (name + suffix)
        packed.write_bytes(module.compress((tmp_path / name).read_bytes()))
        assert StressStrainData.load(packed).sha256 == silicon.sha256
    whole = (tmp_path / f"data.json{suffix}").read_bytes()
    (tmp_path / f"cut.json{suffix}").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match=r"cut\.json.*cut off"):
        StressStrainData.load(tmp_path / f"cut.json{suffix}")
    with pytest.raises(DataError, match=r"save to new\.json"):
        silicon.save(tmp_path / f"new.json{suffix}")
    assert not (tmp_path / f"new.json{suffix}").exists()


def test_weights_and_conditions_are_kept(silicon, tmp_path):
    rich = StressStrainData(
        F=silicon.F,
        cauchy=silicon.cauchy,
        units="GPa",
        structure=silicon.structure,
        stress_weights=np.linspace(0, 1, 55),
        energy_weights=np.full(55, 0.1),
        ions="relaxed",
        temperature=300.0,
    )
    rich.save(tmp_path / "rich.json")
    read = StressStrainData.load(tmp_path / "rich.json")
    np.testing.assert_array_equal(read.stress_weights, rich.stress_weights)
    assert (read.ions, read.temperature) == ("relaxed", 300.0)


@pytest.mark.parametrize("name", ["data.json", "data.h5"])
def test_a_full_disk_leaves_the_old_file(silicon, tmp_path, monkeypatch, name):
    path = tmp_path / name
    silicon.save(path)
    before = path.read_bytes()

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(DataError, match="unchanged"):
        silicon.head(3).save(path)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == [name]


def test_hdf5_is_read_in_pieces(silicon, tmp_path):
    path = tmp_path / "large.h5"
    write_chunks(path, (silicon for _ in range(40)))
    with open_large(path) as large:
        assert len(large) == 2200
        pieces = list(large.chunks(500))
        assert [len(piece) for piece in pieces] == [500, 500, 500, 500, 200]
        np.testing.assert_array_equal(np.concatenate([piece.F for piece in pieces])[-55:], silicon.F)
        assert len(large.sample(100, seed=1)) == 100
        assert large.head(55).sha256 == silicon.sha256
        assert large.sample(100, seed=1).sha256 == large.sample(100, seed=1).sha256 != large.sample(100, seed=2).sha256


def peak_memory(silicon, path, pieces):
    import tracemalloc

    piece = silicon.select(np.tile(np.arange(55), 150))
    write_chunks(path, (piece for _ in range(pieces)))
    tracemalloc.start()
    data = load_bounded(path, 500)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(data) == 500
    assert data.provenance["sampled"].startswith(f"500 of {8250 * pieces}")
    return peak


def test_hdf5_memory_does_not_grow_with_the_file(silicon, tmp_path):
    small, large = (peak_memory(silicon, tmp_path / f"{n}.h5", n) for n in (2, 10))
    grown = (tmp_path / "10.h5").stat().st_size - (tmp_path / "2.h5").stat().st_size
    assert abs(large - small) < 0.1 * grown


def test_hdf5_units_are_written(silicon, tmp_path):
    silicon.save(tmp_path / "x.h5")
    with h5py.File(tmp_path / "x.h5") as file:
        units = {name: file[name].attrs["unit"] for name in file}
    assert units.items() >= {"F": "1", "cauchy": "GPa", "W": "GPa"}.items()


def test_hostile_hdf5(silicon, tmp_path):
    secret = tmp_path / "secret.h5"
    silicon.save(secret)
    path = tmp_path / "x.h5"
    silicon.save(path)
    with h5py.File(path, "a") as file:
        del file["F"]
        file["F"] = h5py.ExternalLink(str(secret), "F")
    with pytest.raises(DataError, match="link"):
        StressStrainData.load(path)


@given(fraction=st.floats(0.0, 0.999), flip=st.integers(0, 10**6))
def test_mangled_hdf5(silicon, tmp_path_factory, fraction, flip):
    folder = tmp_path_factory.mktemp("mangled")
    path = folder / "x.h5"
    silicon.head(5).save(path)
    content = bytearray(path.read_bytes())
    (folder / "cut.h5").write_bytes(content[: int(fraction * len(content))])
    with pytest.raises(DataError):
        StressStrainData.load(folder / "cut.h5")
    content[flip % len(content)] ^= 0xFF
    (folder / "flip.h5").write_bytes(content)
    with contextlib.suppress(ConstitutiveError):
        assert len(StressStrainData.load(folder / "flip.h5")) == 5


@given(data=st.data())
def test_mangled_json_never_crashes(small_document, data):
    document = small_document
    keys = data.draw(st.lists(st.sampled_from(sorted(document)), min_size=1, max_size=3))
    junk = st.recursive(
        st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
        max_leaves=8,
    )
    mangled = {**document, **{key: data.draw(junk) for key in keys}}
    with contextlib.suppress(ConstitutiveError):
        StressStrainData.from_document(mangled)
