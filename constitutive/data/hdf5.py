"""HDF5 files of documents, by arrays: what `StressStrainData` and `LargeData` are written to and read from.

Layout: datasets ``F`` (n, 3, 3), one stress, and optionally ``W`` and the weights, each with an attribute ``unit``; everything else of the
data file (structure, settings, paths, ...) as the JSON text of the root attribute ``document``. No pickle, no code.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from types import TracebackType
from typing import TYPE_CHECKING

import numpy as np

from constitutive.data.schema import COUPLED, FIELD_UNITS, MEASURES
from constitutive.data.storage import require_file
from constitutive.errors import DataError
from constitutive.files import replacing
from constitutive.plain import JsonObject, plain

if TYPE_CHECKING:
    import h5py

MAX_HDF5_BYTES = 64 * 2**30
SAMPLES_AT_ONCE = 8192
IN_MEMORY_LIMIT = 2_000_000
SUFFIXES = (".h5", ".hdf5")
_DAMAGED = (OSError, ValueError, TypeError, KeyError, RuntimeError, OverflowError)  # what h5py raises on mangled files
_WHOLE = ("species", "paths", "lattice", "frac_coords")
_PER_SAMPLE = ("F", *MEASURES, "W", "positions", "forces", "stress_weights", "energy_weights", *COUPLED)


def is_hdf5(path: str | os.PathLike[str]) -> bool:
    """Whether a file is HDF5, by the ending of its name.

    Parameters
    ----------
    path : path
        Need not exist.

    Returns
    -------
    bool
    """
    return os.fspath(path).lower().endswith(SUFFIXES)


def read_document(path: str | os.PathLike[str]) -> JsonObject:
    """A whole file as the document of a data set, with arrays.

    Parameters
    ----------
    path : path

    Returns
    -------
    dict

    Raises
    ------
    DataError
        The file is damaged, or has more than two million samples.
    """
    with HDF5File(path) as file:
        if len(file) > IN_MEMORY_LIMIT:
            raise DataError(f"{file.path}: found {len(file)} samples, needed at most {IN_MEMORY_LIMIT}; open it by open_large")
        return file.document(slice(0, len(file)))


def write_documents(path: str | os.PathLike[str], documents: Iterable[JsonObject]) -> None:
    """Write the samples of many documents into one file, atomically, holding one document in memory at a time.

    Parameters
    ----------
    path : path
        The file to make or to replace.
    documents : iterable of dict
        Of data sets of one crystal and with the same fields; everything but the samples is taken from the first.

    Raises
    ------
    DataError
        The documents have different fields, or the file cannot be written.
    """
    import h5py  # deferred: needed for HDF5 files only

    with replacing(path) as temporary, h5py.File(temporary, "w") as file:
        created = False
        for document in documents:
            arrays = _per_sample(document)
            if not created:
                _create(file, arrays, document)
                created = True
            _append(file, arrays)


def _per_sample(document: JsonObject) -> dict[str, np.ndarray]:
    """Take the arrays with one entry for each sample out of a document, unknown numeric ones too."""
    arrays = {name: np.asarray(document.pop(name)) for name in _PER_SAMPLE if name in document and np.ndim(document[name])}
    n = len(arrays["F"])
    for name in [key for key, value in document.items() if isinstance(value, list) and len(value) == n and key not in _WHOLE]:
        try:
            array = np.asarray(document[name], dtype=np.float64)
        except (ValueError, TypeError):
            continue  # text, or ragged: it stays in the document
        arrays[name] = array
        del document[name]
    return arrays


def _create(file: h5py.File, arrays: dict[str, np.ndarray], document: JsonObject) -> None:
    units = document["units"] if isinstance(document["units"], dict) else {"stress": document["units"]}
    file.attrs["document"] = json.dumps(plain(document), allow_nan=False)
    file.attrs["format"] = "constitutive stress-strain data"
    for name, array in arrays.items():
        shape = (0, *array.shape[1:])
        chunk = (min(SAMPLES_AT_ONCE, max(len(array), 1)), *array.shape[1:])
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


class HDF5File:
    """An open file of samples, read in pieces. Use as a context manager.

    Parameters
    ----------
    path : path
        The file.

    Raises
    ------
    DataError
        The file is missing, damaged, or none of ours.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        import h5py  # deferred: needed for HDF5 files only

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

    def _read_document(self) -> JsonObject:
        try:
            document = json.loads(self._file.attrs["document"])
        except (*_DAMAGED, RecursionError) as error:
            raise DataError(f"{self.path}: found no readable 'document' attribute ({error}); needed our HDF5") from error
        if not isinstance(document, dict):
            raise DataError(f"{self.path}: found a {type(document).__name__} as 'document'; needed a JSON object")
        return document

    def _require_arrays(self) -> int:
        import h5py  # deferred: as above

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

    def __enter__(self) -> HDF5File:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def __len__(self) -> int:
        """Number of samples in the file."""
        return self._length

    def arrays(self, samples: slice | np.ndarray) -> dict[str, np.ndarray]:
        """The arrays of the given samples: a slice, or increasing sample numbers.

        Parameters
        ----------
        samples : slice or int array
            Increasing sample numbers.

        Returns
        -------
        dict of array
            By field, in the units of the file.

        Raises
        ------
        DataError
            The file is damaged.
        """
        try:
            return {name: self._file[name][samples] for name in self._file}
        except _DAMAGED as error:
            raise DataError(f"{self.path}: samples {samples} cannot be read ({error}); is the file cut off?") from error

    def document(self, samples: slice | np.ndarray) -> JsonObject:
        """The document of a data set with the given samples only.

        Parameters
        ----------
        samples : slice or int array
            Increasing sample numbers.

        Returns
        -------
        dict
        """
        return self.document_of(self.arrays(samples))

    def document_of(self, arrays: dict[str, np.ndarray]) -> JsonObject:
        """The document with these arrays for its samples: arrays for our own fields, lists for unknown keys, as in a JSON file.

        Parameters
        ----------
        arrays : dict of array
            By field.

        Returns
        -------
        dict
        """
        return {**self._document, **{name: a if name in _PER_SAMPLE else a.tolist() for name, a in arrays.items()}}
