"""The check of a file: of any format that the readers know, with faults that stop other commands reported as findings."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from constitutive.data import GroupContradictionError, StressStrainData, open_large
from constitutive.data.hdf5 import SAMPLES_AT_ONCE, HDF5File, is_hdf5
from constitutive.data.storage import read_json
from constitutive.errors import DataError
from constitutive.intake.check import check
from constitutive.intake.findings import Finding, IntakeReport, in_order
from constitutive.intake.samples import drop_option
from constitutive.plain import JsonObject
from constitutive.readers import ReadOptions, read_any
from constitutive.symmetry import read_structure

READ_WHOLE = 20_000  # samples of an HDF5 file up to which it is read whole
LOOKED_AT = 2_000  # samples read of a larger one


def check_file(path: str | Path, *, structure: Any = None, options: ReadOptions | None = None) -> IntakeReport:
    """Check a data set in a file.

    Parameters
    ----------
    path : path
        Our JSON or HDF5, or any other format of the readers.
    structure : path or structure, optional
        Reference structure; it takes the place of the file's own.
    options : ReadOptions, optional
        What the file does not state.

    Returns
    -------
    IntakeReport

    Raises
    ------
    ConstitutiveError
        The file cannot be read at all: no numbers, wrong shapes, NaN, det F <= 0.
    """
    step = _step(path)
    try:
        if step == 1:
            return check(read_any(path, structure=structure, options=options))
        return _of_every(path, step, structure)
    except GroupContradictionError as error:
        document = _every(path, step) if is_hdf5(path) else read_json(path)
        document = {key: value for key, value in document.items() if key not in ("point_group", "space_group")}
        message = str(error).split(": ", 1)[1]
        return _with_finding(StressStrainData.from_document(document, source=str(path)), message)


def _step(path: str | Path) -> int:
    """Every which sample of a file is looked at: all but in large HDF5 files, of which only the chosen ones are read."""
    if not is_hdf5(path):
        return 1
    with HDF5File(path) as file:
        return 1 if len(file) <= READ_WHOLE else -(-len(file) // LOOKED_AT)


def _every(path: str | Path, step: int) -> JsonObject:
    with HDF5File(path) as file:
        return file.document(slice(0, len(file), step))


def _of_every(path: str | Path, step: int, structure: Any) -> IntakeReport:
    """The report on every so many samples of a large file, with the numbers that its samples have there; all are read for what is cheap."""
    whole = _look_at_all(path)
    data = StressStrainData.from_document(_every(path, step), source=str(path))
    data = data if structure is None else data.with_structure(read_structure(structure))
    report = check(data)
    remark = (
        f"all samples: every {step}th was looked at, {len(data)} in all, so that outliers among the others do not show; number k in a "
        f"message is sample {step} k of the file; {whole}"
    )
    findings = tuple(replace(f, samples=tuple(step * k for k in f.samples), mend=_spread(f, step)) for f in report.findings)
    return replace(report, findings=findings, undecided=(remark, *report.undecided))


def _look_at_all(path: str | Path) -> str:
    """Read all samples in pieces and say what they are: valid, how stiff from piece to piece, and how many repeat a state.

    Memory holds one piece, and eight bytes for each sample.

    Raises
    ------
    DataError
        A sample is none: a number that is not finite, det F <= 0.
    """
    prints, stiffness, largest = [], [], 0.0
    with open_large(path) as file:
        for start in range(0, len(file), SAMPLES_AT_ONCE):
            end = min(start + SAMPLES_AT_ONCE, len(file))
            try:
                piece = file.read(slice(start, end))
            except GroupContradictionError:
                raise
            except DataError as error:
                raise DataError(f"samples {start} to {end - 1}, counted from {start}: {error}") from error
            prints.append(_fingerprints(piece.F))
            E = piece.green_lagrange_strain
            largest = max(largest, float(np.linalg.norm(E, axis=(1, 2)).max()))
            stiffness.append(float((piece.stress("second_piola_kirchhoff") * E).sum()) / max(float((E * E).sum()), 1e-300))
    every = np.concatenate(prints)
    repeated = len(every) - len(np.unique(every))
    return (
        f"of all {len(every)}, read in pieces of {SAMPLES_AT_ONCE}, F and stress are valid, |E| is up to {largest:.3g}, S:E / E:E of the "
        f"pieces {min(stiffness):.3g} to {max(stiffness):.3g} GPa (another unit or sign in a part would show); {repeated} repeat an F"
    )


def _fingerprints(F: Float[np.ndarray, "n 3 3"]) -> Int[np.ndarray, " n"]:
    """One number for each F, equal where all components agree to 1e-9: a sum of the rounded components with random odd factors."""
    factors = np.random.default_rng(0).integers(1, 2**62, size=9) * 2 + 1
    with np.errstate(over="ignore"):
        return np.asarray((np.round(F.reshape(-1, 9) * 1e9).astype(np.int64) * factors).sum(axis=1))


def _spread(finding: Finding, step: int) -> str:
    """The option that corrects a finding, with the numbers of the file where it names samples."""
    return drop_option(step * np.array(finding.samples)) if finding.mend.startswith("--drop") else finding.mend


def _with_finding(data: StressStrainData, message: str) -> IntakeReport:
    report = check(data)
    if any(f.fault == "transposed_cell" for f in report.findings):
        return report  # it is what made the structure contradict its group
    others = tuple(f for f in report.findings if f.fault != "wrong_group")
    mend = f"--point-group {report.largest_group}" if report.largest_group else ""
    finding = Finding("wrong_group", 1.0, (), message, mend)
    return replace(report, findings=in_order([finding, *others]))
