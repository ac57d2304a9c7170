"""HDF5 data sets of up to millions of samples, read in pieces.

Layout: datasets ``F`` (n, 3, 3), one stress, and optionally ``W`` and the weights, each with an attribute ``unit``;
everything else of the
data file (structure, settings, paths, ...) as the JSON text of the root attribute ``document``. No pickle, no code.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from types import TracebackType
from typing import Any

import h5py
import numpy as np

from constitutive.data.model import FIELD_UNITS, MEASURES, StressStrainData
from constitutive.data.storage import require_file
from constitutive.errors import DataError
from constitutive.files import replacing
from constitutive.plain import plain

MAX_HDF5_BYTES = 64 * 2**30
CHUNK = 8192
IN_MEMORY_LIMIT = 2_000_000
_DAMAGED = (OSError, ValueError, TypeError, KeyError, RuntimeError, OverflowError)  # what h5py raises on mangled files
_WHOLE = ("species", "paths", "lattice", "frac_coords")
_PER_SAMPLE = ("F", *MEASURES, "W", "positions", "forces", "stress_weights", "energy_weights")


def write_large(path: str | os.PathLike[str], data: StressStrainData) -> None:
    """Write a data set as HDF5, atomically. Raises DataError when it cannot be written."""
    write_chunks(path, [data])


def write_chunks(path: str | os.PathLike[str], pieces: Any) -> None:
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
    with replacing(path) as temporary, h5py.File(temporary, "w") as file:
        first: dict[str, Any] = {}
        for piece in pieces:
            document = piece.to_document()
            arrays = _per_sample(document, len(piece))
            if not first:
                first = document
                _create(file, arrays, document)
            _append(file, arrays)


def _per_sample(document: dict[str, Any], n: int) -> dict[str, np.ndarray]:
    """Take the arrays with one entry for each sample out of a document, unknown numeric ones too."""
    arrays = {name: np.asarray(document.pop(name)) for name in _PER_SAMPLE if name in document}
    for name in [key for key, value in document.items() if isinstance(value, list) and len(value) == n and key not in _WHOLE]:
        try:
            array = np.asarray(document[name], dtype=np.float64)
        except (ValueError, TypeError):
            continue  # text, or ragged: it stays in the document
        arrays[name] = array
        del document[name]
    return arrays


def _create(file: h5py.File, arrays: dict[str, np.ndarray], document: dict[str, Any]) -> None:
    units = document["units"] if isinstance(document["units"], dict) else {"stress": document["units"]}
    file.attrs["document"] = json.dumps(plain(document), allow_nan=False)
    file.attrs["format"] = "constitutive stress-strain data"
    for name, array in arrays.items():
        shape = (0, *array.shape[1:])
        chunk = (min(CHUNK, max(len(array), 1)), *array.shape[1:])
        dataset = file.create_dataset(name, shape, "<f8", maxshape=(None, *shape[1:]), chunks=chunk)
        default = units["stress"] if name in (*MEASURES, "W") else FIELD_UNITS.get(name, "as the name says")
        dataset.attrs["unit"] = units.get(name, default)


def _append(file: h5py.File, arrays: dict[str, np.ndarray]) -> None:
    if set(arrays) != set(file.keys()):
        raise DataError(f"found fields {sorted(arrays)}, needed {sorted(file.keys())} as in the first piece")
    for name, array in arrays.items():
        start = len(file[name])
        file[name].resize(start + len(array), axis=0)
        file[name][start:] = array


def _known(name: str, values: np.ndarray) -> Any:
    """Arrays for our own fields, lists for unknown keys, as in a JSON file."""
    return values if name in _PER_SAMPLE else values.tolist()


class LargeData:
    """An open HDF5 data set, read in pieces. Use as a context manager.

    Memory: `chunks` holds one piece, by default 8,192 samples (1.3 MB of F, stress and W); the number of samples in the
    file does not enter.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = require_file(path, MAX_HDF5_BYTES)
        try:
            self._file = h5py.File(self.path, "r")
        except _DAMAGED as error:
            raise DataError(f"{path}: found no HDF5 file ({error}); needed one; is it cut off?") from error
        try:
            self._document = self._read_document()
            self._length = self._require_arrays()
        except DataError:
            self._file.close()
            raise
        except _DAMAGED as error:
            self._file.close()
            raise DataError(f"{path}: found damaged HDF5 ({error}); needed the whole file; is it cut off?") from error

    def _read_document(self) -> dict[str, Any]:
        try:
            document = json.loads(self._file.attrs["document"])
        except (*_DAMAGED, RecursionError) as error:
            raise DataError(f"{self.path}: found no readable 'document' attribute ({error}); needed our HDF5") from error
        if not isinstance(document, dict):
            raise DataError(f"{self.path}: found a {type(document).__name__} as 'document'; needed a JSON object")
        return document

    def _require_arrays(self) -> int:
        present = list(self._file)
        for name in present:
            item = self._file.get(name, getlink=True)
            if not isinstance(item, h5py.HardLink):
                raise DataError(f"{self.path}: found a link to another file as {name!r}; needed the numbers in this file")
            if not isinstance(self._file[name], h5py.Dataset) or self._file[name].dtype.kind not in "fiu":
                raise DataError(f"{self.path}: found no array of numbers as {name!r}; needed one")
        lengths = {name: len(self._file[name]) if self._file[name].shape else -1 for name in present}
        if "F" not in lengths or len(set(lengths.values())) != 1 or lengths["F"] < 1:
            raise DataError(f"{self.path}: found lengths {lengths}; needed F, one stress and the rest of one length")
        return lengths["F"]

    def __enter__(self) -> LargeData:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def __len__(self) -> int:
        """Number of samples in the file."""
        return self._length

    def read(self, samples: slice | np.ndarray) -> StressStrainData:
        """The given samples: a slice, or increasing sample numbers.

        Raises
        ------
        DataError
            The samples are damaged or no valid data.
        """
        try:
            arrays = {name: _known(name, self._file[name][samples]) for name in self._file}
        except _DAMAGED as error:
            raise DataError(f"{self.path}: samples {samples} cannot be read ({error}); is the file cut off?") from error
        return StressStrainData.from_document({**self._document, **arrays}, source=str(self.path))

    def chunks(self, size: int = CHUNK) -> Iterator[StressStrainData]:
        """All samples, `size` at a time."""
        for start in range(0, self._length, size):
            yield self.read(slice(start, min(start + size, self._length)))

    def sample(self, n: int, *, seed: int = 0) -> StressStrainData:
        """`n` random samples without repetition (all, where there are fewer), in the order of the file.

        The file is gone through once, a chunk at a time: memory holds one chunk and the samples chosen.
        """
        if n >= self._length:
            return self.read(slice(0, self._length))
        chosen = np.sort(np.random.default_rng(seed).choice(self._length, n, replace=False))
        pieces: dict[str, list[np.ndarray]] = {name: [] for name in self._file}
        for start in range(0, self._length, CHUNK):
            here = chosen[(chosen >= start) & (chosen < start + CHUNK)] - start
            if here.size:
                for name, found in pieces.items():
                    found.append(self._slab(name, start)[here])
        arrays = {name: _known(name, np.concatenate(found)) for name, found in pieces.items()}
        data = StressStrainData.from_document({**self._document, **arrays}, source=str(self.path))
        return data.with_provenance({"sampled": f"{n} of {self._length} samples at random, seed {seed}"})

    def _slab(self, name: str, start: int) -> np.ndarray:
        try:
            return self._file[name][start : start + CHUNK]
        except _DAMAGED as error:
            raise DataError(f"{self.path}: {name} cannot be read at sample {start} ({error}); is the file cut off?") from error

    def head(self, n: int) -> StressStrainData:
        """The first `n` samples."""
        if not 1 <= n <= self._length:
            raise DataError(f"found {self._length} samples, needed {n}; ask for 1 to {self._length}")
        return self.read(slice(0, n))

    def all(self) -> StressStrainData:
        """All samples in memory.

        Raises
        ------
        DataError
            There are more than two million: use `chunks` or `sample`.
        """
        if self._length > IN_MEMORY_LIMIT:
            raise DataError(f"{self.path}: found {self._length} samples, needed at most {IN_MEMORY_LIMIT}; open it by open_large")
        return self.read(slice(0, self._length))


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

    Raises
    ------
    DataError
        The file is damaged, or its sign or unit cannot be right.
    """
    if os.fspath(path).lower().endswith((".h5", ".hdf5")):
        from constitutive.data.plausible import require_plausible

        with open_large(path) as source:
            data = source.sample(limit, seed=seed)
        if plausible:
            require_plausible(data)
        return data
    return StressStrainData.load(path, plausible=plausible)


def open_large(path: str | os.PathLike[str]) -> LargeData:
    """Open an HDF5 data set without reading its samples.

    Raises
    ------
    DataError
        The file is missing, damaged, or no data set of ours.
    """
    return LargeData(path)
