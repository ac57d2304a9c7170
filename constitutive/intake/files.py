"""The check of a file: of any format that the readers know, with faults that stop other commands reported as findings."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from constitutive.data import GroupContradictionError, StressStrainData
from constitutive.data.storage import read_json
from constitutive.intake.check import check
from constitutive.intake.findings import Finding, IntakeReport, in_order
from constitutive.readers import ReadOptions, read_any


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
    try:
        return check(read_any(path, structure=structure, options=options))
    except GroupContradictionError as error:
        document = {key: value for key, value in read_json(path).items() if key not in ("point_group", "space_group")}
        message = str(error).split(": ", 1)[1]
        return _with_finding(StressStrainData.from_document(document, source=str(path)), message)


def _with_finding(data: StressStrainData, message: str) -> IntakeReport:
    report = check(data)
    if any(f.fault == "transposed_cell" for f in report.findings):
        return report  # it is what made the structure contradict its group
    others = tuple(f for f in report.findings if f.fault != "wrong_group")
    mend = f"--point-group {report.largest_group}" if report.largest_group else ""
    finding = Finding("wrong_group", 1.0, (), message, mend)
    return replace(report, findings=in_order([finding, *others]))
