"""C of a law for other programs: the kernel's own functions for one point at a time, behind one header; user materials on top."""

from __future__ import annotations

import re
from dataclasses import replace
from importlib.resources import files

import numpy as np

from constitutive.export.subject import Subject, header
from constitutive.kernel import generate

# letters beyond ASCII, which some compilers of user subroutines refuse
ASCII = str.maketrans({"ᵀ": "'", "→": "->", "−": "-", "√": "sqrt ", "½": "1/2", "²": "^2", "₀": "0", "·": ".", "₊": "+",
                       "ψ": "psi", "ρ": "rho", "κ": "kappa", "Σ": "sum", "δ": "d", "φ": "phi",
                       "≠": "!=", "χ": "chi", "∈": " in ", "–": "-"})  # fmt: skip
QUIET = """\
#if defined(__GNUC__)
#pragma GCC diagnostic ignored "-Wunused-function" /* not every law needs every helper */
#pragma GCC diagnostic ignored "-Wunused-parameter"
#endif
"""


def comment(lines: list[str]) -> str:
    """A comment of C."""
    return "/*\n" + "".join(f" * {line}\n" for line in lines) + " */\n"


def template(name: str, subject: Subject) -> str:
    """A fixed part of C with the law's names in it."""
    text = (files("constitutive.export") / name).read_text(encoding="utf-8")
    names = {"NAME": subject.name, "UPPER": subject.name.upper(), "GUARD": f"{subject.name.upper()}_H", "UNIT": subject.unit,
             "LIBRARY": library(subject), "ENTRY": "umat_", "STATIC": ""}  # fmt: skip
    return re.sub(r"@([A-Z]+)@", lambda match: names[match[1]], text)


def library(subject: Subject) -> str:
    """Upper-case letters and digits: CalculiX ends the name of a library at the first underscore."""
    return re.sub(r"[^A-Z0-9]", "", subject.name.upper())


def c_header(subject: Subject) -> str:
    """The header of the C library."""
    return comment(header(subject)) + "\n" + template("law.h", subject)


def law_body(subject: Subject) -> str:
    """The law: functions of the kernel's generator, all numbers in one table, and the functions that the header declares.

    Raises
    ------
    ExportError
        The law has no generated code.
    """
    assert subject.program is not None  # noqa: S101 - raises an ExportError where there is none
    source = replace(generate(subject.material, subject.law), portable=True)
    numbers = source.numbers
    rows = [", ".join(float(v).hex() for v in numbers[k : k + 4]) for k in range(0, len(numbers), 4)]
    tables = f"static const double NUMBERS[{len(numbers)}] = {{\n    " + ",\n    ".join(rows) + "};\n"
    frame = ", ".join(float(v).hex() for v in np.asarray(source.program.frame).ravel())
    settings = (
        f"enum {{ STOPS = {int(subject.stops)} }};\nstatic const double UNIT_FACTOR = {subject.factor:.1f};\n"
        f"static const double FRAME[36] = {{{frame}}};\n"
    )
    return QUIET + source.shape.translate(ASCII) + tables + settings + template("law.c", subject)


def c_library(subject: Subject) -> dict[str, str]:
    """One header and one source."""
    source = comment(header(subject)) + f'\n#include "{subject.name}.h"\n' + law_body(subject)
    return {f"{subject.name}.h": c_header(subject), f"{subject.name}.c": source}


def umat_c(subject: Subject) -> str:
    """The user material of Abaqus as one C file, with the law in it."""
    how = [*header(subject), "", "Abaqus:      abaqus job=NAME user=this file; *USER MATERIAL, CONSTANTS=0, 3 or 9; *DEPVAR 3"]
    return comment(how) + template("law.h", subject) + law_body(subject) + template("umat.c", subject) + template("umat_abaqus.c", subject)


def calculix_c(subject: Subject) -> str:
    """The user materials of CalculiX as one C file: its native interface, and Abaqus's for geometrically linear steps."""
    name = library(subject)
    how = [
        *header(subject),
        "",
        f"Build:       cc -O2 -fPIC -shared -o lib{name}.so this file -lm   (the folder of the library goes to LD_LIBRARY_PATH)",
        f"Use:         *MATERIAL, NAME=@{name}_UMATX               any step, with or without NLGEOM",
        f"             *MATERIAL, NAME=@ABAQUS_{name}_UMATABQ      geometrically linear steps only",
        "             *USER MATERIAL, CONSTANTS=1 (a number that is not used), 3 (Bunge, degrees) or 9 (R row by row); *DEPVAR 3",
        "Needs:       ccx compiled with -DCALCULIX_EXTERNAL_BEHAVIOURS_SUPPORT",
    ]
    abaqus = template("umat_abaqus.c", subject).replace("umat_(", "UMATABQ(")
    parts = [template("law.h", subject), law_body(subject), template("umat.c", subject), template("umat_calculix.c", subject), abaqus]
    return comment(how) + "".join(parts)
