"""The check of large HDF5 files reads a part of the samples, and says which."""

import numpy as np
import pytest

from constitutive.data import StressStrainData
from constitutive.data.hdf5 import HDF5File, write_documents
from constitutive.data.large import write_chunks
from constitutive.errors import DataError
from constitutive.intake import check_file, files


@pytest.fixture
def large(sets, tmp_path, monkeypatch):
    """A file of 144 samples where 30 count as many; every fifth is looked at."""
    monkeypatch.setattr(files, "READ_WHOLE", 30)
    monkeypatch.setattr(files, "LOOKED_AT", 30)
    good = sets["copper"]
    bare = good.replace(positions=None, forces=None, clamped_cauchy=None, clamped_W=None, clamped_forces=None)

    def write(sigma):
        turned = bare.replace(F=bare.F @ np.diag([-1.0, -1.0, 1.0]))  # other samples: the crystal turned by an operation of its group
        pieces = [bare.replace(cauchy=sigma[:72]), turned.replace(cauchy=sigma[72:])]
        write_chunks(tmp_path / "large.h5", pieces)
        return tmp_path / "large.h5"

    return write, np.concatenate([good.cauchy, good.cauchy])


def test_a_part_is_read_and_said(large, monkeypatch):
    write, sigma = large
    path = write(sigma)
    read = []
    arrays = HDF5File.arrays
    monkeypatch.setattr(HDF5File, "arrays", lambda self, samples: read.append(samples) or arrays(self, samples))
    report = check_file(path)
    assert report.ok
    assert "every 5th was looked at, 29 in all" in report.undecided[0]
    assert read == [slice(0, 144), slice(0, 144, 5)]
    assert "of all 144, read in pieces of 8192, F and stress are valid" in report.undecided[0]
    assert "0 repeat an F" in report.undecided[0]
    # control: a small file is read whole
    monkeypatch.setattr(files, "READ_WHOLE", 200)
    assert not any("looked at" in remark for remark in check_file(path).undecided)


def test_all_samples_are_read_for_what_is_cheap(large, sets):
    write, sigma = large
    path = write(sigma)
    with HDF5File(path) as file:
        document = file.document(slice(0, 144))
    document["F"][7] = document["F"][3]  # neither is looked at by itself
    write_documents(path, [dict(document)])
    assert "1 repeat an F" in check_file(path).undecided[0]
    document["F"][7] = np.diag([1.0, 1.0, -1.0])
    write_documents(path, [document])
    with pytest.raises(DataError, match=r"samples 0 to 143.*7"):
        check_file(path)


def test_samples_have_the_numbers_of_the_file(large):
    write, sigma = large
    sigma[[35, 36]] *= 1.6
    (finding,) = check_file(write(sigma)).findings
    assert (finding.fault, finding.samples, finding.mend) == ("outliers", (35,), "--drop 35")


def test_a_contradicting_group_is_a_finding_of_hdf5_too(sets, tmp_path):
    data = sets["quartz"].head(20)
    document = {**data.to_document(), "point_group": "m-3m"}
    path = tmp_path / "quartz.h5"
    write_documents(path, [document])
    assert "wrong_group" in [f.fault for f in check_file(path).findings]
    assert isinstance(StressStrainData.from_document(data.to_document()), StressStrainData)  # control: the set itself is good
