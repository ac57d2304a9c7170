"""A law as pure Fortran 2008: tables of the flat law and fixed procedures; the user material of Abaqus on top."""

from __future__ import annotations

from importlib.resources import files

import numpy as np

from constitutive.export.subject import ExportError, Subject, header
from constitutive.fitting import Uncertainty
from constitutive.kernel.flatten import Program, UnsupportedLawError
from constitutive.kernel.uncertainty import FlatUncertainty, flatten_uncertainty
from constitutive.tensors.polynomials import exponents

PER_LINE = 3  # numbers on a line of at most 132 characters
MOST_LINES = 200  # lines of one statement; the standard allows 255 continuations


def module(subject: Subject) -> str:
    """The module ``NAME_law``.

    Raises
    ------
    ExportError
        The law, or its uncertainty, has no such form.
    """
    head = "".join(f"! {line}\n" for line in header(subject))
    program = subject.program
    body = (files("constitutive.export") / "law.f90").read_text(encoding="utf-8").replace("@NAME@", subject.name)
    tables = [*_law(program), *_domain(program, subject), *_uncertainty(subject)]
    start = (
        f"!DIR$ FREEFORM\n{head}\nmodule {subject.name}_law\n"
        "  use, intrinsic :: iso_fortran_env, only: dp => real64\n"
        "  use, intrinsic :: ieee_arithmetic, only: ieee_value, ieee_quiet_nan\n  implicit none\n  private\n"
    )
    return start + "\n".join(tables) + "\n" + body


def umat(subject: Subject) -> str:
    """The module and the user material of Abaqus in one file."""
    return module(subject) + (files("constitutive.export") / "umat.f90").read_text(encoding="utf-8").replace("@NAME@", subject.name)


def real(value: float) -> str:
    """A number that Fortran reads back without rounding."""
    return f"{value:.16e}_dp"


def array(name: str, values: np.ndarray, kind: str = "real(dp)") -> list[str]:
    """A saved array with its numbers in DATA statements, row by row of ``values``; at least one row, for the standard."""
    values = np.atleast_2d(values)
    rows, width = max(len(values), 1), max(values.shape[1], 1)
    shape = f"{width}, {rows}" if width > 1 or name in WIDE else f"{rows}"
    result = [f"  {kind}, save :: {name}({shape})"]
    if not values.size:
        return [*result, f"  data {name} / {rows * width} * {'0' if kind == 'integer' else '0.0_dp'} /"]
    text = str if kind == "integer" else real
    for k, row in enumerate(values, 1):
        for first in range(0, width, PER_LINE * MOST_LINES):
            part = [text(v) for v in row[first : first + PER_LINE * MOST_LINES].tolist()]
            lines = [", ".join(part[i : i + PER_LINE]) for i in range(0, len(part), PER_LINE)]
            place = f"{name}({first + 1}:{first + len(part)}, {k})" if "," in shape else f"{name}({k})"
            result.append(f"  data {place} / " + ", &\n    ".join(lines) + " /")
    return result


WIDE = frozenset(["exponent", "weight", "channel_weight", "column_exponent", "column_coefficient", "factor", "metric", "frame"])


def _law(p: Program) -> list[str]:
    found = [(e, c) for degree, row in p.polynomial.items() for e, c in zip(exponents(degree), row, strict=True) if c != 0]
    W = (p.weights[None] * p.signs[:, None, :]).reshape(-1, 6)
    b, a = np.tile(p.biases, len(p.signs)), np.tile(p.amplitudes, len(p.signs))
    return [
        f"  integer, parameter :: terms = {len(found)}, units = {len(b)}",
        *array("exponent", np.array([e for e, _ in found]).reshape(-1, 6), "integer"),
        *array("coefficient", np.array([c for _, c in found]).reshape(-1, 1)),
        *array("weight", W),
        *array("bias", b.reshape(-1, 1)),
        *array("amplitude", a.reshape(-1, 1)),
        *array("frame", np.asarray(p.frame).T),
    ]


def logical(value: bool) -> str:
    """A logical constant of Fortran."""
    return ".true." if value else ".false."


def _domain(p: Program, subject: Subject) -> list[str]:
    kappa, reach = p.extension or (0.0, 1.0)
    radius = 1.0 if p.domain is None else p.domain.radius
    return [
        f"  logical, parameter :: has_domain = {logical(p.domain is not None)}, extends = {logical(p.extension is not None)}",
        f"  logical, parameter, public :: stops = {logical(subject.stops)}",
        f"  real(dp), parameter :: radius = {real(radius)}, kappa = {real(kappa)}",
        f"  real(dp), parameter :: reach = {real(reach)}, unit = {real(subject.factor)}",
        *array("metric", np.eye(6) if p.domain is None else np.asarray(p.domain.metric)),
    ]


def _uncertainty(subject: Subject) -> list[str]:
    flat = _flat_uncertainty(subject)
    if flat is None:
        sizes, share = (0, 0, 0, 0), 0.0
        tables = [np.zeros((0, width)) for width in (6, 1, 1, 6, 2, 2)]
    else:
        tables, share = _uncertainty_tables(flat, subject.program.signs), flat.share
        sizes = (len(flat.biases), len(flat.polynomials), len(tables[0]), len(tables[3]))
    names = ("channel_weight", "channel_bias", "channel_of", "column_exponent", "column_coefficient", "factor")
    lines = [f"  integer, parameter :: channels = {sizes[0]}, columns = {sizes[1]}, channel_units = {sizes[2]}, column_terms = {sizes[3]}"]
    lines.append(f"  real(dp), parameter :: share = {real(share)}")
    for name, table in zip(names, tables, strict=True):
        lines += array(name, table, "integer" if name in ("channel_of", "column_exponent") else "real(dp)")
    return lines


def _flat_uncertainty(subject: Subject) -> FlatUncertainty | None:
    uncertainty: Uncertainty | None = subject.material.uncertainty
    if uncertainty is None:
        return None
    try:
        return flatten_uncertainty(uncertainty, subject.program.frame, subject.program.signs)
    except UnsupportedLawError as error:
        raise ExportError(f"{subject.format}: {error}") from error


def _uncertainty_tables(flat: FlatUncertainty, signs: np.ndarray) -> list[np.ndarray]:
    """Units of the channels with biases and numbers, exponents and coefficients of the columns, factor."""
    channels, kept = flat.weights.shape[:2]
    W = (flat.weights[:, :, None, :] * signs[None, None]).reshape(-1, 6)
    repeats = kept * len(signs)
    rows: dict[tuple[int, ...], np.ndarray] = {}
    for column, polynomial in enumerate(flat.polynomials):
        for degree, row in polynomial.items():
            for exponent, value in zip(exponents(degree), row, strict=True):
                if value != 0:
                    rows.setdefault(tuple(exponent.tolist()), np.zeros(len(flat.polynomials)))[column] = value
    width = len(flat.polynomials)
    return [
        W,
        np.repeat(flat.biases, repeats).reshape(-1, 1),
        np.repeat(np.arange(1, channels + 1), repeats).reshape(-1, 1),
        np.array(list(rows)).reshape(-1, 6),
        np.array(list(rows.values())).reshape(-1, width),
        np.asarray(flat.factor).reshape(channels, width),
    ]
