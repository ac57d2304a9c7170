"""HDF5 data sets of up to millions of samples, read in pieces: see `constitutive.data.hdf5` for the layout."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator

import numpy as np

from constitutive.data.hdf5 import SAMPLES_AT_ONCE, HDF5File, is_hdf5, read_document, write_documents
from constitutive.data.model import StressStrainData
from constitutive.data.plausible import require_plausible
from constitutive.errors import DataError


def write_chunks(path: str | os.PathLike[str], pieces: Iterable[StressStrainData]) -> None:
    """Write the samples of many data sets into one HDF5 file, atomically, holding one piece in memory at a time.

    Parameters
    ----------
    path : path
        The file to make or to replace.
    pieces : iterable of StressStrainData
        Of one crystal and with the same fields; everything but the samples is taken from the first.

    Raises
    ------
    DataError
        The pieces have different fields, or the file cannot be written.
    """
    write_documents(path, (piece.to_document() for piece in pieces))


class LargeData(HDF5File):
    """An open HDF5 data set, read in pieces. Use as a context manager.

    Memory: `chunks` holds one piece, by default 8,192 samples (1.3 MB of F, stress and W); the number of samples in the file does not
    enter.
    """

    def __enter__(self) -> LargeData:
        return self

    def read(self, samples: slice | np.ndarray) -> StressStrainData:
        """The given samples: a slice, or increasing sample numbers.

        Parameters
        ----------
        samples : slice or int array
            Which samples.

        Returns
        -------
        StressStrainData

        Raises
        ------
        DataError
            The samples are damaged or no valid data.
        """
        return StressStrainData.from_document(self.document(samples), source=str(self.path))

    def chunks(self, size: int = SAMPLES_AT_ONCE) -> Iterator[StressStrainData]:
        """All samples, `size` at a time.

        Parameters
        ----------
        size : int
            Samples in each chunk; the last may hold fewer.

        Yields
        ------
        StressStrainData
        """
        for start in range(0, len(self), size):
            yield self.read(slice(start, min(start + size, len(self))))

    def sample(self, n: int, *, seed: int = 0) -> StressStrainData:
        """`n` random samples without repetition (all, where there are fewer), in the order of the file.

        The file is read once, a chunk at a time: memory holds one chunk and the samples chosen.

        Parameters
        ----------
        n : int
            How many.
        seed : int
            Of the random choice.

        Returns
        -------
        StressStrainData
            Its provenance records the choice.
        """
        if n >= len(self):
            return self.read(slice(0, len(self)))
        chosen = np.sort(np.random.default_rng(seed).choice(len(self), n, replace=False))
        pieces: list[dict[str, np.ndarray]] = []
        for start in range(0, len(self), SAMPLES_AT_ONCE):
            here = chosen[(chosen >= start) & (chosen < start + SAMPLES_AT_ONCE)] - start
            if here.size:
                pieces.append({name: values[here] for name, values in self.arrays(slice(start, start + SAMPLES_AT_ONCE)).items()})
        arrays = {name: np.concatenate([piece[name] for piece in pieces]) for name in pieces[0]}
        data = StressStrainData.from_document(self.document_of(arrays), source=str(self.path))
        return data.with_provenance({"sampled": f"{n} of {len(self)} samples at random, seed {seed}"})

    def head(self, n: int) -> StressStrainData:
        """The first `n` samples.

        Parameters
        ----------
        n : int
            How many, at least 1.

        Returns
        -------
        StressStrainData

        Raises
        ------
        DataError
            There are fewer samples, or ``n`` is below 1.
        """
        if not 1 <= n <= len(self):
            raise DataError(f"found {len(self)} samples, needed {n}; take 1 to {len(self)}")
        return self.read(slice(0, n))

    def all(self) -> StressStrainData:
        """All samples in memory.

        Returns
        -------
        StressStrainData

        Raises
        ------
        DataError
            There are more than two million: use `chunks` or `sample`.
        """
        return StressStrainData.from_document(read_document(self.path), source=str(self.path))


def load_bounded(path: str | os.PathLike[str], limit: int = 1000, *, seed: int = 0, plausible: bool = True) -> StressStrainData:
    """A data set for calibration in bounded memory: the whole file, or of an HDF5 file with more samples a random choice.

    Parameters
    ----------
    path : path
        JSON or HDF5.
    limit : int
        Most samples taken from an HDF5 file; the provenance says how many there were.
    seed : int
        Of the choice.
    plausible : bool
        Refuse a sign or unit that cannot be right.

    Returns
    -------
    StressStrainData

    Raises
    ------
    DataError
        The file is damaged, or its sign or unit cannot be right.
    """
    if is_hdf5(path):
        with open_large(path) as source:
            data = source.sample(limit, seed=seed)
        if plausible:
            require_plausible(data)
        return data
    return StressStrainData.load(path, plausible=plausible)


def open_large(path: str | os.PathLike[str]) -> LargeData:
    """Open an HDF5 data set without reading its samples.

    Parameters
    ----------
    path : path
        A ``.h5`` or ``.hdf5`` file.

    Returns
    -------
    LargeData

    Raises
    ------
    DataError
        The file is missing, damaged, or no data set of ours.
    """
    return LargeData(path)
