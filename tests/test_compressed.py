"""Compressed files: the plain content under the plain name, bombs and cut files refused, errors with the name that the user gave."""

import bz2
import gzip
import lzma

import pytest

from constitutive.compressed import compression, head_of, plain_name, uncompressed
from constitutive.errors import DataError
from constitutive.symmetry import PointGroup

PACK = {"gz": gzip.compress, "xz": lzma.compress, "bz2": bz2.compress}
POSCAR = "fcc\n3.6\n1 0 0\n0 1 0\n0 0 1\nCu\n4\nDirect\n0 0 0\n.5 .5 0\n.5 0 .5\n0 .5 .5\n"


@pytest.mark.parametrize("suffix", PACK)
def test_the_content_is_read_under_its_plain_name(tmp_path, suffix):
    path = tmp_path / f"POSCAR.{suffix}"
    path.write_bytes(PACK[suffix](POSCAR.encode()))
    with uncompressed(path) as plain:
        assert plain.name == plain_name(path) == "POSCAR"
        assert plain.read_text() == POSCAR
    assert not plain.exists()
    assert head_of(path, 3) == b"fcc"
    assert PointGroup.from_structure(path).symbol == "m-3m"
    path.write_bytes(PACK[suffix](POSCAR.encode())[:-9])  # control: cut off
    with pytest.raises(DataError, match=f"POSCAR.{suffix}: found no whole"), uncompressed(path):
        pass


def test_plain_files_are_used_in_place(tmp_path):
    path = tmp_path / "POSCAR"
    path.write_text(POSCAR)
    assert compression(path) is None
    with uncompressed(path) as plain:
        assert plain == path
    assert path.exists()


@pytest.mark.parametrize("suffix", PACK)
def test_bombs_are_refused(tmp_path, suffix):
    path = tmp_path / f"zeros.{suffix}"
    path.write_bytes(PACK[suffix](bytes(3 * 2**20)))
    with pytest.raises(DataError, match="unpacked"), uncompressed(path, limit=2**20):
        pass


def test_errors_name_the_file_that_was_given(tmp_path):
    path = tmp_path / "x.gz"
    path.write_bytes(gzip.compress(b"text"))
    with pytest.raises(DataError, match=f"{path}: found nothing"), uncompressed(path) as plain:
        raise DataError(f"{plain}: found nothing")
