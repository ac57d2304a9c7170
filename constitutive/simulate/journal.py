"""The folder of a run: what is computed, one line for each finished sample, and a lock against a second run.

``run.json`` says what the run computes; a run with other settings in the same folder is an error. ``journal.jsonl`` grows by whole lines
that are on the disk before the next sample is handed out; a line that was cut off by a crash is dropped when the journal is opened again.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import final

from constitutive.data.storage import read_json, write_json
from constitutive.errors import DataError
from constitutive.plain import JsonObject, plain

RUN_FILE, JOURNAL_FILE, LOCK_FILE = "run.json", "journal.jsonl", "lock"
STATED_LATER = ("potential",)  # not in the run files of 0.2.0: such a run goes on without that comparison


def stated_in(before: JsonObject, wanted: JsonObject) -> JsonObject:
    """What of an identity can be compared with that of an earlier run: all but what its version did not state yet.

    Parameters
    ----------
    before
        The run file.
    wanted
        The identity of the run that is asked for.

    Returns
    -------
    dict
    """
    return {key: value for key, value in wanted.items() if key in before or key not in STATED_LATER}


@final
class RunFolder:
    """The folder of one run, locked while it is open.

    Parameters
    ----------
    path : path
        Made where it does not exist.
    identity : dict
        What the run computes: it must be the same when the run is taken up again.

    Raises
    ------
    DataError
        Another run works in the folder, it belongs to a run with other settings, or it cannot be written.
    """

    def __init__(self, path: str | os.PathLike[str], identity: JsonObject):
        self.path = Path(path)
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self._lock = os.open(self.path / LOCK_FILE, os.O_RDWR | os.O_CREAT, 0o666)
        except OSError as error:
            raise DataError(f"{self.path}: cannot be written ({error}); needed a writable folder") from error
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._lock)
            raise DataError(f"{self.path}: found another run at work in this folder; wait for it, or take another folder") from error
        try:
            self._require_identity(identity)
            self._journal = os.open(self.path / JOURNAL_FILE, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666)
        except BaseException:
            os.close(self._lock)
            raise
        self._drop_torn_line()

    def __enter__(self) -> RunFolder:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give the folder free."""
        for handle in (self._journal, self._lock):
            with contextlib.suppress(OSError):
                os.close(handle)

    def _require_identity(self, identity: JsonObject) -> None:
        path = self.path / RUN_FILE
        wanted = json.loads(json.dumps(plain(identity)))
        if not path.exists():
            write_json(path, {**wanted, "digest": digest(wanted)})
            return
        found = read_json(path)
        wanted = stated_in(found, wanted)
        if found.pop("digest", "") != digest(wanted):
            if not self._holds_results():
                write_json(path, {**wanted, "digest": digest(wanted)})
                return
            other = [key for key in wanted if found.get(key) != wanted[key]]
            raise DataError(
                f"{self.path}: found a run with another {', '.join(other) or 'content'}; needed the same command as before; "
                "take another folder, or remove this one to compute everything again"
            )

    def _holds_results(self) -> bool:
        journal = self.path / JOURNAL_FILE
        kept = any(path.name not in (RUN_FILE, JOURNAL_FILE, LOCK_FILE) for path in self.path.iterdir())
        return kept or (journal.exists() and journal.stat().st_size > 0)

    def _drop_torn_line(self) -> None:
        size = os.lseek(self._journal, 0, os.SEEK_END)
        keep = size
        while keep > 0 and os.pread(self._journal, 1, keep - 1) != b"\n":
            step = min(keep, 1 << 16)
            block = os.pread(self._journal, step, keep - step)
            cut = block.rfind(b"\n")
            keep = keep - step + cut + 1 if cut >= 0 else keep - step
        if keep < size:
            os.ftruncate(self._journal, keep)

    def append(self, record: JsonObject) -> None:
        """Add one finished sample; it is on the disk when this returns.

        Parameters
        ----------
        record : dict
            Plain data.

        Raises
        ------
        DataError
            The disk is full; what was written before stays whole.
        """
        line = (json.dumps(record, allow_nan=False, separators=(",", ":")) + "\n").encode()
        size = os.lseek(self._journal, 0, os.SEEK_END)
        try:
            written = os.write(self._journal, line)
            if written < len(line):
                raise OSError(f"{written} of {len(line)} bytes fit")
            os.fsync(self._journal)
        except OSError as error:
            with contextlib.suppress(OSError):
                os.ftruncate(self._journal, size)
            raise DataError(
                f"{self.path / JOURNAL_FILE}: cannot be written ({error}); free some space and run the same command again: "
                "finished samples are kept"
            ) from error

    def records(self) -> Iterator[JsonObject]:
        """The finished samples so far, in the order in which they ended.

        Yields
        ------
        dict

        Raises
        ------
        DataError
            A line is damaged.
        """
        with (self.path / JOURNAL_FILE).open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, start=1):
                try:
                    yield json.loads(line)
                except ValueError as error:
                    raise DataError(f"{self.path / JOURNAL_FILE}: line {number} is damaged ({error}); remove that line") from error

    def kept(self, name: str) -> JsonObject | None:
        """A result that is kept beside the journal.

        Parameters
        ----------
        name : str
            Of the JSON file.

        Returns
        -------
        dict or None
            None where there is none yet.
        """
        path = self.path / f"{name}.json"
        return read_json(path) if path.exists() else None

    def keep(self, name: str, document: JsonObject) -> None:
        """Keep a result beside the journal.

        Parameters
        ----------
        name : str
            Of the JSON file.
        document : dict
            Plain data.
        """
        write_json(self.path / f"{name}.json", document)


def samples_of(folder: str | os.PathLike[str]) -> Iterator[tuple[list[list[float]], JsonObject]]:
    """The finished samples of a run, which may still be at work.

    Parameters
    ----------
    folder : path
        Of the run.

    Yields
    ------
    F : list (3, 3)
        Deformation gradient.
    record : dict
        Status "done".
    """
    path = Path(folder)
    strains = read_json(path / RUN_FILE).get("plan", {}).get("F", [])
    journal = path / JOURNAL_FILE
    for line in journal.read_text(encoding="utf-8").splitlines() if journal.exists() else []:
        with contextlib.suppress(ValueError):  # a line that is being written
            record = json.loads(line)
            if record["status"] == "done" and int(record["number"]) < len(strains):
                yield strains[int(record["number"])], record


def digest(document: JsonObject) -> str:
    """Hash of plain data.

    Parameters
    ----------
    document : dict

    Returns
    -------
    str
    """
    return hashlib.sha256(json.dumps(plain(document), sort_keys=True).encode()).hexdigest()
