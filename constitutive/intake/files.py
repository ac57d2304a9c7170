"""The check of a file: of any format that the readers know, with faults that stop other commands reported as findings."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from constitutive.data import GroupContradictionError, StressStrainData
from constitutive.data.hdf5 import HDF5File, is_hdf5
from constitutive.data.storage import read_json
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
    """The report on every so many samples of a large file, with the numbers that its samples have there."""
    data = StressStrainData.from_document(_every(path, step), source=str(path))
    data = data if structure is None else data.with_structure(read_structure(structure))
    report = check(data)
    remark = (
        f"all samples: every {step}th was looked at, {len(data)} in all, so that repetitions and outliers among the others do not show; "
        f"number k in a message is sample {step} k of the file"
    )
    findings = tuple(replace(f, samples=tuple(step * k for k in f.samples), mend=_spread(f, step)) for f in report.findings)
    return replace(report, findings=findings, undecided=(remark, *report.undecided))


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
