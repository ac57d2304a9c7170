"""Calibrations that several tests ask for, made once in a run of the tests: the same data, options and seed give the same law."""

import fcntl
import hashlib
import inspect
import os
import pickle
from collections.abc import Callable
from pathlib import Path

import pytest

from constitutive import Material, StressStrainData, calibrate


def shared_folder(factory: pytest.TempPathFactory) -> Path:
    """The folder of the run that all its workers see."""
    here = factory.getbasetemp()
    return here.parent if "PYTEST_XDIST_WORKER" in os.environ else here


def keeping(folder: Path) -> Callable[..., Material]:
    """The function ``calibrate``, with its results kept as pickles of our own under a lock, for which other workers wait."""
    folder.mkdir(exist_ok=True)
    defaults = {name: parameter.default for name, parameter in inspect.signature(calibrate).parameters.items()}

    def kept(data: StressStrainData, **options: object) -> Material:
        options.pop("progress", None)
        options = {name: value for name, value in options.items() if value != defaults[name] and (value or defaults[name])}
        key = hashlib.sha256(pickle.dumps((data.to_document(), sorted(options.items())))).hexdigest()
        with (folder / f"{key}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            file = folder / f"{key}.pickle"
            if not file.exists():
                file.write_bytes(pickle.dumps(calibrate(data, **options)))
            return pickle.loads(file.read_bytes())  # noqa: S301 - written above

    return kept
